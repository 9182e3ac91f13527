//! PyTorch as a partner of the benchmark: a child process that does the same steps on the same weights when it is told to.

use super::nets::Named;
use lacuna::error::{Error, Result};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

const WORKER: &str = include_str!("../../../benches/torch_unet.py");

/// A running worker.
pub struct Torch {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    /// Its version.
    pub version: String,
    folder: tempfile::TempDir,
}

impl Torch {
    /// Starts `python` with the network of this number of dimensions.
    pub fn start(python: &str, dimensions: usize, threads: usize, tensors: &[Named]) -> Result<Self> {
        let wrong = |problem: String| Error::setting("--torch", python, problem);
        let folder = tempfile::tempdir().map_err(|error| wrong(error.to_string()))?;
        for (name, shape, values) in tensors {
            write_npy(&folder.path().join(format!("{name}.npy")), shape, values)?;
        }
        let script = folder.path().join("torch_unet.py");
        std::fs::write(&script, WORKER).map_err(|error| Error::write(&script, error))?;
        let mut child = Command::new(python)
            .arg(&script)
            .args([dimensions.to_string(), threads.to_string()])
            .arg(folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| wrong(format!("cannot be started: {error}")))?;
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(wrong("has no standard input and output".into()));
        };
        let mut torch = Self { child, input, output: BufReader::new(output), version: String::new(), folder };
        let said = torch.line().ok_or_else(|| wrong("gave up: it needs the packages torch and numpy".into()))?;
        torch.version = said.trim().trim_start_matches("ready ").to_string();
        Ok(torch)
    }

    /// What the network said of the input, before any training.
    pub fn output(&self) -> Option<Vec<f32>> {
        let bytes = std::fs::read(self.folder.path().join("output.npy")).ok()?;
        // A header of 10 bytes and the text whose length the last two of them tell; then values.
        let start = 10 + usize::from(u16::from_le_bytes([*bytes.get(8)?, *bytes.get(9)?]));
        Some(bytes.get(start..)?.as_chunks::<4>().0.iter().map(|value| f32::from_le_bytes(*value)).collect())
    }

    /// `train` or `infer`: wall and processor seconds.
    pub fn step(&mut self, what: &str) -> Option<(f64, f64)> {
        writeln!(self.input, "{what}").and_then(|()| self.input.flush()).ok()?;
        let times: serde_json::Value = serde_json::from_str(&self.line()?).ok()?;
        Some((times["wall"].as_f64()?, times["cpu"].as_f64()?))
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
    std::fs::write(path, bytes).map_err(|error| Error::write(path, error))
}
