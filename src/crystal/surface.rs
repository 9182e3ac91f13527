//! The surface of a crystal as triangles.

use super::Orthogonal;
use crate::geometry::{Vector, cross, dot};
use crate::volume::Centered;
use fast_surface_nets::ndshape::RuntimeShape;
use fast_surface_nets::{SurfaceNetsBuffer, surface_nets};

/// Triangles with the fields at their corners.
#[derive(Debug, Clone, Default)]
pub struct Surface {
    /// Corners `(x, y, z)`, nanometres.
    pub vertices: Vec<[f32; 3]>,
    /// Corners of each triangle, counter-clockwise seen from outside.
    pub triangles: Vec<[u32; 3]>,
    /// Strain at the corners; NaN where it is not known nearby.
    pub strain: Vec<f32>,
    /// Displacement at the corners, nanometres.
    pub displacement: Vec<f32>,
    /// Phase at the corners, radians.
    pub phase: Vec<f32>,
}

/// The surface of a crystal on cubes, where its modulus falls below `modulus` (naive surface nets,
/// S. Gibson, MICCAI 1998).
pub fn surface(cubes: &Orthogonal, modulus: f32) -> Surface {
    let [nz, ny, nx] = cubes.inside.shape();
    // Negative inside. Other pieces than the crystal are left out.
    let mut depth = cubes.modulus.map(|&value| modulus - value);
    let near = grown(&cubes.inside);
    depth.0.zip_mut_with(&near.0, |depth, &near| {
        if !near {
            *depth = depth.max(1e-3 * modulus);
        }
    });
    // x runs fastest in memory, and first in the shape.
    let [sx, sy, sz] = [nx, ny, nz].map(|n| n as u32);
    let shape = RuntimeShape::<u32, 3>::new([sx, sy, sz]);
    let mut net = SurfaceNetsBuffer::default();
    surface_nets(depth.as_slice(), &shape, [0; 3], [sx - 1, sy - 1, sz - 1], &mut net);
    let place = |at: &[f32; 3]| -> [f32; 3] {
        std::array::from_fn(|i| ((cubes.origin[i] + f64::from(at[i]) * cubes.voxel) * 1e9) as f32)
    };
    let of = |field: &Centered<f32>, scale: f32| net.positions.iter().map(|at| scale * nearby(field, at)).collect();
    Surface {
        vertices: net.positions.iter().map(place).collect(),
        triangles: net.indices.chunks_exact(3).map(|three| [three[0], three[1], three[2]]).collect(),
        strain: of(&cubes.strain, 1.0),
        displacement: of(&cubes.displacement, 1e9),
        phase: of(&cubes.phase, 1.0),
    }
}

impl Surface {
    /// Area, square nanometres.
    pub fn area(&self) -> f64 {
        let normal = |&[a, b, c]: &[u32; 3]| self.normal([a, b, c]);
        self.triangles.iter().map(normal).map(crate::geometry::norm).sum::<f64>() / 2.0
    }

    /// Volume inside, cubic nanometres.
    pub fn volume(&self) -> f64 {
        // Tetrahedra from the origin, negative where a triangle is seen from behind.
        let part = |&corners: &[u32; 3]| {
            let [a, b, c] = corners.map(|corner| self.vertices[corner as usize].map(f64::from));
            dot(a, cross(b, c)) / 6.0
        };
        self.triangles.iter().map(part).sum::<f64>().abs()
    }

    /// Extent along a direction of length one, nanometres.
    pub fn extent(&self, direction: Vector) -> f64 {
        let along = self.vertices.iter().map(|at| dot(at.map(f64::from), direction));
        let [low, high] = along.fold([f64::INFINITY, f64::NEG_INFINITY], |[low, high], at| [low.min(at), high.max(at)]);
        (high - low).max(0.0)
    }

    /// Normal of a triangle, outwards, twice its area long.
    pub(super) fn normal(&self, corners: [u32; 3]) -> [f64; 3] {
        let [a, b, c] = corners.map(|corner| self.vertices[corner as usize].map(f64::from));
        let [u, v]: [[f64; 3]; 2] = [b, c].map(|to| std::array::from_fn(|i| to[i] - a[i]));
        crate::geometry::cross(u, v)
    }

