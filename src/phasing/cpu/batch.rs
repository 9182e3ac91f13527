//! Runs side by side on the CPU: small arrays one a thread, where they stay in a core's cache; large ones one after another, each on
//! all threads.

use super::Cpu;
use crate::error::Result;
use crate::phasing::backend::{Backend, Finished, Fit, Gaps, Start};
use crate::phasing::problem::Problem;
use crate::phasing::rules::Cycle;
use crate::phasing::start::half;
use crate::phasing::support::SupportRule;
use crate::volume::Cornered;
use rayon::prelude::*;
use std::collections::VecDeque;
use std::sync::Arc;

/// Pixels up to which a run has a thread for itself: beyond, runs that share a cache gain nothing.
const SMALL: usize = 1 << 18;

/// Any number of runs on the CPU. What comes out does not depend on how many there are.
pub struct Batch {
    problem: Arc<Problem>,
    lanes: usize,
    runs: Vec<Lane>,
    /// Runs of the batch that is under way; the others' arrays wait for the next one.
    active: usize,
    answers: VecDeque<Vec<Fit>>,
}

struct Lane {
    cpu: Cpu,
    whole: Option<Cornered<bool>>,
    alive: bool,
}

impl Batch {
    /// As many runs at a time as threads can do side by side, but not more than `count`.
    pub fn new(problem: Arc<Problem>, count: usize) -> Self {
        let lanes = Self::size_for(problem.len(), count);
        Batch { problem, lanes, runs: Vec::new(), active: 0, answers: VecDeque::new() }
    }

    /// Runs side by side of problems of so many pixels, if there are `count` runs in all.
    pub fn size_for(pixels: usize, count: usize) -> usize {
        if pixels <= SMALL { rayon::current_num_threads().min(count).max(1) } else { 1 }
    }

    fn each(&mut self, work: impl Fn(&mut Lane) + Sync + Send) {
        match &mut self.runs[..self.active] {
            [one] => work(one),
            many => many.par_iter_mut().with_max_len(1).for_each(work),
        }
    }
}

impl Backend for Batch {
    fn batch_size(&self) -> usize {
        self.lanes
    }

    fn start(&mut self, starts: &[Start]) {
        while self.runs.len() < starts.len() {
            self.runs.push(Lane { cpu: Cpu::new(Arc::clone(&self.problem)), whole: None, alive: true });
        }
        self.active = starts.len();
        self.answers.clear();
        for (lane, start) in self.runs.iter_mut().zip(starts) {
            lane.cpu.start(&start.object, &start.support);
            (lane.whole, lane.alive) = (None, true);
        }
    }

    fn cycles(&mut self, cycle: Cycle, n: usize) {
        self.each(|lane| lane.cpu.cycles(cycle, n));
    }

    fn conjugate_gradients(&mut self, n: usize) {
        self.each(|lane| lane.cpu.conjugate_gradients(n));
    }

    fn update_supports(&mut self, rules: &[SupportRule]) {
        let lanes = self.runs[..self.active].par_iter_mut().with_max_len(1);
        lanes.zip(rules).for_each(|(lane, rule)| lane.alive &= lane.cpu.update_support(rule).alive);
    }

    fn halve_supports(&mut self) {
        self.each(|lane| {
            let whole = lane.cpu.support();
            lane.cpu.set_support(&half(&whole));
            lane.whole = Some(whole);
        });
    }

    fn whole_supports(&mut self) {
        self.each(|lane| {
            if let Some(whole) = lane.whole.take() {
                lane.cpu.set_support(&whole);
            }
        });
    }

    fn set_gaps(&mut self, gaps: Gaps) {
        self.each(|lane| lane.cpu.set_gaps(gaps));
    }

    fn measure(&mut self) {
        let lanes = self.runs[..self.active].par_iter_mut().with_max_len(1);
        let fits = lanes.map(|lane| if lane.alive { lane.cpu.fit() } else { Fit::NONE }).collect();
        self.answers.push_back(fits);
    }

    fn measured(&mut self) -> Result<Vec<Fit>> {
        Ok(self.answers.pop_front().unwrap_or_default())
    }

    fn finish(&mut self, run: usize) -> Result<Finished> {
        let cpu = &mut self.runs[run].cpu;
        Ok(Finished { density: cpu.density(false), object: cpu.object(), support: cpu.support() })
    }

    fn problem(&self) -> &Problem {
        &self.problem
    }
}
