//! Reading numpy's `.npz` archives: patterns, masks and supports.
//!
//! Keys: `data` or `iobs` (else `intensity`), `mask` (not zero = bad), `support`. Metadata that
//! name their unit are read too: `energy_keV`, `detector_distance_m`, `pixel_size_m` (one number,
//! or y and x).

use super::array::RawArray;
use super::bytes::{Bytes, Member};
use super::contents::Contents;
use super::element::Kind;
use super::location::Location;
use super::lost;
use super::mask::{self, Frame, MaskConvention, Misfit, repeated};
use super::note::Note;
use super::npy;
use super::options::{FileMask, ReadOptions};
use super::units::Quantity;
use crate::error::{Error, Result, shape_text};
use crate::geometry::{Geometry, Goniometer};
use crate::pixels::trimmed;
use crate::volume::Centered;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};
use zip::read::ZipFile;
use zip::result::ZipError;
use zip::{CompressionMethod, ZipArchive};

const DATA: [&str; 3] = ["data", "iobs", "intensity"];
const MASK: [&str; 2] = ["mask_bits", "mask"];
pub(super) const SUPPORT: [&str; 1] = ["support"];
const OBJECT: [&str; 2] = ["obj", "object"];

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

    fn get(&mut self, key: &str) -> Result<RawArray> {
        let (name, archive) = (self.name(key), self.path.clone());
        let fail = |error: io::Error| Error::file(&name, format!("cannot be read: {error}"));
        let mut entry = self.entry(key)?;
        let head = npy::head(&mut entry).map_err(fail)?;
        let stored = entry.compression() == CompressionMethod::Stored;
        let (member, length) = (entry.name().to_string(), entry.size());
        let stored_at = stored.then(|| entry.data_start());
        npy::parse(&name, &head, |start| {
            let start = start as u64;
            let length = usize::try_from(length.saturating_sub(start)).unwrap_or(usize::MAX);
            Bytes::Member(Member { archive, name: member, start, length, stored_at })
        })
    }

    fn text(&mut self, key: &str) -> Option<String> {
        let mut bytes = Vec::new();
        self.entry(key).ok()?.read_to_end(&mut bytes).ok()?;
        npy::text(&bytes)
    }

    fn entry(&mut self, key: &str) -> Result<ZipFile<'_, BufReader<File>>> {
        let (name, there) = (self.name(key), self.keys().join(", "));
        self.archive.by_name(&format!("{key}.npy")).map_err(|error| match error {
            ZipError::FileNotFound => Error::file(name, format!("nothing there: the archive holds {there}")),
            error => Error::read(name, error),
        })
    }

    fn name(&self, key: &str) -> PathBuf {
        PathBuf::from(format!("{}:{key}", self.path.display()))
    }

    /// The first of `keys` that is there; else the only array with two axes or more that is none of
    /// the other known keys.
    fn find(&mut self, keys: &[&str]) -> Result<(String, RawArray)> {
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
        Some(stored.to_f64(&stored.whole().ok()?).ok()?.as_slice().to_vec())
    }

    /// The geometry, and what of it is not understood. The keys name their units.
    fn geometry(&mut self) -> (Geometry, Vec<Note>) {
        let mut notes = Vec::new();
        let mut read = |key: &str, quantity: Quantity, unit: &str| -> Option<Vec<f64>> {
            let numbers = self.numbers(key)?.into_iter().map(|number| {
                let (value, note) = quantity.read(key, number, Some(unit), None);
                notes.extend(note);
                value
            });
            numbers.collect()
        };
        let energy = read("energy_keV", Quantity::Energy, "keV").and_then(|values| values.first().copied());
        let distance = read("detector_distance_m", Quantity::Distance, "m").and_then(|values| values.first().copied());
        let pixel_size = match read("pixel_size_m", Quantity::PixelSize, "m").as_deref() {
            Some(&[pixel]) => Some([pixel; 2]),
            Some(&[y, x]) => Some([y, x]),
            _ => None,
        };
        (Geometry { energy, distance, pixel_size }, notes)
    }

    /// The mask of the archive, of the region that is read.
    fn mask(
        &mut self,
        frame: &Frame,
        options: &ReadOptions,
        named: bool,
    ) -> Result<(Option<Centered<u32>>, Option<Note>)> {
        let there = self.keys();
        let Some(key) = MASK.iter().find(|key| there.iter().any(|other| other == *key)) else {
            return Ok((None, None));
        };
        let stored = self.get(key)?;
        if options.file_mask == FileMask::Ignore || mask::is_nothing(&stored)? {
            return Ok((None, None));
        }
        let name = format!("{}:{key}", self.path.display());
        let found = match frame.view(&stored, options.axes) {
            Ok(view) => {
                let bits = mask::bits(&stored, &view, convention(key))?;
                return Ok((Some(repeated(bits, frame.region[0].len())), None));
            }
            Err(Misfit::Shape(found)) => found,
            Err(Misfit::Unusable(problem)) => return Err(Error::file(name, problem)),
        };
        if named {
            return Ok((None, Some(Note::MaskLeftOut { name, shape: shape_text(&trimmed(found)) })));
        }
        Err(frame.misfit(format!("mask {name}"), found, "name the data as :key to leave this mask out"))
    }
}

