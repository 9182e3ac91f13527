use super::*;
use crate::geometry::{Circle, EV, Geometry, Goniometer, ScanOf};
use crate::volume::Shape;

fn crystal() -> LaboratoryCrystal {
    LaboratoryCrystal {
        habit: Habit::Box,
        size: [150e-9, 210e-9, 180e-9],
        hkl: [1, 1, 1],
        lattice_parameter: 3.9242e-10,
        azimuth: 20.0,
        strain: 1e-3,
        dislocation: false,
        photons: 1e7,
    }
}

const SHAPE: Shape = [16, 20, 18];

fn stand() -> (Geometry, Goniometer) {
    let circle = |motor: &str, axis: &str| Circle {
        motor: motor.into(),
        axis: axis.parse().unwrap(),
        positions: vec![],
        zero: 0.0,
    };
    let circles = Goniometer {
        sample: vec![circle("eta", "x-"), circle("phi", "y-")],
        detector: vec![circle("nu", "y-"), circle("delta", "x-")],
        pixel_axes: Some(["y-".parse().unwrap(), "x+".parse().unwrap()]),
        ..Goniometer::default()
    };
    // Pixels of a twentieth of an inverse size.
    let geometry = Geometry { energy: Some(9000.0 * EV), distance: Some(0.3), pixel_size: Some([90e-6; 2]) };
    let positions = [("nu".to_string(), 5.0), ("phi".to_string(), 30.0)];
    let scan = ScanOf { circles: &circles, positions: &positions, scanned: None, step: None };
    (geometry, scan.through(crystal().q(), geometry, SHAPE).unwrap())
}

/// Amplitudes summed over pieces of the crystal one by one.
#[test]
fn waves_add_up() {
    let (geometry, goniometer) = stand();
    let (map, grid) =
        (QMap::new(geometry, &goniometer, SHAPE).unwrap(), QGrid::new(geometry, &goniometer, SHAPE).unwrap());
    let crystal = crystal();
    let found = crystal.far_field(&map, &grid).intensity;
    let count = [24, 34, 29];
    let body = Body::new(&crystal, grid.centre);
    let pieces: Vec<(Vector, f64)> = ndarray::indices(count)
        .into_iter()
        .map(|(i, j, k)| {
            let at = [i, j, k];
            let r: Vector = std::array::from_fn(|a| crystal.size[a] * ((at[a] as f64 + 0.5) / count[a] as f64 - 0.5));
            (r, norm(grid.centre) * body.displacement(r))
        })
        .collect();
    let mut expected = Vec::new();
    for (z, y, x) in ndarray::indices(SHAPE) {
        let q = map.at([z, y, x].map(|i| i as f64));
        let (mut re, mut im) = (0.0, 0.0);
        for &(r, phase) in &pieces {
            let angle = -(0..3).map(|i| (q[i] - grid.centre[i]) * r[i]).sum::<f64>() - phase;
            re += angle.cos();
            im += angle.sin();
        }
        // Each piece is a small box, not a point.
        let piece: f64 = (0..3)
            .map(|a| {
                let half = (q[a] - grid.centre[a]) * crystal.size[a] / count[a] as f64 / 2.0;
                if half.abs() < 1e-9 { 1.0 } else { half.sin() / half }
            })
            .product();
        expected.push((re * re + im * im) * piece * piece);
    }
    let total: f64 = expected.iter().sum();
    let brightest = found.as_slice().iter().copied().fold(0.0, f32::max);
    for (found, expected) in found.as_slice().iter().zip(&expected) {
        let expected = expected / total * 1e7;
        let off = (f64::from(*found).sqrt() - expected.sqrt()).abs();
        assert!(off < 5e-3 * f64::from(brightest).sqrt(), "{found} {expected}");
    }
}

#[test]
fn the_truth_is_an_object_with_that_pattern() {
    let (geometry, goniometer) = stand();
    let (map, grid) =
        (QMap::new(geometry, &goniometer, SHAPE).unwrap(), QGrid::new(geometry, &goniometer, SHAPE).unwrap());
    let field = crystal().far_field(&map, &grid);
    let calculated = crate::metrics::calculated_intensity(&field.object);
    let pairs =
        || calculated.as_slice().iter().zip(field.intensity.as_slice()).map(|(a, b)| [f64::from(*a), f64::from(*b)]);
    let correlation = pairs().map(|[a, b]| (a * b).sqrt()).sum::<f64>()
        / (pairs().map(|[a, _]| a).sum::<f64>() * pairs().map(|[_, b]| b).sum::<f64>()).sqrt();
    assert!(correlation > 0.98, "{correlation}");
    let total: f64 = field.intensity.as_slice().iter().map(|value| f64::from(*value)).sum();
    assert!((total / 1e7 - 1.0).abs() < 1e-4);
}

#[test]
fn the_orientation_is_that_of_the_reflection() {
    let (geometry, mut goniometer) = stand();
    let grid = QGrid::new(geometry, &goniometer, SHAPE).unwrap();
    goniometer.ub = Some(crystal().ub(&grid));
    let grid = QGrid::new(geometry, &goniometer, SHAPE).unwrap();
    let hkl = grid.indices(grid.centre).unwrap();
    // To the last digits but for the curvature that the linear momentum transfer does not have.
    assert!(hkl.iter().all(|index| (index - 1.0).abs() < 1e-3), "{hkl:?}");
    let back = grid.reflection(hkl).unwrap();
    assert!((0..3).all(|i| (back[i] - grid.centre[i]).abs() < 1e-6 * norm(grid.centre)));
    // Rotations keep angles: (1, -1, 0) is perpendicular to (1, 1, 1).
    let across = grid.reflection([1.0, -1.0, 0.0]).unwrap();
    assert!(dot(across, grid.centre).abs() < 1e-3 * norm(across) * norm(grid.centre));
}
