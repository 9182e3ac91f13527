//! What `--mask` may say, and how each item marks pixels.

use crate::error::{Error, Result};
use crate::pixels::{bit, trimmed};
use crate::volume::Centered;
use std::fmt;

/// One item of `--mask`.
#[derive(Debug, Clone, PartialEq)]
pub enum MaskItem {
    /// A mask file, `path` or `path.h5:/inside`.
    File(String),
    /// A file of the other convention, one where a pixel is good (psana of LCLS, the alien files of cohere).
    Good(String),
    /// Pixels that read zero are bad (PyNX's `mask=zero`).
    Zero,
    /// Negative pixels are gaps, as Pilatus detectors mark them.
    Negative,
    /// Pixels that are not a number are invalid.
    Nan,
    /// Pixels that read this value or more are saturated.
    Saturated(f64),
    /// The seams between the chips of a Maxipix or Timepix assembly.
    Maxipix,
}

/// The words of [`parse_mask`], for messages.
const WORDS: &str = "good=FILE, zero, negative, nan, saturated=VALUE, maxipix";
/// Rows or columns of a chip with its share of the seam, in a Maxipix frame.
const CHIP: usize = 258;
/// Masked pixels on each side of a seam: two of the gap, and the three times wider pixel at the edge of the chip, which
/// stands in the frame as one of them (a seam of 4, with the wide pixels 6; PyNX masks the same rows).
const SEAM: usize = 3;

impl fmt::Display for MaskItem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MaskItem::File(path) => f.write_str(path),
            MaskItem::Good(path) => write!(f, "good={path}"),
            MaskItem::Zero => f.write_str("zero"),
            MaskItem::Negative => f.write_str("negative"),
            MaskItem::Nan => f.write_str("nan"),
            MaskItem::Saturated(value) => write!(f, "saturated={value}"),
            MaskItem::Maxipix => f.write_str("maxipix"),
        }
    }
}

/// Reads `--mask`: items separated by commas, each a file (one: bad), `good=FILE` (one: good), or one of
/// `zero`, `negative`, `nan`, `saturated=VALUE`, `maxipix`.
///
/// A word that is none of these is a file if it looks like a path (it has a dot, a slash or a colon) or exists.
///
/// # Errors
///
/// [`Error::Setting`] for an unknown word, an empty item or a saturation value that is not a positive number.
pub fn parse_mask(text: &str) -> Result<Vec<MaskItem>> {
    text.split(',').map(|item| parse_item(item.trim())).collect()
}

fn parse_item(item: &str) -> Result<MaskItem> {
    if let Some(path) = item.strip_prefix("good=").filter(|path| !path.is_empty()) {
        return Ok(MaskItem::Good(path.into()));
    }
    match item.to_ascii_lowercase().as_str() {
        "" => Err(Error::setting("mask", "''", format!("an item is empty: give a file or one of {WORDS}"))),
        "zero" => Ok(MaskItem::Zero),
        "negative" => Ok(MaskItem::Negative),
        "nan" => Ok(MaskItem::Nan),
        "maxipix" => Ok(MaskItem::Maxipix),
        word => match word.strip_prefix("saturated=").map(str::parse::<f64>) {
            Some(Ok(value)) if value > 0.0 => Ok(MaskItem::Saturated(value)),
            Some(_) => Err(Error::setting("mask", item, "the saturated value must be a number above zero")),
            None if item.contains(['.', '/', '\\', ':']) || std::path::Path::new(item).exists() => {
                Ok(MaskItem::File(item.into()))
            }
            None => Err(Error::setting("mask", item, format!("no such word or file: give a file or one of {WORDS}"))),
        },
    }
}

/// Adds to `mask` the pixels that `items` name. Bits are only ever set.
///
/// `read` reads a mask file as CXI bits; a mask of one frame `(1, ny, nx)` holds for every frame.
///
/// # Errors
///
/// Those of `read`; [`Error::Shape`] where a mask does not fit; [`Error::Setting`] for `maxipix` on another frame.
pub fn apply_mask(
    intensity: &Centered<f32>,
    mask: &mut Centered<u32>,
    items: &[MaskItem],
    read: &dyn Fn(&str) -> Result<Centered<u32>>,
) -> Result<()> {
    check_shape("mask", mask, intensity)?;
    for item in items {
        match item {
            MaskItem::File(path) | MaskItem::Good(path) => {
                let mut extra = read(path)?;
                if matches!(item, MaskItem::Good(_)) {
                    extra.0.mapv_inplace(|good| if good == 0 { bit::BAD } else { 0 });
                }
                let fits = extra.0.broadcast(intensity.0.dim());
                let fits = fits.ok_or_else(|| shape_error(&format!("mask {path}"), &extra, intensity))?;
                mask.0.zip_mut_with(&fits, |bits, extra| *bits |= extra);
            }
            MaskItem::Zero => mark(intensity, mask, bit::BAD, |value| value == 0.0),
            MaskItem::Negative => mark(intensity, mask, bit::MISSING, |value| value < 0.0),
            MaskItem::Nan => mark(intensity, mask, bit::INVALID, |value| !value.is_finite()),
            MaskItem::Saturated(limit) => mark(intensity, mask, bit::SATURATED, |value| f64::from(value) >= *limit),
            MaskItem::Maxipix => mark_seams(mask)?,
        }
    }
    Ok(())
}

fn mark(intensity: &Centered<f32>, mask: &mut Centered<u32>, bits: u32, bad: impl Fn(f32) -> bool) {
    mask.0.zip_mut_with(&intensity.0, |mask, &value| {
        if bad(value) {
            *mask |= bits;
        }
    });
}

