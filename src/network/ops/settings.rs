//! Settings of the layers: how convolutions step, and what normalisations do.

use crate::network::conv::Activation;

/// Steps of a convolution, the same along all axes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spacing {
    /// Step between output points (of a transposed convolution, input points).
    pub stride: usize,
    /// Zeros on both sides.
    pub padding: usize,
    /// Step between taps.
    pub dilation: usize,
}

impl Spacing {
    /// Output as large as the input, for a kernel of this many taps along each axis, an odd number.
    pub fn same(taps: usize, dilation: usize) -> Self {
        Self { stride: 1, padding: dilation * (taps - 1) / 2, dilation }
    }
}

/// Group normalisation with what follows it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NormSettings {
    /// Groups of channels that share mean and variance.
    pub groups: usize,
    /// Added to the variance.
    pub epsilon: f32,
    /// What follows.
    pub activation: Activation,
}
