//! Fills of gaps in measured patterns whose pixels behind the gap were measured too, as a user asks
//! for them. Against counts even the truth would have an error; BENCHMARKS.md quotes what is
//! printed here.

use crate::cli::done;
use crate::network::write_npz;
use crate::real::data;
use lacuna::metrics::GapScore;
use ndarray::{Array3, s};
use ndarray_npy::NpzReader;
use std::fs::File;

/// Fills the gaps of `file` in all ways and prints how near they come to `truth` where it is
/// `measured` and all say something. Returns the mean absolute errors of `log10(1 + I)`, the
/// network's first and that of
/// kriging last.
fn compare(name: &str, file: &str, truth: &Array3<f32>, measured: &Array3<bool>, dims: &str) -> [f64; 5] {
    let folder = tempfile::tempdir().unwrap();
    let ways = ["network", "linear", "idw", "biharmonic", "kriging"];
    let estimates = ways.map(|method| {
        let keep = ["--centre", "keep", "--hot-pixels", "0", "-q", "-o", "out.cxi", "--force", "--method", method];
        let dims: &[&str] = if method == "network" { &["--dims", dims] } else { &[] };
        done(folder.path(), &[&["inpaint", file][..], &keep, dims].concat());
        lacuna::io::read(folder.path().join("out.cxi").to_str().unwrap()).unwrap().estimate.expect("an estimate")
    });
    // Preparation leaves off the last frame of an odd number: then nothing is said of it.
    let said = |estimate: &lacuna::pixels::Estimate, index| estimate.at.0.get(index).is_some_and(|&at| at);
    let everywhere = |index| measured[index] && estimates.iter().all(|estimate| said(estimate, index));
    let places: Vec<_> = truth.indexed_iter().map(|(index, _)| index).filter(|&index| everywhere(index)).collect();
    let mut errors = [0.0; 5];
    for ((method, estimate), error) in ways.iter().zip(&estimates).zip(&mut errors) {
        let score = GapScore::new(places.iter().map(|&index| (estimate.mean.0[index], truth[index])));
        // Counts are whole numbers: an interval holds those that it touches.
        let holds =
            |index| estimate.lower.0[index].floor() <= truth[index] && truth[index] <= estimate.upper.0[index].ceil();
        let held = places.iter().filter(|&&index| holds(index)).count() as f64 / places.len() as f64;
        println!(
            "{name}: {method:10} {} pixels, mean absolute error of log10(1+I) {:.4}, Pearson {:.4}, within bounds {held:.3}",
            score.pixels, score.error_log, score.pearson_log
        );
        *error = score.error_log;
    }
    errors
}

/// The pixels behind the gaps of one file, from another of the same experiment.
fn both(gaps: &str, full: &str) -> Option<(String, Array3<f32>, Array3<bool>)> {
    let (gaps, full) = (data(gaps)?, data(full)?);
    let [hidden, whole] = [&gaps, &full].map(|file| lacuna::io::read(file).unwrap());
    let mut measured = hidden.mask.unwrap().0.mapv(|bits| bits != 0);
    if let Some(mask) = whole.mask {
        measured.zip_mut_with(&mask.0, |measured, &bits| *measured &= bits == 0);
    }
    Some((gaps, whole.intensity.0, measured))
}

#[test]
fn gap_of_the_logo() {
    let Some((file, truth, measured)) = both("logo_native_gap.cxi", "logo_full.cxi") else { return };
    let [network, classical @ .., _] = compare("logo", &file, &truth, &measured, "2");
    assert!(classical.iter().all(|&error| network < error), "{network} {classical:?}");
}

#[test]
#[ignore = "minutes"]
fn cross_in_the_gold_crystal() {
    let Some((file, truth, measured)) = both("au_aps34idc_gap6.cxi", "au_aps34idc_full.cxi") else { return };
    let [network, classical @ .., _] = compare("gold", &file, &truth, &measured, "3");
    assert!(classical.iter().all(|&error| network < 1.05 * error), "{network} {classical:?}");
}

#[test]
fn gaps_cut_into_frames_of_a_siemens_star() {
    let Some(file) = data("ptycho_velociprobe_siemens_516x128.npz") else { return };
    let frames: Array3<u16> = NpzReader::new(File::open(file).unwrap()).unwrap().by_name("data").unwrap();
    let truth = frames.slice(s![..512; 32, .., ..]).mapv(f32::from);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("star.npz");
    for (width, first) in [(6, 61), (6, 40), (10, 59), (10, 40)] {
        let gap = Array3::from_shape_fn(truth.dim(), |(_, _, x)| (first..first + width).contains(&x));
        let mut seen = truth.clone();
        seen.zip_mut_with(&gap, |value, &gap| *value = if gap { 0.0 } else { *value });
        write_npz(&path, &seen, &gap.mapv(u8::from));
        let name = format!("star, {width} px at {first}");
        let [network, classical @ .., _] = compare(&name, path.to_str().unwrap(), &truth, &gap, "2");
        assert!(classical.iter().all(|&error| network < 1.02 * error), "{network} {classical:?}");
    }
}
