//! The report of a reconstruction: which pictures and tables it has.

use super::pipeline::Reconstruction;
use super::verdict::Grade;
use super::views::{centre_of_mass, cropped, middle, planes, window};
use crate::error::{counted, shape_text};
use crate::metrics::{Crossing, calculated_intensity};
use crate::phasing::ensemble::RunSummary;
use crate::phasing::run::{Point, Run};
use crate::pixels::{Class, Pattern, trimmed};
use crate::report::{ColourMap, ComplexImage, Figure, Image, Plot, Report, Scale, Section, Series, Table};
use crate::settings::Settings;
use crate::volume::Centered;
use std::path::Path;

/// The report of a reconstruction of `file`.
pub fn page(result: &Reconstruction, file: &str, command: &str, settings: &Settings) -> Report {
    let best = &result.ensemble.kept[0];
    let pattern = &result.pattern;
    let (measured, photons) = pattern.totals();
    let pixels: usize = pattern.shape().iter().product();
    let name = Path::new(file).file_name().map_or(file.into(), |n| n.to_string_lossy());
    let number = |value: Option<f64>| value.map_or("-".into(), |v| format!("{v:.4}"));
    let best_run = result.ensemble.all.iter().find(|run| run.number == best.number);
    let fit = &best.fit;
    let mut facts = vec![
        ("File".to_string(), file.to_string()),
        ("Pattern".into(), format!("{} pixels", shape_text(&trimmed(pattern.shape())))),
        ("Photons".into(), format!("{photons:.3e}")),
        ("Not measured".into(), format!("{:.2} % of the pixels", 100.0 * (1.0 - measured as f64 / pixels as f64))),
        ("R factor".into(), format!("{:.4}", fit.r_factor)),
        ("Log-likelihood".into(), format!("{:.4} per measured pixel", fit.llk_poisson)),
        ("Free log-likelihood".into(), number(fit.free_llk_poisson)),
        ("Support".into(), format!("{:.3} % of the array", 100.0 * fit.support_fraction)),
        ("Best run".into(), best_run.map_or_else(String::new, RunSummary::origin)),
        ("Runs".into(), runs_text(result)),
    ];
    if let Some(psf) = &result.summary.psf {
        let widths = &psf.widths_pixels[3 - trimmed(pattern.shape()).len()..];
        let widths: Vec<String> = widths.iter().map(|width| format!("{width:.2}")).collect();
        let text = format!(
            "full widths at half maximum {} pixels, {:.0} % of the photons stay in their pixel",
            widths.join(" x "),
            100.0 * psf.central_weight
        );
        facts.push(("Blur (PSF)".into(), text));
    }
    let pixel = pattern.geometry.object_pixel(pattern.shape());
    if let Some([y, x]) = pixel {
        facts.push(("Object pixel".into(), format!("{:.2} x {:.2} nm", y * 1e9, x * 1e9)));
    }
    Report {
        title: format!("Reconstruction of {name}"),
        verdict: verdict(result),
        facts,
        sections: vec![
            object_section(result, pixel),
            pattern_section(pattern, best, &result.steps, &result.summary.notes),
            curves_section(result, pixel),
            runs_section(result, settings),
        ],
        command: command.into(),
        version: format!("lacuna {}", env!("CARGO_PKG_VERSION")),
    }
}

fn runs_text(result: &Reconstruction) -> String {
    let summary = &result.summary;
    format!(
        "{} done, {} kept, {} diverged{}",
        summary.runs,
        summary.runs_kept,
        summary.runs_diverged,
        if summary.interrupted { ", interrupted" } else { "" }
    )
}

fn verdict(result: &Reconstruction) -> String {
    let fit = &result.ensemble.kept[0].fit;
    format!("{} R = {:.4}.", result.summary.verdict.sentence(), fit.r_factor)
}

/// The pixel of a plane, where both of its axes are known: those of the detector.
fn plane_pixel(axes: [usize; 2], pixel: Option<[f64; 2]>) -> Option<[f64; 2]> {
    if axes == [1, 2] { pixel } else { None }
}

