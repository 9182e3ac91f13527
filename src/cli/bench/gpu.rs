//! `lacuna bench gpu`: whether a GPU agrees with the CPU, and how fast it is.

use super::agreement::{Agreement, agreements};
use super::phasing::{bytes, problem, shape};
use lacuna::error::{Error, Result};
use lacuna::phasing::Algorithm;
use lacuna::phasing::Recipe;
use lacuna::phasing::backend::Backend;
use lacuna::phasing::backend::Start;
use lacuna::phasing::cuda::Cuda;
use lacuna::phasing::problem::Problem;
use lacuna::phasing::support::SupportRule;
use lacuna::volume::Shape;
use serde_json::json;
use std::sync::Arc;
use std::time::Instant;

/// Arguments of `lacuna bench gpu`.
#[derive(Debug, clap::Args)]
pub struct Gpu {
    /// Number of the GPU
    #[arg(long, default_value_t = 0)]
    gpu: usize,
    /// Only the comparisons, or only the speeds
    #[arg(long, value_enum)]
    only: Option<Section>,
    /// Sizes whose cycles are timed; those that do not fit are left out
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "512x512,1024x1024,2048x2048,4096x4096,128x128x128,256x256x256,512x512x512,1024x1024x1024"
    )]
    sizes: Vec<String>,
    /// Sizes whose batches of 1, 8 and 64 runs are timed
    #[arg(long, value_delimiter = ',', default_value = "256x256,64x64x64")]
    batches: Vec<String>,
    /// Seconds that one timing should last
    #[arg(long, default_value_t = 0.5)]
    seconds: f64,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
}

/// Half of the benchmark.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Section {
    Checks,
    Speeds,
}

/// Opens GPU `gpu` for `count` runs, with passes of our own (`fused`) or with cuFFT.
pub fn open(problem: Arc<Problem>, recipe: &Recipe, gpu: usize, count: usize, fused: bool) -> Result<Cuda> {
    Cuda::new(problem, recipe, gpu, count, fused).map_err(|why| Error::setting("--gpu", gpu, why.to_string()))
}

impl Gpu {
    pub fn execute(self) -> Result<()> {
        if self.only != Some(Section::Speeds) {
            self.checks()?;
        }
        if self.only != Some(Section::Checks) {
            self.speeds()?;
        }
        Ok(())
    }

    fn checks(&self) -> Result<()> {
        let mut all = Vec::new();
        for (fused, name) in [(true, "fused passes"), (false, "cuFFT")] {
            if !fused && !lacuna::phasing::cuda::has_cufft() {
                self.print(json!({"skipped": name}), "cuFFT was not found: its path was not checked")?;
                continue;
            }
            let open = |problem: Arc<Problem>, recipe: &Recipe, count: usize| -> Result<Box<dyn Backend>> {
                Ok(Box::new(open(problem, recipe, self.gpu, count, fused)?))
            };
            let mut failed = None;
            let mut report = |agreement: &Agreement| {
                let Agreement { what, size, difference, limit } = agreement;
                let verdict = if agreement.holds() { "agrees" } else { "DIFFERS" };
                let text = format!("{verdict:8} {size:>12} {what}: {difference:.1e}, may be {limit:.0e}");
                failed =
                    self.print(json!({"check": agreement, "agrees": agreement.holds()}), &text).err().or(failed.take());
            };
            all.extend(agreements(&open, name, &mut report)?);
            if let Some(error) = failed {
                return Err(error);
            }
        }
        let wrong = all.iter().filter(|agreement| !agreement.holds()).count();
        if wrong > 0 {
            return Err(Error::Object(format!(
                "{wrong} of {} comparisons of GPU {} with the CPU differ",
                all.len(),
                self.gpu
            )));
        }
        self.print(json!({"agreements": all.len()}), &format!("{} comparisons agree", all.len()))
    }

    fn speeds(&self) -> Result<()> {
        let text = "| size | transforms | HIO, ms a cycle | ER | RAAR | support update | to two bare cuFFT transforms | bytes moved | \
                    of the copy bandwidth | memory |\n|---|---|---|---|---|---|---|---|---|---|";
        if !self.json {
            crate::cli::text::print(format!("{text}\n"))?;
        }
        for size in &self.sizes {
            self.size(size, shape(size)?)?;
        }
        if !self.json {
            crate::cli::text::print(
                "\n| size | runs | ms a cycle of HIO for all | ms for each |\n|---|---|---|---|\n",
            )?;
        }
        for size in &self.batches {
            let shape = shape(size)?;
            for runs in [1, 8, 64] {
                let Some(mut cuda) = self.started(size, shape, runs, true)? else { continue };
                let milliseconds = 1e3 * self.cycle(&mut cuda, Algorithm::Hio)?;
                let each = milliseconds / runs as f64;
                self.print(
                    json!({"size": size, "runs": runs, "milliseconds_per_cycle": milliseconds, "milliseconds_per_run": each}),
                    &format!("| {size} | {runs} | {milliseconds:.3} | {each:.4} |"),
                )?;
            }
        }
        Ok(())
    }

