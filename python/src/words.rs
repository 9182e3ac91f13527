//! The program's words as Python says them: settings with underscores, flags as keywords.

use lacuna::settings::TypedSettings;
use std::borrow::Cow;
use std::sync::LazyLock;

/// Names of inputs that are no files, where messages and titles name a file.
pub const IN_MEMORY: [&str; 3] = [ARRAY, SIMULATED, ARRAY_OF_SUPPORT];

/// An array of the caller.
pub const ARRAY: &str = "the array";

/// A pattern that was simulated.
pub const SIMULATED: &str = "the simulated pattern";

/// What is echoed in place of a support that is an array.
pub const ARRAY_OF_SUPPORT: &str = "array";

/// Settings whose names differ in Python.
static HYPHENATED: LazyLock<Vec<String>> =
    LazyLock::new(|| TypedSettings::names().into_iter().filter(|name| name.contains('-')).collect());

/// Phrases that send people to the command line, and where Python sends them.
const PHRASES: [(&str, &str); 4] = [
    ("lacuna run --help says what it does", "lacuna_cdi.settings() says what it does"),
    ("lacuna presets lists them", "lacuna_cdi.presets() has them"),
    ("give --force to replace it, or another --output", "give force=True to replace it, or another path"),
    ("with fewer --threads", "with fewer threads"),
];

/// A message without file names, as Python says it.
pub fn pythonic(text: &str) -> String {
    let text = PHRASES.iter().fold(text.to_string(), |text, (from, to)| text.replace(from, to));
    let part_of_word = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '/' | '.' | '=');
    let mut out = String::with_capacity(text.len());
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let end = rest.find(|c| !part_of_word(c)).unwrap_or(rest.len());
        out.push_str(&word(&rest[..end]));
        let next = rest[end..].chars().next().map_or(end, |c| end + c.len_utf8());
        out.push_str(&rest[end..next]);
        rest = &rest[next..];
    }
    out
}

fn word(word: &str) -> Cow<'_, str> {
    let bare = word.trim_start_matches("--");
    let flag = bare.len() < word.len();
    // A full stop at the end of a sentence.
    let name = bare.trim_end_matches('.');
    if flag || HYPHENATED.iter().any(|known| known == name) { Cow::Owned(bare.replace('-', "_")) } else { word.into() }
}
