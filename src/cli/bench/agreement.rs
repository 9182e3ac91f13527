//! Whether a GPU computes what the CPU computes: primitive by primitive, and whole recipes.

use lacuna::error::{Error, Result};
use lacuna::geometry::Geometry;
use lacuna::phasing::backend::{Backend, Finished, Fit, GapConstraint, Start};
use lacuna::phasing::cpu::Batch;
use lacuna::phasing::problem::{Problem, hold_out};
use lacuna::phasing::psf::Psf;
use lacuna::phasing::run::{Draw, Run, RunSettings};
use lacuna::phasing::start::{Draws, Form};
use lacuna::phasing::support::{Cut, Reference, SupportRule};
use lacuna::phasing::walk::walk;
use lacuna::phasing::{Algorithm, Recipe};
use lacuna::pixels::{Estimate, Pattern, bit, trimmed};
use lacuna::volume::{Centered, Cornered, Shape};
use ndarray::Array3;
use num_complex::Complex32;
use serde::Serialize;
use std::sync::Arc;

/// Opens the device under test for a problem, a recipe and a number of runs.
pub type OpenBackend<'a> = &'a dyn Fn(Arc<Problem>, &Recipe, usize) -> Result<Box<dyn Backend>>;

/// Comparison of one quantity on the device and on the CPU.
#[derive(Debug, Serialize)]
pub struct Agreement {
    /// Work that was done, and the quantity that is compared.
    pub what: String,
    /// Size of the arrays, as in `96x80`.
    pub size: String,
    /// Difference between device and CPU.
    pub difference: f64,
    /// Largest difference that counts as agreement.
    pub limit: f64,
}

impl Agreement {
    /// Whether device and CPU agree.
    pub fn holds(&self) -> bool {
        self.difference <= self.limit
    }
}

/// Shapes with every radix, odd and even extents, and lines that fill a block's rows and columns
/// and that do not; and whether their objects are real.
const SHAPES: [(Shape, bool); 6] = [
    ([1, 96, 80], false),
    ([1, 50, 33], true),
    ([1, 64, 256], false),
    ([1, 26, 49], false),
    ([16, 20, 24], false),
    ([9, 22, 32], true),
];

/// Runs of a batch.
const RUNS: usize = 2;

/// Relative difference of single-precision sums in another order and factors at other places: some
/// 5e-7 a cycle.
const CLOSE: f64 = 1e-5;

/// A problem, and starts near its solution: far from one, iterations amplify rounding errors
/// without end.
struct Case {
    problem: Arc<Problem>,
    starts: Vec<Start>,
}

fn noise(shape: Shape, seed: u64) -> Cornered<Complex32> {
    Draws::new(seed).object(&Cornered::filled(shape, true), 3.0, shape.iter().product::<usize>() as f64)
}

fn case(shape: Shape, real: bool, runs: usize) -> Result<Case> {
    // Twice oversampled along every axis: recipes end at one object only if there is one.
    let least = shape.iter().filter(|&&extent| extent > 1).min().copied().unwrap_or(1);
    let mut support = Form::Circle(least as f64 / 4.0).support(shape);
    // Not its own twin.
    support
        .0
        .indexed_iter_mut()
        .for_each(|((z, y, x), inside)| *inside &= !(x > 1 && y > 2 && y < shape[1] / 2 && z < 3));
    let rough = noise(shape, 0);
    let truth = Array3::from_shape_fn(shape, |at| {
        let imaginary = if real { 0.0 } else { rough.0[at].im };
        if support.0[at] { Complex32::new(3.0 + rough.0[at].re.abs(), imaginary) * 30.0 } else { Complex32::ZERO }
    });
    let mut field = truth.clone();
    let fft = lacuna::fft::Fft::new(shape);
    fft.forward(field.as_slice_mut().ok_or_else(|| Error::Object("an array that is not contiguous".into()))?);
    let intensity = Cornered(field.mapv(|v| v.norm_sqr())).to_centered();
    let gap = |y: usize| y == 3 || y == 5 || y == 6;
    let mask = Centered(Array3::from_shape_fn(shape, |(_, y, _)| if gap(y) { bit::MISSING } else { 0 }));
    let mut pattern = Pattern::new(intensity.clone(), mask, Geometry::default())?;
    pattern.estimate = Some(Estimate {
        at: Centered(Array3::from_shape_fn(shape, |(_, y, _)| y == 5)),
        mean: intensity.clone(),
        lower: intensity.map(|v| 0.8 * v),
        upper: intensity.map(|v| 1.2 * v),
    });
    let held_out = hold_out(&pattern, 0.05, 0, real);
    let problem = Arc::new(Problem::new(&pattern, &held_out, real)?);
    let starts = (1..=runs)
        .map(|seed| {
            let rough = noise(shape, seed as u64);
            let object = Array3::from_shape_fn(shape, |at| truth[at] + rough.0[at] * 3.0);
            Start { object: Cornered(object), support: support.clone() }
        })
        .collect();
    Ok(Case { problem, starts })
}

