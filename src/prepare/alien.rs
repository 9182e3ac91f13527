//! Aliens: bright spots that do not belong to the pattern, such as the peak of another crystal or a
//! cluster of hot pixels.
//!
//! Light decays slowly around the centre of a pattern. An alien may be brighter, but is compact.

use super::symmetry::SymmetryMap;
use crate::volume::{Centered, Shape};

/// Light around a spot over that around its rival, below which the spot is in doubt. Centres of
/// measured patterns reach 0.9 and more, since the rival then is a part of their own light.
const LITTLE_LIGHT: f64 = 0.7;
/// Largest fraction of all pixels that is masked as one alien.
const LARGEST: f64 = 0.02;

/// Photons of a spot over those of its Friedel mate, above which it may be an alien. The measured
/// stray spot of a scan at APS 34-ID-C reaches 5; crystals strained by several 2 pi stay below 4.5
/// unless they give 1e8 photons.
const UNMATCHED: f64 = 4.5;

/// A bright spot with little light around it.
#[derive(Debug, Clone)]
pub(super) struct Alien {
    /// Its brightest pixel `(z, y, x)`.
    pub(super) at: [usize; 3],
    /// Photons in that pixel.
    pub(super) photons: f32,
    /// Its pixels; none where they cannot be told from the pattern.
    pub(super) pixels: Vec<[usize; 3]>,
}

/// What is said of a bright spot.
pub(super) enum Verdict {
    /// There is light around it.
    Centre,
    /// There is little light around it, and the pattern is more symmetric elsewhere.
    Alien(Alien),
    /// There is more light around this pixel, but the pattern is not more symmetric there.
    Doubt([usize; 3]),
}

/// Whether a spot is the centre of the light.
pub(super) fn judge(
    intensity: &Centered<f32>,
    measured: &Centered<bool>,
    spot: [usize; 3],
    symmetry: &SymmetryMap,
) -> Verdict {
    let shape = intensity.shape();
    let (dark, Some(rival)) = rival(intensity, measured, spot) else { return Verdict::Centre };
    let light = |at| light_around(intensity, measured, at, [spot, rival]) - dark;
    let (own, other) = (light(spot), light(rival));
    if other <= 0.0 || own >= LITTLE_LIGHT * other {
        return Verdict::Centre;
    }
    let near = [shape[1] / 16, shape[2] / 16];
    if symmetry.score_near([rival[1], rival[2]], near) <= symmetry.score([spot[1], spot[2]]) {
        return Verdict::Doubt(rival);
    }
    let around = neighbourhood(spot, [1; 3], shape);
    let photons = pixels(&around).filter(|&at| measured.0[at]).map(|at| intensity.0[at]).fold(0.0, f32::max);
    let floor = 5.0 + 10.0 * dark.exp_m1() as f32;
    let most = (LARGEST * intensity.0.len() as f64) as usize;
    let levels = [1e-3, 1e-2, 1e-1].map(|fraction| (fraction * photons).max(floor));
    let grown = levels
        .into_iter()
        .filter(|&level| level <= 0.2 * photons)
        .find_map(|level| grow(intensity, measured, spot, level, most).filter(|pixels| !pixels.contains(&rival)));
    Verdict::Alien(Alien { at: spot, photons, pixels: grown.unwrap_or_default() })
}

/// Half the window in which light is looked at, pixels.
fn half_window(shape: Shape) -> [usize; 3] {
    shape.map(|n| if n == 1 { 0 } else { (n / 8).max(4) })
}

/// The pixels within `half` of one, as first and last along each axis.
fn neighbourhood(at: [usize; 3], half: [usize; 3], shape: Shape) -> [[usize; 2]; 3] {
    std::array::from_fn(|a| [at[a].saturating_sub(half[a]), (at[a] + half[a]).min(shape[a] - 1)])
}

