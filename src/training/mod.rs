//! What the network learns from: random patches of the patterns of a data set.

mod augment;
mod patches;

pub use augment::Augment;
pub use patches::{Patch, PatchOptions, PatchStream};

#[cfg(test)]
mod tests;
