//! A guided start for real, positive objects of which nothing is known, not even the low
//! frequencies behind a beamstop.
//!
//! Error reduction and its kin stagnate from such a start, because many wrong objects explain the
//! moduli nearly as well. It is a search problem, and searching is cheap at low resolution: a
//! population of random starts is phased on the central part of the pattern, each with a support
//! that shrinks inside a box; the best guides the others (guided HIO: C.-C. Chen, J. Miao et al.,
//! Phys. Rev. B 76, 064113 (2007)): it is multiplied into them after registration, and they go on.
//! The winner is then carried up, level by level, each with twice the resolution.
//!
//! The box comes from the autocorrelation without its low frequencies, which are the ones that a
//! beamstop hides: what is left of an object with sharp edges still ends where the object ends.

use super::backend::{GapConstraint, Start};
use super::bound::Bound;
use super::cpu::Cpu;
use super::problem::Problem;
use super::rules::Algorithm;
use super::start::Draws;
use super::support::{Cut, Reference, SupportRule, blur, update};
use crate::error::{Error, Result};
use crate::fft::{Fft, fft_friendly};
use crate::pixels::Pattern;
use crate::volume::{Centered, Cornered, Shape};
use ndarray::Array3;
use num_complex::Complex32;
use rayon::prelude::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The settings of the search.
#[derive(Debug, Clone, PartialEq)]
pub struct Search {
    /// Number of objects in the population.
    pub population: usize,
    /// Number of times that the population is phased, guided by its best from the second time on.
    pub generations: usize,
    /// Smallest extent of the pattern on which the search is done, pixels.
    pub size: usize,
    /// Fraction of the box that the support shrinks to.
    pub area: f32,
    /// Factor on free moduli in every projection: see [`GapConstraint::leak`].
    pub leak: f32,
    /// Relaxation of HIO and RAAR, 0 to 1.
    pub beta: f32,
}

/// Cycles of one member of the population in the first and in later generations: settling, updates,
/// 25 cycles after each, and the final ER.
const FIRST: (usize, usize) = (400, 32);
const LATER: (usize, usize) = (100, 16);
const BETWEEN: usize = 25;
const LAST: usize = 40;

/// Cycles and support updates at an intermediate level, with as many cycles after each update, and
/// the final ER.
const REFINE: (usize, usize, usize, usize) = (100, 20, 20, 50);

impl Search {
    /// Estimates the cost of the search, in cycles of the whole pattern.
    pub fn cost(&self, whole: Shape) -> f64 {
        let member = |(settle, updates): (usize, usize)| settle + updates * (BETWEEN + 1) + LAST;
        let cycles = self.population * (member(FIRST) + self.generations.saturating_sub(1) * member(LATER));
        let levels = levels(whole, self.size);
        let fraction = |shape: &Shape| (shape[1] * shape[2]) as f64 / (whole[1] * whole[2]) as f64;
        let refine = (REFINE.0 + REFINE.1 * (REFINE.2 + 1) + REFINE.3) as f64;
        let between: f64 = levels.iter().skip(1).filter(|shape| **shape != whole).map(fraction).sum();
        cycles as f64 * fraction(&levels[0]) + refine * between
    }
}

/// Extents of the support box, in units of half the autocorrelation's.
const MARGIN: f64 = 1.1;

/// Standard deviation, cycles per pixel, of the Gaussian that takes the detector's edge off the
/// moduli at the lower levels: the R factor then tells right objects from wrong ones more sharply.
const TAPER: f32 = 0.25;

struct Member {
    object: Cornered<Complex32>,
    r_factor: f64,
}

