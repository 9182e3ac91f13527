//! Reading CXI, NeXus and other HDF5 files: where the intensities, the mask, the support and the geometry are.
//!
//! CXI: <https://raw.githubusercontent.com/cxidb/CXI/master/cxi_file_format.pdf>; NeXus: NXdata, NXdetector, NXbeam of
//! <https://manual.nexusformat.org>. A reconstruction's `data_1/data` is its complex object; the intensities are then the detector's.

use super::Found;
use super::element::{Kind, MaskConvention, Stored, fit, volume_shape};
use super::location::Location;
use super::metadata;
use super::tree::{Tree, parent};
use crate::error::{Error, Result, shape_text};
use crate::pixels::{Estimate, trimmed};
use crate::volume::{Centered, Shape};

/// Names that hold something else than intensities when the largest array is looked for.
const NOT_DATA: [&str; 7] = ["mask", "mask_bits", "pixel_mask", "support", "flatfield", "at", "background"];

pub(super) fn read(place: &Location) -> Result<Found> {
    let tree = Tree::open(&place.path)?;
    let at = data(&tree, place.inside.as_deref())?;
    let stored = tree.joined(&at)?;
    let shape = volume_shape(&stored.shape).map_err(|problem| Error::file(&stored.name, problem))?;
    let entry = match &place.inside {
        Some(inside) => top(inside),
        None => entry(&tree),
    };
    Ok(Found {
        mask: mask(&tree, &at[0], &entry, shape, place.inside.is_some())?,
        support: support(&tree, &entry, shape)?,
        estimate: estimate(&tree, &entry, shape)?,
        geometry: metadata::geometry(&tree, &entry),
        by_lacuna: ["image_1/process_1", "process_1"].iter().any(|process| {
            let text = tree.text(&format!("{entry}/{process}/configuration/json"));
            text.is_some_and(|text| serde_json::from_str::<serde::de::IgnoredAny>(&text).is_ok())
        }),
        dataset: Some(at[0].clone()),
        format: if tree.dataset("/cxi_version").is_some() { "CXI" } else { "HDF5" },
        intensity: stored,
    })
}

/// A mask given on its own: the path inside, or the place where CXI and NeXus keep it.
pub(super) fn mask_alone(place: &Location) -> Result<Centered<u32>> {
    let tree = Tree::open(&place.path)?;
    let at = match &place.inside {
        Some(inside) => absolute(inside),
        None => {
            let entry = entry(&tree);
            let mut homes = metadata::detectors(&tree, &entry);
            homes.extend([format!("{entry}/data_1"), format!("{entry}/data"), entry.clone(), String::new()]);
            let known = mask_paths(&homes).into_iter().find(|at| is_array(&tree, at));
            known.map_or_else(|| only_array(&tree, "a mask"), Ok)?
        }
    };
    tree.stored(&at)?.into_mask(convention(&at))
}

