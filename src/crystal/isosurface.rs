//! Where a crystal ends: a surface of equal modulus.

use crate::error::{Error, Result};
use crate::volume::{Centered, Shape};
use num_complex::Complex32;

/// Bins of the histogram, from zero to the largest modulus.
const BINS: usize = 64;

/// Moduli below this part of the largest are not the bulk's.
const LOW: f64 = 0.2;

/// Largest and smallest part of the bulk's modulus at which a surface is put.
const LIMITS: [f64; 2] = [0.3, 0.6];

/// A surface of equal modulus.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Isosurface {
    /// Modulus at the surface.
    pub modulus: f32,
    /// Most frequent modulus in the bulk.
    pub bulk: f32,
}

/// Finds the surface: at `level` times the modulus of the bulk, or where the histogram of the bulk
/// ends, which is three standard deviations below its mode, the deviation being that of its upper
/// half width at half the maximum, and between 0.3 and 0.6 of the mode.
///
/// # Errors
/// [`Error::Object`] for an object that is empty inside its support.
pub fn isosurface(object: &Centered<Complex32>, support: &Centered<bool>, level: Option<f64>) -> Result<Isosurface> {
    let inside = object.as_slice().iter().zip(support.as_slice()).filter(|(_, inside)| **inside);
    let moduli: Vec<f32> = inside.map(|(value, _)| value.norm()).filter(|modulus| modulus.is_finite()).collect();
    let largest = moduli.iter().copied().fold(0.0f32, f32::max);
    if largest <= 0.0 {
        return Err(Error::Object("the object is empty inside its support: nothing has a surface".into()));
    }
    let mut counts = [0.0f64; BINS];
    for modulus in moduli {
        counts[((modulus / largest * BINS as f32) as usize).min(BINS - 1)] += 1.0;
    }
    // Over three bins, so that a small crystal has one mode.
    let smooth: Vec<f64> =
        (0..BINS).map(|i| (i.saturating_sub(1)..(i + 2).min(BINS)).map(|j| counts[j]).sum::<f64>()).collect();
    let first = (LOW * BINS as f64) as usize;
    let mode = (first..BINS).max_by(|&a, &b| smooth[a].total_cmp(&smooth[b])).unwrap_or(first);
    let half = (mode..BINS).find(|&i| smooth[i] < 0.5 * smooth[mode]).unwrap_or(BINS);
    // Half width at half maximum over sqrt(2 ln 2).
    let deviation = (half - mode) as f64 / 1.177;
    let centre = mode as f64 + 0.5;
    let part = level.unwrap_or(((centre - 3.0 * deviation) / centre).clamp(LIMITS[0], LIMITS[1]));
    let bulk = (centre / BINS as f64) as f32 * largest;
    Ok(Isosurface { modulus: part as f32 * bulk, bulk })
}

/// The largest piece of the voxels inside the support whose modulus is at least this, connected by
/// faces.
pub(super) fn largest(object: &Centered<Complex32>, support: &Centered<bool>, modulus: f32) -> Centered<bool> {
    let shape = object.shape();
    let solid: Vec<bool> = object
        .as_slice()
        .iter()
        .zip(support.as_slice())
        .map(|(value, &inside)| inside && value.norm() >= modulus)
        .collect();
    let mut piece = vec![0u32; solid.len()];
    let (mut number, mut best) = (0, (0, 0));
    for start in 0..solid.len() {
        if !solid[start] || piece[start] != 0 {
            continue;
        }
        number += 1;
        let (mut stack, mut size) = (vec![start], 0usize);
        piece[start] = number;
        while let Some(index) = stack.pop() {
            size += 1;
            for next in neighbours(index, shape) {
                if solid[next] && piece[next] == 0 {
                    piece[next] = number;
                    stack.push(next);
                }
            }
        }
        if size > best.1 {
            best = (number, size);
        }
    }
    let mut out = Centered::filled(shape, false);
    out.0.iter_mut().zip(&piece).for_each(|(out, &piece)| *out = piece != 0 && piece == best.0);
    out
}

