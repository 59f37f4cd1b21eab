//! Regular expressions of ECMAScript, as `text.match(pattern)` uses them.

use regress::{Flags, Regex};

use super::is_line_end;

/// A compiled pattern.
#[derive(Debug)]
pub(crate) struct Pattern {
    regex: Regex,
    global: bool,
    sticky: bool,
    unicode: bool,
}

/// A pattern that is no regular expression.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{pattern}` is not a regular expression: {problem}")]
pub(crate) struct PatternError {
    pattern: String,
    problem: String,
}

/// What a match gives: the whole and its groups, or with the flag `g` all the wholes.
pub(crate) type Matched = Vec<Option<String>>;

impl Pattern {
    /// Compiles `body`, without flags.
    pub(crate) fn new(body: &str) -> Result<Self, PatternError> {
        Self::with_flags(body, "")
    }

    /// Compiles `/body/flags`, or a body without flags.
    pub(crate) fn from_rule(text: &str) -> Result<Self, PatternError> {
        match delimited(text) {
            Some((body, flags)) => Self::with_flags(body, flags),
            None => Self::new(text),
        }
    }

    fn with_flags(body: &str, flags: &str) -> Result<Self, PatternError> {
        let error = |problem: String| PatternError { pattern: body.to_owned(), problem };
        let has = |flag| flags.contains(flag);
        let known = flags.chars().all(|flag| "dgimsuvy".contains(flag) && flags.matches(flag).count() == 1);
        if !known || (has('u') && has('v')) {
            return Err(error(format!("invalid flags `{flags}`")));
        }
        let regress_flags = Flags {
            icase: has('i'),
            multiline: has('m'),
            dot_all: has('s'),
            unicode: has('u') || has('v'),
            unicode_sets: has('v'),
            ..Flags::default()
        };
        let regex = Regex::with_flags(body, regress_flags).map_err(|e| error(e.to_string()))?;
        Ok(Self { regex, global: has('g'), sticky: has('y'), unicode: has('u') || has('v') })
    }

    /// What `text.match(pattern)` gives; none where it does not match.
    pub(crate) fn matches(&self, text: &str) -> Option<Matched> {
        let units: Vec<u16> = text.encode_utf16().collect();
        let read = |range: std::ops::Range<usize>| String::from_utf16_lossy(&units[range]);
        let mut found = Vec::new();
        let mut end = 0;
        for hit in self.hits(&units) {
            if self.sticky && hit.start() != end {
                break;
            }
            if !self.global {
                let groups = (0..=hit.captures.len()).map(|group| hit.group(group).map(read));
                return Some(groups.collect());
            }
            end = hit.end();
            if hit.range().is_empty() {
                // The next match is looked for behind the next character.
                let pair = self.unicode && units.get(end).is_some_and(|unit| (0xd800..0xdc00).contains(unit));
                end += if pair { 2 } else { 1 };
            }
            found.push(Some(read(hit.range())));
        }
        (!found.is_empty()).then_some(found)
    }

    /// Without the flags `u` and `v` a pattern sees UTF-16 units, with them characters.
    fn hits(&self, units: &[u16]) -> Vec<regress::Match> {
        let wanted = if self.global { usize::MAX } else { 1 };
        if self.unicode {
            self.regex.find_from_utf16(units, 0).take(wanted).collect()
        } else {
            self.regex.find_from_ucs2(units, 0).take(wanted).collect()
        }
    }
}

/// The parts of `/body/flags`, where the body is as long as it can be and not empty.
fn delimited(text: &str) -> Option<(&str, &str)> {
    let (body, flags) = text.strip_prefix('/')?.rsplit_once('/')?;
    (!body.is_empty() && !text.contains(is_line_end)).then_some((body, flags))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, text: &str) -> Option<Vec<Option<String>>> {
        Pattern::from_rule(pattern).unwrap().matches(text)
    }

    fn some(groups: &[&str]) -> Option<Vec<Option<String>>> {
        Some(groups.iter().map(|group| Some((*group).to_owned())).collect())
    }

    #[test]
    fn patterns_match_as_in_ecmascript() {
        assert_eq!(matches(r"v(\d+)\.(\d+)", "v1.2.3"), some(&["v1.2", "1", "2"]));
        assert_eq!(matches(r"(?<=v)(?<major>\d+)", "v12"), some(&["12", "12"]));
        assert_eq!(matches(r"(a)\1", "xaa"), some(&["aa", "a"]));
        assert_eq!(matches("/V/i", "v1"), some(&["v"]));
        assert_eq!(matches(r"/\d+/g", "1.22.3"), some(&["1", "22", "3"]));
        assert_eq!(matches(r"/\d/gy", "12x3"), some(&["1", "2"]));
        assert_eq!(matches("/a/b/", "xa/b"), some(&["a/b"]));
        assert_eq!(matches("", "abc"), some(&[""]));
        assert_eq!(matches("//", "a//b"), some(&["//"]));
        assert_eq!(matches("x", "abc"), None);
        assert_eq!(matches("/b/y", "abc"), None);
        assert_eq!(matches("(a)|(b)", "b"), Some(vec![Some("b".into()), None, Some("b".into())]));
    }

    #[test]
    fn without_the_flag_u_a_character_outside_the_basic_plane_is_two() {
        assert_eq!(matches("^..$", "🚢").map(|m| m.len()), Some(1));
        assert_eq!(matches("/^..$/u", "🚢"), None);
    }

    #[test]
    fn broken_patterns_are_errors() {
        for pattern in ["(", "/a/zz", "/a/ii", "/a/uv", "[b-a]", "(?<n"] {
            assert!(Pattern::from_rule(pattern).is_err(), "{pattern}");
        }
    }
}
