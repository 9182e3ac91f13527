//! The kept runs of an ensemble taken together: in register, averaged, compared.

use super::run::Run;
use crate::error::Result;
use crate::metrics::{self, Crossing, FscShell, Gauge, Modes, Shell, fsc_crossing, prtf_crossing};
use crate::pixels::Pattern;
use crate::volume::Centered;
use num_complex::Complex32;

/// The kept runs taken together.
pub struct Combined {
    /// Every kept run in register with the best, which comes first; without what `gauge` says.
    pub objects: Vec<Centered<Complex32>>,
    /// Number of independent runs.
    pub independent: usize,
    /// Complex average of the independent runs, or of the kept ones where there are no two of those.
    pub average: Centered<Complex32>,
    /// Orthogonal modes of the same, as many as there are kept runs, and the weights of all.
    pub modes: Modes,
    /// Phase retrieval transfer function of the average.
    pub prtf: Vec<Shell>,
    /// Fourier shell correlation of the averages of the odd and the even independent runs; empty where
    /// there are no two of them.
    pub fsc: Vec<FscShell>,
    /// Constant phase and ramp of the best run, which were removed from objects, average and modes.
    pub gauge: Gauge,
    /// Frequency at which the photons end.
    pub photons_end: Crossing,
}

impl Combined {
    /// Crossings of PRTF and FSC with their thresholds, not beyond where the photons end.
    pub fn crossings(&self) -> [Crossing; 2] {
        [prtf_crossing(&self.prtf), fsc_crossing(&self.fsc)].map(|crossing| crossing.or_before(self.photons_end))
    }
}

/// Registers, averages and compares the kept runs. `independent` are the objects of runs of which none
/// began at another, in register with the best: only of these it says something that they agree. `ramp`
/// says whether linear phase ramps may be removed (Bragg data).
///
/// # Errors
/// If an object is not finite.
pub fn combine(kept: &[Run], independent: &[Centered<Complex32>], pattern: &Pattern, ramp: bool) -> Result<Combined> {
    let best = &kept[0].object;
    let mut objects = vec![best.clone()];
    objects.extend(in_register(&kept[1..], best, ramp)?);
    let several = independent.len() > 1;
    let compared = if several { independent } else { &objects[..] };
    let average = metrics::average(compared)?;
    let moduli = Centered(pattern.intensity.0.mapv(|i| i.max(0.0).sqrt()));
    let measured = pattern.measured();
    let prtf = metrics::prtf(&average, &moduli, &measured)?;
    let photons_end = metrics::photons_end(&pattern.intensity, &measured)?;
    let fsc = if several {
        let half = |parity: usize| -> Result<Centered<Complex32>> {
            let half: Vec<_> = independent.iter().skip(parity).step_by(2).cloned().collect();
            metrics::average(&half)
        };
        metrics::fsc(&half(0)?, &half(1)?)?
    } else {
        Vec::new()
    };
    let mut modes = metrics::modes(compared)?;
    modes.modes.truncate(objects.len());
    let gauge = Gauge::of(best, ramp);
    for object in objects.iter_mut().chain(&mut modes.modes) {
        *object = gauge.removed(object);
    }
    let independent = independent.len();
    Ok(Combined { objects, independent, average: gauge.removed(&average), modes, prtf, fsc, gauge, photons_end })
}

/// The objects of runs in register with another.
///
/// # Errors
/// If one is not finite.
pub fn in_register<'a>(
    runs: impl IntoIterator<Item = &'a Run>,
    best: &Centered<Complex32>,
    ramp: bool,
) -> Result<Vec<Centered<Complex32>>> {
    let options = metrics::RegistrationOptions { subpixel: true, ramp };
    runs.into_iter().map(|run| Ok(metrics::register(&run.object, best, options)?.object)).collect()
}
