//! Phasing on a GPU, without one: a driver that runs the very kernels as host code
//! (tests/emulator) takes the place of NVIDIA's, and the program does not know. What this cannot
//! show is speed, and what hardware does that the emulator does not: tools/gpu-check.sh is for
//! machines with a GPU.

use crate::cli::{done, lacuna, refused, summary, write_good};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

/// The folder of the emulated driver, built once; nothing, said in a line, where there is no C++
/// compiler.
fn emulator() -> Option<&'static Path> {
    static FOLDER: OnceLock<Option<PathBuf>> = OnceLock::new();
    FOLDER
        .get_or_init(|| {
            let top = Path::new(env!("CARGO_MANIFEST_DIR"));
            let compiler = std::env::var("CXX").unwrap_or_else(|_| "g++".into());
            if Command::new(&compiler).arg("--version").output().is_err() {
                println!("skipped: no C++ compiler ({compiler}) to build the emulator with");
                return None;
            }
            let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("emulator");
            let built = Command::new("sh")
                .arg(top.join("tests/emulator/build.sh"))
                .arg(&folder)
                .arg(top.join("kernels"))
                .output();
            let built = built.expect("sh starts");
            assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
            Some(folder)
        })
        .as_deref()
}

/// The program with a driver in this folder, and settings of the emulator.
fn with_driver(driver: &Path, here: &Path, arguments: &[&str], settings: &[(&str, &str)]) -> Output {
    let mut command = lacuna(here, arguments);
    command.env("LD_LIBRARY_PATH", driver);
    settings.iter().for_each(|(name, value)| {
        command.env(format!("LACUNA_EMULATED_{name}"), value);
    });
    command.output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn every_primitive_and_whole_recipes_agree_with_the_cpu() {
    let Some(driver) = emulator() else { return };
    let here = tempfile::tempdir().unwrap();
    let output = with_driver(driver, here.path(), &["bench", "gpu", "--only", "checks", "--json"], &[]);
    let told = text(&output.stdout);
    let wrong: Vec<&str> = told.lines().filter(|line| line.contains("\"agrees\":false")).collect();
    assert!(output.status.success(), "{}\n{}", wrong.join("\n"), text(&output.stderr));
    let last: Value = serde_json::from_str(told.lines().last().unwrap()).unwrap();
    // Both ways to transform, six shapes, 33 things to do and what is looked at in each.
    assert!(last["agreements"].as_u64().unwrap() > 1700, "{last}");
}

/// 64 x 64, three runs and one from their average: too little to wait for.
const RUN: [&str; 14] = [
    "run",
    "good.cxi",
    "--output",
    "out",
    "--gap",
    "free",
    "--algorithm",
    "ER**25,(Sup*HIO**50)**3",
    "--nb-run",
    "3",
    "--psf",
    "none",
    "--json",
    "--force",
];

fn run(device: &'static str) -> Vec<&'static str> {
    RUN.iter().copied().chain(["--device", device]).collect()
}

#[test]
fn a_run_on_a_gpu_is_a_run() {
    let Some(driver) = emulator() else { return };
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    write_good(&here.join("good.cxi"), [1, 64, 64]);
    let cpu = summary(&done(here, &run("cpu")));
    assert_eq!(cpu["device"], "cpu");
    for (device, count) in [("cuda:0", "1"), ("auto", "1"), ("cuda:0,1", "2")] {
        let output = with_driver(driver, here, &run(device), &[("DEVICES", count)]);
        assert!(output.status.success(), "{}", text(&output.stderr));
        let gpu = summary(&output);
        assert_eq!(gpu["device"], if device == "auto" { "cuda:0" } else { device });
        // Far from a solution single precision drifts apart: the same quality, not the same bits.
        let [a, b] = [&gpu, &cpu].map(|summary| summary["r_factor"].as_f64().unwrap());
        assert!(a < 2.0 * b + 0.01 && b < 2.0 * a + 0.01, "R {a} on {device}, {b} on the CPU");
        assert_eq!(gpu["runs"], 4);
    }
}

#[test]
fn objects_stay_on_the_gpu() {
    let Some(driver) = emulator() else { return };
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    write_good(&here.join("good.cxi"), [1, 64, 64]);
    let log = here.join("log.txt");
    let output = with_driver(driver, here, &run("cuda:0"), &[("LOG", log.to_str().unwrap())]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let log = fs::read_to_string(log).unwrap();
    let back = |least: usize| {
        let bytes =
            log.lines().filter_map(|line| line.strip_prefix("dtoh ")).map(|n| n.trim().parse::<usize>().unwrap());
        bytes.filter(|&n| n >= least).count()
    };
    // Of 4096 pixels nothing as large as a support comes back but the three results of four runs.
    assert_eq!(back(4096), 3 * 4, "of {}", back(1));
    // Cycles are queued as graphs: after their first use hardly anything is launched one by one.
    assert!(log.lines().filter(|line| line.starts_with("graph ")).count() > 5);
}

#[test]
fn without_a_gpu_that_can_be_used_the_cpu_phases() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    write_good(&here.join("good.cxi"), [1, 64, 64]);
    let no_driver = lacuna(here, &run("cuda")).env("LD_LIBRARY_PATH", "").output().unwrap();
    if !text(&done(here, &["doctor"]).stdout).contains("no NVIDIA driver") {
        println!("skipped: this machine has a driver of its own");
        return;
    }
    assert_eq!(no_driver.status.code(), Some(1));
    let told = text(&no_driver.stderr);
    for word in ["device = cuda:0", "no NVIDIA driver", "device = auto"] {
        assert!(told.lines().count() == 1 && told.contains(word), "{told}");
    }
    refused(here, &run("gpu"), &["gpu", "cuda:N"]);
    let Some(driver) = emulator() else { return };
    let old = driver.join("old");
    for (driver, settings, why) in [
        (driver, &[("DEVICES", "0")][..], "no CUDA-capable device"),
        (&old, &[], "too old"),
        (driver, &[("DRIVER", "12020")], "CUDA"),
        (driver, &[("MEMORY", "20")], "memory"),
    ] {
        let output = with_driver(driver, here, &run("auto"), settings);
        let told = text(&output.stderr);
        assert!(output.status.success() && !told.contains("panicked"), "{told}");
        assert_eq!(summary(&output)["device"], "cpu");
        let output = with_driver(driver, here, &run("cuda"), settings);
        let told = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{told}");
        assert!(told.lines().count() == 1 && told.contains(why), "{told}");
        assert!(text(&with_driver(driver, here, &["doctor"], settings).stdout).contains("--device auto runs on"));
    }
    // A GPU that fails on the way: one line, nothing left.
    let output = with_driver(driver, here, &run("cuda"), &[("FAIL", "300")]);
    let told = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.lines().count() == 1 && told.contains("the GPU failed") && told.contains("device = cpu"), "{told}");
    // In a comparison too that is an error, and no treatment that diverged.
    let recipe = ["--algorithm", "ER**50,(Sup*HIO**20)**20", "--device", "cuda"];
    let compare = [&["compare", "good.cxi", "-q", "--gaps", "free,zero", "-o", "compared"], &recipe[..]].concat();
    let output = with_driver(driver, here, &compare, &[("FAIL", "300")]);
    let told = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.lines().count() == 1 && told.contains("the GPU failed"), "{told}");
    assert!(!here.join("compared/compare.html").exists());
}

#[test]
fn the_doctor_names_the_gpus() {
    let Some(driver) = emulator() else { return };
    let here = tempfile::tempdir().unwrap();
    let output = with_driver(driver, here.path(), &["doctor", "--json"], &[("DEVICES", "2"), ("CC", "9.0")]);
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(found["gpu"]["cards"].as_array().unwrap().len(), 2);
    assert_eq!(found["gpu"]["cards"][1]["compute_capability"], serde_json::json!([9, 0]));
    assert_eq!(found["device"], "cuda:0");
    let output = with_driver(driver, here.path(), &["doctor"], &[("DEVICES", "2")]);
    assert!(text(&output.stdout).contains("--device cuda:0,1"), "{}", text(&output.stdout));
}
