//! Hidden modes completed: of all objects that differ from a run in what the gap hides, the one of
//! least total variation.
//!
//! Data and support determine an object but for its hidden modes ([`crate::hidden`]). So only their
//! coefficients are looked for, tens of numbers instead of the gap's thousands of intensities, and
//! what was measured stays as it is. What decides is the total variation of the complex object (M.
//! Malm and Y. Chushkin, J. Synchrotron Rad. 32, 200 (2025), for real objects), or that of its modulus
//! inside the support, which lets the phases of a strained crystal be what they are.

use super::lbfgs::{Value, minimise};
use super::problem::Problem;
use super::run::Run;
use super::smooth::{Objective, places};
use crate::hidden::Operator;
use crate::volume::{Centered, Cornered, Shape};
use ndarray::Array3;
use num_complex::Complex32;
use serde::{Deserialize, Serialize};

/// Differences count by their squares below this part of the object's root mean square.
const ROUNDING: f64 = 0.02;

/// What is least along hidden modes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Variation {
    /// Variation of the complex object, its step at the support's edge included.
    Object,
    /// Variation of the modulus between pixels of the support.
    Modulus,
}

/// A run whose hidden modes have the coefficients of least variation, or `None` where its object
/// overflows, it has no support, or `go_on` says false.
pub fn completed(problem: &Problem, run: &Run, variation: Variation, go_on: &dyn Fn() -> bool) -> Option<Run> {
    let gap: Vec<bool> = (0..problem.len()).map(|index| !problem.bounds.at(index).is_measured()).collect();
    let gap = Cornered(Array3::from_shape_vec(problem.shape(), gap).ok()?).to_centered();
    let op = Operator::new(&run.support, &gap).ok()?;
    let lattice = Lattice::new(&run.support, variation);
    let begun = op.inside(&run.object);
    let energy: f64 = begun.iter().map(|value| f64::from(value.norm_sqr())).sum();
    let rounding = ROUNDING * (energy / begun.len() as f64).sqrt().max(1e-12);

    let value = |added: &[Complex32]| -> Value {
        let at: Vec<Complex32> = begun.iter().zip(added).map(|(a, b)| a + b).collect();
        let (sum, mut slope) = lattice.variation(&at, rounding as f32);
        if problem.real {
            slope.iter_mut().for_each(|value| value.im = 0.0);
        }
        // Steps along hidden modes only: the gradient of the rest is not looked at.
        (sum, op.hidden(&slope), 4.0 / rounding)
    };
    let mut added = vec![Complex32::ZERO; begun.len()];
    if !minimise(&mut added, &value, go_on) {
        return None;
    }
    let at: Vec<Complex32> = begun.iter().zip(&added).map(|(a, b)| a + b).collect();
    Objective::new(problem, run, 0.0, true).run(run, &at, 0.0)
}

/// Neighbours among the pixels of a support.
struct Lattice {
    /// Number of the next pixel along each axis that is not thin, where it lies in the support.
    next: Vec<[Option<u32>; 3]>,
    /// Axes along which a pixel has nothing before it: steps up from outside.
    open: Vec<u8>,
    axes: Vec<usize>,
    variation: Variation,
}

impl Lattice {
    fn new(support: &Centered<bool>, variation: Variation) -> Self {
        let (places, frame): (_, Shape) = places(support);
        let mut numbers = vec![None; frame.iter().product()];
        places.iter().enumerate().for_each(|(number, &(_, place))| numbers[place] = Some(number as u32));
        let strides = [frame[1] * frame[2], frame[2], 1];
        let axes: Vec<usize> = (0..3).filter(|&axis| frame[axis] > 1).collect();
        // The frame has a margin along each of these axes.
        let next = places.iter().map(|&(_, place)| {
            std::array::from_fn(|axis| if axes.contains(&axis) { numbers[place + strides[axis]] } else { None })
        });
        let before = |place: usize| axes.iter().filter(|&&axis| numbers[place - strides[axis]].is_none()).count() as u8;
        let open = places.iter().map(|&(_, place)| before(place)).collect();
        Lattice { next: next.collect(), open, axes, variation }
    }

    /// Sum over the pixels of the root of the sum of squared forward differences, and its gradient.
    fn variation(&self, at: &[Complex32], rounding: f32) -> (f64, Vec<Complex32>) {
        match self.variation {
            Variation::Object => self.of_object(at, rounding),
            Variation::Modulus => self.of_modulus(at, rounding),
        }
    }

