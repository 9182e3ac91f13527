//! `lacuna presets`: what a preset says, to be read or edited.

use lacuna::error::Result;
use lacuna::settings::preset_text;

/// Arguments of `lacuna presets`.
#[derive(Debug, clap::Args)]
pub struct Command {
    /// The preset
    #[arg(default_value = "bragg")]
    name: String,
}

impl Command {
    pub fn execute(self) -> Result<()> {
        super::text::print(preset_text(&self.name)?)
    }
}
