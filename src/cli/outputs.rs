//! The result file, CXI or NPZ.

use super::command_line;
use super::reconstruct::Reconstructed;
use lacuna::config::Settings;
use lacuna::error::Result;
use lacuna::io;
use std::path::Path;

/// Format of a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// HDF5 in CXI form: silx view, h5py, PyNX, cdiutils
    Cxi,
    /// numpy
    Npz,
}

impl Format {
    /// The ending of its files.
    pub fn extension(self) -> &'static str {
        match self {
            Format::Cxi => "cxi",
            Format::Npz => "npz",
        }
    }
}

/// Writes the result.
pub fn result(path: &Path, format: Format, force: bool, result: &Reconstructed, settings: &Settings) -> Result<()> {
    let mut curves: Vec<(String, Vec<(f64, f64)>)> = Vec::new();
    for run in &result.runs.all {
        let points = |value: &dyn Fn(&lacuna::phasing::run::Point) -> f64| {
            run.curve.iter().map(|point| (point.cycle as f64, value(point))).collect::<Vec<_>>()
        };
        curves.push((format!("r_factor_seed_{}", run.seed), points(&|p| p.fit.r_factor)));
        curves.push((format!("llk_poisson_seed_{}", run.seed), points(&|p| p.fit.llk_poisson)));
        if run.fit.free_llk_poisson.is_some() {
            let free = points(&|p| p.fit.free_llk_poisson.unwrap_or(f64::NAN));
            curves.push((format!("free_llk_poisson_seed_{}", run.seed), free));
        }
    }
    // One run agrees with itself: both curves say something of several only.
    if !result.combined.fsc.is_empty() {
        curves.push(("prtf".into(), result.combined.prtf.iter().map(|s| (s.frequency, s.value)).collect()));
        curves.push(("fsc".into(), result.combined.fsc.iter().map(|s| (s.frequency, s.value)).collect()));
        curves.push(("fsc_half_bit".into(), result.combined.fsc.iter().map(|s| (s.frequency, s.half_bit)).collect()));
    }
    let best = &result.runs.kept[0];
    let process = io::Process::new(command_line(), settings, &result.summary)?;
    // A single run is its own only mode: nothing to say twice.
    let several = result.combined.objects.len() > 1;
    let reconstruction = io::Reconstruction {
        object: &best.object,
        support: &best.support,
        runs: if several { &result.combined.objects } else { &[] },
        modes: if several { &result.combined.modes.modes } else { &[] },
        mode_weights: if several { &result.combined.modes.weights } else { &[] },
        curves: &curves,
        pattern: &result.pattern,
        process: &process,
    };
    match format {
        Format::Cxi => io::write_result(path, force, &reconstruction),
        Format::Npz => io::write_result_npz(path, force, &reconstruction),
    }
}
