//! Partial coherence and detector blur in phasing: calculated intensities are convolved with a
//! kernel before they are compared with measured ones.
//!
//! The kernel is a product of one symmetric profile for each axis ([`crate::psf`]). It is fixed, or
//! refined on the way from the object's own intensities by the algorithm of Richardson and Lucy, one
//! axis after another: J. N. Clark et al., Nat. Commun. 3, 993 (2012). Profiles stay symmetric,
//! because a shift of the intensity is a phase ramp of the object; no photon moves further than the
//! first kernel reaches, so noise cannot leak into it from afar.

use super::bound::Bounds;
use super::convolve::convolve;
use crate::error::{Error, Result};
use crate::psf::{Kernel, Peak, REACH};
use crate::volume::{Centered, Shape};
use ndarray::Array3;
use pulp::Arch;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// Iterations of one refinement. PyNX has 10; on few numbers more cost little, and the kernel is
/// found in fewer cycles.
const ITERATIONS: usize = 30;

/// Most pixels that a refinement looks at: a kernel has few numbers, and bright pixels tell most.
const MOST_PIXELS: usize = 1 << 13;

/// Standard deviation, pixels, of the blur by which bright surroundings are found.
const SURROUNDINGS: f32 = 1.5;

/// Largest part of a kernel's sum of moduli that may be lost when it is made a product of symmetric
/// profiles.
const MOST_LOST: f64 = 0.05;

/// The value of the setting `psf`: `MODEL,WIDTHS[,ETA][,PERIOD]` or `FILE[,PERIOD]`, in PyNX's
/// notation.
#[derive(Debug, Clone, PartialEq)]
pub struct PsfChoice {
    /// Source of the first kernel.
    pub source: PsfSource,
    /// Cycles between two refinements of the kernel; 0 keeps it.
    pub period: usize,
}

/// The source of a kernel.
#[derive(Debug, Clone, PartialEq)]
pub enum PsfSource {
    /// A peak.
    Peak {
        /// Full widths at half maximum, pixels: one for all axes, or one for each of `(y, x)` or
        /// `(z, y, x)`.
        widths: Vec<f64>,
        /// Fraction of the Lorentzian.
        eta: f64,
    },
    /// An array in a file, its middle at `n / 2`.
    File(PathBuf),
}

impl Default for PsfChoice {
    /// What PyNX begins with where a recipe asks for a PSF and nothing says which.
    fn default() -> Self {
        PsfChoice { source: PsfSource::Peak { widths: vec![1.0], eta: 0.1 }, period: 0 }
    }
}

impl PsfChoice {
    /// A Gaussian wider than most blurs, from which refinement shrinks to what is there.
    pub fn wide() -> Self {
        PsfChoice { source: PsfSource::Peak { widths: vec![1.0], eta: 0.0 }, period: 0 }
    }
}

impl FromStr for PsfChoice {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let wrong = |problem: &str| Error::setting("psf", text, problem);
        let mut parts = text.split(',').map(str::trim);
        let name = parts.next().unwrap_or_default();
        let model = name.to_ascii_lowercase();
        let numbers: Vec<&str> = parts.collect();
        let period = |rest: &[&str]| match rest {
            [] => Ok(0),
            [one] => one.parse().map_err(|_| wrong("ends in the cycles between two updates of the kernel, 0 for none")),
            _ => {
                Err(wrong("has too many numbers: gaussian,FWHM[,N], lorentzian,FWHM[,N] or pseudo-voigt,FWHM,ETA[,N]"))
            }
        };
        if !["gaussian", "lorentzian", "pseudo-voigt"].contains(&model.as_str()) {
            if !name.contains(['.', '/']) {
                return Err(wrong(
                    "takes gaussian,FWHM[,N], lorentzian,FWHM[,N], pseudo-voigt,FWHM,ETA[,N] or FILE[,N]",
                ));
            }
            return Ok(PsfChoice { source: PsfSource::File(name.into()), period: period(&numbers)? });
        }
        let [widths, rest @ ..] = &numbers[..] else {
            return Err(wrong("needs a full width at half maximum in pixels, as in gaussian,0.7"));
        };
        let widths: Option<Vec<f64>> =
            widths.split('x').map(|w| w.parse().ok().filter(|w| (0.05..=6.0).contains(w))).collect();
        let widths = widths.filter(|widths| widths.len() <= 3).ok_or_else(|| {
            wrong("takes a full width at half maximum from 0.05 to 6 pixels, or one for each axis, as in 0.5x0.7x0.7")
        })?;
        let (eta, rest) = match (model.as_str(), rest) {
            ("gaussian", rest) => (0.0, rest),
            ("lorentzian", rest) => (1.0, rest),
            (_, [eta, rest @ ..]) => {
                let eta = eta.parse().ok().filter(|eta| (0.0..=1.0).contains(eta));
                (eta.ok_or_else(|| wrong("takes the Lorentzian's fraction, 0 to 1, behind the width"))?, rest)
            }
            _ => return Err(wrong("needs the Lorentzian's fraction behind the width, as in pseudo-voigt,1,0.05")),
        };
        Ok(PsfChoice { source: PsfSource::Peak { widths, eta }, period: period(rest)? })
    }
}

