//! Unitary transforms of C-ordered arrays with zero frequency at index 0. A plain stand-in: one line at a time.

use crate::volume::Shape;
use num_complex::Complex32;
use rustfft::FftPlanner;
use std::sync::Arc;

/// Transforms of one shape.
pub struct Fft {
    shape: Shape,
    forward: Vec<Arc<dyn rustfft::Fft<f32>>>,
    inverse: Vec<Arc<dyn rustfft::Fft<f32>>>,
}

impl Fft {
    /// Plans the transforms of `shape`.
    pub fn new(shape: Shape) -> Self {
        let mut planner = FftPlanner::new();
        let forward = shape.iter().map(|&n| planner.plan_fft_forward(n)).collect();
        let inverse = shape.iter().map(|&n| planner.plan_fft_inverse(n)).collect();
        Fft { shape, forward, inverse }
    }

    /// Forward transform in place.
    pub fn forward(&self, data: &mut [Complex32]) {
        self.run(data, &self.forward);
    }

    /// Inverse transform in place.
    pub fn inverse(&self, data: &mut [Complex32]) {
        self.run(data, &self.inverse);
    }

    fn run(&self, data: &mut [Complex32], plans: &[Arc<dyn rustfft::Fft<f32>>]) {
        let total: usize = self.shape.iter().product();
        let mut stride = total;
        for (axis, plan) in plans.iter().enumerate() {
            let n = self.shape[axis];
            stride /= n;
            if n == 1 {
                continue;
            }
            let mut line = vec![Complex32::default(); n];
            for outer in (0..total).step_by(n * stride) {
                for start in outer..outer + stride {
                    for (i, value) in line.iter_mut().enumerate() {
                        *value = data[start + i * stride];
                    }
                    plan.process(&mut line);
                    for (i, value) in line.iter().enumerate() {
                        data[start + i * stride] = *value;
                    }
                }
            }
        }
        let scale = 1.0 / (total as f32).sqrt();
        data.iter_mut().for_each(|value| *value *= scale);
    }
}
