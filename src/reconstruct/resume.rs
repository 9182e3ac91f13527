//! Unfinished ensembles: what was reached is kept in a file, from which a later call goes on.
//!
//! Runs depend on their seeds, and on the lines of the runs before them, so the result is that of a call that was never stopped. Runs
//! that were under way when it stopped begin again.

use super::observer::{Event, Observer};
use crate::checksum::checksum;
use crate::error::{Error, Result, counted};
use crate::io::bundle::{damaged, read_bundle, write_bundle};
use crate::phasing::ensemble::Ensemble;
use crate::phasing::run::Point;
use crate::pixels::Pattern;
use crate::settings::Settings;
use crate::volume::{Centered, Shape};
use ndarray::Array3;
use num_complex::Complex32;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Time between two writings: a killed process loses no more than this and the runs under way.
const INTERVAL: Duration = Duration::from_secs(60);

const MEMBERS: [&str; 4] = ["state.json", "objects.complex64", "supports.bool", "first_supports.bool"];

/// Where the runs of an unfinished ensemble are kept.
#[derive(Debug, Clone)]
pub struct Checkpoint {
    /// The file.
    pub path: PathBuf,
    /// Whether to go on from it, where it is there.
    pub resume: bool,
}

impl Checkpoint {
    /// Name of the file beside the results.
    pub const NAME: &str = "unfinished.lacuna";

    /// Removes the file: the ensemble is finished.
    ///
    /// # Errors
    /// [`Error::Write`] where it is there and cannot be removed.
    pub fn remove(&self) -> Result<()> {
        match std::fs::remove_file(&self.path) {
            Err(error) if self.path.exists() => Err(Error::write(&self.path, error)),
            _ => Ok(()),
        }
    }
}

/// What the file says, beside the arrays.
#[derive(Serialize, Deserialize)]
struct State<E> {
    /// Checksum of settings and pattern: another one cannot go on from here.
    identity: String,
    ensemble: E,
    /// Curves of all runs.
    curves: Vec<Vec<Point>>,
}

/// Keeps the runs of one ensemble.
pub(super) struct Keeper {
    checkpoint: Checkpoint,
    identity: String,
    written: Instant,
}

impl Keeper {
    /// Of this pattern with these settings.
    pub fn new(checkpoint: &Checkpoint, pattern: &Pattern, settings: &Settings) -> Result<Self> {
        let mut table = settings.typed().table();
        // Where it runs is no part of what it is.
        table.remove("device");
        let mut bytes = format!("{} {table}", env!("CARGO_PKG_VERSION")).into_bytes();
        let floats = |bytes: &mut Vec<u8>, array: &Centered<f32>| {
            bytes.extend(array.as_slice().iter().flat_map(|value| value.to_le_bytes()));
        };
        floats(&mut bytes, &pattern.intensity);
        bytes.extend(pattern.mask.as_slice().iter().flat_map(|bits| bits.to_le_bytes()));
        if let Some(estimate) = &pattern.estimate {
            [&estimate.mean, &estimate.lower, &estimate.upper].into_iter().for_each(|array| floats(&mut bytes, array));
        }
        Ok(Keeper { checkpoint: checkpoint.clone(), identity: checksum(&bytes), written: Instant::now() })
    }

    /// The ensemble to go on with: an empty one where nothing is there.
    pub fn begun(&self, shape: Shape, observer: &dyn Observer) -> Result<Ensemble> {
        let path = &self.checkpoint.path;
        if !self.checkpoint.resume {
            return Ok(Ensemble::default());
        }
        if !path.exists() {
            observer.observe(Event::Note(&format!("nothing to resume: no {}", path.display())));
            return Ok(Ensemble::default());
        }
        let [state, objects, supports, first] = read_bundle(path, MEMBERS)?;
        let state: State<Ensemble> = serde_json::from_slice(&state).map_err(|error| damaged(path, &error))?;
        if state.identity != self.identity {
            let problem = "is of another pattern, other settings or another version: give those, or leave out --resume to start anew";
            return Err(Error::file(path, problem));
        }
        let State { mut ensemble, curves, .. } = state;
        let pixels = shape.iter().product::<usize>();
        let count = ensemble.whole_runs().count();
        if [objects.len(), supports.len(), first.len()] != [8, 1, 1].map(|size| size * count * pixels)
            || curves.len() != ensemble.all.len()
        {
            return Err(damaged(path, &"its arrays have another length"));
        }
        for (run, curve) in ensemble.all.iter_mut().zip(curves) {
            run.curve = curve;
        }
        for (index, run) in ensemble.whole_runs_mut().enumerate() {
            let part = |bytes: &[u8], size: usize| bytes[index * size * pixels..][..size * pixels].to_vec();
            let number = |bytes: &[u8]| f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
            let complex = |bytes: &[u8]| Complex32::new(number(&bytes[..4]), number(&bytes[4..]));
            run.object = array(shape, part(&objects, 8).chunks_exact(8).map(complex).collect());
            run.support = array(shape, part(&supports, 1).iter().map(|&byte| byte != 0).collect());
            run.first_support = array(shape, part(&first, 1).iter().map(|&byte| byte != 0).collect());
        }
        observer.observe(Event::Note(&format!("resumed after {}", counted(ensemble.all.len(), "run"))));
        Ok(ensemble)
    }

    /// Keeps what was reached, at once where the work stops. A failure is said and stops nothing.
    pub fn keep(&mut self, runs: &Ensemble, stopping: bool, observer: &dyn Observer) {
        if runs.all.is_empty() || !stopping && self.written.elapsed() < INTERVAL {
            return;
        }
        let path = &self.checkpoint.path;
        match write(path, &self.identity, runs) {
            Ok(()) if stopping => observer.observe(Event::Note(&format!(
                "{} kept in {}: --resume goes on from there",
                counted(runs.all.len(), "run"),
                path.display()
            ))),
            Ok(()) => {}
            Err(error) => observer.observe(Event::Note(&error.to_string())),
        }
        self.written = Instant::now();
    }
}

fn array<T>(shape: Shape, values: Vec<T>) -> Centered<T> {
    Centered(Array3::from_shape_vec(shape, values).expect("as many values as pixels"))
}

fn write(path: &Path, identity: &str, runs: &Ensemble) -> Result<()> {
    let curves = runs.all.iter().map(|run| run.curve.clone()).collect();
    let state = State { identity: identity.into(), ensemble: runs, curves };
    let state = serde_json::to_vec(&state).map_err(|error| Error::encode("the runs", error))?;
    let (mut objects, mut supports, mut first) = (Vec::new(), Vec::new(), Vec::new());
    for run in runs.whole_runs() {
        objects.extend(run.object.as_slice().iter().flat_map(|v| [v.re.to_le_bytes(), v.im.to_le_bytes()].concat()));
        supports.extend(run.support.as_slice().iter().map(|&inside| u8::from(inside)));
        first.extend(run.first_support.as_slice().iter().map(|&inside| u8::from(inside)));
    }
    let [a, b, c, d] = MEMBERS;
    write_bundle(path, &[(a, &state), (b, &objects), (c, &supports), (d, &first)])
}
