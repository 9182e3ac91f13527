//! What a mask setting may say, and how each item marks pixels.

use super::detector::Detector;
use crate::error::{Error, Result};
use crate::geometry::Placement;
use crate::pixels::{MaskDoubt, bit, trimmed};
use crate::volume::{Centered, Shape};
use std::fmt;

/// One item of a mask setting.
#[derive(Debug, Clone, PartialEq)]
pub enum MaskItem {
    /// A mask file, `path` or `path.h5:/inside`.
    File(String),
    /// A file of the other convention, one where a pixel is good (psana of LCLS, the alien files of
    /// cohere).
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
    /// The gaps between the modules of a detector, placed by the size of the frame.
    Detector(Detector),
}

/// A mask file that looks as if it were the wrong way round.
#[derive(Debug, Clone, PartialEq)]
pub struct DoubtfulMask {
    /// Item that names the file.
    pub item: MaskItem,
    /// Share of pixels and photons that it masks.
    pub doubt: MaskDoubt,
}

impl fmt::Display for DoubtfulMask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let other = match &self.item {
            MaskItem::Good(path) => format!("if 1 means bad in it give mask = {path}"),
            item => format!("if 1 means good in it give mask = good={item}"),
        };
        write!(f, "mask {} {}: {other}", self.item, self.doubt)
    }
}

/// The words of [`parse_mask`], for messages.
fn words() -> String {
    format!("good=FILE, zero, negative, nan, saturated=VALUE, {}", Detector::words())
}

/// Rows or columns of a chip with its share of the seam, in a Maxipix frame.
const CHIP: usize = 258;
/// Masked pixels on each side of a seam: two of the gap, and the three times wider pixel at the
/// edge of the chip, which stands in the frame as one of them (a seam of 4, with the wide pixels 6;
/// PyNX masks the same rows).
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
            MaskItem::Detector(detector) => write!(f, "{detector}"),
        }
    }
}

/// Reads a mask setting: items separated by commas, each a file (one: bad), `good=FILE` (one:
/// good), or one of `zero`, `negative`, `nan`, `saturated=VALUE`, `maxipix` and the other detectors
/// with a layout.
///
/// A word that is none of these is a file if it looks like a path (it has a dot, a slash or a
/// colon) or exists.
///
/// # Errors
///
/// [`Error::Setting`] for an unknown word, an empty item or a saturation value that is not a
/// positive number.
pub fn parse_mask(text: &str) -> Result<Vec<MaskItem>> {
    text.split(',').map(|item| parse_item(item.trim())).collect()
}

fn parse_item(item: &str) -> Result<MaskItem> {
    if let Some(detector) = Detector::of_word(item) {
        return Ok(MaskItem::Detector(detector));
    }
    if let Some(path) = item.strip_prefix("good=").filter(|path| !path.is_empty()) {
        return Ok(MaskItem::Good(path.into()));
    }
    match item.to_ascii_lowercase().as_str() {
        "" => Err(Error::setting("mask", "''", format!("an item is empty: give a file or one of {}", words()))),
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
            None => {
                Err(Error::setting("mask", item, format!("no such word or file: give a file or one of {}", words())))
            }
        },
    }
}

/// Adds to `mask` the pixels that `items` name, and returns the files among them that are doubtful.
/// Bits are only ever set.
///
/// `read` reads a mask file as CXI bits. One frame `(1, ny, nx)` holds for every frame; a mask of
/// the whole stack, or of the whole detector, is cut to the data as `placement` says.
///
/// # Errors
///
/// Those of `read`; [`Error::Shape`] where a mask does not fit; [`Error::Setting`] for a detector
/// of another size.
pub fn apply_mask(
    intensity: &Centered<f32>,
    mask: &mut Centered<u32>,
    items: &[MaskItem],
    placement: &Placement,
    read: &dyn Fn(&str) -> Result<Centered<u32>>,
) -> Result<Vec<DoubtfulMask>> {
    check_shape("mask", mask, intensity)?;
    let mut doubtful = Vec::new();
    for item in items {
        match item {
            MaskItem::File(path) | MaskItem::Good(path) => {
                let mut extra = read(path)?;
                if matches!(item, MaskItem::Good(_)) {
                    extra.0.mapv_inplace(|good| if good == 0 { bit::BAD } else { 0 });
                }
                let extra = cut_to_data(extra, intensity.shape(), placement)
                    .map_err(|found| misfit(&format!("mask {path}"), found, placement.stack))?;
                let doubt = MaskDoubt::of(intensity, &extra, None);
                doubtful.extend(doubt.map(|doubt| DoubtfulMask { item: item.clone(), doubt }));
                let fits = extra.0.broadcast(intensity.0.dim());
                let fits = fits.ok_or_else(|| shape_error(&format!("mask {path}"), &extra, intensity))?;
                mask.0.zip_mut_with(&fits, |bits, extra| *bits |= extra);
            }
            MaskItem::Zero => mark(intensity, mask, bit::BAD, |value| value == 0.0),
            MaskItem::Negative => mark(intensity, mask, bit::MISSING, |value| value < 0.0),
            MaskItem::Nan => mark(intensity, mask, bit::INVALID, |value| !value.is_finite()),
            MaskItem::Saturated(limit) => mark(intensity, mask, bit::SATURATED, |value| f64::from(value) >= *limit),
            MaskItem::Maxipix => {
                let [ny, nx] = [placement.stack[1], placement.stack[2]];
                mark_lines(mask, placement, seams([ny, nx])?);
            }
            MaskItem::Detector(detector) => {
                let frame = [placement.stack[1], placement.stack[2]];
                let gaps = detector.gaps(frame, placement.detector);
                mark_lines(mask, placement, gaps.map_err(|problem| Error::setting("mask", detector, problem))?);
            }
        }
    }
    Ok(doubtful)
}

