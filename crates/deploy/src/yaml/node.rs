//! YAML as a tree in which every scalar knows its bytes.

use std::collections::BTreeMap;
use std::ops::Range;

use granit_parser::{Event, Parser, ScalarStyle};

use crate::rewrite::RewriteError;

/// A document deeper than this is an attack.
const DEPTH: usize = 200;

/// A node.
#[derive(Debug, Clone)]
pub(super) enum Node {
    /// A scalar.
    Scalar(Scalar),
    /// Keys and values in order.
    Map(Vec<(Node, Node)>),
    /// Items in order.
    Seq(Vec<Node>),
    /// The node that an anchor names.
    Alias(usize),
}

/// A scalar: what it means and where it stands.
#[derive(Debug, Clone)]
pub(super) struct Scalar {
    /// The value after quotes and escapes.
    pub(super) value: String,
    /// The bytes of its content, without quotes.
    pub(super) range: Range<usize>,
    /// It has no quotes.
    pub(super) plain: bool,
}

/// All documents of a text.
#[derive(Debug)]
pub(super) struct Stream {
    pub(super) documents: Vec<Node>,
    /// The scalars that anchors name.
    pub(super) anchors: BTreeMap<usize, Scalar>,
}

impl Node {
    /// The value of a key in a mapping.
    pub(super) fn get(&self, key: &str) -> Option<&Node> {
        let Self::Map(members) = self else { return None };
        members.iter().find(|(name, _)| name.text() == Some(key)).map(|(_, value)| value)
    }

    /// The text of a scalar.
    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Self::Scalar(scalar) => Some(&scalar.value),
            _ => None,
        }
    }
}

/// Reads `text`.
pub(super) fn parse(text: &str) -> Result<Stream, RewriteError> {
    let mut stream = Stream { documents: Vec::new(), anchors: BTreeMap::new() };
    let mut open: Vec<Open> = Vec::new();
    for next in Parser::new_from_str(text) {
        let (event, span) = next.map_err(|error| RewriteError::Syntax {
            line: error.marker().line(),
            column: error.marker().col() + 1,
            message: error.info().to_string(),
        })?;
        let node = match event {
            Event::Scalar(value, style, anchor, _) => {
                let range = span.byte_range().unwrap_or(0..0);
                let scalar = scalar(text, value.into_owned(), style, range);
                if anchor != 0 {
                    stream.anchors.insert(anchor, scalar.clone());
                }
                Node::Scalar(scalar)
            }
            Event::Alias(anchor) => Node::Alias(anchor),
            Event::SequenceStart(..) | Event::MappingStart(..) => {
                if open.len() >= DEPTH {
                    let message = format!("it is nested more than {DEPTH} deep");
                    return Err(RewriteError::Syntax { line: span.start.line(), column: 1, message });
                }
                let is_map = matches!(event, Event::MappingStart(..));
                open.push(Open { is_map, items: Vec::new() });
                continue;
            }
            Event::SequenceEnd | Event::MappingEnd => match open.pop() {
                Some(done) => done.into_node(),
                None => continue,
            },
            _ => continue,
        };
        match open.last_mut() {
            Some(parent) => parent.items.push(node),
            None => stream.documents.push(node),
        }
    }
    Ok(stream)
}

/// A collection that is being read.
struct Open {
    is_map: bool,
    items: Vec<Node>,
}

impl Open {
    fn into_node(self) -> Node {
        if !self.is_map {
            return Node::Seq(self.items);
        }
        let mut members = Vec::new();
        let mut items = self.items.into_iter();
        while let (Some(key), Some(value)) = (items.next(), items.next()) {
            members.push((key, value));
        }
        Node::Map(members)
    }
}

/// The content's own bytes: without quotes, and without the indicator of a block scalar.
fn scalar(text: &str, value: String, style: ScalarStyle, range: Range<usize>) -> Scalar {
    let raw = text.get(range.clone()).unwrap_or_default();
    let content = value.trim_end();
    // Where the content stands as it is, that is its place; with escapes it does not, and the range is empty.
    let place = match (raw.find(content), content.is_empty()) {
        (Some(at), false) => range.start + at..range.start + at + content.len(),
        _ => range.start..range.start,
    };
    Scalar { value: content.to_owned(), range: place, plain: matches!(style, ScalarStyle::Plain) }
}
