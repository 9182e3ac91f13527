//! Numbered frames of a scan in one file each: which names belong together, and which numbers are
//! missing.

use super::note::Note;
use crate::error::{Error, Result};
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The files of a series in natural order, with a gap for each number that is missing.
#[derive(Debug, Default)]
pub(super) struct Series {
    /// A file for each number, `None` where it is missing.
    pub files: Vec<Option<PathBuf>>,
    /// Names of the missing files, in order.
    pub missing: Vec<PathBuf>,
    pub notes: Vec<Note>,
}

impl Series {
    /// A single file.
    pub fn single(file: PathBuf) -> Self {
        Series { files: vec![Some(file)], ..Series::default() }
    }

    /// Sorts `files`, all of one folder: one series whose names differ in a number, with at most a
    /// few other files.
    ///
    /// # Errors
    ///
    /// [`Error::File`] where several series are there.
    pub fn sort(place: &Path, mut files: Vec<PathBuf>) -> Result<Self> {
        files.sort_by(|a, b| natural(&a.to_string_lossy(), &b.to_string_lossy()));
        let mut groups: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
        for file in files {
            groups.entry(skeleton(&name(&file))).or_default().push(file);
        }
        let main = groups.iter().max_by_key(|(_, files)| files.len()).map(|(key, _)| key.clone()).unwrap_or_default();
        let Some(files) = groups.remove(&main) else { return Ok(Series::default()) };
        let text = main.replace('#', "*");
        let several = groups.values().any(|others| others.len() > 1 && !is_dark(&others[0]));
        if several || (files.len() == 1 && !groups.is_empty()) {
            let all = groups.iter().map(|(key, others)| (key.replace('#', "*"), others.len()));
            let all: Vec<_> =
                std::iter::once((text, files.len())).chain(all).map(|(n, c)| format!("{n} ({c})")).collect();
            let problem = format!("holds several series, give the pattern of one: {}", all.join(", "));
            return Err(Error::file(place, problem));
        }
        let mut series = with_gaps(files, &text);
        let strangers = groups.into_iter().map(|(key, mut files)| match files.len() {
            1 => files.remove(0),
            _ => PathBuf::from(key.replace('#', "*")),
        });
        series.notes.extend(strangers.map(|file| Note::LeftOut { file, series: text.clone() }));
        Ok(series)
    }
}

/// Fills the gaps between the numbers of `files`, which differ in numbers only.
fn with_gaps(files: Vec<PathBuf>, text: &str) -> Series {
    let fields: Vec<Vec<String>> = files.iter().map(|file| numbers(&name(file))).collect();
    let varying: Vec<usize> = (0..fields.first().map_or(0, Vec::len))
        .filter(|&field| fields.iter().any(|numbers| numbers[field] != fields[0][field]))
        .collect();
    let value = |numbers: &[String], field: usize| numbers[field].parse::<u64>().ok();
    let uneven = |files: Vec<PathBuf>| {
        let notes = if files.len() > 2 { vec![Note::Uneven { series: text.into() }] } else { Vec::new() };
        Series { files: files.into_iter().map(Some).collect(), missing: Vec::new(), notes }
    };
    // A time beside the number of a frame changes as well: only the number must be without gaps.
    let counts = |&field: &usize| {
        let values: Option<Vec<u64>> = fields.iter().map(|numbers| value(numbers, field)).collect();
        let values = values.filter(|values| values.windows(2).all(|pair| pair[0] < pair[1]))?;
        let steps = values.windows(2).map(|pair| pair[1] - pair[0]);
        let step = steps.reduce(gcd).unwrap_or(1);
        let places = (values[values.len() - 1] - values[0]) / step + 1;
        // More numbers missing than there are: these numbers count something else.
        (places <= 2 * values.len() as u64).then_some((field, values, step, places))
    };
    let Some((field, values, step, places)) = varying.iter().filter_map(counts).min_by_key(|(.., places)| *places)
    else {
        return if varying.is_empty() { Series::single_or_all(files) } else { uneven(files) };
    };
    let mut series = Series::default();
    let mut there = files.into_iter().zip(values.iter().zip(&fields)).peekable();
    let mut before: Option<(String, Vec<String>)> = None;
    for place in 0..places {
        let number = values[0] + place * step;
        match there.next_if(|(_, (value, _))| **value == number) {
            Some((file, (_, numbers))) => {
                before = Some((name(&file), numbers.clone()));
                series.files.push(Some(file));
            }
            None => {
                let lost = before.as_ref().map(|(name, numbers)| with_number(name, numbers, field, number));
                series.missing.push(lost.unwrap_or_default().into());
                series.files.push(None);
            }
        }
    }
    series
}

