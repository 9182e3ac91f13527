//! `lacuna compare`: the same pattern phased with its gap treated in several ways.

mod set;

use super::progress::Voice;
use super::{MachineFlags, OutputFlags, PresetFlags, command_line};
use lacuna::compare::{Arm, Trial, Truth};
use lacuna::config::{self, GapFlags, PhasingFlags, Settings};
use lacuna::error::{Error, Result};
use lacuna::phasing::many::FirstSupport;
use lacuna::pixels::Pattern;
use lacuna::volume::Centered;
use serde_json::json;
use std::path::PathBuf;

/// Arguments of `lacuna compare`.
#[derive(Debug, clap::Args)]
pub struct Command {
    /// Simulated set: the test patterns of which are compared with their truth
    #[arg(long, value_name = "SET.h5")]
    set: PathBuf,
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
    /// Widths of the straight gap that is cut, in units of the linear oversampling across it
    #[arg(long, value_name = "RATIOS", value_delimiter = ',', default_values_t = [1.25, 1.75, 2.5])]
    ratios: Vec<f64>,
    /// Patterns to use: test, validation or train
    #[arg(long, value_name = "SPLIT", default_value = "test")]
    split: String,
    /// Patterns at most
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    /// Cut a cross instead of a straight gap
    #[arg(long)]
    cross: bool,
    /// Each pattern with one of the ratios in turn, instead of all
    #[arg(long)]
    in_turn: bool,
    /// Only patterns with at least so many photons: dim ones cannot be reconstructed with or without a gap
    #[arg(long, value_name = "PHOTONS", default_value_t = 1e6)]
    least_photons: f64,
    /// Do part I of N; lacuna merge puts the parts together
    #[arg(long, value_name = "I/N")]
    shard: Option<set::Shard>,
    /// First support: auto (autocorrelation), or the true one grown by so many pixels
    #[arg(long, value_name = "auto|PX", default_value = "auto")]
    start_support: String,
    #[command(flatten)]
    preset: PresetFlags,
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
        let settings =
            config::resolve(&self.preset.preset, &[config::overlay(&gaps)?, config::overlay(&self.phasing)?])?;
        let lines = set::compare(&self, &self.set, &settings, &voice)?;
        voice.note(format!("wrote {}", lines.display()));
        voice.event("summary", json!({"outcomes": lines, "command": command_line()}))
    }

    fn arms(&self) -> Result<Vec<Arm>> {
        if self.arms.is_empty() {
            return Ok(Arm::ALL.into());
        }
        self.arms.iter().map(|name| name.parse()).collect()
    }

    /// Where all arms begin.
    fn first_support(&self, pattern: &Pattern, truth: Option<&Truth>, settings: &Settings) -> Result<FirstSupport> {
        let threshold =
            config::range("support-autocorrelation-threshold", &settings.support_autocorrelation_threshold)?;
        match (self.start_support.as_str(), truth) {
            ("auto", _) => Ok(Trial::autocorrelation(pattern, threshold)),
            (text, Some(truth)) => {
                let problem = "auto, or a number of pixels";
                let pixels: f32 = text.parse().map_err(|_| Error::setting("--start-support", text, problem))?;
                let near = lacuna::inpaint::distance_to_measured(&truth.support.0, !pattern.is_2d());
                Ok(FirstSupport::Given(Centered(near.mapv(|distance| distance <= pixels)).to_cornered()))
            }
            (text, None) => Err(Error::setting("--start-support", text, "auto: no truth is there to grow")),
        }
    }
}
