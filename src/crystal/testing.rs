//! Solids on cubes, for tests.

use super::Orthogonal;
use crate::geometry::{Frame, Vector};
use crate::volume::Centered;
use ndarray::Array3;

/// A solid on cubes of 1.5 nm in 60 x 56 x 52 nm around the origin. `depth` is the distance `(x, y,
/// z)` from its surface in nm, negative inside; the modulus is 1 there and grows by 1 a cube
/// inwards, up to 2; strain, displacement and phase are the place along x.
pub(super) fn solid(depth: impl Fn(Vector) -> f64) -> Orthogonal {
    let shape = [40, 38, 35];
    let origin = [-26.0, -28.0, -30.0];
    let place =
        |(z, y, x): (usize, usize, usize)| -> Vector { std::array::from_fn(|i| origin[i] + 1.5 * [x, y, z][i] as f64) };
    let modulus = Array3::from_shape_fn(shape, |at| (1.0 - depth(place(at)) / 1.5).clamp(0.0, 2.0) as f32);
    let inside = Array3::from_shape_fn(shape, |at| depth(place(at)) < 0.0);
    let strain = Centered(Array3::from_shape_fn(shape, |at| match inside[[at.0, at.1, at.2]] {
        true => place(at)[0] as f32,
        false => f32::NAN,
    }));
    Orthogonal {
        frame: Frame::Laboratory,
        voxel: 1.5e-9,
        origin: origin.map(|value| value * 1e-9),
        modulus: Centered(modulus),
        phase: strain.clone(),
        displacement: strain.clone(),
        strain,
        inside: Centered(inside),
        g: [0.0, 0.0, 1e10],
    }
}
