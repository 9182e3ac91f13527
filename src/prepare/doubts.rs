//! Numbers that are no counts, and what a person should be asked of them: what detectors write where they
//! have none, and gaps that nobody masked.

use super::lines::{Gap, find_dark_bands};
use crate::error::{Error, Result};
use crate::volume::Centered;

/// Numbers that detectors write where they have none: the largest of their integer type, and
/// Eiger's second largest.
const SENTINELS: [(f64, &str); 7] = [
    (65535.0, "the largest value of uint16"),
    (65534.0, "the second largest value of uint16"),
    (32767.0, "the largest value of int16"),
    (1048575.0, "the largest value of 20 bits"),
    (4294967295.0, "the largest value of uint32"),
    (4294967294.0, "the second largest value of uint32"),
    (2147483647.0, "the largest value of int32"),
];

/// What a person should be asked of data before they are phased: numbers that detectors write where they
/// have none, in more than one pixel, and lines that read zero.
///
/// # Errors
/// [`Error::Pattern`] for numbers of 31 and 32 bits, which nobody counts.
pub fn doubts(intensity: &Centered<f32>, mask: &Centered<u32>) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for (sentinel, name, pixels) in sentinels(intensity, mask) {
        let text = format!("{pixels} pixels hold {sentinel}, {name}, and are not masked");
        let remedy = format!("give mask = saturated={sentinel}");
        match pixels {
            _ if sentinel >= UNCOUNTED => return Err(Error::Pattern(format!("{text}: {remedy}"))),
            1 => {}
            _ => found.push(format!("{text}: if they are saturated or a gap, {remedy}")),
        }
    }
    let measured = mask.map(|&bits| bits == 0);
    found.extend(find_dark_bands(intensity, &measured).iter().map(Gap::dark));
    Ok(found)
}

/// Nobody counts as many photons in a pixel.
const UNCOUNTED: f64 = 2147483647.0;

/// Sentinels at the top of the unmasked data, what they are, and how many pixels hold each.
fn sentinels(intensity: &Centered<f32>, mask: &Centered<u32>) -> Vec<(f64, &'static str, usize)> {
    let unmasked = || intensity.0.iter().zip(&mask.0).filter(|(_, bits)| **bits == 0).map(|(&value, _)| value);
    let largest = unmasked().filter(|value| value.is_finite()).fold(0.0, f32::max);
    let mut found: Vec<(f64, &str, usize)> = Vec::new();
    for (sentinel, name) in SENTINELS {
        let value = sentinel as f32;
        // 2^32 - 1 and 2^32 - 2 are the same number in f32. Only the top of the data: 32767 photons
        // may be 32767 photons.
        if largest > value * 1.001 || found.iter().any(|(other, ..)| *other as f32 == value) {
            continue;
        }
        let pixels = unmasked().filter(|&pixel| pixel == value).count();
        if pixels > 0 {
            found.push((sentinel, name, pixels));
        }
    }
    found
}

/// Unmasked values that are no counts. Returns the sentinels found.
pub(super) fn find_sentinels(
    intensity: &Centered<f32>,
    mask: &Centered<u32>,
    suspicious: &mut Vec<String>,
) -> Vec<f32> {
    let unmasked = || intensity.0.iter().zip(&mask.0).filter(|(_, bits)| **bits == 0).map(|(&value, _)| value);
    let wrong = unmasked().filter(|value| !value.is_finite()).count();
    if wrong > 0 {
        suspicious.push(format!("{wrong} pixels are NaN or infinite: give mask = nan"));
    }
    let negative = unmasked().filter(|&value| value < 0.0).count();
    if negative > 0 {
        suspicious.push(format!("{negative} pixels are negative: give mask = negative if they are gaps, clip-negative = true if a dark frame was subtracted"));
    }
    let found = sentinels(intensity, mask).into_iter();
    let said = found.map(|(sentinel, name, pixels)| {
        suspicious.push(format!("{pixels} pixels hold {sentinel}, {name}: give mask = saturated={sentinel}"));
        sentinel as f32
    });
    said.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_detectors_write_where_they_have_nothing_is_asked_about() {
        let mut counts = Centered::filled([1, 40, 40], 3.0f32);
        let good = counts.map(|_| 0);
        let said = |counts: &Centered<f32>, mask: &Centered<u32>| doubts(counts, mask).unwrap().join("; ");
        assert_eq!(said(&counts, &good), "");
        counts.0[[0, 3, 3]] = 65534.0;
        assert_eq!(said(&counts, &good), "", "one pixel may hold anything");
        counts.0[[0, 3, 4]] = 65534.0;
        let text = said(&counts, &good);
        assert!(text.contains("2 pixels hold 65534") && text.contains("mask = saturated=65534"), "{text}");
        assert_eq!(said(&counts, &counts.map(|value| u32::from(*value > 3.0))), "", "masked");
        counts.0.slice_mut(ndarray::s![.., 10..14, ..]).fill(0.0);
        assert!(said(&counts, &good).contains("rows 10 to 13 read zero everywhere"));
        counts.0[[0, 3, 5]] = 4294967295.0;
        let refused = doubts(&counts, &good).unwrap_err().to_string();
        assert!(refused.contains("1 pixels hold 4294967295") && refused.contains("give mask"), "{refused}");
    }
}
