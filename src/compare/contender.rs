//! What is compared: treatments of the gap, and the detector without one.

use crate::error::Result;
use crate::inpaint::{GapSource, GapTreatment};
use serde::{Deserialize, Serialize};
use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

/// A treatment of the gap, or the pattern without a gap.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Contender {
    /// A detector without gaps, which nothing can beat. Only where such a pattern is known.
    Full,
    /// The pattern with its gap treated.
    Gap(GapTreatment),
    /// What `--gap auto` does: free pixels, every second run beginning within the bounds of a fill
    /// where one may help.
    Auto,
}

impl Contender {
    /// Free pixels.
    pub const FREE: Contender = Contender::Gap(GapTreatment::FREE);
    /// The network's bounds.
    pub const NETWORK: Contender = Contender::Gap(GapTreatment::NETWORK);

    /// Treatments that are compared unless others are asked for.
    const STANDARD: [&str; 11] = [
        "full",
        "auto",
        "free",
        "zero",
        "linear",
        "linear-soft",
        "linear-soft-release",
        "idw-soft",
        "network",
        "network-hard",
        "network-release",
    ];

    /// Reads a list of names: those of `--gap`, and `full`. An empty list means the standard ones.
    ///
    /// # Errors
    /// [`crate::Error::Setting`] for an unknown name.
    pub fn list(names: &[String]) -> Result<Vec<Contender>> {
        let mut all: Vec<Contender> = Vec::new();
        let standard = Self::STANDARD.map(String::from);
        for name in if names.is_empty() { &standard[..] } else { names } {
            all.push(name.trim().to_ascii_lowercase().parse()?);
        }
        let mut unique: Vec<Contender> = Vec::new();
        for contender in all {
            if !unique.contains(&contender) {
                unique.push(contender);
            }
        }
        Ok(unique)
    }

    /// The contender in words, for tables and pages.
    pub fn text(&self) -> String {
        match self {
            Contender::Full => "no gap at all".into(),
            Contender::Gap(gap) => gap.text(),
            Contender::Auto => "the automatic choice".into(),
        }
    }

    /// Whether the network has to say what is in the gap.
    pub fn needs_network(&self) -> bool {
        match self {
            Contender::Full => false,
            Contender::Gap(gap) => gap.needs_network(),
            Contender::Auto => true,
        }
    }

    /// Place in tables: without a gap first, then the automatic choice, then by source and name.
    fn place(&self) -> (bool, Option<GapSource>, String) {
        match self {
            Contender::Full => (false, None, String::new()),
            Contender::Auto => (true, None, String::new()),
            Contender::Gap(gap) => (true, Some(gap.source), gap.to_string()),
        }
    }
}

impl Eq for Contender {}

impl Ord for Contender {
    fn cmp(&self, other: &Self) -> Ordering {
        self.place().cmp(&other.place())
    }
}

impl PartialOrd for Contender {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for Contender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Contender::Full => f.write_str("full"),
            Contender::Gap(gap) => gap.fmt(f),
            Contender::Auto => f.write_str("auto"),
        }
    }
}

impl FromStr for Contender {
    type Err = crate::Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "full" => Ok(Contender::Full),
            "auto" => Ok(Contender::Auto),
            gap => gap.parse().map(Contender::Gap),
        }
    }
}

impl Serialize for Contender {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Contender {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_be_compared_is_what_can_be_run() {
        let list = |names: &[&str]| Contender::list(&names.iter().map(ToString::to_string).collect::<Vec<_>>());
        assert_eq!(list(&["auto", "free"]).unwrap(), [Contender::Auto, Contender::FREE]);
        assert_eq!(list(&[]).unwrap().len(), Contender::STANDARD.len());
        let error = list(&["free", "glue"]).unwrap_err().to_string();
        assert!(error.starts_with("gap = glue: takes SOURCE"), "{error}");
    }
}