impl Series {
    fn single_or_all(files: Vec<PathBuf>) -> Self {
        Series { files: files.into_iter().map(Some).collect(), ..Series::default() }
    }
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// Names of frames that are measured beside a series.
fn is_dark(file: &Path) -> bool {
    let name = name(file).to_lowercase();
    ["dark", "flat", "mask", "background", "bkg", "empty", "white"].iter().any(|word| name.contains(word))
}

fn name(file: &Path) -> String {
    file.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// A name with `#` for each number.
fn skeleton(name: &str) -> String {
    let mut out = String::new();
    for c in name.chars() {
        match c.is_ascii_digit() {
            true if out.ends_with('#') => {}
            true => out.push('#'),
            false => out.push(c),
        }
    }
    out
}

/// The numbers in a name.
fn numbers(name: &str) -> Vec<String> {
    name.split(|c: char| !c.is_ascii_digit()).filter(|digits| !digits.is_empty()).map(String::from).collect()
}

/// The name of the same series with another number in one field.
fn with_number(name: &str, numbers: &[String], field: usize, number: u64) -> String {
    let (mut out, mut rest) = (String::new(), name);
    for (i, digits) in numbers.iter().enumerate() {
        let Some(at) = rest.find(digits.as_str()) else { break };
        out += &rest[..at];
        if i == field {
            out += &format!("{number:0width$}", width = digits.len())
        } else {
            out += digits
        }
        rest = &rest[at + digits.len()..];
    }
    out + rest
}

/// Order in which `frame_9` comes before `frame_10`.
pub(super) fn natural(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a, b);
    loop {
        let (head_a, head_b) = (head(a), head(b));
        if head_a.is_empty() || head_b.is_empty() {
            return head_a.len().cmp(&head_b.len());
        }
        let number = |text: &str| text.parse::<u64>().ok();
        let order = match (number(head_a), number(head_b)) {
            (Some(x), Some(y)) => x.cmp(&y).then(head_a.len().cmp(&head_b.len())),
            _ => head_a.cmp(head_b),
        };
        if order != Ordering::Equal {
            return order;
        }
        (a, b) = (&a[head_a.len()..], &b[head_b.len()..]);
    }
}

/// The leading digits, or the leading non-digits.
fn head(text: &str) -> &str {
    let digits = text.starts_with(|c: char| c.is_ascii_digit());
    let end = text.find(|c: char| c.is_ascii_digit() != digits).unwrap_or(text.len());
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sorted(names: &[&str]) -> Result<Series> {
        Series::sort(Path::new("scan"), names.iter().map(|name| Path::new("scan").join(name)).collect())
    }

    #[test]
    fn frames_come_in_natural_order() {
        let mut names = ["f10.tif", "f9.tif", "f009.tif", "f1.tif", "e2.tif"];
        names.sort_by(|a, b| natural(a, b));
        assert_eq!(names, ["e2.tif", "f1.tif", "f9.tif", "f009.tif", "f10.tif"]);
    }

    #[test]
    fn numbers_that_are_missing_are_named() {
        let series = sorted(&["s7_0001.tif", "s7_0002.tif", "s7_0005.tif", "s7_0004.tif"]).unwrap();
        assert_eq!(series.files.iter().map(Option::is_some).collect::<Vec<_>>(), [true, true, false, true, true]);
        assert_eq!(series.missing, [PathBuf::from("s7_0003.tif")]);
        // Every tenth frame is a series too.
        let series = sorted(&["f0.tif", "f10.tif", "f30.tif", "f40.tif"]).unwrap();
        assert_eq!((series.files.len(), series.missing.len()), (5, 1));
        // Times are no numbers of frames.
        let series = sorted(&["f1.tif", "f500.tif", "f777.tif"]).unwrap();
        assert_eq!((series.files.len(), series.missing.len()), (3, 0));
        assert!(matches!(series.notes[..], [Note::Uneven { .. }]));
    }

    #[test]
    fn strangers_are_left_out_and_several_series_refused() {
        let series = sorted(&["dark.tif", "f1.tif", "f2.tif"]).unwrap();
        assert_eq!(series.files.len(), 2);
        let [Note::LeftOut { file, series }] = &series.notes[..] else { panic!("{:?}", series.notes) };
        assert_eq!((file.as_path(), series.as_str()), (Path::new("scan/dark.tif"), "f*.tif"));
        let error = sorted(&["a1.tif", "a2.tif", "b1.tif", "b2.tif", "b3.tif"]).unwrap_err().to_string();
        assert_eq!(error, "scan: holds several series, give the pattern of one: b*.tif (3), a*.tif (2)");
    }
}
