//! What all work on a GPU shares: the device, the transforms, the problem's data and the arrays of
//! the runs.

use super::arrays::{BoundArrays, Directions, PassArrays};
use super::axis::PixelOrder;
use super::device::{GpuDevice, blocks, partial_sums, pixel_blocks};
use super::kernels::{ADD_UP, FOURIER_POINTS};
use super::layout::{
    Complex, FourierWork, Intensities, ObjectWork, Output, Pointer, Projection, RuleNumbers, RunState, Source,
};
use super::psf::GpuPsf;
use super::transform::Transform;
use crate::phasing::backend::{Finished, GapConstraint, Start};
use crate::phasing::bound::Bound;
use crate::phasing::memory::Needs;
use crate::phasing::problem::Problem;
use crate::volume::{Cornered, Shape};
use cudarc::driver::{CudaSlice, DriverError};
use ndarray::Array3;
use num_complex::Complex32;

/// Most sums that a block of a reduction leaves.
pub const MOST_SUMS: usize = 9;

/// The problem, as kernels read it: in the order of pixels that the transforms leave.
pub struct ProblemData {
    pub shape: Shape,
    pub photons: f64,
    pub real: bool,
    /// Number of pixels that were held out.
    pub held_out: usize,
    entries: CudaSlice<u32>,
    table: CudaSlice<[f32; 2]>,
    held_out_places: CudaSlice<u32>,
    held_out_intensities: CudaSlice<f32>,
}

impl ProblemData {
    fn new(device: &GpuDevice, order: &PixelOrder, problem: &Problem) -> Result<ProblemData, DriverError> {
        let mut entries = vec![0u32; problem.len()];
        let mut table: Vec<[f32; 2]> = Vec::new();
        for index in 0..problem.len() {
            let bound = problem.bounds.at(index);
            entries[order.place(index)] = match bound.place() {
                Some(_) => {
                    table.push(problem.bounds.interval(bound));
                    Bound::SIGN | (table.len() - 1) as u32
                }
                None if bound.is_measured() => bound.modulus().to_bits(),
                None => u32::MAX,
            };
        }
        let mut places: Vec<u32> = problem.held_out.iter().map(|&(index, _)| order.place(index) as u32).collect();
        let mut intensities: Vec<f32> = problem.held_out.iter().map(|&(_, intensity)| intensity).collect();
        // No array on a GPU may be empty.
        table.push([0.0; 2]);
        if places.is_empty() {
            (places, intensities) = (vec![0], vec![0.0]);
        }
        Ok(ProblemData {
            shape: problem.shape(),
            photons: problem.photons,
            real: problem.real,
            held_out: problem.held_out.len(),
            entries: device.stream.clone_htod(&entries)?,
            table: device.stream.clone_htod(&table)?,
            held_out_places: device.stream.clone_htod(&places)?,
            held_out_intensities: device.stream.clone_htod(&intensities)?,
        })
    }

    /// Number of pixels.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }
}

/// The arrays of a batch of runs, those of one run after those of another.
pub struct RunArrays {
    /// Runs that the arrays hold.
    pub batch_size: usize,
    /// Runs of the current batch.
    pub active: usize,
    pub object: CudaSlice<Complex>,
    /// The object's transform, the modulus projection, or scratch.
    pub values: CudaSlice<Complex>,
    pub support: CudaSlice<u8>,
    pub density: CudaSlice<f32>,
    pub states: CudaSlice<RunState>,
    /// The second modulus projection of the difference map, where a recipe has that.
    pub second: Option<CudaSlice<Complex>>,
    /// Partial sums of blocks.
    sums: CudaSlice<f64>,
    /// Their totals.
    pub totals: CudaSlice<f64>,
}

impl RunArrays {
    fn new(device: &GpuDevice, n: usize, batch_size: usize, difference_map: bool) -> Result<RunArrays, DriverError> {
        let stream = &device.stream;
        let all = n * batch_size;
        Ok(RunArrays {
            batch_size,
            active: 0,
            object: stream.alloc_zeros(all)?,
            values: stream.alloc_zeros(all)?,
            support: stream.alloc_zeros(all)?,
            density: stream.alloc_zeros(all)?,
            states: stream.alloc_zeros(batch_size)?,
            second: if difference_map { Some(stream.alloc_zeros(all)?) } else { None },
            sums: stream.alloc_zeros(partial_sums(n) * batch_size * MOST_SUMS)?,
            totals: stream.alloc_zeros(batch_size * MOST_SUMS)?,
        })
    }
}

