//! Figures as files of their own, for papers and logbooks: SVG, and PNG made from that.
//!
//! The title stands above, the legend below; the caption is the file's description. Text is
//! measured and drawn with the fonts in this program, so that PNG files are the same on every
//! machine, also on one without fonts. An SVG file names them, and similar ones for where they lack.

use super::content::{Figure, Report};
use super::drawing::{Drawing, Entry, NO_DATA};
use super::html::escape;
use super::{image, plot, scene};
use crate::error::{Error, Result};
use resvg::tiny_skia::{Color, Pixmap, Transform};
use resvg::usvg::{Options, Tree};
use std::fmt::Write;
use std::io;

/// Rules that a page has too, and those of a file.
const STYLE: &str = concat!(
    include_str!("figure.css"),
    "svg { font-family: \"DejaVu Sans Condensed\", Arial, Helvetica, sans-serif; font-size: 12px; fill: #1b1f24; }\n",
    ".title { font-size: 14px; font-weight: bold; }\n",
    ".name { font-size: 12px; }\n"
);
const FONTS: [&[u8]; 2] =
    [include_bytes!("fonts/DejaVuSansCondensed.ttf"), include_bytes!("fonts/DejaVuSansCondensed-Bold.ttf")];

/// Resolution of PNG files, and how many of their pixels are one CSS pixel.
const DOTS_PER_INCH: f64 = 300.0;
const SCALE: f64 = DOTS_PER_INCH / 96.0;

/// White around a figure, between its panels, and between its parts.
const MARGIN: f64 = 12.0;
const BETWEEN: f64 = 24.0;
const SPACE: f64 = 10.0;
/// Heights of lines.
const TITLE: f64 = 18.0;
const LINE: f64 = 18.0;
/// Width that titles and legends may have even where the drawing is narrow.
const LEAST_WIDTH: f64 = 300.0;
/// Longest part of a file's name that comes from the title, in characters.
const LONGEST_NAME: usize = 60;

/// Format of the files of figures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FigureFormat {
    /// Pixels, 300 to the inch.
    Png,
    /// Vectors: self-contained, with pixels where the figure is a map.
    Svg,
}

impl FigureFormat {
    /// Ending of the files' names, without the dot.
    pub fn extension(self) -> &'static str {
        match self {
            FigureFormat::Png => "png",
            FigureFormat::Svg => "svg",
        }
    }
}

/// A figure as a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FigureFile {
    /// Number and title, `03-phase-of-the-object.png`.
    pub name: String,
    /// Contents of the file.
    pub bytes: Vec<u8>,
}

impl FigureFile {
    /// Whether a file's name is one that figures have.
    pub fn is_name(name: &str) -> bool {
        let parts = name.rsplit_once('.').and_then(|(stem, ending)| Some((stem.split_once('-')?, ending)));
        parts.is_some_and(|((number, title), ending)| {
            let of_title = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
            let numbered = number.len() >= 2 && number.bytes().all(|byte| byte.is_ascii_digit());
            numbered && !title.is_empty() && title.bytes().all(of_title) && ["png", "svg"].contains(&ending)
        })
    }

    fn name(number: usize, title: &str, format: FigureFormat) -> String {
        let title = title.to_lowercase();
        let words: Vec<&str> =
            title.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty()).collect();
        let mut words = words.join("-");
        words.truncate(LONGEST_NAME);
        let words = words.trim_end_matches('-');
        format!("{number:02}-{}.{}", if words.is_empty() { "figure" } else { words }, format.extension())
    }
}

impl Report {
    /// Each figure of the page as a file, in the order of the page.
    ///
    /// # Errors
    /// [`Error::Write`], with the name of the file, for a figure too large for memory.
    pub fn figures(&self, format: FigureFormat) -> Result<Vec<FigureFile>> {
        let renderer = Renderer::new();
        let figures = self.sections.iter().flat_map(|section| &section.figures);
        let file = |(figure, number): (&Figure, usize)| {
            let name = FigureFile::name(number, figure.title(), format);
            let bytes =
                renderer.file(figure, format).map_err(|problem| Error::write(&name, io::Error::other(problem)))?;
            Ok(FigureFile { name, bytes })
        };
        figures.zip(1..).map(file).collect()
    }
}

