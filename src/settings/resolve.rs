//! From what was typed to what it means.

use super::presets::{PRESETS, preset};
use super::resolved::{
    DeviceSettings, EnsembleSettings, GapPolicy, GapSettings, InputSettings, PrepareSettings, RecipeSettings,
    SearchSettings, Settings, StartSettings, SupportChoice, SupportSettings,
};
use super::typed::{InputKeys, TypedSettings};
use crate::error::{Error, Result};
use crate::geometry::believed;
use crate::inpaint::treatment::{GapBounds, GapTreatment};
use crate::io::{FileMask, Layout, MissingData, ReadOptions};
use crate::network::NetworkDevice;
use crate::phasing::psf::PsfChoice;
use crate::phasing::recipe::{Recipe, Standard};
use crate::phasing::start::Form;
use crate::prepare::parse_mask;
use std::ops::Range;
use std::path::Path;

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
        resolve(preset, typed)
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
            pad: Some(false),
            ..InputKeys::default()
        };
        self.resolved_again(TypedSettings { input, ..self.typed.clone() })
    }

    /// The same settings for a pattern of which this one is a copy with other bad pixels: its
    /// centre is where this one's is, pixels `(z, y, x)`.
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
        let mut settings = settings(typed)?;
        settings.device.max_memory = self.device.max_memory;
        Ok(settings)
    }

    /// The same settings with others laid over them.
    ///
    /// # Errors
    /// As [`Settings::resolve`].
    pub fn with(&self, typed: &TypedSettings) -> Result<Self> {
        over(&self.typed, typed)
    }
}

/// Settings that describe the standard form of a recipe, and mean nothing beside an `algorithm`.
pub const STANDARD: [&str; 6] = ["nb-hio", "nb-raar", "nb-er", "nb-ml", "support-update-period", "detwin"];

/// The settings that `typed` means over a preset.
fn resolve(preset_or_file: &str, typed: &TypedSettings) -> Result<Settings> {
    let ground = TypedSettings::from_toml(Path::new("bragg.toml"), PRESETS[0].1)?;
    over(&over(&ground, &preset(preset_or_file)?)?.typed, typed)
}

/// The settings that `typed` means over those that were typed before.
fn over(below: &TypedSettings, typed: &TypedSettings) -> Result<Settings> {
    let mut all = typed.over(below);
    let given = typed.table();
    let phasing = &mut all.phasing;
    if given.contains_key("nb-run") && !given.contains_key("nb-run-keep") {
        // What lies below may keep more runs than are asked for now.
        phasing.nb_run_keep = phasing.nb_run_keep.min(phasing.nb_run);
    }
    if given.contains_key("nb-run") && !given.contains_key("nb-run-more") {
        // Whoever types a number of runs means it.
        phasing.nb_run_more = Some(0);
    }
    if STANDARD.iter().any(|key| given.contains_key(*key)) && !given.contains_key("algorithm") {
        // Whoever types the standard form means it, and not the recipe below.
        phasing.algorithm = None;
    }
    if given.contains_key("support-threshold") {
        // Whoever types a threshold means it, to the end and for all runs.
        if !given.contains_key("support-threshold-end") {
            phasing.support_threshold_end = None;
        }
        if !given.contains_key("support-area-search") {
            phasing.support_area_search = Some(false);
        }
    }
    if given.contains_key("gap") && !given.contains_key("gap-bounds") {
        // Bounds belong to the treatment below, not to this one.
        all.gap.gap_bounds = None;
    }
    settings(all)
}

/// What complete settings mean.
fn settings(typed: TypedSettings) -> Result<Settings> {
    let recipe = recipe(&typed)?;
    let settings = Settings {
        input: input(&typed)?,
        prepare: prepare(&typed)?,
        gap: gap(&typed)?,
        start: start(&typed, &recipe)?,
        support: support(&typed)?,
        ensemble: ensemble(&typed)?,
        device: DeviceSettings {
            device: required("device", typed.phasing.device.as_deref())?.parse()?,
            max_memory: None,
        },
        recipe,
        typed,
    };
    if settings.recipe.real && settings.prepare.rebin.iter().flatten().any(|bin| bin % 2 == 0) {
        let problem = "an even bin puts the centre half a pixel off, which a real object cannot follow: use odd \
                       numbers, or real = false with start = random";
        return Err(Error::setting("rebin", list(settings.prepare.rebin.as_deref().unwrap_or_default()), problem));
    }
    Ok(settings)
}

