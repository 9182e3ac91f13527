//! One step of training: a batch is cut into shards that are computed side by side, each forward
//! and back on a core of its own.

use super::recipe::{LossRecipe, TrainingRecipe};
use super::samples::Sample;
use crate::inpaint::model::LOG_SPREAD;
use crate::inpaint::unet::Unet;
use crate::network::is_processor;
use burn::grad_clipping::GradientClippingConfig;
use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::optim::{AdamWConfig, GradientsAccumulator, GradientsParams, ModuleOptimizer};
use burn::tensor::{Device, Tensor, TensorData};
use rayon::prelude::*;

/// A network in training: weights, optimiser and the running average of the weights.
pub struct Learner<const D: usize> {
    /// Network whose weights are trained.
    pub net: Unet<D>,
    /// AdamW optimiser with its state.
    pub optimizer: ModuleOptimizer,
    /// Running average of the weights, which the trained network has; in the order in which the
    /// module names them.
    pub average: Vec<f32>,
    device: Device,
}

/// Mean loss and errors over all target pixels of a batch or of the validation samples.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Score {
    /// Loss per target pixel.
    pub loss: f64,
    /// Mean absolute error of `ln(1 + I)`.
    pub error: f64,
    /// Mean absolute error of `ln(1 + I)` of the straight-line fill that the network starts from.
    pub filled: f64,
    /// Fraction of the pixels whose error is within the spread times `ln 10`: 0.9 if the spread is
    /// right.
    pub covered: f64,
}

impl<const D: usize> Learner<D> {
    /// Creates a learner with random weights, the same on every device.
    pub fn new(recipe: &TrainingRecipe, device: &Device) -> Self {
        Self::continued(Unet::new(&recipe.network, recipe.seed, device), recipe, device)
    }

    /// Creates a learner that continues from given weights.
    pub fn continued(net: Unet<D>, recipe: &TrainingRecipe, device: &Device) -> Self {
        let device = device.clone().autodiff();
        Self::with(net.fork(&device).train(), recipe, device)
    }

    fn with(net: Unet<D>, recipe: &TrainingRecipe, device: Device) -> Self {
        let optimizer = AdamWConfig::new()
            .with_epsilon(1e-8)
            .with_weight_decay(recipe.optimizer.weight_decay)
            .with_grad_clipping(Some(GradientClippingConfig::Norm(recipe.optimizer.clip)))
            .init();
        let average = values(&net);
        Self { net, optimizer, average, device }
    }

    /// Makes step `step`, counted from 0, on a batch. Returns the loss.
    pub fn step(&mut self, batch: &[Sample], recipe: &TrainingRecipe, step: u64) -> f64 {
        let pixels: f32 = batch.iter().map(Sample::count).sum::<f32>().max(1.0);
        // A card computes the whole batch at once.
        let count = if is_processor(&self.device) { recipe.shards } else { 1 };
        let shards: Vec<(f64, GradientsParams)> = batch
            .par_chunks(batch.len().div_ceil(count).max(1))
            .with_max_len(1)
            .map(|shard| {
                // A graph of its own, which no other shard's backward pass waits for.
                let net = self.net.clone().fork(&self.device);
                let loss = loss(&net, shard, &recipe.loss, &self.device) / pixels;
                let value = f64::from(loss.clone().into_scalar::<f32>());
                (value, GradientsParams::from_grads(loss.backward(), &net))
            })
            .collect();
        let mut sum = GradientsAccumulator::new();
        let mut total = 0.0;
        for (value, gradients) in shards {
            total += value;
            sum.accumulate(&self.net, gradients);
        }
        self.net = self.optimizer.step(recipe.rate(step), self.net.clone(), sum.grads());
        // In the first steps the average is short, or it would remember the random start.
        let keep = recipe.optimizer.average.min((step as f64 + 1.0) / (step as f64 + 10.0)) as f32;
        for (average, value) in self.average.iter_mut().zip(values(&self.net)) {
            *average = keep * *average + (1.0 - keep) * value;
        }
        total
    }

    /// Returns the network with the averaged weights, ready for use.
    pub fn averaged(&self) -> Unet<D> {
        with_values(self.net.valid(), &self.average)
    }
}

/// Scores a network on samples, `batch` of them at a time.
pub fn score<const D: usize>(net: &Unet<D>, samples: &[Sample], recipe: &LossRecipe, batch: usize) -> Score {
    let device = net.device();
    let batches: Vec<(f64, [f64; 4])> = samples
        .par_chunks(batch.max(1))
        .map(|samples| {
            let out = net.forward(inputs::<D>(samples, &device));
            let sum = f64::from(loss_of(out.clone(), samples, recipe, &device).into_scalar::<f32>());
            let out = out.into_data().try_to_vec::<f32>().expect("outputs are floats");
            let mut sums = [0.0; 4];
            for (sample, out) in samples.iter().zip(out.chunks_exact(out.len() / samples.len())) {
                let (mean, log_spread) = out.split_at(out.len() / 2);
                let scale = sample.patch.spread;
                for (i, &filled) in
                    sample.patch.filled().iter().enumerate().filter(|(i, _)| sample.target_mask[*i] > 0.0)
                {
                    let error = (filled + mean[i] - sample.target[i]).abs();
                    let spread = log_spread[i].clamp(LOG_SPREAD[0], LOG_SPREAD[1]).exp();
                    sums[0] += 1.0;
                    sums[1] += f64::from(scale * error);
                    sums[2] += f64::from(scale * (filled - sample.target[i]).abs());
                    sums[3] += f64::from(u8::from(error <= std::f32::consts::LN_10 * spread));
                }
            }
            (sum, sums)
        })
        .collect();
    let mut totals = [0.0; 5];
    for (loss, sums) in batches {
        totals[4] += loss;
        totals.iter_mut().zip(sums).for_each(|(total, sum)| *total += sum);
    }
    let [count, error, filled, covered, loss] = totals;
    let count = count.max(1.0);
    Score { loss: loss / count, error: error / count, filled: filled / count, covered: covered / count }
}