/// What a figure consists of, side by side.
fn drawings(figure: &Figure) -> Vec<Drawing> {
    match figure {
        Figure::Image(map) => vec![image::real(map)],
        Figure::Complex(map) => image::complex(map).into(),
        Figure::Plot(curves) => vec![plot::plot(curves)],
        Figure::Scene(surface) => vec![scene::drawing(surface)],
    }
}

/// What elements cover: left, top, right and bottom end.
#[derive(Clone, Copy)]
struct Extent {
    left: f64,
    top: f64,
    right: f64,
    bottom: f64,
}

/// Problems are told as text: they get the name of the file where that is known.
pub(super) type Drawn<T> = std::result::Result<T, String>;

/// Measures and draws with the fonts in this program and no others.
pub(super) struct Renderer {
    options: Options<'static>,
}

impl Renderer {
    pub(super) fn new() -> Self {
        let mut options = Options::default();
        for font in FONTS {
            options.fontdb_mut().load_font_data(font.to_vec());
        }
        Renderer { options }
    }

    fn file(&self, figure: &Figure, format: FigureFormat) -> Drawn<Vec<u8>> {
        let svg = self.svg(figure)?;
        match format {
            FigureFormat::Svg => Ok(svg.into_bytes()),
            FigureFormat::Png => Ok(self.png(&svg, SCALE)?.0),
        }
    }

    /// A figure as a PNG file, so many of its pixels to a CSS pixel, and its width in those.
    pub(super) fn picture(&self, figure: &Figure, scale: f64) -> Drawn<(Vec<u8>, f64)> {
        self.png(&self.svg(figure)?, scale)
    }

    fn svg(&self, figure: &Figure) -> Drawn<String> {
        let drawings = drawings(figure);
        let extents = drawings.iter().map(|drawing| self.extent(&drawing.body)).collect::<Drawn<Vec<_>>>()?;
        let widths = extents.iter().map(|extent| extent.right - extent.left + BETWEEN);
        let width = (widths.sum::<f64>() - BETWEEN).max(LEAST_WIDTH);
        let (mut body, mut y) = (String::new(), 0.0);
        for line in self.lines(figure.title(), width)? {
            y += TITLE;
            body += &text(0.0, y, "title", &line);
        }
        if y > 0.0 {
            y += SPACE;
        }
        let top = extents.iter().map(|extent| extent.top).fold(f64::INFINITY, f64::min);
        let mut x = 0.0;
        for (drawing, extent) in drawings.iter().zip(&extents) {
            let (right, down) = (x - extent.left, y - top);
            let _ = write!(body, "<g transform=\"translate({right:.1} {down:.1})\">{}</g>", drawing.body);
            let room = if drawings.len() == 1 { width } else { extent.right - extent.left };
            body += &self.legend(&drawing.legend, [x, down + extent.bottom + SPACE], room)?;
            x += extent.right - extent.left + BETWEEN;
        }
        // A word longer than its line may stand out.
        let extent = self.extent(&body)?;
        let [width, height] =
            [extent.right - extent.left, extent.bottom - extent.top].map(|side| (side + 2.0 * MARGIN).ceil());
        let content = format!(
            "<title>{}</title><desc>{}</desc><rect width=\"{width}\" height=\"{height}\" fill=\"#fff\"/>\
             <g transform=\"translate({:.1} {:.1})\">{body}</g>",
            escape(figure.title()),
            escape(figure.caption()),
            MARGIN - extent.left,
            MARGIN - extent.top
        );
        Ok(document(width, height, &content))
    }

