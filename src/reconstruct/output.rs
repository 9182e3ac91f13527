//! The files of a reconstruction: the result as CXI or NPZ, the completed pattern, the page.

use super::page;
use super::pipeline::Reconstruction;
use crate::error::{Result, counted};
use crate::io;
use crate::metrics::Gauge;
use crate::phasing::Fit;
use crate::phasing::psf::Psf;
use crate::phasing::run::Point;
use crate::phasing::run_summary::RunSummary;
use crate::phasing::support::Cut;
use crate::report::Report;
use crate::settings::Settings;
use crate::volume::Centered;
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Format of a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// HDF5 in CXI form: silx view, h5py, PyNX, cdiutils.
    Cxi,
    /// numpy arrays in a zip file.
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

impl Reconstruction {
    /// Writes the result: object, support, runs, modes, curves, pattern, and how it was made.
    /// `command` is quoted in it.
    ///
    /// # Errors
    /// [`crate::Error::Exists`] without `force`, and [`crate::Error::Write`].
    pub fn write(&self, path: &Path, format: Format, force: bool, command: &str, settings: &Settings) -> Result<()> {
        let curves = curves(self);
        // A single run is its own only mode: nothing to say twice.
        let several = self.combined.objects.len() > 1;
        let modes = &self.combined.modes.modes;
        let process = io::Process::new(command, settings, &self.summary)?.lasting(self.took());
        let best = &self.ensemble.kept[0];
        let psf = best.psf.as_ref().map(Psf::array);
        let reconstruction = io::Reconstruction {
            object: &self.combined.objects[0],
            support: &best.support,
            runs: if several { &self.combined.objects } else { &[] },
            modes: if modes.len() > 1 { modes } else { &[] },
            mode_weights: if modes.len() > 1 { &self.combined.modes.weights[..modes.len()] } else { &[] },
            psf: psf.as_ref(),
            maps: &self.maps(),
            curves: &curves,
            pattern: &self.pattern,
            process: &process,
        };
        match format {
            Format::Cxi => io::write_result(path, force, &reconstruction),
            Format::Npz => io::write_result_npz(path, force, &reconstruction),
        }
    }

    /// Time that phasing took.
    fn took(&self) -> Duration {
        Duration::try_from_secs_f64(self.summary.seconds).unwrap_or_default()
    }

    /// Maps of the object that go into a result.
    fn maps(&self) -> Vec<(&str, &str, &Centered<f32>)> {
        let deviations = self.uncertainty.as_ref();
        let all = [
            ("phase", "rad", self.phase.as_ref().map(|unwrapped| &unwrapped.phase)),
            ("modulus_std", "sqrt(photons)", deviations.map(|of| &of.modulus)),
            ("phase_std", "rad", deviations.map(|of| &of.phase)),
            ("hidden_fraction", "1", self.hidden.as_ref()),
        ];
        all.into_iter().filter_map(|(name, unit, map)| Some((name, unit, map?))).collect()
    }

    /// Writes one CXI file for each kept run into `folder`, named as PyNX names them:
    /// `STEM_Run0003_LLKf0000.9980_LLK0000.5092_SupportThreshold0.14012.cxi`, or with
    /// `SupportArea0.04500` where the run kept an area. Returns their paths, best
    /// run first.
    ///
    /// # Errors
    /// [`crate::Error::Exists`] without `force`, and [`crate::Error::Write`].
    pub fn write_runs(
        &self,
        folder: &Path,
        stem: &str,
        force: bool,
        command: &str,
        settings: &Settings,
    ) -> Result<Vec<PathBuf>> {
        let mut paths = Vec::new();
        for run in self.ensemble.kept.iter().filter(|run| !run.is_average()) {
            let name = format!(
                "{stem}_Run{:04}_LLKf{:09.4}_LLK{:09.4}_{}.cxi",
                run.number,
                run.fit.free_llk_poisson.unwrap_or(0.0),
                run.fit.llk_poisson,
                match run.cut {
                    Cut::Threshold(threshold) => format!("SupportThreshold{threshold:.5}"),
                    Cut::Area(area) => format!("SupportArea{area:.5}"),
                }
            );
            let line = self.ensemble.all.iter().find(|line| line.number == run.number);
            let process = io::Process::new(command, settings, &line.map(|line| Line { run: line, fit: run.fit }))?;
            let process = process.lasting(self.took());
            let psf = run.psf.as_ref().map(Psf::array);
            let object = Gauge::of(&run.object, !settings.recipe.positivity).removed(&run.object);
            let reconstruction = io::Reconstruction {
                object: &object,
                support: &run.support,
                runs: &[],
                modes: &[],
                mode_weights: &[],
                psf: psf.as_ref(),
                maps: &[],
                curves: &[],
                pattern: &self.pattern,
                process: &process,
            };
            let path = folder.join(name);
            io::write_result(&path, force, &reconstruction)?;
            paths.push(path);
        }
        Ok(paths)
    }

