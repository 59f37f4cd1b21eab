//! How values become other values: GitHub's coercions.

use serde_json::{Number, Value};

/// A number as a value; whole ones print without a fraction.
pub fn number(value: f64) -> Value {
    if value.fract() == 0.0 && value.abs() < 1e15 {
        return Value::from(value as i64);
    }
    Number::from_f64(value).map_or(Value::Null, Value::Number)
}

/// Whether it counts as true.
pub fn truthy(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(value) => *value,
        Value::Number(value) => value.as_f64().is_some_and(|value| value != 0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(_) | Value::Object(_) => true,
    }
}

/// As text, as it stands in a template.
pub fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::Bool(value) => value.to_string(),
        Value::Number(value) => match value.as_f64() {
            Some(float) if value.is_f64() => significant(float),
            _ => value.to_string(),
        },
        Value::String(text) => text.clone(),
        Value::Array(_) => "Array".into(),
        Value::Object(_) => "Object".into(),
    }
}

/// Fifteen significant digits, as .NET's `G15` gives them.
fn significant(value: f64) -> String {
    let magnitude = value.abs().log10().floor();
    if (-5.0..15.0).contains(&magnitude) {
        let decimals = (14.0 - magnitude).max(0.0) as usize;
        let text = format!("{value:.decimals$}");
        let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
        return text.to_owned();
    }
    let text = format!("{value:.14E}");
    let (digits, exponent) = text.split_once('E').unwrap_or((&text, "0"));
    let digits = digits.trim_end_matches('0').trim_end_matches('.');
    let (sign, exponent) = match exponent.strip_prefix('-') {
        Some(exponent) => ('-', exponent),
        None => ('+', exponent),
    };
    format!("{digits}E{sign}{exponent:0>2}")
}

/// As a number; what is none is NaN.
pub(super) fn to_number(value: &Value) -> f64 {
    match value {
        Value::Null => 0.0,
        Value::Bool(value) => f64::from(u8::from(*value)),
        Value::Number(value) => value.as_f64().unwrap_or(f64::NAN),
        Value::String(text) => text_to_number(text.trim()),
        Value::Array(_) | Value::Object(_) => f64::NAN,
    }
}

fn text_to_number(text: &str) -> f64 {
    match text {
        "" => return 0.0,
        "Infinity" | "+Infinity" => return f64::INFINITY,
        "-Infinity" => return f64::NEG_INFINITY,
        _ => {}
    }
    if let Some(hex) = text.strip_prefix("0x") {
        return u64::from_str_radix(hex, 16).map_or(f64::NAN, |value| value as f64);
    }
    if let Some(octal) = text.strip_prefix("0o") {
        return u64::from_str_radix(octal, 8).map_or(f64::NAN, |value| value as f64);
    }
    let plain = text.bytes().all(|b| b.is_ascii_digit() || b".eE+-".contains(&b));
    if plain { text.parse().unwrap_or(f64::NAN) } else { f64::NAN }
}

/// `==`: of one type as they are, texts without regard to case; of two types as numbers.
pub fn loosely_equal(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Null, Value::Null) => true,
        (Value::Bool(left), Value::Bool(right)) => left == right,
        (Value::String(left), Value::String(right)) => folded(left) == folded(right),
        (Value::Array(_), Value::Array(_)) | (Value::Object(_), Value::Object(_)) => {
            std::ptr::eq(left, right)
        }
        _ => to_number(left) == to_number(right),
    }
}

/// Which is less, where that makes sense.
pub(super) fn compared(left: &Value, right: &Value) -> Option<std::cmp::Ordering> {
    match (left, right) {
        (Value::String(left), Value::String(right)) => Some(folded(left).cmp(&folded(right))),
        (Value::Array(_) | Value::Object(_), _) | (_, Value::Array(_) | Value::Object(_)) => None,
        _ => to_number(left).partial_cmp(&to_number(right)),
    }
}

/// A text without regard to case.
pub(super) fn folded(text: &str) -> String {
    text.to_uppercase()
}

/// A member by name without regard to case; the exact name goes first.
pub fn member<'a>(value: &'a Value, name: &str) -> Option<&'a Value> {
    let object = value.as_object()?;
    object
        .get(name)
        .or_else(|| object.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value))
}
