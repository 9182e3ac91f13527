//! Runs of a recipe, walked step by step by all runs of a batch on a backend.

use super::backend::{Backend, GapConstraint, Start};
use super::recipe::{Parameter, Step};
use super::run::{DivergedRun, Draw, Ended, Point, Run, RunOutcome, RunSettings};
use super::support::{Cut, SupportRule, grown};
use crate::error::{Error, Result};
use crate::volume::{Centered, Cornered};
use num_complex::Complex32;
use std::time::Instant;

/// The state that a recipe changes, beside the backend's.
struct Walk<'a> {
    backend: &'a mut dyn Backend,
    settings: RunSettings,
    /// Blur and threshold set by the recipe, instead of the schedule's.
    sigma: Option<f32>,
    threshold: Option<f32>,
    /// Cycles between two refinements of the PSF's kernel, while there are any.
    psf_period: Option<usize>,
    cycle: usize,
    total: usize,
    /// Cycles before the last support update.
    last_update: usize,
    /// The cycle of the fits that were requested and not collected yet: meanwhile the next cycles
    /// are queued, so that a device never waits.
    requested: Option<usize>,
    tracks: Vec<Track>,
    observe: &'a mut Observe<'a>,
}

/// What is called at every point of a curve: with the number of the run in its batch, the point, and
/// the backend to look at the run. It says whether to go on.
pub type Observe<'a> = dyn FnMut(usize, &Point, &mut dyn Backend) -> bool + 'a;

/// What is known of one run of the batch.
struct Track {
    cut: Cut,
    curve: Vec<Point>,
    /// How it ended and after how many cycles.
    ended: Option<(Ended, usize)>,
}

/// Why a walk stops before its end.
enum Stop {
    /// No run goes on.
    Ended,
    /// The device failed.
    Failed(Error),
}

/// Walks `settings.recipe` with every draw, as one batch of the backend, observed at every point of
/// the curves. The outcomes are in the order of the draws.
///
/// # Errors
/// If the device failed.
pub fn walk(
    backend: &mut dyn Backend,
    settings: &RunSettings,
    draws: Vec<Draw>,
    observe: &mut Observe<'_>,
) -> Result<Vec<RunOutcome>> {
    let begun = Instant::now();
    let (starts, draws): (Vec<Start>, Vec<_>) =
        draws.into_iter().map(|draw| (draw.start, (draw.seed, draw.cut))).unzip();
    backend.start(&starts);
    let first_supports: Vec<Centered<bool>> = starts.iter().map(|start| start.support.to_centered()).collect();
    drop(starts);
    backend.set_gap_constraint(settings.gap_constraint);
    let track = |&(_, cut): &(u64, Cut)| Track { cut, curve: Vec::new(), ended: None };
    let mut state = Walk {
        backend,
        settings: settings.clone(),
        sigma: None,
        threshold: None,
        psf_period: None,
        cycle: 0,
        total: settings.recipe.cycles(),
        last_update: settings.recipe.last_update(),
        requested: None,
        tracks: draws.iter().map(track).collect(),
        observe,
    };
    let all = settings.recipe.unrolled().into_iter().try_for_each(|step| state.step(step));
    if let Err(Stop::Failed(error)) = all.and_then(|()| state.collect()) {
        return Err(error);
    }
    let Walk { backend, tracks, cycle, .. } = state;
    backend.request_fit();
    let fits = backend.collect_fits()?;
    let number = draws.len() as f64;
    let mut outcomes = Vec::new();
    for (index, (((track, fit), first_support), (seed, cut))) in
        tracks.into_iter().zip(fits).zip(first_supports).zip(draws).enumerate()
    {
        let seconds = begun.elapsed().as_secs_f64() / number;
        let (ended, cycles) = track.ended.unwrap_or((Ended::Finished, cycle));
        let Some(fit) = fit.filter(|_| ended != Ended::Diverged) else {
            outcomes.push(RunOutcome::Diverged(DivergedRun { seed, cut, curve: track.curve, cycles, seconds }));
            continue;
        };
        let finished = backend.finish(index)?;
        let outside = outside(&finished.density, finished.support.as_slice());
        let mut object = finished.object;
        let scale = fit.scale as f32;
        object.0.zip_mut_with(&finished.support.0, |o, &s| *o = if s { *o * scale } else { Complex32::ZERO });
        outcomes.push(RunOutcome::Completed(Box::new(Run {
            number: 0,
            seed,
            average_of: 0,
            smoothness: 0.0,
            object: object.to_centered(),
            support: finished.support.to_centered(),
            first_support,
            fit,
            outside,
            cycles,
            curve: track.curve,
            ended,
            seconds: begun.elapsed().as_secs_f64() / number,
            search_seconds: 0.0,
            cut,
            area: area(cut, &finished.support, &settings.support),
            psf: finished.psf,
        })));
    }
    Ok(outcomes)
}

