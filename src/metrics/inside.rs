//! Scores of estimated intensities inside gaps, against noise-free ones: against counts even the
//! truth would not be perfect.

use serde::Serialize;

/// Scores of an estimate over the pixels of a gap.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct GapScore {
    /// Pearson correlation of `log10(1 + I)`; NaN if estimate or truth does not vary.
    pub pearson_log: f64,
    /// Mean absolute error of `log10(1 + I)`.
    pub error_log: f64,
    /// Pearson correlation of the square root of the intensity.
    pub pearson_modulus: f64,
    /// Mean of the true `log10(1 + I)`.
    pub level: f64,
    /// Number of pixels scored.
    pub pixels: usize,
}

impl GapScore {
    /// Scores pairs of estimated and true intensities, photons.
    pub fn new(pairs: impl Iterator<Item = (f32, f32)>) -> Self {
        let (mut logs, mut moduli) = (Correlation::default(), Correlation::default());
        let mut error = 0.0;
        for (estimate, truth) in pairs {
            let [estimate, truth] = [estimate, truth].map(|value| f64::from(value.max(0.0)));
            let [a, b] = [estimate, truth].map(|value| value.ln_1p() / std::f64::consts::LN_10);
            error += (a - b).abs();
            logs.add(a, b);
            moduli.add(estimate.sqrt(), truth.sqrt());
        }
        Self {
            pearson_log: logs.pearson(),
            error_log: error / logs.count,
            pearson_modulus: moduli.pearson(),
            level: logs.mean[1],
            pixels: logs.count as usize,
        }
    }
}

/// Running sums of Pearson's correlation, about the running means so that nothing cancels
/// (Welford).
#[derive(Debug, Clone, Copy, Default)]
struct Correlation {
    count: f64,
    mean: [f64; 2],
    squares: [f64; 2],
    product: f64,
}

impl Correlation {
    fn add(&mut self, a: f64, b: f64) {
        self.count += 1.0;
        let (da, db) = (a - self.mean[0], b - self.mean[1]);
        self.mean[0] += da / self.count;
        self.mean[1] += db / self.count;
        self.squares[0] += da * (a - self.mean[0]);
        self.squares[1] += db * (b - self.mean[1]);
        self.product += da * (b - self.mean[1]);
    }

    fn pearson(&self) -> f64 {
        self.product / (self.squares[0] * self.squares[1]).sqrt()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_truth_scores_full_marks_and_a_constant_none() {
        let truth: Vec<f32> = (0..50).map(|i| (i * i % 97) as f32).collect();
        let score = GapScore::new(truth.iter().map(|&value| (value, value)));
        assert!((score.pearson_log - 1.0).abs() < 1e-12 && (score.pearson_modulus - 1.0).abs() < 1e-12);
        assert_eq!((score.error_log, score.pixels), (0.0, 50));
        let score = GapScore::new(truth.iter().map(|&value| (3.0, value)));
        assert!(score.pearson_log.is_nan());
        // A factor of ten on bright pixels is an error of one.
        let score = GapScore::new([(1e5, 1e6), (1e7, 1e6)].into_iter());
        assert!((score.error_log - 1.0).abs() < 1e-5 && (score.level - 6.0).abs() < 1e-5);
        assert_eq!(GapScore::new(std::iter::empty()).pixels, 0);
    }
}
