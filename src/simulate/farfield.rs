//! The far field of a particle: sampled twice as fine as the detector needs, transformed, and cut
//! to the detector.
//!
//! A real detector sees a window of an endless pattern. A particle sampled at the detector's own
//! resolution would fold everything beyond the window back into it; half the voxel folds in only
//! what lies beyond three half widths. The object that belongs to the pattern is the band-limited
//! one: its unitary transform is exactly the amplitude inside the window.
//!
//! Along z, the rocking curve, the transform is a plain sum: the frames need not be evenly spaced,
//! and the particle fills only part of the axis. A 2D pattern is the single frame at zero: the
//! projection of the particle along z.

use crate::fft::Fft;
use crate::volume::{Centered, Cornered, Shape};
use ndarray::{Array3, Axis};
use num_complex::{Complex32, Complex64};
use rayon::prelude::*;
use std::f64::consts::TAU;

/// Factor by which the particle is sampled finer than the object's pixels, along each axis.
const FINE: usize = 2;
/// Most samples along the beam of a projection. Surfaces are smoothed, so thicknesses are right to
/// a fraction of a sample.
const PROJECTED: usize = 32;

/// A scattering object, an implicit function of `(z, y, x)`.
pub trait Scatterer: Sync {
    /// Half extents of its bounding box, centred on the origin.
    fn half_extents(&self) -> [f64; 3];
    /// Signed distance from the surface, negative inside: exact near the surface, elsewhere a
    /// bound.
    fn distance(&self, r: [f64; 3]) -> f64;
    /// Complex density at a point inside; `depth` is minus the distance there.
    fn value(&self, r: [f64; 3], depth: f64) -> Complex64;
    /// Whether nothing varies along z.
    fn is_flat(&self) -> bool;
}

/// Sampling of a far field.
#[derive(Debug, Clone, PartialEq)]
pub struct Sampling {
    /// Pixels of the pattern `(z, y, x)`; 2D patterns have `z = 1`.
    pub shape: Shape,
    /// Linear oversampling ratio of each axis: extent of the array over extent of the particle,
    /// which is also the fringe period in pixels. That of z has no meaning in 2D.
    pub oversampling: [f64; 3],
    /// Offset of the centre of the diffraction peak from the centre of the array, pixels
    /// `(z, y, x)`.
    pub peak_offset: [f64; 3],
    /// Deviation of each frame from its nominal place on the rocking curve, in steps; none if
    /// empty.
    pub frame_offsets: Vec<f64>,
    /// Photons in the whole pattern.
    pub photons: f64,
}

/// A noise-free far field and the object behind it.
#[derive(Debug, Clone, PartialEq)]
pub struct FarField {
    /// Noise-free photons per pixel.
    pub intensity: Centered<f32>,
    /// Band-limited object: the intensity of its unitary transform is `intensity`, were the frames
    /// evenly spaced.
    pub object: Centered<Complex32>,
    /// Voxels that the particle touches.
    pub support: Centered<bool>,
}

/// Computes the far field of a particle.
pub fn far_field(particle: &impl Scatterer, sampling: &Sampling) -> FarField {
    let [nz, ny, nx] = sampling.shape;
    let sampled = Sampled::new(particle, sampling);
    let planes = sampled.planes(sampling.shape);
    let even = vec![0.0; nz];
    let mut amplitude = rocking_curve(&planes, sampled.first[0], &even, nz);
    let total: f64 = amplitude.par_iter().map(|a| f64::from(a.norm_sqr())).sum();
    let scale = if total > 0.0 { (sampling.photons / total).sqrt() as f32 } else { 0.0 };
    amplitude.par_mapv_inplace(|value| value * scale);

    let intensity = if sampling.frame_offsets.is_empty() {
        amplitude.map(|value| value.norm_sqr())
    } else {
        let uneven = rocking_curve(&planes, sampled.first[0], &sampling.frame_offsets, nz);
        uneven.map(|value| (value * scale).norm_sqr())
    };
    let (mut wave, _) = Centered(amplitude).to_cornered().0.into_raw_vec_and_offset();
    Fft::new(sampling.shape).inverse(&mut wave);
    let object = Array3::from_shape_vec((nz, ny, nx), wave).expect("the same number of elements");
    FarField {
        intensity: Centered(intensity),
        object: Cornered(object).to_centered(),
        support: sampled.support(sampling.shape),
    }
}

