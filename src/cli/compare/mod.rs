//! `lacuna compare`: the same pattern phased with its gap treated in several ways.

mod file;
mod set;
mod summary;

pub use file::Case;
pub use summary::Outcomes;

use super::progress::{self, Voice};
use super::{MachineFlags, OutputFlags, PresetFlags, command_line, load, reconstruct};
use lacuna::compare::{Arm, ArmRuns, Prediction, Said, Trial, Truth, hold_outs};
use lacuna::config::{self, GapFlags, InputFlags, PhasingFlags, Settings};
use lacuna::error::{Error, Result};
use lacuna::inpaint::model::Model;
use lacuna::inpaint::predict::{PredictOptions, predict};
use lacuna::phasing::ensemble::{EnsemblePlan, FirstSupport};
use lacuna::phasing::problem::hold_out;
use lacuna::pixels::Pattern;
use lacuna::volume::Centered;
use serde_json::json;
use std::path::PathBuf;

/// Arguments of `lacuna compare`.
#[derive(Debug, clap::Args)]
pub struct Command {
    /// The pattern, raw or prepared
    #[arg(required_unless_present = "set")]
    file: Option<String>,
    /// The same pattern without the gap: its reconstruction is what the others are scored against
    #[arg(long, value_name = "FILE", requires = "file")]
    truth: Option<String>,
    /// Instead of a pattern, a simulated set, the patterns of which are compared with their truth
    #[arg(long, value_name = "SET.h5", conflicts_with = "file", help_heading = "Simulated sets")]
    set: Option<PathBuf>,
    /// Folder of the outcomes and the report
    #[arg(long, short, value_name = "DIR")]
    output: PathBuf,
    /// Ways to treat the gap, of full, free, zero, linear, linear-soft, linear-release, idw, network, network-hard, network-release [default: all]
    #[arg(long, value_name = "ARMS", value_delimiter = ',')]
    arms: Vec<String>,
    /// Folder of the network's model [default: the one in the program]
    #[arg(long, value_name = "DIR")]
    model: Option<PathBuf>,
    /// Half width of the network's bounds, in units of its 90 % intervals [default: the preset's]
    #[arg(long, value_name = "FACTOR")]
    gap_interval: Option<f32>,
    /// Widths of the straight gap that is cut, in units of the linear oversampling across it, comma-separated
    #[arg(
        long,
        help_heading = "Simulated sets",
        value_name = "RATIOS",
        value_delimiter = ',',
        default_value = "1.25,1.75,2.5,4"
    )]
    ratios: Vec<f64>,
    /// Patterns to use: test, validation or train
    #[arg(long, help_heading = "Simulated sets", value_name = "SPLIT", default_value = "test")]
    split: String,
    /// Patterns at most
    #[arg(long, help_heading = "Simulated sets", value_name = "N")]
    limit: Option<usize>,
    /// Also cut copies of the gap into measured pixels, and score how well each arm predicts those
    #[arg(long, help_heading = "Simulated sets")]
    hold_out: bool,
    /// Cut a cross instead of a straight gap
    #[arg(long, help_heading = "Simulated sets")]
    cross: bool,
    /// Each pattern with one of the ratios in turn, instead of all
    #[arg(long, help_heading = "Simulated sets")]
    in_turn: bool,
    /// Only patterns with at least so many photons: dim ones cannot be reconstructed with or without a gap
    #[arg(long, help_heading = "Simulated sets", value_name = "PHOTONS", default_value_t = 1e6)]
    least_photons: f64,
    /// Do part I of N; lacuna merge puts the parts together
    #[arg(long, help_heading = "Simulated sets", value_name = "I/N")]
    shard: Option<set::Shard>,
    /// First support: auto (autocorrelation), or the true one grown by so many pixels
    #[arg(long, value_name = "auto|PX", default_value = "auto", help_heading = "Simulated sets")]
    start_support: String,
    #[command(flatten)]
    preset: PresetFlags,
    #[command(flatten)]
    input: InputFlags,
    #[command(flatten)]
    phasing: PhasingFlags,
    #[command(flatten)]
    machine: MachineFlags,
    #[command(flatten)]
    flags: OutputFlags,
    #[arg(skip)]
    seed: u64,
}

impl Command {
    pub fn execute(self) -> Result<()> {
        self.machine.apply()?;
        let voice = Voice::new(&self.flags);
        let gaps = GapFlags { gap_interval: self.gap_interval, ..GapFlags::default() };
        let settings = config::resolve(
            &self.preset.preset,
            &[config::overlay(&self.input)?, config::overlay(&gaps)?, config::overlay(&self.phasing)?],
        )?;
        match (&self.set, &self.file) {
            (Some(set), _) => {
                let lines = set::compare(&self, set, &settings, &voice)?;
                voice.note(format!(
                    "wrote {}: lacuna merge {} makes the table",
                    lines.display(),
                    self.output.display()
                ));
                voice.event("summary", json!({"outcomes": lines, "command": command_line()}))
            }
            (None, Some(file)) => self.one(file, &settings, &voice),
            (None, None) => unreachable!("clap asks for the one or the other"),
        }
    }

