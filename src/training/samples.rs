//! Samples to learn from: patches with gaps cut into them, and the intensities behind the gaps.

use super::gaps::TrainingGapRecipe;
use super::patches::{self, Patch};
use crate::inpaint::patch::{Hints, NormalisedPatch};
use ndarray::Zip;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// A patch with gaps as the network sees it, and the target.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// Inputs of the network.
    pub patch: NormalisedPatch,
    /// Target values, on the scale of the patch; zero outside the target pixels.
    pub target: Vec<f32>,
    /// 1 at target pixels, else 0.
    pub target_mask: Vec<f32>,
}

impl Sample {
    /// Cuts gaps into patch `number` of a stream, unless its pattern has them already; the same for
    /// the same seed and number. `None` if no pixel of it is measured.
    pub fn new(patch: &Patch, gaps: &TrainingGapRecipe, seed: u64, number: u64) -> Option<Self> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed ^ 0x6761_7073);
        rng.set_stream(number);
        let mut known = patch.mask.mapv(|bits| bits == 0);
        if patch.calculated.is_none() && patch.kriged.is_none() {
            gaps.cut(&mut known, patches::brightest(&patch.intensity), &mut rng);
        }
        let calculated = patch.calculated.as_ref().map(|arrays| arrays.each_ref().map(|array| array.view()));
        let hints = Hints { kriged: patch.kriged.as_ref().map(|array| array.view()), calculated };
        let normalised = NormalisedPatch::new(patch.counts.view(), known.view(), hints)?;
        let mut target = Vec::with_capacity(known.len());
        let mut target_mask = Vec::with_capacity(known.len());
        Zip::from(&known).and(&patch.intensity).for_each(|&known, &intensity| {
            // Where the truth is unknown there is nothing to learn.
            let is_target = !known && intensity.is_finite();
            target.push(if is_target { normalised.scaled(intensity) } else { 0.0 });
            target_mask.push(f32::from(u8::from(is_target)));
        });
        Some(Self { patch: normalised, target, target_mask })
    }

    /// Number of target pixels.
    pub fn count(&self) -> f32 {
        self.target_mask.iter().sum()
    }
}
