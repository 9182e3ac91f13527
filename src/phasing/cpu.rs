//! The CPU backend: library transforms, pointwise passes in parallel, sums in fixed pieces so that results do not depend on the
//! number of threads.

use super::backend::{Backend, Fit, Gaps};
use super::problem::{Problem, Role};
use super::rules::{Cycle, Rule};
use super::support::{self, SupportRule, SupportState};
use crate::fft::Fft;
use crate::volume::Cornered;
use ndarray::Array3;
use num_complex::Complex32;
use rayon::prelude::*;
use std::sync::Arc;

/// Elements that one task handles in a pointwise pass, and that one partial sum covers.
const PIECE: usize = 1 << 14;

/// Smallest calculated intensity in a likelihood, photons: keeps the logarithm finite.
const FLOOR: f32 = 1e-8;

/// One run on the CPU.
pub struct Cpu {
    problem: Arc<Problem>,
    fft: Fft,
    object: Vec<Complex32>,
    /// The modulus projection, or whatever a step needs one array for.
    work: Vec<Complex32>,
    support: Vec<bool>,
    count: usize,
    gaps: Gaps,
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
            gaps: Gaps::default(),
            problem,
        }
    }

    /// Replaces `field` by its modulus projection, in object space.
    fn project(&self, field: &mut [Complex32]) {
        self.fft.forward(field);
        project_modulus(field, &self.problem, self.gaps);
        self.fft.inverse(field);
        if self.problem.real {
            drop_imaginary(field);
        }
    }

    fn rule(&mut self, rule: &Rule) {
        let mut work = std::mem::take(&mut self.work);
        work.par_chunks_mut(PIECE).zip(self.object.par_chunks(PIECE)).for_each(|(p, o)| p.copy_from_slice(o));
        self.project(&mut work);
        let rms = (self.problem.photons / self.count.max(1) as f64).sqrt() as f32;
        self.object
            .par_chunks_mut(PIECE)
            .zip(work.par_chunks(PIECE))
            .zip(self.support.par_chunks(PIECE))
            .for_each(|((o, p), s)| apply_rule(rule, rms, o, p, s));
        self.work = work;
    }

    /// `O' = O + beta (P_S f_M(O) - P_M f_S(O))`, `f_M = (1 + 1/beta) P_M - 1/beta`, `f_S = (1 - 1/beta) P_S + 1/beta`:
    /// V. Elser, J. Opt. Soc. Am. A 20, 40 (2003), with his optimal gammas.
    fn difference_map(&mut self, beta: f32, positivity: bool) {
        let g = 1.0 / beta.max(1e-3);
        let inside = |s: bool, v: Complex32| s && (!positivity || v.re >= 0.0);
        let mut second: Vec<Complex32> =
            self.object.par_iter().zip(&self.support).map(|(&o, &s)| if inside(s, o) { o } else { o * g }).collect();
        self.project(&mut second);
        let mut work = std::mem::take(&mut self.work);
        work.copy_from_slice(&self.object);
        self.project(&mut work);
        self.object.par_iter_mut().zip(&work).zip(&second).zip(&self.support).for_each(|(((o, &p), &q), &s)| {
            let reflected = p * (1.0 + g) - *o * g;
            let first = if inside(s, reflected) { reflected } else { Complex32::ZERO };
            *o += (first - q) * beta;
        });
        self.work = work;
    }

    /// The transform of the object cut to its support, in `work`.
    fn calculate(&mut self) {
        let mut work = std::mem::take(&mut self.work);
        work.par_iter_mut()
            .zip(&self.object)
            .zip(&self.support)
            .for_each(|((w, &o), &s)| *w = if s { o } else { Complex32::ZERO });
        self.fft.forward(&mut work);
        self.work = work;
    }

    /// See [`Backend::density`].
    fn projected_density(&mut self, positivity: bool, density: &mut [f32]) {
        let mut work = std::mem::take(&mut self.work);
        work.copy_from_slice(&self.object);
        self.project(&mut work);
        density.par_iter_mut().zip(&work).for_each(|(density, value)| {
            *density = if positivity { value.re.max(0.0) } else { value.norm_sqr().sqrt() };
        });
        self.work = work;
    }

    fn cut(&self, field: &mut [Complex32]) {
        field.par_iter_mut().zip(&self.support).filter(|(_, s)| !**s).for_each(|(v, _)| *v = Complex32::ZERO);
    }
}

