//! A checkpoint: everything that a training needs to continue as if it had never stopped, in one
//! file that is replaced at once.

use super::step::Learner;
use crate::error::{Error, Result};
use crate::io::bundle::{self, read_bundle, write_bundle};
use burn::module::Module;
use burn::store::ModuleRecord;
use burn::tensor::Bytes;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// Progress of a training.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct State {
    /// Identity of the training, recipe and data: must be the same when it continues.
    pub run: String,
    /// Number of steps done.
    pub step: u64,
    /// Number of the next patch of the stream.
    pub next_patch: u64,
    /// Seconds of training so far.
    pub seconds: f64,
}

const STATE: &str = "state.json";
const NET: &str = "network.burnpack";
const OPTIMIZER: &str = "optimizer.burnpack";
const AVERAGE: &str = "average.f32";

/// Writes a checkpoint in place of an older one.
///
/// # Errors
/// [`Error::Write`] if it cannot be written.
pub fn write<const D: usize>(path: &Path, state: &State, learner: &Learner<D>) -> Result<()> {
    let failed = |error: &dyn std::fmt::Display| Error::write(path, std::io::Error::other(error.to_string()));
    let net = learner.net.clone().into_record().into_bytes().map_err(|error| failed(&error))?;
    let optimizer = learner.optimizer.into_bytes().map_err(|error| failed(&error))?;
    let state = serde_json::to_vec_pretty(state).map_err(|error| failed(&error))?;
    let average: Vec<u8> = learner.average.iter().flat_map(|value| value.to_le_bytes()).collect();
    write_bundle(path, &[(STATE, &state), (NET, &net), (OPTIMIZER, &optimizer), (AVERAGE, &average)])
}

/// Reads a checkpoint of this training into a fresh learner.
///
/// # Errors
/// [`Error::File`] if it is damaged, or of another training; [`Error::Missing`] or [`Error::Read`]
/// if it cannot be read.
pub fn read<const D: usize>(path: &Path, run: &str, mut learner: Learner<D>) -> Result<(State, Learner<D>)> {
    let damaged = |error: &dyn std::fmt::Display| bundle::damaged(path, error);
    let [state, net, optimizer, average] = read_bundle(path, [STATE, NET, OPTIMIZER, AVERAGE])?;
    let state: State = serde_json::from_slice(&state).map_err(|error| damaged(&error))?;
    if state.run != run {
        let problem = "is of a training with another recipe, set or version: give that, another --output, or --force to start anew";
        return Err(Error::file(path, problem));
    }
    let record = ModuleRecord::from_bytes(Bytes::from_bytes_vec(net)).map_err(|error| damaged(&error))?;
    learner.net = learner.net.try_load_record(record).map_err(|error| damaged(&error))?;
    let optimizer = Bytes::from_bytes_vec(optimizer);
    learner.optimizer = learner.optimizer.from_bytes(optimizer).map_err(|error| damaged(&error))?;
    if average.len() != 4 * learner.average.len() {
        return Err(damaged(&"another number of weights"));
    }
    learner.average = average.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
    Ok((state, learner))
}
