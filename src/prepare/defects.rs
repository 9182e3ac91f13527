//! Pixels of the detector that do not tell the truth: flat field, hot and dead pixels.

use super::mask::shape_error;
use crate::error::{Error, Result};
use crate::pixels::bit;
use crate::volume::Centered;
use ndarray::{Array2, ArrayView2};
use rayon::prelude::*;

/// Fewest measured neighbours that a pixel is judged by: all that a pixel at an edge or beside a
/// gap has.
const NEIGHBOURS: usize = 5;
/// Fewest frames over which a pixel may be called dead: one pattern has true zeros between its
/// speckles.
const DEAD_FRAMES: usize = 8;
/// Photons, summed over the frames, that the neighbours of a dead pixel see: Poisson counts stay
/// zero with e^-30.
const DEAD_PHOTONS: f32 = 30.0;
/// Fewest frames among which one may be called flashed.
const FLASH_FRAMES: usize = 5;
/// Tiles along each side of a frame, and how many of them all must be too bright in a flashed
/// frame.
const TILES: usize = 4;
const FLASH_TILES: usize = 12;
/// Factor by which they are brighter than in the frames beside, and photons above those of a few
/// chance counts. The light of a tile, of many speckles, changes little from frame to frame: in
/// measured and simulated stacks twelve tiles together exceed 1.1 times their neighbours in none,
/// even with every sixth frame alone.
const FLASH: f32 = 3.0;
const FLASH_PHOTONS: f32 = 30.0;

/// Divides by the flat field, normalised by its median so that photons stay photons. Pixels whose
/// flat field is not a positive number are masked as dead; their number is returned.
pub(super) fn flat_field(
    intensity: &mut Centered<f32>,
    mask: &mut Centered<u32>,
    flat: &Centered<f32>,
) -> Result<usize> {
    let usable = |value: f32| value.is_finite() && value > 0.0;
    let mut values: Vec<f32> = flat.as_slice().iter().copied().filter(|&value| usable(value)).collect();
    if values.is_empty() {
        return Err(Error::Pattern("the flat field has no positive pixel: check the file given as flat-field".into()));
    }
    let middle = values.len() / 2;
    let median = *values.select_nth_unstable_by(middle, f32::total_cmp).1;
    let fits = flat.0.broadcast(intensity.0.dim()).ok_or_else(|| shape_error("flat field", flat, intensity))?;
    let mut dead = 0;
    ndarray::Zip::from(&mut intensity.0).and(&mut mask.0).and(&fits).for_each(|value, bits, &flat| {
        if usable(flat) {
            *value *= median / flat;
        } else {
            *bits |= bit::DEAD;
            dead += 1;
        }
    });
    Ok(dead)
}

/// Masks hot pixels and returns their number: pixels above `factor` times what the second brightest
/// of their measured neighbours in the frame could have read but for Poisson noise.
///
/// An oversampled pattern cannot do that. Behind an object that fills half the field of view, even
/// the sharpest speckle leaves 40 % of its peak in the next pixel (sinc² at half a pixel), and
/// there are at least two such neighbours; the median would mask them, since it looks at the
/// corners too. The second brightest, because hot pixels come in pairs. With Poisson noise, `n`
/// photons may well have been `n + 1 + 2 sqrt(n + 1)`: some photons among zeros are no defect.
///
/// In a stack the sum of the frames is judged too, which finds pixels that are always a little too
/// high; those are masked in every frame.
pub(super) fn hot_pixels(intensity: &Centered<f32>, mask: &mut Centered<u32>, factor: f32) -> usize {
    let frames: Vec<_> = intensity.0.outer_iter().zip(mask.0.outer_iter()).collect();
    let hot: Vec<Vec<(usize, usize)>> = frames
        .into_par_iter()
        .map(|(frame, mask)| {
            let measured = mask.mapv(|bits| bits == 0);
            outliers(frame, &measured, factor)
        })
        .collect();
    let frames = hot.len();
    let always = if frames > 1 {
        let (sum, measured) = summed(intensity, mask);
        outliers(sum.view(), &measured, factor)
    } else {
        Vec::new()
    };
    let found = hot.into_iter().enumerate().flat_map(|(z, hot)| hot.into_iter().map(move |(y, x)| [z, y, x]));
    let always = always.into_iter().flat_map(|(y, x)| (0..frames).map(move |z| [z, y, x]));
    let mut count = 0;
    for index in found.chain(always) {
        count += usize::from(mask.0[index] & bit::HOT == 0);
        mask.0[index] |= bit::HOT;
    }
    count
}

