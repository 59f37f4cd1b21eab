//! One pattern of moby's pattern language: `*` and `?` stay within a name, `**` goes through directories,
//! `[…]` and the backslash are as in Go's globs.

use regex::Regex;

use super::PatternError;
use super::glob::{self, Term};

/// A pattern, ready to match whole paths.
#[derive(Debug, Clone)]
pub(super) struct Pattern {
    text: String,
    matcher: Matcher,
}

/// How a pattern is matched: most need no regular expression.
#[derive(Debug, Clone)]
enum Matcher {
    /// The path itself.
    Exact,
    /// `dir/**`: everything that starts so.
    Prefix(String),
    /// `**/name` or `**name`: everything that ends so.
    Suffix(String),
    Regex(Regex),
}

impl Pattern {
    /// Reads a pattern that is already clean: relative, without `.` and `..`.
    ///
    /// # Errors
    /// If Go's `filepath.Match` would refuse it.
    pub(super) fn new(text: &str) -> Result<Self, PatternError> {
        let syntax = || PatternError::Syntax { pattern: text.into() };
        let terms = glob::terms(text).ok_or_else(syntax)?;
        let is_plain = |terms: &[Term]| terms.iter().all(|term| matches!(term, Term::Literal(_)));
        let is_escaped = text.contains('\\');
        let matcher = match terms.as_slice() {
            terms if is_plain(terms) && !is_escaped => Matcher::Exact,
            [Term::Star, Term::Star, rest @ ..] if is_plain(rest) && !is_escaped => {
                Matcher::Suffix(text[2..].into())
            }
            [start @ .., Term::Star, Term::Star] if is_plain(start) && !is_escaped => {
                Matcher::Prefix(text[..text.len() - 2].into())
            }
            terms => Matcher::Regex(Regex::new(&expression(terms)).map_err(|_| syntax())?),
        };
        Ok(Self { text: text.into(), matcher })
    }

    /// The pattern as it was given.
    pub(super) fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether the pattern matches the whole of `path`.
    pub(super) fn matches(&self, path: &str) -> bool {
        match &self.matcher {
            Matcher::Exact => path == self.text,
            Matcher::Prefix(prefix) => path.starts_with(prefix.as_str()),
            Matcher::Suffix(suffix) => {
                path.ends_with(suffix.as_str()) || suffix.strip_prefix('/') == Some(path)
            }
            Matcher::Regex(regex) => regex.is_match(path),
        }
    }

    /// What every match starts with, and whether that is all there is to it.
    pub(super) fn fixed_prefix(&self) -> (&str, bool) {
        let end = self.text.find(['*', '?', '[', '\\']);
        (&self.text[..end.unwrap_or(self.text.len())], end.is_none())
    }
}

/// The regular expression for a pattern: `**/` is any number of directories, also none.
fn expression(terms: &[Term]) -> String {
    let mut expression = String::from("^");
    let mut terms = terms;
    while let [term, rest @ ..] = terms {
        terms = rest;
        match term {
            Term::Star => match terms {
                [Term::Star] | [Term::Star, Term::Literal('/')] => {
                    expression.push_str(".*");
                    terms = &[];
                }
                [Term::Star, Term::Literal('/'), rest @ ..] | [Term::Star, rest @ ..] => {
                    expression.push_str("(.*/)?");
                    terms = rest;
                }
                _ => expression.push_str("[^/]*"),
            },
            Term::Any => expression.push_str("[^/]"),
            Term::Literal(c) => push_literal(&mut expression, *c),
            Term::Class { negated, ranges } => {
                expression.push_str(if *negated { "[^" } else { "[" });
                for (low, high) in ranges {
                    push_literal(&mut expression, *low);
                    expression.push('-');
                    push_literal(&mut expression, *high);
                }
                expression.push(']');
            }
        }
    }
    expression.push('$');
    expression
}

fn push_literal(expression: &mut String, c: char) {
    expression.push_str(&regex::escape(c.encode_utf8(&mut [0; 4])));
}

/// The shortest path that means the same (Go's `filepath.Clean`): without `.`, `..` and double slashes.
pub(crate) fn clean(path: &str) -> String {
    let is_rooted = path.starts_with('/');
    let mut names: Vec<&str> = Vec::new();
    for name in path.split('/') {
        match name {
            "" | "." => {}
            ".." if names.last().is_some_and(|last| *last != "..") => {
                names.pop();
            }
            ".." if is_rooted => {}
            _ => names.push(name),
        }
    }
    match (is_rooted, names.is_empty()) {
        (true, _) => format!("/{}", names.join("/")),
        (false, true) => ".".into(),
        (false, false) => names.join("/"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_cleaned_as_go_does() {
        for (path, cleaned) in [
            ("a", "a"),
            ("./a//b/", "a/b"),
            ("a/../b", "b"),
            ("a/..", "."),
            ("../a/../..", "../.."),
            ("/../a", "/a"),
            ("/", "/"),
            ("!a/./b", "!a/b"),
        ] {
            assert_eq!(clean(path), cleaned, "{path}");
        }
    }
}
