//! The measurement: from noise-free diffraction to counts.
//!
//! [`MeasurementRecipe::draw`] decides everything about an experiment but the photons themselves;
//! the [`Conditions`] then turn a diffraction pattern into what the detector would show on average,
//! and into counts.

pub mod background;
pub mod blur;
pub(crate) mod counting;
pub mod defects;
pub mod rocking;
pub mod strays;

use super::draw::{Fault, ParameterRange, Rng};
use crate::pixels::bit;
use crate::psf::{Kernel, Peak};
use crate::volume::{Centered, Shape};
use background::{Background, BackgroundRecipe};
use blur::{CoherenceRecipe, PsfRecipe, blur};
use counting::{MOST, UNREAD, poisson};
use defects::{DefectRecipe, Defects};
use ndarray::Array3;
use rocking::RockingRecipe;
use serde::{Deserialize, Serialize};
use strays::{Stray, StrayRecipe};

/// Recipe of the measurement, section `[measurement]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MeasurementRecipe {
    /// Photons in the whole pattern, log-uniform.
    pub photons: ParameterRange,
    /// Distance of the peak from the centre along each axis, pixels.
    pub peak_offset: ParameterRange,
    /// Coherence of the beam.
    pub coherence: CoherenceRecipe,
    /// Point spread of the detector.
    pub psf: PsfRecipe,
    /// Photons that the sample did not diffract.
    pub background: BackgroundRecipe,
    /// Imperfections of a rocking curve.
    pub rocking: RockingRecipe,
    /// Stray spots beside the pattern.
    pub strays: StrayRecipe,
    /// Defects of the detector.
    pub defects: DefectRecipe,
}

impl Default for MeasurementRecipe {
    fn default() -> Self {
        MeasurementRecipe {
            photons: ParameterRange::new(1e3, 1e10),
            peak_offset: ParameterRange::new(-3.0, 3.0),
            coherence: CoherenceRecipe::default(),
            psf: PsfRecipe::default(),
            background: BackgroundRecipe::default(),
            rocking: RockingRecipe::default(),
            strays: StrayRecipe::default(),
            defects: DefectRecipe::default(),
        }
    }
}

/// Conditions of one experiment: everything but its photons.
#[derive(Debug, Clone, PartialEq)]
pub struct Conditions {
    /// Photons in the whole pattern, to which the caller scales the diffraction.
    pub photons: f64,
    /// Distance of the peak from the centre, (z, y, x) pixels; no z in 2D. The caller shifts the
    /// diffraction.
    pub peak_offset: [f64; 3],
    /// Distance of each frame from its nominal place, in steps of the rocking curve. The caller
    /// resamples the diffraction.
    pub frame_offsets: Vec<f64>,
    /// Incident flux during each frame, relative to the mean.
    pub flux: Vec<f64>,
    /// Blur by the limited coherence, along (z, y, x).
    pub coherence: Option<[Peak; 3]>,
    /// Blur by the detector, along rows and columns.
    pub psf: Option<Peak>,
    /// Photons that the sample did not diffract.
    pub background: Background,
    /// Stray spots beside the pattern.
    pub strays: Vec<Stray>,
    /// Defects of the detector.
    pub defects: Defects,
}

/// Conditions in numbers: flat, one row of a table. NaN, 0 or `none` where something does not
/// apply.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MeasurementDescription {
    /// Photons in the whole pattern.
    pub photons: f64,
    /// Distance of the peak from the centre, frames.
    pub peak_offset_z: f64,
    /// Distance of the peak from the centre, rows.
    pub peak_offset_y: f64,
    /// Distance of the peak from the centre, columns.
    pub peak_offset_x: f64,
    /// Full width at half maximum of the coherence's blur along the rocking curve; 0 if fully
    /// coherent.
    pub coherence_z: f64,
    /// Full width at half maximum of the coherence's blur along a column; 0 if fully coherent.
    pub coherence_y: f64,
    /// Full width at half maximum of the coherence's blur along a row; 0 if fully coherent.
    pub coherence_x: f64,
    /// Fraction of the Lorentzian in the coherence's blur.
    pub coherence_eta: f64,
    /// Full width at half maximum of the detector's point spread, pixels; 0 without one.
    pub psf: f64,
    /// Fraction of the Lorentzian in the detector's point spread.
    pub psf_eta: f64,
    /// Kind of background: `none`, `flat`, `slope`, `ring` or `diffuse`.
    pub background: &'static str,
    /// Photons per pixel; for diffuse scattering, photons as a fraction of the pattern's.
    pub background_level: f64,
    /// Root mean square of the frames' distances from their nominal places, steps.
    pub jitter: f64,
    /// Largest deviation of the flux from its mean, relative.
    pub drift: f64,
    /// Number of stray spots.
    pub strays: usize,
    /// Number of hot pixels in a frame, those in gaps included.
    pub hot_pixels: usize,
    /// Number of dead pixels in a frame, those in gaps included.
    pub dead_pixels: usize,
    /// Photons at which the detector saturates; NaN if it does not.
    pub saturation: f64,
}