fn mark_seams(mask: &mut Centered<u32>) -> Result<()> {
    let [_, ny, nx] = mask.shape();
    if ny % CHIP != 0 || nx % CHIP != 0 || (ny == CHIP && nx == CHIP) {
        return Err(Error::setting(
            "mask",
            "maxipix",
            format!(
                "frames are {ny}x{nx}, but a Maxipix assembly has {CHIP} pixels a chip, as in 516x516: give a mask file"
            ),
        ));
    }
    // Pixels at both sides of each inner multiple of 258: rows and columns 255 to 260 of 516.
    let seam = |i: usize, n: usize| i >= CHIP - SEAM && i < n - CHIP + SEAM && (i + SEAM) % CHIP < 2 * SEAM;
    for ((_, y, x), bits) in mask.0.indexed_iter_mut() {
        if seam(y, ny) || seam(x, nx) {
            *bits |= bit::MISSING;
        }
    }
    Ok(())
}

/// Refuses an array whose shape is not that of the data.
pub(super) fn check_shape<T: Clone, U: Clone>(what: &str, array: &Centered<T>, data: &Centered<U>) -> Result<()> {
    if array.shape() == data.shape() { Ok(()) } else { Err(shape_error(what, array, data)) }
}

/// The [`Error::Shape`] for an array that does not fit the data.
pub(super) fn shape_error<T: Clone, U: Clone>(what: &str, array: &Centered<T>, data: &Centered<U>) -> Error {
    Error::Shape {
        what: what.into(),
        found: trimmed(array.shape()),
        expected: trimmed(data.shape()),
        remedy: "give one of the same shape, cut as the data were".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array3;

    fn no_file(path: &str) -> Result<Centered<u32>> {
        Err(Error::file(path, "not found"))
    }

    #[test]
    fn files_of_the_other_convention_are_turned_round() {
        let intensity = Centered::filled([1, 8, 8], 5.0);
        let mut mask = intensity.map(|_| 0);
        let items = parse_mask("good=a.npy").unwrap();
        assert_eq!(items, [MaskItem::Good("a.npy".into())]);
        assert_eq!(items[0].to_string(), "good=a.npy");
        let read = |_: &str| {
            let mut good = Centered::filled([1, 8, 8], bit::BAD);
            good.0[[0, 2, 3]] = 0;
            Ok(good)
        };
        apply_mask(&intensity, &mut mask, &items, &read).unwrap();
        assert!(mask.0.indexed_iter().all(|((_, y, x), &bits)| (bits != 0) == ((y, x) == (2, 3))));
    }

    #[test]
    fn words_and_files_are_told_apart() {
        let items = parse_mask("zero, NaN,saturated=65535,maxipix,negative,bad.h5:/entry/mask").unwrap();
        let text: Vec<String> = items.iter().map(ToString::to_string).collect();
        assert_eq!(text, ["zero", "nan", "saturated=65535", "maxipix", "negative", "bad.h5:/entry/mask"]);
        assert_eq!(
            parse_mask("zreo").unwrap_err().to_string(),
            "mask = zreo: no such word or file: give a file or one of good=FILE, zero, negative, nan, saturated=VALUE, maxipix"
        );
        assert!(parse_mask("saturated=-1").is_err());
        assert!(parse_mask("zero,,nan").is_err());
    }

    #[test]
    fn values_set_their_bits() {
        let values = vec![0.0, -2.0, f32::NAN, 70000.0, 5.0, f32::INFINITY, 3.0, 4.0];
        let intensity = Centered(Array3::from_shape_vec([1, 2, 4], values).unwrap());
        let mut mask = Centered::filled([1, 2, 4], 0);
        let items = parse_mask("zero,negative,nan,saturated=65535").unwrap();
        apply_mask(&intensity, &mut mask, &items, &no_file).unwrap();
        let expected = [bit::BAD, bit::MISSING, bit::INVALID, bit::SATURATED, 0, bit::INVALID | bit::SATURATED, 0, 0];
        assert_eq!(mask.as_slice(), expected);
    }

    #[test]
    fn maxipix_seams_are_six_wide() {
        let mut mask = Centered::filled([2, 516, 774], 0);
        apply_mask(&Centered::filled([2, 516, 774], 1.0), &mut mask, &[MaskItem::Maxipix], &no_file).unwrap();
        let columns: Vec<usize> = (0..774).filter(|&x| mask.0[[1, 0, x]] != 0).collect();
        assert_eq!(columns, (255..261).chain(513..519).collect::<Vec<_>>());
        let rows: Vec<usize> = (0..516).filter(|&y| mask.0[[0, y, 0]] != 0).collect();
        assert_eq!(rows, (255..261).collect::<Vec<_>>());
        let other = Centered::filled([1, 512, 512], 1.0);
        let error = apply_mask(&other, &mut other.map(|_| 0), &[MaskItem::Maxipix], &no_file).unwrap_err();
        assert!(error.to_string().contains("512x512"), "{error}");
    }

    #[test]
    fn a_single_frame_mask_holds_for_all_frames() {
        let intensity = Centered::filled([3, 4, 4], 1.0);
        let mut mask = Centered::filled([3, 4, 4], 0);
        let one = |_: &str| Ok(Centered::filled([1, 4, 4], 4));
        apply_mask(&intensity, &mut mask, &[MaskItem::File("m.npy".into())], &one).unwrap();
        assert!(mask.as_slice().iter().all(|&bits| bits == 4));
        let wrong = |_: &str| Ok(Centered::filled([1, 4, 5], 4));
        let error = apply_mask(&intensity, &mut mask, &[MaskItem::File("m.npy".into())], &wrong).unwrap_err();
        assert_eq!(
            error.to_string(),
            "mask m.npy is 4x5 but the data are 3x4x4: give one of the same shape, cut as the data were"
        );
    }
}
