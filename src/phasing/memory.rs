//! Estimates of the memory that phasing takes, made before it is spent: on the machine and, for
//! runs on a GPU, on that.

use super::recipe::{Recipe, Step};
use super::rules::Algorithm;
#[cfg(feature = "cuda")]
use crate::error::bytes_text;
use crate::error::{Error, Result, shape_text};
pub use crate::limits::available;
use crate::volume::Shape;

/// Bytes a voxel beside the backend: the pattern (intensity 4, mask 4), an estimate (13), and its
/// copy while phasing starts.
const PATTERN: u64 = 4 + 4 + 13 + 8;

/// Bytes a voxel of the problem: an entry of four, and eight more for each estimate, of which there
/// are a quarter at most.
const PROBLEM: u64 = 4 + 2;

/// Bytes a voxel of one complex array.
const COMPLEX: u64 = 8;

/// Bytes a voxel of a kept run: object, first and last support.
const KEPT: u64 = COMPLEX + 2;

/// The arrays that a recipe needs beside those of every cycle.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Needs {
    /// Whether it has cycles of the difference map.
    pub difference_map: bool,
    /// Whether it has steps of conjugate gradients.
    pub gradients: bool,
    /// Whether it switches the PSF on.
    pub psf: bool,
}

impl Needs {
    /// The needs of this recipe.
    pub fn of(recipe: &Recipe) -> Needs {
        let steps = recipe.unrolled();
        let any = |what: &dyn Fn(&Step) -> bool| steps.iter().any(|step| what(step));
        Needs {
            difference_map: any(&|s| matches!(s, Step::Cycles(Algorithm::Dm, _) | Step::Detwin(Algorithm::Dm, _))),
            gradients: any(&|s| matches!(s, Step::MaximumLikelihood(_))),
            psf: recipe.has_psf(),
        }
    }

    /// Bytes a voxel of the blur of one run: intensities and scratch, and what conjugate gradients
    /// keep of three kinds of them.
    fn psf_bytes(self) -> u64 {
        match (self.psf, self.gradients) {
            (false, _) => 0,
            (true, false) => 2 * 4,
            (true, true) => 5 * 4,
        }
    }
}

/// Estimates the peak in bytes of phasing a pattern of this shape on the CPU, with `batch_size`
/// runs side by side and keeping `keep` runs.
pub fn estimate(shape: Shape, recipe: &Recipe, batch_size: usize, keep: usize) -> u64 {
    let n: u64 = shape.iter().map(|&n| n as u64).product();
    let needs = Needs::of(recipe);
    let extra = if needs.gradients {
        4 * COMPLEX
    } else if needs.difference_map {
        COMPLEX
    } else {
        // Start object and support of a run, then density, candidates of a retuned threshold and
        // the new support.
        COMPLEX + 1 + 4 + 4 + 1
    };
    // Object, projection, support. At the end, when the backend is gone: registration, then the
    // result file, which is put together in memory (object, support, pattern, and every kept run
    // and mode).
    let backend = PROBLEM + batch_size as u64 * (2 * COMPLEX + 1 + extra + needs.psf_bytes());
    let ending = 4 * COMPLEX + 3 * keep as u64 * COMPLEX;
    n * (PATTERN + keep as u64 * KEPT + backend.max(ending))
}

/// Returns the estimate, if it fits into `available` bytes.
///
/// # Errors
/// [`Error::Memory`], which says what would fit.
pub fn check(shape: Shape, recipe: &Recipe, batch_size: usize, keep: usize, available: u64) -> Result<u64> {
    let needed = estimate(shape, recipe, batch_size, keep);
    if needed <= available {
        return Ok(needed);
    }
    let text = shape_text(&shape);
    let remedy = if estimate(shape, recipe, batch_size, 1) <= available {
        format!("{text} with {keep} kept runs is too large: give a smaller nb-run-keep")
    } else {
        // Halve the longest axes until it fits.
        let mut smaller = shape;
        let mut bin = [1usize; 3];
        while estimate(smaller, recipe, batch_size, 1) > available && smaller.iter().any(|&n| n > 16) {
            let axis = (0..3).max_by_key(|&a| smaller[a]).unwrap_or(0);
            smaller[axis] /= 2;
            bin[axis] *= 2;
        }
        let words = |v: [usize; 3]| v.map(|n| n.to_string()).join(",");
        format!("{text} is too large: rebin = {} or max-size = {} would fit", words(bin), words(smaller))
    };
    Err(Error::Memory { needed, available, remedy })
}

