//! Pages of runs under way: what they say while it goes on, and what they say at the end.

use crate::cli::{SHORT, done, folder, lacuna, refused};
use crate::report::{browser, opens};
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const REFRESH: &str = "http-equiv=\"refresh\"";
const REPORT: &str = "href=\"report.html\"";

#[test]
fn the_page_of_a_run_that_ended_says_so_and_leads_to_the_report() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    done(here, &["run", "--example", "--watch", "-q", "--algorithm", "ER**20,(Sup*HIO**10)**4", "-o", "out"]);
    let page = fs::read_to_string(here.join("out/watch.html")).unwrap();
    assert!(page.contains("<p class=\"verdict\">Finished. ") && page.contains(REPORT), "{page}");
    assert!(!page.contains(REFRESH) && page.contains("8 of 8 runs ended"), "{page}");
    assert!(page.contains("Best run: run ") && page.contains("Free log-likelihood"), "pictures and curves");
    assert!(here.join("out/report.html").exists());
    if let Some(browser) = browser() {
        opens(browser, here, "out/watch.html");
    }
}

#[test]
fn the_page_is_an_output_like_the_others() {
    let folder = folder();
    let here = folder.path();
    let run = ["run", "good.cxi", "-q", "--algorithm", SHORT, "--nb-run", "1", "-o", "out"];
    let watched = [&run[..], &["--watch"]].concat();
    fs::create_dir(here.join("out")).unwrap();
    fs::write(here.join("out/watch.html"), "mine").unwrap();
    refused(here, &watched, &["out/watch.html exists already", "--force"]);
    done(here, &[&watched[..], &["--force"]].concat());
    assert!(fs::read_to_string(here.join("out/watch.html")).unwrap().contains("Finished. "));
    // One of another run must not stay beside a result that nobody watched.
    done(here, &[&run[..], &["--force"]].concat());
    assert!(!here.join("out/watch.html").exists());
}

#[test]
fn a_run_that_failed_says_why_and_is_no_obstacle_to_the_next() {
    let folder = folder();
    let here = folder.path();
    let run = |file: &'static str| ["run", file, "--watch", "-q", "--algorithm", SHORT, "--nb-run", "1", "-o", "out"];
    let output = lacuna(here, &run("missing.cxi")).output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr).trim().to_string();
    assert_eq!(output.status.code(), Some(1), "{told}");
    let page = fs::read_to_string(here.join("out/watch.html")).unwrap();
    let error = told.strip_prefix("lacuna: ").unwrap();
    assert!(page.contains(&format!("Failed: {error}")), "{told}: {page}");
    assert!(!page.contains(REFRESH) && !page.contains(REPORT), "{page}");
    done(here, &run("good.cxi"));
    assert!(fs::read_to_string(here.join("out/watch.html")).unwrap().contains("Finished. "));
    assert!(!here.join("out/.lacuna.lock").exists());
}

/// A run of hours whose page shows it under way, and that page. All pages on the way were whole.
fn under_way(here: &Path) -> (Child, String) {
    let arguments = ["run", "good.cxi", "--watch", "-q", "--algorithm", "HIO**1000000", "--nb-run", "1", "-o", "out"];
    let mut child = lacuna(here, &arguments).stderr(Stdio::null()).spawn().unwrap();
    let begun = Instant::now();
    loop {
        let page = fs::read_to_string(here.join("out/watch.html")).unwrap_or_default();
        assert!(page.is_empty() || page.ends_with("</html>\n"), "half a page");
        if page.contains("Under way: run 0") {
            return (child, page);
        }
        assert!(child.try_wait().unwrap().is_none() && begun.elapsed() < Duration::from_secs(120), "{page}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
#[cfg(unix)]
fn a_run_that_is_interrupted_shows_what_it_reached() {
    let folder = folder();
    let here = folder.path();
    let (mut child, page) = under_way(here);
    assert!(page.contains("No verdict yet: 0 of 1 run ended.") && page.contains(REFRESH), "{page}");
    assert!(!page.contains(REPORT) && page.contains("run 0, under way"), "{page}");
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(130));
    let page = fs::read_to_string(here.join("out/watch.html")).unwrap();
    assert!(page.contains("Interrupted: what was reached is in the report.") && page.contains(REPORT), "{page}");
    assert!(!page.contains(REFRESH) && here.join("out/report.html").exists(), "{page}");
}

#[test]
fn the_page_of_a_run_that_was_killed_grows_stale() {
    let folder = folder();
    let here = folder.path();
    let (mut child, page) = under_way(here);
    child.kill().unwrap();
    child.wait().unwrap();
    let Some(browser) = browser() else { return };
    let shown = |page: &str| {
        fs::write(here.join("page.html"), page).unwrap();
        let output = Command::new(browser)
            .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--dump-dom"])
            .arg(format!("--user-data-dir={}", here.join("profile").display()))
            .arg(format!("file://{}", here.join("page.html").display()))
            .output()
            .unwrap();
        let document = String::from_utf8_lossy(&output.stdout).into_owned();
        let (_, line) = document.split_once("<p class=\"live").unwrap_or_else(|| panic!("{document}"));
        line.split_once("</p>").unwrap().0.to_string()
    };
    let written = |seconds: u64| {
        let (before, rest) = page.split_once("data-written=\"").unwrap();
        let (_, after) = rest.split_once('"').unwrap();
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
        format!("{before}data-written=\"{}\"{after}", now - seconds)
    };
    assert!(shown(&written(0)).contains(" ago. Loaded again every "));
    let old = shown(&written(190));
    assert!(old.contains("stale\"") && old.contains("No news for 3 min: the run was stopped"), "{old}");
}
