//! Data that are missing, which must never be taken for zeros: lost files, sources of virtual data
//! sets, frames that were never written.

use super::note::{Note, place};
use super::options::{MissingData, ReadOptions};
use super::view::{Region, within};
use crate::error::{Error, Result, shape_text};
use crate::limits;
use crate::pixels::{bit, trimmed};
use crate::volume::{Centered, Shape};
use ndarray::Axis;
use std::ops::Range;
use std::path::Path;

/// Photons that the frames beside a frame without any must have for it to count as lost: Poisson
/// counts stay zero with e^-30.
const BESIDE: f64 = 30.0;
/// The same for frames at an end of the stack, beside which there is light on one side only.
const AT_END: f64 = 100.0;

/// A part of a stack of which the data are lost.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Lost {
    /// Where, in pixels of the whole stack.
    pub at: Region,
    /// Why.
    pub reason: String,
}

impl Lost {
    /// Whole frames.
    pub fn frames(frames: Range<usize>, stack: Shape, reason: impl Into<String>) -> Self {
        Lost { at: [frames, 0..stack[1], 0..stack[2]], reason: reason.into() }
    }
}

/// The region to read, and what is to be said of what is lost in it. Frames lost at the end are
/// left out where no region is asked for.
///
/// # Errors
///
/// [`Error::Setting`] for a region outside of the data, [`Error::File`] where everything is lost,
/// or anything and `missing = refuse`, [`Error::Memory`] for more than there is memory for.
pub(super) fn region(file: &Path, stack: Shape, lost: &[Lost], options: &ReadOptions) -> Result<(Region, Vec<Note>)> {
    if let (Some(first), MissingData::Refuse) = (lost.first(), options.missing) {
        return Err(refusal(file, &place(&first.at, &stack), &first.reason));
    }
    let fits = |roi: &&Region| roi.iter().zip(stack).all(|(range, n)| range.start < range.end && range.end <= n);
    if let Some(roi) = options.roi.as_ref().filter(|roi| !fits(roi)) {
        let text: Vec<String> = roi.iter().map(|range| format!("{}:{}", range.start, range.end)).collect();
        let problem = format!("must be within the data, which are {}", shape_text(&trimmed(stack)));
        return Err(Error::setting("roi", text.join(","), problem));
    }
    let mut region = options.roi.clone().unwrap_or_else(|| stack.map(|n| 0..n));
    let mut notes = Vec::new();
    if options.roi.is_none() {
        let whole = |lost: &&Lost| lost.at[1] == (0..stack[1]) && lost.at[2] == (0..stack[2]);
        let at_end =
            |end: usize| lost.iter().filter(whole).find(|lost| lost.at[0].start < end && lost.at[0].end >= end);
        while let Some(last) = at_end(region[0].end) {
            region[0].end = last.at[0].start;
            notes = vec![Note::Incomplete { found: region[0].end, planned: stack[0], reason: last.reason.clone() }];
        }
    }
    if region[0].is_empty() {
        let reason = lost.first().map(|lost| lost.reason.clone()).unwrap_or_default();
        return Err(Error::file(file, format!("has no data left: {reason}")));
    }
    check_memory(file, &region)?;
    let inside = lost.iter().filter(|lost| within(&lost.at, &region).is_some());
    notes.extend(inside.map(|lost| Note::Missing { at: lost.at.clone(), stack, reason: lost.reason.clone() }));
    Ok((region, notes))
}

/// Masks what is lost of the region that was read.
pub(super) fn mark(lost: &[Lost], region: &Region, intensity: &mut Centered<f32>, mask: &mut Option<Centered<u32>>) {
    for [z, y, x] in lost.iter().filter_map(|lost| within(&lost.at, region)) {
        let mask = mask.get_or_insert_with(|| intensity.map(|_| 0));
        mask.0.slice_mut(ndarray::s![z.clone(), y.clone(), x.clone()]).mapv_inplace(|bits| bits | bit::MISSING);
        intensity.0.slice_mut(ndarray::s![z, y, x]).fill(0.0);
    }
}

/// Masks frames that read zero everywhere beside frames that do not: nobody counts nothing between
/// thousands of photons.
///
/// # Errors
///
/// [`Error::File`] where there are any and `missing = refuse`.
pub(super) fn mark_dark_frames(
    file: &Path,
    region: &Region,
    options: &ReadOptions,
    intensity: &mut Centered<f32>,
    mask: &mut Option<Centered<u32>>,
    sentinel: Option<f64>,
) -> Result<Vec<Note>> {
    let found = dark_frames(intensity, mask.as_ref(), sentinel);
    let [nz, ny, nx] = intensity.shape();
    let reason = "they read zero everywhere, unlike those beside them";
    let at = |frames: &Range<usize>| {
        let start = region[0].start;
        [frames.start + start..frames.end + start, region[1].clone(), region[2].clone()]
    };
    let stack = [region[0].start + nz, region[1].end, region[2].end];
    if let (Some(first), MissingData::Refuse) = (found.first(), options.missing) {
        let text = format!("frames {} to {}", at(first)[0].start, at(first)[0].end - 1);
        return Err(refusal(file, &text, reason));
    }
    let lost: Vec<Lost> = found.iter().map(|frames| Lost::frames(frames.clone(), [nz, ny, nx], reason)).collect();
    mark(&lost, &[0..nz, 0..ny, 0..nx], intensity, mask);
    let whole = |at: Region| [at[0].clone(), 0..stack[1], 0..stack[2]];
    Ok(found.iter().map(|frames| Note::Missing { at: whole(at(frames)), stack, reason: reason.into() }).collect())
}

