//! The blur of calculated intensities: against sums written down pixel by pixel, and in whole runs.

use crate::rules::{case, direct};
use lacuna::geometry::Geometry;
use lacuna::phasing::Algorithm;
use lacuna::phasing::cpu::Cpu;
use lacuna::phasing::problem::Problem;
use lacuna::phasing::psf::Psf;
use lacuna::phasing::start::{Draws, Form};
use lacuna::pixels::Pattern;
use lacuna::psf::Kernel;
use lacuna::volume::{Centered, Cornered, Shape};
use ndarray::Array3;
use num_complex::Complex32;
use std::sync::Arc;

fn blurred_case(shape: Shape, widths: &[f64], eta: f64) -> (Arc<Problem>, Cornered<Complex32>, Cornered<bool>) {
    let (problem, object, support) = case(shape, false);
    let psf = Psf::of_peaks(widths, eta, shape).unwrap();
    (Arc::new(Problem::clone(&problem).with_psf(psf)), object, support)
}

fn started(problem: &Arc<Problem>, object: &Cornered<Complex32>, support: &Cornered<bool>, psf: bool) -> Cpu {
    let mut cpu = Cpu::new(Arc::clone(problem));
    cpu.start(object, support);
    cpu.set_psf(psf);
    cpu
}

/// Poisson log-likelihood over measured pixels and bounded ones, as conjugate gradients see it.
fn likelihood(problem: &Problem, object: &Array3<Complex32>) -> f64 {
    let shape = problem.shape();
    let mut field = object.clone();
    lacuna::fft::Fft::new(shape).forward(field.as_slice_mut().unwrap());
    let sharp: Vec<f64> = field.iter().map(|v| v.norm_sqr().into()).collect();
    let weights = problem.psf.as_ref().unwrap().first.kernels.each_ref().map(|kernel| kernel.weights().to_vec());
    let calculated = direct(shape, &weights, &sharp);
    (0..problem.len())
        .map(|i| {
            let [lo, hi] = problem.bounds.interval(problem.bounds.at(i)).map(f64::from);
            let (c, o) = (calculated[i], calculated[i].sqrt().clamp(lo, hi).powi(2));
            if o > 0.0 && (c - o).abs() > 1e-9 * o {
                c - o + o * (o / c).ln()
            } else if o > 0.0 {
                0.0
            } else {
                c
            }
        })
        .sum()
}

#[test]
fn fits_compare_blurred_intensities() {
    for shape in [[1, 12, 10], [8, 8, 9]] {
        let (problem, object, support) = blurred_case(shape, &[0.9], 0.2);
        let fit = started(&problem, &object, &support, true).fit().unwrap();
        let mut field = Array3::from_shape_fn(shape, |at| if support.0[at] { object.0[at] } else { Complex32::ZERO });
        lacuna::fft::Fft::new(shape).forward(field.as_slice_mut().unwrap());
        let sharp: Vec<f64> = field.iter().map(|v| v.norm_sqr().into()).collect();
        let weights = problem.psf.as_ref().unwrap().first.kernels.each_ref().map(|kernel| kernel.weights().to_vec());
        let calculated = direct(shape, &weights, &sharp);
        let measured: Vec<usize> = (0..problem.len()).filter(|&i| problem.bounds.at(i).is_measured()).collect();
        let modulus = |i: usize| f64::from(problem.bounds.at(i).modulus());
        let sum = |f: &dyn Fn(usize) -> f64| measured.iter().map(|&i| f(i)).sum::<f64>();
        let scale = sum(&|i| calculated[i].sqrt() * modulus(i)) / sum(&|i| calculated[i]);
        let residual = sum(&|i| (scale * calculated[i].sqrt() - modulus(i)).powi(2));
        let r_factor = (residual / sum(&|i| modulus(i).powi(2))).sqrt();
        let poisson = |c: f64, o: f64| if o > 0.0 { c - o + o * (o / c).ln() } else { c };
        let (index, observed) = problem.held_out[0];
        let free = poisson(scale * scale * calculated[index], observed.into());
        let llk = sum(&|i| poisson(scale * scale * calculated[i], modulus(i).powi(2))) / measured.len() as f64;
        // Intensities in f32, sums in f64.
        assert!((fit.r_factor / r_factor - 1.0).abs() < 1e-5, "{} {r_factor}", fit.r_factor);
        assert!((fit.llk_poisson / llk - 1.0).abs() < 1e-5, "{} {llk}", fit.llk_poisson);
        assert!((fit.free_llk_poisson.unwrap() / free - 1.0).abs() < 1e-4, "{:?} {free}", fit.free_llk_poisson);
        assert!(started(&problem, &object, &support, false).fit().unwrap() != fit);
    }
}

