//! `lacuna run`: all of it.

use super::console::Console;
use super::crystal::momentum;
use super::figures::FigureFolder;
use super::flags::{FigureFlags, Format, FurtherOutputs, OutputFlags, ReconstructionFlags};
use super::signals;
use super::text::command_line;
use lacuna::crystal::{CrystalFiles, CrystalOptions, CrystalRequest, Found, Origin, needs_volume};
use lacuna::error::{Error, Result, counted};
use lacuna::geometry::{Frame, QGrid};
use lacuna::io;
use lacuna::pixels::Pattern;
use lacuna::reconstruct::{
    Both, Checkpoint, Observer, Reconstruction, Watch, is_same_file, load, not_onto_itself, reconstruct_resumable,
};
use lacuna::settings::{InputKeys, Settings};
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
    #[command(flatten)]
    further: FurtherOutputs,
    /// Go on where a call with this output and the same settings was stopped
    #[arg(long)]
    resume: bool,
    /// Stop when standard input is closed: the process that holds it has gone
    #[arg(long, hide = true)]
    until_stdin_closes: bool,
    #[command(flatten)]
    input: InputKeys,
    #[command(flatten)]
    settings: ReconstructionFlags,
    #[command(flatten)]
    figures: FigureFlags,
    #[command(flatten)]
    flags: OutputFlags,
}

/// Where everything goes.
struct Places {
    result: PathBuf,
    report: PathBuf,
    settings: PathBuf,
    completed: PathBuf,
    example: PathBuf,
    watch: PathBuf,
    crystal: [PathBuf; 2],
}

impl Command {
    pub fn execute(self) -> Result<()> {
        if self.until_stdin_closes {
            signals::stop_with_stdin();
        }
        let settings = self.settings.settings(&self.input)?;
        let place = |name: &str| self.output.join(name);
        let places = Places {
            result: place(&format!("result.{}", self.output_format.of_library().extension())),
            report: place(REPORT),
            settings: place("settings.toml"),
            completed: place("completed.cxi"),
            example: place("example.cxi"),
            watch: place(WATCH),
            crystal: ["crystal.html", "crystal.h5"].map(place),
        };
        if let Some(file) = &self.file {
            self.outputs(&places).into_iter().try_for_each(|output| not_onto_itself(file, output))?;
        }
        // Before any work: hours of phasing must not end at a file that cannot be written.
        let mut claim = io::Claim::folder(&self.output)?;
        let checkpoint = Checkpoint { path: place(Checkpoint::NAME), resume: self.resume };
        // What the stopped call wrote is what this one ends.
        let resumed = self.resume && checkpoint.path.exists();
        let force = claim.outputs(&self.outputs(&places), self.flags.force || resumed)?;
        let figures = FigureFolder::new(place("figures"), &self.figures, force)?;
        let console = Console::new(&self.flags);
        let file = self.file.clone().unwrap_or_else(|| places.example.to_string_lossy().into_owned());
        let watch = match self.further.watch {
            true => Some(Watch::begin(&places.watch, force, &file, &command_line(), &settings)?),
            false => None,
        };
        if watch.is_some() {
            console.note(format!("watch it in {}", places.watch.display()));
        }
        let watched = watch.as_ref().map(|watch| Both(&console, watch));
        let observer: &dyn Observer = watched.as_ref().map_or(&console, |both| both);
        let crystal_figures = match self.further.crystal {
            true => Some(FigureFolder::of_page(&places.crystal[0], &self.figures, force)?),
            false => None,
        };
        let work =
            Work { crystal_figures, command: &self, places: &places, settings: &settings, force, console: &console };
        let done = work.done(&file, &figures, &checkpoint, observer);
        // The result is worth more than a page about it.
        if let Some(Err(error)) = watch.map(|watch| watch.end(&done, REPORT)) {
            console.note(error.to_string());
        }
        let result = match done {
            Err(error) => {
                // What was written already is no obstacle to the next call.
                claim.abandon();
                return Err(error);
            }
            Ok(result) => result,
        };
        if !result.ensemble.interrupted {
            checkpoint.remove()?;
        }
        if force {
            self.remove_stale(&places, result.pattern.estimate.is_some())?;
        }
        if self.further.run_files {
            let files = result.write_runs(&self.output, "result", force, &command_line(), &settings)?;
            console.note(format!("wrote {} of single runs", counted(files.len(), "file")));
        }
        claim.finish();
        console.note(format!("wrote {} and report.html beside it", places.result.display()));
        console.outcome(&result);
        console.event("summary", &result.summary);
        Ok(())
    }

