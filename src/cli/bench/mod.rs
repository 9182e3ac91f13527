//! `lacuna bench`: figures of this machine, as JSON.

mod nets;
mod network;
mod phasing;
mod simulate;

use lacuna::error::Result;

/// Arguments of `lacuna bench`.
#[derive(Debug, clap::Args)]
pub struct Command {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Seconds per cycle of HIO, ER and RAAR and per support update, by size
    Phasing(phasing::Phasing),
    /// Patches per second of common U-Nets, training and inference, beside burn's own layers
    Network(network::Network),
    /// Patterns per second that are simulated, and patches per second that are delivered to a training
    Simulate(simulate::Simulate),
}

impl Command {
    pub fn execute(self) -> Result<()> {
        match self.what {
            What::Phasing(bench) => bench.execute(),
            What::Network(bench) => bench.execute(),
            What::Simulate(bench) => bench.execute(),
        }
    }
}

/// User and system time of this process, seconds, from `/proc/self/stat`; zero where there is none.
fn cpu_seconds() -> f64 {
    // Clock ticks are 1/100 s on every Linux that Rust supports.
    const TICKS: f64 = 100.0;
    let text = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = text.rsplit(')').next().unwrap_or_default();
    after_name.split_whitespace().skip(11).take(2).filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / TICKS
}
