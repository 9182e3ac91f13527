//! Who imports whom, read from the sources: `use` declarations (nested braces, `self`, `super`,
//! `crate`, the library's own name in the program) and plain paths in code, such as
//! `crate::io::read(`. A module is a file. Comments, strings and unit tests do not count.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The names of a path, `crate::io::read` as `["lacuna", "io", "read"]`.
type Names = Vec<String>;

/// A source file.
pub struct Source {
    /// Path below `src`, `io/npz.rs`.
    pub name: String,
    /// The file's text.
    pub text: String,
    /// Words and signs of its code.
    pub tokens: Vec<String>,
    /// Full path of its module; the first name is that of the crate.
    module: Names,
    /// Names that `use` declarations bring into it, with what they stand for.
    names: BTreeMap<String, Names>,
    /// Paths in its code, and imported ones unless it only hands its own children on. Those that
    /// begin with a module that is none of ours stay as they are written.
    paths: BTreeSet<Names>,
}

impl Source {
    fn new(name: String, text: String) -> Self {
        let mut module: Names = name.trim_end_matches(".rs").split('/').map(String::from).collect();
        match module[0].as_str() {
            "lib" => module = vec!["lacuna".into()],
            "main" => {}
            "cli" => module.insert(0, "main".into()),
            _ => module.insert(0, "lacuna".into()),
        }
        module.pop_if(|last| last == "mod");
        let tokens = without_tests(tokens(&text));
        Source { name, text, tokens, module, names: BTreeMap::new(), paths: BTreeSet::new() }
    }

    /// The first folder or file below `src`: `io/npz.rs` and `io.rs` belong to `io`.
    pub fn top(&self) -> &str {
        top(&self.name)
    }

    /// Whether the code names a crate that is not ours.
    pub fn names_crate(&self, name: &str) -> bool {
        self.paths.iter().any(|path| path[0] == name)
    }
}

/// The first folder or file below `src` in the name of a source.
pub fn top(name: &str) -> &str {
    name.split(['/', '.']).next().unwrap()
}

/// All sources but unit tests, with what they import.
pub struct Imports {
    sources: Vec<Source>,
}

impl Imports {
    /// Reads the sources of this package.
    pub fn read() -> Self {
        Self::of_folder("src", |text| text)
    }

    /// Reads those of the Python package, to which the library is somebody else's.
    pub fn of_python() -> Self {
        Self::of_folder("python/src", |text| text.replace("lacuna::", "library::"))
    }

    fn of_folder(folder: &str, renamed: impl Fn(String) -> String) -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
        let (mut folders, mut files) = (vec![root.clone()], Vec::<PathBuf>::new());
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                let name = path.to_str().unwrap();
                if path.is_dir() {
                    folders.push(path);
                } else if name.ends_with(".rs") && !name.ends_with("tests.rs") {
                    files.push(path);
                }
            }
        }
        files.sort();
        let read = |path: &PathBuf| {
            let name = path.strip_prefix(&root).unwrap().to_str().unwrap().replace('\\', "/");
            Source::new(name, renamed(fs::read_to_string(path).unwrap()))
        };
        Self::of(files.iter().map(read).collect())
    }

    fn of(mut sources: Vec<Source>) -> Self {
        let modules: BTreeSet<Names> = sources.iter().map(|source| source.module.clone()).collect();
        for source in &mut sources {
            let found = paths(&source.tokens);
            let absolute = |path: &Names| absolute(path, &source.module, &modules);
            for used in found.iter().filter(|path| path.name.is_some()) {
                source.names.insert(used.name.clone().unwrap(), absolute(&used.path));
            }
            let names = &source.names;
            let whole = |path: &Names| match names.get(&path[0]) {
                Some(start) => start.iter().chain(&path[1..]).cloned().collect(),
                None => absolute(path),
            };
            let hands_on = |path: &CodePath| path.public && absolute(&path.path).starts_with(&source.module);
            let counted = found.iter().filter(|path| !hands_on(path));
            let all = counted.map(|path| if path.name.is_some() { absolute(&path.path) } else { whole(&path.path) });
            source.paths = all.collect();
        }
        Imports { sources }
    }

    pub fn sources(&self) -> &[Source] {
        &self.sources
    }

    /// The names of the files that a file imports from.
    pub fn of_file(&self, source: &Source) -> BTreeSet<&str> {
        let owners = source.paths.iter().filter_map(|path| self.owner(path, 0));
        owners.map(|owner| owner.name.as_str()).filter(|name| *name != source.name).collect()
    }

    /// The file in which the last name of a path is defined, through all re-exports; nothing for a
    /// module as a whole, of which only the paths through it count, and for what is not ours.
    fn owner(&self, path: &[String], depth: usize) -> Option<&Source> {
        let file = |module: &[String]| self.sources.iter().find(|source| source.module == module);
        let mut at = file(&path[..1])?;
        for (index, name) in path.iter().enumerate().skip(1) {
            let (inner, last) = (file(&path[..=index]), index + 1 == path.len());
            match (inner, at.names.get(name)) {
                (Some(module), _) if !last => at = module,
                (_, Some(target)) if depth < 8 => {
                    let target: Names = target.iter().chain(&path[index + 1..]).cloned().collect();
                    return self.owner(&target, depth + 1);
                }
                (Some(_), _) => return None,
                (None, _) => return Some(at),
            }
        }
        None
    }

    /// The shortest circle of imports through each file that is in one, each circle once.
    pub fn circles(&self) -> BTreeSet<Vec<&str>> {
        let graph: BTreeMap<&str, BTreeSet<&str>> =
            self.sources.iter().map(|source| (source.name.as_str(), self.of_file(source))).collect();
        graph.keys().filter_map(|start| circle(&graph, start)).collect()
    }
}