fn object_section(result: &Reconstruction, pixel: Option<[f64; 2]>) -> Section {
    let best = &result.ensemble.kept[0];
    let window = window(&best.object);
    let object = cropped(&best.object, window);
    let centre = centre_of_mass(&object);
    let mut figures: Vec<Figure> = planes(&object, centre)
        .into_iter()
        .map(|(name, axes, data)| {
            Figure::Complex(ComplexImage {
                title: format!("Object {name}").trim().to_string(),
                caption:
                    "Modulus and phase of the best run, cut to its support. The squared modulus sums to the photons."
                        .into(),
                data,
                pixel: plane_pixel(axes, pixel),
                unit: "√photons".into(),
            })
        })
        .collect();
    for (name, axes, data) in planes(&cropped(&best.support, window), centre) {
        figures.push(Figure::Image(Image {
            title: format!("Support {name}").trim().to_string(),
            caption: format!("{} pixels.", best.support.as_slice().iter().filter(|&&s| s).count()),
            data: data.mapv(|s| f32::from(u8::from(s))),
            scale: Scale::Binary,
            pixel: plane_pixel(axes, pixel),
            unit: "inside".into(),
            ..Image::default()
        }));
    }
    let first = best.first_support.map(|&s| f32::from(u8::from(s)));
    figures.push(Figure::Image(Image {
        title: "First support".into(),
        caption: "Where the runs started, whole array (middle frame).".into(),
        data: planes(&first, middle(first.shape())).remove(0).2,
        scale: Scale::Binary,
        unit: "inside".into(),
        ..Image::default()
    }));
    if result.combined.objects.len() > 1 {
        let average = cropped(&result.combined.average, window);
        figures.extend(planes(&average, centre).into_iter().map(|(name, axes, data)| {
            Figure::Complex(ComplexImage {
                title: format!("Average {name}").trim().to_string(),
                caption: format!("Average of {}, registered.", counted(result.combined.objects.len(), "run")),
                data,
                pixel: plane_pixel(axes, pixel),
                unit: "√photons".into(),
            })
        }));
    }
    Section { title: "Object".into(), text: String::new(), figures, tables: vec![] }
}

fn pattern_section(pattern: &Pattern, best: &Run, steps: &[String], notes: &[String]) -> Section {
    let shape = pattern.shape();
    let measured = Centered(
        ndarray::Zip::from(&pattern.intensity.0)
            .and(&pattern.mask.0)
            .map_collect(|&value, &bits| if bits == 0 { value } else { f32::NAN }),
    );
    let sharp = calculated_intensity(&best.object);
    let (calculated, how) = match &best.psf {
        Some(psf) => (psf.blurred(&sharp), "Squared transform of the object, blurred by the PSF."),
        None => (sharp, "Squared transform of the object."),
    };
    let classes = Centered(ndarray::Array3::from_shape_fn(shape, |(z, y, x)| match pattern.class([z, y, x]) {
        Class::Measured => 0.0,
        Class::Gap => 1.0,
        Class::Estimated => 2.0,
    }));
    // One range for all patterns, so that they compare: from one photon to the brightest measured
    // pixel.
    let brightest = measured.as_slice().iter().copied().filter(|v| v.is_finite()).fold(1.0, f32::max);
    let lowest = if brightest > 10.0 { 0.5 } else { brightest / 1e4 };
    let mut figures = Vec::new();
    let mut add = |title: &str, caption: &str, volume: &Centered<f32>, scale: Scale, unit: &str| {
        for (name, _, data) in planes(volume, middle(shape)) {
            figures.push(Figure::Image(Image {
                title: format!("{title} {name}").trim().to_string(),
                caption: caption.into(),
                data,
                range: (scale == Scale::Log).then_some((lowest, brightest)),
                scale: scale.clone(),
                colour_map: ColourMap::default(),
                unit: unit.into(),
                ..Image::default()
            }));
        }
    };
    add("Measured", "Hatched: no measurement.", &measured, Scale::Log, "photons");
    if let Some(estimate) = &pattern.estimate {
        let mut completed = measured.clone();
        for (index, value) in completed.0.indexed_iter_mut().filter(|(index, _)| estimate.at.0[*index]) {
            *value = estimate.mean.0[index];
        }
        add("Completed", "Gaps filled by their estimates.", &completed, Scale::Log, "photons");
    }
    add("Calculated", how, &calculated, Scale::Log, "photons");
    let labels = ["measured", "free", "estimated"].map(String::from).to_vec();
    add("Pixels", "What is known of each pixel.", &classes, Scale::Categories(labels), "class");
    let noted = if notes.is_empty() { String::new() } else { format!("\n\nThe file: {}.", notes.join("; ")) };
    let text: String = if steps.is_empty() {
        "The pattern was used as it is in the file.".into()
    } else {
        format!("Preparation: {}.", steps.join("; "))
    };
    Section { title: "Pattern".into(), text: text + &noted, figures, tables: vec![] }
}

