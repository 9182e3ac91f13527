//! Facets: parts of the surface whose normals agree.

use super::spread::Spread;
use super::surface::Surface;
use crate::geometry::{Vector, cross, dot, inverse, norm};
use serde::Serialize;

/// Rounds by which normals are averaged over neighbours: the surface has steps of a cube.
const ROUNDS: usize = 4;

/// Width of the kernel in which directions of normals are counted, degrees.
const WIDTH: f64 = 7.0;

/// Normals belong to a facet up to this angle, degrees; in its flat part, of which the plane is
/// fitted, up to half of it.
const REACH: f64 = 16.0;

/// Least part of the whole surface that is a facet. On a ball any direction has less than two
/// hundredths within reach.
const LEAST: f64 = 0.03;

/// Directions at which facets are looked for first.
const DIRECTIONS: usize = 800;

/// Facets at most.
const MOST: usize = 40;

/// A flat part of the surface.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Facet {
    /// Normal outwards, in the frame of the surface.
    pub normal: Vector,
    /// Area, square nanometres.
    pub area_nm2: f64,
    /// Part of the whole surface.
    pub part: f64,
    /// Angle of the normal to the momentum transfer, degrees.
    pub degrees_to_q: f64,
    /// Miller indices of the face, where the crystal's orientation is known and one of low indices lies
    /// that way.
    pub hkl: Option<[i32; 3]>,
    /// Strain at its corners.
    pub strain: Option<Spread>,
}

impl Facet {
    /// The face as `(1 -1 1)`, or a dash.
    pub fn face(&self) -> String {
        self.hkl.map_or("-".into(), |[h, k, l]| format!("({h} {k} {l})"))
    }
}

/// The facets of a surface, the largest first; `g` is the momentum transfer in its frame, `face` the
/// Miller indices of a face by its normal.
///
/// Directions that many normals have are found by mean shift (D. Comaniciu and P. Meer, IEEE Trans.
/// Pattern Anal. 24, 603 (2002)), one after the other; a facet is the largest connected piece about
/// one of them, its normal that of the plane through its flat part.
pub fn facets(surface: &Surface, g: Vector, face: impl Fn(Vector) -> Option<[i32; 3]>) -> Vec<Facet> {
    let areas: Vec<f64> = surface.triangles.iter().map(|&corners| norm(surface.normal(corners)) / 2.0).collect();
    let whole: f64 = areas.iter().sum();
    if whole <= 0.0 {
        return Vec::new();
    }
    let normals = smooth_normals(surface);
    let mut free = vec![true; areas.len()];
    let mut facets = Vec::new();
    for _ in 0..MOST {
        let Some(direction) = densest(&normals, &areas, &free) else { break };
        let near = |triangle: usize| free[triangle] && dot(normals[triangle], direction) > cos(REACH);
        let patch = largest_piece(surface, &areas, &near);
        let area: f64 = patch.iter().map(|&triangle| areas[triangle]).sum();
        if area < LEAST * whole {
            break;
        }
        patch.iter().for_each(|&triangle| free[triangle] = false);
        let flat = patch.iter().filter(|&&triangle| dot(normals[triangle], direction) > cos(REACH / 2.0));
        let mut corners: Vec<u32> = flat.flat_map(|&triangle| surface.triangles[triangle]).collect();
        corners.sort_unstable();
        corners.dedup();
        let normal = plane(corners.iter().map(|&corner| surface.vertices[corner as usize]), direction);
        facets.push(Facet {
            normal,
            area_nm2: area,
            part: area / whole,
            degrees_to_q: (dot(normal, g) / norm(g)).clamp(-1.0, 1.0).acos().to_degrees(),
            hkl: face(normal),
            strain: Spread::of(corners.iter().map(|&corner| surface.strain[corner as usize])),
        });
    }
    facets.sort_by(|a, b| b.area_nm2.total_cmp(&a.area_nm2));
    facets
}

fn cos(degrees: f64) -> f64 {
    degrees.to_radians().cos()
}

fn unit(vector: Vector) -> Vector {
    let length = norm(vector).max(f64::MIN_POSITIVE);
    vector.map(|value| value / length)
}

/// Normals of the triangles, averaged over their neighbours.
fn smooth_normals(surface: &Surface) -> Vec<Vector> {
    let mut normals: Vec<Vector> = surface.triangles.iter().map(|&corners| surface.normal(corners)).collect();
    let sizes: Vec<f64> = normals.iter().map(|&normal| norm(normal)).collect();
    for _ in 0..ROUNDS {
        let mut at_corners = vec![[0.0; 3]; surface.vertices.len()];
        for (corners, normal) in surface.triangles.iter().zip(&normals) {
            for &corner in corners {
                at_corners[corner as usize].iter_mut().zip(normal).for_each(|(sum, value)| *sum += value);
            }
        }
        normals = surface
            .triangles
            .iter()
            .zip(&sizes)
            .map(|(corners, size)| {
                let sum = corners.map(|corner| unit(at_corners[corner as usize]));
                unit(std::array::from_fn(|i| sum[0][i] + sum[1][i] + sum[2][i])).map(|value| value * size)
            })
            .collect();
    }
    normals.into_iter().map(unit).collect()
}

