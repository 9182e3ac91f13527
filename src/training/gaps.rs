//! Gaps that are cut into patches while training, so that one set of weights learns them all.

use crate::error::{Error, Result};
use crate::simulate::shapes;
use ndarray::{Array2, Array3, Axis};
use rand::Rng as _;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

/// Section `[gaps]` of a training recipe: what is cut out of a patch in addition to what its
/// detector hides.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TrainingGapRecipe {
    /// Smallest and largest width of slabs and crosses, pixels; narrow ones are more frequent
    /// (uniform in the logarithm).
    pub width: [usize; 2],
    /// Probability that nothing is cut: only what the detector hides is missing.
    pub none: f64,
    /// Probability of two crossing slabs.
    pub cross: f64,
    /// Probability of a second, parallel slab.
    pub second: f64,
    /// Probability of a disc or a rectangle instead of a slab: the edge of a beamstop or a dead
    /// region.
    pub hole: f64,
    /// Probability of chip lines, one or two pixels wide.
    pub lines: f64,
    /// Probability of single dead pixels.
    pub dead: f64,
    /// Probability that the middle of a slab lies in the middle half of the patch and not anywhere.
    pub central: f64,
    /// Probability that slabs lie at the brightest pixel of the patch: over it, or no farther from
    /// it than they are wide. Before `central`.
    pub peak: f64,
}

impl Default for TrainingGapRecipe {
    fn default() -> Self {
        Self {
            width: [2, 16],
            none: 0.1,
            cross: 0.25,
            second: 0.1,
            hole: 0.15,
            lines: 0.15,
            dead: 0.2,
            central: 0.7,
            peak: 0.0,
        }
    }
}

/// Largest fraction of a patch that may be missing.
const MISSING: f64 = 0.8;
/// Number of tries to keep below that.
const TRIES: usize = 20;

impl TrainingGapRecipe {
    /// Checks that gaps can be drawn for patches of `size` pixels.
    ///
    /// # Errors
    /// [`Error::Setting`] for the first key whose value cannot be used.
    pub fn check(&self, size: usize) -> Result<()> {
        let [least, most] = self.width;
        if least == 0 || least > most || most >= size {
            let problem = format!("smallest and largest width, from 1 to less than the patch's {size}");
            return Err(Error::setting("gaps.width", format!("{least}, {most}"), problem));
        }
        for (name, value) in [
            ("none", self.none),
            ("cross", self.cross),
            ("second", self.second),
            ("hole", self.hole),
            ("lines", self.lines),
            ("dead", self.dead),
            ("central", self.central),
            ("peak", self.peak),
        ] {
            if !(0.0..=1.0).contains(&value) {
                return Err(Error::setting(&format!("gaps.{name}"), value, "a probability, 0 to 1"));
            }
        }
        Ok(())
    }

    /// Marks pixels of `known` as missing: at least one, and so few that the rest can be learned
    /// from. `brightest` is the pixel at which gaps lie that are cut at the peak.
    pub fn cut(&self, known: &mut Array3<bool>, brightest: [usize; 3], rng: &mut ChaCha8Rng) {
        let limit = MISSING * known.len() as f64;
        for attempt in 0..TRIES {
            let none = attempt == 0 && rng.random_bool(self.none);
            let mut candidate = known.clone();
            if !none {
                self.cut_once(&mut candidate, brightest, rng);
            }
            let missing = candidate.iter().filter(|known| !**known).count();
            if missing > 0 && (missing as f64) <= limit {
                *known = candidate;
                return;
            }
        }
        // Patches that are nearly all gap already stay as they are; others have a dead pixel.
        if known.iter().all(|&known| known) {
            let at = std::array::from_fn(|axis| rng.random_range(0..known.shape()[axis]));
            known[at] = false;
        }
    }

