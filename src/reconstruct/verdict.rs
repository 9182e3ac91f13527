//! Was the object found? A verdict on a reconstruction, with the evidence that it rests on.
//!
//! Its probability is that of a logistic regression on simulated particles whose objects are known,
//! with and without gaps; which sets, and how often it is right on others, stands in
//! `docs/benchmarks/search.md`. *Found* means that the complex object differs from the true one by
//! less than 30 %, after shift, twin, constant phase and ramp.

use crate::metrics::median;
use crate::phasing::ensemble::Ensemble;
use crate::phasing::run::Run;
use crate::phasing::run_summary::RunSummary;
use crate::phasing::support::Cut;
use crate::pixels::Pattern;
use crate::settings::{GapPolicy, Settings};
use serde::{Deserialize, Serialize};

/// The grade of a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Grade {
    /// The object was found, very probably.
    Found,
    /// It may have been found, or in parts.
    Doubtful,
    /// It was not found, very probably.
    NotFound,
}

impl Grade {
    /// The grade as files have it.
    pub fn name(self) -> &'static str {
        match self {
            Grade::Found => "found",
            Grade::Doubtful => "doubtful",
            Grade::NotFound => "not-found",
        }
    }

    /// The grade in words.
    pub fn text(self) -> &'static str {
        match self {
            Grade::Found => "found",
            Grade::Doubtful => "doubtful",
            Grade::NotFound => "not found",
        }
    }
}

/// The verdict on a result.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// Grade.
    pub grade: Grade,
    /// Probability that the object was found, 0 to 1.
    pub probability: f64,
    /// What the verdict rests on.
    pub evidence: Evidence,
    /// Observations that speak for or against the result, one line each.
    pub reasons: Vec<String>,
    /// What may help, where the object was not certainly found, one line each.
    pub remedies: Vec<String>,
}

/// The numbers that a verdict rests on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// Log-likelihood per held-out pixel over that per fitted pixel, of the best run.
    pub free_over_fitted: Option<f64>,
    /// R factor of the best run.
    pub r_factor: f64,
    /// R factor that the noise of the counts alone would give.
    pub noise_r_factor: f64,
    /// Number of runs that were compared with the best.
    pub compared: usize,
    /// Fraction of them that differ from it by less than 30 %.
    pub agreeing: Option<f64>,
    /// Median of their relative distances from it.
    pub distance: Option<f64>,
    /// Fraction of the energy outside the support, of the best run, less what noise puts there.
    pub outside: f64,
    /// Fraction of the array inside the support.
    pub support_fraction: f64,
    /// Bound of the settings at which the support ended, where it did.
    #[serde(default)]
    pub support_bound: Option<SupportBound>,
    /// Whether a fill bound what was not measured to the end of each run.
    #[serde(default)]
    pub filled: bool,
    /// Number of runs that were made, beside last ones.
    #[serde(default)]
    pub runs: usize,
}

/// A bound of the support's size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SupportBound {
    /// As small as it may be.
    Smallest,
    /// As large as it may be.
    Largest,
}

impl SupportBound {
    /// The bound at which a support of this fraction of the array ended.
    fn of(fraction: f64, [smallest, largest]: [f64; 2]) -> Option<Self> {
        match fraction {
            f if f > 0.98 * largest => Some(SupportBound::Largest),
            f if f < 1.02 * smallest => Some(SupportBound::Smallest),
            _ => None,
        }
    }
}

/// Runs that differ by less agree.
const AGREE: f64 = 0.3;

/// A support is tight if it is smaller than the median of all by this factor.
const TIGHT: f64 = 0.75;

/// Coefficients of the logistic regression: see [`Evidence::terms`]. Fitted by `tools/verdict.py` to
/// what `lacuna bench search --json` printed: `docs/benchmarks/search.md`.
const COEFFICIENTS: [f64; 4] = [0.33, -0.36, -1.60, 3.19];

/// An object whose R factor is below this part of that of the counts' noise fits the noise too: its
/// support leaves the data no say. A support of the fraction `f` of the array takes noise down to
/// `sqrt(1 - 2 f)` of it.
const OVERFITTED: f64 = 0.5;

/// An object whose R factor is above this has nearly nothing of the pattern, unless counts are so few
/// that their noise alone makes half of it. Simulated results, found or not, stay below 0.5.
const UNEXPLAINED: f64 = 0.7;

/// An object that predicts held-out pixels worse than fitted ones by more than this factor was fitted
/// to what it should have predicted. Of 452 simulated results the 16 beyond it were all wrong, and 12
/// of the 16 from 10 to 20.
const UNPREDICTED: f64 = 20.0;