#[test]
fn a_kernel_of_one_pixel_changes_nothing() {
    for shape in [[1, 12, 10], [8, 8, 9]] {
        let (plain, object, support) = case(shape, false);
        let identity = Psf { kernels: [0; 3].map(|_| Kernel::identity()), eta: 0.0 };
        let problem = Arc::new(Problem::clone(&plain).with_psf(identity));
        let [mut blurred, mut sharp] =
            [(&problem, true), (&plain, false)].map(|(p, on)| started(p, &object, &support, on));
        for cpu in [&mut blurred, &mut sharp] {
            cpu.cycles(Algorithm::Hio.cycle(0.9, false), 4);
            cpu.cycles(Algorithm::Dm.cycle(0.9, true), 2);
            cpu.conjugate_gradients(3);
            cpu.update_psf();
        }
        let (a, b) = (blurred.object(), sharp.object());
        let difference: f32 = a.0.iter().zip(&b.0).map(|(a, b)| (a - b).norm_sqr()).sum();
        let norm: f32 = b.0.iter().map(|v| v.norm_sqr()).sum();
        // Roundings of f32, amplified by nine cycles; the line search takes intensities from a parabola
        // instead of from the field.
        assert!((difference / norm).sqrt() < 2e-4, "{difference} {norm}");
        let (a, b) = (blurred.fit().unwrap(), sharp.fit().unwrap());
        assert!((a.r_factor / b.r_factor - 1.0).abs() < 1e-4 && (a.llk_poisson / b.llk_poisson - 1.0).abs() < 1e-4);
        assert_eq!((blurred.psf().is_some(), sharp.psf()), (true, None));
    }
}

#[test]
fn maximum_likelihood_goes_down_the_blurred_likelihood() {
    for shape in [[1, 12, 10], [8, 8, 9]] {
        let (problem, object, support) = blurred_case(shape, &[0.9], 0.1);
        let mut cut = object.0.clone();
        cut.zip_mut_with(&support.0, |o, &inside| *o = if inside { *o } else { Complex32::ZERO });
        // The first step is along the negative gradient: the likelihood changes along it as finite
        // differences say it must.
        let mut cpu = started(&problem, &object, &support, true);
        cpu.conjugate_gradients(1);
        let step = &cpu.object().0 - &cut;
        let length: f64 = step.iter().map(|v| f64::from(v.norm_sqr())).sum::<f64>().sqrt();
        let slope = |direction: &Array3<Complex32>| {
            let norm: f64 = direction.iter().map(|v| f64::from(v.norm_sqr())).sum::<f64>().sqrt();
            let unit = direction.mapv(|v| v * (1e-2 / norm as f32));
            (likelihood(&problem, &(&cut + &unit)) - likelihood(&problem, &(&cut - &unit))) / 2e-2
        };
        let steepest = slope(&step);
        assert!(steepest < 0.0 && length > 0.0);
        // No direction inside the support is steeper: the step is the gradient's.
        let mut draws = Draws::new(3);
        for _ in 0..5 {
            let other = draws.object(&support, 3.0, 1.0).0;
            assert!(slope(&other).abs() < -steepest);
            let tilted = &step.mapv(|v| v * (1.0 / length as f32)) + &other.mapv(|v| v * 0.3);
            assert!(slope(&tilted) > steepest * 1.001, "{} {steepest}", slope(&tilted));
        }
        let mut before = likelihood(&problem, &cut);
        for _ in 0..4 {
            cpu.conjugate_gradients(3);
            let now = likelihood(&problem, &cpu.object().0);
            assert!(now <= before * (1.0 + 1e-6), "{now} after {before}");
            before = now;
        }
    }
}

