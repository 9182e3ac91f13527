//! Coherent diffraction imaging with detector gaps.

pub mod error;
pub mod fft;
pub mod geometry;
pub mod inpaint;
pub mod pixels;
pub mod prepare;
pub mod simulate;
pub mod volume;
