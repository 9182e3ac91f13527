//! The position of the peak of a discrete Fourier transform, to a small fraction of a pixel.

use super::{signed, transformed};
use crate::fft::Fft;
use ndarray::Array3;
use num_complex::{Complex32, Complex64};
use rayon::prelude::*;
use std::f64::consts::TAU;

/// The `s` that maximises `|g(s)|`, `g(s) = sum_j A_j exp(-2 pi i x_j s)`, where `x_j` is the
/// signed index over `n`.
///
/// The nearest whole `s` is the largest element of the transform. From there Newton's method on
/// `ln|g|`, whose derivatives are moments of `A`: with the weighted mean `mu` and covariance `C` of
/// `x`, both complex, the gradient is `2 pi Im mu` and the Hessian `-4 pi² Re C`. It is exact where
/// a parabola through three points is not, and needs no upsampled transform.
pub fn peak(product: &Array3<Complex32>, fft: &Fft, subpixel: bool) -> [f64; 3] {
    let start = largest(&transformed(fft, product.clone()));
    if !subpixel {
        return start;
    }
    let mut best = start;
    let mut moments = Moments::at(product, best);
    for _ in 0..20 {
        let Some(mut step) = moments.newton(product.dim()) else { break };
        // Far from the top Newton's step may overshoot.
        let mut improved = None;
        for _ in 0..6 {
            let there = [0, 1, 2].map(|axis| best[axis] + step[axis]);
            let candidate = Moments::at(product, there);
            if candidate.zeroth.norm() >= moments.zeroth.norm() {
                improved = Some((there, candidate));
                break;
            }
            step = step.map(|s| s / 2.0);
        }
        let Some(improvement) = improved else { break };
        (best, moments) = improvement;
        // Convergence is quadratic: what is left after a step of 1e-3 pixels is of the order of
        // 1e-6.
        if distance(step, [0.0; 3]) < 1e-3 {
            break;
        }
    }
    // A peak between whole pixels is less than one away. Anything else is no peak.
    if best.iter().zip(start).all(|(b, s)| (b - s).abs() <= 1.0) { best } else { start }
}

/// Every element times `exp(-2 pi i x_j s)`: a ramp in real space, a shift by `s` when applied to a
/// transform.
pub fn ramped(mut array: Array3<Complex32>, s: [f64; 3]) -> Array3<Complex32> {
    let (nz, ny, nx) = array.dim();
    let [along_z, along_y, along_x] = factors((nz, ny, nx), s);
    let values = array.as_slice_mut().expect("standard layout");
    values.par_chunks_mut(nx).enumerate().for_each(|(row, values)| {
        let base = along_z[row / ny] * along_y[row % ny];
        for (value, along) in values.iter_mut().zip(&along_x) {
            let factor = base * along;
            *value *= Complex32::new(factor.re as f32, factor.im as f32);
        }
    });
    array
}

/// The length of the difference.
pub fn distance(a: [f64; 3], b: [f64; 3]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt()
}

/// The signed index of the largest modulus, the first of equals.
fn largest(array: &Array3<Complex32>) -> [f64; 3] {
    let (nz, ny, nx) = array.dim();
    let mut best = (0, 0.0);
    for (index, value) in array.as_slice().expect("standard layout").iter().enumerate() {
        if value.norm_sqr() > best.1 {
            best = (index, value.norm_sqr());
        }
    }
    let index = best.0;
    [signed(index / (ny * nx), nz), signed(index / nx % ny, ny), signed(index % nx, nx)]
}

/// `exp(-2 pi i x_j s)` along each axis.
fn factors((nz, ny, nx): (usize, usize, usize), s: [f64; 3]) -> [Vec<Complex64>; 3] {
    let along = |n: usize, s: f64| {
        (0..n).map(|i| Complex64::from_polar(1.0, -TAU * signed(i, n) / n as f64 * s)).collect::<Vec<_>>()
    };
    [along(nz, s[0]), along(ny, s[1]), along(nx, s[2])]
}

/// Sums of `A_j exp(-2 pi i x_j s)` times nothing, one and two of the coordinates.
struct Moments {
    zeroth: Complex64,
    first: [Complex64; 3],
    second: [[Complex64; 3]; 3],
}

