//! A tree and a scope to a value.

use std::borrow::Cow;
use std::cmp::Ordering;

use serde_json::Value;

use super::ast::{Expr, ExprKind, Function, Operator};
use super::value::{compared, folded, loosely_equal, member, number, text, to_number, truthy};
use crate::source::{Fault, Span};

/// What an expression can see.
pub trait Scope {
    /// A context; none is nothing there.
    fn context(&self, name: &str) -> Option<&Value>;
    /// How things went so far.
    fn status(&self) -> Status {
        Status::default()
    }
    /// The digest over the files that patterns name.
    ///
    /// # Errors
    /// Why it cannot be had.
    fn hash_files(&self, _patterns: &[String]) -> Result<String, String> {
        Err("hashFiles is only available in steps".into())
    }
}

/// How things went so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Status {
    /// Nothing has failed.
    pub success: bool,
    /// Something has failed.
    pub failure: bool,
    /// The run was stopped.
    pub cancelled: bool,
}

impl Default for Status {
    fn default() -> Self {
        Self { success: true, failure: false, cancelled: false }
    }
}

/// The value of an expression.
///
/// # Errors
/// A function that cannot do what it is asked for; the place is within the expression.
pub fn evaluate(expr: &Expr, scope: &dyn Scope) -> Result<Value, Fault> {
    Ok(eval(expr, scope)?.into_value())
}

/// A value, or the many that `.*` has taken out of one.
enum Found<'a> {
    One(Cow<'a, Value>),
    Many(Vec<Cow<'a, Value>>),
}

impl Found<'_> {
    fn into_value(self) -> Value {
        match self {
            Self::One(value) => value.into_owned(),
            Self::Many(values) => Value::Array(values.into_iter().map(Cow::into_owned).collect()),
        }
    }
}

const NULL: Value = Value::Null;

fn eval<'a>(expr: &'a Expr, scope: &'a dyn Scope) -> Result<Found<'a>, Fault> {
    let owned = |value: Value| Ok(Found::One(Cow::Owned(value)));
    match &expr.kind {
        ExprKind::Literal(value) => Ok(Found::One(Cow::Borrowed(value))),
        ExprKind::Context(name) => {
            let found = scope.context(&name.to_ascii_lowercase());
            Ok(Found::One(found.map_or(Cow::Owned(NULL), Cow::Borrowed)))
        }
        ExprKind::Index(inner, key) => {
            let key = value_of(key, scope)?;
            Ok(match eval(inner, scope)? {
                Found::One(value) => Found::One(index(value, &key).unwrap_or(Cow::Owned(NULL))),
                Found::Many(values) => {
                    Found::Many(values.into_iter().filter_map(|value| index(value, &key)).collect())
                }
            })
        }
        ExprKind::Star(inner) => Ok(match eval(inner, scope)? {
            Found::One(value) => Found::Many(children(value)),
            Found::Many(values) => Found::Many(values.into_iter().flat_map(children).collect()),
        }),
        ExprKind::Not(inner) => owned(Value::Bool(!truthy(&*value_of(inner, scope)?))),
        ExprKind::Binary(operator, left, right) => binary(*operator, left, right, scope),
        ExprKind::Call(function, arguments) => owned(call(expr.span, *function, arguments, scope)?),
    }
}

fn value_of<'a>(expr: &'a Expr, scope: &'a dyn Scope) -> Result<Cow<'a, Value>, Fault> {
    Ok(match eval(expr, scope)? {
        Found::One(value) => value,
        many => Cow::Owned(many.into_value()),
    })
}

fn index<'a>(value: Cow<'a, Value>, key: &Value) -> Option<Cow<'a, Value>> {
    fn find<'v>(value: &'v Value, key: &Value) -> Option<&'v Value> {
        match value {
            Value::Object(_) => match key {
                Value::Array(_) | Value::Object(_) => None,
                key => member(value, &text(key)),
            },
            Value::Array(items) => {
                let at = to_number(key);
                (at >= 0.0).then(|| items.get(at.floor() as usize)).flatten()
            }
            _ => None,
        }
    }
    match value {
        Cow::Borrowed(value) => find(value, key).map(Cow::Borrowed),
        Cow::Owned(value) => find(&value, key).cloned().map(Cow::Owned),
    }
}

fn children(value: Cow<'_, Value>) -> Vec<Cow<'_, Value>> {
    match value {
        Cow::Borrowed(Value::Array(items)) => items.iter().map(Cow::Borrowed).collect(),
        Cow::Borrowed(Value::Object(members)) => members.values().map(Cow::Borrowed).collect(),
        Cow::Owned(Value::Array(items)) => items.into_iter().map(Cow::Owned).collect(),
        Cow::Owned(Value::Object(members)) => members.into_iter().map(|(_, v)| Cow::Owned(v)).collect(),
        _ => Vec::new(),
    }
}

fn binary<'a>(
    operator: Operator,
    left: &'a Expr,
    right: &'a Expr,
    scope: &'a dyn Scope,
) -> Result<Found<'a>, Fault> {
    let first = value_of(left, scope)?;
    match (operator, truthy(&first)) {
        (Operator::Or, true) | (Operator::And, false) => return Ok(Found::One(first)),
        (Operator::Or | Operator::And, _) => return Ok(Found::One(value_of(right, scope)?)),
        _ => {}
    }
    let second = value_of(right, scope)?;
    let order = || compared(&first, &second);
    let answer = match operator {
        Operator::Equal => loosely_equal(&first, &second),
        Operator::NotEqual => !loosely_equal(&first, &second),
        Operator::Less => order() == Some(Ordering::Less),
        Operator::Greater => order() == Some(Ordering::Greater),
        Operator::LessOrEqual => matches!(order(), Some(Ordering::Less | Ordering::Equal)),
        Operator::GreaterOrEqual => matches!(order(), Some(Ordering::Greater | Ordering::Equal)),
        Operator::Or | Operator::And => unreachable!("answered above"),
    };
    Ok(Found::One(Cow::Owned(Value::Bool(answer))))
}

