//! A piece of HTML for a page that is somebody else's: a cell of a notebook.
//!
//! It brings neither a style sheet nor a script nor an `id`, which would meddle with the page around
//! it, and its pictures are PNG, which every viewer of notebooks shows.

use super::content::{Report, Table};
use super::figures::Renderer;
use super::html::escape;
use crate::error::{Error, Result};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::fmt::Write;
use std::io;

/// Pixels of a picture in one CSS pixel: enough for screens, and a few ten thousand bytes each.
const SCALE: f64 = 1.5;

const VERDICT: &str = "margin:.3em 0 .6em;padding:.4em .8em;border-left:4px solid #0b5394;font-weight:600";
const FACTS: &str = "display:flex;flex-wrap:wrap;gap:.1em 1.6em;margin:.3em 0;font-size:.9em";
const NAME: &str = "opacity:.7;margin-right:.4em";
const PICTURES: &str = "display:flex;flex-wrap:wrap;gap:.8em;align-items:flex-start";
const CELL: &str = "text-align:left;padding:.15em 1em .15em 0";

impl Report {
    /// Renders verdict, facts, figures and tables as a piece of HTML to be put into another page;
    /// without the command and the texts and titles of the sections.
    ///
    /// # Errors
    /// [`Error::Write`] for a figure too large for memory.
    pub fn to_fragment(&self) -> Result<String> {
        let mut html = format!("<div><b>{}</b>", escape(&self.title));
        if !self.verdict.is_empty() {
            let _ = write!(html, "<div style=\"{VERDICT}\">{}</div>", escape(&self.verdict));
        }
        let fact = |(name, value): &(String, String)| {
            format!("<span><span style=\"{NAME}\">{}</span>{}</span>", escape(name), escape(value))
        };
        if !self.facts.is_empty() {
            let facts: String = self.facts.iter().map(fact).collect();
            let _ = write!(html, "<div style=\"{FACTS}\">{facts}</div>");
        }
        html.extend(self.sections.iter().flat_map(|section| &section.tables).map(table));
        let renderer = Renderer::new();
        let figures = self.sections.iter().flat_map(|section| &section.figures);
        let mut pictures = String::new();
        for figure in figures {
            let [title, caption] = [figure.title(), figure.caption()];
            let fail = |problem| Error::write(title, io::Error::other(problem));
            let (bytes, width) = renderer.picture(figure, SCALE).map_err(fail)?;
            let [alt, caption] = [title, caption].map(escape);
            let _ = write!(
                pictures,
                "<img src=\"data:image/png;base64,{}\" width=\"{width:.0}\" alt=\"{alt}\" title=\"{caption}\" \
                 style=\"max-width:100%\">",
                STANDARD.encode(bytes)
            );
        }
        if !pictures.is_empty() {
            let _ = write!(html, "<div style=\"{PICTURES}\">{pictures}</div>");
        }
        Ok(html + "</div>")
    }
}

fn table(table: &Table) -> String {
    let row = |tag: &str, cells: &[String]| {
        let cell = |text: &String| format!("<{tag} style=\"{CELL}\">{}</{tag}>", escape(text));
        format!("<tr>{}</tr>", cells.iter().map(cell).collect::<String>())
    };
    let rows: String = table.rows.iter().map(|cells| row("td", cells)).collect();
    format!("<table><thead>{}</thead><tbody>{rows}</tbody></table>", row("th", &table.header))
}

#[cfg(test)]
mod tests {
    use super::super::content::{Figure, Image, Section};
    use super::*;
    use ndarray::Array2;

    #[test]
    fn a_fragment_is_told_and_shown_and_does_not_meddle() {
        let image = Image { title: "Map <1>".into(), data: Array2::zeros((4, 4)), ..Image::default() };
        let table = Table { header: vec!["a".into()], rows: vec![vec!["x < y".into()]], ..Table::default() };
        let report = Report {
            title: "<b>bold</b>".into(),
            verdict: "R < 0.1 & more".into(),
            facts: vec![("File".into(), "a\"b".into())],
            sections: vec![Section { figures: vec![Figure::Image(image)], tables: vec![table], ..Section::default() }],
            ..Report::default()
        };
        let html = report.to_fragment().unwrap();
        for text in ["&lt;b&gt;bold", "R &lt; 0.1 &amp; more", "a&quot;b", "x &lt; y", "alt=\"Map &lt;1&gt;\""] {
            assert!(html.contains(text), "{text}: {html}");
        }
        let picture = html.split("data:image/png;base64,").nth(1).and_then(|rest| rest.split('"').next()).unwrap();
        assert_eq!(&STANDARD.decode(picture).unwrap()[1..4], b"PNG");
        for meddling in ["<style", "<script", " id=", " class="] {
            assert!(!html.contains(meddling), "{meddling}");
        }
    }
}
