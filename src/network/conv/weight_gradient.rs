//! The gradient of a convolution with respect to its weights and bias.
//!
//! For every tap the outer product of source and gradient channels is summed over all output points, a block of source
//! channels times a block of gradient channels at a time in registers. The output rows are cut into parts, and taps
//! and blocks shared out within a part; the parts are added in order, so that the sum does not depend on the threads.

use std::ops::Range;

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::gather::{as_vectors, broadcast};
use super::isa::Isa;
use super::weights::{Blocks, group_of};
use super::window::Window;

/// Values of source and gradient that are worked on while they are in the nearest cache.
const CACHED: usize = 5 << 10;
/// At most this many partial sums.
const MAX_PARTS: usize = 16;

/// The gradient with respect to weights `[gradient channel, source channel, taps]`.
///
/// `source` are the images that the window slides over, with `channels[0]` channels; `gradient` is of its output, with
/// `channels[1]`; both channels-last.
///
/// # Panics
/// If lengths disagree.
pub fn weight_gradient(isa: Isa, window: &Window, source: &[f32], gradient: &[f32], channels: [usize; 2]) -> Vec<f32> {
    let output = window.output();
    let images = source.len() / (window.input.iter().product::<usize>() * channels[0]).max(1);
    assert_eq!(source.len(), images * window.input.iter().product::<usize>() * channels[0], "source and window");
    assert_eq!(gradient.len(), images * output.iter().product::<usize>() * channels[1], "gradient and window");

    let taps = window.taps();
    if gradient.is_empty() {
        return vec![0.0; channels[1] * channels[0] * taps];
    }
    let group = group_of(channels[0], channels[1], isa);
    let blocks = Blocks::of(channels[1] * group, isa);
    let width = blocks.width(isa);
    let pitch = blocks.count * width;
    // The kernel reads whole registers, in which few channels are repeated for each source channel of a group.
    let spread;
    let gradient = if group == 1 && channels[1] == pitch {
        gradient
    } else {
        spread = spread_channels(gradient, channels[1], pitch, group);
        &spread[..]
    };

    let rows = images * output[0] * output[1];
    let row_values = output[2] * (pitch + channels[0] * window.stride[2]);
    let chunk = (CACHED / row_values.max(1)).clamp(1, rows.max(1));
    // Every part costs a pass over the weights: few for many weights and small images.
    let sources = channels[0] / group;
    let weights_len = blocks.count * taps * sources * width;
    let parts = (rows * row_values / (2 * weights_len).max(1)).clamp(1, MAX_PARTS);
    let part_rows = rows.div_ceil(parts).next_multiple_of(chunk);
    let parts = rows.div_ceil(part_rows.max(1));
    // Within a part, a task is one block of gradient channels and all or one of the lines of taps.
    let lines = window.kernel[0] * window.kernel[1];
    let task_lines = if parts >= MAX_PARTS / 2 { lines } else { 1 };
    let columns: Vec<_> = (0..window.kernel[2]).map(|k| Columns::under(window, k)).collect();

    let mut partial = vec![0.0; parts * weights_len];
    let task_len = (task_lines * window.kernel[2] * sources * width).max(1);
    partial.par_chunks_mut(task_len).enumerate().for_each(|(task, sum)| {
        let tasks = lines / task_lines;
        let (part, block, first_line) = (task / (blocks.count * tasks), task / tasks % blocks.count, task % tasks);
        let task = Task {
            window,
            source,
            gradient,
            columns: &columns,
            channels: [channels[0], pitch],
            first: block * width,
            lines: first_line * task_lines..(first_line + 1) * task_lines,
            rows: part * part_rows..rows.min((part + 1) * part_rows),
            chunk,
            sum,
        };
        isa.run(Blocked { task, vectors: blocks.vectors, group });
    });

    let mut result = vec![0.0; channels[1] * channels[0] * taps];
    result.par_chunks_mut((channels[0] * taps).max(1)).enumerate().for_each(|(target, result)| {
        let lane = target * group;
        let (block, lane) = (lane / width, lane % width);
        for part in partial.chunks_exact(weights_len) {
            let part = &part[block * taps * sources * width..];
            for (s, result) in result.chunks_exact_mut(taps).enumerate() {
                for (tap, result) in result.iter_mut().enumerate() {
                    *result += part[(tap * sources + s / group) * width + lane + s % group];
                }
            }
        }
    });
    result
}

/// The gradient with respect to the bias: the sum over all points of channels-last images.
pub fn bias_gradient(isa: Isa, gradient: &[f32], channels: usize) -> Vec<f32> {
    // Parts of a fixed size, whatever the number of threads.
    let part = channels * 1024;
    let sums: Vec<Vec<f32>> =
        gradient.par_chunks(part).map(|points| isa.run(ChannelSums { points, channels })).collect();
    let mut total = vec![0.0; channels];
    for sum in &sums {
        total.iter_mut().zip(sum).for_each(|(total, sum)| *total += sum);
    }
    total
}

/// Each channel `group` times in a row, and zeros up to `pitch`.
fn spread_channels(values: &[f32], channels: usize, pitch: usize, group: usize) -> Vec<f32> {
    let mut spread = vec![0.0; values.len() / channels * pitch];
    spread.par_chunks_mut(pitch * 256).zip(values.par_chunks(channels * 256)).for_each(|(spread, values)| {
        for (spread, values) in spread.chunks_exact_mut(pitch).zip(values.chunks_exact(channels)) {
            for (lanes, value) in spread.chunks_exact_mut(group).zip(values) {
                lanes.fill(*value);
            }
        }
    });
    spread
}

struct ChannelSums<'a> {
    points: &'a [f32],
    channels: usize,
}