pub(super) fn read(place: &Location, options: &ReadOptions) -> Result<Contents> {
    let mut npz = Npz::open(&place.path)?;
    let (key, array) = match &place.inside {
        Some(key) => (key.clone(), npz.get(key)?),
        None => npz.find(&DATA)?,
    };
    let mut view = array.view(&place.index, options.axes)?;
    let stack = view.whole;
    let (region, _) = lost::region(&place.path, stack, &[], options)?;
    view.region = region.clone();
    let frame = Frame {
        stored: array.shape.clone(),
        index: place.index.clone(),
        stack,
        region: region.clone(),
        offset: options.mask_offset,
    };
    let (mask, left_out) = npz.mask(&frame, options, place.inside.is_some())?;
    let mut support = None;
    if npz.keys().iter().any(|key| key == SUPPORT[0]) {
        let stored = npz.get(SUPPORT[0])?;
        let view = stored.whole()?;
        support = if view.whole == stack { Some(stored.to_flags(&view)?) } else { None };
    }
    let settings = npz.text("settings");
    let goniometer = npz.text("goniometer").and_then(|text| serde_json::from_str::<Goniometer>(&text).ok());
    let (geometry, mut notes) = npz.geometry();
    notes.extend(left_out);
    Ok(Contents {
        mask,
        support,
        goniometer: goniometer.filter(|goniometer| goniometer.fits(stack[0])),
        by_lacuna: settings.is_some_and(|text| serde_json::from_str::<serde::de::IgnoredAny>(&text).is_ok()),
        dataset: Some(key),
        offset: options.mask_offset,
        notes,
        ..Contents::new(array, view, stack, region, geometry, "NPZ")
    })
}

/// Whether lacuna wrote this file.
pub(super) fn is_own(path: &Path) -> bool {
    Npz::open(path).is_ok_and(|mut npz| npz.text("command").is_some() && npz.text("results").is_some())
}

/// The results of a reconstruction, JSON text.
pub(super) fn result_text(place: &Location) -> Result<Option<String>> {
    Ok(Npz::open(&place.path)?.text("results"))
}

/// `mask_bits` is lacuna's own and exact; other masks are flags unless they hold bits.
fn convention(key: &str) -> MaskConvention {
    if key == MASK[0] { MaskConvention::Cxi } else { MaskConvention::Flags }
}

/// The array under the key that the user gave, or under one of `keys`.
pub(super) fn array(place: &Location, keys: &[&str]) -> Result<RawArray> {
    let mut npz = Npz::open(&place.path)?;
    match &place.inside {
        Some(key) => npz.get(key),
        None => Ok(npz.find(keys)?.1),
    }
}

/// The object of a reconstruction and, beside it, its support.
pub(super) fn object(place: &Location) -> Result<(RawArray, Option<RawArray>)> {
    let mut npz = Npz::open(&place.path)?;
    if let Some(key) = &place.inside {
        return Ok((npz.get(key)?, None));
    }
    let keys = npz.keys();
    let there = |name: &&&str| keys.iter().any(|key| key == **name);
    let Some(key) = OBJECT.iter().find(there) else {
        let problem = format!("holds no {}, only {}", OBJECT.join(" or "), keys.join(", "));
        return Err(Error::file(&place.path, problem));
    };
    let support = SUPPORT.iter().find(there).map(|key| npz.get(key)).transpose()?;
    Ok((npz.get(key)?, support))
}

/// Intensities, or any other array.
pub(super) fn plain(place: &Location) -> Result<RawArray> {
    array(place, &DATA)
}

pub(super) fn mask_alone(place: &Location) -> Result<Centered<u32>> {
    let stored = array(place, &MASK)?;
    let key = stored.name.to_string_lossy().rsplit(':').next().unwrap_or_default().to_string();
    mask::whole(&stored, convention(&key))
}
