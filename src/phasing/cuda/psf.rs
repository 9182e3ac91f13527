//! The blur of calculated intensities on a GPU. Kernels are refined on the host, as those of the CPU
//! are, from what the GPU gathers: the only step for which anything waits.

use super::axis::PixelOrder;
use super::device::{GpuDevice, pixel_blocks};
use super::kernels::{BLUR_ALONG, INTENSITIES, NEIGHBOUR_SUMS};
use super::layout::{Complex, Intensities, Parabola, Pointer};
use crate::phasing::problem::Problem;
use crate::phasing::psf::{ProblemPsf, Psf};
use crate::psf::REACH;
use crate::volume::Shape;
use cudarc::driver::{CudaSlice, DriverError};

/// Weights that a run has for each axis, as in `kernels/psf.cu`.
const WEIGHTS: usize = REACH + 1;

/// The kernels of the runs of a batch, and arrays to work in.
pub struct GpuPsf {
    /// Whether intensities are blurred.
    pub on: bool,
    shape: Shape,
    problem: ProblemPsf,
    /// Kernel of each run.
    pub kernels: Vec<Psf>,
    weights: CudaSlice<f32>,
    axes: [AxisOrder; 3],
    intensities: CudaSlice<f32>,
    scratch: CudaSlice<f32>,
    /// Coefficients of intensities along a step of conjugate gradients.
    parabola: Option<[CudaSlice<f32>; 3]>,
    pixels: CudaSlice<u32>,
    sums: CudaSlice<f32>,
}

/// The order of the frequencies of one axis.
struct AxisOrder {
    frequencies: CudaSlice<u32>,
    places: CudaSlice<u32>,
}

impl AxisOrder {
    fn new(device: &GpuDevice, places: &[usize]) -> Result<AxisOrder, DriverError> {
        let mut frequencies = vec![0u32; places.len()];
        places.iter().enumerate().for_each(|(frequency, &place)| frequencies[place] = frequency as u32);
        let places: Vec<u32> = places.iter().map(|&place| place as u32).collect();
        Ok(AxisOrder {
            frequencies: device.stream.clone_htod(&frequencies)?,
            places: device.stream.clone_htod(&places)?,
        })
    }
}

impl GpuPsf {
    /// The blur of a problem, if it has one, for `batch_size` runs; `gradients` says whether there
    /// will be conjugate gradients.
    pub fn new(
        device: &GpuDevice,
        problem: &Problem,
        order: &PixelOrder,
        batch_size: usize,
        gradients: bool,
    ) -> Result<Option<GpuPsf>, DriverError> {
        let Some(psf) = &problem.psf else { return Ok(None) };
        let (stream, all) = (&device.stream, problem.len() * batch_size);
        let zeros = || stream.alloc_zeros::<f32>(all);
        let pixels: Vec<u32> = psf.pixels.iter().map(|&pixel| order.place(pixel) as u32).collect();
        Ok(Some(GpuPsf {
            on: false,
            shape: problem.shape(),
            kernels: Vec::new(),
            weights: stream.alloc_zeros(batch_size * 3 * WEIGHTS)?,
            axes: [
                AxisOrder::new(device, order.axis(0))?,
                AxisOrder::new(device, order.axis(1))?,
                AxisOrder::new(device, order.axis(2))?,
            ],
            intensities: zeros()?,
            scratch: zeros()?,
            parabola: if gradients { Some([zeros()?, zeros()?, zeros()?]) } else { None },
            sums: stream.alloc_zeros(pixels.len() * WEIGHTS)?,
            pixels: stream.clone_htod(&pixels)?,
            problem: psf.clone(),
        }))
    }

    /// Begins a batch of `runs` runs, without a blur.
    pub fn begin(&mut self, device: &GpuDevice, runs: usize) -> Result<(), DriverError> {
        self.on = false;
        self.kernels = vec![self.problem.first.clone(); runs];
        self.send(device)
    }

    /// Copies the weights of all runs to the GPU.
    fn send(&mut self, device: &GpuDevice) -> Result<(), DriverError> {
        let mut weights = vec![0.0; self.weights.len()];
        for (to, from) in weights.chunks_exact_mut(WEIGHTS).zip(self.kernels.iter().flat_map(Psf::weights)) {
            to[..from.len()].copy_from_slice(&from);
        }
        device.stream.memcpy_htod(&weights, &mut self.weights)?;
        // The copy reads memory of the host that lives only until here.
        device.stream.synchronize()
    }

