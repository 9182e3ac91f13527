//! Unitary transforms of 2D and 3D arrays on the CPU, over [`rustfft`] and rayon.
//!
//! **Normalisation:** both directions divide by `sqrt(n)`, so the squared norm (photons) is the
//! same on either side.
//!
//! **Order:** C-ordered `(z, y, x)` slices with zero frequency at index 0
//! ([`crate::volume::Cornered`]).
//!
//! Strided axes are the whole cost of a library transform: a line along y or z touches one cache
//! line per element. Here sixteen neighbouring lines are transformed at once, in the lanes of
//! vector registers (`stockham.rs`): every cache line is used whole and nothing is transposed. In
//! 3D, x and y are done slab by slab while the slab is in cache.
//!
//! What is done to every point between two transforms is done while it is in cache, too:
//! [`Fft::rows_pass`] and [`Fft::columns_pass`] are the two passes over memory of which a whole
//! phasing cycle consists.

mod stockham;

use crate::volume::Shape;
use ndarray::{ArrayView2, ArrayViewMut2, Axis};
use num_complex::Complex32;
use rayon::prelude::*;
use rustfft::{FftDirection, FftPlanner};
use std::sync::Arc;
use stockham::Stockham;

pub use stockham::{COLUMNS, Row};

/// Rows that are visited together, and that one task handles in 2D.
const ROWS: usize = 8;

/// A forward and an inverse transform of arrays of one shape. Results do not depend on the number
/// of threads.
pub struct Fft {
    shape: Shape,
    forward: Lines,
    inverse: Lines,
}

/// One direction: plans of lines in a row for each axis, and of columns.
struct Lines {
    axes: [Arc<dyn rustfft::Fft<f32>>; 3],
    columns: [Option<Stockham>; 3],
    scratch: usize,
}

impl Lines {
    fn new(shape: Shape, direction: FftDirection) -> Self {
        let mut planner = FftPlanner::new();
        let axes = shape.map(|n| planner.plan_fft(n, direction));
        let scratch = axes.iter().map(|plan| plan.get_inplace_scratch_len()).max().unwrap_or(0);
        let sign = if direction == FftDirection::Forward { -1.0 } else { 1.0 };
        Lines { axes, columns: shape.map(|n| Stockham::new(n, sign)), scratch }
    }

    /// Transforms columns along an axis.
    fn along(&self, axis: usize, block: &mut Block, scratch: &mut [Complex32]) {
        let Block { rows, other, .. } = block;
        match &self.columns[axis] {
            Some(plan) => plan.transform(rows, other),
            // A large prime factor: the library has ways for those, one column after another.
            None => {
                let mut line = vec![Complex32::ZERO; rows.len()];
                for c in 0..COLUMNS {
                    line.iter_mut().zip(&*rows).for_each(|(v, row)| *v = Complex32::new(row[c], row[COLUMNS + c]));
                    self.axes[axis].process_with_scratch(&mut line, scratch);
                    line.iter().zip(&mut *rows).for_each(|(v, row)| [row[c], row[COLUMNS + c]] = [v.re, v.im]);
                }
            }
        }
    }
}

/// Scratch for the work on one block of columns.
struct Block {
    rows: Vec<Row>,
    other: Vec<Row>,
}

impl Block {
    fn new(len: usize) -> Self {
        Block { rows: vec![[0.0; 2 * COLUMNS]; len], other: vec![[0.0; 2 * COLUMNS]; len] }
    }

    /// Reads columns; missing ones of the last block are left as they are.
    fn load(&mut self, block: ArrayView2<Complex32>) {
        for (row, from) in self.rows.iter_mut().zip(block.rows()) {
            let from = from.to_slice().unwrap_or_default();
            let (re, im) = row.split_at_mut(COLUMNS);
            match from.first_chunk::<COLUMNS>() {
                Some(from) => (0..COLUMNS).for_each(|c| (re[c], im[c]) = (from[c].re, from[c].im)),
                None => from.iter().zip(re.iter_mut().zip(im)).for_each(|(v, (re, im))| (*re, *im) = (v.re, v.im)),
            }
        }
    }

    fn store(&self, mut block: ArrayViewMut2<Complex32>) {
        for (row, mut to) in self.rows.iter().zip(block.rows_mut()) {
            let to = to.as_slice_mut().unwrap_or_default();
            let (re, im) = row.split_at(COLUMNS);
            match to.first_chunk_mut::<COLUMNS>() {
                Some(to) => (0..COLUMNS).for_each(|c| to[c] = Complex32::new(re[c], im[c])),
                None => to.iter_mut().zip(re.iter().zip(im)).for_each(|(v, (&re, &im))| *v = Complex32::new(re, im)),
            }
        }
    }
}

