//! Opening HDF5 files through a file driver of our own: HDF5's, with a check of global heaps.
//!
//! Texts of variable length are in global heaps (HDF5 File Format Specification 3.0, III.E). HDF5
//! 2.0 walks a heap from object to object without noticing that a free object of size 0 leads
//! nowhere (`H5HG__cache_heap_deserialize`): it never returns, and holds its lock. A driver sees
//! each heap before HDF5 parses it, also those of external links and virtual sources, and can
//! refuse it.
//!
//! `unsafe`, because HDF5 takes drivers as structures of C functions.
#![allow(unsafe_code)]

use hdf5::plist::FileAccess;
use hdf5::{File, OpenMode};
use hdf5_sys::h5::{HADDR_UNDEF, haddr_t, herr_t};
use hdf5_sys::h5f::{H5F_ACC_RDONLY, H5F_ACC_SWMR_READ, H5Fopen};
use hdf5_sys::h5fd::{H5FD_mem_t, H5FD_t, H5FDclose, H5FDopen, H5FDregister};
use hdf5_sys::h5i::hid_t;
use hdf5_sys::h5p::{H5P_DEFAULT, H5Pset_driver};
use std::ffi::{CStr, CString, c_char, c_int, c_uint, c_void};
use std::path::Path;
use std::sync::OnceLock;

type Read = unsafe extern "C" fn(*mut H5FD_t, H5FD_mem_t, hid_t, haddr_t, usize, *mut c_void) -> herr_t;

/// `H5FD_class_t` of HDF5 2.0 (`H5FDdevelop.h`), which the crate `hdf5_sys` has in an older form.
/// What is only copied has no type.
#[repr(C)]
#[derive(Clone, Copy)]
struct Driver {
    version: c_uint,
    value: c_int,
    name: *const c_char,
    maximum: haddr_t,
    close_degree: c_int,
    before_read: [*const c_void; 22],
    read: Option<Read>,
    after_read: [*const c_void; 11],
    free_lists: [c_int; 7],
}

/// `H5FD_CLASS_VERSION` that the structure above belongs to.
const VERSION: c_uint = 1;

/// A number for drivers that are not registered with the HDF Group: 256 to 511 are for testing.
const NUMBER: c_int = 419;

/// How often a part whose checksum is wrong is read again, while a writer may be changing it. HDF5
/// waits for a nanosecond, then for twice as long each time: 34 ms in all, where its own 100
/// attempts would take longer than the age of the universe.
const SWMR_ATTEMPTS: u32 = 25;

/// HDF5's own way to read.
static PLAIN_READ: OnceLock<Read> = OnceLock::new();

/// Opens a file for reading, without HDF5's lock.
///
/// # Errors
/// What HDF5 reports.
pub(super) fn open(path: &Path, mode: OpenMode) -> hdf5::Result<File> {
    let mut access = FileAccess::build();
    access.file_locking(false);
    if mode == OpenMode::ReadSWMR {
        access.metadata_read_attempts(SWMR_ATTEMPTS);
    }
    let access = access.finish()?;
    let name = path.to_str().and_then(|name| CString::new(name).ok()).ok_or("its name is not UTF-8")?;
    let flags = if mode == OpenMode::ReadSWMR { H5F_ACC_RDONLY | H5F_ACC_SWMR_READ } else { H5F_ACC_RDONLY };
    hdf5::sync::sync(|| {
        static DRIVER: OnceLock<Option<hid_t>> = OnceLock::new();
        // A file that is missing tells nothing of the driver: the next one is asked again.
        let driver = DRIVER.get().copied().or_else(|| {
            let driver = path.is_file().then(|| register(&name))?;
            Some(*DRIVER.get_or_init(|| driver))
        });
        if let Some(driver) = driver.flatten() {
            // SAFETY: HDF5 is locked by `sync`; both numbers are those of open objects, and the
            // driver takes no settings.
            unsafe { H5Pset_driver(access.id(), driver, std::ptr::null()) };
        }
        // SAFETY: `name` ends with a zero and outlives the call. The crate reports HDF5's error of
        // a negative number.
        let id = unsafe { H5Fopen(name.as_ptr(), flags, access.id()) };
        if id < 0 {
            return Err(hdf5::Error::query().unwrap_or_else(|_| "HDF5 does not say why".into()));
        }
        // SAFETY: `id` was just opened and is nobody else's.
        unsafe { hdf5::from_id(id) }
    })
}

/// Registers a copy of HDF5's driver that checks what it reads; nothing where HDF5's driver is not
/// the one that is known here.
fn register(any_file: &CStr) -> Option<hid_t> {
    // SAFETY: HDF5 is locked by the caller; the file is open until its class was copied. The class
    // begins with its version, and only one with the right version and name is as long as `Driver`.
    // HDF5 copies the class that it is given; the name is 'static.
    unsafe {
        let file = H5FDopen(any_file.as_ptr(), H5F_ACC_RDONLY, H5P_DEFAULT, HADDR_UNDEF);
        if file.is_null() {
            return None;
        }
        let class = (*file).cls.cast::<Driver>();
        let known = (&raw const (*class).version).read() == VERSION && CStr::from_ptr((*class).name) == c"sec2";
        let copy = known.then(|| class.read());
        H5FDclose(file);
        let plain = copy?;
        PLAIN_READ.get_or_init(|| plain.read.unwrap_or(refuse));
        let checked = Driver { value: NUMBER, name: c"lacuna".as_ptr(), read: Some(checked_read), ..plain };
        let id = H5FDregister((&raw const checked).cast());
        (id >= 0).then_some(id)
    }
}

