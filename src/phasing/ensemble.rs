//! Many runs of one problem: what is planned, and what became of them. The best are kept, brought into
//! register, averaged and compared.

use super::areas;
use super::average::{self, AveragePlan, Comparison, GROUPS};
use super::backend::{Backend, Start, View};
use super::complete::Variation;
use super::guided::Search;
use super::look::Look;
use super::recipe::Recipe;
use super::run::{Ended, Point, Run, RunOutcome, RunSettings};
use super::run_summary::{RunSummary, RunVerdict};
use super::smooth::Smoothness;
use crate::error::Result;
use crate::pixels::Pattern;
use crate::volume::{Centered, Cornered};
use num_complex::Complex32;
use serde::{Deserialize, Serialize};
use std::f64::consts::TAU;
use std::ops::Range;

/// A run with more than this fraction of its energy outside the support is dropped, beside what the
/// noise of the counts puts there.
const MOST_OUTSIDE: f64 = 0.1;

/// Best runs that are ended once more, where fewer are kept.
const ENDED: usize = 4;

/// Runs that are compared where none are averaged: what two say of each other is little.
const COMPARED: usize = 8;

/// The starts of runs.
#[derive(Debug, Clone)]
pub enum FirstSupport {
    /// One support for every run.
    Given(Cornered<bool>),
    /// An object that was found earlier, and its support: runs differ in the cuts of their supports
    /// only.
    Earlier(Box<Start>),
    /// Where the autocorrelation exceeds a fraction of its maximum that each run draws between two
    /// bounds.
    Autocorrelation {
        /// Intensity, photons; zero where nothing is known.
        intensity: Cornered<f32>,
        /// Bounds of the fraction.
        threshold: [f32; 2],
    },
    /// Where a search at low resolution found the object, which is the first object too.
    Guided {
        /// Pattern that is phased.
        pattern: Box<Pattern>,
        /// Pixels held out for the free likelihood: the search does not see them either.
        held_out: Box<Centered<bool>>,
        /// Settings of the search.
        search: Search,
        /// Bounds between which each run draws the area of the search.
        area: [f32; 2],
    },
}

/// The plan of an ensemble: what is run, and how often.
#[derive(Debug, Clone)]
pub struct EnsemblePlan {
    /// Rounds of runs, of which there is at least one: each later one is for objects that those before
    /// it did not find.
    pub rounds: Vec<Round>,
    /// Last runs from the average of the best ones, where there are several.
    pub average: Option<AveragePlan>,
    /// Priors for smoothness with which the best runs are ended once more.
    pub smoothness: Smoothness,
    /// What decides hidden modes of the best runs at their end, instead of a prior for smoothness.
    pub completion: Option<Variation>,
    /// Energy that noise alone puts into the object, as a fraction of all: see
    /// [`super::noise::fraction`].
    pub noise: f64,
    /// Bounds between which each run draws the threshold of its support updates.
    pub threshold: [f32; 2],
    /// Whether later runs draw areas instead: see `areas.rs`.
    pub area_search: bool,
    /// The starts of runs.
    pub support: FirstSupport,
    /// Largest phase of the random first object on either side of zero, radians.
    pub start_phase: f32,
    /// Seed of run 0; run `i` has `seed + i`.
    pub seed: u64,
    /// Number of runs to keep.
    pub keep: usize,
    /// Whether what the best runs calculate is asked for, those among them that are not kept.
    pub look: bool,
}

/// A round of runs of an ensemble.
#[derive(Debug, Clone)]
pub struct Round {
    /// Number of runs.
    pub count: usize,
    /// Settings of its runs, at least one, which take turns.
    pub kinds: Vec<RunSettings>,
}

impl EnsemblePlan {
    /// Number of runs of all rounds.
    pub fn count(&self) -> usize {
        self.rounds.iter().map(|round| round.count).sum()
    }

    /// Settings of the first run.
    ///
    /// # Panics
    /// If there is none.
    pub fn first(&self) -> &RunSettings {
        &self.rounds[0].kinds[0]
    }

    /// The rounds with the numbers of their runs.
    pub(super) fn numbered_rounds(&self) -> impl Iterator<Item = (&Round, Range<usize>)> {
        self.rounds.iter().scan(0, |next, round| {
            let first = *next;
            *next += round.count;
            Some((round, first..*next))
        })
    }

    /// Runs that are kept whole at most, the last ones among them, without the average of them.
    pub fn most_kept(&self) -> usize {
        self.keep.max(self.members()).min(self.count()) + self.most_last()
    }

    /// Runs at most that are compared with the best.
    pub fn compared(&self) -> usize {
        self.members().min(self.count())
    }

    /// Last runs at most.
    pub(super) fn most_last(&self) -> usize {
        self.average.as_ref().map_or(0, |average| GROUPS * average.runs.len())
    }

    /// Best runs that groups are made of and that are compared with the best, kept whole for that.
    pub(super) fn members(&self) -> usize {
        self.average.as_ref().map_or(COMPARED, |average| average.members)
    }

