//! Grey TIFF images, one page or many, of any integer or floating point type.

use super::content;
use super::element::{Element, Kind};
use crate::error::{Error, Result, shape_text};
use ::tiff::decoder::{Decoder, DecodingResult, Limits};
use ::tiff::tags::Tag;
use ::tiff::{ColorType, TiffError};
use std::ops::Range;
use std::path::{Path, PathBuf};

/// The pages of a file, all alike; decoded one at a time when they are read.
pub(super) struct Pages {
    file: PathBuf,
    /// Pages, rows and columns.
    pub shape: [usize; 3],
    pub element: Element,
}

/// Lists the pages of a file without decoding them.
pub(super) fn pages(path: &Path) -> Result<Pages> {
    let fail = |problem: String| Error::file(path, problem);
    let damaged = |error: TiffError| fail(words(error));
    let mut decoder = Decoder::new(content::open(path)?).map_err(damaged)?;
    let planned = decoder.get_tag_ascii_string(Tag::ImageDescription).ok().and_then(|text| planned_pages(&text));
    let (mut pages, mut first) = (0, None);
    loop {
        let (nx, ny) = decoder.dimensions().map_err(damaged)?;
        let bits = match decoder.colortype().map_err(damaged)? {
            ColorType::Gray(bits @ (8 | 16 | 32 | 64)) => bits,
            other => {
                return Err(fail(format!(
                    "page {pages} is {other:?}: only grey images of 8 to 64 bits hold intensities"
                )));
            }
        };
        if decoder.find_tag_unsigned::<u16>(Tag::PhotometricInterpretation).map_err(damaged)? == Some(0) {
            return Err(fail(format!(
                "page {pages} counts down from white, as pictures do: save it with black as zero"
            )));
        }
        let format = decoder.find_tag_unsigned_vec::<u16>(Tag::SampleFormat).map_err(damaged)?;
        let kind = match format.as_deref() {
            None | Some([1]) => Kind::Unsigned,
            Some([2]) => Kind::Signed,
            Some([3]) => Kind::Float,
            _ => return Err(fail(format!("page {pages} holds no integers or floating point numbers"))),
        };
        let this = (Element::new(kind, usize::from(bits) / 8, false), [ny as usize, nx as usize]);
        let (_, shape) = *first.get_or_insert(this);
        if first != Some(this) {
            let (now, before) = (shape_text(&this.1), shape_text(&shape));
            return Err(fail(format!("page {pages} is {now} {}, those before are {before}: no stack", this.0.name())));
        }
        pages += 1;
        if !decoder.more_images() {
            break;
        }
        decoder.next_image().map_err(damaged)?;
    }
    let (element, [ny, nx]) = first.ok_or_else(|| fail("holds no image".into()))?;
    // ImageJ writes stacks above 4 GB with the header of the first page only.
    if let Some(planned) = planned.filter(|&planned| planned > pages) {
        return Err(fail(format!(
            "holds {pages} of {planned} pages that its description names: cut short, or an ImageJ stack above 4 GB, which must \
             be saved as a sequence of images"
        )));
    }
    Ok(Pages { file: path.to_path_buf(), shape: [pages, ny, nx], element })
}

impl Pages {
    /// Bytes of all pages.
    pub fn len(&self) -> usize {
        self.shape.iter().fold(self.element.width, |n, &m| n.saturating_mul(m))
    }

    /// Hands on what is in each of `spans`, in ascending order and each within one page.
    pub fn read(&self, spans: &[Range<usize>], mut each: impl FnMut(&[u8])) -> Result<(), String> {
        let [_, ny, nx] = self.shape;
        let length = ny * nx * self.element.width;
        let content = content::open(&self.file).map_err(|error| error.to_string())?;
        let mut decoder = Decoder::new(content).map_err(words)?;
        let (mut at, mut decoded) = (0, None);
        for span in spans {
            let page = span.start / length;
            while at < page {
                decoder = decoder.with_limits(Limits::default());
                decoder.next_image().map_err(words)?;
                (at, decoded) = (at + 1, None);
            }
            let bytes = match decoded.take() {
                Some(bytes) => bytes,
                None => {
                    // A header may claim any size: ask for the memory before the decoder does.
                    let asked = Vec::<u64>::new().try_reserve_exact(ny * nx);
                    asked.map_err(|_| format!("claims to be {ny}x{nx}"))?;
                    // The default limits stop at 256 MiB a page, less than some detectors; the
                    // tables of the next page stay limited.
                    let mut limits = Limits::unlimited();
                    limits.decoding_buffer_size = (ny * nx).saturating_mul(8);
                    decoder = decoder.with_limits(limits);
                    let (element, bytes) = native(decoder.read_image().map_err(words)?);
                    if element != self.element || bytes.len() != length {
                        return Err(format!("page {page} is not what its header says"));
                    }
                    bytes
                }
            };
            each(&bytes[span.start - page * length..span.end - page * length]);
            decoded = Some(bytes);
        }
        Ok(())
    }
}

fn words(error: TiffError) -> String {
    format!("cannot be read as TIFF: {error}")
}

/// `images=40` in the description of ImageJ.
fn planned_pages(description: &str) -> Option<usize> {
    let images = description.lines().find_map(|line| line.strip_prefix("images="))?;
    description.starts_with("ImageJ=").then_some(())?;
    images.trim().parse().ok()
}

/// Decoded samples as little-endian bytes.
fn native(image: DecodingResult) -> (Element, Vec<u8>) {
    macro_rules! bytes {
        ($kind:ident, $width:literal, $values:expr) => {
            (
                Element::new(Kind::$kind, $width, false),
                $values.into_iter().flat_map(|value| value.to_le_bytes()).collect(),
            )
        };
    }
    match image {
        DecodingResult::U8(values) => (Element::new(Kind::Unsigned, 1, false), values),
        DecodingResult::U16(values) => bytes!(Unsigned, 2, values),
        DecodingResult::U32(values) => bytes!(Unsigned, 4, values),
        DecodingResult::U64(values) => bytes!(Unsigned, 8, values),
        DecodingResult::I8(values) => bytes!(Signed, 1, values),
        DecodingResult::I16(values) => bytes!(Signed, 2, values),
        DecodingResult::I32(values) => bytes!(Signed, 4, values),
        DecodingResult::I64(values) => bytes!(Signed, 8, values),
        DecodingResult::F16(values) => bytes!(Float, 2, values),
        DecodingResult::F32(values) => bytes!(Float, 4, values),
        DecodingResult::F64(values) => bytes!(Float, 8, values),
    }
}
