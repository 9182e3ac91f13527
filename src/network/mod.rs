//! Convolutional networks at the speed of the processor.
//!
//! [`conv`] holds the kernels and knows nothing of burn: it could be a crate of its own. [`ops`]
//! makes burn operations of them, with gradients; on devices other than the processor they are
//! burn's own. Networks are built from [`ops`] elsewhere.
//! [`NetworkDevice`] names the devices that there are.

// Public for `benches/network` alone.
#[doc(hidden)]
pub mod conv;
mod device;
pub mod ops;
mod vulkan;

pub use device::{NetworkDevice, OpenNetworkDevice, is_processor};
