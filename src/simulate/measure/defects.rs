//! Pixels that do not count what arrives: hot, dead, saturated.

use super::counting::{UNREAD, poisson};
use crate::pixels::bit;
use crate::simulate::draw::{Fault, ParameterRange, Rng, check_probability, happens};
use crate::volume::{Centered, Shape};
use ndarray::{Array3, Zip, s};
use rand::Rng as _;
use serde::{Deserialize, Serialize};

/// Recipe of the detector's defects, section `[measurement.defects]`. The ranges that span decades
/// are log-uniform.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DefectRecipe {
    /// Probability of hot pixels.
    pub hot: f64,
    /// Fraction of hot pixels in a frame.
    pub hot_fraction: ParameterRange,
    /// Photons that a hot pixel reads on average.
    pub hot_photons: ParameterRange,
    /// Probability of dead pixels.
    pub dead: f64,
    /// Fraction of dead pixels in a frame.
    pub dead_fraction: ParameterRange,
    /// Probability that the detector saturates within its counts.
    pub saturation: f64,
    /// Photons at which the detector saturates.
    pub saturation_photons: ParameterRange,
}

impl Default for DefectRecipe {
    fn default() -> Self {
        DefectRecipe {
            hot: 0.3,
            hot_fraction: ParameterRange::new(1e-5, 1e-3),
            hot_photons: ParameterRange::new(10.0, 1e6),
            dead: 0.3,
            dead_fraction: ParameterRange::new(1e-5, 2e-3),
            saturation: 0.1,
            saturation_photons: ParameterRange::new(1e4, 1e8),
        }
    }
}

/// Defects of one detector: the same pixels, (row, column), in every frame.
#[derive(Debug, Clone, PartialEq)]
pub struct Defects {
    /// Hot pixels and the photons that they read on average.
    pub hot: Vec<([usize; 2], f64)>,
    /// Dead pixels, (row, column).
    pub dead: Vec<[usize; 2]>,
    /// Photons at which the detector saturates, if it does.
    pub saturation: Option<f64>,
}

impl DefectRecipe {
    pub(super) fn check(&self) -> Result<(), Fault> {
        let key = |name: &str| format!("measurement.defects.{name}");
        check_probability(&key("hot"), self.hot)?;
        check_probability(&key("dead"), self.dead)?;
        check_probability(&key("saturation"), self.saturation)?;
        self.hot_fraction.check(&key("hot_fraction"), 1e-9..=0.5)?;
        self.hot_photons.check(&key("hot_photons"), 1e-3..=1e9)?;
        self.dead_fraction.check(&key("dead_fraction"), 1e-9..=0.5)?;
        self.saturation_photons.check(&key("saturation_photons"), 1.0..=4e9)
    }

    pub(super) fn draw(&self, shape: Shape, rng: &mut Rng) -> Defects {
        let hot = if happens(self.hot, rng) { places(self.hot_fraction, shape, rng) } else { Vec::new() };
        let hot = hot.into_iter().map(|place| (place, self.hot_photons.log_uniform(rng))).collect();
        let dead = if happens(self.dead, rng) { places(self.dead_fraction, shape, rng) } else { Vec::new() };
        let saturation = happens(self.saturation, rng).then(|| self.saturation_photons.log_uniform(rng));
        Defects { hot, dead, saturation }
    }
}

/// Draws a fraction of the pixels of a frame; now and then one where it is less than a pixel.
fn places(fraction: ParameterRange, shape: Shape, rng: &mut Rng) -> Vec<[usize; 2]> {
    let mean = fraction.log_uniform(rng) * (shape[1] * shape[2]) as f64;
    let number = (mean + rng.random::<f64>()).floor() as usize;
    (0..number).map(|_| [rng.random_range(0..shape[1]), rng.random_range(0..shape[2])]).collect()
}

impl Defects {
    /// Sets HOT and DEAD where there is a sensor.
    pub(super) fn mark(&self, mask: &mut Centered<u32>) {
        let hot = self.hot.iter().map(|(place, _)| (*place, bit::HOT));
        let dead = self.dead.iter().map(|place| (*place, bit::DEAD));
        for ([y, x], bits) in hot.chain(dead) {
            for old in mask.0.slice_mut(s![.., y, x]) {
                if *old & bit::MISSING == 0 {
                    *old |= bits;
                }
            }
        }
    }

    /// Replaces what hot pixels counted by what they read.
    pub(super) fn read_hot(&self, counts: &mut Array3<u32>, mask: &Centered<u32>, rng: &mut Rng) {
        for &([y, x], photons) in &self.hot {
            for z in 0..counts.dim().0 {
                if mask.0[[z, y, x]] & UNREAD == 0 {
                    counts[[z, y, x]] = poisson(photons, rng);
                }
            }
        }
    }

    /// Clips the counts and sets SATURATED where they reach the level.
    pub(super) fn saturate(&self, counts: &mut Array3<u32>, mask: &mut Centered<u32>) {
        let Some(level) = self.saturation.map(|level| level as u32) else { return };
        Zip::from(counts).and(&mut mask.0).for_each(|count, bits| {
            if *count >= level {
                *count = level;
                *bits |= bit::SATURATED;
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    #[test]
    fn a_share_of_the_pixels_is_drawn() {
        let mut rng = Rng::seed_from_u64(1);
        let fraction = ParameterRange::new(1e-3, 1e-3);
        // 0.4 pixels of 400: less than one, but not never.
        let number: usize = (0..2000).map(|_| places(fraction, [1, 20, 20], &mut rng).len()).sum();
        // Mean 800, binomial standard deviation 22; five of them.
        assert!(number.abs_diff(800) < 110, "{number}");
        assert_eq!(places(fraction, [9, 100, 100], &mut rng).len(), 10);
    }

    #[test]
    fn what_has_no_sensor_is_neither_hot_nor_dead() {
        let defects = Defects { hot: vec![([1, 1], 5.0), ([2, 1], 5.0)], dead: vec![[3, 1]], saturation: None };
        let mut mask = Centered::filled([2, 4, 4], 0);
        mask.0[[0, 1, 1]] = bit::MISSING;
        defects.mark(&mut mask);
        let column = |z: usize| [0, 1, 2, 3].map(|y| mask.0[[z, y, 1]]);
        assert_eq!(column(0), [0, bit::MISSING, bit::HOT, bit::DEAD]);
        assert_eq!(column(1), [0, bit::HOT, bit::HOT, bit::DEAD]);
    }
}
