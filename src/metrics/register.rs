//! Registration: reconstructions of the same pattern differ by what the intensities cannot tell.
//! Those are a shift, a conjugate inversion (the twin), a constant phase, and for Bragg data a
//! linear phase ramp, since the pattern's centre is known to a fraction of a pixel only.
//!
//! A shift in one space is a ramp in the other, so both are one problem: where is the peak of a
//! discrete Fourier transform, to a fraction of a pixel? [`super::peak`] answers it.

use super::peak::{distance, peak, ramped};
use super::{conjugate_inverse, inner, same_shapes, summed, transformed, wide};
use crate::error::{Error, Result};
use crate::fft::Fft;
use crate::volume::{Centered, Cornered, rolled};
use ndarray::Array3;
use num_complex::{Complex32, Complex64};
use rayon::prelude::*;

/// Ambiguities that registration removes in addition to whole-pixel shifts, the twin and the
/// constant phase.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RegistrationOptions {
    /// Shifts by fractions of a pixel. They resample the object; without them its values stay as
    /// they are.
    pub subpixel: bool,
    /// Linear phase ramps. Only for Bragg data: in the forward direction the centre of the pattern
    /// is known.
    pub ramp: bool,
}

impl Default for RegistrationOptions {
    fn default() -> Self {
        RegistrationOptions { subpixel: true, ramp: true }
    }
}

/// An object brought into register with a reference.
#[derive(Debug, Clone, PartialEq)]
pub struct Registration {
    /// Object after twin, shift, ramp and constant phase, in this order. Its scale is its own:
    /// averages of such objects keep their photons.
    pub object: Centered<Complex32>,
    /// Whether the object was replaced by its twin, `conj(O(-r))`.
    pub twin: bool,
    /// Shift of the object, pixels `(z, y, x)`.
    pub shift: [f64; 3],
    /// Phase ramp that was removed: turns across the array, or pixels in Fourier space,
    /// `(z, y, x)`.
    pub ramp: [f64; 3],
    /// Constant phase that was removed, radians.
    pub phase: f64,
    /// Factor `c` that brings `c * object` closest to the reference.
    pub scale: f64,
    /// Relative distance `|c * object - reference| / |reference|`: 0 for a perfect match, 1 for
    /// nothing in common.
    pub error: f64,
}

impl Registration {
    /// Another array of the object's frame, moved as the object was, to whole pixels.
    pub fn moved<T: Clone>(&self, array: &Centered<T>) -> Centered<T> {
        let [nz, ny, nx] = array.shape();
        let mut array = array.to_cornered().0;
        if self.twin {
            let opposite = |i: usize, n: usize| (n - i) % n;
            array = Array3::from_shape_fn((nz, ny, nx), |(z, y, x)| {
                array[[opposite(z, nz), opposite(y, ny), opposite(x, nx)]].clone()
            });
        }
        Cornered(rolled(&array, self.shift.map(|by| by.round() as isize))).to_centered()
    }
}

/// Rounds of shift and ramp: each is exact up to the other's error, and they converge by an order
/// of magnitude a round.
const ROUNDS: usize = 6;

/// Change, in pixels, below which rounds end: a tenth of it is left, far below what can be seen.
const CONVERGED: f64 = 1e-3;

/// Brings `moving` into register with `reference`.
///
/// # Errors
/// [`Error::Shape`] if the shapes differ, [`Error::Object`] for values that are not finite.
pub fn register(
    moving: &Centered<Complex32>,
    reference: &Centered<Complex32>,
    options: RegistrationOptions,
) -> Result<Registration> {
    same_shapes("object", [reference.shape(), moving.shape()])?;
    let finite = |object: &Centered<Complex32>| object.as_slice().iter().all(|v| v.is_finite());
    if !finite(moving) || !finite(reference) {
        return Err(Error::Object("an object to be registered holds values that are not finite".into()));
    }
    let reference = Reference::new(reference.to_cornered());
    let moving = moving.to_cornered();
    let twin = conjugate_inverse(&moving);
    let as_is = reference.aligned(&moving, options, 1);
    let twinned = reference.aligned(&twin, options, 1);
    // The twin has to be better by more than rounding: of symmetric objects either would do, and no
    // twin is simpler.
    let is_twin = twinned.error < as_is.error - 1e-5;
    let aligned = reference.aligned(if is_twin { &twin } else { &moving }, options, ROUNDS);
    Ok(Registration { twin: is_twin, ..aligned })
}

