//! Average and orthogonal modes of several registered reconstructions.

use super::{inner, same_shapes};
use crate::error::{Error, Result};
use crate::volume::Centered;
use num_complex::{Complex32, Complex64};
use rayon::prelude::*;

/// Orthogonal modes, strongest first, as many as there were objects.
#[derive(Debug, Clone, PartialEq)]
pub struct Modes {
    /// Modes, strongest first. The squared norm of mode `k` is `weights[k]` times the mean squared
    /// norm of the objects; its constant phase is that of the average.
    pub modes: Vec<Centered<Complex32>>,
    /// Fraction of all photons that each mode explains. They sum to 1; if the runs agree the first
    /// is nearly 1.
    pub weights: Vec<f64>,
}

/// Mean of objects that have been [registered](super::register) to one of them.
///
/// # Errors
/// [`Error::Object`] without objects, [`Error::Shape`] if their shapes differ.
pub fn average(objects: &[Centered<Complex32>]) -> Result<Centered<Complex32>> {
    check(objects)?;
    let each = Complex64::new(1.0 / objects.len() as f64, 0.0);
    Ok(combined(objects, &vec![each; objects.len()]))
}

/// Orthogonal decomposition of registered objects: the columns of `O V`, where `V` diagonalises the
/// Gram matrix `conj(O)' O` (L. Sirovich, Q. Appl. Math. 45, 561 (1987), method of snapshots).
///
/// # Errors
/// [`Error::Object`] without objects or if all are zero, [`Error::Shape`] if their shapes differ.
pub fn modes(objects: &[Centered<Complex32>]) -> Result<Modes> {
    check(objects)?;
    let n = objects.len();
    let mut gram = vec![vec![Complex64::default(); n]; n];
    for i in 0..n {
        for j in i..n {
            gram[i][j] = inner(objects[i].as_slice(), objects[j].as_slice());
            gram[j][i] = gram[i][j].conj();
        }
    }
    let (values, vectors) = eigen(gram);
    let total: f64 = values.iter().sum();
    if total <= 0.0 {
        return Err(Error::Object("all objects are zero: there are no modes".into()));
    }
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|&a, &b| values[b].total_cmp(&values[a]));
    let mode = |&k: &usize| {
        let vector: Vec<Complex64> = vectors.iter().map(|row| row[k]).collect();
        // The overlap with the average is real and positive when the components sum to a positive
        // number.
        let phase = vector.iter().sum::<Complex64>().arg();
        let factor = Complex64::from_polar(1.0 / (n as f64).sqrt(), -phase);
        combined(objects, &vector.iter().map(|v| v * factor).collect::<Vec<_>>())
    };
    Ok(Modes {
        modes: order.iter().map(mode).collect(),
        weights: order.iter().map(|&k| values[k].max(0.0) / total).collect(),
    })
}

fn check(objects: &[Centered<Complex32>]) -> Result<()> {
    if objects.is_empty() {
        return Err(Error::Object("there is no object to average".into()));
    }
    same_shapes("object", objects.iter().map(Centered::shape))
}

/// The sum of the objects times their coefficients.
fn combined(objects: &[Centered<Complex32>], coefficients: &[Complex64]) -> Centered<Complex32> {
    let slices: Vec<&[Complex32]> = objects.iter().map(Centered::as_slice).collect();
    let mut out = Centered::filled(objects[0].shape(), Complex32::default());
    let values = out.0.as_slice_mut().expect("standard layout");
    values.par_iter_mut().enumerate().for_each(|(i, value)| {
        let sum: Complex64 = slices.iter().zip(coefficients).map(|(slice, c)| super::wide(slice[i]) * c).sum();
        *value = Complex32::new(sum.re as f32, sum.im as f32);
    });
    out
}

