//! A particle: a surface, measured and scaled, a density and a phase.

use super::density::Modulation;
use super::field::Field;
use super::frame::{Frame, Vector, add, scaled};
use super::phase::Phase;
use super::solid::Solid;
use num_complex::Complex64;
use std::f64::consts::TAU;

/// A solid, turned and roughened, in its own units.
#[derive(Debug, Clone, PartialEq)]
pub struct Body {
    /// Solid without its roughness.
    pub solid: Solid,
    /// Orientation of the solid.
    pub frame: Frame,
    /// Roughness of the surface.
    pub relief: Option<Relief>,
}

/// A random displacement of the surface.
#[derive(Debug, Clone, PartialEq)]
pub struct Relief {
    field: Field,
    amplitude: f64,
    /// Brings the slope of the distance back to about 1.
    slope: f64,
}

impl Relief {
    /// A displacement of standard deviation `amplitude` by a field of correlation length `length`.
    pub fn new(field: Field, amplitude: f64, length: f64) -> Relief {
        // The field's slope is 1 / length along each of the two directions in the surface.
        Relief { field, amplitude, slope: 1.0 / (1.0 + 2.0 * (amplitude / length).powi(2)).sqrt() }
    }
}

impl Body {
    fn distance(&self, r: Vector) -> f64 {
        let distance = self.solid.distance(self.frame.local(r));
        match &self.relief {
            // Out there the relief cannot reach.
            Some(relief) if distance < Field::BOUND * relief.amplitude => {
                (distance + relief.amplitude * relief.field.at(r)) * relief.slope
            }
            _ => distance,
        }
    }
}

/// Extents, volume and interior points of a body, in its own units.
pub struct Survey {
    /// Smallest coordinates of the body.
    pub lo: Vector,
    /// Largest coordinates of the body.
    pub hi: Vector,
    /// Volume, or area if the body is flat.
    pub volume: f64,
    /// Points inside, evenly distributed.
    pub inside: Vec<Vector>,
}

/// Resolution of a scan.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Scan {
    /// Resolution for a size that is right to a few percent.
    Coarse,
    /// Resolution for extents, volume and interior points.
    Fine,
}

impl Scan {
    /// Grid points along each axis; more for flat bodies, which may have fine lines.
    fn points(self, flat: bool) -> usize {
        match (self, flat) {
            (Scan::Coarse, false) => 14,
            (Scan::Coarse, true) => 48,
            (Scan::Fine, false) => 32,
            (Scan::Fine, true) => 128,
        }
    }
}

impl Survey {
    /// Scans a grid, then climbs from the outermost points to the farthest ones. `None` if nothing
    /// is inside.
    pub fn of(body: &Body, scan: Scan) -> Option<Survey> {
        let flat = body.solid.is_flat();
        let margin = body.relief.as_ref().map_or(0.0, |relief| 4.0 * relief.amplitude);
        let reach = 1.02 * body.solid.reach() + margin;
        let n = scan.points(flat);
        let step = 2.0 * reach / n as f64;
        let at = |i: usize| step * (i as f64 + 0.5) - reach;
        let mut inside = Vec::new();
        for plane in 0..if flat { 1 } else { n } {
            let z = if flat { 0.0 } else { at(plane) };
            for i in 0..n * n {
                let r = [z, at(i / n), at(i % n)];
                if body.distance(r) < 0.0 {
                    inside.push(r);
                }
            }
        }
        if inside.is_empty() {
            return None;
        }
        let volume = inside.len() as f64 * step.powi(if flat { 2 } else { 3 });
        let [mut lo, mut hi] = [[0.0; 3]; 2];
        for axis in if flat { 1..3 } else { 0..3 } {
            lo[axis] = -farthest(body, &inside, step, axis, -1.0);
            hi[axis] = farthest(body, &inside, step, axis, 1.0);
        }
        Some(Survey { lo, hi, volume, inside })
    }
}

/// Number of directions that are tried before a stride is shortened.
const TRIES: usize = 32;

/// The largest `sign * r[axis]` inside, by climbing from several of the outermost points: to the
/// best of some points around, which are never in the same directions again (along a sharp edge
/// only few directions lead on), with shorter strides where none is better.
fn farthest(body: &Body, inside: &[Vector], step: f64, axis: usize, sign: f64) -> f64 {
    let outermost = inside.iter().map(|r| sign * r[axis]).fold(f64::NEG_INFINITY, f64::max);
    let candidates: Vec<Vector> = inside.iter().copied().filter(|r| sign * r[axis] > outermost - 1.5 * step).collect();
    let mut best = outermost;
    let mut tried = 0;
    for mut r in candidates.iter().step_by(candidates.len().div_ceil(5)).copied() {
        let mut stride = step;
        while stride > 0.05 * step {
            let around = (tried..tried + TRIES).map(|i| {
                let mut away = even_direction(i);
                away[axis] = sign * away[axis].abs();
                add(r, scaled(away, stride))
            });
            tried += TRIES;
            let height = |r: &Vector| sign * r[axis];
            let reached = around.filter(|&next| body.distance(next) < 0.0);
            match reached.max_by(|a, b| height(a).total_cmp(&height(b))) {
                Some(next) => r = next,
                None => stride *= 0.7,
            }
        }
        best = best.max(sign * r[axis]);
    }
    best
}

