use super::*;
use crate::inpaint::{GapBounds, GapSource};
use crate::phasing::recipe::Recipe;
use std::path::Path;

fn phasing(keys: PhasingKeys) -> TypedSettings {
    TypedSettings { phasing: keys, ..Default::default() }
}

#[test]
fn presets_resolve() {
    for (name, _) in PRESETS {
        let settings = Settings::preset(name).unwrap();
        assert!(settings.recipe.recipe.cycles() > 100, "{name}");
    }
}

#[test]
fn a_standard_form_is_what_its_text_reads_as() {
    for period in [0, 7, 50, 10_000] {
        let keys = PhasingKeys {
            nb_hio: Some(30),
            nb_raar: Some(230),
            nb_ml: Some(5),
            support_update_period: Some(period),
            ..Default::default()
        };
        let recipe = Settings::resolve("bragg", &phasing(keys)).unwrap().recipe.recipe;
        assert_eq!(recipe.to_string().parse::<Recipe>().unwrap().unrolled(), recipe.unrolled(), "{recipe}");
    }
}

#[test]
fn flags_override_even_with_the_default_value() {
    let typed = phasing(PhasingKeys { nb_raar: Some(600), seed: Some(5), ..Default::default() });
    let settings = Settings::resolve("forward", &typed).unwrap();
    assert_eq!((settings.typed().phasing.nb_raar, settings.ensemble.seed), (Some(600), 5));
    assert!(settings.recipe.positivity);
    let typed = phasing(PhasingKeys { nb_hio: Some(30), nb_raar: Some(0), nb_er: Some(5), ..Default::default() });
    assert_eq!(Settings::resolve("forward", &typed).unwrap().recipe.recipe.cycles(), 35 + 10);
    let one = phasing(PhasingKeys { nb_run: Some(1), ..Default::default() });
    assert_eq!(Settings::resolve("forward", &one).unwrap().ensemble.keep, 1);
    let wrong = phasing(PhasingKeys { nb_run: Some(1), nb_run_keep: Some(2), ..Default::default() });
    assert!(Settings::resolve("forward", &wrong).is_err());
}

#[test]
fn a_typed_threshold_is_meant_for_all_runs() {
    let search = |keys: PhasingKeys| Settings::resolve("particle", &phasing(keys)).unwrap().support.area_search;
    assert!(search(PhasingKeys::default()));
    let threshold = Some(vec![0.2]);
    assert!(!search(PhasingKeys { support_threshold: threshold.clone(), ..Default::default() }));
    let both = PhasingKeys { support_threshold: threshold, support_area_search: Some(true), ..Default::default() };
    assert!(search(both));
}

#[test]
fn what_was_typed_is_echoed_as_it_was_typed() {
    let typed =
        phasing(PhasingKeys { beta: Some(0.9), support_threshold: Some(vec![0.1, 0.25]), ..Default::default() });
    let settings = Settings::resolve("particle", &typed).unwrap();
    let text = settings.typed().to_toml().unwrap();
    for line in ["beta = 0.9\n", "support-threshold = [0.1, 0.25]\n", "gap = \"auto\"\n"] {
        assert!(text.contains(line), "{text}");
    }
    // Nothing stands in for what was not given.
    for absent in ["energy", "flat-field", "dims", "model", "roi", "rebin", "\"\"", "[]"] {
        assert!(!text.contains(absent), "{absent}: {text}");
    }
    let again = TypedSettings::from_toml(Path::new("settings.toml"), &text).unwrap();
    assert_eq!(Settings::resolve("bragg", &again).unwrap().typed(), settings.typed());
    assert_eq!(serde_json::to_value(&settings).unwrap()["beta"], 0.9);
}

#[test]
fn prepared_patterns_are_not_padded_again() {
    let typed = TypedSettings { input: InputKeys { pad: Some(true), ..Default::default() }, ..Default::default() };
    let settings = Settings::resolve("particle", &typed).unwrap();
    assert!(settings.prepare.pad && !Settings::preset("particle").unwrap().prepare.pad);
    assert!(!settings.for_prepared().unwrap().prepare.pad);
}

