//! The patterns of `#`, `%` and `/`: `*` is any text, `?` any character, a backslash takes the next one of
//! `*`, `?` and `\` literally. Neither wildcard matches a line end.

use regex::{NoExpand, Regex, RegexBuilder};

use super::MAX_LENGTH;

/// How long a pattern may be, in bytes, and how large once it is compiled.
const MAX_PATTERN: usize = 16 << 10;
const MAX_COMPILED: usize = 4 << 20;

/// `value` without the text at its start that `pattern` matches.
pub(super) fn trim_prefix(value: &str, pattern: &str, longest: bool) -> Result<String, String> {
    let regex = compile(pattern, longest, true)?;
    let end = regex.find(value).map_or(0, |found| found.end());
    Ok(value[end..].to_string())
}

/// `value` without the text at its end that `pattern` matches. A search runs from the left, and the
/// shortest match is wanted from the right; so both are turned round.
pub(super) fn trim_suffix(value: &str, pattern: &str, longest: bool) -> Result<String, String> {
    let value: String = value.chars().rev().collect();
    let trimmed = trim_prefix(&value, &reversed(pattern), longest)?;
    Ok(trimmed.chars().rev().collect())
}

/// `value` with the first match of `pattern`, or every one, replaced.
pub(super) fn replace(value: &str, pattern: &str, replacement: &str, all: bool) -> Result<String, String> {
    let regex = compile(pattern, true, false)?;
    if !all {
        return Ok(regex.replace(value, NoExpand(replacement)).into_owned());
    }
    let matches = regex.find_iter(value).count();
    if matches.saturating_mul(replacement.len()) > MAX_LENGTH {
        return Err(format!("variables expand to more than {MAX_LENGTH} bytes"));
    }
    Ok(regex.replace_all(value, replacement).into_owned())
}

/// The pattern from its end to its start, each escape still before what it escapes.
fn reversed(pattern: &str) -> String {
    let mut parts = Vec::new();
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        match (c, chars.clone().next()) {
            ('\\', Some(escaped)) => {
                chars.next();
                parts.push(vec!['\\', escaped]);
            }
            _ => parts.push(vec![c]),
        }
    }
    parts.into_iter().rev().flatten().collect()
}

fn compile(pattern: &str, longest: bool, at_start: bool) -> Result<Regex, String> {
    if pattern.len() > MAX_PATTERN {
        return Err(format!("the pattern in a substitution is longer than {MAX_PATTERN} bytes"));
    }
    let invalid = |reason: String| format!("invalid pattern ({pattern}) in substitution: {reason}");
    let expression = expression(pattern, longest, at_start).map_err(invalid)?;
    RegexBuilder::new(&expression)
        .size_limit(MAX_COMPILED)
        .build()
        .map_err(|error| invalid(error.to_string()))
}

fn expression(pattern: &str, longest: bool, at_start: bool) -> Result<String, String> {
    let mut expression = String::with_capacity(pattern.len() + 4);
    if at_start {
        expression.push('^');
    }
    let mut chars = pattern.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '*' => expression.push_str(if longest { ".*" } else { ".*?" }),
            '?' => expression.push('.'),
            // The escape was for the braces around the pattern and is no part of it.
            '\\' if matches!(chars.peek(), Some('}' | '/')) => {}
            '\\' => match chars.next() {
                Some(c @ ('*' | '?' | '\\')) => push_literal(&mut expression, c),
                other => {
                    return Err(format!(
                        "invalid escape '\\{}'",
                        other.unwrap_or(char::REPLACEMENT_CHARACTER)
                    ));
                }
            },
            _ => push_literal(&mut expression, c),
        }
    }
    Ok(expression)
}

fn push_literal(expression: &mut String, c: char) {
    expression.push_str(&regex::escape(c.encode_utf8(&mut [0; 4])));
}
