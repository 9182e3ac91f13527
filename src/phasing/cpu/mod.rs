//! The CPU backend: a cycle is two passes over memory, in which everything is done to values while
//! they are in cache ([`crate::fft`]). Sums go over fixed pieces in order, so results do not depend
//! on the number of threads.

mod batch;
mod blur;
mod gradient;
mod kernels;
mod single;
pub(super) mod sums;

pub use batch::Batch;
pub(super) use single::fit_terms;
pub use single::{Cpu, project_modulus};
