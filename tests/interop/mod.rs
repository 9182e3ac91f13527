//! Files that others write are read, and files that lacuna writes are read by others: h5py, numpy,
//! tifffile, hdf5plugin.

use lacuna::error::Error;
use lacuna::geometry::{EV, Geometry, HC};
use lacuna::io::set::{Entry, SetHeader, SetWriter, Split};
use lacuna::io::{
    Process, Reconstruction, read, read_array, read_mask, read_support, write_pattern, write_result, write_result_npz,
};
use lacuna::pixels::{Estimate, Pattern, bit};
use lacuna::volume::Centered;
use ndarray::Array3;
use num_complex::Complex32;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A Python with what `script` imports, or `None` after saying so.
pub fn python(modules: &str) -> Option<PathBuf> {
    let local = Path::new(env!("CARGO_MANIFEST_DIR")).join(".venv/bin/python");
    let default = if local.exists() { local } else { "python3".into() };
    let python = std::env::var_os("LACUNA_PYTHON").map_or(default, PathBuf::from);
    let found = Command::new(&python).args(["-c", &format!("import {modules}")]).output();
    if found.is_ok_and(|output| output.status.success()) {
        return Some(python);
    }
    eprintln!("skipped: {} cannot import {modules} (set LACUNA_PYTHON)", python.display());
    None
}

/// A command that ignores HDF5's locks: a process that another test starts while this one writes a
/// file inherits its lock for a moment.
pub fn unlocked(program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new(program);
    command.env("HDF5_USE_FILE_LOCKING", "FALSE");
    command
}

fn run(python: &Path, script: &str, arguments: &[&Path]) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop").join(script);
    let output = unlocked(python).arg(&script).args(arguments).output().expect("python starts");
    assert!(output.status.success(), "{}: {}", script.display(), String::from_utf8_lossy(&output.stderr));
}

/// The frame in all files of `write_inputs.py`: 7 x 5, value 10 y + x; stacks add 100 z.
fn ramp(frames: usize) -> Centered<f32> {
    Centered(Array3::from_shape_fn([frames, 7, 5], |(z, y, x)| (100 * z + 10 * y + x) as f32))
}

