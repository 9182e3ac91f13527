//! Scans as they are typed: files, patterns of names, lists, and several scans of one file.

use crate::error::{Error, Result};
use crate::io::glob;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

/// Most scans that a range of numbers may stand for.
const MOST: u64 = 100_000;

/// Names in the output of a batch that no scan may have.
const TAKEN: [&str; 3] = ["index.html", "summary.csv", "slurm"];

/// A scan of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scan {
    /// Location as [`crate::io::read`] takes it, its file by its absolute path.
    pub location: String,
    /// Name of its folder in the output.
    pub name: String,
}

/// Size and time of a file, by which another one of the same name is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileStamp {
    /// Size, bytes.
    pub bytes: u64,
    /// Time of the last change, seconds since 1970.
    pub modified: u64,
}

impl Scan {
    /// The stamp of the scan's file. Nothing for folders, and for one of several scans in a file: that
    /// file grows while others are measured.
    pub fn file_stamp(&self) -> Option<FileStamp> {
        let data = std::fs::metadata(&self.location).ok().filter(std::fs::Metadata::is_file)?;
        let modified = data.modified().ok()?.duration_since(UNIX_EPOCH).ok()?.as_secs();
        Some(FileStamp { bytes: data.len(), modified })
    }

    /// The scans with these locations, each with a name of its own: that of the file, without its
    /// ending, and what is inside; that of the folder too where two files have the same.
    pub(super) fn named(locations: &[String]) -> Vec<Self> {
        let short: Vec<String> = locations.iter().map(|location| name(location, false)).collect();
        let mut taken: HashMap<String, usize> = TAKEN.map(|name| (name.into(), 1)).into();
        let mut scans = Vec::new();
        for (location, own) in locations.iter().zip(&short) {
            let alone = short.iter().filter(|other| *other == own).count() == 1;
            let stem = if alone { own.clone() } else { name(location, true) };
            let mut name = stem.clone();
            while taken.contains_key(&name) {
                let count = taken.entry(stem.clone()).or_insert(0);
                *count += 1;
                name = format!("{stem}-{count}");
            }
            taken.insert(name.clone(), 1);
            scans.push(Scan { location: location.clone(), name });
        }
        scans
    }
}

/// The locations that were typed, `@list.txt` being a file of them, each once and in this order.
///
/// # Errors
/// [`Error::Missing`] and [`Error::Read`] for a list, [`Error::File`] for a pattern that no file
/// has and for numbers of scans that make no sense.
pub(super) fn expand(texts: &[String]) -> Result<Vec<String>> {
    let mut found: Vec<String> = Vec::new();
    for text in texts {
        let listed = match text.strip_prefix('@') {
            Some(list) => {
                let text = std::fs::read_to_string(list).map_err(|error| Error::read(list, error))?;
                let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
                lines.map(String::from).collect()
            }
            None => vec![text.clone()],
        };
        for text in listed {
            found.extend(locations(&text)?);
        }
    }
    let mut seen = std::collections::HashSet::new();
    found.retain(|location| seen.insert(location.clone()));
    Ok(found)
}

/// The locations that one text stands for.
fn locations(text: &str) -> Result<Vec<String>> {
    let (file, inside) = split(text);
    let files = match has_wildcards(file) && !Path::new(file).exists() {
        true => matching(file)?,
        false => vec![PathBuf::from(file)],
    };
    let insides = match inside {
        None => vec![String::new()],
        Some(inside) => match numbers(inside).map_err(|problem| Error::file(text, problem))? {
            Some(numbers) => numbers.iter().map(|number| format!(":{number}")).collect(),
            None => vec![format!(":{inside}")],
        },
    };
    let mut found = Vec::new();
    for file in files {
        let file = std::path::absolute(&file).map_err(|error| Error::read(&file, error))?;
        found.extend(insides.iter().map(|inside| format!("{}{inside}", file.display())));
    }
    Ok(found)
}

/// A file or a pattern of files, and what is inside of it. A file whose own name holds a colon wins.
fn split(text: &str) -> (&str, Option<&str>) {
    if Path::new(text).exists() {
        return (text, None);
    }
    let parts = || text.match_indices(':').map(|(at, _)| (&text[..at], text[at..].trim_start_matches(':')));
    let there = |(file, _): &(&str, &str)| Path::new(file).is_file() || has_wildcards(file);
    let inside = |(_, inside): &(&str, &str)| inside.starts_with('/') || matches!(numbers(inside), Ok(Some(_)));
    match parts().find(there).or_else(|| parts().find(inside)) {
        Some((file, inside)) => (file, Some(inside)),
        None => (text, None),
    }
}

fn has_wildcards(text: &str) -> bool {
    text.contains(['*', '?'])
}

/// The files with names like this; folders where no file has one: those hold the frames of a scan.
fn matching(pattern: &str) -> Result<Vec<PathBuf>> {
    let folder = if pattern.starts_with('/') { "/" } else { "." };
    let found = glob::paths(Path::new(folder), pattern);
    let (folders, files): (Vec<_>, Vec<_>) = found.into_iter().partition(|path| path.is_dir());
    let found = if files.is_empty() || pattern.ends_with('/') { folders } else { files };
    if found.is_empty() {
        return Err(Error::file(pattern, "no file has a name like this"));
    }
    Ok(found)
}

