//! Reading measured patterns and writing results.
//!
//! Formats are recognised by content: CXI, NeXus and other HDF5 files (with
//! `file.h5:/path/inside`), `.npz` (with `file.npz:key`), `.npy`, TIFF, EDF and CBF, the last four
//! also as a folder or a pattern (`scan_*.tif`) of frames, gzipped or not. `[3]` after what is
//! inside selects one volume of several. Every number type is read; arrays become `(z, y, x)`, 2D
//! data have `z = 1`.
//!
//! Files of a beamline are read with its [`Layout`], which also knows the angles and the monitor.
//!
//! Nothing is guessed in silence: what is missing is masked, what is not understood is left out,
//! and [`Input::notes`] says so; several scans or detectors in one file are an error that names
//! them.

mod array;
mod beamline;
mod bitshuffle;
mod blosc;
mod blosc2;
pub mod bundle;
mod bytes;
mod cbf;
mod claim;
mod content;
mod contents;
mod cxi;
mod cxi_write;
mod driver;
mod edf;
mod element;
mod entry;
mod fields_write;
mod filters;
mod frames;
pub(crate) mod glob;
mod goniometer;
mod hdf5_error;
mod location;
mod lost;
mod mask;
mod matlab;
mod metadata;
mod nexus;
mod note;
mod npy;
mod npz;
mod npz_write;
mod options;
pub mod output;
mod process;
mod series;
pub mod set;
mod tiff;
mod tree;
mod units;
mod view;
mod virtual_map;
mod virtual_sources;

pub use beamline::layout::{Layout, layout_text, layouts};
pub use claim::Claim;
pub use cxi_write::{Reconstruction, write_pattern, write_result};
pub use fields_write::{Field, Fields};
pub use note::Note;
pub use npz_write::write_result_npz;
pub use options::{FileMask, MissingData, ReadOptions};
pub use output::{check_hdf5_name, check_output, replace, write_text};
pub use process::Process;
pub use view::{AxisOrder, Region};

use crate::error::{Error, Result, shape_text};
use crate::geometry::{Geometry, Goniometer, Placement};
use crate::pixels::{Estimate, MaskDoubt, bit, trimmed};
use crate::volume::Centered;
use contents::Contents;
use element::Kind;
use location::{Format, Location};
use mask::MaskConvention;
use num_complex::Complex32;
use std::path::{Path, PathBuf};

/// What was read from a file, before any preparation. Arrays have the shape of `intensity` where
/// nothing else is said.
#[derive(Debug, Clone)]
pub struct Input {
    /// Intensities as stored: NaN, negative and sentinel values are still in. Zero where data are
    /// missing.
    pub intensity: Centered<f32>,
    /// CXI bits ([`crate::pixels::bit`]), 0 = good, converted from the file's convention; a 2D mask
    /// is repeated along z.
    pub mask: Option<Centered<u32>>,
    /// The object's support, where the file holds one of the shape of its whole stack.
    pub support: Option<Centered<bool>>,
    /// The estimate in lacuna's own completed patterns; `intensity` then holds its mean there.
    pub estimate: Option<Estimate>,
    /// Photon energy, distance and pixel size as the file has them.
    pub geometry: Geometry,
    /// Circles of the diffractometer with their positions for these frames, as far as the file, or
    /// the layout that was given for it, says.
    pub goniometer: Option<Goniometer>,
    /// Flux for each of these frames, where the options ask for it.
    pub monitor: Option<Vec<f64>>,
    /// Where the arrays lie in the stack of the file and in the detector.
    pub placement: Placement,
    /// The file, and how it stores the intensities.
    pub source: Source,
    /// What the person who gave the file should know.
    pub notes: Vec<Note>,
}

/// Where an input came from and how it was stored.
#[derive(Debug, Clone)]
pub struct Source {
    /// The file, folder or pattern.
    pub path: PathBuf,
    /// The path (HDF5) or key (npz) of the intensities inside the file.
    pub dataset: Option<String>,
    /// `CXI`, `HDF5`, `NPZ`, `NPY`, `TIFF`, `EDF` or `CBF`.
    pub format: &'static str,
    /// Type of the stored numbers, `uint16 big-endian`.
    pub element: String,
    /// Largest value of an integer type: detectors write it into saturated and missing pixels.
    /// `f32` intensities of 32-bit types hold it rounded: compare with `maximum as f32`.
    pub maximum_of_type: Option<f64>,
    /// Whether lacuna wrote the file: its pattern has been prepared already.
    pub by_lacuna: bool,
}

