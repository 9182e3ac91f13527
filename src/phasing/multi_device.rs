//! Several devices as one: the runs of a batch are divided among them.

use super::backend::{Backend, Finished, Fit, GapConstraint, Start, View};
use super::problem::Problem;
use super::rules::Cycle;
use super::support::{Cut, SupportRule};
use crate::error::Result;

/// Several backends of the same problem. Each takes at most its batch size of the runs; they work
/// at the same time, if they queue their work.
pub struct MultiDevice {
    backends: Vec<Box<dyn Backend>>,
    /// Runs of the current batch on each of them.
    assigned: Vec<usize>,
}

impl MultiDevice {
    /// A backend that divides batches among these.
    ///
    /// # Panics
    /// If there are none.
    pub fn new(backends: Vec<Box<dyn Backend>>) -> Self {
        assert!(!backends.is_empty(), "at least one backend");
        MultiDevice { assigned: vec![0; backends.len()], backends }
    }

    /// The backend of a run of the batch, and the number that the run has there.
    fn of_run(&mut self, run: usize) -> (&mut dyn Backend, usize) {
        let mut first = 0;
        for (backend, &runs) in self.backends.iter_mut().zip(&self.assigned) {
            if run < first + runs {
                return (&mut **backend, run - first);
            }
            first += runs;
        }
        unreachable!("a run of the batch")
    }

    fn busy(&mut self) -> impl Iterator<Item = &mut Box<dyn Backend>> {
        self.backends.iter_mut().zip(&self.assigned).filter(|(_, runs)| **runs > 0).map(|(backend, _)| backend)
    }
}

impl Backend for MultiDevice {
    fn batch_size(&self) -> usize {
        self.backends.iter().map(|backend| backend.batch_size()).sum()
    }

    /// Divides the runs evenly, as far as batch sizes allow: two GPUs with memory for all runs take
    /// half of them each.
    fn start(&mut self, starts: &[Start]) {
        self.assigned.fill(0);
        for _ in starts {
            let open = (0..self.backends.len()).filter(|&k| self.assigned[k] < self.backends[k].batch_size());
            if let Some(least) = open.min_by_key(|&k| self.assigned[k]) {
                self.assigned[least] += 1;
            }
        }
        let mut rest = starts;
        for (backend, &runs) in self.backends.iter_mut().zip(&self.assigned).filter(|(_, runs)| **runs > 0) {
            let (own, others) = rest.split_at(runs);
            backend.start(own);
            rest = others;
        }
    }

    fn cycles(&mut self, cycle: Cycle, n: usize) {
        self.busy().for_each(|backend| backend.cycles(cycle, n));
    }

    fn conjugate_gradients(&mut self, n: usize) {
        self.busy().for_each(|backend| backend.conjugate_gradients(n));
    }

    fn update_supports(&mut self, rule: &SupportRule, cuts: &[Cut]) {
        let mut rest = cuts;
        for (backend, &runs) in self.backends.iter_mut().zip(&self.assigned).filter(|(_, runs)| **runs > 0) {
            let (own, others) = rest.split_at(runs);
            backend.update_supports(rule, own);
            rest = others;
        }
    }

    fn halve_supports(&mut self) {
        self.busy().for_each(|backend| backend.halve_supports());
    }

    fn restore_supports(&mut self) {
        self.busy().for_each(|backend| backend.restore_supports());
    }

    fn set_gap_constraint(&mut self, gaps: GapConstraint) {
        self.busy().for_each(|backend| backend.set_gap_constraint(gaps));
    }

    fn set_psf(&mut self, on: bool) {
        self.busy().for_each(|backend| backend.set_psf(on));
    }

    fn update_psf(&mut self) {
        self.busy().for_each(|backend| backend.update_psf());
    }

    fn request_fit(&mut self) {
        self.busy().for_each(|backend| backend.request_fit());
    }

    fn collect_fits(&mut self) -> Result<Vec<Option<Fit>>> {
        let mut all = Vec::new();
        for backend in self.busy() {
            all.extend(backend.collect_fits()?);
        }
        Ok(all)
    }

    fn finish(&mut self, run: usize) -> Result<Finished> {
        let (backend, run) = self.of_run(run);
        backend.finish(run)
    }

    fn view(&mut self, run: usize) -> Option<View> {
        let (backend, run) = self.of_run(run);
        backend.view(run)
    }

    fn problem(&self) -> &Problem {
        self.backends[0].problem()
    }
}
