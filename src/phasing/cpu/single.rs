//! One run on the CPU.

use super::blur::{Blur, project};
use super::kernels::{ApplyFresh, ApplyRule, Projection};
use super::sums::{FLOOR, poisson, sums};
use crate::fft::{COLUMNS, Columns, Fft, Transforms};
use crate::phasing::backend::{Fit, GapConstraint, best_scale};
use crate::phasing::bound::Bound;
use crate::phasing::problem::Problem;
use crate::phasing::psf::Psf;
use crate::phasing::rules::{Cycle, Rule};
use crate::phasing::support::{self, SupportRule, SupportState};
use crate::volume::Cornered;
use ndarray::Array3;
use num_complex::Complex32;
use pulp::Arch;
use rayon::prelude::*;
use std::sync::{Arc, Mutex, PoisonError};

/// One run on the CPU.
pub struct Cpu {
    pub(super) problem: Arc<Problem>,
    pub(super) fft: Fft,
    pub(super) object: Vec<Complex32>,
    /// The modulus projection, or scratch.
    pub(super) work: Vec<Complex32>,
    support: Vec<bool>,
    /// Number of pixels in the support.
    count: usize,
    pub(super) gaps: GapConstraint,
    /// Blur of the intensities, where the problem has one.
    pub(super) blur: Option<Blur>,
}

impl Cpu {
    /// A backend for this problem; arrays are allocated now and reused by every run.
    pub fn new(problem: Arc<Problem>) -> Self {
        let n = problem.len();
        Cpu {
            fft: Fft::new(problem.shape()),
            object: vec![Complex32::ZERO; n],
            work: vec![Complex32::ZERO; n],
            support: vec![true; n],
            count: n,
            gaps: GapConstraint::default(),
            blur: problem.psf.as_ref().map(|psf| Blur::new(psf, problem.shape())),
            problem,
        }
    }

    /// Cycles of one rule, each of them two passes over memory: modulus projections while columns
    /// are in cache, rules while slabs are. In between, `work` is the object's transform along the
    /// axes of the slabs.
    fn rule(&mut self, rule: &Rule, n: usize) {
        let Cpu { problem, fft, object, work, support, count, gaps, blur } = self;
        let projection = projection(problem, *gaps, fft);
        let rms = (problem.photons / (*count).max(1) as f64).sqrt() as f32;
        let fresh = rule.needs_no_object();
        fft.rows_pass(work, object, Transforms::AFTER, |_, w, o| w.copy_from_slice(o));
        for cycle in 1..=n {
            project(fft, &problem.bounds, &projection, blur.as_mut(), work);
            let last = cycle == n;
            fft.rows_pass(work, object, if last { Transforms::BEFORE } else { Transforms::BOTH }, |start, p, o| {
                let support = &support[start..start + p.len()];
                if fresh {
                    Arch::new().dispatch(ApplyFresh { rule, rms, real: problem.real, projected: p, support });
                    if last {
                        o.copy_from_slice(p);
                    }
                } else {
                    Arch::new().dispatch(ApplyRule { rule, rms, real: problem.real, projected: p, object: o, support });
                }
            });
        }
    }

