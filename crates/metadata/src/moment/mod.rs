//! Instants to text in the format language of moment.js (English), which rules use in `{{date 'YYYYMMDD'}}`.

mod calendar;
mod format;
mod zone;

pub(crate) use format::format;
pub(crate) use zone::Zone;

/// Milliseconds since 1970; none for an invalid date.
pub(crate) type Instant = Option<i64>;

/// What an invalid date prints, whatever the format.
const INVALID: &str = "Invalid date";

/// `instant` as ISO 8601 in UTC with milliseconds: `2024-05-06T07:08:09.123Z`.
pub(crate) fn iso(instant: i64) -> String {
    let local = calendar::Local::new(instant, 0);
    let (month, day, hour, minute) = (local.month + 1, local.day, local.hour, local.minute);
    let (second, millisecond) = (local.second, local.millisecond);
    let year = match local.year {
        year @ 0..=9999 => format!("{year:04}"),
        year => format!("{}{:06}", if year < 0 { '-' } else { '+' }, year.abs()),
    };
    format!("{year}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millisecond:03}Z")
}

#[cfg(test)]
mod tests;
