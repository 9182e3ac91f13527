//! What the page of a reconstruction under way shows.

use super::page::{object_figures, support_figures};
use super::page_runs::{Curve, fit_figures, runs_table};
use super::pipeline::Reconstruction;
use super::views::{centre_of_mass, cropped, window};
use crate::error::{Error, Result, counted, shape_text};
use crate::metrics::{Gauge, RegistrationOptions, register};
use crate::phasing::run::Point;
use crate::phasing::run_summary::RunSummary;
use crate::pixels::trimmed;
use crate::report::{Figure, Report, Section};
use crate::settings::Settings;
use crate::volume::{Centered, Shape};
use num_complex::Complex32;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

/// Most runs under way that have curves of their own colours.
const COLOURED: usize = 4;

/// What is known of a reconstruction under way.
#[derive(Clone)]
pub(super) struct Progress {
    file: String,
    command: String,
    /// Runs from random starts, and further ones where those do not find the object.
    planned: [usize; 2],
    /// Whether the ramp and the mean phase of objects mean nothing.
    ramp: bool,
    /// Whether all runs begin at one object: that they agree says nothing.
    one_start: bool,
    begun: Instant,
    /// Extents `(z, y, x)`, pixels, once the pattern is prepared.
    pub shape: Option<Shape>,
    /// Metres in a pixel of the object `(y, x)`.
    pub pixel: Option<[f64; 2]>,
    /// What is done beside runs; empty while they advance.
    pub stage: String,
    /// Cycles of the runs under way.
    pub cycles: usize,
    /// Runs under way with their fits so far.
    pub under_way: Vec<(usize, Vec<Point>)>,
    /// One of them.
    pub view: Option<Arc<Picture>>,
    /// Runs that ended.
    pub ended: Arc<Vec<RunSummary>>,
    /// The best of them, and the best one from another start.
    pub best: Vec<Arc<Picture>>,
    /// How it ended, once it did.
    pub end: Option<End>,
}

/// The end of a reconstruction.
#[derive(Clone)]
pub(super) struct End {
    pub words: String,
    /// Where its report is, relative to the page.
    pub report: Option<String>,
}

impl End {
    /// What a call ended with.
    pub fn of(done: &Result<Reconstruction>, report: &str) -> Self {
        let words = match done {
            Ok(result) if result.ensemble.interrupted => {
                format!("Interrupted: what was reached is in the report. {}", result.summary.verdict.sentence())
            }
            Ok(result) => format!("Finished. {}", result.summary.verdict.sentence()),
            Err(Error::Interrupted) => "Interrupted before there was a result.".into(),
            Err(error) => format!("Failed: {error}"),
        };
        End { words, report: done.is_ok().then(|| report.into()) }
    }
}

/// The window of a run's array that holds its object.
#[derive(PartialEq)]
pub(super) struct Picture {
    pub number: usize,
    /// Cycles done.
    pub cycle: usize,
    /// Shape of the array.
    whole: Shape,
    object: Centered<Complex32>,
    support: Centered<bool>,
    /// Pixels of the support, those outside the window too.
    pixels: usize,
}

impl Picture {
    pub fn new(number: usize, cycle: usize, object: &Centered<Complex32>, support: &Centered<bool>) -> Self {
        let window = window(object);
        Picture {
            number,
            cycle,
            whole: object.shape(),
            object: cropped(object, window),
            support: cropped(support, window),
            pixels: support.as_slice().iter().filter(|&&inside| inside).count(),
        }
    }

    fn figures(&self, ramp: bool, pixel: Option<[f64; 2]>) -> Vec<Figure> {
        let object = Gauge::of_window(&self.object, self.whole, ramp).removed(&self.object);
        let centre = centre_of_mass(&object);
        let caption = format!("Modulus and phase of run {} after {} cycles.", self.number, self.cycle);
        let mut figures = object_figures(&object, centre, pixel, &caption);
        figures.extend(support_figures(&self.support, centre, pixel, self.pixels));
        figures
    }
}

/// The relative distance of two objects, shift, twin and constant phase aside; `None` where they have
/// none.
pub(super) fn distance(a: &Picture, b: &Picture) -> Option<f64> {
    let shapes = [a.object.shape(), b.object.shape()];
    let shape = [0, 1, 2].map(|axis| shapes[0][axis].max(shapes[1][axis]));
    let [a, b] = [a, b].map(|picture| {
        let mut whole = Centered::filled(shape, Complex32::ZERO);
        let own = picture.object.shape();
        let at = |axis: usize| (shape[axis] - own[axis]) / 2..(shape[axis] - own[axis]) / 2 + own[axis];
        whole.0.slice_mut(ndarray::s![at(0), at(1), at(2)]).assign(&picture.object.0);
        whole
    });
    register(&b, &a, RegistrationOptions { subpixel: true, ramp: false }).ok().map(|found| found.error)
}

impl Progress {
    /// Nothing is known yet.
    pub fn new(file: &str, command: &str, settings: &Settings) -> Self {
        Progress {
            file: file.into(),
            command: command.into(),
            planned: [settings.ensemble.count, settings.ensemble.more],
            ramp: !settings.recipe.positivity,
            one_start: settings.start.object.is_some(),
            begun: Instant::now(),
            shape: None,
            pixel: None,
            stage: "reading and preparing the pattern".into(),
            cycles: 0,
            under_way: Vec::new(),
            view: None,
            ended: Arc::default(),
            best: Vec::new(),
            end: None,
        }
    }

