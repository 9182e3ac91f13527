//! The ways to treat a gap that are compared.

use crate::error::{Error, Result};
use crate::inpaint::calibration::Calibration;
use crate::inpaint::predict::Field;
use crate::inpaint::{Fill, FillOptions, fill};
use crate::phasing::recipe::{RELEASE, Recipe};
use crate::pixels::{Estimate, Pattern};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// A way to treat the pixels that were not measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Arm {
    /// A detector without gaps: what nothing can beat. Only where such a pattern is known.
    Full,
    /// Free pixels.
    Free,
    /// No photons.
    Zero,
    /// Straight lines, fixed.
    Linear,
    /// Bounds around straight lines.
    LinearSoft,
    /// The same, let go for the last part of the recipe.
    LinearRelease,
    /// Inverse-distance weighting with PyNX's bounds.
    Idw,
    /// The network's bounds.
    Network,
    /// The network's most likely values, fixed.
    NetworkHard,
    /// The network's bounds, let go for the last part of the recipe.
    NetworkRelease,
}

/// Bounds around straight lines, as multiples.
const AROUND_LINES: (f32, f32) = (0.5, 2.0);
/// PyNX's bounds around its own fill.
const AROUND_IDW: (f32, f32) = (0.5, 1.2);

impl Arm {
    /// All of them.
    pub const ALL: [Arm; 10] = [
        Arm::Full,
        Arm::Free,
        Arm::Zero,
        Arm::Linear,
        Arm::LinearSoft,
        Arm::LinearRelease,
        Arm::Idw,
        Arm::Network,
        Arm::NetworkHard,
        Arm::NetworkRelease,
    ];

    /// For people.
    pub fn text(self) -> &'static str {
        match self {
            Arm::Full => "no gap at all",
            Arm::Free => "free pixels",
            Arm::Zero => "no photons in the gap",
            Arm::Linear => "straight lines, fixed",
            Arm::LinearSoft => "bounds around straight lines",
            Arm::LinearRelease => "bounds around straight lines, let go at the end",
            Arm::Idw => "bounds around inverse-distance means (PyNX)",
            Arm::Network => "the network's bounds",
            Arm::NetworkHard => "the network's values, fixed",
            Arm::NetworkRelease => "the network's bounds, let go at the end",
        }
    }

    /// Whether it needs the network.
    pub fn network(self) -> bool {
        matches!(self, Arm::Network | Arm::NetworkHard | Arm::NetworkRelease)
    }

    /// Whether bounds are let go.
    pub fn released(self) -> bool {
        matches!(self, Arm::LinearRelease | Arm::NetworkRelease)
    }

    /// The recipe with which this arm is phased.
    pub fn recipe(self, recipe: &Recipe) -> Recipe {
        if self.released() { recipe.released(RELEASE) } else { recipe.clone() }
    }

    /// What is put into the pixels of `pattern` that were not measured; nothing for free ones.
    ///
    /// # Errors
    /// Those of [`fill()`]; [`Error::Object`] if the network is needed and did not say anything.
    pub fn estimate(self, pattern: &Pattern, said: Option<&Said>) -> Result<Option<Estimate>> {
        let classical = |method, bounds| {
            // As far as the network goes, so that all arms speak of the same pixels.
            let options = FillOptions { bounds, max_distance: f32::MAX, volume: true, beamstop: true };
            fill(pattern, method, &options, &|_| {}).map(Some)
        };
        let network = |width| {
            let said = said.ok_or_else(|| Error::Object("no prediction of the network is there to compare".into()))?;
            Ok(Some(said.field.estimate(&said.calibration, width)))
        };
        match self {
            Arm::Full | Arm::Free => Ok(None),
            Arm::Zero => classical(Fill::Zero, (1.0, 1.0)),
            Arm::Linear => classical(Fill::Linear, (1.0, 1.0)),
            Arm::LinearSoft | Arm::LinearRelease => classical(Fill::Linear, AROUND_LINES),
            Arm::Idw => classical(Fill::Idw, AROUND_IDW),
            Arm::Network | Arm::NetworkRelease => network(said.map_or(1.0, |said| said.width)),
            Arm::NetworkHard => network(0.0),
        }
    }
}

/// What the network said of the gaps.
#[derive(Debug, Clone)]
pub struct Said {
    /// Values and intervals.
    pub field: Field,
    /// Of its model.
    pub calibration: Calibration,
    /// Half width of the bounds in phasing, in units of the 90 % intervals'.
    pub width: f32,
}

impl fmt::Display for Arm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Arm::Full => "full",
            Arm::Free => "free",
            Arm::Zero => "zero",
            Arm::Linear => "linear",
            Arm::LinearSoft => "linear-soft",
            Arm::LinearRelease => "linear-release",
            Arm::Idw => "idw",
            Arm::Network => "network",
            Arm::NetworkHard => "network-hard",
            Arm::NetworkRelease => "network-release",
        })
    }
}

impl FromStr for Arm {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let names = Self::ALL.map(|arm| arm.to_string()).join(", ");
        Self::ALL
            .into_iter()
            .find(|arm| arm.to_string().eq_ignore_ascii_case(text.trim()))
            .ok_or_else(|| Error::setting("--arms", text, format!("known are {names}")))
    }
}
