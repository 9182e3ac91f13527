//! The report in a real browser: no error on its console, and something to see.

use crate::cli::{done, summary};
use std::collections::HashSet;
use std::fs::File;
use std::io::BufReader;
use std::path::Path;
use std::process::Command;

/// Names under which distributions ship the browser.
const BROWSERS: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];

#[test]
fn report_opens_in_a_browser() {
    let Some(browser) = browser() else { return };
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    done(here, &["run", "--example", "-q", "--algorithm", "ER**20,(Sup*HIO**10)**4", "-o", "out"]);
    opens(browser, here, "out/report.html");
    let column = sorted_by_a_click(browser, here, "out/report.html");
    assert!(column.len() > 2 && column.is_sorted(), "{column:?}");
}

#[test]
fn the_demonstration_opens_in_a_browser_and_fills_the_gap_for_the_better() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let log = summary(&done(here, &["demo", "-o", "out", "--json"]));
    let error = |name: &str| {
        let entry = log["gaps"].as_array().unwrap().iter().find(|entry| entry["gap"] == name).unwrap();
        entry["score"]["error"].as_f64().unwrap()
    };
    assert!(error("network") < error("free"), "{log}");
    assert!(error("full") < 0.3, "{log}");
    if let Some(browser) = browser() {
        opens(browser, here, "out/compare.html");
    }
}

pub fn browser() -> Option<&'static str> {
    let works = |name: &&str| Command::new(name).arg("--version").output().is_ok_and(|output| output.status.success());
    let found = BROWSERS.iter().copied().find(works);
    if found.is_none() {
        println!("skipped: no chromium to open the page");
    }
    found
}

/// What a browser that draws surfaces in software makes of a page, and one that cannot: their documents.
pub fn with_and_without_surfaces(browser: &str, here: &Path, page: &str) -> [String; 2] {
    let software = ["--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"];
    let none = ["--disable-gpu", "--disable-3d-apis", "--disable-software-rasterizer"];
    [software, none].map(|flags| {
        let output = Command::new(browser)
            .args(["--headless", "--no-sandbox", "--disable-dev-shm-usage", "--dump-dom"])
            .args(flags)
            .arg(format!("--user-data-dir={}", here.join("profile").display()))
            .arg(format!("file://{}", here.join(page).display()))
            .output()
            .unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    })
}

/// The first column of numbers in a table that can be sorted, after a click on its heading.
fn sorted_by_a_click(browser: &str, here: &Path, page: &str) -> Vec<f64> {
    let html = std::fs::read_to_string(here.join(page)).unwrap();
    // The page's own policy admits no script of ours: this copy has none.
    let (before, policy) = html.split_once("<meta http-equiv").unwrap();
    let (_, after) = policy.split_once('>').unwrap();
    let click = "<script>const heading = document.querySelector('table.sortable th.number'); heading.click();\
        const column = [...heading.parentNode.children].indexOf(heading);\
        const rows = heading.closest('table').querySelectorAll('tbody tr');\
        document.title = 'sorted:' + [...rows].map((row) => parseFloat(row.children[column].textContent)).join(',') + ';';</script>";
    let body = after.replace("</body>", &format!("{click}</body>"));
    std::fs::write(here.join("clicked.html"), format!("{before}{body}")).unwrap();
    let output = Command::new(browser)
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--dump-dom"])
        .arg(format!("--user-data-dir={}", here.join("profile").display()))
        .arg(format!("file://{}", here.join("clicked.html").display()))
        .output()
        .unwrap();
    let page = String::from_utf8_lossy(&output.stdout);
    let (_, title) = page.split_once("<title>sorted:").unwrap_or_else(|| panic!("{page}"));
    let (numbers, _) = title.split_once(';').unwrap();
    numbers.split(',').map(|number| number.parse().unwrap()).collect()
}

pub fn opens(browser: &str, here: &Path, page: &str) {
    // Root may not use the sandbox, and the page is ours.
    let output = Command::new(browser)
        .current_dir(here)
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--enable-logging=stderr"])
        .args(["--window-size=1200,2000", "--screenshot=page.png"])
        .arg(format!("--user-data-dir={}", here.join("profile").display()))
        .arg(format!("file://{}", here.join(page).display()))
        .output()
        .unwrap();
    let log = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{log}");
    let console: Vec<&str> = log.lines().filter(|line| line.contains("CONSOLE")).collect();
    assert!(console.is_empty(), "{console:#?}");

    let decoder = png::Decoder::new(BufReader::new(File::open(here.join("page.png")).unwrap()));
    let mut reader = decoder.read_info().unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    let frame = reader.next_frame(&mut pixels).unwrap();
    let samples = frame.color_type.samples();
    let colours: HashSet<&[u8]> = pixels[..frame.buffer_size()].chunks_exact(samples).collect();
    // An empty or broken page has a handful; the colour maps alone have hundreds.
    assert!(colours.len() > 200, "{} colours on {} x {}", colours.len(), frame.width, frame.height);
}