/// The part of a mask that covers the data: all of one that has their shape or one frame of it,
/// else what `placement` says of a mask of the whole stack or detector. The shape of one that fits
/// neither.
fn cut_to_data(mask: Centered<u32>, shape: Shape, placement: &Placement) -> Result<Centered<u32>, Shape> {
    let found = mask.shape();
    let frames = match found[0] {
        1 => 0..1,
        n if n == placement.stack[0] && n != shape[0] => placement.start[0]..placement.start[0] + shape[0],
        n if n == shape[0] => 0..n,
        _ => return Err(found),
    };
    let [sy, sx] = [placement.stack[1], placement.stack[2]];
    let [y, x] = match placement.detector {
        _ if found[1..] == shape[1..] => [0, 0],
        _ if found[1..] == [sy, sx] => [placement.start[1], placement.start[2]],
        Some([y, x]) if y + sy <= found[1] && x + sx <= found[2] => [y + placement.start[1], x + placement.start[2]],
        _ => return Err(found),
    };
    Ok(super::cut(&mask, &[frames, y..y + shape[1], x..x + shape[2]]))
}

/// The error for a mask of another shape, with what would make it fit.
fn misfit(what: &str, found: Shape, stack: Shape) -> Error {
    let remedy = if found[1..] == [stack[2], stack[1]] {
        "its rows and columns are exchanged: give one that is not transposed"
    } else if found[0] == 1 && found[1] >= stack[1] && found[2] >= stack[2] {
        "if it covers the whole detector, give the first row and column of the data in it as mask-offset"
    } else {
        "give one of the same shape, cut as the data were"
    };
    Error::Shape { what: what.into(), found: trimmed(found), expected: trimmed(stack), remedy: remedy.into() }
}

fn mark(intensity: &Centered<f32>, mask: &mut Centered<u32>, bits: u32, bad: impl Fn(f32) -> bool) {
    mask.0.zip_mut_with(&intensity.0, |mask, &value| {
        if bad(value) {
            *mask |= bits;
        }
    });
}

/// Marks rows and columns of the frames of the stack as gaps.
fn mark_lines(mask: &mut Centered<u32>, placement: &Placement, [rows, columns]: [Vec<bool>; 2]) {
    let [_, y0, x0] = placement.start;
    for ((_, y, x), bits) in mask.0.indexed_iter_mut() {
        if rows[y + y0] || columns[x + x0] {
            *bits |= bit::MISSING;
        }
    }
}

