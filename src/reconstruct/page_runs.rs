//! Sections of a reconstruction's page that look at its runs: how they converged, what they resolve,
//! and each of them.

use super::pipeline::Reconstruction;
use super::views::{centre_of_mass, cropped, planes, window};
use crate::metrics::Crossing;
use crate::phasing::run::{Point, Run};
use crate::phasing::run_summary::RunSummary;
use crate::report::{ComplexImage, Figure, Plot, Section, Series, Table};
use crate::settings::{STANDARD, Settings};

/// Kept runs of which the page has pictures.
const PICTURES: usize = 8;

/// Bins of the histograms of moduli.
const BINS: usize = 40;

/// The fits of a run on its way.
pub(super) struct Curve<'a> {
    pub name: String,
    pub points: &'a [Point],
    /// Whether it is drawn bold.
    pub emphasis: bool,
}

/// What the fits of runs tell, each against the cycle.
pub(super) fn fit_figures(curves: &[Curve<'_>], caption: &str) -> Vec<Figure> {
    let plot = |title: &str, y_label: &str, value: &dyn Fn(&Point) -> Option<f64>| {
        let series = |curve: &Curve<'_>| Series {
            name: curve.name.clone(),
            points: curve.points.iter().filter_map(|p| value(p).map(|v| (p.cycle as f64, v))).collect(),
            emphasis: curve.emphasis,
        };
        Figure::Plot(Plot {
            title: title.into(),
            caption: caption.into(),
            x_label: "cycle".into(),
            y_label: y_label.into(),
            log_y: true,
            series: curves.iter().map(series).collect(),
            ..Plot::default()
        })
    };
    vec![
        plot("R factor", "R", &|p| Some(p.fit.r_factor)),
        plot("Log-likelihood", "per measured pixel", &|p| Some(p.fit.llk_poisson)),
        plot("Free log-likelihood", "per held-out pixel", &|p| p.fit.free_llk_poisson),
        plot("Support", "fraction of the array", &|p| Some(p.fit.support_fraction)),
    ]
}

pub(super) fn curves_section(result: &Reconstruction, pixel: Option<[f64; 2]>) -> Section {
    let best = result.summary.best_run;
    let pixel = pixel.map(|[y, x]| y.max(x)).filter(|_| result.pattern.is_2d());
    let all = &result.ensemble.all;
    let emphasis = |run: &RunSummary| run.number == best && all.len() > 1;
    let began = all.iter().filter(|run| !run.is_average());
    let curves: Vec<Curve<'_>> =
        began.map(|run| Curve { name: run.origin(), points: &run.curve, emphasis: emphasis(run) }).collect();
    let mut figures = fit_figures(&curves, "The best run is drawn bold.");
    let mut text = String::new();
    let series = |name: &str, points: Vec<(f64, f64)>, emphasis| Series { name: name.into(), points, emphasis };
    if result.combined.fsc.is_empty() && all.len() > 1 {
        text = "No two runs from random starts agree with the best: their correlation resolves nothing. ".into();
    } else if all.len() > 1 {
        let prtf = &result.combined.prtf;
        let fsc = &result.combined.fsc;
        let end = result.combined.photons_end;
        let found = result.summary.resolution.is_some();
        let words = |crossing: Crossing| match crossing.resolution(pixel) {
            Some(r) if found => {
                let metres = r.metres.map_or(String::new(), |m| format!(" ({:.1} nm)", m * 1e9));
                let limit = if r.at_limit {
                    ", the limit of the array"
                } else if crossing == end {
                    ", where the photons end"
                } else {
                    ""
                };
                format!("{:.2} object pixels{metres}{limit}", r.pixels)
            }
            _ => "nothing resolved".to_string(),
        };
        let [by_prtf, by_fsc] = result.combined.crossings();
        text = format!(
            "Half-period resolution: {} by the PRTF at 1/e (average of {} runs from random starts that agree), {} by the Fourier shell \
             correlation of the averages of the odd and even ones at the half-bit criterion. Both measure how well runs on the same data agree, not the distance to the truth.",
            words(by_prtf),
            result.combined.independent,
            words(by_fsc),
        );
        figures.push(Figure::Plot(Plot {
            title: "Phase retrieval transfer function".into(),
            x_label: "spatial frequency, cycles per object pixel".into(),
            y_label: "PRTF".into(),
            series: vec![series("PRTF", prtf.iter().map(|s| (s.frequency, s.value)).collect(), false)],
            levels: vec![((-1f64).exp(), "1/e".into())],
            ..Plot::default()
        }));
        figures.push(Figure::Plot(Plot {
            title: "Fourier shell correlation".into(),
            x_label: "spatial frequency, cycles per object pixel".into(),
            y_label: "FSC".into(),
            series: vec![
                series("FSC", fsc.iter().map(|s| (s.frequency, s.value)).collect(), true),
                series("half-bit", fsc.iter().map(|s| (s.frequency, s.half_bit)).collect(), false),
            ],
            ..Plot::default()
        }));
    }
    if let Some(split) = &result.split {
        text += &split_text(result, pixel);
        figures.push(Figure::Plot(Plot {
            title: "Fourier shell correlation of two halves of the counts".into(),
            caption: "Each half phased apart, with other seeds.".into(),
            x_label: "spatial frequency, cycles per object pixel".into(),
            y_label: "FSC".into(),
            series: vec![
                series("FSC", split.fsc.iter().map(|s| (s.frequency, s.value)).collect(), true),
                series("half-bit", split.fsc.iter().map(|s| (s.frequency, s.half_bit)).collect(), false),
            ],
            ..Plot::default()
        }));
    }
    Section { title: "Convergence and resolution".into(), text, figures, ..Section::default() }
}

