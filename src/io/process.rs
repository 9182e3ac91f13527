//! How an output was made, as it is written into the output.

use crate::error::{Error, Result};
use serde::Serialize;
use serde_json::Value;
use std::time::{Duration, SystemTime};

/// Command line, settings and results that were behind an output. JSON is how they are written, and
/// no affair of callers.
#[derive(Debug, Clone, Default)]
pub struct Process {
    command: String,
    settings: Value,
    results: Value,
    /// Time that it took until now.
    took: Duration,
}

impl Process {
    /// Describes how an output was made: the command line, all resolved settings, and scores such
    /// as `llk_poisson` and `free_llk_poisson`. Settings and results should serialise as maps: each
    /// entry becomes a data set of its own in CXI files, and maps inside become groups.
    ///
    /// # Errors
    ///
    /// [`Error::Encode`] where JSON cannot express the settings or the results.
    pub fn new(
        command: impl Into<String>,
        settings: &(impl Serialize + ?Sized),
        results: &(impl Serialize + ?Sized),
    ) -> Result<Self> {
        let settings = serde_json::to_value(settings).map_err(|error| Error::encode("the settings", error))?;
        let results = serde_json::to_value(results).map_err(|error| Error::encode("the results", error))?;
        Ok(Process { command: command.into(), settings, results, took: Duration::ZERO })
    }

    /// Says how long it took: a file then has the time at which the work began, too.
    pub fn lasting(self, took: Duration) -> Self {
        Process { took, ..self }
    }

    /// When the work began, and now.
    pub(super) fn times(&self) -> [SystemTime; 2] {
        let now = SystemTime::now();
        [now.checked_sub(self.took).unwrap_or(now), now]
    }

    pub(super) fn command(&self) -> &str {
        &self.command
    }

    pub(super) fn settings(&self) -> &Value {
        &self.settings
    }

    pub(super) fn results(&self) -> &Value {
        &self.results
    }
}
