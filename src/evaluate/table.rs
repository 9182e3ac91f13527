//! Outcomes put together: by width of the gap, by photons, oversampling and distance from the peak.

use super::Outcome;
use crate::metrics::{interval, median};
use serde::Serialize;
use std::collections::BTreeSet;

/// An outcome with what it is sorted by.
#[derive(Debug, Clone, Serialize)]
pub struct Row {
    /// Pattern of the set.
    pub pattern: usize,
    /// Particle that it shows: patterns of one are not independent.
    pub particle: u64,
    /// Width of the gap, pixels; 0 for the gaps that the pattern has.
    pub width: usize,
    /// Photons in the whole pattern.
    pub photons: f64,
    /// Linear oversampling across the gap.
    pub oversampling: f64,
    /// Distance of the gap's middle from the centre of the frame, pixels.
    pub offset: f64,
    /// What came out.
    pub outcome: Outcome,
}

/// Medians over the patterns of a class.
#[derive(Debug, Clone, Serialize)]
pub struct Class {
    /// What the class is sorted by: `width`, `photons`, `oversampling` or `offset`.
    pub by: &'static str,
    /// Its name.
    pub name: String,
    /// Patterns.
    pub patterns: usize,
    /// Of the network: Pearson of log10(1 + I), mean absolute error of log10(1 + I), Pearson of the
    /// modulus.
    pub network: [f64; 3],
    /// The same of linear, inverse-distance and biharmonic fill.
    pub classical: [[f64; 3]; 3],
    /// The same of kriging.
    pub kriging: [f64; 3],
    /// Median error of the network over that of the best of the classical fills.
    pub error_ratio: f64,
    /// Its 95 % interval, from resampling whole particles.
    pub error_ratio_interval: [f64; 2],
    /// Pearson of log10(1 + I) of the network, linear, inverse-distance and biharmonic fill: means over
    /// 20 levels of the true intensity inside the gap of the means of the patterns of each.
    pub pearson_over_levels: [f64; 4],
    /// Part of all pixels within their 90 % interval.
    pub covered: f64,
    /// Part of all pixels that are left free.
    pub free: f64,
}

impl Class {
    fn new(by: &'static str, name: String, rows: &[&Row]) -> Self {
        let of = |rows: &[&Row], get: &dyn Fn(&Outcome) -> f64| {
            median(&rows.iter().map(|row| get(&row.outcome)).collect::<Vec<_>>())
        };
        let scores = |get: &dyn Fn(&Outcome) -> crate::metrics::GapScore| {
            [of(rows, &|o| get(o).pearson_log), of(rows, &|o| get(o).error_log), of(rows, &|o| get(o).pearson_modulus)]
        };
        let ratio = |rows: &[&Row]| {
            let best = (0..3).map(|i| of(rows, &|o| o.classical[i].error_log)).fold(f64::INFINITY, f64::min);
            of(rows, &|o| o.network.error_log) / best
        };
        let mut particles: Vec<u64> = rows.iter().map(|row| row.particle).collect();
        particles.sort();
        particles.dedup();
        let groups: Vec<Vec<&Row>> = particles
            .iter()
            .map(|&particle| rows.iter().copied().filter(|row| row.particle == particle).collect())
            .collect();
        let resampled = |drawn: &[usize]| {
            let rows: Vec<&Row> = drawn.iter().flat_map(|&i| groups[i].iter().copied()).collect();
            ratio(&rows)
        };
        let pixels: f64 = rows.iter().map(|row| row.outcome.network.pixels as f64).sum();
        let share = |get: &dyn Fn(&Outcome) -> f64| {
            rows.iter().map(|row| get(&row.outcome) * row.outcome.network.pixels as f64).sum::<f64>() / pixels
        };
        Self {
            by,
            name,
            patterns: rows.iter().map(|row| row.pattern).collect::<BTreeSet<_>>().len(),
            network: scores(&|o| o.network),
            classical: std::array::from_fn(|i| scores(&|o| o.classical[i])),
            kriging: scores(&|o| o.kriging),
            error_ratio: ratio(rows),
            error_ratio_interval: interval(groups.len(), 1, resampled),
            pearson_over_levels: std::array::from_fn(|i| {
                over_levels(rows.iter().map(|row| {
                    let score = if i == 0 { row.outcome.network } else { row.outcome.classical[i - 1] };
                    (score.level, score.pearson_log)
                }))
            }),
            covered: share(&|o| o.covered),
            free: share(&|o| o.free),
        }
    }
}

