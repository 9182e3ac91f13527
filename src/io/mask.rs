//! Masks as files keep them: what their values mean, and how they are placed on the data.

use super::array::RawArray;
use super::view::{Region, View};
use crate::error::{Error, Result};
use crate::pixels::{bit, trimmed};
use crate::volume::{Centered, Shape};

/// What the values of a mask mean; zero is always a good pixel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MaskConvention {
    /// Anything but zero is bad; bits are kept if some value is neither 0, 1 nor the type's
    /// maximum.
    Flags,
    /// CXI bits.
    Cxi,
    /// NeXus and Eiger `pixel_mask` bits.
    Nexus,
}

/// CXI mask bits of the part of `stored` that `view` names.
pub(super) fn bits(stored: &RawArray, view: &View, convention: MaskConvention) -> Result<Centered<u32>> {
    let element = stored.element;
    let values = stored.to_f64(view)?;
    // 255 is how image editors write "true".
    let plain = |value: f64| value == 0.0 || value == 1.0 || Some(value) == element.maximum();
    let flags = match convention {
        MaskConvention::Flags => !element.is_integer() || values.as_slice().iter().all(|&value| plain(value)),
        MaskConvention::Cxi | MaskConvention::Nexus => !element.is_integer(),
    };
    Ok(values.map(|&value| match value {
        0.0 => 0,
        _ if flags || !(0.0..=f64::from(u32::MAX)).contains(&value) => bit::BAD,
        _ if convention == MaskConvention::Nexus => from_nexus(value as u32),
        _ => value as u32,
    }))
}

/// All of `stored`, as CXI mask bits.
pub(super) fn whole(stored: &RawArray, convention: MaskConvention) -> Result<Centered<u32>> {
    bits(stored, &stored.whole()?, convention)
}

/// numpy writes "nothing is masked" as a single False.
pub(super) fn is_nothing(stored: &RawArray) -> Result<bool> {
    Ok(stored.shape.is_empty() && stored.all()?.iter().all(|&byte| byte == 0))
}

/// NeXus NXdetector `pixel_mask`: bit 0 no sensor, 1 dead, 2 under- and 3 over-responding, 4 noisy,
/// 6 in a cluster, 8 user-defined.
fn from_nexus(bits: u32) -> u32 {
    let known = [(0x1, bit::MISSING), (0x2, bit::DEAD), (0x8, bit::HOT)];
    let mapped = known.iter().filter(|(nexus, _)| bits & nexus != 0).fold(0, |sum, (_, cxi)| sum | cxi);
    if bits & !0xb != 0 { mapped | bit::BAD } else { mapped }
}

/// Where the data are that a mask, a support or another array goes with.
#[derive(Debug, Clone)]
pub(super) struct Frame {
    /// Extents of the data as they are stored, and the index into their first axes.
    pub stored: Vec<usize>,
    pub index: Vec<usize>,
    /// Extents `(z, y, x)` of the whole stack of the file.
    pub stack: Shape,
    /// The part of it that is read.
    pub region: Region,
    /// First row and column of the stack's frames in those of the whole detector, where known.
    pub offset: Option<[usize; 2]>,
}

impl Frame {
    /// The view of `stored` that covers the region: of the whole stack, of one frame of it, or of
    /// the whole detector.
    pub fn view(&self, stored: &RawArray, order: super::view::AxisOrder) -> Result<View, Misfit> {
        let index = if stored.shape == self.stored { &self.index[..] } else { &[] };
        let mut view = View::new(&stored.shape, index, order).map_err(Misfit::Unusable)?;
        let [rows, columns] = [self.region[1].clone(), self.region[2].clone()];
        let (found, stack) = (view.whole, self.stack);
        let frames = match found[0] {
            n if n == stack[0] => self.region[0].clone(),
            1 => 0..1,
            _ => return Err(Misfit::Shape(found)),
        };
        let [y, x] = match self.offset {
            _ if found[1..] == stack[1..] => [0, 0],
            Some([y, x]) if y + stack[1] <= found[1] && x + stack[2] <= found[2] => [y, x],
            _ => return Err(Misfit::Shape(found)),
        };
        view.region = [frames, rows.start + y..rows.end + y, columns.start + x..columns.end + x];
        Ok(view)
    }

