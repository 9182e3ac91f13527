//! Files as facilities leave them are read right, or with a word, or not at all: never wrong in
//! silence. One test a kind of trouble; `interop/write_awkward.py` writes the files.

use lacuna::geometry::{EV, HC};
use lacuna::io::{FileMask, Input, MissingData, Note, ReadOptions, read, read_with};
use lacuna::pixels::bit;
use lacuna::reconstruct;
use lacuna::settings::{Settings, TypedSettings};
use lacuna::volume::Centered;
use ndarray::Array3;
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;
use tempfile::TempDir;

use crate::interop::{python, unlocked};

/// The files of a script, written once for all tests; `None` where Python lacks what it imports.
fn files(script: &str, modules: &str) -> Option<TempDir> {
    let python = python(modules)?;
    let folder = tempfile::tempdir().unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop").join(script);
    let output = unlocked(python).arg(&script).arg(folder.path()).output().expect("python starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(folder)
}

/// The path of a file of `write_awkward.py`, with what is inside appended.
fn awkward(name: &str) -> Option<String> {
    static FOLDER: OnceLock<Option<TempDir>> = OnceLock::new();
    let folder = FOLDER.get_or_init(|| files("write_awkward.py", "h5py, numpy, tifffile")).as_ref()?;
    Some(format!("{}/{name}", folder.path().display()))
}

/// The stack of the script: `None` where a frame is lost.
fn stack(frames: &[Option<usize>]) -> Centered<f32> {
    Centered(Array3::from_shape_fn([frames.len(), 6, 8], |(z, y, x)| {
        frames[z].map_or(0.0, |z| (1000 * (z + 1) + 10 * y + x) as f32)
    }))
}

fn plain(frames: usize) -> Centered<f32> {
    stack(&(0..frames).map(Some).collect::<Vec<_>>())
}

/// Frames that are masked as a whole.
fn masked_frames(input: &Input) -> Vec<usize> {
    let Some(mask) = &input.mask else { return Vec::new() };
    let frames = mask.0.outer_iter().enumerate();
    frames.filter(|(_, frame)| frame.iter().all(|&bits| bits & bit::MISSING != 0)).map(|(z, _)| z).collect()
}

fn texts(input: &Input) -> Vec<String> {
    input.notes.iter().map(ToString::to_string).collect()
}

fn refused(location: &str, options: &ReadOptions) -> String {
    let error = read_with(location, options).err().unwrap_or_else(|| panic!("{location} is read")).to_string();
    assert_eq!(error.lines().count(), 1, "{error}");
    error
}

#[test]
fn lost_sources_of_virtual_data_sets_are_masked() {
    let Some(file) = awkward("vds/master.h5") else { return };
    let input = read(&file).unwrap();
    // Frames 3 to 5 are lost, 8 is missing from a short file; of the nested one the last, at the
    // end of the scan.
    let there = [0, 1, 2, 99, 99, 99, 6, 7, 99, 9, 10].map(|z| (z != 99).then_some(z));
    assert_eq!(input.intensity, stack(&there));
    assert_eq!(masked_frames(&input), [3, 4, 5, 8]);
    let notes = texts(&input);
    assert!(
        notes.iter().any(|note| note.starts_with("11 of 12 planned frames are there (gone.h5 is missing)")),
        "{notes:?}"
    );
    assert!(
        notes.iter().any(|note| note.starts_with("frames 3 to 5 without data (part_1.h5 is missing)")),
        "{notes:?}"
    );
    assert!(
        notes.iter().any(|note| note.starts_with("frame 8 without data (part_2.h5 has 2 frames of 3)")),
        "{notes:?}"
    );
    let strict = ReadOptions { missing: MissingData::Refuse, ..ReadOptions::default() };
    let error = refused(&file, &strict);
    assert!(error.contains("part_1.h5 is missing") && error.contains("missing = mask"), "{error}");

    let modules = read(&format!("{file}:/modules")).unwrap();
    let mask = modules.mask.expect("a mask");
    assert!(mask.0.indexed_iter().all(|((_, _, x), &bits)| (bits == bit::MISSING) == (x >= 8)));
}

#[test]
fn lost_files_of_an_eiger_are_masked_or_left_out() {
    let Some(stopped) = awkward("eiger/stopped_master.h5") else { return };
    let input = read(&stopped).unwrap();
    assert_eq!((&input.intensity, input.mask.is_none(), input.placement.stack), (&plain(12), true, [12, 6, 8]));
    assert!(matches!(input.notes[..], [Note::Incomplete { found: 12, planned: 16, .. }]), "{:?}", input.notes);
    assert_eq!((input.geometry.distance, input.geometry.energy), (Some(0.9), Some(9000.0 * EV)));
    let frames: Vec<_> = (0..12).map(|z| (!(4..8).contains(&z)).then_some(z)).collect();
    for name in ["eiger/hole_master.h5", "cut/stopped_master.h5"] {
        let input = read(&awkward(name).unwrap()).unwrap();
        assert_eq!((&input.intensity, masked_frames(&input)), (&stack(&frames), vec![4, 5, 6, 7]), "{name}");
    }
    let lost = read(&awkward("eiger/lost_master.h5").unwrap()).unwrap();
    assert_eq!(lost.intensity, plain(12));
    // A region counts in the frames that were planned.
    let roi = ReadOptions { roi: Some([10..14, 1..3, 2..8]), ..ReadOptions::default() };
    let input = read_with(&stopped, &roi).unwrap();
    assert_eq!((input.intensity.shape(), masked_frames(&input)), ([4, 2, 6], vec![2, 3]));
    assert_eq!(input.placement.start, [10, 1, 2]);
}

#[test]
fn frames_that_were_never_written_are_masked() {
    let Some(file) = awkward("unwritten.h5") else { return };
    let input = read(&file).unwrap();
    assert_eq!(masked_frames(&input), [2, 3, 5]);
    assert_eq!(input.notes.len(), 2, "{:?}", input.notes);
}

#[test]
fn numbers_missing_in_a_series_are_masked_and_strangers_left_out() {
    let Some(folder) = awkward("series") else { return };
    let input = read(&folder).unwrap();
    assert_eq!(input.intensity, stack(&[Some(0), Some(1), None, Some(2), Some(3)]));
    assert_eq!(masked_frames(&input), [2]);
    let notes = texts(&input);
    assert!(notes.iter().any(|note| note.contains("s12_0003.tif is missing")), "{notes:?}");
    assert!(
        notes.iter().any(|note| note.contains("dark.tif does not belong to the series s#_*.tif")
            || note.contains("dark.tif does not belong")),
        "{notes:?}"
    );
    let tens = read(&awkward("tens").unwrap()).unwrap();
    assert_eq!((tens.intensity.shape()[0], masked_frames(&tens)), (5, vec![3]));
    let roi = ReadOptions { roi: Some([1..4, 2..5, 3..7]), ..ReadOptions::default() };
    let part = read_with(&folder, &roi).unwrap();
    assert_eq!(part.intensity.0, input.intensity.0.slice(ndarray::s![1..4, 2..5, 3..7]));
    assert_eq!(masked_frames(&part), [1]);
    let error = refused(&awkward("two").unwrap(), &ReadOptions::default());
    assert!(error.contains("several series") && error.contains("b_*.tif (3)"), "{error}");
}

#[test]
fn headers_and_bytes_must_agree() {
    let Some(file) = awkward("one_header.edf") else { return };
    for name in ["one_header.edf", "frames.edf", "frames.edf.gz"] {
        assert_eq!(read(&awkward(name).unwrap()).unwrap().intensity, plain(5), "{name}");
    }
    for (name, message) in [
        ("one_header_cut.edf", "is cut short: 5 frames of 192 bytes are named"),
        ("more.edf", "has 192 bytes after its 1 frames"),
        ("more.npy", "holds 8 bytes more than its header says"),
        ("imagej.tif", "holds 3 of 9 pages"),
    ] {
        let error = refused(&awkward(name).unwrap(), &ReadOptions::default());
        assert!(error.contains(message), "{error}");
    }
    drop(file);
}

#[test]
fn several_scans_or_detectors_are_named_and_an_entry_brings_what_is_its_own() {
    let Some(scans) = awkward("scans.h5") else { return };
    let error = refused(&scans, &ReadOptions::default());
    assert!(error.ends_with("holds several scans, append one of them as :/entry: /2.1, /3.1"), "{error}");
    for (inside, frames, kev) in [
        ("/2.1", 4, 9.0),
        ("/3.1", 5, 13.0),
        ("/3.1/measurement", 5, 13.0),
        ("/2.1/measurement/mpx", 4, 9.0),
        ("/2.1/instrument/mpx", 4, 9.0),
    ] {
        let input = read(&format!("{scans}:{inside}")).unwrap();
        assert_eq!(input.intensity, plain(frames), "{inside}");
        let energy = input.geometry.energy.expect("an energy");
        assert!((energy / (kev * 1e3 * EV) - 1.0).abs() < 1e-12, "{inside}: {energy}");
        let mask = input.mask.expect("a mask");
        assert_eq!(mask.as_slice().iter().filter(|&&bits| bits != 0).count(), frames, "{inside}");
    }
    // What an NXdetector measured comes before cameras and spectra, and those are named.
    let input = read(&awkward("cameras.h5").unwrap()).unwrap();
    assert_eq!(input.intensity, plain(4));
    assert!(matches!(&input.notes[..], [Note::Chosen { others, .. }] if others.len() == 2), "{:?}", input.notes);
    let error = refused(&awkward("merlin.h5").unwrap(), &ReadOptions::default());
    assert!(error.contains("/entry/measurement/merlin/frames (4x6x8)") && error.contains("xspress3"), "{error}");
    assert_eq!(read(&awkward("old.nxs").unwrap()).unwrap().intensity, plain(4));
}

#[test]
fn units_are_understood_or_the_number_is_named() {
    let Some(file) = awkward("bare_energy.h5") else { return };
    let input = read(&file).unwrap();
    assert_eq!((input.geometry.energy, input.geometry.distance), (None, Some(0.5)));
    let notes = texts(&input);
    assert!(notes[0].contains("incident_energy is 8000 without a unit: not understood"), "{notes:?}");
    let far = read(&awkward("far.h5").unwrap()).unwrap();
    assert_eq!((far.geometry.energy, far.geometry.distance), (None, None));
    let notes = texts(&far);
    assert!(notes[0].contains("distance is 185 m: not believed"), "{notes:?}");
    assert!(notes[1].contains("energy is 8000 without a unit: not understood"), "{notes:?}");
    let cases = read(&awkward("cases.h5").unwrap()).unwrap();
    let geometry = cases.geometry;
    let [y, x] = geometry.pixel_size.expect("a pixel size");
    for (found, expected) in
        [(geometry.energy, 9000.0 * EV), (geometry.distance, 0.85), (Some(y), 55e-6), (Some(x), 55e-6)]
    {
        assert!((found.expect("a value") / expected - 1.0).abs() < 1e-12, "{found:?}");
    }
    assert!(cases.notes.is_empty(), "{:?}", cases.notes);
}

#[test]
fn what_is_there_but_cannot_be_read_is_named() {
    let Some(file) = awkward("damaged.h5") else { return };
    let input = read(&file).unwrap();
    assert_eq!((input.geometry.distance, input.geometry.pixel_size, input.mask), (None, None, None));
    let energy = input.geometry.energy.expect("an energy");
    assert!((energy / (HC / 1e-10) - 1.0).abs() < 1e-12, "{energy}");
    let notes: Vec<String> = input.notes.iter().map(|note| note.to_string().replace(&file, "")).collect();
    assert_eq!(
        notes,
        [
            "/entry_1/instrument_1/detector_1/x_pixel_size is there but cannot be read: what it says is left out",
            "/entry_1/instrument_1/detector_1/distance is 1.2 with a damaged unit: its unit is not understood as a distance, \
             give it as a setting",
            "/entry_1/data_1/mask is there but cannot be read: what it says is left out",
            ":/entry_1/instrument_1/detector_1/mask is 48, which does not fit the data: left out",
        ]
    );
    let scaled = texts(&read(&awkward("scaled.h5").unwrap()).unwrap());
    assert!(scaled[0].contains("/entry/data/data has scale_factor = 0.5, which is not applied"), "{scaled:?}");
    let moved = read(&awkward("moved").unwrap()).unwrap();
    assert_eq!((moved.geometry.distance, moved.intensity), (Some(1.2), plain(3)));
    assert!(
        moved.notes[0].to_string().contains("f_2.edf has another geometry than the first frame"),
        "{:?}",
        moved.notes
    );
}

#[test]
fn masks_are_questioned_turned_round_and_placed() {
    let Some(file) = awkward("good_mask.npz") else { return };
    let count =
        |input: &Input| input.mask.as_ref().map_or(0, |mask| mask.as_slice().iter().filter(|&&b| b != 0).count());
    let doubtful = read(&file).unwrap();
    assert!(matches!(doubtful.notes[..], [Note::Mask { .. }]), "{:?}", doubtful.notes);
    let good = ReadOptions { file_mask: FileMask::Good, ..ReadOptions::default() };
    let turned = read_with(&file, &good).unwrap();
    assert_eq!((count(&turned), turned.notes.len()), (4, 0));
    let ignored = read_with(&file, &ReadOptions { file_mask: FileMask::Ignore, ..ReadOptions::default() }).unwrap();
    assert!(ignored.mask.is_none());
    assert!(read(&awkward("no_mask.npz").unwrap()).unwrap().mask.is_none());

    let expected = |input: &Input| {
        let mask = input.mask.as_ref().expect("a mask");
        mask.0.indexed_iter().all(|((_, y, x), &bits)| (bits != 0) == ((y, x) == (2, 3)))
    };
    let stated = read(&awkward("region.h5").unwrap()).unwrap();
    assert!(expected(&stated));
    assert_eq!(stated.placement.detector, Some([10, 20]));
    let unstated = awkward("region_unstated.h5").unwrap();
    let error = refused(&unstated, &ReadOptions::default());
    assert!(error.contains("is 40x50 but the data are 4x6x8") && error.contains("mask-offset"), "{error}");
    let offset = ReadOptions { mask_offset: Some([10, 20]), ..ReadOptions::default() };
    assert!(expected(&read_with(&unstated, &offset).unwrap()));
    let turned = refused(&awkward("turned_mask.npz").unwrap(), &ReadOptions::default());
    assert!(turned.contains("rows and columns are exchanged"), "{turned}");
}

#[test]
fn axes_are_dropped_selected_and_turned() {
    let Some(file) = awkward("axes.h5") else { return };
    for inside in ["middle", "last"] {
        assert_eq!(read(&format!("{file}:/{inside}")).unwrap().intensity, plain(4), "{inside}");
    }
    assert_eq!(read(&awkward("middle.npy").unwrap()).unwrap().intensity, plain(4));
    let second = read(&format!("{file}:/volumes[1]")).unwrap();
    assert_eq!(second.intensity, stack(&[Some(4), Some(5), Some(6), Some(7)]));
    assert_eq!(read(&format!("{file}:/volumes[1,2]")).unwrap().intensity, stack(&[Some(6)]));
    assert!(refused(&format!("{file}:/volumes[2]"), &ReadOptions::default()).contains("[2] is outside"));
    assert!(refused(&format!("{file}:/volumes"), &ReadOptions::default()).contains("select one volume"));
    let reversed = ReadOptions { axes: "xyz".parse().unwrap(), ..ReadOptions::default() };
    assert_eq!(read_with(&format!("{file}:/reversed"), &reversed).unwrap().intensity, plain(4));
    let roi = ReadOptions { roi: Some([1..3, 2..5, 3..8]), ..reversed };
    let part = read_with(&format!("{file}:/reversed"), &roi).unwrap();
    assert_eq!(part.intensity.0, plain(4).0.slice(ndarray::s![1..3, 2..5, 3..8]));
    let matlab = read(&format!("{file}:/matlab")).unwrap();
    assert!(matches!(matlab.notes[..], [Note::Reversed { .. }]), "{:?}", matlab.notes);
}

#[test]
fn a_region_is_read_from_a_stack_that_is_larger_than_memory_need_be() {
    let Some(file) = awkward("large.h5") else { return };
    let options = ReadOptions { roi: Some([0..20, 1000..1006, 1000..1008]), ..ReadOptions::default() };
    let input = read_with(&file, &options).unwrap();
    assert_eq!(input.intensity, plain(20));
    assert_eq!((input.placement.stack, input.placement.start), ([20, 2000, 2000], [0, 1000, 1000]));
    let outside = ReadOptions { roi: Some([0..20, 0..10, 1990..2001]), ..ReadOptions::default() };
    assert!(refused(&file, &outside).contains("must be within the data, which are 20x2000x2000"));
}

#[test]
fn compressions_of_detectors_and_archives_are_read_or_named() {
    let Some(folder) = files("write_filters.py", "h5py, numpy, hdf5plugin, fabio") else { return };
    let at = |name: &str| folder.path().join(name).to_str().expect("unicode").to_string();
    let truth = read(&at("truth.npy")).unwrap().intensity;
    let mut filters = 0;
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().expect("unicode").to_string();
        if name == "szip.h5" && !folder.path().join("no_szip").exists() {
            assert!(refused(&at(&name), &ReadOptions::default()).contains("is compressed with szip"));
        } else if name.ends_with(".h5") && name != "szip.h5" {
            let input = read(&at(&name)).unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(input.intensity, truth, "{name}");
            filters += 1;
        }
    }
    assert!(filters >= 30, "{filters}");
    for name in ["cbf", "cbf_gz"] {
        let input = read(&at(name)).unwrap();
        let mut expected = truth.clone();
        expected.0.slice_mut(ndarray::s![.., 3, 4]).fill(-1.0);
        assert_eq!((&input.intensity, input.source.format), (&expected, "CBF"), "{name}");
    }
}

