//! Decoding of HDF5 chunks compressed with Blosc (filter 32001), as archives and some beamlines
//! write them.
//!
//! Format: <https://github.com/Blosc/c-blosc/blob/main/README_CHUNK_FORMAT.rst>; BloscLZ as in
//! `blosclz.c` there. Numbers in the headers are little-endian.

use super::bitshuffle::{unshuffle, zeros, zstd_into};
use std::io::Read;

/// Bytes of the header, and of that with a pipeline of filters.
const HEADER: usize = 16;
const LONG_HEADER: usize = 32;
/// Blocks of elements up to this width are split into one stream a byte, if those have at least so
/// many bytes.
const WIDEST_SPLIT: usize = 16;
const SHORTEST_STREAM: usize = 128;
/// Distance from which BloscLZ writes matches with two more bytes.
const FAR: usize = 8191;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shuffle {
    Bytes,
    Bits,
}

/// How a chunk is stored.
struct Layout {
    flags: u8,
    header: usize,
    /// Bytes of an element.
    width: usize,
    /// Bytes of the chunk, and of each of its blocks.
    total: usize,
    block: usize,
    /// Shuffles in the order in which they are undone.
    shuffles: Vec<Shuffle>,
}

/// Decodes a Blosc chunk; `None` for a damaged one, or a compression or filter that is not known
/// here.
pub(super) fn blosc(input: &[u8]) -> Option<Vec<u8>> {
    let layout = Layout::read(input)?;
    let mut out = zeros(layout.total)?;
    let body = input.get(layout.header..)?;
    if layout.header == LONG_HEADER {
        match (input[LONG_HEADER - 1] >> 4) & 7 {
            0 => {}
            // Zeros, or never written.
            1 | 4 => return Some(out),
            3 => {
                let value = body.get(..layout.width)?;
                out.chunks_mut(layout.width).for_each(|element| element.copy_from_slice(&value[..element.len()]));
                return Some(out);
            }
            _ => return None,
        }
    }
    if layout.flags & 0x2 != 0 {
        out.copy_from_slice(body.get(..layout.total)?);
        return Some(out);
    }
    for (index, output) in out.chunks_mut(layout.block).enumerate() {
        let start = number(body, 4 * index)?;
        layout.block(input.get(start..)?, output)?;
    }
    Some(out)
}

impl Layout {
    fn read(input: &[u8]) -> Option<Self> {
        let flags = *input.get(2)?;
        // Both shuffles at once stand for the longer header of Blosc2, which lists its filters.
        let long = flags & 0x5 == 0x5;
        let shuffles = match flags & 0x5 {
            0x5 => {
                let filters = input.get(16..22)?.iter().rev().filter(|&&filter| filter != 0);
                let shuffle = |filter: &u8| match filter {
                    1 => Some(Shuffle::Bytes),
                    2 => Some(Shuffle::Bits),
                    _ => None,
                };
                filters.map(shuffle).collect::<Option<Vec<_>>>()?
            }
            0x1 => vec![Shuffle::Bytes],
            0x4 => vec![Shuffle::Bits],
            _ => Vec::new(),
        };
        let layout = Layout {
            flags,
            header: if long { LONG_HEADER } else { HEADER },
            width: usize::from(*input.get(3)?),
            total: number(input, 4)?,
            block: number(input, 8)?,
            shuffles,
        };
        (layout.width > 0 && (layout.block > 0 || layout.total == 0)).then_some(layout)
    }

    /// Decodes one block into the whole of `output`.
    fn block(&self, mut input: &[u8], output: &mut [u8]) -> Option<()> {
        let (length, long) = (output.len(), self.header == LONG_HEADER);
        let short = self.width > WIDEST_SPLIT || self.block / self.width < SHORTEST_STREAM;
        let split =
            self.flags & 0x10 == 0 && length == self.block && length.is_multiple_of(self.width) && (long || !short);
        let stream = if split { length / self.width } else { length };
        let mut plain = zeros(length)?;
        for part in plain.chunks_mut(stream.max(1)) {
            let size = number(input, 0)? as u32 as i32;
            let rest = input.get(4..)?;
            // Blosc2 writes runs of one byte as its negative value, and of zeros as nothing.
            if long && size <= 0 {
                part.fill(u8::try_from(-i64::from(size)).ok()?);
                input = if size < 0 { rest.get(1..)? } else { rest };
                continue;
            }
            let (packed, rest) = rest.split_at_checked(usize::try_from(size).ok()?)?;
            if packed.len() == part.len() {
                part.copy_from_slice(packed)
            } else {
                self.decompress(packed, part)?
            }
            input = rest;
        }
        for shuffle in &self.shuffles {
            self.unshuffle(*shuffle, &plain, output);
            plain.copy_from_slice(output);
        }
        output.copy_from_slice(&plain);
        Some(())
    }

