//! What a reconstruction came to: every number that a page, a file or a machine is told.

use super::gaps::HiddenSummary;
use super::phase::Phased;
use super::policy::GapAdvice;
use super::split::SplitData;
use super::verdict::{Grade, Verdict};
use crate::inpaint::GapTreatment;
use crate::metrics::Crossing;
use crate::phasing::combine::Combined;
use crate::phasing::psf::Psf;
use crate::phasing::run_summary::RunVerdict;
use crate::phasing::support::Cut;
use crate::pixels::Pattern;
use crate::settings::Settings;
use serde::Serialize;
use std::time::Duration;

/// What a reconstruction came to. Fits are those of the best run.
#[derive(Debug, Clone, Serialize)]
pub struct Summary {
    /// Whether the object was found, and what that rests on.
    pub verdict: Verdict,
    /// `sqrt(sum (|F| - sqrt(I))^2 / sum I)` over measured pixels that were not held out.
    pub r_factor: f64,
    /// Poisson log-likelihood per such pixel.
    pub llk_poisson: f64,
    /// Poisson log-likelihood per held-out pixel, where some were held out.
    pub free_llk_poisson: Option<f64>,
    /// Fraction of the array inside the support.
    pub support_fraction: f64,
    /// Seed of the first run; run `i` has `seed + i`.
    pub seed: u64,
    /// Number of the best run, from 0.
    pub best_run: usize,
    /// Number of runs whose average the object is, where several have it.
    pub averaged_runs: Option<usize>,
    /// Threshold of its support updates, in units of the reference, where it had one.
    pub support_threshold: Option<f64>,
    /// Fraction of the array that its support updates kept, where it had that instead.
    pub support_area: Option<f64>,
    /// Wall-clock seconds of a cycle, mean over all runs.
    pub seconds_per_cycle: f64,
    /// Wall-clock seconds of phasing.
    pub seconds: f64,
    /// Wall-clock seconds of the searches for a start.
    pub search_seconds: f64,
    /// Cycles of the best run.
    pub cycles: usize,
    /// Number of runs.
    pub runs: usize,
    /// Number of runs that were kept.
    pub runs_kept: usize,
    /// Number of runs whose object vanished or overflowed.
    pub runs_diverged: usize,
    /// Number of runs discarded for their energy outside the support.
    pub runs_outside_support: usize,
    /// Whether the last runs are missing, because the work was stopped.
    pub interrupted: bool,
    /// Bytes of the machine's memory that phasing was estimated to take.
    pub memory_bytes: u64,
    /// Fraction of the kept runs' energy in their first orthogonal mode.
    pub first_mode_weight: Option<f64>,
    /// Object pixel in the plane of the detector, metres, the coarser axis.
    pub object_pixel_m: Option<f64>,
    /// Kernel that blurs calculated intensities at the end of the best run.
    pub psf: Option<PsfSummary>,
    /// Half-period resolutions, of several kept runs only, and not where the object was not found.
    #[serde(flatten)]
    pub resolution: Option<Resolutions>,
    /// Half-period resolution by the Fourier shell correlation of two halves of the counts, phased
    /// apart.
    pub split_data: Option<SplitSummary>,
    /// Constant phase that was removed from the object, radians.
    pub phase_removed_rad: f64,
    /// Ramp that was removed from it, turns across the array (pixels of the pattern), `(z, y, x)`.
    pub ramp_removed_turns: [f64; 3],
    /// Expected relative distance of the object from the true one, by its standard deviations; nothing
    /// where fewer than three runs agree, or it was not found.
    pub object_std: Option<f64>,
    /// What the pixels without a measurement hide of the object; nothing where all were measured, and
    /// of real objects, whose Friedel mates tell.
    pub hidden: Option<HiddenSummary>,
    /// Squares of four pixels around which the phase turns, where it was unwrapped.
    pub phase_vortices: Option<usize>,
    /// Steps of each run.
    pub recipe: String,
    /// Device: `cpu` or `cuda:0`.
    pub device: String,
    /// Treatment of the gap in this reconstruction.
    pub gap: GapTreatment,
    /// Treatment within whose bounds every second run began, if they did; all end with free pixels.
    pub search_gap: Option<GapTreatment>,
    /// What was done to the file before it was phased.
    pub prepared: Preparation,
    /// What the reader of the file noted: missing data, doubts about its mask or units.
    pub notes: Vec<String>,
    /// What the automatic policy went by.
    #[serde(flatten)]
    pub automatic: Option<AutomaticChoice>,
    /// Number of runs at which a network looked to complete the gap in the end, where it did.
    pub completed_from_runs: Option<usize>,
}

