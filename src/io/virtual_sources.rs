//! Sources of virtual data sets: HDF5 gives the fill value, zero, for those that it does not find, without a word.

use super::tree::Tree;
use hdf5::dataset::Layout;
use hdf5::plist::dataset_create::VirtualMapping;
use hdf5::{Dataset, Selection};
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
    let Ok(plist) = dataset.dcpl() else { return Vec::new() };
    let shape = dataset.shape();
    let home = PathBuf::from(dataset.filename());
    plist.virtual_map().iter().flat_map(|mapping| check(mapping, &home, &shape, depth)).collect()
}

fn check(mapping: &VirtualMapping, home: &Path, shape: &[usize], depth: usize) -> Vec<LostSource> {
    if mapping.src_filename.contains('%') || mapping.src_dataset.contains('%') {
        return numbered(mapping, home, shape);
    }
    let Some(target) = ranges(&mapping.vds_selection, shape) else { return Vec::new() };
    let name = &mapping.src_filename;
    let gone = |reason: String| vec![LostSource { ranges: target.clone(), reason }];
    let source = match open(name, &mapping.src_dataset, home) {
        Ok(source) => source,
        Err(reason) => return gone(reason),
    };
    let extents = source.shape();
    let Some(wanted) = ranges(&mapping.src_selection, &extents) else { return Vec::new() };
    // Frame n of the source is frame n + first of the target only where both have as many.
    let aligned = target.first().zip(wanted.first()).filter(|(target, wanted)| target.len() == wanted.len());
    let frames = |lost: Range<usize>| {
        let mut at = target.clone();
        if let Some((target, wanted)) = aligned {
            let (start, end) =
                (lost.start.max(wanted.start), lost.end.min(wanted.end).max(lost.start.max(wanted.start)));
            at[0] = start - wanted.start + target.start..end - wanted.start + target.start;
        }
        at
    };
    let mut found = Vec::new();
    if let (Some(wanted), Some(&there)) = (wanted.first(), extents.first())
        && wanted.end > there
    {
        let reason = format!("{name} has {there} frames of {}", wanted.end);
        found.push(LostSource { ranges: frames(there..wanted.end), reason });
    }
    for inner in below(&source, depth - 1) {
        let ranges = inner.ranges.first().map_or_else(|| target.clone(), |lost| frames(lost.clone()));
        found.push(LostSource { ranges, reason: inner.reason });
    }
    found.retain(|lost| lost.ranges.iter().all(|range| !range.is_empty()));
    found
}

/// A mapping to any number of files, `%b` in the name counting its blocks along the first axis.
fn numbered(mapping: &VirtualMapping, home: &Path, shape: &[usize]) -> Vec<LostSource> {
    let Selection::Hyperslab(slab) = &mapping.vds_selection else { return Vec::new() };
    let Ok(raw) = slab.clone().into_raw(shape) else { return Vec::new() };
    let (Some(first), Some(&frames)) = (raw.first(), shape.first()) else { return Vec::new() };
    let mut found = Vec::new();
    let blocks = (0..).map(|block| (block, first.start + block * first.step)).take_while(|(_, start)| *start < frames);
    for (block, start) in blocks.take(100_000) {
        let fill = |text: &str| text.replace("%b", &block.to_string());
        if let Err(reason) = open(&fill(&mapping.src_filename), &fill(&mapping.src_dataset), home) {
            let mut ranges: Vec<Range<usize>> = shape.iter().map(|&n| 0..n).collect();
            ranges[0] = start..(start + first.block).min(frames);
            found.push(LostSource { ranges, reason });
        }
        if first.step == 0 {
            break;
        }
    }
    found
}

/// The smallest box around a selection of an array with extents `shape`.
fn ranges(selection: &Selection, shape: &[usize]) -> Option<Vec<Range<usize>>> {
    match selection {
        Selection::All => Some(shape.iter().map(|&n| 0..n).collect()),
        Selection::Points(_) => None,
        Selection::Hyperslab(slab) => {
            let raw: Vec<_> = slab.iter().copied().collect();
            raw.iter()
                .zip(shape)
                .map(|(slice, &n)| {
                    use hdf5::SliceOrIndex::{Index, SliceCount, SliceTo, Unlimited};
                    Some(match *slice {
                        Index(at) => at..at + 1,
                        SliceTo { start, end, .. } => start..end,
                        SliceCount { start, step, count, block } => {
                            start..start + count.saturating_sub(1) * step + block
                        }
                        Unlimited { start, .. } => start..n,
                    })
                })
                .collect()
        }
    }
}

/// A source, looked for where HDF5 looks: beside the virtual data set, then from the working folder.
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
