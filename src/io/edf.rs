//! The ESRF data format: a text header `{ key = value ; ... }` of a multiple of 512 bytes, then the
//! numbers; any number of frames, each after a header of its own, or `Num_Images` of them after
//! one.
//!
//! Names of types and keys as fabio reads them (`fabio/edfimage.py`); geometry keys of SPD and
//! pyFAI, in metres.

use super::array::{RawArray, Values};
use super::bytes::Bytes;
use super::content::{self, Content};
use super::contents::OneFile;
use super::element::{Element, Kind, unsupported};
use super::note::Note;
use super::units::Quantity;
use crate::error::{Error, Result, shape_text};
use crate::geometry::{Geometry, HC};
use std::collections::HashMap;
use std::io;
use std::path::Path;

/// All frames of a file, stacked along z in their order, and what the first header says of the
/// geometry.
pub(super) fn read(path: &Path) -> Result<OneFile> {
    let mut content = content::open(path)?;
    let frames = frames(path, &mut content)?;
    let shape = vec![frames.shape[0] * frames.starts.len(), frames.shape[1], frames.shape[2]];
    let values = Values::Bytes(Bytes::blocks(path, content, frames.starts, frames.size));
    let array = RawArray { name: path.to_path_buf(), shape, element: frames.element, fortran: false, values };
    Ok(OneFile { array, geometry: frames.geometry, notes: frames.notes })
}

/// Where the frames of a file are.
struct Frames {
    element: Element,
    /// Extents of each.
    shape: [usize; 3],
    /// Bytes of each.
    size: usize,
    /// The first byte of each.
    starts: Vec<u64>,
    geometry: Geometry,
    notes: Vec<Note>,
}

fn frames(path: &Path, content: &mut Content) -> Result<Frames> {
    let fail = |problem: String| Error::file(path, problem);
    let words = |error: io::Error| Error::read(path, error);
    let end = content.length().map_err(words)?;
    let mut at = 0;
    let mut found: Option<Frames> = None;
    while begins_header(content, at).map_err(words)? {
        let count = found.as_ref().map_or(0, |found| found.starts.len());
        let header = header(content, at).map_err(words)?;
        let (header, data) = header.ok_or_else(|| fail("has an EDF header without its end".into()))?;
        let element = element(&header).map_err(fail)?;
        if let Some(compression) = header.get("compression").filter(|name| !name.eq_ignore_ascii_case("none")) {
            return Err(fail(format!(
                "is compressed inside ({compression}): unpack it before, with fabio for instance"
            )));
        }
        let shape = shape(&header).ok_or_else(|| fail("has an EDF header without Dim_1 and Dim_2".into()))?;
        let size = shape.iter().try_fold(element.width, |n, &m| n.checked_mul(m)).filter(|&size| size > 0);
        let size = size.ok_or_else(|| fail(format!("claims to hold {} numbers", shape_text(&shape))))?;
        let found = found.get_or_insert_with(|| {
            let (geometry, notes) = geometry(&header);
            Frames { element, shape, size, starts: Vec::new(), geometry, notes }
        });
        if (found.element, found.shape) != (element, shape) {
            return Err(fail(format!(
                "frame {count} is {} {}, unlike those before",
                shape_text(&shape),
                element.name()
            )));
        }
        let number = |key: &str| header.get(key).and_then(|text| text.parse::<u64>().ok());
        let (mut images, mut stored) = (1, number("edf_binarysize").or(number("size")).unwrap_or(size as u64));
        // One header for several frames, as GE detectors and some beamlines write it. Each frame of
        // a file with a header a frame may name the number of all of them as well: then another
        // header follows the first.
        if let Some(named) = number("num_images").filter(|&images| count == 0 && images > 1) {
            let next = data.saturating_add(stored.max(size as u64));
            if !begins_header(content, next).map_err(words)? {
                (images, stored) = (named, named.saturating_mul(size as u64));
            }
        }
        let left = end.saturating_sub(data);
        let needed = (size as u64).checked_mul(images).filter(|&needed| needed <= left);
        let needed = needed.ok_or_else(|| match images {
            1 => fail(format!("is cut short: frame {count} needs {size} bytes, {left} are left")),
            _ => fail(format!("is cut short: {images} frames of {size} bytes are named, {left} bytes are left")),
        })?;
        found.starts.extend((0..images).map(|image| data + image * size as u64));
        // `Size` may exceed the numbers, padded to a multiple of 512.
        at = data.saturating_add(stored.max(needed)).min(end);
    }
    let found = found.ok_or_else(|| fail("holds no EDF frame".into()))?;
    if !is_blank(content, at).map_err(words)? {
        let ([nz, ny, nx], frames) = (found.shape, found.starts.len());
        return Err(fail(format!(
            "has {} bytes after its {} frames of {ny}x{nx} {}: its header does not describe it",
            end - at,
            frames * nz,
            found.element.name()
        )));
    }
    Ok(found)
}