/// Bytes of a pixel that is read: intensity, mask, and the copies of both that preparation makes.
const PIXEL: u64 = 4 * 4;

/// Less than this many bytes are always there.
const LITTLE: u64 = 100_000_000;

/// Refuses a region for which there is no memory, before any of it is read: the system would end the
/// program without a word.
fn check_memory(file: &Path, region: &Region) -> Result<()> {
    let extents = region.each_ref().map(Range::len);
    let needed = extents.iter().fold(PIXEL, |n, &m| n.saturating_mul(m as u64));
    let available = if needed > LITTLE { limits::available() } else { u64::MAX };
    if needed <= available {
        return Ok(());
    }
    let remedy = format!(
        "{} is {}: read the region around the peak with roi (rebin sums pixels after the centre was found in all of them)",
        file.display(),
        shape_text(&trimmed(extents))
    );
    Err(Error::Memory { needed, available, remedy })
}

fn refusal(file: &Path, what: &str, reason: &str) -> Error {
    Error::file(file, format!("{what} without data ({reason}): give missing = mask to go on without them"))
}

/// Runs of frames in which every measured pixel is zero, although the frames beside them have
/// light.
fn dark_frames(intensity: &Centered<f32>, mask: Option<&Centered<u32>>, sentinel: Option<f64>) -> Vec<Range<usize>> {
    let sentinel = sentinel.map_or(f32::INFINITY, |value| value as f32);
    // Photons of each frame; None where nothing was measured.
    let totals: Vec<Option<f64>> = (0..intensity.shape()[0])
        .map(|z| {
            let frame = intensity.0.index_axis(Axis(0), z);
            let masked = mask.map(|mask| mask.0.index_axis(Axis(0), z));
            let (mut total, mut measured) = (0.0, 0_usize);
            for (index, &value) in frame.indexed_iter() {
                if value >= 0.0 && value < sentinel && masked.as_ref().is_none_or(|mask| mask[index] == 0) {
                    total += f64::from(value);
                    measured += 1;
                }
            }
            (measured > 0).then_some(total)
        })
        .collect();
    let mut runs: Vec<Range<usize>> = Vec::new();
    for (z, _) in totals.iter().enumerate().filter(|(_, total)| **total == Some(0.0)) {
        match runs.last_mut() {
            Some(run) if run.end == z => run.end = z + 1,
            _ => runs.push(z..z + 1),
        }
    }
    let lit = |total: &Option<f64>| total.filter(|&total| total > 0.0);
    runs.retain(|run| {
        let before = totals[..run.start].iter().rev().find_map(lit);
        let after = totals[run.end..].iter().find_map(lit);
        match (before, after) {
            (Some(before), Some(after)) => before.min(after) >= BESIDE,
            (Some(one), None) | (None, Some(one)) => one >= AT_END,
            (None, None) => false,
        }
    });
    runs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_lost_at_the_end_is_left_out_and_inside_masked() {
        let stack = [10, 4, 4];
        let lost = [Lost::frames(2..4, stack, "b"), Lost::frames(8..10, stack, "c"), Lost::frames(7..8, stack, "d")];
        let file = Path::new("a.h5");
        let (region, notes) = super::region(file, stack, &lost, &ReadOptions::default()).unwrap();
        assert_eq!(region, [0..7, 0..4, 0..4]);
        let text: Vec<String> = notes.iter().map(ToString::to_string).collect();
        assert_eq!(
            text,
            [
                "7 of 10 planned frames are there (d): those are read",
                "frames 2 to 3 without data (b): masked as not measured"
            ]
        );
        let roi = ReadOptions { roi: Some([3..9, 1..3, 0..4]), ..ReadOptions::default() };
        let (region, notes) = super::region(file, stack, &lost, &roi).unwrap();
        assert_eq!((region.clone(), notes.len()), ([3..9, 1..3, 0..4], 3));
        let (mut intensity, mut mask) = (Centered::filled([6, 2, 4], 5.0), None);
        mark(&lost, &region, &mut intensity, &mut mask);
        let mask = mask.unwrap();
        let masked: Vec<bool> = (0..6).map(|z| mask.0[[z, 0, 0]] == bit::MISSING).collect();
        assert_eq!(masked, [true, false, false, false, true, true]);
        let refuse = ReadOptions { missing: MissingData::Refuse, ..ReadOptions::default() };
        let error = super::region(file, stack, &lost, &refuse).unwrap_err().to_string();
        assert_eq!(error, "a.h5: frames 2 to 3 without data (b): give missing = mask to go on without them");
        let all = [Lost::frames(0..10, stack, "gone")];
        let error = super::region(file, stack, &all, &ReadOptions::default()).unwrap_err().to_string();
        assert_eq!(error, "a.h5: has no data left: gone");
    }

    #[test]
    fn dark_frames_are_those_beside_light() {
        let frames =
            |totals: &[f32]| {
                let stack = ndarray::Array3::from_shape_fn([totals.len(), 2, 2], |(z, y, x)| {
                    if (y, x) == (0, 0) { totals[z] } else { 0.0 }
                });
                dark_frames(&Centered(stack), None, None)
            };
        assert_eq!(frames(&[5.0, 200.0, 0.0, 0.0, 900.0, 0.0]), [2..4, 5..6]);
        // A weak scan has empty frames, and a rocking curve ends in them.
        assert!(frames(&[0.0, 2.0, 0.0, 3.0, 900.0, 20.0, 0.0, 1.0, 0.0]).is_empty());
    }
}
