//! Sources of virtual data sets: HDF5 gives the fill value, zero, for those that it does not find,
//! without a word.

use super::tree::Tree;
use super::virtual_map::{Mapping, mappings};
use hdf5::Dataset;
use hdf5::dataset::Layout;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// Virtual data sets of virtual data sets that are followed.
const DEPTH: usize = 4;

/// A box of a virtual data set without a source, and why.
pub(super) struct LostSource {
    /// The range of each axis of the data set.
    pub ranges: Vec<Range<usize>>,
    pub reason: String,
}

/// The boxes of `dataset` of which the source is missing, shorter than its mapping, or lost itself.
pub(super) fn lost(dataset: &Dataset) -> Vec<LostSource> {
    below(dataset, DEPTH)
}

fn below(dataset: &Dataset, depth: usize) -> Vec<LostSource> {
    if depth == 0 || dataset.layout() != Layout::Virtual {
        return Vec::new();
    }
    let shape = dataset.shape();
    let home = PathBuf::from(dataset.filename());
    mappings(dataset).iter().flat_map(|mapping| check(mapping, &home, &shape, depth)).collect()
}

fn check(mapping: &Mapping, home: &Path, shape: &[usize], depth: usize) -> Vec<LostSource> {
    let name = &mapping.file;
    if name.contains('%') || mapping.dataset.contains('%') {
        return check_blocks(mapping, home, shape);
    }
    let all = || shape.iter().map(|&n| 0..n).collect();
    let target: Vec<Range<usize>> = mapping.target.clone().unwrap_or_else(all);
    let source = match open(name, &mapping.dataset, home) {
        Ok(source) => source,
        Err(reason) => return vec![LostSource { ranges: target, reason }],
    };
    // The extents of a source that is used as a whole are not kept: they are those of what it
    // fills.
    let whole = || mapping.target.as_ref().map(|target| target.iter().map(|range| 0..range.len()).collect());
    let Some(used) = mapping.source.clone().or_else(whole) else { return Vec::new() };
    // Frame n of the source is frame n + first of the target only where both have as many.
    let aligned = target.first().zip(used.first()).filter(|(target, used)| target.len() == used.len());
    let frames = |lost: Range<usize>| {
        let mut at = target.clone();
        if let Some((target, used)) = aligned {
            let start = lost.start.clamp(used.start, used.end);
            let end = lost.end.clamp(start, used.end);
            at[0] = start - used.start + target.start..end - used.start + target.start;
        }
        at
    };
    let mut found = Vec::new();
    if let (Some(used), Some(&there)) = (used.first(), source.shape().first())
        && used.end > there
    {
        let reason = format!("{name} has {there} frames of {}", used.end);
        found.push(LostSource { ranges: frames(there..used.end), reason });
    }
    for inner in below(&source, depth - 1) {
        let ranges = inner.ranges.first().map_or_else(|| target.clone(), |lost| frames(lost.clone()));
        found.push(LostSource { ranges, reason: inner.reason });
    }
    found.retain(|lost| lost.ranges.iter().all(|range| !range.is_empty()));
    found
}

/// A mapping to any number of files, `%b` in the name counting its blocks along the first axis.
fn check_blocks(mapping: &Mapping, home: &Path, shape: &[usize]) -> Vec<LostSource> {
    let (Some([first, step, length]), Some(&frames)) = (mapping.blocks, shape.first()) else { return Vec::new() };
    let starts =
        (0..100_000).map(|block| (block, first + block * step.max(1))).take_while(|(_, start)| *start < frames);
    let mut found = Vec::new();
    for (block, start) in starts {
        let fill = |text: &str| text.replace("%b", &block.to_string());
        if let Err(reason) = open(&fill(&mapping.file), &fill(&mapping.dataset), home) {
            let mut ranges: Vec<Range<usize>> = shape.iter().map(|&n| 0..n).collect();
            ranges[0] = start..(start + length).min(frames);
            found.push(LostSource { ranges, reason });
        }
    }
    found
}

/// A source, looked for where HDF5 looks: beside the virtual data set, then from the working
/// folder.
fn open(file: &str, dataset: &str, home: &Path) -> Result<Dataset, String> {
    let name = Path::new(file);
    let folder = home.parent().unwrap_or(Path::new(""));
    let beside = |name: &Path| folder.join(name);
    let places = match file {
        "." => vec![home.to_path_buf()],
        _ if name.is_absolute() => {
            vec![name.to_path_buf(), beside(Path::new(name.file_name().unwrap_or_default()))]
        }
        _ => vec![beside(name), name.to_path_buf()],
    };
    let Some(path) = places.iter().find(|place| place.is_file()) else { return Err(format!("{file} is missing")) };
    let tree = Tree::open(path).map_err(|error| error.to_string())?;
    tree.dataset(dataset).ok_or_else(|| format!("{file} has no {dataset}"))
}
