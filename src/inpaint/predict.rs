//! A network applied to a whole pattern: overlapping patches over the gaps, blended by confidence;
//! gaps wider than half a patch first on binned copies.

use super::calibration::Calibration;
use super::distance;
use super::kriging::krige;
use super::model::Model;
use super::patch::{Hints, NormalisedPatch};
use crate::error::{Error, Result, shape_text};
use crate::pixels::{Estimate, Pattern, trimmed};
use crate::volume::Centered;
use ndarray::{Array3, ArrayView3, Zip, s};
use rayon::prelude::*;

/// Patches that are computed between two looks at progress and at Ctrl-C.
const CHUNK: [usize; 2] = [256, 16];
/// Patches that one core computes at a time.
const PART: [usize; 2] = [8, 1];
/// Patches overlap by this part of their size along each axis: three quarters in 2D, half along
/// each of three axes.
const STRIDE: [usize; 2] = [4, 2];
/// Times a pattern is binned at most.
const DEEPEST: usize = 6;
/// Part of the time that kriging takes, where the network is given it.
const KRIGING: f64 = 0.5;

/// How a network is applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PredictOptions {
    /// Whether frames of a volume are filled one by one, by a network for two dimensions.
    pub slices: bool,
}

/// What is said of every pixel that is not measured, in `ln(1 + I)`. All arrays have the pattern's
/// shape.
#[derive(Debug, Clone, PartialEq)]
pub struct Field {
    /// Where something is said.
    pub at: Array3<bool>,
    /// Most likely value, `ln(1 + I)`.
    pub mean: Array3<f32>,
    /// Half width of the 90 % interval.
    pub half_width: Array3<f32>,
    /// The pattern as kriging fills it, where the network was given that.
    pub kriged: Option<Array3<f32>>,
}

impl Field {
    /// Intensities and bounds, for the pixels of which enough is known. Bounds are `width` times as
    /// far as the 90 % intervals.
    pub fn estimate(&self, calibration: &Calibration, width: f32) -> Estimate {
        let mut at = self.at.clone();
        Zip::from(&mut at).and(&self.half_width).for_each(|at, &half| *at &= half <= calibration.unknown);
        let intensity = |sign: f32| {
            let mut out = Array3::zeros(at.dim());
            Zip::from(&mut out).and(&at).and(&self.mean).and(&self.half_width).for_each(|out, &at, &mean, &half| {
                if at {
                    *out = (mean + sign * half).max(0.0).exp_m1();
                }
            });
            Centered(out)
        };
        Estimate { mean: intensity(0.0), lower: intensity(-width), upper: intensity(width), at: Centered(at) }
    }
}

/// What the network predicts of a pattern's gaps, with its calibration and the width that its
/// bounds have in phasing.
#[derive(Debug, Clone)]
pub struct NetworkEstimate {
    /// Values and 90 % intervals.
    pub field: Field,
    /// Calibration of the network's intervals.
    pub calibration: Calibration,
    /// Half width of the bounds, in units of the 90 % intervals.
    pub width: f32,
}

impl NetworkEstimate {
    /// The prediction of a model; `width` is that of the bounds, in units of the 90 % intervals.
    ///
    /// # Errors
    /// Those of [`predict`].
    pub fn new(pattern: &Pattern, model: &Model, width: f32, progress: &mut dyn FnMut(f64) -> bool) -> Result<Self> {
        let field = predict(pattern, model, PredictOptions { slices: model.dimensions() == 2 }, progress)?;
        Ok(Self { field, calibration: model.card.calibration.clone(), width })
    }

    /// The estimate within its bounds.
    pub fn bounded(&self) -> Estimate {
        self.field.estimate(&self.calibration, self.width)
    }

    /// The most likely values, fixed.
    pub fn fixed(&self) -> Estimate {
        self.field.estimate(&self.calibration, 0.0)
    }
}

