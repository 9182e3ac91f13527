//! The comparison on one pattern: against the truth or the whole pattern where there is one, and on copies of the gap.

use super::{Phased, held_out, phased};
use crate::cli::progress::Voice;
use crate::cli::{command_line, page};
use lacuna::compare::{Advice, Arm, ArmRuns, Prediction, Said, Score, Truth, advise, calculated};
use lacuna::config::Settings;
use lacuna::error::Result;
use lacuna::inpaint::model::Model;
use lacuna::metrics::{self, fsc_crossing, interval, median, prtf_crossing};
use lacuna::phasing::ensemble::{EnsemblePlan, combine};
use lacuna::pixels::Pattern;
use lacuna::report::{ComplexImage, Figure, Image, Report, Section, Table};
use lacuna::volume::Centered;
use ndarray::{Array3, s};
use num_complex::Complex32;
use serde_json::{Value, json};

/// What is compared.
pub struct Case<'a> {
    /// For titles.
    pub name: String,
    /// With its gap.
    pub pattern: Pattern,
    /// Without, if it is known.
    pub full: Option<Pattern>,
    /// The object, if it is known.
    pub truth: Option<Truth>,
    /// Whether copies of the gap are cut into measured pixels.
    pub hold_out: bool,
    pub arms: Vec<Arm>,
    pub model: &'a Model,
    pub plan: EnsemblePlan,
    pub settings: &'a Settings,
}

/// What came of it.
pub struct Compared<'a> {
    case: Case<'a>,
    arms: Vec<ArmRuns>,
    said: Option<Said>,
    /// What the arms are scored against: the truth, or the reconstruction without a gap.
    reference: Option<Truth>,
    /// By arm and run.
    scores: Vec<Vec<Score>>,
    predictions: Vec<(Arm, Prediction)>,
    advice: Option<Advice>,
}

impl<'a> Case<'a> {
    pub fn compare(self, voice: &Voice) -> Result<Compared<'a>> {
        voice.note(format!(
            "phasing {} by {} ways to treat its gap, {} runs each",
            self.name,
            self.arms.len(),
            self.plan.count
        ));
        let Phased { runs: arms, said } =
            phased(&self.pattern, self.full.as_ref(), &self.arms, self.model, &self.plan, self.settings)?;
        let whole = || {
            let run = arms.iter().find(|arm| arm.arm == Arm::Full)?.best()?;
            Some(Truth { object: run.object.clone(), support: run.support.clone() })
        };
        let reference = self.truth.clone().or_else(whole);
        let ramp = !self.settings.positivity;
        let scores = match &reference {
            None => Vec::new(),
            Some(truth) => arms
                .iter()
                .map(|arm| arm.runs.iter().map(|run| Score::new(run, truth, ramp)).collect())
                .collect::<Result<_>>()?,
        };
        let predictions = if self.hold_out {
            voice.note("phasing copies of the gap cut into measured pixels");
            held_out(&self.pattern, &self.arms, self.model, &self.plan, self.settings)?
        } else {
            Vec::new()
        };
        let oversampling = lacuna::prepare::oversampling(&self.pattern.intensity, &self.pattern.measured());
        let advice = said
            .as_ref()
            .map(|said| if self.settings.real { Advice::real() } else { advise(&self.pattern, said, oversampling) });
        Ok(Compared { case: self, arms, said, reference, scores, predictions, advice })
    }
}

