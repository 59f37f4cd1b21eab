//! The format language: tokens, `[literal]` text, `\` escapes, and the long forms `L`, `LT` ….

use super::calendar::{ISO_WEEKS, LOCALE_WEEKS, Local};
use super::{INVALID, Instant, Zone};
use crate::javascript::is_line_end;

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const WEEKDAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

/// Names for whole formats, longest first where one starts another.
const LONG_FORMS: [(&str, &str); 10] = [
    ("LTS", "h:mm:ss A"),
    ("LT", "h:mm A"),
    ("LLLL", "dddd, MMMM D, YYYY h:mm A"),
    ("LLL", "MMMM D, YYYY h:mm A"),
    ("LL", "MMMM D, YYYY"),
    ("L", "MM/DD/YYYY"),
    ("llll", "ddd, MMM D, YYYY h:mm A"),
    ("lll", "MMM D, YYYY h:mm A"),
    ("ll", "MMM D, YYYY"),
    ("l", "M/D/YYYY"),
];

/// Tokens in the order in which they are tried.
const TOKENS: &[&str] = &[
    "Hmmss",
    "hmmss",
    "Hmm",
    "hmm",
    "Mo",
    "MMMM",
    "MMM",
    "MM",
    "M",
    "Do",
    "DDDo",
    "DDDD",
    "DDD",
    "DD",
    "D",
    "dddd",
    "ddd",
    "dd",
    "do",
    "d",
    "wo",
    "w|",
    "ww",
    "w",
    "Wo",
    "W|",
    "WW",
    "W",
    "Qo",
    "Q",
    "NNNNN",
    "NNNN",
    "NNN",
    "NN",
    "N",
    "YYYYYY",
    "YYYYY",
    "YYYY",
    "YY",
    "Y",
    "yyyy",
    "yyy",
    "yy",
    "yo",
    "y",
    "ggggg",
    "gggg",
    "gg",
    "GGGGG",
    "GGGG",
    "GG",
    "e",
    "E",
    "a",
    "A",
    "hh",
    "h",
    "HH",
    "H",
    "kk",
    "k",
    "mm",
    "m",
    "ss",
    "s",
    "SSSSSSSSS",
    "SSSSSSSS",
    "SSSSSSS",
    "SSSSSS",
    "SSSSS",
    "SSSS",
    "SSS",
    "SS",
    "S",
    "x",
    "X",
    "zz",
    "z",
    "ZZ",
    "Z",
];

/// `instant` on the clock of `zone`; an empty format is ISO 8601 to the second.
pub(crate) fn format(instant: Instant, format: &str, zone: &Zone) -> String {
    let Some(instant) = instant else { return INVALID.to_owned() };
    let (offset, abbreviation) = zone.at(instant);
    let clock = Clock { instant, offset, abbreviation, local: Local::new(instant, offset) };
    let format = match format {
        "" if zone.is_utc(offset) => "YYYY-MM-DDTHH:mm:ss[Z]",
        "" => "YYYY-MM-DDTHH:mm:ssZ",
        given => given,
    };
    let mut output = String::new();
    for piece in pieces(&with_long_forms(format), TOKENS, true) {
        match piece {
            Piece::Token(token) => clock.write(token, &mut output),
            Piece::Literal(text) => {
                output.push_str(text.strip_prefix('[').unwrap_or(text).strip_suffix(']').unwrap_or(text))
            }
            Piece::Escaped(text) => output.extend(text.chars().filter(|&c| c != '\\')),
            Piece::Other(c) if is_line_end(c) || c == '\\' => {}
            Piece::Other(c) => output.push(c),
        }
    }
    output
}

/// A part of a format.
enum Piece<'a> {
    Token(&'static str),
    /// `[text]`
    Literal(&'a str),
    /// A backslash and the token or character behind it.
    Escaped(&'a str),
    Other(char),
}

/// Cuts a format into pieces. Whether a backslash escapes `any` character, or only tokens, depends on who reads.
fn pieces<'a>(
    mut format: &'a str,
    tokens: &'static [&'static str],
    any: bool,
) -> impl Iterator<Item = Piece<'a>> {
    std::iter::from_fn(move || {
        let (piece, length) = piece(format, tokens, any)?;
        format = &format[length..];
        Some(piece)
    })
}

/// The first piece of a format, and its length.
fn piece<'a>(format: &'a str, tokens: &'static [&'static str], any: bool) -> Option<(Piece<'a>, usize)> {
    let token = |text: &str| tokens.iter().copied().find(|token| text.starts_with(token));
    let first = format.chars().next()?;
    if first == '[' {
        let reach = format[1..].find('[').map_or(format.len(), |at| at + 1);
        if let Some(end) = format[..reach].rfind(']') {
            return Some((Piece::Literal(&format[..=end]), end + 1));
        }
    }
    if let Some(found) = token(format) {
        return Some((Piece::Token(found), found.len()));
    }
    if let Some(rest) = format.strip_prefix('\\') {
        let character = rest.chars().next().filter(|&c| any && !is_line_end(c)).map_or(0, char::len_utf8);
        let length = 1 + token(rest).map_or(character, str::len);
        return Some((Piece::Escaped(&format[..length]), length));
    }
    Some((Piece::Other(first), first.len_utf8()))
}

/// The format with `L`, `LT` … written out.
fn with_long_forms(format: &str) -> String {
    const NAMES: &[&str] = &["LTS", "LT", "LLLL", "LLL", "LL", "L", "llll", "lll", "ll", "l"];
    let mut output = String::with_capacity(format.len());
    for piece in pieces(format, NAMES, false) {
        match piece {
            Piece::Token(name) => {
                let long = LONG_FORMS.iter().find(|(known, _)| *known == name);
                output.push_str(long.map_or(name, |(_, format)| format));
            }
            Piece::Literal(text) | Piece::Escaped(text) => output.push_str(text),
            Piece::Other(c) => output.push(c),
        }
    }
    output
}

