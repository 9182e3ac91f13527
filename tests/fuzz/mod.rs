//! Damaged input: whatever bytes a file or text has, reading it ends, with a result or one line of
//! error. Every check damages valid inputs, with a seed for each, and is short by default; the long
//! campaign is
//!
//! ```text
//! LACUNA_FUZZ=1000 LACUNA_SEED=1 cargo test --test main fuzz:: -- --nocapture
//! ```
//!
//! with that many damaged files of each format, and ten thousand times as many texts of all kinds
//! together. An input at which the process hangs or is aborted is left in `target/tmp/fuzz`.

mod damage;
mod files;
mod texts;

use damage::Damage;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Time that no small input takes.
const HANG: Duration = Duration::from_secs(60);

/// Number of damaged inputs of each format.
fn count() -> u64 {
    number("LACUNA_FUZZ").unwrap_or(10)
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().expect("a number"))
}

/// A folder for the inputs at work.
fn folder(name: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("fuzz").join(name);
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

/// Gives `attempt` the damage of each seed, and expects that it returns: how often with a result
/// and how often with an error is printed. Errors must be one line.
fn campaign(name: &str, count: u64, mut attempt: impl FnMut(&mut Damage) -> Result<(), String>) {
    let first = number("LACUNA_SEED").unwrap_or(0);
    let watchdog = Watchdog::start(name);
    let (mut outcomes, mut faults) = (BTreeMap::<&str, u64>::new(), Vec::new());
    for seed in first..first + count {
        watchdog.begin(seed);
        let outcome = catch_unwind(AssertUnwindSafe(|| attempt(&mut Damage::new(seed))));
        *outcomes.entry(if matches!(outcome, Ok(Ok(()))) { "read" } else { "refused" }).or_default() += 1;
        match outcome {
            Ok(Ok(())) => {}
            Ok(Err(error)) if error.trim_end().lines().count() == 1 => {}
            Ok(Err(error)) => faults.push(format!("seed {seed}: an error of several lines: {error:?}")),
            Err(_) => faults.push(format!("seed {seed}: a panic")),
        }
    }
    println!("{name}: {count} inputs, {outcomes:?}, {} faults", faults.len());
    assert!(faults.is_empty(), "{name}: {}", faults.join("\n"));
}

/// Ends the process when an input takes too long: nothing else stops code that never returns.
struct Watchdog {
    started: Instant,
    /// Milliseconds at which the input at work was begun; zero without one.
    began: std::sync::Arc<AtomicU64>,
    seed: std::sync::Arc<AtomicU64>,
}

impl Watchdog {
    fn start(name: &str) -> Self {
        let dog = Watchdog { started: Instant::now(), began: Default::default(), seed: Default::default() };
        let (started, name) = (dog.started, name.to_string());
        let (began, seed) = (dog.began.clone(), dog.seed.clone());
        std::thread::spawn(move || {
            // Until the campaign is over, which drops the other owner.
            while std::sync::Arc::strong_count(&began) > 1 {
                std::thread::sleep(Duration::from_millis(200));
                let since = Duration::from_millis(began.load(Ordering::SeqCst));
                if since > Duration::ZERO && started.elapsed() > since + HANG {
                    eprintln!("{name}: seed {} hangs", seed.load(Ordering::SeqCst));
                    std::process::abort();
                }
            }
        });
        dog
    }

    fn begin(&self, seed: u64) {
        self.seed.store(seed, Ordering::SeqCst);
        self.began.store(self.started.elapsed().as_millis() as u64 + 1, Ordering::SeqCst);
    }
}
