//! The settings of a run and its outcome.

use super::backend::{Fit, GapConstraint, Start};
use super::psf::Psf;
use super::recipe::Recipe;
use super::support::{Cut, SupportRule};
use crate::metrics::calculated_intensity;
use crate::volume::Centered;
use num_complex::Complex32;
use serde::{Deserialize, Serialize};

/// The settings of a run, beside its start.
#[derive(Debug, Clone)]
pub struct RunSettings {
    /// Recipe that the run follows.
    pub recipe: Recipe,
    /// Relaxation of HIO, HPR, RAAR and DM, 0 to 1.
    pub beta: f32,
    /// Whether negative real parts count as outside the support.
    pub positivity: bool,
    /// Support update at the start of the recipe; `smooth` replaces its `sigma`, and each run's own
    /// cut its `cut`.
    pub support: SupportRule,
    /// Blur of the support update at the first and last cycle, pixels; it shrinks exponentially.
    pub smooth: [f32; 2],
    /// Threshold of the last support update, on a straight line from the run's own at the first
    /// cycle; `None` keeps the run's own. Areas stay as they are.
    pub threshold_end: Option<f32>,
    /// Constraint on pixels without measurement at the start of the recipe.
    pub gap_constraint: GapConstraint,
    /// Number of cycles between two points of the curve.
    pub curve_interval: usize,
}

/// One point of a run's curve.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Point {
    /// Number of cycles done.
    pub cycle: usize,
    /// Fit of the object after them.
    #[serde(flatten)]
    pub fit: Fit,
}

/// The way in which a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Ended {
    /// The recipe is done.
    Finished,
    /// The observer asked to stop; the object is the one of that moment.
    Interrupted,
    /// The object vanished or overflowed.
    Diverged,
    /// It was no run: its object is the average of runs.
    Averaged,
}

impl Run {
    /// Whether it is the average of runs, which did no cycle itself.
    pub fn is_average(&self) -> bool {
        self.ended == Ended::Averaged
    }

    /// The pattern that its object makes, blurred by its kernel where it has one, photons.
    pub fn calculated(&self) -> Centered<f32> {
        let sharp = calculated_intensity(&self.object);
        match &self.psf {
            Some(psf) => psf.blurred(&sharp),
            None => sharp,
        }
    }
}

/// The result of a run. Its arrays are no part of what serde writes and reads: empty afterwards.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Run {
    /// Number of the run in its ensemble, from 0.
    pub number: usize,
    /// Seed of its random numbers, or of the best run in the average that it began from.
    pub seed: u64,
    /// Number of runs in the average that it began from, or is; 0 for a random start.
    pub average_of: usize,
    /// Weight of the prior for smoothness with which it was ended; 0 for none.
    pub smoothness: f64,
    /// Object, cut to its support and scaled to the measurement; square roots of photons.
    #[serde(skip, default = "nothing")]
    pub object: Centered<Complex32>,
    /// Final support.
    #[serde(skip, default = "nothing")]
    pub support: Centered<bool>,
    /// First support.
    #[serde(skip, default = "nothing")]
    pub first_support: Centered<bool>,
    /// Fit of the final object.
    pub fit: Fit,
    /// Fraction of the energy of the object's modulus projection outside the final support.
    pub outside: f64,
    /// Fits on the way, in the order of cycles.
    pub curve: Vec<Point>,
    /// Way in which it ended: not [`Ended::Diverged`].
    pub ended: Ended,
    /// Number of cycles done.
    pub cycles: usize,
    /// Wall-clock seconds of its cycles.
    pub seconds: f64,
    /// Wall-clock seconds of the search for its start, not counted in `seconds`.
    pub search_seconds: f64,
    /// Cut of the support updates at the start.
    pub cut: Cut,
    /// Fraction of the array that the last support update kept, before its steps.
    pub area: f64,
    /// Final kernel of the PSF, where the recipe ended with it switched on.
    pub psf: Option<Psf>,
}

/// An array of no pixels.
fn nothing<T: Clone + Default>() -> Centered<T> {
    Centered::filled([0; 3], T::default())
}

/// A run whose object vanished or overflowed: nothing is left of it but how it came about.
#[derive(Debug, Clone)]
pub struct DivergedRun {
    /// Seed of its random numbers.
    pub seed: u64,
    /// Cut of the support updates at the start.
    pub cut: Cut,
    /// Fits on the way, as long as there were any.
    pub curve: Vec<Point>,
    /// Number of cycles after which it was found to have no fit.
    pub cycles: usize,
    /// Wall-clock seconds of its cycles.
    pub seconds: f64,
}

/// The outcome of a run: a result, or none.
#[derive(Debug, Clone)]
pub enum RunOutcome {
    /// A run with a result.
    Completed(Box<Run>),
    /// A run without one.
    Diverged(DivergedRun),
}

impl RunOutcome {
    /// Whether it was stopped before its end.
    pub(super) fn interrupted(&self) -> bool {
        matches!(self, RunOutcome::Completed(run) if run.ended == Ended::Interrupted)
    }

    /// The result, if there is one.
    pub fn completed(self) -> Option<Run> {
        match self {
            RunOutcome::Completed(run) => Some(*run),
            RunOutcome::Diverged(_) => None,
        }
    }
}

/// What distinguishes a run of a batch from the others.
#[derive(Debug, Clone)]
pub struct Draw {
    /// Seed of its random numbers.
    pub seed: u64,
    /// Cut of its support updates at the start.
    pub cut: Cut,
    /// First object and support.
    pub start: Start,
}
