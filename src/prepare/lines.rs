//! Straight gaps: rows, columns and frames that are masked, or dark.

use crate::pixels::bit;
use crate::volume::Centered;
use ndarray::Axis;
use serde::Serialize;

/// A straight gap through the whole frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Gap {
    /// Axis that the gap cuts: 1 for a gap of rows, 2 for columns, 0 for missing frames.
    pub axis: usize,
    /// First pixel of the gap.
    pub start: usize,
    /// Width of the gap, pixels.
    pub width: usize,
}

/// Share of a row or column that must be masked, beamstop aside, to call it a gap.
const GAP_SHARE: f64 = 0.8;

impl Gap {
    /// What to say of lines that read zero.
    pub(super) fn dark(&self) -> String {
        let lines = if self.axis == 1 { "rows" } else { "columns" };
        format!(
            "{lines} {} to {} read zero everywhere: if they are a gap, give mask = a mask file, zero or maxipix",
            self.start,
            self.start + self.width - 1
        )
    }
}

/// Lines inside the frame that are masked almost everywhere, pixels behind the beamstop aside, as
/// ranges.
pub(super) fn find_gaps(mask: &Centered<u32>) -> Vec<Gap> {
    let shape = mask.shape();
    let mut gaps = Vec::new();
    for axis in (0..3).filter(|&axis| shape[axis] > 1) {
        let lines = mask.0.axis_iter(Axis(axis)).map(|line| {
            let free = line.iter().filter(|&&bits| bits & bit::SHADOWED == 0);
            let (all, masked) =
                free.fold((0_usize, 0_usize), |(all, masked), &bits| (all + 1, masked + usize::from(bits != 0)));
            all > 0 && masked as f64 >= GAP_SHARE * all as f64
        });
        // Masked margins of the frame are no gaps.
        let inner = ranges(lines).filter(|(start, width)| *start > 0 && start + width < shape[axis]);
        gaps.extend(inner.map(|(start, width)| Gap { axis, start, width }));
    }
    gaps
}

/// Rows and columns inside the frame in which every measured pixel is zero, between lines that have
/// light.
pub(super) fn find_dark_bands(intensity: &Centered<f32>, measured: &Centered<bool>) -> Vec<Gap> {
    let shape = intensity.shape();
    let mut bands = Vec::new();
    for (axis, &length) in shape.iter().enumerate().skip(1) {
        // The share of lit pixels in each line; None where nothing was measured.
        let lit: Vec<Option<f64>> = (intensity.0.axis_iter(Axis(axis)))
            .zip(measured.0.axis_iter(Axis(axis)))
            .map(|(line, measured)| {
                let pixels = measured.iter().filter(|measured| **measured).count();
                let lit = line.iter().zip(&measured).filter(|(value, measured)| **measured && **value > 0.0).count();
                (pixels > 0).then(|| lit as f64 / pixels as f64)
            })
            .collect();
        let bright = |i: Option<usize>| i.and_then(|i| lit.get(i).copied().flatten()).is_some_and(|lit| lit > 0.02);
        let dark = ranges(lit.iter().map(|lit| *lit == Some(0.0)));
        let between = dark.filter(|&(start, width)| {
            start > 0 && start + width < length && bright(start.checked_sub(1)) && bright(Some(start + width))
        });
        bands.extend(between.map(|(start, width)| Gap { axis, start, width }));
    }
    bands
}

/// Start and length of each run of `true`.
pub(super) fn ranges(lines: impl Iterator<Item = bool>) -> impl Iterator<Item = (usize, usize)> {
    let mut found: Vec<(usize, usize)> = Vec::new();
    for (i, _) in lines.enumerate().filter(|(_, inside)| *inside) {
        match found.last_mut() {
            Some((start, width)) if *start + *width == i => *width += 1,
            _ => found.push((i, 1)),
        }
    }
    found.into_iter()
}
