//! Decoding of HDF5 chunks compressed with bitshuffle + LZ4 or Zstandard (filter 32008), LZ4
//! (32004) or Zstandard (32015), as Eiger detectors and archives write them.
//!
//! Formats: <https://github.com/kiyo-masui/bitshuffle> and the HDF5 group's page of registered
//! filters. Numbers in the headers are big-endian.

use ruzstd::decoding::{FrameDecoder, StreamingDecoder};
use std::io::Read;

/// What comes after the shuffle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Compression {
    None,
    Lz4,
    Zstandard,
}

/// Bytes per block where the header says 0: `bshuf_default_block_size` aims at 8 kB, a multiple of
/// 8 elements.
const TARGET_BLOCK: usize = 8192;

/// Decodes a bitshuffle chunk of elements of `width` bytes.
/// `block` is the number of elements a block if it is known from the filter's options (0: default).
pub(super) fn bitshuffle(input: &[u8], width: usize, block: usize, compression: Compression) -> Option<Vec<u8>> {
    if width == 0 {
        return None;
    }
    let default = (TARGET_BLOCK / width / 8 * 8).max(128);
    if compression == Compression::None {
        let block = if block == 0 { default } else { block };
        let mut out = zeros(input.len())?;
        let whole = input.len() / width / 8 * 8 * width;
        let step = block.checked_mul(width)?;
        for (output, input) in out[..whole].chunks_mut(step).zip(input[..whole].chunks(step)) {
            unshuffle(input, output, width);
        }
        out[whole..].copy_from_slice(&input[whole..]);
        return Some(out);
    }
    let (total, step, mut rest) = header(input)?;
    let step = if step == 0 { default * width } else { step };
    if step % (8 * width) != 0 {
        return None;
    }
    let mut out = zeros(total)?;
    let mut planes = vec![0; step];
    let whole = total / width / 8 * 8 * width;
    for output in out[..whole].chunks_mut(step) {
        let planes = &mut planes[..output.len()];
        rest = packed_block(rest, planes, compression)?;
        unshuffle(planes, output, width);
    }
    // Elements that do not make up a multiple of 8 are stored as they are.
    out[whole..].copy_from_slice(rest.get(..total - whole)?);
    Some(out)
}

/// Decodes an LZ4 chunk: the same header, blocks that did not shrink are stored as they are.
pub(super) fn lz4(input: &[u8]) -> Option<Vec<u8>> {
    let (total, step, mut rest) = header(input)?;
    if step == 0 && total > 0 {
        return None;
    }
    let mut out = zeros(total)?;
    for output in out.chunks_mut(step.max(1)) {
        rest = if length(rest)? == output.len() {
            let (stored, after) = rest[4..].split_at_checked(output.len())?;
            output.copy_from_slice(stored);
            after
        } else {
            packed_block(rest, output, Compression::Lz4)?
        };
    }
    Some(out)
}

/// Total bytes (u64), bytes a block (u32), and what follows.
fn header(input: &[u8]) -> Option<(usize, usize, &[u8])> {
    let (head, rest) = input.split_at_checked(12)?;
    let total = u64::from_be_bytes(head[..8].try_into().ok()?);
    let block = u32::from_be_bytes(head[8..].try_into().ok()?);
    Some((usize::try_from(total).ok()?, block as usize, rest))
}

fn length(input: &[u8]) -> Option<usize> {
    Some(u32::from_be_bytes(input.get(..4)?.try_into().ok()?) as usize)
}

/// Decodes a chunk of Zstandard frames.
pub(super) fn zstd(input: &[u8]) -> Option<Vec<u8>> {
    let (mut out, mut rest) = (Vec::new(), input);
    while !rest.is_empty() {
        // HDF5 has no chunks above 4 GiB.
        let limit = u64::from(u32::MAX);
        StreamingDecoder::new(&mut rest).ok()?.take(limit).read_to_end(&mut out).ok()?;
    }
    Some(out)
}

/// Decompresses Zstandard frames into `output`; the bytes written.
pub(super) fn zstd_into(input: &[u8], output: &mut [u8]) -> Option<usize> {
    FrameDecoder::new().decode_all(input, output).ok()
}

/// Decompresses one block, preceded by its length, into the whole of `output`; returns what follows
/// it.
fn packed_block<'a>(input: &'a [u8], output: &mut [u8], compression: Compression) -> Option<&'a [u8]> {
    let (block, rest) = input.get(4..)?.split_at_checked(length(input)?)?;
    let written = match compression {
        Compression::None => return None,
        Compression::Lz4 => lz4_flex::block::decompress_into(block, output).ok()?,
        Compression::Zstandard => zstd_into(block, output)?,
    };
    (written == output.len()).then_some(rest)
}

/// A damaged header may claim any size: no abort when the memory is not there.
pub(super) fn zeros(count: usize) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    out.try_reserve_exact(count).ok()?;
    out.resize(count, 0);
    Some(out)
}

/// Undoes the bit transposition of one block: input row `8 byte + bit` holds that bit of every
/// element, element `e` in bit `e % 8` of byte `e / 8`.
pub(super) fn unshuffle(planes: &[u8], output: &mut [u8], width: usize) {
    let row = output.len() / width / 8;
    for byte in 0..width {
        let rows = &planes[8 * byte * row..8 * (byte + 1) * row];
        for group in 0..row {
            let bits = (0..8).fold(0, |word, bit| word | u64::from(rows[bit * row + group]) << (8 * bit));
            for (element, value) in transpose(bits).to_le_bytes().into_iter().enumerate() {
                output[(8 * group + element) * width + byte] = value;
            }
        }
    }
}

/// Transposes an 8 x 8 matrix of bits, byte = row (Warren, Hacker's Delight, 2nd ed., section 7-3).
fn transpose(mut word: u64) -> u64 {
    for (shift, mask) in [(7, 0x00aa_00aa_00aa_00aa), (14, 0x0000_cccc_0000_cccc), (28, 0x0000_0000_f0f0_f0f0)] {
        let swap = (word ^ (word >> shift)) & mask;
        word ^= swap ^ (swap << shift);
    }
    word
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_transpose_moves_row_and_column() {
        for row in 0..8 {
            for column in 0..8 {
                assert_eq!(transpose(1 << (8 * row + column)), 1 << (8 * column + row));
            }
        }
    }

    #[test]
    fn damaged_chunks_are_refused() {
        let huge = [0xff; 20];
        assert_eq!(bitshuffle(&huge, 4, 0, Compression::Lz4), None);
        assert_eq!(lz4(&huge), None);
        assert_eq!(zstd(&huge), None);
        assert_eq!(bitshuffle(&[0; 5], 4, 0, Compression::Zstandard), None);
        let stored = [&8u64.to_be_bytes()[..], &8u32.to_be_bytes(), &8u32.to_be_bytes(), b"abcdefgh"].concat();
        assert_eq!(lz4(&stored).as_deref(), Some(&b"abcdefgh"[..]));
        assert_eq!(lz4(&stored[..20]), None);
    }
}