/// Norm of the difference, relative to the norm of `b`.
fn relative_difference(a: &Cornered<Complex32>, b: &Cornered<Complex32>) -> f64 {
    let norm: f64 = b.0.iter().map(|v| f64::from(v.norm_sqr())).sum();
    let error: f64 = a.0.iter().zip(&b.0).map(|(a, b)| f64::from((a - b).norm_sqr())).sum();
    (error / norm).sqrt()
}

/// Fraction of the pixels in either support that are not in both.
fn support_difference(a: &Cornered<bool>, b: &Cornered<bool>) -> f64 {
    let (both, either) = a.0.iter().zip(&b.0).fold((0.0, 0.0f64), |(both, either), (&a, &b)| {
        (both + f64::from(u8::from(a && b)), either + f64::from(u8::from(a || b)))
    });
    1.0 - both / either.max(1.0)
}

fn fits_apart(a: &[Option<Fit>], b: &[Option<Fit>]) -> f64 {
    let relative = |a: f64, b: f64| (a - b).abs() / b.abs().max(1e-6);
    a.iter().zip(b).fold(0.0, |most: f64, pair| {
        let (a, b) = match pair {
            (Some(a), Some(b)) => (a, b),
            (None, None) => return most,
            _ => return f64::INFINITY,
        };
        // Likelihoods near zero are differences of large sums.
        let free = relative(a.free_llk_poisson.unwrap_or(0.0) + 1.0, b.free_llk_poisson.unwrap_or(0.0) + 1.0);
        [
            relative(a.r_factor, b.r_factor),
            relative(a.llk_poisson + 1.0, b.llk_poisson + 1.0),
            free,
            relative(a.scale, b.scale),
            relative(a.support_fraction, b.support_fraction),
        ]
        .into_iter()
        .fold(most, f64::max)
    })
}

/// The state of all runs after some work.
struct BatchState {
    all: Vec<Finished>,
    fits: Vec<Option<Fit>>,
}

fn done(backend: &mut dyn Backend, case: &Case, work: &dyn Fn(&mut dyn Backend)) -> Result<BatchState> {
    backend.start(&case.starts);
    work(backend);
    backend.request_fit();
    let fits = backend.collect_fits()?;
    let all = (0..case.starts.len()).map(|run| backend.finish(run)).collect::<Result<_>>()?;
    Ok(BatchState { all, fits })
}

