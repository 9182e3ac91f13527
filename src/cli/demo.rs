//! `lacuna demo`: what a gap does to a reconstruction, and what filling it does, on a particle whose truth is known.

use super::compare::Case;
use super::progress::{self, Voice};
use super::{MachineFlags, OutputFlags, load, reconstruct, simulate};
use lacuna::compare::{Arm, Trial, Truth};
use lacuna::config;
use lacuna::error::{Error, Result};
use lacuna::evaluate::{blinded, gaps_of_ratio};
use lacuna::geometry::Geometry;
use lacuna::io;
use lacuna::pixels::Pattern;
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
        for path in [&file, &page] {
            io::check_output(path, self.flags.force)?;
        }
        let voice = Voice::new(&self.flags);
        progress::catch_interrupts();
        let shape = if self.deep { vec![64; 3] } else { vec![256; 2] };
        let recipe = Recipe { seed: self.seed, ..simulate::crystal(shape)? };
        let simulated = pattern(&recipe, 0);
        let oversampling = simulated.parameters.oversampling().unwrap_or([1.0; 3]);
        let full = Pattern::new(simulated.measured(), simulated.mask.clone(), Geometry::default())?;
        let gap = gaps_of_ratio(full.shape(), oversampling, RATIO, self.seed, 0)[0];
        let seen = blinded(full.clone(), &gap.pixels(full.shape()));
        voice.note(format!("a gap of {} pixels, {RATIO} times the oversampling", gap.width));
        let process =
            io::Process::new(super::command_line(), &json!({"seed": self.seed}), &json!({"simulated": recipe.name}))?;
        io::write_pattern(&file, self.flags.force, &seen, None, &process)?;
        let flags = config::PhasingFlags {
            nb_run: Some(if self.deep { 2 } else { 3 }),
            seed: Some(self.seed),
            ..Default::default()
        };
        let settings = config::resolve("bragg", &[config::overlay(&flags)?])?;
        let model = load::model(None, if self.deep { 3 } else { 2 })?;
        let threshold =
            config::range("support-autocorrelation-threshold", &settings.support_autocorrelation_threshold)?;
        let plan = reconstruct::plan(&settings, Trial::autocorrelation(&seen, threshold))?;
        let case = Case {
            name: "a simulated crystal".into(),
            pattern: seen,
            full: Some(full),
            truth: Some(Truth { object: simulated.object, support: simulated.support }),
            hold_out: false,
            arms: vec![Arm::Full, Arm::Free, Arm::Zero, Arm::LinearSoft, Arm::Idw, Arm::Network],
            model: &model,
            plan,
            settings: &settings,
        };
        let compared = case.compare(&voice)?;
        let html = compared.page()?.to_html();
        io::replace(&page, self.flags.force, |part| std::fs::write(part, &html).map_err(|e| Error::write(part, e)))?;
        voice.note(compared.verdict());
        voice.note(format!("wrote {}: open it in a browser", page.display()));
        voice.event("summary", compared.summary()?)
    }
}
