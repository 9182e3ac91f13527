//! `lacuna merge`: the parts of a comparison that was dealt out, put together.

use super::OutputFlags;
use super::compare::Outcomes;
use super::progress::Voice;
use lacuna::error::{Error, Result};
use lacuna::io;
use std::path::PathBuf;

/// Arguments of `lacuna merge`.
#[derive(Debug, clap::Args)]
pub struct Command {
    /// Folder in which lacuna compare --set left its outcomes
    folder: PathBuf,
    /// The page [default: compare.html in the folder]
    #[arg(long, value_name = "PAGE.html")]
    report: Option<PathBuf>,
    #[command(flatten)]
    flags: OutputFlags,
}

impl Command {
    pub fn execute(self) -> Result<()> {
        let voice = Voice::new(&self.flags);
        let page = self.report.unwrap_or_else(|| self.folder.join("compare.html"));
        io::check_output(&page, self.flags.force)?;
        let outcomes = Outcomes::read(&self.folder)?;
        if !self.flags.json {
            super::print(outcomes.text())?;
        }
        let html = outcomes.page().to_html();
        io::replace(&page, self.flags.force, |part| std::fs::write(part, &html).map_err(|e| Error::write(part, e)))?;
        voice.note(format!("wrote {}", page.display()));
        voice.event("summary", outcomes.summary())
    }
}
