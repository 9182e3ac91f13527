//! Writing results as numpy's `.npz` archives.

use super::cxi_write::{Reconstruction, with_estimate};
use super::{npy, output};
use crate::error::{Error, Result};
use crate::geometry::EV;
use crate::pixels::trimmed;
use crate::volume::Centered;
use std::cell::RefCell;
use std::fs::File;
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::path::Path;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

/// Writes a reconstruction as a compressed archive.
///
/// Keys, the arrays `(z, y, x)` or `(y, x)`: `obj` (complex64), `support`, `mask` (uint8, 1 = not
/// measured), `mask_bits` (CXI bits), `iobs` (photons, the mean of the estimate where there is
/// one), `runs` and `modes` where there are any (with one more axis in front), `mode_weights`,
/// `psf` (the kernel, its middle at `n / 2`) where there is one, the maps of the
/// object by their names, `curve_<name>` (n, 2), `command`,
/// `settings` and `results` (JSON text), `energy_keV`, `detector_distance_m`, `pixel_size_m`
/// (y, x), `goniometer` (JSON text) where known.
///
/// # Errors
///
/// [`Error::Exists`] for a file that is there without `force`, [`Error::Write`] where the system
/// cannot write it.
pub fn write_result_npz(path: &Path, force: bool, result: &Reconstruction) -> Result<()> {
    output::replace(path, force, |part| write(part, result).map_err(|error| Error::write(path, error)))
}

fn write(path: &Path, result: &Reconstruction) -> io::Result<()> {
    write_archive(path, |out| archive(out, result))
}

/// Writes an archive, filled by `fill`, which finishes it.
pub(super) fn write_archive(path: &Path, fill: impl FnOnce(Writer) -> io::Result<()>) -> io::Result<()> {
    let failed = RefCell::new(None);
    let target = Target { file: File::create(path)?, position: 0, failed: &failed };
    let written = fill(Writer(ZipWriter::new(BufWriter::new(target))));
    // The target's reason is the true one.
    failed.into_inner().map_or(written, Err)
}

/// The file under an archive. It remembers its first error and takes everything after it:
/// `ZipWriter` would print errors on its own while it is dropped, and keeps the reason of none.
struct Target<'a> {
    file: File,
    position: u64,
    failed: &'a RefCell<Option<io::Error>>,
}

impl Write for Target<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut failed = self.failed.borrow_mut();
        if failed.is_none() {
            *failed = self.file.write_all(bytes).err();
        }
        self.position += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seek for Target<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let mut failed = self.failed.borrow_mut();
        if failed.is_none() {
            match self.file.seek(to) {
                Ok(position) => self.position = position,
                Err(error) => *failed = Some(error),
            }
        } else if let SeekFrom::Start(position) = to {
            self.position = position;
        }
        Ok(self.position)
    }
}

fn archive(mut out: Writer, result: &Reconstruction) -> io::Result<()> {
    let pattern = result.pattern;
    let shape = trimmed(pattern.shape());
    let complex = |array: &Centered<num_complex::Complex32>| -> Vec<u8> {
        array.as_slice().iter().flat_map(|value| [value.re.to_le_bytes(), value.im.to_le_bytes()].concat()).collect()
    };
    let stack = |arrays: &[Centered<num_complex::Complex32>]| arrays.iter().flat_map(complex).collect::<Vec<u8>>();
    let object = trimmed(result.object.shape());
    out.add("obj", "<c8", &object, complex(result.object))?;
    out.add("support", "|u1", &object, flags(result.support.as_slice().iter().copied()))?;
    for (key, arrays) in [("runs", result.runs), ("modes", result.modes)] {
        if !arrays.is_empty() {
            out.add(key, "<c8", &[&[arrays.len()], &object[..]].concat(), stack(arrays))?;
        }
    }
    let maps = result.maps.iter().map(|&(name, _, values)| (name, values));
    for (key, values) in maps.chain(result.psf.map(|psf| ("psf", psf))) {
        let bytes = values.as_slice().iter().flat_map(|n| n.to_le_bytes()).collect();
        out.add(key, "<f4", &trimmed(values.shape()), bytes)?;
    }
    out.add("mode_weights", "<f8", &[result.mode_weights.len()], doubles(result.mode_weights.iter().copied()))?;
    out.add("iobs", "<f4", &shape, with_estimate(pattern).as_slice().iter().flat_map(|n| n.to_le_bytes()).collect())?;
    out.add("mask", "|u1", &shape, flags(pattern.mask.as_slice().iter().map(|&bits| bits != 0)))?;
    out.add("mask_bits", "<u4", &shape, pattern.mask.as_slice().iter().flat_map(|n| n.to_le_bytes()).collect())?;
    for (name, points) in result.curves {
        let values = doubles(points.iter().flat_map(|&(x, y)| [x, y]));
        out.add(&format!("curve_{}", name.replace(['/', '\\'], "_")), "<f8", &[points.len(), 2], values)?;
    }
    out.text("command", result.process.command())?;
    out.text("settings", &result.process.settings().to_string())?;
    out.text("results", &result.process.results().to_string())?;
    let geometry = pattern.geometry;
    if let Some(energy) = geometry.energy {
        out.add("energy_keV", "<f8", &[], doubles([energy / (1e3 * EV)]))?;
    }
    if let Some(distance) = geometry.distance {
        out.add("detector_distance_m", "<f8", &[], doubles([distance]))?;
    }
    if let Some(pixel) = geometry.pixel_size {
        out.add("pixel_size_m", "<f8", &[2], doubles(pixel))?;
    }
    if let Some(goniometer) = &pattern.goniometer {
        out.text("goniometer", &serde_json::to_string(goniometer)?)?;
    }
    out.finish()
}

/// An archive that is being written.
pub(super) struct Writer<'a>(ZipWriter<BufWriter<Target<'a>>>);

impl Writer<'_> {
    /// An array with numpy's description of its type.
    pub fn add(&mut self, key: &str, descr: &str, shape: &[usize], values: Vec<u8>) -> io::Result<()> {
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Deflated)
            .large_file(values.len() >= u32::MAX as usize / 2);
        self.0.start_file(format!("{key}.npy"), options).map_err(io::Error::other)?;
        self.0.write_all(&npy::header(descr, shape))?;
        self.0.write_all(&values)
    }

    /// A zero-dimensional string array: four bytes a character.
    pub fn text(&mut self, key: &str, text: &str) -> io::Result<()> {
        let count = text.chars().count().max(1);
        let mut values: Vec<u8> = text.chars().flat_map(|c| u32::from(c).to_le_bytes()).collect();
        values.resize(4 * count, 0);
        self.add(key, &format!("<U{count}"), &[], values)
    }

    /// Writes the directory, after which nothing is added.
    pub fn finish(self) -> io::Result<()> {
        self.0.finish().map_err(io::Error::other)?.flush()
    }
}

fn flags(values: impl Iterator<Item = bool>) -> Vec<u8> {
    values.map(u8::from).collect()
}

fn doubles(values: impl IntoIterator<Item = f64>) -> Vec<u8> {
    values.into_iter().flat_map(f64::to_le_bytes).collect()
}
