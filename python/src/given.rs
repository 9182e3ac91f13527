//! What a call is given to work on: a file, arrays, or an object of this package.

use crate::arrays;
use crate::keywords::Asked;
use crate::pattern::Pattern;
use crate::simulated::Simulated;
use crate::words::{ARRAY, SIMULATED};
use lacuna::error::{Error, Result};
use lacuna::geometry::{Geometry, Placement};
use lacuna::io::{Input, Note, Source};
use lacuna::pixels::{self, MaskDoubt, trimmed};
use lacuna::prepare::Prepared;
use lacuna::reconstruct::{Frames, Observer, overridden, prepare_input, read, refuse_sentinels};
use lacuna::settings::Settings;
use lacuna::volume::Centered;
use pyo3::prelude::*;
use pyo3::types::{PyList, PyString, PyTuple};

/// Masks of a call: arrays, and the program's list as text.
pub struct Masks<'py> {
    /// Arrays, each not zero where a pixel was not measured.
    pub arrays: Vec<Bound<'py, PyAny>>,
    /// `negative,saturated=65535`.
    pub text: Option<String>,
}

impl<'py> Masks<'py> {
    /// Those of an argument: an array, text, or a list of both.
    pub fn of(mask: Option<&Bound<'py, PyAny>>) -> PyResult<Self> {
        let (mut arrays, mut texts) = (Vec::new(), Vec::new());
        let Some(mask) = mask else { return Ok(Masks { arrays, text: None }) };
        let several = mask.cast::<PyList>().is_ok() || mask.cast::<PyTuple>().is_ok();
        let parts = match several {
            true => mask.try_iter()?.collect::<PyResult<Vec<_>>>()?,
            false => vec![mask.clone()],
        };
        // Numbers in lists are an array as well.
        let text = |part: &Bound<'py, PyAny>| part.cast::<PyString>().is_ok();
        if several && !parts.iter().any(text) {
            return Ok(Masks { arrays: vec![mask.clone()], text: None });
        }
        for part in parts {
            if text(&part) {
                texts.push(part.extract::<String>()?);
            } else {
                arrays.push(part);
            }
        }
        Ok(Masks { arrays, text: (!texts.is_empty()).then(|| texts.join(",")) })
    }
}

/// What is worked on.
pub struct Given {
    origin: Origin,
    /// Masks beside those of the origin.
    masks: Vec<Centered<u32>>,
    /// Name for titles and quoted calls: a path, or `the array`.
    pub name: String,
    /// Whether zero frequency is where it belongs already.
    prepared: bool,
    support: Option<Centered<bool>>,
}

enum Origin {
    File(String),
    Arrays(Box<Input>),
}

