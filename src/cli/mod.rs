//! The command line: one file a verb.

mod bench;
mod compare;
mod console;
mod demo;
mod doctor;
mod evaluate;
mod info;
mod inpaint;
mod phase;
mod prepare;
mod presets;
mod run;
pub mod signals;
mod simulate;
mod train;

use clap::{Args, Parser, Subcommand, ValueEnum};
use lacuna::error::{Error, Result};
use lacuna::settings::{GapKeys, InputKeys, PhasingKeys, Settings, TypedSettings};
use std::io::Write;

/// Coherent diffraction imaging with detector gaps: prepare, inpaint, phase.
///
/// FILE is CXI/HDF5 (also FILE:/path/inside), NPZ, NPY, TIFF (a file, or a folder of frames), EDF or CBF.
///
/// Lists are separated by commas. Exit codes: 0 done, 1 refused or failed, 2 wrong usage, 130 interrupted by
/// SIGINT (Ctrl-C) and 143 by SIGTERM, even where a partial result was written.
#[derive(Debug, Parser)]
#[command(name = "lacuna", version, arg_required_else_help = true)]
pub struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Simulate a crystal behind a detector gap, fill the gap, phase it with and without, and show what it did for the object
    Demo(demo::Command),
    /// All of it: read, prepare, fill, phase, and write the result, a report and the settings to a folder
    Run(run::Command),
    /// Say what is understood of a file: arrays, mask, gaps, detector, oversampling
    Info(info::Command),
    /// Mask, centre, crop and bin a pattern, and write it
    Prepare(prepare::Command),
    /// Fill the gaps of a pattern, and write it with its estimates
    Inpaint(inpaint::Command),
    /// Phase a prepared pattern
    Phase(phase::Command),
    /// Simulate diffraction patterns with their truth: data sets to train on and to compare with
    Simulate(simulate::Command),
    /// Score a network inside gaps, beside the classical fills, on patterns whose truth is known
    Evaluate(evaluate::Command),
    /// Phase patterns with their gap treated in several ways, and say which is nearest to the truth
    Compare(compare::Command),
    /// Train the network that fills gaps
    Train(train::Command),
    /// Print a preset, to be edited and given as --preset FILE
    Presets(presets::Command),
    /// Measure this machine
    Bench(bench::Command),
    /// Say what this machine has for lacuna, GPUs above all, and what would run where
    Doctor(doctor::Command),
}

/// Options of every verb that writes a file.
#[derive(Debug, Args)]
#[command(next_help_heading = "General")]
struct OutputFlags {
    /// Replace existing outputs
    #[arg(long)]
    force: bool,
    /// One JSON object a line on standard output, the last one a summary
    #[arg(long)]
    json: bool,
    /// No progress and no notes
    #[arg(long, short)]
    quiet: bool,
}

/// Options of the machine.
#[derive(Debug, Args)]
#[command(next_help_heading = "General")]
struct MachineFlags {
    /// Number of threads; the result does not depend on it [default: all cores]
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
    /// Memory that may be used, GB [default: what is available]
    #[arg(long, value_name = "GB")]
    max_memory: Option<f64>,
}

impl MachineFlags {
    /// Sets the number of threads of the process.
    fn apply(&self) -> Result<()> {
        if let Some(threads) = self.threads {
            if threads == 0 || threads > 4096 {
                return Err(Error::setting("--threads", threads, "must be from 1 to 4096"));
            }
            rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .build_global()
                .map_err(|e| Error::setting("--threads", threads, e.to_string()))?;
        }
        Ok(())
    }

    /// Bytes that may be used, where the flag says so.
    fn memory(&self) -> Option<u64> {
        self.max_memory.map(|gb| (gb.max(0.0) * 1e9) as u64)
    }
}

/// The preset that settings start from.
#[derive(Debug, Args)]
struct PresetFlags {
    /// Preset by name (bragg, particle, forward) or a TOML file of settings
    #[arg(long, value_name = "NAME|FILE", default_value = "bragg")]
    preset: String,
}

/// The settings of a reconstruction, as they are typed for a verb.
#[derive(Debug, Args)]
struct ReconstructionFlags {
    #[command(flatten)]
    preset: PresetFlags,
    #[command(flatten)]
    gap: GapKeys,
    #[command(flatten)]
    phasing: PhasingKeys,
    #[command(flatten)]
    machine: MachineFlags,
}

impl ReconstructionFlags {
    /// What was typed means, with these settings of the input; sets the number of threads.
    fn settings(&self, input: &InputKeys) -> Result<Settings> {
        self.machine.apply()?;
        let typed = TypedSettings { input: input.clone(), gap: self.gap.clone(), phasing: self.phasing.clone() };
        let mut settings = Settings::resolve(&self.preset.preset, &typed)?;
        settings.device.max_memory = self.machine.memory();
        Ok(settings)
    }
}

/// Format of a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// HDF5 in CXI form: silx view, h5py, PyNX, cdiutils
    Cxi,
    /// numpy
    Npz,
}

impl Format {
    fn of_library(self) -> lacuna::reconstruct::Format {
        match self {
            Format::Cxi => lacuna::reconstruct::Format::Cxi,
            Format::Npz => lacuna::reconstruct::Format::Npz,
        }
    }
}

/// Does what was typed.
pub fn execute(cli: Cli) -> Result<()> {
    match cli.verb {
        Verb::Demo(command) => command.execute(),
        Verb::Run(command) => command.execute(),
        Verb::Info(command) => command.execute(),
        Verb::Prepare(command) => command.execute(),
        Verb::Inpaint(command) => command.execute(),
        Verb::Phase(command) => command.execute(),
        Verb::Simulate(command) => command.execute(),
        Verb::Evaluate(command) => command.execute(),
        Verb::Compare(command) => command.execute(),
        Verb::Train(command) => command.execute(),
        Verb::Presets(command) => command.execute(),
        Verb::Bench(command) => command.execute(),
        Verb::Doctor(command) => command.execute(),
    }
}

/// Writes to standard output; a reader that went away (`| head`) is no error.
fn print(text: impl AsRef<str>) -> Result<()> {
    match std::io::stdout().write_all(text.as_ref().as_bytes()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(Error::write("standard output", error)),
        _ => Ok(()),
    }
}

/// The command as typed, for the outputs to quote.
fn command_line() -> String {
    std::env::args_os()
        .map(|word| {
            let word = word.to_string_lossy().into_owned();
            let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,+".contains(c);
            if !word.is_empty() && word.chars().all(plain) {
                word
            } else {
                format!("'{}'", word.replace('\'', r"'\''"))
            }
        })
        .collect::<Vec<_>>()
        .join(" ")
}
