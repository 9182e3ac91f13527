//! Outlines in the plane, for what is flat or extruded: polygons, blobs, bars, rings and Siemens
//! stars.

use std::f64::consts::TAU;

/// A point of the plane, (y, x).
pub type Point = [f64; 2];

/// An outline in the plane.
#[derive(Debug, Clone, PartialEq)]
pub enum Outline {
    /// `radius * (1 + sum(a_k cos(k theta) + b_k sin(k theta)))` around a centre, k from 1.
    Blob { centre: Point, radius: f64, harmonics: Vec<[f64; 2]> },
    /// Corners in order around the inside.
    Polygon(Vec<Point>),
    /// A rectangle: half its length along `along` (a unit vector), half its width across; corners
    /// rounded by `corner`.
    Bar { centre: Point, along: Point, half: [f64; 2], corner: f64 },
    /// Ring within `half_width` of a circle; a disc if the circle's radius is 0.
    Ring { centre: Point, radius: f64, half_width: f64 },
    /// Spokes that are as wide as the space between them, between two radii, with circular gaps
    /// (from, to).
    Star { centre: Point, spokes: usize, inner: f64, outer: f64, gaps: Vec<[f64; 2]> },
}

impl Outline {
    /// Outline of a disc.
    pub fn disc(centre: Point, radius: f64) -> Outline {
        Outline::Ring { centre, radius: 0.0, half_width: radius }
    }

    /// Signed distance from the outline, negative inside; right near it.
    pub fn distance(&self, r: Point) -> f64 {
        match self {
            Outline::Blob { centre, radius, harmonics } => blob(away(r, *centre), *radius, harmonics),
            Outline::Polygon(corners) => polygon(r, corners),
            Outline::Bar { centre, along, half, corner } => {
                let [y, x] = away(r, *centre);
                let u = (y * along[0] + x * along[1]).abs() - half[0] + corner;
                let v = (x * along[0] - y * along[1]).abs() - half[1] + corner;
                (u.max(0.0).powi(2) + v.max(0.0).powi(2)).sqrt() + u.max(v).min(0.0) - corner
            }
            Outline::Ring { centre, radius, half_width } => {
                let [y, x] = away(r, *centre);
                ((y * y + x * x).sqrt() - radius).abs() - half_width
            }
            Outline::Star { centre, spokes, inner, outer, gaps } => {
                let [y, x] = away(r, *centre);
                let rho = (y * y + x * x).sqrt();
                let period = TAU / *spokes as f64;
                let theta = y.atan2(x) / period;
                let spoke = rho * (period * ((theta - theta.round()).abs() - 0.25)).sin();
                let ends = spoke.max(rho - outer).max(inner - rho);
                gaps.iter().fold(ends, |d, &[from, to]| d.max((to - from) / 2.0 - (rho - (from + to) / 2.0).abs()))
            }
        }
    }

    /// The farthest that the outline can be from the origin.
    pub fn reach(&self) -> f64 {
        let length = |point: &Point| point[0].hypot(point[1]);
        match self {
            Outline::Blob { centre, radius, harmonics } => {
                length(centre) + radius * (1.0 + harmonics.iter().map(length).sum::<f64>())
            }
            Outline::Polygon(corners) => corners.iter().map(length).fold(0.0, f64::max),
            Outline::Bar { centre, half, .. } => length(centre) + length(half),
            Outline::Ring { centre, radius, half_width } => length(centre) + radius + half_width,
            Outline::Star { centre, outer, .. } => length(centre) + outer,
        }
    }
}

fn away(r: Point, centre: Point) -> Point {
    [r[0] - centre[0], r[1] - centre[1]]
}

/// The radial distance over the slope of the outline. Harmonics by powers of exp(i theta): no angle
/// is needed.
fn blob([y, x]: Point, radius: f64, harmonics: &[[f64; 2]]) -> f64 {
    let rho = (y * y + x * x).sqrt();
    let [cos, sin] = if rho > 0.0 { [x / rho, y / rho] } else { [1.0, 0.0] };
    let ([mut c, mut s], mut outline, mut slope) = ([1.0, 0.0], 1.0, 0.0);
    for (k, [a, b]) in harmonics.iter().enumerate() {
        [c, s] = [c * cos - s * sin, s * cos + c * sin];
        outline += a * c + b * s;
        slope += (k + 1) as f64 * (b * c - a * s);
    }
    (rho - radius * outline) / (slope / outline.max(0.1)).hypot(1.0)
}

