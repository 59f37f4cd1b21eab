//! `new Date(text)`: the forms in which CI systems and git write instants.

use jiff::fmt::rfc2822;

use super::trim;

/// Milliseconds since 1970 that `text` names; none for an invalid date.
///
/// ECMAScript's own format (2024-05-06[T07:08[:09[.789]]][Z|±hh:mm]), git's `2024-05-06 07:08:09 +0200`, and
/// the form of mail headers. Without an offset it is UTC.
pub(crate) fn parse_date(text: &str) -> Option<i64> {
    ecmascript(text).or_else(|| git(trim(text).trim_matches('"'))).or_else(|| mail(trim(text)))
}

fn mail(text: &str) -> Option<i64> {
    Some(rfc2822::parse(text).ok()?.timestamp().as_millisecond())
}

/// What stands before the offset, which a blank sets apart, reads as in ECMAScript's format.
fn git(text: &str) -> Option<i64> {
    let (time, offset) = text.rsplit_once(' ')?;
    let is_offset = offset.len() == 5 && offset.starts_with(['+', '-']);
    if is_offset { ecmascript(&format!("{time}{offset}")) } else { None }
}

/// Reads the parts of ECMAScript's format one by one.
struct Reader<'a>(&'a str);

impl Reader<'_> {
    /// Exactly `count` digits.
    fn digits(&mut self, count: usize) -> Option<i64> {
        let digits = self.0.get(..count).filter(|digits| digits.bytes().all(|b| b.is_ascii_digit()))?;
        self.0 = &self.0[count..];
        digits.parse().ok()
    }

    fn mark(&mut self, mark: char) -> Option<()> {
        self.0 = self.0.strip_prefix([mark, mark.to_ascii_lowercase()])?;
        Some(())
    }

    /// Milliseconds of `.789…`; digits behind the third are dropped.
    fn fraction(&mut self) -> Option<i64> {
        let count = self.0.len() - self.0.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (digits, rest) = self.0.split_at(count);
        self.0 = rest;
        let kept = digits.get(..3.min(count)).filter(|kept| !kept.is_empty())?;
        format!("{kept:0<3}").parse().ok()
    }

    /// `Z`, `±hh:mm` or `±hhmm`, in minutes east; UTC where nothing is written.
    fn offset(&mut self) -> Option<i64> {
        let sign = match self.0.chars().next() {
            None => return Some(0),
            Some('Z' | 'z') => return self.mark('Z').map(|()| 0),
            Some('+') => 1,
            Some('-') => -1,
            Some(_) => return None,
        };
        self.0 = &self.0[1..];
        let hours = self.digits(2)?;
        // Both spellings are read.
        let _ = self.mark(':');
        let minutes = self.digits(2)?;
        (hours < 24 && minutes < 60).then_some(sign * (hours * 60 + minutes))
    }

    fn year(&mut self) -> Option<i64> {
        let sign = match self.0.chars().next()? {
            '+' => 1,
            '-' => -1,
            _ => return self.digits(4),
        };
        self.0 = &self.0[1..];
        Some(sign * self.digits(6)?)
    }
}

fn ecmascript(text: &str) -> Option<i64> {
    let mut reader = Reader(text);
    let year = reader.year()?;
    let (mut month, mut day) = (1, 1);
    if reader.mark('-').is_some() {
        month = reader.digits(2)?;
        if reader.mark('-').is_some() {
            day = reader.digits(2)?;
        }
    }
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let midnight = days_from_civil(year, month, day) * 86_400_000;
    if reader.0.is_empty() {
        return Some(midnight);
    }
    reader.mark('T').or_else(|| reader.mark(' '))?;
    let hour = reader.digits(2)?;
    reader.mark(':')?;
    let minute = reader.digits(2)?;
    let (mut second, mut millisecond) = (0, 0);
    if reader.mark(':').is_some() {
        second = reader.digits(2)?;
        if reader.mark('.').is_some() {
            millisecond = reader.fraction()?;
        }
    }
    let offset = reader.offset()?;
    let in_day =
        (hour < 24 || (hour == 24 && minute + second + millisecond == 0)) && minute < 60 && second < 60;
    let time = ((hour * 60 + minute - offset) * 60 + second) * 1000 + millisecond;
    (in_day && reader.0.is_empty()).then_some(midnight + time)
}

/// Days from 1970-01-01 to a date of the proleptic Gregorian calendar; days past the month's end run on.
pub(crate) fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_read_as_in_v8() {
        let cases = [
            ("2024-05-06T07:08:09+02:00", Some("2024-05-06T05:08:09Z")),
            ("2024-05-06T07:08:09+0200", Some("2024-05-06T05:08:09Z")),
            ("2024-05-06t07:08:09z", Some("2024-05-06T07:08:09Z")),
            ("2024-05-06", Some("2024-05-06T00:00:00Z")),
            ("2024-05", Some("2024-05-01T00:00:00Z")),
            ("2024", Some("2024-01-01T00:00:00Z")),
            ("2024-05-06T07:08", Some("2024-05-06T07:08:00Z")),
            ("2024-05-06T24:00:00Z", Some("2024-05-07T00:00:00Z")),
            ("2024-02-30T00:00:00Z", Some("2024-03-01T00:00:00Z")),
            ("2019-07-04T04:05:06.789Z", Some("2019-07-04T04:05:06.789Z")),
            ("2019-07-04T04:05:06.7891234Z", Some("2019-07-04T04:05:06.789Z")),
            ("+002024-05-06T00:00:00Z", Some("2024-05-06T00:00:00Z")),
            ("\"2024-05-06 05:08:09 +0000\"", Some("2024-05-06T05:08:09Z")),
            ("2024-05-06 07:08:09 +0200", Some("2024-05-06T05:08:09Z")),
            ("Mon, 06 May 2024 07:08:09 +0000", Some("2024-05-06T07:08:09Z")),
            ("", None),
            ("not a date", None),
            ("1714972089", None),
            ("2024-13-01", None),
            ("2024-05-06T07:08:60Z", None),
            ("2024-05-06T07:08:09+02", None),
            ("2024-05-06T7:08:09Z", None),
            ("2024-05-06T07:08:09Zx", None),
            ("2024-05-06T07:08:09.Z", None),
        ];
        for (text, expected) in cases {
            let expected = expected.map(|e| e.parse::<jiff::Timestamp>().unwrap().as_millisecond());
            assert_eq!(parse_date(text), expected, "{text:?}");
        }
    }
}
