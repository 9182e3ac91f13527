//! What was typed: every setting as an option that is absent unless given, on the command line or
//! in a TOML file, so that a flag equal to a default still overrides a file. The names of the
//! fields, with hyphens, are the keys of settings files, the flags, and what messages quote.

use crate::error::{Error, Result, nearest};
use clap::Args;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// Settings as they were typed: those of a file, of flags, or of one laid over the other.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TypedSettings {
    /// Reading and preparing.
    pub input: InputKeys,
    /// Treatment of detector gaps.
    pub gap: GapKeys,
    /// Phasing.
    pub phasing: PhasingKeys,
}

impl TypedSettings {
    /// The names of all settings, in the order in which they are written.
    pub fn names() -> Vec<String> {
        [names::<InputKeys>(), names::<GapKeys>(), names::<PhasingKeys>()].concat()
    }

    /// Reads the text of a settings file; `path` is for messages.
    ///
    /// # Errors
    /// [`Error::File`] with the line of what is no TOML, and for unknown names and wrong types.
    pub fn from_toml(path: &Path, text: &str) -> Result<Self> {
        let table = text.parse::<toml::Table>().map_err(|e| {
            let line = e.span().map_or(0, |span| text[..span.start.min(text.len())].lines().count().max(1));
            Error::file(path, format!("line {line}: {}", e.message().replace('\n', " ")))
        })?;
        if let Some(problem) = table.keys().find_map(|key| unknown(key, &[])) {
            return Err(Error::file(path, problem));
        }
        Self::from_table(&table).map_err(|problem| Error::file(path, problem))
    }

    /// These settings, and those of `below` where nothing was typed here.
    pub fn over(&self, below: &TypedSettings) -> TypedSettings {
        let mut table = below.table();
        table.extend(self.table());
        // Both were read or typed as these very structs: their tables have no key or type to
        // refuse.
        Self::from_table(&table).unwrap_or_else(|_| self.clone())
    }

    /// The settings as a TOML file, absent ones left out.
    ///
    /// # Errors
    /// [`Error::Encode`] for numbers that TOML cannot hold.
    pub fn to_toml(&self) -> Result<String> {
        let fail = |error: toml::ser::Error| Error::encode("the settings", error);
        let parts = [toml::to_string(&self.input), toml::to_string(&self.gap), toml::to_string(&self.phasing)];
        parts.into_iter().collect::<Result<String, _>>().map_err(fail)
    }

    /// The settings by name, absent ones left out.
    pub fn table(&self) -> toml::Table {
        let of = |part: Result<toml::Table, toml::ser::Error>| part.unwrap_or_default();
        let mut all = of(toml::Table::try_from(&self.input));
        all.extend(of(toml::Table::try_from(&self.gap)));
        all.extend(of(toml::Table::try_from(&self.phasing)));
        all
    }

    /// The settings as flags, `--rebin=2,2,2`, absent ones left out.
    pub fn flags(&self) -> Vec<String> {
        self.table().iter().map(|(name, value)| format!("--{name}={}", as_typed(value))).collect()
    }

    /// Sets a setting to what is typed behind its flag: `rebin` to `2,2,2`.
    ///
    /// # Errors
    /// [`Error::Setting`] for a name that is none, and for text that the setting does not take.
    pub fn set(&mut self, name: &str, text: &str) -> Result<()> {
        if let Some(problem) = unknown(name, &[]) {
            return Err(Error::setting(name, text, problem));
        }
        let mut table = self.table();
        for value in values(text) {
            table.insert(name.into(), value);
            if let Ok(typed) = Self::from_table(&table) {
                *self = typed;
                return Ok(());
            }
        }
        let problem = "is nothing that this setting takes: lacuna run --help says what it does";
        Err(Error::setting(name, text, problem))
    }

    fn from_table(table: &toml::Table) -> Result<Self, String> {
        Ok(Self { input: part(table)?, gap: part(table)?, phasing: part(table)? })
    }
}

impl Serialize for TypedSettings {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.table().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for TypedSettings {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let table = toml::Table::deserialize(deserializer)?;
        Self::from_table(&table).map_err(serde::de::Error::custom)
    }
}

