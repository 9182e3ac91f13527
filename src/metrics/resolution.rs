//! Agreement as a function of spatial frequency: phase retrieval transfer function and Fourier
//! shell correlation.
//!
//! Frequencies are in cycles per object pixel along each axis, 0.5 being the Nyquist frequency;
//! shells are as wide as the coarsest frequency step of any axis, so that every axis contributes to
//! every shell, and the corners beyond 0.5 are left out. In 2D shells are rings and the FSC is the
//! FRC.

use super::{same_shapes, signed, transformed, wide};
use crate::error::Result;
use crate::fft::Fft;
use crate::volume::{Centered, Shape};
use num_complex::{Complex32, Complex64};

/// One shell of the phase retrieval transfer function.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Shell {
    /// Spatial frequency, cycles per object pixel.
    pub frequency: f64,
    /// Mean over the shell; 1 where all runs agree in phase.
    pub value: f64,
    /// Number of pixels averaged.
    pub count: usize,
}

/// One shell of the Fourier shell correlation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FscShell {
    /// Spatial frequency, cycles per object pixel.
    pub frequency: f64,
    /// Correlation, from -1 to 1.
    pub value: f64,
    /// Half-bit threshold of this shell.
    pub half_bit: f64,
    /// Number of pixels in the shell.
    pub count: usize,
    /// Number of independent samples among them.
    pub independent: f64,
}

/// Crossing of a curve with its threshold, from above.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Crossing {
    /// Frequency of the first fall below the threshold after the curve had been above, cycles per
    /// object pixel.
    At(f64),
    /// No crossing: the curve stays above up to the Nyquist frequency.
    Above,
    /// No crossing: the curve never is above, or there is none.
    Below,
}

/// A resolution as half a period, as usual in X-ray imaging: a crossing at the Nyquist frequency is
/// one pixel.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Resolution {
    /// Half period in object pixels.
    pub pixels: f64,
    /// Half period in metres, where the object's pixel is known.
    pub metres: Option<f64>,
    /// Whether this is the limit of the array rather than of the reconstruction, which may be
    /// better.
    pub at_limit: bool,
}

impl Crossing {
    /// The crossing at the lower frequency.
    pub fn or_before(self, other: Crossing) -> Crossing {
        match (self, other) {
            (Crossing::Below, _) | (_, Crossing::Below) => Crossing::Below,
            (Crossing::Above, other) => other,
            (one, Crossing::Above) => one,
            (Crossing::At(a), Crossing::At(b)) => Crossing::At(a.min(b)),
        }
    }

    /// Half-period resolution, for object pixels of `pixel` metres; `None` where nothing is
    /// resolved.
    pub fn resolution(self, pixel: Option<f64>) -> Option<Resolution> {
        let pixels = match self {
            Crossing::At(frequency) => 0.5 / frequency,
            Crossing::Above => 1.0,
            Crossing::Below => return None,
        };
        Some(Resolution { pixels, metres: pixel.map(|m| m * pixels), at_limit: self == Crossing::Above })
    }
}

/// The phase retrieval transfer function of the *complex average* of registered objects (Chapman et
/// al., J. Opt. Soc. Am. A 23, 1179 (2006)): per shell, the mean over measured pixels of the ratio
/// `|F(average)| / modulus`, where `modulus` is the square root of the measured intensity. Pixels
/// count by their intensity, so that a single photon where none was expected, over which the ratio
/// may be anything, weighs next to nothing. Shells without photons are left out.
///
/// The average of the transforms is the transform of the average, so the objects themselves are not
/// needed. They must have been registered to one of them that was not moved in Fourier space, or
/// the ratio compares different pixels.
///
/// # Errors
/// [`Error::Shape`](crate::error::Error::Shape) if the shapes differ.
pub fn prtf(average: &Centered<Complex32>, moduli: &Centered<f32>, measured: &Centered<bool>) -> Result<Vec<Shell>> {
    same_shapes("average or mask", [moduli.shape(), average.shape(), measured.shape()])?;
    let shells = Shells::new(average.shape());
    let transform = transformed(&Fft::new(average.shape()), average.to_cornered().0);
    let (moduli, measured) = (moduli.to_cornered(), measured.to_cornered());
    let mut sums = vec![(0.0, 0.0, 0usize); shells.count];
    for (index, value) in transform.indexed_iter() {
        let (index, modulus) = (index.into(), f64::from(moduli.0[index]));
        if let Some(shell) = shells.of(index).filter(|_| measured.0[index] && modulus > 0.0 && modulus.is_finite()) {
            sums[shell].0 += wide(*value).norm() * modulus;
            sums[shell].1 += modulus * modulus;
            sums[shell].2 += 1;
        }
    }
    let shell = |(index, &(sum, weight, count)): (usize, &(f64, f64, usize))| Shell {
        frequency: shells.frequency(index),
        value: sum / weight,
        count,
    };
    Ok(sums.iter().enumerate().filter(|(_, sum)| sum.2 > 0).map(shell).collect())
}