#[test]
fn files_of_others_are_read() {
    let Some(python) = python("h5py, numpy, tifffile") else { return };
    let folder = tempfile::tempdir().expect("a folder");
    run(&python, "write_inputs.py", &[folder.path()]);
    let at = |name: &str| folder.path().join(name).to_str().expect("unicode").to_string();

    // name, frames, element type, format
    let plain = [
        ("gzip.cxi", 3, "int32", "CXI"),
        ("shuffle_lzf.h5", 3, "uint16", "HDF5"),
        ("fletcher.h5", 3, "float32", "HDF5"),
        ("big_endian.h5", 1, "uint16 big-endian", "HDF5"),
        ("big_endian_float.h5", 1, "float64 big-endian", "HDF5"),
        ("float16.h5", 1, "float16", "HDF5"),
        ("int8.h5", 1, "int8", "HDF5"),
        ("uint64.h5", 3, "uint64", "HDF5"),
        ("soft.h5", 3, "int32", "HDF5"),
        ("external.h5", 3, "int32", "HDF5"),
        ("virtual.h5", 3, "int32", "HDF5"),
        ("eiger_master.h5", 3, "uint32", "HDF5"),
        ("nexus.nxs", 3, "int32", "HDF5"),
        ("four_dimensions.h5", 3, "int32", "HDF5"),
        ("one_frame.h5", 1, "int32", "HDF5"),
        ("largest.h5", 3, "int32", "HDF5"),
        ("latest.h5", 3, "int32", "HDF5"),
        ("user_block.h5", 3, "int32", "HDF5"),
        ("really_hdf5.npz", 3, "int32", "CXI"),
        ("data.npz", 3, "uint16", "NPZ"),
        ("iobs.npz", 1, "float32", "NPZ"),
        ("single.npz", 1, "float64", "NPZ"),
        ("c.npy", 3, "int32", "NPY"),
        ("fortran.npy", 3, "float32", "NPY"),
        ("big.npy", 3, "int16 big-endian", "NPY"),
        ("half.npy", 1, "float16", "NPY"),
        ("stack.tif", 3, "uint16", "TIFF"),
        ("big_endian.tif", 3, "float32", "TIFF"),
        ("deflate.tif", 3, "uint32", "TIFF"),
        ("lzw.tif", 1, "uint8", "TIFF"),
        ("signed.tif", 1, "int16", "TIFF"),
        ("double.tif", 1, "float64", "TIFF"),
        ("bigtiff.tif", 3, "int32", "TIFF"),
        ("frames", 11, "uint16", "TIFF"),
        ("frames/frame_?.tif", 9, "uint16", "TIFF"),
        ("little.edf", 1, "uint16", "EDF"),
        ("big.edf", 1, "float32 big-endian", "EDF"),
        ("frames.edf", 3, "int32", "EDF"),
    ];
    for (name, frames, element, format) in plain {
        let input = read(&at(name)).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(input.intensity, ramp(frames), "{name}");
        assert_eq!((input.source.element.as_str(), input.source.format), (element, format), "{name}");
    }

    // Sentinels stay as they are, and the type's maximum is known.
    let gaps = read(&at("negative.h5")).expect("negative.h5");
    assert_eq!((gaps.intensity.0[[0, 2, 2]], gaps.intensity.0[[0, 3, 2]]), (-1.0, -2.0));
    let saturated = read(&at("saturated.h5")).expect("saturated.h5");
    assert_eq!((saturated.intensity.0[[0, 2, 2]], saturated.source.maximum_of_type), (65535.0, Some(65535.0)));
    assert!(read(&at("nan.h5")).expect("nan.h5").intensity.0[[0, 2, 2]].is_nan());
    assert_eq!(read(&at("flags.npy")).expect("flags.npy").intensity.as_slice()[..3], [0.0, 1.0, 1.0]);

    // Masks in their conventions; a 2D mask covers all frames.
    let cxi = read(&at("gzip.cxi")).expect("gzip.cxi");
    let mask = cxi.mask.expect("a mask");
    assert_eq!((mask.shape(), mask.0[[2, 1, 1]], mask.0[[0, 1, 2]]), ([3, 7, 5], bit::MISSING, 0));
    assert_eq!(cxi.geometry, Geometry { energy: Some(1.5e-15), distance: Some(2.0), pixel_size: Some([55e-6, 75e-6]) });
    let eiger = read(&at("eiger_master.h5")).expect("eiger_master.h5");
    assert_eq!(eiger.mask.expect("a mask").as_slice()[..3], [bit::MISSING, bit::DEAD, 0]);
    let wavelength = HC / eiger.geometry.energy.expect("an energy");
    assert!((wavelength / 1.2e-10 - 1.0).abs() < 1e-6, "{wavelength}");
    assert_eq!(eiger.geometry.distance, Some(1.5));
    let nexus = read(&at("nexus.nxs")).expect("nexus.nxs");
    assert!((nexus.geometry.energy.expect("an energy") / (8000.0 * EV) - 1.0).abs() < 1e-6);
    assert_eq!((nexus.geometry.distance, nexus.geometry.pixel_size), (Some(0.85), Some([75e-6, 75e-6])));
    let npz = read(&at("data.npz")).expect("data.npz");
    assert_eq!(npz.mask.expect("a mask").0[[1, 1, 1]], bit::BAD);
    assert!(npz.support.expect("a support").0[[0, 3, 2]]);
    assert_eq!(npz.geometry.distance, Some(0.5));

    // PyNX results: the image's mask is a support, and the object is no pattern.
    let pynx = read(&at("pynx_result.cxi")).unwrap_err().to_string();
    assert!(pynx.contains("holds only complex arrays (/entry_last/data_1/data)"), "{pynx}");
    assert!(read_support(&at("pynx_result.cxi")).expect("pynx_result.cxi").0[[0, 3, 2]]);

    // Masks and other arrays on their own.
    for name in ["gzip.cxi", "gzip.cxi:/entry_1/instrument_1/detector_1/mask", "bits.npy"] {
        assert_eq!(read_mask(&at(name)).expect("a mask").0[[0, 1, 1]], bit::MISSING, "{name}");
    }
    for name in ["mask.npz", "mask.tif", "mask.edf", "gzip.cxi:/entry_1/flags", "flags.npy", "data.npz:mask"] {
        assert_eq!(read_mask(&at(name)).expect("a mask").0[[0, 1, 1]], bit::BAD, "{name}");
    }
    assert_eq!(read_array(&at("data.npz:data")).expect("an array"), ramp(3));

    // What cannot be used is said in one line that names the file.
    for (name, message) in [
        ("text.cxi", "is not an HDF5 file, in spite of its name"),
        ("ambiguous.h5", "holds several arrays, append one of them as :/path: /a (7x5), /b (7x5)"),
        ("ambiguous.npz", "holds no data or iobs or intensity, append the one to use as :key: a (7x5), b (7x5)"),
        ("one_dimension.npy", "is one-dimensional (5 numbers): 2D or 3D data are needed"),
        ("five_dimensions.npy", "is 4-dimensional (2x3x7x5): 2D or 3D data are needed, select one volume"),
        ("empty.npy", "is empty (0x5)"),
        ("complex.npy", "holds complex64 numbers, an object or an amplitude: intensities (squared moduli) are needed"),
        ("broken.h5:/entry/data", "/entry/data is a link to another file, which is missing or lacks it"),
        ("colour.tif", "page 0 is RGB(8): only grey images of 8 to 64 bits hold intensities"),
        ("misfit.cxi", "is 5x5 but the data are 3x7x5: name the data as :/path to leave this mask out"),
        ("half.npz", "is a damaged or incomplete npz archive"),
        ("strings.npy", "holds elements of type '<U1': integers and floating point numbers up to 64 bits can be read"),
    ] {
        let error = read(&at(name)).err().unwrap_or_else(|| panic!("{name} is read")).to_string();
        assert!(error.contains(message) && error.contains(name.split(':').next().expect("a name")), "{error}");
        assert_eq!(error.lines().count(), 1, "{error}");
    }
}

