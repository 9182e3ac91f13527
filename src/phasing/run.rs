//! One run: a recipe walked step by step on a backend.

use super::backend::{Backend, Fit, Gaps};
use super::recipe::{Parameter, Recipe, Step};
use super::start::half;
use super::support::{Reference, SupportRule};
use crate::volume::{Centered, Cornered};
use num_complex::Complex32;
use serde::Serialize;
use std::time::Instant;

/// How a run is done, beside its start.
#[derive(Debug, Clone)]
pub struct Settings {
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

/// The state that a recipe changes, beside the backend's.
struct Walk<'a> {
    backend: &'a mut dyn Backend,
    settings: Settings,
    /// Blur and threshold set by the recipe, instead of the schedule's.
    sigma: Option<f32>,
    threshold: Option<f32>,
    cycle: usize,
    total: usize,
    curve: Vec<Point>,
    observe: &'a mut dyn FnMut(&Point) -> bool,
}

/// Runs `settings.recipe` from `object` and `support`. `observe` is called at every point of the curve and says whether to go on.
pub fn run(
    backend: &mut dyn Backend,
    settings: &Settings,
    seed: u64,
    object: &Cornered<Complex32>,
    support: &Cornered<bool>,
    observe: &mut dyn FnMut(&Point) -> bool,
) -> Run {
    let begun = Instant::now();
    backend.start(object, support);
    backend.set_gaps(settings.gaps);
    let mut walk = Walk {
        backend,
        settings: settings.clone(),
        sigma: None,
        threshold: None,
        cycle: 0,
        total: settings.recipe.cycles(),
        curve: Vec::new(),
        observe,
    };
    let mut ended = Ended::Finished;
    for step in settings.recipe.unrolled() {
        if let Err(why) = walk.step(step) {
            ended = why;
            break;
        }
    }
    let (cycles, curve) = (walk.cycle, walk.curve);
    let fit = backend.fit();
    if !(fit.r_factor.is_finite() && fit.scale.is_finite() && fit.scale > 0.0) {
        ended = Ended::Diverged;
    }
    let first_support = support.to_centered();
    let support = backend.support();
    let outside = outside(&backend.density(false), support.as_slice());
    let mut object = backend.object();
    let scale = fit.scale as f32;
    object.0.zip_mut_with(&support.0, |o, &s| *o = if s { *o * scale } else { Complex32::ZERO });
    Run {
        seed,
        object: object.to_centered(),
        support: support.to_centered(),
        first_support,
        fit,
        outside,
        curve,
        ended,
        cycles,
        seconds: begun.elapsed().as_secs_f64(),
        search_seconds: 0.0,
        threshold: settings.support.threshold,
    }
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
    fn step(&mut self, step: &Step) -> Result<(), Ended> {
        match *step {
            Step::Cycles(algorithm, n) => {
                let cycle = algorithm.cycle(self.settings.beta, self.settings.positivity);
                self.sampled(n, |backend, n| backend.cycles(cycle, n))
            }
            Step::Detwin(algorithm, n) => {
                let cycle = algorithm.cycle(self.settings.beta, self.settings.positivity);
                let whole = self.backend.support();
                self.backend.set_support(&half(&whole));
                let done = self.sampled(n, |backend, n| backend.cycles(cycle, n));
                self.backend.set_support(&whole);
                done
            }
            Step::MaximumLikelihood(n) => self.sampled(n, |backend, n| backend.conjugate_gradients(n)),
            Step::SupportUpdate(n) => (0..n).try_for_each(|_| self.update_support()),
            Step::Set(parameter) => {
                self.set(parameter);
                Ok(())
            }
            Step::Repeat(ref steps, n) => (0..n).try_for_each(|_| steps.iter().try_for_each(|s| self.step(s))),
        }
    }

    /// Does `n` cycles, stopping at the cycles where the curve has its points.
    fn sampled(&mut self, n: usize, work: impl Fn(&mut dyn Backend, usize)) -> Result<(), Ended> {
        let sample = self.settings.sample.max(1);
        let mut left = n;
        while left > 0 {
            let now = left.min(sample - self.cycle % sample);
            work(self.backend, now);
            left -= now;
            self.cycle += now;
            if self.cycle.is_multiple_of(sample) || self.cycle == self.total {
                let point = Point { cycle: self.cycle, fit: self.backend.fit() };
                self.curve.push(point);
                if !point.fit.r_factor.is_finite() {
                    return Err(Ended::Diverged);
                }
                if !(self.observe)(&point) {
                    return Err(Ended::Interrupted);
                }
            }
        }
        Ok(())
    }

    fn update_support(&mut self) -> Result<(), Ended> {
        let [begin, end] = self.settings.smooth;
        let progress = self.cycle as f32 / self.total.max(1) as f32;
        // An exponential has no zero: a blur of a twentieth of a pixel is none.
        let scheduled = if begin > 0.0 { begin * (end.max(0.05) / begin).powf(progress) } else { end * progress };
        let from = self.settings.support.threshold;
        let rule = SupportRule {
            sigma: self.sigma.unwrap_or(scheduled),
            threshold: self.threshold.unwrap_or(from + (self.settings.threshold_end.unwrap_or(from) - from) * progress),
            positivity: self.settings.positivity,
            ..self.settings.support.clone()
        };
        if self.backend.update_support(&rule).alive { Ok(()) } else { Err(Ended::Diverged) }
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
    use crate::phasing::problem::Problem;
    use crate::phasing::rules::{Algorithm, Cycle};
    use crate::phasing::support::SupportState;

    /// A backend that writes down what it is asked to do.
    struct Diary {
        lines: Vec<String>,
        support: Cornered<bool>,
        dies: bool,
    }

    impl Backend for Diary {
        fn start(&mut self, _: &Cornered<Complex32>, support: &Cornered<bool>) {
            self.support = support.clone();
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
        fn update_support(&mut self, rule: &SupportRule) -> SupportState {
            self.lines.push(format!("update {:.2} {}", rule.sigma, rule.threshold));
            SupportState { count: 1, threshold: rule.threshold, alive: !self.dies }
        }
        fn set_support(&mut self, support: &Cornered<bool>) {
            self.lines.push(format!("support {}", support.0.iter().filter(|&&s| s).count()));
        }
        fn set_gaps(&mut self, gaps: Gaps) {
            if gaps != Gaps::default() {
                self.lines.push(format!("released {} leak {}", gaps.released, gaps.leak));
            }
        }
        fn density(&mut self, _: bool) -> Vec<f32> {
            vec![1.0; self.support.0.len()]
        }
        fn fit(&mut self) -> Fit {
            Fit { r_factor: 0.1, llk_poisson: 1.0, free_llk_poisson: None, scale: 1.0, support_fraction: 0.5 }
        }
        fn object(&self) -> Cornered<Complex32> {
            Cornered::filled(self.support.shape(), Complex32::ONE)
        }
        fn support(&self) -> Cornered<bool> {
            self.support.clone()
        }
        fn problem(&self) -> &Problem {
            unreachable!("a run does not ask for the problem")
        }
    }

    fn walked(text: &str, sample: usize, dies: bool, stop_at: usize) -> (Vec<String>, Run) {
        let shape = [1, 8, 8];
        let mut diary = Diary { lines: vec![], support: Cornered::filled(shape, true), dies };
        let settings = Settings {
            recipe: text.parse().unwrap(),
            beta: 0.9,
            positivity: false,
            support: SupportRule::default(),
            smooth: [2.0, 0.5],
            threshold_end: None,
            gaps: Gaps::default(),
            sample,
        };
        let support = Cornered::filled(shape, true);
        let object = Cornered::filled(shape, Complex32::ONE);
        let run = run(&mut diary, &settings, 1, &object, &support, &mut |p| p.cycle < stop_at);
        (diary.lines, run)
    }

    #[test]
    fn steps_in_the_order_of_execution() {
        let (lines, run) = walked("ER**20,(Sup*HIO**40)**2", 1000, false, usize::MAX);
        assert_eq!(lines, ["start", "HIO 40", "update 1.15 0.25", "HIO 40", "update 0.66 0.25", "ER 20"]);
        assert_eq!((run.cycles, run.ended), (100, Ended::Finished));
    }

    #[test]
    fn parameters_hold_from_where_they_stand() {
        let (lines, _) =
            walked("ML**3,gap_bounds=0,Sup,support_threshold=0.4,ER**2,positivity=1,beta=0.5,HIO**2", 1000, false, 99);
        assert_eq!(lines, ["start", "HIO 2", "positive 2", "update 0.91 0.4", "released true leak 1", "ML 3"]);
        let (lines, _) = walked("Sup,HIO,support_smooth_width=3", 1000, false, 99);
        assert_eq!(lines, ["start", "HIO 1", "update 3.00 0.25"]);
    }

    #[test]
    fn detwinning_halves_the_support_for_a_while() {
        let (lines, _) = walked("ER**5,DetwinRAAR**10", 1000, false, usize::MAX);
        assert_eq!(lines, ["start", "support 32", "RAAR 10", "support 64", "ER 5"]);
    }

    #[test]
    fn cycles_are_sampled_and_can_be_stopped() {
        let (lines, run) = walked("ER**25,HIO**30", 20, false, 40);
        assert_eq!(lines, ["start", "HIO 20", "HIO 10", "ER 10"]);
        assert_eq!(run.curve.iter().map(|p| p.cycle).collect::<Vec<_>>(), [20, 40]);
        assert_eq!(run.ended, Ended::Interrupted);
    }

    #[test]
    fn a_dead_support_update_ends_the_run() {
        let (lines, run) = walked("ER**25,Sup,HIO**30", 1000, true, usize::MAX);
        assert_eq!(lines, ["start", "HIO 30", "update 0.94 0.25"]);
        assert_eq!(run.ended, Ended::Diverged);
    }
}
