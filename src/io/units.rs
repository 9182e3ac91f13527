//! Quantities with their units, as files write them. A number that cannot be meant is never
//! believed.

use super::note::Note;
use crate::geometry::{DISTANCES, ENERGIES, EV, HC, PIXEL_SIZES};
use std::ops::RangeInclusive;

/// A quantity of the geometry, with the values that occur.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Quantity {
    /// Photon energy, joules.
    Energy,
    /// Wavelength, metres.
    Wavelength,
    /// Sample to detector, metres.
    Distance,
    /// Extent of a pixel, metres.
    PixelSize,
}

impl Quantity {
    fn plausible(self) -> RangeInclusive<f64> {
        match self {
            Quantity::Energy => ENERGIES,
            Quantity::Wavelength => HC / ENERGIES.end()..=HC / ENERGIES.start(),
            Quantity::Distance => DISTANCES,
            Quantity::PixelSize => PIXEL_SIZES,
        }
    }

    /// SI units in one `unit`.
    pub fn scale(self, unit: &str) -> Option<f64> {
        match self {
            Quantity::Energy => joules(unit),
            _ => metres(unit),
        }
    }

    /// The value in SI units, or what is wrong with it. `standard` is the unit that the format
    /// defines where the file names none; a sign, which some conventions give distances, is
    /// dropped.
    pub fn value(self, number: f64, unit: Option<&str>, standard: Option<&str>) -> Result<f64, String> {
        let unit = unit.map(str::trim).filter(|unit| !unit.is_empty());
        let Some(scale) = unit.or(standard).map(|unit| self.scale(unit)) else {
            return Err("not understood without a unit".into());
        };
        let scale = scale.ok_or("its unit is not understood")?;
        let value = number.abs() * scale;
        if self.plausible().contains(&value) {
            return Ok(value);
        }
        Err(if unit.is_none() { "not understood without a unit" } else { "not believed" }.into())
    }

    /// The value of a header's text, `0.16 m` or `5.5e-5_m`, or a note with what it says instead;
    /// `standard` is the unit that the format defines.
    pub fn read_text(self, at: &str, text: &str, standard: &str) -> (Option<f64>, Option<Note>) {
        match with_unit(text) {
            Some((number, unit)) => self.read(at, number, unit, Some(standard)),
            None => (None, None),
        }
    }

    /// The value, or a note with what the file says instead; zero says nothing.
    pub fn read(
        self,
        at: &str,
        number: f64,
        unit: Option<&str>,
        standard: Option<&str>,
    ) -> (Option<f64>, Option<Note>) {
        if number == 0.0 || !number.is_finite() {
            return (None, None);
        }
        match self.value(number, unit, standard) {
            Ok(value) => (Some(value), None),
            Err(problem) => {
                let text = unit.map_or_else(|| format!("{number} without a unit"), |unit| format!("{number} {unit}"));
                let name = match self {
                    Quantity::Energy => "photon energy",
                    Quantity::Wavelength => "wavelength",
                    Quantity::Distance => "distance",
                    Quantity::PixelSize => "pixel size",
                };
                let problem = match problem.as_str() {
                    "not understood without a unit" => "not understood".into(),
                    _ => problem,
                };
                let problem = format!("{problem} as a {name}, give it as a setting");
                (None, Some(Note::Quantity { at: at.into(), text, problem }))
            }
        }
    }
}

/// A number and the word after it.
pub(super) fn with_unit(text: &str) -> Option<(f64, Option<&str>)> {
    let text = text.trim();
    let ends = text.char_indices().map(|(at, c)| at + c.len_utf8()).rev();
    let (number, rest) = ends.filter_map(|end| Some((text[..end].trim().parse().ok()?, &text[end..]))).next()?;
    let unit = rest.trim_start_matches(['_', ' ', '(', '[']).split([' ', ';', ')', ']', ',']).next();
    Some((number, unit.filter(|unit| !unit.is_empty())))
}