impl fmt::Display for PsfChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.source {
            PsfSource::File(path) => write!(f, "{}", path.display())?,
            PsfSource::Peak { widths, eta } => {
                let widths = widths.iter().map(f64::to_string).collect::<Vec<_>>().join("x");
                match *eta {
                    0.0 => write!(f, "gaussian,{widths}")?,
                    1.0 => write!(f, "lorentzian,{widths}")?,
                    eta => write!(f, "pseudo-voigt,{widths},{eta}")?,
                }
            }
        }
        if self.period > 0 { write!(f, ",{}", self.period) } else { Ok(()) }
    }
}

/// A kernel: the product of one symmetric profile for each axis. Its sum is 1.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Psf {
    /// Profiles along `(z, y, x)`; that of a thin axis is the identity.
    pub kernels: [Kernel; 3],
    /// Fraction of the Lorentzian in the peaks whose widths describe the profiles.
    pub eta: f64,
}

impl Psf {
    /// The kernel of peaks with these full widths at half maximum in pixels, one for all axes or
    /// one for each, and this fraction of a Lorentzian.
    ///
    /// # Errors
    /// If the number of widths is not that of the pattern's axes.
    pub fn of_peaks(widths: &[f64], eta: f64, shape: Shape) -> Result<Self> {
        let flat = shape[0] == 1;
        let widths = match (widths, flat) {
            (&[one], _) => [one; 3],
            (&[y, x], true) | (&[_, y, x], true) => [1.0, y, x],
            (&[z, y, x], false) => [z, y, x],
            _ => {
                let text = widths.iter().map(f64::to_string).collect::<Vec<_>>().join("x");
                return Err(Error::setting("psf", text, "3D data take one width or three, ZxYxX"));
            }
        };
        let kernel = |axis: usize| match shape[axis] {
            1 => Kernel::identity(),
            _ => Peak { width: widths[axis], eta }.kernel(),
        };
        Ok(Psf { kernels: [kernel(0), kernel(1), kernel(2)], eta })
    }

    /// The product nearest to an array: that of its profiles, made symmetric. Its middle is at
    /// `n / 2`.
    ///
    /// # Errors
    /// In a few words, what is wrong with the array: negative values, no sum, another number of
    /// dimensions than the pattern, or no product of symmetric profiles.
    pub fn of_array(array: &Centered<f32>, shape: Shape) -> Result<Self, String> {
        let total: f64 = array.as_slice().iter().map(|&value| f64::from(value)).sum();
        if array.as_slice().iter().any(|value| value.is_nan() || *value < 0.0) || !(total > 0.0 && total.is_finite()) {
            return Err("the kernel of a PSF needs values that are not negative, and a sum above zero".into());
        }
        let own = array.shape();
        if (own[0] == 1) != (shape[0] == 1) {
            return Err("the kernel of a PSF needs as many dimensions as the data".into());
        }
        let kernels: [Kernel; 3] = std::array::from_fn(|axis| {
            let profile: Vec<f64> =
                array.0.axis_iter(ndarray::Axis(axis)).map(|plane| plane.iter().map(|&v| f64::from(v)).sum()).collect();
            let middle = (own[axis] / 2) as isize;
            let at = |offset: isize| {
                usize::try_from(middle + offset).ok().and_then(|i| profile.get(i)).copied().unwrap_or(0.0)
            };
            let weight = |k: usize| (at(k as isize) + at(-(k as isize))) / 2.0;
            // A middle that is dark has no product: the comparison below says so.
            let weights: Vec<f64> = (0..=REACH).map(weight).collect();
            if weights.iter().sum::<f64>() > 0.0 { Kernel::from_weights(weights) } else { Kernel::identity() }
        });
        let psf = Psf { kernels, eta: 0.0 };
        let product = |index: [usize; 3]| -> f64 {
            (0..3)
                .map(|a| psf.kernels[a].weights().get(index[a].abs_diff(own[a] / 2)).copied().unwrap_or(0.0))
                .product()
        };
        let lost: f64 =
            array.0.indexed_iter().map(|((z, y, x), &v)| (f64::from(v) / total - product([z, y, x])).abs()).sum();
        if lost > MOST_LOST {
            return Err(format!(
                "the kernel is no product of one symmetric profile for each axis about its middle at n / 2: {:.0} % of it \
                 would be lost; give a model such as pseudo-voigt,1,0.05,20",
                100.0 * lost
            ));
        }
        Ok(psf)
    }

