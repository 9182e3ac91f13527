//! Order of channels: channels-first, channels-last, and the channels of two images side by side.

use rayon::prelude::*;

/// Points that are transposed together.
const TILE: usize = 16;

/// Transposes `[image][channel][point]` to `[image][point][channel]`.
pub fn to_channels_last(values: &[f32], channels: usize, points: usize) -> Vec<f32> {
    transpose(values, channels, points)
}

/// Transposes `[image][point][channel]` to `[image][channel][point]`.
pub fn to_channels_first(values: &[f32], channels: usize, points: usize) -> Vec<f32> {
    transpose(values, points, channels)
}

fn transpose(values: &[f32], rows: usize, columns: usize) -> Vec<f32> {
    let mut out = vec![0.0; values.len()];
    let image = (rows * columns).max(1);
    out.par_chunks_mut(image).zip(values.par_chunks(image)).for_each(|(out, values)| {
        for column in (0..columns).step_by(TILE) {
            let end = columns.min(column + TILE);
            for (r, row) in values.chunks_exact(columns).enumerate() {
                for (c, value) in (column..end).zip(&row[column..end]) {
                    out[c * rows + r] = *value;
                }
            }
        }
    });
    out
}

/// Points per task at least.
const POINTS: usize = 1024;

/// Joins the channels of two sets of channels-last images.
pub fn join_channels(a: &[f32], b: &[f32], channels: [usize; 2]) -> Vec<f32> {
    match channels {
        [8, 8] => join_halves::<8>(a, b),
        [16, 16] => join_halves::<16>(a, b),
        [32, 32] => join_halves::<32>(a, b),
        [64, 64] => join_halves::<64>(a, b),
        _ => join_any(a, b, channels),
    }
}

/// Splits what [`join_channels`] joins.
pub fn split_channels(values: &[f32], channels: [usize; 2]) -> [Vec<f32>; 2] {
    match channels {
        [8, 8] => split_halves::<8>(values),
        [16, 16] => split_halves::<16>(values),
        [32, 32] => split_halves::<32>(values),
        [64, 64] => split_halves::<64>(values),
        _ => split_any(values, channels),
    }
}

/// Copies of known size need no call each, and collecting them no zeroed memory.
fn join_halves<const N: usize>(a: &[f32], b: &[f32]) -> Vec<f32> {
    let points = a.as_chunks::<N>().0.par_iter().zip(b.as_chunks::<N>().0);
    let joined: Vec<[[f32; N]; 2]> = points.with_min_len(POINTS).map(|(a, b)| [*a, *b]).collect();
    joined.into_flattened().into_flattened()
}

fn split_halves<const N: usize>(values: &[f32]) -> [Vec<f32>; 2] {
    let points = values.as_chunks::<N>().0.as_chunks::<2>().0;
    let [mut first, mut second] = [Vec::new(), Vec::new()];
    points.par_iter().with_min_len(POINTS).map(|[a, b]| (*a, *b)).unzip_into_vecs(&mut first, &mut second);
    [first.into_flattened(), second.into_flattened()]
}

fn join_any(a: &[f32], b: &[f32], channels: [usize; 2]) -> Vec<f32> {
    let mut out = vec![0.0; a.len() + b.len()];
    let part = |channels: usize| (channels * POINTS).max(1);
    let parts = a.par_chunks(part(channels[0])).zip(b.par_chunks(part(channels[1])));
    out.par_chunks_mut(part(channels[0] + channels[1])).zip(parts).for_each(|(out, (a, b))| {
        let points = a.chunks_exact(channels[0]).zip(b.chunks_exact(channels[1]));
        for (out, (a, b)) in out.chunks_exact_mut(channels[0] + channels[1]).zip(points) {
            out[..channels[0]].copy_from_slice(a);
            out[channels[0]..].copy_from_slice(b);
        }
    });
    out
}

fn split_any(values: &[f32], channels: [usize; 2]) -> [Vec<f32>; 2] {
    let points = values.len() / (channels[0] + channels[1]);
    let [mut first, mut second] = channels.map(|c| vec![0.0; points * c]);
    let part = |channels: usize| (channels * POINTS).max(1);
    let parts = first.par_chunks_mut(part(channels[0])).zip(second.par_chunks_mut(part(channels[1])));
    values.par_chunks(part(channels[0] + channels[1])).zip(parts).for_each(|(values, (a, b))| {
        let points = a.chunks_exact_mut(channels[0]).zip(b.chunks_exact_mut(channels[1]));
        for (value, (a, b)) in values.chunks_exact(channels[0] + channels[1]).zip(points) {
            a.copy_from_slice(&value[..channels[0]]);
            b.copy_from_slice(&value[channels[0]..]);
        }
    });
    [first, second]
}
