//! What a gap hides of an object: hidden modes.
//!
//! With S the projector on a support and G that on the pixels without a measurement, the
//! eigenvectors of `S F^-1 G F S` are the objects inside the support in the order of the part of
//! their energy that falls into the gap, which is their eigenvalue: Slepian's problem (D. Slepian and
//! H. O. Pollak, Bell Syst. Tech. J. 40, 43 (1961)), in diffraction with missing data: J. Miao et
//! al., Phys. Rev. Lett. 95, 085503 (2005); P. Thibault et al., Acta Cryst. A62, 248 (2006); X. Huang
//! et al., Opt. Express 18, 26441 (2010). What lies along a mode of eigenvalue `l` is measured by
//! `1 - l` of its energy only, so that noise is amplified `1 / sqrt(1 - l)` times there; what lies
//! along modes with eigenvalues near 0 is determined whatever the gap.
//!
//! **Assumed:** that the phases outside the gap are known, as they are once phasing has found the
//! object; and that the support is. Before that, more may be lost than these numbers say.

mod advice;
mod filter;
mod operator;
mod subspace;
#[cfg(test)]
mod tests;

pub use advice::{Moved, Outlook, Remedy};
pub use filter::HIDDEN;
pub use operator::Operator;

use crate::volume::{Centered, Shape};
use filter::step;
use ndarray::{Array2, ArrayView1, Axis};
use num_complex::Complex32;
use std::sync::atomic::{AtomicUsize, Ordering};
use subspace::{Eigen, above, least_measured, random, weights};

/// Modes up to this number are computed one by one; more are counted and drawn by random vectors.
pub const MODES: usize = 400;

/// Random vectors by which modes are counted, at most and at least: as many as count them to a
/// hundredth.
const PROBES: [usize; 2] = [4, 16];

/// Modes of which a gap hides more than half.
#[derive(Debug, Clone)]
pub struct HiddenModes {
    /// Number of modes.
    pub count: f64,
    /// Standard error of the number; 0 where the modes were computed one by one.
    pub count_error: f64,
    /// Pixels of the support: as many modes are there in all.
    pub support_pixels: usize,
    /// Sum of all eigenvalues: pixels of the support times the fraction of the pattern that was not
    /// measured.
    pub trace: f64,
    /// Largest eigenvalue, and the noise gain `1 / sqrt(1 - l)` of its mode.
    pub largest: f64,
    /// Factor by which noise is amplified along the worst mode; infinite where it was not measured
    /// at all.
    pub noise_gain: f64,
    /// Fraction of each pixel of the support that lies in hidden modes, 0 to 1, centre at `n / 2`; 0
    /// outside. Its sum is the number of modes.
    pub map: Centered<f32>,
    /// The modes one by one, where there are few enough.
    pub modes: Option<Modes>,
}

/// Modes one by one.
#[derive(Debug, Clone)]
pub struct Modes {
    /// Eigenvalues, falling.
    pub eigenvalues: Vec<f64>,
    /// Modes of unit norm at the pixels of the support, one a row.
    pub vectors: Array2<Complex32>,
}

impl HiddenModes {
    /// The hidden modes of a gap and a support: up to `most` of them one by one, more by random
    /// vectors drawn with `seed`. `done` is told of the fraction that is done, and says whether to go
    /// on; `None` where not.
    pub fn find(op: &Operator, most: usize, seed: u64, done: &(dyn Fn(f64) -> bool + Sync)) -> Option<HiddenModes> {
        let (count, count_error, projected, probes) = counted(op, seed, &|part| done(0.3 * part))?;
        let expected = (count + 2.0 * count_error).ceil() as usize;
        let found = if expected <= most {
            let limit = most + expected;
            above(op, HIDDEN, expected, limit, seed, &|part| done(0.3 + 0.7 * part))
        } else {
            None
        };
        if !done(0.95) {
            return None;
        }
        let (modes, count, count_error, local) = match found {
            Some(Eigen { vectors, .. }) => {
                let modes = exact(op, vectors);
                let local = weights(&modes.vectors);
                let count = modes.eigenvalues.len() as f64;
                (Some(modes), count, 0.0, local)
            }
            None => (None, count, count_error, local(op, &probes, &projected, count)),
        };
        let best = modes.as_ref().and_then(|modes| modes.eigenvalues.first());
        let left = best.map_or_else(|| least_measured(op, seed), |value| 1.0 - value);
        Some(HiddenModes {
            count,
            count_error,
            support_pixels: op.pixels(),
            trace: op.trace(),
            largest: 1.0 - left,
            noise_gain: 1.0 / left.max(0.0).sqrt(),
            map: op.spread(&local, 0.0),
            modes,
        })
    }
}

impl Modes {
    /// Fraction of the energy of values at the pixels of the support that lies in these modes.
    fn fraction(&self, inside: &[Complex32]) -> f64 {
        let along = |row: ArrayView1<Complex32>| {
            let product: Complex32 = row.iter().zip(inside).map(|(mode, value)| mode.conj() * value).sum();
            f64::from(product.norm_sqr())
        };
        let hidden: f64 = self.vectors.axis_iter(Axis(0)).map(along).sum();
        let all = energy(inside);
        if all > 0.0 { hidden / all } else { 0.0 }
    }
}

