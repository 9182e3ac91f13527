//! Plan of a convolution, or of its gradient with respect to the input: the values read for each
//! target point.
//!
//! Both are sums over taps that lie at fixed shifts from a point. In the gradient of a strided
//! convolution the taps that meet a point depend on its coordinates modulo the stride: such points
//! form a phase, and each phase is a convolution of its own with some of the taps.

use super::window::{Extent, Window};

/// The target points of one phase along one axis, and its taps with their shifts.
#[derive(Debug, Clone)]
struct AxisPhase {
    first: usize,
    taps: Vec<(usize, isize)>,
}

/// Neighbouring taps whose source values lie side by side, as do their weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TapRun {
    /// First of the source values, counted from the point's own in the padded source.
    pub(super) offset: usize,
    /// First row of the weights.
    pub(super) row: usize,
    /// Number of values read.
    pub(super) len: usize,
}

/// Target points that read the same taps.
#[derive(Debug, Clone)]
pub(super) struct Phase {
    /// First target point; the others follow in steps of [`GatherPlan::target_step`].
    pub(super) first: Extent,
    pub(super) runs: Vec<TapRun>,
}

/// Source values that a convolution, or its gradient with respect to the input, reads for each
/// target point.
#[derive(Debug, Clone)]
pub struct GatherPlan {
    pub(super) source: Extent,
    pub(super) target: Extent,
    pub(super) channels: usize,
    /// Zeros before the source, and its extent with all zeros around it.
    pub(super) before: Extent,
    pub(super) padded: Extent,
    /// Steps from one point of a phase to the next.
    pub(super) source_step: Extent,
    pub(super) target_step: Extent,
    pub(super) phases: Vec<Phase>,
    /// Whether the weights are read from the last tap to the first.
    pub(super) reversed: bool,
    /// The least and greatest shift along the first axis in each of its phases.
    reach: Vec<[usize; 2]>,
}

impl GatherPlan {
    /// Plan of a convolution's output, from an input with this many channels.
    pub fn forward(window: &Window, channels: usize) -> Self {
        let axes = std::array::from_fn(|a| {
            let shift = |k| (k * window.dilation[a]) as isize - window.padding[a] as isize;
            vec![AxisPhase { first: 0, taps: (0..window.kernel[a]).map(|k| (k, shift(k))).collect() }]
        });
        Self::new(window.input, window.output(), window.stride, [1; 3], axes, window.kernel, channels, false)
    }

    /// Plan of the gradient with respect to the input, from an output gradient with this many
    /// channels. This is also the transposed convolution.
    pub fn backward(window: &Window, channels: usize) -> Self {
        let axes = std::array::from_fn(|a| {
            let stride = window.stride[a] as isize;
            let phase = |first: usize| {
                let steps = |k: usize| (first + window.padding[a]) as isize - (k * window.dilation[a]) as isize;
                // From the last tap to the first, so that shifts grow.
                let meeting = (0..window.kernel[a]).rev().filter(|&k| steps(k).rem_euclid(stride) == 0);
                AxisPhase { first, taps: meeting.map(|k| (k, steps(k).div_euclid(stride))).collect() }
            };
            (0..window.stride[a].min(window.input[a])).map(phase).collect()
        });
        Self::new(window.output(), window.input, [1; 3], window.stride, axes, window.kernel, channels, true)
    }

    #[expect(clippy::too_many_arguments, reason = "private; the two directions differ in just these")]
    fn new(
        source: Extent,
        target: Extent,
        source_step: Extent,
        target_step: Extent,
        axes: [Vec<AxisPhase>; 3],
        kernel: Extent,
        channels: usize,
        reversed: bool,
    ) -> Self {
        let (mut before, mut padded) = ([0; 3], source);
        for a in 0..3 {
            for phase in &axes[a] {
                let points = target[a].saturating_sub(phase.first).div_ceil(target_step[a]).max(1);
                for &(_, shift) in &phase.taps {
                    before[a] = before[a].max((-shift).max(0) as usize);
                    let last = ((points - 1) * source_step[a]) as isize + shift;
                    padded[a] = padded[a].max((last + 1).max(0) as usize);
                }
            }
            padded[a] += before[a];
        }
        let at = |a: usize, shift: isize| (shift + before[a] as isize) as usize;
        let taps: usize = kernel.iter().product();
        let mut phases = Vec::new();
        let [planes, rows, columns] = &axes;
        let count = planes.len() * rows.len() * columns.len();
        for phase in 0..count {
            let d = &planes[phase / (rows.len() * columns.len())];
            let (h, w) = (&rows[phase / columns.len() % rows.len()], &columns[phase % columns.len()]);
            let mut runs: Vec<TapRun> = Vec::new();
            for &(kd, sd) in &d.taps {
                for &(kh, sh) in &h.taps {
                    for &(kw, sw) in &w.taps {
                        let offset = ((at(0, sd) * padded[1] + at(1, sh)) * padded[2] + at(2, sw)) * channels;
                        let tap = (kd * kernel[1] + kh) * kernel[2] + kw;
                        let row = if reversed { taps - 1 - tap } else { tap } * channels;
                        match runs.last_mut() {
                            Some(run) if run.offset + run.len == offset && run.row + run.len == row => {
                                run.len += channels;
                            }
                            _ => runs.push(TapRun { offset, row, len: channels }),
                        }
                    }
                }
            }
            phases.push(Phase { first: [d.first, h.first, w.first], runs });
        }
        let ends = |phase: &AxisPhase| {
            let shifts = || phase.taps.iter().map(|&(_, shift)| at(0, shift));
            [shifts().min().unwrap_or(0), shifts().max().unwrap_or(0)]
        };
        let reach = axes[0].iter().map(ends).collect();
        Self { source, target, channels, before, padded, source_step, target_step, phases, reversed, reach }
    }

    /// Whether the weights must be packed from the last tap to the first.
    pub fn reversed(&self) -> bool {
        self.reversed
    }

    /// Planes of the padded source that target planes read.
    pub(super) fn planes(&self, target: std::ops::Range<usize>) -> std::ops::Range<usize> {
        let reads = target.map(|t| {
            let [least, greatest] = self.reach[t % self.target_step[0]];
            let start = t / self.target_step[0] * self.source_step[0];
            start + least..start + greatest + 1
        });
        reads.reduce(|a, b| a.start.min(b.start)..a.end.max(b.end)).unwrap_or(0..0)
    }
}
