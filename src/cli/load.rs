//! From a file to a pattern that can be phased: read, mask, prepare, fill. Shared by the verbs.

use super::progress::Voice;
use lacuna::compare::Said;
use lacuna::config::{GapMode, Settings};
use lacuna::error::{Error, Result};
use lacuna::geometry::{EV, Geometry};
use lacuna::inpaint::model::Model;
use lacuna::inpaint::predict::{PredictOptions, predict};
use lacuna::inpaint::{Fill, FillOptions, fill};
use lacuna::io;
use lacuna::pixels::{Estimate, Pattern};
use lacuna::prepare::{self, Prepared};
use lacuna::volume::{Centered, Shape};
use serde_json::json;
use std::ops::Range;
use std::path::Path;

/// Reads a file, with the geometry that the settings override and the mask that they add.
pub fn read(location: &str, settings: &Settings) -> Result<io::Input> {
    let mut input = io::read(location)?;
    input.geometry = overridden(settings).or(input.geometry);
    if !settings.mask.is_empty() {
        let items = prepare::parse_mask(&settings.mask)?;
        let mut mask = input.mask.take().unwrap_or_else(|| input.intensity.map(|_| 0));
        prepare::apply_mask(&input.intensity, &mut mask, &items, &|path| io::read_mask(path))?;
        input.mask = Some(mask);
    }
    Ok(input)
}

fn overridden(settings: &Settings) -> Geometry {
    let positive = |value: f64| (value > 0.0).then_some(value);
    Geometry {
        energy: positive(settings.energy).map(|energy| energy * EV),
        distance: positive(settings.distance),
        pixel_size: positive(settings.pixel_size).map(|size| [size; 2]),
    }
}

/// Refuses to write a file over the one that is read: raw data exist once.
pub fn not_onto_itself(input: &str, output: &Path) -> Result<()> {
    match (Path::new(input).canonicalize(), output.canonicalize()) {
        (Ok(input), Ok(other)) if input == other => {
            Err(Error::file(output, "is the input: give another --output, raw data are never replaced"))
        }
        _ => Ok(()),
    }
}

/// Refuses pixels that hold the largest value of their type and are not masked: they are saturated, or a gap.
fn refuse_sentinels(input: &io::Input) -> Result<()> {
    let Some(largest) = input.source.maximum_of_type else { return Ok(()) };
    let masked = |index: usize| input.mask.as_ref().is_some_and(|mask| mask.as_slice()[index] != 0);
    let values = input.intensity.as_slice().iter().enumerate();
    let count = values.filter(|(i, value)| **value >= largest as f32 && !masked(*i)).count();
    if count == 0 {
        return Ok(());
    }
    Err(Error::file(
        &input.source.path,
        format!(
            "{count} pixels hold {largest}, the largest {}, and are not masked: give --mask saturated={largest}",
            input.source.element
        ),
    ))
}

/// The support that the settings name as a file; its shape is checked where it is used.
pub fn support_file(settings: &Settings) -> Result<Option<Centered<bool>>> {
    match settings.support.split(':').next() {
        Some("auto" | "circle" | "box") => Ok(None),
        _ => io::read_support(&settings.support).map(Some),
    }
}

/// Reads and prepares, for phasing or as `frames` that stand alone. The file's own support is used only where `--support` names the file.
pub fn prepared(location: &str, settings: &Settings, frames: bool, voice: &Voice) -> Result<Prepared> {
    let input = read(location, settings)?;
    refuse_sentinels(&input)?;
    let flat = input.intensity.shape()[0] == 1;
    // A pattern that lacuna wrote has been prepared: its centre is where it was put.
    let raw = !input.source.by_lacuna || settings.centre != "auto";
    let support = support_file(settings)?;
    let options = prepare::Options {
        flat: if settings.flat_field.is_empty() { None } else { Some(io::read_array(&settings.flat_field)?) },
        hot: (raw && settings.hot_pixels > 0.0).then_some(settings.hot_pixels),
        dead: raw && settings.dead_pixels,
        roi: roi(&settings.roi, flat)?,
        centring: if raw { settings.centre.parse()? } else { prepare::Centring::Keep },
        max_size: Settings::per_axis("max-size", &settings.max_size, flat, 1)?,
        rebin: Settings::per_axis("rebin", &settings.rebin, flat, 1)?.unwrap_or([1; 3]),
        fft_friendly: true,
        frames,
    };
    let path = input.source.path.clone();
    let prepared = prepare::prepare(input.intensity, input.mask, input.estimate, support, input.geometry, &options)
        .map_err(|e| match e {
            Error::Pattern(problem) | Error::Support(problem) => Error::file(&path, problem),
            other => other,
        })?;
    for step in &prepared.steps {
        voice.note(format!("prepared: {step}"));
    }
    voice.event(
        "prepared",
        json!({"steps": prepared.steps, "shape": prepared.pattern.shape(), "centre": prepared.centre,
               "rebin": prepared.rebin}),
    )?;
    Ok(prepared)
}

