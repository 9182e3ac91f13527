//! Free pixels or filled ones? What the pattern itself says before it is phased.

use crate::error::{Error, Result};
use crate::inpaint::predict::NetworkEstimate;
use crate::inpaint::{GapTreatment, distance_to_measured};
use crate::pixels::{Estimate, Pattern};
use crate::settings::Settings;
use serde::{Deserialize, Serialize};

/// Gaps up to this many times as wide as the linear oversampling are determined by the support:
/// free pixels are as good as measured ones there. Against the true oversampling the limit is near
/// 1.5, but the autocorrelation makes objects a quarter too small.
const NARROW: f64 = 1.2;
/// Fraction of the photons that a gap must hide to change the object: few suffice, because a
/// support that is found on the way goes astray with the pixels that are free to vary.
const HIDDEN: f64 = 1e-5;
/// Fraction of what it hides that the network may not know.
const UNKNOWN: f64 = 0.9;

/// What the automatic policy makes of a gap.
#[derive(Debug, Clone)]
pub struct GapChoice {
    /// Whether filling is worth trying, and why.
    pub advice: GapAdvice,
    /// The fill within whose bounds every second run begins; nothing where all runs begin with free
    /// pixels.
    pub search: Option<(GapTreatment, Estimate)>,
}

impl GapChoice {
    fn free(advice: GapAdvice) -> Self {
        GapChoice { advice, search: None }
    }
}

/// Whether filling is worth trying, and with what: the file's own estimate, or the network's, which
/// is asked for only where it is needed.
///
/// # Errors
/// Those of the network, but for a pattern that it cannot fill.
pub fn gap_choice(
    pattern: &Pattern,
    settings: &Settings,
    network: &dyn Fn() -> Result<NetworkEstimate>,
) -> Result<GapChoice> {
    if !pattern.has_gap() {
        return Ok(GapChoice::free(GapAdvice::against("there is no gap")));
    }
    if settings.recipe.real {
        return Ok(GapChoice::free(GapAdvice::real()));
    }
    // Both kinds of runs need at least one.
    let several = settings.ensemble.most() > 1;
    if let Some(own) = &pattern.estimate {
        let advice = GapAdvice { fill: several, ..GapAdvice::against("the file brings an estimate of its own") };
        return Ok(GapChoice { advice, search: several.then(|| (GapTreatment::FILE, own.clone())) });
    }
    let oversampling = crate::prepare::oversampling(&pattern.intensity, &pattern.measured());
    if let Some(advice) = narrow(pattern, oversampling) {
        return Ok(GapChoice::free(advice));
    }
    match network() {
        Ok(network) => {
            let mut advice = advise(pattern, &network, oversampling);
            advice.fill &= several;
            let search = advice.fill.then(|| (GapTreatment::NETWORK, network.bounded()));
            Ok(GapChoice { advice, search })
        }
        // Other errors, of a model that cannot be read for instance, are no reason to go on without
        // it.
        Err(Error::Model { problem, .. }) => {
            Ok(GapChoice::free(GapAdvice::against(format!("the network cannot fill them: {problem}"))))
        }
        Err(error) => Err(error),
    }
}

/// A recommendation, and what it rests on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GapAdvice {
    /// Whether filling is worth trying.
    pub fill: bool,
    /// Largest width of a gap, pixels.
    #[serde(default, skip_serializing_if = "unknown")]
    pub width: f64,
    /// Linear oversampling in the plane of the detector.
    #[serde(default, skip_serializing_if = "unknown")]
    pub oversampling: f64,
    /// Fraction of the photons that the gaps hide, as the network predicts it.
    #[serde(default, skip_serializing_if = "unknown")]
    pub hidden: f64,
    /// Half of the 90 % intervals there, `ln(1 + I)`, weighted by intensity.
    #[serde(default, skip_serializing_if = "unknown")]
    pub spread: f64,
    /// Distance of the nearest hidden pixel from the centre of the frame, pixels.
    #[serde(default, skip_serializing_if = "unknown")]
    pub distance: f64,
    /// All this in one line.
    pub reason: String,
}

/// Zero stands for what was not looked at: files and machines are told nothing then.
fn unknown(value: &f64) -> bool {
    *value == 0.0
}

impl GapAdvice {
    /// Advice for a real object: pixels opposite a gap show what it hides.
    pub fn real() -> Self {
        Self::against("the object is real: pixels opposite a gap tell what it hides")
    }

    /// Advice against filling, for a reason that needs no measurement of the gap.
    pub fn against(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), ..Self::none() }
    }

    fn none() -> Self {
        Self {
            fill: false,
            width: 0.0,
            oversampling: 0.0,
            hidden: 0.0,
            spread: 0.0,
            distance: 0.0,
            reason: String::new(),
        }
    }
}

/// Width of the gap in whose middle a pixel is that far from what is measured.
fn wide(depth: f32) -> f64 {
    2.0 * f64::from(depth) - 1.0
}

