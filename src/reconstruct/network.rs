//! The network that the settings name, and what it predicts of a pattern.

use super::observer::{Event, Observer};
use crate::error::{Error, Result};
use crate::inpaint::model::Model;
use crate::inpaint::predict::{NetworkEstimate, PredictOptions};
use crate::pixels::Pattern;
use crate::settings::Settings;
use crate::volume::Shape;
use std::path::Path;

/// The model in a folder, or the one in the program for this number of dimensions.
///
/// # Errors
/// Those of [`Model::load`].
pub fn model(folder: Option<&Path>, dimensions: usize) -> Result<Model> {
    folder.map_or_else(|| Model::shipped(dimensions), Model::load)
}

/// The model that fills before anything is phased: that of the settings, unless it looks at what
/// phasing calculates, or the one in the program.
fn filling_model(settings: &Settings, dimensions: usize, observer: &dyn Observer) -> Result<Model> {
    match settings.gap.model.as_deref().map(Model::load).transpose()? {
        Some(model) if !model.card.network.phased => Ok(model),
        None => Model::shipped(dimensions),
        Some(looking) => {
            let shipped = Model::shipped(dimensions)?;
            observer.observe(Event::Note(&format!(
                "{} looks at what phasing calculates: before phasing the network in the program fills, {}",
                looking.card.name, shipped.card.name
            )));
            Ok(shipped)
        }
    }
}

/// The model that looks at what phasing calculates of a pattern: that of the settings, or the one in
/// the program. `None` where the settings name one that does not look, or a volume is filled frame by
/// frame.
///
/// # Errors
/// Those of [`Model::load`].
pub(super) fn looking_model(pattern: &Pattern, settings: &Settings) -> Result<Option<Model>> {
    let options = predict_options(settings.gap.dimensions, pattern.shape())?;
    match settings.gap.model.as_deref() {
        Some(folder) => Ok(Some(Model::load(folder)?).filter(|model| model.card.network.phased)),
        // Frames of a volume are no patterns that were phased.
        None if options.slices && !pattern.is_2d() => Ok(None),
        None => Model::shipped_phased(if pattern.is_2d() { 2 } else { 3 }).map(Some),
    }
}

/// How the network fills a pattern of this shape: a volume as a whole, or frame by frame.
///
/// # Errors
/// [`Error::Setting`] where a frame is to be filled in three dimensions.
pub fn predict_options(dimensions: Option<usize>, shape: Shape) -> Result<PredictOptions> {
    match dimensions {
        None => Ok(PredictOptions { slices: shape[0] == 1 }),
        Some(3) if shape[0] > 1 => Ok(PredictOptions { slices: false }),
        Some(3) => Err(Error::setting("dims", 3, "the pattern is a single frame")),
        Some(_) => Ok(PredictOptions { slices: true }),
    }
}

/// What the network predicts of a pattern's gaps, its bounds as wide as the settings say.
///
/// # Errors
/// Those of [`Model::load`] and [`crate::inpaint::predict::predict`].
pub fn network_estimate(pattern: &Pattern, settings: &Settings, observer: &dyn Observer) -> Result<NetworkEstimate> {
    let options = predict_options(settings.gap.dimensions, pattern.shape())?;
    let model = filling_model(settings, if options.slices { 2 } else { 3 }, observer)?;
    predicted(pattern, model, settings, observer)
}

/// What this model predicts of a pattern's gaps.
///
/// # Errors
/// Those of [`crate::inpaint::predict::predict`].
pub(super) fn predicted(
    pattern: &Pattern,
    mut model: Model,
    settings: &Settings,
    observer: &dyn Observer,
) -> Result<NetworkEstimate> {
    let open = settings.gap.network_device.open("network-device")?;
    if let Some(why) = &open.fallback {
        observer.observe(Event::Note(&format!("the network runs on the CPU: {why}")));
    }
    model.network = model.network.on(&open.device);
    let mut progress = |done| {
        observer.observe(Event::Work { name: "filling", done });
        observer.go_on()
    };
    let network = NetworkEstimate::new(pattern, &model, settings.gap.interval, &mut progress);
    // Also after an error: whoever draws a bar takes it away now.
    observer.observe(Event::Work { name: "filling", done: 1.0 });
    network
}
