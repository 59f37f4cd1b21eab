//! GitHub's patterns for branches, tags and paths: `*`, `**`, `?`, `+`, `[…]`, `!`.
//!
//! `*` stops at a slash and `**` does not; `?` and `+` mean zero-or-one and one-or-more of what precedes them;
//! `[]` holds letters, digits and ranges of them; `\` takes the meaning away.

use regex::Regex;

/// A list of patterns, of which the last that matches decides; `!` takes away what earlier ones matched.
#[derive(Debug, Clone)]
pub struct Patterns {
    patterns: Vec<(bool, Regex)>,
}

/// Why a pattern is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{pattern}` is no pattern: {reason}")]
pub struct PatternError {
    pattern: String,
    reason: String,
}

impl Patterns {
    /// Reads patterns.
    ///
    /// # Errors
    /// The first one that does not read.
    pub fn new<'a>(patterns: impl IntoIterator<Item = &'a str>) -> Result<Self, PatternError> {
        let patterns = patterns.into_iter().map(|pattern| match pattern.strip_prefix('!') {
            Some(rest) => Ok((false, regex(rest)?)),
            None => Ok((true, regex(pattern)?)),
        });
        Ok(Self { patterns: patterns.collect::<Result<_, _>>()? })
    }

    /// Whether the last pattern that matches `text` is a positive one.
    pub fn matches(&self, text: &str) -> bool {
        let last = self.patterns.iter().rev().find(|(_, regex)| regex.is_match(text));
        last.is_some_and(|(positive, _)| *positive)
    }

    /// Whether any pattern takes away.
    pub fn has_negative(&self) -> bool {
        self.patterns.iter().any(|(positive, _)| !positive)
    }

    /// Whether every pattern takes away.
    pub fn all_negative(&self) -> bool {
        !self.patterns.is_empty() && self.patterns.iter().all(|(positive, _)| !positive)
    }
}

fn regex(pattern: &str) -> Result<Regex, PatternError> {
    let wrong = |reason: &str| PatternError { pattern: pattern.to_owned(), reason: reason.to_owned() };
    if pattern.is_empty() {
        return Err(wrong("it is empty"));
    }
    let mut out = String::from("^(?s:");
    let mut chars = pattern.chars().peekable();
    let mut repeatable = false;
    while let Some(c) = chars.next() {
        let was_repeatable = std::mem::replace(&mut repeatable, true);
        match c {
            '*' if chars.peek() == Some(&'*') => {
                chars.next();
                // `**/` also matches no folder at all.
                if chars.peek() == Some(&'/') {
                    chars.next();
                    out.push_str("(?:.*/)?");
                } else {
                    out.push_str(".*");
                }
                repeatable = false;
            }
            '*' => {
                out.push_str("[^/]*");
                repeatable = false;
            }
            '?' | '+' if was_repeatable => {
                out.push(c);
                repeatable = false;
            }
            '?' | '+' => return Err(wrong("`?` and `+` follow a character")),
            '[' => out.push_str(&class(&mut chars).map_err(|reason| wrong(&reason))?),
            '\\' => match chars.next() {
                Some(c) => out.push_str(&regex::escape(&c.to_string())),
                None => return Err(wrong("it ends in a backslash")),
            },
            c => out.push_str(&regex::escape(&c.to_string())),
        }
    }
    out.push_str(")$");
    Regex::new(&out).map_err(|_| wrong("it is too large"))
}

fn class(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Result<String, String> {
    let mut members = String::new();
    loop {
        match chars.next() {
            None => return Err("a bracket is not closed".into()),
            Some(']') if members.is_empty() => return Err("the brackets are empty".into()),
            Some(']') => break,
            Some(c) => members.push(c),
        }
    }
    let mut out = String::from("[");
    let members: Vec<char> = members.chars().collect();
    let mut at = 0;
    while at < members.len() {
        let escaped = |c: char| if c.is_alphanumeric() { c.to_string() } else { format!("\\{c}") };
        if let [from, '-', to, ..] = members[at..] {
            if from > to {
                return Err(format!("the range {from}-{to} is backwards"));
            }
            out.push_str(&format!("{}-{}", escaped(from), escaped(to)));
            at += 3;
        } else {
            out.push_str(&escaped(members[at]));
            at += 1;
        }
    }
    out.push(']');
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn githubs_own_examples() {
        for (pattern, yes, no) in [
            ("feature/*", vec!["feature/my-branch", "feature/your-branch"], vec!["feature/a/b", "feature"]),
            ("feature/**", vec!["feature/beta-a/my-branch", "feature/mona/the/octocat"], vec!["feat/x"]),
            ("main", vec!["main"], vec!["mainx", "x/main"]),
            ("*", vec!["main", "releases"], vec!["all/the/branches"]),
            ("**", vec!["all/the/branches", "every/tag", ""], vec![]),
            ("*feature", vec!["mona-feature", "feature"], vec!["x/feature"]),
            ("v2*", vec!["v2", "v2.0", "v2.9"], vec!["v1"]),
            ("v[12].[0-9]+.[0-9]+", vec!["v1.10.1", "v2.0.0"], vec!["v3.0.0", "v1.x.0"]),
            ("*.jsx?", vec!["page.js", "page.jsx"], vec!["page.jsxx", "a/page.js"]),
            ("**.js", vec!["index.js", "src/js/app.js"], vec!["index.jsx"]),
            ("docs/*", vec!["docs/README.md"], vec!["docs/mona/x.md"]),
            ("docs/**/*.md", vec!["docs/README.md", "docs/mona/hello-world.md"], vec!["x/docs/a.md"]),
            ("**/docs/**", vec!["docs/hello.md", "dir/docs/my-file.txt"], vec!["docs"]),
            ("**/*-post.md", vec!["my-post.md", "path/their-post.md"], vec!["post.md"]),
            ("**/migrate-*.sql", vec!["migrate-10909.sql", "db/sept/migrate-v1.sql"], vec!["m.sql"]),
            (r"a\*", vec!["a*"], vec!["ab"]),
        ] {
            let patterns = Patterns::new([pattern]).unwrap();
            yes.iter().for_each(|text| assert!(patterns.matches(text), "{pattern} {text}"));
            no.iter().for_each(|text| assert!(!patterns.matches(text), "{pattern} {text}"));
        }
    }

    #[test]
    fn the_last_that_matches_decides() {
        let patterns = Patterns::new(["*.md", "!README.md", "README*"]).unwrap();
        assert!(patterns.matches("hello.md") && patterns.matches("README.md"));
        let patterns = Patterns::new(["releases/**", "!releases/**-alpha"]).unwrap();
        assert!(patterns.matches("releases/10") && !patterns.matches("releases/10-alpha"));
    }

    #[test]
    fn what_is_none_says_why() {
        for pattern in ["", "[", "[]", "+x", "x**+", "[z-a]", "a\\"] {
            assert!(Patterns::new([pattern]).is_err(), "{pattern}");
        }
    }

    proptest! {
        #[test]
        fn no_pattern_panics(pattern in "[a-c*?+!\\[\\]\\\\/.-]{0,20}", text in "[a-c/.]{0,10}") {
            if let Ok(patterns) = Patterns::new([pattern.as_str()]) {
                let _ = patterns.matches(&text);
            }
        }
    }
}
