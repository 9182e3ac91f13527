//! `lacuna completions`: what a shell needs to complete verbs and flags.

use clap_complete::Shell;
use lacuna::error::{Error, Result};

/// Arguments of `lacuna completions`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    lacuna completions bash > ~/.local/share/bash-completion/completions/lacuna\n  \
    lacuna completions zsh > ~/.zfunc/_lacuna\n  \
    lacuna completions fish > ~/.config/fish/completions/lacuna.fish")]
pub struct Command {
    /// The shell
    #[arg(value_name = "SHELL")]
    shell: Shell,
}

impl Command {
    /// Prints the completions of `program`.
    pub fn execute(self, mut program: clap::Command) -> Result<()> {
        let mut text = Vec::new();
        // Into memory first: clap_complete panics where a pipe is closed.
        clap_complete::generate(self.shell, &mut program, "lacuna", &mut text);
        let text = String::from_utf8(text).map_err(|error| Error::encode("the completions", error))?;
        super::text::print(text)
    }
}
