//! Simulated sets: patterns are made in parallel, kept one by one, and put together at the end, so
//! that a killed simulation goes on where it was.

use crate::error::{Error, Result};
use crate::geometry::Geometry;
use crate::io::set::{Entry, SetHeader, SetWriter, Split};
use crate::phasing::look::Look;
use crate::pixels::{Calculated, Pattern};
use crate::reconstruct::{BoundsCourse, PhasingStart, gap_choice, network_estimate, phase};
use crate::settings::Settings;
use crate::simulate::pattern::{Simulated, pattern};
use crate::simulate::recipe::{PhasingRecipe, Recipe};
use crate::volume::Centered;
use rayon::prelude::*;
use std::path::Path;
use std::time::Instant;

/// Spread of the logarithms where no run gives an object.
const UNKNOWN: f32 = 3.0;

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
    let phasing = recipe.phasing.map(|phasing| phasing_settings(recipe, phasing)).transpose()?;
    missing.par_iter().with_max_len(1).try_for_each(|&index| {
        let mut entry = set_entry(recipe, pattern(recipe, index));
        if let Some(settings) = &phasing {
            entry.calculated = Some(phased(&entry, settings)?);
        }
        writer.put(index, &entry)?;
        if on(SimulationEvent::Pattern(index)) { Ok(()) } else { Err(Error::Interrupted) }
    })?;
    let seconds = begun.elapsed().as_secs_f64();
    writer.finish(|written| {
        on(SimulationEvent::Written(written));
    })?;
    let bytes = std::fs::metadata(path).map_or(0, |data| data.len());
    Ok(SimulatedSet { simulated: missing.len(), seconds, bytes })
}

/// The settings with which patterns of a recipe are phased: those of their kind's preset, with so many
/// runs.
fn phasing_settings(recipe: &Recipe, phasing: PhasingRecipe) -> Result<Settings> {
    let preset = if recipe.extents()[0] == 1 { "particle" } else { "bragg" };
    let mut settings = Settings::preset(preset)?;
    settings.ensemble.count = phasing.runs;
    settings.device.device = "cpu".parse()?;
    Ok(settings)
}

/// What phasing calculates of a simulated pattern, with these settings.
fn phased(entry: &Entry, settings: &Settings) -> Result<Calculated> {
    let pattern = Pattern {
        intensity: entry.counts.map(|&counts| counts as f32),
        mask: entry.mask.clone(),
        estimate: None,
        calculated: None,
        geometry: Geometry::default(),
        goniometer: None,
    };
    let choice = gap_choice(&pattern, settings, &|| network_estimate(&pattern, settings, &()))?;
    let estimate = choice.search.map(|(_, estimate)| estimate);
    let bounds = if estimate.is_some() { BoundsCourse::Alternating } else { BoundsCourse::Kept };
    let pattern = Pattern { estimate, ..pattern };
    let start = PhasingStart::new(&pattern, None, settings)?;
    let found = match phase(&pattern, start, bounds, settings, None, &()) {
        Ok(phased) => phased.ensemble.look.map(|Look { calculated, .. }| calculated),
        Err(Error::NoObject { .. }) => None,
        Err(error) => return Err(error),
    };
    // Where no run gives an object, nothing is known: the spread says so.
    let shape = entry.counts.shape();
    Ok(found
        .unwrap_or_else(|| Calculated { mean: Centered::filled(shape, 0.0), spread: Centered::filled(shape, UNKNOWN) }))
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
        calculated: None,
        parameters: simulated.parameters,
        split,
        particle: simulated.particle,
    }
}
