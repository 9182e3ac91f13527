//! How well objects explain the measurement: sums on the card, which come back without anybody waiting for them.

use super::card::{blocks, launch};
use super::transform::{self, From, ObjectWork, RuleNumbers, Then};
use super::{Cuda, State};
use crate::phasing::backend::Fit;
use cudarc::driver::sys::CUevent_flags;
use cudarc::driver::{CudaEvent, DriverError, PinnedHostSlice};

/// Sums that make a fit, as in `kernels/pixel.cuh`.
const FIT_SUMS: usize = 5;

/// A fit that is on its way.
pub struct Question {
    fits: PinnedHostSlice<f64>,
    free: PinnedHostSlice<f64>,
    states: PinnedHostSlice<State>,
    there: CudaEvent,
    runs: usize,
}

impl Cuda {
    /// Queues the sums of the fits.
    pub(super) fn ask(&mut self) -> Result<(), DriverError> {
        let (card, n, runs, arrays) = (&self.card, self.len(), self.active, self.arrays());
        let what = ObjectWork { taken: self.scale(), ..ObjectWork::new(From::Cut, Then::Nothing) }.leaving();
        self.pass(arrays, what, RuleNumbers::default())?;
        self.transform.fourier(card, runs, arrays.values, [true, false], None)?;
        let (bounds, projection) = self.projection().expect("always there");
        const FIT: i32 = 2;
        launch!(
            card,
            "fourier_points",
            transform::pieces(n, runs),
            arrays.values,
            bounds.entries,
            bounds.table,
            self.at(&self.sums),
            n as u32,
            FIT,
            projection
        )?;
        let rows = transform::rows_of_sums(n);
        launch!(
            card,
            "add_up",
            blocks(runs, 1, 0),
            self.at(&self.sums),
            self.at(&self.fits),
            rows as u32,
            FIT_SUMS as u32
        )?;
        let held = self.problem.held_out.len();
        launch!(
            card,
            "free_likelihood",
            transform::pieces(held.max(1), runs),
            arrays.values,
            self.at(&self.held_places),
            self.at(&self.held_observed),
            self.at(&self.fits),
            self.at(&self.sums),
            n as u32,
            held as u32
        )?;
        let rows = transform::rows_of_sums(held.max(1));
        launch!(card, "add_up", blocks(runs, 1, 0), self.at(&self.sums), self.at(&self.free), rows as u32, 1u32)?;
        let mut question = match self.spare.pop() {
            Some(question) => question,
            None => self.question()?,
        };
        let stream = self.card.stream.clone();
        stream.memcpy_dtoh(&self.fits, &mut question.fits)?;
        stream.memcpy_dtoh(&self.free, &mut question.free)?;
        stream.memcpy_dtoh(&self.states, &mut question.states)?;
        question.there.record(&stream)?;
        question.runs = runs;
        self.questions.push_back(question);
        Ok(())
    }

    fn question(&self) -> Result<Question, DriverError> {
        let context = self.card.stream.context();
        // SAFETY: written by the card before anything is read. Plain pages: those that combine writes are slow to read.
        let (fits, free, states) = unsafe {
            (
                context.alloc_pinned_with_flags(self.fits.len(), 0)?,
                context.alloc_pinned_with_flags(self.lanes, 0)?,
                context.alloc_pinned_with_flags(self.lanes, 0)?,
            )
        };
        let there = context.new_event(Some(CUevent_flags::CU_EVENT_DISABLE_TIMING))?;
        Ok(Question { fits, free, states, there, runs: 0 })
    }

    pub(super) fn answer(&self, question: &Question) -> Result<Vec<Option<Fit>>, DriverError> {
        question.there.synchronize()?;
        let (fits, free, states) = (question.fits.as_slice()?, question.free.as_slice()?, question.states.as_slice()?);
        let held_out = self.problem.held_out.len();
        Ok((0..question.runs)
            .map(|run| {
                let sums: [f64; FIT_SUMS] = std::array::from_fn(|k| fits[run * FIT_SUMS + k]);
                if states[run].alive == 0 {
                    return None;
                }
                let part = f64::from(states[run].count) / self.len() as f64;
                Fit::new(sums, (held_out > 0).then(|| free[run] / held_out as f64), part)
            })
            .collect())
    }
}
