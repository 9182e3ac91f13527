//! `lacuna bench simulate`: patterns a second, and patches a second as a training gets them.

use super::clock::cpu_seconds;
use lacuna::error::{Error, Result};
use lacuna::io::set::{Set, SetWriter, Split};
use lacuna::simulate::pattern::pattern;
use lacuna::simulate::recipe::Recipe;
use lacuna::training::{PatchOptions, PatchStream, set_entry, set_header};
use rayon::prelude::*;
use serde_json::json;
use std::sync::Arc;
use std::time::Instant;

/// Arguments of `lacuna bench simulate`.
#[derive(Debug, clap::Args)]
pub struct Simulate {
    /// Patterns of each recipe
    #[arg(long, default_value_t = 32)]
    patterns: usize,
    /// Patches of each recipe
    #[arg(long, default_value_t = 2000)]
    patches: usize,
    /// Number of threads [default: all cores]
    #[arg(long)]
    threads: Option<usize>,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
}

impl Simulate {
    pub fn execute(self) -> Result<()> {
        crate::cli::flags::MachineFlags { threads: self.threads, max_memory: None }.apply()?;
        if self.patterns == 0 || self.patches == 0 {
            return Err(Error::setting("--patterns", self.patterns, "at least one pattern and one patch are measured"));
        }
        self.recipe("forward2d", &[128, 128])?;
        self.recipe("bragg3d", &[64, 64, 64])
    }

    fn recipe(&self, name: &str, shape: &[usize]) -> Result<()> {
        let (mut recipe, text) = Recipe::read(name)?;
        recipe.shape = shape.to_vec();
        recipe.count = self.patterns;
        let folder = tempfile::tempdir().map_err(|error| Error::write(std::env::temp_dir(), error))?;
        let path = folder.path().join("set.h5");
        let writer = SetWriter::open(&path, set_header(&recipe, text), false)?;
        let (wall, cpu) = (Instant::now(), cpu_seconds());
        (0..recipe.count)
            .into_par_iter()
            .with_max_len(1)
            .try_for_each(|index| writer.put(index, &set_entry(&recipe, pattern(&recipe, index))))?;
        self.print(name, shape, "patterns", recipe.count, wall, cpu)?;
        writer.finish(|_| {})?;

        // Everything at its default, as a training has it, but from all patterns that there are.
        let set = Arc::new(Set::open(&path)?);
        let options =
            PatchOptions { split: Split::Train, threads: self.threads.unwrap_or(0), ..PatchOptions::default() };
        let mut stream = PatchStream::new(set, options)?;
        // The first block is not measured: it waits for the file to come into the cache.
        for patch in stream.by_ref().take(256) {
            patch?;
        }
        let (wall, cpu) = (Instant::now(), cpu_seconds());
        for patch in stream.take(self.patches) {
            patch?;
        }
        self.print(name, shape, "patches", self.patches, wall, cpu)
    }

    fn print(&self, recipe: &str, shape: &[usize], what: &str, count: usize, wall: Instant, cpu: f64) -> Result<()> {
        let (wall, cpu) = (wall.elapsed().as_secs_f64(), cpu_seconds() - cpu);
        let size = lacuna::error::shape_text(shape);
        let rate = count as f64 / wall;
        crate::cli::text::print(if self.json {
            let line = json!({"bench": "simulate", "recipe": recipe, "size": size, "what": what, "count": count,
                              "per_second": rate, "cpu_seconds_each": cpu / count as f64,
                              "threads": rayon::current_num_threads(), "version": env!("CARGO_PKG_VERSION")});
            format!("{line}\n")
        } else {
            let each = 1e3 * cpu / count as f64;
            format!("{recipe:>12} {size:>10}: {rate:8.1} {what}/s, {each:.2} ms of CPU each\n")
        })
    }
}
