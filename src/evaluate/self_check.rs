//! A check without truth: the pattern's own gap, shifted onto pixels that were measured, is filled
//! and compared with the measurement.

use super::{CLASSICAL, REACH, blinded};
use crate::error::{Error, Result};
use crate::inpaint::model::Model;
use crate::inpaint::predict::{PredictOptions, predict};
use crate::inpaint::{FillOptions, distance_to_measured, fill};
use crate::metrics::GapScore;
use crate::pixels::Pattern;
use ndarray::Array3;
use serde::Serialize;

/// Shifts that are tried, of those with the most pixels.
const SHIFTS: usize = 4;
/// Measured pixels left between the gap and its copy, at least.
const MARGIN: usize = 6;
/// Least number of pixels that is worth a score.
const LEAST: usize = 50;
/// Standard deviations of a Poisson distribution that hold 90 %.
const NINETY: f32 = 1.645;

/// What the copies of the gap say.
#[derive(Debug, Clone, Serialize)]
pub struct SelfCheck {
    /// Shifts of the gap along rows' and columns' direction, pixels.
    pub shifts: Vec<[isize; 2]>,
    /// Of the network, against counts: noise is part of the error.
    pub network: GapScore,
    /// Of linear, inverse-distance and biharmonic fill.
    pub classical: [GapScore; 3],
    /// Part of the counts within the 90 % interval, widened by their own noise.
    pub covered: f64,
    /// Part of the pixels that the network leaves free.
    pub free: f64,
    /// The copies for pictures.
    #[serde(skip)]
    pub copies: Vec<GapCopy>,
}

/// A copy of the gap and what was put there, photons.
#[derive(Debug, Clone)]
pub struct GapCopy {
    /// Its pixels that were scored.
    pub inside: Array3<bool>,
    /// By the network.
    pub network: Array3<f32>,
    /// By the biharmonic fill.
    pub biharmonic: Array3<f32>,
}

/// Cuts copies of the gap into measured regions and scores them.
///
/// # Errors
/// [`Error::Pattern`] if there is no gap, or no place for a copy; those of [`predict`].
pub fn self_check(
    pattern: &Pattern,
    model: &Model,
    options: PredictOptions,
    progress: &mut dyn FnMut(f64) -> bool,
) -> Result<SelfCheck> {
    let measured = pattern.measured().0;
    let depth = distance_to_measured(&measured, !options.slices);
    let deepest = depth.iter().copied().filter(|depth| depth.is_finite()).fold(0.0, f32::max);
    if deepest == 0.0 {
        return Err(Error::Pattern("the pattern has no gap whose shape could be checked".into()));
    }
    let shifts = shifts(&measured, deepest);
    if shifts.is_empty() {
        return Err(Error::Pattern("nowhere in the pattern is room for a copy of its gap".into()));
    }
    let (mut network, mut classical) = (Vec::new(), [Vec::new(), Vec::new(), Vec::new()]);
    let (mut covered, mut free, mut copies) = (0, 0, Vec::new());
    let total = shifts.len() as f64;
    for (done, &shift) in shifts.iter().enumerate() {
        let inside = shifted(&measured, shift);
        let cut = blinded(pattern.clone(), &inside);
        let field = predict(&cut, model, options, &mut |part| progress((done as f64 + part) / total))?;
        let reach = FillOptions { bounds: (1.0, 1.0), max_distance: REACH, volume: !options.slices, beamstop: true };
        let mut on = |_| progress((done as f64 + 1.0) / total);
        let fills = CLASSICAL.map(|method| fill(&cut, method, &reach, &mut on));
        let fills = fills.into_iter().collect::<Result<Vec<_>>>()?;
        let now = distance_to_measured(&cut.measured().0, !options.slices);
        let mut scored = inside;
        for (index, scored) in scored.indexed_iter_mut() {
            // Where copy and gap meet, the hole is deeper than the gap itself.
            *scored &= field.at[index] && now[index] <= deepest && fills.iter().all(|fill| fill.at.0[index]);
        }
        let intensity = field.mean.mapv(|mean| mean.max(0.0).exp_m1());
        for (index, _) in scored.indexed_iter().filter(|(_, scored)| **scored) {
            let count = pattern.intensity.0[index];
            let [low, high] =
                [-1.0, 1.0].map(|sign| (field.mean[index] + sign * field.half_width[index]).max(0.0).exp_m1());
            // Independent of the network's error: their squares add up.
            let middle = intensity[index];
            let holds = count >= middle - (middle - low).hypot(NINETY * middle.sqrt())
                && count <= middle + (high - middle).hypot(NINETY * middle.sqrt());
            covered += usize::from(holds);
            free += usize::from(field.half_width[index] > model.card.calibration.unknown);
            network.push((intensity[index], count));
            for (pairs, fill) in classical.iter_mut().zip(&fills) {
                pairs.push((fill.mean.0[index], count));
            }
        }
        copies.push(GapCopy { inside: scored, network: intensity, biharmonic: fills[2].mean.0.clone() });
    }
    let count = network.len().max(1) as f64;
    Ok(SelfCheck {
        shifts,
        network: GapScore::new(network.into_iter()),
        classical: classical.map(|pairs| GapScore::new(pairs.into_iter())),
        covered: covered as f64 / count,
        free: free as f64 / count,
        copies,
    })
}

/// The pixels of copies of the gap, shifted onto measured ones; those with the most pixels first.
pub fn copies_of_gap(measured: &Array3<bool>, volume: bool) -> Vec<Array3<bool>> {
    let depth = distance_to_measured(measured, volume);
    let deepest = depth.iter().copied().filter(|depth| depth.is_finite()).fold(0.0, f32::max);
    if deepest == 0.0 {
        return Vec::new();
    }
    shifts(measured, deepest).into_iter().map(|shift| shifted(measured, shift)).collect()
}

/// Where the gap lies after a shift, on measured pixels.
fn shifted(measured: &Array3<bool>, [dy, dx]: [isize; 2]) -> Array3<bool> {
    let (_, ny, nx) = measured.dim();
    Array3::from_shape_fn(measured.dim(), |(z, y, x)| {
        let (from_y, from_x) = (y as isize - dy, x as isize - dx);
        let inside = (0..ny as isize).contains(&from_y) && (0..nx as isize).contains(&from_x);
        inside && measured[[z, y, x]] && !measured[[z, from_y as usize, from_x as usize]]
    })
}

/// The shifts that cover most pixels: just far enough to leave some between gap and copy, so that
/// the distance to the peak changes little.
fn shifts(measured: &Array3<bool>, deepest: f32) -> Vec<[isize; 2]> {
    let step = (2.0 * deepest).round() as isize + MARGIN as isize;
    let mut found = Vec::new();
    for dy in -1..=1 {
        for dx in -1..=1 {
            let shift = [dy * step, dx * step];
            let count = shifted(measured, shift).iter().filter(|inside| **inside).count();
            if shift != [0, 0] && count >= LEAST {
                found.push((count, shift));
            }
        }
    }
    found.sort_by_key(|&(count, _)| std::cmp::Reverse(count));
    found.truncate(SHIFTS);
    found.into_iter().map(|(_, shift)| shift).collect()
}
