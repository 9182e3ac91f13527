//! Estimates of the intensities in detector gaps.

mod biharmonic;
mod distance;
pub mod fill;
pub mod model;
pub mod patch;
pub mod unet;

pub use fill::{Fill, FillOptions, fill};
