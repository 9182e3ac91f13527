//! Patches of one measured pattern, to adapt a network to it: measured pixels are the truth, all
//! others are never a target.

use super::augment::Augmentation;
use super::patches::Patch;
use crate::error::{Error, Result, shape_text};
use crate::pixels::{Pattern, trimmed};
use ndarray::{Array3, ArrayView3, s};
use rand::{Rng as _, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::sync::Arc;

/// Places tried for a patch before the one with most measured pixels is taken.
const TRIES: usize = 16;
/// Fraction of a patch that should be measured.
const MEASURED: f64 = 0.6;

/// An endless stream of random patches, each drawn from the seed and its own number.
#[derive(Debug, Clone)]
pub struct MeasuredPatches {
    pattern: Arc<Pattern>,
    window: [usize; 3],
    seed: u64,
    next: u64,
}

impl MeasuredPatches {
    /// Starts the stream at patch number `first`. With `slices`, patches are cut from single
    /// frames.
    ///
    /// # Errors
    /// [`Error::Pattern`] if the pattern is smaller than a patch.
    pub fn new(pattern: Arc<Pattern>, size: usize, slices: bool, seed: u64, first: u64) -> Result<Self> {
        let window = if slices { [1, size, size] } else { [size; 3] };
        let shape = pattern.shape();
        if window.iter().zip(&shape).any(|(window, n)| window > n) {
            let shape = shape_text(&trimmed(shape));
            return Err(Error::Pattern(format!(
                "the pattern of {shape} pixels is smaller than a patch of {size}: give more of it"
            )));
        }
        Ok(Self { pattern, window, seed, next: first })
    }

    fn cut<'a, T>(&self, array: &'a Array3<T>, [z, y, x]: [usize; 3]) -> ArrayView3<'a, T> {
        let [nz, ny, nx] = self.window;
        array.slice(s![z..z + nz, y..y + ny, x..x + nx])
    }
}

impl Iterator for MeasuredPatches {
    type Item = Result<Patch>;

    fn next(&mut self) -> Option<Result<Patch>> {
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        rng.set_stream(self.next);
        self.next += 1;
        let shape = self.pattern.shape();
        let (mut best, mut most) = ([0; 3], -1.0);
        for _ in 0..TRIES {
            let at = std::array::from_fn(|axis| rng.random_range(0..=shape[axis] - self.window[axis]));
            let mask = self.cut(&self.pattern.mask.0, at);
            let measured = mask.iter().filter(|&&bits| bits == 0).count() as f64 / mask.len() as f64;
            if measured > most {
                (best, most) = (at, measured);
            }
            if measured >= MEASURED {
                break;
            }
        }
        let symmetry = Augmentation::default().symmetry(self.window[0] == 1, &mut rng);
        let counts = symmetry.apply(self.cut(&self.pattern.intensity.0, best));
        let mask = symmetry.apply(self.cut(&self.pattern.mask.0, best));
        let mut intensity = counts.clone();
        intensity.zip_mut_with(&mask, |value, &bits| *value = if bits == 0 { *value } else { f32::NAN });
        Some(Ok(Patch { intensity, counts, mask, calculated: None, pattern: 0, at: best }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pixels::bit;
    use crate::volume::Centered;

    #[test]
    fn the_gap_is_never_the_truth_and_numbers_decide() {
        let intensity = Centered(Array3::from_shape_fn((1, 48, 48), |(_, y, x)| (y * 48 + x) as f32));
        let mask = Centered(Array3::from_shape_fn((1, 48, 48), |(_, _, x)| if x < 10 { bit::MISSING } else { 0 }));
        let pattern = Arc::new(Pattern {
            intensity,
            mask,
            estimate: None,
            calculated: None,
            geometry: Default::default(),
            goniometer: None,
        });
        let patches = |first| MeasuredPatches::new(pattern.clone(), 32, true, 7, first).unwrap();
        let some: Vec<Patch> = patches(0).take(5).collect::<Result<_>>().unwrap();
        for patch in &some {
            for (value, &bits) in patch.intensity.iter().zip(&patch.mask) {
                assert_eq!(value.is_nan(), bits != 0);
            }
        }
        // NaN is not equal to itself: the counts tell.
        assert_eq!(patches(3).next().unwrap().unwrap().counts, some[3].counts);
        assert!(MeasuredPatches::new(pattern, 64, true, 7, 0).is_err());
    }
}
