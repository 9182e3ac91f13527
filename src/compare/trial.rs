//! A pattern phased by every contender, from equal starts.

use super::Contender;
use crate::error::{Error, Result};
use crate::inpaint::predict::NetworkEstimate;
use crate::phasing::run::Run;
use crate::pixels::Pattern;
use crate::reconstruct::{BoundsCourse, Event, Observer, PhasingStart, Silent, gap_choice, phase};
use crate::settings::Settings;
use rayon::prelude::*;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What all contenders have in common.
#[derive(Debug, Clone, Copy)]
pub struct Trial<'a> {
    /// The pattern with its gap, and the estimate that its file brings.
    pub pattern: &'a Pattern,
    /// The pattern without the gap, where it is known.
    pub full: Option<&'a Pattern>,
    /// What the network predicts of the gap.
    pub network: Option<&'a NetworkEstimate>,
    /// Held-out pixels, measured in both patterns, and the first support.
    pub start: &'a PhasingStart,
    /// Recipe, seeds, number of runs and device.
    pub settings: &'a Settings,
}

/// The runs of a contender.
#[derive(Debug)]
pub struct ContenderRuns {
    /// The treatment, or the pattern without a gap.
    pub contender: Contender,
    /// Runs that gave an object, in the order of their seeds.
    pub runs: Vec<Run>,
    /// The pattern with the contender's estimates in its gap.
    pub pattern: Pattern,
}

impl ContenderRuns {
    /// Free log-likelihood of the run that would be chosen, where pixels were held out.
    pub fn free_llk(&self) -> Option<f64> {
        self.best()?.fit.free_llk_poisson
    }

    /// The run that would be chosen without knowing the truth: that of the lowest
    /// [`Fit::score`](crate::phasing::Fit::score).
    pub fn best(&self) -> Option<&Run> {
        Some(&self.runs[self.chosen()?])
    }

    /// Place of that run.
    pub fn chosen(&self) -> Option<usize> {
        let score = |index: &usize| self.runs[*index].fit.score();
        let best = || (0..self.runs.len()).min_by(|a, b| score(a).total_cmp(&score(b)));
        self.runs.iter().position(Run::is_average).or_else(best)
    }
}

impl Trial<'_> {
    /// Phases the contenders, side by side where the CPU does it.
    ///
    /// # Errors
    /// Those of [`GapTreatment::estimate`](crate::inpaint::GapTreatment::estimate) and [`phase()`],
    /// but for a contender none of whose runs gave an object: that is its result.
    /// [`Error::Interrupted`] where the observer stopped it.
    pub fn phase(&self, contenders: &[Contender], observer: &dyn Observer) -> Result<Vec<ContenderRuns>> {
        let mut settings = self.settings.clone();
        // Equal cycles for all treatments, whatever the first runs find.
        let ensemble = &mut settings.ensemble;
        (ensemble.count, ensemble.keep, ensemble.more) = (ensemble.most(), ensemble.most(), 0);
        // Runs of one contender that learned from each other would have no partners in another.
        settings.support.area_search = false;
        let Some((&first, others)) = contenders.split_first() else { return Ok(Vec::new()) };
        let phased = AtomicUsize::new(0);
        let one = |contender| {
            let runs = self.one(contender, &settings, observer)?;
            let done = (phased.fetch_add(1, Ordering::Relaxed) + 1) as f64 / contenders.len() as f64;
            observer.observe(Event::Work { name: "treatments", done });
            Ok(runs)
        };
        let (first, device) = one(first)?;
        // A card takes all runs of a contender at once; another contender beside it would only
        // wait.
        let others: Vec<ContenderRuns> = if device == "cpu" {
            let jobs = others.par_iter().with_max_len(1);
            jobs.map(|&other| Ok(one(other)?.0)).collect::<Result<_>>()?
        } else {
            others.iter().map(|&other| Ok(one(other)?.0)).collect::<Result<_>>()?
        };
        Ok(std::iter::once(first).chain(others).collect())
    }

    /// The runs of a contender, and the device on which they ran.
    fn one(
        &self,
        contender: Contender,
        settings: &Settings,
        observer: &dyn Observer,
    ) -> Result<(ContenderRuns, String)> {
        let (pattern, bounds) = match contender {
            Contender::Full => {
                let problem = "there is no pattern without the gap to compare with: give --truth";
                let full = self.full.ok_or_else(|| Error::setting("gaps", "full", problem))?;
                (full.clone(), BoundsCourse::Kept)
            }
            Contender::Gap(gap) => {
                let estimate = gap.estimate(self.pattern, self.network, &mut |_| observer.go_on())?;
                (Pattern { estimate, ..self.pattern.clone() }, BoundsCourse::of(gap))
            }
            Contender::Auto => {
                let network =
                    || self.network.cloned().ok_or_else(|| Error::setting("gaps", "auto", "needs the network"));
                let choice = gap_choice(self.pattern, settings, &network)?;
                let estimate = choice.search.map(|(_, estimate)| estimate);
                let bounds = if estimate.is_some() { BoundsCourse::Alternating } else { BoundsCourse::Kept };
                (Pattern { estimate, ..self.pattern.clone() }, bounds)
            }
        };
        let phased = phase(&pattern, self.start.clone(), bounds, settings, None, &Silent(observer));
        if !observer.go_on() {
            return Err(Error::Interrupted);
        }
        let (mut runs, device) = match phased {
            Ok(phased) => (phased.ensemble.kept, phased.device),
            // All runs diverged: a failure of the contender, not of the comparison.
            Err(Error::NoObject { .. }) => (Vec::new(), String::new()),
            Err(error) => return Err(error),
        };
        runs.sort_by_key(|run| (run.average_of > 0, run.seed));
        Ok((ContenderRuns { contender, runs, pattern }, device))
    }
}
