//! What the package says of itself, the same everywhere; completions and manual pages; the examples
//! that are part of it.

use crate::cli::{done, lacuna, misused, refused};
use lacuna::io::{read, read_object};
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::Command;

fn text(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap()
}

#[test]
fn metadata_agree() {
    let (version, description) = (env!("CARGO_PKG_VERSION"), env!("CARGO_PKG_DESCRIPTION"));
    let changes = text("CHANGELOG.md");
    let newest = changes.lines().find_map(|line| line.strip_prefix("## ")).unwrap();
    let (newest, date) = newest.split_once(", ").unwrap();
    assert_eq!(newest, version, "CHANGELOG.md begins with another version");

    let codemeta: Value = serde_json::from_str(&text("codemeta.json")).unwrap();
    let citation = text("CITATION.cff");
    let cites = |line: String| assert!(citation.lines().any(|known| known.trim() == line), "CITATION.cff: no {line}");
    for (key, value) in [("version", version), ("dateModified", date), ("description", description)] {
        assert_eq!(codemeta[key], value, "codemeta.json: {key}");
    }
    cites(format!("version: \"{version}\""));
    cites(format!("date-released: \"{date}\""));
    cites(format!("abstract: \"{description}\""));
    for licence in env!("CARGO_PKG_LICENSE").split(" OR ") {
        cites(format!("- {licence}"));
        let known = codemeta["license"].as_array().unwrap();
        assert!(known.iter().any(|one| one.as_str().unwrap().ends_with(licence)), "codemeta.json: {licence}");
    }
    let repository = Some(env!("CARGO_PKG_REPOSITORY")).filter(|address| !address.is_empty());
    assert_eq!(codemeta["codeRepository"].as_str(), repository);
    let authors = env!("CARGO_PKG_AUTHORS").split(':').filter(|author| !author.is_empty()).count();
    assert_eq!(codemeta["author"].as_array().map_or(0, Vec::len), authors);
    let people = citation.lines().filter(|line| line.trim().starts_with("- family-names:")).count();
    assert_eq!(people, authors);
    if let Some(repository) = repository {
        cites(format!("repository-code: \"{repository}\""));
    }
    assert!(text("packaging/conda/meta.yaml").contains(&format!("set version = \"{version}\"")));
}

/// Names of the verbs, from the help.
fn verbs() -> Vec<String> {
    let help = String::from_utf8(done(Path::new("."), &["--help"]).stdout).unwrap();
    let list = help.split("Commands:\n").nth(1).unwrap().split("\n\n").next().unwrap();
    let lines = list.lines().filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    lines.map(|line| line.split_whitespace().next().unwrap().to_string()).filter(|verb| verb != "help").collect()
}

#[test]
fn each_verb_has_a_manual_page() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    done(here, &["man", "--output", "man1"]);
    let verbs = verbs();
    assert!(verbs.len() > 15, "{verbs:?}");
    for name in
        verbs.iter().map(|verb| format!("lacuna-{verb}")).chain(["lacuna".into(), "lacuna-bench-phasing".into()])
    {
        let page = fs::read_to_string(here.join("man1").join(format!("{name}.1"))).unwrap();
        assert!(page.contains(".TH ") && page.contains(".SH SYNOPSIS"), "{name}");
    }
    let run = fs::read_to_string(here.join("man1/lacuna-run.1")).unwrap();
    assert!(run.contains("\\-\\-support\\-threshold") && run.contains("lacuna run"), "{run}");
    assert!(!here.join("man1/lacuna-help.1").exists());
    // A man that is there reads them without a complaint.
    if let Ok(output) = Command::new("man").args(["--warnings", "-l", "man1/lacuna-run.1"]).current_dir(here).output()
        && output.status.success()
    {
        assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    refused(here, &["man", "--output", "man1"], &["man1", "--force"]);
    done(here, &["man", "--output", "man1", "--force"]);
}

#[test]
fn shells_complete_verbs_and_flags() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let output = done(here, &["completions", shell]);
        let script = String::from_utf8(output.stdout).unwrap();
        assert!(script.contains("support-threshold") && script.contains("crystal"), "{shell}");
    }
    misused(here, &["completions", "csh"], &["csh", "bash"]);

    // Bash itself, asked what may follow `lacuna run --nb-run-`.
    let script = done(here, &["completions", "bash"]).stdout;
    fs::write(here.join("lacuna.bash"), script).unwrap();
    let ask = "source lacuna.bash; COMP_WORDS=(lacuna run --nb-run-); COMP_CWORD=2; _lacuna lacuna --nb-run- run; \
               echo \"${COMPREPLY[@]}\"";
    let output = Command::new("bash").args(["-c", ask]).current_dir(here).output().unwrap();
    let reply = String::from_utf8_lossy(&output.stdout);
    assert_eq!(
        reply.trim(),
        "--nb-run-more --nb-run-keep --nb-run-average",
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn completions_into_a_closed_pipe_are_no_crash() {
    let mut command = lacuna(Path::new("."), &["completions", "zsh"]);
    let mut child = command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// The patterns in `datasets/examples` are those that its script makes.
#[test]
fn examples_are_simulated_again_from_their_seeds() {
    let folder = tempfile::tempdir().unwrap();
    let there = Path::new(env!("CARGO_MANIFEST_DIR")).join("datasets/examples");
    let made =
        Command::new(there.join("make.sh")).arg(env!("CARGO_BIN_EXE_lacuna")).arg(folder.path()).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));

    for name in ["flake", "cell", "crystal"] {
        let places =
            [folder.path(), &there].map(|folder| folder.join(format!("{name}.cxi")).to_str().unwrap().to_string());
        let [new, kept] = places.map(|place| read(&place).unwrap());
        assert!(new.mask == kept.mask && new.geometry == kept.geometry, "{name}");
        // Rounding differs between processors, and may move a mean over the edge between two counts.
        let pixels = new.intensity.as_slice().iter().zip(kept.intensity.as_slice());
        let others = pixels.filter(|(a, b)| a != b).count();
        assert!(others * 1000 <= new.intensity.as_slice().len(), "{name}: {others} pixels have other counts");

        let truths = [folder.path(), &there]
            .map(|folder| folder.join(format!("{name}-truth.cxi")).to_str().unwrap().to_string());
        let [(new, _), (kept, _)] = truths.map(|place| read_object(&place).unwrap());
        let norm: f32 = kept.as_slice().iter().map(|value| value.norm_sqr()).sum();
        let off: f32 = new.as_slice().iter().zip(kept.as_slice()).map(|(a, b)| (a - b).norm_sqr()).sum();
        assert!(off <= 1e-8 * norm, "{name}: the object is off by {}", (off / norm).sqrt());
    }
    for entry in fs::read_dir(there).unwrap() {
        let path = entry.unwrap().path();
        assert!(fs::metadata(&path).unwrap().len() < 600_000, "{}", path.display());
    }
}
