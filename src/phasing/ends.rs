//! The end of an ensemble: last runs from the average of the best ones, and ends with priors for
//! smoothness or with completed hidden modes.

use super::average::{AveragePlan, Comparison};
use super::backend::{Backend, Start};
use super::complete::{Variation, completed};
use super::ensemble::{Ensemble, EnsemblePlan, Observer, RunSummary, evenness, score};
use super::problem::Problem;
use super::run::{Draw, Point, Run, RunOutcome};
use super::smooth::{Smoothness, smoothed};
use super::walk::walk;
use crate::error::Result;
use std::time::Instant;

/// Runs that are ended with priors for smoothness, where fewer are kept.
const SMOOTHED: usize = 4;

/// A smoother end is taken where it predicts held-out pixels as well, or worse by less than this
/// factor: they are few, and their prediction is noisy by as much.
const SMOOTHER: f64 = 1.15;

impl Ensemble {
    /// Adds the runs that begin at the average of the best ones; nothing where no two agree.
    pub(super) fn add_average(
        &mut self,
        comparison: &Comparison,
        average: &AveragePlan,
        plan: &EnsemblePlan,
        backend: &mut dyn Backend,
        observer: &mut dyn Observer,
    ) -> Result<()> {
        let (Some(best), 2..) = (self.kept.first(), comparison.count) else { return Ok(()) };
        let (seed, threshold, support) = (best.seed, best.threshold, best.support.to_cornered());
        for (number, settings) in (plan.count..).zip(&average.runs) {
            observer.begin(&[number], settings.recipe.cycles());
            let start = Start { object: comparison.mean.to_cornered(), support: support.clone() };
            let mut observe = |_: usize, point: &Point| observer.point(number, point);
            let outcomes = walk(backend, settings, vec![Draw { seed, threshold, start }], &mut observe)?;
            if outcomes.iter().any(RunOutcome::interrupted) {
                observer.reached(self, true);
            }
            for outcome in outcomes {
                // From an average that vanished nothing is learned.
                let RunOutcome::Completed(mut run) = outcome else { continue };
                run.average_of = comparison.count;
                // None of the others is lost to it: a search that is stopped here begins its last runs anew.
                let keep = plan.keep.max(average.members) + average.runs.len();
                self.add(number, RunOutcome::Completed(run), [0.0, plan.noise], keep);
                if let Some(summary) = self.all.last() {
                    observer.end(number, summary);
                }
            }
            if self.interrupted {
                break;
            }
        }
        Ok(())
    }

    /// Ends the best runs as planned: their hidden modes completed, or with each prior for smoothness.
    pub(super) fn end(&mut self, problem: &Problem, plan: &EnsemblePlan, observer: &dyn Observer) {
        match plan.completion {
            Some(variation) => self.complete(problem, variation, plan, observer),
            None => self.smooth(problem, plan, observer),
        }
        self.kept.sort_by(|a, b| score(a).total_cmp(&score(b)));
        self.interrupted |= !observer.go_on();
    }

    /// Puts the best runs with completed hidden modes in their places, then brought back to the counts,
    /// which see a part of them. The others are dropped: that they fit better says nothing of what is
    /// hidden.
    fn complete(&mut self, problem: &Problem, variation: Variation, plan: &EnsemblePlan, observer: &dyn Observer) {
        self.truncate(plan.keep.max(SMOOTHED));
        for run in &mut self.kept {
            let begun = Instant::now();
            let go_on = || observer.go_on();
            if let Some(ended) = completed(problem, run, variation, &go_on) {
                let mut ended = smoothed(problem, &ended, 0.0, true, &go_on).unwrap_or(ended);
                ended.seconds += begun.elapsed().as_secs_f64();
                replace(&mut self.all, run, ended);
            }
        }
    }

    /// Ends the best runs once more with each prior for smoothness, and puts what is better in their
    /// places.
    fn smooth(&mut self, problem: &Problem, plan: &EnsemblePlan, observer: &dyn Observer) {
        let Smoothness { weights, released } = &plan.smoothness;
        for run in self.kept.iter_mut().take(plan.keep.max(SMOOTHED)) {
            let begun = Instant::now();
            let ended = weights.iter().map(|&weight| smoothed(problem, run, weight, *released, &|| observer.go_on()));
            let best = ended.flatten().min_by(|a, b| score(a).total_cmp(&score(b)));
            let Some(mut best) = best.filter(|best| score(best) < SMOOTHER * score(run)) else { continue };
            best.seconds += begun.elapsed().as_secs_f64();
            replace(&mut self.all, run, best);
        }
    }
}

/// Puts another end of a run in its place, and in its line.
fn replace(lines: &mut [RunSummary], run: &mut Run, ended: Run) {
    if let Some(line) = lines.iter_mut().find(|line| line.number == ended.number) {
        let [mean_to_max, sharpness] = evenness(&ended).map(Some);
        (line.smoothness, line.fit, line.seconds) = (ended.smoothness, Some(ended.fit), ended.seconds);
        (line.mean_to_max, line.sharpness) = (mean_to_max, sharpness);
    }
    *run = ended;
}
