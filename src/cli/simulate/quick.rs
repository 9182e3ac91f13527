//! The recipe that flags describe: one clean pattern, with as many troubles as are asked for.

use lacuna::error::{Error, Result};
use lacuna::simulate::beamstop::BeamstopRecipe;
use lacuna::simulate::draw::{Fault, ParameterRange};
use lacuna::simulate::gaps::{GapKinds, GapRecipe};
use lacuna::simulate::measure::MeasurementRecipe;
use lacuna::simulate::object::{Family, ObjectRecipe};
use lacuna::simulate::recipe::{Recipe, SplitRecipe};

/// What is simulated without a recipe.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "One pattern")]
pub struct QuickFlags {
    /// Pixels: Y,X, or Z,Y,X for the rocking curve of a Bragg peak [default: 256,256; with a beamline
    /// 64,96,96]
    #[arg(long, value_name = "PIXELS", value_delimiter = ',')]
    shape: Option<Vec<usize>>,
    /// Kind of particle: crystal (any of fcc, bcc, hcp, cube, octahedron, rod, plate), rounded,
    /// ellipsoid, aggregate, cluster, cell, flake, pattern, star, illuminated (2D)
    #[arg(long, value_name = "NAME", default_value = "crystal")]
    object: String,
    /// A detector gap of this width, a cross
    #[arg(long, value_name = "PIXELS")]
    gap: Option<usize>,
    /// The gaps of a detector, somewhere on it: maxipix, eiger-4m, pilatus-1m, ...
    #[arg(long, value_name = "NAME", conflicts_with = "gap")]
    detector: Option<String>,
    /// Photons in the whole pattern
    #[arg(long, value_name = "N", default_value_t = 1e7)]
    pub(super) photons: f64,
    /// Linear oversampling ratio
    #[arg(long, value_name = "RATIO", default_value_t = 3.0)]
    pub(super) oversampling: f64,
    /// Strain of the particle: root mean square of its phase inside, radians (in 2D before it is
    /// projected)
    #[arg(long, value_name = "RADIANS", default_value_t = 0.0)]
    strain: f64,
    /// A round beamstop of this radius
    #[arg(long, value_name = "PIXELS")]
    beamstop: Option<f64>,
}

impl QuickFlags {
    /// What `lacuna demo` shows.
    pub fn crystal(shape: Vec<usize>) -> Self {
        // A volume of 64 pixels has room for a crystal of some 20.
        let oversampling = if shape.len() == 2 { 4.0 } else { 3.0 };
        Self {
            shape: Some(shape),
            object: "crystal".into(),
            gap: None,
            detector: None,
            photons: 1e8,
            oversampling,
            strain: 0.5,
            beamstop: None,
        }
    }

    /// The recipe of what is asked for.
    pub fn recipe(&self) -> Result<Recipe> {
        self.recipe_of(&[256, 256])
    }

    /// The same with another shape where none is asked for.
    pub fn recipe_of(&self, shape: &[usize]) -> Result<Recipe> {
        let shape = self.shape.clone().unwrap_or(shape.to_vec());
        let family = Family::from_name(&self.object).ok_or_else(|| {
            let known: Vec<&str> = Family::NAMES.iter().map(|(name, _)| *name).collect();
            Error::setting("--object", &self.object, format!("known are {}", known.join(", ")))
        })?;
        if family == Family::Illuminated && self.strain != 0.0 {
            return Err(Error::setting("--strain", self.strain, "a beam on a sample has no strain"));
        }
        if self.beamstop.is_some_and(|radius| radius <= 0.0) {
            return Err(Error::setting("--beamstop", 0, "a radius is above 0"));
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
            shape,
            patterns_per_particle: 1,
            split: SplitRecipe::default(),
            oversampling: fixed(self.oversampling),
            object,
            measurement,
            gaps,
            beamstop,
        };
        recipe.check().map_err(|fault| self.refused(fault))?;
        Ok(recipe)
    }

    /// A fault of the recipe, told as one of the flag that it came from.
    fn refused(&self, fault: Fault) -> Error {
        let (flag, value) = match fault.key.as_str() {
            "shape" => ("--shape", self.shape.iter().flatten().map(ToString::to_string).collect::<Vec<_>>().join(",")),
            "oversampling" => ("--oversampling", self.oversampling.to_string()),
            "measurement.photons" => ("--photons", self.photons.to_string()),
            "object.strain.rms" => ("--strain", self.strain.to_string()),
            "gaps.detectors" => ("--detector", self.detector.clone().unwrap_or_default()),
            key if key.starts_with("gaps") => ("--gap", self.gap.unwrap_or_default().to_string()),
            "object.families" => ("--object", self.object.clone()),
            key if key.starts_with("beamstop") => ("--beamstop", self.beamstop.unwrap_or_default().to_string()),
            key => (key, String::new()),
        };
        Error::setting(flag, value, fault.problem)
    }
}

fn fixed(value: f64) -> ParameterRange {
    ParameterRange::new(value, value)
}