/// The device with the problem and the runs on it.
pub struct Engine {
    pub device: GpuDevice,
    pub transform: Transform,
    pub data: ProblemData,
    pub runs: RunArrays,
    pub gaps: GapConstraint,
    /// Blur of the intensities, where problem and recipe have one.
    pub psf: Option<GpuPsf>,
}

impl Engine {
    /// Arrays for `batch_size` runs of a problem, as a recipe needs them.
    pub fn new(
        device: GpuDevice,
        transform: Transform,
        problem: &Problem,
        batch_size: usize,
        needs: Needs,
    ) -> Result<Engine, DriverError> {
        let order = transform.order(problem.shape());
        let data = ProblemData::new(&device, &order, problem)?;
        let runs = RunArrays::new(&device, problem.len(), batch_size, needs.difference_map)?;
        let psf = if needs.psf { GpuPsf::new(&device, problem, &order, batch_size, needs.gradients)? } else { None };
        Ok(Engine { device, transform, data, runs, gaps: GapConstraint::default(), psf })
    }

    /// The address of an array.
    pub fn at<T>(&self, array: &CudaSlice<T>) -> Pointer<T> {
        self.device.at(array)
    }

    /// The arrays of passes over the runs' objects.
    pub fn arrays(&self) -> PassArrays {
        PassArrays {
            values: self.at(&self.runs.values),
            object: self.at(&self.runs.object),
            support: self.at(&self.runs.support),
            second: self.runs.second.as_ref().map_or(Pointer::NULL, |second| self.at(second)),
            density: self.at(&self.runs.density),
            states: self.at(&self.runs.states),
        }
    }

    /// The array of partial sums.
    pub fn sums(&self) -> Pointer<f64> {
        self.at(&self.runs.sums)
    }

    /// The array of their totals.
    pub fn totals(&self) -> Pointer<f64> {
        self.at(&self.runs.totals)
    }

    /// The bounds of pixels.
    pub fn bounds(&self) -> BoundArrays {
        BoundArrays { entries: self.at(&self.data.entries), table: self.at(&self.data.table) }
    }

    /// Places and intensities of the held-out pixels.
    pub fn held_out(&self) -> (Pointer<u32>, Pointer<f32>) {
        (self.at(&self.data.held_out_places), self.at(&self.data.held_out_intensities))
    }

    /// The factor that makes a transform unitary.
    pub fn scale(&self) -> f32 {
        (1.0 / (self.data.len() as f64).sqrt()) as f32
    }

    /// The modulus projection.
    pub fn projection(&self) -> Projection {
        Projection { scale: self.scale(), leak: self.gaps.leak, released: self.gaps.released.into() }
    }

    /// Queues a pass over the objects.
    pub fn pass(&self, arrays: PassArrays, work: ObjectWork, rule: RuleNumbers) -> Result<(), DriverError> {
        self.transform.object(&self.device, self.runs.active, arrays, work, rule)
    }

    /// Queues a pass over the transforms `values` without a projection.
    pub fn fourier(&self, values: Pointer<Complex>, directions: Directions) -> Result<(), DriverError> {
        self.transform.fourier(&self.device, self.runs.active, values, directions, None)
    }

    /// Queues a pass over the transforms `values` with the modulus projection between both
    /// directions.
    pub fn project(&self, values: Pointer<Complex>) -> Result<(), DriverError> {
        let (bounds, projection, runs) = (self.bounds(), self.projection(), self.runs.active);
        if !self.blurs() {
            return self.transform.fourier(&self.device, runs, values, Directions::Both, Some((bounds, projection)));
        }
        // A blur needs all intensities before the first comparison.
        self.fourier(values, Directions::Forward)?;
        let (blurred, n) = (self.blurred(values)?, self.data.len());
        let work =
            (values, blurred, bounds.entries, bounds.table, Pointer::NULL, n as u32, FourierWork::Project, projection);
        self.device.launch(FOURIER_POINTS, pixel_blocks(n, runs), work)?;
        self.fourier(values, Directions::Inverse)
    }

    /// Whether intensities are blurred.
    pub fn blurs(&self) -> bool {
        self.psf.as_ref().is_some_and(|psf| psf.on)
    }

