//! A whole training: batches, steps, looks at validation patches, checkpoints.

use super::checkpoint::{self, State};
use super::patches::Patch;
use super::recipe::TrainingRecipe;
use super::samples::Sample;
use super::step::{Learner, Score, score};
use crate::error::{Error, Result};
use crate::inpaint::model::Network;
use crate::inpaint::unet::Unet;
use rayon::prelude::*;
use std::path::Path;
use std::time::Instant;

/// Patches from the one with a number on, always the same ones.
pub type Patches = Box<dyn Iterator<Item = Result<Patch>>>;

/// What to train on, and where to leave off.
pub struct TrainingRun<'a> {
    /// How.
    pub recipe: &'a TrainingRecipe,
    /// The patches to learn from, from a number on.
    pub patches: &'a dyn Fn(u64) -> Result<Patches>,
    /// Samples to watch the training with.
    pub validation: &'a [Sample],
    /// Tells this training from others; a checkpoint with another text is refused.
    pub identity: String,
    /// Weights to start from, if not random ones.
    pub start: Option<Network>,
    /// Where the checkpoint goes.
    pub checkpoint: &'a Path,
    /// Whether to go on from it.
    pub resume: bool,
}

/// What happens.
#[derive(Debug)]
pub enum TrainingEvent {
    /// Training goes on after this many steps.
    Resumed(u64),
    /// A step was made.
    Step {
        /// Steps done.
        step: u64,
        /// Of its batch.
        loss: f64,
        /// Its learning rate.
        rate: f64,
    },
    /// The averaged weights were scored on the validation samples, and a checkpoint written.
    Validation {
        /// Steps done.
        step: u64,
        /// On the validation samples.
        score: Score,
        /// The averaged weights so far.
        trained: Box<TrainedNetwork>,
    },
}

/// What a training has come to.
#[derive(Debug)]
pub struct TrainedNetwork {
    /// With the averaged weights.
    pub network: Network,
    /// Steps done.
    pub steps: u64,
    /// Patches learned from.
    pub patches: u64,
    /// Of training, over all calls.
    pub seconds: f64,
}

/// Trains. `on` is told what happens, and asks to stop by returning false; then there is a checkpoint, and [`Error::Interrupted`].
pub fn train(run: &TrainingRun, on: &mut dyn FnMut(TrainingEvent) -> Result<bool>) -> Result<TrainedNetwork> {
    let problem = "the weights to start from are of another architecture";
    let wrong = || Error::Model { model: run.recipe.name.clone(), problem: problem.into() };
    if run.recipe.network.dimensions == 2 {
        let start = match &run.start {
            Some(Network::Planar(net)) => Some(net.clone()),
            Some(_) => return Err(wrong()),
            None => None,
        };
        train_in(run, start, on, Network::Planar)
    } else {
        let start = match &run.start {
            Some(Network::Volumetric(net)) => Some(net.clone()),
            Some(_) => return Err(wrong()),
            None => None,
        };
        train_in(run, start, on, Network::Volumetric)
    }
}

/// The same for a number of dimensions.
fn train_in<const D: usize>(
    run: &TrainingRun,
    start: Option<Unet<D>>,
    on: &mut dyn FnMut(TrainingEvent) -> Result<bool>,
    wrap: impl Fn(Unet<D>) -> Network,
) -> Result<TrainedNetwork> {
    let recipe = run.recipe;
    let mut learner = start.map_or_else(|| Learner::new(recipe), |net| Learner::continued(net, recipe));
    let mut state = State { run: run.identity.clone(), step: 0, next_patch: 0, seconds: 0.0 };
    if run.resume && run.checkpoint.exists() {
        (state, learner) = checkpoint::read(run.checkpoint, &run.identity, learner)?;
        on(TrainingEvent::Resumed(state.step))?;
    }
    let mut patches = (run.patches)(state.next_patch)?;
    let mut clock = Instant::now();
    while state.step < recipe.steps {
        let batch = next_batch(&mut patches, recipe, &mut state)?;
        let loss = learner.step(&batch, recipe, state.step);
        let rate = recipe.rate(state.step);
        state.step += 1;
        if !loss.is_finite() {
            let problem = format!("after {} steps the loss is no number any more: lower optimizer.rate", state.step);
            return Err(Error::Model { model: recipe.name.clone(), problem });
        }
        let mut go_on = on(TrainingEvent::Step { step: state.step, loss, rate })?;
        let look = state.step.is_multiple_of(recipe.validation.every) || state.step == recipe.steps;
        if look || !go_on {
            state.seconds += clock.elapsed().as_secs_f64();
            checkpoint::write(run.checkpoint, &state, &learner)?;
            if look {
                let part = (recipe.batch / recipe.shards).max(1);
                let averaged = learner.averaged();
                let score = score(&averaged, run.validation, &recipe.loss, part);
                go_on &= on(TrainingEvent::Validation {
                    step: state.step,
                    score,
                    trained: Box::new(trained(wrap(averaged), &state)),
                })?;
            }
            clock = Instant::now();
        }
        if !go_on && state.step < recipe.steps {
            return Err(Error::Interrupted);
        }
    }
    Ok(trained(wrap(learner.averaged()), &state))
}

fn trained(network: Network, state: &State) -> TrainedNetwork {
    TrainedNetwork { network, steps: state.step, patches: state.next_patch, seconds: state.seconds }
}

/// The next samples; those of which nothing is measured are passed over.
fn next_batch(patches: &mut Patches, recipe: &TrainingRecipe, state: &mut State) -> Result<Vec<Sample>> {
    let first = state.next_patch;
    state.next_patch += recipe.batch as u64;
    let cut: Vec<Patch> = patches.take(recipe.batch).collect::<Result<_>>()?;
    Ok(samples(&cut, recipe, recipe.seed, first))
}

/// Gaps cut into patches, the first of which has number `first`.
pub fn samples(patches: &[Patch], recipe: &TrainingRecipe, seed: u64, first: u64) -> Vec<Sample> {
    let numbered = patches.par_iter().enumerate();
    numbered.filter_map(|(i, patch)| Sample::new(patch, &recipe.gaps, seed, first + i as u64)).collect()
}
