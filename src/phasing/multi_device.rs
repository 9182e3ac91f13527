//! MultiDevice devices as one: runs are dealt out among them.

use super::backend::{Backend, Finished, Fit, Gaps, Start};
use super::problem::Problem;
use super::rules::Cycle;
use super::support::SupportRule;
use crate::error::Result;

/// Backends of the same problem. Each takes as many runs of a batch as it has lanes; what they are asked to do they do at the same time,
/// if they queue it.
pub struct MultiDevice {
    backends: Vec<Box<dyn Backend>>,
    /// Runs of this batch on each of them.
    dealt: Vec<usize>,
}

impl MultiDevice {
    /// Joins backends.
    ///
    /// # Panics
    /// If there are none.
    pub fn new(backends: Vec<Box<dyn Backend>>) -> Self {
        assert!(!backends.is_empty(), "at least one backend");
        MultiDevice { dealt: vec![0; backends.len()], backends }
    }

    fn busy(&mut self) -> impl Iterator<Item = &mut Box<dyn Backend>> {
        self.backends.iter_mut().zip(&self.dealt).filter(|(_, runs)| **runs > 0).map(|(backend, _)| backend)
    }
}

impl Backend for MultiDevice {
    fn batch_size(&self) -> usize {
        self.backends.iter().map(|backend| backend.batch_size()).sum()
    }

    /// Evenly, as far as lanes go: two cards with room for all runs take half of them each.
    fn start(&mut self, starts: &[Start]) {
        self.dealt.fill(0);
        for _ in starts {
            let open = (0..self.backends.len()).filter(|&k| self.dealt[k] < self.backends[k].batch_size());
            if let Some(least) = open.min_by_key(|&k| self.dealt[k]) {
                self.dealt[least] += 1;
            }
        }
        let mut rest = starts;
        for (backend, &runs) in self.backends.iter_mut().zip(&self.dealt).filter(|(_, runs)| **runs > 0) {
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

    fn update_supports(&mut self, rules: &[SupportRule]) {
        let mut rest = rules;
        for (backend, &runs) in self.backends.iter_mut().zip(&self.dealt).filter(|(_, runs)| **runs > 0) {
            let (own, others) = rest.split_at(runs);
            backend.update_supports(own);
            rest = others;
        }
    }

    fn halve_supports(&mut self) {
        self.busy().for_each(|backend| backend.halve_supports());
    }

    fn whole_supports(&mut self) {
        self.busy().for_each(|backend| backend.whole_supports());
    }

    fn set_gaps(&mut self, gaps: Gaps) {
        self.busy().for_each(|backend| backend.set_gaps(gaps));
    }

    fn measure(&mut self) {
        self.busy().for_each(|backend| backend.measure());
    }

    fn measured(&mut self) -> Result<Vec<Fit>> {
        let mut all = Vec::new();
        for backend in self.busy() {
            all.extend(backend.measured()?);
        }
        Ok(all)
    }

    fn finish(&mut self, run: usize) -> Result<Finished> {
        let mut first = 0;
        for (backend, &runs) in self.backends.iter_mut().zip(&self.dealt) {
            if run < first + runs {
                return backend.finish(run - first);
            }
            first += runs;
        }
        unreachable!("a run of the batch")
    }

    fn problem(&self) -> &Problem {
        self.backends[0].problem()
    }
}
