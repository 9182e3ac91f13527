//! The Fourier transform of a function at any place of reciprocal space: sampled on the axes of the
//! laboratory, transformed with as many zeros around, and interpolated with a Kaiser-Bessel window,
//! whose own transform is divided out before (J. A. Fessler and B. P. Sutton, IEEE Trans. Signal
//! Process. 51, 560 (2003)).

use crate::fft::{Fft, fft_friendly};
use crate::geometry::Vector;
use crate::volume::Shape;
use num_complex::Complex32;
use rayon::prelude::*;
use std::f64::consts::PI;

/// Factor by which the function is sampled finer than the largest momentum transfer asks for.
const FINE: f64 = 3.0;
/// Factor by which the array is longer than the function.
const LONGER: usize = 2;
/// Width of the window, points.
const WIDTH: usize = 8;
/// Shape of the window for that width and factor (P. J. Beatty et al., IEEE Trans. Med. Imaging 24,
/// 799 (2005)).
const BETA: f64 = 18.64;

/// The transform of a function around the origin.
pub(super) struct Spectrum {
    /// Values with zero frequency at index 0, `(z, y, x)`.
    values: Vec<Complex32>,
    shape: Shape,
    /// Points per radian per metre, along x, y, z.
    density: Vector,
    /// Edge of the cells of which the function was averaged, metres.
    pub edge: f64,
}

impl Spectrum {
    /// The transform up to `largest` (x, y, z), radians per metre, of a function that is zero beyond
    /// half extents. `value` is the function at a place, averaged over a cell of a width.
    pub fn new(largest: Vector, half: Vector, value: impl Fn(Vector, f64) -> Complex32 + Sync) -> Self {
        let edge = edge(largest, half);
        // A cell more on either side, of which a part may be inside.
        let reach: [usize; 3] = std::array::from_fn(|i| (half[i] / edge).ceil() as usize + 2);
        let lengths: [usize; 3] = std::array::from_fn(|i| {
            let needed = LONGER * 2 * reach[i];
            (needed..).map(fft_friendly).find(|&n| n >= needed).unwrap_or(needed)
        });
        let shape = [lengths[2], lengths[1], lengths[0]];
        let mut values = vec![Complex32::ZERO; shape.iter().product()];
        values.par_chunks_mut(lengths[0]).enumerate().for_each(|(row, line)| {
            let at = [row % lengths[1], row / lengths[1]];
            let signed = |i: usize, n: usize| if i < n.div_ceil(2) { i as f64 } else { i as f64 - n as f64 };
            let [y, z] = [signed(at[0], lengths[1]), signed(at[1], lengths[2])];
            if y.abs() > reach[1] as f64 || z.abs() > reach[2] as f64 {
                return;
            }
            for (i, out) in line.iter_mut().enumerate() {
                let x = signed(i, lengths[0]);
                if x.abs() > reach[0] as f64 {
                    continue;
                }
                let index = [x, y, z];
                let weight: f64 = (0..3).map(|a| window_transform(index[a] / lengths[a] as f64)).product();
                *out = value(index.map(|i| i * edge), edge) / weight as f32;
            }
        });
        let transform = Fft::new(shape);
        transform.forward(&mut values);
        Spectrum { values, shape, edge, density: std::array::from_fn(|i| lengths[i] as f64 * edge / (2.0 * PI)) }
    }

    /// Bytes that such a transform takes, about.
    pub fn bytes(largest: Vector, half: Vector) -> u64 {
        let edge = edge(largest, half);
        let points: f64 = half.iter().map(|half| (LONGER as f64) * 2.0 * ((half / edge).ceil() + 2.0)).product();
        (points * size_of::<Complex32>() as f64 * 1.5) as u64
    }

    /// The transform at a momentum transfer `(x, y, z)`.
    pub fn at(&self, q: Vector) -> Complex32 {
        let place: Vector = std::array::from_fn(|i| q[i] * self.density[i]);
        let first = place.map(|at| at.floor() as i64 - (WIDTH as i64 / 2 - 1));
        let weights: [[f64; WIDTH]; 3] =
            std::array::from_fn(|a| std::array::from_fn(|i| window(place[a] - (first[a] + i as i64) as f64)));
        let index = |axis: usize, i: usize| (first[axis] + i as i64).rem_euclid(self.shape[2 - axis] as i64) as usize;
        let columns: [usize; WIDTH] = std::array::from_fn(|i| index(0, i));
        let [mut re, mut im] = [0.0; 2];
        for z in 0..WIDTH {
            for y in 0..WIDTH {
                let row = (index(2, z) * self.shape[1] + index(1, y)) * self.shape[2];
                let outer = weights[2][z] * weights[1][y];
                for (x, column) in columns.iter().enumerate() {
                    let value = self.values[row + column];
                    re += outer * weights[0][x] * f64::from(value.re);
                    im += outer * weights[0][x] * f64::from(value.im);
                }
            }
        }
        Complex32::new(re as f32, im as f32)
    }
}

/// Edge of the cells: cubes, since of other ones the part that is inside is not so simple.
fn edge(largest: Vector, half: Vector) -> f64 {
    (0..3).map(|i| PI / (FINE * largest[i]).max(PI / half[i])).fold(f64::INFINITY, f64::min)
}

/// The Kaiser-Bessel window, points from its middle.
fn window(at: f64) -> f64 {
    let part = 2.0 * at / WIDTH as f64;
    if part.abs() >= 1.0 { 0.0 } else { bessel_i0(BETA * (1.0 - part * part).sqrt()) / bessel_i0(BETA) }
}

/// Its Fourier transform, frequency in cycles per point.
fn window_transform(frequency: f64) -> f64 {
    let square = BETA * BETA - (PI * WIDTH as f64 * frequency).powi(2);
    let root = square.abs().sqrt();
    let shape = match square {
        _ if root < 1e-9 => 1.0,
        square if square > 0.0 => root.sinh() / root,
        _ => root.sin() / root,
    };
    WIDTH as f64 * shape / bessel_i0(BETA)
}

/// The modified Bessel function of the first kind and order zero, by its series.
fn bessel_i0(x: f64) -> f64 {
    let quarter = x * x / 4.0;
    let (mut term, mut sum) = (1.0, 1.0);
    for k in 1..200 {
        term *= quarter / f64::from(k * k);
        sum += term;
        if term < 1e-17 * sum {
            break;
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gaussian_has_the_transform_of_a_gaussian() {
        // Off the origin, so that phases are tested too; it is 1e-9 at the half extents.
        let (sigma, off) = (3.0, [1.3, -0.7, 0.4]);
        let value = |r: Vector, _: f64| {
            let square: f64 = (0..3).map(|i| (r[i] - off[i]).powi(2)).sum();
            Complex32::new((-square / (2.0 * sigma * sigma)).exp() as f32, 0.0)
        };
        let spectrum = Spectrum::new([1.0, 1.2, 0.9], [20.0; 3], value);
        let middle = spectrum.at([0.0; 3]);
        for q in [[0.1, 0.2, -0.3], [0.5, -0.111, 0.02], [-0.63, 0.31, 0.4], [0.9, 1.1, -0.8]] {
            let square: f64 = q.iter().map(|value| value * value).sum();
            let angle: f64 = -(0..3).map(|i| q[i] * off[i]).sum::<f64>();
            let expected = Complex32::from_polar((-square * sigma * sigma / 2.0).exp() as f32, angle as f32);
            let found = spectrum.at(q) / middle.norm();
            assert!((found - expected).norm() < 2e-6, "{q:?}: {found} {expected}");
        }
    }
}
