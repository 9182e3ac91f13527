//! The built-in example: one small pattern on which everything can be tried without a file.
//!
//! A flat flake (an irregular polygon with a hole, a notch and a thicker bar, so that nothing about
//! it is centrosymmetric and its twin can be told apart), seen in the far field by a detector with
//! a cross-shaped gap and a beamstop.

use crate::fft::Fft;
use crate::geometry::{EV, Geometry};
use crate::pixels::{Pattern, bit};
use crate::volume::{Centered, Cornered};
use ndarray::Array3;
use num_complex::Complex32;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Poisson};

/// Pixels along y and x.
const SIZE: usize = 256;
/// Photons in the whole pattern, those that the gap and the beamstop swallow included.
const PHOTONS: f64 = 1e7;
/// First row and first column of the gap.
const GAP: [usize; 2] = [147, 94];
/// Width of the gap: a Maxipix seam.
const GAP_WIDTH: usize = 6;
/// Radius of the beamstop, pixels: hides the centre of the central speckle.
const BEAMSTOP: f64 = 2.5;
/// Samples along each side of a pixel, for smooth edges.
const SAMPLES: usize = 8;

/// Corners of the flake, `(y, x)` in pixels from the centre of the array: 66 by 64 pixels, a linear
/// oversampling of 4.
const OUTLINE: [[f64; 2]; 9] = [
    [-33.0, -6.0],
    [-26.0, 20.0],
    [-9.0, 31.5],
    [4.0, 17.0],
    [21.0, 26.0],
    [32.5, 3.0],
    [19.0, -13.0],
    [10.0, -32.0],
    [-17.0, -25.0],
];

/// The built-in example: a pattern and the object behind it.
pub struct Example {
    /// Photon counts, with a detector gap and a beamstop.
    pub pattern: Pattern,
    /// The object: real and positive, its squared norm is the number of photons.
    pub object: Centered<Complex32>,
    /// Pixels in which the object is not zero.
    pub support: Centered<bool>,
}

/// Returns the built-in example. The object is always the same; `seed` draws the photons.
pub fn example(seed: u64) -> Example {
    let shape = [1, SIZE, SIZE];
    let mut object = Centered(Array3::from_shape_fn(shape, |(_, y, x)| Complex32::new(thickness(y, x) as f32, 0.0)));
    let norm: f64 = object.as_slice().iter().map(|value| f64::from(value.norm_sqr())).sum();
    let scale = (PHOTONS / norm).sqrt() as f32;
    object.0.mapv_inplace(|value| value * scale);
    let support = object.map(|value| value.re > 0.0);

    // Unitary transform: the intensities sum up to the squared norm of the object (Parseval).
    let (mut wave, _) = object.to_cornered().0.into_raw_vec_and_offset();
    Fft::new(shape).forward(&mut wave);
    let wave = Cornered(Array3::from_shape_vec(shape, wave).expect("the same number of elements"));

    let mut mask = Centered::filled(shape, 0);
    for ((_, y, x), bits) in mask.0.indexed_iter_mut() {
        if (GAP[0]..GAP[0] + GAP_WIDTH).contains(&y) || (GAP[1]..GAP[1] + GAP_WIDTH).contains(&x) {
            *bits |= bit::MISSING;
        }
        let [dy, dx] = [y, x].map(|i| i as f64 - (SIZE / 2) as f64);
        if dy.hypot(dx) <= BEAMSTOP {
            *bits |= bit::SHADOWED;
        }
    }

    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut intensity = wave.to_centered().map(|value| count(f64::from(value.norm_sqr()), &mut rng));
    intensity.0.zip_mut_with(&mask.0, |value, &bits| {
        if bits != 0 {
            *value = 0.0;
        }
    });
    let geometry = Geometry { energy: Some(8100.0 * EV), distance: Some(3.3), pixel_size: Some([55e-6; 2]) };
    Example {
        pattern: Pattern { intensity, mask, estimate: None, calculated: None, geometry, goniometer: None },
        object,
        support,
    }
}

