//! `lacuna beamlines`: the layouts of beamlines that are known, and what one says.

use lacuna::error::Result;
use lacuna::io::{layout_text, layouts};

/// Arguments of `lacuna beamlines`.
#[derive(Debug, clap::Args)]
pub struct Command {
    /// The layout to print; all are listed without one
    name: Option<String>,
}

impl Command {
    pub fn execute(self) -> Result<()> {
        match self.name {
            Some(name) => super::text::print(layout_text(&name)?),
            None => {
                let lines = layouts().into_iter().map(|(name, title)| format!("{name:<10} {title}\n"));
                super::text::print(lines.collect::<String>())
            }
        }
    }
}