impl Fft {
    /// Plans transforms of arrays of this shape. Fast where the extents have no prime factor above
    /// 13.
    pub fn new(shape: Shape) -> Self {
        Fft {
            shape,
            forward: Lines::new(shape, FftDirection::Forward),
            inverse: Lines::new(shape, FftDirection::Inverse),
        }
    }

    /// Extents of the arrays.
    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// Transforms in place from object to Fourier space: `F(k) = sum O(r) exp(-2 pi i k r / n) /
    /// sqrt(n)`.
    ///
    /// # Panics
    /// If the length of `data` is not the product of the extents.
    pub fn forward(&self, data: &mut [Complex32]) {
        let scale = self.scale();
        self.rows_pass(data, &mut vec![(); data.len()], Transforms::AFTER, |_, rows, _| {
            rows.iter_mut().for_each(|v| *v *= scale)
        });
        self.columns_pass(data, &vec![(); data.len()], Transforms::BEFORE, |_| {});
    }

    /// Transforms in place from Fourier to object space.
    ///
    /// # Panics
    /// If the length of `data` is not the product of the extents.
    pub fn inverse(&self, data: &mut [Complex32]) {
        let scale = self.scale();
        self.columns_pass(data, &vec![(); data.len()], Transforms::AFTER, |_| {});
        self.rows_pass(data, &mut vec![(); data.len()], Transforms::BEFORE, |_, rows, _| {
            rows.iter_mut().for_each(|v| *v *= scale)
        });
    }

    /// Factor that makes the transforms of both directions unitary: the passes leave it out.
    pub fn scale(&self) -> f32 {
        (1.0 / (self.shape.iter().product::<usize>() as f64).sqrt()) as f32
    }

    /// Passes over the array by pieces that lie together in memory: slabs, or rows in 2D. Before, a
    /// piece is transformed inversely along its axes; then it is visited some rows at a time, with
    /// the number of their first point and the same rows of `other`; after, it is transformed
    /// forward.
    ///
    /// # Panics
    /// If the length of `data` or `other` is not the product of the extents.
    pub fn rows_pass<T: Send>(
        &self,
        data: &mut [Complex32],
        other: &mut [T],
        transforms: Transforms,
        visit: impl Fn(usize, &mut [Complex32], &mut [T]) + Sync,
    ) {
        let [nz, ny, nx] = self.shape;
        assert!(data.len() == nz * ny * nx && other.len() == data.len(), "the arrays have the plan's shape");
        let deep = nz > 1;
        let piece = if deep { ny * nx } else { ROWS * nx };
        let along = |lines: &Lines, slab: &mut [Complex32], block: &mut Block, scratch: &mut [Complex32]| {
            let mut slab = ArrayViewMut2::from_shape((ny, nx), slab).expect("a slab");
            for columns in slab.axis_chunks_iter_mut(Axis(1), COLUMNS) {
                block.load(columns.view());
                lines.along(1, block, scratch);
                block.store(columns);
            }
        };
        let pieces = data.par_chunks_mut(piece).zip(other.par_chunks_mut(piece)).enumerate();
        pieces.for_each_init(
            || (Block::new(if deep { ny } else { 0 }), self.scratch()),
            |(block, scratch), (at, (values, other))| {
                if transforms.before && deep {
                    along(&self.inverse, values, block, scratch);
                }
                // A few rows at a time: a slab and the same piece of `other` do not fit in a core's
                // cache together.
                let rows = values.chunks_mut(ROWS * nx).zip(other.chunks_mut(ROWS * nx)).enumerate();
                rows.for_each(|(row, (values, other))| {
                    if transforms.before {
                        self.inverse.axes[2].process_with_scratch(values, scratch);
                    }
                    visit(at * piece + row * ROWS * nx, values, other);
                    if transforms.after {
                        self.forward.axes[2].process_with_scratch(values, scratch);
                    }
                });
                if transforms.after && deep {
                    along(&self.forward, values, block, scratch);
                }
            },
        );
    }