/// The numbers of `12-20,25`; nothing where the text is something else.
fn numbers(text: &str) -> Result<Option<Vec<u64>>, String> {
    let mut all = Vec::new();
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let number = |text: &str| text.parse::<u64>().ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()));
        let (Some(first), Some(last)) = (number(first), number(last)) else { return Ok(None) };
        if first > last || last - first >= MOST {
            return Err(format!("{part} is no range of scans: write the smaller number first, {MOST} scans at most"));
        }
        all.extend(first..=last);
    }
    Ok(Some(all))
}

/// The name of a location, with that of its folder or without.
fn name(location: &str, with_folder: bool) -> String {
    let (file, inside) = split(location);
    let path = Path::new(file);
    let text = |part: Option<&std::ffi::OsStr>| part.unwrap_or_default().to_string_lossy().into_owned();
    let stem = if path.is_dir() { text(path.file_name()) } else { text(path.file_stem()) };
    let folder = path.parent().filter(|_| with_folder).map(|folder| text(folder.file_name()));
    let inside = inside.map(|inside| inside.trim_matches('/').to_string());
    let parts = [folder, Some(stem), inside].into_iter().flatten().filter(|part| !part.is_empty());
    let name = parts.collect::<Vec<_>>().join("-");
    let plain = |c: char| if c.is_alphanumeric() || "-_.".contains(c) { c } else { '_' };
    let name: String = name.chars().map(plain).collect();
    // Not hidden, and no way out of the folder.
    if name.is_empty() || name.starts_with('.') { format!("_{name}") } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn names(locations: &[&str]) -> Vec<String> {
        let locations: Vec<String> = locations.iter().map(ToString::to_string).collect();
        Scan::named(&locations).into_iter().map(|scan| scan.name).collect()
    }

    #[test]
    fn scans_are_expanded_in_order_and_once() {
        let folder = tempfile::tempdir().unwrap();
        let here = folder.path();
        for name in ["scan_2.h5", "scan_1.h5", "other.txt", "odd:1.h5", "what*.h5"] {
            fs::write(here.join(name), "").unwrap();
        }
        for name in ["frames_1", "frames_2"] {
            fs::create_dir(here.join(name)).unwrap();
        }
        let at = |name: &str| format!("{}/{name}", here.display());
        let list = at("list.txt");
        fs::write(&list, format!("# of tonight\n{}\n\n{}\n", at("scan_1.h5:7,9-11"), at("scan_2.h5"))).unwrap();
        let expanded = |texts: &[&str]| -> Vec<String> {
            let texts: Vec<String> = texts.iter().map(ToString::to_string).collect();
            let found = expand(&texts).unwrap();
            found.iter().map(|one| one.strip_prefix(&at("")).unwrap().to_string()).collect()
        };
        assert_eq!(expanded(&[&at("scan_*.h5"), &at("scan_1.h5")]), ["scan_1.h5", "scan_2.h5"]);
        let all = ["scan_1.h5:7", "scan_1.h5:9", "scan_1.h5:10", "scan_1.h5:11", "scan_2.h5"];
        assert_eq!(expanded(&[&format!("@{list}")]), all);
        assert_eq!(expanded(&[&at("scan_?.h5:/1.1")]), ["scan_1.h5:/1.1", "scan_2.h5:/1.1"]);
        assert_eq!(expanded(&[&at("odd:1.h5"), &at("what*.h5")]), ["odd:1.h5", "what*.h5"]);
        assert_eq!(expanded(&[&at("nowhere.h5:3-4")]), ["nowhere.h5:3", "nowhere.h5:4"]);
        assert_eq!(expanded(&[&at("frames_*")]), ["frames_1", "frames_2"]);
        let error = |text: String| expand(&[text]).unwrap_err().to_string();
        assert!(error(at("no_*.h5")).ends_with("no_*.h5: no file has a name like this"));
        assert!(error(at("scan_1.h5:9-7")).contains("9-7 is no range of scans"));
        assert!(error("@nowhere.txt".into()).contains("nowhere.txt: no such file"));
    }

    #[test]
    fn names_are_those_of_the_files_and_differ() {
        assert_eq!(names(&["/a/scan_1.h5", "/a/scan_2.h5:/1.1/data"]), ["scan_1", "scan_2-1.1_data"]);
        assert_eq!(names(&["/a/x.h5", "/b/x.h5", "/c/y.h5"]), ["a-x", "b-x", "y"]);
        assert_eq!(names(&["/a/x.h5", "/a/x.cxi", "/b/slurm.h5"]), ["a-x", "a-x-2", "slurm-2"]);
        assert_eq!(names(&["/a/.h5", "/a/..", "/a/x y.h5:12"]), ["_.h5", "_", "x_y-12"]);
    }
}
