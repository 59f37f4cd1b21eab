//! BuildKit's checks.

use crate::{Dockerfile, Span};

/// A finding of a check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Which check.
    pub rule: &'static Rule,
    /// What it found, in BuildKit's words.
    pub message: String,
    /// Where.
    pub span: Span,
}

/// A check.
#[derive(Debug, PartialEq, Eq)]
pub struct Rule {
    /// Its name.
    pub name: &'static str,
    /// What it is about.
    pub description: &'static str,
    /// Where it is explained.
    pub url: &'static str,
    /// Off unless asked for.
    pub experimental: bool,
}

/// Runs every check that needs the text alone.
pub fn check(dockerfile: &Dockerfile) -> Vec<Finding> {
    let _ = dockerfile;
    Vec::new()
}
