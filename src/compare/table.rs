//! Comparisons of many patterns put together: by width of the gap over the oversampling.

use super::{Contender, Prediction, Score};
use crate::metrics::{interval, median};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Scores of one contender.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ContenderOutcome {
    /// Score of the run that would be chosen without knowing the truth; `None` if no run gave an object.
    pub chosen: Option<Score>,
    /// Scores of all runs from random starts that gave an object.
    pub runs: Vec<Score>,
    /// Number of runs that were begun.
    #[serde(default)]
    pub begun: usize,
    /// Prediction of held-out copies of the gap, if that was tried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold_out: Option<Prediction>,
}

/// One pattern with one gap, phased by all contenders.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Outcome {
    /// Pattern of the set.
    pub pattern: usize,
    /// Particle that it shows.
    pub particle: u64,
    /// Width that was asked for, in units of the oversampling.
    pub asked: f64,
    /// Width of the gap, pixels.
    pub width: usize,
    /// Linear oversampling across it.
    pub oversampling: f64,
    /// Width of the gap over the oversampling across it.
    pub ratio: f64,
    /// Photons of the pattern.
    pub photons: f64,
    /// Distance of the gap's middle from the centre, pixels.
    pub offset: f64,
    /// Whether the pattern itself spoke for filling, before it was phased.
    pub advice: bool,
    /// Scores of each contender.
    pub contenders: BTreeMap<Contender, ContenderOutcome>,
}

/// Relative error of an object that has nothing in common with the truth: of a contender without
/// any object too.
const LOST: f64 = 1.0;
/// A run succeeds whose error is at most this many times the best of all runs of all contenders.
pub(super) const SUCCESS: f64 = 1.5;
/// Patterns whose object has a larger error than this even without a gap cannot be reconstructed:
/// they say nothing of gaps.
const HOPELESS: f64 = 0.5;
/// Worse by more than this part is worse.
const WORSE: f64 = 1.05;

impl Outcome {
    /// Complex error of a contender's chosen run.
    pub fn error(&self, contender: Contender) -> f64 {
        let chosen = self.contenders.get(&contender).and_then(|outcome| outcome.chosen);
        chosen.map_or(LOST, |score| score.error.min(LOST))
    }

    /// Whether its object cannot be reconstructed even without a gap; false if that was not tried.
    pub fn hopeless(&self) -> bool {
        self.contenders.contains_key(&Contender::Full) && self.error(Contender::Full) > HOPELESS
    }

    fn best(&self) -> f64 {
        let runs = self.contenders.values().flat_map(|outcome| outcome.runs.iter().chain(&outcome.chosen));
        runs.map(|score| score.error).fold(f64::INFINITY, f64::min)
    }

    /// Part of a contender's runs that succeed.
    fn success(&self, contender: Contender) -> f64 {
        let Some(outcome) = self.contenders.get(&contender) else { return 0.0 };
        let good = outcome.runs.iter().filter(|score| score.error <= SUCCESS * self.best()).count();
        // One that diverged, or left its support, did not succeed.
        good as f64 / outcome.begun.max(outcome.runs.len()).max(1) as f64
    }

    /// Rank correlation (Spearman) of what a judge says of each contender and its true error, over
    /// the contenders that share the gap; nothing with fewer than three.
    pub fn rank_correlation(&self, judge: Judge) -> Option<f64> {
        let pairs: Vec<(f64, f64)> = self
            .contenders
            .iter()
            .filter(|(contender, _)| **contender != Contender::Full)
            .filter_map(|(_, outcome)| {
                let chosen = outcome.chosen?;
                let judged = match judge {
                    Judge::HoldOut => outcome.hold_out?.error_log,
                    Judge::FreeLikelihood => chosen.free_llk,
                };
                Some((judged, chosen.error))
            })
            .collect();
        let ranks = |of: &dyn Fn(&(f64, f64)) -> f64| -> Vec<f64> {
            let below = |a: f64| {
                pairs.iter().map(move |b| f64::from(u8::from(of(b) < a)) + 0.5 * f64::from(u8::from(of(b) == a)))
            };
            pairs.iter().map(|a| below(of(a)).sum()).collect()
        };
        let (a, b) = (ranks(&|pair| pair.0), ranks(&|pair| pair.1));
        let mean = pairs.len() as f64 / 2.0;
        let sum = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| (a - mean) * (b - mean)).sum::<f64>();
        let correlation = sum(&a, &b) / (sum(&a, &a) * sum(&b, &b)).sqrt();
        (pairs.len() >= 3 && correlation.is_finite()).then_some(correlation)
    }
}

