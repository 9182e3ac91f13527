//! Unitary transforms of 2D and 3D arrays on the CPU, over [`rustfft`] and rayon.
//!
//! **Normalisation:** both directions divide by `sqrt(n)`, so the squared norm (photons) is the same on either side.
//! **Order:** C-ordered `(z, y, x)` slices with zero frequency at index 0 ([`crate::volume::Cornered`]).
//!
//! Strided axes are the whole cost of a library transform: a line along y or z touches one cache line per element.
//! Here sixteen neighbouring lines are gathered at once, so every cache line is used whole, transformed in a buffer that
//! stays in cache, and scattered back. In 3D, x and y are done slab by slab while the slab is in cache.

use crate::volume::Shape;
use ndarray::{ArrayView2, ArrayViewMut2, Axis};
use num_complex::Complex32;
use rayon::prelude::*;
use rustfft::{FftDirection, FftPlanner};
use std::sync::Arc;

/// Lines along a strided axis that are transformed together: 16 complex numbers are two cache lines.
const COLUMNS: usize = 16;

/// Rows that are transposed at once: a cache line of each column.
const TILE: usize = 8;

/// Unused elements between gathered columns. Columns of a power of two would all fall into the same cache set and evict each other.
const PADDING: usize = 8;

/// Lines along the last axis that one task transforms in the 2D case.
const ROWS: usize = 16;

/// The plan of a forward and an inverse transform of one shape. Results do not depend on the number of threads.
pub struct Fft {
    shape: Shape,
    forward: Lines,
    inverse: Lines,
}

/// One direction: a line plan for each axis.
struct Lines {
    axes: [Arc<dyn rustfft::Fft<f32>>; 3],
    scratch: usize,
}

impl Lines {
    fn new(shape: Shape, direction: FftDirection) -> Self {
        let mut planner = FftPlanner::new();
        let axes = shape.map(|n| planner.plan_fft(n, direction));
        let scratch = axes.iter().map(|plan| plan.get_inplace_scratch_len()).max().unwrap_or(0);
        Lines { axes, scratch }
    }

    /// Two buffers for one task: gathered columns, and scratch of the line transform.
    fn buffers(&self) -> (Vec<Complex32>, Vec<Complex32>) {
        let longest = self.axes[0].len().max(self.axes[1].len());
        (vec![Complex32::ZERO; COLUMNS * (longest + PADDING)], vec![Complex32::ZERO; self.scratch])
    }
}

impl Fft {
    /// Plans transforms of arrays of this shape. Fast where the extents have no prime factor above 13.
    pub fn new(shape: Shape) -> Self {
        Fft {
            shape,
            forward: Lines::new(shape, FftDirection::Forward),
            inverse: Lines::new(shape, FftDirection::Inverse),
        }
    }

    /// The extents of the arrays.
    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// In place, object to Fourier space: `F(k) = sum O(r) exp(-2 pi i k r / n) / sqrt(n)`.
    ///
    /// # Panics
    /// If the length of `data` is not the product of the extents.
    pub fn forward(&self, data: &mut [Complex32]) {
        self.planes(data, &self.forward, self.scale());
        self.across(data, &self.forward);
    }

    /// In place, Fourier to object space.
    ///
    /// # Panics
    /// If the length of `data` is not the product of the extents.
    pub fn inverse(&self, data: &mut [Complex32]) {
        self.across(data, &self.inverse);
        self.planes(data, &self.inverse, self.scale());
    }

    fn scale(&self) -> f32 {
        (1.0 / (self.shape.iter().product::<usize>() as f64).sqrt()) as f32
    }

    /// Axes x and y, and the scaling.
    fn planes(&self, data: &mut [Complex32], lines: &Lines, scale: f32) {
        let [nz, ny, nx] = self.shape;
        assert_eq!(data.len(), nz * ny * nx, "the array has the plan's shape");
        if nz > 1 {
            data.par_chunks_mut(ny * nx).for_each_init(
                || lines.buffers(),
                |(columns, scratch), slab| {
                    rows(slab, lines, scratch, scale);
                    let mut slab = ArrayViewMut2::from_shape((ny, nx), slab).expect("a slab");
                    for block in slab.axis_chunks_iter_mut(Axis(1), COLUMNS) {
                        column_block(block, &*lines.axes[1], columns, scratch);
                    }
                },
            );
            return;
        }
        data.par_chunks_mut(ROWS * nx)
            .for_each_init(|| lines.buffers(), |(_, scratch), chunk| rows(chunk, lines, scratch, scale));
        let mut plane = ArrayViewMut2::from_shape((ny, nx), data).expect("a plane");
        plane.axis_chunks_iter_mut(Axis(1), COLUMNS).into_par_iter().for_each_init(
            || lines.buffers(),
            |(columns, scratch), block| column_block(block, &*lines.axes[1], columns, scratch),
        );
    }