/// `O' = a P + b O` over one piece.
fn apply_rule(rule: &Rule, rms: f32, object: &mut [Complex32], projected: &[Complex32], support: &[bool]) {
    let [a_in, b_in] = rule.inside;
    let [a_out, b_out] = rule.outside;
    match rule.decision {
        None => {
            for ((o, p), &s) in object.iter_mut().zip(projected).zip(support) {
                let (a, b) = if s { (a_in, b_in) } else { (a_out, b_out) };
                *o = p * a + *o * b;
            }
        }
        Some(decision) => {
            let [wp, wo] = decision.weights;
            let least = decision.threshold * rms;
            for ((o, p), &s) in object.iter_mut().zip(projected).zip(support) {
                let keep = s & (wp * p.re + wo * o.re >= least);
                let (a, b) = if keep { (a_in, b_in) } else { (a_out, b_out) };
                *o = p * a + *o * b;
            }
        }
    }
}

/// `F clamp(|F|, lo, hi) / |F|` for every pixel: the nearest values that the intervals allow.
pub fn project_modulus(field: &mut [Complex32], problem: &Problem, gaps: Gaps) {
    let Gaps { released, leak } = gaps;
    field
        .par_chunks_mut(PIECE)
        .zip(problem.lo.par_chunks(PIECE))
        .zip(problem.hi.par_chunks(PIECE))
        .zip(problem.role.par_chunks(PIECE))
        .for_each(|(((field, lo), hi), role)| {
            if released {
                for (((f, &lo), &hi), &role) in field.iter_mut().zip(lo).zip(hi).zip(role) {
                    *f = if role == Role::Fitted { nearest(*f, lo, hi) } else { *f * leak };
                }
            } else {
                for ((f, &lo), &hi) in field.iter_mut().zip(lo).zip(hi) {
                    *f = bounded(*f, lo, hi, leak);
                }
            }
        });
}

fn drop_imaginary(field: &mut [Complex32]) {
    field.par_chunks_mut(PIECE).for_each(|piece| piece.iter_mut().for_each(|value| value.im = 0.0));
}

/// The value nearest to `f` whose modulus is between `lo` and `hi`; a zero has no phase and becomes `lo`.
#[inline]
fn nearest(f: Complex32, lo: f32, hi: f32) -> Complex32 {
    bounded(f, lo, hi, 1.0)
}

/// [`nearest`] where there is an upper bound, else `f` times `leak`. Selections instead of branches, so that loops over it are
/// vectorised.
#[inline(always)]
fn bounded(f: Complex32, lo: f32, hi: f32, leak: f32) -> Complex32 {
    let modulus = f.norm_sqr().sqrt();
    let raised = if modulus < lo { lo } else { modulus };
    let target = if raised > hi { hi } else { raised };
    let factor = if hi < f32::INFINITY { target / modulus } else { leak };
    let (factor, zero) = if modulus > 0.0 { (factor, 0.0) } else { (0.0, lo) };
    Complex32::new(f.re * factor + zero, f.im * factor)
}

/// Sums of `f` over fixed pieces of `0..n`, added in order.
fn sums<const K: usize>(n: usize, f: impl Fn(usize) -> [f64; K] + Sync) -> [f64; K] {
    let pieces: Vec<[f64; K]> = (0..n.div_ceil(PIECE))
        .into_par_iter()
        .map(|piece| {
            let mut total = [0.0; K];
            for i in piece * PIECE..((piece + 1) * PIECE).min(n) {
                let values = f(i);
                (0..K).for_each(|k| total[k] += values[k]);
            }
            total
        })
        .collect();
    pieces.iter().fold([0.0; K], |mut total, piece| {
        (0..K).for_each(|k| total[k] += piece[k]);
        total
    })
}

/// Poisson log-likelihood of one pixel, `c - o + o ln(o / c)`: zero where the calculated intensity is the observed one.
fn poisson(calculated: f32, observed: f32) -> f64 {
    let (c, o) = (f64::from(calculated.max(FLOOR)), f64::from(observed));
    if o > 0.0 { c - o + o * (o / c).ln() } else { c }
}

