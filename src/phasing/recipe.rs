//! A recipe: what a run does, as data. Written in PyNX's notation, `ER**200,(Sup*HIO**50)**12`,
//! which is read from right to left like operators; kept here in the order of execution.

use super::rules::Algorithm;
use super::support::Reference;
use std::fmt;

/// Fraction of the cycles after which the bounds in gaps are released, where they are.
pub const RELEASE: f64 = 0.6;

/// One step of a recipe.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// Cycles of one algorithm.
    Cycles(Algorithm, usize),
    /// Cycles with only one half of the support, so that the object and its twin stop competing.
    Detwin(Algorithm, usize),
    /// Steps of Poisson maximum-likelihood conjugate gradients.
    MaximumLikelihood(usize),
    /// Support updates, one after another.
    SupportUpdate(usize),
    /// A parameter for all steps from here on.
    Set(Parameter),
    /// Steps that are repeated.
    Repeat(Vec<Step>, usize),
}

/// A parameter that a recipe may change between steps.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Parameter {
    /// Relaxation of HIO, HPR, RAAR and DM.
    Beta(f32),
    /// Whether negative real parts count as outside the support.
    Positivity(bool),
    /// Threshold of the support update, relative to its reference.
    SupportThreshold(f32),
    /// Reference that the threshold is relative to.
    SupportThresholdMethod(Reference),
    /// Whether the support may only shrink.
    SupportOnlyShrink(bool),
    /// How far in pixels an update may move the border; 0 is any distance.
    SupportUpdateBorderN(usize),
    /// Blur before the threshold, pixels, from here on instead of the schedule.
    SupportSmoothWidth(f32),
    /// Whether pixels without measurement are bounded by their estimates.
    GapBounds(bool),
    /// Factor on free moduli in every projection.
    GapLeak(f32),
    /// Blur of calculated intensities: 0 is none, 1 that of the kernel as it is, and N refines the
    /// kernel every N cycles.
    Psf(usize),
}

/// A whole recipe, in the order of execution.
#[derive(Debug, Clone, PartialEq)]
pub struct Recipe {
    /// Steps in the order of execution.
    pub steps: Vec<Step>,
}

/// The standard form of a recipe: HIO, then RAAR, then ER, then ML, with the support updated on the
/// way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standard {
    /// Cycles of HIO.
    pub nb_hio: usize,
    /// Cycles of RAAR.
    pub nb_raar: usize,
    /// Cycles of ER.
    pub nb_er: usize,
    /// Steps of ML.
    pub nb_ml: usize,
    /// Cycles between support updates; 0 keeps the support.
    pub support_update_period: usize,
    /// Whether ten cycles of detwinning are put in after a quarter of the cycles of HIO and RAAR.
    pub detwin: bool,
}

impl Recipe {
    /// Builds the recipe of the standard form. The support is left alone after the last update, so
    /// that the object can settle in it.
    pub fn standard(form: Standard) -> Self {
        const DETWIN: usize = 10;
        let phases = [(Algorithm::Hio, form.nb_hio), (Algorithm::Raar, form.nb_raar), (Algorithm::Er, form.nb_er)];
        let total: usize = phases.iter().map(|(_, n)| n).sum();
        let mut detwin_at = form.detwin.then_some((form.nb_hio + form.nb_raar) / 4).filter(|&at| at > 0);
        let mut steps = Vec::new();
        let mut done = 0;
        for (algorithm, n) in phases {
            let mut left = n;
            while left > 0 {
                let to_update = match form.support_update_period {
                    0 => left,
                    period => period - done % period,
                };
                let to_detwin = detwin_at.map_or(left, |at| at - done);
                let now = left.min(to_update).min(to_detwin);
                steps.push(Step::Cycles(algorithm, now));
                done += now;
                left -= now;
                if form.support_update_period > 0 && done % form.support_update_period == 0 && done < total {
                    steps.push(Step::SupportUpdate(1));
                }
                if detwin_at == Some(done) {
                    steps.push(Step::Detwin(algorithm, DETWIN));
                    detwin_at = None;
                }
            }
        }
        if form.nb_ml > 0 {
            steps.push(Step::MaximumLikelihood(form.nb_ml));
        }
        Recipe { steps: folded(steps) }
    }

    /// Returns the same recipe with the bounds of estimates released after this fraction of the
    /// cycles.
    pub fn released(&self, after: f64) -> Recipe {
        self.with(Parameter::GapBounds(false), after)
    }

