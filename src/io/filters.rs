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
            add(BLOSC, c"blosc", run_blosc);
            add(BLOSC2, c"blosc2", run_blosc2);
            add(LZ4, c"lz4", run_lz4);
            add(BITSHUFFLE, c"bitshuffle", run_bitshuffle);
            add(ZSTANDARD, c"zstd", run_zstd);
        });
    });
}

type Filter = unsafe extern "C" fn(c_uint, usize, *const c_uint, usize, *mut usize, *mut *mut c_void) -> usize;

fn add(id: H5Z_filter_t, name: &'static CStr, filter: Filter) {
    let class = H5Z_class2_t {
        version: H5Z_CLASS_T_VERS as _,
        id,
        encoder_present: 0,
        decoder_present: 1,
        name: name.as_ptr(),
        can_apply: None,
        set_local: None,
        filter: Some(filter),
    };
    // SAFETY: HDF5 is initialised and locked by the caller's `sync`; it copies the class, and the
    // name is 'static.
    unsafe {
        if H5Zfilter_avail(id) <= 0 {
            H5Zregister((&raw const class).cast());
        }
    }
}

unsafe extern "C" fn run_lz4(
    flags: c_uint,
    count: usize,
    options: *const c_uint,
    bytes: usize,
    size: *mut usize,
    buffer: *mut *mut c_void,
) -> usize {
    // SAFETY: the arguments are those of HDF5, unchanged.
    unsafe { replace(flags, count, options, bytes, size, buffer, |input, _| bitshuffle::lz4(input)) }
}

unsafe extern "C" fn run_zstd(
    flags: c_uint,
    count: usize,
    options: *const c_uint,
    bytes: usize,
    size: *mut usize,
    buffer: *mut *mut c_void,
) -> usize {
    // SAFETY: the arguments are those of HDF5, unchanged.
    unsafe { replace(flags, count, options, bytes, size, buffer, |input, _| bitshuffle::zstd(input)) }
}

unsafe extern "C" fn run_blosc(
    flags: c_uint,
    count: usize,
    options: *const c_uint,
    bytes: usize,
    size: *mut usize,
    buffer: *mut *mut c_void,
) -> usize {
    // SAFETY: the arguments are those of HDF5, unchanged.
    unsafe { replace(flags, count, options, bytes, size, buffer, |input, _| blosc::blosc(input)) }
}

unsafe extern "C" fn run_blosc2(
    flags: c_uint,
    count: usize,
    options: *const c_uint,
    bytes: usize,
    size: *mut usize,
    buffer: *mut *mut c_void,
) -> usize {
    // SAFETY: the arguments are those of HDF5, unchanged.
    unsafe { replace(flags, count, options, bytes, size, buffer, |input, _| blosc2::blosc2(input)) }
}

unsafe extern "C" fn run_bitshuffle(
    flags: c_uint,
    count: usize,
    options: *const c_uint,
    bytes: usize,
    size: *mut usize,
    buffer: *mut *mut c_void,
) -> usize {
    // Options: two version numbers, bytes an element, elements a block, 2 for LZ4 (0: only
    // shuffled; 3 is zstd).
    let decode = |input: &[u8], options: &[c_uint]| {
        let option = |index| options.get(index).map_or(0, |&value| value as usize);
        match option(4) {
            0 => bitshuffle::bitshuffle(input, option(2), option(3), Compression::None),
            2 => bitshuffle::bitshuffle(input, option(2), option(3), Compression::Lz4),
            3 => bitshuffle::bitshuffle(input, option(2), option(3), Compression::Zstandard),
            _ => None,
        }
    };
    // SAFETY: the arguments are those of HDF5, unchanged.
    unsafe { replace(flags, count, options, bytes, size, buffer, decode) }
}

/// Replaces the chunk in `buffer` by its decoded bytes; 0 tells HDF5 that it failed and leaves the
/// buffer as it was.
///
/// # Safety
/// `options` points to `count` numbers (or is null), `*buffer` to a block of HDF5's allocator of at
/// least `bytes` initialised bytes, `size` and `buffer` may be written: what HDF5 promises to its
/// filters.
unsafe fn replace(
    flags: c_uint,
    count: usize,
    options: *const c_uint,
    bytes: usize,
    size: *mut usize,
    buffer: *mut *mut c_void,
    decode: impl FnOnce(&[u8], &[c_uint]) -> Option<Vec<u8>>,
) -> usize {
    if flags & H5Z_FLAG_REVERSE == 0 {
        return 0; // We never write these formats.
    }
    // SAFETY: see above; both slices live only until `decode` returns, before the buffer is freed.
    let decoded = unsafe {
        let options = if options.is_null() { &[] } else { std::slice::from_raw_parts(options, count) };
        decode(std::slice::from_raw_parts((*buffer).cast::<u8>(), bytes), options)
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
