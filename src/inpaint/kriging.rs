//! Kriging: the best linear prediction of what a gap hides from the measured pixels around it,
//! given how alike pixels are that lie so far apart.
//!
//! Speckles have the size and the shape of the object's transform: streaks of facets, fringes,
//! rings. All of that is in the correlation of the pattern with itself, which the measured pixels
//! tell (D. G. Krige, J. S. Afr. Inst. Min. Metall. 52, 119 (1951); G. Matheron, Econ. Geol. 58,
//! 1246 (1963)). What is predicted is `ln(1 + I)` relative to a smooth trend, all pixels at once:
//!
//! ```text
//! filled = trend + C (M C M + N)^-1 M (measured - trend)
//! ```
//!
//! with the covariance `C`, a convolution, the measured pixels `M` and the counts' noise `N`.
//! Conjugate gradients solve it, preconditioned by the inverse of the convolution as if everything
//! were measured.

use super::biharmonic;
use crate::error::{Error, Result};
use crate::fft::{Fft, fft_friendly_from};
use ndarray::{Array3, Axis, Zip, s};
use num_complex::Complex32;
use rayon::prelude::*;

/// Standard deviations of the Gaussians that make the trend, pixels: chosen on simulated patterns
/// and on measured frames, as the next three are.
const TREND: [f64; 3] = [6.0, 3.0, 1.5];
/// What the finer of these Gaussians show is of the trend as far as it stands out by so many
/// standard deviations: a peak is not like the rest of the pattern.
const OUTSTANDING: f32 = 2.5;
/// Standard deviation of the Gaussian with which the covariance fades, pixels: far away it is
/// chance.
const REACH: f64 = 8.0;
/// Variance that is added to that of the counts, in units of the pattern's: the trend is not exact.
const NUGGET: f32 = 1e-2;
/// Iterations towards the smoothest surface, through which the trend goes.
const SURFACE: usize = 200;
/// Standard deviation of the Gaussian that makes the mean counts on which the noise depends,
/// pixels.
const NOISE: f64 = 2.0;
/// Least mean counts: the noise of none is not known to be zero.
const DIMMEST: f32 = 0.02;
/// Pixels between opposite borders, which the transforms make neighbours.
const MARGIN: usize = 8;
/// Weight of the mean of all measured pixels in the trend: it decides where none is near.
const MEAN_WEIGHT: f32 = 1e-3;
/// Part of the pairs of pixels that must be there for a distance to have a covariance.
const PAIRS: f32 = 1e-3;
/// Least part of the variance that is the pattern's and not the noise's.
const LEAST_SIGNAL: f32 = 0.3;
/// Residual at which the equations count as solved: errors of about 1 % of the fill's own.
const TOLERANCE: f64 = 1e-2;
/// Most iterations.
const ITERATIONS: usize = 150;

/// Fills `log`, `ln(1 + I)`, where it is not `measured`; what is there plays no part. With
/// `volume`, frames are connected. The result does not depend on the number of threads. `progress`
/// is told the fraction done and asks to stop by returning false.
///
/// # Errors
/// [`Error::Interrupted`].
pub fn krige(
    log: &Array3<f32>,
    measured: &Array3<bool>,
    volume: bool,
    progress: &mut dyn FnMut(f64) -> bool,
) -> Result<Array3<f32>> {
    let mut filled = log.clone();
    let frames = if volume { 1 } else { log.len_of(Axis(0)) };
    for frame in 0..frames {
        let part = if volume { s![.., .., ..] } else { s![frame..=frame, .., ..] };
        let known = measured.slice(part);
        let count = known.iter().filter(|known| **known).count();
        if count == 0 || count == known.len() {
            continue;
        }
        let kriging = Kriging::new(log.slice(part).to_owned(), known.to_owned());
        let mut on = |done: f64| progress((frame as f64 + done) / frames as f64);
        filled.slice_mut(part).assign(&kriging.fill(&mut on)?);
    }
    Ok(filled)
}

/// A frame or a volume with gaps, and the transforms of the grid that holds it.
struct Kriging {
    log: Array3<f32>,
    measured: Array3<bool>,
    grid: Fft,
}

/// A covariance as a convolution.
struct Covariance {
    factors: Vec<f32>,
    /// Those of the inverse where everything is measured.
    inverse: Vec<f32>,
    /// Variance of the noise of each pixel.
    noise: Array3<f32>,
}

