//! `lacuna bench psf`: simulated particles whose patterns are blurred, phased with and without a PSF.

use super::clock::cpu_seconds;
use super::phasing::shape;
use lacuna::error::{Result, shape_text};
use lacuna::geometry::Geometry;
use lacuna::metrics::{RegistrationOptions, median, register};
use lacuna::phasing::ensemble::FirstSupport;
use lacuna::phasing::problem::hold_out;
use lacuna::pixels::{Pattern, trimmed};
use lacuna::reconstruct::{BoundsCourse, PhasingStart, phase};
use lacuna::settings::{Settings, TypedSettings};
use lacuna::simulate::draw::ParameterRange;
use lacuna::simulate::pattern::{Simulated, pattern};
use lacuna::simulate::recipe::Recipe;
use lacuna::volume::Shape;
use serde::Serialize;
use serde_json::json;

/// Arguments of `lacuna bench psf`.
#[derive(Debug, clap::Args)]
pub struct Psf {
    /// Sizes, for example 128x128 or 48x48x48
    #[arg(long, value_delimiter = ',', default_value = "128x128,48x48x48")]
    sizes: Vec<String>,
    /// Full widths at half maximum of the simulated blur, pixels along every axis
    #[arg(long, value_delimiter = ',', default_value = "0.4,0.7,1")]
    widths: Vec<f64>,
    /// Particles of each width
    #[arg(long, default_value_t = 3)]
    seeds: u64,
    /// Random starts of each reconstruction
    #[arg(long, default_value_t = 2)]
    nb_run: usize,
    /// PSFs to phase with; WIDTH stands for the simulated width
    #[arg(long, value_delimiter = ';', default_value = "none;gaussian,WIDTH;gaussian,1,20;pseudo-voigt,1,0.05,20")]
    psfs: Vec<String>,
    /// Fraction of the cycles after which the PSF is switched on [default: the preset's]
    #[arg(long)]
    psf_begin: Option<f64>,
    /// Cycles between support updates; 0 keeps the true support
    #[arg(long, default_value_t = 0)]
    support_update_period: usize,
    /// Number of threads [default: all cores]
    #[arg(long)]
    threads: Option<usize>,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
}

/// What came of one pattern.
#[derive(Serialize)]
struct Outcome {
    /// Relative error of the object.
    error: f64,
    r_factor: f64,
    free_llk_poisson: Option<f64>,
    /// Full widths at half maximum of the final kernel.
    widths: Vec<f64>,
    cpu_seconds: f64,
}

impl Psf {
    pub fn execute(self) -> Result<()> {
        crate::cli::flags::MachineFlags { threads: self.threads, max_memory: None }.apply()?;
        for size in &self.sizes {
            let shape = shape(size)?;
            for &width in &self.widths {
                self.width(shape, width)?;
            }
        }
        Ok(())
    }

    /// Phases the particles of one size and width, and prints a line for each PSF.
    fn width(&self, shape: Shape, width: f64) -> Result<()> {
        for psf in &self.psfs {
            let psf = psf.replace("WIDTH", &width.to_string());
            let all: Vec<Outcome> =
                (0..self.seeds).map(|seed| self.phased(shape, width, seed, &psf)).collect::<Result<_>>()?;
            let middle = |value: &dyn Fn(&Outcome) -> f64| median(&all.iter().map(value).collect::<Vec<_>>());
            let found: Vec<f64> = all.iter().flat_map(|outcome| outcome.widths.clone()).collect();
            let size = shape_text(&trimmed(shape));
            let bounds = found.iter().fold([f64::INFINITY, 0.0f64], |[low, high], &w| [low.min(w), high.max(w)]);
            let widths = if found.is_empty() {
                "no kernel".into()
            } else {
                format!("widths {:.2} to {:.2}, median {:.2}", bounds[0], bounds[1], median(&found))
            };
            let (error, r, seconds) =
                (middle(&|o| o.error), middle(&|o| o.r_factor), middle(&|outcome| outcome.cpu_seconds));
            let text = format!(
                "{size:>10} blurred by {width}, {psf:>24}: error {error:.3}, R {r:.4}, {widths}, {seconds:.1} s of CPU"
            );
            let line = json!({"bench": "psf", "size": size, "width": width, "psf": psf, "error": error, "r_factor": r,
                "cpu_seconds": seconds, "patterns": all, "version": env!("CARGO_PKG_VERSION")});
            crate::cli::text::print(if self.json { format!("{line}\n") } else { format!("{text}\n") })?;
        }
        Ok(())
    }

    /// Simulates a particle and phases it from its true support.
    fn phased(&self, shape: Shape, width: f64, seed: u64, psf: &str) -> Result<Outcome> {
        let simulated = simulated(shape, width, seed)?;
        let measured = Pattern::new(simulated.measured(), simulated.mask.clone(), Geometry::default())?;
        let mut typed = TypedSettings::default();
        typed.phasing.psf = Some(psf.into());
        typed.phasing.psf_begin = self.psf_begin;
        typed.phasing.support_update_period = Some(self.support_update_period);
        typed.phasing.nb_run = Some(self.nb_run);
        typed.phasing.nb_run_keep = Some(1);
        typed.phasing.device = Some("cpu".into());
        let preset = if shape[0] == 1 { "particle" } else { "bragg" };
        let settings = Settings::resolve(preset, &typed)?;
        let start = PhasingStart {
            held_out: hold_out(&measured, settings.ensemble.free_fraction, 0, false),
            support: FirstSupport::Given(simulated.support.to_cornered()),
        };
        let begun = cpu_seconds();
        let phased = phase(&measured, start, BoundsCourse::Kept, &settings, None, &())?;
        let best = &phased.ensemble.kept[0];
        let options = RegistrationOptions { subpixel: true, ramp: true };
        let axes = if shape[0] == 1 { 1..3 } else { 0..3 };
        Ok(Outcome {
            error: register(&best.object, &simulated.object, options)?.error,
            r_factor: best.fit.r_factor,
            free_llk_poisson: best.fit.free_llk_poisson,
            widths: best.psf.as_ref().map_or(Vec::new(), |psf| psf.widths()[axes].to_vec()),
            cpu_seconds: cpu_seconds() - begun,
        })
    }
}

/// A particle of the sets on which treatments are compared, its pattern blurred by this width.
fn simulated(shape: Shape, width: f64, seed: u64) -> Result<Simulated> {
    let (mut recipe, _) = Recipe::read(if shape[0] == 1 { "particles2d" } else { "particles3d" })?;
    recipe.shape = trimmed(shape);
    recipe.seed = seed;
    recipe.object.real = 0.0;
    // Weakly strained: what is measured is the blur, not the search.
    recipe.object.strain.rms = ParameterRange::new(0.2, 0.2);
    recipe.measurement.photons = ParameterRange::new(1e8, 1e8);
    recipe.measurement.psf.probability = 0.0;
    recipe.measurement.background.probability = 0.0;
    let coherence = &mut recipe.measurement.coherence;
    (coherence.probability, coherence.pseudo_voigt, coherence.width) = (1.0, 0.0, ParameterRange::new(width, width));
    Ok(pattern(&recipe, 0))
}
