//! Knowledge of each detector pixel: its class, and the interval that it allows for the Fourier
//! modulus.
//!
//! A pixel is an interval `lo <= |F| <= hi`: a measured one has `lo = hi = sqrt(I)`, a gap
//! `0..inf`, an estimated one the bounds of its estimate. No sentinel values: the mask and the
//! estimate say what a pixel is.

use crate::error::{Error, Result};
use crate::geometry::{Geometry, Goniometer};
use crate::volume::{Centered, Shape};

/// CXI 1.6 mask bits, those used here. Zero is a good pixel, any other bit a pixel without a
/// measurement.
pub mod bit {
    /// Pixel whose reading the detector calls invalid.
    pub const INVALID: u32 = 0x1;
    /// Saturated pixel, whose reading is a lower bound.
    pub const SATURATED: u32 = 0x2;
    /// Hot pixel, which reads too high.
    pub const HOT: u32 = 0x4;
    /// Dead pixel, which reads too low.
    pub const DEAD: u32 = 0x8;
    /// Pixel in the shadow of the beamstop.
    pub const SHADOWED: u32 = 0x10;
    /// Bad pixel for any other reason.
    pub const BAD: u32 = 0x80;
    /// Pixel without a sensor: a gap between modules.
    pub const MISSING: u32 = 0x200;
    /// Bits with the names that reports use.
    pub const NAMES: [(u32, &str); 7] = [
        (INVALID, "invalid"),
        (SATURATED, "saturated"),
        (HOT, "hot"),
        (DEAD, "dead"),
        (SHADOWED, "shadowed by the beamstop"),
        (BAD, "bad"),
        (MISSING, "in a gap"),
    ];
}

/// What makes a mask look as if it were the wrong way round.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MaskDoubt {
    /// Fraction of the pixels that it masks.
    pub masked: f64,
    /// Fraction of the photons that lie in pixels that it masks.
    pub photons: f64,
}

impl MaskDoubt {
    /// Looks at a mask of the shape of `intensity`, or one frame of it: doubtful is one that masks
    /// more than half of the pixels and of the photons, or nine pixels of ten. Values that are no
    /// counts (not finite, negative, or `sentinel` and above) do not count as photons.
    pub fn of(intensity: &Centered<f32>, mask: &Centered<u32>, sentinel: Option<f64>) -> Option<MaskDoubt> {
        let limit = sentinel.map_or(f32::INFINITY, |value| value as f32);
        let bits = mask.0.broadcast(intensity.0.dim())?;
        let (mut masked, mut photons, mut hidden) = (0_usize, 0.0, 0.0);
        for (&value, &bits) in intensity.0.iter().zip(bits) {
            let value = if value > 0.0 && value < limit { f64::from(value) } else { 0.0 };
            photons += value;
            if bits != 0 {
                masked += 1;
                hidden += value;
            }
        }
        let masked = masked as f64 / intensity.0.len().max(1) as f64;
        let hidden = if photons > 0.0 { hidden / photons } else { 0.0 };
        (masked > 0.5 && (hidden > 0.5 || masked > 0.9)).then_some(MaskDoubt { masked, photons: hidden })
    }
}

impl std::fmt::Display for MaskDoubt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let percent = |value: f64| 100.0 * value;
        write!(f, "masks {:.1} % of the pixels and {:.1} % of the photons", percent(self.masked), percent(self.photons))
    }
}

/// The state of one pixel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// The intensity was measured.
    Measured,
    /// The intensity is not known at all.
    Gap,
    /// The intensity was not measured but is bounded by an estimate.
    Estimated,
}

/// Interval of the values that a Fourier modulus may take, square roots of photons.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    /// Smallest modulus, square root of photons.
    pub lo: f32,
    /// Largest modulus, square root of photons.
    pub hi: f32,
}

impl Interval {
    /// Interval of all moduli.
    pub const FREE: Interval = Interval { lo: 0.0, hi: f32::INFINITY };

    /// Interval of one modulus, the square root of `intensity` (photons, not negative).
    pub fn measured(intensity: f32) -> Self {
        let modulus = intensity.sqrt();
        Interval { lo: modulus, hi: modulus }
    }

    /// Interval between the square roots of two intensities, photons.
    pub fn between(lower: f32, upper: f32) -> Self {
        Interval { lo: lower.max(0.0).sqrt(), hi: upper.max(0.0).sqrt() }
    }
}

/// Estimated intensities of pixels that were not measured. All arrays have the pattern's shape.
#[derive(Debug, Clone, PartialEq)]
pub struct Estimate {
    /// Pixels with an estimate. The other arrays mean nothing elsewhere.
    pub at: Centered<bool>,
    /// Most likely intensity, photons.
    pub mean: Centered<f32>,
    /// Lower bound of the intensity, photons.
    pub lower: Centered<f32>,
    /// Upper bound of the intensity, photons.
    pub upper: Centered<f32>,
}