    /// Best runs that are ended with priors for smoothness, or with completed hidden modes.
    pub fn ended(&self) -> usize {
        self.keep.max(ENDED)
    }

    /// Batches of the first round in which so many runs at once are done.
    pub fn batches(&self, size: usize) -> usize {
        let generations = areas::generations(0..self.rounds[0].count, self.area_search);
        generations.iter().map(|generation| generation.runs.len().div_ceil(size)).sum()
    }

    /// The steps of all kinds of runs, one after another: what a device must be able to do.
    pub fn steps(&self) -> Recipe {
        let last = self.average.iter().flat_map(|average| &average.runs);
        let runs = self.rounds.iter().flat_map(|round| &round.kinds).chain(last);
        Recipe { steps: runs.flat_map(|run| run.recipe.steps.clone()).collect() }
    }
}

/// An observer of an ensemble's progress. The methods of the trait itself do nothing and go on;
/// `()` is an observer that keeps them all.
pub trait Observer: Sync {
    /// The runs with these numbers begin, of so many cycles each; they advance together.
    fn begin(&mut self, _runs: &[usize], _cycles: usize) {}

    /// The guided search for the start of a run has phased `done` of `total` objects; false stops
    /// everything. Called from many threads.
    fn searched(&self, _done: usize, _total: usize) -> bool {
        true
    }

    /// Of the ends of the best runs, `done` of `of` were computed.
    fn ending(&self, _done: usize, _of: usize) {}

    /// Run `index` reached a point of its curve; false stops everything.
    fn point(&mut self, _index: usize, _point: &Point) -> bool {
        true
    }

    /// Run `index` ended.
    fn end(&mut self, _index: usize, _run: &RunSummary) {}

    /// All runs that were begun have ended, and others follow; or the next ones were stopped
    /// (`stopping`), and count for nothing here.
    fn reached(&mut self, _runs: &Ensemble, _stopping: bool) {}

    /// Whether a run under way is wanted to be seen.
    fn wants_view(&self) -> bool {
        false
    }

    /// Run `index` after its point `at`, where that was wanted.
    fn view(&mut self, _index: usize, _at: &Point, _view: View) {}

    /// What was reached so far, also by runs that were stopped: after each batch, and where the ends
    /// of runs changed.
    fn so_far(&mut self, _runs: &Ensemble) {}

    /// Whether to go on where no points are reached.
    fn go_on(&self) -> bool {
        true
    }
}

impl Observer for () {}

/// Tells the observer of a point of one run of a batch, whose first one it may see. Returns whether
/// to go on.
pub(super) fn show_point(
    observer: &mut dyn Observer,
    batch: &[usize],
    run: usize,
    point: &Point,
    backend: &mut dyn Backend,
) -> bool {
    if run == 0
        && observer.wants_view()
        && let Some(view) = backend.view(run)
    {
        observer.view(batch[run], point, view);
    }
    observer.point(batch[run], point)
}

/// The result of an ensemble: a summary of each run, and the best ones whole.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Ensemble {
    /// Best runs, best first: by [`super::Fit::score`], those with smoother ends by held-out pixels. Before
    /// them all their average, where there is one: it is the result.
    pub kept: Vec<Run>,
    /// Summaries of all runs that were started, by number.
    pub all: Vec<RunSummary>,
    /// Whether it was stopped before the last one.
    pub interrupted: bool,
    /// Relative distances of the next best runs from the best, random starts only: none where all
    /// began at an earlier object.
    pub distances: Vec<f64>,
    /// Variance of the runs that agree with the best at each pixel, photons; nothing where fewer than
    /// three do.
    #[serde(skip)]
    pub spread: Option<Centered<f32>>,
    /// Objects of the runs from random starts that agree with the best, in register with it: nothing that
    /// one of them has of another, as a last run has of those that it began at.
    #[serde(skip)]
    pub agreeing: Vec<Centered<Complex32>>,
    /// What the best runs calculate, where the plan asks for it.
    #[serde(skip)]
    pub look: Option<Look>,
    /// The best of those with too much energy outside the support.
    best_outside: Option<Run>,
}

/// Pixels by which a support must be moved, around the ends of its array, to have its centre of mass in
/// the middle.
fn to_middle(support: &Centered<bool>) -> [isize; 3] {
    let shape = support.shape();
    let mut turns = [[0.0f64; 2]; 3];
    for (at, _) in support.0.indexed_iter().filter(|(_, inside)| **inside) {
        let at: [usize; 3] = at.into();
        for axis in 0..3 {
            // On a circle an object may lie across the ends.
            let angle = TAU * at[axis] as f64 / shape[axis] as f64;
            turns[axis][0] += angle.cos();
            turns[axis][1] += angle.sin();
        }
    }
    std::array::from_fn(|axis| {
        let [cos, sin] = turns[axis];
        let n = shape[axis] as f64;
        // A support without a side that is heavier has no centre.
        let at = if cos.hypot(sin) < 1e-6 { n / 2.0 } else { sin.atan2(cos).rem_euclid(TAU) / TAU * n };
        ((shape[axis] / 2) as f64 - at).round() as isize
    })
}

