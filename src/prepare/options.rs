//! Options of preparation.

use super::centre::Centring;
use crate::geometry::{Goniometer, Placement};
use crate::volume::Centered;
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// Steps from a raw pattern to one that can be phased. The defaults find the centre and bad pixels, and crop to a size that
/// transforms fast.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// Place of the data in the stack of their file, where only a region of it was read: centre and
    /// window count in the whole stack then. `None` for all of it.
    #[serde(skip)]
    pub placement: Option<Placement>,
    /// Detector units (ADU) in one photon, by which the data are divided.
    pub gain: Option<f64>,
    /// Photons below which a pixel counts as empty, after the gain: half of one cuts the noise of a
    /// camera.
    pub threshold: Option<f64>,
    /// Whether negative counts, which the subtraction of a dark frame leaves, are zero photons
    /// instead of an error.
    pub clip_negative: bool,
    /// Reading of a flux monitor for each frame of the stack: each frame is brought to the mean
    /// flux.
    #[serde(skip)]
    pub monitor: Option<Vec<f64>>,
    /// Circles of the diffractometer, with their positions for the frames of the data: they are
    /// carried along.
    #[serde(skip)]
    pub goniometer: Option<Goniometer>,
    /// Response of the detector, of the data's shape or one frame: the data are divided by it.
    #[serde(skip)]
    pub flat: Option<Centered<f32>>,
    /// Hot pixels exceed this many times the second brightest of their neighbours; `None` looks for
    /// none.
    pub hot: Option<f64>,
    /// Whether to look for dead pixels, which only stacks of frames can show.
    pub dead: bool,
    /// The part `(z, y, x)` of the frame to use. Pixels outside of it must be masked or counts all
    /// the same.
    pub roi: Option<[Range<usize>; 3]>,
    /// Method by which the centre is found.
    pub centring: Centring,
    /// Largest extents `(z, y, x)` of the result, after binning.
    pub max_size: Option<[usize; 3]>,
    /// Pixels `(z, y, x)` that are summed into one.
    pub rebin: [usize; 3],
    /// Whether the whole frame is kept, with unmeasured pixels around it that put the centre in the
    /// middle, instead of being cropped about the centre.
    pub pad: bool,
    /// Whether extents are even without prime factors above 13, or just even.
    pub fft_friendly: bool,
    /// Whether the first axis counts frames that stand alone: all of them are kept.
    pub frames: bool,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            placement: None,
            gain: None,
            threshold: None,
            clip_negative: false,
            monitor: None,
            goniometer: None,
            flat: None,
            hot: Some(10.0),
            dead: true,
            roi: None,
            centring: Centring::Auto,
            max_size: None,
            rebin: [1; 3],
            pad: false,
            fft_friendly: true,
            frames: false,
        }
    }
}
