//! A page that shows a reconstruction while it runs: a file, written again and again, which any
//! browser opens, also over a network drive.
//!
//! The runs hand over copies of small windows and go on; one thread makes the pages of them.

use super::observer::{Event, Observer};
use super::pipeline::Reconstruction;
use super::watch_page::{End, Picture, Progress, distance};
use crate::error::{Error, Result};
use crate::io;
use crate::phasing::ensemble::Ensemble;
use crate::phasing::run::Run;
use crate::report::Live;
use crate::settings::Settings;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Shortest time between two pages.
const LEAST: Duration = Duration::from_secs(2);

/// Time between two pages, in times that the last one took: writing costs a fiftieth of the run.
const SHARE: u32 = 50;

/// Intervals after which a page is written without news too: it says that the run still lives.
const HEARTBEAT: u32 = 3;

/// Intervals, and at least seconds, after which a page is stale: two heartbeats were missed.
const STALE: (u32, u64) = (2 * HEARTBEAT, 60);

/// Shortest time after which a browser loads the page again, seconds: people read it.
const REFRESH: u64 = 5;

/// Watches one reconstruction and keeps a page of it up to date, until [`Watch::end`].
pub struct Watch {
    shared: Arc<Shared>,
    writer: Option<JoinHandle<Result<()>>>,
}

/// What the runs and the thread that writes have in common.
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    progress: Progress,
    /// Whether anything happened that no page shows yet.
    news: bool,
    /// Whether the next page lacks a picture of a run under way.
    wants_view: bool,
    /// When one was asked for, and the time that such pictures cost since the last page.
    asked: Instant,
    looking: Duration,
    /// Whether halves of the counts are phased, whose runs are not those of the result.
    half: bool,
}

impl Watch {
    /// Begins to watch a reconstruction of `file`, and writes the first page. `command` is quoted in
    /// it.
    ///
    /// # Errors
    /// [`Error::Exists`] without `force`, and [`Error::Write`].
    pub fn begin(path: &Path, force: bool, file: &str, command: &str, settings: &Settings) -> Result<Self> {
        let progress = Progress::new(file, command, settings);
        let mut writer = Writer { path: path.to_path_buf(), throttle: Throttle::default(), distance: None };
        writer.write(&progress, Duration::ZERO, force)?;
        let now = Instant::now();
        let state = State { progress, news: false, wants_view: true, asked: now, looking: Duration::ZERO, half: false };
        let shared = Arc::new(Shared { state: Mutex::new(state), changed: Condvar::new() });
        let of_writer = Arc::clone(&shared);
        let thread = std::thread::Builder::new().name("watch".into()).spawn(move || writer.keep_writing(&of_writer));
        Ok(Watch { shared, writer: Some(thread.map_err(|error| Error::write(path, error))?) })
    }

    /// Writes the last page: what became of the reconstruction, and where its report is, relative to
    /// the page.
    ///
    /// # Errors
    /// [`Error::Write`] for that page; earlier ones that could not be written are no errors.
    pub fn end(mut self, done: &Result<Reconstruction>, report: &str) -> Result<()> {
        self.stop(End::of(done, report))
    }

    fn stop(&mut self, end: End) -> Result<()> {
        let Some(writer) = self.writer.take() else { return Ok(()) };
        self.shared.lock().progress.end = Some(end);
        self.shared.changed.notify_one();
        writer.join().unwrap_or(Ok(()))
    }
}