/// Searches a start for this pattern, without looking at the pixels that are held out. `progress`
/// is told how many of how many objects are phased, and says whether to go on.
///
/// # Errors
/// For 3D patterns, patterns without an autocorrelation to speak of, and [`Error::Interrupted`].
pub fn guided(
    pattern: &Pattern,
    held_out: &Centered<bool>,
    search: &Search,
    seed: u64,
    progress: &(dyn Fn(usize, usize) -> bool + Sync),
) -> Result<Start> {
    if !pattern.is_2d() {
        return Err(Error::setting("start", "guided", "is for 2D patterns only: give start = random"));
    }
    let whole = pattern.shape();
    let extent = extent(pattern)?;
    let levels = levels(whole, search.size);
    let field = |shape: Shape| support_box(shape, whole, extent);
    // The search, at the lowest level.
    let hidden = |_| {
        let size = crate::error::shape_text(&levels[0][1..]);
        Error::Pattern(format!(
            "nothing is measured in the central {size} pixels, where the search begins: give a larger search-size, or \
             start = random"
        ))
    };
    let lowest = Arc::new(level(pattern, held_out, levels[0]).map_err(hidden)?);
    let limit = field(levels[0]);
    let mut draws = Draws::new(seed);
    let mut starts: Vec<Cornered<Complex32>> =
        (0..search.population.max(1)).map(|_| draws.object(&limit, 0.0, lowest.photons)).collect();
    let mut best: Option<Member> = None;
    let done = AtomicUsize::new(0);
    let total = starts.len() * search.generations.max(1);
    for generation in 0..search.generations.max(1) {
        let members: Option<Vec<Member>> = starts
            .par_iter()
            .map(|start| {
                let member = evolve(Arc::clone(&lowest), start, &limit, search, generation == 0);
                progress(done.fetch_add(1, Ordering::Relaxed) + 1, total).then_some(member)
            })
            .collect();
        let mut members = members.ok_or(Error::Interrupted)?;
        members.sort_by(|a, b| a.r_factor.total_cmp(&b.r_factor));
        starts = guided_by_best(&members, &lowest);
        let first = members.swap_remove(0);
        if best.as_ref().is_none_or(|best| first.r_factor < best.r_factor) {
            best = Some(first);
        }
    }
    let mut object = best.ok_or(Error::Interrupted)?.object;
    // Up to the level below the whole pattern, then the first support there.
    for &shape in levels.iter().skip(1) {
        object = resampled(&object, shape);
        let mut support = standing_out(&object, if shape == whole { 2.0 } else { 1.5 });
        if shape == whole {
            return Ok(Start { object, support });
        }
        let limit = field(shape);
        support.0.zip_mut_with(&limit.0, |s, &inside| *s &= inside);
        object = refine(Arc::new(level(pattern, held_out, shape)?), &object, &support, &limit, search);
    }
    let support = standing_out(&object, 2.0);
    Ok(Start { object, support })
}

/// One member of the population: HIO in a support that shrinks from the box to its brightest part,
/// then a little ER.
fn evolve(
    problem: Arc<Problem>,
    start: &Cornered<Complex32>,
    limit: &Cornered<bool>,
    search: &Search,
    first: bool,
) -> Member {
    let (settle, updates) = if first { FIRST } else { LATER };
    let shape = problem.shape();
    let area = limit.0.iter().filter(|&&inside| inside).count() as f32;
    let mut backend = Cpu::new(problem);
    backend.start(start, limit);
    backend.set_gap_constraint(GapConstraint { released: false, leak: search.leak });
    let hio = Algorithm::Hio.cycle(search.beta, true);
    backend.cycles(hio, settle);
    let mut scratch = vec![0.0; limit.0.len()];
    for update in 0..updates {
        // Down to the final area after four fifths of the updates; the blur shrinks along.
        let x = ((update + 1) as f32 / (0.8 * updates as f32)).min(1.0);
        let mut density = backend.density(true);
        let (density, _) = blur(shape, 0.7f32.powf(x), &mut density, &mut scratch);
        let keep = (area * (1.0 + (search.area - 1.0) * x)) as usize;
        backend.set_support(&brightest(density, limit, keep));
        backend.cycles(hio, BETWEEN);
    }
    backend.set_gap_constraint(GapConstraint::default());
    backend.cycles(Algorithm::Er.cycle(search.beta, true), LAST);
    let r_factor = backend.fit().map_or(f64::INFINITY, |fit| fit.r_factor);
    Member { object: backend.object(), r_factor }
}

