//! The simulated far field against closed forms.

use super::*;
use std::f64::consts::PI;

/// A body given by closures.
struct Body {
    half: [f64; 3],
    distance: fn([f64; 3]) -> f64,
    value: fn([f64; 3]) -> Complex64,
    flat: bool,
}

impl Scatterer for Body {
    fn half_extents(&self) -> [f64; 3] {
        self.half
    }
    fn distance(&self, r: [f64; 3]) -> f64 {
        (self.distance)(r)
    }
    fn value(&self, r: [f64; 3], _: f64) -> Complex64 {
        (self.value)(r)
    }
    fn is_flat(&self) -> bool {
        self.flat
    }
}

fn length([z, y, x]: [f64; 3]) -> f64 {
    (z * z + y * y + x * x).sqrt()
}

fn one(_: [f64; 3]) -> Complex64 {
    Complex64::ONE
}

fn disc() -> Body {
    Body { half: [1.0; 3], distance: |[_, y, x]| y.hypot(x) - 1.0, value: one, flat: true }
}

fn sphere() -> Body {
    Body { half: [1.0; 3], distance: |r| length(r) - 1.0, value: one, flat: false }
}

fn cuboid() -> Body {
    let distance = |[z, y, x]: [f64; 3]| (z.abs() - 0.7).max(y.abs() - 1.0).max(x.abs() - 0.8);
    Body { half: [0.7, 1.0, 0.8], distance, value: one, flat: false }
}

fn sampling(shape: Shape, oversampling: f64) -> Sampling {
    Sampling { shape, oversampling: [oversampling; 3], peak_offset: [0.0; 3], frame_offsets: vec![], photons: 1e6 }
}

fn sinc(x: f64) -> f64 {
    if x == 0.0 { 1.0 } else { (PI * x).sin() / (PI * x) }
}

/// `2 J1(x) / x` by Bessel's integral, whose trapezoidal sum converges exponentially.
fn airy(x: f64) -> f64 {
    let n = 400;
    let j1: f64 =
        (0..n).map(|i| PI * (i as f64 + 0.5) / n as f64).map(|t| (t - x * t.sin()).cos()).sum::<f64>() / n as f64;
    if x == 0.0 { 1.0 } else { 2.0 * j1 / x }
}

/// Compares along the positive x axis (or y, z) through the centre: the largest difference of any
/// pixel in the first five fringes, in units of the highest intensity within half a fringe of it
/// (at the dark rings only the fringe beside sets a scale).
fn worst(field: &FarField, axis: usize, fringe: f64, theory: impl Fn(f64) -> f64) -> f64 {
    let shape = field.intensity.shape();
    let at = |k: usize| {
        let mut index = shape.map(|n| n / 2);
        index[axis] += k;
        f64::from(field.intensity.0[index])
    };
    let peak = at(0);
    let envelope = |k: f64| (0..=40).map(|i| theory(k + fringe * (i as f64 / 40.0 - 0.5))).fold(0.0, f64::max);
    (0..(5.5 * fringe) as usize)
        .map(|k| (at(k) / peak - theory(k as f64)).abs() / envelope(k as f64))
        .fold(0.0, f64::max)
}

/// The mean over a fine voxel lowers the intensity by `(pi k / 2 n)^2 / 3` along each axis: 0.4 %
/// in the fifth fringe (k = 16) of 256 pixels with an oversampling of 3, 0.8 % (k = 22) with one of
/// 4, four times that on 128 pixels. Thicknesses along the beam add 0.3 %.
const FORM_256: f64 = 0.012;
const FORM_128: f64 = 0.036;

#[test]
fn a_disc_gives_the_airy_pattern() {
    let field = far_field(&disc(), &sampling([1, 256, 256], 3.0));
    for axis in [1, 2] {
        let error = worst(&field, axis, 3.0, |k| airy(PI * k / 3.0).powi(2));
        assert!(error < FORM_256, "{error}");
    }
}

#[test]
fn a_rectangle_and_a_box_give_products_of_sinc() {
    let mut asked = sampling([1, 256, 256], 3.0);
    asked.oversampling = [1.0, 3.0, 4.0];
    let field = far_field(&cuboid(), &asked);
    let errors = [worst(&field, 1, 3.0, |k| sinc(k / 3.0).powi(2)), worst(&field, 2, 4.0, |k| sinc(k / 4.0).powi(2))];
    assert!(errors.iter().all(|&error| error < FORM_256), "{errors:?}");

    let mut asked = sampling([128, 128, 128], 3.0);
    asked.oversampling = [2.5, 3.0, 4.0];
    let field = far_field(&cuboid(), &asked);
    for axis in 0..3 {
        let fringe = asked.oversampling[axis];
        let error = worst(&field, axis, fringe, |k| sinc(k / fringe).powi(2));
        assert!(error < FORM_128, "axis {axis}: {error}");
    }
}

