//! What a device must be able to do. The unit is the cycle, so that a device may fuse the transforms with what lies between.
//!
//! No default methods: what one backend lacks must not compile. A partial-coherence PSF will be one more field of
//! [`Problem`] and changes only the modulus projection inside `cycles` and the calculated intensity inside `fit`:
//! no method of this trait hands out a modulus.

use super::problem::Problem;
use super::rules::Cycle;
use super::support::{SupportRule, SupportState};
use crate::volume::Cornered;
use num_complex::Complex32;
use serde::Serialize;

/// One run's state on a device: the problem, the object and the support.
pub trait Backend {
    /// Begins a run: this object and this support, gaps bounded as the problem says.
    fn start(&mut self, object: &Cornered<Complex32>, support: &Cornered<bool>);

    /// Advances the object by `n` cycles.
    fn cycles(&mut self, cycle: Cycle, n: usize);

    /// Advances the object by `n` steps of Poisson maximum-likelihood conjugate gradients inside the support.
    fn conjugate_gradients(&mut self, n: usize);

    /// Replaces the support by what stands out of the blurred object.
    fn update_support(&mut self, rule: &SupportRule) -> SupportState;

    /// Replaces the support.
    fn set_support(&mut self, support: &Cornered<bool>);

    /// Lets pixels without measurement take any value (`true`), or bounds them as the problem says (`false`).
    fn release_gaps(&mut self, release: bool);

    /// How well the object, cut to its support, explains the measurement.
    fn fit(&mut self) -> Fit;

    /// The object, not cut to its support.
    fn object(&self) -> Cornered<Complex32>;

    /// The support.
    fn support(&self) -> Cornered<bool>;

    /// What was given to phase.
    fn problem(&self) -> &Problem;
}

/// How well a calculated pattern explains the measured one, at the scale that fits best.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Fit {
    /// `sqrt(sum (|F| - sqrt(I))^2 / sum I)` over the measured pixels that were not held out.
    pub r_factor: f64,
    /// Poisson log-likelihood per such pixel: the mean of `c - o + o ln(o / c)`.
    pub llk_poisson: f64,
    /// The same over the held-out pixels; `None` where none were held out.
    pub free_llk_poisson: Option<f64>,
    /// The factor on the object that fits best.
    pub scale: f64,
    /// Fraction of the array inside the support.
    pub support_fraction: f64,
    /// Fraction of the object's energy that was outside the support before it was cut.
    pub outside: f64,
}
