//! The command line: one file a verb.

mod batch;
mod beamlines;
mod bench;
mod compare;
mod completions;
mod console;
mod crystal;
mod demo;
mod doctor;
mod evaluate;
mod figures;
mod flags;
mod gaps;
mod info;
mod inpaint;
mod man;
mod phase;
mod prepare;
mod presets;
mod run;
pub mod signals;
mod simulate;
mod text;
mod train;

use clap::{CommandFactory, Parser, Subcommand};
use lacuna::error::Result;

/// Coherent diffraction imaging with detector gaps: prepare, inpaint, phase.
///
/// FILE is CXI/HDF5 (also FILE:/path/inside), NPZ, NPY, TIFF (a file, or a folder of frames), EDF
/// or CBF.
///
/// Lists are separated by commas. Exit codes: 0 done, 1 refused or failed, 2 wrong usage, 130
/// interrupted by SIGINT (Ctrl-C) and 143 by SIGTERM, even where a partial result was written.
#[derive(Debug, Parser)]
#[command(name = "lacuna", version, arg_required_else_help = true)]
#[command(
    after_help = "The book, from the first five minutes to each data set of a result: docs/SUMMARY.md in the sources, \
    share/doc/lacuna/book/index.html in a release. Start with 'lacuna run --example --output out'."
)]
pub struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Simulate a crystal behind a detector gap, fill the gap, phase it with and without, and show
    /// what it did for the object
    Demo(demo::Command),
    /// All of it: read, prepare, fill, phase, and write the result, a report and the settings to a
    /// folder
    Run(run::Command),
    /// Reconstruct many scans, each as `lacuna run` does, with a page and a table of all
    ///
    /// Each scan is reconstructed by a `lacuna run` of its own, into DIR/NAME, where NAME is that of
    /// its file; one that fails stops no other. DIR/index.html and DIR/summary.csv show them all, also
    /// while it works. A batch that was stopped or killed goes on with the same command. What is done
    /// is kept; what is not, or has other settings now, is done again only with --force or --retry.
    ///
    /// The exit code is 1 where a scan failed, also in an earlier call, and 0 where all have a result,
    /// whether their object was found or not.
    Batch(batch::Command),
    /// Say what is understood of a file: arrays, mask, gaps, detector, oversampling
    Info(info::Command),
    /// Say what the gaps of a pattern hide of the object, and what to do about it
    Gaps(gaps::Command),
    /// Mask, centre, crop and bin a pattern, and write it
    Prepare(prepare::Command),
    /// Fill the gaps of a pattern, and write it with its estimates
    Inpaint(inpaint::Command),
    /// Phase a prepared pattern
    Phase(phase::Command),
    /// Displacement, strain and lattice spacing of a crystal, in the laboratory, from a Bragg
    /// reconstruction
    Crystal(crystal::Command),
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
    /// List the layouts of beamlines, or print one, to be edited and given as --beamline FILE
    Beamlines(beamlines::Command),
    /// Measure this machine
    Bench(bench::Command),
    /// Say what this machine has for lacuna, GPUs above all, and what would run where
    Doctor(doctor::Command),
    /// Print completions of verbs and flags for a shell
    Completions(completions::Command),
    /// Write manual pages, one for each verb
    Man(man::Command),
}

/// Does what was typed.
pub fn execute(cli: Cli) -> Result<()> {
    match cli.verb {
        Verb::Demo(command) => command.execute(),
        Verb::Run(command) => command.execute(),
        Verb::Batch(command) => command.execute(),
        Verb::Info(command) => command.execute(),
        Verb::Gaps(command) => command.execute(),
        Verb::Prepare(command) => command.execute(),
        Verb::Inpaint(command) => command.execute(),
        Verb::Phase(command) => command.execute(),
        Verb::Crystal(command) => command.execute(),
        Verb::Simulate(command) => command.execute(),
        Verb::Evaluate(command) => command.execute(),
        Verb::Compare(command) => command.execute(),
        Verb::Train(command) => command.execute(),
        Verb::Presets(command) => command.execute(),
        Verb::Beamlines(command) => command.execute(),
        Verb::Bench(command) => command.execute(),
        Verb::Doctor(command) => command.execute(),
        Verb::Completions(command) => command.execute(Cli::command()),
        Verb::Man(command) => command.execute(Cli::command()),
    }
}
