//! `lacuna train`: from a recipe to the weights of a model, with checkpoints, curves and a card.

use super::progress::{self, Voice};
use super::{MachineFlags, OutputFlags, command_line, load, simulate};
use lacuna::config;
use lacuna::error::{Error, Result};
use lacuna::inpaint::calibration::Calibration;
use lacuna::inpaint::model::{CARD, Model, ModelCard, Network, Provenance, WEIGHTS};
use lacuna::io;
use lacuna::io::set::{Set, Split};
use lacuna::pixels::Pattern;
use lacuna::report::{Figure, Plot, Report, Section, Series};
use lacuna::simulate::recipe::Recipe;
use lacuna::training::{
    MeasuredPatches, PatchOptions, PatchStream, Patches, Score, TrainedNetwork, TrainingEvent, TrainingRecipe,
    TrainingRun, calibrate, samples, train,
};
use serde_json::{Value, json};
use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

/// Arguments of `lacuna train`.
#[derive(Debug, clap::Args)]
pub struct Command {
    /// Training recipe: a TOML file, or one that is built in (unet2d, unet3d, unet2d-smoke, unet3d-smoke; finetune2d, finetune3d)
    #[arg(required_unless_present = "finetune")]
    recipe: Option<String>,
    /// Folder of the model: weights and card, checkpoint and curves
    #[arg(long, short, value_name = "DIR")]
    output: PathBuf,
    /// Set of patterns to train on, made by lacuna simulate [default: simulated as the recipe says, into the folder]
    #[arg(long, value_name = "SET.h5")]
    set: Option<PathBuf>,
    /// Adapt a model to this pattern, from its measured pixels alone; a self-check on the same pattern is flattering afterwards
    #[arg(long, value_name = "FILE", conflicts_with = "set")]
    finetune: Option<String>,
    /// Folder of the model that is adapted [default: the one in the program for the pattern's dimensions]
    #[arg(long, value_name = "DIR", requires = "finetune")]
    model: Option<PathBuf>,
    /// Start from the weights of this model instead of random ones
    #[arg(long, value_name = "DIR", conflicts_with = "finetune")]
    start: Option<PathBuf>,
    /// Go on from the folder's checkpoint
    #[arg(long)]
    resume: bool,
    /// Steps instead of the recipe's
    #[arg(long, value_name = "N")]
    steps: Option<u64>,
    /// Seed instead of the recipe's
    #[arg(long, value_name = "S")]
    seed: Option<u64>,
    /// Where to compute: cpu
    #[arg(long, value_name = "DEVICE", default_value = "cpu")]
    device: String,
    #[command(flatten)]
    machine: MachineFlags,
    #[command(flatten)]
    flags: OutputFlags,
}

const CHECKPOINT: &str = "checkpoint.zip";
const CURVE: &str = "curve.jsonl";
const PAGE: &str = "curve.html";

