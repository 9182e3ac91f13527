//! Finished patterns on their way into a set: one file each, so that work is lost by neither a kill
//! nor a crash.
//!
//! A part is `lacunap1`, the length of its head (u32), the head (JSON), the compressed chunks, and
//! the CRC-32 of all before. Numbers are little-endian.

use super::pack::{pack, rounded, rounded_complex};
use super::{Entry, Split};
use crate::error::{Error, Result};
use crate::parameters::Parameters;
use crate::pixels::Calculated;
use crate::volume::{Centered, Shape};
use flate2::Crc;
use serde::{Deserialize, Serialize};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

const MAGIC: &[u8; 8] = b"lacunap1";

/// A pattern with its arrays compressed, in the order of [`super::ARRAYS`].
#[derive(Debug, PartialEq)]
pub(super) struct Part {
    pub head: Head,
    pub chunks: Vec<Vec<u8>>,
}

/// Everything in a part but its arrays.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Head {
    index: usize,
    pub split: Split,
    pub particle: u64,
    pub parameters: Parameters,
    sizes: Vec<usize>,
}

impl Part {
    /// Checks and compresses an entry.
    ///
    /// # Errors
    /// [`Error::Entry`] if it does not fit the set.
    pub fn new(index: usize, entry: &Entry, shape: Shape) -> Result<Self> {
        let wrong = |problem: String| Error::Entry { pattern: index, problem };
        let mut shapes = vec![
            entry.intensity.shape(),
            entry.counts.shape(),
            entry.mask.shape(),
            entry.object.shape(),
            entry.support.shape(),
        ];
        if let Some(Calculated { mean, spread }) = &entry.calculated {
            shapes.extend([mean.shape(), spread.shape()]);
        }
        if let Some((other, name)) = shapes.iter().zip(super::ARRAYS).find(|(other, _)| **other != shape) {
            return Err(wrong(format!("its {name} is {other:?}, the set's patterns are {shape:?}")));
        }
        if let Some(name) =
            entry.parameters.iter().map(|(name, _)| name).find(|name| name.is_empty() || name.contains(['/', '\0']))
        {
            return Err(wrong(format!("parameter '{name}': names are not empty and have no '/'")));
        }
        let mask: Option<Vec<u16>> = entry.mask.as_slice().iter().map(|&bits| bits.try_into().ok()).collect();
        let mask = mask.ok_or_else(|| wrong("the mask has bits above 0xffff".into()))?;
        let fail = |source| wrong(format!("cannot be compressed: {source}"));
        let floats = |values: &Centered<f32>| pack(values.map(|&value| rounded(value)).as_slice()).map_err(fail);
        let mut chunks = vec![
            floats(&entry.intensity)?,
            pack(entry.counts.as_slice()).map_err(fail)?,
            pack(&mask).map_err(fail)?,
            pack(entry.object.map(|&value| rounded_complex(value)).as_slice()).map_err(fail)?,
            pack(flags(&entry.support).as_slice()).map_err(fail)?,
        ];
        if let Some(Calculated { mean, spread }) = &entry.calculated {
            chunks.extend([floats(mean)?, floats(spread)?]);
        }
        let sizes = chunks.iter().map(Vec::len).collect();
        let parameters = entry.parameters.clone();
        Ok(Part { head: Head { index, split: entry.split, particle: entry.particle, parameters, sizes }, chunks })
    }

    /// Writes the part under its name, whole or not at all. Not synced: a part that a power failure
    /// cut short is made again.
    ///
    /// # Errors
    /// [`Error::Write`] for a full disk or a folder that cannot be written.
    pub fn write(&self, folder: &Path) -> Result<()> {
        let path = path(folder, self.head.index);
        let new = path.with_extension("new");
        let written = self.bytes().and_then(|bytes| fs::write(&new, bytes)).and_then(|()| fs::rename(&new, &path));
        written.map_err(|source| {
            // The first error is the one to tell; a full disk is glad of the space.
            let _ = fs::remove_file(&new);
            Error::write(&path, source)
        })
    }

    /// The part of pattern `index`, if it is there and whole.
    pub fn read(folder: &Path, index: usize) -> Option<Self> {
        let bytes = fs::read(path(folder, index)).ok()?;
        let (content, crc) = bytes.split_last_chunk::<4>()?;
        if u32::from_le_bytes(*crc) != checksum(content) {
            return None;
        }
        let (length, rest) = content.strip_prefix(MAGIC)?.split_first_chunk::<4>()?;
        let (head, mut rest) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
        let head: Head = serde_json::from_slice(head).ok().filter(|head: &Head| head.index == index)?;
        let mut chunks = Vec::with_capacity(head.sizes.len());
        for &size in &head.sizes {
            let (first, after) = rest.split_at_checked(size)?;
            chunks.push(first.to_vec());
            rest = after;
        }
        rest.is_empty().then_some(Part { head, chunks })
    }

    fn bytes(&self) -> io::Result<Vec<u8>> {
        let head = serde_json::to_vec(&self.head)?;
        let length = u32::try_from(head.len()).map_err(io::Error::other)?;
        let mut bytes = [&MAGIC[..], &length.to_le_bytes(), &head].concat();
        self.chunks.iter().for_each(|chunk| bytes.extend_from_slice(chunk));
        bytes.extend_from_slice(&checksum(&bytes).to_le_bytes());
        Ok(bytes)
    }
}

/// Path of the part of pattern `index`.
pub(super) fn path(folder: &Path, index: usize) -> PathBuf {
    folder.join(format!("{index:06}.part"))
}

fn flags(values: &Centered<bool>) -> Centered<u8> {
    values.map(|&flag| u8::from(flag))
}

fn checksum(bytes: &[u8]) -> u32 {
    let mut crc = Crc::new();
    crc.update(bytes);
    crc.sum()
}