    /// What is written, or may be.
    fn outputs<'a>(&self, places: &'a Places) -> Vec<&'a Path> {
        let mut outputs = vec![&*places.result, &places.report, &places.settings, &places.completed];
        outputs.extend(self.example.then_some(&*places.example));
        outputs.extend(self.further.watch.then_some(&*places.watch));
        if self.further.crystal {
            outputs.extend(places.crystal.iter().map(PathBuf::as_path));
        }
        outputs
    }

    /// Files of an earlier run that this one did not write must not stay beside its result as if it
    /// did.
    fn remove_stale(&self, places: &Places, completed: bool) -> Result<()> {
        let mut stale = vec![self.output.join("result.cxi"), self.output.join("result.npz")];
        stale.retain(|path| *path != places.result);
        if !completed {
            stale.push(places.completed.clone());
        }
        if !self.further.crystal {
            stale.extend(places.crystal.iter().cloned());
            FigureFolder::remove_of_page(&places.crystal[0])?;
        }
        if !self.further.watch {
            stale.push(places.watch.clone());
        }
        let names = std::fs::read_dir(&self.output).into_iter().flatten().flatten().map(|entry| entry.path());
        stale.extend(names.filter(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            name.starts_with("result_Run") && name.ends_with(".cxi")
        }));
        // Only what lacuna wrote, and never what it was given.
        let input = self.file.as_deref().unwrap_or_default();
        stale.retain(|path| path.is_file() && !is_same_file(input, path) && io::is_own(path));
        for path in &stale {
            std::fs::remove_file(path).map_err(|e| Error::write(path, e))?;
        }
        Ok(())
    }
}

/// From the file to its results.
struct Work<'a> {
    crystal_figures: Option<FigureFolder<'a>>,
    command: &'a Command,
    places: &'a Places,
    settings: &'a Settings,
    force: bool,
    console: &'a Console,
}

impl Work<'_> {
    /// Reconstructs, and writes what belongs to it.
    fn done(
        &self,
        file: &str,
        figures: &FigureFolder,
        checkpoint: &Checkpoint,
        observer: &dyn Observer,
    ) -> Result<Reconstruction> {
        let Work { command, places, settings, force, console, .. } = *self;
        if command.example {
            write_example(&places.example, force, console)?;
        }
        let prepared = load(file, settings, observer)?;
        let grid = command.further.crystal.then(|| momentum_of(file, &prepared.pattern)).transpose()?;
        let result = reconstruct_resumable(prepared, settings, Some(checkpoint), observer)?;
        let line = command_line();
        let format = command.output_format.of_library();
        result.write(&places.result, format, force, &line, settings)?;
        let report = result.page(file, &line, settings);
        io::write_text(&places.report, force, &report.to_html())?;
        figures.write(&report, console)?;
        result.write_completed(&places.completed, force, &line, settings)?;
        io::write_text(&places.settings, force, &settings.typed().to_toml()?)?;
        if let Some(grid) = grid {
            self.write_crystal(&result, grid)?;
        }
        Ok(result)
    }

    /// Brings the object to the laboratory.
    fn write_crystal(&self, result: &Reconstruction, grid: QGrid) -> Result<()> {
        let request = CrystalRequest { options: CrystalOptions::default(), frame: Frame::Laboratory, voxel: None };
        let (object, support) = (&result.combined.objects[0], &result.ensemble.kept[0].support);
        let verdict = &result.summary.verdict;
        let command = command_line();
        let origin = Origin {
            ramp: result.summary.ramp_removed_turns,
            found: Some(Found { grade: verdict.grade.name().into(), probability: verdict.probability }),
            goniometer: result.pattern.goniometer.clone().unwrap_or_default(),
            geometry: result.pattern.geometry,
            command: &command,
        };
        let files = CrystalFiles::new(object, support, grid, origin, &request)?;
        self.places.crystal.iter().try_for_each(|path| files.write(path, self.force))?;
        self.console.note(format!("wrote {} and crystal.h5 beside it", self.places.crystal[0].display()));
        if let Some(figures) = &self.crystal_figures {
            figures.write(&files.page(), self.console)?;
        }
        self.console.print(files.summary.text(files.cubes.voxel))?;
        self.console.event("crystal", &files.summary);
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

/// Writes the built-in example.
fn write_example(path: &Path, force: bool, console: &Console) -> Result<()> {
    let example = simulate::example(0);
    let process = io::Process::new(command_line(), &json!({"seed": 0}), &json!({"simulated": "built-in example"}))?;
    io::write_pattern(path, force, &example.pattern, Some(&example.support), &process)?;
    console.note(format!("wrote the example to {}", path.display()));
    Ok(())
}
