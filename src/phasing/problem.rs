//! A pattern as the engine sees it: an interval for each Fourier modulus, and which pixels count in
//! which statistic.

use super::bound::Bounds;
use super::psf::{ProblemPsf, Psf};
use crate::error::{Error, Result};
use crate::pixels::{Class, Interval, Pattern};
use crate::volume::{Centered, Shape};
use rand::Rng;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// What a backend needs to phase one pattern. All arrays are C-ordered with zero frequency at index
/// 0.
#[derive(Debug, Clone)]
pub struct Problem {
    shape: Shape,
    /// Bounds of each pixel's modulus, square roots of photons. Measured pixels count in the R
    /// factor and the likelihood.
    pub bounds: Bounds,
    /// Index and measured intensity of the pixels that were held out: they constrain nothing and
    /// count in the free likelihood.
    pub held_out: Vec<(usize, f32)>,
    /// Whether the object is real: imaginary parts are dropped after every modulus projection.
    pub real: bool,
    /// Photons in the fitted, held-out and estimated pixels: the scale of the object.
    pub photons: f64,
    /// Blur of the intensities, while a recipe has it switched on.
    pub psf: Option<ProblemPsf>,
}

impl Problem {
    /// Makes the problem of this pattern, with the pixels where `held_out` is true kept for the
    /// free likelihood.
    ///
    /// The pattern of a real object is symmetric, `|F(q)| = |F(-q)|` (Friedel), so with `real` a
    /// gap takes the measurement of its mate as an estimate.
    ///
    /// # Errors
    /// If nothing measured is left.
    pub fn new(pattern: &Pattern, held_out: &Centered<bool>, real: bool) -> Result<Self> {
        let shape = pattern.shape();
        let mut bounds = Bounds::free(shape);
        let mut held = Vec::new();
        let (mut photons, mut fitted) = (0.0, false);
        for (index, at) in centred_indices(shape).enumerate() {
            let intensity = pattern.intensity.0[at];
            match (pattern.class(at), &pattern.estimate) {
                (Class::Measured, _) if held_out.0[at] => {
                    held.push((index, intensity));
                    photons += f64::from(intensity);
                }
                (Class::Measured, _) => {
                    photons += f64::from(intensity);
                    fitted = true;
                    bounds.set_measured(index, intensity.sqrt());
                }
                // A measurement is worth more than an estimate.
                (Class::Gap | Class::Estimated, _)
                    if real && pattern.mask.0[mate(shape, at)] == 0 && !held_out.0[mate(shape, at)] =>
                {
                    let intensity = pattern.intensity.0[mate(shape, at)];
                    photons += f64::from(intensity);
                    bounds.set_estimated(index, Interval::measured(intensity));
                }
                (Class::Estimated, Some(estimate)) => {
                    photons += f64::from(estimate.mean.0[at]);
                    bounds.set_estimated(index, Interval::between(estimate.lower.0[at], estimate.upper.0[at]));
                }
                _ => {}
            }
        }
        if photons <= 0.0 || !fitted {
            return Err(Error::Pattern("no measured photons are left to phase: check the mask".into()));
        }
        Ok(Problem { shape, bounds, held_out: held, real, photons, psf: None })
    }

    /// The same problem with intensities that are blurred by this kernel while a recipe has the PSF
    /// switched on.
    pub fn with_psf(self, first: Psf) -> Self {
        let psf = ProblemPsf::new(first, &self.bounds, self.shape);
        Problem { psf: Some(psf), ..self }
    }

    /// Extents `(z, y, x)`, pixels.
    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// Number of pixels.
    pub fn len(&self) -> usize {
        self.bounds.len()
    }

    /// Returns false: every pattern has pixels.
    pub fn is_empty(&self) -> bool {
        self.bounds.is_empty()
    }
}

/// Indices into a centred array, in the order in which a cornered one stores them.
fn centred_indices(shape: Shape) -> impl Iterator<Item = [usize; 3]> {
    let [nz, ny, nx] = shape;
    (0..nz).flat_map(move |z| {
        (0..ny).flat_map(move |y| (0..nx).map(move |x| [(z + nz / 2) % nz, (y + ny / 2) % ny, (x + nx / 2) % nx]))
    })
}

/// The pixel at `-q` of a centred array.
fn mate(shape: Shape, at: [usize; 3]) -> [usize; 3] {
    std::array::from_fn(|axis| (2 * (shape[axis] / 2) + shape[axis] - at[axis]) % shape[axis])
}