/// The resolution that the data support, in a sentence.
fn split_text(result: &Reconstruction, pixel: Option<f64>) -> String {
    let (Some(split), Some(summary)) = (&result.split, &result.summary.split_data) else { return String::new() };
    let found = match split.crossing.resolution(pixel) {
        None => {
            return format!(
                " Two halves of the counts, phased apart, gave different objects (distance {:.0} %): they resolve nothing.",
                100.0 * split.distance
            );
        }
        Some(_) if summary.resolution_pixels.is_none() => {
            return " Two halves of the counts, phased apart, agree, but runs on the whole of them do not: nothing is resolved.".into();
        }
        Some(found) => found,
    };
    let metres = found.metres.map_or(String::new(), |m| format!(" ({:.1} nm)", m * 1e9));
    let names = ["z", "y", "x"].into_iter().zip(split.along);
    let along: Vec<String> =
        names.filter_map(|(name, crossing)| Some(format!("{name} {:.2}", crossing.resolution(None)?.pixels))).collect();
    format!(
        " Two halves of the counts, phased apart, agree to {:.2} object pixels{metres} at the half-bit criterion (along {}): that is what \
         the data support.",
        found.pixels,
        along.join(", ")
    )
}

/// What a kept run is called.
fn title(run: &Run) -> String {
    if run.is_average() { format!("Average of {}", run.average_of) } else { format!("Run {}", run.number) }
}

/// A small picture of each kept run, and the distribution of its moduli.
fn run_figures(result: &Reconstruction) -> Vec<Figure> {
    let kept = &result.ensemble.kept;
    let shown = result.combined.objects.iter().zip(kept).take(PICTURES);
    let mut figures = Vec::new();
    let mut series = Vec::new();
    for (object, run) in shown {
        if kept.len() > 1 {
            let view = cropped(object, window(&kept[0].object));
            let (name, _, data) = planes(&view, centre_of_mass(&view)).remove(0);
            let free = run.fit.free_llk_poisson.map_or(String::new(), |llk| format!("free LLK {llk:.4}, "));
            figures.push(Figure::Complex(ComplexImage {
                title: format!("{} {name}", title(run)).trim().to_string(),
                caption: format!("{free}R {:.4}.", run.fit.r_factor),
                data,
                pixel: None,
                unit: "√photons".into(),
            }));
        }
        let inside = run.object.as_slice().iter().zip(run.support.as_slice()).filter(|(_, inside)| **inside);
        let moduli: Vec<f32> = inside.map(|(value, _)| value.norm()).collect();
        let largest = moduli.iter().copied().fold(f32::MIN_POSITIVE, f32::max);
        let mut counts = [0usize; BINS];
        moduli.iter().for_each(|modulus| counts[((modulus / largest * BINS as f32) as usize).min(BINS - 1)] += 1);
        let points = counts.iter().enumerate().map(|(bin, &count)| ((bin as f64 + 0.5) / BINS as f64, count as f64));
        let name = title(run);
        series.push(Series {
            name,
            points: points.collect(),
            emphasis: run.number == kept[0].number && kept.len() > 1,
        });
    }
    figures.push(Figure::Plot(Plot {
        title: "Moduli inside the support".into(),
        caption: "A homogeneous object has one peak, near its largest modulus; the result is drawn bold.".into(),
        x_label: "modulus over the largest".into(),
        y_label: "pixels".into(),
        series,
        ..Plot::default()
    }));
    figures
}

/// The line of each run.
pub(super) fn runs_table(runs: &[RunSummary]) -> Table {
    let rows = runs
        .iter()
        .map(|run| {
            let number = |value: Option<f64>, digits: usize| value.map_or("-".into(), |v| format!("{v:.digits$}"));
            vec![
                run.number.to_string(),
                run.origin(),
                run.cut.to_string(),
                number(run.fit.map(|fit| fit.r_factor), 4),
                number(run.fit.map(|fit| fit.llk_poisson), 4),
                number(run.fit.and_then(|fit| fit.free_llk_poisson), 4),
                number(run.fit.map(|fit| 100.0 * fit.support_fraction), 3),
                number(run.mean_to_max, 3),
                number(run.sharpness, 2),
                run.cycles.to_string(),
                format!("{:.1}", run.seconds + run.search_seconds),
                run.verdict.text().to_string(),
            ]
        })
        .collect();
    let header = [
        "run",
        "start",
        "support update",
        "R",
        "LLK",
        "free LLK",
        "support, %",
        "mean/max",
        "sharpness",
        "cycles",
        "seconds",
        "verdict",
    ]
    .map(String::from);
    Table { title: "Runs".into(), header: header.to_vec(), rows }
}

pub(super) fn runs_section(result: &Reconstruction, settings: &Settings) -> Section {
    let mut settings = settings.typed().table();
    if settings.contains_key("algorithm") {
        settings.retain(|key, _| !STANDARD.contains(&key));
    }
    let recipe = vec!["recipe".into(), result.summary.recipe.clone()];
    Section {
        title: "Runs and settings".into(),
        figures: run_figures(result),
        tables: vec![
            runs_table(&result.ensemble.all),
            Table {
                title: "Settings".into(),
                header: vec!["setting".into(), "value".into()],
                rows: std::iter::once(recipe)
                    .chain(settings.iter().map(|(key, value)| vec![key.clone(), value.to_string()]))
                    .collect(),
            },
        ],
        ..Section::default()
    }
}
