//! Where zero frequency, or the Bragg peak, is.

use super::alien::{self, Alien, Verdict};
use super::symmetry::{SymmetryMap, coarse, friedel};
use crate::error::{Error, Result};
use crate::volume::{Centered, Shape};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::fmt;
use std::ops::Range;
use std::str::FromStr;

/// Method by which the centre of the pattern is found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum Centring {
    /// The brightest spot that has light around it, or the centre of Friedel symmetry where masked
    /// pixels hide that spot or the pattern is clearly symmetric about another one. Aliens and
    /// flashed frames are masked, and doubts are noted.
    #[default]
    Auto,
    /// The brightest measured spot, after a light smoothing.
    Maximum,
    /// The centre of mass of the photons around the brightest spot.
    CentreOfMass,
    /// The point about which the measured pattern is most symmetric: `I(q) = I(-q)` (Friedel) holds
    /// for objects without phase structure and roughly for others, wherever the centre hides.
    Friedel,
    /// The centre of the file, `n / 2`.
    Keep,
    /// This pixel `(z, y, x)` of the input frame.
    At([usize; 3]),
}

impl fmt::Display for Centring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Centring::Auto => f.write_str("auto"),
            Centring::Maximum => f.write_str("max"),
            Centring::CentreOfMass => f.write_str("com"),
            Centring::Friedel => f.write_str("friedel"),
            Centring::Keep => f.write_str("keep"),
            Centring::At([z, y, x]) => write!(f, "{z},{y},{x}"),
        }
    }
}

impl FromStr for Centring {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let numbers: Option<Vec<usize>> = text.split(',').map(|number| number.trim().parse().ok()).collect();
        match (text.trim().to_ascii_lowercase().as_str(), numbers.as_deref()) {
            ("auto", _) => Ok(Centring::Auto),
            ("max" | "maximum", _) => Ok(Centring::Maximum),
            ("com", _) => Ok(Centring::CentreOfMass),
            ("friedel", _) => Ok(Centring::Friedel),
            ("keep", _) => Ok(Centring::Keep),
            (_, Some(&[y, x])) => Ok(Centring::At([0, y, x])),
            (_, Some(&[z, y, x])) => Ok(Centring::At([z, y, x])),
            _ => Err(Error::setting(
                "centre",
                text,
                "give auto, max, com, friedel, keep, or the pixel as z,y,x (2D: y,x)",
            )),
        }
    }
}

impl From<Centring> for String {
    fn from(centring: Centring) -> String {
        centring.to_string()
    }
}

