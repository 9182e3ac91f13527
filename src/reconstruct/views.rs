//! Planes and windows of volumes, for pictures.

use crate::volume::{Centered, Shape};
use ndarray::{Array2, Axis};
use num_complex::Complex32;

/// The middle planes of a volume, or the one plane of a 2D array, with their names and axes
/// `(vertical, horizontal)`.
pub fn planes<T: Clone>(volume: &Centered<T>, at: [usize; 3]) -> Vec<(&'static str, [usize; 2], Array2<T>)> {
    let plane = |axis: usize| volume.0.index_axis(Axis(axis), at[axis]).to_owned();
    if volume.shape()[0] == 1 {
        return vec![("", [1, 2], plane(0))];
    }
    vec![("frame (y, x)", [1, 2], plane(0)), ("plane (z, x)", [0, 2], plane(1)), ("plane (z, y)", [0, 1], plane(2))]
}

/// The window, with a margin, that holds the object but for a thousandth of its energy at either
/// side of each axis: objects are small in their arrays, and a stray pixel of the support should
/// not make the picture smaller.
pub fn window(object: &Centered<Complex32>) -> [(usize, usize); 3] {
    const TAIL: f64 = 1e-3;
    let shape = object.shape();
    let mut profiles = shape.map(|n| vec![0.0f64; n]);
    for (index, value) in object.0.indexed_iter() {
        let index: [usize; 3] = index.into();
        (0..3).for_each(|axis| profiles[axis][index[axis]] += f64::from(value.norm_sqr()));
    }
    std::array::from_fn(|axis| {
        let n = shape[axis];
        let profile = &profiles[axis];
        let tail = TAIL * profile.iter().sum::<f64>();
        let inner = |values: &mut dyn Iterator<Item = &f64>| {
            let mut sum = 0.0;
            values
                .take_while(|&&value| {
                    sum += value;
                    sum < tail
                })
                .count()
        };
        let (low, high) = (inner(&mut profile.iter()), n - inner(&mut profile.iter().rev()));
        if low >= high || n == 1 {
            return (0, n);
        }
        let margin = ((high - low) / 6).max(4);
        (low.saturating_sub(margin), (high + margin).min(n))
    })
}

/// The part of a volume inside a window.
pub fn cropped<T: Clone>(volume: &Centered<T>, window: [(usize, usize); 3]) -> Centered<T> {
    let [z, y, x] = window;
    Centered(volume.0.slice(ndarray::s![z.0..z.1, y.0..y.1, x.0..x.1]).as_standard_layout().into_owned())
}

/// The middle pixel.
pub fn middle(shape: Shape) -> [usize; 3] {
    shape.map(|n| n / 2)
}

/// The pixel nearest to the centre of mass of the squared modulus.
pub fn centre_of_mass(object: &Centered<Complex32>) -> [usize; 3] {
    let mut sums = [0.0f64; 3];
    let mut total = 0.0;
    for (index, value) in object.0.indexed_iter() {
        let (index, weight): ([usize; 3], f64) = (index.into(), value.norm_sqr().into());
        total += weight;
        (0..3).for_each(|axis| sums[axis] += weight * index[axis] as f64);
    }
    if total > 0.0 { sums.map(|sum| (sum / total).round() as usize) } else { middle(object.shape()) }
}