    /// Returns the same recipe with the PSF switched on after this fraction of the cycles, and its
    /// kernel refined every `period` cycles; 0 keeps the kernel.
    pub fn with_psf(&self, after: f64, period: usize) -> Recipe {
        self.with(Parameter::Psf(period.max(1)), after)
    }

    /// Returns whether a step switches the PSF on.
    pub fn has_psf(&self) -> bool {
        self.unrolled().iter().any(|step| matches!(step, Step::Set(Parameter::Psf(1..))))
    }

    /// Returns whether a step says anything about the PSF.
    pub fn names_psf(&self) -> bool {
        self.unrolled().iter().any(|step| matches!(step, Step::Set(Parameter::Psf(_))))
    }

    /// Returns the same recipe with a parameter set after this fraction of the cycles.
    fn with(&self, parameter: Parameter, after: f64) -> Recipe {
        let mut left = (after.clamp(0.0, 1.0) * self.cycles() as f64).round() as usize;
        let mut steps: Vec<Step> = Vec::new();
        let mut waiting = true;
        for step in self.unrolled().into_iter().cloned() {
            let cycles = step.cycles();
            if !waiting || cycles < left {
                left -= if waiting { cycles } else { 0 };
                steps.push(step);
                continue;
            }
            waiting = false;
            let set = Step::Set(parameter);
            match step {
                Step::Cycles(algorithm, n) => {
                    let parts = [Step::Cycles(algorithm, left), set, Step::Cycles(algorithm, n - left)];
                    steps.extend(parts.into_iter().filter(|step| !matches!(step, Step::Cycles(_, 0))));
                }
                other => steps.extend([set, other]),
            }
        }
        Recipe { steps: folded(steps) }
    }

    /// Number of cycles of all steps, conjugate-gradient steps included.
    pub fn cycles(&self) -> usize {
        self.steps.iter().map(Step::cycles).fold(0, usize::saturating_add)
    }

    /// Whether it updates the support, and has no threshold of its own for that.
    pub fn updates_support_by_rule(&self) -> bool {
        let steps = self.unrolled();
        let own = steps.iter().any(|step| matches!(step, Step::Set(Parameter::SupportThreshold(_))));
        !own && steps.iter().any(|step| matches!(step, Step::SupportUpdate(_)))
    }

    /// Cycles before the last support update; all of them where there is none.
    pub fn last_update(&self) -> usize {
        let (mut done, mut last) = (0, None);
        for step in self.unrolled() {
            done += step.cycles();
            if matches!(step, Step::SupportUpdate(_)) {
                last = Some(done);
            }
        }
        last.unwrap_or(done)
    }

    /// Number of steps, repetitions and repeated support updates counted.
    pub fn length(&self) -> usize {
        self.steps.iter().map(Step::length).fold(0, usize::saturating_add)
    }

    /// Returns the steps one by one, repetitions unrolled.
    pub fn unrolled(&self) -> Vec<&Step> {
        let mut out = Vec::new();
        unroll(&self.steps, &mut out);
        out
    }
}

fn unroll<'a>(steps: &'a [Step], out: &mut Vec<&'a Step>) {
    for step in steps {
        match step {
            Step::Repeat(inner, n) => (0..*n).for_each(|_| unroll(inner, out)),
            other => out.push(other),
        }
    }
}

/// Repeated pairs (cycles, update) as one repetition, so that a printed recipe stays short.
fn folded(steps: Vec<Step>) -> Vec<Step> {
    let mut out: Vec<Step> = Vec::new();
    let mut i = 0;
    while i < steps.len() {
        let pair = &steps[i..(i + 2).min(steps.len())];
        let repeats = steps[i..].chunks_exact(2).take_while(|chunk| *chunk == pair).count();
        if matches!(pair, [Step::Cycles(..), Step::SupportUpdate(_)]) && repeats > 1 {
            out.push(Step::Repeat(pair.to_vec(), repeats));
            i += 2 * repeats;
        } else {
            out.push(steps[i].clone());
            i += 1;
        }
    }
    out
}

impl Step {
    /// Number of cycles that this step takes.
    pub fn cycles(&self) -> usize {
        match self {
            Step::Cycles(_, n) | Step::Detwin(_, n) | Step::MaximumLikelihood(n) => *n,
            Step::SupportUpdate(_) | Step::Set(_) => 0,
            Step::Repeat(steps, n) => steps.iter().map(Step::cycles).fold(0, usize::saturating_add).saturating_mul(*n),
        }
    }
}

