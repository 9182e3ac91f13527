//! Solids as implicit functions, and unions of them.

use super::frame::{Frame, Vector, dot, norm, sub};
use super::outline::PlanarShape;
use super::polyhedron::Polyhedron;
use num_complex::Complex64;

/// A solid around its origin, about one unit in radius.
#[derive(Debug, Clone, PartialEq)]
pub enum Solid {
    /// A facetted crystal, a convex polyhedron.
    Polyhedron(Polyhedron),
    /// `((|y/b|^p + |x/c|^p)^(q/p) + |z/a|^q)^(1/q) = 1` with powers `[q, p]` of at least 1: an
    /// ellipsoid for 2, boxy above, pointed below (A. H. Barr, IEEE Comput. Graph. Appl. 1, 11
    /// (1981)).
    Superellipsoid { radii: Vector, powers: [f64; 2] },
    /// A cylinder along z, its edges rounded by `rounding`; a capsule if that is the radius.
    Cylinder { radius: f64, half_length: f64, rounding: f64 },
    /// A planar shape, extruded along z; unbounded if there is no thickness.
    Extruded { shape: PlanarShape, half_thickness: Option<f64> },
    /// Several solids that may overlap; `neck` is how wide the joints between them are filled, 0
    /// for not at all.
    Union { components: Vec<Component>, neck: f64 },
}

/// A component of a union.
#[derive(Debug, Clone, PartialEq)]
pub struct Component {
    /// Solid in its own units.
    pub solid: Solid,
    /// Placement of the solid.
    pub frame: Frame,
    /// Radius of a sphere around it.
    pub reach: f64,
    /// Density relative to that of the other components.
    pub factor: Complex64,
}

impl Component {
    fn distance(&self, r: Vector) -> f64 {
        self.frame.scale * self.solid.distance(self.frame.local(r))
    }

    /// Whether the component is certainly farther than this.
    fn is_beyond(&self, r: Vector, distance: f64) -> bool {
        let offset = sub(r, self.frame.centre);
        let least = distance + self.reach;
        least < 0.0 || dot(offset, offset) > least * least
    }
}

impl Solid {
    /// Signed distance from the surface, negative inside; right near the surface.
    pub fn distance(&self, r: Vector) -> f64 {
        match self {
            Solid::Polyhedron(polyhedron) => polyhedron.distance(r),
            Solid::Superellipsoid { radii, powers } => superellipsoid(r, *radii, *powers),
            Solid::Cylinder { radius, half_length, rounding } => {
                let u = (r[1] * r[1] + r[2] * r[2]).sqrt() - radius + rounding;
                let v = r[0].abs() - half_length + rounding;
                u.max(0.0).hypot(v.max(0.0)) + u.max(v).min(0.0) - rounding
            }
            Solid::Extruded { shape, half_thickness } => {
                let outline = shape.distance([r[1], r[2]]);
                half_thickness.map_or(outline, |half| outline.max(r[0].abs() - half))
            }
            Solid::Union { components, neck } => components.iter().fold(f64::INFINITY, |nearest, component| {
                if component.is_beyond(r, nearest + neck) {
                    return nearest;
                }
                smooth_minimum(nearest, component.distance(r), *neck)
            }),
        }
    }

    /// The farthest that the surface can be from the origin, across z for what has no end along it.
    pub fn reach(&self) -> f64 {
        match self {
            Solid::Polyhedron(polyhedron) => polyhedron.reach(),
            Solid::Superellipsoid { radii, .. } => norm(*radii),
            Solid::Cylinder { radius, half_length, .. } => radius.hypot(*half_length),
            Solid::Extruded { shape, half_thickness } => shape.reach().hypot(half_thickness.unwrap_or(0.0)),
            Solid::Union { components, neck } => {
                let reaches = components.iter().map(|component| norm(component.frame.centre) + component.reach);
                reaches.fold(0.0, f64::max) + neck
            }
        }
    }

    /// Whether nothing varies along z.
    pub fn is_flat(&self) -> bool {
        matches!(self, Solid::Extruded { half_thickness: None, .. })
    }

    /// Number of facets of all components; 0 for round solids.
    pub fn facets(&self) -> usize {
        match self {
            Solid::Polyhedron(polyhedron) => polyhedron.facets(),
            Solid::Union { components, .. } => components.iter().map(|component| component.solid.facets()).sum(),
            _ => 0,
        }
    }

    /// Number of components; 1 for all but unions.
    pub fn components(&self) -> usize {
        if let Solid::Union { components, .. } = self { components.len() } else { 1 }
    }

    /// Relative density at a point: that of the component in which the point lies deepest.
    pub fn factor(&self, r: Vector) -> Complex64 {
        let Solid::Union { components, .. } = self else { return Complex64::ONE };
        let mut deepest = (f64::INFINITY, Complex64::ONE);
        for component in components {
            if !component.is_beyond(r, deepest.0) {
                let distance = component.distance(r);
                if distance < deepest.0 {
                    deepest = (distance, component.factor);
                }
            }
        }
        deepest.1
    }
}