/// Stands for a driver that cannot read.
unsafe extern "C" fn refuse(_: *mut H5FD_t, _: H5FD_mem_t, _: hid_t, _: haddr_t, _: usize, _: *mut c_void) -> herr_t {
    -1
}

unsafe extern "C" fn checked_read(
    file: *mut H5FD_t,
    kind: H5FD_mem_t,
    transfer: hid_t,
    address: haddr_t,
    size: usize,
    buffer: *mut c_void,
) -> herr_t {
    let plain = PLAIN_READ.get().copied().unwrap_or(refuse);
    // SAFETY: the arguments are HDF5's own.
    let status = unsafe { plain(file, kind, transfer, address, size, buffer) };
    if status < 0 || size < HEADER {
        return status;
    }
    // SAFETY: HDF5's buffer has `size` bytes, which were just written.
    let head = unsafe { std::slice::from_raw_parts(buffer.cast::<u8>(), size) };
    let Some(length) = heap_length(head) else { return status };
    if length <= size {
        return if is_walkable(&head[..length]) { status } else { -1 };
    }
    // HDF5 reads the first bytes of a long heap, and then the rest.
    let mut heap = Vec::new();
    if length > LONGEST || heap.try_reserve_exact(length).is_err() {
        return -1;
    }
    heap.resize(length, 0);
    // SAFETY: as above, with a buffer of `length` bytes of our own.
    let status = unsafe { plain(file, kind, transfer, address, length, heap.as_mut_ptr().cast()) };
    if status >= 0 && !is_walkable(&heap) { -1 } else { status }
}

/// Bytes before the objects of a heap, and before the content of an object.
const HEADER: usize = 16;

/// Bytes of the longest heap that is checked. HDF5 makes a heap as long as its longest text.
const LONGEST: usize = 1 << 30;

/// The length of the heap that begins here, if one does. Lengths have eight bytes in all files that
/// anyone has seen.
fn heap_length(bytes: &[u8]) -> Option<usize> {
    let rest = bytes.strip_prefix(b"GCOL\x01\0\0\0")?;
    usize::try_from(u64::from_le_bytes(*rest.first_chunk()?)).ok()
}

/// Whether each object of a heap leads to the next one, and the last to its end.
fn is_walkable(heap: &[u8]) -> bool {
    let mut at = HEADER;
    // What is too short for an object is free space.
    while let Some(object) = heap.get(at..at + HEADER) {
        let free = object[..2] == [0, 0];
        let size = object[8..].first_chunk().map_or(0, |size| u64::from_le_bytes(*size));
        // The size of free space includes its header; others are padded to eight bytes.
        let Some(size) = usize::try_from(size).ok().filter(|&size| size <= heap.len()) else { return false };
        let step = if free { size } else { HEADER + size.next_multiple_of(8) };
        if step == 0 {
            return false;
        }
        at += step;
    }
    at <= heap.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(index: u16, size: u64, content: usize) -> Vec<u8> {
        let head = [&index.to_le_bytes()[..], &[1, 0, 0, 0, 0, 0], &size.to_le_bytes()].concat();
        [head, vec![7; content]].concat()
    }

    #[test]
    fn only_heaps_with_an_end_are_walked() {
        let heap = |objects: &[Vec<u8>]| [vec![0; HEADER], objects.concat()].concat();
        assert!(is_walkable(&heap(&[object(1, 5, 8), object(2, 0, 0), object(0, 24, 8)])));
        assert!(is_walkable(&heap(&[object(1, 5, 8), vec![0; 8]])));
        for damaged in [
            heap(&[object(0, 0, 8)]),
            heap(&[object(1, 5, 8), vec![0; 4096]]),
            heap(&[object(1, 100, 8)]),
            heap(&[object(1, u64::MAX, 8)]),
            heap(&[object(1, u64::MAX - 22, 8)]),
        ] {
            assert!(!is_walkable(&damaged));
        }
        assert_eq!(heap_length(b"GCOL\x01\0\0\0\0\x10\0\0\0\0\0\0"), Some(4096));
        assert_eq!(heap_length(b"GCOL\x01\0\0\0\0\x10"), None);
        assert_eq!(heap_length(b"counts of a detector"), None);
    }

    /// Without the check this test never ends.
    #[test]
    fn a_file_with_a_zeroed_heap_is_opened_and_its_texts_are_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("texts.h5");
        let text: hdf5::types::VarLenUnicode = "m".parse().unwrap();
        let file = File::create(&path).unwrap();
        file.new_attr::<hdf5::types::VarLenUnicode>().create("units").unwrap().write_scalar(&text).unwrap();
        file.close().unwrap();
        let read = || {
            let file = open(&path, OpenMode::Read).unwrap();
            file.attr("units").unwrap().read_scalar::<hdf5::types::VarLenUnicode>()
        };
        assert_eq!(read().unwrap().as_str(), "m");
        let mut bytes = std::fs::read(&path).unwrap();
        let heap = bytes.windows(4).position(|window| window == b"GCOL").unwrap();
        let length = heap_length(&bytes[heap..]).unwrap();
        bytes[heap + HEADER..heap + length].fill(0);
        std::fs::write(&path, bytes).unwrap();
        assert!(read().is_err());
    }
}
