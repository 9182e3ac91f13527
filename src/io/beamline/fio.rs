//! `.fio` files of DESY: a comment after `%c`, parameters `om = 12.5` after `%p`, and after `%d` the
//! names of columns, ` Col 1 om DOUBLE`, with their numbers.

use super::log::ScanLog;

/// The scan of a file. Parameters that are no numbers and lines that are not whole are left out.
///
/// # Errors
///
/// What is wrong with a file in which there is neither a parameter nor a column.
pub(super) fn parse(text: &str) -> Result<ScanLog, String> {
    let (mut log, mut part) = (ScanLog::default(), ' ');
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('!')) {
        if let Some(name) = line.strip_prefix('%') {
            part = name.chars().next().unwrap_or(' ');
            continue;
        }
        match part {
            'p' => {
                let parameter = line.split_once('=').map(|(name, value)| (name.trim(), value.trim().parse()));
                if let Some((name, Ok(value))) = parameter {
                    log.motors.push((name.into(), value));
                }
            }
            'd' => {
                let words: Vec<&str> = line.split_whitespace().collect();
                if let ["Col", _, name, ..] = words[..] {
                    log.columns.push((name.into(), Vec::new()));
                    continue;
                }
                let values: Vec<f64> = words.iter().map_while(|word| word.parse().ok()).collect();
                if values.len() == log.columns.len() {
                    log.columns.iter_mut().zip(values).for_each(|((_, column), value)| column.push(value));
                }
            }
            _ => {}
        }
    }
    if log.motors.is_empty() && log.columns.is_empty() {
        return Err("holds no parameter after %p and no column after %d: it is no .fio file of a scan".into());
    }
    Ok(log)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_and_columns_are_read() {
        let text = "!\n! Comments\n%c\nascan om 1 2 3\n!\n! Parameter\n%p\nchi = 90.5\nfmbenergy = 8170.0\nsample = gold\n!\n%d\n \
                    Col 1 om DOUBLE\n Col 2 ipetra DOUBLE\n 1.0 100.5\n -2.0e0 nan\n 3.0\n";
        let log = parse(text).unwrap();
        assert_eq!((log.values("chi"), log.values("sample")), (Some(vec![90.5]), None));
        assert_eq!(log.column("om"), Ok(&[1.0, -2.0][..]));
        assert!(log.column("ipetra").unwrap()[1].is_nan());
        assert_eq!(log.column("mon").unwrap_err(), "is no column of , which has om, ipetra");
        assert!(parse("om = 1\n").unwrap_err().contains("no parameter after %p"));
    }
}
