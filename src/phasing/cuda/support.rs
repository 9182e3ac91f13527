//! Support updates and halved supports on a GPU: what [`crate::phasing::support`] does, step by
//! step, with every decision taken by kernels, so that nothing waits for the host.

use super::device::{blocks, partial_sums, pixel_blocks, single};
use super::engine::Engine;
use super::kernels::{
    ABOVE_CUT, BLUR, CHECK_LIMITS, CLEAR_KEPT, COUNT_KEPT, COUNT_MASK, GROW, HALF_SUMS, HALVE, HISTOGRAM, KEEP_BORDER,
    PICK_BITS, REFERENCE_SUMS, SET_CUT, TAKE_COUNT, TAKE_MASK,
};
use super::layout::Pointer;
use crate::phasing::support::{Cut, Reference, SupportRule};
use cudarc::driver::{CudaSlice, DriverError, LaunchConfig};

/// Sums for halving a support, as in `kernels/support.cu`.
const SUMS_OF_HALVES: usize = 7;

/// Bins of a histogram of eight bits.
const BINS: usize = 256;

/// What support updates need beside the arrays of the runs.
pub struct SupportUpdater {
    thresholds: CudaSlice<f32>,
    /// Smallest and largest number of pixels of each run.
    limits: CudaSlice<u32>,
    histograms: CudaSlice<u32>,
    halves: CudaSlice<u64>,
}

impl SupportUpdater {
    /// Arrays for the runs of the engine.
    pub fn new(engine: &Engine) -> Result<SupportUpdater, DriverError> {
        let (stream, runs) = (&engine.device.stream, engine.runs.batch_size);
        Ok(SupportUpdater {
            thresholds: stream.alloc_zeros(runs)?,
            limits: stream.alloc_zeros(2 * runs)?,
            histograms: stream.alloc_zeros(BINS * runs)?,
            halves: stream.alloc_zeros(SUMS_OF_HALVES * runs)?,
        })
    }

    /// Queues a support update, with a cut for each active run.
    pub fn update(&mut self, engine: &Engine, rule: &SupportRule, cuts: &[Cut]) -> Result<(), DriverError> {
        let (mut thresholds, mut limits) = (Vec::new(), Vec::new());
        for cut in cuts {
            let (threshold, pixels) = cut.limits(rule.fraction, engine.data.len());
            thresholds.push(threshold);
            limits.extend(pixels.map(|pixels| pixels as u32));
        }
        thresholds.resize(engine.runs.batch_size, 0.0);
        limits.resize(2 * engine.runs.batch_size, 1);
        engine.device.stream.memcpy_htod(&thresholds, &mut self.thresholds)?;
        engine.device.stream.memcpy_htod(&limits, &mut self.limits)?;
        engine.find_density(rule.positivity)?;
        let density = blurred(engine, rule.sigma)?;
        self.find_cut(engine, rule, density)?;
        let (device, arrays, n, each) = (&engine.device, engine.arrays(), engine.data.len(), pixels(engine));
        let (support, states, size) = (arrays.support, arrays.states, n as u32);
        // The projection has been read: its array is scratch, for the blur in its first half and
        // for four masks in its second.
        let all = n * engine.runs.batch_size;
        let masks: [Pointer<u8>; 4] = std::array::from_fn(|k| arrays.values.cast().starting_at((4 + k) * all));
        let mut new = masks[0];
        device.launch(ABOVE_CUT, each, (density, support, states, new, size, rule.only_shrink.into()))?;
        let border = rule.border as i32;
        if border > 0 {
            let inner = grown(engine, support, [masks[1], masks[3]], -border)?;
            let other = if inner == masks[1] { masks[3] } else { masks[1] };
            let outer = grown(engine, support, [masks[2], other], border)?;
            device.launch(KEEP_BORDER, each, (new, inner, outer, size))?;
        }
        for &step in &rule.expand {
            let others: Vec<Pointer<u8>> = masks.into_iter().filter(|&other| other != new).collect();
            new = grown(engine, new, [others[0], others[1]], step)?;
        }
        device.launch(CLEAR_KEPT, single(engine.runs.active), (states,))?;
        device.launch(COUNT_MASK, each, (new, states, size))?;
        device.launch(TAKE_MASK, each, (new, support, states, size))?;
        device.launch(TAKE_COUNT, single(engine.runs.active), (states, engine.data.photons))
    }

