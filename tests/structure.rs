//! The layering of DESIGN: who may name whom. Read from the sources, so that a short cut fails here and not in review.

use std::fs;
use std::path::{Path, PathBuf};

/// The sources, relative to `src`, with their text before the unit tests: those may use anything.
fn sources() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let (mut folders, mut found) = (vec![root.clone()], Vec::<PathBuf>::new());
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                found.push(path);
            }
        }
    }
    assert!(found.len() > 40, "{} sources", found.len());
    found
        .into_iter()
        .map(|path| {
            let text = fs::read_to_string(&path).unwrap();
            let name = path.strip_prefix(&root).unwrap().to_str().unwrap().replace('\\', "/");
            (name, text)
        })
        .collect()
}

/// The module that a source belongs to: `io/npz.rs` and `io.rs` to `io`.
fn module(name: &str) -> &str {
    name.split(['/', '.']).next().unwrap()
}

/// Lines of code: neither comments nor unit tests.
fn code(text: &str) -> impl Iterator<Item = &str> {
    text.split("#[cfg(test)]\nmod tests {").next().unwrap().lines().filter(|line| !line.trim_start().starts_with("//"))
}

/// Lines that name one of the modules through the crate.
fn naming<'a>(text: &'a str, modules: &[&str]) -> Vec<&'a str> {
    let names = |line: &&str, module: &&str| {
        ["crate::", "lacuna::"].iter().any(|root| {
            line.split(root).skip(1).any(|rest| {
                let word = rest.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap();
                word == *module || (rest.starts_with('{') && rest.contains(module))
            })
        })
    };
    code(text).filter(|line| modules.iter().any(|module| names(line, module))).collect()
}

#[test]
fn the_ground_imports_nothing_above_it() {
    let ground = ["error", "volume", "pixels", "geometry"];
    let mut modules: Vec<String> = sources().iter().map(|(name, _)| module(name).to_string()).collect();
    modules.sort();
    modules.dedup();
    let above: Vec<&str> = modules.iter().map(String::as_str).filter(|module| !ground.contains(module)).collect();
    for (name, text) in sources() {
        if ground.contains(&module(&name)) {
            assert_eq!(naming(&text, &above), Vec::<&str>::new(), "{name}");
        }
    }
}

#[test]
fn siblings_never_import_each_other() {
    let siblings = ["simulate", "inpaint", "phasing", "io"];
    let joining = ["cli", "config", "compare", "report"];
    for (name, text) in sources() {
        let own = module(&name);
        // src/io/tests.rs and its like are unit tests as a whole.
        if siblings.contains(&own) && !name.ends_with("tests.rs") {
            let others: Vec<&str> = siblings.iter().chain(&joining).copied().filter(|&other| other != own).collect();
            assert_eq!(naming(&text, &others), Vec::<&str>::new(), "{name}");
        }
    }
}

#[test]
fn libraries_are_named_where_they_belong() {
    for (name, text) in sources() {
        let found = |word: &str| code(&text).any(|line| line.contains(word));
        if module(&name) != "io" {
            assert!(!found("hdf5::") && !found("hdf5_sys"), "{name} names HDF5");
        }
        if !["cli", "config", "main"].contains(&module(&name)) {
            assert!(!found("clap::"), "{name} names clap");
        }
        // The rest rebuilds, and can be read, without a machine-learning framework.
        let learning = ["network", "training", "inpaint"].contains(&module(&name));
        assert!(learning || !found("burn::"), "{name} names burn");
        assert!(!name.starts_with("network/conv") || !found("burn::"), "{name} names burn: kernels know only numbers");
        // HDF5 takes filters as C functions, and its crate has no call for chunks that are compressed already. Kernels of a card take
        // addresses.
        let card = name.starts_with("phasing/cuda/") || name == "phasing/mod.rs";
        assert!(card || !found("cudarc::"), "{name} names cudarc");
        if !card && !["io/filters.rs", "io/set/raw.rs"].contains(&name.as_str()) {
            assert!(!found("unsafe ") && !found("allow(unsafe"), "{name} is unsafe");
        }
    }
}

#[test]
fn files_are_short() {
    for (name, text) in sources() {
        assert!(text.lines().count() <= 500, "{name} has {} lines: is it one thing?", text.lines().count());
    }
}