/// The rows and columns of a Maxipix frame that are seams.
fn seams([ny, nx]: [usize; 2]) -> Result<[Vec<bool>; 2]> {
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
    Ok([ny, nx].map(|n| (0..n).map(|i| seam(i, n)).collect()))
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
        apply_mask(&intensity, &mut mask, &items, &Placement::whole(intensity.shape()), &read).unwrap();
        assert!(mask.0.indexed_iter().all(|((_, y, x), &bits)| (bits != 0) == ((y, x) == (2, 3))));
    }

    #[test]
    fn words_and_files_are_told_apart() {
        let items = parse_mask("zero, NaN,saturated=65535,maxipix,negative,bad.h5:/entry/mask").unwrap();
        let text: Vec<String> = items.iter().map(ToString::to_string).collect();
        assert_eq!(text, ["zero", "nan", "saturated=65535", "maxipix", "negative", "bad.h5:/entry/mask"]);
        assert_eq!(
            parse_mask("zreo").unwrap_err().to_string(),
            "mask = zreo: no such word or file: give a file or one of good=FILE, zero, negative, nan, saturated=VALUE, \
             maxipix, lambda, merlin, eiger, eiger2, pilatus, pilatus4, jungfrau"
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
        apply_mask(&intensity, &mut mask, &items, &Placement::whole(intensity.shape()), &no_file).unwrap();
        let expected = [bit::BAD, bit::MISSING, bit::INVALID, bit::SATURATED, 0, bit::INVALID | bit::SATURATED, 0, 0];
        assert_eq!(mask.as_slice(), expected);
    }

    #[test]
    fn maxipix_seams_are_six_wide() {
        let mut mask = Centered::filled([2, 516, 774], 0);
        apply_mask(
            &Centered::filled([2, 516, 774], 1.0),
            &mut mask,
            &[MaskItem::Maxipix],
            &Placement::whole([2, 516, 774]),
            &no_file,
        )
        .unwrap();
        let columns: Vec<usize> = (0..774).filter(|&x| mask.0[[1, 0, x]] != 0).collect();
        assert_eq!(columns, (255..261).chain(513..519).collect::<Vec<_>>());
        let rows: Vec<usize> = (0..516).filter(|&y| mask.0[[0, y, 0]] != 0).collect();
        assert_eq!(rows, (255..261).collect::<Vec<_>>());
        let other = Centered::filled([1, 512, 512], 1.0);
        let error =
            apply_mask(&other, &mut other.map(|_| 0), &[MaskItem::Maxipix], &Placement::whole([1, 512, 512]), &no_file)
                .unwrap_err();
        assert!(error.to_string().contains("512x512"), "{error}");
    }

    #[test]
    fn a_single_frame_mask_holds_for_all_frames() {
        let intensity = Centered::filled([3, 4, 4], 1.0);
        let mut mask = Centered::filled([3, 4, 4], 0);
        let (file, place) = ([MaskItem::File("m.npy".into())], Placement::whole([3, 4, 4]));
        let one = |_: &str| Ok(Centered::filled([1, 4, 4], 4));
        apply_mask(&intensity, &mut mask, &file, &place, &one).unwrap();
        assert!(mask.as_slice().iter().all(|&bits| bits == 4));
        let wrong = |_: &str| Ok(Centered::filled([1, 3, 5], 4));
        let error = apply_mask(&intensity, &mut mask, &file, &place, &wrong).unwrap_err();
        assert_eq!(
            error.to_string(),
            "mask m.npy is 3x5 but the data are 3x4x4: give one of the same shape, cut as the data were"
        );
    }

    #[test]
    fn masks_of_the_whole_detector_are_cut_to_the_data() {
        let intensity = Centered::filled([2, 4, 5], 1.0);
        // Rows 3 and columns 2 of a stack 3 x 10 x 10 that begins at (20, 30) of the detector.
        let place = Placement { stack: [3, 10, 10], start: [1, 3, 2], detector: Some([20, 30]) };
        for (shape, at) in [([1, 50, 60], [23, 33]), ([1, 10, 10], [3, 3]), ([3, 10, 10], [3, 3]), ([1, 4, 5], [0, 1])]
        {
            let whole = |_: &str| {
                let mut mask = Centered::filled(shape, 0);
                mask.0.slice_mut(ndarray::s![.., at[0], at[1]]).fill(8);
                Ok(mask)
            };
            let mut mask = intensity.map(|_| 0);
            let items = [MaskItem::File("m.npy".into())];
            assert!(apply_mask(&intensity, &mut mask, &items, &place, &whole).unwrap().is_empty());
            assert!(mask.0.indexed_iter().all(|((_, y, x), &bits)| (bits == 8) == ((y, x) == (0, 1))), "{shape:?}");
        }
        let unplaced = Placement { detector: None, ..place };
        let whole = |_: &str| Ok(Centered::filled([1, 50, 60], 0));
        let items = [MaskItem::File("m.npy".into())];
        let error =
            apply_mask(&intensity, &mut intensity.map(|_| 0), &items, &unplaced, &whole).unwrap_err().to_string();
        assert!(error.contains("mask-offset"), "{error}");
    }

    #[test]
    fn masks_the_wrong_way_round_are_doubted() {
        let intensity = Centered::filled([1, 8, 8], 5.0);
        let read = |_: &str| Ok(Centered(Array3::from_shape_fn([1, 8, 8], |(_, y, _)| u32::from(y > 0))));
        let items = parse_mask("a.npy").unwrap();
        let place = Placement::whole([1, 8, 8]);
        let doubtful = apply_mask(&intensity, &mut intensity.map(|_| 0), &items, &place, &read).unwrap();
        assert_eq!(
            doubtful[0].to_string(),
            "mask a.npy masks 87.5 % of the pixels and 87.5 % of the photons: if 1 means good in it give mask = good=a.npy"
        );
        let eiger = parse_mask("Eiger").unwrap();
        assert_eq!(eiger[0].to_string(), "eiger");
    }
}
