//! `S F^-1 G F S`: to the support, into the gap, and back.

use super::filter::{HIDDEN, step};
use crate::error::{Error, Result};
use crate::fft::{Fft, fft_friendly_from};
use crate::pixels::trimmed;
use crate::volume::{Centered, Cornered, Shape};
use ndarray::{Array2, ArrayView1, Axis};
use num_complex::Complex32;
use rayon::prelude::*;

/// The operator of a gap and a support, on the pixels of the support. Hermitian, its eigenvalues
/// from 0 to 1.
///
/// It is a convolution with the transform of the gap, so that a grid of twice the extent of the
/// support holds it: smaller transforms than those of the pattern where that is oversampled more
/// than twice.
pub struct Operator {
    shape: Shape,
    /// Pixels without a measurement, zero frequency at index 0.
    gap: Vec<bool>,
    /// Pixels of the support: numbers in arrays of the pattern's shape, centre at index `n / 2`.
    support: Vec<usize>,
    /// The same pixels in the grid.
    places: Vec<usize>,
    grid: Fft,
    /// Factors of the convolution in the order of [`Fft::columns`], the scale of both transforms in
    /// them.
    multiplier: Vec<f32>,
}

impl Operator {
    /// The operator of a gap, true where nothing was measured (zero frequency at `n / 2`), and a
    /// support.
    ///
    /// # Errors
    /// [`Error::Shape`] for a support of another shape, [`Error::Support`] for an empty one.
    pub fn new(support: &Centered<bool>, gap: &Centered<bool>) -> Result<Self> {
        let shape = gap.shape();
        if support.shape() != shape {
            return Err(Error::Shape {
                what: "the support".into(),
                found: trimmed(support.shape()),
                expected: trimmed(shape),
                remedy: "give a support of the prepared pattern".into(),
            });
        }
        let Some((low, extent)) = bounding_box(support) else {
            return Err(Error::Support("the support is empty: nothing can be hidden of it".into()));
        };
        let size: Shape = std::array::from_fn(|axis| match 2 * extent[axis] - 1 {
            needed if needed < shape[axis] => shape[axis].min(fft_friendly_from(needed)),
            _ => shape[axis],
        });
        let grid = Fft::new(size);
        let gap = gap.to_cornered();
        let multiplier = multiplier(&gap, extent, &grid);
        let inside = support.0.indexed_iter().filter(|(_, inside)| **inside).map(|(at, _)| <[usize; 3]>::from(at));
        let (support, places) = inside
            .map(|at| (number(at, shape), number(std::array::from_fn(|axis| at[axis] - low[axis]), size)))
            .unzip();
        Ok(Operator { shape, gap: gap.as_slice().to_vec(), support, places, grid, multiplier })
    }

    /// Number of pixels of the support.
    pub fn pixels(&self) -> usize {
        self.support.len()
    }

    /// Number of pixels without a measurement.
    pub fn unmeasured(&self) -> usize {
        self.gap.iter().filter(|&&gap| gap).count()
    }

    /// Sum of all eigenvalues.
    pub fn trace(&self) -> f64 {
        self.pixels() as f64 * self.unmeasured() as f64 / self.gap.len() as f64
    }

    /// An object's values at the pixels of the support.
    pub fn inside(&self, object: &Centered<Complex32>) -> Vec<Complex32> {
        self.support.iter().map(|&index| object.as_slice()[index]).collect()
    }

    /// An array of the pattern's shape from values at the pixels of the support, `outside` elsewhere.
    pub fn spread<T: Copy>(&self, values: &[T], outside: T) -> Centered<T> {
        let mut array = Centered::filled(self.shape, outside);
        let slice = array.0.as_slice_mut().expect("volumes are C-ordered");
        self.support.iter().zip(values).for_each(|(&index, &value)| slice[index] = value);
        array
    }

    /// Values at the pixels of the support, each replaced by the mean over the support around it with
    /// a Gaussian of a twelfth of the support's width.
    pub fn smoothed(&self, values: &[f32]) -> Vec<f32> {
        let size = self.grid.shape();
        // The grid is about twice as wide as the support.
        let sigma = size.map(|n| n as f64 / 24.0);
        let mut kernel: Vec<f32> = Vec::with_capacity(self.multiplier.len());
        let frequency = |i: usize, n: usize| i.min(n - i) as f64 / n as f64;
        for z in 0..size[0] {
            for y in 0..size[1] {
                for x in 0..size[2] {
                    let turns: f64 = [z, y, x]
                        .iter()
                        .enumerate()
                        .map(|(axis, &i)| (std::f64::consts::TAU * sigma[axis] * frequency(i, size[axis])).powi(2))
                        .sum();
                    kernel.push((-0.5 * turns).exp() as f32);
                }
            }
        }
        // Values and weights as real and imaginary part: one transform for both.
        let mut grid = vec![Complex32::ZERO; kernel.len()];
        self.places.iter().zip(values).for_each(|(&place, &value)| grid[place] = Complex32::new(value, 1.0));
        self.grid.forward(&mut grid);
        grid.iter_mut().zip(&kernel).for_each(|(value, factor)| *value *= factor);
        self.grid.inverse(&mut grid);
        self.places.iter().map(|&place| grid[place].re / grid[place].im.max(1e-6)).collect()
    }

