//! Last runs from the average of the best ones.
//!
//! What is wrong in a run that found its object differs from run to run: stripes, vortices, noise
//! that HIO amplified (J. R. Fienup and C. C. Wackerman, J. Opt. Soc. Am. A 3, 1897 (1986)). What is
//! right agrees. So the average of the runs that agree with the best is nearer to the object than any
//! of them, and a few quiet cycles from there bring it back to the data. The free log-likelihood
//! decides whether its outcome is better than the runs that it came from.

use super::run::{Run, RunSettings};
use crate::error::Result;
use crate::metrics::{RegistrationOptions, register};
use crate::volume::Centered;
use num_complex::Complex32;

/// Runs agree where they differ from the best by less than this fraction of it: two objects of which
/// one is the twin, or a mixture with it, differ by more.
const AGREE: f64 = 0.5;

/// Runs that must agree for their variance to say something.
const ENOUGH: usize = 3;

/// Recipe of the last runs: no HIO, which would amplify noise again.
pub const RECIPE: &str = "ER**100,RAAR**200,beta=0.8,ER**100";

/// Cycles between two refinements of the PSF's kernel in a last run that looks for one.
pub const PSF_PERIOD: usize = 25;

/// The plan of the last runs.
#[derive(Debug, Clone)]
pub struct AveragePlan {
    /// Most runs that are averaged.
    pub members: usize,
    /// Settings of each of the last runs, all of which begin at the average.
    pub runs: Vec<RunSettings>,
}

/// The best runs compared with the very best.
pub(super) struct Comparison {
    /// Average of those that agree with it, and itself.
    pub mean: Centered<Complex32>,
    /// Number of runs in the average.
    pub count: usize,
    /// Variance of them about it at each pixel, photons; nothing where fewer than three agree.
    pub spread: Option<Centered<f32>>,
    /// Relative distance of each of the others from it, in their order.
    pub distances: Vec<f64>,
}

impl Comparison {
    /// The variance of the runs in the frame of another, the one that became the best.
    ///
    /// # Errors
    /// If an object is not finite.
    pub fn spread_about(&self, best: &Run) -> Result<Option<Centered<f32>>> {
        let Some(spread) = &self.spread else { return Ok(None) };
        let options = RegistrationOptions { subpixel: true, ramp: false };
        Ok(Some(register(&self.mean, &best.object, options)?.moved(spread)))
    }
}

/// Compares runs with the first of them.
///
/// # Errors
/// If an object is not finite.
pub(super) fn compare(runs: &[Run]) -> Result<Option<Comparison>> {
    let Some((best, others)) = runs.split_first() else { return Ok(None) };
    let mut comparison = Comparison { mean: best.object.clone(), count: 1, spread: None, distances: Vec::new() };
    let mut squares = best.object.map(|value| value.norm_sqr());
    for run in others {
        // Both were fitted to the same pattern: neither has a ramp that the other lacks.
        let options = RegistrationOptions { subpixel: true, ramp: false };
        let found = register(&run.object, &best.object, options)?;
        comparison.distances.push(found.error);
        if found.error < AGREE {
            comparison.mean.0 += &found.object.0;
            squares.0.zip_mut_with(&found.object.0, |sum, value| *sum += value.norm_sqr());
            comparison.count += 1;
        }
    }
    let count = comparison.count as f32;
    comparison.mean.0.mapv_inplace(|value| value / count);
    if comparison.count >= ENOUGH {
        squares.0.zip_mut_with(&comparison.mean.0, |sum, mean| {
            *sum = ((*sum - count * mean.norm_sqr()) / (count - 1.0)).max(0.0);
        });
        comparison.spread = Some(squares);
    }
    Ok(Some(comparison))
}
