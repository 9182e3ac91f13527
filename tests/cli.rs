//! The built program, as a user or a script meets it: bad input, outputs, JSON, interruption, help.

use lacuna::fft::Fft;
use lacuna::geometry::Geometry;
use lacuna::io::{Process, write_pattern};
use lacuna::pixels::{Pattern, bit};
use lacuna::volume::{Centered, Cornered, Shape};
use ndarray::{Array2, Array3, ArrayD, IxDyn};
use ndarray_npy::{NpzReader, write_npy};
use num_complex::Complex32;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use tempfile::TempDir;

/// A recipe that takes no time.
pub const SHORT: &str = "ER**5,HIO**10";

/// The program, in `folder`.
pub fn lacuna(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = crate::interop::unlocked(env!("CARGO_BIN_EXE_lacuna"));
    command.current_dir(folder).args(arguments).env_remove("COLUMNS").stdin(Stdio::null());
    command
}

/// Runs it and expects success.
pub fn done(folder: &Path, arguments: &[&str]) -> Output {
    let output = lacuna(folder, arguments).output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "lacuna {}: {told}", arguments.join(" "));
    output
}

/// The last JSON object of `--json`.
pub fn summary(output: &Output) -> Value {
    let text = String::from_utf8_lossy(&output.stdout);
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect("one object a line")).collect();
    assert!(lines.iter().all(Value::is_object));
    let last = lines.last().expect("a summary");
    assert_eq!(last["event"], "summary");
    last.clone()
}

/// All that lies in a folder, to the byte; folders hold nothing.
fn tree(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(tree(&path));
            found.insert(path, Vec::new());
        } else {
            let bytes = fs::read(&path).unwrap();
            found.insert(path, bytes);
        }
    }
    found
}

/// Expects exit code 1, one line on standard error with all of `words`, nothing on standard output
/// and nothing on disk.
pub fn refused(folder: &Path, arguments: &[&str], words: &[&str]) {
    refused_with(1, folder, arguments, words);
}

/// The same of words that are no command: exit code 2.
pub fn misused(folder: &Path, arguments: &[&str], words: &[&str]) {
    refused_with(2, folder, arguments, words);
}

fn refused_with(code: i32, folder: &Path, arguments: &[&str], words: &[&str]) {
    let before = tree(folder);
    let output = lacuna(folder, arguments).output().unwrap();
    refused_so(code, &output, &format!("lacuna {}", arguments.join(" ")), words);
    assert!(tree(folder) == before, "lacuna {}: something was left or changed", arguments.join(" "));
}

fn refused_so(code: i32, output: &Output, command: &str, words: &[&str]) {
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{command}: {told}");
    assert_eq!(told.lines().count(), 1, "{command}: {told}");
    assert!(told.starts_with("lacuna: ") && !told.contains("panicked"), "{command}: {told}");
    for word in words {
        assert!(told.contains(word), "{command}: no '{word}' in: {told}");
    }
    assert!(output.stdout.is_empty(), "{command}: {}", String::from_utf8_lossy(&output.stdout));
}

/// Intensities of a positive object without symmetry.
fn intensities(shape: Shape) -> Centered<f32> {
    let mut object = Centered(Array3::from_shape_fn(shape, |(z, y, x)| {
        let [v, u] = [y, x].map(|i| i as f64 / shape[2] as f64 - 0.5);
        let w = if shape[0] == 1 { 0.0 } else { z as f64 / shape[0] as f64 - 0.5 };
        let inside = v.abs() < 0.12 && u.abs() < 0.15 && w.abs() < 0.1 && !(v < -0.04 && u > 0.05);
        Complex32::from(if inside { 40.0 + 60.0 * (u + 0.2) as f32 } else { 0.0 })
    }));
    // One brighter pixel, off the centre: the twin differs.
    object.0[[shape[0] / 2, shape[1] / 2 + 2, shape[2] / 2 - 3]] = Complex32::from(90.0);
    let (mut wave, _) = object.to_cornered().0.into_raw_vec_and_offset();
    Fft::new(shape).forward(&mut wave);
    Cornered(Array3::from_shape_vec(shape, wave).unwrap()).to_centered().map(|value| value.norm_sqr().round())
}

/// `good.cxi`, 64 x 64 with a gap, in a new folder.
pub fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    write_good(&folder.path().join("good.cxi"), [1, 64, 64]);
    folder
}