/// Compares every primitive and whole recipes on all [`SHAPES`]; `name` says how the device
/// transforms, `report` is told of each comparison.
pub fn agreements(open: OpenBackend, name: &str, report: &mut dyn FnMut(&Agreement)) -> Result<Vec<Agreement>> {
    let mut found = Vec::new();
    let recipe: Recipe = "ML**2,DM**2,HIO**2".parse()?;
    for (shape, real) in SHAPES {
        let case = case(shape, real, RUNS)?;
        let size = lacuna::error::shape_text(&trimmed(shape));
        let mut device = open(Arc::clone(&case.problem), &recipe, RUNS)?;
        let mut cpu = Batch::new(Arc::clone(&case.problem), RUNS);
        let mut add = |what: String, difference: f64, limit: f64| {
            // NaN is no agreement.
            let difference = if difference.is_nan() { f64::INFINITY } else { difference };
            let agreement = Agreement { what: format!("{name}: {what}"), size: size.clone(), difference, limit };
            report(&agreement);
            found.push(agreement);
        };
        let mut compare = |what: &str, limit: f64, work: &dyn Fn(&mut dyn Backend)| -> Result<()> {
            let found = compared(&mut *device, &mut cpu, &case, limit, work)?;
            found.into_iter().for_each(|(part, difference, limit)| add(format!("{what}, {part}"), difference, limit));
            Ok(())
        };
        compare("nothing", 1e-6, &|_| {})?;
        for algorithm in Algorithm::ALL {
            for (positivity, gaps) in
                [(false, GapConstraint::default()), (true, GapConstraint { released: true, leak: 0.99 })]
            {
                let what = format!("{algorithm}{}", if positivity { " positive, gaps free" } else { "" });
                compare(&what, CLOSE, &|backend| {
                    backend.set_gap_constraint(gaps);
                    backend.cycles(algorithm.cycle(0.75, positivity), 3);
                    backend.cycles(algorithm.cycle(0.75, positivity), 3);
                    backend.cycles(algorithm.cycle(0.75, positivity), 1);
                })?;
            }
        }
        compare("halved supports", CLOSE, &|backend| {
            backend.halve_supports();
            backend.cycles(Algorithm::Er.cycle(0.9, false), 2);
        })?;
        compare("supports halved and whole", CLOSE, &|backend| {
            backend.halve_supports();
            backend.cycles(Algorithm::Cf.cycle(0.9, false), 1);
            backend.restore_supports();
            backend.cycles(Algorithm::Cf.cycle(0.9, false), 1);
        })?;
        compare("maximum likelihood", 1e-4, &|backend| backend.conjugate_gradients(4))?;
        for (what, rule) in support_rules() {
            compare(&format!("support update, {what}"), CLOSE, &|backend| {
                let cut = |run| match rule.cut {
                    Cut::Threshold(first) => Cut::Threshold(first * (1.0 + 0.1 * run as f32)),
                    Cut::Area(first) => Cut::Area(first * (1.0 + 0.1 * run as f64)),
                };
                backend.update_supports(&rule, &(0..RUNS).map(cut).collect::<Vec<_>>());
                backend.cycles(Algorithm::Er.cycle(0.9, false), 1);
            })?;
        }
        drop(cpu);
        drop(device);
        for (what, difference, limit) in blurred(open, &case)? {
            add(format!("blurred, {what}"), difference, limit);
        }
        let plain: Recipe = "HIO**2".parse()?;
        let mut refuses = |step: &str, work: &dyn Fn(&mut dyn Backend)| -> Result<()> {
            let mut device = open(Arc::clone(&case.problem), &plain, RUNS)?;
            device.start(&case.starts);
            work(&mut *device);
            device.request_fit();
            let skipped = device.collect_fits().is_ok();
            add(format!("{step} without its arrays is an error"), f64::from(u8::from(skipped)), 0.0);
            Ok(())
        };
        refuses("maximum likelihood", &|backend| backend.conjugate_gradients(1))?;
        refuses("difference map", &|backend| backend.cycles(Algorithm::Dm.cycle(0.9, false), 1))?;
        for (what, difference, limit) in recipes(open, &case)? {
            add(what, difference, limit);
        }
    }
    Ok(found)
}

/// The same work on the device and on the CPU: what is looked at, the difference and its limit.
fn compared(
    device: &mut dyn Backend,
    cpu: &mut dyn Backend,
    case: &Case,
    limit: f64,
    work: &dyn Fn(&mut dyn Backend),
) -> Result<Vec<(String, f64, f64)>> {
    let (a, b) = (done(device, case, work)?, done(cpu, case, work)?);
    let pairs = || a.all.iter().zip(&b.all);
    let objects = pairs().map(|(a, b)| relative_difference(&a.object, &b.object)).fold(0.0, f64::max);
    let supports = pairs().map(|(a, b)| support_difference(&a.support, &b.support)).fold(0.0, f64::max);
    let densities = pairs().map(|(a, b)| {
        let norm: f64 = b.density.iter().map(|&v| f64::from(v).powi(2)).sum();
        let error: f64 = a.density.iter().zip(&b.density).map(|(&a, &b)| f64::from(a - b).powi(2)).sum();
        (error / norm).sqrt()
    });
    let mut found = vec![
        ("objects".into(), objects, limit),
        // A pixel may lie on the threshold.
        ("supports".into(), supports, 2e-3),
        // One projection more than the objects, and cancellation where the density is small.
        ("densities".into(), densities.fold(0.0, f64::max), 10.0 * limit),
        ("fits".into(), fits_apart(&a.fits, &b.fits), 10.0 * limit.max(CLOSE)),
    ];
    let kernels = pairs().filter(|(a, b)| a.psf.is_some() || b.psf.is_some()).map(|(a, b)| kernels_apart(a, b));
    let kernels: Vec<f64> = kernels.collect();
    if !kernels.is_empty() {
        found.push(("kernels".into(), kernels.into_iter().fold(0.0, f64::max), 10.0 * limit));
    }
    Ok(found)
}

