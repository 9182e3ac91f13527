//! CBF frames of Pilatus and Eiger detectors: a text header, then the differences of the pixels in
//! as few bytes as they need (byte offsets).
//!
//! Format: <https://www.bernstein-plus-sons.com/software/CBF>; the mini header as Dectris writes
//! it, with lengths in metres and the wavelength in angstrom.

use super::array::RawArray;
use super::content;
use super::contents::OneFile;
use super::element::{Element, Kind};
use super::note::Note;
use super::units::Quantity;
use crate::error::{Error, Result};
use crate::geometry::{Geometry, HC};
use std::path::Path;

/// What precedes the binary section.
const START: [u8; 4] = [0x0c, 0x1a, 0x04, 0xd5];

/// The frame in a file, and what its header says of the geometry.
pub(super) fn read(path: &Path) -> Result<OneFile> {
    parse(path, &content::bytes(path)?)
}

fn parse(path: &Path, bytes: &[u8]) -> Result<OneFile> {
    let fail = |problem: &str| Error::file(path, problem);
    let start = bytes.windows(4).position(|window| window == START);
    let start = start.ok_or_else(|| fail("is a CBF file without its binary section: cut short?"))?;
    let header = String::from_utf8_lossy(&bytes[..start]).into_owned();
    let data = &bytes[start + 4..];
    let key = |name: &str| {
        let line = header.lines().find_map(|line| line.trim().strip_prefix(name))?;
        Some(line.trim_start_matches([':', '=', ' ']).trim_matches(['"', ' ', ';']).to_string())
    };
    let number = |name: &str| key(name).and_then(|text| text.parse::<usize>().ok());
    if !header.contains("x-CBF_BYTE_OFFSET") {
        return Err(fail("is compressed in another way than by byte offsets: convert it, with fabio for instance"));
    }
    let fast = number("X-Binary-Size-Fastest-Dimension");
    let (nx, ny) = fast.zip(number("X-Binary-Size-Second-Dimension")).ok_or_else(|| fail("does not say its size"))?;
    let count = nx.checked_mul(ny).filter(|&count| count <= data.len());
    let count = count.ok_or_else(|| fail(&format!("claims to be {ny}x{nx}, more than its data: cut short?")))?;
    let size = number("X-Binary-Size").unwrap_or(data.len());
    let packed = data
        .get(..size)
        .ok_or_else(|| fail(&format!("is cut short: {size} bytes of data expected, {} found", data.len())))?;
    if number("X-Binary-Number-of-Elements").is_some_and(|elements| elements != count) {
        return Err(fail("contradicts itself in the number of its pixels"));
    }
    if data[size..].windows(4).any(|window| window == START) {
        return Err(fail("holds several images, of which only one could be read: convert it to a file for each"));
    }
    let values = decode(packed, count).ok_or_else(|| fail(&format!("holds fewer or more pixels than {ny}x{nx}")))?;
    let values: Vec<u8> = values.into_iter().flat_map(i32::to_le_bytes).collect();
    let element = Element::new(Kind::Signed, 4, false);
    let array = RawArray::from_bytes(path.to_path_buf(), vec![ny, nx], element, values);
    let (geometry, notes) = geometry(&header);
    Ok(OneFile { array, geometry, notes })
}

/// Adds up differences of 8 bits, or 16 after -128, or 32 after -32768 in turn; exactly `count` of
/// them.
fn decode(packed: &[u8], count: usize) -> Option<Vec<i32>> {
    let (mut out, mut value, mut rest) = (Vec::with_capacity(count), 0_i32, packed);
    while out.len() < count {
        let (&first, after) = rest.split_first()?;
        let mut step = i32::from(first as i8);
        rest = after;
        if first == 0x80 {
            let (two, after) = rest.split_first_chunk::<2>()?;
            step = i32::from(i16::from_le_bytes(*two));
            rest = after;
            if step == i32::from(i16::MIN) {
                let (four, after) = rest.split_first_chunk::<4>()?;
                step = i32::from_le_bytes(*four);
                rest = after;
            }
        }
        value = value.wrapping_add(step);
        out.push(value);
    }
    rest.is_empty().then_some(out)
}