/// Advice against filling, if all gaps are narrow for a pattern of this linear oversampling
/// `(z, y, x)`: that needs no network.
pub fn narrow(pattern: &Pattern, oversampling: [f64; 3]) -> Option<GapAdvice> {
    let depth = distance_to_measured(&pattern.measured().0, !pattern.is_2d());
    let width = depth.iter().filter(|depth| depth.is_finite()).fold(0.0_f64, |most, &depth| most.max(wide(depth)));
    let oversampling = (oversampling[1] * oversampling[2]).sqrt();
    let ratio = width / oversampling;
    (ratio <= NARROW).then(|| {
        let reason = format!(
            "the widest gap, {width:.0} pixels, is {ratio:.1} times the oversampling of {oversampling:.1}: narrow enough for the support to tell"
        );
        GapAdvice { width, oversampling, reason, ..GapAdvice::none() }
    })
}

/// Advice on the gaps of a pattern of this linear oversampling `(z, y, x)`, from what the network
/// predicts of them.
pub fn advise(pattern: &Pattern, network: &NetworkEstimate, oversampling: [f64; 3]) -> GapAdvice {
    if let Some(advice) = narrow(pattern, oversampling) {
        return advice;
    }
    let depth = distance_to_measured(&pattern.measured().0, !pattern.is_2d());
    let oversampling = (oversampling[1] * oversampling[2]).sqrt();
    let [_, ny, nx] = pattern.shape();
    let (mut width, mut hidden, mut spread, mut unknown) = (0.0_f64, 0.0, 0.0, 0.0);
    let mut distance = f64::INFINITY;
    let mut photons = pattern.totals().1;
    for (index, &depth) in depth.indexed_iter().filter(|(_, depth)| **depth > 0.0 && depth.is_finite()) {
        width = width.max(wide(depth));
        if !network.field.at[index] {
            continue;
        }
        let intensity = f64::from(network.field.mean[index].max(0.0).exp_m1());
        photons += intensity;
        let half = f64::from(network.field.half_width[index]);
        hidden += intensity;
        spread += intensity * half;
        unknown += if half > f64::from(network.calibration.unknown) { intensity } else { 0.0 };
        let from = [index.1 as f64 - (ny / 2) as f64, index.2 as f64 - (nx / 2) as f64];
        distance = distance.min(from[0].hypot(from[1]));
    }
    let fraction = |sum: f64, of: f64| if of > 0.0 { sum / of } else { 0.0 };
    (spread, unknown) = (fraction(spread, hidden), fraction(unknown, hidden));
    hidden = fraction(hidden, photons);
    let hide = format!(
        "gaps of up to {width:.0} pixels, {:.1} times the oversampling of {oversampling:.1}, hide {:.3} % of the photons",
        width / oversampling,
        100.0 * hidden
    );
    let (fill, rest) = if hidden < HIDDEN {
        (false, "too few to change the object".into())
    } else if unknown > UNKNOWN {
        (false, "and the network knows too little of them".into())
    } else {
        (
            true,
            format!(
                "{distance:.0} pixels from the centre and farther; the network knows them to a factor of {:.2}",
                spread.exp()
            ),
        )
    };
    let distance = if distance.is_finite() { distance } else { 0.0 };
    GapAdvice { fill, width, oversampling, hidden, spread, distance, reason: format!("{hide}, {rest}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::Geometry;
    use crate::inpaint::calibration::Calibration;
    use crate::inpaint::predict::Field;
    use crate::pixels::bit;
    use crate::volume::Centered;
    use ndarray::Array3;

    fn case(gap: std::ops::Range<usize>, half: f32) -> (Pattern, NetworkEstimate) {
        let shape = [1, 64, 64];
        let at = |x: usize| gap.contains(&x);
        let intensity = Array3::from_shape_fn(shape, |(_, y, x)| {
            (1e5 * (-((y as f32 - 32.0).powi(2) + (x as f32 - 32.0).powi(2)) / 50.0).exp()).round()
        });
        let mask = Array3::from_shape_fn(shape, |(_, _, x)| if at(x) { bit::MISSING } else { 0 });
        let field = Field {
            at: mask.mapv(|bits| bits != 0),
            mean: intensity.mapv(f32::ln_1p),
            half_width: Array3::from_elem(shape, half),
            kriged: None,
        };
        let pattern = Pattern::new(Centered(intensity), Centered(mask), Geometry::default()).unwrap();
        (pattern, NetworkEstimate { field, calibration: Calibration::nominal(), width: 0.5 })
    }

    #[test]
    fn only_wide_bright_and_known_gaps_are_filled() {
        let advice = |gap, half, oversampling: f64| {
            let (pattern, network) = case(gap, half);
            advise(&pattern, &network, [1.0, oversampling, oversampling])
        };
        let wide = advice(30..38, 0.3, 3.0);
        assert!(wide.fill && wide.width == 7.0 && wide.hidden > 0.1, "{wide:?}");
        assert!(!advice(30..33, 0.3, 3.0).fill);
        assert!(!advice(30..38, 0.3, 6.0).fill);
        assert!(!advice(60..64, 0.3, 2.0).fill, "dark");
        assert!(!advice(30..38, 9.0, 3.0).fill);
        assert!(!advice(0..0, 0.3, 3.0).fill);
    }
}