    /// The comparison on one pattern.
    fn one(&self, file: &str, settings: &Settings, voice: &Voice) -> Result<()> {
        let page = self.output.join("compare.html");
        lacuna::io::check_output(&page, self.flags.force)?;
        progress::catch_interrupts();
        let prepared = load::prepared(file, settings, false, voice)?;
        let full = match &self.truth {
            None => None,
            Some(truth) => {
                // The same pixels, whatever else would be found in the other file.
                let centre = if prepared.pattern.is_2d() { &prepared.centre[1..] } else { &prepared.centre[..] };
                let centre = centre.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
                let settings = Settings { centre, hot_pixels: 0.0, dead_pixels: false, ..settings.clone() };
                let full = load::prepared(truth, &settings, false, voice)?.pattern;
                if full.shape() != prepared.pattern.shape() {
                    return Err(Error::file(truth, format!("is not {file} without its gap: the shapes differ")));
                }
                Some(full)
            }
        };
        let pattern = Pattern { estimate: None, ..prepared.pattern };
        let mut arms = self.arms()?;
        arms.retain(|arm| *arm != Arm::Full || full.is_some());
        let model = load::model(self.model.as_deref(), if pattern.is_2d() { 2 } else { 3 })?;
        // Of the pattern with its gap and without estimates, so that all arms begin in the same support.
        let held_out = hold_out(&pattern, settings.free_fraction, 0, settings.real);
        let support = reconstruct::first_support(&pattern, held_out, prepared.support, settings)?;
        let plan = reconstruct::plan(settings, support)?;
        let name =
            std::path::Path::new(file).file_name().map_or(file.into(), |name| name.to_string_lossy().into_owned());
        let case = Case { name, pattern, full, truth: None, hold_out: true, arms, model: &model, plan, settings };
        let compared = case.compare(voice)?;
        let html = compared.page()?.to_html();
        lacuna::io::replace(&page, self.flags.force, |part| {
            std::fs::write(part, &html).map_err(|e| Error::write(part, e))
        })?;
        voice.note(compared.verdict());
        voice.note(format!("wrote {}", page.display()));
        voice.event("summary", compared.summary()?)
    }

    fn arms(&self) -> Result<Vec<Arm>> {
        if self.arms.is_empty() {
            return Ok(Arm::ALL.into());
        }
        self.arms.iter().map(|name| name.parse()).collect()
    }

    /// Where all arms begin on a simulated pattern.
    fn first_support(&self, pattern: &Pattern, truth: &Truth, settings: &Settings) -> Result<FirstSupport> {
        let threshold =
            config::range("support-autocorrelation-threshold", &settings.support_autocorrelation_threshold)?;
        if self.start_support == "auto" {
            return Ok(Trial::autocorrelation(pattern, threshold));
        }
        let problem = "auto, or a number of pixels";
        let pixels: f32 =
            self.start_support.parse().map_err(|_| Error::setting("--start-support", &self.start_support, problem))?;
        let near = lacuna::inpaint::distance_to_measured(&truth.support.0, !pattern.is_2d());
        Ok(FirstSupport::Given(Centered(near.mapv(|distance| distance <= pixels)).to_cornered()))
    }
}

/// What all arms made of a pattern.
struct Phased {
    runs: Vec<ArmRuns>,
    said: Option<Said>,
}

/// Phases a pattern by all arms.
fn phased(
    pattern: &Pattern,
    full: Option<&Pattern>,
    arms: &[Arm],
    model: &Model,
    plan: &EnsemblePlan,
    settings: &Settings,
) -> Result<Phased> {
    let go_on = || !progress::interrupted();
    let said = if arms.iter().any(|arm| arm.network()) {
        let options = PredictOptions { slices: model.dimensions() == 2 };
        let field = predict(pattern, model, options, &mut |_| go_on())?;
        let calibration = model.card.calibration.clone();
        Some(Said { field, calibration, width: settings.gap_interval })
    } else {
        None
    };
    let held_out = hold_out(pattern, settings.free_fraction, 0, settings.real);
    let said_of = said.as_ref();
    let trial = Trial {
        pattern,
        full,
        said: said_of,
        held_out: &held_out,
        plan,
        real: settings.real,
        device: &settings.device,
    };
    let runs = trial.phase(arms, &go_on)?;
    Ok(Phased { runs, said })
}

/// Copies of the gap that are tried.
const COPIES: usize = 2;

/// How well each arm predicts copies of the gap that it did not see: means over the copies. Nothing if there is no room for one.
fn held_out(
    pattern: &Pattern,
    arms: &[Arm],
    model: &Model,
    plan: &EnsemblePlan,
    settings: &Settings,
) -> Result<Vec<(Arm, Prediction)>> {
    let arms: Vec<Arm> = arms.iter().copied().filter(|arm| *arm != Arm::Full).collect();
    let mut predictions: Vec<Vec<Prediction>> = vec![Vec::new(); arms.len()];
    for copy in hold_outs(pattern, COPIES) {
        let Phased { runs, .. } = phased(&copy.pattern, None, &arms, model, plan, settings)?;
        for (predictions, arm) in predictions.iter_mut().zip(&runs) {
            let best = arm.best();
            predictions.extend(best.map(|run| Prediction::new(&run.object, &pattern.intensity, &copy.inside)));
        }
    }
    let mean = |predictions: &[Prediction]| {
        let count = predictions.len() as f64;
        let of = |get: &dyn Fn(&Prediction) -> f64| predictions.iter().map(get).sum::<f64>() / count;
        (count > 0.0).then(|| Prediction { error_log: of(&|p| p.error_log), llk: of(&|p| p.llk) })
    };
    Ok(arms.into_iter().zip(&predictions).filter_map(|(arm, list)| Some((arm, mean(list)?))).collect())
}