/// Draws the measured pixels to hold out for the free likelihood: islands of radius 3 until
/// `fraction` of the measured pixels is reached, none with its centre in the central ellipse that
/// holds 5 % of the array. Islands, because neighbouring pixels are correlated: a single free pixel
/// would be predicted by those around it. For a `real` object the mates are held out too, which
/// would predict them as well.
pub fn hold_out(pattern: &Pattern, fraction: f64, seed: u64, real: bool) -> Centered<bool> {
    const RADIUS: isize = 3;
    const CENTRAL: f64 = 0.05;
    let shape = pattern.shape();
    let mut held = Centered::filled(shape, false);
    let flat = shape[0] == 1;
    // Area pi/4 s^2 or volume pi/6 s^3 of an ellipse whose axes are the fraction s of the array's.
    let semi = if flat {
        (CENTRAL * 4.0 / std::f64::consts::PI).sqrt()
    } else {
        (CENTRAL * 6.0 / std::f64::consts::PI).cbrt()
    } / 2.0;
    let wanted = (pattern.totals().0 as f64 * fraction.clamp(0.0, 0.5)) as usize;
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut count = 0;
    // Bounded: a pattern measured nowhere but in its centre has no place for islands.
    for _ in 0..20 * (wanted + 1) {
        if count >= wanted {
            break;
        }
        let centre = shape.map(|n| rng.random_range(0..n));
        let distance: f64 = (0..3)
            .filter(|&axis| shape[axis] > 1)
            .map(|axis| ((centre[axis] as f64 - (shape[axis] / 2) as f64) / (semi * shape[axis] as f64)).powi(2))
            .sum();
        if distance < 1.0 || pattern.mask.0[centre] != 0 {
            continue;
        }
        let deep = if flat { 0 } else { RADIUS };
        for dz in -deep..=deep {
            for dy in -RADIUS..=RADIUS {
                for dx in -RADIUS..=RADIUS {
                    if dz * dz + dy * dy + dx * dx > RADIUS * RADIUS {
                        continue;
                    }
                    let at = [dz, dy, dx];
                    let at: Option<Vec<usize>> = (0..3)
                        .map(|axis| centre[axis].checked_add_signed(at[axis]).filter(|&i| i < shape[axis]))
                        .collect();
                    let Some(at) = at else { continue };
                    let at = [at[0], at[1], at[2]];
                    for at in [at, if real { mate(shape, at) } else { at }] {
                        if pattern.mask.0[at] == 0 && !held.0[at] {
                            held.0[at] = true;
                            count += 1;
                        }
                    }
                }
            }
        }
    }
    held
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::Geometry;
    use crate::phasing::bound::Bound;

    #[test]
    fn islands_are_measured_and_off_centre_and_as_many_as_asked() {
        let shape = [1, 128, 96];
        let mut mask = Centered::filled(shape, 0u32);
        mask.0.slice_mut(ndarray::s![.., 40..46, ..]).fill(crate::pixels::bit::MISSING);
        let pattern = Pattern::new(Centered::filled(shape, 2.0), mask, Geometry::default()).unwrap();
        let held = hold_out(&pattern, 0.05, 3, false);
        let count = held.as_slice().iter().filter(|&&h| h).count();
        let wanted = pattern.totals().0 as f64 * 0.05;
        assert!((count as f64) >= wanted.floor() && (count as f64) < wanted + 30.0, "{count} of {wanted}");
        assert!(!held.0[[0, 64, 48]]);
        assert!(held.0.indexed_iter().all(|(at, &h)| !h || pattern.mask.0[at] == 0));
        assert_eq!(held, hold_out(&pattern, 0.05, 3, false));
        let problem = Problem::new(&pattern, &held, false).unwrap();
        assert_eq!(problem.held_out.len(), count);
        let held = hold_out(&pattern, 0.05, 3, true);
        assert!(held.0.indexed_iter().all(|((z, y, x), &h)| {
            let other = mate(shape, [z, y, x]);
            !h || held.0[other] || pattern.mask.0[other] != 0
        }));
        // The gap's rows 40 to 45 take the measurement of rows 83 to 88, where those are not held
        // out.
        let real = Problem::new(&pattern, &held, true).unwrap();
        let bound = |p: &Problem| p.bounds.in_columns().iter().filter(|&&bound| bound != Bound::FREE).count();
        assert!(bound(&real) > bound(&problem) + 500);
        assert!((problem.photons - 2.0 * pattern.totals().0 as f64).abs() < 1e-6);
    }
}
