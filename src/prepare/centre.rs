//! Where zero frequency, or the Bragg peak, is.

use crate::error::{Error, Result};
use crate::fft::Fft;
use crate::volume::{Centered, Shape};
use ndarray::Array2;
use num_complex::Complex32;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::ops::Range;
use std::str::FromStr;

/// Method by which the centre of the pattern is found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum Centring {
    /// The brightest spot, or, where that spot touches a beamstop or a gap, the centre of Friedel
    /// symmetry.
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

/// Finds the centre of the region of interest `roi`, in its own pixels, and says how. A given
/// centre and the middle of the file are meant in the whole frame, of shape `frame`. `intensity`
/// must be finite wherever it was measured.
pub(super) fn find(
    intensity: &Centered<f32>,
    measured: &Centered<bool>,
    roi: &[Range<usize>; 3],
    frame: Shape,
    centring: Centring,
) -> Result<([usize; 3], String)> {
    let within = |centre: [usize; 3]| {
        if centre.iter().zip(roi).all(|(c, range)| range.contains(c)) {
            return Ok(std::array::from_fn(|a| centre[a] - roi[a].start));
        }
        let problem = format!("pixel {centre:?} (z, y, x) is outside the data in use, {}", super::window_text(roi));
        Err(Error::setting("centre", centring, problem))
    };
    let maximum = || brightest(intensity, measured);
    Ok(match centring {
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
        Centring::Auto => {
            let spot = maximum();
            if !beside_a_hole(measured, spot) {
                return Ok((spot, "the brightest spot".into()));
            }
            match friedel(intensity, measured) {
                (centre, symmetry) if symmetry >= SYMMETRY => (
                    centre,
                    format!(
                        "the centre of Friedel symmetry, correlation {symmetry:.2}, as masked pixels hide the brightest spot"
                    ),
                ),
                _ => (spot, "the brightest measured spot; masked pixels touch it, so check it, or give centre".into()),
            }
        }
    })
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
fn beside_a_hole(measured: &Centered<bool>, [z, y, x]: [usize; 3]) -> bool {
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

/// The point of highest Friedel symmetry and the correlation there.
///
/// In the detector plane, for every point `c` at once: the normalised correlation of log
/// intensities at `c + q` and `c - q` over the pairs that were both measured. The sums over pairs
/// are self-convolutions at `2 c` (masked normalised correlation, Padfield, IEEE Trans. Image
/// Process. 21, 2706 (2012), with the mirrored image as the template). A stack is averaged over its
/// frames first; its `z` is the frame about which it is most symmetric then.
fn friedel(intensity: &Centered<f32>, measured: &Centered<bool>) -> ([usize; 3], f64) {
    let [nz, ny, nx] = intensity.shape();
    let mut weight = Array2::<f32>::zeros((ny, nx));
    let mut image = Array2::<f32>::zeros((ny, nx));
    for (frame, measured) in intensity.0.outer_iter().zip(measured.0.outer_iter()) {
        ndarray::Zip::from(&mut image).and(&mut weight).and(&frame).and(&measured).for_each(
            |image, weight, &value, &measured| {
                if measured {
                    *image += value;
                    *weight += 1.0;
                }
            },
        );
    }
    image.zip_mut_with(&weight, |value, &weight| *value = if weight > 0.0 { (*value / weight).ln_1p() } else { 0.0 });
    weight.mapv_inplace(|weight| if weight > 0.0 { 1.0 } else { 0.0 });
    // Without its mean the sums below differ less from their squares: fewer digits are lost in f32.
    let mean = image.sum() / weight.sum().max(1.0);
    image.zip_mut_with(&weight, |value, &weight| *value = (*value - mean) * weight);

    let padded = [1, 2 * ny, 2 * nx];
    let plan = Fft::new(padded);
    let transform = |array: &Array2<f32>| {
        let mut data = vec![Complex32::default(); 4 * ny * nx];
        for ((y, x), &value) in array.indexed_iter() {
            data[y * 2 * nx + x] = Complex32::new(value, 0.0);
        }
        plan.forward(&mut data);
        data
    };
    let (one, first, second) = (transform(&weight), transform(&image), transform(&image.mapv(|value| value * value)));
    let convolve = |a: &[Complex32], b: &[Complex32]| {
        let mut product: Vec<Complex32> = a.iter().zip(b).map(|(a, b)| a * b).collect();
        plan.inverse(&mut product);
        // Unitary transforms leave the square root of the number of elements to the convolution
        // theorem.
        let scale = (4.0 * (ny * nx) as f64).sqrt();
        move |y: usize, x: usize| f64::from(product[2 * y * 2 * nx + 2 * x].re) * scale
    };
    let (pairs, sums, squares, products) =
        (convolve(&one, &one), convolve(&one, &first), convolve(&one, &second), convolve(&first, &first));
    let points = || (0..ny).flat_map(|y| (0..nx).map(move |x| (y, x)));
    let most = points().map(|(y, x)| pairs(y, x)).fold(0.0, f64::max);
    let mut best = ([nz / 2, ny / 2, nx / 2], f64::NEG_INFINITY);
    for (y, x) in points().filter(|&(y, x)| pairs(y, x) > 0.3 * most) {
        let symmetry = correlation(pairs(y, x), sums(y, x), squares(y, x), products(y, x));
        if symmetry > best.1 {
            best = ([nz / 2, y, x], symmetry);
        }
    }
    if nz > 1 { best_frame(intensity, measured, best.0) } else { best }
}

/// The frame about which a stack is most symmetric, given the centre in the detector plane.
fn best_frame(intensity: &Centered<f32>, measured: &Centered<bool>, [_, cy, cx]: [usize; 3]) -> ([usize; 3], f64) {
    let [nz, ny, nx] = intensity.shape();
    let (hy, hx) = (cy.min(ny - 1 - cy).min(32), cx.min(nx - 1 - cx).min(32));
    let mut best = ([nz / 2, cy, cx], f64::NEG_INFINITY);
    for cz in nz / 4..nz - nz / 4 {
        let hz = cz.min(nz - 1 - cz);
        let [mut pairs, mut sums, mut squares, mut products] = [0.0; 4];
        for z in cz - hz..=cz + hz {
            for y in cy - hy..=cy + hy {
                for x in cx - hx..=cx + hx {
                    let mate = [2 * cz - z, 2 * cy - y, 2 * cx - x];
                    if measured.0[[z, y, x]] && measured.0[mate] {
                        let [here, there] = [[z, y, x], mate].map(|i| f64::from(intensity.0[i]).ln_1p());
                        pairs += 1.0;
                        sums += here;
                        squares += here * here;
                        products += here * there;
                    }
                }
            }
        }
        let symmetry = correlation(pairs, sums, squares, products);
        if symmetry > best.1 {
            best = ([cz, cy, cx], symmetry);
        }
    }
    best
}

/// Pearson's correlation of pairs that contain each pair in both orders, so that both sides have
/// the same mean and spread.
fn correlation(pairs: f64, sums: f64, squares: f64, products: f64) -> f64 {
    let spread = pairs * squares - sums * sums;
    // A flat region is symmetric about everything and says nothing.
    if spread <= 1e-3 * pairs * pairs { 0.0 } else { (pairs * products - sums * sums) / spread }
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
        find(intensity, measured, &shape.map(|n| 0..n), shape, centring)
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
