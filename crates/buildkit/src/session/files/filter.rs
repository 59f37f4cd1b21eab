//! Which files the builder wants to hear of (fsutil, `filter.go`): those that an include pattern matches, less those
//! that an exclude pattern matches, in moby's pattern language.

use wharf_dockerfile::IgnorePatterns;
use wharf_dockerfile::ignore::{PatternError, Verdict};

/// Patterns, ready to be asked.
#[derive(Debug, Default)]
pub(super) struct Filter {
    /// `None` is everything. Its patterns "ignore" what they match.
    include: Option<IgnorePatterns>,
    /// The same as exceptions: what may have something to include below it.
    leads: IgnorePatterns,
    exclude: IgnorePatterns,
}

/// What the patterns say of a path, and of what is below it.
#[derive(Debug, Clone, Default)]
pub(super) struct Said {
    include: Option<Verdict>,
    exclude: Option<Verdict>,
    /// It is sent.
    pub(super) wanted: bool,
}

impl Filter {
    pub(super) fn new(include: &[String], exclude: &[String]) -> Result<Self, PatternError> {
        // A pattern of the root itself is no restriction.
        let everything = include.is_empty() || include.iter().any(|pattern| pattern == ".");
        if everything {
            return Ok(Self { exclude: IgnorePatterns::new(exclude)?, ..Self::default() });
        }
        let leads = include.iter().filter(|pattern| !pattern.starts_with('!'));
        Ok(Self {
            include: Some(IgnorePatterns::new(include)?),
            leads: IgnorePatterns::new(leads.map(|pattern| format!("!{pattern}")))?,
            exclude: IgnorePatterns::new(exclude)?,
        })
    }

    /// What they say of `path`, of which `above` is the directory's answer.
    pub(super) fn ask(&self, path: &str, above: &Said) -> Said {
        let include = self.include.as_ref().map(|patterns| patterns.check(path, above.include.as_ref()));
        let exclude = self.exclude.check(path, above.exclude.as_ref());
        let included = include.as_ref().is_none_or(|verdict| verdict.ignored);
        Said { wanted: included && !exclude.ignored, include, exclude: Some(exclude) }
    }

    /// Whether there may be something to send below the directory `path`.
    pub(super) fn may_be_below(&self, path: &str, said: &Said) -> bool {
        let excluded = said.exclude.as_ref().is_some_and(|verdict| verdict.ignored);
        if excluded && !self.exclude.may_except_below(path) {
            return false;
        }
        said.include.as_ref().is_none_or(|verdict| verdict.ignored || self.leads.may_except_below(path))
    }
}