/// Largest difference of the weights of two final kernels.
fn kernels_apart(a: &Finished, b: &Finished) -> f64 {
    let (Some(a), Some(b)) = (&a.psf, &b.psf) else { return f64::INFINITY };
    let pairs = a.kernels.iter().zip(&b.kernels);
    pairs.fold(0.0, |most: f64, (a, b)| {
        // What is negligible may be cut off or not.
        let weight = |weights: &[f64], k: usize| weights.get(k).copied().unwrap_or(0.0);
        let longest = a.weights().len().max(b.weights().len());
        (0..longest).map(|k| (weight(a.weights(), k) - weight(b.weights(), k)).abs()).fold(most, f64::max)
    })
}

/// Comparisons with blurred intensities: every way to a modulus, fits, gradients, kernels.
fn blurred(open: OpenBackend, case: &Case) -> Result<Vec<(String, f64, f64)>> {
    let shape = case.problem.shape();
    let widths: &[f64] = if shape[0] > 1 { &[0.6, 0.8, 0.9] } else { &[0.8, 0.9] };
    let problem = Problem::clone(&case.problem).with_psf(Psf::of_peaks(widths, 0.1, shape)?);
    let case = Case { problem: Arc::new(problem), starts: case.starts.clone() };
    let recipe: Recipe = "ML**2,DM**2,HIO**2,psf=2".parse()?;
    let mut device = open(Arc::clone(&case.problem), &recipe, RUNS)?;
    let mut cpu = Batch::new(Arc::clone(&case.problem), RUNS);
    let mut found = Vec::new();
    let mut compare = |what: &str, limit: f64, work: &dyn Fn(&mut dyn Backend)| -> Result<()> {
        let parts = compared(&mut *device, &mut cpu, &case, limit, &|backend| {
            backend.set_psf(true);
            work(backend);
        })?;
        found.extend(parts.into_iter().map(|(part, difference, limit)| (format!("{what}, {part}"), difference, limit)));
        Ok(())
    };
    for algorithm in [Algorithm::Hio, Algorithm::Er, Algorithm::Dm] {
        compare(&algorithm.to_string(), CLOSE, &|backend| backend.cycles(algorithm.cycle(0.75, false), 3))?;
    }
    compare("HIO and updates of the kernel", 1e-4, &|backend| {
        backend.cycles(Algorithm::Hio.cycle(0.75, false), 2);
        backend.update_psf();
        backend.cycles(Algorithm::Hio.cycle(0.75, false), 2);
        backend.update_psf();
    })?;
    compare("maximum likelihood", 1e-4, &|backend| backend.conjugate_gradients(4))?;
    compare("switched off again", CLOSE, &|backend| {
        backend.cycles(Algorithm::Er.cycle(0.9, false), 1);
        backend.set_psf(false);
        backend.cycles(Algorithm::Er.cycle(0.9, false), 1);
    })?;
    Ok(found)
}

