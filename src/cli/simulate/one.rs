//! One pattern in CXI form, with its truth in a second file: what phases the pattern never sees it.

use super::crystal::Scene;
use crate::cli::console::Console;
use crate::cli::text::command_line;
use lacuna::error::{Error, Result};
use lacuna::geometry::Geometry;
use lacuna::io::{self, Process, Reconstruction};
use lacuna::pixels::Pattern;
use lacuna::simulate::pattern::pattern;
use lacuna::simulate::recipe::Recipe;
use lacuna::volume::Centered;
use serde_json::json;
use std::path::{Path, PathBuf};

/// Writes the first pattern of the recipe, or that of a crystal at a beamline.
pub fn write(path: &Path, force: bool, recipe: &Recipe, scene: Option<&Scene>, console: &Console) -> Result<()> {
    let truth_path = truth_path(path)?;
    let bar = console.bar(1, "simulate");
    let (simulated, geometry, goniometer) = match scene {
        Some(scene) => (scene.pattern(recipe), scene.geometry, Some(scene.goniometer.clone())),
        None => (pattern(recipe, 0), Geometry::default(), None),
    };
    bar.finish_and_clear();
    let process = Process::new(command_line(), recipe, &simulated.parameters)?;
    let mut counted = Pattern::new(simulated.measured(), simulated.mask.clone(), geometry)?;
    counted.goniometer = goniometer.clone();
    let whole = Pattern {
        mask: Centered::filled(counted.shape(), 0),
        intensity: simulated.intensity,
        estimate: None,
        calculated: None,
        geometry,
        goniometer,
    };
    let truth = Reconstruction {
        object: &simulated.object,
        support: &simulated.support,
        runs: &[],
        modes: &[],
        mode_weights: &[],
        psf: None,
        maps: &[],
        curves: &[],
        pattern: &whole,
        process: &process,
    };
    // The truth first: whoever finds the pattern finds its truth as well.
    io::write_result(&truth_path, force, &truth)?;
    io::write_pattern(path, force, &counted, None, &process)?;
    console.note(format!("wrote {} and its truth, {}", path.display(), truth_path.display()));
    console.event(
        "summary",
        &json!({"output": path, "truth": truth_path, "seed": recipe.seed, "parameters": simulated.parameters}),
    );
    Ok(())
}

/// `one.cxi` to `one-truth.cxi`.
pub fn truth_path(path: &Path) -> Result<PathBuf> {
    let stem = path.file_stem().and_then(|stem| stem.to_str());
    match (stem, path.extension().and_then(|ending| ending.to_str())) {
        (Some(stem), Some("cxi")) => Ok(path.with_file_name(format!("{stem}-truth.cxi"))),
        _ => {
            let problem = "give a name that ends with .h5 (a set) or .cxi (one pattern)";
            Err(Error::setting("--output", path.display(), problem))
        }
    }
}
