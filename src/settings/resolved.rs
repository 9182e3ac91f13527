//! What settings mean: nested, typed, checked.

use super::typed::TypedSettings;
use crate::inpaint::treatment::GapTreatment;
use crate::io::ReadOptions;
use crate::network::NetworkDevice;
use crate::phasing::psf::PsfChoice;
use crate::phasing::recipe::Recipe;
use crate::phasing::select::Device;
use crate::phasing::start::Form;
use crate::phasing::support::Reference;
use crate::prepare::{Centring, MaskItem};
use serde::Serialize;
use std::ops::Range;
use std::path::PathBuf;

/// All settings of a reconstruction, resolved and checked.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Masks and the geometry that override the file's.
    pub input: InputSettings,
    /// Bad pixels, centre, crop and binning.
    pub prepare: PrepareSettings,
    /// Treatment of the pixels without measurement.
    pub gap: GapSettings,
    /// Cycles of a run.
    pub recipe: RecipeSettings,
    /// First support and first object of a run.
    pub start: StartSettings,
    /// Support updates.
    pub support: SupportSettings,
    /// Number of runs, seeds and held-out pixels.
    pub ensemble: EnsembleSettings,
    /// Device on which runs are phased, and its limits.
    pub device: DeviceSettings,
    pub(super) typed: TypedSettings,
}

impl Settings {
    /// Whether a network completes the gap in the end: not where the treatment needs none, nor for real
    /// objects, whose gaps take the measurements of their mates.
    pub fn completes_gaps(&self) -> bool {
        match self.gap.policy {
            GapPolicy::Fixed(gap) => gap.needs_network(),
            GapPolicy::Auto => !self.recipe.real,
        }
    }
}

/// Masks and the geometry that override the file's.
#[derive(Debug, Clone, PartialEq)]
pub struct InputSettings {
    /// Masks that are added to the file's own.
    pub mask: Vec<MaskItem>,
    /// Treatment of missing data, meaning of the file's mask, order of axes, place in the detector.
    pub read: ReadOptions,
    /// File by which the data are divided.
    pub flat_field: Option<String>,
    /// Photon energy, electronvolts.
    pub energy: Option<f64>,
    /// Distance from sample to detector, metres.
    pub distance: Option<f64>,
    /// Side of a detector pixel, metres.
    pub pixel_size: Option<f64>,
}

/// Bad pixels, centre, crop and binning.
#[derive(Debug, Clone, PartialEq)]
pub struct PrepareSettings {
    /// Detector units in one photon; 1 where absent.
    pub gain: Option<f64>,
    /// Photons below which a pixel counts as empty.
    pub threshold: Option<f64>,
    /// Whether negative counts are zero photons instead of an error.
    pub clip_negative: bool,
    /// Hot pixels are this many times brighter than their second brightest neighbour.
    pub hot_pixels: Option<f64>,
    /// Whether pixels that are dark in every frame, unlike their neighbours, are masked.
    pub dead_pixels: bool,
    /// Method by which zero frequency is found.
    pub centring: Centring,
    /// Part of the file to use, pixels; two ranges `(y, x)` or three `(z, y, x)`.
    pub roi: Option<Vec<Range<usize>>>,
    /// Largest extents after binning: one number for all axes, or one for each.
    pub max_size: Option<Vec<usize>>,
    /// Pixels that are summed into one: one number for all axes, or one for each.
    pub rebin: Option<Vec<usize>>,
    /// Whether the whole frame is kept, with unmeasured pixels around it.
    pub pad: bool,
}

/// Treatment of the pixels without measurement.
#[derive(Debug, Clone, PartialEq)]
pub struct GapSettings {
    /// Treatment, or the policy that chooses one.
    pub policy: GapPolicy,
    /// Half width of the network's bounds, in units of its 90 % intervals.
    pub interval: f32,
    /// Folder of the network's model; the one in the program where absent.
    pub model: Option<PathBuf>,
    /// Whether the network fills volumes frame by frame (2) or whole (3); as the pattern where
    /// absent.
    pub dimensions: Option<usize>,
    /// Device of the network.
    pub network_device: NetworkDevice,
    /// Factor on free moduli in every projection.
    pub leak: f32,
}

/// How the treatment of a gap is found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum GapPolicy {
    /// Free pixels, or an estimate where that predicts held-out pixels better.
    Auto,
    /// The same for every pattern.
    Fixed(GapTreatment),
}

impl std::fmt::Display for GapPolicy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            GapPolicy::Auto => f.write_str("auto"),
            GapPolicy::Fixed(treatment) => treatment.fmt(f),
        }
    }
}

