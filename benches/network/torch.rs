//! PyTorch beside the benchmark: a child process that does the same steps on the same weights, on
//! request.

use crate::Result;
use crate::rounds::Seconds;
use crate::unets::NamedTensor;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

const WORKER: &str = include_str!("torch_unet.py");

/// A running worker.
pub struct Torch {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    /// Version of PyTorch.
    pub version: String,
    folder: tempfile::TempDir,
}

impl Torch {
    /// Starts `python` with the network of this number of dimensions.
    ///
    /// # Errors
    /// If it does not start, or lacks a package.
    pub fn start(python: &str, dimensions: usize, threads: usize, tensors: &[NamedTensor]) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        for (name, shape, values) in tensors {
            write_npy(&folder.path().join(format!("{name}.npy")), shape, values)?;
        }
        let script = folder.path().join("torch_unet.py");
        std::fs::write(&script, WORKER)?;
        let mut child = Command::new(python)
            .arg(&script)
            .args([dimensions.to_string(), threads.to_string()])
            .arg(folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("--torch {python} cannot be started: {error}"))?;
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(format!("--torch {python} has no standard input and output").into());
        };
        let mut torch = Self { child, input, output: BufReader::new(output), version: String::new(), folder };
        let lacking = || format!("--torch {python} gave up: it needs the packages torch and numpy");
        let answer = torch.line().ok_or_else(lacking)?;
        torch.version = answer.trim().trim_start_matches("ready ").to_string();
        Ok(torch)
    }

    /// Output of the network for the input, before any training.
    pub fn output(&self) -> Option<Vec<f32>> {
        let bytes = std::fs::read(self.folder.path().join("output.npy")).ok()?;
        // A header of 10 bytes and the text whose length the last two of them tell; then values.
        let start = 10 + usize::from(u16::from_le_bytes([*bytes.get(8)?, *bytes.get(9)?]));
        Some(bytes.get(start..)?.as_chunks::<4>().0.iter().map(|value| f32::from_le_bytes(*value)).collect())
    }

    /// Does one step, `train` or `infer`; `None` if PyTorch has ended.
    pub fn step(&mut self, what: &str) -> Option<Seconds> {
        writeln!(self.input, "{what}").and_then(|()| self.input.flush()).ok()?;
        let times: serde_json::Value = serde_json::from_str(&self.line()?).ok()?;
        Some(Seconds { wall: times["wall"].as_f64()?, cpu: times["cpu"].as_f64()? })
    }

    fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        (self.output.read_line(&mut line).ok()? > 0).then_some(line)
    }
}

impl Drop for Torch {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = writeln!(self.input, "quit");
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn write_npy(path: &Path, shape: &[usize], values: &[f32]) -> Result<()> {
    let shape: String = shape.iter().map(|n| format!("{n},")).collect();
    let mut header = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({shape}), }}");
    // The values start at a multiple of 64 bytes, as the format wants it.
    let len = (10 + header.len() + 1).next_multiple_of(64) - 10;
    header = format!("{header:<width$}\n", width = len - 1);
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((len as u16).to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.extend(values.iter().flat_map(|value| value.to_le_bytes()));
    Ok(std::fs::write(path, bytes)?)
}