impl Step {
    fn length(&self) -> usize {
        match self {
            Step::Repeat(steps, n) => steps.iter().map(Step::length).fold(0, usize::saturating_add).saturating_mul(*n),
            Step::SupportUpdate(n) => *n,
            _ => 1,
        }
    }
}

impl fmt::Display for Recipe {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write_reversed(f, &self.steps, ",")
    }
}

fn write_reversed(f: &mut fmt::Formatter, steps: &[Step], separator: &str) -> fmt::Result {
    for (i, step) in steps.iter().rev().enumerate() {
        if i > 0 {
            f.write_str(separator)?;
        }
        write!(f, "{step}")?;
    }
    Ok(())
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let power = |f: &mut fmt::Formatter, n: usize| if n == 1 { Ok(()) } else { write!(f, "**{n}") };
        match self {
            Step::Cycles(algorithm, n) => write!(f, "{algorithm}").and_then(|()| power(f, *n)),
            Step::Detwin(algorithm, n) => write!(f, "Detwin{algorithm}").and_then(|()| power(f, *n)),
            Step::MaximumLikelihood(n) => f.write_str("ML").and_then(|()| power(f, *n)),
            Step::SupportUpdate(n) => f.write_str("Sup").and_then(|()| power(f, *n)),
            Step::Set(parameter) => write!(f, "{parameter}"),
            Step::Repeat(steps, n) => {
                let separator = if steps.iter().any(|s| matches!(s, Step::Set(_))) { "," } else { "*" };
                f.write_str("(")?;
                write_reversed(f, steps, separator)?;
                f.write_str(")")?;
                power(f, *n)
            }
        }
    }
}

impl fmt::Display for Parameter {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match *self {
            Parameter::Beta(v) => write!(f, "beta={v}"),
            Parameter::Positivity(v) => write!(f, "positivity={}", u8::from(v)),
            Parameter::SupportThreshold(v) => write!(f, "support_threshold={v}"),
            Parameter::SupportThresholdMethod(v) => write!(f, "support_threshold_method={v}"),
            Parameter::SupportOnlyShrink(v) => write!(f, "support_only_shrink={}", u8::from(v)),
            Parameter::SupportUpdateBorderN(v) => write!(f, "support_update_border_n={v}"),
            Parameter::SupportSmoothWidth(v) => write!(f, "support_smooth_width={v}"),
            Parameter::GapBounds(v) => write!(f, "gap_bounds={}", u8::from(v)),
            Parameter::GapLeak(v) => write!(f, "gap_leak={v}"),
            Parameter::Psf(v) => write!(f, "psf={v}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn executed(text: &str) -> String {
        let recipe: Recipe = text.parse().unwrap();
        recipe.unrolled().iter().map(|s| s.to_string()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn read_from_right_to_left() {
        assert_eq!(executed("ER**200,(Sup*HIO**50)**3"), "HIO**50 Sup HIO**50 Sup HIO**50 Sup ER**200");
        assert_eq!(executed("ER**5*beta=0.5,Raar"), "RAAR beta=0.5 ER**5");
        assert_eq!(executed("ml**2, (Sup*ER**2)**2, DetwinHIO**10"), "DetwinHIO**10 ER**2 Sup ER**2 Sup ML**2");
    }

    #[test]
    fn the_standard_form_is_a_recipe_that_can_be_said() {
        let form = Standard { nb_hio: 0, nb_raar: 600, nb_er: 200, nb_ml: 0, support_update_period: 50, detwin: true };
        assert_eq!(
            Recipe::standard(form).to_string(),
            "ER**50,(Sup*ER**50)**3,(Sup*RAAR**50)**9,DetwinRAAR**10,(Sup*RAAR**50)**3"
        );
        let form = Standard { support_update_period: 0, detwin: false, nb_ml: 7, nb_hio: 40, ..form };
        assert_eq!(Recipe::standard(form).to_string(), "ML**7,ER**200,RAAR**600,HIO**40");
        // A period that does not divide the number of cycles goes on across the change of
        // algorithm.
        let form = Standard { nb_hio: 30, nb_raar: 0, nb_er: 50, nb_ml: 0, support_update_period: 20, detwin: false };
        assert_eq!(Recipe::standard(form).to_string(), "ER**20,Sup,ER**20,Sup,ER**10,HIO**10,Sup,HIO**20");
    }

    #[test]
    fn cycles_are_counted() {
        let recipe: Recipe = "ER**200,(Sup*HIO**50)**12".parse().unwrap();
        assert_eq!((recipe.cycles(), recipe.last_update()), (800, 600));
    }
}
