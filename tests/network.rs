//! The network: trainings that learn, stop and go on; models that are refused; fills inside
//! patterns; scores.

use crate::cli::{done, lacuna, refused, summary};
use lacuna::inpaint::model::{Model, Network};
use lacuna::inpaint::patch::{Hints, NormalisedPatch};
use lacuna::inpaint::predict::{PredictOptions, predict};
use lacuna::inpaint::unet::{Architecture, KRIGED_AT_FIRST};
use lacuna::inpaint::{Fill, FillOptions, fill};
use lacuna::pixels::{Calculated, Pattern};
use ndarray::Array3;
use ndarray_npy::{NpzWriter, read_npy};
use serde_json::Value;
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::Stdio;

/// A training of seconds.
pub const TINY: &str = r#"
name = "tiny"
description = "for tests"
data = "forward2d-smoke"
patterns = 16
seed = 3
steps = 24
batch = 4
shards = 2

[network]
dimensions = 2
channels = [8, 16]
groups = 8
dilations = [1]

[validation]
every = 8
patches = 16
"#;

fn events(text: &[u8], event: &str) -> Vec<Value> {
    let lines = text.lines().map(|line| serde_json::from_str::<Value>(&line.unwrap()).unwrap());
    lines.filter(|line| line["event"] == event).collect()
}

#[test]
fn a_training_goes_on_after_an_interruption_as_if_it_had_never_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::write(folder.join("tiny.toml"), TINY).unwrap();
    done(folder, &["train", "tiny.toml", "-o", "whole", "-q"]);

    let arguments = ["train", "tiny.toml", "-o", "parts", "--set", "whole/forward2d-smoke.h5", "--json"];
    let mut child = lacuna(folder, &arguments).stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    // Read on to the end: nobody likes to write to a closed pipe.
    for line in lines.map_while(Result::ok) {
        if line.contains("\"step\":11,") || line.contains("\"step\":11}") {
            let id = child.id().to_string();
            std::process::Command::new("kill").args(["-INT", &id]).status().unwrap();
        }
    }
    assert_eq!(child.wait().unwrap().code(), Some(130));
    // Not by mistake over what is there, and not on other data.
    refused(folder, &arguments[..6], &["parts/checkpoint.zip", "--resume", "--force"]);
    let other = TINY.replace("seed = 3", "seed = 4");
    fs::write(folder.join("other.toml"), other).unwrap();
    let set = ["--set", "whole/forward2d-smoke.h5", "--resume"];
    refused(
        folder,
        &[&["train", "other.toml", "-o", "parts"], &set[..]].concat(),
        &["checkpoint.zip", "another recipe"],
    );

    let output = done(folder, &[&arguments[..], &["--resume"]].concat());
    let resumed = events(&output.stdout, "resumed");
    let at = resumed[0]["step"].as_u64().unwrap();
    assert!((11..24).contains(&at), "resumed after step {at}");
    assert_eq!(summary(&output)["steps"], 24);
    let [whole, parts] = ["whole", "parts"].map(|run| fs::read(folder.join(run).join("weights.safetensors")).unwrap());
    assert!(whole == parts, "weights differ");
    let curve = fs::read_to_string(folder.join("parts/curve.jsonl")).unwrap();
    let steps: Vec<u64> =
        curve.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["step"].as_u64().unwrap()).collect();
    assert_eq!(steps, [8, 16, 24]);
    assert!(fs::read_to_string(folder.join("parts/curve.html")).unwrap().contains("<svg"));
}

#[test]
fn the_same_training_gives_the_same_weights_on_any_number_of_threads() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::write(folder.join("tiny.toml"), TINY).unwrap();
    for threads in ["1", "3"] {
        done(folder, &["train", "tiny.toml", "-o", threads, "-q", "--steps", "8", "--threads", threads]);
    }
    let [one, three] = ["1", "3"].map(|run| fs::read(folder.join(run).join("weights.safetensors")).unwrap());
    assert!(one == three);
}

