//! What a gap hides of an object, before it is phased or even measured.

use crate::arrays::{self, view};
use crate::errors::refused;
use crate::given::{Given, Masks};
use crate::keywords::{Asked, Group, Takes};
use crate::progress::Progress;
use crate::save::{Kind, call, fragment, page};
use crate::words::{ARRAY, pythonic};
use crate::work;
use lacuna::error::Error;
use lacuna::geometry::Geometry;
use lacuna::pixels::{self, trimmed};
use lacuna::prepare::Prepared;
use lacuna::reconstruct::{Frames, GapLook, look_at_gaps};
use lacuna::settings::SupportChoice;
use lacuna::volume::{Centered, Shape};
use ndarray::Array3;
use numpy::PyArray1;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use pythonize::pythonize;
use std::path::PathBuf;

/// What the pixels without a measurement hide of objects in a support. It does not change.
///
/// A hidden mode is an object inside the support of whose energy more than half falls into the gap.
/// Along these modes data and support say little; along all others they determine the object, once
/// its phases are found.
#[pyclass(frozen, module = "lacuna_cdi")]
pub struct HiddenModes {
    look: GapLook,
    name: String,
    command: String,
}

#[pymethods]
impl HiddenModes {
    /// Number of hidden modes.
    #[getter]
    fn count(&self) -> f64 {
        self.look.summary.hidden.modes
    }

    /// Standard error of the number; 0 where they were computed one by one.
    #[getter]
    fn count_error(&self) -> f64 {
        self.look.summary.hidden.modes_error
    }

    /// Pixels of the support: as many modes are there in all.
    #[getter]
    fn support_pixels(&self) -> usize {
        self.look.summary.hidden.support_pixels
    }

    /// Factor by which noise is amplified along the worst mode.
    #[getter]
    fn noise_gain(&self) -> f64 {
        self.look.summary.hidden.noise_gain
    }

    /// Fraction of a flat object's energy that hidden modes hold.
    #[getter]
    fn hidden_energy(&self) -> f64 {
        self.look.summary.hidden.hidden_energy
    }

    /// Relative error of a flat object where their coefficients come out at random.
    #[getter]
    fn error(&self) -> f64 {
        self.look.summary.outlook.error
    }

    /// Widest gap in the plane of the detector, pixels.
    #[getter]
    fn widest_gap(&self) -> usize {
        self.look.summary.outlook.widest_gap
    }

    /// What to do about it, a sentence.
    #[getter]
    fn advice(&self) -> String {
        pythonic(&self.look.summary.advice)
    }

    /// Eigenvalues of the hidden modes, falling: parts of their energy in the gap. Empty where there
    /// are too many to compute one by one.
    #[getter]
    fn eigenvalues<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<f64>> {
        PyArray1::from_slice(py, &self.look.summary.eigenvalues)
    }

    /// Fraction of each pixel of the support that lies in hidden modes, float32: their sum is the
    /// number of modes.
    #[getter]
    fn map<'py>(this: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        view(this, |own| &own.look.modes.map)
    }

    /// The support that was assumed, bool.
    #[getter]
    fn support<'py>(this: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        view(this, |own| &own.look.support)
    }

    /// Pixels along each axis.
    #[getter]
    fn shape<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, trimmed(self.look.pattern.shape()))
    }

    /// Every number about them, a dictionary: what ``lacuna gaps --json`` prints last.
    #[getter]
    fn summary<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        Ok(pythonize(py, &self.look.summary)?)
    }

    /// Writes the page: ``path`` ends with ``.html``. Existing files are replaced with ``force=True``.
    #[pyo3(signature = (path, *, force = false))]
    fn save(&self, py: Python<'_>, path: PathBuf, force: bool) -> PyResult<PathBuf> {
        Kind::of(py, &path, &[Kind::Html])?;
        page(py, &path, force, &self.look.page(&self.name, &self.command))
    }

    fn __repr__(&self) -> String {
        let hidden = &self.look.summary.hidden;
        format!(
            "<lacuna_cdi.HiddenModes {} of {}, noise up to {} times>",
            hidden.count_text(),
            hidden.support_pixels,
            hidden.gain_text()
        )
    }

    fn _repr_html_(&self, py: Python<'_>) -> PyResult<String> {
        fragment(py, self.look.page(&self.name, &self.command))
    }
}

const LOOKS: Takes = Takes {
    groups: &[Group::Input],
    singles: &["support", "seed"],
    own: &["mask", "oversampling", "prepared", "progress", "threads"],
};

