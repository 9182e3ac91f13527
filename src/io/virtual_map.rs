//! The mapping of virtual data sets, from HDF5's C interface: the `hdf5` crate refuses the
//! selections that h5py writes for it.
#![allow(unsafe_code)]

use hdf5::Dataset;
use hdf5_sys::h5::hsize_t;
use hdf5_sys::h5i::hid_t;
use hdf5_sys::h5p::{
    H5Pget_virtual_count, H5Pget_virtual_dsetname, H5Pget_virtual_filename, H5Pget_virtual_srcspace,
    H5Pget_virtual_vspace,
};
use hdf5_sys::h5s::{H5Sclose, H5Sget_regular_hyperslab, H5Sget_select_bounds, H5Sget_simple_extent_ndims};
use std::ffi::{c_char, c_int};
use std::ops::Range;

/// One source of a virtual data set.
#[derive(Debug)]
pub(super) struct Mapping {
    /// The file, `.` for the same one; `%b` stands for the number of a block.
    pub file: String,
    pub dataset: String,
    /// The box of the source that is used; none where it may grow.
    pub source: Option<Vec<Range<usize>>>,
    /// The box of the virtual data set that it fills; none where it may grow.
    pub target: Option<Vec<Range<usize>>>,
    /// First frame, frames from block to block and frames of a block, along the first axis of the
    /// virtual data set.
    pub blocks: Option<[usize; 3]>,
}

/// All mappings of a virtual data set, empty for any other.
pub(super) fn mappings(dataset: &Dataset) -> Vec<Mapping> {
    let Ok(plist) = dataset.dcpl() else { return Vec::new() };
    let id = plist.id();
    hdf5::sync::sync(|| {
        let mut count = 0;
        // SAFETY: HDF5 is locked by `sync`, `id` is an open property list for as long as `plist`
        // lives, and `count` may be written.
        if unsafe { H5Pget_virtual_count(id, &raw mut count) } < 0 {
            return Vec::new();
        }
        (0..count).filter_map(|index| mapping(id, index)).collect()
    })
}

fn mapping(plist: hid_t, index: usize) -> Option<Mapping> {
    type Name = unsafe extern "C" fn(hid_t, usize, *mut c_char, usize) -> isize;
    let name = |call: Name| {
        // SAFETY: as in `mappings`; without a buffer HDF5 gives the length, and with one it writes
        // at most that and a zero.
        let length = usize::try_from(unsafe { call(plist, index, std::ptr::null_mut(), 0) }).ok()?;
        let mut text = vec![0_u8; length + 1];
        // SAFETY: `text` has room for all of the name and its zero.
        unsafe { call(plist, index, text.as_mut_ptr().cast(), text.len()) };
        text.truncate(length);
        String::from_utf8(text).ok()
    };
    let (file, dataset) = (name(H5Pget_virtual_filename)?, name(H5Pget_virtual_dsetname)?);
    // SAFETY: as in `mappings`; both calls give a data space of our own, closed below, or a
    // negative number.
    let (source, target) = unsafe { (H5Pget_virtual_srcspace(plist, index), H5Pget_virtual_vspace(plist, index)) };
    let mapping = Mapping { file, dataset, source: bounds(source), target: bounds(target), blocks: blocks(target) };
    for space in [source, target].into_iter().filter(|&space| space >= 0) {
        // SAFETY: opened above, and not used after.
        unsafe { H5Sclose(space) };
    }
    Some(mapping)
}

/// The number of axes of a data space.
fn axes(space: hid_t) -> Option<usize> {
    // SAFETY: HDF5 answers a negative number for what is no data space.
    let axes: c_int = unsafe { H5Sget_simple_extent_ndims(space) };
    usize::try_from(axes).ok().filter(|&axes| axes > 0)
}

/// The box around the selection of a data space.
fn bounds(space: hid_t) -> Option<Vec<Range<usize>>> {
    let axes = axes(space)?;
    let (mut start, mut end) = (vec![0; axes], vec![0; axes]);
    // SAFETY: each buffer has room for a number an axis.
    let status = unsafe { H5Sget_select_bounds(space, start.as_mut_ptr(), end.as_mut_ptr()) };
    if status < 0 {
        return None;
    }
    let number = |value: hsize_t| usize::try_from(value).ok().filter(|&value| value < usize::MAX / 2);
    start.into_iter().zip(end).map(|(start, end)| Some(number(start)?..number(end)? + 1)).collect()
}

/// The blocks of a regular selection along its first axis.
fn blocks(space: hid_t) -> Option<[usize; 3]> {
    let axes = axes(space)?;
    let [mut start, mut stride, mut count, mut block] = [0; 4].map(|zero: hsize_t| vec![zero; axes]);
    // SAFETY: each buffer has room for a number an axis.
    let status = unsafe {
        H5Sget_regular_hyperslab(space, start.as_mut_ptr(), stride.as_mut_ptr(), count.as_mut_ptr(), block.as_mut_ptr())
    };
    (status >= 0).then(|| [start[0], stride[0], block[0]].map(|value| value as usize))
}