pub fn write_good(path: &Path, shape: Shape) {
    let mut mask = Centered::filled(shape, 0u32);
    let row = 5 * shape[1] / 8;
    mask.0.slice_mut(ndarray::s![.., row..row + 3, ..]).fill(bit::MISSING);
    let pattern = Pattern::new(intensities(shape), mask, Geometry::default()).unwrap();
    let process = Process::new("test", &json!({}), &json!({})).unwrap();
    write_pattern(path, false, &pattern, None, &process).unwrap();
}

fn plane() -> Array2<f32> {
    intensities([1, 64, 64]).0.index_axis_move(ndarray::Axis(0), 0)
}

#[test]
fn bad_files_give_one_line() {
    let folder = folder();
    let here = folder.path();
    let save = |name: &str, array: &ArrayD<f32>| write_npy(here.join(name), array).unwrap();
    let with = |index: [usize; 2], value: f32| {
        let mut array = plane();
        array[index] = value;
        array.into_dyn()
    };
    let whole = fs::read(here.join("good.cxi")).unwrap();
    fs::write(here.join("truncated.cxi"), &whole[..whole.len() / 2]).unwrap();
    fs::write(here.join("text.cxi"), "not a pattern\n").unwrap();
    save("empty.npy", &ArrayD::zeros(IxDyn(&[0, 64])));
    save("zero.npy", &ArrayD::zeros(IxDyn(&[64, 64])));
    save("one.npy", &ArrayD::ones(IxDyn(&[64])));
    save("four.npy", &ArrayD::ones(IxDyn(&[2, 3, 16, 16])));
    save("small.npy", &ArrayD::ones(IxDyn(&[6, 64])));
    save("nan.npy", &with([10, 11], f32::NAN));
    save("negative.npy", &with([10, 11], -3.0));
    write_npy(here.join("mask_all.npy"), &Array2::<u8>::ones((64, 64))).unwrap();
    write_npy(here.join("mask_32.npy"), &Array2::<u8>::zeros((32, 64))).unwrap();

    for (file, more, words) in [
        ("nowhere.cxi", &[][..], &["nowhere.cxi: no such file"][..]),
        ("truncated.cxi", &[], &["truncated.cxi"]),
        ("text.cxi", &[], &["text.cxi", "is not an HDF5 file"]),
        ("good.cxi:/entry_1/nothing", &[], &["good.cxi", "/entry_1/nothing"]),
        ("empty.npy", &[], &["empty.npy", "empty", "0x64"]),
        ("zero.npy", &[], &["zero.npy", "zero", "nothing to phase"]),
        ("one.npy", &[], &["one.npy", "one-dimensional", "2D or 3D"]),
        ("four.npy", &[], &["four.npy", "4-dimensional", "2x3x16x16", "2D or 3D"]),
        ("small.npy", &[], &["small.npy", "6x64", "at least 8 pixels"]),
        ("nan.npy", &[], &["nan.npy", "10, 11", "mask = nan"]),
        ("negative.npy", &[], &["negative.npy", "10, 11", "-3", "mask = negative"]),
        ("good.cxi", &["--mask", "mask_all.npy"], &["good.cxi", "every pixel is masked", "0 = good"]),
        ("good.cxi", &["--mask", "mask_32.npy"], &["mask_32.npy", "32x64", "64x64"]),
        ("good.cxi", &["--mask", "nowhere.npy"], &["nowhere.npy: no such file"]),
    ] {
        for verb in [&["run", "-o", "out"][..], &["prepare", "-o", "out/prepared.cxi"]] {
            refused(here, &[verb, &["--quiet", file], more].concat(), words);
        }
    }
    // What the messages tell to do, helps.
    for (file, mask) in [("nan.npy", "nan"), ("negative.npy", "negative")] {
        done(here, &["prepare", file, "--mask", mask, "-o", &format!("{mask}.cxi")]);
    }
}