/// The pattern of an object, seen through a kernel, and both.
fn seen_through(shape: Shape, psf: &Psf, seed: u64) -> (Pattern, Cornered<Complex32>, Cornered<bool>) {
    let support = Form::Circle(shape[2] as f64 / 6.0).support(shape);
    let object = Draws::new(seed).object(&support, 1.5, 1e8);
    let mut field = object.0.clone();
    lacuna::fft::Fft::new(shape).forward(field.as_slice_mut().unwrap());
    let mut intensity = field.mapv(|v| f64::from(v.norm_sqr()));
    // Axis by axis, rolled: independent of the convolution under test.
    for (axis, kernel) in psf.kernels.iter().enumerate() {
        let n = shape[axis] as isize;
        let reach = kernel.weights().len() as isize - 1;
        intensity = Array3::from_shape_fn(shape, |(z, y, x)| {
            let at = [z, y, x];
            (-reach..=reach)
                .map(|k| {
                    let mut from = at;
                    from[axis] = (at[axis] as isize + k).rem_euclid(n) as usize;
                    kernel.weights()[k.unsigned_abs()] * intensity[from]
                })
                .sum()
        });
    }
    let counts = Cornered(intensity.mapv(|v| v as f32)).to_centered();
    (Pattern::new(counts, Centered::filled(shape, 0), Geometry::default()).unwrap(), object, support)
}

fn error(found: &Array3<Complex32>, truth: &Cornered<Complex32>) -> f64 {
    let (found, truth) = (Cornered(found.clone()).to_centered(), truth.to_centered());
    let options = lacuna::metrics::RegistrationOptions { subpixel: true, ramp: false };
    lacuna::metrics::register(&found, &truth, options).unwrap().error
}

#[test]
fn the_blind_kernel_finds_its_width_and_the_object_with_it() {
    for (shape, widths) in [([1, 64, 60], &[0.6, 0.9][..]), ([24, 26, 28], &[0.8, 0.6, 0.7][..])] {
        let psf = Psf::of_peaks(widths, 0.0, shape).unwrap();
        let (pattern, truth, support) = seen_through(shape, &psf, 4);
        let held_out = lacuna::phasing::problem::hold_out(&pattern, 0.03, 0, false);
        let problem = Problem::new(&pattern, &held_out, false).unwrap();
        let first = Psf::of_peaks(&[1.0], 0.0, shape).unwrap();
        let problem = Arc::new(problem.with_psf(first));
        let mut start = truth.clone();
        let mut noise = Draws::new(9);
        let noise = noise.object(&support, 3.0, 2e6);
        start.0.zip_mut_with(&noise.0, |o, n| *o += n);
        let phased = |psf: bool| {
            let mut cpu = started(&problem, &start, &support, psf);
            for _ in 0..30 {
                cpu.cycles(Algorithm::Er.cycle(0.9, false), 10);
                cpu.update_psf();
            }
            cpu
        };
        let (mut blind, mut sharp) = (phased(true), phased(false));
        let found = blind.psf().unwrap().widths();
        for (found, expected) in found[3 - widths.len()..].iter().zip(widths) {
            assert!((found - expected).abs() < 0.05, "{found} {expected}");
        }
        let [with, without] = [&blind, &sharp].map(|cpu| error(&cpu.object().0, &truth));
        assert!(with < 0.5 * without, "{with} {without}");
        assert!(blind.fit().unwrap().r_factor < 0.3 * sharp.fit().unwrap().r_factor);
    }
}

#[test]
fn the_same_bits_for_any_number_of_threads_with_a_blur() {
    let run = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let (problem, object, support) = blurred_case([20, 48, 40], &[0.8], 0.1);
            let mut cpu = started(&problem, &object, &support, true);
            for algorithm in Algorithm::ALL {
                cpu.cycles(algorithm.cycle(0.9, true), 2);
                cpu.update_psf();
            }
            cpu.conjugate_gradients(2);
            (cpu.object(), cpu.psf(), cpu.fit())
        })
    };
    let one = run(1);
    assert!(one == run(2));
    assert!(one == run(3));
}