    fn of_object(&self, at: &[Complex32], rounding: f32) -> (f64, Vec<Complex32>) {
        let (mut sum, mut slope) = (0.0, vec![Complex32::ZERO; at.len()]);
        let floor = rounding * rounding;
        for (index, &here) in at.iter().enumerate() {
            let there = |axis: usize| self.next[index][axis].map_or(Complex32::ZERO, |next| at[next as usize]);
            let squares: f32 = self.axes.iter().map(|&axis| (there(axis) - here).norm_sqr()).sum();
            let root = (squares + floor).sqrt();
            sum += f64::from(root - rounding);
            for &axis in &self.axes {
                let part = (there(axis) - here) / root;
                slope[index] -= part;
                if let Some(next) = self.next[index][axis] {
                    slope[next as usize] += part;
                }
            }
            // From outside up to it, each axis by itself.
            let open = f32::from(self.open[index]);
            let root = (here.norm_sqr() + floor).sqrt();
            sum += f64::from(open * (root - rounding));
            slope[index] += here * (open / root);
        }
        (sum, slope)
    }

    fn of_modulus(&self, at: &[Complex32], rounding: f32) -> (f64, Vec<Complex32>) {
        // Rounded, so that a phase exists where the modulus vanishes.
        let moduli: Vec<f32> = at.iter().map(|value| (value.norm_sqr() + rounding * rounding).sqrt()).collect();
        let (mut sum, mut slope) = (0.0, vec![0.0f32; at.len()]);
        for (index, &here) in moduli.iter().enumerate() {
            let next = |axis: usize| self.next[index][axis].map(|next| next as usize);
            let difference = |axis: usize| next(axis).map_or(0.0, |next| moduli[next] - here);
            let squares: f32 = self.axes.iter().map(|&axis| difference(axis).powi(2)).sum();
            let root = (squares + rounding * rounding).sqrt();
            sum += f64::from(root - rounding);
            for &axis in &self.axes {
                let part = difference(axis) / root;
                slope[index] -= part;
                if let Some(next) = next(axis) {
                    slope[next] += part;
                }
            }
        }
        let along = at.iter().zip(&moduli).zip(slope).map(|((value, modulus), slope)| value * (slope / modulus));
        (sum, along.collect())
    }
}

#[cfg(test)]
mod tests {
    use super::super::start::Draws;
    use super::super::testing::Case;
    use super::*;

    #[test]
    fn flat_objects_come_back_whichever_variation_is_least() {
        let case = Case::behind_a_gap(|_, _| Complex32::new(30.0, 0.0));
        let before = case.off(&case.run);
        for variation in [Variation::Object, Variation::Modulus] {
            let ended = completed(&case.problem, &case.run, variation, &|| true).unwrap();
            let after = case.off(&ended);
            assert!(before > 0.35 && after < 0.12, "{variation:?}: {before} {after}");
            assert!(ended.fit.r_factor < 0.1, "{:?}", ended.fit);
            assert!(completed(&case.problem, &case.run, variation, &|| false).is_none());
        }
    }

    /// A phase that grows by 7 radians across the crystal: the object varies, its modulus does not.
    #[test]
    fn strained_objects_want_the_variation_of_the_modulus() {
        let case = Case::behind_a_gap(|y, x| {
            let [v, u] = [y, x].map(|i| i as f32 / 20.0 - 1.6);
            Complex32::from_polar(30.0, 7.0 * (u * u + v * u))
        });
        let [object, modulus] = [Variation::Object, Variation::Modulus]
            .map(|variation| case.off(&completed(&case.problem, &case.run, variation, &|| true).unwrap()));
        assert!(modulus < 0.15 && modulus < 0.7 * object, "{object} {modulus}");
    }

    #[test]
    fn gradients_are_those_of_the_variations() {
        let mut draws = Draws::new(5);
        let support = Centered(Array3::from_shape_fn([7, 8, 9], |(z, y, x)| (z + 2 * y + x) % 5 > 0 && x > 1));
        for variation in [Variation::Object, Variation::Modulus] {
            let lattice = Lattice::new(&support, variation);
            let mut value = || Complex32::new(draws.between([-1.0, 1.0]), draws.between([-1.0, 1.0]));
            let at: Vec<Complex32> = lattice.next.iter().map(|_| value()).collect();
            let (_, gradient) = lattice.variation(&at, 0.1);
            for (place, direction) in [(40, Complex32::ONE), (41, Complex32::I), (99, Complex32::I)] {
                let moved = |step: f32| {
                    let mut at = at.clone();
                    at[place] += direction * step;
                    lattice.variation(&at, 0.1).0
                };
                let numeric = (moved(1e-2) - moved(-1e-2)) / 2e-2;
                let exact = f64::from((gradient[place] * direction.conj()).re);
                assert!((numeric - exact).abs() < 2e-2 * (1.0 + exact.abs()), "{variation:?}: {numeric} {exact}");
            }
        }
    }
}