    /// Distance that the profile of each axis reaches, pixels.
    pub(crate) fn reach(&self) -> [usize; 3] {
        self.kernels.each_ref().map(|kernel| kernel.weights().len() - 1)
    }

    /// Full widths at half maximum `(z, y, x)`, pixels, of the peaks nearest to the profiles.
    pub fn widths(&self) -> [f64; 3] {
        self.kernels.each_ref().map(|kernel| kernel.width(self.eta))
    }

    /// The kernel as an array, as small as it may be, its middle at `n / 2`.
    pub fn array(&self) -> Centered<f32> {
        let reach = self.reach();
        let weight = |axis: usize, i: usize| self.kernels[axis].weights()[i.abs_diff(reach[axis])];
        let value = |(z, y, x)| (weight(0, z) * weight(1, y) * weight(2, x)) as f32;
        Centered(Array3::from_shape_fn(reach.map(|reach| 2 * reach + 1), value))
    }

    /// Blurs intensities, periodically.
    pub fn blurred(&self, intensity: &Centered<f32>) -> Centered<f32> {
        let shape = intensity.shape();
        let mut data = intensity.as_slice().to_vec();
        let (weights, mut scratch) = (self.weights(), data.clone());
        let blurred = convolve(shape, weights.each_ref().map(Vec::as_slice), &mut data, &mut scratch).0;
        Centered(Array3::from_shape_vec(shape, blurred.to_vec()).expect("the same number of pixels"))
    }

    /// The weights of the three axes, as convolutions take them.
    pub(crate) fn weights(&self) -> [Vec<f32>; 3] {
        self.kernels.each_ref().map(|kernel| kernel.weights().iter().map(|&weight| weight as f32).collect())
    }
}

/// The blur of a problem: the kernel that runs begin with, and the pixels that refinements look at.
#[derive(Debug, Clone)]
pub struct ProblemPsf {
    /// First kernel.
    pub first: Psf,
    /// Numbers of the pixels in C order, zero frequency at index 0.
    pub(crate) pixels: Vec<usize>,
    /// Their measured intensities, photons.
    pub(crate) observed: Vec<f32>,
}

impl ProblemPsf {
    /// The blur of the problem with these bounds. Refinements look at measured pixels with the
    /// brightest surroundings: chosen by their own intensity, dark fringes, where a blur shows
    /// most, would be missing.
    pub(crate) fn new(first: Psf, bounds: &Bounds, shape: Shape) -> Self {
        let n = bounds.len();
        let measured: Vec<usize> = (0..n).filter(|&i| bounds.at(i).is_measured()).collect();
        let observed = |i: usize| bounds.at(i).modulus().powi(2);
        let mut pixels = measured.clone();
        if pixels.len() > MOST_PIXELS {
            let reach = (3.0 * SURROUNDINGS).ceil() as usize;
            let weights: Vec<f32> = (0..=reach).map(|k| (-0.5 * (k as f32 / SURROUNDINGS).powi(2)).exp()).collect();
            let mean = |value: &dyn Fn(usize) -> f32| {
                let (mut data, mut scratch) = (vec![0.0; n], vec![0.0; n]);
                measured.iter().for_each(|&i| data[i] = value(i));
                convolve(shape, [&weights; 3], &mut data, &mut scratch).0.to_vec()
            };
            let (sums, counts) = (mean(&observed), mean(&|_| 1.0));
            let surroundings = |i: &usize| sums[*i] / counts[*i];
            // By number where equal, so that the choice does not depend on anything else.
            let order = |a: &usize, b: &usize| surroundings(b).total_cmp(&surroundings(a)).then(a.cmp(b));
            pixels.select_nth_unstable_by(MOST_PIXELS, order);
            pixels.truncate(MOST_PIXELS);
            pixels.sort_unstable();
        }
        let observed = pixels.iter().map(|&i| observed(i)).collect();
        ProblemPsf { first, pixels, observed }
    }

