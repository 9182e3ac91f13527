//! A run brought to the most probable object: the one that fits the counts and is smooth where they
//! say nothing.
//!
//! Behind a gap, and where photons are few, many objects inside the support fit what was measured:
//! iterative algorithms end at one of them, with noise and stripes from what they began with. Here
//! the misfit of the measured moduli, `2 sum (|F| - sqrt(I))^2` (what a Poisson likelihood is for
//! many counts), and a second-order total variation of the object,
//! `w / rms sum sqrt(sum |D_ij O|^2 + e^2)`, are minimised together over the pixels of the support.
//! Second derivatives cost nothing in flat and in evenly sloping parts, phases of a strained crystal
//! among them, and little at a facet. First derivatives (M. Malm and Y. Chushkin, J. Synchrotron Rad.
//! 32, 200 (2025), for real objects) make steps of slopes. How much of it a pattern wants, held-out
//! pixels tell.
//!
//! The minimum is found by L-BFGS, on the CPU.

use super::backend::Fit;
use super::convolve::convolve;
use super::cpu::fit_terms;
use super::cpu::sums::{poisson, sums};
use super::lbfgs::{Value, minimise};
use super::problem::Problem;
use super::run::{Ended, Run};
use crate::fft::Fft;
use crate::volume::{Centered, Shape};
use num_complex::{Complex32, Complex64};
use rayon::prelude::*;

/// The `e` of the variation, in units of the root mean square of the object: smaller differences
/// count by their squares.
const ROUNDING: f64 = 0.05;

/// How the best run is ended once more.
#[derive(Debug, Clone, Default)]
pub struct Smoothness {
    /// Weights of the priors, one ending each.
    pub weights: Vec<f64>,
    /// Whether pixels with an estimate are free.
    pub released: bool,
}

/// A run with a prior for smoothness of this weight, or `None` where its object overflows or
/// `go_on` says false. `released` frees pixels that have an estimate.
pub fn smoothed(problem: &Problem, run: &Run, weight: f64, released: bool, go_on: &dyn Fn() -> bool) -> Option<Run> {
    let objective = Objective::new(problem, run, weight, released);
    let mut at = objective.pixels(&run.object);
    if !minimise(&mut at, &|x| objective.value(x), go_on) {
        return None;
    }
    objective.run(run, &at, weight)
}

/// Misfit and variation over the pixels of a support.
pub(super) struct Objective<'a> {
    problem: &'a Problem,
    fft: Fft,
    /// Weights of the blur's kernels, where there is one.
    blur: Option<[Vec<f32>; 3]>,
    /// Smallest and largest modulus of each pixel in C order; infinite where nothing binds it.
    intervals: Vec<[f32; 2]>,
    measured: Vec<bool>,
    /// Pixels of the support: numbers in the array with its origin at index 0, and in the box.
    support: Vec<(usize, usize)>,
    /// Extents of the box around the support, with a margin of two pixels along each axis that is
    /// not thin.
    frame: Shape,
    /// Weight of the misfit, of the variation, and the square of its rounding.
    weights: [f64; 3],
}

impl<'a> Objective<'a> {
    pub(super) fn new(problem: &'a Problem, run: &Run, weight: f64, released: bool) -> Self {
        let shape = problem.shape();
        let (support, frame) = places(&run.support);
        let energy: f64 = run.object.as_slice().iter().map(|value| f64::from(value.norm_sqr())).sum();
        let rms = (energy / support.len().max(1) as f64).sqrt().max(1e-12);
        let bound = |index: usize| problem.bounds.at(index);
        let intervals = (0..problem.len()).map(|index| match bound(index) {
            bound if released && bound.is_estimated() => [0.0, f32::INFINITY],
            bound => problem.bounds.interval(bound),
        });
        let mut objective = Objective {
            problem,
            fft: Fft::new(shape),
            blur: run.psf.as_ref().map(|psf| psf.weights()),
            intervals: intervals.collect(),
            measured: (0..problem.len()).map(|index| bound(index).is_measured()).collect(),
            support,
            frame,
            weights: [1.0, weight / rms, (ROUNDING * rms).powi(2)],
        };
        // A misfit beyond that of the counts is the model's fault: trusted less.
        let (field, intensity) = objective.transformed(&objective.pixels(&run.object));
        drop(field);
        let count = objective.measured.iter().filter(|&&measured| measured).count().max(1);
        objective.weights[0] = 1.0 / (2.0 * objective.misfit(&intensity) / count as f64).max(1.0);
        objective
    }

