//! What a person or a machine sees while the program works: bars and notes on standard error, JSON lines on standard output.

use super::OutputFlags;
use indicatif::{ProgressBar, ProgressStyle};
use lacuna::error::{Error, Result};
use lacuna::phasing::ensemble::RunSummary;
use lacuna::phasing::run::{Ended, Point};
use serde_json::{Value, json};
use std::io::Write;
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

static STOP: AtomicBool = AtomicBool::new(false);
static HANDLER: Once = Once::new();

/// From now on the first Ctrl-C asks to stop, and the second one stops at once.
pub fn catch_interrupts() {
    HANDLER.call_once(|| {
        // Without a handler Ctrl-C ends the process, which loses no file: outputs are renamed into place.
        let _ = ctrlc::set_handler(|| {
            if STOP.swap(true, Ordering::SeqCst) {
                std::process::exit(130);
            }
        });
    });
}

/// Whether Ctrl-C was pressed.
pub fn interrupted() -> bool {
    STOP.load(Ordering::SeqCst)
}

/// Where a verb reports to.
pub struct Voice {
    json: bool,
    quiet: bool,
}

impl Voice {
    pub fn new(flags: &OutputFlags) -> Self {
        Voice { json: flags.json, quiet: flags.quiet || flags.json }
    }

    /// A line for people.
    pub fn note(&self, text: impl AsRef<str>) {
        if !self.quiet {
            eprintln!("{}", text.as_ref());
        }
    }

    /// An event for machines: `event` and the fields of `value`.
    pub fn event(&self, event: &str, mut value: Value) -> Result<()> {
        if !self.json {
            return Ok(());
        }
        if let Some(fields) = value.as_object_mut() {
            fields.insert("event".into(), event.into());
        }
        let mut out = std::io::stdout().lock();
        writeln!(out, "{value}").and_then(|()| out.flush()).map_err(|e| Error::write("standard output", e))
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

    /// Work that tells the part done and asks whether to go on, with a bar in percent. Ctrl-C makes it stop.
    pub fn percent<T>(&self, what: &str, work: impl FnOnce(&mut dyn FnMut(f64) -> bool) -> Result<T>) -> Result<T> {
        catch_interrupts();
        let bar = self.bar(100, what);
        let done = work(&mut |done| {
            bar.set_position((done * 100.0) as u64);
            !interrupted()
        });
        bar.finish_and_clear();
        done
    }

    /// A point of a run's curve.
    pub fn point(&self, bar: &ProgressBar, run: usize, point: &Point) -> Result<()> {
        bar.set_position(point.cycle as u64);
        let free = point.fit.free_llk_poisson;
        bar.set_message(format!(
            "R {:.4}  LLK {:.3}  free {}  support {:.2} %",
            point.fit.r_factor,
            point.fit.llk_poisson,
            free.map_or("-".into(), |free| format!("{free:.3}")),
            100.0 * point.fit.support_fraction
        ));
        let mut value = json!(point);
        value["run"] = run.into();
        self.event("progress", value)
    }

    /// The end of a run.
    pub fn run(&self, index: usize, run: &RunSummary) -> Result<()> {
        let ended = match run.ended {
            Ended::Finished => String::new(),
            Ended::Interrupted => format!(" (interrupted after {} cycles)", run.cycles),
            Ended::Diverged => " (diverged)".into(),
        };
        let verdict = run.verdict.text();
        let number = |value: Option<f64>, digits: usize| value.map_or("-".into(), |value| format!("{value:.digits$}"));
        let free = run.fit.and_then(|fit| fit.free_llk_poisson);
        self.note(format!(
            "run {index} seed {}: R {}, LLK {}, free LLK {}, support {} %, {:.1} s{ended}: {verdict}",
            run.seed,
            number(run.fit.map(|fit| fit.r_factor), 4),
            number(run.fit.map(|fit| fit.llk_poisson), 4),
            number(free, 4),
            number(run.fit.map(|fit| 100.0 * fit.support_fraction), 2),
            run.seconds + run.search_seconds,
        ));
        let value = json!({
            "r_factor": run.fit.map(|fit| fit.r_factor),
            "llk_poisson": run.fit.map(|fit| fit.llk_poisson),
            "free_llk_poisson": free,
            "scale": run.fit.map(|fit| fit.scale),
            "support_fraction": run.fit.map(|fit| fit.support_fraction),
            "run": index,
            "seed": run.seed,
            "ended": run.ended,
            "verdict": verdict,
            "seconds": run.seconds,
        });
        self.event("run", value)
    }
}