/// The shortest way from a file back to itself, beginning with the first of its names.
fn circle<'a>(graph: &BTreeMap<&'a str, BTreeSet<&'a str>>, start: &'a str) -> Option<Vec<&'a str>> {
    let mut ways = vec![vec![start]];
    let mut seen = BTreeSet::new();
    while !ways.is_empty() {
        let mut longer = Vec::new();
        for way in ways {
            for &next in &graph[way[way.len() - 1]] {
                if next == start {
                    let first = (0..way.len()).min_by_key(|&index| way[index])?;
                    return Some([&way[first..], &way[..first]].concat());
                }
                if seen.insert(next) {
                    longer.push([&way[..], &[next]].concat());
                }
            }
        }
        ways = longer;
    }
    None
}

/// A path as it stands in the code.
struct CodePath {
    path: Names,
    /// The name that a `use` declaration gives it.
    name: Option<String>,
    /// Whether that declaration is public.
    public: bool,
}

/// All paths of the code.
fn paths(tokens: &[String]) -> Vec<CodePath> {
    let mut found = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let before = at.checked_sub(1).map_or("", |before| tokens[before].as_str());
        let token = &tokens[at];
        at += 1;
        if token == "use" {
            // `pub use` or `pub(super) use`.
            at = tree(tokens, at, Vec::new(), matches!(before, "pub" | ")"), &mut found);
        } else if is_name(token) && before != "." && tokens.get(at).is_some_and(|next| next == "::") {
            let mut path = vec![token.clone()];
            while tokens[at] == "::" && is_name(&tokens[at + 1]) {
                path.push(tokens[at + 1].clone());
                at += 2;
            }
            found.push(CodePath { path, name: None, public: false });
        }
    }
    found
}

/// The paths of one tree of a `use` declaration that begins at a token; returns the token after it.
fn tree(tokens: &[String], mut at: usize, mut path: Names, public: bool, found: &mut Vec<CodePath>) -> usize {
    loop {
        match tokens[at].as_str() {
            "{" => {
                at += 1;
                while tokens[at] != "}" {
                    at = tree(tokens, at, path.clone(), public, found);
                    at += usize::from(tokens[at] == ",");
                }
                return at + 1;
            }
            "::" => at += 1,
            name => {
                path.push(name.to_string());
                at += 1;
                if tokens[at] != "::" {
                    break;
                }
            }
        }
    }
    if path.len() > 1 {
        path.pop_if(|last| last == "self");
    }
    let mut name = path[path.len() - 1].clone();
    if tokens[at] == "as" {
        name = tokens[at + 1].clone();
        at += 2;
    }
    found.push(CodePath { path, name: Some(name), public });
    at
}

/// A path from the crate on, where it begins with a module of ours.
fn absolute(path: &Names, module: &Names, modules: &BTreeSet<Names>) -> Names {
    let mut from = match path[0].as_str() {
        "crate" => module[..1].to_vec(),
        "self" | "super" => module.clone(),
        "lacuna" => vec!["lacuna".into()],
        child => {
            let inner = [&module[..], &[child.to_string()]].concat();
            return if modules.contains(&inner) { [module.clone(), path.clone()].concat() } else { path.clone() };
        }
    };
    let ups = path.iter().take_while(|name| *name == "super").count();
    from.truncate(from.len() - ups);
    from.extend(path[ups.max(1)..].iter().cloned());
    from
}

