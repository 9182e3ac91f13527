//! Every algorithm against an independent reference in operator form: f64, naive transforms, small
//! arrays.
//!
//! The operators are those of Table I in S. Marchesini, Rev. Sci. Instrum. 78, 011301 (2007):
//! `P_M`, `P_S` and the reflections `R = 2 P - I`, composed as written there, so that a wrong
//! derivation of the four numbers cannot hide.

use lacuna::geometry::Geometry;
use lacuna::phasing::backend::GapConstraint;
use lacuna::phasing::cpu::Cpu;
use lacuna::phasing::problem::Problem;
use lacuna::phasing::psf::Psf;
use lacuna::phasing::rules::{Algorithm, Cycle, Rule};
use lacuna::pixels::{Estimate, Pattern, bit};
use lacuna::volume::{Centered, Cornered, Shape};
use ndarray::Array3;
use num_complex::{Complex32, Complex64};
use std::f64::consts::PI;
use std::sync::Arc;

type Field = Vec<Complex64>;

struct Reference {
    shape: Shape,
    lo: Vec<f64>,
    hi: Vec<f64>,
    support: Vec<bool>,
    positivity: bool,
    real: bool,
    leak: f64,
    /// Kernel that blurs calculated intensities: weights of each axis at the distances 0, 1, ..
    blur: Option<[Vec<f64>; 3]>,
}

fn dft(shape: Shape, field: &Field, sign: f64) -> Field {
    let strides = [shape[1] * shape[2], shape[2], 1];
    let mut data = field.clone();
    for axis in 0..3 {
        let (n, stride) = (shape[axis], strides[axis]);
        for start in (0..data.len()).filter(|i| (i / stride) % n == 0) {
            let line: Vec<Complex64> = (0..n).map(|i| data[start + i * stride]).collect();
            for k in 0..n {
                let angle = |i: usize| sign * 2.0 * PI * ((i * k) % n) as f64 / n as f64;
                let sum: Complex64 = (0..n).map(|i| line[i] * Complex64::from_polar(1.0, angle(i))).sum();
                data[start + k * stride] = sum / (n as f64).sqrt();
            }
        }
    }
    data
}

fn combine(terms: &[(f64, &Field)]) -> Field {
    (0..terms[0].1.len()).map(|i| terms.iter().map(|(w, f)| f[i] * *w).sum()).collect()
}

impl Reference {
    fn modulus(&self, o: &Field) -> Field {
        let mut f = dft(self.shape, o, -1.0);
        let sharp: Vec<f64> = f.iter().map(|v| v.norm_sqr()).collect();
        let calculated = self.blur.as_ref().map_or(sharp.clone(), |weights| direct(self.shape, weights, &sharp));
        for (i, v) in f.iter_mut().enumerate() {
            let modulus = calculated[i].sqrt();
            let factor = modulus.clamp(self.lo[i], self.hi[i]) / modulus;
            *v *= if self.hi[i].is_infinite() { self.leak } else { factor };
        }
        let mut projected = dft(self.shape, &f, 1.0);
        if self.real {
            projected.iter_mut().for_each(|v| v.im = 0.0);
        }
        projected
    }

    fn support(&self, o: &Field) -> Field {
        let keep = |i: usize| self.support[i] && (!self.positivity || o[i].re >= 0.0);
        (0..o.len()).map(|i| if keep(i) { o[i] } else { Complex64::ZERO }).collect()
    }

    fn reflect_modulus(&self, o: &Field) -> Field {
        combine(&[(2.0, &self.modulus(o)), (-1.0, o)])
    }

    fn reflect_support(&self, o: &Field) -> Field {
        combine(&[(2.0, &self.support(o)), (-1.0, o)])
    }

