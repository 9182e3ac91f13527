//! `lacuna evaluate`: how accurate a network is inside gaps, beside the classical fills, on
//! patterns whose truth is known.

use super::console::Console;
use super::figures::{FigureFolder, NEEDS_REPORT};
use super::flags::{FigureFlags, MachineFlags, NetworkDeviceFlag, OutputFlags};
use super::text::command_line;
use lacuna::error::{Error, Result};
use lacuna::evaluate::{self, Evaluation, card_scores, classes};
use lacuna::inpaint::model::{CARD, Model};
use lacuna::io;
use lacuna::io::set::{Set, Split};
use lacuna::reconstruct::{Observer, model, predict_options};
use serde_json::json;
use std::path::{Path, PathBuf};

/// Arguments of `lacuna evaluate`.
#[derive(Debug, clap::Args)]
pub struct Command {
    /// Set of patterns with their truth, made by lacuna simulate
    set: PathBuf,
    /// Folder of a model [default: the one in the program for the set's dimensions]
    #[arg(long, value_name = "DIR")]
    model: Option<PathBuf>,
    /// Patterns to use: test, validation or train
    #[arg(long, value_name = "SPLIT", default_value = "test")]
    split: Split,
    /// Widths of the straight gaps that are cut into patterns without any, pixels; own: the gaps
    /// and bad pixels that they have
    #[arg(long, value_name = "PX", value_delimiter = ',', default_value = "own,3,6,9,12")]
    widths: Vec<String>,
    /// Patterns at most
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    /// Fill frames of volumes one by one with --dims 2 [default: as the set]
    #[arg(long, value_name = "2|3")]
    dims: Option<usize>,
    /// Seed of the places of the gaps
    #[arg(long, value_name = "S", default_value_t = 0)]
    seed: u64,
    /// One HTML page with the tables, and pictures of the best, median and worst cases
    #[arg(long, value_name = "PAGE.html")]
    report: Option<PathBuf>,
    /// Put the scores on the card of --model
    #[arg(long, requires = "model")]
    write_card: bool,
    /// First fit the intervals of --model to the set's validation patterns (--limit of them), and
    /// put them on its card
    #[arg(long, requires = "model")]
    calibrate: bool,
    #[command(flatten)]
    device: NetworkDeviceFlag,
    #[command(flatten)]
    machine: MachineFlags,
    #[command(flatten)]
    figures: FigureFlags,
    #[command(flatten)]
    flags: OutputFlags,
}

impl Command {
    pub fn execute(self) -> Result<()> {
        self.machine.apply()?;
        if self.calibrate && self.split == Split::Validation {
            let problem = "intervals that are fitted to these patterns say nothing on them: leave it out";
            return Err(Error::setting("split", self.split.name(), problem));
        }
        let widths = self.widths.iter().map(|text| width(text)).collect::<Result<Vec<_>>>()?;
        if let Some(page) = &self.report {
            io::check_output(page, self.flags.force)?;
        }
        let figures =
            FigureFolder::of_page_if_any(self.report.as_deref(), NEEDS_REPORT, &self.figures, self.flags.force)?;
        let console = Console::new(&self.flags);
        let set = Set::open(&self.set)?;
        let options = predict_options(self.dims, set.shape())?;
        let mut model = model(self.model.as_deref(), if options.slices { 2 } else { 3 })?;
        model.network = model.network.on(&console.network_device(&self.device)?.device);
        let mut patterns = set.indices(self.split);
        patterns.truncate(self.limit.unwrap_or(usize::MAX));
        if patterns.is_empty() {
            return Err(Error::file(&self.set, format!("has no pattern for {}", self.split.name())));
        }
        let (set, widths, seed) = (&set, &widths[..], self.seed);
        Evaluation { set, model: &model, options, widths, seed }.check()?;
        let folder = self.model.as_deref();
        if let (true, Some(folder)) = (self.calibrate, folder) {
            let bar = console.bar(0, "calibrate");
            let evaluation = Evaluation { set, model: &model, options, widths, seed };
            let fitted = evaluation.calibration(self.limit, &mut steps(&bar, &console));
            bar.finish_and_clear();
            model.card.calibration = fitted?;
            write_card(folder, &mut model, &console)?;
        }
        let bar = console.bar((patterns.len() * widths.len()) as u64, "evaluate");
        let evaluation = Evaluation { set, model: &model, options, widths, seed };
        let evaluated = evaluation.run(&patterns, self.report.is_some(), &mut steps(&bar, &console));
        bar.finish_and_clear();
        let evaluated = evaluated?;
        let classes = classes(&evaluated.rows);
        console.print(evaluate::text(&classes, &model))?;
        classes.iter().for_each(|class| console.event("class", class));
        let command = command_line();
        if let (Some(page), Some(figures)) = (&self.report, figures) {
            let set = self.set.display().to_string();
            let report = evaluate::page(&classes, &evaluated.pictures, &model, &set, self.split, &command);
            io::write_text(page, self.flags.force, &report.to_html())?;
            console.note(format!("wrote {}", page.display()));
            figures.write(&report, &console)?;
        }
        if let (true, Some(folder)) = (self.write_card, folder) {
            model.card.scores = card_scores(&classes, set, self.split)?;
            write_card(folder, &mut model, &console)?;
        }
        console.event(
            "summary",
            &json!({"model": model.card.name, "set": self.set, "split": self.split.name(), "patterns": patterns.len(),
                    "outcomes": evaluated.rows.len(), "seed": self.seed, "command": command}),
        );
        Ok(())
    }
}

/// Moves a bar by each gap that is done, and says whether to go on.
fn steps<'a>(bar: &'a indicatif::ProgressBar, console: &'a Console) -> impl FnMut(bool) -> bool + 'a {
    |done| {
        bar.inc(u64::from(done));
        console.go_on()
    }
}

/// Replaces the card of a model; its weights stay.
fn write_card(folder: &Path, model: &mut Model, console: &Console) -> Result<()> {
    let (_, card) = model.files()?;
    let path = folder.join(CARD);
    io::write_text(&path, true, &card)?;
    console.note(format!("wrote {}", path.display()));
    Ok(())
}

/// The width of a gap in pixels; 0 stands for `own`.
fn width(text: &str) -> Result<usize> {
    match text {
        "own" => Ok(0),
        _ => text
            .parse()
            .ok()
            .filter(|&width: &usize| width > 0)
            .ok_or_else(|| Error::setting("widths", text, "numbers of pixels, or own")),
    }
}
