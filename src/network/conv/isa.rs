//! Instruction sets: which one a kernel runs with is chosen at run time, so one binary serves every
//! machine.

use std::sync::OnceLock;

use pulp::{Scalar256b, Simd, WithSimd};

/// Vector instruction set of a kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Isa {
    /// Sixteen lanes and 32 registers (x86-64-v4).
    Avx512,
    /// Eight lanes, fused multiply-add and 16 registers (x86-64-v3).
    Avx2,
    /// Eight lanes in plain Rust, which the compiler maps to what every processor of the target
    /// has.
    Portable,
}

impl Isa {
    /// Fastest instruction set of this processor.
    pub fn best() -> Self {
        static BEST: OnceLock<Isa> = OnceLock::new();
        *BEST.get_or_init(|| Self::available()[0])
    }

    /// Instruction sets of this processor, the fastest first.
    pub fn available() -> Vec<Self> {
        #[cfg(target_arch = "x86_64")]
        let wide = [pulp::x86::V4::try_new().map(|_| Self::Avx512), pulp::x86::V3::try_new().map(|_| Self::Avx2)];
        #[cfg(not(target_arch = "x86_64"))]
        let wide = [None, None];
        wide.into_iter().flatten().chain([Self::Portable]).collect()
    }

    /// Number of f32 values in one register.
    pub fn lanes(self) -> usize {
        match self {
            Self::Avx512 => 16,
            Self::Avx2 | Self::Portable => 8,
        }
    }

    /// Runs `kernel` with these instructions.
    #[inline]
    pub(super) fn run<K: WithSimd>(self, kernel: K) -> K::Output {
        #[cfg(target_arch = "x86_64")]
        match self {
            Self::Avx512 => {
                if let Some(simd) = pulp::x86::V4::try_new() {
                    return Simd::vectorize(simd, kernel);
                }
            }
            Self::Avx2 => {
                if let Some(simd) = pulp::x86::V3::try_new() {
                    return Simd::vectorize(simd, kernel);
                }
            }
            Self::Portable => {}
        }
        Simd::vectorize(Scalar256b, kernel)
    }
}