/// Cycles of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct RecipeSettings {
    /// Steps, without a release of the gap's bounds. Where there is a PSF, they switch it on.
    pub recipe: Recipe,
    /// Partial coherence and detector blur.
    pub psf: Option<PsfChoice>,
    /// Whether only a last run, from the average of the best ones, looks for a PSF.
    pub psf_in_average: bool,
    /// Relaxation of HIO, HPR, RAAR and DM.
    pub beta: f32,
    /// Whether negative real parts count as outside the support.
    pub positivity: bool,
    /// Whether the object is real.
    pub real: bool,
}

/// First support and first object of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct StartSettings {
    /// First support.
    pub support: SupportChoice,
    /// Bounds of the threshold of an automatic support, in units of the autocorrelation's maximum.
    pub autocorrelation: [f32; 2],
    /// Phases of the random object either side of zero, radians.
    pub phase: f32,
    /// File of an earlier result, at whose object and support every run begins.
    pub object: Option<String>,
    /// Search at low resolution that finds the start, where no support is given (2D).
    pub search: Option<SearchSettings>,
}

/// Search at low resolution.
#[derive(Debug, Clone, PartialEq)]
pub struct SearchSettings {
    /// Objects in the population.
    pub population: usize,
    /// Times that the population is phased.
    pub generations: usize,
    /// Smallest side of the pattern on which the search is done, pixels.
    pub size: usize,
    /// Bounds of the fraction of the box around the object that is object.
    pub area: [f32; 2],
    /// Factor on free moduli in every projection.
    pub leak: f32,
}

/// Support updates.
#[derive(Debug, Clone, PartialEq)]
pub struct SupportSettings {
    /// Bounds of the threshold at the first cycle, in units of the reference.
    pub threshold: [f32; 2],
    /// Threshold at the last cycle; that of the first where absent.
    pub threshold_end: Option<f32>,
    /// Whether later runs draw the area of their supports about those of the best earlier ones,
    /// instead of a threshold.
    pub area_search: bool,
    /// Reference of the threshold.
    pub reference: Reference,
    /// Blur at the first and at the last cycle, pixels.
    pub smooth: [f32; 2],
    /// Whether the support may only shrink.
    pub only_shrink: bool,
    /// Pixels that an update may move the border; 0 is any number.
    pub border: usize,
    /// Steps after each update: shrink (negative) or expand by so many pixels.
    pub expand: Vec<i32>,
    /// Smallest and largest fraction of the array that may be support.
    pub fraction: [f64; 2],
}

/// Number of runs, seeds and held-out pixels.
#[derive(Debug, Clone, PartialEq)]
pub struct EnsembleSettings {
    /// Number of runs.
    pub count: usize,
    /// Number of best runs that are kept.
    pub keep: usize,
    /// Number of further runs, where those did not find the object.
    pub more: usize,
    /// Number of best runs that are averaged, where they agree, into the start of a last one; 0 for
    /// none.
    pub average: usize,
    /// Weights of priors for smoothness, of which held-out pixels choose one; none for no prior.
    pub smoothness: Vec<f64>,
    /// Seed of the first run; run `i` starts from `seed + i`.
    pub seed: u64,
    /// Fraction of the measured pixels that is held out for the free log-likelihood.
    pub free_fraction: f64,
    /// Whether two halves of the counts are phased apart too.
    pub split_data: bool,
    /// Whether the object's phase is unwrapped inside its support too.
    pub unwrap: bool,
}

impl EnsembleSettings {
    /// Number of runs from random starts at most.
    pub fn most(&self) -> usize {
        self.count + self.more
    }
}

/// Device on which runs are phased, and its limits.
#[derive(Debug, Clone, PartialEq)]
pub struct DeviceSettings {
    /// CPU or GPUs.
    pub device: Device,
    /// Bytes of the machine's memory that may be used; what is available where absent.
    pub max_memory: Option<u64>,
}

impl Settings {
    /// What was typed, presets and files included: what outputs echo.
    pub fn typed(&self) -> &TypedSettings {
        &self.typed
    }
}

impl Serialize for Settings {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.typed.serialize(serializer)
    }
}

/// First support of all runs.
#[derive(Debug, Clone, PartialEq)]
pub enum SupportChoice {
    /// Where the autocorrelation exceeds a threshold, or what the search finds.
    Auto,
    /// A circle or a box.
    Form(Form),
    /// The support in a file, in the frame of the input.
    File(String),
}
