//! The search for an object: rounds of runs, and what is made of the best of them.
//!
//! Four things find objects that single runs miss. Runs take turns with other settings, as within the
//! bounds of a fill that they leave before their end: where free pixels lead astray the fill leads to
//! the object, and the data decide. Later runs draw the areas of their supports about those of the best
//! earlier ones (`areas`). The best runs that agree are averaged into the start of a last one, and in
//! the end into the result ([`super::average`]). Where all that did not find the object, another round
//! of runs may follow.

use super::areas::{self, Areas};
use super::average;
use super::backend::{Backend, Start};
use super::ensemble::{Ensemble, EnsemblePlan, FirstSupport, Observer, Round, show_point};
use super::guided::{Search, guided};
use super::look::look;
use super::problem::Problem;
use super::run::{Draw, Point, RunOutcome, RunSettings};
use super::start::{Draws, autocorrelation};
use super::support::Cut;
use super::walk::walk;
use crate::error::{Error, Result};
use crate::volume::Cornered;
use std::ops::Range;
use std::time::Instant;

/// Runs the plan, all of it or what `begun` lacks of its runs. After each round but the last, `enough`
/// says whether what was found will do.
///
/// # Errors
/// [`Error::NoObject`] if no run is kept, [`Error::Interrupted`] if the observer stopped the search
/// for the first start, and failures of the device or of a start.
pub fn phase(
    backend: &mut dyn Backend,
    plan: &EnsemblePlan,
    begun: Ensemble,
    enough: &dyn Fn(&Ensemble) -> bool,
    observer: &mut dyn Observer,
) -> Result<Ensemble> {
    let mut runs = begun;
    runs.kept.retain(|run| run.average_of == 0);
    runs.all.retain(|run| run.average_of == 0);
    observer.so_far(&runs);
    // Runs of a later round were begun: those before it were not enough.
    let reached = runs.all.iter().map(|run| run.number + 1).max().unwrap_or(0);
    let mut first_last = plan.count();
    let mut before: Option<Ensemble> = None;
    for (round, numbers) in plan.numbered_rounds() {
        runs.round(round, numbers.clone(), plan, backend, observer)?;
        let last = numbers.end == plan.count() || runs.interrupted;
        if last || reached <= numbers.end {
            let mut concluded = if last { std::mem::take(&mut runs) } else { runs.clone() };
            concluded.conclude(first_last, plan, backend, observer)?;
            if let (true, Some(mut before)) = (concluded.interrupted, before.take()) {
                // What was made of the earlier rounds is worth more than what was left half done.
                before.interrupted = true;
                return Ok(before);
            }
            let nothing = concluded.kept.is_empty();
            if last || concluded.interrupted || !nothing && enough(&concluded) {
                return if nothing { Err(Error::NoObject { runs: concluded.all.len() }) } else { Ok(concluded) };
            }
            before = (!nothing).then_some(concluded);
        }
        // No two runs that an observer sees have one number.
        first_last += plan.most_last() + 1;
    }
    Err(Error::NoObject { runs: 0 })
}

/// The random numbers of run `index`, and where it starts.
fn draw(problem: &Problem, plan: &EnsemblePlan, areas: &Areas, index: usize, observer: &dyn Observer) -> Result<Draw> {
    let seed = plan.seed.wrapping_add(index as u64);
    let mut draws = Draws::new(seed);
    let threshold = draws.between(plan.threshold);
    let [least, most] = plan.first().support.fraction;
    let area = areas.draw(index, &mut draws);
    let cut = area.map_or(Cut::Threshold(threshold), |area| Cut::Area(area.max(least).min(most)));
    let random = |draws: &mut Draws, support: Cornered<bool>| Start {
        object: draws.object(&support, plan.start_phase, problem.photons),
        support,
    };
    let start = match &plan.support {
        FirstSupport::Given(support) => random(&mut draws, support.clone()),
        FirstSupport::Earlier(start) => (**start).clone(),
        FirstSupport::Autocorrelation { intensity, threshold } => {
            let support = autocorrelation(intensity, draws.between(*threshold))?;
            random(&mut draws, support)
        }
        FirstSupport::Guided { pattern, held_out, search, area } => {
            let search = Search { area: draws.between(*area), ..search.clone() };
            guided(pattern, held_out, &search, seed, &|done, of| observer.searched(done, of))?
        }
    };
    Ok(Draw { seed, cut, start })
}

