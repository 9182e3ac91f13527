//! Random changes of a patch that give another possible measurement: its symmetries, and a shorter
//! exposure.

use ndarray::{Array3, ArrayView3, Axis};
use rand::Rng as _;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Binomial, Distribution};

/// Kinds of random changes that are drawn for each patch.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Augmentation {
    /// Reversal of each axis, or not.
    pub flips: bool,
    /// Rotation by up to three quarter turns in the `(y, x)` plane.
    pub turns: bool,
    /// Permutation of the axes; in 2D, `z` stays the first.
    pub transposes: bool,
    /// Smallest and largest fraction of the exposure, log-uniform; above 0, up to 1.
    pub thinning: Option<[f64; 2]>,
}

impl Default for Augmentation {
    fn default() -> Self {
        Augmentation { flips: true, turns: true, transposes: true, thinning: Some([0.03, 1.0]) }
    }
}

impl Augmentation {
    /// No change at all.
    pub const NONE: Augmentation = Augmentation { flips: false, turns: false, transposes: false, thinning: None };

    /// Draws the fraction of the exposure that is kept.
    pub(super) fn exposure(&self, rng: &mut ChaCha8Rng) -> f64 {
        match self.thinning {
            Some([lo, hi]) if lo < hi => (lo.ln() + (hi / lo).ln() * rng.random::<f64>()).exp().min(hi),
            Some([lo, _]) => lo,
            None => 1.0,
        }
    }

    /// Draws a symmetry of a patch.
    pub(super) fn symmetry(&self, flat: bool, rng: &mut ChaCha8Rng) -> Symmetry {
        let mut symmetry = Symmetry { flips: [false; 3], turns: 0, axes: [0, 1, 2] };
        if self.flips {
            symmetry.flips = rng.random();
        }
        if self.turns {
            symmetry.turns = rng.random_range(0..4);
        }
        if self.transposes {
            // Fisher-Yates: y and x, and in 3D z with any of them first.
            for place in if flat { 1..2 } else { 0..2 } {
                symmetry.axes.swap(place, rng.random_range(place..3));
            }
        }
        symmetry
    }
}

/// A symmetry of the patch: flips, then quarter turns in the `(y, x)` plane, then an order of the
/// axes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Symmetry {
    flips: [bool; 3],
    turns: usize,
    axes: [usize; 3],
}

impl Symmetry {
    /// Returns the transformed patch.
    pub fn apply<T: Clone>(&self, patch: ArrayView3<T>) -> Array3<T> {
        let mut view = patch;
        for (axis, _) in self.flips.iter().enumerate().filter(|(_, flip)| **flip) {
            view.invert_axis(Axis(axis));
        }
        for _ in 0..self.turns {
            view.swap_axes(1, 2);
            view.invert_axis(Axis(1));
        }
        view.permuted_axes(self.axes).as_standard_layout().into_owned()
    }
}

/// Counts after a fraction `exposure` of the time. Each photon is kept with that probability:
/// Poisson counts become Poisson counts of the smaller mean, and other counts shrink in proportion.
pub(super) fn thin(counts: u32, exposure: f64, rng: &mut ChaCha8Rng) -> u32 {
    if counts == 0 || exposure >= 1.0 {
        return counts;
    }
    let binomial = Binomial::new(counts.into(), exposure).expect("the exposure is within 0 and 1");
    // Never more than `counts`.
    binomial.sample(rng) as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use std::collections::HashSet;

    #[test]
    fn symmetries_permute_the_pixels_in_all_ways_there_are() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        // The square has 8 symmetries, a flip of the only plane of a 2D patch changes nothing; the
        // cube has 48.
        for (shape, ways) in [([1, 4, 4], 8), ([4, 4, 4], 48)] {
            let mut number = 0;
            let patch = Array3::from_shape_simple_fn(shape, || {
                number += 1;
                number
            });
            let mut seen = HashSet::new();
            for _ in 0..1000 {
                let other = Augmentation::default().symmetry(shape[0] == 1, &mut rng).apply(patch.view());
                assert_eq!(other.dim(), patch.dim());
                let mut pixels = other.clone().into_raw_vec_and_offset().0;
                seen.insert(pixels.clone());
                pixels.sort();
                assert_eq!(pixels, patch.as_slice().unwrap());
            }
            // Each of 48 is missed by 1000 draws with probability (47/48)^1000 = 7e-10.
            assert_eq!(seen.len(), ways);
        }
        assert_eq!(
            Augmentation::NONE.symmetry(false, &mut rng).apply(Array3::<u8>::eye3().view()),
            Array3::<u8>::eye3()
        );
    }

    trait Eye3 {
        fn eye3() -> Self;
    }

    impl Eye3 for Array3<u8> {
        fn eye3() -> Self {
            Array3::from_shape_fn((3, 3, 3), |(z, y, x)| (9 * z + 3 * y + x) as u8)
        }
    }

    #[test]
    fn thinning_keeps_the_ratio_and_the_statistics() {
        let mut rng = ChaCha8Rng::seed_from_u64(2);
        let n = 20_000;
        for counts in [1u32, 40, 100_000] {
            let (mut sum, mut squares) = (0.0, 0.0);
            for _ in 0..n {
                let kept = f64::from(thin(counts, 0.3, &mut rng));
                assert!(kept <= counts.into());
                sum += kept;
                squares += kept * kept;
            }
            let (expected, variance) = (0.3 * f64::from(counts), 0.21 * f64::from(counts));
            let mean = sum / f64::from(n);
            // Five standard errors of a mean of `n`, and of a variance (relative sqrt(2 / n)).
            assert!((mean - expected).abs() < 5.0 * (variance / f64::from(n)).sqrt(), "{counts}: {mean}");
            let found = squares / f64::from(n) - mean * mean;
            assert!((found / variance - 1.0).abs() < 5.0 * (2.0 / f64::from(n)).sqrt(), "{counts}: {found}");
        }
        assert_eq!((thin(7, 1.0, &mut rng), thin(0, 0.5, &mut rng)), (7, 0));
        assert_eq!(Augmentation::NONE.exposure(&mut rng), 1.0);
        assert!((0..1000).all(|_| (0.03..=1.0).contains(&Augmentation::default().exposure(&mut rng))));
    }
}
