//! Where the intensities of an HDF5 file are: which entry, which detector, which data set. Never
//! chosen silently among several.

use super::element::{Element, Kind};
use super::metadata;
use super::note::Note;
use super::tree::Tree;
use crate::error::{Error, Result, shape_text};

/// Names that hold something else than intensities when arrays are looked for.
const NOT_DATA: [&str; 14] = [
    "mask",
    "mask_bits",
    "pixel_mask",
    "support",
    "flatfield",
    "at",
    "background",
    "errors",
    "error",
    "variance",
    "dark",
    "weights",
    "lower",
    "upper",
];

/// Where the data of a pattern are.
#[derive(Debug)]
pub(super) struct DataPath {
    /// One data set, or the parts of a stack.
    pub datasets: Vec<String>,
    /// The group that says what belongs to it, empty for the root.
    pub entry: String,
    /// Whether the data set itself was named, so that another one's mask may be meant.
    pub named: bool,
    pub notes: Vec<Note>,
}

/// Finds the intensities of a file, or at the data set or group `inside` of it.
///
/// # Errors
///
/// [`Error::File`] where there are none, or several among which nothing chooses: with their names.
pub(super) fn find(tree: &Tree, inside: Option<&str>) -> Result<DataPath> {
    let Some(at) = inside.map(absolute).filter(|at| at != "/") else { return in_file(tree) };
    if tree.dataset(&at).is_some() {
        return Ok(DataPath { entry: enclosing(tree, &at), datasets: vec![at], named: true, notes: Vec::new() });
    }
    if tree.group(&at).is_none() {
        return Err(tree.missing(&at));
    }
    let (datasets, notes) = in_group(tree, &at)?;
    Ok(DataPath { entry: enclosing(tree, &format!("{at}/")), datasets, named: false, notes })
}

/// The entry of a path: its nearest group of that class, else its first group.
fn enclosing(tree: &Tree, at: &str) -> String {
    let ends: Vec<usize> = at.match_indices('/').map(|(end, _)| end).filter(|&end| end > 0).collect();
    let class = |end: &&usize| tree.attribute(&at[..**end], "NX_class").as_deref() == Some("NXentry");
    ends.iter().rev().find(class).or(ends.first()).map_or_else(String::new, |&end| at[..end].to_string())
}

/// The entry of a file without a path inside: the last one of a CXI file, the default one, or the
/// only one with data.
pub(super) fn default_entry(tree: &Tree) -> Result<(String, Vec<Note>)> {
    if tree.group("/entry_last").is_some() {
        return Ok(("/entry_last".into(), Vec::new()));
    }
    let groups = || tree.members("/").into_iter().map(|name| format!("/{name}"));
    let is_entry =
        |at: &String| at.starts_with("/entry") || tree.attribute(at, "NX_class").as_deref() == Some("NXentry");
    let entries: Vec<String> = groups().filter(|at| tree.group(at).is_some() && is_entry(at)).collect();
    let full: Vec<String> = match entries.len() {
        0 => return Ok((String::new(), Vec::new())),
        1 => return Ok((entries[0].clone(), Vec::new())),
        _ => entries.iter().filter(|at| !candidates(tree, at).is_empty() || has_parts(tree, at)).cloned().collect(),
    };
    let default = tree.attribute("/", "default").map(|name| absolute(&name));
    if let Some(default) = default.filter(|default| full.contains(default)) {
        let others: Vec<String> = full.into_iter().filter(|at| *at != default).collect();
        let chosen = Note::Chosen { dataset: format!("{default}, the default of the file,"), others: others.clone() };
        return Ok((default, if others.is_empty() { Vec::new() } else { vec![chosen] }));
    }
    match &full[..] {
        [] => Ok((entries[0].clone(), Vec::new())),
        [one] => Ok((one.clone(), Vec::new())),
        _ => {
            let names: Vec<String> = full.iter().take(20).map(|at| with_title(tree, at)).collect();
            let problem = format!("holds several scans, append one of them as :/entry: {}", names.join(", "));
            Err(Error::file(&tree.path, problem))
        }
    }
}

/// An entry with its title.
fn with_title(tree: &Tree, entry: &str) -> String {
    let title = tree.text(&format!("{entry}/title")).filter(|title| !title.is_empty());
    title.map_or_else(|| entry.to_string(), |title| format!("{entry} ({title})"))
}

fn in_file(tree: &Tree) -> Result<DataPath> {
    let (entry, mut notes) = default_entry(tree)?;
    let (datasets, more) = in_group(tree, &entry)?;
    notes.extend(more);
    Ok(DataPath { datasets, entry, named: false, notes })
}

type Candidate = (String, Vec<usize>, Element);

