//! Averages of the best runs: last runs that begin there, and the result.
//!
//! What is wrong in a run that found its object differs from run to run: stripes, vortices, noise
//! that HIO amplified (J. R. Fienup and C. C. Wackerman, J. Opt. Soc. Am. A 3, 1897 (1986)). What is
//! right agrees. So the average of the runs that agree with the best is nearer to the object than any
//! of them, and a few quiet cycles from there bring it back to the data. [`Fit::score`](super::Fit::score)
//! decides whether its outcome is better than the runs that it came from.
//!
//! Whatever a run ends at, what the data leave open differs from run to run, above all behind a gap: the
//! average of those that have the same object, last ones among them, is the result of a frame. Cycles from there
//! would only draw what is open anew (docs/benchmarks/search.md).

use super::run::{Run, RunSettings};
use super::support::Cut;
use crate::error::Result;
use crate::metrics::{RegistrationOptions, register};
use crate::volume::Centered;
use num_complex::Complex32;

/// Runs agree where they differ from the best by less than this fraction of it: two objects of which
/// one is the twin, or a mixture with it, differ by more.
const AGREE: f64 = 0.5;

/// Runs that differ from the best by less have the same object, if another share of what is hidden: of
/// two objects that have nothing in common one is off by nearly 1 of the other, scaled as suits it best.
const RELATED: f64 = 0.7;

/// Runs that must agree for their variance, or their average, to say something.
const ENOUGH: usize = 3;

/// Recipe of the last runs: no HIO, which would amplify noise again.
pub const RECIPE: &str = "ER**100,RAAR**200,beta=0.8,ER**100";

/// Cycles between two refinements of the PSF's kernel in a last run that looks for one.
pub const PSF_PERIOD: usize = 25;

/// The plan of the last runs.
#[derive(Debug, Clone)]
pub struct AveragePlan {
    /// Most runs that are averaged.
    pub members: usize,
    /// Settings of each of the last runs, all of which begin at the average.
    pub runs: Vec<RunSettings>,
}

/// Groups of runs from whose averages last runs begin. Where a blur is part of the model only in
/// these, the best run before them need not be the one that found the object.
pub(super) const GROUPS: usize = 3;

/// Runs whose scores are worse by more than this factor begin no group.
const WORTH: f64 = 2.0;

/// Runs that agree with the best of them, where a last run begins.
pub(super) struct Group {
    /// Average of them.
    pub mean: Centered<Complex32>,
    /// Number of them.
    pub count: usize,
    /// Support, seed and cut of the best of them.
    pub support: Centered<bool>,
    pub seed: u64,
    pub cut: Cut,
}

/// The best run with those that agree with it, the best of the others with those that agree with
/// that, and so on.
///
/// # Errors
/// If an object is not finite.
pub(super) fn groups(runs: &[Run]) -> Result<Vec<Group>> {
    let most = runs.first().map_or(0.0, |best| WORTH * best.fit.score());
    let mut rest: Vec<&Run> = runs.iter().filter(|run| run.fit.score() <= most).collect();
    let mut groups = Vec::new();
    while let (Some(&best), true) = (rest.first(), groups.len() < GROUPS) {
        let Comparison { mean, agreeing, .. } = compare(best, &rest, None)?;
        groups.push(Group {
            mean,
            count: agreeing.len().max(1),
            support: best.support.clone(),
            seed: best.seed,
            cut: best.cut,
        });
        rest.retain(|run| run.number != best.number && !agreeing.contains(&run.number));
    }
    Ok(groups)
}

/// Runs compared with one object.
pub(super) struct Comparison {
    /// Average of those that agree with it.
    pub mean: Centered<Complex32>,
    /// Numbers of them.
    pub agreeing: Vec<usize>,
    /// Variance of them about it at each pixel, photons; nothing where fewer than three agree.
    pub spread: Option<Centered<f32>>,
    /// Relative distance of each run from it, in their order, but for those from its own seed.
    pub distances: Vec<f64>,
}

impl Comparison {
    /// The variance of the runs in the frame of another, the one that became the best.
    ///
    /// # Errors
    /// If an object is not finite.
    pub fn spread_about(&self, best: &Run) -> Result<Option<Centered<f32>>> {
        let Some(spread) = &self.spread else { return Ok(None) };
        Ok(Some(register(&self.mean, &best.object, OPTIONS)?.moved(spread)))
    }
}

/// Both were fitted to the same pattern: neither has a ramp that the other lacks.
const OPTIONS: RegistrationOptions = RegistrationOptions { subpixel: true, ramp: false };