    /// Undoes a shuffle of a block.
    fn unshuffle(&self, shuffle: Shuffle, shuffled: &[u8], output: &mut [u8]) {
        let mut elements = output.len() / self.width;
        if shuffle == Shuffle::Bits && !elements.is_multiple_of(8) {
            // Blosc leaves such a block as it is, Blosc2 only what is too much.
            elements = if self.header == LONG_HEADER { elements / 8 * 8 } else { 0 };
        }
        let end = elements * self.width;
        match shuffle {
            Shuffle::Bytes => {
                for (byte, row) in shuffled[..end].chunks(elements.max(1)).enumerate() {
                    row.iter().enumerate().for_each(|(i, &value)| output[i * self.width + byte] = value);
                }
            }
            Shuffle::Bits => unshuffle(&shuffled[..end], &mut output[..end], self.width),
        }
        output[end..].copy_from_slice(&shuffled[end..]);
    }

    fn decompress(&self, packed: &[u8], output: &mut [u8]) -> Option<()> {
        let written = match self.flags >> 5 {
            0 => blosclz(packed, output)?,
            1 => lz4_flex::block::decompress_into(packed, output).ok()?,
            3 => {
                flate2::read::ZlibDecoder::new(packed).read_exact(output).ok()?;
                output.len()
            }
            4 => zstd_into(packed, output)?,
            _ => return None,
        };
        (written == output.len()).then_some(())
    }
}

fn number(input: &[u8], at: usize) -> Option<usize> {
    Some(u32::from_le_bytes(input.get(at..at.checked_add(4)?)?.try_into().ok()?) as usize)
}

/// BloscLZ: literals and matches in turn, told apart by the top three bits of a byte.
fn blosclz(input: &[u8], output: &mut [u8]) -> Option<usize> {
    let mut bytes = input.iter().copied();
    let mut at = 0;
    let mut control = usize::from(bytes.next()? & 31);
    loop {
        if control < 32 {
            for _ in 0..=control {
                *output.get_mut(at)? = bytes.next()?;
                at += 1;
            }
        } else {
            let mut length = (control >> 5) - 1;
            let high = (control & 31) << 8;
            if length == 6 {
                loop {
                    let more = bytes.next()?;
                    length += usize::from(more);
                    if more != 255 {
                        break;
                    }
                }
            }
            let low = usize::from(bytes.next()?);
            let distance = if low == 255 && high == 31 << 8 {
                (usize::from(bytes.next()?) << 8) + usize::from(bytes.next()?) + FAR
            } else {
                high + low
            };
            let start = at.checked_sub(distance + 1)?;
            for i in 0..length + 3 {
                let value = *output.get(start + i)?;
                *output.get_mut(at)? = value;
                at += 1;
            }
        }
        match bytes.next() {
            Some(next) => control = usize::from(next),
            None => return Some(at),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_and_matches_are_put_together() {
        // Three literals, then a match of 5 at distance 3.
        let mut out = [0; 8];
        assert_eq!(blosclz(&[2, b'a', b'b', b'c', 3 << 5, 2], &mut out), Some(8));
        assert_eq!(&out, b"abcabcab");
        assert_eq!(blosclz(&[2, b'a', b'b', b'c', 3 << 5, 9], &mut out), None);
    }

    #[test]
    fn damaged_chunks_are_refused() {
        assert_eq!(blosc(&[0xff; 40]), None);
        assert_eq!(blosc(&[2, 1, 2, 4]), None);
        let mut stored = vec![2, 1, 2, 4];
        for number in [8_u32, 8, 24] {
            stored.extend(number.to_le_bytes());
        }
        stored.extend(b"abcdefgh");
        assert_eq!(blosc(&stored).as_deref(), Some(&b"abcdefgh"[..]));
        assert_eq!(blosc(&stored[..20]), None);
    }
}
