//! `lacuna bench network`: patches a second of common U-Nets, with the layers of [`lacuna::network`] and with burn's own, in alternation.

use super::cpu_seconds;
use super::nets::{Layers, Unet2d, Unet3d};
use burn::module::Module;
use burn::optim::{AdamWConfig, GradientsParams};
use burn::tensor::{Device, Distribution, Tensor};
use lacuna::error::{Error, Result};
use serde_json::json;
use std::time::Instant;

/// A macro, because burn's tensors carry their rank in the type and the two networks are two types.
macro_rules! measure {
    ($rounds:expr, $net:ident, $channels:expr, $shape:expr) => {{
        let device = Device::flex();
        let learning = device.clone().autodiff();
        let [x, target] = [(); 2].map(|()| Tensor::random($shape, Distribution::Normal(0.0, 1.0), &device));
        let net = $net::new($channels, &learning);
        let inference = net.clone().valid();
        let [own, burn] = [Layers::Own, Layers::Burn].map(|layers| inference.forward(x.clone(), layers));
        let difference = largest(own - burn.clone()) / largest(burn);
        let config = AdamWConfig::new().with_epsilon(1e-8).with_weight_decay(1e-4);
        let mut optimizers = [config.init(), config.init()];
        let parameters = net.num_params();
        let mut nets = [net.clone(), net];
        let (learned, wanted) = (x.clone().to_device(&learning), target.to_device(&learning));
        let mut times: [Vec<Times>; 4] = Default::default();
        // The first round warms caches and is not counted.
        for round in 0..=$rounds {
            for (at, (what, layers)) in KINDS.into_iter().enumerate() {
                let (wall, cpu) = (Instant::now(), cpu_seconds());
                if what == "train" {
                    let loss = (nets[at].forward(learned.clone(), layers) - wanted.clone()).abs().mean();
                    let gradients = GradientsParams::from_grads(loss.backward(), &nets[at]);
                    nets[at] = optimizers[at].step(1e-3, nets[at].clone(), gradients);
                } else {
                    std::hint::black_box(inference.forward(x.clone(), layers).into_data());
                }
                if round > 0 {
                    times[at].push((wall.elapsed().as_secs_f64(), cpu_seconds() - cpu));
                }
            }
        }
        let flops = $net::flops($channels) * $shape[0] as f64;
        Measured { parameters, batch: $shape[0], flops, difference, times }
    }};
}
/// Arguments of `lacuna bench network`.
#[derive(Debug, clap::Args)]
pub struct Network {
    /// Dimensions of the patches: 2, 3 or both
    #[arg(long, value_delimiter = ',', default_value = "2,3")]
    dimensions: Vec<usize>,
    /// Rounds, each with a training step and an inference of both kinds of layers
    #[arg(long, default_value_t = 10)]
    rounds: usize,
    /// Numbers of threads
    #[arg(long, value_delimiter = ',', default_value = "1,2")]
    threads: Vec<usize>,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
}

/// What is measured, in this order in each round.
const KINDS: [(&str, Layers); 4] =
    [("train", Layers::Own), ("train", Layers::Burn), ("infer", Layers::Own), ("infer", Layers::Burn)];

/// Wall and processor seconds of one step.
type Times = (f64, f64);

impl Network {
    pub fn execute(self) -> Result<()> {
        if self.rounds == 0 {
            return Err(Error::setting("--rounds", 0, "at least one round is measured"));
        }
        for &dimensions in &self.dimensions {
            if ![2, 3].contains(&dimensions) {
                return Err(Error::setting("--dimensions", dimensions, "patches have 2 or 3"));
            }
            for &threads in &self.threads {
                let pool = rayon::ThreadPoolBuilder::new()
                    .num_threads(threads)
                    .build()
                    .map_err(|error| Error::setting("--threads", threads, error.to_string()))?;
                let measured = pool.install(|| if dimensions == 2 { self.two() } else { self.three() });
                self.tell(dimensions, threads, &measured)?;
            }
        }
        Ok(())
    }

    /// The network of about 150 k parameters on batches of 16 patches of 32 x 32.
    fn two(&self) -> Measured {
        let shape = [16, 1, 32, 32];
        measure!(self.rounds, Unet2d, [16, 32, 64], shape)
    }

    /// The network of about 110 k parameters on batches of 2 patches of 32 x 32 x 32.
    fn three(&self) -> Measured {
        let shape = [2, 1, 32, 32, 32];
        measure!(self.rounds, Unet3d, [8, 16, 32], shape)
    }

    fn tell(&self, dimensions: usize, threads: usize, measured: &Measured) -> Result<()> {
        for (at, (what, layers)) in KINDS.into_iter().enumerate() {
            let (wall, cpu) = (median(&measured.times[at], |t| t.0), median(&measured.times[at], |t| t.1));
            // Both ran in each round: the ratio of a round does not feel what slows the machine for longer than that.
            let other = &measured.times[at ^ 1];
            let ratios: Vec<Times> =
                measured.times[at].iter().zip(other).map(|(own, other)| (other.0 / own.0, other.1 / own.1)).collect();
            let (faster, ratio_cpu) = (median(&ratios, |t| t.0), median(&ratios, |t| t.1));
            let patches = measured.batch as f64;
            let layers = if layers == Layers::Own { "lacuna" } else { "burn" };
            // A training step is three convolutions for each of inference: forward, input gradient, weight gradient.
            let passes = if what == "train" { 3.0 } else { 1.0 };
            let gflops = passes * measured.flops / wall / 1e9;
            crate::cli::print(if self.json {
                let line = json!({"bench": "network", "dimensions": dimensions, "parameters": measured.parameters,
                                  "batch": measured.batch, "threads": threads, "what": what, "layers": layers,
                                  "patches_per_second": patches / wall, "cpu_seconds_per_patch": cpu / patches,
                                  "gflops_of_convolutions": gflops, "times_faster": faster, "times_less_cpu": ratio_cpu,
                                  "outputs_differ_by": measured.difference, "rounds": self.rounds,
                                  "version": env!("CARGO_PKG_VERSION")});
                format!("{line}\n")
            } else {
                format!(
                    "{dimensions}D {what}, {layers:>6} layers, {threads} threads: {:8.1} patches/s, {:6.2} ms of CPU each, {gflops:5.1} \
                     GFLOP/s, {faster:.2} times the other\n",
                    patches / wall,
                    1e3 * cpu / patches
                )
            })?;
        }
        Ok(())
    }
}

/// Times of a network.
struct Measured {
    parameters: usize,
    batch: usize,
    /// Floating-point operations of the convolutions of one batch, forward; a multiplication and an addition are two.
    flops: f64,
    /// Largest difference between the outputs of both kinds of layers, relative to the largest output.
    difference: f32,
    /// Of each of [`KINDS`], one entry a round.
    times: [Vec<Times>; 4],
}

/// Largest modulus.
fn largest<const D: usize>(values: Tensor<D>) -> f32 {
    values.abs().max().into_scalar::<f32>()
}

fn median(times: &[Times], by: impl Fn(&Times) -> f64) -> f64 {
    let mut values: Vec<f64> = times.iter().map(by).collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