#[test]
fn files_that_are_still_written_are_read_with_a_word() {
    let Some(python) = python("h5py, numpy") else { return };
    let folder = tempfile::tempdir().unwrap();
    let script = "
import h5py, sys, numpy as np
live = h5py.File('live.h5', 'w', libver='latest')
data = live.create_dataset('entry/data/data', (0, 6, 8), 'u4', maxshape=(None, 6, 8), chunks=(1, 6, 8))
live.swmr_mode = True
data.resize(3, axis=0)
data[:] = 7
data.flush()
busy = h5py.File('busy.h5', 'w')
busy['entry/data/data'] = np.full((3, 6, 8), 7)
busy.flush()
latest = h5py.File('latest.h5', 'w', libver='latest')
latest['entry/data/data'] = np.full((3, 6, 8), 7)
latest.flush()
print('ready', flush=True)
sys.stdin.read()
";
    let mut writer = Command::new(python)
        .args(["-c", script])
        .current_dir(folder.path())
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let output = writer.stdout.take().expect("its output");
    std::io::BufRead::read_line(&mut std::io::BufReader::new(output), &mut line).unwrap();
    assert_eq!(line, "ready\n");
    for name in ["live.h5", "busy.h5", "latest.h5"] {
        let path = folder.path().join(name);
        match read(path.to_str().expect("unicode")) {
            Ok(input) => {
                assert_eq!(input.intensity, Centered::filled([3, 6, 8], 7.0), "{name}");
                assert!(input.notes.iter().any(|note| matches!(note, Note::BeingWritten { .. })), "{name}");
            }
            Err(error) => {
                let error = error.to_string();
                assert!(error.contains("is being written by another program") && !error.contains("h5clear"), "{error}");
            }
        }
    }
    drop(writer.stdin.take());
    writer.wait().unwrap();
}

