//! Settings in two halves: what was typed ([`TypedSettings`], every value optional, from files and
//! flags) and what it means ([`Settings`], typed and checked), resolved once, before any file of
//! data is read. What was typed is echoed into every output.

mod resolve;
mod typed;

pub use resolve::SupportChoice;
pub use typed::{GapKeys, InputKeys, PhasingKeys, TypedSettings};

use crate::error::{Error, Result};
use crate::inpaint::treatment::GapTreatment;
use crate::phasing::recipe::Recipe;
use crate::phasing::select::Device;
use crate::phasing::support::Reference;
use crate::prepare::{Centring, MaskItem};
use serde::Serialize;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// The presets by name. The first is complete and the ground of the others.
pub const PRESETS: [(&str, &str); 3] = [
    ("bragg", include_str!("presets/bragg.toml")),
    ("particle", include_str!("presets/particle.toml")),
    ("forward", include_str!("presets/forward.toml")),
];

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
    typed: TypedSettings,
}

/// Masks and the geometry that override the file's.
#[derive(Debug, Clone, PartialEq)]
pub struct InputSettings {
    /// Masks that are added to the file's own.
    pub mask: Vec<MaskItem>,
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
    /// Whether the network fills volumes frame by frame (2) or whole (3); as the pattern where absent.
    pub dimensions: Option<usize>,
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
    /// Steps, without a release of the gap's bounds.
    pub recipe: Recipe,
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
    /// Seed of the first run; run `i` starts from `seed + i`.
    pub seed: u64,
    /// Fraction of the measured pixels that is held out for the free log-likelihood.
    pub free_fraction: f64,
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
    /// The settings of a preset.
    ///
    /// # Errors
    /// [`Error::Setting`] where there is none of this name.
    pub fn preset(name: &str) -> Result<Self> {
        Self::resolve(name, &TypedSettings::default())
    }

    /// The settings that `typed` means, over a preset: its name, or a TOML file of settings.
    ///
    /// # Errors
    /// [`Error::Missing`] and [`Error::File`] for the preset's file, [`Error::Setting`] and
    /// [`Error::Recipe`] for values that make no sense.
    pub fn resolve(preset: &str, typed: &TypedSettings) -> Result<Self> {
        resolve::resolve(preset, typed)
    }

    /// What was typed, presets and files included: what outputs echo.
    pub fn typed(&self) -> &TypedSettings {
        &self.typed
    }

    /// The same settings for a pattern that is prepared already: it stays as it is.
    ///
    /// # Errors
    /// None that these settings have not passed before.
    pub fn for_prepared(&self) -> Result<Self> {
        let input = InputKeys {
            centre: Some("keep".into()),
            hot_pixels: Some(0.0),
            dead_pixels: Some(false),
            ..InputKeys::default()
        };
        self.resolved_again(TypedSettings { input, ..self.typed.clone() })
    }

    /// The same settings for a pattern of which this one is a copy with other bad pixels: its centre
    /// is where this one's is, pixels `(z, y, x)`.
    ///
    /// # Errors
    /// None that these settings have not passed before.
    pub fn for_twin(&self, centre: [usize; 3], flat: bool) -> Result<Self> {
        let centre = if flat { &centre[1..] } else { &centre[..] };
        let mut typed = self.typed.clone();
        typed.input.centre = Some(centre.iter().map(ToString::to_string).collect::<Vec<_>>().join(","));
        typed.input.hot_pixels = Some(0.0);
        typed.input.dead_pixels = Some(false);
        self.resolved_again(typed)
    }

    fn resolved_again(&self, typed: TypedSettings) -> Result<Self> {
        let mut settings = resolve::settings(typed)?;
        settings.device.max_memory = self.device.max_memory;
        Ok(settings)
    }

    /// The same settings with others laid over them.
    ///
    /// # Errors
    /// As [`Settings::resolve`].
    pub fn with(&self, typed: &TypedSettings) -> Result<Self> {
        resolve::over(&self.typed, typed)
    }
}

impl Serialize for Settings {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.typed.serialize(serializer)
    }
}

/// The text of a preset, to be read, edited and given back as a file.
///
/// # Errors
/// [`Error::Setting`] where there is none of this name.
pub fn preset_text(name: &str) -> Result<&'static str> {
    let names = PRESETS.map(|(name, _)| name).join(", ");
    PRESETS
        .into_iter()
        .find(|(known, _)| *known == name)
        .map(|(_, text)| text)
        .ok_or_else(|| Error::setting("preset", name, format!("known are {names}, or give a .toml file")))
}

/// What a preset types: that of a name, or of a TOML file.
fn preset(name_or_file: &str) -> Result<TypedSettings> {
    if !name_or_file.ends_with(".toml") {
        return TypedSettings::from_toml(Path::new(name_or_file), preset_text(name_or_file)?);
    }
    let path = Path::new(name_or_file);
    let text = std::fs::read_to_string(path).map_err(|e| Error::read(path, e))?;
    TypedSettings::from_toml(path, &text)
}

#[cfg(test)]
mod tests;
