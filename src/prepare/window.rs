//! The window that is cut from a frame, and binning.
//!
//! Zero frequency must end up at index `n / 2` of the array that is phased. Along an axis of `m`
//! binned pixels, bin `j` covers the `b` pixels from `start + j b`, and the centre `c` must be in
//! bin `m / 2`, as close to its middle as whole pixels allow: `start = c - (b - 1) / 2 - (m / 2)
//! b`. With an even `b` the middle of that bin is half a pixel beyond the centre, which the
//! reconstruction shows as a phase ramp of `pi / b` over its field of view.

use crate::error::{Error, Result};
use crate::fft::fft_friendly;
use crate::pixels::{Estimate, Pattern, bit};
use crate::volume::{Centered, Shape};
use ndarray::Array3;
use std::ops::Range;

/// Fewest pixels along an axis, after binning, that can be phased.
const SMALLEST: usize = 8;

/// Fraction of an axis that a crop may cost without a word.
const LOSS: f64 = 1.0 / 3.0;

/// An axis of a frame, and the centre in it.
pub(super) struct Axis {
    /// `z`, `y` or `x`.
    pub(super) name: char,
    /// Its pixels.
    pub(super) length: usize,
    /// The pixel of the centre.
    pub(super) centre: usize,
    /// Pixels that are summed into one.
    pub(super) bin: usize,
    /// Most pixels after binning.
    pub(super) most: Option<usize>,
    /// Whether their number has no prime factor above 13, or is just even.
    pub(super) friendly: bool,
}

impl Axis {
    /// The pixels that keep the centre at `m / 2` after binning: the largest such window of at most
    /// `most` binned pixels.
    pub(super) fn cropped(&self) -> Result<Range<isize>> {
        let Axis { name, length, centre, bin, .. } = *self;
        // The bin of the centre, then as many bins as fit before it, and one fewer after it.
        let first = centre.checked_sub((bin - 1) / 2).filter(|first| first + bin <= length);
        let fits = first.map_or(0, |first| (first / bin).min((length - first) / bin) * 2);
        let fits = fits.min(self.most.unwrap_or(usize::MAX));
        let size = self.size_within(fits);
        if size >= SMALLEST {
            return Ok(self.window(size));
        }
        Err(Error::Pattern(format!(
            "the centre is at {name} = {centre} of {length} pixels: a window around it has {fits} pixels after binning by {bin}, \
             {SMALLEST} are needed: check the centre, the binning and the maximum size, or keep the frame with \
             pad = true"
        )))
    }

    /// The smallest window around the centre with all pixels of the axis, as far as `most` binned
    /// pixels allow. It reaches beyond the frame.
    pub(super) fn padded(&self) -> Range<isize> {
        let first = self.centre as isize - ((self.bin - 1) / 2) as isize;
        let before = (first.max(0) as usize).div_ceil(self.bin);
        let after = (self.length as isize - first).max(0) as usize;
        let needed = (2 * before.max(after.div_ceil(self.bin))).max(SMALLEST);
        let size = match self.most {
            Some(most) if most < needed => self.size_within(most),
            // Within a factor of two there is a power of two.
            _ => (needed..).find(|&size| self.size_within(size) == size).unwrap_or(needed),
        };
        self.window(size)
    }

    /// What a person should know of a window that leaves out much of the axis, unless the largest
    /// size is the reason.
    pub(super) fn loss(&self, window: &Range<isize>) -> Option<String> {
        let Axis { name, length, centre, bin, .. } = *self;
        let kept = window.len();
        let capped = self.most.is_some_and(|most| kept / bin + 2 > most);
        if capped || (kept as f64) >= (1.0 - LOSS) * length as f64 {
            return None;
        }
        let edge = centre.min(length - 1 - centre);
        Some(format!(
            "the crop keeps {kept} of {length} pixels along {name}, as the centre is {edge} pixels from the edge: \
             pad = true keeps the frame, with unmeasured pixels around it"
        ))
    }

    fn size_within(&self, most: usize) -> usize {
        if self.friendly { fft_friendly(most) } else { most / 2 * 2 }
    }

    fn window(&self, size: usize) -> Range<isize> {
        let start = self.centre as isize - ((self.bin - 1) / 2 + size / 2 * self.bin) as isize;
        start..start + (size * self.bin) as isize
    }
}

