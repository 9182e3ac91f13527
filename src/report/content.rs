//! Contents of a report: plain structs, filled in by whoever has results.

use super::colour::ColourMap;
use ndarray::Array2;
use num_complex::Complex32;

/// Contents of a page, from top to bottom.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// Heading, and the title of the browser's window.
    pub title: String,
    /// Result, in one sentence.
    pub verdict: String,
    /// Pages beside this one, below the result: addresses relative to it, and their texts.
    pub links: Vec<(String, String)>,
    /// What a page has that is written again while its work goes on; `None` once it is done.
    pub live: Option<Live>,
    /// Name and value of the facts that a reader looks for first: file, shape, photons, seed.
    pub facts: Vec<(String, String)>,
    /// Sections of the body.
    pub sections: Vec<Section>,
    /// Command line that made the result, as typed.
    pub command: String,
    /// Name and version of the program.
    pub version: String,
}

/// A page that is written again and again. A browser loads it again, and says so where nobody writes
/// it any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Live {
    /// Time at which it was written, seconds since 1970.
    pub written: u64,
    /// Seconds after which a browser loads it again.
    pub refresh: u64,
    /// Age above which it is stale, seconds.
    pub stale: u64,
}

/// A heading with text, links, figures and tables, in this order.
#[derive(Debug, Clone, Default)]
pub struct Section {
    /// Heading of the section; none where empty.
    pub title: String,
    /// Plain text; an empty line starts a new paragraph.
    pub text: String,
    /// Pages that it is about, below the text: addresses relative to the page, and their texts.
    pub links: Vec<(String, String)>,
    /// Figures, laid out side by side where there is room.
    pub figures: Vec<Figure>,
    /// Tables, below the figures.
    pub tables: Vec<Table>,
}

/// A picture with its caption.
#[derive(Debug, Clone)]
pub enum Figure {
    /// A map of real values.
    Image(Image),
    /// A map of complex values: modulus and phase, side by side.
    Complex(ComplexImage),
    /// Curves over a common axis.
    Plot(Plot),
    /// A surface that turns with the mouse.
    Scene(Scene),
}

impl Figure {
    /// Short title; empty where there is none.
    pub fn title(&self) -> &str {
        match self {
            Figure::Image(image) => &image.title,
            Figure::Complex(image) => &image.title,
            Figure::Plot(plot) => &plot.title,
            Figure::Scene(scene) => &scene.title,
        }
    }

    /// Explanation below the figure; empty where there is none.
    pub fn caption(&self) -> &str {
        match self {
            Figure::Image(image) => &image.caption,
            Figure::Complex(image) => &image.caption,
            Figure::Plot(plot) => &plot.caption,
            Figure::Scene(scene) => &scene.caption,
        }
    }
}

/// A surface that turns with the mouse, coloured by one of its fields.
#[derive(Debug, Clone, Default)]
pub struct Scene {
    /// Short title of the figure.
    pub title: String,
    /// Explanation below the figure.
    pub caption: String,
    /// Corners `(x, y, z)`; the first view has x to the right, y up and z towards the reader.
    pub vertices: Vec<[f32; 3]>,
    /// Corners of each triangle.
    pub triangles: Vec<[u32; 3]>,
    /// Fields to colour by.
    pub fields: Vec<SceneField>,
}

/// Values at the corners of a surface.
#[derive(Debug, Clone, Default)]
pub struct SceneField {
    /// Name, with its unit.
    pub label: String,
    /// Values at the corners; what is not finite is grey.
    pub values: Vec<f32>,
    /// Value of the darkest red, and minus that of the darkest blue; above 0.
    pub limit: f32,
}

