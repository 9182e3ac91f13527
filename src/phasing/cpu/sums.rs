//! Sums over arrays in fixed pieces, and the likelihood of a pixel.

use num_complex::Complex32;
use rayon::prelude::*;

/// Elements that one task handles in a pointwise pass, and that one partial sum covers.
const PIECE: usize = 1 << 14;

/// Smallest calculated intensity in a likelihood, photons: keeps the logarithm finite.
pub const FLOOR: f32 = 1e-8;

/// Sets imaginary parts to zero.
pub fn drop_imaginary(field: &mut [Complex32]) {
    field.par_chunks_mut(PIECE).for_each(|piece| piece.iter_mut().for_each(|value| value.im = 0.0));
}

/// Sums of `f` over fixed pieces of `0..n`, added in order.
pub fn sums<const K: usize>(n: usize, f: impl Fn(usize) -> [f64; K] + Sync) -> [f64; K] {
    let pieces: Vec<[f64; K]> = (0..n.div_ceil(PIECE))
        .into_par_iter()
        .map(|piece| {
            let mut total = [0.0; K];
            for i in piece * PIECE..((piece + 1) * PIECE).min(n) {
                let values = f(i);
                (0..K).for_each(|k| total[k] += values[k]);
            }
            total
        })
        .collect();
    pieces.iter().fold([0.0; K], |mut total, piece| {
        (0..K).for_each(|k| total[k] += piece[k]);
        total
    })
}

/// Poisson log-likelihood of one pixel, `c - o + o ln(o / c)`: zero where the calculated intensity
/// is the observed one.
pub fn poisson(calculated: f32, observed: f32) -> f64 {
    let (c, o) = (f64::from(calculated.max(FLOOR)), f64::from(observed));
    if o > 0.0 { c - o + o * (o / c).ln() } else { c }
}
