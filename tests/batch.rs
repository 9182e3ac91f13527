//! Batches: what becomes of good and bad scans, of batches that are killed, and of other settings.

use crate::cli::{done, lacuna, refused, summary, write_good};
use crate::report::{browser, opens};
use ndarray::Array2;
use ndarray_npy::write_npy;
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

const BATCH: [&str; 9] =
    ["batch", "scan_*", "--preset", "particle", "--algorithm", "ER**20,(Sup*HIO**20)**3", "--nb-run=2", "-o", "out"];

/// Six scans: the third has no data, and the fifth is in no format.
fn scans() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for number in [1, 2, 4, 6] {
        write_good(&folder.path().join(format!("scan_{number}.cxi")), [1, 64, 64]);
    }
    write_npy(folder.path().join("scan_3.npy"), &Array2::<f32>::zeros((64, 64))).unwrap();
    fs::write(folder.path().join("scan_5.cxi"), "no pattern").unwrap();
    folder
}

fn state(here: &Path, name: &str) -> Option<Value> {
    let text = fs::read_to_string(here.join("out").join(name).join("state.json")).ok()?;
    Some(serde_json::from_str(&text).expect("states are whole"))
}

/// Runs a batch until some scan is at work after this many have ended, and kills it.
fn killed_after(here: &Path, arguments: &[&str], ended: usize) {
    let mut child = lacuna(here, arguments).stderr(Stdio::null()).spawn().unwrap();
    let begun = Instant::now();
    let at_work = || {
        let states: Vec<Value> = (1..=6).filter_map(|number| state(here, &format!("scan_{number}"))).collect();
        let unfinished = states.iter().filter(|state| state["status"] == "unfinished").count();
        unfinished > 0 && states.len() - unfinished >= ended
    };
    while !at_work() && begun.elapsed() < Duration::from_secs(60) {
        std::thread::sleep(Duration::from_millis(2));
    }
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn a_killed_batch_goes_on_and_bad_scans_stop_no_other() {
    let folder = scans();
    let here = folder.path();
    killed_after(here, &BATCH, 1);
    let page = fs::read_to_string(here.join("out/index.html")).unwrap();
    assert!(page.contains("not begun") && page.contains("http-equiv=\"refresh\""), "it shows what is done so far");
    let before = state(here, "scan_1").unwrap();
    assert!(before["status"] != "unfinished", "{before}");

    let output = lacuna(here, &[&BATCH[..], &["--json"]].concat()).output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert_eq!(told.trim(), "lacuna: out: 2 of 6 scans failed: --retry failed does them again");
    let sum = summary(&output);
    assert_eq!((&sum["scans"], &sum["failed"], &sum["unfinished"]), (&6.into(), &2.into(), &0.into()), "{sum}");
    assert_eq!(state(here, "scan_1").unwrap(), before, "what was done is kept");

    let bad = state(here, "scan_3").unwrap();
    assert!(bad["error"].as_str().unwrap().contains("nothing to phase"), "{bad}");
    assert!(state(here, "scan_5").unwrap()["error"].as_str().unwrap().contains("is not an HDF5 file"));
    for number in [1, 2, 4, 6] {
        let name = format!("scan_{number}");
        let state = state(here, &name).unwrap();
        assert!(state["r_factor"].as_f64().is_some_and(f64::is_finite) && state["verdict"].is_string(), "{state}");
        assert!(here.join(format!("out/{name}/report.html")).exists());
        assert!(!here.join(format!("out/{name}/.lacuna.lock")).exists());
    }

    let page = fs::read_to_string(here.join("out/index.html")).unwrap();
    assert!(page.len() < 6 * 100_000, "{} bytes", page.len());
    assert!(!page.contains("http-equiv=\"refresh\"") && page.contains("Failed: ") && page.contains("nothing to phase"));
    assert_eq!(page.matches("/report.html\"").count(), 4);
    assert_eq!(page.matches("<figure class=\"wide\"").count(), 4, "a picture for each result");
    if let Some(browser) = browser() {
        opens(browser, here, "out/index.html");
    }
    let table = fs::read_to_string(here.join("out/summary.csv")).unwrap();
    let lines: Vec<&str> = table.lines().collect();
    assert_eq!(lines.len(), 7, "{table}");
    assert!(lines[0].starts_with("scan,folder,state,seconds,probability,r_factor,"), "{table}");
    for (line, number) in lines[1..].iter().zip(1..) {
        assert!(line.contains(&format!(",scan_{number},")), "{line}");
    }

    // Nothing is left to do, and what failed fails again where that is asked for.
    let again = lacuna(here, &BATCH).output().unwrap();
    assert_eq!(state(here, "scan_1").unwrap(), before);
    assert!(String::from_utf8_lossy(&again.stderr).starts_with("6 scans kept as they are"));
    let retried = lacuna(here, &[&BATCH[..], &["--retry", "failed", "--workers", "2"]].concat()).output().unwrap();
    let told = String::from_utf8_lossy(&retried.stderr);
    assert!(told.contains("4 scans kept") && told.contains("2 of 6 scans failed"), "{told}");

    refused(here, &[&BATCH[..], &["--beta", "0.7"]].concat(), &["scan_1.cxi", "other settings", "--force"]);
    refused(here, &["batch", "nothing_*", "-o", "out"], &["nothing_*", "no file has a name like this"]);
}

#[test]
fn each_scan_has_the_further_outputs_and_a_new_file_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    write_good(&here.join("scan_1.cxi"), [1, 64, 64]);
    let batch = ["batch", "scan_1.cxi", "--algorithm", "ER**5", "--nb-run=2", "-q", "-o", "out"];
    let more = [&batch[..], &["--figures", "svg", "--run-files", "--watch"]].concat();
    done(here, &more);
    let here_is = |name: &str| here.join("out/scan_1").join(name).exists();
    assert!(here_is("figures") && here_is("watch.html"));
    let names = fs::read_dir(here.join("out/scan_1")).unwrap().map(|entry| entry.unwrap().file_name());
    assert!(names.filter(|name| name.to_string_lossy().starts_with("result_Run")).count() > 0);
    refused(here, &batch, &["scan_1.cxi", "other settings"]);
    done(here, &more);

    fs::remove_file(here.join("scan_1.cxi")).unwrap();
    write_good(&here.join("scan_1.cxi"), [1, 64, 72]);
    refused(here, &more, &["scan_1.cxi", "was written again", "--force"]);
    done(here, &[&more[..], &["--force"]].concat());
    done(here, &more);
}

