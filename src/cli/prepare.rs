//! `lacuna prepare`: a raw file in, a pattern ready for phasing out.

use super::console::Console;
use super::flags::{OutputFlags, PresetFlags};
use super::text::command_line;
use lacuna::error::Result;
use lacuna::io;
use lacuna::reconstruct::{load, not_onto_itself};
use lacuna::settings::{InputKeys, Settings, TypedSettings};
use serde::Serialize;
use std::path::PathBuf;

/// Arguments of `lacuna prepare`.
#[derive(Debug, clap::Args)]
pub struct Command {
    /// The raw pattern
    file: String,
    /// Where the prepared pattern goes (CXI)
    #[arg(long, short, value_name = "FILE")]
    output: PathBuf,
    #[command(flatten)]
    preset: PresetFlags,
    #[command(flatten)]
    input: InputKeys,
    #[command(flatten)]
    flags: OutputFlags,
}

/// What the output and the last JSON line say.
#[derive(Serialize)]
struct Results {
    measured_pixels: usize,
    photons: f64,
    steps: String,
    notes: Vec<String>,
}

impl Command {
    pub fn execute(self) -> Result<()> {
        let typed = TypedSettings { input: self.input, ..TypedSettings::default() };
        let settings = Settings::resolve(&self.preset.preset, &typed)?;
        io::check_hdf5_name(&self.output)?;
        io::check_output(&self.output, self.flags.force)?;
        not_onto_itself(&self.file, &self.output)?;
        let console = Console::new(&self.flags);
        let prepared = load(&self.file, &settings, &console)?;
        let (measured_pixels, photons) = prepared.pattern.totals();
        let results = Results { measured_pixels, photons, steps: prepared.steps.join("; "), notes: prepared.notes };
        let process = io::Process::new(command_line(), &settings, &results)?;
        io::write_pattern(&self.output, self.flags.force, &prepared.pattern, prepared.support.as_ref(), &process)?;
        console.note(format!("wrote {}", self.output.display()));
        console.event("summary", &serde_json::json!({"output": self.output, "results": results}));
        Ok(())
    }
}
