//! A whole training: batches, steps, validation, checkpoints.

use super::checkpoint::{self, State};
use super::patches::Patch;
use super::recipe::TrainingRecipe;
use super::samples::Sample;
use super::step::{Learner, Score, score};
use crate::error::{Error, Result};
use crate::inpaint::model::Network;
use crate::inpaint::unet::Unet;
use burn::tensor::Device;
use rayon::prelude::*;
use std::path::Path;
use std::time::Instant;

/// Patches to train on, always the same ones from the same number on.
pub type Patches = Box<dyn Iterator<Item = Result<Patch>>>;

/// Everything that a training needs: recipe, data, weights to start from and a checkpoint.
pub struct TrainingRun<'a> {
    /// Recipe: network, optimiser, loss, gaps and number of steps.
    pub recipe: &'a TrainingRecipe,
    /// Source of the patches to learn from, beginning with the one of the given number.
    pub patches: &'a dyn Fn(u64) -> Result<Patches>,
    /// Samples on which the training is validated.
    pub validation: &'a [Sample],
    /// Identity of this training, recipe and data; a checkpoint of another one is refused.
    pub identity: String,
    /// Weights to start from; random ones if there are none.
    pub start: Option<Network>,
    /// File of the checkpoint.
    pub checkpoint: &'a Path,
    /// Whether to continue from the checkpoint, if there is one.
    pub resume: bool,
    /// Device that trains. Checkpoints and results are the same but for rounding.
    pub device: Device,
}

/// Events of a training, for an observer.
#[derive(Debug)]
pub enum TrainingEvent {
    /// Training continues from a checkpoint, after this many steps.
    Resumed(u64),
    /// One step of the optimiser is done.
    Step {
        /// Number of steps done.
        step: u64,
        /// Loss of its batch.
        loss: f64,
        /// Learning rate of the step.
        rate: f64,
    },
    /// The averaged weights were scored on the validation samples, and a checkpoint was written.
    Validation {
        /// Number of steps done.
        step: u64,
        /// Score on the validation samples.
        score: Score,
        /// Network with the averaged weights so far.
        trained: Box<TrainedNetwork>,
    },
}

/// The network that a training gives, and what it took.
#[derive(Debug)]
pub struct TrainedNetwork {
    /// Network with the averaged weights.
    pub network: Network,
    /// Number of steps of the optimiser.
    pub steps: u64,
    /// Number of patches learned from.
    pub patches: u64,
    /// Seconds of training, summed over all calls.
    pub seconds: f64,
}

/// Trains a network. `on` observes the events and asks to stop by returning false; then a
/// checkpoint is written.
///
/// # Errors
/// [`Error::Interrupted`] where `on` asks to stop, [`Error::Model`] for weights to start from that
/// are of another architecture and for a loss that is not finite, [`Error::File`] for a checkpoint
/// of another training, [`Error::Write`] for one that cannot be written, and whatever `on` and the
/// patches return.
pub fn train(run: &TrainingRun, on: &mut dyn FnMut(TrainingEvent) -> Result<bool>) -> Result<TrainedNetwork> {
    let problem = "the weights to start from are of another architecture";
    let wrong = || Error::Model { model: run.recipe.name.clone(), problem: problem.into() };
    if run.recipe.network.dimensions == 2 {
        let start = match &run.start {
            Some(Network::Planar(net)) => Some(net.clone()),
            Some(_) => return Err(wrong()),
            None => None,
        };
        train_dimensions(run, start, on, Network::Planar)
    } else {
        let start = match &run.start {
            Some(Network::Volumetric(net)) => Some(net.clone()),
            Some(_) => return Err(wrong()),
            None => None,
        };
        train_dimensions(run, start, on, Network::Volumetric)
    }
}

/// Trains a network of a given number of dimensions.
fn train_dimensions<const D: usize>(
    run: &TrainingRun,
    start: Option<Unet<D>>,
    on: &mut dyn FnMut(TrainingEvent) -> Result<bool>,
    wrap: impl Fn(Unet<D>) -> Network,
) -> Result<TrainedNetwork> {
    let recipe = run.recipe;
    let mut learner = match start {
        Some(net) => Learner::continued(net, recipe, &run.device),
        None => Learner::new(recipe, &run.device),
    };
    let mut state = State { run: run.identity.clone(), step: 0, next_patch: 0, seconds: 0.0 };
    if run.resume && run.checkpoint.exists() {
        (state, learner) = checkpoint::read(run.checkpoint, &run.identity, learner)?;
        on(TrainingEvent::Resumed(state.step))?;
    }
    let validated = |averaged: Unet<D>, state: &State| {
        let shard = (recipe.batch / recipe.shards).max(1);
        let score = score(&averaged, run.validation, &recipe.loss, shard);
        TrainingEvent::Validation { step: state.step, score, trained: Box::new(snapshot(wrap(averaged), state)) }
    };
    let is_validated = |step: u64| step.is_multiple_of(recipe.validation.every) || step == recipe.steps;
    // A call that was killed may have ended between its last checkpoint and the files of the model.
    if state.step > 0 && is_validated(state.step) {
        let proceed = on(validated(learner.averaged(), &state))?;
        if !proceed && state.step < recipe.steps {
            return Err(Error::Interrupted);
        }
    }
    let mut patches = (run.patches)(state.next_patch)?;
    let mut clock = Instant::now();
    while state.step < recipe.steps {
        let batch = next_batch(&mut patches, recipe, &mut state)?;
        let loss = learner.step(&batch, recipe, state.step);
        let rate = recipe.rate(state.step);
        state.step += 1;
        if !loss.is_finite() {
            let problem = format!("after {} steps the loss is not finite: lower optimizer.rate", state.step);
            return Err(Error::Model { model: recipe.name.clone(), problem });
        }
        let mut proceed = on(TrainingEvent::Step { step: state.step, loss, rate })?;
        let validate = is_validated(state.step);
        if validate || !proceed {
            state.seconds += clock.elapsed().as_secs_f64();
            checkpoint::write(run.checkpoint, &state, &learner)?;
            if validate {
                proceed &= on(validated(learner.averaged(), &state))?;
            }
            clock = Instant::now();
        }
        if !proceed && state.step < recipe.steps {
            return Err(Error::Interrupted);
        }
    }
    Ok(snapshot(wrap(learner.averaged()), &state))
}

fn snapshot(network: Network, state: &State) -> TrainedNetwork {
    TrainedNetwork { network, steps: state.step, patches: state.next_patch, seconds: state.seconds }
}

/// The next samples, without the patches in which nothing is measured.
fn next_batch(patches: &mut Patches, recipe: &TrainingRecipe, state: &mut State) -> Result<Vec<Sample>> {
    let first = state.next_patch;
    state.next_patch += recipe.batch as u64;
    let cut: Vec<Patch> = patches.take(recipe.batch).collect::<Result<_>>()?;
    Ok(samples(&cut, recipe, recipe.seed, first))
}

/// Samples: gaps cut into patches, the first of which has the number `first`.
pub fn samples(patches: &[Patch], recipe: &TrainingRecipe, seed: u64, first: u64) -> Vec<Sample> {
    let numbered = patches.par_iter().enumerate();
    numbered.filter_map(|(i, patch)| Sample::new(patch, &recipe.gaps, seed, first + i as u64)).collect()
}
