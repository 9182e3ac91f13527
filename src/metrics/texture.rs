//! Texture of a diffraction pattern in four numbers, to tell whether simulated patterns resemble
//! measured ones.
//!
//! All are computed from counts, frame by frame, and need neither truth nor geometry. Frames of a
//! 3D pattern with little in them are left out, except for the fraction of zeros.

use crate::volume::Centered;
use ndarray::{Array2, ArrayView2, Axis, s};
use serde::Serialize;

/// Pixels with fewer photons say nothing about contrast: their noise is most of it.
const BRIGHT: f64 = 10.0;
/// Half width of the window of local means, pixels.
const WINDOW: usize = 4;
/// Largest lag of the autocovariance, pixels.
const LAGS: usize = 12;

/// Texture of a pattern in four numbers; NaN where there is too little light to tell.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Texture {
    /// `n` in `I ~ q^-n`: slope of the azimuthal mean from a tenth to a 10,000th of its maximum (or
    /// to where the photons end).
    pub falloff_exponent: f64,
    /// Fraction of the measured pixels without a photon.
    pub zero_fraction: f64,
    /// Full width of the autocovariance of `log(1 + I)`, less its local mean, at half of its
    /// maximum: pixels, mean of the axes of the frame.
    pub speckle_size: f64,
    /// Standard deviation over mean of the intensity in windows of 9 x 9 pixels, less the photon
    /// noise: median over the bright windows.
    pub local_contrast: f64,
}

