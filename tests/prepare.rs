//! Preparation as a whole: order of the steps, windows, binning, supports, and what is refused.

use lacuna::geometry::{Geometry, Placement};
use lacuna::pixels::{Estimate, bit};
use lacuna::prepare::{Centring, Options, Prepared, prepare};
use lacuna::simulate::example;
use lacuna::volume::Centered;

/// The example's pattern, with its centre moved from (128, 128) to (108, 118) by cutting.
fn off_centre(options: &Options) -> lacuna::error::Result<Prepared> {
    let pattern = example(1).pattern;
    let cut = ndarray::s![.., 20.., 10..];
    let intensity = Centered(pattern.intensity.0.slice(cut).as_standard_layout().to_owned());
    let mask = Centered(pattern.mask.0.slice(cut).as_standard_layout().to_owned());
    prepare(intensity, Some(mask), None, None, pattern.geometry, options)
}

#[test]
fn the_default_centres_and_crops() {
    let prepared = off_centre(&Options::default()).unwrap();
    assert_eq!(prepared.centre, [0, 108, 118]);
    // Twice 108, and twice 118 = 236 = 4 * 59 shortened to 234 = 2 * 9 * 13.
    assert_eq!(prepared.pattern.shape(), [1, 216, 234]);
    assert_eq!(prepared.window, [0..1, 0..216, 1..235]);
    assert_eq!(prepared.steps.len(), 2, "{:?}", prepared.steps);
    assert_eq!(prepared.steps[1], "cropped from 236x246 to 216x234");
    let whole = example(1).pattern;
    assert_eq!(prepared.pattern.intensity.0, whole.intensity.0.slice(ndarray::s![.., 20..236, 11..245]));
}

#[test]
fn roi_size_and_binning_work_together() {
    let options = Options {
        roi: Some([0..1, 30..220, 40..230]),
        max_size: Some([1, 40, 44]),
        rebin: [1, 2, 3],
        ..Options::default()
    };
    let prepared = off_centre(&options).unwrap();
    assert_eq!(prepared.centre, [0, 108, 118]);
    assert_eq!(prepared.pattern.shape(), [1, 40, 44]);
    // Bin 20 covers rows 108 and 109, bin 22 columns 117 to 119.
    assert_eq!(prepared.window, [0..1, 68..148, 51..183]);
    let size = prepared.pattern.geometry.pixel_size.unwrap();
    assert!((size[0] - 110e-6).abs() < 1e-12 && (size[1] - 165e-6).abs() < 1e-12);
    assert_eq!(prepared.steps.len(), 4, "{:?}", prepared.steps);
}

#[test]
fn bins_that_wash_fringes_out_are_noted() {
    let notes = |rebin: usize| {
        let binned = off_centre(&Options { rebin: [1, rebin, rebin], ..Options::default() }).unwrap();
        binned.notes.into_iter().filter(|note| note.contains("wash fringes out")).collect::<Vec<_>>()
    };
    // The example fills a quarter of its frame.
    assert_eq!(notes(1), [""; 0]);
    let noted = notes(3);
    assert!(noted.len() == 1 && noted[0].contains("rebin = "), "{noted:?}");
}

#[test]
fn the_support_still_fits_the_object() {
    let example = example(1);
    let pattern = example.pattern;
    let options = Options { max_size: Some([1, 64, 64]), rebin: [1, 2, 2], ..Options::default() };
    let support = Some(example.support.clone());
    let prepared = prepare(pattern.intensity, Some(pattern.mask), None, support, pattern.geometry, &options).unwrap();
    // 128 of 256 pixels kept: pixels twice as large, 33 of them; binning by 2 leaves 64 of 128.
    let carried = prepared.support.unwrap();
    assert_eq!(carried.shape(), [1, 64, 64]);
    let count = |support: &Centered<bool>| support.as_slice().iter().filter(|&&inside| inside).count() as f64;
    assert!((count(&carried) * 4.0 / count(&example.support) - 1.0).abs() < 0.1);
    assert!(carried.0[[0, 32 + 5, 32 + 5]] && !carried.0[[0, 32 - 7, 32 + 4]], "flake and hole");
}

