//! The families of objects, their names, and how one of each is drawn.

use super::frame::{Frame, Rotation, Vector, add, direction, norm, scaled, sub};
use super::illuminated::Beam;
use super::outline::PlanarShape;
use super::polyhedron::Plane;
use super::recipe::{ObjectRecipe, pick};
use super::solid::{Part, Solid};
use super::{flake, illuminated, lattice};
use crate::simulate::draw::{ParameterRange, Rng, happens};
use num_complex::Complex64;
use serde::{Deserialize, Serialize};

/// A kind of object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Family {
    /// Any of the facetted ones: the next seven.
    Crystal,
    /// Wulff shape of a face-centred cubic lattice.
    Fcc,
    /// Wulff shape of a body-centred cubic lattice.
    Bcc,
    /// Wulff shape of a hexagonal close-packed lattice.
    Hcp,
    /// Cube.
    Cube,
    /// Octahedron.
    Octahedron,
    /// Prism, cylinder or capsule.
    Rod,
    /// Hexagonal or triangular plate.
    Plate,
    /// Crystal with strongly worn edges.
    Rounded,
    /// Ellipsoid or superellipsoid.
    Ellipsoid,
    /// Grains that touch.
    Aggregate,
    /// Particles that do not touch.
    Cluster,
    /// Biological cell.
    Cell,
    /// Flake with holes.
    Flake,
    /// Lithographic pattern.
    Pattern,
    /// Siemens star.
    Star,
    /// Extended sample in a focused beam.
    Illuminated,
}

/// A solid before it is measured, filled and given a phase.
pub struct Draft {
    /// What it is, for the description.
    pub name: &'static str,
    /// Its surface.
    pub solid: Solid,
    /// Its orientation.
    pub rotation: Rotation,
    /// How far its edges are worn.
    pub rounding: f64,
    /// By what roughness is less than the recipe says, because the solid has finer features than its size tells.
    pub smoothness: f64,
    /// What is inside.
    pub interior: Filling,
}

/// How a solid is filled.
pub enum Filling {
    /// As the recipe's section `density` says.
    Recipe,
    /// As the recipe says, thinner towards the edge over this width.
    Tapered(f64),
    /// Thick in the middle, with organelles.
    Cell,
    /// A beam and a sample.
    Beam(Box<Beam>),
}

impl Family {
    /// Names, and what they stand for.
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

    /// In the order of [`Family::NAMES`].
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

    /// The family of this name.
    pub fn from_name(name: &str) -> Option<Family> {
        let index = Family::NAMES.iter().position(|(known, _)| *known == name)?;
        Some(Family::ALL[index])
    }

