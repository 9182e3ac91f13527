//! The start of a run: a support from the autocorrelation or a shape, and a random object inside
//! it.

use crate::error::{Error, Result};
use crate::fft::Fft;
use crate::volume::{Cornered, Shape};
use num_complex::Complex32;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// A first support of a simple form, centred.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Form {
    /// A disc or ball of this radius, pixels.
    Circle(f64),
    /// A rectangle or cuboid of these extents `(z, y, x)`, pixels.
    Box([f64; 3]),
}

impl Form {
    /// Returns the pixels inside. Along z only 3D arrays are limited.
    pub fn support(self, shape: Shape) -> Cornered<bool> {
        let mut support = Cornered::filled(shape, false);
        for (index, inside) in support.0.indexed_iter_mut() {
            let index: [usize; 3] = index.into();
            let offset: [f64; 3] = std::array::from_fn(|axis| {
                let (i, n) = (index[axis] as f64, shape[axis] as f64);
                if i < n / 2.0 { i } else { i - n }
            });
            *inside = match self {
                Form::Circle(radius) => offset.iter().map(|d| d * d).sum::<f64>() <= radius * radius,
                Form::Box(extent) => (0..3).all(|axis| shape[axis] == 1 || 2.0 * offset[axis].abs() <= extent[axis]),
            };
        }
        support
    }
}

/// Finds the pixels where the autocorrelation of the object exceeds `threshold` times its maximum.
/// The object fits into it: the autocorrelation is at least as wide as the object in every
/// direction.
///
/// `intensity` holds photons, zero where nothing is known.
///
/// # Errors
/// If the threshold leaves fewer than two pixels.
pub fn autocorrelation(intensity: &Cornered<f32>, threshold: f32) -> Result<Cornered<bool>> {
    let shape = intensity.shape();
    let mut field: Vec<Complex32> = intensity.as_slice().iter().map(|&i| Complex32::new(i, 0.0)).collect();
    Fft::new(shape).inverse(&mut field);
    let largest = field.iter().map(|v| v.norm()).fold(0.0, f32::max);
    let inside: Vec<bool> = field.iter().map(|v| v.norm() > threshold * largest).collect();
    if inside.iter().filter(|&&s| s).count() < 2 {
        return Err(Error::setting(
            "support-autocorrelation-threshold",
            threshold,
            "leaves no support: give a smaller one, or support = circle:RADIUS",
        ));
    }
    Ok(Cornered(ndarray::Array3::from_shape_vec(shape, inside).expect("same shape")))
}

/// The random numbers of one run, in the order in which they are drawn.
pub struct Draws(ChaCha8Rng);

impl Draws {
    /// Begins the stream of this seed.
    pub fn new(seed: u64) -> Self {
        Draws(ChaCha8Rng::seed_from_u64(seed))
    }

    /// Draws a number between two bounds, or the bound where both are equal. One number is drawn in
    /// either case.
    pub fn between(&mut self, [low, high]: [f32; 2]) -> f32 {
        low + (high - low) * self.0.random::<f32>()
    }

    /// Draws an object inside `support` with moduli uniform in 0..1 and phases uniform in
    /// `-range..range` radians, scaled to `photons`.
    pub fn object(&mut self, support: &Cornered<bool>, range: f32, photons: f64) -> Cornered<Complex32> {
        let mut object = Cornered::filled(support.shape(), Complex32::ZERO);
        let mut energy = 0.0;
        for (value, &inside) in object.0.iter_mut().zip(support.0.iter()) {
            if inside {
                let (modulus, turn): (f32, f32) = (self.0.random(), self.0.random());
                *value = Complex32::from_polar(modulus, range * (2.0 * turn - 1.0));
                energy += f64::from(modulus * modulus);
            }
        }
        let scale = if energy > 0.0 { (photons / energy).sqrt() as f32 } else { 1.0 };
        object.0.iter_mut().for_each(|value| *value *= scale);
        object
    }
}

/// Returns one half of the support, cut through its centre of mass across its longest axis: a start
/// that the twin does not share.
pub(crate) fn half(support: &Cornered<bool>) -> Cornered<bool> {
    let centred = support.to_centered();
    let shape = centred.shape();
    let mut sums = [0.0f64; 3];
    let mut squares = [0.0f64; 3];
    let mut count = 0.0;
    for (index, _) in centred.0.indexed_iter().filter(|(_, inside)| **inside) {
        let index: [usize; 3] = index.into();
        count += 1.0;
        for axis in 0..3 {
            sums[axis] += index[axis] as f64;
            squares[axis] += (index[axis] as f64).powi(2);
        }
    }
    if count == 0.0 {
        return support.clone();
    }
    let spread = |axis: usize| squares[axis] / count - (sums[axis] / count).powi(2);
    let axis = (0..3).filter(|&a| shape[a] > 1).max_by(|&a, &b| spread(a).total_cmp(&spread(b))).unwrap_or(2);
    let middle = sums[axis] / count;
    let mut cut = centred;
    for (index, inside) in cut.0.indexed_iter_mut() {
        let index: [usize; 3] = index.into();
        *inside &= index[axis] as f64 <= middle;
    }
    cut.to_cornered()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_are_centred() {
        let support = Form::Circle(3.0).support([1, 20, 21]).to_centered();
        assert!(support.0[[0, 10, 10]] && support.0[[0, 13, 10]] && support.0[[0, 7, 10]] && !support.0[[0, 14, 10]]);
        let support = Form::Box([4.0, 6.0, 8.0]).support([16, 16, 16]).to_centered();
        assert_eq!(support.0.iter().filter(|&&s| s).count(), 5 * 7 * 9);
    }

    #[test]
    fn the_autocorrelation_of_a_box_is_twice_as_wide() {
        let shape = [1, 32, 48];
        let mut field: Vec<Complex32> =
            Form::Box([1.0, 4.0, 8.0]).support(shape).0.iter().map(|&s| Complex32::new(s.into(), 0.0)).collect();
        Fft::new(shape).forward(&mut field);
        let intensity = ndarray::Array3::from_shape_vec(shape, field.iter().map(|f| f.norm_sqr()).collect()).unwrap();
        let support = autocorrelation(&Cornered(intensity), 1e-3).unwrap();
        assert_eq!(support.0.iter().filter(|&&s| s).count(), 9 * 17);
        assert!(autocorrelation(&Cornered::filled(shape, 0.0), 0.1).is_err());
    }

    #[test]
    fn objects_have_the_photons_asked_for_and_repeat() {
        let support = Form::Circle(5.0).support([1, 32, 32]);
        let object = Draws::new(7).object(&support, 1.0, 1e6);
        let energy: f64 = object.0.iter().map(|v| f64::from(v.norm_sqr())).sum();
        // Rounding of f32 in the scale.
        assert!((energy / 1e6 - 1.0).abs() < 1e-5);
        assert_eq!(object, Draws::new(7).object(&support, 1.0, 1e6));
        assert_ne!(object, Draws::new(8).object(&support, 1.0, 1e6));
    }

    #[test]
    fn half_of_a_support_is_cut_across_its_longest_axis() {
        let support = Form::Box([1.0, 4.0, 12.0]).support([1, 32, 32]);
        let cut = half(&support).to_centered();
        assert_eq!(cut.0.iter().filter(|&&s| s).count(), 5 * 7);
        assert!(cut.0[[0, 14, 10]] && !cut.0[[0, 14, 17]]);
    }
}
