//! One scan, by a process of its own.

use super::job::Job;
use super::state::{Plan, State};
use crate::error::{Error, Result};
use crate::io::Claim;
use serde_json::Value;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::{scope, sleep};
use std::time::{Duration, Instant};

/// Time between two looks at a process.
const LOOK: Duration = Duration::from_millis(20);

/// Time that a process may take to end after the batch that began it was killed.
const PATIENCE: Duration = Duration::from_secs(120);

/// Signals that stop a process which has done nothing wrong: SIGINT, SIGKILL and SIGTERM.
const STOPPING: [i32; 3] = [2, 9, 15];

/// What one of several workers may use.
#[derive(Debug, Clone, PartialEq)]
pub struct Resources {
    /// Number of the worker, from 0.
    pub worker: usize,
    /// Number of workers.
    pub workers: usize,
    /// Number of threads; all cores where absent.
    pub threads: Option<usize>,
    /// Memory, bytes; what is available where absent.
    pub memory: Option<u64>,
}

/// Reconstructs a scan into its folder by `lacuna run`, the program, and returns what became of it,
/// which is then in the folder too. Where `stopped`, the process ends with what it has.
///
/// # Errors
/// [`Error::Write`] for a folder that cannot be written to: all other errors are those of the scan.
pub fn reconstruct(
    program: &Path,
    job: &Job,
    output: &Path,
    plan: &Plan,
    resources: &Resources,
    stopped: &(dyn Fn() -> bool + Sync),
) -> Result<State> {
    let folder = output.join(&job.scan.name);
    let begun = Instant::now();
    match wait_for(&folder, stopped) {
        // Nothing is known of what the other process will leave.
        Err(error @ Error::File { .. }) => return Ok(State::unfinished(job, Some(error.to_string()))),
        other => other?,
    }
    // As it was before it was read: what comes later is noticed by the next call.
    let file = job.scan.file_stamp();
    State { file, ..State::unfinished(job, None) }.write(&folder)?;
    let mut state = match run(program, job, &folder, plan, resources, stopped) {
        Ok(state) => state,
        Err(error) => State::failed(job, format!("{} cannot be run: {error}", program.display())),
    };
    (state.seconds, state.file) = (begun.elapsed().as_secs_f64(), file);
    state.write(&folder)?;
    Ok(state)
}

/// Waits until no other process writes to the folder: that of a batch which was killed ends by
/// itself.
fn wait_for(folder: &Path, stopped: &dyn Fn() -> bool) -> Result<()> {
    let begun = Instant::now();
    loop {
        match Claim::folder(folder) {
            Ok(_) => break,
            Err(error @ Error::File { .. }) if stopped() || begun.elapsed() > PATIENCE => return Err(error),
            Err(Error::File { .. }) => sleep(LOOK),
            Err(error) => return Err(error),
        }
    }
    // The claim may have taken a folder away that it made.
    std::fs::create_dir_all(folder).map_err(|error| Error::write(folder, error))
}

fn run(
    program: &Path,
    job: &Job,
    folder: &Path,
    plan: &Plan,
    resources: &Resources,
    stopped: &(dyn Fn() -> bool + Sync),
) -> std::io::Result<State> {
    let mut command = Command::new(program);
    command.args(["run", "--json", "--until-stdin-closes"]).args(job.flags(resources.worker, resources.workers));
    if let Plan::Begin { replace, resume } = *plan {
        command.args(replace.then_some("--force")).args(resume.then_some("--resume"));
    }
    command.args(resources.threads.map(|threads| format!("--threads={threads}")));
    command.args(resources.memory.map(|bytes| format!("--max-memory={}", bytes as f64 / 1e9)));
    command.arg("--output").arg(folder).arg("--").arg(&job.scan.location);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    // Ctrl-C goes to the batch alone, which then asks the process to stop: two signals would end it at
    // once.
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    let mut child = command.spawn()?;
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let (status, summary, told) = scope(|threads| {
        let summary = threads.spawn(|| stdout.and_then(summary));
        let told = threads.spawn(|| {
            let mut told = Vec::new();
            // What could be read of it is better than nothing.
            let _ = stderr.map(|mut stderr| stderr.read_to_end(&mut told));
            String::from_utf8_lossy(&told).into_owned()
        });
        let status = wait(&mut child, stopped);
        (status, summary.join().unwrap_or_default(), told.join().unwrap_or_default())
    });
    Ok(judge(job, status?, summary.as_ref(), &told, stopped()))
}

