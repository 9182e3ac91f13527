//! `lacuna train`: from a recipe to the weights of a model, with checkpoints, curves and a card.

use super::console::Console;
use super::flags::{MachineFlags, NetworkDeviceFlag, OutputFlags};
use super::simulate;
use super::text::command_line;
use indicatif::ProgressBar;
use lacuna::error::{Error, Result};
use lacuna::inpaint::model::{CARD, Model, WEIGHTS};
use lacuna::io::set::Set;
use lacuna::reconstruct::{Observer, load, model};
use lacuna::settings::Settings;
use lacuna::simulate::recipe::Recipe;
use lacuna::training::{
    CHECKPOINT, CURVE_PAGE, CurvePoint, SessionEvent, TrainingData, TrainingRecipe, TrainingSession, claim_folder,
};
use serde_json::json;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

/// Arguments of `lacuna train`.
#[derive(Debug, clap::Args)]
pub struct Command {
    /// Training recipe: a TOML file, or one that is built in (unet2d, unet3d, unet2d-smoke,
    /// unet3d-smoke; finetune2d, finetune3d)
    #[arg(required_unless_present = "finetune")]
    recipe: Option<String>,
    /// Folder of the model: weights and card, checkpoint and curves
    #[arg(long, short, value_name = "DIR")]
    output: PathBuf,
    /// Set of patterns to train on, made by lacuna simulate [default: simulated as the recipe says,
    /// into the folder]
    #[arg(long, value_name = "SET.h5")]
    set: Option<PathBuf>,
    /// Adapt a model to this pattern, from its measured pixels alone; a self-check on the same
    /// pattern is flattering afterwards
    #[arg(long, value_name = "FILE", conflicts_with = "set")]
    finetune: Option<String>,
    /// Folder of the model that is adapted [default: the one in the program for the pattern's
    /// dimensions]
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
    #[command(flatten)]
    device: NetworkDeviceFlag,
    #[command(flatten)]
    machine: MachineFlags,
    #[command(flatten)]
    flags: OutputFlags,
}

impl Command {
    pub fn execute(self) -> Result<()> {
        self.machine.apply()?;
        let console = Console::new(&self.flags);
        let device = console.network_device(&self.device)?;
        let adapted = self.adapted(&console)?;
        let recipe = self.training_recipe(adapted.as_ref())?;
        let claim = claim_folder(&self.output, self.resume, self.flags.force)?;
        let data = match adapted {
            Some(adapted) => adapted,
            None => TrainingData::Set(self.open_set(&recipe, &console)?),
        };
        let start = self.start.as_deref().map(Model::load).transpose()?;
        let (folder, device) = (&self.output, device.device);
        let session = TrainingSession { recipe: &recipe, data, start, folder, resume: self.resume, device };
        let mut progress = TrainingProgress::new(&recipe, &console);
        let trained = session.run(&mut |event| {
            progress.show(&event);
            console.go_on()
        });
        progress.bar.finish_and_clear();
        if matches!(trained, Err(Error::Interrupted)) {
            let checkpoint = self.output.join(CHECKPOINT);
            console.note(format!("stopped; the same command with --resume goes on from {}", checkpoint.display()));
        }
        let trained = trained?;
        claim.finish();
        console.note(format!("wrote {WEIGHTS}, {CARD} and {CURVE_PAGE} to {}", self.output.display()));
        console.event(
            "summary",
            &json!({"output": self.output, "steps": trained.steps, "patches": trained.patches,
                    "seconds": trained.seconds, "command": command_line()}),
        );
        Ok(())
    }

    /// The recipe, with what the flags say otherwise.
    fn training_recipe(&self, adapted: Option<&TrainingData>) -> Result<TrainingRecipe> {
        let model = match adapted {
            Some(TrainingData::Pattern { model, .. }) => Some(model),
            _ => None,
        };
        let built_in = || format!("finetune{}d", model.map_or(2, |model| model.dimensions()));
        let mut recipe = TrainingRecipe::read(&self.recipe.clone().unwrap_or_else(built_in))?;
        recipe.steps = self.steps.unwrap_or(recipe.steps);
        recipe.seed = self.seed.unwrap_or(recipe.seed);
        if let Some(model) = model {
            (recipe.network, recipe.patch) = (model.card.network.clone(), model.card.patch);
        }
        recipe.check()?;
        Ok(recipe)
    }

