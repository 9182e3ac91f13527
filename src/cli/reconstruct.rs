//! From a pattern to a reconstruction, with all that is said on the way: what `phase` and `run` share.

use super::progress::{self, Voice};
use super::{MachineFlags, load};
use indicatif::ProgressBar;
use lacuna::compare::{Advice, advise, fill_wins, narrow};
use lacuna::config::{self, GapMode, Settings};
use lacuna::error::{Error, Result};
use lacuna::metrics::{fsc_crossing, prtf_crossing};
use lacuna::phasing::backend::{GapConstraint, Start};
use lacuna::phasing::ensemble::{
    self, Combined, Ensemble, EnsemblePlan, FirstSupport, Observer, RunSummary, RunVerdict,
};
use lacuna::phasing::guided::Search;
use lacuna::phasing::problem::{Problem, hold_out};
use lacuna::phasing::run::{self, Point};
use lacuna::phasing::select::{DeviceRequest, OpenDevice};
use lacuna::phasing::start::Form;
use lacuna::phasing::support::SupportRule;
use lacuna::phasing::{Algorithm, Backend};
use lacuna::pixels::{Estimate, Pattern, trimmed};
use lacuna::volume::{Centered, Cornered};
use num_complex::Complex32;
use serde_json::{Value, json};
use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;

/// Which pixels are held out depends on the pattern only, so that free likelihoods of all runs of a pattern compare.
const HOLD_OUT_SEED: u64 = 0;

/// Cycles between two points of a curve.
const SAMPLE: usize = 25;

/// A reconstruction and all that is said about it.
pub struct Reconstructed {
    pub pattern: Pattern,
    pub runs: Ensemble,
    pub combined: Combined,
    /// A flat JSON object.
    pub summary: Value,
}

/// Fills and phases a pattern as the settings say.
pub fn treated(
    pattern: Pattern,
    support: Option<Centered<bool>>,
    settings: &Settings,
    machine: &MachineFlags,
    voice: &Voice,
) -> Result<Reconstructed> {
    if settings.gap_mode()? != GapMode::Auto {
        let pattern = load::filled(pattern, settings, voice)?;
        let mut result = reconstruct(pattern, support, settings, machine, voice)?;
        result.summary["gap"] = settings.gap.clone().into();
        return Ok(result);
    }
    let (advice, bounded) = advised(&pattern, settings, voice)?;
    voice.note(format!(
        "gaps: {}: {}",
        if advice.fill { "free and filled pixels are both tried" } else { "free pixels" },
        advice.reason
    ));
    voice.event("advice", json!(advice))?;
    let told = |mut result: Reconstructed, gap: &str, scores: [Option<f64>; 2]| {
        result.summary["gap"] = gap.into();
        result.summary["gap_advice"] = json!(advice);
        [result.summary["free_llk_with_free_pixels"], result.summary["free_llk_with_filled_pixels"]] =
            scores.map(|s| json!(s));
        result
    };
    let free = Pattern { estimate: None, ..pattern };
    let (Some(estimate), true) = (bounded, advice.fill) else {
        let result = reconstruct(free, support, settings, machine, voice)?;
        return Ok(told(result, "free", [None; 2]));
    };
    let bounded = Pattern { estimate: Some(estimate), ..free.clone() };
    let free = reconstruct(free, support.clone(), settings, machine, voice)?;
    if free.runs.interrupted {
        return Ok(told(free, "free", [None; 2]));
    }
    let bounded = reconstruct(bounded, support, settings, machine, voice)?;
    // Pixels that were measured but not shown to either decide: a wrong fill predicts them worse.
    let score = |result: &Reconstructed| result.runs.kept[0].fit.free_llk_poisson;
    let scores = [score(&free), score(&bounded)];
    let fills = match scores {
        [Some(free), Some(bounded)] => fill_wins(free, bounded),
        _ => true,
    };
    let [a, b] = scores.map(|score| score.map_or("-".into(), |score| format!("{score:.4}")));
    let verdict = if fills { "the filled ones are taken" } else { "the free ones are taken" };
    voice.note(format!("gaps: free log-likelihood {a} with free pixels, {b} with filled ones: {verdict}"));
    Ok(if fills { told(bounded, "network", scores) } else { told(free, "free", scores) })
}

