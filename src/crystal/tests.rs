//! From a crystal in the laboratory to its pattern by summing waves over its pieces, each with its
//! exact momentum transfer, and back: orientation, size, sign of the displacement, and strain.

use super::*;
use crate::fft::Fft;
use crate::geometry::{Circle, EV, Frame, Geometry, Goniometer, dot};
use crate::volume::Shape;
use rayon::prelude::*;
use std::f64::consts::TAU;

const SHAPE: Shape = [24, 28, 30];

fn circle(motor: &str, axis: &str, positions: Vec<f64>) -> Circle {
    Circle { motor: motor.into(), axis: axis.parse().unwrap(), positions, zero: 0.0 }
}

fn scan(middle: f64, step: f64) -> Vec<f64> {
    (0..SHAPE[0]).map(|i| middle + step * (i as f64 - (SHAPE[0] / 2) as f64)).collect()
}

/// Geometries of three beamlines.
fn beamlines() -> [(&'static str, Goniometer); 3] {
    let axes = |y: &str, x: &str| Some([y.parse().unwrap(), x.parse().unwrap()]);
    [
        (
            "ID01",
            Goniometer {
                sample: vec![circle("eta", "x-", scan(17.0, 0.02)), circle("phi", "y-", vec![30.0])],
                detector: vec![circle("nu", "y-", vec![5.0]), circle("delta", "x-", vec![34.0])],
                pixel_axes: axes("y-", "x+"),
                direct_beam: None,
                ..Goniometer::default()
            },
        ),
        (
            "34-ID-C",
            Goniometer {
                sample: vec![
                    circle("Theta", "y+", scan(4.0, 0.02)),
                    circle("Chi", "z-", vec![90.0]),
                    circle("Phi", "y+", vec![-4.0]),
                ],
                detector: vec![circle("Delta", "y+", vec![31.0]), circle("Gamma", "x-", vec![13.0])],
                pixel_axes: axes("y-", "x+"),
                direct_beam: None,
                ..Goniometer::default()
            },
        ),
        (
            "P10",
            Goniometer {
                sample: vec![circle("om", "x-", scan(20.0, 0.02)), circle("phi", "y-", vec![10.0])],
                detector: vec![circle("gam", "y+", vec![4.0]), circle("del", "x-", vec![36.0])],
                pixel_axes: axes("y-", "x-"),
                direct_beam: None,
                ..Goniometer::default()
            },
        ),
    ]
}

fn geometry() -> Geometry {
    // Pixels so large that the array reaches over a few fringes of the crystal.
    Geometry { energy: Some(9000.0 * EV), distance: Some(0.5), pixel_size: Some([170e-6, 170e-6]) }
}

/// Half extents of a box with edges along x, y, z of the laboratory, metres: all different.
const HALF: Vector = [82e-9, 118e-9, 100e-9];

/// Displacement along the momentum transfer, metres: it grows with the square of the place along
/// it, and with the place across.
fn displacement(along: f64, across: f64) -> f64 {
    1.5e-3 / 100e-9 * along * along / 2.0 + 2e-4 * across
}

/// Object on the voxels of the array, from amplitudes that were summed over pieces of the crystal.
fn measured(goniometer: &Goniometer, grid: &QGrid) -> Centered<Complex32> {
    // The same momentum transfer by another way: small changes of pixel and frame, one grid each.
    let exact = |at: [usize; 3]| -> Vector {
        let mut single = goniometer.clone();
        let middle = QGrid::new(geometry(), goniometer, SHAPE).unwrap();
        // A window of the detector around one pixel: its middle pixel is that pixel, exactly.
        single.direct_beam =
            Some([(SHAPE[1] / 2) as f64 - at[1] as f64 + 2.0, (SHAPE[2] / 2) as f64 - at[2] as f64 + 2.0]);
        single.sample.iter_mut().chain(&mut single.detector).for_each(|circle| {
            circle.positions = vec![circle.at(at[0] as f64)];
        });
        let one = QGrid::new(geometry(), &single, [1, 4, 4]).unwrap();
        // From that frame's laboratory to the sample, and to the laboratory of the middle frame.
        let to_sample = one.rotation(Frame::Sample, one.centre);
        let back = middle.rotation(Frame::Sample, middle.centre);
        let sample = crate::geometry::turned(&to_sample, one.centre);
        std::array::from_fn(|i| (0..3).map(|j| back[j][i] * sample[j]).sum())
    };
    let g = grid.centre;
    let unit = g.map(|value| value / norm(g));
    let pieces: Vec<(Vector, f64)> = {
        let count = [16, 22, 19];
        let mut all = Vec::new();
        for i in 0..count[0] {
            for j in 0..count[1] {
                for k in 0..count[2] {
                    let r: Vector =
                        std::array::from_fn(|a| HALF[a] * (2.0 * ([i, j, k][a] as f64 + 0.5) / count[a] as f64 - 1.0));
                    all.push((r, norm(g) * displacement(dot(r, unit), r[0])));
                }
            }
        }
        all
    };
    let mut amplitudes = vec![Complex32::ZERO; SHAPE.iter().product()];
    amplitudes.par_iter_mut().enumerate().for_each(|(index, out)| {
        let at = [index / (SHAPE[1] * SHAPE[2]), index / SHAPE[2] % SHAPE[1], index % SHAPE[2]];
        let q = exact(at);
        let change: Vector = std::array::from_fn(|i| q[i] - g[i]);
        let (mut re, mut im) = (0.0, 0.0);
        for &(r, phase) in &pieces {
            let (sin, cos) = (-dot(change, r) - phase).sin_cos();
            re += cos;
            im += sin;
        }
        *out = Complex32::new(re as f32, im as f32);
    });
    let field = Centered(Array3::from_shape_vec(SHAPE, amplitudes).unwrap()).to_cornered();
    let mut values: Vec<Complex32> = field.as_slice().to_vec();
    Fft::new(SHAPE).inverse(&mut values);
    Cornered(Array3::from_shape_vec(SHAPE, values).unwrap()).to_centered()
}

#[test]
fn crystals_come_back_as_they_stood_in_the_laboratory() {
    for (name, goniometer) in beamlines() {
        let grid = QGrid::new(geometry(), &goniometer, SHAPE).unwrap();
        assert!(grid.residual < 0.5, "{name}: {}", grid.residual);
        let object = measured(&goniometer, &grid);
        let support = Centered::filled(SHAPE, true);
        let options = CrystalOptions { isosurface: Some(0.5), hkl: Some([1, 1, 1]), ..Default::default() };
        let request = CrystalRequest { options, frame: Frame::Laboratory, voxel: None };
        let files = CrystalFiles::new(&object, &support, grid, Origin::default(), &request).unwrap();
        let CrystalFiles { cubes, summary, .. } = files;
        let edge = summary.sheared_voxel_nm.iter().copied().fold(0.0, f64::max);
        for (size, half) in summary.size_nm.iter().zip(HALF) {
            assert!((size - 2e9 * half).abs() < 0.7 * edge, "{name}: {:?} {edge}", summary.size_nm);
        }
        let volume = 8.0 * HALF.iter().product::<f64>() * 1e27;
        assert!((summary.volume_nm3 / volume - 1.0).abs() < 0.1, "{name}: {} {volume}", summary.volume_nm3);

        // Six faces, along the axes of the laboratory; edges are rounded by the resolution, and
        // some of them long enough for facets of their own.
        let (faces, edges) = summary.facets.split_at(6);
        let along =
            |facet: &Facet| facet.normal.iter().map(|value| value.abs()).fold(0.0, f64::max).acos().to_degrees();
        assert!(faces.iter().all(|face| along(face) < 2.0), "{name}: {faces:?}");
        let sum: f64 = faces.iter().map(|face| face.part).sum();
        assert!(sum > 0.5 && edges.iter().all(|edge| along(edge) > 20.0), "{name}: {sum} {edges:?}");

        // Strain and displacement inside, away from the edges' ripples.
        let g = grid.centre;
        let unit = g.map(|value| value / norm(g));
        let (mut errors, mut strains, mut count) = ([0.0; 2], 0.0, 0.0);
        let mut offset = Vec::new();
        for (at, _) in cubes.inside.0.indexed_iter().filter(|(_, inside)| **inside) {
            let at: [usize; 3] = at.into();
            let r: Vector = std::array::from_fn(|i| cubes.origin[i] + at[2 - i] as f64 * cubes.voxel);
            if (0..3).any(|i| r[i].abs() > 0.6 * HALF[i]) {
                continue;
            }
            let strain = 1.5e-3 / 100e-9 * dot(r, unit) + 2e-4 * unit[0];
            errors[0] += (f64::from(cubes.strain.0[at]) - strain).powi(2);
            strains += strain * strain;
            offset.push(f64::from(cubes.displacement.0[at]) - displacement(dot(r, unit), 0.0));
            count += 1.0;
        }
        // What is linear is a part of the momentum transfer, so that the mean strain is zero.
        // Displacements are up to 19 pm.
        let rms = (errors[0] / count).sqrt();
        assert!(count > 50.0 && rms < 2e-4 && (strains / count).sqrt() > 3e-4, "{name}: {rms} of {count}");
        let mean = offset.iter().sum::<f64>() / count;
        let off = (offset.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / count).sqrt();
        assert!(off < 4e-12, "{name}: {off}");

        let spacing = TAU / norm(g) * 1e10;
        assert!((summary.d_spacing_angstrom / spacing - 1.0).abs() < 1e-3, "{name}");
        assert!((summary.lattice_parameter_angstrom.unwrap() / summary.d_spacing_angstrom - 3f64.sqrt()).abs() < 1e-9);
    }
}

#[test]
fn a_twin_is_undone_by_its_twin() {
    let (_, goniometer) = &beamlines()[0];
    let grid = QGrid::new(geometry(), goniometer, SHAPE).unwrap();
    let object = measured(goniometer, &grid);
    let turned = twin(&object, |value| value.conj());
    let support = Centered::filled(SHAPE, true);
    let options = CrystalOptions { isosurface: Some(0.5), ..Default::default() };
    let one = crystal(&object, &support, &grid, [0.0; 3], &options).unwrap();
    let other = crystal(&turned, &support, &grid, [0.0; 3], &CrystalOptions { twin: true, ..options }).unwrap();
    assert_eq!(one.inside, other.inside);
    let off = one.strain.as_slice().iter().zip(other.strain.as_slice()).filter(|(a, _)| a.is_finite());
    assert!(off.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max) < 1e-6);
}