    /// The object's values at the pixels of the support.
    pub(super) fn pixels(&self, object: &Centered<Complex32>) -> Vec<Complex32> {
        let object = object.to_cornered();
        self.support.iter().map(|&(index, _)| object.as_slice()[index]).collect()
    }

    /// Transform of the object, and calculated intensities.
    fn transformed(&self, at: &[Complex32]) -> (Vec<Complex32>, Vec<f32>) {
        let mut field = vec![Complex32::ZERO; self.problem.len()];
        self.support.iter().zip(at).for_each(|(&(index, _), &value)| field[index] = value);
        self.fft.forward(&mut field);
        let intensity: Vec<f32> = field.par_iter().map(|value| value.norm_sqr()).collect();
        let intensity = self.blurred(intensity);
        (field, intensity)
    }

    fn blurred(&self, mut values: Vec<f32>) -> Vec<f32> {
        let Some(weights) = &self.blur else { return values };
        let mut scratch = values.clone();
        convolve(self.problem.shape(), weights.each_ref().map(Vec::as_slice), &mut values, &mut scratch).0.to_vec()
    }

    /// Calculated modulus of a pixel, and its distance from the interval.
    fn residual(&self, index: usize, intensity: f32) -> (f32, f32) {
        let modulus = intensity.max(0.0).sqrt();
        let [low, high] = self.intervals[index];
        (modulus, modulus - modulus.clamp(low, high))
    }

    /// Twice the sum of squared distances.
    fn misfit(&self, intensity: &[f32]) -> f64 {
        let square = |index: usize| f64::from(self.residual(index, intensity[index]).1).powi(2);
        let [sum] = sums(intensity.len(), |index| [square(index)]);
        2.0 * sum
    }

    /// Value, gradient, and the curvature of the misfit.
    fn value(&self, at: &[Complex32]) -> Value {
        let (mut field, intensity) = self.transformed(at);
        let [trust, ..] = self.weights;
        let misfit = trust * self.misfit(&intensity);
        // Derivative by the intensity: 2 w (a - A) / a, where a is the modulus.
        let slopes = intensity.par_iter().enumerate().map(|(index, &intensity)| {
            let (modulus, distance) = self.residual(index, intensity);
            2.0 * trust as f32 * distance / modulus.max(1e-6)
        });
        let slopes = self.blurred(slopes.collect());
        field.par_iter_mut().zip(&slopes).for_each(|(value, slope)| *value *= 2.0 * slope);
        self.fft.inverse(&mut field);
        let mut frame = vec![Complex32::ZERO; self.frame.iter().product()];
        self.support.iter().zip(at).for_each(|(&(_, place), &value)| frame[place] = value);
        let [_, weight, rounding] = self.weights;
        let (variation, along) = variation(&frame, self.frame, rounding);
        let gradient = self.support.iter().map(|&(index, place)| field[index] + along[place] * weight as f32).collect();
        (misfit + weight * variation, gradient, 4.0 * trust)
    }

