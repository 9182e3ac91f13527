use super::operator::Operator;
use super::*;
use crate::fft::Fft;
use nalgebra::{DMatrix, SymmetricEigen};
use ndarray::Array3;
use num_complex::Complex64;

/// A gap of some columns and a few single pixels, and a support without symmetry.
fn case(shape: Shape, columns: std::ops::Range<usize>) -> (Centered<bool>, Centered<bool>) {
    let gap = Array3::from_shape_fn(shape, |(z, y, x)| columns.contains(&x) || (y, x) == (3, 2) || (z, y) == (1, 7));
    let support = Array3::from_shape_fn(shape, |(z, y, x)| {
        let along = |i: usize, n: usize| if n == 1 { 0.0 } else { i as f64 / n as f64 - 0.5 };
        let (w, v, u) = (along(z, shape[0]), along(y, shape[1]), along(x, shape[2]));
        w * w + (v + 0.03).powi(2) + (u - 0.2 * v).powi(2) < 0.05 && v + u > -0.2
    });
    (Centered(support), Centered(gap))
}

/// The operator as a matrix, through whole transforms of unit vectors.
fn dense(support: &Centered<bool>, gap: &Centered<bool>) -> DMatrix<Complex64> {
    let shape = gap.shape();
    let fft = Fft::new(shape);
    let (support, gap) = (support.to_cornered(), in_order(gap));
    let inside: Vec<usize> = (0..support.as_slice().len()).filter(|&index| support.as_slice()[index]).collect();
    let mut matrix = DMatrix::zeros(inside.len(), inside.len());
    for (column, &from) in inside.iter().enumerate() {
        let mut data = vec![Complex32::ZERO; gap.len()];
        data[from] = Complex32::ONE;
        fft.forward(&mut data);
        data.iter_mut().zip(&gap).for_each(|(value, &gap)| *value *= f32::from(u8::from(gap)));
        fft.inverse(&mut data);
        for (row, &to) in inside.iter().enumerate() {
            matrix[(row, column)] = Complex64::new(data[to].re.into(), data[to].im.into());
        }
    }
    matrix
}

fn in_order(mask: &Centered<bool>) -> Vec<bool> {
    mask.to_cornered().as_slice().to_vec()
}

fn oracle(support: &Centered<bool>, gap: &Centered<bool>) -> Vec<f64> {
    let mut values: Vec<f64> = SymmetricEigen::new(dense(support, gap)).eigenvalues.iter().copied().collect();
    values.sort_by(|a, b| b.total_cmp(a));
    values
}

fn find(support: &Centered<bool>, gap: &Centered<bool>, most: usize) -> (Operator, HiddenModes) {
    let op = Operator::new(support, gap).unwrap();
    let found = HiddenModes::find(&op, most, 1, &|_| true).unwrap();
    (op, found)
}

#[test]
fn modes_are_those_of_the_matrix() {
    for (shape, columns) in [([1, 40, 36], 14..22), ([6, 22, 24], 9..14), ([1, 17, 23], 5..14)] {
        let (support, gap) = case(shape, columns);
        let expected = oracle(&support, &gap);
        let (op, found) = find(&support, &gap, 400);
        let modes = found.modes.as_ref().expect("few enough");
        let hidden = expected.iter().filter(|&&value| value >= HIDDEN).count();
        assert!(hidden > 3, "{hidden}");
        assert_eq!((modes.eigenvalues.len(), found.count as usize, found.count_error), (hidden, hidden, 0.0));
        for (value, expected) in modes.eigenvalues.iter().zip(&expected) {
            assert!((value - expected).abs() < 2e-4, "{shape:?}: {value} {expected}");
        }
        let sum: f64 = expected.iter().sum();
        assert!((found.trace - sum).abs() < 1e-3 * sum, "{} {sum}", found.trace);
        // Each is an eigenvector, and they are orthonormal.
        for (i, row) in modes.vectors.axis_iter(Axis(0)).enumerate() {
            let image = op.polynomial(row.as_slice().unwrap(), &[0.5, 0.5]);
            let value = modes.eigenvalues[i] as f32;
            let off: f64 = image.iter().zip(row).map(|(image, v)| f64::from((image - v * value).norm_sqr())).sum();
            assert!(off.sqrt() < 5e-3, "{shape:?} {i}: {off}");
            let before: Complex32 = modes.vectors.row(0).iter().zip(row).map(|(a, b)| a.conj() * b).sum();
            assert!((before.norm() - if i == 0 { 1.0 } else { 0.0 }).abs() < 1e-3, "{before}");
        }
    }
}