/// Reads a pattern from `file`, `file.h5:/path/inside`, `file.npz:key`, a folder of frames or a
/// pattern of names, with the default options.
///
/// # Errors
///
/// As [`read_with`].
pub fn read(location: &str) -> Result<Input> {
    read_with(location, &ReadOptions::default())
}

/// Reads a pattern as `options` say.
///
/// # Errors
///
/// [`Error::Missing`] and [`Error::Read`] where the system cannot read a file, [`Error::File`] for
/// contents that are damaged, of no known format or ambiguous, [`Error::Shape`] for a mask that
/// does not fit, [`Error::Setting`] for a region outside of the data, a layout of other files, and
/// a monitor that does not go with the frames, [`Error::Memory`] for more than there is memory for.
pub fn read_with(location: &str, options: &ReadOptions) -> Result<Input> {
    let place = Location::parse(location)?;
    let contents = match (&options.layout, place.format) {
        (Some(layout), _) => beamline::read::read(&place, layout, options)?,
        (None, Format::Hdf5) => cxi::read(&place, options)?,
        (None, Format::Npz) => npz::read(&place, options)?,
        (None, Format::Spec) => {
            let problem =
                "is a SPEC file: give beamline = id01-spec or 34idc, and the number of a scan behind it, as :54";
            return Err(Error::file(&place.path, problem));
        }
        (None, Format::Npy | Format::Tiff | Format::Edf | Format::Cbf) => frames::read(&place, options)?,
    };
    let monitor = match (&options.monitor, &contents.monitor) {
        (Some(name), Some(readings)) => {
            Some(beamline::monitor::of_frames(name, readings, contents.stack[0], &contents.region[0])?)
        }
        (Some(name), None) => {
            let problem = "is read from HDF5 files and, with beamline, from text files beside the frames";
            return Err(Error::setting("monitor", name, problem));
        }
        (None, _) => None,
    };
    let goniometer = contents.goniometer.map(|goniometer| {
        let window = contents.region.clone().map(|range| range.start as isize..range.end as isize);
        goniometer.windowed(&window, [1; 3])
    });
    let Contents { array, region, mut mask, mut notes, .. } = contents;
    let element = array.element;
    if element.kind == Kind::Bool {
        notes.push(Note::Flags { at: array.name.display().to_string() });
    }
    let mut intensity = array.to_f32(&contents.view)?;
    let sentinel = element.maximum();
    if let Some(bits) = mask.as_mut().filter(|_| options.file_mask == FileMask::Good) {
        bits.0.mapv_inplace(|good| if good == 0 { bit::BAD } else { 0 });
    }
    if let Some(doubt) = mask.as_ref().and_then(|mask| MaskDoubt::of(&intensity, mask, sentinel)) {
        let name = format!("the mask of {}", place.path.display());
        notes.push(Note::Mask { name, doubt });
    }
    lost::mark(&contents.lost, &region, &mut intensity, &mut mask);
    if !contents.by_lacuna {
        notes.extend(lost::mark_dark_frames(&place.path, &region, options, &mut intensity, &mut mask, sentinel)?);
    }
    // Frames that are left out at the end were never measured: the stack is the rest.
    let mut stack = contents.stack;
    if options.roi.is_none() {
        stack[0] = region[0].end;
    }
    Ok(Input {
        intensity,
        mask,
        support: contents.support,
        estimate: contents.estimate,
        geometry: contents.geometry,
        goniometer,
        monitor,
        placement: Placement { stack, start: [0, 1, 2].map(|a| region[a].start), detector: contents.offset },
        source: Source {
            path: place.path,
            dataset: contents.dataset,
            format: contents.format,
            element: element.name(),
            maximum_of_type: sentinel,
            by_lacuna: contents.by_lacuna,
        },
        notes,
    })
}

/// Reads a mask: not zero is bad. HDF5: the path given, or the detector's mask; npz: the key given,
/// or `mask`; else the array itself. Values become CXI bits; those of a plain 0/1 mask become
/// [`crate::pixels::bit::BAD`].
///
/// # Errors
///
/// As [`read_with`].
pub fn read_mask(location: &str) -> Result<Centered<u32>> {
    let place = Location::parse(location)?;
    match place.format {
        Format::Hdf5 => cxi::mask_alone(&place),
        Format::Npz => npz::mask_alone(&place),
        _ => mask::whole(&frames::array(&place)?, MaskConvention::Flags),
    }
}

