//! Layers of convolutional networks on the processor's cores: channels-last images, packed weights,
//! vector instructions chosen at run time, and results that do not depend on the number of threads.

mod activation;
mod bias_gradient;
mod gather;
mod isa;
mod layout;
mod norm;
mod peak;
mod plan;
mod weight_gradient;
mod weights;
mod window;

pub use activation::Activation;
pub use bias_gradient::bias_gradient;
pub use gather::gather;
pub use isa::Isa;
pub use layout::{join_channels, split_channels, to_channels_first, to_channels_last};
pub use norm::{GroupNorm, Moments};
pub use peak::peak_flops;
pub use plan::GatherPlan;
pub use weight_gradient::weight_gradient;
pub use weights::{PackedWeights, SummedAxis};
pub use window::{Extent, Window};

#[cfg(test)]
mod tests;
