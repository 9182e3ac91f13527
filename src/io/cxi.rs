//! Reading CXI, NeXus and other HDF5 files: the intensities with their mask, support and geometry.
//!
//! CXI: <https://raw.githubusercontent.com/cxidb/CXI/master/cxi_file_format.pdf>; NeXus: NXdata,
//! NXdetector, NXbeam of <https://manual.nexusformat.org>. A reconstruction's `data_1/data` is its
//! complex object; the intensities are then the detector's.

use super::array::{Part, RawArray, Values};
use super::beamline::layout::Layout;
use super::beamline::{monitor, suggest};
use super::contents::Contents;
use super::element::Kind;
use super::entry::{self, DataPath, absolute, is_array, only_array};
use super::goniometer;
use super::location::Location;
use super::lost::{self, Lost};
use super::mask::{self, Frame, MaskConvention, Misfit, repeated};
use super::metadata;
use super::note::Note;
use super::options::{FileMask, ReadOptions};
use super::tree::{Tree, parent};
use super::view::{Region, View};
use super::virtual_sources;
use crate::error::{Error, Result, shape_text};
use crate::geometry::Geometry;
use crate::pixels::{Estimate, trimmed};
use crate::volume::{Centered, Shape};
use serde_json::Value;
use std::path::Path;

/// What the layout of a beamline knows of a file before it is read.
#[derive(Default)]
pub(super) struct Known {
    pub geometry: Geometry,
    /// Paths of masks, before the places where CXI and NeXus have them.
    pub masks: Vec<String>,
}

pub(super) fn read(place: &Location, options: &ReadOptions) -> Result<Contents> {
    let tree = Tree::open(&place.path)?;
    let path = entry::find(&tree, place.inside.as_deref())?;
    let entry = path.entry.clone();
    let mut contents = read_at(&tree, path, place, &Known::default(), options)?;
    if options.layout.is_none() && !contents.by_lacuna {
        contents.notes.extend(suggest::layout(&tree, &entry));
    }
    Ok(contents)
}

/// The data at a path, with what the file has beside them.
pub(super) fn read_at(
    tree: &Tree,
    path: DataPath,
    place: &Location,
    known: &Known,
    options: &ReadOptions,
) -> Result<Contents> {
    let DataPath { datasets, entry, named, mut notes } = path;
    let at = &datasets[0];
    let mut array = tree.joined(&datasets)?;
    let mut view = array.view(&place.index, options.axes)?;
    let stack = view.whole;
    let detectors = metadata::detectors_of(tree, &entry, at);
    let lost = lost_data(&array, &view, &datasets);
    if view.axes[0] == Some(0) {
        lost.iter().filter(|lost| lost.at[1..] == [0..stack[1], 0..stack[2]]).for_each(|lost| array.skip(&lost.at[0]));
    }
    let (region, more) = lost::region(&tree.path, stack, &lost, options)?;
    let planned = metadata::planned_frames(tree, &detectors);
    if let Some(planned) = planned.filter(|&planned| planned > stack[0] && datasets.len() > 1 && lost.is_empty()) {
        notes.push(Note::Incomplete { found: stack[0], planned, reason: "its detector was asked for more".into() });
    }
    notes.extend(more);
    view.region = region.clone();
    if tree.being_written {
        notes.push(Note::BeingWritten { file: tree.path.clone() });
    }
    if tree.attribute(at, "MATLAB_class").is_some() && options.axes == Default::default() {
        notes.push(Note::Reversed { dataset: tree.name(at).display().to_string() });
    }
    for (name, nothing) in [("scale_factor", 1.0), ("scaling_factor", 1.0), ("add_offset", 0.0)] {
        if let Some(value) = tree.number_attribute(at, name).filter(|&value| value != nothing) {
            notes.push(Note::Scaled { at: at.clone(), text: format!("{name} = {value}") });
        }
    }
    let instrument = metadata::instrument(tree, &entry, &detectors, known.geometry);
    let offset = options.mask_offset.or(instrument.offset);
    let frame =
        Frame { stored: array.shape.clone(), index: place.index.clone(), stack, region: region.clone(), offset };
    notes.extend(instrument.notes);
    let mask = match options.file_mask {
        FileMask::Ignore => None,
        _ => {
            let paths = mask_paths(known, at, &detectors);
            mask(tree, paths, &frame, options, named, &mut notes)?
        }
    };
    let own_log = options.layout.as_ref().is_some_and(Layout::has_log);
    let monitor = match options.monitor.as_deref().filter(|_| !own_log) {
        Some(name) => Some(monitor::of_tree(tree, &entry, name, options.layout.as_ref())?),
        None => None,
    };
    let (goniometer, note) = goniometer::read(tree, &entry, &detectors, stack[0]);
    notes.extend(note);
    Ok(Contents {
        mask,
        goniometer,
        monitor,
        support: support(tree, &entry, stack)?,
        estimate: estimate(tree, &entry, stack, &region)?,
        by_lacuna: ["image_1/process_1", "process_1"].iter().any(|process| {
            let text = tree.text(&format!("{entry}/{process}/configuration/json"));
            text.is_some_and(|text| serde_json::from_str::<serde::de::IgnoredAny>(&text).is_ok())
        }),
        dataset: Some(at.clone()),
        offset,
        lost,
        notes,
        ..Contents::new(
            array,
            view,
            stack,
            region,
            instrument.geometry,
            if tree.dataset("/cxi_version").is_some() { "CXI" } else { "HDF5" },
        )
    })
}

