//! Intervals of whole patterns: patches are blended there, so that their errors are not those of
//! one patch.

use crate::error::Result;
use crate::inpaint::calibration::Calibration;
use crate::inpaint::model::Model;
use crate::inpaint::predict::{PredictOptions, predict};
use crate::pixels::Pattern;
use ndarray::Array3;

/// Collects how far the truth is from predictions, gap by gap.
pub struct Calibrator {
    model: Model,
    options: PredictOptions,
    pixels: Vec<(f32, f32)>,
}

impl Calibrator {
    /// For this model, whose own calibration is forgotten.
    pub fn new(model: &Model, options: PredictOptions) -> Self {
        let mut model = model.clone();
        model.card.calibration = Calibration { unknown: model.card.calibration.unknown, ..Calibration::nominal() };
        Self { model, options, pixels: Vec::new() }
    }

    /// Fills a pattern, and compares the pixels `inside` with the truth, photons.
    ///
    /// # Errors
    /// Those of [`predict`].
    pub fn add(
        &mut self,
        pattern: &Pattern,
        truth: &Array3<f32>,
        inside: &Array3<bool>,
        go_on: &mut dyn FnMut() -> bool,
    ) -> Result<()> {
        let field = predict(pattern, &self.model, self.options, &mut |_| go_on())?;
        let nominal = self.model.card.calibration.factor(0.0);
        for (index, &truth) in truth.indexed_iter().filter(|(index, truth)| inside[*index] && truth.is_finite()) {
            if field.at[index] {
                let (mean, spread) = (field.mean[index], field.half_width[index] / nominal);
                self.pixels.push((mean, (truth.max(0.0).ln_1p() - mean).abs() / spread));
            }
        }
        Ok(())
    }

    /// The intervals that hold nine of ten of all these pixels.
    pub fn finish(self) -> Calibration {
        Calibration { unknown: self.model.card.calibration.unknown, ..Calibration::fit(self.pixels) }
    }
}