fn input(typed: &TypedSettings) -> Result<InputSettings> {
    let keys = &typed.input;
    let (energy, distance, pixel_size) = (keys.energy, keys.distance, keys.pixel_size);
    believed(("energy", energy), ("distance", distance), ("pixel-size", pixel_size))?;
    Ok(InputSettings {
        mask: keys.mask.as_deref().map(parse_mask).transpose()?.unwrap_or_default(),
        read: read_options(typed)?,
        flat_field: keys.flat_field.clone(),
        energy,
        distance,
        pixel_size,
    })
}

fn read_options(typed: &TypedSettings) -> Result<ReadOptions> {
    let keys = &typed.input;
    let mut options = ReadOptions {
        layout: keys.beamline.as_deref().map(Layout::find).transpose()?,
        monitor: keys.monitor.clone(),
        ..ReadOptions::default()
    };
    if options.monitor.as_deref() == Some("layout") && options.layout.is_none() {
        return Err(Error::setting("monitor", "layout", "needs a layout: give beamline, or a path in the file"));
    }
    if let Some(text) = &keys.missing {
        options.missing = match text.as_str() {
            "mask" => MissingData::Mask,
            "refuse" => MissingData::Refuse,
            _ => return Err(Error::setting("missing", text, "takes mask or refuse")),
        };
    }
    if let Some(text) = &keys.file_mask {
        options.file_mask = match text.as_str() {
            "bad" => FileMask::Bad,
            "good" => FileMask::Good,
            "ignore" => FileMask::Ignore,
            _ => return Err(Error::setting("file-mask", text, "takes bad, good or ignore")),
        };
    }
    if let Some(order) = &keys.axes {
        options.axes = order.parse()?;
    }
    if let Some(values) = &keys.mask_offset {
        let offset: Result<[usize; 2], _> = values.as_slice().try_into();
        let problem = "takes the first row and column of the data in the detector: Y,X";
        options.mask_offset = Some(offset.map_err(|_| Error::setting("mask-offset", list(values), problem))?);
    }
    if let Some([z, y, x]) = keys.roi.as_deref().map(roi).transpose()?.as_deref() {
        options.roi = Some([z.clone(), y.clone(), x.clone()]);
    }
    Ok(options)
}

fn prepare(typed: &TypedSettings) -> Result<PrepareSettings> {
    let keys = &typed.input;
    let hot = within("hot-pixels", required("hot-pixels", keys.hot_pixels)?, 0.0, 1e9)?;
    Ok(PrepareSettings {
        gain: keys.gain,
        threshold: keys.threshold,
        clip_negative: keys.clip_negative.unwrap_or(false),
        hot_pixels: (hot > 0.0).then_some(hot),
        dead_pixels: required("dead-pixels", keys.dead_pixels)?,
        centring: required("centre", keys.centre.as_deref())?.parse()?,
        roi: keys.roi.as_deref().map(roi).transpose()?,
        max_size: extents("max-size", &keys.max_size)?,
        rebin: extents("rebin", &keys.rebin)?,
        pad: required("pad", keys.pad)?,
    })
}

/// One to three positive numbers.
fn extents(name: &str, values: &Option<Vec<usize>>) -> Result<Option<Vec<usize>>> {
    match values {
        None => Ok(None),
        Some(values) if (1..=3).contains(&values.len()) && values.iter().all(|&n| n > 0) => Ok(Some(values.clone())),
        Some(values) => Err(Error::setting(name, list(values), "takes one to three positive numbers")),
    }
}

/// `Y0:Y1,X0:X1` or `Z0:Z1,Y0:Y1,X0:X1`.
fn roi(text: &str) -> Result<Vec<Range<usize>>> {
    let range = |part: &str| {
        let (begin, end) = part.split_once(':')?;
        let range = begin.trim().parse().ok()?..end.trim().parse().ok()?;
        (range.start < range.end).then_some(range)
    };
    let ranges: Option<Vec<Range<usize>>> = text.split(',').map(range).collect();
    let problem = "write Y0:Y1,X0:X1 or Z0:Z1,Y0:Y1,X0:X1 in pixels, each end past its begin";
    ranges.filter(|ranges| [2, 3].contains(&ranges.len())).ok_or_else(|| Error::setting("roi", text, problem))
}

