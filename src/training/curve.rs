//! The curve of a training, as JSON lines and as a page.

use crate::error::Result;
use crate::io;
use crate::report::{Figure, Plot, Report, Section, Series};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// File of the curve's points, one JSON object a line.
pub const CURVE: &str = "curve.jsonl";
/// Page on which the curve is drawn.
pub const CURVE_PAGE: &str = "curve.html";

/// One validation.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct CurvePoint {
    /// Steps done.
    pub step: u64,
    /// Patches seen.
    pub patches: u64,
    /// Seconds of training.
    pub seconds: f64,
    /// Running mean of the training loss.
    #[serde(default)]
    pub training_loss: Option<f64>,
    /// Loss on the validation patches.
    pub validation_loss: f64,
    /// Mean absolute error of `ln(1 + I)` inside their gaps.
    pub mean_absolute_log_error: f64,
    /// The same error of the fill from which the network starts.
    pub starting_fill: f64,
    /// Fraction of the pixels within the nominal 90 % interval.
    pub within_nominal_interval: f64,
}

/// The points of a training so far.
pub(super) struct Curve(Vec<CurvePoint>);

impl Curve {
    /// The points that an interrupted training left in a folder.
    pub fn resumed(folder: &Path) -> Self {
        let text = std::fs::read_to_string(folder.join(CURVE)).unwrap_or_default();
        Curve(text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect())
    }

    /// No points yet.
    pub fn new() -> Self {
        Curve(Vec::new())
    }

    /// Forgets what came after a step: it is made again.
    pub fn rewind(&mut self, step: u64) {
        self.0.retain(|point| point.step <= step);
    }

    /// Whether there is a point after this step.
    pub fn has(&self, step: u64) -> bool {
        self.0.iter().any(|point| point.step == step)
    }

    /// Adds a point, and writes file and page.
    pub fn add(&mut self, point: CurvePoint, folder: &Path) -> Result<()> {
        self.0.push(point);
        let lines = self.0.iter().map(serde_json::to_string).collect::<Result<Vec<_>, _>>();
        let lines = lines.map_err(|error| crate::Error::encode("the curve of the training", error))?;
        io::write_text(&folder.join(CURVE), true, &(lines.join("\n") + "\n"))?;
        io::write_text(&folder.join(CURVE_PAGE), true, &self.page().to_html())
    }

    fn page(&self) -> Report {
        let series = |name: &str, value: &dyn Fn(&CurvePoint) -> Option<f64>| Series {
            name: name.into(),
            points: self.0.iter().filter_map(|point| Some((point.step as f64, value(point)?))).collect(),
            ..Series::default()
        };
        let plot = |title: &str, series: Vec<Series>| {
            Figure::Plot(Plot {
                title: title.into(),
                x_label: "step".into(),
                y_label: "per pixel".into(),
                series,
                ..Plot::default()
            })
        };
        let losses = vec![
            series("training", &|point| point.training_loss),
            series("validation", &|point| Some(point.validation_loss)),
        ];
        let errors = vec![
            series("network", &|point| Some(point.mean_absolute_log_error)),
            series("starting fill", &|point| Some(point.starting_fill)),
        ];
        Report {
            title: "Training".into(),
            sections: vec![Section {
                title: "Curves".into(),
                figures: vec![
                    plot("Loss", losses),
                    plot("Mean absolute error of ln(1 + I) inside the gaps, validation", errors),
                ],
                ..Section::default()
            }],
            ..Report::default()
        }
    }
}
