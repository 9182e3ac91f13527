//! Treatments of a gap side by side on one pattern.

use crate::errors::{exception, refused};
use crate::given::{Given, Masks};
use crate::keywords::{Asked, Group, Takes};
use crate::progress::Progress;
use crate::save::{Kind, call, fragment, page};
use crate::simulated::Simulated;
use crate::words::pythonic;
use crate::work;
use lacuna::compare::{Case, ComparisonSummary, Contender, Truth};
use lacuna::error::Error;
use lacuna::pixels;
use lacuna::reconstruct::{Frames, PhasingStart, model};
use lacuna::report::{Report, Section, Table};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};
use pythonize::pythonize;
use std::path::PathBuf;

/// Treatments of a gap, phased from equal starts and scored. It does not change.
#[pyclass(frozen, module = "lacuna_cdi")]
pub struct Comparison {
    summary: ComparisonSummary,
    report: Report,
}

#[pymethods]
impl Comparison {
    /// The comparison in a sentence or two.
    #[getter]
    fn verdict(&self) -> String {
        pythonic(&self.summary.verdict)
    }

    /// A dictionary for each treatment: ``gap``, ``score`` against the truth, ``hold_out`` (how well it
    /// predicts measured pixels under copies of the gap) and ``free_llk``.
    #[getter]
    fn gaps<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        Ok(pythonize(py, &self.summary.gaps)?)
    }

    /// The table: a list of dictionaries of text, best first; ``pandas.DataFrame`` takes it.
    #[getter]
    fn table<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let rows = self.summary.rows.iter().map(|cells| {
            let row = PyDict::new(py);
            for (name, cell) in self.summary.columns.iter().zip(cells) {
                row.set_item(if name.is_empty() { "gap" } else { name }, cell)?;
            }
            Ok(row)
        });
        PyList::new(py, rows.collect::<PyResult<Vec<_>>>()?)
    }

    /// What the pattern itself says of filling, a dictionary; ``None`` where no treatment needs the
    /// network.
    #[getter]
    fn advice<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        Ok(pythonize(py, &self.summary.advice)?)
    }

    /// Every number about it, a dictionary: what ``lacuna compare --json`` prints last.
    #[getter]
    fn summary<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        Ok(pythonize(py, &self.summary)?)
    }

    /// Writes the page: ``path`` ends with ``.html``. Existing files are replaced with ``force=True``.
    #[pyo3(signature = (path, *, force = false))]
    fn save(&self, py: Python<'_>, path: PathBuf, force: bool) -> PyResult<PathBuf> {
        Kind::of(py, &path, &[Kind::Html])?;
        page(py, &path, force, &self.report)
    }

    fn __repr__(&self) -> String {
        format!("<lacuna_cdi.Comparison of {} treatments>", self.summary.gaps.len())
    }

    fn _repr_html_(&self, py: Python<'_>) -> PyResult<String> {
        let table = Table { header: self.summary.columns.clone(), rows: self.summary.rows.clone(), ..Table::default() };
        // Pictures of the objects only: the page has the others.
        let objects = self.report.sections.iter().filter(|section| section.title == "Objects");
        let figures = objects.flat_map(|section| section.figures.clone()).collect();
        let sections = vec![Section { tables: vec![table.without_empty_columns()], figures, ..Section::default() }];
        let (title, verdict) = (self.report.title.clone(), self.report.verdict.clone());
        fragment(py, Report { title, verdict, sections, ..Report::default() })
    }
}

const COMPARES: Takes = Takes {
    groups: &[Group::Input, Group::Phasing],
    singles: &["gap-interval", "model"],
    own: &["mask", "gaps", "truth", "preset", "prepared", "progress", "threads", "max_memory", "recipe"],
};

