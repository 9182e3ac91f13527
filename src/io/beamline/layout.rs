//! The form of a layout, and those that are shipped.

use crate::error::{Error, Result, nearest};
use crate::geometry::{Axis, Circle, Goniometer};
use crate::io::units::{Quantity, degrees};
use serde::Deserialize;
use std::path::Path;

/// The shipped layouts by name.
const LAYOUTS: [(&str, &str); 8] = [
    ("id01", include_str!("layouts/id01.toml")),
    ("id01-spec", include_str!("layouts/id01-spec.toml")),
    ("p10", include_str!("layouts/p10.toml")),
    ("34idc", include_str!("layouts/34idc.toml")),
    ("nanomax", include_str!("layouts/nanomax.toml")),
    ("sixs-2019", include_str!("layouts/sixs-2019.toml")),
    ("sixs-2022", include_str!("layouts/sixs-2022.toml")),
    ("cristal", include_str!("layouts/cristal.toml")),
];

/// Where a beamline keeps things in its files: shipped with the program, or read from a file.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Layout {
    /// Name of a shipped layout, or path of the file.
    #[serde(skip)]
    pub(super) name: String,
    /// Facility, beamline and kind of file, one line.
    pub(super) title: String,
    /// Names of the files it is for; what `*` stands for is `{name}` elsewhere.
    #[serde(default)]
    pub(super) files: Vec<String>,
    /// Paths below the entry that are in every such file and in no other.
    #[serde(default)]
    pub(super) recognise: Vec<String>,
    /// Names of the groups of a scan; `{scan}` is its number.
    #[serde(default)]
    pub(super) entries: Vec<String>,
    /// Names that `{detector}` stands for.
    #[serde(default)]
    pub(super) detectors: Vec<String>,
    /// Paths of the intensities, below the entry; none where NeXus says it.
    #[serde(default)]
    pub(super) data: Vec<String>,
    /// Paths of the mask, below the entry, before the places where CXI and NeXus have it.
    #[serde(default)]
    pub(super) mask: Vec<String>,
    /// Counters of the flux.
    #[serde(default)]
    pub(super) monitor: Vec<String>,
    /// Text file beside the frames that says all else.
    pub(super) log: Option<LogFile>,
    /// Files of the frames of a scan, seen from its SPEC file.
    pub(super) frames: Option<Frames>,
    /// Photon energy.
    pub(super) energy: Option<Value>,
    /// Sample to detector.
    pub(super) distance: Option<Value>,
    /// Extents of a pixel.
    pub(super) pixel_size: Option<Pair>,
    /// Pixel that the direct beam hits.
    pub(super) direct_beam: Option<Pair>,
    /// Directions in which rows and columns are counted.
    pub(super) pixel_axes: Option<[Axis; 2]>,
    /// Circles that carry the sample, outermost first.
    #[serde(default)]
    pub(super) sample_circles: Vec<Motor>,
    /// Circles that carry the detector, outermost first.
    #[serde(default)]
    pub(super) detector_circles: Vec<Motor>,
    /// Positions of the scanned motor, where they are kept apart from its name.
    pub(super) scanned: Option<Scanned>,
}

/// A text file that a beamline writes beside the frames.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct LogFile {
    pub format: LogFormat,
    /// Names, seen from the folder of the frames.
    pub files: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum LogFormat {
    Spec,
    Fio,
}

/// The files of the frames of a scan.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Frames {
    /// Their names, seen from the folder of the SPEC file; `{scan}` and `{number}` are filled in.
    pub files: Vec<String>,
    /// Columns that hold the number of each frame; without them all files are frames.
    #[serde(default)]
    pub number: Vec<String>,
}

/// A number that files of the beamline hold, or that is known.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Value {
    /// Paths below the entry, or names of columns and motors; the first that is there counts.
    #[serde(default)]
    pub at: Vec<String>,
    /// Unit where the file names none.
    pub unit: Option<String>,
    /// The number where the file does not hold it.
    pub value: Option<f64>,
}