/// A map of real values.
#[derive(Debug, Clone, Default)]
pub struct Image {
    /// Short title of the figure.
    pub title: String,
    /// Explanation below the figure.
    pub caption: String,
    /// Values, `(y, x)`. What is not finite is hatched as "no data".
    pub data: Array2<f32>,
    /// Scale from values to colours.
    pub scale: Scale,
    /// Colours of linear and logarithmic scales.
    pub colour_map: ColourMap,
    /// Values at the ends of the colour bar; `None` takes them from the data. Give the same to
    /// images to be compared.
    pub range: Option<(f32, f32)>,
    /// Metres per pixel along `(y, x)`: for the scale bar and the proportions.
    pub pixel: Option<[f64; 2]>,
    /// Label of the colour bar, `photons`.
    pub unit: String,
}

impl Image {
    /// Counts or intensities on a logarithmic scale, up to `top` and down to a tenth of a photon or
    /// eight decades.
    pub fn photons(title: &str, data: Array2<f32>, top: f32) -> Self {
        let range = Some((0.1_f32.max(top * 1e-8), top));
        Image { title: title.into(), data, scale: Scale::Log, range, unit: "photons".into(), ..Image::default() }
    }
}

/// Scale from values to colours.
#[derive(Debug, Clone, Default, PartialEq)]
pub enum Scale {
    /// Colours in proportion to the values.
    #[default]
    Linear,
    /// Colours by the logarithm; zero and less get the lowest colour.
    Log,
    /// Dark where the value is not zero; the unit names what is dark.
    Binary,
    /// A colour for each category; the value is an index into these labels.
    Categories(Vec<String>),
}

/// A map of complex values.
#[derive(Debug, Clone, Default)]
pub struct ComplexImage {
    /// Short title of the figure.
    pub title: String,
    /// Explanation below the figure.
    pub caption: String,
    /// Complex values, `(y, x)`.
    pub data: Array2<Complex32>,
    /// Metres per pixel along `(y, x)`.
    pub pixel: Option<[f64; 2]>,
    /// Label of the modulus' colour bar.
    pub unit: String,
}

/// Curves over a common axis.
#[derive(Debug, Clone, Default)]
pub struct Plot {
    /// Short title of the figure.
    pub title: String,
    /// Explanation below the figure.
    pub caption: String,
    /// Label of the horizontal axis, with its unit.
    pub x_label: String,
    /// Label of the vertical axis, with its unit.
    pub y_label: String,
    /// Logarithmic horizontal axis: points that are not positive are left out.
    pub log_x: bool,
    /// Logarithmic vertical axis: points that are not positive are left out.
    pub log_y: bool,
    /// Curves in the order of the legend.
    pub series: Vec<Series>,
    /// Vertical reference lines, with labels.
    pub marks: Vec<(f64, String)>,
    /// Horizontal reference lines, with labels.
    pub levels: Vec<(f64, String)>,
}

/// One curve of a plot.
#[derive(Debug, Clone, Default)]
pub struct Series {
    /// Name in the legend.
    pub name: String,
    /// `(x, y)` in drawing order; a point that is not finite breaks the line.
    pub points: Vec<(f64, f64)>,
    /// Whether the curve is bold. As soon as one is, the others are thin and grey.
    pub emphasis: bool,
}

/// A table of text and numbers.
#[derive(Debug, Clone, Default)]
pub struct Table {
    /// Heading above the table.
    pub title: String,
    /// Names of the columns.
    pub header: Vec<String>,
    /// Rows of cells. Cells that look like numbers are aligned to the right.
    pub rows: Vec<Vec<String>>,
}

impl Table {
    /// Without columns that have nothing but dashes; the first stays.
    pub fn without_empty_columns(mut self) -> Self {
        let empty = |column: usize| self.rows.iter().all(|row| row.get(column).is_none_or(|cell| cell == "-"));
        let kept: Vec<bool> = (0..self.header.len()).map(|column| column == 0 || !empty(column)).collect();
        let keep = |cells: &mut Vec<String>| {
            let mut column = 0;
            cells.retain(|_| {
                column += 1;
                kept.get(column - 1).copied().unwrap_or(true)
            });
        };
        self.rows.iter_mut().for_each(keep);
        keep(&mut self.header);
        self
    }
}
