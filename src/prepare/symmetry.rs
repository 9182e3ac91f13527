//! Friedel symmetry, `I(q) = I(-q)`: for every point of the detector, how symmetric the pattern is
//! about it.

use crate::fft::Fft;
use crate::volume::Centered;
use ndarray::Array2;
use num_complex::Complex32;

/// Longest side of the plane on which [`coarse`] looks for symmetry, pixels.
const COARSE: usize = 256;

/// Sums over the pairs of pixels across every point of a detector plane.
///
/// For every point `c` at once: the normalised correlation of log intensities at `c + q` and
/// `c - q` over the pairs that were both measured. The sums over pairs are self-convolutions at
/// `2 c` (masked normalised correlation, Padfield, IEEE Trans. Image Process. 21, 2706 (2012), with
/// the mirrored image as the template).
pub(super) struct SymmetryMap {
    /// Rows and columns of the plane.
    extents: [usize; 2],
    /// Detector pixels along a side of one pixel of the plane.
    bin: usize,
    pairs: Vec<f64>,
    correlation: Vec<f64>,
    most_pairs: f64,
}

impl SymmetryMap {
    /// The map of a plane of summed intensities, each from `weight` measured pixels.
    fn new(mut image: Array2<f32>, mut weight: Array2<f32>, bin: usize) -> Self {
        let (ny, nx) = image.dim();
        image.zip_mut_with(&weight, |value, &weight| {
            *value = if weight > 0.0 { (*value / weight).ln_1p() } else { 0.0 };
        });
        weight.mapv_inplace(|weight| if weight > 0.0 { 1.0 } else { 0.0 });
        // Without its mean the sums below differ less from their squares: fewer digits are lost in
        // f32.
        let mean = image.sum() / weight.sum().max(1.0);
        image.zip_mut_with(&weight, |value, &weight| *value = (*value - mean) * weight);

        let plan = Fft::new([1, 2 * ny, 2 * nx]);
        let transform = |array: &Array2<f32>| {
            let mut data = vec![Complex32::default(); 4 * ny * nx];
            for ((y, x), &value) in array.indexed_iter() {
                data[y * 2 * nx + x] = Complex32::new(value, 0.0);
            }
            plan.forward(&mut data);
            data
        };
        let (one, first, second) =
            (transform(&weight), transform(&image), transform(&image.mapv(|value| value * value)));
        // Unitary transforms leave the square root of the number of elements to the convolution
        // theorem.
        let scale = (4.0 * (ny * nx) as f64).sqrt();
        let convolve = |a: &[Complex32], b: &[Complex32]| -> Vec<f64> {
            let mut product: Vec<Complex32> = a.iter().zip(b).map(|(a, b)| a * b).collect();
            plan.inverse(&mut product);
            let at = |(y, x): (usize, usize)| f64::from(product[2 * y * 2 * nx + 2 * x].re) * scale;
            (0..ny).flat_map(|y| (0..nx).map(move |x| (y, x))).map(at).collect()
        };
        let pairs = convolve(&one, &one);
        let (sums, squares, products) = (convolve(&one, &first), convolve(&one, &second), convolve(&first, &first));
        let correlation = (0..ny * nx).map(|i| correlation(pairs[i], sums[i], squares[i], products[i])).collect();
        let most_pairs = pairs.iter().copied().fold(0.0, f64::max);
        SymmetryMap { extents: [ny, nx], bin, pairs, correlation, most_pairs }
    }

    /// The detector pixel `(y, x)` about which the pattern is most symmetric, and the correlation
    /// there. Points with few pairs say little, and do not count.
    pub(super) fn best(&self) -> ([usize; 2], f64) {
        let [ny, nx] = self.extents;
        let mut best = ([ny / 2, nx / 2], f64::NEG_INFINITY);
        for (i, &symmetry) in self.correlation.iter().enumerate() {
            if self.pairs[i] > 0.3 * self.most_pairs && symmetry > best.1 {
                best = ([i / nx, i % nx], symmetry);
            }
        }
        (best.0.map(|i| i * self.bin + self.bin / 2), best.1)
    }

    /// The correlation about a detector pixel, times the fraction of all pairs that it is from:
    /// what is compact is symmetric about itself, but explains little of the pattern.
    pub(super) fn score(&self, [y, x]: [usize; 2]) -> f64 {
        let [ny, nx] = self.extents;
        let i = (y / self.bin).min(ny - 1) * nx + (x / self.bin).min(nx - 1);
        self.correlation[i] * self.pairs[i] / self.most_pairs.max(1.0)
    }

    /// The highest score within `half` detector pixels `(y, x)` of a pixel.
    pub(super) fn score_near(&self, [y, x]: [usize; 2], half: [usize; 2]) -> f64 {
        let rows = (y.saturating_sub(half[0])..=y + half[0]).step_by(self.bin);
        let points =
            rows.flat_map(|y| (x.saturating_sub(half[1])..=x + half[1]).step_by(self.bin).map(move |x| [y, x]));
        points.map(|point| self.score(point)).fold(f64::NEG_INFINITY, f64::max)
    }
}

