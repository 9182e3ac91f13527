//! What became of each scan, in a file of its folder: a batch that was killed goes on from these.

use super::job::Job;
use super::scans::FileStamp;
use crate::error::{Error, Result};
use crate::io::write_text;
use crate::reconstruct::{Grade, Verdict};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// How far a scan has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// It was begun, and goes on or was stopped.
    Unfinished,
    /// Its object was found.
    Done,
    /// It is doubtful whether its object was found.
    Doubtful,
    /// Its object was not found.
    NotFound,
    /// It ended with an error.
    Failed,
}

impl Status {
    /// All of them.
    pub const ALL: [Status; 5] = [Status::Done, Status::Doubtful, Status::NotFound, Status::Failed, Status::Unfinished];
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Status::Unfinished => "unfinished",
            Status::Done => "done",
            Status::Doubtful => "doubtful",
            Status::NotFound => "not-found",
            Status::Failed => "failed",
        })
    }
}

impl FromStr for Status {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Status::ALL.into_iter().find(|status| status.to_string() == text);
        found.ok_or_else(|| "takes done, doubtful, not-found and failed".into())
    }
}

/// The numbers of a result that a table of many shows: those of its best run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Numbers {
    /// Probability that the object was found.
    pub probability: Option<f64>,
    /// R factor.
    pub r_factor: Option<f64>,
    /// Log-likelihood per pixel.
    pub llk_poisson: Option<f64>,
    /// Log-likelihood per held-out pixel.
    pub free_llk_poisson: Option<f64>,
    /// Fraction of the array inside the support.
    pub support_fraction: Option<f64>,
    /// Number of runs.
    pub runs: Option<usize>,
    /// Device.
    pub device: Option<String>,
}

/// What became of a scan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// Location of the scan.
    pub scan: String,
    /// How far it has come.
    pub status: Status,
    /// Wall-clock seconds that it took, since it was last begun.
    pub seconds: f64,
    /// Verdict, in a sentence.
    pub verdict: Option<String>,
    /// Numbers of its result.
    #[serde(flatten)]
    pub numbers: Numbers,
    /// Line with which it failed or was stopped.
    pub error: Option<String>,
    /// Checksum of the scan and its settings.
    pub identity: String,
    /// The scan's file when it was begun; nothing for folders.
    #[serde(default)]
    pub file: Option<FileStamp>,
}

impl State {
    /// Name of the file.
    pub const NAME: &str = "state.json";

    /// A scan that was begun.
    pub fn unfinished(job: &Job, error: Option<String>) -> Self {
        Self::without_result(job, Status::Unfinished, error)
    }

    /// A scan that ended with an error.
    pub fn failed(job: &Job, error: String) -> Self {
        Self::without_result(job, Status::Failed, Some(error))
    }

    fn without_result(job: &Job, status: Status, error: Option<String>) -> Self {
        State {
            scan: job.scan.location.clone(),
            status,
            seconds: 0.0,
            verdict: None,
            numbers: Numbers::default(),
            error,
            identity: job.identity.clone(),
            file: None,
        }
    }

    /// A scan with a result, from the summary that `lacuna run --json` printed; nothing where that is
    /// none.
    pub fn ended(job: &Job, summary: &Value) -> Option<Self> {
        let verdict: Verdict = serde_json::from_value(summary.get("verdict")?.clone()).ok()?;
        let numbers: Numbers = serde_json::from_value(summary.clone()).ok()?;
        let status = match verdict.grade {
            Grade::Found => Status::Done,
            Grade::Doubtful => Status::Doubtful,
            Grade::NotFound => Status::NotFound,
        };
        Some(State {
            verdict: Some(verdict.sentence()),
            numbers: Numbers { probability: Some(verdict.probability), ..numbers },
            ..Self::without_result(job, status, None)
        })
    }

    /// The page of the scan, from the folder of the batch; nothing where it has none.
    pub(super) fn report(&self, name: &str) -> Option<PathBuf> {
        let ended = matches!(self.status, Status::Done | Status::Doubtful | Status::NotFound);
        ended.then(|| Path::new(name).join("report.html"))
    }

