//! What the readers of all formats hand on.

use super::array::RawArray;
use super::lost::Lost;
use super::note::Note;
use super::view::{Region, View};
use crate::geometry::{Geometry, Goniometer};
use crate::pixels::Estimate;
use crate::volume::{Centered, Shape};

/// What a format's reader found, the intensities not yet converted.
pub(super) struct Contents {
    pub array: RawArray,
    /// The part of `array` that is read.
    pub view: View,
    /// Extents of the whole stack.
    pub stack: Shape,
    /// The part of the stack that is read.
    pub region: Region,
    pub mask: Option<Centered<u32>>,
    pub support: Option<Centered<bool>>,
    pub estimate: Option<Estimate>,
    pub geometry: Geometry,
    /// Circles, with positions for all frames of the stack.
    pub goniometer: Option<Goniometer>,
    /// Flux for each frame of the stack, where it was asked for.
    pub monitor: Option<Vec<f64>>,
    /// First row and column of the frames in the detector.
    pub offset: Option<[usize; 2]>,
    pub by_lacuna: bool,
    pub dataset: Option<String>,
    pub format: &'static str,
    pub lost: Vec<Lost>,
    pub notes: Vec<Note>,
}

/// What one file of frames holds.
pub(super) struct OneFile {
    pub array: RawArray,
    pub geometry: Geometry,
    pub notes: Vec<Note>,
}

impl OneFile {
    /// An array without anything beside it.
    pub fn alone(array: RawArray) -> Self {
        OneFile { array, geometry: Geometry::default(), notes: Vec::new() }
    }
}

impl Contents {
    /// Intensities without anything beside them.
    pub fn new(
        array: RawArray,
        view: View,
        stack: Shape,
        region: Region,
        geometry: Geometry,
        format: &'static str,
    ) -> Self {
        Contents {
            array,
            view,
            stack,
            region,
            geometry,
            format,
            mask: None,
            support: None,
            estimate: None,
            goniometer: None,
            monitor: None,
            offset: None,
            by_lacuna: false,
            dataset: None,
            lost: Vec::new(),
            notes: Vec::new(),
        }
    }
}
