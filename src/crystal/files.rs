//! What the files of a crystal are made of.

use super::{Crystal, CrystalSummary, Orthogonal, Surface};
use crate::geometry::QGrid;

/// A crystal with all that its files say.
#[derive(Debug, Clone, Copy)]
pub struct CrystalFiles<'a> {
    /// The crystal on its own voxels.
    pub crystal: &'a Crystal,
    /// The same on cubes.
    pub cubes: &'a Orthogonal,
    /// Momentum transfer of its pattern.
    pub grid: &'a QGrid,
    /// Its surface on the cubes.
    pub surface: &'a Surface,
    /// Its numbers.
    pub summary: &'a CrystalSummary,
    /// Command line that made it.
    pub command: &'a str,
}
