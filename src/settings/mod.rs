//! Settings in two halves: what was typed ([`TypedSettings`], every value optional, from files and
//! flags) and what it means ([`Settings`], typed and checked), resolved once, before any file of
//! data is read. What was typed is echoed into every output.

mod presets;
mod resolve;
mod resolved;
mod typed;

pub use presets::{PRESETS, looks_real, preset_text, suggest_preset};
pub use resolve::STANDARD;
pub use resolved::{
    DeviceSettings, EnsembleSettings, GapPolicy, GapSettings, InputSettings, PrepareSettings, RecipeSettings,
    SearchSettings, Settings, StartSettings, SupportChoice, SupportSettings,
};
pub use typed::{GapKeys, InputKeys, PhasingKeys, TypedSettings};
pub(crate) use typed::{as_typed, unknown};

#[cfg(test)]
mod tests;
