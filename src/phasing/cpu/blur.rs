//! The blur of calculated intensities on the CPU, and the way through Fourier space with it.

use super::kernels::Projection;
use crate::fft::{Fft, Transforms};
use crate::phasing::bound::Bounds;
use crate::phasing::convolve::convolve_rows;
use crate::phasing::psf::{ProblemPsf, Psf};
use crate::volume::Shape;
use num_complex::Complex32;

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

impl Blur {
    /// The first blur of a problem of this shape, switched off.
    pub fn new(problem: &ProblemPsf, shape: Shape) -> Self {
        let zeros = || vec![0.0; shape.iter().product()];
        Blur { shape, psf: problem.first.clone(), on: false, intensities: zeros(), scratch: zeros() }
    }

    /// The blurred intensities of a field in C order.
    pub fn intensities(&mut self, field: &[Complex32]) -> &[f32] {
        let weights = self.psf.weights();
        self.convolved(weights, field)
    }

    /// The intensities of a field, convolved with these weights.
    fn convolved(&mut self, weights: [Vec<f32>; 3], field: &[Complex32]) -> &[f32] {
        let nx = self.shape[2];
        let fill = |row: usize, line: &mut [f32]| {
            line.iter_mut().zip(&field[row * nx..]).for_each(|(value, v)| *value = v.norm_sqr());
        };
        let weights = weights.each_ref().map(Vec::as_slice);
        convolve_rows(self.shape, weights, fill, &mut self.intensities, &mut self.scratch).0
    }

    /// The blurred form of what `value` gives for the pixel with each number in C order.
    pub fn blurred(&mut self, value: impl Fn(usize) -> f32 + Sync) -> &[f32] {
        let (nx, weights) = (self.shape[2], self.psf.weights());
        let fill = |row: usize, line: &mut [f32]| {
            line.iter_mut().enumerate().for_each(|(x, v)| *v = value(row * nx + x));
        };
        let weights = weights.each_ref().map(Vec::as_slice);
        convolve_rows(self.shape, weights, fill, &mut self.intensities, &mut self.scratch).0
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
            let sharp = self.convolved(weights, field);
            let mut neighbours = vec![vec![0.0; problem.pixels.len()]; reach + 1];
            for (number, &pixel) in problem.pixels.iter().enumerate() {
                let place = pixel / stride % n;
                let line = pixel - place * stride;
                neighbours[0][number] = sharp[pixel];
                let (mut before, mut after) = (place, place);
                for list in &mut neighbours[1..] {
                    before = if before == 0 { n - 1 } else { before - 1 };
                    after = if after + 1 == n { 0 } else { after + 1 };
                    list[number] = sharp[line + before * stride] + sharp[line + after * stride];
                }
            }
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