/// Fraction of an object's energy inside the support that lies in hidden modes.
pub fn hidden_fraction(op: &Operator, object: &Centered<Complex32>) -> f64 {
    let inside = op.inside(object);
    fraction(op, &inside)
}

/// Fraction of the energy of an object that is 1 at all pixels of the support that lies in hidden
/// modes: in those that are known one by one, where they are.
fn fraction_of_flat(op: &Operator, modes: Option<&Modes>) -> f64 {
    let flat = vec![Complex32::ONE; op.pixels()];
    modes.map_or_else(|| fraction(op, &flat), |modes| modes.fraction(&flat))
}

fn fraction(op: &Operator, inside: &[Complex32]) -> f64 {
    let hidden = op.hidden(inside);
    let [hidden, all] = [&hidden[..], inside].map(energy);
    if all > 0.0 { hidden / all } else { 0.0 }
}

fn energy(values: &[Complex32]) -> f64 {
    values.iter().map(|value| f64::from(value.norm_sqr())).sum()
}

/// Eigenvalues anew from what each vector has outside the gap: exact where they are almost 1.
fn exact(op: &Operator, vectors: Array2<Complex32>) -> Modes {
    let left: Vec<f64> = vectors.axis_iter(Axis(0)).map(|row| op.measured(operator::slice(&row))).collect();
    let mut order: Vec<usize> = (0..left.len()).collect();
    order.sort_by(|&a, &b| left[a].total_cmp(&left[b]));
    Modes {
        eigenvalues: order.iter().map(|&index| 1.0 - left[index]).collect(),
        vectors: vectors.select(Axis(0), &order),
    }
}

/// Number of hidden modes with its standard error, random vectors and what of them is hidden: the
/// mean of `z^* P z` over random vectors is the trace of a projector (M. F. Hutchinson, Commun.
/// Stat. Simul. Comput. 18, 1059 (1989)).
fn counted(
    op: &Operator,
    seed: u64,
    done: &(dyn Fn(f64) -> bool + Sync),
) -> Option<(f64, f64, Array2<Complex32>, Array2<Complex32>)> {
    // The number's variance is that number over the number of vectors.
    let enough = (1e4 / op.trace().max(1.0)).ceil() as usize;
    let number = enough.clamp(PROBES[0], PROBES[1]);
    let probes = random(number, op.pixels(), seed);
    let ended = AtomicUsize::new(0);
    let next = || done(ended.fetch_add(1, Ordering::Relaxed) as f64 / number as f64);
    let projected = op.polynomials(&probes, &step(HIDDEN), &next);
    if !done(1.0) {
        return None;
    }
    let traces = probes.axis_iter(Axis(0)).zip(projected.axis_iter(Axis(0)));
    let traces: Vec<f64> =
        traces.map(|(z, p)| z.iter().zip(p).map(|(z, p)| f64::from((z.conj() * p).re)).sum()).collect();
    let mean = traces.iter().sum::<f64>() / number as f64;
    let variance = traces.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (number - 1) as f64;
    Some((mean.max(0.0), (variance / number as f64).sqrt(), projected, probes))
}

/// The diagonal of the projector on the hidden modes, from random vectors, smoothed as far as so few
/// of them ask for, and of the right sum.
fn local(op: &Operator, probes: &Array2<Complex32>, projected: &Array2<Complex32>, count: f64) -> Vec<f32> {
    let mut sums = vec![0.0f32; op.pixels()];
    for (z, p) in probes.axis_iter(Axis(0)).zip(projected.axis_iter(Axis(0))) {
        sums.iter_mut().zip(z.iter().zip(p)).for_each(|(sum, (z, p))| *sum += (z.conj() * p).re);
    }
    let smooth = op.smoothed(&sums);
    let all: f64 = smooth.iter().map(|&value| f64::from(value.max(0.0))).sum();
    let scale = if all > 0.0 { (count / all) as f32 } else { 0.0 };
    smooth.into_iter().map(|value| (value.max(0.0) * scale).min(1.0)).collect()
}

/// The widest gap of a mask in the plane of the detector, pixels: twice the distance of its deepest
/// pixel from one that was measured. Parts that reach the edge of the array do not count.
fn widest(gap: &Centered<bool>) -> usize {
    let [_, ny, nx]: Shape = gap.shape();
    let mut widest = 0;
    for frame in gap.0.outer_iter() {
        for y in 0..ny {
            for x in 0..nx {
                if !frame[[y, x]] || (x > 0 && frame[[y, x - 1]] && y > 0 && frame[[y - 1, x]]) {
                    continue;
                }
                // The shorter of the runs along the row and the column that begin here.
                let row = (x..nx).take_while(|&x| frame[[y, x]]).count();
                let column = (y..ny).take_while(|&y| frame[[y, x]]).count();
                let [row, column] = [(row, x, nx), (column, y, ny)]
                    .map(|(run, from, n)| if from == 0 || from + run == n { usize::MAX } else { run });
                let run = row.min(column);
                if run < usize::MAX {
                    widest = widest.max(run);
                }
            }
        }
    }
    widest
}
