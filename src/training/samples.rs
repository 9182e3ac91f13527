//! What one step learns from: patches with gaps cut into them, and what is behind the gaps.

use super::gaps::TrainingGapRecipe;
use super::patches::Patch;
use crate::inpaint::patch::NormalisedPatch;
use ndarray::Zip;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// A patch with gaps, as the network sees it, and the answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// What the network sees.
    pub patch: NormalisedPatch,
    /// What it should say, on the scale of the patch. Zero where it is not asked.
    pub target: Vec<f32>,
    /// 1 where it is asked, else 0.
    pub asked: Vec<f32>,
}

impl Sample {
    /// Cuts gaps into patch `number` of a stream; the same for the same seed and number. Nothing if no pixel of it is measured.
    pub fn new(patch: &Patch, gaps: &TrainingGapRecipe, seed: u64, number: u64) -> Option<Self> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed ^ 0x6761_7073);
        rng.set_stream(number);
        let mut known = patch.mask.mapv(|bits| bits == 0);
        gaps.cut(&mut known, &mut rng);
        let normalised = NormalisedPatch::new(patch.counts.view(), known.view())?;
        let mut target = Vec::with_capacity(known.len());
        let mut asked = Vec::with_capacity(known.len());
        Zip::from(&known).and(&patch.intensity).for_each(|&known, &intensity| {
            // A truth that is not known is not asked for.
            let ask = !known && intensity.is_finite();
            target.push(if ask { normalised.scaled(intensity) } else { 0.0 });
            asked.push(f32::from(u8::from(ask)));
        });
        Some(Self { patch: normalised, target, asked })
    }

    /// Pixels that are asked for.
    pub fn count(&self) -> f32 {
        self.asked.iter().sum()
    }
}
