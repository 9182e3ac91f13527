//! What the README tells people to type, typed: its `sh` blocks with `lacuna` commands in their
//! order, on a small pattern of the names that it uses, and its `python` blocks after them, but
//! for those with the Python package, which python/tests runs. And scripts that pages name: they can
//! be run.

use crate::cli::{done, write_good};
use crate::interop::unlocked;
use ndarray::Array2;
use ndarray_npy::write_npy;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The fenced blocks of a language.
fn blocks(language: &str) -> Vec<String> {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let fence = format!("```{language}\n");
    text.split(&fence).skip(1).map(|rest| rest.split("```").next().unwrap().to_string()).collect()
}

#[test]
fn commands_do_what_they_say() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    write_good(&here.join("scan.cxi"), [1, 64, 64]);
    write_good(&here.join("crystal.cxi"), [32, 32, 32]);
    write_npy(here.join("bad.npy"), &Array2::<u8>::zeros((64, 64))).unwrap();
    done(here, &["presets", "bragg"]);

    let program = Path::new(env!("CARGO_BIN_EXE_lacuna")).parent().unwrap();
    let path = format!("{}:{}", program.display(), std::env::var("PATH").unwrap());
    let run = |command: &mut Command, text: &str| {
        let output = command.current_dir(here).env("PATH", &path).env("SLURM_ARRAY_TASK_ID", "7").output().unwrap();
        assert!(output.status.success(), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
    };
    let commands: Vec<String> = blocks("sh").into_iter().filter(|block| block.contains("lacuna ")).collect();
    assert!(commands.len() >= 3, "{commands:?}");
    for block in &commands {
        run(unlocked("bash").args(["-euc", block]), block);
    }
    let Some(python) = crate::interop::python("h5py, numpy") else { return };
    for block in blocks("python").iter().filter(|block| !block.contains("lacuna_cdi")) {
        run(unlocked(&python).args(["-c", block]), block);
    }
}

/// The pages for users, with their text.
fn pages() -> Vec<(PathBuf, String)> {
    let top = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folders = ["", "datasets", "models", "training", "docs", "docs/benchmarks", "python"];
    let files = folders.iter().flat_map(|folder| fs::read_dir(top.join(folder)).into_iter().flatten());
    let files = files.map(|entry| entry.unwrap().path());
    let mut pages: Vec<PathBuf> = files.filter(|path| path.extension().is_some_and(|name| name == "md")).collect();
    pages.sort();
    pages.into_iter().map(|path| (path.clone(), fs::read_to_string(path).unwrap())).collect()
}

#[test]
#[cfg(unix)]
fn scripts_can_be_run_as_they_are_quoted() {
    use std::os::unix::fs::PermissionsExt;
    let mut found = 0;
    for (page, text) in pages() {
        let words = text.split(|c: char| c.is_whitespace() || c == '`');
        for word in words.filter(|word| word.starts_with("benches/") || word.starts_with("tools/")) {
            let script = Path::new(env!("CARGO_MANIFEST_DIR")).join(word);
            if !script.is_file() || script.extension().is_some_and(|name| name == "toml") {
                continue;
            }
            let mode = fs::metadata(&script).unwrap().permissions().mode();
            assert!(mode & 0o111 != 0, "{}: {word} cannot be run", page.display());
            assert!(
                fs::read(&script).unwrap().starts_with(b"#!"),
                "{}: {word} does not say what runs it",
                page.display()
            );
            found += 1;
        }
    }
    assert!(found > 4, "{found} scripts");
}