/// Says what a model knows of the pixels that were not measured. The result does not depend on the
/// number of threads.
///
/// `progress` is told the fraction done and asks to stop by returning false.
///
/// # Errors
/// [`Error::Model`] if the pattern does not suit the model, [`Error::Interrupted`].
pub fn predict(
    pattern: &Pattern,
    model: &Model,
    options: PredictOptions,
    progress: &mut dyn FnMut(f64) -> bool,
) -> Result<Field> {
    let shape = pattern.shape();
    let slices = options.slices || shape[0] == 1;
    let wanted = if slices { 2 } else { 3 };
    if model.dimensions() != wanted {
        let remedy = if wanted == 3 { "give one for volumes, or dims = 2" } else { "give one for frames" };
        let problem = format!("is for {} dimensions, the pattern is filled in {wanted}: {remedy}", model.dimensions());
        return Err(Error::Model { model: model.card.name.clone(), problem });
    }
    let size = model.card.patch;
    let axes = if slices { 1..3 } else { 0..3 };
    if axes.clone().any(|axis| shape[axis] < size) {
        let problem = format!(
            "the pattern of {} pixels is smaller than a patch of the network, {size} along each axis: give more of the frame{}",
            shape_text(&trimmed(shape)),
            if slices { "" } else { ", or fill frame by frame with dims = 2" }
        );
        return Err(Error::Model { model: model.card.name.clone(), problem });
    }
    let calculated = match (&pattern.calculated, model.card.network.phased) {
        (_, false) => None,
        (Some(calculated), true) => Some([calculated.mean.0.clone(), calculated.spread.0.clone()]),
        (None, true) => {
            let problem =
                "looks at what phasing calculates, and this pattern was not phased: give a network without that";
            return Err(Error::Model { model: model.card.name.clone(), problem: problem.into() });
        }
    };
    let known = pattern.measured().0;
    if known.iter().all(|known| !known) {
        return Err(Error::Pattern("the gap covers everything: nothing is measured".into()));
    }
    let seen = Seen { intensity: pattern.intensity.0.clone(), known, calculated };
    Blend { model, slices, size }.run(&seen, 0, progress)
}

/// What the network sees of a pattern, or of a binned copy.
struct Seen {
    intensity: Array3<f32>,
    known: Array3<bool>,
    /// Mean and spread of what phasing calculates, `ln(1 + I)`.
    calculated: Option<[Array3<f32>; 2]>,
}

/// What is the same for all patches.
struct Blend<'a> {
    model: &'a Model,
    slices: bool,
    size: usize,
}

