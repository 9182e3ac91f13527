//! The bytes of stored arrays, read as far as they are needed and forgotten again.

use super::content::Content;
use super::tiff::Pages;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::{Path, PathBuf};
use zip::ZipArchive;

/// The bytes of an array in its own order.
pub(super) enum Bytes {
    /// In memory.
    Memory(Vec<u8>),
    /// In a file, as blocks of equal length.
    Blocks {
        file: PathBuf,
        /// Where each block starts.
        starts: Vec<u64>,
        /// Bytes in a block.
        length: usize,
    },
    /// In a member of a zip archive.
    Member(Member),
    /// Pages of a TIFF file.
    Pages(Pages),
}

/// The bytes of a member of a zip archive from one on.
pub(super) struct Member {
    pub archive: PathBuf,
    pub name: String,
    /// The first byte, in the member.
    pub start: u64,
    /// How many there are.
    pub length: usize,
    /// Where the member starts in the archive, if it is stored as it is.
    pub stored_at: Option<u64>,
}

impl Bytes {
    /// Blocks of `length` bytes each in an opened file, which has all of them.
    pub fn blocks(file: &Path, content: Content, starts: Vec<u64>, length: usize) -> Self {
        match content {
            Content::Disk(_) => Bytes::Blocks { file: file.to_path_buf(), starts, length },
            Content::Unpacked(unpacked) => {
                let mut bytes = unpacked.into_inner();
                if let [start] = starts[..] {
                    bytes.drain(..start as usize);
                    bytes.truncate(length);
                } else {
                    let blocks = starts.iter().map(|&start| &bytes[start as usize..][..length]);
                    bytes = blocks.flatten().copied().collect();
                }
                Bytes::Memory(bytes)
            }
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        match self {
            Bytes::Memory(bytes) => bytes.len(),
            Bytes::Blocks { starts, length, .. } => starts.len().saturating_mul(*length),
            Bytes::Member(member) => member.length,
            Bytes::Pages(pages) => pages.len(),
        }
    }

    /// Hands on what is in each of `spans`, which come in the order of the bytes, are not empty, and
    /// lie within one block or page each; or says why they cannot be read.
    pub fn read(&self, spans: &[Range<usize>], mut each: impl FnMut(&[u8])) -> Result<(), String> {
        if spans.last().is_some_and(|span| span.end > self.len()) {
            return Err("is cut short".into());
        }
        let words = |error: io::Error| format!("cannot be read: {error}");
        let mut buffer = Vec::new();
        match self {
            Bytes::Memory(bytes) => spans.iter().for_each(|span| each(&bytes[span.clone()])),
            Bytes::Blocks { file, starts, length } => {
                let mut file = File::open(file).map_err(words)?;
                for span in spans {
                    let at = starts[span.start / length] + (span.start % length) as u64;
                    file.seek(SeekFrom::Start(at)).map_err(words)?;
                    fill(&mut buffer, &mut file, span.len()).map_err(words)?;
                    each(&buffer);
                }
            }
            Bytes::Member(member) => {
                let mut file = BufReader::new(File::open(&member.archive).map_err(words)?);
                let all = spans.iter().map(Range::len).sum::<usize>() == member.length;
                match member.stored_at.filter(|_| !all) {
                    Some(at) => {
                        for span in spans {
                            file.seek(SeekFrom::Start(at + member.start + span.start as u64)).map_err(words)?;
                            fill(&mut buffer, &mut file, span.len()).map_err(words)?;
                            each(&buffer);
                        }
                    }
                    None => {
                        let mut archive = ZipArchive::new(file).map_err(|error| words(error.into()))?;
                        let mut entry = archive.by_name(&member.name).map_err(|error| words(error.into()))?;
                        let mut at = 0;
                        skip(&mut entry, member.start).map_err(words)?;
                        for span in spans {
                            skip(&mut entry, (span.start - at) as u64).map_err(words)?;
                            fill(&mut buffer, &mut entry, span.len()).map_err(words)?;
                            each(&buffer);
                            at = span.end;
                        }
                        // The checksum is compared at the end.
                        let rest = io::copy(&mut entry, &mut io::sink()).map_err(words)?;
                        if rest != (member.length - at) as u64 {
                            return Err("is damaged: it is not as long as the archive says".into());
                        }
                    }
                }
            }
            Bytes::Pages(pages) => pages.read(spans, each)?,
        }
        Ok(())
    }
}

fn fill(buffer: &mut Vec<u8>, from: &mut impl Read, length: usize) -> io::Result<()> {
    buffer.clear();
    // No more memory than there are bytes, whatever a damaged header says.
    match from.take(length as u64).read_to_end(buffer)? {
        read if read == length => Ok(()),
        _ => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

fn skip(from: &mut impl Read, length: u64) -> io::Result<()> {
    match io::copy(&mut from.take(length), &mut io::sink())? {
        skipped if skipped == length => Ok(()),
        _ => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}
