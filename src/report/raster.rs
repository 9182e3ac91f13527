//! Rasters of arrays: colours, reduction of large arrays, PNG.

use super::colour::{self, Rgb};
use super::content::{Image, Scale};
use base64::Engine;
use ndarray::{Array2, ArrayView2};
use num_complex::Complex32;
use std::f32::consts::TAU;

/// Larger arrays are reduced to at most this many pixels a side: no screen or paper shows more of a
/// figure.
const LARGEST: usize = 1024;

/// Colours with opacity, `(y, x)`. "No data" is transparent.
pub type Pixels = Array2<[u8; 4]>;

const NOTHING: [u8; 4] = [0; 4];

/// The values at the ends of the colour bar. Always finite and increasing, positive for logarithmic
/// scales.
pub fn limits(image: &Image) -> (f32, f32) {
    let log = image.scale == Scale::Log;
    let given = image.range.map(|(lo, hi)| [lo, hi]);
    let values = given.iter().flatten().chain(image.data.iter().filter(|_| given.is_none()));
    let usable = values.copied().filter(|v| v.is_finite() && (!log || *v > 0.0));
    let (lo, hi) = usable.fold((f32::INFINITY, f32::NEG_INFINITY), |(lo, hi), v| (lo.min(v), hi.max(v)));
    match (lo <= hi, log) {
        (false, true) => (1.0, 10.0),
        (false, false) => (0.0, 1.0),
        // Calculated intensities reach down to rounding noise: eight decades show all that a
        // detector can.
        (true, true) => {
            let lo = lo.max(hi * 1e-8).max(f32::MIN_POSITIVE);
            (lo, if hi > lo { hi } else { lo * 10.0 })
        }
        (true, false) if hi > lo => (lo, hi),
        // A constant image is drawn in the colour of its value, on a bar that starts or ends at
        // zero.
        (true, false) if lo == 0.0 => (0.0, 1.0),
        (true, false) => (lo.min(0.0), hi.max(0.0)),
    }
}

/// The colours of a real-valued map.
pub fn real(image: &Image) -> Pixels {
    let (lo, hi) = limits(image);
    match &image.scale {
        Scale::Linear => {
            downsample(&image.data, mean).map(|&v| opaque(v, |v| image.colour_map.at(fraction(v, lo, hi, false))))
        }
        // The mean would hide single photons between empty pixels.
        Scale::Log => {
            downsample(&image.data, largest).map(|&v| opaque(v, |v| image.colour_map.at(fraction(v, lo, hi, true))))
        }
        Scale::Binary => {
            downsample(&image.data, largest).map(|&v| opaque(v, |v| colour::category(usize::from(v != 0.0))))
        }
        Scale::Categories(_) => {
            downsample(&image.data, largest).map(|&v| opaque(v, |v| colour::category(v.max(0.0).round() as usize)))
        }
    }
}

/// The colours of the phase, fading where the modulus is below 5 % of its maximum: the phase of
/// nothing means nothing.
pub fn phase(data: &Array2<Complex32>) -> Pixels {
    let highest = data.iter().map(|v| v.norm()).filter(|m| m.is_finite()).fold(0.0, f32::max);
    downsample(data, strongest).map(|value| {
        let opacity = value.norm() / (0.05 * highest);
        if !(opacity > 0.0 && value.norm().is_finite()) {
            return NOTHING;
        }
        let [r, g, b] = colour::phase(f64::from(value.arg() / TAU));
        [r, g, b, (255.0 * opacity.min(1.0).powi(2)) as u8]
    })
}

/// The position of a value between the ends of the colour bar.
fn fraction(value: f32, lo: f32, hi: f32, log: bool) -> f64 {
    let [value, lo, hi] = [value, lo, hi].map(f64::from);
    if !log {
        (value - lo) / (hi - lo)
    } else if value <= lo {
        0.0
    } else {
        (value / lo).ln() / (hi / lo).ln()
    }
}

fn opaque(value: f32, colour: impl Fn(f32) -> Rgb) -> [u8; 4] {
    if !value.is_finite() {
        return NOTHING;
    }
    let [r, g, b] = colour(value);
    [r, g, b, 255]
}

/// The array, or one value per block of it where it is too large.
fn downsample<T: Copy>(data: &Array2<T>, of_block: impl Fn(ArrayView2<T>) -> T) -> Array2<T> {
    let (ny, nx) = data.dim();
    let by = ny.max(nx).div_ceil(LARGEST);
    if by <= 1 {
        return data.clone();
    }
    Array2::from_shape_fn((ny.div_ceil(by), nx.div_ceil(by)), |(y, x)| {
        let rows = y * by..((y + 1) * by).min(ny);
        let columns = x * by..((x + 1) * by).min(nx);
        of_block(data.slice(ndarray::s![rows, columns]))
    })
}

