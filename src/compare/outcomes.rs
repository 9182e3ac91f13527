//! Outcomes of a comparison over a set put together: the table, the page.

use super::set::{Head, LINES, SetIdentity};
use super::{Contender, ContenderRow, Judge, Outcome, RatioClass, ratio_classes};
use crate::error::{Error, Result, counted};
use crate::metrics::median;
use crate::report::{Figure, Plot, Report, Section, Series, Table};
use serde::Serialize;
use std::path::{Path, PathBuf};

/// All outcomes of a folder, and what they are of.
pub struct Outcomes {
    identity: SetIdentity,
    list: Vec<Outcome>,
}

/// What a comparison over a set came to.
#[derive(Debug, Clone, Serialize)]
pub struct SetSummary {
    /// Classes of gaps by width over oversampling.
    pub classes: Vec<RatioClass>,
    /// Mean rank correlation of the hold-out test with true errors.
    pub hold_out_rank_correlation: Option<f64>,
    /// Mean rank correlation of the free log-likelihood with true errors.
    pub free_llk_rank_correlation: Option<f64>,
    /// Number of comparisons.
    pub outcomes: usize,
    /// The command that put them together.
    pub command: String,
}

impl Outcomes {
    /// Reads all files of outcomes in a folder. They must be of one comparison.
    ///
    /// # Errors
    /// [`Error::Missing`] for a folder that is not there, [`Error::File`] for one without outcomes
    /// and for files of other comparisons.
    pub fn read(folder: &Path) -> Result<Self> {
        let wrong = |path: &Path, problem: &str| Error::file(path, problem.to_string());
        let entries = std::fs::read_dir(folder).map_err(|e| Error::read(folder, e))?;
        let mut files: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
        files.retain(|path| {
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            name.starts_with(LINES.0) && name.ends_with(LINES.1)
        });
        files.sort();
        let mut found: Option<Self> = None;
        for path in &files {
            let text = std::fs::read_to_string(path).map_err(|e| Error::read(path, e))?;
            let mut lines = text.lines();
            let first = lines.next().and_then(|line| serde_json::from_str::<Head>(line).ok());
            let identity = first.ok_or_else(|| wrong(path, "is not a file of lacuna compare"))?.comparison;
            let all = found.get_or_insert_with(|| Self { identity: identity.clone(), list: Vec::new() });
            if all.identity != identity {
                return Err(wrong(
                    path,
                    "is of another comparison than the files before it: put it in a folder of its own",
                ));
            }
            // The last line of a comparison that goes on may be torn.
            all.list.extend(lines.filter_map(|line| serde_json::from_str::<Outcome>(line).ok()));
        }
        let mut found = found.ok_or_else(|| wrong(folder, "holds no outcomes-*.jsonl of lacuna compare"))?;
        if found.list.is_empty() {
            return Err(wrong(folder, "holds no finished comparison yet"));
        }
        found.list.sort_by(|a, b| {
            (a.pattern, a.asked).partial_cmp(&(b.pattern, b.asked)).unwrap_or(std::cmp::Ordering::Equal)
        });
        found.list.dedup_by(|a, b| (a.pattern, a.asked) == (b.pattern, b.asked));
        Ok(found)
    }

    /// Classes of gaps by width over oversampling.
    pub fn classes(&self) -> Vec<RatioClass> {
        ratio_classes(&self.list)
    }

    /// Mean rank correlation of what a judge says and true errors, and the number of comparisons.
    pub fn rank_correlation(&self, judge: Judge) -> Option<(f64, usize)> {
        let fair = self.list.iter().filter(|outcome| !outcome.hopeless());
        let all: Vec<f64> = fair.filter_map(|outcome| outcome.rank_correlation(judge)).collect();
        (!all.is_empty()).then(|| (all.iter().sum::<f64>() / all.len() as f64, all.len()))
    }

    /// The comparison in sentences.
    pub fn verdict(&self) -> String {
        let classes = self.classes();
        let mut parts: Vec<String> = classes
            .iter()
            .filter_map(|class| {
                let row = |name: &str| class.contenders.iter().find(|row| row.contender == name);
                let (network, auto) = (row("network")?, row("auto")?);
                Some(format!(
                    "gaps of {} times the oversampling: the error of the object with the network's bounds is {:.2} of that with free pixels \
                     (median; 95 % interval {:.2} to {:.2}); the automatic choice is worse than free pixels by more than 5 % in {:.0} % of {}",
                    class.name,
                    network.to_free,
                    network.to_free_interval[0],
                    network.to_free_interval[1],
                    100.0 * auto.worse,
                    class.outcomes
                ))
            })
            .collect();
        if parts.is_empty() {
            // Other treatments than these two: what was best.
            let best = |class: &RatioClass| {
                let others = class.contenders.iter().filter(|row| row.contender != "full");
                let best = others.min_by(|a, b| a.error.total_cmp(&b.error))?;
                let what = counted(class.outcomes, "comparison");
                Some(format!(
                    "gaps of {} times the oversampling, {what}: the lowest median error of the object is {:.3}, with {}",
                    class.name, best.error, best.contender
                ))
            };
            parts.extend(classes.iter().filter_map(best));
        }
        if parts.is_empty() {
            parts
                .push("no pattern could be reconstructed even without a gap: nothing can be said of treatments".into());
        }
        for judge in Judge::ALL {
            if let Some((rank, count)) = self.rank_correlation(judge) {
                let judge = judge.text();
                parts.push(format!(
                    "{judge} ranks the treatments as the truth does with a correlation of {rank:.2} (mean of {count})"
                ));
            }
        }
        parts.join(". ") + "."
    }

