//! From pixels and frames to momentum transfer, and from there to the object's voxels in the
//! laboratory.
//!
//! Fourier transforms need a lattice: `q` is linearised over the array by least squares, and how
//! far the true momentum transfer is from that is stated. The object's voxels are its reciprocal
//! lattice, sheared in general.

use super::momentum::{Missing, QMap};
use super::vector::{IDENTITY, Vector, cross, dot, inverse, norm, transposed, turned};
use super::{Geometry, Goniometer};
use crate::volume::Shape;

/// Points along each axis at which momentum transfer is computed for the linearisation.
const POINTS: usize = 9;

/// Volume of the steps over that of a box with such edges, below which they lie in a plane.
const FLAT: f64 = 0.02;

/// Largest Miller index of a face.
const LOW: i32 = 3;
/// Largest angle between a face and its normal, degrees: less than half of that between (100) and
/// (310).
const FACE: f64 = 8.0;

/// Frame of reference of vectors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Frame {
    /// The laboratory, with the sample as it stood in the middle of the scan.
    Laboratory,
    /// The sample with all its circles at zero.
    Sample,
    /// z along the momentum transfer, x as near to that of the laboratory as it can be.
    Crystal,
}

impl Frame {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Frame::Laboratory => "laboratory",
            Frame::Sample => "sample",
            Frame::Crystal => "crystal",
        }
    }
}

/// Momentum transfer over an array of frames `(z, y, x)`, linearised. Rows of `steps` belong to the
/// axes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct QGrid {
    /// Extents of the array.
    pub shape: Shape,
    /// Momentum transfer at the pixel `n / 2` of each axis, radians per metre, in the laboratory.
    pub centre: Vector,
    /// What one frame, one row and one column add to it. The step of an axis one pixel long is that
    /// of a frame perpendicular to the others, so that a lattice exists.
    pub steps: [Vector; 3],
    /// Largest distance of the true momentum transfer from the linear one, in pixels.
    pub residual: f64,
    /// Turns vectors of the laboratory into those of the sample.
    to_sample: [Vector; 3],
    /// Whether the direct beam is known. Where not, the detector's angles are taken as those of the
    /// middle of the array.
    pub direct_beam_known: bool,
    /// Orientation of the crystal, where known ([`Goniometer::ub`]).
    ub: Option<[Vector; 3]>,
}

impl QGrid {
    /// How far another is turned from this one, degrees, by its middle or any of its axes; by which factor,
    /// 1 or more, the momentum transfers in the middle differ; and by which the steps do at most.
    pub fn apart(&self, other: &QGrid) -> (f64, f64, f64) {
        let angle = |a: Vector, b: Vector| (dot(a, b) / (norm(a) * norm(b))).clamp(-1.0, 1.0).acos().to_degrees();
        let factor = |a: Vector, b: Vector| (norm(a) / norm(b)).ln().abs().exp();
        let steps = || self.steps.into_iter().zip(other.steps);
        (
            steps().map(|(a, b)| angle(a, b)).fold(angle(self.centre, other.centre), f64::max),
            factor(self.centre, other.centre),
            steps().map(|(a, b)| factor(a, b)).fold(1.0, f64::max),
        )
    }

    /// Momentum transfer of a pattern of this shape, whose geometry and circles belong to its own
    /// pixels and frames ([`Goniometer::windowed`]).
    ///
    /// # Errors
    /// What is missing.
    pub fn new(geometry: Geometry, goniometer: &Goniometer, shape: Shape) -> Result<Self, Missing> {
        if shape[1] < 2 || shape[2] < 2 {
            return Err(Missing::Extent);
        }
        let map = QMap::new(geometry, goniometer, shape)?;
        let points: Vec<[f64; 3]> = points(shape);
        let origin = shape.map(|n| (n / 2) as f64);
        let all: Vec<Vector> = points.iter().map(|&at| map.at(at)).collect();
        let count = points.len() as f64;
        let mean: Vector = std::array::from_fn(|i| all.iter().map(|q| q[i]).sum::<f64>() / count);
        let at_mean: [f64; 3] = std::array::from_fn(|a| points.iter().map(|at| at[a]).sum::<f64>() / count);
        // The points are a grid: slopes along its axes are independent of each other.
        let mut steps = [[0.0; 3]; 3];
        for axis in (0..3).filter(|&axis| shape[axis] > 1) {
            let square: f64 = points.iter().map(|at| (at[axis] - at_mean[axis]).powi(2)).sum();
            for i in 0..3 {
                let product: f64 = points.iter().zip(&all).map(|(at, q)| (at[axis] - at_mean[axis]) * q[i]).sum();
                steps[axis][i] = product / square;
            }
        }
        if shape[0] > 1
            && dot(steps[0], cross(steps[1], steps[2])).abs() < FLAT * steps.map(norm).iter().product::<f64>()
        {
            return Err(Missing::Volume);
        }
        if shape[0] == 1 {
            let normal = cross(steps[1], steps[2]);
            let size = (norm(steps[1]) * norm(steps[2])).sqrt() / norm(normal).max(f64::MIN_POSITIVE);
            steps[0] = normal.map(|value| value * size);
        }
        let linear = |at: [f64; 3]| -> Vector {
            std::array::from_fn(|i| mean[i] + (0..3).map(|a| steps[a][i] * (at[a] - at_mean[a])).sum::<f64>())
        };
        let to_pixels = inverse(steps);
        let residual = points.iter().zip(&all).map(|(&at, q)| {
            let off: Vector = std::array::from_fn(|i| q[i] - linear(at)[i]);
            // Rows of `steps` are the vectors: off = pixels * steps.
            norm(std::array::from_fn(|a| (0..3).map(|i| off[i] * to_pixels[i][a]).sum()))
        });
        Ok(QGrid {
            shape,
            centre: linear(origin),
            steps,
            residual: residual.fold(0.0, f64::max),
            to_sample: map.to_sample(),
            direct_beam_known: goniometer.direct_beam.is_some(),
            ub: goniometer.ub,
        })
    }

