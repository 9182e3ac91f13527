//! Passes over objects and their transforms: our own, which do the pointwise work on their way, or cuFFT with kernels in between.

use super::card::{Card, THREADS, blocks, launch};
use super::order::{Order, Plan};
use crate::phasing::rules::Rule;
use crate::volume::Shape;
use cudarc::cufft::result as cufft;
use cudarc::cufft::sys as cufft_sys;
use cudarc::driver::{CudaSlice, DevicePtr, DeviceRepr, DriverError};

/// Where the values of a pass in object space come from: `ObjectWork` in `kernels/pixel.cuh`.
#[derive(Debug, Clone, Copy, PartialEq)]
#[repr(i32)]
pub enum From {
    /// From Fourier space.
    Arrive = 0,
    /// The object.
    Load = 1,
    /// The object inside its support.
    Cut = 2,
    /// The first step of the difference map.
    Relax = 3,
}

/// What is done with them.
#[derive(Debug, Clone, Copy, PartialEq)]
#[repr(i32)]
pub enum Then {
    Nothing = 0,
    Apply = 1,
    Store = 2,
    Density = 3,
    Differ = 4,
}

/// The work of a pass in object space.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct ObjectWork {
    pub from: From,
    pub then: Then,
    pub leave: i32,
    pub keep: i32,
    pub fresh: i32,
    pub positivity: i32,
    pub real: i32,
    pub taken: f32,
    pub stored: f32,
    pub beta: f32,
}

impl ObjectWork {
    /// From and then; everything else switched off.
    pub fn new(from: From, then: Then) -> Self {
        ObjectWork {
            from,
            then,
            leave: 0,
            keep: 0,
            fresh: 0,
            positivity: 0,
            real: 0,
            taken: 1.0,
            stored: 1.0,
            beta: 1.0,
        }
    }

    /// And then to Fourier space.
    pub fn leaving(self) -> Self {
        ObjectWork { leave: 1, ..self }
    }
}

/// The numbers of a rule, as `Rule` in `kernels/pixel.cuh`.
#[derive(Debug, Clone, Copy, Default)]
#[repr(C)]
pub struct RuleNumbers {
    inside: [f32; 2],
    outside: [f32; 2],
    weights: [f32; 2],
    threshold: f32,
    decides: i32,
    real: i32,
}

impl RuleNumbers {
    pub fn new(rule: &Rule, real: bool) -> Self {
        let decision = rule.decision;
        RuleNumbers {
            inside: rule.inside,
            outside: rule.outside,
            weights: decision.map_or([0.0; 2], |decision| decision.weights),
            threshold: decision.map_or(0.0, |decision| decision.threshold),
            decides: decision.is_some().into(),
            real: real.into(),
        }
    }
}

/// The modulus projection, as `Projection` in `kernels/pixel.cuh`.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct Projection {
    pub scale: f32,
    pub leak: f32,
    pub released: i32,
}

/// The work of a pass of columns, as in `kernels/passes.cu`.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
struct ColumnWork {
    arrive: i32,
    leave: i32,
    project: i32,
}

// SAFETY: plain numbers in the order in which the kernels declare them; the emulator's launches check their sizes.
unsafe impl DeviceRepr for Plan {}
// SAFETY: as above.
unsafe impl DeviceRepr for ObjectWork {}
// SAFETY: as above.
unsafe impl DeviceRepr for RuleNumbers {}
// SAFETY: as above.
unsafe impl DeviceRepr for Projection {}
// SAFETY: as above.
unsafe impl DeviceRepr for ColumnWork {}

/// The address of an array on the card.
pub type Address = u64;

/// The arrays of a pass in object space; zero where there is none.
#[derive(Debug, Clone, Copy)]
pub struct Arrays {
    pub values: Address,
    pub object: Address,
    pub support: Address,
    pub second: Address,
    pub density: Address,
    pub states: Address,
}

/// What a modulus projection reads.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    pub entries: Address,
    pub table: Address,
}

/// How objects get to Fourier space and back, unscaled.
pub enum Transform {
    /// Passes of our own.
    Passes(Passes),
    /// cuFFT, and passes in between.
    Library(Library),
}

impl Transform {
    /// The order of pixels in Fourier space.
    pub fn order(&self, shape: Shape) -> Order {
        match self {
            Transform::Passes(passes) => Order::of_passes(shape, &passes.plans),
            Transform::Library(_) => Order::natural(shape),
        }
    }

