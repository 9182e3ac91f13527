//! What the gaps of a pattern hide, before it is phased and after.

use super::observer::{Event, Observer};
use super::views::{centre_of_mass, cropped, planes, window};
use crate::error::{Error, Result, shape_text};
use crate::hidden::{HIDDEN, HiddenModes, MODES, Operator, Outlook, hidden_fraction};
use crate::pixels::{Pattern, bit, trimmed};
use crate::prepare::{Prepared, inspect, likely_support};
use crate::report::{Figure, Image, Plot, Report, Section, Series};
use crate::settings::{Settings, SupportChoice, looks_real};
use crate::volume::Centered;
use num_complex::Complex32;
use serde::Serialize;
use std::path::Path;

/// What the pixels without a measurement hide of objects in a support, phases elsewhere taken as
/// known.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct HiddenSummary {
    /// Modes of which the gap hides more than half.
    pub modes: f64,
    /// Standard error of their number; 0 where they were computed one by one.
    pub modes_error: f64,
    /// Pixels of the support: as many modes are there in all.
    pub support_pixels: usize,
    /// Fraction of the pattern that was not measured.
    pub unmeasured: f64,
    /// Factor by which noise is amplified along the worst mode.
    pub noise_gain: f64,
    /// Fraction of the energy that hidden modes hold: of the object, or of a flat one where it was
    /// not phased yet.
    pub hidden_energy: f64,
}

impl HiddenSummary {
    fn new(op: &Operator, modes: &HiddenModes, hidden_energy: f64) -> Self {
        HiddenSummary {
            modes: modes.count,
            modes_error: modes.count_error,
            support_pixels: modes.support_pixels,
            unmeasured: modes.trace / op.pixels() as f64,
            noise_gain: modes.noise_gain,
            hidden_energy,
        }
    }

    /// What it says, in few words.
    pub fn short(&self) -> String {
        format!(
            "{} of {}, with {:.1} % of the energy; noise up to {} times",
            self.count().to_lowercase(),
            self.support_pixels,
            100.0 * self.hidden_energy,
            self.gain_text()
        )
    }

    /// The number of modes in words: `37`, or `1640 ± 12`.
    pub fn count_text(&self) -> String {
        match self.modes_error {
            0.0 => format!("{:.0}", self.modes),
            error => format!("{:.0} ± {error:.0}", self.modes),
        }
    }

    /// The gain of noise in words: `7.2`, `more than 1000`.
    pub fn gain_text(&self) -> String {
        match self.noise_gain {
            gain if gain < 1e3 => format!("{gain:.1}"),
            _ => "more than 1000".into(),
        }
    }

    fn count(&self) -> String {
        match self.modes_error {
            0.0 => format!("{:.0}", self.modes),
            _ => format!("About {:.0}", self.modes),
        }
    }

    /// What it says, in one sentence; `what` is the object whose energy is meant.
    pub fn sentence(&self, what: &str) -> String {
        let count = self.count();
        format!(
            "{count} of {} modes are hidden (more than half of each lies where nothing was measured), with {:.2} % of the \
             energy of {what}; along the worst of them noise is amplified {} times",
            self.support_pixels,
            100.0 * self.hidden_energy,
            self.gain_text()
        )
    }
}

/// What the gaps hide of an object that was phased, and where in it: fraction of each pixel that lies
/// in hidden modes. `None` where all was measured, or the work was stopped.
pub(super) fn hidden_of(
    pattern: &Pattern,
    object: &Centered<Complex32>,
    support: &Centered<bool>,
    observer: &dyn Observer,
) -> Option<(HiddenSummary, Centered<f32>)> {
    let gap = pattern.measured().map(|measured| !measured);
    if !gap.as_slice().contains(&true) {
        return None;
    }
    let op = Operator::new(support, &gap).ok()?;
    let modes = HiddenModes::find(&op, 0, 0, &|_| observer.go_on())?;
    let summary = HiddenSummary::new(&op, &modes, hidden_fraction(&op, object));
    Some((summary, modes.map))
}

