//! Decoding of HDF5 chunks compressed with Blosc2 (filter 32026): a frame around chunks, whose
//! elements lie in blocks of several dimensions.
//!
//! Formats: <https://github.com/Blosc/c-blosc2/blob/main/README_CFRAME_FORMAT.rst> and
//! `README_B2ND_METALAYER.rst` there. Numbers of the frame are big-endian, those of chunks
//! little-endian.

use super::bitshuffle::zeros;
use super::blosc::blosc;

/// Decodes a Blosc2 frame; `None` for a damaged one, or what is not known here.
pub(super) fn blosc2(input: &[u8]) -> Option<Vec<u8>> {
    if input.get(2..9)? != b"b2frame" {
        return None;
    }
    let header = usize::try_from(i32::from_be_bytes(bytes(input, 11)?)).ok()?;
    let total = usize::try_from(i64::from_be_bytes(bytes(input, 30)?)).ok()?;
    let packed = usize::try_from(i64::from_be_bytes(bytes(input, 39)?)).ok()?;
    let width = usize::try_from(i32::from_be_bytes(bytes(input, 48)?)).ok()?;
    let chunk = usize::try_from(i32::from_be_bytes(bytes(input, 58)?)).ok()?;
    let body = input.get(header..)?;
    // The places of the chunks follow them, compressed as a chunk as well.
    let places = blosc(body.get(packed..)?)?;
    let mut out = Vec::new();
    for place in places.chunks_exact(8) {
        let place = i64::from_le_bytes(place.try_into().ok()?);
        let left = total.checked_sub(out.len())?;
        match usize::try_from(place) {
            Ok(place) => out.extend(blosc(body.get(place..)?)?),
            // Chunks of one value are not stored: the highest byte says which.
            Err(_) => match (place as u64 >> 56) & 0x7f {
                1 | 4 => out.extend(zeros(chunk.min(left))?),
                _ => return None,
            },
        }
    }
    if out.len() != total {
        return None;
    }
    match Blocks::read(&input[..header]) {
        Some(blocks) => blocks.put_in_order(&out, width),
        None => Some(out),
    }
}

/// The blocks of an array of several dimensions that is one chunk.
struct Blocks {
    shape: Vec<usize>,
    block: Vec<usize>,
}

impl Blocks {
    /// The metalayer `b2nd` of a frame's header, where there is one.
    fn read(header: &[u8]) -> Option<Self> {
        let name = header.windows(4).position(|window| window == b"b2nd")?;
        let start = usize::try_from(i32::from_be_bytes(bytes(header, name + 5)?)).ok()?;
        let axes = usize::from(*header.get(start + 7)?);
        // Three lists of a number an axis: the array and the chunk and its blocks, of 8, 4 and 4
        // bytes a number, each with one more for its kind.
        let (array, chunk) = (start + 9, start + 9 + 9 * axes + 1);
        let short =
            |list: usize, axis: usize| usize::try_from(i32::from_be_bytes(bytes(header, list + 5 * axis + 1)?)).ok();
        let block = chunk + 5 * axes + 1;
        let shape: Option<Vec<usize>> = (0..axes).map(|axis| short(chunk, axis)).collect();
        let block: Option<Vec<usize>> = (0..axes).map(|axis| short(block, axis)).collect();
        let whole =
            (0..axes).map(|axis| usize::try_from(i64::from_be_bytes(bytes(header, array + 9 * axis + 1)?)).ok());
        let blocks = Blocks { shape: shape?, block: block? };
        let one = whole.collect::<Option<Vec<usize>>>()? == blocks.shape && !blocks.block.contains(&0);
        one.then_some(blocks)
    }

    /// Elements of `width` bytes in C order, from blocks in C order that are padded to equal sizes.
    fn put_in_order(&self, input: &[u8], width: usize) -> Option<Vec<u8>> {
        let total = self.shape.iter().try_fold(width, |n, &m| n.checked_mul(m))?;
        let mut out = zeros(total)?;
        let axes = self.shape.len();
        let grid: Vec<usize> = self.shape.iter().zip(&self.block).map(|(n, block)| n.div_ceil(*block)).collect();
        let row = self.block[axes.checked_sub(1)?] * width;
        let rows: usize = self.block[..axes - 1].iter().product();
        for (number, line) in input.chunks(row.max(1)).enumerate() {
            // Which block this row is in, and where in it.
            let (mut block, mut inside) = (number / rows, number % rows);
            let mut start = vec![0; axes];
            for axis in (0..axes).rev() {
                start[axis] = block % grid[axis] * self.block[axis];
                block /= grid[axis];
            }
            for axis in (0..axes - 1).rev() {
                start[axis] += inside % self.block[axis];
                inside /= self.block[axis];
            }
            if start.iter().zip(&self.shape).any(|(at, n)| at >= n) {
                continue;
            }
            let at = start.iter().zip(&self.shape).fold(0, |at, (i, n)| at * n + i) * width;
            let length = line.len().min((self.shape[axes - 1] - start[axes - 1]) * width);
            out.get_mut(at..at + length)?.copy_from_slice(&line[..length]);
        }
        Some(out)
    }
}

fn bytes<const N: usize>(input: &[u8], at: usize) -> Option<[u8; N]> {
    input.get(at..at.checked_add(N)?)?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_put_in_order() {
        // 3 x 3 elements in blocks of 2 x 2, padded to 4 x 4.
        let blocks = Blocks { shape: vec![3, 3], block: vec![2, 2] };
        let input = [0, 1, 3, 4, 2, 9, 5, 9, 6, 7, 9, 9, 8, 9, 9, 9];
        assert_eq!(blocks.put_in_order(&input, 1).unwrap(), [0, 1, 2, 3, 4, 5, 6, 7, 8]);
    }

    #[test]
    fn damaged_frames_are_refused() {
        assert_eq!(blosc2(&[0; 200]), None);
        let mut frame = vec![0xff; 200];
        frame[2..9].copy_from_slice(b"b2frame");
        assert_eq!(blosc2(&frame), None);
    }
}
