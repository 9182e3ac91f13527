//! The end of an ensemble: last runs from the average of the best ones, ends with priors for smoothness
//! or with completed hidden modes, and the average that is the result.

use super::average::{AveragePlan, Group, related};
use super::backend::{Backend, Start};
use super::complete::{Variation, completed};
use super::ensemble::{Ensemble, EnsemblePlan, Observer, show_point};
use super::problem::Problem;
use super::run::{Draw, Ended, Point, Run, RunOutcome};
use super::run_summary::{RunSummary, RunVerdict};
use super::smooth::{Objective, Smoothness, smoothed};
use super::walk::walk;
use crate::error::Result;
use num_complex::Complex32;
use std::time::Instant;

/// A smoother end is taken where it predicts held-out pixels as well, or worse by less than this
/// factor: they are few, and their prediction is noisy by as much.
const SMOOTHER: f64 = 1.15;

impl Ensemble {
    /// Adds the runs that begin at the average of a group of runs that agree, numbered from `first` on
    /// or after those that are there.
    pub(super) fn add_average(
        &mut self,
        group: &Group,
        average: &AveragePlan,
        first: usize,
        plan: &EnsemblePlan,
        backend: &mut dyn Backend,
        observer: &mut dyn Observer,
    ) -> Result<()> {
        let first = self.all.iter().map(|run| run.number + 1).max().unwrap_or(0).max(first);
        for (number, settings) in (first..).zip(&average.runs) {
            if self.interrupted {
                break;
            }
            observer.begin(&[number], settings.recipe.cycles());
            let start = Start { object: group.mean.to_cornered(), support: group.support.to_cornered() };
            let mut observe = |run: usize, point: &Point, backend: &mut dyn Backend| {
                show_point(observer, &[number], run, point, backend)
            };
            let draw = Draw { seed: group.seed, cut: group.cut, start };
            let outcomes = walk(backend, settings, vec![draw], &mut observe)?;
            if outcomes.iter().any(RunOutcome::interrupted) {
                observer.reached(self, true);
            }
            for outcome in outcomes {
                // From an average that vanished nothing is learned.
                let RunOutcome::Completed(mut run) = outcome else { continue };
                run.average_of = group.count;
                // None of the others is lost to it: a search that is stopped here begins its last runs anew.
                self.add(number, RunOutcome::Completed(run), [0.0, plan.noise], plan.most_kept());
                if let Some(summary) = self.all.last() {
                    observer.end(number, summary);
                }
            }
            observer.so_far(self);
        }
        Ok(())
    }

    /// Ends the best runs as planned: their hidden modes completed, or with each prior for smoothness.
    ///
    /// Smoother ends fit the counts less by intention, so their order is that of the held-out pixels.
    pub(super) fn end(&mut self, problem: &Problem, plan: &EnsemblePlan, observer: &mut dyn Observer) {
        let ends = match plan.completion {
            Some(variation) => completions(&self.kept, problem, variation, plan, observer),
            None => smooth_ends(&self.kept, problem, plan, observer),
        };
        if !observer.go_on() {
            // Before they change: whoever goes on from here ends them anew.
            observer.reached(self, true);
            self.interrupted = true;
        }
        if plan.completion.is_some() {
            // That the others fit better says nothing of what is hidden.
            self.truncate(ends.len());
        }
        let ended = ends.len();
        for (run, end) in self.kept.iter_mut().zip(ends) {
            if let Some(end) = end {
                replace(&mut self.all, run, end);
            }
        }
        let held_out = |run: &Run| run.fit.predicted_llk() * run.fit.support_fraction;
        self.kept[..ended].sort_by(|a, b| held_out(a).total_cmp(&held_out(b)));
    }

