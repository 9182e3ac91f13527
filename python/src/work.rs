//! Work of the library on a thread of its own, while the thread that called it tells of progress
//! and listens to signals.
//!
//! Python runs handlers of signals, and widgets of notebooks want to be told of progress, in the
//! thread that made the call. The interpreter's lock is free but for those moments.

use crate::errors::{exception, refused};
use crate::progress::{Message, Progress};
use lacuna::reconstruct::{Event, Observer};
use pyo3::prelude::*;
use rayon::{ThreadPool, ThreadPoolBuilder};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

/// Time after which signals are looked for where nothing happens.
const POLL: Duration = Duration::from_millis(50);

/// The process that loaded the module.
static PROCESS: AtomicU32 = AtomicU32::new(0);

/// Remembers the process that loads the module.
pub fn remember_process() {
    PROCESS.store(std::process::id(), Ordering::Relaxed);
}

/// Passes events on, and says whether to go on.
struct Watcher<'a> {
    sender: Sender<Message>,
    stopped: &'a AtomicBool,
    /// Whether anybody is told of progress.
    watched: bool,
}

impl Observer for Watcher<'_> {
    fn observe(&self, event: Event<'_>) {
        let message = match event {
            Event::Note(text) => Message::Note(text.to_string()),
            Event::Half(Some(_)) => Message::Half,
            Event::Work { name, done } if self.watched => Message::Work(name.to_string(), done),
            Event::RunsBegin { runs, cycles } => Message::RunsBegin(runs.len(), cycles),
            Event::Point { run, point } if self.watched => Message::Point(run, point.cycle, point.fit.r_factor),
            Event::RunEnd { number, .. } => Message::RunEnd(number),
            _ => return,
        };
        // Nobody listens any more only where the work is over.
        let _ = self.sender.send(message);
    }

    fn go_on(&self) -> bool {
        !self.stopped.load(Ordering::Relaxed)
    }
}

/// What came of work.
pub struct Done<T> {
    /// Its result; of work that was stopped, what was reached.
    pub result: lacuna::Result<T>,
    /// What stopped it: a signal, or an exception of the progress.
    pub stopped: Option<PyErr>,
}

impl<T> Done<T> {
    /// The result, unless the work was stopped.
    pub fn whole(self, py: Python<'_>) -> PyResult<T> {
        match self.stopped {
            Some(reason) => Err(reason),
            None => self.result.map_err(|error| exception(py, error)),
        }
    }
}

/// Does work without the interpreter's lock, on so many threads.
pub fn run<T: Send>(
    py: Python<'_>,
    progress: &mut Progress<'_>,
    threads: Option<usize>,
    work: impl FnOnce(&dyn Observer) -> lacuna::Result<T> + Send,
) -> PyResult<Done<T>> {
    let pool = pool(py, threads)?;
    let (sender, mut receiver) = channel();
    let stopped = AtomicBool::new(false);
    let watched = progress.is_watched();
    let mut reason = None;
    let result = std::thread::scope(|scope| {
        let stopped = &stopped;
        let job = scope.spawn(move || {
            let watcher = Watcher { sender, stopped, watched };
            match pool {
                Some(pool) => pool.install(|| work(&watcher)),
                None => work(&watcher),
            }
        });
        loop {
            let told = match next(py, &mut receiver) {
                Ok(message) if reason.is_none() => progress.tell(message),
                Ok(_) | Err(RecvTimeoutError::Timeout) => Ok(()),
                Err(RecvTimeoutError::Disconnected) => break,
            };
            if reason.is_none() {
                reason = told.and_then(|()| py.check_signals()).err();
                stopped.store(reason.is_some(), Ordering::Relaxed);
            }
        }
        py.detach(|| job.join())
    });
    progress.end()?;
    match result {
        Ok(result) => Ok(Done { result, stopped: reason }),
        // A panic is a mistake of the library: Python shows it as one.
        Err(panic) => std::panic::resume_unwind(panic),
    }
}

fn next(py: Python<'_>, receiver: &mut Receiver<Message>) -> Result<Message, RecvTimeoutError> {
    py.detach(move || receiver.recv_timeout(POLL))
}

/// The threads that work; `None` for those of the process. A process that was forked has lost
/// the latter: it needs others.
fn pool(py: Python<'_>, threads: Option<usize>) -> PyResult<Option<ThreadPool>> {
    let forked = std::process::id() != PROCESS.load(Ordering::Relaxed);
    let count = match threads {
        Some(count) if !(1..=4096).contains(&count) => {
            return Err(refused(py, "threads", &count.to_string(), "must be from 1 to 4096"));
        }
        None if !forked => return Ok(None),
        given => given.unwrap_or(0),
    };
    let pool = ThreadPoolBuilder::new().num_threads(count).build();
    pool.map(Some).map_err(|error| refused(py, "threads", &count.to_string(), error.to_string()))
}
