//! The stream of patches over small sets on disk.

use super::{Augmentation, Patch, PatchOptions, PatchStream, Sample, TrainingGapRecipe};
use crate::error::{Error, Result};
use crate::io::set::{Entry, Set, SetHeader, SetWriter, Split};
use crate::pixels::{Calculated, bit};
use crate::volume::{Centered, Shape};
use ndarray::{Array3, ArrayView3, s};
use num_complex::Complex32;
use std::path::Path;
use std::sync::Arc;

const FLAT: Shape = [1, 40, 48];

/// A set of 12 patterns: a peak off the centre on a slope that no symmetry leaves alone, a gap,
/// every third pattern for validation.
fn set(folder: &Path, shape: Shape) -> Arc<Set> {
    set_of(folder, shape, false)
}

/// The same, and where `phased`, what phasing calculates: half of everything.
fn set_of(folder: &Path, shape: Shape, phased: bool) -> Arc<Set> {
    let path = folder.join("set.h5");
    let header = SetHeader { shape, count: 12, seed: 0, recipe_name: "peaks".into(), recipe_text: String::new() };
    let writer = SetWriter::open(&path, header, false).unwrap();
    for index in 0..12 {
        let value = |(z, y, x): (usize, usize, usize)| {
            let d2 = [(z, 0.25), (y, 0.3), (x, 0.6)].into_iter().zip(shape).map(|((i, at), n)| {
                let d = i as f64 - (at * n as f64).floor();
                d * d
            });
            (1e4 / (1.0 + d2.sum::<f64>()) + (index * 100 + y * 3 + x) as f64).round() as u32
        };
        let counts = Centered(Array3::from_shape_fn(shape, value));
        let mut mask = Centered::filled(shape, 0);
        mask.0.slice_mut(s![.., 10..13, ..]).fill(bit::MISSING);
        let half = |counts: &u32| (0.5 * *counts as f32).ln_1p();
        let calculated = phased
            .then(|| Calculated { mean: counts.map(half), spread: counts.map(|&counts| 1.0 / (1 + counts) as f32) });
        let entry = Entry {
            calculated,
            intensity: counts.map(|&counts| counts as f32),
            counts,
            mask,
            object: Centered::filled(shape, Complex32::ZERO),
            support: Centered::filled(shape, false),
            parameters: Default::default(),
            split: if index % 3 == 0 { Split::Validation } else { Split::Train },
            particle: index as u64,
        };
        writer.put(index, &entry).unwrap();
    }
    writer.finish(|_| {}).unwrap();
    Arc::new(Set::open(&path).unwrap())
}

fn options(threads: usize) -> PatchOptions {
    PatchOptions { size: 8, seed: 5, patterns_per_block: 4, patches_per_pattern: 3, threads, ..Default::default() }
}

fn take(stream: &mut PatchStream, count: usize) -> Vec<Patch> {
    stream.take(count).collect::<Result<_>>().unwrap()
}

#[test]
fn the_stream_depends_on_its_seed_alone_and_starts_anywhere() {
    let folder = tempfile::tempdir().unwrap();
    let set = set(folder.path(), FLAT);
    // More than three blocks of 12.
    let patches = take(&mut PatchStream::new(set.clone(), options(1)).unwrap(), 40);
    let mut other = PatchStream::new(set.clone(), options(3)).unwrap();
    assert!(take(&mut other, 40) == patches);
    for start in [0, 1, 12, 17, 36] {
        other.start_at(start as u64);
        assert!(take(&mut other, 40 - start) == patches[start..], "{start}");
    }
    let reseeded = take(&mut PatchStream::new(set, PatchOptions { seed: 6, ..options(1) }).unwrap(), 40);
    assert!(reseeded.iter().zip(&patches).filter(|(a, b)| a == b).count() < 3);
    // A block has four different patterns, three patches of each.
    for block in patches.chunks_exact(12) {
        let mut patterns: Vec<usize> = block.iter().map(|patch| patch.pattern).collect();
        assert!(patterns.windows(3).any(|three| three[0] != three[1] || three[1] != three[2]));
        patterns.sort();
        patterns.dedup();
        assert_eq!(patterns.len(), 4);
    }
}

