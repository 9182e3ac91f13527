//! Periodic convolution with a product of one symmetric kernel for each axis.

use crate::volume::Shape;
use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

/// Convolves an array along all its axes, periodically. `weights` are those of each axis at the
/// distances 0, 1, 2, ..; an axis with one weight, which is then 1, and a thin z axis are left
/// alone. `scratch` has the length of `data`. Returns what is convolved, which is one of both, and
/// the other.
pub(crate) fn convolve<'a>(
    shape: Shape,
    weights: [&[f32]; 3],
    data: &'a mut [f32],
    scratch: &'a mut [f32],
) -> (&'a mut [f32], &'a mut [f32]) {
    let (mut from, mut to) = (data, scratch);
    if weights[2].len() > 1 {
        let nx = shape[2];
        let row = |row: usize, line: &mut [f32]| line.copy_from_slice(&from[row * nx..][..nx]);
        along_rows(nx, weights[2], row, to);
        (from, to) = (to, from);
    }
    across(shape, weights, from, to)
}

/// The same of values that `fill` gives row by row, in C order; both arrays are overwritten.
pub(crate) fn convolve_rows<'a>(
    shape: Shape,
    weights: [&[f32]; 3],
    fill: impl Fn(usize, &mut [f32]) + Sync,
    data: &'a mut [f32],
    scratch: &'a mut [f32],
) -> (&'a mut [f32], &'a mut [f32]) {
    along_rows(shape[2], weights[2], fill, data);
    across(shape, weights, data, scratch)
}

/// Along y and z.
fn across<'a>(
    [nz, ny, nx]: Shape,
    weights: [&[f32]; 3],
    mut from: &'a mut [f32],
    mut to: &'a mut [f32],
) -> (&'a mut [f32], &'a mut [f32]) {
    if weights[1].len() > 1 {
        across_rows(nx, ny, 1, weights[1], from, to);
        (from, to) = (to, from);
    }
    if weights[0].len() > 1 && nz > 1 {
        across_rows(nx, nz, ny, weights[0], from, to);
        (from, to) = (to, from);
    }
    (from, to)
}

/// Rows that one task handles.
const ROWS: usize = 8;

/// Along x: each line with its wrapped margins.
fn along_rows(nx: usize, weights: &[f32], fill: impl Fn(usize, &mut [f32]) + Sync, out: &mut [f32]) {
    let reach = weights.len() - 1;
    out.par_chunks_mut(ROWS * nx).enumerate().for_each_init(
        || vec![0.0f32; nx + 2 * reach],
        |padded, (piece, out)| {
            Arch::new().dispatch(AlongRows { nx, weights, first: piece * ROWS, fill: &fill, padded, out });
        },
    );
}

struct AlongRows<'a, F> {
    nx: usize,
    weights: &'a [f32],
    /// Number of the first row.
    first: usize,
    fill: F,
    /// A row with its margins.
    padded: &'a mut [f32],
    out: &'a mut [f32],
}

impl<F: Fn(usize, &mut [f32])> WithSimd for AlongRows<'_, F> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let AlongRows { nx, weights, first, fill, padded, out } = self;
        let reach = weights.len() - 1;
        for (row, out) in out.chunks_mut(nx).enumerate() {
            let (before, rest) = padded.split_at_mut(reach);
            let (line, after) = rest.split_at_mut(nx);
            fill(first + row, line);
            if reach <= nx {
                before.copy_from_slice(&line[nx - reach..]);
                after.copy_from_slice(&line[..reach]);
            } else {
                // Many times around where the kernel is wider than the line.
                before.iter_mut().rev().zip(line.iter().rev().cycle()).for_each(|(value, &v)| *value = v);
                after.iter_mut().zip(line.iter().cycle()).for_each(|(value, &v)| *value = v);
            }
            let padded = &*padded;
            let pair = |k: usize| [&padded[reach - k..][..nx], &padded[reach + k..][..nx]];
            Taps { weights, middle: &padded[reach..][..nx], pair, out }.with_simd(simd);
        }
    }
}

/// Along y or z, whose extent is `n` and whose neighbours are `step` rows apart: sums of whole
/// rows.
fn across_rows(nx: usize, n: usize, step: usize, weights: &[f32], data: &[f32], out: &mut [f32]) {
    out.par_chunks_mut(ROWS * nx).enumerate().for_each(|(piece, out)| {
        Arch::new().dispatch(AcrossRows { nx, n, step, weights, first: piece * ROWS, data, out });
    });
}

struct AcrossRows<'a> {
    nx: usize,
    n: usize,
    step: usize,
    weights: &'a [f32],
    /// Number of the first row.
    first: usize,
    data: &'a [f32],
    out: &'a mut [f32],
}

