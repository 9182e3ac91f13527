//! Transforms by our own kernels, line by line in shared memory (`kernels/passes.cu`).

use super::arrays::{BoundArrays, Directions, PassArrays};
use super::axis::{AxisPlan, PixelOrder};
use super::device::{GpuDevice, THREADS, blocks};
use super::kernels::{COLUMNS, ROWS};
use super::layout::{ColumnWork, Complex, ObjectWork, Pointer, Projection, RuleNumbers, Source};
use crate::volume::Shape;
use cudarc::driver::{CudaSlice, DriverError};

/// Passes over arrays of one shape.
pub struct Passes {
    shape: Shape,
    plans: [Option<AxisPlan>; 3],
    twiddles: [Option<CudaSlice<[f32; 2]>>; 3],
    /// Lines that a block transforms together: columns along z and y, and rows.
    lines: [usize; 3],
}

/// Shared memory that leaves space for a second block on every GPU since Volta, bytes.
const HALF: usize = 47 << 10;

impl Passes {
    /// The passes for this shape; `None` if an extent has a large prime factor or a line does not
    /// fit in shared memory.
    pub fn new(device: &GpuDevice, shape: Shape) -> Result<Option<Passes>, DriverError> {
        let plans = shape.map(AxisPlan::new);
        let mut lines = [0; 3];
        for axis in 0..3 {
            if shape[axis] == 1 && axis == 0 {
                continue;
            }
            let (Some(_), Some(together)) = (plans[axis], lines_of_block(axis, shape, device.shared as usize)) else {
                return Ok(None);
            };
            lines[axis] = together;
        }
        let mut twiddles = [None, None, None];
        for axis in 0..3 {
            if let Some(plan) = plans[axis] {
                twiddles[axis] = Some(device.stream.clone_htod(&plan.twiddles())?);
            }
        }
        Ok(Some(Passes { shape, plans, twiddles, lines }))
    }

    /// The order of pixels in Fourier space.
    pub fn order(&self) -> PixelOrder {
        PixelOrder::of_passes(self.shape, &self.plans)
    }

    fn twiddles(&self, device: &GpuDevice, axis: usize) -> Pointer<[f32; 2]> {
        self.twiddles[axis].as_ref().map_or(Pointer::NULL, |table| device.at(table))
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
        let [nz, ny, nx] = self.shape;
        if nz > 1 && work.source == Source::Fourier {
            self.columns(device, 1, runs, arrays.values, Directions::Inverse, None)?;
        }
        if let Some(plan) = self.plans[2] {
            let (rows, together) = (runs * nz * ny, self.lines[2]);
            device.launch(
                ROWS,
                blocks(rows.div_ceil(together), 1, shared_bytes(nx, together)),
                (
                    arrays.values,
                    arrays.object,
                    arrays.support,
                    arrays.second,
                    arrays.density,
                    self.twiddles(device, 2),
                    arrays.states,
                    plan,
                    rows as u32,
                    (nz * ny) as u32,
                    together as u32,
                    work,
                    rule,
                ),
            )?;
        }
        if nz > 1 && work.forward != 0 {
            self.columns(device, 1, runs, arrays.values, Directions::Forward, None)?;
        }
        Ok(())
    }

    /// Queues a pass over the transforms of `runs` runs, along the first axis that is longer than
    /// 1.
    pub fn fourier(
        &self,
        device: &GpuDevice,
        runs: usize,
        values: Pointer<Complex>,
        directions: Directions,
        project: Option<(BoundArrays, Projection)>,
    ) -> Result<(), DriverError> {
        self.columns(device, if self.shape[0] > 1 { 0 } else { 1 }, runs, values, directions, project)
    }

    /// A pass along y or z.
    fn columns(
        &self,
        device: &GpuDevice,
        axis: usize,
        runs: usize,
        values: Pointer<Complex>,
        directions: Directions,
        project: Option<(BoundArrays, Projection)>,
    ) -> Result<(), DriverError> {
        let [nz, ny, nx] = self.shape;
        let Some(plan) = self.plans[axis] else { return Ok(()) };
        let (n, inner, slabs) = if axis == 0 { (nz, ny * nx, 1) } else { (ny, nx, nz) };
        let together = self.lines[axis];
        let work = ColumnWork {
            forward: (directions != Directions::Inverse).into(),
            inverse: (directions != Directions::Forward).into(),
            project: project.is_some().into(),
        };
        let none = (
            BoundArrays { entries: Pointer::NULL, table: Pointer::NULL },
            Projection { scale: 1.0, leak: 1.0, released: 0 },
        );
        let (bounds, projection) = project.unwrap_or(none);
        device.launch(
            COLUMNS,
            blocks(inner.div_ceil(together) * slabs * runs, 1, shared_bytes(n, together)),
            (
                values,
                bounds.entries,
                bounds.table,
                self.twiddles(device, axis),
                plan,
                inner as u32,
                slabs as u32,
                together as u32,
                work,
                projection,
            ),
        )
    }
}

/// Shared memory of lines of `n` elements, with a pad after every sixteenth, bytes.
fn shared_bytes(n: usize, lines: usize) -> usize {
    lines * (n + n / 16 + 1) * size_of::<Complex>()
}

/// Lines of an axis that a block transforms together, if they fit in `shared` bytes.
fn lines_of_block(axis: usize, shape: Shape, shared: usize) -> Option<usize> {
    let n = shape[axis];
    let line = shared_bytes(n, 1);
    if axis == 2 {
        // Enough butterflies of sixteen for all threads.
        let lines = (THREADS as usize * 16).div_ceil(n).min(HALF / line).max(1);
        return (lines * line <= shared).then_some(lines);
    }
    // Sixteen neighbours make a cache line; fewer than four waste most of what is read.
    [16, 8]
        .into_iter()
        .find(|lines| lines * line <= 2 * HALF.min(shared / 2))
        .or([8, 4].into_iter().find(|lines| lines * line <= shared))
}
