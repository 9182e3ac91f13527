//! Values of a scan, wherever its beamline keeps them.

use super::layout::{Layout, Motor, Value};
use super::log::ScanLog;
use crate::geometry::{Circle, Geometry, Goniometer};
use crate::io::note::Note;
use crate::io::tree::Tree;
use crate::io::units::{Quantity, degrees};

/// Where the values of a scan are.
pub(super) enum Home<'a> {
    /// Below the entry of an HDF5 file, with the name of the detector.
    Entry { tree: &'a Tree, entry: &'a str, detector: &'a str },
    /// In a text file beside the frames.
    Log(&'a ScanLog),
}

/// Numbers that were found.
struct Found {
    at: String,
    numbers: Vec<f64>,
    unit: Option<String>,
}

impl Home<'_> {
    /// The first of some paths or names that there is.
    fn numbers(&self, at: &[String], notes: &mut Vec<Note>) -> Option<Found> {
        match self {
            Home::Log(log) => at.iter().find_map(|name| {
                let at = format!("{} of {}", name, log.path.display());
                log.values(name).map(|numbers| Found { at, numbers, unit: None })
            }),
            Home::Entry { tree, .. } => at.iter().find_map(|pattern| {
                let mut paths = tree.paths(&self.path(pattern));
                paths.retain(|at| tree.numbers(at).is_some());
                if paths.len() > 1 {
                    notes.push(Note::Ambiguous { pattern: pattern.clone(), paths });
                    return None;
                }
                let at = paths.pop()?;
                let numbers = tree.numbers(&at).filter(|numbers| !numbers.is_empty())?;
                Some(Found { numbers, unit: tree.attribute(&at, "units"), at })
            }),
        }
    }

    /// A path of the layout, from the root of the file.
    pub fn path(&self, pattern: &str) -> String {
        match self {
            Home::Entry { entry, detector, .. } => format!("{entry}/{}", pattern.replace("{detector}", detector)),
            Home::Log(_) => pattern.into(),
        }
    }

    /// The text at the first of some paths that there is.
    fn text(&self, at: &[String]) -> Option<String> {
        let Home::Entry { tree, .. } = self else { return None };
        at.iter().find_map(|at| tree.text(&self.path(at)))
    }
}

/// What was found of a scan.
#[derive(Default)]
pub(super) struct Values {
    pub geometry: Geometry,
    pub notes: Vec<Note>,
    /// Names of what the layout has and the file lacks, and where it was looked for.
    missing: Vec<(String, String)>,
}

impl Values {
    /// What a layout says of the geometry, in SI units.
    pub fn of(layout: &Layout, home: &Home) -> Self {
        let mut values = Values::default();
        let energy = values.quantity(home, "energy", layout.energy.as_ref(), Quantity::Energy);
        let distance = values.quantity(home, "distance", layout.distance.as_ref(), Quantity::Distance);
        let pixel = layout.pixel_size.as_ref();
        let y = values.quantity(home, "pixel-size", pixel.map(|pair| &pair.y), Quantity::PixelSize);
        let x = values.quantity(home, "pixel-size", pixel.map(|pair| &pair.x), Quantity::PixelSize);
        values.geometry = Geometry { energy, distance, pixel_size: y.zip(x).map(|(y, x)| [y, x]) };
        values
    }

    /// Circles with the positions of their motors, for a scan of so many frames.
    pub fn goniometer(&mut self, layout: &Layout, home: &Home, frames: usize) -> Goniometer {
        let scanned = self.scanned(layout, home);
        let mut circles = |motors: &[Motor]| -> Vec<Circle> {
            motors.iter().map(|motor| self.circle(home, motor, scanned.as_ref(), frames)).collect()
        };
        let (sample, detector) = (circles(&layout.sample_circles), circles(&layout.detector_circles));
        let direct_beam = layout.direct_beam.as_ref();
        let y = self.pixel(home, direct_beam.map(|pair| &pair.y));
        let x = self.pixel(home, direct_beam.map(|pair| &pair.x));
        let direct_beam = y.zip(x).map(|(y, x)| [y, x]);
        Goniometer { sample, detector, pixel_axes: layout.pixel_axes, direct_beam, ..Goniometer::default() }
    }

    /// Names what was not found, unless the file says it elsewhere.
    pub fn note_missing(&mut self, layout: &Layout, geometry: &Geometry) {
        let elsewhere = |name: &str| match name {
            "energy" => geometry.energy.is_some(),
            "distance" => geometry.distance.is_some(),
            "pixel-size" => geometry.pixel_size.is_some(),
            _ => false,
        };
        let missing = self.missing.iter().filter(|(name, _)| !elsewhere(name));
        let mut what: Vec<String> = missing.map(|(name, at)| format!("{name} ({at})")).collect();
        what.dedup();
        if !what.is_empty() {
            self.notes.push(Note::NotInFile { layout: layout.name.clone(), what });
        }
    }

