//! Patterns are read, prepared, and filled.

use crate::errors::exception;
use crate::given::{Given, Masks};
use crate::keywords::{Asked, Group, Takes};
use crate::pattern::Pattern;
use crate::progress::Progress;
use crate::save::call;
use crate::work;
use lacuna::error::Error;
use lacuna::inpaint::{GapSource, GapTreatment};
use lacuna::reconstruct::{Frames, Observer, estimate};
use lacuna::settings::{GapPolicy, InputKeys};
use pyo3::prelude::*;
use pyo3::types::PyDict;

const READS: Takes =
    Takes { groups: &[Group::Input], singles: &[], own: &["mask", "preset", "progress", "threads", "support"] };
const PREPARES: Takes = Takes { singles: &["support"], ..READS };
const FILLS: Takes = Takes {
    groups: &[Group::Input],
    singles: &["gap", "gap-bounds", "gap-interval", "model", "dims", "network-device"],
    own: READS.own,
};

/// Reads a pattern from a file, and does nothing to it.
///
/// Parameters
/// ----------
/// path : str or os.PathLike
///     CXI, HDF5 (also ``file.h5:/path/inside``), NPZ, NPY, TIFF, EDF, CBF, a folder of frames.
/// mask : array or str or list, optional
///     Masks beside the file's own: arrays, not zero where a pixel is bad, and text as the program's
///     ``--mask`` takes (``"negative,saturated=65535"``).
/// **settings
///     Those of input and preparation, of which reading heeds ``beamline``, ``monitor``, ``missing``,
///     ``file_mask``, ``axes``, ``roi`` of a volume, ``energy``, ``distance`` and ``pixel_size``.
///
/// Returns
/// -------
/// Pattern
///     Intensities as stored.
#[pyfunction]
#[pyo3(signature = (path, mask = None, **settings))]
pub fn read(
    py: Python<'_>,
    path: &Bound<'_, PyAny>,
    mask: Option<&Bound<'_, PyAny>>,
    settings: Option<&Bound<'_, PyDict>>,
) -> PyResult<Pattern> {
    let masks = Masks::of(mask)?;
    let asked = Asked::new(py, None, settings, masks.text, &READS)?;
    let given = Given::new(path, &masks.arrays, false, &asked)?;
    let (name, command) = (given.name.clone(), call("read", &given.name, settings));
    let work = |_: &dyn Observer| given.input(&asked.settings);
    let input = work::run(py, &mut Progress::new(py, None, 0)?, None, work)?.whole(py)?;
    Ok(Pattern::new(input, name, asked.settings.typed(), command))
}

/// Prepares a pattern for phasing, as ``lacuna prepare`` does: masks, bad pixels, centre, crop,
/// binning.
///
/// Parameters
/// ----------
/// pattern : array or str or os.PathLike or Pattern or Simulated
///     Counts ``(y, x)`` or ``(z, y, x)`` of any real type, or a file.
/// mask : array or str or list, optional
///     Masks: arrays, not zero where a pixel is bad, and text as ``--mask`` takes.
/// preset : str or os.PathLike or dict, optional
///     Name of a preset, a TOML file, or a dictionary of settings.
/// support : array or str, optional
///     Support that is carried along, not zero inside.
/// **settings
///     Those of input and preparation: ``settings()`` has all.
///
/// Returns
/// -------
/// Pattern
///     Zero frequency is at ``n // 2``.
#[pyfunction]
#[pyo3(signature = (pattern, mask = None, *, preset = None, **settings))]
pub fn prepare(
    py: Python<'_>,
    pattern: &Bound<'_, PyAny>,
    mask: Option<&Bound<'_, PyAny>>,
    preset: Option<&Bound<'_, PyAny>>,
    settings: Option<&Bound<'_, PyDict>>,
) -> PyResult<Pattern> {
    let masks = Masks::of(mask)?;
    let asked = Asked::new(py, preset, settings, masks.text, &PREPARES)?;
    let given = Given::new(pattern, &masks.arrays, false, &asked)?;
    let (name, command) = (given.name.clone(), call("prepare", &given.name, settings));
    let work = |observer: &dyn Observer| given.load(&asked.settings, Frames::OfOnePattern, observer);
    let prepared = work::run(py, &mut Progress::new(py, None, 0)?, None, work)?.whole(py)?;
    Ok(Pattern::prepared(prepared, name, asked.settings.typed(), command))
}

