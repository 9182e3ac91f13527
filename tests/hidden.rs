//! What a gap hides: the verb that says it, what results say of it, and hidden modes that are
//! completed.

use crate::cli::{done, folder, refused, summary, write_good};
use crate::compare::crystals;
use lacuna::compare::Truth;
use lacuna::evaluate::{blinded, gaps_of_ratio};
use lacuna::geometry::Geometry;
use lacuna::io::{Process, read_array, write_pattern};
use lacuna::metrics::{RegistrationOptions, register};
use lacuna::pixels::Pattern;
use lacuna::prepare::Prepared;
use lacuna::reconstruct::{Reconstruction, reconstruct};
use lacuna::settings::{Settings, TypedSettings};
use lacuna::simulate::pattern::pattern;
use std::fs;

#[test]
fn gaps_say_what_they_hide() {
    let folder = folder();
    let here = folder.path();
    let arguments = ["gaps", "good.cxi", "--support", "circle:12", "--report", "page.html", "--json"];
    let told = summary(&done(here, &arguments));
    // The gap is 3 pixels wide, the oversampling 64 / 25: about one mode a line, some of them more
    // than half hidden.
    let modes = told["modes"].as_f64().unwrap();
    assert!((5.0..40.0).contains(&modes) && told["modes_error"] == 0.0, "{told}");
    assert_eq!(told["eigenvalues"].as_array().unwrap().len() as f64, modes);
    assert_eq!((&told["widest_gap"], &told["support_estimated"]), (&3.into(), &false.into()), "{told}");
    assert!((told["unmeasured"].as_f64().unwrap() - 3.0 / 64.0).abs() < 1e-6, "{told}");
    let gain = told["noise_gain"].as_f64().unwrap();
    assert!((1.4..3.0).contains(&gain), "{told}");
    let page = fs::read_to_string(here.join("page.html")).unwrap();
    assert!(page.contains("Hidden fraction") && page.contains(told["advice"].as_str().unwrap()), "not on the page");
    refused(here, &arguments, &["page.html"]);
    refused(here, &["gaps", "good.cxi", "--support", "box:0,3"], &["support"]);

    // What is known of a file says how much that is, at no cost.
    let info = String::from_utf8(done(here, &["info", "good.cxi"]).stdout).unwrap();
    assert!(info.contains("hidden  masked pixels hold about") && info.contains("lacuna gaps good.cxi"), "{info}");
    let info: serde_json::Value = serde_json::from_slice(&done(here, &["info", "good.cxi", "--json"]).stdout).unwrap();
    let expected = info["masked_fraction"].as_f64().unwrap() * info["support_pixels"].as_f64().unwrap();
    assert!((info["masked_values"].as_f64().unwrap() - expected).abs() < 1e-9 && expected > 1.0, "{info}");

    // Without a support: the autocorrelation's. Where all was measured nothing is hidden.
    let text = String::from_utf8(done(here, &["gaps", "good.cxi"]).stdout).unwrap();
    assert!(text.contains("from the autocorrelation") && text.contains("hidden modes"), "{text}");
    let simulated = pattern(&crystals(1e6, 3.0), 1);
    let whole = Pattern::new(simulated.measured(), simulated.mask.clone(), Geometry::default()).unwrap();
    write_pattern(&here.join("whole.cxi"), false, &whole, None, &Process::default()).unwrap();
    let told = summary(&done(here, &["gaps", "whole.cxi", "--json"]));
    assert_eq!((told["modes"].as_f64(), told["remedy"]["kind"].as_str()), (Some(0.0), Some("nothing")), "{told}");
}

