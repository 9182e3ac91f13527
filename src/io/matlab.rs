//! MATLAB 7.3: HDF5 behind a header of its own. Arrays are stored by columns: what is the first index
//! there is the last here.

use super::cxi_write::create;
use super::hdf5_error::reason;
use super::nexus::Outcome;
use super::output::replace;
use crate::error::{Error, Result};
use crate::volume::Centered;
use hdf5::types::FixedAscii;
use hdf5::{Dataset, File};
use std::io::{self, Write};
use std::path::Path;

/// Bytes before what is HDF5.
const HEADER: usize = 512;

/// Writes a file.
///
/// # Errors
///
/// As [`super::replace`].
pub(super) fn write(path: &Path, force: bool, content: impl FnOnce(&File) -> Outcome) -> Result<()> {
    replace(path, force, |part| {
        create(part, HEADER as u64, content).map_err(|error| Error::write(path, io::Error::other(reason(&error))))?;
        let marked = std::fs::OpenOptions::new().write(true).open(part).and_then(|mut file| file.write_all(&header()));
        marked.map_err(|error| Error::write(path, error))
    })
}

/// A text of 116 bytes, 8 bytes that are zero, the version, and `IM` in the order of the machine's
/// bytes.
fn header() -> [u8; HEADER] {
    let mut header = [0; HEADER];
    header[..116].fill(b' ');
    let text = format!(
        "MATLAB 7.3 MAT-file, Platform: GLNXA64, written by lacuna {}, HDF5 schema 1.00 .",
        env!("CARGO_PKG_VERSION")
    );
    header[..text.len()].copy_from_slice(text.as_bytes());
    header[124..].first_chunk_mut::<4>().expect("within the header").copy_from_slice(&[0x00, 0x02, b'I', b'M']);
    header
}

/// An array `(z, y, x)`, which MATLAB indexes `(x, y, z)`.
pub(super) fn single(file: &File, name: &str, values: &Centered<f32>) -> Outcome {
    let chunk = values.shape().map(|n| n.min(64));
    let dataset = file.new_dataset_builder().with_data(&values.0).shuffle().deflate(4).chunk(chunk).create(name)?;
    class(&dataset, b"single")
}

/// A row of numbers.
pub(super) fn row(file: &File, name: &str, values: &[f64]) -> Outcome {
    let column = ndarray::Array2::from_shape_fn((values.len(), 1), |(i, _)| values[i]);
    class(&file.new_dataset_builder().with_data(&column).create(name)?, b"double")
}

/// A text.
pub(super) fn text(file: &File, name: &str, value: &str) -> Outcome {
    let units: Vec<u16> = value.encode_utf16().collect();
    let column = ndarray::Array2::from_shape_fn((units.len(), 1), |(i, _)| units[i]);
    let dataset = file.new_dataset_builder().with_data(&column).create(name)?;
    dataset.new_attr::<i32>().create("MATLAB_int_decode")?.write_scalar(&2)?;
    class(&dataset, b"char")
}

/// Names the class, in as many bytes as it has.
fn class<const N: usize>(dataset: &Dataset, name: &[u8; N]) -> Outcome {
    let name = FixedAscii::<N>::from_ascii(name).map_err(|error| error.to_string())?;
    dataset.new_attr::<FixedAscii<N>>().create("MATLAB_class")?.write_scalar(&name)
}