fn call(span: Span, function: Function, arguments: &[Expr], scope: &dyn Scope) -> Result<Value, Fault> {
    let argument = |at: usize| value_of(&arguments[at], scope);
    let primitive = |value: &Value| !matches!(value, Value::Array(_) | Value::Object(_));
    let texts = |test: fn(&str, &str) -> bool| -> Result<Value, Fault> {
        let (left, right) = (argument(0)?, argument(1)?);
        let both = primitive(&left) && primitive(&right);
        Ok(Value::Bool(both && test(&folded(&text(&left)), &folded(&text(&right)))))
    };
    let status = scope.status();
    match function {
        Function::Contains => match &*argument(0)? {
            Value::Array(items) => {
                let wanted = argument(1)?;
                Ok(Value::Bool(items.iter().any(|item| loosely_equal(item, &wanted))))
            }
            _ => texts(|text, part| text.contains(part)),
        },
        Function::StartsWith => texts(|text, part| text.starts_with(part)),
        Function::EndsWith => texts(|text, part| text.ends_with(part)),
        Function::Format => {
            let pattern = text(&*argument(0)?);
            let values = (1..arguments.len()).map(|at| Ok(text(&*argument(at)?)));
            let values = values.collect::<Result<Vec<_>, Fault>>()?;
            format_text(&pattern, &values).map(Value::String).map_err(|why| Fault::new(span, why))
        }
        Function::Join => {
            let separator = if arguments.len() > 1 { text(&*argument(1)?) } else { ",".into() };
            Ok(Value::String(match &*argument(0)? {
                Value::Array(items) => items.iter().map(text).collect::<Vec<_>>().join(&separator),
                value if primitive(value) => text(value),
                _ => String::new(),
            }))
        }
        Function::ToJson => Ok(Value::String(to_json(&*argument(0)?))),
        Function::FromJson => {
            let given = text(&*argument(0)?);
            serde_json::from_str(&given).map(normal).map_err(|error| {
                Fault::new(
                    span,
                    format!("Error parsing fromJson: {error} (the text has {} characters)", given.len()),
                )
            })
        }
        Function::HashFiles => {
            let patterns = (0..arguments.len()).map(|at| Ok(text(&*argument(at)?)));
            let patterns = patterns.collect::<Result<Vec<_>, Fault>>()?;
            scope.hash_files(&patterns).map(Value::String).map_err(|why| Fault::new(span, why))
        }
        Function::Case => {
            let last = arguments.len() - 1;
            for at in (0..last).step_by(2) {
                match &*argument(at)? {
                    Value::Bool(true) => return Ok(argument(at + 1)?.into_owned()),
                    Value::Bool(false) => {}
                    other => {
                        let shown = to_json(other);
                        return Err(Fault::new(
                            arguments[at].span,
                            format!("case: {shown} is not a boolean"),
                        ));
                    }
                }
            }
            Ok(argument(last)?.into_owned())
        }
        Function::Success => Ok(Value::Bool(status.success)),
        Function::Failure => Ok(Value::Bool(status.failure)),
        Function::Always => Ok(Value::Bool(true)),
        Function::Cancelled => Ok(Value::Bool(status.cancelled)),
    }
}

/// Whole numbers without a fraction, all the way down.
fn normal(value: Value) -> Value {
    match value {
        Value::Number(value) => value.as_f64().map_or(NULL, number),
        Value::Array(items) => items.into_iter().map(normal).collect(),
        Value::Object(members) => {
            Value::Object(members.into_iter().map(|(key, value)| (key, normal(value))).collect())
        }
        other => other,
    }
}

fn to_json(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default()
}

/// `{0}` and the like filled in; `{{` and `}}` are braces.
fn format_text(pattern: &str, values: &[String]) -> Result<String, String> {
    let wrong = || format!("The following format string is invalid: {pattern}");
    let mut out = String::new();
    let mut rest = pattern;
    while let Some(at) = rest.find(['{', '}']) {
        out.push_str(&rest[..at]);
        let tail = &rest[at..];
        if let Some(after) = tail.strip_prefix("{{").or_else(|| tail.strip_prefix("}}")) {
            out.push_str(&tail[..1]);
            rest = after;
            continue;
        }
        let (inside, after) =
            tail.strip_prefix('{').and_then(|tail| tail.split_once('}')).ok_or_else(wrong)?;
        let at: usize = inside.parse().map_err(|_| wrong())?;
        let missing =
            || format!("The following format string references more arguments than were supplied: {pattern}");
        out.push_str(values.get(at).ok_or_else(missing)?);
        rest = after;
    }
    out.push_str(rest);
    Ok(out)
}