/// The Fourier shell correlation of two registered objects,
/// `Re sum(A conj B) / sqrt(sum |A|² sum |B|²)`, with the half-bit threshold of van Heel and
/// Schatz, J. Struct. Biol. 151, 250 (2005), equation 17.
///
/// The threshold depends on how many samples of a shell are independent. Transforms of complex
/// objects have no symmetry that halves them, but an object that fills only part of the array is
/// oversampled: the number of pixels is multiplied by that part, which is measured as the
/// participation ratio `(sum p)² / (N sum p²)` of `p = |a|² + |b|²` (the volume fraction, if the
/// density is uniform). Shells where an object has no signal at all are left out.
///
/// # Errors
/// [`Error::Shape`](crate::error::Error::Shape) if the shapes differ.
pub fn fsc(a: &Centered<Complex32>, b: &Centered<Complex32>) -> Result<Vec<FscShell>> {
    fsc_within(a, b, &|_| true)
}

/// The Fourier shell correlation along an axis `(z, y, x)`: of the frequencies within 45 degrees of
/// it.
///
/// # Errors
/// As [`fsc`].
pub fn fsc_along(a: &Centered<Complex32>, b: &Centered<Complex32>, axis: usize) -> Result<Vec<FscShell>> {
    // The frequency zero lies in every direction.
    fsc_within(a, b, &|q| 2.0 * q[axis] * q[axis] >= q.iter().map(|q| q * q).sum())
}

fn fsc_within(
    a: &Centered<Complex32>,
    b: &Centered<Complex32>,
    within: &dyn Fn([f64; 3]) -> bool,
) -> Result<Vec<FscShell>> {
    same_shapes("object", [a.shape(), b.shape()])?;
    let shells = Shells::new(a.shape());
    let fft = Fft::new(a.shape());
    let filled = filled_fraction(a.as_slice(), b.as_slice());
    let (a, b) = (transformed(&fft, a.to_cornered().0), transformed(&fft, b.to_cornered().0));
    let mut sums = vec![(Complex64::default(), 0.0, 0.0, 0usize); shells.count];
    for ((index, a), b) in a.indexed_iter().zip(&b) {
        let index = index.into();
        if let Some(shell) = shells.of(index).filter(|_| within(shells.cycles(index))) {
            let (a, b, sum) = (wide(*a), wide(*b), &mut sums[shell]);
            sum.0 += a * b.conj();
            sum.1 += a.norm_sqr();
            sum.2 += b.norm_sqr();
            sum.3 += 1;
        }
    }
    let shell = |(index, (cross, power_a, power_b, count)): (usize, (Complex64, f64, f64, usize))| {
        let power = (power_a * power_b).sqrt();
        let independent = count as f64 * filled;
        (power > 0.0).then(|| FscShell {
            frequency: shells.frequency(index),
            value: cross.re / power,
            half_bit: half_bit(independent),
            count,
            independent,
        })
    };
    Ok(sums.into_iter().enumerate().filter_map(shell).collect())
}

/// Mean counts in a pixel of a shell below which moduli are noise: the mean of `sqrt(n m)` over
/// Poisson counts `n` of this mean `m` is `m / e`, so the PRTF of the true object itself is at 1/e.
const NOISE: f64 = 0.14;

