//! A run that converged but for what its gap hides.

use super::backend::Fit;
use super::problem::Problem;
use super::run::{Ended, Run};
use super::start::{Draws, Form};
use super::support::Cut;
use crate::fft::Fft;
use crate::geometry::Geometry;
use crate::pixels::{Pattern, bit};
use crate::volume::{Centered, Cornered};
use ndarray::Array3;
use num_complex::Complex32;

/// An object in a box behind a gap as wide as 2.5 times its oversampling, and a run with stripes that
/// only the gap would see: four tenths of it.
pub struct Case {
    pub problem: Problem,
    pub run: Run,
    truth: Array3<Complex32>,
}

impl Case {
    /// `value` is that of the object at a pixel `(y, x)` of an array of 64 by 64.
    pub fn behind_a_gap(value: impl Fn(usize, usize) -> Complex32) -> Case {
        let shape = [1, 64, 64];
        let support = Form::Box([1.0, 20.0, 22.0]).support(shape);
        let inside = |at: (usize, usize, usize)| support.0[at];
        let truth = Array3::from_shape_fn(shape, |at| {
            // The box lies about index 0.
            let [y, x] = [at.1, at.2].map(|i| (i + 32) % 64);
            if inside(at) { value(y, x) } else { Complex32::ZERO }
        });
        let fft = Fft::new(shape);
        let mut field = truth.as_slice().expect("standard layout").to_vec();
        fft.forward(&mut field);
        let counts = field.iter().map(|v| v.norm_sqr().round()).collect();
        let intensity = Cornered(Array3::from_shape_vec(shape, counts).expect("the same number")).to_centered();
        let mut mask = Centered::filled(shape, 0);
        mask.0.slice_mut(ndarray::s![.., .., 34..41]).fill(bit::MISSING);
        let pattern = Pattern::new(intensity, mask.clone(), Geometry::default()).expect("a pattern");
        let problem = Problem::new(&pattern, &Centered::filled(shape, false), false).expect("a problem");

        let hidden = mask.to_cornered();
        let mut stripes = Draws::new(2).object(&support, 3.0, 1.0).0.into_raw_vec_and_offset().0;
        for _ in 0..60 {
            fft.forward(&mut stripes);
            stripes.iter_mut().zip(hidden.as_slice()).for_each(|(v, &bits)| *v *= f32::from(u8::from(bits != 0)));
            fft.inverse(&mut stripes);
            stripes.iter_mut().zip(support.as_slice()).for_each(|(v, &inside)| *v *= f32::from(u8::from(inside)));
        }
        let size = 0.4 * norm(truth.iter().copied()) / norm(stripes.iter().copied());
        let values = truth.iter().zip(&stripes).map(|(t, s)| t + s * size as f32).collect();
        let object = Cornered(Array3::from_shape_vec(shape, values).expect("the same number")).to_centered();
        let run = Run {
            number: 0,
            seed: 0,
            average_of: 0,
            smoothness: 0.0,
            object,
            support: support.to_centered(),
            first_support: support.to_centered(),
            fit: Fit::new([1.0; 5], None, 0.1).expect("a fit"),
            outside: 0.0,
            curve: Vec::new(),
            ended: Ended::Finished,
            cycles: 0,
            seconds: 0.0,
            search_seconds: 0.0,
            cut: Cut::Threshold(0.1),
            area: 0.1,
            psf: None,
        };
        Case { problem, run, truth }
    }

    /// Relative distance of a run's object from the true one.
    pub fn off(&self, run: &Run) -> f64 {
        let object = run.object.to_cornered().0;
        norm(object.iter().zip(&self.truth).map(|(a, b)| a - b)) / norm(self.truth.iter().copied())
    }
}

fn norm(values: impl Iterator<Item = Complex32>) -> f64 {
    values.map(|v| f64::from(v.norm_sqr())).sum::<f64>().sqrt()
}
