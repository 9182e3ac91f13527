//! What may be typed: every setting as an option that is absent unless given, so that a flag equal to a default still overrides
//! a file. Field names are the keys of the settings files.

use crate::phasing::select::Device;
use clap::Args;
use serde::Serialize;

/// Settings of reading and preparing.
#[derive(Debug, Default, Args, Serialize)]
#[serde(rename_all = "kebab-case")]
#[command(next_help_heading = "Input and preparation")]
pub struct InputFlags {
    /// Mask beside the file's own: files, good=FILE (1 is good), zero, negative, nan, saturated=VALUE, maxipix; comma-separated
    #[arg(long, value_name = "LIST")]
    pub mask: Option<String>,
    /// File by which the data are divided
    #[arg(long, value_name = "FILE")]
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
    #[arg(long, value_name = "FACTOR")]
    pub hot_pixels: Option<f64>,
    /// Mask pixels that are dark in every frame although their neighbours are not
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    pub dead_pixels: Option<bool>,
    /// Zero frequency: auto, com (centre of mass), max, friedel (of symmetry), keep (n/2), or Y,X or Z,Y,X in pixels
    #[arg(long, value_name = "HOW")]
    pub centre: Option<String>,
    /// Part to use: Y0:Y1,X0:X1 or Z0:Z1,Y0:Y1,X0:X1
    #[arg(long, value_name = "RANGES")]
    pub roi: Option<String>,
    /// Largest extents after binning: one number for all axes, or one for each
    #[arg(long, value_name = "N", num_args = 1..=3)]
    pub max_size: Option<Vec<usize>>,
    /// Pixels summed into one: one number for all axes, or one for each
    #[arg(long, value_name = "N", num_args = 1..=3)]
    pub rebin: Option<Vec<usize>>,
}

/// Settings of the gaps.
#[derive(Debug, Default, Args, Serialize)]
#[serde(rename_all = "kebab-case")]
#[command(next_help_heading = "Gaps")]
pub struct GapFlags {
    /// What pixels without measurement are: auto, free, network, network-hard, network-release, zero, linear, linear-release, idw or biharmonic
    #[arg(long, value_name = "MODE")]
    pub gap: Option<String>,
    /// Bounds of filled intensities, as multiples of the fill: 1,1 fixes them, 0.5,1.2 lets them vary
    #[arg(long, value_name = "LO,HI", value_delimiter = ',')]
    pub gap_bounds: Option<Vec<f32>>,
    /// Half width of the network's bounds, in units of its 90 % intervals
    #[arg(long, value_name = "FACTOR")]
    pub gap_interval: Option<f32>,
    /// Factor on free moduli in every projection, 0 to 1: below 1 it keeps hidden low frequencies from growing
    #[arg(long, value_name = "FACTOR")]
    pub gap_leak: Option<f32>,
    /// Folder of the network's model, for --gap network [default: the one in the program]
    #[arg(long, value_name = "DIR")]
    pub model: Option<String>,
    /// Dimensions in which the network works: 2 fills volumes frame by frame [default: those of the pattern]
    #[arg(long, value_name = "2|3")]
    pub dims: Option<usize>,
}

