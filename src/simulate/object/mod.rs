//! Random objects for coherent diffraction: crystals and other solids, flat samples, beams on
//! samples.
//!
//! A [`Particle`] is an implicit function: a signed distance that says where its surface is, and a
//! complex density inside. It knows no pixels; whoever renders it samples it as finely as needed.
//! [`ObjectRecipe`] says what may be drawn, and every draw comes with a [`ObjectDescription`] of
//! what it turned out to be.

mod density;
mod draft;
mod family;
mod field;
mod flake;
mod frame;
mod illuminated;
mod lattice;
mod outline;
mod particle;
mod phase;
mod polyhedron;
mod recipe;
mod solid;

pub use family::Family;
pub(super) use lattice::cubic;
pub use particle::Particle;
pub use recipe::{
    DensityKind, DensityRecipe, DislocationRecipe, Families, IlluminationRecipe, ObjectRecipe, RampRecipe, ShapeRecipe,
    StepRecipe, StrainRecipe, SurfaceRecipe,
};

use crate::simulate::draw::{Rng, happens};
use crate::simulate::weights::pick;
use density::InteriorPoints;
use draft::{Draft, Filling};

use field::Field;
use frame::{Frame, Rotation, add, norm, scaled, sub};
use particle::{Body, Relief, Scan, Survey};
use phase::Phase;
use polyhedron::Polyhedron;
use serde::Serialize;
use solid::Solid;

/// A particle in numbers: flat, one row of a table. Lengths are in units of its largest half
/// extent; NaN or `none` where something does not apply.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ObjectDescription {
    /// Kind of object, finer than [`Family`]: `wulff-fcc`, `superellipsoid`, `logo`.
    pub family: &'static str,
    /// Facets of all its parts, 0 if it is round.
    pub facets: usize,
    /// Parts of an aggregate or a cluster, 1 otherwise.
    pub parts: usize,
    /// Half extent along z; NaN if flat.
    pub extent_z: f64,
    /// Half extent along y.
    pub extent_y: f64,
    /// Half extent along x.
    pub extent_x: f64,
    /// Volume over that of the bounding box (areas if flat).
    pub filled: f64,
    /// Wear of the edges; 0 is sharp.
    pub rounding: f64,
    /// Standard deviation of the surface; 0 is smooth.
    pub roughness: f64,
    /// Correlation length of the roughness.
    pub roughness_length: f64,
    /// Kind of density: `uniform`, `shell`, `pores`, `sponge`, `texture`, `graded`, `cell`, `beam`.
    pub density: &'static str,
    /// Shell's density over the core's, porosity, standard deviation of a texture's logarithm, or
    /// gradient to the edge.
    pub density_strength: f64,
    /// Root mean square of the smooth random phase, radians; 0 without.
    pub strain_rms: f64,
    /// Correlation length of that phase.
    pub strain_length: f64,
    /// Linear phase from the centre to the edge, radians.
    pub linear_phase: f64,
    /// Quadratic phase from the centre to the edge, radians.
    pub quadratic_phase: f64,
    /// Kind of dislocation: `none`, `edge` or `screw`.
    pub dislocation: &'static str,
    /// Number of dislocations in the particle.
    pub dislocations: usize,
    /// Phase jump across a plane, radians.
    pub step_phase: f64,
    /// Whether the object is real and positive.
    pub real: bool,
    /// Shape of the beam: `none`, `ring`, `disc`, `square`.
    pub aperture: &'static str,
    /// Sample in the beam: `none`, `star`, `binary`, `smooth`, `blank`.
    pub sample: &'static str,
    /// Width of the beam's soft edges over its radius.
    pub beam_edge: f64,
    /// Local frequency of the beam's wavefront at its edge, cycles a radius.
    pub divergence: f64,
    /// Phase shift by the sample, radians.
    pub sample_phase: f64,
    /// Absorption by the sample.
    pub sample_absorption: f64,
}

/// Number of unusable draws after which an octahedron is taken.
const ATTEMPTS: usize = 20;
/// Smallest fraction of its bounding box that a particle fills.
const LEAST_FILLED: f64 = 0.03;
/// Largest ratio of its extents.
const LARGEST_RATIO: f64 = 8.0;

impl ObjectRecipe {
    /// Draws a particle for a pattern of two or three dimensions and describes it. The recipe must
    /// have passed [`ObjectRecipe::check`].
    pub fn draw(&self, dimensions: usize, rng: &mut Rng) -> (Particle, ObjectDescription) {
        let usable = |family: Family| dimensions == 2 || family != Family::Illuminated || self.families.len() == 1;
        let families = self.families.iter().map(|(&family, &weight)| (family, weight)).filter(|(f, _)| usable(*f));
        let family = pick(families, rng).unwrap_or(Family::Octahedron);
        for _ in 0..ATTEMPTS {
            let real = happens(self.real, rng);
            let drawn = family.draft(self, dimensions, real, rng);
            if let Some(found) = drawn.and_then(|draft| self.finish(draft, dimensions, real, rng)) {
                return found;
            }
        }
        let octahedron = Polyhedron::new(&lattice::octahedron(), 0.0).expect("an octahedron is not empty");
        let draft = Draft {
            name: "octahedron",
            solid: Solid::Polyhedron(octahedron),
            rotation: Rotation::random(rng),
            rounding: 0.0,
            smoothness: 1.0,
            interior: Filling::Recipe,
        };
        let plain =
            ObjectRecipe { surface: SurfaceRecipe { probability: 0.0, ..self.surface.clone() }, ..self.clone() };
        plain.finish(draft, dimensions, true, rng).expect("an octahedron fills a sixth of its box or more")
    }

