//! Settings of the layers: spacing of convolutions, groups and activation of normalisations.

use crate::network::conv::Activation;

/// Stride, padding and dilation of a convolution, the same along all axes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spacing {
    /// Step between output points, in input points; the other way round for a transposed
    /// convolution.
    pub stride: usize,
    /// Number of zeros on both sides.
    pub padding: usize,
    /// Step between taps, in input points.
    pub dilation: usize,
}

impl Spacing {
    /// Spacing whose output is as large as the input, for a kernel of this odd number of taps along
    /// each axis.
    pub fn same(taps: usize, dilation: usize) -> Self {
        Self { stride: 1, padding: dilation * (taps - 1) / 2, dilation }
    }
}

/// Settings of a group normalisation and the activation after it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NormSettings {
    /// Number of groups of channels that share mean and variance.
    pub groups: usize,
    /// Constant added to the variance.
    pub epsilon: f32,
    /// Activation after the normalisation.
    pub activation: Activation,
}