/// Inputs of the network, `[sample, channel, (planes,) rows, columns]`.
fn inputs<const D: usize>(samples: &[Sample], device: &Device) -> Tensor<D> {
    let values = samples.iter().flat_map(|sample| sample.patch.inputs.iter().copied()).collect();
    tensor(values, samples, samples.first().map_or(0, |sample| sample.patch.channels), device)
}

/// Values as a tensor `[sample, channels, (planes,) rows, columns]`.
fn tensor<const D: usize>(values: Vec<f32>, samples: &[Sample], channels: usize, device: &Device) -> Tensor<D> {
    let pixels = samples.first().map_or(0, |sample| sample.patch.len());
    let size = (pixels as f64).powf(1.0 / (D as f64 - 2.0)).round() as usize;
    let mut shape = [size; D];
    [shape[0], shape[1]] = [samples.len(), channels];
    Tensor::from_data(TensorData::new(values, shape), device)
}

/// Sum of the loss over the target pixels.
fn loss<const D: usize>(net: &Unet<D>, samples: &[Sample], recipe: &LossRecipe, device: &Device) -> Tensor<1> {
    loss_of(net.forward(inputs::<D>(samples, device)), samples, recipe, device)
}

/// Absolute errors of values and of differences between neighbours, in `ln(1 + I)` and relative to
/// the errors of straight lines in the patch, plus the negative log-likelihood of a Laplace
/// distribution.
///
/// The likelihood trains the spread alone: divided by it, the errors of the few easy pixels would
/// outweigh all others.
fn loss_of<const D: usize>(out: Tensor<D>, samples: &[Sample], recipe: &LossRecipe, device: &Device) -> Tensor<1> {
    let field = |of: &dyn Fn(&Sample, &mut Vec<f32>)| -> Tensor<D> {
        let mut values = Vec::new();
        samples.iter().for_each(|sample| of(sample, &mut values));
        tensor(values, samples, 1, device)
    };
    let target_mask = field(&|sample, values| values.extend(&sample.target_mask));
    let scale = field(&|sample, values| {
        let factor = sample.patch.spread * weight(sample);
        values.extend(sample.target_mask.iter().map(|mask| mask * factor));
    });
    // What must be added to the filled pattern, zero outside the target pixels.
    let difference = field(&|sample, values| {
        let pixels = sample.target.iter().zip(sample.patch.filled()).zip(&sample.target_mask);
        let factor = sample.patch.spread * weight(sample);
        values.extend(pixels.map(|((target, filled), mask)| (target - filled) * mask * factor));
    });
    let error = out.clone().narrow(1, 0, 1) * scale.clone() - difference;
    let absolute = error.clone().abs();
    let mut total = absolute.clone().sum();
    if recipe.gradient > 0.0 {
        for axis in 2..D {
            let n = error.dims()[axis];
            let step = error.clone().narrow(axis, 1, n - 1) - error.clone().narrow(axis, 0, n - 1);
            total = total + step.abs().sum() * recipe.gradient;
        }
    }
    // Relative to the patch, as the spread is.
    let relative = absolute.detach() / scale.clamp_min(f32::MIN_POSITIVE);
    let log_spread = out.narrow(1, 1, 1).clamp(LOG_SPREAD[0], LOG_SPREAD[1]);
    let likelihood = (relative * log_spread.clone().neg().exp() + log_spread) * target_mask;
    total + likelihood.sum() * recipe.likelihood
}

/// Inverse of the mean error that straight lines would make in a patch, so that smooth patches
/// count as much as others: otherwise the network would not learn to leave them alone. A small
/// error is added so that the weight is finite.
fn weight(sample: &Sample) -> f32 {
    const SMALL: f32 = 0.05;
    let pixels = sample.target.iter().zip(sample.patch.filled()).zip(&sample.target_mask);
    let sum: f32 = pixels.map(|((target, filled), mask)| mask * (target - filled).abs()).sum();
    (sample.patch.spread * sum / sample.count().max(1.0) + SMALL).recip()
}

/// All weights, one after the other.
pub fn values<M: Module>(net: &M) -> Vec<f32> {
    struct Collect(Vec<Tensor<1>>);
    impl ModuleVisitor for Collect {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            self.0.push(param.val().inner().reshape([-1]));
        }
    }
    let mut collect = Collect(Vec::new());
    net.visit(&mut collect);
    if collect.0.is_empty() {
        return Vec::new();
    }
    // Brought from a card in one piece: each transfer makes it wait.
    Tensor::cat(collect.0, 0).into_data().try_to_vec::<f32>().expect("weights are floats")
}

/// The network with its weights replaced.
///
/// # Panics
/// If the number of values is not that of the weights.
pub fn with_values<M: Module>(net: M, values: &[f32]) -> M {
    struct Replace<'a>(&'a [f32]);
    impl ModuleMapper for Replace<'_> {
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            param.map(|old| {
                let shape = old.dims();
                let (values, rest) = self.0.split_at(shape.iter().product());
                self.0 = rest;
                Tensor::from_data(TensorData::new(values.to_vec(), shape), &old.device())
            })
        }
    }
    let mut replace = Replace(values);
    let net = net.map(&mut replace);
    assert!(replace.0.is_empty(), "more weights than the network has");
    net
}