#[test]
fn gaps_have_one_vocabulary() {
    let gap = |gap: &str, bounds: Option<Vec<f64>>| {
        let keys = GapKeys { gap: Some(gap.into()), gap_bounds: bounds, ..Default::default() };
        Settings::resolve("bragg", &TypedSettings { gap: keys, ..Default::default() })
    };
    assert_eq!(gap("auto", None).unwrap().gap.policy, GapPolicy::Auto);
    let GapPolicy::Fixed(linear) = gap("linear-release", Some(vec![0.5, 2.0])).unwrap().gap.policy else {
        panic!("a fixed treatment")
    };
    assert_eq!((linear.source, linear.bounds, linear.release), (GapSource::Linear, GapBounds::Factors(0.5, 2.0), true));
    for (name, bounds) in [("network", vec![0.5, 2.0]), ("linear", vec![0.5]), ("linear", vec![1.5, 2.0])] {
        assert!(gap(name, Some(bounds)).unwrap_err().to_string().starts_with("gap-bounds = "), "{name}");
    }
}

#[test]
fn a_psf_is_switched_on_by_the_recipe() {
    let resolved = |psf: Option<&str>, begin: Option<f64>, algorithm: &str| {
        let keys = PhasingKeys {
            psf: psf.map(String::from),
            psf_begin: begin,
            algorithm: Some(algorithm.into()),
            ..Default::default()
        };
        let recipe = Settings::resolve("bragg", &phasing(keys)).unwrap().recipe;
        (recipe.recipe.to_string(), recipe.psf.map(|psf| psf.to_string()))
    };
    let steps = "ER**50,(Sup*HIO**50)**3";
    // The preset's: looked for in a last run, not in these.
    assert_eq!(resolved(None, None, steps), (steps.to_string(), Some("gaussian,1".into())));
    assert_eq!(resolved(Some("none"), None, steps), (steps.to_string(), None));
    let (recipe, psf) = resolved(Some("pseudo-voigt,1,0.05,20"), Some(0.5), steps);
    assert_eq!(recipe, "ER**50,Sup,HIO**50,Sup,psf=20,HIO**50,Sup,HIO**50");
    assert_eq!(psf.as_deref(), Some("pseudo-voigt,1,0.05,20"));
    // Without a period the kernel stays; a recipe that says when is left alone; and one that asks
    // for a PSF has PyNX's.
    assert_eq!(resolved(Some("gaussian,0.7"), Some(0.0), "ER**5").0, "ER**5,psf=1");
    assert_eq!(resolved(Some("gaussian,0.7,20"), None, "ER**5,psf=5,HIO**9").0, "ER**5,psf=5,HIO**9");
    assert_eq!(resolved(None, None, "ER**5,psf=5").1.as_deref(), Some("pseudo-voigt,1,0.1"));
    assert_eq!(resolved(None, None, "ER**5,psf=0").1, None);
}

#[test]
fn mistakes_in_files_are_named() {
    let error = |text: &str| TypedSettings::from_toml(Path::new("mine.toml"), text).unwrap_err().to_string();
    assert!(error("nb-raaar = 5").contains("mine.toml: unknown setting 'nb-raaar': did you mean 'nb-raar'?"));
    assert!(error("\nbeta = = 3").contains("line 2"));
    assert!(error("beta = \"much\"").contains("mine.toml"));
    assert!(Settings::preset("brag").unwrap_err().to_string().contains("known are bragg, particle, forward"));
}

#[test]
fn values_are_refused_before_anything_is_read() {
    let refused = |toml: &str| {
        let typed = TypedSettings::from_toml(Path::new("x.toml"), toml).unwrap();
        Settings::resolve("bragg", &typed).unwrap_err().to_string()
    };
    for (toml, words) in [
        ("support = \"circle\"", "support = circle: write circle:RADIUS"),
        ("support = \"box:3\"", "support = box:3: write"),
        ("centre = \"middle\"", "middle"),
        ("algorithm = \"ER**5,HIA**3\"", "column"),
        ("algorithm = \"\"", "recipe ''"),
        ("roi = \"5:3,1:2\"", "roi = 5:3,1:2"),
        ("energy = 0.0", "energy = 0: in eV, from 30 to 500000"),
        ("energy = 9.0", "energy = 9: in eV, from 30 to 500000"),
        ("pixel-size = 55.0", "pixel-size = 55: in metres, from 1e-7 to 0.002"),
        ("mask = \"saturated=many\"", "saturated=many"),
        ("device = \"gpu\"", "device = gpu"),
        ("support-threshold-method = \"median\"", "support-threshold-method = median"),
        ("gap = \"glue\"", "gap = glue: takes SOURCE"),
        ("dims = 4", "dims = 4"),
        ("nb-raar = 0\nnb-er = 0", "nb-er = 0"),
        ("rebin = [0]", "rebin = 0"),
        ("psf = \"gauss,1\"", "psf = gauss,1: takes gaussian,FWHM[,N]"),
        ("psf-begin = 1.5", "psf-begin = 1.5"),
    ] {
        assert!(refused(toml).contains(words), "{toml}: {}", refused(toml));
    }
}
