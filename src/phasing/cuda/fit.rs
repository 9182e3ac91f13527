//! Fits on a GPU: sums that come back while the next cycles are queued.

use super::device::{partial_sums, pixel_blocks};
use super::engine::Engine;
use super::kernels::{FOURIER_POINTS, FREE_LIKELIHOOD};
use super::layout::{FourierWork, RunState};
use crate::phasing::backend::Fit;
use cudarc::driver::sys::CUevent_flags;
use cudarc::driver::{CudaEvent, CudaSlice, DriverError, PinnedHostSlice};
use std::collections::VecDeque;

/// Sums that make a fit, as in `kernels/pixel.cuh`.
const FIT_SUMS: usize = 5;

/// Fits that were requested and not collected yet.
pub struct FitRequests {
    /// Sums of the free likelihoods, one for each run.
    free: CudaSlice<f64>,
    pending: VecDeque<Request>,
    /// Requests that were collected: their memory serves the next ones.
    spare: Vec<Request>,
}

/// Memory of the host that the sums of a request are copied to.
struct Request {
    sums: PinnedHostSlice<f64>,
    free: PinnedHostSlice<f64>,
    states: PinnedHostSlice<RunState>,
    copied: CudaEvent,
    runs: usize,
}

impl Request {
    fn new(engine: &Engine) -> Result<Request, DriverError> {
        let context = engine.device.stream.context();
        let (sums, runs) = (engine.runs.totals.len(), engine.runs.batch_size);
        // SAFETY: written by the device before anything is read. Plain pages: those that combine
        // writes are slow to read.
        let (sums, free, states) = unsafe {
            (
                context.alloc_pinned_with_flags(sums, 0)?,
                context.alloc_pinned_with_flags(runs, 0)?,
                context.alloc_pinned_with_flags(runs, 0)?,
            )
        };
        let copied = context.new_event(Some(CUevent_flags::CU_EVENT_DISABLE_TIMING))?;
        Ok(Request { sums, free, states, copied, runs: 0 })
    }

    /// The fits, as soon as they are copied.
    fn fits(&self, engine: &Engine) -> Result<Vec<Option<Fit>>, DriverError> {
        self.copied.synchronize()?;
        let (all, free, states) = (self.sums.as_slice()?, self.free.as_slice()?, self.states.as_slice()?);
        let held_out = engine.data.held_out;
        let fit = |run: usize| {
            let sums: [f64; FIT_SUMS] = std::array::from_fn(|k| all[run * FIT_SUMS + k]);
            if states[run].alive == 0 {
                return None;
            }
            let fraction = f64::from(states[run].count) / engine.data.len() as f64;
            Fit::new(sums, (held_out > 0).then(|| free[run] / held_out as f64), fraction)
        };
        Ok((0..self.runs).map(fit).collect())
    }
}

impl FitRequests {
    /// No requests yet.
    pub fn new(engine: &Engine) -> Result<FitRequests, DriverError> {
        let free = engine.device.stream.alloc_zeros(engine.runs.batch_size)?;
        Ok(FitRequests { free, pending: VecDeque::new(), spare: Vec::new() })
    }

    /// Forgets requests that were not collected.
    pub fn clear(&mut self) {
        self.spare.extend(self.pending.drain(..));
    }

    /// Queues the sums of the fits and their way back.
    pub fn request(&mut self, engine: &Engine) -> Result<(), DriverError> {
        let (device, n, runs, arrays) = (&engine.device, engine.data.len(), engine.runs.active, engine.arrays());
        engine.transform_cut_objects()?;
        let blurred = engine.blurred(arrays.values)?;
        let (values, bounds, sums, totals) = (arrays.values, engine.bounds(), engine.sums(), engine.totals());
        let work =
            (values, blurred, bounds.entries, bounds.table, sums, n as u32, FourierWork::Fit, engine.projection());
        device.launch(FOURIER_POINTS, pixel_blocks(n, runs), work)?;
        engine.add_up(totals, partial_sums(n), FIT_SUMS)?;
        let (places, intensities) = engine.held_out();
        let held_out = engine.data.held_out;
        device.launch(
            FREE_LIKELIHOOD,
            pixel_blocks(held_out.max(1), runs),
            (values, blurred, places, intensities, totals, sums, n as u32, held_out as u32),
        )?;
        engine.add_up(device.at(&self.free), partial_sums(held_out.max(1)), 1)?;
        let mut request = match self.spare.pop() {
            Some(request) => request,
            None => Request::new(engine)?,
        };
        let stream = &device.stream;
        stream.memcpy_dtoh(&engine.runs.totals, &mut request.sums)?;
        stream.memcpy_dtoh(&self.free, &mut request.free)?;
        stream.memcpy_dtoh(&engine.runs.states, &mut request.states)?;
        request.copied.record(stream)?;
        request.runs = runs;
        self.pending.push_back(request);
        Ok(())
    }

    /// The fits of the oldest request; none without a request.
    pub fn collect(&mut self, engine: &Engine) -> Result<Vec<Option<Fit>>, DriverError> {
        let Some(request) = self.pending.pop_front() else { return Ok(Vec::new()) };
        let fits = request.fits(engine)?;
        self.spare.push(request);
        Ok(fits)
    }
}
