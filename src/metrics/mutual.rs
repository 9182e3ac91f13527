//! Distances between every two of many objects.

use super::{inner, same_shapes, transformed};
use crate::error::Result;
use crate::fft::Fft;
use crate::volume::Centered;
use ndarray::Array2;
use num_complex::Complex32;

/// Relative distances `|c a - b| / |b|` of every two objects, after the whole-pixel shift, the twin
/// and the complex factor `c` that bring them closest: 0 for the same object, 1 for nothing in
/// common. From single-precision correlations: a thousandth is rounding.
///
/// # Errors
/// [`Error::Shape`](crate::error::Error::Shape) if the shapes differ.
pub fn mutual_distances(objects: &[&Centered<Complex32>]) -> Result<Array2<f64>> {
    let mut distances = Array2::zeros([objects.len(); 2]);
    let Some(first) = objects.first() else { return Ok(distances) };
    for object in objects {
        same_shapes("object", [object.shape(), first.shape()])?;
    }
    let fft = Fft::new(first.shape());
    // One spectrum is held at a time: volumes are large, and transforms are cheap beside phasing.
    let spectrum = |object: &Centered<Complex32>| transformed(&fft, object.to_cornered().0);
    let energies: Vec<f64> = objects.iter().map(|object| inner(object.as_slice(), object.as_slice()).re).collect();
    for (i, object) in objects.iter().enumerate() {
        let reference = spectrum(object);
        for j in 0..i {
            let other = spectrum(objects[j]);
            let largest = [false, true].map(|twin| {
                // The transform of the twin is the conjugate of the object's.
                let mut cross = other.clone();
                cross.zip_mut_with(&reference, |a, b| *a = if twin { a.conj() } else { *a } * b.conj());
                fft.inverse(cross.as_slice_mut().expect("standard layout"));
                cross.iter().map(|value| value.norm_sqr()).fold(0.0, f32::max)
            });
            // Transforms are unitary: of a product of two spectra they leave a factor.
            let overlap = f64::from(largest[0].max(largest[1])) * other.len() as f64;
            let correlation = overlap / (energies[i] * energies[j]).max(f64::MIN_POSITIVE);
            distances[[i, j]] = (1.0 - correlation).max(0.0).sqrt();
            distances[[j, i]] = distances[[i, j]];
        }
    }
    Ok(distances)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{blob, noise};
    use super::super::{conjugate_inverse, rolled};
    use super::*;
    use crate::volume::Cornered;

    #[test]
    fn shift_twin_phase_and_scale_are_no_distance() {
        for shape in [[1, 40, 48], [8, 12, 15]] {
            let object = blob(shape, 1);
            let shifted = Cornered(rolled(&object.to_cornered().0, [0, 5, -7]));
            let mut twin = conjugate_inverse(&shifted);
            twin.0.mapv_inplace(|value| value * Complex32::from_polar(3.0, 1.1));
            // Energies of independent parts add: the distance is that of noise to the sum.
            let mut noisy = object.clone();
            let (strange, energy) = (noise(shape, 2), inner(object.as_slice(), object.as_slice()).re);
            let scale = 0.3 * (energy / inner(strange.as_slice(), strange.as_slice()).re).sqrt() as f32;
            noisy.0.zip_mut_with(&strange.0, |value, noise| *value += scale * noise);
            let all = [&object, &shifted.to_centered(), &twin.to_centered(), &noisy];
            let found = mutual_distances(&all).unwrap();
            for i in 0..3 {
                assert!((0..3).all(|j| found[[i, j]] < 2e-3), "{found}");
                assert!((found[[i, 3]] - 0.29).abs() < 0.03 && found[[3, i]] == found[[i, 3]], "{found}");
            }
        }
        assert_eq!(mutual_distances(&[]).unwrap().len(), 0);
        let [a, b] = [blob([1, 8, 8], 1), blob([1, 8, 9], 1)];
        assert!(mutual_distances(&[&a, &b]).is_err());
    }
}
