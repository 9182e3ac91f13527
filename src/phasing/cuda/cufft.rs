//! Transforms by cuFFT, for extents that the passes cannot transform, with the pointwise work in
//! kernels of its own (`kernels/points.cu`).

use super::arrays::{BoundArrays, PassArrays};
use super::device::{GpuDevice, pixel_blocks};
use super::kernels::{FOURIER_POINTS, OBJECT_POINTS};
use super::layout::{Complex, FourierWork, ObjectWork, Pointer, Projection, RuleNumbers, Source};
use crate::volume::Shape;
use cudarc::cufft::{result as cufft, sys};
use cudarc::driver::{CudaSlice, DriverError};

/// Directions as cuFFT counts them.
const FORWARD: i32 = -1;
const INVERSE: i32 = 1;

/// cuFFT with one plan, in place.
pub struct CuFft {
    shape: Shape,
    plan: sys::cufftHandle,
    /// The work area of the plan, which must live as long.
    _work_area: CudaSlice<u8>,
}

impl CuFft {
    /// Plans the transforms of `runs` arrays; `None` where cuFFT refuses.
    pub fn new(device: &GpuDevice, shape: Shape, runs: usize) -> Result<Option<CuFft>, DriverError> {
        let Ok(plan) = cufft::create() else { return Ok(None) };
        // From here on dropping it destroys the plan.
        let mut library = CuFft { shape, plan, _work_area: device.stream.alloc_zeros(1)? };
        let mut extents: Vec<i32> = shape.iter().skip_while(|&&n| n == 1).map(|&n| n as i32).collect();
        let (rank, n) = (extents.len() as i32, shape.iter().product::<usize>() as i32);
        let null = std::ptr::null_mut();
        let kind = sys::cufftType::CUFFT_C2C;
        // SAFETY: the handle is live; the extents outlive the call; null embeddings stand for whole
        // arrays one after another.
        let bytes = unsafe {
            sys::cufftSetAutoAllocation(plan, 0).result().and_then(|()| {
                let extents = extents.as_mut_ptr();
                cufft::make_plan_many(plan, rank, extents, null, 1, n, null, 1, n, kind, runs as i32)
            })
        };
        let Ok(bytes) = bytes else { return Ok(None) };
        library._work_area = device.stream.alloc_zeros(bytes.max(1))?;
        let address = device.at(&library._work_area).address();
        // SAFETY: the work area has the size that was asked for and lives as long as the plan; the
        // queue is the device's.
        let ready = unsafe {
            cufft::set_work_area(plan, address as *mut _)
                .and_then(|()| cufft::set_stream(plan, device.stream.cu_stream() as sys::cudaStream_t))
        };
        Ok(ready.is_ok().then_some(library))
    }

    /// Queues a forward and an inverse transform.
    pub fn round_trip(&self, values: Pointer<Complex>) -> Result<(), DriverError> {
        self.transform(values, FORWARD)?;
        self.transform(values, INVERSE)
    }

    fn transform(&self, values: Pointer<Complex>, direction: i32) -> Result<(), DriverError> {
        let address = values.address();
        // SAFETY: `values` holds the arrays that were planned.
        let done = unsafe { cufft::exec_c2c(self.plan, address as *mut _, address as *mut _, direction) };
        done.map_err(|_| DriverError(cudarc::driver::sys::CUresult::CUDA_ERROR_LAUNCH_FAILED))
    }

    /// Queues a pass over the objects of `runs` runs, with the transforms before and after it.
    pub fn object(
        &self,
        device: &GpuDevice,
        runs: usize,
        arrays: PassArrays,
        work: ObjectWork,
        rule: RuleNumbers,
    ) -> Result<(), DriverError> {
        if work.source == Source::Fourier {
            self.transform(arrays.values, INVERSE)?;
        }
        let n: usize = self.shape.iter().product();
        let PassArrays { values, object, support, second, density, states } = arrays;
        device.launch(
            OBJECT_POINTS,
            pixel_blocks(n, runs),
            (values, object, support, second, density, states, n as u32, work, rule),
        )?;
        if work.forward != 0 { self.transform(values, FORWARD) } else { Ok(()) }
    }

    /// Queues the modulus projection of the transforms of `runs` runs, if there is one.
    pub fn fourier(
        &self,
        device: &GpuDevice,
        runs: usize,
        values: Pointer<Complex>,
        project: Option<(BoundArrays, Projection)>,
    ) -> Result<(), DriverError> {
        let Some((bounds, projection)) = project else { return Ok(()) };
        let n: usize = self.shape.iter().product();
        device.launch(
            FOURIER_POINTS,
            pixel_blocks(n, runs),
            (
                values,
                Pointer::NULL,
                bounds.entries,
                bounds.table,
                Pointer::NULL,
                n as u32,
                FourierWork::Project,
                projection,
            ),
        )
    }
}

impl Drop for CuFft {
    fn drop(&mut self) {
        // SAFETY: the handle is live and used by nobody else. Nothing can be done about a failure.
        let _ = unsafe { cufft::destroy(self.plan) };
    }
}