#[test]
fn a_box_behind_a_straight_gap_has_twice_nw_modes_a_line() {
    // 32 pixels a line, a gap of 24 of 128 columns: 2 N W = 6 on each of 12 lines.
    let shape = [1, 48, 128];
    let gap = Centered(Array3::from_shape_fn(shape, |(_, _, x)| (50..74).contains(&x)));
    let support = Centered(Array3::from_shape_fn(shape, |(_, y, x)| (20..32).contains(&y) && (40..72).contains(&x)));
    let (_, found) = find(&support, &gap, 400);
    assert_eq!(found.count, 72.0);
    // All lines have the same.
    let values = found.modes.unwrap().eigenvalues;
    for line in values.chunks(12) {
        assert!((line[0] - line[11]).abs() < 1e-4, "{line:?}");
    }
    assert!((found.trace - 72.0).abs() < 1e-6, "{}", found.trace);
}

#[test]
fn random_vectors_count_and_place_what_the_modes_do() {
    let shape = [24, 32, 32];
    let (support, gap) = case(shape, 12..20);
    let (_, exact) = find(&support, &gap, 2000);
    let (_, counted) = find(&support, &gap, 0);
    assert!(counted.modes.is_none() && exact.modes.is_some());
    let error = counted.count_error;
    assert!(error > 0.0 && error < 0.05 * exact.count, "{error} of {}", exact.count);
    assert!((counted.count - exact.count).abs() < 4.0 * error + 0.03 * exact.count, "{counted:?}");
    // Where the modes are, at the width to which the estimate is smoothed.
    let mean = exact.count / exact.support_pixels as f64;
    let [mut off, mut all] = [0.0; 2];
    for (a, b) in exact.map.as_slice().iter().zip(counted.map.as_slice()) {
        off += f64::from(a - b).powi(2);
        all += 1.0;
    }
    let distance = (off / all).sqrt();
    assert!(distance < 0.35 * mean, "{distance} {mean}");
    // The worst of them all: its gain within a tenth.
    let ratio = counted.noise_gain / exact.noise_gain;
    assert!((0.75..1.05).contains(&ratio), "{ratio}");
}

#[test]
fn the_worst_mode_amplifies_noise_as_said() {
    let shape = [1, 32, 48];
    let gap = Centered(Array3::from_shape_fn(shape, |(_, _, x)| (20..28).contains(&x)));
    let support = Centered(Array3::from_shape_fn(shape, |(_, y, x)| (12..20).contains(&y) && (16..34).contains(&x)));
    let (op, found) = find(&support, &gap, 400);
    let expected = oracle(&support, &gap)[0];
    // The matrix is of 32-bit transforms: its 1 - l has few digits.
    let gain = 1.0 / (1.0 - expected).sqrt();
    assert!((found.noise_gain / gain - 1.0).abs() < 0.02, "{} {gain}", found.noise_gain);
    let modes = found.modes.unwrap();
    let object = op.spread(modes.vectors.row(0).as_slice().unwrap(), Complex32::ZERO);
    assert!(hidden_fraction(&op, &object) > 0.98);
    let last = found.support_pixels;
    assert!(found.count < last as f64 / 2.0);
}

#[test]
fn what_to_do_depends_on_where_the_gap_lies() {
    let shape = [1, 96, 96];
    let support = Centered(Array3::from_shape_fn(shape, |(_, y, x)| (36..60).contains(&y) && (36..60).contains(&x)));
    let outlook = |columns: std::ops::Range<usize>| {
        let gap = Centered(Array3::from_shape_fn(shape, |(_, _, x)| columns.contains(&x)));
        let (op, modes) = find(&support, &gap, 400);
        let nothing = Centered::filled(shape, false);
        let moving = Outlook::new(&op, &modes, &support, [&gap, &nothing], &|_| true).unwrap();
        // A beamstop of that form stays, wherever the detector is.
        let fixed = Outlook::new(&op, &modes, &support, [&nothing, &gap], &|_| true).unwrap();
        assert!(fixed.error < 0.1 || fixed.remedy == Remedy::Fill, "{fixed:?}");
        moving
    };
    // A quarter of the oversampling: data and support tell.
    let narrow = outlook(48..49);
    assert!(narrow.remedy == Remedy::Nothing && narrow.widest_gap == 1, "{narrow:?}");
    // Over the peak: away from it, to the side.
    let wide = outlook(44..52);
    assert!(wide.hidden_energy > 0.5 && wide.widest_gap == 8, "{wide:?}");
    let Remedy::Move(Moved { by, hidden_energy }) = wide.remedy else { panic!("{wide:?}") };
    assert!(by[0] == 0 && by[1].unsigned_abs() >= 9 && hidden_energy < 0.005, "{wide:?}");
    // The same gap far from the peak is harmless where it is.
    assert_eq!(outlook(86..90).remedy, Remedy::Nothing);
    let empty = Operator::new(&Centered::filled(shape, false), &support);
    assert!(empty.is_err() && Operator::new(&Centered::filled([1, 8, 8], true), &support).is_err());
}
