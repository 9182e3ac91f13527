//! `lacuna evaluate`: how accurate a network is inside gaps, beside the classical fills, on patterns whose truth is known.

use super::progress::{self, Voice};
use super::{MachineFlags, command_line, load};
use lacuna::error::{Error, Result};
use lacuna::evaluate::{
    Calibrator, Class, DetectorGap, Filled, Row, blinded, classes, outcome, straight_gap, without_gaps,
};
use lacuna::inpaint::calibration::Calibration;
use lacuna::inpaint::model::{CARD, Model};
use lacuna::inpaint::predict::PredictOptions;
use lacuna::io;
use lacuna::io::set::{Measurement, Set, Split};
use lacuna::pixels::Pattern;
use lacuna::report::{Figure, Image, Report, Section, Table};
use ndarray::{Array3, Axis};
use serde_json::json;
use std::path::{Path, PathBuf};

/// Arguments of `lacuna evaluate`.
#[derive(Debug, clap::Args)]
pub struct Command {
    /// Set of patterns with their truth, made by lacuna simulate
    set: PathBuf,
    /// Folder of a model [default: the one in the program for the set's dimensions]
    #[arg(long, value_name = "DIR")]
    model: Option<PathBuf>,
    /// Patterns to use: test, validation or train
    #[arg(long, value_name = "SPLIT", default_value = "test")]
    split: String,
    /// Widths of the straight gaps that are cut into patterns without any, pixels; own: the gaps and bad pixels that they have
    #[arg(long, value_name = "PX", value_delimiter = ',', default_value = "own,3,6,9,12")]
    widths: Vec<String>,
    /// Patterns at most
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    /// Fill frames of volumes one by one with --dims 2 [default: as the set]
    #[arg(long, value_name = "2|3")]
    dims: Option<usize>,
    /// Seed of the places of the gaps
    #[arg(long, value_name = "S", default_value_t = 0)]
    seed: u64,
    /// One HTML page with the tables, and pictures of the best, median and worst cases
    #[arg(long, value_name = "PAGE.html")]
    report: Option<PathBuf>,
    /// Put the scores on the card of --model
    #[arg(long, requires = "model")]
    write_card: bool,
    /// First fit the intervals of --model to the set's validation patterns (--limit of them), and put them on its card
    #[arg(long, requires = "model")]
    calibrate: bool,
    #[command(flatten)]
    machine: MachineFlags,
    #[command(flatten)]
    flags: super::OutputFlags,
}

/// The case of a picture.
struct Case {
    row: Row,
    truth: Array3<f32>,
    seen: Pattern,
    filled: Filled,
}

impl Command {
    pub fn execute(self) -> Result<()> {
        self.machine.apply()?;
        let voice = Voice::new(&self.flags);
        if let Some(page) = &self.report {
            io::check_output(page, self.flags.force)?;
        }
        let widths = self.widths.iter().map(|text| width(text)).collect::<Result<Vec<_>>>()?;
        let set = Set::open(&self.set)?;
        let shape = set.shape();
        let flat = shape[0] == 1;
        if let Some(&width) = widths.iter().find(|&&width| 2 * width > shape[1].min(shape[2])) {
            return Err(Error::setting("--widths", width, "a gap is at most half of the frame"));
        }
        let options = PredictOptions { slices: flat || load::slices(self.dims, shape)? };
        let mut model = load::model(self.model.as_deref(), if options.slices { 2 } else { 3 })?;
        let split = Split::ALL.into_iter().find(|split| split.name() == self.split);
        let split = split.ok_or_else(|| Error::setting("--split", &self.split, "test, validation or train"))?;
        let mut patterns = set.indices(split);
        patterns.truncate(self.limit.unwrap_or(usize::MAX));
        if patterns.is_empty() {
            return Err(Error::file(&self.set, format!("has no pattern for {}", split.name())));
        }
        if self.calibrate && split == Split::Validation {
            let problem = "intervals that are fitted to these patterns say nothing on them: leave it out";
            return Err(Error::setting("--split", &self.split, problem));
        }
        progress::catch_interrupts();
        if let (true, Some(folder)) = (self.calibrate, &self.model) {
            model.card.calibration = self.calibration(&set, &widths, &model, options, &voice)?;
            write_card(folder, &mut model, &voice)?;
        }
        let (rows, pictures) = self.rows(&set, &patterns, &widths, &model, options, &voice)?;
        let classes = classes(&rows);
        if !self.flags.json {
            super::print(text(&classes, &model))?;
        }
        for class in &classes {
            voice.event("class", json!(class))?;
        }
        if let Some(page) = &self.report {
            let html = self.page(&classes, &pictures, &model).to_html();
            io::replace(page, self.flags.force, |part| {
                std::fs::write(part, &html).map_err(|error| Error::write(part, error))
            })?;
            voice.note(format!("wrote {}", page.display()));
        }
        if let (true, Some(folder)) = (self.write_card, &self.model) {
            model.card.scores = classes.iter().map(|class| score(class, &set, &self.split)).collect::<Result<_>>()?;
            write_card(folder, &mut model, &voice)?;
        }
        voice.event(
            "summary",
            json!({"model": model.card.name, "set": self.set, "split": self.split, "patterns": patterns.len(),
                                      "outcomes": rows.len(), "seed": self.seed, "command": command_line()}),
        )
    }

