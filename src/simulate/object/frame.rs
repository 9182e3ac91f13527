//! Vectors along (z, y, x), rotations, and placement of solids.

use crate::simulate::draw::{ParameterRange, Rng, normal};
use std::f64::consts::TAU;

/// A point or a direction, (z, y, x).
pub type Vector = [f64; 3];

pub fn dot(a: Vector, b: Vector) -> f64 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

pub fn cross(a: Vector, b: Vector) -> Vector {
    [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
}

pub fn add(a: Vector, b: Vector) -> Vector {
    [a[0] + b[0], a[1] + b[1], a[2] + b[2]]
}

pub fn sub(a: Vector, b: Vector) -> Vector {
    [a[0] - b[0], a[1] - b[1], a[2] - b[2]]
}

pub fn scaled(a: Vector, factor: f64) -> Vector {
    a.map(|value| value * factor)
}

pub fn norm(a: Vector) -> f64 {
    dot(a, a).sqrt()
}

/// The direction of a vector that is not zero.
pub fn unit(a: Vector) -> Vector {
    scaled(a, 1.0 / norm(a))
}

/// Draws an angle, all equally likely.
pub fn angle(rng: &mut Rng) -> f64 {
    ParameterRange::new(0.0, TAU).uniform(rng)
}

/// Draws a direction, all equally likely; within the plane z = 0 for `flat` objects.
pub fn direction(flat: bool, rng: &mut Rng) -> Vector {
    if flat {
        let (sin, cos) = angle(rng).sin_cos();
        return [0.0, sin, cos];
    }
    unit([normal(rng), normal(rng), normal(rng)])
}

/// Smooth step of width 1: 0 below 0, 1 above 1.
pub fn smooth_step(t: f64) -> f64 {
    let t = t.clamp(0.0, 1.0);
    t * t * (3.0 - 2.0 * t)
}

/// A proper rotation, its rows the axes of the rotated body.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rotation([Vector; 3]);

impl Rotation {
    pub const NONE: Rotation = Rotation([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]);

    /// Draws a rotation, all orientations equally likely: a quaternion that is uniform on its
    /// sphere.
    pub fn random(rng: &mut Rng) -> Rotation {
        let q: [f64; 4] = std::array::from_fn(|_| normal(rng));
        let length = q.iter().map(|value| value * value).sum::<f64>().sqrt();
        let [w, x, y, z] = q.map(|value| value / length);
        Rotation([
            [1.0 - 2.0 * (y * y + z * z), 2.0 * (x * y - z * w), 2.0 * (x * z + y * w)],
            [2.0 * (x * y + z * w), 1.0 - 2.0 * (x * x + z * z), 2.0 * (y * z - x * w)],
            [2.0 * (x * z - y * w), 2.0 * (y * z + x * w), 1.0 - 2.0 * (x * x + y * y)],
        ])
    }

    /// Draws a rotation about the z axis, all angles equally likely.
    pub fn in_plane(rng: &mut Rng) -> Rotation {
        let (sin, cos) = angle(rng).sin_cos();
        Rotation([[1.0, 0.0, 0.0], [0.0, cos, -sin], [0.0, sin, cos]])
    }

    pub fn apply(&self, r: Vector) -> Vector {
        self.0.map(|row| dot(row, r))
    }
}

/// Placement of a solid: rotation, scale and shift.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Frame {
    /// Rotation from outside to the solid's own axes.
    pub rotation: Rotation,
    /// Position of the solid's origin.
    pub centre: Vector,
    /// Factor by which the solid becomes larger.
    pub scale: f64,
}

impl Frame {
    /// Frame at the origin, without a change of size.
    pub fn turned(rotation: Rotation) -> Frame {
        Frame { rotation, centre: [0.0; 3], scale: 1.0 }
    }

    /// Coordinates of a point in the solid's own axes.
    pub fn local(&self, r: Vector) -> Vector {
        scaled(self.rotation.apply(sub(r, self.centre)), 1.0 / self.scale)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    #[test]
    fn rotations_are_proper() {
        let mut rng = Rng::seed_from_u64(3);
        for rotation in [Rotation::NONE, Rotation::random(&mut rng), Rotation::in_plane(&mut rng)] {
            let [a, b, c] = rotation.0;
            // Rounding of a dozen operations on numbers up to 1.
            assert!((dot(cross(a, b), c) - 1.0).abs() < 1e-14);
            assert!(dot(a, b).abs() < 1e-14 && dot(b, c).abs() < 1e-14 && dot(a, c).abs() < 1e-14);
        }
    }
}
