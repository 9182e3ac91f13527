//! `lacuna demo`: what a gap does to a reconstruction, and what filling it does, on a particle
//! whose truth is known.

use super::console::Console;
use super::flags::{MachineFlags, OutputFlags};
use super::simulate;
use super::text::command_line;
use lacuna::compare::{Case, Contender, Truth};
use lacuna::error::Result;
use lacuna::evaluate::{blinded, gaps_of_ratio};
use lacuna::geometry::Geometry;
use lacuna::io;
use lacuna::pixels::Pattern;
use lacuna::reconstruct::{PhasingStart, model};
use lacuna::settings::{PhasingKeys, Settings, TypedSettings};
use lacuna::simulate::pattern::pattern;
use lacuna::simulate::recipe::Recipe;
use serde_json::json;
use std::path::PathBuf;

/// Width of the gap, in units of the linear oversampling.
const RATIO: f64 = 2.5;

/// Arguments of `lacuna demo`.
#[derive(Debug, clap::Args)]
pub struct Command {
    /// Folder of the pattern and the report
    #[arg(long, short, value_name = "DIR", default_value = "demo")]
    output: PathBuf,
    /// The rocking curve of a strained crystal instead of a frame; takes minutes
    #[arg(long = "3d")]
    deep: bool,
    /// Particle, places of the gap and random starts
    #[arg(long, value_name = "S", default_value_t = 3)]
    seed: u64,
    #[command(flatten)]
    machine: MachineFlags,
    #[command(flatten)]
    flags: OutputFlags,
}

impl Command {
    pub fn execute(self) -> Result<()> {
        self.machine.apply()?;
        let [file, page] = ["pattern.cxi", "compare.html"].map(|name| self.output.join(name));
        let mut claim = io::Claim::folder(&self.output)?;
        let force = claim.outputs(&[&file, &page], self.flags.force)?;
        let console = Console::new(&self.flags);
        let shape = if self.deep { vec![64; 3] } else { vec![256; 2] };
        let recipe = Recipe { seed: self.seed, ..simulate::crystal(shape)? };
        let simulated = pattern(&recipe, 0);
        let oversampling = simulated.parameters.oversampling().unwrap_or([1.0; 3]);
        let full = Pattern::new(simulated.measured(), simulated.mask.clone(), Geometry::default())?;
        let gap = gaps_of_ratio(full.shape(), oversampling, RATIO, self.seed, 0)[0];
        let seen = blinded(full.clone(), &gap.pixels(full.shape()));
        console.note(format!("a gap of {} pixels, {RATIO} times the oversampling", gap.width));
        let process =
            io::Process::new(command_line(), &json!({"seed": self.seed}), &json!({"simulated": recipe.name}))?;
        io::write_pattern(&file, force, &seen, None, &process)?;
        let runs = PhasingKeys {
            nb_run: Some(if self.deep { 2 } else { 3 }),
            seed: Some(self.seed),
            ..PhasingKeys::default()
        };
        let settings = Settings::resolve("bragg", &TypedSettings { phasing: runs, ..TypedSettings::default() })?;
        let model = model(None, if self.deep { 3 } else { 2 })?;
        let gaps = ["full", "free", "zero", "linear-soft", "idw-soft", "network"].map(String::from);
        let case = Case {
            name: "a simulated crystal".into(),
            start: PhasingStart::new(&seen, None, &settings)?,
            pattern: seen,
            full: Some(full),
            truth: Some(Truth { object: simulated.object, support: simulated.support }),
            hold_out: false,
            contenders: Contender::list(&gaps)?,
            model: &model,
            settings: &settings,
        };
        let compared = case.compare(&console)?;
        let command = command_line();
        io::write_text(&page, force, &compared.page(&command)?.to_html())?;
        claim.finish();
        console.note(compared.verdict());
        console.note(format!("wrote {}: open it in a browser", page.display()));
        console.event("summary", &compared.summary(&command)?);
        Ok(())
    }
}
