//! The search for an object: runs that are resumed, results that are begun from, files of single runs,
//! and what is said of a result.

use crate::cli::{SHORT, done, folder, refused, summary, write_good};
use crate::compare::crystals;
use crate::interop::{python, unlocked};
use lacuna::evaluate::{blinded, gaps_of_ratio, without_gaps};
use lacuna::geometry::Geometry;
use lacuna::inpaint::{Fill, FillOptions, fill};
use lacuna::io::set::Measurement;
use lacuna::io::{Process, write_pattern};
use lacuna::pixels::Pattern;
use lacuna::prepare::Prepared;
use lacuna::reconstruct::{Checkpoint, Event, Grade, Observer, Reconstruction, reconstruct, reconstruct_resumable};
use lacuna::settings::{Settings, TypedSettings};
use lacuna::simulate;
use lacuna::simulate::pattern::pattern;
use lacuna::simulate::recipe::Recipe;
use lacuna::volume::Centered;
use ndarray::Array3;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Poisson};
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

fn prepared(pattern: Pattern) -> Prepared {
    let shape = pattern.shape();
    Prepared {
        centre: shape.map(|n| n / 2),
        window: shape.map(|n| 0..n),
        rebin: [1; 3],
        pattern,
        support: None,
        steps: Vec::new(),
        notes: Vec::new(),
    }
}

fn settings(preset: &str, text: &str) -> Settings {
    let typed: TypedSettings = toml::from_str(text).unwrap();
    Settings::resolve(preset, &typed).unwrap()
}

/// Stops the work where something happens.
struct StopAt {
    here: fn(&Event<'_>) -> bool,
    reached: AtomicUsize,
}

impl Observer for StopAt {
    fn observe(&self, event: Event<'_>) {
        if (self.here)(&event) {
            self.reached.store(1, Ordering::Relaxed);
        }
    }