/// Fills the gaps of a pattern, as ``lacuna inpaint`` does; measured pixels never change.
///
/// An array is filled as it stands, unless settings of preparation are given. What was only read is
/// prepared first, as the program does; what was prepared stays as it is.
///
/// Parameters
/// ----------
/// pattern : array or str or os.PathLike or Pattern or Simulated
///     Counts ``(y, x)`` or ``(z, y, x)`` of any real type, or a file.
/// mask : array or str or list, optional
///     Masks: arrays, not zero where a pixel is bad, and text as ``--mask`` takes.
/// gap : str
///     ``network``, ``zero``, ``linear``, ``idw``, ``biharmonic`` or ``kriging``, with ``-hard``
///     or ``-soft`` behind it.
/// progress : bool or callable or object, optional
///     See ``phase``.
/// threads : int, optional
///     Number of threads; the result does not depend on it.
/// **settings
///     ``gap_bounds``, ``gap_interval``, ``model``, ``dims``, ``network_device``, and those of input and preparation.
///
/// Returns
/// -------
/// Pattern
///     With ``estimate``, ``lower``, ``upper`` and ``completed``.
#[pyfunction]
#[pyo3(signature = (pattern, mask = None, *, gap = "network", progress = None, threads = None, **settings))]
pub fn inpaint(
    py: Python<'_>,
    pattern: &Bound<'_, PyAny>,
    mask: Option<&Bound<'_, PyAny>>,
    gap: &str,
    progress: Option<&Bound<'_, PyAny>>,
    threads: Option<usize>,
    settings: Option<&Bound<'_, PyDict>>,
) -> PyResult<Pattern> {
    let masks = Masks::of(mask)?;
    let keywords = match settings {
        Some(settings) => settings.copy()?,
        None => PyDict::new(py),
    };
    keywords.set_item("gap", gap)?;
    if !keywords.contains("gap_interval")? {
        keywords.set_item("gap_interval", 1.0)?;
    }
    let asked = Asked::new(py, None, Some(&keywords), masks.text, &FILLS)?;
    let treatment = treatment(py, gap, asked.settings.gap.policy)?;
    let alone = asked.typed.gap.dims == Some(2);
    let given = Given::new(pattern, &masks.arrays, false, &asked)?;
    let (name, command) = (given.name.clone(), call("inpaint", &given.name, Some(&keywords)));
    // A mask does not move anything.
    let preparing = InputKeys { mask: None, ..asked.typed.input.clone() };
    let as_it_stands = given.is_bare() && preparing == InputKeys::default();
    let mut progress = Progress::new(py, progress, 0)?;
    let done = work::run(py, &mut progress, threads, |observer| {
        let mut prepared = match (as_it_stands, alone) {
            (true, _) => given.untouched(&asked.settings)?,
            (false, true) => given.load(&asked.settings, Frames::Alone, observer)?,
            (false, false) => given.load(&asked.settings, Frames::OfOnePattern, observer)?,
        };
        prepared.pattern.estimate = estimate(&prepared.pattern, treatment, &asked.settings, observer)?;
        if observer.go_on() { Ok(prepared) } else { Err(Error::Interrupted) }
    })?;
    Ok(Pattern::prepared(done.whole(py)?, name, asked.settings.typed(), command).filled_by(&treatment))
}

/// A treatment that estimates something.
fn treatment(py: Python<'_>, gap: &str, policy: GapPolicy) -> PyResult<GapTreatment> {
    match policy {
        GapPolicy::Fixed(treatment)
            if treatment.source.fills() && treatment.source != GapSource::File && !treatment.release =>
        {
            Ok(treatment)
        }
        _ => {
            let problem = "takes network, zero, linear, idw, biharmonic or kriging, with -hard or -soft behind it";
            Err(exception(py, Error::setting("gap", gap, problem)))
        }
    }
}