fn pixels(&[z, y, x]: &[[usize; 2]; 3]) -> impl Iterator<Item = [usize; 3]> + use<> {
    (z[0]..=z[1]).flat_map(move |k| (y[0]..=y[1]).flat_map(move |j| (x[0]..=x[1]).map(move |i| [k, j, i])))
}

/// Mean of the log intensities around a pixel, without the surroundings of `cores`: an alien is no
/// light around itself, and a peak none around its own fringes.
fn light_around(intensity: &Centered<f32>, measured: &Centered<bool>, at: [usize; 3], cores: [[usize; 3]; 2]) -> f64 {
    let shape = intensity.shape();
    let half = half_window(shape);
    let [mut light, mut count] = [0.0; 2];
    for pixel in pixels(&neighbourhood(at, half, shape)) {
        let in_core = cores.iter().any(|core| (0..3).all(|a| pixel[a].abs_diff(core[a]) <= half[a] / 2));
        if !in_core && measured.0[pixel] {
            light += f64::from(intensity.0[pixel].ln_1p());
            count += 1.0;
        }
    }
    if count > 0.0 { light / count } else { 0.0 }
}

/// The level of the dark parts of the pattern, as a log intensity, and the brightest pixel of the
/// lightest part that is not around `spot`.
fn rival(intensity: &Centered<f32>, measured: &Centered<bool>, spot: [usize; 3]) -> (f64, Option<[usize; 3]>) {
    let shape = intensity.shape();
    let half = half_window(shape);
    // Cells of half of half a window: the light of a window is that of 5 cells along each axis.
    let cell = half.map(|half| (half / 2).max(1));
    let cells: Shape = std::array::from_fn(|a| shape[a].div_ceil(cell[a]));
    let mut sums = Centered::filled(cells, [0.0_f64; 2]);
    for ((index, &value), &measured) in intensity.0.indexed_iter().zip(&measured.0) {
        if measured {
            let index: [usize; 3] = index.into();
            let [light, count] = &mut sums.0[std::array::from_fn::<_, 3, _>(|a| index[a] / cell[a])];
            *light += f64::from(value.ln_1p());
            *count += 1.0;
        }
    }
    let mean = |[light, count]: [f64; 2]| if count > 0.0 { light / count } else { 0.0 };
    let mut levels: Vec<f64> = sums.as_slice().iter().filter(|sum| sum[1] > 0.0).map(|&sum| mean(sum)).collect();
    if levels.is_empty() {
        return (0.0, None);
    }
    let tenth = levels.len() / 10;
    let dark = *levels.select_nth_unstable_by(tenth, f64::total_cmp).1;

    let mut lightest = (None, f64::NEG_INFINITY);
    for (index, _) in sums.0.indexed_iter() {
        let index: [usize; 3] = index.into();
        let middle: [usize; 3] = std::array::from_fn(|a| (index[a] * cell[a] + cell[a] / 2).min(shape[a] - 1));
        if (0..3).all(|a| middle[a].abs_diff(spot[a]) <= half[a]) {
            continue;
        }
        let around = pixels(&neighbourhood(index, [2; 3], cells)).map(|i| sums.0[i]);
        let light = mean(around.fold([0.0; 2], |[l, c], [light, count]| [l + light, c + count]));
        if light > lightest.1 {
            lightest = (Some(middle), light);
        }
    }
    let brightest = lightest.0.and_then(|middle| {
        let window = neighbourhood(middle, half, shape);
        let outside = |at: &[usize; 3]| (0..3).any(|a| at[a].abs_diff(spot[a]) > half[a]);
        let candidates = pixels(&window).filter(|at| measured.0[*at] && outside(at));
        candidates.max_by(|a, b| intensity.0[*a].total_cmp(&intensity.0[*b]))
    });
    (dark, brightest)
}

