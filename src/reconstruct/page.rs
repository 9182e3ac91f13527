//! The report of a reconstruction: which pictures and tables it has.

use super::gaps::{inside_figures, map_figures};
use super::page_runs::{curves_section, runs_section};
use super::pipeline::Reconstruction;
use super::views::{centre_of_mass, cropped, middle, planes, window};
use crate::error::{counted, shape_text};
use crate::metrics::calculated_intensity;
use crate::phasing::run_summary::RunSummary;
use crate::pixels::{Class, trimmed};
use crate::report::{ColourMap, ComplexImage, Figure, Image, Report, Scale, Section};
use crate::settings::Settings;
use crate::volume::Centered;
use ndarray::Array2;
use num_complex::Complex32;
use std::path::Path;

/// The report of a reconstruction of `file`.
pub fn page(result: &Reconstruction, file: &str, command: &str, settings: &Settings) -> Report {
    let pattern = &result.pattern;
    let pixel = pattern.geometry.object_pixel(pattern.shape());
    Report {
        title: title(file),
        verdict: verdict(result),
        facts: facts(result, file),
        sections: vec![
            object_section(result, pixel),
            pattern_section(result),
            curves_section(result, pixel),
            runs_section(result, settings),
        ],
        command: command.into(),
        version: format!("lacuna {}", env!("CARGO_PKG_VERSION")),
        ..Report::default()
    }
}

/// The same in short: verdict, facts, the object, and the pattern that it explains.
pub fn overview(result: &Reconstruction, file: &str) -> Report {
    let pattern = &result.pattern;
    let pixel = pattern.geometry.object_pixel(pattern.shape());
    let mut figures = object_pictures(&result.combined.objects[0], pixel);
    figures.push(pattern_picture(&pattern.intensity, &pattern.mask));
    Report {
        title: title(file),
        verdict: verdict(result),
        facts: facts(result, file),
        sections: vec![Section { figures, ..Section::default() }],
        ..Report::default()
    }
}

/// Modulus and phase of an object in its middle planes, cut to where it is. `pixel` is in metres
/// `(y, x)`.
pub fn object_pictures(object: &Centered<Complex32>, pixel: Option<[f64; 2]>) -> Vec<Figure> {
    let object = cropped(object, window(object));
    object_figures(&object, centre_of_mass(&object), pixel, "Modulus and phase.")
}

/// The middle frame of a pattern, photons on a logarithmic scale; what `mask` has is hatched.
pub fn pattern_picture(intensity: &Centered<f32>, mask: &Centered<u32>) -> Figure {
    let measured = measured(intensity, mask);
    let (_, _, frame) = planes(&measured, middle(measured.shape())).remove(0);
    let top = frame.iter().copied().filter(|value| value.is_finite()).fold(1.0, f32::max);
    Figure::Image(Image { caption: "Hatched: no measurement.".into(), ..Image::photons("Pattern", frame, top) })
}

/// Intensities, NaN where nothing was measured.
fn measured(intensity: &Centered<f32>, mask: &Centered<u32>) -> Centered<f32> {
    let pixels = ndarray::Zip::from(&intensity.0).and(&mask.0);
    Centered(pixels.map_collect(|&value, &bits| if bits == 0 { value } else { f32::NAN }))
}

fn title(file: &str) -> String {
    let name = Path::new(file).file_name().map_or(file.into(), |name| name.to_string_lossy());
    format!("Reconstruction of {name}")
}

/// What a reader looks for first.
fn facts(result: &Reconstruction, file: &str) -> Vec<(String, String)> {
    let best = &result.ensemble.kept[0];
    let pattern = &result.pattern;
    let (measured, photons) = pattern.totals();
    let pixels: usize = pattern.shape().iter().product();
    let number = |value: Option<f64>| value.map_or("-".into(), |v| format!("{v:.4}"));
    let best_run = result.ensemble.all.iter().find(|run| run.number == result.summary.best_run);
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
        ("Object".into(), object_text(result)),
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
    if let Some(deviation) = result.summary.object_std {
        facts.push(("Standard deviation".into(), format!("{:.1} % of the object", 100.0 * deviation)));
    }
    if let Some(hidden) = &result.summary.hidden {
        facts.push(("Hidden modes".into(), hidden.short()));
    }
    if let Some([y, x]) = pattern.geometry.object_pixel(pattern.shape()) {
        facts.push(("Object pixel".into(), format!("{:.2} x {:.2} nm", y * 1e9, x * 1e9)));
    }
    facts
}

