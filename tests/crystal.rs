//! `lacuna crystal`: momentum transfer against another program, the files that others read, refusals, and the
//! measured gold crystal.

use crate::cli::{done, refused, summary};
use crate::interop::{python, unlocked};
use crate::report::{browser, with_and_without_surfaces};
use lacuna::geometry::{Circle, EV, Frame, Geometry, Goniometer, QGrid, Tilt};
use lacuna::io::{Process, Reconstruction, write_result};
use lacuna::pixels::Pattern;
use lacuna::volume::Centered;
use ndarray::Array3;
use num_complex::Complex32;
use serde_json::json;
use std::fs;
use std::path::Path;

fn circle(motor: &str, axis: &str, positions: &[f64]) -> Circle {
    Circle { motor: motor.into(), axis: axis.parse().unwrap(), positions: positions.to_vec(), zero: 0.0 }
}

fn scan(middle: f64, step: f64, n: usize) -> Vec<f64> {
    (0..n).map(|i| middle + step * (i as f64 - (n / 2) as f64)).collect()
}

/// Scans of five frames at several beamlines.
fn beamlines(n: usize) -> Vec<(&'static str, Goniometer)> {
    let stand = |sample: Vec<Circle>, detector: Vec<Circle>, [y, x]: [&str; 2]| Goniometer {
        sample,
        detector,
        pixel_axes: Some([y.parse().unwrap(), x.parse().unwrap()]),
        direct_beam: None,
        ..Goniometer::default()
    };
    vec![
        (
            "ID01, eta",
            stand(
                vec![circle("eta", "x-", &scan(17.3, 0.01, n)), circle("phi", "y-", &[33.0])],
                vec![circle("nu", "y-", &[4.0]), circle("delta", "x-", &[35.0])],
                ["y-", "x+"],
            ),
        ),
        (
            "ID01, phi",
            stand(
                vec![circle("eta", "x-", &[17.3]), circle("phi", "y-", &scan(33.0, 0.01, n))],
                vec![circle("nu", "y-", &[4.0]), circle("delta", "x-", &[35.0])],
                ["y-", "x+"],
            ),
        ),
        (
            "34-ID-C",
            stand(
                vec![
                    circle("Theta", "y+", &scan(0.3, 0.01, n)),
                    circle("Chi", "z-", &[90.0]),
                    circle("Phi", "y+", &[-5.0]),
                ],
                vec![circle("Delta", "y+", &[32.0]), circle("Gamma", "x-", &[12.6])],
                ["y-", "x+"],
            ),
        ),
        (
            "P10",
            stand(
                vec![circle("om", "x-", &scan(20.0, 0.01, n)), circle("phi", "y-", &[10.0])],
                vec![circle("gam", "y+", &[4.0]), circle("del", "x-", &[36.0])],
                ["y-", "x-"],
            ),
        ),
        (
            "SIXS",
            stand(
                vec![circle("beta", "x-", &[0.2]), circle("mu", "y+", &scan(20.0, 0.01, n))],
                vec![circle("beta", "x-", &[0.2]), circle("gamma", "y+", &[34.0]), circle("delta", "x-", &[6.0])],
                ["y-", "x+"],
            ),
        ),
    ]
}

fn geometry() -> Geometry {
    Geometry { energy: Some(9000.0 * EV), distance: Some(0.85), pixel_size: Some([55e-6, 55e-6]) }
}