/// A piece with its pipes, holes and notches closed that are up to twice as many voxels wide: the
/// modulus is low along a dislocation, which lies inside nevertheless.
pub(super) fn closed(inside: &Centered<bool>, voxels: usize) -> Centered<bool> {
    let shape = inside.shape();
    // One more step outwards or inwards.
    let step = |piece: &Centered<bool>, towards: bool| {
        let flags = piece.as_slice();
        let mut out = piece.clone();
        out.0.iter_mut().enumerate().filter(|(_, at)| **at != towards).for_each(|(index, at)| {
            if neighbours(index, shape).any(|next| flags[next] == towards) {
                *at = towards;
            }
        });
        out
    };
    let steps = (0..2 * voxels).map(|i| i < voxels);
    steps.fold(inside.clone(), |piece, outwards| step(&piece, outwards))
}

/// Neighbours of a voxel that share a face.
fn neighbours(index: usize, shape: Shape) -> impl Iterator<Item = usize> {
    let strides = [shape[1] * shape[2], shape[2], 1];
    let at = [index / strides[0], index / strides[1] % shape[1], index % shape[2]];
    (0..3).flat_map(move |axis| {
        let before = (at[axis] > 0).then(|| index - strides[axis]);
        let after = (at[axis] + 1 < shape[axis]).then(|| index + strides[axis]);
        [before, after].into_iter().flatten()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array3;

    #[test]
    fn the_surface_is_below_the_bulk_and_above_the_rest() {
        let shape = [20, 20, 20];
        let distance =
            |(z, y, x): (usize, usize, usize)| [z, y, x].iter().map(|&i| (i as f32 - 10.0).powi(2)).sum::<f32>().sqrt();
        // A ball of modulus 5 with 4 % of unevenness, and a halo of 0.8 around it.
        let object = Centered(Array3::from_shape_fn(shape, |at| {
            let uneven = 1.0 + 0.04 * ((at.0 * 7 + at.1 * 3 + at.2 * 5) % 11) as f32 / 5.0 - 0.04;
            Complex32::from_polar(if distance(at) < 7.0 { 5.0 * uneven } else { 0.8 }, 0.3)
        }));
        let support = Centered(Array3::from_shape_fn(shape, |at| distance(at) < 9.0));
        let found = isosurface(&object, &support, None).unwrap();
        assert!((4.6..5.4).contains(&found.bulk), "{found:?}");
        assert!((0.3..=0.6).contains(&(found.modulus / found.bulk)), "{found:?}");
        let inside = largest(&object, &support, found.modulus);
        assert!(inside.0.indexed_iter().all(|(at, &inside)| inside == (distance(at) < 7.0)));
        let given = isosurface(&object, &support, Some(0.1)).unwrap();
        assert!((given.modulus / given.bulk - 0.1).abs() < 1e-6);
        let empty = Centered::filled(shape, Complex32::ZERO);
        assert!(isosurface(&empty, &support, None).unwrap_err().to_string().contains("empty"));
    }

    #[test]
    fn pipes_are_closed_and_the_outside_stays() {
        let shape = [12, 14, 16];
        let solid =
            |(z, y, x): (usize, usize, usize)| (3..9).contains(&z) && (3..11).contains(&y) && (3..13).contains(&x);
        let whole = Centered(Array3::from_shape_fn(shape, solid));
        let mut pierced = whole.clone();
        pierced.0.slice_mut(ndarray::s![.., 6..8, 7..9]).fill(false);
        assert_ne!(pierced, whole);
        let closed = closed(&pierced, 2);
        // All but the mouths of the pipe.
        assert_eq!(closed.0.slice(ndarray::s![4..8, .., ..]), whole.0.slice(ndarray::s![4..8, .., ..]));
        assert!(closed.as_slice().iter().zip(whole.as_slice()).all(|(closed, whole)| *whole || !closed));
    }

    #[test]
    fn of_two_pieces_the_larger_is_the_crystal() {
        let mut object = Centered::filled([4, 8, 8], Complex32::ZERO);
        object.0.slice_mut(ndarray::s![0..2, 0..2, 0..2]).fill(Complex32::ONE);
        object.0.slice_mut(ndarray::s![1..4, 4..8, 4..8]).fill(Complex32::ONE);
        let inside = largest(&object, &Centered::filled([4, 8, 8], true), 0.5);
        assert_eq!(inside.as_slice().iter().filter(|inside| **inside).count(), 48);
        assert!(!inside.0[[0, 0, 0]]);
    }
}