#[test]
fn bitshuffle_and_lz4_need_no_plugin() {
    let Some(python) = python("h5py, numpy, hdf5plugin") else { return };
    let folder = tempfile::tempdir().expect("a folder");
    run(&python, "write_bitshuffle.py", &[folder.path()]);
    let mut files = 0;
    for entry in std::fs::read_dir(folder.path()).expect("files") {
        let path = entry.expect("a file").path();
        let text = path.to_str().expect("unicode");
        let expected = read(&format!("{text}:/plain")).unwrap_or_else(|error| panic!("{error}"));
        for name in ["packed", "virtual"] {
            let packed = read(&format!("{text}:/{name}")).unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(packed.intensity, expected.intensity, "{text}:/{name}");
        }
        files += 1;
    }
    assert!(files >= 10, "{files} files");
}

#[test]
fn others_read_what_we_write() {
    let Some(python) = python("h5py, numpy") else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let process = Process::new(
        "lacuna phase",
        &json!({"beta": 0.9, "nb_run": 20, "recipe": "ER**200", "support": {"threshold": 0.25}}),
        &json!({"llk_poisson": 1.25, "free_llk_poisson": 1.5}),
    )
    .expect("a process");
    for frames in [1, 8] {
        let shape = [frames, 9, 10];
        let mut mask = Centered::filled(shape, 0u32);
        mask.0[[0, 3, 4]] = bit::MISSING;
        let intensity = Centered(Array3::from_shape_fn(shape, |(z, y, x)| (100 * z + 10 * y + x) as f32));
        let geometry = Geometry { energy: Some(1.5e-15), distance: Some(2.0), pixel_size: Some([55e-6, 75e-6]) };
        let mut pattern = Pattern::new(intensity, mask, geometry).expect("a pattern");
        let at = pattern.mask.map(|&bits| bits != 0);
        let mean = at.map(|&at| if at { 77.0 } else { 0.0 });
        pattern.estimate = Some(Estimate { at, lower: mean.clone(), upper: mean.clone(), mean });
        let object = pattern.intensity.map(|&value| Complex32::new(value, -value));
        let support = object.map(|value| value.re > 50.0);
        let result = Reconstruction {
            object: &object,
            support: &support,
            runs: std::slice::from_ref(&object),
            modes: std::slice::from_ref(&object),
            mode_weights: &[1.0],
            maps: &[("phase", "rad", &object.map(|value| value.arg()))],
            psf: Some(&Centered::filled([if frames > 1 { 3 } else { 1 }, 3, 5], 0.25)),
            curves: &[("prtf".into(), vec![(0.0, 1.0), (0.5, 0.25)])],
            pattern: &pattern,
            process: &process,
        };
        let [completed, cxi, npz] =
            ["pattern.cxi", "result.cxi", "result.npz"].map(|name| folder.path().join(format!("{frames}_{name}")));
        write_pattern(&completed, false, &pattern, Some(&support), &process).expect("pattern.cxi");
        write_result(&cxi, false, &result).expect("result.cxi");
        write_result_npz(&npz, false, &result).expect("result.npz");
        run(&python, "read_result.py", &[&completed, &cxi, &npz]);
    }
}

/// The whole way: a file of h5py through the program, and its result back in h5py.
#[test]
fn h5py_reads_what_the_program_made_of_its_file() {
    let Some(python) = python("h5py, numpy") else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let [pattern, result] = ["pattern.h5", "out/result.cxi"].map(|name| folder.path().join(name));
    run(&python, "program.py", &[Path::new("write"), &pattern]);
    let settings = ["--mask", "pattern.h5:/scan/bad", "--centre", "keep", "--seed", "3", "--preset", "bragg"];
    let recipe = ["--algorithm", "ER**50,(Sup*HIO**50)**4"];
    crate::cli::done(
        folder.path(),
        &[&["run", "pattern.h5:/scan/counts", "-q", "-o", "out"][..], &settings, &recipe].concat(),
    );
    run(&python, "program.py", &[Path::new("read"), &pattern, &result]);
}

