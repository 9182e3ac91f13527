//! Sets written, interrupted, damaged and read.

use super::pack::{rounded, rounded_complex};
use super::{Entry, Set, SetHeader, SetWriter, Split};
use crate::error::Error;
use crate::parameters::Parameter;
use crate::pixels::Calculated;
use crate::volume::{Centered, Shape};
use ndarray::Array3;
use num_complex::Complex32;
use rayon::prelude::*;
use serde_json::json;
use std::fs;
use std::path::{Path, PathBuf};

const COUNT: usize = 7;

fn header(shape: Shape) -> SetHeader {
    SetHeader { shape, count: COUNT, seed: 9, recipe_name: "disc".into(), recipe_text: "[object]\nsize = 3\n".into() }
}

fn entry(index: usize, shape: Shape) -> Entry {
    let value = |(z, y, x): (usize, usize, usize)| ((index + 1) * (31 * z + 7 * y + x) % 1000) as f32 * 1.037;
    let intensity = Centered(Array3::from_shape_fn(shape, value));
    let parameters = json!({
        "photons": 1e5 + index as f64,
        "cell": [0.5, index],
        "shape": if index.is_multiple_of(2) { "rod" } else { "Würfel" },
        "twinned": index == 3,
        "strain": if index == 2 { json!(null) } else { json!(0.125) },
    });
    Entry {
        counts: intensity.map(|&value| (value * 4e6) as u32),
        mask: intensity.map(|&value| if value > 900.0 { 0x8200 } else { 0 }),
        object: intensity.map(|&value| Complex32::new(value, -value / 3.0)),
        support: intensity.map(|&value| value > 500.0),
        calculated: None,
        intensity,
        parameters: serde_json::from_value(parameters).unwrap(),
        split: Split::ALL[index % 3],
        particle: u64::MAX - index as u64,
    }
}

/// What is read of an entry: rounded, with numbers as floats.
fn stored(index: usize, shape: Shape) -> Entry {
    let mut entry = entry(index, shape);
    entry.intensity = entry.intensity.map(|&value| rounded(value));
    entry.object = entry.object.map(|&value| rounded_complex(value));
    entry.parameters.insert("cell", Parameter::Numbers(vec![0.5, index as f64]));
    entry
}

fn make(path: &Path, shape: Shape, order: impl IntoIterator<Item = usize>) {
    let writer = SetWriter::open(path, header(shape), false).unwrap();
    order.into_iter().for_each(|index| writer.put(index, &entry(index, shape)).unwrap());
    let mut last = 0;
    writer.finish(|done| last = done).unwrap();
    assert_eq!(last, COUNT);
}

fn parts(path: &Path) -> PathBuf {
    path.with_extension("h5.parts")
}

#[test]
fn entries_come_back_to_many_threads_at_once() {
    let folder = tempfile::tempdir().unwrap();
    for shape in [[1, 12, 15], [6, 7, 8]] {
        let path = folder.path().join(format!("{}.h5", shape[0]));
        make(&path, shape, 0..COUNT);
        assert!(!parts(&path).exists());
        let set = Set::open(&path).unwrap();
        assert_eq!((set.len(), set.shape(), set.header()), (COUNT, shape, &header(shape)));
        (0..50).into_par_iter().for_each(|i| assert_eq!(set.entry(i % COUNT).unwrap(), stored(i % COUNT, shape)));
        assert_eq!(set.measurement(4).unwrap().counts, entry(4, shape).counts);
        assert_eq!(set.indices(Split::Validation), [1, 4]);
        assert_eq!(set.names().collect::<Vec<_>>(), ["cell", "photons", "shape", "strain", "twinned"]);
        assert_eq!(set.parameter("photons").unwrap()[3], 1e5 + 3.0);
        assert!(set.parameter("strain").unwrap()[2].is_nan());
        assert_eq!(set.parameter("twinned").unwrap()[2..4], [0.0, 1.0]);
        assert!(set.parameter("shape").unwrap_err().to_string().contains("is not one number a pattern"));
        assert!(set.parameter("size").unwrap_err().to_string().contains("has no parameter size: there are cell, "));
    }
}

