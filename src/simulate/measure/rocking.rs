//! Imperfections of a rocking curve: frames off their nominal places, and a beam that is not
//! steady.

use crate::simulate::draw::{Fault, ParameterRange, Rng, check_probability, happens, normal};
use serde::{Deserialize, Serialize};

/// Recipe of a rocking curve's imperfections, section `[measurement.rocking]`; without effect in
/// 2D.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RockingRecipe {
    /// Probability that the steps are uneven.
    pub uneven: f64,
    /// Standard deviation of a frame's place, in steps.
    pub jitter: ParameterRange,
    /// Probability that the incident flux drifts.
    pub drifting: f64,
    /// Largest deviation of the flux from its mean, relative.
    pub drift: ParameterRange,
}

impl Default for RockingRecipe {
    fn default() -> Self {
        RockingRecipe {
            uneven: 0.3,
            jitter: ParameterRange::new(0.0, 0.3),
            drifting: 0.3,
            drift: ParameterRange::new(0.0, 0.2),
        }
    }
}

impl RockingRecipe {
    pub(super) fn check(&self) -> Result<(), Fault> {
        let key = |name: &str| format!("measurement.rocking.{name}");
        check_probability(&key("uneven"), self.uneven)?;
        self.jitter.check(&key("jitter"), 0.0..=2.0)?;
        check_probability(&key("drifting"), self.drifting)?;
        self.drift.check(&key("drift"), 0.0..=0.9)
    }

    /// Draws for each frame its distance from its nominal place, in steps, and the flux, relative
    /// to the mean.
    pub(super) fn draw(&self, frames: usize, rng: &mut Rng) -> (Vec<f64>, Vec<f64>) {
        let (mut offsets, mut flux) = (vec![0.0; frames], vec![1.0; frames]);
        if frames > 1 && happens(self.uneven, rng) {
            let jitter = self.jitter.uniform(rng);
            offsets.fill_with(|| jitter * normal(rng));
        }
        if frames > 1 && happens(self.drifting, rng) {
            let drift = self.drift.uniform(rng);
            let course = if happens(0.5, rng) { walk(frames, rng) } else { wave(frames, rng) };
            let mean = course.iter().sum::<f64>() / frames as f64;
            let largest = course.iter().fold(0.0, |largest: f64, value| largest.max((value - mean).abs()));
            if largest > 0.0 {
                flux = course.iter().map(|value| 1.0 + drift * (value - mean) / largest).collect();
            }
        }
        (offsets, flux)
    }
}

/// A random walk that keeps its direction for some five frames.
fn walk(frames: usize, rng: &mut Rng) -> Vec<f64> {
    let (mut step, mut place) = (0.0, 0.0);
    (0..frames)
        .map(|_| {
            step = 0.8 * step + normal(rng);
            place += step;
            place
        })
        .collect()
}

/// A piece of a sinusoid: a third of a period to three of them.
fn wave(frames: usize, rng: &mut Rng) -> Vec<f64> {
    let periods = ParameterRange::new(0.3, 3.0).log_uniform(rng);
    let phase = ParameterRange::new(0.0, std::f64::consts::TAU).uniform(rng);
    (0..frames).map(|z| (std::f64::consts::TAU * periods * z as f64 / frames as f64 + phase).sin()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    #[test]
    fn jitter_and_drift_are_as_large_as_drawn() {
        let [jitter, drift] = [0.3, 0.2].map(|value| ParameterRange::new(value, value));
        let recipe = RockingRecipe { uneven: 1.0, jitter, drifting: 1.0, drift };
        let mut rng = Rng::seed_from_u64(1);
        let mut squares = 0.0;
        for _ in 0..100 {
            let (offsets, flux) = recipe.draw(64, &mut rng);
            squares += offsets.iter().map(|offset| offset * offset).sum::<f64>();
            let largest = flux.iter().fold(0.0, |largest: f64, value| largest.max((value - 1.0).abs()));
            // Rounding.
            assert!((largest - 0.2).abs() < 1e-12);
            assert!((flux.iter().sum::<f64>() / 64.0 - 1.0).abs() < 1e-12);
            let roughest = flux.windows(2).fold(0.0, |largest: f64, pair| largest.max((pair[1] - pair[0]).abs()));
            // Half of the whole range from one frame to the next would be no drift.
            assert!(roughest < 0.2, "the beam jumps by {roughest}");
        }
        // 6400 numbers: the standard deviation of their mean square is 1.8 %; five of them.
        assert!((squares / 6400.0 / 0.09 - 1.0).abs() < 0.09, "{squares}");
    }

    #[test]
    fn a_single_frame_is_where_it_should_be() {
        let recipe = RockingRecipe { uneven: 1.0, drifting: 1.0, ..Default::default() };
        assert_eq!(recipe.draw(1, &mut Rng::seed_from_u64(2)), (vec![0.0], vec![1.0]));
    }
}
