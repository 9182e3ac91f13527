//! The ESRF data format: a text header `{ key = value ; ... }` of a multiple of 512 bytes, then the
//! numbers; any number of frames, each after a header of its own, or `Num_Images` of them after
//! one.
//!
//! Names of types and keys as fabio reads them (`fabio/edfimage.py`); geometry keys of SPD and
//! pyFAI, in metres.

use super::array::RawArray;
use super::content;
use super::element::{Element, Kind, unsupported};
use crate::error::{Error, Result, shape_text};
use crate::geometry::{Geometry, HC};
use std::collections::HashMap;
use std::path::Path;

/// All frames of a file, stacked along z in their order, and what the first header says of the
/// geometry.
pub(super) fn read(path: &Path) -> Result<(RawArray, Geometry)> {
    parse(path, &content::bytes(path)?)
}

fn parse(path: &Path, bytes: &[u8]) -> Result<(RawArray, Geometry)> {
    let fail = |problem: String| Error::file(path, problem);
    let (mut rest, mut data, mut first) = (bytes, Vec::new(), None);
    let (mut frames, mut geometry) = (0, Geometry::default());
    while rest.trim_ascii_start().starts_with(b"{") {
        let (header, after) = header(rest).ok_or_else(|| fail("has an EDF header without its end".into()))?;
        let element = element(&header).map_err(fail)?;
        if let Some(compression) = header.get("compression").filter(|name| !name.eq_ignore_ascii_case("none")) {
            return Err(fail(format!(
                "is compressed inside ({compression}): unpack it before, with fabio for instance"
            )));
        }
        let shape = shape(&header).ok_or_else(|| fail("has an EDF header without Dim_1 and Dim_2".into()))?;
        let size = shape.iter().try_fold(element.width, |n, &m| n.checked_mul(m)).filter(|&size| size > 0);
        let size = size.ok_or_else(|| fail(format!("claims to hold {} numbers", shape_text(&shape))))?;
        if frames == 0 {
            geometry = self::geometry(&header);
        }
        if *first.get_or_insert((element, shape)) != (element, shape) {
            return Err(fail(format!(
                "frame {frames} is {} {}, unlike those before",
                shape_text(&shape),
                element.name()
            )));
        }
        let number = |key: &str| header.get(key).and_then(|text| text.parse::<usize>().ok());
        let (mut count, mut stored) = (1, number("edf_binarysize").or(number("size")).unwrap_or(size));
        // One header for several frames, as GE detectors and some beamlines write it. Each frame of
        // a file with a header a frame may name the number of all of them as well: then another
        // header follows the first.
        if let Some(images) = number("num_images").filter(|&images| frames == 0 && images > 1) {
            let alone = after.get(stored.max(size)..).is_some_and(|next| next.trim_ascii_start().starts_with(b"{"));
            if !alone {
                (count, stored) = (images, images.saturating_mul(size));
            }
        }
        let frame = size.checked_mul(count).and_then(|size| after.get(..size));
        let frame = frame.ok_or_else(|| match count {
            1 => fail(format!("is cut short: frame {frames} needs {size} bytes, {} are left", after.len())),
            _ => {
                fail(format!("is cut short: {count} frames of {size} bytes are named, {} bytes are left", after.len()))
            }
        })?;
        data.extend_from_slice(frame);
        frames += count;
        // `Size` may exceed the numbers, padded to a multiple of 512.
        rest = after.get(stored.max(frame.len())..).unwrap_or_default();
    }
    let (element, [nz, ny, nx]) = first.ok_or_else(|| fail("holds no EDF frame".into()))?;
    if rest.iter().any(|&byte| !matches!(byte, 0 | b' ' | b'\n' | b'\r')) {
        return Err(fail(format!(
            "has {} bytes after its {frames} frames of {ny}x{nx} {}: its header does not describe it",
            rest.len(),
            element.name()
        )));
    }
    Ok((RawArray::from_bytes(path.to_path_buf(), vec![frames * nz, ny, nx], element, data), geometry))
}

/// The keys (in lower case) and values of a header, and what follows it: at once, or where
/// `EDF_HeaderSize` says.
fn header(bytes: &[u8]) -> Option<(HashMap<String, String>, &[u8])> {
    let end = (0..bytes.len()).find(|&at| bytes[at] == b'}' && matches!(bytes.get(at + 1), Some(b'\n' | b'\r')))?;
    let newline = if bytes[end + 1..].starts_with(b"\r\n") { 2 } else { 1 };
    let text = String::from_utf8_lossy(&bytes[..end]);
    let pairs = text.trim_start().trim_start_matches('{').split([';', '\n']).filter_map(|line| line.split_once('='));
    let keys: HashMap<String, String> =
        pairs.map(|(key, value)| (key.trim().to_lowercase(), value.trim().to_string())).collect();
    let closed = end + 1 + newline;
    let start = keys.get("edf_headersize").and_then(|size| size.parse::<usize>().ok()).map_or(closed, |size| {
        // Blanks that others put before the header belong to no header.
        size + bytes.iter().take_while(|byte| byte.is_ascii_whitespace()).count()
    });
    // Only blanks may stand between the brace and the data, else the size is that of another
    // header.
    let blank = bytes.get(closed..start).is_some_and(|gap| gap.iter().all(|&b| b.is_ascii_whitespace() || b == 0));
    let start = if start > closed && blank { start } else { closed };
    Some((keys, &bytes[start..]))
}

