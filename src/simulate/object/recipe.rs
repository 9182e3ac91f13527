//! Recipe of the objects: the keys of `[object]` and its sections.

use super::family::Family;
use crate::simulate::draw::{Fault, ParameterRange, check_probability, fault};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::f64::consts::PI;
use std::ops::RangeInclusive;

/// Recipe of the objects, section `[object]`. Lengths are in units of the particle's largest half
/// extent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ObjectRecipe {
    /// Weights of the families. Those that are not named are not drawn.
    pub families: Families,
    /// Probability that a particle is real and positive, as in forward scattering far from
    /// resonance: no strain, no ramp, no dislocation, no step. Illuminated samples are always
    /// complex.
    pub real: f64,
    /// Facets, proportions and components.
    pub shape: ShapeRecipe,
    /// Roughness and worn edges.
    pub surface: SurfaceRecipe,
    /// Variation of the density inside.
    pub density: DensityRecipe,
    /// Smooth random phase (strain).
    pub strain: StrainRecipe,
    /// Linear and quadratic phase.
    pub ramp: RampRecipe,
    /// Phase vortices, that is, dislocations.
    pub dislocation: DislocationRecipe,
    /// Phase jumps across a plane.
    pub step: StepRecipe,
    /// Samples in a focused beam.
    pub illumination: IlluminationRecipe,
}

/// Weights of the families.
pub type Families = BTreeMap<Family, f64>;

/// Recipe of facets, proportions and components, section `[object.shape]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ShapeRecipe {
    /// Largest fraction by which each facet of a crystal is off its ideal distance; one value per
    /// crystal.
    pub perturbation: ParameterRange,
    /// Number of random planes that cut corners off a crystal.
    pub truncations: ParameterRange,
    /// Probability that a crystal is cut by a substrate.
    pub substrate: f64,
    /// Length over diameter of rods.
    pub elongation: ParameterRange,
    /// Thickness over diameter of plates, and of flakes and patterns in three dimensions.
    pub thickness: ParameterRange,
    /// Number of components of aggregates and clusters.
    pub parts: ParameterRange,
}

/// Recipe of the surface, section `[object.surface]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SurfaceRecipe {
    /// Probability that a surface is rough.
    pub probability: f64,
    /// Standard deviation of a rough surface.
    pub roughness: ParameterRange,
    /// Correlation length of the roughness.
    pub length: ParameterRange,
    /// Probability that a crystal has worn edges.
    pub worn: f64,
    /// Wear of the edges, for these crystals and the `rounded` family.
    pub rounding: ParameterRange,
}

/// Kind of variation of the density.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DensityKind {
    /// The same density everywhere.
    Uniform,
    /// Core and shell of different densities.
    Shell,
    /// Round pores in a constant density.
    Pores,
    /// Connected pores: a random field above a threshold.
    Sponge,
    /// A smooth random modulation.
    Texture,
    /// More on one side than on the other.
    Graded,
}

/// Recipe of the density, section `[object.density]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DensityRecipe {
    /// Weights of the kinds.
    pub kinds: BTreeMap<DensityKind, f64>,
    /// Thickness of a shell.
    pub shell_thickness: ParameterRange,
    /// Density of the shell over that of the core.
    pub shell_density: ParameterRange,
    /// Phase of the shell relative to the core, radians (particles that are not real).
    pub shell_phase: ParameterRange,
    /// Fraction of the volume that pores take.
    pub porosity: ParameterRange,
    /// Radius of pores, and correlation length of a sponge.
    pub pore_size: ParameterRange,
    /// Standard deviation of the logarithm of a textured density.
    pub texture: ParameterRange,
    /// Correlation length of a texture.
    pub texture_length: ParameterRange,
    /// Relative change of a graded density from the centre to the edge.
    pub gradient: ParameterRange,
}

/// Recipe of the smooth random phase, section `[object.strain]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StrainRecipe {
    /// Probability of a smooth random phase.
    pub probability: f64,
    /// Root mean square of the phase over the particle, radians, log-uniform; peak to valley is 3
    /// to 5 times that.
    pub rms: ParameterRange,
    /// Correlation length of the phase.
    pub length: ParameterRange,
}

/// Recipe of linear and quadratic phases, section `[object.ramp]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RampRecipe {
    /// Probability of a linear phase: a pattern off the centre by a fraction of a speckle.
    pub linear_probability: f64,
    /// Linear phase from the centre to the edge, radians.
    pub linear: ParameterRange,
    /// Probability of a quadratic phase: a bent crystal or a curved wavefront.
    pub quadratic_probability: f64,
    /// Quadratic phase from the centre to the edge, radians; either sign.
    pub quadratic: ParameterRange,
}

