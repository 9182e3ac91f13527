//! Walking HDF5 files: groups, data sets, attributes and links, with messages that say what is
//! there instead.

use super::array::{Part, RawArray, Values};
use super::driver;
use super::element::{Element, Kind, unsupported};
use super::glob;
use super::hdf5_error::{missing_filter, reason, unreadable_filter};
use super::units::with_unit;
use crate::error::{Error, Result, shape_text};
use hdf5::datatype::ByteOrder;
use hdf5::types::{FixedAscii, FixedUnicode, TypeDescriptor, VarLenAscii, VarLenUnicode};
use hdf5::{Container, Dataset, File, Group, LinkType, LocationToken, LocationType, OpenMode};
use std::path::{Path, PathBuf};

/// Stands for a unit that is there but cannot be read.
const DAMAGED_UNIT: &str = "with a damaged unit";

/// An HDF5 file open for reading.
pub(super) struct Tree {
    pub path: PathBuf,
    /// Whether another program has it open for writing.
    pub being_written: bool,
    root: File,
}

impl Tree {
    /// Opens a file without HDF5's lock, so that one that is still being written can be read, and
    /// no writer is kept out.
    pub fn open(path: &Path) -> Result<Self> {
        super::filters::register();
        let opened = driver::open(path, OpenMode::Read).map(|root| (root, false));
        let in_use = |reason: &str| {
            ["already open for", "consistency flags", "unable to lock"].iter().any(|words| reason.contains(words))
        };
        // A writer that crashed and one that is at work leave the same mark; what a SWMR reader
        // sees is whole.
        let opened = opened.or_else(|error| match in_use(&reason(&error)) {
            true => driver::open(path, OpenMode::ReadSWMR).map(|root| (root, true)).map_err(|_| error),
            false => Err(error),
        });
        let (root, swmr) = opened.map_err(|error| {
            let reason = reason(&error);
            if in_use(&reason) {
                let problem = "is being written by another program, or was when that crashed: wait until it is closed, or \
                               read a copy of it";
                return Error::file(path, problem);
            }
            let remedy = if reason.contains("truncated") { ": it was not copied or written to its end" } else { "" };
            Error::file(path, format!("cannot be opened by HDF5, {reason}{remedy}"))
        })?;
        Ok(Tree { path: path.to_path_buf(), being_written: swmr || is_locked(path), root })
    }

    /// `file:/path/inside`, for messages.
    pub fn name(&self, at: &str) -> PathBuf {
        PathBuf::from(format!("{}:{at}", self.path.display()))
    }

    /// The group at an absolute path, if there is one.
    pub fn group(&self, at: &str) -> Option<Group> {
        self.root.group(if at.is_empty() { "/" } else { at }).ok()
    }

    /// The data set at an absolute path, through any links.
    pub fn dataset(&self, at: &str) -> Option<Dataset> {
        self.root.dataset(at).ok()
    }

    /// Names of the members of a group, in the order of their names.
    pub fn members(&self, at: &str) -> Vec<String> {
        let mut names = self.group(at).and_then(|group| group.member_names().ok()).unwrap_or_default();
        names.sort();
        names
    }

    /// The text attribute `name` of the group or data set at `at`.
    pub fn attribute(&self, at: &str, name: &str) -> Option<String> {
        let attribute = match self.group(at) {
            Some(group) => group.attr(name).ok()?,
            None => self.dataset(at)?.attr(name).ok()?,
        };
        text(&attribute)
    }

    /// The text in the data set at `at`.
    pub fn text(&self, at: &str) -> Option<String> {
        text(&*self.dataset(at)?)
    }

    /// The first number of the data set at `at`, also one that is written as text, with its unit:
    /// [`DAMAGED_UNIT`] where that cannot be read.
    pub fn number(&self, at: &str) -> Option<(f64, Option<String>)> {
        let dataset = self.dataset(at)?;
        // Per-frame arrays of a scan hold the same distance or energy many times; large ones are
        // something else.
        if dataset.size() > 100_000 {
            return None;
        }
        let unit = match dataset.attr("units") {
            Ok(unit) => Some(text(&unit).unwrap_or_else(|| DAMAGED_UNIT.into())),
            Err(_) => {
                let absent = dataset.attr_names().is_ok_and(|names| !names.iter().any(|name| name == "units"));
                (!absent).then(|| DAMAGED_UNIT.into())
            }
        };
        let (value, unit) = match dataset.read_raw::<f64>() {
            Ok(values) => (*values.first()?, unit),
            Err(_) => {
                let written = text(&dataset)?;
                let (value, own) = with_unit(&written)?;
                (value, unit.or_else(|| own.map(String::from)))
            }
        };
        value.is_finite().then_some((value, unit))
    }

    /// Whether there is something at `at` that cannot be opened or, if it is small, be read.
    pub fn is_unreadable(&self, at: &str) -> bool {
        let name = at.rsplit('/').next().unwrap_or_default();
        if self.group(at).is_some() || !self.members(parent(at)).iter().any(|member| member == name) {
            return false;
        }
        match self.dataset(at) {
            None => true,
            Some(dataset) if dataset.size() == 1 => dataset.read_raw::<f64>().is_err() && text(&dataset).is_none(),
            Some(_) => false,
        }
    }

