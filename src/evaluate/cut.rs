//! Gaps to be scored: straight ones of a given width, cut into a pattern that has no other.

use crate::geometry::Geometry;
use crate::io::set::Measurement;
use crate::pixels::{Pattern, bit};
use crate::simulate::measure::counting::poisson;
use ndarray::{Array3, Axis, Slice};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// A straight gap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DetectorGap {
    /// Axis across it: 1 for whole rows, 2 for whole columns.
    pub axis: usize,
    /// First row or column.
    pub first: usize,
    /// Rows or columns.
    pub width: usize,
}

impl DetectorGap {
    /// The pixels of the gap.
    pub fn pixels(&self, shape: [usize; 3]) -> Array3<bool> {
        let mut inside = Array3::from_elem(shape, false);
        let across = Slice::from(self.first..self.first + self.width);
        inside.slice_axis_mut(Axis(self.axis), across).fill(true);
        inside
    }

    /// Distance of its middle from the centre of the frame, pixels.
    pub fn offset(&self, shape: [usize; 3]) -> f64 {
        (self.first as f64 + (self.width as f64 - 1.0) / 2.0 - (shape[self.axis] / 2) as f64).abs()
    }
}

/// A gap of this width whose middle is anywhere in the middle half of the frame; the same for the
/// same seed and pattern.
pub fn straight_gap(shape: [usize; 3], width: usize, seed: u64, pattern: usize) -> DetectorGap {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream((pattern as u64) << 8 | width as u64);
    let axis = rng.random_range(1..3);
    let n = shape[axis];
    let middle = rng.random_range(n / 4..n - n / 4);
    DetectorGap { axis, first: middle.saturating_sub(width / 2).min(n - width), width }
}

/// Gaps that are `ratio` times as wide as the linear oversampling across them, at least one pixel:
/// the two arms of a cross. Their middles are within an eighth of the frame from the centre:
/// farther out there is so little intensity that no treatment of a gap changes the object.
pub fn gaps_of_ratio(
    shape: [usize; 3],
    oversampling: [f64; 3],
    ratio: f64,
    seed: u64,
    pattern: usize,
) -> [DetectorGap; 2] {
    let mut rng = ChaCha8Rng::seed_from_u64(seed ^ 0x0072_6174_696f);
    rng.set_stream(pattern as u64);
    let first = rng.random_range(1..3);
    [first, 3 - first].map(|axis| {
        let n = shape[axis];
        let width = ((ratio * oversampling[axis]).round() as usize).clamp(1, n / 2);
        let middle = rng.random_range(n / 2 - n / 8..=n / 2 + n / 8);
        DetectorGap { axis, first: middle.saturating_sub(width / 2).min(n - width), width }
    })
}

/// The pattern as a detector without gaps and bad pixels would have counted it: where it was blind,
/// photons are drawn anew.
pub fn without_gaps(measured: &Measurement, seed: u64, pattern: usize) -> Pattern {
    let mut rng = ChaCha8Rng::seed_from_u64(seed ^ 0x0063_6f75_6e74);
    rng.set_stream(pattern as u64);
    let mut counts = measured.counts.map(|&counts| counts as f32);
    for ((index, counts), &truth) in counts.0.indexed_iter_mut().zip(measured.intensity.as_slice()) {
        if measured.mask.0[index] != 0 {
            *counts = poisson(truth.into(), &mut rng) as f32;
        }
    }
    let mask = measured.mask.map(|_| 0);
    Pattern {
        intensity: counts,
        mask,
        estimate: None,
        calculated: None,
        geometry: Geometry::default(),
        goniometer: None,
    }
}

/// The pattern with these pixels blind.
pub fn blinded(mut pattern: Pattern, inside: &Array3<bool>) -> Pattern {
    pattern.mask.0.zip_mut_with(inside, |mask, &inside| {
        if inside {
            *mask |= bit::MISSING;
        }
    });
    pattern.intensity.0.zip_mut_with(inside, |value, &inside| {
        if inside {
            *value = 0.0;
        }
    });
    pattern
}
