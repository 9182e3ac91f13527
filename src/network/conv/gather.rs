//! The kernel behind convolution, its gradient with respect to the input, and transposed convolution: every target
//! point gathers the source points under its taps and sums their channels with the weights. Images are channels-last.
//!
//! A slab of the source is first copied with the zeros around it, so that no tap needs a test. A block of target
//! points times a block of target channels is then accumulated in registers, one run of source values after another.

use std::ops::Range;

use pulp::{Simd, WithSimd, c64};
use rayon::prelude::*;

use super::plan::{Phase, Plan};
use super::weights::Packed;

/// Source values of a slab, so that it stays in a core's own cache.
const SLAB: usize = 48 << 10;

/// Writes `target[image][point][channel] = bias + sum over taps and source channels`; all images channels-last.
///
/// # Panics
/// If lengths disagree, or the weights were packed for the other direction.
pub fn gather(source: &[f32], weights: &Packed, bias: Option<&[f32]>, plan: &Plan, target: &mut [f32]) {
    let source_len = plan.source.iter().product::<usize>() * plan.channels;
    let plane_len = plan.target[1] * plan.target[2] * weights.target;
    let planes = plan.target[0];
    assert_eq!((weights.source, weights.reversed), (plan.channels, plan.reversed), "weights and plan disagree");
    if target.is_empty() {
        return;
    }
    let images = target.len() / (planes * plane_len);
    assert_eq!(source.len(), images * source_len, "source does not fit the plan");
    assert_eq!(target.len(), images * planes * plane_len, "target does not fit the plan");
    let bias = bias.map_or_else(|| vec![0.0; weights.target], <[f32]>::to_vec);
    assert_eq!(bias.len(), weights.target, "one bias per target channel");
    let bias = spread(&bias, weights);

    // At least two planes: their neighbours are copied along.
    let source_plane = plan.padded[1] * plan.padded[2] * plan.channels * plan.source_step[0];
    let slab = (SLAB * plan.target_step[0] / source_plane.max(1)).max(2).min(planes);
    let slabs = planes.div_ceil(slab);
    target
        .par_chunks_mut(planes * plane_len)
        .enumerate()
        .flat_map(|(n, image)| image.par_chunks_mut(slab * plane_len).enumerate().map(move |(s, out)| (n, s, out)))
        .for_each_init(Vec::new, |scratch, (n, s, out)| {
            debug_assert!(s < slabs, "slabs cover the image");
            let source = &source[n * source_len..][..source_len];
            let planes = s * slab..planes.min((s + 1) * slab);
            let first = copy_padded(source, plan, plan.planes(planes.clone()), scratch);
            weights.isa.run(Slab { source: scratch, first, weights, bias: &bias, plan, planes, out });
        });
}

/// The bias in the lanes of the packed weights: in the first channel of each group.
fn spread(bias: &[f32], weights: &Packed) -> Vec<f32> {
    let mut lanes = vec![0.0; weights.blocks.count * weights.blocks.width(weights.isa)];
    for (lanes, bias) in lanes.chunks_exact_mut(weights.group).zip(bias) {
        lanes[0] = *bias;
    }
    lanes
}

/// Copies planes of the padded source, and returns the first one.
fn copy_padded(source: &[f32], plan: &Plan, planes: Range<usize>, out: &mut Vec<f32>) -> usize {
    let [depth, height, width] = plan.source;
    let [_, padded_height, padded_width] = plan.padded;
    let row_len = padded_width * plan.channels;
    let (left, len) = (plan.before[2] * plan.channels, width * plan.channels);
    out.resize(planes.len() * padded_height * row_len, 0.0);
    for (i, row) in out.chunks_exact_mut(row_len.max(1)).enumerate() {
        // Coordinates before the image wrap around, beyond its end.
        let d = (planes.start + i / padded_height).wrapping_sub(plan.before[0]);
        let h = (i % padded_height).wrapping_sub(plan.before[1]);
        if d >= depth || h >= height {
            row.fill(0.0);
            continue;
        }
        row[..left].fill(0.0);
        row[left..left + len].copy_from_slice(&source[(d * height + h) * len..][..len]);
        row[left + len..].fill(0.0);
    }
    planes.start
}

/// Some planes of one target image.
struct Slab<'a> {
    /// Padded planes, of which this is the first.
    source: &'a [f32],
    first: usize,
    weights: &'a Packed,
    bias: &'a [f32],
    plan: &'a Plan,
    planes: Range<usize>,
    out: &'a mut [f32],
}

impl WithSimd for Slab<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        // Accumulators, weights and one broadcast value share the registers.
        match (S::REGISTER_COUNT >= 32, self.weights.blocks.vectors, self.weights.group) {
            (_, _, 4) => self.run::<S, 8, 1, 4>(simd),
            (_, _, 2) => self.run::<S, 8, 1, 2>(simd),
            (true, 1, _) => self.run::<S, 8, 1, 1>(simd),
            (true, 2, _) => self.run::<S, 8, 2, 1>(simd),
            (true, _, _) => self.run::<S, 8, 3, 1>(simd),
            (false, 1, _) => self.run::<S, 8, 1, 1>(simd),
            (false, 2, _) => self.run::<S, 6, 2, 1>(simd),
            (false, _, _) => self.run::<S, 4, 3, 1>(simd),
        }
    }
}

/// Where `R` points' own values lie in the source and in the target.
struct Points<const R: usize> {
    source: [usize; R],
    target: [usize; R],
    count: usize,
}

