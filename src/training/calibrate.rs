//! From stated spreads to intervals: how wide they must be to hold the truth nine times out of ten.

use super::samples::Sample;
use crate::inpaint::model::{Calibration, Network};
use crate::inpaint::patch::Normalised;

/// Part of the pixels that an interval should hold.
const COVERAGE: f64 = 0.9;
/// Levels of brightness that have a factor of their own.
const LEVELS: usize = 6;
/// Pixels that each of them needs, so that the quantile is good to 1 %.
const LEAST: usize = 1000;

/// Factors between stated spread and half width of a 90 % interval, by predicted brightness.
pub fn calibrate(network: &Network, samples: &[Sample], size: usize, part: usize) -> Calibration {
    let patches: Vec<Normalised> = samples.iter().map(|sample| sample.patch.clone()).collect();
    let mut pixels: Vec<(f32, f32)> = Vec::new();
    for (sample, said) in samples.iter().zip(network.predict(&patches, size, part)) {
        let Normalised { mean, spread, .. } = sample.patch;
        for i in (0..sample.asked.len()).filter(|&i| sample.asked[i] > 0.0) {
            let truth = mean + spread * sample.target[i];
            pixels.push((said.mean[i], (truth - said.mean[i]).abs() / said.spread[i]));
        }
    }
    let nominal = Calibration::nominal();
    if pixels.len() < LEAST {
        return nominal;
    }
    pixels.sort_by(|a, b| a.0.total_cmp(&b.0));
    // Equal steps in brightness, not equal numbers: most pixels are dark.
    let (lowest, highest) = (pixels[0].0.max(0.0), pixels[pixels.len() - 1].0);
    let step = (highest - lowest) / LEVELS as f32;
    let (mut levels, mut factors) = (Vec::new(), Vec::new());
    let mut rest = &mut pixels[..];
    for level in 1..=LEVELS {
        let end = rest.partition_point(|pixel| level == LEVELS || pixel.0 < lowest + level as f32 * step);
        if end < LEAST {
            // Too few: they go to the next level.
            continue;
        }
        let (here, after) = rest.split_at_mut(end);
        let level = here.iter().map(|pixel| f64::from(pixel.0)).sum::<f64>() / here.len() as f64;
        here.sort_by(|a, b| a.1.total_cmp(&b.1));
        levels.push(level as f32);
        factors.push(here[(COVERAGE * here.len() as f64) as usize].1);
        rest = after;
    }
    if levels.is_empty() { nominal } else { Calibration { levels, factors, ..nominal } }
}
