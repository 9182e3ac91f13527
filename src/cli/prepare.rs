//! `lacuna prepare`: a raw file in, a pattern ready for phasing out.

use super::progress::Voice;
use super::{OutputFlags, PresetFlags, command_line, load};
use lacuna::config::{self, InputFlags};
use lacuna::error::Result;
use lacuna::io;
use serde_json::json;
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
    input: InputFlags,
    #[command(flatten)]
    flags: OutputFlags,
}

impl Command {
    pub fn execute(self) -> Result<()> {
        io::check_output(&self.output, self.flags.force)?;
        load::not_onto_itself(&self.file, &self.output)?;
        let settings = config::resolve(&self.preset.preset, &[config::overlay(&self.input)?])?;
        let voice = Voice::new(&self.flags);
        let prepared = load::prepared(&self.file, &settings, false, &voice)?;
        let (measured, photons) = prepared.pattern.totals();
        let results = json!({"measured_pixels": measured, "photons": photons, "steps": prepared.steps.join("; ")});
        let process = io::Process::new(command_line(), &settings, &results)?;
        io::write_pattern(&self.output, self.flags.force, &prepared.pattern, prepared.support.as_ref(), &process)?;
        voice.note(format!("wrote {}", self.output.display()));
        voice.event("summary", json!({"output": self.output, "results": results}))
    }
}
