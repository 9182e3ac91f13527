//! A training from its data to the files of a model: checkpoints, curve, weights and card.

use super::curve::{CURVE, CURVE_PAGE, Curve, CurvePoint};
use super::{
    MeasuredPatches, PatchOptions, PatchStream, Patches, Score, TrainedNetwork, TrainingEvent, TrainingRecipe,
    TrainingRun, calibrate, samples, train,
};
use crate::error::{Error, Result};
use crate::inpaint::calibration::Calibration;
use crate::inpaint::model::{CARD, Model, ModelCard, Network, Provenance, WEIGHTS};
use crate::inpaint::unet::Architecture;
use crate::io;
use crate::io::set::{Set, Split};
use crate::pixels::Pattern;
use burn::tensor::Device;
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// File from which an interrupted training goes on.
pub const CHECKPOINT: &str = "checkpoint.zip";

/// Where a network learns.
pub enum TrainingData {
    /// From the patterns of a simulated set.
    Set(Arc<Set>),
    /// From the measured pixels of one pattern, to which a model is adapted.
    Pattern {
        /// The model that is adapted.
        model: Box<Model>,
        /// The pattern.
        pattern: Arc<Pattern>,
        /// The pattern's file, for the card.
        file: String,
    },
}

/// What tells the data of a training from others.
#[derive(Serialize)]
#[serde(untagged)]
enum DataIdentity<'a> {
    Set { set: &'a str, patterns: usize, seed: u64 },
    Pattern { model: &'a str, shape: [usize; 3], sum: f64 },
}

/// What tells a training from others: a checkpoint of another one is refused.
#[derive(Serialize)]
struct Identity<'a> {
    recipe: &'a TrainingRecipe,
    data: DataIdentity<'a>,
    data_name: &'a str,
    start: &'a str,
    version: &'a str,
}

impl TrainingData {
    fn patches(&self, recipe: &TrainingRecipe, split: Split, seed: u64, first: u64) -> Result<Patches> {
        match self {
            TrainingData::Set(set) => {
                let options = PatchOptions {
                    size: recipe.patch,
                    seed,
                    split,
                    kriging: recipe.network.kriged.then(|| recipe.gaps.clone()),
                    ..PatchOptions::default()
                };
                let mut stream = PatchStream::new(set.clone(), options)?;
                stream.start_at(first);
                Ok(Box::new(stream))
            }
            TrainingData::Pattern { model, pattern, .. } => {
                let slices = model.dimensions() == 2;
                let kriging = model.card.network.kriged.then(|| recipe.gaps.clone());
                Ok(Box::new(MeasuredPatches::new(pattern.clone(), recipe.patch, slices, kriging, seed, first)?))
            }
        }
    }

    fn identity(&self) -> DataIdentity<'_> {
        match self {
            TrainingData::Set(set) => {
                let header = set.header();
                DataIdentity::Set { set: &header.recipe_text, patterns: header.count, seed: header.seed }
            }
            TrainingData::Pattern { model, pattern, .. } => {
                let sum = pattern.intensity.as_slice().iter().map(|&value| f64::from(value)).sum();
                DataIdentity::Pattern { model: &model.card.sha256, shape: pattern.shape(), sum }
            }
        }
    }

    /// What the card says of the data; steps and times are only known later.
    fn provenance(&self, recipe: &TrainingRecipe) -> Provenance {
        let (data, patterns, data_seed, split) = match self {
            TrainingData::Set(set) => {
                let header = set.header();
                (header.recipe_name.clone(), header.count, header.seed, "by particle, as the set says".to_string())
            }
            TrainingData::Pattern { model, file, .. } => {
                let split = format!("none: adapted from {} ({})", model.card.name, &model.card.sha256);
                (file.clone(), 1, 0, split)
            }
        };
        Provenance {
            recipe: recipe.name.clone(),
            seed: recipe.seed,
            data,
            patterns,
            data_seed,
            split,
            start: String::new(),
            steps: 0,
            patches: 0,
            hours: 0.0,
            version: env!("CARGO_PKG_VERSION").into(),
        }
    }
}

