//! Group normalisation and the activation after it, in two passes over channels-last images,
//! forward and backward.
//!
//! Images are cut into parts of a fixed number of points; their sums are added in order, in f64.

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::activation::{Activation, Function, Gelu, Identity, Relu, Silu};
use super::isa::Isa;

/// Values in one part, about.
const PART: usize = 1 << 14;
/// Channels are repeated to at least this many values, so that the loops over them are long enough.
const PERIOD: usize = 256;
/// Sums that fit in registers, beside as many sums of squares.
const FEW: usize = 32;

/// Group normalisation with an activation, for images of `points` times `channels` values.
#[derive(Debug, Clone, Copy)]
pub struct GroupNorm {
    /// Vector instructions to run with.
    pub isa: Isa,
    /// Number of points of an image.
    pub points: usize,
    /// Number of channels of a point.
    pub channels: usize,
    /// Number of groups of channels that share mean and variance.
    pub groups: usize,
    /// Added to the variance.
    pub epsilon: f32,
    /// Activation after the normalisation.
    pub activation: Activation,
}

/// Mean and inverse standard deviation of each group of each image.
#[derive(Debug, Clone, Default)]
pub struct Moments(Vec<[f32; 2]>);

impl GroupNorm {
    /// Computes `activation(scale (x - mean) / sqrt(variance + epsilon) + shift)`, and the moments
    /// for the backward pass.
    ///
    /// # Panics
    /// If lengths disagree.
    pub fn forward(&self, x: &[f32], scale: &[f32], shift: &[f32]) -> (Vec<f32>, Moments) {
        let image_len = self.image_len(x.len());
        let part = self.part();
        let mut y = vec![0.0; x.len()];
        // Image by image, while its values are in the cache.
        let images = y.par_chunks_mut(image_len).zip(x.par_chunks(image_len));
        let moments: Vec<Vec<[f32; 2]>> = images
            .map(|(y, x)| {
                let moments = self.moments(x);
                let affine = self.affine(&moments, scale, shift);
                y.par_chunks_mut(part).zip(x.par_chunks(part)).for_each(|(y, x)| {
                    self.isa.run(Apply { activation: self.activation, x: Some(x), affine: &affine, y });
                });
                moments
            })
            .collect();
        (y, Moments(moments.concat()))
    }

    /// Computes the same in place of `x`, where there is no backward pass.
    ///
    /// # Panics
    /// If lengths disagree.
    pub fn forward_in_place(&self, x: &mut [f32], scale: &[f32], shift: &[f32]) {
        let image_len = self.image_len(x.len());
        let part = self.part();
        x.par_chunks_mut(image_len).for_each(|x| {
            let affine = self.affine(&self.moments(x), scale, shift);
            x.par_chunks_mut(part).for_each(|y| {
                self.isa.run(Apply { activation: self.activation, x: None, affine: &affine, y });
            });
        });
    }

    /// Mean and inverse standard deviation of the groups of an image.
    fn moments(&self, image: &[f32]) -> Vec<[f32; 2]> {
        let squares = |part| self.isa.run(Squares { x: part, channels: self.channels });
        let parts: Vec<_> = image.par_chunks(self.part()).map(squares).collect();
        let per_group = self.channels / self.groups;
        let count = (self.points * per_group) as f64;
        let moments = |group: &[[f64; 2]]| {
            let [sum, squares] = group.iter().fold([0.0; 2], |[a, b], [sum, squares]| [a + sum, b + squares]);
            let mean = sum / count;
            let variance = (squares / count - mean * mean).max(0.0);
            [mean as f32, (1.0 / (variance + f64::from(self.epsilon)).sqrt()) as f32]
        };
        add_in_order(&parts, self.channels).chunks_exact(per_group).map(moments).collect()
    }

    fn image_len(&self, values: usize) -> usize {
        let image_len = self.points * self.channels;
        assert_eq!(values % image_len, 0, "not a whole number of images");
        image_len
    }

