//! Writing CXI files: prepared and completed patterns, and reconstructions. Laid out so that `silx
//! view` opens on the image, h5py reads complex64, and PyNX, cdiutils and lacuna itself find
//! everything.

use super::goniometer;
use super::hdf5_error::reason;
use super::nexus::{Outcome, attribute, group, quantity, text, unicode};
use super::output::replace;
use super::process::Process;
use crate::error::{Error, Result};
use crate::pixels::{Estimate, Pattern, trimmed};
use crate::volume::Centered;
use hdf5::{File, Group, H5Type};
use num_complex::Complex32;
use serde_json::Value;
use std::io;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

/// A reconstruction and what it was made from. All arrays are `(z, y, x)`.
#[derive(Debug, Clone, Copy)]
pub struct Reconstruction<'a> {
    /// The object, square roots of photons (unitary transforms).
    pub object: &'a Centered<Complex32>,
    /// Support of the object.
    pub support: &'a Centered<bool>,
    /// Objects of the runs that were kept, registered.
    pub runs: &'a [Centered<Complex32>],
    /// Orthogonal modes of the runs.
    pub modes: &'a [Centered<Complex32>],
    /// Relative weights of the modes.
    pub mode_weights: &'a [f64],
    /// Kernel that blurs calculated intensities, its sum 1 and its middle at `n / 2`.
    pub psf: Option<&'a Centered<f32>>,
    /// Maps of the object: name, unit, values. `phase` (unwrapped, NaN outside the support),
    /// `modulus_std`, `phase_std`, `hidden_fraction`.
    pub maps: &'a [(&'a str, &'a str, &'a Centered<f32>)],
    /// Named curves of points `(x, y)`: PRTF, FSC, errors over the cycles.
    pub curves: &'a [(String, Vec<(f64, f64)>)],
    /// The pattern that was phased.
    pub pattern: &'a Pattern,
    /// Command line, settings and results behind it.
    pub process: &'a Process,
}

/// Writes a pattern, completed with its estimate where it has one: `detector_1/data` then holds the
/// mean of estimated pixels, `detector_1/mask` still calls them bad (1), `detector_1/mask_bits`
/// keeps the CXI bits, `estimate_1` the bounds.
///
/// # Errors
///
/// As [`super::replace`].
pub fn write_pattern(
    path: &Path,
    force: bool,
    pattern: &Pattern,
    support: Option<&Centered<bool>>,
    process: &Process,
) -> Result<()> {
    write(path, force, |file| {
        let entry = entry(file, "data_1", process)?;
        instrument(&entry, pattern)?;
        let data = group(&entry, "data_1", "NXdata")?;
        attribute(&data, "signal", "data")?;
        data.link_soft("/entry_1/instrument_1/detector_1/data", "data")?;
        data.link_soft("/entry_1/instrument_1/detector_1/mask", "mask")?;
        if let Some(support) = support {
            let image = group(&entry, "image_1", "NXcollection")?;
            array(&image, "support", &flags(support))?;
        }
        if let Some(estimate) = &pattern.estimate {
            write_estimate(&entry, estimate)?;
        }
        describe(&entry, process)
    })
}

