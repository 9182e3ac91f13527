//! Phasing, and what comes of it.

use crate::arrays::{owned, view, view_of_some};
use crate::errors::exception;
use crate::given::{Given, Masks};
use crate::keywords::{Asked, Group, Takes, echo};
use crate::pattern::Pattern;
use crate::progress::Progress;
use crate::save::{Kind, call, fragment, page};
use crate::words::pythonic;
use crate::work;
use lacuna::error::shape_text;
use lacuna::metrics::{Unwrapped, calculated_intensity};
use lacuna::phasing::psf::Psf;
use lacuna::pixels::trimmed;
use lacuna::prepare::Prepared;
use lacuna::reconstruct::{self, Format, Frames, reconstruct as reconstructed};
use lacuna::settings::Settings;
use lacuna::volume::Centered;
use numpy::{PyArray1, PyArray2};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyTuple};
use pythonize::pythonize;
use std::path::PathBuf;

/// The verdict on a reconstruction. Its text is that of the program.
#[pyclass(frozen, module = "lacuna_cdi")]
pub struct Verdict {
    verdict: reconstruct::Verdict,
}

#[pymethods]
impl Verdict {
    /// ``found``, ``doubtful`` or ``not found``.
    #[getter]
    fn grade(&self) -> &'static str {
        self.verdict.grade.text()
    }

    /// Probability that the object was found: that it differs from the true one by less than 30 %.
    #[getter]
    fn probability(&self) -> f64 {
        self.verdict.probability
    }

    /// What speaks for or against the result, one line each.
    #[getter]
    fn reasons(&self) -> Vec<String> {
        self.verdict.reasons.iter().map(|reason| pythonic(reason)).collect()
    }

    /// What may help where the object was not certainly found, one line each.
    #[getter]
    fn remedies(&self) -> Vec<String> {
        self.verdict.remedies.iter().map(|remedy| pythonic(remedy)).collect()
    }

    /// The numbers that the verdict rests on, a dictionary.
    #[getter]
    fn evidence<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        Ok(pythonize(py, &self.verdict.evidence)?)
    }

    fn __str__(&self) -> String {
        pythonic(&self.verdict.sentence())
    }

    fn __repr__(&self) -> String {
        format!("<lacuna_cdi.Verdict {}, probability {:.2}>", self.grade(), self.verdict.probability)
    }
}

/// A reconstruction, and everything that is said about it. It does not change.
///
/// Arrays are read-only views ``(y, x)`` or ``(z, y, x)`` of its own memory; copy one to change it.
/// Objects are complex64, square roots of photons: their squared modulus sums to the photons.
#[pyclass(frozen, module = "lacuna_cdi")]
pub struct Reconstruction {
    result: reconstruct::Reconstruction,
    settings: Settings,
    psf: Option<Centered<f32>>,
    name: String,
    command: String,
}

impl Reconstruction {
    fn best(&self) -> &lacuna::phasing::run::Run {
        &self.result.ensemble.kept[0]
    }
}