/// What the object of the result is.
fn object_text(result: &Reconstruction) -> String {
    match result.summary.averaged_runs {
        Some(count) => format!("average of {count} runs that have the same"),
        None => "that of the best run".into(),
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

/// Modulus and phase of a window of an object, in its middle planes.
pub(super) fn object_figures(
    object: &Centered<Complex32>,
    centre: [usize; 3],
    pixel: Option<[f64; 2]>,
    caption: &str,
) -> Vec<Figure> {
    let figure = |(name, axes, data): (&str, [usize; 2], _)| {
        Figure::Complex(ComplexImage {
            title: format!("Object {name}").trim().to_string(),
            caption: caption.into(),
            data,
            pixel: plane_pixel(axes, pixel),
            unit: "√photons".into(),
        })
    };
    planes(object, centre).into_iter().map(figure).collect()
}

/// The same of a support of so many pixels.
pub(super) fn support_figures(
    support: &Centered<bool>,
    centre: [usize; 3],
    pixel: Option<[f64; 2]>,
    pixels: usize,
) -> Vec<Figure> {
    let figure = |(name, axes, data): (&str, [usize; 2], Array2<bool>)| {
        Figure::Image(Image {
            title: format!("Support {name}").trim().to_string(),
            caption: format!("{pixels} pixels."),
            data: data.mapv(|s| f32::from(u8::from(s))),
            scale: Scale::Binary,
            pixel: plane_pixel(axes, pixel),
            unit: "inside".into(),
            ..Image::default()
        })
    };
    planes(support, centre).into_iter().map(figure).collect()
}

fn object_section(result: &Reconstruction, pixel: Option<[f64; 2]>) -> Section {
    let best = &result.ensemble.kept[0];
    let window = window(&best.object);
    let object = cropped(&result.combined.objects[0], window);
    let centre = centre_of_mass(&object);
    let mut figures = object_figures(
        &object,
        centre,
        pixel,
        "Modulus and phase of the best run, cut to its support. The squared modulus sums to the photons; the mean phase is zero, and \
         a ramp of less than a pixel of the pattern is removed.",
    );
    if let Some(unwrapped) = &result.phase {
        let vortices = match unwrapped.vortices {
            0 => "It has no vortices.".to_string(),
            n => format!(
                "It turns around {} of four pixels (vortices): no phase without jumps exists there.",
                counted(n, "square")
            ),
        };
        for (name, axes, data) in planes(&cropped(&unwrapped.phase, window), centre) {
            figures.push(Figure::Image(Image {
                title: format!("Unwrapped phase {name}").trim().to_string(),
                caption: format!("Phase inside the support without its jumps of 2π. {vortices}"),
                data,
                pixel: plane_pixel(axes, pixel),
                unit: "rad".into(),
                ..Image::default()
            }));
        }
    }
    let pixels = best.support.as_slice().iter().filter(|&&s| s).count();
    figures.extend(support_figures(&cropped(&best.support, window), centre, pixel, pixels));
    if let Some(uncertainty) = &result.uncertainty {
        let maps = [("modulus", &uncertainty.modulus, "√photons"), ("phase", &uncertainty.phase, "rad")];
        for (what, map, unit) in maps {
            figures.extend(inside_figures(
                map,
                &best.support,
                &format!("Standard deviation of the {what}"),
                "From the spread of the runs that agree and the noise of the counts: on simulated particles that were found, \
                 about nine in ten pixels are within two of them of the truth. What all runs get wrong alike it does not show.",
                unit,
            ));
        }
    }
    if let Some(hidden) = &result.hidden {
        figures.extend(map_figures(hidden, &best.support));
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
    Section { title: "Object".into(), figures, ..Section::default() }
}

fn pattern_section(result: &Reconstruction) -> Section {
    let (best, pattern) = (&result.ensemble.kept[0], &result.pattern);
    let (steps, notes) = (&result.steps, &result.summary.notes);
    let shape = pattern.shape();
    let measured = measured(&pattern.intensity, &pattern.mask);
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
        let how = match result.summary.completed_from_runs {
            Some(runs) => format!("Gaps filled by a network that looked at what {} calculate.", counted(runs, "run")),
            None => "Gaps filled by the estimates within which runs were phased.".into(),
        };
        add("Completed", &how, &completed, Scale::Log, "photons");
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
    Section { title: "Pattern".into(), text: text + &noted, figures, ..Section::default() }
}
