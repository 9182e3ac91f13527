//! Photons that the sample did not diffract: air scatter, powder rings, diffuse scattering around
//! the peak.

use crate::simulate::draw::{Fault, ParameterRange, Rng, check_probability, happens};
use crate::simulate::weights::{check_weights, choose};
use crate::volume::Shape;
use ndarray::{Array2, Array3};
use serde::{Deserialize, Serialize};

/// Recipe of the background, section `[measurement.background]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BackgroundRecipe {
    /// Probability that there is one.
    pub probability: f64,
    /// Weights of the kinds.
    pub kinds: BackgroundKinds,
    /// Photons per pixel and frame, log-uniform: the mean of flat and sloping backgrounds, the
    /// crest of a ring.
    pub level: ParameterRange,
    /// The level is lowered until the background holds at most this fraction of the pattern's
    /// photons.
    pub limit: f64,
    /// Width (standard deviation) of a ring, pixels.
    pub ring_width: ParameterRange,
    /// Photons of diffuse scattering as a fraction of the pattern's, log-uniform.
    pub diffuse_fraction: ParameterRange,
    /// Half width at half maximum of diffuse scattering, as a fraction of half the pattern.
    pub diffuse_width: ParameterRange,
}

/// Weights of the kinds of background, table `[measurement.background.kinds]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BackgroundKinds {
    /// Weight of a constant background.
    pub flat: f64,
    /// Weight of a background that rises along one direction of the frame.
    pub slope: f64,
    /// Weight of a piece of a powder ring.
    pub ring: f64,
    /// Weight of a broad peak around the diffraction: a Gaussian or a Lorentzian.
    pub diffuse: f64,
}

impl Default for BackgroundKinds {
    fn default() -> Self {
        BackgroundKinds { flat: 2.0, slope: 1.0, ring: 0.5, diffuse: 1.0 }
    }
}

impl Default for BackgroundRecipe {
    fn default() -> Self {
        BackgroundRecipe {
            probability: 0.7,
            kinds: BackgroundKinds::default(),
            level: ParameterRange::new(1e-3, 10.0),
            limit: 0.3,
            ring_width: ParameterRange::new(1.5, 12.0),
            diffuse_fraction: ParameterRange::new(1e-4, 0.05),
            diffuse_width: ParameterRange::new(0.05, 0.5),
        }
    }
}

/// Background of one pattern. Positions are pixels from the centre of the frame, (row, column).
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Background {
    /// No background at all.
    None,
    /// The same background everywhere.
    Flat {
        /// Photons per pixel.
        level: f64,
    },
    /// Background that rises along one direction.
    Slope {
        /// Mean photons per pixel.
        level: f64,
        /// Change from the centre to the border rows and columns, relative to the mean.
        gradient: [f64; 2],
    },
    /// A Gaussian annulus, the same in every frame.
    Ring {
        /// Photons per pixel on the crest.
        level: f64,
        /// Middle of the ring.
        centre: [f64; 2],
        /// Radius of the crest.
        radius: f64,
        /// Standard deviation across the crest.
        width: f64,
    },
    /// A broad peak around the diffraction.
    Diffuse {
        /// Photons as a fraction of the pattern's.
        fraction: f64,
        /// Half width at half maximum, as a fraction of half of each axis.
        width: f64,
        /// Lorentzian instead of Gaussian.
        lorentzian: bool,
        /// Middle relative to the pattern's centre, (z, y, x).
        centre: [f64; 3],
    },
}

impl BackgroundRecipe {
    pub(super) fn check(&self) -> Result<(), Fault> {
        let key = |name: &str| format!("measurement.background.{name}");
        let BackgroundKinds { flat, slope, ring, diffuse } = self.kinds;
        check_probability(&key("probability"), self.probability)?;
        check_weights(&key("kinds"), &[flat, slope, ring, diffuse])?;
        self.level.check(&key("level"), 1e-9..=1e6)?;
        ParameterRange::new(self.limit, self.limit).check(&key("limit"), 0.0..=1e3)?;
        self.ring_width.check(&key("ring_width"), 0.1..=1e4)?;
        self.diffuse_fraction.check(&key("diffuse_fraction"), 1e-9..=10.0)?;
        self.diffuse_width.check(&key("diffuse_width"), 0.01..=10.0)
    }

