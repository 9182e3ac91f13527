//! The automatic centre where the brightest spot is not the centre, and crops that cost much.

use lacuna::fft::Fft;
use lacuna::geometry::Geometry;
use lacuna::pixels::bit;
use lacuna::prepare::{Options, Prepared, inspect, prepare};
use lacuna::settings::suggest_preset;
use lacuna::volume::{Centered, Cornered};
use ndarray::Array3;
use num_complex::Complex32;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Poisson};

/// Counts of an object given by its complex density at `(z, y, x)`, fractions of the field of view
/// from its middle.
fn counts(shape: [usize; 3], photons: f64, density: impl Fn([f32; 3]) -> Complex32) -> Centered<f32> {
    let object = Array3::from_shape_fn(shape, |(z, y, x)| {
        let index = [z, y, x];
        density(std::array::from_fn(|a| (index[a] as f32 - (shape[a] / 2) as f32) / shape[a] as f32))
    });
    let mut wave = Centered(object).to_cornered().0.into_raw_vec_and_offset().0;
    Fft::new(shape).forward(&mut wave);
    let total: f64 = wave.iter().map(|value| f64::from(value.norm_sqr())).sum();
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let counts = wave.iter().map(|value| {
        let mean = f64::from(value.norm_sqr()) * photons / total;
        if mean > 0.0 { Poisson::new(mean).unwrap().sample(&mut rng) as f32 } else { 0.0 }
    });
    Cornered(Array3::from_shape_vec(shape, counts.collect()).unwrap()).to_centered()
}

/// The Bragg peak of a faceted, strained crystal: 40 frames of 64 x 64, centred but for a pixel.
fn crystal(photons: f64) -> Centered<f32> {
    counts([40, 64, 64], photons, |[z, y, x]| {
        let facets = [z, -z, y, -y, 0.96 * x + 0.29 * z, -0.98 * x - 0.2 * y, 0.6 * (z + y) + 0.5 * x];
        let inside = facets.iter().enumerate().all(|(i, &distance)| distance < 0.13 + 0.015 * (i % 3) as f32);
        let phase = 0.6 * (9.0 * (y + 0.4 * x)).sin() + 4.8 * z * x;
        if inside { Complex32::from_polar(1.0, phase) } else { Complex32::default() }
    })
}

/// The forward pattern of a real, positive, lopsided particle, 128 x 128.
fn particle(photons: f64) -> Centered<f32> {
    counts([1, 128, 128], photons, |[_, y, x]| {
        let disc = |cy: f32, cx: f32, radius: f32| if (y - cy).hypot(x - cx) < radius { 1.0 } else { 0.0 };
        Complex32::new(disc(-0.03, 0.0, 0.09) + 0.7 * disc(0.06, 0.055, 0.055), 0.0)
    })
}

fn add_spot(intensity: &mut Centered<f32>, at: [usize; 3], photons: f32, sigma: f32) {
    for ((z, y, x), value) in intensity.0.indexed_iter_mut() {
        let r2: f32 = [z, y, x].iter().zip(at).map(|(&i, c)| (i as f32 - c as f32).powi(2)).sum();
        *value += (photons * (-r2 / (2.0 * sigma * sigma)).exp()).round();
    }
}

fn largest(intensity: &Centered<f32>) -> f32 {
    intensity.as_slice().iter().copied().fold(0.0, f32::max)
}

fn prepared(intensity: &Centered<f32>, mask: Option<Centered<u32>>) -> Prepared {
    let options = Options::default();
    let prepared = prepare(intensity.clone(), mask, None, None, Geometry::default(), &options).unwrap();
    println!("{:?} {:#?}", prepared.steps, prepared.notes);
    prepared
}

/// The centre of an undisturbed pattern, about which nothing is said.
fn undoubted(intensity: &Centered<f32>) -> [usize; 3] {
    let prepared = prepared(intensity, None);
    assert!(prepared.notes.is_empty() && prepared.pattern.mask.as_slice().iter().all(|&bits| bits == 0));
    prepared.centre
}

