//! Classical fills of detector gaps: what one does without a network, and what the network must
//! beat.
//!
//! All of them interpolate `ln(1 + I)`: intensities span five decades and fall off like a power of
//! the distance from the centre, so that in the intensities themselves the brightest neighbour
//! would decide alone; the logarithm makes steep slopes straight, and the one keeps zero photons
//! finite.

use super::{biharmonic, distance, kriging};
use crate::error::{Error, Result};
use crate::pixels::{Estimate, Pattern, bit};
use crate::volume::Centered;
use ndarray::{Array3, Zip};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// A way to fill gaps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Fill {
    /// No photons: what a program does that knows no gaps.
    Zero,
    /// Straight lines across the gap along the axes, the shortest counting most.
    Linear,
    /// Mean of the nearest measured pixels, weighted by inverse distance, as PyNX's `mask_interp`.
    Idw,
    /// The smoothest surface that continues value and slope.
    Biharmonic,
    /// What the correlation of the pattern with itself predicts from the pixels around.
    Kriging,
}

impl fmt::Display for Fill {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Fill::Zero => "zero",
            Fill::Linear => "linear",
            Fill::Idw => "idw",
            Fill::Biharmonic => "biharmonic",
            Fill::Kriging => "kriging",
        })
    }
}

impl FromStr for Fill {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        [Fill::Zero, Fill::Linear, Fill::Idw, Fill::Biharmonic, Fill::Kriging]
            .into_iter()
            .find(|fill| fill.to_string().eq_ignore_ascii_case(text.trim()))
            .ok_or_else(|| Error::setting("gap", text, "give zero, linear, idw, biharmonic or kriging"))
    }
}

/// What is filled, and how tightly the estimates bind.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FillOptions {
    /// Lower and upper bound of the intensity, in units of the fill; `(1, 1)` binds hard. PyNX uses
    /// `(0.5, 1.2)`.
    pub bounds: (f32, f32),
    /// Pixels farther than this from every measured one stay without an estimate, but for
    /// [`Fill::Zero`].
    pub max_distance: f32,
    /// Whether neighbouring frames take part, or each frame is filled alone.
    pub volume: bool,
    /// Whether to fill the shadow of the beamstop and a hole around the centre, where the pattern
    /// is least like its surroundings.
    pub beamstop: bool,
}

impl Default for FillOptions {
    fn default() -> Self {
        FillOptions { bounds: (0.5, 1.2), max_distance: 8.0, volume: true, beamstop: false }
    }
}

/// Pixels beyond the nearest measured one that inverse-distance weighting takes in, and its
/// exponent.
const IDW_MARGIN: f32 = 3.0;
const IDW_POWER: i32 = 2;
/// Depth, pixels, that a hole around the centre has and a straight gap of the usual detectors does
/// not.
const HOLE_DEPTH: f32 = 4.5;
/// Part of the frame that a hole may fill: wide gaps reach from edge to edge.
const HOLE_SHARE: usize = 3;

/// Estimates the intensities of the pixels that were not measured. Measured pixels have no
/// estimate.
///
/// `progress` is told the fraction done and asks to stop by returning false. The result does not
/// depend on the number of threads.
///
/// # Errors
///
/// [`Error::Setting`] where bounds or distance make no sense; [`Error::Interrupted`].
pub fn fill(
    pattern: &Pattern,
    method: Fill,
    options: &FillOptions,
    progress: &mut dyn FnMut(f64) -> bool,
) -> Result<Estimate> {
    let (lower, upper) = options.bounds;
    if !(0.0..=1.0).contains(&lower) || upper.is_nan() || upper < 1.0 {
        let problem = "the lower bound must be between 0 and 1, the upper 1 or more, in units of the fill";
        return Err(Error::setting("bounds", format!("{lower},{upper}"), problem));
    }
    if options.max_distance.is_nan() || options.max_distance < 1.0 {
        return Err(Error::setting("max distance", options.max_distance, "must be at least 1 pixel"));
    }
    let measured = pattern.measured().0;
    let volume = options.volume && !pattern.is_2d();
    let depth = distance::to_nearest(measured.view(), volume);
    let mut at = pattern.mask.0.mapv(|bits| bits != 0);
    if !options.beamstop {
        at.zip_mut_with(&pattern.mask.0, |at, bits| *at &= bits & bit::SHADOWED == 0);
        clear_hole(&mut at, &measured);
    }
    let mut log = pattern.intensity.0.mapv(|value| value.max(0.0).ln_1p());
    if method == Fill::Zero {
        log.zip_mut_with(&at, |value, &at| *value *= f32::from(u8::from(!at)));
    } else {
        at.zip_mut_with(&depth, |at, &depth| *at &= depth <= options.max_distance);
        let reach = |index: [usize; 3]| depth[index] + IDW_MARGIN;
        if method == Fill::Kriging {
            let filled = kriging::krige(&log, &measured, volume, progress)?;
            Zip::from(&mut log).and(&at).and(&filled).for_each(|log, &at, &filled| {
                if at {
                    *log = filled;
                }
            });
        }
        let known = Known { log: &log, measured: &measured, volume };
        let values = match method {
            Fill::Kriging => Vec::new(),
            Fill::Idw => interpolate(&at, progress, |index| known.inverse_distance(index, reach(index)))?,
            _ => interpolate(&at, progress, |index| {
                known.along_axes(index).or_else(|| known.inverse_distance(index, reach(index)))
            })?,
        };
        for (index, value) in values {
            match value {
                Some(value) => log[index] = value,
                None => at[index] = false,
            }
        }
        if method == Fill::Biharmonic {
            let brightest = log
                .iter()
                .zip(&measured)
                .filter(|(_, measured)| **measured)
                .fold(0.0_f32, |max, (&value, _)| max.max(value));
            biharmonic::solve(&mut log, measured.view(), at.view(), volume, biharmonic::ITERATIONS, progress)?;
            // Slopes that are continued to the edge of the frame may leave the range of the data.
            log.mapv_inplace(|value| value.clamp(0.0, brightest));
        }
    }
    progress(1.0);
    log.zip_mut_with(&at, |value, &at| *value = if at { value.exp_m1() } else { 0.0 });
    let mean = Centered(log);
    let bound = |factor: f32| mean.map(|value| value * factor);
    Ok(Estimate { lower: bound(lower), upper: bound(upper), mean, at: Centered(at) })
}

