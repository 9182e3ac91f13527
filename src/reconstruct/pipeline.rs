//! From a prepared pattern to a reconstruction.

use super::network::network_estimate;
use super::observer::{Event, Observer};
use super::phase::BoundsCourse;
use super::phase::{PhasingStart, phase};
use super::policy::{GapAdvice, advise, narrow};
use super::summary::{AutomaticChoice, Summary};
use crate::error::{Error, Result};
use crate::inpaint::GapTreatment;
use crate::phasing::combine::{Combined, combine};
use crate::phasing::ensemble::Ensemble;
use crate::pixels::{Estimate, Pattern};
use crate::prepare::Prepared;
use crate::settings::{GapPolicy, Settings};
use crate::volume::Centered;
use std::time::Instant;

/// A reconstruction, and everything that is said about it.
pub struct Reconstruction {
    /// The pattern as it was phased, with the estimates of its gap.
    pub pattern: Pattern,
    /// One line for each thing that was done to prepare it.
    pub steps: Vec<String>,
    /// The kept runs, best first, and a line about each run.
    pub ensemble: Ensemble,
    /// What the kept runs say together.
    pub combined: Combined,
    /// Numbers for pages, files and machines.
    pub summary: Summary,
}

/// Reconstructs a prepared pattern: its gap treated, phased and judged as the settings say.
///
/// # Errors
/// Those of [`estimate`] and [`phase()`].
pub fn reconstruct(prepared: Prepared, settings: &Settings, observer: &dyn Observer) -> Result<Reconstruction> {
    let Prepared { pattern, support, steps, notes, .. } = prepared;
    let mut result = match settings.gap.policy {
        GapPolicy::Fixed(gap) => {
            let estimate = estimate(&pattern, gap, settings, observer)?;
            let bounds = BoundsCourse::of(gap);
            phase_and_judge(Pattern { estimate, ..pattern }, support, gap, bounds, settings, observer)
        }
        GapPolicy::Auto => automatic(pattern, support, settings, observer),
    }?;
    (result.steps, result.summary.notes) = (steps, notes);
    if result.ensemble.interrupted {
        observer.observe(Event::Note("interrupted: what was reached is written"));
    }
    Ok(result)
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
    let progress = |done| observer.observe(Event::Work { name: "filling", done });
    let estimate = gap.estimate(pattern, network.as_ref(), &progress)?;
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

/// Phases a pattern whose gap has its estimate, and judges the runs.
fn phase_and_judge(
    pattern: Pattern,
    support: Option<Centered<bool>>,
    gap: GapTreatment,
    bounds: BoundsCourse,
    settings: &Settings,
    observer: &dyn Observer,
) -> Result<Reconstruction> {
    let begun = Instant::now();
    let start = PhasingStart::new(&pattern, support.as_ref(), settings);
    let phased = phase(&pattern, start, bounds, settings, observer)?;
    let combined = combine(&phased.ensemble.kept, &pattern, !settings.recipe.positivity)?;
    let summary = Summary::new(&pattern, &phased, &combined, gap, settings, begun.elapsed());
    Ok(Reconstruction { pattern, steps: Vec::new(), ensemble: phased.ensemble, combined, summary })
}

/// Phases with free pixels; where a fill may help, every second run begins within its bounds. All
/// runs end with free pixels, and what predicts held-out pixels best is taken.
fn automatic(
    pattern: Pattern,
    support: Option<Centered<bool>>,
    settings: &Settings,
    observer: &dyn Observer,
) -> Result<Reconstruction> {
    let (advice, filling) = advice(&pattern, settings, observer)?;
    let fill = advice.fill && settings.ensemble.count > 1;
    let text = if fill { "every second run begins within the bounds of a fill" } else { "free pixels" };
    observer.observe(Event::Note(&format!("gaps: {text}: {}", advice.reason)));
    observer.observe(Event::Advice(&advice));
    let (bounds, search_gap, estimate) = match filling.filter(|_| fill) {
        Some((gap, estimate)) => (BoundsCourse::Alternating, Some(gap), Some(estimate)),
        None => (BoundsCourse::Kept, None, None),
    };
    let pattern = Pattern { estimate, ..pattern };
    let mut result = phase_and_judge(pattern, support, GapTreatment::FREE, bounds, settings, observer)?;
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

/// Whether filling is worth trying, and with what: the file's own estimate, or the network's.
fn advice(
    pattern: &Pattern,
    settings: &Settings,
    observer: &dyn Observer,
) -> Result<(GapAdvice, Option<(GapTreatment, Estimate)>)> {
    if pattern.mask.as_slice().iter().all(|&bits| bits == 0) {
        return Ok((GapAdvice::against("there is no gap"), None));
    }
    if settings.recipe.real {
        return Ok((GapAdvice::real(), None));
    }
    if let Some(own) = &pattern.estimate {
        let reason = GapAdvice::against("the file brings an estimate of its own");
        return Ok((GapAdvice { fill: true, ..reason }, Some((GapTreatment::FILE, own.clone()))));
    }
    let oversampling = crate::prepare::oversampling(&pattern.intensity, &pattern.measured());
    if let Some(advice) = narrow(pattern, oversampling) {
        return Ok((advice, None));
    }
    match network_estimate(pattern, settings, observer) {
        Ok(network) => {
            let advice = advise(pattern, &network, oversampling);
            Ok((advice, Some((GapTreatment::NETWORK, network.bounded()))))
        }
        // Other errors, of a model that cannot be read for instance, are no reason to go on without
        // it.
        Err(Error::Model { problem, .. }) => {
            Ok((GapAdvice::against(format!("the network cannot fill them: {problem}")), None))
        }
        Err(error) => Err(error),
    }
}
