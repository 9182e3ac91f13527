//! Data sets of simulated patterns with their truth, one HDF5 file each: made by a resumable writer, read by many threads at once.
//!
//! `/intensity` (float32), `/counts` (uint32), `/mask` (uint16), `/object` (complex64) and `/support` (uint8) hold `N` patterns each,
//! `(N, y, x)` in 2D and `(N, z, y, x)` in 3D, one pattern a chunk. `/split` and `/particle` have one number a pattern,
//! `/splits/train`, `/splits/validation` and `/splits/test` list the patterns of each, `/parameters` has a column for each parameter.
//! Attributes of the root say how the set was made. The file holds no time, and the same entries give the same bytes.

mod assemble;
mod columns;
mod pack;
mod part;
mod raw;
mod reader;
mod writer;

pub use reader::Set;
pub use writer::SetWriter;

use crate::volume::{Centered, Shape};
use num_complex::Complex32;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// What the root's attributes `format` and `format_version` hold.
const FORMAT: (&str, u32) = ("lacuna-set", 1);

/// The data sets with one chunk a pattern, in the order in which parts store them.
const ARRAYS: [&str; 5] = ["intensity", "counts", "mask", "object", "support"];

/// What a pattern is for. All patterns of a particle belong to the same split.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Split {
    /// Seen by the network while it learns.
    Train,
    /// Tells when to stop learning.
    Validation,
    /// Scores the finished network.
    Test,
}

impl Split {
    /// All splits, each at the index of its number in the file.
    pub const ALL: [Split; 3] = [Split::Train, Split::Validation, Split::Test];

    /// `train`, `validation` or `test`.
    pub fn name(self) -> &'static str {
        ["train", "validation", "test"][self as usize]
    }
}

/// One pattern with its truth. The arrays have the set's shape.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Expected photons, without noise. Stored with 14 bits of mantissa: a relative error of up to 3e-5.
    pub intensity: Centered<f32>,
    /// What the detector read.
    pub counts: Centered<u32>,
    /// CXI bits ([`crate::pixels::bit`]) up to 0xffff, 0 = good.
    pub mask: Centered<u32>,
    /// The object, square roots of photons (unitary transforms). Stored with 14 bits of mantissa.
    pub object: Centered<Complex32>,
    /// Where the object is.
    pub support: Centered<bool>,
    /// What was drawn: numbers, short lists of numbers, texts and booleans. Numbers come back from a file as 64-bit floats.
    pub parameters: Map<String, Value>,
    /// What the pattern is for.
    pub split: Split,
    /// The particle that it shows.
    pub particle: u64,
}

/// The arrays of an [`Entry`] that training needs.
#[derive(Debug, Clone, PartialEq)]
pub struct Measurement {
    /// Expected photons, without noise.
    pub intensity: Centered<f32>,
    /// What the detector read.
    pub counts: Centered<u32>,
    /// CXI bits, 0 = good.
    pub mask: Centered<u32>,
}

/// How a set is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetHeader {
    /// Shape of each pattern, `z = 1` in 2D.
    pub shape: Shape,
    /// Number of patterns.
    pub count: usize,
    /// Seed of everything that was drawn.
    pub seed: u64,
    /// Name of the recipe.
    pub recipe_name: String,
    /// The whole recipe, TOML.
    pub recipe_text: String,
}

#[cfg(test)]
mod tests;
