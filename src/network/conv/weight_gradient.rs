//! The gradient of a convolution with respect to its weights and bias.
//!
//! Every row of the weights, a tap and a source channel, is the sum over all output points of a
//! source value at a fixed shift times the gradient's channels. As in [`super::gather()`], slabs of
//! the source are copied with the zeros around them, so that no tap needs a test and the rows of
//! neighbouring taps read values that lie side by side. A tile of some rows times a block of
//! gradient channels is summed in registers over the points of a few output rows.
//!
//! The slabs are cut into parts, which are added in order, so that the sum does not depend on the
//! threads.

use std::ops::Range;

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::gather::{SLAB, as_vectors, broadcast, padded, with_scratch};
use super::isa::Isa;
use super::plan::{GatherPlan, TapRun};
use super::weights::{Blocks, group_of};
use super::window::Window;

/// Values of source and gradient that are worked on while they are in the nearest cache.
const CACHED: usize = 5 << 10;
/// Largest number of partial sums.
const MAX_PARTS: usize = 16;
/// Fewer tasks than this are split further, at the price of copying the source more than once.
const MIN_TASKS: usize = 4;

/// Gradient with respect to weights `[gradient channel, source channel, taps]`.
///
/// `source` are the images that the window slides over, with `channels[0]` channels; `gradient` is
/// that of its output, with `channels[1]`; both channels-last.
///
/// # Panics
/// If lengths disagree.
pub fn weight_gradient(isa: Isa, window: &Window, source: &[f32], gradient: &[f32], channels: [usize; 2]) -> Vec<f32> {
    let output = window.output();
    let images = source.len() / (window.input.iter().product::<usize>() * channels[0]).max(1);
    assert_eq!(source.len(), images * window.input.iter().product::<usize>() * channels[0], "source and window");
    assert_eq!(gradient.len(), images * output.iter().product::<usize>() * channels[1], "gradient and window");

    let taps = window.taps();
    let mut result = vec![0.0; channels[1] * channels[0] * taps];
    if gradient.is_empty() || result.is_empty() {
        return result;
    }
    let plan = GatherPlan::forward(window, channels[0]);
    let group = group_of(channels[0], channels[1], isa);
    let blocks = Blocks::of(channels[1] * group, isa);
    let width = blocks.width(isa);
    let rows = taps * channels[0] / group;

    let plane = plan.padded[1] * plan.padded[2] * channels[0] * window.stride[0];
    let slab = (SLAB / plane.max(1)).max(2).min(output[0]);
    let slabs = images * output[0].div_ceil(slab);
    // Every part costs a pass over the weights: few for many weights and small images.
    let parts = ((source.len() + gradient.len()) / (blocks.count * rows * width)).clamp(1, MAX_PARTS.min(slabs));
    let part_slabs = slabs.div_ceil(parts);
    let parts = slabs.div_ceil(part_slabs);
    // A task is a part, or within it one block of gradient channels and all taps or those at one
    // depth.
    let split_blocks = if parts >= MIN_TASKS { 1 } else { blocks.count };
    let split_taps = if parts * split_blocks >= MIN_TASKS { 1 } else { window.kernel[0] };
    let splits = split_blocks * split_taps;
    let split_rows = taps * channels[0] / split_taps;

    let mut partial = vec![0.0; parts * blocks.count * rows * width];
    partial.par_chunks_mut(blocks.count * rows / splits * width).enumerate().for_each(|(task, sum)| {
        let (part, block, split) = (task / splits, task % splits / split_taps, task % split_taps);
        with_scratch(|padded| {
            with_scratch(|spread| {
                let task = Task {
                    plan: &plan,
                    source,
                    gradient,
                    channels,
                    first_block: block,
                    rows: split * split_rows..(split + 1) * split_rows,
                    slab,
                    slabs: part * part_slabs..slabs.min((part + 1) * part_slabs),
                    padded,
                    spread,
                    sum,
                };
                isa.run(Blocked { task, vectors: blocks.vectors, group });
            });
        });
    });

    let (total, rest) = partial.split_at_mut(blocks.count * rows * width);
    if !rest.is_empty() {
        let stretch = 1 << 12;
        total.par_chunks_mut(stretch).enumerate().for_each(|(i, total)| {
            for part in rest.chunks_exact(blocks.count * rows * width) {
                let part = &part[i * stretch..][..total.len()];
                total.iter_mut().zip(part).for_each(|(total, part)| *total += part);
            }
        });
    }
    let target_len = channels[0] * taps;
    for (block, result) in result.chunks_mut(width / group * target_len).enumerate() {
        let sums = &total[block * rows * width..][..rows * width];
        // A few source channels at a time, whose sums stay in the nearest cache.
        for first in (0..channels[0]).step_by(4) {
            for (target, result) in result.chunks_exact_mut(target_len).enumerate() {
                for (s, result) in result.chunks_exact_mut(taps).enumerate().skip(first).take(4) {
                    let lane = target * group + s % group;
                    for (tap, result) in result.iter_mut().enumerate() {
                        *result = sums[(tap * channels[0] + s) / group * width + lane];
                    }
                }
            }
        }
    }
    result
}

