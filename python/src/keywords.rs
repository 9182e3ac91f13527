//! Keyword arguments as settings: what `lacuna run` takes as `--nb-run 4` is `nb_run=4`.
//!
//! Values are turned into the text that is typed behind a flag, and the library makes settings of
//! it: there is no second list of names, types and meanings.

use crate::arrays;
use crate::errors::{exception, raised, refused};
use crate::words::{ARRAY_OF_SUPPORT, pythonic};
use clap::Args;
use lacuna::error::nearest;
use lacuna::settings::{GapKeys, InputKeys, PRESETS, PhasingKeys, Settings, TypedSettings, preset_text};
use lacuna::volume::Centered;
use numpy::PyUntypedArray;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyFloat, PyInt, PyList, PySlice, PyString, PyTuple};
use pythonize::pythonize;
use std::path::Path;

/// Settings that say how files are read.
const OF_FILES: [&str; 5] = ["beamline", "monitor", "missing", "file-mask", "axes"];

/// A group of settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Group {
    /// Reading and preparing.
    Input,
    /// Treatment of gaps.
    Gap,
    /// Phasing.
    Phasing,
}

impl Group {
    fn flags(self) -> clap::Command {
        let command = clap::Command::new("settings");
        match self {
            Group::Input => InputKeys::augment_args(command),
            Group::Gap => GapKeys::augment_args(command),
            Group::Phasing => PhasingKeys::augment_args(command),
        }
    }

    /// Names of its settings.
    fn names(self) -> Vec<String> {
        self.flags().get_arguments().filter_map(|flag| flag.get_long().map(String::from)).collect()
    }
}

/// What a function takes beside its own arguments.
pub struct Takes {
    /// Groups of settings.
    pub groups: &'static [Group],
    /// Single settings of other groups.
    pub singles: &'static [&'static str],
    /// Names of its own arguments, for those who mistype them.
    pub own: &'static [&'static str],
}

/// What a function is asked for.
pub struct Asked {
    /// Everything, resolved and checked.
    pub settings: Settings,
    /// What the call itself typed.
    pub typed: TypedSettings,
    /// A support that is an array of Python.
    support: Option<Py<PyAny>>,
}

impl Asked {
    /// Resolves keywords over a preset: a name, a file, or a dictionary of settings. `mask` is the
    /// text among the masks.
    pub fn new(
        py: Python<'_>,
        preset: Option<&Bound<'_, PyAny>>,
        keywords: Option<&Bound<'_, PyDict>>,
        mask: Option<String>,
        takes: &Takes,
    ) -> PyResult<Asked> {
        let (mut support, mut support_below) = (None, None);
        let mut typed = typed(keywords, &takes.names(), takes.own, &mut support)?;
        typed.input.mask = mask.or(typed.input.mask);
        let fail = |error| exception(py, error);
        let settings = match preset {
            None => Settings::resolve("bragg", &typed),
            Some(preset) => match preset.cast::<PyDict>() {
                Ok(table) => {
                    let below = self::typed(Some(table), &TypedSettings::names(), &[], &mut support_below)?;
                    Settings::resolve("bragg", &below).map_err(fail)?.with(&typed)
                }
                Err(_) => Settings::resolve(&text(preset)?, &typed),
            },
        };
        if typed.phasing.support.is_none() {
            support = support_below;
        }
        Ok(Asked { settings: settings.map_err(fail)?, typed, support })
    }

    /// The same with memory that may be used, gigabytes.
    pub fn within(mut self, py: Python<'_>, gigabytes: Option<f64>) -> PyResult<Asked> {
        if let Some(wrong) = gigabytes.filter(|value| !(*value > 0.0 && value.is_finite())) {
            return Err(refused(py, "max_memory", &wrong.to_string(), "must be above 0, in gigabytes"));
        }
        self.settings.device.max_memory = gigabytes.map(|value| (value * 1e9) as u64);
        Ok(self)
    }

    /// Refuses settings of files where the pattern is an array.
    pub fn of_array(&self, py: Python<'_>) -> PyResult<()> {
        let typed = self.typed.table();
        match OF_FILES.iter().find_map(|name| Some((name, typed.get(*name)?))) {
            Some((name, value)) => {
                let value = value.as_str().unwrap_or_default();
                Err(refused(py, name, value, "says how a file is read: give its path instead of an array"))
            }
            None => Ok(()),
        }
    }

    /// The support that was given as an array.
    pub fn support(&self, py: Python<'_>) -> PyResult<Option<Centered<bool>>> {
        self.support.as_ref().map(|given| arrays::support(given.bind(py))).transpose()
    }
}

impl Takes {
    fn names(&self) -> Vec<String> {
        let singles = self.singles.iter().map(ToString::to_string);
        self.groups.iter().flat_map(|group| group.names()).chain(singles).collect()
    }
}