fn metres(unit: &str) -> Option<f64> {
    Some(match unit.to_lowercase().as_str() {
        "m" | "meter" | "metre" | "meters" | "metres" => 1.0,
        "cm" => 1e-2,
        "mm" | "millimeter" | "millimetre" | "millimeters" | "millimetres" => 1e-3,
        "um" | "µm" | "μm" | "micron" | "microns" | "micrometer" | "micrometre" | "micrometers" => 1e-6,
        "nm" | "nanometer" | "nanometre" | "nanometers" => 1e-9,
        "a" | "å" | "ang" | "angstrom" | "angstroms" | "ångström" => 1e-10,
        "pm" => 1e-12,
        _ => return None,
    })
}

/// Photons have no millielectronvolts here: `mev` are megaelectronvolts in any case.
fn joules(unit: &str) -> Option<f64> {
    Some(match unit.to_lowercase().as_str() {
        "j" | "joule" | "joules" => 1.0,
        "ev" | "electronvolt" | "electronvolts" => EV,
        "kev" => 1e3 * EV,
        "mev" => 1e6 * EV,
        "gev" => 1e9 * EV,
        _ => return None,
    })
}

/// Degrees in one `unit` of an angle.
pub(super) fn degrees(unit: &str) -> Option<f64> {
    Some(match unit.trim().to_lowercase().as_str() {
        "deg" | "degree" | "degrees" | "°" => 1.0,
        "rad" | "radian" | "radians" => 1f64.to_degrees(),
        "mrad" => 1e-3_f64.to_degrees(),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_in_any_case_are_understood() {
        for (quantity, number, unit, expected) in [
            (Quantity::Energy, 9.0, "KEV", 9e3 * EV),
            (Quantity::Energy, 9000.0, "ev", 9e3 * EV),
            (Quantity::Energy, 1.44e-15, "J", 1.44e-15),
            (Quantity::Wavelength, 1.2, "Angstrom", 1.2e-10),
            (Quantity::Wavelength, 0.12, "NM", 1.2e-10),
            (Quantity::Distance, -850.0, "MM", 0.85),
            (Quantity::PixelSize, 55.0, "µm", 55e-6),
        ] {
            let value = quantity.value(number, Some(unit), None).unwrap();
            assert!((value / expected - 1.0).abs() < 1e-12, "{number} {unit}: {value}");
        }
    }

    #[test]
    fn texts_of_headers_are_numbers_with_their_units() {
        for (text, number, unit) in [
            ("0.16 m", 0.16, Some("m")),
            ("5.5e-05_m", 5.5e-5, Some("m")),
            ("172e-6 m x 172e-6 m", 172e-6, Some("m")),
            ("1.0A", 1.0, Some("A")),
            (" -12 ", -12.0, None),
            ("9 [keV]", 9.0, Some("keV")),
        ] {
            assert_eq!(with_unit(text), Some((number, unit)), "{text}");
        }
        assert_eq!(with_unit("unknown"), None);
        let (value, note) = Quantity::Distance.read_text("Distance", "185", "m");
        assert_eq!(value, None);
        assert!(note.unwrap().to_string().starts_with("Distance is 185 without a unit: not understood"));
    }

    #[test]
    fn numbers_that_cannot_be_meant_are_named() {
        let note = |quantity: Quantity, number, unit, standard| {
            let (value, note) = quantity.read("/entry/x", number, unit, standard);
            assert_eq!(value, None);
            note.unwrap().to_string()
        };
        assert_eq!(
            note(Quantity::Energy, 8000.0, None, None),
            "/entry/x is 8000 without a unit: not understood as a photon energy, give it as a setting"
        );
        assert_eq!(
            note(Quantity::Energy, 8000.0, None, Some("J")),
            "/entry/x is 8000 without a unit: not understood as a photon energy, give it as a setting"
        );
        assert_eq!(
            note(Quantity::Distance, 185.0, Some("m"), None),
            "/entry/x is 185 m: not believed as a distance, give it as a setting"
        );
        assert!(note(Quantity::Distance, 1.0, Some("furlong"), None).contains("its unit is not understood"));
        assert_eq!(Quantity::Distance.value(0.9, None, Some("m")), Ok(0.9));
        assert_eq!(Quantity::Distance.read("/x", 0.0, None, Some("m")), (None, None));
    }
}