    fn cycle(&self, algorithm: Algorithm, beta: f64, o: &Field) -> Field {
        let p = self.modulus(o);
        match algorithm {
            Algorithm::Er => self.support(&p),
            Algorithm::Sf => self.reflect_support(&p),
            // HIO is defined case by case.
            Algorithm::Hio => {
                let kept = self.support(&p);
                (0..o.len()).map(|i| if kept[i] == Complex64::ZERO { o[i] - p[i] * beta } else { p[i] }).collect()
            }
            Algorithm::Asr => combine(&[(0.5, &self.reflect_support(&self.reflect_modulus(o))), (0.5, o)]),
            Algorithm::Hpr => {
                let relaxed = combine(&[(1.0, &self.reflect_modulus(o)), (beta - 1.0, &p)]);
                combine(&[(0.5, &self.reflect_support(&relaxed)), (0.5, o), (0.5 * (1.0 - beta), &p)])
            }
            Algorithm::Raar => {
                let both = self.reflect_support(&self.reflect_modulus(o));
                combine(&[(0.5 * beta, &both), (0.5 * beta, o), (1.0 - beta, &p)])
            }
            Algorithm::Dm => {
                let g = 1.0 / beta;
                let f_m = combine(&[(1.0 + g, &p), (-g, o)]);
                let f_s = combine(&[(1.0 - g, &self.support(o)), (g, o)]);
                combine(&[(1.0, o), (beta, &self.support(&f_m)), (-beta, &self.modulus(&f_s))])
            }
            // What exceeds a tenth of the rms inside the support stays, the rest changes its sign.
            Algorithm::Cf => {
                let photons: f64 = PHOTONS.with(std::cell::Cell::get);
                let count = self.support.iter().filter(|&&s| s).count() as f64;
                let least = 0.1 * (photons / count).sqrt();
                (0..o.len()).map(|i| if self.support[i] && p[i].re >= least { p[i] } else { -p[i] }).collect()
            }
        }
    }
}

/// A periodic convolution, pixel by pixel and pair by pair.
pub fn direct(shape: Shape, weights: &[Vec<f64>; 3], values: &[f64]) -> Vec<f64> {
    let place = |[z, y, x]: [usize; 3]| (z * shape[1] + y) * shape[2] + x;
    let weight = |axis: usize, from: usize, to: usize| {
        let n = shape[axis];
        // A kernel that is longer than the array comes around.
        let reach = weights[axis].len() as isize - 1;
        (-reach..=reach)
            .filter(|k| (from as isize + k).rem_euclid(n as isize) == to as isize)
            .map(|k| weights[axis][k.unsigned_abs()])
            .sum::<f64>()
    };
    let every =
        || (0..shape[0]).flat_map(move |z| (0..shape[1]).flat_map(move |y| (0..shape[2]).map(move |x| [z, y, x])));
    every()
        .map(|to| {
            every().map(|from| (0..3).map(|a| weight(a, from[a], to[a])).product::<f64>() * values[place(from)]).sum()
        })
        .collect()
}

thread_local!(static PHOTONS: std::cell::Cell<f64> = const { std::cell::Cell::new(0.0) });

/// A pattern with a gap, a bounded gap and held-out pixels; a start object; a support.
pub fn case(shape: Shape, real: bool) -> (Arc<Problem>, Cornered<Complex32>, Cornered<bool>) {
    let mut state = 7u64;
    let mut next = move || {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 40) as f32 / (1 << 24) as f32
    };
    let intensity = Centered(Array3::from_shape_simple_fn(shape, || (100.0 * next()).floor()));
    let mask = Centered(Array3::from_shape_fn(shape, |(_, y, _)| if y == 3 || y == 5 { bit::MISSING } else { 0 }));
    let mut pattern = Pattern::new(intensity, mask, Geometry::default()).unwrap();
    pattern.estimate = Some(Estimate {
        at: Centered(Array3::from_shape_fn(shape, |(_, y, _)| y == 5)),
        mean: Centered::filled(shape, 30.0),
        lower: Centered::filled(shape, 20.0),
        upper: Centered::filled(shape, 40.0),
    });
    let mut held = Centered::filled(shape, false);
    held.0[[0, 1, 2]] = true;
    let problem = Problem::new(&pattern, &held, real).unwrap();
    let object =
        Cornered(Array3::from_shape_simple_fn(shape, || Complex32::new(9.0 * next() - 3.0, 9.0 * next() - 4.0)));
    let support = Cornered(Array3::from_shape_fn(shape, |(z, y, x)| z < 4 && y < shape[1] / 2 && (2..7).contains(&x)));
    (Arc::new(problem), object, support)
}

fn wide(field: &Cornered<Complex32>) -> Field {
    field.0.iter().map(|v| Complex64::new(v.re.into(), v.im.into())).collect()
}

fn intervals(problem: &Problem) -> impl Iterator<Item = [f32; 2]> {
    (0..problem.len()).map(|i| problem.bounds.interval(problem.bounds.at(i)))
}