impl Kriging {
    fn new(log: Array3<f32>, measured: Array3<bool>) -> Self {
        let (nz, ny, nx) = log.dim();
        let size = [nz, ny, nx].map(|n| if n == 1 { 1 } else { fft_friendly_from(n + MARGIN) });
        let mut log = log;
        log.zip_mut_with(&measured, |log, &known| *log = if known { *log } else { 0.0 });
        Kriging { log, measured, grid: Fft::new(size) }
    }

    fn fill(&self, progress: &mut dyn FnMut(f64) -> bool) -> Result<Array3<f32>> {
        let weight = self.measured.mapv(|known| f32::from(u8::from(known)));
        let mut values = self.log.clone();
        let brightest = values.iter().fold(0.0_f32, |max, &value| max.max(value));
        let counts = self.smooth(&values, &weight, NOISE);
        // Of ln(1 + n), to first order.
        let noise = counts.mapv(|log| log.exp_m1().max(DIMMEST)).mapv(|mean| mean / (1.0 + mean).powi(2));
        // The trend goes through the smoothest surface: slopes lead on into the gap, up to a peak.
        let guess = self.smooth(&values, &weight, TREND[0]);
        let gap = self.measured.mapv(|known| !known);
        Zip::from(&mut values)
            .and(&gap)
            .and(&guess)
            .for_each(|value, &gap, &guess| *value += if gap { guess } else { 0.0 });
        let volume = values.len_of(Axis(0)) > 1;
        biharmonic::solve(&mut values, self.measured.view(), gap.view(), volume, SURFACE, &mut |_| progress(0.0))?;
        values.mapv_inplace(|value| value.clamp(0.0, brightest));
        let trend = self.trend(&values, &weight);
        let residual = (&self.log - &trend) * &weight;
        let covariance = self.covariance(&residual, &weight, &noise);
        let predicted = self.predict(&covariance, residual, &weight, progress)?;
        Zip::from(&mut values).and(&gap).and(&trend).and(&predicted).for_each(|value, &gap, trend, predicted| {
            if gap {
                *value = (trend + predicted).clamp(0.0, brightest);
            }
        });
        Ok(values)
    }

    /// Coarse means, and of the finer ones what stands out from them: what is left is alike everywhere.
    fn trend(&self, values: &Array3<f32>, weight: &Array3<f32>) -> Array3<f32> {
        let smooth = |sigma| self.smooth(values, &Array3::ones(weight.dim()), sigma);
        let mut coarse = smooth(TREND[0]);
        let mut trend = coarse.clone();
        for &sigma in &TREND[1..] {
            let fine = smooth(sigma);
            let added = &fine - &coarse;
            let square = Zip::from(&added)
                .and(weight)
                .fold(0.0_f64, |sum, added, weight| sum + f64::from(weight * added * added));
            let usual = OUTSTANDING * (square / f64::from(weight.sum())).sqrt() as f32;
            trend.zip_mut_with(&added, |trend, added| *trend += added - added.clamp(-usual, usual));
            coarse = fine;
        }
        trend
    }

    /// Weighted means of the values around each pixel.
    fn smooth(&self, values: &Array3<f32>, weights: &Array3<f32>, sigma: f64) -> Array3<f32> {
        let total = weights.sum();
        let mean = Zip::from(values).and(weights).fold(0.0, |sum, value, weight| sum + value * weight) / total;
        // Values and weights as real and imaginary part: one transform for both.
        let (values, weights) = (flat(values), flat(weights));
        let mut grid = self.nothing();
        self.put(&mut grid, |index| Complex32::new(values[index] * weights[index], weights[index]));
        let transfer = self.gaussian(|n| n as f64 / (std::f64::consts::TAU * sigma));
        self.grid.convolve(&mut grid, &self.grid.factors(transfer));
        self.taken(&grid, |value| (value.re + MEAN_WEIGHT * mean) / (value.im.max(0.0) + MEAN_WEIGHT))
    }

