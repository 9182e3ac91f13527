//! Many runs of one problem: the best are kept, brought into register, averaged and compared.
//!
//! Three things find objects that single runs miss. Every second run may walk with other settings, as
//! within the bounds of a fill that it leaves before its end: where free pixels lead astray the fill
//! leads to the object, and the data decide. Later runs draw the areas of their supports about those
//! of the best earlier ones (`areas`). And the best runs that agree are averaged into the
//! start of a last one ([`super::average`]).

use super::areas::{self, Areas};
use super::average::{self, AveragePlan, Comparison, GROUPS};
use super::backend::{Backend, Start, View};
use super::complete::Variation;
use super::guided::{Search, guided};
use super::problem::Problem;
use super::recipe::Recipe;
use super::run::{Draw, Ended, Point, Run, RunOutcome, RunSettings};
use super::run_summary::{RunSummary, RunVerdict};
use super::smooth::Smoothness;
use super::start::{Draws, autocorrelation};
use super::support::Cut;
use super::walk::walk;
use crate::error::{Error, Result};
use crate::pixels::Pattern;
use crate::volume::{Centered, Cornered};
use serde::{Deserialize, Serialize};
use std::time::Instant;

/// A run with more than this fraction of its energy outside the support is dropped, beside what the
/// noise of the counts puts there.
const MOST_OUTSIDE: f64 = 0.1;

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
    /// Settings of each run.
    pub run: RunSettings,
    /// Settings of the runs with odd numbers, where they differ.
    pub odd: Option<RunSettings>,
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
    /// Number of runs.
    pub count: usize,
    /// Number of runs to keep.
    pub keep: usize,
}

impl EnsemblePlan {
    /// Runs that are kept whole at most, the last ones among them.
    pub fn most_kept(&self) -> usize {
        let last = self.average.as_ref().map_or(0, |average| GROUPS * average.runs.len());
        self.keep.max(self.members()) + last
    }

    /// Best runs that groups are made of.
    fn members(&self) -> usize {
        self.average.as_ref().map_or(0, |average| average.members)
    }

    /// Batches in which so many runs at once are done.
    pub fn batches(&self, size: usize) -> usize {
        let generations = areas::generations(self.count, self.area_search);
        generations.iter().map(|generation| generation.runs.len().div_ceil(size)).sum()
    }

    /// The steps of all kinds of runs, one after another: what a device must be able to do.
    pub fn steps(&self) -> Recipe {
        let last = self.average.iter().flat_map(|average| &average.runs);
        let runs = std::iter::once(&self.run).chain(&self.odd).chain(last);
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

/// The result of an ensemble: a summary of each run, and the best ones whole.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Ensemble {
    /// Best runs, best first: by [`super::Fit::score`], those with smoother ends by held-out pixels.
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
    /// The best of those with too much energy outside the support.
    best_outside: Option<Run>,
}

pub(super) fn score(run: &Run) -> f64 {
    run.fit.score()
}

/// Runs the plan, all of it or what `begun` lacks of its runs.
///
/// # Errors
/// [`Error::NoObject`] if no run is kept, [`Error::Interrupted`] if the observer stopped the search
/// for the first start, and failures of the device or of a start.
pub fn phase(
    backend: &mut dyn Backend,
    plan: &EnsemblePlan,
    begun: Ensemble,
    observer: &mut dyn Observer,
) -> Result<Ensemble> {
    let mut result = begun;
    result.kept.retain(|run| run.average_of == 0);
    result.all.retain(|run| run.average_of == 0);
    observer.so_far(&result);
    let kinds: Vec<&RunSettings> = std::iter::once(&plan.run).chain(&plan.odd).collect();
    let size = backend.batch_size().max(1);
    'all: for generation in areas::generations(plan.count, plan.area_search) {
        let areas = Areas::after(&result.all, &generation, kinds.len());
        let done = |index: &usize| result.all.iter().any(|run| run.number == *index);
        let indices: Vec<usize> = generation.runs.clone().filter(|index| !done(index)).collect();
        for chunk in indices.chunks(size * kinds.len()) {
            for (kind, settings) in kinds.iter().enumerate() {
                let batch: Vec<usize> = chunk.iter().copied().filter(|index| index % kinds.len() == kind).collect();
                if !batch.is_empty() {
                    result.run(&batch, settings, &areas, plan, backend, observer)?;
                }
                if result.interrupted {
                    break 'all;
                }
            }
        }
    }
    result.rescue();
    if let (Some(average), false) = (&plan.average, result.interrupted) {
        for group in average::groups(&result.kept)? {
            result.add_average(&group, average, plan, backend, observer)?;
        }
    }
    // Completing hidden modes leaves only the runs that it was done to.
    let before = if plan.completion.is_some() { result.comparison()? } else { None };
    if !result.interrupted {
        result.end(backend.problem(), plan, observer);
        observer.so_far(&result);
    }
    let comparison = if plan.completion.is_some() { before } else { result.comparison()? };
    if let (Some(comparison), Some(best)) = (comparison, result.kept.first()) {
        result.spread = comparison.spread_about(best)?;
        // That runs agree which began at one object says nothing.
        if !matches!(plan.support, FirstSupport::Earlier(_)) {
            result.distances = comparison.distances;
        }
    }
    result.truncate(plan.keep);
    result.all.sort_by_key(|run| run.number);
    if result.kept.is_empty() {
        return Err(Error::NoObject { runs: result.all.len() });
    }
    Ok(result)
}

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