#[test]
fn every_algorithm_agrees_with_its_operator_form() {
    let flat = [1, 12, 10];
    for (shape, real, leak, psf) in [
        (flat, false, 1.0, None),
        ([8, 8, 9], false, 1.0, None),
        (flat, true, 0.875, None),
        ([8, 8, 9], false, 0.75, None),
        (flat, false, 1.0, Some(Psf::of_peaks(&[0.8, 1.1], 0.0, flat).unwrap())),
        // A pseudo-Voigt reaches around the array.
        ([8, 8, 9], true, 0.75, Some(Psf::of_peaks(&[0.6, 0.8, 1.0], 0.3, [8, 8, 9]).unwrap())),
    ] {
        let (mut problem, object, support) = case(shape, real);
        if let Some(psf) = &psf {
            problem = Arc::new(Problem::clone(&problem).with_psf(psf.clone()));
        }
        PHOTONS.with(|p| p.set(problem.photons));
        for positivity in [false, true] {
            let reference = Reference {
                shape,
                lo: intervals(&problem).map(|[lo, _]| lo.into()).collect(),
                hi: intervals(&problem).map(|[_, hi]| hi.into()).collect(),
                support: support.0.iter().copied().collect(),
                positivity,
                real,
                leak,
                blur: psf.as_ref().map(|psf| psf.kernels.each_ref().map(|kernel| kernel.weights().to_vec())),
            };
            for algorithm in Algorithm::ALL {
                let mut expected = wide(&object);
                for _ in 0..5 {
                    expected = reference.cycle(algorithm, 0.75, &expected);
                }
                let mut cpu = Cpu::new(Arc::clone(&problem));
                cpu.start(&object, &support);
                cpu.set_gap_constraint(GapConstraint { released: false, leak: leak as f32 });
                cpu.set_psf(psf.is_some());
                cpu.cycles(algorithm.cycle(0.75, positivity), 5);
                let got = wide(&cpu.object());
                let norm: f64 = expected.iter().map(|v| v.norm_sqr()).sum();
                let error: f64 = got.iter().zip(&expected).map(|(a, b)| (a - b).norm_sqr()).sum();
                let relative = (error / norm).sqrt();
                // f32 against f64: some 1e-7 a cycle, amplified a few times by the reflections.
                assert!(
                    relative <= 1e-5,
                    "{algorithm} {shape:?} positivity {positivity} real {real} {psf:?}: {relative:.1e}"
                );
            }
        }
    }
}

/// A cycle as it is written down: whole transforms, whole projections, whole rules.
fn unfused(problem: &Problem, rule: &Rule, gaps: GapConstraint, object: &mut [Complex32], support: &[bool]) {
    let fft = lacuna::fft::Fft::new(problem.shape());
    let rms = (problem.photons / support.iter().filter(|&&s| s).count() as f64).sqrt() as f32;
    let mut projected = object.to_vec();
    fft.forward(&mut projected);
    lacuna::phasing::cpu::project_modulus(&mut projected, problem, gaps);
    fft.inverse(&mut projected);
    for ((o, p), &inside) in object.iter_mut().zip(&mut projected).zip(support) {
        if problem.real {
            p.im = 0.0;
        }
        let keep =
            inside && rule.decision.is_none_or(|d| d.weights[0] * p.re + d.weights[1] * o.re >= d.threshold * rms);
        let [a, b] = if keep { rule.inside } else { rule.outside };
        *o = *p * a + *o * b;
    }
}

/// A case whose pattern is that of an object, and a start near that object: what is far from a
/// solution is chaotic, and amplifies the roundings of both forms by half a cycle after cycle.
fn near_a_solution(shape: Shape, real: bool) -> (Arc<Problem>, Cornered<Complex32>, Cornered<bool>) {
    let (_, noise, support) = case(shape, real);
    let part = if real { 0.0 } else { 1.0 };
    let truth = Array3::from_shape_fn(shape, |at| {
        let value = noise.0[at];
        if support.0[at] { Complex32::new(value.re.abs() + 1.0, part * value.im) } else { Complex32::ZERO }
    });
    let mut field = truth.clone();
    lacuna::fft::Fft::new(shape).forward(field.as_slice_mut().unwrap());
    let intensity = Cornered(field.mapv(|v| v.norm_sqr())).to_centered();
    let mask = Centered(Array3::from_shape_fn(shape, |(_, y, _)| if y == 3 || y == 5 { bit::MISSING } else { 0 }));
    let mut pattern = Pattern::new(intensity.clone(), mask, Geometry::default()).unwrap();
    pattern.estimate = Some(Estimate {
        at: Centered(Array3::from_shape_fn(shape, |(_, y, _)| y == 5)),
        mean: intensity.clone(),
        lower: intensity.map(|v| 0.8 * v),
        upper: intensity.map(|v| 1.2 * v),
    });
    let mut held = Centered::filled(shape, false);
    held.0[[0, 1, 2]] = true;
    let object = Array3::from_shape_fn(shape, |at| truth[at] + noise.0[at] * 0.03);
    (Arc::new(Problem::new(&pattern, &held, real).unwrap()), Cornered(object), support)
}