/// The `keep` pixels of `limit` with the highest density.
fn brightest(density: &[f32], limit: &Cornered<bool>, keep: usize) -> Cornered<bool> {
    let mut values: Vec<f32> = density.iter().zip(limit.0.iter()).filter(|(_, s)| **s).map(|(d, _)| *d).collect();
    let cut = match values.len().checked_sub(keep.max(1)) {
        Some(position) if position < values.len() => *values.select_nth_unstable_by(position, f32::total_cmp).1,
        _ => 0.0,
    };
    let mut support = limit.clone();
    support.0.iter_mut().zip(density).for_each(|(s, &d)| *s &= d >= cut);
    support
}

/// RAAR at an intermediate level, with a support that follows a rising threshold inside the box,
/// then ER.
fn refine(
    problem: Arc<Problem>,
    object: &Cornered<Complex32>,
    support: &Cornered<bool>,
    limit: &Cornered<bool>,
    search: &Search,
) -> Cornered<Complex32> {
    let (settle, updates, between, last) = REFINE;
    let mut backend = Cpu::new(problem);
    backend.start(object, support);
    backend.set_gap_constraint(GapConstraint { released: false, leak: search.leak });
    let raar = Algorithm::Raar.cycle(search.beta, true);
    backend.cycles(raar, settle);
    for update in 1..=updates {
        let x = update as f32 / updates as f32;
        let rule = SupportRule {
            sigma: 1.5 * (0.7f32 / 1.5).powf(x),
            cut: Cut::Threshold(0.1 + 0.1 * x),
            positivity: true,
            ..SupportRule::default()
        };
        if !backend.update_support(&rule).alive {
            break;
        }
        let mut support = backend.support();
        support.0.zip_mut_with(&limit.0, |s, &inside| *s &= inside);
        backend.set_support(&support);
        backend.cycles(raar, between);
    }
    backend.set_gap_constraint(GapConstraint::default());
    backend.cycles(Algorithm::Er.cycle(search.beta, true), last);
    backend.object()
}

/// The best unchanged, and the geometric mean of the best with each of the others, brought into
/// register with it.
fn guided_by_best(members: &[Member], problem: &Problem) -> Vec<Cornered<Complex32>> {
    let best = &members[0].object;
    let others = members[1..].par_iter().map(|member| {
        let mut other = registered(best, &member.object, problem);
        other.0.zip_mut_with(&best.0, |o, b| *o = Complex32::new((o.re * b.re).max(0.0).sqrt(), 0.0));
        other
    });
    std::iter::once(best.clone()).chain(others.collect::<Vec<_>>()).collect()
}

/// `moving` or its point inversion, shifted by whole pixels to where it correlates best with
/// `reference` over the pixels that the pattern bounds.
fn registered(reference: &Cornered<Complex32>, moving: &Cornered<Complex32>, problem: &Problem) -> Cornered<Complex32> {
    let shape = problem.shape();
    let fft = Fft::new(shape);
    let transform = |object: &Cornered<Complex32>| {
        let mut field = object.as_slice().to_vec();
        fft.forward(&mut field);
        let free = |i: usize| problem.bounds.at(i) == Bound::FREE;
        field.iter_mut().enumerate().filter(|(i, _)| free(*i)).for_each(|(_, f)| *f = Complex32::ZERO);
        field
    };
    let target = transform(reference);
    let peak = |moving: &Cornered<Complex32>| {
        let mut product = transform(moving);
        product.iter_mut().zip(&target).for_each(|(m, t)| *m = t * m.conj());
        fft.inverse(&mut product);
        let (at, value) = product
            .iter()
            .enumerate()
            .fold((0, f32::NEG_INFINITY), |best, (i, v)| if v.re > best.1 { (i, v.re) } else { best });
        (at, value)
    };
    let [_, ny, nx] = shape;
    let inverted = Cornered(Array3::from_shape_fn(shape, |(_, y, x)| moving.0[[0, (ny - y) % ny, (nx - x) % nx]]));
    let (as_is, twin) = (peak(moving), peak(&inverted));
    let (object, at) = if twin.1 > as_is.1 { (&inverted, twin.0) } else { (moving, as_is.0) };
    let (sy, sx) = (at / nx, at % nx);
    Cornered(Array3::from_shape_fn(shape, |(_, y, x)| object.0[[0, (y + ny - sy) % ny, (x + nx - sx) % nx]]))
}