    /// Reads the state of the scan whose results are in this folder; nothing where it was not begun.
    ///
    /// # Errors
    /// [`Error::Read`] and [`Error::File`] for a file that cannot be read.
    pub fn read(folder: &Path) -> Result<Option<Self>> {
        let path = folder.join(Self::NAME);
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Error::read(path, error)),
        };
        let damaged = |error| Error::file(&path, format!("is no state of a scan ({error}): remove its folder"));
        serde_json::from_str(&text).map(Some).map_err(damaged)
    }

    /// Writes it to the folder of the scan's results.
    ///
    /// # Errors
    /// [`Error::Write`].
    pub fn write(&self, folder: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(self).map_err(|error| Error::encode("the state of a scan", error))?;
        write_text(&folder.join(Self::NAME), true, &(text + "\n"))
    }
}

/// What is done again.
#[derive(Debug, Clone, Default)]
pub struct Redo {
    /// Whether scans are done again that are not done, or were with other settings.
    pub force: bool,
    /// Scans that are done again for what became of them.
    pub retry: Vec<Status>,
}

/// What is to be done for a scan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plan {
    /// Nothing: what became of it is kept.
    Keep,
    /// It is to be reconstructed.
    Begin {
        /// Whether results in its folder are replaced.
        replace: bool,
        /// Whether it goes on where it was stopped.
        resume: bool,
    },
}

impl Plan {
    /// What is to be done for a scan, by what became of it before.
    ///
    /// # Errors
    /// Those of [`State::read`]; [`Error::File`] for one that was reconstructed with other settings,
    /// and where the folder is that of another scan.
    pub fn new(job: &Job, output: &Path, redo: &Redo) -> Result<Self> {
        let folder: PathBuf = output.join(&job.scan.name);
        let Some(state) = State::read(&folder)? else { return Ok(Plan::Begin { replace: false, resume: false }) };
        if state.scan != job.scan.location {
            let problem =
                format!("holds the results of {}, not of {}: give another --output", state.scan, job.scan.location);
            return Err(Error::file(folder, problem));
        }
        let other_settings = state.identity != job.identity;
        // A file that is away now is told of by who wants to read it.
        let now = job.scan.file_stamp();
        let other_data = state.file.is_some() && now.is_some() && state.file != now;
        let changed = other_settings || other_data;
        let stopped = state.status == Status::Unfinished && !other_settings;
        let again = redo.retry.contains(&state.status) || redo.force && (changed || state.status != Status::Done);
        if again || stopped {
            return Ok(Plan::Begin { replace: true, resume: stopped && !other_data });
        }
        if other_data && !other_settings {
            let problem = format!(
                "was written again since it was reconstructed in {}: give --force to do it again, or another --output",
                folder.display()
            );
            return Err(Error::file(&job.scan.location, problem));
        }
        if other_settings {
            let problem = format!(
                "was begun with other settings, in {}: give those, or --force to do it again, or another --output",
                folder.display()
            );
            return Err(Error::file(&job.scan.location, problem));
        }
        Ok(Plan::Keep)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::TypedSettings;
    use serde_json::json;

    fn job(nb_run: usize) -> Job {
        let mut typed = TypedSettings::default();
        typed.phasing.nb_run = Some(nb_run);
        Job::list(&["/a/x.h5".into()], None, "bragg", &typed).unwrap().remove(0)
    }

    fn summary(grade: &str) -> Value {
        json!({"event": "summary", "r_factor": 0.1, "llk_poisson": 1.5, "free_llk_poisson": null, "support_fraction": 0.02,
            "runs": 4, "device": "cpu", "verdict": {"grade": grade, "probability": 0.25, "reasons": ["so it is"], "remedies": [],
            "evidence": {"free_over_fitted": null, "r_factor": 0.1, "noise_r_factor": 0.1, "compared": 0, "agreeing": null,
                "distance": null, "outside": 0.0, "support_fraction": 0.02}}})
    }

    #[test]
    fn states_are_read_back_as_they_were() {
        let folder = tempfile::tempdir().unwrap();
        let state = State::ended(&job(2), &summary("not-found")).unwrap();
        assert_eq!(
            (state.status, state.numbers.runs, state.numbers.free_llk_poisson),
            (Status::NotFound, Some(4), None)
        );
        assert_eq!(
            state.verdict.as_deref(),
            Some("The object was not found (probability that it was: 25 %): so it is.")
        );
        state.write(folder.path()).unwrap();
        assert_eq!(State::read(folder.path()).unwrap(), Some(state));
        assert_eq!(State::ended(&job(2), &json!({"event": "summary"})), None);
        std::fs::write(folder.path().join(State::NAME), "{\"scan\": 3").unwrap();
        let error = State::read(folder.path()).unwrap_err().to_string();
        assert!(error.contains("state.json: is no state of a scan"), "{error}");
    }

    #[test]
    fn a_file_that_was_written_again_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.h5");
        std::fs::write(&path, "one").unwrap();
        let location = path.to_string_lossy().into_owned();
        let job = Job::list(&[location], None, "bragg", &TypedSettings::default()).unwrap().remove(0);
        let file = job.scan.file_stamp();
        assert_eq!(file.map(|file| file.bytes), Some(3));
        let plan = |force| Plan::new(&job, folder.path(), &Redo { force, retry: Vec::new() });
        let write = |state: State| state.write(&folder.path().join("x")).unwrap();
        let ended = State::ended(&job, &summary("found")).unwrap();
        write(State { file, ..ended.clone() });
        assert_eq!(plan(false).unwrap(), Plan::Keep);
        std::fs::write(&path, "another").unwrap();
        let error = plan(false).unwrap_err().to_string();
        assert!(error.contains("x.h5: was written again") && error.contains("--force"), "{error}");
        assert_eq!(plan(true).unwrap(), Plan::Begin { replace: true, resume: false });
        // What was under way begins anew by itself: nothing is lost by that.
        write(State { file, ..State::unfinished(&job, None) });
        assert_eq!(plan(false).unwrap(), Plan::Begin { replace: true, resume: false });
    }