/// Whether filling is worth trying, and with what: the pattern's own estimate, or the network's.
fn advised(pattern: &Pattern, settings: &Settings, voice: &Voice) -> Result<(Advice, Option<Estimate>)> {
    let no = |reason: &str| Advice { reason: reason.into(), ..Advice::none() };
    if pattern.mask.as_slice().iter().all(|&bits| bits == 0) {
        return Ok((no("there is no gap"), None));
    }
    if settings.real {
        return Ok((Advice::real(), None));
    }
    if let Some(own) = &pattern.estimate {
        return Ok((Advice { fill: true, ..no("the pattern brings an estimate of its own") }, Some(own.clone())));
    }
    let oversampling = lacuna::prepare::oversampling(&pattern.intensity, &pattern.measured());
    if let Some(advice) = narrow(pattern, oversampling) {
        return Ok((advice, None));
    }
    match load::said(pattern, settings, voice) {
        Ok(said) => {
            let advice = advise(pattern, &said, oversampling);
            Ok((advice, Some(said.field.estimate(&said.calibration, said.width))))
        }
        Err(Error::Model { problem, .. }) => Ok((no(&format!("the network cannot fill them: {problem}")), None)),
        Err(error) => Err(error),
    }
}

/// Phases a pattern as the settings say.
pub fn reconstruct(
    pattern: Pattern,
    support: Option<Centered<bool>>,
    settings: &Settings,
    machine: &MachineFlags,
    voice: &Voice,
) -> Result<Reconstructed> {
    let begun = Instant::now();
    let shape = pattern.shape();
    let recipe = settings.recipe()?;
    let wanted = DeviceRequest {
        device: &settings.device,
        recipe: &recipe,
        count: settings.nb_run,
        keep: settings.nb_run_keep,
        available: machine.memory(),
    };
    wanted.memory(shape)?;
    let held_out = hold_out(&pattern, settings.free_fraction, HOLD_OUT_SEED, settings.real);
    let problem = Arc::new(Problem::new(&pattern, &held_out, settings.real)?);
    let support = first_support(&pattern, held_out, support, settings)?;
    let plan = plan(settings, support)?;
    let OpenDevice { mut backend, note, device, memory } = wanted.open(problem)?;
    voice.note(format!(
        "phasing {} {note}: {} runs of {} cycles ({recipe}), about {}",
        lacuna::error::shape_text(&trimmed(shape)),
        settings.nb_run,
        recipe.cycles(),
        estimated_time(&mut *backend, &plan)?
    ));
    if settings.start == "guided" && !pattern.is_2d() {
        voice.note("a guided start is for 2D patterns: the runs start at random in the autocorrelation's support");
    }
    progress::catch_interrupts();
    let mut observer = Teller { voice, bar: ProgressBar::hidden(), cycles: plan.run.recipe.cycles(), failed: None };
    let runs = ensemble::phase(&mut *backend, &plan, &mut observer)?;
    if let Some(error) = observer.failed {
        return Err(error);
    }
    drop(backend);
    if runs.interrupted {
        voice.note("interrupted: what was reached is written");
    }
    let combined = ensemble::combine(&runs.kept, &pattern, !settings.positivity)?;
    let mut summary = summary(&pattern, &runs, &combined, memory, begun.elapsed().as_secs_f64());
    summary["recipe"] = plan.run.recipe.to_string().into();
    summary["device"] = device.into();
    Ok(Reconstructed { pattern, runs, combined, summary })
}

