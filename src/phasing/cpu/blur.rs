//! The blur of calculated intensities on the CPU, and the way through Fourier space with it.

use super::kernels::Projection;
use crate::fft::{Fft, Transforms};
use crate::phasing::bound::Bounds;
use crate::phasing::convolve::convolve;
use crate::phasing::psf::{ProblemPsf, Psf};
use crate::volume::Shape;
use num_complex::Complex32;
use rayon::prelude::*;

/// The blur of one run's intensities: its kernel, and arrays to work in.
pub(super) struct Blur {
    shape: Shape,
    /// Kernel, refined on the way.
    pub psf: Psf,
    /// Whether it is switched on.
    pub on: bool,
    intensities: Vec<f32>,
    scratch: Vec<f32>,
}

/// Points that one task handles.
const PIECE: usize = 1 << 14;

impl Blur {
    /// The first blur of a problem of this shape, switched off.
    pub fn new(problem: &ProblemPsf, shape: Shape) -> Self {
        let zeros = || vec![0.0; shape.iter().product()];
        Blur { shape, psf: problem.first.clone(), on: false, intensities: zeros(), scratch: zeros() }
    }

    /// The blurred intensities of a field in C order.
    pub fn intensities(&mut self, field: &[Complex32]) -> &[f32] {
        self.blurred(|i| field[i].norm_sqr())
    }

    /// The blurred form of what `value` gives for the pixel with each number in C order.
    pub fn blurred(&mut self, value: impl Fn(usize) -> f32 + Sync) -> &[f32] {
        let weights = self.psf.weights();
        self.convolved(weights, value)
    }

    fn convolved(&mut self, weights: [Vec<f32>; 3], value: impl Fn(usize) -> f32 + Sync) -> &[f32] {
        self.intensities.par_chunks_mut(PIECE).enumerate().for_each(|(piece, values)| {
            values.iter_mut().enumerate().for_each(|(i, v)| *v = value(piece * PIECE + i));
        });
        convolve(self.shape, weights.each_ref().map(Vec::as_slice), &mut self.intensities, &mut self.scratch).0
    }

    /// Refines the kernel, one axis after another, by the transform of an object that is cut to its
    /// support.
    pub fn refine(&mut self, problem: &ProblemPsf, field: &[Complex32]) {
        let shape = self.shape;
        let strides = [shape[1] * shape[2], shape[2], 1];
        for axis in 0..3 {
            let (n, stride, reach) = (shape[axis], strides[axis], self.psf.reach()[axis]);
            if reach == 0 {
                continue;
            }
            let mut weights = self.psf.weights();
            weights[axis] = vec![1.0];
            let sharp = self.convolved(weights, |i| field[i].norm_sqr());
            let at = |pixel: usize, offset: usize| {
                let place = pixel / stride % n;
                sharp[pixel - place * stride + (place + offset) % n * stride]
            };
            let sum = |pixel: usize, distance: usize| match distance {
                0 => sharp[pixel],
                // Around the array more than once where it is thinner than the kernel.
                _ => at(pixel, distance) + at(pixel, n * (distance / n + 1) - distance),
            };
            let list = |distance| problem.pixels.iter().map(|&pixel| sum(pixel, distance)).collect();
            let neighbours: Vec<Vec<f32>> = (0..=reach).map(list).collect();
            problem.refine(&mut self.psf, axis, &neighbours);
        }
    }
}

/// Puts the transform of an object, which a pass by rows has begun, through the modulus projection,
/// and begins the way back. A blur needs all intensities before the first comparison, so that the
/// columns are passed twice.
pub(super) fn project(
    fft: &Fft,
    bounds: &Bounds,
    projection: &Projection,
    blur: Option<&mut Blur>,
    values: &mut [Complex32],
) {
    match blur.filter(|blur| blur.on) {
        None => fft.columns_pass(values, bounds.in_columns(), Transforms::BOTH, |columns| projection.columns(columns)),
        Some(blur) => {
            fft.columns_pass(values, bounds.in_columns(), Transforms::BEFORE, |_| {});
            let blurred = blur.intensities(values);
            let [nz, ny, nx] = fft.shape();
            let width = if nz > 1 { ny * nx } else { nx };
            fft.columns_pass(values, bounds.in_columns(), Transforms::AFTER, |columns| {
                projection.blurred_columns(columns, blurred, width)
            });
        }
    }
}