    /// A background for a pattern of this shape with this number of photons, whose peak is `peak`
    /// away from the centre.
    pub(super) fn draw(&self, shape: Shape, photons: f64, peak: [f64; 3], rng: &mut Rng) -> Background {
        if !happens(self.probability, rng) {
            return Background::None;
        }
        let most = self.limit * photons / shape.iter().product::<usize>() as f64;
        let level = self.level.log_uniform(rng).min(most);
        let BackgroundKinds { flat, slope, ring, diffuse } = self.kinds;
        match choose(&[flat, slope, ring, diffuse], rng) {
            0 => Background::Flat { level },
            1 => {
                let (sine, cosine) = ParameterRange::new(0.0, std::f64::consts::TAU).uniform(rng).sin_cos();
                // Divided by the largest sum, in a corner: nowhere below 0.
                let steepness = ParameterRange::new(0.2, 1.0).uniform(rng) / (sine.abs() + cosine.abs());
                Background::Slope { level, gradient: [steepness * sine, steepness * cosine] }
            }
            2 => {
                let half = [shape[1], shape[2]].map(|extent| extent as f64 / 2.0);
                // The middle may be far outside of the frame; the ring passes a point inside.
                let centre = half.map(|half| half * ParameterRange::new(-3.0, 3.0).uniform(rng));
                let point = half.map(|half| half * ParameterRange::new(-1.0, 1.0).uniform(rng));
                let radius = (point[0] - centre[0]).hypot(point[1] - centre[1]);
                Background::Ring { level, centre, radius, width: self.ring_width.uniform(rng) }
            }
            _ => Background::Diffuse {
                fraction: self.diffuse_fraction.log_uniform(rng),
                width: self.diffuse_width.uniform(rng),
                lorentzian: happens(0.5, rng),
                centre: peak,
            },
        }
    }
}

