//! A pattern phased as the settings say: what `run`, `phase` and `compare` share.

use super::observer::{Event, Observer};
use super::resume::{Checkpoint, Keeper};
use super::verdict::{Grade, Verdict};
use crate::error::{Error, Result, counted, shape_text};
use crate::inpaint::{GapSource, GapTreatment};
use crate::io;
use crate::phasing::Algorithm;
use crate::phasing::average::{self, AveragePlan};
use crate::phasing::backend::{Backend, GapConstraint, Start, View};
use crate::phasing::complete::Variation;
use crate::phasing::ensemble::{self, Ensemble, EnsemblePlan, FirstSupport, Round};
use crate::phasing::guided::Search;
use crate::phasing::memory;
use crate::phasing::noise;
use crate::phasing::problem::{self, Problem};
use crate::phasing::psf::{Psf, PsfSource};
use crate::phasing::recipe::{RELEASE, Recipe};
use crate::phasing::run::{Point, RunSettings};
use crate::phasing::run_summary::RunSummary;
use crate::phasing::search;
use crate::phasing::select::{DeviceRequest, OpenDevice};
use crate::phasing::smooth::Smoothness;
use crate::phasing::support::{Cut, SupportRule};
use crate::pixels::{Pattern, trimmed};
use crate::settings::{Settings, SupportChoice};
use crate::volume::{Centered, Cornered};
use num_complex::Complex32;
use std::sync::Arc;
use std::time::Instant;

/// Which pixels are held out depends on the pattern only, so that free likelihoods of all runs of a
/// pattern compare.
const HOLD_OUT_SEED: u64 = 0;

/// Cycles between two points of a curve.
const SAMPLE: usize = 25;

/// What is phased, beside the settings: equal for all treatments of a gap that are compared.
#[derive(Debug, Clone)]
pub struct PhasingStart {
    /// Pixels held out for the free log-likelihood, `(z, y, x)` as the pattern.
    pub held_out: Centered<bool>,
    /// Supports in which the runs begin.
    pub support: FirstSupport,
}

impl PhasingStart {
    /// The start that the settings ask for. `support` is that of the file which the settings name.
    ///
    /// Without one, estimates of the pattern take part in the autocorrelation.
    ///
    /// # Errors
    /// [`Error::File`] for an earlier object that cannot be read or does not fit the pattern.
    pub fn new(pattern: &Pattern, support: Option<&Centered<bool>>, settings: &Settings) -> Result<Self> {
        let held_out = problem::hold_out(pattern, settings.ensemble.free_fraction, HOLD_OUT_SEED, settings.recipe.real);
        let support = match &settings.start.object {
            Some(file) => earlier(file, pattern)?,
            None => first_support(pattern, &held_out, support, settings),
        };
        Ok(PhasingStart { held_out, support })
    }
}

/// The runs of a pattern.
#[derive(Debug)]
pub struct Phased {
    /// The kept runs, and a line about each.
    pub ensemble: Ensemble,
    /// Steps of each run.
    pub recipe: Recipe,
    /// Device on which they ran: `cpu` or `cuda:0`.
    pub device: String,
    /// Bytes of the machine's memory that phasing takes, estimated.
    pub memory: u64,
}

/// The course of the bounds that estimates set to pixels without measurement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BoundsCourse {
    /// They hold to the end of each run.
    Kept,
    /// They are released for the last part of each run.
    Released,
    /// Pixels are free, and hidden modes of the best runs are completed at the end.
    Completed(Variation),
    /// Runs with odd numbers release them for their last part, the others never have them. All end
    /// with free pixels, so that their likelihoods compare.
    Alternating,
}

impl BoundsCourse {
    /// The course of a treatment.
    pub fn of(gap: GapTreatment) -> Self {
        match gap.source {
            GapSource::Tv => BoundsCourse::Completed(Variation::Object),
            GapSource::ModulusTv => BoundsCourse::Completed(Variation::Modulus),
            _ if gap.release => BoundsCourse::Released,
            _ => BoundsCourse::Kept,
        }
    }
}