/// The pixels connected to one that exceed a level, and those that touch them; `None` if they are
/// more than `most`.
fn grow(
    intensity: &Centered<f32>,
    measured: &Centered<bool>,
    from: [usize; 3],
    level: f32,
    most: usize,
) -> Option<Vec<[usize; 3]>> {
    let shape = intensity.shape();
    let mut inside = intensity.map(|_| false);
    inside.0[from] = true;
    let (mut found, mut next) = (vec![from], 0);
    while next < found.len() {
        let here = found[next];
        next += 1;
        if here != from && intensity.0[here] < level {
            continue;
        }
        for at in pixels(&neighbourhood(here, [1; 3], shape)) {
            if measured.0[at] && !inside.0[at] {
                inside.0[at] = true;
                found.push(at);
            }
        }
        if found.len() > most {
            return None;
        }
    }
    Some(found)
}

/// A spot of light, far from the centre, whose Friedel mate is dim.
#[derive(Debug, Clone)]
pub(super) struct UnmatchedSpot {
    /// Its brightest pixel `(z, y, x)`.
    pub(super) at: [usize; 3],
    /// Photons in the box around it.
    pub(super) photons: f64,
    /// Photons in the box across the centre.
    pub(super) mate_photons: f64,
}

/// Finds the spot in the outer half of the pattern that exceeds its Friedel mate most, if that is
/// more than strain does.
///
/// Strain lifts whole flanks of a pattern above their mates, but they darken outwards: a spot is a
/// box brighter than all boxes around it.
pub(super) fn unmatched_spot(
    intensity: &Centered<f32>,
    measured: &Centered<bool>,
    centre: [usize; 3],
) -> Option<UnmatchedSpot> {
    let shape = intensity.shape();
    let reach: [usize; 3] = std::array::from_fn(|a| centre[a].min(shape[a] - 1 - centre[a]));
    // Boxes of an odd extent lie symmetrically about the centre, the mate of each is the last but
    // it.
    let extent = shape.map(|n| (n / 16) | 1);
    let outermost: [usize; 3] = std::array::from_fn(|a| (reach[a] + extent[a] / 2) / extent[a]);
    let boxes = outermost.map(|last| 2 * last + 1);
    let box_of = |pixel: [usize; 3]| -> [usize; 3] {
        let from_edge = |a: usize| pixel[a] + outermost[a] * extent[a] + extent[a] / 2 - centre[a];
        std::array::from_fn(|a| from_edge(a) / extent[a])
    };
    let mate = |pixel: [usize; 3]| -> [usize; 3] { std::array::from_fn(|a| 2 * centre[a] - pixel[a]) };
    let both = |pixel: &[usize; 3]| measured.0[*pixel] && measured.0[mate(*pixel)];
    let mut photons = Centered::filled(boxes, 0.0_f64);
    let window = neighbourhood(centre, reach, shape);
    for pixel in pixels(&window).filter(both) {
        photons.0[box_of(pixel)] += f64::from(intensity.0[pixel]);
    }

    let mut most = (UNMATCHED, None);
    for (index, &own) in photons.0.indexed_iter() {
        let index: [usize; 3] = index.into();
        let other = photons.0[std::array::from_fn::<_, 3, _>(|a| boxes[a] - 1 - index[a])];
        let far = (0..3).any(|a| 4 * index[a].abs_diff(outermost[a]) * extent[a] >= shape[a].max(2));
        // Three standard deviations of the mate's counts, and some photons that are no spot.
        let ratio = (own - 25.0) / (other + 3.0 * (other + 1.0).sqrt() + 10.0);
        let brightest = || pixels(&neighbourhood(index, [1; 3], boxes)).all(|i| photons.0[i] <= own);
        if far && ratio > most.0 && brightest() {
            most = (ratio, Some((index, own, other)));
        }
    }
    let (index, photons, mate_photons) = most.1?;
    let inside = pixels(&window).filter(|pixel| box_of(*pixel) == index && both(pixel));
    let at = inside.max_by(|a, b| intensity.0[*a].total_cmp(&intensity.0[*b]))?;
    Some(UnmatchedSpot { at, photons, mate_photons })
}
