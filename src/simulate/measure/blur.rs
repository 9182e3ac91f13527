//! Blur of the intensity: partial coherence of the beam and the detector's point spread.
//!
//! Both are convolutions of the noise-free intensity with a peak that separates into one kernel per
//! axis. They are summed directly: the rounding of a Fourier transform, relative to the brightest
//! pixel, would drown the weak ones.

use crate::psf::{Kernel, Peak};
use crate::simulate::draw::{Fault, ParameterRange, Rng, check_probability, happens};
use ndarray::{Array3, Axis};
use serde::{Deserialize, Serialize};

/// Recipe of the beam's limited coherence, section `[measurement.coherence]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CoherenceRecipe {
    /// Probability that the beam is not fully coherent.
    pub probability: f64,
    /// Full width at half maximum, pixels; drawn for each axis on its own.
    pub width: ParameterRange,
    /// Probability that the peak is a pseudo-Voigt instead of a Gaussian.
    pub pseudo_voigt: f64,
    /// Fraction of the Lorentzian in a pseudo-Voigt.
    pub eta: ParameterRange,
}

/// Recipe of the detector's point spread, section `[measurement.psf]`; the same along rows and
/// columns.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PsfRecipe {
    /// Probability that the detector blurs.
    pub probability: f64,
    /// Full width at half maximum, pixels.
    pub width: ParameterRange,
    /// Probability that the peak is a pseudo-Voigt instead of a Gaussian.
    pub pseudo_voigt: f64,
    /// Fraction of the Lorentzian in a pseudo-Voigt.
    pub eta: ParameterRange,
}

impl Default for CoherenceRecipe {
    fn default() -> Self {
        let (width, eta) = (ParameterRange::new(0.2, 1.5), ParameterRange::new(0.05, 0.5));
        CoherenceRecipe { probability: 0.5, width, pseudo_voigt: 0.3, eta }
    }
}

impl Default for PsfRecipe {
    fn default() -> Self {
        let (width, eta) = (ParameterRange::new(0.4, 1.1), ParameterRange::new(0.02, 0.2));
        PsfRecipe { probability: 0.5, width, pseudo_voigt: 0.3, eta }
    }
}

impl CoherenceRecipe {
    pub(super) fn check(&self) -> Result<(), Fault> {
        check("measurement.coherence", [self.probability, self.pseudo_voigt], self.width, self.eta)
    }

    pub(super) fn draw(&self, rng: &mut Rng) -> Option<[Peak; 3]> {
        happens(self.probability, rng).then(|| {
            let eta = if happens(self.pseudo_voigt, rng) { self.eta.uniform(rng) } else { 0.0 };
            [(); 3].map(|()| Peak { width: self.width.uniform(rng), eta })
        })
    }
}

impl PsfRecipe {
    pub(super) fn check(&self) -> Result<(), Fault> {
        check("measurement.psf", [self.probability, self.pseudo_voigt], self.width, self.eta)
    }

    pub(super) fn draw(&self, rng: &mut Rng) -> Option<Peak> {
        happens(self.probability, rng).then(|| {
            let eta = if happens(self.pseudo_voigt, rng) { self.eta.uniform(rng) } else { 0.0 };
            Peak { width: self.width.uniform(rng), eta }
        })
    }
}

fn check(
    section: &str,
    [probability, pseudo_voigt]: [f64; 2],
    width: ParameterRange,
    eta: ParameterRange,
) -> Result<(), Fault> {
    check_probability(&format!("{section}.probability"), probability)?;
    check_probability(&format!("{section}.pseudo_voigt"), pseudo_voigt)?;
    width.check(&format!("{section}.width"), 0.01..=8.0)?;
    eta.check(&format!("{section}.eta"), 0.0..=1.0)
}

/// Convolves the intensity along each axis, mirrored at the borders: as much leaves the frame as
/// comes in from outside, so no photon is lost. All terms are positive, so even the weakest pixel
/// has the relative accuracy of f32.
pub fn blur(intensity: &mut Array3<f32>, kernels: &[Kernel; 3]) {
    for (axis, kernel) in kernels.iter().enumerate() {
        let length = intensity.len_of(Axis(axis));
        if length > 1 && kernel.weights().len() > 1 {
            along(intensity, axis, kernel);
        }
    }
}

