//! Makes HDF5 decode the compressions of detectors and archives without a plugin: bitshuffle, LZ4,
//! Zstandard, Blosc and Blosc2. Registered as filters rather than called on raw chunks, so that
//! virtual data sets and external links into such files work like any other data.
//!
//! `unsafe`, because HDF5 takes filters as C functions that own their buffers.
#![allow(unsafe_code)]

use super::bitshuffle::{self, Compression};
use super::blosc;
use super::blosc2;
use hdf5_sys::h5::{H5allocate_memory, H5free_memory};
use hdf5_sys::h5z::{H5Z_CLASS_T_VERS, H5Z_FLAG_REVERSE, H5Z_class2_t, H5Z_filter_t, H5Zfilter_avail, H5Zregister};
use std::ffi::{CStr, c_uint, c_void};
use std::sync::Once;

const BLOSC: H5Z_filter_t = 32001;
const LZ4: H5Z_filter_t = 32004;
const BITSHUFFLE: H5Z_filter_t = 32008;
const BLOSC2: H5Z_filter_t = 32026;
const ZSTANDARD: H5Z_filter_t = 32015;

/// Registers the filters, once; later calls do nothing. A plugin that HDF5 already has is left
/// alone.
pub(super) fn register() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        hdf5::sync::sync(|| {
            add::<Blosc>(BLOSC, c"blosc");
            add::<Blosc2>(BLOSC2, c"blosc2");
            add::<Lz4>(LZ4, c"lz4");
            add::<Bitshuffle>(BITSHUFFLE, c"bitshuffle");
            add::<Zstandard>(ZSTANDARD, c"zstd");
        });
    });
}

/// The compression of a filter.
trait Decoder {
    /// The bytes of a chunk; `None` where it is damaged, or compressed in a way that is not known.
    /// `options` are those that the file stores for the filter.
    fn decode(chunk: &[u8], options: &[c_uint]) -> Option<Vec<u8>>;
}

struct Blosc;
struct Blosc2;
struct Lz4;
struct Bitshuffle;
struct Zstandard;

impl Decoder for Blosc {
    fn decode(chunk: &[u8], _: &[c_uint]) -> Option<Vec<u8>> {
        blosc::blosc(chunk)
    }
}

impl Decoder for Blosc2 {
    fn decode(chunk: &[u8], _: &[c_uint]) -> Option<Vec<u8>> {
        blosc2::blosc2(chunk)
    }
}

impl Decoder for Lz4 {
    fn decode(chunk: &[u8], _: &[c_uint]) -> Option<Vec<u8>> {
        bitshuffle::lz4(chunk)
    }
}

impl Decoder for Zstandard {
    fn decode(chunk: &[u8], _: &[c_uint]) -> Option<Vec<u8>> {
        bitshuffle::zstd(chunk)
    }
}

impl Decoder for Bitshuffle {
    fn decode(chunk: &[u8], options: &[c_uint]) -> Option<Vec<u8>> {
        // Two version numbers, bytes an element, elements a block, 2 for LZ4 (0: only shuffled; 3 is
        // zstd).
        let option = |index| options.get(index).map_or(0, |&value| value as usize);
        match option(4) {
            0 => bitshuffle::bitshuffle(chunk, option(2), option(3), Compression::None),
            2 => bitshuffle::bitshuffle(chunk, option(2), option(3), Compression::Lz4),
            3 => bitshuffle::bitshuffle(chunk, option(2), option(3), Compression::Zstandard),
            _ => None,
        }
    }
}

fn add<D: Decoder>(id: H5Z_filter_t, name: &'static CStr) {
    let class = H5Z_class2_t {
        version: H5Z_CLASS_T_VERS as _,
        id,
        encoder_present: 0,
        decoder_present: 1,
        name: name.as_ptr(),
        can_apply: None,
        set_local: None,
        filter: Some(replace::<D>),
    };
    // SAFETY: HDF5 is initialised and locked by the caller's `sync`; it copies the class, and the
    // name is 'static.
    unsafe {
        if H5Zfilter_avail(id) <= 0 {
            H5Zregister((&raw const class).cast());
        }
    }
}

/// Replaces the chunk in `buffer` by its decoded bytes; 0 tells HDF5 that it failed and leaves the
/// buffer as it was.
///
/// # Safety
/// `options` points to `count` numbers (or is null), `*buffer` to a block of HDF5's allocator of at
/// least `bytes` initialised bytes, `size` and `buffer` may be written: what HDF5 promises to its
/// filters.
unsafe extern "C" fn replace<D: Decoder>(
    flags: c_uint,
    count: usize,
    options: *const c_uint,
    bytes: usize,
    size: *mut usize,
    buffer: *mut *mut c_void,
) -> usize {
    if flags & H5Z_FLAG_REVERSE == 0 {
        return 0; // We never write these formats.
    }
    // SAFETY: see above; both slices live only until `decode` returns, before the buffer is freed.
    let decoded = unsafe {
        let options = if options.is_null() { &[] } else { std::slice::from_raw_parts(options, count) };
        D::decode(std::slice::from_raw_parts((*buffer).cast::<u8>(), bytes), options)
    };
    let Some(decoded) = decoded.filter(|decoded| !decoded.is_empty()) else { return 0 };
    // SAFETY: the new block has room for all of `decoded`; the old one came from the same allocator
    // and is not used after.
    unsafe {
        let block = H5allocate_memory(decoded.len(), 0);
        if block.is_null() {
            return 0;
        }
        std::ptr::copy_nonoverlapping(decoded.as_ptr(), block.cast::<u8>(), decoded.len());
        H5free_memory(*buffer);
        *buffer = block;
        *size = decoded.len();
    }
    decoded.len()
}
