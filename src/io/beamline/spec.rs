//! SPEC files: many scans in one text, each with the positions of all motors before it (`#P`, with
//! the names of the header, `#O`), the names of its columns (`#L`) and their numbers.
//! Format: <https://certif.com/spec_help/scans.html>.

use super::log::ScanLog;
use std::fmt;
use std::str::FromStr;

/// The number of a scan. SPEC begins anew with 1 when it is restarted: `54.2` is the second scan 54
/// of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ScanNumber {
    pub number: u64,
    /// From 1; needed where the number occurs several times.
    pub order: Option<usize>,
}

impl FromStr for ScanNumber {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim_matches('/');
        let (number, order) = text.split_once('.').map_or((text, None), |(number, order)| (number, Some(order)));
        let parsed = (number.parse().ok(), order.map(|order| order.parse().ok().filter(|&order| order > 0)));
        match parsed {
            (Some(number), None) => Ok(ScanNumber { number, order: None }),
            (Some(number), Some(Some(order))) => Ok(ScanNumber { number, order: Some(order) }),
            _ => Err(format!("'{text}' is no number of a scan, such as 54 or 54.2")),
        }
    }
}

impl fmt::Display for ScanNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.number)?;
        self.order.map_or(Ok(()), |order| write!(f, ".{order}"))
    }
}

/// A scan of a file, not yet read.
struct Scan<'a> {
    number: u64,
    /// Names of the motors, a line of them for each `#P`.
    names: Vec<&'a str>,
    /// The same in short.
    mnemonics: Vec<&'a str>,
    lines: Vec<&'a str>,
}

/// The scan of this number.
///
/// # Errors
///
/// Which scans there are, where the number is missing, not there, or not the only one.
pub(super) fn parse(text: &str, wanted: Option<ScanNumber>) -> Result<ScanLog, String> {
    let scans = scans(text);
    let (Some(first), Some(last)) = (scans.first(), scans.last()) else {
        return Err("holds no scan (#S): it is no SPEC file".into());
    };
    let range =
        format!("it holds {} from {} to {}", crate::error::counted(scans.len(), "scan"), first.number, last.number);
    let Some(wanted) = wanted else {
        return match &scans[..] {
            [one] => Ok(read(one)),
            _ => Err(format!("append the number of a scan as :{}; {range}", last.number)),
        };
    };
    let same: Vec<&Scan> = scans.iter().filter(|scan| scan.number == wanted.number).collect();
    match (&same[..], wanted.order) {
        ([], _) => Err(format!("has no scan {}: {range}", wanted.number)),
        ([one], None | Some(1)) => Ok(read(one)),
        (all, Some(order)) if order <= all.len() => Ok(read(all[order - 1])),
        (all, None) => {
            let number = wanted.number;
            Err(format!(
                "has {} scans {number}: append one of them as :{number}.1 to :{number}.{}",
                all.len(),
                all.len()
            ))
        }
        (all, Some(_)) => Err(format!("has no scan {wanted}, but {}", crate::error::counted(all.len(), "scan"))),
    }
}

fn scans(text: &str) -> Vec<Scan<'_>> {
    let (mut scans, mut names, mut mnemonics) = (Vec::<Scan>::new(), Vec::new(), Vec::new());
    let mut in_header = false;
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("#S ") {
            let number = rest.split_whitespace().next().and_then(|word| word.parse().ok());
            in_header = false;
            if let Some(number) = number {
                scans.push(Scan { number, names: names.clone(), mnemonics: mnemonics.clone(), lines: Vec::new() });
            }
        } else if line.starts_with("#F ") || line.starts_with("#E ") && !in_header {
            // A header may come again in the middle of a file.
            (names, mnemonics, in_header) = (Vec::new(), Vec::new(), true);
        } else if let Some(list) = numbered(line, "#O") {
            names.push(list);
        } else if let Some(list) = numbered(line, "#o") {
            mnemonics.push(list);
        } else if let Some(scan) = scans.last_mut().filter(|_| !in_header) {
            scan.lines.push(line);
        }
    }
    scans
}

/// What follows `#P0 `, `#P1 ` and so on.
fn numbered<'a>(line: &'a str, key: &str) -> Option<&'a str> {
    let rest = line.strip_prefix(key)?.trim_start_matches(|c: char| c.is_ascii_digit());
    rest.starts_with([' ', '\t']).then(|| rest.trim())
}

