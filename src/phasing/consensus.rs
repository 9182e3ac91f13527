//! Which of the best runs is taken.
//!
//! Of runs that fit the data alike, the one is right that others found too: from independent starts
//! there are many ways to be wrong and few to be right. So the best runs are ordered by how well they
//! fit, and by how far they are from their neighbours. `docs/benchmarks/search.md` has what that gains.

use super::ensemble::Ensemble;
use super::run::Run;
use crate::error::Result;
use crate::metrics::mutual_distances;

/// Measures how far each of the best runs is from the nearer half of the others, and orders them, best
/// first.
///
/// # Errors
/// [`Error::Shape`](crate::error::Error::Shape) for runs of different patterns.
pub(super) fn agree(ensemble: &mut Ensemble) -> Result<()> {
    let objects: Vec<_> = ensemble.kept.iter().map(|run| &run.object).collect();
    let distances = mutual_distances(&objects)?;
    for (index, run) in ensemble.kept.iter_mut().enumerate() {
        let mut others = distances.row(index).to_vec();
        others.remove(index);
        others.sort_by(f64::total_cmp);
        let half = &others[..others.len().div_ceil(2)];
        run.apart = (!half.is_empty()).then(|| half.iter().sum::<f64>() / half.len() as f64);
        if let Some(line) = ensemble.all.iter_mut().find(|line| line.number == run.number) {
            line.apart = run.apart;
        }
    }
    order(&mut ensemble.kept);
    Ok(())
}

/// Orders runs, best first.
pub(super) fn order(runs: &mut [Run]) {
    runs.sort_by(|a, b| a.rank().total_cmp(&b.rank()));
}

impl Run {
    /// What the best runs are ordered by, smallest first: the distance from the nearer half of the
    /// others, times the root of the support and both log-likelihoods.
    pub fn rank(&self) -> f64 {
        (self.fit.score() * self.fit.llk_poisson).max(0.0).sqrt() * self.apart.unwrap_or(1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::Case;
    use super::*;
    use num_complex::Complex32;

    #[test]
    fn of_runs_that_fit_alike_the_one_is_taken_that_others_found() {
        let even = Case::behind_a_gap(|_, _| Complex32::new(30.0, 0.0)).run;
        let steps = |y: usize, x: usize| Complex32::new(if y < 32 || x < 30 { 4.0 } else { 40.0 }, 0.0);
        let alone = Case::behind_a_gap(steps).run;
        let numbered = |number: usize, run: &Run, factor: f64| {
            let mut run = Run { number, ..run.clone() };
            (run.fit.llk_poisson, run.fit.free_llk_poisson) = (factor, Some(factor));
            // No two are alike to the last digit.
            run.object.0.mapv_inplace(|value| value + Complex32::new(0.1 * (number as f32).sin(), 0.0));
            run
        };
        let all = |fit_of_the_lonely: f64| {
            let mut ensemble = Ensemble::default();
            ensemble.kept.push(numbered(0, &alone, fit_of_the_lonely));
            ensemble.kept.extend((1..5).map(|number| numbered(number, &even, 1.0 + 0.01 * number as f64)));
            agree(&mut ensemble).unwrap();
            ensemble.kept.iter().map(|run| run.number).collect::<Vec<_>>()
        };
        assert_eq!(all(0.9), [1, 2, 3, 4, 0]);
        assert_eq!(all(1e-4)[0], 0, "unless nothing else explains the data");

        let mut single = Ensemble::default();
        single.kept.push(even);
        agree(&mut single).unwrap();
        assert_eq!(single.kept[0].apart, None);
    }
}
