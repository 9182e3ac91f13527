//! Blur of the intensity: partial coherence of the beam and the detector's point spread.
//!
//! Both are convolutions of the noise-free intensity with a peak that separates into one kernel per
//! axis. They are summed directly: the rounding of a Fourier transform, relative to the brightest
//! pixel, would drown the weak ones.

use crate::simulate::draw::{Fault, ParameterRange, Rng, check_probability, happens};
use ndarray::{Array3, Axis};
use serde::{Deserialize, Serialize};

/// Furthest pixel that a kernel reaches.
const REACH: usize = 12;
/// Weight, relative to the whole, below which kernels end: under a photon in the brightest pixel of
/// any experiment.
const NEGLIGIBLE: f64 = 1e-13;
/// Intervals of Simpson's rule over one pixel. Even for a Gaussian of 0.2 pixels FWHM the error is
/// below 1e-6.
const INTERVALS: usize = 64;

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

/// A Gaussian (`eta` = 0) or pseudo-Voigt peak of unit area.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Peak {
    /// Full width at half maximum, pixels.
    pub width: f64,
    /// Fraction of the Lorentzian.
    pub eta: f64,
}

impl Peak {
    /// Integrates the peak over each pixel.
    pub fn kernel(self) -> Kernel {
        let at = |i: usize| {
            let sample = |s: usize| self.value(i as f64 - 0.5 + s as f64 / INTERVALS as f64);
            let weight = |s: usize| if s == 0 || s == INTERVALS { 1.0 } else { 2.0 + 2.0 * (s % 2) as f64 };
            (0..=INTERVALS).map(|s| weight(s) * sample(s)).sum::<f64>()
        };
        Kernel::new((0..=REACH).map(at).collect())
    }

    /// Height at a distance from the middle.
    fn value(self, x: f64) -> f64 {
        let (half, ln2) = (self.width / 2.0, std::f64::consts::LN_2);
        let gaussian = (ln2 / std::f64::consts::PI).sqrt() / half * (-ln2 * (x / half).powi(2)).exp();
        let lorentzian = half / (std::f64::consts::PI * (x * x + half * half));
        self.eta * lorentzian + (1.0 - self.eta) * gaussian
    }
}

/// Weights of the pixels at the distances 0, 1, 2, .. on both sides; their sum is 1.
#[derive(Debug, Clone, PartialEq)]
pub struct Kernel(Vec<f64>);

impl Kernel {
    /// Kernel that changes nothing.
    pub fn identity() -> Self {
        Kernel(vec![1.0])
    }

    /// Cuts off the negligible tail and normalises what remains.
    fn new(mut half: Vec<f64>) -> Self {
        let sum = |half: &[f64]| half[0] + 2.0 * half[1..].iter().sum::<f64>();
        let total = sum(&half);
        half.truncate(REACH + 1);
        while half.len() > 1 && half.last().is_some_and(|weight| *weight < NEGLIGIBLE * total) {
            half.pop();
        }
        let total = sum(&half);
        Kernel(half.iter().map(|weight| weight / total).collect())
    }

    /// Convolves this kernel with another one.
    pub fn then(&self, other: &Kernel) -> Kernel {
        let at = |half: &[f64], i: isize| half.get(i.unsigned_abs()).copied().unwrap_or(0.0);
        let reach = other.0.len() as isize - 1;
        let both = |i: usize| (-reach..=reach).map(|k| at(&other.0, k) * at(&self.0, i as isize - k)).sum();
        Kernel::new((0..=REACH).map(both).collect())
    }
}

/// Convolves the intensity along each axis, mirrored at the borders: as much leaves the frame as
/// comes in from outside, so no photon is lost. All terms are positive, so even the weakest pixel
/// has the relative accuracy of f32.
pub fn blur(intensity: &mut Array3<f32>, kernels: &[Kernel; 3]) {
    for (axis, kernel) in kernels.iter().enumerate() {
        let length = intensity.len_of(Axis(axis));
        if length > 1 && kernel.0.len() > 1 {
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
    let weights: Vec<f32> = kernel.0.iter().map(|weight| *weight as f32).collect();
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
            distances.iter().map(|&d| kernels[axis].0.get(d).copied().unwrap_or(0.0)).sum::<f64>()
        };
        for ((z, y, x), value) in point.indexed_iter() {
            let expected = 1e10 * weight(0, z, 16, 8) * weight(1, y, 17, 0) * weight(2, x, 18, 17);
            // A product of three rounded weights and two rounded sums: some 6e-8 each.
            assert!((f64::from(*value) - expected).abs() <= 5e-7 * expected, "{value} {expected}");
        }
    }

    #[test]
    fn gaussians_have_their_width() {
        for width in [1.5, 2.0, 3.0] {
            let kernel = Peak { width, eta: 0.0 }.kernel();
            let variance: f64 = kernel.0.iter().enumerate().map(|(i, w)| 2.0 * (i * i) as f64 * w).sum();
            // FWHM = sigma * sqrt(8 ln 2); integration over pixels adds the variance of a box, 1/12
            // (Sheppard). Sampling at whole pixels changes it by (4 sigma^2 + 1/pi^2) exp(-2 pi^2
            // sigma^2): 0.12 % for the narrowest one.
            let expected = width * width / (8.0 * std::f64::consts::LN_2) + 1.0 / 12.0;
            assert!((variance / expected - 1.0).abs() < 2e-3, "{width}: {variance} {expected}");
        }
    }

    #[test]
    fn pixels_integrate_the_peak() {
        // A Lorentzian integrates to arctangents. The sum over all pixels up to the reach is what
        // the kernel divides by.
        let (half, kernel) = (0.4, Peak { width: 0.8, eta: 1.0 }.kernel());
        let integral = |lo: f64, hi: f64| (hi / half).atan() - (lo / half).atan();
        let whole = integral(-(REACH as f64) - 0.5, REACH as f64 + 0.5);
        for (i, weight) in kernel.0.iter().enumerate() {
            let expected = integral(i as f64 - 0.5, i as f64 + 0.5) / whole;
            // Simpson's rule with 64 intervals.
            assert!((weight / expected - 1.0).abs() < 1e-6, "{i}: {weight} {expected}");
        }
        // A Gaussian of FWHM 1 leaves erfc(sqrt(ln 2)) = 0.2390 of its area outside of the middle
        // pixel.
        let gaussian = Peak { width: 1.0, eta: 0.0 }.kernel();
        assert!((1.0 - gaussian.0[0] - 0.2390).abs() < 1e-4, "{}", gaussian.0[0]);
        assert!(
            (Peak { width: 0.02, eta: 0.0 }.kernel().0[0] - 1.0).abs() < 1e-12,
            "far below a pixel nothing is blurred"
        );
    }

    #[test]
    fn pseudo_voigts_have_heavier_tails() {
        let [gaussian, mixed, lorentzian] = [0.0, 0.3, 1.0].map(|eta| Peak { width: 1.0, eta }.kernel());
        assert_eq!(lorentzian.0.len(), REACH + 1);
        assert!(gaussian.0.len() < 7, "{}", gaussian.0.len());
        assert!(mixed.0[3] > 100.0 * gaussian.0[3] && lorentzian.0[3] > 2.0 * mixed.0[3]);
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
