//! Simulated diffraction patterns.

mod example;

pub use example::{Example, example};
