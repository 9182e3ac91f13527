//! Maximum-likelihood conjugate gradients on a card: the steps of [`crate::phasing::cpu::Cpu::conjugate_gradients`], whose decisions are
//! taken by kernels, so that nothing waits for the host.

use super::card::{Card, blocks, launch, single};
use super::transform::{Arrays, From, ObjectWork, RuleNumbers, Then, pieces, rows_of_sums};
use super::{Complex, Cuda};
use cudarc::driver::{CudaSlice, DeviceRepr, DriverError, ValidAsZeroBits};

/// What the steps need beside the object and the array of transforms.
pub struct Gradient {
    field: CudaSlice<Complex>,
    now: CudaSlice<Complex>,
    before: CudaSlice<Complex>,
    direction: CudaSlice<Complex>,
    searches: CudaSlice<Search>,
}

/// A run's line search, as `Search` in `kernels/gradient.cu`.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
struct Search {
    old: f64,
    turn: f32,
    length: f32,
    stopped: u32,
    _pad: u32,
}

// SAFETY: plain numbers.
unsafe impl DeviceRepr for Search {}
// SAFETY: all of them may be zero.
unsafe impl ValidAsZeroBits for Search {}

impl Gradient {
    /// For so many numbers in all runs together.
    pub fn new(card: &Card, numbers: usize, lanes: usize) -> Result<Gradient, DriverError> {
        let zeros = || card.stream.alloc_zeros(numbers);
        Ok(Gradient {
            field: zeros()?,
            now: zeros()?,
            before: zeros()?,
            direction: zeros()?,
            searches: card.stream.alloc_zeros(lanes)?,
        })
    }
}

impl Cuda {
    pub(super) fn descend(&mut self, n: usize) -> Result<(), DriverError> {
        let Some(gradient) = &self.gradient else { return Ok(()) };
        let (card, runs, size, each) = (&self.card, self.active, self.len() as u32, pieces(self.len(), self.active));
        let arrays = self.arrays();
        let [field, direction, searches] =
            [self.at(&gradient.field), self.at(&gradient.direction), self.at(&gradient.searches)];
        let [mut now, mut before] = [self.at(&gradient.now), self.at(&gradient.before)];
        let (sums, totals, rows) = (self.at(&self.sums), self.at(&self.fits), rows_of_sums(self.len()) as u32);
        let (bounds, projection) = self.projection().expect("always there");
        let none = RuleNumbers::default();
        // The object inside its support, and its transform.
        self.pass(arrays, ObjectWork { keep: 1, ..ObjectWork::new(From::Cut, Then::Store) }, none)?;
        let scaled = ObjectWork { taken: self.scale(), ..ObjectWork::new(From::Load, Then::Nothing) }.leaving();
        self.pass(Arrays { values: field, ..arrays }, scaled, none)?;
        self.transform.fourier(card, runs, field, [true, false], None)?;
        for iteration in 0..n {
            let first = i32::from(iteration == 0);
            std::mem::swap(&mut now, &mut before);
            launch!(
                card,
                "gradient",
                each,
                field,
                arrays.values,
                bounds.entries,
                bounds.table,
                size,
                projection.released
            )?;
            self.transform.fourier(card, runs, arrays.values, [false, true], None)?;
            let cut = ObjectWork {
                stored: self.scale(),
                real: self.problem.real.into(),
                ..ObjectWork::new(From::Arrive, Then::Store)
            };
            self.pass(Arrays { object: now, ..arrays }, cut, none)?;
            launch!(card, "turn_sums", each, now, before, sums, size)?;
            launch!(card, "add_up", blocks(runs, 1, 0), sums, totals, rows, 2u32)?;
            launch!(card, "set_turn", single(runs), totals, searches, first)?;
            launch!(card, "turn", each, now, direction, searches, size, first)?;
            let step = arrays.values;
            self.pass(Arrays { object: direction, ..arrays }, scaled, none)?;
            self.transform.fourier(card, runs, step, [true, false], None)?;
            launch!(
                card,
                "slope_sums",
                each,
                field,
                step,
                bounds.entries,
                bounds.table,
                sums,
                size,
                projection.released
            )?;
            launch!(card, "add_up", blocks(runs, 1, 0), sums, totals, rows, 3u32)?;
            launch!(card, "set_length", single(runs), totals, searches)?;
            launch!(
                card,
                "likelihoods",
                each,
                field,
                step,
                bounds.entries,
                bounds.table,
                searches,
                sums,
                size,
                projection.released
            )?;
            launch!(card, "add_up", blocks(runs, 1, 0), sums, totals, rows, super::MOST_SUMS as u32)?;
            launch!(card, "choose_length", single(runs), totals, searches)?;
            launch!(card, "advance", each, arrays.object, field, direction, step, searches, size)?;
        }
        Ok(())
    }
}