/// A ranking of contenders that does not know the truth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Judge {
    /// Copies of the gap that were cut into measured pixels.
    HoldOut,
    /// The free log-likelihood of the contender's own run.
    FreeLikelihood,
}

impl Judge {
    /// Both judges, in the order of tables.
    pub const ALL: [Judge; 2] = [Judge::HoldOut, Judge::FreeLikelihood];

    /// The judge in words.
    pub fn text(self) -> &'static str {
        match self {
            Judge::HoldOut => "the hold-out test",
            Judge::FreeLikelihood => "the free log-likelihood",
        }
    }
}

/// A contender in a class of gaps.
#[derive(Debug, Clone, Serialize)]
pub struct ContenderRow {
    /// Its name.
    pub contender: String,
    /// Median error of the complex object.
    pub error: f64,
    /// Median over patterns of the error over that with free pixels.
    pub to_free: f64,
    /// Its 95 % interval, from resampling whole particles.
    pub to_free_interval: [f64; 2],
    /// Part of the patterns whose error is more than 5 % above that with free pixels.
    pub worse: f64,
    /// Median error over that of the best contender without the network.
    pub to_best: f64,
    /// Its 95 % interval.
    pub to_best_interval: [f64; 2],
    /// Part of the runs that succeed.
    pub success: f64,
}

/// A class of gaps.
#[derive(Debug, Clone, Serialize)]
pub struct RatioClass {
    /// Its bounds in words.
    pub name: String,
    /// Number of comparisons in the class.
    pub outcomes: usize,
    /// Others, left out because their objects cannot be reconstructed even without a gap.
    pub hopeless: usize,
    /// Particles among the comparisons.
    pub particles: usize,
    /// Contenders that every comparison of the class has.
    pub contenders: Vec<ContenderRow>,
}

/// Bounds of the classes of width over oversampling.
const CLASSES: [(f64, f64, &str); 3] =
    [(0.0, 1.5, "up to 1.5"), (1.5, 2.0, "1.5 to 2"), (2.0, f64::INFINITY, "2 and more")];

/// All classes that have outcomes.
pub fn ratio_classes(outcomes: &[Outcome]) -> Vec<RatioClass> {
    let mut classes = Vec::new();
    for (low, high, name) in CLASSES {
        // The upper bound of the first class belongs to it, the lower one of the last to that.
        let inside = |ratio: f64| if high == 2.0 { ratio > low && ratio < high } else { ratio >= low && ratio <= high };
        let (hopeless, rows): (Vec<&Outcome>, Vec<&Outcome>) =
            outcomes.iter().filter(|outcome| inside(outcome.ratio)).partition(|outcome| outcome.hopeless());
        if !rows.is_empty() {
            classes.push(class(name, &rows, hopeless.len()));
        }
    }
    classes
}

