//! `lacuna simulate`: sets that survive a kill and are the same on any number of threads, single
//! patterns, refused recipes, and whether the recipes cover what measured patterns look like.

use crate::cli::{done, lacuna, misused, refused, summary};
use crate::interop::python;
use lacuna::io::set::{Set, Split};
use lacuna::simulate::detector::Layout;
use ndarray::{Array2, Axis};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

/// A recipe whose patterns take no time.
const TINY: &str = r#"
name = "tiny"
shape = [32, 32]
count = 24
seed = 5
patterns_per_particle = 2
"#;

/// Simulates the tiny set into `name`.
fn tiny(folder: &Path, name: &str, more: &[&str]) -> Value {
    fs::write(folder.join("tiny.toml"), TINY).unwrap();
    summary(&done(folder, &[&["simulate", "tiny.toml", "--json", "-o", name], more].concat()))
}

#[test]
fn sets_are_the_same_to_the_byte_on_any_number_of_threads_and_after_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let output = tiny(folder, "one.h5", &["--threads", "1"]);
    assert_eq!(output["patterns"], 24);
    tiny(folder, "three.h5", &["--threads", "3"]);
    let bytes = fs::read(folder.join("one.h5")).unwrap();
    assert!(bytes == fs::read(folder.join("three.h5")).unwrap(), "one and three threads differ");

    // Killed at different moments: with nothing, with some patterns and with most of them finished.
    for (attempt, wanted) in [1, 8, 20].into_iter().enumerate() {
        let name = format!("killed{attempt}.h5");
        let mut child =
            lacuna(folder, &["simulate", "tiny.toml", "-q", "-o", &name, "--threads", "1"]).spawn().unwrap();
        let start = Instant::now();
        // Whatever lies beside the output while it is made.
        let beside = || {
            let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
            let parts = entries.filter(|path| path.is_dir() && path.to_str().unwrap().contains(&name));
            parts.flat_map(|path| fs::read_dir(path).into_iter().flatten()).count()
        };
        while beside() < wanted && start.elapsed() < Duration::from_secs(20) && child.try_wait().unwrap().is_none() {
            std::thread::sleep(Duration::from_millis(1));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        let output = summary(&done(folder, &["simulate", "tiny.toml", "--json", "-o", &name, "--force"]));
        assert_eq!(output["patterns"], 24);
        assert!(bytes == fs::read(folder.join(&name)).unwrap(), "resumed after {wanted} files");
    }
    let left: Vec<_> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).filter(|p| p.is_dir()).collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn a_set_is_not_replaced_and_its_seed_matters() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    tiny(folder, "a.h5", &["--count", "4"]);
    tiny(folder, "b.h5", &["--count", "4", "--seed", "6"]);
    assert!(fs::read(folder.join("a.h5")).unwrap() != fs::read(folder.join("b.h5")).unwrap());
    refused(folder, &["simulate", "tiny.toml", "-o", "a.h5"], &["a.h5 exists already", "--force"]);
}

#[test]
fn particles_stay_in_one_split_and_everything_drawn_is_stored() {
    let folder = tempfile::tempdir().unwrap();
    tiny(folder.path(), "set.h5", &[]);
    let set = Set::open(&folder.path().join("set.h5")).unwrap();
    assert_eq!(set.len(), 24);
    let mut splits = BTreeMap::new();
    for split in Split::ALL {
        for index in set.indices(split) {
            let entry = set.entry(index).unwrap();
            assert_eq!(entry.split, split);
            assert_eq!(*splits.entry(entry.particle).or_insert(split), split, "particle {}", entry.particle);
        }
    }
    assert_eq!(splits.len(), 12);
    for name in ["measurement_photons", "oversampling", "gap_width", "beamstop_radius", "object_roughness"] {
        assert!(set.names().any(|known| known == name), "no {name} among {:?}", set.names().collect::<Vec<_>>());
    }
    // Counts are those of the noise-free intensity: within five standard deviations, over all good
    // pixels of all patterns.
    for index in 0..set.len() {
        let entry = set.entry(index).unwrap();
        let good = entry.mask.as_slice().iter().map(|&bits| bits == 0);
        let (mut counted, mut expected) = (0.0, 0.0);
        for ((&n, &mean), good) in entry.counts.as_slice().iter().zip(entry.intensity.as_slice()).zip(good) {
            if good {
                counted += f64::from(n);
                expected += f64::from(mean);
            }
        }
        let strays = set.parameter("measurement_strays").unwrap()[index];
        if strays == 0.0 {
            assert!((counted - expected).abs() < 5.0 * expected.sqrt() + 5.0, "{index}: {counted} {expected}");
        }
    }
}

