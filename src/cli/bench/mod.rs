//! `lacuna bench`: measurements of this machine, as text or as JSON.

#[cfg(feature = "cuda")]
mod agreement;
mod clock;
#[cfg(feature = "cuda")]
mod gpu;
mod inpaint;
mod phasing;
mod psf;
mod search;
mod simulate;

use lacuna::error::Result;

/// Arguments of `lacuna bench`.
#[derive(Debug, clap::Args)]
pub struct Command {
    #[command(subcommand)]
    bench: Bench,
}

#[derive(Debug, clap::Subcommand)]
enum Bench {
    /// Seconds per cycle of HIO, ER and RAAR and per support update, by size
    Phasing(phasing::Phasing),
    /// Simulated particles whose patterns are blurred, phased with and without a PSF: widths that are
    /// found, and errors
    Psf(psf::Psf),
    /// Simulated particles with gaps, reconstructed with the defaults: how many are found, at what
    /// cost, and whether the verdict knows
    Search(Box<search::Search>),
    /// Whether a GPU computes what the CPU computes, primitive by primitive and in whole recipes
    #[cfg(feature = "cuda")]
    Gpu(gpu::Gpu),
    /// Patches per second of the networks in the program, and seconds for whole patterns
    #[command(visible_alias = "network")]
    Inpaint(inpaint::Inpaint),
    /// Patterns per second that are simulated, and patches per second that are delivered to a
    /// training
    Simulate(simulate::Simulate),
}

impl Command {
    pub fn execute(self) -> Result<()> {
        match self.bench {
            Bench::Phasing(bench) => bench.execute(),
            Bench::Psf(bench) => bench.execute(),
            Bench::Search(bench) => bench.execute(),
            #[cfg(feature = "cuda")]
            Bench::Gpu(bench) => bench.execute(),
            Bench::Inpaint(bench) => bench.execute(),
            Bench::Simulate(bench) => bench.execute(),
        }
    }
}
