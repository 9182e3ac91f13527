//! Where the phase turns: the line of a dislocation.

use super::{Crystal, Orthogonal};
use crate::geometry::{QGrid, Vector, dot, norm, turned};
use crate::volume::Centered;
use nalgebra::{Matrix3, SymmetricEigen, Vector3};
use serde::Serialize;

/// Vortices below which nothing is a line.
const FEWEST: usize = 5;

/// A straight line through the vortices of a phase, by total least squares.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DislocationLine {
    /// Its middle `(x, y, z)` in the frame of the cubes, nanometres.
    pub middle_nm: Vector,
    /// Its direction, of length one.
    pub direction: Vector,
    /// Angle to the momentum transfer, 0 to 90 degrees.
    pub degrees_to_q: f64,
    /// Root mean square of the vortices' distances from it, nanometres: those of one straight
    /// dislocation are within a voxel or two.
    pub off_nm: f64,
}

impl DislocationLine {
    /// The line through vortices, where there are enough.
    pub(super) fn new(crystal: &Crystal, grid: &QGrid, cubes: &Orthogonal) -> Option<Self> {
        let places = places(crystal, grid, cubes);
        if places.len() < FEWEST {
            return None;
        }
        let count = places.len() as f64;
        let middle: Vector = std::array::from_fn(|i| places.iter().map(|place| place[i]).sum::<f64>() / count);
        let covariance = Matrix3::from_fn(|i, j| {
            places.iter().map(|place| (place[i] - middle[i]) * (place[j] - middle[j])).sum::<f64>() / count
        });
        let SymmetricEigen { eigenvectors, eigenvalues } = SymmetricEigen::new(covariance);
        let longest = eigenvalues.imax();
        let axis: Vector3<f64> = eigenvectors.column(longest).into();
        // Either sense is right: the one of the momentum transfer.
        let along = dot([axis.x, axis.y, axis.z], cubes.g) / norm(cubes.g);
        let sense = if along < 0.0 { -1.0 } else { 1.0 };
        Some(DislocationLine {
            middle_nm: middle.map(|value| value * 1e9),
            direction: [axis.x, axis.y, axis.z].map(|value| value * sense),
            degrees_to_q: along.abs().min(1.0).acos().to_degrees(),
            off_nm: (eigenvalues.sum() - eigenvalues[longest]).max(0.0).sqrt() * 1e9,
        })
    }
}

/// Number of vortices in each cube.
pub(super) fn marked(crystal: &Crystal, grid: &QGrid, cubes: &Orthogonal) -> Centered<f32> {
    let mut marks = cubes.modulus.map(|_| 0.0);
    for place in places(crystal, grid, cubes) {
        let at: [f64; 3] = std::array::from_fn(|i| ((place[2 - i] - cubes.origin[2 - i]) / cubes.voxel).round());
        let cube = marks.0.get_mut(at.map(|i| i.max(0.0) as usize)).filter(|_| at.iter().all(|&i| i >= 0.0));
        if let Some(mark) = cube {
            *mark += 1.0;
        }
    }
    marks
}

/// Places of the vortices in the frame of the cubes, metres.
fn places(crystal: &Crystal, grid: &QGrid, cubes: &Orthogonal) -> Vec<Vector> {
    let rotation = grid.rotation(cubes.frame, crystal.g);
    crystal.vortices.iter().map(|&at| turned(&rotation, grid.place(at))).collect()
}