fn in_group(tree: &Tree, group: &str) -> Result<(Vec<String>, Vec<Note>)> {
    let known = ["data_1/data", "image_1/data", "instrument_1/detector_1/data"].map(|at| format!("{group}/{at}"));
    let named = [format!("{group}/data/data"), format!("{group}/data")];
    let old = old_signal(tree, group);
    if let Some(at) = known.into_iter().chain(signal(tree, group)).chain(old).chain(named).find(|at| is_real(tree, at))
    {
        return Ok((vec![at], Vec::new()));
    }
    if let Some(parts) = parts(tree, group) {
        return Ok((parts, Vec::new()));
    }
    let all = candidates(tree, group);
    let on_detectors: Vec<String> = metadata::detectors(tree, group).iter().map(|at| format!("{at}/")).collect();
    let detected: Vec<&Candidate> = all
        .iter()
        .filter(|(at, ..)| {
            let identity = tree.identity(at);
            on_detectors.iter().any(|home| {
                at.starts_with(home) || (identity.is_some() && tree.identity(&format!("{home}data")) == identity)
            })
        })
        .collect();
    let pool = if detected.is_empty() { all.iter().collect() } else { detected };
    // Stacks before single frames: a dark or a flat field often lies beside them.
    let axes = |shape: &[usize]| shape.iter().filter(|&&n| n > 1).count().clamp(2, 3);
    let most = pool.iter().map(|(_, shape, _)| axes(shape)).max().unwrap_or(0);
    let best: Vec<&&Candidate> = pool.iter().filter(|(_, shape, _)| axes(shape) == most).collect();
    let text = |(at, shape, _): &Candidate| format!("{at} ({})", shape_text(shape));
    match &best[..] {
        [(at, ..)] => {
            let others: Vec<String> = all.iter().filter(|(other, ..)| other != at).take(12).map(text).collect();
            let note = Note::Chosen { dataset: at.clone(), others };
            let quiet = matches!(&note, Note::Chosen { others, .. } if others.is_empty());
            Ok((vec![at.clone()], if quiet { Vec::new() } else { vec![note] }))
        }
        [] => Err(nothing(tree, group)),
        _ => {
            let names: Vec<String> = best.iter().take(12).map(|candidate| text(candidate)).collect();
            let problem = format!("holds several arrays, append one of them as :/path: {}", names.join(", "));
            Err(Error::file(&tree.path, problem))
        }
    }
}

/// All arrays that may be intensities.
fn candidates(tree: &Tree, group: &str) -> Vec<Candidate> {
    let is_data = |at: &str| !NOT_DATA.contains(&at.rsplit('/').next().unwrap_or_default());
    let arrays = tree.arrays(group).into_iter();
    arrays.filter(|(at, _, element)| is_data(at) && element.kind != Kind::Complex).collect()
}

fn nothing(tree: &Tree, group: &str) -> Error {
    let name = tree.name(if group.is_empty() { "/" } else { group });
    let complex = tree.arrays(group).into_iter().find(|(.., element)| element.kind == Kind::Complex);
    let problem = match complex {
        Some((at, ..)) => format!("holds only complex arrays ({at}): a reconstruction without its intensities"),
        None => "holds no array of numbers with two or three axes".into(),
    };
    Error::file(name, problem)
}

/// NeXus: `default` attributes lead to a group whose `signal` attribute names the data.
fn signal(tree: &Tree, group: &str) -> Option<String> {
    let mut at = group.to_string();
    for _ in 0..6 {
        if let Some(signal) = tree.attribute(&at, "signal") {
            return Some(format!("{at}/{signal}"));
        }
        at = format!("{at}/{}", tree.attribute(&at, "default")?);
    }
    None
}

/// NeXus before 2014: the data set itself has the attribute `signal`, 1, in a group of the entry.
fn old_signal(tree: &Tree, group: &str) -> Option<String> {
    let homes = tree.members(group).into_iter().map(|name| format!("{group}/{name}"));
    let homes = std::iter::once(group.to_string()).chain(homes.filter(|at| tree.group(at).is_some()));
    let members = homes.flat_map(|home| tree.members(&home).into_iter().map(move |name| format!("{home}/{name}")));
    let mut marked = members.filter(|at| is_real(tree, at) && tree.number_attribute(at, "signal") == Some(1.0));
    marked.next().filter(|_| marked.next().is_none())
}

/// `data_000001` and so on, with the numbers that are missing between the first and the last: the
/// files of an Eiger master.
fn parts(tree: &Tree, group: &str) -> Option<Vec<String>> {
    [format!("{group}/data"), group.to_string()].into_iter().find_map(|home| {
        let names: Vec<String> = tree.members(&home).into_iter().filter(|name| part(name).is_some()).collect();
        let (first, last) = (part(names.first()?)?, part(names.last()?)?);
        let width = names[0].len() - "data_".len();
        let all = (first..=last).map(|number| format!("{home}/data_{number:0width$}"));
        Some(if last - first < 100_000 { all.collect() } else { names.iter().map(|n| format!("{home}/{n}")).collect() })
    })
}

fn has_parts(tree: &Tree, group: &str) -> bool {
    parts(tree, group).is_some()
}

fn part(name: &str) -> Option<usize> {
    let digits = name.strip_prefix("data_").filter(|digits| digits.len() >= 4)?;
    digits.bytes().all(|c| c.is_ascii_digit()).then(|| digits.parse().ok()).flatten()
}

/// The array of a file that holds only one.
pub(super) fn only_array(tree: &Tree, wanted: &str) -> Result<String> {
    let arrays = tree.arrays("/");
    match &arrays[..] {
        [(at, ..)] => Ok(at.clone()),
        _ => {
            let names: Vec<_> =
                arrays.iter().take(12).map(|(at, shape, _)| format!("{at} ({})", shape_text(shape))).collect();
            let names = if names.is_empty() { "no arrays".into() } else { names.join(", ") };
            Err(Error::file(
                &tree.path,
                format!("{wanted} is at none of the usual places, append it as :/path; the file holds {names}"),
            ))
        }
    }
}

/// Whether a data set has at least two axes.
pub(super) fn is_array(tree: &Tree, at: &str) -> bool {
    tree.dataset(at).is_some_and(|dataset| dataset.ndim() >= 2)
}

fn is_real(tree: &Tree, at: &str) -> bool {
    is_array(tree, at)
        && tree
            .dataset(at)
            .is_some_and(|dataset| super::tree::element(&dataset).is_ok_and(|element| element.kind != Kind::Complex))
}

/// A path inside a file as users write it, from the root.
pub(super) fn absolute(inside: &str) -> String {
    format!("/{}", inside.trim_matches('/'))
}
