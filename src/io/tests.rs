//! What is written is read back bit for bit; what is wrong is named.

use super::*;
use crate::geometry::EV;
use crate::pixels::{Pattern, bit};
use crate::volume::Shape;
use flate2::write::GzEncoder;
use ndarray::Array3;
use num_complex::Complex32;
use serde_json::json;
use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::ops::Range;
use std::path::Path;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

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
        let phase = object.map(|value| value.arg());
        let psf =
            Centered(Array3::from_shape_fn([if shape[0] > 1 { 3 } else { 1 }, 3, 5], |(z, y, x)| (z + y + x) as f32));
        let result = Reconstruction {
            object: &object,
            support: &support,
            runs: &runs,
            modes: &runs[..1],
            mode_weights: &[0.97],
            psf: Some(&psf),
            maps: &[("phase", "rad", &phase)],
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
        assert_eq!(read_array(&format!("{}:/entry_1/image_1/phase", cxi.display())).unwrap(), phase);
        assert_eq!(read_array(&format!("{}:phase", npz.display())).unwrap(), phase);
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
        ":/entry_1/nope/data: nothing there: /entry_1 holds data_1, end_time, instrument_1, process_1, program_name, program_version, start_time"
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

/// A stack of 4x6x5 counts in every format that holds one, as files in `folder`.
fn stacks(folder: &Path) -> Vec<String> {
    use ::tiff::encoder::{TiffEncoder, colortype::Gray16};
    let counts: Vec<u16> = (0..120).collect();
    let bytes = |range: Range<usize>| counts[range].iter().flat_map(|n| n.to_le_bytes()).collect::<Vec<u8>>();
    let npy = [npy::header("<u2", &[4, 6, 5]), bytes(0..120)].concat();
    let keys = "ByteOrder = LowByteFirst ;\nDataType = UnsignedShort ;\nDim_1 = 5 ;\nDim_2 = 6 ;\n";
    let edf: Vec<u8> = (0..4)
        .flat_map(|z| [format!("{{\n{keys}Image = {z} ;\n}}\n").into_bytes(), bytes(30 * z..30 * z + 30)].concat())
        .collect();
    let write = |name: &str, bytes: &[u8]| std::fs::write(folder.join(name), bytes).unwrap();
    write("a.npy", &npy);
    write("a.edf", &edf);
    for (name, method) in [("stored.npz", CompressionMethod::Stored), ("packed.npz", CompressionMethod::Deflated)] {
        let mut archive = ZipWriter::new(File::create(folder.join(name)).unwrap());
        archive.start_file("data.npy", SimpleFileOptions::default().compression_method(method)).unwrap();
        archive.write_all(&npy).unwrap();
        archive.finish().unwrap();
    }
    let mut pages = TiffEncoder::new(File::create(folder.join("a.tif")).unwrap()).unwrap();
    for z in 0..4 {
        pages.write_image::<Gray16>(5, 6, &counts[30 * z..30 * z + 30]).unwrap();
    }
    for name in ["a.npy", "a.edf", "a.tif"] {
        let mut gzip = GzEncoder::new(File::create(folder.join(format!("{name}.gz"))).unwrap(), Default::default());
        gzip.write_all(&std::fs::read(folder.join(name)).unwrap()).unwrap();
        gzip.finish().unwrap();
    }
    let names = ["a.npy", "a.edf", "a.tif", "a.npy.gz", "a.edf.gz", "a.tif.gz", "stored.npz", "packed.npz"];
    names.iter().map(|name| folder.join(name).to_str().unwrap().to_string()).collect()
}

#[test]
fn regions_are_those_of_the_whole_in_every_format_and_order_of_axes() {
    let folder = tempfile::tempdir().unwrap();
    let whole = Array3::from_shape_fn([4, 6, 5], |(z, y, x)| (30 * z + 5 * y + x) as f32);
    for file in stacks(folder.path()) {
        assert_eq!(read(&file).unwrap().intensity.0, whole, "{file}");
        for roi in [[0..4, 0..6, 0..5], [1..3, 2..6, 1..4], [3..4, 5..6, 4..5], [0..1, 0..6, 2..3]] {
            let [z, y, x] = roi.clone();
            let options = ReadOptions { roi: Some(roi), ..ReadOptions::default() };
            let input = read_with(&file, &options).unwrap();
            assert_eq!(input.intensity.0, whole.slice(ndarray::s![z.clone(), y.clone(), x.clone()]), "{file}");
            assert_eq!((input.placement.stack, input.placement.start), ([4, 6, 5], [z.start, y.start, x.start]));
        }
        let turned = whole.view().reversed_axes();
        let axes = "xyz".parse().unwrap();
        let roi = ReadOptions { roi: Some([1..5, 2..3, 0..4]), axes, ..ReadOptions::default() };
        let input = read_with(&file, &roi).unwrap();
        assert_eq!(input.intensity.0, turned.slice(ndarray::s![1..5, 2..3, 0..4]), "{file}");
    }
}

#[test]
fn a_region_needs_no_memory_for_its_stack() {
    // Three terabytes, of which the disk holds what was written.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.npy");
    let header = npy::header("<u2", &[400_000, 2000, 2000]);
    let mut file = File::create(&path).unwrap();
    file.write_all(&header).unwrap();
    file.set_len(header.len() as u64 + 2 * 400_000 * 2000 * 2000).unwrap();
    let frame = |z: u64, y: u64, x: u64| header.len() as u64 + 2 * ((z * 2000 + y) * 2000 + x);
    file.seek(SeekFrom::Start(frame(399_999, 1000, 1500))).unwrap();
    file.write_all(&[7, 1]).unwrap();
    let text = path.to_str().unwrap();
    let error = read(text).unwrap_err();
    assert!(matches!(error, Error::Memory { .. }), "{error}");
    assert!(
        error.to_string().contains("a.npy is 400000x2000x2000: read the region around the peak with roi"),
        "{error}"
    );
    let options = ReadOptions { roi: Some([399_990..400_000, 990..1010, 1495..1510]), ..ReadOptions::default() };
    let input = read_with(text, &options).unwrap();
    assert_eq!(input.intensity.shape(), [10, 20, 15]);
    assert_eq!((input.intensity.0[[9, 10, 5]], input.intensity.0.sum()), (263.0, 263.0));
}

#[test]
fn damage_in_an_archive_is_found_by_its_checksum() {
    let folder = tempfile::tempdir().unwrap();
    stacks(folder.path());
    let roi = ReadOptions { roi: Some([0..1, 0..6, 0..5]), ..ReadOptions::default() };
    for (name, options) in
        [("stored.npz", ReadOptions::default()), ("packed.npz", ReadOptions::default()), ("packed.npz", roi)]
    {
        let path = folder.path().join(name);
        let whole = std::fs::read(&path).unwrap();
        let mut bytes = whole.clone();
        // In the last frame: the central directory follows the data.
        let directory = bytes.windows(4).position(|window| window == b"PK\x01\x02").unwrap();
        bytes[directory - 10] ^= 0xff;
        std::fs::write(&path, &bytes).unwrap();
        let error = read_with(path.to_str().unwrap(), &options).unwrap_err().to_string();
        assert!(error.contains(&format!("{name}:data: ")) && error.lines().count() == 1, "{error}");
        std::fs::write(&path, &whole).unwrap();
    }
}

#[test]
fn flags_as_intensities_are_questioned() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.npy");
    std::fs::write(&path, [npy::header("|b1", &[8, 8]), vec![1; 64]].concat()).unwrap();
    let note = read(path.to_str().unwrap()).unwrap().notes[0].to_string();
    assert!(note.ends_with("a.npy holds true and false, as a mask does: is it the pattern?"), "{note}");
    assert_eq!(read_mask(path.to_str().unwrap()).unwrap().0.sum(), 64 * bit::BAD);
}

#[test]
fn pictures_that_count_down_are_refused() {
    use ::tiff::encoder::TiffEncoder;
    use ::tiff::encoder::colortype::Gray16;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.tif");
    let mut pages = TiffEncoder::new(File::create(&path).unwrap()).unwrap();
    pages.write_image::<Gray16>(2, 2, &[1, 2, 3, 4]).unwrap();
    drop(pages);
    assert_eq!(read(path.to_str().unwrap()).unwrap().intensity.as_slice(), [1.0, 2.0, 3.0, 4.0]);
    // The entry of the table with tag 262, one short, says that black is zero.
    let mut bytes = std::fs::read(&path).unwrap();
    let entry = [&262_u16.to_le_bytes()[..], &3_u16.to_le_bytes(), &1_u32.to_le_bytes()].concat();
    let at = bytes.windows(8).position(|window| window == entry).unwrap();
    assert_eq!(bytes[at + 8], 1);
    bytes[at + 8] = 0;
    std::fs::write(&path, bytes).unwrap();
    let error = read(path.to_str().unwrap()).unwrap_err().to_string();
    assert!(
        error.ends_with("a.tif: page 0 counts down from white, as pictures do: save it with black as zero"),
        "{error}"
    );
}
