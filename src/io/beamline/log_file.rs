//! Text files that lie beside the frames of a scan: which one belongs to them, and what it says.

use super::layout::{LogFile, LogFormat};
use super::log::ScanLog;
use super::{fio, spec};
use crate::error::{Error, Result};
use crate::io::{content, glob};
use std::path::{Path, PathBuf};

/// The text file that belongs to the frames in a folder. `name` is what the layout calls so; among
/// several files the one counts whose name the folder's own name begins with.
pub(super) fn beside(log: &LogFile, folder: &Path, name: &str) -> Result<PathBuf> {
    let patterns = log.files.iter().map(|pattern| pattern.replace("{name}", name));
    let mut found = Vec::new();
    for pattern in patterns.clone() {
        found = glob::files(folder, &pattern);
        if !found.is_empty() {
            break;
        }
    }
    if found.len() > 1 {
        let own = folder.canonicalize().unwrap_or_else(|_| folder.to_path_buf());
        let own = own.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let stem = |path: &PathBuf| path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let fits: Vec<PathBuf> = found.iter().filter(|path| own.starts_with(&stem(path))).cloned().collect();
        found = if fits.len() == 1 { fits } else { found };
    }
    match &found[..] {
        [one] => Ok(one.clone()),
        [] => {
            let patterns: Vec<String> = patterns.collect();
            let problem = format!("the beamline's text file is not here: {} was looked for", patterns.join(", "));
            Err(Error::file(folder, problem))
        }
        _ => {
            let names: Vec<String> = found.iter().map(|path| path.display().to_string()).collect();
            let problem = format!(
                "several text files might belong to it: {}; keep one, or name it in a layout",
                names.join(", ")
            );
            Err(Error::file(folder, problem))
        }
    }
}

/// The scan that a text file describes; SPEC files need its number, with the place among those of
/// this number if there are several.
pub(super) fn read(format: LogFormat, path: &Path, scan: Option<spec::ScanNumber>) -> Result<ScanLog> {
    let bytes = content::bytes(path)?;
    let text = String::from_utf8_lossy(&bytes);
    let log = match format {
        LogFormat::Fio => fio::parse(&text),
        LogFormat::Spec => spec::parse(&text, scan),
    };
    let log = log.map_err(|problem| Error::file(path, problem))?;
    Ok(ScanLog { path: path.to_path_buf(), ..log })
}
