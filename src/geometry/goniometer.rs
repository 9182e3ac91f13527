//! The circles of a diffractometer, and where they stood while the frames were taken.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::ops::Range;
use std::str::FromStr;

/// Direction along an axis of the laboratory, written `x-` or `y+`. The frame is that of CXI and
/// NeXus, right-handed: z along the beam, y up, x horizontal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Axis {
    index: usize,
    negative: bool,
}

impl Axis {
    /// Unit vector `(x, y, z)` of the direction.
    pub fn vector(self) -> [f64; 3] {
        let mut vector = [0.0; 3];
        vector[self.index] = if self.negative { -1.0 } else { 1.0 };
        vector
    }

    /// Direction of a vector `(x, y, z)`; `None` where it lies along no axis.
    pub fn along(vector: [f64; 3]) -> Option<Self> {
        let length = vector.iter().map(|value| value * value).sum::<f64>().sqrt();
        let index = (0..3).find(|&i| length > 0.0 && (vector[i].abs() / length - 1.0).abs() < 1e-6)?;
        Some(Axis { index, negative: vector[index] < 0.0 })
    }
}

impl FromStr for Axis {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parsed = match text.trim().as_bytes() {
            [axis @ b'x'..=b'z', sign @ (b'+' | b'-')] => {
                Some(Axis { index: usize::from(axis - b'x'), negative: *sign == b'-' })
            }
            _ => None,
        };
        parsed.ok_or_else(|| format!("'{text}' is no axis: write x, y or z and a sign, as in x-"))
    }
}

impl TryFrom<String> for Axis {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Axis> for String {
    fn from(axis: Axis) -> Self {
        axis.to_string()
    }
}

impl fmt::Display for Axis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", ["x", "y", "z"][self.index], if self.negative { '-' } else { '+' })
    }
}

/// Circle of a diffractometer: a motor and the axis about which it turns.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Circle {
    /// Name of the motor at the beamline.
    pub motor: String,
    /// Axis of the rotation, right-handed, with all circles at their zero.
    pub axis: Axis,
    /// Positions of the motor, degrees: one, or one for each frame; none where they are not known.
    pub positions: Vec<f64>,
    /// Position of the motor at which the circle is not turned, degrees.
    #[serde(default)]
    pub zero: f64,
}

impl Circle {
    /// Smallest and largest position, degrees; `None` where no position is known.
    pub fn range(&self) -> Option<[f64; 2]> {
        let first = *self.positions.first()?;
        Some(self.positions.iter().fold([first; 2], |[low, high], &p| [low.min(p), high.max(p)]))
    }

    /// Mean difference between the positions of two successive frames, degrees; `None` for fewer
    /// than two positions.
    pub fn step(&self) -> Option<f64> {
        match self.positions[..] {
            [first, .., last] => Some((last - first) / (self.positions.len() - 1) as f64),
            _ => None,
        }
    }

    /// Position at a frame, between frames by a straight line; NaN where none is known.
    pub fn at(&self, frame: f64) -> f64 {
        let last = self.positions.len().saturating_sub(1);
        let before = (frame.max(0.0) as usize).min(last.saturating_sub(1));
        match self.positions[..] {
            [] => f64::NAN,
            [only] => only,
            _ => {
                let [a, b] = [before, before + 1].map(|i| self.positions[i]);
                a + (b - a) * (frame - before as f64)
            }
        }
    }

    fn travel(&self) -> f64 {
        self.range().map_or(0.0, |[low, high]| high - low)
    }

    /// The mean position in each bin of frames. Beyond the frames, where a pattern was padded, the
    /// scan goes on with its mean step.
    fn binned(&self, frames: &Range<isize>, bin: usize) -> Self {
        let Some(step) = self.step() else { return self.clone() };
        let last = self.positions.len() as isize - 1;
        let position = |frame: isize| {
            let inside = frame.clamp(0, last);
            self.positions[inside as usize] + step * (frame - inside) as f64
        };
        let bins = 0..frames.len() / bin;
        let mean = |j: usize| {
            let start = frames.start + (j * bin) as isize;
            (0..bin).map(|k| position(start + k as isize)).sum::<f64>() / bin as f64
        };
        Circle { positions: bins.map(mean).collect(), ..self.clone() }
    }
}

/// Tilt of a detector that does not stand perpendicular to its arm: a rotation of its plane about the
/// pixel of the direct beam, as calibrations by xrayutilities give it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tilt {
    /// Direction in the detector's plane that the axis is perpendicular to, degrees from the rows'
    /// direction of counting to the columns'.
    pub azimuth: f64,
    /// Rotation about that axis, degrees.
    pub angle: f64,
}