    /// A solid of this family; none if the draw failed. A beam has no third dimension: there a cell comes instead.
    pub fn draft(self, recipe: &ObjectRecipe, dimensions: usize, real: bool, rng: &mut Rng) -> Option<Draft> {
        let planar = dimensions == 2;
        match self {
            Family::Crystal => {
                let kinds = [
                    (Family::Fcc, 4.0),
                    (Family::Bcc, 1.5),
                    (Family::Hcp, 1.5),
                    (Family::Cube, 1.0),
                    (Family::Octahedron, 1.0),
                    (Family::Rod, 1.0),
                    (Family::Plate, 1.0),
                ];
                pick(kinds.into_iter(), rng)?.draft(recipe, dimensions, real, rng)
            }
            Family::Rod if happens(0.4, rng) => Some(solid_draft("cylinder", cylinder(recipe, rng), 0.0, rng)),
            Family::Fcc
            | Family::Bcc
            | Family::Hcp
            | Family::Cube
            | Family::Octahedron
            | Family::Rod
            | Family::Plate => {
                let worn = happens(recipe.surface.worn, rng);
                let rounding = if worn { recipe.surface.rounding.uniform(rng) } else { 0.0 };
                let (name, planes) = self.planes(recipe, rng);
                let solid = Solid::Polyhedron(lattice::grown(planes, &recipe.shape, rounding, rng)?);
                Some(solid_draft(name, solid, rounding, rng))
            }
            Family::Rounded => {
                let rounding = recipe.surface.rounding.uniform(rng).max(0.05);
                let kinds = [Family::Fcc, Family::Bcc, Family::Hcp, Family::Cube, Family::Octahedron];
                let (_, planes) = kinds[ParameterRange::new(0.0, 4.0).integer(rng)].planes(recipe, rng);
                let solid = Solid::Polyhedron(lattice::grown(planes, &recipe.shape, rounding, rng)?);
                Some(solid_draft("rounded", solid, rounding, rng))
            }
            Family::Ellipsoid => {
                let boxy = happens(0.5, rng);
                let name = if boxy { "superellipsoid" } else { "ellipsoid" };
                Some(solid_draft(name, ellipsoid(boxy, rng), 0.0, rng))
            }
            Family::Aggregate => {
                let solid = union(recipe, false, planar, real, rng)?;
                Some(Draft { smoothness: 2.0, ..solid_draft("aggregate", solid, 0.0, rng) })
            }
            Family::Cluster => {
                let rotation = if planar { Rotation::in_plane(rng) } else { Rotation::random(rng) };
                let solid = union(recipe, true, planar, real, rng)?;
                Some(Draft { rotation, smoothness: 4.0, ..solid_draft("cluster", solid, 0.0, rng) })
            }
            Family::Illuminated if planar => {
                let (shape, beam) = illuminated::beam(&recipe.illumination, rng);
                let interior = Filling::Beam(Box::new(beam));
                Some(Draft { interior, ..planar_draft("illuminated", shape, None, rng) })
            }
            Family::Cell | Family::Illuminated => {
                let draft = if planar {
                    planar_draft("cell", flake::cell(rng), None, rng)
                } else {
                    solid_draft("cell", ellipsoid(false, rng), 0.0, rng)
                };
                Some(Draft { interior: Filling::Cell, ..draft })
            }
            Family::Flake | Family::Pattern | Family::Star => {
                let (name, shape) = match self {
                    Family::Flake => ("flake", flake::flake(rng)),
                    Family::Pattern => flake::pattern(rng),
                    _ => ("star", flake::star(rng)),
                };
                let thickness = (!planar).then(|| recipe.shape.thickness.uniform(rng));
                let smoothness = if self == Family::Flake { 1.0 } else { 6.0 };
                let draft = Draft { smoothness, ..planar_draft(name, shape, thickness, rng) };
                if self == Family::Flake && planar && happens(0.5, rng) {
                    return Some(Draft {
                        interior: Filling::Tapered(ParameterRange::new(0.05, 0.6).uniform(rng)),
                        ..draft
                    });
                }
                Some(draft)
            }
        }
    }

    /// Ideal facets, with the name that the description gives; of the facetted families.
    fn planes(self, recipe: &ObjectRecipe, rng: &mut Rng) -> (&'static str, Vec<Plane>) {
        match self {
            Family::Fcc => ("wulff-fcc", lattice::fcc(rng)),
            Family::Bcc => ("wulff-bcc", lattice::bcc(rng)),
            Family::Hcp => ("wulff-hcp", lattice::hcp(rng)),
            Family::Cube => ("cube", lattice::cube()),
            Family::Rod => ("prism", lattice::rod(recipe.shape.elongation.uniform(rng), rng)),
            Family::Plate => ("plate", lattice::plate(recipe.shape.thickness.uniform(rng), rng)),
            _ => ("octahedron", lattice::octahedron()),
        }
    }
}

fn solid_draft(name: &'static str, solid: Solid, rounding: f64, rng: &mut Rng) -> Draft {
    Draft { name, solid, rotation: Rotation::random(rng), rounding, smoothness: 1.0, interior: Filling::Recipe }
}

/// Turned in its plane if it is flat, anyhow if it is extruded.
fn planar_draft(name: &'static str, shape: PlanarShape, half_thickness: Option<f64>, rng: &mut Rng) -> Draft {
    let rotation = if half_thickness.is_some() { Rotation::random(rng) } else { Rotation::in_plane(rng) };
    let solid = Solid::Extruded { shape, half_thickness };
    Draft { name, solid, rotation, rounding: 0.0, smoothness: 1.0, interior: Filling::Recipe }
}

