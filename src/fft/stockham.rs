//! Transforms of many columns at once: sixteen neighbouring columns fill the lanes of the vector
//! registers, so that nothing is ever transposed and every lane does the same.
//!
//! Stockham's autosort algorithm (decimation in frequency): a stage of radix `r` reads `r` rows and
//! writes `r` rows of another buffer, in an order that leaves the last stage's output sorted.

use pulp::{Arch, Simd, WithSimd};

/// Columns that are transformed together: 16 complex numbers are two cache lines.
pub const COLUMNS: usize = 16;

/// One point of all columns: the real parts, then the imaginary parts.
pub type Row = [f32; 2 * COLUMNS];

/// The transforms of one length in one direction, not scaled.
#[derive(Debug, Clone)]
pub struct Stockham {
    len: usize,
    stages: Vec<Stage>,
}

#[derive(Debug, Clone)]
struct Stage {
    radix: usize,
    /// Length of the transforms that this stage makes shorter, over the radix.
    blocks: usize,
    /// Rows between neighbours of one of them.
    stride: usize,
    /// `exp(-+ 2 pi i j p / (radix blocks))`, for each block p and j from 1 to the radix.
    twiddles: Vec<[f32; 2]>,
    /// `cos` and `-+ sin` of `2 pi j / radix`.
    roots: Vec<[f32; 2]>,
}

/// The radices, tried in this order.
const RADICES: [usize; 7] = [4, 2, 3, 5, 7, 11, 13];

impl Stockham {
    /// Plans transforms of columns of this length; `sign` is that of the exponent. `None` if the
    /// length has a prime factor above 13.
    pub fn new(len: usize, sign: f64) -> Option<Self> {
        let root = |i: usize, n: usize| {
            let angle = sign * 2.0 * std::f64::consts::PI * (i % n) as f64 / n as f64;
            [angle.cos() as f32, angle.sin() as f32]
        };
        let (mut left, mut stride, mut stages) = (len, 1, Vec::new());
        while left > 1 {
            let radix = RADICES.into_iter().find(|radix| left.is_multiple_of(*radix))?;
            let blocks = left / radix;
            let twiddles = (0..blocks).flat_map(|p| (1..radix).map(move |j| root(j * p, left))).collect();
            let roots = (0..radix).map(|j| root(j, radix)).collect();
            stages.push(Stage { radix, blocks, stride, twiddles, roots });
            (left, stride) = (blocks, stride * radix);
        }
        Some(Self { len, stages })
    }

    /// Transforms the columns in `rows`, and leaves them there; `other` has the same length.
    ///
    /// # Panics
    /// If a length is not that of the columns.
    pub fn transform(&self, rows: &mut Vec<Row>, other: &mut Vec<Row>) {
        assert!(rows.len() == self.len && other.len() == self.len, "columns of another length");
        for stage in &self.stages {
            Arch::new().dispatch(StagePass { stage, input: rows, output: other });
            std::mem::swap(rows, other);
        }
    }
}

/// A stage on some vector instructions.
struct StagePass<'a> {
    stage: &'a Stage,
    input: &'a [Row],
    output: &'a mut [Row],
}

impl WithSimd for StagePass<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        match self.stage.radix {
            2 => self.radix::<S, 2>(simd),
            3 => self.radix::<S, 3>(simd),
            4 => self.radix::<S, 4>(simd),
            5 => self.radix::<S, 5>(simd),
            7 => self.radix::<S, 7>(simd),
            11 => self.radix::<S, 11>(simd),
            _ => self.radix::<S, 13>(simd),
        }
    }
}

impl StagePass<'_> {
    #[inline(always)]
    fn radix<S: Simd, const R: usize>(self, simd: S) {
        let StagePass { stage, input, output } = self;
        let (blocks, stride) = (stage.blocks, stage.stride);
        let apart = stride * blocks;
        // Input rows in R equal pieces; a block of each goes to R neighbouring pieces of the
        // output.
        let pieces: [&[Row]; R] = std::array::from_fn(|k| &input[k * apart..(k + 1) * apart]);
        for (p, out) in output.chunks_exact_mut(R * stride).enumerate() {
            let twiddles = &stage.twiddles[p * (R - 1)..(p + 1) * (R - 1)];
            let inputs: [&[Row]; R] = pieces.map(|piece| &piece[p * stride..(p + 1) * stride]);
            for q in 0..stride {
                let half = COLUMNS / S::F32_LANES;
                for v in 0..half {
                    let a: [Complex<S>; R] = std::array::from_fn(|k| {
                        let row = S::as_simd_f32s(&inputs[k][q]).0;
                        (row[v], row[half + v])
                    });
                    let b = butterfly::<S, R>(simd, a, &stage.roots);
                    for (j, &value) in b.iter().enumerate() {
                        let (re, im) = if j == 0 { value } else { turned(simd, value, twiddles[j - 1]) };
                        let row = S::as_mut_simd_f32s(&mut out[q + j * stride]).0;
                        row[v] = re;
                        row[half + v] = im;
                    }
                }
            }
        }
    }
}

