//! The library's errors as exceptions: their classes are those of `lacuna_cdi._errors`, their text
//! is the program's one line.

use crate::words::{IN_MEMORY, pythonic};
use lacuna::Error;
use pyo3::exceptions::PyKeyboardInterrupt;
use pyo3::prelude::*;
use std::path::Path;

/// The exception for an error.
pub fn exception(py: Python<'_>, error: Error) -> PyErr {
    if matches!(error, Error::Interrupted) {
        return PyKeyboardInterrupt::new_err("interrupted");
    }
    raised(py, class(&error), text(error))
}

/// An exception of a class of `lacuna_cdi._errors`.
pub fn raised(py: Python<'_>, class: &str, text: String) -> PyErr {
    let made = py.import("lacuna_cdi._errors").and_then(|module| module.getattr(class)?.call1((text,)));
    made.map_or_else(|failure| failure, PyErr::from_value)
}

/// A value of a setting that cannot be used.
pub fn refused(py: Python<'_>, name: &str, value: &str, problem: impl Into<String>) -> PyErr {
    exception(py, Error::setting(name, value, problem))
}

fn class(error: &Error) -> &'static str {
    match error {
        Error::Missing { .. } => "MissingFileError",
        Error::Exists { .. } => "ExistingFileError",
        Error::Read { .. } | Error::Write { .. } => "FileError",
        Error::File { path, .. } if IN_MEMORY.iter().any(|name| path == Path::new(name)) => "PatternError",
        Error::File { .. } => "ContentError",
        Error::Setting { .. } | Error::Recipe { .. } => "SettingError",
        Error::Shape { .. }
        | Error::Pattern(_)
        | Error::Support(_)
        | Error::Object(_)
        | Error::Entry { .. }
        | Error::Encode { .. } => "PatternError",
        Error::Model { .. } => "ModelError",
        Error::Device { .. } => "DeviceError",
        Error::NoObject { .. } => "NoObjectError",
        Error::Memory { .. } => "OutOfMemoryError",
        Error::Interrupted => "LacunaError",
    }
}

/// The line of an error. Names of files stay as they are, whatever words they contain.
fn text(error: Error) -> String {
    match error {
        Error::Setting { name, value, problem } => {
            let name = name.trim_start_matches("--").replace('-', "_");
            Error::Setting { name, value, problem: pythonic(&problem) }.to_string()
        }
        Error::File { path, problem } => Error::File { path, problem: pythonic(&problem) }.to_string(),
        Error::Recipe { text, column, problem } => {
            Error::Recipe { text, column, problem: pythonic(&problem) }.to_string()
        }
        Error::Exists { path } => {
            format!("{} exists already: give force=True to replace it, or another path", path.display())
        }
        Error::Missing { .. } | Error::Read { .. } | Error::Write { .. } | Error::Device { .. } => error.to_string(),
        other => pythonic(&other.to_string()),
    }
}
