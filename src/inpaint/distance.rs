//! Distance of each pixel to the nearest one of a set.

use ndarray::{Array3, ArrayView3, Axis};
use rayon::prelude::*;

/// Farther than any pixel of an array, squared, and far enough from the limits of f32 for the
/// arithmetic below.
const FAR: f32 = 1e12;

/// Euclidean distance, pixels, from each pixel to the nearest one that is `true`: within its frame,
/// or in the volume. Infinite where there is none. Felzenszwalb and Huttenlocher, Theory of
/// Computing 8, 415 (2012): one axis at a time, the lower envelope of the parabolas of the axes
/// before.
pub(super) fn to_nearest(set: ArrayView3<bool>, volume: bool) -> Array3<f32> {
    let mut squared = set.mapv(|inside| if inside { 0.0 } else { FAR });
    squared.outer_iter_mut().collect::<Vec<_>>().into_par_iter().for_each(|mut frame| {
        let mut envelope = Envelope::default();
        for axis in [1, 0] {
            frame.lanes_mut(Axis(axis)).into_iter().for_each(|line| envelope.transform(line));
        }
    });
    if volume {
        let mut envelope = Envelope::default();
        squared.lanes_mut(Axis(0)).into_iter().for_each(|line| envelope.transform(line));
    }
    squared.mapv_into(|value| if value >= FAR { f32::INFINITY } else { value.sqrt() })
}

/// Working memory for one line at a time.
#[derive(Default)]
struct Envelope {
    values: Vec<f32>,
    /// Parabolas of the envelope, by their lowest point.
    vertices: Vec<usize>,
    /// Position at which each parabola begins.
    starts: Vec<f32>,
}

impl Envelope {
    /// `line[i] = min_j (i - j)^2 + line[j]`.
    fn transform(&mut self, mut line: ndarray::ArrayViewMut1<f32>) {
        // Most lines of most masks: nothing to measure.
        if line.iter().all(|&value| value == 0.0) {
            return;
        }
        self.values.clear();
        self.values.extend(line.iter());
        self.vertices.clear();
        self.starts.clear();
        for (i, &value) in self.values.iter().enumerate().filter(|(_, value)| **value < FAR) {
            let mut start = f32::NEG_INFINITY;
            while let Some(&j) = self.vertices.last() {
                let squares = (i * i) as f32 - (j * j) as f32;
                start = (value - self.values[j] + squares) / (2.0 * (i - j) as f32);
                if start > self.starts[self.vertices.len() - 1] {
                    break;
                }
                self.vertices.pop();
                self.starts.pop();
                start = f32::NEG_INFINITY;
            }
            self.vertices.push(i);
            self.starts.push(start);
        }
        if self.vertices.is_empty() {
            return;
        }
        let mut k = 0;
        for (i, out) in line.iter_mut().enumerate() {
            while k + 1 < self.vertices.len() && self.starts[k + 1] <= i as f32 {
                k += 1;
            }
            let vertex = self.vertices[k];
            *out = (i.abs_diff(vertex) as f32).powi(2) + self.values[vertex];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{Rng, SeedableRng};

    #[test]
    fn agrees_with_the_definition() {
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(1);
        for volume in [false, true] {
            let set = Array3::from_shape_fn((5, 9, 14), |(z, _, _)| z != 2 && rng.random_bool(0.03));
            let distances = to_nearest(set.view(), volume);
            for ((z, y, x), &distance) in distances.indexed_iter() {
                let inside = set.indexed_iter().filter(|((w, _, _), inside)| **inside && (volume || *w == z));
                let squares =
                    inside.map(|((w, v, u), _)| z.abs_diff(w).pow(2) + y.abs_diff(v).pow(2) + x.abs_diff(u).pow(2));
                let expected = squares.min().map_or(f32::INFINITY, |square| (square as f32).sqrt());
                assert!(distance == expected || (distance - expected).abs() < 1e-5, "{distance} {expected}");
            }
        }
    }
}
