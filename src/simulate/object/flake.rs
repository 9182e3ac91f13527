//! Planar shapes of flat objects: flakes, cells, lithographic patterns, Siemens stars. All within
//! about one unit of the origin.

use super::frame::angle;
use super::outline::{Outline, PlanarShape, Point};
use crate::simulate::draw::{ParameterRange, Rng, happens, normal};
use std::f64::consts::{FRAC_PI_4, TAU};

fn uniform(lo: f64, hi: f64, rng: &mut Rng) -> f64 {
    ParameterRange::new(lo, hi).uniform(rng)
}

fn count(lo: usize, hi: usize, rng: &mut Rng) -> usize {
    ParameterRange::new(lo as f64, hi as f64).integer(rng)
}

/// Draws a blob whose outline varies by about `waviness` of its radius, most of it slowly.
pub fn blob(centre: Point, radius: f64, waviness: f64, rng: &mut Rng) -> Outline {
    let mut harmonics = vec![[0.0; 2]];
    harmonics.extend((2..=9).map(|k| [normal(rng), normal(rng)].map(|a| waviness * a / f64::from(k).powf(1.2))));
    // Outlines that nearly pass through the centre would be pinched.
    let least = |harmonics: &[[f64; 2]]| {
        let outline = |i: i32| {
            let terms = harmonics.iter().enumerate().map(|(k, [a, b])| {
                let (sin, cos) = ((k + 1) as f64 * TAU * f64::from(i) / 90.0).sin_cos();
                a * cos + b * sin
            });
            1.0 + terms.sum::<f64>()
        };
        (0..90).map(outline).fold(f64::INFINITY, f64::min)
    };
    while least(&harmonics) < 0.35 {
        harmonics.iter_mut().flatten().for_each(|a| *a *= 0.85);
    }
    Outline::Blob { centre, radius, harmonics }
}

/// A polygon with its corners all around the centre.
fn polygon(centre: Point, radius: f64, rng: &mut Rng) -> Outline {
    let corners = count(3, 10, rng);
    let least = uniform(0.5, 0.95, rng);
    let corner = |i: usize, rng: &mut Rng| {
        let (sin, cos) = (TAU * (i as f64 + uniform(-0.3, 0.3, rng)) / corners as f64).sin_cos();
        let rho = radius * uniform(least, 1.0, rng);
        [centre[0] + rho * sin, centre[1] + rho * cos]
    };
    Outline::Polygon((0..corners).map(|i| corner(i, rng)).collect())
}

/// A point within a radius of the origin.
fn point(radius: f64, rng: &mut Rng) -> Point {
    let (sin, cos) = angle(rng).sin_cos();
    let rho = radius * uniform(0.0, 1.0, rng).sqrt();
    [rho * sin, rho * cos]
}

/// Draws a flake: a polygon, a blob, or pieces grown together, sometimes stretched; up to four
/// holes and notches.
pub fn flake(rng: &mut Rng) -> PlanarShape {
    let polygonal = happens(0.5, rng);
    let waviness = uniform(0.05, 0.3, rng);
    let piece = |centre: Point, radius: f64, rng: &mut Rng| {
        if polygonal { polygon(centre, radius, rng) } else { blob(centre, radius, waviness, rng) }
    };
    let mut filled = vec![piece([0.0; 2], 1.0, rng)];
    if happens(0.35, rng) {
        for _ in 0..count(1, 3, rng) {
            let (sin, cos) = angle(rng).sin_cos();
            let radius = uniform(0.3, 0.8, rng);
            filled.push(piece([0.9 * sin, 0.9 * cos], radius, rng));
        }
    }
    let mut holes = Vec::new();
    if happens(0.6, rng) {
        for _ in 0..count(1, 4, rng) {
            let (centre, radius) = (point(0.9, rng), uniform(0.06, 0.25, rng));
            holes.push(match count(0, 2, rng) {
                0 => Outline::disc(centre, radius),
                1 => polygon(centre, radius, rng),
                _ => blob(centre, radius, 0.2, rng),
            });
        }
    }
    PlanarShape { filled, holes }
}

/// Draws the outline of a cell: round, long, or dividing.
pub fn cell(rng: &mut Rng) -> PlanarShape {
    let waviness = uniform(0.02, 0.12, rng);
    let filled = match count(0, 3, rng) {
        0 => {
            let half = [1.0, uniform(0.25, 0.5, rng)];
            vec![Outline::Bar { centre: [0.0; 2], along: [0.0, 1.0], half, corner: half[1] }]
        }
        1 => {
            let bud = uniform(0.5, 1.0, rng);
            vec![blob([0.0, -0.6], 0.8, waviness, rng), blob([0.0, 0.35 * bud + 0.3], 0.7 * bud, waviness, rng)]
        }
        _ => vec![blob([0.0; 2], 1.0, waviness, rng)],
    };
    PlanarShape { filled, holes: Vec::new() }
}

