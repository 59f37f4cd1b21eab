//! Notes beside a model: `model.yaml`, which teams write, and MLflow's `MLmodel`.

use serde_json::Value;

use super::{Said, plain};

/// Notes are short; a long file is something else.
const NOTE_MAX: usize = 1 << 20;

/// What the note `name` says; none where it is no YAML mapping.
pub(super) fn read(name: &str, content: &[u8]) -> Option<Said> {
    let text = std::str::from_utf8(content.get(..content.len().min(NOTE_MAX))?).ok()?;
    let note: Value = serde_saphyr::from_str(text).ok()?;
    note.as_object()?;
    Some(if name == "MLmodel" { mlflow(&note) } else { model_yaml(&note) })
}

fn model_yaml(note: &Value) -> Said {
    // Some put everything under one key.
    let inner = if note["model"].is_object() { &note["model"] } else { note };
    Said {
        name: first(inner, &["name", "model_name"]),
        version: first(inner, &["version", "model_version"]),
        format: first(inner, &["format", "framework"]),
    }
}

fn mlflow(note: &Value) -> Said {
    let flavors = note["flavors"].as_object().into_iter().flatten();
    // Every model also has the flavor `python_function`, which says nothing.
    let flavor = flavors.map(|(name, _)| name.as_str()).find(|name| *name != "python_function");
    Said {
        name: first(&note["metadata"], &["name", "model_name"]),
        version: match first(&note["metadata"], &["version", "model_version"]) {
            none if none.is_empty() => first(note, &["model_id", "model_uuid", "run_id"]),
            version => version,
        },
        format: flavor.map_or_else(|| "mlflow".to_owned(), |flavor| format!("mlflow/{}", plain(flavor))),
    }
}

/// The first of `keys` that holds a plain value.
fn first(note: &Value, keys: &[&str]) -> String {
    let value = keys.iter().find_map(|key| match &note[*key] {
        Value::String(text) => Some(plain(text)),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    });
    value.unwrap_or_default()
}
