//! Times and sizes in docker's words.

use jiff::Timestamp;

use crate::world::now;

/// A span of so many seconds, as docker says it.
pub(crate) fn span(seconds: i64) -> String {
    let minutes = seconds / 60;
    // Rounded to the nearest, and from here on.
    let hours = (seconds + 1800) / 3600;
    match seconds {
        ..1 => "Less than a second".to_owned(),
        1 => "1 second".to_owned(),
        2..60 => format!("{seconds} seconds"),
        60..120 => "About a minute".to_owned(),
        120..3600 => format!("{minutes} minutes"),
        _ => match hours {
            ..=1 => "About an hour".to_owned(),
            2..48 => format!("{hours} hours"),
            48..336 => format!("{} days", hours / 24),
            336..1440 => format!("{} weeks", hours / 24 / 7),
            1440..17_520 => format!("{} months", hours / 24 / 30),
            _ => format!("{} years", hours / 24 / 365),
        },
    }
}

/// How long ago an RFC 3339 time was; nothing for what is no time.
pub(crate) fn since(time: &str) -> Option<String> {
    let then: Timestamp = time.parse().ok()?;
    Some(span(now().as_second() - then.as_second()))
}

/// `5 minutes ago`.
pub(crate) fn ago(time: &str) -> String {
    since(time).map_or_else(|| "N/A".to_owned(), |span| format!("{span} ago"))
}

/// A time as docker's lists print it: `2026-01-02 03:04:05 +0000 UTC`.
pub(crate) fn clock(time: &str) -> String {
    let Ok(time) = time.parse::<Timestamp>() else { return "N/A".to_owned() };
    time.strftime("%Y-%m-%d %H:%M:%S +0000 UTC").to_string()
}

#[cfg(test)]
mod tests {
    #[test]
    fn spans_are_docker_s() {
        for (seconds, text) in [
            (0, "Less than a second"),
            (1, "1 second"),
            (59, "59 seconds"),
            (61, "About a minute"),
            (150, "2 minutes"),
            (3600, "About an hour"),
            (7200, "2 hours"),
            (86_400 * 3, "3 days"),
            (86_400 * 20, "2 weeks"),
            (86_400 * 70, "2 months"),
            (86_400 * 800, "2 years"),
        ] {
            assert_eq!(super::span(seconds), text);
        }
    }
}