pub(super) fn score(run: &Run) -> f64 {
    run.fit.score()
}

impl Ensemble {
    /// The kept runs from random starts compared with the best of all.
    pub(super) fn comparison(&mut self) -> Result<Option<Comparison>> {
        let Some(best) = self.kept.first() else { return Ok(None) };
        let random = self.kept.iter().filter(|run| run.average_of == 0).collect::<Vec<_>>();
        let mut agreeing = Vec::new();
        let comparison = average::compare(best, &random, Some(&mut agreeing))?;
        self.agreeing = agreeing;
        Ok(Some(comparison))
    }

    /// The best run, which is not the average of others.
    pub fn best_run(&self) -> Option<&Run> {
        self.kept.iter().find(|run| !run.is_average())
    }

    /// Moves the objects of the kept runs by whole pixels so that their supports are in the middle of
    /// the array, wherever the runs happened to put them: the pattern is the same.
    pub fn centre(&mut self) {
        let Some(best) = self.kept.first() else { return };
        // The frame of the best run.
        let by = to_middle(&best.support);
        self.spread = self.spread.take().map(|spread| spread.rolled(by));
        for object in &mut self.agreeing {
            *object = object.rolled(by);
        }
        for run in &mut self.kept {
            let by = to_middle(&run.support);
            run.object = run.object.rolled(by);
            run.support = run.support.rolled(by);
        }
    }

    /// The runs with their arrays, in an order that serde keeps.
    pub fn whole_runs_mut(&mut self) -> impl Iterator<Item = &mut Run> {
        self.kept.iter_mut().chain(&mut self.best_outside)
    }

    /// As [`Ensemble::whole_runs_mut`], to be looked at.
    pub fn whole_runs(&self) -> impl Iterator<Item = &Run> {
        self.kept.iter().chain(&self.best_outside)
    }

    /// Takes in the outcome of one more run, whose start took `search_seconds` to find, and drops
    /// the worst where more than `keep` are kept. `noise` is that of the plan.
    pub(super) fn add(&mut self, number: usize, outcome: RunOutcome, [search_seconds, noise]: [f64; 2], keep: usize) {
        let mut run = match outcome {
            RunOutcome::Completed(run) => *run,
            RunOutcome::Diverged(run) => {
                self.all.push(RunSummary::diverged(number, run, search_seconds));
                return;
            }
        };
        (run.number, run.search_seconds) = (number, search_seconds);
        let better = self.kept.iter().filter(|other| score(other) <= score(&run)).count();
        let verdict = match run.ended {
            Ended::Finished if run.outside > MOST_OUTSIDE + noise * (1.0 - run.fit.support_fraction) => {
                RunVerdict::Outside
            }
            _ if better >= keep => RunVerdict::Worse,
            _ => RunVerdict::Kept,
        };
        self.interrupted |= run.ended == Ended::Interrupted;
        self.all.push(RunSummary::new(&run, verdict));
        match verdict {
            RunVerdict::Kept => {
                self.kept.insert(better, run);
                self.truncate(keep);
            }
            // Better than nothing, where nothing better comes.
            RunVerdict::Outside if self.best_outside.as_ref().is_none_or(|other| score(&run) < score(other)) => {
                self.best_outside = Some(run);
            }
            _ => {}
        }
    }

    /// Keeps the best of the runs with too much energy outside their supports, where no other has an
    /// object: the grade of the result tells what it is worth.
    pub(super) fn rescue(&mut self) {
        if let (true, Some(run)) = (self.kept.is_empty(), self.best_outside.take()) {
            self.kept.push(run);
        }
    }

    /// Drops the worst where more than `keep` are kept.
    pub(super) fn truncate(&mut self, keep: usize) {
        for run in self.kept.drain(keep.min(self.kept.len())..) {
            if let Some(line) = self.all.iter_mut().find(|line| line.number == run.number) {
                line.verdict = RunVerdict::Worse;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::Case;
    use super::*;

    #[test]
    fn objects_are_moved_to_the_middle_and_across_the_ends() {
        let plain = Case::behind_a_gap(|_, _| Complex32::new(30.0, 0.0)).run;
        let centred = |by| {
            let mut run = plain.clone();
            (run.object, run.support) = (run.object.rolled(by), run.support.rolled(by));
            let spread = Some(run.object.map(|value| value.norm()));
            let mut runs = Ensemble { kept: vec![run], spread, ..Ensemble::default() };
            runs.centre();
            let run = runs.kept.remove(0);
            assert_eq!(runs.spread.unwrap(), run.object.map(|value| value.norm()));
            assert_eq!(to_middle(&run.support), [0; 3]);
            run
        };
        let first = centred([0; 3]);
        for by in [[0, 3, -5], [0, 20, 31]] {
            let other = centred(by);
            assert!(other.object == first.object && other.support == first.support, "{by:?}");
        }
        assert_eq!(to_middle(&Centered::filled([1, 8, 8], true)), [0; 3]);
    }
}
