//! JSON documents beside models: Keras configurations, tokenizers with a chat template.

use serde_json::Value;

use super::{Issue, keras, template};
use crate::blob::Blob;

const MAX_DOCUMENT: usize = 64 << 20;

/// Whether a document says what is looked for, or escapes letters, as if to hide that.
fn is_about_models(text: &[u8]) -> bool {
    const SAID: [&[u8]; 6] = [b"class_name", b"chat_template", b"\\u004", b"\\u005", b"\\u006", b"\\u007"];
    SAID.iter().any(|said| memchr::memmem::find(text, said).is_some())
}

/// What is wrong with a document.
pub(super) fn check(blob: &Blob) -> Vec<Issue> {
    let text = blob.bytes(0, MAX_DOCUMENT).unwrap_or_default();
    if !is_about_models(&text) {
        return Vec::new();
    }
    let Ok(document) = serde_json::from_slice::<Value>(&text) else { return Vec::new() };
    let mut issues = Vec::new();
    keras::check(&document, &mut issues);
    match document.get("chat_template") {
        Some(Value::String(template)) => issues.extend(template::check(template)),
        Some(Value::Array(templates)) => {
            let texts = templates.iter().filter_map(|entry| entry.get("template")?.as_str());
            issues.extend(texts.flat_map(template::check));
        }
        Some(Value::Object(templates)) => {
            issues.extend(templates.values().filter_map(Value::as_str).flat_map(template::check));
        }
        _ => {}
    }
    issues
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_found_however_they_are_written() {
        for text in [
            r#"{"class_name": "Lambda", "config": {}}"#,
            r#"{"class\u005fname": "Lambda"}"#,
            r#"{"\u0063lass_name": "Lambda"}"#,
            r#"{"chat_template": "{{ x.__class__ }}"}"#,
        ] {
            assert_eq!(check(&Blob::from(text.as_bytes().to_vec())).len(), 1, "{text}");
        }
        assert!(check(&Blob::from(br#"{"name": "Lambda \u003c"}"#.to_vec())).is_empty());
    }
}
