//! From the numbers of a detector to photons: gain, threshold, negative counts, flux.

use super::options::Options;
use super::text::counted;
use crate::error::{Error, Result};
use crate::geometry::Placement;
use crate::volume::Centered;
use ndarray::Axis;

/// Share of negative pixels above which the data look like those of a camera after dark
/// subtraction: the gaps of photon-counting detectors hold -1 or -2 in fewer.
const CAMERA: f64 = 0.02;

/// Pixels that hold something, of which most are no whole numbers: no photons.
const UNCOUNTED: f64 = 0.5;

/// Photons of a whole pattern below which it holds next to nothing.
const FEW: f64 = 1000.0;

/// What a person should be asked of values that may be no photons, as those of a camera, of normalised or
/// of scaled data: likelihoods and verdicts count photons.
pub fn uncounted(intensity: &Centered<f32>, mask: &Centered<u32>) -> Option<String> {
    let lit = || {
        let measured = intensity.0.iter().zip(&mask.0).filter(|(_, bits)| **bits == 0).map(|(&value, _)| value);
        measured.filter(|value| *value > 0.0 && value.is_finite())
    };
    let (mut pixels, mut broken, mut sum, mut step) = (0.0, 0.0, 0.0, 0);
    for value in lit() {
        let whole = (value - value.round()).abs() <= 1e-3 * value.max(1.0);
        pixels += 1.0;
        broken += f64::from(u8::from(!whole));
        sum += f64::from(value);
        step = common(step, value.round() as u64);
    }
    let why = "likelihoods and the verdict count photons";
    if broken > UNCOUNTED * pixels {
        Some(format!(
            "{:.0} % of the values are no whole numbers: if they are no photons, give gain; {why}",
            100.0 * broken / pixels
        ))
    } else if broken == 0.0 && step > 1 && pixels > 10.0 {
        Some(format!("all values are multiples of {step}: if that is one photon, give gain = {step}; {why}"))
    } else if pixels > 0.0 && sum < FEW {
        Some(format!("{sum:.0} photons in the whole pattern: if its values are no photons, give gain; {why}"))
    } else {
        None
    }
}

/// Greatest common divisor.
fn common(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { common(b, a % b) }
}

/// Turns detector units into photons as the options say, and returns what was done, one line each.
///
/// # Errors
///
/// [`Error::Setting`] for a gain or threshold that makes no sense, [`Error::Pattern`] for a monitor
/// that does not go with the frames, and for data with the noise of a camera of which nothing is
/// said.
pub(super) fn photons(
    intensity: &mut Centered<f32>,
    mask: &Centered<u32>,
    options: &Options,
    placement: Placement,
) -> Result<Vec<String>> {
    check(options)?;
    let mut steps = Vec::new();
    let unmasked = || intensity.0.iter().zip(&mask.0).filter(|(_, bits)| **bits == 0).map(|(&value, _)| value);
    let measured = unmasked().count();
    // Gaps hold -1 or -2, noise anything.
    let negative = unmasked().filter(|&value| value < 0.0).count();
    let noise = unmasked().filter(|&value| value < 0.0 && value.fract() != 0.0 || value < -2.0).count();
    if negative > 0 && options.clip_negative {
        steps.push(format!("counted {} as empty", counted(negative, "negative pixel")));
    } else if noise as f64 > CAMERA * measured as f64 {
        return Err(Error::Pattern(format!(
            "{negative} of {measured} pixels are negative, as of a camera after dark subtraction: give clip-negative to count \
             them as empty, gain (units a photon) and threshold (photons), or mask = negative if they are gaps"
        )));
    }
    if let Some(gain) = options.gain {
        intensity.0.mapv_inplace(|value| (f64::from(value) / gain) as f32);
        steps.push(format!("divided by {gain} units a photon"));
    }
    if options.clip_negative {
        intensity.0.mapv_inplace(|value| if value < 0.0 { 0.0 } else { value });
    }
    if let Some(threshold) = options.threshold {
        let mut emptied = 0;
        intensity.0.mapv_inplace(|value| {
            if value > 0.0 && f64::from(value) < threshold {
                emptied += 1;
                return 0.0;
            }
            value
        });
        steps.push(format!("emptied {} below {threshold} photons", counted(emptied, "pixel")));
    }
    if let Some(monitor) = &options.monitor {
        normalise(intensity, monitor, placement)?;
        steps.push("brought all frames to the mean flux of the monitor".into());
    }
    Ok(steps)
}

fn check(options: &Options) -> Result<()> {
    let positive = |name: &str, value: Option<f64>| match value {
        Some(value) if !(value > 0.0 && value.is_finite()) => {
            Err(Error::setting(name, value, "must be a number above zero"))
        }
        _ => Ok(()),
    };
    positive("gain", options.gain)?;
    positive("threshold", options.threshold)
}

/// Scales each frame by the mean of the monitor over its reading.
fn normalise(intensity: &mut Centered<f32>, monitor: &[f64], placement: Placement) -> Result<()> {
    let [frames, start] = [intensity.shape()[0], placement.start[0]];
    let readings = match monitor.len() {
        n if n == placement.stack[0] => &monitor[start..start + frames],
        n if n == frames => monitor,
        n => {
            let frames = placement.stack[0];
            return Err(Error::Pattern(format!(
                "the monitor has {n} readings for {frames} frames: one a frame is needed"
            )));
        }
    };
    if let Some(wrong) = readings.iter().find(|&&reading| !(reading > 0.0 && reading.is_finite())) {
        let problem = format!("the monitor reads {wrong} in a frame: leave out frames without beam");
        return Err(Error::Pattern(problem));
    }
    let mean = readings.iter().sum::<f64>() / frames as f64;
    for (mut frame, reading) in intensity.0.axis_iter_mut(Axis(0)).zip(readings) {
        let scale = (mean / reading) as f32;
        frame.mapv_inplace(|value| value * scale);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_no_photons_is_said() {
        let counts = Centered(ndarray::Array3::from_shape_fn([1, 16, 16], |(_, y, x)| (7 * y + 5 * x) as f32));
        let said = |factor: f32| uncounted(&counts.map(|value| value * factor), &counts.map(|_| 0));
        assert_eq!(said(1.0), None);
        assert!(said(0.3).unwrap().contains("no whole numbers: if they are no photons, give gain"));
        assert!(said(100.0).unwrap().contains("multiples of 100: if that is one photon, give gain = 100"));
        let few = counts.map(|value| f32::from(u8::from(*value == 12.0)));
        assert!(uncounted(&few, &few.map(|_| 0)).unwrap().contains("photons in the whole pattern"));
        assert_eq!(uncounted(&counts, &counts.map(|_| 1)), None, "nothing was measured");
    }
}
