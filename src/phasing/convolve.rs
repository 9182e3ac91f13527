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
    let [nz, ny, nx] = shape;
    let (mut from, mut to) = (data, scratch);
    if weights[2].len() > 1 {
        along_rows(nx, weights[2], from, to);
        (from, to) = (to, from);
    }
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

/// Along x: each line with its wrapped margins.
fn along_rows(nx: usize, weights: &[f32], data: &[f32], out: &mut [f32]) {
    let reach = weights.len() - 1;
    data.par_chunks(nx).zip(out.par_chunks_mut(nx)).for_each_init(
        || vec![0.0f32; nx + 2 * reach],
        |padded, (line, out)| {
            let (before, rest) = padded.split_at_mut(reach);
            let (inside, after) = rest.split_at_mut(nx);
            inside.copy_from_slice(line);
            // Many times around where the kernel is wider than the line.
            before.iter_mut().rev().zip(line.iter().rev().cycle()).for_each(|(value, &v)| *value = v);
            after.iter_mut().zip(line.iter().cycle()).for_each(|(value, &v)| *value = v);
            let pair = |k: usize| [&padded[reach - k..][..nx], &padded[reach + k..][..nx]];
            Arch::new().dispatch(Taps { weights, middle: line, pair, out });
        },
    );
}

/// Along y or z, whose extent is `n` and whose neighbours are `step` rows apart: sums of whole
/// rows.
fn across_rows(nx: usize, n: usize, step: usize, weights: &[f32], data: &[f32], out: &mut [f32]) {
    out.par_chunks_mut(nx).enumerate().for_each(|(row, out)| {
        let position = row / step % n;
        let base = row - position * step;
        let line = |offset: usize| {
            let start = (base + (position + offset) % n * step) * nx;
            &data[start..start + nx]
        };
        let pair = |k: usize| [line(n * (k / n + 1) - k), line(k)];
        Arch::new().dispatch(Taps { weights, middle: line(0), pair, out });
    });
}

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
        out.iter_mut().zip(middle).for_each(|(out, &m)| *out = simd.mul_f32s(first, m));
        rest.iter_mut().zip(last).for_each(|(out, &m)| *out = self.weights[0] * m);
        for (k, &weight) in self.weights.iter().enumerate().skip(1) {
            let [(before, first), (after, last)] = (self.pair)(k).map(S::as_simd_f32s);
            let splat = simd.splat_f32s(weight);
            for ((out, &a), &b) in out.iter_mut().zip(before).zip(after) {
                *out = simd.mul_add_e_f32s(splat, simd.add_f32s(a, b), *out);
            }
            for ((out, &a), &b) in rest.iter_mut().zip(first).zip(last) {
                *out += weight * (a + b);
            }
        }
    }
}