/// Draws a lithographic pattern and its name: a grating, a logo of bars and rings, or strokes.
pub fn pattern(rng: &mut Rng) -> (&'static str, PlanarShape) {
    match count(0, 3, rng) {
        0 => ("grating", grating(rng)),
        1 => ("strokes", strokes(rng)),
        _ => ("logo", logo(rng)),
    }
}

/// Parallel bars of different lengths, with or without a frame or a crossbar.
fn grating(rng: &mut Rng) -> PlanarShape {
    let bars = count(3, 9, rng);
    let period = 2.0 / bars as f64;
    let duty = uniform(0.35, 0.7, rng);
    let ragged = happens(0.5, rng);
    let mut filled = Vec::new();
    for i in 0..bars {
        let length = if ragged { uniform(0.4, 1.0, rng) } else { 0.9 };
        let centre = [period * (i as f64 + 0.5) - 1.0, if ragged { uniform(-0.2, 0.2, rng) } else { 0.0 }];
        filled.push(Outline::Bar { centre, along: [0.0, 1.0], half: [length, 0.5 * duty * period], corner: 0.0 });
    }
    if happens(0.6, rng) {
        let centre = [0.0, uniform(-0.5, 0.5, rng)];
        filled.push(Outline::Bar { centre, along: [1.0, 0.0], half: [1.0, uniform(0.04, 0.15, rng)], corner: 0.0 });
    }
    PlanarShape { filled, holes: Vec::new() }
}

/// Bars at multiples of 45 degrees, rings, discs and squares, some of them cut out again.
fn logo(rng: &mut Rng) -> PlanarShape {
    let mut shape = PlanarShape::default();
    for _ in 0..count(4, 10, rng) {
        let centre = [uniform(-0.7, 0.7, rng), uniform(-0.7, 0.7, rng)];
        let (sin, cos) = (FRAC_PI_4 * count(0, 3, rng) as f64).sin_cos();
        let piece = match count(0, 5, rng) {
            0 => Outline::Ring { centre, radius: uniform(0.2, 0.45, rng), half_width: uniform(0.04, 0.12, rng) },
            1 => Outline::disc(centre, uniform(0.1, 0.3, rng)),
            2 => {
                let half = uniform(0.12, 0.3, rng);
                Outline::Bar { centre, along: [sin, cos], half: [half, half], corner: 0.0 }
            }
            _ => {
                let half = [uniform(0.25, 0.7, rng), uniform(0.05, 0.16, rng)];
                Outline::Bar { centre, along: [sin, cos], half, corner: if happens(0.3, rng) { half[1] } else { 0.0 } }
            }
        };
        if shape.filled.len() > 2 && happens(0.15, rng) { shape.holes.push(piece) } else { shape.filled.push(piece) }
    }
    shape
}

/// A crooked line of even width, as written with a pen, and a dot or two.
fn strokes(rng: &mut Rng) -> PlanarShape {
    let width = uniform(0.05, 0.12, rng);
    let mut filled = Vec::new();
    let mut from = point(0.9, rng);
    for _ in 0..count(3, 8, rng) {
        if happens(0.2, rng) {
            from = point(0.9, rng);
        }
        let to = point(0.9, rng);
        let along = [to[0] - from[0], to[1] - from[1]];
        let length = along[0].hypot(along[1]).max(1e-3);
        let centre = [0.5 * (from[0] + to[0]), 0.5 * (from[1] + to[1])];
        let half = [0.5 * length + width, width];
        filled.push(Outline::Bar { centre, along: along.map(|value| value / length), half, corner: width });
        from = to;
    }
    for _ in 0..count(0, 2, rng) {
        filled.push(Outline::disc(point(0.9, rng), uniform(1.2, 2.5, rng) * width));
    }
    PlanarShape { filled, holes: Vec::new() }
}

/// Draws a Siemens star, the test pattern of microscopy; sometimes with circular gaps and a rim.
pub fn star(rng: &mut Rng) -> PlanarShape {
    let mut filled = vec![star_at([0.0; 2], 0.9, rng)];
    if happens(0.3, rng) {
        filled.push(Outline::Ring { centre: [0.0; 2], radius: 0.95, half_width: 0.05 });
    }
    PlanarShape { filled, holes: Vec::new() }
}

/// A Siemens star of the given radius.
pub fn star_at(centre: Point, outer: f64, rng: &mut Rng) -> Outline {
    let gap = |rng: &mut Rng| {
        let from = outer * uniform(0.3, 0.8, rng);
        [from, from + outer * uniform(0.03, 0.08, rng)]
    };
    let gaps = (0..count(0, 2, rng)).map(|_| gap(rng)).collect();
    Outline::Star { centre, spokes: count(8, 36, rng), inner: outer * uniform(0.05, 0.15, rng), outer, gaps }
}