#[test]
fn a_sphere_gives_its_form_factor_in_three_and_in_two_dimensions() {
    let form = |k: f64| {
        let x: f64 = PI * k / 3.0;
        if x == 0.0 { 1.0 } else { (3.0 * (x.sin() - x * x.cos()) / x.powi(3)).powi(2) }
    };
    let field = far_field(&sphere(), &sampling([128, 128, 128], 3.0));
    for axis in 0..3 {
        let error = worst(&field, axis, 3.0, form);
        assert!(error < FORM_128, "axis {axis}: {error}");
    }
    // The projection of a sphere is the central section of its far field.
    let field = far_field(&sphere(), &sampling([1, 256, 256], 3.0));
    let error = worst(&field, 2, 3.0, form);
    assert!(error < FORM_256, "{error}");
}

#[test]
fn a_gaussian_gives_a_gaussian() {
    // exp(-r^2 / 2 s^2) with s = 1/5 of the half extent, cut where it has fallen to exp(-12.5).
    let body = Body {
        half: [1.0; 3],
        distance: |r| length(r) - 1.0,
        value: |r| Complex64::from((-12.5 * length(r).powi(2)).exp()),
        flat: false,
    };
    let field = far_field(&body, &sampling([64, 64, 64], 2.0));
    // Modulus exp(-2 (pi s q)^2) with q = k / (2 oversampling half extents), s = 0.2.
    for k in 0..8 {
        let theory = (-4.0 * (PI * 0.2 * k as f64 / 4.0).powi(2)).exp();
        for index in [[32 + k, 32, 32], [32, 32 + k, 32], [32, 32, 32 + k]] {
            let got = f64::from(field.intensity.0[index] / field.intensity.0[[32, 32, 32]]);
            // What is cut off is 4e-6 of the density.
            assert!((got / theory - 1.0).abs() < 2e-3, "{k}: {got} {theory}");
        }
    }
}

#[test]
fn photons_are_those_asked_for_and_the_object_is_the_inverse_transform() {
    for shape in [[1, 64, 48], [32, 36, 40]] {
        let mut asked = sampling(shape, 2.5);
        asked.peak_offset = [0.3, -1.2, 2.0];
        let field = far_field(&sphere(), &asked);
        let sum = |values: &[f32]| values.iter().map(|v| f64::from(*v)).sum::<f64>();
        assert!((sum(field.intensity.as_slice()) / 1e6 - 1.0).abs() < 1e-5);
        let (mut wave, _) = field.object.to_cornered().0.into_raw_vec_and_offset();
        Fft::new(shape).forward(&mut wave);
        let wave = Cornered(Array3::from_shape_vec(shape, wave).unwrap()).to_centered();
        let worst = wave.0.iter().zip(&field.intensity.0).map(|(a, b)| (a.norm_sqr() - b).abs()).fold(0.0, f32::max);
        let peak = field.intensity.as_slice().iter().copied().fold(0.0, f32::max);
        // Two transforms in single precision.
        assert!(worst < 1e-5 * peak, "{worst} of {peak}");
    }
}

#[test]
fn a_tilted_plane_phase_moves_the_peak() {
    let mut asked = sampling([32, 64, 64], 3.0);
    asked.peak_offset = [3.0, -5.0, 7.0];
    let moved = far_field(&cuboid(), &asked).intensity;
    let peak = moved.0.indexed_iter().max_by(|a, b| a.1.total_cmp(b.1)).unwrap().0;
    assert_eq!(peak, (16 + 3, 32 - 5, 32 + 7));
    // The same as a phase ramp of the body itself: seven turns from one end of the array to the
    // other.
    let ramp = Body { value: |[_, _, x]| Complex64::from_polar(1.0, TAU * 7.0 * x / (2.0 * 0.8 * 3.0)), ..cuboid() };
    let tilted = far_field(&ramp, &sampling([1, 64, 64], 3.0)).intensity;
    let peak = tilted.0.indexed_iter().max_by(|a, b| a.1.total_cmp(b.1)).unwrap().0;
    assert_eq!(peak, (0, 32, 32 + 7));
}

