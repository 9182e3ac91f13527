//! The flux that a monitor read while each frame was taken.

use super::layout::Layout;
use super::log::ScanLog;
use crate::error::{Error, Result, counted};
use crate::io::tree::{Tree, parent};
use std::ops::Range;

/// The names that `monitor = layout` stands for, or the name itself.
fn names(name: &str, layout: Option<&Layout>) -> Result<Vec<String>> {
    match layout {
        Some(layout) if name == "layout" && layout.monitor.is_empty() => {
            let problem = format!("the layout {} names no monitor: give a path or a column", layout.name);
            Err(Error::setting("monitor", name, problem))
        }
        Some(layout) if name == "layout" => Ok(layout.monitor.clone()),
        _ => Ok(vec![name.into()]),
    }
}

/// The readings at a path of an HDF5 file: from its root, from the entry, or beside the monitor that
/// the layout names.
///
/// # Errors
///
/// [`Error::Setting`] where nothing is there, with the places that were tried.
pub(in crate::io) fn of_tree(tree: &Tree, entry: &str, name: &str, layout: Option<&Layout>) -> Result<Vec<f64>> {
    let homes = layout.iter().flat_map(|layout| &layout.monitor).map(|at| format!("{entry}/{}", parent(at)));
    let homes: Vec<String> = [entry.to_string(), String::new()].into_iter().chain(homes).collect();
    let tried: Vec<String> = names(name, layout)?
        .iter()
        .flat_map(|name| homes.iter().map(move |home| format!("{home}/{}", name.trim_matches('/'))))
        .collect();
    let found = tried.iter().find_map(|at| tree.numbers(at));
    found.ok_or_else(|| {
        let mut tried = tried.clone();
        tried.dedup();
        let problem = format!("{} has no list of numbers at {}", tree.path.display(), tried.join(" or "));
        Error::setting("monitor", name, problem)
    })
}

/// The readings in a column of a text file.
///
/// # Errors
///
/// [`Error::Setting`] where there is none of this name, with those that there are.
pub(super) fn of_log(log: &ScanLog, name: &str, layout: &Layout) -> Result<Vec<f64>> {
    let names = names(name, Some(layout))?;
    let found = names.iter().find_map(|name| log.column(name).ok());
    match (found, names.first()) {
        (Some(values), _) => Ok(values.to_vec()),
        (None, first) => {
            let problem = first.and_then(|first| log.column(first).err()).unwrap_or_default();
            Err(Error::setting("monitor", first.map_or(name, String::as_str), problem))
        }
    }
}

/// The readings of the frames that are read, one each and above zero.
///
/// # Errors
///
/// [`Error::Setting`] for another number of readings than frames, and for readings that are
/// missing or not above zero, with the frame.
pub(in crate::io) fn of_frames(name: &str, readings: &[f64], stack: usize, frames: &Range<usize>) -> Result<Vec<f64>> {
    let fail = |problem: String| Err(Error::setting("monitor", name, problem));
    if readings.len() != stack {
        let (found, frames) = (counted(readings.len(), "reading"), counted(stack, "frame"));
        return fail(format!("has {found} for {frames}: one a frame is needed"));
    }
    let read = &readings[frames.clone()];
    if let Some(at) = read.iter().position(|reading| !(*reading > 0.0 && reading.is_finite())) {
        let (reading, frame) = (read[at], frames.start + at);
        let problem = if reading.is_finite() { format!("reads {reading}") } else { "has no reading".into() };
        return fail(format!("{problem} in frame {frame}: leave that frame out with roi, or give another monitor"));
    }
    Ok(read.to_vec())
}
