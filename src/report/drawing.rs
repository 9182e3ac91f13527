//! A drawing with its legend, as it stands on a page; [`super::figures`] makes files of it.

use super::html::escape;

/// The pattern for "no data", once for all drawings of a document. Not `display: none`, which would
/// switch the pattern off too.
pub const NO_DATA: &str = "<defs>\
    <pattern id=\"no-data\" width=\"5\" height=\"5\" patternUnits=\"userSpaceOnUse\" patternTransform=\"rotate(45)\">\
    <rect width=\"5\" height=\"5\" fill=\"#dcdcdc\"/><rect width=\"1.6\" height=\"5\" fill=\"#9a9a9a\"/></pattern></defs>";

/// The paint of that pattern.
pub const NO_DATA_FILL: &str = "url(#no-data)";

/// Elements of SVG and what belongs to them. One unit is one CSS pixel.
pub struct Drawing {
    /// Text for those who cannot see it.
    pub alt: String,
    /// Place of the drawing on a page: `[x, y, width, height]`. Labels may stand out.
    pub view: [f64; 4],
    /// Elements of SVG.
    pub body: String,
    /// Entries of the legend.
    pub legend: Vec<Entry>,
}

/// An entry of a legend.
pub struct Entry {
    /// What is named.
    pub sample: Sample,
    /// Its name.
    pub name: String,
}

/// The sample beside the name in a legend.
pub enum Sample {
    /// A box with this paint.
    Fill(String),
    /// A line with these attributes.
    Line(String),
}

impl Drawing {
    /// The drawing for a page, and its legend as a list.
    pub fn to_html(&self) -> String {
        let [x, y, width, height] = self.view;
        let svg = format!(
            "<svg role=\"img\" aria-label=\"{}\" width=\"{width:.0}\" height=\"{height:.0}\" \
             viewBox=\"{x:.1} {y:.1} {width:.1} {height:.1}\">{}</svg>",
            escape(&self.alt),
            self.body
        );
        if self.legend.is_empty() {
            return svg;
        }
        let item = |entry: &Entry| {
            let [width, height] = entry.sample.size();
            let sample = entry.sample.to_svg();
            let name = escape(&entry.name);
            format!("<li><svg width=\"{width}\" height=\"{height}\" aria-hidden=\"true\">{sample}</svg>{name}</li>")
        };
        let items: String = self.legend.iter().map(item).collect();
        format!("{svg}<ul class=\"legend\">{items}</ul>")
    }
}

impl Sample {
    /// Width and height.
    pub fn size(&self) -> [f64; 2] {
        match self {
            Sample::Fill(_) => [14.0, 14.0],
            Sample::Line(_) => [36.0, 10.0],
        }
    }

    /// The sample with its corner at the origin.
    pub fn to_svg(&self) -> String {
        match self {
            Sample::Fill(paint) => {
                format!("<rect x=\"1\" y=\"1\" width=\"12\" height=\"12\" fill=\"{paint}\" class=\"box\"/>")
            }
            Sample::Line(style) => format!("<path d=\"M0 5H36\" {style}/>"),
        }
    }
}
