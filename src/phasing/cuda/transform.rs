//! Transforms on a GPU: passes of our own, which do the pointwise work on their way, or cuFFT with
//! kernels in between.

use super::arrays::{BoundArrays, Directions, PassArrays};
use super::axis::PixelOrder;
use super::cufft::CuFft;
use super::device::GpuDevice;
use super::layout::{Complex, ObjectWork, Pointer, Projection, RuleNumbers};
use super::passes::Passes;
use crate::volume::Shape;
use cudarc::driver::DriverError;

/// How objects get to Fourier space and back, unscaled.
pub enum Transform {
    /// Passes of our own.
    Passes(Passes),
    /// cuFFT, and passes in between.
    CuFft(CuFft),
}

impl Transform {
    /// The order of pixels in Fourier space.
    pub fn order(&self, shape: Shape) -> PixelOrder {
        match self {
            Transform::Passes(passes) => passes.order(),
            Transform::CuFft(_) => PixelOrder::natural(shape),
        }
    }

    /// The name for people.
    pub fn name(&self) -> &'static str {
        match self {
            Transform::Passes(_) => "fused passes",
            Transform::CuFft(_) => "cuFFT",
        }
    }

    /// Queues a pass over the objects of `runs` runs.
    pub fn object(
        &self,
        device: &GpuDevice,
        runs: usize,
        arrays: PassArrays,
        work: ObjectWork,
        rule: RuleNumbers,
    ) -> Result<(), DriverError> {
        match self {
            Transform::Passes(passes) => passes.object(device, runs, arrays, work, rule),
            Transform::CuFft(cufft) => cufft.object(device, runs, arrays, work, rule),
        }
    }

    /// Queues a pass over their transforms, with a modulus projection if `project` is given.
    pub fn fourier(
        &self,
        device: &GpuDevice,
        runs: usize,
        values: Pointer<Complex>,
        directions: Directions,
        project: Option<(BoundArrays, Projection)>,
    ) -> Result<(), DriverError> {
        match self {
            Transform::Passes(passes) => passes.fourier(device, runs, values, directions, project),
            // Its transforms belong to the passes in object space.
            Transform::CuFft(cufft) => cufft.fourier(device, runs, values, project),
        }
    }
}