    /// Queues the search for the cut that the blurred density must exceed.
    fn find_cut(&self, engine: &Engine, rule: &SupportRule, density: Pointer<f32>) -> Result<(), DriverError> {
        let (device, arrays, n, each) = (&engine.device, engine.arrays(), engine.data.len(), pixels(engine));
        let (support, states, size, runs) = (arrays.support, arrays.states, n as u32, engine.runs.active);
        let only_shrink = i32::from(rule.only_shrink);
        device.launch(REFERENCE_SUMS, each, (density, support, engine.sums(), size))?;
        let reference = match rule.reference {
            Reference::Rms => 0,
            Reference::Mean => 1,
            Reference::Max => 2,
        };
        let (thresholds, rows) = (device.at(&self.thresholds), partial_sums(n) as u32);
        device.launch(SET_CUT, blocks(runs, 1, 0), (engine.sums(), states, thresholds, rows, reference))?;
        device.launch(COUNT_KEPT, each, (density, support, states, size, only_shrink))?;
        device.launch(CHECK_LIMITS, single(runs), (states, device.at(&self.limits)))?;
        let histograms = device.at(&self.histograms);
        for shift in [24, 16, 8, 0] {
            device.launch(HISTOGRAM, each, (density, support, states, histograms, size, only_shrink, shift))?;
            device.launch(PICK_BITS, single(runs), (states, histograms, shift))?;
        }
        Ok(())
    }

    /// Queues the halving of the supports. The array of densities keeps the whole ones: nothing
    /// needs densities meanwhile.
    pub fn halve(&mut self, engine: &Engine) -> Result<(), DriverError> {
        engine.device.stream.memset_zeros(&mut self.halves)?;
        let [nz, ny, nx] = engine.data.shape.map(|n| n as u32);
        let (device, arrays, each) = (&engine.device, engine.arrays(), pixels(engine));
        let (support, halves) = (arrays.support, device.at(&self.halves));
        device.launch(HALF_SUMS, each, (support, halves, nz, ny, nx))?;
        device.launch(HALVE, each, (support, arrays.density.cast(), halves, nz, ny, nx))?;
        count(engine)
    }

    /// Queues the return of the whole supports.
    pub fn restore(&mut self, engine: &mut Engine) -> Result<(), DriverError> {
        let stream = engine.device.stream.clone();
        let bytes = engine.data.len() * engine.runs.active;
        let runs = &mut engine.runs;
        // SAFETY: any byte is a byte, and densities have four for each.
        if let Some(whole) = unsafe { runs.density.transmute::<u8>(bytes) } {
            stream.memcpy_dtod(&whole, &mut runs.support.slice_mut(..bytes))?;
        }
        count(engine)
    }
}

/// Blocks that go over the pixels of the active runs.
fn pixels(engine: &Engine) -> LaunchConfig {
    pixel_blocks(engine.data.len(), engine.runs.active)
}

/// Blurs the density, with `values` as scratch, and returns where it is afterwards.
fn blurred(engine: &Engine, sigma: f32) -> Result<Pointer<f32>, DriverError> {
    let [nz, ny, nx] = engine.data.shape;
    let arrays = engine.arrays();
    let mut input = arrays.density;
    if sigma <= 0.0 {
        return Ok(input);
    }
    let mut output: Pointer<f32> = arrays.values.cast();
    let reach = (4.0 * sigma).ceil() as i32;
    let total: f32 = (-reach..=reach).map(|k| (-0.5 * (k as f32 / sigma).powi(2)).exp()).sum();
    let size = engine.data.len() as u32;
    let weighted = LaunchConfig { shared_mem_bytes: 4 * (reach as u32 + 1), ..pixels(engine) };
    for (length, stride) in [(nx, 1), (ny, nx), (nz, ny * nx)] {
        if length == 1 {
            continue;
        }
        let arguments = (input, output, size, length as u32, stride as u32, reach, sigma, total);
        engine.device.launch(BLUR, weighted, arguments)?;
        (input, output) = (output, input);
    }
    Ok(input)
}

/// Grows a mask step by step, by turns in two scratch masks, and returns where it is afterwards.
fn grown(
    engine: &Engine,
    mask: Pointer<u8>,
    scratch: [Pointer<u8>; 2],
    steps: i32,
) -> Result<Pointer<u8>, DriverError> {
    let [nz, ny, nx] = engine.data.shape.map(|n| n as u32);
    let mut input = mask;
    for step in 0..steps.unsigned_abs() as usize {
        let output = scratch[step % 2];
        engine.device.launch(GROW, pixels(engine), (input, output, nz, ny, nx, i32::from(steps > 0)))?;
        input = output;
    }
    Ok(input)
}

/// Counts the supports.
fn count(engine: &Engine) -> Result<(), DriverError> {
    let (device, arrays, runs) = (&engine.device, engine.arrays(), engine.runs.active);
    device.launch(CLEAR_KEPT, single(runs), (arrays.states,))?;
    device.launch(COUNT_MASK, pixels(engine), (arrays.support, arrays.states, engine.data.len() as u32))?;
    device.launch(TAKE_COUNT, single(runs), (arrays.states, engine.data.photons))
}
