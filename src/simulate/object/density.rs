//! Density inside a particle: a product of modulations.

use super::field::Field;
use super::frame::{Vector, direction, dot, norm, scaled, smooth_step, sub};
use super::outline::Outline;
use super::recipe::{DensityKind, DensityRecipe};
use crate::simulate::draw::{ParameterRange, Rng};
use crate::simulate::weights::pick;
use num_complex::Complex64;
use std::f64::consts::PI;

/// Width of the transitions between densities, half extents.
const SOFT: f64 = 0.02;
/// Pores in a particle at most: each costs a few nanoseconds at every point.
const PORES: usize = 40;

/// One factor of the density.
#[derive(Debug, Clone, PartialEq)]
pub enum Modulation {
    /// `factor` within `thickness` of the surface, 1 deeper inside.
    Shell { thickness: f64, factor: Complex64 },
    /// Taper from `floor` at the surface to 1 at the depth `width`.
    Taper { width: f64, floor: f64 },
    /// Round inclusions or pores.
    Balls(Vec<Ball>),
    /// `floor` where the field is below the threshold.
    Sponge { field: Field, threshold: f64, floor: f64 },
    /// Texture `exp(amplitude * field)`.
    Texture { field: Field, amplitude: f64 },
    /// Gradient `1 + gradient . r`.
    Gradient(Vector),
    /// `exp(exponent * sample)`, the sample from 0 to about 1.
    Transmission { sample: Sample, exponent: Complex64 },
}

/// A ball of another density.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ball {
    /// Centre of the ball.
    pub centre: Vector,
    /// Radius of the ball.
    pub radius: f64,
    /// Density relative to that around the ball.
    pub factor: f64,
}

/// The thickness of a flat sample.
#[derive(Debug, Clone, PartialEq)]
pub enum Sample {
    /// 1 within the outline.
    Star(Outline),
    /// 1 where the field is positive.
    Binary(Field),
    /// Smooth, around one half.
    Smooth(Field),
}

impl Sample {
    fn at(&self, r: Vector) -> f64 {
        match self {
            Sample::Star(outline) => smooth_step(0.5 - outline.distance([r[1], r[2]]) / SOFT),
            Sample::Binary(field) => smooth_step(0.5 + 2.0 * field.at(r)),
            Sample::Smooth(field) => (0.5 + 0.25 * field.at(r)).max(0.0),
        }
    }
}

impl Modulation {
    /// The factor at a point, `depth` below the surface.
    pub fn at(&self, r: Vector, depth: f64) -> Complex64 {
        let real = match self {
            Modulation::Shell { thickness, factor } => {
                return factor + (1.0 - factor) * smooth_step(0.5 + (depth - thickness) / SOFT);
            }
            Modulation::Transmission { sample, exponent } => return (exponent * sample.at(r)).exp(),
            Modulation::Taper { width, floor } => floor + (1.0 - floor) * smooth_step(depth / width),
            Modulation::Balls(balls) => balls.iter().map(|ball| ball.at(r)).product(),
            Modulation::Sponge { field, threshold, floor } => {
                floor + (1.0 - floor) * smooth_step(0.5 + 2.0 * (field.at(r) - threshold))
            }
            Modulation::Texture { field, amplitude } => (amplitude * field.at(r)).exp(),
            Modulation::Gradient(gradient) => 1.0 + dot(*gradient, r),
        };
        Complex64::from(real)
    }
}

impl Ball {
    fn at(&self, r: Vector) -> f64 {
        let offset = sub(r, self.centre);
        let reach = self.radius + SOFT;
        if dot(offset, offset) > reach * reach {
            return 1.0;
        }
        1.0 + (self.factor - 1.0) * smooth_step(0.5 + (self.radius - norm(offset)) / SOFT)
    }
}

/// Points inside a particle, on which its density and phase are normalised.
pub struct InteriorPoints<'a> {
    /// Points inside, evenly distributed; at least one.
    pub points: &'a [Vector],
    /// Volume of the particle, or area if it is flat; in units of the largest half extent.
    pub volume: f64,
    /// Whether nothing varies along z.
    pub flat: bool,
}

impl InteriorPoints<'_> {
    fn point(&self, rng: &mut Rng) -> Vector {
        self.points[ParameterRange::new(0.0, self.points.len() as f64 - 1.0).integer(rng)]
    }

    /// The value that a field is below at this fraction of the points.
    fn quantile(&self, field: &Field, share: f64) -> f64 {
        let mut values: Vec<f64> = self.points.iter().map(|&point| field.at(point)).collect();
        values.sort_by(f64::total_cmp);
        values[(share * (values.len() - 1) as f64) as usize]
    }
}

