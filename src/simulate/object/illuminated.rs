//! Samples that are larger than the beam, as one frame of a ptychographic scan sees them: the exit
//! wave is the beam times the transmission of the sample. The beam of a zone plate out of focus is
//! a ring (the shadow of the central stop) with a spherical wavefront; its far field is the
//! bright-field annulus.

use super::density::{Modulation, Sample};
use super::field::Field;
use super::flake;
use super::outline::{Outline, PlanarShape};
use super::recipe::IlluminationRecipe;
use crate::simulate::draw::{ParameterRange, Rng};
use num_complex::Complex64;
use std::f64::consts::PI;

/// A beam on a sample.
pub struct Beam {
    /// Soft edges, uneven illumination, the sample's transmission.
    pub modulations: Vec<Modulation>,
    /// Quadratic phase from the centre to the edge, radians: pi times the divergence.
    pub quadratic: f64,
    /// Shape of the aperture.
    pub aperture: &'static str,
    /// Kind of sample in the beam.
    pub sample: &'static str,
    /// Local frequency of the wavefront at the edge, cycles per radius.
    pub divergence: f64,
    /// Width of the soft edges.
    pub edge: f64,
    /// Largest phase shift by the sample (for smooth samples: about three standard deviations),
    /// radians.
    pub phase: f64,
    /// Largest absorption by the sample.
    pub absorption: f64,
}

/// Draws an aperture of radius 1 and what passes through it.
pub fn beam(recipe: &IlluminationRecipe, rng: &mut Rng) -> (PlanarShape, Beam) {
    let (aperture, outline) = aperture(recipe, rng);
    let edge = recipe.edge.uniform(rng);
    let divergence = recipe.divergence.uniform(rng);
    let (name, sample) = sample(recipe, rng);
    let [phase, absorption] = match sample {
        Some(_) => [recipe.phase.uniform(rng), recipe.absorption.uniform(rng)],
        None => [0.0; 2],
    };
    let mut modulations = vec![
        Modulation::Taper { width: edge, floor: 0.0 },
        // Imperfect optics: the illumination varies by up to 15 %, in streaks and patches.
        Modulation::Texture {
            field: Field::random(0.15, true, rng),
            amplitude: ParameterRange::new(0.0, 0.15).uniform(rng),
        },
    ];
    modulations.extend(sample.map(|sample| {
        let exponent = Complex64::new(-absorption, phase);
        Modulation::Transmission { sample, exponent }
    }));
    let quadratic = PI * divergence;
    let shape = PlanarShape { filled: vec![outline], holes: Vec::new() };
    (shape, Beam { modulations, quadratic, aperture, sample: name, divergence, edge, phase, absorption })
}

/// Half of the beams are rings.
fn aperture(recipe: &IlluminationRecipe, rng: &mut Rng) -> (&'static str, Outline) {
    match ParameterRange::new(0.0, 5.0).integer(rng) {
        0..=2 => {
            let half_width = recipe.ring_width.uniform(rng) / 2.0;
            ("ring", Outline::Ring { centre: [0.0; 2], radius: 1.0 - half_width, half_width })
        }
        3 | 4 => ("disc", Outline::disc([0.0; 2], 1.0)),
        _ => {
            let half = [1.0, ParameterRange::new(0.7, 1.0).uniform(rng)];
            let corner = ParameterRange::new(0.05, 0.4).uniform(rng);
            ("square", Outline::Bar { centre: [0.0; 2], along: [0.0, 1.0], half, corner })
        }
    }
}

fn sample(recipe: &IlluminationRecipe, rng: &mut Rng) -> (&'static str, Option<Sample>) {
    let feature = recipe.feature.uniform(rng);
    match ParameterRange::new(0.0, 6.0).integer(rng) {
        0 | 1 => {
            // The beam is somewhere on a star that is larger.
            let centre = [ParameterRange::new(-1.0, 1.0).uniform(rng), ParameterRange::new(-1.0, 1.0).uniform(rng)];
            let outer = ParameterRange::new(1.2, 3.0).uniform(rng);
            ("star", Some(Sample::Star(flake::star_at(centre, outer, rng))))
        }
        2 | 3 => ("binary", Some(Sample::Binary(Field::random(feature, true, rng)))),
        4 | 5 => ("smooth", Some(Sample::Smooth(Field::random(feature, true, rng)))),
        _ => ("blank", None),
    }
}
