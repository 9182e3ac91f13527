//! `lacuna inpaint`: a pattern in, the completed pattern with its estimates and their bounds out.

use super::progress::Voice;
use super::{OutputFlags, command_line, load};
use lacuna::config::{self, InputFlags};
use lacuna::error::Result;
use lacuna::inpaint::Fill;
use lacuna::io;
use serde_json::json;
use std::path::PathBuf;

/// Arguments of `lacuna inpaint`.
#[derive(Debug, clap::Args)]
pub struct Command {
    /// The pattern, raw or prepared; it is prepared as `lacuna prepare` does, a prepared one stays as it is
    file: String,
    /// Where the completed pattern goes (CXI)
    #[arg(long, short, value_name = "FILE")]
    output: PathBuf,
    /// How the gaps are filled: zero, linear, idw or biharmonic
    #[arg(long, value_name = "METHOD", default_value = "biharmonic")]
    method: Fill,
    /// Bounds of filled intensities, as multiples of the fill
    #[arg(long, value_name = "LO,HI", value_delimiter = ',', default_values_t = [0.5, 2.0])]
    gap_bounds: Vec<f32>,
    #[command(flatten)]
    input: InputFlags,
    #[command(flatten)]
    flags: OutputFlags,
}

impl Command {
    pub fn execute(self) -> Result<()> {
        io::check_output(&self.output, self.flags.force)?;
        load::not_onto_itself(&self.file, &self.output)?;
        let gaps =
            config::GapFlags { gap: Some(self.method.to_string()), gap_bounds: Some(self.gap_bounds), gap_leak: None };
        let settings = config::resolve("bragg", &[config::overlay(&self.input)?, config::overlay(&gaps)?])?;
        let voice = Voice::new(&self.flags);
        let prepared = load::prepared(&self.file, &settings, &voice)?;
        let mut pattern = prepared.pattern;
        let estimate = load::estimate(&pattern, self.method, &settings, &voice)?;
        let filled = estimate.at.as_slice().iter().filter(|&&at| at).count();
        pattern.estimate = Some(estimate);
        let results = json!({"method": self.method.to_string(), "estimated_pixels": filled});
        let process = io::Process { command: command_line(), settings: json!(settings), results: results.clone() };
        io::write_pattern(&self.output, self.flags.force, &pattern, prepared.support.as_ref(), &process)?;
        voice.note(format!("wrote {}", self.output.display()));
        voice.event("summary", json!({"output": self.output, "results": results}))
    }
}
