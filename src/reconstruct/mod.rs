//! The pipeline: read, prepare, treat the gap, phase, judge, write. One function for the program,
//! scripts and comparisons, with an [`Observer`] that watches and may stop it.

mod input;
mod network;
mod observer;
mod output;
mod page;
mod phase;
mod pipeline;
mod policy;
mod summary;
mod verdict;
pub(crate) mod views;

pub use input::{load, load_frames, not_onto_itself, read};
pub use network::{model, network_estimate, predict_options};
pub use observer::{Event, Observer};
pub use output::Format;
pub use phase::{BoundsCourse, Phased, PhasingStart, phase};
pub use pipeline::{Reconstruction, estimate, reconstruct};
pub use policy::{GapAdvice, advise, fill_wins, narrow};
pub use summary::{AutomaticChoice, PsfSummary, Resolutions, Summary};
pub use verdict::{Evidence, Grade, Verdict};

pub(crate) use observer::Silent;
