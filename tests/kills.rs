//! Calls that are killed (SIGKILL) at random moments. The same command again must succeed, whatever
//! the moment; no result is cut short, and nothing is left behind. The long campaign is
//!
//! ```text
//! LACUNA_KILLS=50 LACUNA_SEED=1 cargo test --test main kills:: -- --ignored --nocapture
//! ```

use crate::cli::{done, lacuna, refused, write_good};
use lacuna::inpaint::model::Model;
use lacuna::io;
use lacuna::io::set::Set;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::time::{Duration, Instant};

/// Sets, trainings and comparisons of seconds.
const SET: &str = "name = \"tiny\"\nshape = [32, 32]\ncount = 12\n[split]\ntrain = 0.5\nvalidation = 0.5\ntest = 0\n";
const TRAINING: &str = "name = \"tiny\"\ndescription = \"\"\ndata = \"tiny\"\nseed = 1\npatch = 16\nsteps = 6\nbatch = 2\nshards = 1\n\
                        [network]\ndimensions = 2\nchannels = [4, 8]\ngroups = 4\ndilations = []\n\
                        [validation]\nevery = 2\npatches = 4\n[gaps]\nwidth = [2, 6]\n";

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().expect("a number"))
}

/// A folder with the inputs of all commands.
fn inputs() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    write_good(&here.join("good.cxi"), [1, 64, 64]);
    fs::write(here.join("set.toml"), SET).unwrap();
    fs::write(here.join("training.toml"), TRAINING).unwrap();
    done(here, &["simulate", "set.toml", "-q", "-o", "input.h5"]);
    folder
}

/// Files in a folder and below it, by name.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() { all.extend(files(&path)) } else { all.push(path) }
    }
    all.sort();
    all
}

/// Kills `arguments` at random moments, each time in a fresh folder `out`, and then lets it
/// succeed. `check` reads what must be there in the end.
fn killed(name: &str, arguments: &[&str], check: &dyn Fn(&Path)) {
    let inputs = inputs();
    let here = inputs.path();
    let out = here.join("out");
    let fresh = || {
        let _ = fs::remove_dir_all(&out);
        fs::create_dir(&out).unwrap();
    };
    fresh();
    let begun = Instant::now();
    done(here, arguments);
    let whole = begun.elapsed();
    check(&out);
    let names = files(&out);

    let mut rng = ChaCha8Rng::seed_from_u64(number("LACUNA_SEED", 0));
    let (kills, mut late) = (number("LACUNA_KILLS", 10), 0);
    for kill in 0..kills {
        fresh();
        // More than once, now and then: what a killed call left is what the next one is killed
        // over.
        for _ in 0..rng.random_range(1..=2) {
            let mut child = lacuna(here, arguments).stderr(std::process::Stdio::null()).spawn().unwrap();
            std::thread::sleep(whole.mul_f64(rng.random_range(0.0..1.05)));
            child.kill().unwrap();
            child.wait().unwrap();
        }
        // One that had ended before it was killed has removed its claim.
        let ended = files(&out) == names;
        late += u64::from(ended);
        if !ended {
            let output = lacuna(here, arguments).output().unwrap();
            let told = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{name}, kill {kill}: {told}{:?}", files(&out));
        }
        check(&out);
        assert_eq!(files(&out), names, "{name}, kill {kill}: files are left or missing");
    }
    println!("{name}: {kills} kills within {whole:.1?}, {late} after the end; every call after them succeeded");
}

#[test]
#[ignore = "takes minutes"]
fn a_killed_run_leaves_nothing_that_stops_the_next() {
    let settings = ["-q", "--algorithm", "ER**5,HIO**40", "--gap", "linear", "--nb-run", "2", "-o", "out"];
    let check = |out: &Path| {
        assert!(io::read(out.join("result.cxi").to_str().unwrap()).is_ok());
        assert!(io::read(out.join("completed.cxi").to_str().unwrap()).is_ok_and(|input| input.estimate.is_some()));
        assert!(fs::read_to_string(out.join("report.html")).unwrap().trim_end().ends_with("</html>"));
        assert!(fs::read_to_string(out.join("settings.toml")).unwrap().contains("algorithm"));
    };
    killed("run", &[&["run", "good.cxi"][..], &settings].concat(), &check);
    killed("run --example", &[&["run", "--example"][..], &settings].concat(), &|out| {
        check(out);
        assert!(io::read(out.join("example.cxi").to_str().unwrap()).is_ok());
    });
}

#[test]
#[ignore = "takes minutes"]
fn a_killed_simulation_leaves_nothing_that_stops_the_next() {
    let set = ["simulate", "set.toml", "-q", "-o", "out/set.h5", "--preview", "out/sheet.png"];
    killed("simulate", &set, &|out| {
        let set = Set::open(&out.join("set.h5")).unwrap();
        assert!((0..12).all(|index| set.entry(index).is_ok()));
    });
    let one = ["simulate", "--shape", "64,64", "--gap", "4", "-q", "-o", "out/one.cxi"];
    killed("simulate, one pattern", &one, &|out| {
        for name in ["one.cxi", "one-truth.cxi"] {
            assert!(io::read(out.join(name).to_str().unwrap()).is_ok());
        }
    });
}

