//! Comparisons of treatments of a gap: over sets, in parts, interrupted; and fills that are wrong.

use crate::cli::{done, refused, summary};
use lacuna::compare::{Contender, ContenderOutcome, Outcome, Prediction, Score, Trial, Truth, hold_outs};
use lacuna::evaluate::{blinded, gaps_of_ratio};
use lacuna::geometry::Geometry;
use lacuna::inpaint::calibration::Calibration;
use lacuna::inpaint::predict::{Field, NetworkEstimate};
use lacuna::phasing::ensemble::FirstSupport;
use lacuna::pixels::Pattern;
use lacuna::reconstruct::PhasingStart;
use lacuna::settings::{PhasingKeys, Settings, TypedSettings};
use lacuna::simulate::draw::ParameterRange;
use lacuna::simulate::object::Family;
use lacuna::simulate::pattern::pattern;
use lacuna::simulate::recipe::Recipe;
use std::collections::BTreeMap;
use std::fs;

const SHORT: [&str; 19] = [
    "--split",
    "train",
    "--limit",
    "3",
    "--ratios",
    "1,2.5",
    "--least-photons",
    "0",
    "--nb-run",
    "1",
    "--nb-raar",
    "20",
    "--nb-er",
    "5",
    "--support-update-period",
    "10",
    "--gaps",
    "free,zero,network",
    "-q",
];

#[test]
fn a_comparison_in_parts_is_the_whole_and_goes_on_after_an_interruption() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    done(here, &["simulate", "forward2d-smoke", "-q", "--count", "16", "-o", "set.h5"]);
    let compare = |output: &str, more: &[&str]| {
        done(here, &[&["compare", "--set", "set.h5", "-o", output], &SHORT[..], more].concat());
    };
    compare("whole", &[]);
    compare("parts", &["--shard", "1/2"]);
    compare("parts", &["--shard", "2/2"]);
    let [whole, parts] = ["whole", "parts"].map(|name| summary(&done(here, &["compare", "merge", name, "--json"])));
    assert_eq!(whole["classes"], parts["classes"]);
    assert_eq!(whole["outcomes"], 6);
    assert!(fs::read_to_string(here.join("parts/compare.html")).unwrap().contains("free pixels"));

    // Torn in the middle of a line, as by a kill.
    let path = here.join("whole/outcomes-1-of-1.jsonl");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, &text[..text.len() * 2 / 3]).unwrap();
    compare("whole", &[]);
    assert_eq!(fs::read_to_string(&path).unwrap(), text);

    let refuses = |arguments: &[&str], words: &[&str]| {
        refused(here, &[&["compare", "--set", "set.h5", "-o", "whole"], &SHORT[..], arguments].concat(), words);
    };
    refuses(&["--gap-interval", "1"], &["outcomes-1-of-1.jsonl", "other settings", "--force"]);
    refused(here, &["compare", "--set", "set.h5", "-o", "x", "--least-photons", "1e20"], &["set.h5", "photons"]);
    refused(here, &["compare", "merge", "."], &["outcomes-*.jsonl"]);
    let glue =
        ["compare", "--set", "set.h5", "-o", "x", "--split", "train", "--least-photons", "0", "--gaps", "free,glue"];
    refused(here, &glue, &["gap = glue", "SOURCE[-hard|-soft]", "network"]);
}

/// Crystals of so many photons and this oversampling, measured without a gap or a fault.
pub fn crystals(photons: f64, oversampling: f64) -> Recipe {
    let (mut recipe, _) = Recipe::read("forward2d-smoke").unwrap();
    recipe.object = lacuna::simulate::object::ObjectRecipe::only(Family::Crystal);
    recipe.measurement.photons = ParameterRange::new(photons, photons);
    recipe.measurement.coherence.probability = 0.0;
    recipe.measurement.psf.probability = 0.0;
    recipe.measurement.background.probability = 0.0;
    recipe.measurement.strays.probability = 0.0;
    recipe.measurement.peak_offset = ParameterRange::new(0.0, 0.0);
    recipe.gaps = lacuna::simulate::gaps::GapRecipe::cross(1);
    recipe.gaps.kinds.cross = 0.0;
    recipe.gaps.kinds.none = 1.0;
    recipe.beamstop.probability = 0.0;
    recipe.oversampling = ParameterRange::new(oversampling, oversampling);
    recipe
}