impl MeasurementRecipe {
    /// Checks that conditions can be drawn.
    ///
    /// # Errors
    /// [`Fault`] for the first key whose value cannot be used.
    pub fn check(&self) -> Result<(), Fault> {
        self.photons.check("measurement.photons", 1.0..=1e13)?;
        self.peak_offset.check("measurement.peak_offset", -1e3..=1e3)?;
        self.coherence.check()?;
        self.psf.check()?;
        self.background.check()?;
        self.rocking.check()?;
        self.strays.check()?;
        self.defects.check()
    }

    /// Draws conditions for a pattern of this shape. The recipe must have passed
    /// [`MeasurementRecipe::check`].
    pub fn draw(&self, shape: Shape, rng: &mut Rng) -> Conditions {
        let photons = self.photons.log_uniform(rng);
        let mut peak_offset = [(); 3].map(|()| self.peak_offset.uniform(rng));
        if shape[0] == 1 {
            peak_offset[0] = 0.0;
        }
        let (frame_offsets, flux) = self.rocking.draw(shape[0], rng);
        Conditions {
            photons,
            peak_offset,
            frame_offsets,
            flux,
            coherence: self.coherence.draw(rng),
            psf: self.psf.draw(rng),
            background: self.background.draw(shape, photons, peak_offset, rng),
            strays: self.strays.draw(shape, rng),
            defects: self.defects.draw(shape, rng),
        }
    }
}

impl Conditions {
    /// Expected photons per pixel of this measurement: the noise-free diffraction (of the shape
    /// that was drawn for) blurred, on its background, in the drifting beam. Without stray spots
    /// and defects.
    pub fn expected(&self, diffraction: Centered<f32>) -> Centered<f32> {
        let mut intensity = diffraction.0;
        let photons = intensity.iter().map(|value| f64::from(*value)).sum();
        blur(&mut intensity, &self.kernels());
        self.background.add(&mut intensity, photons);
        for (mut frame, &flux) in intensity.outer_iter_mut().zip(&self.flux) {
            if flux != 1.0 {
                frame *= flux as f32;
            }
        }
        Centered(intensity)
    }

    fn kernels(&self) -> [Kernel; 3] {
        let mut kernels = self.coherence.map_or([0; 3].map(|_| Kernel::identity()), |peaks| peaks.map(Peak::kernel));
        if let Some(psf) = self.psf.map(Peak::kernel) {
            for kernel in &mut kernels[1..] {
                *kernel = kernel.then(&psf);
            }
        }
        kernels
    }

    /// Draws the counts of one exposure: photons around `expected`, stray spots, defects. Sets HOT,
    /// DEAD and SATURATED in `mask`. Pixels that are MISSING, SHADOWED or DEAD count 0; all others,
    /// good or bad, keep their reading. `expected` and `mask` have the shape that was drawn for.
    pub fn count(&self, expected: &Centered<f32>, mask: &mut Centered<u32>, rng: &mut Rng) -> Centered<u32> {
        self.defects.mark(mask);
        let pixels = expected.as_slice().iter().zip(mask.as_slice());
        let counts =
            pixels.map(|(&mean, bits)| if bits & UNREAD == 0 { poisson(mean.into(), rng) } else { 0 }).collect();
        let mut counts = Array3::from_shape_vec(expected.shape(), counts).expect("one count per pixel");
        if !self.strays.is_empty() {
            let largest = expected.as_slice().iter().fold(0.0, |largest: f32, value| largest.max(*value));
            for stray in &self.strays {
                stray.count(&mut counts, mask, largest.into(), rng);
            }
        }
        self.defects.read_hot(&mut counts, mask, rng);
        self.defects.saturate(&mut counts, mask);
        for (&count, bits) in counts.iter().zip(mask.0.iter_mut()) {
            if count >= MOST {
                *bits |= bit::SATURATED;
            }
        }
        Centered(counts)
    }

    /// Describes the conditions in numbers.
    pub fn description(&self) -> MeasurementDescription {
        let [peak_offset_z, peak_offset_y, peak_offset_x] = self.peak_offset;
        let [coherence_z, coherence_y, coherence_x] =
            self.coherence.map_or([0.0; 3], |peaks| peaks.map(|peak| peak.width));
        let squares = self.frame_offsets.iter().map(|offset| offset * offset).sum::<f64>();
        MeasurementDescription {
            photons: self.photons,
            peak_offset_z,
            peak_offset_y,
            peak_offset_x,
            coherence_z,
            coherence_y,
            coherence_x,
            coherence_eta: self.coherence.map_or(f64::NAN, |peaks| peaks[0].eta),
            psf: self.psf.map_or(0.0, |peak| peak.width),
            psf_eta: self.psf.map_or(f64::NAN, |peak| peak.eta),
            background: self.background.kind(),
            background_level: self.background.level(),
            jitter: (squares / self.frame_offsets.len().max(1) as f64).sqrt(),
            drift: self.flux.iter().fold(0.0, |largest: f64, flux| largest.max((flux - 1.0).abs())),
            strays: self.strays.len(),
            hot_pixels: self.defects.hot.len(),
            dead_pixels: self.defects.dead.len(),
            saturation: self.defects.saturation.unwrap_or(f64::NAN),
        }
    }
}

#[cfg(test)]
mod tests;