    /// `O' = O + beta (P_S f_M(O) - P_M f_S(O))`, `f_M = (1 + 1/beta) P_M - 1/beta`,
    /// `f_S = (1 - 1/beta) P_S + 1/beta`: V. Elser, J. Opt. Soc. Am. A 20, 40 (2003), with his
    /// optimal gammas.
    fn difference_map(&mut self, beta: f32, positivity: bool) {
        let Cpu { problem, fft, object, work, support, gaps, blur, .. } = self;
        let g = 1.0 / beta.max(1e-3);
        let inside = |s: bool, v: Complex32| s && (!positivity || v.re >= 0.0);
        let mut second: Vec<Complex32> =
            object.par_iter().zip(&*support).map(|(&o, &s)| if inside(s, o) { o } else { o * g }).collect();
        let projection = projection(problem, *gaps, fft);
        let constrain = |values: &mut [Complex32]| {
            if problem.real {
                values.iter_mut().for_each(|value| value.im = 0.0);
            }
        };
        fft.rows_pass(&mut second, &mut vec![(); object.len()], Transforms::AFTER, |_, _, _| {});
        project(fft, &problem.bounds, &projection, blur.as_mut(), &mut second);
        fft.rows_pass(&mut second, &mut vec![(); object.len()], Transforms::BEFORE, |_, values, _| constrain(values));
        fft.rows_pass(work, object, Transforms::AFTER, |_, w, o| w.copy_from_slice(o));
        project(fft, &problem.bounds, &projection, blur.as_mut(), work);
        fft.rows_pass(work, object, Transforms::BEFORE, |start, p, o| {
            constrain(p);
            for (i, (o, &p)) in o.iter_mut().zip(&*p).enumerate() {
                let (q, s) = (second[start + i], support[start + i]);
                let reflected = p * (1.0 + g) - *o * g;
                let first = if inside(s, reflected) { reflected } else { Complex32::ZERO };
                *o += (first - q) * beta;
            }
        });
    }

    fn projected_density(&mut self, positivity: bool, density: &mut [f32]) {
        let Cpu { problem, fft, object, work, gaps, blur, .. } = self;
        let projection = projection(problem, *gaps, fft);
        fft.rows_pass(work, object, Transforms::AFTER, |_, w, o| w.copy_from_slice(o));
        project(fft, &problem.bounds, &projection, blur.as_mut(), work);
        let real = problem.real;
        fft.rows_pass(work, density, Transforms::BEFORE, |_, p, density| {
            for (density, value) in density.iter_mut().zip(p) {
                *density = match (positivity, real) {
                    (true, _) => value.re.max(0.0),
                    (false, true) => value.re.abs(),
                    (false, false) => value.norm_sqr().sqrt(),
                };
            }
        });
    }

    /// Sets a field to zero outside the support.
    pub(super) fn cut(&self, field: &mut [Complex32]) {
        field.par_iter_mut().zip(&self.support).filter(|(_, s)| !**s).for_each(|(v, _)| *v = Complex32::ZERO);
    }
}

/// The modulus projection of values between the passes of `fft`.
fn projection<'a>(problem: &'a Problem, gaps: GapConstraint, fft: &Fft) -> Projection<'a> {
    Projection { bounds: &problem.bounds, gaps, scale: fft.scale() }
}

/// `F clamp(|F|, lo, hi) / |F|` for every pixel: the nearest values that the bounds allow. The
/// plain form of what a cycle does while it passes over memory, for those who have a whole array.
pub fn project_modulus(field: &mut [Complex32], problem: &Problem, gaps: GapConstraint) {
    let projection = Projection { bounds: &problem.bounds, gaps, scale: 1.0 };
    field.par_iter_mut().enumerate().for_each(|(i, value)| *value = projection.point(*value, problem.bounds.at(i)));
}

/// Sums over measured pixels: see [`Fit::new`].
const FIT_SUMS: usize = 5;

fn fit_sums(columns: &mut Columns<Bound>) -> [f64; FIT_SUMS] {
    let mut sums = [0.0; FIT_SUMS];
    for (row, bounds) in columns.rows() {
        for (c, bound) in bounds.iter().enumerate().filter(|(_, bound)| bound.is_measured()) {
            let (re, im, m) = (f64::from(row[c]), f64::from(row[COLUMNS + c]), f64::from(bound.modulus()));
            let terms = fit_terms(re * re + im * im, m);
            (0..FIT_SUMS).for_each(|k| sums[k] += terms[k]);
        }
    }
    sums
}

