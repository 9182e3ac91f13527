//! The look of a recipe's patterns beside that of measured ones: are real data inside the range that is simulated?

use crate::cli::console::Console;
use crate::cli::text::print;
use lacuna::error::{Error, Result};
use lacuna::io;
use lacuna::metrics::{Texture, texture};
use lacuna::pixels::trimmed;
use lacuna::simulate::pattern::pattern;
use lacuna::simulate::recipe::Recipe;
use lacuna::volume::Centered;
use ndarray::Axis;
use rayon::prelude::*;
use serde_json::json;

/// Patterns that are simulated for the comparison.
const MOST: usize = 200;
/// Frames of a stack of 2D patterns that are looked at, evenly spread.
const FRAMES: usize = 32;

/// Compares each file with the recipe and prints a table, or JSON.
pub fn compare(recipe: &Recipe, files: &[String], json: bool, console: &Console) -> Result<()> {
    let measured =
        files.iter().map(|file| Ok((file, of_file(file, recipe.shape.len())?))).collect::<Result<Vec<_>>>()?;
    let count = recipe.count.min(MOST);
    let bar = console.bar(count as u64, "simulate");
    let simulated: Vec<Texture> = (0..count)
        .into_par_iter()
        .map(|index| {
            let simulated = pattern(recipe, index);
            bar.inc(1);
            texture(&simulated.measured(), &simulated.mask)
        })
        .collect();
    bar.finish_and_clear();
    let mut lines = format!("{:>18} {:>22}", "", format!("{} ({count})", recipe.name));
    for (file, _) in &measured {
        lines += &format!("  {file}");
    }
    lines.push('\n');
    for (at, (name, _)) in simulated[0].named().iter().enumerate() {
        let range = span(simulated.iter().map(|t| t.named()[at].1), 0.01);
        lines += &format!("{name:>18} {:>22}", format!("{:.3} to {:.3}", range[0], range[1]));
        for (file, textures) in &measured {
            let real = span(textures.iter().map(|t| t.named()[at].1), 0.0);
            let inside = real[0] >= range[0] && real[1] <= range[1];
            let verdict = if inside { "inside" } else { "OUTSIDE" };
            lines += &format!("  {:.3} to {:.3} {verdict}", real[0], real[1]);
            console.event(
                "beside",
                &json!({"statistic": name, "recipe": recipe.name, "patterns": count, "simulated": range, "file": file,
                       "measured": real, "inside": inside}),
            );
        }
        lines.push('\n');
    }
    if json { Ok(()) } else { print(lines) }
}

/// The textures of a file: of one pattern, or, beside 2D recipes, of the frames of a stack.
fn of_file(file: &str, dimensions: usize) -> Result<Vec<Texture>> {
    let input = io::read(file)?;
    let mask = input.mask.unwrap_or_else(|| input.intensity.map(|_| 0));
    let shape = input.intensity.shape();
    if dimensions == 3 && shape[0] == 1 {
        let problem =
            format!("is a 2D pattern ({}): compare it with a 2D recipe", lacuna::error::shape_text(&trimmed(shape)));
        return Err(Error::file(file, problem));
    }
    if dimensions == 3 || shape[0] == 1 {
        return Ok(vec![texture(&input.intensity, &mask)]);
    }
    let step = shape[0].div_ceil(FRAMES);
    let frames: Vec<usize> = (0..shape[0]).step_by(step).collect();
    let one = |z: usize| {
        let counts = Centered(input.intensity.0.index_axis(Axis(0), z).to_owned().insert_axis(Axis(0)));
        let mask = Centered(mask.0.index_axis(Axis(0), z).to_owned().insert_axis(Axis(0)));
        texture(&counts, &mask)
    };
    Ok(frames.into_par_iter().map(one).collect())
}

/// The values between which all but the fraction `outside` on either side lie.
fn span(values: impl Iterator<Item = f64>, outside: f64) -> [f64; 2] {
    let mut values: Vec<f64> = values.filter(|value| !value.is_nan()).collect();
    values.sort_by(f64::total_cmp);
    let Some(last) = values.len().checked_sub(1) else { return [f64::NAN; 2] };
    let skipped = (outside * last as f64).round() as usize;
    [values[skipped], values[last - skipped]]
}