/// The direction that most of the free area has.
fn densest(normals: &[Vector], areas: &[f64], free: &[bool]) -> Option<Vector> {
    let sharpness = 1.0 / WIDTH.to_radians().powi(2);
    let weight = |triangle: usize, direction: Vector| {
        areas[triangle] * (sharpness * (dot(normals[triangle], direction) - 1.0)).exp()
    };
    let all = || (0..normals.len()).filter(|&triangle| free[triangle]);
    let density = |direction: Vector| all().map(|triangle| weight(triangle, direction)).sum::<f64>();
    let best = spiral().map(|direction| (density(direction), direction)).max_by(|a, b| a.0.total_cmp(&b.0))?;
    let mut direction = best.1;
    for _ in 0..20 {
        let mut sum = [0.0; 3];
        for triangle in all() {
            let weight = weight(triangle, direction);
            sum.iter_mut().zip(normals[triangle]).for_each(|(sum, value)| *sum += weight * value);
        }
        direction = unit(sum);
    }
    Some(direction)
}

/// Directions spread evenly over the sphere (Fibonacci's spiral).
fn spiral() -> impl Iterator<Item = Vector> {
    let turn = std::f64::consts::PI * (3.0 - 5f64.sqrt());
    (0..DIRECTIONS).map(move |i| {
        let z = 1.0 - 2.0 * (i as f64 + 0.5) / DIRECTIONS as f64;
        let (sin, cos) = (turn * i as f64).sin_cos();
        let radius = (1.0 - z * z).sqrt();
        [radius * cos, radius * sin, z]
    })
}

/// The piece of largest area among the triangles of a kind, connected by corners.
fn largest_piece(surface: &Surface, areas: &[f64], belongs: &dyn Fn(usize) -> bool) -> Vec<usize> {
    let mut around = vec![Vec::new(); surface.vertices.len()];
    let chosen: Vec<usize> = (0..areas.len()).filter(|&triangle| belongs(triangle)).collect();
    for &triangle in &chosen {
        surface.triangles[triangle].iter().for_each(|&corner| around[corner as usize].push(triangle));
    }
    let mut seen = vec![false; areas.len()];
    let mut best = (0.0, Vec::new());
    for start in chosen {
        if seen[start] {
            continue;
        }
        seen[start] = true;
        let mut piece = vec![start];
        let mut next = 0;
        while let Some(&triangle) = piece.get(next) {
            next += 1;
            for corner in surface.triangles[triangle] {
                for &other in &around[corner as usize] {
                    if !seen[other] {
                        seen[other] = true;
                        piece.push(other);
                    }
                }
            }
        }
        let area: f64 = piece.iter().map(|&triangle| areas[triangle]).sum();
        if area > best.0 {
            best = (area, piece);
        }
    }
    best.1
}

/// Normal of the plane through points, least squares, on the side of `towards`.
fn plane(points: impl Iterator<Item = [f32; 3]> + Clone, towards: Vector) -> Vector {
    let count = points.clone().count() as f64;
    let points = points.map(|at| at.map(f64::from));
    let mean: Vector = points.clone().fold([0.0; 3], |sum, at| std::array::from_fn(|i| sum[i] + at[i] / count));
    let mut spread = [[0.0; 3]; 3];
    for at in points {
        let off: Vector = std::array::from_fn(|i| at[i] - mean[i]);
        (0..3).for_each(|i| (0..3).for_each(|j| spread[i][j] += off[i] * off[j]));
    }
    // The direction of least spread, by inverse iteration.
    let trace = spread[0][0] + spread[1][1] + spread[2][2];
    (0..3).for_each(|i| spread[i][i] += 1e-9 * trace);
    if trace <= 0.0 || dot(spread[0], cross(spread[1], spread[2])) <= 0.0 {
        return towards;
    }
    let inverse = inverse(spread);
    let normal = (0..30).fold(towards, |normal, _| unit(inverse.map(|row| dot(row, normal))));
    if dot(normal, towards) < 0.0 { normal.map(|value| -value) } else { normal }
}

#[cfg(test)]
mod tests {
    use super::super::surface::surface;
    use super::super::testing::solid;
    use super::*;

    #[test]
    fn an_octahedron_has_eight_facets_and_a_ball_none() {
        // Not along the axes of the cubes.
        let (sin, cos) = 0.3f64.sin_cos();
        let turned = |[x, y, z]: Vector| [cos * x - sin * y, sin * x + cos * y, z];
        let octahedron = solid(|at| turned(at).iter().map(|value| value.abs()).sum::<f64>() - 24.0);
        let found = facets(&surface(&octahedron, 1.0), [0.0, 0.0, 1.0], |_| None);
        assert_eq!(found.len(), 8, "{found:?}");
        for facet in &found {
            let normal = turned(facet.normal);
            let along = normal.iter().map(|value| value.abs()).sum::<f64>() / 3f64.sqrt();
            assert!(along.acos().to_degrees() < 2.0, "{facet:?}");
            assert!((facet.part - 0.125).abs() < 0.04, "{facet:?}");
            let angle = facet.degrees_to_q;
            assert!((angle.min(180.0 - angle) - 54.7).abs() < 2.0, "{facet:?}");
        }
        let ball = solid(|at| norm(at) - 17.0);
        assert_eq!(facets(&surface(&ball, 1.0), [0.0, 0.0, 1.0], |_| None), Vec::new());
    }
}
