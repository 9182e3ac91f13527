//! From a file to a pattern that can be phased.

use super::observer::{Event, Observer};
use crate::error::{Error, Result};
use crate::geometry::{EV, Geometry};
use crate::io;
use crate::prepare::{self, Centring, Prepared};
use crate::settings::{Settings, SupportChoice};
use crate::volume::Centered;
use std::ops::Range;
use std::path::Path;

/// Reads a file, with the geometry that the settings override and the masks that they add.
///
/// # Errors
/// Those of [`io::read`] and of reading the masks.
pub fn read(location: &str, settings: &Settings) -> Result<io::Input> {
    overridden(io::read_with(location, &settings.input.read)?, settings)
}

/// An input with the geometry that the settings override and the masks that they add.
///
/// # Errors
/// Those of reading the masks.
pub fn overridden(mut input: io::Input, settings: &Settings) -> Result<io::Input> {
    let own = &settings.input;
    let overriding = Geometry {
        energy: own.energy.map(|energy| energy * EV),
        distance: own.distance,
        pixel_size: own.pixel_size.map(|size| [size; 2]),
    };
    input.geometry = overriding.or(input.geometry);
    if !own.mask.is_empty() {
        let mut mask = input.mask.take().unwrap_or_else(|| input.intensity.map(|_| 0));
        let read = |path: &str| io::read_mask(path);
        let doubtful = prepare::apply_mask(&input.intensity, &mut mask, &own.mask, &input.placement, &read)?;
        input.notes.extend(doubtful.into_iter().map(|found| io::Note::AddedMask { doubt: found.to_string() }));
        input.mask = Some(mask);
    }
    Ok(input)
}

/// Reads and prepares a pattern to be phased.
///
/// The file's own support is used only where the settings name the file for it.
///
/// # Errors
/// Those of [`read`] and [`prepare::prepare`], with the name of the file.
pub fn load(location: &str, settings: &Settings, observer: &dyn Observer) -> Result<Prepared> {
    prepare_input(read(location, settings)?, None, settings, Frames::OfOnePattern, observer)
}

/// Reads and prepares frames that stand alone: the first axis is no axis of the pattern.
///
/// # Errors
/// As [`load`].
pub fn load_frames(location: &str, settings: &Settings, observer: &dyn Observer) -> Result<Prepared> {
    prepare_input(read(location, settings)?, None, settings, Frames::Alone, observer)
}

/// What the first axis of a volume counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Frames {
    /// Frames of one pattern: a rocking curve.
    OfOnePattern,
    /// Frames that stand alone, each of them a pattern.
    Alone,
}

/// Prepares what was read, or put together from arrays, to be phased. A `support` that is given, of
/// the shape of the whole stack, takes the place of a file that the settings name.
///
/// # Errors
/// Those of reading that file and of [`prepare::prepare`], with the name of the input.
pub fn prepare_input(
    input: io::Input,
    support: Option<Centered<bool>>,
    settings: &Settings,
    frames: Frames,
    observer: &dyn Observer,
) -> Result<Prepared> {
    refuse_sentinels(&input)?;
    let own = &settings.prepare;
    let flat = input.intensity.shape()[0] == 1;
    // A pattern that lacuna wrote has been prepared: its centre is where it was put.
    let raw = !input.source.by_lacuna || own.centring != Centring::Auto;
    let support = match (support, &settings.start.support) {
        (Some(given), _) => Some(given),
        (None, SupportChoice::File(file)) => Some(io::read_support(file)?),
        (None, _) => None,
    };
    let options = prepare::Options {
        flat: settings.input.flat_field.as_deref().map(io::read_array).transpose()?,
        hot: own.hot_pixels.filter(|_| raw),
        dead: raw && own.dead_pixels,
        placement: Some(input.placement),
        monitor: input.monitor,
        goniometer: input.goniometer,
        gain: own.gain,
        threshold: own.threshold,
        clip_negative: own.clip_negative,
        // A region that was read alone needs no cut.
        roi: match (&settings.input.read.roi, own.roi.as_deref()) {
            (None, Some(ranges)) => Some(roi(ranges, flat)?),
            _ => None,
        },
        centring: if raw { own.centring } else { Centring::Keep },
        max_size: own.max_size.as_deref().map(|values| per_axis("max-size", values, flat)).transpose()?,
        rebin: bins(settings, flat)?,
        pad: own.pad,
        fft_friendly: true,
        frames: frames == Frames::Alone,
    };
    let path = input.source.path.clone();
    let doubtful = match raw {
        true => {
            let none;
            let mask = match &input.mask {
                Some(mask) => mask,
                None => {
                    none = input.intensity.map(|_| 0);
                    &none
                }
            };
            let mut doubts = prepare::doubts(&input.intensity, mask).map_err(|error| match error {
                Error::Pattern(problem) => Error::file(&path, problem),
                other => other,
            })?;
            if own.gain.is_none() && options.monitor.is_none() && options.flat.is_none() {
                doubts.extend(prepare::uncounted(&input.intensity, mask));
            }
            doubts
        }
        false => Vec::new(),
    };
    let mut notes: Vec<String> = input.notes.iter().map(ToString::to_string).collect();
    notes.extend(doubtful);
    for note in &notes {
        observer.observe(Event::Note(&format!("{}: {note}", path.display())));
    }
    let mut prepared = prepare::prepare(input.intensity, input.mask, input.estimate, support, input.geometry, &options)
        .map_err(|error| match error {
            Error::Pattern(problem) | Error::Support(problem) => Error::file(&path, problem),
            other => other,
        })?;
    if let (SupportChoice::File(file), Some(support)) = (&settings.start.support, &prepared.support)
        && !support.as_slice().contains(&true)
    {
        return Err(Error::file(file, "the support is empty"));
    }
    for step in &prepared.steps {
        observer.observe(Event::Note(&format!("prepared: {step}")));
    }
    for note in &prepared.notes {
        observer.observe(Event::Note(note));
    }
    notes.append(&mut prepared.notes);
    prepared.notes = notes;
    observer.observe(Event::Prepared {
        notes: &prepared.notes,
        steps: &prepared.steps,
        shape: prepared.pattern.shape(),
        centre: prepared.centre,
        rebin: prepared.rebin,
        object_pixel: prepared.pattern.geometry.object_pixel(prepared.pattern.shape()),
    });
    Ok(prepared)
}

