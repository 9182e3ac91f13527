//! The device that phases: what was requested, and what is there.

use super::backend::Backend;
use super::cpu::Batch;
use super::memory;
use super::problem::Problem;
use super::recipe::Recipe;
use crate::error::{Error, Result, bytes_text};
use crate::volume::Shape;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// The value of the setting `device`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Device {
    /// The first GPU if there is one that can be used, otherwise the CPU.
    #[default]
    Auto,
    /// The CPU.
    Cpu,
    /// The GPUs with these numbers.
    Cuda(Vec<usize>),
}

impl FromStr for Device {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let wrong = || Error::setting("device", text, "takes auto, cpu, cuda, cuda:N or cuda:N,M");
        match text.to_ascii_lowercase().as_str() {
            "auto" => Ok(Device::Auto),
            "cpu" => Ok(Device::Cpu),
            "cuda" => Ok(Device::Cuda(vec![0])),
            other => {
                let list = other.strip_prefix("cuda:").ok_or_else(wrong)?;
                let mut ordinals: Vec<usize> =
                    list.split(',').map(|n| n.trim().parse().map_err(|_| wrong())).collect::<Result<_>>()?;
                ordinals.sort_unstable();
                ordinals.dedup();
                Ok(Device::Cuda(ordinals))
            }
        }
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Device::Auto => f.write_str("auto"),
            Device::Cpu => f.write_str("cpu"),
            Device::Cuda(ordinals) => {
                let list: Vec<String> = ordinals.iter().map(usize::to_string).collect();
                write!(f, "cuda:{}", list.join(","))
            }
        }
    }
}

impl TryFrom<String> for Device {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<Device> for String {
    fn from(device: Device) -> String {
        device.to_string()
    }
}

/// An open backend, and one line about it.
pub struct OpenDevice {
    /// Backend, ready to start.
    pub backend: Box<dyn Backend>,
    /// Line for people: what runs where, and why not elsewhere.
    pub note: String,
    /// Name of the device: `cpu` or `cuda:0`.
    pub device: String,
    /// Estimated memory of the machine that phasing takes, bytes.
    pub memory: u64,
}

/// A request for a device: what is to be phased, and how much of the machine it may take.
pub struct DeviceRequest<'a> {
    /// Device that was asked for.
    pub device: &'a Device,
    /// Steps of all runs.
    pub recipe: &'a Recipe,
    /// Number of runs in all.
    pub count: usize,
    /// Number of runs that are kept.
    pub keep: usize,
    /// Memory of the machine that may be used, bytes.
    pub available: u64,
}

impl DeviceRequest<'_> {
    /// Estimates the memory of the machine that phasing on the CPU will take, bytes.
    ///
    /// # Errors
    /// [`Error::Memory`], which says what would fit.
    pub fn memory(&self, shape: Shape) -> Result<u64> {
        let batch_size = Batch::size_for(shape.iter().product(), self.count);
        memory::check(shape, self.recipe, batch_size, self.keep, self.available)
    }

    /// Opens the device.
    ///
    /// # Errors
    /// If the machine's memory is too small, or a GPU that was named cannot be used.
    pub fn open(&self, problem: Arc<Problem>) -> Result<OpenDevice> {
        let needed = self.memory(problem.shape())?;
        let cpu = |why: String| {
            let backend = Box::new(Batch::new(Arc::clone(&problem), self.count));
            let note = format!(
                "on the CPU, {} threads{why}; about {} of {} memory",
                rayon::current_num_threads(),
                bytes_text(needed),
                bytes_text(self.available)
            );
            OpenDevice { backend, note, device: "cpu".into(), memory: needed }
        };
        match self.device {
            Device::Cpu => Ok(cpu(String::new())),
            Device::Auto => match self.gpus(&problem, &[0]) {
                Ok((backend, note)) => Ok(OpenDevice { backend, note, device: "cuda:0".into(), memory: needed }),
                Err(why) => Ok(cpu(format!(" ({why})"))),
            },
            Device::Cuda(ordinals) => match self.gpus(&problem, ordinals) {
                Ok((backend, note)) => {
                    Ok(OpenDevice { backend, note, device: self.device.to_string(), memory: needed })
                }
                Err(why) => {
                    Err(Error::setting("device", self.device, format!("{why}; device = auto takes the CPU instead")))
                }
            },
        }
    }

    /// Opens GPUs, or says in a few words why they cannot be used.
    #[cfg(feature = "cuda")]
    fn gpus(&self, problem: &Arc<Problem>, ordinals: &[usize]) -> Result<(Box<dyn Backend>, String), String> {
        use super::cuda::Cuda;
        let (mut backends, mut notes): (Vec<Box<dyn Backend>>, Vec<String>) = (Vec::new(), Vec::new());
        let share = self.count.div_ceil(ordinals.len());
        for &ordinal in ordinals {
            let opened =
                Cuda::new(Arc::clone(problem), self.recipe, ordinal, share, true).map_err(|why| why.to_string())?;
            notes.push(opened.to_string());
            backends.push(Box::new(opened));
        }
        let joined: Box<dyn Backend> = match backends.len() {
            1 => backends.remove(0),
            _ => Box::new(super::multi_device::MultiDevice::new(backends)),
        };
        Ok((joined, format!("on {}", notes.join("; "))))
    }

    #[cfg(not(feature = "cuda"))]
    fn gpus(&self, _: &Arc<Problem>, _: &[usize]) -> Result<(Box<dyn Backend>, String), String> {
        Err("this program was built without the feature `cuda`".into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_are_read_and_printed() {
        for (text, expected) in [("auto", "auto"), ("CPU", "cpu"), ("cuda", "cuda:0"), ("cuda:2,0,2", "cuda:0,2")] {
            assert_eq!(text.parse::<Device>().unwrap().to_string(), expected);
        }
        for text in ["gpu", "cuda:", "cuda:x", "cuda:-1"] {
            assert!(text.parse::<Device>().unwrap_err().to_string().contains("cuda:N"), "{text}");
        }
    }
}