impl Backend for Cpu {
    fn start(&mut self, object: &Cornered<Complex32>, support: &Cornered<bool>) {
        self.object.copy_from_slice(object.as_slice());
        self.gaps = Gaps::default();
        self.set_support(support);
    }

    fn cycles(&mut self, cycle: Cycle, n: usize) {
        for _ in 0..n {
            match cycle {
                Cycle::Rule(rule) => self.rule(&rule),
                Cycle::DifferenceMap { beta, positivity } => self.difference_map(beta, positivity),
            }
        }
    }

    /// Polak-Ribiere directions with one Newton step each, halved while the likelihood grows; the gradient of the likelihood is
    /// `(1 - t^2 / |F|^2) F` with `t` the nearest allowed modulus, which is `sqrt(I)` where measured and vanishes inside bounds.
    /// P. Thibault and M. Guizar-Sicairos, New J. Phys. 14, 063004 (2012).
    fn conjugate_gradients(&mut self, n: usize) {
        let len = self.problem.len();
        let mut object = std::mem::take(&mut self.object);
        self.cut(&mut object);
        let mut field = std::mem::take(&mut self.work);
        field.copy_from_slice(&object);
        self.fft.forward(&mut field);
        let problem = Arc::clone(&self.problem);
        let gaps = self.gaps;
        let target = |i: usize, power: f32| {
            let free = gaps.released && problem.role[i] != Role::Fitted;
            let modulus = power.sqrt();
            let t = if free { modulus } else { modulus.max(problem.lo[i]).min(problem.hi[i]) };
            // Not `t * t`, which is rarely `power` again where nothing binds.
            if t == modulus { power } else { t * t }
        };
        let mut gradient = vec![Complex32::ZERO; len];
        let mut previous = vec![Complex32::ZERO; len];
        let mut direction = vec![Complex32::ZERO; len];
        let mut step = vec![Complex32::ZERO; len];
        for iteration in 0..n {
            std::mem::swap(&mut gradient, &mut previous);
            gradient.par_iter_mut().enumerate().for_each(|(i, g)| {
                let power = field[i].norm_sqr().max(FLOOR);
                *g = field[i] * (target(i, power) / power - 1.0);
            });
            self.fft.inverse(&mut gradient);
            if problem.real {
                drop_imaginary(&mut gradient);
            }
            self.cut(&mut gradient);
            let [new, old, cross] = sums(len, |i| {
                [
                    f64::from(gradient[i].norm_sqr()),
                    f64::from(previous[i].norm_sqr()),
                    f64::from(gradient[i].re * previous[i].re + gradient[i].im * previous[i].im),
                ]
            });
            if !(new > 0.0 && new.is_finite()) {
                break;
            }
            let turn = if iteration == 0 { 0.0 } else { ((new - cross) / old).max(0.0) as f32 };
            direction.par_iter_mut().zip(&gradient).for_each(|(d, &g)| *d = g + *d * turn);
            step.copy_from_slice(&direction);
            self.fft.forward(&mut step);
            let [slope, curvature, safe] = sums(len, |i| {
                let power = field[i].norm_sqr().max(FLOOR);
                let observed = target(i, power);
                if observed == power {
                    return [0.0; 3];
                }
                let along = 2.0 * f64::from(field[i].re * step[i].re + field[i].im * step[i].im);
                let (power, observed) = (f64::from(power), f64::from(observed));
                let twice = 2.0 * f64::from(step[i].norm_sqr());
                let ratio = along / power;
                [along * (1.0 - observed / power), twice * (1.0 - observed / power) + observed * ratio * ratio, twice]
            });
            let curvature = if curvature > 0.0 { curvature } else { safe };
            if !(curvature > 0.0 && curvature.is_finite()) {
                break;
            }
            let likelihood = |length: f32| {
                sums(len, |i| {
                    let power = (field[i] + step[i] * length).norm_sqr().max(FLOOR);
                    let observed = target(i, power);
                    [if observed == power { 0.0 } else { poisson(power, observed) }]
                })[0]
            };
            let before = likelihood(0.0);
            let mut length = (-slope / curvature) as f32;
            let mut halvings = 0;
            // Written so that a NaN counts as worse.
            while likelihood(length).partial_cmp(&before) != Some(std::cmp::Ordering::Less) && halvings < 8 {
                length /= 2.0;
                halvings += 1;
            }
            if halvings == 8 {
                break;
            }
            object.par_iter_mut().zip(&direction).for_each(|(o, &d)| *o += d * length);
            field.par_iter_mut().zip(&step).for_each(|(f, &s)| *f += s * length);
        }
        self.object = object;
        self.work = field;
    }

