//! `lacuna presets`: what a preset says, to be read or edited.

use lacuna::config;
use lacuna::error::Result;

/// Arguments of `lacuna presets`.
#[derive(Debug, clap::Args)]
pub struct Command {
    /// Which one
    #[arg(default_value = "bragg")]
    name: String,
}

impl Command {
    pub fn execute(self) -> Result<()> {
        super::print(config::preset(&self.name)?)
    }
}
