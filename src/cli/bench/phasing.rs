//! `lacuna bench phasing`: seconds a cycle.

use super::cpu_seconds;
use lacuna::error::Result;
use lacuna::geometry::Geometry;
use lacuna::phasing::cpu::Cpu;
use lacuna::phasing::problem::Problem;
use lacuna::phasing::start::{Draws, Form};
use lacuna::phasing::support::SupportRule;
use lacuna::phasing::{Algorithm, Backend};
use lacuna::pixels::{Pattern, trimmed};
use lacuna::volume::{Centered, Shape};
use serde_json::json;
use std::sync::Arc;
use std::time::Instant;

/// Arguments of `lacuna bench phasing`.
#[derive(Debug, clap::Args)]
pub struct Phasing {
    /// Sizes, for example 512x512 or 128x128x128
    #[arg(long, value_delimiter = ',', default_value = "512x512,1024x1024,128x128x128,256x256x256")]
    sizes: Vec<String>,
    /// Repetitions of which the median is taken
    #[arg(long, default_value_t = 5)]
    repeat: usize,
    /// Seconds that one repetition should last
    #[arg(long, default_value_t = 0.8)]
    seconds: f64,
    /// Number of threads [default: all cores]
    #[arg(long)]
    threads: Option<usize>,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
}

impl Phasing {
    pub fn execute(self) -> Result<()> {
        crate::cli::MachineFlags { threads: self.threads, max_memory: None }.apply()?;
        for size in &self.sizes {
            self.size(shape(size)?)?;
        }
        Ok(())
    }

    /// Measures one size and prints its lines.
    fn size(&self, shape: Shape) -> Result<()> {
        let mut backend = backend(shape)?;
        let size = lacuna::error::shape_text(&trimmed(shape));
        let work: [(&str, Option<Algorithm>); 4] = [
            ("HIO", Some(Algorithm::Hio)),
            ("ER", Some(Algorithm::Er)),
            ("RAAR", Some(Algorithm::Raar)),
            ("support update", None),
        ];
        for (name, algorithm) in work {
            let mut once = |n: usize| {
                let (wall, cpu) = (Instant::now(), cpu_seconds());
                match algorithm {
                    Some(algorithm) => backend.cycles(algorithm.cycle(0.9, false), n),
                    None => (0..n).for_each(|_| {
                        backend.update_support(&SupportRule { only_shrink: false, ..SupportRule::default() });
                    }),
                }
                (wall.elapsed().as_secs_f64() / n as f64, (cpu_seconds() - cpu) / n as f64)
            };
            once(1);
            let n = ((self.seconds / once(1).0) as usize).clamp(1, 1000);
            let mut measured: Vec<(f64, f64)> = (0..self.repeat.max(1)).map(|_| once(n)).collect();
            let mut median = |by: fn(&(f64, f64)) -> f64| {
                measured.sort_by(|a, b| by(a).total_cmp(&by(b)));
                by(&measured[measured.len() / 2])
            };
            let (wall, cpu) = (median(|m| m.0), median(|m| m.1));
            crate::cli::print(if self.json {
                let line = json!({"bench": "phasing", "size": size, "step": name, "seconds_per_cycle": wall,
                                  "cpu_seconds_per_cycle": cpu, "threads": rayon::current_num_threads(),
                                  "cycles": n, "repeat": self.repeat, "version": env!("CARGO_PKG_VERSION")});
                format!("{line}\n")
            } else {
                format!("{size:>12} {name:>15}: {:8.2} ms, {:8.2} ms of CPU\n", wall * 1e3, cpu * 1e3)
            })?;
        }
        Ok(())
    }
}

/// A pattern of a ball with a gap, at its size's usual oversampling.
fn backend(shape: Shape) -> Result<Cpu> {
    let support = Form::Circle(shape[2] as f64 / 6.0).support(shape);
    let mut field = Draws::new(0).object(&support, 1.0, 1e8);
    let fft = lacuna::fft::Fft::new(shape);
    if let Some(data) = field.0.as_slice_mut() {
        fft.forward(data);
    }
    let intensity = Centered(field.to_centered().0.mapv(|v| v.norm_sqr().round()));
    let mut mask = Centered::filled(shape, 0u32);
    let row = shape[1] / 2 + 10;
    mask.0.slice_mut(ndarray::s![.., row..row + 6, ..]).fill(lacuna::pixels::bit::MISSING);
    let pattern = Pattern::new(intensity, mask, Geometry::default())?;
    let held_out = lacuna::phasing::problem::hold_out(&pattern, 0.05, 0, false);
    let problem = Arc::new(Problem::new(&pattern, &held_out, false)?);
    let object = Draws::new(1).object(&support, 3.0, problem.photons);
    let mut backend = Cpu::new(problem);
    backend.start(&object, &support);
    Ok(backend)
}

/// `512x512` or `128x128x128`.
fn shape(text: &str) -> Result<Shape> {
    let wrong = || lacuna::Error::setting("--sizes", text, "write for example 512x512 or 128x128x128");
    let extents: Vec<usize> = text.split('x').map(|n| n.parse().map_err(|_| wrong())).collect::<Result<_>>()?;
    match *extents.as_slice() {
        [y, x] if y >= 32 && x >= 32 => Ok([1, y, x]),
        [z, y, x] if z >= 32 && y >= 32 && x >= 32 => Ok([z, y, x]),
        _ => Err(wrong()),
    }
}
