//! A pattern phased by every arm.

use super::{Arm, Said};
use crate::error::{Error, Result};
use crate::phasing::backend::Backend;
use crate::phasing::cpu::Batch;
use crate::phasing::ensemble::{EnsemblePlan, FirstSupport, Observer, phase};
use crate::phasing::memory;
use crate::phasing::problem::Problem;
use crate::phasing::run::{Point, Run};
use crate::phasing::select::{Device, DeviceRequest};
use crate::pixels::Pattern;
use crate::volume::Centered;
use rayon::prelude::*;
use std::sync::Arc;

/// What all arms have in common.
pub struct Trial<'a> {
    /// With its gap.
    pub pattern: &'a Pattern,
    /// Without.
    pub full: Option<&'a Pattern>,
    /// What the network says of the gap.
    pub said: Option<&'a Said>,
    /// Pixels held out for the free likelihood, measured in both patterns.
    pub held_out: &'a Centered<bool>,
    /// Start, recipe, seeds. The first support must be the same for all.
    pub plan: &'a EnsemblePlan,
    /// Whether the object is real.
    pub real: bool,
    /// Where it is phased.
    pub device: &'a Device,
}

/// The runs of an arm, one for each seed; those that gave nothing are left out.
#[derive(Debug)]
pub struct ArmRuns {
    /// Whose.
    pub arm: Arm,
    /// By seed.
    pub runs: Vec<Run>,
    /// The pattern with what the arm put into its gap.
    pub pattern: Pattern,
}

impl ArmRuns {
    /// The run that one would take, not knowing the truth: of lowest free log-likelihood, or log-likelihood.
    pub fn best(&self) -> Option<&Run> {
        let of = |run: &Run| run.fit.free_llk_poisson.unwrap_or(run.fit.llk_poisson);
        self.runs.iter().min_by(|a, b| of(a).total_cmp(&of(b)))
    }
}

impl Trial<'_> {
    /// Phases the arms, runs side by side. `go_on` is asked now and then.
    ///
    /// # Errors
    /// Those of [`Arm::estimate`] and [`Problem::new`], and [`Error::Interrupted`].
    pub fn phase(&self, arms: &[Arm], go_on: &(dyn Fn() -> bool + Sync)) -> Result<Vec<ArmRuns>> {
        let problems: Vec<(Arm, Pattern, Arc<Problem>)> =
            arms.iter().map(|&arm| self.problem(arm)).collect::<Result<_>>()?;
        let gpu = match problems.first() {
            Some((_, _, problem)) => self.open(problem)?,
            None => None,
        };
        if let Some(first) = gpu {
            return self.phase_in_batches(problems, first, go_on);
        }
        let count = self.plan.count;
        let jobs: Vec<(usize, usize)> = (0..count).flat_map(|run| (0..arms.len()).map(move |arm| (arm, run))).collect();
        let done: Vec<Option<Run>> = jobs
            .into_par_iter()
            .with_max_len(1)
            .map(|(index, run)| {
                let (arm, _, problem) = &problems[index];
                let mut plan = EnsemblePlan {
                    seed: self.plan.seed.wrapping_add(run as u64),
                    count: 1,
                    keep: 1,
                    ..self.plan.clone()
                };
                plan.run.recipe = arm.recipe(&plan.run.recipe);
                let mut silent = Silent { go_on };
                let found = phase(&mut Batch::new(problem.clone(), 1), &plan, &mut silent);
                // A run that diverged is a failure of its arm, not of the comparison.
                found.ok().and_then(|mut found| found.kept.pop())
            })
            .collect();
        if !go_on() {
            return Err(Error::Interrupted);
        }
        let mut arms: Vec<ArmRuns> =
            problems.into_iter().map(|(arm, pattern, _)| ArmRuns { arm, runs: Vec::new(), pattern }).collect();
        let number = arms.len();
        for (job, run) in done.into_iter().enumerate() {
            arms[job % number].runs.extend(run);
        }
        Ok(arms)
    }

    /// A GPU with room for the runs of an arm; nothing if the CPU phases, where runs of all arms go side by side.
    fn open(&self, problem: &Arc<Problem>) -> Result<Option<Box<dyn Backend>>> {
        let wanted = DeviceRequest {
            device: self.device,
            recipe: &self.plan.run.recipe,
            count: self.plan.count,
            keep: self.plan.count,
            available: memory::available(),
        };
        if *self.device == Device::Cpu {
            return Ok(None);
        }
        let chosen = wanted.open(Arc::clone(problem))?;
        Ok((chosen.device != "cpu").then_some(chosen.backend))
    }

    /// Arm by arm, all runs of one in a batch.
    fn phase_in_batches(
        &self,
        problems: Vec<(Arm, Pattern, Arc<Problem>)>,
        first: Box<dyn Backend>,
        go_on: &(dyn Fn() -> bool + Sync),
    ) -> Result<Vec<ArmRuns>> {
        let mut opened = Some(first);
        let mut arms = Vec::new();
        for (arm, pattern, problem) in problems {
            let backend = match opened.take() {
                Some(first) => Some(first),
                None => self.open(&problem)?,
            };
            let mut backend = backend.ok_or_else(|| Error::Object("the GPU is gone: try --device cpu".into()))?;
            let mut plan = EnsemblePlan { keep: self.plan.count, ..self.plan.clone() };
            plan.run.recipe = arm.recipe(&plan.run.recipe);
            let found = phase(&mut *backend, &plan, &mut Silent { go_on });
            if !go_on() {
                return Err(Error::Interrupted);
            }
            // Runs that diverged are a failure of their arm, not of the comparison.
            let mut runs = found.map(|found| found.kept).unwrap_or_default();
            runs.sort_by_key(|run| run.seed);
            arms.push(ArmRuns { arm, runs, pattern });
        }
        Ok(arms)
    }

    fn problem(&self, arm: Arm) -> Result<(Arm, Pattern, Arc<Problem>)> {
        let pattern = match (arm, self.full) {
            (Arm::Full, Some(full)) => full.clone(),
            (Arm::Full, None) => return Err(Error::Object("no pattern without gap is there to compare".into())),
            _ => Pattern { estimate: arm.estimate(self.pattern, self.said)?, ..self.pattern.clone() },
        };
        let problem = Problem::new(&pattern, self.held_out, self.real)?;
        Ok((arm, pattern, Arc::new(problem)))
    }
}

/// Says nothing.
struct Silent<'a> {
    go_on: &'a (dyn Fn() -> bool + Sync),
}

impl Observer for Silent<'_> {
    fn searched(&self, _: usize, _: usize) -> bool {
        (self.go_on)()
    }

    fn point(&mut self, _: usize, _: &Point) -> bool {
        (self.go_on)()
    }
}

/// The support in which all arms begin, from the pattern with its gap.
impl Trial<'_> {
    /// Where the autocorrelation of what was measured exceeds a part of its maximum.
    pub fn autocorrelation(pattern: &Pattern, threshold: [f32; 2]) -> FirstSupport {
        FirstSupport::Autocorrelation { intensity: pattern.intensity.to_cornered(), threshold }
    }
}