/// A particle on the fine grid, its bounding box only.
struct Sampled {
    /// Density times phase ramp, averaged over each voxel; summed along z in 2D.
    values: Array3<Complex32>,
    /// Voxels that the particle fills in part.
    touched: Array3<bool>,
    /// Index of the first voxel along each axis, from the origin.
    first: [isize; 3],
}

impl Sampled {
    fn new(particle: &impl Scatterer, sampling: &Sampling) -> Self {
        let half = particle.half_extents();
        let two_dimensional = sampling.shape[0] == 1;
        // Voxel edges in the particle's units.
        let mut edge = [0.0; 3];
        for axis in 0..3 {
            let voxels = FINE as f64 * sampling.shape[axis] as f64 / sampling.oversampling[axis];
            edge[axis] = 2.0 * half[axis] / voxels;
        }
        let mut reach = [0; 3];
        if two_dimensional {
            let lateral = edge[1].min(edge[2]);
            let samples = ((2.0 * half[0] / lateral).ceil() as usize).clamp(1, PROJECTED);
            edge[0] = 2.0 * half[0] / samples as f64;
            reach[0] = samples / 2;
        }
        for axis in usize::from(two_dimensional)..3 {
            // One voxel more, so that a filled part of the outermost one is not lost; never more
            // than the array holds.
            reach[axis] = ((half[axis] / edge[axis]).ceil() as usize + 1).min(FINE * sampling.shape[axis] / 2);
        }
        if particle.is_flat() {
            reach[0] = 0;
        }
        let first = reach.map(|n| -(n as isize));
        let counts = reach.map(|n| 2 * n + 1);
        // A phase ramp moves the peak.
        let ramp = |axis: usize| -> Vec<Complex64> {
            let cells = (FINE * sampling.shape[axis]) as f64;
            let step = TAU * sampling.peak_offset[axis] / cells;
            (0..counts[axis]).map(|i| Complex64::from_polar(1.0, step * (first[axis] + i as isize) as f64)).collect()
        };
        let ramps = [ramp(0), ramp(1), ramp(2)];
        let place = |axis: usize, i: usize| (first[axis] + i as isize) as f64 * edge[axis];
        let voxel = |z: usize, y: usize, x: usize| {
            let centre = [place(0, z), place(1, y), place(2, x)];
            let turn = if two_dimensional { Complex64::ONE } else { ramps[0][z] } * ramps[1][y] * ramps[2][x];
            mean_value(particle, centre, edge) * turn
        };
        let [depth, height, width] = counts;
        if two_dimensional {
            let mut values = Array3::zeros((1, height, width));
            let mut touched = Array3::from_elem((1, height, width), false);
            let rows = values.axis_iter_mut(Axis(1)).into_par_iter().zip(touched.axis_iter_mut(Axis(1)));
            rows.enumerate().for_each(|(y, (mut row, mut touch))| {
                for x in 0..width {
                    let (sum, any) = (0..depth)
                        .map(|z| voxel(z, y, x))
                        .fold((Complex64::ZERO, false), |(sum, any), v| (sum + v, any || v != Complex64::ZERO));
                    row[[0, x]] = narrow(sum);
                    touch[[0, x]] = any;
                }
            });
            return Sampled { values, touched, first: [0, first[1], first[2]] };
        }
        let mut values = Array3::zeros((depth, height, width));
        values.axis_iter_mut(Axis(0)).into_par_iter().enumerate().for_each(|(z, mut slab)| {
            for ((y, x), value) in slab.indexed_iter_mut() {
                *value = narrow(voxel(z, y, x));
            }
        });
        let touched = values.map(|value| *value != Complex32::ZERO);
        Sampled { values, touched, first }
    }

    /// Transforms along y and x, cut to the pattern's window: zero frequency at `n / 2`, one plane
    /// for each z of the box.
    fn planes(&self, [_, ny, nx]: Shape) -> Array3<Complex32> {
        let (height, width) = (FINE * ny, FINE * nx);
        let fft = Fft::new([1, height, width]);
        let wrap = |i: isize, n: usize| i.rem_euclid(n as isize) as usize;
        let mut planes = Array3::zeros((self.values.dim().0, ny, nx));
        planes.axis_iter_mut(Axis(0)).into_par_iter().zip(self.values.axis_iter(Axis(0))).for_each(
            |(mut plane, slab)| {
                let mut wave = vec![Complex32::ZERO; height * width];
                for ((y, x), value) in slab.indexed_iter() {
                    let row = wrap(self.first[1] + y as isize, height);
                    let column = wrap(self.first[2] + x as isize, width);
                    // Added, because a box that fills the array meets its own other end.
                    wave[row * width + column] += value;
                }
                fft.forward(&mut wave);
                for ((y, x), value) in plane.indexed_iter_mut() {
                    let row = wrap(y as isize - (ny / 2) as isize, height);
                    let column = wrap(x as isize - (nx / 2) as isize, width);
                    *value = wave[row * width + column];
                }
            },
        );
        planes
    }

