//! From a reconstruction to a crystal with all that its files say.

use super::{Crystal, CrystalOptions, CrystalSummary, Orthogonal, Surface, crystal, facets, resample, surface};
use crate::error::Result;
use crate::geometry::{Frame, QGrid};
use crate::volume::Centered;
use num_complex::Complex32;

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
}

impl CrystalFiles {
    /// Brings an object to the laboratory, from whose phase `ramp` turns across the array were taken
    /// before.
    ///
    /// # Errors
    /// As [`crystal()`] and [`resample()`].
    pub fn new(
        object: &Centered<Complex32>,
        support: &Centered<bool>,
        grid: QGrid,
        ramp: [f64; 3],
        request: &CrystalRequest,
        command: &str,
    ) -> Result<Self> {
        let crystal = crystal(object, support, &grid, ramp, &request.options)?;
        let cubes = resample(&crystal, &grid, request.frame, request.voxel)?;
        let surface = surface(&cubes, crystal.isosurface.modulus);
        let facets = facets(&surface, cubes.g, |normal| grid.face(request.frame, crystal.g, normal));
        let summary = CrystalSummary::new(&crystal, &grid, &cubes, &surface, facets, &request.options);
        Ok(CrystalFiles { crystal, cubes, grid, surface, summary, command: command.into() })
    }
}
