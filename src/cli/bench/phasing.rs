//! `lacuna bench phasing`: seconds a cycle, and bytes of memory a voxel.

use super::clock::cpu_seconds;
use lacuna::error::Result;
use lacuna::geometry::Geometry;
use lacuna::phasing::Algorithm;
use lacuna::phasing::cpu::Cpu;
use lacuna::phasing::problem::Problem;
use lacuna::phasing::psf::Psf;
use lacuna::phasing::rules::Cycle;
use lacuna::phasing::start::{Draws, Form};
use lacuna::phasing::support::SupportRule;
use lacuna::pixels::{Pattern, trimmed};
use lacuna::volume::{Centered, Cornered, Shape};
use num_complex::Complex32;
use rayon::prelude::*;
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
        crate::cli::flags::MachineFlags { threads: self.threads, max_memory: None }.apply()?;
        for size in &self.sizes {
            self.size(shape(size)?)?;
        }
        Ok(())
    }

    /// Measures one size and prints its lines.
    fn size(&self, shape: Shape) -> Result<()> {
        let before = Memory::now();
        let (problem, object, support) = problem(shape)?;
        let mut backend = Cpu::new(Arc::clone(&problem));
        backend.start(&object, &support);
        drop((object, support));
        let memory = before.and_then(|before| before.peak_above(&mut backend));
        let n: usize = shape.iter().product();
        let size = lacuna::error::shape_text(&trimmed(shape));
        let bandwidth = copy_bandwidth(n);
        let fft = lacuna::fft::Fft::new(shape);
        let mut field = vec![num_complex::Complex32::ONE; n];
        let [bare, bare_cpu] = self.median_seconds(&mut |times| {
            (0..times).for_each(|_| {
                fft.forward(&mut field);
                fft.inverse(&mut field);
            });
        });
        drop(field);
        for (name, algorithm) in [("HIO", Algorithm::Hio), ("ER", Algorithm::Er), ("RAAR", Algorithm::Raar)] {
            let cycle = algorithm.cycle(0.9, false);
            let [wall, cpu] = self.median_seconds(&mut |times| backend.cycles(cycle, times));
            let bytes = bytes(cycle) * n;
            let fraction = bytes as f64 / wall / bandwidth;
            self.print(
                json!({"size": size, "step": name, "seconds_per_cycle": wall, "cpu_seconds_per_cycle": cpu, "bytes_moved": bytes,
                       "fraction_of_copy_bandwidth": fraction, "to_two_bare_transforms": wall / bare}),
                format!(
                    "{size:>12} {name:>15}: {:8.2} ms, {:8.2} ms of CPU, {:.2} of two bare transforms, {:.0} % of the copy bandwidth",
                    wall * 1e3, cpu * 1e3, wall / bare, 100.0 * fraction
                ),
            )?;
        }
        self.blurred(&size, &problem, backend.object())?;
        if n <= SIDE_BY_SIDE && rayon::current_num_threads() > 1 {
            self.side_by_side(&size, &problem)?;
        }
        let update = SupportRule { only_shrink: false, ..SupportRule::default() };
        let [wall, cpu] = self.median_seconds(&mut |times| {
            (0..times).for_each(|_| {
                backend.update_support(&update);
            });
        });
        if let Some(bytes) = memory {
            let each = bytes as f64 / n as f64;
            self.print(
                json!({"size": size, "step": "memory", "bytes": bytes, "bytes_per_voxel": each}),
                format!(
                    "{size:>12} {:>15}: {each:.1} bytes a voxel at the most, with cycles of HIO and a support update",
                    "memory"
                ),
            )?;
        }
        for (name, wall, cpu) in [("support update", wall, cpu), ("two transforms", bare, bare_cpu)] {
            self.print(
                json!({"size": size, "step": name, "seconds_per_cycle": wall, "cpu_seconds_per_cycle": cpu}),
                format!("{size:>12} {name:>15}: {:8.2} ms, {:8.2} ms of CPU", wall * 1e3, cpu * 1e3),
            )?;
        }
        Ok(())
    }

    /// A cycle of HIO with blurred intensities, and an update of the kernel.
    fn blurred(&self, size: &str, problem: &Arc<Problem>, object: Cornered<Complex32>) -> Result<()> {
        let support = Cornered::filled(problem.shape(), true);
        for (name, eta) in [("gaussian", 0.0), ("pseudo-voigt", 0.05)] {
            let psf = Psf::of_peaks(&[1.0], eta, problem.shape())?;
            let mut backend = Cpu::new(Arc::new(Problem::clone(problem).with_psf(psf)));
            backend.start(&object, &support);
            backend.set_psf(true);
            let cycle = Algorithm::Hio.cycle(0.9, false);
            let cycles = self.median_seconds(&mut |times| backend.cycles(cycle, times));
            let updates = self.median_seconds(&mut |times| (0..times).for_each(|_| backend.update_psf()));
            for (what, [wall, cpu]) in [("HIO", cycles), ("kernel update", updates)] {
                let step = format!("{what}, {name}");
                self.print(
                    json!({"size": size, "step": step, "seconds_per_cycle": wall, "cpu_seconds_per_cycle": cpu}),
                    format!("{size:>12} {step:>15}: {:8.2} ms, {:8.2} ms of CPU", wall * 1e3, cpu * 1e3),
                )?;
            }
        }
        Ok(())
    }

    /// A cycle of HIO of as many runs as there are threads, each on a thread of its own: seconds
    /// divided by their number.
    fn side_by_side(&self, size: &str, problem: &Arc<Problem>) -> Result<()> {
        let threads = rayon::current_num_threads();
        let support = Cornered::filled(problem.shape(), true);
        let object = Draws::new(2).object(&support, 3.0, problem.photons);
        let mut runs: Vec<Cpu> = (0..threads).map(|_| Cpu::new(Arc::clone(problem))).collect();
        runs.iter_mut().for_each(|run| run.start(&object, &support));
        let cycle = Algorithm::Hio.cycle(0.9, false);
        let [wall, cpu] = self
            .median_seconds(&mut |times| runs.par_iter_mut().with_max_len(1).for_each(|run| run.cycles(cycle, times)))
            .map(|seconds| seconds / threads as f64);
        self.print(
            json!({"size": size, "step": "HIO side by side", "seconds_per_cycle": wall, "cpu_seconds_per_cycle": cpu}),
            format!("{size:>12} {:>15}: {:8.2} ms, {:8.2} ms of CPU", "side by side", wall * 1e3, cpu * 1e3),
        )
    }

    /// Median wall-clock and CPU seconds of one repetition of `work`, which is told how often to
    /// repeat.
    fn median_seconds(&self, work: &mut dyn FnMut(usize)) -> [f64; 2] {
        let mut once = |times: usize| {
            let (wall, cpu) = (Instant::now(), cpu_seconds());
            work(times);
            [wall.elapsed().as_secs_f64(), cpu_seconds() - cpu].map(|seconds| seconds / times as f64)
        };
        once(1);
        let times = ((self.seconds / once(1)[0]) as usize).clamp(1, 1000);
        let measured: Vec<[f64; 2]> = (0..self.repeat.max(1)).map(|_| once(times)).collect();
        [0, 1].map(|k| lacuna::metrics::median(&measured.iter().map(|m| m[k]).collect::<Vec<_>>()))
    }

    fn print(&self, mut line: serde_json::Value, text: String) -> Result<()> {
        line["bench"] = "phasing".into();
        line["threads"] = rayon::current_num_threads().into();
        line["repeat"] = self.repeat.into();
        line["version"] = env!("CARGO_PKG_VERSION").into();
        crate::cli::text::print(if self.json { format!("{line}\n") } else { format!("{text}\n") })
    }
}

