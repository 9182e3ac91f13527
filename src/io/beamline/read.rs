//! Reading a scan as a layout says.

use super::layout::{Layout, LogFormat};
use super::log::ScanLog;
use super::log_file;
use super::lookup::{Home, Values};
use super::monitor;
use super::spec::ScanNumber;
use crate::error::{Error, Result, shape_text};
use crate::io::contents::Contents;
use crate::io::cxi::{self, Known};
use crate::io::entry::{self, DataPath, absolute, is_array};
use crate::io::location::{Format, Location, recognise};
use crate::io::options::ReadOptions;
use crate::io::series::Series;
use crate::io::tree::Tree;
use crate::io::{frames, glob};
use std::path::{Path, PathBuf};

/// Reads the frames of a scan with all that the layout knows of them.
pub(in crate::io) fn read(place: &Location, layout: &Layout, options: &ReadOptions) -> Result<Contents> {
    // What lacuna wrote has been read with a layout before, and says all itself.
    if place.format == Format::Hdf5 && Tree::open(&place.path)?.attribute("/", "creator").as_deref() == Some("lacuna") {
        return cxi::read(place, options);
    }
    let separate = layout.frames.is_some();
    match (place.format, &layout.log) {
        (Format::Hdf5, None) => from_tree(place, layout, options),
        (Format::Hdf5, Some(_)) if !separate => {
            let log = log_of(place, layout)?;
            with_log(layout, &log, options, |known| {
                let tree = Tree::open(&place.path)?;
                let path = entry::find(&tree, place.inside.as_deref())?;
                cxi::read_at(&tree, path, place, known, options)
            })
        }
        (Format::Spec, Some(_)) if separate => from_spec(place, layout, options),
        (Format::Tiff | Format::Edf | Format::Cbf, Some(_)) if separate => {
            let log = log_of(place, layout)?;
            with_log(layout, &log, options, |_| frames::read(place, options))
        }
        _ => {
            let problem = format!("is for {}: {} is something else", layout.title, place.path.display());
            Err(Error::setting("beamline", &layout.name, problem))
        }
    }
}

/// Adds what the text file says to what `read` gives.
fn with_log(
    layout: &Layout,
    log: &ScanLog,
    options: &ReadOptions,
    read: impl FnOnce(&Known) -> Result<Contents>,
) -> Result<Contents> {
    let home = Home::Log(log);
    let values = Values::of(layout, &home);
    let mut contents = read(&Known { geometry: values.geometry, masks: Vec::new() })?;
    add(&mut contents, values, layout, &home);
    if let Some(name) = &options.monitor {
        contents.monitor = Some(monitor::of_log(log, name, layout)?);
    }
    Ok(contents)
}

fn add(contents: &mut Contents, mut values: Values, layout: &Layout, home: &Home) {
    contents.geometry = values.geometry.or(contents.geometry);
    let goniometer = values.goniometer(layout, home, contents.stack[0]);
    contents.goniometer = Some(goniometer).filter(|goniometer| !goniometer.is_empty());
    values.note_missing(layout, &contents.geometry);
    contents.notes.extend(values.notes);
}

/// The text file of frames that were given themselves.
fn log_of(place: &Location, layout: &Layout) -> Result<ScanLog> {
    let Some(log) = &layout.log else { return Ok(ScanLog::default()) };
    let folder = if place.path.is_dir() { place.path.clone() } else { folder_of(&place.path) };
    let file = place.path.file_name().unwrap_or_default().to_string_lossy();
    let stem = place.path.file_stem().unwrap_or_default().to_string_lossy();
    let name = layout.files.iter().find_map(|pattern| glob::captured(pattern, &file)).unwrap_or(&stem);
    let path = log_file::beside(log, &folder, name)?;
    let scan = match log.format {
        LogFormat::Fio => None,
        LogFormat::Spec => Some(scan_of_folder(&folder, &path)?),
    };
    log_file::read(log.format, &path, scan)
}

/// The number with which the name of a folder ends.
fn scan_of_folder(folder: &Path, log: &Path) -> Result<ScanNumber> {
    let whole = folder.canonicalize().unwrap_or_else(|_| folder.to_path_buf());
    let name = whole.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let digits = name.trim_end_matches(|c: char| c.is_ascii_digit()).len();
    let problem =
        format!("does not end with the number of a scan: give the text file with it instead, {}:NUMBER", log.display());
    let number = name[digits..].parse().map_err(|_| Error::file(folder, problem))?;
    Ok(ScanNumber { number, order: None })
}

fn folder_of(path: &Path) -> PathBuf {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new(".")).to_path_buf()
}