#[test]
fn masked_values_become_zero_and_wrong_ones_are_refused() {
    let mut intensity = Centered::filled([1, 16, 16], 2.0);
    intensity.0[[0, 8, 8]] = 50.0;
    intensity.0[[0, 3, 4]] = f32::NAN;
    let mut mask = intensity.map(|_| 0);
    let run = |mask: Centered<u32>, options: &Options| {
        prepare(intensity.clone(), Some(mask), None, None, Geometry::default(), options)
    };
    let error = run(mask.clone(), &Options::default()).unwrap_err().to_string();
    assert_eq!(error, "pixel [0, 3, 4] (z, y, x) is NaN and not masked: give mask = nan to mask such pixels");
    mask.0[[0, 3, 4]] = bit::INVALID;
    let prepared = run(mask.clone(), &Options::default()).unwrap();
    assert_eq!(prepared.centre, [0, 8, 8]);
    assert_eq!(prepared.pattern.intensity.0[[0, 3, 4]], 0.0);
    let refused = |options: Options| run(mask.clone(), &options).unwrap_err().to_string();
    assert!(refused(Options { rebin: [2, 1, 1], ..Options::default() }).contains("z must be 1"));
    assert!(refused(Options { rebin: [1, 0, 1], ..Options::default() }).contains("rebin"));
    assert!(refused(Options { rebin: [1, 4, 4], ..Options::default() }).contains("8 are needed"));
    assert!(refused(Options { roi: Some([0..1, 4..20, 0..16]), ..Options::default() }).contains("16x16"));
    assert!(refused(Options { centring: Centring::At([0, 30, 2]), ..Options::default() }).contains("outside"));
    assert!(refused(Options { hot: Some(0.5), ..Options::default() }).contains("above 1"));
    let wrong = Some(Centered::filled([1, 16, 15], true));
    assert!(prepare(intensity.clone(), Some(mask), None, wrong, Geometry::default(), &Options::default()).is_err());
}

#[test]
fn estimates_are_carried_along() {
    let pattern = example(1).pattern;
    let at = pattern.mask.map(|&bits| bits & bit::MISSING != 0);
    let constant = |value: f32| pattern.intensity.map(|_| value);
    let estimate = Estimate { at, mean: constant(3.0), lower: constant(2.0), upper: constant(4.0) };
    let options = Options { max_size: Some([1, 120, 120]), ..Options::default() };
    let prepared =
        prepare(pattern.intensity, Some(pattern.mask), Some(estimate), None, pattern.geometry, &options).unwrap();
    let estimate = prepared.pattern.estimate.unwrap();
    for ((z, y, x), &bits) in prepared.pattern.mask.0.indexed_iter() {
        assert_eq!(estimate.at.0[[z, y, x]], bits & bit::MISSING != 0);
        assert!(!estimate.at.0[[z, y, x]] || estimate.upper.0[[z, y, x]] == 4.0);
    }
}

#[test]
fn options_read_back() {
    let options = Options { centring: Centring::At([0, 5, 6]), roi: Some([0..1, 2..3, 4..5]), ..Options::default() };
    let text = serde_json::to_string(&options).unwrap();
    assert!(text.contains("\"centring\":\"0,5,6\""), "{text}");
    assert_eq!(serde_json::from_str::<Options>(&text).unwrap(), options);
    assert_eq!(toml::from_str::<Options>("rebin = [1, 2, 2]").unwrap().hot, Some(10.0));
}

#[test]
fn the_number_of_threads_changes_nothing() {
    let run = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| off_centre(&Options::default()).unwrap().pattern)
    };
    assert_eq!(run(1), run(3));
}