    /// The run with this object.
    pub(super) fn run(&self, run: &Run, at: &[Complex32], weight: f64) -> Option<Run> {
        let (mut field, intensity) = self.transformed(at);
        let problem = self.problem;
        let mut sums = [0.0; 5];
        for (index, &f) in intensity.iter().enumerate().filter(|(index, _)| self.measured[*index]) {
            let terms = fit_terms(f.max(0.0).into(), self.intervals[index][0].into());
            sums.iter_mut().zip(terms).for_each(|(sum, term)| *sum += term);
        }
        let scale = super::backend::best_scale(sums);
        let held = problem
            .held_out
            .iter()
            .map(|&(index, observed)| poisson(intensity[index] * (scale * scale) as f32, observed));
        let free = (!problem.held_out.is_empty()).then(|| held.sum::<f64>() / problem.held_out.len() as f64);
        let fit = Fit::new(sums, free, self.support.len() as f64 / problem.len() as f64)?;
        // Energy that the moduli put outside the support.
        field.par_iter_mut().zip(&intensity).enumerate().for_each(|(index, (value, &intensity))| {
            let (modulus, distance) = self.residual(index, intensity);
            *value *= (modulus - distance) / modulus.max(1e-6);
        });
        self.fft.inverse(&mut field);
        let all: f64 = field.iter().map(|value| f64::from(value.norm_sqr())).sum();
        let inside: f64 = self.support.iter().map(|&(index, _)| f64::from(field[index].norm_sqr())).sum();
        let mut object = Centered::filled(problem.shape(), Complex32::ZERO).to_cornered();
        let values = object.0.as_slice_mut().expect("standard layout");
        self.support.iter().zip(at).for_each(|(&(index, _), &value)| values[index] = value * fit.scale as f32);
        Some(Run {
            object: object.to_centered(),
            fit,
            outside: if all > 0.0 { 1.0 - inside / all } else { 0.0 },
            ended: Ended::Finished,
            smoothness: weight,
            ..run.clone()
        })
    }
}

/// Pixels of a support: numbers in the array with its origin at index 0, and in the box around them,
/// whose extents come too.
pub(super) fn places(support: &Centered<bool>) -> (Vec<(usize, usize)>, Shape) {
    let shape = support.shape();
    let (mut low, mut high) = (shape, [0; 3]);
    for (at, _) in support.0.indexed_iter().filter(|(_, inside)| **inside) {
        let at: [usize; 3] = at.into();
        for axis in 0..3 {
            (low[axis], high[axis]) = (low[axis].min(at[axis]), high[axis].max(at[axis] + 1));
        }
    }
    let margin = shape.map(|n| if n > 1 { 2 } else { 0 });
    let frame: Shape = std::array::from_fn(|axis| high[axis].saturating_sub(low[axis]) + 2 * margin[axis]);
    let mut places = Vec::new();
    for (at, _) in support.0.indexed_iter().filter(|(_, inside)| **inside) {
        let at: [usize; 3] = at.into();
        let cornered: [usize; 3] = std::array::from_fn(|axis| {
            let n = shape[axis];
            (at[axis] + n - n / 2) % n
        });
        let inside: [usize; 3] = std::array::from_fn(|axis| at[axis] - low[axis] + margin[axis]);
        let number = |at: [usize; 3], shape: Shape| (at[0] * shape[1] + at[1]) * shape[2] + at[2];
        places.push((number(cornered, shape), number(inside, frame)));
    }
    (places, frame)
}

/// Sum of `sqrt(sum_ij |D_ij O|^2 + e^2) - e` over a box whose margin is empty, and its gradient.
/// `D_ij` are second differences, mixed ones counting twice.
fn variation(object: &[Complex32], shape: Shape, rounding: f64) -> (f64, Vec<Complex32>) {
    let strides = [(shape[1] * shape[2]) as isize, shape[2] as isize, 1];
    let axes: Vec<usize> = (0..3).filter(|&axis| shape[axis] > 1).collect();
    // Differences as offsets and weights: O(+) - 2 O + O(-) along an axis; O(++) - O(+0) - O(0+) + O
    // across two, times the root of two.
    let mut stencils: Vec<(Vec<(isize, f32)>, f32)> = Vec::new();
    for (k, &a) in axes.iter().enumerate() {
        stencils.push((vec![(strides[a], 1.0), (0, -2.0), (-strides[a], 1.0)], 1.0));
        for &b in &axes[k + 1..] {
            let (a, b) = (strides[a], strides[b]);
            stencils.push((vec![(a + b, 1.0), (a, -1.0), (b, -1.0), (0, 1.0)], 2.0));
        }
    }
    // Pixels whose stencils lie in the box: all that see the object, and more.
    let inside = |place: usize| {
        let at = [place / (shape[1] * shape[2]), place / shape[2] % shape[1], place % shape[2]];
        (0..3).all(|axis| shape[axis] == 1 || (1..shape[axis] - 1).contains(&at[axis]))
    };
    let at = |place: usize, offset: isize| (place as isize + offset) as usize;
    let norms: Vec<f64> = (0..object.len())
        .into_par_iter()
        .map(|place| {
            if !inside(place) {
                return 0.0;
            }
            let mut sum = rounding;
            for (stencil, weight) in &stencils {
                let difference: Complex32 = stencil.iter().map(|&(offset, c)| object[at(place, offset)] * c).sum();
                sum += f64::from(weight * difference.norm_sqr());
            }
            sum.sqrt()
        })
        .collect();
    let flat = rounding.sqrt();
    let value = norms.iter().filter(|norm| **norm > 0.0).map(|norm| norm - flat).sum();
    let gradient = (0..object.len()).into_par_iter().map(|place| {
        if !inside(place) {
            return Complex32::ZERO;
        }
        let mut sum = Complex64::ZERO;
        for (stencil, weight) in &stencils {
            // The transposed stencil: every difference in which this pixel takes part.
            for &(offset, c) in stencil {
                let other = at(place, -offset);
                if norms[other] > 0.0 {
                    let difference: Complex32 = stencil.iter().map(|&(offset, c)| object[at(other, offset)] * c).sum();
                    let factor = f64::from(c * weight) / norms[other];
                    sum += Complex64::new(f64::from(difference.re) * factor, f64::from(difference.im) * factor);
                }
            }
        }
        Complex32::new(sum.re as f32, sum.im as f32)
    });
    (value, gradient.collect())
}