#[test]
fn shards_share_the_scans_and_a_summary_shows_them_all() {
    let folder = scans();
    let here = folder.path();
    fs::write(here.join("table.csv"), "scan,nb-run\nscan_1.cxi,1\nscan_2.cxi,2\n").unwrap();
    let batch = ["batch", "--table", "table.csv", "--algorithm", "ER**5", "-q", "-o", "out"];
    done(here, &[&batch[..], &["--shard", "2/2"]].concat());
    let settings = |name: &str| fs::read_to_string(here.join("out").join(name).join("settings.toml")).unwrap();
    assert!(state(here, "scan_1").is_none() && settings("scan_2").contains("\nnb-run = 2\n"));
    assert!(!here.join("out/index.html").exists());
    done(here, &[&batch[..], &["--shard", "1/2"]].concat());
    assert!(settings("scan_1").contains("\nnb-run = 1\n"));
    done(here, &[&batch[..], &["--summary"]].concat());
    assert!(fs::read_to_string(here.join("out/index.html")).unwrap().contains("2 scans: "));
    assert_eq!(fs::read_to_string(here.join("out/summary.csv")).unwrap().lines().count(), 3);
    refused(
        here,
        &["batch", "scan_2.cxi", "--table", "table.csv", "-o", "new"],
        &["scan_1.cxi", "is not among the scans"],
    );
    fs::write(here.join("bad.csv"), "scan,nb-runs\nscan_1.cxi,1\n").unwrap();
    refused(here, &["batch", "--table", "bad.csv", "-o", "new"], &["bad.csv", "did you mean 'nb-run'"]);
}

/// A program in the place of `sbatch` that writes down what it is given.
#[test]
#[cfg(unix)]
fn slurm_is_given_an_array_and_a_summary_that_waits_for_it() {
    use std::os::unix::fs::PermissionsExt;
    let folder = scans();
    let here = folder.path();
    let batch = ["batch", "scan_1.cxi", "scan_2.cxi", "--algorithm", "(Sup*ER**5)**2", "-o", "out dir", "--slurm"];
    let with_path = |path: &Path| lacuna(here, &batch).env("PATH", path).output().unwrap();
    fs::create_dir(here.join("bin")).unwrap();
    let none = with_path(&here.join("bin"));
    let told = String::from_utf8_lossy(&none.stderr);
    assert!(none.status.code() == Some(1) && told.lines().count() == 1, "{told}");
    assert!(told.contains("array.sbatch") && told.contains("sbatch is not to be had here"), "{told}");

    let sbatch = here.join("bin/sbatch");
    fs::write(&sbatch, "#!/bin/sh\necho \"$@\" >> sbatch.log\necho 41\n").unwrap();
    fs::set_permissions(&sbatch, fs::Permissions::from_mode(0o755)).unwrap();
    let told = String::from_utf8(with_path(&here.join("bin")).stderr).unwrap();
    assert_eq!(told.trim(), "submitted 2 tasks as job 41, and the page as job 41");
    let log = fs::read_to_string(here.join("sbatch.log")).unwrap();
    assert!(log.contains("--parsable --dependency=afterany:41 ") && log.lines().count() == 2, "{log}");

    // What a cluster would do with them.
    let script = |name: &str, task: &str| {
        let path = here.join("out dir/slurm").join(name);
        let output = crate::interop::unlocked("bash").arg(path).env("SLURM_ARRAY_TASK_ID", task).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    ["2", "1"].into_iter().for_each(|task| script("array.sbatch", task));
    script("summary.sbatch", "");
    assert!(fs::read_to_string(here.join("out dir/index.html")).unwrap().contains("2 scans: "));
}