#[test]
fn bad_settings_give_one_line() {
    let folder = folder();
    let here = folder.path();
    fs::write(here.join("typo.toml"), "nb-raaar = 5\n").unwrap();
    fs::write(here.join("wrong.toml"), "\nbeta = = 3\n").unwrap();
    fs::write(here.join("file"), "a file, no folder").unwrap();
    let run = ["run", "good.cxi", "--quiet", "-o", "out"];
    for (more, words) in [
        (&["--algorithm", "ER**5,HIA**3"][..], &["'ER**5,HIA**3'", "column"][..]),
        (&["--algorithm", "ER**5,(HIO**3"], &["'ER**5,(HIO**3'", "column"]),
        (&["--preset", "typo.toml"], &["typo.toml", "'nb-raaar'", "did you mean 'nb-raar'"]),
        (&["--preset", "wrong.toml"], &["wrong.toml", "line 2"]),
        (&["--preset", "nowhere.toml"], &["nowhere.toml: no such file"]),
        (&["--preset", "brag"], &["brag", "known are bragg, particle, forward"]),
        (&["--beta", "1.5"], &["beta", "1.5", "from 0 to 1"]),
        (&["--gap", "lineaar"], &["gap", "lineaar", "biharmonic"]),
        (&["--threads", "0"], &["--threads", "0", "from 1"]),
        (&["--roi", "5:3,1:2"], &["roi", "5:3,1:2", "Y0:Y1,X0:X1"]),
        (&["--support", "circle:-3"], &["support", "circle:-3", "circle:RADIUS"]),
        (&["--support", "nowhere.npz"], &["nowhere.npz: no such file"]),
        (&["--support", "circle"], &["support = circle", "circle:RADIUS"]),
        (&["--centre", "middle"], &["middle", "friedel"]),
        (&["--gap-bounds", "0.5,2"], &["gap-bounds = 0.5,2", "gap-interval"]),
        (&["--device", "gpu"], &["device = gpu", "cuda:N"]),
        (&["--energy", "0"], &["energy = 0", "eV"]),
        (&["--max-memory", "0.000001"], &["memory", "1.0 kB", "needs about"]),
    ] {
        refused(here, &[&run[..], more].concat(), words);
    }
    let run = ["run", "good.cxi", "--quiet", "-o", "out"];
    for (more, words) in [
        (&["--nb-run", "many"][..], &["'many'", "--nb-run", "try 'lacuna run --help'"][..]),
        (&["--foo"], &["unexpected argument '--foo'", "try 'lacuna run --help'"]),
        (&["--forse"], &["'--forse'", "'--force'", "try 'lacuna run --help'"]),
    ] {
        misused(here, &[&run[..], more].concat(), words);
    }
    misused(here, &["run", "good.cxi"], &["required", "--output <DIR>", "try 'lacuna run --help'"]);
    misused(here, &["run", "good.cxi", "-o", "out", "--support-threshold", "0.2", "0.3"], &["0.3", "commas"]);
    misused(here, &["rum"], &["'rum'", "'run'", "try 'lacuna --help'"]);
    // Options of sets say so beside a file.
    misused(here, &["compare", "good.cxi", "-o", "out", "--cross"], &["--set"]);
    misused(here, &["compare", "good.cxi", "-o", "out", "--ratios", "2"], &["--set"]);
    // What is wrong with the settings is said before any file is looked for.
    refused(here, &["run", "nowhere.cxi", "--support", "box:1", "-o", "out"], &["support = box:1"]);
    refused(here, &["compare", "nowhere.cxi", "--gaps", "foo", "-o", "out"], &["gap = foo"]);
    refused(
        here,
        &["inpaint", "nowhere.cxi", "--gap", "auto", "-o", "out.cxi"],
        &["gap = auto", "takes network, zero"],
    );
    // A path below a regular file: nobody can write there, not even root.
    refused(here, &["run", "good.cxi", "-q", "-o", "file/out"], &["cannot write", "file/out"]);
    refused(here, &["phase", "good.cxi", "-q", "-o", "file/result.cxi"], &["cannot write", "file/result.cxi"]);
    refused(here, &["prepare", "good.cxi", "-q", "-o", "a.tif"], &["a.tif", "another format", ".cxi"]);
    refused(here, &["prepare", "good.cxi", "-q", "-o", "/proc/prepared.cxi"], &["cannot write", "/proc/prepared.cxi"]);
}

