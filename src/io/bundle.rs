//! Members of bytes by name in one file, with a checksum: what only the program itself reads back.

use super::output::replace;
use crate::checksum::checksum;
use crate::error::{Error, Result};
use std::fs::File;
use std::io::{Error as Failure, Read, Write};
use std::path::Path;
use zip::{CompressionMethod, ZipArchive, ZipWriter, write::SimpleFileOptions};

/// Name of the checksum of all other members, one after the other.
const CHECKSUM: &str = "sha256";

/// Writes a bundle in place of an older one: an uncompressed zip file.
///
/// # Errors
/// [`Error::Write`] if it cannot be written.
pub fn write_bundle(path: &Path, members: &[(&str, &[u8])]) -> Result<()> {
    replace(path, true, |temporary| {
        let failed = |error: &dyn std::fmt::Display| Error::write(path, Failure::other(error.to_string()));
        let mut zip = ZipWriter::new(File::create(temporary).map_err(|error| failed(&error))?);
        // Neither weights nor objects compress.
        let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored).large_file(true);
        let all: Vec<&[u8]> = members.iter().map(|(_, bytes)| *bytes).collect();
        let sum = checksum(&all.concat());
        for (name, bytes) in members.iter().copied().chain([(CHECKSUM, sum.as_bytes())]) {
            zip.start_file(name, options).map_err(|error| failed(&error))?;
            zip.write_all(bytes).map_err(|error| failed(&error))?;
        }
        zip.finish().map(drop).map_err(|error| failed(&error))
    })
}

/// Reads members of a bundle, in the order in which they were written.
///
/// # Errors
/// [`Error::File`] if it is damaged, [`Error::Missing`] or [`Error::Read`] if it cannot be read.
pub fn read_bundle<const N: usize>(path: &Path, names: [&str; N]) -> Result<[Vec<u8>; N]> {
    let file = File::open(path).map_err(|error| Error::read(path, error))?;
    let length = file.metadata().map_err(|error| Error::read(path, error))?.len();
    let mut zip = ZipArchive::new(file).map_err(|error| damaged(path, &error))?;
    let mut member = |name: &str| -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let member = zip.by_name(name).map_err(|error| damaged(path, &error))?;
        // Nothing is compressed: a member that claims to be longer than the file is not read.
        member.take(length).read_to_end(&mut bytes).map_err(|error| damaged(path, &error))?;
        Ok(bytes)
    };
    let mut members = [const { Vec::new() }; N];
    for (place, name) in members.iter_mut().zip(names) {
        *place = member(name)?;
    }
    let sum = member(CHECKSUM)?;
    let all: Vec<&[u8]> = members.iter().map(Vec::as_slice).collect();
    if checksum(&all.concat()).as_bytes() != sum {
        return Err(damaged(path, &"its checksum is wrong"));
    }
    Ok(members)
}

/// The error of a bundle that cannot be used.
pub fn damaged(path: &Path, problem: &dyn std::fmt::Display) -> Error {
    Error::file(path, format!("is no checkpoint that can be read ({problem}): remove it to start anew"))
}
