//! A crystal that stands in the laboratory, with a known shape, orientation and displacement, and
//! its pattern in the coordinates of a detector: the truth for everything that is said about
//! crystals.
//!
//! Waves are summed at the exact momentum transfer of each pixel and frame, which no lattice has:
//! a Fourier transform on the axes of the laboratory is interpolated there (`spectrum.rs`). Amplitudes
//! are right to half a hundredth of the largest: surfaces have steps of a cell.

mod solid;
mod spectrum;
#[cfg(test)]
mod tests;

pub use solid::Habit;

use super::farfield::FarField;
use crate::geometry::{Frame, QGrid, QMap, Vector, about, cross, dot, norm, product, transposed};
use crate::volume::Centered;
use ndarray::Array3;
use num_complex::Complex32;
use rayon::prelude::*;
use serde::Serialize;
use solid::Solid;
use spectrum::Spectrum;
use std::f64::consts::TAU;

/// A strained cubic crystal at a reflection.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LaboratoryCrystal {
    /// Shape.
    pub habit: Habit,
    /// Size, metres: extents along x, y, z of the laboratory for a box and an ellipsoid, for crystals
    /// with faces of their own three times the distance of opposite {111} faces.
    pub size: Vector,
    /// Miller indices of the reflection.
    pub hkl: [i32; 3],
    /// Edge of the cubic cell, metres.
    pub lattice_parameter: f64,
    /// Turn of the crystal about the momentum transfer, degrees.
    pub azimuth: f64,
    /// Strain along the momentum transfer at the end of the crystal that the vector points to; it
    /// goes linearly to minus that at the other end.
    pub strain: f64,
    /// A screw dislocation through the middle, along the momentum transfer, with a Burgers vector of
    /// one distance of planes.
    pub dislocation: bool,
    /// Photons in the whole pattern.
    pub photons: f64,
}

impl LaboratoryCrystal {
    /// Length of the reflection's momentum transfer, radians per metre.
    pub fn q(&self) -> f64 {
        TAU / self.lattice_parameter * norm(self.hkl.map(f64::from))
    }

    /// Orientation: the rotation from axes of the crystal to the laboratory that brings the
    /// reflection to `g`.
    fn orientation(&self, g: Vector) -> [Vector; 3] {
        let from = frame_along(self.hkl.map(f64::from));
        let to = frame_along(g);
        let turn = about(g.map(|value| value / norm(g)), self.azimuth.to_radians());
        // Rows of the frames are their axes: transposed, they bring their own axes to these.
        product(turn, product(transposed(to), from))
    }

    /// Momentum transfer from Miller indices with all circles of the sample at zero, radians per
    /// metre ([`crate::geometry::Goniometer::ub`]), for a pattern with this momentum transfer.
    pub fn ub(&self, grid: &QGrid) -> [Vector; 3] {
        let to_sample = grid.rotation(Frame::Sample, grid.centre);
        product(to_sample, self.orientation(grid.centre))
            .map(|row| row.map(|value| value * TAU / self.lattice_parameter))
    }

    /// Bytes that [`Self::far_field`] takes, about.
    pub fn memory(&self, map: &QMap, grid: &QGrid) -> u64 {
        let ends = grid.shape.map(|n| [0.0, (n - 1) as f64]);
        let mut largest: Vector = [0.0; 3];
        for corner in 0..8 {
            let q = map.at(std::array::from_fn(|axis| ends[axis][corner >> axis & 1]));
            largest = std::array::from_fn(|i| largest[i].max((q[i] - grid.centre[i]).abs()));
        }
        let half = Body::new(self, grid.centre).solid.half_extents();
        let voxels: u64 = grid.shape.iter().map(|&n| n as u64).product();
        Spectrum::bytes(largest, half).saturating_add(60 * voxels)
    }

    /// The pattern of frames, and the object on the voxels of its linearised momentum transfer: the
    /// truth, averaged over each voxel.
    pub fn far_field(&self, map: &QMap, grid: &QGrid) -> FarField {
        let body = Body::new(self, grid.centre);
        let mut amplitude = amplitudes(&body, map, grid);
        let total: f64 = amplitude.par_iter().map(|value| f64::from(value.norm_sqr())).sum();
        let scale = if total > 0.0 { (self.photons / total).sqrt() as f32 } else { 0.0 };
        amplitude.par_iter_mut().for_each(|value| *value *= scale);
        let shape = grid.shape;
        let object = on_voxels(&body, grid);
        // Energy is the same on both sides of a transform.
        let inside: f64 = object.par_iter().map(|value| f64::from(value.norm_sqr())).sum();
        let scale = (self.photons / inside.max(f64::MIN_POSITIVE)).sqrt() as f32;
        let array =
            |values: Vec<Complex32>| Centered(Array3::from_shape_vec(shape, values).expect("one value for each voxel"));
        let object = array(object);
        FarField {
            intensity: array(amplitude).map(|value| value.norm_sqr()),
            support: object.map(|value| value.norm_sqr() > 0.0),
            object: object.map(|value| value * scale),
        }
    }
}

