//! Storage of chunks that are compressed already: HDF5 compresses one chunk after the other, behind
//! its global lock.
//!
//! `unsafe`, because the hdf5 crate does not wrap this call.
#![allow(unsafe_code)]

use hdf5::Dataset;
use hdf5_sys::h5d::H5Dwrite_chunk;
use hdf5_sys::h5p::H5P_DEFAULT;

/// Stores `chunk`, which went through all of the data set's filters, as the chunk of pattern
/// `index` along the first axis.
pub(super) fn write_chunk(dataset: &Dataset, index: usize, chunk: &[u8]) -> hdf5::Result<()> {
    let mut offset = vec![0; dataset.ndim()];
    let first = offset.first_mut().ok_or("a scalar has no chunks")?;
    *first = index as u64;
    let id = dataset.id();
    // SAFETY: `offset` has an element for each axis and `chunk` as many bytes as said, both outlive
    // the call, which keeps neither; the data set is open as long as it is borrowed, and `sync`
    // holds the lock that HDF5 needs.
    let status = hdf5::sync::sync(|| unsafe {
        H5Dwrite_chunk(id, H5P_DEFAULT, 0, offset.as_ptr(), chunk.len(), chunk.as_ptr().cast())
    });
    if status >= 0 { Ok(()) } else { Err(hdf5::Error::query().unwrap_or_else(|_| "a chunk cannot be written".into())) }
}
