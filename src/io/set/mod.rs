//! Data sets of simulated patterns with their truth, one HDF5 file each: made by a resumable
//! writer, read by many threads at once.
//!
//! `/intensity` (float32), `/counts` (uint32), `/mask` (uint16), `/object` (complex64) and
//! `/support` (uint8) hold `N` patterns each, `(N, y, x)` in 2D and `(N, z, y, x)` in 3D, one
//! pattern a chunk. Where the patterns were phased, `/calculated` and `/calculated_spread` (float32)
//! hold what that gave. `/split` and `/particle` have one number a pattern, `/splits/train`,
//! `/splits/validation` and `/splits/test` list the patterns of each, `/parameters` has a column
//! for each parameter. Attributes of the root say how the set was made. The file holds no time, and
//! the same entries give the same bytes.

mod assemble;
mod columns;
mod pack;
mod part;
mod raw;
mod reader;
mod writer;

pub use reader::Set;
pub use writer::SetWriter;

use crate::error::{Error, Result};
use crate::parameters::Parameters;
use crate::pixels::Calculated;
use crate::volume::{Centered, Shape};
use num_complex::Complex32;
use serde::{Deserialize, Serialize};

/// Values of the root's attributes `format` and `format_version`.
const FORMAT: (&str, u32) = ("lacuna-set", 1);

/// The data sets with one chunk a pattern, in the order in which parts store them.
const ARRAYS: [&str; 7] = ["intensity", "counts", "mask", "object", "support", "calculated", "calculated_spread"];

/// So many of them are in every set, the others where the patterns were phased.
const ALWAYS: usize = 5;

/// Purpose of a pattern. All patterns of a particle belong to the same split.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Split {
    /// Patterns that the network learns from.
    Train,
    /// Patterns that tell when to stop learning.
    Validation,
    /// Patterns that score the finished network.
    Test,
}

impl Split {
    /// All splits, each at the index that stands for it in files.
    pub const ALL: [Split; 3] = [Split::Train, Split::Validation, Split::Test];

    /// Name of the split: `train`, `validation` or `test`.
    pub fn name(self) -> &'static str {
        ["train", "validation", "test"][self as usize]
    }
}

impl std::str::FromStr for Split {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let found = Self::ALL.into_iter().find(|split| split.name() == text);
        found.ok_or_else(|| Error::setting("split", text, "takes test, validation or train"))
    }
}

/// One pattern with its truth. The arrays have the set's shape.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Expected photons, without noise. Stored with 14 bits of mantissa: a relative error of up to
    /// 3e-5.
    pub intensity: Centered<f32>,
    /// Photons counted by the detector.
    pub counts: Centered<u32>,
    /// CXI bits ([`crate::pixels::bit`]) up to 0xffff, 0 = good.
    pub mask: Centered<u32>,
    /// The object, square roots of photons (unitary transforms). Stored with 14 bits of mantissa.
    pub object: Centered<Complex32>,
    /// Voxels that the object fills.
    pub support: Centered<bool>,
    /// What phasing calculates, where the patterns of the set were phased. Stored with 14 bits of
    /// mantissa.
    pub calculated: Option<Calculated>,
    /// Everything that was drawn. Counts come back from a file as numbers.
    pub parameters: Parameters,
    /// Split that the pattern belongs to.
    pub split: Split,
    /// Number of the particle shown.
    pub particle: u64,
}

/// A simulated measurement: the arrays of an [`Entry`] without its object.
#[derive(Debug, Clone, PartialEq)]
pub struct Measurement {
    /// Expected photons, without noise.
    pub intensity: Centered<f32>,
    /// Photons counted by the detector.
    pub counts: Centered<u32>,
    /// CXI bits, 0 = good.
    pub mask: Centered<u32>,
    /// What phasing calculates, where the patterns of the set were phased.
    pub calculated: Option<Calculated>,
}

/// Origin and size of a set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetHeader {
    /// Shape of each pattern, `z = 1` in 2D.
    pub shape: Shape,
    /// Number of patterns.
    pub count: usize,
    /// Seed of everything drawn.
    pub seed: u64,
    /// Name of the recipe.
    pub recipe_name: String,
    /// Text of the recipe, TOML.
    pub recipe_text: String,
}

#[cfg(test)]
mod tests;