/// Most that the probability of any of these can be.
const POOR_PROBABILITY: f64 = 0.1;

/// Most that the probability can be where the support ended at a bound: it has another size than the
/// object then, and runs agree on that.
const BOUND_PROBABILITY: f64 = 0.5;

/// Probabilities above which a result is found, and below which it is not.
const GRADES: [f64; 2] = [0.85, 0.2];

/// Most that the probability can be where a fill bound the gap's pixels to the end: runs agree on its
/// errors, too. Of 74 simulated results of which it was higher 55 were right.
const FILLED_PROBABILITY: f64 = 0.74;

impl Evidence {
    /// The terms of the regression, the constant first.
    ///
    /// The ratio of free to fitted likelihood and the energy outside the support are no terms: beside
    /// these they told nothing more.
    pub fn terms(&self) -> [f64; 4] {
        let excess = self.r_factor / self.noise_r_factor.max(1e-6);
        [
            1.0,
            // Bounded, so that no single number decides however strange it is.
            excess.max(1e-3).ln().clamp(-1.0, 4.0),
            self.distance.unwrap_or(0.5).min(1.0),
            self.agreeing.unwrap_or(0.5),
        ]
    }

    fn overfitted(&self) -> bool {
        self.r_factor < OVERFITTED * self.noise_r_factor
    }

    fn unexplained(&self) -> bool {
        self.r_factor > UNEXPLAINED && self.r_factor > 2.0 * self.noise_r_factor
    }

    fn unpredicted(&self) -> bool {
        self.free_over_fitted.is_some_and(|ratio| ratio > UNPREDICTED)
    }

    fn probability(&self) -> f64 {
        let sum: f64 = self.terms().iter().zip(COEFFICIENTS).map(|(term, weight)| term * weight).sum();
        let most = match self {
            _ if self.overfitted() || self.unexplained() || self.unpredicted() => POOR_PROBABILITY,
            _ if self.support_bound.is_some() => BOUND_PROBABILITY,
            _ if self.filled => FILLED_PROBABILITY,
            _ => 1.0,
        };
        (1.0 / (1.0 + (-sum).exp())).min(most)
    }
}

impl Verdict {
    /// The verdict on the runs of a pattern.
    ///
    /// # Panics
    /// If none is kept.
    pub fn new(pattern: &Pattern, ensemble: &Ensemble, settings: &Settings) -> Self {
        // The average of several fits the counts otherwise than what the regression was fitted to.
        let best = ensemble.best_run().unwrap_or(&ensemble.kept[0]);
        let distances = &ensemble.distances;
        let noise = crate::phasing::noise::fraction(pattern);
        let compared = distances.len();
        let agreeing = distances.iter().filter(|&&distance| distance < AGREE).count();
        let evidence = Evidence {
            free_over_fitted: best.fit.free_llk_poisson.map(|free| free / best.fit.llk_poisson.max(1e-9)),
            r_factor: best.fit.r_factor,
            noise_r_factor: noise.sqrt(),
            compared,
            agreeing: (compared > 0).then(|| agreeing as f64 / compared as f64),
            distance: (compared > 0).then(|| median(distances)),
            outside: (best.outside - noise * (1.0 - best.fit.support_fraction)).max(0.0),
            support_fraction: best.fit.support_fraction,
            support_bound: SupportBound::of(best.fit.support_fraction, settings.support.fraction),
            filled: pattern.estimate.is_some() && binds(settings),
            runs: ensemble.all.iter().filter(|run| run.average_of == 0).count(),
        };
        let probability = evidence.probability();
        let grade = match probability {
            p if p >= GRADES[0] => Grade::Found,
            p if p >= GRADES[1] => Grade::Doubtful,
            _ => Grade::NotFound,
        };
        let (reasons, mut remedies) = words(&evidence, grade, settings);
        if grade != Grade::Found {
            remedies.extend(tighter(best, &ensemble.all));
        }
        Verdict { grade, probability, evidence, reasons, remedies }
    }

    /// The verdict in a sentence.
    pub fn sentence(&self) -> String {
        let chance = format!("{:.0} %", 100.0 * self.probability);
        let first = match self.grade {
            Grade::Found => format!("The object was found (probability {chance})"),
            Grade::Doubtful => format!("It is doubtful whether the object was found (probability {chance})"),
            Grade::NotFound => format!("The object was not found (probability that it was: {chance})"),
        };
        let reasons = if self.reasons.is_empty() { String::new() } else { format!(": {}", self.reasons.join("; ")) };
        let remedies = match self.remedies.is_empty() {
            true => String::new(),
            false => format!(" What may help: {}.", self.remedies.join("; ")),
        };
        format!("{first}{reasons}.{remedies}")
    }
}

