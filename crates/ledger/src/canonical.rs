//! Canonical JSON: the same value always has the same bytes, and so the same digest.
//!
//! RFC 8785 for the subset that records use: objects sorted by key, no white space, no fractions.

use serde::Serialize;
use serde_json::Value;

/// `value` as canonical JSON.
///
/// # Errors
///
/// When `value` does not serialise, such as a map whose keys are no strings.
pub fn canonical_json(value: &impl Serialize) -> Result<Vec<u8>, serde_json::Error> {
    serde_json::to_vec(&sorted(serde_json::to_value(value)?))
}

fn sorted(value: Value) -> Value {
    match value {
        Value::Object(map) => {
            let mut members: Vec<_> = map.into_iter().collect();
            // RFC 8785 sorts by UTF-16 code units; it differs from UTF-8 order only past the basic plane.
            members.sort_by(|(a, _), (b, _)| a.encode_utf16().cmp(b.encode_utf16()));
            Value::Object(members.into_iter().map(|(key, value)| (key, sorted(value))).collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(sorted).collect()),
        scalar => scalar,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_of_fields_does_not_matter() {
        let one: Value = serde_json::from_str(r#"{"b": [ {"y": 1, "x": 2} ], "a": "é"}"#).unwrap();
        let two: Value = serde_json::from_str(r#"{"a":"é","b":[{"x":2,"y":1}]}"#).unwrap();
        assert_eq!(canonical_json(&one).unwrap(), canonical_json(&two).unwrap());
        assert_eq!(canonical_json(&one).unwrap(), r#"{"a":"é","b":[{"x":2,"y":1}]}"#.as_bytes());
    }
}