    /// Passes over the array by blocks of columns along the first axis that is longer than 1.
    /// Before, they are transformed forward; then they are visited together with what `other` holds
    /// of the same points, in the order of [`Fft::columns`]; after, they are transformed inversely.
    ///
    /// # Panics
    /// If the length of `data` or `other` is not the product of the extents.
    pub fn columns_pass<U: Copy + Default + Sync>(
        &self,
        data: &mut [Complex32],
        other: &[U],
        transforms: Transforms,
        visit: impl Fn(&mut Columns<U>) + Sync,
    ) {
        let [nz, ny, nx] = self.shape;
        assert!(data.len() == nz * ny * nx && other.len() == data.len(), "the arrays have the plan's shape");
        let axis = if nz > 1 { 0 } else { 1 };
        let ColumnOrder { rows: n, width: step } = Fft::columns(self.shape);
        let mut all = ArrayViewMut2::from_shape((n, step), data).expect("the plan's shape");
        let blocks = all.axis_chunks_iter_mut(Axis(1), COLUMNS).into_par_iter();
        let blocks = blocks.zip(other.par_chunks(n * COLUMNS)).enumerate();
        blocks.for_each_init(
            || (Block::new(n), self.scratch()),
            |(block, scratch), (at, (values, others))| {
                block.load(values.view());
                if transforms.before {
                    self.forward.along(axis, block, scratch);
                }
                visit(&mut Columns { rows: &mut block.rows, others, first: at * COLUMNS });
                if transforms.after {
                    self.inverse.along(axis, block, scratch);
                }
                block.store(values);
            },
        );
    }

    /// The order in which [`Fft::columns_pass`] comes to the points of an array of this shape.
    pub fn columns(shape: Shape) -> ColumnOrder {
        let [nz, ny, nx] = shape;
        if nz > 1 { ColumnOrder { rows: nz, width: ny * nx } } else { ColumnOrder { rows: ny, width: nx } }
    }

    /// Multiplies the transform by real factors, in place: a convolution with a symmetric kernel.
    /// `factors` are in the order of [`Fft::columns`], the square of [`Fft::scale`] in them.
    ///
    /// # Panics
    /// If the length of `data` or `factors` is not the product of the extents.
    pub fn convolve(&self, data: &mut [Complex32], factors: &[f32]) {
        // Forward, times the factors, and back, in three passes over memory.
        let mut nothing = vec![(); data.len()];
        self.rows_pass(data, &mut nothing, Transforms::AFTER, |_, _, _| {});
        self.columns_pass(data, factors, Transforms::BOTH, |columns| {
            for (row, factors) in columns.rows() {
                let (re, im) = row.split_at_mut(COLUMNS);
                for ((re, im), factor) in re.iter_mut().zip(im).zip(factors) {
                    *re *= factor;
                    *im *= factor;
                }
            }
        });
        self.rows_pass(data, &mut nothing, Transforms::BEFORE, |_, _, _| {});
    }

    /// Factors of [`Fft::convolve`] from those of each frequency, in C order.
    pub fn factors(&self, of: impl IntoIterator<Item = f32>) -> Vec<f32> {
        let (order, scale) = (Fft::columns(self.shape), self.scale().powi(2));
        let mut factors = vec![0.0; self.shape.iter().product()];
        of.into_iter().enumerate().for_each(|(index, value)| factors[order.place(index)] = value * scale);
        factors
    }

    fn scratch(&self) -> Vec<Complex32> {
        vec![Complex32::ZERO; self.forward.scratch.max(self.inverse.scratch)]
    }
}

/// The transforms that a pass does: before its visits and after them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transforms {
    before: bool,
    after: bool,
}

impl Transforms {
    /// A transform before the visits only.
    pub const BEFORE: Transforms = Transforms { before: true, after: false };
    /// A transform after the visits only.
    pub const AFTER: Transforms = Transforms { before: false, after: true };
    /// Transforms before and after the visits.
    pub const BOTH: Transforms = Transforms { before: true, after: true };
}

/// Blocks of columns one after another, each of them row by row: read so, an array comes out of
/// memory in one stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ColumnOrder {
    rows: usize,
    width: usize,
}

impl ColumnOrder {
    /// Returns the place of the point with this number in C order.
    pub fn place(self, index: usize) -> usize {
        let (row, column) = (index / self.width, index % self.width);
        let first = column / COLUMNS * COLUMNS;
        first * self.rows + row * COLUMNS.min(self.width - first) + column - first
    }
}

/// Neighbouring columns of an array, row by row, with what another array holds of the same points.
pub struct Columns<'a, U> {
    rows: &'a mut [Row],
    others: &'a [U],
    first: usize,
}

impl<U> Columns<'_, U> {
    /// Number of the first column.
    pub fn first(&self) -> usize {
        self.first
    }

    /// Returns all rows; the other array's are shorter in the last block.
    pub fn rows(&mut self) -> impl Iterator<Item = (&mut Row, &[U])> {
        let width = (self.others.len() / self.rows.len()).max(1);
        self.rows.iter_mut().zip(self.others.chunks(width))
    }
}

/// Returns the largest even number up to `n` without a prime factor above 13, which are the sizes
/// that every FFT library transforms fast; 1 for 1, the thin axis of a 2D pattern.
pub fn fft_friendly(n: usize) -> usize {
    (1..=n).rev().find(|&m| m == 1 || (m % 2 == 0 && is_smooth(m))).unwrap_or(0)
}