/// What is lost of an array: parts whose files are, and sources of a virtual data set.
fn lost_data(array: &RawArray, view: &View, names: &[String]) -> Vec<Lost> {
    let Values::Datasets(parts) = &array.values else { return Vec::new() };
    let (mut found, mut start) = (Vec::new(), 0);
    let joined = parts.len() > 1;
    for (part, name) in parts.iter().zip(names) {
        match part {
            Part::Lost(frames) => {
                let reason = format!("{name} is missing, or leads to a file that is or cannot be read");
                found.push(Lost::frames(start..start + frames, view.whole, reason));
                start += frames;
            }
            Part::Dataset(dataset, range) => {
                for source in virtual_sources::lost(dataset) {
                    let mut ranges = source.ranges;
                    if joined && let Some(first) = ranges.first_mut() {
                        *first = first.start + start..first.end + start;
                    }
                    let at = view.region_of(&ranges);
                    found.extend(at.map(|at| Lost { at, reason: source.reason }));
                }
                start += range.len();
            }
        }
    }
    found
}

/// A mask given on its own: the path inside, or the place where CXI and NeXus keep it.
pub(super) fn mask_alone(place: &Location) -> Result<Centered<u32>> {
    let tree = Tree::open(&place.path)?;
    let at = match &place.inside {
        Some(inside) if tree.dataset(&absolute(inside)).is_some() => absolute(inside),
        inside => {
            let entry = match inside {
                Some(group) => absolute(group),
                None => entry::default_entry(&tree)?.0,
            };
            let mut homes = metadata::detectors(&tree, &entry);
            homes.extend([format!("{entry}/data_1"), format!("{entry}/data"), entry.clone(), String::new()]);
            let known = usual_masks(&homes).into_iter().find(|at| is_array(&tree, at));
            match (known, inside) {
                (Some(known), _) => known,
                (None, Some(_)) => entry,
                (None, None) => only_array(&tree, "a mask")?,
            }
        }
    };
    mask::whole(&tree.stored(&at)?, convention(&at))
}

/// A support given on its own: the path inside, `image_1/support`, or `image_1/mask` as PyNX writes
/// it.
pub(super) fn support_alone(place: &Location) -> Result<RawArray> {
    let tree = Tree::open(&place.path)?;
    if let Some(inside) = &place.inside {
        return tree.stored(&absolute(inside));
    }
    let (entry, _) = entry::default_entry(&tree)?;
    let known = [
        format!("{entry}/image_1/support"),
        format!("{entry}/image_1/mask"),
        format!("{entry}/support"),
        "/support".into(),
    ];
    match known.iter().find(|at| is_array(&tree, at)) {
        Some(at) => tree.stored(at),
        None => tree.stored(&only_array(&tree, "a support")?),
    }
}

/// The object of a reconstruction and, beside it, its support.
pub(super) fn object(place: &Location) -> Result<(RawArray, Option<RawArray>)> {
    let tree = Tree::open(&place.path)?;
    let home = match &place.inside {
        Some(inside) if is_array(&tree, &absolute(inside)) => return Ok((tree.stored(&absolute(inside))?, None)),
        Some(inside) => absolute(inside),
        None => entry::default_entry(&tree)?.0,
    };
    let object = format!("{home}/image_1/data");
    if !is_array(&tree, &object) {
        let problem = format!("holds no object: nothing at {object}");
        return Err(Error::file(&place.path, problem));
    }
    let support = ["mask", "support"].map(|name| format!("{home}/image_1/{name}"));
    let support = support.iter().find(|at| is_array(&tree, at)).map(|at| tree.stored(at)).transpose()?;
    Ok((tree.stored(&object)?, support))
}

/// Whether lacuna wrote this file.
pub(super) fn is_own(path: &Path) -> bool {
    Tree::open(path).is_ok_and(|tree| tree.attribute("/", "creator").as_deref() == Some("lacuna"))
}

/// One of the results of a reconstruction: a number, a text, or what stands in a text as JSON.
pub(super) fn outcome(place: &Location, name: &str) -> Result<Option<Value>> {
    let tree = Tree::open(&place.path)?;
    let home = match &place.inside {
        Some(inside) => absolute(inside),
        None => entry::default_entry(&tree)?.0,
    };
    let path = format!("{home}/image_1/process_1/results/{name}");
    if let Some(text) = tree.text(&path) {
        return Ok(Some(serde_json::from_str(&text).unwrap_or(Value::String(text))));
    }
    Ok(tree.numbers(&path).map(|numbers| match numbers[..] {
        [number] => Value::from(number),
        _ => Value::from(numbers),
    }))
}

