//! Treatments of the pixels that were not measured: where their estimate comes from, how tightly
//! it binds, and whether it is released for the last part of the recipe. The names are the same
//! everywhere: `network`, `linear-soft`, `idw-hard-release`, `linear:0.5..2`.

use super::predict::NetworkEstimate;
use super::{Fill, FillOptions, fill};
use crate::error::{Error, Result};
use crate::pixels::{Estimate, Pattern};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Origin of an estimate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum GapSource {
    /// Nothing is assumed: the pixels are free.
    Free,
    /// Nothing is assumed while runs go on; at their end hidden modes take the coefficients of least
    /// total variation of the object.
    Tv,
    /// As [`GapSource::Tv`], with the variation of the modulus inside the support.
    ModulusTv,
    /// No photons: what a program assumes that knows no gaps.
    Zero,
    /// Straight lines across the gap.
    Linear,
    /// Means of the nearest measured pixels, weighted by inverse distance.
    Idw,
    /// The smoothest surface that continues value and slope.
    Biharmonic,
    /// What the correlation of the pattern with itself predicts from the pixels around.
    Kriging,
    /// The network, with an interval for each pixel.
    Network,
    /// The estimate that the pattern's file brings.
    File,
}

impl GapSource {
    /// All sources, in the order in which help texts and tables list them.
    pub const ALL: [GapSource; 10] = [
        GapSource::Free,
        GapSource::Tv,
        GapSource::ModulusTv,
        GapSource::Zero,
        GapSource::Linear,
        GapSource::Idw,
        GapSource::Biharmonic,
        GapSource::Kriging,
        GapSource::Network,
        GapSource::File,
    ];

    /// Whether its bounds are multiples of the estimate.
    pub fn has_factors(self) -> bool {
        self.soft_factors().is_some()
    }

    /// Whether it estimates intensities.
    pub fn fills(self) -> bool {
        !matches!(self, GapSource::Free | GapSource::Tv | GapSource::ModulusTv)
    }

    /// Bounds of `-soft`, as multiples of the estimate.
    fn soft_factors(self) -> Option<(f32, f32)> {
        match self {
            GapSource::Linear | GapSource::Biharmonic | GapSource::Kriging => Some((0.5, 2.0)),
            // PyNX's bounds around its own fill of this kind.
            GapSource::Idw => Some((0.5, 1.2)),
            _ => None,
        }
    }

    /// What is estimated, in words.
    pub fn text(self) -> &'static str {
        match self {
            GapSource::Free => "free pixels",
            GapSource::Tv => "hidden modes of least total variation",
            GapSource::ModulusTv => "hidden modes of least variation of the modulus",
            GapSource::Zero => "no photons",
            GapSource::Linear => "straight lines",
            GapSource::Idw => "inverse-distance means",
            GapSource::Biharmonic => "the smoothest surface",
            GapSource::Kriging => "kriging",
            GapSource::Network => "the network's estimate",
            GapSource::File => "the file's estimate",
        }
    }
}

impl fmt::Display for GapSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            GapSource::Free => "free",
            GapSource::Tv => "tv",
            GapSource::ModulusTv => "modulus-tv",
            GapSource::Zero => "zero",
            GapSource::Linear => "linear",
            GapSource::Idw => "idw",
            GapSource::Biharmonic => "biharmonic",
            GapSource::Kriging => "kriging",
            GapSource::Network => "network",
            GapSource::File => "file",
        })
    }
}

/// How tightly an estimate binds.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub enum GapBounds {
    /// The estimated value is fixed.
    Hard,
    /// The value varies within the source's own bounds.
    Soft,
    /// The value varies between these multiples of the estimate.
    Factors(f32, f32),
}

/// A treatment of the pixels that were not measured.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct GapTreatment {
    /// Origin of the estimate.
    pub source: GapSource,
    /// How tightly it binds.
    pub bounds: GapBounds,
    /// Whether the pixels are free for the last part of the recipe.
    pub release: bool,
}

impl GapTreatment {
    /// Free pixels: nothing is assumed of what was not measured.
    pub const FREE: GapTreatment = GapTreatment { source: GapSource::Free, bounds: GapBounds::Hard, release: false };
    /// Bounds around the network's estimate.
    pub const NETWORK: GapTreatment =
        GapTreatment { source: GapSource::Network, bounds: GapBounds::Soft, release: false };
    /// The bounds that the pattern's file brings.
    pub const FILE: GapTreatment = GapTreatment { source: GapSource::File, bounds: GapBounds::Soft, release: false };

    /// Whether the network has to say what is in the gaps.
    pub fn needs_network(&self) -> bool {
        self.source == GapSource::Network
    }

    /// The treatment in words, for tables and pages.
    pub fn text(&self) -> String {
        let estimate = self.source.text();
        let bound = match self.bounds {
            _ if !self.source.fills() => estimate.to_string(),
            GapBounds::Hard => format!("{estimate}, fixed"),
            GapBounds::Soft => format!("bounds around {estimate}"),
            GapBounds::Factors(low, high) => format!("{low} to {high} times {estimate}"),
        };
        if self.release { format!("{bound}, released at the end") } else { bound }
    }

