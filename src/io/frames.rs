//! Formats with one array a file, alone or as the numbered frames of a scan, stacked along z.

use super::array::{RawArray, Values};
use super::bytes::Bytes;
use super::contents::{Contents, OneFile};
use super::location::{Format, Location};
use super::lost::{self, Lost};
use super::note::Note;
use super::options::ReadOptions;
use super::view::{Region, View};
use super::{cbf, edf, npy, tiff};
use crate::error::{Error, Result, shape_text};
use crate::geometry::Geometry;
use crate::volume::Shape;
use std::path::Path;

/// Reads the frames of all files of a location.
pub(super) fn read(place: &Location, options: &ReadOptions) -> Result<Contents> {
    if let Some(inside) = &place.inside {
        let problem = format!("holds one array, nothing is inside: leave out :{inside}");
        return Err(Error::file(place.display(), problem));
    }
    let mut notes = place.series.notes.clone();
    let (array, view, stack, lost, geometry) = if place.series.files.len() == 1 {
        let file = place.series.files[0].as_deref().unwrap_or(&place.path);
        let OneFile { array, geometry, notes: more } = frame(place.format, file)?;
        notes.extend(more);
        let mut view = array.view(&place.index, options.axes)?;
        let (region, more) = lost::region(file, view.whole, &[], options)?;
        notes.extend(more);
        view.region = region;
        let stack = view.whole;
        (array, view, stack, Vec::new(), geometry)
    } else {
        let scan = stack(place, options)?;
        notes.extend(scan.notes);
        (scan.array, scan.view, scan.shape, scan.lost, scan.geometry)
    };
    let region = region_of(&view, stack, options);
    let format = match place.format {
        Format::Tiff => "TIFF",
        Format::Edf => "EDF",
        Format::Cbf => "CBF",
        _ => "NPY",
    };
    let offset = options.mask_offset;
    Ok(Contents { lost, notes, offset, ..Contents::new(array, view, stack, region, geometry, format) })
}

/// The array of a location as it is: a mask or a flat field on its own.
pub(super) fn array(place: &Location) -> Result<RawArray> {
    if place.format == Format::Spec {
        return Err(Error::file(&place.path, "is the text of a scan, not an array"));
    }
    let options = ReadOptions::default();
    Ok(read(place, &options)?.array)
}

fn region_of(view: &View, stack: Shape, options: &ReadOptions) -> Region {
    let frames = options.roi.as_ref().map_or(0, |roi| roi[0].start);
    let full = options.roi.clone().unwrap_or_else(|| stack.map(|n| 0..n));
    [frames..frames + view.shape()[0], full[1].clone(), full[2].clone()]
}

/// The frames of a scan.
struct Stack {
    array: RawArray,
    /// The part of `array` that is read.
    view: View,
    /// Extents of the whole scan.
    shape: Shape,
    lost: Vec<Lost>,
    geometry: Geometry,
    notes: Vec<Note>,
}

/// The files of a series as one array, cut to the region while they are read.
fn stack(place: &Location, options: &ReadOptions) -> Result<Stack> {
    let series = &place.series;
    let first = series.files.iter().flatten().next().ok_or_else(|| Error::file(&place.path, "holds no frames"))?;
    let OneFile { array: start, geometry, notes: mut about } = frame(place.format, first)?;
    if !place.index.is_empty() {
        return Err(Error::file(&place.path, "is a series of files: an index selects from one array"));
    }
    let frames = |array: &RawArray| -> Result<Shape> { Ok(array.view(&[], options.axes)?.whole) };
    let [per_file, ny, nx] = frames(&start)?;
    let stack = [per_file * series.files.len(), ny, nx];
    let (mut names, mut lost) = (series.missing.iter(), Vec::<Lost>::new());
    for (i, _) in series.files.iter().enumerate().filter(|(_, file)| file.is_none()) {
        let reason = format!("{} is missing", names.next().map(|name| name.display().to_string()).unwrap_or_default());
        lost.push(Lost::frames(i * per_file..(i + 1) * per_file, stack, reason));
    }
    let (region, notes) = lost::region(&place.path, stack, &lost, options)?;
    about.extend(notes);
    let (element, fortran) = (start.element, start.fortran);
    let extents = start.shape.clone();
    let mut bytes = Vec::new();
    // Along z whole files are kept; the view cuts the rest.
    let wanted = region[0].start / per_file..region[0].end.div_ceil(per_file);
    let size = per_file * region[1].len() * region[2].len() * element.width;
    for file in &series.files[wanted.clone()] {
        let Some(file) = file else {
            bytes.resize(bytes.len() + size, 0);
            continue;
        };
        let OneFile { array, geometry: own, .. } = frame(place.format, file)?;
        if own != geometry && !about.iter().any(|note| matches!(note, Note::Changing { .. })) {
            about.push(Note::Changing { file: file.clone() });
        }
        if array.element != element || array.shape != extents || array.fortran != fortran {
            let (now, before) = (shape_text(&array.shape), shape_text(&extents));
            let (now_type, before_type) = (array.element.name(), element.name());
            let problem = format!("is {now} {now_type}, the frames before are {before} {before_type}");
            return Err(Error::file(array.name, problem));
        }
        let mut view = array.view(&[], options.axes)?;
        view.region = [0..per_file, region[1].clone(), region[2].clone()];
        bytes.extend(array.cut(&view)?);
    }
    let shape = vec![wanted.len() * per_file, region[1].len(), region[2].len()];
    let array = RawArray::from_bytes(place.path.clone(), shape, element, bytes);
    let mut view = View::frames([array.shape[0], array.shape[1], array.shape[2]]);
    let offset = wanted.start * per_file;
    view.region[0] = region[0].start - offset..region[0].end - offset;
    Ok(Stack { array, view, shape: stack, lost, geometry, notes: about })
}

fn frame(format: Format, file: &Path) -> Result<OneFile> {
    match format {
        Format::Tiff => {
            let pages = tiff::pages(file)?;
            let (name, shape, element) = (file.to_path_buf(), pages.shape.to_vec(), pages.element);
            let values = Values::Bytes(Bytes::Pages(pages));
            Ok(OneFile::alone(RawArray { name, shape, element, fortran: false, values }))
        }
        Format::Edf => edf::read(file),
        Format::Cbf => cbf::read(file),
        _ => Ok(OneFile::alone(npy::read(file)?)),
    }
}