/// Masks dead pixels in every frame and returns their number: zero in all frames, while the
/// neighbours see clearly more than nothing, but for one at most of all eight. Needs several
/// frames, see [`DEAD_FRAMES`].
pub(super) fn dead_pixels(intensity: &Centered<f32>, mask: &mut Centered<u32>) -> usize {
    if intensity.shape()[0] < DEAD_FRAMES {
        return 0;
    }
    let (sum, measured) = summed(intensity, mask);
    let mut count = 0;
    for ((y, x), &value) in sum.indexed_iter() {
        if !measured[[y, x]] || value != 0.0 {
            continue;
        }
        let around = neighbours(sum.view(), &measured, y, x);
        // A line of zeros is physics: the pattern of a facetted crystal has nodal planes.
        let lit = around.iter().filter(|&&value| value >= DEAD_PHOTONS).count();
        if around.len() >= NEIGHBOURS && lit + usize::from(around.len() == 8) >= around.len() {
            mask.0.slice_mut(ndarray::s![.., y, x]).mapv_inplace(|bits| bits | bit::DEAD);
            count += 1;
        }
    }
    count
}

/// Masks flashed frames, several times as bright all over as the two before and the two after, and
/// returns them: a burst of the beam, or of the detector. A peak that a scan passes within one
/// frame is bright in a part of the frame only.
pub(super) fn flashed_frames(intensity: &Centered<f32>, mask: &mut Centered<u32>) -> Vec<usize> {
    let [frames, ny, nx] = intensity.shape();
    if frames < FLASH_FRAMES || ny.min(nx) < TILES {
        return Vec::new();
    }
    let tiles: Vec<[f32; TILES * TILES]> = (intensity.0.outer_iter().zip(mask.0.outer_iter()))
        .map(|(frame, mask)| {
            let mut sums = [0.0; TILES * TILES];
            for (((y, x), &value), &bits) in frame.indexed_iter().zip(&mask) {
                sums[y * TILES / ny * TILES + x * TILES / nx] += if bits == 0 { value } else { 0.0 };
            }
            sums
        })
        .collect();
    let flashed = |&z: &usize| {
        let beside = || (z.saturating_sub(2)..(z + 3).min(frames)).filter(|&other| other != z);
        let bright = (0..TILES * TILES).filter(|&tile| {
            let usual = beside().map(|other| tiles[other][tile]).fold(0.0, f32::max);
            tiles[z][tile] > FLASH * usual + FLASH_PHOTONS
        });
        bright.count() >= FLASH_TILES
    };
    let flashed: Vec<usize> = (0..frames).filter(flashed).collect();
    for &z in &flashed {
        mask.0.index_axis_mut(ndarray::Axis(0), z).mapv_inplace(|bits| bits | bit::BAD);
    }
    flashed
}

/// The sum of all frames, and where every frame was measured.
fn summed(intensity: &Centered<f32>, mask: &Centered<u32>) -> (Array2<f32>, Array2<bool>) {
    let [_, ny, nx] = intensity.shape();
    let (mut sum, mut measured) = (Array2::zeros((ny, nx)), Array2::from_elem((ny, nx), true));
    for (frame, mask) in intensity.0.outer_iter().zip(mask.0.outer_iter()) {
        sum += &frame;
        measured.zip_mut_with(&mask, |measured, &bits| *measured &= bits == 0);
    }
    (sum, measured)
}

fn outliers(frame: ArrayView2<f32>, measured: &Array2<bool>, factor: f32) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    for ((y, x), &value) in frame.indexed_iter() {
        // Most pixels hold less than the least value that can be hot, and need no look around.
        if value <= 3.0 * factor || !measured[[y, x]] {
            continue;
        }
        let mut around = neighbours(frame, measured, y, x);
        around.sort_by(|a, b| b.total_cmp(a));
        if around.len() < NEIGHBOURS {
            continue;
        }
        // At an edge the brightest neighbour may be out of sight: the one that is seen stands for
        // the second then.
        let rival = around[usize::from(around.len() == 8)] + 1.0;
        if value > factor * (rival + 2.0 * rival.sqrt()) {
            found.push((y, x));
        }
    }
    found
}

