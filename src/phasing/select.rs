//! Which device phases: what was asked for, and what is there.

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

/// What `--device` asks for.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Device {
    /// The first GPU if there is one that can be used, otherwise the CPU.
    #[default]
    Auto,
    /// The CPU.
    Cpu,
    /// These GPUs.
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
                let mut cards: Vec<usize> =
                    list.split(',').map(|n| n.trim().parse().map_err(|_| wrong())).collect::<Result<_>>()?;
                cards.sort_unstable();
                cards.dedup();
                Ok(Device::Cuda(cards))
            }
        }
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Device::Auto => f.write_str("auto"),
            Device::Cpu => f.write_str("cpu"),
            Device::Cuda(cards) => {
                let list: Vec<String> = cards.iter().map(usize::to_string).collect();
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

/// A backend, and one line about it.
pub struct OpenDevice {
    /// Ready to start.
    pub backend: Box<dyn Backend>,
    /// What runs where, and why not elsewhere.
    pub note: String,
    /// The device in a word: `cpu` or `cuda:0`.
    pub device: String,
    /// Bytes of the machine's memory that phasing takes, estimated.
    pub memory: u64,
}

/// What is to be phased, and how much of the machine it may take.
pub struct DeviceRequest<'a> {
    /// The device that was asked for.
    pub device: &'a Device,
    /// What the runs will do.
    pub recipe: &'a Recipe,
    /// Runs in all.
    pub count: usize,
    /// Runs that are kept.
    pub keep: usize,
    /// Bytes of the machine's memory that may be used.
    pub available: u64,
}

impl DeviceRequest<'_> {
    /// Bytes of the machine's memory that phasing on the CPU will take.
    ///
    /// # Errors
    /// [`Error::Memory`] with what would fit.
    pub fn memory(&self, shape: Shape) -> Result<u64> {
        let lanes = Batch::size_for(shape.iter().product(), self.count);
        memory::check(shape, self.recipe, lanes, self.keep, self.available)
    }

    /// Opens the device.
    ///
    /// # Errors
    /// If there is no room; if a GPU that was named cannot be used.
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
            Device::Cuda(cards) => match self.gpus(&problem, cards) {
                Ok((backend, note)) => {
                    Ok(OpenDevice { backend, note, device: self.device.to_string(), memory: needed })
                }
                Err(why) => {
                    Err(Error::setting("device", self.device, format!("{why}; --device auto takes the CPU instead")))
                }
            },
        }
    }

    /// Opens GPUs, or says in a few words why they cannot be used.
    #[cfg(feature = "cuda")]
    fn gpus(&self, problem: &Arc<Problem>, cards: &[usize]) -> Result<(Box<dyn Backend>, String), String> {
        use super::cuda::Cuda;
        let (mut backends, mut notes): (Vec<Box<dyn Backend>>, Vec<String>) = (Vec::new(), Vec::new());
        let share = self.count.div_ceil(cards.len());
        for &card in cards {
            let opened =
                Cuda::new(Arc::clone(problem), self.recipe, card, share, true).map_err(|why| why.to_string())?;
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