/// `Y0:Y1,X0:X1` or `Z0:Z1,Y0:Y1,X0:X1`.
fn roi(text: &str, flat: bool) -> Result<Option<[Range<usize>; 3]>> {
    if text.is_empty() {
        return Ok(None);
    }
    let wrong = || {
        let form = if flat { "Y0:Y1,X0:X1" } else { "Z0:Z1,Y0:Y1,X0:X1" };
        Error::setting("roi", text, format!("write {form} in pixels, each end past its begin"))
    };
    let ranges: Option<Vec<Range<usize>>> = text
        .split(',')
        .map(|part| {
            let (begin, end) = part.split_once(':')?;
            let range = begin.trim().parse().ok()?..end.trim().parse().ok()?;
            (range.start < range.end).then_some(range)
        })
        .collect();
    match (ranges.ok_or_else(wrong)?.as_slice(), flat) {
        ([y, x], true) => Ok(Some([0..1, y.clone(), x.clone()])),
        ([z, y, x], _) => Ok(Some([z.clone(), y.clone(), x.clone()])),
        _ => Err(wrong()),
    }
}

/// Fills the gaps as the settings say. A pattern that brings its own estimate keeps it under `--gap free`.
pub fn filled(mut pattern: Pattern, settings: &Settings, voice: &Voice) -> Result<Pattern> {
    if settings.gap_mode()? != GapMode::Free {
        pattern.estimate = Some(estimate(&pattern, settings, voice)?);
    }
    Ok(pattern)
}

/// The estimate of the method that the settings name, with progress.
pub fn estimate(pattern: &Pattern, settings: &Settings, voice: &Voice) -> Result<Estimate> {
    let mode = settings.gap_mode()?;
    let (estimate, method) = if mode.network() {
        let said = said(pattern, settings, voice)?;
        let width = if mode == GapMode::NetworkHard { 0.0 } else { said.width };
        (said.field.estimate(&said.calibration, width), "network".to_string())
    } else {
        let method = match mode {
            GapMode::Fill(method) => method,
            GapMode::LinearRelease => Fill::Linear,
            _ => return Err(Error::setting("gap", &settings.gap, "fills nothing: give a method")),
        };
        let [low, high] = settings.gap_bounds()?;
        let options = FillOptions { bounds: (low, high), ..FillOptions::default() };
        let bar = voice.bar(100, "filling");
        let estimate = fill(pattern, method, &options, &|done| bar.set_position((done * 100.0) as u64))?;
        bar.finish_and_clear();
        (estimate, method.to_string())
    };
    let count = estimate.at.as_slice().iter().filter(|&&at| at).count();
    let gaps = pattern.mask.as_slice().iter().filter(|&&bits| bits != 0).count();
    voice.note(format!("filled {count} of {gaps} pixels without measurement ({method}); the others stay free"));
    voice.event("filled", json!({"method": method, "pixels": count, "unmeasured": gaps}))?;
    Ok(estimate)
}

/// What the network says of the gaps, with progress.
pub fn said(pattern: &Pattern, settings: &Settings, voice: &Voice) -> Result<Said> {
    let slices = pattern.is_2d() || slices((settings.dims > 0).then_some(settings.dims), pattern.shape())?;
    let folder = (!settings.model.is_empty()).then(|| Path::new(&settings.model));
    let model = model(folder, if slices { 2 } else { 3 })?;
    let field = voice.percent("filling", |progress| predict(pattern, &model, PredictOptions { slices }, progress))?;
    Ok(Said { field, calibration: model.card.calibration, width: settings.gap_interval })
}

/// The model in a folder, or the one in the program for this number of dimensions.
pub fn model(folder: Option<&Path>, dimensions: usize) -> Result<Model> {
    folder.map_or_else(|| Model::shipped(dimensions), Model::load)
}

/// Whether a volume is filled frame by frame.
pub fn slices(dims: Option<usize>, shape: Shape) -> Result<bool> {
    match dims {
        None => Ok(shape[0] == 1),
        Some(2) => Ok(true),
        Some(3) if shape[0] > 1 => Ok(false),
        Some(3) => Err(Error::setting("--dims", 3, "the pattern is a single frame")),
        Some(other) => Err(Error::setting("--dims", other, "2 fills frame by frame, 3 the volume")),
    }
}