#[cfg(test)]
mod tests {
    use super::super::start::Draws;
    use super::super::testing::Case;
    use super::*;
    use ndarray::Array3;

    #[test]
    fn the_gradient_is_that_of_the_variation() {
        for shape in [[1, 12, 11], [9, 8, 10]] {
            let margin = shape.map(|n| if n > 1 { 2 } else { 0 });
            let mut draws = Draws::new(4);
            let object = Array3::from_shape_fn(shape, |(z, y, x)| {
                let inside = [z, y, x].iter().zip(margin).zip(shape).all(|((&i, m), n)| (m..n - m).contains(&i));
                let (re, im) = (draws.between([-1.0, 1.0]), draws.between([-1.0, 1.0]));
                if inside { Complex32::new(re, im) } else { Complex32::ZERO }
            });
            let values = object.as_slice().unwrap();
            let (_, gradient) = variation(values, shape, 0.1);
            let place = object.len() / 2 + 3;
            for direction in [Complex32::new(1.0, 0.0), Complex32::new(0.0, 1.0)] {
                let moved = |step: f32| {
                    let mut values = values.to_vec();
                    values[place] += direction * step;
                    variation(&values, shape, 0.1).0
                };
                let numeric = (moved(1e-2) - moved(-1e-2)) / 2e-2;
                let exact = f64::from((gradient[place] * direction.conj()).re);
                assert!((numeric - exact).abs() < 2e-2 * (1.0 + exact.abs()), "{shape:?}: {numeric} {exact}");
            }
        }
    }

    #[test]
    fn slopes_cost_nothing_inside() {
        // Far from the border of the box, where it falls to nothing.
        let shape = [1, 40, 40];
        let ramp: Vec<Complex32> = (0..1600).map(|i| Complex32::new((i % 40) as f32, 2.0 * (i / 40) as f32)).collect();
        let (_, gradient) = variation(&ramp, shape, 1.0);
        assert!(gradient[20 * 40 + 20].norm() < 1e-3, "{}", gradient[820]);
    }

    #[test]
    fn what_a_gap_hides_becomes_smooth_and_what_was_measured_stays() {
        let case = Case::behind_a_gap(|_, _| Complex32::new(30.0, 0.0));
        let Case { problem, run, .. } = &case;
        let smooth = smoothed(problem, run, 30.0, false, &|| true).unwrap();
        let (before, after) = (case.off(run), case.off(&smooth));
        assert!(before > 0.35 && after < 0.1, "{before} {after}");
        assert!(smooth.fit.r_factor < 0.03 && smooth.outside < 0.01, "{:?} {}", smooth.fit, smooth.outside);
        assert!(smoothed(problem, run, 30.0, false, &|| false).is_none());
    }
}
