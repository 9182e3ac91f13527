//! The pattern that an object would give.

use crate::fft::Fft;
use crate::volume::{Centered, Cornered};
use num_complex::Complex32;

/// The intensities of an object's transform `(z, y, x)`, photons.
pub fn calculated_intensity(object: &Centered<Complex32>) -> Centered<f32> {
    let mut field = object.to_cornered();
    Fft::new(object.shape()).forward(field.0.as_slice_mut().expect("standard layout"));
    Cornered(field.0.mapv(|value| value.norm_sqr())).to_centered()
}