#[test]
fn momentum_transfer_is_that_of_xrayutilities() {
    let Some(python) = python("xrayutilities") else { return };
    let folder = tempfile::tempdir().unwrap();
    // A few pixels, over which momentum transfer is linear to the digits compared.
    let shape = [3, 5, 5];
    let mut files = Vec::new();
    // A detector that was turned in its plane, which is a circle more, and tilted.
    let mut tilted = beamlines(shape[0]).swap_remove(0).1;
    tilted.detector.push(circle("detrot", "z+", &[0.7]));
    tilted.tilt = Some(Tilt { azimuth: 35.0, angle: 1.4 });
    let all = beamlines(shape[0]).into_iter().chain([("ID01, tilted", tilted)]);
    for (number, (name, goniometer)) in all.enumerate() {
        let grid = QGrid::new(geometry(), &goniometer, shape).unwrap();
        let to_sample = grid.rotation(Frame::Sample, grid.centre);
        let mut q: Vec<f64> = Vec::new();
        for (z, y, x) in ndarray::indices(shape) {
            let lab = grid.at([z, y, x]
                .map(|i| i as f64)
                .into_iter()
                .zip(shape)
                .map(|(i, n)| i - (n / 2) as f64)
                .collect::<Vec<_>>()
                .try_into()
                .unwrap());
            q.extend(to_sample.iter().map(|row| row.iter().zip(lab).map(|(a, b)| a * b).sum::<f64>() * 1e-10));
        }
        let circles =
            |all: &[Circle]| -> Vec<_> { all.iter().map(|c| json!([c.axis.to_string(), c.positions])).collect() };
        let axes = goniometer.pixel_axes.unwrap().map(|axis| axis.to_string());
        let tilt = goniometer.tilt.unwrap_or_default();
        let case = json!({
            "name": name, "sample": circles(&goniometer.sample), "detector": circles(&goniometer.detector),
            "pixel_axes": axes, "shape": shape, "distance": 0.85, "pixel": 55e-6, "energy_ev": 9000.0, "q_sample": q,
            "tilt": [tilt.azimuth, tilt.angle],
        });
        let path = folder.path().join(format!("{number}.json"));
        fs::write(&path, case.to_string()).unwrap();
        files.push(path);
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop/xrayutilities_q.py");
    let output = unlocked(python).arg(script).args(&files).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// A result with a box in the laboratory, 180, 240 and 210 nm along x, y and z, under strain.
fn write_box(path: &Path, goniometer: Option<Goniometer>) {
    let shape = [40, 44, 48];
    let (_, known) = beamlines(shape[0]).swap_remove(0);
    let grid = QGrid::new(geometry(), &known, shape).unwrap();
    let voxels = grid.voxels();
    let half = [90e-9, 120e-9, 105e-9];
    let g = grid.centre;
    let length = g.iter().map(|value| value * value).sum::<f64>().sqrt();
    let object = Centered(Array3::from_shape_fn(shape, |(z, y, x)| {
        let at = [z, y, x];
        let place = |i: usize| (0..3).map(|a| (at[a] as f64 - (shape[a] / 2) as f64) * voxels[a][i]).sum::<f64>();
        let r: [f64; 3] = std::array::from_fn(place);
        let along = r.iter().zip(g).map(|(r, g)| r * g).sum::<f64>() / length;
        let phase = -length * 2e-3 / 100e-9 * along * along / 2.0;
        match r.iter().zip(half).all(|(r, half)| r.abs() < half) {
            true => Complex32::from_polar(10.0, phase as f32),
            false => Complex32::ZERO,
        }
    }));
    let intensity = lacuna::metrics::calculated_intensity(&object);
    let mut pattern = Pattern::new(intensity, Centered::filled(shape, 0), geometry()).unwrap();
    pattern.goniometer = goniometer;
    let result = Reconstruction {
        object: &object,
        support: &object.map(|value| value.re != 0.0 || value.im != 0.0),
        runs: &[],
        modes: &[],
        mode_weights: &[],
        psf: None,
        maps: &[],
        curves: &[],
        pattern: &pattern,
        process: &Process::new("test", &json!({}), &json!({"ramp_removed_turns": [0.0, 0.0, 0.0]})).unwrap(),
    };
    write_result(path, false, &result).unwrap();
}

const FILES: [&str; 5] = ["crystal.h5", "crystal.npz", "crystal.vti", "crystal.vts", "crystal.mat"];

#[test]
fn crystals_are_read_by_others() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    write_box(&here.join("result.cxi"), Some(beamlines(40).swap_remove(0).1));
    let outputs = FILES.iter().flat_map(|file| ["--output", file]);
    let arguments: Vec<&str> =
        ["crystal", "result.cxi", "--hkl", "1,1,1", "--json"].into_iter().chain(outputs).collect();
    let told = summary(&done(here, &arguments));
    let voxel = told["sheared_voxel_nm"].as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).fold(0.0, f64::max);
    for (axis, edge) in [180.0, 240.0, 210.0].into_iter().enumerate() {
        let found = told["size_nm"][axis].as_f64().unwrap();
        assert!((found - edge).abs() < voxel, "{told}");
    }
    // 2e-3 in 100 nm along some 220: from -2.2e-3 to 2.2e-3.
    let strain = &told["strain"];
    assert!(strain["mean"].as_f64().unwrap().abs() < 1e-4 && strain["max"].as_f64().unwrap() > 1.5e-3, "{told}");
    let [d, a] = ["d_spacing_angstrom", "lattice_parameter_angstrom"].map(|name| told[name].as_f64().unwrap());
    assert!((a / d - 3f64.sqrt()).abs() < 1e-9, "{told}");
    refused(here, &arguments, &["crystal.h5"]);
    done(here, &[&arguments[..], &["--force", "--frame", "crystal", "--voxel-size", "12"]].concat());
    done(here, &[&arguments[..], &["--force", "--twin", "--keep-ramp", "--frame", "sample"]].concat());
    done(here, &[&arguments[..], &["--force"]].concat());

    let Some(python) = python("h5py, mat73, silx, vtkmodules") else { return };
    fs::write(here.join("truth.json"), told.to_string()).unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop/read_crystal.py");
    let output = unlocked(python).current_dir(here).arg(script).args(FILES).arg("truth.json").output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// From a pattern with its angles through the program: they go along.
#[test]
fn angles_go_along_from_the_pattern_to_the_crystal() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    write_box(&here.join("truth.cxi"), Some(beamlines(40).swap_remove(0).1));
    let truth = summary(&done(here, &["crystal", "truth.cxi", "-o", "truth.h5", "--json"]));
    let support = ["--support", "truth.cxi", "--nb-run", "1", "--centre", "keep"];
    done(here, &[&["run", "truth.cxi", "--algorithm", "ER**30", "-o", "out", "-q"][..], &support].concat());
    let told = summary(&done(here, &["crystal", "out/result.cxi", "-o", "out.h5", "--json"]));
    let number = |of: &serde_json::Value, name: &str| of[name].as_f64().unwrap();
    let [d, expected] = [&told, &truth].map(|of| number(of, "d_spacing_angstrom"));
    assert!((d / expected - 1.0).abs() < 2e-4, "{told}");
    let [volume, expected] = [&told, &truth].map(|of| number(of, "volume_nm3"));
    assert!((volume / expected - 1.0).abs() < 0.3, "{told} {truth}");
    // The verdict goes along, and a result without one says nothing.
    assert!(truth["found"].is_null() && told["found"]["probability"].as_f64().is_some(), "{told}");
    assert!(told["found"]["grade"].as_str().is_some_and(|grade| !grade.is_empty()), "{told}");
    // Of which twin it is only a result at the same reflection says something.
    done(here, &["crystal", "out/result.cxi", "--like", "truth.cxi", "-o", "like.h5", "-q"]);
    write_box(&here.join("other.cxi"), Some(beamlines(40).swap_remove(2).1));
    refused(
        here,
        &["crystal", "out/result.cxi", "--like", "other.cxi", "-o", "unlike.h5"],
        &["other.cxi", "another reflection"],
    );
    // About another circle the frames lie ten times as close.
    write_box(&here.join("finer.cxi"), Some(beamlines(40).swap_remove(1).1));
    refused(
        here,
        &["crystal", "out/result.cxi", "--like", "finer.cxi", "-o", "unlike.h5"],
        &["finer.cxi", "steps or pixels that differ by a factor"],
    );
    done(
        here,
        &["run", "truth.cxi", "--algorithm", "ER**5", "--nb-run", "1", "--output-format", "npz", "-o", "flat", "-q"],
    );
    done(here, &["crystal", "flat/result.npz", "-o", "flat.h5"]);
    done(here, &["run", "--example", "--algorithm", "ER**5", "--nb-run", "1", "-o", "frame", "-q"]);
    refused(here, &["crystal", "frame/result.cxi", "-o", "frame.h5"], &["frame/result.cxi", "single frame"]);
}

