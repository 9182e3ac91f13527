//! Phases without their jumps of 2 pi.

use crate::error::Result;
use crate::volume::{Centered, Shape};
use num_complex::Complex32;
use std::f32::consts::{PI, TAU};

/// The phase of an object inside its support, unwrapped.
#[derive(Debug, Clone)]
pub struct Unwrapped {
    /// Radians; NaN outside the support. The mean of each connected part, weighted by the modulus,
    /// lies in (-pi, pi].
    pub phase: Centered<f32>,
    /// Squares of four pixels around which the phase turns by 2 pi: where there are any, no phase
    /// without jumps exists. In 3D a dislocation line pierces about one a voxel.
    pub vortices: usize,
}

/// Unwraps the phase inside a support, along edges between neighbours in the order of their
/// reliability: those where the phase bends least come first (2D: M. A. Herraez et al., Appl. Opt. 41,
/// 7437 (2002); 3D: H. S. Abdul-Rahman et al., Appl. Opt. 46, 6623 (2007)).
///
/// # Errors
/// [`crate::Error::Shape`] for a support of another shape.
pub fn unwrap(object: &Centered<Complex32>, support: &Centered<bool>) -> Result<Unwrapped> {
    let shape = object.shape();
    super::same_shapes("the support", [shape, support.shape()])?;
    let wrapped: Vec<f32> = object.as_slice().iter().map(|value| value.arg()).collect();
    let grid = Grid { shape, wrapped: &wrapped, inside: support.as_slice() };

    let bends: Vec<f32> = (0..wrapped.len()).map(|index| grid.bend(index)).collect();
    let mut edges: Vec<(f32, usize, usize)> = Vec::new();
    for index in (0..wrapped.len()).filter(|&index| grid.inside[index]) {
        let next = grid.axes().filter_map(|axis| grid.neighbour(index, axis, 1));
        edges.extend(next.map(|other| (bends[index] + bends[other], index, other)));
    }
    // Equal ones in the order of their places: the same result everywhere.
    edges.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut parts = Parts::new(wrapped.len());
    for (_, a, b) in edges {
        parts.join(a, b, turns(wrapped[b] - wrapped[a]));
    }

    let mut phase = vec![f32::NAN; wrapped.len()];
    let mut sums = vec![[0.0f64; 2]; wrapped.len()];
    for index in (0..wrapped.len()).filter(|&index| grid.inside[index]) {
        let (root, turns) = parts.find(index);
        phase[index] = wrapped[index] + TAU * turns as f32;
        let weight = f64::from(object.as_slice()[index].norm()).max(1e-30);
        sums[root] = [sums[root][0] + weight, sums[root][1] + weight * f64::from(phase[index])];
    }
    for index in (0..wrapped.len()).filter(|&index| grid.inside[index]) {
        let [weight, sum] = sums[parts.find(index).0];
        phase[index] += TAU * turns((sum / weight) as f32) as f32;
    }
    let vortices = grid.vortices().len();
    let mut out = Centered::filled(shape, f32::NAN);
    out.0.iter_mut().zip(phase).for_each(|(out, value)| *out = value);
    Ok(Unwrapped { phase: out, vortices })
}

/// Places `(z, y, x)` of an object's vortices, in pixels: the middles of the squares of four pixels
/// inside around which the phase turns by 2 pi.
///
/// # Errors
/// [`crate::Error::Shape`] for an inside of another shape.
pub fn vortices(object: &Centered<Complex32>, inside: &Centered<bool>) -> Result<Vec<[f64; 3]>> {
    super::same_shapes("the support", [object.shape(), inside.shape()])?;
    let wrapped: Vec<f32> = object.as_slice().iter().map(|value| value.arg()).collect();
    Ok(Grid { shape: object.shape(), wrapped: &wrapped, inside: inside.as_slice() }.vortices())
}

/// The whole turns that bring an angle into (-pi, pi].
fn turns(angle: f32) -> i32 {
    -(((angle - PI) / TAU).ceil() as i32)
}

/// An angle in (-pi, pi].
fn wrap(angle: f32) -> f32 {
    angle + TAU * turns(angle) as f32
}