fn gap(typed: &TypedSettings) -> Result<GapSettings> {
    let keys = &typed.gap;
    let mut policy = match required("gap", keys.gap.as_deref())? {
        "auto" => GapPolicy::Auto,
        treatment => GapPolicy::Fixed(treatment.parse()?),
    };
    if let Some(values) = &keys.gap_bounds {
        let &[low, high] = values.as_slice() else {
            return Err(Error::setting("gap-bounds", list(values), "takes two numbers: LO,HI"));
        };
        if !(0.0..=1.0).contains(&low) || !(1.0..).contains(&high) {
            return Err(Error::setting("gap-bounds", list(values), "needs 0 <= LO <= 1 <= HI"));
        }
        match &mut policy {
            GapPolicy::Fixed(GapTreatment { source, bounds, .. }) if source.has_factors() => {
                *bounds = GapBounds::Factors(low as f32, high as f32);
            }
            _ => {
                let problem =
                    "is for linear, idw, biharmonic, kriging: the network has its own bounds, see gap-interval";
                return Err(Error::setting("gap-bounds", list(values), problem));
            }
        }
    }
    if let Some(other) = keys.dims.filter(|dims| ![2, 3].contains(dims)) {
        return Err(Error::setting("dims", other, "2 fills frame by frame, 3 the volume"));
    }
    let interval = required("gap-interval", keys.gap_interval)?;
    if !(0.0..=10.0).contains(&interval) {
        return Err(Error::setting("gap-interval", interval, "must be from 0 (fixed) to 10"));
    }
    Ok(GapSettings {
        policy,
        interval: interval as f32,
        model: keys.model.as_ref().map(Into::into),
        dimensions: keys.dims,
        network_device: network_device(keys.network_device.as_deref())?,
        leak: within("gap-leak", required("gap-leak", keys.gap_leak)?, 0.0, 1.0)? as f32,
    })
}

fn network_device(text: Option<&str>) -> Result<NetworkDevice> {
    let refused = |text: &str| Error::setting("network-device", text, "takes auto, cpu, vulkan or vulkan:N");
    text.map_or(Ok(NetworkDevice::Cpu), |text| text.parse().map_err(|_| refused(text)))
}

fn recipe(typed: &TypedSettings) -> Result<RecipeSettings> {
    let keys = &typed.phasing;
    let cycles = |name: &str, value: Option<usize>| match required(name, value)? {
        cycles if cycles > 1_000_000 => Err(Error::setting(name, cycles, "must be at most 1000000")),
        cycles => Ok(cycles),
    };
    let standard = Standard {
        nb_hio: cycles("nb-hio", keys.nb_hio)?,
        nb_raar: cycles("nb-raar", keys.nb_raar)?,
        nb_er: cycles("nb-er", keys.nb_er)?,
        nb_ml: cycles("nb-ml", keys.nb_ml)?,
        support_update_period: cycles("support-update-period", keys.support_update_period)?,
        detwin: required("detwin", keys.detwin)?,
    };
    let recipe = match &keys.algorithm {
        Some(text) => text.parse()?,
        None => standard_recipe(standard)?,
    };
    let psf_in_average = keys.psf.as_deref() == Some("auto") && !recipe.names_psf();
    let (recipe, psf) = psf(typed, recipe)?;
    Ok(RecipeSettings {
        recipe,
        psf,
        psf_in_average,
        beta: within("beta", required("beta", keys.beta)?, 0.0, 1.0)? as f32,
        positivity: required("positivity", keys.positivity)?,
        real: required("real", keys.real)?,
    })
}

