//! `lacuna simulate --output SET.h5`: a set, with its progress.

use crate::cli::console::Console;
use lacuna::error::{Error, Result, bytes_text};
use lacuna::reconstruct::Observer;
use lacuna::simulate::recipe::Recipe;
use lacuna::training::{SimulationEvent, simulate_set};
use serde_json::json;
use std::path::Path;

/// Simulates what is missing of the set at `path`, and puts it together.
pub fn write(path: &Path, force: bool, recipe: &Recipe, recipe_text: String, console: &Console) -> Result<()> {
    let count = recipe.count;
    let bar = console.bar(count as u64, "simulate");
    let done = simulate_set(path, force, recipe, recipe_text, &|event| {
        match event {
            SimulationEvent::Resumed(0) => {}
            SimulationEvent::Resumed(resumed) => {
                console.note(format!("{resumed} of {count} patterns are there from an earlier call"));
                bar.set_position(resumed as u64);
            }
            SimulationEvent::Pattern(index) => {
                console.event("pattern", &json!({"index": index}));
                bar.inc(1);
            }
            SimulationEvent::Written(written) => {
                bar.set_message("writing");
                bar.set_position(written as u64);
            }
        }
        console.go_on()
    });
    bar.finish_and_clear();
    let done = done.inspect_err(|error| {
        if matches!(error, Error::Interrupted | Error::Write { .. }) {
            let path = path.display();
            console.note(format!("what is finished is kept beside {path}: the same command goes on from there"));
        }
    })?;
    let rate = done.simulated as f64 / done.seconds.max(1e-9);
    console.note(format!(
        "wrote {}: {count} patterns, {}; {rate:.1} patterns/s",
        path.display(),
        bytes_text(done.bytes)
    ));
    let summary = json!({"output": path, "patterns": count, "simulated": done.simulated, "seed": recipe.seed,
                         "bytes": done.bytes, "seconds": done.seconds, "patterns_per_second": rate});
    console.event("summary", &summary);
    Ok(())
}
