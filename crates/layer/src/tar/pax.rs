//! PAX extended header records (POSIX.1-2001 pax, "pax Extended Header"): `length key=value\n`.

use crate::Timestamp;

/// The prefix of keys that carry extended attributes.
pub(super) const XATTR: &str = "SCHILY.xattr.";

/// Appends one record. Its length counts the digits of the length itself.
pub(super) fn push_record(records: &mut Vec<u8>, key: &str, value: &[u8]) {
    let rest = key.len() + value.len() + 3;
    let mut length = rest + decimal_width(rest);
    // The digits may themselves have made the number one digit longer.
    length = rest + decimal_width(length);
    records.extend_from_slice(format!("{length} {key}=").as_bytes());
    records.extend_from_slice(value);
    records.push(b'\n');
}

fn decimal_width(number: usize) -> usize {
    number.checked_ilog10().unwrap_or(0) as usize + 1
}

/// Splits extended header data into keys and values; `None` where it breaks the grammar.
pub(super) fn records(mut data: &[u8]) -> Option<Vec<(&str, &[u8])>> {
    let mut records = Vec::new();
    while !data.is_empty() {
        let space = data.iter().take(20).position(|&byte| byte == b' ')?;
        let length: usize = std::str::from_utf8(&data[..space]).ok()?.parse().ok()?;
        let record = data.get(space + 1..length)?.strip_suffix(b"\n")?;
        let equals = record.iter().position(|&byte| byte == b'=')?;
        records.push((std::str::from_utf8(&record[..equals]).ok()?, &record[equals + 1..]));
        data = &data[length..];
    }
    Some(records)
}

/// A time in decimal seconds, with as many digits after the point as it needs.
pub(super) fn format_time(time: Timestamp) -> String {
    if time.nanoseconds == 0 {
        return time.seconds.to_string();
    }
    let (sign, seconds, nanoseconds) = match time.seconds {
        0.. => ("", time.seconds, time.nanoseconds),
        _ => ("-", -(time.seconds + 1), 1_000_000_000 - time.nanoseconds),
    };
    format!("{sign}{seconds}.{nanoseconds:09}").trim_end_matches('0').to_owned()
}

/// The reverse of [`format_time`]; digits beyond nanoseconds are dropped.
pub(super) fn parse_time(text: &str) -> Option<Timestamp> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let seconds: i64 = whole.parse().ok()?;
    let digits: String = fraction.chars().chain(std::iter::repeat('0')).take(9).collect();
    let nanoseconds: u32 = digits.parse().ok()?;
    if !whole.starts_with('-') || nanoseconds == 0 {
        return Some(Timestamp { seconds, nanoseconds });
    }
    Some(Timestamp { seconds: seconds.checked_sub(1)?, nanoseconds: 1_000_000_000 - nanoseconds })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_counts_its_own_length() {
        let mut data = Vec::new();
        push_record(&mut data, "path", b"a");
        assert_eq!(data, b"9 path=a\n");
        for length in [0, 1, 85, 86, 87, 88, 89, 985, 986, 987, 988, 989, 990] {
            let mut data = Vec::new();
            let value = vec![b'='; length];
            push_record(&mut data, "path", &value);
            push_record(&mut data, "uid", b"7");
            assert_eq!(records(&data), Some(vec![("path", &value[..]), ("uid", &b"7"[..])]));
        }
    }

    #[test]
    fn broken_records_are_refused() {
        for data in [
            &b"9 path=a"[..],
            b"11 path=a\n",
            b"8 path=a\n",
            b"3 a\n",
            b"0 \n",
            b"x path=a\n",
            b"99999999999999999999999 path=a\n",
            b" path=a\n",
            b"5 a=b",
        ] {
            assert_eq!(records(data), None, "{}", data.escape_ascii());
        }
    }

    #[test]
    fn times_survive_both_signs() {
        for (seconds, nanoseconds, text) in [
            (0, 0, "0"),
            (1, 500_000_000, "1.5"),
            (1, 1, "1.000000001"),
            (-1, 0, "-1"),
            (-1, 500_000_000, "-0.5"),
            (-2, 999_999_999, "-1.000000001"),
        ] {
            let time = Timestamp { seconds, nanoseconds };
            assert_eq!(format_time(time), text);
            assert_eq!(parse_time(text), Some(time));
        }
        assert_eq!(parse_time("1.1234567891"), Some(Timestamp { seconds: 1, nanoseconds: 123_456_789 }));
        assert_eq!(parse_time("1.-5"), None);
        assert_eq!(parse_time(""), None);
        assert_eq!(parse_time("1e3"), None);
    }
}
