//! numpy's `.npz` archives: reading patterns, masks and supports, and writing results.
//!
//! Keys: `data` or `iobs` (else `intensity`), `mask` (not zero = bad), `support`. Metadata that name their unit are read too:
//! `energy_keV`, `detector_distance_m`, `pixel_size_m` (one number, or y and x).

use super::Found;
use super::cxi_write::{Reconstruction, completed};
use super::element::{Kind, MaskConvention, Stored, fit, volume_shape};
use super::location::Location;
use super::{npy, output};
use crate::error::{Error, Result, shape_text};
use crate::geometry::{EV, Geometry};
use crate::pixels::trimmed;
use crate::volume::Centered;
use std::cell::RefCell;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use zip::result::ZipError;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

const DATA: [&str; 3] = ["data", "iobs", "intensity"];
pub(super) const MASK: [&str; 2] = ["mask_bits", "mask"];
pub(super) const SUPPORT: [&str; 1] = ["support"];

struct Npz {
    path: PathBuf,
    archive: ZipArchive<BufReader<File>>,
}

impl Npz {
    fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(|error| Error::read(path, error))?;
        let archive = ZipArchive::new(BufReader::new(file));
        let archive =
            archive.map_err(|error| Error::file(path, format!("is a damaged or incomplete npz archive: {error}")))?;
        Ok(Npz { path: path.to_path_buf(), archive })
    }

    fn keys(&self) -> Vec<String> {
        self.archive.file_names().filter_map(|name| name.strip_suffix(".npy")).map(String::from).collect()
    }

    fn get(&mut self, key: &str) -> Result<Stored> {
        let name = PathBuf::from(format!("{}:{key}", self.path.display()));
        npy::parse(&name, self.bytes(key)?)
    }

    fn text(&mut self, key: &str) -> Option<String> {
        npy::text(&self.bytes(key).ok()?)
    }

    fn bytes(&mut self, key: &str) -> Result<Vec<u8>> {
        let name = PathBuf::from(format!("{}:{key}", self.path.display()));
        let there = self.keys().join(", ");
        let mut entry = match self.archive.by_name(&format!("{key}.npy")) {
            Ok(entry) => entry,
            Err(ZipError::FileNotFound) => {
                return Err(Error::file(name, format!("nothing there: the archive holds {there}")));
            }
            Err(error) => return Err(Error::read(name, error)),
        };
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).map_err(|error| Error::file(&name, format!("cannot be read: {error}")))?;
        Ok(bytes)
    }

    /// The first of `keys` that is there; else the only array with two axes or more that is none of the other known keys.
    fn find(&mut self, keys: &[&str]) -> Result<(String, Stored)> {
        let there = self.keys();
        if let Some(key) = keys.iter().find(|key| there.iter().any(|other| other == *key)) {
            return Ok((key.to_string(), self.get(key)?));
        }
        let other_roles = [&DATA[..], &MASK, &SUPPORT].concat();
        let mut arrays = Vec::new();
        for key in there.iter().filter(|key| !other_roles.contains(&key.as_str())) {
            if let Ok(stored) = self.get(key)
                && stored.shape.len() >= 2
                && stored.element.kind != Kind::Complex
            {
                arrays.push((key.clone(), stored));
            }
        }
        match arrays.len() {
            1 => Ok(arrays.remove(0)),
            0 => Err(Error::file(
                &self.path,
                format!(
                    "holds no {}, only {}",
                    keys.join(" or "),
                    if there.is_empty() { "nothing".into() } else { there.join(", ") }
                ),
            )),
            _ => {
                let arrays: Vec<_> =
                    arrays.iter().map(|(key, stored)| format!("{key} ({})", shape_text(&stored.shape))).collect();
                Err(Error::file(
                    &self.path,
                    format!("holds no {}, append the one to use as :key: {}", keys.join(" or "), arrays.join(", ")),
                ))
            }
        }
    }

    /// The numbers under `key`, at most a few.
    fn numbers(&mut self, key: &str) -> Option<Vec<f64>> {
        let mut stored = self.get(key).ok()?;
        let count = stored.shape.iter().product::<usize>();
        if count > 3 {
            return None;
        }
        stored.shape = vec![1, count];
        Some(stored.into_f64().ok()?.as_slice().to_vec())
    }

    fn geometry(&mut self) -> Geometry {
        let mut first =
            |key| self.numbers(key)?.first().copied().filter(|value: &f64| value.is_finite() && *value > 0.0);
        let (energy, distance) = (first("energy_keV").map(|energy| energy * 1e3 * EV), first("detector_distance_m"));
        let pixel_size = match self.numbers("pixel_size_m").as_deref() {
            Some(&[pixel]) => Some([pixel; 2]),
            Some(&[y, x]) => Some([y, x]),
            _ => None,
        };
        Geometry { energy, distance, pixel_size }
    }
}