/// The geometry of the mini header, and what of it is not understood.
fn geometry(header: &str) -> (Geometry, Vec<Note>) {
    let mut notes = Vec::new();
    let text = |name: &str| {
        let line = header.lines().find_map(|line| line.trim_start_matches(['#', ' ']).strip_prefix(name))?;
        Some(line.trim_start_matches([' ', ':', '=', '\t']))
    };
    let mut read = |quantity: Quantity, name: &str, text: Option<&str>, standard: &str| {
        let (value, note) = quantity.read_text(name, text?, standard);
        notes.extend(note);
        value
    };
    let wavelength = read(Quantity::Wavelength, "Wavelength", text("Wavelength"), "A");
    let distance = read(Quantity::Distance, "Detector_distance", text("Detector_distance"), "m");
    // Columns, then rows: `172e-6 m x 172e-6 m`.
    let sizes = text("Pixel_size").and_then(|text| text.split_once('x'));
    let mut size = |text: Option<&str>| read(Quantity::PixelSize, "Pixel_size", text, "m");
    let pixel_size = size(sizes.map(|(_, y)| y)).zip(size(sizes.map(|(x, _)| x)));
    let energy = wavelength.map(|wavelength| HC / wavelength);
    (Geometry { energy, distance, pixel_size: pixel_size.map(|(y, x)| [y, x]) }, notes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_of_all_widths_are_added_up() {
        let mut packed = vec![5, 0xff, 0x80];
        packed.extend(1000_i16.to_le_bytes());
        packed.push(0x80);
        packed.extend(i16::MIN.to_le_bytes());
        packed.extend((-100_000_i32).to_le_bytes());
        assert_eq!(decode(&packed, 4), Some(vec![5, 4, 1004, -98_996]));
        assert_eq!(decode(&packed, 3), None);
        assert_eq!(decode(&packed, 5), None);
    }

    #[test]
    fn headers_are_checked() {
        let mut file =
            b"###CBF: VERSION 1.5\n# Detector_distance 1.5 m\n# Pixel_size 172e-6 m x 170e-6 m\n# Wavelength 1.0 A\n\
            conversions=\"x-CBF_BYTE_OFFSET\"\nX-Binary-Size: 4\nX-Binary-Number-of-Elements: 4\n\
            X-Binary-Size-Fastest-Dimension: 2\nX-Binary-Size-Second-Dimension: 2\n\n\x0c\x1a\x04\xd5"
                .to_vec();
        file.extend([1, 1, 1, 1]);
        let OneFile { array, geometry, notes } = parse(Path::new("a.cbf"), &file).unwrap();
        assert_eq!(notes, []);
        assert_eq!(array.to_f32(&array.whole().unwrap()).unwrap().as_slice(), [1.0, 2.0, 3.0, 4.0]);
        assert_eq!((geometry.distance, geometry.pixel_size), (Some(1.5), Some([170e-6, 172e-6])));
        assert!((geometry.energy.unwrap() / HC * 1e-10 - 1.0).abs() < 1e-12);
        let two = parse(Path::new("a.cbf"), &[&file[..], &START, &[1; 4]].concat()).err().unwrap().to_string();
        assert!(two.contains("several images"), "{two}");
        let text = String::from_utf8_lossy(&file).replace("1.5 m", "1500").replace("1.0 A", "1e-10");
        let (geometry, notes) = super::geometry(&text);
        assert_eq!((geometry.distance, geometry.energy), (None, None));
        let notes: Vec<String> = notes.iter().map(ToString::to_string).collect();
        assert!(notes[0].starts_with("Wavelength is 0.0000000001 without a unit: not understood"), "{notes:?}");
        assert!(notes[1].starts_with("Detector_distance is 1500 without a unit: not understood"), "{notes:?}");
        let cut = parse(Path::new("a.cbf"), &file[..file.len() - 2]).err().unwrap().to_string();
        assert!(cut.contains("cut short"), "{cut}");
    }
}
