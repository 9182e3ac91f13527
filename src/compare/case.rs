//! The comparison on one pattern: against the truth or the whole pattern where there is one, and on
//! copies of the gap.

use super::table::SUCCESS;
use super::{Contender, ContenderRuns, Prediction, Score, Trial, Truth, hold_outs};
use crate::error::{Result, counted};
use crate::inpaint::model::Model;
use crate::inpaint::predict::NetworkEstimate;
use crate::metrics::{self, interval, median, true_crossing};
use crate::phasing::combine::{combine, in_register};
use crate::pixels::Pattern;
use crate::reconstruct::{Event, GapAdvice, Observer, PhasingStart, advise};
use crate::report::Table;
use crate::settings::Settings;
use serde::Serialize;
use std::collections::BTreeMap;

/// Copies of the gap that are tried.
const COPIES: usize = 2;

/// A pattern, and what is known of it.
pub struct Case<'a> {
    /// Name of the pattern, for titles.
    pub name: String,
    /// The pattern with its gap.
    pub pattern: Pattern,
    /// The pattern without the gap, where it is known.
    pub full: Option<Pattern>,
    /// The object, where it is known.
    pub truth: Option<Truth>,
    /// Whether copies of the gap are cut into measured pixels.
    pub hold_out: bool,
    /// What is compared.
    pub contenders: Vec<Contender>,
    /// The network.
    pub model: &'a Model,
    /// Held-out pixels and the first support, equal for all contenders.
    pub start: PhasingStart,
    /// Recipe, seeds, number of runs and device.
    pub settings: &'a Settings,
}

/// Scores of all contenders on one pattern.
pub struct Compared<'a> {
    pub(super) case: Case<'a>,
    pub(super) runs: Vec<ContenderRuns>,
    pub(super) network: Option<NetworkEstimate>,
    /// What the contenders are scored against: the truth, or the reconstruction without a gap.
    pub(super) reference: Option<Truth>,
    /// Scores by contender and run.
    scores: Vec<Vec<Score>>,
    predictions: Vec<(Contender, Prediction)>,
    advice: Option<GapAdvice>,
}

/// What a comparison came to.
#[derive(Debug, Clone, Serialize)]
pub struct ComparisonSummary {
    /// The comparison in a sentence or two.
    pub verdict: String,
    /// Scores of the contenders.
    pub gaps: Vec<ContenderSummary>,
    /// Rows of the table, one a contender.
    pub rows: Vec<Vec<String>>,
    /// Names of its columns.
    pub columns: Vec<String>,
    /// What the pattern itself says of filling.
    pub advice: Option<GapAdvice>,
    /// The command that made the comparison.
    pub command: String,
}

/// Scores of a contender on one pattern.
#[derive(Debug, Clone, Serialize)]
pub struct ContenderSummary {
    /// The contender.
    pub gap: Contender,
    /// Score of its chosen run.
    pub score: Option<Score>,
    /// Prediction of held-out copies of the gap.
    pub hold_out: Option<Prediction>,
    /// Free log-likelihood of its chosen run.
    pub free_llk: Option<f64>,
}

/// What the network predicts, if one of the contenders needs it.
pub(super) fn network(
    pattern: &Pattern,
    contenders: &[Contender],
    model: &Model,
    settings: &Settings,
    observer: &dyn Observer,
) -> Result<Option<NetworkEstimate>> {
    if !contenders.iter().any(Contender::needs_network) {
        return Ok(None);
    }
    NetworkEstimate::new(pattern, model, settings.gap.interval, &mut |_| observer.go_on()).map(Some)
}

/// How well each contender predicts copies of the gap that it did not see: means over the copies.
/// Empty if there is no room for a copy.
pub(super) fn held_out(
    pattern: &Pattern,
    contenders: &[Contender],
    model: &Model,
    start: &PhasingStart,
    settings: &Settings,
    observer: &dyn Observer,
) -> Result<Vec<(Contender, Prediction)>> {
    let contenders: Vec<Contender> = contenders.iter().copied().filter(|other| *other != Contender::Full).collect();
    let mut predictions: Vec<Vec<Prediction>> = vec![Vec::new(); contenders.len()];
    for copy in hold_outs(pattern, COPIES) {
        let network = network(&copy.pattern, &contenders, model, settings, observer)?;
        // Pixels of the copy are held out already; the others are drawn anew from what is left.
        let drawn = PhasingStart::new(&copy.pattern, None, settings)?;
        let start = PhasingStart { held_out: drawn.held_out, support: start.support.clone() };
        let trial = Trial { pattern: &copy.pattern, full: None, network: network.as_ref(), start: &start, settings };
        for (predictions, runs) in predictions.iter_mut().zip(&trial.phase(&contenders, observer)?) {
            let best = runs.best();
            predictions.extend(best.map(|run| Prediction::new(&run.calculated(), &pattern.intensity, &copy.inside)));
        }
    }
    let mean = |predictions: &[Prediction]| {
        let count = predictions.len() as f64;
        let of = |get: &dyn Fn(&Prediction) -> f64| predictions.iter().map(get).sum::<f64>() / count;
        (count > 0.0).then(|| Prediction { error_log: of(&|p| p.error_log), llk: of(&|p| p.llk) })
    };
    Ok(contenders.into_iter().zip(&predictions).filter_map(|(other, list)| Some((other, mean(list)?))).collect())
}

