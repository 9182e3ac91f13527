//! The end of an ensemble: last runs from the average of the best ones, and ends with priors for
//! smoothness or with completed hidden modes.

use super::average::{AveragePlan, Group};
use super::backend::{Backend, Start};
use super::complete::{Variation, completed};
use super::ensemble::{Ensemble, EnsemblePlan, Observer, show_point};
use super::problem::Problem;
use super::run::{Draw, Point, Run, RunOutcome};
use super::run_summary::RunSummary;
use super::smooth::{Smoothness, smoothed};
use super::walk::walk;
use crate::error::Result;
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
        (held_out(&best) < SMOOTHER * held_out(run)).then_some(best)
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