/// Eigenvalues and eigenvectors (columns) of a Hermitian matrix by Jacobi rotations, cyclic by rows
/// (Golub and Van Loan, Matrix Computations, section 8.5).
fn eigen(mut a: Vec<Vec<Complex64>>) -> (Vec<f64>, Vec<Vec<Complex64>>) {
    let n = a.len();
    let mut v: Vec<Vec<Complex64>> =
        (0..n).map(|i| (0..n).map(|j| Complex64::from(f64::from(u8::from(i == j)))).collect()).collect();
    let trace: f64 = (0..n).map(|i| a[i][i].re.abs()).sum();
    // Convergence is quadratic; a dozen sweeps are plenty for any n.
    for _ in 0..30 {
        let mut rotated = false;
        for p in 0..n {
            for q in p + 1..n {
                let modulus = a[p][q].norm();
                if modulus <= 1e-15 * trace {
                    continue;
                }
                rotated = true;
                // Turning the phase of q makes the pivot real; the rest is the real symmetric case.
                let turn = a[p][q].conj() / modulus;
                let tau = (a[q][q].re - a[p][p].re) / (2.0 * modulus);
                let t = tau.signum() / (tau.abs() + (1.0 + tau * tau).sqrt());
                let c = 1.0 / (1.0 + t * t).sqrt();
                let s = t * c;
                let columns = |matrix: &mut Vec<Vec<Complex64>>| {
                    for row in matrix.iter_mut() {
                        let (x, y) = (row[p], row[q] * turn);
                        row[p] = x * c - y * s;
                        row[q] = x * s + y * c;
                    }
                };
                columns(&mut a);
                columns(&mut v);
                let (upper, lower) = a.split_at_mut(q);
                for (x, y) in upper[p].iter_mut().zip(&mut lower[0]) {
                    let turned = *y * turn.conj();
                    (*x, *y) = (*x * c - turned * s, *x * s + turned * c);
                }
            }
        }
        if !rotated {
            break;
        }
    }
    ((0..n).map(|i| a[i][i].re).collect(), v)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{blob, noise};
    use super::*;

    fn scaled(object: &Centered<Complex32>, factor: Complex32) -> Centered<Complex32> {
        object.map(|v| v * factor)
    }

    #[test]
    fn eigenvectors_diagonalise() {
        let n = 7;
        let random = noise([1, n, n], 1);
        let at = |i: usize, j: usize| super::super::wide(random.0[[0, i, j]] + random.0[[0, j, i]].conj());
        let matrix: Vec<Vec<Complex64>> = (0..n).map(|i| (0..n).map(|j| at(i, j)).collect()).collect();
        let (values, vectors) = eigen(matrix.clone());
        for k in 0..n {
            for i in 0..n {
                let product: Complex64 = (0..n).map(|j| matrix[i][j] * vectors[j][k]).sum();
                // Double precision times a few sweeps.
                assert!((product - vectors[i][k] * values[k]).norm() < 1e-12);
            }
        }
    }

    #[test]
    fn two_orthogonal_objects_are_found() {
        let shape = [1, 12, 12];
        let mut left = noise(shape, 2);
        let mut right = noise(shape, 3);
        left.0.slice_mut(ndarray::s![.., .., 6..]).fill(Complex32::default());
        right.0.slice_mut(ndarray::s![.., .., ..6]).fill(Complex32::default());
        let norm = |o: &Centered<Complex32>| inner(o.as_slice(), o.as_slice()).re;
        let unit = |o: &Centered<Complex32>| scaled(o, Complex32::from(1.0 / norm(o).sqrt() as f32));
        let (left, right) = (unit(&left), unit(&right));
        // left + right/2 and left - right/2: modes left (1 of 1.25) and right (0.25 of 1.25).
        let half = scaled(&right, Complex32::from(0.5));
        let objects = [Centered(&left.0 + &half.0), Centered(&left.0 - &half.0)];
        let found = modes(&objects).unwrap();
        // Single-precision objects.
        assert!((found.weights[0] - 0.8).abs() < 1e-6 && (found.weights[1] - 0.2).abs() < 1e-6);
        let overlap = inner(found.modes[0].as_slice(), left.as_slice());
        assert!((overlap - Complex64::from(1.0)).norm() < 1e-6, "{overlap}: in phase with the average, which is left");
        assert!((norm(&found.modes[1]) - 0.25).abs() < 1e-6);
        assert!(inner(found.modes[0].as_slice(), found.modes[1].as_slice()).norm() < 1e-6);
    }

    #[test]
    fn equal_objects_have_one_mode() {
        let object = blob([4, 10, 10], 1);
        let objects = vec![object.clone(); 5];
        let found = modes(&objects).unwrap();
        assert!((found.weights.iter().sum::<f64>() - 1.0).abs() < 1e-12);
        assert!(found.weights[0] > 1.0 - 1e-12);
        let mean = average(&objects).unwrap();
        for (a, (b, c)) in object.as_slice().iter().zip(mean.as_slice().iter().zip(found.modes[0].as_slice())) {
            // One rounding to single precision.
            assert!((a - b).norm() < 1e-6 && (a - c).norm() < 1e-6);
        }
    }

    #[test]
    fn nothing_to_average_is_an_error() {
        assert!(average(&[]).is_err());
        assert!(modes(&[Centered::filled([1, 8, 8], Complex32::default())]).is_err());
        assert!(average(&[noise([1, 8, 8], 0), noise([1, 8, 9], 0)]).is_err());
    }
}
