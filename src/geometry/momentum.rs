//! Momentum transfer of every pixel and frame.
//!
//! `q = (2 pi / lambda) (D r / |r| - k)` for the pixel at `r` on a detector carried by the circles `D`, with
//! the beam `k` along z. Seen by a sample that its circles `S` turned, the same pixel measures
//! `S^-1 q`. All frames are brought to the sample as it stood in the middle of the scan, so that
//! vectors are those of the laboratory at that moment.

use super::vector::{IDENTITY, Vector, about, norm, product, transposed, turned};
use super::{Axis, Circle, Geometry, Goniometer, Tilt};
use crate::volume::Shape;

/// Lacking for momentum transfer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missing {
    /// Photon energy.
    Energy,
    /// Distance of the detector.
    Distance,
    /// Size of the pixels.
    PixelSize,
    /// Positions of one of the circles, or any circles.
    Angles,
    /// Directions of rows and columns.
    PixelAxes,
    /// The frames of a volume are those of a scan, but no circle turned.
    Scan,
    /// More than one row and column.
    Extent,
    /// The scanned circle moves the momentum transfer within the plane of the frames: they are no
    /// volume.
    Volume,
}

impl Missing {
    /// What it is, in words.
    pub fn text(self) -> &'static str {
        match self {
            Missing::Energy => "the photon energy",
            Missing::Distance => "the distance of the detector",
            Missing::PixelSize => "the size of the pixels",
            Missing::Angles => "the angles of the circles",
            Missing::PixelAxes => "the directions of rows and columns",
            Missing::Scan => "the circle that was scanned",
            Missing::Extent => "more than one row and column",
            Missing::Volume => {
                "a volume: the scanned circle moves the momentum transfer within the plane of the frames"
            }
        }
    }
}

/// Momentum transfer of each pixel of an array of frames.
#[derive(Debug, Clone, Copy)]
pub struct QMap<'a> {
    goniometer: &'a Goniometer,
    /// `2 pi / lambda`, per metre.
    k: f64,
    distance: f64,
    pixel_size: [f64; 2],
    /// Directions of rows and columns, tilted.
    axes: [Vector; 2],
    /// Pixel `(y, x)` of the direct beam.
    beam: [f64; 2],
    /// From the frame of the sample to the laboratory in the middle of the scan.
    middle: [Vector; 3],
}

impl<'a> QMap<'a> {
    /// Momentum transfer of a pattern of this shape, whose geometry and circles belong to its own
    /// pixels and frames ([`Goniometer::windowed`]).
    ///
    /// # Errors
    /// What is missing.
    pub fn new(geometry: Geometry, goniometer: &'a Goniometer, shape: Shape) -> Result<Self, Missing> {
        let wavelength = geometry.wavelength().ok_or(Missing::Energy)?;
        let known = !goniometer.sample.is_empty() && goniometer.circles().all(|circle| !circle.positions.is_empty());
        if !known {
            return Err(Missing::Angles);
        }
        if shape[0] > 1 && goniometer.scanned().is_none() {
            return Err(Missing::Scan);
        }
        let axes = goniometer.pixel_axes.ok_or(Missing::PixelAxes)?.map(Axis::vector);
        Ok(QMap {
            goniometer,
            k: 2.0 * std::f64::consts::PI / wavelength,
            distance: geometry.distance.ok_or(Missing::Distance)?,
            pixel_size: geometry.pixel_size.ok_or(Missing::PixelSize)?,
            axes: tilted(axes, goniometer.tilt.unwrap_or_default()),
            beam: goniometer.direct_beam.unwrap_or([(shape[1] / 2) as f64, (shape[2] / 2) as f64]),
            // Frame n / 2, where the array has its origin.
            middle: rotation(&goniometer.sample, (shape[0] / 2) as f64),
        })
    }

    /// Momentum transfer at a place `(z, y, x)` of the array, counted from its first pixel, in the
    /// laboratory, radians per metre.
    pub fn at(&self, place: [f64; 3]) -> Vector {
        turned(&self.middle, self.in_sample(place))
    }

    /// Turns vectors of the laboratory into those of the sample with all its circles at zero.
    pub fn to_sample(&self) -> [Vector; 3] {
        transposed(self.middle)
    }

    /// Momentum transfer at a place `(z, y, x)`, in the frame of the sample.
    fn in_sample(&self, [frame, y, x]: [f64; 3]) -> Vector {
        let [rows, columns] = self.axes;
        let [v, u] = [(y - self.beam[0]) * self.pixel_size[0], (x - self.beam[1]) * self.pixel_size[1]];
        let plane: Vector = std::array::from_fn(|i| v * rows[i] + u * columns[i]);
        let r = turned(&rotation(&self.goniometer.detector, frame), [plane[0], plane[1], plane[2] + self.distance]);
        let length = norm(r);
        let q = [r[0] / length, r[1] / length, r[2] / length - 1.0].map(|value| self.k * value);
        turned(&transposed(rotation(&self.goniometer.sample, frame)), q)
    }
}

/// Product of the rotations of circles, the outermost first, at a frame.
pub(super) fn rotation(circles: &[Circle], frame: f64) -> [Vector; 3] {
    circles.iter().fold(IDENTITY, |before, circle| {
        product(before, about(circle.axis.vector(), (circle.at(frame) - circle.zero).to_radians()))
    })
}

/// Directions of rows and columns, turned about the axis in the detector's plane that a tilt has.
fn tilted([rows, columns]: [Vector; 2], tilt: Tilt) -> [Vector; 2] {
    let (sin, cos) = (tilt.azimuth + 90.0).to_radians().sin_cos();
    let axis: Vector = std::array::from_fn(|i| cos * rows[i] + sin * columns[i]);
    let rotation = about(axis, tilt.angle.to_radians());
    [rows, columns].map(|axis| turned(&rotation, axis))
}
