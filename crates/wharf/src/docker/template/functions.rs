//! The functions of Go's templates, and docker's own.

use std::cmp::Ordering;

use serde_json::Value;

use super::eval::truth;
use super::{print, printf};

const NAMES: [&str; 24] = [
    "and",
    "or",
    "not",
    "eq",
    "ne",
    "lt",
    "le",
    "gt",
    "ge",
    "len",
    "index",
    "slice",
    "print",
    "printf",
    "println",
    "json",
    "split",
    "join",
    "title",
    "lower",
    "upper",
    "pad",
    "truncate",
    "trimspace",
];

pub(super) fn exists(name: &str) -> bool {
    NAMES.contains(&name)
}

/// Calls one of them.
pub(super) fn call(name: &str, arguments: &[Value]) -> Result<Option<Value>, String> {
    let failed = |why: String| format!("at <{name}>: error calling {name}: {why}");
    let value = match (name, arguments) {
        ("and", [.., last]) => arguments.iter().find(|value| !truth(Some(value))).unwrap_or(last).clone(),
        ("or", [.., last]) => arguments.iter().find(|value| truth(Some(value))).unwrap_or(last).clone(),
        ("not", [value]) => (!truth(Some(value))).into(),
        ("eq", [first, rest @ ..]) if !rest.is_empty() => rest.iter().any(|other| same(first, other)).into(),
        ("ne", [a, b]) => (!same(a, b)).into(),
        ("lt" | "le" | "gt" | "ge", [a, b]) => {
            let order = order(a, b).ok_or_else(|| failed("incompatible types for comparison".into()))?;
            match name {
                "lt" => order.is_lt(),
                "le" => order.is_le(),
                "gt" => order.is_gt(),
                _ => order.is_ge(),
            }
            .into()
        }
        ("len", [Value::String(text)]) => text.len().into(),
        ("len", [Value::Array(items)]) => items.len().into(),
        ("len", [Value::Object(map)]) => map.len().into(),
        ("len", [Value::Null]) => 0.into(),
        ("index", [value, keys @ ..]) => return index(value, keys).map(Some).map_err(failed),
        ("slice", [value, bounds @ ..]) => slice(value, bounds).map_err(failed)?,
        ("print", values) => spaced(values).into(),
        ("println", values) => {
            let words: Vec<String> = values.iter().map(print::plain).collect();
            format!("{}\n", words.join(" ")).into()
        }
        ("printf", [Value::String(format), values @ ..]) => printf::format(format, values).into(),
        ("json", [value]) => print::json(value).into(),
        ("split", [Value::String(text), Value::String(separator)]) => {
            text.split(separator.as_str()).map(Value::from).collect()
        }
        ("join", [Value::Array(items), Value::String(separator)]) => {
            items.iter().map(print::plain).collect::<Vec<_>>().join(separator).into()
        }
        ("join", [Value::Null, _]) => "".into(),
        ("title", [value]) => title(&print::plain(value)).into(),
        ("lower", [value]) => print::plain(value).to_lowercase().into(),
        ("upper", [value]) => print::plain(value).to_uppercase().into(),
        ("trimspace", [value]) => print::plain(value).trim().into(),
        ("pad", [value, before, after]) => {
            let spaces = |count: &Value| " ".repeat(whole(count).map_or(0, |count| count.min(1000)));
            match print::plain(value) {
                text if text.is_empty() => text,
                text => format!("{}{text}{}", spaces(before), spaces(after)),
            }
            .into()
        }
        ("truncate", [value, length]) => {
            let length = whole(length).ok_or_else(|| failed("expected a length".into()))?;
            print::plain(value).chars().take(length).collect::<String>().into()
        }
        _ => return Err(format!("wrong number of args for {name} or wrong type: got {}", arguments.len())),
    };
    Ok(Some(value))
}

fn whole(value: &Value) -> Option<usize> {
    value.as_u64().and_then(|number| usize::try_from(number).ok())
}

fn same(a: &Value, b: &Value) -> bool {
    match (a.as_f64(), b.as_f64()) {
        (Some(a), Some(b)) => a == b,
        _ => a == b,
    }
}

fn order(a: &Value, b: &Value) -> Option<Ordering> {
    match (a, b) {
        (Value::String(a), Value::String(b)) => Some(a.cmp(b)),
        _ => a.as_f64()?.partial_cmp(&b.as_f64()?),
    }
}

/// Follows keys and numbers into a value. A map without the key gives its kind's zero, which for the maps
/// that docker has is the empty text.
fn index(value: &Value, keys: &[Value]) -> Result<Value, String> {
    let mut value = value.clone();
    for key in keys {
        value = match (value, key) {
            (Value::Array(mut items), key) => {
                let at = whole(key).filter(|at| *at < items.len());
                items.swap_remove(at.ok_or_else(|| format!("index out of range: {}", print::plain(key)))?)
            }
            (Value::Object(mut map), Value::String(key)) => map.remove(key).unwrap_or_else(|| "".into()),
            (Value::Null, _) => return Err("index of untyped nil".into()),
            (Value::String(text), key) => {
                let byte = whole(key).and_then(|at| text.as_bytes().get(at).copied());
                byte.ok_or_else(|| format!("index out of range: {}", print::plain(key)))?.into()
            }
            (other, _) => return Err(format!("can't index item of type {}", print::plain(&other))),
        };
    }
    Ok(value)
}

fn slice(value: &Value, bounds: &[Value]) -> Result<Value, String> {
    let length = match value {
        Value::String(text) => text.len(),
        Value::Array(items) => items.len(),
        _ => return Err("can't slice item".into()),
    };
    let bound = |nth: usize, default: usize| match bounds.get(nth) {
        None => Ok(default),
        Some(bound) => whole(bound).filter(|at| *at <= length).ok_or("index out of range".to_owned()),
    };
    let (from, to) = (bound(0, 0)?, bound(1, length)?);
    let wrong = || "invalid slice index".to_owned();
    match value {
        Value::String(text) => text.get(from..to).map(Value::from).ok_or_else(wrong),
        Value::Array(items) => items.get(from..to).map(|items| items.to_vec().into()).ok_or_else(wrong),
        _ => Err(wrong()),
    }
}

/// As Go's `Sprint`: spaces between operands when neither is a text.
fn spaced(values: &[Value]) -> String {
    let mut text = String::new();
    for (nth, value) in values.iter().enumerate() {
        if nth > 0 && !value.is_string() && !values[nth - 1].is_string() {
            text.push(' ');
        }
        text.push_str(&print::plain(value));
    }
    text
}

fn title(text: &str) -> String {
    let mut start = true;
    text.chars()
        .flat_map(|c| {
            let titled: Vec<char> = if start { c.to_uppercase().collect() } else { vec![c] };
            start = c.is_whitespace();
            titled
        })
        .collect()
}