/// What is wrong with the name of a setting; nothing where there is such a setting, or where `others`
/// holds it.
pub(crate) fn unknown(name: &str, others: &[&str]) -> Option<String> {
    let known = TypedSettings::names();
    let all = || known.iter().map(String::as_str).chain(others.iter().copied());
    if all().any(|known| known == name) {
        return None;
    }
    let nearest = nearest(name, all()).unwrap_or_default();
    Some(format!("unknown setting '{name}': did you mean '{nearest}'? 'lacuna presets' prints all"))
}

/// A value as it is typed behind its flag.
pub(crate) fn as_typed(value: &toml::Value) -> String {
    match value {
        toml::Value::String(text) => text.clone(),
        toml::Value::Array(values) => values.iter().map(as_typed).collect::<Vec<_>>().join(","),
        other => other.to_string(),
    }
}

/// What text can mean as a value: itself, a flag, a number, a list of numbers.
fn values(text: &str) -> Vec<toml::Value> {
    let list = |parse: &dyn Fn(&str) -> Option<toml::Value>| {
        text.split(',').map(|part| parse(part.trim())).collect::<Option<Vec<_>>>().map(toml::Value::Array)
    };
    let integer = |text: &str| text.parse().ok().map(toml::Value::Integer);
    let float = |text: &str| text.parse().ok().map(toml::Value::Float);
    let numbers = [integer(text), float(text), list(&integer), list(&float)];
    let flag = text.parse().ok().map(toml::Value::Boolean);
    [Some(toml::Value::String(text.into())), flag].into_iter().chain(numbers).flatten().collect()
}

/// The settings of one group, from a table of all.
fn part<T: DeserializeOwned + Default + Serialize>(table: &toml::Table) -> Result<T, String> {
    let known = names::<T>();
    let own: toml::Table =
        table.iter().filter(|(key, _)| known.contains(key)).map(|(key, value)| (key.clone(), value.clone())).collect();
    T::deserialize(own).map_err(|e| e.to_string().trim().replace('\n', " "))
}

/// The names of a group's settings: JSON, unlike TOML, writes absent ones too.
fn names<T: Default + Serialize>() -> Vec<String> {
    let text = serde_json::to_string(&T::default()).unwrap_or_default();
    text.split('"').skip(1).step_by(2).map(String::from).collect()
}

