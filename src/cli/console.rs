//! What a person or a machine sees while the program works: bars and notes on standard error, JSON
//! lines on standard output.

use super::flags::{NetworkDeviceFlag, OutputFlags};
use super::signals;
use indicatif::{ProgressBar, ProgressStyle};
use lacuna::error::Result;
use lacuna::network::OpenNetworkDevice;
use lacuna::phasing::Fit;
use lacuna::phasing::run::{Ended, Point};
use lacuna::phasing::run_summary::{RunSummary, RunVerdict};
use lacuna::reconstruct::{Event, Observer, Reconstruction};
use serde::Serialize;
use serde_json::json;
use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Where a verb reports to.
pub struct Console {
    json: bool,
    quiet: bool,
    /// Whether nobody reads the JSON lines any more.
    unread: AtomicBool,
    bar: Mutex<ProgressBar>,
}

impl Console {
    /// A console as the flags ask for it. From now on the first Ctrl-C asks to stop.
    pub fn new(flags: &OutputFlags) -> Self {
        signals::catch();
        Console {
            json: flags.json,
            quiet: flags.quiet || flags.json,
            unread: AtomicBool::new(false),
            bar: Mutex::new(ProgressBar::hidden()),
        }
    }

    /// A line for people.
    pub fn note(&self, text: impl AsRef<str>) {
        if !self.quiet {
            eprintln!("{}", text.as_ref());
        }
    }

    /// What a reconstruction came to: its best run as it was ended, the average that is the result, and
    /// the verdict.
    pub fn outcome(&self, result: &Reconstruction) {
        let best = result.ensemble.all.iter().find(|run| run.number == result.summary.best_run);
        if let Some(run) = best {
            let fit = run.fit.map_or(String::new(), |fit| fit_text(&fit));
            self.note(format!("best is run {} ({}): {fit}", run.number, run.origin()));
        }
        if let (Some(count), Some(run)) = (result.summary.averaged_runs, result.ensemble.kept.first()) {
            self.note(format!("the result is the average of {count} runs: {}", fit_text(&run.fit)));
        }
        self.note(result.summary.verdict.sentence());
    }

    /// The device of a network, opened; says which one it is where that is not plain.
    pub fn network_device(&self, asked: &NetworkDeviceFlag) -> Result<OpenNetworkDevice> {
        let open = asked.open()?;
        match &open.fallback {
            Some(why) => self.note(format!("the network runs on the CPU: {why}")),
            None if open.name != "cpu" => self.note(format!("the network runs on {}", open.name)),
            None => {}
        }
        Ok(open)
    }