impl<'a> Case<'a> {
    /// Phases all contenders and scores them.
    ///
    /// # Errors
    /// Those of [`Trial::phase`] and of the network.
    pub fn compare(self, observer: &dyn Observer) -> Result<Compared<'a>> {
        observer.observe(Event::Note(&format!(
            "phasing {} with {} treatments of its gap, {} each",
            self.name,
            self.contenders.len(),
            counted(self.settings.ensemble.most(), "run")
        )));
        let network = network(&self.pattern, &self.contenders, self.model, self.settings, observer)?;
        let trial = Trial {
            pattern: &self.pattern,
            full: self.full.as_ref(),
            network: network.as_ref(),
            start: &self.start,
            settings: self.settings,
        };
        let runs = trial.phase(&self.contenders, observer)?;
        let whole = || {
            let run = runs.iter().find(|runs| runs.contender == Contender::Full)?.best()?;
            Some(Truth { object: run.object.clone(), support: run.support.clone() })
        };
        let reference = self.truth.clone().or_else(whole);
        let ramp = !self.settings.recipe.positivity;
        let scores = match &reference {
            None => Vec::new(),
            Some(truth) => runs
                .iter()
                .map(|runs| runs.runs.iter().map(|run| Score::new(run, truth, ramp)).collect())
                .collect::<Result<_>>()?,
        };
        let predictions = if self.hold_out {
            observer.observe(Event::Note("phasing copies of the gap cut into measured pixels"));
            held_out(&self.pattern, &self.contenders, self.model, &self.start, self.settings, observer)?
        } else {
            Vec::new()
        };
        let oversampling = crate::prepare::oversampling(&self.pattern.intensity, &self.pattern.measured());
        let advice = network.as_ref().map(|network| {
            if self.settings.recipe.real { GapAdvice::real() } else { advise(&self.pattern, network, oversampling) }
        });
        Ok(Compared { case: self, runs, network, reference, scores, predictions, advice })
    }
}

