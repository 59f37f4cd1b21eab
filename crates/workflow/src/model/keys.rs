//! Reading mappings key by key; unknown keys are faults with the nearest known one.

use serde_json::Value;

use super::step::Entry;
use crate::availability::Available;
use crate::source::{Fault, Span};
use crate::template::Templates;
use crate::yaml::{Kind, Node};

impl Templates<'_> {
    pub(super) fn fault(&mut self, span: Span, message: impl std::fmt::Display) {
        self.faults.push(Fault::new(span, message));
    }

    /// The pairs of a mapping whose keys are all among `known`.
    pub(super) fn mapping<'n>(
        &mut self,
        node: &'n Node,
        what: &str,
        known: &[&str],
    ) -> Vec<(&'n str, Span, &'n Node)> {
        let pairs = self.pairs(node, what);
        for (key, span, _) in &pairs {
            if known.contains(key) {
                continue;
            }
            let fault = Fault::new(*span, format!("Unexpected value '{key}'"));
            let near = known.iter().map(|known| (strsim::damerau_levenshtein(known, key), *known)).min();
            self.faults.push(match near {
                Some((distance, near)) if distance <= 2.max(key.len() / 3) => {
                    fault.hint(format!("did you mean `{near}`?"))
                }
                _ => fault.hint(format!("{what} has: {}", known.join(", "))),
            });
        }
        pairs
    }

    /// The pairs of a mapping with any keys.
    pub(super) fn pairs<'n>(&mut self, node: &'n Node, what: &str) -> Vec<(&'n str, Span, &'n Node)> {
        match &node.kind {
            Kind::Mapping(pairs) => {
                pairs.iter().map(|(key, value)| (key.text().unwrap_or_default(), key.span, value)).collect()
            }
            _ if node.is_null() => Vec::new(),
            _ => {
                self.fault(node.span, format!("{what} must be a mapping, and this is {}", node.described()));
                Vec::new()
            }
        }
    }

    /// The texts of a list, or of one text.
    pub(super) fn texts(&mut self, node: &Node, what: &str) -> Vec<(String, Span)> {
        match &node.kind {
            _ if node.is_null() => Vec::new(),
            Kind::Scalar(text, _) => vec![(text.clone(), node.span)],
            Kind::Sequence(items) => items
                .iter()
                .filter_map(|item| {
                    let text = item.text().map(|text| (text.to_owned(), item.span));
                    if text.is_none() {
                        self.fault(
                            item.span,
                            format!("{what} must be texts, and this is {}", item.described()),
                        );
                    }
                    text
                })
                .collect(),
            Kind::Mapping(_) => {
                self.fault(node.span, format!("{what} must be a list, and this is a mapping"));
                Vec::new()
            }
        }
    }

    /// A text.
    pub(super) fn string(&mut self, node: &Node, what: &str) -> String {
        match node.text() {
            Some(text) => text.to_owned(),
            None => {
                self.fault(node.span, format!("{what} must be a text, and this is {}", node.described()));
                String::new()
            }
        }
    }

    /// A boolean.
    pub(super) fn boolean(&mut self, node: &Node, what: &str) -> bool {
        match node.value() {
            Value::Bool(value) => value,
            _ => {
                self.fault(node.span, format!("{what} must be true or false"));
                false
            }
        }
    }

    /// Names with templates: `env`, `with`, `outputs`, `secrets`.
    pub(super) fn entries(&mut self, node: &Node, what: &str, available: &Available) -> Vec<Entry> {
        let pairs = self.pairs(node, what);
        let mut entries = Vec::new();
        for (name, name_span, value) in pairs {
            let value = if value.is_null() {
                crate::template::Template::literal("", value.span)
            } else {
                self.read(value, available)
            };
            entries.push(Entry { name: name.to_owned(), name_span, value });
        }
        entries
    }

    /// An id as jobs and steps have it.
    pub(super) fn check_id(&mut self, id: &str, span: Span, what: &str) {
        let mut chars = id.chars();
        let first = chars.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_');
        if !first || !chars.all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-')) {
            self.fault(
                span,
                format!(
                    "The identifier '{id}' is invalid. A {what} id begins with a letter or '_' and holds only \
                     letters, digits, '-' and '_'"
                ),
            );
        }
    }
}
