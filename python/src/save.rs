//! Where results are written, and what a file says of how it was made.

use crate::errors::{exception, refused};
use lacuna::report::Report;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use std::path::{Path, PathBuf};

/// What a file is, by the ending of its name.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// HDF5 in CXI form.
    Cxi,
    /// NumPy arrays in a zip file.
    Npz,
    /// One page.
    Html,
}

impl Kind {
    /// That of a path, one of `known`.
    pub fn of(py: Python<'_>, path: &Path, known: &[Kind]) -> PyResult<Kind> {
        let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default().to_ascii_lowercase();
        let found = known.iter().find(|kind| kind.endings().contains(&ending.as_str()));
        found.copied().ok_or_else(|| {
            let names: Vec<String> = known.iter().map(|kind| format!(".{}", kind.endings()[0])).collect();
            refused(py, "path", &path.display().to_string(), format!("give a name that ends with {}", names.join(", ")))
        })
    }

    fn endings(self) -> &'static [&'static str] {
        match self {
            Kind::Cxi => &["cxi", "h5", "hdf5"],
            Kind::Npz => &["npz"],
            Kind::Html => &["html"],
        }
    }
}

/// Writes a page.
pub fn page(py: Python<'_>, path: &Path, force: bool, report: &Report) -> PyResult<PathBuf> {
    lacuna::io::write_text(path, force, &report.to_html()).map_err(|error| exception(py, error))?;
    Ok(path.to_path_buf())
}

/// A report as a piece of HTML.
pub fn fragment(py: Python<'_>, mut report: Report) -> PyResult<String> {
    report.verdict = crate::words::pythonic(&report.verdict);
    report.to_fragment().map_err(|error| exception(py, error))
}

/// The call that made a result, as it is quoted in files.
pub fn call(function: &str, what: &str, keywords: Option<&Bound<'_, PyDict>>) -> String {
    let mut arguments = vec![what.to_string()];
    for (name, value) in keywords.into_iter().flat_map(|keywords| keywords.iter()) {
        let array = value.hasattr("dtype").unwrap_or(false);
        let value = if array { "<array>".into() } else { value.repr().map_or("...".into(), |text| text.to_string()) };
        arguments.push(format!("{name}={value}"));
    }
    format!("lacuna_cdi.{function}({})", arguments.join(", "))
}
