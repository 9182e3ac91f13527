//! The kernel behind convolution, its gradient with respect to the input, and transposed
//! convolution: every target point gathers the source points under its taps and sums their channels
//! with the weights. Images are channels-last.
//!
//! A slab of the source is first copied with the zeros around it, so that no tap needs a test. A
//! block of target points times a block of target channels is then accumulated in registers, one
//! run of source values after another. Where the weights outgrow the nearest cache, all points pass
//! a part of them before the next part is taken up.

use std::cell::RefCell;
use std::ops::Range;

use pulp::{Simd, WithSimd, c64};
use rayon::prelude::*;

use super::plan::{GatherPlan, Phase, TapRun};
use super::weights::PackedWeights;

/// Source values of a slab, so that it stays in a core's own cache.
pub(super) const SLAB: usize = 48 << 10;
/// Weights that are worked through at once, so that they stay in the nearest cache while the points
/// pass.
const WEIGHTS: usize = 8 << 10;

/// Writes `target[image][point][channel] = bias + sum over taps and source channels`; all images
/// channels-last.
///
/// # Panics
/// If lengths disagree, or the weights were packed for the other direction.
pub fn gather(source: &[f32], weights: &PackedWeights, bias: Option<&[f32]>, plan: &GatherPlan, target: &mut [f32]) {
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
    target
        .par_chunks_mut(planes * plane_len)
        .enumerate()
        .flat_map(|(n, image)| image.par_chunks_mut(slab * plane_len).enumerate().map(move |(s, out)| (n, s, out)))
        .for_each(|(n, s, out)| {
            let source = &source[n * source_len..][..source_len];
            let planes = s * slab..planes.min((s + 1) * slab);
            with_scratch(|scratch| {
                let (source, first) = padded(source, plan, plan.planes(planes.clone()), scratch);
                weights.isa.run(Slab { source, first, weights, bias: &bias, plan, planes, out });
            });
        });
}

/// Lends the thread's own memory: fresh memory costs a page fault every 4 KiB.
pub(super) fn with_scratch<T>(work: impl FnOnce(&mut Vec<f32>) -> T) -> T {
    thread_local!(static SCRATCH: RefCell<Vec<Vec<f32>>> = const { RefCell::new(Vec::new()) });
    // Taken away meanwhile, so that work within work gets memory of its own.
    let mut scratch = SCRATCH.with_borrow_mut(Vec::pop).unwrap_or_default();
    let result = work(&mut scratch);
    SCRATCH.with_borrow_mut(|kept| kept.push(scratch));
    result
}

/// The bias in the lanes of the packed weights: in the first channel of each group.
fn spread(bias: &[f32], weights: &PackedWeights) -> Vec<f32> {
    let mut lanes = vec![0.0; weights.blocks.count * weights.blocks.width(weights.isa)];
    for (lanes, bias) in lanes.chunks_exact_mut(weights.group).zip(bias) {
        lanes[0] = *bias;
    }
    lanes
}

/// Planes of the padded source, copied if there is anything around it, and the first plane.
pub(super) fn padded<'a>(
    source: &'a [f32],
    plan: &GatherPlan,
    planes: Range<usize>,
    out: &'a mut Vec<f32>,
) -> (&'a [f32], usize) {
    if plan.padded == plan.source {
        return (source, 0);
    }
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
    (out, planes.start)
}

/// Some planes of one target image.
struct Slab<'a> {
    /// Padded planes, of which this is the first.
    source: &'a [f32],
    first: usize,
    weights: &'a PackedWeights,
    bias: &'a [f32],
    plan: &'a GatherPlan,
    planes: Range<usize>,
    out: &'a mut [f32],
}