    fn update_support(&mut self, rule: &SupportRule) -> SupportState {
        let n = self.problem.len();
        let mut density = self.density(rule.positivity);
        // The projection has been read: its array lends room for the blur.
        let scratch: &mut [f32] = &mut bytemuck::cast_slice_mut(&mut self.work)[..n];
        let state = support::update(self.problem.shape(), rule, &mut density, scratch, &mut self.support);
        self.count = state.count;
        state
    }

    fn set_support(&mut self, support: &Cornered<bool>) {
        self.support.copy_from_slice(support.as_slice());
        self.count = self.support.iter().filter(|&&s| s).count();
    }

    fn set_gaps(&mut self, gaps: Gaps) {
        self.gaps = gaps;
    }

    fn density(&mut self, positivity: bool) -> Vec<f32> {
        let mut density = vec![0.0; self.problem.len()];
        self.projected_density(positivity, &mut density);
        density
    }

    fn fit(&mut self) -> Fit {
        self.calculate();
        let (problem, field) = (&self.problem, &self.work);
        let n = problem.len();
        let [cross, calculated, observed, count] = sums(n, |i| {
            if problem.role[i] != Role::Fitted {
                return [0.0; 4];
            }
            let (f, m) = (f64::from(field[i].norm_sqr()), f64::from(problem.lo[i]));
            [f.sqrt() * m, f, m * m, 1.0]
        });
        let scale = if calculated > 0.0 { cross / calculated } else { 1.0 };
        let squared = (scale * scale) as f32;
        let [residual, likelihood] = sums(n, |i| {
            if problem.role[i] != Role::Fitted {
                return [0.0; 2];
            }
            let (c, m) = (field[i].norm_sqr() * squared, problem.lo[i]);
            let difference = f64::from(c).sqrt() - f64::from(m);
            [difference * difference, poisson(c, m * m)]
        });
        let held_out = &problem.held_out;
        let [free] = sums(held_out.len(), |i| {
            let (index, observed) = held_out[i];
            [poisson(field[index].norm_sqr() * squared, observed)]
        });
        Fit {
            r_factor: (residual / observed).sqrt(),
            llk_poisson: likelihood / count,
            free_llk_poisson: (!held_out.is_empty()).then(|| free / held_out.len() as f64),
            scale,
            support_fraction: self.count as f64 / n as f64,
        }
    }

    fn object(&self) -> Cornered<Complex32> {
        Cornered(Array3::from_shape_vec(self.problem.shape(), self.object.clone()).expect("the problem's shape"))
    }

    fn support(&self) -> Cornered<bool> {
        Cornered(Array3::from_shape_vec(self.problem.shape(), self.support.clone()).expect("the problem's shape"))
    }

    fn problem(&self) -> &Problem {
        &self.problem
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_nearest_value_obeys_its_bounds_and_is_its_own_nearest(
            re in -1e4f32..1e4, im in -1e4f32..1e4, lo in 0f32..1e3, width in prop::sample::select(vec![0.0f32, 1.0, 1e3])
        ) {
            let hi = lo + width;
            let once = nearest(Complex32::new(re, im), lo, hi);
            // One rounding each of modulus, quotient and product.
            prop_assert!(once.norm() >= lo * (1.0 - 1e-6) && once.norm() <= hi * (1.0 + 1e-6));
            prop_assert!((nearest(once, lo, hi) - once).norm() <= 1e-6 * once.norm());
            prop_assert_eq!(nearest(Complex32::ZERO, lo, hi), Complex32::new(lo, 0.0));
            prop_assert_eq!(bounded(Complex32::new(re, im), 0.0, f32::INFINITY, 1.0), Complex32::new(re, im));
        }
    }
}
