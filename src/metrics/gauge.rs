//! What the intensities of a Bragg pattern cannot tell of an object: its constant phase, and a ramp by
//! which the pattern's centre is off by a fraction of a pixel.

use super::peak::{distance, peak, ramped};
use super::{summed, wide};
use crate::fft::Fft;
use crate::volume::{Centered, Cornered, Shape};
use num_complex::{Complex32, Complex64};

/// A larger ramp is no matter of the centre's fraction of a pixel: it belongs to the object.
const MOST: f64 = 1.5;

/// A constant phase and a ramp.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Gauge {
    /// Constant phase, radians.
    pub phase: f64,
    /// Turns across the array, or pixels in Fourier space, `(z, y, x)`.
    pub ramp: [f64; 3],
}

impl Gauge {
    /// That of an object: the ramp after whose removal it is nearest to having one phase, and its mean
    /// phase then. Without `ramp` only the mean phase.
    pub fn of(object: &Centered<Complex32>, ramp: bool) -> Self {
        Self::of_window(object, object.shape(), ramp)
    }

    /// That of a crystal, whose peak may lie anywhere in its pattern. What decides where is the pattern,
    /// which is right where phases are not.
    pub fn of_crystal(object: &Centered<Complex32>) -> Self {
        let mut pattern = object.to_cornered().0;
        let shape: Shape = pattern.dim().into();
        Fft::new(shape).forward(pattern.as_slice_mut().expect("standard layout"));
        // Its centre of mass: the mean slope of the phase, weighted by the intensity.
        let (mut sum, mut sums) = (0.0, [0.0; 3]);
        for (at, value) in pattern.indexed_iter() {
            let (at, weight): ([usize; 3], f64) = (at.into(), value.norm_sqr().into());
            sum += weight;
            for axis in 0..3 {
                let (at, n) = (at[axis] as f64, shape[axis] as f64);
                sums[axis] += weight * if 2.0 * at > n { at - n } else { at };
            }
        }
        let ramp = sums.map(|part| if sum > 0.0 { (part / sum).round() } else { 0.0 });
        if distance(ramp, [0.0; 3]) <= MOST {
            return Self::of(object, true);
        }
        let rest = Self::of(&Gauge { phase: 0.0, ramp }.removed(object), true);
        Gauge { phase: rest.phase, ramp: std::array::from_fn(|axis| ramp[axis] + rest.ramp[axis]) }
    }

    /// That of an object in a window of an array of the shape `whole`, across which the largest ramp
    /// is measured.
    pub fn of_window(object: &Centered<Complex32>, whole: Shape, ramp: bool) -> Self {
        let object = object.to_cornered().0;
        // Squared moduli: pixels count by their intensity.
        let mut weighted = object.mapv(|value| value * value.norm());
        let shape = object.dim();
        let mut found = [0.0; 3];
        if ramp {
            found = peak(&weighted, &Fft::new([shape.0, shape.1, shape.2]), true);
            let turns = [0, 1, 2].map(|axis| found[axis] * whole[axis] as f64 / weighted.shape()[axis] as f64);
            if distance(turns, [0.0; 3]) > MOST {
                found = [0.0; 3];
            }
            weighted = ramped(weighted, found);
        }
        let values = weighted.as_slice().expect("standard layout");
        let sum: Complex64 = summed(values.len(), |piece| piece.map(|i| wide(values[i])).sum());
        Gauge { phase: sum.arg(), ramp: found }
    }

    /// The object without it.
    pub fn removed(&self, object: &Centered<Complex32>) -> Centered<Complex32> {
        let turn = Complex32::from_polar(1.0, -self.phase as f32);
        Cornered(ramped(object.to_cornered().0, self.ramp).mapv_into(|value| value * turn)).to_centered()
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::blob;
    use super::*;

    #[test]
    fn phase_and_ramp_are_found_and_removed() {
        for shape in [[1, 30, 24], [8, 12, 16]] {
            let plain = blob(shape, 3).map(|value| Complex32::new(value.norm(), 0.0));
            let ramp = [if shape[0] > 1 { -0.2 } else { 0.0 }, 0.4, -0.3];
            let given = Gauge { phase: -1.1, ramp: ramp.map(|turns| -turns) };
            let moved = given.removed(&plain);
            let found = Gauge::of(&moved, true);
            assert!(distance(found.ramp, ramp) < 1e-3 && (found.phase - 1.1).abs() < 1e-3, "{found:?}");
            let back = found.removed(&moved);
            // Rounding of f32.
            assert!(back.as_slice().iter().zip(plain.as_slice()).all(|(a, b)| (a - b).norm() < 1e-3));
            assert_eq!(Gauge::of(&moved, false).ramp, [0.0; 3]);
            // Half a turn across a window is more than the centre's fraction where that is a quarter.
            let wide = Gauge::of_window(&moved, shape.map(|extent| 4 * extent), true);
            assert_eq!(wide.ramp, [0.0; 3]);
            let far = Gauge { phase: 0.0, ramp: [0.0, -4.0, 3.0] }.removed(&plain);
            assert_eq!(Gauge::of(&far, true).ramp, [0.0; 3]);
            let found = Gauge::of_crystal(&far).ramp;
            assert!(distance(found, [0.0, 4.0, -3.0]) < 0.05, "{found:?}");
        }
    }
}
