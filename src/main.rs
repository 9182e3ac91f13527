//! The program `lacuna`: parse, do, exit code.

mod cli;

use clap::error::{ContextKind, ErrorKind};
use clap::{CommandFactory, Parser};
use std::io::Write;
use std::process::ExitCode;

fn main() -> ExitCode {
    #[cfg(feature = "vulkan")]
    tensors_on_the_processor();
    let cli = match cli::Cli::try_parse() {
        Ok(cli) => cli,
        Err(help) if !help.use_stderr() => {
            // Nobody misses the help where nobody reads it: `lacuna --help | head -1`.
            let _ = write!(std::io::stdout(), "{help}");
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            match error.kind() {
                ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => eprint!("{error}"),
                _ => eprintln!("lacuna: {}", one_line(&error)),
            }
            return ExitCode::from(2);
        }
    };
    match (cli::execute(cli), cli::signals::exit_code()) {
        // Also where a partial result was written: what waits for success must not go on with it.
        (Ok(()) | Err(lacuna::Error::Interrupted), Some(code)) => ExitCode::from(code),
        (Ok(()), None) => ExitCode::SUCCESS,
        (Err(error), _) => {
            eprintln!("lacuna: {error}");
            ExitCode::from(1)
        }
    }
}

/// Keeps burn from taking a card for tensors that nobody gave a device, as those of a checkpoint: on
/// a machine without one, nothing could be resumed.
#[cfg(feature = "vulkan")]
#[allow(unsafe_code, reason = "burn asks the environment for its default device, and nothing else")]
fn tensors_on_the_processor() {
    if std::env::var_os("BURN_DEVICE").is_none() {
        // SAFETY: the first statement of the program, before any other thread.
        unsafe { std::env::set_var("BURN_DEVICE", "flex") };
    }
}

/// Whether a number stands where nothing is expected, as behind a space in a list.
fn is_number_too_many(error: &clap::Error) -> bool {
    let argument = error.get(ContextKind::InvalidArg).map(ToString::to_string);
    error.kind() == ErrorKind::UnknownArgument && argument.is_some_and(|argument| argument.parse::<f64>().is_ok())
}

/// clap's message, tip and all, on one line, and where to look further.
fn one_line(error: &clap::Error) -> String {
    let text = error.to_string();
    let line = |line: &str| line.trim_start_matches("error:").trim_start_matches("  tip:").trim().to_string();
    let problem = text.lines().take_while(|line| !line.is_empty()).map(line).collect::<Vec<_>>().join(" ");
    // How to pass `--foo` as a value is nothing that anyone wants here.
    let tip = |line: &&str| line.starts_with("  tip:") && !line.contains("as a value");
    let mut tips: String = text.lines().filter(tip).map(|tip| format!(", {}", line(tip))).collect();
    if is_number_too_many(error) {
        tips += ", lists are written with commas, as 0.2,0.3";
    }
    format!("{problem}{tips}: try '{} --help'", verb())
}

/// `lacuna run`, as far as it was typed rightly.
fn verb() -> String {
    let (mut command, mut words) = (cli::Cli::command(), vec!["lacuna".to_string()]);
    for word in std::env::args_os().skip(1) {
        let Some(verb) = command.find_subcommand(&word).cloned() else { break };
        command = verb;
        words.push(word.to_string_lossy().into_owned());
    }
    words.join(" ")
}
