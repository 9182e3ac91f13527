//! From a prepared pattern to a reconstruction.

use super::gaps::hidden_of;
use super::network::{looking_model, network_estimate, predicted};
use super::observer::{Event, Observer};
use super::phase::BoundsCourse;
use super::phase::{PhasingStart, phase};
use super::policy::{GapChoice, gap_choice};
use super::resume::Checkpoint;
use super::split::SplitData;
use super::summary::{AutomaticChoice, Preparation, Summary};
use super::uncertainty::Uncertainty;
use super::verdict::Grade;
use crate::error::{Error, Result};
use crate::inpaint::GapTreatment;
use crate::metrics::{Unwrapped, unwrap};
use crate::phasing::combine::{Combined, combine};
use crate::phasing::ensemble::Ensemble;
use crate::phasing::look::Look;
use crate::pixels::{Estimate, Pattern};
use crate::prepare::Prepared;
use crate::settings::{GapPolicy, Settings};
use crate::volume::Centered;
use std::time::Instant;

/// A reconstruction, and everything that is said about it.
pub struct Reconstruction {
    /// The pattern as it was phased. Estimates of its gap are those within which it was phased, or,
    /// where a network looked at the runs in the end, what that one says.
    pub pattern: Pattern,
    /// One line for each thing that was done to prepare it.
    pub steps: Vec<String>,
    /// The kept runs, best first, and a line about each run.
    pub ensemble: Ensemble,
    /// What the kept runs say together.
    pub combined: Combined,
    /// Two halves of the counts, phased apart, where the settings ask for it.
    pub split: Option<SplitData>,
    /// Phase of the object without its jumps, where the settings ask for it.
    pub phase: Option<Unwrapped>,
    /// Fraction of each pixel of the support that lies in hidden modes, where something was not
    /// measured.
    pub hidden: Option<Centered<f32>>,
    /// Standard deviations of the object, where enough runs agree and it may have been found.
    pub uncertainty: Option<Uncertainty>,
    /// Numbers for pages, files and machines.
    pub summary: Summary,
}

/// Reconstructs a prepared pattern: its gap treated, phased and judged as the settings say.
///
/// # Errors
/// Those of [`estimate`] and [`phase()`].
pub fn reconstruct(prepared: Prepared, settings: &Settings, observer: &dyn Observer) -> Result<Reconstruction> {
    reconstruct_resumable(prepared, settings, None, observer)
}

/// As [`reconstruct`], keeping runs on the way, from which a later call can go on.
///
/// # Errors
/// As [`reconstruct`], and [`Error::File`] for a checkpoint that is damaged or of something else.
pub fn reconstruct_resumable(
    prepared: Prepared,
    settings: &Settings,
    checkpoint: Option<&Checkpoint>,
    observer: &dyn Observer,
) -> Result<Reconstruction> {
    let Prepared { pattern, support, steps, notes, centre, window, rebin } = prepared;
    let mut result = match settings.gap.policy {
        GapPolicy::Fixed(gap) => {
            let estimate = estimate(&pattern, gap, settings, observer)?;
            let bounds = BoundsCourse::of(gap);
            let work = Work { support, settings, checkpoint, observer };
            work.phase_and_judge(Pattern { estimate, ..pattern }, gap, bounds)
        }
        GapPolicy::Auto => automatic(pattern, Work { support, settings, checkpoint, observer }),
    }?;
    result.summary.prepared = Preparation {
        steps: steps.clone(),
        centre_pixels: centre,
        start_pixels: window.each_ref().map(|part| part.start),
        stop_pixels: window.each_ref().map(|part| part.end),
        rebin,
    };
    (result.steps, result.summary.notes) = (steps, notes);
    result.complete(settings, observer)?;
    if result.ensemble.interrupted {
        observer.observe(Event::Note("interrupted: what was reached is written"));
    }
    Ok(result)
}

impl Reconstruction {
    /// Has the gap estimated by a network that looks at what the best runs calculate, where there is
    /// one and the object may have been found: of doubtful ones, too, it makes better fills than a
    /// network that sees nothing of them, since it sees where runs disagree.
    fn complete(&mut self, settings: &Settings, observer: &dyn Observer) -> Result<()> {
        if self.summary.verdict.grade == Grade::NotFound {
            return Ok(());
        }
        let Some(model) = looking_model(&self.pattern, settings)? else { return Ok(()) };
        let Some(Look { calculated, runs }) = self.ensemble.look.take() else { return Ok(()) };
        self.pattern.calculated = Some(calculated);
        match predicted(&self.pattern, model, settings, observer) {
            Ok(network) => {
                self.pattern.estimate = Some(network.bounded());
                self.summary.completed_from_runs = Some(runs);
            }
            // A pattern that it cannot fill, or nobody waits for it: what there was stays.
            Err(Error::Model { .. } | Error::Interrupted) => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }
}

/// The estimate of a pattern's gap; `None` leaves its pixels free.
///
/// # Errors
/// Those of [`GapTreatment::estimate`], and of the network where the treatment needs it.
pub fn estimate(
    pattern: &Pattern,
    gap: GapTreatment,
    settings: &Settings,
    observer: &dyn Observer,
) -> Result<Option<Estimate>> {
    let network = if gap.needs_network() { Some(network_estimate(pattern, settings, observer)?) } else { None };
    let mut progress = |done| {
        observer.observe(Event::Work { name: "filling", done });
        observer.go_on()
    };
    let estimate = gap.estimate(pattern, network.as_ref(), &mut progress)?;
    if let Some(estimate) = &estimate {
        report_estimate(pattern, gap, estimate, observer);
    }
    Ok(estimate)
}

/// Says how much of the gap has an estimate.
fn report_estimate(pattern: &Pattern, gap: GapTreatment, estimate: &Estimate, observer: &dyn Observer) {
    let pixels = estimate.at.as_slice().iter().filter(|&&at| at).count();
    let unmeasured = pattern.mask.as_slice().iter().filter(|&&bits| bits != 0).count();
    observer.observe(Event::Note(&format!(
        "filled {pixels} of {unmeasured} pixels without measurement ({gap}); the others stay free"
    )));
    observer.observe(Event::Filled { gap, pixels, unmeasured });
}

/// What phasing needs beside the pattern and its gap.
struct Work<'a> {
    support: Option<Centered<bool>>,
    settings: &'a Settings,
    checkpoint: Option<&'a Checkpoint>,
    observer: &'a dyn Observer,
}

