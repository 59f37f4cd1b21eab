//! Comma-separated values in the dialect of csv-parse, which reads the action's inputs.
//!
//! Lines may end in `\n`, `\r\n` or `\r`, whichever comes first; empty lines are skipped. The character rules
//! are those of the original one by one, because which inputs it refuses is part of the format.

/// How strict quotes are, and whether lines that begin with `#` are comments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// Whole inputs: a quote in the wrong place is text, `#` at the start of a line begins a comment.
    Relaxed,
    /// Single items: a quote in the wrong place is an error.
    Strict,
}

/// A quote where none may be, or none where one must be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CsvError {
    #[error("a quote opens inside the field `{0}`; quotes must enclose whole fields")]
    OpeningQuote(String),
    #[error("a closing quote is followed by `{0}`; quotes must enclose whole fields")]
    ClosingQuote(char),
    #[error("a quote is not closed")]
    Unclosed,
}

/// The records of `text`.
pub(crate) fn parse(text: &str, dialect: Dialect) -> Result<Vec<Vec<String>>, CsvError> {
    let mut reader = Reader::new(text, dialect);
    while let Some(c) = reader.at(0) {
        reader.character(c)?;
    }
    if reader.quoting {
        return Err(CsvError::Unclosed);
    }
    if !reader.is_blank() {
        reader.end_record();
    }
    Ok(reader.records)
}

struct Reader<'a> {
    /// What is still to be read.
    rest: &'a str,
    dialect: Dialect,
    /// How lines end; empty until one did.
    line_end: &'static str,
    records: Vec<Vec<String>>,
    record: Vec<String>,
    field: String,
    /// Inside quotes.
    quoting: bool,
    /// The field had quotes around it.
    quoted: bool,
    commenting: bool,
}

impl<'a> Reader<'a> {
    fn new(text: &'a str, dialect: Dialect) -> Self {
        Self {
            rest: text,
            dialect,
            line_end: "",
            records: Vec::new(),
            record: Vec::new(),
            field: String::new(),
            quoting: false,
            quoted: false,
            commenting: false,
        }
    }

    /// The character behind the next `skip` bytes.
    fn at(&self, skip: usize) -> Option<char> {
        self.rest.get(skip..)?.chars().next()
    }

    fn character(&mut self, c: char) -> Result<(), CsvError> {
        if !self.quoting {
            self.discover(0);
        }
        if c == '"' && !self.commenting && self.quote()? {
            return Ok(());
        }
        if !self.quoting && self.ends_line(0) {
            self.end_line();
            return Ok(());
        }
        self.rest = &self.rest[c.len_utf8()..];
        if self.quoting {
            self.field.push(c);
        } else if self.commenting {
            // A comment runs to the end of its line.
        } else if c == '#'
            && self.dialect == Dialect::Relaxed
            && self.record.is_empty()
            && self.field.is_empty()
        {
            self.commenting = true;
        } else if c == ',' {
            self.end_field();
        } else {
            self.field.push(c);
        }
        Ok(())
    }

    /// Treats a quote; false where it is text that is still to be read.
    fn quote(&mut self) -> Result<bool, CsvError> {
        if self.quoting {
            return self.quote_inside();
        }
        match (self.field.is_empty(), self.dialect) {
            (true, _) => {
                self.quoting = true;
                self.rest = &self.rest[1..];
                Ok(true)
            }
            (false, Dialect::Relaxed) => Ok(false),
            (false, Dialect::Strict) => Err(CsvError::OpeningQuote(self.field.clone())),
        }
    }

    /// A quote inside quotes: half of a doubled one, the closing one, or a mistake.
    fn quote_inside(&mut self) -> Result<bool, CsvError> {
        let next = self.at(1);
        if next == Some('"') {
            self.field.push('"');
            self.rest = &self.rest[2..];
            return Ok(true);
        }
        self.discover(1);
        let comment = next == Some('#') && self.dialect == Dialect::Relaxed;
        let closes = matches!(next, None | Some(',')) || comment || self.ends_line(1);
        self.quoting = false;
        self.quoted = true;
        if closes {
            self.rest = &self.rest[1..];
            return Ok(true);
        }
        match self.dialect {
            Dialect::Strict => Err(CsvError::ClosingQuote(next.unwrap_or('"'))),
            Dialect::Relaxed => {
                self.field.insert(0, '"');
                Ok(false)
            }
        }
    }

    fn end_line(&mut self) {
        self.rest = &self.rest[self.line_end.len()..];
        if !self.is_blank() {
            self.end_record();
        }
        self.commenting = false;
    }

    fn is_blank(&self) -> bool {
        !self.quoted && self.record.is_empty() && self.field.is_empty()
    }

    fn end_field(&mut self) {
        self.record.push(std::mem::take(&mut self.field));
        self.quoted = false;
    }

    fn end_record(&mut self) {
        self.end_field();
        self.records.push(std::mem::take(&mut self.record));
    }

    /// Notes how lines end, if a line ends behind the next `skip` bytes and none did before.
    fn discover(&mut self, skip: usize) {
        if self.line_end.is_empty() {
            let rest = &self.rest[skip..];
            let ends = ["\r\n", "\n", "\r"];
            self.line_end = ends.into_iter().find(|end| rest.starts_with(end)).unwrap_or_default();
        }
    }

    /// Whether a line ends behind the next `skip` bytes.
    fn ends_line(&self, skip: usize) -> bool {
        !self.line_end.is_empty() && self.rest[skip..].starts_with(self.line_end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn relaxed(text: &str) -> Vec<Vec<String>> {
        parse(text, Dialect::Relaxed).unwrap()
    }

    #[test]
    fn relaxed_inputs_keep_stray_quotes_and_drop_comment_lines() {
        assert_eq!(relaxed("a,b\nc\n\n"), [vec!["a", "b"], vec!["c"]]);
        assert_eq!(relaxed("# no\na # yes\n #b"), [["a # yes"], [" #b"]]);
        assert_eq!(relaxed("x=\"a\",b"), [["x=\"a\"", "b"]]);
        assert_eq!(relaxed("\"a,\"\"b\"\"\nc\",d"), [["a,\"b\"\nc", "d"]]);
        assert_eq!(relaxed("\"a\"b,c"), [["\"a\"b", "c"]]);
        assert_eq!(relaxed("a\r\nb\nc"), [["a"], ["b\nc"]]);
        assert_eq!(relaxed("a\rb"), [["a"], ["b"]]);
        assert_eq!(relaxed("\"\"# comment\nx"), [[""], ["x"]]);
        assert_eq!(relaxed(",\n"), [["", ""]]);
    }

    #[test]
    fn strict_items_refuse_them() {
        assert_eq!(parse("x=\"a\"", Dialect::Strict), Err(CsvError::OpeningQuote("x=".into())));
        assert_eq!(parse("\"a\"b", Dialect::Strict), Err(CsvError::ClosingQuote('b')));
        assert_eq!(parse("\"a", Dialect::Strict), Err(CsvError::Unclosed));
        assert_eq!(parse("\"a\",#b", Dialect::Strict), Ok(vec![vec!["a".into(), "#b".into()]]));
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics(text in "[\",#\n\ra é]{0,24}") {
            let _ = parse(&text, Dialect::Relaxed);
            let _ = parse(&text, Dialect::Strict);
        }
    }
}