impl TryFrom<String> for Centring {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

/// Symmetry below which a Friedel centre is not believed: a correlation of log intensities, 1 for
/// perfect symmetry.
const SYMMETRY: f64 = 0.5;
/// Symmetry above which a Friedel centre is believed against the brightest spot, and the fraction
/// of its score that the spot then has at most. Bragg peaks of strained crystals keep more.
const CLEAR_SYMMETRY: f64 = 0.8;
const SPOT_SCORE: f64 = 0.75;
/// The same fraction for a symmetry that is not clear: the spot is kept, and the doubt noted.
const DOUBTED_SCORE: f64 = 0.5;
/// Most aliens that are looked for.
const MOST_ALIENS: usize = 5;

/// A centre in the region of interest, and what was met on the way to it.
#[derive(Debug)]
pub(super) struct Found {
    /// The centre `(z, y, x)`.
    pub(super) centre: [usize; 3],
    /// How it was found.
    pub(super) how: String,
    /// Aliens brighter than the centre.
    pub(super) aliens: Vec<Alien>,
    /// What the methods disagree about: the end of a sentence on the centre.
    pub(super) doubts: Vec<String>,
}

/// Finds the centre of the region of interest `roi`, in its own pixels, and says how. A given
/// centre and the middle of the file are meant in the whole frame, of shape `frame`. `intensity`
/// must be finite wherever it was measured.
pub(super) fn find(
    intensity: &Centered<f32>,
    measured: &Centered<bool>,
    roi: &[Range<usize>; 3],
    frame: Shape,
    centring: Centring,
) -> Result<Found> {
    let within = |centre: [usize; 3]| {
        if centre.iter().zip(roi).all(|(c, range)| range.contains(c)) {
            return Ok(std::array::from_fn(|a| centre[a] - roi[a].start));
        }
        let problem = format!("pixel {centre:?} (z, y, x) is outside the data in use, {}", super::window_text(roi));
        Err(Error::setting("centre", centring, problem))
    };
    let maximum = || brightest(intensity, measured);
    let (centre, how) = match centring {
        Centring::Keep => (within(frame.map(|n| n / 2))?, "the middle of the frame".into()),
        Centring::At(centre) => (within(centre)?, "as given".into()),
        Centring::Maximum => (maximum(), "the brightest spot".into()),
        Centring::CentreOfMass => {
            (centre_of_mass(intensity, measured, maximum()), "the centre of mass around the brightest spot".into())
        }
        Centring::Friedel => {
            let (centre, symmetry) = friedel(intensity, measured);
            (centre, format!("the centre of Friedel symmetry, correlation {symmetry:.2}"))
        }
        Centring::Auto => return Ok(likeliest(intensity, measured, roi)),
    };
    Ok(Found { centre, how, aliens: Vec::new(), doubts: Vec::new() })
}

/// The likeliest centre: maximum, light around it, Friedel symmetry and centre of mass compared.
fn likeliest(intensity: &Centered<f32>, measured: &Centered<bool>, roi: &[Range<usize>; 3]) -> Found {
    let shape = intensity.shape();
    let text = |pixel: [usize; 3]| super::trimmed_text(std::array::from_fn(|a| pixel[a] + roi[a].start), shape);
    let mut measured = Cow::Borrowed(measured);
    let (mut aliens, mut doubts) = (Vec::new(), Vec::new());
    let (spot, symmetry) = loop {
        let spot = brightest(intensity, &measured);
        let symmetry = coarse(intensity, &measured);
        match alien::judge(intensity, &measured, spot, &symmetry) {
            Verdict::Alien(alien) if aliens.len() < MOST_ALIENS => {
                let measured = measured.to_mut();
                for &pixel in alien.pixels.iter().chain([&alien.at]) {
                    measured.0[pixel] = false;
                }
                aliens.push(alien);
                continue;
            }
            Verdict::Alien(_) => doubts.push("more spots than can be told apart have little light around them".into()),
            Verdict::Doubt(rival) => doubts.push(format!("there is more light around {}", text(rival))),
            Verdict::Centre => {}
        }
        break (spot, symmetry);
    };
    let hidden = beside_a_hole(&measured, spot);
    let (centre, how) = match hidden.then(|| friedel(intensity, &measured)) {
        Some((centre, symmetry)) if symmetry >= SYMMETRY => {
            doubts.clear();
            let how = "as masked pixels hide the brightest spot";
            (centre, format!("the centre of Friedel symmetry, correlation {symmetry:.2}, {how}"))
        }
        Some(_) => {
            (spot, "the brightest measured spot; masked pixels touch it, so check it, or give the centre".into())
        }
        None => match symmetric_elsewhere(&symmetry, spot, shape) {
            Some(best) if best.1 >= CLEAR_SYMMETRY => {
                let (centre, _) = friedel(intensity, &measured);
                doubts.push(format!("the brightest spot is {}", text(spot)));
                (centre, format!("the centre of Friedel symmetry, correlation {:.2}", best.1))
            }
            Some(([y, x], _)) if symmetry.score([spot[1], spot[2]]) < DOUBTED_SCORE * symmetry.score([y, x]) => {
                let [y, x] = [y + roi[1].start, x + roi[2].start];
                doubts.push(format!("the pattern is more symmetric about y = {y}, x = {x}"));
                (spot, "the brightest spot".into())
            }
            _ => (spot, "the brightest spot".into()),
        },
    };
    if centre == spot && !hidden {
        let mass = centre_of_mass(intensity, &measured, spot);
        // Strain and background pull the centre of mass by some pixels.
        if (0..3).any(|a| mass[a].abs_diff(spot[a]) > (shape[a] / 16).max(3)) {
            doubts.push(format!("the centre of mass around it is {}", text(mass)));
        }
    }
    Found { centre, how, aliens, doubts }
}

/// The point `(y, x)` of highest Friedel symmetry and the correlation there, if it is away from a
/// spot and explains the pattern clearly better.
fn symmetric_elsewhere(symmetry: &SymmetryMap, spot: [usize; 3], shape: Shape) -> Option<([usize; 2], f64)> {
    let (best, correlation) = symmetry.best();
    let away = (0..2).any(|a| best[a].abs_diff(spot[a + 1]) > (shape[a + 1] / 32).max(3));
    let better = symmetry.score([spot[1], spot[2]]) < SPOT_SCORE * symmetry.score(best);
    (away && better).then_some((best, correlation))
}

/// The brightest measured pixel after smoothing by 1-2-1 along each axis over measured pixels.
fn brightest(intensity: &Centered<f32>, measured: &Centered<bool>) -> [usize; 3] {
    let mut sum = intensity.0.clone();
    sum.zip_mut_with(&measured.0, |value, &measured| *value *= f32::from(u8::from(measured)));
    let mut weight = measured.0.mapv(|measured| f32::from(u8::from(measured)));
    for axis in 0..3 {
        for array in [&mut sum, &mut weight] {
            for mut line in array.lanes_mut(ndarray::Axis(axis)) {
                let mut before = 0.0;
                for i in 0..line.len() {
                    let here = line[i];
                    let after = if i + 1 < line.len() { line[i + 1] } else { 0.0 };
                    line[i] = 0.25 * before + 0.5 * here + 0.25 * after;
                    before = here;
                }
            }
        }
    }
    let mut best = ([0, 0, 0], f32::NEG_INFINITY);
    for ((index, &sum), (&weight, &measured)) in sum.indexed_iter().zip(weight.iter().zip(&measured.0)) {
        if measured && sum / weight > best.1 {
            best = (index.into(), sum / weight);
        }
    }
    best.0
}

/// Whether a spot touches masked pixels that are more than a defect: four or more of the 5 x 5
/// around it.
pub(super) fn beside_a_hole(measured: &Centered<bool>, [z, y, x]: [usize; 3]) -> bool {
    let [_, ny, nx] = measured.shape();
    let around =
        measured.0.slice(ndarray::s![z, y.saturating_sub(2)..(y + 3).min(ny), x.saturating_sub(2)..(x + 3).min(nx)]);
    around.iter().filter(|measured| !**measured).count() >= 4
}

/// Centre of mass in a window of a quarter of each axis that follows the centre until it rests.
/// Only pixels whose mate across the centre was measured too, so that gaps do not pull.
fn centre_of_mass(intensity: &Centered<f32>, measured: &Centered<bool>, start: [usize; 3]) -> [usize; 3] {
    let shape = intensity.shape();
    let mut centre = start;
    for _ in 0..20 {
        // The largest symmetric window that fits: a lopsided one would pull the centre inwards.
        let half: [usize; 3] =
            std::array::from_fn(|a| (shape[a] / 8).max(4).min(centre[a]).min(shape[a] - 1 - centre[a]));
        let (mut total, mut moment) = (0.0, [0.0; 3]);
        for z in centre[0] - half[0]..=centre[0] + half[0] {
            for y in centre[1] - half[1]..=centre[1] + half[1] {
                for x in centre[2] - half[2]..=centre[2] + half[2] {
                    let mate = [2 * centre[0] - z, 2 * centre[1] - y, 2 * centre[2] - x];
                    if measured.0[[z, y, x]] && measured.0[mate] {
                        let weight = f64::from(intensity.0[[z, y, x]]);
                        total += weight;
                        for (moment, i) in moment.iter_mut().zip([z, y, x]) {
                            *moment += weight * i as f64;
                        }
                    }
                }
            }
        }
        if total <= 0.0 {
            break;
        }
        let next = moment.map(|moment| (moment / total).round() as usize);
        if next == centre {
            break;
        }
        centre = next;
    }
    centre
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulate::example;

    /// The example's pattern with its centre moved to `(y, x)`, not wrapped but cut.
    fn moved(dy: usize, dx: usize) -> (Centered<f32>, Centered<bool>) {
        let pattern = example(1).pattern;
        let cut = ndarray::s![.., dy.., dx..];
        let intensity = Centered(pattern.intensity.0.slice(cut).as_standard_layout().to_owned());
        let measured = Centered(pattern.measured().0.slice(cut).as_standard_layout().to_owned());
        (intensity, measured)
    }

    /// The centre in a frame that is used as a whole.
    fn find_in(
        intensity: &Centered<f32>,
        measured: &Centered<bool>,
        centring: Centring,
    ) -> Result<([usize; 3], String)> {
        let shape = intensity.shape();
        find(intensity, measured, &shape.map(|n| 0..n), shape, centring).map(|found| (found.centre, found.how))
    }

    #[test]
    fn symmetry_finds_a_centre_behind_the_beamstop() {
        for (dy, dx) in [(0, 0), (17, 30), (40, 5)] {
            let (intensity, measured) = moved(dy, dx);
            for centring in [Centring::Auto, Centring::Friedel] {
                let (centre, how) = find_in(&intensity, &measured, centring).unwrap();
                assert_eq!(centre, [0, 128 - dy, 128 - dx], "{how}");
                assert!(how.contains("Friedel"), "{how}");
            }
        }
    }

    #[test]
    fn one_hot_pixel_does_not_win() {
        let spot = |z: usize, y: usize, x: usize| {
            let r2 = (z as f32 - 9.0).powi(2) + (y as f32 - 13.0).powi(2) + (x as f32 - 20.0).powi(2);
            1000.0 * (-r2 / 8.0).exp() + 1.0
        };
        let mut intensity = Centered(ndarray::Array3::from_shape_fn([16, 32, 32], |(z, y, x)| spot(z, y, x)));
        intensity.0[[2, 3, 4]] = 4000.0;
        let measured = intensity.map(|_| true);
        for centring in [Centring::Auto, Centring::Maximum, Centring::CentreOfMass, Centring::Friedel] {
            intensity.0[[2, 3, 4]] = if centring == Centring::Friedel { 0.0 } else { 4000.0 };
            assert_eq!(find_in(&intensity, &measured, centring).unwrap().0, [9, 13, 20], "{centring}");
        }
        assert_eq!(find_in(&intensity, &measured, Centring::Keep).unwrap().0, [8, 16, 16]);
        assert!(find_in(&intensity, &measured, Centring::At([16, 0, 0])).is_err());
    }

    #[test]
    fn words_read_back() {
        for centring in [Centring::Auto, Centring::Maximum, Centring::CentreOfMass, Centring::At([1, 2, 3])] {
            assert_eq!(centring.to_string().parse::<Centring>().unwrap(), centring);
        }
        assert_eq!("12,7".parse::<Centring>().unwrap(), Centring::At([0, 12, 7]));
        assert!("centre".parse::<Centring>().is_err());
    }
}
