//! Overlap of two supports, wherever they sit.

use super::peak::peak;
use super::{same_shapes, transformed};
use crate::error::Result;
use crate::fft::Fft;
use crate::volume::{Centered, rolled};
use ndarray::Zip;
use num_complex::Complex32;

/// The best agreement of two supports.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Overlap {
    /// Intersection over union: 1 for the same shape, 0 if one of them is empty.
    pub iou: f64,
    /// Shift of the first support, whole pixels `(z, y, x)`.
    pub shift: [isize; 3],
    /// Whether the first support was inverted through its central pixel before the shift.
    pub twin: bool,
}

/// Intersection over union of `a` and `b` after the whole-pixel shift, and the inversion if it
/// helps, that overlap most.
///
/// # Errors
/// [`Error::Shape`](crate::error::Error::Shape) if the shapes differ.
pub fn overlap(a: &Centered<bool>, b: &Centered<bool>) -> Result<Overlap> {
    same_shapes("support", [b.shape(), a.shape()])?;
    let fft = Fft::new(a.shape());
    let spectrum = |support: &Centered<bool>| {
        transformed(&fft, support.to_cornered().0.map(|&inside| Complex32::from(f32::from(u8::from(inside)))))
    };
    let (spectrum_a, spectrum_b) = (spectrum(a), spectrum(b));
    let candidates = [false, true].map(|twin| {
        let mut cross = spectrum_a.clone();
        // The transform of a real array's inverse is the conjugate of its own.
        cross.zip_mut_with(&spectrum_b, |a, b| *a = if twin { a.conj() } else { *a } * b.conj());
        let shift = peak(&cross, &fft, false).map(|s| s as isize);
        Overlap { iou: iou_after(a, b, shift, twin), shift, twin }
    });
    let [as_is, inverted] = candidates;
    Ok(if inverted.iou > as_is.iou { inverted } else { as_is })
}

/// Counted, not read from the correlation, whose single precision is not enough for millions of
/// voxels.
fn iou_after(a: &Centered<bool>, b: &Centered<bool>, shift: [isize; 3], twin: bool) -> f64 {
    let mut moved = a.to_cornered().0;
    if twin {
        // Inversion about index 0: reversed, then index n - 1 goes back to 0.
        moved.invert_axis(ndarray::Axis(0));
        moved.invert_axis(ndarray::Axis(1));
        moved.invert_axis(ndarray::Axis(2));
        moved = rolled(&moved, [1, 1, 1]);
    }
    let moved = rolled(&moved, shift);
    let (mut both, mut either) = (0usize, 0usize);
    Zip::from(&moved).and(&b.to_cornered().0).for_each(|&a, &b| {
        both += usize::from(a && b);
        either += usize::from(a || b);
    });
    if either == 0 { 0.0 } else { both as f64 / either as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::volume::Shape;
    use ndarray::Array3;

    /// A box with a corner missing at `at`, `(y, x)`; its inverse has the opposite corner missing.
    fn notched(shape: Shape, at: [usize; 2], inverted: bool) -> Centered<bool> {
        Centered(Array3::from_shape_fn(shape, |(_, y, x)| {
            let inside = (at[0]..at[0] + 6).contains(&y) && (at[1]..at[1] + 6).contains(&x);
            let (v, u) = (y.wrapping_sub(at[0]), x.wrapping_sub(at[1]));
            let notch = if inverted { v > 2 && u > 2 } else { v < 3 && u < 3 };
            inside && !notch
        }))
    }

    #[test]
    fn moved_and_inverted_supports_match() {
        for shape in [[1, 20, 17], [1, 16, 16]] {
            let b = notched(shape, [5, 4], false);
            let moved = overlap(&notched(shape, [8, 2], false), &b).unwrap();
            assert_eq!(moved, Overlap { iou: 1.0, shift: [0, -3, 2], twin: false });
            let inverted = overlap(&notched(shape, [8, 2], true), &b).unwrap();
            assert_eq!((inverted.iou, inverted.twin), (1.0, true));
        }
    }

    #[test]
    fn what_differs_counts() {
        let shape = [1, 16, 16];
        let square = |side: usize| Centered(Array3::from_shape_fn(shape, |(_, y, x)| y < side && x < side));
        assert_eq!(overlap(&square(3), &square(6)).unwrap().iou, 0.25);
        let empty = Centered::filled(shape, false);
        assert_eq!(overlap(&empty, &square(3)).unwrap().iou, 0.0);
        assert_eq!(overlap(&empty, &empty).unwrap().iou, 0.0);
        assert!(overlap(&Centered::filled([1, 8, 8], true), &empty).is_err());
    }
}
