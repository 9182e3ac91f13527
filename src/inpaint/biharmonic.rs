//! Biharmonic interpolation: the smoothest surface through the measured pixels around a gap, in
//! value and in slope.
//!
//! Minimises the sum of the squares of the discrete Laplacian over the pixels to fill and their
//! measured neighbours, whose solution fulfils `Laplace^2 u = 0` in the gap (Damelin and Hoang,
//! Int. J. Math. Math. Sci. 2018, 3950312; the method of scikit-image's `inpaint_biharmonic`).
//! Conjugate gradients on the normal equations, all gaps at once: they do not couple. Cross-shaped
//! gaps of some pixels need some tens of iterations.

use crate::error::{Error, Result};
use ndarray::{Array3, ArrayView3};
use rayon::prelude::*;

/// Most iterations for a whole pattern. Gaps of twice the default reach converge in fewer.
pub(super) const ITERATIONS: usize = 1000;
/// The residual relative to that of the starting surface at which the solution counts as found:
/// errors of about 0.1 % in ln(1 + I).
const TOLERANCE: f64 = 1e-5;
/// Elements that one thread sums up, the same for any number of threads, so that results are too.
const CHUNK: usize = 1 << 14;

/// The equations: one row for the Laplacian at each pixel to fill and each measured neighbour of
/// one.
struct Rows {
    /// The neighbours of each row's pixel before and behind it along each axis, as rows; the index
    /// after the last row stands for all pixels that are in no row.
    near: Vec<[[u32; 2]; 3]>,
    /// 1 for the axes along which a row has both neighbours, else 0: at the edge of the frame and
    /// of what is known, the second difference of the other axes is all there is, and straight
    /// slopes remain solutions.
    axes: Vec<[f32; 3]>,
    /// 1 for rows whose pixel is to be filled.
    free: Vec<f32>,
}

/// Fills `u` where `target`, from where `measured`; the values of `u` in `target` are the first
/// guess. Other pixels play no part. With `volume`, frames are connected. Stops after some
/// `iterations` at the latest. `progress` is told the fraction done and asks to stop by returning
/// false.
///
/// # Errors
/// [`Error::Interrupted`], and `u` is what it was.
pub(super) fn solve(
    u: &mut Array3<f32>,
    measured: ArrayView3<bool>,
    target: ArrayView3<bool>,
    volume: bool,
    iterations: usize,
    progress: &mut dyn FnMut(f64) -> bool,
) -> Result<()> {
    let (rows, pixels) = equations(measured, target, volume);
    let count = rows.free.len();
    if count == 0 {
        return Ok(());
    }
    // Residual of the guess: -L^T L u. The Laplacian of the guess takes in measured values too.
    let laplacian: Vec<f32> =
        (0..count).into_par_iter().map(|row| full_laplacian(u, &rows, pixels[row], row)).collect();
    let mut residual = rows.transposed(&padded(laplacian));
    residual.par_iter_mut().for_each(|value| *value = -*value);
    let mut direction = padded(residual.clone());
    let mut correction = vec![0.0_f32; count];
    let start = dot(&residual, &residual);
    let mut square = start;
    for _ in 0..iterations {
        if square <= start * TOLERANCE * TOLERANCE || square == 0.0 {
            break;
        }
        let image = rows.laplacian(&direction);
        let curvature = dot(&image, &image);
        if curvature <= 0.0 {
            break;
        }
        let step = (square / curvature) as f32;
        let change = rows.transposed(&padded(image));
        correction.par_iter_mut().zip(&direction).for_each(|(value, along)| *value += step * along);
        residual.par_iter_mut().zip(&change).for_each(|(value, change)| *value -= step * change);
        let next = dot(&residual, &residual);
        let turn = (next / square) as f32;
        direction.par_iter_mut().zip(&residual).for_each(|(along, residual)| *along = residual + turn * *along);
        square = next;
        if !progress(((square / start).ln() / (TOLERANCE * TOLERANCE).ln()).clamp(0.0, 1.0)) {
            return Err(Error::Interrupted);
        }
    }
    let flat = u.as_slice_mut().expect("volumes are C-ordered");
    for ((&pixel, &free), value) in pixels.iter().zip(&rows.free).zip(correction) {
        flat[pixel as usize] += free * value;
    }
    Ok(())
}

/// Values with a zero at the end, for neighbours that are in no row.
fn padded(mut values: Vec<f32>) -> Vec<f32> {
    values.push(0.0);
    values
}

