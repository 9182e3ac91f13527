//! Stand-in for the transforms of the same interface; replaced at merge.

use crate::volume::Shape;
use num_complex::Complex32;
use rustfft::FftPlanner;

/// Unitary transform of C-ordered `(z, y, x)` arrays.
pub struct Fft {
    shape: Shape,
}

impl Fft {
    /// A plan for arrays of `shape`.
    pub fn new(shape: Shape) -> Self {
        Fft { shape }
    }

    /// In place, towards frequencies.
    pub fn forward(&self, data: &mut [Complex32]) {
        self.process(data, true);
    }

    /// In place, back.
    pub fn inverse(&self, data: &mut [Complex32]) {
        self.process(data, false);
    }

    fn process(&self, data: &mut [Complex32], forward: bool) {
        let mut planner = FftPlanner::new();
        let total = data.len();
        let mut stride = 1;
        for axis in (0..3).rev() {
            let n = self.shape[axis];
            let plan = if forward { planner.plan_fft_forward(n) } else { planner.plan_fft_inverse(n) };
            let mut line = vec![Complex32::default(); n];
            for start in (0..total).filter(|i| i / stride % n == 0) {
                for (j, value) in line.iter_mut().enumerate() {
                    *value = data[start + j * stride];
                }
                plan.process(&mut line);
                for (j, value) in line.iter().enumerate() {
                    data[start + j * stride] = *value;
                }
            }
            stride *= n;
        }
        let norm = 1.0 / (total as f32).sqrt();
        data.iter_mut().for_each(|value| *value *= norm);
    }
}
