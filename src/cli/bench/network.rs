//! `lacuna bench network`: patches a second of common U-Nets, with the layers of [`lacuna::network`], with burn's own, and with PyTorch's, in
//! alternation; and how near the convolutions come to what the processor can do.

use super::cpu_seconds;
use super::nets::{Layer, Layers, Unet2d, Unet3d, layers};
use super::torch::Torch;
use burn::module::Module;
use burn::optim::{AdamWConfig, GradientsAccumulator, GradientsParams};
use burn::tensor::{Device, Distribution, Tensor};
use lacuna::error::{Error, Result};
use lacuna::network::conv::{GatherPlan, Isa, PackedWeights, SummedAxis, gather, peak_flops, weight_gradient};
use rayon::prelude::*;
use serde_json::json;
use std::time::Instant;

/// Parts of a batch that are computed side by side with our layers, as in a training.
const SHARDS: usize = 2;
/// Patches that a thread fills at a time, by the number of dimensions less two: their images stay in its own cache.
const FILLED: [usize; 2] = [8, 1];

/// A macro, because burn's tensors carry their rank in the type and the two networks are two types.
macro_rules! measure {
    ($bench:expr, $threads:expr, $net:ident, $channels:expr, $shape:expr) => {{
        let device = Device::flex();
        let learning = device.clone().autodiff();
        let [x, target] = [(); 2].map(|()| Tensor::random($shape, Distribution::Normal(0.0, 1.0), &device));
        let net = $net::new($channels, &learning);
        let inference = net.clone().valid();
        let [own, burn] = [Layers::Own, Layers::Burn].map(|layers| inference.forward(x.clone(), layers));
        let reference = burn.clone().into_data().try_to_vec::<f32>().expect("outputs are floats");
        let mut differences = vec![("burn", largest(own - burn.clone()) / largest(burn))];
        let dimensions = $shape.len() - 2;
        let mut torch = match &$bench.torch {
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
        let (learned, wanted) = (x.clone().to_device(&learning), target.to_device(&learning));
        let part = $shape[0] / SHARDS;
        let mut times: [Vec<Times>; 6] = Default::default();
        // The first round warms caches and is not counted.
        for round in 0..=$bench.rounds {
            for (at, (what, who)) in KINDS.into_iter().enumerate() {
                let (wall, cpu) = (Instant::now(), cpu_seconds());
                let mut time = None;
                match (what, who) {
                    ("train", "lacuna") => {
                        let parts: Vec<GradientsParams> = (0..SHARDS)
                            .into_par_iter()
                            .map(|shard| {
                                let net = nets[0].clone().fork(&learning);
                                let [x, wanted] =
                                    [&learned, &wanted].map(|all| all.clone().narrow(0, shard * part, part));
                                let loss = (net.forward(x, Layers::Own) - wanted).abs().mean() / SHARDS as f32;
                                GradientsParams::from_grads(loss.backward(), &net)
                            })
                            .collect();
                        let mut sum = GradientsAccumulator::new();
                        parts.into_iter().for_each(|part| sum.accumulate(&nets[0], part));
                        nets[0] = optimizers[0].step(1e-3, nets[0].clone(), sum.grads());
                    }
                    ("train", "burn") => {
                        let loss = (nets[1].forward(learned.clone(), Layers::Burn) - wanted.clone()).abs().mean();
                        let gradients = GradientsParams::from_grads(loss.backward(), &nets[1]);
                        nets[1] = optimizers[1].step(1e-3, nets[1].clone(), gradients);
                    }
                    ("infer", "lacuna") => (0..$shape[0] / FILLED[dimensions - 2]).into_par_iter().for_each(|shard| {
                        let part = FILLED[dimensions - 2];
                        let x = x.clone().narrow(0, shard * part, part);
                        std::hint::black_box(inference.forward(x, Layers::Own).into_data());
                    }),
                    ("infer", "burn") => {
                        std::hint::black_box(inference.forward(x.clone(), Layers::Burn).into_data());
                    }
                    _ => time = torch.as_mut().and_then(|torch| torch.step(what)),
                }
                let own = || (wall.elapsed().as_secs_f64(), cpu_seconds() - cpu);
                if let (Some(time), true) = (if who == "torch" { time } else { Some(own()) }, round > 0) {
                    times[at].push(time);
                }
            }
        }
        let flops = $net::flops($channels) * $shape[0] as f64;
        let version = torch.map(|torch| torch.version.clone());
        Measured { parameters, batch: $shape[0], flops, differences, times, version }
    }};
}

/// Arguments of `lacuna bench network`.
#[derive(Debug, clap::Args)]
pub struct Network {
    /// Dimensions of the patches: 2, 3 or both
    #[arg(long, value_delimiter = ',', default_value = "2,3")]
    dimensions: Vec<usize>,
    /// Rounds, each with a training step and an inference of all kinds of layers
    #[arg(long, default_value_t = 10)]
    rounds: usize,
    /// Numbers of threads
    #[arg(long, value_delimiter = ',', default_value = "1,2")]
    threads: Vec<usize>,
    /// Instead: train the 2D network for so many steps with our layers and with burn's, from two random starts, and compare the losses
    #[arg(long, value_name = "STEPS")]
    curve: Option<usize>,
    /// Python with PyTorch, to be measured as well, on the same weights and inputs
    #[arg(long, value_name = "PYTHON")]
    torch: Option<String>,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
}

/// What is measured, in this order in each round.
const KINDS: [(&str, &str); 6] = [
    ("train", "lacuna"),
    ("train", "burn"),
    ("train", "torch"),
    ("infer", "lacuna"),
    ("infer", "burn"),
    ("infer", "torch"),
];

/// Wall and processor seconds of one step.
type Times = (f64, f64);

impl Network {
    pub fn execute(self) -> Result<()> {
        if self.rounds == 0 {
            return Err(Error::setting("--rounds", 0, "at least one round is measured"));
        }
        if let Some(steps) = self.curve {
            return super::network_curve::curves(FLAT, steps.max(10), self.json);
        }
        let peak = peak_flops(Isa::best());
        for &dimensions in &self.dimensions {
            if ![2, 3].contains(&dimensions) {
                return Err(Error::setting("--dimensions", dimensions, "patches have 2 or 3"));
            }
            for &threads in &self.threads {
                let pool = rayon::ThreadPoolBuilder::new()
                    .num_threads(threads)
                    .build()
                    .map_err(|error| Error::setting("--threads", threads, error.to_string()))?;
                pool.install(|| self.convolutions(dimensions, threads, peak))?;
                let measured =
                    pool.install(|| if dimensions == 2 { self.two(threads) } else { self.three(threads) })?;
                self.tell(dimensions, threads, &measured)?;
            }
        }
        Ok(())
    }

    /// The network of about 150 k parameters on batches of 16 patches of 32 x 32.
    fn two(&self, threads: usize) -> Result<Measured> {
        let shape = [16, 1, 32, 32];
        Ok(measure!(self, threads, Unet2d, FLAT, shape))
    }

    /// The network of about 110 k parameters on batches of 2 patches of 32 x 32 x 32.
    fn three(&self, threads: usize) -> Result<Measured> {
        let shape = [2, 1, 32, 32, 32];
        Ok(measure!(self, threads, Unet3d, DEEP, shape))
    }

    /// All convolutions of the network alone, forward and both gradients.
    fn convolutions(&self, dimensions: usize, threads: usize, peak: f64) -> Result<()> {
        let (channels, batch) = if dimensions == 2 { (FLAT, 16) } else { (DEEP, 2) };
        let all = layers(channels, dimensions);
        let flops: f64 = all.iter().map(Layer::flops).sum::<f64>() * batch as f64;
        let mut passes = [(); 3].map(|()| Vec::new());
        for round in 0..=self.rounds {
            let mut seconds = [0.0; 3];
            for layer in &all {
                seconds.iter_mut().zip(passes_of(layer, batch)).for_each(|(sum, time)| *sum += time);
            }
            if round > 0 {
                passes.iter_mut().zip(seconds).for_each(|(all, seconds)| all.push((seconds, 0.0)));
            }
        }
        let rates = passes.each_ref().map(|seconds| flops / median(seconds, |t| t.0));
        let total: f64 = 3.0 * flops / passes.iter().map(|seconds| median(seconds, |t| t.0)).sum::<f64>();
        let part = total / (peak * threads as f64);
        let isa = format!("{:?}", Isa::best());
        crate::cli::print(if self.json {
            let line = json!({"bench": "convolutions", "dimensions": dimensions, "threads": threads, "isa": isa,
                              "gflops": total / 1e9, "gflops_forward": rates[0] / 1e9, "gflops_input_gradient": rates[1] / 1e9,
                              "gflops_weight_gradient": rates[2] / 1e9, "peak_gflops_per_core": peak / 1e9,
                              "fraction_of_peak": part, "rounds": self.rounds});
            format!("{line}\n")
        } else {
            format!(
                "{dimensions}D convolutions, {threads} threads, {isa}: {:.1} GFLOP/s, {:.0} % of the peak of {:.1} a core (forward {:.1}, input \
                 gradient {:.1}, weight gradient {:.1})\n",
                total / 1e9,
                100.0 * part,
                peak / 1e9,
                rates[0] / 1e9,
                rates[1] / 1e9,
                rates[2] / 1e9
            )
        })
    }

    fn tell(&self, dimensions: usize, threads: usize, measured: &Measured) -> Result<()> {
        for (at, (what, who)) in KINDS.into_iter().enumerate() {
            if measured.times[at].is_empty() {
                continue;
            }
            let (wall, cpu) = (median(&measured.times[at], |t| t.0), median(&measured.times[at], |t| t.1));
            // All ran in each round: the ratio of a round does not feel what slows the machine for longer than that.
            let ours = &measured.times[if what == "train" { 0 } else { 3 }];
            let ratios: Vec<Times> =
                ours.iter().zip(&measured.times[at]).map(|(own, other)| (other.0 / own.0, other.1 / own.1)).collect();
            let (faster, ratio_cpu) = (median(&ratios, |t| t.0), median(&ratios, |t| t.1));
            let patches = measured.batch as f64;
            // A training step is three convolutions for each of inference: forward, input gradient, weight gradient.
            let passes = if what == "train" { 3.0 } else { 1.0 };
            let gflops = passes * measured.flops / wall / 1e9;
            crate::cli::print(if self.json {
                let differences: serde_json::Map<_, _> =
                    measured.differences.iter().map(|(name, value)| ((*name).into(), json!(value))).collect();
                let line = json!({"bench": "network", "dimensions": dimensions, "parameters": measured.parameters,
                                  "batch": measured.batch, "threads": threads, "what": what, "layers": who,
                                  "patches_per_second": patches / wall, "cpu_seconds_per_patch": cpu / patches,
                                  "gflops_of_convolutions": gflops, "lacuna_times_faster": faster,
                                  "lacuna_times_less_cpu": ratio_cpu, "outputs_differ_from_ours_by": differences,
                                  "torch": measured.version, "rounds": self.rounds, "version": env!("CARGO_PKG_VERSION")});
                format!("{line}\n")
            } else {
                format!(
                    "{dimensions}D {what}, {who:>6} layers, {threads} threads: {:8.1} patches/s, {:7.2} ms of CPU each, {gflops:5.1} \
                     GFLOP/s; lacuna's are {faster:.2} times as fast ({ratio_cpu:.2} in CPU time)\n",
                    patches / wall,
                    1e3 * cpu / patches
                )
            })?;
        }
        Ok(())
    }
}

const FLAT: [usize; 3] = [16, 32, 64];
const DEEP: [usize; 3] = [8, 16, 32];

/// Seconds of the forward pass, the input gradient and the weight gradient of one layer, for a batch.
fn passes_of(layer: &Layer, batch: usize) -> [f64; 3] {
    let isa = Isa::best();
    let [from, to] = layer.channels;
    // Below is what the window slides over, above what comes of it.
    let [below, above] = if layer.transposed { [to, from] } else { [from, to] };
    let points = |extent: [usize; 3]| extent.iter().product::<usize>();
    let low = vec![0.5_f32; batch * points(layer.window.input) * below];
    let high = vec![0.5_f32; batch * points(layer.window.output()) * above];
    let weights = vec![0.1_f32; above * below * layer.window.taps()];
    let shape = [above, below, layer.window.taps()];
    let time = |work: &mut dyn FnMut()| {
        let start = Instant::now();
        work();
        start.elapsed().as_secs_f64()
    };
    let up = time(&mut || {
        let plan = GatherPlan::forward(&layer.window, below);
        let packed = PackedWeights::new(isa, &weights, shape, SummedAxis::Second, plan.reversed());
        let mut out = vec![0.0; high.len()];
        gather(&low, &packed, None, &plan, &mut out);
        std::hint::black_box(out);
    });
    let down = time(&mut || {
        let plan = GatherPlan::backward(&layer.window, above);
        let packed = PackedWeights::new(isa, &weights, shape, SummedAxis::First, plan.reversed());
        let mut out = vec![0.0; low.len()];
        gather(&high, &packed, None, &plan, &mut out);
        std::hint::black_box(out);
    });
    let gradient = time(&mut || {
        std::hint::black_box(weight_gradient(isa, &layer.window, &low, &high, [below, above]));
    });
    if layer.transposed { [down, up, gradient] } else { [up, down, gradient] }
}

/// Times of a network.
struct Measured {
    parameters: usize,
    batch: usize,
    /// Floating-point operations of the convolutions of one batch, forward; a multiplication and an addition are two.
    flops: f64,
    /// Largest difference of other layers' outputs from ours (torch: from burn's), relative to the largest output.
    differences: Vec<(&'static str, f32)>,
    /// Of each of [`KINDS`], one entry a round.
    times: [Vec<Times>; 6],
    /// Of PyTorch.
    version: Option<String>,
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