/// The recipe that the README names: what it takes to see that training works.
#[test]
fn the_smoke_training_lowers_the_loss_and_beats_the_fill_that_it_starts_from() {
    let folder = tempfile::tempdir().unwrap();
    let output = done(folder.path(), &["train", "unet2d-smoke", "-o", "smoke", "--json"]);
    let looks = events(&output.stdout, "validation");
    let (first, last) = (&looks[0], &looks[looks.len() - 1]);
    let number = |look: &Value, key: &str| look[key].as_f64().unwrap();
    assert!(number(last, "validation_loss") < number(first, "validation_loss"), "{first} {last}");
    assert!(number(last, "mean_absolute_log_error") < number(last, "starting_fill"), "{last}");
}

#[test]
fn recipes_and_models_that_do_not_fit_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    for (change, words) in [
        (("seed = 3", "sede = 3"), &["bad.toml", "line 6", "sede"][..]),
        (("channels = [8, 16]", "channels = [8, 17]"), &["bad.toml", "network.groups", "divide"]),
        (("batch = 4", "batch = 5"), &["bad.toml", "shards", "batch of 5"]),
        (("dimensions = 2", "dimensions = 3"), &["network.dimensions", "set"]),
    ] {
        let text = TINY.replace(change.0, change.1);
        assert_ne!(text, TINY);
        fs::write(folder.join("bad.toml"), text).unwrap();
        if !folder.join("set.h5").exists() {
            done(folder, &["simulate", "forward2d-smoke", "-q", "--count", "4", "-o", "set.h5"]);
        }
        refused(folder, &["train", "bad.toml", "-o", "out", "--set", "set.h5"], words);
    }
    refused(folder, &["train", "nowhere.toml", "-o", "out"], &["nowhere.toml", "unet2d"]);
    refused(folder, &["train", "unet2d", "-o", "out", "--device", "cuda"], &["device = cuda", "auto, cpu, vulkan"]);

    // A pattern of 40 x 40 with a gap.
    let counts = Array3::from_shape_fn((1, 40, 40), |(_, y, x)| ((y * x) % 50) as f32);
    let mask = Array3::from_shape_fn((1, 40, 40), |(_, _, x)| u8::from((18..22).contains(&x)));
    write_npz(&folder.join("good.npz"), &counts, &mask);
    let keep = ["--centre", "keep"];
    let inpaint = |file: &'static str, more: &[&'static str]| {
        [&["inpaint", file, "-q", "-o", "out.cxi"], &keep[..], more].concat()
    };
    refused(folder, &inpaint("good.npz", &["--model", "nowhere"]), &["nowhere/card.toml", "folder"]);
    let model = folder.join("model");
    fs::create_dir(&model).unwrap();
    let (weights, card) = Model::shipped(2).unwrap().files().unwrap();
    let write = |weights: &[u8], card: &str| {
        fs::write(model.join("weights.safetensors"), weights).unwrap();
        fs::write(model.join("card.toml"), card).unwrap();
    };
    write(&weights[..weights.len() / 2], &card);
    refused(folder, &inpaint("good.npz", &["--model", "model"]), &["model/weights.safetensors", "checksum"]);
    let (other, _) = Model::shipped(3).unwrap().files().unwrap();
    write(&other, &card);
    refused(folder, &inpaint("good.npz", &["--model", "model"]), &["model/weights.safetensors", "checksum"]);
    write(&weights, &card);
    done(folder, &inpaint("good.npz", &["--model", "model"]));

    let small = |shape: (usize, usize, usize)| {
        (Array3::<f32>::ones(shape), Array3::from_shape_fn(shape, |(_, _, x)| u8::from(x == 3)))
    };
    let (counts, mask) = small((1, 20, 40));
    write_npz(&folder.join("small.npz"), &counts, &mask);
    fs::remove_file(folder.join("out.cxi")).unwrap();
    refused(folder, &inpaint("small.npz", &[]), &["smaller than a patch", "20x40"]);
    let (counts, mask) = small((12, 40, 40));
    write_npz(&folder.join("short.npz"), &counts, &mask);
    refused(folder, &inpaint("short.npz", &[]), &["smaller than a patch", "dims = 2"]);
    done(folder, &inpaint("short.npz", &["--dims", "2"]));
    refused(folder, &["inpaint", "good.npz", "--self-check", "--method", "linear"], &["gap = linear", "network"]);
}

pub fn write_npz(path: &Path, data: &Array3<f32>, mask: &Array3<u8>) {
    let mut npz = NpzWriter::new(File::create(path).unwrap());
    npz.add_array("data", data).unwrap();
    npz.add_array("mask", mask).unwrap();
    npz.finish().unwrap();
}

