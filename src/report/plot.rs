//! Curves as SVG: axes, reference lines, legend.

use super::content::{Plot, Series};
use super::drawing::{Drawing, Entry, Sample};
use super::html::escape;
use super::{colour, ticks};
use std::fmt::Write;

const WIDTH: f64 = 470.0;
const HEIGHT: f64 = 300.0;
/// The frame around the curves.
const LEFT: f64 = 66.0;
const RIGHT: f64 = WIDTH - 10.0;
const TOP: f64 = 10.0;
const BOTTOM: f64 = HEIGHT - 46.0;
/// Largest number of curves without emphasis that are named one by one beside emphasised ones.
const NAMED: usize = 4;

/// One axis: the range of values that is shown, and its place on the page.
struct Axis {
    lo: f64,
    hi: f64,
    log: bool,
    from: f64,
    to: f64,
}

impl Axis {
    /// An axis that shows all `values` it can, with a margin on both sides given as a fraction.
    fn new(values: impl Iterator<Item = f64>, log: bool, margin: f64, from: f64, to: f64) -> Self {
        let usable = values.filter(|v| v.is_finite() && (!log || *v > 0.0)).map(|v| if log { v.log10() } else { v });
        let (mut lo, mut hi) = usable.fold((f64::INFINITY, f64::NEG_INFINITY), |(lo, hi), v| (lo.min(v), hi.max(v)));
        if lo > hi {
            (lo, hi) = (0.0, 1.0);
        }
        // A single value gets an axis around it, wide enough for floating point to tell the ends
        // apart.
        let around = (lo.abs().max(hi.abs()) * 1e-6).max(f64::MIN_POSITIVE);
        if hi - lo <= around {
            let half = if lo == 0.0 || log { 0.5 } else { 0.1 * lo.abs() };
            (lo, hi) = (lo - half, hi + half);
        } else {
            (lo, hi) = (lo - margin * (hi - lo), hi + margin * (hi - lo));
        }
        Axis { lo, hi, log, from, to }
    }

    /// Position of a value on the page; `None` where it cannot be drawn.
    fn at(&self, value: f64) -> Option<f64> {
        let value = if self.log { value.log10() } else { value };
        value.is_finite().then(|| self.from + (value - self.lo) / (self.hi - self.lo) * (self.to - self.from))
    }

    fn ticks(&self, count: usize) -> Vec<(f64, String)> {
        let ticks = if self.log {
            ticks::logarithmic(10f64.powf(self.lo), 10f64.powf(self.hi), count)
        } else {
            ticks::linear(self.lo, self.hi, count)
        };
        ticks.into_iter().filter_map(|(value, label)| Some((self.at(value)?, label))).collect()
    }
}

/// The curves and their legend.
pub fn plot(plot: &Plot) -> Drawing {
    let points = || plot.series.iter().flat_map(|series| &series.points);
    let drawable = || points().filter(|(x, y)| usable(*x, plot.log_x) && usable(*y, plot.log_y));
    let marks = plot.marks.iter().map(|mark| mark.0);
    let levels = plot.levels.iter().map(|level| level.0);
    let x = Axis::new(drawable().map(|p| p.0).chain(marks), plot.log_x, 0.0, LEFT, RIGHT);
    let y = Axis::new(drawable().map(|p| p.1).chain(levels), plot.log_y, 0.04, BOTTOM, TOP);

    let names: Vec<&str> = plot.series.iter().map(|series| series.name.as_str()).collect();
    let alt =
        format!("{}: {} against {}, {} curves. {}", plot.title, plot.y_label, plot.x_label, names.len(), plot.caption);
    let mut body = String::new();
    axes(&mut body, plot, &x, &y);
    references(&mut body, plot, &x, &y);
    body += &curves(plot, &x, &y);
    Drawing { alt, view: [0.0, 0.0, WIDTH, HEIGHT], body, legend: legend(plot) }
}

fn usable(value: f64, log: bool) -> bool {
    value.is_finite() && (!log || value > 0.0)
}

fn axes(svg: &mut String, plot: &Plot, x: &Axis, y: &Axis) {
    for (at, label) in x.ticks(6) {
        let _ = write!(
            svg,
            "<line x1=\"{at:.1}\" x2=\"{at:.1}\" y1=\"{TOP}\" y2=\"{BOTTOM}\" class=\"grid\"/>\
             <text x=\"{at:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{label}</text>",
            BOTTOM + 17.0
        );
    }
    for (at, label) in y.ticks(6) {
        let _ = write!(
            svg,
            "<line x1=\"{LEFT}\" x2=\"{RIGHT}\" y1=\"{at:.1}\" y2=\"{at:.1}\" class=\"grid\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{label}</text>",
            LEFT - 7.0,
            at + 4.0
        );
    }
    let _ = write!(
        svg,
        "<rect x=\"{LEFT}\" y=\"{TOP}\" width=\"{:.1}\" height=\"{:.1}\" class=\"frame\"/>\
         <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>\
         <text transform=\"translate(14 {:.1}) rotate(-90)\" text-anchor=\"middle\">{}</text>",
        RIGHT - LEFT,
        BOTTOM - TOP,
        (LEFT + RIGHT) / 2.0,
        HEIGHT - 8.0,
        escape(&plot.x_label),
        (TOP + BOTTOM) / 2.0,
        escape(&plot.y_label)
    );
}