/// Draws the modulations that a recipe describes, with the name of their kind and their strength:
/// the shell's density, the porosity, the texture's standard deviation, the gradient; NaN for a
/// uniform density.
pub fn draw(
    recipe: &DensityRecipe,
    inside: &InteriorPoints,
    real: bool,
    rng: &mut Rng,
) -> (Vec<Modulation>, &'static str, f64) {
    let kinds = recipe.kinds.iter().map(|(&kind, &weight)| (kind, weight));
    match pick(kinds, rng).unwrap_or(DensityKind::Uniform) {
        DensityKind::Uniform => (Vec::new(), "uniform", f64::NAN),
        DensityKind::Shell => {
            let thickness = recipe.shell_thickness.uniform(rng);
            let density = recipe.shell_density.uniform(rng);
            let phase = recipe.shell_phase.uniform(rng);
            let factor = Complex64::from_polar(density, if real { 0.0 } else { phase });
            (vec![Modulation::Shell { thickness, factor }], "shell", density)
        }
        DensityKind::Pores => {
            let porosity = recipe.porosity.uniform(rng);
            (vec![Modulation::Balls(pores(recipe, inside, porosity, rng))], "pores", porosity)
        }
        DensityKind::Sponge => {
            let porosity = recipe.porosity.uniform(rng);
            let field = Field::random(recipe.pore_size.uniform(rng), inside.flat, rng);
            let threshold = inside.quantile(&field, porosity);
            let floor = ParameterRange::new(0.0, 0.4).uniform(rng);
            (vec![Modulation::Sponge { field, threshold, floor }], "sponge", porosity)
        }
        DensityKind::Texture => {
            let amplitude = recipe.texture.uniform(rng);
            let field = Field::random(recipe.texture_length.uniform(rng), inside.flat, rng);
            (vec![Modulation::Texture { field, amplitude }], "texture", amplitude)
        }
        DensityKind::Graded => {
            let slope = recipe.gradient.uniform(rng);
            // Half extents along the beam may exceed 1 in two dimensions: the density must stay
            // positive.
            let farthest = inside.points.iter().map(|&point| norm(point)).fold(1.0, f64::max);
            let gradient = scaled(direction(inside.flat, rng), slope / farthest);
            (vec![Modulation::Gradient(gradient)], "graded", slope)
        }
    }
}

/// Pores until their volumes add up, or until they are many.
fn pores(recipe: &DensityRecipe, inside: &InteriorPoints, porosity: f64, rng: &mut Rng) -> Vec<Ball> {
    let mut left = porosity * inside.volume;
    let mut balls = Vec::new();
    while left > 0.0 && balls.len() < PORES {
        let radius = recipe.pore_size.uniform(rng);
        left -= if inside.flat { PI * radius * radius } else { 4.0 / 3.0 * PI * radius.powi(3) };
        balls.push(Ball { centre: inside.point(rng), radius, factor: 0.0 });
    }
    balls
}

/// Draws a cell: thick in the middle, a nucleus, organelles, uneven cytoplasm, sometimes a bright
/// membrane.
pub fn cell(inside: &InteriorPoints, rng: &mut Rng) -> Vec<Modulation> {
    let uniform = |lo: f64, hi: f64, rng: &mut Rng| ParameterRange::new(lo, hi).uniform(rng);
    let mut balls: Vec<Ball> = Vec::new();
    let nucleus = Ball { centre: inside.point(rng), radius: uniform(0.15, 0.35, rng), factor: uniform(1.2, 2.0, rng) };
    balls.push(nucleus);
    for _ in 0..ParameterRange::new(3.0, 14.0).integer(rng) {
        let radius = uniform(0.03, 0.14, rng);
        balls.push(Ball { centre: inside.point(rng), radius, factor: uniform(0.4, 1.9, rng) });
    }
    let field = Field::random(uniform(0.06, 0.2, rng), inside.flat, rng);
    let mut modulations =
        vec![Modulation::Balls(balls), Modulation::Texture { field, amplitude: uniform(0.05, 0.25, rng) }];
    // A flat cell is a projection: its thickness goes to zero at the edge. A solid one gets that
    // from its shape.
    if inside.flat {
        modulations.push(Modulation::Taper { width: uniform(0.2, 0.7, rng), floor: uniform(0.0, 0.2, rng) });
    } else {
        let membrane = Complex64::from(uniform(1.0, 1.8, rng));
        modulations.push(Modulation::Shell { thickness: uniform(0.03, 0.08, rng), factor: membrane });
    }
    modulations
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    /// A disc of radius 1.
    fn points() -> Vec<Vector> {
        let at = |i: i32| f64::from(i) / 25.0;
        let grid = (-25..=25).flat_map(|y| (-25..=25).map(move |x| [0.0, at(y), at(x)]));
        grid.filter(|&r| norm(r) < 1.0).collect()
    }

    #[test]
    fn a_shell_is_as_thick_as_it_says() {
        let shell = Modulation::Shell { thickness: 0.2, factor: Complex64::new(0.0, 0.5) };
        assert_eq!(shell.at([0.0; 3], 0.1), Complex64::new(0.0, 0.5));
        assert_eq!(shell.at([0.0; 3], 0.3), Complex64::ONE);
    }

    #[test]
    fn porosity_is_that_of_the_recipe() {
        let points = points();
        let inside = InteriorPoints { points: &points, volume: PI, flat: true };
        let mut rng = Rng::seed_from_u64(2);
        for _ in 0..20 {
            let (modulations, _, porosity) = draw(&DensityRecipe::only(DensityKind::Sponge), &inside, true, &mut rng);
            let Modulation::Sponge { floor, .. } = &modulations[0] else { panic!("not a sponge") };
            let half = 0.5 * (1.0 + floor);
            let empty = points.iter().filter(|&&point| modulations[0].at(point, 1.0).re < half).count();
            // The threshold is a quantile of these points: off by one of them.
            assert!((empty as f64 / points.len() as f64 - porosity).abs() < 0.002);
        }
    }

    #[test]
    fn real_particles_have_positive_densities() {
        let points = points();
        let inside = InteriorPoints { points: &points, volume: PI, flat: true };
        let mut rng = Rng::seed_from_u64(3);
        for kind in [DensityKind::Shell, DensityKind::Pores, DensityKind::Texture, DensityKind::Graded] {
            let (modulations, ..) = draw(&DensityRecipe::only(kind), &inside, true, &mut rng);
            for &point in &points {
                let value = modulations[0].at(point, 1.0 - norm(point));
                assert!(value.re >= 0.0 && value.im == 0.0, "{kind:?}: {value}");
            }
        }
    }
}
