//! YAML with places: every node knows where it stands.
//!
//! Plain scalars keep their text; what they mean in YAML 1.2's core schema is asked for with [`Node::value`], so
//! that `on` is a word and not a boolean. Anchors are followed, as GitHub does; merge keys are not.

use std::collections::BTreeMap;

use granit_parser::{BorrowedInput, Event, Parser, ScalarStyle};
use serde_json::Value;

use crate::source::{Fault, Span};

/// Nested deeper than this is refused.
const MAX_DEPTH: usize = 64;
/// More nodes than this, aliases counted each time, are refused.
const MAX_NODES: usize = 100_000;

/// A node.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// Where it stands.
    pub span: Span,
    /// What it is.
    pub kind: Kind,
}

/// What a node is.
#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    /// A text, and whether it is written without quotes.
    Scalar(String, bool),
    /// A list.
    Sequence(Vec<Node>),
    /// Keys and values in the order of the file.
    Mapping(Vec<(Node, Node)>),
}

impl Node {
    /// The text of a scalar.
    pub fn text(&self) -> Option<&str> {
        match &self.kind {
            Kind::Scalar(text, _) => Some(text),
            _ => None,
        }
    }

    /// Whether it is nothing: `key:` without a value, `~` or `null`.
    pub fn is_null(&self) -> bool {
        matches!(&self.kind, Kind::Scalar(text, true) if matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL"))
    }

    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&Node> {
        match &self.kind {
            Kind::Mapping(pairs) => {
                pairs.iter().find(|(name, _)| name.text() == Some(key)).map(|(_, value)| value)
            }
            _ => None,
        }
    }

    /// In words: what kind of node it is.
    pub fn described(&self) -> &'static str {
        match &self.kind {
            Kind::Scalar(..) if self.is_null() => "nothing",
            Kind::Scalar(..) => "a text",
            Kind::Sequence(_) => "a list",
            Kind::Mapping(_) => "a mapping",
        }
    }

    /// What it means in the core schema.
    pub fn value(&self) -> Value {
        match &self.kind {
            Kind::Scalar(text, true) => plain(text),
            Kind::Scalar(text, false) => Value::String(text.clone()),
            Kind::Sequence(items) => items.iter().map(Node::value).collect(),
            Kind::Mapping(pairs) => {
                let key = |node: &Node| node.text().unwrap_or_default().to_owned();
                Value::Object(pairs.iter().map(|(name, value)| (key(name), value.value())).collect())
            }
        }
    }
}

/// A plain scalar in the core schema.
pub(crate) fn plain(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Value::Null,
        "true" | "True" | "TRUE" => return Value::Bool(true),
        "false" | "False" | "FALSE" => return Value::Bool(false),
        _ => {}
    }
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let hex = digits.strip_prefix("0x").map(|hex| i64::from_str_radix(hex, 16));
    let octal = digits.strip_prefix("0o").map(|octal| i64::from_str_radix(octal, 8));
    if let Some(Ok(number)) = hex.or(octal) {
        return number.into();
    }
    if digits.starts_with(|c: char| c.is_ascii_digit() || c == '.')
        && digits.bytes().all(|b| b.is_ascii_digit() || b".eE+-".contains(&b))
        && let Ok(number) = text.parse::<f64>()
    {
        return crate::expr::number(number);
    }
    Value::String(text.to_owned())
}

/// Reads the one document of `text`.
pub fn read(text: &str) -> Result<Node, Fault> {
    let mut reader = Reader { parser: Parser::new_from_str(text), text, anchors: BTreeMap::new(), nodes: 0 };
    reader.document()
}

struct Reader<'a, I: BorrowedInput<'a>> {
    parser: Parser<'a, I>,
    text: &'a str,
    anchors: BTreeMap<usize, Node>,
    nodes: usize,
}

