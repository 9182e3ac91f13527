//! Three-dimensional arrays and the two places where zero frequency (or the object's centre) may
//! sit.
//!
//! All arrays are C-ordered `(z, y, x)`; a 2D pattern has `z = 1`. Files and the public API use
//! [`Centered`] arrays (centre at index `n / 2`), transforms use [`Cornered`] ones (centre at index
//! 0). The types keep the two apart.

use ndarray::Array3;

/// Extents along `(z, y, x)`.
pub type Shape = [usize; 3];

/// An array whose centre is at index `n / 2` of each axis.
#[derive(Debug, Clone, PartialEq)]
pub struct Centered<T>(pub Array3<T>);

/// An array whose centre is at index 0 of each axis, the other half wrapped around.
#[derive(Debug, Clone, PartialEq)]
pub struct Cornered<T>(pub Array3<T>);

impl<T: Clone> Centered<T> {
    /// Creates an array filled with `value`.
    pub fn filled(shape: Shape, value: T) -> Self {
        Centered(Array3::from_elem(shape, value))
    }

    /// Extents along `(z, y, x)`.
    pub fn shape(&self) -> Shape {
        self.0.dim().into()
    }

    /// Moves the centre from `n / 2` to 0 (numpy's `ifftshift`).
    pub fn to_cornered(&self) -> Cornered<T> {
        Cornered(rolled(&self.0, self.shape().map(|n| -((n / 2) as isize))))
    }

    /// The array moved by so many elements along each axis; what leaves it at one end comes in at the
    /// other.
    pub fn rolled(&self, by: [isize; 3]) -> Self {
        Centered(rolled(&self.0, by))
    }

    /// Elements in C order.
    pub fn as_slice(&self) -> &[T] {
        contiguous(&self.0)
    }

    /// Applies `f` to each element and returns a new array of the same shape.
    pub fn map<U>(&self, f: impl FnMut(&T) -> U) -> Centered<U> {
        Centered(self.0.map(f))
    }
}

impl<T: Clone> Cornered<T> {
    /// Creates an array filled with `value`.
    pub fn filled(shape: Shape, value: T) -> Self {
        Cornered(Array3::from_elem(shape, value))
    }

    /// Extents along `(z, y, x)`.
    pub fn shape(&self) -> Shape {
        self.0.dim().into()
    }

    /// Moves the centre from 0 to `n / 2` (numpy's `fftshift`).
    pub fn to_centered(&self) -> Centered<T> {
        Centered(rolled(&self.0, self.shape().map(|n| (n / 2) as isize)))
    }

    /// Elements in C order.
    pub fn as_slice(&self) -> &[T] {
        contiguous(&self.0)
    }
}

/// Both types are only made from C-ordered arrays, by the constructors here and by [`rolled`].
fn contiguous<T>(array: &Array3<T>) -> &[T] {
    array.as_slice().expect("volumes are C-ordered")
}

/// The array moved by so many elements along each axis, around its ends.
pub(crate) fn rolled<T: Clone>(array: &Array3<T>, by: [isize; 3]) -> Array3<T> {
    let (nz, ny, nx) = array.dim();
    let input = array.as_standard_layout();
    let input = input.as_slice().expect("standard layout");
    let from = |at: usize, by: isize, n: usize| (at as isize - by).rem_euclid(n as isize) as usize;
    let mut out = Vec::with_capacity(input.len());
    for z in 0..nz {
        for y in 0..ny {
            let row = (from(z, by[0], nz) * ny + from(y, by[1], ny)) * nx;
            let row = &input[row..row + nx];
            let (end, start) = row.split_at(from(0, by[2], nx));
            out.extend_from_slice(start);
            out.extend_from_slice(end);
        }
    }
    Array3::from_shape_vec((nz, ny, nx), out).expect("same number of elements")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn centre_moves_to_the_corner_and_back() {
        for shape in [[1, 4, 5], [3, 4, 5], [2, 7, 8]] {
            let n = shape.iter().product();
            let array = Centered(Array3::from_shape_vec(shape, (0..n).collect::<Vec<usize>>()).unwrap());
            let cornered = array.to_cornered();
            assert_eq!(cornered.0[[0, 0, 0]], array.0[[shape[0] / 2, shape[1] / 2, shape[2] / 2]]);
            assert_eq!(cornered.to_centered(), array);
            let moved = array.rolled([0, 1, -2]);
            assert_eq!(moved.0[[0, 3, 0]], array.0[[0, 2, 2]]);
            assert_eq!(moved.0[[0, 0, shape[2] - 1]], array.0[[0, shape[1] - 1, 1]]);
            assert_eq!(moved.rolled([0, -1, 2]), array);
        }
    }
}
