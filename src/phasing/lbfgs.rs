//! Minimisation by L-BFGS (J. Nocedal, Math. Comp. 35, 773 (1980)) of functions of complex values.

use num_complex::Complex32;
use std::collections::VecDeque;

/// Steps at most.
const STEPS: usize = 150;

/// Pairs of steps and changes of the gradient that are kept.
const MEMORY: usize = 8;

/// Relative decrease of the objective over a step below which it has converged.
const CONVERGED: f64 = 1e-6;

/// The value of an objective, its gradient, and a curvature that a first step may assume.
pub(super) type Value = (f64, Vec<Complex32>, f64);

/// Minimises by L-BFGS. False where it was stopped.
pub(super) fn minimise(
    at: &mut Vec<Complex32>,
    value: &dyn Fn(&[Complex32]) -> Value,
    go_on: &dyn Fn() -> bool,
) -> bool {
    let (mut best, mut gradient, curvature) = value(at);
    let mut pairs: VecDeque<(Vec<Complex32>, Vec<Complex32>, f64)> = VecDeque::new();
    for _ in 0..STEPS {
        if !go_on() {
            return false;
        }
        let mut direction = direction(&gradient, &pairs, 1.0 / curvature);
        let mut slope = inner(&gradient, &direction);
        if slope >= 0.0 {
            // Rounding made nonsense of the pairs: begin anew.
            pairs.clear();
            direction = gradient.iter().map(|g| g * (-1.0 / curvature) as f32).collect();
            slope = inner(&gradient, &direction);
        }
        let mut step = 1.0f32;
        let found = loop {
            let there: Vec<Complex32> = at.iter().zip(&direction).map(|(x, d)| x + d * step).collect();
            let (new, new_gradient, _) = value(&there);
            if new <= best + 1e-4 * f64::from(step) * slope {
                break Some((there, new, new_gradient));
            }
            step *= 0.5;
            if step < 1e-4 {
                break None;
            }
        };
        let Some((there, new, new_gradient)) = found else { return true };
        let moved: Vec<Complex32> = there.iter().zip(&*at).map(|(a, b)| a - b).collect();
        let change: Vec<Complex32> = new_gradient.iter().zip(&gradient).map(|(a, b)| a - b).collect();
        let product = inner(&moved, &change);
        if product > 0.0 {
            pairs.push_back((moved, change, product));
            if pairs.len() > MEMORY {
                pairs.pop_front();
            }
        }
        let decrease = best - new;
        (*at, best, gradient) = (there, new, new_gradient);
        if decrease < CONVERGED * best.abs() {
            return true;
        }
    }
    true
}

/// Minus the approximate inverse Hessian times the gradient, by the two loops of L-BFGS.
fn direction(
    gradient: &[Complex32],
    pairs: &VecDeque<(Vec<Complex32>, Vec<Complex32>, f64)>,
    first: f64,
) -> Vec<Complex32> {
    let mut out = gradient.to_vec();
    let mut factors = Vec::new();
    for (moved, change, product) in pairs.iter().rev() {
        let factor = inner(moved, &out) / product;
        add(&mut out, change, -factor);
        factors.push(factor);
    }
    let scale = pairs.back().map_or(first, |(_, change, product)| product / inner(change, change));
    out.iter_mut().for_each(|value| *value *= -scale as f32);
    for ((moved, change, product), factor) in pairs.iter().zip(factors.iter().rev()) {
        let other = inner(change, &out) / product;
        add(&mut out, moved, -factor - other);
    }
    out
}

fn add(to: &mut [Complex32], of: &[Complex32], factor: f64) {
    to.iter_mut().zip(of).for_each(|(a, b)| *a += b * factor as f32);
}

/// Real part of the inner product.
fn inner(a: &[Complex32], b: &[Complex32]) -> f64 {
    a.iter().zip(b).map(|(a, b)| f64::from(a.re) * f64::from(b.re) + f64::from(a.im) * f64::from(b.im)).sum()
}