/// Sums the pixels of `window` in bins of `bin`, which divides its extents. A bin with at least
/// half its pixels measured counts as measured, scaled to its full size; any other is a gap with
/// the mask bits of its pixels, estimated if measured and estimated pixels together are at least
/// half. Pixels beyond the frame are missing.
pub(super) fn cut_and_bin(
    pattern: &Pattern,
    window: &[Range<isize>; 3],
    bin: [usize; 3],
) -> (Centered<f32>, Centered<u32>, Option<Estimate>) {
    let shape: Shape = std::array::from_fn(|a| window[a].len() / bin[a]);
    let full = bin.iter().product::<usize>();
    let mut intensity = Centered::filled(shape, 0.0);
    let mut mask = Centered::filled(shape, 0);
    let mut estimate = pattern.estimate.as_ref().map(|_| Estimate {
        at: Centered::filled(shape, false),
        mean: Centered::filled(shape, 0.0),
        lower: Centered::filled(shape, 0.0),
        upper: Centered::filled(shape, 0.0),
    });
    for index in ndarray::indices(shape) {
        let index: [usize; 3] = index.into();
        let start: [isize; 3] = std::array::from_fn(|a| window[a].start + (index[a] * bin[a]) as isize);
        let (mut measured, mut photons, mut bits) = (0, 0.0, 0);
        let (mut estimated, mut bounds) = (0, [0.0; 3]);
        let end: [isize; 3] = std::array::from_fn(|a| start[a] + bin[a] as isize);
        for z in start[0]..end[0] {
            for y in start[1]..end[1] {
                for x in start[2]..end[2] {
                    // Negative ones are beyond any frame, too.
                    let pixel = [z, y, x].map(|i| i as usize);
                    let Some(&pixel_bits) = pattern.mask.0.get(pixel) else {
                        bits |= bit::MISSING;
                        continue;
                    };
                    if pixel_bits == 0 {
                        measured += 1;
                        photons += f64::from(pattern.intensity.0[pixel]);
                        continue;
                    }
                    bits |= pixel_bits;
                    if let Some(guess) = pattern.estimate.as_ref().filter(|guess| guess.at.0[pixel]) {
                        estimated += 1;
                        for (sum, part) in bounds.iter_mut().zip([&guess.mean, &guess.lower, &guess.upper]) {
                            *sum += f64::from(part.0[pixel]);
                        }
                    }
                }
            }
        }
        let scaled = |photons: f64, pixels: usize| (photons * full as f64 / pixels as f64) as f32;
        if 2 * measured >= full {
            intensity.0[index] = scaled(photons, measured);
            continue;
        }
        mask.0[index] = bits;
        if let Some(estimate) = estimate.as_mut().filter(|_| estimated > 0 && 2 * (measured + estimated) >= full) {
            let [mean, lower, upper] = bounds.map(|bound| scaled(photons + bound, measured + estimated));
            estimate.at.0[index] = true;
            estimate.mean.0[index] = mean;
            estimate.lower.0[index] = lower;
            estimate.upper.0[index] = upper;
        }
    }
    (intensity, mask, estimate)
}

/// Carries a support of the original array to the array that is phased, of `lengths` pixels before
/// binning.
///
/// Cutting or padding the pattern from `n` to `m` pixels keeps the object's field of view and makes
/// its pixels `n / m` times larger; binning keeps the pixels and cuts the field of view about its
/// centre. So pixel `j` of the new array is at `(j - size / 2) n / m + n / 2` of the old one.
///
/// # Errors
///
/// [`Error::Support`] where the support does not fit in the field of view that binning leaves, or
/// vanishes.
pub(super) fn carry_support(support: &Centered<bool>, lengths: Shape, bin: [usize; 3]) -> Result<Centered<bool>> {
    let old = support.shape();
    let scale: [f64; 3] = std::array::from_fn(|a| old[a] as f64 / lengths[a] as f64);
    let size: Shape = std::array::from_fn(|a| lengths[a] / bin[a]);
    for (index, _) in support.0.indexed_iter().filter(|(_, inside)| **inside) {
        let index: [usize; 3] = index.into();
        for a in 0..3 {
            let offset = (index[a] as f64 - (old[a] / 2) as f64) / scale[a];
            if offset < -((size[a] / 2) as f64) - 0.5 || offset > (size[a] - size[a] / 2) as f64 - 0.5 {
                return Err(Error::Support(format!(
                    "binning by {} leaves a field of view of {} pixels along {}, too small for the support: bin less, or give \
                     another support",
                    bin[a],
                    size[a],
                    ['z', 'y', 'x'][a]
                )));
            }
        }
    }
    // Linear interpolation, inside where at least half: exact where nothing changes.
    let value = |index: [usize; 3]| {
        let mut weights = [[(0, 0.0); 2]; 3];
        for a in 0..3 {
            let at = (index[a] as f64 - (size[a] / 2) as f64) * scale[a] + (old[a] / 2) as f64;
            let below = at.floor();
            let last = old[a] as i64 - 1;
            let pixel = |i: f64| (i as i64).clamp(0, last) as usize;
            weights[a] = [(pixel(below), 1.0 - (at - below)), (pixel(below + 1.0), at - below)];
        }
        let mut sum = 0.0;
        for (z, wz) in weights[0] {
            for (y, wy) in weights[1] {
                for (x, wx) in weights[2] {
                    sum += if support.0[[z, y, x]] { wz * wy * wx } else { 0.0 };
                }
            }
        }
        sum
    };
    let carried = Centered(Array3::from_shape_fn(size, |index| value(index.into()) >= 0.5 - 1e-9));
    if carried.as_slice().iter().any(|&inside| inside) {
        Ok(carried)
    } else {
        Err(Error::Support("the support is empty after cropping and binning: give a larger one".into()))
    }
}