/// What the gaps of a prepared pattern hide, and what can be done about it.
#[derive(Debug)]
pub struct GapLook {
    /// The pattern.
    pub pattern: Pattern,
    /// The support that was assumed.
    pub support: Centered<bool>,
    /// The modes.
    pub modes: HiddenModes,
    /// Every number and word that is said about them.
    pub summary: GapSummary,
}

/// What is said of gaps.
#[derive(Debug, Clone, Serialize)]
pub struct GapSummary {
    /// Modes, their gain, and the energy of a flat object in them.
    #[serde(flatten)]
    pub hidden: HiddenSummary,
    /// Whether the support was made from the autocorrelation.
    pub support_estimated: bool,
    /// What is typical, and the remedy.
    #[serde(flatten)]
    pub outlook: Outlook,
    /// Whether the pattern looks like that of a real object: what is counted here is for complex ones,
    /// and of a real one the pixels opposite a gap tell what it hides.
    pub looks_real: bool,
    /// The remedy in one sentence.
    pub advice: String,
    /// Eigenvalues of the hidden modes, falling; empty where there are too many to compute one by
    /// one.
    pub eigenvalues: Vec<f64>,
}

/// What is said of a pattern that is symmetric about its centre.
const REAL: &str =
    "the pattern is symmetric, as that of a real object: pixels opposite a gap tell what it hides, so leave it free";

/// Looks at the gaps of a prepared pattern with the support that the settings name, or one from the
/// autocorrelation.
///
/// # Errors
/// [`Error::Support`] for an empty support, [`Error::Interrupted`].
pub fn look_at_gaps(prepared: Prepared, settings: &Settings, observer: &dyn Observer) -> Result<GapLook> {
    let Prepared { pattern, support, .. } = prepared;
    let measured = pattern.measured();
    let gap = measured.map(|measured| !measured);
    let (support, support_estimated) = match (support, &settings.start.support) {
        (Some(support), _) => (support, false),
        (None, SupportChoice::Form(form)) => (form.support(pattern.shape()).to_centered(), false),
        (None, _) => (likely_support(&pattern.intensity, &measured), true),
    };
    let op = Operator::new(&support, &gap)?;
    // A beamstop stays where the beam is.
    let shadow = pattern.mask.map(|&bits| bits & bit::SHADOWED != 0);
    let moving = pattern.mask.map(|&bits| bits & !bit::SHADOWED != 0);
    let progress = |done| {
        observer.observe(Event::Work { name: "hidden modes", done });
        observer.go_on()
    };
    let modes = HiddenModes::find(&op, MODES, settings.ensemble.seed, &|part| progress(0.7 * part))
        .ok_or(Error::Interrupted)?;
    let outlook = Outlook::new(&op, &modes, &support, [&moving, &shadow], &|part| progress(0.7 + 0.3 * part))?;
    observer.observe(Event::Work { name: "hidden modes", done: 1.0 });
    let looks_real = looks_real(&inspect(&pattern.intensity, Some(&pattern.mask))?);
    let advice = match looks_real {
        true => format!("{REAL}; for a complex one: {}", outlook.advice()),
        false => outlook.advice(),
    };
    let summary = GapSummary {
        looks_real,
        hidden: HiddenSummary::new(&op, &modes, outlook.hidden_energy),
        support_estimated,
        advice,
        outlook,
        eigenvalues: modes.modes.as_ref().map_or(Vec::new(), |modes| modes.eigenvalues.clone()),
    };
    Ok(GapLook { pattern, support, modes, summary })
}

