//! The pointwise work of a cycle, on values that a pass of the transforms has in cache. Compiled
//! for the widest vectors that the processor has.

use crate::fft::{COLUMNS, Columns};
use crate::phasing::backend::GapConstraint;
use crate::phasing::bound::{Bound, Bounds};
use crate::phasing::rules::Rule;
use num_complex::Complex32;
use pulp::{Arch, Simd, WithSimd};

/// The modulus projection: what it needs to know beside the values.
#[derive(Clone, Copy)]
pub struct Projection<'a> {
    pub bounds: &'a Bounds,
    pub gaps: GapConstraint,
    /// What each transform left out: multiplied by it, values are square roots of photons. 1 for
    /// unitary transforms.
    pub scale: f32,
}

impl Projection<'_> {
    /// Of columns that a pass visits.
    pub fn columns(&self, columns: &mut Columns<Bound>) {
        Arch::new().dispatch(ProjectColumns { projection: *self, columns, intensities: Sharp });
    }

    /// The same, for calculated intensities that are blurred: `blurred` are all of them in C order,
    /// `width` apart along the columns. What is compared with the bounds is the root of the blurred
    /// intensity; the value is multiplied by what is missing in it.
    pub fn blurred_columns(&self, columns: &mut Columns<Bound>, blurred: &[f32], width: usize) {
        let intensities = Blurred { all: blurred, width, first: columns.first() };
        Arch::new().dispatch(ProjectColumns { projection: *self, columns, intensities });
    }

    /// The nearest value that the bounds allow; a zero has no phase and becomes the least modulus.
    #[inline(always)]
    pub fn point(&self, value: Complex32, bound: Bound) -> Complex32 {
        self.blurred_point(value, value.norm_sqr(), bound)
    }

    /// The same, for a calculated intensity that is not the value's own.
    #[inline(always)]
    fn blurred_point(&self, value: Complex32, intensity: f32, bound: Bound) -> Complex32 {
        let scale = self.scale;
        let modulus = intensity.sqrt();
        if bound == Bound::FREE || (self.gaps.released && !bound.is_measured()) {
            return value * (self.gaps.leak * scale * scale);
        }
        let [lo, hi] = self.bounds.interval(bound);
        if modulus > 0.0 {
            value * ((modulus * scale).max(lo).min(hi) * scale / modulus)
        } else {
            Complex32::new(lo * scale, 0.0)
        }
    }
}

/// Where the calculated intensities of a row of columns come from.
trait Intensities {
    /// Those that are not the values' own, of the row with this number.
    fn row(&self, number: usize, width: usize) -> Option<&[f32]>;
}

/// The values' own intensities.
struct Sharp;

impl Intensities for Sharp {
    #[inline(always)]
    fn row(&self, _: usize, _: usize) -> Option<&[f32]> {
        None
    }
}

/// Intensities that were blurred before.
struct Blurred<'a> {
    all: &'a [f32],
    width: usize,
    first: usize,
}

impl Intensities for Blurred<'_> {
    #[inline(always)]
    fn row(&self, number: usize, width: usize) -> Option<&[f32]> {
        Some(&self.all[number * self.width + self.first..][..width])
    }
}

struct ProjectColumns<'a, 'b, I> {
    projection: Projection<'a>,
    columns: &'a mut Columns<'b, Bound>,
    intensities: I,
}

impl<I: Intensities> WithSimd for ProjectColumns<'_, '_, I> {
    type Output = ();