/// A right-handed frame whose last axis lies along a vector; rows are its axes.
fn frame_along(vector: Vector) -> [Vector; 3] {
    let z = vector.map(|value| value / norm(vector));
    // The axis that is farthest from it.
    let smallest = (0..3).fold(0, |best, i| if z[i].abs() < z[best].abs() { i } else { best });
    let along: Vector = std::array::from_fn(|i| f64::from(u8::from(i == smallest)));
    let x: Vector = std::array::from_fn(|i| along[i] - dot(along, z) * z[i]);
    let x = x.map(|value| value / norm(x));
    [x, cross(z, x), z]
}

/// Density and displacement as functions of the place.
struct Body<'a> {
    crystal: &'a LaboratoryCrystal,
    solid: Solid,
    /// Momentum transfer of the reflection, and two directions across.
    g: Vector,
    axes: [Vector; 3],
    /// Half of the extent along the momentum transfer, metres.
    reach: f64,
}

impl<'a> Body<'a> {
    fn new(crystal: &'a LaboratoryCrystal, g: Vector) -> Self {
        let axes = frame_along(g);
        let solid = Solid::new(crystal.habit, crystal.size, crystal.orientation(g));
        let reach = solid.reach(axes[2]);
        Body { crystal, solid, g, axes, reach }
    }

    /// Displacement along the momentum transfer, metres.
    fn displacement(&self, r: Vector) -> f64 {
        let [across, other, along] = self.axes.map(|axis| dot(axis, r));
        let bent = self.crystal.strain / self.reach * along * along / 2.0;
        let turned = if self.crystal.dislocation { other.atan2(across) / norm(self.g) } else { 0.0 };
        bent + turned
    }

    /// The object at a place, of which a cell of this width is in part inside.
    fn value(&self, r: Vector, width: f64) -> Complex32 {
        let part = (0.5 - self.solid.distance(r) / width).clamp(0.0, 1.0);
        if part == 0.0 {
            return Complex32::ZERO;
        }
        let phase = -norm(self.g) * self.displacement(r);
        Complex32::from_polar(part as f32, phase.rem_euclid(TAU) as f32)
    }
}

/// Amplitudes at the momentum transfer of every pixel, less that of the middle.
fn amplitudes(body: &Body, map: &QMap, grid: &QGrid) -> Vec<Complex32> {
    let [nz, ny, nx] = grid.shape;
    let g = body.g;
    let change = |index: usize| -> Vector {
        let at = [index / (ny * nx), index / nx % ny, index % nx].map(|i| i as f64);
        let q = map.at(at);
        std::array::from_fn(|i| q[i] - g[i])
    };
    let changes: Vec<Vector> = (0..nz * ny * nx).into_par_iter().map(change).collect();
    let largest =
        changes.par_iter().map(|q| q.map(f64::abs)).reduce(|| [0.0; 3], |a, b| std::array::from_fn(|i| a[i].max(b[i])));
    let spectrum = Spectrum::new(largest, body.solid.half_extents(), |r, edge| body.value(r, edge));
    // Surfaces are averaged over a cell along their normal, which is where their waves go.
    let averaged = |q: Vector| {
        let half = norm(q) * spectrum.edge / 2.0;
        if half < 1e-6 { 1.0 } else { half.sin() / half }
    };
    changes.into_par_iter().map(|q| spectrum.at(q) / averaged(q) as f32).collect()
}

/// Points along each axis of a voxel over which the object is averaged.
const POINTS: usize = 3;

/// The object averaged over each voxel of a lattice.
fn on_voxels(body: &Body, grid: &QGrid) -> Vec<Complex32> {
    let [_, ny, nx] = grid.shape;
    let edges: f64 = grid.voxels().iter().map(|&voxel| norm(voxel)).sum();
    let width = edges / 3.0 / POINTS as f64;
    let reach = norm(body.solid.half_extents()) + edges;
    let value = |index: usize| {
        let at = [index / (ny * nx), index / nx % ny, index % nx];
        let place = |offset: [f64; 3]| grid.place(std::array::from_fn(|a| at[a] as f64 + offset[a]));
        if norm(place([0.0; 3])) > reach {
            return Complex32::ZERO;
        }
        let inside = |i: usize| (i as f64 + 0.5) / POINTS as f64 - 0.5;
        let points = ndarray::indices([POINTS; 3]);
        let sum: Complex32 = points.into_iter().map(|(z, y, x)| body.value(place([z, y, x].map(inside)), width)).sum();
        sum / POINTS.pow(3) as f32
    };
    (0..grid.shape.iter().product()).into_par_iter().map(value).collect()
}