/// The recipe with the PSF in it, and its first kernel: that of the settings, or PyNX's where only
/// the recipe asks for one.
fn psf(typed: &TypedSettings, recipe: Recipe) -> Result<(Recipe, Option<PsfChoice>)> {
    let keys = &typed.phasing;
    let begin = within("psf-begin", required("psf-begin", keys.psf_begin)?, 0.0, 1.0)?;
    match keys.psf.as_deref().filter(|text| *text != "none") {
        None if recipe.has_psf() => Ok((recipe, Some(PsfChoice::default()))),
        None => Ok((recipe, None)),
        Some("auto") if recipe.has_psf() => Ok((recipe, Some(PsfChoice::default()))),
        Some("auto") if recipe.names_psf() => Ok((recipe, None)),
        Some("auto") => Ok((recipe, Some(PsfChoice::wide()))),
        Some(text) => {
            let choice: PsfChoice = text.parse()?;
            let recipe = if recipe.names_psf() { recipe } else { recipe.with_psf(begin, choice.period) };
            Ok((recipe, Some(choice)))
        }
    }
}

/// The standard form, as short and as long as a recipe that is typed may be.
fn standard_recipe(form: Standard) -> Result<Recipe> {
    const MOST_STEPS: usize = 1_000_000;
    let recipe = Recipe::standard(form);
    if recipe.cycles() == 0 {
        let problem = "with nb-hio, nb-raar and nb-ml that are zero too, there is nothing to do: give some cycles";
        return Err(Error::setting("nb-er", form.nb_er, problem));
    }
    if recipe.length() > MOST_STEPS {
        let problem = format!("makes a recipe of more than {MOST_STEPS} steps: give a longer period");
        return Err(Error::setting("support-update-period", form.support_update_period, problem));
    }
    Ok(recipe)
}

fn start(typed: &TypedSettings, recipe: &RecipeSettings) -> Result<StartSettings> {
    let keys = &typed.phasing;
    let search = match required("start", keys.start.as_deref())? {
        "random" => None,
        "guided" if recipe.real && recipe.positivity => Some(search(typed)?),
        "guided" => {
            return Err(Error::setting("start", "guided", "needs real and positivity: or set start to random"));
        }
        other => return Err(Error::setting("start", other, "takes random or guided")),
    };
    let autocorrelation = &keys.support_autocorrelation_threshold;
    Ok(StartSettings {
        support: support_choice(required("support", keys.support.as_deref())?)?,
        autocorrelation: range("support-autocorrelation-threshold", autocorrelation)?,
        phase: required("start-phase", keys.start_phase)? as f32,
        object: keys.start_from.clone().filter(|file| !file.is_empty()),
        search,
    })
}

fn search(typed: &TypedSettings) -> Result<SearchSettings> {
    let keys = &typed.phasing;
    let count = |name: &str, value: Option<usize>, most: usize| match required(name, value)? {
        n if (1..=most).contains(&n) => Ok(n),
        n => Err(Error::setting(name, n, format!("must be from 1 to {most}"))),
    };
    Ok(SearchSettings {
        population: count("search-population", keys.search_population, 10_000)?,
        generations: count("search-generations", keys.search_generations, 1_000)?,
        size: count("search-size", keys.search_size, 1_000_000)?,
        area: range("search-area", &keys.search_area)?,
        leak: within("search-leak", required("search-leak", keys.search_leak)?, 0.0, 1.0)? as f32,
    })
}

/// `auto`, `circle:RADIUS`, `box:[D,]H,W` or a file.
fn support_choice(text: &str) -> Result<SupportChoice> {
    if text == "auto" {
        return Ok(SupportChoice::Auto);
    }
    let (name, rest) = text.split_once(':').unwrap_or((text, ""));
    if !["circle", "box"].contains(&name) {
        return Ok(SupportChoice::File(text.into()));
    }
    let numbers: Option<Vec<f64>> = rest.split(',').map(|n| n.trim().parse().ok().filter(|n| *n > 0.0)).collect();
    match (name, numbers.unwrap_or_default().as_slice()) {
        ("circle", &[radius]) => Ok(SupportChoice::Form(Form::Circle(radius))),
        ("box", &[y, x]) => Ok(SupportChoice::Form(Form::Box([f64::INFINITY, y, x]))),
        ("box", &[z, y, x]) => Ok(SupportChoice::Form(Form::Box([z, y, x]))),
        _ => Err(Error::setting("support", text, "write circle:RADIUS or box:H,W or box:D,H,W, in pixels")),
    }
}