/// The runs that the settings ask for.
pub fn plan(settings: &Settings, support: FirstSupport) -> Result<EnsemblePlan> {
    Ok(EnsemblePlan {
        run: run::RunSettings {
            beta: settings.beta,
            positivity: settings.positivity,
            support: support_rule(settings),
            smooth: [settings.support_smooth_width_begin, settings.support_smooth_width_end],
            threshold_end: settings.threshold_end(),
            gap_constraint: GapConstraint { released: false, leak: settings.gap_leak },
            curve_interval: SAMPLE,
            recipe: settings.recipe()?,
        },
        threshold: config::range("support-threshold", &settings.support_threshold)?,
        support,
        start_phase: settings.start_phase,
        seed: settings.seed,
        count: settings.nb_run,
        keep: settings.nb_run_keep,
    })
}

/// Wall-clock time of the whole plan from two cycles of the first algorithm, in words.
fn estimated_time(backend: &mut dyn Backend, plan: &EnsemblePlan) -> Result<String> {
    let shape = backend.problem().shape();
    let lanes = backend.batch_size().min(plan.count);
    let start = Start { object: Cornered::filled(shape, Complex32::ZERO), support: Cornered::filled(shape, true) };
    backend.start(&vec![start; lanes]);
    let mut seconds = |cycles| -> Result<f64> {
        let begun = Instant::now();
        backend.cycles(Algorithm::Hio.cycle(0.9, false), cycles);
        // Cycles may be queued: an answer means that they are done.
        backend.request_fit();
        backend.collect_fits()?;
        Ok(begun.elapsed().as_secs_f64())
    };
    seconds(1)?;
    let cycle = (seconds(3)? - seconds(1)?).max(0.0) / 2.0;
    let search = match &plan.support {
        FirstSupport::Guided { search, .. } => search.cost(shape),
        _ => 0.0,
    };
    let batches = plan.count.div_ceil(lanes) as f64;
    let seconds = cycle * (plan.run.recipe.cycles() as f64 * batches + search * plan.count as f64);
    Ok(if seconds < 90.0 { format!("{seconds:.0} s") } else { format!("{:.0} min", seconds / 60.0) })
}

fn support_rule(settings: &Settings) -> SupportRule {
    SupportRule {
        sigma: settings.support_smooth_width_begin,
        threshold: settings.support_threshold[0],
        reference: settings.support_threshold_method,
        positivity: settings.positivity,
        only_shrink: settings.support_only_shrink,
        border: settings.support_update_border_n,
        expand: settings.support_post_expand.clone(),
        fraction: [settings.support_fraction_min, settings.support_fraction_max],
    }
}

/// Where runs start: the file's support, a form, or the autocorrelation.
pub fn first_support(
    pattern: &Pattern,
    held_out: Centered<bool>,
    file: Option<Centered<bool>>,
    settings: &Settings,
) -> Result<FirstSupport> {
    let shape = pattern.shape();
    if let Some(support) = file {
        if !support.as_slice().contains(&true) {
            return Err(Error::file(&settings.support, "the support is empty"));
        }
        return Ok(FirstSupport::Given(support.to_cornered()));
    }
    if let Some(form) = form(&settings.support)? {
        return Ok(FirstSupport::Given(form.support(shape)));
    }
    if settings.start == "guided" && pattern.is_2d() {
        return Ok(FirstSupport::Guided {
            pattern: Box::new(pattern.clone()),
            held_out: Box::new(held_out),
            area: config::range("search-area", &settings.search_area)?,
            search: Search {
                population: settings.search_population,
                generations: settings.search_generations,
                size: settings.search_size,
                area: settings.search_area[0],
                leak: settings.search_leak,
                beta: settings.beta,
            },
        });
    }
    let mut intensity = pattern.intensity.clone();
    if let Some(estimate) = &pattern.estimate {
        for (index, value) in intensity.0.indexed_iter_mut().filter(|(index, _)| estimate.at.0[*index]) {
            *value = estimate.mean.0[index];
        }
    }
    Ok(FirstSupport::Autocorrelation {
        intensity: intensity.to_cornered(),
        threshold: config::range("support-autocorrelation-threshold", &settings.support_autocorrelation_threshold)?,
    })
}

