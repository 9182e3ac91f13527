//! From stated spreads to intervals: how wide they must be to hold the truth nine times out of ten.

use serde::{Deserialize, Serialize};

/// Part of the pixels that an interval should hold.
const COVERAGE: f64 = 0.9;
/// Predicted `ln(1 + I)` between which a factor is found for itself: most pixels are dark, and what
/// is nearly zero errs otherwise than what is bright.
const EDGES: [f32; 14] = [0.003, 0.01, 0.03, 0.1, 0.3, 0.7, 1.2, 2.0, 3.0, 4.5, 6.0, 8.0, 10.0, 13.0];
/// Pixels that each factor needs, so that the quantile is good to 1 %.
const LEAST: usize = 1000;

/// Half widths of 90 % intervals in units of the stated spread, found on validation patches.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Calibration {
    /// Predicted `ln(1 + I)` at which the factors hold, ascending; between them straight lines,
    /// beyond them the nearest.
    pub levels: Vec<f32>,
    /// One for each level.
    pub factors: Vec<f32>,
    /// A pixel whose half width in `ln(1 + I)` is larger stays free: nothing useful is known of it.
    pub unknown: f32,
}

impl Calibration {
    /// That of a Laplace distribution whose spread is right.
    pub fn nominal() -> Self {
        Self { levels: vec![0.0], factors: vec![std::f32::consts::LN_10], unknown: 4.0 }
    }

    /// Checks that a factor can be found for every level.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn check(&self) -> Result<(), String> {
        let (levels, factors) = (self.levels.len(), self.factors.len());
        if levels == 0 || levels != factors {
            return Err(format!("has {factors} factors for {levels} levels in its calibration: give one for each"));
        }
        if !self.levels.is_sorted_by(|a, b| a < b) || !self.levels.iter().all(|level| level.is_finite()) {
            return Err("has levels in its calibration that do not ascend".into());
        }
        let widths = self.factors.iter().all(|factor| *factor >= 0.0 && factor.is_finite());
        if !widths || self.unknown.is_nan() || self.unknown < 0.0 {
            return Err("has factors or a limit unknown in its calibration that are below 0".into());
        }
        Ok(())
    }

    /// The factor at a predicted `ln(1 + I)`.
    pub fn factor(&self, level: f32) -> f32 {
        let above = self.levels.partition_point(|&at| at <= level);
        match (above.checked_sub(1), self.levels.get(above)) {
            (None, _) => self.factors[0],
            (Some(below), None) => self.factors[below],
            (Some(below), Some(&next)) => {
                let part = (level - self.levels[below]) / (next - self.levels[below]);
                self.factors[below] + part * (self.factors[above] - self.factors[below])
            }
        }
    }

    /// The factors under which intervals hold nine of ten of these pixels: predicted `ln(1 + I)`,
    /// and distance of the truth from it in units of the stated spread. The nominal ones if there
    /// are too few pixels.
    pub fn fit(mut pixels: Vec<(f32, f32)>) -> Self {
        pixels.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut fitted = Self { levels: Vec::new(), factors: Vec::new(), ..Self::nominal() };
        let mut rest = &mut pixels[..];
        for edge in EDGES.into_iter().chain([f32::INFINITY]) {
            let end = rest.partition_point(|pixel| pixel.0 < edge);
            if end < LEAST {
                // Too few: they go to the next level.
                continue;
            }
            let (here, after) = rest.split_at_mut(end);
            let level = here.iter().map(|pixel| f64::from(pixel.0)).sum::<f64>() / here.len() as f64;
            let (_, factor, _) =
                here.select_nth_unstable_by((COVERAGE * end as f64) as usize, |a, b| a.1.total_cmp(&b.1));
            fitted.levels.push(level as f32);
            fitted.factors.push(factor.1);
            rest = after;
        }
        if fitted.levels.is_empty() { Self::nominal() } else { fitted }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn factors_are_straight_lines_between_levels() {
        let calibration = Calibration { levels: vec![1.0, 3.0], factors: vec![2.0, 4.0], unknown: 1.0 };
        assert_eq!([0.0, 1.0, 2.0, 3.0, 9.0].map(|level| calibration.factor(level)), [2.0, 2.0, 3.0, 4.0, 4.0]);
    }

    #[test]
    fn factors_are_quantiles_of_their_level() {
        // Errors evenly from 0 to 1 in the dark, to 3 in the light.
        let pixel = |i: usize| if i.is_multiple_of(2) { (0.05, i as f32 / 1e4) } else { (7.0, 3.0 * i as f32 / 1e4) };
        let calibration = Calibration::fit((0..10_000).map(pixel).collect());
        assert_eq!(calibration.levels.len(), 2);
        assert!((calibration.factor(0.05) - 0.9).abs() < 1e-3, "{calibration:?}");
        assert!((calibration.factor(7.0) - 2.7).abs() < 3e-3, "{calibration:?}");
        assert_eq!(Calibration::fit(vec![(1.0, 1.0); 10]), Calibration::nominal());
    }
}
