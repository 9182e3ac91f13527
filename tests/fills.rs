//! The classical fills: exact where they must be, and how far off they are on speckles.

use lacuna::geometry::Geometry;
use lacuna::inpaint::{Fill, FillOptions, fill};
use lacuna::pixels::{Pattern, bit};
use lacuna::simulate::example;
use lacuna::volume::Centered;
use ndarray::Array3;

const FILLS: [Fill; 5] = [Fill::Zero, Fill::Linear, Fill::Idw, Fill::Biharmonic, Fill::Kriging];

/// A pattern whose log-intensity is `log`, with the pixels of `gap` masked.
fn pattern(
    shape: [usize; 3],
    log: impl Fn(usize, usize, usize) -> f32,
    gap: impl Fn(usize, usize, usize) -> bool,
) -> Pattern {
    let mask = Array3::from_shape_fn(shape, |(z, y, x)| if gap(z, y, x) { bit::MISSING } else { 0 });
    let intensity = Array3::from_shape_fn(shape, |(z, y, x)| if gap(z, y, x) { 0.0 } else { log(z, y, x).exp_m1() });
    Pattern::new(Centered(intensity), Centered(mask), Geometry::default()).expect("the synthetic pattern is sound")
}

/// Largest and mean absolute error of the estimates in ln(1 + I), and the number of estimates.
fn errors(
    pattern: &Pattern,
    method: Fill,
    options: &FillOptions,
    log: impl Fn(usize, usize, usize) -> f32,
) -> (f32, f32, usize) {
    let estimate = fill(pattern, method, options, &mut |_| true).expect("the options are sound");
    let (mut worst, mut sum, mut count) = (0.0_f32, 0.0, 0);
    for ((z, y, x), &at) in estimate.at.0.indexed_iter() {
        assert!(!at || pattern.mask.0[[z, y, x]] != 0, "measured pixels have no estimate");
        if at {
            let error = (estimate.mean.0[[z, y, x]].ln_1p() - log(z, y, x)).abs();
            worst = worst.max(error);
            sum += error;
            count += 1;
        }
    }
    (worst, sum / count as f32, count)
}

fn cross(_: usize, y: usize, x: usize) -> bool {
    (20..26).contains(&y) || (12..18).contains(&x)
}

#[test]
fn constants_are_exact() {
    for shape in [[1, 40, 48], [9, 40, 48]] {
        let log = |_: usize, _: usize, _: usize| 3.0;
        let pattern = pattern(shape, log, cross);
        for method in [Fill::Linear, Fill::Idw, Fill::Biharmonic, Fill::Kriging] {
            let (worst, _, count) = errors(&pattern, method, &FillOptions::default(), log);
            // f32 logarithm and exponential there and back.
            assert!(worst < 1e-5, "{method} {worst}");
            assert_eq!(count, shape[0] * (6 * 48 + 6 * 40 - 36));
        }
    }
}

#[test]
fn straight_slopes_are_exact() {
    let log = |z: usize, y: usize, x: usize| 1.0 + 0.03 * z as f32 + 0.05 * y as f32 + 0.02 * x as f32;
    // Where rows and columns both end in measured pixels, any slope is exact.
    let hole = |_: usize, y: usize, x: usize| (20..26).contains(&y) && (12..19).contains(&x);
    for shape in [[1, 40, 48], [9, 40, 48]] {
        let pattern = pattern(shape, log, hole);
        for (method, tolerance) in [(Fill::Linear, 1e-5), (Fill::Biharmonic, 1e-4)] {
            let (worst, _, _) = errors(&pattern, method, &FillOptions::default(), log);
            assert!(worst < tolerance, "{method} {worst}");
        }
    }
    // The crossing of a cross has no measured end along any axis; the biharmonic surface is exact
    // there too.
    for shape in [[1, 40, 48], [9, 40, 48]] {
        let pattern = pattern(shape, log, cross);
        for volume in [true, false] {
            let (worst, _, _) =
                errors(&pattern, Fill::Biharmonic, &FillOptions { volume, ..FillOptions::default() }, log);
            // The solver stops at a residual of 1e-5.
            assert!(worst < 1e-3, "{worst}");
        }
    }
}

/// Their period is told by the whole pattern: surfaces go straight on.
#[test]
fn kriging_continues_fringes() {
    let log = |_: usize, y: usize, x: usize| 6.0 + (0.7 * x as f32).sin() * (0.15 * y as f32).cos();
    for width in [5, 10] {
        let pattern = pattern([1, 96, 96], log, |_, _, x| (44..44 + width).contains(&x));
        let [kriging, surface] =
            [Fill::Kriging, Fill::Biharmonic].map(|method| errors(&pattern, method, &FillOptions::default(), log).1);
        assert!(kriging < 0.6 * surface, "{width} pixels: {kriging} {surface}");
    }
}

#[test]
fn symmetric_patterns_stay_symmetric() {
    let log = |_: usize, y: usize, x: usize| 4.0 + (0.3 * (y as f32 - 20.0)).cos() * (0.2 * (x as f32 - 20.0)).cos();
    let gap = |_: usize, y: usize, x: usize| y.abs_diff(20) < 3 || x.abs_diff(20) < 4;
    let pattern = pattern([1, 41, 41], log, gap);
    for method in FILLS {
        let estimate = fill(&pattern, method, &FillOptions::default(), &mut |_| true).unwrap();
        for ((_, y, x), &value) in estimate.mean.0.indexed_iter() {
            let mate = estimate.mean.0[[0, 40 - y, 40 - x]];
            // The order of sums differs between mates; kriging is solved to a hundredth.
            let tolerance = if method == Fill::Kriging { 1e-2 } else { 1e-3 };
            assert!((value - mate).abs() <= tolerance * value.max(1.0), "{method} {value} {mate}");
        }
    }
}

