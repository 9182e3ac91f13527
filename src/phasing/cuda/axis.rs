//! The transforms of one axis on a GPU, and the order in which their frequencies come out.
//!
//! The passes of `kernels/passes.cu` transform in place by decimation, so Fourier space is in
//! digit-reversed order along every axis. It is never put in order: what belongs to a frequency is
//! stored where the passes come to it.

use super::layout::layout;
use crate::volume::Shape;
use cudarc::driver::DeviceRepr;

/// The stages of the transform of one axis, as `Plan` in `kernels/passes.cu`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub struct AxisPlan {
    length: u32,
    stages: u32,
    radices: u64,
}

layout!(AxisPlan is 16: length at 0, stages at 4, radices at 8);

// SAFETY: plain numbers, laid out as asserted.
unsafe impl DeviceRepr for AxisPlan {}

impl AxisPlan {
    /// The plan of lines of this length, unless it is 1 or has a prime factor above 13.
    pub fn new(length: usize) -> Option<AxisPlan> {
        let radices = radices(length)?;
        let packed = radices.iter().rev().fold(0, |packed, &radix| packed << 4 | (radix as u64 - 1));
        Some(AxisPlan { length: length as u32, stages: radices.len() as u32, radices: packed })
    }

    /// Number of elements of a line.
    pub fn length(&self) -> usize {
        self.length as usize
    }

    fn radix(&self, stage: u32) -> usize {
        (self.radices >> (4 * stage) & 15) as usize + 1
    }

    /// The place at which each frequency comes out.
    pub fn places(&self) -> Vec<usize> {
        let mut places = vec![0; self.length()];
        for place in 0..self.length() {
            let (mut left, mut rest, mut step, mut frequency) = (self.length(), place, 1, 0);
            for stage in 0..self.stages {
                left /= self.radix(stage);
                frequency += step * (rest / left);
                rest %= left;
                step *= self.radix(stage);
            }
            places[frequency] = place;
        }
        places
    }

    /// `exp(-2 pi i k / length)` for all k.
    pub fn twiddles(&self) -> Vec<[f32; 2]> {
        let angle = |k: usize| -2.0 * std::f64::consts::PI * k as f64 / self.length() as f64;
        (0..self.length()).map(|k| [angle(k).cos() as f32, angle(k).sin() as f32]).collect()
    }
}

/// Few stages, large radices first: each stage is one exchange through shared memory.
fn radices(length: usize) -> Option<Vec<usize>> {
    let mut rest = length;
    let twos = rest.trailing_zeros() as usize;
    rest >>= twos;
    // Sixteens, and what is left as eights: 2^5 is 8 x 4 and 2^6 is 8 x 8, not 16 x 2 and 16 x 4.
    let mut radices = match twos % 4 {
        0 => vec![16; twos / 4],
        1 if twos >= 9 => [vec![16; twos / 4 - 2], vec![8; 3]].concat(),
        1 if twos == 5 => vec![8, 4],
        2 if twos >= 6 => [vec![16; twos / 4 - 1], vec![8; 2]].concat(),
        left => [vec![16; twos / 4], vec![1 << left]].concat(),
    };
    for prime in [13, 11, 7, 5, 3] {
        while rest.is_multiple_of(prime) && rest > 0 {
            radices.push(prime);
            rest /= prime;
        }
    }
    if length == 1 {
        return None;
    }
    (rest == 1 && radices.len() <= 16).then_some(radices)
}

/// The places of the pixels of an array in Fourier space.
#[derive(Debug)]
pub struct PixelOrder {
    axes: [Vec<usize>; 3],
}

impl PixelOrder {
    /// C order, as library transforms leave it.
    pub fn natural(shape: Shape) -> PixelOrder {
        PixelOrder { axes: shape.map(|n| (0..n).collect()) }
    }

    /// The order that passes with these plans leave. Axes of one pixel are not transformed.
    pub fn of_passes(shape: Shape, plans: &[Option<AxisPlan>; 3]) -> PixelOrder {
        PixelOrder {
            axes: std::array::from_fn(|axis| plans[axis].map_or((0..shape[axis]).collect(), |plan| plan.places())),
        }
    }

    /// The places of the frequencies of one axis.
    pub fn axis(&self, axis: usize) -> &[usize] {
        &self.axes[axis]
    }

    /// The place of the pixel with this number in C order.
    pub fn place(&self, index: usize) -> usize {
        let [z, y, x] = &self.axes;
        let (ny, nx) = (y.len(), x.len());
        (z[index / (ny * nx)] * ny + y[index / nx % ny]) * nx + x[index % nx]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_the_products_of_their_radices() {
        for length in 2..3000 {
            let smooth = [2, 3, 5, 7, 11, 13].iter().fold(length, |mut rest, prime| {
                while rest % prime == 0 {
                    rest /= prime;
                }
                rest
            }) == 1;
            let found = radices(length);
            assert_eq!(found.is_some(), smooth, "{length}");
            if let Some(found) = found {
                assert_eq!(found.iter().product::<usize>(), length, "{found:?}");
                let plan = AxisPlan::new(length).unwrap();
                assert!(found.iter().enumerate().all(|(stage, &radix)| plan.radix(stage as u32) == radix));
            }
        }
        assert_eq!(radices(1024), Some(vec![16, 8, 8]));
        assert_eq!(radices(512), Some(vec![8, 8, 8]));
        assert_eq!(radices(2048), Some(vec![16, 16, 8]));
    }

    #[test]
    fn every_frequency_has_its_place() {
        for length in [2, 6, 16, 96, 1024, 1001] {
            let mut places = AxisPlan::new(length).unwrap().places();
            assert_eq!(places[0], 0);
            places.sort_unstable();
            assert!(places.into_iter().eq(0..length));
        }
    }
}
