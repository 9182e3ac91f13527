//! One simulated pattern with its truth: everything drawn from a recipe, in a fixed order, from the
//! seed and the pattern's number alone.

use super::draw::Rng;
use super::farfield::{FarField, Sampling, Scatterer, far_field};
use super::laboratory::LaboratoryCrystal;
use super::measure::Conditions;
use super::object::Particle;
use super::recipe::Recipe;
use crate::geometry::{QGrid, QMap};
use crate::parameters::Parameters;
use crate::volume::Centered;
use ndarray::Axis;
use num_complex::{Complex32, Complex64};
use rand::SeedableRng;

/// Fraction of the frame's half width that the bright field of a focused beam may fill.
const BRIGHT_FIELD: f64 = 0.8;

/// A simulated pattern with its truth. All arrays have the recipe's shape.
#[derive(Debug, Clone, PartialEq)]
pub struct Simulated {
    /// Expected photons per pixel of this measurement: blurred, with drift and background; without
    /// stray spots, defects and gaps.
    pub intensity: Centered<f32>,
    /// Photons counted by the detector; zero where there is no sensor and in the beamstop's shadow.
    pub counts: Centered<u32>,
    /// CXI bits by cause ([`crate::pixels::bit`]), 0 = good.
    pub mask: Centered<u32>,
    /// Band-limited object, square roots of photons.
    pub object: Centered<Complex32>,
    /// Voxels that the particle touches.
    pub support: Centered<bool>,
    /// Everything that was drawn: numbers, short lists and names.
    pub parameters: Parameters,
    /// Number of the particle. Patterns of one particle belong to the same split.
    pub particle: u64,
}

/// Simulates pattern `index` of a recipe. It depends on the recipe, its seed and the index, and on
/// nothing else.
pub fn pattern(recipe: &Recipe, index: usize) -> Simulated {
    let shape = recipe.extents();
    let number = recipe.particle_of(index);
    // Even streams for particles and odd ones for measurements: no two share their random numbers.
    let (particle, object) = recipe.object.draw(recipe.shape.len(), &mut stream(recipe.seed, 2 * number));
    let rng = &mut stream(recipe.seed, 2 * index as u64 + 1);

    let oversampling = draw_oversampling(recipe, &particle, object.divergence, rng);
    let conditions = recipe.measurement.draw(shape, rng);
    let sampling = Sampling {
        shape,
        oversampling,
        peak_offset: conditions.peak_offset,
        frame_offsets: conditions.frame_offsets.clone(),
        photons: conditions.photons,
    };
    let mut parameters = Parameters::default();
    parameters.set_oversampling(oversampling);
    parameters.insert_fields("object", &object);
    Measured { recipe, conditions, field: far_field(&particle, &sampling), parameters, particle: number }.counted(rng)
}

/// Simulates the pattern of a crystal in the laboratory, measured as a recipe says, whose particles
/// and oversampling do not matter.
pub fn crystal_pattern(recipe: &Recipe, crystal: &LaboratoryCrystal, map: &QMap, grid: &QGrid) -> Simulated {
    let rng = &mut stream(recipe.seed, 1);
    let conditions = recipe.measurement.draw(grid.shape, rng);
    let mut parameters = Parameters::default();
    parameters.insert_fields("crystal", crystal);
    Measured { recipe, conditions, field: crystal.far_field(map, grid), parameters, particle: 0 }.counted(rng)
}

/// A far field that is measured.
struct Measured<'a> {
    recipe: &'a Recipe,
    conditions: Conditions,
    field: FarField,
    parameters: Parameters,
    particle: u64,
}

impl Measured<'_> {
    /// Draws gaps, beamstop and counts.
    fn counted(self, rng: &mut Rng) -> Simulated {
        let Measured { recipe, conditions, field, mut parameters, particle } = self;
        let FarField { intensity, object, support } = field;
        let shape = intensity.shape();
        let intensity = conditions.expected(intensity);
        let gaps = recipe.gaps.draw(shape, rng);
        let (shadow, beamstop) = recipe.beamstop.draw(shape, rng);
        let mut mask = gaps.mask(shape[0]);
        for mut frame in mask.0.axis_iter_mut(Axis(0)) {
            frame.zip_mut_with(&shadow, |bits, shadow| *bits |= shadow);
        }
        let counts = conditions.count(&intensity, &mut mask, rng);

        let masked = mask.as_slice().iter().filter(|bits| **bits != 0).count();
        let zeros = counts.as_slice().iter().zip(mask.as_slice()).filter(|(n, bits)| **n == 0 && **bits == 0).count();
        let measured = (mask.as_slice().len() - masked).max(1);
        parameters.insert("masked_fraction", masked as f64 / mask.as_slice().len() as f64);
        parameters.insert("zero_fraction", zeros as f64 / measured as f64);
        parameters.insert_fields("measurement", &conditions.description());
        parameters.insert_fields("gap", &gaps.description);
        parameters.insert_fields("beamstop", &beamstop);
        Simulated { intensity, counts, mask, object, support, parameters, particle }
    }
}

impl Simulated {
    /// Counts as the intensity of a pattern to be phased.
    pub fn measured(&self) -> Centered<f32> {
        self.counts.map(|&n| n as f32)
    }
}

impl Scatterer for Particle {
    fn half_extents(&self) -> [f64; 3] {
        self.half_extents()
    }

    fn distance(&self, r: [f64; 3]) -> f64 {
        self.distance(r)
    }

    fn value(&self, r: [f64; 3], depth: f64) -> Complex64 {
        self.value(r, depth)
    }

    fn is_flat(&self) -> bool {
        self.is_flat()
    }
}

/// Pixels are square: one number decides both axes of the frame. The rocking curve has a step of
/// its own.
fn draw_oversampling(recipe: &Recipe, particle: &Particle, divergence: f64, rng: &mut Rng) -> [f64; 3] {
    let [_, ny, nx] = recipe.extents();
    let half = particle.half_extents();
    let mut drawn = recipe.oversampling.uniform(rng);
    if divergence > 0.0 {
        // The bright field of a focused beam ends 2 * divergence * oversampling pixels from the
        // centre: detectors are put where it fits.
        drawn = drawn.min(BRIGHT_FIELD * 0.25 * ny.min(nx) as f64 / divergence).max(recipe.oversampling.lo);
    }
    // Pixels of the array for each unit of the particle, the same along y and x.
    let scale = (ny as f64 / half[1]).min(nx as f64 / half[2]) / drawn;
    let [y, x] = [ny as f64 / (half[1] * scale), nx as f64 / (half[2] * scale)];
    let z = if recipe.shape.len() == 3 { recipe.oversampling.uniform(rng) } else { 1.0 };
    [z, y, x]
}

fn stream(seed: u64, number: u64) -> Rng {
    let mut rng = Rng::seed_from_u64(seed);
    rng.set_stream(number);
    rng
}