/// Whether the settings ask for a fill that binds to the end.
fn binds(settings: &Settings) -> bool {
    matches!(settings.gap.policy, GapPolicy::Fixed(gap) if gap.source.fills() && !gap.release)
}

/// The remedy for supports most of which are wider than that of the best run: noise fills what is too
/// wide, differently in each.
fn tighter(best: &Run, runs: &[RunSummary]) -> Option<String> {
    let Cut::Threshold(threshold) = best.cut else { return None };
    let starts = runs.iter().filter(|run| run.average_of == 0);
    let supports: Vec<f64> = starts.filter_map(|run| Some(run.fit?.support_fraction)).collect();
    if supports.is_empty() || best.fit.support_fraction > TIGHT * median(&supports) {
        return None;
    }
    let most = 1.2 * threshold;
    Some(format!("tighter supports, as the best run has (support-threshold = {threshold:.2},{most:.2})"))
}

/// What speaks for or against a result, and what may help.
fn words(evidence: &Evidence, grade: Grade, settings: &Settings) -> (Vec<String>, Vec<String>) {
    let (mut reasons, mut remedies) = (Vec::new(), Vec::new());
    match (evidence.agreeing, evidence.distance) {
        (Some(share), Some(distance)) => reasons.push(format!(
            "{:.0} of the {} next best runs agree with the best within 30 %, their median distance from it is {:.0} %",
            share * evidence.compared as f64,
            evidence.compared,
            100.0 * distance
        )),
        _ => {
            let alone = match evidence.runs {
                0 | 1 => "one run only".to_string(),
                runs => format!("only one of {runs} runs gave an object"),
            };
            reasons.push(format!("{alone}: whether others would agree with it was not assessed"));
            remedies.push("more starts (nb-run)".into());
        }
    }
    if let Some(ratio) = evidence.free_over_fitted {
        reasons.push(match ratio {
            r if r < 1.05 => "held-out pixels are predicted as well as fitted ones".to_string(),
            _ => format!("held-out pixels are predicted {ratio:.1} times worse than fitted ones"),
        });
    }
    let excess = evidence.r_factor / evidence.noise_r_factor.max(1e-6);
    reasons.push(format!("R is {excess:.1} times that of the counts' noise"));
    if evidence.overfitted() {
        reasons.push("the object fits the noise itself: so large a support leaves the data no say".into());
    }
    if evidence.unexplained() {
        reasons.push(format!("with an R factor of {:.2} it explains next to nothing", evidence.r_factor));
    }
    let [smallest, largest] = settings.support.fraction;
    if evidence.support_bound == Some(SupportBound::Largest) {
        reasons.push(format!("the support fills all that it may, {:.0} % of the array", 100.0 * largest));
        remedies.push("a higher support-threshold, which then holds for all runs, or a wider support-fraction-max if the object is that large".into());
    } else if evidence.support_bound == Some(SupportBound::Smallest) {
        reasons.push(format!("the support is as small as it may be, {:.2} % of the array", 100.0 * smallest));
        remedies.push("a lower support-threshold, which then holds for all runs".into());
    }
    if evidence.filled {
        reasons.push("a fill binds what was not measured, and runs agree on its errors, too".into());
    }
    if evidence.outside > 0.1 {
        reasons.push(format!("{:.0} % of its energy lies outside the support", 100.0 * evidence.outside));
        remedies.push(
            "a lower support-threshold, which then holds for all runs, and a look at the centre and the mask".into(),
        );
    }
    if grade == Grade::Found {
        remedies.clear();
    } else {
        if evidence.compared > 0 {
            remedies.push(format!("more starts (nb-run-more = {})", 4 * settings.ensemble.most()));
        }
        if binds(settings) {
            remedies.push("free pixels, as the fill may be wrong (gap = auto, or free)".into());
        }
        if settings.recipe.psf.is_none() && excess > 3.0 {
            remedies.push("a PSF (psf = auto) if the beam is not fully coherent".into());
        }
        if settings.prepare.rebin.iter().flatten().any(|&bin| bin > 1) {
            // Sums over pixels wash out the fringes that runs would agree on.
            remedies.push("less binning (rebin)".into());
        }
        remedies.push("another preset (lacuna presets lists them), or a support that is known (support)".into());
    }
    (reasons, remedies)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::phasing::run_summary::RunVerdict;
    use crate::phasing::testing::Case;
    use num_complex::Complex32;

    fn evidence(r_factor: f64, distance: f64) -> Evidence {
        Evidence {
            free_over_fitted: Some(2.0),
            r_factor,
            noise_r_factor: 0.02,
            compared: 7,
            agreeing: Some(if distance < 0.3 { 1.0 } else { 0.0 }),
            distance: Some(distance),
            outside: 0.001,
            support_fraction: 0.05,
            support_bound: None,
            filled: false,
            runs: 8,
        }
    }

    #[test]
    fn runs_that_agree_on_a_support_at_its_bound_found_nothing_for_certain() {
        let bounds = [0.0005, 0.5];
        assert_eq!(SupportBound::of(0.05, bounds), None);
        assert_eq!(SupportBound::of(0.495, bounds), Some(SupportBound::Largest));
        let support_bound = SupportBound::of(0.0005, bounds);
        assert_eq!(support_bound, Some(SupportBound::Smallest));
        let collapsed = Evidence { support_bound, ..evidence(0.03, 0.1) };
        assert!((GRADES[1]..GRADES[0]).contains(&collapsed.probability()));
        assert!(evidence(0.03, 0.1).probability() > GRADES[0]);
        let filled = Evidence { filled: true, ..evidence(0.03, 0.1) };
        assert!((GRADES[1]..GRADES[0]).contains(&filled.probability()));
        let settings = Settings::preset("bragg").unwrap();
        let (reasons, _) = words(&filled, Grade::Doubtful, &settings);
        assert!(reasons.iter().any(|reason| reason.contains("a fill binds")), "{reasons:?}");
        assert!(!binds(&settings), "auto");
    }

    #[test]
    fn agreement_and_fit_speak_for_a_result() {
        let good = evidence(0.03, 0.1).probability();
        let bad = evidence(0.3, 0.9).probability();
        assert!(good > GRADES[0] && bad < GRADES[1], "{good} {bad}");
        let unpredicted = Evidence { free_over_fitted: Some(52.7), ..evidence(0.03, 0.1) };
        assert!(unpredicted.probability() < GRADES[1]);
        assert!(evidence(0.03, 0.9).probability() < good && evidence(0.3, 0.1).probability() < good);
    }

    #[test]
    fn one_run_says_that_nothing_was_compared() {
        let alone = Evidence { runs: 1, compared: 0, agreeing: None, distance: None, ..evidence(0.03, 0.1) };
        let settings = Settings::preset("bragg").unwrap();
        let (reasons, remedies) = words(&alone, Grade::Doubtful, &settings);
        assert!(reasons[0].contains("one run only") && reasons[0].contains("not assessed"), "{reasons:?}");
        assert!(remedies[0].contains("nb-run"), "{remedies:?}");
        let others_gave_none = words(&Evidence { runs: 3, ..alone.clone() }, Grade::Doubtful, &settings).0;
        assert!(others_gave_none[0].starts_with("only one of 3 runs gave an object"), "{others_gave_none:?}");
        let with = |bins: &[usize]| {
            let mut settings = settings.clone();
            settings.prepare.rebin = Some(bins.to_vec());
            words(&alone, Grade::Doubtful, &settings).1.join("; ").contains("less binning (rebin)")
        };
        assert!(with(&[1, 2, 2]) && !with(&[1, 1, 1]));
        // Nothing speaks against it but that it explains nothing.
        let alone = Evidence { r_factor: 0.96, noise_r_factor: 0.1, ..alone };
        assert!(alone.probability() < GRADES[1], "{}", alone.probability());
        assert!(words(&alone, Grade::NotFound, &settings).0.iter().any(|reason| reason.contains("next to nothing")));
    }

    #[test]
    fn a_best_run_with_a_tight_support_asks_for_others_like_it() {
        let mut best = Case::behind_a_gap(|_, _| Complex32::new(30.0, 0.0)).run;
        best.cut = Cut::Threshold(0.3);
        let wider = |factors: [f64; 3]| -> Vec<RunSummary> {
            let runs = factors.into_iter().map(|factor| {
                let mut run = best.clone();
                run.fit.support_fraction *= factor;
                RunSummary::new(&run, RunVerdict::Kept)
            });
            runs.collect()
        };
        let asked = tighter(&best, &wider([1.0, 1.5, 2.0])).unwrap();
        assert!(asked.contains("support-threshold = 0.30,0.36"), "{asked}");
        assert_eq!(tighter(&best, &wider([0.9, 1.0, 2.0])), None);
        let kept_its_area = Run { cut: Cut::Area(0.1), ..best.clone() };
        assert_eq!(tighter(&kept_its_area, &wider([1.0, 1.5, 2.0])), None);
    }
}