#[test]
fn existing_outputs_are_safe() {
    let folder = folder();
    let here = folder.path();
    let run = ["run", "good.cxi", "-q", "--algorithm", SHORT, "-o", "out"];
    done(here, &run);
    let names = || fs::read_dir(here.join("out")).unwrap().count();
    assert_eq!(names(), 4, "result.cxi, report.html, settings.toml, completed.cxi and nothing else");
    refused(here, &run, &["out/result.cxi exists already", "--force"]);
    let before = tree(&here.join("out"));
    done(here, &[&run[..], &["--seed", "7", "--force"]].concat());
    let after = tree(&here.join("out"));
    assert!(before.keys().eq(after.keys()));
    assert!(before.iter().all(|(path, bytes)| after[path] != *bytes), "all are replaced");

    // A report alone is enough to refuse, and a folder of the result's name is never replaced.
    fs::remove_file(here.join("out/result.cxi")).unwrap();
    refused(here, &run, &["exists already", "--force"]);
    fs::create_dir(here.join("folder.cxi")).unwrap();
    refused(here, &["phase", "good.cxi", "-q", "--force", "-o", "folder.cxi"], &["folder.cxi", "it is a folder"]);
}

#[test]
fn what_is_read_and_what_others_wrote_is_never_removed() {
    let folder = folder();
    let here = folder.path();
    for name in ["result.cxi", "completed.cxi"] {
        fs::rename(here.join("good.cxi"), here.join(name)).unwrap();
        refused(here, &["run", name, "-q", "-o", ".", "--force"], &[name, "is the input"]);
        fs::rename(here.join(name), here.join("good.cxi")).unwrap();
    }
    // Names of outputs that this call does not write.
    let run = ["-q", "--algorithm", SHORT, "-o", ".", "--force"];
    let of_others = ["crystal.h5", "crystal.html", "result.npz", "result_Run0001_LLK0.1.cxi"];
    for name in of_others {
        fs::write(here.join(name), "mine").unwrap();
    }
    done(here, &[&["run", "good.cxi"], &run[..]].concat());
    assert!(of_others.iter().all(|name| fs::read(here.join(name)).unwrap() == b"mine"));
    fs::rename(here.join("good.cxi"), here.join("crystal.cxi")).unwrap();
    fs::remove_file(here.join("crystal.h5")).unwrap();
    fs::rename(here.join("crystal.cxi"), here.join("crystal.h5")).unwrap();
    done(here, &[&["run", "crystal.h5"], &run[..]].concat());
    assert!(here.join("crystal.h5").is_file(), "the input");
    // What lacuna wrote for another call goes.
    fs::copy(here.join("result.cxi"), here.join("result_Run0002.cxi")).unwrap();
    done(here, &[&["run", "crystal.h5"], &run[..]].concat());
    assert!(!here.join("result_Run0002.cxi").exists() && here.join(of_others[3]).exists());
}

/// A limit on the size of files stands for a full disk: both make `write` fail midway.
#[test]
fn a_full_disk_leaves_the_old_result() {
    let folder = folder();
    let here = folder.path();
    let limited = |arguments: &str| {
        let script = format!("trap '' XFSZ; ulimit -f 1; exec \"$0\" {arguments}");
        crate::interop::unlocked("bash").current_dir(here).args(["-c", &script, env!("CARGO_BIN_EXE_lacuna")]).output()
    };
    for (format, old) in [("cxi", "out/result.cxi"), ("npz", "out/result.npz")] {
        done(here, &["run", "good.cxi", "-q", "--algorithm", SHORT, "-o", "out", "--output-format", format, "--force"]);
        let before = tree(here);
        let arguments = format!("run good.cxi -q --algorithm '{SHORT}' -o out --output-format {format} --force");
        let Ok(output) = limited(&arguments) else { return println!("skipped: no bash to limit the size of files") };
        refused_so(1, &output, &arguments, &["cannot write", old]);
        assert!(tree(here) == before, "{format}: something was left or changed");
    }
}

#[test]
fn json_ends_with_a_summary() {
    let folder = folder();
    let here = folder.path();
    let output = done(here, &["run", "good.cxi", "--json", "--algorithm", SHORT, "--seed", "5", "-o", "out"]);
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    let summary = summary(&output);
    for name in ["r_factor", "llk_poisson", "free_llk_poisson", "support_fraction", "seconds_per_cycle"] {
        assert!(summary[name].as_f64().is_some_and(f64::is_finite), "{name}: {summary}");
    }
    assert_eq!((&summary["seed"], &summary["interrupted"]), (&json!(5), &json!(false)));
    let info: Value = serde_json::from_slice(&done(here, &["info", "good.cxi", "--json"]).stdout).unwrap();
    assert_eq!((&info["shape"], &info["gaps"][0]["width"]), (&json!([64, 64]), &json!(3)));
}

