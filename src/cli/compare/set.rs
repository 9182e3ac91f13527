//! `lacuna compare --set`: the comparison over the patterns of a simulated set.

use crate::cli::console::Console;
use crate::cli::text::command_line;
use lacuna::compare::{Contender, SetComparison, SetEvent, Shard, StartSupport};
use lacuna::error::Result;
use lacuna::io::set::Split;
use lacuna::settings::Settings;
use serde_json::json;
use std::path::{Path, PathBuf};

/// Arguments of a comparison over a set.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Simulated sets")]
pub struct SetFlags {
    /// Instead of a pattern, a simulated set, the patterns of which are compared with their truth
    #[arg(long, value_name = "SET.h5")]
    pub set: Option<PathBuf>,
    /// Widths of the straight gap that is cut, in units of the linear oversampling across it
    #[arg(long, requires = "set", value_name = "LIST", value_delimiter = ',', default_value = "1.25,1.75,2.5,4")]
    ratios: Vec<f64>,
    /// Patterns to use: test, validation or train
    #[arg(long, requires = "set", value_name = "SPLIT", default_value = "test")]
    split: Split,
    /// Patterns at most
    #[arg(long, requires = "set", value_name = "N")]
    limit: Option<usize>,
    /// Also cut copies of the gap into measured pixels, and score how well each treatment predicts
    /// those
    #[arg(long, requires = "set")]
    hold_out: bool,
    /// Cut a cross instead of a straight gap
    #[arg(long, requires = "set")]
    cross: bool,
    /// Each pattern with one of the ratios in turn, instead of all
    #[arg(long, requires = "set")]
    in_turn: bool,
    /// Only patterns with at least so many photons: dim ones cannot be reconstructed with or
    /// without a gap
    #[arg(long, requires = "set", value_name = "PHOTONS", default_value_t = 1e6)]
    least_photons: f64,
    /// Do part I of N; lacuna compare merge puts the parts together
    #[arg(long, requires = "set", value_name = "I/N")]
    shard: Option<Shard>,
    /// First support: auto (autocorrelation), or the true one grown by so many pixels
    #[arg(long, requires = "set", value_name = "auto|PX", default_value = "auto")]
    start_support: StartSupport,
}

impl SetFlags {
    pub fn compare(
        &self,
        folder: &Path,
        contenders: &[Contender],
        model: Option<&Path>,
        force: bool,
        settings: &Settings,
        console: &Console,
    ) -> Result<()> {
        let comparison = SetComparison {
            set: self.set.as_deref().unwrap_or(Path::new("")),
            folder,
            contenders,
            split: self.split,
            limit: self.limit,
            least_photons: self.least_photons,
            ratios: &self.ratios,
            in_turn: self.in_turn,
            cross: self.cross,
            hold_out: self.hold_out,
            start: self.start_support,
            shard: self.shard.unwrap_or_default(),
            force,
        };
        let bar = console.bar(0, "compare");
        let lines = comparison.run(model, settings, console, &mut |event| match event {
            SetEvent::Resumed { done, of, path } => {
                console.note(format!("going on after {done} of {of} comparisons in {}", path.display()));
            }
            SetEvent::Done { of, outcome } => {
                if let Some(outcome) = outcome {
                    console.event("outcome", outcome);
                }
                bar.set_length(of as u64);
                bar.inc(1);
            }
        });
        bar.finish_and_clear();
        let lines = lines?;
        let folder = folder.display();
        console.note(format!("wrote {}: lacuna compare merge {folder} makes the table", lines.display()));
        console.event("summary", &json!({"outcomes": lines, "command": command_line()}));
        Ok(())
    }
}
