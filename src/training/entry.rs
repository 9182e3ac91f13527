//! Simulated patterns as entries of a set.

use crate::io::set::{Entry, Split};
use crate::simulate::pattern::Simulated;
use crate::simulate::recipe::Recipe;

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
