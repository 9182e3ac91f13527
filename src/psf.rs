//! The spread of a point in a measured intensity: peaks, and their kernels.
//!
//! Partial coherence of the beam and the point spread of the detector (PSF) both convolve the
//! noise-free intensity with a peak. Here it is a product of one symmetric profile for each axis:
//! what the simulator blurs with and what phasing assumes and finds.

use serde::{Deserialize, Serialize};

/// Furthest pixel that a kernel reaches.
pub const REACH: usize = 12;
/// Weight, relative to the whole, below which kernels end: under a photon in the brightest pixel of
/// any experiment.
const NEGLIGIBLE: f64 = 1e-13;
/// Intervals of Simpson's rule over one pixel. Even for a Gaussian of 0.2 pixels FWHM the error is
/// below 1e-6.
const INTERVALS: usize = 64;

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
        Kernel::from_weights((0..=REACH).map(at).collect())
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
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Kernel(Vec<f64>);

impl Kernel {
    /// Kernel that changes nothing.
    pub fn identity() -> Self {
        Kernel(vec![1.0])
    }

    /// Kernel with these weights at the distances 0, 1, 2, .. up to [`REACH`], of which the
    /// negligible tail is cut off and the rest normalised.
    ///
    /// # Panics
    /// If there are none.
    pub fn from_weights(mut half: Vec<f64>) -> Self {
        let sum = |half: &[f64]| half[0] + 2.0 * half[1..].iter().sum::<f64>();
        let total = sum(&half);
        half.truncate(REACH + 1);
        while half.len() > 1 && half.last().is_some_and(|weight| *weight < NEGLIGIBLE * total) {
            half.pop();
        }
        let total = sum(&half);
        Kernel(half.iter().map(|weight| weight / total).collect())
    }

    /// Weights at the distances 0, 1, 2, ..
    pub fn weights(&self) -> &[f64] {
        &self.0
    }

    /// Returns the full width at half maximum, pixels, of the peak with this fraction of a
    /// Lorentzian whose kernel is nearest to this one (least squares); 0 for the identity.
    pub fn width(&self, eta: f64) -> f64 {
        const GOLDEN: f64 = 0.618_033_988_749_895;
        if self.0.len() == 1 {
            return 0.0;
        }
        let distance = |width: f64| -> f64 {
            let other = Peak { width, eta }.kernel();
            let at = |half: &[f64], i: usize| half.get(i).copied().unwrap_or(0.0);
            let square = |i: usize| (at(&self.0, i) - at(&other.0, i)).powi(2);
            square(0) + 2.0 * (1..=REACH).map(square).sum::<f64>()
        };
        // Golden section: the distance has one minimum, since a wider peak only loses weight in its
        // middle.
        let (mut low, mut high) = (0.05, REACH as f64);
        let step = |low: f64, high: f64| (high - GOLDEN * (high - low), low + GOLDEN * (high - low));
        while high - low > 1e-4 {
            let (left, right) = step(low, high);
            if distance(left) < distance(right) { high = right } else { low = left }
        }
        (low + high) / 2.0
    }

    /// Convolves this kernel with another one.
    pub fn then(&self, other: &Kernel) -> Kernel {
        let at = |half: &[f64], i: isize| half.get(i.unsigned_abs()).copied().unwrap_or(0.0);
        let reach = other.0.len() as isize - 1;
        let both = |i: usize| (-reach..=reach).map(|k| at(&other.0, k) * at(&self.0, i as isize - k)).sum();
        Kernel::from_weights((0..=REACH).map(both).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn widths_are_read_back() {
        for (width, eta) in [(0.4, 0.0), (0.7, 0.0), (1.0, 0.05), (2.5, 0.3), (0.6, 1.0)] {
            let found = Peak { width, eta }.kernel().width(eta);
            assert!((found - width).abs() < 1e-3, "{found} {width} {eta}");
        }
        assert_eq!(Kernel::identity().width(0.0), 0.0);
    }
}
