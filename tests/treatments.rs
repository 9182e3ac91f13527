//! Treatments of a gap, as a user asks for them: names, the estimate of a file, what the network
//! cannot fill.

use crate::cli::{SHORT, bits, done, folder, refused, summary};
use lacuna::fft::Fft;
use lacuna::geometry::Geometry;
use lacuna::io::{Process, write_pattern};
use lacuna::pixels::{Pattern, bit};
use lacuna::volume::{Centered, Cornered};
use ndarray::Array3;
use num_complex::Complex32;
use std::fs;
use std::path::Path;

/// What a file brings is one more source of an estimate: freed, fixed or bounded as any other.
#[test]
fn an_estimate_in_the_file_is_treated_as_asked() {
    let folder = folder();
    let here = folder.path();
    // A fill that is far off, so that it shows whether it was used.
    done(here, &["inpaint", "good.cxi", "-q", "--gap", "zero", "-o", "zero.cxi"]);
    let phased = |file: &str, gap: &str| {
        let out = format!("{file}-{gap}");
        let fixed = ["run", file, "--json", "--algorithm", SHORT, "--centre", "keep", "--support", "circle:12"];
        let output = done(here, &[&fixed[..], &["--gap", gap, "--output-format", "npz", "-o", &out]].concat());
        (summary(&output)["gap"].clone(), bits(&here.join(&out).join("result.npz"), "obj"))
    };
    let (free, freed) = phased("zero.cxi", "free");
    assert_eq!(free, "free");
    assert!(freed == phased("good.cxi", "free").1, "the file's bounds were used although its pixels are free");
    let (file, bounded) = phased("zero.cxi", "file");
    assert_eq!(file, "file");
    assert!(bounded == phased("good.cxi", "zero").1, "the file's estimate was not used");
    refused(here, &["run", "good.cxi", "-q", "--gap", "file", "-o", "none"], &["gap = file", "brings no estimate"]);
    // Names of comparisons are those of runs.
    for gap in ["linear-soft", "idw-soft", "biharmonic-soft-release", "linear:0.8..1.2"] {
        assert_eq!(phased("good.cxi", gap).0, gap);
    }
}

/// The pattern of a rough object that fills half of a low frame, behind a wide gap.
fn write_speckles(path: &Path) {
    let shape = [1, 24, 96];
    let inside = |i: usize, n: usize| (n / 4..3 * n / 4).contains(&i);
    let mut field = Cornered(Array3::from_shape_fn(shape, |(_, y, x)| {
        let phase = ((y * 7919 + x * 104_729) % 1000) as f32;
        if inside(y, 24) && inside(x, 96) { Complex32::from_polar(30.0, phase) } else { Complex32::ZERO }
    }));
    Fft::new(shape).forward(field.0.as_slice_mut().unwrap());
    let intensity = Cornered(field.0.mapv(|value| value.norm_sqr().round())).to_centered();
    let mut mask = Centered::filled(shape, 0u32);
    mask.0.slice_mut(ndarray::s![.., .., 52..62]).fill(bit::MISSING);
    let pattern = Pattern::new(intensity, mask, Geometry::default()).unwrap();
    write_pattern(path, false, &pattern, None, &Process::default()).unwrap();
}

/// What the network cannot fill stays free; a model that cannot be read is an error.
#[test]
fn only_what_the_network_cannot_fill_stays_free() {
    let folder = folder();
    let here = folder.path();
    // Smaller than a patch of the network along one axis, with a gap too wide for the support to
    // tell.
    write_speckles(&here.join("small.cxi"));
    let fixed = ["run", "small.cxi", "--json", "--algorithm", SHORT, "--centre", "keep"];
    let summary = summary(&done(here, &[&fixed[..], &["-o", "small"]].concat()));
    let reason = summary["gap_advice"]["reason"].as_str().unwrap().to_string();
    assert!(summary["gap"] == "free" && reason.contains("smaller than a patch"), "{reason}");
    fs::create_dir(here.join("model")).unwrap();
    let broken = [&fixed[..2], &["-q", "--centre", "keep", "--model", "model", "-o", "out"]].concat();
    refused(here, &broken, &["model"]);
}