    /// Gradients with respect to `x`, `scale` and `shift`.
    ///
    /// # Panics
    /// If lengths disagree.
    pub fn backward(
        &self,
        x: &[f32],
        scale: &[f32],
        shift: &[f32],
        Moments(moments): &Moments,
        gradient: &[f32],
    ) -> [Vec<f32>; 3] {
        let (image_len, part) = (self.points * self.channels, self.part());
        let per_group = self.channels / self.groups;
        let count = (self.points * per_group) as f64;
        let mut dx = vec![0.0; x.len()];
        let images = dx.par_chunks_mut(image_len).zip(x.par_chunks(image_len).zip(gradient.par_chunks(image_len)));
        let totals = images.zip(moments.par_chunks(self.groups)).map(|((dx, (x, gradient)), moments)| {
            let affine = self.affine(moments, scale, shift);
            let mut totals = vec![[0.0_f64; 2]; self.channels];
            // First the gradient before the activation, with its sums and its products with x.
            let parts: Vec<Vec<[f32; 2]>> = dx
                .par_chunks_mut(part)
                .zip(x.par_chunks(part).zip(gradient.par_chunks(part)))
                .map(|(dz, (x, gradient))| {
                    let channels = self.channels;
                    self.isa.run(Derive { activation: self.activation, x, gradient, affine: &affine, dz, channels })
                })
                .collect();
            let sums = add_in_order(&parts, self.channels);
            let mut coefficients = Vec::with_capacity(self.channels);
            for (g, group) in sums.chunks_exact(per_group).enumerate() {
                let [mean, inverse] = moments[g].map(f64::from);
                let mut mean_dz = 0.0;
                let mut mean_product = 0.0;
                for (c, [sum, product]) in (g * per_group..).zip(group) {
                    let normalised = (product - mean * sum) * inverse;
                    totals[c] = [normalised, *sum];
                    mean_dz += f64::from(scale[c]) * sum / count;
                    mean_product += f64::from(scale[c]) * normalised / count;
                }
                let slope = -inverse * inverse * mean_product;
                let offset = -inverse * mean_dz - slope * mean;
                let factors = affine[g * per_group..].iter().take(per_group);
                coefficients.extend(factors.map(|[factor, _]| [*factor, slope as f32, offset as f32]));
            }
            let coefficients = repeat(&coefficients);
            dx.par_chunks_mut(part).zip(x.par_chunks(part)).for_each(|(dx, x)| {
                self.isa.run(Finish { x, coefficients: &coefficients, dx });
            });
            totals
        });
        let totals: Vec<Vec<[f64; 2]>> = totals.collect();
        let total = |which: usize| {
            let sum = |c: usize| totals.iter().map(|image| image[c][which]).sum::<f64>() as f32;
            (0..self.channels).map(sum).collect()
        };
        let [scale, shift] = [total(0), total(1)];
        [dx, scale, shift]
    }

    fn part(&self) -> usize {
        PART.div_ceil(self.channels) * self.channels
    }

    /// Factor and offset that normalise, scale and shift each channel, repeated.
    fn affine(&self, moments: &[[f32; 2]], scale: &[f32], shift: &[f32]) -> Vec<[f32; 2]> {
        let per_group = self.channels / self.groups;
        let affine: Vec<_> = (0..self.channels)
            .map(|c| {
                let [mean, inverse] = moments[c / per_group];
                [scale[c] * inverse, shift[c] - mean * scale[c] * inverse]
            })
            .collect();
        repeat(&affine)
    }
}

fn repeat<T: Copy>(per_channel: &[T]) -> Vec<T> {
    per_channel.repeat(PERIOD.div_ceil(per_channel.len()))
}

fn add_in_order(parts: &[Vec<[f32; 2]>], channels: usize) -> Vec<[f64; 2]> {
    let mut total = vec![[0.0; 2]; channels];
    for part in parts {
        for (i, sums) in part.iter().enumerate() {
            total[i % channels][0] += f64::from(sums[0]);
            total[i % channels][1] += f64::from(sums[1]);
        }
    }
    total
}

/// Whether products and sums can be fused: with instructions that are wider than the least of x86.
fn fused<S: Simd>() -> bool {
    S::F32_LANES >= 8
}

struct Squares<'a> {
    x: &'a [f32],
    channels: usize,
}

impl WithSimd for Squares<'_> {
    type Output = Vec<[f32; 2]>;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> Vec<[f32; 2]> {
        if FEW.is_multiple_of(self.channels) {
            // So few channels that their sums stay in registers.
            let (mut sums, mut squares) = ([0.0_f32; FEW], [0.0_f32; FEW]);
            let (whole, rest) = self.x.as_chunks::<FEW>();
            for x in whole {
                for i in 0..FEW {
                    sums[i] += x[i];
                    squares[i] += x[i] * x[i];
                }
            }
            for (i, x) in rest.iter().enumerate() {
                sums[i] += x;
                squares[i] += x * x;
            }
            return sums.into_iter().zip(squares).map(|(a, b)| [a, b]).collect();
        }
        let period = self.channels * PERIOD.div_ceil(self.channels);
        let (mut sums, mut squares) = (vec![0.0; period], vec![0.0; period]);
        for x in self.x.chunks(period) {
            for ((x, sum), square) in x.iter().zip(&mut sums).zip(&mut squares) {
                *sum += x;
                *square += x * x;
            }
        }
        sums.into_iter().zip(squares).map(|(a, b)| [a, b]).collect()
    }
}

