//! Maps as SVG: the picture, its scale bar, its colour bar or the legend of its categories.
//!
//! One unit of the drawing is one CSS pixel, so that text has the same size in every figure.

use super::colour::{self, Rgb};
use super::html::{escape, swatch};
use super::raster::{self, Pixels};
use super::{ComplexImage, Image, Scale, ticks};
use std::fmt::Write;

/// Longest side of a picture.
const SIDE: f64 = 340.0;
/// Shortest side, for very long maps: they are stretched rather than drawn as a line.
const THINNEST: f64 = 44.0;
/// Width of a colour bar, and the room for it with its labels.
const BAR: f64 = 13.0;
const BAR_ROOM: f64 = 84.0;
/// Room above and below, for half a tick label.
const EDGE: f64 = 7.0;

/// A vertical colour bar: its pixels from top to bottom, ticks as fractions of its height, label.
struct Bar<'a> {
    pixels: Pixels,
    ticks: Vec<(f64, String)>,
    label: &'a str,
}

/// The SVG of a real-valued map and, where it needs one, its legend.
pub fn real(image: &Image) -> String {
    let bar = matches!(image.scale, Scale::Linear | Scale::Log).then(|| value_bar(image));
    let alt = alt_text(&image.title, &image.caption);
    let mut html = panel(&raster::real(image), image.data.dim(), image.pixel, bar, &alt);
    let mut legend: Vec<String> = match &image.scale {
        Scale::Categories(labels) => {
            labels.iter().enumerate().map(|(index, label)| swatch(&fill(colour::category(index)), label)).collect()
        }
        Scale::Binary if !image.unit.is_empty() => vec![swatch(&fill(colour::category(1)), &image.unit)],
        _ => vec![],
    };
    if image.data.iter().any(|v| !v.is_finite()) {
        legend.push(swatch("url(#no-data)", "no data"));
    }
    if !legend.is_empty() {
        let _ = write!(html, "<ul class=\"legend\">{}</ul>", legend.concat());
    }
    html
}

/// Modulus and phase as two SVGs.
pub fn complex(image: &ComplexImage) -> String {
    let modulus = Image {
        title: format!("{}, modulus", image.title),
        caption: image.caption.clone(),
        data: raster::modulus(&image.data),
        // From zero, so that colours are proportions.
        range: Some((0.0, raster::modulus(&image.data).iter().copied().filter(|m| m.is_finite()).fold(0.0, f32::max))),
        pixel: image.pixel,
        unit: if image.unit.is_empty() { "modulus".into() } else { image.unit.clone() },
        ..Image::default()
    };
    let bar = Bar {
        pixels: raster::bar(|t| colour::phase(t - 0.5)),
        ticks: ["−π", "−π/2", "0", "π/2", "π"].iter().zip(0..).map(|(s, i)| (f64::from(i) / 4.0, (*s).into())).collect(),
        label: "phase, radians",
    };
    let alt = alt_text(&format!("{}, phase", image.title), &image.caption);
    let phase = panel(&raster::phase(&image.data), image.data.dim(), image.pixel, Some(bar), &alt);
    format!("<div>{}</div><div>{phase}</div>", real(&modulus))
}

fn alt_text(title: &str, caption: &str) -> String {
    [title, caption].iter().filter(|s| !s.is_empty()).copied().collect::<Vec<_>>().join(". ")
}

fn fill(colour: Rgb) -> String {
    colour::hex(colour)
}

fn value_bar(image: &Image) -> Bar<'_> {
    let (lo, hi) = raster::limits(image);
    let (lo, hi) = (f64::from(lo), f64::from(hi));
    let height = size(image.data.dim(), image.pixel).1;
    let count = (height / 45.0).clamp(1.0, 7.0) as usize;
    let ticks = if image.scale == Scale::Log {
        let position = |value: f64| (value / lo).ln() / (hi / lo).ln();
        ticks::logarithmic(lo, hi, count).into_iter().map(|(v, label)| (position(v), label)).collect()
    } else {
        ticks::linear(lo, hi, count).into_iter().map(|(v, label)| ((v - lo) / (hi - lo), label)).collect()
    };
    Bar { pixels: raster::bar(|t| image.colour_map.at(t)), ticks, label: &image.unit }
}

