//! Where the circles of a diffractometer stand for a scan through a reflection.

use super::momentum::rotation;
use super::vector::{Vector, cross, dot, norm, turned};
use super::{Circle, Geometry, Goniometer};
use crate::volume::Shape;
use std::fmt;

/// A scan of a diffractometer, as far as it is decided.
#[derive(Debug, Clone, Copy)]
pub struct ScanOf<'a> {
    /// The circles and the directions of the pixels; positions do not matter.
    pub circles: &'a Goniometer,
    /// Positions that are decided, degrees; other circles stand at their zero.
    pub positions: &'a [(String, f64)],
    /// The circle of the sample that is scanned; `None` for the first that turns about the axis of
    /// the circle that carries the detector to the reflection.
    pub scanned: Option<&'a str>,
    /// Degrees from one frame to the next; `None` for as much momentum transfer as from one pixel to
    /// the next.
    pub step: Option<f64>,
}

/// Why there is no such scan.
#[derive(Debug, Clone, PartialEq)]
pub enum NoScan {
    /// No circle has this name; those that there are.
    Unknown(String, Vec<String>),
    /// All circles of the detector, or all of the sample about their axes, are decided.
    Decided,
    /// No position of this circle has so much momentum transfer, inverse metres.
    OutOfReach(String, f64),
    /// This circle of the sample turns about the momentum transfer, which stays where it is.
    Still(String),
    /// Energy, distance or size of the pixels is not known.
    Geometry,
}

impl fmt::Display for NoScan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NoScan::Unknown(name, known) => write!(f, "no circle is called {name}: there are {}", known.join(", ")),
            NoScan::Decided => {
                write!(f, "a circle of the detector about x or y, and one of the sample, must be left free")
            }
            NoScan::OutOfReach(name, q) => {
                write!(f, "no position of {name} reaches {:.3} inverse angstroms at this energy", q * 1e-10)
            }
            NoScan::Still(name) => write!(f, "{name} turns about the momentum transfer: scan another circle"),
            NoScan::Geometry => write!(f, "energy, distance and size of the pixels are needed"),
        }
    }
}

impl ScanOf<'_> {
    /// The circles for frames of this shape `(z, y, x)` whose middle has the momentum transfer `q`,
    /// radians per metre; the direct beam hits the middle of the frames with all circles at zero.
    ///
    /// # Errors
    /// Why there is no such scan.
    pub fn through(&self, q: f64, geometry: Geometry, shape: Shape) -> Result<Goniometer, NoScan> {
        let (Some(wavelength), Some(distance), Some(pixels)) =
            (geometry.wavelength(), geometry.distance, geometry.pixel_size)
        else {
            return Err(NoScan::Geometry);
        };
        let k = 2.0 * std::f64::consts::PI / wavelength;
        let mut stand = self.circles.clone();
        self.place(&mut stand)?;
        let (arm, scanned) = self.choose(&stand)?;
        let turn = reach(&mut stand, arm, q / k)
            .ok_or_else(|| NoScan::OutOfReach(self.circles.detector[arm].motor.clone(), q))?;
        // Half of the detector's angle, in its sense, where both turn about one axis: the reflecting
        // planes then halve the angle of the beams.
        let typed = self.positions.iter().any(|(name, _)| *name == stand.sample[scanned].motor);
        let along = dot(stand.detector[arm].axis.vector(), stand.sample[scanned].axis.vector());
        let circle = &mut stand.sample[scanned];
        let middle = if typed { circle.positions[0] } else { circle.zero + along * turn / 2.0 };
        circle.positions = vec![middle];

        let out = turned(&rotation(&stand.detector, 0.0), [0.0, 0.0, 1.0]);
        let g: Vector = [out[0] * k, out[1] * k, (out[2] - 1.0) * k];
        let axis = turned(&rotation(&stand.sample[..scanned], 0.0), stand.sample[scanned].axis.vector());
        let lever = norm(cross(axis, g));
        if lever < 1e-6 * norm(g) {
            return Err(NoScan::Still(stand.sample[scanned].motor.clone()));
        }
        let pixel = k * (pixels[0] * pixels[1]).sqrt() / distance;
        let step = self.step.unwrap_or((pixel / lever).to_degrees());
        let frame = |i: usize| middle + step * (i as f64 - (shape[0] / 2) as f64);
        if shape[0] > 1 {
            stand.sample[scanned].positions = (0..shape[0]).map(frame).collect();
        }
        stand.direct_beam = Some([(shape[1] / 2) as f64, (shape[2] / 2) as f64]);
        Ok(stand)
    }

    /// Puts all circles where they were decided to be, or at their zero.
    fn place(&self, stand: &mut Goniometer) -> Result<(), NoScan> {
        let names = || stand.circles().map(|circle| circle.motor.clone());
        let typed = self.positions.iter().map(|(name, _)| name.as_str());
        if let Some(name) = typed.chain(self.scanned).find(|name| names().all(|known| known != **name)) {
            return Err(NoScan::Unknown(name.into(), names().collect()));
        }
        for circle in stand.sample.iter_mut().chain(&mut stand.detector) {
            let typed = self.positions.iter().find(|(name, _)| *name == circle.motor);
            circle.positions = vec![typed.map_or(circle.zero, |(_, position)| *position)];
        }
        Ok(())
    }

    /// The circles, by their numbers, that carry the detector to the reflection and that are scanned.
    fn choose(&self, stand: &Goniometer) -> Result<(usize, usize), NoScan> {
        let free = |circle: &Circle| self.positions.iter().all(|(name, _)| *name != circle.motor);
        let line = |circle: &Circle| circle.axis.vector().map(f64::abs);
        let scanned = |arm: &Circle| match self.scanned {
            Some(name) => stand.sample.iter().position(|circle| circle.motor == name),
            None => stand.sample.iter().position(|circle| free(circle) && line(circle) == line(arm)),
        };
        // The innermost circle of the detector: those outside of it turn with small angles only.
        let arms = stand.detector.iter().enumerate().rev();
        let arms = arms.filter(|(_, arm)| free(arm) && line(arm) != [0.0, 0.0, 1.0]);
        arms.filter_map(|(i, arm)| Some((i, scanned(arm)?))).next().ok_or(NoScan::Decided)
    }
}

