//! `lacuna compare merge`: the parts of a comparison over a set, put together.

use crate::cli::console::Console;
use crate::cli::figures::FigureFolder;
use crate::cli::flags::{FigureFlags, OutputFlags};
use crate::cli::text::command_line;
use lacuna::compare::Outcomes;
use lacuna::error::Result;
use lacuna::io;
use std::path::PathBuf;

/// Arguments of `lacuna compare merge`.
#[derive(Debug, clap::Args)]
pub struct Command {
    /// Folder in which lacuna compare --set left its outcomes
    folder: PathBuf,
    /// The page [default: compare.html in the folder]
    #[arg(long, value_name = "PAGE.html")]
    report: Option<PathBuf>,
    #[command(flatten)]
    figures: FigureFlags,
    #[command(flatten)]
    flags: OutputFlags,
}

impl Command {
    pub fn execute(self) -> Result<()> {
        let console = Console::new(&self.flags);
        let page = self.report.unwrap_or_else(|| self.folder.join("compare.html"));
        io::check_output(&page, self.flags.force)?;
        let figures = FigureFolder::of_page(&page, &self.figures, self.flags.force)?;
        let outcomes = Outcomes::read(&self.folder)?;
        console.print(outcomes.text())?;
        let command = command_line();
        let report = outcomes.page(&command);
        io::write_text(&page, self.flags.force, &report.to_html())?;
        console.note(format!("wrote {}", page.display()));
        figures.write(&report, &console)?;
        console.event("summary", &outcomes.summary(&command));
        Ok(())
    }
}
