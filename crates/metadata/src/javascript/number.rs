//! `Number(text)` and `String(number)`.

use super::trim;

/// What `Number(text)` gives; none for NaN.
pub(crate) fn string_to_number(text: &str) -> Option<f64> {
    let text = trim(text);
    if text.is_empty() {
        return Some(0.0);
    }
    for (prefixes, radix) in [(["0x", "0X"], 16), (["0o", "0O"], 8), (["0b", "0B"], 2)] {
        if let Some(digits) = prefixes.iter().find_map(|prefix| text.strip_prefix(prefix)) {
            return with_radix(digits, radix);
        }
    }
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    if unsigned == "Infinity" {
        return Some(if text.starts_with('-') { f64::NEG_INFINITY } else { f64::INFINITY });
    }
    // Rust's grammar is JavaScript's but for words such as `nan` and `inf`.
    let decimal =
        unsigned.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'e' | b'E' | b'+' | b'-'));
    if decimal { text.parse().ok() } else { None }
}

fn with_radix(digits: &str, radix: u32) -> Option<f64> {
    if digits.is_empty() {
        return None;
    }
    digits.chars().try_fold(0.0, |value, c| Some(value * f64::from(radix) + f64::from(c.to_digit(radix)?)))
}

/// What `String(number)` gives: the shortest decimal that reads back, with an exponent from 1e21 and below 1e-6.
pub(crate) fn number_to_string(number: f64) -> String {
    if number.is_nan() {
        return "NaN".to_owned();
    }
    if number.is_infinite() {
        return if number > 0.0 { "Infinity".to_owned() } else { "-Infinity".to_owned() };
    }
    let magnitude = number.abs();
    if number == 0.0 {
        return "0".to_owned();
    }
    if (1e-6..1e21).contains(&magnitude) {
        return number.to_string();
    }
    let scientific = format!("{number:e}");
    match scientific.split_once('e') {
        Some((digits, exponent)) if !exponent.starts_with('-') => format!("{digits}e+{exponent}"),
        _ => scientific,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_become_the_numbers_that_javascript_makes_of_them() {
        let cases = [
            ("", Some(0.0)),
            (" \u{a0}", Some(0.0)),
            ("7", Some(7.0)),
            ("-7.5", Some(-7.5)),
            (".5", Some(0.5)),
            ("5.", Some(5.0)),
            ("1e3", Some(1000.0)),
            ("0x400", Some(1024.0)),
            ("0b101", Some(5.0)),
            ("0O17", Some(15.0)),
            ("-Infinity", Some(f64::NEG_INFINITY)),
            ("+1", Some(1.0)),
            ("7x", None),
            ("-0x1", None),
            ("0x", None),
            ("inf", None),
            ("nan", None),
            ("1_000", None),
            (".", None),
            ("e5", None),
            ("1e", None),
            ("--1", None),
        ];
        for (text, number) in cases {
            assert_eq!(string_to_number(text), number, "{text:?}");
        }
    }

    #[test]
    fn numbers_print_as_javascript_prints_them() {
        let cases = [
            (0.0, "0"),
            (-0.0, "0"),
            (1.5, "1.5"),
            (1e20, "100000000000000000000"),
            (1e21, "1e+21"),
            (1.5e300, "1.5e+300"),
            (1e-6, "0.000001"),
            (1.5e-7, "1.5e-7"),
            (f64::NAN, "NaN"),
            (f64::NEG_INFINITY, "-Infinity"),
            (20_240_506_070_809_123.0, "20240506070809124"),
        ];
        for (number, text) in cases {
            assert_eq!(number_to_string(number), text);
        }
    }
}
