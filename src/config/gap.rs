//! How pixels without measurement are treated, as it is typed.

use crate::error::{Error, Result};
use crate::inpaint::Fill;
use std::str::FromStr;

/// A way to treat pixels without measurement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GapMode {
    /// Free, or bounded by the network where that helps.
    Auto,
    /// Free.
    Free,
    /// Bounded by the network's intervals.
    Network,
    /// Fixed at the network's values.
    NetworkHard,
    /// Bounded by the network's intervals, let go for the last part of the recipe.
    NetworkRelease,
    /// Bounded by multiples of a classical fill.
    Fill(Fill),
    /// Bounded by multiples of straight lines, let go for the last part of the recipe.
    LinearRelease,
}

impl GapMode {
    /// Whether the network says what is in the gaps.
    pub fn network(self) -> bool {
        matches!(self, GapMode::Auto | GapMode::Network | GapMode::NetworkHard | GapMode::NetworkRelease)
    }

    /// Whether bounds are let go for the last part of the recipe.
    pub fn released(self) -> bool {
        matches!(self, GapMode::NetworkRelease | GapMode::LinearRelease)
    }
}

impl FromStr for GapMode {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Ok(match text {
            "auto" => GapMode::Auto,
            "free" => GapMode::Free,
            "network" => GapMode::Network,
            "network-hard" => GapMode::NetworkHard,
            "network-release" => GapMode::NetworkRelease,
            "linear-release" => GapMode::LinearRelease,
            other => GapMode::Fill(other.parse().map_err(|_| {
                let known = "takes auto, free, network, network-hard, network-release, zero, linear, linear-release, idw or biharmonic";
                Error::setting("gap", other, known)
            })?),
        })
    }
}