    /// The pattern to which a model is adapted, and the model.
    fn adapted(&self, console: &Console) -> Result<Option<TrainingData>> {
        let Some(file) = &self.finetune else { return Ok(None) };
        let pattern = load(file, &Settings::preset("bragg")?, console)?.pattern;
        let model = model(self.model.as_deref(), if pattern.is_2d() { 2 } else { 3 })?;
        if model.dimensions() == 3 && pattern.is_2d() {
            let problem = format!("is for volumes, {file} is a frame");
            return Err(Error::Model { model: model.card.name, problem });
        }
        let data = TrainingData::Pattern { model: Box::new(model), pattern: Arc::new(pattern), file: file.clone() };
        Ok(Some(data))
    }

    /// The set that was given, or the one that the recipe names, which is made if it is not there
    /// yet.
    fn open_set(&self, recipe: &TrainingRecipe, console: &Console) -> Result<Arc<Set>> {
        let path = match &self.set {
            Some(path) => path.clone(),
            None => {
                let path = self.output.join(format!("{}.h5", recipe.data));
                if !path.exists() {
                    let (mut data, text) = Recipe::read(&recipe.data)?;
                    recipe.check_data(data.shape.len(), data.phasing.is_some())?;
                    data.count = recipe.patterns.unwrap_or(data.count);
                    console.note(format!("simulating {} patterns of {}", data.count, recipe.data));
                    simulate::write_set(&path, false, &data, text, console)?;
                }
                path
            }
        };
        Ok(Arc::new(Set::open(&path)?))
    }
}

/// Shows people and machines how a training goes on.
struct TrainingProgress<'a> {
    console: &'a Console,
    bar: ProgressBar,
    recipe: &'a TrainingRecipe,
    /// Running mean of the loss.
    loss: Option<f64>,
    started: Instant,
    /// Steps of earlier calls.
    before: u64,
}

impl<'a> TrainingProgress<'a> {
    fn new(recipe: &'a TrainingRecipe, console: &'a Console) -> Self {
        let bar = console.bar(recipe.steps, "train");
        TrainingProgress { console, bar, recipe, loss: None, started: Instant::now(), before: 0 }
    }

    /// Patches a second since this call began.
    fn rate(&self, step: u64) -> f64 {
        (step - self.before) as f64 * self.recipe.batch as f64 / self.started.elapsed().as_secs_f64().max(1e-9)
    }

    fn show(&mut self, event: &SessionEvent<'_>) {
        match *event {
            SessionEvent::Resumed(step) => {
                self.before = step;
                self.bar.set_position(step);
                self.console.note(format!("going on after step {step}"));
                self.console.event("resumed", &json!({"step": step}));
            }
            SessionEvent::Step { step, loss, rate } => {
                let mean = self.loss.map_or(loss, |mean| 0.98 * mean + 0.02 * loss);
                self.loss = Some(mean);
                let patches = self.rate(step);
                self.bar.set_position(step);
                self.bar.set_message(format!("loss {mean:.3}  {patches:.0} patches/s"));
                self.console
                    .event("step", &json!({"step": step, "loss": loss, "rate": rate, "patches_per_second": patches}));
            }
            SessionEvent::Validation(point) => self.validation(point),
        }
    }

    fn validation(&self, point: &CurvePoint) {
        self.console.note(format!(
            "step {} of {}: training loss {}, validation loss {:.4}, error of ln(1+I) {:.4} (starting fill {:.4}), {:.1} % within \
             nominal 90 % intervals, {:.0} patches/s",
            point.step,
            self.recipe.steps,
            point.training_loss.map_or("-".into(), |loss| format!("{loss:.4}")),
            point.validation_loss,
            point.mean_absolute_log_error,
            point.starting_fill,
            100.0 * point.within_nominal_interval,
            self.rate(point.step)
        ));
        self.console.event("validation", point);
    }
}