impl Work<'_> {
    /// Phases a pattern whose gap has its estimate, and judges the runs.
    fn phase_and_judge(&self, pattern: Pattern, gap: GapTreatment, bounds: BoundsCourse) -> Result<Reconstruction> {
        let (begun, settings) = (Instant::now(), self.settings);
        let start = PhasingStart::new(&pattern, self.support.as_ref(), settings)?;
        let mut phased = phase(&pattern, start, bounds, settings, self.checkpoint, self.observer)?;
        let ramp = !settings.recipe.positivity;
        let agreeing = std::mem::take(&mut phased.ensemble.agreeing);
        let combined = combine(&phased.ensemble.kept, &agreeing, &pattern, ramp)?;
        drop(agreeing);
        let split = match settings.ensemble.split_data && !phased.ensemble.interrupted {
            true => {
                let end = combined.photons_end;
                match SplitData::new(&pattern, self.support.as_ref(), bounds, settings, end, self.observer) {
                    Ok(split) => Some(split),
                    // The whole was reached, and is worth more than its halves.
                    Err(Error::Interrupted) => None,
                    Err(error) => {
                        self.observer.observe(Event::Half(None));
                        self.observer.observe(Event::Note(&format!("no resolution from split data: {error}")));
                        None
                    }
                }
            }
            false => None,
        };
        let unwrapped = || unwrap(&combined.objects[0], &phased.ensemble.kept[0].support);
        let phase = settings.ensemble.unwrap.then(unwrapped).transpose()?;
        let mut summary = Summary::new(&pattern, &phased, &combined, split.as_ref(), gap, settings, begun.elapsed());
        let hidden = match settings.recipe.real {
            true => None,
            false => hidden_of(&pattern, &combined.objects[0], &phased.ensemble.kept[0].support, self.observer),
        };
        let (numbers, hidden) = hidden.unzip();
        let (object, support) = (&combined.objects[0], &phased.ensemble.kept[0].support);
        let uncertainty = match summary.verdict.grade {
            Grade::NotFound => None,
            _ => Uncertainty::new(&pattern, &phased.ensemble, object, support),
        };
        summary.object_std = uncertainty.as_ref().map(|uncertainty| uncertainty.of_object(object));
        summary.hidden = numbers;
        summary.phase_vortices = phase.as_ref().map(|phase| phase.vortices);
        Ok(Reconstruction {
            pattern,
            steps: Vec::new(),
            ensemble: phased.ensemble,
            combined,
            split,
            phase,
            hidden,
            uncertainty,
            summary,
        })
    }
}

/// Phases with free pixels; where a fill may help, every second run begins within its bounds. All
/// runs end with free pixels, and what predicts held-out pixels best is taken.
fn automatic(pattern: Pattern, work: Work<'_>) -> Result<Reconstruction> {
    let Work { settings, observer, .. } = work;
    let GapChoice { advice, search } =
        gap_choice(&pattern, settings, &|| network_estimate(&pattern, settings, observer))?;
    let fill = search.is_some();
    let text = if fill { "every second run begins within the bounds of a fill" } else { "free pixels" };
    observer.observe(Event::Note(&format!("gaps: {text}: {}", advice.reason)));
    observer.observe(Event::Advice(&advice));
    let bounds = if fill { BoundsCourse::Alternating } else { BoundsCourse::Kept };
    let (search_gap, estimate) = search.unzip();
    let pattern = Pattern { estimate, ..pattern };
    let mut result = work.phase_and_judge(pattern, GapTreatment::FREE, bounds)?;
    // The runs with odd numbers are those that began within bounds.
    let best = |odd: usize| {
        let runs = result.ensemble.all.iter().filter(|run| run.average_of == 0 && run.number % 2 == odd);
        runs.filter_map(|run| run.fit?.free_llk_poisson).reduce(f64::min)
    };
    let [free, filled] = if fill { [best(0), best(1)] } else { [None; 2] };
    if let [Some(free), Some(filled)] = [free, filled] {
        observer.observe(Event::Note(&format!(
            "gaps: lowest free log-likelihood {free:.4} of runs with free pixels, {filled:.4} of runs that began within bounds"
        )));
    }
    result.summary.search_gap = search_gap;
    result.summary.automatic = Some(AutomaticChoice {
        gap_advice: advice,
        free_llk_with_free_pixels: free,
        free_llk_with_filled_pixels: filled,
    });
    Ok(result)
}
