//! Coherent diffraction imaging; the module map of this branch.

pub mod error;
pub mod fft;
pub mod geometry;
pub mod metrics;
pub mod pixels;
pub mod report;
pub mod volume;
