//! A self-check in words, as a table, and as a page.

use super::SelfCheck;
use crate::metrics::{GapScore, median};
use crate::pixels::Pattern;
use crate::report::{Figure, Image, Report, Section, Table};
use ndarray::{Array3, Axis};

impl SelfCheck {
    /// The check in a sentence.
    pub fn verdict(&self) -> String {
        let best = self.classical.iter().map(|score| score.error_log).fold(f64::INFINITY, f64::min);
        format!(
            "On {} measured pixels under {} copies of the gap the network's error of log10(1 + I) is {:.3}, the best classical fill's {best:.3}; \
             {:.0} % of the counts lie within the 90 % intervals, {:.1} % of the pixels would stay free. The copies lie {:.0} pixels \
             from the gap (median): where it is nearer to the peak than they are, it is harder to fill.",
            self.network.pixels,
            self.shifts.len(),
            self.network.error_log,
            100.0 * self.covered,
            100.0 * self.free,
            median(&self.shifts.iter().map(|[y, x]| (*y as f64).hypot(*x as f64)).collect::<Vec<_>>())
        )
    }

    /// The check as text, for a terminal.
    pub fn text(&self) -> String {
        let mut text = self.verdict() + "\n";
        for (name, score) in ["network", "linear", "idw", "biharmonic"].into_iter().zip(self.scores()) {
            text += &format!(
                "{name:>12}: Pearson of log {:.4}, error of log10(1 + I) {:.4}, Pearson of modulus {:.4}\n",
                score.pearson_log, score.error_log, score.pearson_modulus
            );
        }
        text
    }

    /// The page: the copies as they were filled, and the scores. `file` names the pattern, `model`
    /// the network, `command` is quoted.
    pub fn page(&self, pattern: &Pattern, file: &str, model: &str, command: &str) -> Report {
        let names = ["network", "linear", "inverse distance", "biharmonic"];
        let row = |(name, score): (&str, &GapScore)| {
            let numbers = [score.pearson_log, score.error_log, score.pearson_modulus];
            [vec![name.to_string()], numbers.map(|number| format!("{number:.4}")).into()].concat()
        };
        let header = ["", "Pearson of log", "error of log10(1 + I)", "Pearson of modulus"];
        Report {
            title: "Self-check of the inpainting".into(),
            verdict: self.verdict(),
            facts: vec![("file".into(), file.into()), ("model".into(), model.into())],
            sections: vec![Section {
                title: "Copies of the gap, cut into measured pixels".into(),
                text: "Scores are against counts: their noise is part of every error.".into(),
                figures: self.figures(pattern),
                tables: vec![Table {
                    title: "Inside the copies".into(),
                    header: header.map(String::from).into(),
                    rows: names.into_iter().zip(self.scores()).map(row).collect(),
                }],
                ..Section::default()
            }],
            command: command.into(),
            version: format!("lacuna {}", env!("CARGO_PKG_VERSION")),
            ..Report::default()
        }
    }

    /// Scores of the network and of the classical fills.
    fn scores(&self) -> impl Iterator<Item = &GapScore> {
        [&self.network].into_iter().chain(&self.classical)
    }

    fn figures(&self, pattern: &Pattern) -> Vec<Figure> {
        let plane = pattern.shape()[0] / 2;
        let middle = |values: &Array3<f32>| values.index_axis(Axis(0), plane).to_owned();
        let masked = pattern.mask.0.index_axis(Axis(0), plane);
        let mut measured = middle(&pattern.intensity.0);
        measured.zip_mut_with(&masked, |value, &bits| *value = if bits == 0 { *value } else { f32::NAN });
        let top = measured.iter().copied().filter(|value| value.is_finite()).fold(1.0, f32::max);
        let image = |title: &str, data| Figure::Image(Image::photons(title, data, top));
        let mut figures = vec![image("Measured", measured.clone())];
        for (copy, [dy, dx]) in self.copies.iter().zip(&self.shifts) {
            let inside = copy.inside.index_axis(Axis(0), plane);
            for (name, values) in [("network", middle(&copy.network)), ("biharmonic", middle(&copy.biharmonic))] {
                let mut filled = measured.clone();
                for (index, value) in filled.indexed_iter_mut().filter(|(index, _)| inside[*index]) {
                    *value = values[index];
                }
                figures.push(image(&format!("Copy shifted by {dy}, {dx}: {name}"), filled));
            }
        }
        figures
    }
}
