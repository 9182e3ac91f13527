//! What a caller may watch while a pattern is reconstructed, and how it stops the work.

use super::policy::GapAdvice;
use crate::inpaint::GapTreatment;
use crate::phasing::run::Point;
use crate::phasing::run_summary::RunSummary;

/// Something that happened on the way.
#[derive(Debug, Clone, Copy)]
pub enum Event<'a> {
    /// A line for people.
    Note(&'a str),
    /// The pattern is ready to be phased.
    Prepared {
        /// What the reader of the file noted.
        notes: &'a [String],
        /// One line for each thing that was done.
        steps: &'a [String],
        /// Extents `(z, y, x)`, pixels.
        shape: [usize; 3],
        /// Zero frequency in the input, pixels `(z, y, x)`.
        centre: [usize; 3],
        /// Input pixels in one of the pattern `(z, y, x)`.
        rebin: [usize; 3],
    },
    /// The gaps were filled.
    Filled {
        /// The treatment.
        gap: GapTreatment,
        /// Pixels with an estimate.
        pixels: usize,
        /// Pixels without measurement.
        unmeasured: usize,
    },
    /// Whether filling is worth trying.
    Advice(&'a GapAdvice),
    /// Work that has no events of its own: `done` goes from 0 to 1, which ends it.
    Work {
        /// What is done: `filling`.
        name: &'a str,
        /// Fraction that is done.
        done: f64,
    },
    /// Runs begin, which advance together.
    RunsBegin {
        /// Their numbers.
        runs: &'a [usize],
        /// Cycles of each.
        cycles: usize,
    },
    /// The search for a run's start has phased so many of its objects.
    Search {
        /// Objects phased.
        done: usize,
        /// Objects in all.
        of: usize,
    },
    /// A point of a run's curve.
    Point {
        /// Number of the run.
        run: usize,
        /// Cycle and fit.
        point: &'a Point,
    },
    /// A run ended.
    RunEnd {
        /// Number of the run.
        number: usize,
        /// Its fit and what became of it.
        run: &'a RunSummary,
    },
}

/// Watches a reconstruction, and may stop it: `()` does neither. It is called from many threads.
pub trait Observer: Sync {
    /// Something happened.
    fn observe(&self, _event: Event<'_>) {}

    /// Whether to go on. After `false` what was reached so far is handed out, where there is
    /// something.
    fn go_on(&self) -> bool {
        true
    }
}

impl Observer for () {}

/// Passes on whether to go on, and nothing else.
pub(crate) struct Silent<'a>(pub &'a dyn Observer);

impl Observer for Silent<'_> {
    fn go_on(&self) -> bool {
        self.0.go_on()
    }
}