impl WithSimd for ChannelSums<'_> {
    type Output = Vec<f32>;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> Vec<f32> {
        let mut sums = vec![0.0; self.channels];
        for point in self.points.chunks_exact(self.channels) {
            for (sum, value) in sums.iter_mut().zip(point) {
                *sum += value;
            }
        }
        sums
    }
}

/// Output columns for which one tap lies in the image.
#[derive(Debug, Clone, Copy)]
struct Columns {
    first: usize,
    count: usize,
    /// Input column under the first one.
    input: usize,
}

impl Columns {
    fn under(window: &Window, tap: usize) -> Self {
        let mut inside = (0..window.output()[2]).filter_map(|o| Some((o, window.input_at(2, o, tap)?)));
        let Some((first, input)) = inside.next() else { return Self { first: 0, count: 0, input: 0 } };
        Self { first, count: 1 + inside.count(), input }
    }
}

/// Some lines of taps and one block of gradient channels, summed over some rows.
struct Task<'a> {
    window: &'a Window,
    source: &'a [f32],
    gradient: &'a [f32],
    /// For each tap of a line.
    columns: &'a [Columns],
    /// Values per point of source and gradient.
    channels: [usize; 2],
    /// First lane of the block.
    first: usize,
    /// Lines of taps, counted through depth and height.
    lines: Range<usize>,
    /// Output rows, counted through images, depth and height.
    rows: Range<usize>,
    chunk: usize,
    /// `[tap][group of source channels][lane]`.
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
            (_, _, 4) => self.task.run::<S, 4, 1, 4>(simd),
            (_, _, 2) => self.task.run::<S, 8, 1, 2>(simd),
            (true, 1, _) => self.task.run::<S, 16, 1, 1>(simd),
            (true, 2, _) => self.task.run::<S, 8, 2, 1>(simd),
            (true, _, _) => self.task.run::<S, 8, 3, 1>(simd),
            (false, 1, _) => self.task.run::<S, 8, 1, 1>(simd),
            (false, 2, _) => self.task.run::<S, 4, 2, 1>(simd),
            (false, _, _) => self.task.run::<S, 4, 3, 1>(simd),
        }
    }
}

/// Where a pair of rows starts in the source and in the gradient.
type RowPair = (usize, usize);

impl Task<'_> {
    /// Blocks of `I` groups of `G` source channels, and smaller ones for the rest.
    #[inline(always)]
    fn run<S: Simd, const I: usize, const V: usize, const G: usize>(&mut self, simd: S) {
        let mut pairs = Vec::with_capacity(self.chunk);
        let groups = self.channels[0] / G;
        let mut row = self.rows.start;
        while row < self.rows.end {
            let rows = row..self.rows.end.min(row + self.chunk);
            row = rows.end;
            for line in self.lines.clone() {
                self.pair_rows(line, rows.clone(), &mut pairs);
                for tap in 0..self.columns.len() {
                    let mut s = 0;
                    while s + I <= groups {
                        self.tile::<S, I, V, G>(simd, line, tap, s, &pairs);
                        s += I;
                    }
                    while s + 4 <= groups {
                        self.tile::<S, 4, V, G>(simd, line, tap, s, &pairs);
                        s += 4;
                    }
                    while s < groups {
                        self.tile::<S, 1, V, G>(simd, line, tap, s, &pairs);
                        s += 1;
                    }
                }
            }
        }
    }

    /// The source rows under a line of taps, for those output rows where there is one.
    fn pair_rows(&self, line: usize, rows: Range<usize>, pairs: &mut Vec<RowPair>) {
        let [depth, height, width] = self.window.output();
        let [input_depth, input_height, input_width] = self.window.input;
        pairs.clear();
        pairs.extend(rows.filter_map(|row| {
            let (image, d, h) = (row / (depth * height), row / height % depth, row % height);
            let d = self.window.input_at(0, d, line / self.window.kernel[1])?;
            let h = self.window.input_at(1, h, line % self.window.kernel[1])?;
            let source = ((image * input_depth + d) * input_height + h) * input_width;
            Some((source * self.channels[0], row * width * self.channels[1]))
        }));
    }

    /// One tap, groups `s..s + I` of source channels.
    #[inline(always)]
    fn tile<S: Simd, const I: usize, const V: usize, const G: usize>(
        &mut self,
        simd: S,
        line: usize,
        tap: usize,
        s: usize,
        pairs: &[RowPair],
    ) {
        let Columns { first, count, input } = self.columns[tap];
        let [channels, pitch] = self.channels;
        let step = self.window.stride[2] * channels;
        let width = V * S::F32_LANES;
        let at = ((line - self.lines.start) * self.columns.len() + tap) * (channels / G) + s;
        let (sums, _) = S::as_mut_simd_f32s(&mut self.sum[at * width..][..I * width]);
        let (sums, _) = sums.as_chunks_mut::<V>();
        let mut acc = [[simd.splat_f32s(0.0); V]; I];
        acc.copy_from_slice(sums);
        for &(source, gradient) in pairs {
            if count == 0 {
                break;
            }
            let source = &self.source[source + input * channels + s * G..][..(count - 1) * step + I * G];
            let gradient = &self.gradient[gradient + first * pitch + self.first..][..(count - 1) * pitch + width];
            for p in 0..count {
                let values = source[p * step..].as_chunks::<G>().0.first_chunk::<I>();
                let gradient = as_vectors::<S, V>(&gradient[p * pitch..]).first();
                let (Some(values), Some(gradient)) = (values, gradient) else { break };
                for i in 0..I {
                    let value = broadcast::<S, G>(simd, &values[i]);
                    for v in 0..V {
                        acc[i][v] = simd.mul_add_e_f32s(value, gradient[v], acc[i][v]);
                    }
                }
            }
        }
        sums.copy_from_slice(&acc);
    }
}
