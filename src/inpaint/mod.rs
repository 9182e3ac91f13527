//! Estimates of the intensities in detector gaps.

mod biharmonic;
mod distance;
pub mod fill;

pub use fill::{Fill, FillOptions, fill};