/// A number of photons drawn from a Poisson distribution.
fn count(mean: f64, rng: &mut ChaCha8Rng) -> f32 {
    // Poisson::new refuses a mean of zero only, where no photon ever comes.
    Poisson::new(mean).map_or(0.0, |poisson| poisson.sample(rng) as f32)
}

/// Mean thickness of the flake over one pixel, in units of its plain part.
fn thickness(y: usize, x: usize) -> f64 {
    let offset = |i: usize, sample: usize| i as f64 - (SIZE / 2) as f64 + (sample as f64 + 0.5) / SAMPLES as f64 - 0.5;
    let samples = (0..SAMPLES * SAMPLES).map(|s| thickness_at([offset(y, s / SAMPLES), offset(x, s % SAMPLES)]));
    samples.sum::<f64>() / (SAMPLES * SAMPLES) as f64
}

/// Thickness of the flake at a point `(y, x)`, pixels from the centre.
fn thickness_at([y, x]: [f64; 2]) -> f64 {
    let hole = (y + 14.0).hypot(x - 8.0) < 6.5;
    let slot = (y - 13.0).abs() < 2.5 && (x + 4.0).abs() < 9.0;
    if !inside(&OUTLINE, [y, x]) || hole || slot {
        return 0.0;
    }
    let bar = (0.8 * y + 0.6 * x + 12.0).abs() < 4.0;
    1.0 + if bar { 0.6 } else { 0.0 } + 0.15 * (y / 33.0)
}

/// Whether a point is inside a polygon: an odd number of its edges crosses the ray to the right.
fn inside(corners: &[[f64; 2]], [y, x]: [f64; 2]) -> bool {
    let next = corners.iter().cycle().skip(1);
    let crossed = corners
        .iter()
        .zip(next)
        .filter(|([ya, xa], [yb, xb])| (*ya > y) != (*yb > y) && x < xa + (y - ya) / (yb - ya) * (xb - xa));
    crossed.count() % 2 == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn photons_gap_and_object_are_as_described() {
        let example = example(1);
        let norm: f64 = example.object.as_slice().iter().map(|value| f64::from(value.norm_sqr())).sum();
        assert!((norm / PHOTONS - 1.0).abs() < 1e-4, "{norm}");
        let (measured, photons) = example.pattern.totals();
        assert!(photons > 0.1 * PHOTONS && photons < PHOTONS, "{photons}");
        // A cross of 6 pixels and a disc of radius 2.5 (21 pixels) that do not overlap.
        assert_eq!(256 * 256 - measured, 6 * 256 * 2 - 36 + 21);
        let extent = |axis: usize| {
            let used: Vec<usize> = example
                .support
                .0
                .indexed_iter()
                .filter(|(_, inside)| **inside)
                .map(|(i, _)| [i.0, i.1, i.2][axis])
                .collect();
            used.iter().max().unwrap() - used.iter().min().unwrap() + 1
        };
        assert!((60..=70).contains(&extent(1)) && (60..=70).contains(&extent(2)), "{} {}", extent(1), extent(2));
        let pattern = example.pattern;
        assert!(Pattern::new(pattern.intensity, pattern.mask, pattern.geometry).is_ok());
    }

    #[test]
    fn the_seed_decides_the_photons() {
        let [a, b, c] = [7, 7, 8].map(|seed| example(seed).pattern.intensity);
        assert_eq!(a, b);
        assert_ne!(a, c);
    }

    #[test]
    fn the_object_differs_from_its_twin() {
        let object = example(1).object.0;
        let twin = |y: usize, x: usize| object[[0, (SIZE - y) % SIZE, (SIZE - x) % SIZE]].re;
        let difference: f32 = object.indexed_iter().map(|((_, y, x), value)| (value.re - twin(y, x)).powi(2)).sum();
        assert!(f64::from(difference) > 0.1 * PHOTONS, "{difference}");
    }
}
