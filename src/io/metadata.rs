//! Photon energy, distance and pixel size from CXI and NeXus files, in SI units.

use super::note::Note;
use super::tree::Tree;
use super::units::Quantity;
use crate::geometry::{Geometry, HC};

/// What the instrument of an entry says.
pub(super) struct Instrument {
    pub geometry: Geometry,
    /// First row and column of the frames in those of the whole detector, where the file states
    /// both.
    pub offset: Option<[usize; 2]>,
    pub notes: Vec<Note>,
}

/// What the instrument of `entry` says, of the first of `detectors` that says it, beside what is
/// `known` already.
pub(super) fn instrument(tree: &Tree, entry: &str, detectors: &[String], known: Geometry) -> Instrument {
    let mut notes = Vec::new();
    let mut length = |quantity: Quantity, names: &[&str]| {
        let paths = detectors.iter().flat_map(|detector| names.iter().map(move |name| format!("{detector}/{name}")));
        let mut doubts = Vec::new();
        let found = first(tree, paths, quantity, Some("m"), &mut doubts);
        // What one place leaves open another one may say.
        notes.extend(doubts.into_iter().filter(|_| found.is_none()));
        found
    };
    let pixel_size = known.pixel_size.or_else(|| {
        let (y, x) = (length(Quantity::PixelSize, &["y_pixel_size"]), length(Quantity::PixelSize, &["x_pixel_size"]));
        y.zip(x).map(|(y, x)| [y, x])
    });
    let distance = known.distance.or_else(|| length(Quantity::Distance, &["distance", "detector_distance"]));
    let energy = known.energy.or_else(|| {
        let mut doubts = Vec::new();
        let energy = energy(tree, entry, detectors, &mut doubts);
        notes.extend(doubts.into_iter().filter(|_| energy.is_none()));
        energy
    });
    let geometry = Geometry { energy, distance, pixel_size };
    let offset = detectors.iter().find_map(|detector| {
        let start = |name: &str| {
            let (value, _) = tree.number(&format!("{detector}/{name}"))?;
            (value >= 0.0 && value.fract() == 0.0).then_some(value as usize)
        };
        let both = |y: &str, x: &str| start(y).zip(start(x)).map(|(y, x)| [y, x]);
        both("detectorSpecific/roi_y_min", "detectorSpecific/roi_x_min")
            .or_else(|| both("detectorSpecific/y_offset", "detectorSpecific/x_offset"))
    });
    Instrument { geometry, offset, notes }
}

/// Frames that the detector was asked for.
pub(super) fn planned_frames(tree: &Tree, detectors: &[String]) -> Option<usize> {
    detectors.iter().find_map(|detector| {
        let count = |name: &str| tree.number(&format!("{detector}/detectorSpecific/{name}")).map(|(value, _)| value);
        let planned = count("nimages")? * count("ntrigger").unwrap_or(1.0);
        (1.0..1e9).contains(&planned).then_some(planned as usize)
    })
}

/// Paths of the detector groups of an entry.
pub(super) fn detectors(tree: &Tree, entry: &str) -> Vec<String> {
    let instruments = groups(tree, entry, "instrument", "NXinstrument");
    instruments.iter().flat_map(|instrument| groups(tree, instrument, "detector", "NXdetector")).collect()
}

/// Paths of the sample groups of an entry.
pub(super) fn samples(tree: &Tree, entry: &str) -> Vec<String> {
    groups(tree, entry, "sample", "NXsample")
}

/// Paths of the detectors that `data` comes from: the one that holds it, where one does, else all
/// of the entry.
pub(super) fn detectors_of(tree: &Tree, entry: &str, data: &str) -> Vec<String> {
    let all = detectors(tree, entry);
    let identity = tree.identity(data);
    let holds = |detector: &&String| {
        data.starts_with(&format!("{detector}/"))
            || tree.members(detector).iter().any(|name| {
                let at = format!("{detector}/{name}");
                identity.is_some() && tree.group(&at).is_none() && tree.identity(&at) == identity
            })
    };
    match all.iter().find(holds) {
        Some(one) => vec![one.clone()],
        None => all,
    }
}

/// Groups below `at` with this beginning of their name or this NeXus class.
fn groups(tree: &Tree, at: &str, prefix: &str, class: &str) -> Vec<String> {
    let members = tree.members(at).into_iter().map(|name| (format!("{at}/{name}"), name));
    members
        .filter(|(path, _)| tree.group(path).is_some())
        .filter(|(path, name)| name.starts_with(prefix) || tree.attribute(path, "NX_class").as_deref() == Some(class))
        .map(|(path, _)| path)
        .collect()
}

fn energy(tree: &Tree, entry: &str, detectors: &[String], notes: &mut Vec<Note>) -> Option<f64> {
    let instruments = groups(tree, entry, "instrument", "NXinstrument");
    let below = |prefix: &'static str, class: &'static str| {
        let instruments = instruments.iter();
        instruments.flat_map(move |at| groups(tree, at, prefix, class)).collect::<Vec<_>>()
    };
    let mut beams = below("beam", "NXbeam");
    for sample in samples(tree, entry) {
        beams.extend(groups(tree, &sample, "beam", "NXbeam"));
    }
    let monochromators = below("monochromator", "NXmonochromator");
    let paths = |homes: &[String], name: &str| homes.iter().map(|home| format!("{home}/{name}")).collect::<Vec<_>>();
    // NeXus keeps the energy of the storage ring, in GeV, under the name that CXI has for that of
    // the photons.
    let sources = paths(&below("source", "NXsource"), "energy").into_iter().filter(|at| {
        let unit = tree.attribute(at, "units").unwrap_or_default().to_lowercase();
        !(unit.contains("gev") || unit.contains("mev") && tree.number(at).is_some_and(|(value, _)| value > 1.0))
    });
    // Only formats that define a unit may leave it out: CXI joules, Eiger electronvolts.
    let energies = [
        (sources.collect(), Some("J")),
        (paths(&beams, "incident_energy"), None),
        (paths(&monochromators, "energy"), None),
        (paths(detectors, "detectorSpecific/photon_energy"), Some("eV")),
    ];
    let wavelengths = [paths(&beams, "incident_wavelength"), paths(&monochromators, "wavelength")];
    let found = energies.into_iter().find_map(|(paths, unit)| first(tree, paths, Quantity::Energy, unit, notes));
    found.or_else(|| {
        let lengths = wavelengths.into_iter().find_map(|paths| first(tree, paths, Quantity::Wavelength, None, notes));
        lengths.map(|wavelength| HC / wavelength)
    })
}

/// The first number at one of `paths` that is understood, in SI units; `standard` is the unit where
/// the file names none.
fn first(
    tree: &Tree,
    paths: impl IntoIterator<Item = String>,
    quantity: Quantity,
    standard: Option<&str>,
    notes: &mut Vec<Note>,
) -> Option<f64> {
    paths.into_iter().find_map(|at| {
        let Some((number, unit)) = tree.number(&at) else {
            notes.extend(tree.is_unreadable(&at).then(|| Note::Unreadable { at: at.clone() }));
            return None;
        };
        let (value, note) = quantity.read(&at, number, unit.as_deref(), standard);
        notes.extend(note);
        value
    })
}
