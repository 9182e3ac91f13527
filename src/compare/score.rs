//! How near a reconstruction is to the truth.

use crate::error::Result;
use crate::metrics::{RegistrationOptions, overlap, register};
use crate::phasing::run::Run;
use crate::volume::Centered;
use num_complex::{Complex32, Complex64};
use serde::{Deserialize, Serialize};

/// A true object, with the pixels that it fills.
#[derive(Debug, Clone)]
pub struct Truth {
    /// Square roots of photons, zero frequency of its pattern at `n / 2`.
    pub object: Centered<Complex32>,
    /// Pixels where the object is.
    pub support: Centered<bool>,
}

/// How near a run came.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Score {
    /// `|c O - truth| / |truth|` after registration: 0 for a perfect match.
    pub error: f64,
    /// Root mean square of the phase difference inside the true support, weighted by the true
    /// intensity, radians.
    pub phase: f64,
    /// Root mean square of the difference of the moduli there, in units of the true rms modulus.
    pub modulus: f64,
    /// Standard deviation over mean of the reconstructed modulus in the true support.
    pub homogeneity: f64,
    /// Intersection over union of the supports.
    pub overlap: f64,
    /// Free log-likelihood of the run, or its log-likelihood where no pixels were held out.
    pub free_llk: f64,
    /// R factor of the run.
    pub r_factor: f64,
}

impl Score {
    /// Scores a run. `ramp` says whether linear phases are no error: in Bragg data they only shift
    /// the peak.
    ///
    /// # Errors
    /// If shapes differ, or the object is not finite.
    pub fn new(run: &Run, truth: &Truth, ramp: bool) -> Result<Self> {
        let found = register(&run.object, &truth.object, RegistrationOptions { subpixel: true, ramp })?;
        let wide = |value: Complex32| Complex64::new(value.re.into(), value.im.into());
        let (mut weight, mut phase, mut difference) = (0.0, 0.0, 0.0);
        let (mut sum, mut squares, mut count) = (0.0, 0.0, 0.0);
        let pixels = found.object.as_slice().iter().zip(truth.object.as_slice()).zip(truth.support.as_slice());
        for ((&object, &truth), _) in pixels.filter(|(_, inside)| **inside) {
            let (object, truth) = (wide(object) * found.scale, wide(truth));
            let intensity = truth.norm_sqr();
            weight += intensity;
            phase += intensity * (object * truth.conj()).arg().powi(2);
            difference += (object.norm() - truth.norm()).powi(2);
            sum += object.norm();
            squares += object.norm_sqr();
            count += 1.0;
        }
        let mean: f64 = sum / count;
        Ok(Self {
            error: found.error,
            phase: (phase / weight).sqrt(),
            modulus: (difference / weight).sqrt(),
            homogeneity: (squares / count - mean * mean).max(0.0).sqrt() / mean,
            overlap: overlap(&run.support, &truth.support)?.iou,
            free_llk: run.fit.free_llk_poisson.unwrap_or(run.fit.llk_poisson),
            r_factor: run.fit.r_factor,
        })
    }
}
