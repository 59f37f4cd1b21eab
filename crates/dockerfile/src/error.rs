//! Why a text is no Dockerfile.

use crate::suggest;

/// A Dockerfile that cannot be read, and where.
///
/// Its Display is BuildKit's sentence; line, column and the line itself are for whoever shows it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("dockerfile parse error on line {line}: {message}")]
pub struct ParseError {
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
    /// The line as it stands in the file, without its end; only its start where it is too long to be read.
    pub line_text: String,
    /// What is wrong, in BuildKit's words, with the suggestion if there is one.
    pub message: String,
    /// The nearest name that would be valid.
    pub suggestion: Option<String>,
}

/// What is wrong with an instruction, before it is known where the instruction stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(crate) message: String,
    pub(crate) suggestion: Option<String>,
    /// The word that is wrong, to point at.
    pub(crate) word: Option<String>,
}

impl Problem {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), suggestion: None, word: None }
    }

    /// Points at `word`.
    pub(crate) fn at(mut self, word: impl Into<String>) -> Self {
        self.word = Some(word.into());
        self
    }

    /// Adds the name nearest to `given`, if one is near.
    pub(crate) fn suggest<'a>(self, given: &str, names: impl IntoIterator<Item = &'a str>) -> Self {
        match suggest::nearest(given, names) {
            Some(name) => self.did_you_mean(name.to_string()),
            None => self,
        }
    }

    pub(crate) fn did_you_mean(mut self, name: String) -> Self {
        self.message = suggest::amend(self.message, &name);
        self.suggestion = Some(name);
        self
    }
}
