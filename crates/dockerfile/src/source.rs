//! The text of a Dockerfile: decoded, cut into lines, and able to say where an offset is.

use std::ops::Range;

use crate::{ParseError, Span};

/// The longest line that BuildKit reads, its end included, in bytes.
const LONGEST_LINE: usize = 64 << 10;

/// The text with the offsets of its lines.
///
/// A byte that is not UTF-8 becomes U+FFFD, as in Go, on which BuildKit runs; where that would change what
/// is built rather than how it is shown, [`Source::is_invalid`] lets the parser refuse it.
#[derive(Debug)]
pub(crate) struct Source {
    text: String,
    /// Where each line starts.
    starts: Vec<usize>,
    /// Where a replacement stands, ascending.
    invalid: Vec<usize>,
}

impl Source {
    pub(crate) fn read(bytes: &[u8]) -> Self {
        let mut text = String::with_capacity(bytes.len());
        let mut invalid = Vec::new();
        for chunk in bytes.utf8_chunks() {
            text.push_str(chunk.valid());
            for _ in chunk.invalid() {
                invalid.push(text.len());
                text.push(char::REPLACEMENT_CHARACTER);
            }
        }
        let first = if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
        let mut starts: Vec<usize> = Vec::new();
        let mut at = first;
        for line in text[first..].split_inclusive('\n') {
            starts.push(at);
            at += line.len();
        }
        Self { text, starts, invalid }
    }

    /// Refuses lines that BuildKit would not read.
    pub(crate) fn check_lines(&self) -> Result<(), ParseError> {
        let is_too_long = |index: &usize| self.line(*index).len() > LONGEST_LINE;
        let Some(index) = (0..self.line_count()).find(is_too_long) else { return Ok(()) };
        let message = format!("dockerfile line greater than max allowed size of {}", LONGEST_LINE - 1);
        let error = self.error(self.starts[index], message, None);
        let shown = error.line_text.chars().take(80).collect();
        Err(ParseError { line_text: shown, ..error })
    }

    pub(crate) fn line_count(&self) -> usize {
        self.starts.len()
    }

    /// Where line `index` stands, its end included.
    pub(crate) fn line_range(&self, index: usize) -> Range<usize> {
        let end = self.starts.get(index + 1).copied().unwrap_or(self.text.len());
        self.starts[index]..end
    }

    /// Line `index` with its end.
    pub(crate) fn line(&self, index: usize) -> &str {
        &self.text[self.line_range(index)]
    }

    /// Whether something in `range` was not UTF-8.
    pub(crate) fn is_invalid(&self, range: Range<usize>) -> bool {
        let next = self.invalid.partition_point(|at| *at < range.start);
        self.invalid.get(next).is_some_and(|at| *at < range.end)
    }

    /// The span of `range`, line ends at its end excluded.
    pub(crate) fn span(&self, range: Range<usize>) -> Span {
        let end = range.start + self.text[range.clone()].trim_end_matches(['\r', '\n']).len();
        let (line, column) = self.position(range.start);
        let (end_line, _) = self.position(end.saturating_sub(1).max(range.start));
        Span { start: range.start, end, line, column, end_line }
    }

    /// An error at `offset`.
    pub(crate) fn error(&self, offset: usize, message: String, suggestion: Option<String>) -> ParseError {
        let (line, column) = self.position(offset);
        let line_text = match self.starts.get(line as usize - 1) {
            Some(_) => self.line(line as usize - 1).trim_end_matches(['\r', '\n']).to_string(),
            None => String::new(),
        };
        ParseError { line, column, line_text, message, suggestion }
    }

    /// Line and column of `offset`, both from 1.
    fn position(&self, offset: usize) -> (u32, u32) {
        let index = self.starts.partition_point(|start| *start <= offset).saturating_sub(1);
        let start = self.starts.get(index).copied().unwrap_or(0);
        let mut end = offset.clamp(start, self.text.len());
        while !self.text.is_char_boundary(end) {
            end -= 1;
        }
        let column = self.text[start..end].chars().count() + 1;
        (saturate(index + 1), saturate(column))
    }
}

fn saturate(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_count_characters_after_the_byte_order_mark() {
        let source = Source::read("\u{feff}a\r\né x\n".as_bytes());
        assert_eq!(source.line(0), "a\r\n");
        let span = source.span(source.line_range(1).start + 3..source.line_range(1).end);
        assert_eq!((span.line, span.column, span.end_line), (2, 3, 2));
        assert_eq!(span.end - span.start, 1);
    }

    #[test]
    fn each_invalid_byte_is_one_replacement_and_known() {
        let source = Source::read(b"a\xe2\x82b\nc\n");
        assert_eq!(source.line(0), "a\u{fffd}\u{fffd}b\n");
        assert!(source.is_invalid(source.line_range(0)));
        assert!(!source.is_invalid(source.line_range(1)));
    }

    #[test]
    fn an_empty_text_has_a_place_for_its_error() {
        let error = Source::read(b"").error(0, "x".into(), None);
        assert_eq!((error.line, error.column, error.line_text.as_str()), (1, 1, ""));
    }
}