    /// Momentum transfer at a place `(z, y, x)` of the array, pixels from `n / 2`.
    pub fn at(&self, pixels: [f64; 3]) -> Vector {
        std::array::from_fn(|i| self.centre[i] + (0..3).map(|a| self.steps[a][i] * pixels[a]).sum::<f64>())
    }

    /// Voxels of the object: the vectors from one to the next along `(z, y, x)`, metres.
    pub fn voxels(&self) -> [Vector; 3] {
        // a_j . (N_k steps_k) = 2 pi for j = k, else 0.
        let inverse = inverse(self.steps);
        std::array::from_fn(|j| {
            std::array::from_fn(|i| 2.0 * std::f64::consts::PI * inverse[i][j] / self.shape[j] as f64)
        })
    }

    /// Place of a voxel of the object `(z, y, x)`, counted from the first, metres from the middle.
    pub fn place(&self, voxel: [f64; 3]) -> Vector {
        let from_middle: [f64; 3] = std::array::from_fn(|a| voxel[a] - (self.shape[a] / 2) as f64);
        let voxels = self.voxels();
        std::array::from_fn(|i| (0..3).map(|a| from_middle[a] * voxels[a][i]).sum())
    }

    /// Miller indices of a vector of reciprocal space, radians per metre in the laboratory, as far as
    /// the crystal's orientation is known. They are whole numbers for a reflection of an unstrained
    /// crystal only.
    pub fn indices(&self, q: Vector) -> Option<Vector> {
        let ub = self.ub?;
        // Rows of `ub` are x, y, z: q = ub hkl.
        Some(turned(&inverse(ub), turned(&self.to_sample, q)))
    }

    /// The vector of reciprocal space, radians per metre in the laboratory, of Miller indices.
    pub fn reflection(&self, hkl: Vector) -> Option<Vector> {
        Some(turned(&transposed(self.to_sample), turned(&self.ub?, hkl)))
    }

    /// Miller indices of the face with a normal, in a frame of reference, where the orientation is
    /// known: of the planes of low indices that lie within 8 degrees of it those farthest apart.
    pub fn face(&self, frame: Frame, g: Vector, normal: Vector) -> Option<[i32; 3]> {
        let rotation = self.rotation(frame, g);
        let all = -LOW..=LOW;
        let faces = all.clone().flat_map(|h| all.clone().flat_map(move |k| (-LOW..=LOW).map(move |l| [h, k, l])));
        let near = faces.filter(|hkl| *hkl != [0; 3]).filter_map(|hkl| {
            let q = turned(&rotation, self.reflection(hkl.map(f64::from))?);
            let cosine = dot(q, normal) / (norm(q) * norm(normal));
            (cosine > FACE.to_radians().cos()).then_some((norm(q), hkl))
        });
        near.min_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, hkl)| hkl)
    }

    /// The rotation that turns vectors of the laboratory into those of a frame, for the momentum
    /// transfer `g` of the crystal.
    pub fn rotation(&self, frame: Frame, g: Vector) -> [Vector; 3] {
        match frame {
            Frame::Laboratory => IDENTITY,
            Frame::Sample => self.to_sample,
            Frame::Crystal => {
                let z = g.map(|value| value / norm(g).max(f64::MIN_POSITIVE));
                // Of x and y, the one farther from g.
                let first = if z[0].abs() < 0.9 { [1.0, 0.0, 0.0] } else { [0.0, 1.0, 0.0] };
                let along = dot(first, z);
                let x: Vector = std::array::from_fn(|i| first[i] - along * z[i]);
                let x = x.map(|value| value / norm(x));
                [x, cross(z, x), z]
            }
        }
    }
}

