//! The gradient of a convolution with respect to its bias.

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::isa::Isa;

/// Values in one part: of a fixed size, whatever the number of threads.
const PART: usize = 1 << 15;
/// Channels are repeated to at least this many sums: fewer would wait for each other.
const PERIOD: usize = 128;

/// Gradient with respect to the bias: the sum over all points of channels-last images.
pub fn bias_gradient(isa: Isa, gradient: &[f32], channels: usize) -> Vec<f32> {
    let period = channels * PERIOD.div_ceil(channels.max(1));
    let part = PART.div_ceil(period.max(1)) * period;
    let sums: Vec<Vec<f32>> =
        gradient.par_chunks(part.max(1)).map(|points| isa.run(ChannelSums { points, period })).collect();
    let mut total = vec![0.0; channels];
    for points in sums.iter().flat_map(|sums| sums.chunks_exact(channels)) {
        total.iter_mut().zip(points).for_each(|(total, sum)| *total += sum);
    }
    total
}

struct ChannelSums<'a> {
    points: &'a [f32],
    period: usize,
}

impl WithSimd for ChannelSums<'_> {
    type Output = Vec<f32>;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> Vec<f32> {
        let mut sums = vec![0.0; self.period];
        for points in self.points.chunks(self.period) {
            for (sum, value) in sums.iter_mut().zip(points) {
                *sum += value;
            }
        }
        sums
    }
}
