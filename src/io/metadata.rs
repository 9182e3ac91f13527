//! Photon energy, distance and pixel size from CXI and NeXus files, in SI units.

use super::tree::Tree;
use crate::geometry::{EV, Geometry, HC};

/// Photon energies that occur, joules: 10 eV to 1 MeV. NeXus keeps the storage ring's energy (GeV) under the same name as CXI the photons'.
const PHOTON: std::ops::Range<f64> = 10.0 * EV..1e6 * EV;

/// What the instrument of `entry` says.
pub(super) fn geometry(tree: &Tree, entry: &str) -> Geometry {
    let detectors = detectors(tree, entry);
    let length = |names: &[&str]| {
        let paths = detectors.iter().flat_map(|detector| names.iter().map(move |name| format!("{detector}/{name}")));
        first(tree, paths, metres, "m").filter(|&value| value > 0.0)
    };
    let pixel = (length(&["y_pixel_size"]), length(&["x_pixel_size"]));
    Geometry {
        energy: energy(tree, entry, &detectors),
        distance: length(&["distance", "detector_distance"]),
        pixel_size: pixel.0.zip(pixel.1).map(|(y, x)| [y, x]),
    }
}

/// Paths of the detector groups of an entry.
pub(super) fn detectors(tree: &Tree, entry: &str) -> Vec<String> {
    let instruments = groups(tree, entry, "instrument", "NXinstrument");
    instruments.iter().flat_map(|instrument| groups(tree, instrument, "detector", "NXdetector")).collect()
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

fn energy(tree: &Tree, entry: &str, detectors: &[String]) -> Option<f64> {
    let instruments = groups(tree, entry, "instrument", "NXinstrument");
    let below = |prefix: &'static str, class: &'static str| {
        let instruments = instruments.iter();
        instruments.flat_map(move |at| groups(tree, at, prefix, class)).collect::<Vec<_>>()
    };
    let mut beams = below("beam", "NXbeam");
    for sample in groups(tree, entry, "sample", "NXsample") {
        beams.extend(groups(tree, &sample, "beam", "NXbeam"));
    }
    let monochromators = below("monochromator", "NXmonochromator");
    let paths = |homes: &[String], name: &str| homes.iter().map(|home| format!("{home}/{name}")).collect::<Vec<_>>();
    let photon = |energy: &f64| PHOTON.contains(energy);
    let energies = [
        (paths(&below("source", "NXsource"), "energy"), "J"),
        (paths(&beams, "incident_energy"), "eV"),
        (paths(&monochromators, "energy"), "keV"),
        (paths(detectors, "detectorSpecific/photon_energy"), "eV"),
    ];
    let wavelengths = [paths(&beams, "incident_wavelength"), paths(&monochromators, "wavelength")];
    energies.into_iter().find_map(|(paths, unit)| first(tree, paths, joules, unit).filter(photon)).or_else(|| {
        wavelengths.into_iter().find_map(|paths| first(tree, paths, metres, "angstrom")).map(|w| HC / w).filter(photon)
    })
}

/// The first number at one of `paths`, in SI units; `unit` where the file names none.
fn first(
    tree: &Tree,
    paths: impl IntoIterator<Item = String>,
    scale: fn(&str) -> Option<f64>,
    unit: &str,
) -> Option<f64> {
    paths.into_iter().find_map(|at| {
        let (value, units) = tree.number(&at)?;
        Some(value * scale(units.as_deref().unwrap_or(unit).trim())?)
    })
}

fn metres(unit: &str) -> Option<f64> {
    Some(match unit.to_lowercase().as_str() {
        "m" | "meter" | "metre" | "meters" | "metres" => 1.0,
        "cm" => 1e-2,
        "mm" | "millimeter" | "millimetre" => 1e-3,
        "um" | "µm" | "μm" | "micron" | "microns" | "micrometer" | "micrometre" => 1e-6,
        "nm" | "nanometer" | "nanometre" => 1e-9,
        "a" | "å" | "angstrom" | "angstroms" | "ångström" => 1e-10,
        "pm" => 1e-12,
        _ => return None,
    })
}

fn joules(unit: &str) -> Option<f64> {
    Some(match unit {
        "J" | "j" | "joule" | "Joule" => 1.0,
        "eV" | "ev" | "EV" => EV,
        "keV" | "kev" | "KeV" => 1e3 * EV,
        "MeV" => 1e6 * EV,
        "GeV" => 1e9 * EV,
        _ => return None,
    })
}
