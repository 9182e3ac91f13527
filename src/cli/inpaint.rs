//! `lacuna inpaint`: a pattern in, the completed pattern with its estimates and their bounds out.

use super::progress::Voice;
use super::{MachineFlags, OutputFlags, command_line, load};
use lacuna::config::{self, InputFlags, Settings};
use lacuna::error::{Error, Result};
use lacuna::evaluate::{SelfCheck, self_check};
use lacuna::inpaint::predict::PredictOptions;
use lacuna::io;
use lacuna::pixels::Pattern;
use lacuna::report::{Figure, Image, Report, Section, Table};
use ndarray::{Array3, Axis};
use serde_json::json;
use std::path::{Path, PathBuf};

/// Arguments of `lacuna inpaint`.
#[derive(Debug, clap::Args)]
pub struct Command {
    /// The pattern, raw or prepared; it is prepared as `lacuna prepare` does, a prepared one stays as it is
    file: String,
    /// Where the completed pattern goes (CXI)
    #[arg(long, short, value_name = "FILE", required_unless_present = "self_check")]
    output: Option<PathBuf>,
    /// How the gaps are filled: network, zero, linear, idw or biharmonic
    #[arg(long, value_name = "METHOD", default_value = "network")]
    method: String,
    /// Folder of the network's model [default: the one in the program]
    #[arg(long, value_name = "DIR")]
    model: Option<String>,
    /// Dimensions in which the network works: 2 fills volumes frame by frame [default: those of the pattern]
    #[arg(long, value_name = "2|3")]
    dims: Option<usize>,
    /// Bounds of what a classical method fills, as multiples of it; the network has its own
    #[arg(long, value_name = "LO,HI", value_delimiter = ',', default_values_t = [0.5, 2.0])]
    gap_bounds: Vec<f32>,
    /// Check the network on this pattern: fill copies of its gap cut into measured pixels, and compare
    #[arg(long)]
    self_check: bool,
    /// One HTML page that shows the self-check
    #[arg(long, value_name = "PAGE.html", requires = "self_check")]
    report: Option<PathBuf>,
    #[command(flatten)]
    input: InputFlags,
    #[command(flatten)]
    machine: MachineFlags,
    #[command(flatten)]
    flags: OutputFlags,
}

impl Command {
    pub fn execute(self) -> Result<()> {
        self.machine.apply()?;
        for path in self.output.iter().chain(&self.report) {
            io::check_output(path, self.flags.force)?;
            load::not_onto_itself(&self.file, path)?;
        }
        if self.self_check && self.method != "network" {
            return Err(Error::setting("--method", &self.method, "only the network is checked: leave it out"));
        }
        if let Some(folder) = &self.model {
            // A wrong folder is better told before a large file is read.
            load::model(Some(Path::new(folder)), 2)?;
        }
        let gaps = config::GapFlags {
            gap: Some(self.method.clone()),
            gap_bounds: (!self.method.starts_with("network")).then(|| self.gap_bounds.clone()),
            // Whoever reads the file finds the intervals as they are.
            gap_interval: Some(1.0),
            gap_leak: None,
            model: self.model.clone(),
            dims: self.dims,
        };
        let settings = config::resolve("bragg", &[config::overlay(&self.input)?, config::overlay(&gaps)?])?;
        let voice = Voice::new(&self.flags);
        let prepared = load::prepared(&self.file, &settings, self.dims == Some(2), &voice)?;
        let mut pattern = prepared.pattern;
        let mut results = json!({"method": self.method});
        if self.self_check {
            let check = self.check(&pattern, &settings, &voice)?;
            results["self_check"] = json!(check);
        }
        if let Some(output) = &self.output {
            let estimate = load::estimate(&pattern, &settings, &voice)?;
            let filled = estimate.at.as_slice().iter().filter(|&&at| at).count();
            results["estimated_pixels"] = json!(filled);
            pattern.estimate = Some(estimate);
            let process = io::Process::new(command_line(), &settings, &results)?;
            io::write_pattern(output, self.flags.force, &pattern, prepared.support.as_ref(), &process)?;
            voice.note(format!("wrote {}", output.display()));
        }
        voice.event("summary", json!({"output": self.output, "results": results}))
    }