/// Writes a reconstruction: the complex object in `image_1/data` (linked from `data_1/data`), maps of it beside it, its
/// support in `image_1/mask` (the name that PyNX uses) with the link `image_1/support`, the pattern
/// in `instrument_1/detector_1`, `runs_1`, `modes_1` and `curves_1`; the kernel of a PSF in
/// `image_1/instrument_1/detector_1/point_spread_function`.
///
/// # Errors
///
/// As [`super::replace`].
pub fn write_result(path: &Path, force: bool, result: &Reconstruction) -> Result<()> {
    write(path, force, |file| {
        let entry = entry(file, "image_1", result.process)?;
        instrument(&entry, result.pattern)?;
        let image = group(&entry, "image_1", "NXdata")?;
        attribute(&image, "signal", "data")?;
        attribute(&image, "interpretation", "image")?;
        attribute(&image, "title", "object")?;
        let object = array(&image, "data", result.object)?;
        attribute(&object, "units", "sqrt(photons)")?;
        axes(&image, result.pattern)?;
        array(&image, "mask", &flags(result.support))?;
        image.link_soft("/entry_1/image_1/mask", "support")?;
        text(&image, "data_type", "electron density")?;
        text(&image, "data_space", "real")?;
        for (name, unit, values) in result.maps {
            let map = array(&image, name, values)?;
            attribute(&map, "units", unit)?;
        }
        if let Some(psf) = result.psf {
            // Where PyNX writes it and bcdi looks for it.
            let instrument = group(&image, "instrument_1", "NXinstrument")?;
            let detector = group(&instrument, "detector_1", "NXdetector")?;
            array(&detector, "point_spread_function", psf)?;
        }
        describe(&image, result.process)?;
        let data = group(&entry, "data_1", "NXdata")?;
        attribute(&data, "signal", "data")?;
        data.link_soft("/entry_1/image_1/data", "data")?;
        if let Some(estimate) = &result.pattern.estimate {
            write_estimate(&entry, estimate)?;
        }
        stack(&entry, "runs_1", "run", result.runs)?;
        let modes = stack(&entry, "modes_1", "mode", result.modes)?;
        if let Some(modes) = modes {
            modes.new_dataset_builder().with_data(result.mode_weights).create("weights")?;
        }
        curves(&entry, result.curves)
    })
}

/// Opens the temporary file, writes, and makes sure that HDF5 has got rid of everything before it
/// is renamed.
pub(super) fn write(path: &Path, force: bool, content: impl FnOnce(&File) -> Outcome) -> Result<()> {
    replace(path, force, |part| {
        create(part, 0, content).map_err(|error| Error::write(path, io::Error::other(reason(&error))))
    })
}

/// Writes a file, with so many bytes before what is HDF5.
pub(super) fn create(part: &Path, before: u64, content: impl FnOnce(&File) -> Outcome) -> Outcome {
    // Put together in memory and written at the end: HDF5 crashes (H5Fflush, release 2.0) where a
    // compressed data set that was closed could not be written, because the disk was full.
    let mut options = File::with_options();
    options.with_fapl(|access| access.core_filebacked(true));
    if before > 0 {
        options.with_fcpl(|creation| creation.userblock(before));
    }
    let file = options.create(part)?;
    let result = content(&file).and_then(|()| file.flush());
    // Closed even after an error: HDF5 would otherwise write on, into a file that is gone.
    result.and(file.close())
}

/// The root and its entry; `default` names the group on which viewers open.
fn entry(file: &File, default: &str, process: &Process) -> hdf5::Result<Group> {
    file.new_dataset::<i64>().create("cxi_version")?.write_scalar(&160i64)?;
    attribute(file, "NX_class", "NXroot")?;
    attribute(file, "default", "entry_1")?;
    attribute(file, "creator", "lacuna")?;
    let entry = group(file, "entry_1", "NXentry")?;
    file.link_soft("/entry_1", "entry_last")?;
    attribute(&entry, "default", default)?;
    text(&entry, "program_name", "lacuna")?;
    text(&entry, "program_version", env!("CARGO_PKG_VERSION"))?;
    let [begun, ended] = process.times().map(date);
    text(&entry, "start_time", &begun)?;
    text(&entry, "end_time", &ended)?;
    Ok(entry)
}