fn class(name: &str, rows: &[&Outcome], hopeless: usize) -> RatioClass {
    let mut particles: Vec<u64> = rows.iter().map(|row| row.particle).collect();
    particles.sort();
    particles.dedup();
    let groups: Vec<Vec<&Outcome>> = particles
        .iter()
        .map(|&particle| rows.iter().copied().filter(|row| row.particle == particle).collect())
        .collect();
    let resampled = |statistic: &dyn Fn(&[&Outcome]) -> f64| {
        let of = |drawn: &[usize]| {
            let rows: Vec<&Outcome> = drawn.iter().flat_map(|&i| groups[i].iter().copied()).collect();
            statistic(&rows)
        };
        interval(groups.len(), 1, of)
    };
    let contenders: Vec<Contender> = rows[0]
        .contenders
        .keys()
        .copied()
        .filter(|contender| rows.iter().all(|row| row.contenders.contains_key(contender)))
        .collect();
    let error = |rows: &[&Outcome], contender| median(&rows.iter().map(|row| row.error(contender)).collect::<Vec<_>>());
    let classical: Vec<Contender> = contenders
        .iter()
        .copied()
        .filter(|contender| !contender.needs_network() && *contender != Contender::Full)
        .collect();
    let row = |contender: Contender| {
        let to_free = |rows: &[&Outcome]| {
            median(&rows.iter().map(|row| row.error(contender) / row.error(Contender::FREE)).collect::<Vec<_>>())
        };
        let to_best = |rows: &[&Outcome]| {
            let best = classical.iter().map(|&contender| error(rows, contender)).fold(f64::INFINITY, f64::min);
            error(rows, contender) / best
        };
        let worse = rows.iter().filter(|row| row.error(contender) > WORSE * row.error(Contender::FREE)).count();
        let success =
            |contender: Contender| rows.iter().map(|row| row.success(contender)).sum::<f64>() / rows.len() as f64;
        ContenderRow {
            contender: contender.to_string(),
            error: error(rows, contender),
            to_free: to_free(rows),
            to_free_interval: resampled(&to_free),
            worse: worse as f64 / rows.len() as f64,
            to_best: to_best(rows),
            to_best_interval: resampled(&to_best),
            success: success(contender),
        }
    };
    RatioClass {
        name: name.into(),
        outcomes: rows.len(),
        hopeless,
        particles: particles.len(),
        contenders: contenders.iter().copied().map(row).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn score(error: f64, free_llk: f64) -> Score {
        Score { error, phase: 0.0, modulus: 0.0, homogeneity: 0.0, overlap: 1.0, free_llk, r_factor: 0.0 }
    }

    fn outcome(particle: u64, ratio: f64, free: f64, network: f64, advice: bool) -> Outcome {
        let contender = |error: f64, held: f64| ContenderOutcome {
            chosen: Some(score(error, error)),
            runs: vec![score(error, error)],
            begun: 1,
            hold_out: Some(Prediction { error_log: held, llk: 0.0 }),
        };
        let contenders = [
            (Contender::FREE, contender(free, free)),
            ("linear".parse().unwrap(), contender(0.5, 0.5)),
            (Contender::NETWORK, contender(network, network)),
        ];
        let (width, pattern) = ((3.0 * ratio) as usize, particle as usize);
        Outcome {
            pattern,
            particle,
            asked: ratio,
            width,
            oversampling: 3.0,
            ratio,
            photons: 1e7,
            offset: 0.0,
            advice,
            contenders: contenders.into(),
        }
    }

    #[test]
    fn runs_that_diverged_did_not_succeed() {
        let mut one = outcome(1, 2.0, 0.2, 0.2, false);
        assert_eq!(one.success(Contender::NETWORK), 1.0);
        one.contenders.get_mut(&Contender::NETWORK).unwrap().begun = 8;
        assert_eq!(one.success(Contender::NETWORK), 0.125);
    }

    #[test]
    fn classes_compare_with_free_pixels_and_the_best_fill() {
        let rows = [outcome(1, 2.5, 0.4, 0.2, true), outcome(2, 2.5, 0.4, 0.1, true), outcome(3, 2.0, 0.4, 0.5, true)];
        let classes = ratio_classes(&rows);
        assert_eq!((classes.len(), classes[0].outcomes, classes[0].particles), (1, 3, 3));
        let contender =
            |name: &str| classes[0].contenders.iter().find(|contender| contender.contender == name).unwrap();
        assert_eq!((contender("network").error, contender("network").to_best), (0.2, 0.5));
        assert!((contender("network").worse - 1.0 / 3.0).abs() < 1e-12);
        assert_eq!(contender("free").to_free_interval, [1.0, 1.0]);
    }

    #[test]
    fn a_hold_out_that_ranks_as_the_truth_has_correlation_one() {
        assert_eq!(outcome(1, 2.5, 0.4, 0.2, true).rank_correlation(Judge::HoldOut), Some(1.0));
    }
}