    /// Refines the profile of one axis. `neighbours` are, of the sharp intensities blurred along the
    /// other axes only, the sums of those at a distance of 0, 1, .. on either side of each pixel, one
    /// list a distance; at distance 0 the intensities themselves.
    pub(crate) fn refine(&self, psf: &mut Psf, axis: usize, neighbours: &[Vec<f32>]) {
        let reach = psf.kernels[axis].weights().len();
        if let Some(kernel) = richardson_lucy(&psf.kernels[axis], &neighbours[..reach], &self.observed) {
            psf.kernels[axis] = kernel;
        }
    }
}

/// Pixels whose numbers stay in a core's cache while all distances are added up.
const PIECE: usize = 1 << 10;

/// Vector lanes of the sums.
const LANES: usize = 16;

/// The kernel after some iterations of Richardson and Lucy, `k_d <- k_d (sum_p S_pd o_p / c_p) /
/// sum_p S_pd` with `c_p = sum_d k_d S_pd`, where `S_pd` are the lists of `neighbours`. `None` if
/// the intensities are no numbers, or all zero.
fn richardson_lucy(kernel: &Kernel, neighbours: &[Vec<f32>], observed: &[f32]) -> Option<Kernel> {
    let mut weights = kernel.weights().to_vec();
    let totals: Vec<f64> = neighbours.iter().map(|list| list.iter().map(|&value| f64::from(value)).sum()).collect();
    if !totals.iter().all(|&total| total > 0.0 && total.is_finite()) {
        return None;
    }
    for _ in 0..ITERATIONS {
        let mut ratios = vec![0.0; weights.len()];
        for begin in (0..observed.len()).step_by(PIECE) {
            let piece = begin..observed.len().min(begin + PIECE);
            let lists: Vec<&[f32]> = neighbours.iter().map(|list| &list[piece.clone()]).collect();
            let sums = Arch::new().dispatch(|| ratio_sums(&weights, &lists, &observed[piece.clone()]));
            ratios.iter_mut().zip(sums).for_each(|(total, sum)| *total += f64::from(sum));
        }
        for ((weight, ratio), total) in weights.iter_mut().zip(ratios).zip(&totals) {
            *weight *= ratio / total;
        }
    }
    weights.iter().all(|weight| weight.is_finite()).then(|| Kernel::from_weights(weights))
}

