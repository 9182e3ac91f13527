//! Runs: a recipe walked step by step by all runs of a batch on a backend.

use super::backend::{Backend, Fit, Gaps, Start};
use super::recipe::{Parameter, Recipe, Step};
use super::support::{Reference, SupportRule};
use crate::error::Result;
use crate::volume::Centered;
use num_complex::Complex32;
use serde::Serialize;
use std::time::Instant;

/// How a run is done, beside its start.
#[derive(Debug, Clone)]
pub struct RunSettings {
    /// What to do.
    pub recipe: Recipe,
    /// Relaxation of HIO, HPR, RAAR and DM.
    pub beta: f32,
    /// Whether negative real parts count as outside the support.
    pub positivity: bool,
    /// The support update at the start of the recipe; its `sigma` comes from `smooth`.
    pub support: SupportRule,
    /// Blur of the support update, pixels, at the first and last cycle; it shrinks exponentially.
    pub smooth: [f32; 2],
    /// Threshold of the support update at the last cycle, on a straight line from the rule's own at the first; `None` keeps
    /// the rule's.
    pub threshold_end: Option<f32>,
    /// How pixels without measurement are treated at the start of the recipe.
    pub gaps: Gaps,
    /// Cycles between two points of the error curve.
    pub sample: usize,
}

/// One point of a run's error curve.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Point {
    /// Cycles done.
    pub cycle: usize,
    /// How well the object fits.
    #[serde(flatten)]
    pub fit: Fit,
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Ended {
    /// The recipe is done.
    Finished,
    /// The observer asked to stop; the object is what was there.
    Interrupted,
    /// The object vanished or overflowed.
    Diverged,
}

/// A run's result.
#[derive(Debug, Clone)]
pub struct Run {
    /// What its random numbers came from.
    pub seed: u64,
    /// The object, cut to its support and scaled to the measurement; square roots of photons.
    pub object: Centered<Complex32>,
    /// The final support.
    pub support: Centered<bool>,
    /// The support that it began with.
    pub first_support: Centered<bool>,
    /// How well the object fits.
    pub fit: Fit,
    /// Fraction of the energy of the object's modulus projection outside the final support.
    pub outside: f64,
    /// The curve on the way.
    pub curve: Vec<Point>,
    /// How it ended.
    pub ended: Ended,
    /// Cycles done.
    pub cycles: usize,
    /// Wall-clock seconds.
    pub seconds: f64,
    /// Wall-clock seconds of the search for its start, not counted in `seconds`.
    pub search_seconds: f64,
    /// Threshold of the support update at the start.
    pub threshold: f32,
}

/// What distinguishes a run of a batch from the others.
#[derive(Debug, Clone)]
pub struct Draw {
    /// What its random numbers come from.
    pub seed: u64,
    /// Threshold of its support updates at the start.
    pub threshold: f32,
    /// Its first object and support.
    pub start: Start,
}

/// The state that a recipe changes, beside the backend's.
struct Walk<'a> {
    backend: &'a mut dyn Backend,
    settings: RunSettings,
    /// Blur and threshold set by the recipe, instead of the schedule's.
    sigma: Option<f32>,
    threshold: Option<f32>,
    cycle: usize,
    total: usize,
    /// The cycle at which the backend was asked for a point that was not fetched yet: while the answer is under way, the next cycles
    /// are queued, so that a device never waits.
    asked: Option<usize>,
    lanes: Vec<Lane>,
    observe: &'a mut dyn FnMut(usize, &Point) -> bool,
}

/// A run of the batch.
struct Lane {
    threshold: f32,
    curve: Vec<Point>,
    ended: Option<Ended>,
}

/// Why a walk stops before its end.
enum Stop {
    /// No run goes on.
    Ended,
    /// The device failed.
    Failed(crate::error::Error),
}

