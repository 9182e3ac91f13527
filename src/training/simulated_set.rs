//! Simulated sets: patterns are made in parallel, kept one by one, and put together at the end, so
//! that a killed simulation goes on where it was.

use crate::error::{Error, Result};
use crate::io::set::{Entry, SetHeader, SetWriter, Split};
use crate::simulate::pattern::{Simulated, pattern};
use crate::simulate::recipe::Recipe;
use rayon::prelude::*;
use std::path::Path;
use std::time::Instant;

/// Progress of a simulation. It is told from many threads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SimulationEvent {
    /// So many patterns are there from an earlier call.
    Resumed(usize),
    /// The pattern with this index was simulated.
    Pattern(usize),
    /// So many patterns are in the set's file.
    Written(usize),
}

/// What was done for a set.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SimulatedSet {
    /// Patterns that were simulated now.
    pub simulated: usize,
    /// Wall-clock seconds of simulating them.
    pub seconds: f64,
    /// Size of the set's file, bytes.
    pub bytes: u64,
}

/// Simulates what is missing of the set at `path`, and puts it together. `text` is the recipe as it
/// was written. `on` is told of progress, and asks to stop by returning false.
///
/// # Errors
/// [`Error::Exists`] without `force`, [`Error::Write`], and [`Error::Interrupted`]: what is
/// finished is kept beside the set's file, and the next call goes on from there.
pub fn simulate_set(
    path: &Path,
    force: bool,
    recipe: &Recipe,
    text: String,
    on: &(dyn Fn(SimulationEvent) -> bool + Sync),
) -> Result<SimulatedSet> {
    let writer = SetWriter::open(path, set_header(recipe, text), force)?;
    let missing = writer.missing();
    let begun = Instant::now();
    if !on(SimulationEvent::Resumed(recipe.count - missing.len())) {
        return Err(Error::Interrupted);
    }
    missing.par_iter().with_max_len(1).try_for_each(|&index| {
        writer.put(index, &set_entry(recipe, pattern(recipe, index)))?;
        if on(SimulationEvent::Pattern(index)) { Ok(()) } else { Err(Error::Interrupted) }
    })?;
    let seconds = begun.elapsed().as_secs_f64();
    writer.finish(|written| {
        on(SimulationEvent::Written(written));
    })?;
    let bytes = std::fs::metadata(path).map_or(0, |data| data.len());
    Ok(SimulatedSet { simulated: missing.len(), seconds, bytes })
}

/// The header of a recipe's set; `text` is the recipe as it was written.
pub fn set_header(recipe: &Recipe, text: String) -> SetHeader {
    SetHeader {
        shape: recipe.extents(),
        count: recipe.count,
        seed: recipe.seed,
        recipe_name: recipe.name.clone(),
        recipe_text: text,
    }
}

/// A simulated pattern as an entry of a set; its split depends on its particle alone.
pub fn set_entry(recipe: &Recipe, simulated: Simulated) -> Entry {
    let position = Recipe::split_position(simulated.particle);
    let split = match recipe.split {
        parts if position < parts.train => Split::Train,
        parts if position < parts.train + parts.validation => Split::Validation,
        _ => Split::Test,
    };
    Entry {
        intensity: simulated.intensity,
        counts: simulated.counts,
        mask: simulated.mask,
        object: simulated.object,
        support: simulated.support,
        parameters: simulated.parameters,
        split,
        particle: simulated.particle,
    }
}