/// Bytes that are looked at in one go; headers have a few kilobytes.
const STEP: u64 = 8192;

/// Most bytes of a header.
const LONGEST: u64 = 1 << 24;

/// Whether a header begins here, blanks aside.
fn begins_header(content: &mut Content, mut at: u64) -> io::Result<bool> {
    loop {
        let part = content.part(at, STEP)?;
        match part.trim_ascii_start().first() {
            Some(first) => return Ok(*first == b'{'),
            None if part.is_empty() => return Ok(false),
            None => at += part.len() as u64,
        }
    }
}

/// Whether nothing but padding follows.
fn is_blank(content: &mut Content, mut at: u64) -> io::Result<bool> {
    loop {
        let part = content.part(at, STEP)?;
        if part.iter().any(|&byte| !matches!(byte, 0 | b' ' | b'\n' | b'\r')) {
            return Ok(false);
        }
        if part.is_empty() {
            return Ok(true);
        }
        at += part.len() as u64;
    }
}

type Keys = HashMap<String, String>;

/// The keys (in lower case) and values of the header that begins here, and where its data do: at
/// once, or where `EDF_HeaderSize` says. None where the header has no end.
fn header(content: &mut Content, at: u64) -> io::Result<Option<(Keys, u64)>> {
    let mut length = STEP;
    loop {
        let part = content.part(at, length)?;
        let all = (part.len() as u64) < length || length >= LONGEST;
        match parse(&part) {
            Some((keys, closed, start)) if start < part.len() || all => {
                // Only blanks may stand between the brace and the data, else the size is that of
                // another header.
                let blank = |gap: &[u8]| gap.iter().all(|&b| b.is_ascii_whitespace() || b == 0);
                let start = if part.get(closed..start).is_some_and(blank) { start } else { closed };
                return Ok(Some((keys, at + start as u64)));
            }
            None if all => return Ok(None),
            _ => length *= 4,
        }
    }
}

/// The keys of a header, where it is closed, and where it says that its data begin.
fn parse(bytes: &[u8]) -> Option<(Keys, usize, usize)> {
    let end = (0..bytes.len()).find(|&at| bytes[at] == b'}' && matches!(bytes.get(at + 1), Some(b'\n' | b'\r')))?;
    let newline = if bytes[end + 1..].starts_with(b"\r\n") { 2 } else { 1 };
    let text = String::from_utf8_lossy(&bytes[..end]);
    let pairs = text.trim_start().trim_start_matches('{').split([';', '\n']).filter_map(|line| line.split_once('='));
    let keys: Keys = pairs.map(|(key, value)| (key.trim().to_lowercase(), value.trim().to_string())).collect();
    let closed = end + 1 + newline;
    // Blanks that others put before the header belong to no header.
    let before = bytes.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
    let start = keys.get("edf_headersize").and_then(|size| size.parse::<usize>().ok());
    Some((keys, closed, start.map_or(closed, |start| start.saturating_add(before)).max(closed)))
}

