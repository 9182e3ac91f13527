//! Solids of each family as they are drawn, before they are measured and filled.

use super::family::Family;
use super::frame::{Frame, Rotation, Vector, add, direction, norm, scaled, sub};
use super::illuminated::Beam;
use super::outline::PlanarShape;
use super::polyhedron::Plane;
use super::recipe::ObjectRecipe;
use super::solid::{Component, Solid};
use super::{flake, illuminated, lattice};
use crate::simulate::draw::{ParameterRange, Rng, happens};
use crate::simulate::weights::pick;
use num_complex::Complex64;

/// A solid before it is measured, filled and given a phase.
pub struct Draft {
    /// Name for the description.
    pub name: &'static str,
    /// Surface of the solid.
    pub solid: Solid,
    /// Orientation of the solid.
    pub rotation: Rotation,
    /// Wear of its edges.
    pub rounding: f64,
    /// Factor by which roughness is reduced, because the solid has finer features than its size
    /// tells.
    pub smoothness: f64,
    /// Filling of the solid.
    pub interior: Filling,
}

/// Filling of a solid.
pub enum Filling {
    /// Density as the recipe's section `density` says.
    Recipe,
    /// Density as the recipe says, thinner towards the edge over this width.
    Tapered(f64),
    /// Cell: thick in the middle, with organelles.
    Cell,
    /// Beam on a sample.
    Beam(Box<Beam>),
}

impl Family {
    /// Draws a solid of this family; `None` if the draw failed. A beam has no third dimension:
    /// there it is a cell instead.
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

    /// Ideal facets, with the name for the description; for facetted families.
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

/// A flat or extruded draft: turned in its plane if flat, in space if extruded.
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

/// A union of grains, each next to one that is there already: overlapping, or `apart`. In a plane
/// across the beam if `planar` and apart, because shadows would touch. `None` if there was no
/// space.
fn union(recipe: &ObjectRecipe, apart: bool, planar: bool, real: bool, rng: &mut Rng) -> Option<Solid> {
    let kind = ParameterRange::new(0.0, 5.0).integer(rng);
    let smallest = ParameterRange::new(0.4, 1.0).uniform(rng);
    let coherent = real || happens(0.5, rng);
    let mut components: Vec<Component> = Vec::new();
    for _ in 0..recipe.shape.parts.integer(rng) {
        let solid = grain(kind, recipe, rng)?;
        let scale = ParameterRange::new(smallest, 1.0).uniform(rng) / solid.reach();
        let density = ParameterRange::new(0.6, 1.0).uniform(rng);
        let phase = if coherent { 0.0 } else { ParameterRange::new(-1.5, 1.5).uniform(rng) };
        let reach = scale * solid.reach();
        let centre = place(&components, reach, apart, planar, rng)?;
        let frame = Frame { rotation: Rotation::random(rng), centre, scale };
        components.push(Component { solid, frame, reach, factor: Complex64::from_polar(density, phase) });
    }
    let neck = if !apart && happens(0.5, rng) { ParameterRange::new(0.05, 0.3).uniform(rng) } else { 0.0 };
    Some(Solid::Union { components, neck })
}

/// Finds a centre for a component of radius `reach`.
fn place(components: &[Component], reach: f64, apart: bool, planar: bool, rng: &mut Rng) -> Option<Vector> {
    if components.is_empty() {
        return Some([0.0; 3]);
    }
    let spacing = if apart { ParameterRange::new(1.05, 1.5) } else { ParameterRange::new(0.6, 0.85) };
    for _ in 0..100 {
        let neighbour = &components[ParameterRange::new(0.0, components.len() as f64 - 1.0).integer(rng)];
        let away = direction(apart && planar, rng);
        let centre = add(neighbour.frame.centre, scaled(away, spacing.uniform(rng) * (neighbour.reach + reach)));
        let free = |component: &Component| {
            norm(sub(component.frame.centre, centre)) > 0.999 * spacing.lo * (component.reach + reach)
        };
        if components.iter().all(free) {
            return Some(centre);
        }
    }
    None
}