#[test]
fn ramps_are_momentum_transfer_or_displacement() {
    let (_, goniometer) = &beamlines()[0];
    let grid = QGrid::new(geometry(), goniometer, SHAPE).unwrap();
    let object = measured(goniometer, &grid);
    let support = Centered::filled(SHAPE, true);
    let options = CrystalOptions { isosurface: Some(0.5), ..Default::default() };
    let plain = crystal(&object, &support, &grid, [0.0; 3], &options).unwrap();
    // An object without a ramp, which is given beside it, is the object with it.
    let ramp = [0.4, -0.3, 0.2];
    let removed = Gauge { phase: 0.7, ramp }.removed(&object);
    let given = crystal(&removed, &support, &grid, ramp, &options).unwrap();
    let off: Vector = std::array::from_fn(|i| given.g[i] - plain.g[i]);
    assert!(norm(off) < 1e-5 * norm(plain.g), "{off:?}");
    let kept = crystal(&removed, &support, &grid, ramp, &CrystalOptions { keep_ramp: true, ..options }).unwrap();
    assert_eq!(kept.g, grid.centre);
    // Spacing times one plus the mean strain is the same, whichever of them holds the ramp.
    let mean = |crystal: &Crystal| Spread::of(crystal.strain.as_slice().iter().copied()).unwrap().mean;
    let [a, b] = [&plain, &kept].map(|crystal| crystal.spacing() * (1.0 + mean(crystal)));
    assert!((a / b - 1.0).abs() < 2e-5, "{a} {b}");
}

#[test]
fn frames_and_other_shapes_are_refused() {
    let (_, goniometer) = &beamlines()[0];
    let grid = QGrid::new(geometry(), goniometer, SHAPE).unwrap();
    let refused = |shape: Shape| {
        let (object, support) = (Centered::filled(shape, Complex32::ONE), Centered::filled(shape, true));
        crystal(&object, &support, &grid, [0.0; 3], &CrystalOptions::default()).unwrap_err().to_string()
    };
    assert!(refused([1, 28, 30]).contains("single frame"));
    assert!(refused([24, 28, 32]).contains("24x28x32"));
}