impl Command {
    pub fn execute(self) -> Result<()> {
        self.machine.apply()?;
        if self.device != "cpu" {
            let problem =
                "this program trains on cpu: the networks are small, and burn's GPU backends need downloads to build";
            return Err(Error::setting("--device", &self.device, problem));
        }
        let voice = Voice::new(&self.flags);
        progress::catch_interrupts();
        let adapted = self.adapted(&voice)?;
        let name = match (&self.recipe, &adapted) {
            (Some(name), _) => name.clone(),
            (None, Some((model, _))) => format!("finetune{}d", model.dimensions()),
            (None, None) => unreachable!("clap asks for the one or the other"),
        };
        let mut recipe = TrainingRecipe::read(&name)?;
        recipe.steps = self.steps.unwrap_or(recipe.steps);
        recipe.seed = self.seed.unwrap_or(recipe.seed);
        if let Some((model, _)) = &adapted {
            (recipe.network, recipe.patch) = (model.card.network.clone(), model.card.patch);
        }
        recipe.check()?;
        let checkpoint = self.output.join(CHECKPOINT);
        self.check_folder(&checkpoint)?;
        let source = match adapted {
            Some((model, pattern)) => Source::Pattern(Box::new(model), pattern),
            None => Source::Set(self.open_set(&recipe, &voice)?),
        };
        let patches = |first: u64| source.patches(&recipe, Split::Train, recipe.seed, first);
        let seed = recipe.seed.wrapping_add(1);
        let watched = source.patches(&recipe, Split::Validation, seed, 0)?.take(recipe.validation.patches);
        let validation = samples(&watched.collect::<Result<Vec<_>>>()?, &recipe, seed, 0);
        let start = self.start.as_deref().map(Model::load).transpose()?;
        if start
            .as_ref()
            .is_some_and(|model| (&model.card.network, model.card.patch) != (&recipe.network, recipe.patch))
        {
            let folder = self.start.as_deref().unwrap_or(Path::new("")).display();
            return Err(Error::setting("--start", folder, "is of another architecture than the recipe's"));
        }
        let mut provenance = source.provenance(&recipe, self.finetune.as_deref());
        if let Some(ModelCard { name, sha256, training, .. }) = start.as_ref().map(|model| &model.card) {
            provenance.start = format!("{name} ({sha256}), after {} patches", training.patches);
        }
        let identity = json!({"recipe": recipe, "data": source.identity(), "data_name": provenance.data,
                              "start": provenance.start, "version": env!("CARGO_PKG_VERSION")});
        let run = TrainingRun {
            recipe: &recipe,
            patches: &patches,
            validation: &validation,
            identity: identity.to_string(),
            start: start.map(|model| model.network).or_else(|| source.start()),
            checkpoint: &checkpoint,
            resume: self.resume,
        };
        let mut watch = Watch::new(&self, &recipe, &voice)?;
        let part = (recipe.batch / recipe.shards).max(1);
        let trained = train(&run, &mut |event| {
            if let TrainingEvent::Validation { score, trained, .. } = &event {
                let calibration = calibrate(&trained.network, &validation, recipe.patch, part);
                write_model(&self.output, trained, &recipe, provenance.clone(), calibration, score)?;
            }
            watch.tell(event)?;
            Ok(!progress::interrupted())
        });
        watch.bar.finish_and_clear();
        if matches!(trained, Err(Error::Interrupted)) {
            voice.note(format!("stopped; the same command with --resume goes on from {}", checkpoint.display()));
        }
        let trained = trained?;
        voice.note(format!("wrote {}, {CARD} and {PAGE} to {}", WEIGHTS, self.output.display()));
        let summary = json!({"output": self.output, "steps": trained.steps, "patches": trained.patches,
                             "seconds": trained.seconds, "command": command_line()});
        voice.event("summary", summary)
    }

    /// The model and the pattern that it is adapted to.
    fn adapted(&self, voice: &Voice) -> Result<Option<(Model, Arc<Pattern>)>> {
        let Some(file) = &self.finetune else { return Ok(None) };
        let settings = config::resolve("bragg", &[])?;
        let pattern = load::prepared(file, &settings, false, voice)?.pattern;
        let model = match &self.model {
            Some(folder) => Model::load(folder)?,
            None => Model::shipped(if pattern.is_2d() { 2 } else { 3 })?,
        };
        if model.dimensions() == 3 && pattern.is_2d() {
            return Err(Error::Model { model: model.card.name, problem: format!("is for volumes, {file} is a frame") });
        }
        Ok(Some((model, Arc::new(pattern))))
    }

    /// Refuses to mix two trainings in a folder.
    fn check_folder(&self, checkpoint: &Path) -> Result<()> {
        if self.resume {
            return Ok(());
        }
        if checkpoint.exists() && !self.flags.force {
            let problem =
                "is of an earlier training: give --resume to go on with it, --force to start anew, or another --output";
            return Err(Error::file(checkpoint, problem));
        }
        for name in [WEIGHTS, CARD, CURVE] {
            io::check_output(&self.output.join(name), self.flags.force)?;
        }
        for path in [checkpoint, &self.output.join(CURVE)] {
            match std::fs::remove_file(path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(Error::write(path, error)),
                _ => {}
            }
        }
        Ok(())
    }

    /// The set that was given, or the one that the recipe names, which is made if it is not there yet.
    fn open_set(&self, recipe: &TrainingRecipe, voice: &Voice) -> Result<Arc<Set>> {
        let path = match &self.set {
            Some(path) => path.clone(),
            None => {
                let path = self.output.join(format!("{}.h5", recipe.data));
                if !path.exists() {
                    let (mut data, text) = Recipe::read(&recipe.data)?;
                    data.count = recipe.patterns.unwrap_or(data.count);
                    voice.note(format!("simulating {} patterns of {}", data.count, recipe.data));
                    simulate::write_set(&path, false, &data, text, voice)?;
                }
                path
            }
        };
        let set = Set::open(&path)?;
        let dimensions = if set.shape()[0] == 1 { 2 } else { 3 };
        if dimensions != recipe.network.dimensions {
            let problem = format!("the patterns of the set have {dimensions}: give a recipe or a set that fits");
            return Err(Error::setting("network.dimensions", recipe.network.dimensions, problem));
        }
        Ok(Arc::new(set))
    }
}