/// Circles of a diffractometer, and the detector on the innermost of them.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Goniometer {
    /// Circles that carry the sample, outermost first.
    pub sample: Vec<Circle>,
    /// Circles that carry the detector, outermost first.
    pub detector: Vec<Circle>,
    /// Directions in which the rows and the columns of the frames are counted, with all circles at
    /// their zero.
    pub pixel_axes: Option<[Axis; 2]>,
    /// Pixel `(y, x)` of the frames that the direct beam hits with all circles at their zero.
    pub direct_beam: Option<[f64; 2]>,
    /// Tilt of the detector.
    #[serde(default)]
    pub tilt: Option<Tilt>,
    /// Orientation of the crystal: rows `x`, `y`, `z` of the matrix whose product with the Miller
    /// indices is the momentum transfer with all circles of the sample at zero, radians per metre.
    #[serde(default)]
    pub ub: Option<[[f64; 3]; 3]>,
}

impl Goniometer {
    /// Whether nothing is known.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether each circle has one position, one for each of so many frames, or none.
    pub fn fits(&self, frames: usize) -> bool {
        self.circles().all(|circle| [0, 1, frames].contains(&circle.positions.len()))
    }

    /// All circles, those of the sample first.
    pub fn circles(&self) -> impl Iterator<Item = &Circle> {
        self.sample.iter().chain(&self.detector)
    }

    /// The circle that was scanned: the one that travelled farthest; `None` where all stood still.
    pub fn scanned(&self) -> Option<&Circle> {
        self.circles().filter(|circle| circle.travel() > 0.0).max_by(|a, b| a.travel().total_cmp(&b.travel()))
    }

    /// The same for a part `(z, y, x)` of the frames, which may reach beyond them, in bins.
    pub fn windowed(&self, window: &[Range<isize>; 3], bin: [usize; 3]) -> Self {
        let circles = |all: &[Circle]| all.iter().map(|circle| circle.binned(&window[0], bin[0])).collect();
        // The middle of a bin is (bin - 1) / 2 pixels after its first pixel.
        let pixel = |a: usize, at: f64| (at - window[a].start as f64 - (bin[a] - 1) as f64 / 2.0) / bin[a] as f64;
        Goniometer {
            sample: circles(&self.sample),
            detector: circles(&self.detector),
            pixel_axes: self.pixel_axes,
            tilt: self.tilt,
            ub: self.ub,
            direct_beam: self.direct_beam.map(|[y, x]| [pixel(1, y), pixel(2, x)]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn circle(motor: &str, positions: &[f64]) -> Circle {
        Circle { motor: motor.into(), axis: "x-".parse().unwrap(), positions: positions.to_vec(), zero: 0.0 }
    }

    #[test]
    fn axes_are_written_as_they_are_read() {
        for text in ["x+", "x-", "y+", "y-", "z+", "z-"] {
            let axis: Axis = text.parse().unwrap();
            assert_eq!((axis.to_string().as_str(), Axis::along(axis.vector())), (text, Some(axis)));
        }
        assert_eq!("x-".parse::<Axis>().unwrap().vector(), [-1.0, 0.0, 0.0]);
        assert_eq!(Axis::along([0.6, 0.8, 0.0]), None);
        assert_eq!(Axis::along([0.0; 3]), None);
        for text in ["", "x", "-x", "u+", "x--"] {
            assert!(text.parse::<Axis>().unwrap_err().contains("is no axis"), "{text}");
        }
    }

    #[test]
    fn positions_follow_the_frames() {
        let goniometer = Goniometer {
            sample: vec![circle("eta", &[10.0, 10.1, 10.2, 10.3]), circle("phi", &[5.0])],
            detector: vec![circle("nu", &[]), circle("delta", &[30.0, 30.001, 30.0, 30.0])],
            direct_beam: Some([7.0, 3.5]),
            ..Goniometer::default()
        };
        assert_eq!(goniometer.scanned().unwrap().motor, "eta");
        let close = |found: &[f64], expected: &[f64]| {
            assert_eq!(found.len(), expected.len());
            assert!(found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-12), "{found:?}");
        };
        let cut = goniometer.windowed(&[1..3, 2..8, 0..4], [1; 3]);
        close(&cut.sample[0].positions, &[10.1, 10.2]);
        close(&cut.sample[1].positions, &[5.0]);
        assert_eq!((cut.detector[0].positions.len(), cut.direct_beam), (0, Some([5.0, 3.5])));
        // Two pixels into one: pixels 6 and 7 are the third bin, whose middle is at 6.5.
        let binned = goniometer.windowed(&[0..4, 2..8, 0..4], [2; 3]);
        close(&binned.sample[0].positions, &[10.05, 10.25]);
        assert_eq!(binned.direct_beam, Some([2.25, 1.5]));
        let padded = goniometer.windowed(&[-2..6, 0..8, 0..4], [1; 3]);
        close(&padded.sample[0].positions, &[9.8, 9.9, 10.0, 10.1, 10.2, 10.3, 10.4, 10.5]);
    }
}
