//! Strain of the lattice planes: the derivative of the displacement along the momentum transfer.

use crate::geometry::{QGrid, Vector, dot, norm};
use crate::volume::Centered;
use ndarray::Array3;
use num_complex::Complex32;
use rayon::prelude::*;

/// Strain inside the surface; NaN outside, and where a voxel has no neighbour along an axis.
///
/// Derivatives are angles between neighbours, so that jumps of the phase by 2 pi do not matter,
/// those around a dislocation included. At the surface they are one-sided.
pub(super) fn along(object: &Centered<Complex32>, inside: &Centered<bool>, grid: &QGrid, g: Vector) -> Centered<f32> {
    let shape = object.shape();
    let length = norm(g);
    // A step of one voxel along axis j changes what the gradient's component along b_j multiplies:
    // grad u = sum du_j b_j, b_j = N_j steps_j / 2 pi.
    let weights: [f64; 3] = std::array::from_fn(|axis| {
        let along = dot(grid.steps[axis], g) / length;
        -along * shape[axis] as f64 / (2.0 * std::f64::consts::PI) / length
    });
    let (values, inside) = (object.as_slice(), inside.as_slice());
    let strides = [shape[1] * shape[2], shape[2], 1];
    let at_index = |index: usize| -> f32 {
        if !inside[index] {
            return f32::NAN;
        }
        let at = [index / strides[0], index / strides[1] % shape[1], index % shape[2]];
        let mut strain = 0.0;
        for axis in 0..3 {
            let turn = |from: usize, to: usize| f64::from((values[to] * values[from].conj()).arg());
            let before = (at[axis] > 0).then(|| index - strides[axis]).filter(|&other| inside[other]);
            let after = (at[axis] + 1 < shape[axis]).then(|| index + strides[axis]).filter(|&other| inside[other]);
            let slope = match (before, after) {
                (Some(before), Some(after)) => (turn(before, index) + turn(index, after)) / 2.0,
                (Some(before), None) => turn(before, index),
                (None, Some(after)) => turn(index, after),
                (None, None) => f64::NAN,
            };
            strain += weights[axis] * slope;
        }
        strain as f32
    };
    let all: Vec<f32> = (0..values.len()).into_par_iter().map(at_index).collect();
    let mut out = Array3::zeros(shape);
    out.iter_mut().zip(all).for_each(|(out, value)| *out = value);
    Centered(out)
}
