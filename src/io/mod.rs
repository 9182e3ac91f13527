//! Reading measured patterns and writing results.
//!
//! Formats are recognised by content: CXI, NeXus and other HDF5 files (with `file.h5:/path/inside`), `.npz` (with `file.npz:key`), `.npy`,
//! TIFF and EDF, the last three also as a folder or a pattern (`scan_*.tif`) of frames. Every number type is read; arrays become
//! `(z, y, x)`, 2D data have `z = 1`.

mod bitshuffle;
mod cxi;
mod cxi_write;
mod edf;
mod element;
mod filters;
mod location;
mod metadata;
mod npy;
mod npz;
pub mod output;
mod process;
pub mod set;
mod tiff;
mod tree;

pub use cxi_write::{Reconstruction, write_pattern, write_result};
pub use npz::write_result_npz;
pub use output::{check_output, replace};
pub use process::Process;

use crate::error::{Error, Result, shape_text};
use crate::geometry::Geometry;
use crate::pixels::Estimate;
use crate::volume::Centered;
use element::{MaskConvention, Stored, Values};
use location::{Format, Location};
use std::path::{Path, PathBuf};

/// What was read from a file, before any preparation. All arrays have the shape of `intensity`.
#[derive(Debug, Clone)]
pub struct Input {
    /// Intensities as stored: NaN, negative and sentinel values are still in.
    pub intensity: Centered<f32>,
    /// CXI bits ([`crate::pixels::bit`]), 0 = good, converted from the file's convention; a 2D mask is repeated along z.
    pub mask: Option<Centered<u32>>,
    /// The object's support, where the file holds one of the shape of the data.
    pub support: Option<Centered<bool>>,
    /// The estimate in lacuna's own completed patterns; `intensity` then holds its mean there.
    pub estimate: Option<Estimate>,
    /// What the file says of the measurement.
    pub geometry: Geometry,
    /// Where all this came from.
    pub source: Source,
}

/// Where an input came from and how it was stored.
#[derive(Debug, Clone)]
pub struct Source {
    /// The file, folder or pattern.
    pub path: PathBuf,
    /// The path (HDF5) or key (npz) of the intensities inside the file.
    pub dataset: Option<String>,
    /// `CXI`, `HDF5`, `NPZ`, `NPY`, `TIFF` or `EDF`.
    pub format: &'static str,
    /// Type of the stored numbers, `uint16 big-endian`.
    pub element: String,
    /// Largest value of an integer type: detectors write it into saturated and missing pixels. `f32` intensities of 32-bit types hold it
    /// rounded: compare with `maximum as f32`.
    pub maximum_of_type: Option<f64>,
    /// Whether lacuna wrote the file: its pattern has been prepared already.
    pub by_lacuna: bool,
}

/// What a format's reader found, the intensities not yet converted.
struct Found {
    intensity: Stored,
    mask: Option<Centered<u32>>,
    support: Option<Centered<bool>>,
    estimate: Option<Estimate>,
    geometry: Geometry,
    by_lacuna: bool,
    dataset: Option<String>,
    format: &'static str,
}

/// Reads a pattern from `file`, `file.h5:/path/inside`, `file.npz:key`, a folder of frames or a pattern of names.
pub fn read(location: &str) -> Result<Input> {
    let place = Location::parse(location)?;
    let found = match place.format {
        Format::Hdf5 => cxi::read(&place)?,
        Format::Npz => npz::read(&place)?,
        Format::Npy | Format::Tiff | Format::Edf => frames(&place)?,
    };
    let element = found.intensity.element;
    Ok(Input {
        intensity: found.intensity.into_f32()?,
        mask: found.mask,
        support: found.support,
        estimate: found.estimate,
        geometry: found.geometry,
        source: Source {
            path: place.path,
            dataset: found.dataset,
            format: found.format,
            element: element.name(),
            maximum_of_type: element.maximum(),
            by_lacuna: found.by_lacuna,
        },
    })
}

/// Reads a mask: not zero is bad. HDF5: the path given, or the detector's mask; npz: the key given, or `mask`; else the array itself.
/// Values become CXI bits; those of a plain 0/1 mask become [`crate::pixels::bit::BAD`].
pub fn read_mask(location: &str) -> Result<Centered<u32>> {
    let place = Location::parse(location)?;
    match place.format {
        Format::Hdf5 => cxi::mask_alone(&place),
        Format::Npz => npz::mask(&place),
        _ => frames(&place)?.intensity.into_mask(MaskConvention::Flags),
    }
}

/// Reads a support, true where not zero. HDF5: the path given, `image_1/support` or `image_1/mask`; npz: the key given, or `support`; else
/// the array itself.
pub fn read_support(location: &str) -> Result<Centered<bool>> {
    let place = Location::parse(location)?;
    let stored = match place.format {
        Format::Hdf5 => cxi::support_alone(&place)?,
        Format::Npz => npz::array(&place, &npz::SUPPORT)?,
        _ => frames(&place)?.intensity,
    };
    stored.into_flags()
}

/// Reads any array of real numbers, a flat field for instance.
pub fn read_array(location: &str) -> Result<Centered<f32>> {
    let place = Location::parse(location)?;
    let stored = match place.format {
        Format::Hdf5 => cxi::array(&place)?,
        Format::Npz => npz::plain(&place)?,
        _ => frames(&place)?.intensity,
    };
    stored.into_f32()
}

/// The frames of all files of a location, stacked along z.
fn frames(place: &Location) -> Result<Found> {
    if let Some(inside) = &place.inside {
        let problem = format!("holds one array, nothing is inside: leave out :{inside}");
        return Err(Error::file(place.display(), problem));
    }
    let mut files = place.files.iter();
    let mut next = || files.next().map(|file| frame(place.format, file)).transpose();
    let (mut all, geometry) = next()?.ok_or_else(|| Error::file(&place.path, "holds no frames"))?;
    if place.files.len() > 1 {
        all.shape = stack_shape(&all)?.to_vec();
    }
    while let Some((more, _)) = next()? {
        let shape = stack_shape(&more)?;
        if more.element != all.element || shape[1..] != all.shape[1..] || more.fortran || all.fortran {
            let (now, before) = (shape_text(&shape[1..]), shape_text(&all.shape[1..]));
            let (now_type, before_type) = (more.element.name(), all.element.name());
            return Err(Error::file(
                more.name,
                format!("is {now} {now_type}, the frames before are {before} {before_type}"),
            ));
        }
        all.shape[0] += shape[0];
        if let (Values::Bytes(all), Values::Bytes(more)) = (&mut all.values, more.values) {
            all.extend(more);
        }
    }
    let format = match place.format {
        Format::Tiff => "TIFF",
        Format::Edf => "EDF",
        _ => "NPY",
    };
    Ok(Found {
        intensity: all,
        mask: None,
        support: None,
        estimate: None,
        geometry,
        by_lacuna: false,
        dataset: None,
        format,
    })
}

fn frame(format: Format, file: &Path) -> Result<(Stored, Geometry)> {
    match format {
        Format::Tiff => Ok((tiff::read(file)?, Geometry::default())),
        Format::Edf => edf::read(file),
        _ => {
            let bytes = std::fs::read(file).map_err(|error| Error::read(file, error))?;
            Ok((npy::parse(file, bytes)?, Geometry::default()))
        }
    }
}

fn stack_shape(stored: &Stored) -> Result<[usize; 3]> {
    element::volume_shape(&stored.shape).map_err(|problem| Error::file(&stored.name, problem))
}

#[cfg(test)]
mod tests;
