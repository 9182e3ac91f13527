//! The figures of a page as files in a folder beside it.

use super::console::Console;
use super::flags::FigureFlags;
use lacuna::error::{Error, Result, counted};
use lacuna::io;
use lacuna::report::{FigureFile, Report};
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

/// What helps where figures are asked for and no page.
pub const NEEDS_REPORT: &str = "figures are those of a page: give one too, --report NAME.html";

/// The folder for the figures of a page, and whether there are to be any.
pub struct FigureFolder<'a> {
    folder: PathBuf,
    flags: &'a FigureFlags,
    force: bool,
}

impl<'a> FigureFolder<'a> {
    /// Checks, before any work, that figures can be written. How many there will be is not known
    /// yet: without `force`, the folder has to be empty.
    pub fn new(folder: PathBuf, flags: &'a FigureFlags, force: bool) -> Result<Self> {
        if flags.figures.is_some() {
            if !force && fs::read_dir(&folder).is_ok_and(|mut entries| entries.next().is_some()) {
                return Err(Error::Exists { path: folder });
            }
            io::check_output(&folder.join("01-figure"), true).map_err(|error| match error {
                Error::Write { source, .. } => Error::write(&folder, source),
                other => other,
            })?;
        }
        Ok(FigureFolder { folder, flags, force })
    }

    /// The folder that goes with a page, `NAME-figures` beside `NAME.html`.
    pub fn of_page(page: &Path, flags: &'a FigureFlags, force: bool) -> Result<Self> {
        let mut name = page.file_stem().map_or(OsString::new(), OsString::from);
        name.push("-figures");
        Self::new(page.with_file_name(name), flags, force)
    }

    /// Removes the figures of a page that is gone.
    pub fn remove_of_page(page: &Path) -> Result<()> {
        FigureFolder::of_page(page, &FigureFlags { figures: None }, true)?.remove_all_but(&[])
    }

    /// The same where there need not be a page: then it refuses figures, and says what helps.
    pub fn of_page_if_any(
        page: Option<&Path>,
        remedy: &str,
        flags: &'a FigureFlags,
        force: bool,
    ) -> Result<Option<Self>> {
        match (page, flags.figures) {
            (Some(page), _) => Self::of_page(page, flags, force).map(Some),
            (None, None) => Ok(None),
            (None, Some(format)) => Err(Error::setting("--figures", format.of_library().extension(), remedy)),
        }
    }

    /// Writes the figures, all or, where one cannot be drawn, none. Those of the page that was
    /// replaced go, whether there are new ones or not.
    pub fn write(&self, report: &Report, console: &Console) -> Result<()> {
        let files = match self.flags.figures {
            Some(format) => report.figures(format.of_library())?,
            None => vec![],
        };
        if self.force {
            self.remove_all_but(&files)?;
        }
        if files.is_empty() {
            return Ok(());
        }
        let paths: Vec<PathBuf> = files.iter().map(|file| self.folder.join(&file.name)).collect();
        let mut claim = io::Claim::folder(&self.folder)?;
        let force = claim.outputs(&paths.iter().map(PathBuf::as_path).collect::<Vec<_>>(), self.force)?;
        for (path, file) in paths.iter().zip(&files) {
            io::replace(path, force, |part| fs::write(part, &file.bytes).map_err(|error| Error::write(part, error)))?;
        }
        claim.finish();
        console.note(format!("wrote {} to {}", counted(files.len(), "figure"), self.folder.display()));
        Ok(())
    }

    fn remove_all_but(&self, files: &[FigureFile]) -> Result<()> {
        for entry in fs::read_dir(&self.folder).into_iter().flatten().flatten() {
            let name = entry.file_name();
            let stale = |name: &str| FigureFile::is_name(name) && files.iter().all(|file| file.name != name);
            if name.to_str().is_some_and(stale) {
                fs::remove_file(entry.path()).map_err(|error| Error::write(entry.path(), error))?;
            }
        }
        // Empty where there are no new ones; else it stays.
        let _ = fs::remove_dir(&self.folder);
        Ok(())
    }
}
