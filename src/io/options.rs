//! How an input is read.

use super::beamline::layout::Layout;
use super::view::{AxisOrder, Region};
use serde::{Deserialize, Serialize};

/// How an input is read. The defaults read all of it as it is, and mask what is missing.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ReadOptions {
    /// Where the beamline keeps things in its files. `None` reads what CXI and NeXus define.
    pub layout: Option<Layout>,
    /// The flux to read with the frames: a path in an HDF5 file, a column of a text file, or
    /// `layout` for the one that the layout names.
    pub monitor: Option<String>,
    /// Treatment of frames and parts of frames of which the data are lost.
    pub missing: MissingData,
    /// The part `(z, y, x)` to read, pixels of the stack; nothing else is kept in memory. `None`
    /// reads all of it.
    pub roi: Option<Region>,
    /// The order in which the file stores the axes.
    pub axes: AxisOrder,
    /// Meaning of the mask that the file brings.
    pub file_mask: FileMask,
    /// First row and column of the data in the frame of the whole detector, for masks of all of it.
    /// `None` takes what the file states.
    pub mask_offset: Option<[usize; 2]>,
}

/// What happens where data are missing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MissingData {
    /// They are masked as not measured, with a note.
    #[default]
    Mask,
    /// The file is refused.
    Refuse,
}

/// What the mask inside a data file means.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FileMask {
    /// Pixels that are not zero are bad, as CXI, NeXus and silx have it.
    #[default]
    Bad,
    /// Pixels that are not zero are good, as Lima, psana and ptypy have it.
    Good,
    /// Nothing: it is left out.
    Ignore,
}
