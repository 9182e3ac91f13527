//! Preparation of measured data: no good pixel is thrown away, centres and gaps are where they are.

use lacuna::geometry::Geometry;
use lacuna::pixels::bit;
use lacuna::prepare::{Centring, Gap, Options, inspect, prepare};
use lacuna::settings::suggest_preset;
use lacuna::volume::Centered;
use ndarray::{Array2, Array3, Axis};
use std::fs::File;

type Archive = ndarray_npy::NpzReader<File>;

/// An archive of the shared data, or `None`, said in one line, where it is absent.
fn archive(name: &str) -> Option<Archive> {
    let folder =
        std::env::var("LACUNA_DATA").unwrap_or_else(|_| concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/data").into());
    match File::open(format!("{folder}/{name}")) {
        Ok(file) => Some(Archive::new(file).expect("an npz file")),
        Err(_) => {
            println!("skipped: no {name} in {folder}");
            None
        }
    }
}

fn frame(archive: &mut Archive, name: &str) -> Centered<f32> {
    let frame: Array2<f32> = archive.by_name(name).expect("the array is there");
    Centered(frame.insert_axis(Axis(0)))
}

fn bits(archive: &mut Archive, name: &str, bad: u32) -> Centered<u32> {
    let frame: Array2<u8> = archive.by_name(name).expect("the array is there");
    Centered(frame.mapv(|pixel| if pixel == 0 { 0 } else { bad }).insert_axis(Axis(0)))
}

#[test]
fn logo_is_centred_behind_its_beamstop() {
    let Some(mut archive) = archive("cdi2d_esrf_id10_logo.npz") else { return };
    let intensity = frame(&mut archive, "intensity");
    let mask = bits(&mut archive, "mask_native_detector", bit::BAD);
    let found = inspect(&intensity, Some(&mask)).unwrap();
    println!("{found:?}");
    assert_eq!(suggest_preset(&found).0, "forward", "{:?}", suggest_preset(&found));
    assert_eq!(found.gaps, [Gap { axis: 1, start: 269, width: 6 }, Gap { axis: 2, start: 279, width: 6 }]);
    let prepared =
        prepare(intensity.clone(), Some(mask), None, None, Geometry::default(), &Options::default()).unwrap();
    println!("{:?}", prepared.steps);
    for (index, &value) in
        intensity.0.indexed_iter().filter(|(index, _)| prepared.pattern.mask.0[*index] & bit::HOT != 0)
    {
        println!("hot: {index:?} {value}");
    }
    assert_eq!(prepared.centre, [0, 256, 256]);
    assert_eq!(prepared.notes, [""; 0]);
    assert_eq!(prepared.pattern.shape(), [1, 512, 512]);
    let hot = prepared.pattern.mask.as_slice().iter().filter(|&&bits| bits & bit::HOT != 0).count();
    // 71 lone pixels of 30 to 1200 photons whose neighbours see next to none, which five-fold
    // oversampling forbids.
    assert!(hot <= 100, "{hot}");
}

#[test]
fn gold_keeps_its_pixels_and_peak() {
    let Some(mut archive) = archive("bragg3d_aps34idc_S54.npz") else { return };
    let data: Array3<i32> = archive.by_name("data").unwrap();
    let intensity = Centered(data.mapv(|value| value as f32));
    let found = inspect(&intensity, None).unwrap();
    println!("{found:?}");
    assert_eq!(suggest_preset(&found).0, "bragg");
    let known_bad: Array2<u8> = archive.by_name("bad_pixels").unwrap();
    let prepared = prepare(
        intensity,
        None,
        None,
        None,
        Geometry::default(),
        &Options { centring: Centring::Keep, fft_friendly: false, ..Options::default() },
    )
    .unwrap();
    println!("{:?}", prepared.steps);
    let hot = prepared.pattern.mask.0.iter().filter(|&&bits| bits & bit::HOT != 0).count();
    assert_eq!(hot, 0);
    let dead: Vec<(usize, usize)> = prepared
        .pattern
        .mask
        .0
        .index_axis(Axis(0), 0)
        .indexed_iter()
        .filter(|(_, bits)| **bits & bit::DEAD != 0)
        .map(|(index, _)| index)
        .collect();
    println!("dead: {dead:?}, {} of them known", dead.iter().filter(|&&index| known_bad[index] != 0).count());
    let start = std::time::Instant::now();
    let data: Array3<i32> = archive.by_name("data").unwrap();
    let prepared = prepare(
        Centered(data.mapv(|value| value as f32)),
        None,
        None,
        None,
        Geometry::default(),
        &Options { rebin: [1, 2, 2], ..Options::default() },
    )
    .unwrap();
    println!("{:?} {:?} {:.1} s", prepared.steps, prepared.window, start.elapsed().as_secs_f64());
    println!("{:?}", prepared.notes);
    assert_eq!(prepared.centre, [99, 126, 127]);
    // The stray spot of this scan: rows 50 to 75, columns 90 to 115 of the frames around 165.
    let [alien, bins] = prepared.notes.as_slice() else { panic!("{:?}", prepared.notes) };
    assert!(alien.contains("perhaps an alien"), "{alien}");
    // As measured it is oversampled 3.2 times in rows and columns, of what was cut from the frames.
    assert!(bins.contains("1.6 along y, 1.6 along x") && bins.contains("rebin = 1,1,1"), "{bins}");
    assert!(prepared.pattern.mask.as_slice().iter().all(|&bits| bits & bit::BAD == 0));
}

#[test]
fn diffraction_frames_have_no_hot_pixels() {
    let Some(mut archive) = archive("ptycho_velociprobe_siemens_516x128.npz") else { return };
    let data: Array3<u16> = archive.by_name("data").unwrap();
    let mut total = 0;
    for z in 0..516 {
        let frame = data.index_axis(Axis(0), z).mapv(f32::from).insert_axis(Axis(0));
        let options = Options { centring: Centring::Keep, ..Options::default() };
        let prepared = prepare(Centered(frame), None, None, None, Geometry::default(), &options).unwrap();
        total += prepared.pattern.mask.0.iter().filter(|&&bits| bits != 0).count();
    }
    assert_eq!(total, 0, "of 8.4 million pixels");
}

#[test]
fn virus_is_centred_in_its_hole() {
    let Some(mut archive) = archive("spi2d_lcls_amo_pattern123.npz") else { return };
    let intensity = frame(&mut archive, "intensity");
    let mask = bits(&mut archive, "mask", bit::BAD);
    let found = inspect(&intensity, Some(&mask)).unwrap();
    println!("{found:?}");
    assert_eq!(suggest_preset(&found).0, "forward", "{:?}", suggest_preset(&found));
    let prepared = prepare(intensity, Some(mask), None, None, Geometry::default(), &Options::default()).unwrap();
    println!("{:?} {:?}", prepared.steps, prepared.notes);
    assert!(prepared.centre[1].abs_diff(61) <= 2 && prepared.centre[2].abs_diff(61) <= 2, "{:?}", prepared.centre);
}
