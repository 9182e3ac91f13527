//! How accurate is the inpainting: gaps of given widths cut into patterns whose noise-free
//! intensity is known, filled by a network and by the classical fills, scored on the same pixels.

mod accuracy;
mod calibrate;
mod cut;
mod page;
mod self_check;
mod self_check_page;
mod table;

pub use accuracy::{Evaluated, EvaluatedCase, Evaluation};
pub use calibrate::Calibrator;
pub use cut::{DetectorGap, blinded, gaps_of_ratio, straight_gap, without_gaps};
pub use page::{card_scores, page, text};
pub use self_check::{GapCopy, SelfCheck, copies_of_gap, self_check};
pub use table::{Class, Row, classes};

use crate::error::Result;
use crate::inpaint::model::Model;
use crate::inpaint::predict::{PredictOptions, predict};
use crate::inpaint::{Fill, FillOptions, fill};
use crate::metrics::GapScore;
use crate::pixels::Pattern;
use ndarray::Array3;
use serde::Serialize;

/// Classical fills that a network is compared with: what everyone has, what PyNX does, and the
/// smoothest surface.
pub const CLASSICAL: [Fill; 3] = [Fill::Linear, Fill::Idw, Fill::Biharmonic];
/// Pixels farther than this from what is measured are left to the network alone: classical fills
/// say nothing there.
pub const REACH: f32 = 8.0;

/// What came of one gap in one pattern.
#[derive(Debug, Clone, Serialize)]
pub struct Outcome {
    /// Of the network.
    pub network: GapScore,
    /// Of each of [`CLASSICAL`].
    pub classical: [GapScore; 3],
    /// Of kriging, which others do not have for this purpose.
    pub kriging: GapScore,
    /// Part of the pixels whose truth is within the 90 % interval.
    pub covered: f64,
    /// Part of the pixels that the network leaves free.
    pub free: f64,
    /// Median half width of the intervals, `ln(1 + I)`.
    pub half_width: f64,
}

/// The filled patterns behind an [`Outcome`], for pictures.
#[derive(Debug, Clone)]
pub struct Filled {
    /// Where it was scored.
    pub inside: Array3<bool>,
    /// By the network, photons.
    pub network: Array3<f32>,
    /// By the biharmonic fill, photons.
    pub biharmonic: Array3<f32>,
    /// Half width of the network's intervals, `ln(1 + I)`.
    pub half_width: Array3<f32>,
}

/// Fills the pixels `inside` of a pattern in all ways, and scores them against `truth`, photons.
/// Nothing if there is no such pixel that the classical fills reach.
///
/// # Errors
/// Those of [`predict`] and [`fill()`].
pub fn outcome(
    pattern: &Pattern,
    truth: &Array3<f32>,
    inside: &Array3<bool>,
    model: &Model,
    options: PredictOptions,
    go_on: &mut dyn FnMut() -> bool,
) -> Result<Option<(Outcome, Filled)>> {
    let mut field = predict(pattern, model, options, &mut |_| go_on())?;
    let volume = !options.slices;
    let reach = FillOptions { bounds: (1.0, 1.0), max_distance: REACH, volume, beamstop: true };
    let fills = CLASSICAL.map(|method| fill(pattern, method, &reach, &mut |_| go_on()));
    let fills = fills.into_iter().collect::<Result<Vec<_>>>()?;
    let kriging = match field.kriged.take() {
        Some(log) => log.mapv_into(f32::exp_m1),
        None => fill(pattern, Fill::Kriging, &reach, &mut |_| go_on())?.mean.0,
    };
    let mut scored = inside.clone();
    for (index, scored) in scored.indexed_iter_mut() {
        *scored &= field.at[index] && truth[index].is_finite() && fills.iter().all(|fill| fill.at.0[index]);
    }
    let pixels: Vec<[usize; 3]> =
        scored.indexed_iter().filter(|(_, scored)| **scored).map(|(index, _)| index.into()).collect();
    if pixels.is_empty() {
        return Ok(None);
    }
    let network = field.mean.mapv(|mean| mean.max(0.0).exp_m1());
    let score = |values: &Array3<f32>| GapScore::new(pixels.iter().map(|&index| (values[index], truth[index])));
    let count = pixels.len() as f64;
    let part = |holds: &dyn Fn(&[usize; 3]) -> bool| pixels.iter().filter(|index| holds(index)).count() as f64 / count;
    let covered = part(&|&index| (truth[index].max(0.0).ln_1p() - field.mean[index]).abs() <= field.half_width[index]);
    let free = part(&|&index| field.half_width[index] > model.card.calibration.unknown);
    let widths: Vec<f64> = pixels.iter().map(|&index| f64::from(field.half_width[index])).collect();
    let outcome = Outcome {
        network: score(&network),
        classical: std::array::from_fn(|i| score(&fills[i].mean.0)),
        kriging: score(&kriging),
        covered,
        free,
        half_width: crate::metrics::median(&widths),
    };
    let biharmonic = fills[2].mean.0.clone();
    Ok(Some((outcome, Filled { inside: scored, network, biharmonic, half_width: field.half_width })))
}
