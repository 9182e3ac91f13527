//! Simulated diffraction patterns: particles, their far fields, detectors, and measurements.
//!
//! [`recipe::Recipe`] names the ranges of everything, [`pattern::pattern`] draws one pattern with
//! its truth. The parts stand alone: [`object`] makes particles, [`farfield`] transforms them,
//! [`measure`] blurs, counts and breaks pixels, [`gaps`], [`detector`] and [`beamstop`] say where
//! the detector is blind.

pub mod beamstop;
pub mod detector;
pub mod draw;
mod example;
pub mod farfield;
pub mod gaps;
pub mod laboratory;
pub mod measure;
pub mod object;
pub mod pattern;
pub mod recipe;
pub(crate) mod shapes;
mod single;
mod weights;

pub use example::{Example, example};
pub use single::SinglePattern;