/// The numbers of an array in an npz result, to the bit.
pub fn bits(file: &Path, key: &str) -> Vec<[u32; 2]> {
    let mut npz = NpzReader::new(File::open(file).unwrap()).unwrap();
    let array: ArrayD<Complex32> = npz.by_name(key).unwrap();
    array.iter().map(|value| [value.re.to_bits(), value.im.to_bits()]).collect()
}

#[test]
fn the_seed_decides_and_not_the_threads() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    // Above the sizes at which work is split between threads.
    write_good(&here.join("flat.cxi"), [1, 256, 256]);
    write_good(&here.join("solid.cxi"), [32, 48, 64]);
    let bragg = &["--algorithm", "ER**10,(Sup*HIO**10)**4", "--nb-run", "2", "--nb-run-keep", "2"][..];
    let forward =
        &["--preset", "forward", "--search-population", "2", "--search-generations", "1", "--nb-run", "2"][..];
    for (file, name, settings) in
        [("flat.cxi", "flat", bragg), ("solid.cxi", "solid", bragg), ("flat.cxi", "guided", forward)]
    {
        let object = |threads: &str, seed: &str| {
            let out = format!("{name}_{threads}_{seed}");
            let fixed = ["run", file, "-q", "--output-format", "npz", "--threads", threads, "--seed", seed, "-o", &out];
            done(here, &[&fixed[..], settings].concat());
            bits(&here.join(out).join("result.npz"), "obj")
        };
        let one = object("1", "3");
        assert!(one == object("2", "3") && one == object("3", "3"), "{name}: threads change the result");
        assert!(one != object("2", "9"), "{name}: the seed changes nothing");
    }
}

#[test]
fn verbs_follow_each_other() {
    let folder = folder();
    let here = folder.path();
    done(here, &["prepare", "good.cxi", "-q", "-o", "prepared.cxi"]);
    done(here, &["inpaint", "prepared.cxi", "-q", "--method", "linear", "-o", "filled.cxi"]);
    let phase = ["phase", "--json", "--algorithm", SHORT, "--report", "report.html", "--force"];
    for file in ["prepared.cxi", "filled.cxi"] {
        let summary = summary(&done(here, &[&phase[..], &[file, "-o", "result.cxi"]].concat()));
        assert!(summary["r_factor"].as_f64().is_some_and(|r| r > 0.0 && r < 1.0), "{summary}");
    }
    assert!(fs::read_to_string(here.join("report.html")).unwrap().starts_with("<!DOCTYPE html>"));

    // The same in one go, with settings that a first run wrote.
    done(here, &["run", "good.cxi", "-q", "--algorithm", SHORT, "--gap", "linear", "-o", "out"]);
    assert!(here.join("out/completed.cxi").is_file());
    let again = ["run", "good.cxi", "-q", "--preset", "out/settings.toml", "--output-format", "npz", "-o", "again"];
    done(here, &again);
    let settings = |folder: &str| fs::read_to_string(here.join(folder).join("settings.toml")).unwrap();
    assert_eq!(settings("out"), settings("again"));
    let mut npz = NpzReader::new(File::open(here.join("again/result.npz")).unwrap()).unwrap();
    let object: Array2<Complex32> = npz.by_name("obj").unwrap();
    let support: Array2<u8> = npz.by_name("support").unwrap();
    assert_eq!((object.dim(), support.dim()), ((64, 64), (64, 64)));
    assert!(object.iter().all(|value| value.re.is_finite() && value.im.is_finite()));
    // The preset itself is a settings file.
    fs::write(here.join("bragg.toml"), done(here, &["presets"]).stdout).unwrap();
    done(here, &["run", "good.cxi", "-q", "--preset", "bragg.toml", "--algorithm", SHORT, "-o", "preset"]);
}

