//! From the numbers of a detector to photons: gain, threshold, negative counts, flux.

use super::Options;
use crate::error::{Error, Result};
use crate::geometry::Placement;
use crate::volume::Centered;
use ndarray::Axis;

/// Share of negative pixels above which the data look like those of a camera after dark
/// subtraction: the gaps of photon-counting detectors hold -1 or -2 in fewer.
const CAMERA: f64 = 0.02;

/// Turns detector units into photons as the options say, and returns what was done, one line each.
///
/// # Errors
///
/// [`Error::Setting`] for a gain, threshold or monitor that makes no sense, [`Error::Pattern`] for
/// data with the noise of a camera of which nothing is said.
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
        steps.push(format!("counted {} as empty", super::counted(negative, "negative pixel")));
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
        steps.push(format!("emptied {} below {threshold} photons", super::counted(emptied, "pixel")));
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
            let problem = format!("has {n} readings for {} frames: one a frame is needed", placement.stack[0]);
            return Err(Error::setting("monitor", n, problem));
        }
    };
    if let Some(wrong) = readings.iter().find(|&&reading| !(reading > 0.0 && reading.is_finite())) {
        return Err(Error::setting("monitor", wrong, "a reading must be above zero: leave out frames without beam"));
    }
    let mean = readings.iter().sum::<f64>() / frames as f64;
    for (mut frame, reading) in intensity.0.axis_iter_mut(Axis(0)).zip(readings) {
        let scale = (mean / reading) as f32;
        frame.mapv_inplace(|value| value * scale);
    }
    Ok(())
}