#[test]
fn patches_are_cut_from_their_split_and_near_the_peak() {
    let folder = tempfile::tempdir().unwrap();
    let set = set(folder.path(), FLAT);
    for split in [Split::Train, Split::Validation] {
        let options = PatchOptions { split, augmentation: Augmentation::NONE, ..options(2) };
        let patches = take(&mut PatchStream::new(set.clone(), options).unwrap(), 600);
        let members = set.indices(split);
        let mut seen: Vec<usize> = patches.iter().map(|patch| patch.pattern).collect();
        seen.sort();
        seen.dedup();
        // 600 patches are 50 blocks of four patterns: none of eight is missed by all (1/2^50).
        assert_eq!(seen, members);
        let mut close = 0;
        for patch in &patches {
            let whole = set.measurement(patch.pattern).unwrap();
            let [_, y, x] = patch.at;
            let cut = s![.., y..y + 8, x..x + 8];
            assert_eq!(patch.intensity, whole.intensity.0.slice(cut));
            assert_eq!(patch.counts, whole.counts.0.slice(cut).mapv(|value| value as f32));
            assert_eq!(patch.mask, whole.mask.0.slice(cut));
            let (dy, dx) = ((y + 4) as f64 - 12.0, (x + 4) as f64 - 28.0);
            close += usize::from(dy.hypot(dx) < 8.0);
        }
        // About 200 of the 33 x 41 corners are that close: 89 of 600 if all were equally likely.
        // The half that is weighted by at least 1/2 there makes it about 150; 115 is three standard
        // deviations (11) away from both.
        assert!(close > 115, "{close}");
    }
}

/// Sorted numbers of a patch: the same for all its symmetries.
fn sorted<T: Copy + Into<f64>>(patch: ArrayView3<T>) -> Vec<f64> {
    let mut values: Vec<f64> = patch.iter().map(|&value| value.into()).collect();
    values.sort_by(f64::total_cmp);
    values
}

#[test]
fn augmented_patches_hold_the_pixels_of_their_place() {
    let folder = tempfile::tempdir().unwrap();
    for shape in [FLAT, [10, 14, 16]] {
        let path = folder.path().join(shape[0].to_string());
        std::fs::create_dir(&path).unwrap();
        let set = set(&path, shape);
        let augmentation = Augmentation { thinning: None, ..Augmentation::default() };
        let patches =
            take(&mut PatchStream::new(set.clone(), PatchOptions { augmentation, ..options(1) }).unwrap(), 50);
        let mut changed = 0;
        for patch in &patches {
            let whole = set.measurement(patch.pattern).unwrap();
            let [z, y, x] = patch.at;
            let cut = s![z..z + patch.counts.dim().0, y..y + 8, x..x + 8];
            assert_eq!(patch.counts.dim(), if shape[0] == 1 { (1, 8, 8) } else { (8, 8, 8) });
            assert_eq!(sorted(patch.counts.view()), sorted(whole.counts.0.slice(cut)));
            assert_eq!(sorted(patch.intensity.view()), sorted(whole.intensity.0.slice(cut)));
            changed += usize::from(patch.intensity != whole.intensity.0.slice(cut));
            // The three arrays are changed in the same way: here counts are intensities, but for
            // their rounding to 14 bits.
            assert!(patch.counts.iter().zip(&patch.intensity).all(|(a, b)| (a / b - 1.0).abs() < 4e-5));
            let gap = |counts: f32| whole.counts.0.slice(s![.., 10..13, ..]).iter().any(|&c| c as f32 == counts);
            assert!(patch.mask.iter().zip(&patch.counts).all(|(&bits, &counts)| bits == 0 || gap(counts)));
        }
        // One of at least 8 symmetries changes nothing.
        assert!(changed > 30, "{changed}");
    }
}