/// The smallest number from `n` on that [`fft_friendly`] returns.
pub fn fft_friendly_from(n: usize) -> usize {
    (n..).find(|&m| fft_friendly(m) == m).unwrap_or(n)
}

fn is_smooth(mut n: usize) -> bool {
    for prime in [2, 3, 5, 7, 11, 13] {
        while n.is_multiple_of(prime) {
            n /= prime;
        }
    }
    n == 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use num_complex::Complex64;

    fn noise(n: usize) -> Vec<Complex32> {
        let mut state = 1u64;
        let mut next = || {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 40) as f32 / (1 << 24) as f32 - 0.5
        };
        (0..n).map(|_| Complex32::new(next(), next())).collect()
    }

    fn naive(shape: Shape, data: &[Complex32]) -> Vec<Complex64> {
        let mut data: Vec<Complex64> = data.iter().map(|v| Complex64::new(v.re.into(), v.im.into())).collect();
        let strides = [shape[1] * shape[2], shape[2], 1];
        for axis in 0..3 {
            let (n, stride) = (shape[axis], strides[axis]);
            for start in (0..data.len()).filter(|i| (i / stride) % n == 0) {
                let line: Vec<Complex64> = (0..n).map(|i| data[start + i * stride]).collect();
                for k in 0..n {
                    let sum: Complex64 = (0..n)
                        .map(|i| {
                            let angle = -2.0 * std::f64::consts::PI * ((i * k) % n) as f64 / n as f64;
                            line[i] * Complex64::from_polar(1.0, angle)
                        })
                        .sum();
                    data[start + k * stride] = sum / (n as f64).sqrt();
                }
            }
        }
        data
    }

    #[test]
    fn agrees_with_the_naive_transform_and_keeps_the_norm() {
        for shape in [[1, 20, 33], [12, 9, 22], [1, 64, 8], [5, 26, 7]] {
            let n: usize = shape.iter().product();
            let start = noise(n);
            let expected = naive(shape, &start);
            let plan = Fft::new(shape);
            let mut data = start.clone();
            plan.forward(&mut data);
            let norm: f64 = expected.iter().map(|v| v.norm_sqr()).sum();
            let error: f64 = data
                .iter()
                .zip(&expected)
                .map(|(a, b)| (Complex64::new(a.re.into(), a.im.into()) - b).norm_sqr())
                .sum();
            // A few roundings of 6e-8 per butterfly stage, some ten stages.
            assert!((error / norm).sqrt() < 1e-6, "{shape:?}: {}", (error / norm).sqrt());
            plan.inverse(&mut data);
            let back = data.iter().zip(&start).map(|(a, b)| (a - b).norm()).fold(0.0, f32::max);
            assert!(back < 2e-6, "{shape:?}: {back}");
        }
    }

    #[test]
    fn passes_come_to_the_points_in_the_order_of_columns() {
        for shape in [[1, 6, 40], [3, 5, 7], [4, 8, 16]] {
            let n: usize = shape.iter().product();
            let order = Fft::columns(shape);
            let mut other = vec![usize::MAX; n];
            (0..n).for_each(|i| other[order.place(i)] = i);
            let mut data: Vec<Complex32> = (0..n).map(|i| Complex32::new(i as f32, 0.0)).collect();
            let none = Transforms { before: false, after: false };
            Fft::new(shape).columns_pass(&mut data, &other, none, |columns| {
                for (row, others) in columns.rows() {
                    others.iter().enumerate().for_each(|(c, &i)| assert_eq!(row[c], i as f32));
                }
            });
        }
    }

    proptest::proptest! {
        #[test]
        fn parseval(nz in 1usize..6, ny in 1usize..40, nx in 1usize..40) {
            let shape = [nz, ny, nx];
            let start = noise(nz * ny * nx);
            let energy = |data: &[Complex32]| data.iter().map(|v| f64::from(v.norm_sqr())).sum::<f64>();
            let mut data = start.clone();
            Fft::new(shape).forward(&mut data);
            // A few roundings of 6e-8 a stage; sizes with large prime factors take more stages.
            proptest::prop_assert!((energy(&data) / energy(&start) - 1.0).abs() < 3e-6);
        }
    }

    #[test]
    fn the_same_bits_for_any_number_of_threads() {
        let shape = [6, 40, 36];
        let start = noise(shape.iter().product());
        let run = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let mut data = start.clone();
            pool.install(|| Fft::new(shape).forward(&mut data));
            data
        };
        assert_eq!(run(1), run(2));
        assert_eq!(run(1), run(3));
    }
}
