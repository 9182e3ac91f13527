//! The backend for NVIDIA GPUs. Everything stays on the GPU and is queued; only the sums of a fit
//! come back, when they are collected. The kernels are in `kernels/`; what they compute is what
//! [`super::cpu`] computes.

mod arrays;
mod axis;
mod cufft;
mod cycles;
mod device;
mod engine;
mod fit;
mod gradient;
mod kernels;
mod layout;
mod passes;
mod psf;
mod support;
mod transform;

use super::backend::{Backend, Finished, Fit, GapConstraint, Start, View};
use super::memory::{Needs, gpu};
use super::problem::Problem;
use super::recipe::Recipe;
use super::rules::Cycle;
use super::support::{Cut, SupportRule};
use crate::error::{Error, Result, bytes_text};
use cudarc::driver::DriverError;
use cufft::CuFft;
use cycles::CycleGraphs;
use device::{GpuDevice, failed};
use engine::Engine;
use fit::FitRequests;
use gradient::ConjugateGradients;
use passes::Passes;
use std::sync::Arc;
use support::SupportUpdater;
use transform::Transform;

pub use device::{GpuInfo, Unusable, driver_version, gpus, has_cufft};

/// Runs of one problem on one GPU.
pub struct Cuda {
    problem: Arc<Problem>,
    engine: Engine,
    cycles: CycleGraphs,
    supports: SupportUpdater,
    fits: FitRequests,
    gradients: Option<ConjugateGradients>,
    /// Whether the densities are those of the objects as they are.
    density_is_current: bool,
    failure: Option<Failure>,
}

/// Why nothing more is queued.
enum Failure {
    /// The driver failed.
    Driver(DriverError),
    /// This step needs arrays that were not asked for when the backend was made.
    NoArrays(&'static str),
}

impl From<DriverError> for Failure {
    fn from(error: DriverError) -> Self {
        Failure::Driver(error)
    }
}

impl Cuda {
    /// Opens a backend for this problem on the GPU with this number, for as many of `count` runs at
    /// a time as its memory holds. `recipe` says which arrays will be needed. `fused` says whether
    /// passes of our own may be used instead of cuFFT; where they cannot be, cuFFT is, and the
    /// other way round.
    ///
    /// # Errors
    /// Why the GPU cannot be used, with what would fit if it is too small.
    pub fn new(
        problem: Arc<Problem>,
        recipe: &Recipe,
        ordinal: usize,
        count: usize,
        fused: bool,
    ) -> Result<Cuda, Unusable> {
        let device = GpuDevice::open(ordinal)?;
        let (shape, n) = (problem.shape(), problem.len());
        if n as u64 >= u64::from(u32::MAX) {
            return Err("the array has more than 2^32 pixels: rebin or crop it".into());
        }
        let mut needs = Needs::of(recipe);
        needs.psf &= problem.psf.is_some();
        let passes = if fused { Passes::new(&device, shape)? } else { None };
        // cuFFT works on a copy of the arrays at most.
        let each = gpu::bytes_of_run(needs) + if passes.is_some() { 0 } else { 8 };
        let batch_size = gpu::batch_size(ordinal, device.free, n, each, count)?;
        let transform = match passes {
            Some(passes) => Transform::Passes(passes),
            None if !has_cufft() => {
                let why = "cuFFT (libcufft) was not found, and the extents have prime factors above 13 or are too \
                           long for the kernels";
                return Err(why.into());
            }
            None => match CuFft::new(&device, shape, batch_size)? {
                Some(cufft) => Transform::CuFft(cufft),
                None => return Err(format!("cuFFT has no memory for {batch_size} transforms").into()),
            },
        };
        let engine = Engine::new(device, transform, &problem, batch_size, needs)?;
        Ok(Cuda {
            cycles: CycleGraphs::default(),
            supports: SupportUpdater::new(&engine)?,
            fits: FitRequests::new(&engine)?,
            gradients: if needs.gradients { Some(ConjugateGradients::new(&engine)?) } else { None },
            density_is_current: false,
            failure: None,
            problem,
            engine,
        })
    }

    /// The way in which transforms are done: `fused passes` or `cuFFT`.
    pub fn transforms(&self) -> &'static str {
        self.engine.transform.name()
    }

    /// Waits until everything that was queued is done.
    ///
    /// # Errors
    /// If the GPU failed.
    pub fn wait(&self) -> Result<()> {
        self.check()?;
        self.engine.device.stream.synchronize().map_err(|error| failed(&error))
    }

    /// Queues `times` forward and inverse transforms alone, for benchmarks. Nothing without cuFFT.
    pub fn bare_transforms(&mut self, times: usize) {
        self.queue(|this| {
            if let Transform::CuFft(cufft) = &this.engine.transform {
                let values = this.engine.arrays().values;
                (0..times).try_for_each(|_| cufft.round_trip(values))?;
            }
            Ok(())
        });
    }

