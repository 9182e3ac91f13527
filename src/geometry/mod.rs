//! Geometry of a measurement: photon energy, detector distance and pixel size, and the circles that
//! turn sample and detector.

mod goniometer;
mod momentum;
mod reciprocal;
mod reflection;
mod vector;

pub use goniometer::{Axis, Circle, Goniometer, Tilt};
pub use momentum::{Missing, QMap};
pub use reciprocal::{Frame, QGrid};
pub use reflection::{NoScan, ScanOf};
pub use vector::Vector;

pub(crate) use vector::{about, cross, dot, inverse, norm, product, transposed, turned};

use crate::error::{Error, Result};
use crate::volume::Shape;
use serde::{Deserialize, Serialize};
use std::ops::RangeInclusive;

/// Planck's constant times the speed of light, joule metres (exact SI values).
pub const HC: f64 = 6.626_070_15e-34 * 299_792_458.0;

/// The elementary charge: joules in an electronvolt.
pub const EV: f64 = 1.602_176_634e-19;

/// Photon energies that occur, joules: from 30 eV to 500 keV.
pub const ENERGIES: RangeInclusive<f64> = 30.0 * EV..=500e3 * EV;

/// Distances from sample to detector that occur, metres: up to those of the longest beamlines.
pub const DISTANCES: RangeInclusive<f64> = 1e-3..=60.0;

/// Sizes of pixels that occur, metres: from cameras to image plates.
pub const PIXEL_SIZES: RangeInclusive<f64> = 1e-7..=2e-3;

/// Refuses what cannot be meant: an energy that is not in eV, a distance or a pixel size that is not in
/// metres. Each comes with the name under which it was typed.
///
/// # Errors
/// [`Error::Setting`].
pub fn believed(energy: Typed, distance: Typed, pixel_size: Typed) -> Result<()> {
    let energies = ENERGIES.start() / EV..=ENERGIES.end() / EV;
    let all = [
        (energy, energies, "in eV, from 30 to 500000"),
        (distance, DISTANCES, "in metres, from 0.001 to 60"),
        (pixel_size, PIXEL_SIZES, "in metres, from 1e-7 to 0.002, as 55e-6"),
    ];
    for ((name, value), range, words) in all {
        if let Some(value) = value.filter(|value| !range.contains(value)) {
            return Err(Error::setting(name, value, words));
        }
    }
    Ok(())
}

/// A name and what was typed for it.
pub type Typed<'a> = (&'a str, Option<f64>);

/// Geometry of a measurement in SI units, as in CXI files; `None` where the file says nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Geometry {
    /// Energy of a photon, joules.
    pub energy: Option<f64>,
    /// Distance from sample to detector, metres.
    pub distance: Option<f64>,
    /// Size of a detector pixel `(y, x)` after binning, metres.
    pub pixel_size: Option<[f64; 2]>,
}

/// Where an array lies in the stack of its file, and that in the frames of the detector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Placement {
    /// Extents `(z, y, x)` of the whole stack in the file.
    pub stack: Shape,
    /// First pixel `(z, y, x)` of the array in the stack.
    pub start: [usize; 3],
    /// First row and column of the stack's frames in those of the whole detector, where known.
    pub detector: Option<[usize; 2]>,
}

impl Placement {
    /// The whole of a stack of this shape, from an unknown part of a detector.
    pub fn whole(stack: Shape) -> Self {
        Placement { stack, start: [0; 3], detector: None }
    }
}

impl Geometry {
    /// Wavelength, metres; `None` where the energy is unknown.
    pub fn wavelength(&self) -> Option<f64> {
        self.energy.map(|energy| HC / energy)
    }

    /// Pixel of the reconstructed object along `(y, x)`, metres: wavelength * distance / (n *
    /// pixel), small angles. For Bragg data these are the two directions in the detector plane; the
    /// third needs the goniometer's angles.
    pub fn object_pixel(&self, shape: Shape) -> Option<[f64; 2]> {
        let scale = self.wavelength()? * self.distance?;
        let [py, px] = self.pixel_size?;
        Some([scale / (shape[1] as f64 * py), scale / (shape[2] as f64 * px)])
    }

    /// Returns these values where known, else those of `other`.
    pub fn or(self, other: Geometry) -> Geometry {
        Geometry {
            energy: self.energy.or(other.energy),
            distance: self.distance.or(other.distance),
            pixel_size: self.pixel_size.or(other.pixel_size),
        }
    }
}
