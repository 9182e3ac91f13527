//! Coherent diffraction imaging with detector gaps.

pub mod error;
pub mod geometry;
pub mod io;
pub mod pixels;
pub mod volume;