#[test]
fn h5py_reads_data_sets() {
    let Some(python) = python("h5py, numpy") else { return };
    let folder = tempfile::tempdir().expect("a folder");
    for frames in [1, 6] {
        let shape = [frames, 9, 10];
        let path = folder.path().join(format!("{frames}.h5"));
        let recipe_text = "[object]\nsize = 3".into();
        let header = SetHeader { shape, count: 4, seed: 7, recipe_name: "ramp".into(), recipe_text };
        let writer = SetWriter::open(&path, header, false).expect("a writer");
        for index in 0..4 {
            let counts =
                Centered(Array3::from_shape_fn(shape, |(z, y, x)| (1000 * index + 100 * z + 10 * y + x) as u32));
            let parameters = json!({
                "photons": if index == 1 { json!(null) } else { json!(0.5 * index as f64) },
                "cell": [index, 2],
                "shape": if index == 2 { "Würfel" } else { "rod" },
                "twinned": index == 3,
            });
            let entry = Entry {
                intensity: counts.map(|&counts| counts as f32),
                mask: counts.map(|&counts| if counts % 10 == 3 { bit::MISSING } else { 0 }),
                object: counts.map(|&counts| Complex32::new(counts as f32, -(counts as f32))),
                support: counts.map(|&counts| counts > 50),
                counts,
                parameters: serde_json::from_value(parameters).expect("parameters"),
                split: if index == 2 { Split::Test } else { Split::Train },
                calculated: None,
                particle: 10 + index as u64,
            };
            writer.put(index, &entry).expect("a pattern");
        }
        writer.finish(|_| {}).expect("a set");
        run(&python, "read_set.py", &[&path]);
    }
}

/// The measured data that stay outside the repository.
#[test]
fn measured_data_are_read() {
    let default = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data");
    let folder = std::env::var_os("LACUNA_DATA").map_or(default, PathBuf::from);
    if !folder.is_dir() {
        return eprintln!("skipped: no measured data in {} (set LACUNA_DATA)", folder.display());
    }
    let at = |name: &str| folder.join(name).to_str().expect("unicode").to_string();
    // name, shape, maximum, masked pixels
    for (name, shape, maximum, masked) in [
        ("logo_native_gap.cxi", [1, 512, 512], 8e5, Some(26_077)),
        ("au_aps34idc_gap6.cxi", [201, 256, 256], 165_297.0, None),
        ("au_aps34idc_full.cxi", [201, 256, 256], 165_297.0, None),
        ("nearfield_petra3_p25_200x100.cxi", [200, 100, 100], 0.0, None),
        ("cdi2d_esrf_id10_logo.npz", [1, 512, 512], 841_233.0, None),
        ("bragg3d_aps34idc_S54.npz", [201, 256, 256], 165_297.0, None),
        ("spi2d_lcls_amo_pattern123.npz", [1, 123, 123], 1302.0, None),
        ("ptycho_velociprobe_siemens_516x128.npz", [516, 128, 128], 963.0, None),
    ] {
        let input = read(&at(name)).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(input.intensity.shape(), shape, "{name}");
        let found = input.intensity.as_slice().iter().copied().fold(0.0, f32::max);
        assert!(found >= maximum, "{name}: {found}");
        if let (Some(expected), Some(mask)) = (masked, &input.mask) {
            assert_eq!(mask.as_slice().iter().filter(|&&bits| bits != 0).count(), expected, "{name}");
        }
        println!("{name}: {:?} {} {:?}", input.source, found, input.geometry);
    }
    let gold = read(&at("au_aps34idc_gap6.cxi")).expect("au_aps34idc_gap6.cxi");
    let mask = gold.mask.expect("a mask");
    assert_eq!((mask.0[[100, 110, 10]], mask.0[[0, 10, 143]], mask.0[[0, 10, 10]]), (bit::MISSING, bit::MISSING, 0));
    assert_eq!(gold.geometry.pixel_size, Some([55e-6, 55e-6]));
    assert!(read_support(&at("logo_loose_support.npz")).expect("a support").as_slice().contains(&true));
    assert!(read_mask(&at("gap_masks_real.npz:maxipix2x2_516")).expect("a mask").as_slice().contains(&bit::BAD));
    assert!(matches!(read(&at("gap_masks_real.npz")), Err(Error::File { .. })));
}
