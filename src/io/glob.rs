//! Names with `*`, `?` and numbers to fill in, of files, folders and HDF5 paths.

use std::path::{Path, PathBuf};

/// Shell patterns with `*` and `?`.
pub fn matches(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<char>, Vec<char>) = (pattern.chars().collect(), name.chars().collect());
    let (mut p, mut n) = (0, 0);
    // Where the last star stands, and what it has taken: only that one may have to take more.
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, n));
                p += 1;
            }
            Some(&c) if c == '?' || c == name[n] => (p, n) = (p + 1, n + 1),
            _ => {
                let Some((at, taken)) = star else { return false };
                star = Some((at, taken + 1));
                (p, n) = (at + 1, taken + 1);
            }
        }
    }
    pattern[p..].iter().all(|&c| c == '*')
}

/// What the first `*` of a pattern stands for.
pub(super) fn captured<'a>(pattern: &str, name: &'a str) -> Option<&'a str> {
    let (before, after) = pattern.split_once('*')?;
    let rest = name.strip_prefix(before)?;
    let ends = rest.char_indices().map(|(end, _)| end).chain([rest.len()]);
    ends.rev().map(|end| rest.split_at(end)).find(|(_, tail)| matches(after, tail)).map(|(found, _)| found)
}

/// The number that `{scan}` stands for in a name, without leading zeros; zero where the pattern has
/// no `{scan}`.
pub(super) fn scan_number(pattern: &str, name: &str) -> Option<u64> {
    let Some((before, after)) = pattern.split_once("{scan}") else { return matches(pattern, name).then_some(0) };
    let digits = |at: usize| name.as_bytes().get(at).is_some_and(u8::is_ascii_digit);
    let starts = (0..name.len()).filter(|&at| digits(at) && (at == 0 || !digits(at - 1)));
    let mut runs = starts.map(|start| (start, (start..).find(|&end| !digits(end)).unwrap_or(name.len())));
    runs.find(|&(start, end)| matches(before, &name[..start]) && matches(after, &name[end..]))
        .and_then(|(start, end)| name[start..end].parse().ok())
}

/// A pattern with a number for `{key}`, or for `{key:05}` with as many digits.
pub(super) fn with_number(pattern: &str, key: &str, number: u64) -> String {
    let Some((before, rest)) = pattern.split_once(&format!("{{{key}")) else { return pattern.into() };
    let Some((width, after)) = rest.split_once('}') else { return pattern.into() };
    let width = width.trim_start_matches(':').parse::<usize>().unwrap_or(0).min(20);
    format!("{before}{number:0width$}{}", with_number(after, key, number))
}

/// The files that a pattern names, seen from a folder, in the order of their names; `..` goes up.
pub(super) fn files(folder: &Path, pattern: &str) -> Vec<PathBuf> {
    let mut found = paths(folder, pattern);
    found.retain(|path| path.is_file());
    found
}

/// The files and folders that a pattern names, as [`files`].
pub(crate) fn paths(folder: &Path, pattern: &str) -> Vec<PathBuf> {
    let mut found = vec![folder.to_path_buf()];
    for part in pattern.split('/').filter(|part| !part.is_empty()) {
        found = found.iter().flat_map(|folder| members(folder, part)).collect();
    }
    found
}

fn members(folder: &Path, part: &str) -> Vec<PathBuf> {
    if part == ".." {
        // The parent of `.` is known only by its whole path.
        let parent = folder.canonicalize().ok().and_then(|folder| folder.parent().map(Path::to_path_buf));
        return parent.into_iter().collect();
    }
    if !part.contains(['*', '?']) {
        return Some(folder.join(part)).filter(|path| path.exists()).into_iter().collect();
    }
    let entries = std::fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    let wanted = entries.filter(|entry| entry.file_name().to_str().is_some_and(|name| matches(part, name)));
    let mut paths: Vec<PathBuf> = wanted.map(|entry| entry.path()).collect();
    paths.sort();
    paths
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_like_those_of_the_shell() {
        for (pattern, name, expected) in [
            ("scan_*.tif", "scan_12.tif", true),
            ("*", "é", true),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("*.tif", "a.tiff", false),
        ] {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn numbers_of_scans_are_found_and_filled_in() {
        assert_eq!(scan_number("*_{scan}.1", "S_12_003.1"), Some(3));
        assert_eq!(scan_number("{scan}.1", "12.1"), Some(12));
        assert_eq!(scan_number("{scan}.1", "12.2"), None);
        assert_eq!(scan_number("exp_{scan}", "exp_0042"), Some(42));
        assert_eq!((scan_number("com", "com"), scan_number("com", "dom")), (Some(0), None));
        assert_eq!(scan_number("é_{scan}", "é_99999999999999999999999"), None);
        assert_eq!(with_number("d_{number:05}.edf", "number", 12), "d_00012.edf");
        assert_eq!(with_number("S{scan}/{scan:03}", "scan", 7), "S7/007");
        assert_eq!(with_number("S{scan", "scan", 7), "S{scan");
        assert_eq!(captured("*_master.h5", "a_00012_master.h5"), Some("a_00012"));
        assert_eq!(captured("*_master.h5", "a.h5"), None);
    }
}
