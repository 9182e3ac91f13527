//! Which elements of a stored array make up the volume `(z, y, x)` that is read: axes of length 1
//! dropped, one volume of several selected, axes in another order, a region.

use crate::error::{Error, Result, shape_text};
use crate::volume::Shape;
use std::fmt;
use std::ops::Range;
use std::str::FromStr;

/// A box of a volume `(z, y, x)`, pixels.
pub type Region = [Range<usize>; 3];

/// The order in which a file stores the axes of its volume, slowest first: `zyx`, or `xyz` where it
/// was written reversed. The order of `y` and `x` holds for single frames too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AxisOrder([usize; 3]);

impl Default for AxisOrder {
    fn default() -> Self {
        AxisOrder([0, 1, 2])
    }
}

impl FromStr for AxisOrder {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let axes: Vec<usize> = text.to_lowercase().chars().filter_map(|axis| "zyx".find(axis)).collect();
        match <[usize; 3]>::try_from(axes) {
            Ok([a, b, c]) if text.len() == 3 && a != b && b != c && a != c => Ok(AxisOrder([a, b, c])),
            _ => Err(Error::setting("axes", text, "write z, y and x in the order of the file, as in zyx or xyz")),
        }
    }
}

impl fmt::Display for AxisOrder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|&axis| write!(f, "{}", ["z", "y", "x"][axis]))
    }
}

/// A view of a stored array as a volume.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct View {
    /// The stored axis behind each of `(z, y, x)`; none for the `z` of a single frame.
    pub axes: [Option<usize>; 3],
    /// For each stored axis the index where it is not one of `axes`.
    pub index: Vec<usize>,
    /// Extents `(z, y, x)` of the whole volume.
    pub whole: Shape,
    /// The part of it that is read.
    pub region: Region,
}

impl View {
    /// The view of an array with extents `stored`, with `index` into its first axes, or what is
    /// wrong with it.
    pub fn new(stored: &[usize], index: &[usize], order: AxisOrder) -> Result<Self, String> {
        let text = shape_text(stored);
        if stored.contains(&0) {
            return Err(format!("is empty ({text})"));
        }
        if index.len() > stored.len() || index.iter().zip(stored).any(|(i, n)| i >= n) {
            let index = index.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
            return Err(format!("is {text}: [{index}] is outside of it (the first index is 0)"));
        }
        let rest: Vec<usize> = (index.len()..stored.len()).collect();
        let mut kept: Vec<usize> = rest.iter().copied().filter(|&axis| stored[axis] > 1).collect();
        if kept.len() < 2 {
            kept = rest[rest.len().saturating_sub(3)..].to_vec();
        }
        let axes = match kept[..] {
            [] => return Err("is a single number: 2D or 3D data are needed".into()),
            [_] => return Err(format!("is one-dimensional ({text} numbers): 2D or 3D data are needed")),
            [first, second] if order.0.iter().position(|&a| a == 1) < order.0.iter().position(|&a| a == 2) => {
                [None, Some(first), Some(second)]
            }
            [first, second] => [None, Some(second), Some(first)],
            [_, _, _] => {
                let mut axes = [None; 3];
                order.0.iter().zip(&kept).for_each(|(&axis, &stored)| axes[axis] = Some(stored));
                axes
            }
            _ => {
                let problem = "2D or 3D data are needed, select one volume by its index, [0] after the path inside";
                return Err(format!("is {}-dimensional ({text}): {problem}", stored.len()));
            }
        };
        let mut all = index.to_vec();
        all.resize(stored.len(), 0);
        let whole: Shape = axes.map(|axis| axis.map_or(1, |axis| stored[axis]));
        Ok(View { axes, index: all, whole, region: whole.map(|n| 0..n) })
    }

    /// All of an array that is stored `(z, y, x)`.
    pub fn frames(shape: Shape) -> Self {
        View { axes: [Some(0), Some(1), Some(2)], index: vec![0; 3], whole: shape, region: shape.map(|n| 0..n) }
    }

    /// Extents of the part that is read.
    pub fn shape(&self) -> Shape {
        [0, 1, 2].map(|a| self.region[a].len())
    }