#[pymethods]
impl Reconstruction {
    /// Object of the best run, cut to its support, complex64; its mean phase and a ramp are removed.
    /// ``image_1/data`` of the file.
    #[getter]
    fn object<'py>(this: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        view(this, |own| &own.result.combined.objects[0])
    }

    /// Support of the best run, bool.
    #[getter]
    fn support<'py>(this: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        view(this, |own| &own.best().support)
    }

    /// Objects of the kept runs in register, the best first: a list of complex64 arrays.
    #[getter]
    fn objects<'py>(this: &Bound<'py, Self>) -> PyResult<Bound<'py, PyList>> {
        let count = this.get().result.combined.objects.len();
        let all = (0..count).map(|index| view(this, move |own| &own.result.combined.objects[index]));
        PyList::new(this.py(), all.collect::<PyResult<Vec<_>>>()?)
    }

    /// Complex average of the kept runs, complex64.
    #[getter]
    fn average<'py>(this: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        view(this, |own| &own.result.combined.average)
    }

    /// Orthogonal modes of the runs from random starts that agree, as many as there are kept runs, a list
    /// of complex64 arrays.
    #[getter]
    fn modes<'py>(this: &Bound<'py, Self>) -> PyResult<Bound<'py, PyList>> {
        let count = this.get().result.combined.modes.modes.len();
        let all = (0..count).map(|index| view(this, move |own| &own.result.combined.modes.modes[index]));
        PyList::new(this.py(), all.collect::<PyResult<Vec<_>>>()?)
    }

    /// Fraction of the energy in each mode, also of those that are not in ``modes``.
    #[getter]
    fn mode_weights<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<f64>> {
        PyArray1::from_slice(py, &self.result.combined.modes.weights)
    }

    /// Standard deviation of the modulus, square roots of photons, float32; ``None`` where fewer than
    /// three runs agree, or the object was not found.
    #[getter]
    fn modulus_std<'py>(this: &Bound<'py, Self>) -> PyResult<Option<Bound<'py, PyAny>>> {
        view_of_some(this, |own| own.result.uncertainty.as_ref().map(|deviations| &deviations.modulus))
    }

    /// Standard deviation of the phase, radians, float32; ``None`` as ``modulus_std``.
    #[getter]
    fn phase_std<'py>(this: &Bound<'py, Self>) -> PyResult<Option<Bound<'py, PyAny>>> {
        view_of_some(this, |own| own.result.uncertainty.as_ref().map(|deviations| &deviations.phase))
    }

    /// Fraction of each pixel that lies in modes which the gap hides, float32; ``None`` without a gap.
    #[getter]
    fn hidden_fraction<'py>(this: &Bound<'py, Self>) -> PyResult<Option<Bound<'py, PyAny>>> {
        view_of_some(this, |own| own.result.hidden.as_ref())
    }

    /// Phase inside the support without its jumps, radians, float32; with ``unwrap=True``.
    #[getter]
    fn unwrapped_phase<'py>(this: &Bound<'py, Self>) -> PyResult<Option<Bound<'py, PyAny>>> {
        view_of_some(this, |own| own.result.phase.as_ref().map(|Unwrapped { phase, .. }| phase))
    }

    /// Kernel that blurs calculated intensities, float32, its middle at ``n // 2``; ``None`` without.
    #[getter]
    fn psf<'py>(this: &Bound<'py, Self>) -> PyResult<Option<Bound<'py, PyAny>>> {
        view_of_some(this, |own| own.psf.as_ref())
    }

    /// Photons for each pixel as they were phased, float32.
    #[getter]
    fn intensity<'py>(this: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        view(this, |own| &own.result.pattern.intensity)
    }

    /// CXI bits of the pattern, uint32: zero where a pixel was measured.
    #[getter]
    fn mask<'py>(this: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        view(this, |own| &own.result.pattern.mask)
    }

    /// The pattern as it was phased, with its estimates; its arrays are copies.
    #[getter]
    fn pattern(&self) -> Pattern {
        let shape = self.result.pattern.shape();
        let prepared = Prepared {
            pattern: self.result.pattern.clone(),
            support: None,
            steps: self.result.steps.clone(),
            notes: self.result.summary.notes.clone(),
            centre: shape.map(|n| n / 2),
            window: shape.map(|n| 0..n),
            rebin: [1; 3],
        };
        Pattern::prepared(prepared, self.name.clone(), self.settings.typed(), self.command.clone())
    }

    /// Photons that the object explains, float32: its squared transform, blurred by the PSF. Computed
    /// at each call; of the object as it was phased, with its ramp.
    fn calculated<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let calculated = py.detach(|| {
            let sharp = calculated_intensity(&self.best().object);
            match &self.best().psf {
                Some(psf) => psf.blurred(&sharp),
                None => sharp,
            }
        });
        Ok(owned(py, calculated))
    }

    /// Whether the object was found.
    #[getter]
    fn verdict(&self) -> Verdict {
        Verdict { verdict: self.result.summary.verdict.clone() }
    }

    /// ``sqrt(sum (|F| - sqrt(I))**2 / sum I)`` over measured pixels that were not held out.
    #[getter]
    fn r_factor(&self) -> f64 {
        self.result.summary.r_factor
    }

    /// Poisson log-likelihood of such a pixel.
    #[getter]
    fn llk_poisson(&self) -> f64 {
        self.result.summary.llk_poisson
    }

    /// Poisson log-likelihood of a pixel that was held out; ``None`` where none was.
    #[getter]
    fn free_llk_poisson(&self) -> Option<f64> {
        self.result.summary.free_llk_poisson
    }

    /// Half-period resolutions by PRTF and FSC, a dictionary in pixels of the object and metres;
    /// ``None`` of a single run, and where the object was not found.
    #[getter]
    fn resolution<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        Ok(self.result.summary.resolution.map(|resolution| pythonize(py, &resolution)).transpose()?)
    }

    /// Phase retrieval transfer function: rows of frequency (1 is the edge of the array) and value.
    #[getter]
    fn prtf<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyArray2<f64>>> {
        let shells = self.result.combined.prtf.iter().map(|shell| vec![shell.frequency, shell.value]);
        Ok(PyArray2::from_vec2(py, &shells.collect::<Vec<_>>())?)
    }

    /// Fourier shell correlation of the odd and the even kept runs: rows of frequency, value and
    /// half-bit threshold; empty for a single run.
    #[getter]
    fn fsc<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyArray2<f64>>> {
        let shells = self.result.combined.fsc.iter().map(|shell| vec![shell.frequency, shell.value, shell.half_bit]);
        Ok(PyArray2::from_vec2(py, &shells.collect::<Vec<_>>())?)
    }

    /// A dictionary for each run: seed, fit, verdict, seconds, and its ``curve``.
    #[getter]
    fn runs<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let all = self.result.ensemble.all.iter().map(|run| {
            let told = pythonize(py, run)?;
            told.set_item("curve", pythonize(py, &run.curve)?)?;
            Ok(told)
        });
        PyList::new(py, all.collect::<PyResult<Vec<_>>>()?)
    }

    /// Whether the work was stopped before its end.
    #[getter]
    fn interrupted(&self) -> bool {
        self.result.ensemble.interrupted
    }

    /// All settings, a dictionary that is a ``preset=`` again.
    #[getter]
    fn settings<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        echo(py, self.settings.typed())
    }

    /// Every number about the result, a dictionary: what ``lacuna run --json`` prints last.
    #[getter]
    fn summary<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        Ok(pythonize(py, &self.result.summary)?)
    }

    /// What was done to prepare the pattern, one line each.
    #[getter]
    fn steps(&self) -> Vec<String> {
        self.result.steps.clone()
    }

    /// What one should know of the pattern: doubts about mask or centre, missing data.
    #[getter]
    fn notes(&self) -> Vec<String> {
        self.result.summary.notes.clone()
    }

    /// Pixels along each axis.
    #[getter]
    fn shape<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, trimmed(self.result.pattern.shape()))
    }

    /// Writes the result as the program does.
    ///
    /// Parameters
    /// ----------
    /// path : str or os.PathLike
    ///     ``.cxi``: object, support, runs, modes, curves, pattern and settings, for silx view and
    ///     everything that reads HDF5. ``.npz``: the same for NumPy. ``.html``: the report.
    /// force : bool
    ///     Whether an existing file is replaced.
    #[pyo3(signature = (path, *, force = false))]
    fn save(&self, py: Python<'_>, path: PathBuf, force: bool) -> PyResult<PathBuf> {
        let format = match Kind::of(py, &path, &[Kind::Cxi, Kind::Npz, Kind::Html])? {
            Kind::Cxi => Format::Cxi,
            Kind::Npz => Format::Npz,
            Kind::Html => {
                let report = py.detach(|| self.result.page(&self.name, &self.command, &self.settings));
                return page(py, &path, force, &report);
            }
        };
        let written = py.detach(|| self.result.write(&path, format, force, &self.command, &self.settings));
        written.map_err(|error| exception(py, error))?;
        Ok(path)
    }

    fn __repr__(&self) -> String {
        let (summary, shape) = (&self.result.summary, shape_text(&trimmed(self.result.pattern.shape())));
        format!(
            "<lacuna_cdi.Reconstruction {shape}, {} (probability {:.2}), R {:.4}>",
            summary.verdict.grade.text(),
            summary.verdict.probability,
            summary.r_factor
        )
    }

    fn _repr_html_(&self, py: Python<'_>) -> PyResult<String> {
        fragment(py, self.result.overview(&self.name))
    }

    fn __copy__(this: Bound<'_, Self>) -> Bound<'_, Self> {
        this
    }

    fn __deepcopy__<'py>(this: Bound<'py, Self>, _memo: Bound<'py, PyAny>) -> Bound<'py, Self> {
        this
    }
}

