//! A batch: many scans, each reconstructed by a process of its own, so that one that fails or
//! crashes stops no other.
//!
//! [`Job::list`] says which scans there are and with which settings. [`Plan`] compares that with the
//! states in the output, [`State`], which a killed batch goes on from. [`reconstruct`] does one
//! scan, and [`Overview`] shows them all. [`SlurmScripts`] has a cluster do the work.

mod job;
mod overview;
mod process;
mod scans;
mod shell;
mod slurm;
mod state;
mod table;

pub use job::Job;
pub use overview::Overview;
pub use process::{Resources, reconstruct};
pub use scans::{FileStamp, Scan};
pub use shell::shell_line;
pub use slurm::{SLURM_TEMPLATE, SlurmScripts};
pub use state::{Numbers, Plan, Redo, State, Status};