    /// Roughens, measures and fills a solid. `None` if it is too thin, too long or too empty.
    fn finish(
        &self,
        draft: Draft,
        dimensions: usize,
        real: bool,
        rng: &mut Rng,
    ) -> Option<(Particle, ObjectDescription)> {
        let Draft { name, solid, rotation, rounding, smoothness, interior } = draft;
        let flat = solid.is_flat();
        let mut body = Body { solid, frame: Frame::turned(rotation), relief: None };
        let mut roughness = [0.0, f64::NAN];
        if !matches!(interior, Filling::Beam(_)) && happens(self.surface.probability, rng) {
            let length = self.surface.length.uniform(rng);
            // Steeper surfaces would fold.
            let amplitude = (self.surface.roughness.uniform(rng) / smoothness).min(0.4 * length);
            let size = size(&Survey::of(&body, Scan::Coarse)?, dimensions);
            let field = Field::random(length * size, flat, rng);
            body.relief = Some(Relief::new(field, amplitude * size, length * size));
            roughness = [amplitude, length];
        }
        let survey = Survey::of(&body, Scan::Fine)?;
        let size = size(&survey, dimensions);
        let half_extents = scaled(sub(survey.hi, survey.lo), 0.5 / size);
        let centre = scaled(add(survey.lo, survey.hi), 0.5);
        let volume = survey.volume / size.powi(if flat { 2 } else { 3 });
        let across = &half_extents[if flat { 1 } else { 0 }..];
        let filled = volume / across.iter().map(|half| 2.0 * half).product::<f64>();
        let ratio = across.iter().fold(0.0f64, |a, &b| a.max(b)) / across.iter().fold(f64::INFINITY, |a, &b| a.min(b));
        if filled < LEAST_FILLED || ratio > LARGEST_RATIO {
            return None;
        }
        let points: Vec<_> = survey.inside.iter().map(|&r| scaled(sub(r, centre), 1.0 / size)).collect();
        let points: Vec<_> = points.iter().step_by(points.len().div_ceil(1000)).copied().collect();
        let inside = InteriorPoints { points: &points, volume, flat };

        let mut description = ObjectDescription::plain(name, &body.solid);
        if !flat {
            description.extent_z = half_extents[0];
        }
        [description.extent_y, description.extent_x] = [half_extents[1], half_extents[2]];
        description.filled = filled;
        description.rounding = rounding;
        [description.roughness, description.roughness_length] = roughness;
        description.real = real && !matches!(interior, Filling::Beam(_));
        let by_recipe = |description: &mut ObjectDescription, rng: &mut Rng| {
            let (modulations, kind, strength) = density::draw(&self.density, &inside, real, rng);
            description.density = kind;
            description.density_strength = strength;
            modulations
        };
        let mut phase = if description.real { Phase::default() } else { Phase::draw(self, dimensions, &inside, rng) };
        let density = match interior {
            Filling::Recipe => by_recipe(&mut description, rng),
            Filling::Tapered(width) => {
                let mut modulations = by_recipe(&mut description, rng);
                modulations.push(density::Modulation::Taper { width, floor: 0.15 });
                modulations
            }
            Filling::Cell => {
                description.density = "cell";
                density::cell(&inside, rng)
            }
            Filling::Beam(beam) => {
                phase = Phase { quadratic: beam.quadratic, ..Phase::default() };
                description.density = "beam";
                description.aperture = beam.aperture;
                description.sample = beam.sample;
                description.beam_edge = beam.edge;
                description.divergence = beam.divergence;
                description.sample_phase = beam.phase;
                description.sample_absorption = beam.absorption;
                beam.modulations
            }
        };
        description.add_phase(&phase);
        Some((Particle { body, centre, size, half_extents, density, phase }, description))
    }
}

impl ObjectDescription {
    /// Description of a solid that is not yet measured or filled.
    fn plain(family: &'static str, solid: &Solid) -> ObjectDescription {
        ObjectDescription {
            family,
            facets: solid.facets(),
            parts: solid.components(),
            extent_z: f64::NAN,
            extent_y: f64::NAN,
            extent_x: f64::NAN,
            filled: f64::NAN,
            rounding: 0.0,
            roughness: 0.0,
            roughness_length: f64::NAN,
            density: "none",
            density_strength: f64::NAN,
            strain_rms: 0.0,
            strain_length: f64::NAN,
            linear_phase: 0.0,
            quadratic_phase: 0.0,
            dislocation: "none",
            dislocations: 0,
            step_phase: 0.0,
            real: false,
            aperture: "none",
            sample: "none",
            beam_edge: f64::NAN,
            divergence: f64::NAN,
            sample_phase: f64::NAN,
            sample_absorption: f64::NAN,
        }
    }

    /// Adds the numbers of the phase.
    fn add_phase(&mut self, phase: &Phase) {
        if let Some(strain) = &phase.strain {
            self.strain_rms = strain.rms;
            self.strain_length = strain.length;
        }
        self.linear_phase = norm(phase.linear);
        self.quadratic_phase = phase.quadratic;
        if let Some(first) = phase.dislocations.first() {
            self.dislocation = if first.poisson.is_some() { "edge" } else { "screw" };
            self.dislocations = phase.dislocations.len();
        }
        self.step_phase = phase.step.map_or(0.0, |step| step.phase);
    }
}

/// Half of the largest extent: across the beam in two dimensions, of all in three.
fn size(survey: &Survey, dimensions: usize) -> f64 {
    let half = scaled(sub(survey.hi, survey.lo), 0.5);
    half[if dimensions == 2 { 1 } else { 0 }..].iter().fold(0.0, |a, &b| a.max(b))
}

#[cfg(test)]
mod tests;