    /// Applies the operator; `grid` is scratch.
    fn apply(&self, values: &[Complex32], grid: &mut Vec<Complex32>) -> Vec<Complex32> {
        grid.clear();
        grid.resize(self.multiplier.len(), Complex32::ZERO);
        self.places.iter().zip(values).for_each(|(&place, &value)| grid[place] = value);
        self.grid.convolve(grid, &self.multiplier);
        self.places.iter().map(|&place| grid[place]).collect()
    }

    /// Applies `sum c_k T_k(2 A - 1)` to values, with `c` the coefficients and `T_k` Chebyshev's
    /// polynomials.
    pub fn polynomial(&self, values: &[Complex32], coefficients: &[f64]) -> Vec<Complex32> {
        let mut grid = Vec::new();
        // 2 A - 1 times a vector.
        let mut twice = |of: &[Complex32]| -> Vec<Complex32> {
            let mut out = self.apply(of, &mut grid);
            out.iter_mut().zip(of).for_each(|(out, of)| *out = *out * 2.0 - of);
            out
        };
        let mut before = values.to_vec();
        let mut sum: Vec<Complex32> = before.iter().map(|value| value * coefficients[0] as f32).collect();
        let mut last = twice(&before);
        for &coefficient in &coefficients[1..] {
            sum.iter_mut().zip(&last).for_each(|(sum, value)| *sum += value * coefficient as f32);
            let mut next = twice(&last);
            next.iter_mut().zip(&before).for_each(|(next, before)| *next = *next * 2.0 - before);
            (before, last) = (last, next);
        }
        sum
    }

    /// The part of values that lies in hidden modes, almost: near their limit an eigenvalue counts
    /// partly.
    pub fn hidden(&self, values: &[Complex32]) -> Vec<Complex32> {
        self.polynomial(values, &step(HIDDEN))
    }

    /// [`Operator::polynomial`] of each row; `done` is told of each.
    pub fn polynomials(
        &self,
        rows: &Array2<Complex32>,
        coefficients: &[f64],
        done: &(dyn Fn() -> bool + Sync),
    ) -> Array2<Complex32> {
        let mut out = Array2::zeros(rows.dim());
        out.axis_iter_mut(Axis(0)).into_par_iter().zip(rows.axis_iter(Axis(0))).for_each(|(mut out, row)| {
            if done() {
                let values = self.polynomial(slice(&row), coefficients);
                out.iter_mut().zip(values).for_each(|(out, value)| *out = value);
            }
        });
        out
    }

    /// Fraction of the energy of an object, given at the pixels of the support, that was measured: one
    /// minus the eigenvalue of a mode, exact to many digits where that is almost 1.
    pub fn measured(&self, values: &[Complex32]) -> f64 {
        let mut array = self.spread(values, Complex32::ZERO).to_cornered();
        Fft::new(self.shape).forward(array.0.as_slice_mut().expect("volumes are C-ordered"));
        let energy = |value: &Complex32| f64::from(value.re).powi(2) + f64::from(value.im).powi(2);
        let all: f64 = array.as_slice().iter().map(energy).sum();
        let measured: f64 =
            array.as_slice().iter().zip(&self.gap).filter(|(_, gap)| !**gap).map(|(value, _)| energy(value)).sum();
        if all > 0.0 { measured / all } else { 0.0 }
    }
}

/// The values of a row.
pub fn slice<'a>(row: &'a ArrayView1<Complex32>) -> &'a [Complex32] {
    row.as_slice().expect("rows lie together")
}

/// First index and extent of the part that is true.
fn bounding_box(support: &Centered<bool>) -> Option<([usize; 3], Shape)> {
    let (mut low, mut high) = ([usize::MAX; 3], [0; 3]);
    for (at, _) in support.0.indexed_iter().filter(|(_, inside)| **inside) {
        let at: [usize; 3] = at.into();
        for axis in 0..3 {
            (low[axis], high[axis]) = (low[axis].min(at[axis]), high[axis].max(at[axis] + 1));
        }
    }
    (high[0] > 0).then(|| (low, std::array::from_fn(|axis| high[axis] - low[axis])))
}

fn number(at: [usize; 3], shape: Shape) -> usize {
    (at[0] * shape[1] + at[1]) * shape[2] + at[2]
}

/// The transform, on the grid, of the convolution's kernel: that of the gap as far as two pixels of
/// the support lie apart. Real, because the kernel is Hermitian.
fn multiplier(gap: &Cornered<bool>, extent: Shape, grid: &Fft) -> Vec<f32> {
    let (shape, size) = (gap.shape(), grid.shape());
    let mut kernel: Vec<Complex32> =
        gap.as_slice().iter().map(|&gap| Complex32::from(f32::from(u8::from(gap)))).collect();
    let whole = Fft::new(shape);
    whole.inverse(&mut kernel);
    let count: usize = size.iter().product();
    let scale = whole.scale() / grid.scale();
    let mut small = vec![Complex32::ZERO; count];
    let reach = |axis: usize| -> Vec<isize> {
        let reach = extent[axis] as isize - 1;
        // A whole axis is circular in the pattern too.
        if size[axis] == shape[axis] { (0..shape[axis] as isize).collect() } else { (-reach..=reach).collect() }
    };
    let wrapped = |at: [isize; 3], shape: Shape| {
        number(std::array::from_fn(|axis| at[axis].rem_euclid(shape[axis] as isize) as usize), shape)
    };
    for z in reach(0) {
        for y in reach(1) {
            for x in reach(2) {
                small[wrapped([z, y, x], size)] = kernel[wrapped([z, y, x], shape)];
            }
        }
    }
    grid.forward(&mut small);
    grid.factors(small.iter().map(|value| value.re * scale))
}