/// The mean of what is finite, so that gaps narrower than a block close instead of widening.
fn mean(block: ArrayView2<f32>) -> f32 {
    let finite = block.iter().filter(|v| v.is_finite());
    let (count, sum) = finite.fold((0, 0.0), |(count, sum), &v| (count + 1, sum + f64::from(v)));
    (sum / f64::from(count)) as f32
}

fn largest(block: ArrayView2<f32>) -> f32 {
    block.iter().copied().filter(|v| v.is_finite()).reduce(f32::max).unwrap_or(f32::NAN)
}

/// The value of largest modulus: a mean over several fringes of the phase would vanish.
fn strongest(block: ArrayView2<Complex32>) -> Complex32 {
    block.iter().copied().fold(Complex32::default(), |a, b| if b.norm() > a.norm() { b } else { a })
}

/// The pixels as a `data:` address. Empty where there are no pixels.
pub fn data_url(pixels: &Pixels) -> String {
    let (height, width) = pixels.dim();
    if pixels.is_empty() {
        return String::new();
    }
    let bytes: Vec<u8> = pixels.iter().flatten().copied().collect();
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, width as u32, height as u32);
    encoder.set_color(png::ColorType::Rgba);
    encoder.set_depth(png::BitDepth::Eight);
    let written = encoder.write_header().and_then(|mut writer| {
        writer.write_image_data(&bytes)?;
        writer.finish()
    });
    // Writing to memory fails only for images beyond the format's size, which `downsample`
    // excludes.
    if written.is_err() {
        return String::new();
    }
    format!("data:image/png;base64,{}", base64::engine::general_purpose::STANDARD.encode(file))
}

/// A horizontal slice of a colour map for a vertical colour bar, highest value first.
pub fn colour_bar(colour: impl Fn(f64) -> Rgb) -> Pixels {
    Array2::from_shape_fn((128, 1), |(y, _)| {
        let [r, g, b] = colour(1.0 - (y as f64 + 0.5) / 128.0);
        [r, g, b, 255]
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(data: Array2<f32>, scale: Scale) -> Image {
        Image { data, scale, ..Image::default() }
    }

    #[test]
    fn limits_are_usable_whatever_the_data() {
        for value in [f32::NAN, 0.0, 3.0, -3.0, f32::INFINITY, 1e-40, f32::MAX] {
            for scale in [Scale::Linear, Scale::Log] {
                let (lo, hi) = limits(&image(Array2::from_elem((2, 2), value), scale.clone()));
                assert!(lo.is_finite() && hi > lo, "{value} {scale:?}: {lo} {hi}");
                assert!(scale == Scale::Linear || lo > 0.0);
            }
        }
    }

    #[test]
    fn what_is_not_finite_is_transparent() {
        let data = ndarray::array![[1.0, f32::NAN], [f32::INFINITY, 2.0]];
        for scale in [Scale::Linear, Scale::Log, Scale::Binary, Scale::Categories(vec![])] {
            let pixels = real(&image(data.clone(), scale));
            assert_eq!(pixels.map(|p| p[3]), ndarray::array![[255, 0], [0, 255]]);
        }
    }

    #[test]
    fn large_images_shrink_and_single_photons_survive() {
        let mut data = Array2::zeros((10, 3000));
        data[[5, 1501]] = 1.0;
        data.column_mut(7).fill(f32::NAN);
        assert_eq!(downsample(&data, largest).dim(), (4, 1000));
        assert_eq!(downsample(&data, largest)[[1, 500]], 1.0);
        assert_eq!(downsample(&data, mean)[[1, 500]], 1.0 / 9.0);
        assert_eq!(downsample(&data, mean)[[0, 2]], 0.0);
    }

    #[test]
    fn a_faint_pixel_has_a_faint_phase() {
        let data = ndarray::array![[Complex32::new(1.0, 0.0), Complex32::new(0.0, 0.01), Complex32::new(0.0, 0.0)]];
        let alpha = phase(&data).map(|p| p[3]);
        assert_eq!(alpha[[0, 0]], 255);
        assert!(alpha[[0, 1]] > 0 && alpha[[0, 1]] < 30);
        assert_eq!(alpha[[0, 2]], 0);
    }
}
