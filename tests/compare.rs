//! Comparisons of ways to treat a gap: over sets, in parts, interrupted; and fills that are wrong.

use crate::cli::{done, refused, summary};
use lacuna::compare::{Arm, ArmOutcome, Outcome, Prediction, Said, Score, Trial, Truth, hold_outs};
use lacuna::evaluate::{blinded, gaps_of_ratio};
use lacuna::geometry::Geometry;
use lacuna::inpaint::calibration::Calibration;
use lacuna::inpaint::predict::Field;
use lacuna::phasing::backend::GapConstraint;
use lacuna::phasing::ensemble::{EnsemblePlan, FirstSupport};
use lacuna::phasing::problem::hold_out;
use lacuna::phasing::run;
use lacuna::phasing::support::{Reference, SupportRule};
use lacuna::pixels::Pattern;
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
    "--arms",
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
    let [whole, parts] = ["whole", "parts"].map(|name| summary(&done(here, &["merge", name, "--json"])));
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
    refused(here, &["merge", "."], &["outcomes-*.jsonl"]);
    let glue =
        ["compare", "--set", "set.h5", "-o", "x", "--split", "train", "--least-photons", "0", "--arms", "free,glue"];
    refused(here, &glue, &["--arms", "glue", "network-hard"]);
}

/// A crystal behind a gap of two and a half times the oversampling, phased with a fill that is `off` in `ln(1 + I)`.
fn phased_with(off: f32) -> (Outcome, BTreeMap<Arm, Prediction>) {
    let (mut recipe, _) = Recipe::read("forward2d-smoke").unwrap();
    recipe.object = lacuna::simulate::object::ObjectRecipe::only(Family::Crystal);
    recipe.object.real = 1.0;
    recipe.measurement.photons = ParameterRange::new(1e7, 1e7);
    recipe.measurement.coherence.probability = 0.0;
    recipe.measurement.psf.probability = 0.0;
    recipe.measurement.background.probability = 0.0;
    recipe.measurement.strays.probability = 0.0;
    recipe.measurement.peak_offset = ParameterRange::new(0.0, 0.0);
    recipe.gaps = lacuna::simulate::gaps::GapRecipe::cross(1);
    recipe.gaps.kinds.cross = 0.0;
    recipe.gaps.kinds.none = 1.0;
    recipe.beamstop.probability = 0.0;
    recipe.oversampling = ParameterRange::new(4.0, 4.0);
    let simulated = pattern(&recipe, 1);
    let full = Pattern::new(simulated.measured(), simulated.mask.clone(), Geometry::default()).unwrap();
    let gap = gaps_of_ratio(full.shape(), [1.0, 4.0, 4.0], 2.5, 0, 1)[0];
    let seen = blinded(full.clone(), &gap.pixels(full.shape()));
    let truth = Truth { object: simulated.object, support: simulated.support };
    let plan = EnsemblePlan {
        run: run::RunSettings {
            recipe: "ER**50,HIO**500".parse().unwrap(),
            beta: 0.9,
            positivity: false,
            support: SupportRule {
                sigma: 1.0,
                threshold: 0.2,
                reference: Reference::Rms,
                positivity: false,
                only_shrink: false,
                border: 0,
                expand: Vec::new(),
                fraction: [0.0, 1.0],
            },
            smooth: [1.0, 1.0],
            threshold_end: None,
            gap_constraint: GapConstraint::default(),
            curve_interval: 1000,
        },
        threshold: [0.2; 2],
        support: FirstSupport::Given(truth.support.to_cornered()),
        start_phase: std::f32::consts::PI,
        seed: 0,
        count: 6,
        keep: 1,
    };
    // What a network would say that knows the truth but for a factor, and is sure of it.
    let say = |pattern: &Pattern| Said {
        field: Field {
            at: pattern.mask.0.mapv(|bits| bits != 0),
            mean: simulated.intensity.0.mapv(|intensity| intensity.ln_1p() + off),
            half_width: simulated.intensity.0.mapv(|_| 0.2),
        },
        calibration: Calibration::nominal(),
        width: 0.5,
    };
    let arms = [Arm::Free, Arm::Network];
    let phase = |pattern: &Pattern| {
        let said = say(pattern);
        let held_out = hold_out(pattern, 0.05, 0, false);
        let device = &lacuna::phasing::select::Device::Cpu;
        let trial =
            Trial { pattern, full: None, said: Some(&said), held_out: &held_out, plan: &plan, real: false, device };
        trial.phase(&arms, &|| true).unwrap()
    };
    let outcomes = phase(&seen).into_iter().map(|runs| {
        let scores: Vec<Score> = runs.runs.iter().map(|run| Score::new(run, &truth, true).unwrap()).collect();
        let chosen = Score::new(runs.best().unwrap(), &truth, true).unwrap();
        (runs.arm, ArmOutcome { chosen: Some(chosen), runs: scores, hold_out: None })
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
        arms: outcomes.collect(),
    };
    let copy = &hold_outs(&seen, 1)[0];
    let predictions = phase(&copy.pattern).into_iter().map(|runs| {
        let best = runs.best().unwrap();
        (runs.arm, Prediction::new(&best.object, &seen.intensity, &copy.inside))
    });
    (outcome, predictions.collect())
}

#[test]
fn a_wrong_fill_is_caught_and_a_right_one_is_not() {
    let (wrong, predictions) = phased_with(2.0);
    let error = |outcome: &Outcome, arm| outcome.error(Some(arm));
    assert!(error(&wrong, Arm::Network) > 1.2 * error(&wrong, Arm::Free), "{wrong:?}");
    assert_eq!(wrong.error(None), error(&wrong, Arm::Free), "the automatic choice takes the wrong fill: {wrong:?}");
    assert!(predictions[&Arm::Network].llk > 1.1 * predictions[&Arm::Free].llk, "{predictions:?}");
    let (right, _) = phased_with(0.0);
    assert!(error(&right, Arm::Network) < 1.1 * error(&right, Arm::Free), "{right:?}");
}
