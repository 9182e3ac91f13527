//! The support update (shrink wrap: S. Marchesini et al., Phys. Rev. B 68, 140101 (2003)): blur the
//! modulus of the object, keep what exceeds a threshold relative to what is inside the support now.
//! The modulus is that of the modulus projection ([`super::cpu::Cpu::density`]).

use super::convolve::convolve;
use crate::error::{Error, Result};
use crate::volume::Shape;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// The reference of the threshold, taken of the blurred modulus inside the current support.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Reference {
    /// Root mean square.
    Rms,
    /// Mean.
    #[serde(alias = "average")]
    Mean,
    /// Largest value.
    Max,
}

impl FromStr for Reference {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text.to_ascii_lowercase().as_str() {
            "rms" => Ok(Reference::Rms),
            "mean" | "average" => Ok(Reference::Mean),
            "max" => Ok(Reference::Max),
            _ => Err(Error::setting("support-threshold-method", text, "takes rms, mean or max")),
        }
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(match self {
            Reference::Rms => "rms",
            Reference::Mean => "mean",
            Reference::Max => "max",
        })
    }
}

/// What an update keeps of the blurred density.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Cut {
    /// Pixels that exceed the reference times this, as long as the rule's fractions allow it.
    Threshold(f32),
    /// The brightest pixels, this fraction of the array.
    Area(f64),
}

impl Cut {
    /// Threshold as a multiple of the reference, and the smallest and largest number of pixels of an
    /// array of `n`; `fraction` holds for thresholds.
    pub(super) fn limits(self, fraction: [f64; 2], n: usize) -> (f32, [usize; 2]) {
        let (threshold, fraction) = match self {
            Cut::Threshold(threshold) => (threshold, fraction),
            Cut::Area(area) => (0.0, [area; 2]),
        };
        (threshold, fraction.map(|limit| ((limit * n as f64) as usize).clamp(1, n)))
    }
}

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Cut::Threshold(threshold) => write!(f, "threshold {threshold:.3}"),
            Cut::Area(area) => write!(f, "area {:.2} %", 100.0 * area),
        }
    }
}

/// The rule of a support update.
#[derive(Debug, Clone, PartialEq)]
pub struct SupportRule {
    /// Standard deviation of the Gaussian blur, pixels; the blur is periodic.
    pub sigma: f32,
    /// What is kept of the density.
    pub cut: Cut,
    /// Reference that thresholds are relative to.
    pub reference: Reference,
    /// Whether the density is the positive part of the object, instead of its modulus.
    pub positivity: bool,
    /// Whether pixels may only leave the support.
    pub only_shrink: bool,
    /// Distance that the border may move, pixels; 0 is any distance.
    pub border: usize,
    /// Steps after the cut: `n > 0` expands by n pixels, `n < 0` shrinks.
    pub expand: Vec<i32>,
    /// Smallest and largest fraction of the array that a threshold may keep.
    pub fraction: [f64; 2],
}

/// The plainest support rule, for tests and benchmarks.
impl Default for SupportRule {
    fn default() -> Self {
        SupportRule {
            sigma: 2.0,
            cut: Cut::Threshold(0.25),
            reference: Reference::Rms,
            positivity: false,
            only_shrink: false,
            border: 0,
            expand: Vec::new(),
            fraction: [0.0, 1.0],
        }
    }
}

/// The outcome of a support update.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SupportState {
    /// Number of pixels inside the new support.
    pub count: usize,
    /// Threshold that was used: the rule's, unless the numbers of pixels asked for another.
    pub threshold: f32,
    /// Whether the object was finite and not zero; if not, the support was left alone and the run
    /// is lost.
    pub alive: bool,
}

/// Updates `support` from `modulus`; that and `scratch`, of the same length, are overwritten.
///
/// Where the threshold would leave less or more than the allowed fraction, the threshold that gives
/// just the limit is used instead: a bad threshold costs a worse support, not the run.
pub(crate) fn update(
    shape: Shape,
    rule: &SupportRule,
    modulus: &mut [f32],
    scratch: &mut [f32],
    support: &mut [bool],
) -> SupportState {
    let (modulus, scratch) = blur(shape, rule.sigma, modulus, scratch);
    let (sum, squares, largest, count) = reference_sums(modulus, support);
    let reference = match rule.reference {
        Reference::Rms => (squares / count.max(1) as f64).sqrt(),
        Reference::Mean => sum / count.max(1) as f64,
        Reference::Max => largest,
    };
    let (threshold, limits) = rule.cut.limits(rule.fraction, modulus.len());
    if !(reference.is_finite() && reference > 0.0) {
        return SupportState { count, threshold, alive: false };
    }
    let mut cut = threshold * reference as f32;
    let mut new = vec![false; modulus.len()];
    let mut n = above(modulus, support, cut, rule.only_shrink, &mut new);
    let wanted = n.clamp(limits[0], limits[1].max(limits[0]));
    if n != wanted {
        // The value that exactly `wanted` pixels exceed. Only-shrink can offer no more than there
        // is.
        let mut offered = 0;
        for (&m, _) in modulus.iter().zip(&*support).filter(|(_, s)| !rule.only_shrink || **s) {
            scratch[offered] = m;
            offered += 1;
        }
        let candidates = &mut scratch[..offered];
        if candidates.len() > wanted {
            let position = candidates.len() - wanted - 1;
            cut = *candidates.select_nth_unstable_by(position, f32::total_cmp).1;
        } else {
            cut = 0.0;
        }
        n = above(modulus, support, cut, rule.only_shrink, &mut new);
    }
    if rule.border > 0 {
        let inner = grown(shape, support, -(rule.border as i32));
        let outer = grown(shape, support, rule.border as i32);
        for (i, value) in new.iter_mut().enumerate() {
            *value = inner[i] || (*value && outer[i]);
        }
    }
    for &step in &rule.expand {
        new = grown(shape, &new, step);
    }
    let moved = rule.border > 0 || !rule.expand.is_empty();
    let count = if moved { new.iter().filter(|&&s| s).count() } else { n };
    let threshold = cut / reference as f32;
    // Shrinking steps may have eaten a small support: keep the old one rather than none.
    if count == 0 {
        return SupportState { count: support.iter().filter(|&&s| s).count(), threshold, alive: true };
    }
    support.copy_from_slice(&new);
    SupportState { count, threshold, alive: true }
}

