//! What a device must be able to do. Its unit of time is the cycle, so that it may fuse the
//! transforms with what lies between them; its unit of work is a batch of runs of one problem that
//! advance together, so that small problems fill it.
//!
//! No default methods: what one backend lacks must not compile.

use super::problem::Problem;
use super::psf::Psf;
use super::rules::Cycle;
use super::support::{Cut, SupportRule};
use crate::error::Result;
use crate::volume::Cornered;
use num_complex::Complex32;
use serde::{Deserialize, Serialize};

/// The state of a batch of runs on a device: the problem that they share, the object and the
/// support of each.
///
/// Methods that return nothing may only queue their work; a failure of theirs shows in the next
/// [`collect_fits`](Self::collect_fits) or [`finish`](Self::finish).
pub trait Backend {
    /// Largest number of runs that advance together.
    fn batch_size(&self) -> usize;

    /// Begins a batch of at most [`batch_size`](Self::batch_size) runs, with the default
    /// [`GapConstraint`].
    fn start(&mut self, starts: &[Start]);

    /// Advances the objects by `n` cycles.
    fn cycles(&mut self, cycle: Cycle, n: usize);

    /// Advances the objects by `n` steps of Poisson maximum-likelihood conjugate gradients inside
    /// the support.
    fn conjugate_gradients(&mut self, n: usize);

    /// Replaces the supports by the pixels where the blurred densities stand out: `rule` holds for
    /// all runs of the batch but for its cut, of which each run has its own. A run whose object has
    /// vanished keeps its support and has no fit from here on.
    ///
    /// # Panics
    /// If there is not one cut for each run of the batch.
    fn update_supports(&mut self, rule: &SupportRule, cuts: &[Cut]);

    /// Cuts each support in half, across its longest axis through its centre of mass, until
    /// [`restore_supports`](Self::restore_supports): a state that the twin does not share.
    fn halve_supports(&mut self);

    /// Undoes [`halve_supports`](Self::halve_supports).
    fn restore_supports(&mut self);

    /// Sets how pixels without measurement are constrained from here on.
    fn set_gap_constraint(&mut self, gaps: GapConstraint);

    /// Switches the blur of calculated intensities on or off, from here on. Each run of a batch
    /// begins without it and with the problem's first kernel; without a kernel nothing happens.
    fn set_psf(&mut self, on: bool);

    /// Refines the kernel of each run from its object as it is now, cut to its support, if the blur
    /// is switched on.
    fn update_psf(&mut self);

    /// Requests the fits of the objects as they are now, cut to their supports.
    fn request_fit(&mut self);

    /// Fits of the oldest request that was not collected yet, one for each run of the batch; `None`
    /// for a run whose object vanished or overflowed. Empty without a request.
    ///
    /// # Errors
    /// If the device failed, or was asked for what it has no memory for.
    fn collect_fits(&mut self) -> Result<Vec<Option<Fit>>>;

    /// The result of one run of the batch, by its number in `start`.
    ///
    /// # Errors
    /// If the device failed, or was asked for what it has no memory for.
    fn finish(&mut self, run: usize) -> Result<Finished>;

    /// One run of the batch under way, by its number in `start`; nothing where copies would keep a
    /// device waiting.
    fn view(&mut self, run: usize) -> Option<View>;

    /// The problem that is phased.
    fn problem(&self) -> &Problem;
}

/// The start of a run.
#[derive(Debug, Clone)]
pub struct Start {
    /// First object, square roots of photons.
    pub object: Cornered<Complex32>,
    /// First support.
    pub support: Cornered<bool>,
}

/// A run under way.
#[derive(Debug, Clone)]
pub struct View {
    /// Object as it is now, not cut to its support, square roots of photons.
    pub object: Cornered<Complex32>,
    /// Support as it is now.
    pub support: Cornered<bool>,
}

/// The end of a run on its backend.
#[derive(Debug, Clone, PartialEq)]
pub struct Finished {
    /// Final object, not cut to its support, square roots of photons.
    pub object: Cornered<Complex32>,
    /// Final support.
    pub support: Cornered<bool>,
    /// Modulus of the object's modulus projection, which support updates look at; C order.
    pub density: Vec<f32>,
    /// Kernel that blurs its intensities, if that is switched on.
    pub psf: Option<Psf>,
}

/// The constraint on pixels without measurement.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GapConstraint {
    /// Whether the bounds of estimates are ignored, so that all gaps are free.
    pub released: bool,
    /// Factor on free moduli in every projection. A little below one, it keeps low frequencies that
    /// a beamstop hides from growing into a pedestal under the object, on which positivity would
    /// have no hold.
    pub leak: f32,
}

impl Default for GapConstraint {
    fn default() -> Self {
        GapConstraint { released: false, leak: 1.0 }
    }
}

