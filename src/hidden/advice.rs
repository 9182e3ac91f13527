//! What hidden modes mean for an experiment, and what can be done about them.

use super::{HiddenModes, Operator, fraction_of_flat, widest};
use crate::error::{Error, Result};
use crate::volume::Centered;
use ndarray::Array3;
use serde::Serialize;

/// Error of the object that hidden modes may make before anything is advised against them.
const HARMLESS: f64 = 0.1;

/// Steps by which the detector is moved, in units of the widest gap.
const STEPS: [usize; 3] = [1, 2, 4];

/// What a gap hides of a typical object in a support.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Outlook {
    /// Fraction of the energy of a flat object, 1 everywhere in the support, that hidden modes hold.
    /// Written by whoever has the numbers of the modes: not twice.
    #[serde(skip)]
    pub hidden_energy: f64,
    /// Error of the object where their coefficients come out at random: the root of twice that
    /// fraction, the relative distance from the true one.
    pub error: f64,
    /// Widest gap in the plane of the detector, pixels; parts that reach the edge do not count.
    pub widest_gap: usize,
    /// What to do about it.
    pub remedy: Remedy,
}

/// What to do about a gap.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Remedy {
    /// Nothing: what is hidden changes the object little.
    Nothing,
    /// Moving the detector is enough.
    Move(Moved),
    /// Moving it leaves too much: a second exposure with the gap elsewhere shows the rest.
    SecondExposure(Moved),
    /// No place for the gap was found that is better: a smaller object, a detector farther away, a
    /// smaller beamstop, or a fill.
    Fill,
}

/// A gap in another place.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Moved {
    /// Displacement `(y, x)`, detector pixels of the prepared pattern.
    pub by: [isize; 2],
    /// Fraction of a flat object's energy that the gap hides there. For a second exposure: that
    /// neither of the two measures.
    pub hidden_energy: f64,
}

impl Outlook {
    /// Looks at the hidden modes of a support and a gap, and at the gap in other places. `moving` are
    /// the pixels without a measurement that move with the detector, `fixed` those that do not, as in
    /// the shadow of a beamstop.
    ///
    /// # Errors
    /// Those of [`Operator::new`], and [`Error::Interrupted`] where `done`, which is told of the
    /// fraction that is done, says so.
    pub fn new(
        op: &Operator,
        modes: &HiddenModes,
        support: &Centered<bool>,
        [moving, fixed]: [&Centered<bool>; 2],
        done: &dyn Fn(f64) -> bool,
    ) -> Result<Outlook> {
        let hidden_energy = fraction_of_flat(op, modes.modes.as_ref());
        let error = (2.0 * hidden_energy).sqrt();
        let widest_gap = widest(moving);
        let remedy = match error < HARMLESS {
            true => Remedy::Nothing,
            false => remedy(support, [moving, fixed], widest_gap, hidden_energy, done)?,
        };
        Ok(Outlook { hidden_energy, error, widest_gap, remedy })
    }
}

/// The shortest way to move the detector until the gap does no harm; else the best second exposure.
fn remedy(
    support: &Centered<bool>,
    [moving, fixed]: [&Centered<bool>; 2],
    width: usize,
    now: f64,
    done: &dyn Fn(f64) -> bool,
) -> Result<Remedy> {
    let either = |mut gap: Centered<bool>| {
        gap.0.zip_mut_with(&fixed.0, |gap, &fixed| *gap |= fixed);
        gap
    };
    let hidden = |gap: &Centered<bool>| Ok(fraction_of_flat(&Operator::new(support, gap)?, None));
    let steps = STEPS.map(|step| (step * (width + 1)) as isize);
    let ways = |by: isize| [[by, 0], [-by, 0], [0, by], [0, -by], [by, by], [-by, -by]];
    let (mut tried, all) = (0.0, (7 * STEPS.len()) as f64);
    let mut left = |gap: &Centered<bool>| {
        tried += 1.0;
        if done(tried / all) { hidden(gap) } else { Err(Error::Interrupted) }
    };
    let harmless = |energy: f64| (2.0 * energy).sqrt() < HARMLESS;
    // The farthest first: where that does not help, nearer will not.
    let mut moves = Vec::new();
    for by in ways(steps[STEPS.len() - 1]) {
        moves.push(Moved { by, hidden_energy: left(&either(moved(moving, by)))? });
    }
    if moves.iter().any(|there| harmless(there.hidden_energy)) {
        for by in steps.into_iter().flat_map(ways) {
            let known = moves.iter().find(|there| there.by == by).map(|there| Ok(there.hidden_energy));
            let hidden_energy = known.unwrap_or_else(|| left(&either(moved(moving, by))))?;
            if harmless(hidden_energy) {
                return Ok(Remedy::Move(Moved { by, hidden_energy }));
            }
        }
    }
    // Along both axes: lines of a cross must not lie on themselves.
    let mut best: Option<Moved> = None;
    for step in steps {
        let by = [step, step];
        let mut both = moving.clone();
        both.0.zip_mut_with(&moved(moving, by).0, |both, &there| *both &= there);
        let hidden_energy = left(&either(both))?;
        if best.is_none_or(|best| hidden_energy < best.hidden_energy) {
            best = Some(Moved { by, hidden_energy });
        }
        if harmless(hidden_energy) {
            break;
        }
    }
    Ok(match best {
        Some(best) if best.hidden_energy < 0.25 * now => Remedy::SecondExposure(best),
        _ => Remedy::Fill,
    })
}

/// A gap `by` pixels farther; what comes in from the edge continues what was there.
fn moved(gap: &Centered<bool>, by: [isize; 2]) -> Centered<bool> {
    let [_, ny, nx] = gap.shape();
    let from = |at: usize, by: isize, n: usize| (at as isize - by).clamp(0, n as isize - 1) as usize;
    Centered(Array3::from_shape_fn(gap.shape(), |(z, y, x)| gap.0[[z, from(y, by[0], ny), from(x, by[1], nx)]]))
}

impl Outlook {
    /// What to do, in one sentence.
    pub fn advice(&self) -> String {
        let percent = |value: f64| format!("{:.2} %", 100.0 * value);
        let way = |by: [isize; 2]| format!("{} pixels along y and {} along x", by[0], by[1]);
        match self.remedy {
            Remedy::Nothing => "nothing needs to be done: data and support determine the object but for little".into(),
            Remedy::Move(Moved { by, hidden_energy }) => format!(
                "move the detector by {}: hidden modes then hold {} of a flat object instead of {}",
                way(by),
                percent(hidden_energy),
                percent(self.hidden_energy)
            ),
            Remedy::SecondExposure(Moved { by, hidden_energy }) => format!(
                "no place of the gap is harmless: take a second exposure with the detector moved by {}; what neither \
                 shows holds {} of a flat object, not {}",
                way(by),
                percent(hidden_energy),
                percent(self.hidden_energy)
            ),
            Remedy::Fill => format!(
                "no place of the gap is much better ({} of a flat object is hidden): move the detector farther away or \
                 take a smaller object, so that the oversampling grows; take a smaller beamstop; or fill the gap",
                percent(self.hidden_energy)
            ),
        }
    }
}
