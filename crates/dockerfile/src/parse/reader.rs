//! Reads the lines of a file into nodes: directives, comments, continuations, here-documents.

use crate::directive::{self, Key};
use crate::error::Problem;
use crate::source::Source;
use crate::{Heredoc, ParseError};

use super::node::{LogicalLine, Node};

/// Where in the file the reader is, and what it learnt on the way.
#[derive(Debug)]
pub(crate) struct Reader<'a> {
    source: &'a Source,
    /// The next line.
    next: usize,
    escape: char,
    /// The directives seen; `None` once something else was.
    directives: Option<Vec<Key>>,
    /// The comments since the last line that was none.
    comments: Vec<String>,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(source: &'a Source) -> Self {
        Self { source, next: 0, escape: '\\', directives: Some(Vec::new()), comments: Vec::new() }
    }

    /// The escape character as far as it is known: as a whole once the first node was read.
    pub(crate) fn escape(&self) -> char {
        self.escape
    }

    /// The next instruction with its here-documents.
    pub(crate) fn next_node(&mut self) -> Result<Option<Node>, ParseError> {
        let source = self.source;
        let Some(line) = self.logical_line()? else { return Ok(None) };
        let mut node = Node::parse(line, self.escape, source)?;
        let announced =
            node.announced_heredocs(self.escape).map_err(|problem| node.locate(source, problem))?;
        for heredoc in announced {
            let Some(content) = self.heredoc_content(&heredoc) else {
                let operator = if heredoc.chomp { "<<-" } else { "<<" };
                return Err(node.locate(source, Problem::new("unterminated heredoc").at(operator)));
            };
            node.heredocs.push(Heredoc { content, ..heredoc });
        }
        let start = node.line.span.start;
        node.line.span = source.span(start..self.end_of_last());
        Ok(Some(node))
    }

    /// The lines up to the one that ends the here-document, which is read too; `None` if there is none.
    fn heredoc_content(&mut self, heredoc: &Heredoc) -> Option<String> {
        let start = self.next;
        let end = (start..self.source.line_count()).find(|index| heredoc.is_end(self.source.line(*index)))?;
        self.next = end + 1;
        Some((start..end).map(|index| self.source.line(index)).collect())
    }

    /// The next line that is neither blank nor a comment, with its continuations.
    fn logical_line(&mut self) -> Result<Option<LogicalLine>, ParseError> {
        let Some(first) = self.first_line()? else { return Ok(None) };
        let mut line = LogicalLine { comments: std::mem::take(&mut self.comments), ..LogicalLine::default() };
        let start = self.source.line_range(first).start;
        let text = content(self.source.line(first));
        let trimmed = text.trim_start();
        let mut continues = self.append(&mut line, trimmed, start + text.len() - trimmed.len());
        line.span = self.source.span(line.pieces[0].1..self.end_of_last());
        let mut empty = false;
        while continues && self.next < self.source.line_count() {
            let index = self.next;
            self.next += 1;
            let text = content(self.source.line(index));
            if is_comment(text) {
                continue;
            }
            if text.trim_start().is_empty() {
                empty = true;
                continue;
            }
            continues = self.append(&mut line, text, self.source.line_range(index).start);
        }
        if empty {
            line.empty_continuation = Some(self.source.span(self.source.line_range(self.next - 1)));
        }
        Ok(Some(line))
    }

    /// Skips what stands before an instruction, and reads directives and comments on the way.
    fn first_line(&mut self) -> Result<Option<usize>, ParseError> {
        while self.next < self.source.line_count() {
            let index = self.next;
            let line = content(self.source.line(index)).trim_start();
            let comment = line.strip_prefix('#');
            let is_directive = self.directive(comment, index)?;
            self.next += 1;
            match comment.map(str::trim) {
                _ if is_directive => {}
                Some("") => self.comments.clear(),
                Some(comment) => self.comments.push(comment.to_string()),
                None if line.is_empty() => self.comments.clear(),
                None => return Ok(Some(index)),
            }
        }
        Ok(None)
    }

    /// Notices a directive. They end with the first line that is none.
    fn directive(&mut self, comment: Option<&str>, index: usize) -> Result<bool, ParseError> {
        let Some(seen) = &mut self.directives else { return Ok(false) };
        let Some((key, value)) = comment.and_then(directive::parse) else {
            self.directives = None;
            return Ok(false);
        };
        let start = self.source.line_range(index).start;
        if seen.contains(&key) {
            let message = format!("only one {} parser directive can be used", key.name());
            return Err(self.source.error(start, message, None));
        }
        seen.push(key);
        if key == Key::Escape {
            self.escape = match value {
                "\\" => '\\',
                "`" => '`',
                _ => {
                    let message = format!("invalid escape token '{value}' does not match ` or \\");
                    return Err(self.source.error(start, message, None));
                }
            };
        }
        Ok(true)
    }

    /// Appends a line that stands at `offset`; tells whether it continues.
    fn append(&self, line: &mut LogicalLine, text: &str, offset: usize) -> bool {
        line.pieces.push((line.text.len(), offset));
        let continued = without_continuation(text, self.escape);
        line.text.push_str(continued.unwrap_or(text));
        continued.is_some()
    }

    /// Past the last line that was read.
    fn end_of_last(&self) -> usize {
        self.source.line_range(self.next - 1).end
    }
}

