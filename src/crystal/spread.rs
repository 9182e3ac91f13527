//! How a field is distributed.

use serde::Serialize;

/// Distribution of a field over the crystal.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Spread {
    /// Mean.
    pub mean: f64,
    /// Standard deviation.
    pub std: f64,
    /// Smallest value.
    pub min: f64,
    /// Largest value.
    pub max: f64,
}

impl Spread {
    /// Of the finite ones of these values; `None` where there are none.
    pub fn of(values: impl Iterator<Item = f32>) -> Option<Spread> {
        let values: Vec<f64> = values.filter(|value| value.is_finite()).map(f64::from).collect();
        let count = values.len() as f64;
        let mean = values.iter().sum::<f64>() / count;
        let std = (values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / count).sqrt();
        let [min, max] = [f64::min, f64::max].map(|pick| values.iter().copied().reduce(pick));
        Some(Spread { mean, std, min: min?, max: max? })
    }
}
