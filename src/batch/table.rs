//! Settings for single scans, from a table: CSV with a row a scan, or TOML.

use super::scans::expand;
use crate::error::{Error, Result};
use crate::settings::{TypedSettings, as_typed, unknown};
use std::collections::HashMap;
use std::path::Path;

/// Column or key of the scan.
const SCAN: &str = "scan";
/// Column or key of the preset, which is no setting.
const PRESET: &str = "preset";
/// Key of the list of tables in TOML.
const SCANS: &str = "scans";

/// What a table says of one scan.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Row {
    /// Its preset, where the table names one.
    pub preset: Option<String>,
    /// Its settings.
    pub typed: TypedSettings,
}

/// The rows of a table by location, and the locations in its order.
#[derive(Debug, Default)]
pub(super) struct Table {
    pub locations: Vec<String>,
    pub rows: HashMap<String, Row>,
}

impl Table {
    /// Reads a table. Of several rows for a scan the later ones go over the earlier ones.
    ///
    /// # Errors
    /// [`Error::Missing`] and [`Error::Read`]; [`Error::File`] for what is no table, for unknown
    /// settings and wrong values; those of the scans.
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(|error| Error::read(path, error))?;
        let lines = match path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("toml")) {
            true => toml_lines(&text),
            false => csv_lines(&text),
        };
        let mut table = Table::default();
        for (place, cells) in lines.map_err(|problem| Error::file(path, problem))? {
            let (scan, row) = row(cells).map_err(|problem| Error::file(path, format!("{place}: {problem}")))?;
            for location in expand(&[scan])? {
                let known = table.rows.entry(location.clone()).or_default();
                *known =
                    Row { preset: row.preset.clone().or(known.preset.take()), typed: row.typed.over(&known.typed) };
                table.locations.push(location);
            }
        }
        table.locations = expand_again(table.locations);
        Ok(table)
    }
}

/// Each location once.
fn expand_again(mut locations: Vec<String>) -> Vec<String> {
    let mut seen = std::collections::HashSet::new();
    locations.retain(|location| seen.insert(location.clone()));
    locations
}

/// The cells of a row by name, and where it is in its file.
type Line = (String, Vec<(String, String)>);

fn csv_lines(text: &str) -> Result<Vec<Line>, String> {
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).comment(Some(b'#')).from_reader(text.as_bytes());
    let header = reader.headers().map_err(|error| error.to_string())?.clone();
    if !header.iter().any(|name| name == SCAN) {
        return Err(format!("has no column '{SCAN}': its first line names the columns"));
    }
    let mut lines = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|error| error.to_string())?;
        let place = format!("line {}", record.position().map_or(0, csv::Position::line));
        let cells = header.iter().zip(&record).filter(|(_, cell)| !cell.is_empty());
        lines.push((place, cells.map(|(name, cell)| (name.into(), cell.into())).collect()));
    }
    Ok(lines)
}

fn toml_lines(text: &str) -> Result<Vec<Line>, String> {
    let table: toml::Table =
        text.parse().map_err(|error: toml::de::Error| error.to_string().trim().replace('\n', " "))?;
    if let Some(other) = table.keys().find(|key| *key != SCANS) {
        return Err(format!("unknown key '{other}': write [[{SCANS}]] before the settings of each scan"));
    }
    let scans = table.get(SCANS).and_then(toml::Value::as_array).map_or(&[][..], Vec::as_slice);
    let line = |(index, scan): (usize, &toml::Value)| {
        let place = format!("[[{SCANS}]] number {}", index + 1);
        let cells = scan.as_table().ok_or(format!("{place} is no table"))?;
        Ok((place, cells.iter().map(|(name, value)| (name.clone(), as_typed(value))).collect()))
    };
    scans.iter().enumerate().map(line).collect()
}

/// The scan of a row, and what is said of it.
fn row(cells: Vec<(String, String)>) -> Result<(String, Row), String> {
    let (mut scan, mut row) = (None, Row::default());
    for (name, text) in cells {
        match name.as_str() {
            SCAN => scan = Some(text),
            PRESET => row.preset = Some(text),
            _ => {
                if let Some(problem) = unknown(&name, &[SCAN, PRESET]) {
                    return Err(problem);
                }
                row.typed.set(&name, &text).map_err(|error| error.to_string())?;
            }
        }
    }
    Ok((scan.ok_or(format!("names no '{SCAN}'"))?, row))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(name: &str, text: &str) -> Result<Table> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        Table::read(&path)
    }

    #[test]
    fn csv_and_toml_say_the_same() {
        let csv = "scan, nb-run, rebin, support, pad, beta, preset\n# aside\n/a/x.h5:1-2, 4,\"2,2\",\"box:3,4\", true, 0.8,\n\
                   /a/x.h5:2, 8, , , , , forward\n";
        let toml = "[[scans]]\nscan = '/a/x.h5:1-2'\nnb-run = 4\nrebin = [2, 2]\nsupport = 'box:3,4'\npad = true\nbeta = 0.8\n\
                    [[scans]]\nscan = '/a/x.h5:2'\npreset = 'forward'\nnb-run = 8\n";
        let [csv, toml] = [read("t.csv", csv), read("t.toml", toml)].map(Result::unwrap);
        assert_eq!((&csv.locations, &csv.rows), (&toml.locations, &toml.rows));
        assert_eq!(csv.locations, ["/a/x.h5:1", "/a/x.h5:2"]);
        let (first, second) = (&csv.rows["/a/x.h5:1"], &csv.rows["/a/x.h5:2"]);
        assert_eq!((first.typed.phasing.nb_run, second.typed.phasing.nb_run), (Some(4), Some(8)));
        assert_eq!((&first.preset, second.preset.as_deref()), (&None, Some("forward")));
        assert_eq!(second.typed.input.rebin, Some(vec![2, 2]));
        assert_eq!(first.typed.flags()[..2], ["--beta=0.8", "--nb-run=4"]);
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (name, text, words) in [
            ("t.csv", "file,nb-run\na,1\n", "has no column 'scan'"),
            ("t.csv", "scan,nb-runs\na,1\n", "line 2: unknown setting 'nb-runs': did you mean 'nb-run'?"),
            ("t.csv", "scan,nb-run\na,many\n", "line 2: nb-run = many: is nothing that this setting takes"),
            ("t.csv", "scan,nb-run\n,3\n", "line 2: names no 'scan'"),
            ("t.csv", "scan,nb-run\na\n", "fields"),
            ("t.toml", "[[scan]]\nscan = 'a'\n", "unknown key 'scan': write [[scans]]"),
            (
                "t.toml",
                "[[scans]]\nscan = 'a'\nbetta = 1\n",
                "[[scans]] number 1: unknown setting 'betta': did you mean 'beta'?",
            ),
        ] {
            let error = read(name, text).unwrap_err().to_string();
            assert!(error.contains(words) && error.lines().count() == 1, "{error}");
        }
    }
}
