//! Round numbers: positions of ticks, their labels, lengths of scale bars.

/// The largest of 1, 2, 5 times a power of ten that is not above `value` (positive and finite, else
/// 1).
pub fn round_down(value: f64) -> f64 {
    if !(value.is_finite() && value > 0.0) {
        return 1.0;
    }
    let decade = 10f64.powf(value.log10().floor());
    // The logarithm of 1000 may come out just below 3; the slack keeps 1000 from becoming 500.
    let factor = [5.0, 2.0, 1.0].into_iter().find(|f| f * decade <= value * (1.0 + 1e-9)).unwrap_or(1.0);
    factor * decade
}

/// The smallest of 1, 2, 5 times a power of ten that is not below `value`.
fn round_up(value: f64) -> f64 {
    let decade = 10f64.powf(value.log10().floor());
    [1.0, 2.0, 5.0].map(|f| f * decade).into_iter().find(|&s| s >= value * (1.0 - 1e-9)).unwrap_or(10.0 * decade)
}

/// Ticks for a linear axis from `lo` to `hi`, about `count` of them, with labels.
pub fn linear(lo: f64, hi: f64, count: usize) -> Vec<(f64, String)> {
    let span = hi - lo;
    if !(span.is_finite() && span > 0.0) {
        return vec![(lo, number(lo))];
    }
    let step = round_up(span / count.max(1) as f64);
    let first = (lo / step - 1e-6).ceil() as i64;
    let last = (hi / step + 1e-6).floor() as i64;
    // A span far below the floating-point spacing of its ends would give absurd counts.
    let last = last.min(first.saturating_add(50));
    (first..=last).map(|i| i as f64 * step).map(|value| (value, in_steps(value, step))).collect()
}

/// Ticks for a logarithmic axis from `lo` to `hi` (both positive): decades, or rounder subdivisions
/// where there are few.
pub fn logarithmic(lo: f64, hi: f64, count: usize) -> Vec<(f64, String)> {
    let decades = (hi / lo).log10();
    if !(decades.is_finite() && decades > 0.0 && lo > 0.0) {
        return vec![(lo, number(lo))];
    }
    let first = (lo.log10() - 1e-6).ceil() as i32;
    let last = (hi.log10() + 1e-6).floor() as i32;
    if decades >= 2.0 {
        let every = (decades / count.max(1) as f64).ceil().max(1.0) as i32;
        return (first..=last).filter(|e| e % every == 0).map(|e| (10f64.powi(e), power_of_ten(e))).collect();
    }
    let inside = |value: &f64| (lo * (1.0 - 1e-6)..=hi * (1.0 + 1e-6)).contains(value);
    let ticks: Vec<f64> =
        (first - 1..=last).flat_map(|e| [1.0, 2.0, 5.0].map(|f| f * 10f64.powi(e))).filter(inside).collect();
    if ticks.len() < 3 { linear(lo, hi, count) } else { ticks.into_iter().map(|v| (v, number(v))).collect() }
}

/// A value on an axis with ticks `step` apart: as many decimals as the step has.
fn in_steps(value: f64, step: f64) -> String {
    if (value.abs() >= 1e5 && step >= 1e4) || (value.abs() < 1e-2 && step < 1e-3) {
        return number(value);
    }
    let decimals = (-(step.log10() + 1e-9).floor()).clamp(0.0, 9.0) as usize;
    signed(format!("{value:.decimals$}"))
}

/// A value on its own, three or four digits.
pub fn number(value: f64) -> String {
    if !value.is_finite() {
        return "–".into();
    }
    if value == 0.0 {
        return "0".into();
    }
    let exponent = value.abs().log10().floor() as i32;
    if !(-4..5).contains(&exponent) {
        let mantissa = trim(format!("{:.2}", value / 10f64.powi(exponent)));
        return if mantissa == "1" {
            power_of_ten(exponent)
        } else {
            format!("{}×{}", signed(mantissa), power_of_ten(exponent))
        };
    }
    signed(trim(format!("{value:.*}", (3 - exponent).max(0) as usize)))
}