    /// Axis z.
    fn across(&self, data: &mut [Complex32], lines: &Lines) {
        let [nz, ny, nx] = self.shape;
        if nz == 1 {
            return;
        }
        let mut all = ArrayViewMut2::from_shape((nz, ny * nx), data).expect("the whole array");
        all.axis_chunks_iter_mut(Axis(1), COLUMNS).into_par_iter().for_each_init(
            || lines.buffers(),
            |(columns, scratch), block| column_block(block, &*lines.axes[0], columns, scratch),
        );
    }
}

/// Transforms contiguous lines, then scales them while they are in cache.
fn rows(chunk: &mut [Complex32], lines: &Lines, scratch: &mut [Complex32], scale: f32) {
    lines.axes[2].process_with_scratch(chunk, scratch);
    for value in chunk {
        *value *= scale;
    }
}

/// Transforms up to [`COLUMNS`] neighbouring columns.
fn column_block(
    mut block: ArrayViewMut2<Complex32>,
    plan: &dyn rustfft::Fft<f32>,
    columns: &mut [Complex32],
    scratch: &mut [Complex32],
) {
    let n = plan.len();
    let stride = n + PADDING;
    let width = block.ncols();
    for (at, tile) in block.axis_chunks_iter(Axis(0), TILE).enumerate() {
        gather(tile, &mut columns[at * TILE..], stride);
    }
    for column in columns.chunks_mut(stride).take(width) {
        plan.process_with_scratch(&mut column[..n], scratch);
    }
    for (at, tile) in block.axis_chunks_iter_mut(Axis(0), TILE).enumerate() {
        scatter(&columns[at * TILE..], stride, tile);
    }
}

/// Transposes a tile of rows into columns `stride` apart. Whole tiles go through an array of fixed size, which the compiler
/// turns into straight moves.
fn gather(tile: ArrayView2<Complex32>, columns: &mut [Complex32], stride: usize) {
    if tile.dim() != (TILE, COLUMNS) {
        for ((i, j), value) in tile.indexed_iter() {
            columns[j * stride + i] = *value;
        }
        return;
    }
    let mut square = [[Complex32::ZERO; COLUMNS]; TILE];
    for (copy, row) in square.iter_mut().zip(tile.rows()) {
        if let Some(row) = row.to_slice() {
            copy.copy_from_slice(row);
        }
    }
    for (j, column) in columns.chunks_mut(stride).take(COLUMNS).enumerate() {
        for (value, row) in column[..TILE].iter_mut().zip(&square) {
            *value = row[j];
        }
    }
}

/// The inverse of [`gather`].
fn scatter(columns: &[Complex32], stride: usize, mut tile: ArrayViewMut2<Complex32>) {
    if tile.dim() != (TILE, COLUMNS) {
        for ((i, j), value) in tile.indexed_iter_mut() {
            *value = columns[j * stride + i];
        }
        return;
    }
    let mut square = [[Complex32::ZERO; COLUMNS]; TILE];
    for (j, column) in columns.chunks(stride).take(COLUMNS).enumerate() {
        for (value, row) in column[..TILE].iter().zip(&mut square) {
            row[j] = *value;
        }
    }
    for (copy, mut row) in square.iter().zip(tile.rows_mut()) {
        if let Some(row) = row.as_slice_mut() {
            row.copy_from_slice(copy);
        }
    }
}

/// The largest even number up to `n` without a prime factor above 13, which are the sizes that every FFT library
/// transforms fast; 1 for 1, the thin axis of a 2D pattern.
pub fn fft_friendly(n: usize) -> usize {
    (1..=n).rev().find(|&m| m == 1 || (m % 2 == 0 && is_smooth(m))).unwrap_or(0)
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