/// Marks in `mask` what exceeds the cut, where `shrink` only inside the support, and counts it.
fn above(modulus: &[f32], support: &[bool], cut: f32, shrink: bool, mask: &mut [bool]) -> usize {
    let pieces = modulus.par_chunks(PIECE).zip(support.par_chunks(PIECE)).zip(mask.par_chunks_mut(PIECE));
    pieces
        .map(|((modulus, support), mask)| {
            let mut count = 0;
            for ((&m, &inside), kept) in modulus.iter().zip(support).zip(mask) {
                *kept = m > cut && (!shrink || inside);
                count += usize::from(*kept);
            }
            count
        })
        .sum()
}

/// Pixels that one task handles, and that one partial sum covers.
const PIECE: usize = 1 << 14;

/// Sum, sum of squares, largest and number of the values inside the support, in fixed pieces so
/// that the result does not depend on the number of threads.
fn reference_sums(modulus: &[f32], support: &[bool]) -> (f64, f64, f64, usize) {
    let pieces: Vec<_> = modulus
        .par_chunks(PIECE)
        .zip(support.par_chunks(PIECE))
        .map(|(m, s)| {
            m.iter().zip(s).filter(|(_, s)| **s).fold((0.0, 0.0, 0.0f64, 0), |(sum, squares, largest, n), (&m, _)| {
                let m = f64::from(m);
                // `max` would swallow a NaN; the sums keep it.
                (sum + m, squares + m * m, largest.max(m), n + 1)
            })
        })
        .collect();
    let total = pieces.iter().fold((0.0, 0.0, 0.0f64, 0), |a, b| (a.0 + b.0, a.1 + b.1, a.2.max(b.2), a.3 + b.3));
    if total.0.is_finite() { total } else { (f64::NAN, f64::NAN, f64::NAN, total.3) }
}

/// Blurs by a periodic Gaussian, separably, cut off at four standard deviations. `scratch` has the
/// same length. Returns what is blurred, which is one of both, and the other.
pub(crate) fn blur<'a>(
    shape: Shape,
    sigma: f32,
    data: &'a mut [f32],
    scratch: &'a mut [f32],
) -> (&'a mut [f32], &'a mut [f32]) {
    if sigma <= 0.0 {
        return (data, scratch);
    }
    let reach = (4.0 * sigma).ceil() as usize;
    let weights: Vec<f32> = (0..=reach).map(|k| (-0.5 * (k as f32 / sigma).powi(2)).exp()).collect();
    let norm = weights[0] + 2.0 * weights[1..].iter().sum::<f32>();
    let weights: Vec<f32> = weights.iter().map(|w| w / norm).collect();
    convolve(shape, [&weights; 3], data, scratch)
}

