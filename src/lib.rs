//! Coherent diffraction imaging with detector gaps.
//!
//! A coherent diffraction pattern holds intensities only; iterative algorithms find the phases and so the object. Detectors
//! have gaps. Lacuna knows for every pixel which moduli it allows (an interval: [`pixels`]), estimates what the gaps hide
//! ([`inpaint`]), phases with what is known and nothing more ([`phasing`]), and says how far to trust the result
//! ([`metrics`], [`report`]).
//!
//! # Conventions
//! - Arrays are C-ordered `(z, y, x)`; a 2D pattern has `z = 1`. Zero frequency is at index `n / 2` in files and in the public
//!   API ([`volume::Centered`]), at 0 inside the phasing engine ([`volume::Cornered`]).
//! - Transforms are unitary, so the squared norm of the object is the number of photons.
//! - SI units: metres, joules; intensities in photons.
//! - A *cycle* is one pair of transforms, a *run* one random start. The same seed gives the same result on the CPU whatever the
//!   number of threads.

pub mod compare;
pub mod error;
pub mod evaluate;
pub mod fft;
pub mod geometry;
pub mod inpaint;
pub mod io;
pub mod metrics;
pub mod network;
pub mod parameters;
pub mod phasing;
pub mod pixels;
pub mod prepare;
pub mod reconstruct;
pub mod report;
pub mod settings;
pub mod simulate;
pub mod training;
pub mod volume;

pub use error::{Error, Result};
pub use reconstruct::reconstruct;
pub use settings::Settings;
