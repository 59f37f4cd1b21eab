//! What a template has printed so far. Parts are joined by JavaScript's `+`, so two numbers without anything
//! between them are added: `{{{major}}}{{{minor}}}` of 1.20.0 is 21.

use super::value::Value;
use crate::javascript::number_to_string;

/// A value on its way to becoming text.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) enum Printed {
    /// Nothing yet.
    #[default]
    Nothing,
    Number(f64),
    Bool(bool),
    Text(String),
}

impl Printed {
    pub(super) fn text(text: &str) -> Self {
        Self::Text(text.to_owned())
    }

    pub(super) fn of(value: &Value) -> Self {
        match value {
            Value::Number(number) => Self::Number(*number),
            Value::Bool(value) => Self::Bool(*value),
            value => Self::Text(value.to_text()),
        }
    }

    /// Appends a part; one that is nothing counts as empty text.
    pub(super) fn add(&mut self, part: Self) {
        let before = std::mem::take(self);
        *self = match (before, part) {
            (Self::Nothing, Self::Nothing) => Self::Text(String::new()),
            (Self::Nothing, part) => part,
            (before, part) => match (before.number(), part.number()) {
                (Some(a), Some(b)) => Self::Number(a + b),
                _ => Self::Text(before.into_text() + &part.into_text()),
            },
        };
    }

    pub(super) fn push_str(&mut self, more: &str) {
        match self {
            Self::Text(text) => text.push_str(more),
            _ => self.add(Self::text(more)),
        }
    }

    pub(super) fn into_text(self) -> String {
        match self {
            Self::Nothing => String::new(),
            Self::Number(number) => number_to_string(number),
            Self::Bool(value) => value.to_string(),
            Self::Text(text) => text,
        }
    }

    fn number(&self) -> Option<f64> {
        match self {
            Self::Number(number) => Some(*number),
            Self::Bool(value) => Some(f64::from(u8::from(*value))),
            Self::Nothing | Self::Text(_) => None,
        }
    }
}
