//! The page: structure, style sheet, tables.

use super::content::{Figure, Live, Report, Section, Table};
use super::drawing::NO_DATA;
use super::html::escape;
use super::{image, plot, scene};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};
use std::fmt::Write;

const STYLE: &str = concat!(include_str!("figure.css"), include_str!("style.css"));

/// The scripts that a page may run, the second where it has a surface, the third while it is written
/// again and again: the policy names them by their checksums.
const SORT: &str = include_str!("sort.js");
const SCENE: &str = include_str!("scene.js");
const LIVE: &str = include_str!("live.js");

impl Report {
    /// Renders the page as one HTML document. The policy in its head makes sure that nothing is
    /// ever loaded from elsewhere.
    pub fn to_html(&self) -> String {
        page(self)
    }
}

fn page(report: &Report) -> String {
    let title = escape(&report.title);
    let figures = || report.sections.iter().flat_map(|section| &section.figures);
    let mut scripts = vec![SORT];
    scripts.extend(figures().any(|figure| matches!(figure, Figure::Scene(_))).then_some(SCENE));
    scripts.extend(report.live.map(|_| LIVE));
    let allowed: Vec<String> =
        scripts.iter().map(|script| format!("'sha256-{}'", STANDARD.encode(Sha256::digest(script)))).collect();
    let allowed = allowed.join(" ");
    let refresh = report
        .live
        .map_or(String::new(), |live| format!("<meta http-equiv=\"refresh\" content=\"{}\">\n", live.refresh));
    let mut html = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src data:; style-src 'unsafe-inline'; \
         script-src {allowed}\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n{refresh}<title>{title}</title>\n\
         <link rel=\"icon\" href=\"data:,\">\n<style>\n{STYLE}</style>\n</head>\n<body>\n\
         <svg width=\"0\" height=\"0\" style=\"position:absolute\" aria-hidden=\"true\">{NO_DATA}</svg>\n<header>\n<h1>{title}</h1>\n"
    );
    if !report.verdict.is_empty() {
        let _ = writeln!(html, "<p class=\"verdict\">{}</p>", escape(&report.verdict));
    }
    html += &links(&report.links);
    if let Some(Live { written, refresh, stale }) = report.live {
        let _ = writeln!(
            html,
            "<p class=\"live\" data-written=\"{written}\" data-stale=\"{stale}\">Loaded again every {refresh} s.</p>"
        );
    }
    if !report.facts.is_empty() {
        html += "<dl>\n";
        for (name, value) in &report.facts {
            let _ = writeln!(html, "<div><dt>{}</dt><dd>{}</dd></div>", escape(name), escape(value));
        }
        html += "</dl>\n";
    }
    html += "</header>\n<main>\n";
    html.extend(report.sections.iter().map(section));
    html += "</main>\n<footer>\n";
    if !report.command.is_empty() {
        let _ = writeln!(html, "<p>Made by</p>\n<pre><code>{}</code></pre>", escape(&report.command));
    }
    if !report.version.is_empty() {
        let _ = writeln!(html, "<p>{}</p>", escape(&report.version));
    }
    html += "</footer>\n";
    for script in scripts {
        let _ = writeln!(html, "<script>{script}</script>");
    }
    html + "</body>\n</html>\n"
}

fn links(links: &[(String, String)]) -> String {
    let link =
        |(address, text): &(String, String)| format!("<p><a href=\"{}\">{}</a></p>\n", escape(address), escape(text));
    links.iter().map(link).collect()
}

fn section(section: &Section) -> String {
    let mut html = String::from("<section>\n");
    if !section.title.is_empty() {
        let _ = writeln!(html, "<h2>{}</h2>", escape(&section.title));
    }
    for paragraph in section.text.split("\n\n").map(str::trim).filter(|p| !p.is_empty()) {
        let _ = writeln!(html, "<p>{}</p>", escape(paragraph));
    }
    html += &links(&section.links);
    if !section.figures.is_empty() {
        let figures: String = section.figures.iter().map(figure).collect();
        let _ = writeln!(html, "<div class=\"figures\">\n{figures}</div>");
    }
    html.extend(section.tables.iter().map(table));
    html + "</section>\n"
}

fn figure(figure: &Figure) -> String {
    let (class, drawing) = match figure {
        Figure::Image(map) => ("", image::real(map).to_html()),
        Figure::Complex(map) => {
            let [modulus, phase] = image::complex(map).map(|panel| panel.to_html());
            (" class=\"wide\"", format!("<div>{modulus}</div><div>{phase}</div>"))
        }
        Figure::Plot(curves) => ("", plot::plot(curves).to_html()),
        Figure::Scene(surface) => ("", scene::scene(surface)),
    };
    let (title, caption) = (figure.title(), figure.caption());
    let caption = match (title.is_empty(), caption.is_empty()) {
        (true, true) => String::new(),
        (true, false) => escape(caption),
        (false, true) => format!("<b>{}</b>", escape(title)),
        (false, false) => format!("<b>{}.</b> {}", escape(title), escape(caption)),
    };
    format!("<figure{class}>\n<div class=\"panels\">{drawing}</div>\n<figcaption>{caption}</figcaption>\n</figure>\n")
}

fn table(table: &Table) -> String {
    let cell = |tag: &str, text: &String| {
        let class = if looks_numeric(text) { " class=\"number\"" } else { "" };
        format!("<{tag}{class}>{}</{tag}>", escape(text))
    };
    // A heading stands as its column does, which the first row tells.
    let heading = |(column, text): (usize, &String)| {
        let numeric = table.rows.first().and_then(|row| row.get(column)).is_some_and(|text| looks_numeric(text));
        let class = if numeric { " class=\"number\"" } else { "" };
        format!("<th scope=\"col\"{class}>{}</th>", escape(text))
    };
    // Tables of many rows are sorted by a click on a heading.
    let class = if table.rows.len() > 2 { " class=\"sortable\"" } else { "" };
    let mut html = format!("<div class=\"table\"><table{class}>\n");
    if !table.title.is_empty() {
        let _ = writeln!(html, "<caption>{}</caption>", escape(&table.title));
    }
    if !table.header.is_empty() {
        let cells: String = table.header.iter().enumerate().map(heading).collect();
        let _ = writeln!(html, "<thead><tr>{cells}</tr></thead>");
    }
    html += "<tbody>\n";
    for row in &table.rows {
        let _ = writeln!(html, "<tr>{}</tr>", row.iter().map(|text| cell("td", text)).collect::<String>());
    }
    html + "</tbody>\n</table></div>\n"
}

/// `0.12`, `-3`, `1.5 GB`, `99 %`; also the dash of a missing number.
fn looks_numeric(text: &str) -> bool {
    let digits = text.trim_start_matches(['+', '-', '−', '±', '<', '>', '≤', '≥', '~', ' ']);
    matches!(text, "–" | "—" | "-") || (digits.starts_with(|c: char| c.is_ascii_digit()) && text.chars().count() < 16)
}
