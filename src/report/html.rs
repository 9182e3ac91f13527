//! Pieces of HTML that page and figures share: escaped text and entries of legends.

/// An entry of a legend: a filled box and its name.
pub fn swatch(fill: &str, name: &str) -> String {
    format!(
        "<li><svg width=\"14\" height=\"14\" aria-hidden=\"true\"><rect x=\"1\" y=\"1\" width=\"12\" height=\"12\" \
         fill=\"{fill}\" class=\"box\"/></svg>{}</li>",
        escape(name)
    )
}

/// An entry of a legend: a line and its name.
pub fn swatch_line(style: &str, name: &str) -> String {
    format!(
        "<li><svg width=\"36\" height=\"10\" aria-hidden=\"true\"><path d=\"M0 5H36\" {style}/></svg>{}</li>",
        escape(name)
    )
}

/// Text for HTML, also inside quoted attributes. Control characters, which HTML forbids, are
/// dropped.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out += "&amp;",
            '<' => out += "&lt;",
            '>' => out += "&gt;",
            '"' => out += "&quot;",
            '\'' => out += "&#39;",
            '\n' | '\t' => out.push(c),
            c if c.is_control() => {}
            c => out.push(c),
        }
    }
    out
}
