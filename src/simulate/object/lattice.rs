//! Facetted crystals: Wulff shapes of the common lattices, cut, perturbed and stretched as real
//! crystals are.
//!
//! A Wulff shape is the intersection of the half spaces `n . r <= energy(n)` over the facets n of a
//! lattice (C. Herring, Phys. Rev. 82, 87 (1951)); on a substrate one more plane cuts it (W. L.
//! Winterbottom, Acta Metall. 15, 303 (1967)).

use super::frame::{Vector, direction, unit};
use super::polyhedron::{Plane, Polyhedron};
use super::recipe::ShapeRecipe;
use crate::simulate::draw::{ParameterRange, Rng, happens};
use std::f64::consts::TAU;

/// c/a of close-packed spheres.
const HCP_RATIO: f64 = 1.633;

/// All distinct permutations and changes of sign of a cubic `(h, k, l)`, as unit vectors.
pub fn cubic(hkl: [i32; 3]) -> Vec<Vector> {
    let [h, k, l] = hkl;
    let mut found: Vec<[i32; 3]> = Vec::new();
    for [a, b, c] in [[h, k, l], [h, l, k], [k, h, l], [k, l, h], [l, h, k], [l, k, h]] {
        for signs in 0..8 {
            let sign = |bit: i32| if signs >> bit & 1 == 1 { -1 } else { 1 };
            let candidate = [a * sign(0), b * sign(1), c * sign(2)];
            if !found.contains(&candidate) {
                found.push(candidate);
            }
        }
    }
    found.into_iter().map(|vector| unit(vector.map(f64::from))).collect()
}

/// Directions around the z axis at `count` angles, inclined to both sides by `rise` if it is not 0.
fn around(count: usize, rise: f64) -> Vec<Vector> {
    let rises: &[f64] = if rise == 0.0 { &[0.0] } else { &[rise, -rise] };
    let at = |i: usize| (TAU * i as f64 / count as f64).sin_cos();
    rises.iter().flat_map(|&z| (0..count).map(move |i| unit([z, at(i).0, at(i).1]))).collect()
}

/// Facets of one kind, all with the same energy.
fn family(directions: Vec<Vector>, energy: f64) -> impl Iterator<Item = Plane> {
    directions.into_iter().map(move |normal| Plane { normal, offset: energy })
}

fn uniform(lo: f64, hi: f64, rng: &mut Rng) -> f64 {
    ParameterRange::new(lo, hi).uniform(rng)
}

/// Face-centred cubic: {111} is the cheapest, {100} and {110} cost up to a third more, {311} shows
/// now and then.
pub fn fcc(rng: &mut Rng) -> Vec<Plane> {
    let mut planes: Vec<Plane> = family(cubic([1, 1, 1]), 1.0).collect();
    planes.extend(family(cubic([1, 0, 0]), uniform(0.9, 1.4, rng)));
    planes.extend(family(cubic([1, 1, 0]), uniform(1.02, 1.35, rng)));
    if happens(0.25, rng) {
        planes.extend(family(cubic([3, 1, 1]), uniform(1.02, 1.25, rng)));
    }
    planes
}

/// Body-centred cubic: {110} is the cheapest.
pub fn bcc(rng: &mut Rng) -> Vec<Plane> {
    let mut planes: Vec<Plane> = family(cubic([1, 1, 0]), 1.0).collect();
    planes.extend(family(cubic([1, 0, 0]), uniform(0.95, 1.4, rng)));
    planes.extend(family(cubic([2, 1, 1]), uniform(1.0, 1.2, rng)));
    planes
}

/// Hexagonal close-packed: basal {0001}, prismatic {10-10} and pyramidal {10-11} facets.
pub fn hcp(rng: &mut Rng) -> Vec<Plane> {
    // Reciprocal lattice: the in-plane component of (10-11) is 2/sqrt(3)/a long, the one along z
    // 1/c.
    let rise = (1.0 / HCP_RATIO) / (2.0 / 3f64.sqrt());
    let mut planes: Vec<Plane> = family(vec![[1.0, 0.0, 0.0], [-1.0, 0.0, 0.0]], uniform(0.6, 1.2, rng)).collect();
    planes.extend(family(around(6, 0.0), 1.0));
    planes.extend(family(around(6, rise), uniform(0.95, 1.3, rng)));
    planes
}

/// The six faces of a cube.
pub fn cube() -> Vec<Plane> {
    family(cubic([1, 0, 0]), 1.0).collect()
}

/// The eight faces of an octahedron.
pub fn octahedron() -> Vec<Plane> {
    family(cubic([1, 1, 1]), 1.0).collect()
}

/// A prism of 4, 5, 6 or 8 sides whose half height is `height` times its inner radius, its ends
/// flat or pointed.
pub fn rod(height: f64, rng: &mut Rng) -> Vec<Plane> {
    let sides = [4, 5, 6, 6, 8][ParameterRange::new(0.0, 4.0).integer(rng)];
    let mut planes: Vec<Plane> = family(around(sides, 0.0), 1.0).collect();
    planes.extend(family(vec![[1.0, 0.0, 0.0], [-1.0, 0.0, 0.0]], height));
    if happens(0.5, rng) {
        let rise = uniform(0.6, 1.5, rng);
        // The cap starts at most half an inner radius below the end.
        let offset = (rise * (height - uniform(0.0, 0.5, rng)) + 1.0) / rise.hypot(1.0);
        planes.extend(family(around(sides, rise), offset));
    }
    planes
}