/// For each distance the sum over some pixels of `S_pd o_p / c_p`.
#[inline(always)]
fn ratio_sums(weights: &[f64], neighbours: &[&[f32]], observed: &[f32]) -> Vec<f32> {
    let mut ratios = vec![0.0f32; observed.len()];
    for (&weight, list) in weights.iter().zip(neighbours) {
        let weight = weight as f32;
        ratios.iter_mut().zip(*list).for_each(|(sum, &value)| *sum += weight * value);
    }
    for (ratio, &o) in ratios.iter_mut().zip(observed) {
        *ratio = if *ratio > 0.0 { o / *ratio } else { 0.0 };
    }
    let product = |list: &[f32]| {
        let mut lanes = [0.0f32; LANES];
        let (a, b) = (list.chunks_exact(LANES), ratios.chunks_exact(LANES));
        let rest: f32 = a.remainder().iter().zip(b.remainder()).map(|(a, b)| a * b).sum();
        for (a, b) in a.zip(b) {
            (0..LANES).for_each(|lane| lanes[lane] += a[lane] * b[lane]);
        }
        lanes.iter().sum::<f32>() + rest
    };
    neighbours.iter().map(|list| product(list)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn choices_are_read_as_pynx_writes_them() {
        let read = |text: &str| text.parse::<PsfChoice>().unwrap();
        let peak = |widths: &[f64], eta, period| PsfChoice {
            source: PsfSource::Peak { widths: widths.to_vec(), eta },
            period,
        };
        assert_eq!(read("pseudo-voigt,1,0.05,20"), peak(&[1.0], 0.05, 20));
        assert_eq!(read("gaussian,0.7"), peak(&[0.7], 0.0, 0));
        assert_eq!(read("Lorentzian, 0.5x0.7x0.8, 10"), peak(&[0.5, 0.7, 0.8], 1.0, 10));
        assert_eq!(read("dir/psf.npy,5"), PsfChoice { source: PsfSource::File("dir/psf.npy".into()), period: 5 });
    }

    #[test]
    fn mistakes_say_what_to_write() {
        for (text, remedy) in [
            ("gauss,1", "takes gaussian,FWHM[,N]"),
            ("", "takes gaussian,FWHM[,N]"),
            ("gaussian", "needs a full width at half maximum"),
            ("gaussian,0", "from 0.05 to 6 pixels"),
            ("gaussian,1x1x1x1", "from 0.05 to 6 pixels"),
            ("gaussian,1,2,3", "too many numbers"),
            ("gaussian,1,0.05", "cycles between two updates"),
            ("pseudo-voigt,1", "fraction behind the width"),
            ("pseudo-voigt,1,20", "fraction, 0 to 1"),
            ("psf.npy,often", "cycles between two updates"),
        ] {
            let error = text.parse::<PsfChoice>().unwrap_err().to_string();
            assert!(error.contains(remedy) && error.contains("psf"), "{text}: {error}");
        }
    }

    proptest! {
        #[test]
        fn what_is_printed_reads_back(widths in prop::collection::vec(0.05f64..6.0, 1..4), eta in 0f64..=1.0, period in 0usize..99) {
            let choice = PsfChoice { source: PsfSource::Peak { widths, eta }, period };
            prop_assert_eq!(choice.to_string().parse::<PsfChoice>().unwrap(), choice);
        }
    }

    #[test]
    fn arrays_become_products_or_are_refused() {
        for shape in [[1, 32, 32], [16, 16, 16]] {
            let psf = Psf::of_peaks(&[0.9], 0.1, shape).unwrap();
            let read = Psf::of_array(&psf.array(), shape).unwrap();
            for (a, b) in psf.kernels.iter().zip(&read.kernels) {
                assert_eq!(a.weights().len(), b.weights().len());
                // Rounded to f32 in the array, and summed.
                assert!(a.weights().iter().zip(b.weights()).all(|(a, b)| (a - b).abs() < 1e-6));
            }
        }
        let refused = |array: Array3<f32>| Psf::of_array(&Centered(array), [1, 32, 32]).unwrap_err();
        // A line along the diagonal, a peak beside the middle, one dimension too many, no kernel.
        assert!(refused(Array3::from_shape_fn([1, 7, 7], |(_, y, x)| f32::from(y == x))).contains("no product"));
        assert!(
            refused(Array3::from_shape_fn([1, 7, 7], |(_, y, x)| f32::from((y, x) == (2, 3)))).contains("no product")
        );
        assert!(refused(Array3::from_elem([3, 3, 3], 1.0)).contains("dimensions"));
        assert!(refused(Array3::from_elem([1, 3, 3], 0.0)).contains("a sum above zero"));
        assert!(refused(Array3::from_elem([1, 3, 3], -1.0)).contains("not negative"));
        assert!(refused(Array3::from_elem([1, 3, 3], f32::NAN)).contains("not negative"));
    }

    #[test]
    fn richardson_and_lucy_find_the_weights() {
        // One line of points, three distances, and the intensities that a known kernel makes of it.
        let sharp = |i: isize| ((i.rem_euclid(3000) * 7919) % 101) as f32 + 1.0;
        let lists: Vec<Vec<f32>> = (0..3)
            .map(|d| (0..3000).map(|i| if d == 0 { sharp(i) } else { sharp(i - d) + sharp(i + d) }).collect())
            .collect();
        let wanted = Kernel::from_weights(vec![0.6, 0.15, 0.05]);
        let observed: Vec<f32> =
            (0..3000).map(|i| (0..3).map(|d| wanted.weights()[d] as f32 * lists[d][i]).sum()).collect();
        let mut kernel = Kernel::from_weights(vec![0.4, 0.2, 0.1]);
        for _ in 0..20 {
            let next = richardson_lucy(&kernel, &lists, &observed).unwrap();
            assert!((next.weights()[0] + 2.0 * next.weights()[1..].iter().sum::<f64>() - 1.0).abs() < 1e-12);
            kernel = next;
        }
        for (found, wanted) in kernel.weights().iter().zip(wanted.weights()) {
            assert!((found - wanted).abs() < 1e-3, "{found} {wanted}");
        }
        assert_eq!(richardson_lucy(&kernel, &[vec![0.0; 4], vec![1.0; 4], vec![1.0; 4]], &[1.0; 4]), None);
        assert_eq!(richardson_lucy(&kernel, &[vec![f32::NAN; 4], vec![1.0; 4], vec![1.0; 4]], &[1.0; 4]), None);
    }
}
