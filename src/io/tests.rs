//! What is written is read back bit for bit; what is wrong is named.

use super::*;
use crate::error::Error;
use crate::geometry::EV;
use crate::pixels::{Pattern, bit};
use crate::volume::Shape;
use ndarray::Array3;
use num_complex::Complex32;
use serde_json::json;
use std::path::Path;

fn pattern(shape: Shape) -> Pattern {
    let intensity = Centered(Array3::from_shape_fn(shape, |(z, y, x)| (z + 3 * y) as f32 * 1.1 + x as f32 / 7.0));
    let mut mask = Centered::filled(shape, 0u32);
    mask.0[[0, 2, 3]] = bit::MISSING;
    mask.0[[shape[0] - 1, 4, 4]] = bit::HOT | bit::SHADOWED;
    mask.0[[0, 0, 0]] = bit::INVALID;
    let geometry = Geometry { energy: Some(9000.0 * EV), distance: Some(0.5), pixel_size: Some([55e-6, 75e-6]) };
    Pattern::new(intensity, mask, geometry).unwrap()
}

fn with_estimate(mut pattern: Pattern) -> Pattern {
    let at = pattern.mask.map(|&bits| bits == bit::MISSING);
    let mean = at.map(|&at| if at { 12.345f32 } else { 0.0 });
    pattern.intensity.0[[0, 2, 3]] = 12.345;
    pattern.estimate =
        Some(Estimate { at, lower: mean.map(|m| m / 2.0), upper: mean.map(|m| m + f32::INFINITY), mean });
    pattern
}

fn object(shape: Shape) -> Centered<Complex32> {
    Centered(Array3::from_shape_fn(shape, |(z, y, x)| Complex32::new(z as f32 - 0.1, y as f32 * 0.3 + x as f32)))
}

fn process() -> Process {
    let support = json!({"threshold": 0.25, "µ": "é"});
    Process::new(
        "lacuna phase in.cxi",
        &json!({"beta": 0.9, "nb_run": 20, "positivity": true, "recipe": "ER**200", "support": support}),
        &json!({"llk_poisson": 1.25, "free_llk_poisson": 1.5, "seed": 42, "verdict": "good"}),
    )
    .unwrap()
}

#[test]
fn patterns_are_read_back_bit_for_bit() {
    let folder = tempfile::tempdir().unwrap();
    for (name, shape) in [("2d.cxi", [1, 9, 10]), ("3d.cxi", [12, 130, 10])] {
        let path = folder.path().join(name);
        let pattern = with_estimate(pattern(shape));
        let support = pattern.mask.map(|&bits| bits == 0);
        write_pattern(&path, false, &pattern, Some(&support), &process()).unwrap();
        let input = read(path.to_str().unwrap()).unwrap();
        assert_eq!(input.intensity, pattern.intensity);
        assert_eq!(input.mask.as_ref(), Some(&pattern.mask));
        assert_eq!(input.support, Some(support));
        assert_eq!(input.estimate, pattern.estimate);
        assert_eq!(input.geometry, pattern.geometry);
        assert!(input.source.by_lacuna);
        let json = tree::Tree::open(&path).unwrap().text("/entry_1/process_1/configuration/json").unwrap();
        assert_eq!(&serde_json::from_str::<serde_json::Value>(&json).unwrap(), process().settings());
        assert_eq!((input.source.format, input.source.element.as_str()), ("CXI", "float32"));
        assert_eq!(input.source.maximum_of_type, None);
        assert_eq!(read_mask(path.to_str().unwrap()).unwrap(), pattern.mask);
    }
}

