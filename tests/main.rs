//! All integration tests in one binary: each further one would link the whole program again.

#![allow(clippy::unwrap_used, reason = "tests say what they expect by failing")]

mod batch;
mod beamlines;
mod book;
mod cli;
mod compare;
mod crystal;
#[cfg(feature = "cuda")]
mod cuda;
mod figures;
mod fills;
mod fuzz;
mod hidden;
mod interop;
mod kills;
mod laboratory;
mod network;
mod prepare;
mod prepare_centre;
mod prepare_real;
mod psf;
mod reading;
mod readme;
mod real;
mod real_gaps;
mod release;
mod report;
mod rules;
mod search;
mod simulate;
mod structure;
mod treatments;
#[cfg(feature = "vulkan")]
mod vulkan;
mod watch;