/// Waits for the process, and has it stop where asked.
fn wait(child: &mut Child, stopped: &dyn Fn() -> bool) -> std::io::Result<ExitStatus> {
    // It watches this: at its end it stops.
    let mut held = child.stdin.take();
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        if stopped() {
            held = None;
        }
        let _ = &held;
        sleep(LOOK);
    }
}

/// The summary among the events of a process.
fn summary(events: impl Read) -> Option<Value> {
    let lines = BufReader::new(events).lines().map_while(Result::ok);
    let events = lines.filter(|line| line.starts_with("{\"event\":\"summary\""));
    events.filter_map(|line| serde_json::from_str(&line).ok()).last()
}

/// What became of a scan whose process has ended.
fn judge(job: &Job, status: ExitStatus, summary: Option<&Value>, told: &str, stopped: bool) -> State {
    let line = told.lines().rev().find(|line| !line.trim().is_empty()).map(|line| line.trim_start_matches("lacuna: "));
    if status.success() {
        let none = || State::failed(job, "ended without a summary".into());
        return summary.and_then(|summary| State::ended(job, summary)).unwrap_or_else(none);
    }
    let signal = signal(status).or(status.code().filter(|code| *code > 128).map(|code| code - 128));
    match signal {
        _ if stopped => State::unfinished(job, None),
        Some(signal) if STOPPING.contains(&signal) => {
            State::unfinished(job, Some(format!("was stopped by signal {signal}: the same command goes on with it")))
        }
        Some(signal) => State::failed(job, format!("crashed with signal {signal}")),
        None => State::failed(job, line.unwrap_or("failed without a word").into()),
    }
}

/// The signal that ended a process.
#[cfg(unix)]
fn signal(status: ExitStatus) -> Option<i32> {
    std::os::unix::process::ExitStatusExt::signal(&status)
}

/// Elsewhere nothing is known of signals.
#[cfg(not(unix))]
fn signal(_: ExitStatus) -> Option<i32> {
    None
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::*;
    use crate::batch::state::Status;
    use crate::settings::TypedSettings;
    use std::os::unix::fs::PermissionsExt;

    /// What becomes of a scan if the program is this script.
    fn with(script: &str, stopped: bool) -> State {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("lacuna");
        std::fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        let job = Job::list(&["/a/x.h5".into()], None, "bragg", &TypedSettings::default()).unwrap().remove(0);
        let plan = Plan::Begin { replace: false, resume: false };
        let resources = Resources { worker: 0, workers: 1, threads: Some(1), memory: None };
        let state = reconstruct(&program, &job, folder.path(), &plan, &resources, &|| stopped).unwrap();
        assert_eq!(State::read(&folder.path().join("x")).unwrap().as_ref(), Some(&state));
        state
    }

    #[test]
    fn ends_of_processes_are_told_apart() {
        let fails = with("echo 'lacuna: x.h5: is bad' >&2; exit 1", false);
        assert_eq!((fails.status, fails.error.as_deref()), (Status::Failed, Some("x.h5: is bad")));
        let crashes = with("kill -SEGV $$", false);
        assert_eq!((crashes.status, crashes.error.as_deref()), (Status::Failed, Some("crashed with signal 11")));
        assert_eq!(with("kill -KILL $$", false).status, Status::Unfinished);
        assert_eq!(with("exit 143", false).status, Status::Unfinished);
        assert_eq!(with("exit 0", false).error.as_deref(), Some("ended without a summary"));
        // It ends because its standard input does.
        assert_eq!(with("cat; exit 143", true).status, Status::Unfinished);
    }
}