/// Shapes from the lowest level to the whole pattern: halved as long as the smaller side stays at
/// least `size`.
fn levels(whole: Shape, size: usize) -> Vec<Shape> {
    let mut levels = vec![whole];
    let mut divisor = 2;
    while whole[1].min(whole[2]) / divisor >= size.max(32) {
        levels.push([1, fft_friendly(whole[1] / divisor), fft_friendly(whole[2] / divisor)]);
        divisor *= 2;
    }
    levels.reverse();
    levels
}

/// The problem of the central part of the pattern, for a real object; tapered unless it is the
/// whole.
fn level(pattern: &Pattern, held_out: &Centered<bool>, shape: Shape) -> Result<Problem> {
    let whole = pattern.shape();
    let start = |axis: usize| whole[axis] / 2 - shape[axis] / 2;
    let window = ndarray::s![.., start(1)..start(1) + shape[1], start(2)..start(2) + shape[2]];
    let mut intensity = pattern.intensity.0.slice(window).as_standard_layout().into_owned();
    if shape != whole {
        for ((_, y, x), value) in intensity.indexed_iter_mut() {
            let k = |i: usize, n: usize| (i as f32 - (n / 2) as f32) / n as f32;
            let squared = k(y, shape[1]).powi(2) + k(x, shape[2]).powi(2);
            // Of the intensity: the square of the modulus' taper exp(-k² / (2 TAPER²)).
            *value *= (-squared / (TAPER * TAPER)).exp();
        }
    }
    let mask = pattern.mask.0.slice(window).as_standard_layout().into_owned();
    let central = Pattern {
        intensity: Centered(intensity),
        mask: Centered(mask),
        estimate: None,
        calculated: None,
        geometry: pattern.geometry,
        goniometer: None,
    };
    let held_out = Centered(held_out.0.slice(window).as_standard_layout().into_owned());
    Problem::new(&central, &held_out, true)
}

/// The object on a finer grid over the same field of view: its transform padded with zeros.
fn resampled(object: &Cornered<Complex32>, shape: Shape) -> Cornered<Complex32> {
    let small = object.shape();
    let mut field = object.clone();
    if let Some(data) = field.0.as_slice_mut() {
        Fft::new(small).forward(data);
    }
    let field = field.to_centered();
    let mut padded = Centered::filled(shape, Complex32::ZERO);
    let start = |axis: usize| shape[axis] / 2 - small[axis] / 2;
    padded.0.slice_mut(ndarray::s![.., start(1)..start(1) + small[1], start(2)..start(2) + small[2]]).assign(&field.0);
    let mut out = padded.to_cornered();
    if let Some(data) = out.0.as_slice_mut() {
        Fft::new(shape).inverse(data);
    }
    out.0.mapv_inplace(|v| Complex32::new(v.re, 0.0));
    out
}

/// What exceeds a tenth of the root mean square of the positive pixels, after a blur of `sigma`
/// pixels.
fn standing_out(object: &Cornered<Complex32>, sigma: f32) -> Cornered<bool> {
    let mut density: Vec<f32> = object.0.iter().map(|v| v.re.max(0.0)).collect();
    let mut support: Vec<bool> = density.iter().map(|&d| d > 0.0).collect();
    let rule = SupportRule { sigma, cut: Cut::Threshold(0.1), reference: Reference::Rms, ..SupportRule::default() };
    let mut scratch = vec![0.0; density.len()];
    update(object.shape(), &rule, &mut density, &mut scratch, &mut support);
    Cornered(Array3::from_shape_vec(object.shape(), support).expect("same shape"))
}

/// The box of half-sides `MARGIN / 2` times the autocorrelation's extent, at a level of the
/// pattern.
fn support_box(shape: Shape, whole: Shape, extent: [f64; 2]) -> Cornered<bool> {
    let half =
        |axis: usize| (MARGIN * extent[axis - 1] / 2.0 * shape[axis] as f64 / whole[axis] as f64).round() as usize;
    let (hy, hx) = (half(1).max(2), half(2).max(2));
    let inside = |i: usize, n: usize, half: usize| i.min(n - i) <= half;
    Cornered(Array3::from_shape_fn(shape, |(_, y, x)| inside(y, shape[1], hy) && inside(x, shape[2], hx)))
}