    /// Writes the report: one HTML page with pictures, curves and settings. `file` names the
    /// pattern.
    ///
    /// # Errors
    /// [`crate::Error::Exists`] without `force`, and [`crate::Error::Write`].
    pub fn write_page(&self, path: &Path, force: bool, file: &str, command: &str, settings: &Settings) -> Result<()> {
        io::write_text(path, force, &self.page(file, command, settings).to_html())
    }

    /// Makes the report that [`Reconstruction::write_page`] writes.
    pub fn page(&self, file: &str, command: &str, settings: &Settings) -> Report {
        page::page(self, file, command, settings)
    }

    /// Makes the report in short, for a cell of a notebook ([`Report::to_fragment`]).
    pub fn overview(&self, file: &str) -> Report {
        page::overview(self, file)
    }

    /// Writes the pattern with the estimates of its gap ([`Reconstruction::pattern`]); nothing where
    /// there are none. Says whether there was something to write.
    ///
    /// # Errors
    /// [`crate::Error::Exists`] without `force`, and [`crate::Error::Write`].
    pub fn write_completed(&self, path: &Path, force: bool, command: &str, settings: &Settings) -> Result<bool> {
        if self.pattern.estimate.is_none() {
            return Ok(false);
        }
        #[derive(Serialize)]
        struct Results {
            method: String,
        }
        let method = match self.summary.completed_from_runs {
            Some(runs) => format!("network, which looked at what {} calculate", counted(runs, "run")),
            None => self.summary.search_gap.unwrap_or(self.summary.gap).to_string(),
        };
        let process = io::Process::new(command, settings, &Results { method })?.lasting(self.took());
        io::write_pattern(path, force, &self.pattern, None, &process)?;
        Ok(true)
    }
}

/// What a file of one run says of it, its fit under the names that PyNX has.
#[derive(Serialize)]
struct Line<'a> {
    #[serde(flatten)]
    fit: Fit,
    run: &'a RunSummary,
}

/// Named curves of points `(x, y)`: fits of each run over the cycles, PRTF and FSC over frequency.
fn curves(result: &Reconstruction) -> Vec<(String, Vec<(f64, f64)>)> {
    let mut curves: Vec<(String, Vec<(f64, f64)>)> = Vec::new();
    for run in result.ensemble.all.iter().filter(|run| !run.is_average()) {
        let points = |value: &dyn Fn(&Point) -> f64| {
            run.curve.iter().map(|point| (point.cycle as f64, value(point))).collect::<Vec<_>>()
        };
        let name = match run.average_of {
            0 => format!("seed_{}", run.seed),
            _ => format!("average_{}", run.number),
        };
        curves.push((format!("r_factor_{name}"), points(&|p| p.fit.r_factor)));
        curves.push((format!("llk_poisson_{name}"), points(&|p| p.fit.llk_poisson)));
        if run.curve.iter().any(|point| point.fit.free_llk_poisson.is_some()) {
            let free = points(&|p| p.fit.free_llk_poisson.unwrap_or(f64::NAN));
            curves.push((format!("free_llk_poisson_{name}"), free));
        }
    }
    // One run agrees with itself: these curves only say something of several.
    let combined = &result.combined;
    if !combined.fsc.is_empty() {
        curves.push(("prtf".into(), combined.prtf.iter().map(|s| (s.frequency, s.value)).collect()));
        curves.push(("fsc".into(), combined.fsc.iter().map(|s| (s.frequency, s.value)).collect()));
        curves.push(("fsc_half_bit".into(), combined.fsc.iter().map(|s| (s.frequency, s.half_bit)).collect()));
    }
    if let Some(split) = &result.split {
        curves.push(("fsc_split_data".into(), split.fsc.iter().map(|s| (s.frequency, s.value)).collect()));
        curves.push(("fsc_split_data_half_bit".into(), split.fsc.iter().map(|s| (s.frequency, s.half_bit)).collect()));
    }
    curves
}
