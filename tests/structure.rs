//! The layering of DESIGN: who may name whom. Read from the sources, so that a short cut fails here
//! and not in review.

mod imports;

use imports::{Imports, top};

/// The imports of a file from outside its own folder that are among these.
fn imports_from<'a>(imports: &'a Imports, name: &str, others: &[&str]) -> Vec<&'a str> {
    let source = imports.sources().iter().find(|source| source.name == name).unwrap();
    let all = imports.of_file(source).into_iter();
    all.filter(|other| top(other) != source.top() && others.contains(&top(other))).collect()
}

#[test]
fn imports_have_no_circles() {
    let imports = Imports::read();
    assert!(imports.sources().len() > 40, "{} sources", imports.sources().len());
    let circles: Vec<String> = imports.circles().into_iter().map(|circle| circle.join(" -> ")).collect();
    assert!(circles.is_empty(), "circles of imports:\n{}", circles.join("\n"));
}

#[test]
fn the_ground_imports_nothing_above_it() {
    let ground = ["error", "volume", "pixels", "psf", "geometry", "parameters", "limits", "checksum"];
    let imports = Imports::read();
    let tops: Vec<&str> = imports.sources().iter().map(|source| source.top()).collect();
    let above: Vec<&str> = tops.into_iter().filter(|top| !ground.contains(top)).collect();
    for source in imports.sources().iter().filter(|source| ground.contains(&source.top())) {
        assert_eq!(imports_from(&imports, &source.name, &above), Vec::<&str>::new(), "{}", source.name);
    }
}

#[test]
fn siblings_never_import_each_other() {
    let siblings = ["simulate", "inpaint", "phasing", "io"];
    let others = [&siblings[..], &["cli", "settings", "reconstruct", "evaluate", "compare", "report"]].concat();
    let imports = Imports::read();
    for source in imports.sources().iter().filter(|source| siblings.contains(&source.top())) {
        assert_eq!(imports_from(&imports, &source.name, &others), Vec::<&str>::new(), "{}", source.name);
    }
}

#[test]
fn libraries_are_named_where_they_belong() {
    for source in Imports::read().sources() {
        let (name, top) = (source.name.as_str(), source.top());
        let names = |library: &str| source.names_crate(library);
        assert!(top == "io" || !(names("hdf5") || names("hdf5_sys")), "{name} names HDF5");
        assert!(["cli", "settings", "main"].contains(&top) || !names("clap"), "{name} names clap");
        // The rest rebuilds, and can be read, without a machine-learning framework.
        let learning = ["network", "training", "inpaint"].contains(&top);
        assert!(learning || !names("burn"), "{name} names burn");
        assert!(!name.starts_with("network/conv") || !names("burn"), "{name} names burn: kernels know only numbers");
        // HDF5 takes filters as C functions, and its crate has no call for chunks that are
        // compressed already. Kernels of a card take addresses.
        let card = name.starts_with("phasing/cuda/") || name == "phasing/mod.rs";
        assert!(card || !names("cudarc"), "{name} names cudarc");
        // The program tells burn its default device, which it asks the environment for.
        let others = ["io/driver.rs", "io/filters.rs", "io/virtual_map.rs", "io/set/raw.rs", "main.rs"];
        if !card && !others.contains(&name) {
            let unsafe_code = source.tokens.iter().any(|token| token == "unsafe" || token == "unsafe_code");
            assert!(!unsafe_code, "{name} is unsafe");
        }
    }
}

#[test]
fn files_are_short() {
    for source in Imports::read().sources() {
        let lines = source.text.lines().count();
        assert!(lines <= 500, "{} has {lines} lines: is it one thing?", source.name);
    }
}

#[test]
fn the_python_package_is_a_thin_layer() {
    let imports = Imports::of_python();
    assert!(imports.sources().len() > 5, "{} sources", imports.sources().len());
    let circles: Vec<String> = imports.circles().into_iter().map(|circle| circle.join(" -> ")).collect();
    assert!(circles.is_empty(), "circles of imports:\n{}", circles.join("\n"));
    for source in imports.sources() {
        let lines = source.text.lines().count();
        assert!(lines <= 500, "{} has {lines} lines: is it one thing?", source.name);
        // Views of memory that an object of Python keeps alive are made in one place.
        let unsafe_code = source.tokens.iter().any(|token| token == "unsafe" || token == "unsafe_code");
        assert!(source.name == "arrays.rs" || !unsafe_code, "{} is unsafe", source.name);
        for library in ["hdf5", "burn", "cudarc"] {
            assert!(!source.names_crate(library), "{} names {library}", source.name);
        }
    }
}

/// Messages name settings as files and flags do: a name that is in neither would send people
/// looking.
#[test]
fn messages_name_what_can_be_typed() {
    let settings = lacuna::settings::TypedSettings::names();
    // Keys of other recipes, arguments of functions and flags of single verbs.
    let others = [
        "preset",
        "threads",
        "shard",
        "split",
        "widths",
        "gaps",
        "start-support",
        "patch",
        "object",
        "strain",
        "beamstop",
        "shards",
        "axes",
        "optimizer.rate",
        "gaps.width",
        "bounds",
        "hot",
        "max distance",
        "thinning",
        "monitor",
        "patterns_per_block and patches_per_pattern",
    ];
    let wrong = |name: &str| {
        name.starts_with('-')
            || !(settings.iter().any(|known| known == name) || others.contains(&name) || name.starts_with("network."))
    };
    for source in Imports::read().sources().iter().filter(|source| source.top() != "cli") {
        let code = source.text.split("#[cfg(test)]").next().unwrap();
        let named = code.split("Error::setting(").skip(1).filter_map(|rest| rest.trim_start().strip_prefix('"'));
        let names: Vec<&str> = named.filter_map(|rest| rest.split('"').next()).filter(|name| wrong(name)).collect();
        assert!(names.is_empty(), "{} names {names:?}, which nobody can type", source.name);
    }
}