    /// Binary STL, nanometres.
    pub fn stl(&self) -> Vec<u8> {
        let mut out = vec![0u8; 80];
        out[..6].copy_from_slice(b"lacuna");
        out.extend((self.triangles.len() as u32).to_le_bytes());
        for &corners in &self.triangles {
            let normal = self.normal(corners);
            let length = crate::geometry::norm(normal).max(f64::MIN_POSITIVE);
            let places = corners.iter().flat_map(|&corner| self.vertices[corner as usize]);
            let numbers = normal.iter().map(|value| (value / length) as f32).chain(places);
            out.extend(numbers.flat_map(f32::to_le_bytes));
            out.extend([0; 2]);
        }
        out
    }
}

/// The mean of the known values of a field around a place in cubes `(x, y, z)`.
fn nearby(field: &Centered<f32>, at: &[f32; 3]) -> f32 {
    let [nz, ny, nx] = field.shape();
    let first = at.map(|value| value.floor().max(0.0) as usize);
    // Corners of the cell first; one cube farther where none of them is known.
    for reach in 0..2usize {
        let (mut sum, mut count) = (0.0, 0.0f32);
        let span = |axis: usize, n: usize| first[axis].saturating_sub(reach)..(first[axis] + 2 + reach).min(n);
        for z in span(2, nz) {
            for y in span(1, ny) {
                for x in span(0, nx) {
                    let value = field.0[[z, y, x]];
                    if value.is_finite() {
                        sum += value;
                        count += 1.0;
                    }
                }
            }
        }
        if count > 0.0 {
            return sum / count;
        }
    }
    f32::NAN
}

/// Cubes inside, and those beside them.
fn grown(inside: &Centered<bool>) -> Centered<bool> {
    let shape = inside.shape();
    let mut out = inside.clone();
    for (at, _) in inside.0.indexed_iter().filter(|(_, inside)| **inside) {
        let at: [usize; 3] = at.into();
        let span = |axis: usize| at[axis].saturating_sub(1)..(at[axis] + 2).min(shape[axis]);
        for z in span(0) {
            for y in span(1) {
                for x in span(2) {
                    out.0[[z, y, x]] = true;
                }
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::testing::solid;
    use super::*;

    /// A ball of radius 16 nm with a crumb far from it.
    fn ball() -> Orthogonal {
        let mut ball = solid(|at| crate::geometry::norm(at) - 16.0);
        ball.modulus.0[[1, 1, 1]] = 2.0;
        ball
    }

    #[test]
    fn a_ball_has_the_surface_of_a_ball() {
        let surface = surface(&ball(), 1.0);
        assert!(surface.triangles.len() > 500);
        let radii = surface.vertices.iter().map(|at| at.iter().map(|value| value * value).sum::<f32>().sqrt());
        assert!(radii.clone().all(|radius| (radius - 16.0).abs() < 0.6), "{:?}", radii.fold(0.0, f32::max));
        let expected = 4.0 * std::f64::consts::PI * 16.0 * 16.0;
        assert!((surface.area() / expected - 1.0).abs() < 0.05, "{} {expected}", surface.area());
        // Normals point outwards.
        for &corners in &surface.triangles {
            let at = surface.vertices[corners[0] as usize].map(f64::from);
            assert!(crate::geometry::dot(surface.normal(corners), at) > 0.0);
        }
        // The strain of the solid is its place along x.
        for (at, strain) in surface.vertices.iter().zip(&surface.strain) {
            assert!((at[0] - strain).abs() < 2.5, "{at:?} {strain}");
        }
    }

    #[test]
    fn stl_has_fifty_bytes_a_triangle() {
        let surface = surface(&ball(), 1.0);
        let stl = surface.stl();
        assert_eq!(stl.len(), 84 + 50 * surface.triangles.len());
        assert_eq!(u32::from_le_bytes(stl[80..84].try_into().unwrap()) as usize, surface.triangles.len());
    }
}
