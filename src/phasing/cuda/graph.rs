//! Cycles that are queued in one call: captured when they are done for the first time.

use super::Cuda;
use cudarc::driver::DriverError;
use cudarc::driver::sys::{CUgraphInstantiate_flags, CUstreamCaptureMode};

/// Cycles that were captured once, to be queued in one call.
#[derive(PartialEq, Eq, Hash)]
pub struct Key {
    pub numbers: Vec<u32>,
    pub cycles: usize,
    pub runs: usize,
}

/// Most captured graphs that are kept.
const GRAPHS: usize = 32;

impl Cuda {
    /// Queues what `work` queues; the second time from a graph, in one call.
    pub(super) fn repeated(
        &mut self,
        key: Key,
        work: impl Fn(&Self) -> Result<(), DriverError>,
    ) -> Result<(), DriverError> {
        if let Some(graph) = self.graphs.get(&key) {
            return graph.launch();
        }
        let stream = self.card.stream.clone();
        stream.begin_capture(CUstreamCaptureMode::CU_STREAM_CAPTURE_MODE_THREAD_LOCAL)?;
        let queued = work(self);
        let graph = stream.end_capture(CUgraphInstantiate_flags::CUDA_GRAPH_INSTANTIATE_FLAG_AUTO_FREE_ON_LAUNCH);
        queued?;
        let Some(graph) = graph? else { return work(self) };
        graph.launch()?;
        if self.graphs.len() >= GRAPHS {
            // One of them may be under way.
            stream.synchronize()?;
            self.graphs.clear();
        }
        self.graphs.insert(key, graph);
        Ok(())
    }
}