    /// Most rows have measured and free pixels only: those go without branches.
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let projection = self.projection;
        let Projection { gaps, scale, .. } = projection;
        let half = COLUMNS / S::F32_LANES;
        let (zero, sign) = (simd.splat_f32s(0.0), simd.splat_u32s(Bound::SIGN));
        let (scale, leak) = (simd.splat_f32s(scale), simd.splat_f32s(gaps.leak * scale * scale));
        for (number, (row, bounds)) in self.columns.rows().enumerate() {
            let blurred = self.intensities.row(number, bounds.len());
            let plain = !bounds.iter().fold(false, |any, bound| any | bound.is_estimated());
            let (Some(entries), true) = (bounds.first_chunk::<COLUMNS>(), plain) else {
                for (c, &bound) in bounds.iter().enumerate() {
                    let value = Complex32::new(row[c], row[COLUMNS + c]);
                    let intensity = blurred.map_or(value.norm_sqr(), |blurred| blurred[c]);
                    let value = projection.blurred_point(value, intensity, bound);
                    [row[c], row[COLUMNS + c]] = [value.re, value.im];
                }
                continue;
            };
            let entries: &[u32; COLUMNS] = bytemuck::cast_ref(entries);
            let entries = S::as_simd_u32s(entries).0;
            let row = S::as_mut_simd_f32s(row).0;
            let blurred = blurred.map(|blurred| S::as_simd_f32s(blurred).0);
            for v in 0..half {
                let (re, im) = (row[v], row[half + v]);
                let own = simd.mul_add_e_f32s(re, re, simd.mul_f32s(im, im));
                let power = blurred.map_or(own, |blurred| blurred[v]);
                let modulus = simd.sqrt_f32s(power);
                let measured = simd.less_than_u32s(entries[v], sign);
                let wanted = simd.mul_f32s(simd.transmute_f32s_u32s(entries[v]), scale);
                let there = simd.greater_than_f32s(modulus, zero);
                let factor = simd.select_f32s(there, simd.div_f32s(wanted, modulus), zero);
                // A zero has no phase.
                let start = simd.select_f32s(there, zero, wanted);
                let bound = simd.mul_add_e_f32s(re, factor, start);
                row[v] = simd.select_f32s(measured, bound, simd.mul_f32s(re, leak));
                let factor = simd.select_f32s(measured, factor, leak);
                row[half + v] = simd.mul_f32s(im, factor);
            }
        }
    }
}

/// `O' = a P + b O` where a pass has left P: both become O'.
pub struct ApplyRule<'a> {
    pub rule: &'a Rule,
    /// Root mean square of the object inside its support.
    pub rms: f32,
    /// Whether the imaginary part of P is dropped.
    pub real: bool,
    pub projected: &'a mut [Complex32],
    pub object: &'a mut [Complex32],
    pub support: &'a [bool],
}

impl WithSimd for ApplyRule<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let ([a_in, b_in], [a_out, b_out]) = (self.rule.inside, self.rule.outside);
        let imaginary = if self.real { 0.0 } else { 1.0 };
        let points = self.projected.iter_mut().zip(self.object).zip(self.support);
        let set = |p: &mut Complex32, o: &mut Complex32, inside: bool| {
            let (a, b) = if inside { (a_in, b_in) } else { (a_out, b_out) };
            *o = Complex32::new(p.re * a + o.re * b, p.im * (a * imaginary) + o.im * b);
            *p = *o;
        };
        match self.rule.decision {
            None => {
                for ((p, o), &inside) in points {
                    set(p, o, inside);
                }
            }
            Some(decision) => {
                let ([wp, wo], least) = (decision.weights, decision.threshold * self.rms);
                for ((p, o), &inside) in points {
                    set(p, o, inside & (wp * p.re + wo * o.re >= least));
                }
            }
        }
    }
}

/// The same for rules that ask for no previous object, which is neither read nor written.
pub struct ApplyFresh<'a> {
    pub rule: &'a Rule,
    pub rms: f32,
    pub real: bool,
    pub projected: &'a mut [Complex32],
    pub support: &'a [bool],
}

impl WithSimd for ApplyFresh<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let ([a_in, _], [a_out, _]) = (self.rule.inside, self.rule.outside);
        let decision = self.rule.decision;
        let (weight, least) = decision.map_or((0.0, 0.0), |d| (d.weights[0], d.threshold * self.rms));
        let imaginary = if self.real { 0.0 } else { 1.0 };
        for (p, &inside) in self.projected.iter_mut().zip(self.support) {
            let a = if inside & (weight * p.re >= least) { a_in } else { a_out };
            *p = Complex32::new(p.re * a, p.im * (a * imaginary));
        }
    }
}
