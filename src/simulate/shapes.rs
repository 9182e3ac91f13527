//! Shapes in a mask: each sets `bits` in the pixels that it covers, and may reach beyond the frame.

use ndarray::{ArrayViewMut2, s};

/// Marks `width` whole rows (axis 0) or columns (axis 1), from `first` on.
pub fn slab(mask: &mut ArrayViewMut2<u32>, axis: usize, first: isize, width: usize, bits: u32) {
    let (rows, columns) = mask.dim();
    match axis {
        0 => rectangle(mask, [first, 0], [width, columns], bits),
        _ => rectangle(mask, [0, first], [rows, width], bits),
    }
}

/// Marks `width` rows from `first[0]` on and as many columns from `first[1]` on.
pub fn cross(mask: &mut ArrayViewMut2<u32>, first: [isize; 2], width: usize, bits: u32) {
    slab(mask, 0, first[0], width, bits);
    slab(mask, 1, first[1], width, bits);
}

/// Marks a rectangle of `extent` pixels whose first one is `first`.
pub fn rectangle(mask: &mut ArrayViewMut2<u32>, first: [isize; 2], extent: [usize; 2], bits: u32) {
    let inside = |axis: usize| {
        let clip = |i: isize| i.clamp(0, mask.shape()[axis] as isize) as usize;
        clip(first[axis])..clip(first[axis].saturating_add_unsigned(extent[axis]))
    };
    let (rows, columns) = (inside(0), inside(1));
    mask.slice_mut(s![rows, columns]).mapv_inplace(|old| old | bits);
}

/// Marks the pixels whose centre is at most `radius` from `centre` (row, column).
pub fn disc(mask: &mut ArrayViewMut2<u32>, centre: [f64; 2], radius: f64, bits: u32) {
    fill(mask, bits, |y, x| (y - centre[0]).hypot(x - centre[1]) <= radius);
}

/// Marks a straight bar, `width` wide, from the point `from` out to the edge of the frame, at
/// `angle` (radians from the rows' direction).
pub fn bar(mask: &mut ArrayViewMut2<u32>, from: [f64; 2], angle: f64, width: f64, bits: u32) {
    let (sine, cosine) = angle.sin_cos();
    fill(mask, bits, |y, x| {
        let [dy, dx] = [y - from[0], x - from[1]];
        dy * sine + dx * cosine >= 0.0 && (dy * cosine - dx * sine).abs() <= width / 2.0
    });
}

fn fill(mask: &mut ArrayViewMut2<u32>, bits: u32, inside: impl Fn(f64, f64) -> bool) {
    for ((y, x), old) in mask.indexed_iter_mut() {
        if inside(y as f64, x as f64) {
            *old |= bits;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array2;

    fn cut(shape: (usize, usize), with: impl Fn(&mut ArrayViewMut2<u32>)) -> Array2<u32> {
        let mut mask = Array2::from_elem(shape, 1);
        with(&mut mask.view_mut());
        assert!(mask.iter().all(|bits| bits & 1 == 1), "bits that were there before are lost");
        mask.mapv(|bits| (bits & 2) / 2)
    }

    #[test]
    fn slabs_and_crosses_are_as_wide_as_asked() {
        let rows = cut((9, 7), |mask| slab(mask, 0, 3, 2, 2));
        assert_eq!(rows, Array2::from_shape_fn((9, 7), |(y, _)| u32::from(y == 3 || y == 4)));
        let columns = cut((9, 7), |mask| slab(mask, 1, -1, 2, 2));
        assert_eq!(columns, Array2::from_shape_fn((9, 7), |(_, x)| u32::from(x == 0)));
        assert_eq!(cut((9, 7), |mask| cross(mask, [3, 1], 2, 2)).sum(), 2 * 7 + 2 * 9 - 4);
        assert_eq!(cut((9, 7), |mask| rectangle(mask, [-20, 3], [5, 5], 2)).sum(), 0);
        assert_eq!(cut((9, 7), |mask| rectangle(mask, [7, 5], [5, 5], 2)).sum(), 4);
    }

    #[test]
    fn discs_are_round() {
        assert_eq!(cut((9, 9), |mask| disc(mask, [4.0, 4.0], 0.5, 2)).sum(), 1);
        assert_eq!(cut((9, 9), |mask| disc(mask, [4.0, 4.0], 2.5, 2)).sum(), 21);
    }

    #[test]
    fn bars_reach_the_edge_on_one_side() {
        let bar_at = |degrees: f64| cut((9, 9), |mask| bar(mask, [4.0, 4.0], degrees.to_radians(), 3.0, 2));
        assert_eq!(bar_at(0.0), Array2::from_shape_fn((9, 9), |(y, x)| u32::from((3..6).contains(&y) && x >= 4)));
        // Slightly less than a right angle: rounding of the cosine must not decide about the row of
        // the centre.
        assert_eq!(
            bar_at(89.9),
            Array2::from_shape_fn((9, 9), |(y, x)| u32::from((3..6).contains(&x) && y >= 4 && (y, x) != (4, 3)))
        );
    }
}