/// Places over an array at which `q` is computed: a grid up to its edges.
fn points(shape: Shape) -> Vec<[f64; 3]> {
    let along = |n: usize| -> Vec<f64> {
        let count = POINTS.min(n);
        (0..count).map(|i| if count == 1 { 0.0 } else { i as f64 * (n - 1) as f64 / (count - 1) as f64 }).collect()
    };
    let [z, y, x] = shape.map(along);
    let rows = z.iter().flat_map(|&z| y.iter().map(move |&y| [z, y]));
    rows.flat_map(|[z, y]| x.iter().map(move |&x| [z, y, x])).collect()
}

#[cfg(test)]
mod tests {
    use super::super::{Circle, EV, HC};
    use super::*;

    fn circle(motor: &str, axis: &str, positions: &[f64]) -> Circle {
        Circle { motor: motor.into(), axis: axis.parse().unwrap(), positions: positions.to_vec(), zero: 0.0 }
    }

    fn scan(middle: f64, step: f64, n: usize) -> Vec<f64> {
        (0..n).map(|i| middle + step * (i as f64 - (n / 2) as f64)).collect()
    }

    fn geometry() -> Geometry {
        Geometry { energy: Some(9000.0 * EV), distance: Some(0.85), pixel_size: Some([55e-6, 55e-6]) }
    }

    /// ID01: eta and phi carry the sample, nu and delta the detector.
    fn id01(eta: &[f64], phi: &[f64], nu: f64, delta: f64) -> Goniometer {
        Goniometer {
            sample: vec![circle("eta", "x-", eta), circle("phi", "y-", phi)],
            detector: vec![circle("nu", "y-", &[nu]), circle("delta", "x-", &[delta])],
            pixel_axes: Some(["y-".parse().unwrap(), "x+".parse().unwrap()]),
            direct_beam: None,
            ..Goniometer::default()
        }
    }

    fn close(a: Vector, b: Vector, part: f64) {
        let off: Vector = std::array::from_fn(|i| a[i] - b[i]);
        assert!(norm(off) < part * norm(b), "{a:?} {b:?}");
    }

    /// A few pixels, where `q` is linear to the last digits that are compared.
    const FEW: Shape = [5, 5, 5];

    #[test]
    fn scans_of_eta_are_as_the_closed_form_says() {
        let (eta, nu, delta, step) = (17.3, 4.0, 35.0, 0.003);
        let grid = QGrid::new(geometry(), &id01(&scan(eta, step, 5), &[0.0], nu, delta), FEW).unwrap();
        let lz = HC / (9000.0 * EV) * 0.85;
        let (k, part) = (2.0 * std::f64::consts::PI / lz * 0.85, 2.0 * std::f64::consts::PI / lz);
        let ((sn, cn), (sd, cd)) = (f64::sin_cos(nu.to_radians()), f64::sin_cos(delta.to_radians()));
        close(grid.centre, [-cd * sn, sd, cn * cd - 1.0].map(|v| v * k), 1e-6);
        close(grid.steps[2], [cn, 0.0, sn].map(|v| v * part * 55e-6), 1e-4);
        close(grid.steps[1], [-sn * sd, -cd, cn * sd].map(|v| v * part * 55e-6), 1e-4);
        // The sample turns about -x: in its eyes q turns the other way.
        close(grid.steps[0], cross([1.0, 0.0, 0.0], grid.centre).map(|v| v * step.to_radians()), 1e-4);
        assert!(grid.residual < 1e-3 && !grid.direct_beam_known);
    }

    #[test]
    fn scans_of_phi_turn_about_an_axis_that_eta_inclines() {
        let (eta, step) = (20.0_f64, 0.004);
        let grid = QGrid::new(geometry(), &id01(&[eta], &scan(55.0, step, 5), 3.0, 33.0), FEW).unwrap();
        // y, turned about -x by eta; phi turns about -y.
        let (sin, cos) = eta.to_radians().sin_cos();
        close(grid.steps[0], cross([0.0, cos, -sin], grid.centre).map(|v| v * step.to_radians()), 1e-4);
    }

