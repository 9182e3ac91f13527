//! The flags that describe one clean pattern, with as many troubles as are asked for.

use lacuna::error::{Error, Result};
use lacuna::simulate::SinglePattern;
use lacuna::simulate::recipe::Recipe;

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
        self.recipe_of(&SinglePattern::default().shape)
    }

    /// The same with another shape where none is asked for.
    pub fn recipe_of(&self, shape: &[usize]) -> Result<Recipe> {
        let single = SinglePattern {
            shape: self.shape.clone().unwrap_or(shape.to_vec()),
            object: self.object.clone(),
            gap: self.gap,
            detector: self.detector.clone(),
            photons: self.photons,
            oversampling: self.oversampling,
            strain: self.strain,
            beamstop: self.beamstop,
        };
        single.recipe().map_err(|error| match error {
            Error::Setting { name, value, problem } => Error::Setting { name: format!("--{name}"), value, problem },
            other => other,
        })
    }
}