impl Ensemble {
    /// Does the runs of a round that are not there yet.
    fn round(
        &mut self,
        round: &Round,
        numbers: Range<usize>,
        plan: &EnsemblePlan,
        backend: &mut dyn Backend,
        observer: &mut dyn Observer,
    ) -> Result<()> {
        let kinds = round.kinds.len();
        let size = backend.batch_size().max(1);
        for generation in areas::generations(numbers, plan.area_search) {
            let areas = Areas::after(&self.all, &generation, kinds);
            let done = |index: &usize| self.all.iter().any(|run| run.number == *index);
            let indices: Vec<usize> = generation.runs.clone().filter(|index| !done(index)).collect();
            for chunk in indices.chunks(size * kinds) {
                for (kind, settings) in round.kinds.iter().enumerate() {
                    let batch: Vec<usize> = chunk.iter().copied().filter(|index| index % kinds == kind).collect();
                    if !batch.is_empty() {
                        self.run(&batch, settings, &areas, plan, backend, observer)?;
                    }
                    if self.interrupted {
                        return Ok(());
                    }
                }
            }
        }
        Ok(())
    }

    /// What is made of the runs: last ones from averages of the best, numbered from `first` on, other
    /// ends of the best, how far they agree, and their average.
    fn conclude(
        &mut self,
        first: usize,
        plan: &EnsemblePlan,
        backend: &mut dyn Backend,
        observer: &mut dyn Observer,
    ) -> Result<()> {
        self.rescue();
        if let (Some(average), false) = (&plan.average, self.interrupted) {
            for group in average::groups(&self.kept)? {
                self.add_average(&group, average, first, plan, backend, observer)?;
            }
        }
        // Completing hidden modes leaves only the runs that it was done to.
        let before = if plan.completion.is_some() { self.comparison()? } else { None };
        if !self.interrupted {
            self.end(backend.problem(), plan, observer);
            observer.so_far(self);
        }
        let comparison = if plan.completion.is_some() { before } else { self.comparison()? };
        if let (Some(comparison), Some(best)) = (comparison, self.kept.first()) {
            self.spread = comparison.spread_about(best)?;
            // That runs agree which began at one object says nothing.
            match plan.support {
                FirstSupport::Earlier(_) => self.agreeing.clear(),
                _ => self.distances = comparison.distances,
            }
        }
        self.look = if plan.look && !self.interrupted { look(&self.kept) } else { None };
        let average = match plan.average {
            Some(_) if !self.interrupted => self.averaged(backend.problem(), plan, observer)?,
            _ => None,
        };
        self.truncate(plan.keep);
        if let Some(average) = average {
            self.put_first(average);
        }
        self.all.sort_by_key(|run| run.number);
        Ok(())
    }

