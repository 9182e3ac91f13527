//! What the noise of counts does to an object.

use crate::pixels::Pattern;

/// Energy that the noise of the counts adds to an object, as a fraction of the pattern's photons.
///
/// Every modulus is pulled to `sqrt(n)`, `n` being counted where `m` was expected. The mean of
/// `(sqrt(n) - sqrt(m))^2` is 1/4 for many counts and `2 m` for few; nothing of this energy knows the
/// support, so the part outside it is that of the array's. At 10^4 photons even the true object has a
/// tenth of its energy there.
pub fn fraction(pattern: &Pattern) -> f64 {
    let shape = pattern.shape();
    let (mut photons, mut energy) = (0.0, 0.0);
    let measured = |at: [usize; 3]| (pattern.mask.0[at] == 0).then(|| f64::from(pattern.intensity.0[at]));
    for (at, _) in pattern.mask.0.indexed_iter().filter(|(_, mask)| **mask == 0) {
        let at: [usize; 3] = at.into();
        photons += f64::from(pattern.intensity.0[at]);
        energy += noise(expected(at, shape, &measured));
    }
    if photons > 0.0 { energy / photons } else { 0.0 }
}

/// What a pixel is expected to count: the mean of it and of its neighbours two pixels around in the
/// plane of the detector.
fn expected(at: [usize; 3], shape: [usize; 3], measured: &dyn Fn([usize; 3]) -> Option<f64>) -> f64 {
    let near = |i: usize, n: usize| i.saturating_sub(2)..(i + 3).min(n);
    let (mut sum, mut count) = (0.0, 0.0);
    for y in near(at[1], shape[1]) {
        for x in near(at[2], shape[2]) {
            if let Some(value) = measured([at[0], y, x]) {
                sum += value;
                count += 1.0;
            }
        }
    }
    if count > 0.0 { sum / count } else { 0.0 }
}

/// Mean of `(sqrt(n) - sqrt(m))^2` over Poisson counts `n` of mean `m`.
fn noise(mean: f64) -> f64 {
    // The limit of many counts, 1/4, is reached to a percent.
    if mean > 30.0 {
        return 0.25;
    }
    let (mut probability, mut root) = ((-mean).exp(), 0.0);
    for n in 1..100 {
        probability *= mean / f64::from(n);
        root += probability * f64::from(n).sqrt();
    }
    2.0 * mean - 2.0 * mean.sqrt() * root
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::Geometry;
    use crate::volume::Centered;

    #[test]
    fn moduli_of_few_counts_are_off_by_all_they_are() {
        assert_eq!(noise(0.0), 0.0);
        assert!((noise(1e-3) / 2e-3 - 1.0).abs() < 0.05);
        // 1/4 (1 + 3/(8 m)): M. S. Bartlett, Supplement J. R. Stat. Soc. 3, 68 (1936), next order.
        assert!((noise(29.0) - 0.25).abs() < 0.01, "{}", noise(29.0));
    }

    #[test]
    fn the_fraction_falls_with_the_counts() {
        let at = |level: f32| {
            let pattern = Pattern::new(
                Centered::filled([1, 16, 16], level),
                Centered::filled([1, 16, 16], 0),
                Geometry::default(),
            );
            fraction(&pattern.unwrap())
        };
        assert!((at(100.0) - 0.0025).abs() < 1e-4);
        assert!(at(1.0) > 0.3);
    }
}