    /// How alike pixels of the residual are, by their distance.
    fn covariance(&self, residual: &Array3<f32>, weight: &Array3<f32>, noise: &Array3<f32>) -> Covariance {
        let count = weight.sum();
        let pairs = |of: &Array3<f32>| {
            let (of, mut grid) = (flat(of), self.nothing());
            self.put(&mut grid, |index| of[index].into());
            self.grid.forward(&mut grid);
            grid.par_iter_mut().for_each(|value| *value = value.norm_sqr().into());
            self.grid.inverse(&mut grid);
            grid
        };
        let (products, numbers) = (pairs(residual), pairs(weight));
        let least = PAIRS * numbers[0].re;
        let noise_there = Zip::from(noise).and(weight).fold(0.0, |sum, noise, weight| sum + noise * weight) / count;
        let mut kernel = products;
        for ((product, number), fading) in kernel.iter_mut().zip(&numbers).zip(self.gaussian(|_| REACH)) {
            *product = if number.re > least { (fading * product.re / number.re).into() } else { Complex32::ZERO };
        }
        kernel[0] = (kernel[0].re - noise_there).max(LEAST_SIGNAL * kernel[0].re).into();
        self.grid.forward(&mut kernel);
        // No covariance has a negative spectrum.
        let scale = self.grid.scale();
        let spectrum: Vec<f32> = kernel.iter().map(|value| value.re.max(0.0) / scale).collect();
        let variance = (spectrum.iter().map(|&value| f64::from(value)).sum::<f64>() / spectrum.len() as f64) as f32;
        let noise = noise.mapv(|noise| noise + (NUGGET * variance).max(f32::MIN_POSITIVE));
        let logs = Zip::from(&noise).and(weight).fold(0.0, |sum, noise, weight| sum + noise.ln() * weight);
        let typical = (logs / count).exp();
        Covariance {
            inverse: self.grid.factors(spectrum.iter().map(|value| (value + typical).recip())),
            factors: self.grid.factors(spectrum),
            noise,
        }
    }

    /// The prediction of the residual everywhere.
    fn predict(
        &self,
        covariance: &Covariance,
        residual: Array3<f32>,
        weight: &Array3<f32>,
        progress: &mut dyn FnMut(f64) -> bool,
    ) -> Result<Array3<f32>> {
        let mut grid = self.nothing();
        let mut convolved = |values: &Array3<f32>, factors: &[f32]| {
            let values = flat(values);
            self.put(&mut grid, |index| values[index].into());
            self.grid.convolve(&mut grid, factors);
            self.taken(&grid, |value| value.re)
        };
        let dot = |a: &Array3<f32>, b: &Array3<f32>| biharmonic::dot(flat(a), flat(b));
        let wanted = TOLERANCE.powi(2) * dot(&residual, &residual);
        let mut rest = residual;
        let mut solution = Array3::<f32>::zeros(rest.dim());
        let inside = |image: &mut f32, weight: &f32| *image *= weight;
        let mut towards = convolved(&rest, &covariance.inverse);
        Zip::from(&mut towards).and(weight).par_for_each(inside);
        let mut direction = towards.clone();
        let mut slope = dot(&rest, &towards);
        for iteration in 0..ITERATIONS {
            if dot(&rest, &rest) <= wanted {
                break;
            }
            if !progress(iteration as f64 / ITERATIONS as f64) {
                return Err(Error::Interrupted);
            }
            let mut image = convolved(&direction, &covariance.factors);
            Zip::from(&mut image)
                .and(&covariance.noise)
                .and(&direction)
                .and(weight)
                .par_for_each(|image, noise, direction, weight| *image = (*image + noise * direction) * weight);
            let step = (slope / dot(&direction, &image)) as f32;
            if !step.is_finite() {
                break;
            }
            Zip::from(&mut solution).and(&direction).par_for_each(|solution, along| *solution += step * along);
            Zip::from(&mut rest).and(&image).par_for_each(|rest, image| *rest -= step * image);
            towards = convolved(&rest, &covariance.inverse);
            Zip::from(&mut towards).and(weight).par_for_each(inside);
            let next = dot(&rest, &towards);
            let turn = (next / slope) as f32;
            Zip::from(&mut direction).and(&towards).par_for_each(|along, towards| *along = towards + turn * *along);
            slope = next;
        }
        Ok(convolved(&solution, &covariance.factors))
    }

    /// A Gaussian around the first point of the grid, whose standard deviation along an axis depends
    /// on its extent; 1 there.
    fn gaussian(&self, sigma: impl Fn(usize) -> f64) -> impl Iterator<Item = f32> {
        let lines = self.grid.shape().map(|n| {
            let square = |i: usize| (i.min(n - i) as f64 / sigma(n)).powi(2);
            (0..n).map(|i| (-0.5 * square(i)).exp() as f32).collect::<Vec<f32>>()
        });
        ndarray::indices(self.grid.shape()).into_iter().map(move |(z, y, x)| lines[0][z] * lines[1][y] * lines[2][x])
    }

    /// An array of the grid.
    fn nothing(&self) -> Vec<Complex32> {
        vec![Complex32::ZERO; self.grid.shape().iter().product()]
    }

