//! Tests of gaps.

use super::*;
use rand::SeedableRng;

fn only(kind: &str) -> GapRecipe {
    let weight = |name: &str| f64::from(u8::from(name == kind));
    let [none, slab, cross, hole, detector] = GapKinds::NAMES.map(weight);
    GapRecipe { kinds: GapKinds { none, slab, cross, hole, detector }, ..GapRecipe::default() }
}

/// Lengths of the runs of blind pixels in a line.
fn runs(line: impl Iterator<Item = u32>) -> Vec<usize> {
    let text: String = line.map(|bits| if bits == 0 { ' ' } else { '#' }).collect();
    text.split(' ').filter(|run| !run.is_empty()).map(str::len).collect()
}

#[test]
fn slabs_have_the_described_width_and_distance() {
    let mut rng = Rng::seed_from_u64(5);
    for _ in 0..200 {
        let gaps = only("slab").draw([4, 80, 96], &mut rng);
        let d = &gaps.description;
        let is_rows = gaps.frame.row(0).iter().all(|bits| *bits == gaps.frame[[0, 0]]);
        let line: Vec<u32> = if is_rows { gaps.frame.column(0).to_vec() } else { gaps.frame.row(0).to_vec() };
        let found = runs(line.iter().copied());
        assert_eq!(found, vec![d.width as usize; d.number], "{d:?}");
        assert!((2.0..=16.0).contains(&d.width) && (1..=3).contains(&d.number));
        let nearest = (0..line.len()).filter(|i| line[*i] != 0).map(|i| i.abs_diff(line.len() / 2)).min();
        assert_eq!(nearest.unwrap() as f64, d.distance);
        assert_eq!(d.masked_fraction, (d.width as usize * d.number) as f64 / line.len() as f64);
    }
}

#[test]
fn crosses_are_off_the_centre() {
    let mut rng = Rng::seed_from_u64(6);
    for _ in 0..100 {
        let gaps = GapRecipe::cross(6).draw([1, 256, 256], &mut rng);
        assert_eq!(gaps.frame.iter().filter(|bits| **bits == bit::MISSING).count(), 2 * 6 * 256 - 36);
        // Middles are 0.1 to 0.35 of 128 pixels away, half a width and rounding less for the
        // nearest edge.
        assert!((12.8 - 3.5..=44.8 - 2.0).contains(&gaps.description.distance), "{:?}", gaps.description);
    }
}

#[test]
fn a_gap_crosses_every_window_of_a_detector() {
    let mut rng = Rng::seed_from_u64(7);
    for round in 0..120 {
        let shape = [[1, 64, 64], [1, 500, 200], [1, 200, 514]][round % 3];
        let gaps = only("detector").draw(shape, &mut rng);
        let d = &gaps.description;
        assert_eq!(gaps.frame.dim(), (shape[1], shape[2]));
        assert!(gaps.frame.is_standard_layout());
        let expected = if d.detector.ends_with("-500k") { bit::BAD } else { bit::MISSING };
        assert!(gaps.frame.iter().any(|bits| *bits == expected), "{d:?}");
        let layout = Layout::named(d.detector).unwrap();
        let window = layout.window(
            [d.first_row, d.first_column].map(|i| i as isize),
            oriented([shape[1], shape[2]], d.rotated),
            d.chip_lines,
        );
        assert_eq!(if d.rotated { window.t().to_owned() } else { window }, gaps.frame);
        assert!(d.width.is_nan() == d.detector.ends_with("-500k"));
    }
}

#[test]
fn gaps_of_detectors_hide_the_centre_only_out_of_carelessness() {
    let hidden = |careless: f64| {
        let mut rng = Rng::seed_from_u64(10);
        let detectors = vec!["eiger2-4m".into(), "maxipix".into()];
        let recipe = GapRecipe { careless, detectors, ..only("detector") };
        (0..60).filter(|_| recipe.draw([1, 96, 96], &mut rng).frame[[48, 48]] == bit::MISSING).count()
    };
    assert_eq!(hidden(0.0), 0);
    // A window that a gap of 38 pixels crosses has it over the centre about every third time.
    assert!(hidden(1.0) > 5, "{}", hidden(1.0));
}

#[test]
fn holes_are_dead_pixels() {
    let mut rng = Rng::seed_from_u64(8);
    for _ in 0..50 {
        let gaps = only("hole").draw([1, 64, 64], &mut rng);
        assert!(gaps.frame.iter().all(|bits| [0, bit::DEAD].contains(bits)));
        assert!(gaps.description.masked_fraction > 0.0, "{:?}", gaps.description);
    }
}

#[test]
fn whole_frames_go_missing() {
    let recipe = GapRecipe { frames: 1.0, ..only("none") };
    let gaps = recipe.draw([16, 8, 8], &mut Rng::seed_from_u64(9));
    let mask = gaps.mask(16);
    let missing: Vec<usize> = (0..16).filter(|z| mask.0[[*z, 3, 3]] == bit::MISSING).collect();
    assert_eq!(missing, gaps.missing.clone().collect::<Vec<_>>());
    assert_eq!(missing.len(), gaps.description.missing_frames);
    assert!((1..=3).contains(&missing.len()));
    assert_eq!(recipe.draw([1, 8, 8], &mut Rng::seed_from_u64(9)).missing.len(), 0);
}

#[test]
fn the_seed_decides_and_descriptions_are_flat() {
    let draw = |seed: u64| {
        (0..20).map(|i| GapRecipe::default().draw([1, 64, 64], &mut Rng::seed_from_u64(seed + i))).collect::<Vec<_>>()
    };
    let text =
        |gaps: &[DetectorGaps]| gaps.iter().map(|g| serde_json::to_string(&g.description).unwrap()).collect::<String>();
    let [a, b, c] = [1, 1, 100].map(draw);
    assert!(text(&a) == text(&b) && text(&a) != text(&c));
    assert!(a.iter().zip(&b).all(|(a, b)| a.frame == b.frame));
    let value = serde_json::to_value(&a[0].description).unwrap();
    assert!(value.as_object().unwrap().values().all(|value| !value.is_object() && !value.is_array()));
}

#[test]
fn faults_name_the_key() {
    let fault = |shape, change: fn(&mut GapRecipe)| {
        let mut recipe = GapRecipe::default();
        change(&mut recipe);
        recipe.check(shape).unwrap_err()
    };
    assert!(GapRecipe::default().check([1, 64, 64]).is_ok());
    assert_eq!(fault([1, 64, 64], |recipe| recipe.detectors = vec!["eiger-5m".into()]).key, "gaps.detectors");
    assert_eq!(fault([1, 600, 600], |recipe| recipe.detectors = vec!["merlin".into()]).key, "gaps.detectors");
    assert_eq!(fault([1, 64, 64], |recipe| recipe.kinds.slab = -1.0).key, "gaps.kinds");
    assert_eq!(fault([1, 64, 64], |recipe| recipe.chip_lines = 2.0).key, "gaps.chip_lines");
    let width = fault([1, 64, 12], |_| ());
    assert!(width.key == "gaps.width" && width.problem.contains("16") && width.problem.contains("64x12"), "{width:?}");
    assert_eq!(fault([2, 64, 64], |recipe| recipe.frames = 0.5).key, "gaps.frame_width");
}