    /// The tables as text, for a terminal.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for class in self.classes() {
            text += &format!(
                "gap {} times the oversampling: {} comparisons, {} particles; {} more fail without a gap too\n",
                class.name, class.outcomes, class.particles, class.hopeless
            );
            text += &format!(
                "{:>16} {:>7} {:>21} {:>8} {:>26} {:>8}\n",
                "", "error", "to free pixels", "worse", "to the best without net", "success"
            );
            for row in &class.contenders {
                let [a, b, c, d, e, f] = cells(row);
                text += &format!("{a:>16} {b:>7} {c:>21} {d:>8} {e:>26} {f:>8}\n");
            }
        }
        for judge in Judge::ALL {
            if let Some((rank, count)) = self.rank_correlation(judge) {
                text += &format!("rank correlation of {} and true errors: {rank:.2} (mean of {count})\n", judge.text());
            }
        }
        text
    }

    /// Numbers for machines. `command` is quoted in them.
    pub fn summary(&self, command: &str) -> SetSummary {
        let [hold_out, free_llk] = Judge::ALL.map(|judge| self.rank_correlation(judge).map(|(rank, _)| rank));
        SetSummary {
            classes: self.classes(),
            hold_out_rank_correlation: hold_out,
            free_llk_rank_correlation: free_llk,
            outcomes: self.list.len(),
            command: command.into(),
        }
    }

    /// The page of the comparison. `command` is quoted on it.
    pub fn page(&self, command: &str) -> Report {
        let classes = self.classes();
        let settings = &self.identity.settings;
        let header = [
            "",
            "median error",
            "to free pixels",
            "worse than free by 5 %",
            "to the best without the network",
            "success",
        ];
        let tables = classes.iter().map(|class| Table {
            title: format!(
                "Gaps {} times the oversampling: {} comparisons, {} particles; {} more fail without a gap too",
                class.name, class.outcomes, class.particles, class.hopeless
            ),
            header: header.map(String::from).into(),
            rows: class.contenders.iter().map(|row| cells(row).into()).collect(),
        });
        Report {
            title: "Does filling the gap help?".into(),
            verdict: self.verdict(),
            facts: vec![
                ("Set".into(), format!("{}, seed {}", self.identity.set, self.identity.set_seed)),
                ("Network".into(), self.identity.model.clone()),
                ("Bounds".into(), format!("{} times the 90 % intervals", number(settings.gap.gap_interval))),
                ("Runs".into(), format!("{} for each treatment", number(settings.phasing.nb_run))),
            ],
            sections: vec![Section {
                title: "Errors of the object".into(),
                text: "Relative error of the complex object after registration; of each treatment's runs the one of lowest free log-likelihood times support. \
                       Intervals are 95 %, from resampling whole particles."
                    .into(),
                figures: self.plot().into_iter().collect(),
                tables: tables.collect(),
                ..Section::default()
            }],
            command: command.into(),
            version: format!("lacuna {}", env!("CARGO_PKG_VERSION")),
            ..Report::default()
        }
    }

    /// Median error over that with free pixels against width over oversampling; nothing without them.
    fn plot(&self) -> Option<Figure> {
        const BIN: f64 = 0.5;
        let mut present: Vec<Contender> = self.list[0].contenders.keys().copied().collect();
        present.retain(|contender| {
            *contender != Contender::FREE && self.list.iter().all(|outcome| outcome.contenders.contains_key(contender))
        });
        if !self.list.iter().all(|outcome| outcome.contenders.contains_key(&Contender::FREE)) {
            return None;
        }
        let series = present.into_iter().map(|contender| {
            let points = (0..20).filter_map(|bin| {
                let inside =
                    self.list.iter().filter(|outcome| !outcome.hopeless() && (outcome.ratio / BIN) as usize == bin);
                let ratios: Vec<f64> = inside.map(|o| o.error(contender) / o.error(Contender::FREE)).collect();
                (!ratios.is_empty()).then(|| ((bin as f64 + 0.5) * BIN, median(&ratios)))
            });
            Series { name: contender.to_string(), points: points.collect(), emphasis: contender == Contender::NETWORK }
        });
        let series: Vec<Series> = series.filter(|series: &Series| !series.points.is_empty()).collect();
        let drawn = !series.is_empty();
        let plot = Plot {
            title: "Error of the object over that with free pixels".into(),
            caption: "Medians over bins of half a unit.".into(),
            x_label: "width of the gap over linear oversampling".into(),
            y_label: "ratio of errors".into(),
            series,
            levels: vec![(1.0, "free pixels".into())],
            ..Plot::default()
        };
        drawn.then_some(Figure::Plot(plot))
    }
}

fn cells(row: &ContenderRow) -> [String; 6] {
    let with = |value: f64, [low, high]: [f64; 2]| format!("{value:.2} ({low:.2} to {high:.2})");
    [
        row.contender.clone(),
        format!("{:.3}", row.error),
        with(row.to_free, row.to_free_interval),
        format!("{:.0} %", 100.0 * row.worse),
        with(row.to_best, row.to_best_interval),
        format!("{:.0} %", 100.0 * row.success),
    ]
}

/// A number, or a dash where it is not known.
fn number<T: ToString>(value: Option<T>) -> String {
    value.map_or("-".into(), |value| value.to_string())
}
