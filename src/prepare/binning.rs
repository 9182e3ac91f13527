//! What binning does to the oversampling of a pattern.

use super::inspect::oversampling;
use super::window::cut_and_bin;
use crate::pixels::Pattern;
use std::ops::Range;

/// Below this oversampling pixels are too wide for the finest fringes. Those are as many pixels apart as
/// the oversampling `s` says, and a pixel leaves `sin(pi / s) / (pi / s)` of their contrast: 0.76 here,
/// 0.64 at 2, where less cannot be sampled at all.
const FRINGES: f64 = 2.5;

/// Oversampling `(z, y, x)` after binning, from what each axis had before: an autocorrelation cannot be
/// longer than its array, so that a binned pattern never looks oversampled less than twice.
pub(super) fn sampled(pattern: &Pattern, window: &[Range<isize>; 3], rebin: [usize; 3]) -> [f64; 3] {
    let binned = |bin: [usize; 3]| {
        let (intensity, mask, _) = cut_and_bin(pattern, window, bin);
        oversampling(&intensity, &mask.map(|&bits| bits == 0))
    };
    let mut found = binned(rebin);
    for axis in (0..3).filter(|&axis| rebin[axis] > 1) {
        if found[axis] < LEAST {
            let mut finer = rebin;
            finer[axis] = 1;
            found[axis] = binned(finer)[axis] / rebin[axis] as f64;
        }
    }
    found
}

/// Below this an array may be as long as its autocorrelation, or shorter.
const LEAST: f64 = 2.05;

/// What a person should know of bins of the last `rank` axes that are too wide for the fringes, with
/// the widest ones that are not.
pub(super) fn washed_out(oversampling: [f64; 3], rebin: [usize; 3], rank: usize) -> Option<String> {
    let axes = 3 - rank..3;
    let washed = |a: &usize| rebin[*a] > 1 && oversampling[*a] < FRINGES;
    let before = |a: usize| oversampling[a] * rebin[a] as f64;
    let told = |a: usize| {
        let bound = if before(a) < LEAST { " or less" } else { "" };
        format!("{:.1}{bound} along {}", oversampling[a], ['z', 'y', 'x'][a])
    };
    let found: Vec<String> = axes.clone().filter(washed).map(told).collect();
    if found.is_empty() {
        return None;
    }
    let fits = |a: usize| (1..=rebin[a]).rev().find(|&bin| before(a) / bin as f64 >= FRINGES).unwrap_or(1);
    let bins: Vec<String> = axes.map(|a| fits(a).to_string()).collect();
    Some(format!(
        "binned so, the pattern is oversampled {}: below {FRINGES} pixels wash fringes out, and runs agree less; rebin = {} does not",
        found.join(", "),
        bins.join(",")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::Geometry;
    use crate::volume::Centered;

    #[test]
    fn bins_divide_the_oversampling_below_two_as_well() {
        // The object is a sixth of the field of view along y and a third along x.
        let shape = [1, 96, 96];
        let mut field = Centered::filled(shape, num_complex::Complex32::ZERO);
        field.0.slice_mut(ndarray::s![.., 40..56, 32..64]).fill(num_complex::Complex32::ONE);
        let mut field = field.to_cornered();
        crate::fft::Fft::new(shape).forward(field.0.as_slice_mut().unwrap());
        let intensity = crate::volume::Cornered(field.0.mapv(|value| 1e4 * value.norm_sqr())).to_centered();
        let pattern = Pattern::new(intensity, Centered::filled(shape, 0), Geometry::default()).unwrap();
        let window = [0..1, 0..96, 0..96];
        let plain = sampled(&pattern, &window, [1; 3]);
        assert!((plain[1] - 6.0).abs() < 1.0 && (plain[2] - 3.0).abs() < 0.5, "{plain:?}");
        for bins in [[1, 2, 2], [1, 4, 3]] {
            let binned = sampled(&pattern, &window, bins);
            for axis in [1, 2] {
                let expected = plain[axis] / bins[axis] as f64;
                assert!((binned[axis] / expected - 1.0).abs() < 0.15, "{bins:?}: {binned:?}, not {expected}");
            }
        }
    }

    #[test]
    fn bins_wider_than_fringes_are_told_with_those_that_fit() {
        let note = washed_out([5.3, 2.3, 1.6], [2, 2, 2], 3).unwrap();
        assert!(note.contains("2.3 along y, 1.6 along x:") && note.contains("rebin = 2,1,1 does not"), "{note}");
        let note = washed_out([1.0, 0.5, 9.0], [1, 4, 4], 2).unwrap();
        assert!(note.contains("0.5 or less along y:") && note.contains("rebin = 1,4 does not"), "{note}");
        // As the detector sampled it, it cannot be helped.
        assert_eq!(washed_out([1.0, 1.9, 2.6], [1, 1, 2], 2), None);
    }
}
