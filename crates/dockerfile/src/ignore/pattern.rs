//! One pattern of moby's pattern language: `*` and `?` stay within a name, `**` goes through directories,
//! `[…]` and the backslash are as in Go's globs.
//!
//! Matching takes time in proportion to pattern times path, whatever the pattern; most patterns need only a
//! comparison of strings.

use super::PatternError;
use super::glob::{self, Term};

/// A pattern, ready to match whole paths.
#[derive(Debug, Clone)]
pub(super) struct Pattern {
    text: String,
    matcher: Matcher,
}

/// How a pattern is matched.
#[derive(Debug, Clone)]
enum Matcher {
    /// The path itself.
    Exact,
    /// `dir/**`: everything that starts so.
    Prefix(String),
    /// `**/name` or `**name`: everything that ends so.
    Suffix(String),
    Steps(Vec<Step>),
}

/// A part of a pattern as it is walked through.
#[derive(Debug, Clone)]
enum Step {
    /// One character.
    One(Term),
    /// `*`: any number of characters of a name.
    Name,
    /// `**/`: any number of directories, also none. Before any of it is read.
    Dirs,
    /// `**/`, of which something is read: it ends with a slash only.
    InDirs,
    /// `**` at the end: everything.
    Rest,
}

impl Pattern {
    /// Reads a pattern that is already clean: relative, without `.` and `..`.
    ///
    /// # Errors
    /// If Go's `filepath.Match` would refuse it, or a range in it runs backwards.
    pub(super) fn new(text: &str) -> Result<Self, PatternError> {
        let terms = glob::terms(text).filter(|terms| !terms.iter().any(runs_backwards));
        let terms = terms.ok_or_else(|| PatternError::Syntax { pattern: text.into() })?;
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
            terms => Matcher::Steps(steps(terms)),
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
            Matcher::Steps(steps) => may_match(steps, path) && walk(steps, path),
        }
    }

    /// What every match starts with, and whether that is all there is to it.
    pub(super) fn fixed_prefix(&self) -> (&str, bool) {
        let end = self.text.find(['*', '?', '[', '\\']);
        (&self.text[..end.unwrap_or(self.text.len())], end.is_none())
    }
}

fn runs_backwards(term: &Term) -> bool {
    matches!(term, Term::Class { ranges, .. } if ranges.iter().any(|(low, high)| low > high))
}

fn steps(terms: &[Term]) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut terms = terms;
    while let [term, rest @ ..] = terms {
        terms = rest;
        match (term, rest) {
            (Term::Star, [Term::Star, after @ ..]) => {
                terms = after.strip_prefix(&[Term::Literal('/')]).unwrap_or(after);
                if terms.is_empty() {
                    steps.push(Step::Rest);
                } else {
                    steps.extend([Step::Dirs, Step::InDirs]);
                }
            }
            (Term::Star, _) => steps.push(Step::Name),
            (one, _) => steps.push(Step::One(one.clone())),
        }
    }
    steps
}

/// Whether the first and the last character allow a match: what rules out most paths at once.
fn may_match(steps: &[Step], path: &str) -> bool {
    let allows = |step: Option<&Step>, c: Option<char>| match step {
        Some(Step::One(term)) => c.is_some_and(|c| term.matches(c)),
        _ => true,
    };
    allows(steps.last(), path.chars().next_back()) && allows(steps.first(), path.chars().next())
}

/// Walks all ways through the pattern at once.
fn walk(steps: &[Step], path: &str) -> bool {
    let mut here = vec![false; steps.len() + 1];
    enter(steps, &mut here, 0);
    for c in path.chars() {
        let mut next = vec![false; steps.len() + 1];
        for (index, step) in steps.iter().enumerate().filter(|(index, _)| here[*index]) {
            match step {
                Step::One(term) if term.matches(c) => enter(steps, &mut next, index + 1),
                Step::Name if c != '/' => enter(steps, &mut next, index),
                Step::Dirs | Step::InDirs if c != '\n' => {
                    let inside = if matches!(step, Step::Dirs) { index + 1 } else { index };
                    next[inside] = true;
                    if c == '/' {
                        enter(steps, &mut next, inside + 1);
                    }
                }
                Step::Rest if c != '\n' => enter(steps, &mut next, index),
                _ => {}
            }
        }
        here = next;
    }
    here[steps.len()]
}

/// Comes to a step, and to those behind it if it may stand for nothing.
fn enter(steps: &[Step], active: &mut [bool], mut index: usize) {
    loop {
        active[index] = true;
        index += match steps.get(index) {
            Some(Step::Name | Step::Rest) => 1,
            Some(Step::Dirs) => 2,
            _ => return,
        };
    }
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

    #[test]
    fn many_stars_take_no_longer_than_few() {
        let pattern = Pattern::new(&format!("{}b", "*a".repeat(200))).unwrap();
        assert!(!pattern.matches(&format!("{}c", "a".repeat(400))));
        assert!(pattern.matches(&format!("{}b", "a".repeat(400))));
    }
}