/// Phases a pattern, its estimates bounding what was not measured. With a checkpoint, runs are kept on
/// the way.
///
/// # Errors
/// [`crate::Error::Memory`], [`crate::Error::Device`], [`crate::Error::NoObject`] where no run gave
/// anything, and [`crate::Error::Interrupted`] where nothing was reached yet.
pub fn phase(
    pattern: &Pattern,
    start: PhasingStart,
    bounds: BoundsCourse,
    settings: &Settings,
    checkpoint: Option<&Checkpoint>,
    observer: &dyn Observer,
) -> Result<Phased> {
    let keeper = checkpoint.map(|checkpoint| Keeper::new(checkpoint, pattern, settings)).transpose()?;
    let begun = keeper.as_ref().map_or(Ok(Ensemble::default()), |keeper| keeper.begun(pattern.shape(), observer))?;
    let plan = plan(pattern, settings, bounds, start.support);
    let recipe = plan.first().recipe.clone();
    let steps = plan.steps();
    let request = DeviceRequest {
        device: &settings.device.device,
        recipe: &steps,
        count: plan.rounds.iter().map(|round| round.count).max().unwrap_or(1),
        // A round that may not be the last is concluded on a copy; those that agree are copied too, and averaged.
        keep: plan.most_kept() * plan.rounds.len() + plan.compared() + 1,
        available: settings.device.max_memory.unwrap_or_else(memory::available),
    };
    request.memory(pattern.shape())?;
    let problem = problem(pattern, &start.held_out, settings, steps.has_psf())?;
    let OpenDevice { mut backend, note, device, memory } = request.open(problem)?;
    observer.observe(Event::Note(&format!(
        "phasing {} {note}: {} of {} ({recipe}), about {}",
        shape_text(&trimmed(pattern.shape())),
        counted(plan.rounds[0].count, "run"),
        counted(recipe.cycles(), "cycle"),
        estimated_time(&mut *backend, &plan)?
    )));
    if settings.start.search.is_some() && !pattern.is_2d() {
        observer.observe(Event::Note(
            "a guided start is for 2D patterns: the runs start at random in the autocorrelation's support",
        ));
    }
    let mut watcher = EnsembleWatcher { observer, keeper };
    let enough = |runs: &Ensemble| {
        let verdict = Verdict::new(pattern, runs, settings);
        let found = verdict.grade == Grade::Found;
        if !found {
            observer.observe(Event::Note(&format!(
                "not found for certain (probability {:.0} %): {} (nb-run-more)",
                100.0 * verdict.probability,
                counted(settings.ensemble.more, "further run")
            )));
        }
        found
    };
    let mut ensemble = search::phase(&mut *backend, &plan, begun, &enough, &mut watcher)?;
    // Where the caller said where the object is, it stays there.
    if !matches!(plan.support, FirstSupport::Given(_) | FirstSupport::Earlier(_)) {
        ensemble.centre();
    }
    Ok(Phased { ensemble, recipe, device, memory })
}

/// What the settings ask to be phased.
fn problem(pattern: &Pattern, held_out: &Centered<bool>, settings: &Settings, psf: bool) -> Result<Arc<Problem>> {
    let problem = Problem::new(pattern, held_out, settings.recipe.real)?;
    let psf = match settings.recipe.psf.as_ref().filter(|_| psf).map(|choice| &choice.source) {
        None => return Ok(Arc::new(problem)),
        Some(PsfSource::Peak { widths, eta }) => Psf::of_peaks(widths, *eta, pattern.shape())?,
        Some(PsfSource::File(file)) => {
            let array = io::read_array(&file.to_string_lossy())?;
            Psf::of_array(&array, pattern.shape()).map_err(|problem| Error::file(file, problem))?
        }
    };
    Ok(Arc::new(problem.with_psf(psf)))
}