/// A support given on its own: the path inside, `image_1/support`, or `image_1/mask` as PyNX writes it.
pub(super) fn support_alone(place: &Location) -> Result<Stored> {
    let tree = Tree::open(&place.path)?;
    if let Some(inside) = &place.inside {
        return tree.stored(&absolute(inside));
    }
    let entry = entry(&tree);
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

/// Any array: the path inside, or the intensities.
pub(super) fn array(place: &Location) -> Result<Stored> {
    let tree = Tree::open(&place.path)?;
    tree.joined(&data(&tree, place.inside.as_deref())?)
}

/// The paths of the intensities: one data set, or the parts of a stack.
fn data(tree: &Tree, inside: Option<&str>) -> Result<Vec<String>> {
    match inside.map(absolute) {
        Some(at) if tree.dataset(&at).is_some() => Ok(vec![at]),
        Some(at) if tree.group(&at).is_some() => search(tree, at.trim_end_matches('/')),
        Some(at) => Err(tree.missing(&at)),
        None => search(tree, &entry(tree)),
    }
}

/// The entry to read: the last one, the first one, or the one that the file names.
fn entry(tree: &Tree) -> String {
    let default = tree.attribute("/", "default").map(|name| format!("/{name}"));
    let mut known = ["/entry_last", "/entry_1"].map(String::from).into_iter().chain(default).chain(["/entry".into()]);
    known.find(|at| tree.group(at).is_some()).unwrap_or_else(|| {
        let mut groups = tree.members("/").into_iter().map(|name| format!("/{name}"));
        groups.find(|at| tree.attribute(at, "NX_class").as_deref() == Some("NXentry")).unwrap_or_default()
    })
}

fn search(tree: &Tree, group: &str) -> Result<Vec<String>> {
    let known = ["data_1/data", "image_1/data", "instrument_1/detector_1/data"].map(|at| format!("{group}/{at}"));
    let named = [format!("{group}/data/data"), format!("{group}/data")];
    if let Some(at) = known.into_iter().chain(signal(tree, group)).chain(named).find(|at| is_real(tree, at)) {
        return Ok(vec![at]);
    }
    for home in [format!("{group}/data"), group.to_string()] {
        let parts: Vec<_> = tree.members(&home).into_iter().filter(|name| is_part(name)).collect();
        if !parts.is_empty() {
            return Ok(parts.into_iter().map(|name| format!("{home}/{name}")).collect());
        }
    }
    largest(tree, group)
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

/// `data_000001` and so on: the files behind an Eiger master.
fn is_part(name: &str) -> bool {
    name.strip_prefix("data_").is_some_and(|digits| digits.len() >= 4 && digits.bytes().all(|c| c.is_ascii_digit()))
}

/// The one largest array of real numbers.
fn largest(tree: &Tree, group: &str) -> Result<Vec<String>> {
    let arrays = tree.arrays(group);
    let is_data = |at: &str| !NOT_DATA.contains(&at.rsplit('/').next().unwrap_or_default());
    let (real, complex): (Vec<_>, Vec<_>) =
        arrays.into_iter().filter(|(at, ..)| is_data(at)).partition(|(.., element)| element.kind != Kind::Complex);
    let count = |shape: &[usize]| shape.iter().fold(1usize, |n, &m| n.saturating_mul(m));
    let most = real.iter().map(|(_, shape, _)| count(shape)).max().unwrap_or(0);
    let mut candidates = real.iter().filter(|(_, shape, _)| count(shape) == most);
    let name = tree.name(if group.is_empty() { "/" } else { group });
    match (candidates.next(), candidates.next()) {
        (Some((at, ..)), None) => Ok(vec![at.clone()]),
        (Some(_), Some(_)) => {
            let names: Vec<_> =
                real.iter().take(12).map(|(at, shape, _)| format!("{at} ({})", shape_text(shape))).collect();
            Err(Error::file(
                &tree.path,
                format!("holds several arrays, append one of them as :/path: {}", names.join(", ")),
            ))
        }
        (None, _) if !complex.is_empty() => {
            let at = &complex[0].0;
            Err(Error::file(
                name,
                format!("holds only complex arrays ({at}): a reconstruction without its intensities"),
            ))
        }
        (None, _) => Err(Error::file(name, "holds no array of numbers with two or three axes")),
    }
}

/// The array of a file that holds only one.
fn only_array(tree: &Tree, wanted: &str) -> Result<String> {
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

fn is_array(tree: &Tree, at: &str) -> bool {
    tree.dataset(at).is_some_and(|dataset| dataset.ndim() >= 2)
}

fn is_real(tree: &Tree, at: &str) -> bool {
    is_array(tree, at) && tree.stored(at).is_ok_and(|stored| stored.element.kind != Kind::Complex)
}

/// Where a mask may be: lacuna's exact bits before the 0/1 copy that it writes beside them.
fn mask_paths(homes: &[String]) -> Vec<String> {
    let names = ["mask_bits", "mask", "pixel_mask", "detectorSpecific/pixel_mask"];
    names.iter().flat_map(|name| homes.iter().map(move |home| format!("{home}/{name}"))).collect()
}

fn convention(at: &str) -> MaskConvention {
    match at.rsplit('/').next() {
        Some("pixel_mask") => MaskConvention::Nexus,
        Some("mask" | "mask_bits") => MaskConvention::Cxi,
        _ => MaskConvention::Flags,
    }
}

/// The mask beside the data or, failing that, the detector's. One that does not fit is an error, unless the user picked the data.
fn mask(tree: &Tree, data: &str, entry: &str, shape: Shape, picked: bool) -> Result<Option<Centered<u32>>> {
    let mut homes = vec![parent(data).to_string()];
    homes.extend(metadata::detectors(tree, entry));
    let mut misfit = None;
    for at in mask_paths(&homes).into_iter().filter(|at| is_array(tree, at)) {
        let mask = tree.stored(&at)?.into_mask(convention(&at))?;
        let found = mask.shape();
        match fit(mask, shape) {
            Some(mask) => return Ok(Some(mask)),
            None => misfit = Some((at, found)),
        }
    }
    match misfit {
        Some((at, found)) if !picked => Err(Error::Shape {
            what: format!("mask {}", tree.name(&at).display()),
            found: trimmed(found),
            expected: trimmed(shape),
            remedy: "name the data as :/path to leave this mask out".into(),
        }),
        _ => Ok(None),
    }
}

/// `image_1/support`; `image_1/mask` where the image is complex, as in PyNX's results (in CXI it is a pixel mask otherwise).
fn support(tree: &Tree, entry: &str, shape: Shape) -> Result<Option<Centered<bool>>> {
    let image = format!("{entry}/image_1");
    let complex = tree.stored(&format!("{image}/data")).is_ok_and(|data| data.element.kind == Kind::Complex);
    let names: &[&str] = if complex { &["support", "mask"] } else { &["support"] };
    let Some(at) = names.iter().map(|name| format!("{image}/{name}")).find(|at| is_array(tree, at)) else {
        return Ok(None);
    };
    let support = tree.stored(&at)?.into_flags()?;
    Ok((support.shape() == shape).then_some(support))
}

fn estimate(tree: &Tree, entry: &str, shape: Shape) -> Result<Option<Estimate>> {
    let at = |name: &str| format!("{entry}/estimate_1/{name}");
    if !["at", "mean", "lower", "upper"].iter().all(|name| is_array(tree, &at(name))) {
        return Ok(None);
    }
    let real = |name: &str| tree.stored(&at(name))?.into_f32();
    let estimate = Estimate {
        at: tree.stored(&at("at"))?.into_flags()?,
        mean: real("mean")?,
        lower: real("lower")?,
        upper: real("upper")?,
    };
    let shapes = [estimate.at.shape(), estimate.mean.shape(), estimate.lower.shape(), estimate.upper.shape()];
    Ok(shapes.iter().all(|&other| other == shape).then_some(estimate))
}

fn absolute(inside: &str) -> String {
    format!("/{}", inside.trim_matches('/'))
}

/// The first group of a path.
fn top(inside: &str) -> String {
    let inside = inside.trim_matches('/');
    match inside.split_once('/') {
        Some((first, _)) => format!("/{first}"),
        None => String::new(),
    }
}