/// Memory on a GPU.
#[cfg(feature = "cuda")]
pub(crate) mod gpu {
    use super::{COMPLEX, Needs, bytes_text};

    /// Most runs in a batch: beyond, a GPU is full long before.
    const MOST_RUNS: usize = 256;

    /// Bytes a voxel that all runs share: the entries of the bounds.
    pub const SHARED: u64 = 4;

    /// Bytes that the driver and small arrays take.
    const SMALL: u64 = 64 << 20;

    /// Fraction of the free memory that may be used: the driver and other programs need some.
    const USABLE: f64 = 0.92;

    /// Bytes a voxel of one run: object, values, density, support, and what the recipe adds.
    pub fn bytes_of_run(needs: Needs) -> u64 {
        let second = if needs.difference_map { COMPLEX } else { 0 };
        let gradients = if needs.gradients { 4 * COMPLEX } else { 0 };
        2 * COMPLEX + 4 + 1 + second + gradients + needs.psf_bytes()
    }

    /// The number of `count` runs of `pixels` pixels that GPU `ordinal` with `free` bytes of free
    /// memory holds at a time, if one of them takes `each` bytes a pixel.
    ///
    /// # Errors
    /// What is missing and what would fit, if it does not hold even one.
    pub fn batch_size(ordinal: usize, free: u64, pixels: usize, each: u64, count: usize) -> Result<usize, String> {
        let (free, pixels) = ((free as f64 * USABLE) as u64, pixels as u64);
        let shared = SMALL + SHARED * pixels;
        let runs = free.saturating_sub(shared) / (each * pixels);
        if runs > 0 {
            return Ok((runs as usize).min(count.max(1)).min(MOST_RUNS));
        }
        let needed = shared + each * pixels;
        let factor = (needed as f64 / free.max(1) as f64).cbrt().ceil().max(2.0);
        let (needed, free) = (bytes_text(needed), bytes_text(free));
        Err(format!(
            "needs about {needed} of the memory of GPU {ordinal}, {free} are free: rebin = {factor:.0} or a \
             smaller max-size would fit"
        ))
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn a_gpu_of_80_gb_holds_1024_cubed() {
            let each = bytes_of_run(Needs::of(&"(Sup*HIO**50)**4,ER**50".parse().unwrap()));
            let pixels = 1024 * 1024 * 1024;
            // With cuFFT, which works on a copy.
            assert_eq!(batch_size(0, 79_000_000_000, pixels, each + 8, 64), Ok(2));
            assert!(batch_size(0, 20_000_000_000, pixels, each, 1).unwrap_err().contains("rebin = 2 "));
            assert_eq!(batch_size(0, 79_000_000_000, 256 * 256, each, 64), Ok(64));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_that_is_too_large_says_what_fits() {
        let recipe: Recipe = "ER**2".parse().unwrap();
        let shape = [512, 512, 512];
        let needed = estimate(shape, &recipe, 1, 1);
        assert_eq!(check(shape, &recipe, 1, 1, needed).unwrap(), needed);
        let error = check(shape, &recipe, 1, 1, needed - 1).unwrap_err().to_string();
        assert!(error.contains("rebin = 1,1,2 ") || error.contains("rebin = 2,1,1 "), "{error}");
        assert!(check(shape, &recipe, 1, 10, needed).unwrap_err().to_string().contains("a smaller nb-run-keep"));
    }
}