    /// All numbers of the data set at `at`, which has at most one axis or a few numbers.
    pub fn numbers(&self, at: &str) -> Option<Vec<f64>> {
        let dataset = self.dataset(at)?;
        let list = dataset.shape().iter().filter(|&&n| n > 1).count() <= 1 && dataset.size() <= 1_000_000;
        if !list || element(&dataset).is_err() {
            return None;
        }
        dataset.read_raw::<f64>().ok()
    }

    /// Paths that fit one with `*` and `?` in its parts, in the order of their names.
    pub fn paths(&self, pattern: &str) -> Vec<String> {
        let mut found = vec![String::new()];
        for part in pattern.split('/').filter(|part| !part.is_empty()) {
            if part.contains(['*', '?']) {
                let members = |at: &String| {
                    let names = self.members(at).into_iter().filter(|name| glob::matches(part, name));
                    names.map(|name| format!("{at}/{name}")).collect::<Vec<_>>()
                };
                found = found.iter().flat_map(members).collect();
            } else {
                found.iter_mut().for_each(|at| *at = format!("{at}/{part}"));
            }
        }
        found.retain(|at| self.dataset(at).is_some() || self.group(at).is_some());
        found
    }

    /// A number attribute of the group or data set at `at`, also one that is written as text.
    pub fn number_attribute(&self, at: &str, name: &str) -> Option<f64> {
        let attribute = match self.group(at) {
            Some(group) => group.attr(name).ok()?,
            None => self.dataset(at)?.attr(name).ok()?,
        };
        match attribute.read_raw::<f64>() {
            Ok(values) => values.first().copied(),
            Err(_) => text(&attribute)?.trim().parse().ok(),
        }
    }

    /// A vector attribute of the data set at `at`.
    pub fn vector_attribute(&self, at: &str, name: &str) -> Option<[f64; 3]> {
        self.dataset(at)?.attr(name).ok()?.read_raw::<f64>().ok()?.try_into().ok()
    }

    /// What tells whether two paths lead to the same object.
    pub fn identity(&self, at: &str) -> Option<(u64, LocationToken)> {
        let info = self.root.loc_info_by_name(at).ok()?;
        Some((info.fileno, info.token))
    }

    /// The array at `at` as stored, or what is wrong with it.
    pub fn stored(&self, at: &str) -> Result<RawArray> {
        let dataset = self.dataset(at).ok_or_else(|| self.missing(at))?;
        let element = element(&dataset).map_err(|name| Error::file(self.name(at), unsupported(&name)))?;
        if let Some(filter) = missing_filter(&dataset) {
            return Err(Error::file(self.name(at), unreadable_filter(&filter)));
        }
        let shape = dataset.shape();
        let frames = shape.first().copied().unwrap_or(1);
        let values = Values::Datasets(vec![Part::Dataset(dataset, 0..frames)]);
        Ok(RawArray { name: self.name(at), shape, element, fortran: false, values })
    }

    /// The arrays `at`, joined along their first axis: the files of an Eiger master. Those that
    /// cannot be opened count as lost frames, as many as the first that can be has.
    pub fn joined(&self, at: &[String]) -> Result<RawArray> {
        let (mut all, mut lost): (Option<RawArray>, usize) = (None, 0);
        let mut typical = 0;
        for at in at {
            if self.dataset(at).is_none() && self.is_lost(at) {
                match &mut all {
                    None => lost += 1,
                    Some(all) => all.push(Part::Lost(typical), typical),
                }
                continue;
            }
            let part = self.stored(at)?;
            let Some(all) = &mut all else {
                typical = part.shape.first().copied().unwrap_or(1);
                let mut first = part;
                if at.len() > 1 {
                    for _ in 0..lost {
                        first.push_front(Part::Lost(typical), typical);
                    }
                }
                all = Some(first);
                continue;
            };
            if part.shape.get(1..) != all.shape.get(1..) || part.shape.len() != 3 || part.element != all.element {
                let (a, b) = (shape_text(&part.shape), shape_text(&all.shape));
                return Err(Error::file(part.name, format!("is {a} and cannot be joined to {b} before it")));
            }
            let frames = part.shape[0];
            if let Values::Datasets(more) = part.values {
                more.into_iter().for_each(|part| all.push(part, frames));
            }
        }
        all.ok_or_else(|| at.first().map_or_else(|| Error::file(&self.path, "holds no data"), |at| self.missing(at)))
    }

    /// Whether a path is a link into another file, or nothing at all.
    fn is_lost(&self, at: &str) -> bool {
        let (home, name) = (parent(at), at.rsplit('/').next().unwrap_or_default());
        matches!(self.link(home, name), None | Some(LinkType::External))
    }

