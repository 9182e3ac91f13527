//! Writing a set: patterns arrive in any order from many threads, over as many calls as it takes,
//! and become one file at the end.

use super::part::{self, Part};
use super::{Entry, SetHeader, assemble};
use crate::error::{Error, Result};
use crate::io::claim;
use crate::io::output::{check_output, persist};
use rayon::prelude::*;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use tempfile::TempPath;

const RECIPE: &str = "recipe";
const LOCK: &str = "lock";
const ASSEMBLED: &str = "set.h5";

/// Writer of a set. Finished patterns are in the folder `<SET>.parts` until [`SetWriter::finish`]
/// joins them; whatever interrupts the work, the next writer with the same header continues from
/// there.
#[derive(Debug)]
pub struct SetWriter {
    path: PathBuf,
    folder: PathBuf,
    header: SetHeader,
    force: bool,
    /// Held until the writer is dropped, or the process is gone.
    _lock: File,
}

impl SetWriter {
    /// Starts the set at `path`, or continues it where `<SET>.parts` was started with the same
    /// header and version of lacuna. `force` allows replacing a finished set, and discarding parts
    /// of another header.
    ///
    /// # Errors
    /// [`Error::Exists`] for a finished set, [`Error::File`] for parts of another header or those
    /// that another process is making, both without `force`; [`Error::Write`] where files cannot be
    /// made.
    pub fn open(path: &Path, header: SetHeader, force: bool) -> Result<Self> {
        check_output(path, force)?;
        let mut folder = path.as_os_str().to_owned();
        folder.push(".parts");
        let folder = PathBuf::from(folder);
        let fail = |source| Error::write(&folder, source);
        fs::create_dir_all(&folder).map_err(fail)?;
        let _lock = lock(&folder)?;
        let key = fingerprint(&header);
        let recipe = folder.join(RECIPE);
        match fs::read_to_string(&recipe) {
            Ok(found) if found == key => {}
            Ok(found) if !force => {
                let problem = format!(
                    "holds patterns made with {}: give --force to begin anew, or another --output",
                    difference(&found, &key)
                );
                return Err(Error::file(&folder, problem));
            }
            // Begun anew, or never begun: parts are made only once the recipe is there.
            _ => {
                clear(&folder).map_err(fail)?;
                let new = recipe.with_extension("new");
                fs::write(&new, key).and_then(|()| fs::rename(&new, &recipe)).map_err(fail)?;
            }
        }
        Ok(SetWriter { path: path.to_path_buf(), folder, header, force, _lock })
    }

    /// Indices of the patterns that are still to be made, in order. Reads all parts: damaged ones
    /// are to be made again.
    pub fn missing(&self) -> Vec<usize> {
        (0..self.header.count).into_par_iter().filter(|&index| Part::read(&self.folder, index).is_none()).collect()
    }

    /// Keeps pattern `index`, from any thread and in any order.
    ///
    /// # Errors
    /// [`Error::Entry`] for an entry that does not fit the set, [`Error::Write`] for a full disk.
    pub fn put(&self, index: usize, entry: &Entry) -> Result<()> {
        if index >= self.header.count {
            return Err(Error::Entry { pattern: index, problem: format!("there are {} patterns", self.header.count) });
        }
        Part::new(index, entry, self.header.shape)?.write(&self.folder)
    }

    /// Joins the parts in the order of their indices, and removes them. `progress` gets the number
    /// of patterns joined.
    ///
    /// # Errors
    /// [`Error::File`] for a part that is not there or damaged, [`Error::Write`] for a full disk;
    /// the parts stay then.
    pub fn finish(self, mut progress: impl FnMut(usize)) -> Result<()> {
        let assembled = self.folder.join(ASSEMBLED);
        let remove = |path: &Path| match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Error::write(path, error)),
            _ => Ok(()),
        };
        remove(&assembled)?;
        let part = |index| {
            progress(index);
            Part::read(&self.folder, index)
                .ok_or_else(|| Error::file(part::path(&self.folder, index), "is not there or damaged: start again"))
        };
        if let Err(error) = assemble::write(&assembled, &self.header, part) {
            remove(&assembled)?;
            return Err(match error {
                // The user knows the set by its own name.
                Error::Write { source, .. } => Error::write(&self.path, source),
                other => other,
            });
        }
        progress(self.header.count);
        let assembled = TempPath::try_from_path(assembled).map_err(|error| Error::write(&self.path, error))?;
        persist(assembled, &self.path, self.force)?;
        // The set is there: what cannot be removed now is no error. A folder with files of others
        // stays.
        let _ = clear(&self.folder);
        let _ = fs::remove_file(self.folder.join(LOCK));
        let _ = fs::remove_dir(&self.folder);
        Ok(())
    }
}

/// Keeps other processes away from the folder, for as long as the file is open.
fn lock(folder: &Path) -> Result<File> {
    let path = folder.join(LOCK);
    loop {
        let open = OpenOptions::new().create(true).append(true).open(&path);
        let file = open.map_err(|error| Error::write(&path, error))?;
        // One that ends between opening and locking has removed the file: another may lock a new one.
        match (claim::lock(&file), claim::is_at(&file, &path)) {
            (true, true) => return Ok(file),
            (true, false) => std::fs::create_dir_all(folder).map_err(|error| Error::write(folder, error))?,
            (false, _) => {
                let problem = "another process is making this set: wait for it, or give another --output";
                return Err(Error::file(folder, problem));
            }
        }
    }
}

/// Everything that the patterns depend on, one item per line, the recipe at the end.
fn fingerprint(header: &SetHeader) -> String {
    let [z, y, x] = header.shape;
    format!(
        "version {}\nshape {z}x{y}x{x}\ncount {}\nseed {}\nname {}\n\n{}",
        env!("CARGO_PKG_VERSION"),
        header.count,
        header.seed,
        header.recipe_name,
        header.recipe_text
    )
}

/// The first thing in which two fingerprints differ.
fn difference(found: &str, now: &str) -> String {
    let (head, _) = now.split_once("\n\n").unwrap_or((now, ""));
    match found.lines().zip(head.lines()).find(|(found, now)| found != now) {
        Some((found, now)) if found.split(' ').next() == now.split(' ').next() => {
            format!("{found}, now it is {}", now.split_once(' ').map_or("", |(_, value)| value))
        }
        _ => "another recipe".into(),
    }
}

/// Removes what writers leave in the folder, and nothing else.
fn clear(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let ours = path.extension().is_some_and(|ending| ending == "part" || ending == "new")
            || path.file_name().is_some_and(|name| name == RECIPE || name == ASSEMBLED);
        if ours {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}