/// Returns the mask expanded (`n > 0`) or shrunk (`n < 0`) by `n` pixels, periodically, one pixel
/// at a time along the axes.
pub(crate) fn grown(shape: Shape, mask: &[bool], n: i32) -> Vec<bool> {
    let [nz, ny, nx] = shape;
    let grow = n > 0;
    let mut current = mask.to_vec();
    for _ in 0..n.unsigned_abs() {
        let old = current.clone();
        current.par_chunks_mut(nx).enumerate().for_each(|(row, out)| {
            let (z, y) = (row / ny, row % ny);
            let line = |z: usize, y: usize| &old[(z * ny + y) * nx..][..nx];
            let here = line(z, y);
            let mut neighbours = vec![line(z, (y + 1) % ny), line(z, (y + ny - 1) % ny)];
            if nz > 1 {
                neighbours.extend([line((z + 1) % nz, y), line((z + nz - 1) % nz, y)]);
            }
            for (x, value) in out.iter_mut().enumerate() {
                let mut any = here[(x + 1) % nx] == grow || here[(x + nx - 1) % nx] == grow;
                any |= neighbours.iter().any(|line| line[x] == grow);
                if any {
                    *value = grow;
                }
            }
        });
    }
    current
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule() -> SupportRule {
        SupportRule {
            sigma: 0.0,
            cut: Cut::Threshold(0.5),
            reference: Reference::Max,
            positivity: false,
            only_shrink: false,
            border: 0,
            expand: vec![],
            fraction: [0.0, 1.0],
        }
    }

    #[test]
    fn blur_keeps_the_sum_and_is_a_gaussian() {
        for shape in [[1, 40, 36], [24, 20, 28], [6, 5, 7]] {
            let n = shape.iter().product();
            let mut data = vec![0.0f32; n];
            data[0] = 1.0;
            let mut scratch = vec![0.0; n];
            let (data, _) = blur(shape, 1.5, &mut data, &mut scratch);
            let sum: f32 = data.iter().sum();
            // Rounding of some n sums of f32.
            assert!((sum - 1.0).abs() < 1e-5, "{sum}");
            if shape[2] > 16 {
                let expected = (-0.5f32 * (2.0f32 / 1.5).powi(2)).exp();
                assert!((data[2] / data[0] - expected).abs() < 1e-5);
                assert!((data[2 * shape[2]] / data[0] - expected).abs() < 1e-5);
                assert_eq!(data[2], data[shape[2] - 2]);
            }
        }
    }

    #[test]
    fn keeps_what_exceeds_the_threshold() {
        let shape = [1, 8, 8];
        let modulus: Vec<f32> = (0..64).map(|i| i as f32).collect();
        let mut support = vec![true; 64];
        let state = update(shape, &rule(), &mut modulus.clone(), &mut vec![0.0; 64], &mut support);
        assert_eq!(state.count, 32);
        assert!(support[32] && !support[31]);
        // Relative to the rms and the mean of 0..63.
        for (reference, value) in [(Reference::Rms, 36.6606), (Reference::Mean, 31.5f32)] {
            let mut support = vec![true; 64];
            let rule = SupportRule { reference, ..rule() };
            let state = update(shape, &rule, &mut modulus.clone(), &mut vec![0.0; 64], &mut support);
            assert_eq!(state.count, 63 - (0.5 * value).floor() as usize, "{reference}");
        }
    }

    #[test]
    fn limits_retune_the_threshold() {
        let shape = [1, 8, 8];
        let modulus: Vec<f32> = (0..64).map(|i| i as f32).collect();
        for (threshold, expected) in [(1.5, 8), (0.01, 16)] {
            let rule = SupportRule { cut: Cut::Threshold(threshold), fraction: [0.125, 0.25], ..rule() };
            let mut support = vec![true; 64];
            let state = update(shape, &rule, &mut modulus.clone(), &mut vec![0.0; 64], &mut support);
            assert_eq!(state.count, expected);
            assert!(state.alive && state.threshold != threshold);
        }
        // An area is what it says, whatever thresholds may.
        let rule = SupportRule { cut: Cut::Area(0.5), fraction: [0.125, 0.25], ..rule() };
        let mut support = vec![true; 64];
        let state = update(shape, &rule, &mut modulus.clone(), &mut vec![0.0; 64], &mut support);
        assert!(state.alive && state.count == 32 && support[32] && !support[31]);
    }

    #[test]
    fn a_dead_object_leaves_the_support_alone() {
        let shape = [1, 8, 8];
        for value in [0.0, f32::NAN, f32::INFINITY] {
            let mut support = vec![false; 64];
            support[5] = true;
            let state = update(shape, &rule(), &mut [value; 64], &mut [0.0; 64], &mut support);
            assert!(!state.alive && state.count == 1 && support[5]);
        }
    }

    #[test]
    fn grown_by_steps_along_the_axes_and_shrunk_back() {
        let shape = [1, 9, 9];
        let mut mask = vec![false; 81];
        mask[4 * 9 + 4] = true;
        let one = grown(shape, &mask, 1);
        assert_eq!(one.iter().filter(|&&m| m).count(), 5);
        assert_eq!(grown(shape, &one, -1), mask);
        let cube = [5, 5, 5];
        let mut mask = vec![false; 125];
        mask[62] = true;
        assert_eq!(grown(cube, &mask, 1).iter().filter(|&&m| m).count(), 7);
    }

    #[test]
    fn only_shrink_and_border_limit() {
        let shape = [1, 16, 16];
        let modulus = vec![1.0f32; 256];
        let mut support = vec![false; 256];
        (4..12).for_each(|y| (4..12).for_each(|x| support[y * 16 + x] = true));
        let before = support.clone();
        update(
            shape,
            &SupportRule { only_shrink: true, ..rule() },
            &mut modulus.clone(),
            &mut [0.0; 256],
            &mut support,
        );
        assert_eq!(support, before);
        update(shape, &SupportRule { border: 1, ..rule() }, &mut modulus.clone(), &mut [0.0; 256], &mut support);
        assert_eq!(support, grown(shape, &before, 1));
    }
}