/// Settings of reading and preparing.
#[derive(Debug, Clone, Default, PartialEq, Args, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
#[command(next_help_heading = "Input and preparation")]
pub struct InputKeys {
    /// Layout of the beamline's files: where they keep data, mask, energy, distance, angles and
    /// monitor. Known by 'lacuna beamlines', or a TOML file [default: what CXI and NeXus say]
    #[arg(long, value_name = "NAME|FILE")]
    pub beamline: Option<String>,
    /// Flux by which the frames are normalised: a path in the file, a column of a text file beside
    /// it, or layout for the one that the beamline's layout names [default: none]
    #[arg(long, hide_short_help = true, value_name = "NAME")]
    pub monitor: Option<String>,
    /// Mask beside the file's own: files, good=FILE (1 is good), zero, negative, nan,
    /// saturated=VALUE, maxipix; comma-separated
    #[arg(long, value_name = "LIST")]
    pub mask: Option<String>,
    /// What happens where data are missing (a lost file, a gap in the numbers of a series): mask
    /// them as not measured, with a note, or refuse the file
    #[arg(long, hide_short_help = true, value_name = "mask|refuse")]
    pub missing: Option<String>,
    /// Meaning of the mask inside the file: bad (not zero is bad), good (not zero is good: Lima,
    /// psana, ptypy), or ignore
    #[arg(long, hide_short_help = true, value_name = "bad|good|ignore")]
    pub file_mask: Option<String>,
    /// First row and column of the data in the whole detector, for masks of all of it [default:
    /// what the file says]
    #[arg(long, hide_short_help = true, value_name = "Y,X", value_delimiter = ',')]
    pub mask_offset: Option<Vec<usize>>,
    /// Order in which the file stores the axes, slowest first: zyx, or xyz where it was written
    /// reversed [default: zyx]
    #[arg(long, hide_short_help = true, value_name = "ORDER")]
    pub axes: Option<String>,
    /// Detector units (ADU) in one photon, by which the data are divided [default: the data are
    /// photons]
    #[arg(long, hide_short_help = true, value_name = "ADU")]
    pub gain: Option<f64>,
    /// Photons below which a pixel counts as empty, after the gain [default: none]
    #[arg(long, hide_short_help = true, value_name = "PHOTONS")]
    pub threshold: Option<f64>,
    /// Whether negative counts, which the subtraction of a dark frame leaves, are zero photons
    #[arg(long, hide_short_help = true, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    pub clip_negative: Option<bool>,
    /// File by which the data are divided
    #[arg(long, hide_short_help = true, value_name = "FILE")]
    pub flat_field: Option<String>,
    /// Photon energy, eV
    #[arg(long, value_name = "EV")]
    pub energy: Option<f64>,
    /// Sample to detector, metres
    #[arg(long, value_name = "M")]
    pub distance: Option<f64>,
    /// Detector pixel, metres
    #[arg(long, value_name = "M")]
    pub pixel_size: Option<f64>,
    /// Mask pixels this many times brighter than their second brightest neighbour; 0 looks for none
    #[arg(long, hide_short_help = true, value_name = "FACTOR")]
    pub hot_pixels: Option<f64>,
    /// Mask pixels that are dark in every frame although their neighbours are not
    #[arg(long, hide_short_help = true, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    pub dead_pixels: Option<bool>,
    /// Zero frequency: auto, com (centre of mass), max, friedel (of symmetry), keep (n/2), or Y,X
    /// or Z,Y,X in pixels
    #[arg(long, value_name = "HOW")]
    pub centre: Option<String>,
    /// Part to use: Y0:Y1,X0:X1 or Z0:Z1,Y0:Y1,X0:X1; of a volume nothing else is read
    #[arg(long, value_name = "RANGES")]
    pub roi: Option<String>,
    /// Largest extents after binning: one number for all axes, or one for each
    #[arg(long, value_name = "N[,N[,N]]", value_delimiter = ',')]
    pub max_size: Option<Vec<usize>>,
    /// Pixels summed into one: one number for all axes, or one for each
    #[arg(long, value_name = "N[,N[,N]]", value_delimiter = ',')]
    pub rebin: Option<Vec<usize>>,
    /// Keep the whole frame, with unmeasured pixels around it, instead of cropping about the centre
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    pub pad: Option<bool>,
}

/// Settings of the gaps.
#[derive(Debug, Clone, Default, PartialEq, Args, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
#[command(next_help_heading = "Gaps")]
pub struct GapKeys {
    /// Treatment of the pixels without measurement: auto, or a source, with -hard, -soft and -release behind
    /// it
    ///
    /// auto: free pixels, or the network's bounds where they predict measured pixels better that
    /// neither saw. Sources: free (nothing is assumed), network, zero, linear, idw, biharmonic,
    /// kriging, and file (the estimate that the file brings). -hard fixes the estimated values,
    /// which is what the classical sources do by default; -soft lets each vary within bounds,
    /// which is what the network does; -release lets the pixels go free for the last part of the
    /// recipe.
    #[arg(long, value_name = "TREATMENT")]
    pub gap: Option<String>,
    /// Bounds of linear, idw, biharmonic and kriging, as multiples of the estimate: 1,1 fixes it
    /// [default: those of -hard or -soft]
    #[arg(long, hide_short_help = true, value_name = "LO,HI", value_delimiter = ',')]
    pub gap_bounds: Option<Vec<f64>>,
    /// Half width of the network's bounds, in units of its 90 % intervals
    #[arg(long, hide_short_help = true, value_name = "FACTOR")]
    pub gap_interval: Option<f64>,
    /// Factor on free moduli in every projection, 0 to 1: below 1 it keeps hidden low frequencies
    /// from growing
    #[arg(long, hide_short_help = true, value_name = "FACTOR")]
    pub gap_leak: Option<f64>,
    /// Folder of the network's model [default: the one in the program]
    #[arg(long, value_name = "DIR")]
    pub model: Option<String>,
    /// Dimensions in which the network works: 2 fills volumes frame by frame [default: those of the
    /// pattern]
    #[arg(long, hide_short_help = true, value_name = "2|3")]
    pub dims: Option<usize>,
    /// Device of the network: auto, cpu, vulkan or vulkan:N [default: cpu]
    #[arg(long, hide_short_help = true, value_name = "DEVICE")]
    pub network_device: Option<String>,
}