impl GapLook {
    /// Makes the page: numbers, where in the object the uncertainty lies, the eigenvalues.
    pub fn page(&self, file: &str, command: &str) -> Report {
        let GapSummary { hidden, support_estimated, outlook, advice, .. } = &self.summary;
        let name = Path::new(file).file_name().map_or(file.into(), |name| name.to_string_lossy());
        let source = if *support_estimated { "from the autocorrelation, at half its scale" } else { "as given" };
        let facts = vec![
            ("File".to_string(), file.to_string()),
            ("Pattern".into(), format!("{} pixels", shape_text(&trimmed(self.pattern.shape())))),
            ("Not measured".into(), format!("{:.2} % of the pixels", 100.0 * hidden.unmeasured)),
            ("Widest gap".into(), format!("{} pixels", outlook.widest_gap)),
            ("Support".into(), format!("{} pixels, {source}", hidden.support_pixels)),
            ("Hidden modes".into(), hidden.count_text()),
            ("Noise gain".into(), format!("{} along the worst", hidden.gain_text())),
            ("Hidden energy".into(), format!("{:.2} % of a flat object", 100.0 * hidden.hidden_energy)),
            ("Error at random".into(), format!("{:.2} of the object", outlook.error)),
        ];
        let mut figures = map_figures(&self.modes.map, &self.support);
        figures.extend(self.spectrum());
        let text = "A hidden mode is an object inside the support of whose energy more than half falls on pixels without a \
                    measurement. Along these modes data and support say little, along all others they determine the \
                    object; the phases of what was measured are taken as known.";
        Report {
            title: format!("What the gaps of {name} hide"),
            verdict: format!("{}; {advice}.", hidden.sentence("a flat object")),
            facts,
            sections: vec![Section {
                title: "Where in the object".into(),
                text: text.into(),
                figures,
                ..Section::default()
            }],
            command: command.into(),
            version: format!("lacuna {}", env!("CARGO_PKG_VERSION")),
            ..Report::default()
        }
    }

    fn spectrum(&self) -> Option<Figure> {
        let modes = self.modes.modes.as_ref().filter(|modes| !modes.eigenvalues.is_empty())?;
        let gain = |(index, &value): (usize, &f64)| (index as f64 + 1.0, 1.0 / (1.0 - value).max(1e-12).sqrt());
        Some(Figure::Plot(Plot {
            title: "Noise along the modes".into(),
            caption: format!("Gain 1/√(1 − λ) of each mode whose eigenvalue λ is at least {HIDDEN}."),
            x_label: "mode".into(),
            y_label: "noise gain".into(),
            log_y: true,
            series: vec![Series {
                name: "gain".into(),
                points: modes.eigenvalues.iter().enumerate().map(gain).collect(),
                emphasis: true,
            }],
            ..Plot::default()
        }))
    }
}

/// Planes of a map of hidden fractions, cut to the support.
pub(super) fn map_figures(map: &Centered<f32>, support: &Centered<bool>) -> Vec<Figure> {
    let caption = "Part of each pixel that lies in hidden modes: 0 is determined by data and support, 1 not at all. The sum is \
                   the number of modes.";
    inside_figures(map, support, "Hidden fraction", caption, "fraction")
}

/// Planes of a map, cut to the support and hatched outside.
pub(super) fn inside_figures(
    map: &Centered<f32>,
    support: &Centered<bool>,
    title: &str,
    caption: &str,
    unit: &str,
) -> Vec<Figure> {
    let as_object = support.map(|&inside| Complex32::from(f32::from(u8::from(inside))));
    let window = window(&as_object);
    let mut inside = map.clone();
    inside.0.zip_mut_with(&support.0, |value, &inside| {
        if !inside {
            *value = f32::NAN;
        }
    });
    let (map, object) = (cropped(&inside, window), cropped(&as_object, window));
    let planes = planes(&map, centre_of_mass(&object)).into_iter();
    planes
        .map(|(name, _, data)| {
            Figure::Image(Image {
                title: format!("{title} {name}").trim().to_string(),
                caption: caption.into(),
                data,
                unit: unit.into(),
                ..Image::default()
            })
        })
        .collect()
}
