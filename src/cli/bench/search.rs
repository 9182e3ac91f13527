//! `lacuna bench search`: simulated particles with gaps, reconstructed with the defaults. Of how many
//! is the object found, at what cost, and does the verdict know?

use super::clock::cpu_seconds;
use lacuna::compare::{Score, Truth};
use lacuna::error::{Error, Result};
use lacuna::evaluate::{CLASSICAL, REACH, blinded, gaps_of_ratio, without_gaps};
use lacuna::inpaint::{Fill, FillOptions, fill};
use lacuna::io::set::{Set, Split};
use lacuna::metrics::{GapScore, RegistrationOptions, fsc, median, register, true_crossing};
use lacuna::phasing::run::Run;
use lacuna::pixels::{Estimate, Pattern};
use lacuna::prepare::Prepared;
use lacuna::reconstruct::{Grade, Reconstruction, reconstruct};
use lacuna::settings::{GapKeys, PhasingKeys, Settings, TypedSettings};
use lacuna::volume::Centered;
use ndarray::Array3;
use rand::{Rng as _, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;
use rayon::prelude::*;
use serde::Serialize;
use serde_json::json;
use std::path::PathBuf;

/// An object with a smaller relative error counts as found.
const FOUND: f64 = 0.3;

/// Seed of the places of the gaps, as in comparisons.
const GAP_SEED: u64 = 0;

/// Pixels along each axis over which the errors of `--true-fill` are alike.
const ALIKE: usize = 3;

/// Half width of a normal distribution's 90 % interval, in standard deviations.
const HALF_90: f32 = 1.645;

/// Arguments of `lacuna bench search`.
#[derive(Debug, clap::Args)]
pub struct Search {
    /// Simulated set
    set: PathBuf,
    /// Widths of the straight gap that is cut, in units of the linear oversampling; 0 is none
    #[arg(long, value_delimiter = ',', default_value = "0,1.25,2.5,4")]
    ratios: Vec<f64>,
    /// Patterns to use: test, validation or train
    #[arg(long, default_value = "test")]
    split: Split,
    /// Patterns at most
    #[arg(long)]
    limit: Option<usize>,
    /// Preset [default: particle in 2D, bragg in 3D]
    #[arg(long)]
    preset: Option<String>,
    #[command(flatten)]
    gap: GapKeys,
    /// Give pixels of the gap their true intensities, off by this standard deviation of ln(1 + I):
    /// what a fill that good is worth. It binds within its 90 % interval, as --gap file or
    /// file-release says
    #[arg(long, value_name = "SIGMA")]
    true_fill: Option<f32>,
    #[command(flatten)]
    phasing: PhasingKeys,
    /// Number of threads, each of which phases one pattern at a time where they are small
    #[arg(long)]
    threads: Option<usize>,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
}

/// What came of one pattern with one gap.
#[derive(Serialize)]
struct Outcome {
    pattern: usize,
    ratio: f64,
    photons: f64,
    /// Relative error of the object.
    error: f64,
    grade: Grade,
    probability: f64,
    /// Evidence of the verdict, by name; nothing where no run gave an object.
    evidence: serde_json::Value,
    runs: usize,
    /// Fractions of the pixels whose true modulus and phase lie within two standard deviations,
    /// where there are some.
    coverage: Option<[f64; 2]>,
    /// Expected relative error of the object, by its standard deviations.
    object_std: Option<f64>,
    resolution: HalfPeriods,
    /// Mean errors of `log10(1 + I)` inside the gap, where there is one and something completed it.
    gap: Option<GapErrors>,
}

impl Outcome {
    /// That of a pattern of which no run gave an object.
    fn lost(pattern: usize, ratio: f64, photons: f64, runs: usize) -> Self {
        Outcome {
            pattern,
            ratio,
            photons,
            error: LOST,
            grade: Grade::NotFound,
            probability: 0.0,
            evidence: serde_json::Value::Null,
            runs,
            coverage: None,
            object_std: None,
            resolution: HalfPeriods::default(),
            gap: None,
        }
    }
}

/// Relative error where there is no object.
const LOST: f64 = 1.0;

/// Mean errors of `log10(1 + I)` inside a gap, against noise-free intensities.
#[derive(Serialize)]
struct GapErrors {
    /// Of the completed pattern.
    completed: f64,
    /// Of the fills without phasing, in the order of [`CLASSICAL`].
    classical: [f64; 3],
    /// Of kriging.
    kriging: f64,
}

impl GapErrors {
    fn of(seen: &Pattern, completed: &Estimate, truth: &Centered<f32>) -> Result<Option<Self>> {
        let reach = FillOptions { bounds: (1.0, 1.0), max_distance: REACH, volume: !seen.is_2d(), beamstop: true };
        let fills = CLASSICAL.map(|method| fill(seen, method, &reach, &mut |_| true));
        let fills = fills.into_iter().collect::<Result<Vec<_>>>()?;
        let kriging = fill(seen, Fill::Kriging, &reach, &mut |_| true)?;
        let all = || fills.iter().chain([completed, &kriging]);
        let inside = |index: &[usize; 3]| seen.mask.0[*index] != 0 && all().all(|estimate| estimate.at.0[*index]);
        let pixels: Vec<[usize; 3]> =
            seen.mask.0.indexed_iter().map(|(index, _)| <[usize; 3]>::from(index)).filter(inside).collect();
        let score = |estimate: &Estimate| {
            GapScore::new(pixels.iter().map(|&index| (estimate.mean.0[index], truth.0[index]))).error_log
        };
        let classical = [score(&fills[0]), score(&fills[1]), score(&fills[2])];
        let kriging = score(&kriging);
        Ok((!pixels.is_empty()).then(|| GapErrors { completed: score(completed), classical, kriging }))
    }
}

/// Medians of the errors inside gaps of results with this grade, in words; nothing where none was
/// completed.
fn gap_errors(outcomes: &[Outcome], grade: Grade) -> Option<String> {
    let of_grade = outcomes.iter().filter(|outcome| outcome.grade == grade);
    let errors: Vec<&GapErrors> = of_grade.filter_map(|outcome| outcome.gap.as_ref()).collect();
    if errors.is_empty() {
        return None;
    }
    let of = |get: &dyn Fn(&GapErrors) -> f64| median(&errors.iter().map(|errors| get(errors)).collect::<Vec<_>>());
    let [linear, idw, biharmonic] = [0, 1, 2].map(|which| of(&|errors| errors.classical[which]));
    Some(format!(
        "{:.3} completed, {linear:.3} straight lines, {idw:.3} inverse distance, {biharmonic:.3} smoothest surface, {:.3} kriging of {} graded {}",
        of(&|errors| errors.completed),
        of(&|errors| errors.kriging),
        errors.len(),
        grade.text()
    ))
}

/// Half-period resolutions, object pixels; nothing where there is none.
#[derive(Default, Serialize)]
struct HalfPeriods {
    /// By the correlation with the true object.
    truth: Option<f64>,
    /// As the summary says.
    fsc: Option<f64>,
    prtf: Option<f64>,
    split: Option<f64>,
}

impl HalfPeriods {
    fn of(result: &Reconstruction, truth: &Truth, ramp: bool) -> Result<Self> {
        let object = &result.combined.objects[0];
        let registered = register(object, &truth.object, RegistrationOptions { subpixel: true, ramp })?;
        let crossing = true_crossing(&fsc(&registered.object, &truth.object)?);
        let summary = &result.summary;
        Ok(HalfPeriods {
            truth: crossing.resolution(None).map(|resolution| resolution.pixels),
            fsc: summary.resolution.and_then(|resolution| resolution.fsc_resolution_pixels),
            prtf: summary.resolution.and_then(|resolution| resolution.prtf_resolution_pixels),
            split: summary.split_data.and_then(|split| split.resolution_pixels),
        })
    }
}

/// Median, quartiles and extremes of the resolutions over the true ones, in words; of those that
/// have both.
fn resolutions(outcomes: &[Outcome]) -> String {
    type Kind = (&'static str, fn(&HalfPeriods) -> Option<f64>);
    let kinds: [Kind; 3] = [("FSC", |r| r.fsc), ("PRTF", |r| r.prtf), ("split data", |r| r.split)];
    let words = kinds.iter().map(|(name, of)| {
        let found = outcomes.iter().filter(|outcome| outcome.grade == Grade::Found);
        let mut ratios: Vec<f64> = found.filter_map(|o| Some(of(&o.resolution)? / o.resolution.truth?)).collect();
        ratios.sort_by(f64::total_cmp);
        match ratios.len() {
            0 => format!("{name} none"),
            n => {
                let [low, first, middle, third, high] = [0, n / 4, n / 2, 3 * n / 4, n - 1].map(|place| ratios[place]);
                format!("{name} {middle:.2} ({first:.2} to {third:.2}, {low:.2} to {high:.2}) of {n}")
            }
        }
    });
    words.collect::<Vec<_>>().join(", ")
}

/// True intensities of what was not measured, in error alike over three pixels along each axis, as
/// fills are; their bounds are 90 % intervals.
fn true_fill(intensity: &Centered<f32>, mask: &Centered<u32>, sigma: f32, seed: u64) -> Estimate {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let blocks = intensity.shape().map(|n| n.div_ceil(ALIKE));
    let errors: Array3<f32> = Array3::from_shape_simple_fn(blocks, || sigma * rng.sample::<f32, _>(StandardNormal));
    let at = mask.0.mapv(|bits| bits != 0) & intensity.0.mapv(f32::is_finite);
    let within = |deviations: f32| {
        Centered(Array3::from_shape_fn(at.dim(), |(z, y, x)| match at[[z, y, x]] {
            true => {
                let log = intensity.0[[z, y, x]].max(0.0).ln_1p() + errors[[z / ALIKE, y / ALIKE, x / ALIKE]];
                (log + deviations * sigma).max(0.0).exp_m1()
            }
            false => 0.0,
        }))
    };
    let [mean, lower, upper] = [0.0, -HALF_90, HALF_90].map(within);
    Estimate { mean, lower, upper, at: Centered(at) }
}

impl Search {
    pub fn execute(self) -> Result<()> {
        crate::cli::flags::MachineFlags { threads: self.threads, max_memory: None }.apply()?;
        let set = Set::open(&self.set)?;
        let mut patterns = set.indices(self.split);
        patterns.truncate(self.limit.unwrap_or(usize::MAX));
        if patterns.is_empty() {
            return Err(Error::file(&self.set, format!("has no {} pattern", self.split.name())));
        }
        let preset = self.preset.as_deref().unwrap_or(if set.shape()[0] == 1 { "particle" } else { "bragg" });
        let mut gap = self.gap.clone();
        match (self.true_fill, &gap.gap) {
            (Some(sigma), _) if !(0.0..=5.0).contains(&sigma) => {
                return Err(Error::setting("--true-fill", sigma, "a standard deviation of ln(1 + I), 0 to 5"));
            }
            (Some(_), None) => gap.gap = Some("file".into()),
            (Some(_), Some(other)) if !other.starts_with("file") => {
                return Err(Error::setting("--gap", other, "--true-fill is the fill: file or file-release"));
            }
            _ => {}
        }
        let typed = TypedSettings { gap, phasing: self.phasing.clone(), ..TypedSettings::default() };
        let settings = Settings::resolve(preset, &typed)?;
        for &ratio in &self.ratios {
            let begun = cpu_seconds();
            let one = |&pattern: &usize| self.one(&set, pattern, ratio, &settings);
            let outcomes: Vec<Outcome> = if set.shape()[0] == 1 {
                patterns.par_iter().with_max_len(1).map(one).collect::<Result<_>>()?
            } else {
                patterns.iter().map(one).collect::<Result<_>>()?
            };
            let seconds = (cpu_seconds() - begun) / outcomes.len() as f64;
            self.report(ratio, &outcomes, seconds)?;
        }
        Ok(())
    }

    /// A line for each pattern in JSON, and one for all.
    fn report(&self, ratio: f64, outcomes: &[Outcome], seconds: f64) -> Result<()> {
        let all = outcomes.len() as f64;
        let errors: Vec<f64> = outcomes.iter().map(|outcome| outcome.error).collect();
        let found = errors.iter().filter(|&&error| error < FOUND).count() as f64 / all;
        let of = |grade: Grade| {
            let graded: Vec<&Outcome> = outcomes.iter().filter(|outcome| outcome.grade == grade).collect();
            [graded.len(), graded.iter().filter(|outcome| outcome.error < FOUND).count()]
        };
        // Means over the objects that are called found.
        let covered: Vec<[f64; 2]> =
            outcomes.iter().filter(|o| o.grade == Grade::Found).filter_map(|o| o.coverage).collect();
        let mean = |which: usize| covered.iter().map(|c| c[which]).sum::<f64>() / covered.len() as f64;
        let coverage = (!covered.is_empty()).then(|| [mean(0), mean(1)]);
        let grades = [Grade::Found, Grade::Doubtful, Grade::NotFound].map(of);
        if self.json {
            for outcome in outcomes {
                crate::cli::text::print(format!("{}\n", json!(outcome)))?;
            }
            let line = json!({"bench": "search", "ratio": ratio, "patterns": outcomes.len(), "found": found,
                "median_error": median(&errors), "cpu_seconds": seconds, "grades": grades,
                "coverage": coverage,
                "version": env!("CARGO_PKG_VERSION")});
            return crate::cli::text::print(format!("{line}\n"));
        }
        let [f, d, n] = grades.map(|[graded, right]| format!("{right} of {graded}"));
        let covered = coverage.map_or_else(String::new, |[moduli, phases]| {
            format!(
                "; of those graded found, {:.1} % of the moduli and {:.1} % of the phases are within two standard deviations",
                100.0 * moduli,
                100.0 * phases
            )
        });
        crate::cli::text::print(format!(
            "gap {ratio:>4} times the oversampling: found {found:.2}, median error {:.3}, {seconds:.1} s of CPU each; error below \
             {FOUND} in {f} graded found, {d} doubtful, {n} not found{covered}\n",
            median(&errors)
        ))?;
        crate::cli::text::print(format!(
            "    resolutions of those graded found over the true ones: {}\n",
            resolutions(outcomes)
        ))?;
        for errors in [Grade::Found, Grade::Doubtful].into_iter().filter_map(|grade| gap_errors(outcomes, grade)) {
            crate::cli::text::print(format!(
                "    median errors of log10(1 + I) inside the gap, completed after phasing: {errors}\n"
            ))?;
        }
        Ok(())
    }

    fn one(&self, set: &Set, pattern: usize, ratio: f64, settings: &Settings) -> Result<Outcome> {
        let entry = set.entry(pattern)?;
        let shape = set.shape();
        let measured = set.measurement(pattern)?;
        let full = without_gaps(&measured, GAP_SEED, pattern);
        let oversampling = entry.parameters.oversampling().unwrap_or([f64::NAN; 3]);
        let mut seen = match ratio > 0.0 {
            true => blinded(full, &gaps_of_ratio(shape, oversampling, ratio, GAP_SEED, pattern)[0].pixels(shape)),
            false => full,
        };
        if let Some(sigma) = self.true_fill {
            seen.estimate = Some(true_fill(&measured.intensity, &seen.mask, sigma, pattern as u64));
        }
        let prepared = Prepared {
            centre: shape.map(|n| n / 2),
            window: shape.map(|n| 0..n),
            rebin: [1; 3],
            pattern: seen,
            support: None,
            steps: Vec::new(),
            notes: Vec::new(),
        };
        let seen = prepared.pattern.clone();
        let photons = entry.parameters.number("measurement_photons").unwrap_or(f64::NAN);
        let result = match reconstruct(prepared, settings, &()) {
            // The search failed, and is not to be left out for that.
            Err(Error::NoObject { runs }) => return Ok(Outcome::lost(pattern, ratio, photons, runs)),
            result => result?,
        };
        let completed = result.pattern.estimate.as_ref().filter(|_| result.summary.completed_from_runs.is_some());
        let gap = completed.map(|estimate| GapErrors::of(&seen, estimate, &measured.intensity)).transpose()?.flatten();
        let truth = Truth { object: entry.object, support: entry.support };
        let best: &Run = &result.ensemble.kept[0];
        let score = Score::new(best, &truth, !settings.recipe.positivity)?;
        let object = &result.combined.objects[0];
        let coverage = match &result.uncertainty {
            None => None,
            Some(uncertainty) => {
                let options = RegistrationOptions { subpixel: true, ramp: !settings.recipe.positivity };
                Some(uncertainty.coverage(object, &register(&truth.object, object, options)?))
            }
        };
        let verdict = &result.summary.verdict;
        Ok(Outcome {
            pattern,
            ratio,
            photons,
            error: score.error,
            grade: verdict.grade,
            probability: verdict.probability,
            evidence: json!(verdict.evidence),
            runs: result.summary.runs,
            coverage,
            object_std: result.summary.object_std,
            gap,
            resolution: HalfPeriods::of(&result, &truth, !settings.recipe.positivity)?,
        })
    }
}