#[test]
fn frames_that_stand_alone_are_all_kept() {
    let shape = [9, 64, 64];
    let counts = Centered(ndarray::Array3::from_shape_fn(shape, |(z, y, x)| {
        let distance = (y as f32 - 32.0).hypot(x as f32 - 32.0);
        (1e4 / (1.0 + distance * distance)).round() + z as f32
    }));
    let geometry = Geometry { energy: None, distance: None, pixel_size: None };
    let shape_of = |frames| {
        let options = Options { frames, centring: Centring::Keep, ..Options::default() };
        prepare(counts.clone(), None, None, None, geometry, &options).map(|prepared| prepared.pattern.shape()[0]).ok()
    };
    assert_eq!(shape_of(true), Some(9));
    // A rocking curve is cut to an even number.
    assert_eq!(shape_of(false), Some(8));
}

#[test]
fn a_region_that_was_read_alone_is_prepared_as_one_that_is_cut() {
    let pattern = example(1).pattern;
    let region = [0..1, 40..230, 30..220];
    let plain = Options { hot: None, dead: false, centring: Centring::At([0, 128, 128]), ..Options::default() };
    let cut = Options { roi: Some(region.clone()), ..plain.clone() };
    let whole =
        prepare(pattern.intensity.clone(), Some(pattern.mask.clone()), None, None, pattern.geometry, &cut).unwrap();
    let slice = ndarray::s![.., 40..230, 30..220];
    let part = |array: &ndarray::Array3<f32>| Centered(array.slice(slice).as_standard_layout().to_owned());
    let mask = Centered(pattern.mask.0.slice(slice).as_standard_layout().to_owned());
    let placement = Placement { stack: pattern.intensity.shape(), start: [0, 40, 30], detector: None };
    let read = Options { placement: Some(placement), ..plain };
    let alone = prepare(part(&pattern.intensity.0), Some(mask), None, None, pattern.geometry, &read).unwrap();
    assert_eq!(alone.pattern, whole.pattern);
    assert_eq!((alone.centre, alone.window, alone.steps), (whole.centre, whole.window, whole.steps));
}

#[test]
fn detector_units_become_photons() {
    let shape = [8, 16, 16];
    let noise = |z: usize, y: usize, x: usize| ((z * 7 + y * 5 + x * 3) % 9) as f32 - 4.25;
    let counts = |y: usize, x: usize| if y == 8 && x == 8 { 50.0 } else { 0.0 };
    let units = Centered(ndarray::Array3::from_shape_fn(shape, |(z, y, x)| 40.0 * counts(y, x) + noise(z, y, x)));
    let plain = Options { hot: None, dead: false, frames: true, centring: Centring::Keep, ..Options::default() };
    let run = |options: &Options| prepare(units.clone(), None, None, None, Geometry::default(), options);
    let error = run(&plain).unwrap_err().to_string();
    assert!(error.contains("of a camera") && error.contains("clip-negative") && error.contains("gain"), "{error}");
    let camera = Options { gain: Some(40.0), threshold: Some(0.5), clip_negative: true, ..plain.clone() };
    let prepared = run(&camera).unwrap();
    for ((z, y, x), &value) in prepared.pattern.intensity.0.indexed_iter() {
        let expected = if (y, x) == (8, 8) { 50.0 + noise(z, y, x) / 40.0 } else { 0.0 };
        assert!((value - expected).abs() < 1e-4, "{value} at {z} {y} {x}");
    }
    assert_eq!(prepared.steps[1], "divided by 40 units a photon");
    let monitored = Options { monitor: Some((1..=8).map(f64::from).collect()), ..camera.clone() };
    let scaled = run(&monitored).unwrap().pattern.intensity;
    let before = &prepared.pattern.intensity;
    for z in 0..8 {
        assert!((scaled.0[[z, 8, 8]] / before.0[[z, 8, 8]] * (z + 1) as f32 - 4.5).abs() < 1e-4);
    }
    for wrong in [vec![1.0], vec![0.0; 8]] {
        let error = run(&Options { monitor: Some(wrong), ..camera.clone() }).unwrap_err().to_string();
        assert!(error.contains("the monitor "), "{error}");
    }
    assert!(run(&Options { gain: Some(0.0), ..camera }).unwrap_err().to_string().starts_with("gain = 0"));
}