/// Takes out of `at` the hole around the centre, if there is one: in each frame, the deep part of
/// the mask in which the centre is, and the pixels between it and the nearest measured ones.
fn clear_hole(at: &mut Array3<bool>, measured: &Array3<bool>) {
    let (nz, ny, nx) = at.dim();
    let depth = distance::to_nearest(measured.view(), false);
    for z in 0..nz {
        if depth[[z, ny / 2, nx / 2]] <= HOLE_DEPTH {
            continue;
        }
        // Flood the deep part from the centre.
        let mut core = Array3::from_elem((1, ny, nx), false);
        let mut open = vec![(ny / 2, nx / 2)];
        let (mut rows, mut columns) = ((ny, 0), (nx, 0));
        while let Some((y, x)) = open.pop() {
            if y >= ny || x >= nx || core[[0, y, x]] || depth[[z, y, x]] <= HOLE_DEPTH {
                continue;
            }
            core[[0, y, x]] = true;
            rows = (rows.0.min(y), rows.1.max(y));
            columns = (columns.0.min(x), columns.1.max(x));
            open.extend([(y + 1, x), (y.wrapping_sub(1), x), (y, x + 1), (y, x.wrapping_sub(1))]);
        }
        if (rows.1 - rows.0) * HOLE_SHARE > ny || (columns.1 - columns.0) * HOLE_SHARE > nx {
            continue;
        }
        let from_core = distance::to_nearest(core.view(), false);
        for ((_, y, x), &distance) in from_core.indexed_iter() {
            at[[z, y, x]] &= distance > HOLE_DEPTH + 1.0;
        }
    }
}

/// `f` of each pixel in `at`, in parallel.
fn interpolate(
    at: &Array3<bool>,
    progress: &mut dyn FnMut(f64) -> bool,
    f: impl Fn([usize; 3]) -> Option<f32> + Sync,
) -> Result<Vec<([usize; 3], Option<f32>)>> {
    let targets: Vec<[usize; 3]> = at.indexed_iter().filter(|(_, at)| **at).map(|(index, _)| index.into()).collect();
    let mut values = Vec::with_capacity(targets.len());
    // Parts only so that progress can be told, and somebody may stop.
    for part in targets.chunks(targets.len().div_ceil(50).max(1)) {
        values.par_extend(part.par_iter().map(|&index| (index, f(index))));
        if !progress(values.len() as f64 / targets.len() as f64) {
            return Err(Error::Interrupted);
        }
    }
    Ok(values)
}

/// What is known around the gaps.
struct Known<'a> {
    /// `ln(1 + I)`.
    log: &'a Array3<f32>,
    measured: &'a Array3<bool>,
    /// Whether neighbouring frames take part.
    volume: bool,
}

impl Known<'_> {
    /// Mean of the straight lines across the gap along each axis, weighted by inverse length.
    /// `None` where no axis has measured pixels at both ends.
    fn along_axes(&self, index: [usize; 3]) -> Option<f32> {
        let (mut sum, mut weights) = (0.0, 0.0);
        for axis in (if self.volume { 0 } else { 1 })..3 {
            let (Some((before, left)), Some((after, right))) =
                (self.search(index, axis, false), self.search(index, axis, true))
            else {
                continue;
            };
            let length = (before + after) as f32;
            sum += (left * after as f32 + right * before as f32) / length / length;
            weights += 1.0 / length;
        }
        (weights > 0.0).then(|| sum / weights)
    }

    /// The next measured pixel along an axis: its distance and value.
    fn search(&self, mut index: [usize; 3], axis: usize, forward: bool) -> Option<(usize, f32)> {
        let last = self.log.shape()[axis] - 1;
        let start = index[axis];
        while if forward { index[axis] < last } else { index[axis] > 0 } {
            index[axis] = if forward { index[axis] + 1 } else { index[axis] - 1 };
            if self.measured[index] {
                return Some((index[axis].abs_diff(start), self.log[index]));
            }
        }
        None
    }

    /// Mean of the measured pixels up to `reach`, weighted by the inverse of their distance to the
    /// power [`IDW_POWER`].
    fn inverse_distance(&self, [z, y, x]: [usize; 3], reach: f32) -> Option<f32> {
        let (nz, ny, nx) = self.log.dim();
        let span = |i: usize, n: usize| i.saturating_sub(reach as usize)..(i + reach as usize + 1).min(n);
        let frames = if self.volume { span(z, nz) } else { z..z + 1 };
        let (mut sum, mut weights) = (0.0, 0.0);
        for w in frames {
            for v in span(y, ny) {
                for u in span(x, nx) {
                    let square = z.abs_diff(w).pow(2) + y.abs_diff(v).pow(2) + x.abs_diff(u).pow(2);
                    if square as f32 <= reach * reach && self.measured[[w, v, u]] {
                        let weight = (square as f32).sqrt().powi(-IDW_POWER);
                        sum += weight * self.log[[w, v, u]];
                        weights += weight;
                    }
                }
            }
        }
        (weights > 0.0).then(|| sum / weights)
    }
}