    /// In words.
    pub fn name(&self) -> &'static str {
        match self {
            Transform::Passes(_) => "fused passes",
            Transform::Library(_) => "cuFFT",
        }
    }

    /// A pass over the objects of `runs` runs.
    pub fn object(
        &self,
        card: &Card,
        runs: usize,
        arrays: Arrays,
        what: ObjectWork,
        rule: RuleNumbers,
    ) -> Result<(), DriverError> {
        match self {
            Transform::Passes(passes) => passes.object(card, runs, arrays, what, rule),
            Transform::Library(library) => library.object(card, runs, arrays, what, rule),
        }
    }

    /// A pass over their transforms: to Fourier space, the projection if there is one, and back.
    pub fn fourier(
        &self,
        card: &Card,
        runs: usize,
        values: Address,
        [arrive, leave]: [bool; 2],
        project: Option<(Bounds, Projection)>,
    ) -> Result<(), DriverError> {
        match self {
            Transform::Passes(passes) => passes.fourier(card, runs, values, [arrive, leave], project),
            Transform::Library(library) => library.fourier(card, runs, values, project),
        }
    }
}

/// Passes that transform lines in shared memory.
pub struct Passes {
    shape: Shape,
    plans: [Option<Plan>; 3],
    twiddles: [Option<CudaSlice<f32>>; 3],
    /// Rows of a block, and columns along z and y.
    together: [usize; 3],
}

/// Bytes of shared memory that leave room for a second block on every card since Volta.
const HALF: usize = 47 << 10;

impl Passes {
    /// If all extents have small prime factors and their lines fit in shared memory.
    pub fn new(card: &Card, shape: Shape) -> Result<Option<Passes>, DriverError> {
        let plans = shape.map(Plan::new);
        let mut together = [0; 3];
        for axis in 0..3 {
            if shape[axis] == 1 && axis == 0 {
                continue;
            }
            let (Some(_), Some(lines)) = (plans[axis], lines_together(axis, shape, card.shared as usize)) else {
                return Ok(None);
            };
            together[axis] = lines;
        }
        let mut twiddles = [None, None, None];
        for axis in 0..3 {
            if let Some(plan) = plans[axis] {
                twiddles[axis] = Some(card.stream.clone_htod(plan.twiddles().as_flattened())?);
            }
        }
        Ok(Some(Passes { shape, plans, twiddles, together }))
    }

    fn twiddles(&self, card: &Card, axis: usize) -> Address {
        self.twiddles[axis].as_ref().map_or(0, |table| table.device_ptr(&card.stream).0)
    }

    fn object(
        &self,
        card: &Card,
        runs: usize,
        arrays: Arrays,
        what: ObjectWork,
        rule: RuleNumbers,
    ) -> Result<(), DriverError> {
        let [nz, ny, nx] = self.shape;
        if nz > 1 && what.from == From::Arrive {
            self.columns(card, 1, runs, arrays.values, [false, true], None)?;
        }
        if let Some(plan) = self.plans[2] {
            let (lines, together) = (runs * nz * ny, self.together[2]);
            launch!(
                card,
                "rows",
                blocks(lines.div_ceil(together), 1, together * (nx + nx / 16 + 1) * 8),
                arrays.values,
                arrays.object,
                arrays.support,
                arrays.second,
                arrays.density,
                self.twiddles(card, 2),
                arrays.states,
                plan,
                lines as u32,
                (nz * ny) as u32,
                together as u32,
                what,
                rule
            )?;
        }
        if nz > 1 && what.leave != 0 {
            self.columns(card, 1, runs, arrays.values, [true, false], None)?;
        }
        Ok(())
    }

    fn fourier(
        &self,
        card: &Card,
        runs: usize,
        values: Address,
        ends: [bool; 2],
        project: Option<(Bounds, Projection)>,
    ) -> Result<(), DriverError> {
        self.columns(card, if self.shape[0] > 1 { 0 } else { 1 }, runs, values, ends, project)
    }

    /// A pass along y or z.
    fn columns(
        &self,
        card: &Card,
        axis: usize,
        runs: usize,
        values: Address,
        [arrive, leave]: [bool; 2],
        project: Option<(Bounds, Projection)>,
    ) -> Result<(), DriverError> {
        let [nz, ny, nx] = self.shape;
        let Some(plan) = self.plans[axis] else { return Ok(()) };
        let (n, inner, slabs) = if axis == 0 { (nz, ny * nx, 1) } else { (ny, nx, nz) };
        let together = self.together[axis];
        let what = ColumnWork { arrive: arrive.into(), leave: leave.into(), project: project.is_some().into() };
        let none = (Bounds { entries: 0, table: 0 }, Projection { scale: 1.0, leak: 1.0, released: 0 });
        let (bounds, projection) = project.unwrap_or(none);
        launch!(
            card,
            "columns",
            blocks(inner.div_ceil(together) * slabs * runs, 1, together * (n + n / 16 + 1) * 8),
            values,
            bounds.entries,
            bounds.table,
            self.twiddles(card, axis),
            plan,
            inner as u32,
            slabs as u32,
            together as u32,
            what,
            projection
        )
    }
}

