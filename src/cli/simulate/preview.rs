//! The contact sheet of a recipe.

use crate::cli::console::Console;
use lacuna::error::{Error, Result};
use lacuna::io;
use lacuna::report::sheet;
use lacuna::simulate::pattern::{Simulated, pattern};
use lacuna::simulate::recipe::Recipe;
use ndarray::Axis;
use rayon::prelude::*;
use serde_json::json;
use std::path::Path;

/// Patterns on a sheet: more would not fit a screen.
const MOST: usize = 32;
/// Items beside each other.
const COLUMNS: usize = 4;
/// Pixels a side of a tile.
const TILE: usize = 128;

/// Draws the first patterns of the recipe.
pub fn draw(path: &Path, force: bool, recipe: &Recipe, console: &Console) -> Result<()> {
    let count = recipe.count.min(MOST);
    let bar = console.bar(count as u64, "draw");
    let items: Vec<Vec<sheet::Tile>> = (0..count)
        .into_par_iter()
        .map(|index| {
            let tiles = tiles(&pattern(recipe, index));
            bar.inc(1);
            tiles
        })
        .collect();
    bar.finish_and_clear();
    let bytes = sheet::png(&sheet::sheet(&items, COLUMNS, TILE))?;
    io::replace(path, force, |part| std::fs::write(part, &bytes).map_err(|error| Error::write(path, error)))?;
    console.note(format!(
        "wrote {}: {count} patterns, each as counts (masked pixels red), expectation and object",
        path.display()
    ));
    console.event("preview", &json!({"preview": path, "patterns": count}));
    Ok(())
}

/// Counts and noise-free intensity of the middle frame; the object, in 3D its middle slice across the rocking curve.
fn tiles(simulated: &Simulated) -> Vec<sheet::Tile> {
    let middle = simulated.intensity.shape()[0] / 2;
    let mask = simulated.mask.0.index_axis(Axis(0), middle).map(|bits| *bits != 0);
    let counts = simulated.counts.0.index_axis(Axis(0), middle).map(|n| *n as f32);
    let intensity = simulated.intensity.0.index_axis(Axis(0), middle).to_owned();
    let object = simulated.object.0.index_axis(Axis(0), middle).to_owned();
    let nothing = mask.map(|_| false);
    let object = cut(&object, &simulated.support.0.map(|inside| *inside));
    vec![sheet::intensity(&counts, &mask), sheet::intensity(&intensity, &nothing), sheet::object(&object)]
}

/// The part of the object that its support spans, with a margin: most of the array is empty.
fn cut(
    object: &ndarray::Array2<num_complex::Complex32>,
    support: &ndarray::Array3<bool>,
) -> ndarray::Array2<num_complex::Complex32> {
    let (mut lo, mut hi) = ([usize::MAX; 2], [0; 2]);
    for ((_, y, x), _) in support.indexed_iter().filter(|(_, inside)| **inside) {
        for (axis, i) in [y, x].into_iter().enumerate() {
            lo[axis] = lo[axis].min(i);
            hi[axis] = hi[axis].max(i);
        }
    }
    if lo[0] > hi[0] {
        return object.clone();
    }
    let (ny, nx) = object.dim();
    let margin = (hi[0] - lo[0]).max(hi[1] - lo[1]) / 10 + 1;
    let rows = lo[0].saturating_sub(margin)..(hi[0] + margin + 1).min(ny);
    let columns = lo[1].saturating_sub(margin)..(hi[1] + margin + 1).min(nx);
    object.slice(ndarray::s![rows, columns]).to_owned()
}