/// Recipe of dislocations, section `[object.dislocation]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DislocationRecipe {
    /// Probability that a particle has dislocations.
    pub probability: f64,
    /// Number of dislocations in such a particle.
    pub number: ParameterRange,
    /// Probability that they are edge dislocations; they are screw dislocations otherwise.
    pub edge: f64,
}

/// Recipe of phase jumps, section `[object.step]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StepRecipe {
    /// Probability of a phase jump across a plane: an inversion domain, a stacking fault, a twin.
    pub probability: f64,
    /// Size of the jump, radians.
    pub phase: ParameterRange,
}

/// Recipe of samples in a focused beam, section `[object.illumination]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct IlluminationRecipe {
    /// Width of an annular beam over its radius.
    pub ring_width: ParameterRange,
    /// Width of the beam's soft edges over its radius.
    pub edge: ParameterRange,
    /// Local frequency of the quadratic phase at the edge, cycles per radius: the half angle of the
    /// bright field.
    pub divergence: ParameterRange,
    /// Phase shift by the sample, radians.
    pub phase: ParameterRange,
    /// Absorption by the sample: amplitude is exp(-absorption).
    pub absorption: ParameterRange,
    /// Size of the sample's features over the beam's radius.
    pub feature: ParameterRange,
}

impl Default for ObjectRecipe {
    fn default() -> Self {
        let families = [
            (Family::Crystal, 4.0),
            (Family::Rounded, 1.0),
            (Family::Ellipsoid, 0.5),
            (Family::Aggregate, 1.0),
            (Family::Cluster, 0.5),
            (Family::Cell, 1.0),
            (Family::Flake, 1.0),
            (Family::Pattern, 1.0),
            (Family::Star, 0.25),
            (Family::Illuminated, 1.5),
        ];
        ObjectRecipe {
            families: families.into(),
            real: 0.4,
            shape: ShapeRecipe::default(),
            surface: SurfaceRecipe::default(),
            density: DensityRecipe::default(),
            strain: StrainRecipe::default(),
            ramp: RampRecipe::default(),
            dislocation: DislocationRecipe::default(),
            step: StepRecipe::default(),
            illumination: IlluminationRecipe::default(),
        }
    }
}

impl Default for ShapeRecipe {
    fn default() -> Self {
        ShapeRecipe {
            perturbation: ParameterRange::new(0.02, 0.2),
            truncations: ParameterRange::new(0.0, 2.0),
            substrate: 0.3,
            elongation: ParameterRange::new(1.3, 5.0),
            thickness: ParameterRange::new(0.12, 0.4),
            parts: ParameterRange::new(2.0, 7.0),
        }
    }
}

impl Default for SurfaceRecipe {
    fn default() -> Self {
        SurfaceRecipe {
            probability: 0.4,
            roughness: ParameterRange::new(0.003, 0.05),
            length: ParameterRange::new(0.06, 0.25),
            worn: 0.4,
            rounding: ParameterRange::new(0.02, 0.15),
        }
    }
}

impl Default for DensityRecipe {
    fn default() -> Self {
        let kinds = [
            (DensityKind::Uniform, 5.0),
            (DensityKind::Shell, 1.0),
            (DensityKind::Pores, 0.7),
            (DensityKind::Sponge, 0.5),
            (DensityKind::Texture, 1.5),
            (DensityKind::Graded, 1.0),
        ];
        DensityRecipe {
            kinds: kinds.into(),
            shell_thickness: ParameterRange::new(0.06, 0.3),
            shell_density: ParameterRange::new(0.2, 1.8),
            shell_phase: ParameterRange::new(-1.5, 1.5),
            porosity: ParameterRange::new(0.05, 0.4),
            pore_size: ParameterRange::new(0.06, 0.22),
            texture: ParameterRange::new(0.05, 0.4),
            texture_length: ParameterRange::new(0.08, 0.5),
            gradient: ParameterRange::new(0.1, 0.6),
        }
    }
}

impl Default for StrainRecipe {
    fn default() -> Self {
        StrainRecipe { probability: 0.8, rms: ParameterRange::new(0.1, 4.0), length: ParameterRange::new(0.15, 1.0) }
    }
}

impl Default for RampRecipe {
    fn default() -> Self {
        RampRecipe {
            linear_probability: 0.2,
            linear: ParameterRange::new(0.3, 3.0),
            quadratic_probability: 0.2,
            quadratic: ParameterRange::new(0.3, 5.0),
        }
    }
}

impl Default for DislocationRecipe {
    fn default() -> Self {
        DislocationRecipe { probability: 0.15, number: ParameterRange::new(1.0, 2.0), edge: 0.5 }
    }
}

impl Default for StepRecipe {
    fn default() -> Self {
        StepRecipe { probability: 0.1, phase: ParameterRange::new(0.5, PI) }
    }
}