/// Largest difference between Friedel mates, in units of the intensities' mean square root.
fn asymmetry(field: &FarField) -> f64 {
    let (nz, ny, nx) = field.intensity.0.dim();
    let mate = |i: usize, n: usize| (n - i + 2 * (n / 2)) % n;
    let (mut difference, mut total) = (0.0, 0.0);
    for ((z, y, x), &value) in field.intensity.0.indexed_iter() {
        // The mate of the first row or column of an even axis is outside the window.
        if (nz > 1 && z == 0) || y == 0 || x == 0 {
            continue;
        }
        let other = field.intensity.0[[mate(z, nz), mate(y, ny), mate(x, nx)]];
        difference += (f64::from(value).sqrt() - f64::from(other).sqrt()).powi(2);
        total += f64::from(value);
    }
    (difference / total).sqrt()
}

#[test]
fn friedel_mates_are_equal_for_real_objects_only() {
    let wedge =
        |[z, y, x]: [f64; 3]| (z.abs() - 0.7).max(y.abs() - 1.0).max(x.abs() - 0.8).max(0.6 * x + 0.8 * y - 0.3);
    for shape in [[1, 64, 64], [32, 48, 64]] {
        let real = Body { distance: wedge, ..cuboid() };
        // Rounding.
        assert!(asymmetry(&far_field(&real, &sampling(shape, 3.0))) < 1e-4);
        let strained = Body {
            distance: wedge,
            value: |[_, y, x]| Complex64::from_polar(1.0, 2.0 * (2.0 * x).sin() + 1.5 * y * y),
            ..cuboid()
        };
        assert!(asymmetry(&far_field(&strained, &sampling(shape, 3.0))) > 0.1);
    }
}

#[test]
fn the_autocorrelation_is_twice_as_wide_as_the_object() {
    let (n, oversampling) = (128usize, [1.0, 4.0, 5.0]);
    let field = far_field(&cuboid(), &Sampling { oversampling, ..sampling([1, n, n], 4.0) });
    let mut patterson: Vec<Complex32> =
        field.intensity.to_cornered().as_slice().iter().map(|&i| Complex32::new(i, 0.0)).collect();
    Fft::new([1, n, n]).inverse(&mut patterson);
    let peak = patterson[0].re;
    // The box falls off linearly to zero at its own width; ringing of the cut edges stays below a
    // per cent.
    for (stride, oversampling) in [(n, 4.0), (1, 5.0)] {
        let width = n as f64 / oversampling;
        for lag in 0..n / 2 {
            let expected = (1.0 - lag as f64 / width).max(0.0);
            let got = f64::from(patterson[lag * stride].re / peak);
            assert!((got - expected).abs() < 0.01, "lag {lag}: {got} {expected}");
        }
    }
}

#[test]
fn frames_that_miss_their_place_see_the_pattern_there() {
    let mut asked = sampling([32, 32, 32], 3.0);
    // Every frame one step too far: the same pattern, one frame on.
    asked.frame_offsets = vec![1.0; 32];
    let moved = far_field(&cuboid(), &asked).intensity;
    asked.frame_offsets = vec![];
    let still = far_field(&cuboid(), &asked).intensity;
    let peak = still.0[[16, 16, 16]];
    for z in 0..31 {
        for x in 0..32 {
            assert!((moved.0[[z, 16, x]] - still.0[[z + 1, 16, x]]).abs() < 1e-5 * peak);
        }
    }
}

#[test]
fn the_support_holds_the_particle() {
    let shape = [32, 48, 64];
    let field = far_field(&sphere(), &sampling(shape, 2.5));
    let inside = field.support.as_slice().iter().filter(|inside| **inside).count() as f64;
    let volume = 4.0 / 3.0 * PI * shape.iter().map(|&n| n as f64 / 2.5 / 2.0).product::<f64>();
    // All touched voxels: the volume and half a voxel around it, some 15 % of the radius here.
    assert!(inside > volume && inside < 1.6 * volume, "{inside} {volume}");
    let outside: f64 = field
        .object
        .as_slice()
        .iter()
        .zip(field.support.as_slice())
        .filter(|(_, inside)| !**inside)
        .map(|(v, _)| f64::from(v.norm_sqr()))
        .sum();
    // What the window cuts off rings around the surface.
    assert!(outside < 0.01 * 1e6, "{outside}");
}