#[test]
fn nothing_is_said_where_nothing_is_in_doubt() {
    for photons in [2e6, 2e4, 2e3] {
        let centre = undoubted(&crystal(photons));
        assert!(centre.iter().zip([20, 32, 32]).all(|(c, n)| c.abs_diff(n) <= 1), "{centre:?}");
    }
    for photons in [3e7, 1e5, 3e3] {
        assert_eq!(undoubted(&particle(photons)), [0, 64, 64]);
    }
}

#[test]
fn an_alien_brighter_than_the_peak_is_masked() {
    for photons in [2e6, 2e5] {
        let mut intensity = crystal(photons);
        let centre = undoubted(&intensity);
        let brightest = largest(&intensity);
        add_spot(&mut intensity, [8, 12, 50], 3.0 * brightest, 0.8);
        let prepared = prepared(&intensity, None);
        assert_eq!(prepared.centre, centre, "{photons}");
        assert!(prepared.steps[0].contains("of an alien at (8, 12, 50)"), "{:?}", prepared.steps);
        assert!(prepared.notes[0].contains("give centre = 8,12,50"), "{:?}", prepared.notes);
        let masked = prepared.pattern.mask.as_slice().iter().filter(|&&bits| bits == bit::BAD).count();
        assert!((27..1000).contains(&masked), "{masked}");
    }
}

#[test]
fn a_weak_alien_is_named() {
    let mut intensity = crystal(2e6);
    let centre = undoubted(&intensity);
    add_spot(&mut intensity, [8, 12, 50], 300.0, 1.5);
    let prepared = prepared(&intensity, None);
    assert_eq!(prepared.centre, centre);
    let [note] = prepared.notes.as_slice() else { panic!("{:?}", prepared.notes) };
    assert!(note.contains("photons around (8, 12, 50)") && note.contains("perhaps an alien"), "{note}");
}

#[test]
fn a_broad_alien_is_doubted() {
    let mut intensity = crystal(2e4);
    let brightest = largest(&intensity);
    // Three times the photons of the crystal: nobody can say which of the two was meant.
    add_spot(&mut intensity, [8, 12, 50], 3.0 * brightest, 1.5);
    assert!(!prepared(&intensity, None).notes.is_empty());
}

#[test]
fn a_hot_cluster_is_no_centre() {
    for photons in [2e6, 2e4] {
        let mut intensity = crystal(photons);
        let centre = undoubted(&intensity);
        let hot = 5.0 * largest(&intensity);
        intensity.0.slice_mut(ndarray::s![.., 10..12, 50..52]).fill(hot);
        let prepared = prepared(&intensity, None);
        assert_eq!(prepared.centre, centre, "{photons}");
        let cut = &prepared.pattern.mask.0;
        let masked = cut.iter().filter(|&&bits| bits & bit::BAD != 0).count();
        assert!(masked >= 4 * cut.dim().0 && masked <= 16 * cut.dim().0, "{masked}");
    }
}

#[test]
fn a_flashed_frame_is_masked() {
    for photons in [2e6, 2e4, 2e3] {
        for z in [3, 39] {
            let mut intensity = crystal(photons);
            let centre = undoubted(&intensity);
            let flash = 2.0 * largest(&intensity);
            intensity.0.index_axis_mut(ndarray::Axis(0), z).mapv_inplace(|value| value + flash);
            let prepared = prepared(&intensity, None);
            assert_eq!(prepared.centre, centre, "{photons}");
            assert!(prepared.steps[0].contains("masked 1 flashed frame"), "{:?}", prepared.steps);
            assert!(prepared.notes[0].ends_with(&format!("are masked: {z}")), "{:?}", prepared.notes);
        }
    }
}