    /// The page, with the distance of the best two runs.
    pub fn report(&self, distance: Option<f64>) -> Report {
        let name = Path::new(&self.file).file_name().map_or(self.file.clone(), |n| n.to_string_lossy().into_owned());
        let links = self.end.iter().filter_map(|end| end.report.clone());
        let links = links.map(|address| (address, "The report, with the final object and all figures".into()));
        Report {
            title: format!("Reconstruction of {name}"),
            verdict: self.end.as_ref().map_or_else(|| self.so_far(distance), |end| end.words.clone()),
            links: links.collect(),
            facts: self.facts(),
            sections: self.sections(),
            command: self.command.clone(),
            version: format!("lacuna {}", env!("CARGO_PKG_VERSION")),
            ..Report::default()
        }
    }

    /// Runs from random starts that ended, of those planned.
    fn runs_ended(&self) -> String {
        let [starts, last] =
            [true, false].map(|start| self.ended.iter().filter(|run| (run.average_of == 0) == start).count());
        let last = if last > 0 { format!(", and {} from averages", counted(last, "last run")) } else { String::new() };
        let [first, more] = self.planned;
        let begun = starts + self.under_way.iter().filter(|(number, _)| *number < first + more).count();
        let planned = if begun > first { first + more } else { first };
        format!("{starts} of {} ended{last}", counted(planned, "run"))
    }

    /// What can be said before the end: not whether the object was found, which all runs decide.
    fn so_far(&self, distance: Option<f64>) -> String {
        let mut text = format!("No verdict yet: {}.", self.runs_ended());
        let best = self.best.first().and_then(|best| self.ended.iter().find(|run| run.number == best.number));
        if let Some((best, fit)) = best.and_then(|best| Some((best, best.fit?))) {
            let free = fit.free_llk_poisson.map_or(String::new(), |free| format!(", free log-likelihood {free:.4}"));
            text += &format!(" Best so far: run {}, R {:.4}{free}.", best.number, fit.r_factor);
            if let (Some(distance), Some(other), false) = (distance, self.best.get(1), self.one_start) {
                text += &format!(
                    " Run {}, from another start, differs from it by {:.0} %.",
                    other.number,
                    100.0 * distance
                );
            }
        }
        text
    }

    fn facts(&self) -> Vec<(String, String)> {
        let mut facts = vec![("File".to_string(), self.file.clone())];
        if let Some(shape) = self.shape {
            facts.push(("Pattern".into(), format!("{} pixels", shape_text(&trimmed(shape)))));
        }
        facts.push(("Runs".into(), self.runs_ended()));
        if self.end.is_none() {
            facts.push(("Now".into(), self.now()));
        }
        facts.push(("Elapsed".into(), elapsed(self.begun.elapsed().as_secs())));
        facts
    }

    /// What is going on.
    fn now(&self) -> String {
        let cycle = self.under_way.iter().filter_map(|(_, curve)| Some(curve.last()?.cycle)).max().unwrap_or(0);
        let cycles = format!("cycle {cycle} of {}", self.cycles);
        match (&self.stage[..], &self.under_way[..]) {
            ("", []) => "judging what was reached".into(),
            ("", [(run, _)]) => format!("run {run}, {cycles}"),
            ("", [(first, _), .., (last, _)]) => format!("runs {first} to {last}, {cycles}"),
            (stage, _) => stage.into(),
        }
    }

    fn sections(&self) -> Vec<Section> {
        let mut sections = Vec::new();
        let mut add = |title: String, figures, tables| {
            sections.push(Section { title, figures, tables, ..Section::default() });
        };
        if let Some(best) = self.best.first() {
            let title = if self.end.is_none() { "Best run so far" } else { "Best run" };
            add(format!("{title}: run {}", best.number), best.figures(self.ramp, self.pixel), vec![]);
        }
        if let (Some(view), None) = (&self.view, &self.end) {
            add(format!("Under way: run {}", view.number), view.figures(self.ramp, self.pixel), vec![]);
        }
        let curves = self.curves();
        if !curves.is_empty() {
            let caption = match self.end {
                None => "The best run so far and those under way are drawn bold.",
                Some(_) => "The best run is drawn bold.",
            };
            add("Convergence".into(), fit_figures(&curves, caption), vec![]);
        }
        if !self.ended.is_empty() {
            add(String::new(), vec![], vec![runs_table(&self.ended).without_empty_columns()]);
        }
        sections
    }

    /// The best run first, so that it has the first colour, then those under way.
    fn curves(&self) -> Vec<Curve<'_>> {
        let best = self.best.first().map(|best| best.number);
        let mut curves: Vec<Curve<'_>> = Vec::new();
        for run in self.ended.iter().filter(|run| Some(run.number) == best) {
            let best = if self.end.is_none() { "best so far" } else { "best" };
            curves.push(Curve { name: format!("run {}, {best}", run.number), points: &run.curve, emphasis: true });
        }
        let coloured = self.under_way.len() <= COLOURED;
        for (number, points) in self.under_way.iter().filter(|(_, points)| !points.is_empty()) {
            curves.push(Curve { name: format!("run {number}, under way"), points, emphasis: coloured });
        }
        for run in self.ended.iter().filter(|run| Some(run.number) != best) {
            curves.push(Curve { name: format!("run {}", run.number), points: &run.curve, emphasis: false });
        }
        curves
    }
}

/// A time in words.
fn elapsed(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        _ => format!("{} h {} min", seconds / 3600, seconds / 60 % 60),
    }
}
