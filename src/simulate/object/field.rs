//! Smooth random fields: sums of plane waves with random directions and phases (the spectral
//! method: M. Shinozuka and C.-M. Jan, J. Sound Vib. 25, 111 (1972)).

use super::frame::Vector;
use crate::simulate::draw::{ParameterRange, Rng, normal};
use std::f64::consts::TAU;

/// Waves in a field: enough to look Gaussian, few enough to be evaluated in tens of nanoseconds.
const WAVES: usize = 24;

/// A random field of mean 0 and variance 1 whose correlation over a distance d is exp(-d^2 / (2
/// length^2)).
#[derive(Debug, Clone, PartialEq)]
pub struct Field {
    /// Wave vectors along z, y and x, cycles a unit of length.
    waves: [[f64; WAVES]; 3],
    /// Phases of the waves, cycles.
    phases: [f64; WAVES],
}

impl Field {
    /// Largest modulus that a field can take: all waves in phase.
    pub const BOUND: f64 = 6.93;

    /// A field of the given correlation length; constant along z if `flat`.
    pub fn random(length: f64, flat: bool, rng: &mut Rng) -> Field {
        let mut waves = [[0.0; WAVES]; 3];
        for (axis, wave) in waves.iter_mut().enumerate() {
            if axis > 0 || !flat {
                wave.fill_with(|| normal(rng) / (TAU * length));
            }
        }
        let phases = std::array::from_fn(|_| ParameterRange::new(0.0, 1.0).uniform(rng));
        Field { waves, phases }
    }

    /// The field at a point.
    pub fn at(&self, r: Vector) -> f64 {
        let [wz, wy, wx] = &self.waves;
        // An array of its own, because the compiler does not reorder sums: this loop becomes vector
        // instructions.
        let mut cosines = [0.0; WAVES];
        for (i, value) in cosines.iter_mut().enumerate() {
            *value = cosine(wz[i] * r[0] + wy[i] * r[1] + wx[i] * r[2] + self.phases[i]);
        }
        cosines.iter().sum::<f64>() * (2.0 / WAVES as f64).sqrt()
    }
}

/// cos(2 pi t) to 1e-7, for |t| < 1e9: reduced to a sine within a quarter turn, of which the Taylor
/// series is summed. Without a call or a branch, so that loops over it are vectorised.
fn cosine(t: f64) -> f64 {
    /// 1.5 * 2^52: adding and taking away rounds to a whole number.
    const ROUND: f64 = 6_755_399_441_055_744.0;
    let turn = t - ((t + ROUND) - ROUND);
    let x = TAU * (0.25 - turn.abs());
    let u = x * x;
    let tail = 1.0 / 362_880.0 - u * (1.0 / 39_916_800.0);
    x * (1.0 - u * (1.0 / 6.0 - u * (1.0 / 120.0 - u * (1.0 / 5040.0 - u * tail))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    #[test]
    fn the_quick_cosine_is_a_cosine() {
        for i in -4000..4000 {
            let t = f64::from(i) * 0.001_37;
            // The first term left out of the series is (pi/2)^13 / 13! = 6e-8.
            assert!((cosine(t) - (TAU * t).cos()).abs() < 1e-7, "{t}");
        }
    }

    #[test]
    fn variance_is_one_and_correlation_falls_over_the_length() {
        let mut rng = Rng::seed_from_u64(5);
        let (length, fields) = (0.3, 4000);
        let [mut variance, mut near, mut far] = [0.0; 3];
        for _ in 0..fields {
            let field = Field::random(length, false, &mut rng);
            let here = field.at([0.3, -0.2, 0.1]);
            assert!(here.abs() <= Field::BOUND);
            variance += here * here / f64::from(fields);
            near += here * field.at([0.3, -0.2 + length, 0.1]) / f64::from(fields);
            far += here * field.at([0.3, -0.2, 0.1 + 3.0 * length]) / f64::from(fields);
        }
        // Means of 4000 products of unit variance: standard errors below sqrt(2 / 4000) = 0.022;
        // four of them.
        assert!((variance - 1.0).abs() < 0.09, "{variance}");
        assert!((near - (-0.5f64).exp()).abs() < 0.09, "{near}");
        assert!((far - (-4.5f64).exp()).abs() < 0.09, "{far}");
    }

    #[test]
    fn flat_fields_do_not_depend_on_z() {
        let field = Field::random(0.2, true, &mut Rng::seed_from_u64(6));
        assert_eq!(field.at([0.0, 0.3, 0.4]), field.at([5.0, 0.3, 0.4]));
        assert_ne!(field.at([0.0, 0.3, 0.4]), field.at([0.0, 0.3, 0.5]));
    }
}