/// The reference with the transforms that every comparison needs.
struct Reference {
    object: Cornered<Complex32>,
    spectrum: Array3<Complex32>,
    modulus_spectrum: Array3<Complex32>,
    norm: f64,
    fft: Fft,
}

impl Reference {
    fn new(object: Cornered<Complex32>) -> Self {
        let fft = Fft::new(object.shape());
        let spectrum = transformed(&fft, object.0.clone());
        let modulus_spectrum = transformed(&fft, moduli(&object.0));
        let norm = inner(object.as_slice(), object.as_slice()).re;
        Reference { object, spectrum, modulus_spectrum, norm, fft }
    }

    /// Shift, ramp and constant phase of one of the two twins.
    fn aligned(&self, moving: &Cornered<Complex32>, options: RegistrationOptions, rounds: usize) -> Registration {
        // Moduli first: they know nothing of ramps.
        let mut shift = self.shift_between(&moduli(&moving.0), &self.modulus_spectrum, options);
        let mut ramp = [0.0; 3];
        let mut object = self.moved(&moving.0, shift);
        for _ in 0..rounds {
            let mut step = 0.0;
            if options.ramp {
                let before = ramp;
                let product = multiplied_by_conjugate(object.clone(), &self.object.0);
                ramp = peak(&product, &self.fft, true);
                object = ramped(object, ramp);
                step = distance(ramp, before);
            }
            let more = self.shift_between(&object, &self.spectrum, options);
            shift = [0, 1, 2].map(|axis| shift[axis] + more[axis]);
            // Always from the original: shifts add up exactly, resampled objects do not.
            object = self.moved(&moving.0, shift);
            step += distance(more, [0.0; 3]);
            if step < CONVERGED {
                break;
            }
        }
        if options.ramp {
            object = ramped(object, ramp);
        }
        self.compared(object, shift, ramp)
    }

    /// The shift that brings `moving` onto the reference, pixels.
    fn shift_between(
        &self,
        moving: &Array3<Complex32>,
        spectrum: &Array3<Complex32>,
        options: RegistrationOptions,
    ) -> [f64; 3] {
        let cross = multiplied_by_conjugate(transformed(&self.fft, moving.clone()), spectrum);
        peak(&cross, &self.fft, options.subpixel)
    }

    /// `moving(r - shift)`. Whole pixels stay exact: zeros outside the support remain zeros.
    fn moved(&self, moving: &Array3<Complex32>, shift: [f64; 3]) -> Array3<Complex32> {
        if shift.iter().all(|s| s.fract() == 0.0) {
            return rolled(moving, shift.map(|s| s as isize));
        }
        let mut object = ramped(transformed(&self.fft, moving.clone()), shift);
        self.fft.inverse(object.as_slice_mut().expect("standard layout"));
        object
    }

    /// Removes the constant phase and measures what remains.
    fn compared(&self, mut object: Array3<Complex32>, shift: [f64; 3], ramp: [f64; 3]) -> Registration {
        let reference = self.object.as_slice();
        let values = object.as_slice_mut().expect("standard layout");
        let overlap = inner(reference, values);
        let phase = overlap.arg();
        let factor = Complex64::from_polar(1.0, -phase);
        values.par_iter_mut().for_each(|v| *v = narrow(wide(*v) * factor));
        let own = inner(values, values).re;
        let scale = if own > 0.0 { overlap.norm() / own } else { 0.0 };
        // |c O - R|² summed directly: 1 - correlation² loses half the digits near a perfect match.
        let residual: f64 = summed(values.len(), |chunk| {
            chunk.map(|i| (wide(values[i]) * scale - wide(reference[i])).norm_sqr()).sum()
        });
        let error = if self.norm > 0.0 { (residual / self.norm).sqrt() } else { 1.0 };
        Registration { object: Cornered(object).to_centered(), twin: false, shift, ramp, phase, scale, error }
    }
}