    /// Entries side by side, in as many lines as they need.
    fn legend(&self, entries: &[Entry], [left, top]: [f64; 2], room: f64) -> Drawn<String> {
        let (mut svg, mut x, mut y) = (String::new(), left, top);
        for entry in entries {
            let [width, height] = entry.sample.size();
            let long = width + 6.0 + self.width("name", &entry.name)?;
            if x > left && x + long > left + room {
                (x, y) = (left, y + LINE);
            }
            let _ = write!(
                svg,
                "<g transform=\"translate({x:.1} {:.1})\">{}</g>{}",
                y + (14.0 - height) / 2.0,
                entry.sample.to_svg(),
                text(x + width + 6.0, y + 11.5, "name", &entry.name)
            );
            x += long + 16.0;
        }
        Ok(svg)
    }

    /// The words in lines of at most this width.
    fn lines(&self, words: &str, width: f64) -> Drawn<Vec<String>> {
        let mut lines: Vec<String> = Vec::new();
        for word in words.split_whitespace() {
            let longer = lines.last().map(|line| format!("{line} {word}"));
            match longer {
                Some(longer) if self.width("title", &longer)? <= width => {
                    lines.pop();
                    lines.push(longer);
                }
                _ => lines.push(word.into()),
            }
        }
        Ok(lines)
    }

    fn width(&self, class: &str, words: &str) -> Drawn<f64> {
        let extent = self.extent(&text(0.0, 0.0, class, words))?;
        Ok(extent.right - extent.left)
    }

    fn extent(&self, body: &str) -> Drawn<Extent> {
        let bounds = self.tree(&document(1.0, 1.0, body))?.root().abs_stroke_bounding_box();
        let [left, top, right, bottom] = [bounds.left(), bounds.top(), bounds.right(), bounds.bottom()].map(f64::from);
        Ok(Extent { left, top, right, bottom })
    }

    fn tree(&self, svg: &str) -> Drawn<Tree> {
        Tree::from_str(svg, &self.options).map_err(|error| error.to_string())
    }

    fn png(&self, svg: &str, scale: f64) -> Drawn<(Vec<u8>, f64)> {
        let tree = self.tree(svg)?;
        let [width, height] =
            [tree.size().width(), tree.size().height()].map(|side| (f64::from(side) * scale).ceil() as u32);
        let mut pixels =
            Pixmap::new(width, height).ok_or_else(|| format!("{width} x {height} pixels are too many: make it svg"))?;
        // The drawing ends inside the last row and column.
        pixels.fill(Color::WHITE);
        resvg::render(&tree, Transform::from_scale(scale as f32, scale as f32), &mut pixels.as_mut());
        let colours: Vec<u8> =
            pixels.pixels().iter().flat_map(|pixel| [pixel.red(), pixel.green(), pixel.blue()]).collect();
        let file = encoded(width, height, scale, &colours).map_err(|error| error.to_string())?;
        Ok((file, f64::from(tree.size().width())))
    }
}

/// A PNG file that says how large it is on paper.
fn encoded(width: u32, height: u32, scale: f64, colours: &[u8]) -> std::result::Result<Vec<u8>, png::EncodingError> {
    let per_metre = (scale * 96.0 / 0.0254).round() as u32;
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, width, height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_pixel_dims(Some(png::PixelDimensions { xppu: per_metre, yppu: per_metre, unit: png::Unit::Meter }));
    let mut writer = encoder.write_header()?;
    writer.write_image_data(colours)?;
    writer.finish()?;
    Ok(file)
}

/// A document of its own.
fn document(width: f64, height: f64, content: &str) -> String {
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\">\
         <style>{STYLE}</style>{NO_DATA}{content}</svg>\n"
    )
}

fn text(x: f64, y: f64, class: &str, words: &str) -> String {
    format!("<text x=\"{x:.1}\" y=\"{y:.1}\" class=\"{class}\">{}</text>", escape(words))
}