#[test]
fn a_pattern_is_centred_beside_an_alien_and_behind_a_beamstop() {
    for (photons, stop) in [(3e7, false), (1e5, false), (3e7, true), (1e5, true), (3e3, true)] {
        let mut intensity = particle(photons);
        let mut mask = intensity.map(|_| 0);
        if stop {
            mask.0.slice_mut(ndarray::s![.., 60..69, 60..69]).fill(bit::SHADOWED);
        }
        let measured: Vec<f32> =
            intensity.as_slice().iter().zip(mask.as_slice()).filter(|(_, b)| **b == 0).map(|(v, _)| *v).collect();
        let brightest = measured.into_iter().fold(0.0, f32::max);
        add_spot(&mut intensity, [0, 20, 100], 3.0 * brightest, 1.5);
        let prepared = prepared(&intensity, Some(mask));
        if photons > 1e4 {
            assert_eq!(prepared.centre, [0, 64, 64], "{photons} {stop}");
        }
        assert!(prepared.notes[0].contains("alien"), "{photons} {stop}");
    }
}

#[test]
fn a_beamstop_that_nobody_masked_does_not_move_the_centre() {
    let mut intensity = particle(3e7);
    intensity.0.slice_mut(ndarray::s![.., 60..69, 60..69]).fill(0.0);
    let prepared = prepared(&intensity, None);
    assert_eq!(prepared.centre, [0, 64, 64]);
    assert!(prepared.notes[0].contains("the brightest spot is"), "{:?}", prepared.notes);
}

#[test]
fn a_peak_near_the_edge_is_said_and_padding_keeps_the_frame() {
    let whole = crystal(2e6);
    let [_, y, _] = undoubted(&whole);
    let cut = Centered(whole.0.slice(ndarray::s![.., 20.., ..]).as_standard_layout().to_owned());
    let cropped = prepared(&cut, None);
    assert_eq!(cropped.centre[1], y - 20);
    assert!(cropped.notes[0].contains("of 44 pixels along y") && cropped.notes[0].contains("pad = true"));
    let options = Options { pad: true, ..Options::default() };
    let padded = prepare(cut.clone(), None, None, None, Geometry::default(), &options).unwrap();
    assert!(padded.notes.is_empty(), "{:?}", padded.notes);
    assert_eq!((padded.centre, &padded.window), (cropped.centre, &[0..40, 0..44, 0..64]));
    let (pattern, shape) = (&padded.pattern, padded.pattern.shape());
    assert!(padded.steps.last().unwrap().starts_with("padded with unmeasured pixels from 40x44x64 to "));
    // The frame lies where it puts the centre in the middle; all that is around it is missing.
    let start: [usize; 3] = std::array::from_fn(|a| shape[a] / 2 - padded.centre[a]);
    for (index, &bits) in pattern.mask.0.indexed_iter() {
        let index: [usize; 3] = index.into();
        let inside = (0..3).all(|a| index[a] >= start[a] && index[a] < start[a] + cut.shape()[a]);
        assert_eq!(bits, if inside { 0 } else { bit::MISSING }, "{index:?}");
        if inside {
            let there: [usize; 3] = std::array::from_fn(|a| index[a] - start[a]);
            assert_eq!(pattern.intensity.0[index], cut.0[there]);
        }
    }
}

#[test]
fn the_preset_that_fits_is_suggested() {
    let preset = |intensity: &Centered<f32>, mask: Option<&Centered<u32>>| {
        let found = inspect(intensity, mask).unwrap();
        println!("{:?} {} {:?}", found.symmetry, found.centre_hidden, suggest_preset(&found));
        suggest_preset(&found).0
    };
    let stack = crystal(2e6);
    assert_eq!(preset(&stack, None), "bragg");
    let frame = Centered(stack.0.slice(ndarray::s![20..21, .., ..]).to_owned());
    assert_eq!(preset(&frame, None), "particle");
    let forward = particle(3e7);
    assert_eq!(preset(&forward, None), "particle");
    let mut mask = forward.map(|_| 0);
    mask.0.slice_mut(ndarray::s![.., 60..69, 60..69]).fill(bit::SHADOWED);
    assert_eq!(preset(&forward, Some(&mask)), "forward");
}
