//! Does filling a gap help? The same pattern phased with the gap treated in several ways, with equal seeds, supports and recipes,
//! and scored against the truth, or against measured pixels that no arm saw.

mod advice;
mod arm;
mod hold_out;
mod score;
mod table;
mod trial;

pub use advice::{Advice, advise, fill_wins, narrow};
pub use arm::{Arm, Said};
pub use hold_out::{HoldOut, Prediction, calculated, hold_outs};
pub use score::{Score, Truth};
pub use table::{ArmOutcome, ArmRow, Judge, Outcome, RatioClass, ratio_classes};
pub use trial::{ArmRuns, Trial};
