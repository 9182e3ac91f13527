//! Grey TIFF images, one page or many, of any integer or floating point type.

use super::array::RawArray;
use super::content;
use super::element::{Element, Kind};
use crate::error::{Error, Result, shape_text};
use ::tiff::ColorType;
use ::tiff::decoder::{Decoder, DecodingResult, Limits};
use ::tiff::tags::Tag;
use std::io::Cursor;
use std::path::Path;

/// All pages of a file, stacked along z in their order.
pub(super) fn read(path: &Path) -> Result<RawArray> {
    let fail = |problem: String| Error::file(path, problem);
    let damaged = |error: ::tiff::TiffError| fail(format!("cannot be read as TIFF: {error}"));
    let mut decoder = Decoder::new(Cursor::new(content::bytes(path)?)).map_err(damaged)?;
    let (mut bytes, mut pages, mut first) = (Vec::new(), 0, None);
    let planned = decoder.get_tag_ascii_string(Tag::ImageDescription).ok().and_then(|text| planned_pages(&text));
    loop {
        let (nx, ny) = decoder.dimensions().map_err(damaged)?;
        match decoder.colortype().map_err(damaged)? {
            ColorType::Gray(8 | 16 | 32 | 64) => {}
            other => {
                return Err(fail(format!(
                    "page {pages} is {other:?}: only grey images of 8 to 64 bits hold intensities"
                )));
            }
        }
        // A header may claim any size: ask for the memory before the decoder does.
        let count = (nx as usize).saturating_mul(ny as usize);
        Vec::<u64>::new().try_reserve_exact(count).map_err(|_| fail(format!("claims to be {ny}x{nx}")))?;
        // The default limits stop at 256 MiB a page, less than some detectors; the tables of the
        // next page stay limited.
        let mut limits = Limits::unlimited();
        limits.decoding_buffer_size = count.saturating_mul(8);
        decoder = decoder.with_limits(limits);
        let (element, page) = native(decoder.read_image().map_err(damaged)?);
        decoder = decoder.with_limits(Limits::default());
        let this = (element, [ny as usize, nx as usize]);
        let (_, shape) = *first.get_or_insert(this);
        if first != Some(this) {
            let (now, before) = (shape_text(&this.1), shape_text(&shape));
            return Err(fail(format!("page {pages} is {now} {}, those before are {before}: no stack", element.name())));
        }
        bytes.extend(page);
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
    Ok(RawArray::from_bytes(path.to_path_buf(), vec![pages, ny, nx], element, bytes))
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