const PHASES: Takes = Takes {
    groups: &[Group::Input, Group::Gap, Group::Phasing],
    singles: &[],
    own: &["mask", "preset", "prepared", "progress", "threads", "max_memory", "recipe"],
};

/// Reconstructs the object behind a pattern: what ``lacuna run`` does, on an array.
///
/// Parameters
/// ----------
/// pattern : array or str or os.PathLike or Pattern or Simulated
///     Counts ``(y, x)`` or ``(z, y, x)`` of any real type (a rocking curve is ``z``), or a file.
/// mask : array or str or list, optional
///     Masks: arrays of the pattern's shape, or of one frame, not zero (``True``) where a pixel was
///     not measured, as in CXI files; and text as ``--mask`` takes (``"negative,maxipix"``).
/// preset : str or os.PathLike or dict, optional
///     ``"bragg"`` (default), ``"particle"``, ``"forward"``, a TOML file, or a dictionary of settings,
///     such as ``settings`` of an earlier result.
/// prepared : bool
///     Whether zero frequency is at ``n // 2`` already, and nothing is to be looked for.
/// progress : bool or callable or object, optional
///     ``True``: a bar, if tqdm is installed. A function: is called with cycles done, cycles in all,
///     and a text. An object with ``update`` and ``total``: a bar. Called in this thread.
/// threads : int, optional
///     Number of threads (default: all cores); the result does not depend on it.
/// max_memory : float, optional
///     Memory that may be used, gigabytes (default: what is available).
/// **settings
///     Every setting of ``lacuna run``, with underscores: ``nb_run=4``, ``gap="linear-soft"``,
///     ``algorithm="ER**200,(Sup*HIO**50)**12"`` (or ``recipe=``), ``seed=1``, ``device="cuda"``.
///     ``support`` may be an array as well. ``settings()`` has all with their meaning.
///
/// Returns
/// -------
/// Reconstruction
///
/// Raises
/// ------
/// UnknownSettingError
///     For a keyword that is no setting, with the nearest one.
/// SettingError, PatternError, FileError, NoObjectError, DeviceError, OutOfMemoryError, ModelError
///     All are ``LacunaError``; see ``lacuna_cdi``.
/// KeyboardInterrupt
///     After Ctrl-C; its attribute ``result`` is the ``Reconstruction`` that was reached, or ``None``.
#[pyfunction]
#[pyo3(signature = (pattern, mask = None, *, preset = None, prepared = false, progress = None, threads = None, max_memory = None, **settings))]
#[allow(clippy::too_many_arguments, reason = "they are the keywords of a function of Python")]
pub fn phase(
    py: Python<'_>,
    pattern: &Bound<'_, PyAny>,
    mask: Option<&Bound<'_, PyAny>>,
    preset: Option<&Bound<'_, PyAny>>,
    prepared: bool,
    progress: Option<&Bound<'_, PyAny>>,
    threads: Option<usize>,
    max_memory: Option<f64>,
    settings: Option<&Bound<'_, PyDict>>,
) -> PyResult<Reconstruction> {
    let masks = Masks::of(mask)?;
    let asked = Asked::new(py, preset, settings, masks.text, &PHASES)?.within(py, max_memory)?;
    let given = Given::new(pattern, &masks.arrays, prepared, &asked)?;
    let (name, command) = (given.name.clone(), call("phase", &given.name, settings));
    let mut progress = Progress::new(py, progress, asked.settings.ensemble.count)?;
    let settings = asked.settings;
    let done = work::run(py, &mut progress, threads, |observer| {
        reconstructed(given.load(&settings, Frames::OfOnePattern, observer)?, &settings, observer)
    })?;
    let made = |result: reconstruct::Reconstruction| {
        let psf = result.ensemble.kept[0].psf.as_ref().map(Psf::array);
        Reconstruction { result, settings, psf, name, command }
    };
    match done.stopped {
        None => done.result.map(made).map_err(|error| exception(py, error)),
        Some(reason) => {
            // Hours of phasing are not thrown away with the key that stopped them.
            let reached = done.result.ok().map(|result| Py::new(py, made(result))).transpose()?;
            reason.value(py).setattr("result", reached)?;
            Err(reason)
        }
    }
}
