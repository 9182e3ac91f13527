//! What is known of a Fourier modulus, in four bytes a pixel: nearly all pixels are measured or
//! free, and only those with an estimate need two numbers.

use crate::fft::{ColumnOrder, Fft};
use crate::pixels::Interval;
use crate::volume::Shape;

/// The entry of one pixel in [`Bounds`]: a measured modulus as it is, or, with the sign bit set,
/// the place of its interval in a table, or [`Bound::FREE`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(transparent)]
pub struct Bound(u32);

impl Default for Bound {
    fn default() -> Self {
        Bound::FREE
    }
}

const SIGN: u32 = Bound::SIGN;

impl Bound {
    /// Bit that is set in all entries but those of measured pixels.
    pub const SIGN: u32 = 1 << 31;
    /// Entry of a pixel of which nothing is known.
    pub const FREE: Bound = Bound(u32::MAX);

    /// Returns whether the pixel was measured.
    #[inline(always)]
    pub fn is_measured(self) -> bool {
        self.0 < SIGN
    }

    /// Measured modulus; meaningless for all other pixels.
    #[inline(always)]
    pub fn modulus(self) -> f32 {
        f32::from_bits(self.0)
    }

    /// Place of its interval in the table, if the pixel has an estimate.
    #[inline(always)]
    pub fn place(self) -> Option<usize> {
        (self.is_estimated()).then_some((self.0 ^ SIGN) as usize)
    }

    /// Returns whether the pixel has an estimate.
    #[inline(always)]
    pub fn is_estimated(self) -> bool {
        !self.is_measured() & (self.0 != u32::MAX)
    }
}

/// The bounds of all pixels of a pattern.
#[derive(Debug, Clone, Default)]
pub struct Bounds {
    /// Entries in the order in which a cycle comes to them.
    entries: Vec<Bound>,
    order: ColumnOrder,
    /// Smallest and largest modulus of the pixels with an estimate.
    table: Vec<[f32; 2]>,
}

impl Bounds {
    /// The bounds of a pattern of this shape of which nothing is known yet.
    pub fn free(shape: Shape) -> Self {
        Bounds { entries: vec![Bound::FREE; shape.iter().product()], order: Fft::columns(shape), table: Vec::new() }
    }

    /// Enters a measured modulus; `index` counts in C order with zero frequency at index 0.
    pub fn set_measured(&mut self, index: usize, modulus: f32) {
        // No sign: a modulus is not negative, and -0 would be taken for an estimate.
        self.entries[self.order.place(index)] = Bound(modulus.abs().to_bits());
    }

    /// Enters an interval for the modulus of a pixel that was not measured.
    pub fn set_estimated(&mut self, index: usize, interval: Interval) {
        if interval.hi < f32::INFINITY || interval.lo > 0.0 {
            self.entries[self.order.place(index)] = Bound(SIGN | self.table.len() as u32);
            self.table.push([interval.lo, interval.hi]);
        }
    }

    /// Number of pixels.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Returns whether there are no pixels.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// All entries, in the order of [`Fft::columns`].
    pub fn in_columns(&self) -> &[Bound] {
        &self.entries
    }

    /// The entry of the pixel with this number in C order.
    pub fn at(&self, index: usize) -> Bound {
        self.entries[self.order.place(index)]
    }

    /// Smallest and largest modulus of a pixel: the same twice if it was measured, 0 and infinity
    /// if it is free.
    #[inline(always)]
    pub fn interval(&self, bound: Bound) -> [f32; 2] {
        match bound.place() {
            Some(place) => self.table[place],
            None if bound.is_measured() => [bound.modulus(); 2],
            None => [0.0, f32::INFINITY],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_give_back_what_was_put_in() {
        let mut bounds = Bounds::free([1, 2, 3]);
        bounds.set_measured(0, -0.0);
        bounds.set_measured(1, 3.5);
        bounds.set_estimated(2, Interval::FREE);
        bounds.set_estimated(3, Interval { lo: 1.0, hi: 2.0 });
        bounds.set_estimated(4, Interval { lo: 0.0, hi: 2.0 });
        bounds.set_estimated(5, Interval { lo: 1.0, hi: f32::INFINITY });
        let intervals: Vec<[f32; 2]> = (0..6).map(|i| bounds.interval(bounds.at(i))).collect();
        let inf = f32::INFINITY;
        assert_eq!(intervals, [[0.0, 0.0], [3.5, 3.5], [0.0, inf], [1.0, 2.0], [0.0, 2.0], [1.0, inf]]);
        let measured: Vec<bool> = (0..6).map(|i| bounds.at(i).is_measured()).collect();
        assert_eq!(measured, [true, true, false, false, false, false]);
        assert_eq!(bounds.at(2), Bound::FREE);
    }
}
