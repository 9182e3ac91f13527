//! The program `lacuna`: parse, do, exit code.

mod cli;

use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    // clap exits with 2 on a wrong flag; here every bad input exits with 1 after one line.
    let cli = match cli::Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) if error.use_stderr() => {
            eprint!("{error}");
            return ExitCode::from(1);
        }
        Err(help) => {
            print!("{help}");
            return ExitCode::SUCCESS;
        }
    };
    match cli::execute(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(lacuna::Error::Interrupted) => ExitCode::from(130),
        Err(error) => {
            eprintln!("lacuna: {error}");
            ExitCode::from(1)
        }
    }
}
