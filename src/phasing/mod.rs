//! Phase retrieval: the problem ([`problem`]), the recipe ([`recipe`]), the devices that follow it
//! ([`backend`], [`cpu`], GPUs; [`select`]), single runs ([`run`], [`walk`]) and ensembles of them
//! ([`ensemble`]).
//!
//! A *cycle* is one pair of transforms, a *run* one random start. Inside this module zero frequency
//! is at index 0.

mod areas;
pub mod average;
pub mod backend;
pub mod bound;
pub mod combine;
pub mod complete;
mod convolve;
pub mod cpu;
#[cfg(feature = "cuda")]
#[allow(unsafe_code)] // Kernels are called with addresses.
pub mod cuda;
mod ends;
pub mod ensemble;
pub mod guided;
mod lbfgs;
pub mod look;
pub mod memory;
pub mod multi_device;
pub mod noise;
mod parse;
pub mod problem;
pub mod psf;
pub mod recipe;
pub mod rules;
pub mod run;
pub mod run_summary;
pub mod search;
pub mod select;
pub mod smooth;
pub mod start;
pub mod support;
#[cfg(test)]
pub(crate) mod testing;
pub mod walk;

pub use backend::{Backend, Fit};
pub use problem::Problem;
pub use recipe::Recipe;
pub use rules::Algorithm;