    fn go_on(&self) -> bool {
        self.reached.load(Ordering::Relaxed) == 0
    }
}

#[test]
fn a_resumed_search_is_the_one_that_was_never_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let checkpoint = |resume| Checkpoint { path: folder.path().join(Checkpoint::NAME), resume };
    let settings = settings(
        "bragg",
        "algorithm = \"ER**10,(Sup*HIO**40)**3\"\nnb-run = 12\nnb-run-keep = 3\ngap = \"free\"\nsupport-area-search = true",
    );
    let pattern = || prepared(simulate::example(0).pattern);
    let whole = reconstruct(pattern(), &settings, &()).unwrap();
    let lines = |result: &Reconstruction| -> Vec<(usize, u64, usize, String)> {
        result.ensemble.all.iter().map(|run| (run.number, run.seed, run.cycles, run.cut.to_string())).collect()
    };
    assert!(lines(&whole).iter().any(|(.., cut)| cut.starts_with("area")), "later runs search the area");
    // Among the runs that depend on earlier ones, and while the best runs are ended.
    let places: [fn(&Event<'_>) -> bool; 2] = [
        |event| matches!(event, Event::Point { run, .. } if *run >= 9),
        |event| matches!(event, Event::Work { name, .. } if name.starts_with("ending")),
    ];
    for here in places {
        let stop = StopAt { here, reached: AtomicUsize::new(0) };
        let stopped = reconstruct_resumable(pattern(), &settings, Some(&checkpoint(false)), &stop).unwrap();
        assert!(stopped.ensemble.interrupted && checkpoint(true).path.exists());
        let resumed = reconstruct_resumable(pattern(), &settings, Some(&checkpoint(true)), &()).unwrap();
        assert_eq!(lines(&resumed), lines(&whole));
        assert_eq!((resumed.summary.runs_kept, resumed.ensemble.kept.len()), (3, whole.ensemble.kept.len()));
        for (one, other) in resumed.ensemble.kept.iter().zip(&whole.ensemble.kept) {
            assert!(one.number == other.number && one.object == other.object && one.support == other.support);
        }
        assert_eq!(resumed.ensemble.all[0].curve.len(), whole.ensemble.all[0].curve.len());
    }
    // Another pattern or other settings cannot go on from there.
    let other = self::settings("bragg", "algorithm = \"ER**10\"\nnb-run = 9\ngap = \"free\"");
    let error = reconstruct_resumable(pattern(), &other, Some(&checkpoint(true)), &()).err().unwrap().to_string();
    assert!(error.contains(Checkpoint::NAME) && error.contains("other settings"), "{error}");
    let bytes = fs::read(checkpoint(true).path).unwrap();
    fs::write(checkpoint(true).path, &bytes[..bytes.len() / 2]).unwrap();
    let error = reconstruct_resumable(pattern(), &settings, Some(&checkpoint(true)), &()).err().unwrap().to_string();
    assert!(error.contains("is no checkpoint that can be read"), "{error}");
}

/// A crystal of a recipe behind a gap of so many times the oversampling near the peak; the pattern, its
/// gap and the noise-free intensities.
fn behind_a_gap(recipe: &Recipe, number: usize, ratio: f64) -> (Pattern, Array3<bool>, Array3<f32>) {
    let mut recipe = recipe.clone();
    recipe.object.families = toml::from_str("crystal = 1").unwrap();
    let simulated = pattern(&recipe, number);
    let measured = Measurement {
        intensity: simulated.intensity,
        counts: simulated.counts,
        mask: simulated.mask,
        calculated: None,
    };
    let shape = measured.counts.shape();
    let oversampling = simulated.parameters.oversampling().unwrap();
    let gap = gaps_of_ratio(shape, oversampling, ratio, 0, number)[0].pixels(shape);
    (blinded(without_gaps(&measured, 0, number), &gap), gap, measured.intensity.0)
}

/// Sums of the errors of `ln(1 + I)` in a gap, of the completed pattern and of the smoothest surface.
fn errors_in_gap(result: &Reconstruction, seen: &Pattern, gap: &Array3<bool>, truth: &Array3<f32>) -> [f32; 2] {
    let completed = result.pattern.estimate.as_ref().unwrap();
    let options = FillOptions { volume: !seen.is_2d(), ..FillOptions::default() };
    let classical = fill(seen, Fill::Biharmonic, &options, &mut |_| true).unwrap();
    let mut errors = [0.0; 2];
    for (index, &inside) in gap.indexed_iter() {
        assert!(inside || !completed.at.0[index], "measured pixels have no estimate");
        if inside && completed.at.0[index] && classical.at.0[index] {
            let [low, mean, high] = [&completed.lower, &completed.mean, &completed.upper].map(|array| array.0[index]);
            assert!(low <= mean && mean <= high);
            for (error, estimate) in errors.iter_mut().zip([mean, classical.mean.0[index]]) {
                *error += (estimate.ln_1p() - truth[index].ln_1p()).abs();
            }
        }
    }
    errors
}

/// What is known of a gap once the object was found.
#[test]
fn what_runs_calculate_completes_the_gap() {
    let (recipe, _) = Recipe::read("particles2d").unwrap();
    for number in 0..3 {
        let (seen, gap, truth) = behind_a_gap(&recipe, number, 2.0);
        let result = reconstruct(prepared(seen.clone()), &settings("particle", "nb-run = 6"), &()).unwrap();
        assert_eq!(result.summary.verdict.grade, Grade::Found, "{number}");
        // More than the two that are kept.
        assert!(result.summary.completed_from_runs.is_some_and(|runs| (3..=8).contains(&runs)), "{:?}", result.summary);
        let errors = errors_in_gap(&result, &seen, &gap, &truth);
        assert!(errors[0] < 0.8 * errors[1], "{number}: {errors:?}");
    }
    // Who asks for no network gets none.
    let (seen, ..) = behind_a_gap(&recipe, 2, 2.0);
    let free = reconstruct(prepared(seen), &settings("particle", "nb-run = 1\ngap = \"free\""), &()).unwrap();
    assert_eq!((free.pattern.estimate, free.summary.completed_from_runs), (None, None));
}

#[test]
fn volumes_are_completed_too() {
    let (mut recipe, _) = Recipe::read("particles3d").unwrap();
    recipe.shape = vec![48; 3];
    let (seen, gap, truth) = behind_a_gap(&recipe, 1, 1.25);
    let result = reconstruct(prepared(seen.clone()), &settings("bragg", "nb-run = 3"), &()).unwrap();
    assert_ne!(result.summary.verdict.grade, Grade::NotFound);
    assert!(result.summary.completed_from_runs.is_some_and(|runs| runs > 0), "{:?}", result.summary);
    let errors = errors_in_gap(&result, &seen, &gap, &truth);
    assert!(errors[0] < 0.9 * errors[1], "{errors:?}");
}

#[test]
fn resume_without_anything_to_resume_is_a_run() {
    let folder = folder();
    let here = folder.path();
    done(here, &["run", "good.cxi", "-q", "--algorithm", SHORT, "-o", "out", "--resume"]);
    assert!(here.join("out/result.cxi").exists() && !here.join("out").join(Checkpoint::NAME).exists());
    // What is finished is not replaced by it.
    refused(here, &["run", "good.cxi", "--algorithm", SHORT, "-o", "out", "--resume"], &["result.cxi", "--force"]);
}

#[test]
fn an_earlier_result_is_begun_from() {
    let folder = folder();
    let here = folder.path();
    let fixed = ["--gap", "free", "--psf", "none", "--seed", "3", "--json"];
    let first = ["run", "good.cxi", "--algorithm", "ER**20,(Sup*HIO**50)**6", "--nb-run", "4", "-o", "first"];
    let first = summary(&done(here, &[&first[..], &fixed].concat()));
    done(here, &["run", "good.cxi", "-q", "--algorithm", SHORT, "-o", "npz", "--output-format", "npz"]);
    let again = |from: &str, out: &str| {
        let begin = ["run", "good.cxi", "--algorithm", "ER**20", "--nb-run", "2", "--start-from", from, "-o", out];
        summary(&done(here, &[&begin[..], &fixed].concat()))
    };
    let second = again("first/result.cxi", "second");
    let [before, after] = [&first, &second].map(|summary| summary["r_factor"].as_f64().unwrap());
    assert!(after < 1.02 * before, "{before} {after}");
    // Runs that began at one object agree: that is no evidence.
    assert_eq!(second["verdict"]["evidence"]["compared"], 0);
    assert!(second["verdict"]["reasons"].to_string().contains("not assessed"), "{second}");
    again("npz/result.npz", "third");
    write_good(&here.join("large.cxi"), [1, 96, 96]);
    let wrong = ["run", "large.cxi", "-q", "--start-from", "first/result.cxi", "-o", "none"];
    refused(here, &wrong, &["first/result.cxi", "64x64", "96x96"]);
    refused(
        here,
        &["run", "good.cxi", "-q", "--start-from", "good.cxi", "-o", "none"],
        &["good.cxi", "holds no object"],
    );
}

#[test]
fn cdiutils_ranks_the_files_of_runs() {
    let folder = folder();
    let here = folder.path();
    let run =
        ["run", "good.cxi", "-q", "--algorithm", "ER**20,(Sup*HIO**50)**3", "--nb-run", "5", "--nb-run-keep", "3"];
    done(here, &[&run[..], &["--run-files", "--gap", "free", "-o", "out"]].concat());
    let names = fs::read_dir(here.join("out")).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert_eq!(names.filter(|name| name.starts_with("result_Run") && name.ends_with(".cxi")).count(), 3);
    let Some(python) = python("cdiutils, h5py") else { return };
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop/cdiutils_ranks.py");
    let output = unlocked(python).arg(script).arg(here.join("out")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Counts that know nothing of an object.
fn garbage(shape: [usize; 3]) -> Pattern {
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    let mut intensity = Centered::filled(shape, 0.0f32);
    for ((_, y, x), value) in intensity.0.indexed_iter_mut() {
        let [y, x] = [y as f64 - 32.0, x as f64 - 32.0];
        let mean = 3000.0 * (-(x * x + y * y) / 200.0).exp() + 1.0;
        // Exponential intensities: speckles of the size of a pixel, smaller than any object makes them.
        let speckle = -(rand::Rng::random::<f64>(&mut rng).max(1e-9)).ln();
        *value = Poisson::new(mean * speckle + 1e-6).unwrap().sample(&mut rng) as f32;
    }
    Pattern::new(intensity, Centered::filled(shape, 0), Geometry::default()).unwrap()
}

#[test]
fn garbage_is_not_found_and_resolves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    write_pattern(&here.join("noise.cxi"), false, &garbage([1, 64, 64]), None, &Process::default()).unwrap();
    let run = ["run", "noise.cxi", "--preset", "particle", "--nb-run", "8", "--split-data", "--json", "-o", "out"];
    let told = summary(&done(here, &run));
    assert_eq!(told["verdict"]["grade"], "not-found", "{told}");
    assert!(told["split_data"]["resolution_pixels"].is_null() && told["split_data"]["distance"].is_number(), "{told}");
    assert!(told.get("prtf_resolution_pixels").is_none() && told.get("fsc_resolution_pixels").is_none(), "{told}");
    let page = fs::read_to_string(here.join("out/report.html")).unwrap();
    assert!(page.contains("The object was not found"), "no such line on the page");
    assert!(!page.contains("that is what the data support"), "garbage has a resolution");
}

#[test]
fn further_runs_follow_only_where_the_first_ones_did_not_find_the_object() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    write_pattern(&here.join("noise.cxi"), false, &garbage([1, 64, 64]), None, &Process::default()).unwrap();
    let flake = concat!(env!("CARGO_MANIFEST_DIR"), "/datasets/examples/flake.cxi");
    let random = |file: &str, more: &[&str]| {
        let run = ["run", file, "--preset", "particle", "--gap", "free", "--json", "--force", "-o", "out"];
        let output = done(here, &[&run[..], more].concat());
        let told = String::from_utf8_lossy(&output.stdout).into_owned();
        let runs =
            told.lines().filter(|line| line.starts_with("{\"event\":\"run\"") && line.contains("\"average_of\":0"));
        (summary(&output)["verdict"]["grade"].to_string(), runs.count())
    };
    assert_eq!(random(flake, &["--nb-run", "12", "--nb-run-more", "3"]), ("\"found\"".into(), 12));
    let short = ["--algorithm", "ER**30,(Sup*HIO**50)**4", "--nb-run", "4"];
    assert_eq!(random("noise.cxi", &[&short[..], &["--nb-run-more", "3"]].concat()), ("\"not-found\"".into(), 7));
    // Whoever types a number of runs gets as many.
    assert_eq!(random("noise.cxi", &short).1, 4);
}

/// A faceted crystal with a strained phase, without a gap, at these photons in all.
fn crystal(photons: f64) -> Pattern {
    let simulated = pattern(&crystals(photons, 3.0), 1);
    Pattern::new(simulated.measured(), simulated.mask.clone(), Geometry::default()).unwrap()
}

#[test]
fn few_photons_give_a_result_with_its_grade() {
    let settings =
        settings("bragg", "algorithm = \"ER**20,(Sup*HIO**50)**4\"\nnb-run = 3\ngap = \"free\"\npsf = \"none\"");
    for photons in [1e4, 3e4, 1e5] {
        let result = reconstruct(prepared(crystal(photons)), &settings, &()).unwrap();
        let summary = &result.summary;
        assert!(summary.verdict.probability.is_finite() && summary.runs_kept >= 1, "{photons}");
        // What counts alone put outside the support is no evidence against it.
        assert!(summary.verdict.evidence.outside < result.ensemble.kept[0].outside, "{photons}");
    }
}

#[test]
fn halves_of_the_counts_agree_to_what_the_data_support() {
    let text = "nb-run = 12\npsf = \"none\"\nsplit-data = true";
    let resolution = |photons: f64| {
        let result = reconstruct(prepared(crystal(photons)), &settings("particle", text), &()).unwrap();
        let split = result.summary.split_data.unwrap();
        (split, result.summary.verdict.grade)
    };
    let (bright, grade) = resolution(1e7);
    let (dim, _) = resolution(3e5);
    assert_ne!(grade, Grade::NotFound);
    let fine = bright.resolution_pixels.expect("the halves agree");
    assert!(bright.along_pixels[0].is_none() && bright.along_pixels[1].is_some(), "{bright:?}");
    assert!(dim.resolution_pixels.is_none_or(|coarse| coarse > 1.3 * fine), "{bright:?} {dim:?}");
    assert!(dim.distance > bright.distance, "{bright:?} {dim:?}");
}