    /// All outcomes, and the cases for pictures: best, median and worst of the 6 px gaps, or of the first width.
    fn rows(
        &self,
        set: &Set,
        patterns: &[usize],
        widths: &[usize],
        model: &Model,
        options: PredictOptions,
        voice: &Voice,
    ) -> Result<(Vec<Row>, Vec<Case>)> {
        let photons = set.parameter("measurement_photons")?;
        let bar = voice.bar((patterns.len() * widths.len()) as u64, "evaluate");
        let mut rows = Vec::new();
        for &pattern in patterns {
            for &width in widths {
                if let Some(case) = self.case(set, pattern, width, model, options, photons[pattern])? {
                    rows.push(case.row);
                }
                bar.inc(1);
            }
        }
        bar.finish_and_clear();
        let drawn = if widths.contains(&6) { 6 } else { widths[0] };
        let mut order: Vec<&Row> = rows.iter().filter(|row| row.width == drawn).collect();
        let ratio = |row: &Row| row.outcome.network.error_log / row.outcome.classical[2].error_log;
        order.sort_by(|a, b| ratio(a).total_cmp(&ratio(b)));
        let mut pictures = Vec::new();
        if self.report.is_some() && !order.is_empty() {
            for at in [0, order.len() / 2, order.len() - 1] {
                let pattern = order[at].pattern;
                pictures.extend(self.case(set, pattern, drawn, model, options, photons[pattern])?);
            }
        }
        Ok((rows, pictures))
    }

    /// Intervals that hold nine of ten pixels inside the gaps of validation patterns.
    fn calibration(
        &self,
        set: &Set,
        widths: &[usize],
        model: &Model,
        options: PredictOptions,
        voice: &Voice,
    ) -> Result<Calibration> {
        let mut patterns = set.indices(Split::Validation);
        patterns.truncate(self.limit.unwrap_or(usize::MAX));
        let bar = voice.bar((patterns.len() * widths.len()) as u64, "calibrate");
        let mut calibrator = Calibrator::new(model, options);
        for &pattern in &patterns {
            let measured = set.measurement(pattern)?;
            for &width in widths {
                let (seen, inside, _) = self.cut(&measured, pattern, width);
                calibrator.add(&seen, &measured.intensity.0, &inside, &mut || !progress::interrupted())?;
                bar.inc(1);
            }
        }
        bar.finish_and_clear();
        Ok(calibrator.finish())
    }

    /// The pattern with a gap of this width, or its own, the pixels of the gap, and where it is.
    fn cut(
        &self,
        measured: &Measurement,
        pattern: usize,
        width: usize,
    ) -> (Pattern, Array3<bool>, Option<DetectorGap>) {
        let whole = without_gaps(measured, self.seed, pattern);
        if width == 0 {
            let mask = measured.mask.clone();
            let inside = mask.0.mapv(|bits| bits != 0);
            (Pattern { mask, intensity: measured.counts.map(|&counts| counts as f32), ..whole }, inside, None)
        } else {
            let gap = straight_gap(whole.shape(), width, self.seed, pattern);
            let inside = gap.pixels(whole.shape());
            (blinded(whole, &inside), inside, Some(gap))
        }
    }