/// Any array: the path inside, or the intensities.
pub(super) fn array(place: &Location) -> Result<RawArray> {
    let tree = Tree::open(&place.path)?;
    tree.joined(&entry::find(&tree, place.inside.as_deref())?.datasets)
}

/// Where a mask may be: lacuna's exact bits before the 0/1 copy that it writes beside them.
fn usual_masks(homes: &[String]) -> Vec<String> {
    let names = ["mask_bits", "mask", "pixel_mask", "detectorSpecific/pixel_mask"];
    names.iter().flat_map(|name| homes.iter().map(move |home| format!("{home}/{name}"))).collect()
}

/// Where the mask of `data` may be.
fn mask_paths(known: &Known, data: &str, detectors: &[String]) -> Vec<String> {
    let mut homes = vec![parent(data).to_string()];
    homes.extend(detectors.iter().cloned());
    [known.masks.clone(), usual_masks(&homes)].concat()
}

fn convention(at: &str) -> MaskConvention {
    match at.rsplit('/').next() {
        Some("pixel_mask") => MaskConvention::Nexus,
        Some("mask" | "mask_bits") => MaskConvention::Cxi,
        _ => MaskConvention::Flags,
    }
}

/// The mask beside the data or, failing that, the detector's. One that does not fit is an error,
/// unless the data set was named: then a note, as for one that cannot be read.
fn mask(
    tree: &Tree,
    paths: Vec<String>,
    frame: &Frame,
    options: &ReadOptions,
    named: bool,
    notes: &mut Vec<Note>,
) -> Result<Option<Centered<u32>>> {
    let mut misfit = None;
    for at in paths {
        if !is_array(tree, &at) {
            let flat = tree.dataset(&at).filter(|mask| mask.size() > 1).map(|mask| shape_text(&mask.shape()));
            notes.extend(flat.map(|shape| Note::MaskLeftOut { name: tree.name(&at).display().to_string(), shape }));
            if tree.is_unreadable(&at) {
                notes.push(Note::Unreadable { at });
            }
            continue;
        }
        let stored = tree.stored(&at)?;
        match frame.view(&stored, options.axes) {
            Ok(view) => {
                let bits = mask::bits(&stored, &view, convention(&at))?;
                return Ok(Some(repeated(bits, frame.region[0].len())));
            }
            Err(Misfit::Shape(found)) => misfit = Some((at, found)),
            Err(Misfit::Unusable(_)) => {
                let (name, shape) = (tree.name(&at).display().to_string(), shape_text(&stored.shape));
                notes.push(Note::MaskLeftOut { name, shape });
            }
        }
    }
    let Some((at, found)) = misfit else { return Ok(None) };
    let name = tree.name(&at).display().to_string();
    if named {
        notes.push(Note::MaskLeftOut { name, shape: shape_text(&trimmed(found)) });
        return Ok(None);
    }
    let escape = "name the data as :/path to leave this mask out";
    Err(frame.misfit(format!("mask {name}"), found, escape))
}

/// `image_1/support`; `image_1/mask` where the image is complex, as in PyNX's results (in CXI it is
/// a pixel mask otherwise).
fn support(tree: &Tree, entry: &str, shape: Shape) -> Result<Option<Centered<bool>>> {
    let image = format!("{entry}/image_1");
    let complex = tree.stored(&format!("{image}/data")).is_ok_and(|data| data.element.kind == Kind::Complex);
    let names: &[&str] = if complex { &["support", "mask"] } else { &["support"] };
    let Some(at) = names.iter().map(|name| format!("{image}/{name}")).find(|at| is_array(tree, at)) else {
        return Ok(None);
    };
    let support = tree.stored(&at)?;
    let view = support.whole()?;
    if view.whole == shape { support.to_flags(&view).map(Some) } else { Ok(None) }
}

/// The estimate that lacuna wrote, of the region that is read.
fn estimate(tree: &Tree, entry: &str, stack: Shape, region: &Region) -> Result<Option<Estimate>> {
    let mut arrays = Vec::new();
    for name in ["at", "mean", "lower", "upper"] {
        let at = format!("{entry}/estimate_1/{name}");
        if !is_array(tree, &at) {
            return Ok(None);
        }
        let stored = tree.stored(&at)?;
        let mut view = stored.whole()?;
        if view.whole != stack {
            return Ok(None);
        }
        view.region = region.clone();
        arrays.push((stored, view));
    }
    let real = |i: usize| arrays[i].0.to_f32(&arrays[i].1);
    Ok(Some(Estimate { at: arrays[0].0.to_flags(&arrays[0].1)?, mean: real(1)?, lower: real(2)?, upper: real(3)? }))
}