/// Some rows of the weights and one block of gradient channels, summed over some slabs.
struct Task<'a> {
    plan: &'a GatherPlan,
    source: &'a [f32],
    gradient: &'a [f32],
    /// Number of channels of source and gradient.
    channels: [usize; 2],
    /// Block of gradient channels that the sums begin with.
    first_block: usize,
    /// Taps times source channels.
    rows: Range<usize>,
    /// Output planes of a slab, of which each image has the same number.
    slab: usize,
    slabs: Range<usize>,
    /// Memory for copies of a slab of the source and of the gradient.
    padded: &'a mut Vec<f32>,
    spread: &'a mut Vec<f32>,
    /// `[block][tap][group of source channels][lane]`.
    sum: &'a mut [f32],
}

/// A task with the sizes that choose its kernel.
struct Blocked<'a> {
    task: Task<'a>,
    vectors: usize,
    group: usize,
}

impl WithSimd for Blocked<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        match (S::REGISTER_COUNT >= 32, self.vectors, self.group) {
            (_, _, 16) if S::F32_LANES == 16 => self.task.run::<S, 12, 1, 16>(simd),
            (_, _, 8) if S::F32_LANES == 8 => self.task.run::<S, 12, 1, 8>(simd),
            (_, _, 4) => self.task.run::<S, 12, 1, 4>(simd),
            (_, _, 2) => self.task.run::<S, 12, 1, 2>(simd),
            (_, 1, _) => self.task.run::<S, 12, 1, 1>(simd),
            (true, 2, _) => self.task.run::<S, 12, 2, 1>(simd),
            (true, _, _) => self.task.run::<S, 8, 3, 1>(simd),
            (false, 2, _) => self.task.run::<S, 6, 2, 1>(simd),
            (false, _, _) => self.task.run::<S, 4, 3, 1>(simd),
        }
    }
}

/// Position of the source values of some rows of the weights, counted from a point's own.
#[derive(Debug, Clone, Copy)]
struct Piece {
    offset: usize,
    row: usize,
}

/// Output rows that are worked on together.
struct Chunk<'a, T> {
    source: &'a [f32],
    /// Starts of the output rows in the source.
    starts: &'a [usize],
    /// Points of an output row.
    row_points: usize,
    /// Step from one point to the next.
    step: usize,
    /// The gradient's registers, point after point.
    gradient: &'a [T],
}