    fn case(
        &self,
        set: &Set,
        pattern: usize,
        width: usize,
        model: &Model,
        options: PredictOptions,
        photons: f64,
    ) -> Result<Option<Case>> {
        let entry = set.entry(pattern)?;
        let shape = set.shape();
        let measured = set.measurement(pattern)?;
        let truth = measured.intensity.0.clone();
        let (seen, inside, gap) = self.cut(&measured, pattern, width);
        if progress::interrupted() {
            return Err(Error::Interrupted);
        }
        let done = outcome(&seen, &truth, &inside, model, options, &mut || !progress::interrupted())?;
        let Some((outcome, filled)) = done else { return Ok(None) };
        let oversampling = entry.parameters.oversampling();
        let across = |gap: &DetectorGap| Some(oversampling?[gap.axis]);
        let row = Row {
            pattern,
            particle: entry.particle,
            width,
            photons,
            oversampling: gap.as_ref().and_then(across).unwrap_or(f64::NAN),
            offset: gap.map_or(f64::NAN, |gap| gap.offset(shape)),
            outcome,
        };
        Ok(Some(Case { row, truth, seen, filled }))
    }

    fn page(&self, classes: &[Class], pictures: &[Case], model: &Model) -> Report {
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
            tables: ["width", "photons", "oversampling", "offset"].map(|by| table(by, classes)).into(),
            ..Section::default()
        }];
        for (name, case) in ["Best", "Median", "Worst"].iter().zip(pictures) {
            sections.push(section(name, case));
        }
        Report {
            title: format!("Accuracy of {}", model.card.name),
            verdict,
            facts: vec![
                ("set".into(), self.set.display().to_string()),
                ("patterns".into(), self.split.clone()),
                ("sha256".into(), model.card.sha256.clone()),
            ],
            sections,
            command: command_line(),
            version: format!("lacuna {}", env!("CARGO_PKG_VERSION")),
        }
    }
}

/// Replaces the card of a model; its weights stay.
fn write_card(folder: &Path, model: &mut Model, voice: &Voice) -> Result<()> {
    let (_, card) = model.files()?;
    let path = folder.join(CARD);
    io::replace(&path, true, |part| std::fs::write(part, card).map_err(|error| Error::write(part, error)))?;
    voice.note(format!("wrote {}", path.display()));
    Ok(())
}

/// `own` is 0.
fn width(text: &str) -> Result<usize> {
    match text {
        "own" => Ok(0),
        _ => text
            .parse()
            .ok()
            .filter(|&width: &usize| width > 0)
            .ok_or_else(|| Error::setting("--widths", text, "numbers of pixels, or own")),
    }
}

const HEADER: [&str; 9] = [
    "",
    "patterns",
    "Pearson of log",
    "error of log10",
    "Pearson of modulus",
    "error of linear / inverse distance / biharmonic",
    "ratio to the best",
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

/// The tables for a terminal.
fn text(classes: &[Class], model: &Model) -> String {
    let mut text = format!("{}: medians inside the gaps, against noise-free intensities\n", model.card.name);
    let mut by = "";
    for class in classes {
        if class.by != by {
            by = class.by;
            text += &format!(
                "{by:>14} {:>8} {:>11} {:>11} {:>11} {:>22} {:>23} {:>9} {:>6}\n",
                "patterns",
                "Pearson log",
                "err. log10",
                "Pearson |F|",
                "linear/idw/biharmonic",
                "ratio to the best",
                "within 90",
                "free"
            );
        }
        let c = cells(class);
        text += &format!(
            "{:>14} {:>8} {:>11} {:>11} {:>11} {:>22} {:>23} {:>9} {:>6}\n",
            c[0], c[1], c[2], c[3], c[4], c[5], c[6], c[7], c[8]
        );
    }
    text
}

/// A class as a table of the card.
fn score(class: &Class, set: &Set, split: &str) -> Result<toml::Table> {
    let value = json!({"set": set.header().recipe_name, "split": split, "by": class.by, "class": class.name,
                       "patterns": class.patterns, "pearson_log": class.network[0], "error_log10": class.network[1],
                       "pearson_modulus": class.network[2],
                       "error_log10_linear_idw_biharmonic": class.classical.map(|scores| scores[1]),
                       "error_ratio": class.error_ratio, "error_ratio_interval": class.error_ratio_interval,
                       "within_90": class.covered, "left_free": class.free});
    toml::Table::try_from(value).map_err(|error| Error::encode("the scores of a model", error))
}

/// Pictures of a case: what was seen, the truth, the fills, and the width of the intervals.
fn section(name: &str, case: &Case) -> Section {
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
             Error of log10(1 + I): network {:.3}, linear {:.3}, inverse distance {:.3}, biharmonic {:.3}; Pearson of the logarithm {:.3}.",
            outcome.network.error_log,
            outcome.classical[0].error_log,
            outcome.classical[1].error_log,
            outcome.classical[2].error_log,
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
        tables: Vec::new(),
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