/// Numbers along the rows' and the columns' direction of counting.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Pair {
    pub y: Value,
    pub x: Value,
}

/// A motor that turns a circle.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Motor {
    pub motor: String,
    pub axis: Axis,
    /// As for [`Value`].
    pub at: Vec<String>,
    /// Unit where the file names none; degrees if it is not given.
    pub unit: Option<String>,
    /// Position at which the circle is not turned, degrees.
    #[serde(default)]
    pub zero: f64,
}

/// Positions of whichever motor was scanned.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Scanned {
    pub at: Vec<String>,
    /// The motor, where it is always the same.
    pub motor: Option<String>,
    /// Paths of the text in which its name occurs.
    #[serde(default)]
    pub named_by: Vec<String>,
}

impl Layout {
    /// The layout of a name, or of a TOML file.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] for an unknown name, with the nearest one, [`Error::Missing`] and
    /// [`Error::File`] for a file that cannot be read or is no layout.
    pub fn find(name_or_file: &str) -> Result<Self> {
        if !name_or_file.ends_with(".toml") {
            return Self::parse(name_or_file, Path::new(name_or_file), layout_text(name_or_file)?);
        }
        let path = Path::new(name_or_file);
        let text = std::fs::read_to_string(path).map_err(|error| Error::read(path, error))?;
        Self::parse(name_or_file, path, &text)
    }

    /// The shipped layouts.
    pub(super) fn shipped() -> impl Iterator<Item = Self> {
        LAYOUTS.iter().filter_map(|(name, text)| Self::parse(name, Path::new(name), text).ok())
    }

    fn parse(name: &str, path: &Path, text: &str) -> Result<Self> {
        let fail = |problem: String| Error::file(path, problem);
        let mut layout: Layout = toml::from_str(text).map_err(|error| {
            let before = |end: usize| text.bytes().take(end).filter(|&byte| byte == b'\n').count();
            let line = error.span().map_or(1, |span| before(span.start) + 1);
            fail(format!("line {line}: {}", error.message().replace('\n', " ")))
        })?;
        layout.name = name.into();
        layout.check().map_err(fail)?;
        Ok(layout)
    }

    /// Refuses units that are none of their quantity, and values without any.
    fn check(&self) -> Result<(), String> {
        let pixel = self.pixel_size.iter().flat_map(|pair| [&pair.y, &pair.x]).map(|value| ("pixel-size", value));
        let energy = self.energy.iter().map(|value| ("energy", value));
        let values = energy.chain(self.distance.iter().map(|value| ("distance", value))).chain(pixel);
        for (name, value) in values {
            let quantity = if name == "energy" { Quantity::Energy } else { Quantity::Distance };
            let known = if name == "energy" { "eV, keV, J" } else { "m, cm, mm, um, nm" };
            match &value.unit {
                Some(unit) if quantity.scale(unit).is_some() => {}
                Some(unit) => {
                    return Err(format!("{name} has the unit '{unit}', which is not understood: give one of {known}"));
                }
                None => return Err(format!("{name} has no unit: give one of {known}")),
            }
        }
        for motor in self.sample_circles.iter().chain(&self.detector_circles) {
            if let Some(unit) = motor.unit.as_deref().filter(|unit| degrees(unit).is_none()) {
                let motor = &motor.motor;
                return Err(format!("{motor} has the unit '{unit}', which is not understood: give deg or rad"));
            }
        }
        for circles in [&self.sample_circles, &self.detector_circles] {
            let twice = |(i, motor): (usize, &Motor)| circles[..i].iter().any(|other| other.motor == motor.motor);
            if let Some((i, _)) = circles.iter().enumerate().find(|found| twice(*found)) {
                return Err(format!("{} turns two circles: give one of them another name", circles[i].motor));
            }
        }
        let names = self.motors().map(|motor| motor.motor.as_str()).collect::<Vec<_>>();
        if let Some(motor) = self.scanned.as_ref().and_then(|scanned| scanned.motor.as_deref())
            && !names.contains(&motor)
        {
            return Err(format!("the scanned motor '{motor}' turns no circle: the circles are {}", names.join(", ")));
        }
        Ok(())
    }