    fn lacks(&mut self, name: &str, at: &[String]) {
        self.missing.extend(at.first().map(|at| (name.to_string(), at.clone())));
    }

    fn pixel(&mut self, home: &Home, value: Option<&Value>) -> Option<f64> {
        let value = value?;
        let found = home.numbers(&value.at, &mut self.notes).map(|found| found.numbers[0]);
        found.or(value.value).filter(|number| number.is_finite())
    }

    fn quantity(&mut self, home: &Home, name: &str, value: Option<&Value>, quantity: Quantity) -> Option<f64> {
        let value = value?;
        let unit = value.unit.as_deref();
        let Some(found) = home.numbers(&value.at, &mut self.notes) else {
            let known = value.value.and_then(|number| quantity.value(number, unit, None).ok());
            if known.is_none() {
                self.lacks(name, &value.at);
            }
            return known;
        };
        // What the file says of its unit counts: the layout's is for files that say nothing.
        let stated = found.unit.as_deref().filter(|unit| !unit.trim().is_empty());
        let (number, note) = quantity.read(&found.at, found.numbers[0], stated.or(unit), None);
        self.notes.extend(note);
        number
    }

    /// The positions of the scanned motor, and its name, where the layout has them apart.
    fn scanned(&mut self, layout: &Layout, home: &Home) -> Option<(String, Found)> {
        let scanned = layout.scanned.as_ref()?;
        let Some(found) = home.numbers(&scanned.at, &mut self.notes) else {
            self.lacks("positions of the scanned motor", &scanned.at);
            return None;
        };
        if let Some(motor) = &scanned.motor {
            return Some((motor.clone(), found));
        }
        let text = home.text(&scanned.named_by).unwrap_or_default();
        let lower = text.to_lowercase();
        let named = layout.motors().filter(|motor| lower.contains(&motor.motor.to_lowercase()));
        match named.max_by_key(|motor| motor.motor.len()) {
            Some(motor) => Some((motor.motor.clone(), found)),
            None => {
                let problem = "which of the circles was scanned cannot be told from it: its positions are left out";
                let at = scanned.named_by.first().map(|at| home.path(at)).unwrap_or_default();
                self.notes.push(Note::Quantity { at, text: format!("'{text}'"), problem: problem.into() });
                None
            }
        }
    }

    fn circle(&mut self, home: &Home, motor: &Motor, scanned: Option<&(String, Found)>, frames: usize) -> Circle {
        let mut circle =
            Circle { motor: motor.motor.clone(), axis: motor.axis, positions: Vec::new(), zero: motor.zero };
        let own;
        let found = match scanned.filter(|(name, _)| *name == motor.motor) {
            Some((_, found)) => found,
            None => match home.numbers(&motor.at, &mut self.notes) {
                Some(found) => {
                    own = found;
                    &own
                }
                None => {
                    self.lacks(&motor.motor, &motor.at);
                    return circle;
                }
            },
        };
        let stated = found.unit.as_deref().filter(|unit| !unit.trim().is_empty());
        let unit = stated.or(motor.unit.as_deref()).unwrap_or("deg");
        match positions(&found.numbers, unit, frames) {
            Ok(positions) => circle.positions = positions,
            Err(problem) => {
                let text = match found.numbers[..] {
                    [number] => format!("{number} {unit}"),
                    _ => format!("{} numbers in {unit}", found.numbers.len()),
                };
                let problem = format!("{problem}: the position of {} is left out", motor.motor);
                self.notes.push(Note::Quantity { at: found.at.clone(), text, problem });
            }
        }
        circle
    }
}

/// Positions in degrees, one or one for each frame, or why they are none.
fn positions(numbers: &[f64], unit: &str, frames: usize) -> Result<Vec<f64>, String> {
    let scale = degrees(unit).ok_or("its unit is not understood")?;
    let count = numbers.len();
    if count != 1 && count != frames {
        return Err(format!("the scan has {}", crate::error::counted(frames, "frame")));
    }
    let positions: Vec<f64> = numbers.iter().map(|number| number * scale).collect();
    // Beamlines have written millionths of a degree, and other things than angles.
    if positions.iter().any(|position| !position.is_finite() || position.abs() > 360.0) {
        return Err("not believed as an angle".into());
    }
    Ok(positions)
}
