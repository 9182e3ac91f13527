//! Peak arithmetic rate of the processor: the yardstick of the kernels.

use std::time::Instant;

use pulp::{Simd, WithSimd};

use super::isa::Isa;

/// Independent sums: latency times the number of units of any processor there is, and few enough
/// for 16 registers.
const SUMS: usize = 12;
/// Repetitions between two looks at the clock.
const REPEATS: usize = 20_000;

struct Burst(f32);

impl WithSimd for Burst {
    type Output = f32;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> f32 {
        let (factor, offset) = (simd.splat_f32s(self.0), simd.splat_f32s(1.0 - self.0));
        let mut sums = [simd.splat_f32s(1.0); SUMS];
        for _ in 0..REPEATS {
            for sum in &mut sums {
                *sum = simd.mul_add_e_f32s(*sum, factor, offset);
            }
        }
        let total = sums.into_iter().fold(simd.splat_f32s(0.0), |a, b| simd.add_f32s(a, b));
        simd.reduce_sum_f32s(total)
    }
}

/// Peak rate of this thread in fused multiply-adds, floating-point operations per second (two for
/// each), the best of several bursts.
pub fn peak_flops(isa: Isa) -> f64 {
    let flops = (2 * SUMS * REPEATS * isa.lanes()) as f64;
    let burst = || {
        let start = Instant::now();
        // Not a constant, or the loop would be computed by the compiler.
        let sum = isa.run(Burst(std::hint::black_box(0.999)));
        std::hint::black_box(sum);
        flops / start.elapsed().as_secs_f64()
    };
    (0..50).map(|_| burst()).fold(0.0, f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bursts_compute_what_they_say() {
        for isa in Isa::available() {
            // x -> f x + (1 - f) keeps 1.
            let sum = isa.run(Burst(0.5));
            assert!((sum - (SUMS * isa.lanes()) as f32).abs() < 1e-3, "{isa:?}: {sum}");
            assert!(peak_flops(isa) > 0.0);
        }
    }
}
