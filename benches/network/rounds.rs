//! A whole network, trained and applied with each kind of layers in turn, round by round, on the
//! same weights and inputs.

use crate::Result;
use crate::torch::Torch;
use crate::unets::{Layers, Unet2d, Unet3d};
use burn::module::Module;
use burn::optim::{AdamWConfig, GradientsAccumulator, GradientsParams};
use burn::tensor::{Device, Distribution, Tensor};
use rayon::prelude::*;
use std::time::Instant;

/// Parts of a batch that are computed side by side with our layers, as in a training.
const SHARDS: usize = 2;
/// Patches that a thread fills at a time, by the number of dimensions less two: their images stay
/// in its own cache.
const FILL_BATCH: [usize; 2] = [8, 1];

/// Steps and the layers they are measured with, in this order in each round.
pub const KINDS: [(&str, &str); 6] = [
    ("train", "lacuna"),
    ("train", "burn"),
    ("train", "torch"),
    ("infer", "lacuna"),
    ("infer", "burn"),
    ("infer", "torch"),
];

/// Duration of one step.
#[derive(Debug, Clone, Copy)]
pub struct Seconds {
    /// Seconds on the clock.
    pub wall: f64,
    /// Processor seconds of all threads.
    pub cpu: f64,
}

/// Times of a network.
pub struct Measured {
    /// Number of weights.
    pub parameters: usize,
    /// Patches of a step.
    pub batch: usize,
    /// Floating-point operations of the convolutions of one batch, forward; a multiplication and an
    /// addition are two.
    pub flops: f64,
    /// Largest difference of other layers' outputs from ours (PyTorch's: from burn's), relative to
    /// the largest output.
    pub differences: Vec<(&'static str, f32)>,
    /// Durations of each of [`KINDS`], one entry a round.
    pub times: [Vec<Seconds>; 6],
    /// Version of PyTorch, where it was measured.
    pub torch_version: Option<String>,
}

/// A macro, because burn's tensors carry their rank in the type and the two networks are two types.
macro_rules! measure {
    ($net:ident, $channels:expr, $shape:expr, $threads:expr, $rounds:expr, $torch:expr) => {{
        let device = Device::flex();
        let learning = device.clone().autodiff();
        let [x, target] = [(); 2].map(|()| Tensor::random($shape, Distribution::Normal(0.0, 1.0), &device));
        let net = $net::new($channels, &learning);
        let inference = net.clone().valid();
        let [own, burn] = [Layers::Own, Layers::Burn].map(|layers| inference.forward(x.clone(), layers));
        let reference = burn.clone().into_data().try_to_vec::<f32>().expect("outputs are floats");
        let mut differences = vec![("burn", largest(own - burn.clone()) / largest(burn))];
        let dimensions = $shape.len() - 2;
        let mut torch = match $torch {
            Some(python) => {
                let mut tensors = inference.weights();
                for (name, tensor) in [("input", x.clone()), ("target", target.clone())] {
                    let values = tensor.into_data().try_to_vec::<f32>().expect("inputs are floats");
                    tensors.push((name.into(), $shape.to_vec(), values));
                }
                Some(Torch::start(python, dimensions, $threads, &tensors)?)
            }
            None => None,
        };
        if let Some(output) = torch.as_ref().and_then(Torch::output) {
            let most = reference.iter().fold(0.0_f32, |most, value| most.max(value.abs()));
            let worst = reference.iter().zip(&output).fold(0.0_f32, |worst, (a, b)| worst.max((a - b).abs()));
            differences.push(("torch", if output.len() == reference.len() { worst / most } else { f32::NAN }));
        }
        let config = AdamWConfig::new().with_epsilon(1e-8).with_weight_decay(1e-4);
        let mut optimizers = [config.init(), config.init()];
        let parameters = net.num_params();
        let mut nets = [net.clone(), net];
        let (inputs, targets) = (x.clone().to_device(&learning), target.to_device(&learning));
        let shard_size = $shape[0] / SHARDS;
        let mut times: [Vec<Seconds>; 6] = Default::default();
        // The first round warms caches and is not counted.
        for round in 0..=$rounds {
            for (at, (step, layers)) in KINDS.into_iter().enumerate() {
                let (wall, cpu) = (Instant::now(), cpu_seconds());
                let mut torch_time = None;
                match (step, layers) {
                    ("train", "lacuna") => {
                        let shards: Vec<GradientsParams> = (0..SHARDS)
                            .into_par_iter()
                            .map(|shard| {
                                let net = nets[0].clone().fork(&learning);
                                let [x, target] = [&inputs, &targets]
                                    .map(|all| all.clone().narrow(0, shard * shard_size, shard_size));
                                let loss = (net.forward(x, Layers::Own) - target).abs().mean() / SHARDS as f32;
                                GradientsParams::from_grads(loss.backward(), &net)
                            })
                            .collect();
                        let mut sum = GradientsAccumulator::new();
                        shards.into_iter().for_each(|shard| sum.accumulate(&nets[0], shard));
                        nets[0] = optimizers[0].step(1e-3, nets[0].clone(), sum.grads());
                    }
                    ("train", "burn") => {
                        let loss = (nets[1].forward(inputs.clone(), Layers::Burn) - targets.clone()).abs().mean();
                        let gradients = GradientsParams::from_grads(loss.backward(), &nets[1]);
                        nets[1] = optimizers[1].step(1e-3, nets[1].clone(), gradients);
                    }
                    ("infer", "lacuna") => {
                        let size = FILL_BATCH[dimensions - 2];
                        (0..$shape[0] / size).into_par_iter().for_each(|shard| {
                            let x = x.clone().narrow(0, shard * size, size);
                            std::hint::black_box(inference.forward(x, Layers::Own).into_data());
                        });
                    }
                    ("infer", "burn") => {
                        std::hint::black_box(inference.forward(x.clone(), Layers::Burn).into_data());
                    }
                    _ => torch_time = torch.as_mut().and_then(|torch| torch.step(step)),
                }
                let own_time = || Seconds { wall: wall.elapsed().as_secs_f64(), cpu: cpu_seconds() - cpu };
                let time = if layers == "torch" { torch_time } else { Some(own_time()) };
                if let (Some(time), true) = (time, round > 0) {
                    times[at].push(time);
                }
            }
        }
        let flops = $net::flops($channels) * $shape[0] as f64;
        let torch_version = torch.map(|torch| torch.version.clone());
        Measured { parameters, batch: $shape[0], flops, differences, times, torch_version }
    }};
}

/// Measures the 2D network on batches of 16 patches of 32 x 32, or the 3D network on batches of 2
/// of 32 x 32 x 32, on `threads` threads; PyTorch too if a Python that has it is named.
///
/// # Errors
/// If PyTorch cannot be started.
pub fn measure(dimensions: usize, threads: usize, rounds: usize, torch: Option<&str>) -> Result<Measured> {
    Ok(if dimensions == 2 {
        let shape = [16, 1, 32, 32];
        measure!(Unet2d, crate::CHANNELS_2D, shape, threads, rounds, torch)
    } else {
        let shape = [2, 1, 32, 32, 32];
        measure!(Unet3d, crate::CHANNELS_3D, shape, threads, rounds, torch)
    })
}

/// Largest modulus.
fn largest<const D: usize>(values: Tensor<D>) -> f32 {
    values.abs().max().into_scalar::<f32>()
}

/// Processor seconds of all threads of this process; zero on systems without such a clock.
fn cpu_seconds() -> f64 {
    #[cfg(unix)]
    {
        let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
        time.tv_sec as f64 + 1e-9 * time.tv_nsec as f64
    }
    #[cfg(not(unix))]
    0.0
}
