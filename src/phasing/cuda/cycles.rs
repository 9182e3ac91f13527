//! Cycles on a GPU, queued as graphs: captured when they are done for the first time, in one call
//! from then on.

use super::arrays::PassArrays;
use super::engine::Engine;
use super::layout::{ObjectWork, Output, RuleNumbers, Source};
use crate::phasing::rules::{Cycle, Rule};
use cudarc::driver::sys::{CUgraphInstantiate_flags, CUstreamCaptureMode};
use cudarc::driver::{CudaGraph, DriverError};
use std::collections::HashMap;

/// All that decides what a graph does: the numbers of its kernels, cycles and runs.
#[derive(PartialEq, Eq, Hash)]
struct Key {
    numbers: Vec<u32>,
    cycles: usize,
    runs: usize,
}

/// Most captured graphs that are kept.
const MOST_GRAPHS: usize = 32;

/// The cycles that were captured.
#[derive(Default)]
pub struct CycleGraphs {
    graphs: HashMap<Key, CudaGraph>,
}

impl CycleGraphs {
    /// Queues `n` cycles.
    pub fn queue(&mut self, engine: &Engine, cycle: Cycle, n: usize) -> Result<(), DriverError> {
        let mut numbers = vec![engine.gaps.leak.to_bits(), engine.gaps.released.into(), engine.blurs().into()];
        match cycle {
            Cycle::Rule(rule) => {
                numbers.extend([rule.inside, rule.outside].as_flattened().iter().map(|v| v.to_bits()));
                if let Some(decision) = rule.decision {
                    numbers.extend([decision.weights[0], decision.weights[1], decision.threshold].map(f32::to_bits));
                }
                self.repeated(engine, numbers, n, &|| rule_cycles(engine, &rule, n))
            }
            Cycle::DifferenceMap { beta, positivity } => {
                numbers.extend([beta.to_bits(), positivity.into()]);
                self.repeated(engine, numbers, n, &|| difference_map(engine, beta, positivity, n))
            }
        }
    }

    /// Queues what `work` queues, from a graph where there is one.
    fn repeated(
        &mut self,
        engine: &Engine,
        numbers: Vec<u32>,
        cycles: usize,
        work: &dyn Fn() -> Result<(), DriverError>,
    ) -> Result<(), DriverError> {
        let key = Key { numbers, cycles, runs: engine.runs.active };
        if let Some(graph) = self.graphs.get(&key) {
            return graph.launch();
        }
        let stream = &engine.device.stream;
        stream.begin_capture(CUstreamCaptureMode::CU_STREAM_CAPTURE_MODE_THREAD_LOCAL)?;
        let queued = work();
        let graph = stream.end_capture(CUgraphInstantiate_flags::CUDA_GRAPH_INSTANTIATE_FLAG_AUTO_FREE_ON_LAUNCH);
        queued?;
        let Some(graph) = graph? else { return work() };
        graph.launch()?;
        if self.graphs.len() >= MOST_GRAPHS {
            // One of them may be running.
            stream.synchronize()?;
            self.graphs.clear();
        }
        self.graphs.insert(key, graph);
        Ok(())
    }
}

/// `n` cycles of a rule: in between, objects are only where a pass has them.
fn rule_cycles(engine: &Engine, rule: &Rule, n: usize) -> Result<(), DriverError> {
    let numbers = RuleNumbers::new(rule, engine.data.real);
    let arrays = engine.arrays();
    let fresh = rule.needs_no_object();
    engine.pass(arrays, ObjectWork::new(Source::Object, Output::Values).forward(), numbers)?;
    for cycle in 1..=n {
        engine.project(arrays.values)?;
        let last = cycle == n;
        let work = ObjectWork {
            forward: (!last).into(),
            keep: (last || !fresh).into(),
            fresh: fresh.into(),
            ..ObjectWork::new(Source::Fourier, Output::Rule)
        };
        engine.pass(arrays, work, numbers)?;
    }
    Ok(())
}

/// `n` cycles of the difference map, as in [`crate::phasing::cpu::Cpu`].
fn difference_map(engine: &Engine, beta: f32, positivity: bool, n: usize) -> Result<(), DriverError> {
    let arrays = engine.arrays();
    let rule = RuleNumbers::default();
    let work = |source, output| ObjectWork {
        positivity: positivity.into(),
        real: engine.data.real.into(),
        keep: 1,
        beta,
        ..ObjectWork::new(source, output)
    };
    for _ in 0..n {
        engine.pass(arrays, work(Source::RelaxedObject, Output::Values).forward(), rule)?;
        engine.project(arrays.values)?;
        let second = PassArrays { object: arrays.second, ..arrays };
        engine.pass(second, work(Source::Fourier, Output::Object), rule)?;
        engine.pass(arrays, work(Source::Object, Output::Values).forward(), rule)?;
        engine.project(arrays.values)?;
        engine.pass(arrays, work(Source::Fourier, Output::DifferenceMap), rule)?;
    }
    Ok(())
}