/// The runs that the settings ask for.
fn plan(pattern: &Pattern, settings: &Settings, bounds: BoundsCourse, support: FirstSupport) -> EnsemblePlan {
    let update = &settings.support;
    let whole = &settings.recipe.recipe;
    let run = |recipe: Recipe, released: bool| RunSettings {
        beta: settings.recipe.beta,
        positivity: settings.recipe.positivity,
        support: SupportRule {
            sigma: update.smooth[0],
            cut: Cut::Threshold(update.threshold[0]),
            reference: update.reference,
            positivity: settings.recipe.positivity,
            only_shrink: update.only_shrink,
            border: update.border,
            expand: update.expand.clone(),
            fraction: update.fraction,
        },
        smooth: update.smooth,
        threshold_end: update.threshold_end,
        gap_constraint: GapConstraint { released, leak: settings.gap.leak },
        curve_interval: SAMPLE,
        recipe,
    };
    let releasing = whole.released(RELEASE);
    let kinds = match bounds {
        BoundsCourse::Kept | BoundsCourse::Completed(_) => vec![run(whole.clone(), false)],
        BoundsCourse::Released => vec![run(releasing, false)],
        BoundsCourse::Alternating => vec![run(whole.clone(), true), run(releasing, false)],
    };
    // From an earlier object further runs would end where the first ones did.
    let more = if matches!(support, FirstSupport::Earlier(_)) { 0 } else { settings.ensemble.more };
    let counts = [settings.ensemble.count, more].into_iter().filter(|count| *count > 0);
    let rounds = counts.map(|count| Round { count, kinds: kinds.clone() }).collect();
    let released = matches!(bounds, BoundsCourse::Released | BoundsCourse::Alternating);
    let completion = match bounds {
        BoundsCourse::Completed(variation) => Some(variation),
        _ => None,
    };
    let members = settings.ensemble.average;
    EnsemblePlan {
        rounds,
        average: (members > 1 && settings.ensemble.most() > 1)
            .then(|| AveragePlan { members, runs: last_runs(settings, &run(whole.clone(), released)) }),
        // Real and positive objects have their constraint in every cycle.
        smoothness: match settings.recipe.real || settings.recipe.positivity {
            true => Smoothness::default(),
            false => Smoothness { weights: settings.ensemble.smoothness.clone(), released },
        },
        completion,
        noise: noise::fraction(pattern),
        threshold: update.threshold,
        area_search: update.area_search && whole.updates_support_by_rule(),
        support,
        start_phase: settings.start.phase,
        seed: settings.ensemble.seed,
        keep: settings.ensemble.keep,
        look: settings.completes_gaps() && pattern.has_gap(),
    }
}

/// The runs from the average of the best ones.
fn last_runs(settings: &Settings, run: &RunSettings) -> Vec<RunSettings> {
    let whole = &settings.recipe.recipe;
    let polish: Recipe = average::RECIPE.parse().unwrap_or_else(|_| whole.clone());
    let last = |recipe: Recipe| RunSettings { recipe, ..run.clone() };
    let blurred = || last(polish.with_psf(0.0, average::PSF_PERIOD));
    match (settings.recipe.psf_in_average, whole.has_psf()) {
        (true, _) => vec![last(polish.clone()), blurred()],
        (false, true) => vec![blurred()],
        (false, false) => vec![last(polish)],
    }
}

/// The object of an earlier result, brought to the photons of the pattern.
fn earlier(file: &str, pattern: &Pattern) -> Result<FirstSupport> {
    let (mut object, support) = io::read_object(file)?;
    if object.shape() != pattern.shape() {
        let [found, needed] = [object.shape(), pattern.shape()].map(|shape| shape_text(&trimmed(shape)));
        let problem =
            format!("its object has {found} pixels, the prepared pattern {needed}: prepare as for that result");
        return Err(Error::file(file, problem));
    }
    let energy: f64 = object.as_slice().iter().map(|value| f64::from(value.norm_sqr())).sum();
    let usable = energy.is_finite() && energy > 0.0 && support.as_slice().contains(&true);
    if !usable {
        return Err(Error::file(file, "its object or its support is empty, or not finite"));
    }
    let scale = (pattern.totals().1 / energy).sqrt() as f32;
    object.0.mapv_inplace(|value| value * scale);
    Ok(FirstSupport::Earlier(Box::new(Start { object: object.to_cornered(), support: support.to_cornered() })))
}

