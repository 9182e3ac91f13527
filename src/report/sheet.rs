//! A contact sheet: many small pictures in one PNG, to be viewed at a glance.

use super::colour::{self, ColourMap, Rgb};
use crate::error::{Error, Result};
use ndarray::{Array2, s};
use num_complex::Complex32;
use std::io;

/// Pixels between the tiles of an item; three times that between items.
const MARGIN: usize = 3;
const PAPER: Rgb = [255, 255, 255];
const MASKED: Rgb = [196, 60, 52];

/// A small picture, `(y, x)`.
pub type Tile = Array2<Rgb>;

/// Draws intensities on a logarithmic scale, from a tenth of a photon (or eight decades below the
/// maximum) up; masked pixels are red.
pub fn intensity(photons: &Array2<f32>, masked: &Array2<bool>) -> Tile {
    let lit = photons.iter().zip(masked).filter(|(_, masked)| !**masked).map(|(n, _)| *n);
    let top = f64::from(lit.fold(1.0, f32::max));
    let bottom = (top * 1e-8).max(0.1);
    let colours = photons.map(|&n| {
        let n = f64::from(n).max(bottom);
        ColourMap::Magma.at((n / bottom).ln() / (top / bottom).ln())
    });
    let mut tile = colours;
    tile.zip_mut_with(masked, |pixel, &masked| {
        if masked {
            *pixel = MASKED;
        }
    });
    tile
}

/// Draws a complex object: the phase as colour, the modulus as brightness on a black background.
pub fn object(values: &Array2<Complex32>) -> Tile {
    let top = values.iter().map(|v| v.norm()).fold(f32::MIN_POSITIVE, f32::max);
    values.map(|value| {
        let brightness = f64::from(value.norm() / top).min(1.0);
        colour::phase(f64::from(value.arg()) / std::f64::consts::TAU).map(|c| (f64::from(c) * brightness).round() as u8)
    })
}

/// Lays items, each a row of tiles, out on a sheet with `columns` items side by side. Tiles are
/// scaled to `size` pixels a side by repeating or leaving out pixels.
pub fn sheet(items: &[Vec<Tile>], columns: usize, size: usize) -> Tile {
    let tiles = items.iter().map(Vec::len).max().unwrap_or(0);
    let columns = columns.clamp(1, items.len().max(1));
    let width = tiles * (size + MARGIN) + 2 * MARGIN;
    let height = size + 3 * MARGIN;
    let rows = items.len().div_ceil(columns);
    let mut sheet = Tile::from_elem((rows * height + MARGIN, columns * width + MARGIN), PAPER);
    for (index, item) in items.iter().enumerate() {
        let (top, left) = ((index / columns) * height + MARGIN, (index % columns) * width + MARGIN);
        for (at, tile) in item.iter().enumerate() {
            let left = left + at * (size + MARGIN);
            sheet.slice_mut(s![top..top + size, left..left + size]).assign(&scaled(tile, size));
        }
    }
    sheet
}

/// The nearest pixels: what is looked at is the grain of the pattern, which smoothing would hide.
fn scaled(tile: &Tile, size: usize) -> Tile {
    let (ny, nx) = tile.dim();
    let largest = ny.max(nx).max(1);
    let (height, width) = (size * ny / largest, size * nx / largest);
    let (top, left) = ((size - height) / 2, (size - width) / 2);
    let mut out = Tile::from_elem((size, size), PAPER);
    for y in 0..height {
        for x in 0..width {
            out[[top + y, left + x]] = tile[[y * ny / height, x * nx / width]];
        }
    }
    out
}

/// Encodes the sheet as a PNG file.
///
/// # Errors
/// [`Error::Write`] where the encoder fails, for a sheet without pixels for example.
pub fn png(tile: &Tile) -> Result<Vec<u8>> {
    let (height, width) = tile.dim();
    let mut bytes = Vec::new();
    let fail = |error: png::EncodingError| Error::write("picture", io::Error::other(error.to_string()));
    let mut encoder = png::Encoder::new(&mut bytes, width as u32, height as u32);
    encoder.set_color(png::ColorType::Rgb);
    let mut writer = encoder.write_header().map_err(fail)?;
    let pixels: Vec<u8> = tile.iter().flatten().copied().collect();
    writer.write_image_data(&pixels).map_err(fail)?;
    writer.finish().map_err(fail)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiles_lie_beside_each_other_and_masked_pixels_are_red() {
        let photons = Array2::from_shape_fn((4, 8), |(y, x)| (y * 8 + x) as f32);
        let masked = Array2::from_shape_fn((4, 8), |(_, x)| x == 7);
        let tile = intensity(&photons, &masked);
        assert_eq!(tile[[2, 7]], MASKED);
        assert_eq!(tile[[0, 0]], ColourMap::Magma.at(0.0));
        assert_eq!(tile[[3, 6]], ColourMap::Magma.at(1.0));
        let sheet = sheet(&[vec![tile.clone(), tile.clone()], vec![tile]], 2, 16);
        assert_eq!(sheet.dim(), (16 + 3 * MARGIN + MARGIN, 2 * (2 * (16 + MARGIN) + 2 * MARGIN) + MARGIN));
        // A tile of half the height is centred: a quarter of paper above it.
        assert_eq!(sheet[[MARGIN, MARGIN]], PAPER);
        assert_eq!(sheet[[MARGIN + 8, MARGIN + 15]], MASKED);
        assert_eq!(&png(&sheet).unwrap()[1..4], b"PNG");
    }

    #[test]
    fn brightness_is_the_modulus() {
        let values = Array2::from_shape_fn((1, 2), |(_, x)| Complex32::new(x as f32, 0.0));
        let tile = object(&values);
        assert_eq!(tile[[0, 0]], [0; 3]);
        assert_eq!(tile[[0, 1]], colour::phase(0.0));
    }
}
