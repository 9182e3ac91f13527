//! The book, and all other pages: what they tell people to type is typed or at least understood,
//! links and anchors lead somewhere, and what they quote is there.

mod page;

use crate::cli::{done, lacuna};
use crate::interop::unlocked;
use lacuna::inpaint::GapTreatment;
use lacuna::network::NetworkDevice;
use lacuna::settings::{Settings, TypedSettings};
use page::{Page, names, top};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread;

/// Chapter of the Python package, which has a folder and tests of its own.
const PYTHON: &str = "docs/python.md";

fn pages() -> Vec<Page> {
    names().iter().map(|name| Page::read(name)).collect()
}

/// The chapters whose blocks are run. Benchmarks take hours, and README's blocks have a test of
/// their own.
fn chapters() -> Vec<Page> {
    let chapters = pages().into_iter().filter(|page| page.name != PYTHON);
    chapters.filter(|page| page.name.starts_with("docs/") && !page.name.contains("benchmarks")).collect()
}

/// A folder with the patterns of `datasets/examples`.
fn folder_with_examples() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(top().join("datasets/examples")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|ending| ending == "cxi") {
            fs::copy(&path, folder.path().join(path.file_name().unwrap())).unwrap();
        }
    }
    folder
}

/// Runs the blocks of a page that are to be run, in their order, those of Python last; their number.
fn run(page: &Page, program: &Path) -> usize {
    let folder = folder_with_examples();
    let of_kind = |kind: &'static str| page.blocks.iter().filter(move |block| block.0 == kind).map(|block| &block.1);
    let path = format!("{}:{}", program.display(), std::env::var("PATH").unwrap());
    for block in of_kind("sh") {
        let mut shell = unlocked("bash");
        let output = shell.args(["-euc", block]).current_dir(folder.path()).env("PATH", &path).output().unwrap();
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{}:\n{block}\n{told}", page.name);
    }
    for block in of_kind("python") {
        let Some(python) = crate::interop::python("h5py, numpy") else { break };
        // What a longer run, whose block is not run here, leaves.
        done(folder.path(), &["run", "flake.cxi", "--nb-run", "1", "--algorithm", "ER**5", "--output", "flake"]);
        let output = unlocked(python).args(["-c", block]).current_dir(folder.path()).output().unwrap();
        assert!(output.status.success(), "{}:\n{block}\n{}", page.name, String::from_utf8_lossy(&output.stderr));
    }
    of_kind("sh").chain(of_kind("python")).count()
}

#[test]
fn chapters_do_what_they_say() {
    let program = Path::new(env!("CARGO_BIN_EXE_lacuna")).parent().unwrap();
    let blocks: usize = thread::scope(|scope| {
        let runs: Vec<_> = chapters().into_iter().map(|page| scope.spawn(move || run(&page, program))).collect();
        runs.into_iter().map(|run| run.join().unwrap()).sum()
    });
    assert!(blocks > 15, "{blocks} blocks");
}

/// Whether words end in a mistake of the command line: each flag and value is parsed before
/// `--help` is seen.
fn misuse(here: &Path, words: &[String]) -> Option<String> {
    let words: Vec<&str> = words.iter().map(String::as_str).chain(["--help"]).collect();
    let output = lacuna(here, &words).output().unwrap();
    (!output.status.success()).then(|| String::from_utf8_lossy(&output.stderr).into_owned())
}

/// What stands for something: `FILE`, `NAME`, `...`, `box:D,H,W`, `Y0:Y1,X0:X1`.
fn is_placeholder(value: &str) -> bool {
    let variable = |word: &str| {
        let mut letters = word.chars();
        letters.next().is_some_and(|c| c.is_ascii_uppercase()) && letters.all(|c| c.is_ascii_digit())
    };
    value.contains("...")
        || value.chars().all(|c| c.is_ascii_uppercase() || "|:,/.".contains(c))
        || value.split(|c: char| !c.is_alphanumeric()).any(variable)
}

/// What is wrong with the settings of a reconstruction among these words.
fn wrong_settings(words: &[String]) -> Option<String> {
    let takes_settings = ["run", "batch", "info", "gaps", "prepare", "inpaint", "phase", "compare"];
    if !words.first().is_some_and(|verb| takes_settings.contains(&verb.as_str())) {
        return None;
    }
    let (mut typed, mut preset, known) = (TypedSettings::default(), "bragg".to_string(), TypedSettings::names());
    for (i, word) in words.iter().enumerate() {
        let Some(flag) = word.strip_prefix("--") else { continue };
        let next = words.get(i + 1).filter(|next| !next.starts_with('-')).map(String::as_str);
        let (name, value) = flag.split_once('=').unwrap_or((flag, next.unwrap_or("true")));
        if is_placeholder(value) {
            continue;
        }
        match name {
            // A file that a reader has, or that an earlier command made.
            "preset" | "beamline" if value.ends_with(".toml") => {}
            "preset" => preset = value.into(),
            "gaps" => {
                let names = value.split(',').filter(|&name| !["full", "auto"].contains(&name) && !is_placeholder(name));
                let wrong = names.filter_map(|name| name.parse::<GapTreatment>().err());
                if let Some(error) = wrong.map(|error| error.to_string()).next() {
                    return Some(error);
                }
            }
            name if known.iter().any(|known| known == name) => {
                if let Err(error) = typed.set(name, value) {
                    return Some(error.to_string());
                }
            }
            _ => {}
        }
    }
    Settings::resolve(&preset, &typed).err().map(|error| error.to_string())
}