/// The sum of all frames, and the number of measured pixels in it.
fn plane(intensity: &Centered<f32>, measured: &Centered<bool>) -> (Array2<f32>, Array2<f32>) {
    let [_, ny, nx] = intensity.shape();
    let mut weight = Array2::<f32>::zeros((ny, nx));
    let mut image = Array2::<f32>::zeros((ny, nx));
    for (frame, measured) in intensity.0.outer_iter().zip(measured.0.outer_iter()) {
        ndarray::Zip::from(&mut image).and(&mut weight).and(&frame).and(&measured).for_each(
            |image, weight, &value, &measured| {
                if measured {
                    *image += value;
                    *weight += 1.0;
                }
            },
        );
    }
    (image, weight)
}

/// The symmetry of the summed frames, binned to a plane that is quickly transformed.
pub(super) fn coarse(intensity: &Centered<f32>, measured: &Centered<bool>) -> SymmetryMap {
    let (image, weight) = plane(intensity, measured);
    let (ny, nx) = image.dim();
    let bin = ny.max(nx).div_ceil(COARSE);
    let binned = |array: &Array2<f32>| {
        Array2::from_shape_fn((ny.div_ceil(bin), nx.div_ceil(bin)), |(y, x)| {
            let end = |i: usize, n: usize| ((i + 1) * bin).min(n);
            array.slice(ndarray::s![y * bin..end(y, ny), x * bin..end(x, nx)]).sum()
        })
    };
    SymmetryMap::new(binned(&image), binned(&weight), bin)
}

/// The detector pixel `(y, x)` of highest symmetry and the correlation there, found on a coarse
/// plane and computed on the whole one: bins are no mates of each other where the centre is beside
/// a bin's middle.
pub(super) fn most_symmetric(intensity: &Centered<f32>, measured: &Centered<bool>) -> ([usize; 2], f64) {
    let map = coarse(intensity, measured);
    let ([y, x], symmetry) = map.best();
    if map.bin == 1 {
        return ([y, x], symmetry);
    }
    let (image, weight) = plane(intensity, measured);
    let (ny, nx) = image.dim();
    let log = |at: [usize; 2]| (weight[at] > 0.0).then(|| f64::from((image[at] / weight[at]).ln_1p()));
    let about = |[cy, cx]: [usize; 2]| {
        let (hy, hx) = (cy.min(ny - 1 - cy), cx.min(nx - 1 - cx));
        let [mut pairs, mut sums, mut squares, mut products] = [0.0; 4];
        for y in cy - hy..=cy + hy {
            for x in cx - hx..=cx + hx {
                if let (Some(here), Some(there)) = (log([y, x]), log([2 * cy - y, 2 * cx - x])) {
                    pairs += 1.0;
                    sums += here;
                    squares += here * here;
                    products += here * there;
                }
            }
        }
        correlation(pairs, sums, squares, products)
    };
    let near = |i: usize, n: usize| i.saturating_sub(map.bin)..(i + map.bin + 1).min(n);
    let points = near(y, ny).flat_map(|y| near(x, nx).map(move |x| [y, x]));
    points
        .map(|point| (point, about(point)))
        .fold(([y, x], f64::NEG_INFINITY), |best, next| if next.1 > best.1 { next } else { best })
}

/// The point of highest Friedel symmetry and the correlation there.
///
/// A stack is averaged over its frames first; its `z` is the frame about which it is most symmetric
/// then.
pub(super) fn friedel(intensity: &Centered<f32>, measured: &Centered<bool>) -> ([usize; 3], f64) {
    let nz = intensity.shape()[0];
    let (image, weight) = plane(intensity, measured);
    let ([y, x], symmetry) = SymmetryMap::new(image, weight, 1).best();
    let best = [nz / 2, y, x];
    if nz > 1 { best_frame(intensity, measured, best) } else { (best, symmetry) }
}

/// The frame about which a stack is most symmetric, given the centre in the detector plane.
fn best_frame(intensity: &Centered<f32>, measured: &Centered<bool>, [_, cy, cx]: [usize; 3]) -> ([usize; 3], f64) {
    let [nz, ny, nx] = intensity.shape();
    let (hy, hx) = (cy.min(ny - 1 - cy).min(32), cx.min(nx - 1 - cx).min(32));
    let mut best = ([nz / 2, cy, cx], f64::NEG_INFINITY);
    for cz in nz / 4..nz - nz / 4 {
        let hz = cz.min(nz - 1 - cz);
        let [mut pairs, mut sums, mut squares, mut products] = [0.0; 4];
        for z in cz - hz..=cz + hz {
            for y in cy - hy..=cy + hy {
                for x in cx - hx..=cx + hx {
                    let mate = [2 * cz - z, 2 * cy - y, 2 * cx - x];
                    if measured.0[[z, y, x]] && measured.0[mate] {
                        let [here, there] = [[z, y, x], mate].map(|i| f64::from(intensity.0[i]).ln_1p());
                        pairs += 1.0;
                        sums += here;
                        squares += here * here;
                        products += here * there;
                    }
                }
            }
        }
        let symmetry = correlation(pairs, sums, squares, products);
        if symmetry > best.1 {
            best = ([cz, cy, cx], symmetry);
        }
    }
    best
}

/// Pearson's correlation of pairs that contain each pair in both orders, so that both sides have
/// the same mean and spread.
fn correlation(pairs: f64, sums: f64, squares: f64, products: f64) -> f64 {
    let spread = pairs * squares - sums * sums;
    // A flat region is symmetric about everything and says nothing.
    if spread <= 1e-3 * pairs * pairs { 0.0 } else { (pairs * products - sums * sums) / spread }
}
