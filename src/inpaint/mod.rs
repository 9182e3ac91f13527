//! Estimates of the intensities in detector gaps.

mod biharmonic;
pub mod calibration;
mod distance;
pub mod fill;
pub mod kriging;
mod lines;
pub mod model;
pub mod patch;
pub mod predict;
pub mod treatment;
pub mod unet;
pub(crate) mod weights;

pub use fill::{Fill, FillOptions, fill};
pub use treatment::{GapBounds, GapSource, GapTreatment};

/// Distance of each pixel to the nearest measured one, pixels: within its frame, or in the volume.
pub fn distance_to_measured(measured: &ndarray::Array3<bool>, volume: bool) -> ndarray::Array3<f32> {
    distance::to_nearest(measured.view(), volume)
}
