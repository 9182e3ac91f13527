//! Writing a set: patterns are made in parallel, kept one by one, and put together at the end.

use crate::cli::console::Console;
use lacuna::error::{Error, Result, bytes_text};
use lacuna::io::set::{SetHeader, SetWriter};
use lacuna::reconstruct::Observer;
use lacuna::simulate::pattern::pattern;
use lacuna::simulate::recipe::Recipe;
use lacuna::training::set_entry;
use rayon::prelude::*;
use serde_json::json;
use std::path::Path;
use std::time::Instant;

/// Simulates what is missing of the set at `path`, and puts it together.
pub fn write(path: &Path, force: bool, recipe: &Recipe, recipe_text: String, console: &Console) -> Result<()> {
    let header = SetHeader {
        shape: recipe.extents(),
        count: recipe.count,
        seed: recipe.seed,
        recipe_name: recipe.name.clone(),
        recipe_text,
    };
    let writer = SetWriter::open(path, header, force)?;
    let missing = writer.missing();
    let resumed = recipe.count - missing.len();
    if resumed > 0 {
        console.note(format!("{resumed} of {} patterns are there from an earlier call", recipe.count));
    }
    let start = Instant::now();
    let bar = console.bar(recipe.count as u64, "simulate");
    bar.set_position(resumed as u64);
    let done = missing.par_iter().with_max_len(1).try_for_each(|&index| {
        if !console.go_on() {
            return Err(Error::Interrupted);
        }
        writer.put(index, &set_entry(recipe, pattern(recipe, index)))?;
        bar.inc(1);
        console.event("pattern", &json!({"index": index}));
        Ok(())
    });
    bar.finish_and_clear();
    if let Err(error) = done {
        console
            .note(format!("what is finished is kept beside {}: the same command goes on from there", path.display()));
        return Err(error);
    }
    let seconds = start.elapsed().as_secs_f64();
    let bar = console.bar(recipe.count as u64, "write");
    writer.finish(|written| bar.set_position(written as u64))?;
    bar.finish_and_clear();
    let bytes = std::fs::metadata(path).map_or(0, |data| data.len());
    let rate = missing.len() as f64 / seconds.max(1e-9);
    console.note(format!(
        "wrote {}: {} patterns, {}; {rate:.1} patterns/s",
        path.display(),
        recipe.count,
        bytes_text(bytes)
    ));
    let summary = json!({"output": path, "patterns": recipe.count, "simulated": missing.len(), "seed": recipe.seed,
                         "bytes": bytes, "seconds": seconds, "patterns_per_second": rate});
    console.event("summary", &summary);
    Ok(())
}
