//! How much memory phasing takes, said before it is spent.

use super::recipe::{Recipe, Step};
use super::rules::Algorithm;
use crate::error::{Error, Result, shape_text};
use crate::volume::Shape;

/// Bytes a voxel that the command holds beside the backend: the pattern (intensity 4, mask 4), an estimate (13), and its copy
/// while phasing starts.
const PATTERN: u64 = 4 + 4 + 13 + 8;

/// Bytes a voxel of the problem: an entry of four, and eight more for each estimate, of which there are a quarter at most.
const PROBLEM: u64 = 4 + 2;

/// Bytes a voxel of one complex array.
const COMPLEX: u64 = 8;

/// Bytes a voxel of a kept run: object, first and last support.
const KEPT: u64 = COMPLEX + 2;

/// Estimated peak in bytes of phasing a pattern of this shape on the CPU with `lanes` runs side by side, and keeping `keep` runs.
pub fn estimate(shape: Shape, recipe: &Recipe, lanes: usize, keep: usize) -> u64 {
    let n: u64 = shape.iter().map(|&n| n as u64).product();
    let steps = recipe.unrolled();
    let extra = if steps.iter().any(|s| matches!(s, Step::MaximumLikelihood(_))) {
        4 * COMPLEX
    } else if steps.iter().any(|s| matches!(s, Step::Cycles(Algorithm::Dm, _) | Step::Detwin(Algorithm::Dm, _))) {
        COMPLEX
    } else {
        // Start object and support of a run, then density, candidates of a retuned threshold and the new support.
        COMPLEX + 1 + 4 + 4 + 1
    };
    // Object, projection, support. At the end, when the backend is gone: registration, then the result file, which is put
    // together in memory (object, support, pattern, and every kept run and mode).
    let backend = PROBLEM + lanes as u64 * (2 * COMPLEX + 1 + extra);
    let ending = 4 * COMPLEX + 3 * keep as u64 * COMPLEX;
    n * (PATTERN + keep as u64 * KEPT + backend.max(ending))
}

/// Bytes that this process may use: the machine's available memory or the control group's limit, whichever is less.
pub fn available() -> u64 {
    let mut system = sysinfo::System::new();
    system.refresh_memory();
    let machine = system.available_memory();
    match system.cgroup_limits() {
        Some(limits) if limits.free_memory > 0 => machine.min(limits.free_memory),
        _ => machine,
    }
}

/// The estimate, if it fits.
///
/// # Errors
/// [`Error::Memory`] with what would fit.
pub fn check(shape: Shape, recipe: &Recipe, lanes: usize, keep: usize, available: u64) -> Result<u64> {
    let needed = estimate(shape, recipe, lanes, keep);
    if needed <= available {
        return Ok(needed);
    }
    let text = shape_text(&shape);
    let remedy = if estimate(shape, recipe, lanes, 1) <= available {
        format!("{text} with {keep} kept runs is too large: give a smaller --nb-run-keep")
    } else {
        // Halve the longest axes until it fits.
        let mut smaller = shape;
        let mut bin = [1usize; 3];
        while estimate(smaller, recipe, lanes, 1) > available && smaller.iter().any(|&n| n > 16) {
            let axis = (0..3).max_by_key(|&a| smaller[a]).unwrap_or(0);
            smaller[axis] /= 2;
            bin[axis] *= 2;
        }
        let words = |v: [usize; 3]| v.map(|n| n.to_string()).join(" ");
        format!("{text} is too large: --rebin {} or --max-size {} would fit", words(bin), words(smaller))
    };
    Err(Error::Memory { needed, available, remedy })
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
        assert!(error.contains("--rebin 1 1 2") || error.contains("--rebin 2 1 1"), "{error}");
        assert!(check(shape, &recipe, 1, 10, needed).unwrap_err().to_string().contains("--nb-run-keep"));
    }
}