/// Wrapped phases and the pixels that count.
struct Grid<'a> {
    shape: Shape,
    wrapped: &'a [f32],
    inside: &'a [bool],
}

impl Grid<'_> {
    fn axes(&self) -> impl Iterator<Item = usize> + use<> {
        let shape = self.shape;
        (0..3).filter(move |&axis| shape[axis] > 1)
    }

    /// The pixel one step up or down an axis, if it lies in the array and the support.
    fn neighbour(&self, index: usize, axis: usize, step: isize) -> Option<usize> {
        let [_, ny, nx] = self.shape;
        let stride = [ny * nx, nx, 1][axis];
        let place = (index / stride % self.shape[axis]).checked_add_signed(step)?;
        let other = index.checked_add_signed(step * stride as isize)?;
        (place < self.shape[axis] && self.inside[other]).then_some(other)
    }

    /// How much the phase bends at a pixel: the root of the sum of squared second differences. At the
    /// border of the support, more than anywhere inside it.
    fn bend(&self, index: usize) -> f32 {
        if !self.inside[index] {
            return f32::INFINITY;
        }
        let second = |axis| {
            let (Some(up), Some(down)) = (self.neighbour(index, axis, 1), self.neighbour(index, axis, -1)) else {
                return TAU;
            };
            wrap(self.wrapped[up] - self.wrapped[index]) - wrap(self.wrapped[index] - self.wrapped[down])
        };
        self.axes().map(|axis| second(axis).powi(2)).sum::<f32>().sqrt()
    }

    /// Middles `(z, y, x)` of the squares around which the phase turns.
    fn vortices(&self) -> Vec<[f64; 3]> {
        let [_, ny, nx] = self.shape;
        let mut found = Vec::new();
        for index in (0..self.wrapped.len()).filter(|&index| self.inside[index]) {
            for (a, b) in [(0, 1), (0, 2), (1, 2)] {
                if self.turns_around(index, a, b) == Some(true) {
                    let mut at = [index / (ny * nx), index / nx % ny, index % nx].map(|i| i as f64);
                    at[a] += 0.5;
                    at[b] += 0.5;
                    found.push(at);
                }
            }
        }
        found
    }

    /// Whether the phase turns around the square that begins at a pixel along two axes; `None` where a
    /// corner is missing.
    fn turns_around(&self, index: usize, a: usize, b: usize) -> Option<bool> {
        let along = self.neighbour(index, a, 1)?;
        let (up, across) = (self.neighbour(along, b, 1)?, self.neighbour(index, b, 1)?);
        let corners = [index, along, up, across, index];
        let sum: f32 = corners.windows(2).map(|pair| wrap(self.wrapped[pair[1]] - self.wrapped[pair[0]])).sum();
        Some(sum.abs() > PI)
    }
}

/// Parts of the support that were joined, each pixel with its turns against the root of its part.
struct Parts {
    parent: Vec<usize>,
    turns: Vec<i32>,
    size: Vec<u32>,
}

impl Parts {
    fn new(count: usize) -> Self {
        Parts { parent: (0..count).collect(), turns: vec![0; count], size: vec![1; count] }
    }

    /// The root of a pixel's part, and its turns against it.
    fn find(&mut self, index: usize) -> (usize, i32) {
        let (mut root, mut turns) = (index, 0);
        while self.parent[root] != root {
            turns += self.turns[root];
            root = self.parent[root];
        }
        // The path is shortened for those who come after.
        let (mut at, mut left) = (index, turns);
        while self.parent[at] != root && at != root {
            let (next, own) = (self.parent[at], self.turns[at]);
            (self.parent[at], self.turns[at]) = (root, left);
            left -= own;
            at = next;
        }
        (root, turns)
    }