#[test]
fn measured_pixels_stay_as_they_are_to_the_bit_and_filled_ones_lie_within_their_bounds() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    done(folder, &["simulate", "--shape", "96,96", "--object", "crystal", "--gap", "6", "-q", "-o", "one.cxi"]);
    done(folder, &["inpaint", "one.cxi", "-q", "-o", "filled.cxi"]);
    let [before, after] =
        ["one.cxi", "filled.cxi"].map(|name| lacuna::io::read(folder.join(name).to_str().unwrap()).unwrap());
    let estimate = after.estimate.expect("an estimate");
    let mask = before.mask.unwrap();
    let (mut filled, mut gap) = (0, 0);
    for (index, &bits) in mask.0.indexed_iter() {
        if bits == 0 {
            assert_eq!(after.intensity.0[index].to_bits(), before.intensity.0[index].to_bits());
            assert!(!estimate.at.0[index]);
            continue;
        }
        gap += 1;
        if estimate.at.0[index] {
            filled += 1;
            let [low, mean, high] = [&estimate.lower, &estimate.mean, &estimate.upper].map(|part| part.0[index]);
            assert!(0.0 <= low && low <= mean && mean <= high && high.is_finite(), "{low} {mean} {high}");
        }
    }
    assert!(filled * 10 > gap * 9, "{filled} of {gap} filled");
    // The same on any number of threads.
    done(folder, &["inpaint", "one.cxi", "-q", "-o", "one-thread.cxi", "--threads", "1"]);
    let again = lacuna::io::read(folder.join("one-thread.cxi").to_str().unwrap()).unwrap().estimate.unwrap();
    assert!(again == estimate);
    let checked = summary(&done(folder, &["inpaint", "one.cxi", "--self-check", "--json", "--report", "check.html"]));
    let check = &checked["results"]["self_check"];
    assert!(check["network"]["pixels"].as_u64().unwrap() > 500, "{check}");
    assert!((0.5..=1.0).contains(&check["covered"].as_f64().unwrap()), "{check}");
    assert!(fs::read_to_string(folder.join("check.html")).unwrap().contains("Self-check"));
}

#[test]
fn a_hole_wider_than_a_patch_is_filled_from_binned_copies() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let counts = Array3::from_shape_fn((1, 160, 160), |(_, y, x)| {
        let d = (y as f32 - 80.0).hypot(x as f32 - 80.0);
        (1e4 / (1.0 + 0.01 * d * d)).round()
    });
    let mask =
        Array3::from_shape_fn((1, 160, 160), |(_, y, x)| u8::from((60..104).contains(&y) && (50..94).contains(&x)));
    write_npz(&folder.join("hole.npz"), &counts, &mask);
    done(folder, &["inpaint", "hole.npz", "-q", "-o", "filled.cxi", "--centre", "keep", "--hot-pixels", "0"]);
    let estimate = lacuna::io::read(folder.join("filled.cxi").to_str().unwrap()).unwrap().estimate.unwrap();
    // What the network makes of the middle of such a hole is its affair, but it says something of
    // every pixel, or that it knows nothing.
    let estimated = estimate.at.as_slice().iter().filter(|&&at| at).count();
    assert!(estimated > 44 * 44 / 3, "{estimated} of {}", 44 * 44);
}

#[test]
fn scores_are_those_of_a_set_and_the_same_each_time() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    done(folder, &["simulate", "forward2d-smoke", "-q", "--count", "24", "-o", "set.h5"]);
    let arguments = ["evaluate", "set.h5", "--split", "train", "--limit", "6", "--widths", "own,4", "--json"];
    let first = done(folder, &[&arguments[..], &["--report", "page.html"]].concat());
    let classes = events(&first.stdout, "class");
    let widths: Vec<&Value> =
        classes.iter().filter(|class| class["by"] == "width").map(|class| &class["name"]).collect();
    assert_eq!(widths, ["own", "4 px"]);
    assert!(fs::read_to_string(folder.join("page.html")).unwrap().contains("Median case"));
    let again = done(folder, &[&arguments[..], &["--threads", "1"]].concat());
    assert_eq!(events(&again.stdout, "class"), classes);
    refused(folder, &["evaluate", "set.h5", "--widths", "0"], &["widths = 0", "own"]);
    crate::cli::misused(folder, &["evaluate", "set.h5", "--split", "all"], &["--split", "test"]);
}