    /// Queues the blur of what `what` says of the fields and steps of `runs` runs, and returns where
    /// it is afterwards: in `to`, or in an array of its own.
    pub fn blurred(
        &self,
        device: &GpuDevice,
        runs: usize,
        [field, step]: [Pointer<Complex>; 2],
        what: Intensities,
        to: Option<Pointer<f32>>,
    ) -> Result<Pointer<f32>, DriverError> {
        let n: usize = self.shape.iter().product();
        device.launch(
            INTENSITIES,
            pixel_blocks(n, runs),
            (field, step, device.at(&self.intensities), n as u32, what),
        )?;
        self.blurred_along(device, runs, &[0, 1, 2], to)
    }

    /// Queues the blur of what [`Self::intensities`] holds along some axes.
    pub fn blurred_along(
        &self,
        device: &GpuDevice,
        runs: usize,
        axes: &[usize],
        to: Option<Pointer<f32>>,
    ) -> Result<Pointer<f32>, DriverError> {
        let n: usize = self.shape.iter().product();
        // Refined kernels reach no further than the first.
        let reaches = self.problem.first.reach();
        // In the CPU's order, x first. A kernel of one pixel is no work, but for a copy.
        let mut passes: Vec<usize> = axes.iter().rev().copied().filter(|&axis| reaches[axis] > 0).collect();
        if passes.is_empty() && to.is_some() {
            passes.push(2);
        }
        let (mut input, mut other) = (device.at(&self.intensities), device.at(&self.scratch));
        for (number, &axis) in passes.iter().enumerate() {
            let output = to.filter(|_| number + 1 == passes.len()).unwrap_or(other);
            let AxisOrder { frequencies, places } = &self.axes[axis];
            let arguments = (
                input,
                output,
                device.at(&self.weights),
                device.at(frequencies),
                device.at(places),
                n as u32,
                self.shape[axis] as u32,
                self.stride(axis),
                axis as i32,
                reaches[axis] as i32,
            );
            device.launch(BLUR_ALONG, pixel_blocks(n, runs), arguments)?;
            (input, other) = (output, input);
        }
        Ok(input)
    }

    /// Distance of neighbours along an axis in memory.
    fn stride(&self, axis: usize) -> u32 {
        self.shape[axis + 1..].iter().product::<usize>() as u32
    }

    /// The array that is blurred.
    pub fn intensities(&self, device: &GpuDevice) -> Pointer<f32> {
        device.at(&self.intensities)
    }

    /// The arrays of the coefficients of intensities along a step.
    pub fn parabola(&self, device: &GpuDevice) -> Option<Parabola> {
        let [constant, slope, curvature] = self.parabola.as_ref()?.each_ref().map(|array| device.at(array));
        Some(Parabola { constant, slope, curvature })
    }

    /// Refines the kernels, one axis after another, by the transforms of the objects cut to their
    /// supports. Waits for the GPU.
    pub fn refine(&mut self, device: &GpuDevice, runs: usize, field: Pointer<Complex>) -> Result<(), DriverError> {
        let n: usize = self.shape.iter().product();
        let number = self.problem.pixels.len();
        for axis in 0..3 {
            let reach = self.problem.first.reach()[axis];
            if reach == 0 {
                continue;
            }
            let what = (field, field, device.at(&self.intensities), n as u32, Intensities::Own);
            device.launch(INTENSITIES, pixel_blocks(n, runs), what)?;
            let others = [[1, 2], [0, 2], [0, 1]][axis];
            let sharp = self.blurred_along(device, runs, &others, None)?;
            let AxisOrder { frequencies, places } = &self.axes[axis];
            for run in 0..runs {
                let arguments = (
                    sharp.starting_at(run * n),
                    device.at(&self.pixels),
                    device.at(&self.sums),
                    device.at(frequencies),
                    device.at(places),
                    number as u32,
                    self.shape[axis] as u32,
                    self.stride(axis),
                    reach as i32,
                );
                device.launch(NEIGHBOUR_SUMS, pixel_blocks(number, 1), arguments)?;
                let sums = device.stream.clone_dtoh(&self.sums)?;
                device.stream.synchronize()?;
                let neighbours: Vec<Vec<f32>> =
                    sums.chunks_exact(number).take(reach + 1).map(<[f32]>::to_vec).collect();
                self.problem.refine(&mut self.kernels[run], axis, &neighbours);
            }
            self.send(device)?;
        }
        Ok(())
    }
}
