//! An endless stream of random patches of the patterns of a set, the same for the same seed
//! whatever the number of threads, which can start at any of them.
//!
//! Patches come in blocks: the patterns of a block, what is cut from each, and the order in which
//! the patches leave are drawn from the stream of random numbers that has the block's number. The
//! next block is made in the background while one is consumed.

use super::TrainingGapRecipe;
use super::augment::{Augmentation, thin};
use crate::error::{Error, Result, shape_text};
use crate::inpaint::kriging::krige;
use crate::io::set::{Measurement, Set, Split};
use crate::pixels::{Calculated, bit, trimmed};
use crate::volume::Shape;
use ndarray::{Array3, ArrayView3, s};
use rand::seq::SliceRandom;
use rand::{Rng as _, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use rayon::{ThreadPool, ThreadPoolBuilder};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};

/// Places tried for a patch before the brightest of them is taken.
const TRIES: usize = 16;

/// Least fraction of measured pixels in a patch.
const MEASURED: f64 = 0.1;

/// Options of a patch stream: size, split, seed and augmentation.
#[derive(Debug, Clone, PartialEq)]
pub struct PatchOptions {
    /// Pixels along each axis; 2D patches are one pixel thick.
    pub size: usize,
    /// Split whose patterns are used.
    pub split: Split,
    /// Seed of all that is drawn.
    pub seed: u64,
    /// Patterns of a block, which is how many differ within a batch. They are all different as long
    /// as the split has as many.
    pub patterns_per_block: usize,
    /// Patches cut from a pattern each time it is read.
    pub patches_per_pattern: usize,
    /// Least number of photons of a patch (expected ones, after thinning): darker places are passed
    /// over for brighter ones.
    pub min_photons: f64,
    /// Random changes of each patch.
    pub augmentation: Augmentation,
    /// For a network that is given kriging: the gaps that are cut into a whole pattern each time it
    /// is read, of which all its patches are cut then. None are cut into patterns that were phased.
    pub kriging: Option<TrainingGapRecipe>,
    /// Number of threads that read and cut; 0 is one per core. It does not change the patches.
    pub threads: usize,
}

impl Default for PatchOptions {
    fn default() -> Self {
        PatchOptions {
            size: 32,
            split: Split::Train,
            seed: 0,
            patterns_per_block: 16,
            patches_per_pattern: 16,
            min_photons: 50.0,
            augmentation: Augmentation::default(),
            kriging: None,
            threads: 0,
        }
    }
}

/// A patch of a pattern: `(1, size, size)` in 2D, `(size, size, size)` in 3D.
#[derive(Debug, Clone, PartialEq)]
pub struct Patch {
    /// Expected photons, without noise: the target of the network.
    pub intensity: Array3<f32>,
    /// Photons counted by the detector.
    pub counts: Array3<f32>,
    /// CXI bits, 0 = good.
    pub mask: Array3<u32>,
    /// Mean and spread of what phasing calculates, `ln(1 + I)`, where the set's patterns were
    /// phased: their own gaps are the ones to learn then, and their exposure is what it was.
    pub calculated: Option<[Array3<f32>; 2]>,
    /// What kriging of the whole pattern says, `ln(1 + I)`, for a network that is given that: gaps
    /// to learn were cut into the pattern then.
    pub kriged: Option<Array3<f32>>,
    /// Index of the pattern in its set.
    pub pattern: usize,
    /// First pixel `(z, y, x)` in the pattern, before any symmetry.
    pub at: [usize; 3],
}

/// An endless stream of random patches; it ends only after an error.
#[derive(Debug)]
pub struct PatchStream {
    source: Arc<Source>,
    pool: Arc<ThreadPool>,
    /// Number of the next patch.
    next: u64,
    /// Rest of the current block, last first.
    block: Vec<Patch>,
    /// The blocks after it; `None` before the first patch and after [`PatchStream::start_at`].
    blocks: Option<Receiver<Result<Vec<Patch>>>>,
}

impl PatchStream {
    /// Opens the stream at its first patch.
    ///
    /// # Errors
    /// [`Error::Setting`] for an option that does not fit the set, [`Error::Pattern`] if the split
    /// is empty.
    pub fn new(set: Arc<Set>, options: PatchOptions) -> Result<Self> {
        let shape = set.shape();
        let size = options.size;
        let window = if shape[0] == 1 { [1, size, size] } else { [size; 3] };
        if size == 0 || window.iter().zip(&shape).any(|(window, n)| window > n) {
            let problem = format!("the patterns are {}: 1 to the shortest axis", shape_text(&trimmed(shape)));
            return Err(Error::setting("patch", size, problem));
        }
        if options.patterns_per_block == 0 || options.patches_per_pattern == 0 {
            return Err(Error::setting("patterns_per_block and patches_per_pattern", 0, "at least 1"));
        }
        if let Some([lo, hi]) = options.augmentation.thinning.filter(|&[lo, hi]| !(0.0 < lo && lo <= hi && hi <= 1.0)) {
            return Err(Error::setting(
                "thinning",
                format!("{lo}..{hi}"),
                "fractions above 0 up to 1, the smaller first",
            ));
        }
        let patterns = set.indices(options.split);
        if patterns.is_empty() {
            return Err(Error::Pattern(format!("no pattern of the set is for {}", options.split.name())));
        }
        let pool = ThreadPoolBuilder::new().num_threads(options.threads).build();
        let pool = pool.map_err(|error| Error::setting("threads", options.threads, error.to_string()))?;
        let source = Arc::new(Source { set, options, patterns, window });
        Ok(PatchStream { source, pool: Arc::new(pool), next: 0, block: Vec::new(), blocks: None })
    }