/// Distance from the nearest edge; the sign from how often a ray crosses the edges.
fn polygon([y, x]: Point, corners: &[Point]) -> f64 {
    let mut nearest = f64::INFINITY;
    let mut inside = false;
    let mut previous = corners[corners.len() - 1];
    for &corner in corners {
        let edge = away(corner, previous);
        let from = away([y, x], previous);
        let t = (from[0] * edge[0] + from[1] * edge[1]) / (edge[0] * edge[0] + edge[1] * edge[1]);
        let t = t.clamp(0.0, 1.0);
        let gap = [from[0] - t * edge[0], from[1] - t * edge[1]];
        nearest = nearest.min(gap[0] * gap[0] + gap[1] * gap[1]);
        if (previous[0] > y) != (corner[0] > y) && x < previous[1] + from[0] / edge[0] * edge[1] {
            inside = !inside;
        }
        previous = corner;
    }
    if inside { -nearest.sqrt() } else { nearest.sqrt() }
}

/// A union of outlines with others cut out of it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PlanarShape {
    /// Outlines of what is filled.
    pub filled: Vec<Outline>,
    /// Outlines of what is cut out.
    pub holes: Vec<Outline>,
}

impl PlanarShape {
    /// Signed distance, negative inside.
    pub fn distance(&self, r: Point) -> f64 {
        let filled = self.filled.iter().map(|outline| outline.distance(r)).fold(f64::INFINITY, f64::min);
        self.holes.iter().map(|hole| -hole.distance(r)).fold(filled, f64::max)
    }

    /// The farthest that it can be from the origin.
    pub fn reach(&self) -> f64 {
        self.filled.iter().map(Outline::reach).fold(0.0, f64::max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_signed_and_have_unit_slope_at_the_edge() {
        let square = vec![[-0.5, -0.5], [-0.5, 0.5], [0.5, 0.5], [0.5, -0.5]];
        let cases = [
            (Outline::Polygon(square), [0.0, 0.0], [0.5, 0.1]),
            (Outline::disc([0.1, 0.0], 0.4), [0.1, 0.0], [0.5, 0.0]),
            (
                Outline::Bar { centre: [0.0, 0.0], along: [0.6, 0.8], half: [0.8, 0.1], corner: 0.0 },
                [0.3, 0.4],
                [0.48, 0.64],
            ),
            (
                Outline::Blob { centre: [0.0; 2], radius: 0.5, harmonics: vec![[0.0; 2], [0.2, 0.0]] },
                [0.2, 0.3],
                [0.0, 0.6],
            ),
            (Outline::Ring { centre: [0.0; 2], radius: 0.7, half_width: 0.1 }, [0.7, 0.0], [0.0, 0.6]),
            (
                Outline::Star { centre: [0.0; 2], spokes: 12, inner: 0.1, outer: 0.9, gaps: vec![[0.4, 0.5]] },
                [0.0, 0.7],
                [0.0, 0.5],
            ),
        ];
        for (outline, inside, edge) in cases {
            assert!(outline.distance(inside) < -0.03, "{outline:?}");
            // Rounding only: the edge point is exact.
            assert!(outline.distance(edge).abs() < 1e-12, "{outline:?}");
            let h = 1e-6;
            let slope = |axis: usize| {
                let [mut a, mut b] = [edge; 2];
                a[axis] += h;
                b[axis] -= h;
                (outline.distance(a) - outline.distance(b)) / (2.0 * h)
            };
            // A difference quotient over 1e-6 at a point that may be off by rounding.
            assert!((slope(0).hypot(slope(1)) - 1.0).abs() < 1e-4, "{outline:?}");
            assert!(outline.distance([1.2, 1.2]) > 0.0, "{outline:?}");
            assert!(outline.reach() >= edge[0].hypot(edge[1]) - 1e-12, "{outline:?}");
        }
    }

    #[test]
    fn holes_are_cut_out() {
        let shape =
            PlanarShape { filled: vec![Outline::disc([0.0; 2], 1.0)], holes: vec![Outline::disc([0.5, 0.0], 0.2)] };
        assert!(shape.distance([0.5, 0.0]) > 0.19);
        assert!(shape.distance([-0.5, 0.0]) < -0.4);
    }
}
