//! What the README tells people to type, typed: its `sh` blocks with `lacuna` commands in their order, on a small pattern of the
//! names that it uses, and its `python` blocks after them.

use crate::cli::{done, write_good};
use crate::interop::unlocked;
use ndarray::Array2;
use ndarray_npy::write_npy;
use std::fs;
use std::path::Path;
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
    for block in blocks("python") {
        run(unlocked(&python).args(["-c", &block]), &block);
    }
}
