//! The pipeline: read, prepare, treat the gap, phase, judge, write. One function for the program,
//! scripts and comparisons, with an [`Observer`] that watches and may stop it.

mod gaps;
mod input;
mod network;
mod observer;
mod output;
mod page;
mod page_runs;
mod phase;
mod pipeline;
mod policy;
mod resume;
mod split;
mod summary;
mod uncertainty;
mod verdict;
pub(crate) mod views;
mod watch;
mod watch_page;

pub use gaps::{GapLook, GapSummary, HiddenSummary, look_at_gaps};
pub use input::{
    Frames, bins, is_same_file, load, load_frames, not_onto_itself, overridden, prepare_input, read, refuse_sentinels,
};
pub use network::{model, network_estimate, predict_options};
pub use observer::{Both, Event, Observer};
pub use output::Format;
pub use page::{object_pictures, pattern_picture};
pub use phase::{BoundsCourse, Phased, PhasingStart, phase};
pub use pipeline::{Reconstruction, estimate, reconstruct, reconstruct_resumable};
pub use policy::{GapAdvice, GapChoice, advise, gap_choice, narrow};
pub use resume::Checkpoint;
pub use split::SplitData;
pub use summary::{AutomaticChoice, Preparation, PsfSummary, Resolutions, SplitSummary, Summary};
pub use uncertainty::Uncertainty;
pub use verdict::{Evidence, Grade, SupportBound, Verdict};
pub use watch::Watch;

pub(crate) use observer::Silent;