    /// An event for machines: `event` and the fields of `value`.
    ///
    /// A reader that went away, or a log on a full disk, never costs the work itself.
    pub fn event(&self, event: &str, value: &impl Serialize) {
        if !self.json || self.unread.load(Ordering::Relaxed) {
            return;
        }
        #[derive(Serialize)]
        struct Line<'a, T> {
            event: &'a str,
            #[serde(flatten)]
            value: &'a T,
        }
        let line =
            serde_json::to_string(&Line { event, value }).unwrap_or_else(|error| format!("{{\"error\":\"{error}\"}}"));
        let mut out = std::io::stdout().lock();
        if let Err(error) = writeln!(out, "{line}").and_then(|()| out.flush()) {
            self.unread.store(true, Ordering::Relaxed);
            if error.kind() != std::io::ErrorKind::BrokenPipe {
                eprintln!("lacuna: standard output: {error}; the work goes on without events");
            }
        }
    }

    /// Text on standard output, unless that is for machines.
    pub fn print(&self, text: impl AsRef<str>) -> Result<()> {
        if self.json { Ok(()) } else { super::text::print(text) }
    }

    /// A bar of `length` steps; hidden where standard error is no terminal.
    pub fn bar(&self, length: u64, what: &str) -> ProgressBar {
        if self.quiet {
            return ProgressBar::hidden();
        }
        let style = ProgressStyle::with_template("{prefix:>9} {bar:30} {pos}/{len}  {eta} left  {msg}")
            .unwrap_or_else(|_| ProgressStyle::default_bar());
        let bar = ProgressBar::new(length).with_style(style).with_prefix(what.to_string());
        bar.enable_steady_tick(Duration::from_millis(200));
        bar
    }

    /// Work that tells the fraction done and asks whether to go on, with a bar in percent.
    pub fn percent<T>(&self, what: &str, work: impl FnOnce(&mut dyn FnMut(f64) -> bool) -> Result<T>) -> Result<T> {
        let bar = self.bar(100, what);
        let done = work(&mut |done| {
            bar.set_position((done * 100.0) as u64);
            self.go_on()
        });
        bar.finish_and_clear();
        done
    }

    /// The bar of what is going on now.
    fn current(&self) -> std::sync::MutexGuard<'_, ProgressBar> {
        self.bar.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn replace_bar(&self, bar: ProgressBar) {
        std::mem::replace(&mut *self.current(), bar).finish_and_clear();
    }

    fn work(&self, name: &str, done: f64) {
        if done >= 1.0 {
            self.replace_bar(ProgressBar::hidden());
            return;
        }
        if self.current().prefix() != name {
            self.replace_bar(self.bar(100, name));
        }
        self.current().set_position((done * 100.0) as u64);
    }

    fn point(&self, run: usize, point: &Point) {
        let fit = &point.fit;
        let bar = self.current();
        bar.set_position(point.cycle as u64);
        bar.set_message(format!(
            "R {:.4}  LLK {:.3}  free {}  support {:.2} %",
            fit.r_factor,
            fit.llk_poisson,
            fit.free_llk_poisson.map_or("-".into(), |free| format!("{free:.3}")),
            100.0 * fit.support_fraction
        ));
        drop(bar);
        #[derive(Serialize)]
        struct Progress<'a> {
            run: usize,
            #[serde(flatten)]
            point: &'a Point,
        }
        self.event("progress", &Progress { run, point });
    }

    fn run(&self, number: usize, run: &RunSummary) {
        self.replace_bar(ProgressBar::hidden());
        let ended = match run.ended {
            Ended::Finished | Ended::Averaged => String::new(),
            Ended::Interrupted => format!(" (interrupted after {} cycles)", run.cycles),
            Ended::Diverged => format!(" (diverged within {} cycles)", run.cycles),
        };
        let fit = run.fit.map_or("no object".to_string(), |fit| fit_text(&fit));
        // That it is kept so far says nothing: better ones may follow.
        let verdict = run.verdict.text();
        let fate = if run.verdict == RunVerdict::Kept { String::new() } else { format!(": {verdict}") };
        let seconds = run.seconds + run.search_seconds;
        let origin = run.origin();
        self.note(format!("run {number} {origin}: {fit}, {seconds:.1} s{ended}{fate}"));
        let mut value = run.fit.map_or_else(|| json!({}), |fit| json!(fit));
        value["run"] = number.into();
        value["seed"] = run.seed.into();
        value["average_of"] = run.average_of.into();
        value["ended"] = json!(run.ended);
        value["verdict"] = verdict.into();
        value["seconds"] = run.seconds.into();
        self.event("run", &value);
    }
}

/// A fit in words.
fn fit_text(fit: &Fit) -> String {
    format!(
        "R {:.4}, LLK {:.4}, free LLK {}, support {:.2} %",
        fit.r_factor,
        fit.llk_poisson,
        fit.free_llk_poisson.map_or("-".into(), |free| format!("{free:.4}")),
        100.0 * fit.support_fraction
    )
}

impl Observer for Console {
    fn observe(&self, event: Event<'_>) {
        match event {
            Event::Note(text) => self.note(text),
            Event::Prepared { notes, steps, shape, centre, rebin, .. } => {
                self.event(
                    "prepared",
                    &json!({"notes": notes, "steps": steps, "shape": shape, "centre": centre, "rebin": rebin}),
                );
            }
            Event::Filled { gap, pixels, unmeasured } => {
                self.event("filled", &json!({"gap": gap, "pixels": pixels, "unmeasured": unmeasured}));
            }
            Event::Advice(advice) => self.event("advice", advice),
            Event::Work { name, done } => self.work(name, done),
            Event::RunsBegin { runs, cycles } => {
                let name = match runs {
                    [one] => format!("run {one}"),
                    [first, .., last] => format!("runs {first} to {last}"),
                    [] => String::new(),
                };
                self.replace_bar(self.bar(cycles as u64, &name));
            }
            Event::Search { done, of } => self.current().set_message(format!("searching a start: {done} of {of}")),
            Event::Point { run, point } => self.point(run, point),
            Event::RunEnd { number, run } => self.run(number, run),
            Event::Half(Some(half)) => self.note(format!("split data: half {} of 2", half + 1)),
            // Pictures are for pages.
            Event::Half(None) | Event::View { .. } | Event::SoFar(_) => {}
        }
    }

    fn go_on(&self) -> bool {
        signals::received().is_none()
    }
}
