//! All scans of a batch on one page, and in one table.

use super::scans::Scan;
use super::state::{State, Status};
use crate::error::{Error, Result, counted};
use crate::io::{self, write_text};
use crate::reconstruct::views;
use crate::report::{ComplexImage, Figure, Live, Report, Section, Table};
use ndarray::{Array2, Axis, s};
use num_complex::Complex32;
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// Longest side of a picture, pixels: the page of hundreds of scans has to open.
const SIDE: usize = 96;

/// Seconds after which a browser loads the page of a batch at work again, and after which nothing
/// new is strange: a scan may take hours.
const REFRESH: [u64; 2] = [30, 48 * 3600];

/// The page and the table of a batch.
#[derive(Debug)]
pub struct Overview {
    folder: PathBuf,
    scans: Vec<Entry>,
    command: String,
}

#[derive(Debug)]
struct Entry {
    scan: Scan,
    state: Option<State>,
    picture: Option<Array2<Complex32>>,
}

/// A line of the table.
#[derive(Serialize)]
struct Line<'a> {
    scan: &'a str,
    folder: &'a str,
    state: String,
    seconds: Option<f64>,
    probability: Option<f64>,
    r_factor: Option<f64>,
    llk_poisson: Option<f64>,
    free_llk_poisson: Option<f64>,
    support_fraction: Option<f64>,
    runs: Option<usize>,
    device: Option<&'a str>,
    verdict: Option<&'a str>,
    error: Option<&'a str>,
}

impl Overview {
    /// Names of the page and the table.
    pub const NAMES: [&str; 2] = ["index.html", "summary.csv"];

    /// The scans with what became of them so far. `command` is quoted on the page.
    ///
    /// # Errors
    /// Those of [`State::read`].
    pub fn read(folder: &Path, scans: impl IntoIterator<Item = Scan>, command: &str) -> Result<Self> {
        let entry = |scan: Scan| {
            let state = State::read(&folder.join(&scan.name))?;
            Ok(Entry { picture: picture(folder, &scan, state.as_ref()), scan, state })
        };
        let scans = scans.into_iter().map(entry).collect::<Result<_>>()?;
        Ok(Overview { folder: folder.into(), scans, command: command.into() })
    }

    /// Tells what became of a scan.
    pub fn set(&mut self, index: usize, state: State) {
        let entry = &mut self.scans[index];
        entry.picture = picture(&self.folder, &entry.scan, Some(&state));
        entry.state = Some(state);
    }

    /// The number of scans that are so far.
    pub fn count(&self, status: Status) -> usize {
        self.scans.iter().filter(|entry| entry.status() == Some(status)).count()
    }

    /// The number of scans.
    pub fn len(&self) -> usize {
        self.scans.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.scans.is_empty()
    }

    /// What became of all scans, in a sentence.
    pub fn sentence(&self) -> String {
        let known = |status| (self.count(status), status);
        let counts = Status::ALL.into_iter().map(known).filter(|(count, _)| *count > 0);
        let mut parts: Vec<String> = counts.map(|(count, status)| format!("{count} {status}")).collect();
        let waiting = self.scans.iter().filter(|entry| entry.state.is_none()).count();
        parts.extend((waiting > 0).then(|| format!("{waiting} not begun")));
        format!("{}: {}.", counted(self.scans.len(), "scan"), parts.join(", "))
    }

    /// Writes page and table. A page of a batch at work is loaded again now and then.
    ///
    /// # Errors
    /// [`Error::Write`].
    pub fn write(&self, at_work: bool) -> Result<()> {
        let [page, table] = Self::NAMES.map(|name| self.folder.join(name));
        write_text(&table, true, &self.csv()?)?;
        write_text(&page, true, &self.page(at_work).to_html())
    }

    fn csv(&self) -> Result<String> {
        let fail = |error: &dyn std::fmt::Display| Error::encode("the table of a batch", error.to_string());
        let mut writer = csv::Writer::from_writer(Vec::new());
        for entry in &self.scans {
            writer.serialize(entry.line()).map_err(|error| fail(&error))?;
        }
        let bytes = writer.into_inner().map_err(|error| fail(&error))?;
        String::from_utf8(bytes).map_err(|error| fail(&error))
    }

    fn page(&self, at_work: bool) -> Report {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
        let [refresh, stale] = REFRESH;
        let table = Table {
            header: ["scan", "state", "probability", "R", "free log-likelihood", "support", "seconds"]
                .map(String::from)
                .into(),
            rows: self.scans.iter().map(Entry::cells).collect(),
            ..Table::default()
        };
        let all =
            Section { title: "All scans".into(), tables: vec![table.without_empty_columns()], ..Section::default() };
        let mut sections = vec![all];
        sections.extend(self.scans.iter().filter_map(Entry::section));
        Report {
            title: format!("Batch {}", self.folder.file_name().unwrap_or_default().to_string_lossy()),
            verdict: self.sentence(),
            links: vec![(Self::NAMES[1].into(), "The table as CSV".into())],
            live: at_work.then_some(Live { written: now, refresh, stale }),
            sections,
            command: self.command.clone(),
            version: format!("lacuna {}", env!("CARGO_PKG_VERSION")),
            ..Report::default()
        }
    }
}

impl Entry {
    fn status(&self) -> Option<Status> {
        self.state.as_ref().map(|state| state.status)
    }

