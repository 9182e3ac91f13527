//! Claims on outputs: of two calls with the same output the second is refused at once, and what a
//! killed call left behind is no obstacle to the next one.
//!
//! A claim is a small file beside the outputs. The operating system's lock on it ends with the
//! process, however that ends. It lists the outputs that the call creates, and is removed when the
//! call ends: where it is found unlocked, its call was killed, and those outputs may be replaced.

use super::output::{check_output, temporaries};
use crate::error::{Error, Result};
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Name of the claim on a folder.
const LOCK: &str = ".lacuna.lock";

/// The sole right to write to a folder or a file, until dropped.
#[derive(Debug)]
pub struct Claim {
    path: PathBuf,
    file: File,
    /// Outputs that a killed call was creating.
    unfinished: Vec<String>,
    /// Whether all outputs of this call are complete.
    finished: bool,
    /// Whether it failed and may have left some of them.
    abandoned: bool,
    /// Outputs that this call creates.
    new: Vec<PathBuf>,
    /// Folders that this claim created, innermost first.
    created: Vec<PathBuf>,
}

impl Claim {
    /// Claims a folder, which is created where it does not exist.
    ///
    /// # Errors
    /// [`Error::File`] where another process holds the claim, [`Error::Write`] for a folder that
    /// cannot be written to.
    pub fn folder(folder: &Path) -> Result<Self> {
        Self::at(folder.join(LOCK), folder)
    }

    /// Claims a single file, whether it exists or not.
    ///
    /// # Errors
    /// As [`Claim::folder`].
    pub fn file(path: &Path) -> Result<Self> {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        Self::at(path.with_file_name(format!(".{name}.lock")), path)
    }

    fn at(path: PathBuf, claimed: &Path) -> Result<Self> {
        let fail = |source| Error::write(claimed, source);
        let missing = |folder: &&Path| !folder.as_os_str().is_empty() && !folder.exists();
        let created = path.ancestors().skip(1).take_while(missing).map(Path::to_path_buf).collect();
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(fail)?;
        }
        loop {
            let mut file = OpenOptions::new().read(true).append(true).create(true).open(&path).map_err(fail)?;
            if !lock(&file) {
                let problem = "another call is writing to it: wait until that ends, or give another --output";
                return Err(Error::file(claimed, problem));
            }
            // The call before may have removed the file between opening and locking.
            if is_at(&file, &path) {
                let mut text = String::new();
                file.read_to_string(&mut text).map_err(fail)?;
                let unfinished = text.lines().map(String::from).collect();
                return Ok(Claim {
                    path,
                    file,
                    unfinished,
                    finished: false,
                    abandoned: false,
                    new: Vec::new(),
                    created,
                });
            }
        }
    }

    /// Checks that the outputs of this call can be written, before any work, and removes what
    /// killed calls left of them half-written. Returns whether existing ones may be replaced: with
    /// `force`, or where a killed call created them.
    ///
    /// # Errors
    /// [`Error::Exists`] for an output of a finished call, without `force`; [`Error::Write`] for
    /// one that cannot be written.
    pub fn outputs(&mut self, outputs: &[&Path], force: bool) -> Result<bool> {
        let (mut replace, mut new) = (force, String::new());
        for path in outputs {
            let name = std::path::absolute(path).map_err(|error| Error::write(path, error))?;
            let name = name.to_string_lossy().into_owned();
            let unfinished = self.unfinished.contains(&name);
            check_output(path, force || unfinished)?;
            let exists = path.symlink_metadata().is_ok();
            replace |= unfinished && exists;
            if !unfinished && !exists {
                new += &name;
                new.push('\n');
                self.new.push(path.to_path_buf());
            }
            for temporary in temporaries(path) {
                // One that cannot be removed is in nobody's way.
                let _ = fs::remove_file(temporary);
            }
        }
        self.file.write_all(new.as_bytes()).map_err(|error| Error::write(&self.path, error))?;
        Ok(replace)
    }

    /// Ends the claim of a call that succeeded.
    pub fn finish(mut self) {
        self.finished = true;
    }

    /// Ends the claim of a call that failed. If it leaves outputs that it created, the next call may
    /// replace them, as those of a killed one.
    pub fn abandon(mut self) {
        self.abandoned = true;
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        // A call that failed leaves the next one what it knows of a killed call.
        let left = self.abandoned && self.new.iter().any(|path| path.symlink_metadata().is_ok());
        if self.finished || self.unfinished.is_empty() && !left {
            // Nothing depends on these: an unlocked claim and an empty folder stop nobody.
            let _ = fs::remove_file(&self.path);
            for folder in &self.created {
                let _ = fs::remove_dir(folder);
            }
        }
    }
}