/// Says what the gaps of a pattern hide of its object, before it is phased: ``lacuna gaps``.
///
/// Parameters
/// ----------
/// pattern : array or str or os.PathLike or Pattern or Simulated, optional
///     Counts, or a file; leave it out to ask of a mask alone, before anything is measured.
/// mask : array or str or list, optional
///     Masks: arrays, not zero where a pixel is not measured, zero frequency at ``n // 2``; and text.
/// support : array or str, optional
///     Not zero inside; or ``"circle:20"``, ``"box:30,40"``, a file. Without it the autocorrelation of
///     the pattern gives one.
/// oversampling : float, optional
///     Instead of a support: linear oversampling of an ellipsoid that fills its box.
/// seed : int
///     Seed of the random vectors by which many modes are counted.
/// prepared, progress, threads
///     As in ``phase``.
/// **settings
///     Those of input and preparation.
///
/// Returns
/// -------
/// HiddenModes
#[pyfunction]
#[pyo3(signature = (pattern = None, mask = None, *, oversampling = None, prepared = false, progress = None, threads = None, **settings))]
#[allow(clippy::too_many_arguments, reason = "they are the keywords of a function of Python")]
pub fn hidden_modes(
    py: Python<'_>,
    pattern: Option<&Bound<'_, PyAny>>,
    mask: Option<&Bound<'_, PyAny>>,
    oversampling: Option<f64>,
    prepared: bool,
    progress: Option<&Bound<'_, PyAny>>,
    threads: Option<usize>,
    settings: Option<&Bound<'_, PyDict>>,
) -> PyResult<HiddenModes> {
    let masks = Masks::of(mask)?;
    let asked = Asked::new(py, None, settings, masks.text, &LOOKS)?;
    if let Some(ratio) = oversampling {
        let problem = if asked.typed.phasing.support.is_some() {
            "says how large the support is: give one of both"
        } else if !(ratio >= 1.0 && ratio.is_finite()) {
            "must be 1 or more"
        } else {
            ""
        };
        if !problem.is_empty() {
            return Err(refused(py, "oversampling", &ratio.to_string(), problem));
        }
    }
    let source = match (pattern, &masks.arrays[..]) {
        (Some(pattern), masks) => Source::Pattern(Box::new(Given::new(pattern, masks, prepared, &asked)?)),
        (None, [mask]) => Source::Mask(arrays::mask(mask)?, asked.support(py)?),
        (None, _) => return Err(refused(py, "mask", "None", "give a pattern, or one array as mask")),
    };
    let name = match &source {
        Source::Pattern(given) => given.name.clone(),
        Source::Mask(..) => ARRAY.into(),
    };
    let command = call("hidden_modes", &name, settings);
    let mut progress = Progress::new(py, progress, 0)?;
    let settings = &asked.settings;
    let done = work::run(py, &mut progress, threads, |observer| {
        let mut prepared = match source {
            Source::Pattern(given) => given.load(settings, Frames::OfOnePattern, observer)?,
            Source::Mask(mask, support) => unmeasured(mask, support),
        };
        let shape = prepared.pattern.shape();
        if let Some(ratio) = oversampling {
            prepared.support = Some(ellipsoid(shape, ratio));
        }
        let form = matches!(settings.start.support, SupportChoice::Form(_));
        if prepared.support.is_none() && !form && prepared.pattern.totals().1 == 0.0 {
            return Err(Error::setting(
                "support",
                "auto",
                "a mask alone has no autocorrelation: give support or oversampling",
            ));
        }
        look_at_gaps(prepared, settings, observer)
    })?;
    done.whole(py).map(|look| HiddenModes { look, name, command })
}

/// What is looked at.
enum Source {
    Pattern(Box<Given>),
    /// A mask alone, and a support.
    Mask(Centered<u32>, Option<Centered<bool>>),
}

/// A pattern that has a mask and no counts yet.
fn unmeasured(mask: Centered<u32>, support: Option<Centered<bool>>) -> Prepared {
    let shape = mask.shape();
    let intensity = Centered::filled(shape, 0.0);
    let geometry = Geometry::default();
    Prepared {
        pattern: pixels::Pattern { intensity, mask, estimate: None, calculated: None, geometry, goniometer: None },
        support,
        steps: Vec::new(),
        notes: Vec::new(),
        centre: shape.map(|n| n / 2),
        window: shape.map(|n| 0..n),
        rebin: [1; 3],
    }
}

/// The ellipsoid of an object of this oversampling along each axis.
fn ellipsoid(shape: Shape, oversampling: f64) -> Centered<bool> {
    let from_middle = |index: usize, n: usize| {
        if n == 1 { 0.0 } else { (index as f64 - (n / 2) as f64) / (n as f64 / oversampling / 2.0) }
    };
    Centered(Array3::from_shape_fn(shape, |(z, y, x)| {
        let [z, y, x] = [(z, shape[0]), (y, shape[1]), (x, shape[2])].map(|(index, n)| from_middle(index, n));
        z * z + y * y + x * x <= 1.0
    }))
}
