//! Patterns of `.dockerignore` and `--exclude` (moby's pattern language), and the globs of `COPY` (Go's
//! `filepath.Match`).
//!
//! A list of patterns is asked path by path, from the root of the tree down: whether a pattern matches
//! a directory counts for everything below it, and the last pattern that matches decides. A walker hands
//! each directory's [`Verdict`] down; [`IgnorePatterns::matches`] does the same for a single path.

mod glob;
mod pattern;

pub use glob::{glob_match, has_wildcard};
use pattern::Pattern;
pub(crate) use pattern::clean;

/// A pattern that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// A bracket that does not close, a backslash at the end, or a range the wrong way round.
    #[error("syntax error in pattern `{pattern}`")]
    Syntax {
        /// The pattern.
        pattern: String,
    },
    /// An exclamation mark and nothing to except.
    #[error("illegal exclusion pattern: \"!\"")]
    Nothing,
}

/// An ordered list of patterns; the last that matches decides, and `!` excepts again.
#[derive(Debug, Clone, Default)]
pub struct IgnorePatterns {
    entries: Vec<Entry>,
}

#[derive(Debug, Clone)]
struct Entry {
    pattern: Pattern,
    excepts: bool,
}

/// What the patterns say of a path, and what a walker needs to ask about the paths below it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verdict {
    /// The path is left out.
    pub ignored: bool,
    /// Which patterns match it or a directory above it.
    matched: Vec<bool>,
}

impl IgnorePatterns {
    /// Reads the text of a `.dockerignore`: a pattern a line, `#` in the first column for comments, a
    /// leading slash without meaning.
    ///
    /// # Errors
    /// As [`IgnorePatterns::new`].
    pub fn parse(text: &[u8]) -> Result<Self, PatternError> {
        let text = String::from_utf8_lossy(text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text));
        let patterns = text.lines().filter(|line| !line.starts_with('#')).map(|line| {
            let line = line.trim();
            let (mark, path) = line.strip_prefix('!').map_or(("", line), |path| ("!", path.trim()));
            let path = if path.is_empty() { String::new() } else { clean(path) };
            let relative = path.strip_prefix('/').filter(|rest| !rest.is_empty()).unwrap_or(&path);
            format!("{mark}{relative}")
        });
        Self::new(patterns)
    }

    /// Takes patterns as they are given with `--exclude`. Empty ones are skipped.
    ///
    /// # Errors
    /// If a pattern has no meaning.
    pub fn new<S: AsRef<str>>(patterns: impl IntoIterator<Item = S>) -> Result<Self, PatternError> {
        let mut entries = Vec::new();
        for text in patterns {
            let text = text.as_ref().trim();
            if text.is_empty() {
                continue;
            }
            let cleaned = clean(text);
            let (excepts, pattern) = match cleaned.strip_prefix('!') {
                Some("") => return Err(PatternError::Nothing),
                Some(pattern) => (true, pattern),
                None => (false, cleaned.as_str()),
            };
            entries.push(Entry { pattern: Pattern::new(pattern)?, excepts });
        }
        Ok(Self { entries })
    }

    /// Whether there is nothing to match.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Whether a pattern starts with `!`.
    pub fn has_exceptions(&self) -> bool {
        self.entries.iter().any(|entry| entry.excepts)
    }

    /// Whether a pattern leaves out everything in the root.
    pub fn ignores_root(&self) -> bool {
        let everything =
            |entry: &Entry| !entry.excepts && matches!(entry.pattern.as_str(), "*" | "**" | "**/*");
        self.entries.iter().any(everything)
    }

    /// What the patterns say of `path`, of which `above` is the directory's verdict; `None` at the root.
    /// Paths are relative, with `/` between names.
    pub fn check(&self, path: &str, above: Option<&Verdict>) -> Verdict {
        let mut verdict = Verdict { ignored: false, matched: vec![false; self.entries.len()] };
        for (index, entry) in self.entries.iter().enumerate() {
            let inherited = above.is_some_and(|above| above.matched.get(index).copied().unwrap_or(false));
            // A pattern that would change nothing is not asked, so what is below does not inherit it.
            let asked = entry.excepts == verdict.ignored;
            if inherited || (asked && entry.pattern.matches(path)) {
                verdict.matched[index] = true;
                verdict.ignored = !entry.excepts;
            }
        }
        verdict
    }

    /// Whether `path`, or a directory above it, is left out.
    pub fn matches(&self, path: &str) -> bool {
        let path = path.trim_matches('/');
        if path.is_empty() || path == "." {
            return false;
        }
        let mut verdict = None;
        for (end, _) in path.match_indices('/') {
            verdict = Some(self.check(&path[..end], verdict.as_ref()));
        }
        self.check(path, verdict.as_ref()).ignored
    }

    /// Whether a walker need not look into `dir`: it is left out, and no `!` brings back anything below it.
    pub fn may_skip_dir(&self, dir: &str) -> bool {
        self.matches(dir) && !self.may_except_below(dir)
    }

    /// Whether a `!` might match something below `dir`. `true` may be wrong, `false` is not.
    pub fn may_except_below(&self, dir: &str) -> bool {
        let below = format!("{dir}/");
        self.entries.iter().filter(|entry| entry.excepts).any(|entry| {
            let (fixed, is_whole) = entry.pattern.fixed_prefix();
            fixed.starts_with(&below) || (!is_whole && below.starts_with(fixed))
        })
    }
}

#[cfg(test)]
mod tests;
