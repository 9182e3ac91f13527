//! Words on standard output, and the command as it was typed.

use lacuna::batch::shell_line;
use lacuna::error::{Error, Result};
use std::io::Write;

/// Writes to standard output; a reader that went away (`| head`) is no error.
pub fn print(text: impl AsRef<str>) -> Result<()> {
    match std::io::stdout().write_all(text.as_ref().as_bytes()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(Error::write("standard output", error)),
        _ => Ok(()),
    }
}

/// The command as typed, for the outputs to quote.
pub fn command_line() -> String {
    shell_line(std::env::args_os().map(|word| word.to_string_lossy().into_owned()))
}