/// The index inside of an axis that mirrors an index outside of it: -1 is 0, `length` is
/// `length - 1`.
fn mirrored(index: isize, length: usize) -> usize {
    let place = index.rem_euclid(2 * length as isize) as usize;
    place.min(2 * length - 1 - place)
}

fn along(intensity: &mut Array3<f32>, axis: usize, kernel: &Kernel) {
    let weights: Vec<f32> = kernel.weights().iter().map(|weight| *weight as f32).collect();
    let length = intensity.len_of(Axis(axis));
    // Neighbours along the axis are `step` elements apart: whole rows or frames are added at once.
    let step: usize = intensity.shape()[axis + 1..].iter().product();
    let data = intensity.as_slice_mut().expect("volumes are C-ordered");
    let reach = weights.len() - 1;
    let mut padded = vec![0.0; (length + 2 * reach) * step];
    for block in data.chunks_exact_mut(length * step) {
        for (i, row) in padded.chunks_exact_mut(step).enumerate() {
            let from = mirrored(i as isize - reach as isize, length);
            row.copy_from_slice(&block[from * step..][..step]);
        }
        let middle = &padded[reach * step..][..length * step];
        block.iter_mut().zip(middle).for_each(|(out, value)| *out = weights[0] * value);
        for (k, &weight) in weights.iter().enumerate().skip(1) {
            let before = &padded[(reach - k) * step..][..length * step];
            let after = &padded[(reach + k) * step..][..length * step];
            block.iter_mut().zip(before).zip(after).for_each(|((out, a), b)| *out += weight * (a + b));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{Rng as _, SeedableRng};

    fn total(array: &Array3<f32>) -> f64 {
        array.iter().map(|value| f64::from(*value)).sum()
    }

    #[test]
    fn photons_are_conserved_at_any_dynamic_range() {
        let mut rng = Rng::seed_from_u64(1);
        for shape in [[1, 31, 40], [5, 16, 9], [3, 40, 5]] {
            let kernels = [0.0, 0.5, 1.0].map(|eta| Peak { width: 1.2, eta }.kernel());
            let sharp = Array3::from_shape_simple_fn(shape, || 10f32.powf(rng.random_range(-4.0..8.0)));
            let mut blurred = sharp.clone();
            blur(&mut blurred, &kernels);
            // Rounding of f32, 6e-8 for each of up to 25 terms and three axes, mostly averaged out.
            assert!((total(&blurred) / total(&sharp) - 1.0).abs() < 1e-6);
            assert_ne!(blurred, sharp);
        }
    }

    #[test]
    fn a_point_becomes_the_kernels_and_weak_pixels_are_exact() {
        let kernels = [0.9, 0.7, 1.4].map(|width| Peak { width, eta: 0.0 }.kernel());
        let mut point = Array3::zeros([16, 17, 18]);
        point[[8, 0, 17]] = 1e10f32;
        blur(&mut point, &kernels);
        // The point and its mirror images beyond either border.
        let weight = |axis: usize, i: usize, n: usize, at: usize| {
            let distances = [i.abs_diff(at), i + at + 1, 2 * n - 1 - at - i];
            distances.iter().map(|&d| kernels[axis].weights().get(d).copied().unwrap_or(0.0)).sum::<f64>()
        };
        for ((z, y, x), value) in point.indexed_iter() {
            let expected = 1e10 * weight(0, z, 16, 8) * weight(1, y, 17, 0) * weight(2, x, 18, 17);
            // A product of three rounded weights and two rounded sums: some 6e-8 each.
            assert!((f64::from(*value) - expected).abs() <= 5e-7 * expected, "{value} {expected}");
        }
    }

    #[test]
    fn kernels_follow_each_other() {
        let [a, b] = [0.7, 1.3].map(|width| Peak { width, eta: 0.0 }.kernel());
        let identity = [Kernel::identity(), Kernel::identity(), Kernel::identity()];
        let step = |kernel: &Kernel, data: &mut Array3<f32>| {
            let mut kernels = identity.clone();
            kernels[2] = kernel.clone();
            blur(data, &kernels);
        };
        let sharp = Array3::from_shape_fn([1, 1, 40], |(_, _, x)| ((x * x) % 17) as f32);
        let [mut once, mut twice] = [sharp.clone(), sharp];
        step(&a.then(&b), &mut once);
        step(&a, &mut twice);
        step(&b, &mut twice);
        // Rounding of f32 in values of order 10.
        assert!(once.iter().zip(&twice).all(|(a, b)| (a - b).abs() < 1e-5));
    }
}