/// Refuses to write a file over the one that is read: raw data exist once.
///
/// # Errors
/// [`Error::File`] where both are the same file.
pub fn not_onto_itself(input: &str, output: &Path) -> Result<()> {
    match is_same_file(input, output) {
        true => Err(Error::file(output, "is the input: give another --output, raw data are never replaced")),
        false => Ok(()),
    }
}

/// Whether both are the same file.
pub fn is_same_file(input: &str, other: &Path) -> bool {
    matches!((Path::new(input).canonicalize(), other.canonicalize()), (Ok(input), Ok(other)) if input == other)
}

/// Refuses pixels that hold the largest value of their type and are not masked: they are saturated,
/// or a gap.
///
/// # Errors
/// [`Error::File`] with their number.
pub fn refuse_sentinels(input: &io::Input) -> Result<()> {
    let Some(largest) = input.source.maximum_of_type else { return Ok(()) };
    let masked = |index: usize| input.mask.as_ref().is_some_and(|mask| mask.as_slice()[index] != 0);
    let values = input.intensity.as_slice().iter().enumerate();
    let count = values.filter(|(i, value)| **value >= largest as f32 && !masked(*i)).count();
    if count == 0 {
        return Ok(());
    }
    Err(Error::file(
        &input.source.path,
        format!(
            "{count} pixels hold {largest}, the largest {}, and are not masked: give mask = saturated={largest}",
            input.source.element
        ),
    ))
}

/// Ranges `(z, y, x)`; those of a volume need a third.
fn roi(ranges: &[Range<usize>], flat: bool) -> Result<[Range<usize>; 3]> {
    match (ranges, flat) {
        ([y, x], true) => Ok([0..1, y.clone(), x.clone()]),
        ([z, y, x], _) => Ok([z.clone(), y.clone(), x.clone()]),
        _ => {
            let text: Vec<String> = ranges.iter().map(|range| format!("{}:{}", range.start, range.end)).collect();
            Err(Error::setting("roi", text.join(","), "3D data take Z0:Z1,Y0:Y1,X0:X1"))
        }
    }
}

/// Extents `(z, y, x)` from one number for all axes, or one for each of 2D or 3D data.
/// Pixels that are summed into one along each axis, as the settings say for data of one frame (`flat`)
/// or several.
///
/// # Errors
/// [`Error::Setting`] for a number of them that does not fit the data.
pub fn bins(settings: &Settings, flat: bool) -> Result<[usize; 3]> {
    Ok(settings.prepare.rebin.as_deref().map(|bins| per_axis("rebin", bins, flat)).transpose()?.unwrap_or([1; 3]))
}

fn per_axis(name: &str, values: &[usize], flat: bool) -> Result<[usize; 3]> {
    match (values, flat) {
        (&[n], true) => Ok([1, n, n]),
        (&[n], false) => Ok([n; 3]),
        (&[y, x] | &[_, y, x], true) => Ok([1, y, x]),
        (&[z, y, x], false) => Ok([z, y, x]),
        _ => {
            let text: Vec<String> = values.iter().map(ToString::to_string).collect();
            Err(Error::setting(name, text.join(","), "3D data take one or three numbers"))
        }
    }
}