    /// A gap in a plane, the same along the third axis, whichever that is.
    fn cut_once(&self, known: &mut Array3<bool>, brightest: [usize; 3], rng: &mut ChaCha8Rng) {
        let axis = if known.len_of(Axis(0)) == 1 { Axis(0) } else { Axis(rng.random_range(0..3)) };
        let plane = known.index_axis(axis, 0);
        let mut cut = Array2::<u32>::zeros(plane.raw_dim());
        let extents = [cut.nrows(), cut.ncols()];
        let frame = &mut cut.view_mut();
        let across: Vec<usize> = (0..3).filter(|&a| a != axis.index()).map(|a| brightest[a]).collect();
        let side = rng.random_range(0..2);
        let kind: f64 = rng.random();
        if kind < self.hole {
            let centre = extents.map(|n| rng.random_range(0.0..n as f64));
            let radius = rng.random_range(0.7..extents[0] as f64 / 3.0);
            if rng.random() {
                shapes::disc(frame, centre, radius, 1);
                if rng.random_bool(0.3) {
                    let angle = rng.random_range(0.0..std::f64::consts::TAU);
                    shapes::bar(frame, centre, angle, (0.7 * radius).max(1.0), 1);
                }
            } else {
                let ratio = rng.random_range(0.5_f64..2.0).sqrt();
                let half = [radius * ratio, radius / ratio];
                let first = [0, 1].map(|a| (centre[a] - half[a]).round() as isize);
                shapes::rectangle(frame, first, half.map(|half| (2.0 * half).round().max(1.0) as usize), 1);
            }
        } else if kind < self.hole + self.lines {
            for _ in 0..rng.random_range(1..=3) {
                let side = rng.random_range(0..2);
                let width = rng.random_range(1..=2);
                shapes::slab(frame, side, rng.random_range(0..extents[side]) as isize, width, 1);
            }
        } else {
            let width = self.width(rng);
            let at_peak = self.peak > 0.0 && rng.random_bool(self.peak);
            let target = |side: usize| at_peak.then_some(across[side]);
            let first = self.first(extents[side], width, target(side), rng);
            shapes::slab(frame, side, first, width, 1);
            let more: f64 = rng.random();
            if more < self.cross {
                let width = if rng.random() { width } else { self.width(rng) };
                let first = self.first(extents[1 - side], width, target(1 - side), rng);
                shapes::slab(frame, 1 - side, first, width, 1);
            } else if more < self.cross + self.second {
                let away = (width + rng.random_range(4..=extents[side].max(5) / 2 + 4)) as isize;
                shapes::slab(frame, side, if rng.random() { first + away } else { first - away }, width, 1);
            }
        }
        for mut plane in known.axis_iter_mut(axis) {
            plane.zip_mut_with(&cut, |known, &cut| *known &= cut == 0);
        }
        if rng.random_bool(self.dead) {
            let fraction = 10_f64.powf(rng.random_range(-3.0..-1.3));
            known.iter_mut().for_each(|known| *known &= !rng.random_bool(fraction));
        }
    }

    fn width(&self, rng: &mut ChaCha8Rng) -> usize {
        let [least, most] = self.width;
        let log = rng.random_range((least as f64).ln()..=((most + 1) as f64).ln());
        (log.exp() as usize).clamp(least, most)
    }

    /// First pixel of a slab, which lies at pixel `peak` if there is one.
    fn first(&self, extent: usize, width: usize, peak: Option<usize>, rng: &mut ChaCha8Rng) -> isize {
        let n = extent as f64;
        let middle = match peak {
            Some(peak) => peak as f64 + 0.5 + width as f64 * rng.random_range(-1.5..1.5),
            None if rng.random_bool(self.central) => rng.random_range(0.25 * n..0.75 * n),
            None => rng.random_range(0.0..n),
        };
        (middle - width as f64 / 2.0).round() as isize
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    #[test]
    fn gaps_leave_enough_and_take_something() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        for shape in [[1, 32, 32], [32, 32, 32]] {
            let mut missing = 0;
            for _ in 0..200 {
                let mut known = Array3::from_elem(shape, true);
                TrainingGapRecipe::default().cut(&mut known, [0; 3], &mut rng);
                let cut = known.iter().filter(|known| !**known).count();
                assert!(cut > 0 && cut as f64 <= MISSING * known.len() as f64);
                missing += cut;
            }
            let part = missing as f64 / 200.0 / shape.iter().product::<usize>() as f64;
            assert!((0.1..0.5).contains(&part), "{part}");
        }
    }

    #[test]
    fn a_patch_that_is_nearly_all_gap_is_left_alone() {
        let mut known = Array3::from_elem((1, 8, 8), false);
        known[[0, 0, 0]] = true;
        let before = known.clone();
        TrainingGapRecipe { width: [2, 4], ..Default::default() }.cut(
            &mut known,
            [0; 3],
            &mut ChaCha8Rng::seed_from_u64(2),
        );
        assert_eq!(known, before);
    }

    #[test]
    fn gaps_at_the_peak_are_no_farther_from_it_than_wide() {
        let recipe = TrainingGapRecipe {
            width: [4, 4],
            none: 0.0,
            cross: 0.0,
            second: 0.0,
            hole: 0.0,
            lines: 0.0,
            dead: 0.0,
            peak: 1.0,
            ..Default::default()
        };
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let mut covered = 0;
        for _ in 0..100 {
            let mut known = Array3::from_elem((1, 32, 32), true);
            recipe.cut(&mut known, [0, 9, 21], &mut rng);
            let distance = |side: usize, pixel: usize| {
                let line = known.lanes(Axis(side)).into_iter().next().unwrap();
                line.iter().enumerate().filter(|(_, known)| !**known).map(|(i, _)| i.abs_diff(pixel)).min()
            };
            // A slab of rows leaves some of the first column.
            let rows = known.index_axis(Axis(2), 0).iter().filter(|known| !**known).count();
            let nearest = if (1..32).contains(&rows) { distance(1, 9) } else { distance(2, 21) };
            assert!(nearest.unwrap() <= 4, "{nearest:?}");
            covered += usize::from(nearest == Some(0));
        }
        assert!((15..60).contains(&covered), "{covered}");
    }
}