/// What was done to a file before it was phased.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Preparation {
    /// One line for each thing.
    pub steps: Vec<String>,
    /// Zero frequency in the file, pixels `(z, y, x)`.
    pub centre_pixels: [usize; 3],
    /// First pixel that was cut from the file, `(z, y, x)`.
    pub start_pixels: [usize; 3],
    /// One beyond the last of them.
    pub stop_pixels: [usize; 3],
    /// Pixels that were summed into one, `(z, y, x)`.
    pub rebin: [usize; 3],
}

/// The kernel that blurs calculated intensities: partial coherence and detector.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct PsfSummary {
    /// Full widths at half maximum `(z, y, x)`, pixels, of the peaks nearest to its profiles; 0 for a
    /// thin axis.
    pub widths_pixels: [f64; 3],
    /// Fraction of the Lorentzian in these peaks.
    pub eta: f64,
    /// Fraction of a point's photons that stay in its pixel.
    pub central_weight: f64,
}

impl PsfSummary {
    fn new(psf: &Psf) -> Self {
        let central_weight = psf.kernels.iter().map(|kernel| kernel.weights()[0]).product();
        PsfSummary { widths_pixels: psf.widths(), eta: psf.eta, central_weight }
    }
}

/// Half-period resolutions, where the curves cross their thresholds or the photons end.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Resolutions {
    /// By the PRTF at 1/e, object pixels.
    pub prtf_resolution_pixels: Option<f64>,
    /// By the PRTF at 1/e, metres.
    pub prtf_resolution_m: Option<f64>,
    /// By the Fourier shell correlation at the half-bit criterion, object pixels.
    pub fsc_resolution_pixels: Option<f64>,
    /// By the Fourier shell correlation at the half-bit criterion, metres.
    pub fsc_resolution_m: Option<f64>,
}

/// Half-period resolutions of two halves of the counts, phased apart: what the data support.
/// Nothing where they have nothing in common, and where the object of the whole was not found or no
/// other run agrees with it: two halves can end in the same wrong object.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct SplitSummary {
    /// At the half-bit criterion, object pixels.
    pub resolution_pixels: Option<f64>,
    /// At the half-bit criterion, metres.
    pub resolution_m: Option<f64>,
    /// Along `(z, y, x)`: of the frequencies within 45 degrees of the axis, object pixels.
    pub along_pixels: [Option<f64>; 3],
    /// Along `(z, y, x)`, metres.
    pub along_m: [Option<f64>; 3],
    /// Relative distance of the two objects.
    pub distance: f64,
}

impl SplitSummary {
    fn new(split: &SplitData, found: bool, plane: Option<[f64; 2]>, pixel: Option<f64>) -> Self {
        let resolution = |crossing: Crossing, pixel| crossing.resolution(pixel).filter(|_| found);
        let whole = resolution(split.crossing, pixel);
        // The third axis has a pixel only where the geometry of the scan is known.
        let pixels = [None, plane.map(|[y, _]| y), plane.map(|[_, x]| x)];
        let along: [_; 3] = std::array::from_fn(|axis| resolution(split.along[axis], pixels[axis]));
        SplitSummary {
            resolution_pixels: whole.map(|found| found.pixels),
            resolution_m: whole.and_then(|found| found.metres),
            along_pixels: along.map(|found| found.map(|found| found.pixels)),
            along_m: along.map(|found| found.and_then(|found| found.metres)),
            distance: split.distance,
        }
    }
}

/// What the automatic policy went by.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AutomaticChoice {
    /// What the pattern itself said before it was phased.
    pub gap_advice: GapAdvice,
    /// Free log-likelihood with free pixels, where both were tried.
    pub free_llk_with_free_pixels: Option<f64>,
    /// Free log-likelihood with filled pixels, where both were tried.
    pub free_llk_with_filled_pixels: Option<f64>,
}