/// An instant with all that tokens may ask of it.
struct Clock {
    instant: i64,
    offset: i64,
    abbreviation: String,
    local: Local,
}

impl Clock {
    fn write(&self, token: &'static str, output: &mut String) {
        let local = &self.local;
        let text = match token {
            "M" => (local.month + 1).to_string(),
            "MM" => padded(local.month + 1, 2),
            "Mo" => ordinal(local.month + 1),
            "MMM" => MONTHS[local.month as usize][..3].to_owned(),
            "MMMM" => MONTHS[local.month as usize].to_owned(),
            "Q" => (local.month / 3 + 1).to_string(),
            "Qo" => ordinal(local.month / 3 + 1),
            "D" => local.day.to_string(),
            "DD" => padded(local.day, 2),
            "Do" => ordinal(local.day),
            "DDD" => local.day_of_year.to_string(),
            "DDDD" => padded(local.day_of_year, 3),
            "DDDo" => ordinal(local.day_of_year),
            "d" | "e" => local.weekday.to_string(),
            "do" => ordinal(local.weekday),
            "dd" => WEEKDAYS[local.weekday as usize][..2].to_owned(),
            "ddd" => WEEKDAYS[local.weekday as usize][..3].to_owned(),
            "dddd" => WEEKDAYS[local.weekday as usize].to_owned(),
            "E" => (if local.weekday == 0 { 7 } else { local.weekday }).to_string(),
            "a" => (if local.hour < 12 { "am" } else { "pm" }).to_owned(),
            "A" => (if local.hour < 12 { "AM" } else { "PM" }).to_owned(),
            "z" | "zz" => self.abbreviation.clone(),
            "Z" => self.offset(":"),
            "ZZ" => self.offset(""),
            "X" => self.instant.div_euclid(1000).to_string(),
            "x" => self.instant.to_string(),
            _ => return self.write_family(token, output),
        };
        output.push_str(&text);
    }

    /// Tokens that come in several lengths.
    fn write_family(&self, token: &'static str, output: &mut String) {
        let width = token.len();
        let local = &self.local;
        let text = match token.as_bytes()[0] {
            b'w' | b'W' => self.week_number(token),
            b'g' | b'G' => {
                let rule = if token.starts_with('g') { LOCALE_WEEKS } else { ISO_WEEKS };
                year(local.week(rule).year, width)
            }
            b'Y' => year(local.year, width),
            b'y' | b'N' => era(local.year, token),
            b'S' => fraction(local.millisecond, width),
            b'm' => padded(local.minute, width),
            b's' => padded(local.second, width),
            _ => self.hour(token),
        };
        output.push_str(&text);
    }

    fn week_number(&self, token: &str) -> String {
        let rule = if token.starts_with('w') { LOCALE_WEEKS } else { ISO_WEEKS };
        let week = self.local.week(rule).week;
        match token {
            "wo" | "Wo" => ordinal(week),
            "w|" | "W|" => token.to_owned(),
            _ => padded(week, token.len()),
        }
    }

    fn hour(&self, token: &str) -> String {
        let Local { hour, minute, second, .. } = self.local;
        let twelve = if hour % 12 == 0 { 12 } else { hour % 12 };
        let hour = match token.as_bytes()[0] {
            b'h' => twelve,
            b'k' if hour == 0 => 24,
            _ => hour,
        };
        match token.get(1..) {
            Some("mmss") => format!("{hour}{minute:02}{second:02}"),
            Some("mm") => format!("{hour}{minute:02}"),
            _ => padded(hour, token.len()),
        }
    }

    fn offset(&self, separator: &str) -> String {
        let minutes = self.offset.abs();
        let sign = if self.offset < 0 { '-' } else { '+' };
        format!("{sign}{:02}{separator}{:02}", minutes / 60, minutes % 60)
    }
}

/// At least `width` digits, with a sign before a negative number.
fn padded(number: i64, width: usize) -> String {
    let sign = if number < 0 { "-" } else { "" };
    format!("{sign}{:0width$}", number.abs())
}

fn ordinal(number: i64) -> String {
    let suffix = match (number / 10 % 10, number % 10) {
        (1, _) => "th",
        (_, 1) => "st",
        (_, 2) => "nd",
        (_, 3) => "rd",
        _ => "th",
    };
    format!("{number}{suffix}")
}

/// A year in `width` letters: two are the years of the century, six carry a sign, one is at least four digits.
fn year(year: i64, width: usize) -> String {
    match width {
        1 if year > 9999 => format!("+{year}"),
        1 => padded(year, 4),
        2 => padded(year % 100, 2),
        6 if year >= 0 => format!("+{}", padded(year, 6)),
        _ => padded(year, width),
    }
}

/// The era's name, or the year counted within it.
fn era(year: i64, token: &str) -> String {
    let common = year > 0;
    let counted = if common { year } else { 1 - year };
    match token {
        "NNNN" => (if common { "Anno Domini" } else { "Before Christ" }).to_owned(),
        "yo" => ordinal(counted),
        _ if token.starts_with('N') => (if common { "AD" } else { "BC" }).to_owned(),
        _ => padded(counted, token.len()),
    }
}

/// The first `width` digits of the second's fraction.
fn fraction(millisecond: i64, width: usize) -> String {
    let digits = format!("{millisecond:03}000000");
    digits[..width].to_owned()
}