/// Lines of an axis that a block transforms together.
fn lines_together(axis: usize, shape: Shape, shared: usize) -> Option<usize> {
    let n = shape[axis];
    let line = (n + n / 16 + 1) * 8;
    if axis == 2 {
        // Enough butterflies of sixteen for all threads.
        let wanted = (THREADS as usize * 16).div_ceil(n).min(HALF / line).max(1);
        return (wanted * line <= shared).then_some(wanted);
    }
    // Sixteen neighbours make a cache line; fewer than four waste most of what is read.
    [16, 8]
        .into_iter()
        .find(|lines| lines * line <= 2 * HALF.min(shared / 2))
        .or([8, 4].into_iter().find(|lines| lines * line <= shared))
}

/// Directions as cuFFT counts them.
const FORWARD: i32 = -1;
const INVERSE: i32 = 1;

/// cuFFT with one plan, in place.
pub struct Library {
    shape: Shape,
    plan: cufft_sys::cufftHandle,
    /// Its work area.
    _room: CudaSlice<u8>,
}

impl Library {
    /// Plans the transforms of `runs` arrays. [`None`] where cuFFT does not want to.
    pub fn new(card: &Card, shape: Shape, runs: usize) -> Result<Option<Library>, DriverError> {
        let Ok(plan) = cufft::create() else { return Ok(None) };
        let mut library = Library { shape, plan, _room: card.stream.alloc_zeros(1)? };
        let mut extents: Vec<i32> = shape.iter().skip_while(|&&n| n == 1).map(|&n| n as i32).collect();
        let n: usize = shape.iter().product();
        let null = std::ptr::null_mut();
        let c2c = cufft_sys::cufftType::CUFFT_C2C;
        // SAFETY: the handle is live; the extents outlive the call; null embeddings stand for whole arrays one after another.
        let room = unsafe {
            cufft_sys::cufftSetAutoAllocation(plan, 0).result().and_then(|()| {
                let rank = extents.len() as i32;
                cufft::make_plan_many(
                    plan,
                    rank,
                    extents.as_mut_ptr(),
                    null,
                    1,
                    n as i32,
                    null,
                    1,
                    n as i32,
                    c2c,
                    runs as i32,
                )
            })
        };
        let Ok(room) = room else { return Ok(None) };
        library._room = card.stream.alloc_zeros(room.max(1))?;
        let address = library._room.device_ptr(&card.stream).0;
        // SAFETY: the work area has the size that was asked for and lives as long as the plan; the queue is the card's.
        let ready = unsafe {
            cufft::set_work_area(plan, address as *mut _)
                .and_then(|()| cufft::set_stream(plan, card.stream.cu_stream() as cufft_sys::cudaStream_t))
        };
        Ok(ready.is_ok().then_some(library))
    }

    /// There and back.
    pub fn bare(&self, values: Address) -> Result<(), DriverError> {
        self.transform(values, FORWARD)?;
        self.transform(values, INVERSE)
    }

    fn transform(&self, values: Address, direction: i32) -> Result<(), DriverError> {
        // SAFETY: `values` holds the arrays that were planned.
        let done = unsafe { cufft::exec_c2c(self.plan, values as *mut _, values as *mut _, direction) };
        done.map_err(|_| DriverError(cudarc::driver::sys::CUresult::CUDA_ERROR_LAUNCH_FAILED))
    }

    fn object(
        &self,
        card: &Card,
        runs: usize,
        arrays: Arrays,
        what: ObjectWork,
        rule: RuleNumbers,
    ) -> Result<(), DriverError> {
        if what.from == From::Arrive {
            self.transform(arrays.values, INVERSE)?;
        }
        let n: usize = self.shape.iter().product();
        launch!(
            card,
            "object_points",
            pieces(n, runs),
            arrays.values,
            arrays.object,
            arrays.support,
            arrays.second,
            arrays.density,
            arrays.states,
            n as u32,
            what,
            rule
        )?;
        if what.leave != 0 { self.transform(arrays.values, FORWARD) } else { Ok(()) }
    }

    fn fourier(
        &self,
        card: &Card,
        runs: usize,
        values: Address,
        project: Option<(Bounds, Projection)>,
    ) -> Result<(), DriverError> {
        let Some((bounds, projection)) = project else { return Ok(()) };
        let n: usize = self.shape.iter().product();
        const PROJECT: i32 = 1;
        launch!(
            card,
            "fourier_points",
            pieces(n, runs),
            values,
            bounds.entries,
            bounds.table,
            0u64,
            n as u32,
            PROJECT,
            projection
        )
    }
}

impl Drop for Library {
    fn drop(&mut self) {
        // SAFETY: the handle is live and used by nobody else. Nothing can be done about a failure.
        let _ = unsafe { cufft::destroy(self.plan) };
    }
}

/// Blocks that go over the pixels of every run: as many for any card, because each of them leaves one partial sum.
pub fn pieces(pixels: usize, runs: usize) -> cudarc::driver::LaunchConfig {
    blocks(rows_of_sums(pixels), runs, 0)
}

/// Partial sums of a run.
pub fn rows_of_sums(pixels: usize) -> usize {
    pixels.div_ceil(THREADS as usize).min(1024)
}