impl WithSimd for Slab<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        // Accumulators, weights and one broadcast value share the registers.
        match (S::REGISTER_COUNT >= 32, self.weights.blocks.vectors, self.weights.group) {
            (_, _, 16) if S::F32_LANES == 16 => self.run::<S, 8, 1, 16>(simd),
            (_, _, 8) if S::F32_LANES == 8 => self.run::<S, 8, 1, 8>(simd),
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

/// Positions of a point's own values in the source and in the target.
#[derive(Clone, Copy)]
struct Point {
    source: usize,
    target: usize,
}

impl Slab<'_> {
    /// `R` points, `V` registers of target channels, `G` source channels in a register.
    #[inline(always)]
    fn run<S: Simd, const R: usize, const V: usize, const G: usize>(&mut self, simd: S) {
        let mut points = Vec::new();
        for phase in &self.plan.phases {
            self.list(phase, &mut points);
            for block in 0..self.weights.blocks.count {
                let mut runs = &phase.runs[..];
                let mut first = true;
                while first || !runs.is_empty() {
                    // Sums of several channels in one register are only added up at the end.
                    let limit = if G == 1 { WEIGHTS / (V * S::F32_LANES) } else { usize::MAX };
                    let mut rows = 0;
                    let fitting = runs.iter().take_while(|run| {
                        rows += run.len;
                        rows <= limit
                    });
                    let (now, later) = runs.split_at(fitting.count().max(1).min(runs.len()));
                    for points in points.chunks(R) {
                        self.block::<S, R, V, G>(simd, block, now, first, points);
                    }
                    (runs, first) = (later, false);
                }
            }
        }
    }

    /// The points of a phase.
    fn list(&self, phase: &Phase, points: &mut Vec<Point>) {
        let plan = self.plan;
        let [_, height, width] = plan.target;
        let [pd, ph, pw] = plan.target_step;
        let [sd, sh, sw] = plan.source_step;
        let [d0, h0, w0] = phase.first;
        points.clear();
        for d in self.planes.clone().filter(|d| d % pd == d0) {
            for (qh, h) in (h0..height).step_by(ph).enumerate() {
                let source = ((d / pd * sd - self.first) * plan.padded[1] + qh * sh) * plan.padded[2] * plan.channels;
                let target = ((d - self.planes.start) * height + h) * width * self.weights.target;
                points.extend((w0..width).step_by(pw).enumerate().map(|(qw, w)| Point {
                    source: source + qw * sw * plan.channels,
                    target: target + w * self.weights.target,
                }));
            }
        }
    }

    /// One block of target channels of up to `R` points, from some of the runs.
    #[inline(always)]
    fn block<S: Simd, const R: usize, const V: usize, const G: usize>(
        &mut self,
        simd: S,
        block: usize,
        runs: &[TapRun],
        first: bool,
        points: &[Point],
    ) {
        let width = V * S::F32_LANES;
        let rows = self.weights.taps * self.weights.source / G;
        let weights = as_vectors::<S, V>(&self.weights.values[block * rows * width..][..rows * width]);
        let mut sum = [as_vectors::<S, V>(&self.bias[block * width..][..width])[0]; R];
        if !first {
            self.load::<S, R, V>(simd, points, block, &mut sum);
        }
        // A block that is not full repeats a point, and does not write it.
        let mut starts = [points[0].source; R];
        for (start, point) in starts.iter_mut().zip(points) {
            *start = point.source;
        }
        // With more registers of target channels, broadcasts are few enough as it is.
        let contiguous = points.len() == R && self.plan.source_step[2] == 1 && {
            points[R - 1].source == points[0].source + (R - 1) * self.plan.channels
        };
        let line = Line { source: self.source, start: points[0].source, runs };
        let done = contiguous
            && V * R <= 8
            && match self.plan.channels / G {
                1 => line.multiply::<S, R, V, G, 1>(simd, weights, &mut sum),
                3 => line.multiply::<S, R, V, G, 3>(simd, weights, &mut sum),
                4 => line.multiply::<S, R, V, G, 4>(simd, weights, &mut sum),
                8 => line.multiply::<S, R, V, G, 8>(simd, weights, &mut sum),
                16 => line.multiply::<S, R, V, G, 16>(simd, weights, &mut sum),
                32 => line.multiply::<S, R, V, G, 32>(simd, weights, &mut sum),
                _ => false,
            };
        for run in if done { &[] } else { runs } {
            let mut values: [&[[f32; G]]; R] = [&[]; R];
            for (values, start) in values.iter_mut().zip(&starts) {
                *values = self.source[start + run.offset..][..run.len].as_chunks::<G>().0;
            }
            multiply(simd, &values, &weights[run.row / G..][..run.len / G], &mut sum);
        }
        self.store::<S, R, V, G>(simd, points, block, &sum);
    }

    /// The sums that [`Self::store`] has left.
    #[inline(always)]
    fn load<S: Simd, const R: usize, const V: usize>(
        &self,
        simd: S,
        points: &[Point],
        block: usize,
        sum: &mut [[S::f32s; V]; R],
    ) {
        for (point, sum) in points.iter().zip(sum) {
            let pixel = &self.out[point.target + block * self.weights.targets()..point.target + self.weights.target];
            let (whole, rest) = S::as_simd_f32s(pixel);
            let full = whole.len().min(V);
            sum[..full].copy_from_slice(&whole[..full]);
            if full < V {
                sum[full] = simd.partial_load_f32s(rest);
            }
        }
    }

    #[inline(always)]
    fn store<S: Simd, const R: usize, const V: usize, const G: usize>(
        &mut self,
        simd: S,
        points: &[Point],
        block: usize,
        sum: &[[S::f32s; V]; R],
    ) {
        let first = block * self.weights.targets();
        for (point, sum) in points.iter().zip(sum) {
            let pixel = &mut self.out[point.target + first..point.target + self.weights.target];
            if G > 1 {
                let lanes: &[f32] = bytemuck::cast_slice(sum);
                for (value, group) in pixel.iter_mut().zip(lanes.as_chunks::<G>().0) {
                    *value = group.iter().sum();
                }
                continue;
            }
            if let Some(whole) = S::as_mut_simd_f32s(pixel).0.first_chunk_mut::<V>() {
                *whole = *sum;
                continue;
            }
            let (whole, rest) = S::as_mut_simd_f32s(pixel);
            let full = whole.len();
            whole.copy_from_slice(&sum[..full]);
            simd.partial_store_f32s(rest, sum[full]);
        }
    }
}

