//! numpy's `.npy` format, version 1 to 3:
//! <https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html>.

use super::array::{RawArray, Values};
use super::bytes::Bytes;
use super::content;
use super::element::{Element, Kind, unsupported};
use crate::error::{Error, Result};
use std::io::{self, Read};
use std::path::Path;

/// The array of a file.
pub(super) fn read(path: &Path) -> Result<RawArray> {
    let mut content = content::open(path)?;
    let words = |error: io::Error| Error::read(path, error);
    let head = head(&mut content).map_err(words)?;
    let length = content.length().map_err(words)?;
    parse(path, &head, |start| {
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        Bytes::blocks(path, content, vec![start as u64], length.saturating_sub(start))
    })
}

/// The header of an array, as far as it is there.
pub(super) fn head(from: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    from.take(12).read_to_end(&mut head)?;
    let end = end(&head).unwrap_or(0);
    from.take(end.saturating_sub(head.len()) as u64).read_to_end(&mut head)?;
    Ok(head)
}

/// Parses a header; `name` is for messages, and `bytes` are those from an index on.
pub(super) fn parse(name: &Path, head: &[u8], bytes: impl FnOnce(usize) -> Bytes) -> Result<RawArray> {
    let fail = |problem: &str| Error::file(name, problem);
    let (header, start) = split(head).ok_or_else(|| fail("is not a numpy array, or cut short"))?;
    let damaged = || fail("has a damaged numpy header");
    let descr = value(&header, "descr").ok_or_else(damaged)?;
    let element = element(descr.trim_matches(['\'', '"'])).ok_or_else(|| fail(&unsupported(descr)))?;
    let fortran = value(&header, "fortran_order").ok_or_else(damaged)? == "True";
    let shape = value(&header, "shape").ok_or_else(damaged)?;
    let shape = shape.trim_matches(['(', ')']).split(',').map(str::trim).filter(|n| !n.is_empty());
    let shape =
        shape.map(|n| n.trim_end_matches('L').parse()).collect::<Result<Vec<usize>, _>>().map_err(|_| damaged())?;
    Ok(RawArray { name: name.to_path_buf(), shape, element, fortran, values: Values::Bytes(bytes(start)) })
}

/// The header's dictionary, and where the data start.
fn split(bytes: &[u8]) -> Option<(String, usize)> {
    let (start, end) = (if *bytes.get(6)? == 1 { 10 } else { 12 }, end(bytes)?);
    Some((String::from_utf8_lossy(bytes.get(start..end)?).into_owned(), end))
}

/// Where the header ends that begins with these bytes.
fn end(bytes: &[u8]) -> Option<usize> {
    let version = *bytes.strip_prefix(b"\x93NUMPY")?.first()?;
    let (start, length): (usize, usize) = match version {
        1 => (10, usize::from(u16::from_le_bytes(bytes.get(8..10)?.try_into().ok()?))),
        _ => (12, usize::try_from(u32::from_le_bytes(bytes.get(8..12)?.try_into().ok()?)).ok()?),
    };
    start.checked_add(length)
}

/// The text of a zero-dimensional string array (`<U12`), as lacuna writes its settings.
pub(super) fn text(bytes: &[u8]) -> Option<String> {
    let (header, start) = split(bytes)?;
    value(&header, "descr")?.trim_matches('\'').strip_prefix("<U")?;
    let codes = bytes[start..].chunks_exact(4).map(|code| u32::from_le_bytes(code.try_into().unwrap_or_default()));
    codes.take_while(|&code| code != 0).map(char::from_u32).collect()
}

/// The value of a key of the header's Python dictionary.
fn value<'a>(header: &'a str, key: &str) -> Option<&'a str> {
    let at = [format!("'{key}'"), format!("\"{key}\"")].iter().find_map(|key| Some(header.find(key)? + key.len()))?;
    let rest = header[at..].trim_start().strip_prefix(':')?.trim_start();
    let end = match rest.chars().next()? {
        '(' => rest.find(')')? + 1,
        '[' => rest.find(']')? + 1,
        quote @ ('\'' | '"') => rest[1..].find(quote)? + 2,
        _ => rest.find([',', '}'])?,
    };
    Some(rest[..end].trim())
}

/// numpy's type strings: `<u2`, `>f4`, `|b1`, `=i8`.
fn element(descr: &str) -> Option<Element> {
    let (order, rest) = match descr.chars().next()? {
        order @ ('<' | '>' | '|' | '=') => (order, &descr[1..]),
        _ => ('=', descr),
    };
    let kind = match rest.chars().next()? {
        'b' | '?' => Kind::Bool,
        'i' => Kind::Signed,
        'u' => Kind::Unsigned,
        'f' => Kind::Float,
        'c' => Kind::Complex,
        _ => return None,
    };
    let width = rest[1..].parse().ok()?;
    let known: &[usize] = match kind {
        Kind::Bool => &[1],
        Kind::Float => &[2, 4, 8],
        Kind::Complex => &[8, 16],
        _ => &[1, 2, 4, 8],
    };
    known.contains(&width).then(|| Element::new(kind, width, order == '>'))
}

/// The header of a C-ordered array, padded so that the data start at a multiple of 64.
pub(super) fn header(descr: &str, shape: &[usize]) -> Vec<u8> {
    let shape: String = shape.iter().map(|n| format!("{n}, ")).collect();
    let dict = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({}), }}", shape.trim_end());
    let length = (10 + dict.len() + 1).next_multiple_of(64) - 10;
    let mut out = b"\x93NUMPY\x01\x00".to_vec();
    out.extend((length as u16).to_le_bytes());
    out.extend(format!("{dict:<width$}\n", width = length - 1).into_bytes());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(bytes: Vec<u8>) -> Result<RawArray> {
        let head = head(&mut &bytes[..]).unwrap();
        super::parse(Path::new("a.npy"), &head, |start| Bytes::Memory(bytes[start..].to_vec()))
    }

    #[test]
    fn headers_are_read_back() {
        for shape in [&[][..], &[3][..], &[2, 3][..], &[201, 256, 256][..]] {
            let header = header("<f4", shape);
            assert_eq!(header.len() % 64, 0);
            let stored = parse(header).unwrap();
            assert_eq!((stored.shape.as_slice(), stored.element.name().as_str()), (shape, "float32"));
        }
    }

    #[test]
    fn other_types_and_damage_are_errors() {
        let text = |descr: &str| parse(header(descr, &[2, 2])).err().unwrap().to_string();
        assert_eq!(
            text("<f16"),
            "a.npy: holds elements of type '<f16': integers and floating point numbers up to 64 bits can be read"
        );
        assert!(text("<U7").contains("type '<U7'"));
        assert!(parse(b"\x93NUMPY\x01\x00\xff\xff{".to_vec()).is_err());
        assert!(parse(b"\x93NUMPY".to_vec()).is_err());
    }

    #[test]
    fn fortran_order_and_big_endian_are_undone() {
        let mut bytes = header(">u2", &[2, 3]);
        let text = String::from_utf8_lossy(&bytes[10..]).replace("False", "True ");
        bytes.truncate(10);
        bytes.extend(text.as_bytes());
        bytes.extend([0u16, 3, 1, 4, 2, 5].iter().flat_map(|n| n.to_be_bytes()));
        let array = parse(bytes).unwrap();
        let array = array.to_f32(&array.whole().unwrap()).unwrap();
        assert_eq!(array.as_slice(), [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
    }
}
