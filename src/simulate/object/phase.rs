//! The phase of a particle. In Bragg geometry it is the scattering vector times the displacement of
//! the lattice (I. Robinson and R. Harder, Nature Mater. 8, 291 (2009)).

use super::density::InteriorPoints;
use super::field::Field;
use super::frame::{Vector, cross, direction, dot, scaled, sub, unit};
use super::recipe::ObjectRecipe;
use crate::simulate::draw::{ParameterRange, Rng, happens};

/// A sum of phases, radians.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Phase {
    /// Smooth random phase, radians.
    pub strain: Option<Strain>,
    /// Linear phase, radians a half extent.
    pub linear: Vector,
    /// Quadratic phase at distance 1 from the centre, radians.
    pub quadratic: f64,
    /// Straight dislocation lines in the particle.
    pub dislocations: Vec<Dislocation>,
    /// Jump across a plane.
    pub step: Option<Step>,
}

/// `scale * (field - mean)`, so that the mean over the particle is 0 and the root mean square is
/// known.
#[derive(Debug, Clone, PartialEq)]
pub struct Strain {
    field: Field,
    mean: f64,
    scale: f64,
    /// Root mean square over the particle, radians.
    pub rms: f64,
    /// Correlation length, half extents.
    pub length: f64,
}

/// A straight dislocation line whose Burgers vector b and the scattering vector Q satisfy
/// `Q . b = +-2 pi`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Dislocation {
    /// A point of the line.
    pub point: Vector,
    /// Two unit vectors across the line; for edge dislocations the first is along the Burgers
    /// vector.
    pub across: [Vector; 2],
    /// Sign of the winding, +1 or -1.
    pub sign: f64,
    /// Poisson's ratio for an edge dislocation; none for a screw.
    pub poisson: Option<f64>,
}

impl Dislocation {
    /// Screw: `theta`, with Q along the line. Edge: `theta + sin(2 theta) / (4 (1 - nu))`, the
    /// displacement along b in an isotropic solid (J. P. Hirth and J. Lothe, Theory of
    /// Dislocations, 2nd ed. (1982), eq. 3-45). Both wind once.
    fn at(&self, r: Vector) -> f64 {
        let offset = sub(r, self.point);
        let [x, y] = self.across.map(|axis| dot(axis, offset));
        let elastic = |poisson: f64| x * y / (2.0 * (1.0 - poisson) * (x * x + y * y).max(1e-20));
        self.sign * (y.atan2(x) + self.poisson.map_or(0.0, elastic))
    }
}

/// A jump across a plane.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Step {
    /// A point of the plane.
    pub point: Vector,
    /// Normal of the plane.
    pub normal: Vector,
    /// Phase difference of the normal's side, radians.
    pub phase: f64,
}

impl Phase {
    /// The phase at a point, radians, not wrapped.
    pub fn at(&self, r: Vector) -> f64 {
        let mut phase = dot(self.linear, r) + self.quadratic * dot(r, r);
        if let Some(strain) = &self.strain {
            phase += strain.scale * (strain.field.at(r) - strain.mean);
        }
        phase += self.dislocations.iter().map(|dislocation| dislocation.at(r)).sum::<f64>();
        match &self.step {
            Some(step) if dot(step.normal, sub(r, step.point)) > 0.0 => phase + step.phase,
            _ => phase,
        }
    }

    /// Whether the phase is zero everywhere.
    pub fn is_zero(&self) -> bool {
        *self == Phase::default()
    }

    /// Draws the phases that a recipe describes. In two dimensions dislocation lines are along the
    /// beam: others would smear out.
    pub fn draw(recipe: &ObjectRecipe, dimensions: usize, inside: &InteriorPoints, rng: &mut Rng) -> Phase {
        let somewhere =
            |rng: &mut Rng| inside.points[ParameterRange::new(0.0, inside.points.len() as f64 - 1.0).integer(rng)];
        let mut phase = Phase::default();
        if happens(recipe.strain.probability, rng) {
            phase.strain = Some(strain(recipe, inside, rng));
        }
        if happens(recipe.ramp.linear_probability, rng) {
            phase.linear = scaled(direction(inside.flat, rng), recipe.ramp.linear.uniform(rng));
        }
        if happens(recipe.ramp.quadratic_probability, rng) {
            phase.quadratic = recipe.ramp.quadratic.uniform(rng) * sign(rng);
        }
        if happens(recipe.dislocation.probability, rng) {
            let poisson = happens(recipe.dislocation.edge, rng).then(|| ParameterRange::new(0.2, 0.44).uniform(rng));
            for _ in 0..recipe.dislocation.number.integer(rng) {
                let line = if dimensions == 2 { [1.0, 0.0, 0.0] } else { direction(false, rng) };
                let across = across(line, rng);
                phase.dislocations.push(Dislocation { point: somewhere(rng), across, sign: sign(rng), poisson });
            }
        }
        if happens(recipe.step.probability, rng) {
            let normal = direction(dimensions == 2, rng);
            phase.step = Some(Step { point: somewhere(rng), normal, phase: recipe.step.phase.uniform(rng) });
        }
        phase
    }
}

fn strain(recipe: &ObjectRecipe, inside: &InteriorPoints, rng: &mut Rng) -> Strain {
    let length = recipe.strain.length.uniform(rng);
    let rms = recipe.strain.rms.log_uniform(rng);
    let field = Field::random(length, inside.flat, rng);
    let count = inside.points.len() as f64;
    let mean = inside.points.iter().map(|&r| field.at(r)).sum::<f64>() / count;
    let variance = inside.points.iter().map(|&r| (field.at(r) - mean).powi(2)).sum::<f64>() / count;
    // Fields that are much longer than the particle hardly vary in it: they are not blown up
    // without limit.
    Strain { field, mean, scale: rms / variance.sqrt().max(1e-3), rms, length }
}

/// Draws +1 or -1.
fn sign(rng: &mut Rng) -> f64 {
    if happens(0.5, rng) { 1.0 } else { -1.0 }
}

/// Draws two unit vectors across a line.
fn across(line: Vector, rng: &mut Rng) -> [Vector; 2] {
    let mut other = direction(false, rng);
    while dot(other, line).abs() > 0.99 {
        other = direction(false, rng);
    }
    let first = unit(cross(line, other));
    [first, cross(line, first)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulate::object::frame::norm;
    use rand::SeedableRng;

    fn cube() -> Vec<Vector> {
        let at = |i: usize| i as f64 / 5.0 - 0.9;
        (0..1000).map(|i| [at(i / 100), at(i / 10 % 10), at(i % 10)]).collect()
    }

    #[test]
    fn strain_has_the_amplitude_that_was_asked_for() {
        let points = cube();
        let inside = InteriorPoints { points: &points, volume: 8.0, flat: false };
        let strain = strain(&ObjectRecipe::default(), &inside, &mut Rng::seed_from_u64(4));
        let rms = strain.rms;
        let phase = Phase { strain: Some(strain), ..Phase::default() };
        let found = (points.iter().map(|&r| phase.at(r).powi(2)).sum::<f64>() / 1000.0).sqrt();
        // It was normalised on the same points.
        assert!((found / rms - 1.0).abs() < 1e-9, "{found} {rms}");
    }

    #[test]
    fn axes_across_a_line_are_a_right_handed_frame() {
        let mut rng = Rng::seed_from_u64(5);
        let line = direction(false, &mut rng);
        let [a, b] = across(line, &mut rng);
        // Rounding.
        assert!(dot(a, line).abs() < 1e-14 && dot(a, b).abs() < 1e-14);
        assert!(norm(sub(cross(a, b), line)) < 1e-14);
    }
}