impl Background {
    /// Kind of the background, as in recipes, or `none`.
    pub fn kind(&self) -> &'static str {
        match self {
            Background::None => "none",
            Background::Flat { .. } => "flat",
            Background::Slope { .. } => "slope",
            Background::Ring { .. } => "ring",
            Background::Diffuse { .. } => "diffuse",
        }
    }

    /// Photons per pixel (0 without a background), for diffuse scattering photons as a fraction of
    /// the pattern's.
    pub fn level(&self) -> f64 {
        match *self {
            Background::None => 0.0,
            Background::Flat { level } | Background::Slope { level, .. } | Background::Ring { level, .. } => level,
            Background::Diffuse { fraction, .. } => fraction,
        }
    }

    /// Adds itself to an intensity of `photons` photons.
    pub(super) fn add(&self, intensity: &mut Array3<f32>, photons: f64) {
        let (frames, rows, columns) = intensity.dim();
        let (middle_row, middle_column) = ((rows / 2) as f64, (columns / 2) as f64);
        match *self {
            Background::None => {}
            Background::Flat { level } => *intensity += level as f32,
            Background::Slope { level, gradient } => {
                // From -1 to 1 between the outer edges of the frame.
                let along = |i: usize, extent: usize| (2 * i + 1) as f64 / extent as f64 - 1.0;
                *intensity += &Array2::from_shape_fn([rows, columns], |(y, x)| {
                    (level * (1.0 + gradient[0] * along(y, rows) + gradient[1] * along(x, columns))).max(0.0) as f32
                });
            }
            Background::Ring { level, centre, radius, width } => {
                *intensity += &Array2::from_shape_fn([rows, columns], |(y, x)| {
                    let [dy, dx] = [y as f64 - middle_row - centre[0], x as f64 - middle_column - centre[1]];
                    (level * (-0.5 * ((dy.hypot(dx) - radius) / width).powi(2)).exp()) as f32
                });
            }
            Background::Diffuse { fraction, width, lorentzian, centre } => {
                let extents = [frames, rows, columns];
                // Squared distances in half widths, along each axis.
                let squared = [0, 1, 2].map(|axis| {
                    let (extent, half) = (extents[axis], width * extents[axis] as f64 / 2.0);
                    let at = |i: usize| ((i as f64 - (extent / 2) as f64 - centre[axis]) / half).powi(2);
                    (0..extent).map(at).collect::<Vec<f64>>()
                });
                let peak = Array3::from_shape_fn(extents, |(z, y, x)| {
                    let d = squared[0][z] + squared[1][y] + squared[2][x];
                    if lorentzian { 1.0 / (1.0 + d) } else { (-std::f64::consts::LN_2 * d).exp() }
                });
                let scale = fraction * photons / peak.sum().max(f64::MIN_POSITIVE);
                intensity.zip_mut_with(&peak, |value, peak| *value += (scale * peak) as f32);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    fn added(background: Background, shape: [usize; 3], photons: f64) -> Array3<f32> {
        let mut intensity = Array3::zeros(shape);
        background.add(&mut intensity, photons);
        assert!(intensity.iter().all(|value| *value >= 0.0));
        intensity
    }

    fn mean(array: &Array3<f32>) -> f64 {
        array.iter().map(|value| f64::from(*value)).sum::<f64>() / array.len() as f64
    }

    #[test]
    fn levels_are_as_drawn() {
        let shape = [3, 40, 50];
        assert!(added(Background::Flat { level: 0.25 }, shape, 0.0).iter().all(|value| *value == 0.25));
        let slope = added(Background::Slope { level: 2.0, gradient: [0.7, -0.3] }, shape, 0.0);
        // Rounding of f32 in 6000 values.
        assert!((mean(&slope) - 2.0).abs() < 1e-6 && slope[[1, 39, 0]] > 3.9 && slope[[1, 0, 49]] < 0.1);
        let ring = added(Background::Ring { level: 3.0, centre: [-60.0, 0.0], radius: 60.0, width: 2.0 }, shape, 0.0);
        assert_eq!(ring[[2, 20, 25]], 3.0);
        // Two standard deviations off the crest: exp(-2).
        assert!((f64::from(ring[[0, 24, 25]]) - 3.0 * (-2f64).exp()).abs() < 1e-6);
        assert_eq!(added(Background::None, shape, 1e9).sum(), 0.0);
    }

    #[test]
    fn diffuse_scattering_has_its_share_and_width() {
        for lorentzian in [false, true] {
            let background = Background::Diffuse { fraction: 0.01, width: 0.25, lorentzian, centre: [0.0, 2.0, 0.0] };
            let diffuse = added(background, [16, 32, 64], 1e6);
            // Rounding of f32.
            assert!((mean(&diffuse) * diffuse.len() as f64 / 1e4 - 1.0).abs() < 1e-6);
            let peak = diffuse[[8, 18, 32]];
            // Half of the height at a quarter of half of each axis.
            for half in [[10, 18, 32], [8, 22, 32], [8, 18, 40]] {
                assert!((diffuse[half] / peak - 0.5).abs() < 1e-6);
            }
        }
    }

    #[test]
    fn every_kind_is_drawn_within_its_limit() {
        let recipe =
            BackgroundRecipe { probability: 1.0, level: ParameterRange::new(10.0, 10.0), ..Default::default() };
        let mut rng = Rng::seed_from_u64(1);
        let drawn: Vec<Background> = (0..100).map(|_| recipe.draw([1, 32, 32], 1e3, [0.0; 3], &mut rng)).collect();
        for kind in ["flat", "slope", "ring", "diffuse"] {
            assert!(drawn.iter().any(|background| background.kind() == kind), "{kind}");
        }
        for background in drawn {
            let intensity = added(background, [1, 32, 32], 1e3);
            // At most 0.3 of a thousand photons, up to rounding of f32.
            assert!(mean(&intensity) * 1024.0 < 300.0 * (1.0 + 1e-6), "{background:?}");
            assert!(intensity.iter().any(|value| *value > 0.0), "{background:?}");
        }
    }
}
