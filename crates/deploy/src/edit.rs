//! Edits: where, what was there, what comes there. Applying them touches nothing else.

use std::ops::Range;

use serde::Serialize;

/// A reference in a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Edit {
    /// Its line, from 1.
    pub line: usize,
    /// What was there.
    pub before: String,
    /// What comes there; the same where it is right already.
    pub after: String,
    #[serde(skip)]
    pub(crate) range: Range<usize>,
}

impl Edit {
    pub(crate) fn new(text: &str, range: Range<usize>, after: String) -> Self {
        let line = text[..range.start].matches('\n').count() + 1;
        Self { line, before: text[range.clone()].to_owned(), after, range }
    }

    /// Whether it changes anything.
    pub fn changes(&self) -> bool {
        self.before != self.after
    }
}

/// A file with its references renewed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rewritten {
    /// The new text.
    pub text: String,
    /// Every reference that was meant, those that were right already included.
    pub edits: Vec<Edit>,
}

impl Rewritten {
    /// Whether anything changes.
    pub fn changes(&self) -> bool {
        self.edits.iter().any(Edit::changes)
    }

    pub(crate) fn of(text: &str, mut edits: Vec<Edit>) -> Self {
        edits.sort_by_key(|edit| edit.range.start);
        edits.dedup_by(|a, b| a.range == b.range);
        let mut new = String::with_capacity(text.len());
        let mut from = 0;
        for edit in &edits {
            new.push_str(&text[from..edit.range.start]);
            new.push_str(&edit.after);
            from = edit.range.end;
        }
        new.push_str(&text[from..]);
        Self { text: new, edits }
    }
}