#[test]
fn results_have_maps_of_what_is_known() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    write_good(&here.join("scan.cxi"), [1, 64, 64]);
    let run = [
        "run", "scan.cxi", "--preset", "particle", "--nb-run", "6", "--unwrap", "--gap", "free", "--json", "-o", "out",
    ];
    let told = summary(&done(here, &run));
    let hidden = &told["hidden"];
    assert!(hidden["modes"].as_f64().unwrap() > 0.0 && hidden["hidden_energy"].as_f64().unwrap() < 1.0, "{told}");
    let map = |name: &str| read_array(&format!("{}:/entry_1/image_1/{name}", here.join("out/result.cxi").display()));
    let fraction = map("hidden_fraction").unwrap();
    assert!(fraction.as_slice().iter().all(|value| (0.0..=1.0).contains(value)));
    let count: f32 = fraction.as_slice().iter().sum();
    assert!((f64::from(count) - hidden["modes"].as_f64().unwrap()).abs() < 0.02 * f64::from(count) + 0.1, "{count}");
    let support = map("mask").unwrap();
    let phase = map("phase").unwrap();
    assert!(phase.as_slice().iter().zip(support.as_slice()).all(|(phase, inside)| phase.is_nan() == (*inside == 0.0)));
    assert!(told["phase_vortices"].is_u64(), "{told}");
    // Standard deviations where runs agree, and the number that sums them up.
    assert_eq!(told["object_std"].is_null(), map("modulus_std").is_err());
    let page = fs::read_to_string(here.join("out/report.html")).unwrap();
    assert!(page.contains("Hidden fraction") && page.contains("Unwrapped phase"), "not on the page");
}

/// A crystal behind a gap of so many times its oversampling, phased; and its truth.
fn behind(ratio: f64, seed: usize, gap: &str) -> (Reconstruction, Truth) {
    let simulated = pattern(&crystals(1e7, 4.0), seed);
    let full = Pattern::new(simulated.measured(), simulated.mask.clone(), Geometry::default()).unwrap();
    let shape = full.shape();
    let cut = gaps_of_ratio(shape, [1.0, 4.0, 4.0], ratio, 0, 1)[0];
    let prepared = Prepared {
        centre: shape.map(|n| n / 2),
        window: shape.map(|n| 0..n),
        rebin: [1; 3],
        pattern: blinded(full, &cut.pixels(shape)),
        support: None,
        steps: Vec::new(),
        notes: Vec::new(),
    };
    let typed: TypedSettings = toml::from_str(&format!("gap = \"{gap}\"\nnb-run = 12")).unwrap();
    let settings = Settings::resolve("particle", &typed).unwrap();
    let result = reconstruct(prepared, &settings, &()).unwrap();
    (result, Truth { object: simulated.object, support: simulated.support })
}

#[test]
fn two_standard_deviations_hold_the_truth() {
    let mut covered = Vec::new();
    for seed in 1..=4 {
        let (result, truth) = behind(1.25, seed, "free");
        let object = &result.combined.objects[0];
        let found = register(&truth.object, object, RegistrationOptions::default()).unwrap();
        if found.error > 0.3 {
            continue;
        }
        let Some(uncertainty) = &result.uncertainty else { continue };
        covered.push(uncertainty.coverage(object, &found));
        // Not by being large: of the size of the error.
        let ratio = result.summary.object_std.unwrap() / found.error;
        assert!((0.3..4.0).contains(&ratio), "seed {seed}: {ratio} of {}", found.error);
    }
    assert!(covered.len() >= 2, "{covered:?}");
    for which in 0..2 {
        let mean = covered.iter().map(|pair| pair[which]).sum::<f64>() / covered.len() as f64;
        assert!(mean > 0.85, "{covered:?}");
    }
}

#[test]
fn completed_modes_are_a_treatment_like_others() {
    let (free, _) = behind(2.5, 2, "free");
    for gap in ["tv", "modulus-tv"] {
        let (result, _) = behind(2.5, 2, gap);
        assert_eq!(result.summary.gap.to_string(), gap);
        assert!(result.pattern.estimate.is_none() && result.summary.r_factor < 0.2, "{:?}", result.summary);
        // The runs are those of free pixels, their ends are not.
        assert_eq!(result.ensemble.all[0].seed, free.ensemble.all[0].seed);
        assert!(result.combined.objects[0] != free.combined.objects[0]);
    }
}
