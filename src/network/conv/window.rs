//! The geometry of a convolution in two or three dimensions.

/// Extent along planes, rows and columns; of two-dimensional data the rows are planes of one row
/// each.
pub type Extent = [usize; 3];

/// A convolution's window over its input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Window {
    /// Extent of the input.
    pub input: Extent,
    /// Number of taps along each axis.
    pub kernel: Extent,
    /// Step between output points, in input points.
    pub stride: Extent,
    /// Step between taps, in input points.
    pub dilation: Extent,
    /// Zeros added on both sides of the input.
    pub padding: Extent,
}

impl Window {
    /// Extent of the output; 0 along axes on which the window does not fit.
    pub fn output(&self) -> Extent {
        std::array::from_fn(|a| {
            let reach = self.dilation[a] * (self.kernel[a] - 1) + 1;
            (self.input[a] + 2 * self.padding[a]).checked_sub(reach).map_or(0, |free| free / self.stride[a] + 1)
        })
    }

    /// Number of taps of the kernel.
    pub fn taps(&self) -> usize {
        self.kernel.iter().product()
    }
}
