//! Go's `filepath.Match`, by which `COPY` and `ADD` find their sources: wildcards stay within a name.

use super::PatternError;

/// A part of a pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Term {
    Literal(char),
    /// `?`
    Any,
    /// `*`
    Star,
    /// `[a-z]`, `[^a-z]`.
    Class {
        negated: bool,
        ranges: Vec<(char, char)>,
    },
}

impl Term {
    /// Whether the term matches this one character.
    pub(super) fn matches(&self, c: char) -> bool {
        match self {
            Self::Literal(literal) => *literal == c,
            Self::Any => c != '/',
            Self::Star => false,
            Self::Class { negated, ranges } => {
                ranges.iter().any(|(low, high)| (*low..=*high).contains(&c)) != *negated
            }
        }
    }
}

/// Whether `pattern` matches the whole of `path`.
///
/// # Errors
/// If a bracket does not close or is empty, or a backslash ends the pattern.
pub fn glob_match(pattern: &str, path: &str) -> Result<bool, PatternError> {
    let terms = terms(pattern).ok_or_else(|| PatternError::Syntax { pattern: pattern.into() })?;
    let path: Vec<char> = path.chars().collect();
    let (mut term, mut at) = (0, 0);
    // The last star, and where what it stands for ends so far.
    let mut star: Option<(usize, usize)> = None;
    loop {
        match (terms.get(term), path.get(at)) {
            (Some(Term::Star), _) => {
                star = Some((term, at));
                term += 1;
            }
            (Some(single), Some(c)) if single.matches(*c) => {
                term += 1;
                at += 1;
            }
            (None, None) => return Ok(true),
            // Let the last star stand for one character more, unless that is a slash.
            _ => match star {
                Some((index, end)) if path.get(end).is_some_and(|c| *c != '/') => {
                    star = Some((index, end + 1));
                    term = index + 1;
                    at = end + 1;
                }
                _ => return Ok(false),
            },
        }
    }
}

/// The terms of a pattern; `None` where it is no pattern.
pub(super) fn terms(pattern: &str) -> Option<Vec<Term>> {
    let mut terms = Vec::new();
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        terms.push(match c {
            '*' => Term::Star,
            '?' => Term::Any,
            '\\' => Term::Literal(chars.next()?),
            '[' => class(&mut chars)?,
            _ => Term::Literal(c),
        });
    }
    Some(terms)
}

/// After `[`: ranges up to `]`, at least one. `-`, `]` and the backslash need a backslash.
fn class(chars: &mut std::str::Chars<'_>) -> Option<Term> {
    let negated = chars.as_str().starts_with('^');
    if negated {
        chars.next();
    }
    let mut ranges = Vec::new();
    while ranges.is_empty() || !chars.as_str().starts_with(']') {
        let low = class_member(chars)?;
        let high = match chars.as_str().strip_prefix('-') {
            Some(rest) => {
                *chars = rest.chars();
                class_member(chars)?
            }
            None => low,
        };
        ranges.push((low, high));
    }
    chars.next();
    Some(Term::Class { negated, ranges })
}

fn class_member(chars: &mut std::str::Chars<'_>) -> Option<char> {
    match chars.next()? {
        '-' | ']' => None,
        '\\' => chars.next(),
        c => Some(c),
    }
}

/// Whether `path` holds a wildcard that no backslash takes away.
pub fn has_wildcard(path: &str) -> bool {
    let mut bytes = path.bytes();
    while let Some(b) = bytes.next() {
        match b {
            b'\\' => {
                bytes.next();
            }
            b'*' | b'?' | b'[' => return true,
            _ => {}
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs_match_as_in_go() {
        for (pattern, path, expected) in [
            ("abc", "abc", true),
            ("*", "abc", true),
            ("*", "", true),
            ("*", "a/b", false),
            ("*c", "abc", true),
            ("a*", "a", true),
            ("a*/b", "abc/b", true),
            ("a*/b", "a/c/b", false),
            ("a*b*c*/f", "axbxcx/f", true),
            ("a*b?c*x", "abxbbxdbxebxczzx", true),
            ("a*b?c*x", "abxbbxdbxebxczzy", false),
            ("ab[b-d]", "abc", true),
            ("ab[^b-d]", "abc", false),
            ("ab[^e-g]", "abc", true),
            ("[^a]", "/", true),
            ("[z-a]", "m", false),
            (r"a\*b", "a*b", true),
            (r"a\*b", "axb", false),
            ("a?b", "a☺b", true),
            ("a?b", "a/b", false),
            ("[a-ζ]*", "α", true),
            (r"[\]a]", "]", true),
            (r"[x\-]", "-", true),
            ("**", "a", true),
            ("**", "a/b", false),
            ("a/**/b", "a/x/b", true),
            ("*x", "xxx", true),
        ] {
            assert_eq!(glob_match(pattern, path), Ok(expected), "{pattern} {path}");
        }
        for bad in ["[]a]", "[-]", "[x-]", "[-x]", r"\", "[a-b-c]", "[", "[^", "[^bc", "a["] {
            assert!(glob_match(bad, "a").is_err(), "{bad}");
        }
    }

    #[test]
    fn wildcards_are_told_from_their_names() {
        for (path, expected) in
            [("a*", true), ("a?", true), ("[a]", true), (r"a\*", false), ("a]", false), ("", false)]
        {
            assert_eq!(has_wildcard(path), expected, "{path}");
        }
    }
}