#[test]
fn a_network_that_begins_to_use_hints_predicts_what_it_did_and_kriging() {
    for dimensions in [2, 3] {
        let depth = if dimensions == 2 { 1 } else { 32 };
        let counts = Array3::from_shape_fn((depth, 32, 32), |(z, y, x)| (10 + (7 * z + 5 * y + 3 * x) % 50) as f32);
        let known = Array3::from_shape_fn(counts.dim(), |(_, y, _)| !(10..20).contains(&y));
        let (mean, spread) = (counts.mapv(|counts: f32| (2.0 * counts).ln_1p()), counts.mapv(|_| 0.5));
        // In the middle, so that no input is cut off.
        let kriged = counts.mapv(|_| 30.0_f32.ln_1p());
        let shipped = [Model::shipped(dimensions).unwrap(), Model::shipped_phased(dimensions).unwrap()];
        let predicted = |network: &Network, architecture: &Architecture| {
            let hints = Hints {
                kriged: architecture.kriged.then(|| kriged.view()),
                calculated: architecture.phased.then(|| [mean.view(), spread.view()]),
            };
            let patch = NormalisedPatch::new(counts.view(), known.view(), hints).unwrap();
            network.predict(&[patch], 32, 1).remove(0).mean
        };
        for Model { network, card } in shipped {
            let before = predicted(&network, &card.network);
            let with = |phased, kriged| Architecture {
                phased: phased || card.network.phased,
                kriged: kriged || card.network.kriged,
                ..card.network.clone()
            };
            // One hint, the other, both at once, and one after the other.
            let both = with(true, true);
            for way in
                [vec![with(true, false)], vec![with(false, true)], vec![both.clone()], vec![with(true, false), both]]
            {
                let after = way.iter().fold(network.clone(), |network, to| network.given(to));
                let last = &way[way.len() - 1];
                let part = if last.kriged && !card.network.kriged { KRIGED_AT_FIRST } else { 0.0 };
                let wanted = before.iter().zip(&kriged).map(|(before, kriged)| before + part * (kriged - before));
                for (one, other) in wanted.zip(&predicted(&after, last)) {
                    assert!((one - other).abs() < 1e-4 * (1.0 + one.abs()), "{way:?}: {one} {other}");
                }
            }
        }
    }
}

/// A network that looks learns from phased patterns, others from others; recipes say how much phasing.
#[test]
fn what_a_network_learns_from_must_be_what_it_sees() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::write(folder.join("looking.toml"), TINY.replace("dilations = [1]", "dilations = [1]\nphased = true")).unwrap();
    // Before it simulates a set for itself.
    refused(folder, &["train", "looking.toml", "-o", "model"], &["network.phased = true", "was not phased"]);
    let recipe = include_str!("../datasets/phased2d.toml").replace("runs = 12", "runs = 0");
    fs::write(folder.join("wrong.toml"), recipe).unwrap();
    refused(folder, &["simulate", "wrong.toml", "-o", "set.h5"], &["wrong.toml", "phasing.runs"]);
}