    #[test]
    fn what_is_done_is_kept_and_the_rest_needs_a_word() {
        let folder = tempfile::tempdir().unwrap();
        let output = folder.path();
        let plan =
            |nb_run, force, retry: &[Status]| Plan::new(&job(nb_run), output, &Redo { force, retry: retry.to_vec() });
        let begin = |replace, resume| Plan::Begin { replace, resume };
        assert_eq!(plan(2, false, &[]).unwrap(), begin(false, false));
        let write = |state: &State| state.write(&output.join("x")).unwrap();
        let done = State::ended(&job(2), &summary("found")).unwrap();
        write(&done);
        assert_eq!(plan(2, false, &[]).unwrap(), Plan::Keep);
        assert_eq!(plan(2, true, &[]).unwrap(), Plan::Keep);
        let error = plan(3, false, &[]).unwrap_err().to_string();
        assert!(error.starts_with("/a/x.h5: was begun with other settings") && error.contains("--force"), "{error}");
        assert_eq!(plan(3, true, &[]).unwrap(), begin(true, false));

        let failed = State::failed(&job(2), "no".into());
        write(&failed);
        assert_eq!(plan(2, false, &[Status::Doubtful]).unwrap(), Plan::Keep);
        assert_eq!(plan(2, false, &[Status::Failed]).unwrap(), begin(true, false));
        assert_eq!(plan(2, true, &[]).unwrap(), begin(true, false));
        write(&State::unfinished(&job(2), None));
        assert_eq!(plan(2, false, &[]).unwrap(), begin(true, true));
        assert!(plan(3, false, &[]).is_err());
        assert_eq!(plan(3, true, &[]).unwrap(), begin(true, false));
        let file = |bytes| Some(FileStamp { bytes, modified: 1 });
        write(&State { file: file(7), ..State::ended(&job(2), &summary("found")).unwrap() });
        assert_eq!(plan(2, false, &[]).unwrap(), Plan::Keep, "a file that is away says nothing");
        write(&State { scan: "/b/x.h5".into(), ..State::unfinished(&job(2), None) });
        assert!(plan(2, true, &[]).unwrap_err().to_string().contains("holds the results of /b/x.h5"));
    }
}