/// A length in metres with the unit that people use: `200 nm`, `1 µm`.
pub fn length(metres: f64) -> String {
    // Rounding noise must not turn 1 µm into 1000 nm.
    let size = metres.abs() * (1.0 + 1e-9);
    let (unit, scale) = [("m", 1.0), ("mm", 1e3), ("µm", 1e6), ("nm", 1e9)]
        .into_iter()
        .find(|(_, scale)| size * scale >= 1.0)
        .unwrap_or(("nm", 1e9));
    format!("{} {unit}", number(metres * scale))
}

/// `10³`; the zeroth and first power are written out.
fn power_of_ten(exponent: i32) -> String {
    match exponent {
        0 => "1".into(),
        1 => "10".into(),
        _ => format!("10{}", exponent.to_string().chars().map(superscript).collect::<String>()),
    }
}

fn superscript(c: char) -> char {
    match c {
        '-' => '⁻',
        '1' => '¹',
        '2' => '²',
        '3' => '³',
        '0' | '4'..='9' => char::from_u32('⁰' as u32 + c as u32 - '0' as u32).unwrap_or(c),
        _ => c,
    }
}

/// No trailing zeros after the decimal point.
fn trim(text: String) -> String {
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').into() } else { text }
}

/// A typographic minus, and none before a rounded zero.
fn signed(text: String) -> String {
    match text.strip_prefix('-') {
        Some(rest) if rest.chars().all(|c| c == '0' || c == '.') => rest.into(),
        Some(rest) => format!("−{rest}"),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(ticks: Vec<(f64, String)>) -> Vec<String> {
        ticks.into_iter().map(|(_, label)| label).collect()
    }

    #[test]
    fn linear_ticks_are_round() {
        assert_eq!(labels(linear(0.0, 1.0, 5)), ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
        assert_eq!(labels(linear(0.0, 980.0, 5)), ["0", "200", "400", "600", "800"]);
        assert_eq!(labels(linear(-1.0, 1.0, 4)), ["−1.0", "−0.5", "0.0", "0.5", "1.0"]);
        assert_eq!(labels(linear(0.0, 0.5, 5)), ["0.0", "0.1", "0.2", "0.3", "0.4", "0.5"]);
        assert_eq!(labels(linear(0.0, 3e7, 3)), ["0", "10⁷", "2×10⁷", "3×10⁷"]);
    }

    #[test]
    fn logarithmic_ticks_are_decades() {
        assert_eq!(labels(logarithmic(0.5, 2e3, 6)), ["1", "10", "10²", "10³"]);
        assert_eq!(labels(logarithmic(1e-3, 1e6, 4)), ["10⁻³", "1", "10³", "10⁶"]);
        assert_eq!(labels(logarithmic(1.0, 20.0, 6)), ["1", "2", "5", "10", "20"]);
        assert_eq!(labels(logarithmic(100.0, 103.0, 3)), ["100", "101", "102", "103"]);
    }

    #[test]
    fn degenerate_ranges_give_ticks_too() {
        for (lo, hi) in [(1.0, 1.0), (0.0, 0.0), (f64::NAN, 1.0), (0.0, f64::INFINITY), (1e300, 1e300 * (1.0 + 1e-15))]
        {
            assert!(linear(lo, hi, 5).len() < 60);
            assert!(logarithmic(lo, hi, 5).len() < 60);
        }
    }

    #[test]
    fn numbers_read_as_people_write_them() {
        assert_eq!(number(1234.5), "1234");
        assert_eq!(number(-0.25), "−0.25");
        assert_eq!(number(2.5e-6), "2.5×10⁻⁶");
        assert_eq!(number(1e8), "10⁸");
        assert_eq!(length(2e-7), "200 nm");
        assert_eq!(length(1e-6), "1 µm");
        assert_eq!(length(0.5e-9), "0.5 nm");
    }

    #[test]
    fn round_numbers_stay() {
        for exponent in -12..12 {
            let value = 10f64.powi(exponent);
            assert!((round_down(value) / value - 1.0).abs() < 1e-9, "{value}");
        }
        assert!((round_down(7.3e-7) / 5e-7 - 1.0).abs() < 1e-9);
    }
}