/// Compares runs with the object of one, which may be among them. Those that agree with it go into
/// `objects`, in register with it.
///
/// # Errors
/// If an object is not finite.
pub(super) fn compare(
    best: &Run,
    runs: &[&Run],
    mut objects: Option<&mut Vec<Centered<Complex32>>>,
) -> Result<Comparison> {
    let mut mean = Centered::filled(best.object.shape(), Complex32::ZERO);
    let mut squares = Centered::filled(best.object.shape(), 0.0f32);
    let (mut agreeing, mut distances) = (Vec::new(), Vec::new());
    for run in runs {
        let found = register(&run.object, &best.object, OPTIONS)?;
        if run.seed != best.seed {
            distances.push(found.error);
        }
        if found.error < AGREE {
            mean.0 += &found.object.0;
            squares.0.zip_mut_with(&found.object.0, |sum, value| *sum += value.norm_sqr());
            agreeing.push(run.number);
            if let Some(objects) = &mut objects {
                objects.push(found.object);
            }
        }
    }
    if agreeing.is_empty() {
        // Its last run went far from where it began: alone it is its own average.
        return Ok(Comparison { mean: best.object.clone(), agreeing, spread: None, distances });
    }
    let count = agreeing.len() as f32;
    mean.0.mapv_inplace(|value| value / count);
    let spread = (agreeing.len() >= ENOUGH).then(|| {
        squares.0.zip_mut_with(&mean.0, |sum, mean| {
            *sum = ((*sum - count * mean.norm_sqr()) / (count - 1.0)).max(0.0);
        });
        squares
    });
    Ok(Comparison { mean, agreeing, spread, distances })
}

/// The best run, which comes first, and all that have the same object averaged, with their number; nothing
/// where too few of those from random starts have it: a last run is better than the two that it began from.
/// Each takes part as far as it is correlated with the best, and as its score is to that of the best.
///
/// # Errors
/// If an object is not finite.
pub(super) fn related(runs: &[Run]) -> Result<Option<(Centered<Complex32>, usize)>> {
    let Some((best, others)) = runs.split_first() else { return Ok(None) };
    let (mut mean, mut total, mut count) = (best.object.clone(), 1.0, 1);
    let mut random = usize::from(best.average_of == 0);
    for run in others {
        let found = register(&run.object, &best.object, OPTIONS)?;
        if found.error < RELATED {
            let weight = (best.fit.score() / run.fit.score()).min(1.0);
            let scale = (weight * found.scale) as f32;
            mean.0.zip_mut_with(&found.object.0, |sum, value| *sum += value * scale);
            (total, count) = (total + weight, count + 1);
            random += usize::from(run.average_of == 0);
        }
    }
    mean.0.mapv_inplace(|value| value / total as f32);
    Ok((random >= ENOUGH).then_some((mean, count)))
}

#[cfg(test)]
mod tests {
    use super::super::start::Draws;
    use super::super::testing::Case;
    use super::*;

    #[test]
    fn runs_with_the_same_object_are_averaged() {
        let even = Case::behind_a_gap(|_, _| Complex32::new(30.0, 0.0)).run;
        let noisy = |seed: u64| {
            let mut draws = Draws::new(seed);
            let mut run = even.clone();
            run.object.0.mapv_inplace(|value| {
                let noise = Complex32::new(draws.between([-15.0, 15.0]), draws.between([-15.0, 15.0]));
                if value.norm() > 0.0 { value + noise } else { value }
            });
            run
        };
        let off = |object: &Centered<Complex32>| register(object, &even.object, OPTIONS).unwrap().error;
        // Something else: a few bright pixels.
        let mut other = even.clone();
        other.object.0.indexed_iter_mut().for_each(|((_, y, x), value)| {
            *value *= if (7 * y + 5 * x) % 23 == 0 { 100.0 } else { 0.01 };
        });
        let runs = [noisy(1), noisy(2), other, noisy(3), noisy(4)];
        let (mean, count) = related(&runs).unwrap().unwrap();
        assert_eq!(count, 4);
        assert!(off(&mean) < 0.65 * off(&runs[0].object), "{} {}", off(&mean), off(&runs[0].object));
        assert!(related(&runs[1..3]).unwrap().is_none() && related(&[]).unwrap().is_none());
    }

    #[test]
    fn runs_that_agree_make_a_group_and_others_their_own() {
        let even = Case::behind_a_gap(|_, _| Complex32::new(30.0, 0.0)).run;
        let steps = |y: usize, x: usize| Complex32::new(if y < 32 || x < 30 { 4.0 } else { 40.0 }, 0.0);
        let stepped = Case::behind_a_gap(steps).run;
        let numbered = |number: usize, run: &Run| Run { number, seed: number as u64, ..run.clone() };
        // The same object, turned in its phase.
        let mut turned = numbered(2, &even);
        turned.object.0.mapv_inplace(|value| value * Complex32::from_polar(1.0, 0.7));
        let runs = [numbered(0, &even), numbered(1, &stepped), turned, numbered(3, &even), numbered(4, &stepped)];
        let groups = groups(&runs).unwrap();
        assert_eq!(groups.iter().map(|group| (group.seed, group.count)).collect::<Vec<_>>(), [(0, 3), (1, 2)]);
        let off = register(&groups[0].mean, &even.object, OPTIONS).unwrap().error;
        assert!(off < 1e-3, "{off}");

        let all: Vec<&Run> = runs.iter().collect();
        let mut objects = Vec::new();
        let comparison = compare(&runs[0], &all, Some(&mut objects)).unwrap();
        assert_eq!(objects.len(), 3);
        assert_eq!(comparison.agreeing, [0, 2, 3]);
        assert_eq!(comparison.distances.len(), 4, "its own seed says nothing");
        assert!(comparison.spread.is_some() && compare(&runs[1], &all, None).unwrap().spread.is_none());
    }
}