    /// Moves the stream to patch `number`, counted from 0, without making those before.
    pub fn start_at(&mut self, number: u64) {
        self.next = number;
        self.block.clear();
        self.blocks = None;
    }

    /// Starts making blocks, from number `first` on, until nobody receives them. The channel holds
    /// none: one is consumed, one made.
    fn produce(&self, first: u64) -> Receiver<Result<Vec<Patch>>> {
        let (sender, receiver) = sync_channel(0);
        let (source, pool) = (self.source.clone(), self.pool.clone());
        std::thread::spawn(move || {
            for number in first.. {
                let block = pool.install(|| source.block(number));
                let failed = block.is_err();
                if sender.send(block).is_err() || failed {
                    return;
                }
            }
        });
        receiver
    }
}

impl Iterator for PatchStream {
    type Item = Result<Patch>;

    fn next(&mut self) -> Option<Result<Patch>> {
        if self.block.is_empty() {
            let length = self.source.block_length();
            let receiver = self.blocks.take().unwrap_or_else(|| self.produce(self.next / length));
            // The sender is gone after an error.
            let block = receiver.recv().ok();
            self.blocks = Some(receiver);
            match block? {
                Ok(block) => self.block = block,
                Err(error) => return Some(Err(error)),
            }
            self.block.reverse();
            self.block.truncate((length - self.next % length) as usize);
        }
        self.next += 1;
        self.block.pop().map(Ok)
    }
}

/// Set, patterns and options that patches are cut with.
#[derive(Debug)]
struct Source {
    set: Arc<Set>,
    options: PatchOptions,
    patterns: Vec<usize>,
    window: Shape,
}

/// A pattern as patches are cut from it.
struct Shown {
    measured: Measurement,
    /// What kriging says of it.
    kriged: Option<Array3<f32>>,
}

impl Shown {
    /// Whether its gaps are the ones to learn, and its exposure stays: else both are each patch's
    /// own.
    fn has_gaps(&self) -> bool {
        self.measured.calculated.is_some() || self.kriged.is_some()
    }
}

impl Source {
    fn block_length(&self) -> u64 {
        (self.options.patterns_per_block * self.options.patches_per_pattern) as u64
    }

    /// All patches of block `number`, in the order of the stream.
    fn block(&self, number: u64) -> Result<Vec<Patch>> {
        let mut rng = ChaCha8Rng::seed_from_u64(self.options.seed);
        rng.set_stream(number);
        let mut drawn = Vec::with_capacity(self.options.patterns_per_block);
        while drawn.len() < self.options.patterns_per_block {
            let mut patterns = self.patterns.clone();
            let count = self.options.patterns_per_block - drawn.len();
            let (some, _) = patterns.partial_shuffle(&mut rng, count);
            drawn.extend(some.iter().map(|&pattern| (pattern, rng.random::<u64>())));
        }
        let cut: Vec<Vec<Patch>> =
            drawn.into_par_iter().map(|(pattern, seed)| self.cut(pattern, seed)).collect::<Result<_>>()?;
        let mut patches: Vec<Patch> = cut.into_iter().flatten().collect();
        // Patches of a pattern are alike: a batch should have those of many.
        patches.shuffle(&mut rng);
        Ok(patches)
    }

