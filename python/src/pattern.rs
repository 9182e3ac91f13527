//! A pattern as Python holds it: read, prepared, or filled.

use crate::arrays::{view, view_of_some};
use crate::errors::{exception, raised};
use crate::keywords::echo;
use crate::save::{Kind, fragment};
use lacuna::error::shape_text;
use lacuna::geometry::{EV, Placement};
use lacuna::io::{Input, Process, Source, write_pattern};
use lacuna::pixels::{self, trimmed};
use lacuna::prepare::Prepared;
use lacuna::reconstruct::pattern_picture;
use lacuna::report::{Figure, Report, Section};
use lacuna::settings::TypedSettings;
use lacuna::volume::Centered;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use serde_json::{Value, json};
use std::path::PathBuf;

/// A diffraction pattern, as it was read, prepared or filled. It does not change.
///
/// Arrays are read-only views ``(y, x)`` or ``(z, y, x)`` of the pattern's own memory; copy one to
/// change it. Zero frequency of a prepared pattern is at ``n // 2``.
#[pyclass(frozen, module = "lacuna_cdi")]
pub struct Pattern {
    /// Everything that is known of it; its mask is always there.
    pub(crate) input: Input,
    /// Name for titles and quoted calls.
    pub(crate) name: String,
    /// The support that it was prepared with, in which runs begin.
    pub(crate) start: Option<Centered<bool>>,
    completed: Option<Centered<f32>>,
    steps: Vec<String>,
    notes: Vec<String>,
    settings: TypedSettings,
    command: String,
    results: Value,
}

impl Pattern {
    /// A pattern as it was read.
    pub fn new(mut input: Input, name: String, settings: &TypedSettings, command: String) -> Self {
        input.mask.get_or_insert_with(|| Centered::filled(input.intensity.shape(), 0));
        let completed = completed(&input);
        let notes = input.notes.iter().map(ToString::to_string).collect();
        Pattern {
            input,
            name,
            start: None,
            completed,
            steps: Vec::new(),
            notes,
            settings: settings.clone(),
            command,
            results: json!({}),
        }
    }

    /// A pattern that was prepared.
    pub fn prepared(prepared: Prepared, name: String, settings: &TypedSettings, command: String) -> Self {
        let Prepared { pattern, support, steps, notes, .. } = prepared;
        let (measured_pixels, photons) = pattern.totals();
        let pixels::Pattern { intensity, mask, estimate, calculated: _, geometry, goniometer } = pattern;
        let placement = Placement::whole(intensity.shape());
        let source = Source {
            path: name.clone().into(),
            dataset: None,
            format: "CXI",
            element: "float32".into(),
            maximum_of_type: None,
            by_lacuna: true,
        };
        let (mask, monitor) = (Some(mask), None);
        let input = Input {
            intensity,
            mask,
            support: None,
            estimate,
            geometry,
            goniometer,
            monitor,
            placement,
            source,
            notes: Vec::new(),
        };
        let results = json!({"measured_pixels": measured_pixels, "photons": photons, "steps": steps.join("; ")});
        Pattern { start: support, steps, notes, results, ..Pattern::new(input, name, settings, command) }
    }

    /// The same, filled by this method.
    pub fn filled_by(mut self, method: &impl serde::Serialize) -> Self {
        self.results["method"] = json!(method);
        self
    }

    fn mask(&self) -> &Centered<u32> {
        self.input.mask.as_ref().expect("every pattern is made with a mask")
    }
}

/// Counts where they were measured, estimates where there are some; NaN elsewhere.
fn completed(input: &Input) -> Option<Centered<f32>> {
    let (estimate, mask) = (input.estimate.as_ref()?, input.mask.as_ref()?);
    let mut all = input.intensity.clone();
    for (at, value) in all.0.indexed_iter_mut().filter(|(at, _)| mask.0[*at] != 0) {
        *value = if estimate.at.0[at] { estimate.mean.0[at] } else { f32::NAN };
    }
    Some(Centered(all.0))
}

