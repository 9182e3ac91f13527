//! Counts, windows and pixels as messages have them.

use crate::volume::Shape;
use std::ops::Range;

/// `12 hot pixels`, `1 hot pixel`.
pub(super) fn counted(n: usize, noun: &str) -> String {
    format!("{n} {noun}{}", if n == 1 { "" } else { "s" })
}

/// `10:50, 3:99`, as users write it.
pub(super) fn window_text(window: &[Range<usize>; 3]) -> String {
    window.iter().map(|range| format!("{}:{}", range.start, range.end)).collect::<Vec<_>>().join(", ")
}

/// A pixel without the leading 0 of 2D data.
pub(super) fn trimmed_text(pixel: [usize; 3], shape: Shape) -> String {
    let pixel = if shape[0] == 1 { &pixel[1..] } else { &pixel[..] };
    format!("({})", pixel.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "))
}
