//! Tests of whole measurements.

use super::*;
use crate::pixels::bit;
use rand::SeedableRng;

/// Conditions that change nothing, for patterns of this shape.
fn ideal(shape: Shape) -> Conditions {
    Conditions {
        photons: 1e6,
        peak_offset: [0.0; 3],
        frame_offsets: vec![0.0; shape[0]],
        flux: vec![1.0; shape[0]],
        coherence: None,
        psf: None,
        background: Background::None,
        strays: Vec::new(),
        defects: Defects { hot: Vec::new(), dead: Vec::new(), saturation: None },
    }
}

/// A recipe where everything happens.
fn everything() -> MeasurementRecipe {
    let mut recipe = MeasurementRecipe::default();
    for probability in [
        &mut recipe.coherence.probability,
        &mut recipe.psf.probability,
        &mut recipe.background.probability,
        &mut recipe.rocking.uneven,
        &mut recipe.rocking.drifting,
        &mut recipe.strays.probability,
        &mut recipe.defects.hot,
        &mut recipe.defects.dead,
        &mut recipe.defects.saturation,
    ] {
        *probability = 1.0;
    }
    recipe
}

fn total(intensity: &Centered<f32>) -> f64 {
    intensity.as_slice().iter().map(|value| f64::from(*value)).sum()
}

#[test]
fn ideal_conditions_change_nothing() {
    let pattern = Centered(Array3::from_shape_fn([3, 8, 8], |(z, y, x)| (z * y + x) as f32));
    assert_eq!(ideal([3, 8, 8]).expected(pattern.clone()), pattern);
}

#[test]
fn the_beam_drifts_from_frame_to_frame_and_blur_does_not_lose_photons() {
    let mut conditions = ideal([2, 8, 8]);
    conditions.flux = vec![1.25, 0.75];
    conditions.coherence = Some([0.3, 0.8, 1.2].map(|width| Peak { width, eta: 0.0 }));
    conditions.psf = Some(Peak { width: 1.0, eta: 0.1 });
    let mut pattern = Centered::filled([2, 8, 8], 1.0);
    pattern.0[[0, 4, 4]] = 1e6;
    pattern.0[[1, 4, 4]] = 1e6;
    let expected = conditions.expected(pattern.clone());
    let frames: Vec<f64> = expected.0.outer_iter().map(|frame| frame.iter().map(|v| f64::from(*v)).sum()).collect();
    // Equal frames before the drift; rounding of f32.
    assert!((frames[0] / frames[1] - 1.25 / 0.75).abs() < 1e-6, "{frames:?}");
    assert!((total(&expected) / total(&pattern) - 1.0).abs() < 1e-6);
    assert!(expected.0[[0, 4, 4]] < 0.5e6 && expected.0[[0, 4, 5]] > 1e5);
}

#[test]
fn backgrounds_are_not_blurred_away() {
    let mut conditions = ideal([1, 16, 16]);
    conditions.psf = Some(Peak { width: 1.0, eta: 0.0 });
    conditions.background = Background::Flat { level: 0.5 };
    let expected = conditions.expected(Centered::filled([1, 16, 16], 2.0));
    // Rounding of f32.
    assert!(expected.as_slice().iter().all(|value| (value - 2.5).abs() < 1e-6));
}

#[test]
fn defects_are_in_every_frame_and_masked_pixels_are_empty() {
    let mut conditions = ideal([3, 8, 8]);
    conditions.defects = Defects { hot: vec![([1, 2], 500.0)], dead: vec![[3, 4]], saturation: Some(2e4) };
    let mut expected = Centered::filled([3, 8, 8], 100.0);
    expected.0[[1, 6, 6]] = 1e6;
    let mut mask = Centered::filled([3, 8, 8], 0);
    for z in 0..3 {
        mask.0[[z, 0, 0]] = bit::MISSING;
        mask.0[[z, 0, 1]] = bit::SHADOWED;
        mask.0[[z, 0, 2]] = bit::BAD;
    }
    let counts = conditions.count(&expected, &mut mask, &mut Rng::seed_from_u64(1));
    for z in 0..3 {
        let pixel = |y: usize, x: usize| (counts.0[[z, y, x]], mask.0[[z, y, x]]);
        assert_eq!(pixel(0, 0), (0, bit::MISSING));
        assert_eq!(pixel(0, 1), (0, bit::SHADOWED));
        assert_eq!(pixel(3, 4), (0, bit::DEAD));
        // Six standard deviations of 100 and of 500 photons.
        assert!(pixel(0, 2).0.abs_diff(100) < 60 && pixel(0, 2).1 == bit::BAD, "{:?}", pixel(0, 2));
        assert!(pixel(1, 2).0.abs_diff(500) < 135 && pixel(1, 2).1 == bit::HOT, "{:?}", pixel(1, 2));
        assert_eq!(pixel(6, 6).1, if z == 1 { bit::SATURATED } else { 0 });
    }
    assert_eq!(counts.0[[1, 6, 6]], 20_000);
    assert_eq!(mask.as_slice().iter().filter(|bits| **bits != 0).count(), 3 * 5 + 1);
}

