//! Chebyshev coefficients, for eigenvalues from 0 to 1, of polynomials that keep some and not others.

/// Eigenvalue from which on a mode is called hidden: the gap has more of its energy than what was
/// measured.
pub const HIDDEN: f64 = 0.5;

/// Terms of the polynomial that is 1 above a threshold and 0 below.
const STEP: usize = 48;

/// Coefficients of the polynomial that is almost 1 for eigenvalues above `at` and almost 0 below,
/// rising over about 0.03 (Chebyshev expansion of the step, damped as D. Jackson did: A. Weisse et
/// al., Rev. Mod. Phys. 78, 275 (2006), II.C).
pub fn step(at: f64) -> Vec<f64> {
    let angle = (2.0 * at - 1.0).acos();
    let count = STEP as f64 + 1.0;
    let pi = std::f64::consts::PI;
    let damped = |k: usize| {
        let (k, turn) = (k as f64, pi / count);
        ((count - k) * (k * turn).cos() + (k * turn).sin() / turn.tan()) / count
    };
    let of = |k: usize| match k {
        0 => angle / pi,
        k => 2.0 * (k as f64 * angle).sin() / (k as f64 * pi),
    };
    (0..STEP).map(|k| damped(k) * of(k)).collect()
}

/// Chebyshev coefficients, on 0 to 1, of the polynomial that stays within -1 and 1 up to `end` and
/// rises as steeply as possible above.
pub fn rising(end: f64, degree: usize) -> Vec<f64> {
    // T_d(2 x / end - 1), sampled where Chebyshev's polynomials are orthogonal.
    let points = degree + 1;
    let angle = |j: usize| std::f64::consts::PI * (j as f64 + 0.5) / points as f64;
    let value = |j: usize| {
        let x = (1.0 + angle(j).cos()) / 2.0;
        let t = 2.0 * x / end - 1.0;
        let (mut before, mut last) = (1.0, t);
        for _ in 1..degree {
            (before, last) = (last, 2.0 * t * last - before);
        }
        last
    };
    let coefficient = |k: usize| {
        let sum: f64 = (0..points).map(|j| value(j) * (k as f64 * angle(j)).cos()).sum();
        sum * if k == 0 { 1.0 } else { 2.0 } / points as f64
    };
    (0..points).map(coefficient).collect()
}