fn read(scan: &Scan) -> ScanLog {
    let mut log = ScanLog { number: Some(scan.number), ..ScanLog::default() };
    let positions = scan.lines.iter().filter_map(|line| numbered(line, "#P"));
    for (i, positions) in positions.enumerate() {
        let positions: Vec<f64> = positions.split_whitespace().map_while(|word| word.parse().ok()).collect();
        for names in [&scan.names, &scan.mnemonics] {
            let names = names.get(i).map(|list| words(list, positions.len())).unwrap_or_default();
            if names.len() == positions.len() {
                log.motors.extend(names.into_iter().map(String::from).zip(positions.iter().copied()));
            }
        }
    }
    let count = scan.lines.iter().find_map(|line| line.strip_prefix("#N ")?.split_whitespace().next()?.parse().ok());
    let labels = scan.lines.iter().find_map(|line| line.strip_prefix("#L "));
    let labels = labels.map(|list| words(list, count.unwrap_or(0))).unwrap_or_default();
    log.columns = labels.into_iter().map(|name| (name.into(), Vec::new())).collect();
    let mut spectrum = false;
    for line in &scan.lines {
        // Spectra, `@A 1 2 3 \`, go on in the lines that follow a backslash.
        if spectrum || line.starts_with('@') {
            spectrum = line.trim_end().ends_with('\\');
            continue;
        }
        let values: Vec<f64> = line.split_whitespace().map_while(|word| word.parse().ok()).collect();
        if !values.is_empty() && values.len() == log.columns.len() {
            log.columns.iter_mut().zip(values).for_each(|((_, column), value)| column.push(value));
        }
    }
    log
}

/// Names in a line: two blanks or a tab stand between them, as they may hold one; where that makes
/// another number of them than there should be, one does.
fn words(list: &str, count: usize) -> Vec<&str> {
    let trimmed = |name: &&str| !name.is_empty();
    let apart: Vec<&str> = list.split("  ").flat_map(|part| part.split('\t')).map(str::trim).filter(trimmed).collect();
    let close: Vec<&str> = list.split_whitespace().collect();
    if apart.len() != count && close.len() == count { close } else { apart }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "#F exp.spec\n#E 1\n#O0 Theta  Chi  Two Theta\n#O1 camdist\n#o0 th chi tth\n\n#S 1 ascan th 0 1 2 1\n#P0 1 2 3\n\
                        #P1 500\n#N 3\n#L Theta  Ring current  Monitor\n0.0 100 7\n@A 1 2 \\\n3 4 5\n0.5 101 8\n1.0 102\n\n#S 2 ct\n\
                        #F exp.spec\n#E 2\n#O0 a b\n\n#S 1 ascan th 0 1 2 1\n#P0 5 6\n#N 2\n#L a b\n1 2\n#C aborted\n\n#S 3 ascan a 0 1 2 1\n\
                        #P0 5 6\n#N 1\n#L a\n";

    #[test]
    fn scans_are_read_with_their_motors_and_columns() {
        let log = parse(TEXT, Some("1.1".parse().unwrap())).unwrap();
        assert_eq!((log.values("Two Theta"), log.values("tth")), (Some(vec![3.0]), Some(vec![3.0])));
        assert_eq!((log.values("camdist"), log.values("Theta")), (Some(vec![500.0]), Some(vec![0.0, 0.5])));
        assert_eq!((log.column("Ring current"), log.number), (Ok(&[100.0, 101.0][..]), Some(1)));
        let second = parse(TEXT, Some("/1.2".parse().unwrap())).unwrap();
        assert_eq!((second.values("b"), second.values("Theta")), (Some(vec![2.0]), None));
        // A scan that was stopped before its first point.
        assert_eq!(parse(TEXT, Some("3".parse().unwrap())).unwrap().values("a"), Some(vec![5.0]));
        assert_eq!(second.motors[..], [("a".into(), 5.0), ("b".into(), 6.0)]);
    }

    #[test]
    fn scans_that_cannot_be_told_are_refused() {
        let error = |scan: Option<&str>| parse(TEXT, scan.map(|scan| scan.parse().unwrap())).unwrap_err();
        assert_eq!(error(Some("7")), "has no scan 7: it holds 4 scans from 1 to 3");
        assert_eq!(error(Some("1")), "has 2 scans 1: append one of them as :1.1 to :1.2");
        assert_eq!(error(Some("1.3")), "has no scan 1.3, but 2 scans");
        assert_eq!(error(None), "append the number of a scan as :3; it holds 4 scans from 1 to 3");
        assert_eq!(parse("text", None).unwrap_err(), "holds no scan (#S): it is no SPEC file");
        assert!("a/b".parse::<ScanNumber>().unwrap_err().contains("no number of a scan"));
        assert!("1.0".parse::<ScanNumber>().is_err());
    }
}
