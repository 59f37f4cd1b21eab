//! JSON documents beside models: Keras configurations, tokenizers with a chat template.

use serde_json::Value;

use super::{Issue, keras, template};
use crate::blob::Blob;

const MAX_DOCUMENT: usize = 64 << 20;

/// What is wrong with a document.
pub(super) fn check(blob: &Blob) -> Vec<Issue> {
    let text = blob.bytes(0, MAX_DOCUMENT).unwrap_or_default();
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
