//! `lacuna run`: all of it.

use super::outputs::{self, Format};
use super::progress::Voice;
use super::{MachineFlags, OutputFlags, PresetFlags, load, page, reconstruct};
use lacuna::config::{self, GapFlags, GapMode, InputFlags, PhasingFlags};
use lacuna::error::{Error, Result};
use lacuna::io;
use lacuna::simulate;
use serde_json::json;
use std::path::{Path, PathBuf};

/// Arguments of `lacuna run`.
#[derive(Debug, clap::Args)]
pub struct Command {
    /// The pattern
    #[arg(required_unless_present = "example")]
    file: Option<String>,
    /// Use the example that is built in: a simulated pattern with a detector gap and a beamstop
    #[arg(long, conflicts_with = "file")]
    example: bool,
    /// Folder for result.cxi, report.html and settings.toml; completed.cxi too where gaps were filled
    #[arg(long, short, value_name = "DIR")]
    output: PathBuf,
    /// Format of the result
    #[arg(long, value_enum, default_value_t = Format::Cxi)]
    output_format: Format,
    #[command(flatten)]
    preset: PresetFlags,
    #[command(flatten)]
    input: InputFlags,
    #[command(flatten)]
    gaps: GapFlags,
    #[command(flatten)]
    phasing: PhasingFlags,
    #[command(flatten)]
    machine: MachineFlags,
    #[command(flatten)]
    flags: OutputFlags,
}

impl Command {
    pub fn execute(self) -> Result<()> {
        let force = self.flags.force;
        let settings = config::resolve(
            &self.preset.preset,
            &[config::overlay(&self.input)?, config::overlay(&self.gaps)?, config::overlay(&self.phasing)?],
        )?;
        let place = |name: &str| self.output.join(name);
        let result_path = place(&format!("result.{}", self.output_format.extension()));
        let outputs = [&result_path, &place("report.html"), &place("settings.toml"), &place("completed.cxi")];
        // Before any work: hours of phasing must not end at a file that cannot be written.
        for path in outputs {
            io::check_output(path, force)?;
        }
        if force {
            // What this run does not write must not stay beside its result as if it did.
            let mut stale = vec![place("result.cxi"), place("result.npz")];
            stale.retain(|path| *path != result_path);
            if matches!(settings.gap_mode()?, GapMode::Free | GapMode::Auto) {
                stale.push(place("completed.cxi"));
            }
            for path in stale.iter().filter(|path| path.is_file()) {
                std::fs::remove_file(path).map_err(|e| Error::write(path, e))?;
            }
        }
        self.machine.apply()?;
        let voice = Voice::new(&self.flags);
        let file = match (&self.file, self.example) {
            (Some(file), _) => file.clone(),
            _ => example(&place("example.cxi"), force, &voice)?,
        };
        let prepared = load::prepared(&file, &settings, false, &voice)?;
        let result = reconstruct::treated(prepared.pattern, prepared.support, &settings, &self.machine, &voice)?;
        outputs::result(&result_path, self.output_format, force, &result, &settings)?;
        page::write(&place("report.html"), force, &file, &prepared.steps, &result, &settings)?;
        if settings.gap_mode()? != GapMode::Free && result.pattern.estimate.is_some() {
            let process =
                io::Process::new(super::command_line(), &settings, &json!({"method": result.summary["gap"]}))?;
            io::write_pattern(&place("completed.cxi"), force, &result.pattern, None, &process)?;
        }
        let text = toml::to_string(&settings).map_err(|e| Error::setting("settings", "all", e.to_string()))?;
        io::replace(&place("settings.toml"), force, |path| {
            std::fs::write(path, &text).map_err(|e| Error::write(path, e))
        })?;
        voice.note(format!("wrote {} and report.html beside it", result_path.display()));
        voice.event("summary", result.summary)
    }
}

/// Writes the built-in example and returns its path.
fn example(path: &Path, force: bool, voice: &Voice) -> Result<String> {
    let example = simulate::example(0);
    let process =
        io::Process::new(super::command_line(), &json!({"seed": 0}), &json!({"simulated": "built-in example"}))?;
    io::write_pattern(path, force, &example.pattern, Some(&example.support), &process)?;
    voice.note(format!("wrote the example to {}", path.display()));
    Ok(path.to_string_lossy().into_owned())
}