/// The smaller of two, or less by up to `width / 4` where they are closer than `width`.
fn smooth_minimum(a: f64, b: f64, width: f64) -> f64 {
    let close = (width - (a - b).abs()).max(0.0);
    if close == 0.0 { a.min(b) } else { a.min(b) - close * close / (4.0 * width) }
}

/// `(F - 1) / |grad F|` of the defining function F, which grows linearly from the origin.
fn superellipsoid(r: Vector, radii: Vector, [q, p]: [f64; 2]) -> f64 {
    let [z, y, x] = [(r[0] / radii[0]).abs(), (r[1] / radii[1]).abs(), (r[2] / radii[2]).abs()];
    let across = power_norm(y, x, p);
    let all = power_norm(across, z, q);
    if all == 0.0 {
        return -radii.into_iter().fold(f64::INFINITY, f64::min);
    }
    let slope = |component: f64, whole: f64, power: f64| {
        if component > 0.0 { raise(component / whole, power - 1.0) } else { 0.0 }
    };
    let outer = slope(across, all, q);
    let gradient =
        [slope(z, all, q) / radii[0], outer * slope(y, across, p) / radii[1], outer * slope(x, across, p) / radii[2]];
    (all - 1.0) / norm(gradient)
}

/// `(a^p + b^p)^(1/p)`, without the powers where p is 2.
fn power_norm(a: f64, b: f64, p: f64) -> f64 {
    if p == 2.0 { (a * a + b * b).sqrt() } else { (a.powf(p) + b.powf(p)).powf(1.0 / p) }
}

/// `a^p`, without the power where p is 1.
fn raise(a: f64, p: f64) -> f64 {
    if p == 1.0 { a } else { a.powf(p) }
}

#[cfg(test)]
mod tests {
    use super::super::frame::{Rotation, add, scaled, unit};
    use super::super::{lattice, outline::Outline};
    use super::*;

    fn gradient(solid: &Solid, r: Vector) -> Vector {
        let h = 1e-6;
        std::array::from_fn(|axis| {
            let mut step = [0.0; 3];
            step[axis] = h;
            (solid.distance(add(r, step)) - solid.distance(sub(r, step))) / (2.0 * h)
        })
    }

    #[test]
    fn distances_have_their_sign_and_unit_slope_at_the_surface() {
        let component = |centre| Component {
            solid: Solid::Superellipsoid { radii: [1.0; 3], powers: [2.0; 2] },
            frame: Frame { rotation: Rotation::NONE, centre, scale: 0.5 },
            reach: 0.5,
            factor: Complex64::ONE,
        };
        let shape = PlanarShape { filled: vec![Outline::disc([0.0; 2], 0.8)], holes: vec![] };
        let solids = [
            Solid::Polyhedron(Polyhedron::new(&lattice::octahedron(), 0.0).unwrap()),
            Solid::Superellipsoid { radii: [1.0, 0.6, 0.4], powers: [2.0, 2.0] },
            Solid::Superellipsoid { radii: [1.0, 0.6, 0.4], powers: [4.0, 3.0] },
            Solid::Cylinder { radius: 0.4, half_length: 1.0, rounding: 0.1 },
            Solid::Extruded { shape, half_thickness: Some(0.3) },
            Solid::Union { components: vec![component([0.0, 0.0, -0.4]), component([0.0, 0.0, 0.4])], neck: 0.0 },
        ];
        for solid in solids {
            assert!(solid.distance([0.0; 3]) < 0.0, "{solid:?}");
            for towards in [[0.1, 0.2, 1.0], [1.0, 0.1, -0.2], [-0.1, 1.0, 0.15], [0.5, -0.4, 0.6]] {
                let towards = unit(towards);
                assert!(solid.distance(scaled(towards, solid.reach() * 1.01)) > 0.0, "{solid:?}");
                let (mut inside, mut outside) = (0.0, 2.0);
                for _ in 0..60 {
                    let middle = 0.5 * (inside + outside);
                    if solid.distance(scaled(towards, middle)) < 0.0 { inside = middle } else { outside = middle }
                }
                // A difference quotient over 1e-6, away from edges.
                let slope = norm(gradient(&solid, scaled(towards, inside)));
                assert!((slope - 1.0).abs() < 1e-3, "{solid:?}: {slope}");
            }
        }
    }

    #[test]
    fn necks_fill_joints_and_nothing_else() {
        assert_eq!(smooth_minimum(0.1, 0.5, 0.2), 0.1);
        assert_eq!(smooth_minimum(0.1, 0.5, 0.0), 0.1);
        // Rounding: 0.3 - 0.2 / 4.
        assert!((smooth_minimum(0.3, 0.3, 0.2) - 0.25).abs() < 1e-15);
    }
}