struct Apply<'a> {
    activation: Activation,
    /// Values to normalise, if not those in `y`.
    x: Option<&'a [f32]>,
    affine: &'a [[f32; 2]],
    y: &'a mut [f32],
}

impl WithSimd for Apply<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        match (self.activation, fused::<S>()) {
            (Activation::Identity, _) => self.with(Identity),
            (Activation::Relu, _) => self.with(Relu),
            (Activation::Silu, true) => self.with(Silu::<true>),
            (Activation::Silu, false) => self.with(Silu::<false>),
            (Activation::Gelu, true) => self.with(Gelu::<true>),
            (Activation::Gelu, false) => self.with(Gelu::<false>),
        }
    }
}

impl Apply<'_> {
    #[inline(always)]
    fn with(self, function: impl Function) {
        let (factor, offset): (Vec<f32>, Vec<f32>) = self.affine.iter().map(|a| (a[0], a[1])).unzip();
        let Some(x) = self.x else {
            for y in self.y.chunks_mut(factor.len()) {
                for ((y, factor), offset) in y.iter_mut().zip(&factor).zip(&offset) {
                    *y = function.value(*y * factor + offset);
                }
            }
            return;
        };
        for (x, y) in x.chunks(factor.len()).zip(self.y.chunks_mut(factor.len())) {
            for (((x, y), factor), offset) in x.iter().zip(y).zip(&factor).zip(&offset) {
                *y = function.value(x * factor + offset);
            }
        }
    }
}

struct Derive<'a> {
    activation: Activation,
    x: &'a [f32],
    gradient: &'a [f32],
    affine: &'a [[f32; 2]],
    dz: &'a mut [f32],
    channels: usize,
}

impl WithSimd for Derive<'_> {
    type Output = Vec<[f32; 2]>;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> Vec<[f32; 2]> {
        match (self.activation, fused::<S>()) {
            (Activation::Identity, _) => self.with(Identity),
            (Activation::Relu, _) => self.with(Relu),
            (Activation::Silu, true) => self.with(Silu::<true>),
            (Activation::Silu, false) => self.with(Silu::<false>),
            (Activation::Gelu, true) => self.with(Gelu::<true>),
            (Activation::Gelu, false) => self.with(Gelu::<false>),
        }
    }
}

impl Derive<'_> {
    #[inline(always)]
    fn with(self, function: impl Function) -> Vec<[f32; 2]> {
        let (factor, offset): (Vec<f32>, Vec<f32>) = self.affine.iter().map(|a| (a[0], a[1])).unzip();
        let period = factor.len();
        debug_assert_eq!(period % self.channels, 0, "coefficients repeat the channels");
        let (mut sums, mut products) = (vec![0.0; period], vec![0.0; period]);
        let gradients = self.gradient.chunks(period);
        for ((x, gradient), dz) in self.x.chunks(period).zip(gradients).zip(self.dz.chunks_mut(period)) {
            let coefficients = factor.iter().zip(&offset);
            let totals = sums.iter_mut().zip(&mut products);
            for ((((x, gradient), dz), (factor, offset)), (sum, product)) in
                x.iter().zip(gradient).zip(dz).zip(coefficients).zip(totals)
            {
                *dz = gradient * function.derivative(x * factor + offset);
                *sum += *dz;
                *product += *dz * x;
            }
        }
        sums.into_iter().zip(products).map(|(a, b)| [a, b]).collect()
    }
}

struct Finish<'a> {
    x: &'a [f32],
    coefficients: &'a [[f32; 3]],
    dx: &'a mut [f32],
}

impl WithSimd for Finish<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let column = |i: usize| self.coefficients.iter().map(|c| c[i]).collect::<Vec<f32>>();
        let (factor, slope, offset) = (column(0), column(1), column(2));
        for (x, dx) in self.x.chunks(factor.len()).zip(self.dx.chunks_mut(factor.len())) {
            for ((((x, dx), factor), slope), offset) in x.iter().zip(dx).zip(&factor).zip(&slope).zip(&offset) {
                *dx = *dx * factor + x * slope + offset;
            }
        }
    }
}