/// A line without its end.
fn content(line: &str) -> &str {
    line.trim_end_matches(['\r', '\n'])
}

fn is_comment(line: &str) -> bool {
    line.trim_start().starts_with('#')
}

/// The line without the escape character at its end; `None` if it does not continue. Two escape characters
/// in a row are no continuation.
fn without_continuation(line: &str, escape: char) -> Option<&str> {
    let rest = line.trim_end_matches([' ', '\t']).strip_suffix(escape)?;
    (!rest.ends_with(escape)).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<String> {
        let source = Source::read(text.as_bytes());
        let mut reader = Reader::new(&source);
        std::iter::from_fn(|| reader.next_node().unwrap()).map(|node| node.line.text).collect()
    }

    #[test]
    fn continuations_join_lines_as_they_stand() {
        for (text, expected) in [
            ("RUN a \\\n  b\n", vec!["RUN a   b"]),
            ("RUN a \\  \t\n b", vec!["RUN a  b"]),
            ("RUN a \\\r\n b\r\n", vec!["RUN a  b"]),
            ("RUN a \\\n# note\n  # more\n b", vec!["RUN a  b"]),
            ("RUN a \\\n\n \n b", vec!["RUN a  b"]),
            ("RUN a \\\\\nCMD b", vec!["RUN a \\\\", "CMD b"]),
            ("RUN a \\", vec!["RUN a "]),
            ("\\\nRUN a", vec!["RUN a"]),
            ("# escape=`\nRUN a ` \n b\\\nCMD c", vec!["RUN a  b\\", "CMD c"]),
            ("  RUN a  ", vec!["RUN a  "]),
            ("\u{feff}RUN a", vec!["RUN a"]),
        ] {
            assert_eq!(lines(text), expected, "{text:?}");
        }
    }

    #[test]
    fn comments_belong_to_the_instruction_right_below() {
        let text = "# syntax=x\n# one\n# two\nFROM a\n\n# three\n\nRUN b\n# four\n#\n# five\nRUN c\n";
        let source = Source::read(text.as_bytes());
        let mut reader = Reader::new(&source);
        let nodes: Vec<Node> = std::iter::from_fn(|| reader.next_node().unwrap()).collect();
        let comments: Vec<_> = nodes.iter().map(|node| node.line.comments.as_slice()).collect();
        assert_eq!(comments, [vec!["one", "two"], vec![], vec!["five"]]);
    }

    #[test]
    fn directives_end_with_the_first_other_line() {
        assert_eq!(lines("# hello\n# escape=`\nRUN a \\\n b"), ["RUN a  b"]);
        assert_eq!(lines("\n# escape=`\nRUN a \\\n b"), ["RUN a  b"]);
        let error = |text: &str| Reader::new(&Source::read(text.as_bytes())).next_node().unwrap_err().message;
        assert_eq!(error("# escape=x\nRUN a"), "invalid escape token 'x' does not match ` or \\");
        assert_eq!(error("# escape=`\n# Escape=`\nRUN a"), "only one escape parser directive can be used");
    }
}
