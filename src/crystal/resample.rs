//! A crystal on a cubic grid: from sheared voxels to cubes, in a frame of reference.

use super::Crystal;
use crate::error::{Error, Result, bytes_text};
use crate::geometry::{Frame, QGrid, Vector, dot, norm, turned};
use crate::volume::{Centered, Shape};
use ndarray::Array3;
use rayon::prelude::*;

/// Cubes left around the crystal.
const MARGIN: f64 = 2.0;

/// Points at most along each axis of a cube over which sheared voxels are averaged.
const FINEST: usize = 6;

/// Cubes at most, of 5 arrays of 4 bytes.
const MOST: usize = 1 << 28;

/// A crystal on cubes. Arrays are `(z, y, x)` of the frame; NaN outside the crystal where nothing
/// else is said.
#[derive(Debug, Clone)]
pub struct Orthogonal {
    /// Frame of reference.
    pub frame: Frame,
    /// Edge of a cube, metres.
    pub voxel: f64,
    /// Centre `(x, y, z)` of the first cube, metres; the middle of the reconstruction is the
    /// origin.
    pub origin: Vector,
    /// Modulus of the object, outside the surface too.
    pub modulus: Centered<f32>,
    /// Phase, radians.
    pub phase: Centered<f32>,
    /// Displacement, metres.
    pub displacement: Centered<f32>,
    /// Strain.
    pub strain: Centered<f32>,
    /// Cubes of which more than half lies inside the surface.
    pub inside: Centered<bool>,
    /// Momentum transfer in the frame, radians per metre.
    pub g: Vector,
}

/// Brings a crystal to cubes of `voxel` metres, by default of the volume of its sheared voxels, by
/// trilinear interpolation, averaged over each cube where that is larger than the voxels.
///
/// # Errors
/// [`Error::Object`] for an edge that is not positive, [`Error::Memory`] for too many cubes.
pub fn resample(crystal: &Crystal, grid: &QGrid, frame: Frame, voxel: Option<f64>) -> Result<Orthogonal> {
    let rotation = grid.rotation(frame, crystal.g);
    let voxels = grid.voxels().map(|vector| turned(&rotation, vector));
    let volume = dot(voxels[0], crate::geometry::cross(voxels[1], voxels[2])).abs();
    let edge = voxel.unwrap_or(volume.cbrt());
    if !(edge.is_finite() && edge > 0.0) {
        return Err(Error::Object(format!("cubes of {edge} m cannot be made: their edge must be above 0")));
    }
    let shape = crystal.object.shape();
    // b_j . r is the number of voxels along axis j.
    let to_voxels: [Vector; 3] = std::array::from_fn(|axis| {
        let step = turned(&rotation, grid.steps[axis]);
        step.map(|value| value * shape[axis] as f64 / (2.0 * std::f64::consts::PI))
    });
    let (mut low, mut high) = ([f64::INFINITY; 3], [f64::NEG_INFINITY; 3]);
    for (at, _) in crystal.inside.0.indexed_iter().filter(|(_, inside)| **inside) {
        let at: [usize; 3] = at.into();
        let r = turned(&rotation, grid.place(at.map(|i| i as f64)));
        for i in 0..3 {
            (low[i], high[i]) = (low[i].min(r[i]), high[i].max(r[i]));
        }
    }
    let origin: Vector = low.map(|low| ((low / edge).floor() - MARGIN) * edge);
    let counts: [f64; 3] = std::array::from_fn(|i| ((high[i] - origin[i]) / edge).ceil() + 1.0 + MARGIN);
    if counts.iter().product::<f64>() > MOST as f64 {
        let needed = counts.iter().product::<f64>() * 20.0;
        return Err(Error::Memory {
            needed: needed as u64,
            available: MOST as u64 * 20,
            remedy: format!("larger cubes than {:.3} nm, {} would fit", 1e9 * edge, bytes_text(MOST as u64 * 20)),
        });
    }
    let [nx, ny, nz] = counts.map(|count| count as usize);
    let smallest = voxels.iter().map(|&vector| norm(vector)).fold(f64::INFINITY, f64::min);
    let points = ((edge / smallest).ceil() as usize).clamp(1, FINEST);

    let sample = |index: usize| -> Sample {
        let at = [index % nx, index / nx % ny, index / (nx * ny)];
        let mut sum = Sample::default();
        for point in 0..points.pow(3) {
            let fine = [point % points, point / points % points, point / (points * points)];
            let r: Vector = std::array::from_fn(|i| {
                let inside = (fine[i] as f64 + 0.5) / points as f64 - 0.5;
                origin[i] + (at[i] as f64 + inside) * edge
            });
            sum.add(crystal, to_voxels.map(|b| dot(b, r)), shape);
        }
        sum
    };
    let samples: Vec<Sample> = (0..nx * ny * nz).into_par_iter().map(sample).collect();
    let all = points.pow(3) as f64;
    if samples.iter().all(|sample| sample.weight <= 0.5 * all) {
        let problem = format!("cubes of {:.1} nm are larger than the crystal: give a smaller edge", 1e9 * edge);
        return Err(Error::Object(problem));
    }
    let field = |value: &dyn Fn(&Sample) -> f64| {
        Centered(Array3::from_shape_fn([nz, ny, nx], |(z, y, x)| value(&samples[(z * ny + y) * nx + x]) as f32))
    };
    let within = |value: f64, sample: &Sample| if sample.weight > 0.5 * all { value / sample.weight } else { f64::NAN };
    let strained = |s: &Sample| if s.strained > 0.25 * all { s.strain / s.strained } else { f64::NAN };
    Ok(Orthogonal {
        frame,
        voxel: edge,
        origin,
        modulus: field(&|s| s.modulus / all),
        phase: field(&|s| within(s.phase, s)),
        displacement: field(&|s| within(s.phase, s) / -norm(crystal.g)),
        strain: field(&|s| if s.weight > 0.5 * all { strained(s) } else { f64::NAN }),
        inside: field(&|s| s.weight).map(|&weight| f64::from(weight) > 0.5 * all),
        g: turned(&rotation, crystal.g),
    })
}

