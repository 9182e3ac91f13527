//! Maximum-likelihood conjugate gradients on a GPU: the steps of
//! [`crate::phasing::cpu::Cpu::conjugate_gradients`], with every decision taken by kernels, so that
//! nothing waits for the host.

use super::arrays::{Directions, PassArrays};
use super::device::{partial_sums, pixel_blocks, single};
use super::engine::{Engine, MOST_SUMS};
use super::kernels::{
    ADVANCE, CHOOSE_LENGTH, EXCESS, GRADIENT, LIKELIHOODS, SET_LENGTH, SET_TURN, SLOPE_SUMS, TURN, TURN_SUMS,
};
use super::layout::{Complex, Intensities, LineSearch, ObjectWork, Output, Parabola, Pointer, RuleNumbers, Source};
use cudarc::driver::{CudaSlice, DriverError};

/// What the steps need beside the arrays of the runs.
pub struct ConjugateGradients {
    /// The object's transform.
    field: CudaSlice<Complex>,
    gradient: CudaSlice<Complex>,
    previous: CudaSlice<Complex>,
    direction: CudaSlice<Complex>,
    searches: CudaSlice<LineSearch>,
}

impl ConjugateGradients {
    /// Arrays for the runs of the engine.
    pub fn new(engine: &Engine) -> Result<ConjugateGradients, DriverError> {
        let (stream, runs) = (&engine.device.stream, engine.runs.batch_size);
        let zeros = || stream.alloc_zeros(engine.data.len() * runs);
        Ok(ConjugateGradients {
            field: zeros()?,
            gradient: zeros()?,
            previous: zeros()?,
            direction: zeros()?,
            searches: stream.alloc_zeros(runs)?,
        })
    }

    /// Queues `n` steps.
    pub fn descend(&self, engine: &Engine, n: usize) -> Result<(), DriverError> {
        let (device, len, runs) = (&engine.device, engine.data.len(), engine.runs.active);
        let (size, each, rows) = (len as u32, pixel_blocks(len, runs), partial_sums(len));
        let (arrays, bounds, sums, totals) = (engine.arrays(), engine.bounds(), engine.sums(), engine.totals());
        let (entries, table, released) = (bounds.entries, bounds.table, engine.projection().released);
        let [field, direction] = [&self.field, &self.direction].map(|array| device.at(array));
        let [mut gradient, mut previous] = [&self.gradient, &self.previous].map(|array| device.at(array));
        let searches = device.at(&self.searches);
        let blur = engine.psf.as_ref().filter(|psf| psf.on).and_then(|psf| Some((psf, psf.parabola(device)?)));
        let parabola = blur.map_or(Parabola::NONE, |(_, parabola)| parabola);
        let none = RuleNumbers::default();
        // The object inside its support, and its transform.
        let cut = ObjectWork { keep: 1, ..ObjectWork::new(Source::CutObject, Output::Object) };
        engine.pass(arrays, cut, none)?;
        let scaled = ObjectWork { taken: engine.scale(), ..ObjectWork::new(Source::Object, Output::Values) }.forward();
        engine.pass(PassArrays { values: field, ..arrays }, scaled, none)?;
        engine.fourier(field, Directions::Forward)?;
        for iteration in 0..n {
            let first = i32::from(iteration == 0);
            std::mem::swap(&mut gradient, &mut previous);
            let spread = match blur {
                None => Pointer::NULL,
                Some((psf, Parabola { constant, .. })) => {
                    psf.blurred(device, runs, [field; 2], Intensities::Own, Some(constant))?;
                    device.launch(EXCESS, each, (constant, psf.intensities(device), entries, table, size, released))?;
                    psf.blurred_along(device, runs, &[0, 1, 2], None)?
                }
            };
            device.launch(GRADIENT, each, (field, spread, arrays.values, entries, table, size, released))?;
            engine.fourier(arrays.values, Directions::Inverse)?;
            let cut = ObjectWork {
                stored: engine.scale(),
                real: engine.data.real.into(),
                ..ObjectWork::new(Source::Fourier, Output::Object)
            };
            engine.pass(PassArrays { object: gradient, ..arrays }, cut, none)?;
            device.launch(TURN_SUMS, each, (gradient, previous, sums, size))?;
            engine.add_up(totals, rows, 2)?;
            device.launch(SET_TURN, single(runs), (totals, searches, first))?;
            device.launch(TURN, each, (gradient, direction, searches, size, first))?;
            let step = arrays.values;
            engine.pass(PassArrays { object: direction, ..arrays }, scaled, none)?;
            engine.fourier(step, Directions::Forward)?;
            if let Some((psf, Parabola { slope, curvature, .. })) = blur {
                psf.blurred(device, runs, [field, step], Intensities::Product, Some(slope))?;
                psf.blurred(device, runs, [field, step], Intensities::Step, Some(curvature))?;
            }
            device.launch(SLOPE_SUMS, each, (field, step, parabola, entries, table, sums, size, released))?;
            engine.add_up(totals, rows, 3)?;
            device.launch(SET_LENGTH, single(runs), (totals, searches))?;
            device.launch(
                LIKELIHOODS,
                each,
                (field, step, parabola, entries, table, searches, sums, size, released),
            )?;
            engine.add_up(totals, rows, MOST_SUMS)?;
            device.launch(CHOOSE_LENGTH, single(runs), (totals, searches))?;
            device.launch(ADVANCE, each, (arrays.object, field, direction, step, searches, size))?;
        }
        Ok(())
    }
}
