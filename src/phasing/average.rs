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
    /// Relative distance of each of the others from it, in their order.
    pub distances: Vec<f64>,
}

/// Compares runs with the first of them.
///
/// # Errors
/// If an object is not finite.
pub(super) fn compare(runs: &[Run]) -> Result<Option<Comparison>> {
    let Some((best, others)) = runs.split_first() else { return Ok(None) };
    let mut comparison = Comparison { mean: best.object.clone(), count: 1, distances: Vec::new() };
    for run in others {
        // Both were fitted to the same pattern: neither has a ramp that the other lacks.
        let options = RegistrationOptions { subpixel: true, ramp: false };
        let found = register(&run.object, &best.object, options)?;
        comparison.distances.push(found.error);
        if found.error < AGREE {
            comparison.mean.0 += &found.object.0;
            comparison.count += 1;
        }
    }
    let count = comparison.count as f32;
    comparison.mean.0.mapv_inplace(|value| value / count);
    Ok(Some(comparison))
}
