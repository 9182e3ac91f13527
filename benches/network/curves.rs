//! Whether a network learns with our layers as it does with burn's: the same training with both,
//! from two random starts.

use crate::unets::{Layers, Unet2d};
use burn::module::{Module, ModuleMapper, Param};
use burn::optim::{AdamWConfig, GradientsParams};
use burn::tensor::{Device, Tensor, TensorData};
use rand::{Rng as _, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::json;

/// Patches of a step: enough to learn, few enough that burn's layers finish.
const BATCH: usize = 4;
/// Pixels along an axis.
const SIZE: usize = 32;
/// Parts of the training whose mean losses are compared.
const WINDOWS: usize = 10;

/// Trains the 2D network for `steps` steps, with our layers and with burn's, from two random starts
/// each, on the same patches: waves with noise behind a gap. Prints mean losses of tenths of the
/// training, and how far they lie apart.
pub fn compare(channels: [usize; 3], steps: usize, as_json: bool) {
    let train = |seed: u64, layers: Layers| -> Vec<f64> {
        let device = Device::flex().autodiff();
        let mut net = Unet2d::new(channels, &device).map(&mut SeededWeights(ChaCha8Rng::seed_from_u64(seed)));
        let mut optimizer = AdamWConfig::new().with_epsilon(1e-8).with_weight_decay(1e-4).init();
        let mut data = ChaCha8Rng::seed_from_u64(0);
        let mut losses = [0.0; WINDOWS];
        for step in 0..steps {
            let [x, target] = batch(&mut data)
                .map(|values| Tensor::from_data(TensorData::new(values, [BATCH, 1, SIZE, SIZE]), &device));
            let loss = (net.forward(x, layers) - target).abs().mean();
            losses[step * WINDOWS / steps] += f64::from(loss.clone().into_scalar::<f32>());
            let gradients = GradientsParams::from_grads(loss.backward(), &net);
            net = optimizer.step(1e-3, net, gradients);
        }
        losses.iter().map(|sum| sum * WINDOWS as f64 / steps as f64).collect()
    };
    let own = [1, 2].map(|seed| train(seed, Layers::Own));
    let burn = [1, 2].map(|seed| train(seed, Layers::Burn));
    let distance =
        |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| (a - b).abs() / (a + b) * 2.0).fold(0.0, f64::max);
    let kinds = [distance(&own[0], &burn[0]), distance(&own[1], &burn[1])];
    let seeds = [distance(&own[0], &own[1]), distance(&burn[0], &burn[1])];
    if as_json {
        let line = json!({"bench": "curve", "steps": steps, "batch": BATCH, "lacuna": own, "burn": burn,
                          "largest_relative_difference_between_layers": kinds,
                          "largest_relative_difference_between_seeds": seeds});
        println!("{line}");
    } else {
        let text = |losses: &[f64]| losses.iter().map(|loss| format!("{loss:.4} ")).collect::<String>();
        println!(
            "mean loss by tenth of {steps} steps\n  lacuna, seed 1: {}\n  burn,   seed 1: {}\n  lacuna, seed 2: {}\n  burn,   seed 2: {}\n\
             largest relative difference between layers {:.4} and {:.4}, between seeds {:.4} and {:.4}",
            text(&own[0]),
            text(&burn[0]),
            text(&own[1]),
            text(&burn[1]),
            kinds[0],
            kinds[1],
            seeds[0],
            seeds[1]
        );
    }
}

/// Random weights from a seed: burn's own random numbers belong to the process.
struct SeededWeights(ChaCha8Rng);

impl ModuleMapper for SeededWeights {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        param.map(|old| {
            if D < 4 {
                return old;
            }
            let shape = old.dims();
            let sums_over: usize = shape[1..].iter().product();
            let bound = 1.0 / (sums_over as f32).sqrt();
            let values: Vec<f32> = (0..shape.iter().product()).map(|_| self.0.random_range(-bound..bound)).collect();
            Tensor::from_data(TensorData::new(values, shape), &old.device())
        })
    }
}

/// Patches with a gap and noise, and the patches without either.
fn batch(rng: &mut ChaCha8Rng) -> [Vec<f32>; 2] {
    let (mut inputs, mut targets) = (Vec::new(), Vec::new());
    for _ in 0..BATCH {
        let waves: Vec<[f32; 3]> = (0..4)
            .map(|_| [rng.random_range(-1.5..1.5), rng.random_range(-1.5..1.5), rng.random_range(0.0..6.3)])
            .collect();
        let gap = rng.random_range(4..22);
        for y in 0..SIZE {
            for x in 0..SIZE {
                let value: f32 = waves.iter().map(|[a, b, c]| (a * x as f32 + b * y as f32 + c).sin()).sum();
                targets.push(value);
                let noise: f32 = rng.random_range(-0.3..0.3);
                inputs.push(if (gap..gap + 6).contains(&x) { 0.0 } else { value + noise });
            }
        }
    }
    [inputs, targets]
}
