//! Scans as beamlines write them, read with their layouts: data, mask, geometry, angles and flux.
//! `interop/write_beamlines.py` writes the files.

use crate::cli::{done, refused};
use crate::interop::{python, unlocked};
use lacuna::geometry::EV;
use lacuna::io::{Input, Layout, ReadOptions, read, read_with};
use lacuna::volume::Centered;
use ndarray::Array3;
use std::fs;
use std::path::Path;
use std::sync::OnceLock;
use tempfile::TempDir;

/// The folder of `write_beamlines.py`, written once for all tests; `None` where Python lacks what it
/// imports.
fn folder() -> Option<&'static Path> {
    static FOLDER: OnceLock<Option<TempDir>> = OnceLock::new();
    let written = FOLDER.get_or_init(|| {
        let python = python("h5py, numpy, tifffile, hdf5plugin")?;
        let folder = tempfile::tempdir().unwrap();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop/write_beamlines.py");
        let output = unlocked(python).arg(&script).arg(folder.path()).output().expect("python starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Some(folder)
    });
    written.as_ref().map(TempDir::path)
}

fn options(layout: &str) -> ReadOptions {
    ReadOptions { layout: Some(Layout::find(layout).unwrap()), ..ReadOptions::default() }
}

fn texts(input: &Input) -> Vec<String> {
    input.notes.iter().map(ToString::to_string).collect()
}

fn counts(scale: usize) -> Centered<f32> {
    Centered(Array3::from_shape_fn([6, 9, 10], |(z, y, x)| (scale * (1000 * (z + 1) + 10 * y + x)) as f32))
}

fn close(found: f64, expected: f64) -> bool {
    (found - expected).abs() <= 1e-9 * expected.abs()
}