/// Largest number of pixels for which runs side by side are measured: larger problems are never
/// phased so.
const SIDE_BY_SIDE: usize = 1 << 18;

/// Bytes a voxel that a cycle reads and writes in memory: the transform twice, the bounds, the
/// support, and the object where it is needed.
pub fn bytes(cycle: Cycle) -> usize {
    match cycle {
        Cycle::Rule(rule) => 4 * 8 + 4 + 1 + if rule.needs_no_object() { 0 } else { 2 * 8 },
        Cycle::DifferenceMap { .. } => 2 * (4 * 8 + 4 + 1) + 5 * 8,
    }
}

/// Bytes a second that all threads together read and write when they copy an array of `n` complex
/// numbers.
fn copy_bandwidth(n: usize) -> f64 {
    const CHUNK: usize = 1 << 16;
    let source = vec![num_complex::Complex32::ONE; n];
    let mut target = source.clone();
    let times = (1 << 26) / n + 2;
    let begun = Instant::now();
    for _ in 0..times {
        let chunks = target.par_chunks_mut(CHUNK).zip(source.par_chunks(CHUNK));
        chunks.for_each(|(target, source)| target.copy_from_slice(source));
        std::hint::black_box(&mut target);
    }
    (16 * n * times) as f64 / begun.elapsed().as_secs_f64()
}

/// Problem of a ball behind a gap, a third of the last axis across, with a first object and
/// support.
pub fn problem(shape: Shape) -> Result<(Arc<Problem>, Cornered<Complex32>, Cornered<bool>)> {
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
    Ok((problem, object, support))
}

/// Reads `512x512` or `128x128x128`.
pub fn shape(text: &str) -> Result<Shape> {
    let wrong = || lacuna::Error::setting("--sizes", text, "write for example 512x512 or 128x128x128");
    let extents: Vec<usize> = text.split('x').map(|n| n.parse().map_err(|_| wrong())).collect::<Result<_>>()?;
    match *extents.as_slice() {
        [y, x] if y >= 32 && x >= 32 => Ok([1, y, x]),
        [z, y, x] if z >= 32 && y >= 32 && x >= 32 => Ok([z, y, x]),
        _ => Err(wrong()),
    }
}

/// Resident memory of this process at one moment, bytes; only on Linux.
struct Memory {
    before: u64,
}

impl Memory {
    fn now() -> Option<Memory> {
        status("VmRSS:").map(|before| Memory { before })
    }

    /// Peak of memory while a run does cycles and updates its support, above what was in use before
    /// it was made, bytes.
    fn peak_above(&self, backend: &mut Cpu) -> Option<u64> {
        // Resets the peak, which making the problem may have set.
        std::fs::write("/proc/self/clear_refs", "5").ok()?;
        let cycle = Algorithm::Hio.cycle(0.9, false);
        backend.cycles(cycle, 2);
        backend.update_support(&SupportRule::default());
        backend.fit();
        status("VmHWM:").map(|peak| peak.saturating_sub(self.before))
    }
}

/// Value of a line of `/proc/self/status`, bytes.
fn status(name: &str) -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim().trim_end_matches("kB").trim().parse::<u64>().ok().map(|kilobytes| kilobytes * 1024)
}