/// Points side by side.
struct Line<'a> {
    source: &'a [f32],
    /// Position of the first point's own values.
    start: usize,
    runs: &'a [TapRun],
}

impl Line<'_> {
    /// Adds what `R` points read, if all runs are up to three taps of `C` groups of channels.
    #[inline(always)]
    fn multiply<S: Simd, const R: usize, const V: usize, const G: usize, const C: usize>(
        &self,
        simd: S,
        weights: &[[S::f32s; V]],
        sum: &mut [[S::f32s; V]; R],
    ) -> bool {
        if self.runs.iter().any(|run| run.len > 3 * C * G) {
            return false;
        }
        let mut acc = *sum;
        for run in self.runs {
            let values = &self.source[self.start + run.offset..][..(R - 1) * C * G + run.len];
            let values = values.as_chunks::<G>().0.as_chunks::<C>().0;
            let weights = weights[run.row / G..][..run.len / G].as_chunks::<C>().0;
            match run.len / (C * G) {
                1 => taps::<S, 1, R, V, G, C>(simd, values, weights, &mut acc),
                2 => taps::<S, 2, R, V, G, C>(simd, values, weights, &mut acc),
                _ => taps::<S, 3, R, V, G, C>(simd, values, weights, &mut acc),
            }
        }
        *sum = acc;
        true
    }
}

/// `K` taps of `R` points side by side. Neighbours share taps: each source value is loaded once for
/// all of them.
#[inline(always)]
fn taps<S: Simd, const K: usize, const R: usize, const V: usize, const G: usize, const C: usize>(
    simd: S,
    values: &[[[f32; G]; C]],
    weights: &[[[S::f32s; V]; C]],
    acc: &mut [[S::f32s; V]; R],
) {
    let Some(weights) = weights.first_chunk::<K>() else { return };
    let values = &values[..R + K - 1];
    for c in 0..C {
        for q in 0..R + K - 1 {
            let value = broadcast::<S, G>(simd, &values[q][c]);
            for k in 0..K {
                if q >= k && q - k < R {
                    for v in 0..V {
                        acc[q - k][v] = simd.mul_add_e_f32s(value, weights[k][c][v], acc[q - k][v]);
                    }
                }
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
        _ if G == S::F32_LANES => S::as_simd_f32s(values).0[0],
        2 => pulp::cast(simd.splat_f64s(f64::from_bits(bits(0)))),
        _ => pulp::cast(simd.splat_c64s(c64 { re: f64::from_bits(bits(0)), im: f64::from_bits(bits(2)) })),
    }
}

/// Consecutive values as groups of `V` registers.
#[inline(always)]
pub(super) fn as_vectors<S: Simd, const V: usize>(values: &[f32]) -> &[[S::f32s; V]] {
    S::as_simd_f32s(values).0.as_chunks::<V>().0
}