#[test]
fn h5py_reads_a_set() {
    let Some(python) = python("h5py, numpy") else { return };
    let folder = tempfile::tempdir().unwrap();
    tiny(folder.path(), "set.h5", &[]);
    let script = "import h5py, numpy as np, sys\n\
                  f = h5py.File('set.h5')\n\
                  assert f['counts'].shape == (24, 32, 32) and f['counts'].dtype == np.uint32\n\
                  assert f['object'].dtype == np.complex64 and f['intensity'].dtype == np.float32\n\
                  assert sum(len(f['splits'][s]) for s in f['splits']) == 24\n\
                  assert f['parameters/measurement_photons'].shape == (24,)\n\
                  wave = np.fft.fftshift(np.fft.fft2(np.fft.ifftshift(f['object'][:], axes=(1, 2)), norm='ortho'), axes=(1, 2))\n\
                  photons = (abs(wave) ** 2).sum(axis=(1, 2))\n\
                  assert np.allclose(photons, f['parameters/measurement_photons'][:], rtol=1e-3), photons\n";
    let output = crate::interop::unlocked(python).current_dir(folder.path()).args(["-c", script]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn one_pattern_and_its_truth_need_no_recipe() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let output = summary(&done(
        folder,
        &[
            "simulate", "--shape", "64,64", "--object", "crystal", "--gap", "6", "-o", "one.cxi", "--json", "--seed",
            "3",
        ],
    ));
    assert_eq!(output["truth"], "one-truth.cxi");
    let pattern = lacuna::io::read(folder.join("one.cxi").to_str().unwrap()).unwrap();
    let gap = pattern.mask.unwrap().as_slice().iter().filter(|bits| **bits != 0).count();
    assert_eq!(gap, 2 * 6 * 64 - 36);
    let truth = lacuna::io::read_support(folder.join("one-truth.cxi").to_str().unwrap()).unwrap();
    assert_eq!(truth.shape(), [1, 64, 64]);
    // It can be phased as it is.
    done(folder, &["phase", "one.cxi", "--support", "one-truth.cxi", "--algorithm", "ER**5", "-q", "-o", "result.cxi"]);
    let output = ["-o", "x.cxi"];
    let with = |more: &[&'static str]| [&["simulate"], more, &output[..]].concat();
    refused(folder, &with(&["--object", "teapot"]), &["--object = teapot", "crystal"]);
    refused(folder, &with(&["--shape", "64"]), &["--shape"]);
    refused(folder, &with(&["--shape", "64,64", "--gap", "99"]), &["--gap", "99", "64"]);
    refused(folder, &with(&["--photons", "0"]), &["--photons", "0"]);
    refused(folder, &with(&["--detector", "kodak"]), &["--detector", "kodak", "eiger"]);
    refused(folder, &with(&["--count", "2"]), &["--count = 2", ".h5"]);
    refused(folder, &["simulate", "--output", "x.tiff"], &["x.tiff", ".h5", ".cxi"]);
    refused(folder, &["simulate"], &["--output", "--preview"]);
}

#[test]
fn bad_recipes_are_refused_with_line_and_key() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let start = "name = \"x\"\nshape = [64, 64]\n";
    let cases: [(&str, &[&str]); 6] = [
        ("[measurement]\nfotons = 1\n", &["bad.toml: line 4: ", "fotons", "photons"]),
        ("oversampling = [5, 2]\n", &["bad.toml: line 3: oversampling: ", "[5, 2] is empty"]),
        ("[measurement]\nphotons = 0\n", &["bad.toml: line 4: measurement.photons: ", "0"]),
        ("[gaps]\nwidth = 80\n", &["bad.toml: line 4: gaps.width: ", "80", "64"]),
        ("[gaps]\nwidth = \"wide\"\n", &["bad.toml: line 4: ", "a number or a range"]),
        ("[gaps\n", &["bad.toml: line 3: "]),
    ];
    for (text, words) in cases {
        fs::write(folder.join("bad.toml"), format!("{start}{text}")).unwrap();
        refused(folder, &["simulate", "bad.toml", "-o", "x.h5"], words);
    }
    refused(folder, &["simulate", "missing.toml", "-o", "x.h5"], &["missing.toml", "bragg3d"]);
    misused(folder, &["simulate", "bad.toml", "--gap", "3", "-o", "x.h5"], &["--gap"]);
}

#[test]
fn a_contact_sheet_is_drawn() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("tiny.toml"), TINY).unwrap();
    done(folder.path(), &["simulate", "tiny.toml", "--preview", "sheet.png", "-q"]);
    let sheet = fs::read(folder.path().join("sheet.png")).unwrap();
    let reader = png::Decoder::new(std::io::Cursor::new(&sheet)).read_info().unwrap();
    assert!(reader.info().width > 4 * 3 * 128 && reader.info().height > 6 * 128);
}

