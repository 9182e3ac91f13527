//! Reconstructions of measured patterns by the program, as a user asks for them. The bounds are the
//! aims that the project set itself; BENCHMARKS.md says what is reached.

use crate::cli::{done, summary};
use lacuna::io::read_support;
use lacuna::metrics::overlap;
use serde_json::Value;
use std::path::PathBuf;
use tempfile::TempDir;

/// A file of the shared data, or `None`, said in one line, where it is absent.
pub fn data(name: &str) -> Option<String> {
    let default = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/data");
    let folder = std::env::var_os("LACUNA_DATA").map_or_else(|| default.into(), PathBuf::from);
    let path = folder.join(name);
    if !path.is_file() {
        println!("skipped: no {name} in {} (set LACUNA_DATA)", folder.display());
        return None;
    }
    Some(path.canonicalize().unwrap().to_str().unwrap().to_string())
}

/// Runs the program on a file and returns its summary and the folder with `out`.
fn run(file: &str, more: &[&str]) -> (Value, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let output = done(folder.path(), &[&["run", file, "--json", "-o", "out"], more].concat());
    (summary(&output), folder)
}

/// Prints what BENCHMARKS.md quotes.
fn tell(what: &str, summary: &Value, overlap: Option<f64>) {
    let overlap = overlap.map_or(String::new(), |iou| format!(", overlap with the true support {iou:.3}"));
    println!("{what}: R {:.4}{overlap}, {:.0} s", r_factor(summary), summary["seconds"].as_f64().unwrap());
}

fn r_factor(summary: &Value) -> f64 {
    summary["r_factor"].as_f64().expect("a number")
}

/// Intersection over union of the result's support and the true one of the logo.
fn logo_overlap(folder: &TempDir, truth: &str) -> f64 {
    let result = folder.path().join("out/result.cxi");
    let found = read_support(result.to_str().unwrap()).unwrap();
    overlap(&found, &read_support(truth).unwrap()).unwrap().iou
}

#[test]
fn logo_from_its_true_support() {
    let (Some(logo), Some(truth)) = (data("logo_native_gap.cxi"), data("cdi2d_esrf_id10_logo.npz")) else { return };
    let (summary, folder) = run(&logo, &["--preset", "forward", "--support", &truth]);
    let overlap = logo_overlap(&folder, &truth);
    tell("logo, true support", &summary, Some(overlap));
    assert!(r_factor(&summary) <= 0.085 && overlap >= 0.8, "overlap {overlap}: {summary}");
}

#[test]
fn logo_from_a_loose_support() {
    let (Some(logo), Some(truth)) = (data("logo_native_gap.cxi"), data("cdi2d_esrf_id10_logo.npz")) else { return };
    let Some(loose) = data("logo_loose_support.npz") else { return };
    let (summary, folder) = run(&logo, &["--preset", "forward", "--support", &loose]);
    let overlap = logo_overlap(&folder, &truth);
    tell("logo, loose support", &summary, Some(overlap));
    assert!(r_factor(&summary) <= 0.10 && overlap >= 0.8, "overlap {overlap}: {summary}");
}

#[test]
#[ignore = "minutes"]
fn logo_from_nothing() {
    let (Some(logo), Some(truth)) = (data("logo_native_gap.cxi"), data("cdi2d_esrf_id10_logo.npz")) else { return };
    let (summary, folder) = run(&logo, &["--preset", "forward"]);
    let overlap = logo_overlap(&folder, &truth);
    tell("logo, no support", &summary, Some(overlap));
    assert!(r_factor(&summary) <= 0.12 && overlap >= 0.6, "overlap {overlap}: {summary}");
}

#[test]
#[ignore = "minutes"]
fn gold_crystal_binned() {
    let Some(gold) = data("au_aps34idc_gap6.cxi") else { return };
    let (summary, _) = run(&gold, &["--preset", "bragg", "--rebin", "2,2,2", "--nb-run", "3"]);
    tell("gold crystal", &summary, None);
    assert!(r_factor(&summary) <= 0.17, "{summary}");
}