    /// Queues the blur of the intensities of `values`, and returns where they are; null where nothing
    /// is blurred.
    pub fn blurred(&self, values: Pointer<Complex>) -> Result<Pointer<f32>, DriverError> {
        match self.psf.as_ref().filter(|psf| psf.on) {
            None => Ok(Pointer::NULL),
            Some(psf) => psf.blurred(&self.device, self.runs.active, [values; 2], Intensities::Own, None),
        }
    }

    /// Queues the transforms of the objects, cut to their supports, into the array `values`.
    pub fn transform_cut_objects(&self) -> Result<(), DriverError> {
        let arrays = self.arrays();
        let work = ObjectWork { taken: self.scale(), ..ObjectWork::new(Source::CutObject, Output::Values) };
        self.pass(arrays, work.forward(), RuleNumbers::default())?;
        self.fourier(arrays.values, Directions::Forward)
    }

    /// Refines the kernels of the blur, if it is switched on. Waits for the GPU.
    pub fn refine_psf(&mut self) -> Result<(), DriverError> {
        if !self.blurs() {
            return Ok(());
        }
        self.transform_cut_objects()?;
        let (values, runs) = (self.arrays().values, self.runs.active);
        self.psf.as_mut().map_or(Ok(()), |psf| psf.refine(&self.device, runs, values))
    }

    /// Queues the addition of `rows` rows of `width` partial sums of each run.
    pub fn add_up(&self, to: Pointer<f64>, rows: usize, width: usize) -> Result<(), DriverError> {
        let arguments = (self.sums(), to, rows as u32, width as u32);
        self.device.launch(ADD_UP, blocks(self.runs.active, 1, 0), arguments)
    }

    /// Queues the densities of the modulus projections, into the array `density`.
    pub fn find_density(&self, positivity: bool) -> Result<(), DriverError> {
        let arrays = self.arrays();
        let rule = RuleNumbers::default();
        self.pass(arrays, ObjectWork::new(Source::Object, Output::Values).forward(), rule)?;
        self.project(arrays.values)?;
        let work = ObjectWork {
            positivity: positivity.into(),
            real: self.data.real.into(),
            ..ObjectWork::new(Source::Fourier, Output::Density)
        };
        self.pass(arrays, work, rule)
    }

    /// Copies the starts of a batch to the GPU.
    pub fn begin(&mut self, starts: &[Start]) -> Result<(), DriverError> {
        let (n, photons, stream) = (self.data.len(), self.data.photons, self.device.stream.clone());
        let runs = &mut self.runs;
        let mut states = vec![RunState::default(); runs.batch_size];
        for (run, start) in starts.iter().enumerate() {
            let pixels = run * n..(run + 1) * n;
            let object: &[Complex] = bytemuck::cast_slice(start.object.as_slice());
            stream.memcpy_htod(object, &mut runs.object.slice_mut(pixels.clone()))?;
            let support: Vec<u8> = start.support.as_slice().iter().map(|&inside| inside.into()).collect();
            stream.memcpy_htod(&support, &mut runs.support.slice_mut(pixels))?;
            states[run] = RunState::new(support.iter().filter(|&&inside| inside > 0).count(), photons);
        }
        stream.memcpy_htod(&states, &mut runs.states)?;
        if let Some(psf) = &mut self.psf {
            psf.begin(&self.device, starts.len())?;
        }
        // The copies read memory of the host that lives only until here.
        stream.synchronize()
    }

    /// Copies object, support and density of a run from the GPU.
    pub fn finished(&self, run: usize) -> Result<Finished, DriverError> {
        let (n, stream) = (self.data.len(), &self.device.stream);
        let pixels = run * n..(run + 1) * n;
        let object: Vec<Complex> = stream.clone_dtoh(&self.runs.object.slice(pixels.clone()))?;
        let support: Vec<u8> = stream.clone_dtoh(&self.runs.support.slice(pixels.clone()))?;
        let density = stream.clone_dtoh(&self.runs.density.slice(pixels))?;
        stream.synchronize()?;
        let object = object.into_iter().map(|[re, im]| Complex32::new(re, im)).collect();
        let support = support.into_iter().map(|inside| inside > 0).collect();
        Ok(Finished {
            object: Cornered(Array3::from_shape_vec(self.data.shape, object).expect("the problem's shape")),
            support: Cornered(Array3::from_shape_vec(self.data.shape, support).expect("the problem's shape")),
            density,
            psf: self.psf.as_ref().filter(|psf| psf.on).map(|psf| psf.kernels[run].clone()),
        })
    }
}