fn element(header: &HashMap<String, String>) -> Result<Element, String> {
    let name = header.get("datatype").ok_or("has an EDF header without DataType")?;
    let (kind, width) = match name.to_lowercase().as_str() {
        "signedbyte" | "signed8" => (Kind::Signed, 1),
        "unsignedbyte" | "unsigned8" => (Kind::Unsigned, 1),
        "signedshort" | "signed16" => (Kind::Signed, 2),
        "unsignedshort" | "unsigned16" | "unsignedshortinteger" => (Kind::Unsigned, 2),
        // A "long" of this format has 32 bits.
        "signedinteger" | "signedlong" | "signed32" => (Kind::Signed, 4),
        "unsignedinteger" | "unsignedlong" | "unsigned32" => (Kind::Unsigned, 4),
        "signed64" | "signedlonglong" => (Kind::Signed, 8),
        "unsigned64" | "unsignedlonglong" => (Kind::Unsigned, 8),
        "float" | "floatvalue" | "float32" | "floatieee32" | "real" => (Kind::Float, 4),
        "double" | "doublevalue" | "float64" | "floatieee64" | "doubleieee64" => (Kind::Float, 8),
        _ => return Err(unsupported(name)),
    };
    let big_endian = header.get("byteorder").is_some_and(|order| order.eq_ignore_ascii_case("HighByteFirst"));
    Ok(Element::new(kind, width, big_endian))
}

/// `Dim_1` is the fastest axis.
fn shape(header: &HashMap<String, String>) -> Option<[usize; 3]> {
    let extent = |key| header.get(key).map(|text| text.parse::<usize>());
    Some([extent("dim_3").unwrap_or(Ok(1)).ok()?, extent("dim_2")?.ok()?, extent("dim_1")?.ok()?])
}

fn geometry(header: &HashMap<String, String>) -> Geometry {
    let number = |keys: &[&str]| {
        let text = keys.iter().find_map(|key| header.get(*key))?;
        let value: f64 = text.split_whitespace().next()?.trim_end_matches("_m").parse().ok()?;
        (value.is_finite() && value > 0.0).then_some(value)
    };
    Geometry {
        energy: number(&["wavelength"]).map(|wavelength| HC / wavelength),
        distance: number(&["sampledistance"]),
        pixel_size: number(&["psize_2"]).zip(number(&["psize_1"])).map(|(y, x)| [y, x]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(keys: &str, data: &[u8]) -> Vec<u8> {
        let mut header = format!("{{\nEDF_DataBlockID = 0 ;\n{keys}");
        let padding = 512 - (header.len() + 2) % 512;
        header.push_str(&" ".repeat(padding));
        header.push_str("}\n");
        [header.as_bytes(), data].concat()
    }

    #[test]
    fn frames_are_stacked_and_geometry_is_read() {
        let keys = "ByteOrder = HighByteFirst ;\nDataType = UnsignedShort ;\nDim_1 = 3 ;\nDim_2 = 2 ;\nSampleDistance = 1.2 ;\n\
                    PSize_1 = 5.5e-05 ;\nPSize_2 = 5.0e-05 ;\nWaveLength = 1e-10 ;\n";
        let data: Vec<u8> = (1..=6u16).flat_map(u16::to_be_bytes).collect();
        let file = [frame(keys, &data), frame(keys, &data)].concat();
        let (stored, geometry) = parse(Path::new("a.edf"), &file).unwrap();
        assert_eq!((stored.shape.as_slice(), stored.element.name().as_str()), (&[2, 2, 3][..], "uint16 big-endian"));
        let view = stored.whole().unwrap();
        assert_eq!(stored.to_f32(&view).unwrap().as_slice(), [1., 2., 3., 4., 5., 6., 1., 2., 3., 4., 5., 6.]);
        assert_eq!((geometry.distance, geometry.pixel_size), (Some(1.2), Some([5.0e-5, 5.5e-5])));
        assert_eq!(geometry.energy, Some(HC / 1e-10));
    }

    #[test]
    fn what_is_missing_is_named() {
        let error = |file: &[u8]| parse(Path::new("a.edf"), file).err().unwrap().to_string();
        let keys = "DataType = FloatValue ;\nDim_1 = 3 ;\nDim_2 = 2 ;\n";
        assert_eq!(error(&frame(keys, &[0; 23])), "a.edf: is cut short: frame 0 needs 24 bytes, 23 are left");
        assert_eq!(error(b"{ DataType = FloatValue"), "a.edf: has an EDF header without its end");
        assert_eq!(error(&frame("Dim_1 = 3 ;\nDim_2 = 2 ;\n", &[])), "a.edf: has an EDF header without DataType");
        assert!(error(&frame(&keys.replace("FloatValue", "Decimal"), &[])).contains("Decimal"));
        let left = error(&[frame(keys, &[0; 24]), vec![7; 3]].concat());
        assert_eq!(left, "a.edf: has 3 bytes after its 1 frames of 2x3 float32: its header does not describe it");
    }

    #[test]
    fn one_header_may_stand_before_many_frames() {
        let keys = "EDF_HeaderSize = 1024 ;\nNum_Images = 2 ;\nDataType = UnsignedShort ;\nDim_1 = 2 ;\nDim_2 = 1 ;\n";
        let mut file = format!("{{\r\n{keys}}}\r\n").into_bytes();
        file.resize(1024, b' ');
        let whole = [file.clone(), vec![1, 0, 2, 0, 3, 0, 4, 0]].concat();
        let (stored, _) = parse(Path::new("a.edf"), &whole).unwrap();
        assert_eq!(stored.shape, [2, 1, 2]);
        assert_eq!(stored.to_f32(&stored.whole().unwrap()).unwrap().as_slice(), [1.0, 2.0, 3.0, 4.0]);
        let short = parse(Path::new("a.edf"), &whole[..1030]).err().unwrap().to_string();
        assert_eq!(short, "a.edf: is cut short: 2 frames of 4 bytes are named, 6 bytes are left");
    }
}