/// Real and imaginary parts of some columns.
type Complex<S> = (<S as Simd>::f32s, <S as Simd>::f32s);

#[inline(always)]
fn sum<S: Simd>(simd: S, a: Complex<S>, b: Complex<S>) -> Complex<S> {
    (simd.add_f32s(a.0, b.0), simd.add_f32s(a.1, b.1))
}

#[inline(always)]
fn difference<S: Simd>(simd: S, a: Complex<S>, b: Complex<S>) -> Complex<S> {
    (simd.sub_f32s(a.0, b.0), simd.sub_f32s(a.1, b.1))
}

/// Times a complex number.
#[inline(always)]
fn turned<S: Simd>(simd: S, a: Complex<S>, by: [f32; 2]) -> Complex<S> {
    let [c, s] = by.map(|value| simd.splat_f32s(value));
    let re = simd.negate_mul_add_e_f32s(a.1, s, simd.mul_f32s(a.0, c));
    let im = simd.mul_add_e_f32s(a.0, s, simd.mul_f32s(a.1, c));
    (re, im)
}

/// The transform of R values.
#[inline(always)]
fn butterfly<S: Simd, const R: usize>(simd: S, a: [Complex<S>; R], roots: &[[f32; 2]]) -> [Complex<S>; R] {
    let mut out = a;
    match R {
        2 => {
            out[0] = sum(simd, a[0], a[1]);
            out[1] = difference(simd, a[0], a[1]);
        }
        4 => {
            // The sine of a quarter turn: -1 forward, 1 inverse.
            let sine = simd.splat_f32s(roots[1][1]);
            let (even, odd) = (sum(simd, a[0], a[2]), sum(simd, a[1], a[3]));
            let (left, right) = (difference(simd, a[0], a[2]), difference(simd, a[1], a[3]));
            let side = (simd.mul_f32s(right.1, sine), simd.mul_f32s(right.0, sine));
            out[0] = sum(simd, even, odd);
            out[2] = difference(simd, even, odd);
            out[1] = (simd.sub_f32s(left.0, side.0), simd.add_f32s(left.1, side.1));
            out[3] = (simd.add_f32s(left.0, side.0), simd.sub_f32s(left.1, side.1));
        }
        _ => {
            // Odd: pairs of values at opposite angles share cosines, and sines but for the sign.
            let pairs = R / 2;
            let mut total = a[0];
            for k in 1..=pairs {
                total = sum(simd, total, sum(simd, a[k], a[R - k]));
            }
            out[0] = total;
            for j in 1..=pairs {
                let (mut cosines, mut sines) = (a[0], (simd.splat_f32s(0.0), simd.splat_f32s(0.0)));
                for k in 1..=pairs {
                    let [c, s] = roots[j * k % R].map(|value| simd.splat_f32s(value));
                    let (both, apart) = (sum(simd, a[k], a[R - k]), difference(simd, a[k], a[R - k]));
                    cosines = (simd.mul_add_e_f32s(both.0, c, cosines.0), simd.mul_add_e_f32s(both.1, c, cosines.1));
                    // i s (re + i im) = -s im + i s re
                    sines = (simd.negate_mul_add_e_f32s(apart.1, s, sines.0), simd.mul_add_e_f32s(apart.0, s, sines.1));
                }
                out[j] = sum(simd, cosines, sines);
                out[R - j] = difference(simd, cosines, sines);
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_the_naive_transform() {
        for n in [1, 2, 3, 4, 5, 6, 7, 8, 11, 13, 16, 26, 30, 60, 128, 143, 210] {
            for sign in [-1.0, 1.0] {
                let plan = Stockham::new(n, sign).unwrap();
                let value = |i: usize, c: usize| ((i * 37 + c * 11) % 19) as f32 - 9.0;
                let mut rows: Vec<Row> = (0..n).map(|i| std::array::from_fn(|c| value(i, c))).collect();
                let start = rows.clone();
                plan.transform(&mut rows, &mut vec![[0.0; 2 * COLUMNS]; n]);
                for column in [0, 5, COLUMNS - 1] {
                    for (k, row) in rows.iter().enumerate() {
                        let (mut re, mut im) = (0.0, 0.0);
                        for (i, from) in start.iter().enumerate() {
                            let angle = sign * 2.0 * std::f64::consts::PI * (i * k % n) as f64 / n as f64;
                            let (a, b) = (f64::from(from[column]), f64::from(from[COLUMNS + column]));
                            re += a * angle.cos() - b * angle.sin();
                            im += a * angle.sin() + b * angle.cos();
                        }
                        let error = (re - f64::from(row[column])).hypot(im - f64::from(row[COLUMNS + column]));
                        // Sums of n values of up to 9 in f32.
                        assert!(error < 2e-6 * 9.0 * n as f64, "{n} {sign} {k}: {error}");
                    }
                }
            }
        }
        assert!(Stockham::new(34, 1.0).is_none());
    }
}
