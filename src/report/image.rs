//! Maps as SVG: the picture, its scale bar, its colour bar or the legend of its categories.
//!
//! One unit of the drawing is one CSS pixel, so that text has the same size in every figure.

use super::colour;
use super::content::{ComplexImage, Image, Scale};
use super::drawing::{Drawing, Entry, NO_DATA_FILL, Sample};
use super::html::escape;
use super::raster::{self, Pixels};
use super::ticks;
use std::fmt::Write;

/// Longest side of a picture.
const SIDE: f64 = 340.0;
/// Shortest side, for very long maps: they are stretched rather than drawn as a line.
const THINNEST: f64 = 44.0;
/// Width of a colour bar, and that of the bar with its labels.
const BAR: f64 = 13.0;
const BAR_SPACE: f64 = 84.0;
/// Margin above and below, for half a tick label.
const EDGE: f64 = 7.0;

/// A picture in a frame.
pub(super) struct Picture {
    pub pixels: Pixels,
    /// Shape of the array that the pixels were made from.
    pub shape: (usize, usize),
    /// Metres per element of that array, `(y, x)`.
    pub pixel: Option<[f64; 2]>,
    /// The paint that shows where pixels are transparent.
    pub no_data: &'static str,
    /// Whether most of it is nearly white, so that the scale bar has to be black.
    pub light: bool,
    /// Whether every element is to be seen as a rectangle, however large the picture is drawn.
    pub crisp: bool,
}

/// A vertical colour bar: its pixels from top to bottom, ticks as fractions of its height, label.
pub(super) struct Bar<'a> {
    pub pixels: Pixels,
    pub ticks: Vec<(f64, String)>,
    pub label: &'a str,
}

/// A real-valued map and, where it needs one, its legend.
pub fn real(image: &Image) -> Drawing {
    let bar = matches!(image.scale, Scale::Linear | Scale::Log).then(|| value_bar(image));
    let alt = alt_text(&image.title, &image.caption);
    let picture = Picture {
        pixels: raster::real(image),
        shape: image.data.dim(),
        pixel: image.pixel,
        no_data: NO_DATA_FILL,
        light: matches!(image.scale, Scale::Binary | Scale::Categories(_)),
        crisp: true,
    };
    let entry = |fill: String, name: &str| Entry { sample: Sample::Fill(fill), name: name.into() };
    let category = |index: usize, name: &str| entry(colour::hex(colour::category(index)), name);
    let mut legend: Vec<Entry> = match &image.scale {
        Scale::Categories(labels) => labels.iter().enumerate().map(|(index, label)| category(index, label)).collect(),
        Scale::Binary if !image.unit.is_empty() => vec![category(1, &image.unit)],
        _ => vec![],
    };
    if image.data.iter().any(|v| !v.is_finite()) {
        legend.push(entry(NO_DATA_FILL.into(), "no data"));
    }
    Drawing { legend, ..panel(picture, bar, alt) }
}

/// Modulus and phase.
pub fn complex(image: &ComplexImage) -> [Drawing; 2] {
    let data = image.data.map(|value| value.norm());
    // From zero, so that colours are proportions.
    let range = Some((0.0, data.iter().copied().filter(|m| m.is_finite()).fold(0.0, f32::max)));
    let modulus = Image {
        title: format!("{}, modulus", image.title),
        caption: image.caption.clone(),
        data,
        range,
        pixel: image.pixel,
        unit: if image.unit.is_empty() { "modulus".into() } else { image.unit.clone() },
        ..Image::default()
    };
    let bar = Bar {
        pixels: raster::colour_bar(|t| colour::phase(t - 0.5)),
        ticks: ["−π", "−π/2", "0", "π/2", "π"]
            .iter()
            .zip(0..)
            .map(|(s, i)| (f64::from(i) / 4.0, (*s).into()))
            .collect(),
        label: "phase, radians",
    };
    let alt = alt_text(&format!("{}, phase", image.title), &image.caption);
    let picture = Picture {
        pixels: raster::phase(&image.data),
        shape: image.data.dim(),
        pixel: image.pixel,
        no_data: "#fff",
        light: true,
        crisp: true,
    };
    [real(&modulus), panel(picture, Some(bar), alt)]
}

pub(super) fn alt_text(title: &str, caption: &str) -> String {
    [title, caption].iter().filter(|s| !s.is_empty()).copied().collect::<Vec<_>>().join(". ")
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
    Bar { pixels: raster::colour_bar(|t| image.colour_map.at(t)), ticks, label: &image.unit }
}

/// Width and height of the picture: the proportions of the object where its pixel is known, those
/// of the array otherwise.
fn size((ny, nx): (usize, usize), pixel: Option<[f64; 2]>) -> (f64, f64) {
    let [py, px] = pixel.filter(|p| p.iter().all(|v| v.is_finite() && *v > 0.0)).unwrap_or([1.0, 1.0]);
    let (height, width) = (ny.max(1) as f64 * py, nx.max(1) as f64 * px);
    let scale = SIDE / height.max(width);
    ((width * scale).max(THINNEST), (height * scale).max(THINNEST))
}

/// A picture with its scale bar and colour bar.
pub(super) fn panel(picture: Picture, bar: Option<Bar>, alt: String) -> Drawing {
    let Picture { pixels, shape, pixel, no_data, light, crisp } = picture;
    let (width, height) = size(shape, pixel);
    // With space for a bar even without one: pictures side by side keep the same size when a page
    // is narrow.
    let full_width = width + 2.0 + BAR_SPACE;
    let full_height = height + 2.0 * EDGE;
    let mut svg = String::new();
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
    svg += &frame(0.0, width, &format!("fill=\"{no_data}\""));
    svg += &picture(0.0, width, &pixels, if crisp { "pixels" } else { "" });
    svg += &frame(0.0, width, "class=\"frame\"");
    svg += &scale_bar(shape.1, pixel, (width, height), light).unwrap_or_default();
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
        // Digits of the interface's fonts are about seven units wide.
        let longest = bar.ticks.iter().map(|(_, label)| label.chars().count()).max().unwrap_or(0) as f64;
        let (x, y) = (x + BAR + (24.0 + 7.0 * longest).min(BAR_SPACE - 28.0), height / 2.0);
        let _ = write!(
            svg,
            "<text transform=\"translate({x:.1} {y:.1}) rotate(-90)\" text-anchor=\"middle\">{}</text>",
            escape(bar.label)
        );
    }
    Drawing { alt, view: [-1.0, -EDGE, full_width, full_height], body: svg, legend: vec![] }
}

/// A round length, at most a third of the picture's width.
fn scale_bar(nx: usize, pixel: Option<[f64; 2]>, (width, height): (f64, f64), light: bool) -> Option<String> {
    let metres = pixel?[1] * nx as f64;
    if !(metres.is_finite() && metres > 0.0) {
        return None;
    }
    let length = ticks::round_down(metres / 3.0);
    let (x, y, long) = (10.0, height - 12.0, length / metres * width);
    let class = if light { "scale on-light" } else { "scale" };
    Some(format!(
        "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{long:.1}\" height=\"4\" class=\"{class}\"/>\
         <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\" class=\"{class}\">{}</text>",
        x + (long / 2.0).max(22.0),
        y - 6.0,
        ticks::length(length)
    ))
}
