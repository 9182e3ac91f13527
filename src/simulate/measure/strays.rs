//! Stray spots ("aliens"): peaks of other grains, of slits or of the beamline, somewhere off the
//! centre.

use super::counting::{UNREAD, poisson};
use crate::simulate::draw::{Fault, ParameterRange, Rng, check_probability, fault, happens};
use crate::volume::{Centered, Shape};
use ndarray::Array3;
use rand::Rng as _;
use serde::{Deserialize, Serialize};

/// Spots end where they are this many standard deviations from their middle: exp(-8), a few photons
/// at most.
const REACH: f64 = 4.0;

/// Recipe of stray spots, section `[measurement.strays]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StrayRecipe {
    /// Probability that there are any.
    pub probability: f64,
    /// Number of spots in a pattern.
    pub number: ParameterRange,
    /// Standard deviation along rows and along columns, pixels.
    pub width: ParameterRange,
    /// Standard deviation along the rocking curve, frames.
    pub frames: ParameterRange,
    /// Smallest distance from the centre, as a fraction of half the frame.
    pub distance: f64,
    /// Photons in the brightest pixel of the faintest spot.
    pub faintest: f64,
    /// Photons in the brightest pixel of the brightest spot, as a fraction of the pattern's largest
    /// value. Between the two, all factors are equally likely.
    pub brightest: f64,
}

impl Default for StrayRecipe {
    fn default() -> Self {
        StrayRecipe {
            probability: 0.15,
            number: ParameterRange::new(1.0, 3.0),
            width: ParameterRange::new(0.7, 4.0),
            frames: ParameterRange::new(0.5, 3.0),
            distance: 0.2,
            faintest: 3.0,
            brightest: 0.02,
        }
    }
}

/// A spot as drawn.
#[derive(Debug, Clone, PartialEq)]
pub struct Stray {
    /// Position of its middle, pixels from the first one, (z, y, x).
    pub middle: [f64; 3],
    /// Standard deviations along (z, y, x), pixels.
    pub width: [f64; 3],
    /// Brightness between the faintest (0) and the brightest (1) possible, on a logarithmic scale.
    pub brightness: f64,
    faintest: f64,
    brightest: f64,
}

impl StrayRecipe {
    pub(super) fn check(&self) -> Result<(), Fault> {
        let key = |name: &str| format!("measurement.strays.{name}");
        let single = |value: f64| ParameterRange::new(value, value);
        check_probability(&key("probability"), self.probability)?;
        self.number.check(&key("number"), 0.0..=1e3)?;
        self.width.check(&key("width"), 0.1..=100.0)?;
        self.frames.check(&key("frames"), 0.1..=100.0)?;
        single(self.distance).check(&key("distance"), 0.0..=0.9)?;
        single(self.brightest).check(&key("brightest"), 0.0..=10.0)?;
        if !(self.faintest > 0.0 && self.faintest <= 1e9) {
            return fault(&key("faintest"), format!("{} photons: more than 0 can be used, up to 1e9", self.faintest));
        }
        Ok(())
    }

    pub(super) fn draw(&self, shape: Shape, rng: &mut Rng) -> Vec<Stray> {
        if !happens(self.probability, rng) {
            return Vec::new();
        }
        let number = self.number.integer(rng);
        (0..number).map(|_| self.draw_one(shape, rng)).collect()
    }

    fn draw_one(&self, shape: Shape, rng: &mut Rng) -> Stray {
        let mut anywhere = |extent: usize| ParameterRange::new(-0.5, extent as f64 - 0.5).uniform(rng);
        let mut middle = shape.map(&mut anywhere);
        let half = shape.map(|extent| extent as f64 / 2.0);
        let distance = |middle: [f64; 3]| {
            let from = |axis: usize| (middle[axis] - (shape[axis] / 2) as f64) / half[axis];
            from(1).hypot(from(2))
        };
        // Nine tenths of half the frame leave a seventh of all places in the worst case.
        for _ in 0..100 {
            if distance(middle) >= self.distance {
                break;
            }
            middle = shape.map(&mut anywhere);
        }
        if shape[0] == 1 {
            middle[0] = 0.0;
        }
        let width = [self.frames.uniform(rng), self.width.uniform(rng), self.width.uniform(rng)];
        Stray { middle, width, brightness: rng.random(), faintest: self.faintest, brightest: self.brightest }
    }
}