impl Given {
    /// A pattern as Python has it, with masks, and whether it is said to be prepared.
    pub fn new(
        pattern: &Bound<'_, PyAny>,
        masks: &[Bound<'_, PyAny>],
        prepared: bool,
        asked: &Asked,
    ) -> PyResult<Self> {
        let py = pattern.py();
        let path = match pattern.cast::<PyString>() {
            Ok(text) => Some(text.extract::<String>()?),
            Err(_) if pattern.hasattr("__fspath__")? => Some(pattern.call_method0("__fspath__")?.extract()?),
            Err(_) => None,
        };
        let masks = masks.iter().map(arrays::mask).collect::<PyResult<Vec<_>>>()?;
        let mut support = asked.support(py)?;
        if let Some(path) = path {
            return Ok(Given { name: path.clone(), origin: Origin::File(path), masks, prepared, support });
        }
        asked.of_array(py)?;
        let (input, name) = if let Ok(pattern) = pattern.cast::<Pattern>() {
            let pattern = pattern.get();
            support = support.or_else(|| pattern.start.clone());
            (pattern.input.clone(), pattern.name.clone())
        } else if let Ok(simulated) = pattern.cast::<Simulated>() {
            (simulated.get().input(), SIMULATED.to_string())
        } else {
            (from_array(pattern)?, ARRAY.to_string())
        };
        Ok(Given { origin: Origin::Arrays(Box::new(input)), masks, name, prepared, support })
    }

    /// Whether it is an array, about which nothing is known but its numbers.
    pub fn is_bare(&self) -> bool {
        self.name == ARRAY
    }

    /// Reads what is a file, and lays the masks over it.
    pub fn input(self, settings: &Settings) -> Result<Input> {
        let mut input = match self.origin {
            Origin::File(path) => read(&path, settings)?,
            Origin::Arrays(input) => overridden(*input, settings)?,
        };
        for mask in self.masks {
            cover(&mut input, mask)?;
        }
        input.source.by_lacuna |= self.prepared;
        Ok(input)
    }

    /// Reads and prepares it.
    pub fn load(self, settings: &Settings, frames: Frames, observer: &dyn Observer) -> Result<Prepared> {
        let mut settings = settings.clone();
        if let Origin::Arrays(_) = self.origin {
            // Nothing of it was left unread: it has to be cut.
            settings.input.read.roi = None;
        }
        let mut given = self;
        let support = given.support.take();
        prepare_input(given.input(&settings)?, support, &settings, frames, observer)
    }

    /// Takes it as it stands: nothing is looked for, centred or cropped.
    pub fn untouched(self, settings: &Settings) -> Result<Prepared> {
        let mut given = self;
        let support = given.support.take();
        let input = given.input(settings)?;
        refuse_sentinels(&input)?;
        let Input { mut intensity, mask, estimate, geometry, goniometer, .. } = input;
        let mask = mask.unwrap_or_else(|| intensity.map(|_| 0));
        intensity.0.zip_mut_with(&mask.0, |value, &bits| *value = if bits == 0 { *value } else { 0.0 });
        let shape = intensity.shape();
        let mut pattern = pixels::Pattern::new(intensity, mask, geometry)?;
        (pattern.estimate, pattern.goniometer) = (estimate, goniometer);
        Ok(Prepared {
            pattern,
            support,
            steps: Vec::new(),
            notes: input.notes.iter().map(ToString::to_string).collect(),
            centre: shape.map(|n| n / 2),
            window: shape.map(|n| 0..n),
            rebin: [1; 3],
        })
    }
}

/// What was read from an array; the mask of a masked one is its mask.
fn from_array(object: &Bound<'_, PyAny>) -> PyResult<Input> {
    let arrays::Real { values, element, maximum } = arrays::real(object, "the array")?;
    let shape = values.shape();
    let masked = object.py().import("numpy.ma")?.getattr("MaskedArray")?;
    let mask = match object.is_instance(&masked)? {
        true => Some(arrays::mask(&object.py().import("numpy.ma")?.call_method1("getmaskarray", (object,))?)?),
        false => None,
    };
    Ok(Input {
        intensity: values,
        mask,
        support: None,
        estimate: None,
        geometry: Geometry::default(),
        goniometer: None,
        monitor: None,
        placement: Placement::whole(shape),
        source: Source {
            path: ARRAY.into(),
            dataset: None,
            format: "NPY",
            element,
            maximum_of_type: maximum,
            by_lacuna: false,
        },
        notes: Vec::new(),
    })
}

/// Adds a mask, and says where it looks as if it were the wrong way round.
fn cover(input: &mut Input, mask: Centered<u32>) -> Result<()> {
    let shape = input.intensity.shape();
    let misfit = || Error::Shape {
        what: "mask".into(),
        found: trimmed(mask.shape()),
        expected: trimmed(shape),
        remedy: "give one of the same shape, or of one frame".into(),
    };
    let bits = mask.0.broadcast(shape).ok_or_else(misfit)?;
    if let Some(doubt) = MaskDoubt::of(&input.intensity, &mask, input.source.maximum_of_type) {
        input.notes.push(Note::Mask { name: "the mask".into(), doubt });
    }
    let own = input.mask.get_or_insert_with(|| Centered::filled(shape, 0));
    own.0.zip_mut_with(&bits, |own, &bits| *own |= bits);
    Ok(())
}
