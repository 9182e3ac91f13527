//! Vulkan devices, through burn's wgpu backend: none where the program is built without the feature
//! `vulkan`.

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
#[cfg(feature = "vulkan")]
pub(super) fn devices() -> Option<Result<Vec<VulkanDevice>, String>> {
    // burn asks drivers in places that return no error.
    let found = std::panic::catch_unwind(|| {
        let describe = |device: Device| {
            let identity = device.identity();
            let card = identity.as_ref().is_some_and(|identity| identity.physical.is_some());
            VulkanDevice { name: identity.map_or("unnamed".into(), |identity| identity.name), card, device }
        };
        Device::enumerate(burn::tensor::DeviceType::Wgpu).into_iter().map(describe).collect()
    });
    Some(found.map_err(|_| "the Vulkan driver failed".into()))
}

#[cfg(not(feature = "vulkan"))]
pub(super) fn devices() -> Option<Result<Vec<VulkanDevice>, String>> {
    None
}