/// A crystal behind a gap of two and a half times the oversampling, phased with a fill that is
/// `off` in `ln(1 + I)`.
fn phased_with(off: f32) -> (Outcome, BTreeMap<Contender, Prediction>) {
    let mut recipe = crystals(1e7, 4.0);
    recipe.object.real = 1.0;
    let simulated = pattern(&recipe, 1);
    let full = Pattern::new(simulated.measured(), simulated.mask.clone(), Geometry::default()).unwrap();
    let gap = gaps_of_ratio(full.shape(), [1.0, 4.0, 4.0], 2.5, 0, 1)[0];
    let seen = blinded(full.clone(), &gap.pixels(full.shape()));
    let truth = Truth { object: simulated.object, support: simulated.support };
    let phasing = PhasingKeys {
        algorithm: Some("ER**50,HIO**500".into()),
        nb_run: Some(6),
        seed: Some(0),
        device: Some("cpu".into()),
        ..Default::default()
    };
    let settings = Settings::resolve("bragg", &TypedSettings { phasing, ..Default::default() }).unwrap();
    // What a network would say that knows the truth but for a factor, and is sure of it.
    let predicted = |pattern: &Pattern| NetworkEstimate {
        field: Field {
            at: pattern.mask.0.mapv(|bits| bits != 0),
            mean: simulated.intensity.0.mapv(|intensity| intensity.ln_1p() + off),
            half_width: simulated.intensity.0.mapv(|_| 0.2),
            kriged: None,
        },
        calibration: Calibration::nominal(),
        width: 0.5,
    };
    let contenders = [Contender::FREE, Contender::NETWORK, Contender::Auto];
    let phase = |pattern: &Pattern| {
        let network = predicted(pattern);
        let held_out = PhasingStart::new(pattern, None, &settings).unwrap().held_out;
        let start = PhasingStart { held_out, support: FirstSupport::Given(truth.support.to_cornered()) };
        let trial = Trial { pattern, full: None, network: Some(&network), start: &start, settings: &settings };
        trial.phase(&contenders, &()).unwrap()
    };
    let outcomes = phase(&seen).into_iter().map(|runs| {
        let scores: Vec<Score> = runs.runs.iter().map(|run| Score::new(run, &truth, true).unwrap()).collect();
        let chosen = Score::new(runs.best().unwrap(), &truth, true).unwrap();
        (runs.contender, ContenderOutcome { chosen: Some(chosen), begun: scores.len(), runs: scores, hold_out: None })
    });
    let outcome = Outcome {
        pattern: 0,
        particle: 0,
        asked: 2.5,
        width: gap.width,
        oversampling: 4.0,
        ratio: 2.5,
        photons: 1e7,
        offset: 0.0,
        advice: true,
        contenders: outcomes.collect(),
    };
    let copy = &hold_outs(&seen, 1)[0];
    let predictions = phase(&copy.pattern).into_iter().map(|runs| {
        let best = runs.best().unwrap();
        (runs.contender, Prediction::new(&best.calculated(), &seen.intensity, &copy.inside))
    });
    (outcome, predictions.collect())
}

#[test]
fn a_wrong_fill_is_caught_and_a_right_one_is_not() {
    let (wrong, predictions) = phased_with(2.0);
    let error = |outcome: &Outcome, contender| outcome.error(contender);
    assert!(error(&wrong, Contender::NETWORK) > 1.2 * error(&wrong, Contender::FREE), "{wrong:?}");
    // Half of its runs have left the wrong bounds before their end, and the data decide.
    let auto = error(&wrong, Contender::Auto);
    assert!(auto < 0.8 * error(&wrong, Contender::NETWORK), "the automatic choice follows the wrong fill: {wrong:?}");
    assert!(predictions[&Contender::NETWORK].llk > 1.1 * predictions[&Contender::FREE].llk, "{predictions:?}");
    let (right, _) = phased_with(0.0);
    // The smooth end finds most of what the bounds would tell.
    assert!(error(&right, Contender::NETWORK) < 1.3 * error(&right, Contender::FREE), "{right:?}");
}