fn instrument(entry: &Group, pattern: &Pattern) -> Outcome {
    let instrument = group(entry, "instrument_1", "NXinstrument")?;
    let detector = group(&instrument, "detector_1", "NXdetector")?;
    let data = array(&detector, "data", &with_estimate(pattern))?;
    attribute(&data, "interpretation", "image")?;
    // PyNX reads masks as int8, where 0x200 (gap) would be good: 0/1 here, the bits beside it.
    array(&detector, "mask", &pattern.mask.map(|&bits| u8::from(bits != 0)))?;
    array(&detector, "mask_bits", &pattern.mask)?;
    let geometry = pattern.geometry;
    quantity(&detector, "distance", geometry.distance, "m")?;
    quantity(&detector, "y_pixel_size", geometry.pixel_size.map(|[y, _]| y), "m")?;
    quantity(&detector, "x_pixel_size", geometry.pixel_size.map(|[_, x]| x), "m")?;
    let source = group(&instrument, "source_1", "NXsource")?;
    quantity(&source, "energy", geometry.energy, "J")?;
    pattern.goniometer.as_ref().map_or(Ok(()), |circles| goniometer::write(entry, &detector, circles, geometry))
}

/// The places of the object's pixels in the plane of the detector, where its geometry is known; those
/// along the scan depend on the circles too, and are counted.
fn axes(image: &Group, pattern: &Pattern) -> Outcome {
    let shape = pattern.shape();
    let Some([y, x]) = pattern.geometry.object_pixel(shape) else { return Ok(()) };
    let mut names = vec![unicode("y")?, unicode("x")?];
    if !pattern.is_2d() {
        names.insert(0, unicode(".")?);
    }
    image.new_attr_builder().with_data(&names).create("axes")?;
    for (name, pixel, n) in [("y", y, shape[1]), ("x", x, shape[2])] {
        let places: Vec<f64> = (0..n).map(|i| (i as f64 - (n / 2) as f64) * pixel * 1e9).collect();
        let places = image.new_dataset_builder().with_data(&places).create(name)?;
        attribute(&places, "units", "nm")?;
    }
    Ok(())
}

/// Measured intensities, and the mean where there is an estimate instead.
pub(super) fn with_estimate(pattern: &Pattern) -> Centered<f32> {
    let mut out = pattern.intensity.clone();
    if let Some(estimate) = &pattern.estimate {
        ndarray::Zip::from(&mut out.0).and(&estimate.at.0).and(&estimate.mean.0).and(&pattern.mask.0).for_each(
            |out, &at, &mean, &bits| {
                if at && bits != 0 {
                    *out = mean;
                }
            },
        );
    }
    out
}

fn write_estimate(entry: &Group, estimate: &Estimate) -> Outcome {
    let group = group(entry, "estimate_1", "NXcollection")?;
    array(&group, "at", &flags(&estimate.at))?;
    for (name, values) in [("mean", &estimate.mean), ("lower", &estimate.lower), ("upper", &estimate.upper)] {
        array(&group, name, values)?;
    }
    Ok(())
}

/// `process_1` below `home`: program, command, configuration (each setting, and all of them as
/// JSON), results.
pub(super) fn describe(home: &Group, process: &Process) -> Outcome {
    let group = group(home, "process_1", "NXprocess")?;
    text(&group, "program", "lacuna")?;
    text(&group, "version", env!("CARGO_PKG_VERSION"))?;
    text(&group, "command", process.command())?;
    let configuration = self::group(&group, "configuration", "NXcollection")?;
    text(&configuration, "json", &process.settings().to_string())?;
    values(&configuration, process.settings())?;
    values(&self::group(&group, "results", "NXcollection")?, process.results())
}

/// A JSON object as numbers, lists of numbers and texts, nested ones as groups; other lists as JSON text.
fn values(group: &Group, object: &Value) -> Outcome {
    for (name, value) in object.as_object().into_iter().flatten() {
        let name = name.replace('/', "_");
        if name.is_empty() || name == "." || group.link_exists(&name) {
            continue;
        }
        match value {
            Value::Null => {}
            Value::Object(_) => values(&self::group(group, &name, "NXcollection")?, value)?,
            Value::Bool(flag) => group.new_dataset::<u8>().create(name.as_str())?.write_scalar(&u8::from(*flag))?,
            Value::String(value) => text(group, &name, value)?,
            Value::Number(number) => match (number.as_i64(), number.as_f64()) {
                (Some(integer), _) => group.new_dataset::<i64>().create(name.as_str())?.write_scalar(&integer)?,
                (None, real) => {
                    group.new_dataset::<f64>().create(name.as_str())?.write_scalar(&real.unwrap_or(f64::NAN))?
                }
            },
            Value::Array(items) => match numbers(items) {
                Some(numbers) if !numbers.is_empty() => {
                    group.new_dataset_builder().with_data(&numbers).create(name.as_str())?;
                }
                _ => text(group, &name, &value.to_string())?,
            },
        }
    }
    Ok(())
}

