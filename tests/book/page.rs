//! Pages of Markdown, as the tests look at them: headings, links, blocks of code, commands.

use pulldown_cmark::{CodeBlockKind, Event, Options, Parser, Tag, TagEnd};
use std::fs;
use std::path::{Path, PathBuf};

/// The folder of the package.
pub fn top() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A page.
pub struct Page {
    /// Path below the package, `docs/gaps.md`.
    pub name: String,
    /// Anchors of its headings.
    pub anchors: Vec<String>,
    /// Targets of its links and pictures.
    pub links: Vec<String>,
    /// Blocks of code: what stands behind the fence, and the text.
    pub blocks: Vec<(String, String)>,
    /// Code between words.
    pub code: Vec<String>,
    /// Paragraphs, rows of tables and items of lists: their words, and what they link to.
    pub passages: Vec<(String, Vec<String>)>,
}

impl Page {
    /// Reads a page.
    pub fn read(name: &str) -> Page {
        let text = fs::read_to_string(top().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
        let mut page = Page {
            name: name.into(),
            anchors: vec![],
            links: vec![],
            blocks: vec![],
            code: vec![],
            passages: vec![(String::new(), vec![])],
        };
        let (mut heading, mut block) = (None::<String>, None::<(String, String)>);
        for event in Parser::new_ext(&text, Options::ENABLE_TABLES) {
            match event {
                Event::Start(Tag::Heading { .. }) => heading = Some(String::new()),
                Event::End(TagEnd::Heading(_)) => page.anchors.extend(heading.take().map(|text| anchor(&text))),
                Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(kind))) => {
                    block = Some((kind.to_string(), String::new()));
                }
                Event::End(TagEnd::CodeBlock) => page.blocks.extend(block.take()),
                Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
                    page.passages.last_mut().unwrap().1.push(dest_url.to_string());
                    page.links.push(dest_url.to_string());
                }
                Event::Start(Tag::Paragraph | Tag::TableRow | Tag::Item) => {
                    page.passages.push((String::new(), vec![]));
                }
                Event::Text(text) => match (&mut block, &mut heading) {
                    (Some((_, block)), _) => block.push_str(&text),
                    (_, Some(heading)) => heading.push_str(&text),
                    _ => page.passages.last_mut().unwrap().0.push_str(&text),
                },
                Event::Code(code) => {
                    page.code.push(code.to_string());
                    heading.iter_mut().for_each(|heading| heading.push_str(&code));
                }
                Event::SoftBreak | Event::End(TagEnd::TableCell) => page.passages.last_mut().unwrap().0.push(' '),
                _ => {}
            }
        }
        page
    }

    /// The commands of its blocks for shells, each as the words behind `lacuna`.
    pub fn commands(&self) -> Vec<Vec<String>> {
        let shell = self.blocks.iter().filter(|(kind, _)| kind == "sh" || kind == "sh,no_run");
        let lines = shell.flat_map(|(_, text)| text.replace("\\\n", " ").lines().map(String::from).collect::<Vec<_>>());
        lines.flat_map(|line| commands_of(&line)).collect()
    }

    /// The commands between its words, which may end with a flag whose value does not matter there.
    pub fn mentioned_commands(&self) -> Vec<Vec<String>> {
        self.code.iter().filter(|code| code.starts_with("lacuna ")).flat_map(|code| commands_of(code)).collect()
    }
}

/// The commands of a line of a shell script.
fn commands_of(line: &str) -> Vec<Vec<String>> {
    let words = shlex::split(line).unwrap_or_else(|| panic!("quotes: {line}"));
    let ends = |word: &String| ["|", ";", "&&", ">", ">>", "do", "done"].contains(&word.as_str());
    let parts = words.split(ends).filter(|part| part.first().is_some_and(|word| word == "lacuna"));
    parts.map(|part| part[1..].iter().map(|word| with_variables(word.trim_end_matches(';'))).collect()).collect()
}

/// A word, its variables set to a number.
fn with_variables(word: &str) -> String {
    let mut parts = word.split('$');
    let first = parts.next().unwrap_or_default().to_string();
    parts.fold(first, |text, part| {
        let name = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let rest = match part.strip_prefix('{') {
            Some(part) => part.split_once('}').map_or("", |(_, rest)| rest),
            None => part.trim_start_matches(name),
        };
        text + "7" + rest
    })
}

/// The anchor of a heading, as forges and mdBook make it.
fn anchor(heading: &str) -> String {
    let kept = heading.trim().chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect::<String>().to_lowercase()
}

/// Names of all pages, below the package.
pub fn names() -> Vec<String> {
    let folders = ["", "datasets", "datasets/examples", "models", "training", "docs", "docs/benchmarks"];
    let files = folders.iter().flat_map(|folder| fs::read_dir(top().join(folder)).unwrap());
    let files = files.map(|entry| entry.unwrap().path()).filter(|path| path.extension().is_some_and(|end| end == "md"));
    let mut names: Vec<String> =
        files.map(|path: PathBuf| path.strip_prefix(top()).unwrap().to_str().unwrap().into()).collect();
    names.sort();
    names
}