/// A run that takes long, once it has told of its first progress.
#[cfg(unix)]
fn long_run(here: &Path) -> (std::process::Child, std::io::Lines<BufReader<std::process::ChildStdout>>) {
    write_good(&here.join("flat.cxi"), [1, 256, 256]);
    let arguments = ["run", "flat.cxi", "--json", "--algorithm", "HIO**50000", "--output-format", "npz"];
    let more = ["-o", "out", "--nb-run", "3"];
    let mut command = lacuna(here, &[&arguments[..], &more].concat());
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().contains("\"progress\"")), "no progress was told");
    (child, lines)
}

/// What waits for success must not go on with half a result, so the exit code says which signal it
/// was.
#[test]
#[cfg(unix)]
fn an_interrupt_keeps_what_was_reached_and_says_so() {
    for (signal, code) in [("-INT", 130), ("-TERM", 143)] {
        let folder = tempfile::tempdir().unwrap();
        let here = folder.path();
        let (mut child, lines) = long_run(here);
        assert!(Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap().success());
        let last = lines.map(Result::unwrap).last().expect("a summary");
        assert_eq!(child.wait().unwrap().code(), Some(code), "{signal}");
        let summary: Value = serde_json::from_str(&last).unwrap();
        assert_eq!((&summary["event"], &summary["interrupted"]), (&json!("summary"), &json!(true)));
        assert!(summary["cycles"].as_u64().is_some_and(|cycles| cycles > 0 && cycles < 50_000), "{summary}");
        assert_eq!(bits(&here.join("out/result.npz"), "obj").len(), 256 * 256);
        assert!(here.join("out/report.html").is_file());
    }
}

/// `--json | head -1`: the reader goes, the reconstruction stays.
#[test]
fn a_reader_that_goes_away_costs_nothing() {
    let folder = folder();
    let here = folder.path();
    let arguments = ["run", "good.cxi", "--json", "--algorithm", "ER**400", "-o", "out"];
    let mut child = lacuna(here, &arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert!(line.contains("prepared"), "{line}");
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.stderr.is_empty() && here.join("out/result.cxi").is_file());
}

#[test]
fn short_help_is_short() {
    let here = tempfile::tempdir().unwrap();
    let help = |flag: &str| String::from_utf8(done(here.path(), &["run", flag]).stdout).unwrap();
    let (short, long) = (help("-h"), help("--help"));
    assert!(short.lines().count() < long.lines().count() / 2, "{} lines", short.lines().count());
    assert!(
        short.contains("--gap <") && !short.contains("--search-population") && long.contains("--search-population")
    );
}

/// Object 8, its transform 8, support 1, bounds 4, density 4, new support 1, held-out pixels 0.8; a
/// run on a laptop must not need more.
#[test]
fn a_run_takes_at_most_28_bytes_a_voxel() {
    let here = tempfile::tempdir().unwrap();
    // Arrays so large that the allocator asks the system for each of them and gives it back.
    let output = done(
        here.path(),
        &["bench", "phasing", "--sizes", "208x208x208", "--repeat", "1", "--seconds", "0.01", "--json"],
    );
    let lines = String::from_utf8_lossy(&output.stdout).into_owned();
    let memory =
        lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()).find(|line| line["step"] == "memory");
    let Some(memory) = memory else {
        println!("skipped: this system does not tell the peak of resident memory");
        return;
    };
    let each = memory["bytes_per_voxel"].as_f64().unwrap();
    assert!((20.0..=28.0).contains(&each), "{each} bytes a voxel");
}

/// Accept wanted changes with `INSTA_UPDATE=always cargo test help`, and read the difference.
#[test]
fn help_texts() {
    let here = tempfile::tempdir().unwrap();
    let verbs = [
        &[][..],
        &["run"],
        &["batch"],
        &["info"],
        &["gaps"],
        &["prepare"],
        &["inpaint"],
        &["phase"],
        &["simulate"],
        &["evaluate"],
        &["train"],
        &["presets"],
        &["beamlines"],
        &["bench"],
        &["bench", "phasing"],
        &["bench", "simulate"],
        &["bench", "inpaint"],
        &["doctor"],
        &["completions"],
        &["man"],
        &["compare"],
        &["compare", "merge"],
        &["demo"],
    ];
    for verb in verbs {
        let output = done(here.path(), &[verb, &["--help"]].concat());
        let name = [&["help"], verb].concat().join("_");
        insta::assert_snapshot!(name, String::from_utf8(output.stdout).unwrap());
    }
}