    fn check(&self, pattern: &Pattern, settings: &Settings, voice: &Voice) -> Result<SelfCheck> {
        let options = PredictOptions { slices: load::slices(self.dims, pattern.shape())? };
        let folder = (!settings.model.is_empty()).then(|| Path::new(&settings.model));
        let model = load::model(folder, if options.slices { 2 } else { 3 })?;
        let check = voice.percent("checking", |progress| self_check(pattern, &model, options, progress))?;
        if !self.flags.json {
            super::print(text(&check))?;
        }
        if let Some(page) = &self.report {
            let html = self.page(pattern, &check, &model.card.name).to_html();
            io::replace(page, self.flags.force, |part| {
                std::fs::write(part, &html).map_err(|error| Error::write(part, error))
            })?;
            voice.note(format!("wrote {}", page.display()));
        }
        Ok(check)
    }

    fn page(&self, pattern: &Pattern, check: &SelfCheck, model: &str) -> Report {
        let shape = pattern.shape();
        let plane = shape[0] / 2;
        let of = |values: &Array3<f32>| values.index_axis(Axis(0), plane).to_owned();
        let masked = pattern.mask.0.index_axis(Axis(0), plane);
        let mut measured = of(&pattern.intensity.0);
        measured.zip_mut_with(&masked, |value, &bits| *value = if bits == 0 { *value } else { f32::NAN });
        let top = measured.iter().copied().filter(|value| value.is_finite()).fold(1.0, f32::max);
        let image = |title: &str, data| Figure::Image(Image::photons(title, data, top));
        let mut figures = vec![image("Measured", measured.clone())];
        for (copy, [dy, dx]) in check.copies.iter().zip(&check.shifts) {
            let inside = copy.inside.index_axis(Axis(0), plane);
            for (name, values) in [("network", of(&copy.network)), ("biharmonic", of(&copy.biharmonic))] {
                let mut out = measured.clone();
                for (index, out) in out.indexed_iter_mut().filter(|(index, _)| inside[*index]) {
                    *out = values[index];
                }
                figures.push(image(&format!("Copy shifted by {dy}, {dx}: {name}"), out));
            }
        }
        let names = ["network", "linear", "inverse distance", "biharmonic"];
        let scores = [&check.network].into_iter().chain(&check.classical);
        let row = |(name, score): (&str, &lacuna::metrics::GapScore)| {
            let numbers = [score.pearson_log, score.error_log, score.pearson_modulus];
            [vec![name.to_string()], numbers.map(|number| format!("{number:.4}")).into()].concat()
        };
        Report {
            title: "Self-check of the inpainting".into(),
            verdict: verdict(check),
            facts: vec![("file".into(), self.file.clone()), ("model".into(), model.into())],
            sections: vec![Section {
                title: "Copies of the gap, cut into measured pixels".into(),
                text: "Scores are against counts: their noise is part of every error.".into(),
                figures,
                tables: vec![Table {
                    title: "Inside the copies".into(),
                    header: ["", "Pearson of log", "error of log10(1 + I)", "Pearson of modulus"]
                        .map(String::from)
                        .into(),
                    rows: names.into_iter().zip(scores).map(row).collect(),
                }],
            }],
            command: command_line(),
            version: format!("lacuna {}", env!("CARGO_PKG_VERSION")),
        }
    }
}

fn verdict(check: &SelfCheck) -> String {
    let best = check.classical.iter().map(|score| score.error_log).fold(f64::INFINITY, f64::min);
    format!(
        "On {} measured pixels under {} copies of the gap the network's error of log10(1 + I) is {:.3}, the best classical fill's {best:.3}; \
         {:.0} % of the counts lie within the 90 % intervals, {:.1} % of the pixels would stay free.",
        check.network.pixels,
        check.shifts.len(),
        check.network.error_log,
        100.0 * check.covered,
        100.0 * check.free
    )
}

fn text(check: &SelfCheck) -> String {
    let mut text = verdict(check) + "\n";
    let scores = [&check.network].into_iter().chain(&check.classical);
    for (name, score) in ["network", "linear", "idw", "biharmonic"].into_iter().zip(scores) {
        text += &format!(
            "{name:>12}: Pearson of log {:.4}, error of log10(1 + I) {:.4}, Pearson of modulus {:.4}\n",
            score.pearson_log, score.error_log, score.pearson_modulus
        );
    }
    text
}
