//! The public error: what went wrong, where, and what to do about it, in one line.

use std::io;
use std::path::{Path, PathBuf};

/// Result with the crate's [`enum@Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Everything that can go wrong, each variant with the values that a user needs to mend it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file cannot be read, or does not hold what was expected.
    #[error("{}: {problem}", path.display())]
    File {
        /// The file, with `:/path/inside` where one was given.
        path: PathBuf,
        /// What is wrong with it and how to mend it.
        problem: String,
    },
    /// An output cannot be written; what was there before is untouched.
    #[error("cannot write {}: {source}", path.display())]
    Write {
        /// The output.
        path: PathBuf,
        /// The operating system's reason.
        source: io::Error,
    },
    /// The output exists already.
    #[error("{} exists already: give --force to replace it, or another --output", path.display())]
    Exists {
        /// The output.
        path: PathBuf,
    },
    /// Two arrays that belong together differ in shape.
    #[error("{what} is {} but the data are {}: {remedy}", shape_text(found), shape_text(expected))]
    Shape {
        /// The array at fault.
        what: String,
        /// Its shape.
        found: Vec<usize>,
        /// The shape it should have.
        expected: Vec<usize>,
        /// What to do about it.
        remedy: String,
    },
    /// A setting has a value that makes no sense.
    #[error("{name} = {value}: {problem}")]
    Setting {
        /// The flag or the key of the settings file.
        name: String,
        /// What was given.
        value: String,
        /// Why it cannot be used, and what can.
        problem: String,
    },
    /// A recipe does not parse. The column is counted from 1.
    #[error("recipe '{text}', column {column}: {problem}")]
    Recipe {
        /// The recipe as given.
        text: String,
        /// Where reading stopped, from 1.
        column: usize,
        /// What was found and what was expected.
        problem: String,
    },
    /// The data cannot be phased as they are.
    #[error("{0}")]
    Data(String),
    /// The problem does not fit into memory.
    #[error("needs about {} of memory, {} are available: {remedy}", bytes_text(*needed), bytes_text(*available))]
    Memory {
        /// Estimated peak, bytes.
        needed: u64,
        /// What the machine can give, bytes.
        available: u64,
        /// What would fit.
        remedy: String,
    },
    /// Ctrl-C, before anything worth keeping was there.
    #[error("interrupted")]
    Interrupted,
}

impl Error {
    /// A [`Error::File`] for `path`.
    pub fn file(path: impl AsRef<Path>, problem: impl Into<String>) -> Self {
        Error::File { path: path.as_ref().to_path_buf(), problem: problem.into() }
    }

    /// A [`Error::Setting`] for the flag or key `name`.
    pub fn setting(name: &str, value: impl ToString, problem: impl Into<String>) -> Self {
        Error::Setting { name: name.into(), value: value.to_string(), problem: problem.into() }
    }

    /// A [`Error::Write`] for `path`.
    pub fn write(path: impl AsRef<Path>, source: io::Error) -> Self {
        Error::Write { path: path.as_ref().to_path_buf(), source }
    }
}

/// A shape as users write it: `201x256x256`.
pub fn shape_text(shape: &[usize]) -> String {
    shape.iter().map(ToString::to_string).collect::<Vec<_>>().join("x")
}

/// Bytes with a unit, two digits: `1.5 GB`.
pub fn bytes_text(bytes: u64) -> String {
    let mut value = bytes as f64;
    for unit in ["B", "kB", "MB", "GB"] {
        if value < 1000.0 {
            return if value < 10.0 && unit != "B" {
                format!("{value:.1} {unit}")
            } else {
                format!("{value:.0} {unit}")
            };
        }
        value /= 1000.0;
    }
    format!("{value:.1} TB")
}