#[test]
fn surfaces_turn_in_a_browser_and_stand_still_without_webgl() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    write_box(&here.join("result.cxi"), Some(beamlines(40).swap_remove(0).1));
    done(here, &["crystal", "result.cxi", "-o", "crystal.html", "-o", "crystal.stl", "--figures", "svg", "-q"]);
    let stl = fs::read(here.join("crystal.stl")).unwrap();
    let triangles = u32::from_le_bytes(stl[80..84].try_into().unwrap());
    assert!(triangles > 200 && stl.len() == 84 + 50 * triangles as usize, "{triangles}");
    let html = fs::read_to_string(here.join("crystal.html")).unwrap();
    // The surface and three planes of each field.
    let mut figures: Vec<_> =
        fs::read_dir(here.join("crystal-figures")).unwrap().map(|at| at.unwrap().path()).collect();
    figures.sort();
    assert_eq!(figures.len(), 10, "{figures:?}");
    let surface = fs::read_to_string(&figures[0]).unwrap();
    assert!(figures[0].ends_with("01-surface.svg") && surface.contains(">strain</text>"));
    assert!(html.contains("data-name=\"vertices\"") && html.contains("data-field=\"strain\""));
    assert!(!html.contains("http:") && !html.contains("https:") && html.len() < 12_000_000, "{}", html.len());
    let Some(browser) = browser() else { return };
    let [drawn, still] = with_and_without_surfaces(browser, here, "crystal.html");
    // The script puts a canvas in the place of the picture, and a choice of fields below it.
    let scene = |page: &str| page.split_once("class=\"scene\"").unwrap().1[..200].to_string();
    assert!(scene(&drawn).starts_with("><canvas") && drawn.contains("<select"), "{}", scene(&drawn));
    assert!(scene(&still).starts_with("><img") && !still.contains("<canvas"), "{}", scene(&still));
}