impl Blend<'_> {
    fn run(&self, seen: &Seen, depth: usize, progress: &mut dyn FnMut(f64) -> bool) -> Result<Field> {
        let known = &seen.known;
        let places = self.places(known);
        let (kriged, begun) = if self.model.card.network.kriged {
            let log = seen.intensity.mapv(|value| value.max(0.0).ln_1p());
            (Some(krige(&log, known, !self.slices, &mut |done| progress(KRIGING * done))?), KRIGING)
        } else {
            (None, 0.0)
        };
        let (mut weights, mut means) = (Array3::<f32>::zeros(known.dim()), Array3::<f32>::zeros(known.dim()));
        let mut votes = Array3::<f32>::zeros(known.dim());
        let kind = usize::from(!self.slices);
        for (done, chunk) in places.chunks(CHUNK[kind]).enumerate() {
            if !progress(begun + (1.0 - begun) * (done * CHUNK[kind]) as f64 / places.len() as f64) {
                return Err(Error::Interrupted);
            }
            let patch = |&at: &[usize; 3]| {
                let calculated =
                    seen.calculated.as_ref().map(|arrays| arrays.each_ref().map(|array| self.window(array, at)));
                let hints = Hints { kriged: kriged.as_ref().map(|array| self.window(array, at)), calculated };
                let patch = NormalisedPatch::new(self.window(&seen.intensity, at), self.window(known, at), hints)?;
                Some((at, patch))
            };
            let (corners, patches): (Vec<[usize; 3]>, Vec<NormalisedPatch>) =
                chunk.par_iter().filter_map(patch).unzip();
            for (at, said) in corners.into_iter().zip(self.model.network.predict(&patches, self.size, PART[kind])) {
                let window = self.slice(at);
                let shape = self.window(known, at).raw_dim();
                let view =
                    |values| ArrayView3::from_shape(shape, values).expect("a prediction has the pixels of its patch");
                Zip::from(weights.slice_mut(window))
                    .and(means.slice_mut(window))
                    .and(votes.slice_mut(window))
                    .and(view(&said.mean))
                    .and(view(&said.spread))
                    .for_each(|weight, total, votes, &mean, &spread| {
                        let half = self.model.card.calibration.factor(mean) * spread;
                        let confidence = (half * half).recip();
                        *weight += confidence;
                        *total += confidence * mean;
                        *votes += 1.0;
                    });
            }
        }
        let mut at = known.mapv(|known| !known);
        Zip::from(&mut at).and(&votes).for_each(|at, &votes| *at &= votes > 0.0);
        Zip::from(&mut means).and(&weights).for_each(|mean, &weight| *mean /= weight.max(f32::MIN_POSITIVE));
        // Overlapping patches see the same pixels: their errors are one error, not many that
        // average out.
        let half_width = {
            let mut half = votes;
            Zip::from(&mut half).and(&weights).for_each(|half, &weight| {
                *half = (*half / weight.max(f32::MIN_POSITIVE)).sqrt();
            });
            half
        };
        let mut field = Field { at, mean: means, half_width, kriged };
        self.deepen(&mut field, seen, depth)?;
        Ok(field)
    }

    /// Pixels farther than a quarter of a patch from all that is measured are told by a binned copy
    /// as well.
    fn deepen(&self, field: &mut Field, seen: &Seen, depth: usize) -> Result<()> {
        let known = &seen.known;
        let (nz, ny, nx) = known.dim();
        let binned: [usize; 3] = [if self.slices { nz } else { nz / 2 }, ny / 2, nx / 2];
        let axes = if self.slices { 1..3 } else { 0..3 };
        if depth == DEEPEST || axes.clone().any(|axis| binned[axis] < self.size) {
            return Ok(());
        }
        let reach = (self.size / 4) as f32;
        let far = distance::to_nearest(known.view(), !self.slices);
        if far.iter().all(|&distance| distance <= reach) {
            return Ok(());
        }
        let step = if self.slices { [1, 2, 2] } else { [2; 3] };
        let (intensity, coarse_known) = bin(&seen.intensity, known, binned, step);
        if coarse_known.iter().all(|known| !known) {
            return Ok(());
        }
        let everywhere = known.mapv(|_| true);
        let calculated = seen.calculated.as_ref();
        let calculated =
            calculated.map(|arrays| arrays.each_ref().map(|array| bin(array, &everywhere, binned, step).0));
        let coarse = self.run(&Seen { intensity, known: coarse_known, calculated }, depth + 1, &mut |_| true)?;
        for (index, _) in far.indexed_iter().filter(|(_, distance)| **distance > reach) {
            let index: [usize; 3] = index.into();
            let from: [usize; 3] = std::array::from_fn(|axis| (index[axis] / step[axis]).min(binned[axis] - 1));
            if !coarse.at[from] {
                continue;
            }
            // Two opinions, by confidence.
            let [fine_weight, coarse_weight] =
                [(field.at[index], field.half_width[index]), (true, coarse.half_width[from])]
                    .map(|(at, half)| if at { (half * half).recip() } else { 0.0 });
            let total = fine_weight + coarse_weight;
            field.mean[index] = (fine_weight * field.mean[index] + coarse_weight * coarse.mean[from]) / total;
            field.half_width[index] = if field.at[index] { (2.0 / total).sqrt() } else { coarse.half_width[from] };
            field.at[index] = true;
        }
        Ok(())
    }

    /// Corners of patches, enough of them that each pixel to fill lies in several.
    fn places(&self, known: &Array3<bool>) -> Vec<[usize; 3]> {
        let (nz, ny, nx) = known.dim();
        let stride = self.size / STRIDE[usize::from(!self.slices)];
        let starts = |n: usize, size: usize, stride: usize| -> Vec<usize> {
            let last = n - size;
            let mut starts: Vec<usize> = (0..last).step_by(stride.max(1)).collect();
            starts.push(last);
            starts
        };
        let planes = if self.slices { (0..nz).collect() } else { starts(nz, self.size, stride) };
        let (rows, columns) = (starts(ny, self.size, stride), starts(nx, self.size, stride));
        let all = planes.iter().flat_map(|&z| rows.iter().map(move |&y| (z, y)));
        let all = all.flat_map(|(z, y)| columns.iter().map(move |&x| [z, y, x]));
        all.filter(|&at| {
            let window = self.window(known, at);
            let count = window.iter().filter(|known| **known).count();
            (1..window.len()).contains(&count)
        })
        .collect()
    }

    fn slice(
        &self,
        [z, y, x]: [usize; 3],
    ) -> ndarray::SliceInfo<[ndarray::SliceInfoElem; 3], ndarray::Ix3, ndarray::Ix3> {
        let depth = if self.slices { 1 } else { self.size };
        s![z..z + depth, y..y + self.size, x..x + self.size]
    }

    fn window<'a, T>(&self, array: &'a Array3<T>, at: [usize; 3]) -> ArrayView3<'a, T> {
        array.slice(self.slice(at))
    }
}

/// Means over blocks of the measured pixels of each; a block counts as measured if half of it is.
fn bin(
    intensity: &Array3<f32>,
    known: &Array3<bool>,
    shape: [usize; 3],
    step: [usize; 3],
) -> (Array3<f32>, Array3<bool>) {
    let block = step.iter().product::<usize>();
    let mut binned = (Array3::zeros(shape), Array3::from_elem(shape, false));
    for index in ndarray::indices(shape) {
        let [z, y, x] = [index.0 * step[0], index.1 * step[1], index.2 * step[2]];
        let (mut sum, mut count) = (0.0_f64, 0);
        for w in z..z + step[0] {
            for v in y..y + step[1] {
                for u in x..x + step[2] {
                    if known[[w, v, u]] {
                        sum += f64::from(intensity[[w, v, u]]);
                        count += 1;
                    }
                }
            }
        }
        if 2 * count >= block {
            binned.0[index] = (sum / count as f64) as f32;
            binned.1[index] = true;
        }
    }
    binned
}
