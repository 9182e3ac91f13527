//! A comparison without truth: copies of the gap are cut into measured pixels, and every contender
//! is scored on how well its reconstruction predicts those pixels, which it never saw.

use crate::evaluate::{blinded, copies_of_gap};
use crate::pixels::Pattern;
use crate::volume::Centered;
use ndarray::Array3;
use serde::{Deserialize, Serialize};

/// Smallest calculated intensity in a likelihood, photons.
const FLOOR: f64 = 1e-3;

/// A pattern with a second gap.
#[derive(Debug, Clone)]
pub struct HoldOut {
    /// The pattern with both gaps.
    pub pattern: Pattern,
    /// Pixels of the second gap, all of them measured.
    pub inside: Array3<bool>,
}

/// Copies of a pattern's gap in the places with room for the most of it, at most `most` of them.
pub fn hold_outs(pattern: &Pattern, most: usize) -> Vec<HoldOut> {
    let copies = copies_of_gap(&pattern.measured().0, !pattern.is_2d());
    let of = |inside: Array3<bool>| HoldOut { pattern: blinded(pattern.clone(), &inside), inside };
    copies.into_iter().take(most).map(of).collect()
}

/// How well pixels were predicted that a reconstruction never saw.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Prediction {
    /// Mean absolute error of `log10(1 + I)` against the counts.
    pub error_log: f64,
    /// Poisson log-likelihood per pixel, `c - o + o ln(o / c)`.
    pub llk: f64,
}

impl Prediction {
    /// Compares what was calculated with the counts of the pixels `inside`.
    pub fn new(calculated: &Centered<f32>, counts: &Centered<f32>, inside: &Array3<bool>) -> Self {
        let (mut error, mut llk, mut count) = (0.0, 0.0, 0.0);
        for (index, _) in inside.indexed_iter().filter(|(_, inside)| **inside) {
            let (c, o) = (f64::from(calculated.0[index]).max(FLOOR), f64::from(counts.0[index]));
            error += ((1.0 + c).log10() - (1.0 + o).log10()).abs();
            llk += c - o + if o > 0.0 { o * (o / c).ln() } else { 0.0 };
            count += 1.0;
        }
        Self { error_log: error / count, llk: llk / count }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::calculated_intensity;
    use num_complex::Complex32;

    #[test]
    fn an_object_predicts_its_own_pattern_and_no_other() {
        let shape = [1, 24, 24];
        let object = |side: usize| {
            let inside = |i: usize| (12 - side..12 + side).contains(&i);
            Centered(Array3::from_shape_fn(shape, |(_, y, x)| {
                Complex32::from(if inside(y) && inside(x) { 10.0 } else { 0.0 })
            }))
        };
        let counts = calculated_intensity(&object(3));
        assert!((counts.as_slice().iter().sum::<f32>() - 3600.0).abs() < 1.0, "transforms are unitary");
        let inside = Array3::from_shape_fn(shape, |(_, y, _)| y < 11);
        let right = Prediction::new(&calculated_intensity(&object(3)), &counts, &inside);
        let wrong = Prediction::new(&calculated_intensity(&object(4)), &counts, &inside);
        assert!(right.error_log < 1e-3 && right.llk < 1e-3, "{right:?}");
        assert!(wrong.error_log > 0.05 && wrong.llk > 1.0, "{wrong:?}");
    }
}