/// Width and height of the picture: the proportions of the object where its pixel is known, those of the array otherwise.
fn size((ny, nx): (usize, usize), pixel: Option<[f64; 2]>) -> (f64, f64) {
    let [py, px] = pixel.filter(|p| p.iter().all(|v| v.is_finite() && *v > 0.0)).unwrap_or([1.0, 1.0]);
    let (height, width) = (ny.max(1) as f64 * py, nx.max(1) as f64 * px);
    let scale = SIDE / height.max(width);
    ((width * scale).max(THINNEST), (height * scale).max(THINNEST))
}

fn panel(pixels: &Pixels, shape: (usize, usize), pixel: Option<[f64; 2]>, bar: Option<Bar>, alt: &str) -> String {
    let (width, height) = size(shape, pixel);
    let full_width = width + 2.0 + bar.as_ref().map_or(0.0, |_| BAR_ROOM);
    let full_height = height + 2.0 * EDGE;
    let mut svg = format!(
        "<svg role=\"img\" aria-label=\"{}\" width=\"{full_width:.0}\" height=\"{full_height:.0}\" \
         viewBox=\"-1 {:.1} {full_width:.1} {full_height:.1}\">",
        escape(alt),
        -EDGE
    );
    let frame = |x: f64, width: f64, fill: &str| {
        format!("<rect x=\"{x:.1}\" y=\"0\" width=\"{width:.1}\" height=\"{height:.1}\" {fill}/>")
    };
    let picture = |x: f64, width: f64, pixels: &Pixels, class: &str| match raster::data_url(pixels) {
        url if url.is_empty() => String::new(),
        url => format!(
            "<image x=\"{x:.1}\" y=\"0\" width=\"{width:.1}\" height=\"{height:.1}\" preserveAspectRatio=\"none\" \
             class=\"{class}\" href=\"{url}\"/>"
        ),
    };
    // Without the modulus panel's hatching a transparent phase is simply white.
    let hatched = bar.as_ref().is_none_or(|bar| bar.label != "phase, radians");
    if hatched {
        svg += &frame(0.0, width, "fill=\"url(#no-data)\"");
    }
    svg += &picture(0.0, width, pixels, "pixels");
    svg += &frame(0.0, width, "class=\"frame\"");
    svg += &scale_bar(shape.1, pixel, width, height).unwrap_or_default();
    if let Some(bar) = bar {
        let x = width + 10.0;
        svg += &picture(x, BAR, &bar.pixels, "");
        svg += &frame(x, BAR, "class=\"frame\"");
        for (at, label) in &bar.ticks {
            let y = (1.0 - at) * height;
            let from = x + BAR;
            let _ = write!(
                svg,
                "<line x1=\"{from:.1}\" x2=\"{:.1}\" y1=\"{y:.1}\" y2=\"{y:.1}\" class=\"tick\"/>\
                 <text x=\"{:.1}\" y=\"{:.1}\">{label}</text>",
                from + 4.0,
                from + 7.0,
                y + 4.0
            );
        }
        let (x, y) = (x + BAR + 55.0, height / 2.0);
        let _ = write!(
            svg,
            "<text transform=\"translate({x:.1} {y:.1}) rotate(-90)\" text-anchor=\"middle\">{}</text>",
            escape(bar.label)
        );
    }
    svg + "</svg>"
}

/// A round length, at most a third of the picture's width.
fn scale_bar(nx: usize, pixel: Option<[f64; 2]>, width: f64, height: f64) -> Option<String> {
    let metres = pixel?[1] * nx as f64;
    if !(metres.is_finite() && metres > 0.0) {
        return None;
    }
    let length = ticks::round_down(metres / 3.0);
    let (x, y, long) = (10.0, height - 12.0, length / metres * width);
    Some(format!(
        "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{long:.1}\" height=\"4\" class=\"scale\"/>\
         <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\" class=\"scale\">{}</text>",
        x + (long / 2.0).max(22.0),
        y - 6.0,
        ticks::length(length)
    ))
}