/// The pixels of a window, as an array of their own.
pub(super) fn cut<T: Clone>(array: &Centered<T>, window: &[Range<usize>; 3]) -> Centered<T> {
    let part = array.0.slice_each_axis(|axis| ndarray::Slice::from(window[axis.axis.index()].clone()));
    Centered(
        Array3::from_shape_vec(part.dim(), part.iter().cloned().collect()).expect("as many elements as the part has"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::Geometry;

    #[test]
    fn friendly_sizes() {
        let sizes = [1, 7, 8, 201, 256, 257, 516, 1030, 2167].map(fft_friendly);
        assert_eq!(sizes, [1, 6, 8, 200, 256, 256, 512, 1024, 2160]);
    }

    /// An axis of `length` pixels whose number is friendly after binning.
    fn axis(length: usize, centre: usize, bin: usize) -> Axis {
        Axis { name: 'y', length, centre, bin, most: None, friendly: true }
    }

    #[test]
    fn windows_keep_the_centre_in_the_middle_bin() {
        for length in [64, 101, 256] {
            for centre in [length / 2, length / 2 - 7, 33] {
                for bin in 1..=5 {
                    let window = axis(length, centre, bin).cropped().unwrap();
                    let size = window.len() / bin;
                    assert_eq!((window.len() % bin, size % 2), (0, 0));
                    assert!(window.start >= 0 && window.end <= length as isize);
                    let middle = (window.start + (size / 2 * bin) as isize) as usize;
                    assert!((middle..middle + bin).contains(&centre));
                    assert_eq!(centre - middle, (bin - 1) / 2);
                }
            }
        }
        assert_eq!(axis(256, 128, 1).cropped().unwrap(), 0..256);
        assert_eq!(axis(256, 128, 2).cropped().unwrap(), 0..256);
        assert_eq!(Axis { most: Some(50), ..axis(256, 128, 2) }.cropped().unwrap(), 78..178);
        let error = axis(256, 3, 1).cropped().unwrap_err().to_string();
        assert!(error.contains("y = 3 of 256"), "{error}");
    }

    #[test]
    fn padded_windows_hold_the_frame_and_keep_the_centre_in_the_middle_bin() {
        for (length, centre, bin) in [(64, 3, 1), (101, 100, 2), (256, 40, 3), (60, 30, 1), (9, 0, 4)] {
            let window = axis(length, centre, bin).padded();
            let size = window.len() / bin;
            assert_eq!((window.len() % bin, fft_friendly(size)), (0, size));
            assert!(window.start <= 0 && window.end >= length as isize, "{window:?}");
            let middle = window.start + (size / 2 * bin) as isize;
            assert_eq!(centre as isize - middle, ((bin - 1) / 2) as isize);
            assert!(axis(length, centre, bin).loss(&window).is_none());
        }
        assert_eq!(axis(64, 3, 1).padded(), -60..66);
        assert_eq!(Axis { most: Some(50), ..axis(64, 3, 1) }.padded(), -22..28);
    }

    #[test]
    fn large_losses_are_said() {
        let said = |axis: Axis| axis.loss(&axis.cropped().unwrap());
        let words = said(axis(256, 40, 1)).unwrap();
        assert!(
            words.starts_with("the crop keeps 80 of 256 pixels along y, as the centre is 40 pixels from"),
            "{words}"
        );
        assert!(said(axis(256, 100, 1)).is_none());
        assert!(said(Axis { most: Some(50), ..axis(256, 100, 1) }).is_none(), "asked for");
    }

    #[test]
    fn a_symmetric_pattern_stays_symmetric() {
        let n = 60;
        let value = |y: usize, x: usize| {
            let (dy, dx) = (y as i32 - 27, x as i32 - 31);
            1.0 + ((dy * dy * 7 + dx * dy * 3 + dx * dx * 5) % 17) as f32
        };
        let intensity = Centered(Array3::from_shape_fn([1, n, n], |(_, y, x)| value(y, x)));
        let mask = intensity.map(|_| 0);
        let pattern = Pattern::new(intensity, mask, Geometry::default()).unwrap();
        for bin in [1, 3, 5] {
            let window = [0..1, axis(n, 27, bin).cropped().unwrap(), axis(n, 31, bin).cropped().unwrap()];
            let (binned, _, _) = cut_and_bin(&pattern, &window, [1, bin, bin]);
            let [_, ny, nx] = binned.shape();
            for y in 1..ny {
                for x in 1..nx {
                    assert_eq!(binned.0[[0, y, x]], binned.0[[0, ny - y, nx - x]], "bin {bin}");
                }
            }
        }
    }

    #[test]
    fn bins_are_scaled_or_gaps() {
        let intensity = Centered(Array3::from_shape_fn([1, 16, 16], |(_, y, x)| (y * 16 + x) as f32));
        let mut mask = intensity.map(|_| 0);
        mask.0[[0, 0, 0]] = bit::HOT;
        for (y, x) in [(2, 2), (2, 3), (3, 2)] {
            mask.0[[0, y, x]] = bit::MISSING;
        }
        mask.0[[0, 2, 2]] |= bit::DEAD;
        let mut pattern = Pattern::new(intensity, mask, Geometry::default()).unwrap();
        let mut at = Centered::filled([1, 16, 16], false);
        at.0[[0, 2, 2]] = true;
        let constant = |value: f32| Centered::filled([1, 16, 16], value);
        pattern.estimate = Some(Estimate { at, mean: constant(10.0), lower: constant(5.0), upper: constant(20.0) });
        let (binned, mask, estimate) = cut_and_bin(&pattern, &[0..1, 0..16, 0..16], [1, 2, 2]);
        assert_eq!(binned.shape(), [1, 8, 8]);
        assert_eq!((binned.0[[0, 0, 0]], mask.0[[0, 0, 0]]), (34.0 * 4.0 / 3.0, 0));
        assert_eq!((binned.0[[0, 1, 1]], mask.0[[0, 1, 1]]), (0.0, bit::MISSING | bit::DEAD));
        // One measured pixel of 51 photons and one estimated of 10 stand for four.
        let estimate = estimate.unwrap();
        assert_eq!(estimate.at.as_slice().iter().filter(|&&at| at).count(), 1);
        let at = [0, 1, 1];
        assert_eq!([estimate.mean.0[at], estimate.lower.0[at], estimate.upper.0[at]], [122.0, 112.0, 142.0]);
        let total: f32 = binned.as_slice().iter().sum();
        assert!(total > 0.97 * 32640.0);
    }

    #[test]
    fn support_follows_the_object() {
        let disc = |n: usize, radius: f64| {
            let c = (n / 2) as f64;
            Centered(Array3::from_shape_fn([1, n, n], |(_, y, x)| {
                (y as f64 - c).hypot(x as f64 - c - radius / 4.0) <= radius
            }))
        };
        // Nothing changes.
        let support = disc(64, 10.0);
        assert_eq!(carry_support(&support, [1, 64, 64], [1; 3]).unwrap(), support);
        // Binning cuts the field of view.
        let binned = carry_support(&support, [1, 64, 64], [1, 2, 2]).unwrap();
        assert_eq!(binned.0, support.0.slice(ndarray::s![.., 16..48, 16..48]));
        assert!(carry_support(&support, [1, 64, 64], [1, 4, 4]).is_err());
        // Cropping to half makes the pixels twice as large: a disc of half the radius.
        let cropped = carry_support(&support, [1, 32, 32], [1; 3]).unwrap();
        let difference = cropped.0.iter().zip(&disc(32, 5.0).0).filter(|(a, b)| a != b).count();
        // Only pixels at the rim may round differently.
        assert!(difference <= 12, "{difference}");
    }
}
