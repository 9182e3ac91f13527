//! Poisson maximum-likelihood conjugate gradients on the CPU.

use super::single::Cpu;
use super::sums::{FLOOR, drop_imaginary, poisson, sums};
use num_complex::Complex32;
use rayon::prelude::*;
use std::sync::Arc;

impl Cpu {
    /// Advances the object by `n` steps of Poisson maximum-likelihood conjugate gradients inside
    /// the support.
    ///
    /// Polak-Ribiere directions with one Newton step each, halved while the likelihood grows; the
    /// gradient of the likelihood is `(1 - t^2 / |F|^2) F` with `t` the nearest allowed modulus,
    /// which is `sqrt(I)` where measured and vanishes inside bounds. P. Thibault and M.
    /// Guizar-Sicairos, New J. Phys. 14, 063004 (2012).
    ///
    /// Where a symmetric kernel K blurs intensities, `|F|^2` in the likelihood becomes `K |F|^2`, and
    /// the gradient `F K (1 - t^2 / K |F|^2)`. Along a step D the blurred intensity is still a
    /// parabola, `K |F|^2 + 2 l K Re(F* D) + l^2 K |D|^2`, so each of its three coefficients is
    /// blurred once.
    pub fn conjugate_gradients(&mut self, n: usize) {
        let len = self.problem.len();
        let mut object = std::mem::take(&mut self.object);
        self.cut(&mut object);
        let mut field = std::mem::take(&mut self.work);
        field.copy_from_slice(&object);
        self.fft.forward(&mut field);
        let problem = Arc::clone(&self.problem);
        let gaps = self.gaps;
        let target = |i: usize, power: f32| {
            let bound = problem.bounds.at(i);
            let modulus = power.sqrt();
            let [lo, hi] = problem.bounds.interval(bound);
            let t = if gaps.released && !bound.is_measured() { modulus } else { modulus.max(lo).min(hi) };
            // Not `t * t`, which is rarely `power` again where nothing binds.
            if t == modulus { power } else { t * t }
        };
        let mut gradient = vec![Complex32::ZERO; len];
        let mut previous = vec![Complex32::ZERO; len];
        let mut direction = vec![Complex32::ZERO; len];
        let mut step = vec![Complex32::ZERO; len];
        let mut blur = self.blur.take();
        for iteration in 0..n {
            std::mem::swap(&mut gradient, &mut previous);
            let mut blur = blur.as_mut().filter(|blur| blur.on);
            let blurred = blur.as_mut().map(|blur| blur.intensities(&field).to_vec());
            let power = |i: usize| blurred.as_ref().map_or(field[i].norm_sqr(), |blurred| blurred[i]).max(FLOOR);
            let excess = |i: usize| target(i, power(i)) / power(i) - 1.0;
            let spread = blur.as_mut().map(|blur| blur.blurred(excess));
            gradient.par_iter_mut().enumerate().for_each(|(i, g)| {
                *g = field[i] * spread.map_or_else(|| excess(i), |spread| spread[i]);
            });
            self.fft.inverse(&mut gradient);
            if problem.real {
                drop_imaginary(&mut gradient);
            }
            self.cut(&mut gradient);
            let [new, old, cross] = sums(len, |i| {
                [
                    f64::from(gradient[i].norm_sqr()),
                    f64::from(previous[i].norm_sqr()),
                    f64::from(gradient[i].re * previous[i].re + gradient[i].im * previous[i].im),
                ]
            });
            if !(new > 0.0 && new.is_finite()) {
                break;
            }
            let turn = if iteration == 0 { 0.0 } else { ((new - cross) / old).max(0.0) as f32 };
            direction.par_iter_mut().zip(&gradient).for_each(|(d, &g)| *d = g + *d * turn);
            step.copy_from_slice(&direction);
            self.fft.forward(&mut step);
            let product = |i: usize| field[i].re * step[i].re + field[i].im * step[i].im;
            let slopes = blur.as_mut().map(|blur| blur.blurred(product).to_vec());
            let curvatures = blur.as_mut().map(|blur| blur.blurred(|i| step[i].norm_sqr()).to_vec());
            let [slope, curvature, safe] = sums(len, |i| {
                let power = power(i);
                let observed = target(i, power);
                if observed == power {
                    return [0.0; 3];
                }
                let along = 2.0 * f64::from(slopes.as_ref().map_or_else(|| product(i), |slopes| slopes[i]));
                let (power, observed) = (f64::from(power), f64::from(observed));
                let twice = 2.0 * f64::from(curvatures.as_ref().map_or_else(|| step[i].norm_sqr(), |c| c[i]));
                let ratio = along / power;
                [along * (1.0 - observed / power), twice * (1.0 - observed / power) + observed * ratio * ratio, twice]
            });
            let curvature = if curvature > 0.0 { curvature } else { safe };
            if !(curvature > 0.0 && curvature.is_finite()) {
                break;
            }
            let likelihood = |length: f32| {
                sums(len, |i| {
                    let after = match (&blurred, &slopes, &curvatures) {
                        (Some(blurred), Some(slopes), Some(curvatures)) => {
                            blurred[i] + length * (2.0 * slopes[i] + length * curvatures[i])
                        }
                        _ => (field[i] + step[i] * length).norm_sqr(),
                    };
                    let power = after.max(FLOOR);
                    let observed = target(i, power);
                    [if observed == power { 0.0 } else { poisson(power, observed) }]
                })[0]
            };
            let before = likelihood(0.0);
            let mut length = (-slope / curvature) as f32;
            let mut halvings = 0;
            // Written so that a NaN counts as worse.
            while likelihood(length).partial_cmp(&before) != Some(std::cmp::Ordering::Less) && halvings < 8 {
                length /= 2.0;
                halvings += 1;
            }
            if halvings == 8 {
                break;
            }
            object.par_iter_mut().zip(&direction).for_each(|(o, &d)| *o += d * length);
            field.par_iter_mut().zip(&step).for_each(|(f, &s)| *f += s * length);
        }
        self.blur = blur;
        self.object = object;
        self.work = field;
    }
}