    /// Joins the parts of two pixels; `b` gets `by` turns more than `a`.
    fn join(&mut self, a: usize, b: usize, by: i32) {
        let ((root_a, turns_a), (root_b, turns_b)) = (self.find(a), self.find(b));
        if root_a == root_b {
            return;
        }
        let shift = turns_a + by - turns_b;
        let (small, large, shift) =
            if self.size[root_a] < self.size[root_b] { (root_a, root_b, -shift) } else { (root_b, root_a, shift) };
        (self.parent[small], self.turns[small]) = (large, shift);
        self.size[large] += self.size[small];
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array3;

    /// An object of this phase inside a ball, and its support.
    fn ball(shape: Shape, phase: impl Fn(f32, f32, f32) -> f32) -> (Centered<Complex32>, Centered<bool>) {
        let at = |index: (usize, usize, usize)| {
            let along = |i: usize, n: usize| if n == 1 { 0.0 } else { 2.0 * i as f32 / n as f32 - 1.0 };
            (along(index.0, shape[0]), along(index.1, shape[1]), along(index.2, shape[2]))
        };
        let inside = |index| {
            let (z, y, x) = at(index);
            z * z + y * y + x * x < 0.8
        };
        let object = Array3::from_shape_fn(shape, |index| {
            let (z, y, x) = at(index);
            if inside(index) { Complex32::from_polar(1.0 + 0.3 * x, phase(z, y, x)) } else { Complex32::ZERO }
        });
        (Centered(object), Centered(Array3::from_shape_fn(shape, inside)))
    }

    #[test]
    fn smooth_phases_come_back_whole() {
        // Several turns, in 2D and 3D, the phase's own mean below pi.
        let phase = |z: f32, y: f32, x: f32| 9.0 * x + 14.0 * (y * y - 0.2) - 6.0 * z * x + 0.5;
        for shape in [[1, 48, 40], [20, 24, 28]] {
            let (object, support) = ball(shape, phase);
            let found = unwrap(&object, &support).unwrap();
            assert_eq!(found.vortices, 0);
            let along = |i: usize, n: usize| if n == 1 { 0.0 } else { 2.0 * i as f32 / n as f32 - 1.0 };
            let mut offsets = Vec::new();
            for ((z, y, x), &value) in found.phase.0.indexed_iter() {
                if !support.0[[z, y, x]] {
                    assert!(value.is_nan());
                    continue;
                }
                offsets.push(value - phase(along(z, shape[0]), along(y, shape[1]), along(x, shape[2])));
            }
            // One whole number of turns for all.
            let first = (offsets[0] / TAU).round() * TAU;
            assert!(offsets.iter().all(|offset| (offset - first).abs() < 1e-3), "{first} {:?}", &offsets[..4]);
        }
    }

    #[test]
    fn a_vortex_is_counted_and_its_surroundings_are_not_torn_further_than_they_must() {
        let (object, support) = ball([1, 40, 40], |_, y, x| (y - 0.02).atan2(x - 0.02));
        let found = unwrap(&object, &support).unwrap();
        assert_eq!(found.vortices, 1);
        let (line, _) = ball([12, 24, 24], |_, y, x| (y - 0.02).atan2(x - 0.02));
        let (_, whole) = ball([12, 24, 24], |_, _, _| 0.0);
        // One square in each of the layers that the line passes.
        let count = unwrap(&line, &whole).unwrap().vortices;
        assert!((9..=12).contains(&count), "{count}");
    }

    #[test]
    fn parts_that_do_not_touch_have_their_own_mean() {
        let mut support = Centered::filled([1, 8, 20], false);
        let mut object = Centered::filled([1, 8, 20], Complex32::ZERO);
        for y in 1..7 {
            for x in (1..8).chain(12..19) {
                support.0[[0, y, x]] = true;
                object.0[[0, y, x]] = Complex32::from_polar(1.0, if x < 10 { 3.0 } else { -3.0 } + 0.1 * y as f32);
            }
        }
        let found = unwrap(&object, &support).unwrap();
        let mean = |from: usize| (1..7).map(|y| found.phase.0[[0, y, from]]).sum::<f32>() / 6.0;
        assert!((mean(3) - (3.35 - TAU)).abs() < 1e-4 && (mean(14) + 2.65).abs() < 1e-4, "{} {}", mean(3), mean(14));
        assert!(unwrap(&object, &Centered::filled([1, 8, 8], true)).is_err());
    }
}
