//! The accuracy of a network as tables, as a page, and on the card of its model.

use super::{Class, EvaluatedCase, Row};
use crate::error::{Error, Result};
use crate::inpaint::model::Model;
use crate::io::set::{Set, Split};
use crate::report::{Figure, Image, Report, Section, Table};
use ndarray::{Array3, Axis};
use serde::Serialize;

/// The page: tables by width, photons, oversampling and distance, and pictures of some cases.
/// `set` names the set, `command` is quoted.
pub fn page(
    classes: &[Class],
    pictures: &[EvaluatedCase],
    model: &Model,
    set: &str,
    split: Split,
    command: &str,
) -> Report {
    let main = classes.iter().find(|class| class.name == "6 px").or(classes.first());
    let verdict = main.map_or(String::new(), |class| {
        format!(
            "Inside {} gaps the network's median error of log10(1 + I) is {:.3}, {:.2} of the best classical fill's \
                 (95 % interval {:.2} to {:.2}); {:.0} % of the truth lies within the 90 % intervals.",
            class.name,
            class.network[1],
            class.error_ratio,
            class.error_ratio_interval[0],
            class.error_ratio_interval[1],
            100.0 * class.covered
        )
    });
    let mut sections = vec![Section {
        title: "Scores".into(),
        text: "Medians over patterns, inside the gaps only, against the noise-free intensity.".into(),
        tables: ["width", "photons", "oversampling", "offset"]
            .map(|by| table(by, classes))
            .into_iter()
            .chain([levels_table(classes)])
            .collect(),
        ..Section::default()
    }];
    for (name, case) in ["Best", "Median", "Worst"].iter().zip(pictures) {
        sections.push(section(name, case));
    }
    Report {
        title: format!("Accuracy of {}", model.card.name),
        verdict,
        facts: vec![
            ("set".into(), set.into()),
            ("patterns".into(), split.name().into()),
            ("sha256".into(), model.card.sha256.clone()),
        ],
        sections,
        command: command.into(),
        version: format!("lacuna {}", env!("CARGO_PKG_VERSION")),
        ..Report::default()
    }
}
const HEADER: [&str; 10] = [
    "",
    "patterns",
    "Pearson of log",
    "error of log10",
    "Pearson of modulus",
    "error of linear / inverse distance / biharmonic",
    "ratio to the best",
    "error of kriging",
    "within 90 %",
    "left free",
];

fn cells(class: &Class) -> Vec<String> {
    let error = |i: usize| format!("{:.3}", class.classical[i][1]);
    vec![
        class.name.clone(),
        class.patterns.to_string(),
        format!("{:.4}", class.network[0]),
        format!("{:.4}", class.network[1]),
        format!("{:.4}", class.network[2]),
        format!("{} / {} / {}", error(0), error(1), error(2)),
        format!(
            "{:.3} ({:.3} to {:.3})",
            class.error_ratio, class.error_ratio_interval[0], class.error_ratio_interval[1]
        ),
        format!("{:.3}", class.kriging[1]),
        format!("{:.1} %", 100.0 * class.covered),
        format!("{:.1} %", 100.0 * class.free),
    ]
}

fn table(by: &str, classes: &[Class]) -> Table {
    let mut header: Vec<String> = HEADER.map(String::from).into();
    header[0] = by.into();
    Table {
        title: format!("By {by}"),
        header,
        rows: classes.iter().filter(|class| class.by == by).map(cells).collect(),
    }
}

/// Correlations as means over levels of intensity, by the width of the gap.
fn levels_table(classes: &[Class]) -> Table {
    let row = |class: &Class| {
        let values = class.pearson_over_levels.map(|value| format!("{value:.3}"));
        std::iter::once(class.name.clone()).chain(values).collect()
    };
    Table {
        title: "Pearson of log, mean over 20 levels of intensity".into(),
        header: ["width", "network", "linear", "inverse distance", "biharmonic"].map(String::from).into(),
        rows: classes.iter().filter(|class| class.by == "width").map(row).collect(),
    }
}

/// The tables as text, for a terminal.
pub fn text(classes: &[Class], model: &Model) -> String {
    let mut text = format!("{}: medians inside the gaps, against noise-free intensities\n", model.card.name);
    let mut by = "";
    for class in classes {
        if class.by != by {
            by = class.by;
            text += &format!(
                "{by:>14} {:>8} {:>11} {:>11} {:>11} {:>22} {:>23} {:>8} {:>9} {:>6}\n",
                "patterns",
                "Pearson log",
                "err. log10",
                "Pearson |F|",
                "linear/idw/biharmonic",
                "ratio to the best",
                "kriging",
                "within 90",
                "free"
            );
        }
        let c = cells(class);
        text += &format!(
            "{:>14} {:>8} {:>11} {:>11} {:>11} {:>22} {:>23} {:>8} {:>9} {:>6}\n",
            c[0], c[1], c[2], c[3], c[4], c[5], c[6], c[7], c[8], c[9]
        );
    }
    let levels = levels_table(classes);
    text += &format!("{}: {}\n", levels.title, levels.header[1..].join(", "));
    for row in levels.rows {
        text += &format!("{:>14} {}\n", row[0], row[1..].join(" "));
    }
    text
}