/// The sum of the products, the same for any number of threads.
pub(super) fn dot(a: &[f32], b: &[f32]) -> f64 {
    let parts: Vec<f64> = a
        .par_chunks(CHUNK)
        .zip(b.par_chunks(CHUNK))
        .map(|(a, b)| a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum())
        .collect();
    parts.iter().sum()
}

impl Rows {
    /// The Laplacian of a surface that is zero outside the pixels to fill.
    fn laplacian(&self, v: &[f32]) -> Vec<f32> {
        self.each(|row| {
            let (near, axes, here) = (&self.near[row], &self.axes[row], v[row]);
            (0..3).map(|a| axes[a] * (v[near[a][0] as usize] + v[near[a][1] as usize] - 2.0 * here)).sum()
        })
    }

    /// The transposed of [`Rows::laplacian`], zero for measured pixels.
    fn transposed(&self, v: &[f32]) -> Vec<f32> {
        let pull = |row: u32, a: usize| self.axes.get(row as usize).map_or(0.0, |axes| axes[a] * v[row as usize]);
        self.each(|row| {
            let (near, axes) = (&self.near[row], &self.axes[row]);
            let sum: f32 = (0..3).map(|a| pull(near[a][0], a) + pull(near[a][1], a) - 2.0 * axes[a] * v[row]).sum();
            self.free[row] * sum
        })
    }

    fn each(&self, f: impl Fn(usize) -> f32 + Sync + Send) -> Vec<f32> {
        (0..self.free.len()).into_par_iter().with_min_len(CHUNK).map(f).collect()
    }
}

/// The Laplacian at the pixel of a row, of measured and filled pixels.
fn full_laplacian(u: &Array3<f32>, rows: &Rows, pixel: u32, row: usize) -> f32 {
    let (_, ny, nx) = u.dim();
    let flat = u.as_slice().expect("volumes are C-ordered");
    let pixel = pixel as usize;
    let strides = [ny * nx, nx, 1];
    let along = |a: usize| {
        if rows.axes[row][a] > 0.0 {
            flat[pixel - strides[a]] + flat[pixel + strides[a]] - 2.0 * flat[pixel]
        } else {
            0.0
        }
    };
    along(0) + along(1) + along(2)
}

/// The rows and the pixel of each.
fn equations(measured: ArrayView3<bool>, target: ArrayView3<bool>, volume: bool) -> (Rows, Vec<u32>) {
    let (nz, ny, nx) = target.dim();
    let extents = [nz, ny, nx];
    // The two neighbours along an axis, where both are in the array and known or to be filled.
    let pair = |index: [usize; 3], a: usize| -> Option<[[usize; 3]; 2]> {
        if (a == 0 && !volume) || index[a] == 0 || index[a] + 1 == extents[a] {
            return None;
        }
        let mut ends = [index; 2];
        ends[0][a] -= 1;
        ends[1][a] += 1;
        ends.iter().all(|&end| measured[end] || target[end]).then_some(ends)
    };
    let mut number = Array3::from_elem(target.dim(), u32::MAX);
    let mut numbered: Vec<[usize; 3]> = Vec::new();
    for index in ndarray::indices(target.dim()) {
        let index: [usize; 3] = index.into();
        let touches = |index| (0..3).any(|a| pair(index, a).is_some_and(|ends| ends.iter().any(|&end| target[end])));
        if target[index] || (measured[index] && touches(index)) {
            number[index] = numbered.len() as u32;
            numbered.push(index);
        }
    }
    let none = numbered.len() as u32;
    let row = |index: &[usize; 3]| number[*index].min(none);
    let mut rows = Rows { near: Vec::new(), axes: Vec::new(), free: Vec::new() };
    for &index in &numbered {
        let pairs: [Option<[[usize; 3]; 2]>; 3] = std::array::from_fn(|a| pair(index, a));
        rows.axes.push(pairs.map(|ends| if ends.is_some() { 1.0 } else { 0.0 }));
        // The transposed needs neighbours whatever the axes of this row, hence each on its own.
        rows.near.push(std::array::from_fn(|a| {
            let mut ends = [none; 2];
            if a > 0 || volume {
                let mut end = index;
                if index[a] > 0 {
                    end[a] -= 1;
                    ends[0] = row(&end);
                    end[a] += 1;
                }
                if index[a] + 1 < extents[a] {
                    end[a] += 1;
                    ends[1] = row(&end);
                }
            }
            ends
        }));
        rows.free.push(if target[index] { 1.0 } else { 0.0 });
    }
    let pixels = numbered.iter().map(|[z, y, x]| ((z * ny + y) * nx + x) as u32).collect();
    (rows, pixels)
}