impl Drop for Watch {
    /// A page that nobody ended must not look as if the run went on.
    fn drop(&mut self) {
        // Nothing can be said to anyone here.
        let _ = self.stop(End { words: "The run ended without a result.".into(), report: None });
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Observer for Watch {
    fn observe(&self, event: Event<'_>) {
        // Outside the lock: a copy of a window of a large array takes its time.
        let pictures = match event {
            Event::View { run, point, object, support } => vec![Picture::new(run, point.cycle, object, support)],
            Event::SoFar(runs) => best_two(runs),
            _ => Vec::new(),
        };
        let mut state = self.shared.lock();
        if state.take(event, pictures) && !std::mem::replace(&mut state.news, true) {
            self.shared.changed.notify_one();
        }
    }

    fn wants_view(&self) -> bool {
        let mut state = self.shared.lock();
        if state.half || !state.wants_view {
            return false;
        }
        (state.wants_view, state.asked) = (false, Instant::now());
        true
    }
}

/// The best run so far, and the best one of those from other starts.
fn best_two(runs: &Ensemble) -> Vec<Picture> {
    let Some(best) = runs.whole_runs().next() else { return Vec::new() };
    let other = runs.kept.iter().find(|run| run.average_of == 0 && run.seed != best.seed);
    let picture = |run: &Run| Picture::new(run.number, run.cycles, &run.object, &run.support);
    std::iter::once(best).chain(other).map(picture).collect()
}

impl State {
    /// Takes an event in, with its pictures. Returns whether a page would show it.
    fn take(&mut self, event: Event<'_>, pictures: Vec<Picture>) -> bool {
        let progress = &mut self.progress;
        if let Event::Half(half) = event {
            self.half = half.is_some();
            progress.under_way.clear();
            progress.stage = half.map_or(String::new(), |half| format!("phasing half {} of 2 of the counts", half + 1));
            return true;
        }
        if self.half {
            return false;
        }
        match event {
            Event::Prepared { shape, object_pixel, .. } => {
                progress.stage = "the pattern is prepared".into();
                (progress.shape, progress.pixel) = (Some(shape), object_pixel);
            }
            Event::Work { name, done } if done < 1.0 => progress.stage = format!("{name}, {:.0} %", 100.0 * done),
            Event::Work { .. } => progress.stage.clear(),
            Event::Search { done, of } => progress.stage = format!("searching a start, {done} of {of}"),
            Event::RunsBegin { runs, cycles } => {
                progress.stage.clear();
                progress.cycles = cycles;
                progress.under_way = runs.iter().map(|&run| (run, Vec::new())).collect();
                progress.view = None;
            }
            Event::Point { run, point } => {
                // Points come after the search of a start, which ends without an event of its own.
                progress.stage.clear();
                if let Some((_, curve)) = progress.under_way.iter_mut().find(|(number, _)| *number == run) {
                    curve.push(*point);
                }
            }
            Event::View { .. } => {
                progress.view = pictures.into_iter().next().map(Arc::new);
                self.looking += self.asked.elapsed();
            }
            Event::SoFar(runs) => {
                let mut ended = runs.all.clone();
                ended.sort_by_key(|run| run.number);
                progress.ended = Arc::new(ended);
                progress.best = pictures.into_iter().map(Arc::new).collect();
                progress.under_way.retain(|(number, _)| runs.all.iter().all(|run| run.number != *number));
            }
            _ => return false,
        }
        true
    }
}

/// When the next page is due.
#[derive(Default)]
struct Throttle {
    /// End of the last page, and the time that it took.
    last: Option<(Instant, Duration)>,
}

impl Throttle {
    /// The time from one page to the next, after one that took this long.
    fn interval(took: Duration) -> Duration {
        LEAST.max(SHARE * took)
    }

    /// When the next page is due, with or without news; `None` for at once.
    fn due(&self, news: bool) -> Option<Instant> {
        self.last.map(|(end, took)| end + Self::interval(took) * if news { 1 } else { HEARTBEAT })
    }

    /// The interval to be promised in a page that took so long already.
    fn promised(&self, took: Duration) -> Duration {
        Self::interval(self.last.map_or(took, |(_, last)| last.max(took)))
    }
}

/// What a page promises that is written at this interval.
fn live(interval: Duration) -> Live {
    let seconds = |intervals: u32| (intervals * interval).as_secs_f64().ceil() as u64;
    Live {
        written: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs()),
        refresh: seconds(1).max(REFRESH),
        stale: seconds(STALE.0).max(STALE.1),
    }
}

/// Makes the pages.
struct Writer {
    path: PathBuf,
    throttle: Throttle,
    /// The best two runs, and their distance.
    distance: Option<(Vec<Arc<Picture>>, Option<f64>)>,
}

impl Writer {
    /// Writes a page whenever one is due, until one says how the run ended.
    fn keep_writing(mut self, shared: &Shared) -> Result<()> {
        loop {
            let mut state = shared.lock();
            while let (None, Some(due)) = (&state.progress.end, self.throttle.due(state.news)) {
                let now = Instant::now();
                if now >= due {
                    break;
                }
                state = shared.changed.wait_timeout(state, due - now).unwrap_or_else(PoisonError::into_inner).0;
            }
            let progress = state.progress.clone();
            let looking = std::mem::take(&mut state.looking);
            state.news = false;
            drop(state);
            let written = self.write(&progress, looking, true);
            if progress.end.is_some() {
                return written;
            }
            // A page that failed is followed by others: the disk may have room again by then.
            shared.lock().wants_view = true;
        }
    }

    /// Writes one page, to which the time of looking at runs counts.
    fn write(&mut self, progress: &Progress, looking: Duration, force: bool) -> Result<()> {
        let begun = Instant::now();
        let mut report = progress.report(self.distance(progress));
        // The rest takes about as long again, at most.
        let promised = self.throttle.promised(2 * begun.elapsed() + looking);
        report.live = progress.end.is_none().then(|| live(promised));
        let written = io::write_text(&self.path, force, &report.to_html());
        self.throttle.last = Some((Instant::now(), begun.elapsed() + looking));
        written
    }

    fn distance(&mut self, progress: &Progress) -> Option<f64> {
        let [best, other] = &progress.best[..] else { return None };
        match &self.distance {
            Some((of, distance)) if *of == progress.best => *distance,
            _ => self.distance.insert((progress.best.clone(), distance(best, other))).1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writing_takes_a_fiftieth_of_the_time() {
        for milliseconds in [0, 1, 40, 100, 3000] {
            let took = Duration::from_millis(milliseconds);
            let end = Instant::now();
            let throttle = Throttle { last: Some((end, took)) };
            let pause = throttle.due(true).unwrap() - end;
            assert!(pause >= Duration::from_secs(2) && took.as_secs_f64() <= 0.02 * pause.as_secs_f64(), "{took:?}");
            assert_eq!(throttle.due(false).unwrap() - end, 3 * pause, "a page without news can wait");
            assert!(throttle.promised(Duration::ZERO) == pause && throttle.promised(2 * took) >= pause);
        }
        assert!(Throttle::default().due(true).is_none());
    }

    #[test]
    fn a_page_is_stale_only_after_two_heartbeats() {
        for seconds in [2, 7, 60, 600] {
            let interval = Duration::from_secs(seconds);
            let live = live(interval);
            assert!(live.stale >= 60 && live.stale >= 2 * u64::from(HEARTBEAT) * seconds, "{live:?}");
            assert!(live.refresh >= seconds && live.refresh < live.stale, "{live:?}");
        }
    }
}