impl Task<'_> {
    /// Tiles of `I` groups of `G` source values and `V` registers, and smaller ones for the rest.
    #[inline(always)]
    fn run<S: Simd, const I: usize, const V: usize, const G: usize>(&mut self, simd: S) {
        let [large, fours, threes, ones] = self.pieces([I * G, 4 * G, 3 * G, G]);
        let (plan, width) = (self.plan, V * S::F32_LANES);
        let [planes, height, row_points] = plan.target;
        let block_len = self.rows.len() / G * width;
        let image_slabs = planes.div_ceil(self.slab);
        let image_len = plan.source.iter().product::<usize>() * self.channels[0];
        let chunk = (CACHED / (row_points * (width + plan.channels * plan.source_step[2])).max(1)).max(1);
        let mut starts = Vec::new();
        let mut memory = std::mem::take(self.padded);
        for slab in self.slabs.clone() {
            let (image, slab) = (slab / image_slabs, slab % image_slabs);
            let slab = slab * self.slab..planes.min((slab + 1) * self.slab);
            let source = &self.source[image * image_len..][..image_len];
            let (source, first) = padded(source, plan, plan.planes(slab.clone()), &mut memory);
            starts.clear();
            for d in slab.clone() {
                let plane = (d * plan.source_step[0] - first) * plan.padded[1];
                for h in 0..height {
                    starts.push((plane + h * plan.source_step[1]) * plan.padded[2] * plan.channels);
                }
            }
            let points = slab.len() * height * row_points;
            let before = (image * planes + slab.start) * height * row_points;
            let gradient = &self.gradient[before * self.channels[1]..][..points * self.channels[1]];
            for block in 0..self.sum.len() / block_len {
                let mut gradient = gradient;
                if self.channels[1] != width {
                    self.spread_channels::<G>(gradient, self.first_block + block, width);
                    gradient = self.spread;
                }
                let gradient = as_vectors::<S, V>(gradient);
                let sum = &mut self.sum[block * block_len..][..block_len];
                for (starts, gradient) in starts.chunks(chunk).zip(gradient.chunks(chunk * row_points)) {
                    let step = plan.source_step[2] * plan.channels;
                    let chunk = Chunk { source, starts, row_points, step, gradient };
                    tiles::<S, 1, I, V, G>(simd, &large, &chunk, sum);
                    tiles::<S, 1, 4, V, G>(simd, &fours, &chunk, sum);
                    if V == 1 {
                        tiles::<S, 3, 3, V, G>(simd, &threes, &chunk, sum);
                        tiles::<S, 4, 1, V, G>(simd, &ones, &chunk, sum);
                    } else {
                        tiles::<S, 2, 3, V, G>(simd, &threes, &chunk, sum);
                        tiles::<S, 2, 1, V, G>(simd, &ones, &chunk, sum);
                    }
                }
            }
        }
        *self.padded = memory;
    }

    /// The task's rows, cut into pieces of these sizes, from the largest on.
    fn pieces<const N: usize>(&self, sizes: [usize; N]) -> [Vec<Piece>; N] {
        let mut pieces = std::array::from_fn(|_| Vec::new());
        for &TapRun { offset, row, len } in &self.plan.phases[0].runs {
            let mut rows = row.max(self.rows.start)..(row + len).min(self.rows.end);
            for (pieces, size) in pieces.iter_mut().zip(sizes) {
                while rows.start + size <= rows.end {
                    pieces.push(Piece { offset: offset + rows.start - row, row: rows.start - self.rows.start });
                    rows.start += size;
                }
            }
        }
        pieces
    }

    /// The channels of a block, each `G` times in a row, with zeros up to `width`.
    #[inline(always)]
    fn spread_channels<const G: usize>(&mut self, gradient: &[f32], block: usize, width: usize) {
        let targets = block * width / G..self.channels[1].min((block + 1) * width / G);
        self.spread.resize(gradient.len() / self.channels[1] * width, 0.0);
        for (spread, values) in self.spread.chunks_exact_mut(width).zip(gradient.chunks_exact(self.channels[1])) {
            for (lanes, value) in spread.as_chunks_mut::<G>().0.iter_mut().zip(&values[targets.clone()]) {
                *lanes = [*value; G];
            }
            spread[targets.len() * G..].fill(0.0);
        }
    }
}

/// Tiles of `J` pieces of `I` groups each, and of one piece for the rest.
#[inline(always)]
fn tiles<S: Simd, const J: usize, const I: usize, const V: usize, const G: usize>(
    simd: S,
    pieces: &[Piece],
    chunk: &Chunk<'_, [S::f32s; V]>,
    sum: &mut [f32],
) {
    let (tiles, rest) = pieces.as_chunks::<J>();
    for pieces in tiles {
        tile::<S, J, I, V, G>(simd, pieces, chunk, sum);
    }
    for piece in rest {
        tile::<S, 1, I, V, G>(simd, &[*piece], chunk, sum);
    }
}

#[inline(always)]
fn tile<S: Simd, const J: usize, const I: usize, const V: usize, const G: usize>(
    simd: S,
    pieces: &[Piece; J],
    chunk: &Chunk<'_, [S::f32s; V]>,
    sum: &mut [f32],
) {
    let (sums, _) = S::as_mut_simd_f32s(sum).0.as_chunks_mut::<V>();
    let mut acc = [[[simd.splat_f32s(0.0); V]; I]; J];
    for (acc, piece) in acc.iter_mut().zip(pieces) {
        acc.copy_from_slice(&sums[piece.row / G..][..I]);
    }
    let step = chunk.step / G;
    for (start, gradient) in chunk.starts.iter().zip(chunk.gradient.chunks_exact(chunk.row_points)) {
        // All slices get one length, so that one test per point serves them all.
        let len = (chunk.row_points - 1) * step + I;
        let mut values: [&[[f32; G]]; J] = [&[]; J];
        for (values, piece) in values.iter_mut().zip(pieces) {
            *values = &chunk.source[start + piece.offset..].as_chunks::<G>().0[..len];
        }
        let mut at = 0;
        for gradient in gradient {
            for j in 0..J {
                let Some(values) = values[j].get(at..at + I) else { break };
                for i in 0..I {
                    let value = broadcast::<S, G>(simd, &values[i]);
                    for v in 0..V {
                        acc[j][i][v] = simd.mul_add_e_f32s(value, gradient[v], acc[j][i][v]);
                    }
                }
            }
            at += step;
        }
    }
    for (acc, piece) in acc.iter().zip(pieces) {
        sums[piece.row / G..][..I].copy_from_slice(acc);
    }
}