#[test]
fn what_phasing_calculates_comes_back_for_all_patterns_or_none() {
    let folder = tempfile::tempdir().unwrap();
    let shape = [1, 12, 15];
    let phased = |index| {
        let entry = entry(index, shape);
        let mean = entry.intensity.map(|value| value.ln_1p());
        Entry { calculated: Some(Calculated { spread: mean.map(|value| value / 3.0), mean }), ..entry }
    };
    let path = folder.path().join("phased.h5");
    let writer = SetWriter::open(&path, header(shape), false).unwrap();
    (0..COUNT).for_each(|index| writer.put(index, &phased(index)).unwrap());
    writer.finish(|_| {}).unwrap();
    let set = Set::open(&path).unwrap();
    assert!(set.is_phased());
    for index in 0..COUNT {
        let Calculated { mean, spread } = phased(index).calculated.unwrap();
        let stored = Calculated { mean: mean.map(|&v| rounded(v)), spread: spread.map(|&v| rounded(v)) };
        assert_eq!(set.entry(index).unwrap().calculated.as_ref(), Some(&stored));
        assert_eq!(set.measurement(index).unwrap().calculated, Some(stored));
    }

    let path = folder.path().join("mixed.h5");
    let writer = SetWriter::open(&path, header(shape), false).unwrap();
    (0..COUNT).for_each(|index| {
        writer.put(index, &if index == 3 { entry(index, shape) } else { phased(index) }).unwrap();
    });
    let mixed = writer.finish(|_| {}).unwrap_err().to_string();
    assert!(mixed.contains("pattern 3") && mixed.contains("either all patterns were phased, or none"), "{mixed}");
}

#[test]
fn the_same_entries_are_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let shape = [1, 12, 15];
    let [forwards, backwards, parallel] = ["a.h5", "b.h5", "c.h5"].map(|name| folder.path().join(name));
    make(&forwards, shape, 0..COUNT);
    // HDF5's times are in seconds.
    std::thread::sleep(std::time::Duration::from_millis(1100));
    make(&backwards, shape, (0..COUNT).rev());
    let writer = SetWriter::open(&parallel, header(shape), false).unwrap();
    (0..COUNT).into_par_iter().for_each(|index| writer.put(index, &entry(index, shape)).unwrap());
    writer.finish(|_| {}).unwrap();
    let bytes = fs::read(&forwards).unwrap();
    assert!(bytes == fs::read(&backwards).unwrap());
    assert!(bytes == fs::read(&parallel).unwrap());
}

#[test]
fn interrupted_work_goes_on_and_damaged_parts_are_made_again() {
    let folder = tempfile::tempdir().unwrap();
    let shape = [1, 12, 15];
    let [whole, path] = ["whole.h5", "set.h5"].map(|name| folder.path().join(name));
    make(&whole, shape, 0..COUNT);

    let writer = SetWriter::open(&path, header(shape), false).unwrap();
    assert_eq!(writer.missing(), (0..COUNT).collect::<Vec<_>>());
    for index in [5, 0, 3, 2, 1] {
        writer.put(index, &entry(index, shape)).unwrap();
    }
    let part = |index: usize| parts(&path).join(format!("{index:06}.part"));
    // What a kill may leave: half a part under its temporary name, half a set. And what a bad disk
    // may: a bit, an end, another part.
    fs::write(part(4).with_extension("new"), "half").unwrap();
    fs::write(parts(&path).join("set.h5"), "half").unwrap();
    let mut bytes = fs::read(part(2)).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 4;
    fs::write(part(2), &bytes).unwrap();
    bytes.truncate(middle);
    fs::write(part(3), &bytes).unwrap();
    fs::copy(part(0), part(1)).unwrap();
    drop(writer);

    let writer = SetWriter::open(&path, header(shape), false).unwrap();
    assert_eq!(writer.missing(), [1, 2, 3, 4, 6]);
    // Finishing too soon fails, and loses nothing.
    let error = writer.finish(|_| {}).unwrap_err().to_string();
    assert!(error.ends_with("000001.part: is not there or damaged: start again"), "{error}");
    assert!(!path.exists());
    let writer = SetWriter::open(&path, header(shape), false).unwrap();
    for index in writer.missing() {
        writer.put(index, &entry(index, shape)).unwrap();
    }
    writer.finish(|_| {}).unwrap();
    assert!(fs::read(&whole).unwrap() == fs::read(&path).unwrap());
    assert!(!parts(&path).exists());
    assert!(matches!(SetWriter::open(&path, header(shape), false), Err(Error::Exists { .. })));
}

#[test]
fn parts_of_another_recipe_are_refused_or_thrown_away() {
    let folder = tempfile::tempdir().unwrap();
    let shape = [1, 12, 15];
    let path = folder.path().join("set.h5");
    SetWriter::open(&path, header(shape), false).unwrap().put(2, &entry(2, shape)).unwrap();
    let other = [
        (SetHeader { seed: 10, ..header(shape) }, "seed 9, now it is 10"),
        (SetHeader { count: 8, ..header(shape) }, "count 7, now it is 8"),
        (header([1, 12, 16]), "shape 1x12x15, now it is 1x12x16"),
        (SetHeader { recipe_text: "x = 1".into(), ..header(shape) }, "another recipe"),
    ];
    for (header, difference) in other {
        let error = SetWriter::open(&path, header, false).unwrap_err().to_string();
        let expected = format!("set.h5.parts: holds patterns made with {difference}: give --force to begin anew, or");
        assert!(error.contains(&expected), "{error}");
    }
    assert_eq!(SetWriter::open(&path, header(shape), true).unwrap().missing().len(), COUNT - 1);
    fs::write(parts(&path).join("notes.txt"), "mine").unwrap();
    let writer = SetWriter::open(&path, SetHeader { seed: 10, ..header(shape) }, true).unwrap();
    assert_eq!(writer.missing().len(), COUNT);
    let error = SetWriter::open(&path, SetHeader { seed: 10, ..header(shape) }, true).unwrap_err().to_string();
    assert!(error.contains("another process is making this set"), "{error}");
    assert!(parts(&path).join("notes.txt").exists());
}

