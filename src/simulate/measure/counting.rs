//! Photon counts around a known mean.

use crate::pixels::bit;
use crate::simulate::draw::{Rng, normal};
use rand::Rng as _;
use rand_distr::{Distribution, Poisson};

/// Mask bits of pixels that count nothing.
pub(super) const UNREAD: u32 = bit::MISSING | bit::SHADOWED | bit::DEAD;
/// Below this mean, inversion is faster than rejection.
const FEW: f64 = 10.0;
/// Mean from which a Poisson distribution is drawn as a normal one: the probability of any range of
/// counts is off by 0.13 / sqrt(mean) at most (first term of the Edgeworth expansion), here 0.0004.
const MANY: f64 = 1e5;
/// Counts end here: detectors use the largest number for pixels without a reading.
pub(super) const MOST: u32 = u32::MAX - 1;

/// Draws a number from the Poisson distribution of this mean; 0 where the mean is not above 0.
pub fn poisson(mean: f64, rng: &mut Rng) -> u32 {
    if mean < FEW {
        return invert(mean, rng);
    }
    if mean < MANY {
        return Poisson::new(mean).map_or(0, |distribution| distribution.sample(rng) as u32);
    }
    let count = mean + mean.sqrt() * normal(rng);
    // The conversion saturates, and turns NaN into 0.
    (count.round() as u32).min(MOST)
}

/// Walks up the probabilities of 0, 1, 2, .. photons until they exceed a uniform number.
fn invert(mean: f64, rng: &mut Rng) -> u32 {
    // The probability of any photon, 1 - exp(-mean), is below the mean: most empty pixels end here.
    let above: f64 = rng.random();
    if above >= mean || mean.is_nan() {
        return 0;
    }
    let mut left = 1.0 - above;
    let mut probability = (-mean).exp();
    let mut count = 0;
    // The sum of the probabilities may stay below 1 by rounding; 100 photons at a mean of 10 never
    // come.
    while left > probability && count < 100 {
        left -= probability;
        count += 1;
        probability *= mean / f64::from(count);
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    #[test]
    fn mean_and_variance_are_those_of_photons() {
        let mut rng = Rng::seed_from_u64(1);
        let n = 100_000;
        for mean in [0.01, 0.9, 3.0, 9.9, 10.1, 40.0, 1e4, 0.99e5, 1.01e5, 1e7] {
            let counts: Vec<f64> = (0..n).map(|_| f64::from(poisson(mean, &mut rng))).collect();
            let average = counts.iter().sum::<f64>() / f64::from(n);
            let variance = counts.iter().map(|count| (count - mean).powi(2)).sum::<f64>() / f64::from(n);
            // Standard deviations of the average, sqrt(mean / n), and of the variance, whose fourth
            // moment is 3 mean^2 + mean. Five of them.
            let [of_average, of_variance] =
                [mean / f64::from(n), (2.0 * mean * mean + mean) / f64::from(n)].map(f64::sqrt);
            assert!((average - mean).abs() < 5.0 * of_average, "{mean}: {average}");
            assert!((variance - mean).abs() < 5.0 * of_variance, "{mean}: {variance}");
        }
    }

    #[test]
    fn few_photons_have_the_right_frequencies() {
        let mut rng = Rng::seed_from_u64(2);
        let mut seen = [0.0; 4];
        let n = 200_000;
        for _ in 0..n {
            if let Some(number) = seen.get_mut(poisson(0.5, &mut rng) as usize) {
                *number += 1.0 / f64::from(n);
            }
        }
        let expected = [1.0, 0.5, 0.125, 0.125 / 6.0].map(|factor| factor * (-0.5f64).exp());
        // Five standard deviations of a share of one half: 5 * 0.5 / sqrt(n).
        assert!(seen.iter().zip(expected).all(|(a, b)| (a - b).abs() < 5.6e-3), "{seen:?} {expected:?}");
    }

    #[test]
    fn counts_have_bounds() {
        let mut rng = Rng::seed_from_u64(3);
        for mean in [0.0, -1.0, f64::NAN] {
            assert_eq!(poisson(mean, &mut rng), 0);
        }
        assert_eq!(poisson(1e10, &mut rng), MOST);
        assert_eq!(poisson(f64::INFINITY, &mut rng), MOST);
    }
}