#[test]
fn fused_passes_agree_with_whole_transforms() {
    for (shape, real) in [([1, 96, 80], false), ([1, 50, 33], true), ([20, 36, 48], false), ([9, 26, 22], true)] {
        let (problem, object, support) = near_a_solution(shape, real);
        for algorithm in Algorithm::ALL {
            for (positivity, gaps) in
                [(false, GapConstraint::default()), (true, GapConstraint { released: true, leak: 0.99 })]
            {
                let Cycle::Rule(rule) = algorithm.cycle(0.75, positivity) else { continue };
                let mut expected = object.as_slice().to_vec();
                (0..10).for_each(|_| unfused(&problem, &rule, gaps, &mut expected, support.as_slice()));
                let mut cpu = Cpu::new(Arc::clone(&problem));
                cpu.start(&object, &support);
                cpu.set_gap_constraint(gaps);
                cpu.cycles(Cycle::Rule(rule), 7);
                cpu.cycles(Cycle::Rule(rule), 3);
                let got = cpu.object();
                let norm: f64 = expected.iter().map(|v| f64::from(v.norm_sqr())).sum();
                let error: f64 = got.0.iter().zip(&expected).map(|(a, b)| f64::from((a - b).norm_sqr())).sum();
                // Both are f32, sum in another order and scale at other places: some 5e-7 a cycle.
                let relative = (error / norm).sqrt();
                assert!(relative <= 1e-5, "{algorithm} {shape:?} real {real} positivity {positivity}: {relative:.1e}");
            }
        }
    }
}

#[test]
fn the_modulus_projection_is_idempotent_and_obeys_its_bounds() {
    let (problem, object, _) = case([8, 8, 9], false);
    let mut once: Vec<Complex32> = object.0.iter().copied().collect();
    lacuna::phasing::cpu::project_modulus(&mut once, &problem, GapConstraint::default());
    let mut twice = once.clone();
    lacuna::phasing::cpu::project_modulus(&mut twice, &problem, GapConstraint::default());
    for i in 0..problem.len() {
        // One rounding of the modulus and one of the product.
        let modulus = once[i].norm();
        let [lo, hi] = problem.bounds.interval(problem.bounds.at(i));
        assert!(modulus >= lo * (1.0 - 1e-6) && modulus <= hi * (1.0 + 1e-6));
        assert!((once[i] - twice[i]).norm() <= 1e-5);
    }
}

#[test]
fn maximum_likelihood_lowers_the_likelihood_and_keeps_the_support() {
    let (problem, object, support) = case([1, 12, 10], false);
    let mut cpu = Cpu::new(problem);
    cpu.start(&object, &support);
    let mut before = cpu.fit().unwrap().llk_poisson;
    for _ in 0..4 {
        cpu.conjugate_gradients(5);
        let now = cpu.fit().unwrap().llk_poisson;
        assert!(now <= before * (1.0 + 1e-6), "{now} after {before}");
        before = now;
    }
    for (value, inside) in cpu.object().0.iter().zip(support.0.iter()) {
        assert!(*inside || value.norm() == 0.0);
    }
}

#[test]
fn the_same_bits_for_one_two_and_three_threads() {
    let run = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let (problem, object, support) = case([20, 48, 40], false);
            let mut cpu = Cpu::new(problem);
            cpu.start(&object, &support);
            for algorithm in Algorithm::ALL {
                cpu.cycles(algorithm.cycle(0.9, true), 3);
                cpu.update_support(&lacuna::phasing::support::SupportRule::default());
            }
            cpu.conjugate_gradients(3);
            let fit = cpu.fit();
            (cpu.object(), cpu.support(), fit)
        })
    };
    let one = run(1);
    assert!(one == run(2));
    assert!(one == run(3));
}
