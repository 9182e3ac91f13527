//! From a reconstruction to a crystal with all that its files say.

use super::summary::Found;
use super::{Crystal, CrystalOptions, CrystalSummary, Orthogonal, Surface, crystal, facets, resample, surface};
use crate::error::Result;
use crate::geometry::{EV, Frame, Geometry, Goniometer, QGrid};
use crate::volume::Centered;
use num_complex::Complex32;
use serde_json::json;

/// What a crystal's files are made with.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CrystalRequest {
    /// From the object to displacement and strain.
    pub options: CrystalOptions,
    /// Axes of the cubes.
    pub frame: Frame,
    /// Edge of the cubes, metres; `None` for the volume of the sheared voxels.
    pub voxel: Option<f64>,
}

/// A reconstruction beside its arrays, and how a crystal is made of it.
#[derive(Debug, Clone, Default)]
pub struct Origin<'a> {
    /// Turns across the array along `(z, y, x)` that were taken from its phase.
    pub ramp: [f64; 3],
    /// Whether its object was found, where that is known.
    pub found: Option<Found>,
    /// Circles of its pattern.
    pub goniometer: Goniometer,
    /// Geometry of its pattern.
    pub geometry: Geometry,
    /// Command line that makes the crystal.
    pub command: &'a str,
}

/// A crystal with all that its files say.
#[derive(Debug, Clone)]
pub struct CrystalFiles {
    /// The crystal on its own voxels.
    pub crystal: Crystal,
    /// The same on cubes.
    pub cubes: Orthogonal,
    /// Momentum transfer of its pattern.
    pub grid: QGrid,
    /// Its surface on the cubes.
    pub surface: Surface,
    /// Its numbers.
    pub summary: CrystalSummary,
    /// Command line that made it.
    pub command: String,
    /// With what it was made: options, geometry and circles.
    pub settings: serde_json::Value,
}

impl CrystalFiles {
    /// Brings an object to the laboratory.
    ///
    /// # Errors
    /// As [`crystal()`] and [`resample()`].
    pub fn new(
        object: &Centered<Complex32>,
        support: &Centered<bool>,
        grid: QGrid,
        origin: Origin,
        request: &CrystalRequest,
    ) -> Result<Self> {
        let crystal = crystal(object, support, &grid, origin.ramp, &request.options)?;
        let cubes = resample(&crystal, &grid, request.frame, request.voxel)?;
        let surface = surface(&cubes, crystal.isosurface.modulus);
        let facets = facets(&surface, cubes.g, |normal| grid.face(request.frame, crystal.g, normal));
        let settings = request.settings(&origin);
        let summary = CrystalSummary::new(&crystal, &grid, &cubes, &surface, facets, &request.options);
        let summary = CrystalSummary { found: origin.found, ..summary };
        Ok(CrystalFiles { crystal, cubes, grid, surface, summary, command: origin.command.into(), settings })
    }
}

impl CrystalRequest {
    /// What was asked for and of what, as it is written.
    fn settings(&self, origin: &Origin) -> serde_json::Value {
        let CrystalOptions { twin, isosurface, keep_ramp, hkl } = self.options;
        let Geometry { energy, distance, pixel_size } = origin.geometry;
        json!({
            "frame": self.frame.name(), "voxel_nm": self.voxel.map(|edge| edge * 1e9), "twin": twin,
            "isosurface": isosurface, "keep_ramp": keep_ramp, "hkl": hkl, "energy_ev": energy.map(|energy| energy / EV),
            "distance_m": distance, "pixel_size_m": pixel_size, "goniometer": origin.goniometer,
        })
    }
}
