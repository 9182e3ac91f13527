//! Where the program is built without the feature `vulkan`.

use super::device::VulkanDevice;

/// The devices whose drivers are installed; `None` in a program without Vulkan.
///
/// # Errors
/// What a driver said that could not be asked.
pub(super) fn devices() -> Option<Result<Vec<VulkanDevice>, String>> {
    None
}
