//! Runs side by side on the CPU: small arrays one on each thread, where they stay in a core's
//! cache; large ones one after another, each on all threads.

use super::single::Cpu;
use crate::error::Result;
use crate::phasing::backend::{Backend, Finished, Fit, GapConstraint, Start, View};
use crate::phasing::problem::Problem;
use crate::phasing::rules::Cycle;
use crate::phasing::start::half;
use crate::phasing::support::{Cut, SupportRule};
use crate::volume::Cornered;
use rayon::prelude::*;
use std::collections::VecDeque;
use std::sync::Arc;

/// Most pixels of which each run has a thread of its own: beyond, runs that share a cache gain
/// nothing.
const SMALL: usize = 1 << 18;

/// A batch of runs on the CPU. The result of a run does not depend on their number.
pub struct Batch {
    problem: Arc<Problem>,
    batch_size: usize,
    slots: Vec<Slot>,
    /// Runs of the current batch; the arrays of the other slots wait for a larger one.
    active: usize,
    fits: VecDeque<Vec<Option<Fit>>>,
}

/// The arrays of one run of a batch.
struct Slot {
    cpu: Cpu,
    /// The support before it was halved.
    whole: Option<Cornered<bool>>,
    /// Whether its object was finite and not zero at every support update.
    alive: bool,
}

impl Batch {
    /// A backend for `count` runs in all, of which as many advance together as there are threads
    /// for.
    pub fn new(problem: Arc<Problem>, count: usize) -> Self {
        let batch_size = Self::size_for(problem.len(), count);
        Batch { problem, batch_size, slots: Vec::new(), active: 0, fits: VecDeque::new() }
    }

    /// Batch size for problems of `pixels` pixels, if there are `count` runs in all.
    pub fn size_for(pixels: usize, count: usize) -> usize {
        if pixels <= SMALL { rayon::current_num_threads().min(count).max(1) } else { 1 }
    }

    fn each(&mut self, work: impl Fn(&mut Slot) + Sync + Send) {
        match &mut self.slots[..self.active] {
            [one] => work(one),
            all => all.par_iter_mut().with_max_len(1).for_each(work),
        }
    }
}

impl Backend for Batch {
    fn batch_size(&self) -> usize {
        self.batch_size
    }

    fn start(&mut self, starts: &[Start]) {
        while self.slots.len() < starts.len() {
            self.slots.push(Slot { cpu: Cpu::new(Arc::clone(&self.problem)), whole: None, alive: true });
        }
        self.active = starts.len();
        self.fits.clear();
        for (slot, start) in self.slots.iter_mut().zip(starts) {
            slot.cpu.start(&start.object, &start.support);
            (slot.whole, slot.alive) = (None, true);
        }
    }

    fn cycles(&mut self, cycle: Cycle, n: usize) {
        self.each(|slot| slot.cpu.cycles(cycle, n));
    }

    fn conjugate_gradients(&mut self, n: usize) {
        self.each(|slot| slot.cpu.conjugate_gradients(n));
    }

    fn update_supports(&mut self, rule: &SupportRule, cuts: &[Cut]) {
        assert_eq!(cuts.len(), self.active, "one cut for each run");
        let slots = self.slots[..self.active].par_iter_mut().with_max_len(1);
        slots.zip(cuts).for_each(|(slot, &cut)| {
            let rule = SupportRule { cut, ..rule.clone() };
            slot.alive &= slot.cpu.update_support(&rule).alive;
        });
    }

    fn halve_supports(&mut self) {
        self.each(|slot| {
            let whole = slot.cpu.support();
            slot.cpu.set_support(&half(&whole));
            slot.whole = Some(whole);
        });
    }

    fn restore_supports(&mut self) {
        self.each(|slot| {
            if let Some(whole) = slot.whole.take() {
                slot.cpu.set_support(&whole);
            }
        });
    }

    fn set_gap_constraint(&mut self, gaps: GapConstraint) {
        self.each(|slot| slot.cpu.set_gap_constraint(gaps));
    }

    fn set_psf(&mut self, on: bool) {
        self.each(|slot| slot.cpu.set_psf(on));
    }

    fn update_psf(&mut self) {
        self.each(|slot| slot.cpu.update_psf());
    }

    fn request_fit(&mut self) {
        let slots = self.slots[..self.active].par_iter_mut().with_max_len(1);
        self.fits.push_back(slots.map(|slot| if slot.alive { slot.cpu.fit() } else { None }).collect());
    }

    fn collect_fits(&mut self) -> Result<Vec<Option<Fit>>> {
        Ok(self.fits.pop_front().unwrap_or_default())
    }

    fn finish(&mut self, run: usize) -> Result<Finished> {
        let cpu = &mut self.slots[run].cpu;
        Ok(Finished { density: cpu.density(false), object: cpu.object(), support: cpu.support(), psf: cpu.psf() })
    }

    fn view(&mut self, run: usize) -> Option<View> {
        let cpu = &self.slots[run].cpu;
        Some(View { object: cpu.object(), support: cpu.support() })
    }

    fn problem(&self) -> &Problem {
        &self.problem
    }
}
