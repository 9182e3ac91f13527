//! `lacuna phase`: a prepared pattern in, a reconstruction out.

use super::console::Console;
use super::figures::{FigureFolder, NEEDS_REPORT};
use super::flags::{FigureFlags, Format, OutputFlags, ReconstructionFlags};
use super::text::command_line;
use lacuna::error::Result;
use lacuna::io;
use lacuna::reconstruct::{load, not_onto_itself, reconstruct};
use lacuna::settings::InputKeys;
use std::path::{Path, PathBuf};

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
    #[arg(long, value_name = "PAGE.html")]
    report: Option<PathBuf>,
    #[command(flatten)]
    settings: ReconstructionFlags,
    #[command(flatten)]
    figures: FigureFlags,
    #[command(flatten)]
    flags: OutputFlags,
}

impl Command {
    pub fn execute(self) -> Result<()> {
        let settings = self.settings.settings(&InputKeys::default())?.for_prepared()?;
        let outputs: Vec<&Path> = [&self.output].into_iter().chain(&self.report).map(PathBuf::as_path).collect();
        let mut claim = io::Claim::file(&self.output)?;
        let force = claim.outputs(&outputs, self.flags.force)?;
        let figures = FigureFolder::of_page_if_any(self.report.as_deref(), NEEDS_REPORT, &self.figures, force)?;
        outputs.iter().try_for_each(|path| not_onto_itself(&self.file, path))?;
        let console = Console::new(&self.flags);
        let result = reconstruct(load(&self.file, &settings, &console)?, &settings, &console)?;
        let command = command_line();
        let format = self.output_format.of_library();
        result.write(&self.output, format, force, &command, &settings)?;
        console.note(format!("wrote {}", self.output.display()));
        if let (Some(page), Some(figures)) = (&self.report, figures) {
            let report = result.page(&self.file, &command, &settings);
            io::write_text(page, force, &report.to_html())?;
            console.note(format!("wrote {}", page.display()));
            figures.write(&report, &console)?;
        }
        claim.finish();
        console.outcome(&result);
        console.event("summary", &result.summary);
        Ok(())
    }
}
