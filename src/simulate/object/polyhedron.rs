//! Convex polyhedra as intersections of half spaces.

use super::frame::{Vector, add, cross, dot, norm, scaled, sub};

/// The half space `normal . r <= offset`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Plane {
    /// Unit vector, pointing outwards.
    pub normal: Vector,
    /// Distance from the origin; negative if the origin is outside.
    pub offset: f64,
}

/// A convex polyhedron, its edges sharp or rounded.
#[derive(Debug, Clone, PartialEq)]
pub struct Polyhedron {
    /// Half space of each facet.
    planes: Vec<Plane>,
    /// Corners of the sharp polyhedron.
    vertices: Vec<Vector>,
    /// Wear of the edges; 0 is sharp.
    rounding: f64,
}

impl Polyhedron {
    /// Intersects half spaces, without those that cut nothing off. The normals must point to all
    /// sides, or the intersection is unbounded; `None` if it is empty.
    pub fn new(planes: &[Plane], rounding: f64) -> Option<Polyhedron> {
        let vertices = vertices(planes);
        let is_facet = |plane: &&Plane| {
            let on = |vertex: &&Vector| (dot(plane.normal, **vertex) - plane.offset).abs() < TOUCHING;
            vertices.iter().filter(on).count() >= 3
        };
        let planes: Vec<Plane> = planes.iter().filter(is_facet).copied().collect();
        (planes.len() >= 4).then_some(Polyhedron { planes, vertices, rounding })
    }

    /// Number of its facets.
    pub fn facets(&self) -> usize {
        self.planes.len()
    }

    /// Corners of the sharp polyhedron.
    pub fn vertices(&self) -> &[Vector] {
        &self.vertices
    }

    /// Distance of the farthest corner from the origin.
    pub fn reach(&self) -> f64 {
        self.vertices.iter().map(|&vertex| norm(vertex)).fold(0.0, f64::max)
    }

    /// The largest of the distances to the planes, or the smooth maximum `k ln(sum(exp(d / k)))` if
    /// edges are rounded.
    pub fn distance(&self, r: Vector) -> f64 {
        let planes = self.planes.iter().map(|plane| dot(plane.normal, r) - plane.offset);
        // Not `f64::max`, which takes care of NaN and is slower for it.
        let largest = planes.clone().fold(f64::NEG_INFINITY, |a, b| if b > a { b } else { a });
        if self.rounding == 0.0 {
            return largest;
        }
        // Planes that are further off add less than exp(-8) = 3e-4 of the rounding.
        let near = planes.map(|d| (d - largest) / self.rounding).filter(|&d| d > -8.0);
        largest + self.rounding * near.map(f64::exp).sum::<f64>().ln()
    }
}

/// Closer than this is the same point, or on the plane.
const TOUCHING: f64 = 1e-7;

/// Intersections of three planes that no other plane cuts off.
fn vertices(planes: &[Plane]) -> Vec<Vector> {
    let mut found: Vec<Vector> = Vec::new();
    for (i, a) in planes.iter().enumerate() {
        for (j, b) in planes.iter().enumerate().skip(i + 1) {
            let edge = cross(a.normal, b.normal);
            for c in &planes[j + 1..] {
                let volume = dot(edge, c.normal);
                if volume.abs() < 1e-6 {
                    continue;
                }
                let bc = scaled(cross(b.normal, c.normal), a.offset);
                let ca = scaled(cross(c.normal, a.normal), b.offset);
                let vertex = scaled(add(add(bc, ca), scaled(edge, c.offset)), 1.0 / volume);
                let inside = planes.iter().all(|plane| dot(plane.normal, vertex) < plane.offset + TOUCHING);
                if inside && found.iter().all(|&known| norm(sub(known, vertex)) > TOUCHING) {
                    found.push(vertex);
                }
            }
        }
    }
    found
}
