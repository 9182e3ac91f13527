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
    let mut model = model(settings.gap.model.as_deref(), if options.slices { 2 } else { 3 })?;
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
