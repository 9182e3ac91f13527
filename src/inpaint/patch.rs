//! Inputs of the network for one patch: logarithms of the measured intensities relative to the
//! patch's own mean and spread, with the gaps filled in three cheap ways.

use super::biharmonic;
use super::lines::{Lines, lines};
use super::unet::{CALCULATED_INPUTS, INPUTS, KRIGED_INPUTS};
use ndarray::{Array3, ArrayView3, Axis, Slice, Zip};

/// Least spread of the logarithms that a patch is divided by: a dark patch is flat, and its noise
/// must not be blown up.
const LEAST_SPREAD: f32 = 0.1;
/// Iterations towards the smoothest surface.
const ITERATIONS: usize = 25;
/// Largest difference of that surface from straight lines: slopes of noisy pixels say little far
/// away.
const LARGEST: f32 = 3.0;
/// Logarithm of the intensity that counts as one in the channel of the level.
const LEVEL: f32 = 8.0;

/// What is known of the gaps of a patch beside its measured pixels, for a network that is given it:
/// `ln(1 + I)`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Hints<'a> {
    /// What kriging of the whole pattern says.
    pub kriged: Option<ArrayView3<'a, f32>>,
    /// Mean and spread of what phasing calculates.
    pub calculated: Option<[ArrayView3<'a, f32>; 2]>,
}

/// A patch as the network sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct NormalisedPatch {
    /// `[channel][pixel]`: filled along straight lines, measured or not, level, the spread of what
    /// phasing calculates where that is looked at, what the smoothest surface adds, what means over
    /// blocks add, what kriging adds, and what phasing adds.
    pub inputs: Vec<f32>,
    /// Number of channels.
    pub channels: usize,
    /// Mean of `ln(1 + I)` over the measured pixels.
    pub mean: f32,
    /// Standard deviation of `ln(1 + I)` over the measured pixels, at least 0.1.
    pub spread: f32,
}

impl NormalisedPatch {
    /// Normalises a patch, of whose intensities (photons) only those where `known` play a part.
    /// `None` if nothing is known.
    pub fn new(intensity: ArrayView3<f32>, known: ArrayView3<bool>, hints: Hints) -> Option<Self> {
        let mut log = Array3::zeros(intensity.dim());
        let (mut count, mut sum, mut squares) = (0_u32, 0.0_f64, 0.0_f64);
        Zip::from(&mut log).and(intensity).and(known).for_each(|log, &intensity, &known| {
            if known {
                *log = intensity.max(0.0).ln_1p();
                count += 1;
                sum += f64::from(*log);
                squares += f64::from(*log).powi(2);
            }
        });
        if count == 0 {
            return None;
        }
        let mean = sum / f64::from(count);
        let variance = (squares / f64::from(count) - mean * mean).max(0.0);
        let (mean, spread) = (mean as f32, (variance.sqrt() as f32).max(LEAST_SPREAD));
        Zip::from(&mut log).and(known).for_each(|log, &known| *log = if known { (*log - mean) / spread } else { 0.0 });
        let weight = known.mapv(|known| f32::from(u8::from(known)));
        let smooth = push_pull(log.clone(), weight.clone());
        let Lines { straight: filled, bend } = lines(&log, known, &smooth);
        // The curves along the axes are near enough to the smoothest surface that few iterations
        // lead there.
        let mut curved = &filled + &bend;
        let (unknown, volume) = (known.mapv(|known| !known), known.len_of(Axis(0)) > 1);
        biharmonic::solve(&mut curved, known, unknown.view(), volume, ITERATIONS, &mut |_| true)
            .expect("nobody stops it");
        let Hints { kriged, calculated } = hints;
        let channels = INPUTS
            + if kriged.is_some() { KRIGED_INPUTS } else { 0 }
            + if calculated.is_some() { CALCULATED_INPUTS } else { 0 };
        let mut inputs = Vec::with_capacity(channels * filled.len());
        inputs.extend(&filled);
        inputs.extend(&weight);
        inputs.extend(filled.iter().map(|value| (mean + spread * value) / LEVEL));
        if let Some([_, over_runs]) = &calculated {
            inputs.extend(over_runs.iter().map(|value| (value / spread).min(LARGEST)));
        }
        inputs.extend(curved.iter().zip(&filled).map(|(curved, filled)| (curved - filled).clamp(-LARGEST, LARGEST)));
        inputs.extend(smooth.iter().zip(&filled).map(|(smooth, filled)| smooth - filled));
        let added = |(value, filled): (&f32, &f32)| ((value - mean) / spread - filled).clamp(-LARGEST, LARGEST);
        if let Some(kriged) = &kriged {
            inputs.extend(kriged.iter().zip(&filled).map(added));
        }
        if let Some([calculated, _]) = &calculated {
            inputs.extend(calculated.iter().zip(&filled).map(added));
        }
        Some(Self { inputs, channels, mean, spread })
    }