    #[test]
    fn rocking_at_34_id_c() {
        let (delta, gamma, step) = (31.0_f64, 12.0_f64, 0.01);
        let goniometer = Goniometer {
            sample: vec![
                circle("Theta", "y+", &scan(5.0, step, 5)),
                circle("Chi", "z-", &[90.0]),
                circle("Phi", "y+", &[-3.0]),
            ],
            detector: vec![circle("Delta", "y+", &[delta]), circle("Gamma", "x-", &[gamma])],
            pixel_axes: Some(["y-".parse().unwrap(), "x+".parse().unwrap()]),
            direct_beam: None,
            ..Goniometer::default()
        };
        let grid = QGrid::new(geometry(), &goniometer, FEW).unwrap();
        let k = 2.0 * std::f64::consts::PI * 9000.0 * EV / HC;
        let ((sd, cd), (sg, cg)) = (delta.to_radians().sin_cos(), gamma.to_radians().sin_cos());
        close(grid.centre, [sd * cg, sg, cd * cg - 1.0].map(|v| v * k), 1e-6);
        // Outermost, about the vertical, whatever the circles inside.
        close(grid.steps[0], cross([0.0, -1.0, 0.0], grid.centre).map(|v| v * step.to_radians()), 1e-4);
    }

    #[test]
    fn voxels_are_the_reciprocal_lattice() {
        let shape = [60, 100, 80];
        let grid = QGrid::new(geometry(), &id01(&scan(17.3, 0.003, 60), &[0.0], 4.0, 35.0), shape).unwrap();
        for (j, voxel) in grid.voxels().into_iter().enumerate() {
            for (k, step) in grid.steps.into_iter().enumerate() {
                let turns = dot(voxel, step) * shape[k] as f64 / (2.0 * std::f64::consts::PI);
                assert!((turns - f64::from(u8::from(j == k))).abs() < 1e-9, "{turns}");
            }
        }
        assert!(grid.residual < 0.5, "{}", grid.residual);
        // Frames have a lattice too, whose third vector is perpendicular to the detector.
        let flat = QGrid::new(geometry(), &id01(&[17.3], &[0.0], 4.0, 35.0), [1, 100, 80]).unwrap();
        let expected = geometry().object_pixel([1, 100, 80]).unwrap();
        let found = flat.voxels();
        assert!((norm(found[1]) / expected[0] - 1.0).abs() < 1e-3 && (norm(found[2]) / expected[1] - 1.0).abs() < 1e-3);
    }

    #[test]
    fn the_direct_beam_says_where_the_middle_looks() {
        let mut goniometer = id01(&scan(17.3, 0.003, 5), &[0.0], 0.0, 35.0);
        // The direct beam hits 1000 rows below the middle: delta is 1000 pixels too small.
        goniometer.direct_beam = Some([1002.0, 2.0]);
        let grid = QGrid::new(geometry(), &goniometer, FEW).unwrap();
        let delta = 35f64.to_radians() + (1000.0 * 55e-6 / 0.85f64).atan();
        let k = 2.0 * std::f64::consts::PI * 9000.0 * EV / HC;
        close(grid.centre, [0.0, delta.sin(), delta.cos() - 1.0].map(|v| v * k), 1e-6);
    }

    #[test]
    fn frames_are_turned_into_each_other() {
        let grid = QGrid::new(geometry(), &id01(&scan(17.3, 0.003, 5), &[30.0], 4.0, 35.0), FEW).unwrap();
        let g = grid.centre;
        let up = turned(&grid.rotation(Frame::Crystal, g), g);
        close(up, [0.0, 0.0, norm(g)], 1e-9);
        // With eta at zero y of the sample is y of the laboratory.
        let sample = grid.rotation(Frame::Sample, g);
        let (sin, cos) = 17.3f64.to_radians().sin_cos();
        close(turned(&sample, [0.0, cos, -sin]), [0.0, 1.0, 0.0], 1e-9);
        for frame in [Frame::Laboratory, Frame::Sample, Frame::Crystal] {
            let rotation = grid.rotation(frame, g);
            assert!((dot(rotation[0], cross(rotation[1], rotation[2])) - 1.0).abs() < 1e-9, "{frame:?}");
        }
    }

    #[test]
    fn what_is_missing_is_named() {
        let goniometer = id01(&scan(17.3, 0.003, 5), &[0.0], 4.0, 35.0);
        let without = |change: &dyn Fn(&mut Geometry, &mut Goniometer)| {
            let (mut geometry, mut goniometer) = (geometry(), goniometer.clone());
            change(&mut geometry, &mut goniometer);
            QGrid::new(geometry, &goniometer, FEW).unwrap_err()
        };
        assert_eq!(without(&|g, _| g.energy = None), Missing::Energy);
        assert_eq!(without(&|g, _| g.distance = None), Missing::Distance);
        assert_eq!(without(&|g, _| g.pixel_size = None), Missing::PixelSize);
        assert_eq!(without(&|_, g| g.pixel_axes = None), Missing::PixelAxes);
        assert_eq!(without(&|_, g| g.detector[0].positions.clear()), Missing::Angles);
        assert_eq!(without(&|_, g| g.sample[0].positions = vec![17.3]), Missing::Scan);
        assert_eq!(QGrid::new(geometry(), &goniometer, [5, 1, 5]).unwrap_err(), Missing::Extent);
    }
}