/// The frequency at which the photons end: that of the first shell with fewer than 0.14 counts in a
/// pixel. No resolution of a single pattern is better.
///
/// # Errors
/// [`Error::Shape`](crate::error::Error::Shape) if the shapes differ.
pub fn photons_end(intensity: &Centered<f32>, measured: &Centered<bool>) -> Result<Crossing> {
    same_shapes("mask", [intensity.shape(), measured.shape()])?;
    let shells = Shells::new(intensity.shape());
    let (intensity, measured) = (intensity.to_cornered(), measured.to_cornered());
    let mut sums = vec![(0.0, 0usize); shells.count];
    for (index, &counts) in intensity.0.indexed_iter().filter(|(_, counts)| counts.is_finite()) {
        let index = index.into();
        if let Some(shell) = shells.of(index).filter(|_| measured.0[index]) {
            sums[shell].0 += f64::from(counts);
            sums[shell].1 += 1;
        }
    }
    let known = sums.iter().enumerate().filter(|(_, sum)| sum.1 > 0);
    Ok(crossing(known.map(|(index, sum)| (shells.frequency(index), sum.0 / sum.1 as f64 - NOISE))))
}

/// Crossing of the PRTF with 1/e.
pub fn prtf_crossing(shells: &[Shell]) -> Crossing {
    crossing(shells.iter().map(|shell| (shell.frequency, shell.value - (-1f64).exp())))
}

/// Crossing of the FSC with the half-bit threshold.
///
/// Neighbouring shells are taken together, by the mean of their correlations, until they have two
/// independent samples: with fewer the threshold is nearly 1, which no reconstruction reaches, and
/// what the lowest frequencies say would be lost.
pub fn fsc_crossing(shells: &[FscShell]) -> Crossing {
    let mut curve = Vec::new();
    let [mut independent, mut count, mut frequency, mut value] = [0.0; 4];
    for shell in shells {
        let weight = shell.count as f64;
        independent += shell.independent;
        count += weight;
        frequency += weight * shell.frequency;
        value += weight * shell.value;
        if independent >= 2.0 {
            curve.push((frequency / count, value / count - half_bit(independent)));
            [independent, count, frequency, value] = [0.0; 4];
        }
    }
    crossing(curve.into_iter())
}

/// Crossing of the FSC of an object and the true one with 1/2: where its signal is as strong as its
/// error would make it (P. B. Rosenthal and R. Henderson, J. Mol. Biol. 333, 721 (2003)).
pub fn true_crossing(shells: &[FscShell]) -> Crossing {
    crossing(shells.iter().map(|shell| (shell.frequency, shell.value - 0.5)))
}

/// The first fall of `(frequency, excess)` to below zero, interpolated. A curve that begins below
/// has none: where low frequencies do not agree, high ones agree by chance.
fn crossing(curve: impl Iterator<Item = (f64, f64)>) -> Crossing {
    let mut above: Option<(f64, f64)> = None;
    for (frequency, excess) in curve {
        match above {
            Some((before, had)) if excess < 0.0 => {
                return Crossing::At(before + (frequency - before) * had / (had - excess));
            }
            None if excess < 0.0 => return Crossing::Below,
            _ if excess > 0.0 => above = Some((frequency, excess)),
            _ => {}
        }
    }
    if above.is_some() { Crossing::Above } else { Crossing::Below }
}

/// Information of half a bit per sample; never above 1, which it reaches for a single sample.
fn half_bit(samples: f64) -> f64 {
    let root = samples.max(1.0).sqrt();
    (0.2071 + 1.9102 / root) / (1.2071 + 0.9102 / root)
}

fn filled_fraction(a: &[Complex32], b: &[Complex32]) -> f64 {
    let density = |i: usize| wide(a[i]).norm_sqr() + wide(b[i]).norm_sqr();
    let sum: f64 = super::summed(a.len(), |piece| piece.map(density).sum());
    let squares: f64 = super::summed(a.len(), |piece| piece.map(|i| density(i).powi(2)).sum());
    if squares > 0.0 { sum * sum / (a.len() as f64 * squares) } else { 1.0 }
}

/// Division of Fourier space into shells.
struct Shells {
    shape: Shape,
    width: f64,
    count: usize,
}

impl Shells {
    fn new(shape: Shape) -> Self {
        let coarsest = shape.into_iter().filter(|&n| n > 1).min().unwrap_or(1);
        Shells { shape, width: 1.0 / coarsest as f64, count: coarsest / 2 + 1 }
    }

    fn of(&self, index: [usize; 3]) -> Option<usize> {
        let frequency = self.cycles(index).iter().map(|q| q * q).sum::<f64>().sqrt();
        let shell = (frequency / self.width).round() as usize;
        (frequency <= 0.5 && shell < self.count).then_some(shell)
    }

