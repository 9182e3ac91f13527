//! Simulated patterns with their truth.

use crate::arrays::view;
use crate::errors::exception;
use crate::progress::Progress;
use crate::save::fragment;
use crate::words::SIMULATED;
use crate::work;
use lacuna::compare::Truth;
use lacuna::error::{Error, shape_text};
use lacuna::geometry::{Geometry, Placement};
use lacuna::io::{Input, Source};
use lacuna::pixels::trimmed;
use lacuna::reconstruct::{object_pictures, pattern_picture};
use lacuna::report::{Report, Section};
use lacuna::simulate::SinglePattern;
use lacuna::simulate::pattern::{Simulated as Drawn, pattern};
use lacuna::simulate::recipe::Recipe;
use pyo3::prelude::*;
use pyo3::types::PyTuple;
use pythonize::pythonize;

/// A simulated pattern with its truth. It does not change.
///
/// Arrays are read-only views ``(y, x)`` or ``(z, y, x)`` of its own memory, zero frequency at
/// ``n // 2``.
#[pyclass(frozen, module = "lacuna_cdi")]
pub struct Simulated {
    drawn: Drawn,
}

impl Simulated {
    /// It as an input that is prepared already.
    pub fn input(&self) -> Input {
        let shape = self.drawn.mask.shape();
        Input {
            intensity: self.drawn.measured(),
            mask: Some(self.drawn.mask.clone()),
            support: None,
            estimate: None,
            geometry: Geometry::default(),
            goniometer: None,
            monitor: None,
            placement: Placement::whole(shape),
            source: Source {
                path: SIMULATED.into(),
                dataset: None,
                format: "CXI",
                element: "uint32".into(),
                maximum_of_type: None,
                by_lacuna: true,
            },
            notes: Vec::new(),
        }
    }

    /// Its true object.
    pub fn truth(&self) -> Truth {
        Truth { object: self.drawn.object.clone(), support: self.drawn.support.clone() }
    }
}

#[pymethods]
impl Simulated {
    /// Photons that the detector counted, uint32; zero where there is no sensor.
    #[getter]
    fn counts<'py>(this: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        view(this, |own| &own.drawn.counts)
    }

    /// CXI bits, uint32: zero where a pixel was measured.
    #[getter]
    fn mask<'py>(this: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        view(this, |own| &own.drawn.mask)
    }

    /// Photons that are expected, without noise and gaps, float32.
    #[getter]
    fn intensity<'py>(this: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        view(this, |own| &own.drawn.intensity)
    }

    /// True object, complex64, square roots of photons.
    #[getter]
    fn object<'py>(this: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        view(this, |own| &own.drawn.object)
    }

    /// Pixels that the particle touches, bool.
    #[getter]
    fn support<'py>(this: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        view(this, |own| &own.drawn.support)
    }

    /// Everything that was drawn, a dictionary.
    #[getter]
    fn parameters<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        Ok(pythonize(py, &self.drawn.parameters)?)
    }

    /// Pixels along each axis.
    #[getter]
    fn shape<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, trimmed(self.drawn.mask.shape()))
    }

    fn __repr__(&self) -> String {
        let photons: f64 = self.drawn.counts.as_slice().iter().map(|&count| f64::from(count)).sum();
        let shape = shape_text(&trimmed(self.drawn.mask.shape()));
        format!("<lacuna_cdi.Simulated {shape}, {photons:.3e} photons counted>")
    }

    fn _repr_html_(&self, py: Python<'_>) -> PyResult<String> {
        let mut figures = object_pictures(&self.drawn.object, None);
        figures.push(pattern_picture(&self.drawn.measured(), &self.drawn.mask));
        let sections = vec![Section { figures, ..Section::default() }];
        fragment(py, Report { title: "Simulated pattern and its true object".into(), sections, ..Report::default() })
    }
}

/// Simulates a diffraction pattern with its truth: ``lacuna simulate``.
///
/// Parameters
/// ----------
/// shape : tuple of int
///     Even numbers of pixels: ``(y, x)``, or ``(z, y, x)`` for the rocking curve of a Bragg peak.
/// object : str
///     ``crystal`` (any of ``fcc``, ``bcc``, ``hcp``, ``cube``, ``octahedron``, ``rod``, ``plate``),
///     ``rounded``, ``ellipsoid``, ``aggregate``, ``cluster``, ``cell``, ``flake``, ``pattern``,
///     ``star``, ``illuminated`` (2D).
/// gap : int, optional
///     Width of a detector gap in the form of a cross, pixels.
/// detector : str, optional
///     Detector whose gaps the pattern has instead: ``maxipix``, ``eiger-4m``, ``pilatus-1m``, ...
/// photons : float
///     Photons in the whole pattern.
/// oversampling : float
///     Linear oversampling ratio.
/// strain : float
///     Root mean square of the phase inside the particle, radians; 0 for a real object.
/// beamstop : float, optional
///     Radius of a round beamstop, pixels.
/// seed : int
///     Seed of everything that is drawn.
/// recipe : str or os.PathLike, optional
///     Instead of all these: recipe of a set, a TOML file or one that is built in
///     (``"particles2d"``). Then ``seed`` is the recipe's unless it is given.
/// index : int
///     Number of the pattern in that set.
///
/// Returns
/// -------
/// Simulated
#[pyfunction]
#[pyo3(signature = (shape = vec![256, 256], *, object = "crystal", gap = None, detector = None, photons = 1e7, oversampling = 3.0, strain = 0.0, beamstop = None, seed = None, recipe = None, index = 0))]
#[pyo3(
    text_signature = "(shape=(256, 256), *, object='crystal', gap=None, detector=None, photons=1e7, oversampling=3.0, strain=0.0, beamstop=None, seed=None, recipe=None, index=0)"
)]
#[allow(clippy::too_many_arguments, reason = "they are the keywords of a function of Python")]
pub fn simulate(
    py: Python<'_>,
    shape: Vec<usize>,
    object: &str,
    gap: Option<usize>,
    detector: Option<String>,
    photons: f64,
    oversampling: f64,
    strain: f64,
    beamstop: Option<f64>,
    seed: Option<u64>,
    recipe: Option<std::path::PathBuf>,
    index: usize,
) -> PyResult<Simulated> {
    let single = SinglePattern { shape, object: object.into(), gap, detector, photons, oversampling, strain, beamstop };
    let recipe = match &recipe {
        Some(recipe) => Recipe::read(&recipe.to_string_lossy()).map(|(recipe, _)| recipe),
        None if index > 0 => Err(Error::setting("index", index, "counts the patterns of a recipe: give one")),
        None => single.recipe(),
    };
    let mut recipe = recipe.map_err(|error| exception(py, error))?;
    recipe.seed = seed.unwrap_or(recipe.seed);
    recipe.count = 1;
    recipe.check_memory(1).map_err(|error| exception(py, error))?;
    let done = work::run(py, &mut Progress::new(py, None, 0)?, None, |_| Ok(pattern(&recipe, index)))?;
    Ok(Simulated { drawn: done.whole(py)? })
}
