//! Sizes and times as docker prints them.

use std::time::Duration;

/// `1234567` as `1.23MB`: powers of 1000, three significant digits.
pub(crate) fn bytes(count: u64) -> String {
    const UNITS: [&str; 6] = ["B", "kB", "MB", "GB", "TB", "PB"];
    let mut value = count as f64;
    let mut unit = 0;
    while value >= 999.5 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    let decimals = match value {
        _ if unit == 0 => 0,
        v if v < 9.995 => 2,
        v if v < 99.95 => 1,
        _ => 0,
    };
    format!("{value:.decimals$}{}", UNITS[unit])
}

/// `83.2s`, `120ms`, `2m05s`.
pub(crate) fn duration(time: Duration) -> String {
    match time.as_millis() {
        ms if ms < 1000 => format!("{ms}ms"),
        ms if ms < 100_000 => format!("{:.1}s", ms as f64 / 1000.0),
        ms => format!("{}m{:02}s", ms / 60_000, ms / 1000 % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_keep_three_digits() {
        for (count, text) in [
            (0, "0B"),
            (999, "999B"),
            (1000, "1.00kB"),
            (12_345, "12.3kB"),
            (999_499, "999kB"),
            (999_500, "1.00MB"),
            (3_100_000_000, "3.10GB"),
        ] {
            assert_eq!(bytes(count), text);
        }
    }

    #[test]
    fn times_are_as_exact_as_they_are_useful() {
        for (ms, text) in [(7, "7ms"), (1200, "1.2s"), (83_250, "83.2s"), (125_000, "2m05s")] {
            assert_eq!(duration(Duration::from_millis(ms)), text);
        }
    }
}