    /// Coarse voxels that the particle touches: those that a fine one with something in it belongs
    /// to.
    fn support(&self, shape: Shape) -> Centered<bool> {
        let mut support = Centered::filled(shape, false);
        // The coarse voxel j has its centre on the fine one 2 j and reaches to the middle of its
        // neighbours: those belong to two.
        let coarse = |axis: usize, i: usize| {
            let (fine, n) = (self.first[axis] + i as isize, shape[axis] as isize);
            [fine, fine + 1].map(|f| (f.div_euclid(FINE as isize) + n / 2).clamp(0, n - 1) as usize)
        };
        for ((z, y, x), _) in self.touched.indexed_iter().filter(|(_, touched)| **touched) {
            for z in if shape[0] == 1 { [0, 0] } else { coarse(0, z) } {
                for y in coarse(1, y) {
                    for x in coarse(2, x) {
                        support.0[[z, y, x]] = true;
                    }
                }
            }
        }
        support
    }
}

/// Mean complex density of a voxel: its centre's, times the filled fraction at the surface.
fn mean_value(particle: &impl Scatterer, centre: [f64; 3], edge: [f64; 3]) -> Complex64 {
    let flat = particle.is_flat();
    let distance = particle.distance(centre);
    let depth_edge = if flat { 0.0 } else { edge[0] };
    let reach = 0.5 * (depth_edge * depth_edge + edge[1] * edge[1] + edge[2] * edge[2]).sqrt();
    if distance > reach {
        return Complex64::ZERO;
    }
    if distance < -reach {
        return particle.value(centre, -distance);
    }
    // The surface is a plane across a voxel: the filling falls from 1 to 0 over the change of the
    // distance from one corner to the opposite one. Exact for faces along the axes, and right on
    // average for all others.
    let change = |axis: usize| {
        let mut ends = [centre; 2];
        ends[0][axis] -= 0.5 * edge[axis];
        ends[1][axis] += 0.5 * edge[axis];
        (particle.distance(ends[1]) - particle.distance(ends[0])).abs()
    };
    let across: f64 = (usize::from(flat)..3).map(change).sum();
    let filled = if across > 0.0 { (0.5 - distance / across).clamp(0.0, 1.0) } else { f64::from(distance < 0.0) };
    if filled == 0.0 {
        return Complex64::ZERO;
    }
    particle.value(centre, (-distance).max(0.0)) * filled
}

fn narrow(value: Complex64) -> Complex32 {
    Complex32::new(value.re as f32, value.im as f32)
}

/// The sum over the particle's planes for each frame:
/// `A(m) = sum_z B(z) exp(-2 pi i (m + offset) z / (2 n))`.
fn rocking_curve(planes: &Array3<Complex32>, first: isize, offsets: &[f64], frames: usize) -> Array3<Complex32> {
    let (depth, ny, nx) = planes.dim();
    if frames == 1 {
        return planes.clone();
    }
    let mut amplitude = Array3::zeros((frames, ny, nx));
    let step = TAU / (FINE * frames) as f64;
    let turns: Vec<Vec<Complex32>> = (0..frames)
        .map(|m| {
            let frequency = m as f64 - (frames / 2) as f64 + offsets.get(m).copied().unwrap_or(0.0);
            (0..depth)
                .map(|z| narrow(Complex64::from_polar(1.0, -step * frequency * (first + z as isize) as f64)))
                .collect()
        })
        .collect();
    // By detector rows: the planes of one row fit into the cache, whatever the number of frames.
    amplitude.axis_iter_mut(Axis(1)).into_par_iter().zip(planes.axis_iter(Axis(1))).for_each(|(mut out, row)| {
        for (mut line, turns) in out.rows_mut().into_iter().zip(&turns) {
            let line = line.as_slice_mut().expect("rows are contiguous");
            for (values, turn) in row.rows().into_iter().zip(turns) {
                let values = values.to_slice().expect("rows are contiguous");
                for (sum, value) in line.iter_mut().zip(values) {
                    *sum += value * turn;
                }
            }
        }
    });
    amplitude
}

#[cfg(test)]
#[path = "farfield_tests.rs"]
mod tests;