#[test]
fn bounds_distance_and_beamstop_are_kept() {
    let log = |_: usize, _: usize, _: usize| 3.0;
    // A wide gap at the edge, a hole around the centre, a shadow.
    let hole = |y: usize, x: usize| y.abs_diff(32).pow(2) + x.abs_diff(32).pow(2) <= 64;
    let mut pattern = pattern([1, 64, 64], log, |_, y, x| x >= 50 || hole(y, x) || (y < 4 && x < 4));
    pattern.mask.0.slice_mut(ndarray::s![.., ..4, ..4]).fill(bit::SHADOWED);
    let estimate = fill(&pattern, Fill::Idw, &FillOptions::default(), &mut |_| true).unwrap();
    let at = |y: usize, x: usize| estimate.at.0[[0, y, x]];
    assert!(at(40, 57) && !at(40, 58), "8 pixels from the last measured column");
    assert!(!at(32, 32) && !at(32, 40) && !at(0, 0));
    assert!((estimate.lower.0[[0, 40, 55]] / estimate.mean.0[[0, 40, 55]] - 0.5).abs() < 1e-6);
    assert!((estimate.upper.0[[0, 40, 55]] / estimate.mean.0[[0, 40, 55]] - 1.2).abs() < 1e-6);
    let asked = FillOptions { beamstop: true, max_distance: 20.0, bounds: (1.0, 1.0), ..FillOptions::default() };
    let estimate = fill(&pattern, Fill::Idw, &asked, &mut |_| true).unwrap();
    assert!(pattern.mask.0.iter().zip(&estimate.at.0).all(|(&bits, &at)| (bits != 0) == at));
    assert_eq!(estimate.lower, estimate.upper);
    for bounds in [(-0.1, 1.0), (1.1, 1.2), (0.5, 0.9), (f32::NAN, 1.0)] {
        assert!(fill(&pattern, Fill::Idw, &FillOptions { bounds, ..FillOptions::default() }, &mut |_| true).is_err());
    }
}

#[test]
fn fills_stop_when_asked_to() {
    let pattern = example(1).pattern;
    for method in [Fill::Linear, Fill::Idw, Fill::Biharmonic, Fill::Kriging] {
        let mut asked = 0;
        let mut on = |_| {
            asked += 1;
            false
        };
        let stopped = fill(&pattern, method, &FillOptions::default(), &mut on);
        assert!(matches!(stopped, Err(lacuna::Error::Interrupted)), "{method}");
        assert_eq!(asked, 1, "{method}");
    }
}

#[test]
fn the_number_of_threads_changes_nothing() {
    let pattern = example(1).pattern;
    let run = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| FILLS.map(|method| fill(&pattern, method, &FillOptions::default(), &mut |_| true).unwrap()))
    };
    assert_eq!(run(1), run(3));
}

/// Against the noise-free intensity. Read the numbers with `cargo test --test fills --
/// --nocapture`.
#[test]
fn fills_on_speckles() {
    let example = example(1);
    let mut wave = example.object.to_cornered();
    lacuna::fft::Fft::new(example.pattern.shape()).forward(wave.0.as_slice_mut().unwrap());
    let truth = wave.to_centered();
    let log = |z: usize, y: usize, x: usize| truth.0[[z, y, x]].norm_sqr().ln_1p();
    let mut scores = Vec::new();
    for method in FILLS {
        let (_, mean, count) = errors(&example.pattern, method, &FillOptions::default(), log);
        println!("{method}: mean absolute error {mean:.3} in ln(1 + I) over {count} pixels");
        scores.push(mean);
    }
    // Whatever the noise: any interpolation beats zeros, and smooth surfaces beat straight lines on
    // smooth speckles.
    assert!(scores[1] < 0.6 * scores[0] && scores[2] < 0.7 * scores[0] && scores[3] < scores[1]);
}

/// The gold crystal of APS 34-ID-C with a 6-pixel cross cut out, in the volume and frame by frame.
#[test]
fn fills_on_gold() {
    let folder =
        std::env::var("LACUNA_DATA").unwrap_or_else(|_| concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/data").into());
    let Ok(file) = std::fs::File::open(format!("{folder}/bragg3d_aps34idc_S54.npz")) else {
        println!("skipped: no bragg3d_aps34idc_S54.npz in {folder}");
        return;
    };
    let data: Array3<i32> = ndarray_npy::NpzReader::new(file).unwrap().by_name("data").unwrap();
    let counts = data.mapv(|value| value as f32);
    let log = |z: usize, y: usize, x: usize| counts[[z, y, x]].ln_1p();
    let gap = |_: usize, y: usize, x: usize| (108..114).contains(&y) || (140..146).contains(&x);
    let pattern = pattern([201, 256, 256], log, gap);
    let mut scores = Vec::new();
    for volume in [false, true] {
        // Kriging takes a minute here: `real_gaps` scores it.
        for &method in &FILLS[..4] {
            let start = std::time::Instant::now();
            let (_, mean, count) = errors(&pattern, method, &FillOptions { volume, ..FillOptions::default() }, log);
            println!(
                "{method}, volume {volume}: {mean:.4} over {count} pixels, {:.1} s",
                start.elapsed().as_secs_f64()
            );
            scores.push(mean);
        }
    }
    assert!(scores.chunks(4).all(|scores| scores[1..].iter().all(|&score| score < 0.8 * scores[0])), "{scores:?}");
}