/// A list of numbers only.
fn numbers(items: &[Value]) -> Option<Vec<f64>> {
    items.iter().map(Value::as_f64).collect()
}

fn stack(entry: &Group, name: &str, item: &str, arrays: &[Centered<Complex32>]) -> hdf5::Result<Option<Group>> {
    if arrays.is_empty() {
        return Ok(None);
    }
    let group = group(entry, name, "NXdata")?;
    attribute(&group, "signal", &format!("{item}_0001"))?;
    for (index, values) in arrays.iter().enumerate() {
        array(&group, &format!("{item}_{:04}", index + 1), values)?;
    }
    Ok(Some(group))
}

fn curves(entry: &Group, curves: &[(String, Vec<(f64, f64)>)]) -> Outcome {
    if curves.is_empty() {
        return Ok(());
    }
    let all = group(entry, "curves_1", "NXcollection")?;
    for (name, points) in curves {
        let curve = group(&all, &name.replace('/', "_"), "NXdata")?;
        attribute(&curve, "title", name)?;
        attribute(&curve, "signal", "y")?;
        attribute(&curve, "axes", "x")?;
        let (x, y): (Vec<f64>, Vec<f64>) = points.iter().copied().unzip();
        // Correlations are over frequencies, all others over the cycles of a run.
        let correlation = name.starts_with("fsc") || name.starts_with("prtf");
        let along = if correlation { "spatial frequency, 1/pixel" } else { "cycle" };
        let x = curve.new_dataset_builder().with_data(&x).create("x")?;
        attribute(&x, "long_name", along)?;
        let y = curve.new_dataset_builder().with_data(&y).create("y")?;
        attribute(&y, "long_name", name)?;
    }
    Ok(())
}

/// A compressed array, 2D data without their z axis.
pub(super) fn array<T: H5Type + Clone>(group: &Group, name: &str, values: &Centered<T>) -> hdf5::Result<hdf5::Dataset> {
    let shape = trimmed(values.shape());
    let view = ndarray::ArrayViewD::from_shape(shape.clone(), values.as_slice()).map_err(|error| error.to_string())?;
    // About 1 MB a chunk: small enough for one frame to be read quickly, large enough for gzip.
    let limits = if shape.len() == 2 { vec![256, 256] } else { vec![8, 128, 128] };
    let chunk: Vec<usize> = shape.iter().zip(limits).map(|(&n, limit)| n.min(limit)).collect();
    group.new_dataset_builder().with_data(view).shuffle().deflate(4).chunk(chunk).create(name)
}

fn flags(values: &Centered<bool>) -> Centered<u8> {
    values.map(|&flag| u8::from(flag))
}

/// A time in UTC as ISO 8601 has it (days to civil: Howard Hinnant, "chrono-Compatible Low-Level
/// Date Algorithms").
fn date(time: SystemTime) -> String {
    let seconds = time.duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
    let (days, second) = (seconds / 86_400 + 719_468, seconds % 86_400);
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let date = day - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = era * 400 + year + u64::from(month <= 2);
    format!("{year}-{month:02}-{date:02}T{:02}:{:02}:{:02}Z", second / 3600, second / 60 % 60, second % 60)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    #[test]
    fn dates_are_those_of_the_calendar() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_709_251_199, "2024-02-29T23:59:59Z"),
            (1_735_689_600, "2025-01-01T00:00:00Z"),
        ] {
            assert_eq!(super::date(UNIX_EPOCH + Duration::from_secs(seconds)), text);
        }
    }
}