fn is_name(token: &str) -> bool {
    token.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

/// Words and signs without comments and literals; `::` is one sign.
fn tokens(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let skipped = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |end| end + 2)
        } else if c == '"' {
            string_length(rest)
        } else if c == '\'' {
            char_length(rest)
        } else if c.is_alphanumeric() || c == '_' {
            let word = rest.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(rest.len());
            match (&rest[..word], rest[word..].trim_start_matches('#').starts_with('"')) {
                ("r" | "br" | "cr", true) => word + raw_length(&rest[word..]),
                _ => {
                    found.push(rest[..word].to_string());
                    word
                }
            }
        } else {
            let sign = if rest.starts_with("::") { "::" } else { &rest[..c.len_utf8()] };
            if !c.is_whitespace() {
                found.push(sign.to_string());
            }
            sign.len()
        };
        rest = &rest[skipped..];
    }
    found
}

fn string_length(text: &str) -> usize {
    let mut escaped = true;
    let end = text.char_indices().find(|&(_, c)| {
        let closes = c == '"' && !escaped;
        escaped = c == '\\' && !escaped;
        closes
    });
    // The first quote counted as escaped: it opens.
    end.map_or(text.len(), |(at, _)| at + 1)
}

fn raw_length(text: &str) -> usize {
    let end = format!("\"{}", "#".repeat(text.find('"').unwrap()));
    let start = end.len();
    text[start..].find(&end).map_or(text.len(), |at| start + at + end.len())
}

/// A character, or the sign of a lifetime.
fn char_length(text: &str) -> usize {
    let mut chars = text.char_indices().skip(1);
    match (chars.next(), chars.next()) {
        (Some((_, '\\')), _) => text[3..].find('\'').map_or(text.len(), |at| at + 4),
        (_, Some((at, '\''))) => at + 1,
        _ => 1,
    }
}

/// Without what follows `#[cfg(test)]`.
fn without_tests(tokens: Vec<String>) -> Vec<String> {
    const MARK: [&str; 7] = ["#", "[", "cfg", "(", "test", ")", "]"];
    let mut kept = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        if !tokens[at..].iter().map(String::as_str).take(MARK.len()).eq(MARK) {
            kept.push(tokens[at].clone());
            at += 1;
            continue;
        }
        let mut depth = 0;
        while at < tokens.len() {
            depth += i32::from(tokens[at] == "{") - i32::from(tokens[at] == "}");
            at += 1;
            if depth == 0 && matches!(tokens[at - 1].as_str(), "}" | ";") {
                break;
            }
        }
    }
    kept
}

#[test]
fn paths_are_found_in_every_form() {
    let source = |name: &str, text: &str| Source::new(format!("{name}.rs"), text.into());
    let imports = Imports::of(vec![
        source("lib", "pub mod a; pub mod b;"),
        source("a/mod", "mod one; mod two; pub use one::{One, Other as Third}; use two::inner; fn own() { inner() }"),
        source("a/one", "use super::{two::{self, Two}, own}; fn f() { two::g::<u8>('\\'', \"b::x\", r#\"\"b::y\"#) }"),
        source(
            "a/two",
            "fn f<'a>() { super::Third::new(); crate::b::h() } // b::x\n#[cfg(test)]\nmod tests { use crate::c; }",
        ),
        source("b", "use crate::a; fn h() -> a::One { std::mem::take() }"),
        source("c", "use crate::{b as d, a::one}; fn k() { d::h(one::One); hdf5::open() }"),
    ]);
    let of = |name: &str| -> Vec<&str> {
        let source = imports.sources().iter().find(|source| source.name == format!("{name}.rs")).unwrap();
        imports.of_file(source).into_iter().collect()
    };
    assert_eq!(of("a/mod"), ["a/two.rs"]);
    assert_eq!(of("a/one"), ["a/mod.rs", "a/two.rs"]);
    assert_eq!(of("a/two"), ["a/one.rs", "b.rs"]);
    assert_eq!(of("b"), ["a/one.rs"]);
    assert_eq!(of("c"), ["a/one.rs", "b.rs"]);
    assert!(imports.sources()[5].names_crate("hdf5") && !imports.sources()[4].names_crate("hdf5"));
    let circles = imports.circles();
    assert!(circles.contains(&vec!["a/one.rs", "a/two.rs"]) && circles.iter().all(|circle| !circle.contains(&"c.rs")));
}