#[test]
#[ignore = "a minute: simulates some 200 patterns"]
fn measured_patterns_lie_inside_what_the_recipes_cover() {
    let cases = [("bragg3d", "au_aps34idc_full.cxi"), ("forward2d", "ptycho_velociprobe_siemens_516x128.npz")];
    for (recipe, file) in cases {
        let Some(path) = crate::real::data(file) else { return };
        let folder = tempfile::tempdir().unwrap();
        let output = done(folder.path(), &["simulate", recipe, "--beside", &path, "--count", "120", "--json"]);
        let lines: Vec<Value> =
            String::from_utf8_lossy(&output.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len(), 4, "{recipe}");
        for line in lines {
            println!("{line}");
            assert_eq!(line["inside"], true, "{line}");
        }
    }
}

/// How a real mask (true = not measured) and the mask of a layout differ: pixels masked by the
/// layout alone, and by the beamline alone. `widened` more lines on each side of a gap are taken
/// for the layout's.
fn compare(mask: &Array2<bool>, layout: &str, widened: usize) -> (usize, usize) {
    let layout = Layout::named(layout).expect("a known detector");
    let layout = Layout { wide: layout.wide + widened, ..*layout };
    assert_eq!(mask.dim(), layout.frame().into(), "the mask is a whole frame");
    let own = layout.mask(true).mapv(|bits| bits != 0);
    let count = |pair: [bool; 2]| mask.iter().zip(&own).filter(|(real, own)| [**real, **own] == pair).count();
    (count([false, true]), count([true, false]))
}

#[test]
fn real_masks_cover_the_layouts() {
    let Some(path) = crate::real::data("gap_masks_real.npz") else { return };
    let read = |key: &str| {
        let mask = lacuna::io::read_array(&format!("{path}:{key}")).unwrap();
        mask.0.index_axis(Axis(0), 0).map(|bad| *bad != 0.0)
    };
    let maxipix = read("maxipix2x2_516");
    // ID10 masks one line more on each side than the wide pixels; with those, 723 bad pixels
    // remain.
    assert_eq!(compare(&maxipix, "maxipix", 0), (0, 2759));
    assert_eq!(compare(&maxipix, "maxipix", 1), (0, 723));
    // Merlin at SixS: the gap and one wide pixel on each side, exactly; 55 bad pixels.
    assert_eq!(compare(&read("merlin_515_sixs"), "merlin", 0), (0, 55));
}
