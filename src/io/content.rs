//! Bytes of files, unpacked where they are gzipped.

use crate::error::{Error, Result};
use flate2::read::MultiGzDecoder;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

const GZIP: [u8; 2] = [0x1f, 0x8b];

/// The first bytes of a file, at most `length`.
pub(super) fn head(path: &Path, length: u64) -> Result<Vec<u8>> {
    let mut out = Vec::new();
    open(path)?.take(length).read_to_end(&mut out).map_err(|error| Error::read(path, error))?;
    Ok(out)
}

/// All bytes of a file.
pub(super) fn bytes(path: &Path) -> Result<Vec<u8>> {
    let mut out = Vec::new();
    let read = open(path)?.read_to_end(&mut out);
    read.map_err(|error| Error::file(path, format!("cannot be read to its end: {error}")))?;
    Ok(out)
}

/// A reader of the unpacked bytes.
fn open(path: &Path) -> Result<Box<dyn Read>> {
    let fail = |error| Error::read(path, error);
    let mut start = Vec::new();
    File::open(path).map_err(fail)?.take(2).read_to_end(&mut start).map_err(fail)?;
    let file = BufReader::new(File::open(path).map_err(fail)?);
    Ok(if start == GZIP { Box::new(MultiGzDecoder::new(file)) } else { Box::new(file) })
}
