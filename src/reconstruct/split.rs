//! The resolution that the counts of one pattern support: two halves of them, phased apart.
//!
//! Every count goes into one half or the other by chance, so both halves are patterns as they would
//! have been measured in half the time, with independent noise. What their objects have in common
//! comes from the object. (Runs on the same data share its noise: their agreement says nothing of
//! it.)

use super::observer::{Event, Observer};
use super::phase::{BoundsCourse, PhasingStart, phase};
use crate::error::{Error, Result};
use crate::metrics::{self, Crossing, FscShell, RegistrationOptions, fsc_crossing};
use crate::pixels::{Estimate, Pattern};
use crate::settings::Settings;
use crate::volume::Centered;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Binomial, Distribution};

/// Seeds of the halves' runs are those of the whole's and so much more.
const SEEDS: u64 = 1_000_003;

/// Two halves of a pattern, phased apart.
pub struct SplitData {
    /// Fourier shell correlation of their objects.
    pub fsc: Vec<FscShell>,
    /// Its crossing with the half-bit threshold, not beyond where the photons end.
    pub crossing: Crossing,
    /// The same along each axis `(z, y, x)`; nothing along the thin axis of a frame.
    pub along: [Crossing; 3],
    /// Relative distance of the objects.
    pub distance: f64,
}

impl SplitData {
    /// Splits the counts by chance and phases both halves as the settings say.
    ///
    /// # Errors
    /// Those of [`phase()`]; [`Error::Interrupted`] where the observer stopped one of the halves.
    pub fn new(
        pattern: &Pattern,
        support: Option<&Centered<bool>>,
        bounds: BoundsCourse,
        settings: &Settings,
        end: Crossing,
        observer: &dyn Observer,
    ) -> Result<Self> {
        let mut objects = Vec::new();
        let mut settings = settings.clone();
        // Halves that begin at one object share its noise.
        settings.start.object = None;
        for (half, pattern) in halves(pattern, settings.ensemble.seed).into_iter().enumerate() {
            observer.observe(Event::Half(Some(half)));
            settings.ensemble.seed = settings.ensemble.seed.wrapping_add(SEEDS);
            let start = PhasingStart::new(&pattern, support, &settings)?;
            let ensemble = phase(&pattern, start, bounds, &settings, None, observer)?.ensemble;
            if ensemble.interrupted {
                return Err(Error::Interrupted);
            }
            objects.extend(ensemble.kept.into_iter().next().map(|run| run.object));
        }
        observer.observe(Event::Half(None));
        let options = RegistrationOptions { subpixel: true, ramp: !settings.recipe.positivity };
        let found = metrics::register(&objects[1], &objects[0], options)?;
        let fsc = metrics::fsc(&objects[0], &found.object)?;
        let crossing = fsc_crossing(&fsc).or_before(end);
        let mut along = [Crossing::Below; 3];
        for axis in (0..3).filter(|&axis| pattern.shape()[axis] > 1) {
            along[axis] = fsc_crossing(&metrics::fsc_along(&objects[0], &found.object, axis)?).or_before(end);
        }
        Ok(SplitData { fsc, crossing, along, distance: found.error })
    }
}

/// The counts of a pattern, each in one of two halves by chance.
fn halves(pattern: &Pattern, seed: u64) -> [Pattern; 2] {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut first = pattern.clone();
    let mut second = pattern.clone();
    for ((one, other), bits) in first.intensity.0.iter_mut().zip(&mut second.intensity.0).zip(&pattern.mask.0) {
        if *bits == 0 {
            let counts = one.max(0.0).round();
            // A probability of one half is one that there is.
            let half = Binomial::new(counts as u64, 0.5).map_or(0.0, |half| half.sample(&mut rng) as f32);
            (*one, *other) = (half, counts - half);
        }
    }
    let halved = |array: &Centered<f32>| array.map(|&value| value / 2.0);
    for half in [&mut first, &mut second] {
        half.estimate = pattern.estimate.as_ref().map(|estimate| Estimate {
            mean: halved(&estimate.mean),
            lower: halved(&estimate.lower),
            upper: halved(&estimate.upper),
            ..estimate.clone()
        });
    }
    [first, second]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::Geometry;

    #[test]
    fn halves_are_independent_and_sum_to_the_whole() {
        let shape = [1, 60, 60];
        let intensity = Centered::filled(shape, 9.0);
        let mut mask = Centered::filled(shape, 0);
        mask.0[[0, 3, 3]] = crate::pixels::bit::MISSING;
        let pattern = Pattern::new(intensity, mask, Geometry::default()).unwrap();
        let [one, other] = halves(&pattern, 1);
        let pairs =
            || one.intensity.0.iter().zip(&other.intensity.0).zip(&pattern.mask.0).filter(|(_, bits)| **bits == 0);
        assert!(pairs().all(|((a, b), _)| a + b == 9.0 && a.fract() == 0.0));
        // Binomial: mean n/2, variance n/4.
        let count = pairs().count() as f32;
        let mean = pairs().map(|((a, _), _)| a).sum::<f32>() / count;
        let variance = pairs().map(|((a, _), _)| (a - mean).powi(2)).sum::<f32>() / count;
        assert!((mean - 4.5).abs() < 0.1 && (variance - 2.25).abs() < 0.2, "{mean} {variance}");
    }
}