    /// Puts a value for each of the pattern's points, told by its number, into an array of the grid,
    /// and zeros around them.
    fn put(&self, grid: &mut [Complex32], value: impl Fn(usize) -> Complex32 + Sync) {
        let ([_, height, width], (nz, ny, nx)) = (self.grid.shape(), self.log.dim());
        grid.par_chunks_mut(width).enumerate().for_each(|(line, row)| {
            let (z, y) = (line / height, line % height);
            let (own, around) = row.split_at_mut(if z < nz && y < ny { nx } else { 0 });
            let first = (z * ny + y) * nx;
            own.iter_mut().enumerate().for_each(|(x, to)| *to = value(first + x));
            around.fill(Complex32::ZERO);
        });
    }

    /// The pattern's part of an array of the grid.
    fn taken(&self, grid: &[Complex32], value: impl Fn(Complex32) -> f32 + Sync) -> Array3<f32> {
        let ([_, height, width], (_, ny, nx)) = (self.grid.shape(), self.log.dim());
        let mut values = Array3::zeros(self.log.dim());
        let rows = values.as_slice_mut().expect("C-ordered").par_chunks_mut(nx);
        rows.enumerate().for_each(|(line, row)| {
            let first = (line / ny * height + line % ny) * width;
            row.iter_mut().zip(&grid[first..]).for_each(|(to, &from)| *to = value(from));
        });
        values
    }
}

/// The values of an array that is C-ordered, as all here are.
fn flat(values: &Array3<f32>) -> &[f32] {
    values.as_slice().expect("C-ordered")
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{Rng as _, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    fn fill(log: &Array3<f32>, measured: &Array3<bool>, volume: bool) -> Array3<f32> {
        krige(log, measured, volume, &mut |_| true).unwrap()
    }

    /// Mean error in the gap, relative to that of the mean of all.
    fn error(log: &Array3<f32>, measured: &Array3<bool>, filled: &Array3<f32>) -> f32 {
        let mean = log.mean().unwrap();
        let mut sums = (0.0, 0.0);
        Zip::from(log).and(measured).and(filled).for_each(|log, &known, filled| {
            if !known {
                sums.0 += (log - filled).abs();
                sums.1 += (log - mean).abs();
            }
        });
        sums.0 / sums.1
    }

    #[test]
    fn measured_pixels_stay_and_fringes_go_on() {
        let fringes = |(_, y, x): (usize, usize, usize)| 6.0 + (x as f32 * 0.7).sin() * (y as f32 * 0.15).cos();
        let log = Array3::from_shape_fn((1, 96, 96), fringes);
        let measured = Array3::from_shape_fn(log.dim(), |(_, _, x)| !(44..49).contains(&x));
        let filled = fill(&log, &measured, false);
        let off = error(&log, &measured, &filled);
        assert!(off < 0.5, "{off}");
        Zip::from(&log).and(&measured).and(&filled).for_each(|log, &known, filled| assert!(!known || log == filled));
    }

    #[test]
    fn volumes_use_the_frames_beside_and_frames_alone_do_not() {
        let log = Array3::from_shape_fn((40, 40, 40), |(z, y, x)| 5.0 + ((z + 2 * y + 3 * x) as f32 * 0.25).sin());
        let measured = Array3::from_shape_fn(log.dim(), |(z, _, _)| !(18..22).contains(&z));
        let off = error(&log, &measured, &fill(&log, &measured, true));
        assert!(off < 0.25, "{off}");
        // A frame of which nothing is measured stays what it was.
        assert_eq!(fill(&log, &measured, false), log);
    }

    #[test]
    fn noise_is_not_continued_and_the_gap_is_not_looked_at() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let mut log = Array3::from_shape_simple_fn((1, 64, 64), || (3.0_f32 + rng.random_range(-1.0..1.0)).ln_1p());
        let measured = Array3::from_shape_fn(log.dim(), |(_, y, _)| !(28..36).contains(&y));
        let filled = fill(&log, &measured, false);
        let middle: Vec<f32> = filled.slice(s![0, 31..33, ..]).iter().copied().collect();
        assert!(middle.iter().all(|value| (value - 4.0_f32.ln()).abs() < 0.2), "{middle:?}");
        log.zip_mut_with(&measured, |log, &known| *log = if known { *log } else { 1e3 });
        assert_eq!(fill(&log, &measured, false), filled);
        assert!(matches!(krige(&log, &measured, false, &mut |_| false), Err(Error::Interrupted)));
    }
}