impl Compared<'_> {
    /// Score of the run of a contender that would be chosen.
    fn chosen(&self, contender: Contender) -> Option<Score> {
        let index = self.runs.iter().position(|runs| runs.contender == contender)?;
        self.scores.get(index)?.get(self.runs[index].chosen()?).copied()
    }

    /// Scores of the runs of a contender from random starts.
    fn random(&self, index: usize) -> Option<Vec<Score>> {
        let scores = self.scores.get(index)?.iter().zip(&self.runs[index].runs);
        Some(scores.filter(|(_, run)| run.average_of == 0).map(|(score, _)| *score).collect())
    }

    /// The comparison in a sentence or two.
    pub fn verdict(&self) -> String {
        let mut parts = Vec::new();
        if let (Some(free), Some(network)) = (self.chosen(Contender::FREE), self.chosen(Contender::NETWORK)) {
            let of = if self.case.truth.is_some() { "the true object" } else { "the reconstruction without a gap" };
            let (better, by) = if network.error < free.error { ("nearer to", free) } else { ("no nearer to", free) };
            parts.push(format!(
                "With the network's bounds the object is {better} {of}: relative error {:.3} instead of {:.3} with free pixels{}",
                network.error,
                by.error,
                self.paired().map_or(String::new(), |[low, high]| format!(" (ratio, 95 % over runs: {low:.2} to {high:.2})"))
            ));
        }
        let by_llk = |runs: &ContenderRuns| Some((runs.free_llk()?, runs.contender));
        let mut ranked: Vec<(f64, Contender)> =
            self.runs.iter().filter(|runs| runs.contender != Contender::Full).filter_map(by_llk).collect();
        ranked.sort_by(|a, b| a.0.total_cmp(&b.0));
        if let [(lowest, first), .., (highest, last)] = &ranked[..] {
            parts.push(format!(
                "Held-out pixels are predicted best by {} (free log-likelihood {lowest:.4}), worst by {} ({highest:.4})",
                first.text(),
                last.text()
            ));
        }
        for runs in self.runs.iter().filter(|runs| runs.runs.is_empty()) {
            let count = counted(self.case.settings.ensemble.most(), "run");
            parts.push(format!(
                "With {} none of {count} gave an object: it diverged or vanished",
                runs.contender.text()
            ));
        }
        let mut ranked: Vec<&(Contender, Prediction)> = self.predictions.iter().collect();
        ranked.sort_by(|a, b| a.1.error_log.total_cmp(&b.1.error_log));
        if let (Some(first), Some(free)) = (ranked.first(), ranked.iter().find(|(other, _)| *other == Contender::FREE))
        {
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
        if let (Some(auto), Some(free)) = (self.chosen(Contender::Auto), self.chosen(Contender::FREE)) {
            parts.push(format!(
                "The automatic choice ends with an error of {:.3}, free pixels with {:.3}",
                auto.error, free.error
            ));
        }
        parts.join(". ") + "."
    }

    /// 95 % interval of the ratio of errors, network to free, run by run.
    fn paired(&self) -> Option<[f64; 2]> {
        // Runs of one seed are partners; those from averages have none.
        let of = |contender: Contender| {
            let index = self.runs.iter().position(|runs| runs.contender == contender)?;
            let scores = self.runs[index].runs.iter().zip(self.scores.get(index)?);
            let random = scores.filter(|(run, _)| run.average_of == 0);
            Some(random.map(|(run, score)| (run.seed, score.error)).collect::<BTreeMap<u64, f64>>())
        };
        let (free, network) = (of(Contender::FREE)?, of(Contender::NETWORK)?);
        let ratios: Vec<f64> = network.iter().filter_map(|(seed, error)| Some(error / free.get(seed)?)).collect();
        let resampled = |drawn: &[usize]| median(&drawn.iter().map(|&i| ratios[i]).collect::<Vec<_>>());
        (ratios.len() > 2).then(|| interval(ratios.len(), 1, resampled))
    }

    /// The table, one row a contender.
    ///
    /// # Errors
    /// Those of registering and averaging the objects.
    pub fn table(&self) -> Result<Table> {
        // What is scored against itself is no measure for the others.
        let judged = |runs: &ContenderRuns| self.case.truth.is_some() || runs.contender != Contender::Full;
        let scores = self.runs.iter().zip(&self.scores).filter(|(runs, _)| judged(runs)).flat_map(|(_, scores)| scores);
        let best = scores.map(|score| score.error).fold(f64::INFINITY, f64::min);
        let mut rows = Vec::new();
        for (index, runs) in self.runs.iter().enumerate() {
            let number = |value: Option<f64>| value.map_or("-".to_string(), |value| format!("{value:.3}"));
            let chosen = self.chosen(runs.contender);
            let success = self.random(index).filter(|_| judged(runs)).map(|all| {
                let good = all.iter().filter(|score| score.error <= SUCCESS * best).count();
                format!("{good} of {}", self.case.settings.ensemble.most())
            });
            let (mut prtf, mut fsc) = (None, None);
            if let Some(run) = runs.best() {
                let ramp = !self.case.settings.recipe.positivity;
                let independent = runs.runs.iter().filter(|run| run.average_of == 0);
                let independent = in_register(independent, &run.object, ramp)?;
                let combined = combine(&runs.runs, &independent, &runs.pattern, ramp)?;
                prtf = combined.crossings()[0].resolution(None).map(|found| found.pixels);
                if let Some(reference) = self.reference.as_ref().filter(|_| judged(runs)) {
                    let options = metrics::RegistrationOptions { subpixel: true, ramp };
                    let found = metrics::register(&run.object, &reference.object, options)?;
                    fsc = true_crossing(&metrics::fsc(&found.object, &reference.object)?)
                        .or_before(combined.photons_end)
                        .resolution(None)
                        .map(|found| found.pixels);
                }
            }
            let prediction =
                self.predictions.iter().find(|(other, _)| *other == runs.contender).map(|(_, p)| p.error_log);
            let errors = self.scores.get(index).filter(|all| !all.is_empty());
            let row = vec![
                runs.contender.to_string(),
                number(chosen.map(|score| score.error)),
                number(runs.free_llk()),
                number(prediction),
                number(errors.map(|all| median(&all.iter().map(|score| score.error).collect::<Vec<_>>()))),
                success.unwrap_or("-".into()),
                number(chosen.map(|score| score.phase)),
                number(chosen.map(|score| score.homogeneity)),
                number(prtf),
                number(fsc),
            ];
            rows.push((runs.contender != Contender::Full, runs.free_llk().unwrap_or(f64::INFINITY), row));
        }
        // Without a gap first, as what can be reached at best; then as held-out pixels rank them.
        rows.sort_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)));
        // What decides comes first, for narrow windows.
        let header = [
            "",
            "error",
            "free LLK",
            "error on copies of the gap",
            "median of runs",
            "runs within 1.5 times the best",
            "phase error, rad",
            "spread of modulus",
            "PRTF, px",
            "FSC, px",
        ];
        let rows = rows.into_iter().map(|(_, _, row)| row).collect();
        let header = header.map(String::from).into();
        Ok(Table { title: "Ways to treat the gap".into(), header, rows }.without_empty_columns())
    }

    /// What the comparison came to. `command` is quoted in it.
    ///
    /// # Errors
    /// As [`Compared::table`].
    pub fn summary(&self, command: &str) -> Result<ComparisonSummary> {
        let of = |runs: &ContenderRuns| {
            let prediction = self.predictions.iter().find(|(other, _)| *other == runs.contender);
            ContenderSummary {
                gap: runs.contender,
                score: self.chosen(runs.contender),
                hold_out: prediction.map(|(_, prediction)| *prediction),
                free_llk: runs.free_llk(),
            }
        };
        let table = self.table()?;
        Ok(ComparisonSummary {
            verdict: self.verdict(),
            gaps: self.runs.iter().map(of).collect(),
            rows: table.rows,
            columns: table.header,
            advice: self.advice.clone(),
            command: command.into(),
        })
    }
}