/// A scan of a SPEC file, with the frames that belong to it.
fn from_spec(place: &Location, layout: &Layout, options: &ReadOptions) -> Result<Contents> {
    let scan = match place.inside.as_deref().map(str::parse::<ScanNumber>) {
        Some(Err(problem)) => return Err(Error::file(place.display(), problem)),
        Some(Ok(number)) => Some(number),
        None => None,
    };
    let log = log_file::read(LogFormat::Spec, &place.path, scan)?;
    let series = series(place, layout, &log)?;
    let first = series.files.iter().flatten().next().ok_or_else(|| Error::file(&place.path, "has no frames"))?;
    let format = recognise(first)?;
    if !matches!(format, Format::Tiff | Format::Edf | Format::Cbf) {
        return Err(Error::file(first, "is no frame: TIFF, EDF or CBF files are expected"));
    }
    let frames = Location { path: place.path.clone(), inside: None, index: Vec::new(), series, format };
    with_log(layout, &log, options, |_| self::frames::read(&frames, options))
}

/// The files of the frames of a scan: those whose numbers a column holds, or all of a folder.
fn series(place: &Location, layout: &Layout, log: &ScanLog) -> Result<Series> {
    let Some(frames) = &layout.frames else { return Ok(Series::default()) };
    let folder = folder_of(&place.path);
    let of_scan = |pattern: &String| glob::with_number(pattern, "scan", log.number.unwrap_or(0));
    let patterns: Vec<String> = frames.files.iter().map(of_scan).collect();
    let none = || {
        let problem = format!("its frames are not here: {} was looked for", patterns.join(", "));
        Error::file(place.display(), problem)
    };
    if frames.number.is_empty() {
        let found = patterns.iter().map(|pattern| glob::files(&folder, pattern)).find(|found| !found.is_empty());
        return Series::sort(&place.path, found.ok_or_else(none)?);
    }
    let column = frames.number.iter().find_map(|name| log.column(name).ok());
    let Some(numbers) = column else {
        let name = &frames.number[0];
        let problem = log.column(name).err().unwrap_or_default();
        return Err(Error::file(place.display(), format!("cannot be told its frames: {name} {problem}")));
    };
    let names = |pattern: &String| -> Vec<Option<String>> {
        let whole = |&number: &f64| (number >= 0.0 && number.fract() == 0.0).then_some(number as u64);
        numbers.iter().map(|number| Some(glob::with_number(pattern, "number", whole(number)?))).collect()
    };
    for pattern in &patterns {
        let (mut series, names) = (Series::default(), names(pattern));
        for name in &names {
            let mut files = name.as_ref().map(|name| glob::files(&folder, name)).unwrap_or_default();
            if files.len() > 1 {
                let files: Vec<String> = files.iter().map(|file| file.display().to_string()).collect();
                let problem =
                    format!("a frame of it has several files: {}; name one folder in a layout", files.join(", "));
                return Err(Error::file(place.display(), problem));
            }
            let file = files.pop();
            if file.is_none() {
                let name = name.as_deref().and_then(|name| name.rsplit('/').next());
                series.missing.push(name.unwrap_or("a frame without a number").into());
            }
            series.files.push(file);
        }
        if series.files.iter().any(Option::is_some) {
            return Ok(series);
        }
    }
    Err(none())
}

/// A scan of an HDF5 file.
fn from_tree(place: &Location, layout: &Layout, options: &ReadOptions) -> Result<Contents> {
    let tree = Tree::open(&place.path)?;
    let Scan { entry, data, detector, named } = scan(&tree, layout, place.inside.as_deref())?;
    let home = Home::Entry { tree: &tree, entry: &entry, detector: &detector };
    let values = Values::of(layout, &home);
    let masks = layout.mask.iter().flat_map(|pattern| tree.paths(&home.path(pattern))).collect();
    let known = Known { geometry: values.geometry, masks };
    let path = DataPath { datasets: vec![data], entry: entry.clone(), named, notes: Vec::new() };
    let mut contents = cxi::read_at(&tree, path, place, &known, options)?;
    add(&mut contents, values, layout, &home);
    Ok(contents)
}

/// A scan in an HDF5 file.
struct Scan {
    entry: String,
    data: String,
    /// What `{detector}` stands for.
    detector: String,
    /// Whether the data set itself was named.
    named: bool,
}

