//! Vulkan devices, through burn's wgpu backend.

use super::device::VulkanDevice;
use burn::tensor::{Device, DeviceType};
use std::panic::catch_unwind;

/// The devices whose drivers are installed; `None` in a program without Vulkan.
///
/// # Errors
/// What a driver said that could not be asked.
pub(super) fn devices() -> Option<Result<Vec<VulkanDevice>, String>> {
    // burn asks drivers in places that return no error.
    let found = catch_unwind(|| {
        let describe = |device: Device| {
            let identity = device.identity();
            let card = identity.as_ref().is_some_and(|identity| identity.physical.is_some());
            VulkanDevice { name: identity.map_or("unnamed".into(), |identity| identity.name), card, device }
        };
        Device::enumerate(DeviceType::Vulkan).into_iter().map(describe).collect()
    });
    Some(found.map_err(|_| "the Vulkan driver failed".into()))
}