/// Locks a file for as long as it is open, and returns whether no other process has locked it.
pub(super) fn lock(file: &File) -> bool {
    // A process that this one is just starting holds its locks for a moment.
    for _ in 0..40 {
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(25)),
            // Some network file systems have no locks.
            Ok(()) | Err(TryLockError::Error(_)) => return true,
        }
    }
    false
}

/// Whether an open file is still the one with this name.
#[cfg(unix)]
pub(super) fn is_at(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let identity = |data: io::Result<fs::Metadata>| data.ok().map(|data| (data.dev(), data.ino()));
    identity(file.metadata()) == identity(path.metadata())
}

/// Elsewhere an open file keeps its name.
#[cfg(not(unix))]
pub(super) fn is_at(_: &File, _: &Path) -> bool {
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> =
            fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// A call that is killed: its lock goes, its file stays.
    fn kill(claim: Claim) {
        let copy = claim.path.with_extension("copy");
        fs::copy(&claim.path, &copy).unwrap();
        let path = claim.path.clone();
        drop(claim);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::rename(copy, path).unwrap();
    }

    #[test]
    fn the_second_claim_is_refused_until_the_first_ends() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("a/out");
        let claim = Claim::folder(&out).unwrap();
        let refused = Claim::folder(&out).unwrap_err().to_string();
        assert_eq!(
            refused,
            format!("{}: another call is writing to it: wait until that ends, or give another --output", out.display())
        );
        // Files in a claimed folder are other outputs.
        let file = Claim::file(&out.join("one.cxi")).unwrap();
        assert!(Claim::file(&out.join("one.cxi")).is_err());
        drop(file);
        drop(claim);
        assert!(names(folder.path()).is_empty());
        let claim = Claim::folder(&out).unwrap();
        fs::write(out.join("result"), "").unwrap();
        claim.finish();
        assert_eq!(names(&out), ["result"]);
    }

    #[test]
    fn what_a_killed_call_created_may_be_replaced_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let here = folder.path();
        let [old, new] = ["old", "new"].map(|name| here.join(name));
        fs::write(&old, "").unwrap();
        let mut claim = Claim::folder(here).unwrap();
        assert!(matches!(claim.outputs(&[&new, &old], false), Err(Error::Exists { .. })));
        assert!(claim.outputs(&[&new, &old], true).unwrap());
        for path in [&old, &new] {
            fs::write(path, "of the killed call").unwrap();
        }
        fs::write(here.join(".lacuna-new-x1.part"), "half").unwrap();
        fs::write(here.join(".lacuna-other-x1.part"), "of another call").unwrap();
        kill(claim);
        // A call that failed and left something is no other obstacle.
        let mut claim = Claim::folder(here).unwrap();
        assert!(claim.outputs(&[&new], false).unwrap());
        claim.abandon();

        // What was there before that call still needs force, and a call that fails changes nothing.
        let mut claim = Claim::folder(here).unwrap();
        assert!(matches!(claim.outputs(&[&old], false), Err(Error::Exists { .. })));
        drop(claim);
        let mut claim = Claim::folder(here).unwrap();
        assert!(claim.outputs(&[&new], false).unwrap());
        assert_eq!(names(here), [".lacuna-other-x1.part", LOCK, "new", "old"]);
        claim.finish();
        assert!(matches!(Claim::folder(here).unwrap().outputs(&[&new], false), Err(Error::Exists { .. })));
    }
}