impl<'a, I: BorrowedInput<'a>> Reader<'a, I> {
    fn next(&mut self) -> Result<(Event<'a>, Span), Fault> {
        loop {
            let (event, span) = match self.parser.next() {
                None => return Ok((Event::StreamEnd, Span::new(self.text.len(), self.text.len()))),
                Some(Ok((event, span))) => {
                    let range = span.byte_range().unwrap_or(0..0);
                    (event, Span::new(range.start, range.end))
                }
                Some(Err(error)) => {
                    let at = error.marker().byte_offset().unwrap_or(0);
                    return Err(Fault::new(Span::new(at, at + 1), format!("not YAML: {}", error.info())));
                }
            };
            if !matches!(event, Event::Comment(..)) {
                return Ok((event, span));
            }
        }
    }

    fn document(&mut self) -> Result<Node, Fault> {
        loop {
            match self.next()? {
                (Event::StreamStart | Event::DocumentStart(..), _) => {}
                (Event::StreamEnd | Event::DocumentEnd, span) => {
                    return Err(Fault::new(Span::new(0, span.start.min(1)), "the file is empty"));
                }
                (event, span) => {
                    let node = self.node(event, span, 0)?;
                    return match self.next()? {
                        (Event::DocumentEnd, _) => match self.next()? {
                            (Event::StreamEnd, _) => Ok(node),
                            (_, span) => Err(Fault::new(span, "a second document; a workflow is one")),
                        },
                        _ => Ok(node),
                    };
                }
            }
        }
    }

    fn node(&mut self, event: Event<'a>, span: Span, depth: usize) -> Result<Node, Fault> {
        self.nodes += 1;
        if depth > MAX_DEPTH || self.nodes > MAX_NODES {
            return Err(Fault::new(span, "the document is nested too deep or too large"));
        }
        let (node, anchor) = match event {
            Event::Scalar(text, style, anchor, tag) => {
                let plain = style == ScalarStyle::Plain && tag.is_none();
                (Node { span, kind: Kind::Scalar(text.into_owned(), plain) }, anchor)
            }
            Event::SequenceStart(_, anchor, _) => {
                let mut items = Vec::new();
                loop {
                    match self.next()? {
                        (Event::SequenceEnd, end) => {
                            let span = Span::new(span.start, end.end);
                            break (Node { span, kind: Kind::Sequence(items) }, anchor);
                        }
                        (event, span) => items.push(self.node(event, span, depth + 1)?),
                    }
                }
            }
            Event::MappingStart(_, anchor, _) => (self.mapping(span, depth)?, anchor),
            Event::Alias(id) => {
                let Some(node) = self.anchors.get(&id).cloned() else {
                    return Err(Fault::new(span, "the alias refers to what contains it"));
                };
                self.nodes += size(&node);
                if self.nodes > MAX_NODES {
                    return Err(Fault::new(span, "the document is nested too deep or too large"));
                }
                (node, 0)
            }
            _ => return Err(Fault::new(span, "not YAML: something is missing here")),
        };
        if anchor > 0 {
            self.anchors.insert(anchor, node.clone());
        }
        Ok(node)
    }

    fn mapping(&mut self, start: Span, depth: usize) -> Result<Node, Fault> {
        let mut pairs: Vec<(Node, Node)> = Vec::new();
        loop {
            let (event, span) = self.next()?;
            if matches!(event, Event::MappingEnd) {
                return Ok(Node { span: Span::new(start.start, span.end), kind: Kind::Mapping(pairs) });
            }
            let key = self.node(event, span, depth + 1)?;
            let Some(name) = key.text() else {
                return Err(Fault::new(
                    key.span,
                    format!("a key must be a text, and this is {}", key.described()),
                ));
            };
            if name == "<<" {
                return Err(Fault::new(key.span, "merge keys (`<<`) are not part of GitHub's YAML"));
            }
            if pairs.iter().any(|(known, _)| known.text() == Some(name)) {
                return Err(Fault::new(key.span, format!("`{name}` is already defined")));
            }
            let (event, span) = self.next()?;
            let value = self.node(event, span, depth + 1)?;
            pairs.push((key, value));
        }
    }
}

fn size(node: &Node) -> usize {
    1 + match &node.kind {
        Kind::Scalar(..) => 0,
        Kind::Sequence(items) => items.iter().map(size).sum(),
        Kind::Mapping(pairs) => pairs.iter().map(|(key, value)| size(key) + size(value)).sum(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn scalars_are_of_the_core_schema_and_on_is_a_word() {
        let node = read("on: [yes, true, 1.10, 0x10, '1', ~, 1e3, 1.2.3]\n").unwrap();
        assert_eq!(node.value(), json!({"on": ["yes", true, 1.1, 16, "1", null, 1000, "1.2.3"]}));
    }

    #[test]
    fn anchors_are_followed_and_bombs_refused() {
        let node = read("a: &x {b: 1}\nc: *x\n").unwrap();
        assert_eq!(node.value(), json!({"a": {"b": 1}, "c": {"b": 1}}));
        let mut bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n".to_owned();
        for level in 1..9 {
            let below = format!("*a{}", level - 1);
            bomb.push_str(&format!("a{level}: &a{level} [{}]\n", vec![below; 10].join(",")));
        }
        assert!(read(&bomb).unwrap_err().message.contains("too large"));
    }

    #[test]
    fn what_is_wrong_has_a_place() {
        assert_eq!(read("a: 1\na: 2\n").unwrap_err().span.start, 5);
        assert!(read("a: [1\n").unwrap_err().message.starts_with("not YAML"));
        assert!(read("").unwrap_err().message.contains("empty"));
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "([ -]{0,2}[a-z&*!<>|'\"{}\\[\\]:,#\n]{0,3}(: |- |\n)?){0,30}") {
            if let Ok(node) = read(&text) {
                let _ = node.value();
            }
        }
    }
}