    fn line(&self) -> Line<'_> {
        let state = self.state.as_ref();
        let numbers = state.map(|state| &state.numbers);
        Line {
            scan: &self.scan.location,
            folder: &self.scan.name,
            state: state.map_or("not-begun".into(), |state| state.status.to_string()),
            seconds: state.map(|state| (state.seconds * 100.0).round() / 100.0),
            probability: numbers.and_then(|numbers| numbers.probability),
            r_factor: numbers.and_then(|numbers| numbers.r_factor),
            llk_poisson: numbers.and_then(|numbers| numbers.llk_poisson),
            free_llk_poisson: numbers.and_then(|numbers| numbers.free_llk_poisson),
            support_fraction: numbers.and_then(|numbers| numbers.support_fraction),
            runs: numbers.and_then(|numbers| numbers.runs),
            device: numbers.and_then(|numbers| numbers.device.as_deref()),
            verdict: state.and_then(|state| state.verdict.as_deref()),
            error: state.and_then(|state| state.error.as_deref()),
        }
    }

    /// Its row of the table on the page.
    fn cells(&self) -> Vec<String> {
        let line = self.line();
        let number = |value: Option<f64>, digits: usize| value.map_or("-".into(), |value| format!("{value:.digits$}"));
        let percent = |value: Option<f64>, digits: usize| number(value.map(|value| 100.0 * value), digits);
        vec![
            self.scan.name.clone(),
            line.state.replace('-', " "),
            line.probability.map_or("-".into(), |_| percent(line.probability, 0) + " %"),
            number(line.r_factor, 4),
            number(line.free_llk_poisson, 3),
            line.support_fraction.map_or("-".into(), |_| percent(line.support_fraction, 2) + " %"),
            number(line.seconds, 1),
        ]
    }

    /// Its part of the page; none where it was not begun.
    fn section(&self) -> Option<Section> {
        let state = self.state.as_ref()?;
        let text = match (&state.verdict, &state.error) {
            (Some(verdict), _) => verdict.clone(),
            (None, Some(error)) if state.status == Status::Failed => format!("Failed: {error}"),
            (None, Some(error)) => format!("Unfinished: {error}"),
            (None, None) => "Unfinished.".into(),
        };
        let link = state.report(&self.scan.name);
        let figure = self.picture.as_ref().map(|plane| {
            Figure::Complex(ComplexImage {
                caption: self.caption(state),
                data: plane.clone(),
                unit: "√photons".into(),
                ..ComplexImage::default()
            })
        });
        Some(Section {
            title: self.scan.name.clone(),
            text,
            links: link.into_iter().map(|page| (page.display().to_string(), "Its report".into())).collect(),
            figures: figure.into_iter().collect(),
            ..Section::default()
        })
    }

    fn caption(&self, state: &State) -> String {
        let numbers = &state.numbers;
        let number = |name: &str, value: Option<f64>| value.map(|value| format!("{name} {value:.4}"));
        let parts = [
            number("R", numbers.r_factor),
            number("free log-likelihood", numbers.free_llk_poisson),
            Some(format!("{:.1} s", state.seconds)),
            Some(self.scan.location.clone()),
        ];
        parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
    }
}

/// The middle plane of a scan's object; none where it has none, or none that can be read.
fn picture(folder: &Path, scan: &Scan, state: Option<&State>) -> Option<Array2<Complex32>> {
    state?.report(&scan.name)?;
    let result = folder.join(&scan.name).join("result.cxi");
    let (object, _) = io::read_object(&result.to_string_lossy()).ok()?;
    let object = views::cropped(&object, views::window(&object));
    let plane = object.0.index_axis(Axis(0), object.shape()[0] / 2);
    let step = plane.dim().0.max(plane.dim().1).div_ceil(SIDE).max(1) as isize;
    Some(plane.slice(s![..;step, ..;step]).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::job::Job;
    use crate::settings::TypedSettings;

    #[test]
    fn page_and_table_keep_the_order_and_stay_small() {
        let folder = tempfile::tempdir().unwrap();
        let scans: Vec<String> = ["b", "a", "c"].map(|name| format!("/s/{name}.h5")).into();
        let jobs = Job::list(&scans, None, "bragg", &TypedSettings::default()).unwrap();
        let all = jobs.iter().map(|job| job.scan.clone());
        let mut overview = Overview::read(folder.path(), all, "lacuna batch").unwrap();
        overview.set(1, State::failed(&jobs[1], "a, \"b\" <c>".into()));
        // The worst that a picture can be: noise to its edges.
        let mut done = State::failed(&jobs[0], String::new());
        (done.status, done.verdict, done.error) = (Status::Done, Some("Found.".into()), None);
        overview.set(0, done);
        let noise = |(y, x): (usize, usize)| {
            Complex32::from_polar(((y * 7919 + x * 104_729) % 251) as f32, (y * 31 + x * x * 17) as f32)
        };
        overview.scans[0].picture = Some(Array2::from_shape_fn((SIDE, SIDE), noise));
        overview.write(true).unwrap();
        let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
        let (page, table) = (read("index.html"), read("summary.csv"));
        assert!(page.len() < 130_000, "{} bytes", page.len());
        assert!(
            page.contains("3 scans: 1 done, 1 failed, 1 not begun.") && page.contains("a, &quot;b&quot; &lt;c&gt;")
        );
        assert!(page.contains("href=\"b/report.html\"") && !page.contains("href=\"a/report.html\""));
        let mut reader = csv::Reader::from_reader(table.as_bytes());
        let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
        let of = |column: usize| rows.iter().map(|row| row[column].to_string()).collect::<Vec<_>>();
        assert_eq!(
            (of(1), of(2)),
            (["b", "a", "c"].map(String::from).into(), ["done", "failed", "not-begun"].map(String::from).into())
        );
        assert_eq!(&rows[1][12], "a, \"b\" <c>");
    }
}