#[test]
fn entries_that_do_not_fit_and_folders_that_cannot_be_written_are_errors() {
    let folder = tempfile::tempdir().unwrap();
    let shape = [1, 12, 15];
    let path = folder.path().join("set.h5");
    let writer = SetWriter::open(&path, header(shape), false).unwrap();
    let refused = |index, entry: Entry| writer.put(index, &entry).unwrap_err().to_string();
    assert_eq!(refused(7, entry(0, shape)), "pattern 7 of the set: there are 7 patterns");
    let mask = Centered::filled([1, 12, 14], 0);
    let problem = "pattern 1 of the set: its mask is [1, 12, 14], the set's patterns are [1, 12, 15]";
    assert_eq!(refused(1, Entry { mask, ..entry(1, shape) }), problem);
    let mask = Centered::filled(shape, 0x10000);
    assert_eq!(refused(1, Entry { mask, ..entry(1, shape) }), "pattern 1 of the set: the mask has bits above 0xffff");
    let parameters = serde_json::from_value(json!({"a/b": 1})).unwrap();
    assert!(refused(1, Entry { parameters, ..entry(1, shape) }).contains("'a/b'"));
    assert_eq!(writer.missing().len(), COUNT);
    // A folder in the place of the part: whoever runs the tests may write anywhere else.
    fs::create_dir_all(parts(&path).join("000001.part/x")).unwrap();
    assert!(matches!(writer.put(1, &entry(1, shape)), Err(Error::Write { .. })));
    assert!(!parts(&path).join("000001.new").exists());
    // /proc takes no files, even from root.
    assert!(matches!(SetWriter::open(Path::new("/proc/set.h5"), header(shape), false), Err(Error::Write { .. })));
}

#[test]
fn what_is_no_whole_set_is_said_in_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let shape = [1, 12, 15];
    let path = folder.path().join("set.h5");
    make(&path, shape, 0..COUNT);
    let bytes = fs::read(&path).unwrap();
    let opened = |bytes: &[u8]| {
        let path = folder.path().join("other.h5");
        fs::write(&path, bytes).unwrap();
        Set::open(&path)
    };
    for length in [bytes.len() - 1, bytes.len() / 2, 300, 0] {
        let error = opened(&bytes[..length]).map(drop).unwrap_err().to_string();
        assert!(error.contains("other.h5: cannot be opened by HDF5"), "{error}");
        assert_eq!(error.lines().count(), 1, "{error}");
    }
    // A byte in the middle of a chunk: only this pattern is lost.
    let address = Set::open(&path).unwrap().chunk_of(1, 3).0 as usize + 20;
    let mut damaged = bytes.clone();
    damaged[address] ^= 1;
    let set = opened(&damaged).unwrap();
    let error = set.measurement(3).unwrap_err().to_string();
    assert!(error.ends_with("other.h5:/counts: pattern 3 is damaged"), "{error}");
    assert!(set.measurement(2).is_ok());
    // Cut while it is open.
    fs::File::options().write(true).open(folder.path().join("other.h5")).unwrap().set_len(1000).unwrap();
    assert!(set.measurement(6).unwrap_err().to_string().contains("other.h5:/intensity: pattern 6 cannot be read"));

    let other = folder.path().join("plain.h5");
    hdf5::File::create(&other).unwrap().new_dataset::<u8>().create("data").unwrap();
    let error = Set::open(&other).map(drop).unwrap_err().to_string();
    assert!(error.ends_with("plain.h5: is no data set of lacuna: make one with lacuna simulate"), "{error}");
    assert!(Set::open(&folder.path().join("none.h5")).is_err());
    // Another program may have copied it in its own way.
    let file = hdf5::File::open_rw(&path).unwrap();
    file.unlink("mask").unwrap();
    file.new_dataset::<u16>().shape([COUNT, 12, 15]).create("mask").unwrap();
    file.close().unwrap();
    let error = Set::open(&path).map(drop).unwrap_err().to_string();
    assert!(error.contains("set.h5:/mask: is not stored as lacuna does it"), "{error}");
}