impl WithSimd for AcrossRows<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let AcrossRows { nx, n, step, weights, first, data, out } = self;
        for (row, out) in out.chunks_mut(nx).enumerate() {
            let row = first + row;
            let position = row / step % n;
            let base = row - position * step;
            let line = |place: usize| &data[(base + place * step) * nx..][..nx];
            let pair = |k: usize| {
                // Divisions would take longer than the sums.
                let k = if k < n { k } else { k % n };
                let before = if position >= k { position - k } else { position + n - k };
                let after = if position + k < n { position + k } else { position + k - n };
                [line(before), line(after)]
            };
            Taps { weights, middle: line(position), pair, out }.with_simd(simd);
        }
    }
}

/// Vectors of a row that are summed up together.
const BLOCK: usize = 8;

/// A row of a symmetric convolution: what lies `k` before and behind a row is `pair(k)`. Compiled
/// for the widest vectors that the processor has.
struct Taps<'a, P> {
    weights: &'a [f32],
    middle: &'a [f32],
    pair: P,
    out: &'a mut [f32],
}

impl<'a, P: Fn(usize) -> [&'a [f32]; 2]> WithSimd for Taps<'_, P> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let (out, rest) = S::as_mut_simd_f32s(self.out);
        let (middle, last) = S::as_simd_f32s(self.middle);
        let first = simd.splat_f32s(self.weights[0]);
        let taps = || self.weights.iter().enumerate().skip(1);
        // Blocks of a row stay in registers while all its neighbours are added.
        let mut blocks = out.chunks_exact_mut(BLOCK);
        let mut at = 0;
        for out in &mut blocks {
            let mut sums: [S::f32s; BLOCK] = std::array::from_fn(|i| simd.mul_f32s(first, middle[at + i]));
            for (k, &weight) in taps() {
                let [before, after] = (self.pair)(k).map(|line| &S::as_simd_f32s(line).0[at..at + BLOCK]);
                let splat = simd.splat_f32s(weight);
                for ((sum, &a), &b) in sums.iter_mut().zip(before).zip(after) {
                    *sum = simd.mul_add_e_f32s(splat, simd.add_f32s(a, b), *sum);
                }
            }
            out.copy_from_slice(&sums);
            at += BLOCK;
        }
        let out = blocks.into_remainder();
        out.iter_mut().zip(&middle[at..]).for_each(|(out, &m)| *out = simd.mul_f32s(first, m));
        rest.iter_mut().zip(last).for_each(|(out, &m)| *out = self.weights[0] * m);
        if out.is_empty() && rest.is_empty() {
            return;
        }
        for (k, &weight) in taps() {
            let [(before, first), (after, last)] = (self.pair)(k).map(S::as_simd_f32s);
            let splat = simd.splat_f32s(weight);
            for ((out, &a), &b) in out.iter_mut().zip(&before[at..]).zip(&after[at..]) {
                *out = simd.mul_add_e_f32s(splat, simd.add_f32s(a, b), *out);
            }
            for ((out, &a), &b) in rest.iter_mut().zip(first).zip(last) {
                *out += weight * (a + b);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_sums_written_down_for_rows_of_any_length() {
        // Whole blocks, single vectors and single numbers; kernels that reach around short axes.
        for (shape, taps) in
            [([1, 6, 200], [1, 3, 5]), ([3, 5, 77], [4, 6, 2]), ([2, 9, 64], [7, 1, 4]), ([4, 4, 1], [2, 6, 3])]
        {
            let [nz, ny, nx] = shape;
            let n = nz * ny * nx;
            let start: Vec<f32> = (0..n).map(|i| ((i * 7919) % 101) as f32).collect();
            let weights = taps.map(|taps| (0..taps).map(|k| 1.0 / (k + 1) as f32).collect::<Vec<f32>>());
            let (mut data, mut scratch) = (start.clone(), vec![f32::NAN; n]);
            let all: [&[f32]; 3] = std::array::from_fn(|axis| {
                // One weight, and a thin z axis, are no convolution.
                if weights[axis].len() == 1 || (axis == 0 && nz == 1) { &[1.0] } else { &weights[axis][..] }
            });
            let (got, _) = convolve(shape, all, &mut data, &mut scratch);
            let wrapped = |i: usize, k: isize, n: usize| (i as isize + k).rem_euclid(n as isize) as usize;
            let sum = |axis: usize, f: &dyn Fn(isize) -> f64| -> f64 {
                let reach = all[axis].len() as isize - 1;
                (-reach..=reach).map(|k| f64::from(all[axis][k.unsigned_abs()]) * f(k)).sum()
            };
            for (i, &got) in got.iter().enumerate() {
                let [z, y, x] = [i / nx / ny, i / nx % ny, i % nx];
                let expected = sum(0, &|dz| {
                    sum(1, &|dy| {
                        sum(2, &|dx| {
                            start[(wrapped(z, dz, nz) * ny + wrapped(y, dy, ny)) * nx + wrapped(x, dx, nx)].into()
                        })
                    })
                });
                // Three sums of some ten positive terms in f32.
                assert!((f64::from(got) / expected - 1.0).abs() < 2e-6, "{shape:?} {i}: {got} {expected}");
            }
        }
    }
}