#[test]
fn results_can_be_phased_again() {
    let folder = tempfile::tempdir().unwrap();
    for shape in [[1, 9, 10], [8, 9, 10]] {
        let pattern = with_estimate(pattern(shape));
        let object = object(shape);
        let support = object.map(|value| value.re > 2.0 || value.im > 3.0);
        let (runs, curves) = ([object.clone(), object.clone()], [("prtf".to_string(), vec![(0.0, 1.0), (0.5, 0.25)])]);
        let process = process();
        let psf =
            Centered(Array3::from_shape_fn([if shape[0] > 1 { 3 } else { 1 }, 3, 5], |(z, y, x)| (z + y + x) as f32));
        let result = Reconstruction {
            object: &object,
            support: &support,
            runs: &runs,
            modes: &runs[..1],
            mode_weights: &[0.97],
            psf: Some(&psf),
            curves: &curves,
            pattern: &pattern,
            process: &process,
        };
        let cxi = folder.path().join(format!("{}.cxi", shape[0]));
        write_result(&cxi, false, &result).unwrap();
        let npz = folder.path().join(format!("{}.npz", shape[0]));
        write_result_npz(&npz, false, &result).unwrap();
        for (path, format) in [(&cxi, "CXI"), (&npz, "NPZ")] {
            let text = path.to_str().unwrap();
            let input = read(text).unwrap();
            assert_eq!(input.intensity, pattern.intensity, "{format}");
            assert_eq!(input.mask.as_ref(), Some(&pattern.mask));
            assert_eq!(input.support.as_ref(), Some(&support));
            assert!(input.source.by_lacuna);
            assert_eq!(input.source.format, format);
            assert_eq!(read_support(text).unwrap(), support);
            assert_eq!(read_mask(text).unwrap(), pattern.mask);
            assert_eq!((input.geometry.distance, input.geometry.pixel_size), (Some(0.5), Some([55e-6, 75e-6])));
            assert!((input.geometry.energy.unwrap() / pattern.geometry.energy.unwrap() - 1.0).abs() < 1e-14);
        }
        assert_eq!(read(cxi.to_str().unwrap()).unwrap().estimate, pattern.estimate);
        let place = format!("{}:/entry_1/image_1/instrument_1/detector_1/point_spread_function", cxi.display());
        assert_eq!(read_array(&place).unwrap(), psf);
        assert_eq!(read_array(&format!("{}:psf", npz.display())).unwrap(), psf);
        assert!(matches!(write_result(&cxi, false, &result), Err(Error::Exists { .. })));
        let error = read(&format!("{}:/entry_1/image_1/data", cxi.display())).unwrap_err().to_string();
        assert!(
            error.ends_with(
                "holds complex64 numbers, an object or an amplitude: intensities (squared moduli) are needed"
            )
        );
    }
}

#[test]
fn wrong_paths_say_what_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.cxi");
    write_pattern(&path, false, &pattern([1, 9, 10]), None, &process()).unwrap();
    let error = |inside: &str| {
        let error = read(&format!("{}:{inside}", path.display())).unwrap_err().to_string();
        error.strip_prefix(path.to_str().unwrap()).unwrap_or(&error).to_string()
    };
    assert_eq!(
        error("/entry_1/nope/data"),
        ":/entry_1/nope/data: nothing there: /entry_1 holds data_1, instrument_1, process_1, program_name, program_version, start_time"
    );
    assert_eq!(error("/nope"), ":/nope: nothing there: / holds cxi_version, entry_1, entry_last");
    assert_eq!(
        error("/entry_1/data_1/data/x"),
        ":/entry_1/data_1/data/x: nothing there: /entry_1/data_1/data is a data set, not a group"
    );
    assert_eq!(error("/cxi_version"), ":/cxi_version: is a single number: 2D or 3D data are needed");
    assert_eq!(
        error("/entry_1/process_1/results"),
        ":/entry_1/process_1/results: holds no array of numbers with two or three axes"
    );
    let support = read_support(path.to_str().unwrap()).unwrap_err().to_string();
    assert!(support.contains("a support is at none of the usual places, append it as :/path"), "{support}");
}

#[test]
fn damaged_files_are_errors() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.cxi");
    write_pattern(&path, false, &pattern([1, 200, 200]), None, &process()).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    for length in [0, 4, 100, 1000, bytes.len() / 2, bytes.len() - 1] {
        std::fs::write(&path, &bytes[..length]).unwrap();
        let error = read(path.to_str().unwrap()).unwrap_err().to_string();
        assert!(error.starts_with(path.to_str().unwrap()) && error.lines().count() == 1, "{length}: {error}");
        if length == bytes.len() - 1 {
            assert!(error.contains("truncated file"), "{error}");
        }
    }
    let missing = read("/nowhere/a.cxi:/entry_1").unwrap_err().to_string();
    assert_eq!(missing, "/nowhere/a.cxi: no such file");
}

#[test]
fn unwritable_results_are_errors() {
    let error = write_pattern(Path::new("/proc/a.cxi"), false, &pattern([1, 9, 10]), None, &process()).unwrap_err();
    assert!(error.to_string().starts_with("cannot write /proc/a.cxi: "), "{error}");
}