impl Stray {
    /// Counts the spot's photons, on top of those that were counted in the same pixels. `largest`
    /// is the largest expected value of the pattern.
    pub(super) fn count(&self, counts: &mut Array3<u32>, mask: &Centered<u32>, largest: f64, rng: &mut Rng) {
        let shape = mask.shape();
        let height = self.height(largest);
        let near = |axis: usize| {
            let reach = REACH * self.width[axis];
            let first = (self.middle[axis] - reach).ceil().max(0.0) as usize;
            let last = (self.middle[axis] + reach).floor().min(shape[axis] as f64 - 1.0) as usize;
            first..last + 1
        };
        let exponent = |axis: usize, i: usize| -0.5 * ((i as f64 - self.middle[axis]) / self.width[axis]).powi(2);
        for z in near(0) {
            for y in near(1) {
                for x in near(2) {
                    if mask.0[[z, y, x]] & UNREAD == 0 {
                        let mean = height * (exponent(0, z) + exponent(1, y) + exponent(2, x)).exp();
                        let count = &mut counts[[z, y, x]];
                        *count = count.saturating_add(poisson(mean, rng)).min(u32::MAX - 1);
                    }
                }
            }
        }
    }

    /// Photons in the middle.
    fn height(&self, largest: f64) -> f64 {
        let brightest = (self.brightest * largest).max(self.faintest);
        self.faintest * (brightest / self.faintest).powf(self.brightness)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pixels::bit;
    use rand::SeedableRng;

    #[test]
    fn spots_are_off_the_centre_and_have_their_photons() {
        let [width, frames] = [ParameterRange::new(1.0, 3.0), ParameterRange::new(1.0, 2.0)];
        let recipe = StrayRecipe { probability: 1.0, width, frames, ..Default::default() };
        let mut rng = Rng::seed_from_u64(1);
        let shape = [24, 40, 40];
        let mask = Centered::filled(shape, 0);
        let mut inside = 0;
        for _ in 0..40 {
            for stray in recipe.draw(shape, &mut rng) {
                let [_, y, x] = stray.middle;
                assert!((y - 20.0).hypot(x - 20.0) >= 0.2 * 20.0, "{stray:?}");
                let height = stray.height(1e6);
                assert!((3.0 - 1e-9..=2e4 + 1e-6).contains(&height), "{height}");
                let margin = |axis: usize, extent: f64| {
                    let reach = REACH * stray.width[axis];
                    stray.middle[axis] > reach && stray.middle[axis] < extent - reach
                };
                if margin(0, 24.0) && margin(1, 40.0) && margin(2, 40.0) {
                    let mut counts = Array3::zeros(shape);
                    stray.count(&mut counts, &mask, 1e6, &mut rng);
                    let photons = counts.iter().map(|count| f64::from(*count)).sum::<f64>();
                    let expected = height * stray.width.iter().product::<f64>() * std::f64::consts::TAU.powf(1.5);
                    // Four standard deviations lose 2e-4 of the photons; the rest is counting, five
                    // of its deviations.
                    assert!(
                        (photons - expected).abs() < 1e-3 * expected + 5.0 * expected.sqrt(),
                        "{photons} {expected}"
                    );
                    inside += 1;
                }
            }
        }
        assert!(inside > 5, "{inside} spots were far enough from the borders to be counted");
    }

    #[test]
    fn blind_pixels_see_no_spot() {
        let recipe = StrayRecipe { probability: 1.0, ..Default::default() };
        let mask = Centered::filled([1, 32, 32], bit::MISSING);
        let mut rng = Rng::seed_from_u64(2);
        let mut counts = Array3::zeros([1, 32, 32]);
        recipe.draw([1, 32, 32], &mut rng)[0].count(&mut counts, &mask, 1e6, &mut rng);
        assert_eq!(counts.sum(), 0);
    }
}
