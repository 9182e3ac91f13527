//! Patches of one measured pattern, to adapt a network to it: measured pixels are the truth, all
//! others are never a target.

use super::TrainingGapRecipe;
use super::augment::Augmentation;
use super::patches::{Patch, brightest};
use crate::error::{Error, Result, shape_text};
use crate::inpaint::kriging::krige;
use crate::pixels::{Pattern, bit, trimmed};
use ndarray::{Array3, ArrayView3, s};
use rand::{Rng as _, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::sync::Arc;

/// Places tried for a patch before the one with most measured pixels is taken.
const TRIES: usize = 16;
/// Fraction of a patch that should be measured.
const MEASURED: f64 = 0.6;
/// For a network that is given kriging: patches that are cut from a block with gaps of its own, and
/// the extent of a block in patches.
const PER_BLOCK: u64 = 16;
const BLOCK: usize = 2;

/// An endless stream of random patches, each drawn from the seed and its own number, or that of its
/// block.
#[derive(Debug, Clone)]
pub struct MeasuredPatches {
    pattern: Arc<Pattern>,
    window: [usize; 3],
    kriging: Option<TrainingGapRecipe>,
    seed: u64,
    next: u64,
    block: Option<(u64, Block)>,
}

/// A part of the pattern, its mask with further gaps, and what kriging says of it.
#[derive(Debug, Clone)]
struct Block {
    at: [usize; 3],
    counts: Array3<f32>,
    measured: Array3<bool>,
    mask: Array3<u32>,
    kriged: Array3<f32>,
}

impl MeasuredPatches {
    /// Starts the stream at patch number `first`. With `slices`, patches are cut from single
    /// frames. For a network that is given `kriging`, its gaps are cut into blocks before patches
    /// are cut from those.
    ///
    /// # Errors
    /// [`Error::Pattern`] if the pattern is smaller than a patch.
    pub fn new(
        pattern: Arc<Pattern>,
        size: usize,
        slices: bool,
        kriging: Option<TrainingGapRecipe>,
        seed: u64,
        first: u64,
    ) -> Result<Self> {
        let window = if slices { [1, size, size] } else { [size; 3] };
        let shape = pattern.shape();
        if window.iter().zip(&shape).any(|(window, n)| window > n) {
            let shape = shape_text(&trimmed(shape));
            return Err(Error::Pattern(format!(
                "the pattern of {shape} pixels is smaller than a patch of {size}: give more of it"
            )));
        }
        Ok(Self { pattern, window, kriging, seed, next: first, block: None })
    }

    /// A block of the pattern, from the seed and its number.
    fn block(&self, gaps: &TrainingGapRecipe, number: u64) -> Result<Block> {
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed ^ 0x626c_6f63);
        rng.set_stream(number);
        let shape = self.pattern.shape();
        let extent = std::array::from_fn(|axis| match self.window[axis] {
            1 => 1,
            size => (BLOCK * size).min(shape[axis]),
        });
        let at = place(&self.pattern.mask.0, extent, true, &mut rng);
        let counts = cut(&self.pattern.intensity.0, at, extent).to_owned();
        let mut mask = cut(&self.pattern.mask.0, at, extent).to_owned();
        let measured = mask.mapv(|bits| bits == 0);
        let mut known = measured.clone();
        gaps.cut(&mut known, brightest(&counts), &mut rng);
        mask.zip_mut_with(&known, |bits, &known| {
            if !known && *bits == 0 {
                *bits = bit::MISSING;
            }
        });
        let log = counts.mapv(|value| value.max(0.0).ln_1p());
        let kriged = krige(&log, &known, self.window[0] > 1, &mut |_| true)?;
        Ok(Block { at, counts, measured, mask, kriged })
    }

    /// A patch of the pattern itself: gaps are cut into it later.
    fn of_pattern(&self, rng: &mut ChaCha8Rng) -> Patch {
        let at = place(&self.pattern.mask.0, self.window, true, rng);
        let symmetry = Augmentation::default().symmetry(self.window[0] == 1, rng);
        let counts = symmetry.apply(cut(&self.pattern.intensity.0, at, self.window));
        let mask = symmetry.apply(cut(&self.pattern.mask.0, at, self.window));
        let measured = mask.mapv(|bits| bits == 0);
        Patch { intensity: truth(&counts, &measured), counts, mask, calculated: None, kriged: None, pattern: 0, at }
    }

    /// A patch of a block, one with a gap if there is any.
    fn of_block(&self, block: &Block, rng: &mut ChaCha8Rng) -> Patch {
        let inside = place(&block.mask, self.window, false, rng);
        let symmetry = Augmentation::default().symmetry(self.window[0] == 1, rng);
        let counts = symmetry.apply(cut(&block.counts, inside, self.window));
        let measured = symmetry.apply(cut(&block.measured, inside, self.window));
        Patch {
            intensity: truth(&counts, &measured),
            counts,
            mask: symmetry.apply(cut(&block.mask, inside, self.window)),
            calculated: None,
            kriged: Some(symmetry.apply(cut(&block.kriged, inside, self.window))),
            pattern: 0,
            at: std::array::from_fn(|axis| block.at[axis] + inside[axis]),
        }
    }
}