    /// The estimate of the pixels without measurement; `None` leaves them free.
    ///
    /// `network` is what the network predicts of this pattern. `progress` is told the fraction
    /// done and asks to stop by returning false.
    ///
    /// # Errors
    /// [`Error::Setting`] where the network or the file's estimate is asked for and not there;
    /// [`Error::Interrupted`].
    pub fn estimate(
        &self,
        pattern: &Pattern,
        network: Option<&NetworkEstimate>,
        progress: &mut dyn FnMut(f64) -> bool,
    ) -> Result<Option<Estimate>> {
        let mut classical = |method| {
            let bounds = match self.bounds {
                GapBounds::Factors(low, high) => (low, high),
                GapBounds::Soft => self.source.soft_factors().unwrap_or((1.0, 1.0)),
                GapBounds::Hard => (1.0, 1.0),
            };
            fill(pattern, method, &FillOptions { bounds, ..FillOptions::default() }, progress).map(Some)
        };
        let missing = |problem: &str| Error::setting("gap", self, problem);
        match self.source {
            GapSource::Free | GapSource::Tv | GapSource::ModulusTv => Ok(None),
            GapSource::Zero => classical(Fill::Zero),
            GapSource::Linear => classical(Fill::Linear),
            GapSource::Idw => classical(Fill::Idw),
            GapSource::Biharmonic => classical(Fill::Biharmonic),
            GapSource::Kriging => classical(Fill::Kriging),
            GapSource::Network => {
                let network = network.ok_or_else(|| missing("there is no prediction of the network"))?;
                Ok(Some(if self.bounds == GapBounds::Hard { network.fixed() } else { network.bounded() }))
            }
            GapSource::File => {
                let own = pattern.estimate.clone();
                let mut own = own.ok_or_else(|| missing("the file brings no estimate: give another source"))?;
                if self.bounds == GapBounds::Hard {
                    (own.lower, own.upper) = (own.mean.clone(), own.mean.clone());
                }
                Ok(Some(own))
            }
        }
    }
}

impl fmt::Display for GapTreatment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.source.fmt(f)?;
        match (self.source, self.bounds) {
            (GapSource::Network | GapSource::File, GapBounds::Hard) => f.write_str("-hard")?,
            (source, GapBounds::Soft) if source.has_factors() => f.write_str("-soft")?,
            (_, GapBounds::Factors(low, high)) => write!(f, ":{low}..{high}")?,
            _ => {}
        }
        if self.release { f.write_str("-release") } else { Ok(()) }
    }
}

impl FromStr for GapTreatment {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let sources = GapSource::ALL.map(|source| source.to_string()).join(", ");
        let wrong = |problem: String| Error::setting("gap", text, problem);
        let lower = text.trim().to_ascii_lowercase();
        let (rest, release) = lower.strip_suffix("-release").map_or((lower.as_str(), false), |rest| (rest, true));
        let (rest, factors) = rest.split_once(':').map_or((rest, None), |(rest, factors)| (rest, Some(factors)));
        let (name, bounds) = match (rest.strip_suffix("-hard"), rest.strip_suffix("-soft")) {
            (Some(name), _) => (name, Some(GapBounds::Hard)),
            (_, Some(name)) => (name, Some(GapBounds::Soft)),
            _ => (rest, None),
        };
        let source = GapSource::ALL
            .into_iter()
            .find(|source| source.to_string() == name)
            .ok_or_else(|| wrong(format!("takes SOURCE[-hard|-soft][-release], SOURCE being {sources}")))?;
        let by_itself = match source {
            GapSource::Network | GapSource::File => GapBounds::Soft,
            _ => GapBounds::Hard,
        };
        let bounds = match (factors, bounds) {
            (None, bounds) => bounds.unwrap_or(by_itself),
            (Some(factors), None) if source.has_factors() => {
                let numbers = factors.split_once("..").and_then(|(a, b)| Some((a.parse().ok()?, b.parse().ok()?)));
                let (low, high) = numbers
                    .filter(|(low, high)| (0.0..=1.0).contains(low) && (1.0..).contains(high))
                    .ok_or_else(|| wrong("write SOURCE:LO..HI with 0 <= LO <= 1 <= HI".into()))?;
                GapBounds::Factors(low, high)
            }
            _ => {
                return Err(wrong(
                    "bounds LO..HI are for linear, idw, biharmonic and kriging, without -hard or -soft".into(),
                ));
            }
        };
        match (source, bounds) {
            (source, _) if !source.fills() && (release || rest != name) => {
                Err(wrong(format!("{} have no bounds", source.text())))
            }
            (GapSource::Zero, GapBounds::Soft) => Err(wrong("no photons are always fixed".into())),
            _ => Ok(GapTreatment { source, bounds, release }),
        }
    }
}

impl Serialize for GapTreatment {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for GapTreatment {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_and_printed() {
        for (text, printed) in [
            ("free", "free"),
            ("tv", "tv"),
            ("Modulus-TV", "modulus-tv"),
            ("linear", "linear"),
            ("linear-hard", "linear"),
            ("Linear-Soft-release", "linear-soft-release"),
            ("idw:0.5..1.5", "idw:0.5..1.5"),
            ("idw:0.5..1.5-release", "idw:0.5..1.5-release"),
            ("network", "network"),
            ("network-soft", "network"),
            ("network-hard-release", "network-hard-release"),
            ("zero-release", "zero-release"),
            ("kriging-soft", "kriging-soft"),
            ("file-hard", "file-hard"),
        ] {
            let treatment: GapTreatment = text.parse().unwrap();
            assert_eq!(treatment.to_string(), printed);
            assert_eq!(printed.parse::<GapTreatment>().unwrap(), treatment);
        }
        for text in [
            "",
            "glue",
            "free-release",
            "free-hard",
            "tv-soft",
            "modulus-tv-release",
            "zero-soft",
            "network:0.5..2",
            "linear:2..3",
            "auto",
        ] {
            let error = text.parse::<GapTreatment>().unwrap_err().to_string();
            assert!(error.starts_with(&format!("gap = {text}: ")), "{error}");
        }
    }
}
