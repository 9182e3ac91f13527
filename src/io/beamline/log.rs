//! What the text file of a scan says: positions of motors, and columns with a number for each point.

use super::layout::{LogFile, LogFormat};
use super::{fio, spec};
use crate::error::{Error, Result};
use crate::io::{content, glob};
use std::path::{Path, PathBuf};

/// A scan as its text file describes it.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct ScanLog {
    /// The file.
    pub path: PathBuf,
    /// Numbers that hold for the whole scan, by the name of the motor.
    pub motors: Vec<(String, f64)>,
    /// Numbers of each point, by the name of the column.
    pub columns: Vec<(String, Vec<f64>)>,
}

impl ScanLog {
    /// The numbers of a column or, where there is none of this name, the position of a motor.
    pub fn values(&self, name: &str) -> Option<Vec<f64>> {
        let column = self.columns.iter().find(|(known, _)| known == name).map(|(_, values)| values.clone());
        column.or_else(|| self.motors.iter().find(|(known, _)| known == name).map(|(_, value)| vec![*value]))
    }

    /// The numbers of a column.
    ///
    /// # Errors
    ///
    /// The names of the columns that there are.
    pub fn column(&self, name: &str) -> Result<&[f64], String> {
        let found = self.columns.iter().find(|(known, _)| known == name).map(|(_, values)| &values[..]);
        found.ok_or_else(|| {
            let names: Vec<&str> = self.columns.iter().map(|(name, _)| name.as_str()).collect();
            let names = if names.is_empty() { "none".into() } else { names.join(", ") };
            format!("is no column of {}, which has {names}", self.path.display())
        })
    }
}

/// The text of a file.
pub(super) fn text(path: &Path) -> Result<String> {
    Ok(String::from_utf8_lossy(&content::bytes(path)?).into_owned())
}

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
    let text = text(path)?;
    let log = match format {
        LogFormat::Fio => fio::parse(&text),
        LogFormat::Spec => spec::parse(&text, scan),
    };
    let log = log.map_err(|problem| Error::file(path, problem))?;
    Ok(ScanLog { path: path.to_path_buf(), ..log })
}