impl Default for IlluminationRecipe {
    fn default() -> Self {
        IlluminationRecipe {
            ring_width: ParameterRange::new(0.3, 0.6),
            edge: ParameterRange::new(0.02, 0.3),
            divergence: ParameterRange::new(3.0, 20.0),
            phase: ParameterRange::new(0.1, 2.0),
            absorption: ParameterRange::new(0.0, 0.3),
            feature: ParameterRange::new(0.06, 0.3),
        }
    }
}

impl DensityRecipe {
    /// Default recipe with a single kind of density.
    pub fn only(kind: DensityKind) -> Self {
        Self { kinds: [(kind, 1.0)].into(), ..Self::default() }
    }
}

impl ObjectRecipe {
    /// Default recipe with a single family.
    pub fn only(family: Family) -> Self {
        ObjectRecipe { families: [(family, 1.0)].into(), ..ObjectRecipe::default() }
    }

    /// Checks that objects can be drawn.
    ///
    /// # Errors
    /// [`Fault`] for the first key whose value cannot be used.
    pub fn check(&self) -> Result<(), Fault> {
        check_weights("object.families", &self.families)?;
        check_weights("object.density.kinds", &self.density.kinds)?;
        for (key, probability) in self.probabilities() {
            check_probability(&format!("object.{key}"), probability)?;
        }
        for (key, range, allowed) in self.ranges() {
            range.check(&format!("object.{key}"), allowed)?;
        }
        Ok(())
    }

    fn probabilities(&self) -> [(&'static str, f64); 10] {
        [
            ("real", self.real),
            ("shape.substrate", self.shape.substrate),
            ("surface.probability", self.surface.probability),
            ("surface.worn", self.surface.worn),
            ("strain.probability", self.strain.probability),
            ("ramp.linear_probability", self.ramp.linear_probability),
            ("ramp.quadratic_probability", self.ramp.quadratic_probability),
            ("dislocation.probability", self.dislocation.probability),
            ("dislocation.edge", self.dislocation.edge),
            ("step.probability", self.step.probability),
        ]
    }

    fn ranges(&self) -> [(&'static str, ParameterRange, RangeInclusive<f64>); 28] {
        let (shape, surface, density, beam) = (&self.shape, &self.surface, &self.density, &self.illumination);
        [
            ("shape.perturbation", shape.perturbation, 0.0..=0.5),
            ("shape.truncations", shape.truncations, 0.0..=10.0),
            ("shape.elongation", shape.elongation, 1.0..=8.0),
            ("shape.thickness", shape.thickness, 0.05..=1.0),
            ("shape.parts", shape.parts, 2.0..=20.0),
            ("surface.roughness", surface.roughness, 0.0..=0.1),
            ("surface.length", surface.length, 0.03..=1.0),
            ("surface.rounding", surface.rounding, 0.005..=0.4),
            ("density.shell_thickness", density.shell_thickness, 0.01..=0.9),
            ("density.shell_density", density.shell_density, 0.0..=10.0),
            ("density.shell_phase", density.shell_phase, -PI..=PI),
            ("density.porosity", density.porosity, 0.0..=0.7),
            ("density.pore_size", density.pore_size, 0.02..=0.5),
            ("density.texture", density.texture, 0.0..=1.0),
            ("density.texture_length", density.texture_length, 0.02..=2.0),
            ("density.gradient", density.gradient, 0.0..=0.9),
            ("strain.rms", self.strain.rms, 0.001..=30.0),
            ("strain.length", self.strain.length, 0.05..=5.0),
            ("ramp.linear", self.ramp.linear, 0.0..=100.0),
            ("ramp.quadratic", self.ramp.quadratic, 0.0..=100.0),
            ("dislocation.number", self.dislocation.number, 1.0..=10.0),
            ("step.phase", self.step.phase, -PI..=PI),
            ("illumination.ring_width", beam.ring_width, 0.1..=0.9),
            ("illumination.edge", beam.edge, 0.005..=0.3),
            ("illumination.divergence", beam.divergence, 0.0..=100.0),
            ("illumination.phase", beam.phase, 0.0..=PI),
            ("illumination.absorption", beam.absorption, 0.0..=2.0),
            ("illumination.feature", beam.feature, 0.02..=1.0),
        ]
    }
}

fn check_weights<K>(key: &str, weights: &BTreeMap<K, f64>) -> Result<(), Fault> {
    if weights.values().any(|weight| !weight.is_finite() || *weight < 0.0) {
        return fault(key, "weights are numbers from 0 up");
    }
    if weights.values().sum::<f64>() <= 0.0 {
        return fault(key, "at least one weight must be above 0");
    }
    Ok(())
}