/// Walks `settings.recipe` with every draw, as one batch of the backend. `observe` is called with the number of the run in the batch
/// at every point of its curve, and says whether to go on.
///
/// # Errors
/// If the device failed.
pub fn run(
    backend: &mut dyn Backend,
    settings: &RunSettings,
    draws: Vec<Draw>,
    observe: &mut dyn FnMut(usize, &Point) -> bool,
) -> Result<Vec<Run>> {
    let begun = Instant::now();
    let (starts, draws): (Vec<Start>, Vec<_>) =
        draws.into_iter().map(|draw| (draw.start, (draw.seed, draw.threshold))).unzip();
    backend.start(&starts);
    let first_supports: Vec<Centered<bool>> = starts.iter().map(|start| start.support.to_centered()).collect();
    drop(starts);
    backend.set_gaps(settings.gaps);
    let lane = |&(_, threshold): &(u64, f32)| Lane { threshold, curve: Vec::new(), ended: None };
    let mut walk = Walk {
        backend,
        settings: settings.clone(),
        sigma: None,
        threshold: None,
        cycle: 0,
        total: settings.recipe.cycles(),
        asked: None,
        lanes: draws.iter().map(lane).collect(),
        observe,
    };
    let all = settings.recipe.unrolled().into_iter().try_for_each(|step| walk.step(step));
    if let Err(Stop::Failed(error)) = all.and_then(|()| walk.answer()) {
        return Err(error);
    }
    let Walk { backend, lanes, cycle, .. } = walk;
    backend.measure();
    let fits = backend.measured()?;
    let number = draws.len() as f64;
    let mut runs = Vec::new();
    for (index, (((lane, fit), first_support), (seed, threshold))) in
        lanes.into_iter().zip(fits).zip(first_supports).zip(draws).enumerate()
    {
        let done = backend.finish(index)?;
        let support = done.support.to_centered();
        let outside = outside(&done.density, done.support.as_slice());
        let mut object = done.object;
        let scale = fit.scale as f32;
        object.0.zip_mut_with(&done.support.0, |o, &s| *o = if s { *o * scale } else { Complex32::ZERO });
        let alive = fit.r_factor.is_finite() && fit.scale.is_finite() && fit.scale > 0.0;
        let ended = if alive { lane.ended.unwrap_or(Ended::Finished) } else { Ended::Diverged };
        runs.push(Run {
            seed,
            object: object.to_centered(),
            support,
            first_support,
            fit,
            outside,
            cycles: if ended == Ended::Diverged { lane.curve.last().map_or(cycle, |point| point.cycle) } else { cycle },
            curve: lane.curve,
            ended,
            seconds: begun.elapsed().as_secs_f64() / number,
            search_seconds: 0.0,
            threshold,
        });
    }
    Ok(runs)
}

/// Fraction of the energy where the support is not.
fn outside(density: &[f32], support: &[bool]) -> f64 {
    let (all, out) = density.iter().zip(support).fold((0.0, 0.0), |(all, out), (&d, &inside)| {
        let energy = f64::from(d) * f64::from(d);
        (all + energy, if inside { out } else { out + energy })
    });
    if all > 0.0 { out / all } else { 0.0 }
}

impl Walk<'_> {
    fn step(&mut self, step: &Step) -> Result<(), Stop> {
        match *step {
            Step::Cycles(algorithm, n) => {
                let cycle = algorithm.cycle(self.settings.beta, self.settings.positivity);
                self.sampled(n, |backend, n| backend.cycles(cycle, n))
            }
            Step::Detwin(algorithm, n) => {
                let cycle = algorithm.cycle(self.settings.beta, self.settings.positivity);
                self.backend.halve_supports();
                let done = self.sampled(n, |backend, n| backend.cycles(cycle, n));
                self.backend.whole_supports();
                done
            }
            Step::MaximumLikelihood(n) => self.sampled(n, |backend, n| backend.conjugate_gradients(n)),
            Step::SupportUpdate(n) => {
                (0..n).for_each(|_| self.update_supports());
                Ok(())
            }
            Step::Set(parameter) => {
                self.set(parameter);
                Ok(())
            }
            Step::Repeat(ref steps, n) => (0..n).try_for_each(|_| steps.iter().try_for_each(|s| self.step(s))),
        }
    }

    /// Does `n` cycles, stopping at the cycles where the curve has its points.
    fn sampled(&mut self, n: usize, work: impl Fn(&mut dyn Backend, usize)) -> Result<(), Stop> {
        let sample = self.settings.sample.max(1);
        let mut left = n;
        while left > 0 {
            let now = left.min(sample - self.cycle % sample);
            work(self.backend, now);
            left -= now;
            self.cycle += now;
            if self.cycle.is_multiple_of(sample) || self.cycle == self.total {
                self.answer()?;
                self.backend.measure();
                self.asked = Some(self.cycle);
            }
        }
        Ok(())
    }

    /// Fetches the point that was asked for.
    fn answer(&mut self) -> Result<(), Stop> {
        let Some(cycle) = self.asked.take() else { return Ok(()) };
        let fits = self.backend.measured().map_err(Stop::Failed)?;
        let mut go_on = true;
        for (index, (lane, fit)) in self.lanes.iter_mut().zip(fits).enumerate() {
            if lane.ended.is_some() {
                continue;
            }
            let point = Point { cycle, fit };
            lane.curve.push(point);
            if fit.r_factor.is_finite() {
                go_on &= (self.observe)(index, &point);
            } else {
                lane.ended = Some(Ended::Diverged);
            }
        }
        if !go_on {
            self.lanes.iter_mut().for_each(|lane| lane.ended = lane.ended.or(Some(Ended::Interrupted)));
        }
        if self.lanes.iter().all(|lane| lane.ended.is_some()) { Err(Stop::Ended) } else { Ok(()) }
    }

    fn update_supports(&mut self) {
        let [begin, end] = self.settings.smooth;
        let progress = self.cycle as f32 / self.total.max(1) as f32;
        // An exponential has no zero: a blur of a twentieth of a pixel is none.
        let scheduled = if begin > 0.0 { begin * (end.max(0.05) / begin).powf(progress) } else { end * progress };
        let settings = &self.settings;
        let rule = |lane: &Lane| {
            let from = lane.threshold;
            SupportRule {
                sigma: self.sigma.unwrap_or(scheduled),
                threshold: self.threshold.unwrap_or(from + (settings.threshold_end.unwrap_or(from) - from) * progress),
                positivity: settings.positivity,
                ..settings.support.clone()
            }
        };
        let rules: Vec<SupportRule> = self.lanes.iter().map(rule).collect();
        self.backend.update_supports(&rules);
    }

    fn set_gaps(&mut self, gaps: Gaps) {
        self.settings.gaps = gaps;
        self.backend.set_gaps(gaps);
    }

    fn set(&mut self, parameter: Parameter) {
        let support = &mut self.settings.support;
        match parameter {
            Parameter::Beta(v) => self.settings.beta = v,
            Parameter::Positivity(v) => self.settings.positivity = v,
            Parameter::SupportThreshold(v) => self.threshold = Some(v),
            Parameter::SupportThresholdMethod(v) => support.reference = v,
            Parameter::SupportOnlyShrink(v) => support.only_shrink = v,
            Parameter::SupportUpdateBorderN(v) => support.border = v,
            Parameter::SupportSmoothWidth(v) => self.sigma = Some(v),
            Parameter::GapBounds(v) => self.set_gaps(Gaps { released: !v, ..self.settings.gaps }),
            Parameter::GapLeak(v) => self.set_gaps(Gaps { leak: v, ..self.settings.gaps }),
        }
    }
}