/// A training, and the folder of its model.
pub struct TrainingSession<'a> {
    /// Network, loss, optimiser and length.
    pub recipe: &'a TrainingRecipe,
    /// Where the network learns.
    pub data: TrainingData,
    /// Model whose weights it starts from; random ones where absent, those of the adapted model
    /// where one is adapted.
    pub start: Option<Model>,
    /// Folder of the model, its checkpoint and its curve.
    pub folder: &'a Path,
    /// Whether to go on from the folder's checkpoint.
    pub resume: bool,
    /// Device that trains; a training may go on on another one.
    pub device: Device,
}

/// Something that happened during a training.
pub enum SessionEvent<'a> {
    /// It goes on after this step.
    Resumed(u64),
    /// A step was done.
    Step {
        /// Number of the step.
        step: u64,
        /// Loss of its patches.
        loss: f64,
        /// Learning rate.
        rate: f64,
    },
    /// The network was validated, and its model written.
    Validation(&'a CurvePoint),
}

impl TrainingSession<'_> {
    /// Trains, and writes weights, card and curve at each validation. `on` is told what happens,
    /// and asks to stop by returning false; the checkpoint is written then, and
    /// [`Error::Interrupted`] returned.
    ///
    /// # Errors
    /// [`Error::Model`] for weights of another architecture, those of the data and of writing.
    pub fn run(self, on: &mut dyn FnMut(SessionEvent<'_>) -> bool) -> Result<TrainedNetwork> {
        let recipe = self.recipe;
        match &self.data {
            TrainingData::Set(set) => recipe.check_data(if set.shape()[0] == 1 { 2 } else { 3 }, set.is_phased())?,
            TrainingData::Pattern { model, .. } => recipe.check_data(model.dimensions(), false)?,
        }
        let patches = |first: u64| self.data.patches(recipe, Split::Train, recipe.seed, first);
        let seed = recipe.seed.wrapping_add(1);
        let watched = self.data.patches(recipe, Split::Validation, seed, 0)?.take(recipe.validation.patches);
        let validation = samples(&watched.collect::<Result<Vec<_>>>()?, recipe, seed, 0);
        let mut provenance = self.data.provenance(recipe);
        if let Some(ModelCard { name, sha256, training, network, patch, .. }) =
            self.start.as_ref().map(|model| &model.card)
        {
            let Architecture { phased, kriged, .. } = *network;
            let same = Architecture { phased, kriged, ..recipe.network.clone() };
            // One that is not given phasing or kriging may learn to use them.
            let fits = *network == same && (!phased || recipe.network.phased) && (!kriged || recipe.network.kriged);
            if !fits || *patch != recipe.patch {
                let problem = format!("is of another architecture than the recipe {}", recipe.name);
                return Err(Error::Model { model: name.clone(), problem });
            }
            provenance.start = format!("{name} ({sha256}), after {} patches", training.patches);
        }
        let identity = Identity {
            recipe,
            data: self.data.identity(),
            data_name: &provenance.data,
            start: &provenance.start,
            version: env!("CARGO_PKG_VERSION"),
        };
        let identity =
            serde_json::to_string(&identity).map_err(|error| Error::encode("the identity of a training", error))?;
        let adapted = match &self.data {
            TrainingData::Set(_) => None,
            TrainingData::Pattern { model, .. } => Some(model.network.clone()),
        };
        let checkpoint = self.folder.join(CHECKPOINT);
        let run = TrainingRun {
            recipe,
            patches: &patches,
            validation: &validation,
            identity,
            start: self.start.as_ref().map(|model| model.network.clone().given(&recipe.network)).or(adapted),
            checkpoint: &checkpoint,
            resume: self.resume,
            device: self.device,
        };
        let mut curve = if self.resume { Curve::resumed(self.folder) } else { Curve::new() };
        let mut mean_loss: Option<f64> = None;
        let batch = (recipe.batch / recipe.shards).max(1);
        train(&run, &mut |event| {
            Ok(match event {
                TrainingEvent::Resumed(step) => {
                    curve.rewind(step);
                    on(SessionEvent::Resumed(step))
                }
                TrainingEvent::Step { step, loss, rate } => {
                    mean_loss = Some(mean_loss.map_or(loss, |mean| 0.98 * mean + 0.02 * loss));
                    on(SessionEvent::Step { step, loss, rate })
                }
                TrainingEvent::Validation { step, score, trained } => {
                    let calibration = calibrate(&trained.network, &validation, recipe.patch, batch);
                    write_model(self.folder, &trained, recipe, provenance.clone(), calibration, &score)?;
                    let point = CurvePoint {
                        step,
                        patches: trained.patches,
                        seconds: trained.seconds,
                        training_loss: mean_loss,
                        validation_loss: score.loss,
                        mean_absolute_log_error: score.error,
                        starting_fill: score.filled,
                        within_nominal_interval: score.covered,
                    };
                    // A training that was complete already says no more of itself than before.
                    if !curve.has(step) {
                        curve.add(point, self.folder)?;
                    }
                    on(SessionEvent::Validation(&point))
                }
            })
        })
    }
}