impl Texture {
    /// The four numbers with their names.
    pub fn named(&self) -> [(&'static str, f64); 4] {
        [
            ("falloff_exponent", self.falloff_exponent),
            ("zero_fraction", self.zero_fraction),
            ("speckle_size", self.speckle_size),
            ("local_contrast", self.local_contrast),
        ]
    }
}

/// Computes the texture of a pattern `(z, y, x)` from its counts and its mask, 0 = good.
pub fn texture(counts: &Centered<f32>, mask: &Centered<u32>) -> Texture {
    let measured: Vec<f32> =
        counts.as_slice().iter().zip(mask.as_slice()).filter(|(_, bits)| **bits == 0).map(|(n, _)| *n).collect();
    let zeros = measured.iter().filter(|n| **n < 0.5).count();
    let frame_sums: Vec<f64> =
        counts.0.axis_iter(Axis(0)).map(|frame| frame.iter().map(|n| f64::from(*n)).sum()).collect();
    let brightest = frame_sums.iter().copied().fold(0.0, f64::max);
    let frames: Vec<usize> = (0..frame_sums.len()).filter(|&z| frame_sums[z] > 0.05 * brightest).collect();

    let mut sizes = Vec::new();
    let mut contrasts = Vec::new();
    for &z in &frames {
        let frame = counts.0.index_axis(Axis(0), z);
        let good = mask.0.index_axis(Axis(0), z).map(|bits| *bits == 0);
        sizes.extend(speckle_size(frame, &good));
        contrasts.extend(contrasts_of(frame, &good));
    }
    Texture {
        falloff_exponent: falloff(counts, mask, &frames),
        zero_fraction: zeros as f64 / measured.len().max(1) as f64,
        speckle_size: median(&mut sizes),
        local_contrast: median(&mut contrasts),
    }
}

/// Slope of the azimuthal mean of the bright frames around their common centre of mass.
fn falloff(counts: &Centered<f32>, mask: &Centered<u32>, frames: &[usize]) -> f64 {
    let [_, ny, nx] = counts.shape();
    let mut sum = Array2::<f64>::zeros((ny, nx));
    let mut good = Array2::<f64>::zeros((ny, nx));
    for &z in frames {
        let pixels = counts.0.index_axis(Axis(0), z);
        let bits = mask.0.index_axis(Axis(0), z);
        for ((index, &n), &bits) in pixels.indexed_iter().zip(bits) {
            if bits == 0 {
                sum[index] += f64::from(n);
                good[index] += 1.0;
            }
        }
    }
    let total: f64 = sum.sum();
    let moment = |axis: usize| {
        sum.indexed_iter().map(|(index, n)| [index.0, index.1][axis] as f64 * n).sum::<f64>() / total.max(1e-30)
    };
    let centre = [moment(0), moment(1)];
    let rings = ny.min(nx) / 2;
    let (mut photons, mut pixels) = (vec![0.0; rings], vec![0.0; rings]);
    for ((y, x), n) in sum.indexed_iter() {
        let ring = (y as f64 - centre[0]).hypot(x as f64 - centre[1]).round() as usize;
        if ring < rings {
            photons[ring] += n;
            pixels[ring] += good[[y, x]];
        }
    }
    let mean = |ring: usize| if pixels[ring] > 0.0 { photons[ring] / pixels[ring] } else { 0.0 };
    let top = (0..rings).map(mean).fold(0.0, f64::max);
    let highest = (0..rings).rfind(|&ring| mean(ring) >= top).unwrap_or(0);
    // Thirty photons in a ring fix its mean to a fifth; beyond the first ring below that,
    // background is all there is.
    let usable = (highest.max(2)..rings).take_while(|&ring| photons[ring] > 30.0 && mean(ring) > 1e-4 * top);
    let points: Vec<(f64, f64)> =
        usable.filter(|&ring| mean(ring) < 0.1 * top).map(|ring| ((ring as f64).ln(), mean(ring).ln())).collect();
    if points.len() < 4 {
        return f64::NAN;
    }
    let n = points.len() as f64;
    let (mx, my) = points.iter().fold((0.0, 0.0), |(a, b), (x, y)| (a + x / n, b + y / n));
    let covariance: f64 = points.iter().map(|(x, y)| (x - mx) * (y - my)).sum();
    let variance: f64 = points.iter().map(|(x, _)| (x - mx).powi(2)).sum();
    -covariance / variance
}

/// Mean over the measured pixels of the window around `(y, x)`, and their number; nothing where
/// fewer than half are measured.
fn window_mean(values: ArrayView2<f32>, good: &Array2<bool>, y: usize, x: usize) -> Option<(f64, f64)> {
    let (ny, nx) = values.dim();
    if y < WINDOW || x < WINDOW || y + WINDOW >= ny || x + WINDOW >= nx {
        return None;
    }
    let window = s![y - WINDOW..=y + WINDOW, x - WINDOW..=x + WINDOW];
    let (mut sum, mut square, mut n) = (0.0, 0.0, 0.0);
    for (&value, &good) in values.slice(window).iter().zip(good.slice(window)) {
        if good {
            sum += f64::from(value);
            square += f64::from(value) * f64::from(value);
            n += 1.0;
        }
    }
    let half = ((2 * WINDOW + 1) * (2 * WINDOW + 1)) as f64 / 2.0;
    (n > half).then(|| (sum / n, square / n - (sum / n).powi(2)))
}

fn contrasts_of(counts: ArrayView2<f32>, good: &Array2<bool>) -> Vec<f64> {
    let (ny, nx) = counts.dim();
    let mut contrasts = Vec::new();
    for y in (0..ny).step_by(WINDOW) {
        for x in (0..nx).step_by(WINDOW) {
            if let Some((mean, variance)) = window_mean(counts, good, y, x).filter(|(mean, _)| *mean > BRIGHT) {
                contrasts.push((variance - mean).max(0.0).sqrt() / mean);
            }
        }
    }
    contrasts
}

fn speckle_size(counts: ArrayView2<f32>, good: &Array2<bool>) -> Option<f64> {
    let (ny, nx) = counts.dim();
    let logs = counts.map(|n| n.max(0.0).ln_1p());
    let mut detail = Array2::from_elem((ny, nx), f32::NAN);
    let mut bright = 0;
    for y in 0..ny {
        for x in 0..nx {
            let light = window_mean(counts, good, y, x).is_some_and(|(mean, _)| mean > BRIGHT);
            if let Some((mean, _)) = window_mean(logs.view(), good, y, x).filter(|_| light && good[[y, x]]) {
                detail[[y, x]] = logs[[y, x]] - mean as f32;
                bright += 1;
            }
        }
    }
    if bright < 200 {
        return None;
    }
    let covariance = |dy: usize, dx: usize| {
        let here = detail.slice(s![..ny - dy, ..nx - dx]);
        let there = detail.slice(s![dy.., dx..]);
        let products = here.iter().zip(there).map(|(a, b)| f64::from(a * b)).filter(|p| !p.is_nan());
        let (sum, n) = products.fold((0.0, 0.0f64), |(sum, n), p| (sum + p, n + 1.0));
        sum / n.max(1.0)
    };
    let top = covariance(0, 0);
    let full_width = |along: [usize; 2]| {
        let at = |lag: usize| covariance(lag * along[0], lag * along[1]) / top;
        let below = (1..=LAGS).find(|&lag| at(lag) < 0.5)?;
        let (before, after) = (at(below - 1), at(below));
        Some(2.0 * (below as f64 - (0.5 - after) / (before - after)))
    };
    Some(0.5 * (full_width([1, 0])? + full_width([0, 1])?))
}

/// The median of what is not NaN.
fn median(values: &mut Vec<f64>) -> f64 {
    values.retain(|value| !value.is_nan());
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(intensity: impl Fn(f64, f64) -> f64) -> Texture {
        let counts = Centered(ndarray::Array3::from_shape_fn((1, 128, 128), |(_, y, x)| {
            intensity(y as f64 - 64.0, x as f64 - 64.0).round() as f32
        }));
        let mask = Centered::filled([1, 128, 128], 0);
        texture(&counts, &mask)
    }

    #[test]
    fn a_power_law_has_its_exponent() {
        for exponent in [2.5, 4.0] {
            let found = pattern(|y, x| 1e8 / (1.0 + y.hypot(x).powf(exponent))).falloff_exponent;
            // The law is soft at its centre, where the first rings of the fit lie.
            assert!((found - exponent).abs() < 0.2, "{found}");
        }
    }

    #[test]
    fn waves_have_their_width_and_contrast() {
        // cos^2 of period 8: its autocovariance is a cosine, at half of its maximum after 8 / 6
        // pixels on either side.
        let wave = |r: f64| 1.0 + (std::f64::consts::TAU * r / 8.0).cos();
        let found = pattern(|y, x| 1e4 * wave(y) * wave(x) + 1e3);
        assert!((2.0..3.6).contains(&found.speckle_size), "{found:?}");
        // Mean of (1 + cos)^2 is 1.5, of its product 2.25: contrast sqrt(1.25) of 1e4, over 1.1e4.
        let expected = 1.25f64.sqrt() / 1.1;
        assert!((found.local_contrast / expected - 1.0).abs() < 0.1, "{found:?}");
        assert_eq!(found.zero_fraction, 0.0);
    }

    #[test]
    fn darkness_has_zeros_and_no_texture() {
        let found = pattern(|y, x| f64::from(y == 0.0 && x == 0.0));
        assert!(found.zero_fraction > 0.99 && found.speckle_size.is_nan() && found.falloff_exponent.is_nan());
    }
}
