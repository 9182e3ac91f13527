//! Where the program is built without the feature `vulkan`.

use burn::tensor::Device;

/// A Vulkan device of this machine.
#[derive(Debug, Clone)]
pub(super) struct VulkanDevice {
    pub device: Device,
    /// Name that its driver states.
    pub name: String,
    /// Whether it is a card, and no software that computes on the processor.
    pub card: bool,
}

/// The devices whose drivers are installed; `None` in a program without Vulkan.
///
/// # Errors
/// What a driver said that could not be asked.
pub(super) fn devices() -> Option<Result<Vec<VulkanDevice>, String>> {
    None
}
