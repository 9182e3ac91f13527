//! Walking HDF5 files: groups, data sets, attributes and links, with messages that say what is there instead.

use super::element::{Element, Kind, Stored, Values, unsupported};
use crate::error::{Error, Result, shape_text};
use hdf5::datatype::ByteOrder;
use hdf5::types::{FixedAscii, FixedUnicode, TypeDescriptor, VarLenAscii, VarLenUnicode};
use hdf5::{Container, Dataset, File, Group, LinkType, LocationType};
use std::path::{Path, PathBuf};

/// An HDF5 file open for reading.
pub(super) struct Tree {
    pub path: PathBuf,
    root: File,
}

impl Tree {
    pub fn open(path: &Path) -> Result<Self> {
        super::filters::register();
        let root = File::open(path).map_err(|error| {
            let reason = reason(&error);
            let remedy = if reason.contains("truncated") { ": it was not copied or written to its end" } else { "" };
            Error::file(path, format!("cannot be opened by HDF5, {reason}{remedy}"))
        })?;
        Ok(Tree { path: path.to_path_buf(), root })
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

    /// The first number of the data set at `at`, with its `units`.
    pub fn number(&self, at: &str) -> Option<(f64, Option<String>)> {
        let dataset = self.dataset(at)?;
        // Per-frame arrays of a scan hold the same distance or energy many times; large ones are something else.
        if dataset.size() > 100_000 {
            return None;
        }
        let value = *dataset.read_raw::<f64>().ok()?.first()?;
        value.is_finite().then(|| (value, self.attribute(at, "units")))
    }

    /// The array at `at` as stored, or what is wrong with it.
    pub fn stored(&self, at: &str) -> Result<Stored> {
        let dataset = self.dataset(at).ok_or_else(|| self.missing(at))?;
        let element = element(&dataset).map_err(|name| Error::file(self.name(at), unsupported(&name)))?;
        Ok(Stored {
            name: self.name(at),
            shape: dataset.shape(),
            element,
            fortran: false,
            values: Values::Datasets(vec![dataset]),
        })
    }

    /// The arrays `at`, joined along their first axis: the files of an Eiger master.
    pub fn joined(&self, at: &[String]) -> Result<Stored> {
        let mut parts = at.iter().map(|at| self.stored(at)).collect::<Result<Vec<_>>>()?.into_iter();
        let mut all = parts.next().ok_or_else(|| Error::file(&self.path, "holds no data"))?;
        for part in parts {
            if part.shape.get(1..) != all.shape.get(1..) || part.shape.len() != 3 || part.element != all.element {
                let (a, b) = (shape_text(&part.shape), shape_text(&all.shape));
                return Err(Error::file(part.name, format!("is {a} and cannot be joined to {b} before it")));
            }
            all.shape[0] += part.shape[0];
            if let (Values::Datasets(all), Values::Datasets(more)) = (&mut all.values, part.values) {
                all.extend(more);
            }
        }
        Ok(all)
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
    seen: &mut Vec<(u64, hdf5::LocationToken)>,
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

/// HDF5's reason without function names, addresses and times: the operating system's message where there is one.
pub(super) fn reason(error: &hdf5::Error) -> String {
    let text = error.to_string();
    if let Some((_, after)) = text.split_once("error message = '") {
        return after.split('\'').next().unwrap_or_default().to_string();
    }
    let text = text.split_once("(): ").map_or(text.as_str(), |(_, text)| text);
    text.lines().next().unwrap_or_default().trim().to_string()
}

fn list(names: &[String]) -> String {
    match names.len() {
        0 => "nothing".into(),
        1..=12 => names.join(", "),
        n => format!("{}, ... ({n} in all)", names[..12].join(", ")),
    }
}

/// Where a data set or group is.
pub(super) fn parent(at: &str) -> &str {
    at.rsplit_once('/').map_or("", |(parent, _)| parent)
}