/// Gaps are cut into whole patterns then, and the number of threads changes nothing.
#[test]
fn networks_that_are_given_kriging_learn_fill_and_are_scored() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let kriged = TINY.replace("dilations = [1]", "dilations = [1]\nkriged = true");
    fs::write(folder.join("plain.toml"), TINY).unwrap();
    fs::write(folder.join("kriged.toml"), kriged).unwrap();
    done(folder, &["train", "kriged.toml", "-q", "-o", "one"]);
    let set = "one/forward2d-smoke.h5";
    done(folder, &["train", "kriged.toml", "-q", "--set", set, "--threads", "1", "-o", "other"]);
    let weights = |model: &str| fs::read(folder.join(model).join("weights.safetensors")).unwrap();
    assert_eq!(weights("one"), weights("other"));
    // What it learned with it cannot do without.
    refused(folder, &["train", "plain.toml", "--set", set, "--start", "one", "-o", "third"], &["architecture"]);
    done(folder, &["evaluate", set, "-q", "--model", "one", "--split", "train", "--limit", "2", "--widths", "4"]);

    // One that begins to use it fills whole patterns with a mixture.
    let pattern = lacuna::simulate::example(0).pattern;
    let filled = |model: &Model| predict(&pattern, model, PredictOptions { slices: true }, &mut |_| true).unwrap();
    done(folder, &["train", "plain.toml", "-q", "--set", set, "-o", "without"]);
    let mut model = Model::load(&folder.join("without")).unwrap();
    let before = filled(&model);
    model.card.network.kriged = true;
    model.network = model.network.given(&model.card.network);
    let after = filled(&model);
    let options = FillOptions { beamstop: true, max_distance: 1e3, volume: false, ..FillOptions::default() };
    let kriged = fill(&pattern, Fill::Kriging, &options, &mut |_| true).unwrap().mean;
    let mut off = (0.0, 0.0);
    for (index, _) in before.at.indexed_iter().filter(|(_, at)| **at) {
        let mixture = before.mean[index] + KRIGED_AT_FIRST * (kriged.0[index].ln_1p() - before.mean[index]);
        off.0 += (after.mean[index] - mixture).abs();
        off.1 += (after.mean[index] - before.mean[index]).abs();
    }
    // Patches count by their confidence, which depends on what they say.
    assert!(off.0 < 0.1 * off.1, "{off:?}");
}

#[test]
fn a_network_that_looks_needs_something_to_look_at() {
    let mut model = Model::shipped(2).unwrap();
    model.card.network.phased = true;
    model.network = model.network.given(&model.card.network);
    let pattern = lacuna::simulate::example(0).pattern;
    let error = predict(&pattern, &model, PredictOptions { slices: true }, &mut |_| true).unwrap_err().to_string();
    assert!(error.contains("this pattern was not phased"), "{error}");
    let mean = pattern.intensity.map(|value| value.ln_1p());
    let calculated = Some(Calculated { spread: mean.map(|_| 0.1), mean });
    predict(&Pattern { calculated, ..pattern }, &model, PredictOptions { slices: true }, &mut |_| true).unwrap();
}

/// Write it anew, after a change of the weights, with
/// `LACUNA_GOLDEN=write cargo test stored_patch`.
#[test]
fn the_model_in_the_program_gives_the_stored_answer_for_a_stored_patch() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let shipped = |dimensions| [Model::shipped(dimensions).unwrap(), Model::shipped_phased(dimensions).unwrap()];
    for model in [2, 3].into_iter().flat_map(shipped) {
        let depth = if model.dimensions() == 2 { 1 } else { 32 };
        let counts = Array3::from_shape_fn((depth, 32, 32), |(z, y, x)| {
            let wave = (0.7 * y as f32).sin() * (0.5 * x as f32 + 0.3 * z as f32).cos();
            (300.0 * wave * wave).round()
        });
        let known = Array3::from_shape_fn(counts.dim(), |(_, _, x)| !(13..19).contains(&x));
        let (mean, spread) = (counts.mapv(|counts: f32| (0.8 * counts).ln_1p()), counts.mapv(|_| 0.2));
        let kriged = counts.mapv(|counts: f32| (0.9 * counts).ln_1p());
        let hints = Hints {
            kriged: model.card.network.kriged.then(|| kriged.view()),
            calculated: model.card.network.phased.then(|| [mean.view(), spread.view()]),
        };
        let patch = NormalisedPatch::new(counts.view(), known.view(), hints).unwrap();
        let prediction = &model.network.predict(&[patch], 32, 1)[0];
        // Every 7th pixel is enough.
        let found: Vec<f32> = prediction.mean.iter().chain(&prediction.spread).copied().step_by(7).collect();
        let path = folder.join(format!("{}.npy", model.card.name));
        if std::env::var_os("LACUNA_GOLDEN").is_some() {
            fs::create_dir_all(&folder).unwrap();
            ndarray_npy::write_npy(&path, &ndarray::Array1::from(found)).unwrap();
            continue;
        }
        let stored: ndarray::Array1<f32> = read_npy(&path).unwrap();
        assert_eq!(stored.len(), found.len());
        for (stored, found) in stored.iter().zip(&found) {
            // Other instruction sets sum in another order.
            assert!((stored - found).abs() < 2e-3 * stored.abs().max(1.0), "{stored} {found}");
        }
    }
}