/// Where runs start: the file's support, a form, a search, or the autocorrelation.
fn first_support(
    pattern: &Pattern,
    held_out: &Centered<bool>,
    file: Option<&Centered<bool>>,
    settings: &Settings,
) -> FirstSupport {
    if let Some(support) = file {
        return FirstSupport::Given(support.to_cornered());
    }
    if let SupportChoice::Form(form) = &settings.start.support {
        return FirstSupport::Given(form.support(pattern.shape()));
    }
    if let (Some(search), true) = (&settings.start.search, pattern.is_2d()) {
        return FirstSupport::Guided {
            pattern: Box::new(pattern.clone()),
            held_out: Box::new(held_out.clone()),
            area: search.area,
            search: Search {
                population: search.population,
                generations: search.generations,
                size: search.size,
                area: search.area[0],
                leak: search.leak,
                beta: settings.recipe.beta,
            },
        };
    }
    let mut intensity = pattern.intensity.clone();
    if let Some(estimate) = &pattern.estimate {
        for (index, value) in intensity.0.indexed_iter_mut().filter(|(index, _)| estimate.at.0[*index]) {
            *value = estimate.mean.0[index];
        }
    }
    FirstSupport::Autocorrelation { intensity: intensity.to_cornered(), threshold: settings.start.autocorrelation }
}

/// Wall-clock time of the whole plan from two cycles of the first algorithm, in words.
fn estimated_time(backend: &mut dyn Backend, plan: &EnsemblePlan) -> Result<String> {
    let shape = backend.problem().shape();
    let batch = backend.batch_size().min(plan.rounds[0].count);
    let start = Start { object: Cornered::filled(shape, Complex32::ZERO), support: Cornered::filled(shape, true) };
    backend.start(&vec![start; batch]);
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
    let runs = plan.rounds[0].count;
    let begun = plan.first().recipe.cycles() as f64 * plan.batches(batch) as f64 + search * runs as f64;
    let seconds = cycle * (begun + end_cycles(plan, runs));
    Ok(if seconds < 90.0 { format!("{seconds:.0} s") } else { format!("{:.0} min", seconds / 60.0) })
}

/// What follows the runs, in cycles: last runs from one or two groups, in which a PSF takes twice the
/// time, and ends with priors for smoothness, of about a hundred steps that take a cycle and a half.
fn end_cycles(plan: &EnsemblePlan, runs: usize) -> f64 {
    let last = plan.average.iter().flat_map(|average| &average.runs);
    let last: usize = last.map(|run| run.recipe.cycles() * if run.recipe.has_psf() { 2 } else { 1 }).sum();
    let ends = plan.ended().min(runs) * plan.smoothness.weights.len();
    1.5 * last as f64 + 150.0 * ends as f64
}

/// Passes what the ensemble says on to the observer.
struct EnsembleWatcher<'a> {
    observer: &'a dyn Observer,
    keeper: Option<Keeper>,
}

impl ensemble::Observer for EnsembleWatcher<'_> {
    fn begin(&mut self, runs: &[usize], cycles: usize) {
        self.observer.observe(Event::RunsBegin { runs, cycles });
    }

    fn searched(&self, done: usize, of: usize) -> bool {
        self.observer.observe(Event::Search { done, of });
        self.observer.go_on()
    }

    fn ending(&self, done: usize, of: usize) {
        self.observer.observe(Event::Work { name: "ending the best runs", done: done as f64 / of as f64 });
    }

    fn point(&mut self, run: usize, point: &Point) -> bool {
        self.observer.observe(Event::Point { run, point });
        self.observer.go_on()
    }

    fn end(&mut self, number: usize, run: &RunSummary) {
        self.observer.observe(Event::RunEnd { number, run });
    }

    fn wants_view(&self) -> bool {
        self.observer.wants_view()
    }

    fn view(&mut self, run: usize, point: &Point, mut view: View) {
        let scale = point.fit.scale as f32;
        view.object.0.zip_mut_with(&view.support.0, |o, &s| *o = if s { *o * scale } else { Complex32::ZERO });
        let (object, support) = (view.object.to_centered(), view.support.to_centered());
        self.observer.observe(Event::View { run, point, object: &object, support: &support });
    }

    fn so_far(&mut self, runs: &Ensemble) {
        self.observer.observe(Event::SoFar(runs));
    }

    fn go_on(&self) -> bool {
        self.observer.go_on()
    }

    fn reached(&mut self, runs: &Ensemble, stopping: bool) {
        if let Some(keeper) = &mut self.keeper {
            keeper.keep(runs, stopping, self.observer);
        }
    }
}
