//! What phasing makes of a gap: the best runs calculate a pattern everywhere. Where they agree, data and
//! support determine it, where they do not, something is hidden. A network that gets mean and spread
//! fills the gap better than one that sees only what was measured around it.

use super::run::Run;
use crate::pixels::Calculated;
use ndarray::Zip;

/// So many of the best runs are looked at, at most.
const LOOKED_AT: usize = 8;

/// What the best runs of an ensemble calculate.
#[derive(Debug, Clone, PartialEq)]
pub struct Look {
    /// Mean and spread over the runs.
    pub calculated: Calculated,
    /// Number of runs.
    pub runs: usize,
}

/// What the best of these runs calculate; `None` where there is none. `runs` are the best first.
pub(super) fn look(runs: &[Run]) -> Option<Look> {
    let best = &runs[..runs.len().min(LOOKED_AT)];
    let (first, count) = (best.first()?, best.len() as f32);
    let zero = || first.object.map(|_| 0.0_f32);
    let (mut mean, mut spread) = (zero(), zero());
    for run in best {
        let intensity = run.calculated();
        Zip::from(&mut mean.0).and(&mut spread.0).and(&intensity.0).for_each(|sum, squares, &value| {
            let log = value.ln_1p();
            *sum += log / count;
            *squares += log * log / count;
        });
    }
    Zip::from(&mut spread.0)
        .and(&mean.0)
        .for_each(|squares, &mean| *squares = (*squares - mean * mean).max(0.0).sqrt());
    Some(Look { calculated: Calculated { mean, spread }, runs: best.len() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::phasing::testing::Case;
    use crate::volume::Centered;
    use ndarray::Array3;
    use num_complex::Complex32;

    /// A point with so many photons: its pattern is flat.
    fn run(photons: f32) -> Run {
        let shape = [1, 16, 16];
        let mut object = Array3::from_elem(shape, Complex32::ZERO);
        object[[0, 8, 8]] = Complex32::from(photons.sqrt());
        Run { object: Centered(object), ..Case::behind_a_gap(|_, _| Complex32::ONE).run }
    }

    #[test]
    fn a_look_is_mean_and_spread_of_the_best_runs() {
        assert_eq!(look(&[]), None);
        let runs: Vec<Run> = [256.0, 1024.0].into_iter().map(run).collect();
        let Look { calculated: Calculated { mean, spread }, runs } = look(&runs).unwrap();
        assert_eq!(runs, 2);
        let (low, high) = (2.0_f32.ln(), 5.0_f32.ln());
        for (&mean, &spread) in mean.as_slice().iter().zip(spread.as_slice()) {
            assert!((mean - (low + high) / 2.0).abs() < 1e-4 && (spread - (high - low) / 2.0).abs() < 1e-3);
        }
        // Beyond the best eight nothing is looked at.
        let many: Vec<Run> = (0..9).map(|i| run(if i < 8 { 256.0 } else { 1e6 })).collect();
        let look = look(&many).unwrap();
        assert_eq!(look.runs, 8);
        assert!(look.calculated.spread.as_slice().iter().all(|&spread| spread < 1e-3));
    }
}