    /// The patches of one pattern.
    fn cut(&self, pattern: usize, seed: u64) -> Result<Vec<Patch>> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let measured = self.set.measurement(pattern)?;
        let peak = brightest(&measured.intensity.0);
        let source = match &self.options.kriging {
            None => Shown { measured, kriged: None },
            Some(gaps) => self.kriged(measured, gaps, peak, &mut rng)?,
        };
        Ok((0..self.options.patches_per_pattern).map(|_| self.patch(&source, peak, pattern, &mut rng)).collect())
    }

    /// A pattern with another exposure, gaps that are cut into all of it, and what kriging says of
    /// them.
    fn kriged(
        &self,
        mut measured: Measurement,
        gaps: &TrainingGapRecipe,
        peak: [usize; 3],
        rng: &mut ChaCha8Rng,
    ) -> Result<Shown> {
        let mut known = measured.mask.0.mapv(|bits| bits == 0);
        if measured.calculated.is_none() {
            let exposure = self.options.augmentation.exposure(rng);
            measured.intensity.0.mapv_inplace(|value| (f64::from(value) * exposure) as f32);
            measured.counts.0.mapv_inplace(|value| thin(value, exposure, rng));
            gaps.cut(&mut known, peak, rng);
            measured.mask.0.zip_mut_with(&known, |bits, &known| {
                if !known && *bits == 0 {
                    *bits = bit::MISSING;
                }
            });
        }
        let log = measured.counts.0.mapv(|counts| (counts as f32).ln_1p());
        let kriged = krige(&log, &known, self.window[0] > 1, &mut |_| true)?;
        Ok(Shown { measured, kriged: Some(kriged) })
    }

    fn patch(&self, shown: &Shown, peak: [usize; 3], pattern: usize, rng: &mut ChaCha8Rng) -> Patch {
        let Shown { measured, kriged } = shown;
        let augmentation = &self.options.augmentation;
        let exposure = if shown.has_gaps() { 1.0 } else { augmentation.exposure(rng) };
        let at = self.place(shown, peak, self.options.min_photons / exposure, rng);
        let symmetry = augmentation.symmetry(self.window[0] == 1, rng);
        let intensity = symmetry.apply(self.window(&measured.intensity.0, at));
        let counts = symmetry.apply(self.window(&measured.counts.0, at));
        Patch {
            intensity: intensity.mapv_into(|value| (f64::from(value) * exposure) as f32),
            counts: counts.mapv(|value| thin(value, exposure, rng) as f32),
            mask: symmetry.apply(self.window(&measured.mask.0, at)),
            calculated: measured.calculated.as_ref().map(|Calculated { mean, spread }| {
                [mean, spread].map(|array| symmetry.apply(self.window(&array.0, at)))
            }),
            kriged: kriged.as_ref().map(|array| symmetry.apply(self.window(array, at))),
            pattern,
            at,
        }
    }

    /// A place with something to learn: enough photons and measured pixels. If none of those tried
    /// has them, the brightest.
    fn place(&self, shown: &Shown, peak: [usize; 3], photons: f64, rng: &mut ChaCha8Rng) -> [usize; 3] {
        let measured = &shown.measured;
        let near = rng.random::<bool>();
        let (mut best, mut brightest) = ([0; 3], f64::NEG_INFINITY);
        for _ in 0..TRIES {
            let at = if near { self.near(peak, rng) } else { self.anywhere(rng) };
            let mask = self.window(&measured.mask.0, at);
            let good = mask.iter().filter(|&&bits| bits == 0).count();
            let nothing_to_fill = shown.has_gaps() && good == mask.len();
            let sum = if nothing_to_fill || (good as f64) < MEASURED * mask.len() as f64 {
                // Worse than dark, but still a place if there is no other.
                -1.0
            } else {
                self.window(&measured.intensity.0, at).iter().map(|&value| f64::from(value)).sum()
            };
            if sum > brightest {
                (best, brightest) = (at, sum);
            }
            if sum >= photons.max(0.0) {
                break;
            }
        }
        best
    }

    /// A corner, all equally likely.
    fn anywhere(&self, rng: &mut ChaCha8Rng) -> [usize; 3] {
        let shape = self.set.shape();
        std::array::from_fn(|axis| rng.random_range(0..=shape[axis] - self.window[axis]))
    }

    /// A corner with probability proportional to `1 / (1 + (d / size)^2)`, `d` from the patch's
    /// centre to the brightest pixel.
    fn near(&self, peak: [usize; 3], rng: &mut ChaCha8Rng) -> [usize; 3] {
        let size = self.options.size as f64;
        let mut at = self.anywhere(rng);
        // By rejection; the bound cuts the tail of volumes that are much larger than the patch.
        for _ in 0..200 {
            let d2: f64 =
                (0..3).map(|axis| (at[axis] + self.window[axis] / 2) as f64 - peak[axis] as f64).map(|d| d * d).sum();
            if rng.random::<f64>() * (1.0 + d2 / (size * size)) < 1.0 {
                break;
            }
            at = self.anywhere(rng);
        }
        at
    }

    fn window<'a, T>(&self, array: &'a Array3<T>, at: [usize; 3]) -> ArrayView3<'a, T> {
        let [nz, ny, nx] = self.window;
        array.slice(s![at[0]..at[0] + nz, at[1]..at[1] + ny, at[2]..at[2] + nx])
    }
}

/// The brightest pixel, the first of several.
pub(super) fn brightest(intensity: &Array3<f32>) -> [usize; 3] {
    let mut found = ([0; 3], f32::NEG_INFINITY);
    for (at, &value) in intensity.indexed_iter() {
        if value > found.1 {
            found = (at.into(), value);
        }
    }
    found.0
}
