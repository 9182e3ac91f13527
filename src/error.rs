//! The public error: what went wrong, where, and what to do about it, in one line.

use std::io;
use std::path::{Path, PathBuf};

/// Result with the crate's [`enum@Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The error below another one.
pub type Source = Box<dyn std::error::Error + Send + Sync>;

/// Everything that can go wrong, each variant with the values that a user needs to mend it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no such file or folder.
    #[error("{}: no such file", path.display())]
    Missing {
        /// The path as given.
        path: PathBuf,
    },
    /// The operating system, or the library of a format, could not read a file.
    #[error("{}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why it could not be read.
        source: Source,
    },
    /// A file does not hold what was expected.
    #[error("{}: {}", path.display(), printable(problem))]
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
    #[error("{} = {}: {}", printable(name), printable(value), printable(problem))]
    Setting {
        /// The flag or the key of the settings file.
        name: String,
        /// What was given.
        value: String,
        /// Why it cannot be used, and what can.
        problem: String,
    },
    /// A recipe does not parse. The column is counted from 1.
    #[error("recipe '{}', column {column}: {}", printable(text), printable(problem))]
    Recipe {
        /// The recipe as given.
        text: String,
        /// Where reading stopped, from 1.
        column: usize,
        /// What was found and what was expected.
        problem: String,
    },
    /// A pattern cannot be prepared, filled or phased as it is.
    #[error("{0}")]
    Pattern(String),
    /// A support does not fit its pattern, or is empty.
    #[error("{0}")]
    Support(String),
    /// A network cannot be applied to this pattern, or its training cannot go on.
    #[error("model {model}: {problem}")]
    Model {
        /// Name of the model or of its training recipe.
        model: String,
        /// Why, and which one would do.
        problem: String,
    },
    /// A device failed while it computed.
    #[error("{device} failed ({source}): try device = cpu")]
    Device {
        /// The device, `GPU 0`.
        device: String,
        /// What its driver said.
        source: Source,
    },
    /// No run of the phasing gave an object.
    #[error(
        "none of {runs} runs gave an object (diverged, or outside its support): try another support, a smaller \
         support-threshold, or lacuna info for what may be wrong with the data"
    )]
    NoObject {
        /// Runs that were made.
        runs: usize,
    },
    /// Objects cannot be registered, averaged or compared.
    #[error("{0}")]
    Object(String),
    /// An entry does not fit its simulated set.
    #[error("pattern {pattern} of the set: {problem}")]
    Entry {
        /// Index in the set.
        pattern: usize,
        /// Why it does not fit.
        problem: String,
    },
    /// Something could not be put into the form in which it is written.
    #[error("{what} cannot be written as text: {source}")]
    Encode {
        /// What was to be written: `the card of a model`.
        what: &'static str,
        /// The library's reason.
        source: Source,
    },
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
    /// An error of reading `path`: [`Error::Missing`] where there is no such file, otherwise
    /// [`Error::Read`].
    pub fn read(path: impl AsRef<Path>, source: impl Into<Source>) -> Self {
        let (path, source) = (path.as_ref().to_path_buf(), source.into());
        match source.downcast_ref::<io::Error>() {
            Some(error) if error.kind() == io::ErrorKind::NotFound => Error::Missing { path },
            _ => Error::Read { path, source },
        }
    }

    /// An [`Error::Encode`].
    pub fn encode(what: &'static str, source: impl Into<Source>) -> Self {
        Error::Encode { what, source: source.into() }
    }

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

/// Text on one line, whatever was typed: control characters as Rust writes them.
fn printable(text: &str) -> String {
    let escaped = |c: char| if c.is_control() { c.escape_default().to_string() } else { c.to_string() };
    text.chars().map(escaped).collect()
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

/// A number with its noun: `1 run`, `3 runs`.
pub fn counted(count: usize, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}

/// The word of `known` that is most like another; one that begins with it before all others, the last
/// of those that do equally. `None` where there is none.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let begins = |name: &str| !word.is_empty() && name.starts_with(word);
    known.into_iter().max_by_key(|name| (begins(name), std::cmp::Reverse(edit_distance(name, word))))
}

/// Letters to insert, remove or replace to turn one word into the other (Levenshtein).
fn edit_distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, letter) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, other) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(letter != *other);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}
