//! How the diffractometer stood, as it is typed for files that do not say.

use crate::error::{Error, Result};
use crate::geometry::{Axis, Circle, Goniometer, Tilt, cross, dot};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// A TOML file of circles, for [`read_stand`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Stand {
    /// Circles that carry the sample, outermost first.
    sample_circles: Vec<Standing>,
    /// Circles that carry the detector, outermost first.
    detector_circles: Vec<Standing>,
    /// Directions in which rows and columns are counted.
    pixel_axes: [Axis; 2],
    /// Pixel `(y, x)` of the result's pattern that the direct beam hits with all circles at zero;
    /// where there is none, the angles of the detector are those of the pattern's middle.
    direct_beam: Option<[f64; 2]>,
    /// Tilt of the detector about that pixel.
    tilt: Option<Tilt>,
    /// Rows `x`, `y`, `z` of the crystal's orientation: momentum transfer from Miller indices with all
    /// circles at zero, inverse angstroms, 2 pi included.
    ub: Option<[[f64; 3]; 3]>,
}

/// A circle, where it stood, and its steps.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Standing {
    motor: String,
    axis: Axis,
    /// Position in the middle of the scan, degrees.
    position: f64,
    /// Degrees from one frame of the pattern to the next.
    #[serde(default)]
    step: f64,
}

/// Reads the circles of a diffractometer for a pattern of so many frames: `sample-circles` and
/// `detector-circles`, the outermost first, each with `motor`, `axis` (as `x-`), `position` in the middle of the
/// scan and `step` a frame, in degrees, and `pixel-axes`; where known `direct-beam`, `tilt` and `ub`.
///
/// # Errors
/// [`Error::Read`] and [`Error::File`], with the line.
pub fn read_stand(path: &Path, frames: usize) -> Result<Goniometer> {
    let text = std::fs::read_to_string(path).map_err(|error| Error::read(path, error))?;
    let stand: Stand = toml::from_str(&text).map_err(|error| {
        let line = error.span().map_or(0, |span| text[..span.start].matches('\n').count() + 1);
        Error::file(path, format!("line {line}: {}", error.message().replace('\n', " ")))
    })?;
    let circles = || stand.sample_circles.iter().chain(&stand.detector_circles);
    if let Some(circle) = circles().find(|circle| !(circle.position.is_finite() && circle.step.is_finite())) {
        return Err(Error::file(path, format!("position and step of {} must be finite, in degrees", circle.motor)));
    }
    if stand.ub.is_some_and(|ub| determinant(ub).is_nan() || determinant(ub).abs() < 1e-9) {
        return Err(Error::file(path, "ub has no inverse: give its three rows in inverse angstroms, 2 pi included"));
    }
    if frames > 1 && circles().all(|circle| circle.step == 0.0) {
        return Err(Error::file(
            path,
            "no circle has a step: give step, degrees from one frame to the next, to the scanned one",
        ));
    }
    let [rows, columns] = stand.pixel_axes.map(Axis::vector);
    if dot(rows, columns) != 0.0 {
        return Err(Error::file(path, "pixel-axes must be two axes, those of rows and of columns, as y- and x+"));
    }
    if stand.tilt.is_some_and(|tilt| !(tilt.azimuth.is_finite() && tilt.angle.abs() <= 45.0)) {
        return Err(Error::file(path, "tilt must be two finite angles in degrees, the second from -45 to 45"));
    }
    let circle = |circle: Standing| {
        let moved = circle.step != 0.0 && frames > 1;
        let position = |frame: usize| circle.position + circle.step * (frame as f64 - (frames / 2) as f64);
        Circle {
            motor: circle.motor,
            axis: circle.axis,
            positions: if moved { (0..frames).map(position).collect() } else { vec![circle.position] },
            zero: 0.0,
        }
    };
    Ok(Goniometer {
        sample: stand.sample_circles.into_iter().map(circle).collect(),
        detector: stand.detector_circles.into_iter().map(circle).collect(),
        pixel_axes: Some(stand.pixel_axes),
        direct_beam: stand.direct_beam,
        tilt: stand.tilt,
        ub: stand.ub.map(|rows| rows.map(|row| row.map(|value| value * 1e10))),
    })
}

fn determinant([a, b, c]: [[f64; 3]; 3]) -> f64 {
    dot(a, cross(b, c))
}