/// A thin plate, hexagonal or triangular with cut corners; `thickness` is that over its inner
/// diameter.
pub fn plate(thickness: f64, rng: &mut Rng) -> Vec<Plane> {
    let mut planes: Vec<Plane> = family(vec![[1.0, 0.0, 0.0], [-1.0, 0.0, 0.0]], thickness).collect();
    let long = if happens(0.5, rng) { 1.0 } else { uniform(1.1, 1.8, rng) };
    for (i, normal) in around(6, 0.0).into_iter().enumerate() {
        planes.push(Plane { normal, offset: if i % 2 == 0 { 1.0 } else { long } });
    }
    planes
}

/// Makes a crystal of an ideal shape: every facet moves by its own amount, further planes cut
/// corners off, and a substrate may cut through. `None` if nothing is left.
pub fn grown(mut planes: Vec<Plane>, recipe: &ShapeRecipe, rounding: f64, rng: &mut Rng) -> Option<Polyhedron> {
    let spread = recipe.perturbation.uniform(rng);
    for plane in &mut planes {
        plane.offset *= 1.0 + uniform(-spread, spread, rng);
    }
    let reach = Polyhedron::new(&planes, 0.0)?.reach();
    for _ in 0..recipe.truncations.integer(rng) {
        planes.push(Plane { normal: direction(false, rng), offset: reach * uniform(0.6, 0.9, rng) });
    }
    if happens(recipe.substrate, rng) {
        // Crystals mostly sit on one of their facets.
        let facet = planes[ParameterRange::new(0.0, planes.len() as f64 - 1.0).integer(rng)].normal;
        let normal = if happens(0.7, rng) { facet } else { direction(false, rng) };
        planes.push(Plane { normal, offset: uniform(-0.35, 0.6, rng) });
    }
    Polyhedron::new(&planes, rounding)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    /// Volume by counting cells of an n^3 grid over [-a, a]^3.
    fn volume(solid: &Polyhedron, a: f64) -> f64 {
        let n = 80;
        let at = |i: usize| a * ((2 * i + 1) as f64 / n as f64 - 1.0);
        let cells = (0..n * n * n).filter(|&i| solid.distance([at(i / n / n), at(i / n % n), at(i % n)]) < 0.0).count();
        cells as f64 * (2.0 * a / n as f64).powi(3)
    }

    fn wulff(kinds: &[([i32; 3], f64)]) -> Polyhedron {
        let planes: Vec<Plane> = kinds.iter().flat_map(|&(hkl, energy)| family(cubic(hkl), energy)).collect();
        Polyhedron::new(&planes, 0.0).unwrap()
    }

    #[test]
    fn ideal_shapes_have_their_facets_corners_and_volumes() {
        let root = 3f64.sqrt();
        let cases = [
            ("cube", wulff(&[([1, 0, 0], 1.0)]), 6, 8, 8.0),
            // Inner radius 1: corners at sqrt(3), volume 4/3 * sqrt(3)^3.
            ("octahedron", wulff(&[([1, 1, 1], 1.0)]), 8, 6, 4.0 / 3.0 * root.powi(3)),
            // Corners of the same octahedron cut where its edges are divided into thirds: 1/27 of
            // the volume a pair goes.
            ("truncated", wulff(&[([1, 1, 1], 1.0), ([1, 0, 0], root * 2.0 / 3.0)]), 14, 24, 8.0 / 9.0 * 4.0 * root),
            ("dodecahedron", wulff(&[([1, 1, 0], 1.0), ([1, 0, 0], 9.0)]), 12, 14, 4.0 * 2f64.sqrt()),
        ];
        for (name, solid, facets, corners, expected) in cases {
            assert_eq!(solid.facets(), facets, "{name}");
            assert_eq!(solid.vertices().len(), corners, "{name}");
            // Cells along the surface count or not: 80^2 cells a face, their errors mostly cancel.
            let found = volume(&solid, 1.8);
            assert!((found / expected - 1.0).abs() < 0.04, "{name}: {found} for {expected}");
        }
    }

    #[test]
    fn planes_are_as_many_as_the_lattice_says() {
        for (hkl, count) in [([1, 1, 1], 8), ([1, 0, 0], 6), ([1, 1, 0], 12), ([3, 1, 1], 24), ([2, 1, 1], 24)] {
            assert_eq!(cubic(hkl).len(), count);
        }
        assert_eq!(hcp(&mut Rng::seed_from_u64(1)).len(), 20);
    }

    #[test]
    fn rounding_wears_edges_but_not_faces() {
        let sharp = Polyhedron::new(&cube(), 0.0).unwrap();
        let round = Polyhedron::new(&cube(), 0.1).unwrap();
        // Neighbouring faces are ten roundings away: exp(-10).
        assert!((sharp.distance([1.0, 0.0, 0.0]) - round.distance([1.0, 0.0, 0.0])).abs() < 1e-4);
        // At a corner three planes are equally near.
        assert!((round.distance([1.0, 1.0, 1.0]) - 0.1 * 3f64.ln()).abs() < 1e-12);
    }
}
