//! `lacuna run`: all of it.

use super::console::Console;
use super::flags::{Format, OutputFlags, ReconstructionFlags};
use super::text::command_line;
use lacuna::error::{Error, Result, counted};
use lacuna::io;
use lacuna::reconstruct::{Both, Checkpoint, Observer, Watch, load, reconstruct_resumable};
use lacuna::settings::InputKeys;
use lacuna::simulate;
use serde_json::json;
use std::path::{Path, PathBuf};

/// Names of the pages.
const REPORT: &str = "report.html";
const WATCH: &str = "watch.html";

/// Arguments of `lacuna run`.
#[derive(Debug, clap::Args)]
pub struct Command {
    /// The pattern
    #[arg(required_unless_present = "example")]
    file: Option<String>,
    /// Use the example that is built in: a simulated pattern with a detector gap and a beamstop
    #[arg(long, conflicts_with = "file")]
    example: bool,
    /// Folder for result.cxi, report.html and settings.toml; completed.cxi too where gaps were
    /// filled
    #[arg(long, short, value_name = "DIR")]
    output: PathBuf,
    /// Format of the result
    #[arg(long, value_enum, default_value_t = Format::Cxi)]
    output_format: Format,
    /// Also write one CXI file for each kept run (nb-run-keep), named as PyNX names them
    #[arg(long)]
    run_files: bool,
    /// Keep watch.html in the folder up to date while it works: pictures, curves and the runs so far,
    /// for any browser
    #[arg(long)]
    watch: bool,
    /// Go on where a call with this output and the same settings was stopped
    #[arg(long)]
    resume: bool,
    #[command(flatten)]
    input: InputKeys,
    #[command(flatten)]
    settings: ReconstructionFlags,
    #[command(flatten)]
    flags: OutputFlags,
}

impl Command {
    pub fn execute(self) -> Result<()> {
        let settings = self.settings.settings(&self.input)?;
        let format = self.output_format.of_library();
        let place = |name: &str| self.output.join(name);
        let result_path = place(&format!("result.{}", format.extension()));
        // Before any work: hours of phasing must not end at a file that cannot be written.
        let mut claim = io::Claim::folder(&self.output)?;
        let [page, settings_path, completed_path, example_path, watch_path] =
            [REPORT, "settings.toml", "completed.cxi", "example.cxi", WATCH].map(place);
        let mut outputs = vec![&*result_path, &page, &settings_path, &completed_path];
        outputs.extend(self.example.then_some(&*example_path));
        outputs.extend(self.watch.then_some(&*watch_path));
        let checkpoint = Checkpoint { path: place(Checkpoint::NAME), resume: self.resume };
        // What the stopped call wrote is what this one ends.
        let resumed = self.resume && checkpoint.path.exists();
        let force = claim.outputs(&outputs, self.flags.force || resumed)?;
        let console = Console::new(&self.flags);
        let command = command_line();
        let file = self.file.clone().unwrap_or_else(|| example_path.to_string_lossy().into_owned());
        let watch = match self.watch {
            true => Some(Watch::begin(&watch_path, force, &file, &command, &settings)?),
            false => None,
        };
        if watch.is_some() {
            console.note(format!("watch it in {}", watch_path.display()));
        }
        let watched = watch.as_ref().map(|watch| Both(&console, watch));
        let observer: &dyn Observer = watched.as_ref().map_or(&console, |both| both);
        let work = || {
            if self.example {
                write_example(&example_path, force, &console)?;
            }
            let prepared = load(&file, &settings, observer)?;
            let result = reconstruct_resumable(prepared, &settings, Some(&checkpoint), observer)?;
            result.write(&result_path, format, force, &command, &settings)?;
            result.write_page(&page, force, &file, &command, &settings)?;
            result.write_completed(&completed_path, force, &command, &settings)?;
            io::write_text(&settings_path, force, &settings.typed().to_toml()?)?;
            Ok(result)
        };
        let done = work();
        // The result is worth more than a page about it.
        if let Some(Err(error)) = watch.map(|watch| watch.end(&done, REPORT)) {
            console.note(error.to_string());
        }
        let result = match done {
            Err(error) if self.watch => {
                claim.abandon();
                return Err(error);
            }
            done => done?,
        };
        if !result.ensemble.interrupted {
            checkpoint.remove()?;
        }
        if force {
            self.remove_stale(&result_path, result.pattern.estimate.is_some())?;
        }
        if self.run_files {
            let files = result.write_runs(&self.output, "result", force, &command, &settings)?;
            console.note(format!("wrote {} of single runs", counted(files.len(), "file")));
        }
        claim.finish();
        console.note(format!("wrote {} and report.html beside it", result_path.display()));
        console.note(result.summary.verdict.sentence());
        console.event("summary", &result.summary);
        Ok(())
    }

    /// Files of an earlier run that this one did not write must not stay beside its result as if it
    /// did.
    fn remove_stale(&self, result: &Path, completed: bool) -> Result<()> {
        let mut stale = vec![self.output.join("result.cxi"), self.output.join("result.npz")];
        stale.retain(|path| path != result);
        if !completed {
            stale.push(self.output.join("completed.cxi"));
        }
        if !self.watch {
            stale.push(self.output.join(WATCH));
        }
        let names = std::fs::read_dir(&self.output).into_iter().flatten().flatten().map(|entry| entry.path());
        stale.extend(names.filter(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            name.starts_with("result_Run") && name.ends_with(".cxi")
        }));
        for path in stale.iter().filter(|path| path.is_file()) {
            std::fs::remove_file(path).map_err(|e| Error::write(path, e))?;
        }
        Ok(())
    }
}

/// Writes the built-in example.
fn write_example(path: &Path, force: bool, console: &Console) -> Result<()> {
    let example = simulate::example(0);
    let process = io::Process::new(command_line(), &json!({"seed": 0}), &json!({"simulated": "built-in example"}))?;
    io::write_pattern(path, force, &example.pattern, Some(&example.support), &process)?;
    console.note(format!("wrote the example to {}", path.display()));
    Ok(())
}
