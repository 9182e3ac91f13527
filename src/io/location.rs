//! What a user may give as input: a file, `file:/path/inside` (or `file.npz:key`), a folder of
//! frames, or a pattern such as `scan_*.tif`.

use super::content;
use super::glob::matches;
use super::series::Series;
use crate::error::{Error, Result};
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

/// Endings of files that hold one frame or a stack, for folders.
const FRAMES: [&str; 6] = [".tif", ".tiff", ".edf", ".npy", ".cbf", ".edf.gz"];

/// File formats, recognised by content, never by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Hdf5,
    Npz,
    Npy,
    Tiff,
    Edf,
    Cbf,
    /// The text of a scan, whose frames lie beside it.
    Spec,
}

/// A resolved input.
#[derive(Debug)]
pub(super) struct Location {
    /// The file, the folder or the pattern as given, without what is inside.
    pub path: PathBuf,
    /// The path or key inside.
    pub inside: Option<String>,
    /// An index into the first axes of what is inside, `[3]` after its path.
    pub index: Vec<usize>,
    /// The file, or the frames of a scan.
    pub series: Series,
    pub format: Format,
}

impl Location {
    pub fn parse(text: &str) -> Result<Self> {
        let (path, inside) = split(text);
        let name = |path: &Path| path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let series = if path.is_dir() {
            let files = frames(&path, |name| {
                let name = name.to_lowercase();
                FRAMES.iter().any(|end| name.strip_suffix(".gz").unwrap_or(&name).ends_with(end))
            })?;
            Series::sort(&path, files)?
        } else if !path.exists() && name(&path).contains(['*', '?']) {
            let pattern = name(&path);
            let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
            Series::sort(&path, frames(folder, |name| matches(&pattern, name))?)?
        } else {
            Series::single(path.clone())
        };
        let files: Vec<&PathBuf> = series.files.iter().flatten().collect();
        if files.is_empty() {
            return Err(Error::file(&path, "no frames found here: .tif, .tiff, .edf, .cbf or .npy files are expected"));
        }
        let formats = files.iter().map(|file| recognise(file)).collect::<Result<Vec<_>>>()?;
        if let Some(other) = formats.iter().position(|&format| format != formats[0]) {
            return Err(Error::file(
                &path,
                format!("holds {} and {}, of different formats", files[0].display(), files[other].display()),
            ));
        }
        if files.len() > 1 && matches!(formats[0], Format::Hdf5 | Format::Npz | Format::Spec) {
            return Err(Error::file(&path, format!("names {} files: give one of them", files.len())));
        }
        let (inside, index) = indexed(inside);
        Ok(Location { path, inside, index, format: formats[0], series })
    }

    /// The path with what is inside, for messages.
    pub fn display(&self) -> PathBuf {
        match &self.inside {
            Some(inside) => PathBuf::from(format!("{}:{inside}", self.path.display())),
            None => self.path.clone(),
        }
    }
}

/// `file:/inside` (also silx's `file::/inside`) where `file` exists; a file whose own name holds a
/// colon wins.
fn split(text: &str) -> (PathBuf, Option<String>) {
    if Path::new(text).exists() {
        return (text.into(), None);
    }
    let inside = text.match_indices(':').find(|(at, _)| Path::new(&text[..*at]).is_file());
    match inside {
        Some((at, _)) => (text[..at].into(), Some(text[at..].trim_start_matches(':').to_string())),
        None => match text.split_once(":/") {
            Some((file, _)) if !file.is_empty() => (file.into(), None),
            _ => (text.into(), None),
        },
    }
}

fn frames(folder: &Path, wanted: impl Fn(&str) -> bool) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).map_err(|error| Error::read(folder, error))?;
    Ok(entries
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| path.is_file() && path.file_name().and_then(OsStr::to_str).is_some_and(&wanted))
        .collect())
}