/// Where patches come from.
enum Source {
    Set(Arc<Set>),
    Pattern(Box<Model>, Arc<Pattern>),
}

impl Source {
    fn patches(&self, recipe: &TrainingRecipe, split: Split, seed: u64, first: u64) -> Result<Patches> {
        match self {
            Source::Set(set) => {
                let options = PatchOptions { size: recipe.patch, seed, split, ..PatchOptions::default() };
                let mut stream = PatchStream::new(set.clone(), options)?;
                stream.start_at(first);
                Ok(Box::new(stream))
            }
            Source::Pattern(model, pattern) => {
                let slices = model.dimensions() == 2;
                Ok(Box::new(MeasuredPatches::new(pattern.clone(), recipe.patch, slices, seed, first)?))
            }
        }
    }

    /// Weights to start from.
    fn start(&self) -> Option<Network> {
        match self {
            Source::Set(_) => None,
            Source::Pattern(model, _) => Some(model.network.clone()),
        }
    }

    /// What tells these data from others.
    fn identity(&self) -> Value {
        match self {
            Source::Set(set) => {
                let header = set.header();
                json!({"set": header.recipe_text, "patterns": header.count, "seed": header.seed})
            }
            Source::Pattern(model, pattern) => {
                let sum: f64 = pattern.intensity.as_slice().iter().map(|&value| f64::from(value)).sum();
                json!({"model": model.card.sha256, "shape": pattern.shape(), "sum": sum})
            }
        }
    }

    /// For the card, without what is only known at the end.
    fn provenance(&self, recipe: &TrainingRecipe, file: Option<&str>) -> Provenance {
        let (data, patterns, data_seed, split) = match self {
            Source::Set(set) => {
                let header = set.header();
                (header.recipe_name.clone(), header.count, header.seed, "by particle, as the set says".to_string())
            }
            Source::Pattern(model, _) => {
                let split = format!("none: adapted from {} ({})", model.card.name, &model.card.sha256);
                (file.unwrap_or_default().to_string(), 1, 0, split)
            }
        };
        Provenance {
            recipe: recipe.name.clone(),
            seed: recipe.seed,
            data,
            patterns,
            data_seed,
            split,
            start: String::new(),
            steps: 0,
            patches: 0,
            hours: 0.0,
            version: env!("CARGO_PKG_VERSION").into(),
        }
    }
}

/// Writes weights and card. The card is written last: without it the weights are no model.
fn write_model(
    folder: &Path,
    trained: &TrainedNetwork,
    recipe: &TrainingRecipe,
    provenance: Provenance,
    calibration: Calibration,
    score: &Score,
) -> Result<()> {
    let limits = "Trained on simulated patterns only; scores are inside gaps, against noise-free intensities. Gaps wider than half a patch \
                  are filled from binned copies. How often the 90 % intervals hold, and where classical fills are as good, is among the scores.";
    let scores = json!({"split": "validation", "patches": recipe.validation.patches, "mean_absolute_log_error": score.error,
                        "starting_fill": score.filled});
    let card = ModelCard {
        name: recipe.name.clone(),
        description: recipe.description.clone(),
        limits: limits.into(),
        patch: recipe.patch,
        sha256: String::new(),
        network: recipe.network.clone(),
        calibration,
        training: Provenance {
            steps: trained.steps,
            patches: trained.patches,
            hours: trained.seconds / 3600.0,
            ..provenance
        },
        scores: vec![toml::Table::try_from(&scores).map_err(|error| Error::encode("the scores of a model", error))?],
    };
    let network: Network = trained.network.clone();
    let (weights, card) = Model { card, network }.files()?;
    for (name, bytes) in [(WEIGHTS, &weights[..]), (CARD, card.as_bytes())] {
        let path = folder.join(name);
        io::replace(&path, true, |part| std::fs::write(part, bytes).map_err(|error| Error::write(part, error)))?;
    }
    Ok(())
}