    /// The circles and the directions of the pixels, without positions.
    pub fn circles(&self) -> Goniometer {
        let circle = |motor: &Motor| Circle {
            motor: motor.motor.clone(),
            axis: motor.axis,
            positions: Vec::new(),
            zero: motor.zero,
        };
        Goniometer {
            sample: self.sample_circles.iter().map(circle).collect(),
            detector: self.detector_circles.iter().map(circle).collect(),
            pixel_axes: self.pixel_axes,
            ..Goniometer::default()
        }
    }

    /// Whether a text file beside the frames says all else.
    pub(in crate::io) fn has_log(&self) -> bool {
        self.log.is_some()
    }

    /// Motors of all circles, those of the sample first.
    pub(super) fn motors(&self) -> impl Iterator<Item = &Motor> {
        self.sample_circles.iter().chain(&self.detector_circles)
    }
}

/// Names and titles of the shipped layouts.
pub fn layouts() -> Vec<(&'static str, String)> {
    let title = |text| toml::from_str::<Layout>(text).map_or(String::new(), |layout| layout.title);
    LAYOUTS.iter().map(|(name, text)| (*name, title(text))).collect()
}

/// The text of a shipped layout, to be read, edited and given back as a file.
///
/// # Errors
///
/// [`Error::Setting`] where there is none of this name.
pub fn layout_text(name: &str) -> Result<&'static str> {
    let found = LAYOUTS.iter().find(|(known, _)| *known == name).map(|(_, text)| *text);
    found.ok_or_else(|| {
        let names: Vec<&str> = LAYOUTS.iter().map(|(name, _)| *name).collect();
        let near = nearest(name, names.iter().copied()).unwrap_or_default();
        let problem = format!("did you mean {near}? Known are {}, or give a .toml file", names.join(", "));
        Error::setting("beamline", name, problem)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> String {
        Layout::parse("own.toml", Path::new("own.toml"), text).unwrap_err().to_string()
    }

    #[test]
    fn shipped_layouts_are_right() {
        assert_eq!(Layout::shipped().count(), LAYOUTS.len());
        for (name, title) in layouts() {
            let layout = Layout::find(name).unwrap();
            assert!(!title.is_empty() && !layout.sample_circles.is_empty() && layout.energy.is_some(), "{name}");
        }
    }

    #[test]
    fn what_is_wrong_with_a_layout_is_named() {
        let message = layout_text("id1").unwrap_err().to_string();
        assert!(message.starts_with("beamline = id1: did you mean id01? Known are id01, id01-spec, "), "{message}");
        let message = layout_text("sixs").unwrap_err().to_string();
        assert!(message.starts_with("beamline = sixs: did you mean sixs-2022? "), "{message}");
        let wrong = error("title = \"x\"\nenergy = { at = [\"mono\"], unit = \"kV\" }\n");
        let expected = "own.toml: energy has the unit 'kV', which is not understood: give one of eV, keV, J";
        assert_eq!(wrong, expected);
        assert_eq!(
            error("title = \"x\"\ndistance = { at = [\"d\"] }\n"),
            "own.toml: distance has no unit: give one of m, cm, mm, um, nm"
        );
        let circle =
            |rest: &str| format!("title = \"x\"\nsample-circles = [{{ motor = \"mu\", at = [\"mu\"], {rest} }}]\n");
        assert!(
            error(&circle("axis = \"w+\"")).contains("line 2: 'w+' is no axis"),
            "{}",
            error(&circle("axis = \"w+\""))
        );
        assert!(error(&circle("axis = \"x+\", unit = \"m\"")).contains("mu has the unit 'm'"));
        assert!(error("title = \"x\"\ndatas = []\n").contains("line 2: unknown field `datas`"));
        assert!(error("title = \"x\"\nscanned = { at = [\"a\"], motor = \"mu\" }\n").contains("turns no circle"));
    }
}