/// Claims a folder for a training: refuses to mix two trainings, and removes what an earlier one
/// left where `force` says so. With `resume` everything stays.
///
/// # Errors
/// [`Error::File`] for a folder with a checkpoint or one in which another training is at work,
/// [`Error::Exists`] for one with a model, and [`Error::Write`].
pub fn claim_folder(folder: &Path, resume: bool, force: bool) -> Result<io::Claim> {
    let mut claim = io::Claim::folder(folder)?;
    let outputs = [WEIGHTS, CARD, CURVE, CURVE_PAGE, CHECKPOINT].map(|name| folder.join(name));
    let outputs = outputs.each_ref().map(PathBuf::as_path);
    if resume {
        claim.outputs(&outputs, true)?;
        return Ok(claim);
    }
    let checkpoint = folder.join(CHECKPOINT);
    if checkpoint.exists() && !force {
        let problem =
            "is of an earlier training: give --resume to go on with it, --force to start anew, or another --output";
        return Err(Error::file(checkpoint, problem));
    }
    claim.outputs(&outputs, force)?;
    for path in [checkpoint, folder.join(CURVE)] {
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(Error::write(path, error)),
            _ => {}
        }
    }
    Ok(claim)
}

/// The validation score, as the card keeps it.
#[derive(Serialize)]
struct CardScore {
    split: &'static str,
    patches: usize,
    mean_absolute_log_error: f64,
    starting_fill: f64,
}

/// Writes weights and card. The card is written last: without it the weights are no model.
fn write_model(
    folder: &Path,
    trained: &TrainedNetwork,
    recipe: &TrainingRecipe,
    provenance: Provenance,
    calibration: Calibration,
    score: &Score,
) -> Result<()> {
    let limits = "Trained on simulated patterns only; scores are inside gaps, against noise-free intensities. Gaps wider than half a patch \
                  are filled from binned copies. How often the 90 % intervals hold, and where classical fills are as good, is among the scores.";
    let score = CardScore {
        split: "validation",
        patches: recipe.validation.patches,
        mean_absolute_log_error: score.error,
        starting_fill: score.filled,
    };
    let card = ModelCard {
        name: recipe.name.clone(),
        description: recipe.description.clone(),
        limits: limits.into(),
        patch: recipe.patch,
        sha256: String::new(),
        network: recipe.network.clone(),
        calibration,
        training: Provenance {
            steps: trained.steps,
            patches: trained.patches,
            hours: trained.seconds / 3600.0,
            ..provenance
        },
        scores: vec![toml::Table::try_from(&score).map_err(|error| Error::encode("the scores of a model", error))?],
    };
    let network: Network = trained.network.clone();
    let (weights, card) = Model { card, network }.files()?;
    io::replace(&folder.join(WEIGHTS), true, |part| {
        std::fs::write(part, &weights).map_err(|error| Error::write(part, error))
    })?;
    io::write_text(&folder.join(CARD), true, &card)
}