pub(super) fn read(place: &Location) -> Result<Found> {
    let mut npz = Npz::open(&place.path)?;
    let (key, intensity) = match &place.inside {
        Some(key) => (key.clone(), npz.get(key)?),
        None => npz.find(&DATA)?,
    };
    let shape = volume_shape(&intensity.shape).map_err(|problem| Error::file(&intensity.name, problem))?;
    let there = npz.keys();
    let has = |key: &str| there.iter().any(|other| other == key);
    let mut mask = None;
    if let Some(key) = MASK.iter().find(|key| has(key)) {
        let stored = npz.get(key)?.into_mask(convention(key))?;
        let found = stored.shape();
        mask = fit(stored, shape);
        if mask.is_none() && place.inside.is_none() {
            return Err(Error::Shape {
                what: format!("mask {}:{key}", place.path.display()),
                found: trimmed(found),
                expected: trimmed(shape),
                remedy: "name the data as :key to leave this mask out".into(),
            });
        }
    }
    let support = if has("support") { Some(npz.get("support")?.into_flags()?) } else { None };
    let text = npz.text("settings");
    Ok(Found {
        mask,
        support: support.filter(|support| support.shape() == shape),
        estimate: None,
        geometry: npz.geometry(),
        by_lacuna: text.is_some_and(|text| serde_json::from_str::<serde::de::IgnoredAny>(&text).is_ok()),
        dataset: Some(key),
        format: "NPZ",
        intensity,
    })
}

/// `mask_bits` is lacuna's own and exact; other masks are flags unless they hold bits.
fn convention(key: &str) -> MaskConvention {
    if key == MASK[0] { MaskConvention::Cxi } else { MaskConvention::Flags }
}

/// The array under the key that the user gave, or under one of `keys`.
pub(super) fn array(place: &Location, keys: &[&str]) -> Result<Stored> {
    let mut npz = Npz::open(&place.path)?;
    match &place.inside {
        Some(key) => npz.get(key),
        None => Ok(npz.find(keys)?.1),
    }
}

/// Intensities, or any other array.
pub(super) fn plain(place: &Location) -> Result<Stored> {
    array(place, &DATA)
}

pub(super) fn mask(place: &Location) -> Result<Centered<u32>> {
    let stored = array(place, &MASK)?;
    let key = stored.name.to_string_lossy().rsplit(':').next().unwrap_or_default().to_string();
    stored.into_mask(convention(&key))
}

/// Writes a reconstruction as a compressed archive.
///
/// Keys, the arrays `(z, y, x)` or `(y, x)`: `obj` (complex64), `support`, `mask` (uint8, 1 = not measured), `mask_bits` (CXI bits), `iobs`
/// (photons, the mean of the estimate where there is one), `runs` and `modes` where there are any (with one more axis in front), `mode_weights`, `curve_<name>` (n, 2),
/// `command`, `settings` and `results` (JSON text), `energy_keV`, `detector_distance_m`, `pixel_size_m` (y, x) where known.
pub fn write_result_npz(path: &Path, force: bool, result: &Reconstruction) -> Result<()> {
    output::replace(path, force, |part| write(part, result).map_err(|error| Error::write(path, error)))
}

fn write(path: &Path, result: &Reconstruction) -> io::Result<()> {
    let failed = RefCell::new(None);
    let target = Target { file: File::create(path)?, position: 0, failed: &failed };
    let written = archive(Writer(ZipWriter::new(BufWriter::new(target))), result);
    // The target's reason is the true one.
    failed.into_inner().map_or(written, Err)
}

/// The file under an archive. It remembers its first error and takes everything after it: `ZipWriter` would print errors on its own while
/// it is dropped, and keeps the reason of none.
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
    out.add("mode_weights", "<f8", &[result.mode_weights.len()], doubles(result.mode_weights.iter().copied()))?;
    out.add("iobs", "<f4", &shape, completed(pattern).as_slice().iter().flat_map(|n| n.to_le_bytes()).collect())?;
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
    out.0.finish().map_err(io::Error::other)?.flush()
}

struct Writer<'a>(ZipWriter<BufWriter<Target<'a>>>);

impl Writer<'_> {
    fn add(&mut self, key: &str, descr: &str, shape: &[usize], values: Vec<u8>) -> io::Result<()> {
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Deflated)
            .large_file(values.len() >= u32::MAX as usize / 2);
        self.0.start_file(format!("{key}.npy"), options).map_err(io::Error::other)?;
        self.0.write_all(&npy::header(descr, shape))?;
        self.0.write_all(&values)
    }

    /// A zero-dimensional string array: four bytes a character.
    fn text(&mut self, key: &str, text: &str) -> io::Result<()> {
        let count = text.chars().count().max(1);
        let mut values: Vec<u8> = text.chars().flat_map(|c| u32::from(c).to_le_bytes()).collect();
        values.resize(4 * count, 0);
        self.add(key, &format!("<U{count}"), &[], values)
    }
}

fn flags(values: impl Iterator<Item = bool>) -> Vec<u8> {
    values.map(u8::from).collect()
}

fn doubles(values: impl IntoIterator<Item = f64>) -> Vec<u8> {
    values.into_iter().flat_map(f64::to_le_bytes).collect()
}