#[test]
fn commands_are_understood() {
    let here = tempfile::tempdir().unwrap();
    // The list of changes names what there was.
    let pages: Vec<Page> = pages().into_iter().filter(|page| page.name != "CHANGELOG.md").collect();
    let all = |commands: fn(&Page) -> Vec<Vec<String>>| {
        let of_page =
            |page: &Page| commands(page).into_iter().map(|words| (words, page.name.clone())).collect::<Vec<_>>();
        // Those of many pages are the same.
        pages.iter().flat_map(of_page).collect::<BTreeSet<(Vec<String>, String)>>()
    };
    let (commands, mentioned) = (all(Page::commands), all(Page::mentioned_commands));
    assert!(commands.len() > 80 && mentioned.len() > 40, "{} and {} commands", commands.len(), mentioned.len());
    let problem = |words: &Vec<String>| misuse(here.path(), words).or_else(|| wrong_settings(words));
    let of_mention = |words: &Vec<String>| problem(words).filter(|problem| !problem.contains("a value is required"));
    let wrong = commands.iter().filter_map(|(words, page)| Some((page, words, problem(words)?)));
    let wrong = wrong.chain(mentioned.iter().filter_map(|(words, page)| Some((page, words, of_mention(words)?))));
    let wrong: Vec<String> = wrong.map(|(page, words, problem)| format!("{page}: {words:?}: {problem}")).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A test of the tests above: they refuse what is not there.
#[test]
fn commands_that_are_wrong_are_not_understood() {
    let here = tempfile::tempdir().unwrap();
    let words = |line: &str| line.split(' ').map(String::from).collect::<Vec<String>>();
    for line in ["run scan.cxi --no-such-flag", "run scan.cxi --nb-run many", "rune scan.cxi", "crystal --frame lab"] {
        assert!(misuse(here.path(), &words(line)).is_some(), "{line}");
    }
    for line in ["run a.cxi --preset brag", "run a.cxi --algorithm ER**x", "compare a.cxi --gaps free,networks"] {
        assert!(wrong_settings(&words(line)).is_some(), "{line}");
    }
    assert_eq!(wrong_settings(&words("run a.cxi --preset particle --pad --gap linear-soft --rebin 2,2")), None);
}

#[test]
fn values_of_flags_in_words_are_taken() {
    let (mut checked, mut wrong) = (0, vec![]);
    // PyNX has flags of the same names with other values.
    let others = ["CHANGELOG.md", "docs/pynx.md"];
    for page in pages().into_iter().filter(|page| !others.contains(&page.name.as_str())) {
        for code in page.code.iter().filter(|code| code.starts_with("--") && code.contains([' ', '='])) {
            // With a fill, since bounds belong to one.
            let words: Vec<String> = shlex::split(&format!("run --gap linear {code}")).unwrap();
            checked += 1;
            // What only trains or fills has devices of its own.
            let device = code.strip_prefix("--device ").map(str::parse::<NetworkDevice>);
            if matches!(device, Some(Ok(_))) {
                continue;
            }
            wrong.extend(wrong_settings(&words).map(|problem| format!("{}: {code}: {problem}", page.name)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(checked > 40, "{checked} flags with values");
}

/// All flags of all verbs, from their help.
fn flags() -> BTreeSet<String> {
    let here = tempfile::tempdir().unwrap();
    let help = |words: &[&str]| {
        let output = lacuna(here.path(), &[words, &["--help"]].concat()).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let mut flags = BTreeSet::new();
    let mut waiting: Vec<Vec<String>> = vec![vec![]];
    while let Some(words) = waiting.pop() {
        let text = help(&words.iter().map(String::as_str).collect::<Vec<_>>());
        let word = |c: char| c.is_whitespace() || ",[<=]".contains(c);
        flags.extend(text.split(word).filter(|word| word.starts_with("--") && word.len() > 2).map(String::from));
        let verbs = text.split("Commands:\n").nth(1).map(|rest| rest.split("\n\n").next().unwrap()).unwrap_or_default();
        let verbs = verbs.lines().filter(|line| line.starts_with("  ") && !line.starts_with("   "));
        let verbs = verbs.filter_map(|line| line.split_whitespace().next()).filter(|&verb| verb != "help");
        waiting.extend(verbs.map(|verb| [words.clone(), vec![verb.to_string()]].concat()));
    }
    flags
}

#[test]
fn flags_that_are_named_exist() {
    let flags = flags();
    assert!(flags.len() > 120, "{} flags", flags.len());
    // Pages that name flags of other programs too, or flags that there were.
    let others = ["docs/pynx.md", "CHANGELOG.md", PYTHON];
    let of_page = |page: Page| page.code.into_iter().map(move |code| (page.name.clone(), code));
    let code = pages().into_iter().filter(|page| !others.contains(&page.name.as_str())).flat_map(of_page);
    let named = code.filter_map(|(page, code)| Some((page, code.split([' ', '=']).next()?.to_string())));
    let named: BTreeSet<(String, String)> = named.filter(|(_, word)| word.starts_with("--")).collect();
    assert!(named.len() > 80, "{} flags", named.len());
    // Of tools/test.sh and tools/release.sh, and of Docker.
    let tools = ["--all", "--draft", "--gpus"];
    let wrong: Vec<_> =
        named.iter().filter(|(_, flag)| !flags.contains(flag) && !tools.contains(&flag.as_str())).collect();
    assert!(wrong.is_empty(), "no flags: {wrong:?}");
}

#[test]
fn links_and_anchors_lead_somewhere() {
    let mut followed = 0;
    for page in pages() {
        let folder = Path::new(&page.name).parent().unwrap();
        for link in page.links.iter().filter(|link| !link.contains("://") && !link.starts_with("mailto:")) {
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = match file {
                "" => page.name.clone(),
                file => plain(&folder.join(file)),
            };
            assert!(top().join(&target).exists(), "{}: {link}", page.name);
            if !anchor.is_empty() {
                let anchors = Page::read(&target).anchors;
                assert!(anchors.iter().any(|known| known == anchor), "{}: {link}: there are {anchors:?}", page.name);
            }
            followed += 1;
        }
    }
    assert!(followed > 100, "{followed} links");
}

/// A path without `..`.
fn plain(path: &Path) -> String {
    let mut parts: Vec<&str> = vec![];
    for part in path.to_str().unwrap().split('/') {
        match part {
            ".." => drop(parts.pop()),
            "." | "" => {}
            part => parts.push(part),
        }
    }
    parts.join("/")
}

#[test]
fn the_summary_names_every_chapter() {
    let summary = Page::read("docs/SUMMARY.md");
    let named: Vec<String> = summary.links.iter().map(|link| plain(&Path::new("docs").join(link))).collect();
    for name in names().iter().filter(|name| *name != "docs/SUMMARY.md") {
        assert!(named.contains(name), "{name} is not in docs/SUMMARY.md");
    }
}

/// The numbers of a text that have two digits or more: those of one are counts of things nearby.
fn numbers(text: &str) -> Vec<&str> {
    let words = text.split(|c: char| !(c.is_alphanumeric() || c == '.')).map(|word| word.trim_matches('.'));
    words.filter(|word| word.len() > 1 && word.chars().all(|c| c.is_ascii_digit() || c == '.')).collect()
}

#[test]
fn numbers_beside_a_link_to_benchmarks_stand_there() {
    let (mut checked, mut wrong) = (0, vec![]);
    let quoting = |name: &str| name == "README.md" || name.starts_with("docs/") && !name.contains("benchmarks");
    for page in pages().into_iter().filter(|page| quoting(&page.name)) {
        let folder = Path::new(&page.name).parent().unwrap();
        for (text, links) in &page.passages {
            let files = links.iter().map(|link| plain(&folder.join(link.split('#').next().unwrap())));
            let of_benchmarks = |file: &String| file.contains("benchmarks/") || file == "BENCHMARKS.md";
            let files: Vec<String> = files.filter(of_benchmarks).collect();
            let known: String = files.iter().map(|file| fs::read_to_string(top().join(file)).unwrap()).collect();
            for number in numbers(text).into_iter().filter(|_| !files.is_empty()) {
                checked += 1;
                if !numbers(&known).contains(&number) {
                    wrong.push(format!("{}: {number} is not in {files:?}: {text}", page.name));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(checked > 10, "{checked} numbers");
}

/// The data sets that the chapter on formats lists, in a result that has all of them.
#[test]
fn data_sets_of_a_result_are_those_of_the_book() {
    let Some(python) = crate::interop::python("h5py") else { return };
    let folder = folder_with_examples();
    let arguments = ["run", "crystal.cxi", "--nb-run", "3", "--nb-raar", "30", "--nb-er", "10", "--gap", "linear-soft"];
    let more = ["--psf", "gaussian,0.5", "--unwrap", "--output", "out", "--quiet"];
    done(folder.path(), &[&arguments[..], &more].concat());
    let formats = Page::read("docs/formats.md");
    let listed: Vec<&String> = formats.code.iter().filter(|code| code.starts_with("entry_1/")).collect();
    assert!(listed.len() > 18, "{listed:?}");
    let script = "import fnmatch, h5py, re, sys
names = []
h5py.File('out/result.cxi').visit(names.append)
def spread(name):
    inner = re.search('{(.*?)}', name)
    return [name[:inner.start()] + one + name[inner.end():] for one in inner[1].split(',')] if inner else [name]
missing = [one for name in sys.argv[1:] for one in spread(name.replace('NAME', '*')) if not fnmatch.filter(names, one)]
sys.exit(f'not in the result: {missing}' if missing else 0)";
    let output = Command::new(python).args(["-c", script]).args(listed).current_dir(folder.path()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