    /// Cycles per object pixel along `(z, y, x)`.
    fn cycles(&self, index: [usize; 3]) -> [f64; 3] {
        std::array::from_fn(|axis| signed(index[axis], self.shape[axis]) / self.shape[axis] as f64)
    }

    fn frequency(&self, shell: usize) -> f64 {
        shell as f64 * self.width
    }
}

#[cfg(test)]
mod tests {
    use super::super::average;
    use super::super::testing::{blob, noise};
    use super::*;
    use crate::volume::Cornered;

    fn moduli(object: &Centered<Complex32>) -> Centered<f32> {
        Cornered(transformed(&Fft::new(object.shape()), object.to_cornered().0)).to_centered().map(|v| v.norm())
    }

    #[test]
    fn identical_runs_have_a_transfer_function_of_one() {
        for shape in [[1, 30, 24], [8, 12, 16]] {
            let object = noise(shape, 1);
            let mut measured = Centered::filled(shape, true);
            measured.0.slice_mut(ndarray::s![.., .., 3..6]).fill(false);
            let mut moduli = moduli(&object);
            // What is not measured must not be looked at.
            moduli.0.slice_mut(ndarray::s![.., .., 3..6]).fill(f32::NAN);
            let mean = average(&[object.clone(), object.clone()]).unwrap();
            let shells = prtf(&mean, &moduli, &measured).unwrap();
            // Single-precision transforms.
            assert!(shells.iter().all(|shell| (shell.value - 1.0).abs() < 1e-4), "{shells:?}");
            assert_eq!(shells.last().unwrap().frequency, 0.5);
            assert_eq!(prtf_crossing(&shells), Crossing::Above);
        }
    }

    #[test]
    fn opposite_phases_cancel_where_they_are() {
        // Two runs that agree up to a quarter of a cycle per pixel and have opposite signs beyond.
        let shape = [1, 40, 40];
        let one = noise(shape, 2);
        let fft = Fft::new(shape);
        let mut other = transformed(&fft, one.to_cornered().0);
        for ((_, y, x), value) in other.indexed_iter_mut() {
            if (signed(y, 40).hypot(signed(x, 40)) / 40.0) > 0.25 {
                *value = -*value;
            }
        }
        fft.inverse(other.as_slice_mut().unwrap());
        let other = Cornered(other).to_centered();
        let shells = prtf(&average(&[one.clone(), other]).unwrap(), &moduli(&one), &Centered::filled(shape, true));
        let Crossing::At(frequency) = prtf_crossing(&shells.unwrap()) else { panic!("it must cross") };
        // Within a shell of 1/40.
        assert!((frequency - 0.25).abs() < 1.0 / 40.0, "{frequency}");
    }

    #[test]
    fn low_shells_count_together_until_they_have_two_samples() {
        let shell = |number: usize, value: f64, independent: f64| FscShell {
            frequency: 0.05 * number as f64,
            value,
            half_bit: half_bit(independent),
            count: (10.0 * independent) as usize,
            independent,
        };
        // Less than a sample each; the first shell that has two by itself is a little below its
        // threshold.
        let crossing_of = |low: f64| {
            let mut shells: Vec<FscShell> = (0..3).map(|number| shell(number, low, 0.7)).collect();
            shells.extend([shell(3, 0.8, 2.1), shell(4, 0.7, 8.0), shell(5, 0.1, 9.0)]);
            fsc_crossing(&shells)
        };
        // Two objects that have their low frequencies in common are resolved, others are not.
        let Crossing::At(frequency) = crossing_of(0.999) else { panic!("it must cross") };
        assert!((0.05..0.15).contains(&frequency), "{frequency}");
        assert_eq!(crossing_of(0.5), Crossing::Below);
    }

    #[test]
    fn an_object_correlates_with_itself() {
        for shape in [[1, 32, 32], [10, 16, 14]] {
            let object = blob(shape, 3);
            let shells = fsc(&object, &object.map(|v| v * 3.0)).unwrap();
            assert!(shells.iter().all(|shell| (shell.value - 1.0).abs() < 1e-5), "{shells:?}");
            assert_eq!(fsc_crossing(&shells), Crossing::Above);
            assert_eq!(shells.len(), shape.into_iter().filter(|n| *n > 1).min().unwrap() / 2 + 1);
        }
    }