/// Fraction of the array that a support had before the steps after its cut.
fn area(cut: Cut, support: &Cornered<bool>, rule: &SupportRule) -> f64 {
    // Updates that may not go where they would, or find too little, keep another number of pixels.
    let free = !(rule.only_shrink || rule.positivity || rule.border > 0);
    if let (Cut::Area(area), true) = (cut, free) {
        return area;
    }
    let before = grown(support.shape(), support.as_slice(), -rule.expand.iter().sum::<i32>());
    before.iter().filter(|inside| **inside).count() as f64 / before.len() as f64
}

/// Fraction of the energy outside the support.
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
                self.in_intervals(n, |backend, n| backend.cycles(cycle, n))
            }
            Step::Detwin(algorithm, n) => {
                let cycle = algorithm.cycle(self.settings.beta, self.settings.positivity);
                self.backend.halve_supports();
                let done = self.with_fixed_psf(n, |backend, n| backend.cycles(cycle, n));
                self.backend.restore_supports();
                done
            }
            Step::MaximumLikelihood(n) => self.with_fixed_psf(n, |backend, n| backend.conjugate_gradients(n)),
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

    /// Does `n` cycles with the PSF's kernel as it is: half an object would spoil it, and directions
    /// of conjugate gradients hold for one kernel.
    fn with_fixed_psf(&mut self, n: usize, work: impl Fn(&mut dyn Backend, usize)) -> Result<(), Stop> {
        let period = self.psf_period.take();
        let done = self.in_intervals(n, work);
        self.psf_period = period;
        done
    }

    /// Does `n` cycles, stopping at the cycles where the curve has its points.
    fn in_intervals(&mut self, n: usize, work: impl Fn(&mut dyn Backend, usize)) -> Result<(), Stop> {
        let interval = self.settings.curve_interval.max(1);
        let mut left = n;
        while left > 0 {
            let to_update = self.psf_period.map_or(left, |period| period - self.cycle % period);
            let now = left.min(interval - self.cycle % interval).min(to_update);
            work(self.backend, now);
            left -= now;
            self.cycle += now;
            if self.psf_period.is_some_and(|period| self.cycle.is_multiple_of(period)) {
                self.backend.update_psf();
            }
            if self.cycle.is_multiple_of(interval) || self.cycle == self.total {
                self.collect()?;
                self.backend.request_fit();
                self.requested = Some(self.cycle);
            }
        }
        Ok(())
    }

    /// Collects the fits that were requested.
    fn collect(&mut self) -> Result<(), Stop> {
        let Some(cycle) = self.requested.take() else { return Ok(()) };
        let fits = self.backend.collect_fits().map_err(Stop::Failed)?;
        let mut go_on = true;
        for (index, (track, fit)) in self.tracks.iter_mut().zip(fits).enumerate() {
            if track.ended.is_some() {
                continue;
            }
            match fit {
                Some(fit) => {
                    let point = Point { cycle, fit };
                    track.curve.push(point);
                    go_on &= (self.observe)(index, &point, self.backend);
                }
                None => track.ended = Some((Ended::Diverged, cycle)),
            }
        }
        if !go_on {
            let interrupted = (Ended::Interrupted, self.cycle);
            self.tracks.iter_mut().for_each(|track| track.ended = track.ended.or(Some(interrupted)));
        }
        if self.tracks.iter().all(|track| track.ended.is_some()) { Err(Stop::Ended) } else { Ok(()) }
    }

    fn update_supports(&mut self) {
        let [begin, end] = self.settings.smooth;
        let progress = self.cycle as f32 / self.total.max(1) as f32;
        // An exponential has no zero: a blur of a twentieth of a pixel is none.
        let scheduled = if begin > 0.0 { begin * (end.max(0.05) / begin).powf(progress) } else { end * progress };
        let settings = &self.settings;
        let rule = SupportRule {
            sigma: self.sigma.unwrap_or(scheduled),
            positivity: settings.positivity,
            ..settings.support.clone()
        };
        let updated = self.cycle as f32 / self.last_update.max(1) as f32;
        let cut = |track: &Track| match (self.threshold, track.cut) {
            (Some(threshold), _) => Cut::Threshold(threshold),
            (None, Cut::Threshold(first)) => {
                Cut::Threshold(first + (settings.threshold_end.unwrap_or(first) - first) * updated)
            }
            (None, area) => area,
        };
        let cuts: Vec<Cut> = self.tracks.iter().map(cut).collect();
        self.backend.update_supports(&rule, &cuts);
    }

    fn set_gap_constraint(&mut self, gaps: GapConstraint) {
        self.settings.gap_constraint = gaps;
        self.backend.set_gap_constraint(gaps);
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
            Parameter::GapBounds(v) => {
                self.set_gap_constraint(GapConstraint { released: !v, ..self.settings.gap_constraint })
            }
            Parameter::Psf(v) => {
                self.psf_period = (v > 1).then_some(v);
                self.backend.set_psf(v > 0);
            }
            Parameter::GapLeak(v) => self.set_gap_constraint(GapConstraint { leak: v, ..self.settings.gap_constraint }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::phasing::backend::{Finished, Fit, View};
    use crate::phasing::problem::Problem;
    use crate::phasing::rules::{Algorithm, Cycle};
    use crate::volume::Cornered;

    /// A backend that records the calls of its methods.
    struct RecordingBackend {
        lines: Vec<String>,
        supports: Vec<Cornered<bool>>,
        /// The run whose object vanishes at the first support update.
        diverging: Option<usize>,
        updated: bool,
        requested: std::collections::VecDeque<Vec<Option<Fit>>>,
    }

    impl Backend for RecordingBackend {
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
        fn update_supports(&mut self, rule: &SupportRule, cuts: &[Cut]) {
            assert_eq!(cuts.len(), self.supports.len());
            let number = |cut: &Cut| match cut {
                Cut::Threshold(threshold) => threshold.to_string(),
                Cut::Area(area) => format!("area {area}"),
            };
            let cuts: Vec<String> = cuts.iter().map(number).collect();
            self.lines.push(format!("update {:.2} {}", rule.sigma, cuts.join(" ")));
            self.updated = true;
        }
        fn halve_supports(&mut self) {
            self.lines.push("halves".into());
        }
        fn restore_supports(&mut self) {
            self.lines.push("wholes".into());
        }
        fn set_gap_constraint(&mut self, gaps: GapConstraint) {
            if gaps != GapConstraint::default() {
                self.lines.push(format!("released {} leak {}", gaps.released, gaps.leak));
            }
        }
        fn set_psf(&mut self, on: bool) {
            self.lines.push(format!("psf {on}"));
        }
        fn update_psf(&mut self) {
            self.lines.push("update psf".into());
        }
        fn request_fit(&mut self) {
            let fit =
                Fit { r_factor: 0.1, llk_poisson: 1.0, free_llk_poisson: None, scale: 1.0, support_fraction: 0.5 };
            let of = |run| (!self.updated || self.diverging != Some(run)).then_some(fit);
            self.requested.push_back((0..self.supports.len()).map(of).collect());
        }
        fn collect_fits(&mut self) -> Result<Vec<Option<Fit>>> {
            Ok(self.requested.pop_front().unwrap())
        }
        fn finish(&mut self, run: usize) -> Result<Finished> {
            let support = self.supports[run].clone();
            let object = Cornered::filled(support.shape(), Complex32::ONE);
            Ok(Finished { density: vec![1.0; support.0.len()], object, support, psf: None })
        }
        fn view(&mut self, _run: usize) -> Option<View> {
            None
        }
        fn problem(&self) -> &Problem {
            unreachable!("a run does not ask for the problem")
        }
    }

    fn batch(
        text: &str,
        curve_interval: usize,
        diverging: Option<usize>,
        stop_at: usize,
        count: u64,
    ) -> (Vec<String>, Vec<RunOutcome>) {
        let shape = [1, 8, 8];
        let mut backend =
            RecordingBackend { lines: vec![], supports: vec![], diverging, updated: false, requested: [].into() };
        let settings = RunSettings {
            recipe: text.parse().unwrap(),
            beta: 0.9,
            positivity: false,
            support: SupportRule::default(),
            smooth: [2.0, 0.5],
            threshold_end: None,
            gap_constraint: GapConstraint::default(),
            curve_interval,
        };
        let start = Start { support: Cornered::filled(shape, true), object: Cornered::filled(shape, Complex32::ONE) };
        // The third run has an area.
        let cut = |run: u64| if run == 2 { Cut::Area(0.125) } else { Cut::Threshold(0.25 + 0.25 * run as f32) };
        let draw = |run| Draw { seed: run, cut: cut(run), start: start.clone() };
        let runs =
            walk(&mut backend, &settings, (0..count).map(draw).collect(), &mut |_, p, _| p.cycle < stop_at).unwrap();
        assert!(backend.requested.is_empty(), "all requests are collected");
        (backend.lines, runs)
    }

    fn walked(text: &str, curve_interval: usize, stop_at: usize) -> (Vec<String>, Run) {
        let (lines, mut runs) = batch(text, curve_interval, None, stop_at, 1);
        (lines, runs.pop().and_then(RunOutcome::completed).unwrap())
    }

    #[test]
    fn steps_in_the_order_of_execution() {
        let (lines, run) = walked("ER**20,(Sup*HIO**40)**2", 1000, usize::MAX);
        assert_eq!(lines, ["start", "HIO 40", "update 1.15 0.25", "HIO 40", "update 0.66 0.25", "ER 20"]);
        assert_eq!((run.cycles, run.ended), (100, Ended::Finished));
    }

    #[test]
    fn areas_stay_where_thresholds_fall() {
        let (lines, _) = batch("(Sup*HIO**40)**2", 1000, None, usize::MAX, 3);
        assert_eq!(
            lines,
            ["start", "HIO 40", "update 1.00 0.25 0.5 area 0.125", "HIO 40", "update 0.50 0.25 0.5 area 0.125"]
        );
        let (lines, _) = batch("Sup,support_threshold=0.4,HIO**40", 1000, None, usize::MAX, 3);
        assert_eq!(lines[2], "update 0.50 0.4 0.4 0.4", "what the recipe says holds for all");
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
    fn kernels_are_refined_at_intervals() {
        let (lines, _) = walked("ER**2,psf=0,HIO**7,psf=4,HIO**5,psf=1,HIO**3", 1000, 99);
        assert_eq!(lines[..5], ["start", "HIO 3", "psf true", "HIO 5", "psf true"]);
        assert_eq!(lines[5..], ["HIO 4", "update psf", "HIO 3", "psf false", "ER 2"]);
        let (lines, _) = walked("ML**3,DetwinHIO**3,psf=2", 1000, 99);
        assert_eq!(lines, ["start", "psf true", "halves", "HIO 3", "wholes", "ML 3"]);
    }

    #[test]
    fn detwinning_halves_the_support_for_a_while() {
        let (lines, _) = walked("ER**5,DetwinRAAR**10", 1000, usize::MAX);
        assert_eq!(lines, ["start", "halves", "RAAR 10", "wholes", "ER 5"]);
    }

    #[test]
    fn curves_have_points_at_intervals_and_runs_can_be_stopped() {
        // Fits are requested after 20 and 40 cycles; at the second the observer says stop, and it
        // is collected when the third request is due.
        let (lines, run) = walked("ER**45,HIO**30", 20, 40);
        assert_eq!(lines, ["start", "HIO 20", "HIO 10", "ER 10", "ER 20"]);
        assert_eq!(run.curve.iter().map(|p| p.cycle).collect::<Vec<_>>(), [20, 40]);
        assert_eq!((run.ended, run.cycles), (Ended::Interrupted, 60));
    }

    #[test]
    fn a_vanished_object_ends_its_run_and_not_the_batch() {
        let text = "ER**20,HIO**10,Sup,HIO**30";
        let (lines, runs) = batch(text, 10, Some(0), usize::MAX, 2);
        assert_eq!(lines[..6], ["start", "HIO 10", "HIO 10", "HIO 10", "update 1.00 0.25 0.5", "HIO 10"]);
        assert_eq!(lines[6..], ["ER 10", "ER 10"]);
        let [RunOutcome::Diverged(diverged), RunOutcome::Completed(run)] = &runs[..] else { panic!("{runs:?}") };
        assert_eq!((diverged.seed, diverged.cycles), (0, 40));
        // Every point of a curve has a fit.
        assert_eq!(diverged.curve.iter().map(|point| point.cycle).collect::<Vec<_>>(), [10, 20, 30]);
        assert_eq!((run.ended, run.cycles, run.curve.len()), (Ended::Finished, 60, 6));
        let (lines, runs) = batch(text, 10, Some(0), usize::MAX, 1);
        assert_eq!(lines.last().unwrap(), "ER 10");
        assert!(matches!(&runs[..], [RunOutcome::Diverged(_)]));
    }
}