impl Compared<'_> {
    /// Score of the run that one would take.
    fn chosen(&self, arm: Arm) -> Option<Score> {
        let index = self.arms.iter().position(|runs| runs.arm == arm)?;
        let best = self.arms[index].best()?.seed;
        let run = self.arms[index].runs.iter().position(|run| run.seed == best)?;
        self.scores.get(index)?.get(run).copied()
    }

    /// In a sentence or two.
    pub fn verdict(&self) -> String {
        let mut parts = Vec::new();
        if let (Some(free), Some(network)) = (self.chosen(Arm::Free), self.chosen(Arm::Network)) {
            let of = if self.case.truth.is_some() { "the true object" } else { "the reconstruction without a gap" };
            let (better, by) = if network.error < free.error { ("nearer to", free) } else { ("no nearer to", free) };
            parts.push(format!(
                "With the network's bounds the object is {better} {of}: relative error {:.3} instead of {:.3} with free pixels{}",
                network.error,
                by.error,
                self.paired().map_or(String::new(), |[low, high]| format!(" (ratio, 95 % over runs: {low:.2} to {high:.2})"))
            ));
        }
        let mut ranked: Vec<&(Arm, Prediction)> = self.predictions.iter().collect();
        ranked.sort_by(|a, b| a.1.error_log.total_cmp(&b.1.error_log));
        if let (Some(first), Some(free)) = (ranked.first(), ranked.iter().find(|(arm, _)| *arm == Arm::Free)) {
            parts.push(format!(
                "Measured pixels under copies of the gap are predicted best by {} (error of log10(1 + I) {:.3}; with free pixels {:.3})",
                first.0.text(),
                first.1.error_log,
                free.1.error_log
            ));
        }
        if let Some(advice) = &self.advice {
            let what = if advice.fill { "Filling is worth a try" } else { "Free pixels are advised" };
            parts.push(format!("{what}: {}", advice.reason));
        }
        parts.join(". ") + "."
    }

    /// 95 % interval of the ratio of errors, network to free, run by run.
    fn paired(&self) -> Option<[f64; 2]> {
        let of = |arm: Arm| self.scores.get(self.arms.iter().position(|runs| runs.arm == arm)?);
        let (free, network) = (of(Arm::Free)?, of(Arm::Network)?);
        let ratios: Vec<f64> = network.iter().zip(free).map(|(a, b)| a.error / b.error).collect();
        let resampled = |drawn: &[usize]| median(&drawn.iter().map(|&i| ratios[i]).collect::<Vec<_>>());
        (ratios.len() > 2 && network.len() == free.len()).then(|| interval(ratios.len(), 1, resampled))
    }

    /// One row an arm.
    pub fn table(&self) -> Result<Table> {
        let best = self.scores.iter().flatten().map(|score| score.error).fold(f64::INFINITY, f64::min);
        let mut rows = Vec::new();
        for (index, runs) in self.arms.iter().enumerate() {
            let number = |value: Option<f64>| value.map_or("-".to_string(), |value| format!("{value:.3}"));
            let chosen = self.chosen(runs.arm);
            let all = self.scores.get(index);
            let success = all.map(|all| {
                let good = all.iter().filter(|score| score.error <= 1.5 * best).count();
                format!("{good} of {}", self.case.plan.count)
            });
            let (mut prtf, mut fsc) = (None, None);
            if let Some(run) = runs.best() {
                let combined = combine(&runs.runs, &runs.pattern, !self.case.settings.positivity)?;
                prtf = prtf_crossing(&combined.prtf).resolution(None).map(|found| found.pixels);
                if let Some(reference) =
                    self.reference.as_ref().filter(|_| self.case.truth.is_some() || runs.arm != Arm::Full)
                {
                    let options = metrics::RegistrationOptions { subpixel: true, ramp: !self.case.settings.positivity };
                    let found = metrics::register(&run.object, &reference.object, options)?;
                    fsc = fsc_crossing(&metrics::fsc(&found.object, &reference.object)?)
                        .resolution(None)
                        .map(|found| found.pixels);
                }
            }
            let prediction = self.predictions.iter().find(|(arm, _)| *arm == runs.arm).map(|(_, p)| p.error_log);
            rows.push(vec![
                runs.arm.to_string(),
                number(chosen.map(|score| score.error)),
                number(all.map(|all| median(&all.iter().map(|score| score.error).collect::<Vec<_>>()))),
                number(chosen.map(|score| score.phase)),
                number(chosen.map(|score| score.homogeneity)),
                success.unwrap_or("-".into()),
                number(runs.best().and_then(|run| run.fit.free_llk_poisson)),
                number(prtf),
                number(fsc),
                number(prediction),
            ]);
        }
        let header = [
            "",
            "error",
            "median of runs",
            "phase error, rad",
            "spread of modulus",
            "success",
            "free LLK",
            "PRTF, px",
            "FSC, px",
            "error on copies of the gap",
        ];
        Ok(Table { title: "Ways to treat the gap".into(), header: header.map(String::from).into(), rows })
    }

    pub fn summary(&self) -> Result<Value> {
        let table = self.table()?;
        let arms: Vec<Value> = self
            .arms
            .iter()
            .map(|runs| {
                let prediction =
                    self.predictions.iter().find(|(arm, _)| *arm == runs.arm).map(|(_, prediction)| prediction);
                json!({"arm": runs.arm, "score": self.chosen(runs.arm), "hold_out": prediction,
                       "free_llk": runs.best().and_then(|run| run.fit.free_llk_poisson)})
            })
            .collect();
        Ok(json!({"verdict": self.verdict(), "arms": arms, "rows": table.rows, "advice": self.advice,
                  "command": command_line()}))
    }

    pub fn page(&self) -> Result<Report> {
        let mut sections = vec![self.patterns(), self.objects()?];
        sections.insert(0, Section {
            title: "Scores".into(),
            text: "Equal seeds, first supports and recipes. Of each arm's runs the one of lowest free log-likelihood counts. Errors are those of \
                   the complex object after registration; PRTF and FSC are resolutions at their thresholds, in pixels of the object."
                .into(),
            tables: vec![self.table()?],
            ..Section::default()
        });
        let (measured, photons) = self.case.pattern.totals();
        let pixels: usize = self.case.pattern.shape().iter().product();
        Ok(Report {
            title: format!("Does filling the gap help? {}", self.case.name),
            verdict: self.verdict(),
            facts: vec![
                ("Photons".into(), format!("{photons:.3e}")),
                (
                    "Not measured".into(),
                    format!("{:.2} % of the pixels", 100.0 * (1.0 - measured as f64 / pixels as f64)),
                ),
                ("Network".into(), self.case.model.card.name.clone()),
                ("Bounds".into(), format!("{} times the 90 % intervals", self.case.settings.gap_interval)),
                ("Runs".into(), format!("{} for each arm, seeds from {}", self.case.plan.count, self.case.plan.seed)),
                ("Recipe".into(), self.case.plan.run.recipe.to_string()),
            ],
            sections,
            command: command_line(),
            version: format!("lacuna {}", env!("CARGO_PKG_VERSION")),
        })
    }

    /// The pattern around its brightest part: as seen, filled, and as some arms have it.
    fn patterns(&self) -> Section {
        const HALF: usize = 48;
        let pattern = &self.case.pattern;
        let [nz, ny, nx] = pattern.shape();
        let around = |n: usize| n / 2 - HALF.min(n / 2)..(n / 2 + HALF).min(n);
        let zoom = |values: &Array3<f32>| values.slice(s![nz / 2, around(ny), around(nx)]).to_owned();
        let seen = ndarray::Zip::from(&pattern.intensity.0).and(&pattern.mask.0);
        let seen = seen.map_collect(|&value, &bits| if bits == 0 { value } else { f32::NAN });
        let top = seen.iter().copied().filter(|value| value.is_finite()).fold(1.0, f32::max);
        let mut figures = vec![Figure::Image(Image::photons("Measured", zoom(&seen), top))];
        if let Some(full) = &self.case.full {
            figures.push(Figure::Image(Image::photons("Without a gap", zoom(&full.intensity.0), top)));
        }
        if let Some(said) = &self.said {
            let mut filled = seen.clone();
            for (index, value) in filled.indexed_iter_mut().filter(|(index, _)| said.field.at[*index]) {
                *value = said.field.mean[index].max(0.0).exp_m1();
            }
            figures.push(Figure::Image(Image::photons("Filled by the network", zoom(&filled), top)));
        }
        for runs in &self.arms {
            if let (Some(run), Arm::Full | Arm::Free | Arm::Network) = (runs.best(), runs.arm) {
                let title = format!("Calculated from the object: {}", runs.arm.text());
                figures.push(Figure::Image(Image::photons(&title, zoom(&calculated(&run.object).0), top)));
            }
        }
        Section { title: "Patterns".into(), text: "The middle of the frame.".into(), figures, tables: Vec::new() }
    }

    /// The objects side by side, with what differs from the reference.
    fn objects(&self) -> Result<Section> {
        let mut figures = Vec::new();
        let anything = self.arms.iter().find_map(ArmRuns::best).map(|run| run.object.clone());
        let Some(shown) = self.reference.as_ref().map(|truth| truth.object.clone()).or(anything) else {
            return Ok(Section {
                title: "Objects".into(),
                text: "No run gave an object.".into(),
                ..Section::default()
            });
        };
        let window = page::window(&shown);
        let plane = |object: &Centered<Complex32>| {
            let part = page::cropped(object, window);
            let middle = part.shape()[0] / 2;
            part.0.index_axis(ndarray::Axis(0), middle).to_owned()
        };
        let picture = |title: &str, data| {
            Figure::Complex(ComplexImage {
                title: title.into(),
                data,
                unit: "√photons".into(),
                ..ComplexImage::default()
            })
        };
        if let Some(truth) = self.case.truth.as_ref() {
            figures.push(picture("Truth", plane(&truth.object)));
        }
        let top = shown.as_slice().iter().map(|value| value.norm()).fold(0.0, f32::max);
        for runs in &self.arms {
            let Some(run) = runs.best() else { continue };
            let options = metrics::RegistrationOptions { subpixel: true, ramp: !self.case.settings.positivity };
            let found = metrics::register(&run.object, &shown, options)?;
            let scaled = Centered(found.object.0.mapv(|value| value * found.scale as f32));
            figures.push(picture(runs.arm.text(), plane(&scaled)));
            // The reconstruction without a gap is the reference where there is no truth.
            if self.reference.is_some() && (self.case.truth.is_some() || runs.arm != Arm::Full) {
                let difference = plane(&Centered(&scaled.0 - &shown.0)).mapv(|value| value.norm());
                figures.push(Figure::Image(Image {
                    title: format!("{}: modulus of the difference", runs.arm),
                    data: difference,
                    range: Some((0.0, top)),
                    unit: "√photons".into(),
                    ..Image::default()
                }));
            }
        }
        let text =
            if self.reference.is_some() { "Registered to the reference, from which the differences are." } else { "" };
        Ok(Section { title: "Objects".into(), text: text.into(), figures, tables: Vec::new() })
    }
}
