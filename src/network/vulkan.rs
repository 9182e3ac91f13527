//! Vulkan devices, through burn's wgpu backend: none where the program is built without the feature
//! `vulkan`.

use burn::tensor::Device;
#[cfg(feature = "vulkan")]
use burn::tensor::Tensor;

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

impl VulkanDevice {
    /// Refuses a driver that computes nonsense. Mesa's software driver up to some version after 22.3
    /// ends every loop after 65535 passes without a word, so that long sums lack most of their terms:
    /// gradients of the weights of volumes, for instance.
    ///
    /// # Errors
    /// What the driver does.
    #[cfg(feature = "vulkan")]
    pub fn check(&self) -> Result<(), String> {
        const TERMS: usize = 1 << 20;
        let device = self.device.clone();
        let sum =
            std::panic::catch_unwind(move || Tensor::<2>::ones([1, TERMS], &device).sum_dim(1).into_scalar::<f32>());
        match sum {
            Ok(sum) if sum == TERMS as f32 => Ok(()),
            Ok(sum) => Err(format!("its driver is too old: a sum of {TERMS} ones is {sum}")),
            Err(_) => Err("its driver failed".into()),
        }
    }

    #[cfg(not(feature = "vulkan"))]
    pub fn check(&self) -> Result<(), String> {
        Ok(())
    }
}

#[cfg(not(feature = "vulkan"))]
pub(super) fn devices() -> Option<Result<Vec<VulkanDevice>, String>> {
    None
}
