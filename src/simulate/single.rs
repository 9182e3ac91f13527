//! One pattern from a few numbers: clean, with as many troubles as are asked for.

use super::beamstop::BeamstopRecipe;
use super::draw::{Fault, ParameterRange};
use super::gaps::{GapKinds, GapRecipe};
use super::measure::MeasurementRecipe;
use super::object::{Family, ObjectRecipe};
use super::recipe::{Recipe, SplitRecipe};
use crate::error::{Error, Result};

/// What one pattern is simulated from.
#[derive(Debug, Clone, PartialEq)]
pub struct SinglePattern {
    /// Pixels: `[y, x]`, or `[z, y, x]` for the rocking curve of a Bragg peak.
    pub shape: Vec<usize>,
    /// Kind of particle, one of [`Family::NAMES`].
    pub object: String,
    /// Width of a detector gap in the form of a cross, pixels.
    pub gap: Option<usize>,
    /// Detector whose gaps the pattern has, where it has no cross.
    pub detector: Option<String>,
    /// Photons in the whole pattern.
    pub photons: f64,
    /// Linear oversampling ratio.
    pub oversampling: f64,
    /// Root mean square of the particle's phase inside, radians (in 2D before it is projected); 0 for
    /// a real object.
    pub strain: f64,
    /// Radius of a round beamstop, pixels.
    pub beamstop: Option<f64>,
}

impl Default for SinglePattern {
    fn default() -> Self {
        SinglePattern {
            shape: vec![256, 256],
            object: "crystal".into(),
            gap: None,
            detector: None,
            photons: 1e7,
            oversampling: 3.0,
            strain: 0.0,
            beamstop: None,
        }
    }
}

impl SinglePattern {
    /// The recipe that the pattern is drawn from: everything that is not asked for is left out.
    ///
    /// # Errors
    /// [`Error::Setting`] with the name of the field whose value cannot be used.
    pub fn recipe(&self) -> Result<Recipe> {
        let family = Family::from_name(&self.object).ok_or_else(|| {
            let known: Vec<&str> = Family::NAMES.iter().map(|(name, _)| *name).collect();
            Error::setting("object", &self.object, format!("known are {}", known.join(", ")))
        })?;
        if family == Family::Illuminated && self.strain != 0.0 {
            return Err(Error::setting("strain", self.strain, "a beam on a sample has no strain"));
        }
        if let Some(radius) = self.beamstop.filter(|radius| *radius <= 0.0) {
            return Err(Error::setting("beamstop", radius, "a radius is above 0"));
        }
        let mut object = ObjectRecipe::only(family);
        object.real = f64::from(u8::from(self.strain == 0.0));
        object.strain.probability = f64::from(u8::from(self.strain != 0.0));
        if self.strain != 0.0 {
            object.strain.rms = fixed(self.strain);
        }
        object.ramp.linear_probability = 0.0;
        object.ramp.quadratic_probability = 0.0;
        object.dislocation.probability = 0.0;
        object.step.probability = 0.0;
        let mut measurement = MeasurementRecipe { photons: fixed(self.photons), ..MeasurementRecipe::default() };
        measurement.peak_offset = fixed(0.0);
        measurement.coherence.probability = 0.0;
        measurement.psf.probability = 0.0;
        measurement.background.probability = 0.0;
        measurement.rocking.uneven = 0.0;
        measurement.rocking.drifting = 0.0;
        measurement.strays.probability = 0.0;
        measurement.defects.hot = 0.0;
        measurement.defects.dead = 0.0;
        measurement.defects.saturation = 0.0;
        let gaps = match (self.gap, &self.detector) {
            (Some(width), _) => GapRecipe::cross(width),
            (None, name) => {
                let detector = f64::from(u8::from(name.is_some()));
                let kinds = GapKinds { none: 1.0 - detector, slab: 0.0, cross: 0.0, hole: 0.0, detector };
                GapRecipe { kinds, detectors: name.iter().cloned().collect(), ..GapRecipe::default() }
            }
        };
        let beamstop = BeamstopRecipe {
            probability: f64::from(u8::from(self.beamstop.is_some())),
            radius: fixed(self.beamstop.unwrap_or(1.0)),
            square: 0.0,
            offset: fixed(0.0),
            arm: 0.0,
            ..BeamstopRecipe::default()
        };
        let recipe = Recipe {
            name: "one".into(),
            description: String::new(),
            count: 1,
            seed: 0,
            shape: self.shape.clone(),
            patterns_per_particle: 1,
            split: SplitRecipe::default(),
            oversampling: fixed(self.oversampling),
            object,
            measurement,
            gaps,
            beamstop,
            phasing: None,
        };
        recipe.check().map_err(|fault| self.refused(fault))?;
        Ok(recipe)
    }

    /// A fault of the recipe, told as one of the field that it came from.
    fn refused(&self, fault: Fault) -> Error {
        let (name, value) = match fault.key.as_str() {
            "shape" => ("shape", self.shape.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")),
            "oversampling" => ("oversampling", self.oversampling.to_string()),
            "measurement.photons" => ("photons", self.photons.to_string()),
            "object.strain.rms" => ("strain", self.strain.to_string()),
            "gaps.detectors" => ("detector", self.detector.clone().unwrap_or_default()),
            key if key.starts_with("gaps") => ("gap", self.gap.unwrap_or_default().to_string()),
            "object.families" => ("object", self.object.clone()),
            key if key.starts_with("beamstop") => ("beamstop", self.beamstop.unwrap_or_default().to_string()),
            key => (key, String::new()),
        };
        Error::setting(name, value, fault.problem)
    }
}

fn fixed(value: f64) -> ParameterRange {
    ParameterRange::new(value, value)
}
