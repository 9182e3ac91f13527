//! Chunks as HDF5's filters "shuffle" and "deflate" make them, in the calling thread: those of HDF5
//! run one at a time.

use bytemuck::{Pod, Zeroable};
use flate2::write::ZlibEncoder;
use flate2::{Compression, Decompress, FlushDecompress, Status};
use num_complex::Complex32;
use std::io::{self, Write};

/// Effort of zlib: beyond it, speckles shrink by less than 1 % more, for up to twice the time at
/// the next steps.
pub(super) const LEVEL: u8 = 4;

/// Bits of the mantissa that [`rounded`] keeps, the leading one not counted.
pub(super) const MANTISSA: u32 = 14;

/// Rounds to the nearest number with 14 bits of mantissa: a relative error of up to 2^-15, far
/// below the shot noise of any pattern, and nine bits per number that compress to nothing.
pub(super) fn rounded(value: f32) -> f32 {
    let dropped = f32::MANTISSA_DIGITS - 1 - MANTISSA;
    let bits = value.to_bits();
    // A carry out of the mantissa raises the exponent, which is right for all but the largest
    // number.
    let near = f32::from_bits(bits.wrapping_add(1 << (dropped - 1)) & !((1 << dropped) - 1));
    if value.is_finite() && near.is_finite() { near } else { value }
}

/// [`rounded`] real and imaginary part.
pub(super) fn rounded_complex(value: Complex32) -> Complex32 {
    Complex32::new(rounded(value.re), rounded(value.im))
}

/// The chunk that holds `values`.
pub(super) fn pack<T: Pod>(values: &[T]) -> io::Result<Vec<u8>> {
    let bytes: &[u8] = bytemuck::cast_slice(values);
    let mut encoder = ZlibEncoder::new(Vec::with_capacity(bytes.len() / 2), Compression::new(LEVEL.into()));
    encoder.write_all(&shuffled(bytes, size_of::<T>()))?;
    encoder.finish()
}

/// The `count` values of a chunk, if it is whole.
pub(super) fn unpack<T: Pod + Zeroable>(chunk: &[u8], count: usize) -> Option<Vec<T>> {
    let width = size_of::<T>();
    let mut planes = vec![0; count.checked_mul(width)?];
    let mut zlib = Decompress::new(true);
    let status = zlib.decompress(chunk, &mut planes, FlushDecompress::Finish).ok()?;
    if status != Status::StreamEnd || zlib.total_out() != planes.len() as u64 {
        return None;
    }
    let mut values = vec![T::zeroed(); count];
    unshuffle(&planes, bytemuck::cast_slice_mut(&mut values), width);
    Some(values)
}

/// Reorders bytes: the first ones of all elements, then the second ones, and so on.
fn shuffled(bytes: &[u8], width: usize) -> Vec<u8> {
    let mut planes = Vec::with_capacity(bytes.len());
    for plane in 0..width {
        planes.extend(bytes.chunks_exact(width).map(|element| element[plane]));
    }
    planes
}

fn unshuffle(planes: &[u8], bytes: &mut [u8], width: usize) {
    let count = bytes.len() / width;
    for (index, plane) in planes.chunks_exact(count.max(1)).enumerate() {
        for (element, &byte) in bytes.chunks_exact_mut(width).zip(plane) {
            element[index] = byte;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounding_is_to_the_nearest_of_fourteen_bits() {
        let mut value = 1.1e-30f32;
        while value < 1e30 {
            // 2^-15, half of the last bit that stays.
            assert!((rounded(value) / value - 1.0).abs() <= 3.06e-5, "{value}");
            assert_eq!(rounded(-value), -rounded(value));
            assert_eq!(rounded(value).to_bits() & 0x1ff, 0);
            value *= 1.7;
        }
        assert_eq!(rounded(1.0 + 3.0 * 2f32.powi(-16)), 1.0 + 2f32.powi(-14));
        for same in [0.0, -0.0, 1.0, f32::INFINITY, f32::MAX, 2f32.powi(-149) * 512.0] {
            assert_eq!(rounded(same).to_bits(), same.to_bits());
        }
        assert!(rounded(f32::NAN).is_nan());
        assert_eq!(rounded(2f32.powi(-149) * 300.0), 2f32.powi(-149) * 512.0);
    }

    #[test]
    fn chunks_are_read_as_they_were_packed_or_not_at_all() {
        let values: Vec<Complex32> = (0..1000).map(|i| Complex32::new(i as f32, -0.5 * i as f32)).collect();
        let chunk = pack(&values).unwrap();
        assert!(chunk.len() < values.len() * 8 / 3);
        assert_eq!(unpack::<Complex32>(&chunk, 1000), Some(values));
        assert_eq!(unpack::<Complex32>(&chunk, 999), None);
        assert_eq!(unpack::<Complex32>(&chunk, 1001), None);
        assert_eq!(unpack::<Complex32>(&chunk[..chunk.len() - 1], 1000), None);
        let mut damaged = chunk;
        let middle = damaged.len() / 2;
        damaged[middle] ^= 1;
        assert_eq!(unpack::<Complex32>(&damaged, 1000), None);
    }
}