    /// Number of pixels of the patch.
    pub fn len(&self) -> usize {
        self.inputs.len() / self.channels
    }

    /// Whether the patch has no pixels.
    pub fn is_empty(&self) -> bool {
        self.inputs.is_empty()
    }

    /// The pattern filled along straight lines, to which the network's output is added.
    pub fn filled(&self) -> &[f32] {
        &self.inputs[..self.len()]
    }

    /// An intensity (photons) on the scale of the patch.
    pub fn scaled(&self, intensity: f32) -> f32 {
        (intensity.max(0.0).ln_1p() - self.mean) / self.spread
    }
}

/// Fills pixels of weight zero from weighted means over blocks of two, four, eight.. pixels
/// (push-pull, Gortler et al., SIGGRAPH 1996).
fn push_pull(values: Array3<f32>, weights: Array3<f32>) -> Array3<f32> {
    let axes: Vec<Axis> = (0..3).map(Axis).filter(|&axis| values.len_of(axis) > 1).collect();
    if axes.is_empty() || weights.iter().all(|&weight| weight >= 1.0) {
        return values;
    }
    let (mut sums, mut totals) = (&values * &weights, weights.clone());
    for &axis in &axes {
        sums = halve(sums, axis);
        totals = halve(totals, axis);
    }
    Zip::from(&mut sums).and(&totals).for_each(|sum, &total| *sum = if total > 0.0 { *sum / total } else { 0.0 });
    totals.mapv_inplace(|total| total.min(1.0));
    let mut coarse = push_pull(sums, totals);
    for &axis in &axes {
        coarse = double(&coarse, axis, values.len_of(axis));
    }
    Zip::from(&mut coarse).and(&values).and(&weights).for_each(|coarse, &value, &weight| {
        *coarse += weight * (value - *coarse);
    });
    coarse
}

/// Sums of pairs; a last one without partner stays.
fn halve(values: Array3<f32>, axis: Axis) -> Array3<f32> {
    let mut sums = values.slice_axis(axis, Slice::new(0, None, 2)).to_owned();
    let odd = values.slice_axis(axis, Slice::new(1, None, 2));
    let mut paired = sums.slice_axis_mut(axis, Slice::from(0..odd.len_of(axis)));
    paired += &odd;
    sums
}

/// Straight lines between the centres of pairs.
fn double(values: &Array3<f32>, axis: Axis, len: usize) -> Array3<f32> {
    let mut shape = values.raw_dim();
    shape[axis.index()] = len;
    let mut out = Array3::zeros(shape);
    let last = values.len_of(axis) - 1;
    for i in 0..len {
        let near = values.index_axis(axis, i / 2);
        let next = if i % 2 == 0 { (i / 2).saturating_sub(1) } else { (i / 2 + 1).min(last) };
        Zip::from(out.index_axis_mut(axis, i)).and(near).and(values.index_axis(axis, next)).for_each(
            |out, near, next| {
                *out = 0.75 * near + 0.25 * next;
            },
        );
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn measured_pixels_keep_their_values_and_gaps_continue_them() {
        let intensity = Array3::from_shape_fn((1, 32, 32), |(_, y, x)| (y + 2 * x) as f32);
        let known = Array3::from_shape_fn((1, 32, 32), |(_, _, x)| !(12..18).contains(&x));
        let patch = NormalisedPatch::new(intensity.view(), known.view(), Hints::default()).unwrap();
        assert_eq!(patch.len(), 1024);
        for ((index, &known), &filled) in known.indexed_iter().zip(patch.filled()) {
            let expected = patch.scaled(intensity[index]);
            // In the gap, within a part of the spread of the patch, which is 1.
            assert!((filled - expected).abs() < if known { 1e-5 } else { 0.4 }, "{index:?} {filled} {expected}");
        }
        let mean = patch.filled().iter().zip(&known).filter(|(_, known)| **known).map(|(value, _)| value).sum::<f32>();
        assert!(mean.abs() < 0.01 * 1024.0);
    }

    #[test]
    fn a_patch_without_measured_pixels_says_nothing() {
        let dark = Array3::zeros((4, 4, 4));
        assert_eq!(NormalisedPatch::new(dark.view(), dark.mapv(|_| false).view(), Hints::default()), None);
        let patch = NormalisedPatch::new(dark.view(), dark.mapv(|_| true).view(), Hints::default()).unwrap();
        assert_eq!((patch.mean, patch.spread), (0.0, LEAST_SPREAD));
    }
}