impl Summary {
    pub(super) fn new(
        pattern: &Pattern,
        phased: &Phased,
        combined: &Combined,
        split: Option<&SplitData>,
        gap: GapTreatment,
        settings: &Settings,
        took: Duration,
    ) -> Self {
        let runs = &phased.ensemble;
        let best = &runs.kept[0];
        let plane = pattern.geometry.object_pixel(pattern.shape());
        // In 3D the shells mix in the third axis, whose pixel is not known.
        let detector_plane = plane.map(|[y, x]| y.max(x));
        let pixel = detector_plane.filter(|_| pattern.is_2d());
        let count = |verdict: RunVerdict| runs.all.iter().filter(|run| run.verdict == verdict).count();
        let cycles: usize = runs.all.iter().map(|run| run.cycles).sum();
        let [prtf, fsc] = combined.crossings().map(|crossing| crossing.resolution(pixel));
        let verdict = Verdict::new(pattern, &phased.ensemble, settings);
        // Kept runs may all come from one: that they agree resolves nothing where no other does.
        let alone = verdict.evidence.agreeing.is_some_and(|share| share == 0.0);
        let found = verdict.grade != Grade::NotFound && !alone;
        let (support_threshold, support_area) = match best.cut {
            Cut::Threshold(threshold) => (Some(decimal(threshold)), None),
            Cut::Area(area) => (None, Some(area)),
        };
        Summary {
            verdict,
            r_factor: best.fit.r_factor,
            llk_poisson: best.fit.llk_poisson,
            free_llk_poisson: best.fit.free_llk_poisson,
            support_fraction: best.fit.support_fraction,
            seed: settings.ensemble.seed,
            best_run: runs.best_run().map_or(best.number, |run| run.number),
            averaged_runs: best.is_average().then_some(best.average_of),
            support_threshold,
            support_area,
            seconds_per_cycle: runs.all.iter().map(|run| run.seconds).sum::<f64>() / cycles.max(1) as f64,
            seconds: took.as_secs_f64(),
            search_seconds: runs.all.iter().map(|run| run.search_seconds).sum(),
            cycles: runs.best_run().map_or(0, |run| run.cycles),
            runs: runs.all.iter().filter(|run| !run.is_average()).count(),
            runs_kept: runs.kept.iter().filter(|run| !run.is_average()).count(),
            runs_diverged: count(RunVerdict::Diverged),
            runs_outside_support: count(RunVerdict::Outside),
            interrupted: runs.interrupted,
            memory_bytes: phased.memory,
            first_mode_weight: combined.modes.weights.first().copied(),
            object_pixel_m: detector_plane,
            psf: best.psf.as_ref().map(PsfSummary::new),
            resolution: (found && !combined.fsc.is_empty()).then(|| Resolutions {
                prtf_resolution_pixels: prtf.map(|r| r.pixels),
                prtf_resolution_m: prtf.and_then(|r| r.metres),
                fsc_resolution_pixels: fsc.map(|r| r.pixels),
                fsc_resolution_m: fsc.and_then(|r| r.metres),
            }),
            split_data: split.map(|split| SplitSummary::new(split, found, plane, pixel)),
            phase_removed_rad: combined.gauge.phase,
            ramp_removed_turns: combined.gauge.ramp,
            object_std: None,
            hidden: None,
            phase_vortices: None,
            recipe: phased.recipe.to_string(),
            device: phased.device.clone(),
            gap,
            search_gap: None,
            prepared: Preparation::default(),
            notes: Vec::new(),
            automatic: None,
            completed_from_runs: None,
        }
    }
}

/// The 64-bit number whose shortest decimal is that of a 32-bit one: 0.1 stays 0.1.
pub(crate) fn decimal(value: f32) -> f64 {
    value.to_string().parse().unwrap_or(f64::from(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_resolve_nothing_of_an_object_that_was_not_found() {
        let along = [Crossing::Below, Crossing::At(0.25), Crossing::Above];
        let split = SplitData { fsc: Vec::new(), crossing: Crossing::At(0.25), along, distance: 0.1 };
        let of = |found| SplitSummary::new(&split, found, Some([2e-9, 1e-9]), Some(2e-9));
        let resolved = of(true);
        assert_eq!(resolved.resolution_pixels.zip(resolved.resolution_m), Some((2.0, 4e-9)));
        assert_eq!(resolved.along_m, [None, Some(4e-9), Some(1e-9)]);
        let nothing = SplitSummary {
            resolution_pixels: None,
            resolution_m: None,
            along_pixels: [None; 3],
            along_m: [None; 3],
            ..resolved
        };
        assert_eq!(of(false), nothing);
    }
}