    /// Why there is no data set at `at`, and what is there instead.
    pub fn missing(&self, at: &str) -> Error {
        let mut parent = String::new();
        for name in at.split('/').filter(|name| !name.is_empty()) {
            let here = format!("{parent}/{name}");
            if self.group(&here).is_some() {
                parent = here;
                continue;
            }
            if self.dataset(&here).is_some() {
                return Error::file(self.name(at), format!("nothing there: {here} is a data set, not a group"));
            }
            let level = if parent.is_empty() { "/" } else { &parent };
            let members = self.members(level);
            if members.iter().any(|member| member == name) {
                let external = self.link(level, name) == Some(LinkType::External);
                let target = if external { "another file, which is missing or lacks it" } else { "nothing" };
                return Error::file(self.name(at), format!("{here} is a link to {target}"));
            }
            return Error::file(self.name(at), format!("nothing there: {level} holds {}", list(&members)));
        }
        Error::file(self.name(at), format!("is a group, not a data set: it holds {}", list(&self.members(&parent))))
    }

    fn link(&self, group: &str, name: &str) -> Option<LinkType> {
        let links = self.group(group)?.links(Default::default(), Default::default()).ok()?;
        links.into_iter().find(|(link, _)| link == name).map(|(_, info)| info.link_type)
    }

    /// Paths, shapes and element types of all data sets with at least two axes, each object once.
    pub fn arrays(&self, below: &str) -> Vec<(String, Vec<usize>, Element)> {
        let (mut found, mut seen) = (Vec::new(), Vec::new());
        if let Some(group) = self.group(below) {
            walk(&group, below.trim_end_matches('/'), 0, &mut seen, &mut found);
        }
        found
    }
}

fn walk(
    group: &Group,
    path: &str,
    depth: usize,
    seen: &mut Vec<(u64, LocationToken)>,
    found: &mut Vec<(String, Vec<usize>, Element)>,
) {
    // Deep trees and loops of links are not where data are.
    if depth > 12 || seen.len() > 10_000 {
        return;
    }
    let mut names = group.member_names().unwrap_or_default();
    names.sort();
    for name in names {
        let Ok(info) = group.loc_info_by_name(&name) else { continue };
        let identity = (info.fileno, info.token);
        if seen.contains(&identity) {
            continue;
        }
        seen.push(identity);
        let path = format!("{path}/{name}");
        match info.loc_type {
            LocationType::Group => {
                if let Ok(group) = group.group(&name) {
                    walk(&group, &path, depth + 1, seen, found);
                }
            }
            LocationType::Dataset => {
                let Ok(dataset) = group.dataset(&name) else { continue };
                if let (true, Ok(element)) = (dataset.ndim() >= 2, element(&dataset)) {
                    found.push((path, dataset.shape(), element));
                }
            }
            _ => {}
        }
    }
}

/// The numbers in a data set, or the name of what it holds instead.
pub(super) fn element(dataset: &Dataset) -> Result<Element, String> {
    let datatype = dataset.dtype().map_err(|error| reason(&error))?;
    let descriptor = datatype.to_descriptor().map_err(|_| format!("unknown, {} bytes wide", datatype.size()))?;
    let kind = match &descriptor {
        TypeDescriptor::Integer(_) => Kind::Signed,
        TypeDescriptor::Unsigned(_) => Kind::Unsigned,
        TypeDescriptor::Float(_) => Kind::Float,
        TypeDescriptor::Boolean => Kind::Bool,
        TypeDescriptor::Compound(compound) if compound.fields.len() == 2 => Kind::Complex,
        other => return Err(other.to_string()),
    };
    Ok(Element::new(kind, descriptor.size(), datatype.byte_order() == ByteOrder::BigEndian))
}

fn text(container: &Container) -> Option<String> {
    let descriptor = container.dtype().ok()?.to_descriptor().ok()?;
    macro_rules! first {
        ($type:ty) => {
            container.read_raw::<$type>().ok()?.first().map(|text| text.as_str().to_string())
        };
    }
    match descriptor {
        TypeDescriptor::VarLenUnicode => first!(VarLenUnicode),
        TypeDescriptor::VarLenAscii => first!(VarLenAscii),
        TypeDescriptor::FixedUnicode(_) => first!(FixedUnicode<4096>),
        TypeDescriptor::FixedAscii(_) => first!(FixedAscii<4096>),
        _ => None,
    }
}

fn list(names: &[String]) -> String {
    match names.len() {
        0 => "nothing".into(),
        1..=12 => names.join(", "),
        n => format!("{}, ... ({n} in all)", names[..12].join(", ")),
    }
}

/// Whether a program holds HDF5's lock for writing. Asking takes a reader's lock for a moment, as
/// HDF5's own readers do all the time.
fn is_locked(path: &Path) -> bool {
    let Ok(file) = std::fs::File::open(path) else { return false };
    match file.try_lock_shared() {
        Ok(()) => file.unlock().is_err(),
        Err(error) => matches!(error, std::fs::TryLockError::WouldBlock),
    }
}

/// Where a data set or group is.
pub(super) fn parent(at: &str) -> &str {
    at.rsplit_once('/').map_or("", |(parent, _)| parent)
}