/// Settings of phasing.
#[derive(Debug, Clone, Default, PartialEq, Args, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
#[command(next_help_heading = "Phasing")]
pub struct PhasingKeys {
    /// First support: auto, circle:RADIUS, box:H,W, box:D,H,W, or a file
    #[arg(long, value_name = "SUPPORT")]
    pub support: Option<String>,
    /// Recipe, read from right to left: 'ER**200,(Sup*HIO**50)**12'
    #[arg(long, value_name = "RECIPE")]
    pub algorithm: Option<String>,
    /// Cycles of HIO (standard form: HIO, then RAAR, then ER, then ML)
    #[arg(long, hide_short_help = true, value_name = "N")]
    pub nb_hio: Option<usize>,
    /// Cycles of RAAR
    #[arg(long, value_name = "N")]
    pub nb_raar: Option<usize>,
    /// Cycles of ER
    #[arg(long, value_name = "N")]
    pub nb_er: Option<usize>,
    /// Steps of maximum-likelihood conjugate gradients
    #[arg(long, hide_short_help = true, value_name = "N")]
    pub nb_ml: Option<usize>,
    /// Cycles between support updates; 0 keeps the support
    #[arg(long, value_name = "N")]
    pub support_update_period: Option<usize>,
    /// Ten cycles with half the support after a quarter of HIO and RAAR
    #[arg(long, hide_short_help = true, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    pub detwin: Option<bool>,
    /// Relaxation of HIO, HPR, RAAR and DM
    #[arg(long, hide_short_help = true, value_name = "BETA")]
    pub beta: Option<f64>,
    /// Whether negative real parts count as outside the support
    #[arg(long, hide_short_help = true, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    pub positivity: Option<bool>,
    /// Whether the object is real: imaginary parts are dropped, and gaps take the measurement of
    /// their Friedel mates
    #[arg(long, hide_short_help = true, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    pub real: Option<bool>,
    /// Partial coherence and detector blur: gaussian,FWHM, lorentzian,FWHM, pseudo-voigt,FWHM,ETA
    /// or FILE (an array, its middle at n/2), each with ,N after it or without; auto or none
    ///
    /// Calculated intensities are convolved with this kernel before they are compared with the
    /// measured ones. FWHM is a full width at half maximum in pixels of the prepared pattern, one for
    /// all axes or one for each, as in 0.5x0.7x0.7; ETA the fraction of the Lorentzian. With N, the
    /// kernel is refined every N cycles from the object itself; without, it stays as it is. PyNX's
    /// notation. auto looks for one in last runs from averages of the best ones, and keeps it
    /// where it predicts held-out pixels better.
    #[arg(long, value_name = "PSF")]
    pub psf: Option<String>,
    /// Fraction of the cycles after which the PSF is switched on, where the recipe does not say psf=1
    /// (on), psf=N (on, refined every N cycles) or psf=0 (off)
    #[arg(long, hide_short_help = true, value_name = "F")]
    pub psf_begin: Option<f64>,
    /// How runs start where no support is given: random, or guided by a search at low resolution
    /// (2D, real and positive)
    #[arg(long, hide_short_help = true, value_name = "HOW")]
    pub start: Option<String>,
    /// Objects in the population of the search
    #[arg(long, hide_short_help = true, value_name = "N")]
    pub search_population: Option<usize>,
    /// Times that the search phases its population
    #[arg(long, hide_short_help = true, value_name = "N")]
    pub search_generations: Option<usize>,
    /// Smallest side of the pattern on which the search is done, pixels
    #[arg(long, hide_short_help = true, value_name = "PX")]
    pub search_size: Option<usize>,
    /// Part of the box around the object that is object; two numbers: drawn between them for each
    /// run
    #[arg(long, hide_short_help = true, value_name = "F", value_delimiter = ',')]
    pub search_area: Option<Vec<f64>>,
    /// Factor on free moduli in every projection of the search
    #[arg(long, hide_short_help = true, value_name = "FACTOR")]
    pub search_leak: Option<f64>,
    /// Weights of a prior for smoothness (second-order total variation) with which the best run is
    /// ended once more each, where held-out pixels gain by it; 0 for none
    #[arg(long, hide_short_help = true, value_name = "W", value_delimiter = ',')]
    pub smoothness: Option<Vec<f64>>,
    /// Also phase two halves of the counts, split by chance, apart: their Fourier shell correlation
    /// is the resolution that the data support. Takes twice the time more
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    pub split_data: Option<bool>,
    /// Also unwrap the object's phase inside its support: image_1/phase in the result, radians, and on
    /// the page
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    pub unwrap: Option<bool>,
    /// Begin at the object and support of an earlier result instead: .cxi (lacuna, PyNX), .npz or an
    /// array of the pattern's shape
    #[arg(long, value_name = "FILE")]
    pub start_from: Option<String>,
    /// Phases of the random start, radians either side of zero
    #[arg(long, hide_short_help = true, value_name = "RAD")]
    pub start_phase: Option<f64>,
    /// Threshold of the first support, of the autocorrelation's maximum; two numbers: drawn between
    /// them
    #[arg(long, hide_short_help = true, value_name = "T", value_delimiter = ',')]
    pub support_autocorrelation_threshold: Option<Vec<f64>>,
    /// Threshold of the support update, times the reference; two numbers: drawn between them
    #[arg(long, value_name = "T", value_delimiter = ',')]
    pub support_threshold: Option<Vec<f64>>,
    /// Threshold of the last support update, on a straight line from the first cycle [default: that of
    /// the first]
    #[arg(long, hide_short_help = true, value_name = "T")]
    pub support_threshold_end: Option<f64>,
    /// Whether later runs draw the area of their supports about those of the best earlier ones, instead
    /// of a threshold: with 8 runs or more
    #[arg(long, hide_short_help = true, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    pub support_area_search: Option<bool>,
    /// Reference of the threshold: rms, mean or max of the blurred modulus inside the support
    #[arg(long, hide_short_help = true, value_name = "NAME")]
    pub support_threshold_method: Option<String>,
    /// Blur of the support update at the first cycle, pixels
    #[arg(long, hide_short_help = true, value_name = "PX")]
    pub support_smooth_width_begin: Option<f64>,
    /// Blur of the support update at the last cycle, pixels
    #[arg(long, hide_short_help = true, value_name = "PX")]
    pub support_smooth_width_end: Option<f64>,
    /// Whether the support may only shrink
    #[arg(long, hide_short_help = true, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    pub support_only_shrink: Option<bool>,
    /// Pixels that an update may move the border of the support; 0 is any number
    #[arg(long, hide_short_help = true, value_name = "N")]
    pub support_update_border_n: Option<usize>,
    /// Steps after each update: -1,2 shrinks by one pixel, then expands by two
    #[arg(long, hide_short_help = true, value_name = "STEPS", value_delimiter = ',', allow_hyphen_values = true)]
    pub support_post_expand: Option<Vec<i32>>,
    /// Smallest fraction of the array that may be support
    #[arg(long, hide_short_help = true, value_name = "F")]
    pub support_fraction_min: Option<f64>,
    /// Largest fraction of the array that may be support
    #[arg(long, hide_short_help = true, value_name = "F")]
    pub support_fraction_max: Option<f64>,
    /// Number of runs, each from its own random start
    #[arg(long, value_name = "N")]
    pub nb_run: Option<usize>,
    /// Further runs, where those did not find the object; a typed nb-run switches them off
    #[arg(long, hide_short_help = true, value_name = "N")]
    pub nb_run_more: Option<usize>,
    /// Number of best runs to keep
    #[arg(long, value_name = "K")]
    pub nb_run_keep: Option<usize>,
    /// Best runs that are averaged, where they agree, into the starts of last ones, and in the end, with
    /// these, into the result; 0 for none
    #[arg(long, hide_short_help = true, value_name = "N")]
    pub nb_run_average: Option<usize>,
    /// Seed of the first run; run i starts from seed + i
    #[arg(long, value_name = "SEED")]
    pub seed: Option<u64>,
    /// Fraction of the measured pixels held out for the free log-likelihood
    #[arg(long, hide_short_help = true, value_name = "F")]
    pub free_fraction: Option<f64>,
    /// Where phasing runs: auto (a GPU if there is one), cpu, cuda, cuda:N, or several GPUs
    /// cuda:N,M
    #[arg(long, value_name = "DEVICE")]
    pub device: Option<String>,
}