/// The random numbers of run `index`, and where it starts.
fn draw(problem: &Problem, plan: &EnsemblePlan, areas: &Areas, index: usize, observer: &dyn Observer) -> Result<Draw> {
    let seed = plan.seed.wrapping_add(index as u64);
    let mut draws = Draws::new(seed);
    let threshold = draws.between(plan.threshold);
    let [least, most] = plan.run.support.fraction;
    let area = areas.draw(index, &mut draws);
    let cut = area.map_or(Cut::Threshold(threshold), |area| Cut::Area(area.max(least).min(most)));
    let random = |draws: &mut Draws, support: Cornered<bool>| Start {
        object: draws.object(&support, plan.start_phase, problem.photons),
        support,
    };
    let start = match &plan.support {
        FirstSupport::Given(support) => random(&mut draws, support.clone()),
        FirstSupport::Earlier(start) => (**start).clone(),
        FirstSupport::Autocorrelation { intensity, threshold } => {
            let support = autocorrelation(intensity, draws.between(*threshold))?;
            random(&mut draws, support)
        }
        FirstSupport::Guided { pattern, held_out, search, area } => {
            let search = Search { area: draws.between(*area), ..search.clone() };
            guided(pattern, held_out, &search, seed, &|done, of| observer.searched(done, of))?
        }
    };
    Ok(Draw { seed, cut, start })
}

impl Ensemble {
    /// Runs a batch, all with these settings, and takes in its outcomes.
    fn run(
        &mut self,
        batch: &[usize],
        settings: &RunSettings,
        areas: &Areas,
        plan: &EnsemblePlan,
        backend: &mut dyn Backend,
        observer: &mut dyn Observer,
    ) -> Result<()> {
        observer.begin(batch, settings.recipe.cycles());
        let begun = Instant::now();
        let mut draws = Vec::new();
        for &index in batch {
            match draw(backend.problem(), plan, areas, index, observer) {
                Ok(draw) => draws.push(draw),
                // What earlier runs found is kept.
                Err(Error::Interrupted) if !self.kept.is_empty() => {
                    observer.reached(self, true);
                    self.interrupted = true;
                    return Ok(());
                }
                Err(error) => return Err(error),
            }
        }
        let searched = begun.elapsed().as_secs_f64() / draws.len() as f64;
        let mut observe =
            |run: usize, point: &Point, backend: &mut dyn Backend| show_point(observer, batch, run, point, backend);
        let outcomes = walk(backend, settings, draws, &mut observe)?;
        if outcomes.iter().any(RunOutcome::interrupted) {
            observer.reached(self, true);
        }
        for (&index, outcome) in batch.iter().zip(outcomes) {
            self.add(index, outcome, [searched, plan.noise], plan.keep.max(plan.members()));
            if let Some(summary) = self.all.last() {
                observer.end(index, summary);
            }
        }
        observer.so_far(self);
        if !self.interrupted {
            observer.reached(self, false);
        }
        Ok(())
    }

