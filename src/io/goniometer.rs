//! The circles of a diffractometer in HDF5 files: chains of NeXus transformations
//! (<https://manual.nexusformat.org/classes/base_classes/NXtransformations.html>) from the innermost
//! circle to the outermost, which lacuna writes and other programs may have written.

use super::metadata;
use super::nexus::{Outcome, attribute, group, quantity, text};
use super::note::Note;
use super::tree::{Tree, parent};
use super::units::degrees;
use crate::geometry::{Axis, Circle, Geometry, Goniometer, Tilt};
use hdf5::{Dataset, Group};

/// Longest chain that is followed.
const LONGEST: usize = 12;

/// What a matrix `UB` is here: that of Busing and Levy is in axes of its own, without 2 pi, and not read.
const UB_CONVENTION: &str = "momentum transfer from Miller indices, 2 pi included, x y z of the laboratory";

/// Writes the circles: those of the sample to `sample_1`, those of the detector below the detector,
/// with the directions of its pixels and the direct beam.
pub(super) fn write(entry: &Group, detector: &Group, goniometer: &Goniometer, geometry: Geometry) -> Outcome {
    if !goniometer.sample.is_empty() {
        let sample = group(entry, "sample_1", "NXsample")?;
        circles(&sample, &goniometer.sample)?;
        if let Some(ub) = goniometer.ub {
            let dataset = sample.new_dataset_builder().with_data(&ndarray::arr2(&ub)).create("ub_matrix")?;
            attribute(&dataset, "units", "1/m")?;
            attribute(&dataset, "convention", UB_CONVENTION)?;
        }
    }
    let innermost = circles(detector, &goniometer.detector)?;
    let [azimuth, angle] = goniometer.tilt.map_or([None; 2], |tilt| [tilt.azimuth, tilt.angle].map(Some));
    quantity(detector, "tilt_azimuth", azimuth, "deg")?;
    quantity(detector, "tilt_angle", angle, "deg")?;
    if let Some(axes) = goniometer.pixel_axes {
        let module = group(detector, "module_1", "NXdetector_module")?;
        let sizes = geometry.pixel_size.unwrap_or([f64::NAN; 2]);
        for ((name, axis), size) in ["slow_pixel_direction", "fast_pixel_direction"].iter().zip(axes).zip(sizes) {
            let dataset = module.new_dataset::<f64>().create(*name)?;
            dataset.write_scalar(&size)?;
            transformation(&dataset, "translation", axis, "m", &innermost)?;
        }
    }
    let [y, x] = goniometer.direct_beam.map_or([None; 2], |beam| beam.map(Some));
    quantity(detector, "beam_center_y", y, "pixel")?;
    quantity(detector, "beam_center_x", x, "pixel")
}

/// Writes the circles below `home`, and returns the path of the innermost, or `.` for none.
fn circles(home: &Group, circles: &[Circle]) -> hdf5::Result<String> {
    let mut below = ".".to_string();
    if circles.is_empty() {
        return Ok(below);
    }
    let all = group(home, "transformations", "NXtransformations")?;
    for (i, circle) in circles.iter().enumerate() {
        let mut name = circle.motor.replace('/', "_");
        if name.is_empty() || name == "." || all.link_exists(&name) {
            name = format!("circle_{}", i + 1);
        }
        // What turns is the position less the zero; a circle of which nothing is known is not left
        // out of the chain.
        let turned: Vec<f64> = circle.positions.iter().map(|position| position - circle.zero).collect();
        let dataset = match turned[..] {
            [] | [_] => {
                let dataset = all.new_dataset::<f64>().create(name.as_str())?;
                dataset.write_scalar(turned.first().unwrap_or(&f64::NAN))?;
                dataset
            }
            _ => all.new_dataset_builder().with_data(&turned).create(name.as_str())?,
        };
        transformation(&dataset, "rotation", circle.axis, "deg", &below)?;
        if circle.zero != 0.0 {
            dataset.new_attr::<f64>().create("motor_zero")?.write_scalar(&circle.zero)?;
        }
        below = format!("{}/{name}", all.name());
    }
    text(home, "depends_on", &below)?;
    Ok(below)
}

fn transformation(dataset: &Dataset, kind: &str, axis: Axis, unit: &str, below: &str) -> Outcome {
    attribute(dataset, "transformation_type", kind)?;
    attribute(dataset, "units", unit)?;
    attribute(dataset, "depends_on", below)?;
    dataset.new_attr_builder().with_data(&[0.0; 3]).create("offset")?;
    dataset.new_attr_builder().with_data(&axis.vector()).create("vector")?;
    Ok(())
}