#[test]
fn what_a_crystal_needs_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    write_box(&here.join("bare.cxi"), None);
    refused(here, &["crystal", "bare.cxi", "-o", "out.h5"], &["bare.cxi", "angles", "--goniometer"]);
    let stand = r#"
        sample-circles = [
            { motor = "eta", axis = "x-", position = 17.3, step = 0.01 },
            { motor = "phi", axis = "y-", position = 33.0 },
        ]
        detector-circles = [
            { motor = "nu", axis = "y-", position = 4.0 },
            { motor = "delta", axis = "x-", position = 35.0 },
        ]
        pixel-axes = ["y-", "x+"]
    "#;
    fs::write(here.join("stand.toml"), stand).unwrap();
    let arguments = ["crystal", "bare.cxi", "-o", "out.h5", "--goniometer", "stand.toml", "--json"];
    let typed = summary(&done(here, &arguments));
    write_box(&here.join("known.cxi"), Some(beamlines(40).swap_remove(0).1));
    let known = summary(&done(here, &["crystal", "known.cxi", "-o", "known.h5", "--json"]));
    assert_eq!((&typed["size_nm"], &typed["q_per_angstrom"]), (&known["size_nm"], &known["q_per_angstrom"]));

    let mut partly = beamlines(40).swap_remove(0).1;
    partly.sample[1].positions.clear();
    write_box(&here.join("partly.cxi"), Some(partly));
    refused(here, &["crystal", "partly.cxi", "-o", "out2.h5"], &["partly.cxi", "the angles of phi"]);

    fs::write(here.join("wrong.toml"), stand.replace("position = 33.0", "angle = 33.0")).unwrap();
    refused(
        here,
        &["crystal", "bare.cxi", "-o", "a.h5", "--goniometer", "wrong.toml"],
        &["wrong.toml: line 4", "angle"],
    );
    for (wrong, right, words) in [
        (", step = 0.01", "", "no circle has a step"),
        (r#"["y-", "x+"]"#, r#"["y-", "y+"]"#, "pixel-axes"),
        ("pixel-axes", "tilt = { azimuth = 0.0, angle = 95.0 }\n        pixel-axes", "tilt"),
    ] {
        fs::write(here.join("wrong.toml"), stand.replace(wrong, right)).unwrap();
        let arguments = ["crystal", "bare.cxi", "-o", "a.h5", "--goniometer", "wrong.toml"];
        refused(here, &arguments, &["wrong.toml", words]);
    }
    refused(here, &["crystal", "known.cxi", "-o", "a.h5", "--voxel-size", "900"], &["known.cxi", "larger than"]);
    refused(here, &["crystal", "known.cxi", "-o", "a.h5", "--energy", "8"], &["--energy = 8", "eV"]);
    fs::write(here.join("nan.toml"), stand.replace("33.0", "nan")).unwrap();
    refused(here, &["crystal", "bare.cxi", "-o", "a.h5", "--goniometer", "nan.toml"], &["nan.toml", "phi"]);
    refused(here, &["crystal", "known.cxi", "-o", "out.png"], &["out.png", ".vti"]);
    refused(here, &["crystal", "known.cxi", "-o", "a.h5", "-o", "a.h5"], &["a.h5", "twice"]);
    refused(here, &["crystal", "known.cxi", "-o", "a.h5", "--voxel-size", "0"], &["voxel-size"]);
    refused(here, &["crystal", "known.cxi", "-o", "a.h5", "--voxel-size", "0.001"], &["memory"]);
    refused(here, &["crystal", "known.cxi", "-o", "a.h5", "--isosurface", "1.5"], &["isosurface"]);
    refused(here, &["crystal", "known.cxi", "-o", "a.h5", "--hkl", "1,1"], &["hkl"]);
    refused(here, &["crystal", "known.cxi", "-o", "a.h5", "--energy=-9000"], &["energy"]);
    fs::copy(here.join("known.cxi"), here.join("empty.cxi")).unwrap();
    let file = hdf5::File::open_rw(here.join("empty.cxi")).unwrap();
    file.dataset("entry_1/image_1/mask").unwrap().write_raw(&vec![0u8; 40 * 44 * 48]).unwrap();
    file.close().unwrap();
    refused(here, &["crystal", "empty.cxi", "-o", "a.h5"], &["empty.cxi", "empty inside its support"]);
    refused(here, &["crystal", "missing.cxi", "-o", "a.h5"], &["missing.cxi"]);
    assert!(!here.join("a.h5").exists());
}
