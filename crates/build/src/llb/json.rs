//! JSON as BuildKit writes it, for that is what it hashes.

use serde_json::{Map, Value};
use wharf_oci::{Digest, digest};

/// A document as Go writes it.
pub(super) fn go_json(value: &Value) -> String {
    let text = value.to_string();
    text.replace('<', "\\u003c")
        .replace('>', "\\u003e")
        .replace('&', "\\u0026")
        .replace('\u{2028}', "\\u2028")
        .replace('\u{2029}', "\\u2029")
}

/// The digest of a document.
pub(super) fn digest_of(value: &Value) -> Digest {
    digest::sha256(go_json(value).as_bytes())
}

/// An object of the members that are not null, in this order.
pub(super) fn object(members: impl IntoIterator<Item = (&'static str, Value)>) -> Value {
    let members = members.into_iter().filter(|(_, value)| !value.is_null());
    Value::Object(members.map(|(name, value)| (name.to_owned(), value)).collect::<Map<_, _>>())
}

/// What protocol buffers leave out where it is empty, zero or false.
pub(super) fn nonzero<T: Default + PartialEq + Into<Value>>(value: T) -> Value {
    if value == T::default() { Value::Null } else { value.into() }
}

/// What a link says of the paths that are looked at.
pub(super) fn selector<'a>(paths: impl IntoIterator<Item = &'a str>) -> String {
    let paths: Vec<&str> = paths.into_iter().collect();
    digest::sha256(paths.join("\0").as_bytes()).to_string()
}
