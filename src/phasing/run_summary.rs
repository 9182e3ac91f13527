//! What is said of a run without its arrays: its line in tables.

use super::backend::Fit;
use super::run::{DivergedRun, Ended, Point, Run};
use super::support::Cut;
use serde::{Deserialize, Serialize};

/// The verdict on a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RunVerdict {
    /// It is among the best so far.
    Kept,
    /// Others are better.
    Worse,
    /// Its object vanished or overflowed.
    Diverged,
    /// Too much of its energy was outside the support.
    Outside,
}

impl RunVerdict {
    /// The verdict in words.
    pub fn text(self) -> &'static str {
        match self {
            RunVerdict::Kept => "kept",
            RunVerdict::Worse => "others are better",
            RunVerdict::Diverged => "discarded: diverged",
            RunVerdict::Outside => "discarded: too much of its energy outside the support",
        }
    }
}

/// A run without its object.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RunSummary {
    /// Number of the run, from 0.
    pub number: usize,
    /// Seed of its random numbers, or of the best run in the average that it began from.
    pub seed: u64,
    /// Number of runs in the average that it began from, or is; 0 for a random start.
    pub average_of: usize,
    /// Weight of the prior for smoothness with which it was ended; 0 for none.
    pub smoothness: f64,
    /// Cut of its support updates.
    pub cut: Cut,
    /// Fraction of the array that its last support update kept, before its steps; none if it diverged.
    pub area: Option<f64>,
    /// Fit of the final object; `None` if the run diverged.
    pub fit: Option<Fit>,
    /// Mean over largest modulus inside the support: near 1 for a homogeneous object.
    pub mean_to_max: Option<f64>,
    /// Mean of the fourth power of the modulus inside the support, over the square of that of the
    /// second: 1 for a homogeneous object, large for a few bright pixels.
    pub sharpness: Option<f64>,
    /// Way in which it ended.
    pub ended: Ended,
    /// Verdict on it.
    pub verdict: RunVerdict,
    /// Wall-clock seconds of its cycles.
    pub seconds: f64,
    /// Wall-clock seconds of the search for its start.
    pub search_seconds: f64,
    /// Number of cycles done.
    pub cycles: usize,
    /// Fits on the way, in the order of cycles.
    #[serde(skip)]
    pub curve: Vec<Point>,
}

impl RunSummary {
    /// Whether it is the average of runs, which did no cycle itself.
    pub fn is_average(&self) -> bool {
        self.ended == Ended::Averaged
    }

    /// Where it began: `seed 3`, `result of seed 3` or `average of 5`; and with which prior it ended.
    /// `result, average of 9` is one that did no cycle.
    pub fn origin(&self) -> String {
        if self.is_average() {
            return format!("result, average of {}", self.average_of);
        }
        let origin = match self.average_of {
            0 => format!("seed {}", self.seed),
            1 => format!("result of seed {}", self.seed),
            count => format!("average of {count}"),
        };
        if self.smoothness > 0.0 { format!("{origin}, smoothness {}", self.smoothness) } else { origin }
    }

    /// The line of a run.
    pub(crate) fn new(run: &Run, verdict: RunVerdict) -> Self {
        let [mean_to_max, sharpness] = evenness(run).map(Some);
        RunSummary {
            number: run.number,
            seed: run.seed,
            average_of: run.average_of,
            smoothness: run.smoothness,
            cut: run.cut,
            area: Some(run.area),
            fit: Some(run.fit),
            mean_to_max,
            sharpness,
            ended: run.ended,
            verdict,
            seconds: run.seconds,
            search_seconds: run.search_seconds,
            cycles: run.cycles,
            curve: run.curve.clone(),
        }
    }

    /// The line of a run whose object vanished or overflowed.
    pub(super) fn diverged(number: usize, run: DivergedRun, search_seconds: f64) -> Self {
        RunSummary {
            number,
            seed: run.seed,
            average_of: 0,
            smoothness: 0.0,
            cut: run.cut,
            area: None,
            fit: None,
            mean_to_max: None,
            sharpness: None,
            ended: Ended::Diverged,
            verdict: RunVerdict::Diverged,
            seconds: run.seconds,
            search_seconds,
            cycles: run.cycles,
            curve: run.curve,
        }
    }
}

/// Mean over maximum of the modulus inside the support, and the mean of its fourth power over the
/// squared mean of its square.
fn evenness(run: &Run) -> [f64; 2] {
    let pixels = run.object.as_slice().iter().zip(run.support.as_slice()).filter(|(_, inside)| **inside);
    let (mut count, mut sum, mut squares, mut fourths, mut largest) = (0.0, 0.0, 0.0, 0.0, 0.0f64);
    for (value, _) in pixels {
        let square = f64::from(value.norm_sqr());
        count += 1.0;
        sum += square.sqrt();
        squares += square;
        fourths += square * square;
        largest = largest.max(square.sqrt());
    }
    if largest > 0.0 { [sum / count / largest, fourths * count / (squares * squares)] } else { [0.0; 2] }
}
