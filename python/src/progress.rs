//! Progress as Python hears of it: a function, a bar of tqdm, or nobody.

use crate::errors::raised;
use pyo3::prelude::*;
use pyo3::types::PyBool;
use std::collections::BTreeMap;

/// Steps of work that tells fractions.
const PERCENT: f64 = 100.0;

/// What happened, to be told in the thread that waits.
pub enum Message {
    /// A line for people.
    Note(String),
    /// Work that tells the fraction done.
    Work(String, f64),
    /// So many runs of so many cycles each begin.
    RunsBegin(usize, usize),
    /// A run has done so many cycles, with this R factor.
    Point(usize, usize, f64),
    /// A run ended.
    RunEnd(usize),
    /// A half of the counts is phased next.
    Half,
}

/// Who is told of progress.
enum Listener<'py> {
    /// A function `(done, total, text)`.
    Function(Bound<'py, PyAny>),
    /// A bar with `update` and `total`.
    Bar {
        bar: Bound<'py, PyAny>,
        /// Whether it was made here.
        own: bool,
    },
}

/// Progress of one call, in cycles of phasing, or in percent where there are none.
pub struct Progress<'py> {
    listener: Option<Listener<'py>>,
    log: Option<Bound<'py, PyAny>>,
    /// Runs that the settings ask for; 0 for work without any.
    runs: usize,
    /// Cycles that were begun, will be at least, and of runs that ended.
    begun: usize,
    total: usize,
    ended: usize,
    /// Cycles of each run of the present batch, and those of runs under way.
    cycles: usize,
    under_way: BTreeMap<usize, usize>,
    /// What a bar shows now.
    shown: usize,
}

impl<'py> Progress<'py> {
    /// Who listens: `None`, `True`, a function, or a bar. `runs` are those that will be phased.
    pub fn new(py: Python<'py>, listener: Option<&Bound<'py, PyAny>>, runs: usize) -> PyResult<Self> {
        let logger = py.import("logging")?.call_method1("getLogger", ("lacuna_cdi",))?;
        let info = logger.call_method1("isEnabledFor", (20,))?.is_truthy()?;
        Ok(Progress {
            listener: listener.map(|listener| heard(py, listener)).transpose()?.flatten(),
            log: info.then_some(logger),
            runs,
            begun: 0,
            total: 0,
            ended: 0,
            cycles: 0,
            under_way: BTreeMap::new(),
            shown: 0,
        })
    }

    /// Whether anybody listens.
    pub fn is_watched(&self) -> bool {
        self.listener.is_some()
    }

    /// Tells what happened.
    pub fn tell(&mut self, message: Message) -> PyResult<()> {
        match message {
            Message::Note(text) => {
                if let Some(log) = &self.log {
                    log.call_method1("info", ("%s", text))?;
                }
                Ok(())
            }
            Message::Work(name, done) if self.runs > 0 => self.show(&format!("{name}, {:.0} %", PERCENT * done)),
            Message::Work(name, done) => {
                self.total = PERCENT as usize;
                // Parts of the work may tell of themselves from the start.
                self.ended = self.ended.max((PERCENT * done) as usize);
                self.show(&name)
            }
            Message::RunsBegin(runs, cycles) => {
                if self.begun == 0 {
                    self.total = self.runs * cycles;
                }
                self.cycles = cycles;
                self.begun += runs * cycles;
                self.total = self.total.max(self.begun);
                self.show("phasing")
            }
            Message::Point(run, cycle, r_factor) => {
                self.under_way.insert(run, cycle.min(self.cycles));
                self.show(&format!("run {run}: R {r_factor:.4}"))
            }
            Message::RunEnd(run) => {
                self.under_way.remove(&run);
                self.ended += self.cycles;
                self.show(&format!("run {run} ended"))
            }
            Message::Half => {
                self.total += self.runs * self.cycles;
                self.show("phasing halves of the counts")
            }
        }
    }

    /// Ends a bar that was made here.
    pub fn end(&self) -> PyResult<()> {
        if let Some(Listener::Bar { bar, own: true }) = &self.listener {
            bar.call_method0("close")?;
        }
        Ok(())
    }

    fn show(&mut self, text: &str) -> PyResult<()> {
        let done = (self.ended + self.under_way.values().sum::<usize>()).min(self.total);
        match &self.listener {
            None => {}
            Some(Listener::Function(function)) => {
                function.call1((done, self.total, text))?;
            }
            Some(Listener::Bar { bar, .. }) => {
                bar.setattr("total", self.total)?;
                // The text first: an update draws the bar.
                if bar.hasattr("set_postfix_str")? {
                    bar.call_method1("set_postfix_str", (text, false))?;
                }
                if done > self.shown {
                    bar.call_method1("update", (done - self.shown,))?;
                    self.shown = done;
                }
            }
        }
        Ok(())
    }
}

/// Who is meant.
fn heard<'py>(py: Python<'py>, listener: &Bound<'py, PyAny>) -> PyResult<Option<Listener<'py>>> {
    if let Ok(wanted) = listener.cast::<PyBool>() {
        // Without tqdm it stays quiet.
        let tqdm = py.import("tqdm.auto").ok().filter(|_| wanted.is_true());
        let bar = tqdm.map(|tqdm| tqdm.call_method0("tqdm")).transpose()?;
        return Ok(bar.map(|bar| Listener::Bar { bar, own: true }));
    }
    if listener.hasattr("update")? {
        return Ok(Some(Listener::Bar { bar: listener.clone(), own: false }));
    }
    if listener.is_callable() {
        return Ok(Some(Listener::Function(listener.clone())));
    }
    let text = "progress: takes True, a function of (done, total, text), or a bar with update and total".to_string();
    Err(raised(py, "SettingError", text))
}
