//! Writing files so that nothing half-written is ever left under their name.

use crate::error::{Error, Result};
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use tempfile::{Builder, NamedTempFile, TempPath};

/// Beginning and end of the names of temporary files; between them are the name of the output and
/// random characters.
const TEMPORARY: (&str, &str) = (".lacuna-", ".part");

/// Writes a file through a temporary one in the same folder, renamed at the end. An existing file
/// is refused without `force`, and stays untouched unless `write` succeeds.
///
/// # Errors
/// [`Error::Exists`] without `force`, [`Error::Write`], and those of `write`.
pub fn replace(path: &Path, force: bool, write: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    check_exists(path, force)?;
    let fail = |source| Error::write(path, source);
    let part = temporary(path).map_err(fail)?;
    // The name of the temporary file tells nobody anything.
    write(part.path()).map_err(|error| match error {
        Error::Write { source, .. } => fail(source),
        other => other,
    })?;
    persist(part.into_temp_path(), path, force)
}

/// Writes a file of text, as [`replace`] does.
///
/// # Errors
/// [`Error::Exists`] without `force`, and [`Error::Write`].
pub fn write_text(path: &Path, force: bool, text: &str) -> Result<()> {
    replace(path, force, |part| fs::write(part, text).map_err(|error| Error::write(part, error)))
}

/// Gives a finished temporary file, on the same file system, its name.
pub(super) fn persist(part: TempPath, path: &Path, force: bool) -> Result<()> {
    let fail = |source| Error::write(path, source);
    // Some file systems report a full disk only now; and after a crash the name must not point to
    // an empty file.
    File::open(&part).and_then(|file| file.sync_all()).map_err(fail)?;
    let renamed = if force { part.persist(path) } else { part.persist_noclobber(path) };
    renamed.map_err(|error| match error.error.kind() {
        io::ErrorKind::AlreadyExists => Error::Exists { path: path.to_path_buf() },
        _ => fail(error.error),
    })
}

/// Checks that `path` can be written, before hours of work are spent on what goes there. Leaves
/// nothing behind: folders that `path` lacks are created and removed again.
///
/// # Errors
/// [`Error::Exists`] without `force`, and [`Error::Write`].
pub fn check_output(path: &Path, force: bool) -> Result<()> {
    check_exists(path, force)?;
    let missing: Vec<&Path> =
        path.ancestors().skip(1).take_while(|folder| !folder.as_os_str().is_empty() && !folder.exists()).collect();
    let written = temporary(path).map(drop);
    for folder in missing {
        // Not there if making it failed, not empty if someone else uses it by now: both are well.
        let _ = fs::remove_dir(folder);
    }
    written.map_err(|source| Error::write(path, source))
}

/// Checks that a file which will be HDF5 has no other format's name.
///
/// # Errors
/// [`Error::File`].
pub fn check_hdf5_name(path: &Path) -> Result<()> {
    let ending = path.extension().map(|ending| ending.to_string_lossy().to_lowercase()).unwrap_or_default();
    match ending.as_str() {
        "npz" | "npy" | "tif" | "tiff" | "edf" | "cbf" | "mat" | "png" | "html" | "vti" | "toml" | "txt" => {
            let problem =
                format!("would be HDF5 with the name of another format: give it the ending .cxi, not .{ending}");
            Err(Error::file(path, problem))
        }
        _ => Ok(()),
    }
}

fn check_exists(path: &Path, force: bool) -> Result<()> {
    if path.is_dir() {
        return Err(Error::write(path, io::Error::other("it is a folder")));
    }
    // A dangling link counts as well.
    match path.symlink_metadata() {
        Ok(_) if !force => Err(Error::Exists { path: path.to_path_buf() }),
        _ => Ok(()),
    }
}

fn temporary(path: &Path) -> io::Result<NamedTempFile> {
    let folder = folder_of(path);
    fs::create_dir_all(folder)?;
    let mut builder = Builder::new();
    let prefix = prefix(path);
    builder.prefix(&prefix).suffix(TEMPORARY.1);
    // Temporary files are private by default; a result is as readable as any other file, minus the
    // umask.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    builder.tempfile_in(folder)
}

/// The temporary files of an output: those of killed processes, unless one is writing it now.
pub(super) fn temporaries(path: &Path) -> Vec<PathBuf> {
    let prefix = prefix(path);
    let random = |name: &OsStr| {
        let name = name.to_str()?.strip_prefix(prefix.to_str()?)?.strip_suffix(TEMPORARY.1)?;
        name.bytes().all(|byte| byte.is_ascii_alphanumeric()).then_some(())
    };
    let entries = fs::read_dir(folder_of(path)).into_iter().flatten().flatten();
    entries.filter(|entry| random(&entry.file_name()).is_some()).map(|entry| entry.path()).collect()
}

fn prefix(path: &Path) -> OsString {
    let mut prefix = OsString::from(TEMPORARY.0);
    prefix.push(path.file_name().unwrap_or_default());
    prefix.push("-");
    prefix
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn a_failed_write_leaves_the_old_file_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.cxi");
        fs::write(&path, "old").unwrap();
        let error = replace(&path, true, |part| {
            fs::write(part, "half").unwrap();
            Err(Error::Interrupted)
        });
        assert!(matches!(error, Err(Error::Interrupted)));
        assert_eq!(fs::read_to_string(&path).unwrap(), "old");
        assert_eq!(names(folder.path()), ["out.cxi"]);
    }

    #[test]
    fn existing_files_need_force_and_folders_are_made() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/b/out.cxi");
        check_output(&path, false).unwrap();
        let write =
            |text: &'static str| move |part: &Path| fs::write(part, text).map_err(|error| Error::write(part, error));
        replace(&path, false, write("one")).unwrap();
        let error = replace(&path, false, write("two")).unwrap_err().to_string();
        assert_eq!(
            error,
            format!("{} exists already: give --force to replace it, or another --output", path.display())
        );
        assert!(matches!(check_output(&path, false), Err(Error::Exists { .. })));
        replace(&path, true, write("two")).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "two");
        assert!(matches!(check_output(folder.path(), true), Err(Error::Write { .. })));
        // /proc takes no files, even from root.
        assert!(matches!(check_output(Path::new("/proc/lacuna.cxi"), false), Err(Error::Write { .. })));
    }
}