/// The circles of an entry, and what of them cannot be used for a stack of so many frames.
pub(super) fn read(
    tree: &Tree,
    entry: &str,
    detectors: &[String],
    frames: usize,
) -> (Option<Goniometer>, Option<Note>) {
    let samples = metadata::samples(tree, entry);
    let first = |homes: &[String]| homes.iter().map(|home| chain(tree, home)).find(|chain| !chain.is_empty());
    let axis = |name: &str| {
        let vector = |home: &String| tree.vector_attribute(&format!("{home}/module_1/{name}"), "vector");
        Axis::along(detectors.iter().find_map(vector)?)
    };
    let pixel = |name: &str| {
        let paths = detectors.iter().map(|home| format!("{home}/{name}"));
        // NeXus has lengths under this name; programs of many detectors write pixels.
        let pixels =
            |at: &String| tree.attribute(at, "units").is_some_and(|unit| unit.to_lowercase().starts_with("pixel"));
        paths.filter(pixels).find_map(|at| tree.number(&at)).map(|(number, _)| number)
    };
    let degree = |name: &str| {
        let paths = detectors.iter().map(|home| format!("{home}/{name}"));
        paths
            .filter(|at| tree.attribute(at, "units").as_deref() == Some("deg"))
            .find_map(|at| tree.number(&at))
            .map(|(number, _)| number)
    };
    let goniometer = Goniometer {
        sample: first(&samples).unwrap_or_default(),
        detector: first(detectors).unwrap_or_default(),
        pixel_axes: axis("slow_pixel_direction").zip(axis("fast_pixel_direction")).map(|(y, x)| [y, x]),
        direct_beam: pixel("beam_center_y").zip(pixel("beam_center_x")).map(|(y, x)| [y, x]),
        tilt: degree("tilt_azimuth").zip(degree("tilt_angle")).map(|(azimuth, angle)| Tilt { azimuth, angle }),
        ub: samples.iter().find_map(|home| orientation(tree, home)),
    };
    if goniometer.is_empty() {
        return (None, None);
    }
    if !goniometer.fits(frames) {
        let names: Vec<String> =
            goniometer.circles().map(|circle| format!("{} {}", circle.positions.len(), circle.motor)).collect();
        let problem = format!("positions for a scan of {frames} frames: its angles are left out");
        return (None, Some(Note::Quantity { at: entry.into(), text: names.join(", "), problem }));
    }
    (Some(goniometer), None)
}

/// The crystal's orientation, where it is as lacuna writes it.
fn orientation(tree: &Tree, home: &str) -> Option<[[f64; 3]; 3]> {
    let at = format!("{home}/ub_matrix");
    let ours = tree.attribute(&at, "convention").as_deref() == Some(UB_CONVENTION);
    let numbers: [f64; 9] = tree.dataset(&at).filter(|_| ours)?.read_raw().ok()?.try_into().ok()?;
    Some(std::array::from_fn(|i| std::array::from_fn(|j| numbers[3 * i + j])))
}

/// The rotations on which a group depends, outermost first; none where one is about no axis.
fn chain(tree: &Tree, home: &str) -> Vec<Circle> {
    let mut circles = Vec::new();
    let (mut place, mut next) = (home.to_string(), tree.text(&format!("{home}/depends_on")));
    while let Some(name) = next.filter(|name| name != "." && circles.len() < LONGEST) {
        let at = if name.starts_with('/') { name } else { format!("{place}/{name}") };
        let (Some(numbers), Some(kind)) = (tree.numbers(&at), tree.attribute(&at, "transformation_type")) else {
            return Vec::new();
        };
        if kind == "rotation" {
            let unit = tree.attribute(&at, "units").and_then(|unit| degrees(&unit));
            let axis = tree.vector_attribute(&at, "vector").and_then(Axis::along);
            let (Some(scale), Some(axis)) = (unit, axis) else { return Vec::new() };
            let zero = tree.number_attribute(&at, "motor_zero").unwrap_or(0.0);
            let positions = numbers.iter().map(|turned| turned * scale + zero).collect::<Vec<_>>();
            let known = positions.iter().all(|position| position.is_finite());
            let motor = at.rsplit('/').next().unwrap_or_default().to_string();
            circles.push(Circle { motor, axis, positions: if known { positions } else { Vec::new() }, zero });
        }
        place = parent(&at).to_string();
        next = tree.attribute(&at, "depends_on");
    }
    circles.reverse();
    circles
}
