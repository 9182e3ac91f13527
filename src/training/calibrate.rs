//! Calibration of the intervals at the end of a training, good for single patches.

use super::samples::Sample;
use crate::inpaint::calibration::Calibration;
use crate::inpaint::model::Network;
use crate::inpaint::patch::NormalisedPatch;

/// Calibrates a network on validation samples of `size` pixels along each axis, `batch` of them at
/// a time: factors between stated spread and half width of a 90 % interval, by predicted
/// brightness.
pub fn calibrate(network: &Network, samples: &[Sample], size: usize, batch: usize) -> Calibration {
    let patches: Vec<NormalisedPatch> = samples.iter().map(|sample| sample.patch.clone()).collect();
    let mut pixels: Vec<(f32, f32)> = Vec::new();
    for (sample, prediction) in samples.iter().zip(network.predict(&patches, size, batch)) {
        let NormalisedPatch { mean, spread, .. } = sample.patch;
        for i in (0..sample.target_mask.len()).filter(|&i| sample.target_mask[i] > 0.0) {
            let truth = mean + spread * sample.target[i];
            pixels.push((prediction.mean[i], (truth - prediction.mean[i]).abs() / prediction.spread[i]));
        }
    }
    Calibration::fit(pixels)
}