fn element(header: &Keys) -> Result<Element, String> {
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
fn shape(header: &Keys) -> Option<[usize; 3]> {
    let extent = |key| header.get(key).map(|text| text.parse::<usize>());
    Some([extent("dim_3").unwrap_or(Ok(1)).ok()?, extent("dim_2")?.ok()?, extent("dim_1")?.ok()?])
}

/// The geometry, in metres where nothing else is said, and what of it is not understood.
fn geometry(header: &Keys) -> (Geometry, Vec<Note>) {
    let mut notes = Vec::new();
    let mut read = |quantity: Quantity, names: &[&str]| {
        names.iter().find_map(|name| {
            let (value, note) = quantity.read_text(name, header.get(&name.to_lowercase())?, "m");
            notes.extend(note);
            value
        })
    };
    let energy = read(Quantity::Wavelength, &["WaveLength"]).map(|wavelength| HC / wavelength);
    let distance = read(Quantity::Distance, &["SampleDistance", "Distance"]);
    let pixel_size = read(Quantity::PixelSize, &["PSize_2"]).zip(read(Quantity::PixelSize, &["PSize_1"]));
    (Geometry { energy, distance, pixel_size: pixel_size.map(|(y, x)| [y, x]) }, notes)
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

    fn parse(bytes: &[u8]) -> Result<OneFile> {
        let folder = tempfile::tempdir().unwrap();
        let (disk, packed) = (folder.path().join("a.edf"), folder.path().join("b.edf"));
        std::fs::write(&disk, bytes).unwrap();
        let mut gzip = flate2::write::GzEncoder::new(std::fs::File::create(&packed).unwrap(), Default::default());
        std::io::Write::write_all(&mut gzip, bytes).unwrap();
        gzip.finish().unwrap();
        let words = |error: Error| Error::Pattern(error.to_string().rsplit_once('/').unwrap().1.into());
        let (disk, packed) = (read(&disk).map_err(words), read(&packed).map_err(words));
        let mut disk = disk.inspect_err(|error| {
            assert_eq!(error.to_string()[1..], packed.as_ref().err().unwrap().to_string()[1..]);
        })?;
        // The file is gone when the array is looked at.
        let (view, packed) = (disk.array.whole()?, packed.unwrap());
        let values = disk.array.to_f32(&view)?;
        assert_eq!(packed.array.to_f32(&view)?, values);
        assert_eq!((packed.geometry, &packed.notes), (disk.geometry, &disk.notes));
        disk.array.values = packed.array.values;
        Ok(disk)
    }

    #[test]
    fn frames_are_stacked_and_geometry_is_read() {
        let keys = "ByteOrder = HighByteFirst ;\nDataType = UnsignedShort ;\nDim_1 = 3 ;\nDim_2 = 2 ;\nSampleDistance = 1.2 ;\n\
                    PSize_1 = 5.5e-05 ;\nPSize_2 = 5.0e-05 ;\nWaveLength = 1e-10 ;\n";
        let data: Vec<u8> = (1..=6u16).flat_map(u16::to_be_bytes).collect();
        let file = [frame(keys, &data), frame(keys, &data)].concat();
        let OneFile { array: stored, geometry, notes } = parse(&file).unwrap();
        assert_eq!(notes, []);
        assert_eq!((stored.shape.as_slice(), stored.element.name().as_str()), (&[2, 2, 3][..], "uint16 big-endian"));
        let view = stored.whole().unwrap();
        assert_eq!(stored.to_f32(&view).unwrap().as_slice(), [1., 2., 3., 4., 5., 6., 1., 2., 3., 4., 5., 6.]);
        assert_eq!((geometry.distance, geometry.pixel_size), (Some(1.2), Some([5.0e-5, 5.5e-5])));
        assert_eq!(geometry.energy, Some(HC / 1e-10));
    }

    #[test]
    fn what_is_missing_is_named() {
        let error = |file: &[u8]| parse(file).err().unwrap().to_string();
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
        let stored = parse(&whole).unwrap().array;
        assert_eq!(stored.shape, [2, 1, 2]);
        assert_eq!(stored.to_f32(&stored.whole().unwrap()).unwrap().as_slice(), [1.0, 2.0, 3.0, 4.0]);
        let short = parse(&whole[..1030]).err().unwrap().to_string();
        assert_eq!(short, "a.edf: is cut short: 2 frames of 4 bytes are named, 6 bytes are left");
    }

    #[test]
    fn geometry_that_cannot_be_meant_is_noted() {
        let keys = "DataType = SignedByte ;\nDim_1 = 2 ;\nDim_2 = 1 ;\nDistance = 850 mm ;\nPSize_1 = 55 ;\nPSize_2 = 55_um ;\n\
                    WaveLength = 1.2 ;\n";
        let OneFile { geometry, notes, .. } = parse(&frame(keys, &[1, 2])).unwrap();
        assert_eq!(geometry, Geometry { distance: Some(0.85), ..Geometry::default() });
        let notes: Vec<String> = notes.iter().map(ToString::to_string).collect();
        assert_eq!(
            notes,
            [
                "WaveLength is 1.2 without a unit: not understood as a wavelength, give it as a setting",
                "PSize_1 is 55 without a unit: not understood as a pixel size, give it as a setting"
            ]
        );
    }

    #[test]
    fn headers_may_be_longer_than_what_is_looked_at_in_one_go() {
        let keys = "DataType = UnsignedByte ;\nDim_1 = 2 ;\nDim_2 = 1 ;\n";
        // The brace, and the end of its line, at every place about the end of a step.
        for length in STEP as usize - 4..STEP as usize + 2 {
            let mut file = format!("{{\n{keys}");
            file.push_str(&" ".repeat(length - file.len()));
            file.push_str("}\r\n\u{1}\u{2}");
            let stored = parse(file.as_bytes()).unwrap().array;
            assert_eq!(stored.to_f32(&stored.whole().unwrap()).unwrap().as_slice(), [1.0, 2.0], "{length}");
        }
    }
}