/// Sums over the points of a cube, each weighing one.
#[derive(Debug, Clone, Copy, Default)]
struct Sample {
    modulus: f64,
    /// Part of the weight that lies inside the surface, and the phase over it.
    weight: f64,
    phase: f64,
    /// The same where the strain is known.
    strained: f64,
    strain: f64,
}

impl Sample {
    /// Adds the values at a place in voxels `(z, y, x)` from the middle.
    fn add(&mut self, crystal: &Crystal, voxels: [f64; 3], shape: Shape) {
        let place: [f64; 3] = std::array::from_fn(|axis| voxels[axis] + (shape[axis] / 2) as f64);
        let first = place.map(f64::floor);
        for corner in 0..8 {
            let up = [corner >> 2, (corner >> 1) & 1, corner & 1];
            let mut weight = 1.0;
            let mut at = [0; 3];
            for axis in 0..3 {
                let part = place[axis] - first[axis];
                weight *= if up[axis] == 1 { part } else { 1.0 - part };
                let number = first[axis] + f64::from(up[axis]);
                if number < 0.0 || number >= shape[axis] as f64 {
                    weight = 0.0;
                } else {
                    at[axis] = number as usize;
                }
            }
            if weight == 0.0 {
                continue;
            }
            self.modulus += weight * f64::from(crystal.object.0[at].norm());
            if crystal.inside.0[at] {
                self.weight += weight;
                self.phase += weight * f64::from(crystal.phase.0[at]);
                let strain = f64::from(crystal.strain.0[at]);
                if strain.is_finite() {
                    self.strained += weight;
                    self.strain += weight * strain;
                }
            }
        }
    }
}