/// `circle:RADIUS` or `box:[D,]H,W`.
fn form(text: &str) -> Result<Option<Form>> {
    let wrong = || Error::setting("support", text, "write circle:RADIUS or box:H,W or box:D,H,W, in pixels");
    if text == "auto" {
        return Ok(None);
    }
    let (name, rest) = text.split_once(':').ok_or_else(wrong)?;
    let numbers: Option<Vec<f64>> = rest.split(',').map(|n| n.trim().parse().ok().filter(|n| *n > 0.0)).collect();
    match (name, numbers.ok_or_else(wrong)?.as_slice()) {
        // Files never come here: they have been read.
        ("circle", &[radius]) => Ok(Some(Form::Circle(radius))),
        ("box", &[y, x]) => Ok(Some(Form::Box([f64::INFINITY, y, x]))),
        ("box", &[z, y, x]) => Ok(Some(Form::Box([z, y, x]))),
        _ => Err(wrong()),
    }
}

/// Tells a person or a machine how the runs go on.
struct Teller<'a> {
    voice: &'a Voice,
    bar: ProgressBar,
    cycles: usize,
    failed: Option<Error>,
}

impl Observer for Teller<'_> {
    fn begin(&mut self, runs: Range<usize>) {
        let name = if runs.len() == 1 {
            format!("run {}", runs.start)
        } else {
            format!("runs {} to {}", runs.start, runs.end - 1)
        };
        self.bar = self.voice.bar(self.cycles as u64, &name);
    }

    fn searched(&self, done: usize, of: usize) -> bool {
        self.bar.set_message(format!("searching a start: {done} of {of}"));
        !progress::interrupted()
    }

    fn point(&mut self, index: usize, point: &Point) -> bool {
        self.failed = self.voice.point(&self.bar, index, point).err();
        self.failed.is_none() && !progress::interrupted()
    }

    fn end(&mut self, index: usize, run: &RunSummary) {
        self.bar.finish_and_clear();
        if let Err(error) = self.voice.run(index, run) {
            self.failed = Some(error);
        }
    }
}

fn summary(pattern: &Pattern, runs: &Ensemble, combined: &Combined, needed: u64, seconds: f64) -> Value {
    let best = &runs.kept[0];
    // In 3D the shells mix in the third axis, whose pixel is not known.
    let detector_plane = pattern.geometry.object_pixel(pattern.shape()).map(|[y, x]| y.max(x));
    let pixel = detector_plane.filter(|_| pattern.is_2d());
    let count = |verdict: RunVerdict| runs.all.iter().filter(|run| run.verdict == verdict).count();
    let cycles: usize = runs.all.iter().map(|run| run.cycles).sum();
    let time: f64 = runs.all.iter().map(|run| run.seconds).sum();
    let mut summary = json!({
        "r_factor": best.fit.r_factor,
        "llk_poisson": best.fit.llk_poisson,
        "free_llk_poisson": best.fit.free_llk_poisson,
        "support_fraction": best.fit.support_fraction,
        "seed": best.seed,
        "support_threshold": best.threshold,
        "seconds_per_cycle": time / cycles.max(1) as f64,
        "seconds": seconds,
        "search_seconds": runs.all.iter().map(|run| run.search_seconds).sum::<f64>(),
        "cycles": best.cycles,
        "runs": runs.all.len(),
        "runs_kept": runs.kept.len(),
        "runs_diverged": count(RunVerdict::Diverged),
        "runs_outside_support": count(RunVerdict::Outside),
        "interrupted": runs.interrupted,
        "memory_bytes": needed,
        "first_mode_weight": combined.modes.weights.first(),
        "object_pixel_m": detector_plane,
    });
    let prtf = prtf_crossing(&combined.prtf).resolution(pixel);
    let fsc = fsc_crossing(&combined.fsc).resolution(pixel);
    for (name, resolution) in [("prtf", prtf), ("fsc", fsc)] {
        if runs.kept.len() > 1 {
            summary[format!("{name}_resolution_pixels")] = json!(resolution.map(|r| r.pixels));
            summary[format!("{name}_resolution_m")] = json!(resolution.and_then(|r| r.metres));
        }
    }
    summary
}
