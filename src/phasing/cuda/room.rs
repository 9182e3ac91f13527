//! How much of a card's memory phasing takes, and how many runs have room.

use crate::error::bytes_text;
use crate::phasing::recipe::{Recipe, Step};
use crate::phasing::rules::Algorithm;

/// Most runs in a batch: beyond, a card is full long before.
const MOST_LANES: usize = 256;

/// What a recipe needs beside the arrays that every cycle needs.
#[derive(Debug, Clone, Copy, Default)]
pub struct Needs {
    pub difference_map: bool,
    pub gradients: bool,
}

impl Needs {
    pub fn of(recipe: &Recipe) -> Needs {
        let steps = recipe.unrolled();
        let any = |what: &dyn Fn(&Step) -> bool| steps.iter().any(|step| what(step));
        Needs {
            difference_map: any(&|s| matches!(s, Step::Cycles(Algorithm::Dm, _) | Step::Detwin(Algorithm::Dm, _))),
            gradients: any(&|s| matches!(s, Step::MaximumLikelihood(_))),
        }
    }

    /// Bytes a voxel of one run: object, values, density, support, and what the recipe adds.
    pub fn bytes(self) -> u64 {
        8 + 8 + 4 + 1 + if self.difference_map { 8 } else { 0 } + if self.gradients { 4 * 8 } else { 0 }
    }
}

/// Bytes a voxel that all runs share, and bytes that the driver and small arrays take.
pub const SHARED: u64 = 4;
const SMALL: u64 = 64 << 20;

/// How much of what is free may be used: the driver and other programs need some.
const PART: f64 = 0.92;

/// How many of `count` runs of `pixels` pixels the memory of card `ordinal`, of which `free` bytes are left, holds at a time.
/// `each` is what one of them takes, bytes a pixel.
///
/// # Errors
/// What is missing and what would fit, if not even one has room.
pub fn size_for(ordinal: usize, free: u64, pixels: usize, each: u64, count: usize) -> Result<usize, String> {
    let (free, pixels) = ((free as f64 * PART) as u64, pixels as u64);
    let shared = SMALL + SHARED * pixels;
    let lanes = free.saturating_sub(shared) / (each * pixels);
    if lanes > 0 {
        return Ok((lanes as usize).min(count.max(1)).min(MOST_LANES));
    }
    let needed = shared + each * pixels;
    let factor = (needed as f64 / free.max(1) as f64).cbrt().ceil().max(2.0);
    let (needed, free) = (bytes_text(needed), bytes_text(free));
    Err(format!(
        "needs about {needed} of the memory of GPU {ordinal}, {free} are free: --rebin {factor:.0} or a smaller --max-size would fit"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_card_of_80_gb_holds_1024_cubed() {
        let needs = Needs::of(&"(Sup*HIO**50)**4,ER**50".parse().unwrap());
        let pixels = 1024 * 1024 * 1024;
        // With cuFFT, which works on a copy.
        assert_eq!(size_for(0, 79_000_000_000, pixels, needs.bytes() + 8, 64), Ok(2));
        assert!(size_for(0, 20_000_000_000, pixels, needs.bytes(), 1).unwrap_err().contains("--rebin 2"));
        assert_eq!(size_for(0, 79_000_000_000, 256 * 256, needs.bytes(), 64), Ok(64));
    }
}
