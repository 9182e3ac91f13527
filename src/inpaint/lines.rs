//! Fills of a gap along the axes, from the nearest measured pixels on either side: straight and
//! curved.

use ndarray::{Array3, ArrayView3, Axis};

/// Values continued into the gaps, and what a curve adds to them.
pub(super) struct Lines {
    /// Mean of the nearest measured pixels along the axes, by inverse distance: between two of
    /// them, a straight line.
    pub(super) straight: Array3<f32>,
    /// Difference of a cubic through both ends, with their slopes, from the straight line.
    pub(super) bend: Array3<f32>,
}

/// Fills what is not `known`. Where no axis meets a measured pixel, the value is that of
/// `elsewhere`.
pub(super) fn lines(values: &Array3<f32>, known: ArrayView3<bool>, elsewhere: &Array3<f32>) -> Lines {
    let mut straight = Array3::zeros(values.dim());
    let mut bend = Array3::zeros(values.dim());
    let mut weights = Array3::<f32>::zeros(values.dim());
    for axis in (0..3).map(Axis).filter(|&axis| values.len_of(axis) > 1) {
        let lanes = values.lanes(axis).into_iter().zip(known.lanes(axis));
        let sums = straight.lanes_mut(axis).into_iter().zip(bend.lanes_mut(axis)).zip(weights.lanes_mut(axis));
        for ((value, known), ((mut straight, mut bend), mut weight)) in lanes.zip(sums) {
            let n = value.len();
            let mut i = 0;
            while i < n {
                if known[i] {
                    i += 1;
                    continue;
                }
                let first = i;
                while i < n && !known[i] {
                    i += 1;
                }
                let slope = |at: usize, before: usize| if known[before] { value[at] - value[before] } else { 0.0 };
                // Pixel before the gap and after it, with the slopes there.
                let left =
                    (first > 0).then(|| (value[first - 1], if first > 1 { slope(first - 1, first - 2) } else { 0.0 }));
                let right = (i < n).then(|| (value[i], if i + 1 < n { -slope(i, i + 1) } else { 0.0 }));
                for at in first..i {
                    let [l, r] = [(at + 1 - first) as f32, (i - at) as f32];
                    if let Some((value, _)) = left {
                        straight[at] += value / l;
                        weight[at] += l.recip();
                    }
                    if let Some((value, _)) = right {
                        straight[at] += value / r;
                        weight[at] += r.recip();
                    }
                    if let (Some((a, slope_a)), Some((b, slope_b))) = (left, right) {
                        // Hermite's cubic less its chord.
                        let (length, t) = (l + r, l / (l + r));
                        let chord = b - a;
                        let [from, to] = [slope_a * length - chord, slope_b * length - chord];
                        let curve = t * (1.0 - t) * ((1.0 - t) * from - t * to);
                        bend[at] += (l.recip() + r.recip()) * curve;
                    }
                }
            }
        }
    }
    ndarray::Zip::from(&mut straight).and(values).and(known).and(elsewhere).and(&weights).for_each(
        |straight: &mut f32, &value, &known, &elsewhere, &weight: &f32| {
            *straight = match (known, weight > 0.0) {
                (true, _) => value,
                (false, true) => *straight / weight,
                (false, false) => elsewhere,
            };
        },
    );
    ndarray::Zip::from(&mut bend).and(&weights).for_each(|bend: &mut f32, &weight: &f32| {
        *bend = if weight > 0.0 { *bend / weight } else { 0.0 };
    });
    Lines { straight, bend }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A function of one axis with a gap of 6 pixels across it.
    fn filled(shape: (usize, usize, usize), axis: usize, of: fn(f32) -> f32) -> Vec<[f32; 3]> {
        let at = |index: (usize, usize, usize)| [index.0, index.1, index.2][axis];
        let truth = Array3::from_shape_fn(shape, |index| of(at(index) as f32));
        let known = Array3::from_shape_fn(shape, |index| !(4..10).contains(&at(index)));
        let mut seen = truth.clone();
        seen.zip_mut_with(&known, |value, &known| *value = if known { *value } else { 0.0 });
        let lines = lines(&seen, known.view(), &Array3::from_elem(shape, 99.0));
        truth.iter().zip(&lines.straight).zip(&lines.bend).map(|((a, b), c)| [*a, *b, *c]).collect()
    }

    #[test]
    fn straight_lines_are_straight_and_parabolas_bend() {
        for (shape, axis) in [((1, 16, 16), 1), ((1, 16, 16), 2), ((16, 8, 8), 0)] {
            for [truth, straight, bend] in filled(shape, axis, |x| 0.5 - 0.1 * x) {
                assert!((truth - straight).abs() < 1e-5 && bend.abs() < 1e-5, "{truth} {straight} {bend}");
            }
            // One-sided differences of a parabola are half a pixel off: 0.02 is what that does over
            // this gap.
            for [truth, straight, bend] in filled(shape, axis, |x| 0.01 * (x - 5.0) * (x - 5.0)) {
                assert!((truth - straight - bend).abs() < 0.02, "{truth} {straight} {bend}");
            }
        }
    }

    #[test]
    fn one_side_and_no_side() {
        let known = Array3::from_shape_fn((1, 4, 4), |(_, y, x)| y == 0 && x == 0);
        let values = Array3::from_elem((1, 4, 4), 5.0);
        let lines = lines(&values, known.view(), &Array3::from_elem((1, 4, 4), 1.0));
        for (at, wanted) in [([0, 0, 3], 5.0), ([0, 3, 0], 5.0), ([0, 2, 2], 1.0)] {
            assert!((lines.straight[at] - wanted).abs() < 1e-5, "{at:?} {}", lines.straight[at]);
        }
        assert!(lines.bend.iter().all(|&bend| bend == 0.0));
    }
}