fn cylinder(recipe: &ObjectRecipe, rng: &mut Rng) -> Solid {
    let half_length = recipe.shape.elongation.uniform(rng);
    let rounding = if happens(0.3, rng) { 1.0 } else { ParameterRange::new(0.0, 0.3).uniform(rng) };
    Solid::Cylinder { radius: 1.0, half_length, rounding }
}

fn ellipsoid(boxy: bool, rng: &mut Rng) -> Solid {
    let radii = std::array::from_fn(|_| ParameterRange::new(0.4, 1.0).uniform(rng));
    let mut power = || if boxy { ParameterRange::new(1.3, 5.0).log_uniform(rng) } else { 2.0 };
    Solid::Superellipsoid { radii, powers: [power(), power()] }
}

/// One grain of about unit radius; all of an aggregate are of the same kind.
fn grain(kind: usize, recipe: &ObjectRecipe, rng: &mut Rng) -> Option<Solid> {
    match kind {
        0 => Some(Solid::Superellipsoid { radii: [1.0; 3], powers: [2.0; 2] }),
        1 => Some(ellipsoid(false, rng)),
        2 => {
            let rounding = recipe.surface.rounding.uniform(rng);
            let planes = lattice::fcc(rng);
            Some(Solid::Polyhedron(lattice::grown(planes, &recipe.shape, rounding, rng)?))
        }
        _ => {
            let (_, planes) = [Family::Cube, Family::Octahedron, Family::Bcc][kind - 3].planes(recipe, rng);
            Some(Solid::Polyhedron(lattice::grown(planes, &recipe.shape, 0.0, rng)?))
        }
    }
}

/// Grains, each next to one that is there already: overlapping, or `apart`. In a plane across the beam if `planar` and
/// apart, because shadows would touch. None if there was no room.
fn union(recipe: &ObjectRecipe, apart: bool, planar: bool, real: bool, rng: &mut Rng) -> Option<Solid> {
    let kind = ParameterRange::new(0.0, 5.0).integer(rng);
    let smallest = ParameterRange::new(0.4, 1.0).uniform(rng);
    let coherent = real || happens(0.5, rng);
    let mut parts: Vec<Part> = Vec::new();
    for _ in 0..recipe.shape.parts.integer(rng) {
        let solid = grain(kind, recipe, rng)?;
        let scale = ParameterRange::new(smallest, 1.0).uniform(rng) / solid.reach();
        let density = ParameterRange::new(0.6, 1.0).uniform(rng);
        let phase = if coherent { 0.0 } else { ParameterRange::new(-1.5, 1.5).uniform(rng) };
        let reach = scale * solid.reach();
        let centre = place(&parts, reach, apart, planar, rng)?;
        let frame = Frame { rotation: Rotation::random(rng), centre, scale };
        parts.push(Part { solid, frame, reach, factor: Complex64::from_polar(density, phase) });
    }
    let neck = if !apart && happens(0.5, rng) { ParameterRange::new(0.05, 0.3).uniform(rng) } else { 0.0 };
    Some(Solid::Union { parts, neck })
}

/// A place for a part of radius `reach`.
fn place(parts: &[Part], reach: f64, apart: bool, planar: bool, rng: &mut Rng) -> Option<Vector> {
    if parts.is_empty() {
        return Some([0.0; 3]);
    }
    let spacing = if apart { ParameterRange::new(1.05, 1.5) } else { ParameterRange::new(0.6, 0.85) };
    for _ in 0..100 {
        let neighbour = &parts[ParameterRange::new(0.0, parts.len() as f64 - 1.0).integer(rng)];
        let away = direction(apart && planar, rng);
        let centre = add(neighbour.frame.centre, scaled(away, spacing.uniform(rng) * (neighbour.reach + reach)));
        let free = |part: &Part| norm(sub(part.frame.centre, centre)) > 0.999 * spacing.lo * (part.reach + reach);
        if parts.iter().all(free) {
            return Some(centre);
        }
    }
    None
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