    /// The error for a mask of another shape, with what would make it fit.
    pub fn misfit(&self, what: String, found: Shape, escape: &str) -> Error {
        let stack = self.stack;
        let larger = found[1] >= stack[1] && found[2] >= stack[2];
        let remedy = if found[1..] == stack[1..] {
            format!("give a mask of one frame, or of all {} frames, or {escape}", stack[0])
        } else if found[1..] == [stack[2], stack[1]] {
            format!("its rows and columns are exchanged, give a mask that is not transposed, or {escape}")
        } else if larger && found[0] == 1 {
            format!(
                "if it covers the whole detector, give the first row and column of the data in it as mask-offset, or {escape}"
            )
        } else {
            escape.into()
        };
        Error::Shape { what, found: trimmed(found), expected: trimmed(stack), remedy }
    }
}

/// Why an array does not go with the data.
#[derive(Debug)]
pub(super) enum Misfit {
    /// It is no volume.
    Unusable(String),
    /// Its extents are others.
    Shape(Shape),
}

/// One 2D frame repeated along z, anything else as it is.
pub(super) fn repeated<T: Clone>(array: Centered<T>, frames: usize) -> Centered<T> {
    let [z, y, x] = array.shape();
    if z != 1 || frames == 1 {
        return array;
    }
    match array.0.broadcast([frames, y, x]) {
        Some(view) => Centered(view.as_standard_layout().into_owned()),
        None => array,
    }
}

#[cfg(test)]
mod tests {
    use super::super::element::{Element, Kind};
    use super::super::view::AxisOrder;
    use super::*;

    fn bytes(shape: &[usize], values: &[u8], kind: Kind) -> RawArray {
        RawArray::from_bytes("test".into(), shape.to_vec(), Element::new(kind, 1, false), values.to_vec())
    }

    #[test]
    fn masks_keep_their_bits_and_flags_become_bad() {
        let mask = |values: &[u8], convention| {
            whole(&bytes(&[1, values.len()], values, Kind::Unsigned), convention).unwrap().as_slice().to_vec()
        };
        assert_eq!(mask(&[0, 1, 255], MaskConvention::Flags), [0, bit::BAD, bit::BAD]);
        assert_eq!(mask(&[0, 1, 0x10], MaskConvention::Flags), [0, 1, 0x10]);
        assert_eq!(mask(&[0, 1, 1], MaskConvention::Cxi), [0, 1, 1]);
        assert_eq!(mask(&[0, 1, 8], MaskConvention::Nexus), [0, bit::MISSING, bit::HOT]);
        let negative = bytes(&[1, 2], &[0xff, 0], Kind::Signed);
        assert_eq!(whole(&negative, MaskConvention::Cxi).unwrap().as_slice(), [bit::BAD, 0]);
    }

    #[test]
    fn masks_are_placed_on_the_region_that_is_read() {
        let frame = |offset| Frame {
            stored: vec![2, 3, 3],
            index: vec![],
            stack: [2, 3, 3],
            region: [0..2, 1..3, 0..2],
            offset,
        };
        let values: Vec<u8> = (0..30).collect();
        let detector = bytes(&[5, 6], &values, Kind::Unsigned);
        let view = frame(Some([1, 2])).view(&detector, AxisOrder::default()).unwrap();
        let cut = bits(&detector, &view, MaskConvention::Cxi).unwrap();
        assert_eq!(repeated(cut, 2).as_slice(), [14, 15, 20, 21, 14, 15, 20, 21]);
        assert!(matches!(frame(None).view(&detector, AxisOrder::default()), Err(Misfit::Shape([1, 5, 6]))));
        assert!(matches!(frame(Some([3, 0])).view(&detector, AxisOrder::default()), Err(Misfit::Shape(_))));
        let remedy = frame(None).misfit("mask".into(), [1, 5, 6], "leave it out").to_string();
        assert!(remedy.contains("mask-offset"), "{remedy}");
        let remedy = frame(None).misfit("mask".into(), [3, 3, 3], "leave it out").to_string();
        assert!(remedy.ends_with("give a mask of one frame, or of all 2 frames, or leave it out"), "{remedy}");
    }
}