    /// The kept runs from random starts compared with the best of all.
    fn comparison(&self) -> Result<Option<Comparison>> {
        let Some(best) = self.kept.first() else { return Ok(None) };
        let random = self.kept.iter().filter(|run| run.average_of == 0).collect::<Vec<_>>();
        Ok(Some(average::compare(best, &random)?))
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
    fn rescue(&mut self) {
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
    use super::*;
    use crate::geometry::Geometry;
    use crate::phasing::backend::GapConstraint;
    use crate::phasing::cpu::Batch;
    use crate::phasing::start::Form;
    use crate::phasing::support::SupportRule;
    use std::sync::Arc;

    fn phased(recipe: &str, support: Cornered<bool>, change: impl FnOnce(&mut EnsemblePlan)) -> Result<Ensemble> {
        phased_by(3, recipe, support, change)
    }

    fn phased_by(
        size: usize,
        recipe: &str,
        support: Cornered<bool>,
        change: impl FnOnce(&mut EnsemblePlan),
    ) -> Result<Ensemble> {
        let shape = support.shape();
        let mut field = Draws::new(1).object(&Form::Circle(4.0).support(shape), 1.0, 1e6);
        crate::fft::Fft::new(shape).forward(field.0.as_slice_mut().unwrap());
        let intensity = Cornered(field.0.mapv(|v| v.norm_sqr())).to_centered();
        let pattern = Pattern::new(intensity, Centered::filled(shape, 0), Geometry::default())?;
        let problem = Problem::new(&pattern, &Centered::filled(shape, false), false)?;
        let mut plan = EnsemblePlan {
            completion: None,
            run: RunSettings {
                recipe: recipe.parse()?,
                beta: 0.9,
                positivity: false,
                support: SupportRule::default(),
                smooth: [1.0, 0.5],
                threshold_end: None,
                gap_constraint: GapConstraint::default(),
                curve_interval: 5,
            },
            odd: None,
            average: None,
            smoothness: Smoothness::default(),
            noise: 0.0,
            threshold: [0.2, 0.2],
            area_search: false,
            support: FirstSupport::Given(support),
            start_phase: 1.0,
            seed: 3,
            count: 3,
            keep: 2,
        };
        change(&mut plan);
        phase(&mut Batch::new(Arc::new(problem), size), &plan, Ensemble::default(), &mut ())
    }

    #[test]
    fn nobody_need_observe_an_ensemble() {
        let found = phased("ER**10", Form::Circle(5.0).support([1, 32, 32]), |_| ()).unwrap();
        assert_eq!((found.kept.len(), found.all.len(), found.interrupted), (2, 3, false));
        assert!(score(&found.kept[0]) <= score(&found.kept[1]));
        assert!(found.all.iter().all(|run| run.fit.is_some()));
    }

    #[test]
    fn an_ensemble_of_vanished_objects_is_an_error() {
        let none = phased("ER**10,Sup,ER**10", Cornered::filled([1, 32, 32], false), |_| ());
        assert!(matches!(none, Err(Error::NoObject { runs: 3 })), "{none:?}");
    }

    #[test]
    fn later_runs_keep_areas_about_those_of_the_best_before_them() {
        let search = |plan: &mut EnsemblePlan| (plan.area_search, plan.count, plan.keep) = (true, 12, 12);
        let found = phased("(Sup*HIO**20)**4", Form::Circle(7.0).support([1, 32, 32]), search).unwrap();
        for run in &found.all {
            assert_eq!(matches!(run.cut, Cut::Area(_)), run.number >= 4, "{run:?}");
        }
        let mut before: Vec<_> =
            found.all.iter().take(8).filter_map(|run| Some((run.fit?.score(), run.area?))).collect();
        before.sort_by(|a, b| a.0.total_cmp(&b.0));
        for (run, (_, parent)) in found.all.iter().skip(8).zip(before) {
            assert!((run.area.unwrap() / parent).ln().abs() <= 0.2 + 1e-6, "{run:?} about {parent}");
        }
        // However many advance together.
        let again = phased_by(1, "(Sup*HIO**20)**4", Form::Circle(7.0).support([1, 32, 32]), search).unwrap();
        assert_eq!(again.kept[0].object, found.kept[0].object);
    }
}
