//! `lacuna man`: a manual page for the program and one for each verb.

use super::console::Console;
use super::flags::OutputFlags;
use clap_mangen::Man;
use lacuna::error::{Error, Result};
use lacuna::io::{self, Claim};
use std::path::{Path, PathBuf};

/// Arguments of `lacuna man`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  \
    lacuna man --output ~/.local/share/man/man1")]
pub struct Command {
    /// Folder of the pages: lacuna.1, lacuna-run.1, ...
    #[arg(long, short, value_name = "DIR")]
    output: PathBuf,
    #[command(flatten)]
    flags: OutputFlags,
}

impl Command {
    /// Writes the pages of `program`.
    pub fn execute(self, program: clap::Command) -> Result<()> {
        let mut program = program.disable_help_subcommand(true);
        program.build();
        let pages = pages(&program).map_err(|error| Error::write(&self.output, error))?;
        let paths: Vec<PathBuf> = pages.iter().map(|(name, _)| self.output.join(name)).collect();
        let mut claim = Claim::folder(&self.output)?;
        let force = claim.outputs(&paths.iter().map(PathBuf::as_path).collect::<Vec<&Path>>(), self.flags.force)?;
        let console = Console::new(&self.flags);
        for (path, (_, text)) in paths.iter().zip(&pages) {
            io::write_text(path, force, text)?;
        }
        claim.finish();
        console.note(format!("wrote {} pages to {}", paths.len(), self.output.display()));
        console.event("summary", &serde_json::json!({ "pages": paths }));
        Ok(())
    }
}

/// The pages of a command and of all below it: file name and text.
fn pages(command: &clap::Command) -> std::io::Result<Vec<(String, String)>> {
    let man = Man::new(command.clone()).source(concat!("lacuna ", env!("CARGO_PKG_VERSION"))).manual("Lacuna");
    let mut text = Vec::new();
    man.render(&mut text)?;
    let mut pages = vec![(man.get_filename(), String::from_utf8_lossy(&text).into_owned())];
    for verb in command.get_subcommands() {
        pages.extend(self::pages(verb)?);
    }
    Ok(pages)
}
