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

    /// How pixels without measurement are treated from here on; a run starts with the default.
    fn set_gaps(&mut self, gaps: Gaps);

    /// The density that support updates look at: the modulus of the object's modulus projection, or under positivity the
    /// positive part of its real part. Of the projection, because outside the support the object of HIO and its kin is
    /// feedback and no density.
    fn density(&mut self, positivity: bool) -> Vec<f32>;

    /// How well the object, cut to its support, explains the measurement.
    fn fit(&mut self) -> Fit;

    /// The object, not cut to its support.
    fn object(&self) -> Cornered<Complex32>;

    /// The support.
    fn support(&self) -> Cornered<bool>;

    /// What was given to phase.
    fn problem(&self) -> &Problem;
}

/// How pixels without measurement are treated.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Gaps {
    /// Whether estimates are ignored.
    pub released: bool,
    /// Free moduli are multiplied by this in every projection. A little below one, it keeps low frequencies that a beamstop
    /// hides from growing into a pedestal under the object, on which positivity would have no hold.
    pub leak: f32,
}

impl Default for Gaps {
    fn default() -> Self {
        Gaps { released: false, leak: 1.0 }
    }
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
}