fn support(typed: &TypedSettings) -> Result<SupportSettings> {
    let keys = &typed.phasing;
    let blur = |name: &str, value: Option<f64>| Ok(within(name, required(name, value)?, 0.0, 50.0)? as f32);
    let low = within("support-fraction-min", required("support-fraction-min", keys.support_fraction_min)?, 0.0, 1.0)?;
    let high = within("support-fraction-max", required("support-fraction-max", keys.support_fraction_max)?, low, 1.0)?;
    let end = keys.support_threshold_end;
    if let Some(end) = end.filter(|end| !(*end > 0.0 && end.is_finite())) {
        let problem = "must be positive: leave it out to keep the first threshold";
        return Err(Error::setting("support-threshold-end", end, problem));
    }
    Ok(SupportSettings {
        threshold: range("support-threshold", &keys.support_threshold)?,
        threshold_end: end.map(|end| end as f32),
        area_search: required("support-area-search", keys.support_area_search)?,
        reference: required("support-threshold-method", keys.support_threshold_method.as_deref())?.parse()?,
        smooth: [
            blur("support-smooth-width-begin", keys.support_smooth_width_begin)?,
            blur("support-smooth-width-end", keys.support_smooth_width_end)?,
        ],
        only_shrink: required("support-only-shrink", keys.support_only_shrink)?,
        border: required("support-update-border-n", keys.support_update_border_n)?,
        expand: keys.support_post_expand.clone().unwrap_or_default(),
        fraction: [low, high],
    })
}

fn ensemble(typed: &TypedSettings) -> Result<EnsembleSettings> {
    let keys = &typed.phasing;
    let runs = |name: &str, value: Option<usize>, least: usize| match required(name, value)? {
        runs if (least..=100_000).contains(&runs) => Ok(runs),
        runs => Err(Error::setting(name, runs, format!("must be from {least} to 100000"))),
    };
    let count = runs("nb-run", keys.nb_run, 1)?;
    let keep = required("nb-run-keep", keys.nb_run_keep)?;
    if !(1..=count).contains(&keep) {
        return Err(Error::setting("nb-run-keep", keep, format!("must be from 1 to {count}")));
    }
    Ok(EnsembleSettings {
        count,
        keep,
        more: runs("nb-run-more", keys.nb_run_more, 0)?,
        average: match required("nb-run-average", keys.nb_run_average)? {
            n if n <= 1000 => n,
            n => return Err(Error::setting("nb-run-average", n, "must be from 0 to 1000")),
        },
        seed: required("seed", keys.seed)?,
        free_fraction: within("free-fraction", required("free-fraction", keys.free_fraction)?, 0.0, 0.5)?,
        smoothness: smoothness(keys.smoothness.clone().unwrap_or_default())?,
        split_data: required("split-data", keys.split_data)?,
        unwrap: required("unwrap", keys.unwrap)?,
    })
}

/// Weights of priors: none of them negative, zeros left out.
fn smoothness(weights: Vec<f64>) -> Result<Vec<f64>> {
    match weights.iter().find(|weight| !(weight.is_finite() && **weight >= 0.0)) {
        Some(weight) => Err(Error::setting("smoothness", weight, "must be numbers from 0 up")),
        None => Ok(weights.into_iter().filter(|weight| *weight > 0.0).collect()),
    }
}

/// A setting that the ground preset has, unless a file was read that is none.
fn required<T>(name: &str, value: Option<T>) -> Result<T> {
    value.ok_or_else(|| Error::setting(name, "", "is missing"))
}

fn within(name: &str, value: f64, low: f64, high: f64) -> Result<f64> {
    if (low..=high).contains(&value) {
        Ok(value)
    } else {
        Err(Error::setting(name, value, format!("must be from {low} to {high}")))
    }
}

/// One number twice, or two in order.
fn range(name: &str, values: &Option<Vec<f64>>) -> Result<[f32; 2]> {
    let values = required(name, values.as_deref())?;
    let pair = match *values {
        [one] => [one, one],
        [low, high] => [low, high],
        _ => return Err(Error::setting(name, list(values), "takes one or two numbers")),
    };
    if pair[0] > 0.0 && pair[0] <= pair[1] && pair[1].is_finite() {
        Ok(pair.map(|value| value as f32))
    } else {
        Err(Error::setting(name, list(values), "needs positive numbers, the smaller one first"))
    }
}

/// Numbers as they are typed: `0.5,2`.
fn list<T: ToString>(values: &[T]) -> String {
    values.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}
