//! JavaScript's idea of numbers, white space, dates and patterns.
//!
//! Rules are written for a JavaScript program, and what they mean depends on its conversions: `priority=1e3`,
//! `group=0x1`, `pattern=(?<=v)\d+`. Each conversion stands here once.

mod date;
mod number;
mod pattern;
mod sort;

pub(crate) use date::{days_from_civil, parse_date};
pub(crate) use number::{number_to_string, string_to_number};
pub(crate) use pattern::Pattern;
pub(crate) use sort::sort_by;

/// White space as `\s` and `trim` see it: Unicode's spaces, line ends, and the byte order mark.
pub(crate) fn is_space(c: char) -> bool {
    matches!(
        c,
        '\t'..='\r' | ' ' | '\u{a0}' | '\u{1680}' | '\u{2000}'..='\u{200a}' | '\u{2028}' | '\u{2029}' | '\u{202f}'
            | '\u{205f}' | '\u{3000}' | '\u{feff}'
    )
}

/// The characters that `.` does not match.
pub(crate) fn is_line_end(c: char) -> bool {
    matches!(c, '\n' | '\r' | '\u{2028}' | '\u{2029}')
}

/// `text` without white space around it.
pub(crate) fn trim(text: &str) -> &str {
    text.trim_matches(is_space)
}

/// The first `length` UTF-16 units of `text`; half a pair counts as none.
pub(crate) fn prefix(text: &str, length: usize) -> &str {
    let mut units = 0;
    let end = text.char_indices().find(|(_, c)| {
        units += c.len_utf16();
        units > length
    });
    end.map_or(text, |(at, _)| &text[..at])
}