/// Scores of a class, as the card of a model keeps them.
#[derive(Serialize)]
struct CardScore<'a> {
    set: &'a str,
    split: &'a str,
    by: &'a str,
    class: &'a str,
    patterns: usize,
    pearson_log: f64,
    error_log10: f64,
    pearson_modulus: f64,
    error_log10_linear_idw_biharmonic: [f64; 3],
    error_log10_kriging: f64,
    error_ratio: f64,
    error_ratio_interval: [f64; 2],
    within_90: f64,
    left_free: f64,
}

/// The scores for the card of a model, one table for each class.
///
/// # Errors
/// [`Error::Encode`] for scores that TOML cannot hold.
pub fn card_scores(classes: &[Class], set: &Set, split: Split) -> Result<Vec<toml::Table>> {
    let table = |class: &Class| {
        let score = CardScore {
            set: &set.header().recipe_name,
            split: split.name(),
            by: class.by,
            class: &class.name,
            patterns: class.patterns,
            pearson_log: class.network[0],
            error_log10: class.network[1],
            pearson_modulus: class.network[2],
            error_log10_linear_idw_biharmonic: class.classical.map(|scores| scores[1]),
            error_log10_kriging: class.kriging[1],
            error_ratio: class.error_ratio,
            error_ratio_interval: class.error_ratio_interval,
            within_90: class.covered,
            left_free: class.free,
        };
        toml::Table::try_from(&score).map_err(|error| Error::encode("the scores of a model", error))
    };
    classes.iter().map(table).collect()
}

/// Pictures of a case: what was seen, the truth, the fills, and the width of the intervals.
fn section(name: &str, case: &EvaluatedCase) -> Section {
    let plane = peak_plane(&case.truth);
    let of = |values: &Array3<f32>| values.index_axis(Axis(0), plane).to_owned();
    let (inside, truth) = (case.filled.inside.index_axis(Axis(0), plane), of(&case.truth));
    let masked = case.seen.mask.0.index_axis(Axis(0), plane);
    let top = truth.iter().copied().fold(1.0, f32::max);
    let image = |title: &str, data| Figure::Image(Image::photons(title, data, top));
    let filled = |values: &Array3<f32>| {
        let mut out = truth.clone();
        let values = of(values);
        for (index, out) in out.indexed_iter_mut().filter(|(index, _)| inside[*index]) {
            *out = values[index];
        }
        out
    };
    let mut seen = of(&case.seen.intensity.0);
    seen.zip_mut_with(&masked, |value, &bits| *value = if bits == 0 { *value } else { f32::NAN });
    let mut spread = of(&case.filled.half_width);
    spread.zip_mut_with(&inside, |value, &inside| *value = if inside { *value } else { f32::NAN });
    let Row { pattern, width, photons, oversampling, offset, ref outcome, .. } = case.row;
    Section {
        title: format!("{name} case"),
        text: format!(
            "Pattern {pattern}, gap of {width} px at {offset:.0} px from the centre, oversampling {oversampling:.1}, {photons:.1e} photons. \
             Error of log10(1 + I): network {:.3}, linear {:.3}, inverse distance {:.3}, biharmonic {:.3}, kriging {:.3}; Pearson of the logarithm {:.3}.",
            outcome.network.error_log,
            outcome.classical[0].error_log,
            outcome.classical[1].error_log,
            outcome.classical[2].error_log,
            outcome.kriging.error_log,
            outcome.network.pearson_log
        ),
        figures: vec![
            image("Seen", seen),
            image("Truth", truth.clone()),
            image("Network", filled(&case.filled.network)),
            image("Biharmonic", filled(&case.filled.biharmonic)),
            Figure::Image(Image {
                title: "Half width of the 90 % interval, ln(1 + I)".into(),
                data: spread,
                unit: "ln".into(),
                ..Image::default()
            }),
        ],
        ..Section::default()
    }
}

/// The plane of the brightest pixel.
fn peak_plane(values: &Array3<f32>) -> usize {
    let mut found = (0, f32::NEG_INFINITY);
    for ((z, _, _), &value) in values.indexed_iter() {
        if value > found.1 {
            found = (z, value);
        }
    }
    found.0
}