impl Slab<'_> {
    /// `R` points, `V` registers of target channels, `G` source channels in a register.
    #[inline(always)]
    fn run<S: Simd, const R: usize, const V: usize, const G: usize>(&mut self, simd: S) {
        let plan = self.plan;
        let [_, height, width] = plan.target;
        let [pd, ph, pw] = plan.target_step;
        let [sd, sh, sw] = plan.source_step;
        let mut points = Points { source: [0; R], target: [0; R], count: 0 };
        for phase in &plan.phases {
            let [d0, h0, w0] = phase.first;
            for d in self.planes.clone().filter(|d| d % pd == d0) {
                let plane = d / pd * sd;
                for (qh, h) in (h0..height).step_by(ph).enumerate() {
                    let row = (plane * plan.padded[1] + qh * sh) * plan.padded[2];
                    let target_row = ((d - self.planes.start) * height + h) * width;
                    for (qw, w) in (w0..width).step_by(pw).enumerate() {
                        points.source[points.count] = (row + qw * sw) * plan.channels;
                        points.target[points.count] = (target_row + w) * self.weights.target;
                        points.count += 1;
                        if points.count == R {
                            self.block::<S, R, V, G>(simd, phase, &points);
                            points.count = 0;
                        }
                    }
                }
            }
            if points.count > 0 {
                // The rest of the block repeats a point, and is not written.
                for r in points.count..R {
                    points.source[r] = points.source[0];
                }
                self.block::<S, R, V, G>(simd, phase, &points);
                points.count = 0;
            }
        }
    }

    /// All target channels of `R` points.
    #[inline(always)]
    fn block<S: Simd, const R: usize, const V: usize, const G: usize>(
        &mut self,
        simd: S,
        phase: &Phase,
        points: &Points<R>,
    ) {
        let width = V * S::F32_LANES;
        let rows = self.weights.taps * self.weights.source / G;
        let skipped = self.first * self.plan.padded[1] * self.plan.padded[2] * self.plan.channels;
        for block in 0..self.weights.blocks.count {
            let weights = as_vectors::<S, V>(&self.weights.values[block * rows * width..][..rows * width]);
            let mut sum = [as_vectors::<S, V>(&self.bias[block * width..][..width])[0]; R];
            for run in &phase.runs {
                let mut values: [&[[f32; G]]; R] = [&[]; R];
                for (values, start) in values.iter_mut().zip(&points.source) {
                    let start = start + run.offset - skipped;
                    *values = self.source[start..start + run.len].as_chunks::<G>().0;
                }
                multiply(simd, &values, &weights[run.row / G..][..run.len / G], &mut sum);
            }
            self.store::<S, R, V, G>(simd, points, block, &sum);
        }
    }

    #[inline(always)]
    fn store<S: Simd, const R: usize, const V: usize, const G: usize>(
        &mut self,
        simd: S,
        points: &Points<R>,
        block: usize,
        sum: &[[S::f32s; V]; R],
    ) {
        let first = block * self.weights.targets();
        for (at, sum) in points.target.iter().zip(sum).take(points.count) {
            let pixel = &mut self.out[at + first..at + self.weights.target];
            if G > 1 {
                let lanes: &[f32] = bytemuck::cast_slice(sum);
                for (value, group) in pixel.iter_mut().zip(lanes.as_chunks::<G>().0) {
                    *value = group.iter().sum();
                }
                continue;
            }
            let (whole, rest) = S::as_mut_simd_f32s(pixel);
            let full = whole.len().min(V);
            whole[..full].copy_from_slice(&sum[..full]);
            if full < V {
                simd.partial_store_f32s(rest, sum[full]);
            }
        }
    }
}

/// Adds the product of `R` points' values with as many rows of weights.
#[inline(always)]
fn multiply<S: Simd, const R: usize, const V: usize, const G: usize>(
    simd: S,
    values: &[&[[f32; G]]; R],
    weights: &[[S::f32s; V]],
    sum: &mut [[S::f32s; V]; R],
) {
    // All slices get the loop's own length, which frees the loop of checks.
    let mut values = *values;
    for values in &mut values {
        *values = &values[..weights.len()];
    }
    let mut acc = *sum;
    for (i, weights) in weights.iter().enumerate() {
        for r in 0..R {
            let value = broadcast::<S, G>(simd, &values[r][i]);
            for v in 0..V {
                acc[r][v] = simd.mul_add_e_f32s(value, weights[v], acc[r][v]);
            }
        }
    }
    *sum = acc;
}

/// `G` values, repeated to fill a register.
#[inline(always)]
pub(super) fn broadcast<S: Simd, const G: usize>(simd: S, values: &[f32; G]) -> S::f32s {
    let bits = |i: usize| u64::from(values[i].to_bits()) | u64::from(values[i + 1].to_bits()) << 32;
    match G {
        1 => simd.splat_f32s(values[0]),
        2 => pulp::cast(simd.splat_f64s(f64::from_bits(bits(0)))),
        _ => pulp::cast(simd.splat_c64s(c64 { re: f64::from_bits(bits(0)), im: f64::from_bits(bits(2)) })),
    }
}

/// Consecutive values as groups of `V` registers.
#[inline(always)]
pub(super) fn as_vectors<S: Simd, const V: usize>(values: &[f32]) -> &[[S::f32s; V]] {
    S::as_simd_f32s(values).0.as_chunks::<V>().0
}
