//! `lacuna run`: all of it.

use super::console::Console;
use super::crystal::momentum;
use super::figures::FigureFolder;
use super::flags::{FigureFlags, Format, OutputFlags, ReconstructionFlags};
use super::text::command_line;
use lacuna::crystal::{CrystalFiles, CrystalOptions, CrystalRequest, needs_volume};
use lacuna::error::{Error, Result, counted};
use lacuna::geometry::{Frame, QGrid};
use lacuna::io;
use lacuna::pixels::Pattern;
use lacuna::reconstruct::{Checkpoint, load, reconstruct_resumable};
use lacuna::settings::InputKeys;
use lacuna::simulate;
use serde_json::json;
use std::path::{Path, PathBuf};

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
    /// Also bring the object of a Bragg scan to the laboratory: crystal.html and crystal.h5, as
    /// `lacuna crystal` writes them
    #[arg(long)]
    crystal: bool,
    /// Go on where a call with this output and the same settings was stopped
    #[arg(long)]
    resume: bool,
    #[command(flatten)]
    input: InputKeys,
    #[command(flatten)]
    settings: ReconstructionFlags,
    #[command(flatten)]
    figures: FigureFlags,
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
        let [page, settings_path, completed_path, example_path] =
            ["report.html", "settings.toml", "completed.cxi", "example.cxi"].map(place);
        let crystal_paths = ["crystal.html", "crystal.h5"].map(place);
        let mut outputs = vec![&*result_path, &page, &settings_path, &completed_path];
        outputs.extend(self.example.then_some(&*example_path));
        if self.crystal {
            outputs.extend(crystal_paths.iter().map(PathBuf::as_path));
        }
        let checkpoint = Checkpoint { path: place(Checkpoint::NAME), resume: self.resume };
        // What the stopped call wrote is what this one ends.
        let resumed = self.resume && checkpoint.path.exists();
        let force = claim.outputs(&outputs, self.flags.force || resumed)?;
        let figures = FigureFolder::new(place("figures"), &self.figures, force)?;
        let console = Console::new(&self.flags);
        let file = match &self.file {
            Some(file) => file.clone(),
            None => example(&example_path, force, &console)?,
        };
        let prepared = load(&file, &settings, &console)?;
        let grid = self.crystal.then(|| momentum_of(&file, &prepared.pattern)).transpose()?;
        let result = reconstruct_resumable(prepared, &settings, Some(&checkpoint), &console)?;
        let command = command_line();
        result.write(&result_path, format, force, &command, &settings)?;
        let report = result.page(&file, &command, &settings);
        io::write_text(&page, force, &report.to_html())?;
        figures.write(&report, &console)?;
        let completed = result.write_completed(&completed_path, force, &command, &settings)?;
        io::write_text(&settings_path, force, &settings.typed().to_toml()?)?;
        if let Some(grid) = grid {
            let request = CrystalRequest { options: CrystalOptions::default(), frame: Frame::Laboratory, voxel: None };
            let (object, support) = (&result.combined.objects[0], &result.ensemble.kept[0].support);
            let ramp = result.summary.ramp_removed_turns;
            let files = CrystalFiles::new(object, support, grid, ramp, &request, &command)?;
            crystal_paths.iter().try_for_each(|path| files.write(path, force))?;
            console.note(format!("wrote {} and crystal.h5 beside it", crystal_paths[0].display()));
            console.event("crystal", &files.summary);
        }
        if !result.ensemble.interrupted {
            checkpoint.remove()?;
        }
        if force {
            self.remove_stale(&result_path, completed)?;
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
        if !self.crystal {
            stale.extend(["crystal.html", "crystal.h5"].map(|name| self.output.join(name)));
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

/// Momentum transfer of a pattern that is to be brought to the laboratory.
fn momentum_of(file: &str, pattern: &Pattern) -> Result<QGrid> {
    needs_volume(pattern.shape()).map_err(|error| Error::file(Path::new(file), error.to_string()))?;
    let goniometer = pattern.goniometer.clone().unwrap_or_default();
    let remedy = "read it with --beamline, or leave out --crystal and give lacuna crystal the circles";
    momentum(file, pattern.geometry, &goniometer, pattern.shape(), remedy)
}

/// Writes the built-in example and returns its path.
fn example(path: &Path, force: bool, console: &Console) -> Result<String> {
    let example = simulate::example(0);
    let process = io::Process::new(command_line(), &json!({"seed": 0}), &json!({"simulated": "built-in example"}))?;
    io::write_pattern(path, force, &example.pattern, Some(&example.support), &process)?;
    console.note(format!("wrote the example to {}", path.display()));
    Ok(path.to_string_lossy().into_owned())
}
