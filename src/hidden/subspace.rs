//! Eigenvectors of the largest eigenvalues: a block of vectors, filtered by Chebyshev polynomials
//! that are small where eigenvalues are small, and turned into the best combinations of its own
//! (Y. Saad, Numerical Methods for Large Eigenvalue Problems, SIAM 2011, chapters 5 and 7).

use super::filter::{rising, step};
use super::operator::{Operator, slice};
use nalgebra::{Complex, DMatrix, SymmetricEigen};
use ndarray::linalg::general_mat_mul;
use ndarray::{Array2, ArrayRef2, Axis, s};
use num_complex::{Complex32, Complex64};
use rand::{Rng, SeedableRng};
use rand_distr::StandardNormal;
use rayon::prelude::*;

/// Rows of a matrix that one task multiplies.
const ROWS: usize = 32;

/// Filters at most.
const ROUNDS: usize = 12;

/// Terms of the polynomial of a filter: more would let the largest drown the others in rounding.
const DEGREE: usize = 5;

/// Change of an eigenvalue between two rounds below which it is settled.
const SETTLED: f64 = 2e-5;

/// Vectors beyond those that are wanted: they take the slow ends of the convergence.
const GUARDS: usize = 8;

/// Vectors among which the best hidden mode is looked for, the terms of their polynomials, their
/// filters at most, and the relative change at which they end.
const TOP: usize = 4;
const TOP_DEGREE: usize = 32;
const TOP_ROUNDS: usize = 12;
const MOST_LIFT: f64 = 1e4;
const TOP_SETTLED: f64 = 0.1;

/// Random vectors, one a row: complex, of unit variance at each pixel.
pub fn random(rows: usize, pixels: usize, seed: u64) -> Array2<Complex32> {
    let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
    let half = 0.5f32.sqrt();
    let mut normal = move || -> f32 { random.sample::<f32, _>(StandardNormal) * half };
    Array2::from_shape_simple_fn((rows, pixels), || Complex32::new(normal(), normal()))
}

/// Eigenvalues from the largest on, and their vectors as rows.
pub struct Eigen {
    /// Eigenvalues, falling.
    pub values: Vec<f64>,
    /// Eigenvectors of unit norm.
    pub vectors: Array2<Complex32>,
}

/// All eigenvectors with eigenvalues of at least `least`, if there are no more than `most` of them.
/// `None` where there are more, or `done`, which is told of the part that is done, says to stop.
pub fn above(
    op: &Operator,
    least: f64,
    expected: usize,
    most: usize,
    seed: u64,
    done: &dyn Fn(f64) -> bool,
) -> Option<Eigen> {
    let mut block = (expected + GUARDS + expected / 8).min(op.pixels());
    loop {
        let mut eigen = settled(op, block, least, seed, done)?;
        let found = eigen.values.iter().filter(|&&value| value >= least).count();
        // One below says that there are no more above.
        if found < block || block == op.pixels() {
            eigen.values.truncate(found);
            eigen.vectors = eigen.vectors.slice(s![..found, ..]).to_owned();
            return (found <= most).then_some(eigen);
        }
        if block > most {
            return None;
        }
        block = (block + block / 2 + GUARDS).min(op.pixels());
    }
}

/// The `block` largest eigenvalues, those of at least `least` settled.
fn settled(op: &Operator, block: usize, least: f64, seed: u64, done: &dyn Fn(f64) -> bool) -> Option<Eigen> {
    let mut vectors = random(block, op.pixels(), seed);
    let mut values: Vec<f64> = Vec::new();
    let go_on = || true;
    for round in 0..ROUNDS {
        if !done(round as f64 / ROUNDS as f64) {
            return None;
        }
        // The first filter knows no spectrum: a step keeps what lies above it and nothing else.
        let filter = match values.last() {
            None => step(0.6 * least),
            Some(&smallest) => rising(smallest.clamp(0.1 * least, 0.8 * least), DEGREE),
        };
        vectors = op.polynomials(&vectors, &filter, &go_on);
        normalise(&mut vectors);
        let before = std::mem::take(&mut values);
        (values, vectors) = rayleigh_ritz(op, &vectors);
        if values.is_empty() {
            break;
        }
        let mut wanted = values.iter().zip(&before).filter(|(value, _)| **value >= least);
        if !before.is_empty() && wanted.all(|(now, before)| (now - before).abs() < SETTLED) {
            break;
        }
    }
    Some(Eigen { values, vectors })
}