/// What a layout should find in a scan of the script.
struct Expected {
    layout: &'static str,
    place: &'static str,
    scale: usize,
    /// Photon energy is 9 keV in all; distance and pixel size where the files say them, metres.
    distance: Option<f64>,
    pixel: Option<f64>,
    masked: bool,
    scanned: &'static str,
    /// Circles of sample and detector, outermost first, with axes and positions.
    circles: &'static [(&'static str, &'static str, f64)],
    pixel_axes: [&'static str; 2],
}

const SCANS: [Expected; 9] = [
    Expected {
        layout: "id01",
        place: "id01/gold.h5:12",
        scale: 2,
        distance: Some(0.95),
        pixel: Some(55e-6),
        masked: true,
        scanned: "eta",
        circles: &[
            ("mu", "y-", 0.0),
            ("eta", "x-", 20.0),
            ("phi", "y-", 12.5),
            ("nu", "y-", 3.0),
            ("delta", "x-", 34.25),
        ],
        pixel_axes: ["y-", "x+"],
    },
    Expected {
        layout: "id01-spec",
        place: "id01-spec/align.spec:4",
        scale: 2,
        distance: None,
        pixel: None,
        masked: false,
        scanned: "eta",
        circles: &[
            ("mu", "y-", 0.0),
            ("eta", "x-", 20.0),
            ("phi", "y-", 12.5),
            ("nu", "y-", 3.0),
            ("delta", "x-", 34.25),
        ],
        pixel_axes: ["y-", "x+"],
    },
    Expected {
        layout: "p10",
        place: "p10/gold_00042/e4m/gold_00042_master.h5",
        scale: 1,
        distance: Some(1.83),
        pixel: Some(75e-6),
        masked: true,
        scanned: "om",
        circles: &[
            ("mu", "y+", 0.0),
            ("om", "x-", 20.0),
            ("chi", "z+", 90.0),
            ("phi", "y-", 12.5),
            ("gam", "y+", 3.0),
            ("del", "x-", 34.25),
        ],
        pixel_axes: ["y-", "x-"],
    },
    Expected {
        layout: "34idc",
        place: "34idc/AD34idcTIM2_Staff20/Staff20_S0054",
        scale: 2,
        distance: Some(0.5),
        pixel: Some(55e-6),
        masked: false,
        scanned: "Theta",
        circles: &[
            ("Theta", "y+", 20.0),
            ("Chi", "z-", 90.0),
            ("Phi", "y+", 12.5),
            ("Delta", "y+", 34.25),
            ("Gamma", "x-", 3.0),
        ],
        pixel_axes: ["y-", "x+"],
    },
    Expected {
        layout: "34idc",
        place: "34idc/Staff20.spec:53",
        scale: 1,
        distance: Some(0.5),
        pixel: Some(55e-6),
        masked: false,
        scanned: "Theta",
        circles: &[
            ("Theta", "y+", 20.0),
            ("Chi", "z-", 90.0),
            ("Phi", "y+", 12.5),
            ("Delta", "y+", 34.25),
            ("Gamma", "x-", 3.0),
        ],
        pixel_axes: ["y-", "x+"],
    },
    Expected {
        layout: "nanomax",
        place: "nanomax/000042.h5",
        scale: 1,
        distance: None,
        pixel: None,
        masked: false,
        scanned: "gontheta",
        circles: &[("gontheta", "x-", 20.0), ("gonphi", "y-", 12.5), ("gamma", "y-", 3.0), ("delta", "x-", 34.25)],
        pixel_axes: ["y-", "x-"],
    },
    Expected {
        layout: "sixs-2022",
        place: "sixs/align_2022.nxs",
        scale: 1,
        distance: None,
        pixel: None,
        masked: false,
        scanned: "mu",
        circles: &[("mu", "x-", 20.0), ("omega", "y+", 12.5), ("delta", "y+", 3.0), ("gamma", "x-", 34.25)],
        pixel_axes: ["x-", "y-"],
    },
    Expected {
        layout: "sixs-2019",
        place: "sixs/align_2019.nxs",
        scale: 1,
        distance: None,
        pixel: None,
        masked: false,
        scanned: "mu",
        circles: &[("mu", "x-", 20.0), ("omega", "y+", 12.5), ("delta", "y+", 3.0), ("gamma", "x-", 34.25)],
        pixel_axes: ["y-", "x+"],
    },
    Expected {
        layout: "cristal",
        place: "cristal/S42.nxs:42",
        scale: 2,
        distance: None,
        pixel: None,
        masked: false,
        scanned: "omega",
        circles: &[("omega", "x-", 20.0), ("phi", "y+", 12.5), ("gamma", "y+", 3.0), ("delta", "x-", 34.25)],
        pixel_axes: ["y-", "x+"],
    },
];

/// Default monitors of the layouts, and those of which there is none.
const MONITORS: [(&str, &str); 9] = [
    ("id01", "layout"),
    ("id01-spec", "layout"),
    ("p10", "layout"),
    ("34idc", "layout"),
    ("34idc", "Monitor"),
    ("nanomax", "layout"),
    ("sixs-2022", "scan_data/data_03"),
    ("sixs-2019", "/com/scan_data/data_03"),
    ("cristal", "layout"),
];

#[test]
fn scans_of_beamlines_are_read_with_their_layouts() {
    let Some(folder) = folder() else { return };
    for (expected, (layout, monitor)) in SCANS.iter().zip(MONITORS) {
        assert_eq!(expected.layout, layout);
        let name = format!("{layout} {}", expected.place);
        let place = format!("{}/{}", folder.display(), expected.place);
        let options = ReadOptions { monitor: Some(monitor.into()), ..options(layout) };
        let input = read_with(&place, &options).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(input.intensity, counts(expected.scale), "{name}");
        let masked = input.mask.as_ref().map(|mask| mask.as_slice().iter().filter(|&&bits| bits != 0).count());
        assert_eq!(masked, expected.masked.then_some(6), "{name}");
        assert!(close(input.geometry.energy.unwrap(), 9000.0 * EV), "{name}: {:?}", input.geometry);
        assert_eq!(input.geometry.distance, expected.distance, "{name}");
        assert_eq!(input.geometry.pixel_size.is_some(), expected.pixel.is_some(), "{name}");
        for (found, expected) in input.geometry.pixel_size.iter().flatten().zip(expected.pixel) {
            assert!(close(*found, expected), "{name}: {found}");
        }
        let goniometer = input.goniometer.as_ref().unwrap();
        assert_eq!(goniometer.scanned().unwrap().motor, expected.scanned, "{name}");
        let circles: Vec<_> =
            goniometer.circles().map(|c| (c.motor.as_str(), c.axis.to_string(), c.positions[0])).collect();
        let wanted: Vec<_> = expected.circles.iter().map(|(motor, axis, at)| (*motor, axis.to_string(), *at)).collect();
        assert_eq!(circles, wanted, "{name}");
        let scanned = goniometer.scanned().unwrap();
        assert!(scanned.positions.len() == 6 && close(scanned.step().unwrap(), 0.1), "{name}: {scanned:?}");
        assert_eq!(goniometer.pixel_axes.map(|axes| axes.map(|axis| axis.to_string())).unwrap(), expected.pixel_axes);
        assert_eq!(input.monitor.unwrap(), [100.0, 101.0, 102.0, 103.0, 104.0, 105.0], "{name}");
    }
    let id01 = read_with(&format!("{}/id01/gold.h5:1", folder.display()), &options("id01")).unwrap();
    assert_eq!((id01.goniometer.unwrap().direct_beam, id01.monitor), (Some([4.0, 5.5]), None));
    // A monitor needs no layout where its path is known.
    let path = ReadOptions { monitor: Some("measurement/imon".into()), ..ReadOptions::default() };
    let plain = read_with(&format!("{}/id01/one.h5", folder.display()), &path).unwrap();
    assert_eq!((plain.monitor.unwrap()[5], plain.goniometer), (105.0, None));
    let p10 = read_with(&format!("{}/{}", folder.display(), SCANS[2].place), &options("p10")).unwrap();
    assert_eq!(p10.goniometer.unwrap().sample[2].zero, 90.0);
}

/// Frames that are lost, positions that do not fit, units that are none: said, and never guessed.
#[test]
fn what_does_not_fit_is_said() {
    let Some(folder) = folder() else { return };
    let read = |place: &str, options: &ReadOptions| read_with(&format!("{}/{place}", folder.display()), options);
    // A frame of the series that is not there.
    let lost = read("id01-spec/align.spec:3", &options("id01-spec")).unwrap();
    let frame = lost.mask.as_ref().unwrap().0.outer_iter().position(|frame| frame.iter().all(|&bits| bits != 0));
    assert_eq!(frame, Some(4));
    assert!(
        texts(&lost).iter().any(|note| note.contains("data_mpx4_00104.edf") || note.contains("00104")),
        "{:?}",
        texts(&lost)
    );
    assert_eq!(lost.goniometer.unwrap().scanned().unwrap().positions.len(), 6);
    let aborted = read("id01/aborted.h5", &options("id01")).unwrap();
    let notes = texts(&aborted);
    assert!(
        notes.iter().any(|note| note.contains("positioners/eta is 5 numbers in deg: the scan has 6 frames")),
        "{notes:?}"
    );
    assert_eq!(aborted.goniometer.unwrap().scanned(), None);
    let notes = texts(&read("id01/one.h5", &options("id01")).unwrap());
    assert!(notes.iter().any(|note| note.contains("phi is 12.5 mm: its unit is not understood")), "{notes:?}");
    // 9000 keV: the file means eV, and the number is not believed.
    let energy = read("id01/energy.h5", &options("id01")).unwrap();
    assert!(texts(&energy)[0].contains("mononrj is 9000 keV: not believed as a photon energy"), "{:?}", texts(&energy));
    assert_eq!(energy.geometry.energy, None);
    // Nothing is scanned in NanoMAX's snapshots; the distance is in no file of theirs.
    let nanomax = texts(&read("nanomax/000042.h5", &options("nanomax")).unwrap());
    assert!(nanomax.is_empty(), "{nanomax:?}");
    // Without a layout the data are as ever, and one is proposed.
    let plain = lacuna::io::read(&format!("{}/sixs/align_2022.nxs", folder.display())).unwrap();
    assert_eq!((plain.intensity, plain.goniometer), (counts(1), None));
    for (place, layout) in [
        ("sixs/align_2022.nxs", "sixs-2022"),
        ("sixs/align_2019.nxs", "sixs-2019"),
        ("cristal/S42.nxs:/exp_0042", "cristal"),
        ("p10/gold_00042/e4m/gold_00042_master.h5", "p10"),
        ("id01/aborted.h5", "id01"),
    ] {
        let notes = texts(&lacuna::io::read(&format!("{}/{place}", folder.display())).unwrap());
        let proposed = format!("give beamline = {layout} ");
        assert!(notes.iter().any(|note| note.contains(&proposed)), "{place}: {notes:?}");
    }
}

#[test]
fn what_cannot_be_read_is_refused_in_one_line() {
    let Some(folder) = folder() else { return };
    let with = |layout: &str, monitor: &str| ReadOptions { monitor: Some(monitor.into()), ..options(layout) };
    for (place, options, message) in [
        (
            "id01/gold.h5",
            options("id01"),
            "holds several scans, append the number or the group of one, as :12 or :/entry: /gold_1.1, /gold_12.1",
        ),
        (
            "id01/gold.h5:5",
            options("id01"),
            "has no scan 5 of the layout id01 ({scan}.1 or *_{scan}.1): it holds gold_1.1, gold_12.1, gold_2.1",
        ),
        (
            "id01/gold.h5:2",
            options("id01"),
            "has nothing where the layout id01 has its data, at /gold_2.1/measurement/{detector}",
        ),
        ("id01/gold.h5:/gold_3.1", options("id01"), "nothing there: / holds gold_1.1, gold_12.1, gold_2.1"),
        (
            "id01/two.h5",
            options("id01"),
            "holds several arrays, append one of them as :/path: /9.1/measurement/mpx1x4, /9.1/measurement/mpxgaas",
        ),
        (
            "nanomax/000042.h5",
            options("cristal"),
            "has nothing where the layout cristal has its data, at /entry/scan_data/data_*",
        ),
        ("nanomax/000042.h5", options("34idc"), "beamline = 34idc: is for APS 34-ID-C, TIFF frames and SPEC file: "),
        (
            "34idc/AD34idcTIM2_Staff20/Staff20_S0054",
            options("id01"),
            "beamline = id01: is for ESRF ID01, HDF5 of BLISS: ",
        ),
        ("34idc/Staff20.spec:60", options("34idc"), "has no scan 60: it holds 2 scans from 53 to 54"),
        ("34idc/Staff20.spec", options("34idc"), "append the number of a scan as :54; it holds 2 scans from 53 to 54"),
        ("34idc/Staff20.spec:54", options("id01-spec"), "mpx4inr is no column of "),
        ("34idc/Other.spec:54", ReadOptions::default(), "is a SPEC file: give beamline = id01-spec or 34idc"),
        ("id01/one.h5", with("id01", "dark"), "monitor = dark: reads 0 in frame 0: leave that frame out with roi"),
        ("id01/one.h5", with("id01", "short"), "monitor = short: has 5 readings for 6 frames: one a frame is needed"),
        ("id01/one.h5", with("id01", "flux"), "has no list of numbers at /7.1/flux or /flux or /7.1/measurement/flux"),
        ("sixs/align_2022.nxs", with("sixs-2022", "layout"), "monitor = layout: the layout sixs-2022 names no monitor"),
        ("34idc/Staff20.spec:53", with("34idc", "mon"), "monitor = mon: is no column of "),
        (
            "34idc/AD34idcTIM2_Staff20/Staff20_S0054",
            ReadOptions { monitor: Some("Monitor".into()), ..ReadOptions::default() },
            "monitor = Monitor: is read from HDF5 files and, with beamline, from text files",
        ),
        ("p10/gold_00042/e4m/gold_00042_master.h5", with("p10", "dark"), "monitor = dark: reads 0 in frame 0"),
    ] {
        let error = read_with(&format!("{}/{place}", folder.display()), &options).err();
        let error = error.unwrap_or_else(|| panic!("{place} is read")).to_string();
        assert!(error.contains(message), "{error}");
        assert_eq!(error.lines().count(), 1, "{error}");
    }
    // A data set that was named chooses between two detectors.
    let named =
        read_with(&format!("{}/id01/two.h5:/9.1/measurement/mpx1x4", folder.display()), &options("id01")).unwrap();
    assert_eq!((named.intensity, named.geometry.distance), (counts(1), Some(0.95)));
}

/// A layout that a user copied and changed; its mistakes have a line.
#[test]
fn layouts_can_be_copied_and_changed() {
    let Some(folder) = folder() else { return };
    let here = tempfile::tempdir().unwrap();
    let printed = String::from_utf8(done(here.path(), &["beamlines", "id01"]).stdout).unwrap();
    let names = String::from_utf8(done(here.path(), &["beamlines"]).stdout).unwrap();
    assert!(names.contains("34idc      APS 34-ID-C"), "{names}");
    fs::write(here.path().join("own.toml"), printed.replace("\"keV\"", "\"eV\"").replace("mpx1x4", "mpx9")).unwrap();
    fs::write(here.path().join("kv.toml"), printed.replace("\"keV\"", "\"kV\"")).unwrap();
    let file = folder.join("id01/energy.h5");
    let file = file.to_str().unwrap();
    let refuse =
        |arguments: &[&str], words: &[&str]| refused(here.path(), &[&["info", file][..], arguments].concat(), words);
    refuse(&["--beamline", "own.toml"], &["has nothing where the layout own.toml has its data"]);
    let unit = "kv.toml: energy has the unit 'kV', which is not understood: give one of eV, keV, J";
    refuse(&["--beamline", "kv.toml"], &[unit]);
    refuse(&["--beamline", "ido1"], &["beamline = ido1: did you mean id01?"]);
    refuse(&["--beamline", "missing.toml"], &["missing.toml: no such file"]);
    refuse(&["--monitor", "layout"], &["monitor = layout: needs a layout"]);
    fs::write(here.path().join("own.toml"), printed.replace("\"keV\"", "\"eV\"")).unwrap();
    let input = read_with(file, &options(here.path().join("own.toml").to_str().unwrap())).unwrap();
    assert!(close(input.geometry.energy.unwrap(), 9000.0 * EV));
}

/// Angles and flux go with the frames through cropping and binning, into files and back.
#[test]
fn angles_go_with_the_frames() {
    let Some(folder) = folder() else { return };
    let here = tempfile::tempdir().unwrap();
    let file = folder.join("id01/peak.h5");
    let file = file.to_str().unwrap();
    let own = ["--beamline", "id01", "--monitor", "layout", "--centre", "8,11,13", "--rebin", "2,1,1"];
    done(here.path(), &[&["prepare", file, "-o", "prepared.cxi", "-q"][..], &own].concat());
    let prepared = read(here.path().join("prepared.cxi").to_str().unwrap()).unwrap();
    let goniometer = prepared.goniometer.clone().unwrap();
    // Sixteen frames about frame 8, in pairs.
    let eta = goniometer.scanned().unwrap();
    assert_eq!((eta.motor.as_str(), eta.positions.len()), ("eta", 8));
    assert!(eta.positions.iter().enumerate().all(|(i, at)| close(*at, 20.05 + 0.2 * i as f64)), "{:?}", eta.positions);
    assert_eq!((goniometer.detector[1].motor.as_str(), &goniometer.detector[1].positions[..]), ("delta", &[34.25][..]));
    assert_eq!(goniometer.pixel_axes.unwrap().map(|axis| axis.to_string()), ["y-", "x+"]);
    // The beam was at pixel 4, 5.5 of the file; the crop keeps row 11 and column 13 in the middle.
    let [_, ny, nx] = prepared.intensity.shape();
    let beam = goniometer.direct_beam.unwrap();
    assert_eq!(beam, [4.0 - 11.0 + (ny / 2) as f64, 5.5 - 13.0 + (nx / 2) as f64]);
    // Frames 4 and 5 over 10 and 11 in an even beam; as they were measured it is 0.663.
    let sums: Vec<f32> = prepared.intensity.0.outer_iter().map(|frame| frame.sum()).collect();
    assert!((sums[2] / sums[5] - 0.622).abs() < 0.005, "{sums:?}");

    let page = String::from_utf8(done(here.path(), &["info", "prepared.cxi"]).stdout).unwrap();
    assert!(page.contains("scanned  eta from 20.0500 to 21.4500 degrees, 8 positions, mean step 0.20000"), "{page}");
    assert!(page.contains("angles  mu 0.0000, phi 12.5000, nu 3.0000, delta 34.2500 degrees"), "{page}");
    let json = String::from_utf8(done(here.path(), &["info", file, "--beamline", "id01", "--json"]).stdout).unwrap();
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&json["scanned_motor"], &json["goniometer"]["sample"][1]["axis"]), (&"eta".into(), &"x-".into()));

    let short = ["--algorithm", crate::cli::SHORT, "--gap", "free", "-q"];
    let window = ["--beamline", "id01", "--roi", "2:14,2:20,2:24", "--centre", "8,11,13"];
    for format in ["cxi", "npz"] {
        done(here.path(), &[&["run", file, "-o", format, "--output-format", format][..], &window, &short].concat());
        let result = here.path().join(format!("{format}/result.{format}"));
        let result = read(result.to_str().unwrap()).unwrap();
        let eta = result.goniometer.as_ref().unwrap().scanned().unwrap().clone();
        assert_eq!(eta.positions.len(), result.intensity.shape()[0], "{format}");
        assert!(close(eta.positions[result.intensity.shape()[0] / 2], 20.8), "{format}: {eta:?}");
    }
    // Settings of a scan may be used again on what was made of it.
    let again = ["--beamline", "id01", "--centre", "keep"];
    done(here.path(), &[&["prepare", "prepared.cxi", "-o", "again.cxi", "-q"][..], &again].concat());
    let again = read(here.path().join("again.cxi").to_str().unwrap()).unwrap();
    assert_eq!(again.goniometer, Some(goniometer));
    let settings = fs::read_to_string(here.path().join("cxi/settings.toml")).unwrap();
    assert!(settings.contains("beamline = \"id01\""), "{settings}");
    let Some(python) = python("h5py, numpy") else { return };
    let check = "import h5py, sys\n\
        f = h5py.File(sys.argv[1])['entry_1']\n\
        at, chain = f['sample_1/depends_on'][()].decode(), []\n\
        while at != '.':\n    \
            d = f.file[at]; chain.append((at.split('/')[-1], d.attrs['vector'].tolist(), d.attrs['units'])); at = d.attrs['depends_on']\n\
        assert chain == [('phi', [0, -1, 0], 'deg'), ('eta', [-1, 0, 0], 'deg'), ('mu', [0, -1, 0], 'deg')], chain\n\
        m = f['instrument_1/detector_1/module_1']\n\
        assert m['slow_pixel_direction'].attrs['vector'].tolist() == [0, -1, 0]\n\
        assert abs(m['slow_pixel_direction'][()] - 55e-6) < 1e-12\n\
        assert m['fast_pixel_direction'].attrs['depends_on'].endswith('/transformations/delta')\n";
    let output = unlocked(python).args(["-c", check]).arg(here.path().join("prepared.cxi")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