    #[test]
    fn independent_noise_is_below_half_a_bit() {
        let shells = fsc(&noise([1, 128, 128], 4), &noise([1, 128, 128], 5)).unwrap();
        // n samples correlate to 1/sqrt(2n), and the threshold is above three times that from a few
        // samples on; the two innermost rings have 1 and 8 pixels.
        assert!(shells[2..].iter().all(|shell| shell.value < shell.half_bit));
    }

    #[test]
    fn resolution_is_where_the_common_frequencies_end() {
        // The same transform up to 0.2 cycles per pixel, independent beyond.
        let shape = [1, 100, 80];
        let fft = Fft::new(shape);
        let [one, mut other] = [6, 7].map(|seed| noise(shape, seed).to_cornered().0);
        for ((index, value), same) in other.indexed_iter_mut().zip(&one) {
            if (signed(index.1, 100) / 100.0).hypot(signed(index.2, 80) / 80.0) < 0.2 {
                *value = *same;
            }
        }
        let [one, other] = [one, other].map(|mut spectrum| {
            fft.inverse(spectrum.as_slice_mut().unwrap());
            Cornered(spectrum).to_centered()
        });
        let crossing = fsc_crossing(&fsc(&one, &other).unwrap());
        let resolution = crossing.resolution(Some(4e-9)).unwrap();
        // A shell of 1/80 at 0.2: 6 %.
        assert!((resolution.pixels / 2.5 - 1.0).abs() < 0.06, "{resolution:?}");
        assert!((resolution.metres.unwrap() / 10e-9 - 1.0).abs() < 0.06);
        assert!(!resolution.at_limit);
    }

    #[test]
    fn the_threshold_is_the_published_one() {
        assert!((half_bit(1.0) - 1.0).abs() < 1e-12);
        assert!((half_bit(1e12) - 0.1716).abs() < 1e-4, "0.2071 / 1.2071");
        assert_eq!(half_bit(0.01), half_bit(1.0));
    }

    #[test]
    fn no_resolution_is_better_than_the_photons() {
        // Counts that end at a quarter of a cycle per pixel.
        let shape = [1, 64, 64];
        let counts = ndarray::Array3::from_shape_fn(shape, |(_, y, x)| {
            let radius = (y as f32 - 32.0).hypot(x as f32 - 32.0);
            if radius < 16.0 { 5.0 } else { 0.0 }
        });
        let end = photons_end(&Centered(counts), &Centered::filled(shape, true)).unwrap();
        let Crossing::At(frequency) = end else { panic!("{end:?}") };
        assert!((frequency - 0.25).abs() < 1.5 / 64.0, "{frequency}");
        assert_eq!(Crossing::Above.or_before(end), end);
        assert_eq!(Crossing::At(0.1).or_before(end), Crossing::At(0.1));
        assert_eq!(Crossing::Below.or_before(end), Crossing::Below);
        // A photon where the object has nothing does not make the ratio explode.
        let object = blob(shape, 1);
        let mut moduli = moduli(&object);
        moduli.0[[0, 32 + 30, 32]] = 1e-6;
        let shells = prtf(&object, &moduli, &Centered::filled(shape, true)).unwrap();
        assert!(shells.iter().all(|shell| (shell.value - 1.0).abs() < 0.05), "{shells:?}");
    }

    #[test]
    fn nothing_resolved_is_said() {
        assert_eq!(crossing([].into_iter()), Crossing::Below);
        assert_eq!(crossing([(0.1, -1.0)].into_iter()), Crossing::Below);
        assert_eq!(Crossing::Below.resolution(None), None);
        assert_eq!(crossing([(0.1, 1.0), (0.2, 1.0), (0.3, -1.0)].into_iter()), Crossing::At(0.25));
        assert_eq!(crossing([(0.1, -1.0), (0.2, 1.0), (0.3, -1.0)].into_iter()), Crossing::Below);
        let zero = Centered::filled([1, 8, 8], Complex32::default());
        assert_eq!(fsc(&zero, &zero).unwrap(), vec![]);
        assert_eq!(prtf(&zero, &Centered::filled([1, 8, 8], 0.0), &Centered::filled([1, 8, 8], true)).unwrap(), vec![]);
    }
}