    /// Times the cycles of one size with our own passes and with cuFFT.
    fn size(&self, size: &str, shape: Shape) -> Result<()> {
        let n: usize = shape.iter().product();
        let mut bare = None;
        let mut bandwidth = None;
        for fused in [false, true] {
            if !fused && !lacuna::phasing::cuda::has_cufft() {
                continue;
            }
            // One at a time: the largest sizes leave no memory for two.
            let Some(mut cuda) = self.started(size, shape, 1, fused)? else { continue };
            if fused && cuda.transforms() == "cuFFT" {
                continue;
            }
            if !fused {
                bare = Some(self.timed(&mut cuda, &mut |cuda, n| cuda.bare_transforms(n))?);
            }
            let bandwidth = match bandwidth {
                Some(known) => known,
                None => {
                    let mut moved = 0;
                    let copy = self.timed(&mut cuda, &mut |cuda, n| moved = cuda.copies(n))?;
                    *bandwidth.insert(moved as f64 / copy)
                }
            };
            let [hio, er, raar] =
                [Algorithm::Hio, Algorithm::Er, Algorithm::Raar].map(|algorithm| self.cycle(&mut cuda, algorithm));
            let (hio, er, raar) = (hio?, er?, raar?);
            let rule = SupportRule::default();
            let update = self.timed(&mut cuda, &mut |cuda, n| {
                (0..n).for_each(|_| cuda.update_supports(&rule, &[rule.cut]));
            })?;
            let moved = bytes_of_cycle(Algorithm::Hio, fused, shape[0] > 1) * n;
            let fraction = moved as f64 / hio / bandwidth;
            let ratio = bare.map(|bare| hio / bare);
            let name = cuda.transforms();
            let memory = cuda.taken()?;
            self.print(
                json!({"size": size, "transforms": name, "hio_seconds": hio, "er_seconds": er, "raar_seconds": raar,
                       "support_update_seconds": update, "bare_transforms_seconds": bare, "to_two_bare_transforms": ratio,
                       "bytes_moved": moved, "copy_bandwidth": bandwidth, "fraction_of_copy_bandwidth": fraction, "memory_bytes": memory}),
                &format!(
                    "| {size} | {name} | {:.3} | {:.3} | {:.3} | {:.3} | {} | {} | {:.0} % | {} |",
                    1e3 * hio, 1e3 * er, 1e3 * raar, 1e3 * update,
                    ratio.map_or("-".into(), |ratio| format!("{ratio:.2}")),
                    lacuna::error::bytes_text(moved as u64), 100.0 * fraction, lacuna::error::bytes_text(memory)
                ),
            )?;
        }
        Ok(())
    }

    /// A backend with started runs; `None`, after a line that says so, if the size does not fit.
    fn started(&self, size: &str, shape: Shape, runs: usize, fused: bool) -> Result<Option<Cuda>> {
        let (problem, object, support) = problem(shape)?;
        let recipe: Recipe = "HIO**2".parse()?;
        let mut cuda = match open(problem, &recipe, self.gpu, runs, fused) {
            Ok(cuda) => cuda,
            Err(error) => {
                self.print(json!({"size": size, "skipped": error.to_string()}), &format!("{size}: left out: {error}"))?;
                return Ok(None);
            }
        };
        if cuda.batch_size() < runs {
            self.print(
                json!({"size": size, "runs": runs, "skipped": "memory"}),
                &format!("{size}: {runs} runs do not fit"),
            )?;
            return Ok(None);
        }
        cuda.start(&vec![Start { object, support }; runs]);
        cuda.wait()?;
        Ok(Some(cuda))
    }

    /// Seconds of a cycle, in batches of 25 as runs do them.
    fn cycle(&self, cuda: &mut Cuda, algorithm: Algorithm) -> Result<f64> {
        const BATCH: usize = 25;
        let cycle = algorithm.cycle(0.9, false);
        Ok(self.timed(cuda, &mut |cuda, n| (0..n).for_each(|_| cuda.cycles(cycle, BATCH)))? / BATCH as f64)
    }

    /// Median seconds of one repetition of `work`, which is told how often to repeat.
    fn timed(&self, cuda: &mut Cuda, work: &mut dyn FnMut(&mut Cuda, usize)) -> Result<f64> {
        let mut once = |n: usize| -> Result<f64> {
            let begun = Instant::now();
            work(cuda, n);
            cuda.wait()?;
            Ok(begun.elapsed().as_secs_f64() / n as f64)
        };
        once(1)?;
        let n = ((self.seconds / once(2)?) as usize).clamp(1, 10_000);
        let all: Vec<f64> = (0..5).map(|_| once(n)).collect::<Result<_>>()?;
        Ok(lacuna::metrics::median(&all))
    }

    fn print(&self, mut line: serde_json::Value, text: &str) -> Result<()> {
        line["bench"] = "gpu".into();
        crate::cli::text::print(if self.json { format!("{line}\n") } else { format!("{text}\n") })
    }
}

/// Bytes a voxel that a cycle moves: transforms of our own read and write each value once a pass,
/// two passes in two dimensions and four in three; cuFFT's are counted as two passes in two
/// dimensions and three in three, with two more for the work between them.
fn bytes_of_cycle(algorithm: Algorithm, fused: bool, deep: bool) -> usize {
    let rest = bytes(algorithm.cycle(0.9, false)) - 4 * 8;
    let passes = match (fused, deep) {
        (true, false) => 2,
        (true, true) => 4,
        (false, false) => 2 * 2 + 2,
        (false, true) => 2 * 3 + 2,
    };
    rest + passes * 2 * 8
}
