//! The beamstop and its shadow around the direct beam.

use super::draw::{Fault, ParameterRange, Rng, check_probability, fault, happens};
use super::shapes;
use crate::pixels::bit;
use crate::volume::Shape;
use ndarray::Array2;
use serde::{Deserialize, Serialize};

/// Recipe of the beamstop, section `[beamstop]`; lengths are in pixels.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BeamstopRecipe {
    /// Probability that there is one.
    pub probability: f64,
    /// Radius of a round one, half the edge of a square one.
    pub radius: ParameterRange,
    /// Probability that it is square.
    pub square: f64,
    /// Distance of its middle from the centre of the pattern along each axis.
    pub offset: ParameterRange,
    /// Probability that the arm that holds it shows.
    pub arm: f64,
    /// Width of the arm.
    pub arm_width: ParameterRange,
}

impl Default for BeamstopRecipe {
    fn default() -> Self {
        BeamstopRecipe {
            probability: 0.3,
            radius: ParameterRange::new(1.5, 10.0),
            square: 0.2,
            offset: ParameterRange::new(-2.0, 2.0),
            arm: 0.5,
            arm_width: ParameterRange::new(1.0, 5.0),
        }
    }
}

/// A beamstop in numbers: flat, one row of a table. NaN and `none` where something does not apply.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BeamstopDescription {
    /// Kind of beamstop: `none`, `round` or `square`.
    pub kind: &'static str,
    /// Radius or half edge, pixels.
    pub radius: f64,
    /// Middle relative to the pattern's centre, rows.
    pub offset_y: f64,
    /// Middle relative to the pattern's centre, columns.
    pub offset_x: f64,
    /// Width of the arm, pixels; 0 without one.
    pub arm_width: f64,
    /// Direction of the arm, degrees from the rows' direction.
    pub arm_angle: f64,
    /// Fraction of the frame's pixels in the shadow.
    pub masked_fraction: f64,
}

impl BeamstopRecipe {
    /// Checks that beamstops can be drawn and do not hide the whole frame.
    ///
    /// # Errors
    /// [`Fault`] for the first key whose value cannot be used.
    pub fn check(&self, shape: Shape) -> Result<(), Fault> {
        check_probability("beamstop.probability", self.probability)?;
        check_probability("beamstop.square", self.square)?;
        check_probability("beamstop.arm", self.arm)?;
        self.radius.check("beamstop.radius", 0.0..=1e4)?;
        self.offset.check("beamstop.offset", -1e4..=1e4)?;
        self.arm_width.check("beamstop.arm_width", 0.0..=1e4)?;
        let half = shape[1].min(shape[2]) / 2;
        let reach = self.radius.hi + self.offset.lo.abs().max(self.offset.hi.abs());
        if self.probability > 0.0 && reach >= half as f64 {
            let problem =
                format!("radius and offset reach {reach} pixels, but the edge is {half} pixels from the centre");
            return fault("beamstop.radius", problem);
        }
        Ok(())
    }

    /// Draws the shadow in a frame of a pattern of this shape, with the bit SHADOWED, and describes
    /// it.
    pub fn draw(&self, shape: Shape, rng: &mut Rng) -> (Array2<u32>, BeamstopDescription) {
        let mut mask = Array2::zeros([shape[1], shape[2]]);
        let mut description = BeamstopDescription {
            kind: "none",
            radius: f64::NAN,
            offset_y: f64::NAN,
            offset_x: f64::NAN,
            arm_width: 0.0,
            arm_angle: f64::NAN,
            masked_fraction: 0.0,
        };
        if !happens(self.probability, rng) {
            return (mask, description);
        }
        let radius = self.radius.uniform(rng);
        let offset = [(); 2].map(|()| self.offset.uniform(rng));
        let middle = [(shape[1] / 2) as f64 + offset[0], (shape[2] / 2) as f64 + offset[1]];
        let square = happens(self.square, rng);
        if square {
            let first = middle.map(|m| (m - radius).ceil());
            let extent = [0, 1].map(|axis| ((middle[axis] + radius).floor() - first[axis] + 1.0).max(0.0) as usize);
            shapes::rectangle(&mut mask.view_mut(), first.map(|i| i as isize), extent, bit::SHADOWED);
        } else {
            shapes::disc(&mut mask.view_mut(), middle, radius, bit::SHADOWED);
        }
        if happens(self.arm, rng) {
            // Arms come in along the rows or the columns, give or take the care they were mounted
            // with.
            let quarter = ParameterRange::new(0.0, 3.0).integer(rng) as f64;
            description.arm_angle = 90.0 * quarter + ParameterRange::new(-20.0, 20.0).uniform(rng);
            description.arm_width = self.arm_width.uniform(rng).min(2.0 * radius);
            let angle = description.arm_angle.to_radians();
            shapes::bar(&mut mask.view_mut(), middle, angle, description.arm_width, bit::SHADOWED);
        }
        description.kind = if square { "square" } else { "round" };
        description.radius = radius;
        [description.offset_y, description.offset_x] = offset;
        description.masked_fraction = mask.iter().filter(|bits| **bits != 0).count() as f64 / mask.len() as f64;
        (mask, description)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    #[test]
    fn the_shadow_is_as_large_as_described() {
        let shape = [1, 96, 128];
        for (square, area) in [(0.0, std::f64::consts::PI), (1.0, 4.0)] {
            let recipe = BeamstopRecipe { probability: 1.0, arm: 0.0, square, ..Default::default() };
            let mut rng = Rng::seed_from_u64(3);
            let [mut shadowed, mut expected] = [0.0; 2];
            for _ in 0..400 {
                let (mask, description) = recipe.draw(shape, &mut rng);
                let found = mask.iter().filter(|bits| **bits == bit::SHADOWED).count() as f64;
                assert_eq!(found / mask.len() as f64, description.masked_fraction);
                shadowed += found;
                expected += area * description.radius.powi(2);
            }
            // Pixel counts of single shapes at random places scatter by a few of the 100; the mean
            // of 400 by 1 %.
            assert!((shadowed / expected - 1.0).abs() < 0.01, "{shadowed} {expected}");
        }
    }

    #[test]
    fn arms_reach_the_edge() {
        let recipe = BeamstopRecipe {
            probability: 1.0,
            arm: 1.0,
            arm_width: ParameterRange::new(2.0, 5.0),
            ..Default::default()
        };
        let mut rng = Rng::seed_from_u64(4);
        for _ in 0..50 {
            let (mask, description) = recipe.draw([1, 64, 64], &mut rng);
            let edge = mask.indexed_iter().filter(|((y, x), _)| [0, 63].contains(y) || [0, 63].contains(x));
            assert!(edge.filter(|(_, bits)| **bits != 0).count() >= 1, "{description:?}");
        }
    }

    #[test]
    fn faults_name_the_key() {
        let key = |change: fn(&mut BeamstopRecipe)| {
            let mut recipe = BeamstopRecipe::default();
            change(&mut recipe);
            recipe.check([1, 64, 64]).unwrap_err().key
        };
        assert!(BeamstopRecipe::default().check([1, 64, 64]).is_ok());
        assert_eq!(key(|recipe| recipe.probability = 2.0), "beamstop.probability");
        assert_eq!(key(|recipe| recipe.radius = ParameterRange::new(3.0, 32.0)), "beamstop.radius");
        assert_eq!(key(|recipe| recipe.arm_width = ParameterRange::new(3.0, 2.0)), "beamstop.arm_width");
        assert!(toml::from_str::<BeamstopRecipe>("radios = 3").is_err());
    }
}