/// The scan that was asked for, by its number, its group or its data set, or the only one.
fn scan(tree: &Tree, layout: &Layout, inside: Option<&str>) -> Result<Scan> {
    let number = inside.and_then(|text| text.parse::<u64>().ok());
    let is_entry = |name: &String| {
        layout.entries.iter().any(|pattern| match number {
            Some(number) => pattern.contains("{scan}") && glob::scan_number(pattern, name) == Some(number),
            None => glob::scan_number(pattern, name).is_some(),
        })
    };
    let groups = tree.members("/").into_iter().filter(|name| tree.group(&format!("/{name}")).is_some());
    let groups: Vec<String> = groups.collect();
    let mut entries: Vec<String> = groups.iter().filter(|name| is_entry(name)).map(|name| format!("/{name}")).collect();
    let mut named = None;
    if let (Some(inside), None) = (inside, number) {
        let at = absolute(inside);
        let first = at.trim_start_matches('/').split('/').next().unwrap_or_default();
        if tree.group(&at).is_none() && tree.dataset(&at).is_none() {
            return Err(tree.missing(&at));
        }
        entries = vec![format!("/{first}")];
        named = tree.dataset(&at).map(|_| at);
    }
    let wanted = |problem: &str| {
        let patterns = layout.entries.join(" or ");
        let names = groups.iter().take(12).cloned().collect::<Vec<_>>().join(", ");
        Error::file(&tree.path, format!("{problem} of the layout {} ({patterns}): it holds {names}", layout.name))
    };
    if entries.is_empty() {
        return Err(match number {
            Some(number) => wanted(&format!("has no scan {number}")),
            None => wanted("has no scan"),
        });
    }
    let mut found = Vec::new();
    for entry in &entries {
        found.extend(data(tree, layout, entry, named.as_deref())?);
    }
    match found.len() {
        1 => Ok(found.remove(0)),
        0 => Err(no_data(tree, layout, &entries[0])),
        _ => {
            let names: Vec<&str> = found.iter().take(20).map(|scan| scan.entry.as_str()).collect();
            let problem = format!(
                "holds several scans, append the number or the group of one, as :12 or :/entry: {}",
                names.join(", ")
            );
            Err(Error::file(&tree.path, problem))
        }
    }
}

/// The intensities of an entry: those with most axes where the layout's pattern fits several.
fn data(tree: &Tree, layout: &Layout, entry: &str, named: Option<&str>) -> Result<Option<Scan>> {
    let none = [String::new()];
    let detectors = if layout.detectors.is_empty() { &none[..] } else { &layout.detectors };
    let scan = |data: String, detector: &String| Scan {
        entry: entry.into(),
        data,
        detector: detector.clone(),
        named: named.is_some(),
    };
    let mut found: Vec<Scan> = Vec::new();
    for detector in detectors {
        let home = Home::Entry { tree, entry, detector };
        let fits = |pattern: &String| -> Vec<String> {
            let mut paths: Vec<String> =
                tree.paths(&home.path(pattern)).into_iter().filter(|at| is_array(tree, at)).collect();
            let axes = |at: &String| tree.dataset(at).map_or(0, |dataset| dataset.ndim());
            let most = paths.iter().map(axes).max().unwrap_or(0);
            paths.retain(|at| axes(at) == most);
            paths
        };
        let mut all = layout.data.iter().map(fits);
        let paths = match named {
            Some(at) => all.flatten().filter(|path| path == at).collect(),
            None => all.find(|paths| !paths.is_empty()).unwrap_or_default(),
        };
        found.extend(paths.into_iter().map(|at| scan(at, detector)));
    }
    found.dedup_by_key(|scan| scan.data.clone());
    if let (Some(at), true) = (named, found.is_empty()) {
        // A data set of which the layout knows nothing: the part of its path that may be a detector.
        let detector = detectors.iter().find(|detector| at.split('/').any(|part| part == detector.as_str()));
        return Ok(Some(scan(at.into(), detector.unwrap_or(&none[0]))));
    }
    if found.len() > 1 {
        let names: Vec<String> = found.iter().take(12).map(|scan| scan.data.clone()).collect();
        let problem = format!("holds several arrays, append one of them as :/path: {}", names.join(", "));
        return Err(Error::file(&tree.path, problem));
    }
    Ok(found.pop())
}

/// The error for an entry in which nothing is where the layout has the data.
fn no_data(tree: &Tree, layout: &Layout, entry: &str) -> Error {
    let tried: Vec<String> = layout.data.iter().map(|pattern| format!("{entry}/{pattern}")).collect();
    let detectors = layout.detectors.join(", ");
    let names = if detectors.is_empty() { detectors } else { format!(", {{detector}} being one of {detectors}") };
    let arrays = tree.arrays(entry).into_iter().take(6);
    let arrays: Vec<String> = arrays.map(|(at, shape, _)| format!("{at} ({})", shape_text(&shape))).collect();
    let there = if arrays.is_empty() { "no arrays".into() } else { arrays.join(", ") };
    let (name, tried) = (&layout.name, tried.join(" or "));
    Error::file(
        &tree.path,
        format!("has nothing where the layout {name} has its data, at {tried}{names}; {entry} holds {there}"),
    )
}
