//! Speed of the layers of [`lacuna::network`] beside burn's own and PyTorch's: patches a second of
//! two common U-Nets, training and inference, in alternation; and how near the convolutions come to
//! the peak of the processor.
//!
//!     cargo bench --bench network -- --dimensions 2 --rounds 12 [--torch PYTHON]

mod convolutions;
mod curves;
mod rounds;
mod torch;
mod unets;

use clap::Parser;
use clap::builder::RangedU64ValueParser;
use lacuna::network::conv::{Isa, peak_flops};
use rounds::{KINDS, Measured, Seconds};
use serde_json::json;
use std::process::ExitCode;

/// An error of any kind: a benchmark only reports it.
type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// Channels of the three levels of the 2D network, finest first: about 150 k parameters.
const CHANNELS_2D: [usize; 3] = [16, 32, 64];
/// Those of the 3D network: about 110 k parameters.
const CHANNELS_3D: [usize; 3] = [8, 16, 32];

/// Patches per second of common U-Nets, training and inference, beside burn's own layers
#[derive(Debug, Parser)]
#[command(name = "network")]
struct Options {
    /// Dimensions of the patches: 2, 3 or both
    #[arg(long, value_delimiter = ',', default_value = "2,3", value_parser = RangedU64ValueParser::<usize>::new().range(2..=3))]
    dimensions: Vec<usize>,
    /// Rounds, each with a training step and an inference of all kinds of layers
    #[arg(long, default_value_t = 10, value_parser = RangedU64ValueParser::<usize>::new().range(1..))]
    rounds: usize,
    /// Numbers of threads
    #[arg(long, value_delimiter = ',', default_value = "1,2")]
    threads: Vec<usize>,
    /// Instead: train the 2D network for so many steps with our layers and with burn's, from two
    /// random starts, and compare the losses
    #[arg(long, value_name = "STEPS")]
    curve: Option<usize>,
    /// Python with PyTorch, to be measured as well, on the same weights and inputs
    #[arg(long, value_name = "PYTHON")]
    torch: Option<String>,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
    /// Given by `cargo bench` to every benchmark
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> ExitCode {
    match Options::parse().execute() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

impl Options {
    fn execute(&self) -> Result<()> {
        if let Some(steps) = self.curve {
            curves::compare(CHANNELS_2D, steps.max(10), self.json);
            return Ok(());
        }
        let peak = peak_flops(Isa::best());
        for &dimensions in &self.dimensions {
            for &threads in &self.threads {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build()?;
                pool.install(|| convolutions::measure(dimensions, threads, self.rounds, peak, self.json));
                let torch = self.torch.as_deref();
                let measured = pool.install(|| rounds::measure(dimensions, threads, self.rounds, torch))?;
                self.print(dimensions, threads, &measured);
            }
        }
        Ok(())
    }

    fn print(&self, dimensions: usize, threads: usize, measured: &Measured) {
        for (at, (step, layers)) in KINDS.into_iter().enumerate() {
            if measured.times[at].is_empty() {
                continue;
            }
            let (wall, cpu) = (median(&measured.times[at], |t| t.wall), median(&measured.times[at], |t| t.cpu));
            // All ran in each round: the ratio of a round does not feel what slows the machine for
            // longer than that.
            let ours = &measured.times[if step == "train" { 0 } else { 3 }];
            let ratios: Vec<Seconds> = ours
                .iter()
                .zip(&measured.times[at])
                .map(|(own, other)| Seconds { wall: other.wall / own.wall, cpu: other.cpu / own.cpu })
                .collect();
            let (faster, less_cpu) = (median(&ratios, |t| t.wall), median(&ratios, |t| t.cpu));
            let patches = measured.batch as f64;
            // A training step is three convolutions for each of inference: forward, input gradient,
            // weight gradient.
            let passes = if step == "train" { 3.0 } else { 1.0 };
            let gflops = passes * measured.flops / wall / 1e9;
            if self.json {
                let differences: serde_json::Map<_, _> =
                    measured.differences.iter().map(|(name, value)| ((*name).into(), json!(value))).collect();
                let line = json!({"bench": "network", "dimensions": dimensions, "parameters": measured.parameters,
                                  "batch": measured.batch, "threads": threads, "what": step, "layers": layers,
                                  "patches_per_second": patches / wall, "cpu_seconds_per_patch": cpu / patches,
                                  "gflops_of_convolutions": gflops, "lacuna_times_faster": faster,
                                  "lacuna_times_less_cpu": less_cpu, "outputs_differ_from_ours_by": differences,
                                  "torch": measured.torch_version, "rounds": self.rounds,
                                  "version": env!("CARGO_PKG_VERSION")});
                println!("{line}");
            } else {
                println!(
                    "{dimensions}D {step}, {layers:>6} layers, {threads} threads: {:8.1} patches/s, {:7.2} ms of CPU \
                     each, {gflops:5.1} GFLOP/s; lacuna's are {faster:.2} times as fast ({less_cpu:.2} in CPU time)",
                    patches / wall,
                    1e3 * cpu / patches
                );
            }
        }
    }
}

/// Median of a quantity of several measurements, the upper one of an even number; NaN of none.
fn median<T>(values: &[T], quantity: impl Fn(&T) -> f64) -> f64 {
    let mut values: Vec<f64> = values.iter().map(quantity).collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
