//! Training of the networks that fill gaps: random patches of the patterns of a data set, gaps cut
//! into them, a loss, steps of an optimiser.

mod augment;
mod calibrate;
mod checkpoint;
mod curve;
mod gaps;
mod measured;
mod patches;
mod recipe;
mod run;
mod samples;
mod session;
mod simulated_set;
mod step;

pub use augment::Augmentation;
pub use calibrate::calibrate;
pub use curve::{CURVE, CURVE_PAGE, CurvePoint};
pub use gaps::TrainingGapRecipe;
pub use measured::MeasuredPatches;
pub use patches::{Patch, PatchOptions, PatchStream};
pub use recipe::{LossRecipe, OptimizerRecipe, TrainingRecipe, ValidationRecipe};
pub use run::{Patches, TrainedNetwork, TrainingEvent, TrainingRun, samples, train};
pub use samples::Sample;
pub use session::{CHECKPOINT, SessionEvent, TrainingData, TrainingSession, claim_folder};
pub use simulated_set::{SimulatedSet, SimulationEvent, set_entry, set_header, simulate_set};
pub use step::{Learner, Score};

#[cfg(test)]
mod tests;