/// The part of the best hidden mode's energy that was measured: one minus the largest eigenvalue.
/// Those beside it are almost 1 too, so that only polynomials of many terms tell them apart.
pub fn least_measured(op: &Operator, seed: u64) -> f64 {
    let mut vectors = random(TOP.min(op.pixels()), op.pixels(), seed);
    let mut least = f64::INFINITY;
    for _ in 0..TOP_ROUNDS {
        normalise(&mut vectors);
        let (values, best) = rayleigh_ritz(op, &vectors);
        let now = best.axis_iter(Axis(0)).map(|row| op.measured(slice(&row))).fold(1.0, f64::min);
        if now > (1.0 - TOP_SETTLED) * least {
            return now.min(least);
        }
        least = now;
        let end = values.last().copied().unwrap_or(0.5).clamp(0.1, 1.0 - 1e-6);
        // As many terms as lift the largest by no more than rounding bears.
        let lift = (2.0 / end - 1.0).acosh();
        let degree = ((MOST_LIFT.ln() / lift) as usize).clamp(2, TOP_DEGREE);
        vectors = op.polynomials(&best, &rising(end, degree), &|| true);
    }
    least
}

fn normalise(vectors: &mut Array2<Complex32>) {
    vectors.axis_iter_mut(Axis(0)).into_par_iter().for_each(|mut row| {
        let norm = row.iter().map(|value| f64::from(value.norm_sqr())).sum::<f64>().sqrt();
        let factor = if norm > 0.0 { (1.0 / norm) as f32 } else { 0.0 };
        row.mapv_inplace(|value| value * factor);
    });
}

/// Eigenvalues, falling, and orthonormal eigenvectors of the operator in the space of the rows.
fn rayleigh_ritz(op: &Operator, rows: &Array2<Complex32>) -> (Vec<f64>, Array2<Complex32>) {
    // A = T_0 / 2 + T_1 / 2.
    let images = op.polynomials(rows, &[0.5, 0.5], &|| true);
    let overlaps = SymmetricEigen::new(products(rows, rows));
    let top = overlaps.eigenvalues.max();
    let kept: Vec<usize> = (0..rows.nrows()).filter(|&i| overlaps.eigenvalues[i] > 1e-5 * top).collect();
    if kept.is_empty() {
        return (Vec::new(), Array2::zeros((0, rows.ncols())));
    }
    let whiten = DMatrix::from_fn(rows.nrows(), kept.len(), |row, column| {
        overlaps.eigenvectors[(row, kept[column])] * Complex::from(overlaps.eigenvalues[kept[column]].powf(-0.5))
    });
    let inner = whiten.adjoint() * products(rows, &images) * &whiten;
    let inner = (&inner + inner.adjoint()) * Complex::from(0.5);
    let ritz = SymmetricEigen::new(inner);
    let mut order: Vec<usize> = (0..kept.len()).collect();
    order.sort_by(|&a, &b| ritz.eigenvalues[b].total_cmp(&ritz.eigenvalues[a]));
    let combined = whiten * &ritz.eigenvectors;
    // products() has conj(a) b: the combination of rows takes the coefficients as they are.
    let weights = Array2::from_shape_fn((kept.len(), rows.nrows()), |(mode, row)| {
        let value = combined[(row, order[mode])];
        Complex32::new(value.re as f32, value.im as f32)
    });
    let values = order.iter().map(|&mode| ritz.eigenvalues[mode]).collect();
    let mut vectors = multiplied(&weights, rows);
    normalise(&mut vectors);
    (values, vectors)
}

/// `sum conj(a_i) b_j` over the pixels.
fn products(a: &Array2<Complex32>, b: &Array2<Complex32>) -> DMatrix<Complex64> {
    let products = multiplied(&a.mapv(|value| value.conj()), &b.t());
    DMatrix::from_fn(a.nrows(), b.nrows(), |i, j| {
        let value = products[[i, j]];
        Complex64::new(value.re.into(), value.im.into())
    })
}

/// The product of two matrices, some rows of it a task.
fn multiplied(left: &Array2<Complex32>, right: &ArrayRef2<Complex32>) -> Array2<Complex32> {
    let mut out = Array2::zeros((left.nrows(), right.ncols()));
    let rows = left.axis_chunks_iter(Axis(0), ROWS).into_par_iter();
    out.axis_chunks_iter_mut(Axis(0), ROWS).into_par_iter().zip(rows).for_each(|(mut out, left)| {
        general_mat_mul(Complex32::ONE, &left, right, Complex32::ZERO, &mut out);
    });
    out
}

/// `sum |v|^2` over rows, at each pixel.
pub fn weights(rows: &Array2<Complex32>) -> Vec<f32> {
    let mut sums = vec![0.0f32; rows.ncols()];
    for row in rows.axis_iter(Axis(0)) {
        sums.iter_mut().zip(slice(&row)).for_each(|(sum, value)| *sum += value.norm_sqr());
    }
    sums
}
