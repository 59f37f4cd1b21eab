//! Where something stands in a file, and errors that show the place.

use std::fmt;

/// A stretch of a file, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Span {
    /// The first byte.
    pub start: usize,
    /// The byte after the last.
    pub end: usize,
}

impl Span {
    /// From `start` up to `end`.
    pub fn new(start: usize, end: usize) -> Self {
        Self { start, end: end.max(start) }
    }
}

/// A file's text with its name.
#[derive(Debug, Clone)]
pub struct Source {
    /// As the person named it.
    pub name: String,
    /// What it holds.
    pub text: String,
}

/// A place in a file as people count: from 1, columns in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub struct Place {
    /// The line.
    pub line: usize,
    /// The column.
    pub column: usize,
}

impl Source {
    /// The line and column of a byte.
    pub fn place(&self, offset: usize) -> Place {
        let mut offset = offset.min(self.text.len());
        while !self.text.is_char_boundary(offset) {
            offset -= 1;
        }
        let before = &self.text[..offset];
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        Place { line, column }
    }

    /// The line that a place is on.
    pub fn line(&self, place: Place) -> &str {
        self.text.lines().nth(place.line - 1).unwrap_or_default()
    }

    /// The text of a span.
    pub fn slice(&self, span: Span) -> &str {
        self.text.get(span.start..span.end).unwrap_or_default()
    }
}

/// Something wrong at a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Where.
    pub span: Span,
    /// What.
    pub message: String,
    /// What to write instead, where that is known.
    pub hint: Option<String>,
}

impl Fault {
    /// A fault without advice.
    pub fn new(span: Span, message: impl fmt::Display) -> Self {
        Self { span, message: message.to_string(), hint: None }
    }

    /// The same fault with advice.
    pub fn hint(mut self, hint: impl fmt::Display) -> Self {
        self.hint = Some(hint.to_string());
        self
    }
}

/// All that is wrong with a file, each with its line and a caret under the place.
#[derive(Debug, Clone)]
pub struct Faults {
    /// The file.
    pub source: Source,
    /// In the order of the file.
    pub faults: Vec<Fault>,
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, fault) in self.faults.iter().enumerate() {
            if at > 0 {
                f.write_str("\n")?;
            }
            let place = self.source.place(fault.span.start);
            let line = self.source.line(place);
            writeln!(f, "{}:{}:{}: {}", self.source.name, place.line, place.column, fault.message)?;
            writeln!(f, "{:>5} | {line}", place.line)?;
            let room = line.chars().count().saturating_sub(place.column - 1).max(1);
            let on_line = self.source.slice(fault.span).lines().next().map_or(1, |text| text.chars().count());
            let carets = "^".repeat(on_line.clamp(1, room));
            write!(f, "      | {}{carets}", " ".repeat(place.column - 1))?;
            if let Some(hint) = &fault.hint {
                write!(f, " {hint}")?;
            }
        }
        Ok(())
    }
}

impl std::error::Error for Faults {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_shows_its_place() {
        let source = Source { name: "a.yml".into(), text: "on: push\njobs: ünd\n".into() };
        let at = source.text.find("ünd").unwrap();
        let fault = Fault::new(Span::new(at, at + 4), "no").hint("say yes");
        let text = Faults { source, faults: vec![fault] }.to_string();
        assert_eq!(text, "a.yml:2:7: no\n    2 | jobs: ünd\n      |       ^^^ say yes");
    }
}