/// The measured ones among the eight pixels around `(y, x)`.
fn neighbours(frame: ArrayView2<f32>, measured: &Array2<bool>, y: usize, x: usize) -> Vec<f32> {
    let (ny, nx) = frame.dim();
    let mut around = Vec::with_capacity(8);
    for v in y.saturating_sub(1)..(y + 2).min(ny) {
        for u in x.saturating_sub(1)..(x + 2).min(nx) {
            if (v, u) != (y, x) && measured[[v, u]] {
                around.push(frame[[v, u]]);
            }
        }
    }
    around
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulate::example;
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;
    use rand_distr::{Distribution, Poisson};

    #[test]
    fn speckles_are_never_hot() {
        for seed in 0..5 {
            let mut pattern = example(seed).pattern;
            assert_eq!(hot_pixels(&pattern.intensity, &mut pattern.mask, 10.0), 0);
        }
    }

    #[test]
    fn sharp_speckles_are_never_hot() {
        // The sharpest speckles there are: an object that fills half the field of view, with random
        // phases.
        let n = 128;
        for seed in 0..10 {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            let mut wave = vec![num_complex::Complex32::default(); n * n];
            for y in 0..n / 2 {
                for x in 0..n / 2 {
                    wave[y * n + x] =
                        num_complex::Complex32::from_polar(4.0, rng.random_range(0.0..std::f32::consts::TAU));
                }
            }
            crate::fft::Fft::new([1, n, n]).forward(&mut wave);
            let mut count = |mean: f32| Poisson::new(mean.max(1e-9)).unwrap().sample(&mut rng);
            let frame = wave.iter().enumerate().map(|(i, value)| {
                // An envelope over four decades, so that every count rate occurs.
                count(value.norm_sqr() * 300.0 * (-(9.2 * (i % n) as f32 / n as f32)).exp())
            });
            let intensity = Centered(ndarray::Array3::from_shape_vec([1, n, n], frame.collect()).unwrap());
            let mut mask = intensity.map(|_| 0);
            assert_eq!(hot_pixels(&intensity, &mut mask, 10.0), 0, "seed {seed}");
        }
    }

    #[test]
    fn hot_pixels_are_found_even_in_pairs_and_beside_gaps() {
        let mut pattern = example(3).pattern;
        // Alone, a pair, beside the gap (rows 147 to 152), at the edge.
        let hot = [[0, 40, 40], [0, 200, 60], [0, 200, 61], [0, 146, 20], [0, 0, 130]];
        for index in hot {
            pattern.intensity.0[index] = 30000.0;
        }
        assert_eq!(hot_pixels(&pattern.intensity, &mut pattern.mask, 10.0), hot.len());
        assert!(hot.iter().all(|&index| pattern.mask.0[index] == bit::HOT));
    }

    #[test]
    fn stacks_show_pixels_that_are_always_hot_or_dead() {
        let mut rng = ChaCha8Rng::seed_from_u64(5);
        let mut intensity =
            Centered::filled([20, 16, 16], 0.0_f32).map(|_| Poisson::new(2.0).unwrap().sample(&mut rng));
        for z in 0..20 {
            intensity.0[[z, 5, 5]] = 40.0;
            intensity.0[[z, 9, 9]] = 0.0;
            // A node of the pattern: a whole line of zeros.
            for x in 0..16 {
                intensity.0[[z, 13, x]] = 0.0;
            }
        }
        let mut mask = intensity.map(|_| 0);
        assert_eq!(hot_pixels(&intensity, &mut mask, 10.0), 20);
        assert_eq!(dead_pixels(&intensity, &mut mask), 1);
        assert!((0..20).all(|z| mask.0[[z, 5, 5]] == bit::HOT && mask.0[[z, 9, 9]] == bit::DEAD));
        assert_eq!(mask.as_slice().iter().filter(|&&bits| bits != 0).count(), 40);
    }

    #[test]
    fn flat_field_keeps_photons() {
        let mut intensity = Centered::filled([2, 2, 2], 10.0);
        let mut mask = intensity.map(|_| 0);
        let flat = Centered(ndarray::Array3::from_shape_vec([1, 2, 2], vec![100.0, 100.0, 200.0, 0.0]).unwrap());
        assert_eq!(flat_field(&mut intensity, &mut mask, &flat).unwrap(), 2);
        assert_eq!(intensity.as_slice(), [10.0, 10.0, 5.0, 10.0, 10.0, 10.0, 5.0, 10.0]);
        assert_eq!(mask.as_slice(), [0, 0, 0, 8, 0, 0, 0, 8]);
        assert!(flat_field(&mut intensity, &mut mask, &Centered::filled([1, 3, 2], 1.0)).is_err());
        assert!(flat_field(&mut intensity, &mut mask, &Centered::filled([1, 2, 2], f32::NAN)).is_err());
    }
}