    /// The range of each stored axis that is read.
    pub fn stored_ranges(&self) -> Vec<Range<usize>> {
        let mut ranges: Vec<Range<usize>> = self.index.iter().map(|&i| i..i + 1).collect();
        for (axis, range) in self.axes.iter().zip(&self.region) {
            if let Some(axis) = axis {
                ranges[*axis] = range.clone();
            }
        }
        ranges
    }

    /// The box of the volume that a box of the stored array covers; none where the volume holds
    /// nothing of it.
    pub fn region_of(&self, stored: &[Range<usize>]) -> Option<Region> {
        let used: Vec<usize> = self.axes.iter().flatten().copied().collect();
        let inside = |(axis, range): (usize, &Range<usize>)| used.contains(&axis) || range.contains(&self.index[axis]);
        if stored.len() != self.index.len() || !stored.iter().enumerate().all(inside) {
            return None;
        }
        let region: Region = [0, 1, 2]
            .map(|a| self.axes[a].map_or(0..1, |axis| stored[axis].start..stored[axis].end.min(self.whole[a])));
        region.iter().all(|range| !range.is_empty()).then_some(region)
    }
}

/// What two boxes have in common, from the first pixel of `region`; none where they have nothing.
pub(super) fn within(at: &Region, region: &Region) -> Option<Region> {
    let common: Region = [0, 1, 2].map(|a| {
        let start = at[a].start.max(region[a].start);
        let end = at[a].end.min(region[a].end).max(start);
        start - region[a].start..end - region[a].start
    });
    common.iter().all(|range| !range.is_empty()).then_some(common)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(stored: &[usize]) -> Result<Shape, String> {
        View::new(stored, &[], AxisOrder::default()).map(|view| view.whole)
    }

    #[test]
    fn axes_of_length_one_are_dropped_anywhere() {
        for (stored, expected) in [
            (&[4, 5][..], [1, 4, 5]),
            (&[1, 4, 5][..], [1, 4, 5]),
            (&[1, 1, 3, 4, 5][..], [3, 4, 5]),
            (&[3, 1, 4, 5][..], [3, 4, 5]),
            (&[3, 4, 5, 1][..], [3, 4, 5]),
            (&[4, 5, 1][..], [1, 4, 5]),
            (&[1, 1, 1, 5][..], [1, 1, 5]),
        ] {
            assert_eq!(shape(stored), Ok(expected), "{stored:?}");
        }
        for (stored, message) in [
            (&[][..], "is a single number: 2D or 3D data are needed"),
            (&[7][..], "is one-dimensional (7 numbers): 2D or 3D data are needed"),
            (
                &[2, 3, 4, 5][..],
                "is 4-dimensional (2x3x4x5): 2D or 3D data are needed, select one volume by its index, [0] after the path \
                 inside",
            ),
            (&[0, 4][..], "is empty (0x4)"),
        ] {
            assert_eq!(shape(stored), Err(message.into()));
        }
    }

    #[test]
    fn an_index_selects_one_volume_and_an_order_turns_it() {
        let view = View::new(&[2, 3, 4, 5], &[1], AxisOrder::default()).unwrap();
        assert_eq!((view.whole, view.stored_ranges()), ([3, 4, 5], vec![1..2, 0..3, 0..4, 0..5]));
        assert_eq!(view.region_of(&[0..1, 0..3, 0..4, 0..5]), None);
        assert_eq!(view.region_of(&[0..2, 1..2, 0..4, 2..9]), Some([1..2, 0..4, 2..5]));
        assert!(View::new(&[2, 3, 4, 5], &[2], AxisOrder::default()).unwrap_err().contains("[2] is outside"));
        let reversed: AxisOrder = "xyz".parse().unwrap();
        assert_eq!(View::new(&[3, 4, 5], &[], reversed).unwrap().whole, [5, 4, 3]);
        assert_eq!(View::new(&[4, 5], &[], reversed).unwrap().whole, [1, 5, 4]);
        assert_eq!(reversed.to_string(), "xyz");
        assert!("xyy".parse::<AxisOrder>().is_err());
    }
}