/// The agreement of a calculated pattern with the measured one, at the scale that fits best. All
/// numbers are finite.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Fit {
    /// R factor `sqrt(sum (|F| - sqrt(I))^2 / sum I)` over the measured pixels that were not held
    /// out.
    pub r_factor: f64,
    /// Poisson log-likelihood per such pixel: the mean of `c - o + o ln(o / c)`.
    pub llk_poisson: f64,
    /// Poisson log-likelihood per held-out pixel; `None` where none were held out.
    pub free_llk_poisson: Option<f64>,
    /// Factor on the object that fits best, above zero.
    pub scale: f64,
    /// Fraction of the array inside the support.
    pub support_fraction: f64,
}

impl Fit {
    /// The fit from sums over measured pixels, `o` being what was observed and `F` what is
    /// calculated: `|F| sqrt(o)`, `|F|^2`, `o`, `o ln(o / |F|^2)`, 1. `None` if they are not
    /// finite, as after an overflow of the object.
    ///
    /// With the scale `s` that fits best the residual is `sum o - (sum |F| sqrt(o))^2 / sum |F|^2`
    /// and the likelihood `s^2 sum |F|^2 - sum o + sum o ln(o / |F|^2) - ln(s^2) sum o`, so one
    /// pass over the pixels is enough.
    pub fn new(sums: [f64; 5], free_llk_poisson: Option<f64>, support_fraction: f64) -> Option<Fit> {
        let [cross, calculated, observed, logarithms, pixels] = sums;
        let scale = best_scale(sums);
        let squared = scale * scale;
        let residual = (observed + squared * calculated - 2.0 * scale * cross).max(0.0);
        let likelihood = squared * calculated - observed + logarithms - squared.ln() * observed;
        let r_factor = (residual / observed).sqrt();
        let llk_poisson = likelihood / pixels;
        // All three: `max` above turns a residual that is no number into zero.
        let finite = [r_factor, llk_poisson, scale].iter().all(|value| value.is_finite());
        let fit = Fit { r_factor, llk_poisson, free_llk_poisson, scale, support_fraction };
        (finite && scale > 0.0).then_some(fit)
    }

    /// Poisson log-likelihood per held-out pixel, or per fitted pixel where none were held out.
    pub fn predicted_llk(&self) -> f64 {
        self.free_llk_poisson.unwrap_or(self.llk_poisson)
    }

    /// What runs are ranked by, smallest first: the geometric mean of the log-likelihoods of held-out
    /// and of fitted pixels, times the support. Held-out pixels are honest and few, fitted ones many;
    /// and of two objects that explain the counts as well the smaller one explains more. Measured:
    /// `docs/benchmarks/search.md`.
    ///
    /// A pixel of the support is two unknowns, so that supports of half of the array fit anything. What
    /// is fitted counts therefore as generalized cross-validation says (P. Craven and G. Wahba, Numer.
    /// Math. 31, 377 (1979)), and never for better than held-out pixels by more than that.
    pub fn score(&self) -> f64 {
        let left = (1.0 - 2.0 * self.support_fraction).max(0.0);
        let fitted = (self.llk_poisson.max(0.0) / (left * left)).min(self.predicted_llk());
        (self.predicted_llk() * fitted).max(0.0).sqrt() * self.support_fraction
    }
}

/// The factor on the object that fits best, from the same sums as [`Fit::new`].
pub(crate) fn best_scale([cross, calculated, ..]: [f64; 5]) -> f64 {
    if calculated > 0.0 { cross / calculated } else { 1.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_ranked_by_both_likelihoods_and_the_support() {
        let fit = |llk_poisson, free_llk_poisson, support_fraction| {
            Fit { r_factor: 0.1, llk_poisson, free_llk_poisson, scale: 1.0, support_fraction }.score()
        };
        // A quarter of the array leaves half of the pixels to speak, a half leaves none.
        assert_eq!(fit(2.0, Some(32.0), 0.25), 4.0);
        assert_eq!(fit(2.0, Some(8.0), 0.25), 2.0);
        assert_eq!(fit(0.0, Some(8.0), 0.5), 4.0);
        assert!(fit(1e-9, Some(1900.0), 0.6) > fit(25.0, Some(220.0), 0.08));
        assert!(fit(0.2, Some(400.0), 0.3) > fit(25.0, Some(220.0), 0.074));
        assert_eq!(fit(2.0, None, 0.25), 0.5);
    }

    #[test]
    fn an_object_that_overflowed_has_no_fit() {
        let sums = [10.0, 20.0, 5.0, 1.0, 4.0];
        let fit = Fit::new(sums, None, 0.1).unwrap();
        assert_eq!((fit.scale, fit.r_factor), (0.5, 0.0));
        for bad in [f64::NAN, f64::INFINITY] {
            assert_eq!(Fit::new([bad, bad, 5.0, -bad, 4.0], None, 0.1), None);
            assert_eq!(Fit::new([10.0, bad, 5.0, 1.0, 4.0], None, 0.1), None);
        }
        // No overlap with the measurement: no scale fits.
        assert_eq!(Fit::new([0.0, 20.0, 5.0, 1.0, 4.0], None, 0.1), None);
    }
}