#[pymethods]
impl Pattern {
    /// Photons for each pixel, float32. Meaningless where ``mask`` is not zero; of a pattern that was
    /// only read, as stored.
    #[getter]
    fn intensity<'py>(this: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        view(this, |pattern| &pattern.input.intensity)
    }

    /// CXI bits, uint32: zero where a pixel was measured.
    #[getter(mask)]
    fn mask_view<'py>(this: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        view(this, Pattern::mask)
    }

    /// Estimated photons, float32; ``None`` without a fill. Meaningless outside ``estimated``.
    #[getter]
    fn estimate<'py>(this: &Bound<'py, Self>) -> PyResult<Option<Bound<'py, PyAny>>> {
        view_of_some(this, |pattern| pattern.input.estimate.as_ref().map(|estimate| &estimate.mean))
    }

    /// Where there is an estimate, bool; ``None`` without a fill.
    #[getter]
    fn estimated<'py>(this: &Bound<'py, Self>) -> PyResult<Option<Bound<'py, PyAny>>> {
        view_of_some(this, |pattern| pattern.input.estimate.as_ref().map(|estimate| &estimate.at))
    }

    /// Lower bound of the photons within which phasing may vary them, float32.
    #[getter]
    fn lower<'py>(this: &Bound<'py, Self>) -> PyResult<Option<Bound<'py, PyAny>>> {
        view_of_some(this, |pattern| pattern.input.estimate.as_ref().map(|estimate| &estimate.lower))
    }

    /// Upper bound of the photons, float32.
    #[getter]
    fn upper<'py>(this: &Bound<'py, Self>) -> PyResult<Option<Bound<'py, PyAny>>> {
        view_of_some(this, |pattern| pattern.input.estimate.as_ref().map(|estimate| &estimate.upper))
    }

    /// Photons where they were measured, estimates in the gaps, NaN where neither is there, float32;
    /// ``None`` without a fill.
    #[getter]
    fn completed<'py>(this: &Bound<'py, Self>) -> PyResult<Option<Bound<'py, PyAny>>> {
        view_of_some(this, |pattern| pattern.completed.as_ref())
    }

    /// The object's support that the file holds, bool; ``None`` without one.
    #[getter]
    fn support<'py>(this: &Bound<'py, Self>) -> PyResult<Option<Bound<'py, PyAny>>> {
        view_of_some(this, |pattern| pattern.start.as_ref().or(pattern.input.support.as_ref()))
    }

    /// Pixels along each axis.
    #[getter]
    fn shape<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, trimmed(self.input.intensity.shape()))
    }

    /// Energy of a photon, eV; ``None`` where it is not known.
    #[getter]
    fn energy(&self) -> Option<f64> {
        self.input.geometry.energy.map(|energy| energy / EV)
    }

    /// Distance from sample to detector, metres; ``None`` where it is not known.
    #[getter]
    fn distance(&self) -> Option<f64> {
        self.input.geometry.distance
    }

    /// Size of a pixel ``(y, x)``, metres; ``None`` where it is not known.
    #[getter]
    fn pixel_size(&self) -> Option<(f64, f64)> {
        self.input.geometry.pixel_size.map(|[y, x]| (y, x))
    }

    /// Whether it can be phased as it is: zero frequency is at ``n // 2``.
    #[getter]
    fn is_prepared(&self) -> bool {
        self.input.source.by_lacuna
    }

    /// What was done to prepare it, one line each.
    #[getter]
    fn steps(&self) -> Vec<String> {
        self.steps.clone()
    }

    /// What one should know of it: doubts about mask or centre, missing data.
    #[getter]
    fn notes(&self) -> Vec<String> {
        self.notes.clone()
    }

    /// The settings with which it was made, a dictionary.
    #[getter]
    fn settings<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        echo(py, &self.settings)
    }

    /// Writes the pattern as CXI, with its estimates, as ``lacuna prepare`` and ``lacuna inpaint`` do.
    ///
    /// Parameters
    /// ----------
    /// path : str or os.PathLike
    ///     A name that ends with ``.cxi``.
    /// force : bool
    ///     Whether an existing file is replaced.
    #[pyo3(signature = (path, *, force = false))]
    fn save(&self, py: Python<'_>, path: PathBuf, force: bool) -> PyResult<PathBuf> {
        Kind::of(py, &path, &[Kind::Cxi])?;
        if !self.is_prepared() {
            let text = "the pattern was only read: what is written counts as prepared, so prepare it first".into();
            return Err(raised(py, "PatternError", text));
        }
        let written = py.detach(|| {
            let process = Process::new(self.command.clone(), &self.settings, &self.results)?;
            let Input { intensity, mask, estimate, geometry, goniometer, .. } = self.input.clone();
            let mask = mask.unwrap_or_else(|| intensity.map(|_| 0));
            let pattern = pixels::Pattern { intensity, mask, estimate, calculated: None, geometry, goniometer };
            write_pattern(&path, force, &pattern, self.start.as_ref(), &process)
        });
        written.map_err(|error| exception(py, error))?;
        Ok(path)
    }

    fn __repr__(&self) -> String {
        let shape = shape_text(&trimmed(self.input.intensity.shape()));
        let masked = self.mask().as_slice().iter().filter(|&&bits| bits != 0).count();
        let share = 100.0 * masked as f64 / self.mask().as_slice().len().max(1) as f64;
        let state = if self.is_prepared() { "prepared" } else { "as read" };
        let filled = if self.completed.is_some() { ", filled" } else { "" };
        format!("<lacuna_cdi.Pattern {shape}, {share:.2} % masked, {state}{filled}>")
    }

    fn _repr_html_(&self, py: Python<'_>) -> PyResult<String> {
        let mut figures = vec![pattern_picture(&self.input.intensity, self.mask())];
        if let Some(all) = &self.completed {
            let left = all.map(|value| u32::from(!value.is_finite()));
            let mut figure = pattern_picture(all, &left);
            if let Figure::Image(image) = &mut figure {
                image.title = "Completed".into();
            }
            figures.push(figure);
        }
        let facts = vec![("Pixels".to_string(), shape_text(&trimmed(self.input.intensity.shape())))];
        let steps = self.steps.iter().map(|step| ("Step".to_string(), step.clone()));
        let notes = self.notes.iter().map(|note| ("Note".to_string(), note.clone()));
        let title = format!("Pattern of {}", self.name);
        let sections = vec![Section { figures, ..Section::default() }];
        fragment(
            py,
            Report {
                title,
                facts: facts.into_iter().chain(steps).chain(notes).collect(),
                sections,
                ..Report::default()
            },
        )
    }

    fn __copy__(this: Bound<'_, Self>) -> Bound<'_, Self> {
        this
    }

    fn __deepcopy__<'py>(this: Bound<'py, Self>, _memo: Bound<'py, PyAny>) -> Bound<'py, Self> {
        this
    }
}