/// Tells people and machines how it goes.
struct Watch<'a> {
    voice: &'a Voice,
    bar: indicatif::ProgressBar,
    folder: &'a Path,
    batch: usize,
    steps: u64,
    /// Mean of the last losses.
    loss: f64,
    /// Of this call.
    started: Instant,
    first: u64,
    /// Looks so far: step, score.
    looks: Vec<Value>,
}

impl<'a> Watch<'a> {
    fn new(command: &'a Command, recipe: &TrainingRecipe, voice: &'a Voice) -> Result<Self> {
        let folder = &command.output;
        let looks = match std::fs::read_to_string(folder.join(CURVE)) {
            Ok(text) if command.resume => text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect(),
            _ => Vec::new(),
        };
        let bar = voice.bar(recipe.steps, "train");
        let started = Instant::now();
        let (batch, steps) = (recipe.batch, recipe.steps);
        Ok(Self { voice, bar, folder, batch, steps, loss: f64::NAN, started, first: 0, looks })
    }

    fn rate(&self, step: u64) -> f64 {
        (step - self.first) as f64 * self.batch as f64 / self.started.elapsed().as_secs_f64().max(1e-9)
    }

    fn tell(&mut self, event: TrainingEvent) -> Result<()> {
        match event {
            TrainingEvent::Resumed(step) => {
                self.first = step;
                self.bar.set_position(step);
                // What came after the checkpoint is made again.
                self.looks.retain(|look| look["step"].as_u64().is_some_and(|at| at <= step));
                self.voice.note(format!("going on after step {step}"));
                self.voice.event("resumed", json!({"step": step}))
            }
            TrainingEvent::Step { step, loss, rate } => {
                self.loss = if self.loss.is_finite() { 0.98 * self.loss + 0.02 * loss } else { loss };
                self.bar.set_position(step);
                self.bar.set_message(format!("loss {:.3}  {:.0} patches/s", self.loss, self.rate(step)));
                let value = json!({"step": step, "loss": loss, "rate": rate, "patches_per_second": self.rate(step)});
                self.voice.event("step", value)
            }
            TrainingEvent::Validation { step, score, trained } => {
                let Score { loss, error, filled, covered } = score;
                self.voice.note(format!(
                    "step {step} of {}: training loss {:.4}, validation loss {loss:.4}, error of ln(1+I) {error:.4} (starting fill \
                     {filled:.4}), {:.1} % within nominal 90 % intervals, {:.0} patches/s",
                    self.steps,
                    self.loss,
                    100.0 * covered,
                    self.rate(step)
                ));
                let look = json!({"step": step, "patches": trained.patches, "seconds": trained.seconds, "training_loss": self.loss,
                                  "validation_loss": loss, "mean_absolute_log_error": error, "starting_fill": filled,
                                  "within_nominal_interval": covered});
                self.voice.event("validation", look.clone())?;
                self.looks.push(look);
                self.write_curve()
            }
        }
    }

    /// The curve as JSON lines and as a page.
    fn write_curve(&self) -> Result<()> {
        let path = self.folder.join(CURVE);
        let lines: String = self.looks.iter().map(|look| format!("{look}\n")).collect();
        let write = || -> std::io::Result<()> {
            let mut file = OpenOptions::new().create(true).write(true).truncate(true).open(&path)?;
            file.write_all(lines.as_bytes())
        };
        write().map_err(|error| Error::write(&path, error))?;
        let series = |name: &str, key: &str| Series {
            name: name.into(),
            points: self.looks.iter().filter_map(|look| Some((look["step"].as_f64()?, look[key].as_f64()?))).collect(),
            ..Series::default()
        };
        let plot = |title: &str, series: Vec<Series>| Plot {
            title: title.into(),
            x_label: "step".into(),
            y_label: "per pixel".into(),
            series,
            ..Plot::default()
        };
        let plot = |title: &str, series| Figure::Plot(plot(title, series));
        let report = Report {
            title: "Training".into(),
            sections: vec![Section {
                title: "Curves".into(),
                figures: vec![
                    plot("Loss", vec![series("training", "training_loss"), series("validation", "validation_loss")]),
                    plot(
                        "Mean absolute error of ln(1 + I) inside the gaps, validation",
                        vec![series("network", "mean_absolute_log_error"), series("starting fill", "starting_fill")],
                    ),
                ],
                ..Section::default()
            }],
            ..Report::default()
        };
        let path = self.folder.join(PAGE);
        io::replace(&path, true, |part| {
            std::fs::write(part, report.to_html()).map_err(|error| Error::write(part, error))
        })
    }
}