fn support_rules() -> Vec<(&'static str, SupportRule)> {
    let rule = SupportRule::default();
    vec![
        ("rms", SupportRule { sigma: 1.5, ..rule.clone() }),
        (
            "mean, only shrinking",
            SupportRule { reference: Reference::Mean, only_shrink: true, cut: Cut::Threshold(0.6), ..rule.clone() },
        ),
        (
            "maximum, positive",
            SupportRule {
                reference: Reference::Max,
                positivity: true,
                cut: Cut::Threshold(0.2),
                sigma: 0.5,
                ..rule.clone()
            },
        ),
        ("no blur", SupportRule { sigma: 0.0, cut: Cut::Threshold(0.3), ..rule.clone() }),
        ("border and steps", SupportRule { border: 2, expand: vec![-1, 2, 1], sigma: 0.7, ..rule.clone() }),
        ("of given areas", SupportRule { cut: Cut::Area(0.05), expand: vec![1], ..rule.clone() }),
        ("too small", SupportRule { cut: Cut::Threshold(5.0), fraction: [0.1, 0.5], ..rule.clone() }),
        ("too large", SupportRule { cut: Cut::Threshold(1e-4), fraction: [0.0, 0.2], ..rule.clone() }),
        (
            "too small and only shrinking",
            SupportRule { cut: Cut::Threshold(5.0), only_shrink: true, fraction: [0.9, 1.0], ..rule },
        ),
    ]
}

/// Whole recipes: agreement with the CPU; the same bits for the same seed, and for a run alone and
/// in a batch. Gives what was compared, the difference and its limit.
fn recipes(open: OpenBackend, case: &Case) -> Result<Vec<(String, f64, f64)>> {
    let recipe: Recipe = "ML**5,ER**20,(Sup*HIO**20)**3,DetwinRAAR**5,RAAR**20,ER**40".parse()?;
    let settings = RunSettings {
        recipe: recipe.clone(),
        beta: 0.9,
        positivity: false,
        support: SupportRule { fraction: [0.001, 0.5], ..SupportRule::default() },
        smooth: [2.0, 0.5],
        threshold_end: None,
        gap_constraint: GapConstraint::default(),
        curve_interval: 25,
    };
    let draws = |runs: std::ops::Range<usize>| -> Vec<Draw> {
        runs.map(|run| Draw {
            seed: run as u64,
            cut: Cut::Threshold(0.2 + 0.02 * run as f32),
            start: case.starts[run].clone(),
        })
        .collect()
    };
    let phased = |backend: &mut dyn Backend, runs| -> Result<Vec<Run>> {
        let outcomes = walk(backend, &settings, draws(runs), &mut |_, _, _| true)?;
        outcomes.into_iter().map(|outcome| outcome.completed().ok_or(Error::NoObject { runs: 1 })).collect()
    };
    let mut device = open(Arc::clone(&case.problem), &recipe, RUNS)?;
    let all = phased(&mut *device, 0..RUNS)?;
    let again = phased(&mut *device, 0..RUNS)?;
    let alone = phased(&mut *device, 1..2)?;
    let cpu = phased(&mut Batch::new(Arc::clone(&case.problem), RUNS), 0..RUNS)?;
    let same = |a: &[Run], b: &[Run]| {
        let differ = a.iter().zip(b).any(|(a, b)| a.object != b.object || a.support != b.support || a.fit != b.fit);
        f64::from(u8::from(differ))
    };
    let likelihood =
        all.iter().zip(&cpu).map(|(a, b)| (a.fit.llk_poisson - b.fit.llk_poisson).abs() / b.fit.llk_poisson.max(1.0));
    let overlap =
        all.iter().zip(&cpu).map(|(a, b)| support_difference(&a.support.to_cornered(), &b.support.to_cornered()));
    // Two pixels of a small support may lie on the threshold.
    let least = cpu.iter().map(|run| run.support.0.iter().filter(|&&inside| inside).count()).min().unwrap_or(1);
    let curves = all.iter().zip(&cpu).map(|(a, b)| f64::from(u8::from(a.curve.len() != b.curve.len())));
    Ok(vec![
        ("recipe, likelihood".into(), likelihood.fold(0.0, f64::max), 1e-3),
        ("recipe, supports apart".into(), overlap.fold(0.0, f64::max), f64::max(0.01, 2.01 / least as f64)),
        ("recipe, lengths of curves".into(), curves.fold(0.0, f64::max), 0.0),
        ("recipe, same seeds again".into(), same(&all, &again), 0.0),
        ("recipe, alone and in a batch".into(), same(&alone, &all[1..2]), 0.0),
    ])
}