/// `/data[3]` is the volume with index 3 of the first axis of `/data`, and `[3]` alone of the whole
/// file.
fn indexed(inside: Option<String>) -> (Option<String>, Vec<usize>) {
    let Some(text) = inside else { return (None, Vec::new()) };
    let parsed = text.strip_suffix(']').and_then(|text| text.rsplit_once('[')).and_then(|(path, index)| {
        let index: Option<Vec<usize>> = index.split(',').map(|number| number.trim().parse().ok()).collect();
        Some((path.to_string(), index?))
    });
    match parsed {
        Some((path, index)) => (Some(path).filter(|path| !path.is_empty()), index),
        None => (Some(text), Vec::new()),
    }
}

/// The format of a file.
pub(super) fn recognise(path: &Path) -> Result<Format> {
    let fail = |problem: &str| Error::file(path, problem);
    // Opening a pipe waits for whoever writes into it, and what came out of it cannot be read again.
    if path.metadata().is_ok_and(|found| !found.is_file()) {
        return Err(fail("is no file but a folder, a pipe or a device: give a file"));
    }
    // HDF5 allows a user block: its signature may also be at 512, 1024, 2048 ...
    let head = content::head(path, 4104)?;
    let hdf5 = [0, 512, 1024, 2048, 4096]
        .iter()
        .any(|&at| head.get(at..).is_some_and(|h| h.starts_with(b"\x89HDF\r\n\x1a\n")));
    let starts = |magic: &[&[u8]]| magic.iter().any(|magic| head.starts_with(magic));
    if hdf5 {
        Ok(Format::Hdf5)
    } else if starts(&[b"PK\x03\x04", b"PK\x05\x06"]) {
        Ok(Format::Npz)
    } else if starts(&[b"\x93NUMPY"]) {
        Ok(Format::Npy)
    } else if starts(&[b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"]) {
        Ok(Format::Tiff)
    } else if head.trim_ascii_start().starts_with(b"{") && head.contains(&b'=') {
        Ok(Format::Edf)
    } else if starts(&[b"###CBF"]) {
        Ok(Format::Cbf)
    } else if starts(&[b"#F ", b"#S "]) {
        Ok(Format::Spec)
    } else if head.is_empty() {
        Err(fail("is an empty file"))
    } else {
        let extension = path.extension().and_then(OsStr::to_str).unwrap_or_default().to_lowercase();
        Err(match extension.as_str() {
            "cxi" | "h5" | "hdf5" | "hdf" | "nxs" | "nx" => fail("is not an HDF5 file, in spite of its name"),
            "npz" | "npy" => fail("is not a numpy file, in spite of its name"),
            "tif" | "tiff" => fail("is not a TIFF file, in spite of its name"),
            _ => fail("is in no format that can be read: CXI, HDF5, npz, npy, TIFF, EDF, CBF"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_inside_comes_after_an_existing_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a:b.h5");
        fs::write(&file, "text").unwrap();
        let text = file.to_str().unwrap();
        assert_eq!(split(text), (file.clone(), None));
        assert_eq!(split(&format!("{text}:/entry/data")), (file.clone(), Some("/entry/data".into())));
        assert_eq!(split(&format!("{text}::/entry/data")), (file.clone(), Some("/entry/data".into())));
        assert_eq!(split("nowhere.h5:/entry/data"), ("nowhere.h5".into(), None));
        assert_eq!(indexed(Some("/data[3, 1]".into())), (Some("/data".into()), vec![3, 1]));
        assert_eq!(indexed(Some("[0]".into())), (None, vec![0]));
        assert_eq!(indexed(Some("/a[b]".into())), (Some("/a[b]".into()), vec![]));
        let error = Location::parse(text).unwrap_err().to_string();
        assert!(error.ends_with("a:b.h5: is not an HDF5 file, in spite of its name"), "{error}");
        let device = Location::parse("/dev/zero").unwrap_err().to_string();
        assert_eq!(device, "/dev/zero: is no file but a folder, a pipe or a device: give a file");
        let missing = Location::parse("nowhere.cxi:/entry_1").unwrap_err().to_string();
        assert_eq!(missing, "nowhere.cxi: no such file");
    }
}