/// A file of numpy's with a square frame of numbers of a type.
fn write_npy(path: &Path, descr: &str, size: usize, bytes: impl Iterator<Item = u8>) {
    let header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({size}, {size}), }}");
    let mut file = b"\x93NUMPY\x01\x00\x76\x00".to_vec();
    file.extend(format!("{header:<117}\n").into_bytes());
    file.extend(bytes);
    std::fs::write(path, file).unwrap();
}

#[test]
fn saturated_pixels_of_sixteen_bits_are_named_in_wider_types() {
    let folder = tempfile::tempdir().unwrap();
    let notes = |saturated: u32, type_of: &str| {
        let path = folder.path().join("a.npy");
        // The top of a peak is cut off.
        let counts = (0..1024_u32).map(|i| match i {
            527 | 528 => saturated,
            _ => {
                (6e4 * f64::exp(-0.05 * f64::from((i / 32).abs_diff(16).pow(2) + (i % 32).abs_diff(16).pow(2)))) as u32
            }
        });
        match type_of {
            "<u4" => write_npy(&path, type_of, 32, counts.flat_map(u32::to_le_bytes)),
            _ => write_npy(&path, type_of, 32, counts.flat_map(|n| (n as f32).to_le_bytes())),
        }
        let settings = Settings::resolve("bragg", &TypedSettings::default()).unwrap();
        reconstruct::load(path.to_str().expect("unicode"), &settings, &()).unwrap().notes
    };
    for type_of in ["<u4", "<f4"] {
        let found = notes(65535, type_of);
        assert!(
            found[0].starts_with("2 pixels hold 65535, the largest value of uint16, and are not masked"),
            "{found:?}"
        );
        let found = notes(65534, type_of);
        assert!(found[0].starts_with("2 pixels hold 65534, the second largest value of uint16"), "{found:?}");
        let found = notes(65536, type_of);
        assert!(!found.iter().any(|note| note.contains("uint16")), "{found:?}");
    }
}

#[test]
fn what_was_noted_while_reading_is_written_into_the_prepared_pattern() {
    let folder = tempfile::tempdir().unwrap();
    let spot = |z: i32, y: i32, x: i32| {
        let distance = (z - 8).pow(2) + (y - 8).pow(2) + (x - 8).pow(2);
        (1e4 * f64::exp(-0.2 * f64::from(distance))) as u16
    };
    for z in (0..17).filter(|&z| z != 5) {
        let frame = (0..289).flat_map(|i| spot(z, i / 17, i % 17).to_le_bytes());
        write_npy(&folder.path().join(format!("f_{z:02}.npy")), "<u2", 17, frame);
    }
    let output = folder.path().join("prepared.cxi");
    let status = Command::new(env!("CARGO_BIN_EXE_lacuna"))
        .args(["prepare", folder.path().to_str().expect("unicode"), "--output"])
        .arg(&output)
        .output()
        .unwrap();
    assert!(status.status.success(), "{}", String::from_utf8_lossy(&status.stderr));
    let note = b"frame 5 without data (f_05.npy is missing): masked as not measured";
    let written = std::fs::read(&output).unwrap();
    assert!(written.windows(note.len()).any(|window| window == note));
}
