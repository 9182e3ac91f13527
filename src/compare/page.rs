//! The page of a comparison on one pattern.

use super::case::Compared;
use super::{Contender, ContenderRuns};
use crate::error::Result;
use crate::metrics;
use crate::reconstruct::views;
use crate::report::{ComplexImage, Figure, Image, Report, Section};
use crate::volume::Centered;
use ndarray::{Array3, s};
use num_complex::Complex32;

impl Compared<'_> {
    /// The page of the comparison. `command` is quoted on it.
    ///
    /// # Errors
    /// As [`Compared::table`].
    pub fn page(&self, command: &str) -> Result<Report> {
        let mut sections = vec![self.patterns(), self.objects()?];
        sections.insert(0, Section {
            title: "Scores".into(),
            text: "Equal seeds, first supports and recipes. Of each treatment's runs the one of lowest free log-likelihood times support counts. Errors are those of \
                   the complex object after registration; PRTF and FSC are resolutions at their thresholds, in pixels of the object."
                .into(),
            tables: vec![self.table()?],
            ..Section::default()
        });
        let (measured, photons) = self.case.pattern.totals();
        let pixels: usize = self.case.pattern.shape().iter().product();
        Ok(Report {
            title: format!("Does filling the gap help? {}", self.case.name),
            verdict: self.verdict(),
            facts: vec![
                ("Photons".into(), format!("{photons:.3e}")),
                (
                    "Not measured".into(),
                    format!("{:.2} % of the pixels", 100.0 * (1.0 - measured as f64 / pixels as f64)),
                ),
                ("Network".into(), self.case.model.card.name.clone()),
                ("Bounds".into(), format!("{} times the 90 % intervals", self.case.settings.gap.interval)),
                (
                    "Runs".into(),
                    format!(
                        "{} for each treatment, seeds from {}",
                        self.case.settings.ensemble.most(),
                        self.case.settings.ensemble.seed
                    ),
                ),
                ("Recipe".into(), self.case.settings.recipe.recipe.to_string()),
            ],
            sections,
            command: command.into(),
            version: format!("lacuna {}", env!("CARGO_PKG_VERSION")),
            ..Report::default()
        })
    }

    /// The pattern around its brightest part: as seen, filled, and as some contenders have it.
    fn patterns(&self) -> Section {
        const HALF: usize = 48;
        let pattern = &self.case.pattern;
        let [nz, ny, nx] = pattern.shape();
        let around = |n: usize| n / 2 - HALF.min(n / 2)..(n / 2 + HALF).min(n);
        let zoom = |values: &Array3<f32>| values.slice(s![nz / 2, around(ny), around(nx)]).to_owned();
        let seen = ndarray::Zip::from(&pattern.intensity.0).and(&pattern.mask.0);
        let seen = seen.map_collect(|&value, &bits| if bits == 0 { value } else { f32::NAN });
        let top = seen.iter().copied().filter(|value| value.is_finite()).fold(1.0, f32::max);
        let mut figures = vec![Figure::Image(Image::photons("Measured", zoom(&seen), top))];
        if let Some(full) = &self.case.full {
            figures.push(Figure::Image(Image::photons("Without a gap", zoom(&full.intensity.0), top)));
        }
        if let Some(network) = &self.network {
            let mut filled = seen.clone();
            for (index, value) in filled.indexed_iter_mut().filter(|(index, _)| network.field.at[*index]) {
                *value = network.field.mean[index].max(0.0).exp_m1();
            }
            figures.push(Figure::Image(Image::photons("Filled by the network", zoom(&filled), top)));
        }
        let drawn = [Contender::Full, Contender::FREE, Contender::NETWORK];
        for runs in &self.runs {
            if let Some(run) = runs.best().filter(|_| drawn.contains(&runs.contender)) {
                let title = format!("Calculated from the object: {}", &runs.contender.text());
                figures.push(Figure::Image(Image::photons(&title, zoom(&run.calculated().0), top)));
            }
        }
        Section { title: "Patterns".into(), text: "The middle of the frame.".into(), figures, ..Section::default() }
    }

    /// The objects side by side, with what differs from the reference.
    fn objects(&self) -> Result<Section> {
        let mut figures = Vec::new();
        let anything = self.runs.iter().find_map(ContenderRuns::best).map(|run| run.object.clone());
        let Some(shown) = self.reference.as_ref().map(|truth| truth.object.clone()).or(anything) else {
            return Ok(Section {
                title: "Objects".into(),
                text: "No run gave an object.".into(),
                ..Section::default()
            });
        };
        let window = views::window(&shown);
        let plane = |object: &Centered<Complex32>| {
            let part = views::cropped(object, window);
            let middle = part.shape()[0] / 2;
            part.0.index_axis(ndarray::Axis(0), middle).to_owned()
        };
        let picture = |title: &str, data| {
            Figure::Complex(ComplexImage {
                title: title.into(),
                data,
                unit: "√photons".into(),
                ..ComplexImage::default()
            })
        };
        if let Some(truth) = self.case.truth.as_ref() {
            figures.push(picture("Truth", plane(&truth.object)));
        }
        let top = shown.as_slice().iter().map(|value| value.norm()).fold(0.0, f32::max);
        for runs in &self.runs {
            let Some(run) = runs.best() else { continue };
            let options = metrics::RegistrationOptions { subpixel: true, ramp: !self.case.settings.recipe.positivity };
            let found = metrics::register(&run.object, &shown, options)?;
            let scaled = Centered(found.object.0.mapv(|value| value * found.scale as f32));
            figures.push(picture(&runs.contender.text(), plane(&scaled)));
            // The reconstruction without a gap is the reference where there is no truth.
            if self.reference.is_some() && (self.case.truth.is_some() || runs.contender != Contender::Full) {
                let difference = plane(&Centered(&scaled.0 - &shown.0)).mapv(|value| value.norm());
                figures.push(Figure::Image(Image {
                    title: format!("{}: modulus of the difference", runs.contender),
                    data: difference,
                    range: Some((0.0, top)),
                    unit: "√photons".into(),
                    ..Image::default()
                }));
            }
        }
        let text =
            if self.reference.is_some() { "Registered to the reference, from which the differences are." } else { "" };
        Ok(Section { title: "Objects".into(), text: text.into(), figures, ..Section::default() })
    }
}