/// The counts, and NaN where they are none.
fn truth(counts: &Array3<f32>, measured: &Array3<bool>) -> Array3<f32> {
    let mut truth = counts.clone();
    truth.zip_mut_with(measured, |value, &measured| *value = if measured { *value } else { f32::NAN });
    truth
}

/// A corner of a window of which enough is measured; all of it only if `whole`.
fn place(mask: &Array3<u32>, window: [usize; 3], whole: bool, rng: &mut ChaCha8Rng) -> [usize; 3] {
    let (mut best, mut most) = ([0; 3], -1.0);
    for _ in 0..TRIES {
        let at = std::array::from_fn(|axis| rng.random_range(0..=mask.shape()[axis] - window[axis]));
        let part = cut(mask, at, window);
        let good = part.iter().filter(|&&bits| bits == 0).count();
        let measured = if good == part.len() && !whole { 0.0 } else { good as f64 / part.len() as f64 };
        if measured > most {
            (best, most) = (at, measured);
        }
        if measured >= MEASURED {
            break;
        }
    }
    best
}

fn cut<T>(array: &Array3<T>, [z, y, x]: [usize; 3], [nz, ny, nx]: [usize; 3]) -> ArrayView3<'_, T> {
    array.slice(s![z..z + nz, y..y + ny, x..x + nx])
}

impl Iterator for MeasuredPatches {
    type Item = Result<Patch>;

    fn next(&mut self) -> Option<Result<Patch>> {
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        rng.set_stream(self.next);
        let number = self.next / PER_BLOCK;
        self.next += 1;
        let Some(gaps) = &self.kriging else { return Some(Ok(self.of_pattern(&mut rng))) };
        if self.block.as_ref().is_none_or(|(of, _)| *of != number) {
            match self.block(gaps, number) {
                Ok(block) => self.block = Some((number, block)),
                Err(error) => return Some(Err(error)),
            }
        }
        self.block.as_ref().map(|(_, block)| Ok(self.of_block(block, &mut rng)))
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
        let patches = |first| MeasuredPatches::new(pattern.clone(), 32, true, None, 7, first).unwrap();
        let some: Vec<Patch> = patches(0).take(5).collect::<Result<_>>().unwrap();
        for patch in &some {
            for (value, &bits) in patch.intensity.iter().zip(&patch.mask) {
                assert_eq!(value.is_nan(), bits != 0);
            }
        }
        // NaN is not equal to itself: the counts tell.
        assert_eq!(patches(3).next().unwrap().unwrap().counts, some[3].counts);
        assert!(MeasuredPatches::new(pattern.clone(), 64, true, None, 7, 0).is_err());

        // For a network that is given kriging, gaps are there before patches are: measured ones are
        // the truth there too.
        let kriging = Some(TrainingGapRecipe { none: 0.0, width: [3, 6], ..TrainingGapRecipe::default() });
        let kriged = |first| MeasuredPatches::new(pattern.clone(), 32, true, kriging.clone(), 7, first).unwrap();
        let some: Vec<Patch> = kriged(0).take(40).collect::<Result<_>>().unwrap();
        let to_learn = some.iter().filter(|patch| {
            patch.intensity.iter().zip(&patch.mask).any(|(value, &bits)| bits != 0 && value.is_finite())
        });
        assert!(to_learn.count() > 30);
        assert!(some.iter().all(|patch| patch.kriged.as_ref().unwrap().iter().all(|value| value.is_finite())));
        assert_eq!(kriged(35).next().unwrap().unwrap().kriged, some[35].kriged);
    }
}
