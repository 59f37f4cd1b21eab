//! Values of templates, with JavaScript's conversions.

use std::rc::Rc;

use crate::javascript::number_to_string;

#[derive(Debug, Clone)]
pub(crate) enum Value {
    Undefined,
    Null,
    Bool(bool),
    Number(f64),
    Text(Rc<str>),
    List(Rc<Vec<Value>>),
    Object(Rc<Object>),
    /// A function of the context; the host answers its calls.
    Function(Function),
}

/// A function that the host knows by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Function {
    pub(crate) name: &'static str,
    /// How many parameters it declares, which templates can see.
    pub(crate) arity: usize,
}

/// Fields in order, and how the whole prints.
#[derive(Debug, Default)]
pub(crate) struct Object {
    pub(crate) fields: Vec<(&'static str, Value)>,
    /// What `{{this}}` prints.
    pub(crate) text: Option<String>,
}

impl Value {
    pub(crate) fn text(text: &str) -> Self {
        Self::Text(text.into())
    }

    pub(crate) fn object(fields: Vec<(&'static str, Value)>) -> Self {
        Self::Object(Rc::new(Object { fields, text: None }))
    }

    /// An object of functions.
    pub(crate) fn functions(functions: &[Function]) -> Self {
        Self::object(functions.iter().map(|&function| (function.name, Self::Function(function))).collect())
    }

    /// Whether it is null or undefined.
    pub(super) fn is_nullish(&self) -> bool {
        matches!(self, Self::Undefined | Self::Null)
    }

    pub(crate) fn is_truthy(&self) -> bool {
        match self {
            Self::Undefined | Self::Null => false,
            Self::Bool(value) => *value,
            Self::Number(number) => *number != 0.0 && !number.is_nan(),
            Self::Text(text) => !text.is_empty(),
            Self::List(_) | Self::Object(_) | Self::Function(_) => true,
        }
    }

    /// Whether `{{#if}}` and `{{#with}}` take it for nothing: falsy but not zero, or an empty list.
    pub(super) fn is_empty(&self) -> bool {
        match self {
            Self::List(items) => items.is_empty(),
            Self::Number(number) => number.is_nan(),
            other => !other.is_truthy(),
        }
    }

    /// The field `name`; undefined where there is none.
    pub(super) fn get(&self, name: &str) -> Value {
        let index = || name.parse::<usize>().ok().filter(|index| index.to_string() == name);
        let length = |length: usize| Self::Number(length as f64);
        match self {
            Self::Object(object) => object
                .fields
                .iter()
                .find(|(key, _)| *key == name)
                .map_or(Self::Undefined, |(_, value)| value.clone()),
            Self::List(items) if name == "length" => length(items.len()),
            Self::List(items) => index().and_then(|i| items.get(i).cloned()).unwrap_or(Self::Undefined),
            Self::Text(text) if name == "length" => length(text.encode_utf16().count()),
            Self::Text(text) => index()
                .and_then(|i| text.chars().nth(i))
                .map_or(Self::Undefined, |c| Self::text(c.encode_utf8(&mut [0; 4]))),
            Self::Function(function) if name == "name" => Self::text(function.name),
            Self::Function(function) if name == "length" => length(function.arity),
            _ => Self::Undefined,
        }
    }

    /// The value as text, as JavaScript's string conversion gives it.
    pub(crate) fn to_text(&self) -> String {
        match self {
            Self::Undefined => "undefined".to_owned(),
            Self::Null => "null".to_owned(),
            Self::Bool(value) => value.to_string(),
            Self::Number(number) => number_to_string(*number),
            Self::Text(text) => text.to_string(),
            Self::List(items) => {
                let items =
                    items.iter().map(|item| if item.is_nullish() { String::new() } else { item.to_text() });
                items.collect::<Vec<_>>().join(",")
            }
            Self::Object(object) => object.text.clone().unwrap_or_else(|| "[object Object]".to_owned()),
            Self::Function(function) => format!("function {}() {{ [native code] }}", function.name),
        }
    }

    /// Whether both are the same context, so that a block between them adds no level for `../`.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Text(a), Self::Text(b)) => a == b,
            (Self::Number(a), Self::Number(b)) => a == b,
            (Self::Bool(a), Self::Bool(b)) => a == b,
            (Self::List(a), Self::List(b)) => Rc::ptr_eq(a, b),
            (Self::Object(a), Self::Object(b)) => Rc::ptr_eq(a, b),
            (Self::Function(a), Self::Function(b)) => a == b,
            (a, b) => a.is_nullish() && b.is_nullish(),
        }
    }
}
