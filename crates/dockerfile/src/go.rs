//! Values as Go's standard library reads them, because BuildKit leaves them to it.

/// `strconv.ParseBool`.
pub(crate) fn parse_bool(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

/// `time.ParseDuration`, in nanoseconds.
///
/// # Errors
/// Go's sentence.
pub(crate) fn parse_duration(text: &str) -> Result<i64, String> {
    let invalid = || format!("time: invalid duration {text:?}");
    let (negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Ok(0);
    }
    if rest.is_empty() {
        return Err(invalid());
    }
    let mut total: i128 = 0;
    while !rest.is_empty() {
        let number = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let (digits, after) = rest.split_at(number);
        let unit = after.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(after.len());
        let (unit, after) = after.split_at(unit);
        if digits.is_empty() || digits == "." || digits.matches('.').count() > 1 {
            return Err(invalid());
        }
        if unit.is_empty() {
            return Err(format!("time: missing unit in duration {text:?}"));
        }
        let scale =
            nanoseconds(unit).ok_or_else(|| format!("time: unknown unit {unit:?} in duration {text:?}"))?;
        total = decimal(digits, scale).and_then(|part| total.checked_add(part)).ok_or_else(invalid)?;
        rest = after;
    }
    let total = if negative { -total } else { total };
    i64::try_from(total).map_err(|_| invalid())
}

fn nanoseconds(unit: &str) -> Option<i128> {
    Some(match unit {
        "ns" => 1,
        "us" | "µs" | "μs" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        _ => return None,
    })
}

/// `digits` with an optional fraction, times `scale`; what is finer than one is cut off.
fn decimal(digits: &str, scale: i128) -> Option<i128> {
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let whole: i128 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    // Eighteen digits are finer than a nanosecond in an hour, and leave room to multiply.
    let fraction = &fraction[..fraction.len().min(18)];
    let mut part = 0;
    if !fraction.is_empty() {
        let parts = 10_i128.pow(u32::try_from(fraction.len()).ok()?);
        part = fraction.parse::<i128>().ok()?.checked_mul(scale)? / parts;
    }
    whole.checked_mul(scale)?.checked_add(part)
}

/// A size in bytes as docker reads it (`units.RAMInBytes`): a number with `b`, `k`, `m`, `g`, `t` or `p`,
/// all powers of 1024, optionally followed by `b` or `ib`.
pub(crate) fn parse_ram_size(text: &str) -> Option<u64> {
    let split = text.rfind(|c: char| c.is_ascii_digit() || c == '.' || c == ' ')?;
    let number = text[..=split].strip_suffix(' ').unwrap_or(&text[..=split]);
    let suffix = text[split + 1..].to_ascii_lowercase();
    let number: f64 = number.parse().ok().filter(|n: &f64| *n >= 0.0 && n.is_finite())?;
    let (power, tail) = match suffix.chars().next() {
        None | Some('b') => (0, suffix.as_str()),
        Some(unit) => (1 + i32::try_from("kmgtp".find(unit)?).ok()?, &suffix[1..]),
    };
    if !(matches!(tail, "" | "b") || (power > 0 && tail == "ib")) {
        return None;
    }
    // A float's conversion saturates.
    Some((number * 1024_f64.powi(power)) as u64)
}

/// One record of comma-separated values, as RFC 4180 quotes them.
///
/// # Errors
/// For an empty record and for quotes in the wrong place.
pub(crate) fn csv_record(text: &str) -> Result<Vec<String>, &'static str> {
    if text.is_empty() {
        return Err("EOF");
    }
    let mut fields = Vec::new();
    let mut rest = text;
    loop {
        let (field, after) = if rest.starts_with('"') { quoted_field(rest)? } else { bare_field(rest)? };
        fields.push(field);
        match after.strip_prefix(',') {
            Some(after) => rest = after,
            None => return Ok(fields),
        }
    }
}

fn bare_field(text: &str) -> Result<(String, &str), &'static str> {
    let (field, after) = text.split_at(text.find(',').unwrap_or(text.len()));
    if field.contains('"') {
        return Err("bare \" in non-quoted field");
    }
    Ok((field.into(), after))
}

fn quoted_field(text: &str) -> Result<(String, &str), &'static str> {
    const MISPLACED: &str = "extraneous or missing \" in quoted-field";
    let mut field = String::new();
    let mut rest = &text[1..];
    loop {
        let (part, after) = rest.split_once('"').ok_or(MISPLACED)?;
        field.push_str(part);
        match after.chars().next() {
            Some('"') => {
                field.push('"');
                rest = &after[1..];
            }
            None | Some(',') => return Ok((field, after)),
            Some(_) => return Err(MISPLACED),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        for (text, expected) in [
            ("0", 0),
            ("5s", 5_000_000_000),
            ("1h2m3s4ms5us6ns", 3_723_004_005_006),
            ("1.5m", 90_000_000_000),
            (".5s", 500_000_000),
            ("1.s", 1_000_000_000),
            ("-2ms", -2_000_000),
            ("+1µs", 1_000),
            ("0.0000000001s", 0),
        ] {
            assert_eq!(parse_duration(text), Ok(expected), "{text}");
        }
        for (text, reason) in [
            ("", "time: invalid duration \"\""),
            ("5", "time: missing unit in duration \"5\""),
            ("5x", "time: unknown unit \"x\" in duration \"5x\""),
            ("s", "time: invalid duration \"s\""),
            (".s", "time: invalid duration \".s\""),
            ("1.2.3s", "time: invalid duration \"1.2.3s\""),
            ("99999999999h", "time: invalid duration \"99999999999h\""),
        ] {
            assert_eq!(parse_duration(text), Err(reason.into()), "{text}");
        }
    }

    #[test]
    fn sizes() {
        for (text, expected) in [
            ("10", Some(10)),
            ("10b", Some(10)),
            ("1k", Some(1024)),
            ("1.5Kb", Some(1536)),
            ("64M", Some(64 << 20)),
            ("2GiB", Some(2 << 30)),
            ("1 g", Some(1 << 30)),
            ("", None),
            ("m", None),
            ("1x", None),
            ("1bb", None),
            ("1ib", None),
            ("1kbb", None),
            ("-1m", None),
        ] {
            assert_eq!(parse_ram_size(text), expected, "{text}");
        }
    }

    #[test]
    fn records() {
        assert_eq!(csv_record("type=cache,target=/a b").unwrap(), ["type=cache", "target=/a b"]);
        assert_eq!(csv_record(r#""a=1,2",b="#).unwrap(), ["a=1,2", "b="]);
        assert_eq!(csv_record(r#""say ""x""""#).unwrap(), [r#"say "x""#]);
        assert_eq!(csv_record("a,").unwrap(), ["a", ""]);
        for wrong in ["", r#"a"b"#, r#""a"#, r#""a"b"#] {
            assert!(csv_record(wrong).is_err(), "{wrong}");
        }
    }
}
