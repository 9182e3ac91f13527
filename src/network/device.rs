//! Devices that networks run on: the processor, or a graphics card through Vulkan.

use super::vulkan::{self, VulkanDevice};
use crate::error::{Error, Result};
use burn::tensor::Device;
use std::fmt;
use std::str::FromStr;

/// A device that is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum NetworkDevice {
    /// The first graphics card, or the processor where there is none.
    Auto,
    /// The processor.
    #[default]
    Cpu,
    /// The Vulkan device with this number, also one that only computes on the processor.
    Vulkan(usize),
}

/// A device that networks can be moved to.
#[derive(Debug, Clone)]
pub struct OpenNetworkDevice {
    /// The device, as burn knows it.
    pub device: Device,
    /// Name of the device: `cpu`, or `vulkan:0 (AMD Radeon RX 7900)`.
    pub name: String,
    /// Why it is not the card that was hoped for.
    pub fallback: Option<String>,
}

impl NetworkDevice {
    /// Opens the device; `setting` names in errors what it was asked for with.
    ///
    /// # Errors
    /// [`Error::Setting`] for a Vulkan device that is not there, or whose driver computes nonsense.
    pub fn open(self, setting: &str) -> Result<OpenNetworkDevice> {
        let cpu = |fallback| OpenNetworkDevice { device: Device::flex(), name: "cpu".into(), fallback };
        let refused = |problem: String| Error::setting(setting, self, problem);
        match self {
            NetworkDevice::Cpu => Ok(cpu(None)),
            NetworkDevice::Auto => Ok(match vulkan::devices() {
                // A build without Vulkan has nothing to fall back from.
                None => cpu(None),
                Some(Err(problem)) => cpu(Some(problem)),
                Some(Ok(devices)) => match devices.into_iter().enumerate().find(|(_, found)| found.card) {
                    Some((number, found)) => opened(number, found).unwrap_or_else(|problem| cpu(Some(problem))),
                    None => cpu(Some("there is no graphics card with a Vulkan driver".into())),
                },
            }),
            NetworkDevice::Vulkan(number) => {
                let devices = vulkan::devices()
                    .ok_or_else(|| refused("this program was built without the feature `vulkan`".into()))?
                    .map_err(refused)?;
                let count = devices.len();
                match devices.into_iter().nth(number) {
                    Some(found) => opened(number, found).map_err(refused),
                    None if count == 0 => Err(refused("there is no Vulkan driver: give cpu, or auto".into())),
                    None => Err(refused(format!("the devices here are vulkan:0 to vulkan:{}", count - 1))),
                }
            }
        }
    }
}

/// The device, or why it cannot be used.
fn opened(number: usize, found: VulkanDevice) -> Result<OpenNetworkDevice, String> {
    found.check().map_err(|problem| format!("{} cannot be used: {problem}", found.name))?;
    let name = format!("vulkan:{number} ({})", found.name);
    Ok(OpenNetworkDevice { device: found.device, name, fallback: None })
}

/// Whether a device is the processor, on which many small pieces of work advance side by side; a
/// card takes them one after another, each as large as it can be.
pub fn is_processor(device: &Device) -> bool {
    device.clone().inner() == Device::flex()
}

impl FromStr for NetworkDevice {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let lower = text.trim().to_ascii_lowercase();
        let number = match lower.strip_prefix("vulkan") {
            Some("") => Some(0),
            Some(rest) => rest.strip_prefix(':').and_then(|number| number.parse().ok()),
            None => None,
        };
        match (lower.as_str(), number) {
            ("auto", _) => Ok(NetworkDevice::Auto),
            ("cpu", _) => Ok(NetworkDevice::Cpu),
            (_, Some(number)) => Ok(NetworkDevice::Vulkan(number)),
            _ => Err(Error::setting("device", text, "takes auto, cpu, vulkan or vulkan:N")),
        }
    }
}

impl fmt::Display for NetworkDevice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NetworkDevice::Auto => f.write_str("auto"),
            NetworkDevice::Cpu => f.write_str("cpu"),
            NetworkDevice::Vulkan(number) => write!(f, "vulkan:{number}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_are_read_and_printed() {
        for (text, expected) in [("auto", "auto"), ("CPU", "cpu"), ("vulkan", "vulkan:0"), ("Vulkan:2", "vulkan:2")] {
            assert_eq!(text.parse::<NetworkDevice>().unwrap().to_string(), expected);
        }
        for text in ["gpu", "cuda", "vulkan:", "vulkan:x", "vulkan2", ""] {
            let error = text.parse::<NetworkDevice>().unwrap_err().to_string();
            assert!(error.ends_with("takes auto, cpu, vulkan or vulkan:N"), "{error}");
        }
    }

    #[test]
    fn the_processor_is_always_there() {
        for device in [NetworkDevice::Cpu, NetworkDevice::Auto] {
            let open = device.open("device").unwrap();
            assert!(is_processor(&open.device) == (open.name == "cpu"), "{open:?}");
            assert!(is_processor(&open.device.autodiff()) == (open.name == "cpu"));
        }
    }

    #[test]
    fn a_device_that_is_not_there_is_refused_in_one_line() {
        let error = NetworkDevice::Vulkan(1000).open("device").unwrap_err().to_string();
        assert!(error.starts_with("device = vulkan:1000: ") && !error.contains('\n'), "{error}");
    }
}