fn references(svg: &mut String, plot: &Plot, x: &Axis, y: &Axis) {
    for (value, label) in &plot.marks {
        let Some(at) = x.at(*value) else { continue };
        // To the left of the line where there is no space to the right.
        let text = if at > RIGHT - 18.0 { at - 5.0 } else { at + 13.0 };
        let _ = write!(
            svg,
            "<line x1=\"{at:.1}\" x2=\"{at:.1}\" y1=\"{TOP}\" y2=\"{BOTTOM}\" class=\"reference\"/>\
             <text transform=\"translate({text:.1} {:.1}) rotate(-90)\" text-anchor=\"end\" class=\"halo\">{}</text>",
            TOP + 6.0,
            escape(label)
        );
    }
    for (value, label) in &plot.levels {
        let Some(at) = y.at(*value) else { continue };
        let text = if at < TOP + 16.0 { at + 14.0 } else { at - 5.0 };
        let _ = write!(
            svg,
            "<line x1=\"{LEFT}\" x2=\"{RIGHT}\" y1=\"{at:.1}\" y2=\"{at:.1}\" class=\"reference\"/>\
             <text x=\"{:.1}\" y=\"{text:.1}\" text-anchor=\"end\" class=\"halo\">{}</text>",
            RIGHT - 6.0,
            escape(label)
        );
    }
}

/// The look of curve `index`: attributes of its line. Curves with emphasis are counted among
/// themselves, so that the one best run is a solid line.
fn style(plot: &Plot, index: usize) -> String {
    let emphasis = plot.series[index].emphasis;
    let bold = plot.series.iter().filter(|series| series.emphasis).count();
    let quiet = plot.series.len() - bold;
    let rank = plot.series[..index].iter().filter(|series| series.emphasis == emphasis).count();
    let (colour, dash) = colour::line(if emphasis { rank } else { bold + rank });
    let (colour, width, dash) = match (emphasis, bold) {
        (true, _) => (colour, 2.6, dash),
        (false, 0) => (colour, 1.6, dash),
        (false, _) => ("#80868c", 1.0, if quiet > NAMED { "" } else { dash }),
    };
    let dash = if dash.is_empty() { String::new() } else { format!(" stroke-dasharray=\"{dash}\"") };
    format!("stroke=\"{colour}\" stroke-width=\"{width}\"{dash}")
}

/// Curves, those with emphasis on top.
fn curves(plot: &Plot, x: &Axis, y: &Axis) -> String {
    let mut order: Vec<usize> = (0..plot.series.len()).collect();
    order.sort_by_key(|&index| plot.series[index].emphasis);
    order.into_iter().map(|index| curve(&plot.series[index], &style(plot, index), x, y)).collect()
}

/// One curve: a path for each unbroken stretch, and a dot where a point stands alone.
fn curve(series: &Series, style: &str, x: &Axis, y: &Axis) -> String {
    let mut svg = String::new();
    let drawn = series.points.iter().map(|(px, py)| x.at(*px).zip(y.at(*py))).collect::<Vec<_>>();
    for stretch in drawn.split(Option::is_none) {
        let stretch: Vec<(f64, f64)> = stretch.iter().flatten().copied().collect();
        match stretch[..] {
            [] => {}
            [(x, y)] => {
                let _ = write!(svg, "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"2.5\" fill=\"white\" {style}/>");
            }
            _ => {
                let path: Vec<String> = thinned(&stretch).iter().map(|(x, y)| format!("{x:.1} {y:.1}")).collect();
                let _ =
                    write!(svg, "<path d=\"M{}\" fill=\"none\" stroke-linejoin=\"round\" {style}/>", path.join("L"));
            }
        }
    }
    svg
}

/// Without the points that no eye could tell from the one before: thousands of cycles stay a small
/// page.
fn thinned(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let mut kept: Vec<(f64, f64)> = Vec::new();
    for (index, &(x, y)) in points.iter().enumerate() {
        let near = |last: &(f64, f64)| (x - last.0).abs() < 0.4 && (y - last.1).abs() < 0.4;
        if index + 1 == points.len() || !kept.last().is_some_and(near) {
            kept.push((x, y));
        }
    }
    kept
}

/// Names of the curves. Many curves without emphasis beside emphasised ones share an entry.
fn legend(plot: &Plot) -> Vec<Entry> {
    let (bold, quiet): (Vec<usize>, Vec<usize>) =
        (0..plot.series.len()).partition(|&index| plot.series[index].emphasis);
    let line = |index: usize, name: &str| Entry { sample: Sample::Line(style(plot, index)), name: name.into() };
    let entry = |&index: &usize| line(index, &plot.series[index].name);
    let mut entries: Vec<Entry> = bold.iter().map(entry).collect();
    if bold.is_empty() || quiet.len() <= NAMED {
        entries.extend(quiet.iter().map(entry));
    } else {
        entries.push(line(quiet[0], &format!("{} others", quiet.len())));
    }
    if plot.series.iter().all(|series| series.name.is_empty()) { vec![] } else { entries }
}
