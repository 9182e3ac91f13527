//! Activations and their derivatives, free of branches and calls so that the compiler turns them
//! into vectors.

/// Activation function after a normalisation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Activation {
    /// Identity: no activation.
    #[default]
    Identity,
    /// Rectified linear unit, `max(z, 0)`.
    Relu,
    /// Sigmoid linear unit, `z / (1 + exp(-z))`.
    Silu,
    /// Gaussian error linear unit, `z (1 + erf(z / sqrt 2)) / 2`.
    Gelu,
}

/// A function of one value, and its derivative.
pub(super) trait Function: Copy {
    fn value(self, z: f32) -> f32;
    fn derivative(self, z: f32) -> f32;
}

#[derive(Clone, Copy)]
pub(super) struct Identity;
#[derive(Clone, Copy)]
pub(super) struct Relu;
/// The next two fuse multiplications and additions, or not: where the processor cannot, fused ones
/// are function calls.
#[derive(Clone, Copy)]
pub(super) struct Silu<const FUSED: bool>;
#[derive(Clone, Copy)]
pub(super) struct Gelu<const FUSED: bool>;

impl Function for Identity {
    #[inline(always)]
    fn value(self, z: f32) -> f32 {
        z
    }

    #[inline(always)]
    fn derivative(self, _: f32) -> f32 {
        1.0
    }
}

impl Function for Relu {
    #[inline(always)]
    fn value(self, z: f32) -> f32 {
        z.max(0.0)
    }

    #[inline(always)]
    fn derivative(self, z: f32) -> f32 {
        if z > 0.0 { 1.0 } else { 0.0 }
    }
}

impl<const FUSED: bool> Function for Silu<FUSED> {
    #[inline(always)]
    fn value(self, z: f32) -> f32 {
        z / (1.0 + exp::<FUSED>(-z))
    }

    #[inline(always)]
    fn derivative(self, z: f32) -> f32 {
        let sigmoid = 1.0 / (1.0 + exp::<FUSED>(-z));
        sigmoid * (1.0 + z * (1.0 - sigmoid))
    }
}

impl<const FUSED: bool> Function for Gelu<FUSED> {
    #[inline(always)]
    fn value(self, z: f32) -> f32 {
        z * normal::<FUSED>(z).0
    }

    #[inline(always)]
    fn derivative(self, z: f32) -> f32 {
        let (cumulative, density) = normal::<FUSED>(z);
        cumulative + z * density
    }
}

/// `exp(x)` to 2 in the last place: 2 to the nearest integer, times a polynomial for the rest.
#[inline(always)]
fn exp<const FUSED: bool>(x: f32) -> f32 {
    // Adding this rounds to an integer and leaves it in the low bits.
    const ROUND: f32 = 12_582_912.0;
    const LN2_HIGH: f32 = 0.693_359_4;
    const LN2_LOW: f32 = -2.121_944_4e-4;
    let x = x.clamp(-87.0, 88.0);
    let rounded = add_product::<FUSED>(ROUND, x, std::f32::consts::LOG2_E);
    let n = rounded - ROUND;
    let r = add_product::<FUSED>(add_product::<FUSED>(x, n, -LN2_HIGH), n, -LN2_LOW);
    let p = polynomial::<FUSED, 7>(r, [1.0, 1.0, 0.5, 1.666_666_5e-1, 4.166_579_6e-2, 8.333_452e-3, 1.398_2e-3]);
    p * f32::from_bits(rounded.to_bits().wrapping_sub(ROUND.to_bits()).wrapping_add(127) << 23)
}

/// Cumulative distribution and density of the normal distribution, to 1e-7 (Abramowitz and Stegun
/// 7.1.26).
#[inline(always)]
fn normal<const FUSED: bool>(z: f32) -> (f32, f32) {
    const INV_SQRT_TAU: f32 = 0.398_942_3;
    let gauss = exp::<FUSED>(-0.5 * z * z);
    let t = 1.0 / add_product::<FUSED>(1.0, 0.327_591_1 * std::f32::consts::FRAC_1_SQRT_2, z.abs());
    let p = polynomial::<FUSED, 5>(t, [0.254_829_6, -0.284_496_74, 1.421_413_7, -1.453_152, 1.061_405_4]);
    let tail = 0.5 * t * p * gauss;
    (if z < 0.0 { tail } else { 1.0 - tail }, INV_SQRT_TAU * gauss)
}

/// `a + b c`.
#[inline(always)]
fn add_product<const FUSED: bool>(a: f32, b: f32, c: f32) -> f32 {
    if FUSED { b.mul_add(c, a) } else { a + b * c }
}

/// Value of a polynomial, its lowest coefficient first.
#[inline(always)]
fn polynomial<const FUSED: bool, const N: usize>(x: f32, coefficients: [f32; N]) -> f32 {
    let mut sum = coefficients[N - 1];
    for i in (0..N - 1).rev() {
        sum = add_product::<FUSED>(coefficients[i], sum, x);
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    fn points() -> impl Iterator<Item = f32> {
        (-2000..=2000).map(|i| i as f32 * 0.01)
    }

    #[test]
    fn exp_agrees_with_the_library() {
        for x in points().map(|x| 4.0 * x) {
            // Two units in the last place.
            for ours in [exp::<false>(x), exp::<true>(x)] {
                assert!((ours / x.exp() - 1.0).abs() < 2.4e-7, "{x}: {ours} {}", x.exp());
            }
        }
    }

    #[test]
    fn derivatives_agree_with_differences() {
        // Central differences in f32 with this step lose half of the digits.
        let check = |value: &dyn Fn(f32) -> f32, derivative: &dyn Fn(f32) -> f32| {
            for z in points().filter(|z| z.abs() < 8.0 && z.abs() > 0.02) {
                let slope = (value(z + 0.01) - value(z - 0.01)) / 0.02;
                assert!((slope - derivative(z)).abs() < 2e-3, "{z}: {slope} {}", derivative(z));
            }
        };
        check(&|z| Identity.value(z), &|z| Identity.derivative(z));
        check(&|z| Relu.value(z), &|z| Relu.derivative(z));
        check(&|z| Silu::<false>.value(z), &|z| Silu::<false>.derivative(z));
        check(&|z| Gelu::<false>.value(z), &|z| Gelu::<false>.derivative(z));
        check(&|z| Gelu::<true>.value(z), &|z| Gelu::<true>.derivative(z));
    }
}