fn curves_section(result: &Reconstruction, pixel: Option<[f64; 2]>) -> Section {
    let best = result.ensemble.kept[0].number;
    let plot = |title: &str, y_label: &str, value: &dyn Fn(&Point) -> Option<f64>| {
        Figure::Plot(Plot {
            title: title.into(),
            caption: "The best run is drawn bold.".into(),
            x_label: "cycle".into(),
            y_label: y_label.into(),
            log_y: true,
            series: result
                .ensemble
                .all
                .iter()
                .map(|run| Series {
                    name: run.origin(),
                    points: run.curve.iter().filter_map(|p| value(p).map(|v| (p.cycle as f64, v))).collect(),
                    emphasis: run.number == best && result.ensemble.all.len() > 1,
                })
                .collect(),
            ..Plot::default()
        })
    };
    let mut figures = vec![
        plot("R factor", "R", &|p| Some(p.fit.r_factor)),
        plot("Log-likelihood", "per measured pixel", &|p| Some(p.fit.llk_poisson)),
        plot("Free log-likelihood", "per held-out pixel", &|p| p.fit.free_llk_poisson),
        plot("Support", "fraction of the array", &|p| Some(p.fit.support_fraction)),
    ];
    let mut text = String::new();
    if result.ensemble.kept.len() > 1 {
        let pixel = pixel.map(|[y, x]| y.max(x)).filter(|_| result.pattern.is_2d());
        let prtf = &result.combined.prtf;
        let fsc = &result.combined.fsc;
        let end = result.combined.photons_end;
        let found = result.summary.verdict.grade != Grade::NotFound;
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
            "Half-period resolution: {} by the PRTF at 1/e (average of {} runs), {} by the Fourier shell correlation of the averages of \
             the odd and even runs at the half-bit criterion. Both measure how well runs on the same data agree, not the distance to the truth.",
            words(by_prtf),
            result.ensemble.kept.len(),
            words(by_fsc),
        );
        let series = |name: &str, points: Vec<(f64, f64)>, emphasis| Series { name: name.into(), points, emphasis };
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
    Section { title: "Convergence and resolution".into(), text, figures, tables: vec![] }
}

fn runs_section(result: &Reconstruction, settings: &Settings) -> Section {
    let rows = result
        .ensemble
        .all
        .iter()
        .map(|run| {
            let number = |value: Option<f64>, digits: usize| value.map_or("-".into(), |v| format!("{v:.digits$}"));
            vec![
                run.number.to_string(),
                run.origin(),
                format!("{:.3}", run.threshold),
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
        "threshold",
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
    let settings = settings.typed().table();
    let recipe = vec!["recipe".into(), result.summary.recipe.clone()];
    Section {
        title: "Runs and settings".into(),
        text: String::new(),
        figures: vec![],
        tables: vec![
            Table { title: "Runs".into(), header: header.to_vec(), rows },
            Table {
                title: "Settings".into(),
                header: vec!["setting".into(), "value".into()],
                rows: std::iter::once(recipe)
                    .chain(settings.iter().map(|(key, value)| vec![key.clone(), value.to_string()]))
                    .collect(),
            },
        ],
    }
}
