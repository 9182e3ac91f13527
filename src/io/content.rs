//! Bytes of files, unpacked where they are gzipped.

use crate::error::{Error, Result};
use flate2::read::MultiGzDecoder;
use std::fs::File;
use std::io::{self, BufReader, Cursor, Read, Seek, SeekFrom};
use std::path::Path;

const GZIP: [u8; 2] = [0x1f, 0x8b];

/// The first bytes of a file, at most `length`.
pub(super) fn head(path: &Path, length: u64) -> Result<Vec<u8>> {
    let mut out = Vec::new();
    reader(path)?.take(length).read_to_end(&mut out).map_err(|error| Error::read(path, error))?;
    Ok(out)
}

/// All bytes of a file.
pub(super) fn bytes(path: &Path) -> Result<Vec<u8>> {
    let mut out = Vec::new();
    let read = reader(path)?.read_to_end(&mut out);
    read.map_err(|error| Error::file(path, format!("cannot be read to its end: {error}")))?;
    Ok(out)
}

/// A file of which parts can be read: as it is on the disk, or unpacked in memory.
pub(super) enum Content {
    Disk(BufReader<File>),
    Unpacked(Cursor<Vec<u8>>),
}

/// Opens a file to read parts of it.
pub(super) fn open(path: &Path) -> Result<Content> {
    if is_packed(path)? {
        return Ok(Content::Unpacked(Cursor::new(bytes(path)?)));
    }
    Ok(Content::Disk(BufReader::new(File::open(path).map_err(|error| Error::read(path, error))?)))
}

impl Content {
    /// The bytes from `at` on, at most `length`.
    pub fn part(&mut self, at: u64, length: u64) -> io::Result<Vec<u8>> {
        let mut out = Vec::new();
        self.seek(SeekFrom::Start(at))?;
        self.take(length).read_to_end(&mut out)?;
        Ok(out)
    }

    /// How many bytes there are.
    pub fn length(&mut self) -> io::Result<u64> {
        self.seek(SeekFrom::End(0))
    }
}

impl Read for Content {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Content::Disk(file) => file.read(buffer),
            Content::Unpacked(bytes) => bytes.read(buffer),
        }
    }
}

impl Seek for Content {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        match self {
            Content::Disk(file) => file.seek(to),
            Content::Unpacked(bytes) => bytes.seek(to),
        }
    }
}

/// A reader of the unpacked bytes.
fn reader(path: &Path) -> Result<Box<dyn Read>> {
    let packed = is_packed(path)?;
    let file = BufReader::new(File::open(path).map_err(|error| Error::read(path, error))?);
    Ok(if packed { Box::new(MultiGzDecoder::new(file)) } else { Box::new(file) })
}

fn is_packed(path: &Path) -> Result<bool> {
    let fail = |error| Error::read(path, error);
    let mut start = Vec::new();
    File::open(path).map_err(fail)?.take(2).read_to_end(&mut start).map_err(fail)?;
    Ok(start == GZIP)
}