#[test]
#[ignore = "takes minutes"]
fn a_killed_training_goes_on_to_the_model() {
    let arguments = ["train", "training.toml", "--set", "input.h5", "--resume", "-q", "-o", "out"];
    killed("train", &arguments, &|out| {
        let model = Model::load(out).unwrap();
        assert_eq!(model.card.training.steps, 6);
        let curve = fs::read_to_string(out.join("curve.jsonl")).unwrap();
        assert_eq!(curve.lines().count(), 3, "{curve}");
    });
}

#[test]
#[ignore = "takes minutes"]
fn a_killed_comparison_goes_on_to_all_outcomes() {
    let set = ["compare", "--set", "input.h5", "-q", "-o", "out", "--split", "train", "--ratios", "1,2.5"];
    let settings = ["--least-photons", "0", "--gaps", "free,zero", "--algorithm", "ER**5,HIO**20", "--nb-run", "1"];
    killed("compare --set", &[&set[..], &settings].concat(), &|out| {
        let text = fs::read_to_string(out.join("outcomes-1-of-1.jsonl")).unwrap();
        let lines: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let mut keys: Vec<String> =
            lines[1..].iter().map(|line| format!("{} {}", line["pattern"], line["asked"])).collect();
        keys.sort();
        keys.dedup();
        assert!(!keys.is_empty() && keys.len() == lines.len() - 1, "{text}");
    });
    let one = ["compare", "good.cxi", "-q", "-o", "out", "--gaps", "free,linear-soft"];
    killed("compare", &[&one[..], &settings[4..]].concat(), &|out| {
        assert!(fs::read_to_string(out.join("compare.html")).unwrap().trim_end().ends_with("</html>"));
    });
}

/// A call that is at work, once it has claimed its output.
fn at_work(here: &Path, arguments: &[&str], claim: &str) -> Child {
    let child = lacuna(here, arguments).spawn().unwrap();
    let begun = Instant::now();
    while !here.join(claim).exists() && begun.elapsed() < Duration::from_secs(20) {
        std::thread::sleep(Duration::from_millis(5));
    }
    child
}

#[test]
fn the_second_call_with_an_output_is_refused_at_once_and_a_kill_frees_it() {
    let inputs = inputs();
    let here = inputs.path();
    let long = ["--algorithm", "HIO**1000000", "--nb-run", "1", "-q", "-o", "out"];
    let run = [&["run", "good.cxi", "--gap", "free"][..], &long].concat();
    let training = TRAINING.replace("steps = 6", "steps = 1000000");
    fs::write(here.join("training.toml"), training).unwrap();
    let set = ["compare", "--set", "input.h5", "--split", "train", "--least-photons", "0", "--gaps", "free"];
    for (arguments, claim) in [
        (run, ".lacuna.lock"),
        (vec!["train", "training.toml", "--set", "input.h5", "--resume", "-q", "-o", "out"], ".lacuna.lock"),
        ([&set[..], &long].concat(), ".outcomes-1-of-1.jsonl.lock"),
        (vec!["simulate", "set.toml", "--count", "1000000", "-q", "-o", "out/set.h5"], ".set.h5.lock"),
    ] {
        let _ = fs::remove_dir_all(here.join("out"));
        let mut first = at_work(here, &arguments, &format!("out/{claim}"));
        let second = lacuna(here, &arguments).output().unwrap();
        first.kill().unwrap();
        first.wait().unwrap();
        let told = String::from_utf8_lossy(&second.stderr);
        assert_eq!(second.status.code(), Some(1), "{arguments:?}: {told}");
        assert!(told.contains("another call is writing to it") && told.lines().count() == 1, "{arguments:?}: {told}");
    }
    // What is left of the last one is a half-finished set, which needs no force to go on with and
    // no claim to be refused as another one.
    let other = ["simulate", "set.toml", "--count", "7", "-q", "-o", "out/set.h5"];
    refused(here, &other, &["set.h5.parts", "--force"]);
}

/// A kill between the example's pattern and the result, and one between a result and its page.
#[test]
fn files_of_a_killed_call_are_replaced_and_those_of_a_finished_one_are_not() {
    let inputs = inputs();
    let here = inputs.path();
    let settings = ["-q", "--algorithm", "ER**5", "--gap", "linear", "-o", "out"];
    let run = [&["run", "good.cxi"][..], &settings].concat();
    let out = here.join("out");
    fs::create_dir(&out).unwrap();
    let absolute = |name: &str| std::path::absolute(out.join(name)).unwrap().display().to_string();
    fs::write(out.join(".lacuna.lock"), absolute("result.cxi") + "\n").unwrap();
    fs::write(out.join("result.cxi"), "of a killed call").unwrap();
    fs::write(out.join(".lacuna-result.cxi-x7Yz.part"), "half").unwrap();
    done(here, &run);
    let names: Vec<String> =
        files(&out).iter().map(|path| path.file_name().unwrap().to_str().unwrap().to_string()).collect();
    assert_eq!(names, ["completed.cxi", "report.html", "result.cxi", "settings.toml"]);
    refused(here, &run, &["out/result.cxi exists already", "--force"]);
}