    /// Queues `times` copies of the objects to another array of their size, for benchmarks, and
    /// returns the bytes that each reads and writes.
    pub fn copies(&mut self, times: usize) -> u64 {
        self.queue(|this| {
            let stream = this.engine.device.stream.clone();
            let runs = &mut this.engine.runs;
            (0..times).try_for_each(|_| stream.memcpy_dtod(&runs.object, &mut runs.values))?;
            Ok(())
        });
        2 * self.engine.runs.object.num_bytes() as u64
    }

    /// Returns the bytes of the GPU's memory that were taken since this backend was made, by it and
    /// whatever else uses the GPU; for benchmarks.
    ///
    /// # Errors
    /// If the GPU failed.
    pub fn taken(&self) -> Result<u64> {
        self.engine.device.taken().map_err(|error| failed(&error))
    }

    /// Bytes of the GPU's memory that this backend's arrays take.
    fn bytes(&self) -> u64 {
        let runs = &self.engine.runs;
        let needs = Needs {
            difference_map: runs.second.is_some(),
            gradients: self.gradients.is_some(),
            psf: self.engine.psf.is_some(),
        };
        self.problem.len() as u64 * (gpu::SHARED + gpu::bytes_of_run(needs) * runs.batch_size as u64)
    }

    /// Queues something, unless something failed before.
    fn queue(&mut self, work: impl FnOnce(&mut Self) -> Result<(), Failure>) {
        if self.failure.is_none() {
            self.failure = work(self).err();
        }
    }

    fn check(&self) -> Result<()> {
        match &self.failure {
            None => Ok(()),
            Some(Failure::Driver(error)) => Err(failed(error)),
            Some(Failure::NoArrays(step)) => Err(Error::setting(
                "algorithm",
                step,
                "has no arrays on the GPU: they are made only if the recipe that it is opened with has this step",
            )),
        }
    }
}

impl Backend for Cuda {
    fn batch_size(&self) -> usize {
        self.engine.runs.batch_size
    }

    fn start(&mut self, starts: &[Start]) {
        self.engine.runs.active = starts.len();
        self.engine.gaps = GapConstraint::default();
        self.fits.clear();
        self.density_is_current = false;
        self.queue(|this| Ok(this.engine.begin(starts)?));
    }

    fn cycles(&mut self, cycle: Cycle, n: usize) {
        if n == 0 {
            return;
        }
        self.density_is_current = false;
        self.queue(|this| {
            if matches!(cycle, Cycle::DifferenceMap { .. }) && this.engine.runs.second.is_none() {
                return Err(Failure::NoArrays("DM"));
            }
            Ok(this.cycles.queue(&this.engine, cycle, n)?)
        });
    }

    fn conjugate_gradients(&mut self, n: usize) {
        self.density_is_current = false;
        self.queue(|this| {
            let gradients = this.gradients.as_ref().ok_or(Failure::NoArrays("ML"))?;
            Ok(gradients.descend(&this.engine, n)?)
        });
    }

    fn update_supports(&mut self, rule: &SupportRule, cuts: &[Cut]) {
        assert_eq!(cuts.len(), self.engine.runs.active, "one cut for each run");
        self.density_is_current = false;
        self.queue(|this| Ok(this.supports.update(&this.engine, rule, cuts)?));
    }

    fn halve_supports(&mut self) {
        self.queue(|this| Ok(this.supports.halve(&this.engine)?));
    }

    fn restore_supports(&mut self) {
        self.queue(|this| Ok(this.supports.restore(&mut this.engine)?));
    }

    fn set_gap_constraint(&mut self, gaps: GapConstraint) {
        self.density_is_current = false;
        self.engine.gaps = gaps;
    }

    fn set_psf(&mut self, on: bool) {
        self.density_is_current = false;
        self.queue(|this| match &mut this.engine.psf {
            Some(psf) => {
                psf.on = on;
                Ok(())
            }
            None if on && this.problem.psf.is_some() => Err(Failure::NoArrays("psf")),
            None => Ok(()),
        });
    }

    fn update_psf(&mut self) {
        self.density_is_current = false;
        self.queue(|this| Ok(this.engine.refine_psf()?));
    }

    fn request_fit(&mut self) {
        self.queue(|this| Ok(this.fits.request(&this.engine)?));
    }

    fn collect_fits(&mut self) -> Result<Vec<Option<Fit>>> {
        self.check()?;
        self.fits.collect(&self.engine).map_err(|error| failed(&error))
    }

    fn finish(&mut self, run: usize) -> Result<Finished> {
        self.check()?;
        if !self.density_is_current {
            self.engine.find_density(false).map_err(|error| failed(&error))?;
            self.density_is_current = true;
        }
        self.engine.finished(run).map_err(|error| failed(&error))
    }

    /// Nothing: a copy from the device would wait for all that is queued.
    fn view(&mut self, _run: usize) -> Option<View> {
        None
    }

    fn problem(&self) -> &Problem {
        &self.problem
    }
}

/// One line for people.
impl std::fmt::Display for Cuda {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let runs = match self.batch_size() {
            1 => "one run".into(),
            n => format!("{n} runs"),
        };
        let (ordinal, transforms) = (self.engine.device.ordinal, self.transforms());
        write!(f, "GPU {ordinal}: {runs} at a time by {transforms}, {} of its memory", bytes_text(self.bytes()))
    }
}