/// What runs of phasing make of a pattern before its gaps are filled: the pattern that their objects
/// give, gaps included. Both arrays have the pattern's shape.
#[derive(Debug, Clone, PartialEq)]
pub struct Calculated {
    /// Mean over the runs, `ln(1 + I)`.
    pub mean: Centered<f32>,
    /// Standard deviation over the runs, `ln(1 + I)`.
    pub spread: Centered<f32>,
}

/// A diffraction pattern: intensities, the mask of its pixels, and estimates for some of those not
/// measured.
#[derive(Debug, Clone, PartialEq)]
pub struct Pattern {
    /// Photons per pixel. Meaningless where `mask` is not zero.
    pub intensity: Centered<f32>,
    /// CXI bits ([`bit`]): zero is good.
    pub mask: Centered<u32>,
    /// Estimates in the gaps, from a fill or from the network.
    pub estimate: Option<Estimate>,
    /// What earlier runs of phasing calculate, for a network that looks at it.
    pub calculated: Option<Calculated>,
    /// Geometry of the measurement.
    pub geometry: Geometry,
    /// Circles of the diffractometer, with their positions for these frames.
    pub goniometer: Option<Goniometer>,
}

impl Pattern {
    /// Creates a pattern whose arrays belong together and can be phased: equal shapes, some
    /// measured photons, finite and not negative where measured, 2D or 3D with at least 8 pixels
    /// along each axis.
    ///
    /// # Errors
    /// [`Error::Shape`] if the shapes differ, [`Error::Pattern`] if the pattern cannot be phased.
    pub fn new(intensity: Centered<f32>, mask: Centered<u32>, geometry: Geometry) -> Result<Self> {
        if mask.shape() != intensity.shape() {
            return Err(Error::Shape {
                what: "mask".into(),
                found: trimmed(mask.shape()),
                expected: trimmed(intensity.shape()),
                remedy: "give a mask of the same shape, or cut both with roi".into(),
            });
        }
        let pattern = Pattern { intensity, mask, estimate: None, calculated: None, geometry, goniometer: None };
        pattern.check()?;
        Ok(pattern)
    }

    /// Extents along `(z, y, x)`.
    pub fn shape(&self) -> Shape {
        self.intensity.shape()
    }

    /// Whether the pattern is two-dimensional.
    pub fn is_2d(&self) -> bool {
        self.shape()[0] == 1
    }

    /// Whether some pixels have no measurement.
    pub fn has_gap(&self) -> bool {
        self.mask.as_slice().iter().any(|&bits| bits != 0)
    }

    /// Class of a pixel.
    pub fn class(&self, index: [usize; 3]) -> Class {
        match (self.mask.0[index], &self.estimate) {
            (0, _) => Class::Measured,
            (_, Some(estimate)) if estimate.at.0[index] => Class::Estimated,
            _ => Class::Gap,
        }
    }

    /// Map of the measured pixels.
    pub fn measured(&self) -> Centered<bool> {
        self.mask.map(|&bits| bits == 0)
    }

    /// Number of measured pixels and the photons in them.
    pub fn totals(&self) -> (usize, f64) {
        self.intensity
            .as_slice()
            .iter()
            .zip(self.mask.as_slice())
            .filter(|(_, bits)| **bits == 0)
            .fold((0, 0.0), |(n, sum), (&intensity, _)| (n + 1, sum + f64::from(intensity)))
    }

    fn check(&self) -> Result<()> {
        let shape = self.shape();
        let small = if self.is_2d() { &shape[1..] } else { &shape[..] };
        if small.iter().any(|&n| n < 8) {
            return Err(Error::Pattern(format!(
                "the pattern is {}: every axis needs at least 8 pixels",
                crate::error::shape_text(small)
            )));
        }
        for (index, &value) in self.intensity.0.indexed_iter() {
            let index: [usize; 3] = index.into();
            if self.mask.0[index] != 0 {
                continue;
            }
            if !value.is_finite() {
                return Err(Error::Pattern(format!(
                    "pixel {index:?} (z, y, x) is {value} and not masked: give mask = nan to mask such pixels"
                )));
            }
            if value < 0.0 {
                return Err(Error::Pattern(format!(
                    "pixel {index:?} (z, y, x) has {value} photons and is not masked: give mask = negative to mask such pixels"
                )));
            }
        }
        match self.totals() {
            (0, _) => Err(Error::Pattern("every pixel is masked: check the mask and its convention (0 = good)".into())),
            (n, 0.0) => Err(Error::Pattern(format!("all {n} measured pixels are zero: there is nothing to phase"))),
            _ => Ok(()),
        }
    }
}

/// The shape without the leading 1 of 2D data, as users know it.
pub fn trimmed(shape: Shape) -> Vec<usize> {
    if shape[0] == 1 { shape[1..].to_vec() } else { shape.to_vec() }
}
