//! A network's accuracy over the patterns of a set: gaps of several widths cut into each, scored
//! beside the classical fills.

use super::{Calibrator, DetectorGap, Filled, Row, blinded, outcome, straight_gap, without_gaps};
use crate::error::{Error, Result};
use crate::inpaint::calibration::Calibration;
use crate::inpaint::model::Model;
use crate::inpaint::predict::PredictOptions;
use crate::io::set::{Measurement, Set, Split};
use crate::pixels::Pattern;
use ndarray::Array3;

/// What is evaluated.
pub struct Evaluation<'a> {
    /// Patterns with their truth.
    pub set: &'a Set,
    /// The network.
    pub model: &'a Model,
    /// How it is applied.
    pub options: PredictOptions,
    /// Widths of the gaps that are cut, pixels; 0 stands for the gaps that a pattern has.
    pub widths: &'a [usize],
    /// Seed of the places of the gaps.
    pub seed: u64,
}

/// One gap in one pattern, with all that pictures show.
pub struct EvaluatedCase {
    /// Scores, and what they are sorted by.
    pub row: Row,
    /// Noise-free intensity, photons.
    pub truth: Array3<f32>,
    /// The pattern with its gap.
    pub seen: Pattern,
    /// The pattern as it was filled.
    pub filled: Filled,
}

/// Scores of all gaps in all patterns, and the cases for pictures.
pub struct Evaluated {
    /// Scores.
    pub rows: Vec<Row>,
    /// Best, median and worst case of the 6 px gaps, or of the first width; empty unless asked for.
    pub pictures: Vec<EvaluatedCase>,
}

impl Evaluation<'_> {
    /// Refuses widths that leave too little of the frame.
    ///
    /// # Errors
    /// [`Error::Setting`] for a gap of more than half of the frame.
    pub fn check(&self) -> Result<()> {
        let shape = self.set.shape();
        match self.widths.iter().find(|&&width| 2 * width > shape[1].min(shape[2])) {
            Some(width) => Err(Error::setting("widths", width, "a gap is at most half of the frame")),
            None => Ok(()),
        }
    }

    /// Fills and scores the patterns. `go_on` is asked now and then, and told of each gap done.
    ///
    /// # Errors
    /// Those of reading the set and of the network; [`Error::Interrupted`].
    pub fn run(&self, patterns: &[usize], pictures: bool, go_on: &mut dyn FnMut(bool) -> bool) -> Result<Evaluated> {
        let photons = self.set.parameter("measurement_photons")?;
        let mut rows = Vec::new();
        for &pattern in patterns {
            for &width in self.widths {
                if let Some(case) = self.case(pattern, width, photons[pattern], go_on)? {
                    rows.push(case.row);
                }
                go_on(true);
            }
        }
        let drawn = if self.widths.contains(&6) { 6 } else { self.widths[0] };
        let mut order: Vec<&Row> = rows.iter().filter(|row| row.width == drawn).collect();
        let ratio = |row: &Row| row.outcome.network.error_log / row.outcome.classical[2].error_log;
        order.sort_by(|a, b| ratio(a).total_cmp(&ratio(b)));
        let mut cases = Vec::new();
        if pictures && !order.is_empty() {
            for at in [0, order.len() / 2, order.len() - 1] {
                let pattern = order[at].pattern;
                cases.extend(self.case(pattern, drawn, photons[pattern], go_on)?);
            }
        }
        Ok(Evaluated { rows, pictures: cases })
    }

    /// Intervals that hold nine of ten pixels inside the gaps of validation patterns.
    ///
    /// # Errors
    /// As [`Evaluation::run`].
    pub fn calibration(&self, limit: Option<usize>, go_on: &mut dyn FnMut(bool) -> bool) -> Result<Calibration> {
        let mut patterns = self.set.indices(Split::Validation);
        patterns.truncate(limit.unwrap_or(usize::MAX));
        let mut calibrator = Calibrator::new(self.model, self.options);
        for &pattern in &patterns {
            let measured = self.set.measurement(pattern)?;
            for &width in self.widths {
                let (seen, inside, _) = self.cut(&measured, pattern, width);
                calibrator.add(&seen, &measured.intensity.0, &inside, &mut || go_on(false))?;
                go_on(true);
            }
        }
        Ok(calibrator.finish())
    }

    /// The pattern with a gap of this width, or its own, the pixels of the gap, and where it is.
    fn cut(
        &self,
        measured: &Measurement,
        pattern: usize,
        width: usize,
    ) -> (Pattern, Array3<bool>, Option<DetectorGap>) {
        let whole = without_gaps(measured, self.seed, pattern);
        if width == 0 {
            let mask = measured.mask.clone();
            let inside = mask.0.mapv(|bits| bits != 0);
            let intensity = measured.counts.map(|&counts| counts as f32);
            (Pattern { mask, intensity, calculated: measured.calculated.clone(), ..whole }, inside, None)
        } else {
            let gap = straight_gap(whole.shape(), width, self.seed, pattern);
            let inside = gap.pixels(whole.shape());
            (blinded(whole, &inside), inside, Some(gap))
        }
    }

    fn case(
        &self,
        pattern: usize,
        width: usize,
        photons: f64,
        go_on: &mut dyn FnMut(bool) -> bool,
    ) -> Result<Option<EvaluatedCase>> {
        let entry = self.set.entry(pattern)?;
        let shape = self.set.shape();
        let measured = self.set.measurement(pattern)?;
        let truth = measured.intensity.0.clone();
        let (seen, inside, gap) = self.cut(&measured, pattern, width);
        if !go_on(false) {
            return Err(Error::Interrupted);
        }
        let done = outcome(&seen, &truth, &inside, self.model, self.options, &mut || go_on(false))?;
        let Some((outcome, filled)) = done else { return Ok(None) };
        let oversampling = entry.parameters.oversampling();
        let row = Row {
            pattern,
            particle: entry.particle,
            width,
            photons,
            oversampling: oversampling.zip(gap).map_or(f64::NAN, |(ratios, gap)| ratios[gap.axis]),
            offset: gap.map_or(f64::NAN, |gap| gap.offset(shape)),
            outcome,
        };
        Ok(Some(EvaluatedCase { row, truth, seen, filled }))
    }
}