/// Settings from keywords. What stands for a support and is an array is put aside.
fn typed(
    keywords: Option<&Bound<'_, PyDict>>,
    known: &[String],
    own: &[&str],
    support: &mut Option<Py<PyAny>>,
) -> PyResult<TypedSettings> {
    let mut typed = TypedSettings::default();
    for (key, value) in keywords.into_iter().flat_map(|keywords| keywords.iter()) {
        let key = key.to_string();
        let mut name = key.replace('_', "-");
        // Another word for it, which the documents use.
        if name == "recipe" {
            name = "algorithm".into();
        }
        if !known.contains(&name) {
            return Err(unknown(value.py(), &key, known, own));
        }
        if value.is_none() {
            continue;
        }
        let text = if name == "support" && is_array(&value) {
            *support = Some(value.clone().unbind());
            ARRAY_OF_SUPPORT.to_string()
        } else {
            text(&value).map_err(|_| {
                let shown = value.repr().map_or_else(|_| "a value".into(), |text| text.to_string());
                refused(value.py(), &name, &shown, "takes a number, text, True or False, or a list of these")
            })?
        };
        typed.set(&name, &text).map_err(|error| exception(value.py(), error))?;
    }
    Ok(typed)
}

fn unknown(py: Python<'_>, key: &str, known: &[String], own: &[&str]) -> PyErr {
    let known: Vec<String> = known.iter().map(|name| name.replace('-', "_")).collect();
    let all = known.iter().map(String::as_str).chain(own.iter().copied());
    let meant = nearest(key, all).unwrap_or_default();
    let problem = format!("unknown setting '{key}': did you mean '{meant}'? lacuna_cdi.settings() has all");
    raised(py, "UnknownSettingError", problem)
}

fn is_array(value: &Bound<'_, PyAny>) -> bool {
    value.cast::<PyUntypedArray>().is_ok()
}

/// A value as it is typed behind a flag: `2,2,2`, `true`, `0:64,0:64`.
fn text(value: &Bound<'_, PyAny>) -> PyResult<String> {
    if let Ok(text) = value.cast::<PyString>() {
        return text.extract();
    }
    let numpy_bool = value.get_type().name()?.to_string().starts_with("bool");
    if value.cast::<PyBool>().is_ok() || numpy_bool {
        return Ok(value.is_truthy()?.to_string());
    }
    if value.hasattr("__index__")? && !is_array(value) {
        return Ok(value.call_method0("__index__")?.cast_into::<PyInt>()?.to_string());
    }
    if value.hasattr("__fspath__")? {
        return value.call_method0("__fspath__")?.extract();
    }
    if let Ok(slice) = value.cast::<PySlice>() {
        let [start, stop] = ["start", "stop"].map(|end| slice.getattr(end).and_then(|end| text(&end)));
        return Ok(format!("{}:{}", start?, stop?));
    }
    let line = is_array(value) && value.len().is_ok() && value.getattr("ndim")?.eq(1)?;
    if value.cast::<PyList>().is_ok() || value.cast::<PyTuple>().is_ok() || line {
        let parts = value.try_iter()?.map(|part| text(&part?)).collect::<PyResult<Vec<_>>>()?;
        return Ok(parts.join(","));
    }
    // As Python writes them, so that every digit arrives.
    Ok(PyFloat::new(value.py(), value.extract()?).repr()?.to_string())
}

/// All settings, each with what it does.
///
/// Returns
/// -------
/// dict
///     Help by name, as it is given to ``phase(NAME=VALUE)``. The program's flags have the same names
///     with hyphens.
#[pyfunction]
pub fn settings(py: Python<'_>) -> PyResult<Bound<'_, PyDict>> {
    let all = PyDict::new(py);
    for flags in [Group::Input, Group::Gap, Group::Phasing].map(Group::flags) {
        for flag in flags.get_arguments() {
            let help = flag.get_long_help().or(flag.get_help()).map(ToString::to_string).unwrap_or_default();
            if let Some(name) = flag.get_long() {
                all.set_item(name.replace('-', "_"), pythonic(&help))?;
            }
        }
    }
    Ok(all)
}

/// The presets, each with its settings.
///
/// Returns
/// -------
/// dict
///     Settings by name of the preset. ``bragg`` has all of them and is the ground of the others.
///     One of these dictionaries, changed, is a ``preset=`` of its own.
#[pyfunction]
pub fn presets(py: Python<'_>) -> PyResult<Bound<'_, PyDict>> {
    let all = PyDict::new(py);
    for (name, _) in PRESETS {
        let text = preset_text(name).map_err(|error| exception(py, error))?;
        let typed = TypedSettings::from_toml(Path::new(name), text).map_err(|error| exception(py, error))?;
        all.set_item(name, echo(py, &typed)?)?;
    }
    Ok(all)
}

/// Settings as a dictionary that is a preset again.
pub fn echo<'py>(py: Python<'py>, typed: &TypedSettings) -> PyResult<Bound<'py, PyDict>> {
    let all = PyDict::new(py);
    for (name, value) in typed.table() {
        all.set_item(name.replace('-', "_"), pythonize(py, &value)?)?;
    }
    Ok(all)
}