/// The terms of a pixel with this calculated intensity and this measured modulus.
pub(in crate::phasing) fn fit_terms(calculated: f64, modulus: f64) -> [f64; FIT_SUMS] {
    let (f, o) = (calculated, modulus * modulus);
    let logarithm = if o > 0.0 { o * (o / f.max(FLOOR.into())).ln() } else { 0.0 };
    [f.sqrt() * modulus, f, o, logarithm, 1.0]
}

/// What [`super::Batch`] does for each of its runs.
impl Cpu {
    /// Begins with this object and this support, gaps bounded as the problem says.
    pub fn start(&mut self, object: &Cornered<Complex32>, support: &Cornered<bool>) {
        self.object.copy_from_slice(object.as_slice());
        self.gaps = GapConstraint::default();
        if let (Some(blur), Some(psf)) = (&mut self.blur, &self.problem.psf) {
            (blur.on, blur.psf) = (false, psf.first.clone());
        }
        self.set_support(support);
    }

    /// Advances the object by `n` cycles.
    pub fn cycles(&mut self, cycle: Cycle, n: usize) {
        match cycle {
            _ if n == 0 => {}
            Cycle::Rule(rule) => self.rule(&rule, n),
            Cycle::DifferenceMap { beta, positivity } => (0..n).for_each(|_| self.difference_map(beta, positivity)),
        }
    }

    /// Replaces the support by what stands out of the blurred object.
    pub fn update_support(&mut self, rule: &SupportRule) -> SupportState {
        let n = self.problem.len();
        let mut density = self.density(rule.positivity);
        // The projection has been read: its array is scratch for the blur.
        let scratch: &mut [f32] = &mut bytemuck::cast_slice_mut(&mut self.work)[..n];
        let state = support::update(self.problem.shape(), rule, &mut density, scratch, &mut self.support);
        self.count = state.count;
        state
    }

    /// Replaces the support.
    pub fn set_support(&mut self, support: &Cornered<bool>) {
        self.support.copy_from_slice(support.as_slice());
        self.count = self.support.iter().filter(|&&s| s).count();
    }

    /// How pixels without measurement are treated from here on.
    pub fn set_gap_constraint(&mut self, gaps: GapConstraint) {
        self.gaps = gaps;
    }

    /// Switches the blur of calculated intensities on or off, where the problem has one.
    pub fn set_psf(&mut self, on: bool) {
        if let Some(blur) = &mut self.blur {
            blur.on = on;
        }
    }

    /// Refines the kernel of the blur, if that is switched on.
    pub fn update_psf(&mut self) {
        let Some(mut blur) = self.blur.take_if(|blur| blur.on) else { return };
        self.cut_transform(|_| {});
        if let Some(problem) = &self.problem.psf {
            blur.refine(problem, &self.work);
        }
        self.blur = Some(blur);
    }

    /// Kernel of the blur, if that is switched on.
    pub fn psf(&self) -> Option<Psf> {
        self.blur.as_ref().filter(|blur| blur.on).map(|blur| blur.psf.clone())
    }

    /// The density that support updates look at: the modulus of the object's modulus projection, or
    /// under positivity the positive part of its real part. Of the projection, because outside the
    /// support the object of HIO and its kin is feedback and no density.
    pub fn density(&mut self, positivity: bool) -> Vec<f32> {
        let mut density = vec![0.0; self.problem.len()];
        self.projected_density(positivity, &mut density);
        density
    }