/// Reads a support, true where not zero. HDF5: the path given, `image_1/support` or `image_1/mask`;
/// npz: the key given, or `support`; else the array itself.
///
/// # Errors
///
/// As [`read_with`].
pub fn read_support(location: &str) -> Result<Centered<bool>> {
    let place = Location::parse(location)?;
    let stored = match place.format {
        Format::Hdf5 => cxi::support_alone(&place)?,
        Format::Npz => npz::array(&place, &npz::SUPPORT)?,
        _ => frames::array(&place)?,
    };
    stored.to_flags(&stored.whole()?)
}

/// Reads an object and its support from a reconstruction: CXI as lacuna and PyNX write it
/// (`image_1/data`, `image_1/mask`), `.npz` (`obj`, `support`), or any array of complex or real
/// numbers, whose support is then where it is not zero.
///
/// # Errors
///
/// As [`read_with`]; [`Error::File`] where both have different shapes.
pub fn read_object(location: &str) -> Result<(Centered<Complex32>, Centered<bool>)> {
    let place = Location::parse(location)?;
    let (stored, support) = match place.format {
        Format::Hdf5 => cxi::object(&place)?,
        Format::Npz => npz::object(&place)?,
        _ => (frames::array(&place)?, None),
    };
    let object = stored.to_complex(&stored.whole()?)?;
    let support = match support {
        Some(support) => support.to_flags(&support.whole()?)?,
        None => object.map(|value| *value != Complex32::ZERO),
    };
    if support.shape() != object.shape() {
        let [object, support] = [object.shape(), support.shape()].map(|shape| shape_text(&trimmed(shape)));
        return Err(Error::file(&place.path, format!("its object has {object} pixels, its support {support}")));
    }
    Ok((object, support))
}

/// Turns across the array along `(z, y, x)` that were taken out of the phase of a result's object,
/// where lacuna wrote it and says so.
///
/// # Errors
///
/// [`Error::Missing`], [`Error::Read`] and [`Error::File`] for a file that cannot be read.
pub fn read_removed_ramp(location: &str) -> Result<Option<[f64; 3]>> {
    Ok(read_outcome(location, "ramp_removed_turns")?.and_then(|value| serde_json::from_value(value).ok()))
}

/// The grade of a result and the probability that its object was found, where lacuna wrote it and
/// says so.
///
/// # Errors
///
/// As [`read_removed_ramp`].
pub fn read_grade(location: &str) -> Result<Option<(String, f64)>> {
    let grade = read_outcome(location, "verdict/grade")?;
    let probability = read_outcome(location, "verdict/probability")?;
    Ok(grade.zip(probability).and_then(|(grade, probability)| Some((grade.as_str()?.into(), probability.as_f64()?))))
}

/// One of the results that stand in the file of a reconstruction, by its path among them.
fn read_outcome(location: &str, name: &str) -> Result<Option<serde_json::Value>> {
    let place = Location::parse(location)?;
    Ok(match place.format {
        Format::Hdf5 => cxi::outcome(&place, name)?,
        Format::Npz => {
            let results: Option<serde_json::Value> =
                npz::result_text(&place)?.and_then(|text| serde_json::from_str(&text).ok());
            results.and_then(|results| results.pointer(&format!("/{name}")).cloned())
        }
        _ => None,
    })
}

/// Whether a file was written by lacuna: what it may remove where a new result takes its place.
pub fn is_own(path: &Path) -> bool {
    match path.extension().and_then(|ending| ending.to_str()) {
        Some("npz") => npz::is_own(path),
        Some("html") => std::fs::read(path).is_ok_and(|text| String::from_utf8_lossy(&text).contains("lacuna ")),
        _ => cxi::is_own(path),
    }
}

/// Reads any array of real numbers, a flat field for instance.
///
/// # Errors
///
/// As [`read_with`].
pub fn read_array(location: &str) -> Result<Centered<f32>> {
    let place = Location::parse(location)?;
    let stored = match place.format {
        Format::Hdf5 => cxi::array(&place)?,
        Format::Npz => npz::plain(&place)?,
        _ => frames::array(&place)?,
    };
    stored.to_f32(&stored.whole()?)
}

#[cfg(test)]
mod tests;
