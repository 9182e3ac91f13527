//! `lacuna phase`: a prepared pattern in, a reconstruction out.

use super::outputs::{self, Format};
use super::progress::Voice;
use super::reconstruct::treated;
use super::{MachineFlags, OutputFlags, PresetFlags, load, page};
use lacuna::config::{self, GapFlags, InputFlags, PhasingFlags};
use lacuna::error::Result;
use std::path::PathBuf;

/// Arguments of `lacuna phase`.
#[derive(Debug, clap::Args)]
pub struct Command {
    /// A prepared pattern, from `lacuna prepare` or `lacuna inpaint`
    file: String,
    /// Where the result goes: .cxi, or .npz with --output-format npz
    #[arg(long, short, value_name = "FILE")]
    output: PathBuf,
    /// Format of the result
    #[arg(long, value_enum, default_value_t = Format::Cxi)]
    output_format: Format,
    /// Also write a report
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    #[command(flatten)]
    preset: PresetFlags,
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
        lacuna::io::check_output(&self.output, self.flags.force)?;
        if let Some(report) = &self.report {
            lacuna::io::check_output(report, self.flags.force)?;
        }
        load::not_onto_itself(&self.file, &self.output)?;
        self.machine.apply()?;
        let flags = [
            // A prepared pattern stays as it is.
            config::overlay(&InputFlags {
                centre: Some("keep".into()),
                hot_pixels: Some(0.0),
                dead_pixels: Some(false),
                mask: Some(String::new()),
                flat_field: Some(String::new()),
                roi: Some(String::new()),
                max_size: Some(Vec::new()),
                rebin: Some(Vec::new()),
                energy: Some(0.0),
                distance: Some(0.0),
                pixel_size: Some(0.0),
            })?,
            config::overlay(&self.gaps)?,
            config::overlay(&self.phasing)?,
        ];
        let settings = config::resolve(&self.preset.preset, &flags)?;
        let voice = Voice::new(&self.flags);
        let prepared = load::prepared(&self.file, &settings, false, &voice)?;
        let result = treated(prepared.pattern, prepared.support, &settings, &self.machine, &voice)?;
        outputs::result(&self.output, self.output_format, self.flags.force, &result, &settings)?;
        voice.note(format!("wrote {}", self.output.display()));
        if let Some(report) = &self.report {
            page::write(report, self.flags.force, &self.file, &prepared.steps, &result, &settings)?;
            voice.note(format!("wrote {}", report.display()));
        }
        voice.event("summary", result.summary)
    }
}