#[test]
fn the_seed_decides() {
    let shape = [4, 24, 24];
    let run = |drawn: u64, counted: u64| {
        let conditions = everything().draw(shape, &mut Rng::seed_from_u64(drawn));
        let mut mask = Centered::filled(shape, 0);
        let counts = conditions.count(
            &conditions.expected(Centered::filled(shape, 20.0)),
            &mut mask,
            &mut Rng::seed_from_u64(counted),
        );
        (conditions, counts, mask)
    };
    assert_eq!(run(1, 2), run(1, 2));
    assert_eq!(run(1, 2).0, run(1, 3).0);
    assert_ne!(run(1, 2).1, run(1, 3).1);
    assert_ne!(run(1, 2).0, run(3, 2).0);
}

#[test]
fn descriptions_are_flat_and_say_what_was_drawn() {
    let conditions = everything().draw([8, 64, 64], &mut Rng::seed_from_u64(4));
    let description = conditions.description();
    let value = serde_json::to_value(&description).unwrap();
    assert!(value.as_object().unwrap().values().all(|value| value.is_number() || value.is_string()), "{value}");
    assert_eq!(description.strays, conditions.strays.len());
    assert!(description.coherence_y >= 0.2 && description.psf >= 0.4 && description.drift <= 0.2 + 1e-12);
    let nothing = ideal([1, 64, 64]).description();
    assert_eq!((nothing.background, nothing.coherence_x, nothing.jitter, nothing.drift), ("none", 0.0, 0.0, 0.0));
    assert!(nothing.saturation.is_nan() && nothing.psf_eta.is_nan());
}

#[test]
fn two_dimensional_patterns_have_no_third_axis() {
    let mut rng = Rng::seed_from_u64(5);
    for _ in 0..20 {
        let conditions = everything().draw([1, 32, 32], &mut rng);
        assert_eq!((conditions.peak_offset[0], &conditions.frame_offsets[..]), (0.0, &[0.0][..]));
        assert!(conditions.strays.iter().all(|stray| stray.middle[0] == 0.0));
    }
}

#[test]
fn faults_name_the_key() {
    let key = |text: &str| toml::from_str::<MeasurementRecipe>(text).unwrap().check().unwrap_err().key;
    assert!(MeasurementRecipe::default().check().is_ok());
    for (text, expected) in [
        ("photons = 0", "measurement.photons"),
        ("peak_offset = [3, -3]", "measurement.peak_offset"),
        ("coherence.width = 0", "measurement.coherence.width"),
        ("psf.eta = 2", "measurement.psf.eta"),
        ("background.level = 0", "measurement.background.level"),
        ("background.kinds.ring = -1", "measurement.background.kinds"),
        ("rocking.drift = 1", "measurement.rocking.drift"),
        ("strays.faintest = 0", "measurement.strays.faintest"),
        ("defects.hot_fraction = 0", "measurement.defects.hot_fraction"),
        ("defects.saturation = 3", "measurement.defects.saturation"),
    ] {
        assert_eq!(key(text), expected);
    }
    assert!(toml::from_str::<MeasurementRecipe>("photon = 3").is_err());
}

#[test]
fn recipes_are_read_back_as_written() {
    let recipe = everything();
    assert_eq!(toml::from_str::<MeasurementRecipe>(&toml::to_string(&recipe).unwrap()).unwrap(), recipe);
}
