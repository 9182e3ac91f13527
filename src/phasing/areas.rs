//! The search for the size of the object.
//!
//! A threshold relative to what is inside the support draws the outline of most objects, and misses
//! those with faint parts, few bright ones, or strong strain: their supports end at half or at twice
//! the object, and no run finds it. With the right number of pixels in the support about half of them
//! are found. So the first third of the runs draw thresholds; the others keep a number of pixels, which
//! they draw about those of the best runs before them ([`super::Fit::score`]), the last third more
//! narrowly. `docs/benchmarks/search.md` has the figures.

use super::run::Ended;
use super::run_summary::{RunSummary, RunVerdict};
use super::start::Draws;
use std::ops::Range;

/// Half widths of the logarithm of the area, of which it is drawn uniformly, in each generation after
/// the first.
const WIDTHS: [f32; 2] = [0.45, 0.2];

/// Best runs about whose areas the next ones draw.
const PARENTS: usize = 4;

/// Runs that a search for the area needs: with fewer each is worth more with a threshold of its own.
const ENOUGH: usize = 8;

/// Runs that depend on nothing but the generations before them.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Generation {
    /// Their numbers.
    pub runs: Range<usize>,
    /// Half width of the logarithm of the area; none for runs with thresholds.
    width: Option<f32>,
}

/// The generations of a round with these runs, in their order: one where no areas are searched.
pub(super) fn generations(runs: Range<usize>, search: bool) -> Vec<Generation> {
    let count = runs.len();
    if !search || count < ENOUGH {
        return vec![Generation { runs, width: None }];
    }
    let widths = std::iter::once(None).chain(WIDTHS.map(Some));
    let of = WIDTHS.len() + 1;
    let part = |k: usize| runs.start + k * count / of;
    widths.enumerate().map(|(k, width)| Generation { runs: part(k)..part(k + 1), width }).collect()
}

/// Areas about which the runs of a generation draw theirs.
#[derive(Debug)]
pub(super) struct Areas {
    /// Fractions of the array, best first.
    parents: Vec<f64>,
    first: usize,
    /// Kinds of runs, which alternate: each of them meets every parent.
    kinds: usize,
    width: f32,
}

impl Areas {
    /// Those of the best runs before a generation, by the lines of all runs so far: they are the same
    /// however many runs advance together, and after a search was stopped and resumed.
    pub fn after(lines: &[RunSummary], generation: &Generation, kinds: usize) -> Areas {
        let first = generation.runs.start;
        let usable = |line: &&RunSummary| {
            line.number < first && line.ended == Ended::Finished && line.verdict != RunVerdict::Outside
        };
        let mut found: Vec<(f64, usize, f64)> = match generation.width {
            Some(_) => lines
                .iter()
                .filter(usable)
                .filter_map(|line| Some((line.fit?.score(), line.number, line.area?)))
                .filter(|(.., area)| *area > 0.0)
                .collect(),
            None => Vec::new(),
        };
        found.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        // To f32: what was written to a file and read may differ in the last digit of f64.
        let parents = found.into_iter().take(PARENTS).map(|(.., area)| f64::from(area as f32)).collect();
        Areas { parents, first, kinds, width: generation.width.unwrap_or(0.0) }
    }

    /// Draws the area of run `index` of the generation; none where its threshold holds.
    pub fn draw(&self, index: usize, draws: &mut Draws) -> Option<f64> {
        if self.parents.is_empty() {
            return None;
        }
        let parent = self.parents[(index - self.first) / self.kinds % self.parents.len()];
        Some((parent * f64::from(draws.between([-self.width, self.width]).exp())).min(1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::super::backend::Fit;
    use super::super::support::Cut;
    use super::*;

    #[test]
    fn every_run_belongs_to_one_generation() {
        for count in [1, 5, 11, 12, 13, 36, 100] {
            let generations = generations(0..count, true);
            assert_eq!(generations.len(), if count < ENOUGH { 1 } else { 3 });
            let runs: Vec<usize> = generations.iter().flat_map(|generation| generation.runs.clone()).collect();
            assert_eq!(runs, (0..count).collect::<Vec<_>>());
            assert!(generations.iter().all(|generation| !generation.runs.is_empty()));
        }
        assert_eq!(generations(0..36, false), [Generation { runs: 0..36, width: None }]);
        let later: Vec<_> = generations(36..54, true).into_iter().map(|generation| generation.runs).collect();
        assert_eq!(later, [36..42, 42..48, 48..54]);
    }

    fn line(number: usize, free: f64, area: f64) -> RunSummary {
        RunSummary {
            number,
            seed: number as u64,
            average_of: 0,
            smoothness: 0.0,
            cut: Cut::Threshold(0.2),
            area: Some(area),
            fit: Fit::new([10.0, 20.0, 5.0, 1.0, 4.0], Some(free), area),
            mean_to_max: None,
            sharpness: None,
            ended: Ended::Finished,
            verdict: RunVerdict::Kept,
            seconds: 1.0,
            search_seconds: 0.0,
            cycles: 10,
            curve: Vec::new(),
        }
    }

    #[test]
    fn areas_are_drawn_about_those_of_the_best_runs_before() {
        let [first, second, _] = &generations(0..18, true)[..] else { panic!("three generations") };
        let mut lines = vec![
            line(0, 1.0, 0.05),
            line(1, 1.0, 0.04),
            line(2, 0.1, 0.3),
            line(3, 1.0, 0.06),
            line(4, 2.0, 0.06),
            line(5, 0.1, 0.2),
            line(6, 0.1, 0.1),
        ];
        lines[2].verdict = RunVerdict::Outside;
        lines[5].ended = Ended::Interrupted;
        assert!(Areas::after(&lines, first, 1).draw(0, &mut Draws::new(1)).is_none());
        // Neither those without an object nor those of the same generation count.
        let areas = Areas::after(&lines, second, 1);
        assert_eq!(areas.parents, [0.04f32, 0.05, 0.06, 0.06].map(f64::from));
        lines.reverse();
        assert_eq!(Areas::after(&lines, second, 1).parents, areas.parents, "whatever their order is");
        for (index, parent) in second.runs.clone().zip([0.04, 0.05, 0.06, 0.06, 0.04, 0.05]) {
            let area = areas.draw(index, &mut Draws::new(3)).unwrap();
            assert!((area / parent).ln().abs() <= 0.45 && area != parent, "{area} about {parent}");
        }
        let alternating = Areas::after(&lines, second, 2);
        let parents: Vec<usize> = (0..6)
            .map(|k| {
                let area = alternating.draw(6 + k, &mut Draws::new(3)).unwrap();
                let ratio = areas.draw(6, &mut Draws::new(3)).unwrap() / areas.parents[0];
                (100.0 * area / ratio).round() as usize
            })
            .collect();
        assert_eq!(parents, [4, 4, 5, 5, 6, 6], "both kinds of runs meet every parent");
        assert!(Areas::after(&[], second, 1).draw(6, &mut Draws::new(1)).is_none(), "nothing was found");
    }
}
