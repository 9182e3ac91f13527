//! Quality of a reconstruction: registration, reproducibility (PRTF, modes), resolution (FSC),
//! overlap of supports.
//!
//! Pure functions on arrays. All sums run in a fixed order: the same input gives the same digits on
//! any number of threads.

mod bootstrap;
mod calculated;
mod gauge;
mod inside;
mod modes;
mod overlap;
mod peak;
mod register;
mod resolution;
mod texture;
mod unwrap;

pub use bootstrap::{interval, median};
pub use calculated::calculated_intensity;
pub use gauge::Gauge;
pub use inside::GapScore;
pub use modes::{Modes, average, modes};
pub use overlap::{Overlap, overlap};
pub use register::{Registration, RegistrationOptions, register};
pub use resolution::{
    Crossing, FscShell, Resolution, Shell, fsc, fsc_along, fsc_crossing, photons_end, prtf, prtf_crossing,
    true_crossing,
};
pub use texture::{Texture, texture};
pub use unwrap::{Unwrapped, unwrap, vortices};

use crate::error::{Error, Result};
use crate::fft::Fft;
use crate::pixels::trimmed;
use crate::volume::{Cornered, Shape};
use ndarray::Array3;
use num_complex::{Complex32, Complex64};
use rayon::prelude::*;
use std::iter::Sum;
use std::ops::Range;

/// Arrays to be compared must have one shape, the first's.
fn same_shapes(what: &str, shapes: impl IntoIterator<Item = Shape>) -> Result<()> {
    let mut shapes = shapes.into_iter();
    let Some(expected) = shapes.next() else { return Ok(()) };
    match shapes.find(|&shape| shape != expected) {
        None => Ok(()),
        Some(found) => Err(Error::Shape {
            what: what.into(),
            found: trimmed(found),
            expected: trimmed(expected),
            remedy: "compare results of the same pattern, cut to the same size".into(),
        }),
    }
}

/// The index as a frequency: the upper half is negative (numpy's `fftfreq`, times `n`).
fn signed(index: usize, n: usize) -> f64 {
    if index < n.div_ceil(2) { index as f64 } else { index as f64 - n as f64 }
}

fn wide(value: Complex32) -> Complex64 {
    Complex64::new(value.re.into(), value.im.into())
}

fn transformed(fft: &Fft, mut array: Array3<Complex32>) -> Array3<Complex32> {
    fft.forward(array.as_slice_mut().expect("standard layout"));
    array
}

/// `conj(O(-r))`, whose diffraction pattern is the same.
fn conjugate_inverse(object: &Cornered<Complex32>) -> Cornered<Complex32> {
    let [nz, ny, nx] = object.shape();
    let opposite = |i: usize, n: usize| (n - i) % n;
    Cornered(Array3::from_shape_fn((nz, ny, nx), |(z, y, x)| {
        object.0[[opposite(z, nz), opposite(y, ny), opposite(x, nx)]].conj()
    }))
}

/// A sum over `0..length`, in pieces of fixed size and added in order.
fn summed<T: Sum + Send>(length: usize, of: impl Fn(Range<usize>) -> T + Sync) -> T {
    const PIECE: usize = 1 << 14;
    let piece = |i: usize| of(i * PIECE..((i + 1) * PIECE).min(length));
    let pieces: Vec<T> = (0..length.div_ceil(PIECE)).into_par_iter().map(piece).collect();
    pieces.into_iter().sum()
}

/// Inner product `sum conj(a) b`.
fn inner(a: &[Complex32], b: &[Complex32]) -> Complex64 {
    summed(a.len(), |piece| piece.map(|i| wide(a[i]).conj() * wide(b[i])).sum())
}

#[cfg(test)]
mod testing {
    //! Objects for the tests of this module.

    use crate::volume::{Centered, Shape};
    use ndarray::Array3;
    use num_complex::Complex32;
    use rand::{Rng, SeedableRng};
    use rand_distr::StandardNormal;

    /// Complex Gaussian noise, real and imaginary part of unit variance.
    pub fn noise(shape: Shape, seed: u64) -> Centered<Complex32> {
        let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
        let mut normal = move || random.sample(StandardNormal);
        Centered(Array3::from_shape_simple_fn(shape, || Complex32::new(normal(), normal())))
    }

    /// A smooth object without symmetry that fills the middle of the array and is zero elsewhere.
    pub fn blob(shape: Shape, seed: u64) -> Centered<Complex32> {
        let waves = noise([1, 4, 4], seed);
        Centered(Array3::from_shape_fn(shape, |(z, y, x)| {
            let [w, v, u] = [(z, shape[0]), (y, shape[1]), (x, shape[2])]
                .map(|(i, n)| if n == 1 { 0.0 } else { i as f32 / n as f32 - 0.5 });
            let r = 1.0 - (w.powi(2) + v.powi(2) + u.powi(2)) / 0.3f32.powi(2);
            let phase: f32 = waves
                .0
                .indexed_iter()
                .map(|((_, a, b), wave)| wave.re * (5.0 * a as f32 * u + 4.0 * b as f32 * (v - w) + wave.im).sin())
                .sum();
            // Rising smoothly from the edge: an object that is sampled well enough to be shifted by
            // parts of a pixel.
            Complex32::from_polar(r.max(0.0).powi(2) * (1.0 + u + 0.5 * v + 0.7 * w), 0.4 * phase)
        }))
    }
}