/// The i-th of an endless sequence of directions that cover the sphere evenly: the R2 sequence of
/// M. Roberts (2018), on the plastic number, mapped to the sphere with equal areas.
fn even_direction(i: usize) -> Vector {
    const PLASTIC: f64 = 1.324_717_957_244_746;
    let z = 2.0 * (i as f64 / PLASTIC).fract() - 1.0;
    let (sin, cos) = (TAU * (i as f64 / (PLASTIC * PLASTIC)).fract()).sin_cos();
    let rho = (1.0 - z * z).sqrt();
    [z, rho * sin, rho * cos]
}

/// One particle, centred on its bounding box. Its unit of length is the largest half extent of that
/// box; in two dimensions the larger of those along y and x, while the extent along the beam may be
/// anything.
#[derive(Debug, Clone, PartialEq)]
pub struct Particle {
    pub(super) body: Body,
    /// The middle of the bounding box in the body's units.
    pub(super) centre: Vector,
    /// The unit of length in the body's units.
    pub(super) size: f64,
    pub(super) half_extents: Vector,
    pub(super) density: Vec<Modulation>,
    pub(super) phase: Phase,
}

impl Particle {
    /// Half extents along (z, y, x).
    pub fn half_extents(&self) -> [f64; 3] {
        self.half_extents
    }

    /// Signed distance of a point (z, y, x) from the surface, negative inside, roughness included;
    /// right near the surface, a bound elsewhere.
    pub fn distance(&self, r: [f64; 3]) -> f64 {
        self.body.distance(self.raw(r)) / self.size
    }

    /// Density times `exp(i phase)` at a point inside; `depth` is the negative of
    /// [`Particle::distance`] there.
    pub fn value(&self, r: [f64; 3], depth: f64) -> Complex64 {
        let r = if self.is_flat() { [0.0, r[1], r[2]] } else { r };
        let mut value = self.body.solid.factor(self.body.frame.local(self.raw(r)));
        for modulation in &self.density {
            value *= modulation.at(r, depth);
        }
        if self.phase.is_zero() { value } else { value * Complex64::cis(self.phase.at(r)) }
    }

    /// Whether nothing varies along z: one sample along z is enough, and the half extent along z
    /// has no meaning.
    pub fn is_flat(&self) -> bool {
        self.body.solid.is_flat()
    }

    fn raw(&self, r: Vector) -> Vector {
        add(self.centre, scaled(r, self.size))
    }
}

#[cfg(test)]
mod tests {
    use super::super::frame::{Rotation, dot, sub};
    use super::super::lattice;
    use super::super::polyhedron::Polyhedron;
    use super::*;
    use crate::simulate::draw::Rng;
    use rand::SeedableRng;

    #[test]
    fn boxes_are_right_to_two_percent() {
        let mut rng = Rng::seed_from_u64(7);
        for i in 0..12 {
            let rotation = Rotation::random(&mut rng);
            let planes = [lattice::octahedron(), lattice::cube(), lattice::rod(4.0, &mut rng), lattice::fcc(&mut rng)];
            let polyhedron = Polyhedron::new(&planes[i % 4], 0.0).unwrap();
            let frame = Frame::turned(rotation);
            // Corners in the body's units: the three axes of the body, as seen by the solid, give
            // its coordinates.
            let axes = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]].map(|axis| frame.local(axis));
            let corners: Vec<Vector> =
                polyhedron.vertices().iter().map(|&corner| axes.map(|axis| dot(axis, corner))).collect();
            let body = Body { solid: Solid::Polyhedron(polyhedron), frame, relief: None };
            let survey = Survey::of(&body, Scan::Fine).unwrap();
            let size = sub(survey.hi, survey.lo).into_iter().fold(0.0, f64::max);
            for axis in 0..3 {
                let hi = corners.iter().map(|corner| corner[axis]).fold(f64::NEG_INFINITY, f64::max);
                let lo = corners.iter().map(|corner| corner[axis]).fold(f64::INFINITY, f64::min);
                // The search always ends inside, and at sharp corners a little early.
                assert!(
                    survey.hi[axis] <= hi + 1e-9 && survey.hi[axis] > hi - 0.02 * size / 2.0,
                    "shape {i}, axis {axis}"
                );
                assert!(
                    survey.lo[axis] >= lo - 1e-9 && survey.lo[axis] < lo + 0.02 * size / 2.0,
                    "shape {i}, axis {axis}"
                );
            }
        }
    }

    #[test]
    fn volumes_are_counted() {
        let solid = Solid::Superellipsoid { radii: [1.0, 0.8, 0.6], powers: [2.0; 2] };
        let survey =
            Survey::of(&Body { solid, frame: Frame::turned(Rotation::NONE), relief: None }, Scan::Fine).unwrap();
        let expected = 4.0 / 3.0 * std::f64::consts::PI * 0.48;
        // The grid has some 1e4 cells inside, of which those along the surface count or not.
        assert!((survey.volume / expected - 1.0).abs() < 0.03, "{}", survey.volume / expected);
    }
}