impl Moments {
    fn at(product: &Array3<Complex32>, s: [f64; 3]) -> Self {
        let (nz, ny, nx) = product.dim();
        let [along_z, along_y, along_x] = factors((nz, ny, nx), s);
        let x: Vec<f64> = (0..nx).map(|i| signed(i, nx) / nx as f64).collect();
        // Row by row in parallel, then over rows in order, so that the sum does not depend on the
        // threads.
        let rows: Vec<[Complex64; 3]> = product
            .as_slice()
            .expect("standard layout")
            .par_chunks(nx)
            .map(|row| {
                let mut sums = [Complex64::default(); 3];
                // Products in real space are zero outside the object, which is most rows.
                if row.iter().all(|value| *value == Complex32::default()) {
                    return sums;
                }
                for ((value, factor), x) in row.iter().zip(&along_x).zip(&x) {
                    let term = super::wide(*value) * factor;
                    sums[0] += term;
                    sums[1] += term * x;
                    sums[2] += term * (x * x);
                }
                sums
            })
            .collect();
        let zero = Complex64::default();
        let mut moments = Moments { zeroth: zero, first: [zero; 3], second: [[zero; 3]; 3] };
        for (row, sums) in rows.iter().enumerate() {
            let (iz, iy) = (row / ny, row % ny);
            let base = along_z[iz] * along_y[iy];
            let [one, with_x, with_xx] = sums.map(|sum| sum * base);
            let (z, y) = (signed(iz, nz) / nz as f64, signed(iy, ny) / ny as f64);
            let first = [one * z, one * y, with_x];
            let second = [first.map(|m| m * z), first.map(|m| m * y), [with_x * z, with_x * y, with_xx]];
            moments.zeroth += one;
            for a in 0..3 {
                moments.first[a] += first[a];
                moments.second[a].iter_mut().zip(second[a]).for_each(|(sum, term)| *sum += term);
            }
        }
        moments
    }

    /// Newton's step towards the maximum of `ln|g|`, at most half a pixel; `None` where it has no
    /// maximum nearby.
    fn newton(&self, (nz, ny, nx): (usize, usize, usize)) -> Option<[f64; 3]> {
        if self.zeroth.norm() == 0.0 {
            return None;
        }
        let mean = self.first.map(|m| m / self.zeroth);
        let mut hessian = [[0.0; 3]; 3];
        for a in 0..3 {
            for b in 0..3 {
                hessian[a][b] = (self.second[a][b] / self.zeroth - mean[a] * mean[b]).re;
            }
        }
        // Along an axis of one pixel nothing can move.
        for (axis, n) in [nz, ny, nx].into_iter().enumerate() {
            if n == 1 {
                hessian[axis][axis] = 1.0;
            }
        }
        let step = solved(hessian, mean.map(|mu| mu.im / TAU))?;
        let length = distance(step, [0.0; 3]);
        step.iter().all(|s| s.is_finite()).then(|| step.map(|s| s * (0.5 / length.max(0.5))))
    }
}

/// The solution of `m x = b` for a symmetric positive definite `m` (Cholesky); `None` if it is not.
fn solved(m: [[f64; 3]; 3], b: [f64; 3]) -> Option<[f64; 3]> {
    let mut l = [[0.0; 3]; 3];
    for i in 0..3 {
        for j in 0..=i {
            let rest = m[i][j] - (0..j).map(|k| l[i][k] * l[j][k]).sum::<f64>();
            if i == j {
                // Relative to the element, so that rounding does not pass for a direction.
                if rest <= 1e-9 * m[i][i].abs() {
                    return None;
                }
                l[i][i] = rest.sqrt();
            } else {
                l[i][j] = rest / l[j][j];
            }
        }
    }
    let mut y = [0.0; 3];
    for i in 0..3 {
        y[i] = (b[i] - (0..i).map(|k| l[i][k] * y[k]).sum::<f64>()) / l[i][i];
    }
    let mut x = [0.0; 3];
    for i in (0..3).rev() {
        x[i] = (y[i] - (i + 1..3).map(|k| l[k][i] * x[k]).sum::<f64>()) / l[i][i];
    }
    Some(x)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_known_ramp_is_found() {
        // Gaussian weights times a ramp: the peak is where the ramp says, whatever the weights.
        for (shape, s) in [([1, 24, 31], [0.0, 2.37, -7.81]), ([12, 10, 14], [-3.5, 0.02, 4.49])] {
            let fft = Fft::new(shape);
            let weights = Array3::from_shape_fn(shape, |(z, y, x)| {
                let r: f64 = [(z, shape[0]), (y, shape[1]), (x, shape[2])]
                    .iter()
                    .map(|&(i, n)| (signed(i, n) / n as f64).powi(2))
                    .sum();
                Complex32::new((-20.0 * r).exp() as f32, 0.0)
            });
            let found = peak(&ramped(weights, s.map(|s| -s)), &fft, true);
            // Single-precision input: 6e-8 per element, less on average.
            assert!(distance(found, s) < 1e-5, "{found:?} for {s:?}");
        }
    }

    #[test]
    fn systems_are_solved_or_refused() {
        let m = [[4.0, 1.0, 0.5], [1.0, 3.0, -1.0], [0.5, -1.0, 2.0]];
        let x = [1.0, -2.0, 3.0];
        let b = m.map(|row| row.iter().zip(x).map(|(a, b)| a * b).sum());
        assert!(distance(solved(m, b).unwrap(), x) < 1e-12);
        assert_eq!(solved([[1.0, 2.0, 0.0], [2.0, 1.0, 0.0], [0.0, 0.0, 1.0]], b), None);
    }
}