    /// The average of the best run with all kept ones that have the same object, in its support; nothing
    /// where too few have, and of volumes, of which there are few runs: there the best was as good.
    ///
    /// # Errors
    /// If an object is not finite.
    pub(super) fn averaged(
        &self,
        problem: &Problem,
        plan: &EnsemblePlan,
        observer: &dyn Observer,
    ) -> Result<Option<Run>> {
        let Some(best) = self.kept.first().filter(|_| problem.shape()[0] == 1) else { return Ok(None) };
        let Some((mut object, count)) = related(&self.smooth(problem, plan, observer))? else { return Ok(None) };
        if problem.real {
            object.0.mapv_inplace(|value| Complex32::new(value.re, 0.0));
        }
        let average = Run {
            number: self.all.iter().map(|run| run.number + 1).max().unwrap_or(0),
            average_of: count,
            object,
            curve: Vec::new(),
            cycles: 0,
            seconds: 0.0,
            search_seconds: 0.0,
            ..best.clone()
        };
        let objective = Objective::new(problem, &average, 0.0, plan.smoothness.released);
        let fitted = objective.run(&average, &objective.pixels(&average.object), 0.0);
        Ok(fitted.map(|fitted| Run { ended: Ended::Averaged, ..fitted }))
    }

    /// The kept runs with less noise, of which there is less in their average then: those that were not
    /// ended with a prior for smoothness have that of the best.
    fn smooth(&self, problem: &Problem, plan: &EnsemblePlan, observer: &dyn Observer) -> Vec<Run> {
        let mut runs = self.kept.clone();
        let Some(best) = runs.first().filter(|best| best.smoothness > 0.0) else {
            return runs;
        };
        let weight = best.smoothness;
        let number = runs.len();
        for (done, run) in runs.iter_mut().enumerate().skip(plan.ended()) {
            let ended = smoothed(problem, run, weight, plan.smoothness.released, &|| observer.go_on());
            if let Some(ended) = ended.filter(|ended| worth_it(ended, run)) {
                *run = ended;
            }
            observer.ending(done + 1, number);
        }
        runs
    }

    /// Puts the average of runs before them: it is the result.
    pub(super) fn put_first(&mut self, average: Run) {
        self.all.push(RunSummary::new(&average, RunVerdict::Kept));
        self.kept.insert(0, average);
    }
}

/// Whether a smoother end predicts held-out pixels well enough.
fn worth_it(ended: &Run, run: &Run) -> bool {
    ended.fit.predicted_llk() < SMOOTHER * run.fit.predicted_llk()
}

/// The best runs with completed hidden modes, then brought back to the counts, which see a part of
/// them; nothing for one that keeps its end.
fn completions(
    runs: &[Run],
    problem: &Problem,
    variation: Variation,
    plan: &EnsemblePlan,
    observer: &dyn Observer,
) -> Vec<Option<Run>> {
    let runs = &runs[..runs.len().min(plan.ended())];
    let go_on = || observer.go_on();
    let end = |(index, run): (usize, &Run)| {
        let begun = Instant::now();
        let ended = completed(problem, run, variation, &go_on);
        observer.ending(2 * index + 1, 2 * runs.len());
        let ended = ended?;
        let mut ended = smoothed(problem, &ended, 0.0, true, &go_on).unwrap_or(ended);
        ended.seconds += begun.elapsed().as_secs_f64();
        observer.ending(2 * index + 2, 2 * runs.len());
        Some(ended)
    };
    runs.iter().enumerate().map(end).collect()
}

/// The best runs, each with the prior for smoothness that predicts held-out pixels best; nothing for
/// one that keeps its end.
fn smooth_ends(runs: &[Run], problem: &Problem, plan: &EnsemblePlan, observer: &dyn Observer) -> Vec<Option<Run>> {
    let Smoothness { weights, released } = &plan.smoothness;
    if weights.is_empty() {
        return Vec::new();
    }
    let runs = &runs[..runs.len().min(plan.ended())];
    let end = |(index, run): (usize, &Run)| {
        let begun = Instant::now();
        let ended = weights.iter().enumerate().filter_map(|(number, &weight)| {
            let ended = smoothed(problem, run, weight, *released, &|| observer.go_on());
            observer.ending(index * weights.len() + number + 1, runs.len() * weights.len());
            ended
        });
        let held_out = |run: &Run| run.fit.predicted_llk();
        let mut best = ended.min_by(|a, b| held_out(a).total_cmp(&held_out(b)))?;
        best.seconds += begun.elapsed().as_secs_f64();
        worth_it(&best, run).then_some(best)
    };
    runs.iter().enumerate().map(end).collect()
}

/// Puts another end of a run in its place, and in its line.
fn replace(lines: &mut [RunSummary], run: &mut Run, ended: Run) {
    if let Some(line) = lines.iter_mut().find(|line| line.number == ended.number) {
        *line = RunSummary::new(&ended, line.verdict);
    }
    *run = ended;
}
