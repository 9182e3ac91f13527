//! What a caller may watch while a pattern is reconstructed, and how it stops the work.

use super::policy::GapAdvice;
use crate::inpaint::GapTreatment;
use crate::phasing::ensemble::Ensemble;
use crate::phasing::run::Point;
use crate::phasing::run_summary::RunSummary;
use crate::volume::Centered;
use num_complex::Complex32;

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
        /// Metres in one pixel of the object `(y, x)`, where the file says enough.
        object_pixel: Option<[f64; 2]>,
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
    /// Half of the counts is phased next, the first or the second, and its events are not those of
    /// the result; `None` once both are done.
    Half(Option<usize>),
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
    /// A run under way, where it is wanted to be seen.
    View {
        /// Number of the run.
        run: usize,
        /// Cycle and fit.
        point: &'a Point,
        /// Object as it is now, cut to its support and scaled to the measurement.
        object: &'a Centered<Complex32>,
        /// Support as it is now.
        support: &'a Centered<bool>,
    },
    /// What was reached so far: after each batch of runs, and where their ends changed.
    SoFar(&'a Ensemble),
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

    /// Whether a run under way is wanted to be seen, which costs a copy of it.
    fn wants_view(&self) -> bool {
        false
    }
}

impl Observer for () {}

/// Two observers of one reconstruction, either of which may stop it.
pub struct Both<'a>(pub &'a dyn Observer, pub &'a dyn Observer);

impl Observer for Both<'_> {
    fn observe(&self, event: Event<'_>) {
        self.0.observe(event);
        self.1.observe(event);
    }

    fn go_on(&self) -> bool {
        self.0.go_on() && self.1.go_on()
    }

    fn wants_view(&self) -> bool {
        self.0.wants_view() || self.1.wants_view()
    }
}

/// Passes on whether to go on, and nothing else.
pub(crate) struct Silent<'a>(pub &'a dyn Observer);

impl Observer for Silent<'_> {
    fn go_on(&self) -> bool {
        self.0.go_on()
    }
}