#[test]
fn patches_of_phased_patterns_have_what_phasing_calculates_and_no_other_gap() {
    let folder = tempfile::tempdir().unwrap();
    let set = set_of(folder.path(), FLAT, true);
    let patches = take(&mut PatchStream::new(set.clone(), options(1)).unwrap(), 60);
    let gaps = TrainingGapRecipe { none: 0.0, dead: 1.0, ..TrainingGapRecipe::default() };
    let mut filled = 0;
    for (number, patch) in (0..).zip(&patches) {
        let [mean, spread] = patch.calculated.as_ref().unwrap();
        // The exposure is that of the phasing, and all arrays are turned alike.
        for ((&counts, &mean), &spread) in patch.counts.iter().zip(mean).zip(spread) {
            assert!((mean - (0.5 * counts).ln_1p()).abs() < 1e-3 && (spread * (1.0 + counts) - 1.0).abs() < 1e-3);
        }
        let Some(sample) = Sample::new(patch, &gaps, 1, number) else { continue };
        assert_eq!(sample.patch.channels, 7);
        let missing = patch.mask.iter().filter(|&&bits| bits != 0).count();
        assert_eq!(sample.count() as usize, missing);
        filled += usize::from(missing > 0);
        // Half of the intensity, relative to straight lines, last; its spread as the fourth.
        let channel = |number: usize| &sample.patch.inputs[64 * number..64 * (number + 1)];
        for (i, (&mean, &spread)) in
            patch.calculated.iter().flat_map(|[mean, spread]| mean.iter().zip(spread)).enumerate()
        {
            let added = (mean - sample.patch.mean) / sample.patch.spread - sample.patch.filled()[i];
            assert!((channel(6)[i] - added.clamp(-3.0, 3.0)).abs() < 1e-4);
            assert!((channel(3)[i] - (spread / sample.patch.spread).min(3.0)).abs() < 1e-5);
        }
    }
    // A place with a gap is looked for.
    assert!(filled > 50, "{filled}");
}

#[test]
fn thinned_patches_keep_the_ratio_of_counts_and_intensity() {
    let folder = tempfile::tempdir().unwrap();
    let set = set(folder.path(), FLAT);
    let augmentation = Augmentation { thinning: Some([0.1, 0.5]), ..Augmentation::NONE };
    let patches = take(&mut PatchStream::new(set.clone(), PatchOptions { augmentation, ..options(2) }).unwrap(), 100);
    for patch in &patches {
        let (counts, intensity) = (f64::from(patch.counts.sum()), f64::from(patch.intensity.sum()));
        // The patterns have counts without noise: the noise is that of thinning, less than that of
        // Poisson; five deviations.
        assert!((counts - intensity).abs() < 5.0 * intensity.sqrt(), "{counts} {intensity}");
        let whole = set.measurement(patch.pattern).unwrap().intensity.0;
        let [_, y, x] = patch.at;
        let kept = intensity / f64::from(whole.slice(s![.., y..y + 8, x..x + 8]).sum());
        assert!((0.0999..0.5001).contains(&kept), "{kept}");
        assert!(intensity > 50.0);
    }
}

#[test]
fn options_that_do_not_fit_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let set = set(folder.path(), FLAT);
    let refused = |options| PatchStream::new(set.clone(), options).map(drop).unwrap_err();
    let error = refused(PatchOptions { size: 41, ..options(1) }).to_string();
    assert_eq!(error, "patch = 41: the patterns are 40x48: 1 to the shortest axis");
    assert!(matches!(refused(PatchOptions { split: Split::Test, ..options(1) }), Error::Pattern(_)));
    assert!(matches!(refused(PatchOptions { patterns_per_block: 0, ..options(1) }), Error::Setting { .. }));
    let augmentation = Augmentation { thinning: Some([0.0, 1.0]), ..Augmentation::default() };
    assert!(matches!(refused(PatchOptions { augmentation, ..options(1) }), Error::Setting { .. }));
}