    /// Fit of the object, cut to its support; `None` if the object overflowed.
    ///
    /// All sums ride on the last pass of the transform, unless intensities are blurred.
    pub fn fit(&mut self) -> Option<Fit> {
        let blocks = Mutex::new(Vec::new());
        let sharp = self.blur.as_ref().is_none_or(|blur| !blur.on);
        self.cut_transform(|columns| {
            if sharp {
                let (first, sums) = (columns.first(), fit_sums(columns));
                blocks.lock().unwrap_or_else(PoisonError::into_inner).push((first, sums));
            }
        });
        let Cpu { problem, work, count, blur, .. } = self;
        let mut total = [0.0; FIT_SUMS];
        let blurred = blur.as_mut().filter(|blur| blur.on).map(|blur| blur.intensities(work));
        match blurred {
            None => {
                // In order, so that the number of threads does not matter.
                let mut blocks = blocks.into_inner().unwrap_or_else(PoisonError::into_inner);
                blocks.sort_unstable_by_key(|(first, _)| *first);
                blocks.iter().for_each(|(_, sums)| (0..FIT_SUMS).for_each(|k| total[k] += sums[k]));
            }
            Some(blurred) => {
                total = sums(problem.len(), |i| match problem.bounds.at(i) {
                    bound if bound.is_measured() => fit_terms(blurred[i].into(), bound.modulus().into()),
                    _ => [0.0; FIT_SUMS],
                });
            }
        }
        let squared = best_scale(total).powi(2) as f32;
        let held_out = &problem.held_out;
        let [free] = sums(held_out.len(), |i| {
            let (index, observed) = held_out[i];
            let calculated = blurred.map_or(work[index].norm_sqr(), |blurred| blurred[index]);
            [poisson(calculated * squared, observed)]
        });
        let free = (!held_out.is_empty()).then(|| free / held_out.len() as f64);
        Fit::new(total, free, *count as f64 / problem.len() as f64)
    }

    /// Leaves the transform of the object, cut to its support, in `work`; `visit` sees its columns.
    fn cut_transform(&mut self, visit: impl Fn(&mut Columns<Bound>) + Sync) {
        let Cpu { problem, fft, object, work, support, .. } = self;
        let unit = fft.scale();
        fft.rows_pass(work, object, Transforms::AFTER, |start, w, o| {
            let inside = &support[start..];
            for ((w, &o), &inside) in w.iter_mut().zip(&*o).zip(inside) {
                *w = if inside { o * unit } else { Complex32::ZERO };
            }
        });
        fft.columns_pass(work, problem.bounds.in_columns(), Transforms::BEFORE, visit);
    }

    /// The object, not cut to its support.
    pub fn object(&self) -> Cornered<Complex32> {
        Cornered(Array3::from_shape_vec(self.problem.shape(), self.object.clone()).expect("the problem's shape"))
    }

    /// The support.
    pub fn support(&self) -> Cornered<bool> {
        Cornered(Array3::from_shape_vec(self.problem.shape(), self.support.clone()).expect("the problem's shape"))
    }

    /// What was given to phase.
    pub fn problem(&self) -> &Problem {
        &self.problem
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::phasing::bound::Bounds;
    use crate::pixels::Interval;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_nearest_value_obeys_its_bounds_and_is_its_own_nearest(
            re in -1e4f32..1e4, im in -1e4f32..1e4, lo in 0f32..1e3, width in prop::sample::select(vec![0.0f32, 1.0, 1e3])
        ) {
            let hi = lo + width;
            let mut bounds = Bounds::free([1, 1, 3]);
            bounds.set_estimated(0, Interval { lo, hi });
            bounds.set_measured(2, lo);
            let projection = Projection { bounds: &bounds, gaps: GapConstraint::default(), scale: 1.0 };
            let nearest = |value: Complex32, bound: Bound| projection.point(value, bound);
            let [estimated, free, measured] = [0, 1, 2].map(|i| bounds.at(i));
            let once = nearest(Complex32::new(re, im), estimated);
            // One rounding each of modulus, quotient and product.
            prop_assert!(once.norm() >= lo * (1.0 - 1e-6) && once.norm() <= hi * (1.0 + 1e-6));
            prop_assert!((nearest(once, estimated) - once).norm() <= 1e-6 * once.norm());
            prop_assert_eq!(nearest(Complex32::ZERO, estimated), Complex32::new(lo, 0.0));
            prop_assert_eq!(nearest(Complex32::new(re, im), free), Complex32::new(re, im));
            prop_assert!((nearest(Complex32::new(re, im), measured).norm() - lo).abs() <= 1e-6 * lo);
        }
    }
}
