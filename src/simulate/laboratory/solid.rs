//! Shapes in the laboratory.

use crate::geometry::{Vector, dot, norm, turned};
use crate::simulate::object::cubic;
use serde::{Deserialize, Serialize};

/// Shape of a crystal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Habit {
    /// Edges along the axes of the laboratory.
    Box,
    /// Axes along those of the laboratory.
    Ellipsoid,
    /// The eight {111} faces.
    Octahedron,
    /// Wulff's shape of gold and platinum: {111} faces, cut by {100} at 1.15 of their
    /// distance.
    Wulff,
}

/// Surface energy of {100} over that of {111}: of gold, L. Vitos et al., Surf. Sci. 411, 186 (1998):
/// 1.27 over 1.28 by calculation, 1.1 to 1.2 by the shapes of particles.
const CUBE_FACE: f64 = 1.15;

/// A shape with its orientation.
pub(super) enum Solid {
    /// Half axes.
    Ellipsoid(Vector),
    /// Outward normals and distances of the faces, and half extents along the axes.
    Faces(Vec<(Vector, f64)>, Vector),
}

impl Solid {
    /// `orientation` turns axes of the crystal to the laboratory.
    pub fn new(habit: Habit, size: Vector, orientation: [Vector; 3]) -> Self {
        let half = size.map(|edge| edge / 2.0);
        let family = |hkl: [i32; 3], distance: f64| {
            cubic(hkl).into_iter().map(move |normal| (turned(&orientation, normal), distance))
        };
        match habit {
            Habit::Ellipsoid => Solid::Ellipsoid(half),
            Habit::Box => {
                let faces = (0..6).map(|i| {
                    let sign = if i < 3 { 1.0 } else { -1.0 };
                    (std::array::from_fn(|a| if a == i % 3 { sign } else { 0.0 }), half[i % 3])
                });
                Solid::faces(faces.collect())
            }
            Habit::Octahedron => Solid::faces(family([1, 1, 1], half[0]).collect()),
            Habit::Wulff => {
                Solid::faces(family([1, 1, 1], half[0]).chain(family([1, 0, 0], CUBE_FACE * half[0])).collect())
            }
        }
    }

    fn faces(faces: Vec<(Vector, f64)>) -> Self {
        let axes = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];
        let half = axes.map(|axis| farthest(&faces, axis));
        Solid::Faces(faces, half)
    }

    /// Half extents along x, y, z.
    pub fn half_extents(&self) -> Vector {
        match self {
            Solid::Ellipsoid(half) | Solid::Faces(_, half) => *half,
        }
    }

    /// Half of the extent along a direction.
    pub fn reach(&self, direction: Vector) -> f64 {
        match self {
            Solid::Ellipsoid(half) => norm(std::array::from_fn(|i| half[i] * direction[i])),
            Solid::Faces(faces, _) => farthest(faces, direction),
        }
    }

    /// Signed distance from the surface, negative inside; exact near faces.
    pub fn distance(&self, r: Vector) -> f64 {
        match self {
            Solid::Faces(faces, _) => {
                faces.iter().map(|(normal, distance)| dot(*normal, r) - distance).fold(f64::NEG_INFINITY, f64::max)
            }
            Solid::Ellipsoid(half) => {
                // First order in the distance: (f - 1) / |grad f| of the implicit function's root.
                let part = norm(std::array::from_fn(|i| r[i] / half[i]));
                let slope = norm(std::array::from_fn(|i| r[i] / (half[i] * half[i])));
                if slope == 0.0 {
                    -half.iter().copied().fold(f64::INFINITY, f64::min)
                } else {
                    part * (part - 1.0) / slope
                }
            }
        }
    }
}

/// Largest component along a direction of any point within all faces, which are those of a solid
/// that is its own mirror image in the origin: at one of the corners.
fn farthest(faces: &[(Vector, f64)], direction: Vector) -> f64 {
    use crate::geometry::{cross, inverse};
    let mut found: f64 = 0.0;
    for (i, a) in faces.iter().enumerate() {
        for (j, b) in faces.iter().enumerate().skip(i + 1) {
            for c in &faces[j + 1..] {
                let rows = [a.0, b.0, c.0];
                if dot(rows[0], cross(rows[1], rows[2])).abs() < 1e-9 {
                    continue;
                }
                let corner = turned(&inverse(rows), [a.1, b.1, c.1]);
                let size = norm(corner);
                if faces.iter().all(|(normal, distance)| dot(*normal, corner) <= distance + 1e-9 * size) {
                    found = found.max(dot(corner, direction));
                }
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const UPRIGHT: [Vector; 3] = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];

    #[test]
    fn shapes_are_as_large_as_they_are_said_to_be() {
        let size = [200.0, 300.0, 240.0];
        for habit in [Habit::Box, Habit::Ellipsoid] {
            let solid = Solid::new(habit, size, UPRIGHT);
            let [x, y, z] = solid.half_extents();
            assert!((x - 100.0).abs() < 1e-9 && (y - 150.0).abs() < 1e-9 && (z - 120.0).abs() < 1e-9, "{habit:?}");
            assert!((solid.distance([101.0, 0.0, 0.0]) - 1.0).abs() < 0.02, "{habit:?}");
            assert!(solid.distance([0.0, 149.0, 0.0]) < -0.9);
        }
        // Corners of an octahedron are sqrt(3) farther than its faces.
        let octahedron = Solid::new(Habit::Octahedron, [200.0; 3], UPRIGHT);
        assert!((octahedron.half_extents()[2] - 100.0 * 3f64.sqrt()).abs() < 1e-9);
        let wulff = Solid::new(Habit::Wulff, [200.0; 3], UPRIGHT);
        assert!((wulff.half_extents()[0] - 115.0).abs() < 1e-9);
        assert!((wulff.reach([0.6, 0.8, 0.0]) - farthest_by_search(&wulff, [0.6, 0.8, 0.0])).abs() < 2.0);
    }

    fn farthest_by_search(solid: &Solid, direction: Vector) -> f64 {
        let grid = || (-60..=60).map(|i| f64::from(i) * 2.0);
        let mut best: f64 = 0.0;
        for x in grid() {
            for y in grid() {
                for z in grid() {
                    if solid.distance([x, y, z]) <= 0.0 {
                        best = best.max(dot([x, y, z], direction));
                    }
                }
            }
        }
        best
    }
}