/// The plainest support rule, for tests and benchmarks.
impl Default for SupportRule {
    fn default() -> Self {
        SupportRule {
            sigma: 2.0,
            threshold: 0.25,
            reference: Reference::Rms,
            positivity: false,
            only_shrink: false,
            border: 0,
            expand: Vec::new(),
            fraction: [0.0, 1.0],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::phasing::backend::Finished;
    use crate::phasing::problem::Problem;
    use crate::phasing::rules::{Algorithm, Cycle};
    use crate::volume::Cornered;

    /// A backend that writes down what it is asked to do.
    struct Diary {
        lines: Vec<String>,
        supports: Vec<Cornered<bool>>,
        dies: Option<usize>,
        dead: bool,
        asked: std::collections::VecDeque<Vec<Fit>>,
    }

    impl Backend for Diary {
        fn batch_size(&self) -> usize {
            2
        }
        fn start(&mut self, starts: &[Start]) {
            self.supports = starts.iter().map(|start| start.support.clone()).collect();
            self.lines.push("start".into());
        }
        fn cycles(&mut self, cycle: Cycle, n: usize) {
            let name = Algorithm::ALL
                .into_iter()
                .find(|a| [0.5, 0.9].iter().any(|&beta| a.cycle(beta, false) == cycle))
                .map_or("positive", Algorithm::name);
            self.lines.push(format!("{name} {n}"));
        }
        fn conjugate_gradients(&mut self, n: usize) {
            self.lines.push(format!("ML {n}"));
        }
        fn update_supports(&mut self, rules: &[SupportRule]) {
            assert_eq!(rules.len(), self.supports.len());
            let thresholds: Vec<String> = rules.iter().map(|rule| rule.threshold.to_string()).collect();
            self.lines.push(format!("update {:.2} {}", rules[0].sigma, thresholds.join(" ")));
            self.dead = true;
        }
        fn halve_supports(&mut self) {
            self.lines.push("halves".into());
        }
        fn whole_supports(&mut self) {
            self.lines.push("wholes".into());
        }
        fn set_gaps(&mut self, gaps: Gaps) {
            if gaps != Gaps::default() {
                self.lines.push(format!("released {} leak {}", gaps.released, gaps.leak));
            }
        }
        fn measure(&mut self) {
            let fit =
                Fit { r_factor: 0.1, llk_poisson: 1.0, free_llk_poisson: None, scale: 1.0, support_fraction: 0.5 };
            let of = |run| if self.dead && self.dies == Some(run) { Fit::NONE } else { fit };
            self.asked.push_back((0..self.supports.len()).map(of).collect());
        }
        fn measured(&mut self) -> Result<Vec<Fit>> {
            Ok(self.asked.pop_front().unwrap())
        }
        fn finish(&mut self, run: usize) -> Result<Finished> {
            let support = self.supports[run].clone();
            let object = Cornered::filled(support.shape(), Complex32::ONE);
            Ok(Finished { density: vec![1.0; support.0.len()], object, support })
        }
        fn problem(&self) -> &Problem {
            unreachable!("a run does not ask for the problem")
        }
    }

    fn batch(text: &str, sample: usize, dies: Option<usize>, stop_at: usize, count: u64) -> (Vec<String>, Vec<Run>) {
        let shape = [1, 8, 8];
        let mut diary = Diary { lines: vec![], supports: vec![], dies, dead: false, asked: [].into() };
        let settings = RunSettings {
            recipe: text.parse().unwrap(),
            beta: 0.9,
            positivity: false,
            support: SupportRule::default(),
            smooth: [2.0, 0.5],
            threshold_end: None,
            gaps: Gaps::default(),
            sample,
        };
        let start = Start { support: Cornered::filled(shape, true), object: Cornered::filled(shape, Complex32::ONE) };
        let draw = |run| Draw { seed: run, threshold: 0.25 + 0.25 * run as f32, start: start.clone() };
        let runs = run(&mut diary, &settings, (0..count).map(draw).collect(), &mut |_, p| p.cycle < stop_at).unwrap();
        assert!(diary.asked.is_empty(), "all questions are answered");
        (diary.lines, runs)
    }

    fn walked(text: &str, sample: usize, stop_at: usize) -> (Vec<String>, Run) {
        let (lines, mut runs) = batch(text, sample, None, stop_at, 1);
        (lines, runs.pop().unwrap())
    }

    #[test]
    fn steps_in_the_order_of_execution() {
        let (lines, run) = walked("ER**20,(Sup*HIO**40)**2", 1000, usize::MAX);
        assert_eq!(lines, ["start", "HIO 40", "update 1.15 0.25", "HIO 40", "update 0.66 0.25", "ER 20"]);
        assert_eq!((run.cycles, run.ended), (100, Ended::Finished));
    }

    #[test]
    fn parameters_hold_from_where_they_stand() {
        let (lines, _) =
            walked("ML**3,gap_bounds=0,Sup,support_threshold=0.4,ER**2,positivity=1,beta=0.5,HIO**2", 1000, 99);
        assert_eq!(lines, ["start", "HIO 2", "positive 2", "update 0.91 0.4", "released true leak 1", "ML 3"]);
        let (lines, _) = walked("Sup,HIO,support_smooth_width=3", 1000, 99);
        assert_eq!(lines, ["start", "HIO 1", "update 3.00 0.25"]);
    }

    #[test]
    fn detwinning_halves_the_support_for_a_while() {
        let (lines, _) = walked("ER**5,DetwinRAAR**10", 1000, usize::MAX);
        assert_eq!(lines, ["start", "halves", "RAAR 10", "wholes", "ER 5"]);
    }

    #[test]
    fn cycles_are_sampled_and_can_be_stopped() {
        // Asked after 20 and 40 cycles; the second answer says stop, and comes when the third question is due.
        let (lines, run) = walked("ER**45,HIO**30", 20, 40);
        assert_eq!(lines, ["start", "HIO 20", "HIO 10", "ER 10", "ER 20"]);
        assert_eq!(run.curve.iter().map(|p| p.cycle).collect::<Vec<_>>(), [20, 40]);
        assert_eq!((run.ended, run.cycles), (Ended::Interrupted, 60));
    }

    #[test]
    fn a_dead_support_update_ends_the_run_and_not_its_batch() {
        let text = "ER**20,HIO**10,Sup,HIO**30";
        let (lines, runs) = batch(text, 10, Some(0), usize::MAX, 2);
        assert_eq!(lines[..6], ["start", "HIO 10", "HIO 10", "HIO 10", "update 1.00 0.25 0.5", "HIO 10"]);
        assert_eq!(lines[6..], ["ER 10", "ER 10"]);
        assert_eq!((runs[0].ended, runs[0].cycles), (Ended::Diverged, 40));
        assert_eq!((runs[1].ended, runs[1].cycles, runs[1].curve.len()), (Ended::Finished, 60, 6));
        let (lines, runs) = batch(text, 10, Some(0), usize::MAX, 1);
        assert_eq!(lines.last().unwrap(), "ER 10");
        assert_eq!(runs[0].ended, Ended::Diverged);
    }
}