/// Settings of phasing.
#[derive(Debug, Default, Args, Serialize)]
#[serde(rename_all = "kebab-case")]
#[command(next_help_heading = "Phasing")]
pub struct PhasingFlags {
    /// First support: auto, circle:RADIUS, box:H,W, box:D,H,W, or a file
    #[arg(long, value_name = "SUPPORT")]
    pub support: Option<String>,
    /// Recipe, read from right to left: 'ER**200,(Sup*HIO**50)**12'
    #[arg(long, value_name = "RECIPE")]
    pub algorithm: Option<String>,
    /// Cycles of HIO (standard form: HIO, then RAAR, then ER, then ML)
    #[arg(long, value_name = "N")]
    pub nb_hio: Option<usize>,
    /// Cycles of RAAR
    #[arg(long, value_name = "N")]
    pub nb_raar: Option<usize>,
    /// Cycles of ER
    #[arg(long, value_name = "N")]
    pub nb_er: Option<usize>,
    /// Steps of maximum-likelihood conjugate gradients
    #[arg(long, value_name = "N")]
    pub nb_ml: Option<usize>,
    /// Cycles between support updates; 0 keeps the support
    #[arg(long, value_name = "N")]
    pub support_update_period: Option<usize>,
    /// Ten cycles with half the support after a quarter of HIO and RAAR
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    pub detwin: Option<bool>,
    /// Relaxation of HIO, HPR, RAAR and DM
    #[arg(long, value_name = "BETA")]
    pub beta: Option<f32>,
    /// Whether negative real parts count as outside the support
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    pub positivity: Option<bool>,
    /// Whether the object is real: imaginary parts are dropped, and gaps take the measurement of their Friedel mates
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    pub real: Option<bool>,
    /// How runs start where no support is given: random, or guided by a search at low resolution (2D, real and positive)
    #[arg(long, value_name = "HOW")]
    pub start: Option<String>,
    /// Objects in the population of the search
    #[arg(long, value_name = "N")]
    pub search_population: Option<usize>,
    /// Times that the search phases its population
    #[arg(long, value_name = "N")]
    pub search_generations: Option<usize>,
    /// Smallest side of the pattern on which the search is done, pixels
    #[arg(long, value_name = "PX")]
    pub search_size: Option<usize>,
    /// Part of the box around the object that is object; two numbers: drawn between them for each run
    #[arg(long, value_name = "F", value_delimiter = ',')]
    pub search_area: Option<Vec<f32>>,
    /// Factor on free moduli in every projection of the search
    #[arg(long, value_name = "FACTOR")]
    pub search_leak: Option<f32>,
    /// Phases of the random start, radians either side of zero
    #[arg(long, value_name = "RAD")]
    pub start_phase: Option<f32>,
    /// Threshold of the first support, of the autocorrelation's maximum; two numbers: drawn between them
    #[arg(long, value_name = "T", value_delimiter = ',')]
    pub support_autocorrelation_threshold: Option<Vec<f32>>,
    /// Threshold of the support update, times the reference; two numbers: drawn between them
    #[arg(long, value_name = "T", value_delimiter = ',')]
    pub support_threshold: Option<Vec<f32>>,
    /// Threshold at the last cycle, on a straight line from the first; 0 keeps it
    #[arg(long, value_name = "T")]
    pub support_threshold_end: Option<f32>,
    /// Reference of the threshold: rms, mean or max of the blurred modulus inside the support
    #[arg(long, value_name = "NAME")]
    pub support_threshold_method: Option<String>,
    /// Blur of the support update at the first cycle, pixels
    #[arg(long, value_name = "PX")]
    pub support_smooth_width_begin: Option<f32>,
    /// Blur of the support update at the last cycle, pixels
    #[arg(long, value_name = "PX")]
    pub support_smooth_width_end: Option<f32>,
    /// Whether the support may only shrink
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    pub support_only_shrink: Option<bool>,
    /// Pixels that an update may move the border of the support; 0 is any number
    #[arg(long, value_name = "N")]
    pub support_update_border_n: Option<usize>,
    /// Steps after each update: -1,2 shrinks by one pixel, then expands by two
    #[arg(long, value_name = "STEPS", value_delimiter = ',', allow_hyphen_values = true)]
    pub support_post_expand: Option<Vec<i32>>,
    /// Smallest fraction of the array that may be support
    #[arg(long, value_name = "F")]
    pub support_fraction_min: Option<f64>,
    /// Largest fraction of the array that may be support
    #[arg(long, value_name = "F")]
    pub support_fraction_max: Option<f64>,
    /// Number of runs, each from its own random start
    #[arg(long, value_name = "N")]
    pub nb_run: Option<usize>,
    /// Number of best runs to keep
    #[arg(long, value_name = "K")]
    pub nb_run_keep: Option<usize>,
    /// Seed of the first run; run i starts from seed + i
    #[arg(long, value_name = "SEED")]
    pub seed: Option<u64>,
    /// Fraction of the measured pixels held out for the free log-likelihood
    #[arg(long, value_name = "F")]
    pub free_fraction: Option<f64>,
    /// Where phasing runs: auto (a GPU if there is one), cpu, cuda, cuda:N, or several GPUs cuda:N,M
    #[arg(long, value_name = "DEVICE")]
    pub device: Option<Device>,
}
