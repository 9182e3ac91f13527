//! Intervals as they come out of a training: good for single patches.

use super::samples::Sample;
use crate::inpaint::calibration::Calibration;
use crate::inpaint::model::Network;
use crate::inpaint::patch::NormalisedPatch;

/// Factors between stated spread and half width of a 90 % interval, by predicted brightness.
pub fn calibrate(network: &Network, samples: &[Sample], size: usize, part: usize) -> Calibration {
    let patches: Vec<NormalisedPatch> = samples.iter().map(|sample| sample.patch.clone()).collect();
    let mut pixels: Vec<(f32, f32)> = Vec::new();
    for (sample, said) in samples.iter().zip(network.predict(&patches, size, part)) {
        let NormalisedPatch { mean, spread, .. } = sample.patch;
        for i in (0..sample.asked.len()).filter(|&i| sample.asked[i] > 0.0) {
            let truth = mean + spread * sample.target[i];
            pixels.push((said.mean[i], (truth - said.mean[i]).abs() / said.spread[i]));
        }
    }
    Calibration::fit(pixels)
}