/// How far the autocorrelation reaches from its centre along `(y, x)`, pixels: the extent of the
/// object.
///
/// The intensity is weighted down towards everything unmeasured and towards the detector's edge,
/// whose sharp borders would ring; the squared autocorrelation is blurred, and an Otsu threshold on
/// its logarithm separates object from noise.
fn extent(pattern: &Pattern) -> Result<[f64; 2]> {
    let shape = pattern.shape();
    let problem = Problem::new(pattern, &Centered::filled(shape, false), true)?;
    let [_, ny, nx] = shape;
    let mut scratch = vec![0.0; problem.len()];
    let free = |i: usize| problem.bounds.at(i) == Bound::FREE;
    let mut near: Vec<f32> = (0..problem.len()).map(|i| f32::from(u8::from(free(i)))).collect();
    let (near, _) = blur(shape, 4.0, &mut near, &mut scratch);
    let mut field: Vec<Complex32> = (0..problem.len())
        .map(|i| {
            let bound = problem.bounds.at(i);
            if bound == Bound::FREE {
                return Complex32::ZERO;
            }
            let k = |i: usize, n: usize| i.min(n - i) as f32 / n as f32;
            let squared = k(i / nx, ny).powi(2) + k(i % nx, nx).powi(2);
            let weight = (1.0 - 1.6 * near[i]).clamp(0.0, 1.0) * (-squared / (2.0 * 0.2 * 0.2)).exp();
            let [modulus, _] = problem.bounds.interval(bound);
            Complex32::new(modulus * modulus * weight, 0.0)
        })
        .collect();
    Fft::new(shape).inverse(&mut field);
    let mut power: Vec<f32> = field.iter().map(|v| v.norm_sqr()).collect();
    let largest = power.iter().copied().fold(0.0, f32::max);
    power.iter_mut().for_each(|p| *p /= largest.max(f32::MIN_POSITIVE));
    let (power, _) = blur(shape, 3.0, &mut power, &mut scratch);
    let logs: Vec<f32> = power.iter().map(|p| p.max(1e-30).ln()).collect();
    let cut = otsu(&logs);
    // The connected part around the origin.
    let mut inside = vec![false; logs.len()];
    let mut queue = vec![0usize];
    let (mut ey, mut ex) = (0, 0);
    while let Some(i) = queue.pop() {
        if inside[i] || logs[i] <= cut {
            continue;
        }
        inside[i] = true;
        let (y, x) = (i / nx, i % nx);
        (ey, ex) = (ey.max(y.min(ny - y)), ex.max(x.min(nx - x)));
        queue.extend([((y + 1) % ny) * nx + x, ((y + ny - 1) % ny) * nx + x]);
        queue.extend([y * nx + (x + 1) % nx, y * nx + (x + nx - 1) % nx]);
    }
    if ey < 2 || ex < 2 {
        return Err(Error::Pattern("the autocorrelation shows no object: give start = random and a support".into()));
    }
    Ok([ey as f64, ex as f64])
}

/// The threshold that separates values into two classes of least variance (N. Otsu, IEEE Trans.
/// Syst. Man Cybern. 9, 62 (1979)).
fn otsu(values: &[f32]) -> f32 {
    const BINS: usize = 256;
    let (low, high) = values.iter().fold((f32::INFINITY, f32::NEG_INFINITY), |(l, h), &v| (l.min(v), h.max(v)));
    let width = ((high - low) / BINS as f32).max(f32::MIN_POSITIVE);
    let mut counts = [0.0f64; BINS];
    values.iter().for_each(|&v| counts[(((v - low) / width) as usize).min(BINS - 1)] += 1.0);
    let total: f64 = counts.iter().sum();
    let mean: f64 = counts.iter().enumerate().map(|(i, n)| i as f64 * n).sum::<f64>() / total;
    let (mut below, mut sum, mut best) = (0.0, 0.0, (0, 0.0));
    for (i, n) in counts.iter().enumerate() {
        below += n;
        sum += i as f64 * n;
        let between =
            if below > 0.0 && below < total { (mean * below - sum).powi(2) / (below * (total - below)) } else { 0.0 };
        if between > best.1 {
            best = (i, between);
        }
    }
    low + (best.0 as f32 + 1.0) * width
}
