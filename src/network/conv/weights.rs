//! Weights in the order in which the kernels read them.

use super::isa::Isa;

/// Largest number of registers of target channels that are computed at once.
const MAX_VECTORS: usize = 3;

/// The blocks of target channels: the number of registers in a block and of blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Blocks {
    pub(super) vectors: usize,
    pub(super) count: usize,
}

impl Blocks {
    /// Blocks of one size, with as few idle registers as possible, and then as few blocks.
    pub(super) fn of(lanes_needed: usize, isa: Isa) -> Self {
        let needed = lanes_needed.div_ceil(isa.lanes()).max(1);
        let sizes = if needed == 1 { 1..=1 } else { 2..=MAX_VECTORS };
        let vectors = sizes.rev().min_by_key(|&size| needed.next_multiple_of(size)).unwrap_or(1);
        Self { vectors, count: needed.div_ceil(vectors) }
    }

    /// Lanes in a block, padding included.
    pub(super) fn width(self, isa: Isa) -> usize {
        self.vectors * isa.lanes()
    }
}

/// Source channels that share a register where the target channels alone would leave half of it
/// idle. Registers are filled with two or four values again and again, or with one value per lane.
pub(super) fn group_of(source: usize, target: usize, isa: Isa) -> usize {
    [isa.lanes(), 4, 2].into_iter().find(|g| target * g <= isa.lanes() && source.is_multiple_of(*g)).unwrap_or(1)
}

/// The channel axis of a weight that is summed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SummedAxis {
    /// The second one: weights are `[target, source, taps]`, as in a convolution.
    Second,
    /// The first one: weights are `[source, target, taps]`, as in a transposed convolution, or in
    /// the gradient of a convolution with respect to its input.
    First,
}

/// Weights packed as
/// `[block][tap][group of source channels][target channel of the block][channel of the group]`,
/// zero in the padding.
#[derive(Debug, Clone)]
pub struct PackedWeights {
    pub(super) isa: Isa,
    pub(super) blocks: Blocks,
    pub(super) group: usize,
    pub(super) source: usize,
    pub(super) target: usize,
    pub(super) taps: usize,
    pub(super) reversed: bool,
    pub(super) values: Vec<f32>,
}

impl PackedWeights {
    /// Packs contiguous weights `[first, second, taps]`, on request from the last tap to the first.
    ///
    /// # Panics
    /// If the number of weights is not that of their shape.
    pub fn new(isa: Isa, weights: &[f32], [first, second, taps]: [usize; 3], sum: SummedAxis, reversed: bool) -> Self {
        assert_eq!(weights.len(), first * second * taps, "weights and their shape disagree");
        let (source, target, source_step, target_step) = match sum {
            SummedAxis::Second => (second, first, taps, second * taps),
            SummedAxis::First => (first, second, second * taps, taps),
        };
        let group = group_of(source, target, isa);
        let blocks = Blocks::of(target * group, isa);
        let width = blocks.width(isa);
        let (groups, targets) = (source / group, width / group);
        let mut values = vec![0.0; blocks.count * taps * groups * width];
        // The taps of a pair of channels lie side by side: each is read once, in the order of the
        // weights.
        let tap_step = groups * width;
        let of_block = |(block, out): (usize, &mut [f32])| {
            for (lane, t) in (block * targets..target.min((block + 1) * targets)).enumerate() {
                for s in 0..source {
                    let from = s * source_step + t * target_step;
                    let to = s / group * width + lane * group + s % group;
                    let out = out[to..].iter_mut().step_by(tap_step);
                    let pair = weights[from..from + taps].iter();
                    if reversed {
                        out.zip(pair.rev()).for_each(|(out, value)| *out = *value);
                    } else {
                        out.zip(pair).for_each(|(out, value)| *out = *value);
                    }
                }
            }
        };
        values.chunks_exact_mut(taps * tap_step).enumerate().for_each(of_block);
        Self { isa, blocks, group, source, target, taps, reversed, values }
    }

    /// Target channels in a block.
    pub(super) fn targets(&self) -> usize {
        self.blocks.width(self.isa) / self.group
    }
}