/// Phases a pattern with its gap treated in several ways, from equal starts, and says which is
/// nearest to the truth: ``lacuna compare`` on an array.
///
/// Parameters
/// ----------
/// pattern, mask, preset, prepared, progress, threads, max_memory
///     As in ``phase``.
/// gaps : list of str, optional
///     Treatments as ``gap=`` takes them, ``"auto"``, and ``"full"`` (no gap at all, with ``truth``).
/// truth : array or str or os.PathLike or Pattern or Simulated, optional
///     The same pattern without the gap, whose reconstruction the others are scored against. A
///     ``Simulated`` brings its true object, and they are scored against that.
/// **settings
///     Those of input, preparation and phasing, ``gap_interval`` and ``model``.
///
/// Returns
/// -------
/// Comparison
#[pyfunction]
#[pyo3(signature = (pattern, mask = None, *, gaps = None, truth = None, preset = None, prepared = false, progress = None, threads = None, max_memory = None, **settings))]
#[allow(clippy::too_many_arguments, reason = "they are the keywords of a function of Python")]
pub fn compare(
    py: Python<'_>,
    pattern: &Bound<'_, PyAny>,
    mask: Option<&Bound<'_, PyAny>>,
    gaps: Option<Vec<String>>,
    truth: Option<&Bound<'_, PyAny>>,
    preset: Option<&Bound<'_, PyAny>>,
    prepared: bool,
    progress: Option<&Bound<'_, PyAny>>,
    threads: Option<usize>,
    max_memory: Option<f64>,
    settings: Option<&Bound<'_, PyDict>>,
) -> PyResult<Comparison> {
    let masks = Masks::of(mask)?;
    let asked = Asked::new(py, preset, settings, masks.text, &COMPARES)?.within(py, max_memory)?;
    let given = Given::new(pattern, &masks.arrays, prepared, &asked)?;
    let whole = truth.map(|truth| Given::new(truth, &[], prepared, &asked)).transpose()?;
    let object = truth.and_then(|truth| truth.cast::<Simulated>().ok()).map(|truth| truth.get().truth());
    let named = gaps.is_some();
    let mut contenders = Contender::list(&gaps.unwrap_or_default()).map_err(|error| exception(py, error))?;
    if whole.is_none() {
        if named && contenders.contains(&Contender::Full) {
            return Err(refused(py, "gaps", "full", "there is no pattern without the gap: give truth"));
        }
        contenders.retain(|contender| *contender != Contender::Full);
    }
    let (name, command) = (given.name.clone(), call("compare", &given.name, settings));
    let mut progress = Progress::new(py, progress, 0)?;
    let settings = &asked.settings;
    let done = work::run(py, &mut progress, threads, |observer| {
        let prepared = given.load(settings, Frames::OfOnePattern, observer)?;
        let flat = prepared.pattern.is_2d();
        let full = match whole {
            None => None,
            Some(whole) => {
                // The same pixels, whatever else would be found without the gap.
                let (twin, place) = (settings.for_twin(prepared.centre, flat)?, whole.name.clone());
                let full = whole.load(&twin, Frames::OfOnePattern, observer)?.pattern;
                if full.shape() != prepared.pattern.shape() {
                    let problem = "is not the same pattern without its gap: the shapes differ";
                    return Err(Error::setting("truth", place, problem));
                }
                Some(full)
            }
        };
        let model = model(settings.gap.model.as_deref(), if flat { 2 } else { 3 })?;
        let bare = pixels::Pattern { estimate: None, ..prepared.pattern.clone() };
        let start = PhasingStart::new(&bare, prepared.support.as_ref(), settings)?;
        // What was cropped has another object.
        let truth: Option<Truth> = object.filter(|truth| truth.object.shape() == bare.shape());
        let case = Case {
            name,
            pattern: prepared.pattern,
            full,
            truth,
            hold_out: true,
            contenders,
            model: &model,
            start,
            settings,
        };
        let compared = case.compare(observer)?;
        Ok(Comparison { summary: compared.summary(&command)?, report: compared.page(&command)? })
    })?;
    done.whole(py)
}
