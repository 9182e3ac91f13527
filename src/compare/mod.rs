//! Does filling a gap help? The same pattern phased with its gap treated in several ways, with
//! equal seeds, supports and recipes, and scored against the truth, or against measured pixels that
//! no contender saw.

mod case;
mod contender;
mod hold_out;
mod outcomes;
mod page;
mod score;
mod set;
mod table;
mod trial;

pub use case::{Case, Compared, ComparisonSummary, ContenderSummary};
pub use contender::Contender;
pub use hold_out::{HoldOut, Prediction, hold_outs};
pub use outcomes::{Outcomes, SetSummary};
pub use score::{Score, Truth};
pub use set::{SetComparison, SetEvent, Shard, StartSupport};
pub use table::{ContenderOutcome, ContenderRow, Judge, Outcome, RatioClass, ratio_classes};
pub use trial::{ContenderRuns, Trial};
