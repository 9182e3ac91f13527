//! What a device must be able to do. Its unit of time is the cycle, so that it may fuse the transforms with what lies between; its
//! unit of work is a batch of runs of one problem that advance together, so that small problems fill it.
//!
//! No default methods: what one backend lacks must not compile. A partial-coherence PSF will be one more field of
//! [`Problem`] and changes only the modulus projection inside `cycles` and the calculated intensity inside `measure`:
//! no method of this trait hands out a modulus.

use super::problem::Problem;
use super::rules::Cycle;
use super::support::SupportRule;
use crate::error::Result;
use crate::volume::Cornered;
use num_complex::Complex32;
use serde::Serialize;

/// The state of a batch of runs on a device: the problem that they share, the object and the support of each.
///
/// What advances the runs may be queued: it returns at once, and a failure shows in the next call that gives something back.
pub trait Backend {
    /// Runs that can advance together.
    fn batch_size(&self) -> usize;

    /// Begins a batch of at most [`lanes`](Self::lanes) runs, gaps bounded as the problem says.
    fn start(&mut self, starts: &[Start]);

    /// Advances the objects by `n` cycles.
    fn cycles(&mut self, cycle: Cycle, n: usize);

    /// Advances the objects by `n` steps of Poisson maximum-likelihood conjugate gradients inside the support.
    fn conjugate_gradients(&mut self, n: usize);

    /// Replaces the supports by what stands out of the blurred objects, one rule for each run. A run whose object has vanished keeps
    /// its support, and from here on no number is its fit.
    fn update_supports(&mut self, rules: &[SupportRule]);

    /// Cuts each support in half, across its longest axis through its centre of mass, until [`whole_supports`](Self::whole_supports):
    /// a state that the twin does not share.
    fn halve_supports(&mut self);

    /// Undoes [`halve_supports`](Self::halve_supports).
    fn whole_supports(&mut self);

    /// How pixels without measurement are treated from here on; a batch starts with the default.
    fn set_gaps(&mut self, gaps: Gaps);

    /// Asks how well the objects, cut to their supports, explain the measurement.
    fn measure(&mut self);

    /// The answers to the oldest question that was not answered yet, for every run of the batch.
    ///
    /// # Errors
    /// If the device failed.
    fn measured(&mut self) -> Result<Vec<Fit>>;

    /// The object of a run, not cut to its support, the support, and the density that support updates look at: the modulus of the
    /// object's modulus projection.
    ///
    /// # Errors
    /// If the device failed.
    fn finish(&mut self, run: usize) -> Result<Finished>;

    /// What was given to phase.
    fn problem(&self) -> &Problem;
}

/// Where a run starts.
#[derive(Debug, Clone)]
pub struct Start {
    /// The first object.
    pub object: Cornered<Complex32>,
    /// The first support.
    pub support: Cornered<bool>,
}

/// Where it ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Finished {
    /// The object, not cut to its support.
    pub object: Cornered<Complex32>,
    /// The support.
    pub support: Cornered<bool>,
    /// The modulus of the object's modulus projection.
    pub density: Vec<f32>,
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

/// How well a calculated pattern explains the measured one, at the scale that fits best. No number for an object that has vanished.
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

impl Fit {
    /// That of nothing.
    pub const NONE: Fit = Fit {
        r_factor: f64::NAN,
        llk_poisson: f64::NAN,
        free_llk_poisson: None,
        scale: f64::NAN,
        support_fraction: f64::NAN,
    };

    /// From sums over measured pixels, `o` being what was observed and `F` what is calculated: `|F| sqrt(o)`, `|F|^2`, `o`,
    /// `o ln(o / |F|^2)`, 1. With the scale `s` that fits best the residual is `sum o - (sum |F| sqrt(o))^2 / sum |F|^2` and the
    /// likelihood `s^2 sum |F|^2 - sum o + sum o ln(o / |F|^2) - ln(s^2) sum o`, so one pass over the pixels is enough.
    pub fn from_sums(sums: [f64; 5], free_llk_poisson: Option<f64>, support_fraction: f64) -> Fit {
        let [cross, calculated, observed, logarithms, pixels] = sums;
        let scale = best_scale(sums);
        let squared = scale * scale;
        let residual = (observed + squared * calculated - 2.0 * scale * cross).max(0.0);
        let likelihood = squared * calculated - observed + logarithms - squared.ln() * observed;
        Fit {
            r_factor: (residual / observed).sqrt(),
            llk_poisson: likelihood / pixels,
            free_llk_poisson,
            scale,
            support_fraction,
        }
    }
}

/// The factor on the object that fits best, from the same sums as [`Fit::from_sums`].
pub fn best_scale([cross, calculated, ..]: [f64; 5]) -> f64 {
    if calculated > 0.0 { cross / calculated } else { 1.0 }
}
