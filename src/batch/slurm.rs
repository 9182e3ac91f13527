//! A batch on a Slurm cluster: a job array over parts of the scans, and a job that writes the page
//! when all of them have ended.

use super::shell::shell_line;
use crate::error::{Error, Result};
use crate::io::write_text;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Template of both scripts, to be edited.
pub const SLURM_TEMPLATE: &str = include_str!("slurm.sbatch");

/// Beginning of the line between the two scripts of a template.
const BETWEEN: &str = "### summary";

/// Scripts of a batch, in `slurm/` of its output.
#[derive(Debug, PartialEq)]
pub struct SlurmScripts {
    folder: PathBuf,
    array: String,
    summary: String,
}

impl SlurmScripts {
    /// File of the scans of a batch with this output, for `@FILE`: patterns of names would mean other
    /// files later.
    pub fn list(output: &Path) -> PathBuf {
        output.join("slurm/scans.txt")
    }

    /// Fills in a template, `path` being its name for messages. Both commands are words of a shell,
    /// and run in `home`; `--shard` is added to that of the array, of `tasks` tasks.
    ///
    /// # Errors
    /// [`Error::File`] for a template without both scripts, or without a command in them.
    pub fn new(
        (path, template): (&Path, &str),
        output: &Path,
        home: &Path,
        tasks: usize,
        [array, summary]: [&[String]; 2],
    ) -> Result<Self> {
        let wrong = |problem: String| Error::file(path, format!("{problem}: lacuna batch --slurm-template prints one"));
        let between = template.lines().find(|line| line.starts_with(BETWEEN));
        let (first, second) = between
            .and_then(|line| template.split_once(line))
            .ok_or_else(|| wrong(format!("has no line that begins with '{BETWEEN}'")))?;
        let folder = std::path::absolute(output.join("slurm")).map_err(|error| Error::write(output, error))?;
        let cd = shell_line(["cd", "--", &home.to_string_lossy()]);
        let array = format!("{cd} && {} --shard \"$SLURM_ARRAY_TASK_ID/{tasks}\"", shell_line(array));
        let summary = format!("{cd} && {}", shell_line(summary));
        let filled = |script: &str, command: &str| {
            if !script.contains("{command}") {
                return Err(wrong("has a script without {command}".into()));
            }
            // The command last: what is in it is no part of the template.
            let script = script.trim_start().replace("{tasks}", &tasks.to_string());
            Ok(script.replace("{folder}", &folder.to_string_lossy()).replace("{command}", command))
        };
        Ok(SlurmScripts { array: filled(first, &array)?, summary: filled(second, &summary)?, folder })
    }

    /// Writes both scripts and the list of scans.
    ///
    /// # Errors
    /// [`Error::Write`].
    pub fn write(&self, scans: &str) -> Result<()> {
        write_text(&self.folder.join("scans.txt"), true, scans)?;
        write_text(&self.array_path(), true, &self.array)?;
        write_text(&self.summary_path(), true, &self.summary)
    }

    /// Submits both, the summary to begin when the array has ended, however that ends, and returns the
    /// numbers of the jobs.
    ///
    /// # Errors
    /// [`Error::File`] where there is no `sbatch`, or it refuses a script.
    pub fn submit(&self) -> Result<[String; 2]> {
        let array = self.sbatch(&self.array_path(), &[])?;
        let summary = self.sbatch(&self.summary_path(), &[format!("--dependency=afterany:{array}")])?;
        Ok([array, summary])
    }

    fn sbatch(&self, script: &Path, more: &[String]) -> Result<String> {
        let output = Command::new("sbatch").arg("--parsable").args(more).arg(script).output().map_err(|error| {
            let problem = format!("cannot be submitted, sbatch is not to be had here ({error}): submit it where it is");
            Error::file(script, problem)
        })?;
        let told = String::from_utf8_lossy(&output.stderr).trim().replace('\n', " ");
        if !output.status.success() {
            return Err(Error::file(script, format!("was refused by sbatch: {told}")));
        }
        // With several clusters: number;name.
        let text = String::from_utf8_lossy(&output.stdout);
        Ok(text.trim().split(';').next().unwrap_or_default().into())
    }

    fn array_path(&self) -> PathBuf {
        self.folder.join("array.sbatch")
    }

    fn summary_path(&self) -> PathBuf {
        self.folder.join("summary.sbatch")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scripts(template: &str) -> Result<SlurmScripts> {
        let array: Vec<String> = ["/bin/lacuna", "batch", "it's {tasks}", "--algorithm=ER**5"].map(String::from).into();
        let summary: Vec<String> = ["/bin/lacuna", "batch", "--summary"].map(String::from).into();
        let path = Path::new("mine.sbatch");
        SlurmScripts::new((path, template), Path::new("/out"), Path::new("/a b"), 7, [&array, &summary])
    }

    #[test]
    fn the_template_becomes_two_scripts() {
        let scripts = scripts(SLURM_TEMPLATE).unwrap();
        let line = r#"cd -- '/a b' && /bin/lacuna batch 'it'\''s {tasks}' '--algorithm=ER**5' --shard "$SLURM_ARRAY_TASK_ID/7""#;
        assert!(scripts.array.lines().any(|one| one == line), "{}", scripts.array);
        assert!(
            scripts.array.contains("#SBATCH --array=1-7\n#SBATCH --output=/out/slurm/%A_%a.out\n"),
            "{}",
            scripts.array
        );
        assert!(scripts.summary.contains("\ncd -- '/a b' && /bin/lacuna batch --summary\n"), "{}", scripts.summary);
        for script in [&scripts.array, &scripts.summary] {
            assert!(script.starts_with("#!/bin/bash\n"), "{script}");
        }
    }

    #[test]
    fn templates_that_lack_something_are_refused() {
        for (template, words) in [
            ("#!/bin/sh\n{command}\n", "mine.sbatch: has no line that begins with '### summary'"),
            ("#!/bin/sh\n{command}\n### summary\n#!/bin/sh\n", "mine.sbatch: has a script without {command}"),
        ] {
            let error = scripts(template).unwrap_err().to_string();
            assert!(error.starts_with(words) && error.contains("--slurm-template"), "{error}");
        }
    }
}
