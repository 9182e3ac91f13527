//! The families of objects and their names.

use serde::{Deserialize, Serialize};

/// Family of simulated objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Family {
    /// Any of the facetted crystals: the next seven.
    Crystal,
    /// Wulff shape of a face-centred cubic lattice.
    Fcc,
    /// Wulff shape of a body-centred cubic lattice.
    Bcc,
    /// Wulff shape of a hexagonal close-packed lattice.
    Hcp,
    /// Cube with imperfect faces.
    Cube,
    /// Octahedron with imperfect faces.
    Octahedron,
    /// Prism, cylinder or capsule, longer than wide.
    Rod,
    /// Hexagonal or triangular plate.
    Plate,
    /// Crystal with strongly worn edges.
    Rounded,
    /// Ellipsoid or superellipsoid, a rounded box.
    Ellipsoid,
    /// Several grains that touch.
    Aggregate,
    /// Several particles that do not touch.
    Cluster,
    /// Biological cell with organelles.
    Cell,
    /// Irregular flake with holes.
    Flake,
    /// Lithographic pattern of bars, rings and strokes.
    Pattern,
    /// Siemens star, the test pattern.
    Star,
    /// Extended sample in a focused beam.
    Illuminated,
}

impl Family {
    /// Names of the families in recipes, and their meanings.
    pub const NAMES: &[(&str, &str)] = &[
        ("crystal", "any of the facetted crystals: fcc, bcc, hcp, cube, octahedron, rod, plate"),
        ("fcc", "Wulff shape with {111}, {100}, {110} and sometimes {311} facets"),
        ("bcc", "Wulff shape with {110}, {100} and {211} facets"),
        ("hcp", "Wulff shape with {0001}, {10-10} and {10-11} facets"),
        ("cube", "cube with imperfect faces"),
        ("octahedron", "octahedron with imperfect faces"),
        ("rod", "prism, cylinder or capsule, longer than wide"),
        ("plate", "thin hexagonal or triangular plate"),
        ("rounded", "crystal with strongly worn edges"),
        ("ellipsoid", "ellipsoid or superellipsoid"),
        ("aggregate", "several grains or spheres that touch"),
        ("cluster", "several separate particles"),
        ("cell", "biological cell with organelles"),
        ("flake", "irregular flake or blob, with holes"),
        ("pattern", "lithographic pattern of bars, rings and strokes"),
        ("star", "Siemens star"),
        ("illuminated", "extended sample in a focused beam, as in ptychography (two dimensions)"),
    ];

    /// Families in the order of [`Family::NAMES`].
    const ALL: [Family; 17] = [
        Family::Crystal,
        Family::Fcc,
        Family::Bcc,
        Family::Hcp,
        Family::Cube,
        Family::Octahedron,
        Family::Rod,
        Family::Plate,
        Family::Rounded,
        Family::Ellipsoid,
        Family::Aggregate,
        Family::Cluster,
        Family::Cell,
        Family::Flake,
        Family::Pattern,
        Family::Star,
        Family::Illuminated,
    ];

    /// Finds the family of a name.
    pub fn from_name(name: &str) -> Option<Family> {
        let index = Family::NAMES.iter().position(|(known, _)| *known == name)?;
        Some(Family::ALL[index])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_recipes() {
        for (i, (name, _)) in Family::NAMES.iter().enumerate() {
            let family = Family::from_name(name).unwrap();
            assert_eq!(family, Family::ALL[i]);
            assert_eq!(serde_json::to_value(family).unwrap(), *name);
        }
        assert_eq!(Family::NAMES.len(), Family::ALL.len());
        assert_eq!(Family::from_name("sphere of doom"), None);
    }
}