fn moduli(object: &Array3<Complex32>) -> Array3<Complex32> {
    // Not `norm`, whose care for overflow costs more than the transform.
    object.map(|v| v.norm_sqr().sqrt().into())
}

fn multiplied_by_conjugate(mut a: Array3<Complex32>, b: &Array3<Complex32>) -> Array3<Complex32> {
    a.zip_mut_with(b, |a, b| *a *= b.conj());
    a
}

fn narrow(value: Complex64) -> Complex32 {
    Complex32::new(value.re as f32, value.im as f32)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{blob, noise};
    use super::*;
    use crate::volume::Shape;

    /// Shift by Fourier ramp, then a phase ramp, both in the conventions of [`Registration`] but
    /// inverted, and a phase.
    fn disturbed(object: &Centered<Complex32>, shift: [f64; 3], ramp: [f64; 3], twin: bool) -> Centered<Complex32> {
        let fft = Fft::new(object.shape());
        let mut data = ramped(object.to_cornered().0, ramp.map(|k| -k));
        data = ramped(transformed(&fft, data), shift.map(|s| -s));
        fft.inverse(data.as_slice_mut().unwrap());
        data.mapv_inplace(|v| v * Complex32::from_polar(2.0, 1.1));
        let data = Cornered(data);
        if twin { conjugate_inverse(&data).to_centered() } else { data.to_centered() }
    }

    fn close(a: [f64; 3], b: [f64; 3], tolerance: f64) -> bool {
        a.iter().zip(b).all(|(a, b)| (a - b).abs() < tolerance)
    }

    #[test]
    fn shift_twin_ramp_phase_and_scale_are_undone() {
        for (shape, shift, ramp) in [
            ([1, 48, 40], [0.0, 3.3, -5.75], [0.0, 0.4, -2.25]),
            ([16, 20, 25], [1.5, -2.2, 4.0], [0.3, 0.0, 1.6]),
            ([1, 64, 64], [0.0, -20.0, 31.0], [0.0, 7.0, 0.0]),
        ] {
            let object = blob(shape, 1);
            for twin in [false, true] {
                let found =
                    register(&disturbed(&object, shift, ramp, twin), &object, RegistrationOptions::default()).unwrap();
                assert_eq!(found.twin, twin);
                // Rounding of single-precision transforms is 1e-6 of the peak; the position of a
                // peak whose width is a few pixels inherits its square root only in the worst case,
                // 1e-3.
                assert!(close(found.shift, shift, 1e-3), "{:?} for {shift:?}", found.shift);
                assert!(close(found.ramp, ramp, 1e-3), "{:?} for {ramp:?}", found.ramp);
                assert!((found.scale - 0.5).abs() < 1e-4, "{}", found.scale);
                // Positions wrong by 1e-3 pixels would give 2 pi 1e-3 at most.
                assert!(found.error < 6e-3, "{}", found.error);
            }
        }
    }

    #[test]
    fn whole_pixels_are_exact() {
        let object = blob([1, 32, 30], 2);
        let moved = Cornered(rolled(&object.to_cornered().0, [0, 5, -7])).to_centered();
        let options = RegistrationOptions { subpixel: false, ramp: false };
        let found = register(&moved, &object, options).unwrap();
        assert_eq!((found.shift, found.ramp, found.twin), ([0.0, -5.0, 7.0], [0.0; 3], false));
        assert!(found.error < 1e-6, "only the rotation by a zero phase, in single precision: {}", found.error);
        let zeros = |o: &Centered<Complex32>| o.as_slice().iter().filter(|v| v.norm() == 0.0).count();
        assert_eq!(zeros(&found.object), zeros(&object), "nothing was resampled");
    }

    #[test]
    fn the_twin_is_inverted_about_the_central_pixel() {
        for shape in [[1, 8, 9], [4, 6, 5]] {
            let mut object = Centered::filled(shape, Complex32::default());
            let centre = shape.map(|n: usize| n / 2);
            object.0[[centre[0], centre[1] + 1, centre[2] - 2]] = Complex32::new(0.0, 3.0);
            let twin = conjugate_inverse(&object.to_cornered()).to_centered();
            assert_eq!(twin.0[[centre[0], centre[1] - 1, centre[2] + 2]], Complex32::new(0.0, -3.0));
        }
    }

    #[test]
    fn noise_is_told_by_the_error() {
        let shape: Shape = [1, 40, 40];
        let object = blob(shape, 3);
        let amount = 0.2;
        let disturbance = noise(shape, 4);
        // Noise inside the object only, so that its norm relative to the object's is known.
        let mut other = object.clone();
        other.0.zip_mut_with(&disturbance.0, |o, n| *o += *n * o.norm() * amount);
        let found = register(&other, &object, RegistrationOptions::default()).unwrap();
        let expected = f64::from(amount) * 2f64.sqrt();
        // About 300 pixels: their sum of squares scatters by 1/sqrt(300), 6 %.
        assert!((found.error / expected - 1.0).abs() < 0.2, "{} for {expected}", found.error);
        let unrelated = register(&noise(shape, 5), &object, RegistrationOptions::default()).unwrap();
        assert!(unrelated.error > 0.7 && unrelated.error <= 1.0 + 1e-6);
    }

    /// A box, symmetric in modulus, strained by more than 2 pi: only the phase tells it from its
    /// twin.
    fn crystal(shape: Shape) -> Centered<Complex32> {
        Centered(Array3::from_shape_fn(shape, |(z, y, x)| {
            let [w, v, u] = [(z, shape[0]), (y, shape[1]), (x, shape[2])]
                .map(|(i, n)| if n == 1 { 0.0 } else { (i as f32 - (n / 2) as f32) / n as f32 });
            let inside = w.abs() < 0.21 && v.abs() < 0.22 && u.abs() < 0.18;
            let phase = 60.0 * u * u - 40.0 * v * v * v.abs() + 30.0 * w * v + 50.0 * u * v;
            Complex32::from_polar(f32::from(u8::from(inside)), phase)
        }))
    }

    #[test]
    fn sharp_strained_crystals_are_aligned() {
        for (shape, shift, ramp) in
            [([1, 50, 64], [0.0, 7.4, -3.0], [0.0, 1.3, -0.5]), ([20, 24, 22], [-1.3, 2.0, 0.5], [0.0, -1.4, 2.3])]
        {
            let object = crystal(shape);
            let disturbance = noise(shape, 9);
            for twin in [false, true] {
                let mut moving = disturbed(&object, shift, ramp, twin);
                moving.0.zip_mut_with(&disturbance.0, |o, n| *o += *n * 0.1);
                let found = register(&moving, &object, RegistrationOptions::default()).unwrap();
                assert_eq!(found.twin, twin);
                // Noise of 0.1 in each part beside an object of modulus 2 on a tenth of the pixels:
                // the error that is left is 0.1 sqrt(2) / 2 / sqrt(0.1) = 0.2, and a hundredth of a
                // pixel is far below it.
                assert!(close(found.shift, shift, 2e-2), "{:?} for {shift:?}", found.shift);
                assert!(close(found.ramp, ramp, 2e-2), "{:?} for {ramp:?}", found.ramp);
                assert!(found.error < 0.35, "{}", found.error);
            }
        }
    }

    #[test]
    fn the_number_of_threads_changes_nothing() {
        let object = blob([6, 30, 31], 6);
        let moving = disturbed(&object, [0.5, 1.25, -3.1], [0.0, 0.7, 0.2], true);
        let with = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| register(&moving, &object, RegistrationOptions::default()).unwrap())
        };
        assert_eq!(with(1), with(5));
    }

    #[test]
    fn nothing_breaks_on_nothing() {
        let empty = Centered::filled([1, 8, 8], Complex32::default());
        let found = register(&empty, &empty, RegistrationOptions::default()).unwrap();
        assert_eq!((found.error, found.scale, found.shift), (1.0, 0.0, [0.0; 3]));
        assert!(
            register(&Centered::filled([1, 8, 9], Complex32::default()), &empty, RegistrationOptions::default())
                .is_err()
        );
        let mut broken = empty.clone();
        broken.0[[0, 1, 1]].re = f32::NAN;
        assert!(register(&broken, &empty, RegistrationOptions::default()).is_err());
    }
}
