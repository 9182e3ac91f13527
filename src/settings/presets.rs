//! The presets that are part of the program, and files that are used as one.

use super::typed::TypedSettings;
use crate::error::{Error, Result};
use crate::prepare::Inspection;
use std::path::Path;

/// The presets by name. The first is complete and the ground of the others.
pub const PRESETS: [(&str, &str); 3] = [
    ("bragg", include_str!("presets/bragg.toml")),
    ("particle", include_str!("presets/particle.toml")),
    ("forward", include_str!("presets/forward.toml")),
];

/// The text of a preset, to be read, edited and given back as a file.
///
/// # Errors
/// [`Error::Setting`] where there is none of this name.
pub fn preset_text(name: &str) -> Result<&'static str> {
    let names = PRESETS.map(|(name, _)| name).join(", ");
    PRESETS
        .into_iter()
        .find(|(known, _)| *known == name)
        .map(|(_, text)| text)
        .ok_or_else(|| Error::setting("preset", name, format!("known are {names}, or give a .toml file")))
}

/// Friedel symmetry, a correlation of log intensities, above which an object is taken to be real.
/// Measured forward patterns reach 0.96 and more; the phases of strain leave less than 0.9.
const REAL: f64 = 0.93;

/// Frames at the ends of a stack that are brighter than this part of the brightest one are no ends of a
/// rocking curve.
const BRIGHT_ENDS: f64 = 0.5;

/// Whether a pattern is that of a real object, nearly: it is symmetric about its centre (Friedel).
pub fn looks_real(found: &Inspection) -> bool {
    found.shape[0] == 1 && found.symmetry.is_some_and(|symmetry| symmetry >= REAL)
}

/// The preset that fits a pattern, and why.
pub fn suggest_preset(found: &Inspection) -> (&'static str, String) {
    let symmetry = found.symmetry.unwrap_or(0.0);
    let bright_ends = found.ends.filter(|ends| *ends > BRIGHT_ENDS);
    if found.photons == 0.0 {
        ("bragg", "no photons: there is nothing to phase".into())
    } else if let Some(ends) = bright_ends {
        let reason = format!(
            "single frames, as a stack whose first or last frame has {:.0} % of the brightest one's photons is no \
             rocking curve: take them one at a time",
            100.0 * ends
        );
        ("particle", reason)
    } else if found.shape[0] > 1 {
        ("bragg", "a stack of frames that begins and ends off its peak, as a rocking curve does".into())
    } else if looks_real(found) && found.centre_hidden {
        (
            "forward",
            format!("Friedel correlation {symmetry:.2} and a hidden centre, as of a real object and a beamstop"),
        )
    } else {
        ("particle", format!("a single frame of an isolated object, Friedel correlation {symmetry:.2}"))
    }
}

/// What a preset types: that of a name, or of a TOML file.
pub fn preset(name_or_file: &str) -> Result<TypedSettings> {
    if !name_or_file.ends_with(".toml") {
        return TypedSettings::from_toml(Path::new(name_or_file), preset_text(name_or_file)?);
    }
    let path = Path::new(name_or_file);
    let text = std::fs::read_to_string(path).map_err(|e| Error::read(path, e))?;
    TypedSettings::from_toml(path, &text)
}