    /// Runs a batch, all with these settings, and takes in its outcomes.
    fn run(
        &mut self,
        batch: &[usize],
        settings: &RunSettings,
        areas: &Areas,
        plan: &EnsemblePlan,
        backend: &mut dyn Backend,
        observer: &mut dyn Observer,
    ) -> Result<()> {
        observer.begin(batch, settings.recipe.cycles());
        let begun = Instant::now();
        let mut draws = Vec::new();
        for &index in batch {
            match draw(backend.problem(), plan, areas, index, observer) {
                Ok(draw) => draws.push(draw),
                // What earlier runs found is kept.
                Err(Error::Interrupted) if !self.kept.is_empty() => {
                    observer.reached(self, true);
                    self.interrupted = true;
                    return Ok(());
                }
                Err(error) => return Err(error),
            }
        }
        let searched = begun.elapsed().as_secs_f64() / draws.len() as f64;
        let mut observe =
            |run: usize, point: &Point, backend: &mut dyn Backend| show_point(observer, batch, run, point, backend);
        let outcomes = walk(backend, settings, draws, &mut observe)?;
        if outcomes.iter().any(RunOutcome::interrupted) {
            observer.reached(self, true);
        }
        for (&index, outcome) in batch.iter().zip(outcomes) {
            self.add(index, outcome, [searched, plan.noise], plan.keep.max(plan.members()));
            if let Some(summary) = self.all.last() {
                observer.end(index, summary);
            }
        }
        observer.so_far(self);
        if !self.interrupted {
            observer.reached(self, false);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::average::AveragePlan;
    use super::super::ensemble::score;
    use super::super::smooth::Smoothness;
    use super::*;
    use crate::geometry::Geometry;
    use crate::phasing::backend::GapConstraint;
    use crate::phasing::cpu::Batch;
    use crate::phasing::start::Form;
    use crate::phasing::support::SupportRule;
    use crate::pixels::Pattern;
    use crate::volume::{Centered, Shape};
    use std::sync::Arc;

    fn phased(recipe: &str, support: Cornered<bool>, change: impl FnOnce(&mut EnsemblePlan)) -> Result<Ensemble> {
        phased_by(3, recipe, support, change)
    }

    fn phased_by(
        size: usize,
        recipe: &str,
        support: Cornered<bool>,
        change: impl FnOnce(&mut EnsemblePlan),
    ) -> Result<Ensemble> {
        phased_from(Ensemble::default(), size, recipe, support, change, &|_| true)
    }

    fn phased_from(
        begun: Ensemble,
        size: usize,
        recipe: &str,
        support: Cornered<bool>,
        change: impl FnOnce(&mut EnsemblePlan),
        enough: &dyn Fn(&Ensemble) -> bool,
    ) -> Result<Ensemble> {
        let problem = problem(support.shape())?;
        let plan = phasing_plan(recipe, support, change)?;
        phase(&mut Batch::new(problem, size), &plan, begun, enough, &mut ())
    }

    fn problem(shape: Shape) -> Result<Arc<Problem>> {
        let mut field = Draws::new(1).object(&Form::Circle(4.0).support(shape), 1.0, 1e6);
        crate::fft::Fft::new(shape).forward(field.0.as_slice_mut().unwrap());
        let intensity = Cornered(field.0.mapv(|v| v.norm_sqr())).to_centered();
        let pattern = Pattern::new(intensity, Centered::filled(shape, 0), Geometry::default())?;
        Ok(Arc::new(Problem::new(&pattern, &Centered::filled(shape, false), false)?))
    }

    fn phasing_plan(
        recipe: &str,
        support: Cornered<bool>,
        change: impl FnOnce(&mut EnsemblePlan),
    ) -> Result<EnsemblePlan> {
        let run = RunSettings {
            recipe: recipe.parse()?,
            beta: 0.9,
            positivity: false,
            support: SupportRule::default(),
            smooth: [1.0, 0.5],
            threshold_end: None,
            gap_constraint: GapConstraint::default(),
            curve_interval: 5,
        };
        let mut plan = EnsemblePlan {
            completion: None,
            rounds: vec![Round { count: 3, kinds: vec![run] }],
            average: None,
            smoothness: Smoothness::default(),
            noise: 0.0,
            threshold: [0.2, 0.2],
            area_search: false,
            support: FirstSupport::Given(support),
            start_phase: 1.0,
            seed: 3,
            keep: 2,
            look: false,
        };
        change(&mut plan);
        Ok(plan)
    }

    #[test]
    fn nobody_need_observe_an_ensemble() {
        let found = phased("ER**10", Form::Circle(5.0).support([1, 32, 32]), |_| ()).unwrap();
        assert_eq!((found.kept.len(), found.all.len(), found.interrupted), (2, 3, false));
        assert!(score(&found.kept[0]) <= score(&found.kept[1]));
        assert!(found.all.iter().all(|run| run.fit.is_some()));
    }

    #[test]
    fn runs_that_are_not_kept_are_looked_at() {
        let looked = |look| {
            let support = Form::Circle(5.0).support([1, 32, 32]);
            let averaged = |plan: &mut EnsemblePlan| {
                plan.average = Some(AveragePlan { members: 3, runs: vec![plan.first().clone()] });
                (plan.look, plan.keep) = (look, 1);
            };
            let found = phased("ER**10", support, averaged).unwrap();
            assert_eq!(found.kept.len(), 1);
            found.look.map(|look| look.runs)
        };
        // Those that were averaged are there until the end.
        assert!(looked(true).is_some_and(|runs| runs > 3) && looked(false).is_none(), "{:?}", looked(true));
    }

    #[test]
    fn an_ensemble_of_vanished_objects_is_an_error() {
        let none = phased("ER**10,Sup,ER**10", Cornered::filled([1, 32, 32], false), |_| ());
        assert!(matches!(none, Err(Error::NoObject { runs: 3 })), "{none:?}");
    }

    #[test]
    fn later_runs_keep_areas_about_those_of_the_best_before_them() {
        let search = |plan: &mut EnsemblePlan| (plan.area_search, plan.rounds[0].count, plan.keep) = (true, 12, 12);
        let found = phased("(Sup*HIO**20)**4", Form::Circle(7.0).support([1, 32, 32]), search).unwrap();
        for run in &found.all {
            assert_eq!(matches!(run.cut, Cut::Area(_)), run.number >= 4, "{run:?}");
        }
        let mut before: Vec<_> =
            found.all.iter().take(8).filter_map(|run| Some((run.fit?.score(), run.area?))).collect();
        before.sort_by(|a, b| a.0.total_cmp(&b.0));
        for (run, (_, parent)) in found.all.iter().skip(8).zip(before) {
            assert!((run.area.unwrap() / parent).ln().abs() <= 0.2 + 1e-6, "{run:?} about {parent}");
        }
        // However many advance together.
        let again = phased_by(1, "(Sup*HIO**20)**4", Form::Circle(7.0).support([1, 32, 32]), search).unwrap();
        assert_eq!(again.kept[0].object, found.kept[0].object);
    }

    #[test]
    fn another_round_follows_where_the_first_was_not_enough() {
        let asked = std::cell::Cell::new(0);
        let search = |begun: Ensemble, enough: bool| {
            let two = |plan: &mut EnsemblePlan| {
                plan.rounds.push(Round { count: 2, ..plan.rounds[0].clone() });
                let runs = vec![plan.first().clone(), plan.first().clone()];
                plan.average = Some(AveragePlan { members: 2, runs });
            };
            let answer = |runs: &Ensemble| {
                asked.set(asked.get() + 1);
                assert!(!runs.kept.is_empty() && runs.all.iter().all(|run| run.average_of > 0 || run.number < 3));
                enough
            };
            let support = Form::Circle(5.0).support([1, 32, 32]);
            phased_from(begun, 3, "ER**10", support, two, &answer).unwrap()
        };
        let random = |found: &Ensemble| found.all.iter().filter(|run| run.average_of == 0).count();
        let (first, both) = (search(Ensemble::default(), true), search(Ensemble::default(), false));
        assert_eq!((random(&first), random(&both), asked.get()), (3, 5, 2));
        let best = |found: &Ensemble| score(found.best_run().unwrap());
        assert!(best(&both) <= best(&first));
        // Last runs have numbers of their own, also from round to round.
        let last = |found: &Ensemble| -> Vec<usize> {
            found.all.iter().filter(|run| run.average_of > 0 && !run.is_average()).map(|run| run.number).collect()
        };
        assert!(last(&first).iter().all(|number| (5..11).contains(number)), "{:?}", last(&first));
        assert!(last(&both).iter().all(|number| *number >= 11), "{:?}", last(&both));
        // Whoever goes on within the second round asks nothing about the first.
        let mut begun = search(Ensemble::default(), false);
        begun.all.retain(|run| run.number != 4);
        let resumed = search(begun, false);
        assert_eq!((random(&resumed), asked.get()), (5, 3));
        assert_eq!(resumed.kept[0].object, both.kept[0].object);
    }

    #[test]
    fn the_result_is_the_average_of_runs_with_the_same_object() {
        // All begin at one object.
        let support = Form::Circle(5.0).support([1, 32, 32]);
        let object = Draws::new(7).object(&support, 1.0, 1e6);
        let searched = |members: usize| {
            let change = |plan: &mut EnsemblePlan| {
                let runs = vec![plan.first().clone()];
                plan.average = (members > 1).then_some(AveragePlan { members, runs });
                let start = Start { object: object.clone(), support: support.clone() };
                plan.support = FirstSupport::Earlier(Box::new(start));
            };
            phased("ER**200", support.clone(), change).unwrap()
        };
        let found = searched(3);
        let (average, line) = (&found.kept[0], found.all.last().unwrap());
        assert!(average.is_average() && line.is_average() && average.number == line.number);
        assert!((3..=6).contains(&average.average_of) && average.cycles == 0, "{}", average.average_of);
        assert_eq!(line.origin(), format!("result, average of {}", average.average_of));
        // Of plans two runs are kept, and it is one more.
        assert_eq!(found.kept.len(), 3);
        let best = found.best_run().unwrap();
        assert!(best.number < average.number && average.support == best.support);
        // It fits the counts as it is, at the scale that suits it best.
        assert!(average.fit.r_factor > 0.0 && average.fit.r_factor < 2.0 * best.fit.r_factor + 0.05);
        assert!(searched(0).all.iter().all(|run| !run.is_average()));
    }

    /// Stops where the run with this number is under way.
    struct StopAt(usize);

    impl Observer for StopAt {
        fn point(&mut self, index: usize, _: &Point) -> bool {
            index != self.0
        }
    }

    #[test]
    fn what_was_made_of_a_round_outlives_a_later_one_that_is_stopped() {
        let two = |plan: &mut EnsemblePlan| plan.rounds.push(plan.rounds[0].clone());
        let support = || Form::Circle(5.0).support([1, 32, 32]);
        let search = |observer: &mut dyn Observer, enough: bool| {
            let plan = phasing_plan("ER**10", support(), two).unwrap();
            let mut backend = Batch::new(problem(support().shape()).unwrap(), 3);
            phase(&mut backend, &plan, Ensemble::default(), &|_| enough, observer).unwrap()
        };
        let (first, stopped) = (search(&mut (), true), search(&mut StopAt(4), false));
        assert!(stopped.interrupted && !first.interrupted);
        assert_eq!((stopped.all.len(), &stopped.kept[0].object), (3, &first.kept[0].object));
    }
}