/// Number of levels in [`over_levels`].
const LEVELS: usize = 20;

/// The mean over 20 levels of intensity of the mean value of each: few bright patterns count as much
/// as many dim ones. Correlations of M. Masto et al. (J. Appl. Cryst. 57, 966 (2024)) are such means,
/// of patches of 32 pixels; their details are guessed, and here the gap of a whole pattern is one.
/// That both are scaled by the extremes of the truth changes no correlation.
///
/// `values` are pairs of level and value; levels without any are left out, as are values that are no
/// numbers.
fn over_levels(values: impl Iterator<Item = (f64, f64)>) -> f64 {
    let values: Vec<(f64, f64)> = values.filter(|(level, value)| level.is_finite() && value.is_finite()).collect();
    let low = values.iter().map(|(level, _)| *level).fold(f64::INFINITY, f64::min);
    let high = values.iter().map(|(level, _)| *level).fold(f64::NEG_INFINITY, f64::max);
    let mut sums = [[0.0; 2]; LEVELS];
    for (level, value) in &values {
        let part = (level - low) / (high - low).max(f64::MIN_POSITIVE);
        let bin = &mut sums[((part * LEVELS as f64) as usize).min(LEVELS - 1)];
        *bin = [bin[0] + value, bin[1] + 1.0];
    }
    let means: Vec<f64> = sums.iter().filter(|[_, count]| *count > 0.0).map(|[sum, count]| sum / count).collect();
    means.iter().sum::<f64>() / means.len() as f64
}

/// All classes that have patterns.
pub fn classes(rows: &[Row]) -> Vec<Class> {
    let mut found = Vec::new();
    let mut add = |by: &'static str, name: String, holds: &dyn Fn(&Row) -> bool| {
        let inside: Vec<&Row> = rows.iter().filter(|row| holds(row)).collect();
        if !inside.is_empty() {
            found.push(Class::new(by, name, &inside));
        }
    };
    let mut widths: Vec<usize> = rows.iter().map(|row| row.width).collect();
    widths.sort();
    widths.dedup();
    for width in widths {
        let name = if width == 0 { "own".into() } else { format!("{width} px") };
        add("width", name, &|row| row.width == width);
    }
    for decade in 0..12 {
        let inside = |row: &Row| row.photons.log10().floor() as i32 == decade;
        add("photons", format!("1e{decade} to 1e{}", decade + 1), &inside);
    }
    for (low, high) in [(0.0, 2.0), (2.0, 3.0), (3.0, 4.0), (4.0, f64::INFINITY)] {
        let name = if high.is_finite() { format!("{low} to {high}") } else { format!("{low} and more") };
        add("oversampling", name, &|row| (low..high).contains(&row.oversampling));
    }
    for (low, high) in [(0.0, 8.0), (8.0, 16.0), (16.0, 32.0), (32.0, f64::INFINITY)] {
        let name = if high.is_finite() { format!("{low} to {high} px") } else { format!("{low} px and more") };
        add("offset", name, &|row| (low..high).contains(&row.offset));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_count_alike_however_many_patterns_they_have() {
        let dim = (0..90).map(|i| (1.0 + 0.001 * f64::from(i), 0.5));
        let bright = [(5.0, 1.0), (3.0, f64::NAN)];
        assert!((over_levels(dim.chain(bright)) - 0.75).abs() < 1e-12);
        assert_eq!(over_levels([(2.0, 0.9)].into_iter()), 0.9);
        assert!(over_levels(std::iter::empty()).is_nan());
    }
}