/// Turns a circle of the detector until the momentum transfer over `2 pi / lambda` is `part`, and
/// returns by how many degrees from its zero.
fn reach(stand: &mut Goniometer, arm: usize, part: f64) -> Option<f64> {
    let zero = stand.detector[arm].zero;
    let mut at = |turn: f64| {
        stand.detector[arm].positions = vec![zero + turn];
        let out = turned(&rotation(&stand.detector, 0.0), [0.0, 0.0, 1.0]);
        norm([out[0], out[1], out[2] - 1.0])
    };
    let (mut low, mut high) = (0.0, 180.0);
    if !(at(low) <= part && part <= at(high)) {
        return None;
    }
    for _ in 0..100 {
        let middle = (low + high) / 2.0;
        if at(middle) < part { low = middle } else { high = middle }
    }
    at(low);
    Some(low)
}

#[cfg(test)]
mod tests {
    use super::super::{EV, QMap};
    use super::*;

    fn circle(motor: &str, axis: &str) -> Circle {
        Circle { motor: motor.into(), axis: axis.parse().unwrap(), positions: vec![], zero: 0.0 }
    }

    fn id01() -> Goniometer {
        Goniometer {
            sample: vec![circle("mu", "y-"), circle("eta", "x-"), circle("phi", "y-")],
            detector: vec![circle("nu", "y-"), circle("delta", "x-")],
            pixel_axes: Some(["y-".parse().unwrap(), "x+".parse().unwrap()]),
            ..Goniometer::default()
        }
    }

    const SHAPE: Shape = [9, 12, 14];

    fn geometry() -> Geometry {
        Geometry { energy: Some(9000.0 * EV), distance: Some(0.8), pixel_size: Some([55e-6; 2]) }
    }

    fn scan<'a>(circles: &'a Goniometer, positions: &'a [(String, f64)], scanned: Option<&'a str>) -> ScanOf<'a> {
        ScanOf { circles, positions, scanned, step: None }
    }

    /// Platinum (111): 2.2655 angstroms, a Bragg angle of 17.70 degrees at 9 keV.
    const Q: f64 = 2.0 * std::f64::consts::PI / 2.2655e-10;

    #[test]
    fn the_detector_goes_to_twice_the_bragg_angle_and_the_sample_to_one() {
        let stand = scan(&id01(), &[], None).through(Q, geometry(), SHAPE).unwrap();
        let theta = (geometry().wavelength().unwrap() / 2.0 / 2.2655e-10).asin().to_degrees();
        assert!((stand.detector[1].positions[0] - 2.0 * theta).abs() < 1e-9 && (theta - 17.70).abs() < 0.01);
        assert!((stand.sample[1].positions[4] - theta).abs() < 1e-9);
        assert_eq!(stand.scanned().unwrap().motor, "eta");
        let map = QMap::new(geometry(), &stand, SHAPE).unwrap();
        let at = |place: [f64; 3]| map.at(place);
        assert!((norm(at([4.0, 6.0, 7.0])) / Q - 1.0).abs() < 1e-9);
        // A frame is as far as a pixel.
        let apart = |a: Vector, b: Vector| norm(std::array::from_fn(|i| a[i] - b[i]));
        let [frame, pixel] = [[5.0, 6.0, 7.0], [4.0, 6.0, 8.0]].map(|place| apart(at(place), at([4.0, 6.0, 7.0])));
        assert!((frame / pixel - 1.0).abs() < 1e-3, "{frame} {pixel}");
    }

    #[test]
    fn what_is_decided_stays() {
        let typed = [("nu".to_string(), 6.0), ("mu".to_string(), 1.5)];
        let stand = scan(&id01(), &typed, Some("phi")).through(Q, geometry(), SHAPE).unwrap();
        assert_eq!((stand.detector[0].positions[0], stand.sample[0].positions[0]), (6.0, 1.5));
        assert_eq!(stand.scanned().unwrap().motor, "phi");
        let map = QMap::new(geometry(), &stand, SHAPE).unwrap();
        assert!((norm(map.at([4.0, 6.0, 7.0])) / Q - 1.0).abs() < 1e-9);
    }

    #[test]
    fn scans_that_there_are_not() {
        let circles = id01();
        let far = scan(&circles, &[], None).through(20.0 * Q, geometry(), SHAPE).unwrap_err();
        assert!(far.to_string().contains("no position of delta reaches"), "{far}");
        let name = [("nn".to_string(), 6.0)];
        let unknown = scan(&circles, &name, None).through(Q, geometry(), SHAPE).unwrap_err();
        assert_eq!(unknown.to_string(), "no circle is called nn: there are mu, eta, phi, nu, delta");
        let all = ["nu", "delta"].map(|name| (name.to_string(), 1.0));
        assert_eq!(scan(&circles, &all, None).through(Q, geometry(), SHAPE).unwrap_err(), NoScan::Decided);
        let nothing = scan(&circles, &[], None).through(Q, Geometry::default(), SHAPE).unwrap_err();
        assert_eq!(nothing, NoScan::Geometry);
    }
}
